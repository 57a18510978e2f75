"""What SQLite and PostgreSQL complain about, put into words. Nobody above this folder sees their exceptions.

Passwords never enter a message: a store is named by its path, or by its URL with the password masked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from digest.errors import StoreBusy, StoreCrossed, StoreError

_FULL = ("the disk is full", "make room and run again; nothing half-done was kept")
_DAMAGED = ("the file is damaged or no SQLite database", "restore it from a backup, or move it away to start afresh")
_READ_ONLY = ("the database cannot be written", "give this user the right to write the file and its folder")
_NO_ENTRY = (
    "the database cannot be opened",
    "check that the path is right and that this user may read and write there",
)
_IO = ("the disk refuses to read or write it", "make room if it is full, else look at the system's log for its faults")
_BUSY = ("another program holds the database", "wait until it is done, then run again")

_SQLITE: dict[str, tuple[str, str]] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_CANTOPEN": _NO_ENTRY,
    "SQLITE_AUTH": _NO_ENTRY,
    "SQLITE_IOERR": _IO,
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html, by class or whole code
_POSTGRES: dict[str, tuple[str, str]] = {
    "53100": _FULL,
    "42501": ("this user may not do that there", "let this user own the database or its schema"),
    "25006": ("the server is read-only", "name the primary server, not a standby"),
    "53300": ("the server has no connection left", "raise its max_connections or run fewer workers"),
    "57": ("the server ended the connection", "run again when it is up"),
}


@contextmanager
def wrap_db_errors(subject: str) -> Iterator[None]:
    """Turn every exception of a driver inside into one StoreError about ``subject``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, sqlite3.Error) or type(error).__module__.partition(".")[0] == "psycopg":
            raise store_error(subject, error) from (None if _quotes_values(error) else error)
        raise


def _quotes_values(error: BaseException | None) -> bool:
    """PostgreSQL repeats a row that it refuses, with the address in it: that belongs into no log."""
    return bool(getattr(getattr(error, "diag", None), "message_detail", None))


def store_error(subject: str, error: BaseException) -> StoreError:
    """The error for a driver's exception."""
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(subject, error)
    return _from_postgres(subject, error)


def _from_sqlite(subject: str, error: sqlite3.Error) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy(subject, *_BUSY)
    for prefix, words in _SQLITE.items():
        if name.startswith(prefix):
            return StoreError(subject, *words)
    return StoreError(subject, f"the database failed: {_one_line(error)}")


def _from_postgres(subject: str, error: BaseException) -> StoreError:
    code = getattr(error, "sqlstate", None) or ""
    if code == "40P01":
        return StoreCrossed(subject, *_BUSY)
    if code in ("55P03", "57014"):
        return StoreBusy(subject, *_BUSY)
    words = _POSTGRES.get(code) or _POSTGRES.get(code[:2])
    if words is None and not code and "connect" in str(error).lower():
        return _no_connection(subject, _one_line(error))
    if words is None:
        return StoreError(subject, f"the database failed: {_one_line(error)}")
    return StoreError(subject, *words)


def _no_connection(subject: str, said: str) -> StoreError:
    """libpq gives no code for what goes wrong before there is a connection, only words."""
    _, fatal, refusal = said.partition("FATAL:")
    if fatal:
        return StoreError(
            subject, f"the server refuses: {refusal.strip()}", "check user, password, database and pg_hba.conf"
        )
    said = said.removeprefix("connection failed: ")
    return StoreError(subject, f"no connection to the server: {said}", "check that it runs, its name and its port")


def _one_line(error: BaseException) -> str:
    """The first line of what a driver says; the rest names hosts it tried or quotes the statement."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:")
