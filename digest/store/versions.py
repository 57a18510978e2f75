"""The schema's version: looked up with one plain query; Alembic is imported only when an older one must change."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import StoreError, StoreTooNew
from digest.store.basics import HEAD, VERSION_TABLE
from digest.store.connect import Database
from digest.store.plain import Plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"

log = logging.getLogger("digest.store")

_LOCK = "SELECT {}(1684629349, -1)"


def bring_up_to_date(database: Database) -> str | None:
    """Create or upgrade the tables, in one transaction; does nothing if they are current. Returns the version that was
    found, None if there were no tables.

    Raises StoreTooNew for a database of a newer program, StoreError for one that holds something else.
    """
    version = found = version_of(database)
    if version == HEAD:
        return version
    if version is None:
        with database.changing() as plain:
            version = _locked_version(plain, database.subject)
            if version is None:
                _refuse_foreign(database.subject, plain)
                create(plain)
                version = HEAD
    if version != HEAD:
        with database.writing() as connection:
            if _locked_version(Plain.within(connection), database.subject) != HEAD:
                upgrade(connection, database.subject)
    return found


def version_of(database: Database) -> str | None:
    """The version of the tables; None if there are none. Raises StoreTooNew."""
    with database.asking() as plain:
        version = _version(plain)
    refuse_newer(database.subject, version)
    return version


def _locked_version(plain: Plain, subject: str) -> str | None:
    """The version while nobody else changes it."""
    if plain.is_postgres:
        _wait_for_turn(plain)
    version = _version(plain)
    refuse_newer(subject, version)
    return version


def _wait_for_turn(plain: Plain) -> None:
    """As BEGIN IMMEDIATE does in SQLite: one process migrates. Who has to wait for another one says so."""
    if not plain.value(_LOCK.format("pg_try_advisory_xact_lock")):
        log.warning("another program is bringing the database up to date; waiting for it")
        plain.run(_LOCK.format("pg_advisory_xact_lock"))


def kept(kind: str) -> list[str]:
    """The statements that make the tables in ``sqlite`` or ``postgresql``, a line each: those of ``schema``, which has
    written them down beside this (``make docs`` renews them)."""
    return (Path(__file__).parent / f"{kind}.sql").read_text(encoding="utf-8").splitlines()


def create(plain: Plain) -> None:
    """The tables of a new store, inside the caller's transaction: what all migrations come to (a test compares), but
    Alembic and SQLAlchemy take a fifth of a second to load."""
    for statement in (*kept("postgresql" if plain.is_postgres else "sqlite"), *_BESIDES):
        plain.run(statement)


_BESIDES = (
    f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY)",
    f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{HEAD}')",
    "INSERT INTO feed (kind, name, stem, folded_stem, posts, dirty) VALUES ('all', '', 'feed', 'feed', 0, true)",
)


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
    version: str | None = plain.value(f"SELECT version_num FROM {VERSION_TABLE}")
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


def _refuse_foreign(subject: str, plain: Plain) -> None:
    """Never mix with somebody else's tables."""
    made = "\n".join(kept("postgresql" if plain.is_postgres else "sqlite"))
    ours = [name for name in sorted(re.findall(r'^CREATE TABLE "?(\w+)', made, re.MULTILINE)) if _exists(plain, name)]
    if ours:
        raise StoreError(
            subject,
            f"another program has a table {ours[0]!r} there",
            "name another store" + (", or a schema of its own" if plain.is_postgres else ""),
        )
