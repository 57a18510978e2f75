"""Published files in a folder, for a web server to serve as they are.

A file is whole or not there: temporary file beside it, fsync, rename, fsync of the folder. Text files have
compressed siblings (``feed.xml.br``, ``feed.xml.gz``; archives, which a reader fetches once, only the latter) that
nginx and the like serve without comparing their dates with the plain file's, so they are put in place first and can
never be older than it; all carry the same time, which is how a stale one is noticed. Equal bytes are not written
again, so that the file's time stays (web servers make the ETag of it). Nothing outside the folder is ever touched,
links included.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import brotli
from msgspec import Struct, field

from digest.disk import PREFIX, SUFFIX, reason, sweep, sync_path
from digest.errors import OutputError
from digest.ports import Output
from digest.publish.media import is_archive

COMPRESSED = frozenset({".xml", ".json", ".opml", ".html", ".rss", ".atom", ".txt", ".css", ".svg", ".js"})
"""Endings of files that get compressed siblings."""
SIBLINGS = (".br", ".gz")

_GROUP = 192
"""Temporary files (each an open descriptor) that wait for one fsync of all of them."""
_FSYNC_THREADS = 16  # fsyncs that run side by side share the journal's commits: 600 files 50 ms instead of 105

_REMEDIES = {
    errno.ENOSPC: "free some space, the next run makes up for it",
    errno.EDQUOT: "free some space, the next run makes up for it",
    errno.EROFS: "set 'output' to a folder that can be written",
    errno.EACCES: "give this user the right to write there, or set 'output' to another folder",
    errno.EPERM: "give this user the right to write there, or set 'output' to another folder",
    errno.EISDIR: "a folder is in the way, move it away",
    errno.ENOTDIR: "a file is in the way of a folder, move it away",
    errno.EEXIST: "a file is in the way of a folder, move it away",
    errno.ENAMETOOLONG: "use a shorter name",
}


class Tally(Struct, kw_only=True):
    """What became of the files that were offered, by path, in the order of the offers."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


class _Part(NamedTuple):
    """One temporary file, held open and locked."""

    descriptor: int
    temporary: str
    target: str


class _Pending(Struct, frozen=True, kw_only=True):
    """A file that was offered and waits to be put in place."""

    path: str
    target: Path
    data: bytes
    endings: tuple[str, ...]
    """Of its siblings."""
    parts: Future[list[_Part]]
    """Its temporary files, written meanwhile."""

    @property
    def size(self) -> int:
        """How many files on disk it will be."""
        return 1 + len(self.endings)


def compress(data: bytes, endings: Iterable[str] = SIBLINGS) -> dict[str, bytes]:
    """Compressed siblings by ending; same data, same bytes. Brotli 5 takes 12 ms for 700 KB; 11 takes 760 ms to save
    another tenth. Gzip 4 takes two thirds of 6's time and 3 % more room."""
    return {ending: _COMPRESSORS[ending](data) for ending in endings}


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(4, zlib.DEFLATED, 31)  # 31: gzip header, without time and name
    return packer.compress(data) + packer.flush()


_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {".br": partial(brotli.compress, quality=5), ".gz": _gzip}


@cache
def _preparer() -> ThreadPoolExecutor:
    """Compresses and writes temporary files while the next document is made: both libraries, and the system while it
    makes a file (up to a millisecond), let other threads run. Two threads would only wait for each other."""
    return ThreadPoolExecutor(1, "digest-publish")


class FolderOutput:
    """Satisfies ``ports.Output``. Every ``OSError`` becomes an ``OutputError`` that names the file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = Path(os.path.realpath(root))
        self._entered: dict[Path, Path] = {}
        """Folders that are known to lie inside the root and were cleared of a killed run's leftovers."""
        self._batching = False
        self._pending: dict[str, _Pending] = {}
        self.tally = Tally()

    def write(self, path: str, data: bytes) -> bool:
        with self._explained(path):
            target = self._target(path, create=True)
            if self._is_current(path, target, data):
                self.tally.unchanged.append(path)
                return False
            if path in self._pending:
                self._settle()
            endings = _endings(path)
            parts = _preparer().submit(_prepare, target, data, endings)
            self._pending[path] = _Pending(path=path, target=target, data=data, endings=endings, parts=parts)
        if not self._batching or sum(one.size for one in self._pending.values()) >= _GROUP:
            self._settle()
        return True

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Within it files are put in place in groups, in the order they came; at its end all are in place."""
        if self._batching:
            yield
            return
        self._batching = True
        try:
            yield
        except BaseException:
            with suppress(OutputError):  # the first error is the one to tell
                self._settle()
            raise
        finally:
            self._batching = False
        self._settle()

    def remove(self, path: str) -> bool:
        self._settle()
        with self._explained(path):
            target = self._target(path, create=False)
            found = False
            for victim in (*(_sibling(target, ending) for ending in SIBLINGS), target):
                with suppress(FileNotFoundError, NotADirectoryError):
                    victim.unlink()
                    found = True
            if found:
                sync_path(target.parent)
                self.tally.removed.append(path)
        return found

    def leave(self, path: str) -> None:
        self._settle()
        with self._explained(path):
            _drop_siblings(self._target(path, create=False), kept=())

    def read(self, path: str) -> bytes | None:
        if path in self._pending:
            return self._pending[path].data
        with self._explained(path):
            return _read(self._target(path, create=False))

    def exists(self, path: str) -> bool:
        if path in self._pending:
            return True
        with self._explained(path):
            return self._target(path, create=False).is_file()

    def holds(self, path: str, data: bytes) -> bool:
        return self.read(path) == data

    def listing(self, folder: str) -> set[str]:
        self._settle()
        with self._explained(folder or str(self._root)):
            place = self._target(f"{folder}/x" if folder else "x", create=False).parent
            try:
                return {entry.name for entry in os.scandir(place) if not entry.is_dir(follow_symlinks=False)}
            except (FileNotFoundError, NotADirectoryError):
                return set()

    # ------------------------------------------------------------ one file

    def _target(self, path: str, *, create: bool) -> Path:
        """Where ``path`` lies on disk. Refuses whatever would lie outside the root, through links too."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path or str(PurePosixPath(path)) != path:
            raise OutputError(path or "output", "not a path below the output folder")
        folder = self._root.joinpath(*parts[:-1])
        real = self._entered.get(folder)
        if real is None:
            real = Path(os.path.realpath(folder))
            if not real.is_relative_to(self._real_root):
                raise OutputError(path, f"leads out of the output folder, to {real}", "remove the link")
            if not create:
                return real / parts[-1]
            self._make(real)
            sweep(real)
            self._entered[folder] = real
        return real / parts[-1]

    @staticmethod
    def _make(folder: Path) -> None:
        if folder.is_dir():
            return
        missing = [folder]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_path(made.parent)

    def _is_current(self, path: str, target: Path, data: bytes) -> bool:
        """The same bytes are there already, and so are siblings of the same time."""
        if path in self._pending:
            return self._pending[path].data == data
        try:
            status = os.lstat(target)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data) or _read(target) != data:
            return False
        return all(_has_time(_sibling(target, ending), status.st_mtime_ns) for ending in _endings(path))

    # ---------------------------------------------------------- all pending

    def _settle(self) -> None:
        """Make all pending files durable, then put them in place in order. Raises the first error, after having
        done what could be done."""
        pending, self._pending = list(self._pending.values()), {}
        prepared: list[tuple[_Pending, list[_Part]]] = []
        failures: list[OutputError] = []
        try:
            for one in pending:
                try:
                    with self._explained(one.path):
                        prepared.append((one, one.parts.result()))
                except OutputError as error:
                    failures.append(error)
        except BaseException:  # interrupted: leave no temporary file behind
            for one in pending:
                one.parts.add_done_callback(_discard_unused)
            raise
        unsafe = _fsync_all([part.descriptor for _, parts in prepared for part in parts])
        failures += [failure for one, parts in prepared if (failure := self._place(one, parts, unsafe))]
        for folder in dict.fromkeys(one.target.parent for one, _ in prepared):
            try:
                with self._explained(str(folder)):
                    sync_path(folder)
            except OutputError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _place(self, one: _Pending, parts: list[_Part], unsafe: dict[int, OSError]) -> OutputError | None:
        """Rename the temporary files of one published file, its siblings first."""
        left = list(parts)
        try:
            with self._explained(one.path):
                for part in parts:
                    if part.descriptor in unsafe:
                        raise unsafe[part.descriptor]
                _drop_siblings(one.target, kept=one.endings)
                for part in parts:
                    os.replace(part.temporary, part.target)  # noqa: PTH105 - names, not Path objects
                    os.close(part.descriptor)
                    left.pop(0)
        except OutputError as error:
            _discard(left)
            return error
        self.tally.written.append(one.path)
        return None

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(str(self._root / path), reason(error), _REMEDIES.get(error.errno or 0, "")) from error


class Comparable(Output, Protocol):
    """An output that a dry run can be made of."""

    def holds(self, path: str, data: bytes) -> bool:
        """Whether the file is there with these very bytes."""
        ...


class DryOutput:
    """Only compares and counts what an output would do; writes nothing. Satisfies ``ports.Output``."""

    def __init__(self, output: Comparable) -> None:
        self._output = output
        self._changes: dict[str, bytes | None] = {}
        self.tally = Tally()

    def write(self, path: str, data: bytes) -> bool:
        same = self._changes[path] == data if path in self._changes else self._output.holds(path, data)
        (self.tally.unchanged if same else self.tally.written).append(path)
        if not same:
            self._changes[path] = data
        return not same

    @contextmanager
    def batch(self) -> Iterator[None]:
        yield

    def remove(self, path: str) -> bool:
        found = self.exists(path)
        if found:
            self.tally.removed.append(path)
            self._changes[path] = None
        return found

    def leave(self, path: str) -> None:
        """Touches nothing."""

    def read(self, path: str) -> bytes | None:
        return self._changes[path] if path in self._changes else self._output.read(path)

    def exists(self, path: str) -> bool:
        return self._changes[path] is not None if path in self._changes else self._output.exists(path)

    def listing(self, folder: str) -> set[str]:
        names = self._output.listing(folder)
        for path, data in self._changes.items():
            parent, _, name = path.rpartition("/")
            if parent == folder:
                (names.discard if data is None else names.add)(name)
        return names


def _prepare(target: Path, data: bytes, endings: Sequence[str]) -> list[_Part]:
    """Write the temporary files; the plain one last, so that it can be put in place last."""
    siblings = compress(data, endings)
    folder, name = str(target.parent), str(target)
    parts: list[_Part] = []
    try:
        for place, content in (*((name + ending, part) for ending, part in siblings.items()), (name, data)):
            descriptor, temporary = _temporary(folder)
            parts.append(_Part(descriptor, temporary, place))
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # as long as it is held, no other run takes it for a leftover
            os.fchmod(descriptor, 0o644)
            _write_all(descriptor, content)
        moment = os.fstat(parts[-1].descriptor).st_mtime_ns
        for part in parts:
            os.utime(part.descriptor, ns=(moment, moment))
    except BaseException:
        _discard(parts)
        raise
    return parts


def _temporary(folder: str) -> tuple[int, str]:
    """A new file, open for writing, and its name. ``tempfile`` takes ten times as long, for secrecy that is not needed
    in a folder that only we write into."""
    while True:
        name = f"{folder}/{PREFIX}{os.getpid()}-{next(_numbers)}{SUFFIX}"
        try:
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), name
        except FileExistsError:  # of another machine's process, or of one that was killed
            continue


_numbers = count()


def _discard_unused(parts: Future[list[_Part]]) -> None:
    """Of a document that was prepared, or is being prepared, for nothing."""
    if not parts.cancelled() and parts.exception() is None:
        _discard(parts.result())


def _endings(path: str) -> tuple[str, ...]:
    """Of the siblings that a file has."""
    if PurePosixPath(path).suffix not in COMPRESSED:
        return ()
    return (".gz",) if is_archive(path) else SIBLINGS


def _sibling(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)


def _has_time(path: Path, mtime_ns: int) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_mtime_ns == mtime_ns


def _read(path: Path) -> bytes | None:
    """None if there is no such file. A link is not followed: it would lead out of the folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fsync_all(descriptors: list[int]) -> dict[int, OSError]:
    """Bring the files to disk; returns those for which that failed."""

    def sync(descriptor: int) -> OSError | None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            return error
        return None

    if len(descriptors) <= len(SIBLINGS) + 1:
        results = [sync(descriptor) for descriptor in descriptors]
    else:
        with ThreadPoolExecutor(_FSYNC_THREADS) as threads:
            results = list(threads.map(sync, descriptors))
    return {descriptor: error for descriptor, error in zip(descriptors, results, strict=True) if error}


def _drop_siblings(target: Path, *, kept: Sequence[str]) -> None:
    """Of an earlier version that had more of them: they would be served in place of the new file."""
    for ending in SIBLINGS:
        if ending in kept:
            continue
        with suppress(FileNotFoundError):
            _sibling(target, ending).unlink()


def _discard(parts: Iterable[_Part]) -> None:
    """Remove what was not put in place."""
    for part in parts:
        with suppress(OSError):
            Path(part.temporary).unlink()
        with suppress(OSError):  # closed already if closing is what failed
            os.close(part.descriptor)
