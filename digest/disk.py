"""What every hand that writes files asks of the disk: that names last, and that nothing half written stays.

A file that is being written has a temporary name and a lock; whoever finds one that nobody holds removes it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

PREFIX, SUFFIX = ".digest-", ".tmp"
"""Of temporary files."""


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
