"""What the parts of the store share: the database, and the small values kept by name."""

from __future__ import annotations

from digest.store.database.connect import Database
from digest.store.database.connection import Connection


class Part:
    """A part of ``SqlStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _meta(self, name: str) -> str | None:
        with self._database.asking() as connection:
            value: str | None = connection.value("SELECT value FROM meta WHERE name = ?", name)
        return value

    def _set_meta(self, name: str, value: str) -> None:
        with self._database.changing() as connection:
            write_meta(connection, name, value)


def write_meta(connection: Connection, name: str, value: str) -> None:
    connection.upsert_many("meta", "name", ("name", "value"), [(name, value)])
