"""Post files by path, as compact as a million of them need: a path and three numbers each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from digest.hashing import hash_of
from digest.models import FileStat

_TIME_BITS = 60
"""Of nanoseconds: they end in 2006, so that no such time counts as recent."""
_NODE_BITS = 63


def stamp_of(version: str) -> FileStat:
    """What stands for an entry that is no file: three numbers that change with its version, whatever that is."""
    rest = int(hash_of(version.encode("utf-8", "replace")), 16)
    rest, time = divmod(rest, 1 << _TIME_BITS)
    size, node = divmod(rest, 1 << _NODE_BITS)
    return FileStat(size, time, node)


class FileTable(Mapping[str, FileStat]):
    """Files in the order of their paths, by code points. Fill it with ``add``, in any order, and ``sort`` it before
    anything is looked up."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._sizes = array("q")
        self._times = array("q")
        self._inodes = array("Q")
        self._odd: dict[str, FileStat] = {}
        """Files with numbers that do not fit."""

    @classmethod
    def of(cls, files: Mapping[str, FileStat]) -> FileTable:
        """The files of any mapping."""
        if isinstance(files, FileTable):
            return files
        table = cls()
        for path, stat in files.items():
            table.add(path, *stat)
        table.sort()
        return table

    def add(self, path: str, size: int, mtime_ns: int, inode: int) -> None:
        """A path comes once."""
        try:
            self._times.append(mtime_ns)
        except OverflowError:  # further from 1970 than three centuries
            self._odd[path] = FileStat(size, mtime_ns, inode)
            self._times.append(0)
        self.paths.append(path)
        self._sizes.append(size)
        self._inodes.append(inode)

    def sort(self) -> None:
        """By path."""
        paths = self.paths
        if all(map(str.__lt__, paths, paths[1:])):
            return
        order = sorted(range(len(paths)), key=paths.__getitem__)
        self.paths = [paths[place] for place in order]
        self._sizes = array("q", [self._sizes[place] for place in order])
        self._times = array("q", [self._times[place] for place in order])
        self._inodes = array("Q", [self._inodes[place] for place in order])

    def at(self, place: int) -> FileStat:
        """The file whose path is ``paths[place]``."""
        if self._odd and (odd := self._odd.get(self.paths[place])) is not None:
            return odd
        return FileStat(self._sizes[place], self._times[place], self._inodes[place])

    def is_as_before(self, place: int, size: int, mtime_ns: int, inode: int) -> bool:
        """Whether the file whose path is ``paths[place]`` has these numbers."""
        if self._odd and self.paths[place] in self._odd:
            return self.at(place) == (size, mtime_ns, inode)
        return self._times[place] == mtime_ns and self._sizes[place] == size and self._inodes[place] == inode

    def later_than(self, mtime_ns: int) -> set[int]:
        """Places of files with a later time."""
        return {place for place, time in enumerate(self._times) if time > mtime_ns}

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._place(path) is not None

    def __getitem__(self, path: str) -> FileStat:
        place = self._place(path)
        if place is None:
            raise KeyError(path)
        return self.at(place)

    def _place(self, path: str) -> int | None:
        place = bisect_left(self.paths, path)
        return place if place < len(self.paths) and self.paths[place] == path else None
