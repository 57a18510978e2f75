"""Files that somebody is writing are left until they rest, so that nobody reads half a post.

A file rests when its own time says that nothing changed it for ``posts.settle``. A time that is still to come (a clock
that is wrong, a drive of another machine) says nothing: such a file rests when two looks that far apart saw the same.
What an earlier run saw is a look.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from digest.filetable import FileTable
from digest.models import UNREAD, FileStat, Version
from digest.ports import PostStore

_KEPT = "looks"
"""What the store keeps looks under: the files that an earlier run left, if their time was still to come."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000_000


class Settling(Struct, frozen=True, kw_only=True):
    """How it is told whether a file rests."""

    wall: datetime
    """The real time: files' times are compared with it."""
    rest: timedelta = timedelta(0)
    """For how long a file must have stayed as it is; nothing: every file is read at once."""
    sleep: Callable[[float], None] | None = None
    """Waits some seconds; None: whoever asks looks again later, and nobody waits."""


class Look(Struct, frozen=True, array_like=True):
    """How a file looked, and since when it looks so."""

    stat: FileStat
    since: int


Looks = Mapping[str, Look]
"""By path."""


class Rest:
    """Tells what rests, at one moment. Times are those of files: nanoseconds since 1970."""

    def __init__(self, settling: Settling, store: PostStore) -> None:
        self.now = (settling.wall - _EPOCH) // _MICROSECOND * 1000
        self.length = settling.rest // _MICROSECOND * 1000
        self._store = store
        self._sleep = settling.sleep
        self._kept = ""

    def wait(self, held: Looks) -> bool:
        """Wait until these files may rest; False if nobody does."""
        if not held or self._sleep is None:
            return False
        seconds = self.settles_in(held)
        self._sleep(seconds)
        self.now += round(seconds * _SECOND)
        return True

    def settles_in(self, held: Looks) -> float:
        """Seconds until all of them may rest; never more than the time that a file has to rest."""
        ends = (look.since if look.stat.mtime_ns > look.since else look.stat.mtime_ns for look in held.values())
        left = max(ends, default=self.now) + self.length - self.now
        return min(max(left, 0), self.length) / _SECOND

    def hold_back(
        self, table: FileTable, todo: array[int], as_before: array[int], earlier: Looks | None = None
    ) -> tuple[array[int], dict[str, Look]]:
        """What of ``todo`` can be read, and what is left until it rests. ``earlier`` are the looks before this one;
        without them those that an earlier run kept. Files that are ``as_before`` were read when they rested."""
        young = table.later_than(self.now - self.length) if self.length and todo else set()
        young.difference_update(as_before)
        if not young:
            return todo, {}
        earlier = self._recall() if earlier is None else earlier
        ready, held = array("q"), {}
        for place in todo:
            look = self._look(table, place, earlier) if place in young else None
            if look is None:
                ready.append(place)
            else:
                held[table.paths[place]] = look
        return ready, held

    def _look(self, table: FileTable, place: int, earlier: Looks) -> Look | None:
        """A young file as it is now; None if it rests all the same."""
        stat, before = table.at(place), earlier.get(table.paths[place])
        look = before if before is not None and before.stat == stat else Look(stat, self.now)
        return look if 0 <= self.now - look.since < self.length else None

    def written(self, read: Iterable[tuple[str, FileStat, Version]]) -> dict[str, Look]:
        """Files that were not the same when they had been read as when they were listed: path, both times."""
        return {
            path: Look(FileStat(*version, stat.inode), self.now)
            for path, stat, version in read
            if self.length and version != UNREAD and version != (stat.size, stat.mtime_ns)
        }

    # ------------------------------------------------ from one run to the next

    def _recall(self) -> dict[str, Look]:
        self._kept = self._store.recall(_KEPT) or ""
        return msgspec.json.decode(self._kept, type=dict[str, Look]) if self._kept else {}

    def keep(self, held: Looks) -> None:
        """Remember what can be told only by another look."""
        later = {path: look for path, look in held.items() if look.stat.mtime_ns > look.since}
        text = msgspec.json.encode(later).decode() if later else ""
        if text != self._kept:
            self._store.remember(_KEPT, text)
