"""What this machine allows: who may write and read what, and how much room there is. Nothing is opened for writing."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from digest.models import Place


def look_at(folder: Path) -> Place:
    """How it stands with a folder that may not exist yet."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    is_folder = nearest.is_dir()
    try:
        free = shutil.disk_usage(nearest).free
    except OSError:
        free = 0
    return Place(
        path=str(folder),
        exists=nearest == folder,
        is_folder=is_folder,
        is_writable=is_folder and os.access(nearest, os.W_OK | os.X_OK),
        free=free,
    )


def open_to_others(path: Path) -> str | None:
    """Who besides its owner may read a file: ``its group``, ``everybody``, or empty. None if there is no such file or
    the system keeps no such rights."""
    if os.name != "posix":
        return None
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode):
        return None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return "everybody"
    return "its group" if mode & (stat.S_IRGRP | stat.S_IWGRP) else ""


def is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK)
