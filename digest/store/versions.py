"""The schema's version: looked up with one plain query; Alembic is imported only when something must change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import StoreError, StoreTooNew
from digest.store.basics import HEAD, VERSION_TABLE
from digest.store.connect import Database
from digest.store.plain import Plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = "SELECT pg_advisory_xact_lock(1684629349, -1)"


def bring_up_to_date(database: Database) -> str | None:
    """Create or upgrade the tables, in one transaction; does nothing if they are current. Returns the version that was
    found, None if there were no tables.

    Raises StoreTooNew for a database of a newer program, StoreError for one that holds something else.
    """
    with database.asking() as plain:
        version = _version(plain)
    if version == HEAD:
        return version
    found = version
    refuse_newer(database.subject, version)
    with database.writing() as connection:
        if database.is_postgres:
            connection.exec_driver_sql(_LOCK)  # as BEGIN IMMEDIATE does in SQLite: one process migrates
        version = _version(Plain.within(connection))
        refuse_newer(database.subject, version)
        if version is None:
            _refuse_foreign(database.subject, connection)
        if version != HEAD:
            upgrade(connection, database.subject)
    return found


def upgrade(connection: Connection, subject: str) -> None:
    """Run the migrations inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise StoreError(subject, f"its schema cannot be upgraded to {HEAD}: {error}", "restore a backup") from error


def _version(plain: Plain) -> str | None:
    """The recorded version; None if there is no record."""
    if not _exists(plain, VERSION_TABLE):
        return None
    version: str | None = plain.value(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return version


def _exists(plain: Plain, table: str) -> bool:
    if plain.is_postgres:
        # Not to_regclass, which may remember that there was none before another process made it.
        question = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
    else:
        question = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    return bool(plain.value(question, table))


def refuse_newer(subject: str, version: str | None) -> None:
    if version is not None and version > HEAD:
        raise StoreTooNew(
            subject,
            f"written by a newer version of digest (its schema is {version}, this program knows {HEAD})",
            "upgrade digest, or name another store",
        )


def _refuse_foreign(subject: str, connection: Connection) -> None:
    """Never mix with somebody else's tables."""
    from sqlalchemy import inspect

    from digest.store.schema import metadata

    ours = sorted(set(inspect(connection).get_table_names()) & metadata.tables.keys())
    if ours:
        raise StoreError(
            subject,
            f"another program has a table {ours[0]!r} there",
            "name another store" + ("" if connection.dialect.name == "sqlite" else ", or a schema of its own"),
        )
