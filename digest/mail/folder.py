"""The channel ``folder`` of mail: each message is a file that mail programs open.

Doing it twice changes nothing: the file's name belongs to the delivery, and equal bytes are not written again. A
message is whole or not there: temporary file, fsync, rename, fsync of the folder. Messages name people and hold links
that act for them, so files are for their owner alone, and so is a folder that is made here; one that is there already
keeps the rights that somebody gave it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digest.disk import PREFIX, SUFFIX, sweep, sync_path
from digest.errors import PermanentFailure, TemporaryFailure
from digest.models import Outgoing, Receipt, Target
from digest.ports import Commit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,199}")

_HEAD_LIMIT = 65_536

_REMEDIES = {
    errno.ENOSPC: "free some space, the next run makes up for it",
    errno.EDQUOT: "free some space, the next run makes up for it",
    errno.EROFS: "set mail.folder to a folder that can be written",
    errno.EACCES: "give this user the right to write there, or set mail.folder to another folder",
    errno.EPERM: "give this user the right to write there, or set mail.folder to another folder",
    errno.ENOTDIR: "a file is in the way of the folder, move it away or set mail.folder to another one",
    errno.EEXIST: "a file is in the way of the folder, move it away or set mail.folder to another one",
    errno.EISDIR: "a folder is in the way of the file, move it away",
}


class FolderChannel:
    """Writes ``NAME.eml`` files. Satisfies ``ports.Channel``; may be used by several threads."""

    atomic = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = False

    def send(self, edition: Outgoing, target: Target, before_commit: Commit) -> Receipt:
        """Put the message in place, bytes as given. The envelope is of no use here, and nobody is waited for.
        Raises TemporaryFailure with step ``connect`` if the folder itself is at fault, ``write`` if the one file
        is."""
        if _NAME.fullmatch(target.name) is None:
            raise PermanentFailure(str(self._folder), f"not a name for a file: {target.name[:60]!r}", step="write")
        file, data = self._folder / f"{target.name}.eml", edition.message
        with self._explained():
            self._prepare()
            if _holds(file, data):
                return Receipt(text=file.name)
            with self._written(data) as temporary:
                if not before_commit():
                    raise TemporaryFailure(str(file), "given up: another worker has this delivery", step="write")
                try:
                    os.replace(temporary, file)  # noqa: PTH105 - a name, not a Path
                except IsADirectoryError as error:
                    raise TemporaryFailure(
                        str(file), "is a directory", _REMEDIES[errno.EISDIR], step="write"
                    ) from error
            sync_path(self._folder)
        return Receipt(text=file.name)

    def close(self) -> None:
        """Look at the folder again before the next message."""
        self._ready = False

    def _prepare(self) -> None:
        """Make the folder, and remove what a killed process left."""
        if self._ready:
            return
        missing = [self._folder]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        for made in missing:
            sync_path(made.parent)
        sweep(self._folder)
        self._ready = True

    @contextmanager
    def _written(self, message: bytes) -> Iterator[str]:
        """A temporary file with the message, safely on disk; gone afterwards unless it was renamed."""
        descriptor, temporary = self._locked_file()
        try:
            rest = memoryview(message)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            yield temporary
        finally:
            os.close(descriptor)
            with suppress(OSError):
                Path(temporary).unlink()

    def _locked_file(self) -> tuple[int, str]:
        """A new file, for its owner alone, that nobody takes for a leftover as long as it is open."""
        while True:
            descriptor, temporary = tempfile.mkstemp(SUFFIX, PREFIX, self._folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, temporary
            os.close(descriptor)  # somebody swept it away before it was locked

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._ready = False
            cause = (error.strerror or str(error)).lower()
            remedy = _REMEDIES.get(error.errno or 0, "")
            raise TemporaryFailure(str(self._folder), cause, remedy, step="connect") from error


def remove_mails(folder: Path, names: Collection[str], addresses: Collection[str]) -> list[str]:
    """Remove the messages of these names, and all that go to one of these addresses. Returns a line for each that
    cannot be removed."""
    if not folder.is_dir():
        return []
    files, left = {f"{name}.eml" for name in names}, []
    theirs = _goes_to(addresses)
    for entry in [each for each in os.scandir(folder) if each.is_file(follow_symlinks=False)]:
        try:
            if entry.name in files or (entry.name.endswith(".eml") and theirs.search(_head(entry.path))):
                os.unlink(entry.path)  # noqa: PTH108 - a name, not a Path
        except FileNotFoundError:
            continue
        except OSError as error:
            left.append(f"{entry.path}: it cannot be removed: {(error.strerror or str(error)).lower()}; remove it")
    with suppress(OSError):
        sweep(folder)
        sync_path(folder)
    return left


def _goes_to(addresses: Collection[str]) -> re.Pattern[str]:
    """Finds one of them as an address of the field ``To``."""
    among = "|".join(re.escape(address) for address in addresses)
    return re.compile(rf"^To:(?:.*[\s<,])?(?:{among})[\s>,]*$", re.IGNORECASE | re.MULTILINE)


def _head(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - a name, not a Path
        head = file.read(_HEAD_LIMIT).partition(b"\r\n\r\n")[0]
    return head.decode("utf-8", "replace").replace("\r\n", "\n")


def _holds(path: Path, data: bytes) -> bool:
    """Whether the very file is there, with these bytes. Links are not followed."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and path.read_bytes() == data
