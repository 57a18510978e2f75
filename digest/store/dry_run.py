"""A store for ``--dry-run``: everything works on it, and nothing of the original changes.

SQLite: a copy in a temporary folder. The file is copied together with its write-ahead log, byte for byte, without
opening it as a database: even a reader would write marks into the ``-shm`` file. PostgreSQL: one transaction around
everything, rolled back at the end; the transactions inside it are savepoints.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any

from digest.errors import StoreBusy, StoreError
from digest.store.database.connect import Database, PostgresDatabase
from digest.store.database.connection import Connection
from digest.store.database.faults import wrap_db_errors
from digest.store.database.group_commit import Order, Result
from digest.store.database.locks import Right

_COMPANIONS = ("", "-wal", "-journal")
"""What makes up a SQLite database; ``-shm`` is made anew from the log."""

_TRIES = 20


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A private copy of a database file, removed afterwards; of nothing if there is none yet."""
    with _temporary_folder() as folder:
        copy = folder / path.name
        try:
            _copy(path, copy)
        except OSError as error:
            raise StoreError(
                str(path),
                f"it cannot be copied to {folder}: {error.strerror}",
                "make it readable, or TMPDIR a folder with room",
            ) from error
        yield copy


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="digest-dry-run-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StoreError(tempfile.gettempdir(), f"no temporary folder can be made: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def _copy(path: Path, copy: Path) -> None:
    """Copy until nobody wrote meanwhile."""
    for _ in range(_TRIES):
        before = _look(path)
        for ending in _COMPANIONS:
            source, target = Path(f"{path}{ending}"), Path(f"{copy}{ending}")
            target.unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
        if _look(path) == before:
            return
    raise StoreBusy(str(path), "it is being written all the time", "try again when the other process has ended")


def _look(path: Path) -> list[tuple[int, int, int] | None]:
    """Size, time and inode of each of its files."""
    found: list[tuple[int, int, int] | None] = []
    for ending in _COMPANIONS:
        try:
            stat = Path(f"{path}{ending}").stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return found


class DryRun(PostgresDatabase):
    """A database in one transaction that never ends well. Threads take turns."""

    def __init__(self, raw: Any, subject: str) -> None:
        super().__init__(lambda: raw, subject)
        self._inside = Connection(raw, is_postgres=True)
        self._turn = RLock()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with wrap_db_errors(self.subject), self._turn:
            self._inside.run("SAVEPOINT dry_run")
            try:
                yield self._inside
            except BaseException:
                self._inside.run("ROLLBACK TO dry_run")
                raise
            self._inside.run("RELEASE dry_run")

    def asking(self) -> AbstractContextManager[Connection]:
        return self._transaction(writes=False)

    def change(self, orders: Sequence[Order]) -> list[Result]:
        return Database.change(self, orders)


@contextmanager
def rolled_back(original: Database) -> Iterator[DryRun]:
    """The database inside a transaction that is undone at the end."""
    with wrap_db_errors(original.subject):
        raw = original.connect()
    with closing(raw):
        raw.execute("BEGIN")
        yield DryRun(raw, original.subject)


def no_lock(purpose: str, *, of: Right) -> AbstractContextManager[Callable[[], bool]]:
    """A dry run disturbs nobody, so it needs no right to run."""
    return nullcontext(lambda: True)
