"""A store as one file, and back: whole, from one moment, beside whoever works on it.

The file is always a SQLite database with the tables of ``schema``, whichever kind the store is, so that it needs no
program of the database's and can be put into a store of the other kind. SQLite makes it by itself (``VACUUM INTO``);
PostgreSQL's rows come out of one snapshot, and go in by ``COPY``. It is read before anybody is told that it is good.

A store that is put back does not know what its successor sent. Deliveries that may have gone out since are therefore
put in doubt, and stay so until the operator decides (``hold``).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from digest.disk import sync_path
from digest.errors import AlreadyRunning, StoreBusy, StoreError
from digest.models import DeliveryState
from digest.outbox import REPEATS
from digest.store.database.basics import SENT_UNTIL, VERSION_TABLE, among, to_moment, to_seconds
from digest.store.database.connect import Database, open_postgres, parse_url
from digest.store.database.connection import Connection
from digest.store.database.faults import store_error, wrap_db_errors
from digest.store.database.locks import Right, advisory_lock, file_lock
from digest.store.database.part import write_meta
from digest.store.editions.editions import HELD
from digest.store.versions import bring_up_to_date, create, refuse_newer, tables, upgrade

_PURPOSE = "digest restore"
_CHUNK = 2_000


class Inventory(Struct, frozen=True, kw_only=True):
    """What a copy holds."""

    schema: str
    """Version of its tables."""
    counts: dict[str, int]
    """Rows by table."""


class Taken(Struct, frozen=True, kw_only=True):
    """What became of a restore."""

    held: int
    """Deliveries that were put in doubt."""
    replaced: Path | None
    """Where the database file is kept that was there before."""


# ---------------------------------------------------------------- copy out


def copy_out(url: str, target: Path) -> Inventory:
    """Copy the store at a URL into a new SQLite file, as it is at one moment; nobody has to stop. Raises StoreError:
    not there, damaged, or the copy cannot be written."""
    address = parse_url(url)
    if (path := address.path) is None:
        with closing(open_postgres(address)) as database:
            bring_up_to_date(database)
            _copy_postgres(database, target)
    elif not path.is_file():
        raise StoreError(str(path), "there is no such database", "nothing was ever run, so there is nothing to save")
    else:
        with wrap_db_errors(str(path)), closing(_open_raw(path)) as source:
            source.execute("VACUUM INTO ?", (str(target),))
    return look_into(target)


def _open_raw(path: Path) -> sqlite3.Connection:
    """For reading only. The write-ahead log of a running process is taken into account."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)


def _copy_postgres(database: Database, target: Path) -> None:
    with (
        wrap_db_errors(database.subject),
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
        closing(database.connect()) as source,
    ):
        source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        copy.execute("BEGIN")
        create(Connection(copy, is_postgres=False))
        for name in tables("sqlite"):
            columns = _columns(copy.execute(f'SELECT * FROM "{name}"'))
            copy.execute(f'DELETE FROM "{name}"')
            with source.cursor(name="copy") as rows:  # kept by the server: some rows at a time
                rows.itersize = _CHUNK
                rows.execute(f'SELECT {", ".join(columns)} FROM "{name}"')
                copy.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(columns))})', rows)
        copy.execute("DELETE FROM sqlite_sequence")
        copy.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", source.execute(_LAST_NUMBERS))
        copy.execute("COMMIT")


def _columns(rows: sqlite3.Cursor) -> list[str]:
    return [f'"{column[0]}"' for column in rows.description]


_LAST_NUMBERS = """
    SELECT regexp_replace(sequencename, '_key_seq$', ''), coalesce(last_value, 0)
    FROM pg_sequences WHERE schemaname = current_schema()"""
"""By table. Keys that were ever given are not given again, also those of rows that are gone."""


# -------------------------------------------------------------------- look


def look_into(path: Path) -> Inventory:
    """What a SQLite file holds, every page of it read. Raises StoreError if it is damaged or no store."""
    with wrap_db_errors(str(path)), closing(_open_raw(path)) as raw:
        sound = raw.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
        broken = raw.execute("PRAGMA foreign_key_check").fetchone()
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if VERSION_TABLE not in names:
            raise StoreError(str(path), "is no store of digest", "name another file")
        schema = str(raw.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()[0])
        counts = {
            name: raw.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in sorted(names)
            if not name.startswith("sqlite_")
        }
    if not sound or broken is not None:
        raise StoreError(str(path), "is damaged", "take an earlier backup")
    return Inventory(schema=schema, counts=counts)


# ----------------------------------------------------------------- take in


def take_in(
    url: str, copy: Path, *, made_at: datetime, sent_until: datetime | None, now: datetime, force: bool = False
) -> Taken:
    """Put a copy in the place of the store at a URL. ``copy`` is changed. ``made_at``: when the backup was made.
    ``sent_until``: what was due until then may have been sent; None: nothing was sent since the backup.

    Raises StoreBusy while anybody works on the store, StoreError if something happened in it after the backup and
    ``force`` does not say that this may be forgotten. Then nothing has changed.
    """
    held = _make_ready(copy, sent_until)
    address = parse_url(url)
    latest = None if force else made_at
    if address.path is not None:
        return Taken(held=held, replaced=_replace_file(address.path, copy, latest, now))
    with closing(open_postgres(address)) as database:
        bring_up_to_date(database)
        _replace_rows(database, copy, latest)
    return Taken(held=held, replaced=None)


def _make_ready(copy: Path, sent_until: datetime | None) -> int:
    """Bring the tables of an earlier version up to date, and hold what may have gone out; how many deliveries."""
    with wrap_db_errors(str(copy)), closing(sqlite3.connect(copy, isolation_level=None)) as raw:
        connection = Connection(raw, is_postgres=False)
        connection.run("BEGIN")
        version = connection.value(f"SELECT version_num FROM {VERSION_TABLE}")
        refuse_newer(str(copy), version)
        upgrade(connection, version, str(copy))
        held = hold(connection, sent_until)
        connection.run("COMMIT")
    return held


@contextmanager
def _alone(lock: Callable[[Right], AbstractContextManager[Any]]) -> Iterator[None]:
    """Every right, or an error that says whom to stop: here it is not harmless that somebody is at work."""
    with ExitStack() as rights:
        try:
            for right in Right:
                rights.enter_context(lock(right))
        except AlreadyRunning as error:
            raise StoreBusy(error.subject, error.cause, "stop it, then restore again") from error
        yield


def _replace_file(path: Path, copy: Path, latest: datetime | None, now: datetime) -> Path | None:
    """Where the file is kept that was there before; its name goes over in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(lambda right: file_lock(path, str(path), _PURPOSE, of=right)):
        if _is_database(path):
            _refuse_forgetting(str(path), _last_of_unused(path), latest)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            shutil.copyfile(copy, temporary)
            temporary.chmod(0o600 if not path.exists() else path.stat().st_mode & 0o777)
            sync_path(temporary)
            replaced = _put_aside(path, now)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_path(path.parent)
    return replaced


def _is_database(path: Path) -> bool:
    """By its first bytes. What is none is not opened: SQLite would throw away the log beside it."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _last_of_unused(path: Path) -> datetime | None:
    """The last thing that happened in a store; None for one that cannot be read: a reason to restore, and it is kept.
    Workers and web servers hold no right but a connection; the log of a SQLite file goes only with the last one."""
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as raw:
            if raw.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete":
                return _last_in(Connection(raw, is_postgres=False))
    except sqlite3.DatabaseError as error:
        if not isinstance(store_error(str(path), error), StoreBusy):
            return None
    raise StoreBusy(
        str(path), "another process has it open", "stop digest serve and digest deliver, then restore again"
    )


def _put_aside(path: Path, now: datetime) -> Path | None:
    """Keep what is there under another name as well, its log under that alone."""
    kept = path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    for ending in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(kept.with_name(kept.name + ending))
    if not path.exists():
        return None
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:  # some file systems have no links
        shutil.copy2(path, kept)
    return kept


def _replace_rows(database: Database, copy: Path, latest: datetime | None) -> None:
    """All of it in one transaction: whoever looks sees the old store or the new one."""
    with (
        _alone(lambda right: advisory_lock(database, _PURPOSE, of=right)),
        database.changing() as into,
        closing(_open_raw(copy)) as source,
    ):
        _refuse_others(database, into)
        _refuse_forgetting(database.subject, _last_in(into), latest)
        cursor = into.run(f"TRUNCATE {', '.join(tables('sqlite'))}")
        for name in tables("sqlite"):  # those first that others refer to
            rows = source.execute(f'SELECT * FROM "{name}"')
            with cursor.copy(f'COPY "{name}" ({", ".join(_columns(rows))}) FROM STDIN') as lines:
                for row in rows:
                    lines.write_row(row)
        given = dict(source.execute("SELECT name, seq FROM sqlite_sequence"))
        for table, _ in into.rows(_LAST_NUMBERS):
            last = max(given.get(table, 0), into.value(f'SELECT coalesce(max(key), 0) FROM "{table}"'))
            into.run(f"SELECT setval('{table}_key_seq', ?, ?)", max(last, 1), last > 0)


_OTHERS = """
    SELECT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'digest%' AND application_name <> ? LIMIT 1
"""


def _refuse_others(database: Database, connection: Connection) -> None:
    other = connection.value(_OTHERS, _PURPOSE)
    if other is not None:
        raise StoreBusy(
            database.subject,
            f"another process is connected to it ({other})",
            "stop digest serve and digest deliver everywhere, then restore again",
        )


_LAST = """
    SELECT max(moment) FROM (
        SELECT max(started_at) AS moment FROM run UNION ALL SELECT max(ended_at) FROM run
        UNION ALL SELECT max(frozen_at) FROM edition UNION ALL SELECT max(ended_at) FROM delivery
        UNION ALL SELECT max(asked_at) FROM consent UNION ALL SELECT max(confirmed_at) FROM consent
        UNION ALL SELECT max(at) FROM refusal) AS moments"""
"""What is written down when something happens."""


def _last_in(connection: Connection) -> datetime | None:
    last = connection.value(_LAST)
    return None if last is None else to_moment(last)


def _refuse_forgetting(subject: str, last: datetime | None, latest: datetime | None) -> None:
    """Unless that is allowed (no ``latest``)."""
    if last is not None and latest is not None and last > latest:
        raise StoreError(
            subject,
            f"it was used after the backup was made (until {last:%Y-%m-%d %H:%M} UTC), which would be forgotten",
            "back it up first, then restore with --force",
        )


# -------------------------------------------------------------------- hold


def hold(connection: Connection, sent_until: datetime | None) -> int:
    """Put in doubt what a successor of this store may have sent, and have everything published once more. How many
    deliveries are held."""
    connection.run("UPDATE feed SET dirty = true")
    connection.run("UPDATE archive SET dirty = true")
    if sent_until is None:
        return 0
    moment = to_seconds(sent_until)
    write_meta(connection, SENT_UNTIL, str(moment))
    return connection.change(_HOLD, REPEATS + 1, HELD, moment)


_TRIED = (DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT)
_HOLD = f"""
    UPDATE delivery
    SET state = '{DeliveryState.IN_DOUBT}', doubts = ?, lease = lease + 1, lease_until = NULL, reply_text = ?
    WHERE state IN ({among(_TRIED)}) OR state = '{DeliveryState.QUEUED}' AND not_before <= ?"""
"""Only the operator's word sends it again, and a worker that comes back has lost its lease."""
