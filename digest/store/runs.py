"""The log of runs, and the right to run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import insert, update

from digest.store.connect import Database
from digest.store.part import Part
from digest.store.schema import run as run_table

Lock = Callable[[str], AbstractContextManager[None]]
"""Takes a purpose, gives the right to run or raises AlreadyRunning."""


class Runs(Part):
    """Satisfies ``ports.RunStore``."""

    def __init__(self, database: Database, lock: Lock) -> None:
        super().__init__(database)
        self._lock = lock

    def exclusive(self, purpose: str) -> AbstractContextManager[None]:
        return self._lock(purpose)

    def started(self, now: datetime) -> int:
        statement = insert(run_table).values(started_at=now, report="").returning(run_table.c.key)
        with self._database.writing() as connection:
            key: int = connection.execute(statement).scalar_one()
        return key

    def ended(self, run: int, now: datetime, report: str) -> None:
        statement = update(run_table).where(run_table.c.key == run).values(ended_at=now, report=report)
        with self._database.writing() as connection:
            connection.execute(statement)
