"""A progress bar for work that takes over a second, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from digest.jobs.progress import Progress, silent

PATIENCE = 1.0
"""Seconds of silence before a bar appears."""


@contextmanager
def terminal_progress(*, enabled: bool) -> Iterator[Progress]:
    """Yields what use cases report to. The bar goes to standard error and vanishes at the end."""
    if not enabled or sys.stderr is None or not sys.stderr.isatty():  # None: started with standard error closed
        yield silent
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    """One bar for each kind of work; the library is imported when the first bar is shown."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._tasks: dict[str, Any] = {}
        self._bar: Any = None

    def __call__(self, work: str, done: int, total: int) -> None:
        began = self._began.setdefault(work, time.monotonic())
        if self._bar is None and time.monotonic() - began < PATIENCE:
            return
        bar = self._shown()
        if work not in self._tasks:
            self._tasks[work] = bar.add_task(work, total=total)
        bar.update(self._tasks[work], completed=done, total=total)

    def _shown(self) -> Any:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(file=sys.__stderr__), transient=True)
            self._bar.start()
        return self._bar

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
