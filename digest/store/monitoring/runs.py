"""The log of runs, and the right to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol

from digest.store.database.basics import to_seconds
from digest.store.database.connect import Database
from digest.store.database.locks import Right, dated
from digest.store.database.part import Part


class Lock(Protocol):
    """Gives a right that only one process has, or raises AlreadyRunning."""

    def __call__(self, purpose: str, *, of: Right) -> AbstractContextManager[Callable[[], bool]]:
        """``purpose`` is told to whoever is refused. The value tells whether the right is still held."""
        ...


class Runs(Part):
    """Satisfies ``ports.RunStore``."""

    def __init__(self, database: Database, lock: Lock) -> None:
        super().__init__(database)
        self._lock = lock

    @contextmanager
    def exclusive(self, purpose: str, since: datetime | None = None) -> Iterator[None]:
        with self._lock(dated(purpose, since), of=Right.RUN):
            yield

    @contextmanager
    def sending(self, purpose: str, since: datetime | None = None) -> Iterator[None]:
        with self._lock(dated(purpose, since), of=Right.SEND):
            yield

    def leading(self, purpose: str) -> AbstractContextManager[Callable[[], bool]]:
        return self._lock(purpose, of=Right.LEAD)

    def started(self, now: datetime) -> int:
        with self._database.changing() as connection:
            key: int = connection.value(
                "INSERT INTO run (started_at, report) VALUES (?, ?) RETURNING key", to_seconds(now), ""
            )
        return key

    def ended(
        self, run: int, now: datetime, report: str, *, ok: bool = True, arrived: int = 0, written: int = 0
    ) -> None:
        self._change(
            "UPDATE run SET ended_at = ?, report = ?, ok = ?, arrived = ?, written = ? WHERE key = ?",
            *(to_seconds(now), report, ok, arrived, written, run),
        )
