"""What the parts of the store share: the database, and the small values kept by name."""

from __future__ import annotations

from sqlalchemy import Connection, select

from digest.store.connect import Database
from digest.store.schema import meta
from digest.store.sql import upsert_many


class Part:
    """A part of ``SqlStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _meta(self, name: str) -> str | None:
        with self._database.reading() as connection:
            return connection.scalar(select(meta.c.value).where(meta.c.name == name))

    def _set_meta(self, name: str, value: str) -> None:
        with self._database.writing() as connection:
            write_meta(connection, name, value)


def write_meta(connection: Connection, name: str, value: str) -> None:
    upsert_many(connection, meta, "name", ("name", "value"), [(name, value)])
