"""A store as one file, and back: whole, from one moment, beside whoever works on it.

The file is always a SQLite database with the tables of ``schema``, whichever kind the store is, so that it needs no
program of the database's and can be put into a store of the other kind. What it holds is counted in the same
transaction that it is copied from, and read back before anybody is told that it is good.

A store that is put back does not know what its successor sent. Deliveries that may have gone out since are therefore
put in doubt, and stay so until the operator decides (``hold``).
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Boolean, Connection, Table, text, update

from digest.disk import sync_path
from digest.errors import AlreadyRunning, StoreBusy, StoreError
from digest.models import DeliveryState
from digest.outbox import REPEATS
from digest.store.basics import VERSION_TABLE, to_moment, to_seconds
from digest.store.connect import Database, open_postgres, open_sqlite, parse_url, sqlite_path
from digest.store.editions import HELD, SENT_UNTIL
from digest.store.faults import told
from digest.store.locks import Right, advisory_lock, file_lock
from digest.store.part import write_meta
from digest.store.plain import Plain
from digest.store.schema import archive, delivery, feed, metadata
from digest.store.sql import insert_many
from digest.store.versions import bring_up_to_date, refuse_newer

_PURPOSE = "digest restore"
_CHUNK = 2_000
_ACTIVITY = {
    "run": ("started_at", "ended_at"),
    "edition": ("frozen_at",),
    "delivery": ("ended_at",),
    "consent": ("asked_at", "confirmed_at"),
    "refusal": ("at",),
}
"""What is written down when something happens."""


class Inventory(Struct, frozen=True, kw_only=True):
    """What a copy holds."""

    schema: str
    """Version of its tables."""
    counts: dict[str, int]
    """Rows by table."""
    last: datetime | None
    """The last thing that happened in it; None if nothing ever did."""


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
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = sqlite_path(parsed)
        if not path.is_file():
            raise StoreError(
                str(path), "there is no such database", "nothing was ever run, so there is nothing to save"
            )
        expected = _copy_sqlite(path, target)
    else:
        with closing(open_postgres(parsed)) as database:
            bring_up_to_date(database)
            expected = _copy_postgres(database, target)
    found = look_into(target)
    if found.counts != expected:
        raise StoreError(str(target), "the copy does not hold what the store does", "run it again")
    return found


def _copy_sqlite(path: Path, target: Path) -> dict[str, int]:
    with told(str(path)), closing(_open_raw(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.execute("BEGIN")  # the backup goes on in this transaction: it copies what was counted
        counts = _counts(source)
        source.backup(copy)
    _join_log(target)
    return counts


def _open_raw(path: Path) -> sqlite3.Connection:
    """For reading only. The write-ahead log of a running process is taken into account."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)


def _copy_postgres(database: Database, target: Path) -> dict[str, int]:
    with (
        closing(open_sqlite(target, busy_timeout=30, subject=str(target))) as copy,
        told(database.subject),
        database.connect().execution_options(isolation_level="REPEATABLE READ") as source,
        source.begin(),
    ):
        bring_up_to_date(copy)
        counts = {VERSION_TABLE: 1}
        with copy.writing() as into:
            for table in reversed(metadata.sorted_tables):
                into.execute(table.delete())
            for table in metadata.sorted_tables:
                counts[table.name] = _copy_rows(source, into, table)
            _keep_numbers(source, into)
    _join_log(target)
    return counts


def _copy_rows(source: Connection, into: Connection, table: Table) -> int:
    """All rows of a table, some at a time, as plain values; how many."""
    names = tuple(column.name for column in table.c)
    quoted = ", ".join(f'"{name}"' for name in names)
    rows = source.execution_options(yield_per=_CHUNK).exec_driver_sql(f'SELECT {quoted} FROM "{table.name}"')
    flags = [position for position, column in enumerate(table.c) if isinstance(column.type, Boolean)]
    count = 0
    for chunk in rows.partitions(_CHUNK):
        insert_many(into, table, names, [_with_flags(tuple(row), flags) for row in chunk])
        count += len(chunk)
    return count


def _with_flags(row: tuple[Any, ...], flags: list[int]) -> tuple[Any, ...]:
    """SQLite gives yes and no as numbers."""
    if not flags:
        return row
    values = list(row)
    for position in flags:
        values[position] = None if values[position] is None else bool(values[position])
    return tuple(values)


def _keep_numbers(source: Connection, into: Connection) -> None:
    """Keys that were ever given are not given again, also those of rows that are gone."""
    for table in metadata.sorted_tables:
        if table.dialect_options["sqlite"].get("autoincrement"):
            last = source.execute(text(_LAST_NUMBER), {"name": _sequence(source, table)}).scalar()
            into.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
            into.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last or 0))


_LAST_NUMBER = """
    SELECT last_value FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename)::regclass = cast(:name AS regclass)
"""


def _sequence(connection: Connection, table: Table) -> str | None:
    """Name of the sequence that numbers a table's rows on PostgreSQL; None if there is none."""
    keys = list(table.primary_key)
    if len(keys) != 1:
        return None
    found: str | None = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"),
        {"table": f'"{table.name}"', "column": keys[0].name},
    )
    return found


# -------------------------------------------------------------------- look


def look_into(path: Path) -> Inventory:
    """What a SQLite file holds, every page of it read. Raises StoreError if it is damaged or no store."""
    with told(str(path)), closing(_open_raw(path)) as connection:
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        counts = _counts(connection)
        if VERSION_TABLE not in counts:
            raise StoreError(str(path), "is no store of digest", "name another file")
        schema = str(connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()[0])
        last = max(_moments(connection, counts), default=None)
    if answer != "ok" or broken is not None:
        raise StoreError(str(path), "is damaged", "take an earlier backup")
    return Inventory(schema=schema, counts=counts, last=None if last is None else to_moment(last))


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        if not name.startswith("sqlite_")
    ]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def _moments(connection: sqlite3.Connection, tables: dict[str, int]) -> Iterator[int]:
    for table, columns in _ACTIVITY.items():
        for column in columns if table in tables else ():
            found = connection.execute(f'SELECT max("{column}") FROM "{table}"').fetchone()[0]
            if found is not None:
                yield int(found)


def upgrade_copy(path: Path) -> None:
    """Bring a copy of an earlier version up to date. Raises StoreTooNew."""
    with closing(open_sqlite(path, busy_timeout=30)) as database:
        bring_up_to_date(database)
    _join_log(path)


def _join_log(path: Path) -> None:
    """Everything into the one file; what opens it as a store turns its log on again."""
    with told(str(path)), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def refuse_newer_copy(path: Path, schema: str) -> None:
    """Raises StoreTooNew for a copy that a newer version of this program wrote."""
    refuse_newer(str(path), schema)


# ----------------------------------------------------------------- take in


def take_in(
    url: str, copy: Path, *, made_at: datetime, sent_until: datetime | None, now: datetime, force: bool = False
) -> Taken:
    """Put a copy in the place of the store at a URL. ``copy`` is changed. ``made_at``: when the backup was made.
    ``sent_until``: what was due until then may have been sent; None: nothing was sent since the backup.

    Raises StoreBusy while anybody works on the store, StoreError if something happened in it after the backup and
    ``force`` does not say that this may be forgotten. Then nothing has changed.
    """
    upgrade_copy(copy)
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _replace_file(sqlite_path(parsed), copy, made_at, sent_until, now, force=force)
    with closing(open_postgres(parsed)) as database:
        bring_up_to_date(database)
        return _replace_rows(database, copy, made_at, sent_until, force=force)


def _replace_file(
    path: Path, copy: Path, made_at: datetime, sent_until: datetime | None, now: datetime, *, force: bool
) -> Taken:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as rights:
        for right in Right:
            rights.enter_context(_right(file_lock(path, str(path), _PURPOSE, of=right)))
        if _is_database(path):
            _refuse_used(path)
            if not force:
                _refuse_forgetting(str(path), _last_of(path), made_at)
        with closing(open_sqlite(copy, busy_timeout=30)) as database, database.writing() as connection:
            held = hold(connection, sent_until)
        _join_log(copy)
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
    return Taken(held=held, replaced=replaced)


@contextmanager
def _right(lock: AbstractContextManager[Any]) -> Iterator[None]:
    """A right, or an error that says whom to stop: here it is not harmless that somebody is at work."""
    try:
        with lock:
            yield
    except AlreadyRunning as error:
        raise StoreBusy(error.subject, error.cause, "stop it, then restore again") from error


def _is_database(path: Path) -> bool:
    """By its first bytes. What is none is not opened: SQLite would throw away the log beside it."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _refuse_used(path: Path) -> None:
    """Workers and web servers hold no right but a connection; the log of a SQLite file goes only with the last one."""
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            return  # not to be opened at all: a reason to restore
        mode = "wal"
    except sqlite3.DatabaseError:
        return
    if mode != "delete":
        raise StoreBusy(
            str(path), "another process has it open", "stop digest serve and digest deliver, then restore again"
        )


def _last_of(path: Path) -> datetime | None:
    try:
        return look_into(path).last
    except StoreError:
        return None  # damaged, empty or not ours: kept aside anyway


def _refuse_forgetting(subject: str, last: datetime | None, made_at: datetime) -> None:
    if last is not None and last > made_at:
        raise StoreError(
            subject,
            f"it was used after the backup was made (until {last:%Y-%m-%d %H:%M} UTC), which would be forgotten",
            "back it up first, then restore with --force",
        )


def _put_aside(path: Path, now: datetime) -> Path | None:
    """Keep what is there under another name; the name itself goes over in one step."""
    for ending in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(
                path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}{ending}")
            )
    if not path.exists():
        return None
    kept = path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        shutil.copy2(path, kept)
    return kept


def _replace_rows(
    database: Database, copy: Path, made_at: datetime, sent_until: datetime | None, *, force: bool
) -> Taken:
    """All of it in one transaction: whoever looks sees the old store or the new one."""
    with ExitStack() as rights:
        for right in Right:
            rights.enter_context(_right(advisory_lock(database, _PURPOSE, of=right)))
        with database.writing() as into:
            _refuse_others(database, into)
            if not force:
                _refuse_forgetting(database.subject, _last_in(into), made_at)
            names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
            into.exec_driver_sql(f"TRUNCATE {names}")
            with (
                closing(open_sqlite(copy, busy_timeout=30)) as source,
                told(str(copy)),
                source.reading() as rows,
            ):
                for table in metadata.sorted_tables:
                    _copy_rows(rows, into, table)
                _set_numbers(rows, into)
            return Taken(held=hold(into, sent_until), replaced=None)


_OTHERS = """
    SELECT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'digest%' AND application_name <> :own LIMIT 1
"""


def _refuse_others(database: Database, connection: Connection) -> None:
    other = connection.scalar(text(_OTHERS), {"own": _PURPOSE})
    if other is not None:
        raise StoreBusy(
            database.subject,
            f"another process is connected to it ({other})",
            "stop digest serve and digest deliver everywhere, then restore again",
        )


def _last_in(connection: Connection) -> datetime | None:
    moments = [
        connection.exec_driver_sql(f'SELECT max("{column}") FROM "{table}"').scalar()
        for table, columns in _ACTIVITY.items()
        for column in columns
    ]
    last = max((int(moment) for moment in moments if moment is not None), default=None)
    return None if last is None else to_moment(last)


def _set_numbers(source: Connection, into: Connection) -> None:
    rows = source.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
    given = {str(row.name): int(row.seq) for row in rows}
    for table in metadata.sorted_tables:
        name = _sequence(into, table)
        if name is not None:
            key = next(iter(table.primary_key)).name
            last = into.exec_driver_sql(f'SELECT coalesce(max("{key}"), 0) FROM "{table.name}"').scalar_one()
            last = max(int(last), given.get(table.name, 0))
            question = text("SELECT setval(cast(:name AS regclass), :last, :used)")
            into.execute(question, {"name": name, "last": max(last, 1), "used": last > 0})


# -------------------------------------------------------------------- hold


def hold(connection: Connection, sent_until: datetime | None) -> int:
    """Put in doubt what a successor of this store may have sent, and have everything published once more. How many
    deliveries are held."""
    connection.execute(update(feed).values(dirty=True))
    connection.execute(update(archive).values(dirty=True))
    if sent_until is None:
        return 0
    write_meta(Plain.within(connection), SENT_UNTIL, str(to_seconds(sent_until)))
    queued = delivery.c.state == DeliveryState.QUEUED.value
    tried = delivery.c.state.in_([state.value for state in _TRIED])
    values = {
        "state": DeliveryState.IN_DOUBT.value,
        "doubts": REPEATS + 1,  # only the operator's word sends it again
        "lease": delivery.c.lease + 1,  # a worker that comes back has lost it
        "lease_until": None,
        "reply_text": HELD,
    }
    due = queued & (delivery.c.not_before <= sent_until)
    return connection.execute(update(delivery).where(tried | due).values(values)).rowcount


_TRIED = (DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT)
