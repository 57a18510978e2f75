"""An eye on a folder of posts: tells that something changed, not what; whoever is told looks for themselves.

The operating system tells (watchfiles: inotify and its like). Only folders are watched that posts are looked for in, so
what a site generator or we ourselves write beside them wakes nobody. Where the system cannot tell (too many folders, a
network drive) the folders' own times are looked at every few seconds: that finds files that come, go or are renamed;
one that is changed in place is found by the next run.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from digest.errors import SourceError

if TYPE_CHECKING:
    from watchfiles import Change

_QUIET = 100
"""Milliseconds without a change after which a burst of changes is over."""
_BURST = 600
"""Milliseconds after which a burst is told even if it goes on."""
_LOOK_AGAIN = 600.0
"""Seconds after which the folders are listed again, whatever was told."""
_POLL = 2.0
"""Seconds between two looks where the system does not tell."""
_ABSENT = 10.0
"""Seconds between two tries to find a folder that is not there."""
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "vboxsf", "prl_fs", "virtiofs", "ceph", "gluster", "afs", "lustre")
"""Beginnings of the names of file systems that others change unseen (proc_pid_mountinfo(5))."""


class Folder(Protocol):
    """A folder of posts, as ``FolderSource``."""

    root: Path
    """By its name, which may come to lead to another folder: a link to the newest release is set anew."""

    def folders(self) -> list[str]:
        """The real path of every folder that is looked into. Raises SourceError without the folder."""
        ...

    def concerns(self, real: str) -> bool:
        """Whether a file at a real path may be a post, by its name."""
        ...


def watch(
    look: Callable[[], Folder],
    changed: Callable[[], None],
    *,
    stop: threading.Event,
    tell: Callable[[str], None],
    poll: bool = False,
) -> None:
    """Call ``changed`` soon after something in the folder changed, until ``stop`` is set. ``look`` gives the folder as
    it is now. ``tell`` gets one line if the system cannot tell of changes; ``poll``: do not even ask it."""
    first = True
    while not stop.is_set():
        try:
            folder = look()
            folders = folder.folders()
        except SourceError:  # runs tell that it is missing
            stop.wait(_ABSENT)
            first = False
            continue
        if not first:
            changed()  # something may have come before it was watched
        first = False
        if poll:
            _poll(folder.root, folders, stop)
            continue
        remote = remote_type(folders[0])
        reason = f"it is on a network drive ({remote})" if remote else _listen(folder, folders, changed, stop)
        if reason:
            tell(f"changes are not told by the system: {reason}; looking every {_POLL:.0f} seconds")
            poll = True


def _listen(folder: Folder, folders: list[str], changed: Callable[[], None], stop: threading.Event) -> str:
    """Wait for the system to tell of changes. Returns when the folders are to be listed again; why it cannot tell, or
    nothing."""
    import watchfiles

    known, identity = set(folders), _identity(folders[0])

    def counts(change: Change, path: str) -> bool:
        return folder.concerns(path) or path in known or os.path.isdir(path)  # noqa: PTH112

    until = time.monotonic() + _LOOK_AGAIN
    try:
        for changes in watchfiles.watch(
            *folders,
            watch_filter=counts,
            debounce=_BURST,
            step=_QUIET,
            stop_event=stop,
            rust_timeout=1000,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            if any(path in known or os.path.isdir(path) for _, path in changes):  # noqa: PTH112
                return ""
            if changes:
                changed()
            if time.monotonic() > until or _identity(folder.root) != identity:  # nobody tells of drives and links
                return ""
    except FileNotFoundError:  # a folder went away between listing and watching
        return ""
    except (OSError, RuntimeError, ValueError) as error:
        return str(error).lower().partition(" about ")[0].rstrip(". ")
    return ""


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a folder from another one of its name; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _poll(root: Path, folders: list[str], stop: threading.Event) -> None:
    """Look at the folders' times, and at where the root's name leads, until something differs."""
    before, identity = _times(folders), _identity(folders[0])
    until = time.monotonic() + _LOOK_AGAIN
    while not stop.wait(_POLL) and time.monotonic() < until:
        if _times(before) != before or _identity(root) != identity:
            return


def _times(folders: Iterable[str]) -> dict[str, int]:
    """When each folder changed; 0 if it is gone."""
    found = dict.fromkeys(folders, 0)
    for folder in found:
        with suppress(OSError):
            found[folder] = os.stat(folder).st_mtime_ns  # noqa: PTH116
    return found


def remote_type(path: str, table: str = "/proc/self/mountinfo") -> str:
    """The type of the file system that a path is on, if it is one that others change; else nothing."""
    best, kind = "", ""
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
            for line in lines:
                fields, _, rest = line.partition(" - ")
                place = fields.split()[4].replace("\\040", " ")
                if f"{path}/".startswith(place.rstrip("/") + "/") and len(place) >= len(best):
                    best, kind = place, rest.split()[0]
    except OSError:
        return ""
    return kind if kind.startswith(_REMOTE) else ""
