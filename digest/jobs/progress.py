"""How a use case tells how far it is; what is made of it is the caller's business."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a name for the work (``reading posts``), how much is done and how much there is in all."""


def silent(work: str, done: int, total: int) -> None:
    """Tell nobody."""
