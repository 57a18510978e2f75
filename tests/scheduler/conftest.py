"""A scheduler whose clock and runs are in the test's hands, on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.app.running import RunOrder
from digest.jobs.run import RunReport
from digest.service.scheduler import Job, Scheduler
from digest.store import SqlStore, open_store

SHANGHAI = ZoneInfo("Asia/Shanghai")


class World:
    """Time goes on when it is told to; runs are written down, and go as they are told to."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.now = datetime(2026, 11, 24, 0, 0, 30, tzinfo=UTC)  # 08:00:30 in Shanghai
        self.ticks = 1000.0
        self.runs: list[tuple[datetime, RunOrder]] = []
        self.outcome: Callable[[], RunReport] = lambda: RunReport(now=self.now)

    def make(self, jobs: Sequence[Job], zone: ZoneInfo = SHANGHAI) -> Scheduler:
        """A scheduler, as a process that was started just now has it."""
        return Scheduler(jobs, zone, self.store, self._run, clock=lambda: self.now, ticks=lambda: self.ticks)

    def _run(self, order: RunOrder) -> RunReport:
        self.runs.append((self.now, order))
        return self.outcome()

    def passes(self, scheduler: Scheduler, *, step: timedelta = timedelta(seconds=20), **length: float) -> None:
        """Time goes on, and the scheduler looks every ``step``."""
        end = self.now + timedelta(**length)
        while self.now < end:
            self.sleeps(seconds=min(step, end - self.now).total_seconds())
            scheduler.tick()

    def sleeps(self, **length: float) -> None:
        """Time goes on, and nobody looks."""
        self.now += timedelta(**length)
        self.ticks += timedelta(**length).total_seconds()

    def since(self, count: int) -> list[str]:
        """When the runs after the first ``count`` took place, in Shanghai."""
        return [f"{now.astimezone(SHANGHAI):%d %H:%M:%S}" for now, _ in self.runs[count:]]


@pytest.fixture
def world(sqlite_store_url: str) -> Iterator[World]:
    with open_store(sqlite_store_url) as store:
        yield World(store)
