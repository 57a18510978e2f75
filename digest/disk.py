"""What every hand that writes files asks of the disk: that names last, and that nothing half written stays.

A file that is being written has a temporary name and a lock; whoever finds one that nobody holds removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

PREFIX, SUFFIX = ".digest-", ".tmp"
"""Of temporary files."""


REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room: this user's share of the disk is used up",
    errno.EROFS: "the file system is read-only: name another place, or mount it for writing",
    errno.EACCES: "give this user the right to write there, or name another place",
    errno.EPERM: "give this user the right to write there, or name another place",
    errno.ENOENT: "check that the place is still there",
    errno.EISDIR: "a folder is in the way: move it away, or name another place",
    errno.ENOTDIR: "a file is in the way of a folder: move it away, or name another place",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many files open: close some programs",
    errno.EIO: "the disk fails: look at the system's log",
}
"""What to do about an error of the system while something is written, by its number."""


def remedy(error: OSError, otherwise: str = "") -> str:
    """What to do about it; ``otherwise`` if its number says nothing that anybody could do."""
    return REMEDIES.get(error.errno or 0, otherwise)


def reason(error: Exception) -> str:
    """Why something cannot be read or written, as the end of a sentence."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def remedy_to_read(error: OSError | UnicodeError) -> str:
    """As ``remedy`` where something is to be read; what its number does not tell, a look at the place may."""
    if isinstance(error, UnicodeError):
        return "save it as UTF-8"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "give this user the right to read it"
    return remedy(error, "look at the place, and at the system's log")


def sync_path(path: Path) -> None:
    """Until this returns, a crash of the machine may undo what became of a file's bytes, or of a folder's names.
    Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove temporary files of killed processes. Those of a living one are locked. Raises OSError if the folder
    cannot be listed."""
    for entry in os.scandir(folder):
        if not (entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)):
            continue
        with suppress(OSError):
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink()
            finally:
                os.close(descriptor)


def read_secret(variable: str | None, file: Path | None) -> str | None:
    """What an environment variable holds, else the first line of a file; None if neither is named. Raises ValueError,
    which continues a sentence about whose secret it is, and does not have it."""
    if variable is not None and os.environ.get(variable, "").strip():
        return os.environ[variable].strip()
    if file is None:
        if variable is not None:
            raise ValueError(f"the environment variable {variable} is not set; set it")
        return None
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{file} cannot be read: {reason}; put the secret into it") from error
    if not text or "\n" in text:
        raise ValueError(f"{file} does not hold one line; put the secret into it")
    return text
