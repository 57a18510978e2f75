"""Statements as text, run by the driver itself: what every run asks and writes.

To load SQLAlchemy and let it put such statements together takes a quarter of a run that finds a few new posts. So these
are written out, in the SQL that SQLite and PostgreSQL have in common: ``?`` stands for a value, true and false are
words. Values and rows are of the driver's own types: moments are whole seconds, SQLite's truth is 0 or 1. Everything
else in this folder stays with SQLAlchemy, which is loaded when it is first asked for something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Plain:
    """The inside of a transaction, on a driver's connection."""

    def __init__(self, connection: Any, *, is_postgres: bool) -> None:
        self._connection = connection
        self.is_postgres = is_postgres
        self.is_one_of = "= ANY(?)" if is_postgres else "IN (SELECT value FROM json_each(?))"
        """Ends a condition; its value is ``listed``: one parameter, however many values there are."""

    @classmethod
    def within(cls, connection: Connection) -> Plain:
        """In a transaction of SQLAlchemy's."""
        return cls(connection.connection.driver_connection, is_postgres=connection.dialect.name == "postgresql")

    def listed(self, values: Iterable[Any]) -> Any:
        return list(values) if self.is_postgres else json.dumps(list(values))

    def run(self, statement: str, *values: Any) -> Any:
        """The driver's cursor: its rows can be read from it, and how many were changed."""
        return self._connection.execute(self._spelt(statement), values)

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(question, *values).fetchall()
        return found

    def row(self, question: str, *values: Any) -> tuple[Any, ...] | None:
        """The first one."""
        found: tuple[Any, ...] | None = self.run(question, *values).fetchone()
        return found

    def value(self, question: str, *values: Any) -> Any:
        """The first column of the first row; None if there is none."""
        found = self.row(question, *values)
        return None if found is None else found[0]

    def run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Once for each tuple."""
        if rows:
            self._connection.cursor().executemany(self._spelt(statement), rows)

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self.run_many(_insert(table, tuple(columns)), rows)

    def upsert_many(self, table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """As ``insert_many``; a row whose ``key`` is there already is replaced."""
        updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name != key)
        self.run_many(f'{_insert(table, tuple(columns))} ON CONFLICT ("{key}") DO UPDATE SET {updates}', rows)

    def _spelt(self, statement: str) -> str:
        return statement.replace("?", "%s") if self.is_postgres else statement


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    return f'INSERT INTO "{table}" ({names}) VALUES ({marks})'
