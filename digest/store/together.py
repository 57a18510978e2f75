"""Group commit: threads that write at the same time share a transaction, and so one wait for the disk.

A small change costs next to nothing, its commit a wait for the disk. While one transaction is being committed, the
changes of other threads gather, and the next transaction takes them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection

from digest.errors import StoreError

T = TypeVar("T")


class Together:
    """The changes of one process to one database; ``transaction`` opens one that writes."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction
        self._leading = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Change] = []

    def write(self, change: Callable[[Connection], T]) -> T:
        """Do ``change`` and return what it returns, when it is on disk. Others may be in the same transaction, so it
        must not end it, and is undone when one of them fails. Raises StoreError."""
        mine = _Change(change)
        with self._lock:
            self._waiting.append(mine)
        with self._leading:
            if not mine.is_over:
                with self._lock:
                    changes, self._waiting = self._waiting, []
                self._commit(changes)
        result: T = mine.outcome()
        return result

    def _commit(self, changes: list[_Change]) -> None:
        try:
            with self._transaction() as connection:
                results = [each.change(connection) for each in changes]
        except BaseException as error:
            for each in changes:
                each.fail(error)
        else:
            for each, result in zip(changes, results, strict=True):
                each.succeed(result)


class _Change:
    """What one thread waits for."""

    def __init__(self, change: Callable[[Connection], Any]) -> None:
        self.change = change
        self.is_over = False
        self._result: Any = None
        self._error: BaseException | None = None

    def succeed(self, result: Any) -> None:
        self._result, self.is_over = result, True

    def fail(self, error: BaseException) -> None:
        self._error, self.is_over = error, True

    def outcome(self) -> Any:
        if isinstance(self._error, StoreError):  # one for each thread: a traceback grows while it is raised
            raise StoreError(self._error.subject, self._error.cause, self._error.remedy) from self._error
        if self._error is not None:
            raise self._error
        return self._result
