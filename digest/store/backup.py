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

from digest.disk import sync_path
from digest.errors import AlreadyRunning, StoreBusy, StoreError
from digest.models import DeliveryState
from digest.outbox import REPEATS
from digest.store.basics import SENT_UNTIL, VERSION_TABLE, among, to_moment, to_seconds
from digest.store.connect import Database, open_postgres, open_sqlite, parse_url
from digest.store.editions import HELD
from digest.store.faults import told
from digest.store.locks import Right, advisory_lock, file_lock
from digest.store.part import write_meta
from digest.store.plain import Plain
from digest.store.versions import bring_up_to_date, refuse_newer, tables

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
    address = parse_url(url)
    if (path := address.path) is not None:
        if not path.is_file():
            raise StoreError(
                str(path), "there is no such database", "nothing was ever run, so there is nothing to save"
            )
        expected = _copy_sqlite(path, target)
    else:
        with closing(open_postgres(address)) as database:
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
        closing(database.connect()) as connection,
    ):
        bring_up_to_date(copy)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        counts = {VERSION_TABLE: 1}
        with copy.changing() as into:
            found = _columns_of(into)
            for table in reversed(found):
                into.run(f'DELETE FROM "{table.name}"')
            for table in found:
                with connection.cursor(name="copy") as cursor:  # kept by the server: some rows at a time
                    counts[table.name] = _copy_rows(cursor.execute(table.selected), into, table)
            _keep_numbers(Plain(connection, is_postgres=True), into)
    _join_log(target)
    return counts


class _Table(Struct, frozen=True, kw_only=True):
    """A table as a SQLite file has it."""

    name: str
    columns: tuple[str, ...]
    flags: tuple[int, ...]
    """Places of columns that say yes or no, which SQLite gives as numbers."""

    @property
    def selected(self) -> str:
        """The question for all of its rows."""
        return "SELECT {} FROM {}".format(", ".join(f'"{name}"' for name in self.columns), f'"{self.name}"')


def _columns_of(plain: Plain) -> list[_Table]:
    """The tables of a SQLite file, those first that others refer to."""
    found = []
    for name in tables("sqlite"):
        columns = plain.rows("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", name)
        flags = tuple(place for place, (_, kind) in enumerate(columns) if kind == "BOOLEAN")
        found.append(_Table(name=name, columns=tuple(column for column, _ in columns), flags=flags))
    return found


def _copy_rows(rows: Any, into: Plain, table: _Table) -> int:
    """All rows of a driver's cursor, some at a time; how many."""
    count = 0
    while chunk := rows.fetchmany(_CHUNK):
        into.insert_many(table.name, table.columns, [_with_flags(row, table.flags) for row in chunk])
        count += len(chunk)
    return count


def _with_flags(row: tuple[Any, ...], flags: tuple[int, ...]) -> tuple[Any, ...]:
    if not flags:
        return row
    values = list(row)
    for place in flags:
        values[place] = None if values[place] is None else bool(values[place])
    return tuple(values)


def _keep_numbers(source: Plain, into: Plain) -> None:
    """Keys that were ever given are not given again, also those of rows that are gone."""
    numbered = into.column("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
    for name in numbered:
        last = source.value(_LAST_NUMBER, _sequence(source, name))
        into.run("DELETE FROM sqlite_sequence WHERE name = ?", name)
        into.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", name, last or 0)


_LAST_NUMBER = """
    SELECT last_value FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename)::regclass = CAST(? AS regclass)"""


def _sequence(plain: Plain, table: str) -> str | None:
    """Name of the sequence that numbers a table's rows on PostgreSQL; None if there is none."""
    has_key = "SELECT 1 FROM information_schema.columns WHERE table_name = ? AND column_name = 'key'"
    if plain.row(f"{has_key} AND table_schema = current_schema()", table) is None:
        return None
    found: str | None = plain.value("SELECT pg_get_serial_sequence(?, 'key')", f'"{table}"')
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
    address = parse_url(url)
    if address.path is not None:
        return _replace_file(address.path, copy, made_at, sent_until, now, force=force)
    with closing(open_postgres(address)) as database:
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
        with closing(open_sqlite(copy, busy_timeout=30)) as database, database.changing() as plain:
            held = hold(plain, sent_until)
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
        with database.changing() as into:
            _refuse_others(database, into)
            if not force:
                _refuse_forgetting(database.subject, _last_in(into), made_at)
            into.run(f"TRUNCATE {', '.join(tables('sqlite'))}")
            with closing(open_sqlite(copy, busy_timeout=30)) as source, told(str(copy)), source.asking() as rows:
                for table in _columns_of(rows):
                    _copy_rows(rows.run(table.selected), into, table)
                _set_numbers(rows, into)
            return Taken(held=hold(into, sent_until), replaced=None)


_OTHERS = """
    SELECT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'digest%' AND application_name <> ? LIMIT 1
"""


def _refuse_others(database: Database, plain: Plain) -> None:
    other = plain.value(_OTHERS, _PURPOSE)
    if other is not None:
        raise StoreBusy(
            database.subject,
            f"another process is connected to it ({other})",
            "stop digest serve and digest deliver everywhere, then restore again",
        )


def _last_in(plain: Plain) -> datetime | None:
    moments = [
        plain.value(f'SELECT max("{column}") FROM "{table}"')
        for table, columns in _ACTIVITY.items()
        for column in columns
    ]
    last = max((int(moment) for moment in moments if moment is not None), default=None)
    return None if last is None else to_moment(last)


def _set_numbers(source: Plain, into: Plain) -> None:
    given = dict(source.rows("SELECT name, seq FROM sqlite_sequence"))
    for table in tables("sqlite"):
        name = _sequence(into, table)
        if name is not None:
            last = max(int(into.value(f'SELECT coalesce(max(key), 0) FROM "{table}"')), int(given.get(table, 0)))
            into.run("SELECT setval(CAST(? AS regclass), ?, ?)", name, max(last, 1), last > 0)


# -------------------------------------------------------------------- hold


def hold(plain: Plain, sent_until: datetime | None) -> int:
    """Put in doubt what a successor of this store may have sent, and have everything published once more. How many
    deliveries are held."""
    plain.run("UPDATE feed SET dirty = true")
    plain.run("UPDATE archive SET dirty = true")
    if sent_until is None:
        return 0
    moment = to_seconds(sent_until)
    write_meta(plain, SENT_UNTIL, str(moment))
    return plain.change(_HOLD, REPEATS + 1, HELD, moment)


_TRIED = (DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT)
_HOLD = f"""
    UPDATE delivery
    SET state = '{DeliveryState.IN_DOUBT}', doubts = ?, lease = lease + 1, lease_until = NULL, reply_text = ?
    WHERE state IN ({among(_TRIED)}) OR state = '{DeliveryState.QUEUED}' AND not_before <= ?"""
"""Only the operator's word sends it again, and a worker that comes back has lost its lease."""
