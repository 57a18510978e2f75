"""What the parts of the store share: the database, and the small values kept by name."""

from __future__ import annotations

from typing import Any

from digest.store.database.connect import Database
from digest.store.database.connection import Connection


class Part:
    """A part of ``SqlStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(self, question: str, *values: Any, **named: Any) -> list[tuple[Any, ...]]:
        """The answer to one question, in a transaction of its own; so do those below."""
        with self._database.asking() as connection:
            return connection.rows(question, *values, **named)

    def _row(self, question: str, *values: Any, **named: Any) -> tuple[Any, ...] | None:
        with self._database.asking() as connection:
            return connection.row(question, *values, **named)

    def _has(self, question: str, *values: Any, **named: Any) -> bool:
        return self._row(question, *values, **named) is not None

    def _value(self, question: str, *values: Any, **named: Any) -> Any:
        found = self._row(question, *values, **named)
        return None if found is None else found[0]

    def _column(self, question: str, *values: Any, **named: Any) -> list[Any]:
        return [row[0] for row in self._rows(question, *values, **named)]

    def _change(self, statement: str, *values: Any, **named: Any) -> int:
        """One change, in a transaction of its own. Returns how many rows it changed."""
        with self._database.changing() as connection:
            return connection.change(statement, *values, **named)

    def _meta(self, name: str) -> str | None:
        value: str | None = self._value("SELECT value FROM meta WHERE name = ?", name)
        return value

    def _set_meta(self, name: str, value: str) -> None:
        with self._database.changing() as connection:
            write_meta(connection, name, value)


def write_meta(connection: Connection, name: str, value: str) -> None:
    connection.upsert_many("meta", "name", ("name", "value"), [(name, value)])
