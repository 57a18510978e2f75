"""The memory of the program: posts, feeds, editions, deliveries and runs in one SQL database.

``open_store`` gives a store that satisfies ``ports.Store``, over SQLite or PostgreSQL; tables are created or brought
up to date. ``open_dry_run`` gives one on which everything works and nothing lasts. All SQL of the program is in
this folder; what goes wrong comes out as ``StoreError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from digest.errors import StoreError
from digest.store.database.connect import Database, is_there, open_postgres, open_sqlite, parse_url
from digest.store.database.locks import advisory_lock, file_lock
from digest.store.monitoring.runs import Lock
from digest.store.sql_store import SqlStore
from digest.store.versions import bring_up_to_date, version_of

__all__ = ["Admit", "SqlStore", "open_dry_run", "open_store"]

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another program's transaction (SQLite)."""


Admit = Callable[[SqlStore | None], None]
"""Asked before anything is made or changed, a database file or its tables included; may refuse by raising. Gets the
store as it is, with tables that may be of an earlier version; None if there is none yet."""


def everybody(store: SqlStore | None) -> None:
    """Admits."""


def open_store(
    url: str, *, busy_timeout: float = BUSY_TIMEOUT, admit: Admit = everybody, must_exist: bool = False
) -> SqlStore:
    """Open the store at a URL (``sqlite:///var/digest.db``, ``postgresql://user@host/name``).

    Raises StoreError: not reachable, not a database, not ours, of a newer version (StoreTooNew), or a file that is not
    there and ``must_exist``; and what ``admit`` raises.
    """
    address = parse_url(url)
    path = address.path
    if path is None:
        database = open_postgres(address)
        return _ready(database, partial(advisory_lock, database), admit)
    if not is_there(path):
        if must_exist:
            raise StoreError(str(path), "the database is not there any more", "see what became of it")
        admit(None)
        admit = everybody
    return _ready(open_sqlite(path, busy_timeout=busy_timeout), partial(file_lock, path, str(path)), admit)


@contextmanager
def open_dry_run(url: str, *, admit: Admit = everybody) -> Iterator[SqlStore]:
    """A store that starts as the one at the URL, and of which nothing is left afterwards; the original, its
    folder included, is not touched. Raises as ``open_store``."""
    from digest.store.dry_run import copied, no_lock, rolled_back

    address = parse_url(url)
    if address.path is not None:
        with (
            copied(address.path) as copy,
            _ready(open_sqlite(copy, busy_timeout=BUSY_TIMEOUT, subject=address.name), no_lock, admit) as store,
        ):
            yield store
        return
    with closing(open_postgres(address)) as original, rolled_back(original) as database:
        yield _store(database, no_lock, admit)


def _ready(database: Database, lock: Lock, admit: Admit) -> SqlStore:
    try:
        return _store(database, lock, admit)
    except BaseException:
        database.close()
        raise


def _store(database: Database, lock: Lock, admit: Admit) -> SqlStore:
    """Its tables are as this program knows them."""
    store = SqlStore(database, lock)
    if admit is not everybody:
        admit(store if version_of(database) is not None else None)
    store.schema_found = bring_up_to_date(database)
    return store
