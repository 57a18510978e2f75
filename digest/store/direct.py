"""The driver's own connections, for the few statements that are run for each message.

SQLAlchemy's pool, events and results take longer than such a statement itself, and on a server each transaction's
beginning and end are round trips. Here a connection is kept as it is; statements come as data (``Swift`` and its
values), all those of one transaction together, so that PostgreSQL gets them in one packet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from select import POLLIN, poll
from typing import Any

from msgspec import Struct
from sqlalchemy import Dialect, Engine

from digest.store.faults import told
from digest.store.sql import Swift

Order = tuple[Swift, Mapping[str, Any]]
"""A statement and the values of its bound parameters."""


class Result(Struct, frozen=True):
    """What came of one statement."""

    rows: Sequence[tuple[Any, ...]]
    """In the order of its columns; none if it returns none."""
    count: int
    """How many rows it changed. Says nothing of a statement that only reads."""


class Direct:
    """The connections of one process to one database. May be used by several threads, each with its own connection
    while it needs one."""

    def __init__(self, engine: Engine, subject: str) -> None:
        """Connects to nobody yet."""
        self._engine = engine
        self._subject = subject
        self._idle: list[Any] = []

    def ask(self, question: Swift, given: Mapping[str, Any]) -> Result:
        """One statement that only reads. Raises StoreError."""
        return self._done([(question, given)], alone=True)[0]

    def change(self, orders: Sequence[Order]) -> list[Result]:
        """All statements in one transaction, which is on disk when this returns. Raises StoreError."""
        return self._done(orders, alone=False)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _done(self, orders: Sequence[Order], *, alone: bool) -> list[Result]:
        errors: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        with told(self._subject):
            connection = self._take() or self._connect()
            try:
                results = perform(connection, self._engine.dialect, orders, alone=alone)
            except BaseException:
                with suppress(errors):
                    connection.close()  # which undoes everything
                raise
            self._idle.append(connection)
            return results

    def _take(self) -> Any | None:
        """A kept connection that is fit for use; the last one that was used, for its caches are warm."""
        with suppress(IndexError):  # another thread may take the last one
            while connection := self._idle.pop():
                if self._engine.dialect.name != "postgresql" or _is_silent(connection):
                    return connection
                connection.close()
        return None

    def _connect(self) -> Any:
        """A new one, prepared as all of the engine's, that begins and ends no transaction by itself."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self._engine.dialect.name == "postgresql":
            connection.autocommit = True
        return connection


def _is_silent(connection: Any) -> bool:
    """Whether a server has said nothing on a connection that is not in use. If it did it has ended it; asking it would
    be a round trip."""
    if connection.closed:
        return False
    looking = poll()
    looking.register(connection.fileno(), POLLIN)
    return not looking.poll(0)


def perform(connection: Any, dialect: Dialect, orders: Sequence[Order], *, alone: bool) -> list[Result]:
    """Run statements on a driver's connection: ``alone`` a single one, else all in a transaction. PostgreSQL gets the
    whole transaction at once."""
    if alone:
        return [run(connection, dialect, *order) for order in orders]
    if dialect.name == "postgresql":
        with _one_packet(connection):
            connection.execute("BEGIN")
            cursors = [connection.execute(*statement.bound(dialect, given)) for statement, given in orders]
            connection.execute("COMMIT")
        return [_result(cursor) for cursor in cursors]
    connection.execute("BEGIN IMMEDIATE")
    results = [run(connection, dialect, *order) for order in orders]
    connection.execute("COMMIT")
    return results


def _one_packet(connection: Any) -> AbstractContextManager[object]:
    """PostgreSQL's pipeline mode; libpq has it since version 14, without it each statement is a round trip."""
    from psycopg import Pipeline

    return connection.pipeline() if Pipeline.is_supported() else nullcontext()


def run(connection: Any, dialect: Dialect, statement: Swift, given: Mapping[str, Any]) -> Result:
    """One statement on a driver's connection."""
    return _result(connection.execute(*statement.bound(dialect, given)))


def _result(cursor: Any) -> Result:
    rows = cursor.fetchall() if cursor.description else ()
    return Result(rows, cursor.rowcount)
