"""The log of runs, and the right to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol

from sqlalchemy import insert, update

from digest.store.connect import Database
from digest.store.locks import Right
from digest.store.part import Part
from digest.store.schema import run as run_table


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
    def exclusive(self, purpose: str) -> Iterator[None]:
        with self._lock(purpose, of=Right.RUN):
            yield

    def leading(self, purpose: str) -> AbstractContextManager[Callable[[], bool]]:
        return self._lock(purpose, of=Right.LEAD)

    def started(self, now: datetime) -> int:
        statement = insert(run_table).values(started_at=now, report="").returning(run_table.c.key)
        with self._database.writing() as connection:
            key: int = connection.execute(statement).scalar_one()
        return key

    def ended(
        self, run: int, now: datetime, report: str, *, ok: bool = True, arrived: int = 0, written: int = 0
    ) -> None:
        result = {"ended_at": now, "report": report, "ok": ok, "arrived": arrived, "written": written}
        statement = update(run_table).where(run_table.c.key == run).values(result)
        with self._database.writing() as connection:
            connection.execute(statement)
