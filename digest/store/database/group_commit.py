"""Group commit: threads that write at the same time share a transaction, and so one wait for the disk.

A small change costs next to nothing, its commit a wait for the disk. While one transaction is being committed, the
changes of other threads gather, and the next transaction takes them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from digest.errors import StoreCrossed, StoreError

_AGAIN = 5
"""Times that a transaction is done again which crossed another one."""
Order = tuple[str, Mapping[str, Any]]
"""A statement and its values by name."""


class Result(Struct, frozen=True):
    """What came of one statement."""

    rows: Sequence[tuple[Any, ...]]
    """In the order of its columns; none if it returns none."""
    count: int
    """How many rows it changed. Says nothing of a statement that only reads."""

    @classmethod
    def of(cls, cursor: Any) -> Result:
        return cls(cursor.fetchall() if cursor.description else (), cursor.rowcount)


class GroupCommit:
    """The changes of one process to one database; ``transaction`` does all statements it is given, or none."""

    def __init__(self, transaction: Callable[[Sequence[Order]], Sequence[Result]]) -> None:
        self._transaction = transaction
        self._leading = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Change] = []

    def write(self, *orders: Order) -> Sequence[Result]:
        """Run these statements and return what came of them, when it is on disk. Others may be in the same
        transaction, so all are undone when one of them fails. Raises StoreError."""
        mine = _Change(orders)
        with self._lock:
            self._waiting.append(mine)
        with self._leading:
            if not mine.is_over:
                with self._lock:
                    changes, self._waiting = self._waiting, []
                self._commit(changes)
        return mine.outcome()

    def _commit(self, changes: list[_Change]) -> None:
        orders = [order for each in changes for order in each.orders]
        try:
            results = iter(self._done(orders))
        except BaseException as error:
            for each in changes:
                each.fail(error)
        else:
            for each in changes:
                each.succeed([next(results) for _ in each.orders])

    def _done(self, orders: Sequence[Order]) -> Sequence[Result]:
        """Threads of several processes lock rows in any order, since their changes are done together."""
        for _ in range(_AGAIN):
            try:
                return self._transaction(orders)
            except StoreCrossed:
                continue
        return self._transaction(orders)


class _Change:
    """What one thread waits for."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.orders = orders
        self.is_over = False
        self._results: Sequence[Result] = ()
        self._error: BaseException | None = None

    def succeed(self, results: Sequence[Result]) -> None:
        self._results, self.is_over = results, True

    def fail(self, error: BaseException) -> None:
        self._error, self.is_over = error, True

    def outcome(self) -> Sequence[Result]:
        if isinstance(self._error, StoreError):  # one for each thread: a traceback grows while it is raised
            raise StoreError(self._error.subject, self._error.cause, self._error.remedy) from self._error
        if self._error is not None:
            raise self._error
        return self._results
