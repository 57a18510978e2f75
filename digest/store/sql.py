"""Small helpers for statements that must be fast or that the two databases spell differently."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.sql.compiler import SQLCompiler


def among(connection: Connection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """``column IN values`` with one parameter, however many values there are."""
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        element = Text if any(isinstance(value, str) for value in wanted) else column.type
        return column == any_(literal(wanted, ARRAY(element)))
    return column.in_(select(func.json_each(json.dumps(wanted)).table_valued("value").c.value))


def insert_many(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    or_ignore: bool = False,
) -> None:
    """Insert plain tuples, in the driver's own types: no per-row work in SQLAlchemy. ``or_ignore``: a row whose
    unique columns are taken is left out."""
    if rows:
        insert = _insert(table, tuple(columns), _mark(connection))
        connection.exec_driver_sql(insert + " ON CONFLICT DO NOTHING" * or_ignore, list(rows))


def run_many(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement with ``?`` for its parameters once for each tuple."""
    if rows:
        connection.exec_driver_sql(statement.replace("?", _mark(connection)), list(rows))


class Swift:
    """A statement that is run for each message: compiled once for each kind of database, and handed to the driver
    with values of the driver's own types (moments as whole seconds). Results come in these types too. IN has to be
    written as OR: SQLAlchemy fills it in at each run."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def bound(self, dialect: Dialect, given: Mapping[str, Any]) -> tuple[str, Any]:
        """The text for the driver, and its parameters. ``given``: the values of bound parameters by name."""
        text, order, fixed = self._compiled.get(dialect.name) or self._compile(dialect)
        values = {**fixed, **given}
        return text, values if order is None else tuple([values[name] for name in order])

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        order = None if compiled.positiontup is None else tuple(compiled.positiontup)
        found = (compiled.string, order, dict(compiled.params))
        self._compiled[dialect.name] = found
        return found


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


@cache
def _insert(table: Table, columns: tuple[str, ...], mark: str) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join([mark] * len(columns))
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'
