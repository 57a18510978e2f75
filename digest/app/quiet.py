"""Nothing new, known at a glance: what the last run went by, and until when it leaves nothing to do.

A run that leaves nothing undone writes a note beside its SQLite database, the way make goes by dates: which
configuration, version, templates, files, database and output it saw, the moment at which time alone makes something
due, and what a run that finds all of it unchanged has to say. The next run compares, says it, and ends; the store is
not opened and none of its libraries imported.

Nothing is decided here. Whatever differs, is missing, damaged, unknown or in doubt sends the run its full way, which
decides as if there were no note. What was deleted from the output is noticed as the full way notices it; what was
edited there is not looked at by either. A note is never right for long (``jobs.rest``), and never needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

import digest
from digest.app.moment import moment
from digest.errors import DigestError
from digest.sources.folder import FolderSource
from digest.templates import fingerprint, folders

STORE_VARIABLE = "DIGEST_STORE"
ENDING = ".quiet"

_FORMAT = 1
_STORE_LINE = re.compile(rb"^store:[ \t]*[\"']?(sqlite:///[^\s\"'#]+)", re.MULTILINE)
_DEFAULT_STORE = "sqlite:///var/digest.db"
_SQLITE = "sqlite:///"
_FOLDERS = 100
"""Folders of posts whose times a note holds."""
_SECOND = 1_000_000_000
_GRAIN = 20_000_000
"""Nanoseconds: file times are no finer than the system's tick. A change later than that shows in the time."""


class Places(Struct, frozen=True, kw_only=True):
    """Where a run looks, besides its configuration."""

    database: Path
    posts: Path
    kind: str
    """As configured: ``auto`` is found out again each time."""
    exclude: tuple[str, ...]
    templates: Path | None
    """The user's own."""
    output: Path
    folders: tuple[str, ...]
    """Below ``output``: those whose list of files a run looks at."""
    files: tuple[str, ...]
    """Below ``output``: those that must be there, besides."""


class Quiet(Struct, frozen=True, kw_only=True):
    """A run with nothing to do."""

    now: datetime
    zone: ZoneInfo
    lines: tuple[str, ...]
    """What it says to people, after the headline."""
    report: dict[str, Any]
    """What it says to programs."""


# ----------------------------------------------------------------- looking


def still_quiet(config: Path, env: Mapping[str, str], as_of: str | None) -> Quiet | None:
    """The run that stands for the one to be made, if it has nothing to do for certain; None: go the full way."""
    try:
        text = config.read_bytes()
        database = _database(text, config, env)
        if database is None:
            return None
        note = json.loads(_note_path(database).read_text(encoding="utf-8"))
        return _checked(note, config, text, env, as_of)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, DigestError):
        return None


def last_look(database: Path) -> datetime | None:
    """When a run last found nothing to do by the note beside a database; None if there is none. Such a run leaves no
    trace in the database itself."""
    try:
        looked = _note_path(database).stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(int(looked), UTC)


def _checked(
    note: dict[str, Any], config: Path, text: bytes, env: Mapping[str, str], as_of: str | None
) -> Quiet | None:
    if note["program"] != _program() or note["config"] != _config_seen(config, text, env):
        return None
    when = moment(as_of, ZoneInfo(note["zone"]))
    if not note["made"] <= when.now.timestamp() < note["until"]:
        return None
    kept = note["places"]
    places = Places(
        database=Path(kept["database"]),
        posts=Path(kept["posts"]),
        kind=kept["kind"],
        exclude=tuple(kept["exclude"]),
        templates=None if kept["templates"] is None else Path(kept["templates"]),
        output=Path(kept["output"]),
        folders=tuple(kept["folders"]),
        files=tuple(kept["files"]),
    )
    if note["database"] != database_seen(places.database) or note["output"] != output_seen(places):
        return None
    if note["templates"] != fingerprint(folders(places.templates)) or _something_came(note["folders"]):
        return None
    if note["posts"] != _posts_seen(places):
        return None
    os.utime(_note_path(places.database))
    return Quiet(
        now=when.now,
        zone=ZoneInfo(note["zone"]),
        lines=tuple(note["lines"]),
        report={**note["report"], "now": when.now.isoformat()},
    )


def _database(text: bytes, config: Path, env: Mapping[str, str]) -> Path | None:
    """Where the database seems to be, without reading the configuration for real. A wrong guess finds no note, or one
    that is not about this configuration."""
    found = _STORE_LINE.search(text)
    url = env.get(STORE_VARIABLE) or (os.fsdecode(found[1]) if found else _DEFAULT_STORE)
    if not url.startswith(_SQLITE):
        return None
    return config.absolute().parent / url.removeprefix(_SQLITE)


# ----------------------------------------------------------------- noting


def note(
    places: Places,
    *,
    config: Path,
    text: bytes,
    env: Mapping[str, str],
    zone: ZoneInfo,
    made: datetime,
    until: datetime,
    posts: str,
    times: Mapping[str, int],
    templates: str,
    database: list[list[int] | None],
    output: str,
    lines: Sequence[str],
    report: dict[str, Any],
) -> None:
    """Keep what a run went by: ``posts``, ``templates``, ``database``, ``output`` as it saw them, ``times`` of the
    folders of posts, ``text`` the bytes of its configuration. A note that cannot be written is none."""
    kept = {
        "program": _program(),
        "config": _config_seen(config, text, env),
        "zone": zone.key,
        "made": made.timestamp(),
        "until": until.timestamp(),
        "places": {
            "database": str(places.database),
            "posts": str(places.posts),
            "kind": places.kind,
            "exclude": places.exclude,
            "templates": None if places.templates is None else str(places.templates),
            "output": str(places.output),
            "folders": places.folders,
            "files": places.files,
        },
        "posts": posts,
        "folders": _resting(times, places.database),
        "templates": templates,
        "database": database,
        "output": output,
        "lines": lines,
        "report": report,
    }
    path = _note_path(places.database)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with suppress(OSError, UnicodeError):
        try:
            temporary.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def forget(database: Path) -> None:
    """Remove the note."""
    with suppress(OSError):
        _note_path(database).unlink()


def settled_database(database: Path) -> list[list[int] | None] | None:
    """As ``database_seen``, a moment later: whatever changes it from now on has another time. None on a file system
    that knows whole seconds only, where that would take too long."""
    seen = database_seen(database)
    times = [part[-1] for part in seen if part]
    if any(moment % _SECOND == 0 for moment in times):
        return None
    newest = max(times, default=0)
    wait = newest + _GRAIN - time.time_ns()
    if 0 < wait <= _GRAIN:
        time.sleep(wait / _SECOND)
    return seen


# ------------------------------------------------------------ what is seen


def database_seen(database: Path) -> list[list[int] | None]:
    """Inode, size and time of a SQLite database and of its log. Every commit writes to the one or the other. They are
    not opened: a process that closes such a file loses all of SQLite's locks on it."""
    seen: list[list[int] | None] = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        try:
            status = path.stat()
        except FileNotFoundError:
            seen.append(None)
        else:
            seen.append([status.st_ino, status.st_size, status.st_mtime_ns] if status.st_size else None)
    return seen


def output_seen(places: Places) -> str:
    """Fingerprint of the names of files in the folders, and of which single files are there."""
    hashed = hashlib.sha256()
    for folder in places.folders:
        try:
            with os.scandir(places.output / folder) as entries:
                names = sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            names = []
        hashed.update("\0".join([folder, *names, ""]).encode("utf-8", "surrogateescape"))
    present = [(places.output / name).is_file() for name in places.files]
    hashed.update(repr(present).encode())
    return hashed.hexdigest()


def _resting(times: Mapping[str, int], database: Path) -> dict[str, int]:
    """The folders of posts, as many as a note holds, that have the time they had when they were listed. Not among them
    is one that holds the database: whoever opens that makes and removes files beside it."""
    own = os.path.realpath(database.parent)
    return {
        folder: mtime_ns
        for folder, mtime_ns in islice(times.items(), _FOLDERS)
        if os.path.realpath(folder) != own and _time_of(folder) == mtime_ns
    }


def _time_of(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


def _something_came(times: Mapping[str, int]) -> bool:
    """Whether a folder of posts has another time than it had. If so it need not be listed to know that the run has
    something to do; if not, files in it may be other ones all the same."""
    return any(_time_of(folder) != mtime_ns for folder, mtime_ns in times.items())


def _posts_seen(places: Places) -> str:
    source = FolderSource(places.posts, kind=places.kind, exclude=places.exclude)
    source.scan()
    return source.seen()


def _config_seen(config: Path, text: bytes, env: Mapping[str, str]) -> list[str]:
    return [str(config.absolute()), hashlib.sha256(text).hexdigest(), env.get(STORE_VARIABLE, "")]


def _program() -> list[str | int]:
    return [_FORMAT, digest.__version__]


def _note_path(database: Path) -> Path:
    return database.with_name(database.name + ENDING)
