"""Rights that one process has at a time: let go of by the operating system or the database when it dies."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from digest.errors import AlreadyRunning, StoreError
from digest.store.database.connect import Database
from digest.store.database.connection import Connection
from digest.store.database.faults import wrap_db_errors


class Right(IntEnum):
    """What only one process at a time may do; the number names it among the locks of a PostgreSQL server."""

    RUN = 1684629349
    """Make changes: a run, until its editions are frozen and its files are in place."""
    LEAD = 1684629350
    """Start runs by the clock: the service that leads."""
    SEND = 1684629351
    """Send what a run leaves to be sent. Workers on the ledger need no such right."""


_held: set[int] = set()
"""Descriptors of lock files that this process holds."""


ENDINGS = {Right.RUN: ".lock", Right.LEAD: ".lead", Right.SEND: ".send"}
"""The lock files of a SQLite database lie beside it."""

_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
"""What ``flock`` says when somebody else has it."""
_WRITING = 0.05
"""Seconds that the holder of a lock file has to write who it is; before that the one before is named in it."""
_SINCE = re.compile(r" since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")


def _let_go_in_child() -> None:
    """A forked child shares the lock; an orphan would keep it when the process that took it is killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextmanager
def file_lock(database: Path, subject: str, purpose: str, *, of: Right) -> Iterator[Callable[[], bool]]:
    """Hold a lock file (flock). It stays when the lock is gone; removing it would let two processes in."""
    descriptor = _take(database.with_name(f"{database.name}{ENDINGS[of]}"), subject)
    _held.add(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose}, process {os.getpid()}\n".encode(), 0)
        yield lambda: True
    finally:
        if descriptor in _held:
            _held.discard(descriptor)
            with suppress(OSError):
                os.ftruncate(descriptor, 0)  # nobody holds it: the next one is not taken for this one
            os.close(descriptor)


def _take(path: Path, subject: str) -> int:
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(str(path), f"the lock file cannot be opened: {error.strerror}", "check its folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        try:
            raise _refused(path, descriptor, subject, error) from error
        finally:
            os.close(descriptor)
    return descriptor


def _refused(path: Path, descriptor: int, subject: str, error: OSError) -> StoreError:
    """Somebody has it; or nobody can have it, since the file system knows no locks or has none left."""
    if error.errno not in _TAKEN:
        return StoreError(
            str(path),
            f"the file cannot be locked: {error.strerror}",
            "put the store on a disk that can lock files (a local one), or use PostgreSQL",
        )
    time.sleep(_WRITING)
    return _busy(subject, os.pread(descriptor, 200, 0).decode(errors="replace").strip())


@contextmanager
def advisory_lock(database: Database, purpose: str, *, of: Right) -> Iterator[Callable[[], bool]]:
    """Hold an advisory lock on a connection of its own; the server lets go of it with the connection."""
    import psycopg

    name = f"{of.value}, hashtext(current_schema())"  # two numbers; the second tells stores in different schemas apart
    with wrap_db_errors(database.subject), closing(database.connect()) as raw:
        connection = Connection(raw, is_postgres=True)
        if not connection.value(f"SELECT pg_try_advisory_lock({name})"):
            raise _busy(database.subject, _holder(connection, of))
        connection.run("SELECT set_config('application_name', ?, false)", purpose[:60])

        def is_held() -> bool:
            try:
                raw.execute("SELECT 1")
            except psycopg.Error:
                return False
            return not raw.closed

        try:
            yield is_held
        finally:
            with suppress(psycopg.Error):  # the server may be gone, and the lock with it
                connection.run(f"SELECT pg_advisory_unlock({name})")


def _holder(connection: Connection, of: Right) -> str:
    """Who has the lock, as far as this user may see."""
    return connection.value(_HOLDER, of.value) or ""


_HOLDER = """
    SELECT a.application_name || ', ' || coalesce('on ' || host(a.client_addr), 'on the same machine')
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = ?
    AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def dated(purpose: str, since: datetime | None) -> str:
    """The purpose with the moment at which it began, as others read it."""
    return purpose if since is None else f"{purpose} since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _busy(subject: str, holder: str) -> AlreadyRunning:
    who = f"another process is at work on it ({holder})" if holder else "another process is at work on it"
    remedy = "nothing was done; try again when it has ended"
    return AlreadyRunning(subject, who, remedy, holder=holder, since=_since(holder))


def _since(holder: str) -> datetime | None:
    """When it began, if it says so."""
    found = _SINCE.search(holder)
    if found is None:
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC)
    return None
