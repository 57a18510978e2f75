"""Connections and transactions: how the rest of this folder reaches a database, whichever it is.

There are two ways: statements as text on the driver's own connection (``plain``), and SQLAlchemy, whose engine is made
when it is first needed.

SQLite runs in WAL mode with ``synchronous=FULL``: what is committed survives a power cut. The driver starts no
transaction by itself; ours are explicit, and those that write are ``BEGIN IMMEDIATE``, since a deferred one that
turns into a writer fails at once, whatever the time-out
(https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#sqlite-transactions).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest.errors import StoreError
from digest.store.faults import told
from digest.store.plain import Plain
from digest.store.together import Together

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

    from digest.store.direct import Direct, Order, Result
    from digest.store.sql import Swift

log = logging.getLogger("digest.store")

OLDEST_SQLITE = (3, 35, 0)
"""The first with UPDATE ... RETURNING."""
_SILENT = 3
"""Seconds that a program waits for another one without a word."""
SCRUB_PATIENCE = 10.0
"""Seconds for which those who read are waited for before the log is emptied."""
_BLOCK = 1 << 20
_DESCRIPTORS: dict[tuple[int, int], int] = {}
"""By device and inode. To close one would take SQLite's locks on the file from every connection of this process
(https://www.sqlite.org/howtocorrupt.html, 2.2)."""
_PAUSE = 0.005
"""Seconds between two tries to switch a file to a log."""

_POSTGRES_ARGUMENTS = {
    "application_name": "digest",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Of libpq; the URL may say otherwise."""

_EXAMPLES = "write sqlite:///var/digest.db or postgresql://user@host/name"


class Database:
    """One database, and the ways to talk to it. ``subject`` is how messages name it."""

    def __init__(self, engine: Callable[[], Engine], subject: str, *, is_postgres: bool) -> None:
        """``engine`` makes it, once."""
        self._make_engine = engine
        self.subject = subject
        self.is_postgres = is_postgres
        self.together = Together(self.change)
        """For small changes that many threads make at the same time."""

    @cached_property
    def _engine(self) -> Engine:
        return self._make_engine()

    @cached_property
    def _writer(self) -> Engine:
        return self._engine.execution_options(digest_writes=True)

    @cached_property
    def _direct(self) -> Direct:
        from digest.store.direct import Direct

        return Direct(self._engine, self.subject)

    def asking(self) -> AbstractContextManager[Plain]:
        """As ``reading``, for statements as text."""
        return self._plainly(writes=False)

    def changing(self) -> AbstractContextManager[Plain]:
        """As ``writing``, for statements as text."""
        return self._plainly(writes=True)

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads; in SQLite it sees one moment of the database."""
        return self._transaction(writes=False)

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is on disk when it ends, or undone if it is left by an exception."""
        return self._transaction(writes=True)

    def connect(self) -> Connection:
        """A connection outside of any transaction; the caller closes it."""
        return self._engine.connect()

    def ask(self, question: Swift, given: Mapping[str, Any]) -> Result:
        """What a statement that only reads says; outside of any transaction."""
        return self._direct.ask(question, given)

    def change(self, orders: Sequence[Order]) -> list[Result]:
        """Some small statements in one transaction, which is on disk when this returns."""
        return self._direct.change(orders)

    def is_in_place(self) -> bool:
        """Whether who opens it now gets what is open here."""
        return True

    def empty_log(self, patience: float = 0.0) -> bool:
        """Bring what is only in SQLite's log into its file, and leave the log empty. False if others used it for as
        many seconds."""
        return True

    def scrub(self, traces: Collection[str]) -> bool:
        """Leave no bytes of deleted rows in SQLite's files. They are written anew where one of ``traces`` is still in
        them, or if none is named. False if others used them all the time. Raises StoreError."""
        return True

    def close(self) -> None:
        if "_direct" in self.__dict__:
            self._direct.close()
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with told(self.subject), (self._writer if writes else self._engine).begin() as connection:
            yield connection

    @contextmanager
    def _plainly(self, *, writes: bool) -> Iterator[Plain]:
        with self._transaction(writes=writes) as connection:
            yield Plain.within(connection)


class SqliteDatabase(Database):
    """A database file. Statements as text have connections of their own; each thread has one while it needs one."""

    def __init__(self, path: Path, subject: str, *, busy_timeout: float) -> None:
        self._connect = partial(
            sqlite3.connect,
            f"{path.absolute().as_uri()}?mode=rw",  # one that was deleted is missed, and not begun anew
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        super().__init__(partial(_sqlite_engine, path, self._connect), subject, is_postgres=False)
        self._path = path
        self._identity = _identity(path)
        self._idle: list[sqlite3.Connection] = []

    def is_in_place(self) -> bool:
        return _identity(self._path) == self._identity

    def empty_log(self, patience: float = 0.0) -> bool:
        with self._connection() as connection:
            (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            try:
                (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {before}")
        return not busy

    def scrub(self, traces: Collection[str]) -> bool:
        if not self.empty_log(SCRUB_PATIENCE):
            return False
        with suppress(OSError):  # who cannot look into the file writes it anew
            if traces and not _holds_any(self._path, [trace.encode() for trace in traces]):
                return True
        with self._connection() as connection:
            connection.execute("VACUUM")
        return self.empty_log(SCRUB_PATIENCE)

    def close(self) -> None:
        super().close()
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _plainly(self, *, writes: bool) -> Iterator[Plain]:
        with self._connection() as connection:
            begin(connection, writes=writes)
            yield Plain(connection, is_postgres=False)
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Left by an exception, it is closed, which undoes what was not committed."""
        with told(self.subject):
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        connection = self._connect()
        try:
            _prepare_sqlite(connection, None)
        except BaseException:
            connection.close()
            raise
        return connection


def _holds_any(path: Path, traces: Sequence[bytes]) -> bool:
    """Whether a file has one of these texts in it, in capitals or not."""
    small = [trace.lower() for trace in traces]
    descriptor, at, tail = _descriptor(path), 0, b""
    while block := os.pread(descriptor, _BLOCK, at):
        at += len(block)
        window = tail + block.lower()
        if any(trace in window for trace in small):
            return True
        tail = window[-max(map(len, small)) :]
    return False


def _descriptor(path: Path) -> int:
    """For reading a database file as it is; never closed again."""
    found = path.stat()
    name = (found.st_dev, found.st_ino)
    if name not in _DESCRIPTORS:
        _DESCRIPTORS[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return _DESCRIPTORS[name]


def parse_url(url: str) -> URL:
    """The store's address. Raises StoreError, which does not repeat an address that cannot be read: it may hold a
    password."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError("store", "not a database address", _EXAMPLES) from error
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("store", "a database in memory forgets everything", "write sqlite:///var/digest.db")
        return URL.create("sqlite", database=parsed.database)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        if "@" in (parsed.host or ""):  # a part of the password, which messages would name
            raise StoreError("store", "there is an @ within its user or password", "write it as %40")
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError("store", f"unknown kind of database {parsed.get_backend_name()!r}", _EXAMPLES)


def sqlite_path(url: URL) -> Path:
    assert url.database is not None
    return Path(url.database)


def sqlite_file(url: str) -> Path | None:
    """The database file that an address names; None for an address that has to be looked at more closely."""
    name = url.removeprefix("sqlite:///")
    return None if name in (url, "", ":memory:") or "?" in name else Path(name)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None if there is none. One that was deleted works on for who has
    it open, and nobody else sees what they write."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_there(path: Path) -> bool:
    """Whether there is such a file; what cannot be looked at may be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def open_sqlite(path: Path, *, busy_timeout: float, subject: str | None = None) -> SqliteDatabase:
    """A database file, created with its folder if it does not exist, for its owner only: it holds addresses. Waits
    ``busy_timeout`` seconds for others; messages name it by its path if no other ``subject`` is given."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(str(path), f"SQLite {sqlite3.sqlite_version} is too old", "3.35 or newer is needed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(str(path.parent), f"the folder cannot be made: {error.strerror}") from error
    with suppress(OSError):  # it is there, or SQLite says what is the matter
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return SqliteDatabase(path, subject or str(path), busy_timeout=busy_timeout)


def _sqlite_engine(path: Path, connect: Callable[[], sqlite3.Connection]) -> Engine:
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import URL

    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=connect,
        pool_size=8,
        max_overflow=-1,
        hide_parameters=True,  # they hold addresses
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_postgres(url: URL) -> Database:
    """A database on a server. Dead connections are found by keepalives and never handed out."""
    from sqlalchemy import create_engine

    name = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    arguments = {key: value for key, value in _POSTGRES_ARGUMENTS.items() if key not in url.query}
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=arguments, hide_parameters=True)
    except ImportError as error:
        raise StoreError(
            name, "the PostgreSQL driver is missing", "pip install 'digest-publisher[postgres]'"
        ) from error
    return Database(lambda: engine, name, is_postgres=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    _use_log(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("PRAGMA cache_size = -16384")
    cursor.close()


def _use_log(cursor: sqlite3.Cursor) -> None:
    """Switch a new file to a write-ahead log. Waits for others who do it at the same moment, which SQLite does not."""
    (wait,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + wait / 1000
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("digest_writes", False)
    driver: Any = connection.connection.driver_connection
    begin(driver, writes=writes)


def begin(connection: sqlite3.Connection, *, writes: bool) -> None:
    """Begin a transaction. Whoever has to wait for another program's says so after a while, and waits on."""
    if not writes:
        connection.execute("BEGIN")
        return
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    if wait <= _SILENT * 1000:
        connection.execute("BEGIN IMMEDIATE")
        return
    try:
        _begin_within(connection, _SILENT * 1000)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        log.warning("the database is in use by another program; waiting up to %d s for it", wait // 1000)
        _begin_within(connection, wait - _SILENT * 1000)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {wait}")


def _begin_within(connection: sqlite3.Connection, milliseconds: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
    connection.execute("BEGIN IMMEDIATE")
