"""Threads that write at the same time share commits, and each gets its own answer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from digest.errors import StoreCrossed, StoreError
from digest.store.database.group_commit import GroupCommit, Order


class Disk:
    """Transactions that wait until ``open``ed, and are counted. A statement's result is its name and the transaction's
    number."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.commits = 0
        self.error: BaseException | None = None

    def transaction(self, orders: Sequence[Order]) -> list[Any]:
        number = self.commits
        self.begun.release()
        assert self.gate.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        self.commits += 1
        return [(name, number) for name, _ in orders]


def order(name: str) -> Order:
    return name, {}


class Writers:
    """Threads that write, and what they were told."""

    def __init__(self, together: GroupCommit) -> None:
        self.together = together
        self.threads: list[threading.Thread] = []
        self.answers: dict[int, Any] = {}

    def start(self, number: int) -> None:
        def write() -> None:
            try:
                self.answers[number] = self.together.write(order(f"first {number}"), order(f"second {number}"))
            except BaseException as error:
                self.answers[number] = error

        self.threads.append(threading.Thread(target=write))
        self.threads[-1].start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(60)


def gathered(together: GroupCommit, count: int) -> None:
    """Wait until so many changes wait for the next transaction."""
    for _ in range(6_000):
        if len(together._waiting) == count:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{len(together._waiting)} wait")


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_what_crossed_another_transaction_is_done_again() -> None:
    """A few times; then it is told."""
    tries: list[int] = []

    def crosses(orders: Sequence[Order]) -> list[Any]:
        tries.append(len(orders))
        if len(tries) < 3:
            raise StoreCrossed("store", "two waited for each other")
        return [(name, len(tries)) for name, _ in orders]

    results: list[Any] = list(GroupCommit(crosses).write(order("a")))
    assert results == [("a", 3)]

    def always(orders: Sequence[Order]) -> list[Any]:
        tries.append(len(orders))
        raise StoreCrossed("store", "two waited for each other")

    tries.clear()
    with pytest.raises(StoreError, match="two waited"):
        GroupCommit(always).write(order("a"))
    assert len(tries) == 6


def test_what_gathers_during_a_commit_shares_the_next(disk: Disk) -> None:
    writers = Writers(GroupCommit(disk.transaction))
    writers.start(0)
    assert disk.begun.acquire(timeout=60)
    for number in range(1, 6):
        writers.start(number)
    gathered(writers.together, 5)
    disk.gate.release(2)
    writers.join()
    assert disk.commits == 2
    told = {number: [(f"first {number}", min(number, 1)), (f"second {number}", min(number, 1))] for number in range(6)}
    assert writers.answers == told


def test_a_transaction_that_fails_is_told_to_all_in_it_and_to_no_other(disk: Disk) -> None:
    writers = Writers(GroupCommit(disk.transaction))
    disk.error = StoreError("digest.db", "the disk is full", "make room")
    for number in range(2):
        writers.start(number)
    assert disk.begun.acquire(timeout=60)
    gathered(writers.together, 1)
    disk.gate.release(2)
    writers.join()
    told = list(writers.answers.values())
    assert [str(error) for error in told] == ["digest.db: the disk is full; make room"] * 2
    assert told[0] is not told[1], "each has its own traceback"
    disk.error = None
    disk.gate.release()
    written: Sequence[Any] = writers.together.write(order("written"))
    assert written == [("written", 0)]


def test_other_errors_come_through_as_they_are(disk: Disk) -> None:
    disk.error = ValueError("not a number")
    disk.gate.release()
    with pytest.raises(ValueError, match="not a number"):
        GroupCommit(disk.transaction).write(order("anything"))
