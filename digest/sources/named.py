"""A source under its name: what it calls a post is a path that no other source has.

Sources beside ``posts.folder`` are seen through this. What they give is made into what the use cases know, whichever of
the forms it has that ``docs/extend.md`` allows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from digest.errors import SourceError
from digest.filetable import FileTable, stamp_of
from digest.models import UNREAD, FileStat, Item, Listing, Problem, Version, path_in, ref_of
from digest.text import clean_line, cut


class Simple(Protocol):
    """What a source has at least."""

    def scan(self) -> Iterable[tuple[str, object]] | Listing:
        """What there is now: each post's ref, which stays the same, with its version, which is another one as soon as
        there is anything else to read."""
        ...

    def read(self, ref: str) -> bytes | Item:
        """A post: a file as a site generator reads it, or an item. Raises SourceError."""
        ...


class NamedSource:
    """Satisfies ``ports.Source``."""

    def __init__(self, name: str, source: Simple) -> None:
        self.name = name
        self.source: Any = source
        self._has_files = hasattr(source, "read_version")

    def scan(self) -> Listing:
        """Raises SourceError."""
        found = self.source.scan()
        listing = found if isinstance(found, Listing) else Listing(files=_stamped(found))
        files, unfit = FileTable(), []
        for ref, stat in listing.files.items():
            if self._has_files or _is_fit(ref):
                files.add(path_in(self.name, ref), *stat)
            else:
                path = path_in(self.name, cut(clean_line(str(ref)), 60))
                unfit.append(Problem(path=path, reason=_UNFIT, remedy=_FIT))
        files.sort()
        return replace(
            listing,
            files=files,
            unreadable=tuple(path_in(self.name, folder) for folder in listing.unreadable),
            problems=(*unfit, *(replace(each, path=path_in(self.name, each.path)) for each in listing.problems)),
        )

    def read(self, path: str) -> bytes | Item:
        """Raises SourceError."""
        return self.read_version(path)[0]

    def read_version(self, path: str) -> tuple[bytes | Item, Version]:
        """Raises SourceError, which names the path."""
        ref = ref_of(path)
        try:
            if self._has_files:
                found: tuple[bytes, Version] = self.source.read_version(ref)
                return found
            return self.source.read(ref), UNREAD
        except SourceError as error:
            raise SourceError(path, error.cause, error.remedy) from error

    def elsewhere(self, missing: Mapping[str, str], posts: Container[str]) -> dict[str, str]:
        """Of sources that have no other place, nothing."""
        if not hasattr(self.source, "elsewhere"):
            return {}
        found = self.source.elsewhere({ref_of(path): hashed for path, hashed in missing.items()}, _Refs(self, posts))
        return {path_in(self.name, ref): place for ref, place in found.items()}

    def read_at(self, place: str) -> bytes:
        """What ``elsewhere`` found. Raises SourceError."""
        data: bytes = self.source.read_at(place)
        return data


_LONGEST = 1_700
"""Bytes; as much of a path as a database can look up."""
_UNFIT = "its ref cannot be kept"
_FIT = f"give it one without control characters, of {_LONGEST} bytes at most"


def _is_fit(ref: object) -> bool:
    """Whether a ref can be stored and shown. A plug-in may say anything."""
    return isinstance(ref, str) and ref != "" and ref.isprintable() and len(ref.encode("utf-8", "replace")) <= _LONGEST


class _Refs(Container[str]):
    """Paths, as their source calls them."""

    def __init__(self, source: NamedSource, paths: Container[str]) -> None:
        self._name = source.name
        self._paths = paths

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, str) and path_in(self._name, ref) in self._paths


def _stamped(pairs: Iterable[tuple[str, object]]) -> dict[str, FileStat]:
    """Versions that may be anything, as numbers to compare."""
    return {ref: stamp_of(str(version)) for ref, version in pairs}
