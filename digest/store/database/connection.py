"""Statements as text, run by the driver itself: what every run asks and writes.

They are written in the SQL that SQLite and PostgreSQL have in common: ``?`` stands for a value, or ``:name`` for one
that is given by name; true and false are words. Values and rows are of the driver's own types: moments are whole
seconds (``basics``), SQLite's truth is 0 or 1. Conditions are put together from constants only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any


class Connection:
    """The inside of a transaction, on a driver's connection."""

    def __init__(self, connection: Any, *, is_postgres: bool) -> None:
        self._connection = connection
        self.is_postgres = is_postgres
        self.is_one_of = "= ANY(?)" if is_postgres else "IN (SELECT value FROM json_each(?))"
        """Ends a condition; its value is ``listed``: one parameter, however many values there are."""

    def listed(self, values: Iterable[Any]) -> Any:
        return list(values) if self.is_postgres else json.dumps(list(values))

    def run(self, statement: str, *values: Any, **named: Any) -> Any:
        """The driver's cursor: its rows can be read from it, and how many were changed."""
        return self._connection.execute(self._spelt(statement), named or values)

    def rows(self, question: str, *values: Any, **named: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(question, *values, **named).fetchall()
        return found

    def row(self, question: str, *values: Any, **named: Any) -> tuple[Any, ...] | None:
        """The first one."""
        found: tuple[Any, ...] | None = self.run(question, *values, **named).fetchone()
        return found

    def value(self, question: str, *values: Any, **named: Any) -> Any:
        """The first column of the first row; None if there is none."""
        found = self.row(question, *values, **named)
        return None if found is None else found[0]

    def column(self, question: str, *values: Any, **named: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.run(question, *values, **named)]

    def change(self, statement: str, *values: Any, **named: Any) -> int:
        """Run it and say how many rows it changed."""
        count: int = self.run(statement, *values, **named).rowcount
        return count

    def run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Once for each tuple."""
        if rows:
            self._connection.cursor().executemany(self._spelt(statement), rows)

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, or_ignore: bool = False
    ) -> None:
        """``or_ignore``: a row whose unique columns are taken is left out."""
        self.run_many(_insert(table, tuple(columns)) + " ON CONFLICT DO NOTHING" * or_ignore, rows)

    def upsert_many(self, table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """As ``insert_many``; a row whose ``key`` is there already is replaced."""
        updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name != key)
        self.run_many(f'{_insert(table, tuple(columns))} ON CONFLICT ("{key}") DO UPDATE SET {updates}', rows)

    def _spelt(self, statement: str) -> str:
        return for_psycopg(statement) if self.is_postgres else statement


_TOKENS = re.compile(r"('(?:[^']|'')*')|(\?)|(?<![:\w]):([a-z_][a-z_0-9]*)|(%)")


@lru_cache(maxsize=1024)
def for_psycopg(statement: str) -> str:
    """A statement with ``?`` and ``:name`` as psycopg wants it: ``%s``, ``%(name)s``, and every other ``%`` doubled.
    What stands between quotes is text, and ``::`` a cast."""

    def spelt(found: re.Match[str]) -> str:
        text, value, name, _ = found.groups()
        if text is not None:
            return str(text).replace("%", "%%")
        return "%s" if value else f"%({name})s" if name else "%%"

    return _TOKENS.sub(spelt, statement)


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    return f'INSERT INTO "{table}" ({names}) VALUES ({marks})'
