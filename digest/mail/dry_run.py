"""The transport of a dry run: takes every message and sends none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from digest.models import Reply


class DryRunTransport:
    """Satisfies ``ports.Transport``."""

    atomic = True

    def send(
        self,
        *,
        envelope_from: str,
        recipient: str,
        name: str,
        message: Sequence[bytes],
        before_dot: Callable[[], bool],
        after_dot: Callable[[], None] = lambda: None,
        unanswered: Callable[[], None] = lambda: None,
    ) -> Reply:
        before_dot()
        return Reply(text="not sent: this is a dry run")

    def close(self) -> None:
        """There is nothing to let go of."""
