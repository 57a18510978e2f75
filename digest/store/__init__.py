"""The memory of the program: posts, feeds, editions, deliveries and runs in one SQL database.

``open_store`` gives a store that satisfies ``ports.Store``, over SQLite or PostgreSQL; tables are created or brought
up to date. ``open_rehearsal`` gives one on which everything works and nothing lasts. All SQL of the program is in
this folder; what goes wrong comes out as ``StoreError``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from types import TracebackType

from digest.store.connect import Database, open_postgres, open_sqlite, parse_url, sqlite_path
from digest.store.editions import Editions
from digest.store.feeds import Feeds
from digest.store.inquiry import Inquiries
from digest.store.intake import Intake
from digest.store.ledger import Deliveries
from digest.store.locks import advisory_lock, file_lock
from digest.store.posts import Posts
from digest.store.refusals import Refusals
from digest.store.rehearsal import copied, no_lock, rolled_back
from digest.store.rest import Rest
from digest.store.runs import Lock, Runs
from digest.store.subscribers import Subscribers
from digest.store.versions import bring_up_to_date
from digest.store.watch import Watch

__all__ = ["SqlStore", "open_rehearsal", "open_store"]

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another program's transaction (SQLite)."""


class SqlStore(Posts, Feeds, Editions, Deliveries, Subscribers, Intake, Refusals, Runs, Rest, Watch, Inquiries):
    """Everything that is kept, in one database. Satisfies ``ports.Store``; may be used by several threads. Close it,
    or use it as a context manager."""

    schema_found: str | None = None
    """The version that its tables had when it was opened; None if there were none."""

    @property
    def subject(self) -> str:
        """How messages name it: without a password."""
        return self._database.subject

    def faults(self) -> list[str]:
        """What the database finds when it checks itself (SQLite: pages, indexes, references); nothing if it is
        sound. May take a while."""
        if self._database.is_postgres:
            return []
        with self._database.reading() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
        return [line for line in found if line != "ok"] + [
            f"table {table}, row {row}: refers to what is not in {parent}" for table, row, parent, _ in broken
        ]

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> SqlStore:
    """Open the store at a URL (``sqlite:///var/digest.db``, ``postgresql://user@host/name``).

    Raises StoreError: not reachable, not a database, not ours, or of a newer version (StoreTooNew).
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = sqlite_path(parsed)
        return _ready(open_sqlite(path, busy_timeout=busy_timeout), partial(file_lock, path, str(path)))
    database = open_postgres(parsed)
    return _ready(database, partial(advisory_lock, database))


@contextmanager
def open_rehearsal(url: str) -> Iterator[SqlStore]:
    """A store that starts as the one at the URL, and of which nothing is left afterwards; the original, its
    folder included, is not touched. Raises StoreError as ``open_store``."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        with (
            copied(sqlite_path(parsed)) as copy,
            _ready(open_sqlite(copy, busy_timeout=BUSY_TIMEOUT, subject=parsed.database), no_lock) as store,
        ):
            yield store
        return
    with closing(open_postgres(parsed)) as original, rolled_back(original) as database:
        found = bring_up_to_date(database)
        store = SqlStore(database, no_lock)
        store.schema_found = found
        yield store


def _ready(database: Database, lock: Lock) -> SqlStore:
    try:
        found = bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    store = SqlStore(database, lock)
    store.schema_found = found
    return store
