"""Connections and transactions: how the rest of this folder reaches a database, whichever it is.

Connections are the drivers' own, kept and used again; each thread has one while it needs one. The drivers start no
transaction by themselves: ours are explicit.

SQLite runs in WAL mode with ``synchronous=FULL``: what is committed survives a power cut. Transactions that write are
``BEGIN IMMEDIATE``, since a deferred one that turns into a writer fails at once, whatever the time-out.

PostgreSQL: a connection that the server has ended is found out before it is used again, and there are only so many.
Small changes go there in one packet (pipeline mode).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from select import POLLIN, poll
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from msgspec import Struct

from digest.errors import StoreError
from digest.store.database.connection import Connection
from digest.store.database.faults import wrap_db_errors
from digest.store.database.group_commit import GroupCommit, Order, Result

log = logging.getLogger("digest.store")

OLDEST_SQLITE = (3, 35, 0)
"""The first with UPDATE ... RETURNING."""
SCRUB_PATIENCE = 10.0
"""Seconds for which those who read are waited for before the log is emptied."""
_SILENT = 3
"""Seconds that a program waits for another one without a word."""
_BLOCK = 1 << 20
_DESCRIPTORS: dict[tuple[int, int], int] = {}
"""By device and inode. To close one would take SQLite's locks on the file from every connection of this process
(https://www.sqlite.org/howtocorrupt.html, 2.2)."""
_PAUSE = 0.005
"""Seconds between two tries to switch a file to a log."""

_MOST = 15
"""Connections of one process to a server at the same time."""
_PATIENCE = 30.0
"""Seconds to wait for one of them."""
_POSTGRES_ARGUMENTS = {
    "application_name": "digest",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Of libpq; the URL may say otherwise."""

_EXAMPLES = "write sqlite:///var/digest.db or postgresql://user@host/name"


class Database(ABC):
    """One database, and the ways to talk to it. ``subject`` is how messages name it. May be used by several threads."""

    is_postgres: bool

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.together = GroupCommit(self.change)
        """For small changes that many threads make at the same time."""
        self._idle: list[Any] = []

    def asking(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads; in SQLite it sees one moment of the database."""
        return self._transaction(writes=False)

    def changing(self) -> AbstractContextManager[Connection]:
        """A transaction that is on disk when it ends, or undone if it is left by an exception."""
        return self._transaction(writes=True)

    def change(self, orders: Sequence[Order]) -> list[Result]:
        """Some small statements in one transaction, which is on disk when this returns."""
        with self.changing() as connection:
            return [Result.of(connection.run(statement, **given)) for statement, given in orders]

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
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A driver's connection outside of any transaction. Left by an exception, it is closed, which undoes what was
        not committed."""
        with wrap_db_errors(self.subject):
            raw = self._take()
            try:
                yield raw
            except BaseException:
                raw.close()
                raise
            self._idle.append(raw)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self.session() as raw:
            self._begin(raw, writes=writes)
            yield Connection(raw, is_postgres=self.is_postgres)
            self._commit(raw)

    def _take(self) -> Any:
        """A kept connection that is fit for use, the last that was used, for its caches are warm; else a new one."""
        with suppress(IndexError):  # another thread may take the last one
            while raw := self._idle.pop():
                if self._is_fit(raw):
                    return raw
                raw.close()
        return self.connect()

    def _is_fit(self, raw: Any) -> bool:
        return True

    def _commit(self, raw: Any) -> None:
        raw.execute("COMMIT")

    @abstractmethod
    def connect(self) -> Any:
        """A driver's connection that nobody else uses; the caller closes it."""

    @abstractmethod
    def _begin(self, raw: Any, *, writes: bool) -> None: ...


class SqliteDatabase(Database):
    """A database file."""

    is_postgres = False

    def __init__(self, path: Path, subject: str, *, busy_timeout: float) -> None:
        super().__init__(subject)
        self._open: Callable[[], sqlite3.Connection] = partial(
            sqlite3.connect,
            f"{path.absolute().as_uri()}?mode=rw",  # one that was deleted is missed, and not begun anew
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        self._path = path
        self._identity = _identity(path)

    def is_in_place(self) -> bool:
        return _identity(self._path) == self._identity

    def empty_log(self, patience: float = 0.0) -> bool:
        with self.session() as raw:
            (before,) = raw.execute("PRAGMA busy_timeout").fetchone()
            raw.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            try:
                (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                raw.execute(f"PRAGMA busy_timeout = {before}")
        return not busy

    def scrub(self, traces: Collection[str]) -> bool:
        if not self.empty_log(SCRUB_PATIENCE):
            return False
        with suppress(OSError):  # who cannot look into the file writes it anew
            if traces and not _holds_any(self._path, [trace.encode() for trace in traces]):
                return True
        with self.session() as raw:
            raw.execute("VACUUM")
        return self.empty_log(SCRUB_PATIENCE)

    def connect(self) -> sqlite3.Connection:
        raw = self._open()
        try:
            _prepare(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    def _begin(self, raw: sqlite3.Connection, *, writes: bool) -> None:
        """Whoever has to wait for another program's transaction says so after a while, and waits on."""
        if not writes:
            raw.execute("BEGIN")
            return
        (wait,) = raw.execute("PRAGMA busy_timeout").fetchone()
        if wait <= _SILENT * 1000:
            raw.execute("BEGIN IMMEDIATE")
            return
        try:
            _begin_within(raw, _SILENT * 1000)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            log.warning("the database is in use by another program; waiting up to %d s for it", wait // 1000)
            _begin_within(raw, wait - _SILENT * 1000)
        finally:
            raw.execute(f"PRAGMA busy_timeout = {wait}")


class PostgresDatabase(Database):
    """A database on a server. Dead connections are found by keepalives and never handed out."""

    is_postgres = True

    def __init__(self, connect: Callable[[], Any], subject: str) -> None:
        super().__init__(subject)
        self._open = connect
        self._free = BoundedSemaphore(_MOST)

    @contextmanager
    def session(self) -> Iterator[Any]:
        if not self._free.acquire(timeout=_PATIENCE):
            raise StoreError(self.subject, f"all {_MOST} connections are in use", "run fewer workers at a time")
        try:
            with super().session() as raw:
                yield raw
        finally:
            self._free.release()

    def asking(self) -> AbstractContextManager[Connection]:
        """Each statement sees what was committed before it began, in a transaction or not; so there is none, whose
        beginning and end would be round trips."""
        return self._asking()

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        with self.session() as raw:
            yield Connection(raw, is_postgres=True)

    def change(self, orders: Sequence[Order]) -> list[Result]:
        from psycopg import Pipeline

        with self.session() as raw:
            connection = Connection(raw, is_postgres=True)
            # libpq has pipelines since version 14; without them each statement is a round trip
            with raw.pipeline() if Pipeline.is_supported() else nullcontext():
                connection.run("BEGIN")
                cursors = [connection.run(statement, **given) for statement, given in orders]
                connection.run("COMMIT")
            return [Result.of(cursor) for cursor in cursors]

    def connect(self) -> Any:
        return self._open()

    def _begin(self, raw: Any, *, writes: bool) -> None:
        raw.execute("BEGIN")

    def _is_fit(self, raw: Any) -> bool:
        """A server that says something on a connection that is not in use has ended it; asking it would be a round
        trip."""
        if raw.closed:
            return False
        looking = poll()
        looking.register(raw.fileno(), POLLIN)
        return not looking.poll(0)


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


class Address(Struct, frozen=True, kw_only=True):
    """Where a store is: a file, or a database on a server."""

    path: Path | None = None
    conninfo: str = ""
    """For libpq; holds the password."""
    options: frozenset[str] = frozenset()
    """What the address itself says of the connection."""
    name: str
    """For messages, without a password."""


def parse_url(url: str) -> Address:
    """The store's address. Raises StoreError, which does not repeat an address that cannot be read: it may hold a
    password."""
    kind, found, _ = url.partition("://")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        found = ""
    if not found or not kind:
        raise StoreError("store", "not a database address", _EXAMPLES)
    if kind == "sqlite":
        path = url.removeprefix("sqlite:///").partition("?")[0]
        if path in (url, "", ":memory:"):
            raise StoreError("store", "a database in memory forgets everything", "write sqlite:///var/digest.db")
        return Address(path=Path(path), name=path)
    if kind.partition("+")[0] not in ("postgresql", "postgres"):
        raise StoreError("store", f"unknown kind of database {kind!r}", _EXAMPLES)
    if parts.netloc.count("@") > 1:  # a part of the password, which messages would name
        raise StoreError("store", "there is an @ within its user or password", "write it as %40")
    user, at, host = parts.netloc.rpartition("@")
    hidden = f"{user.partition(':')[0]}:***" if ":" in user else user
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    login = ":".join(quote(unquote(each), safe="") for each in user.split(":", 1))  # a lone % stands for itself
    conninfo = parts._replace(
        scheme="postgresql",
        netloc=f"{login}{at}{host}",
        path=quote(unquote(parts.path)),
        query=urlencode(options, quote_via=quote),
    )
    return Address(
        conninfo=conninfo.geturl(),
        options=frozenset(options),
        name=f"postgresql://{hidden}{at}{host}{parts.path}",
    )


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


def open_postgres(address: Address) -> PostgresDatabase:
    """A database on a server; connects to nobody yet."""
    try:
        import psycopg
    except ImportError as error:
        cause, remedy = "the PostgreSQL driver is missing", "pip install 'digest-publisher[postgres]'"
        raise StoreError(address.name, cause, remedy) from error
    try:
        psycopg.conninfo.conninfo_to_dict(address.conninfo)
    except psycopg.ProgrammingError:  # which quotes the address, and perhaps the password in it
        cause, remedy = "the address cannot be used", "look at its host, and at the options after the ?"
        raise StoreError(address.name, cause, remedy) from None
    arguments = {key: value for key, value in _POSTGRES_ARGUMENTS.items() if key not in address.options}
    connect = partial(psycopg.connect, address.conninfo, autocommit=True, **arguments)  # type: ignore[arg-type]
    return PostgresDatabase(connect, address.name)


def _prepare(raw: sqlite3.Connection) -> None:
    cursor = raw.cursor()
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


def _begin_within(raw: sqlite3.Connection, milliseconds: int) -> None:
    raw.execute(f"PRAGMA busy_timeout = {milliseconds}")
    raw.execute("BEGIN IMMEDIATE")
