"""The schema's version, and how tables of an earlier one become those of today.

``sqlite.sql`` and ``postgresql.sql`` have the tables as they are. A change of them comes with a migration for each kind
of database, ``migrations/0010.sqlite.sql`` for example, which does to an older store what the change does to a new one.
All statements of a migration, and its record, are one transaction.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from digest.errors import StoreError, StoreTooNew
from digest.store.database.basics import HEAD, OLDEST, VERSION_TABLE
from digest.store.database.connect import Database
from digest.store.database.connection import Connection

log = logging.getLogger("digest.store")

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = "SELECT {}(1684629349, -1)"
_COMMENT = re.compile(r"^--.*$", re.MULTILINE)


def bring_up_to_date(database: Database) -> str | None:
    """Create or upgrade the tables, in one transaction; does nothing if they are current. Returns the version that was
    found, None if there were no tables.

    Raises StoreTooNew for a database of a newer program, StoreError for one that holds something else.
    """
    found = version_of(database)
    if found != HEAD:
        with database.changing() as connection:
            version = _locked_version(connection, database.subject)
            if version is None:
                _refuse_foreign(database.subject, connection)
                create(connection)
            else:
                upgrade(connection, version, database.subject)
    return found


def version_of(database: Database) -> str | None:
    """The version of the tables; None if there are none. Raises StoreTooNew."""
    with database.asking() as connection:
        version = _version(connection)
    refuse_newer(database.subject, version)
    return version


def _locked_version(connection: Connection, subject: str) -> str | None:
    """The version while nobody else changes it."""
    if connection.is_postgres:
        _wait_for_turn(connection)
    version = _version(connection)
    refuse_newer(subject, version)
    return version


def _wait_for_turn(connection: Connection) -> None:
    """As BEGIN IMMEDIATE does in SQLite: one process migrates. Who has to wait for another one says so."""
    if not connection.value(_LOCK.format("pg_try_advisory_xact_lock")):
        log.warning("another program is bringing the database up to date; waiting for it")
        connection.run(_LOCK.format("pg_advisory_xact_lock"))


def create(connection: Connection) -> None:
    """The tables of a new store, inside the caller's transaction."""
    for statement in statements(Path(__file__).parent / f"{_kind(connection)}.sql"):
        connection.run(statement)
    connection.run(f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (?)", HEAD)


def upgrade(connection: Connection, version: str, subject: str) -> None:
    """Run the migrations that a store of this version lacks, inside the caller's transaction. Raises StoreError for one
    that none of them starts from."""
    if version < OLDEST:
        raise StoreError(
            subject,
            f"its schema is {version}, and this program takes {OLDEST} and later",
            f"run digest status once with the program as of commit {LAST_FOR_OLDER}, then this one again",
        )
    for path in sorted(MIGRATIONS.glob(f"*.{_kind(connection)}.sql")):
        number = path.name.partition(".")[0]
        if version < number <= HEAD:
            for statement in statements(path):
                connection.run(statement)
            connection.run(f"UPDATE {VERSION_TABLE} SET version_num = ?", number)


LAST_FOR_OLDER = "8b2f5446b3e9"
"""The last commit that can bring a store of a version before ``OLDEST`` up to date."""


def statements(path: Path) -> list[str]:
    """Those of a file of SQL, which has no semicolon but at their ends."""
    bare = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def _kind(connection: Connection) -> str:
    return "postgresql" if connection.is_postgres else "sqlite"


def _version(connection: Connection) -> str | None:
    """The recorded version; None if there is no record."""
    if not _exists(connection, VERSION_TABLE):
        return None
    version: str | None = connection.value(f"SELECT version_num FROM {VERSION_TABLE}")
    return version


def _exists(connection: Connection, table: str) -> bool:
    if connection.is_postgres:
        # Not to_regclass, which may remember that there was none before another process made it.
        question = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
    else:
        question = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    return bool(connection.value(question, table))


def refuse_newer(subject: str, version: str | None) -> None:
    if version is not None and version > HEAD:
        raise StoreTooNew(
            subject,
            f"written by a newer version of digest (its schema is {version}, this program knows {HEAD})",
            "upgrade digest, or name another store",
        )


def _refuse_foreign(subject: str, connection: Connection) -> None:
    """Never mix with somebody else's tables."""
    ours = [name for name in sorted(tables(_kind(connection))) if _exists(connection, name)]
    if ours:
        raise StoreError(
            subject,
            f"another program has a table {ours[0]!r} there",
            "name another store" + (", or a schema of its own" if connection.is_postgres else ""),
        )


def tables(kind: str) -> list[str]:
    """Names of the tables in ``sqlite`` or ``postgresql``, those first that others refer to; without the one that has
    the version."""
    made = statements(Path(__file__).parent / f"{kind}.sql")
    found = [match[1] for match in (re.match(r"CREATE TABLE (\w+)", statement) for statement in made) if match]
    return [name for name in found if name != VERSION_TABLE]
