"""A folder of posts: Jekyll's ``_posts``, Hugo's ``content``, Hexo's ``source/_posts``, or plain Markdown files.

Listing opens no file. Links are followed inside the folder only, each real folder is looked at once. What cannot
be read is said, never silently taken for gone.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
import unicodedata
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from digest.disk import remedy_to_read
from digest.errors import SourceError
from digest.filetable import FileTable
from digest.hashing import hash_of
from digest.models import Listing, Problem, Severity, Version
from digest.sources.elsewhere import MARKDOWN, files_outside, find_moved, site_root

KINDS = ("jekyll", "hugo", "hexo")
MAX_BYTES = 4 * 1024 * 1024
"""Largest file that is read."""

_ENDINGS = (*MARKDOWN, ".html", ".htm")
_SKIPPED = frozenset({"node_modules", "vendor", "public", "resources", "themes", "__pycache__"})
_HUGO_FILES = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json")
_NOT_HUGOS = ".#"
_DEPTH = 64
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_LONGEST = 1_700
"""Bytes of a folder's path; with a file's name the most that a database can look up."""
_DETECT_LIMIT = 20_000


def detect(root: Path) -> str:
    """Which generator the folder belongs to: ``jekyll``, ``hugo`` or ``hexo``. Plain Markdown counts as Hugo, and so
    does what cannot be looked into."""
    try:
        return _generator_of(root)
    except PermissionError:
        return "hugo"


def _generator_of(root: Path) -> str:
    if (root / "source" / "_posts").is_dir() or (root.name == "_posts" and root.parent.name == "source"):
        return "hexo"
    if root.name == "source" and (root / "_posts").is_dir():
        return "hexo"
    if root.name in ("_posts", "_drafts"):
        return "jekyll"
    if any((root / name).is_file() for name in _HUGO_FILES) or (root / "config" / "_default").is_dir():
        return "hugo"
    if (root / "_posts").is_dir() or (root / "_config.yml").is_file() or _has_posts(root):
        return "jekyll"
    return "hugo"


class FolderSource:
    """Posts in one folder. Satisfies ``ports.Source``.

    ``kind`` is ``auto`` or one of ``KINDS``; the attribute ``kind`` says what it turned out to be. ``exclude`` holds
    patterns (``private/*``) of files and folders below it that are passed over. ``drafts``: list ``_drafts`` too, so
    that the report can say of each draft that it was left out. ``max_bytes`` is the largest file that ``read`` gives.
    ``archived``: folders that posts are moved to, beside those of the site. ``label``: the key that names the folder.
    ``contents``: folders with the pages of a Hugo site, whose rules hold there; else ``content``, if it is there.
    ``collections``: those of a Jekyll site whose documents are posts too.
    """

    def __init__(
        self,
        root: Path,
        kind: str = "auto",
        exclude: tuple[str, ...] = (),
        max_bytes: int = MAX_BYTES,
        drafts: bool = True,
        archived: tuple[Path, ...] = (),
        label: str = "posts.folder",
        contents: tuple[str, ...] = (),
        collections: tuple[str, ...] = (),
    ) -> None:
        self.root = root
        self._contents = contents
        self._label = label
        self.kind = detect(root) if kind == "auto" else kind
        patterns = [fnmatch.translate(pattern.strip("/")) for pattern in exclude]
        self._exclude = re.compile("|".join(patterns)) if patterns else None
        self._max_bytes = max_bytes
        self._drafts = drafts
        self._archived = archived
        self._collections = frozenset(f"_{name}" for name in collections)
        self._linked: set[str] = set()
        self._real_root = os.path.realpath(root)

    def scan(self) -> Listing:
        """Every post file below the folder, in the order of its path. Raises SourceError without the folder."""
        self._check_root()
        walk = _Walk(self)
        for start, wanted in self._starts():
            walk.folder(start, wanted=wanted, depth=0)
        walk.follow_links()
        self._linked = walk.linked
        walk.files.sort()
        problems = (*walk.problems, *self._missing_collections(walk.entered))
        return Listing(files=walk.files, unreadable=tuple(walk.unreadable), problems=problems)

    def _missing_collections(self, entered: Container[str]) -> Iterator[Problem]:
        for name in sorted(self._collections if self.kind == "jekyll" else ()):
            if f"{self._real_root}/{name}" not in entered:
                reason = f"{self._label.rpartition('.')[0]}.collections names it, and there is no such folder"
                remedy = "write its name without the _, or leave it out"
                yield Problem(path=name, reason=reason, remedy=remedy, severity=Severity.WARNING)

    def folders(self) -> list[str]:
        """The real path of every folder that posts are looked for in, the root first. Raises SourceError without it."""
        self._check_root()
        walk = _Walk(self)
        for start, wanted in self._starts():
            walk.folder(start, wanted=wanted, depth=0)
        walk.follow_links()
        return list(dict.fromkeys([self._real_root, *(os.path.realpath(folder) for folder in walk.entered)]))

    def concerns(self, real: str) -> bool:
        """Whether a file at a real path may be a post, by its name."""
        return self.is_post(os.path.basename(real), real.removeprefix(f"{self._real_root}/"))  # noqa: PTH119

    def read(self, path: str) -> bytes:
        """The bytes of a listed file. Raises SourceError if it is gone, not readable, or too large."""
        return self.read_version(path)[0]

    def read_version(self, path: str) -> tuple[bytes, Version]:
        """The same, and the file's size and time after the last byte was read."""
        full = f"{self._real_root}/{path}"
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        if path in self._linked:
            if not self.is_inside(os.path.realpath(full)):
                raise SourceError(path, "links to a file outside the posts folder", "copy the file instead")
        else:
            flags |= os.O_NOFOLLOW
        try:
            descriptor = os.open(full, flags)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            data = self._read(path, descriptor)
            status = os.fstat(descriptor)
            return data, (status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise _unreadable(path, error) from error
        finally:
            os.close(descriptor)

    def elsewhere(self, missing: Mapping[str, str], posts: Container[str]) -> dict[str, str]:
        """Where files lie now that are missing, in another folder of the site or one that posts are moved to, counted
        from the posts folder. ``missing``: path to the hash of what was read last; ``posts``: what is listed."""
        found = find_moved(missing, self._outside(posts), self._hash_at)
        places = {path: os.path.relpath(place, self._real_root) for path, place in found.items()}
        return {path: place for path, place in places.items() if place.isprintable()}  # others are no text

    def outside(self, posts: Container[str]) -> Iterator[str]:
        """Files of the site with the name of a post that are none of the ``posts``, by their path below the folder."""
        return (os.path.relpath(path, self._real_root) for path in self._outside(posts))

    def _outside(self, posts: Container[str]) -> Iterator[str]:
        root = site_root(self.root, self.kind)
        return files_outside(root, self._archived, posts, self._real_root, lambda name: self.is_post(name, ""))

    def read_at(self, place: str) -> bytes:
        """The bytes of a file that ``elsewhere`` found. Raises SourceError."""
        try:
            descriptor = os.open(f"{self._real_root}/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb"):
                return self._read(place, descriptor)
        except OSError as error:
            raise _unreadable(place, error) from error

    def _hash_at(self, place: str) -> str:
        """Empty if it cannot be read."""
        try:
            return hash_of(self.read_at(os.path.relpath(place, self._real_root)))
        except SourceError:
            return ""

    def _read(self, path: str, descriptor: int) -> bytes:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(path, "is not a regular file", "replace it by a file")
        if status.st_size <= self._max_bytes:
            data = os.read(descriptor, status.st_size + 1)
            if len(data) == status.st_size:  # asked for one more and there was none
                return data
            while len(data) <= self._max_bytes and (more := os.read(descriptor, self._max_bytes + 1)):
                data += more
            if len(data) <= self._max_bytes:
                return data
        raise SourceError(path, f"larger than {self._max_bytes:,} bytes", "split it, or move what is no text out of it")

    def is_inside(self, real: str) -> bool:
        return real == self._real_root or real.startswith(f"{self._real_root}/")

    def _check_root(self) -> None:
        try:
            os.scandir(self.root).close()
        except FileNotFoundError as error:
            raise SourceError(self._label, f"{self.root} does not exist", "correct the path") from error
        except NotADirectoryError as error:
            raise SourceError(self._label, f"{self.root} is not a folder", "name the folder of the posts") from error
        except OSError as error:
            raise SourceError(
                self._label, f"{self.root} cannot be read: {error.strerror}", remedy_to_read(error)
            ) from error

    def _starts(self) -> Iterator[tuple[str, bool]]:
        """Folders to begin with, relative to the root, and whether the files directly in them are posts."""
        if self.kind == "hexo" and self.root.name != "_posts":
            above = "source/" if (self.root / "source").is_dir() else ""
            found = [name for name in ("_posts", "_drafts") if (self.root / above / name).is_dir()]
            yield from ((f"{above}{name}", True) for name in found if name == "_posts" or self._drafts)
            if not found and not above:
                yield "", True
        elif self._contents:
            yield from ((each, True) for each in self._contents)
        elif self.kind == "hugo" and (self.root / "content").is_dir():
            yield "content", True
        else:
            yield "", self.kind != "jekyll" or self.root.name in ("_posts", "_drafts")

    # ------------------------------------------------------- what to look into

    def enters(self, name: str, path: str, wanted: bool) -> bool | None:
        """Whether a folder's files are posts; None: the folder is passed over."""
        if self._exclude is not None and self._exclude.match(path):
            return None
        if path in self._collections and self.kind == "jekyll":
            return True
        first = name[0]
        if self._contents:  # all of Hugo's rules
            return None if first in _NOT_HUGOS or name[-1] == "~" else wanted
        if first == "_" and self.kind == "jekyll" and not wanted:
            return True if name == "_posts" or (name == "_drafts" and self._drafts) else None
        if first in "._#~" or name[-1] == "~" or (not wanted and name in _SKIPPED) or name in ("node_modules",):
            return None
        return wanted

    def is_post(self, name: str, path: str) -> bool:
        """Whether a file's name is one of a post."""
        if not name.endswith(_ENDINGS) and not name.lower().endswith(_ENDINGS):
            return False
        if name[0] in (_NOT_HUGOS if self._contents else "._#~") or name.startswith("_index."):
            return False
        return self._exclude is None or self._exclude.match(path) is None


class _Walk:
    """One walk over the folder."""

    def __init__(self, source: FolderSource) -> None:
        self._source = source
        self._base = source._real_root
        self.files = FileTable()
        self.unreadable: list[str] = []
        self.problems: list[Problem] = []
        self.linked: set[str] = set()
        self.entered: list[str] = []
        self._links: list[tuple[str, str, bool, int]] = []
        self._seen: set[tuple[int, int, bool]] = set()

    def folder(self, path: str, *, wanted: bool, depth: int) -> None:
        """List one folder and the ones below, by name."""
        if depth > _DEPTH or len(os.fsencode(path)) > _LONGEST:
            self.problems.append(Problem(path=shown(path), reason="nested too deeply", remedy="move it up"))
            return
        full = f"{self._base}/{path}" if path else self._base
        try:
            opened = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self._unreadable_folder(path, error)
            return
        try:
            status = os.fstat(opened)
            place = (status.st_dev, status.st_ino, wanted)
            if place in self._seen:
                return
            self._seen.add(place)
            folders = self._entries(opened, path, wanted, depth)
        except OSError as error:
            self._unreadable_folder(path, error)
            return
        finally:
            os.close(opened)
        self.entered.append(full)
        for below, enter in folders:
            self.folder(below, wanted=enter, depth=depth + 1)

    def _entries(self, opened: int, path: str, wanted: bool, depth: int) -> list[tuple[str, bool]]:
        """Take what lies directly in an open folder; give the folders to enter, and whether their files are posts.
        Raises OSError if it cannot be listed."""
        prefix = f"{path}/" if path else ""
        folders: list[tuple[str, bool]] = []
        add, is_post = self.files.add, self._source.is_post
        look = os.stat
        for name in sorted(os.listdir(opened)):  # names alone: entries take three times the memory
            below = prefix + name
            try:
                found = look(name, dir_fd=opened, follow_symlinks=False)  # faster than by the whole path
            except OSError as error:
                self._skip(below, f"cannot be looked at: {error.strerror}", remedy_to_read(error))
                continue
            kind = stat.S_IFMT(found.st_mode)
            if kind == stat.S_IFREG:
                if wanted and is_post(name, below) and (name.isprintable() or self._is_nameable(below, name)):
                    add(below, found.st_size, found.st_mtime_ns, found.st_ino)
            elif kind == stat.S_IFDIR:
                enter = self._source.enters(name, below, wanted)
                if enter is not None and self._is_nameable(below, name):
                    folders.append((below, enter))
            elif kind == stat.S_IFLNK:
                self._links.append((below, name, wanted, depth))
            elif wanted and is_post(name, below):
                self._skip(below, "is not a regular file", "replace it by a file")
        return folders

    def _unreadable_folder(self, path: str, error: OSError) -> None:
        self.unreadable.append(path)
        self.problems.append(
            Problem(
                path=shown(path) or ".",
                reason=f"the folder cannot be read: {error.strerror}",
                remedy=f"{remedy_to_read(error)}; posts known to be in it are kept as they are",
            )
        )

    def follow_links(self) -> None:
        """After everything real is listed: links that stay inside the folder."""
        while self._links:
            path, name, wanted, depth = self._links.pop(0)
            real = os.path.realpath(f"{self._base}/{path}")
            if Path(real).is_dir():
                enter = self._source.enters(name, path, wanted)
                if enter is None:
                    continue
                if not self._source.is_inside(real):
                    self._skip(path, "links out of the posts folder and is not followed", "copy what it links to")
                    continue
                before = len(self.files)
                self.folder(path, wanted=enter, depth=depth + 1)
                self.linked.update(self.files.paths[before:])
            elif wanted and self._source.is_post(name, path) and self._is_nameable(path, name):
                self._linked_file(path, real)

    def _linked_file(self, path: str, real: str) -> None:
        if not self._source.is_inside(real):
            self._skip(path, "links out of the posts folder and is not followed", "copy the file instead")
            return
        try:
            found = Path(real).stat()
        except OSError:
            self._skip(path, "links to nothing", "delete the link")
            return
        if not stat.S_ISREG(found.st_mode):
            self._skip(path, "is not a regular file", "replace it by a file")
            return
        self.files.add(path, found.st_size, found.st_mtime_ns, found.st_ino)
        self.linked.add(path)

    def _is_nameable(self, path: str, name: str) -> bool:
        """Names that are no text, or would break a line of a report, are passed over with a word."""
        if name.isprintable():
            return True
        for char in name:
            category = unicodedata.category(char)
            if category == "Cs":
                self._skip(path, "the file name is not valid UTF-8", "rename it")
                return False
            if category in ("Cc", "Zl", "Zp"):
                self._skip(path, "the file name holds a control character", "rename it")
                return False
        return True

    def _skip(self, path: str, reason: str, remedy: str) -> None:
        self.problems.append(Problem(path=shown(path), reason=reason, remedy=remedy, severity=Severity.SKIPPED))


def shown(path: str) -> str:
    """A path as it may be printed: bytes that are no UTF-8, and controls, as ``\\xNN``."""
    if path.isprintable():
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(ascii(char)[1:-1] if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    """Or a sign that turns the direction of writing."""
    return unicodedata.category(char) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(char) in _DIRECTIONS


def _unreadable(path: str, error: OSError) -> SourceError:
    if error.errno == errno.ENOENT:
        return SourceError(path, "vanished while reading", "nothing to do, the next run will see")
    if error.errno == errno.ELOOP:
        return SourceError(path, "was replaced by a link while reading", "the next run will look at it again")
    return SourceError(path, f"cannot be read: {error.strerror}", remedy_to_read(error))


def _has_posts(root: Path) -> bool:
    """Whether a folder ``_posts`` lies anywhere below (looked for breadth first, within reason)."""
    queue, looked = [os.fspath(root)], 0
    while queue and looked < _DETECT_LIMIT:
        looked += 1
        try:
            with os.scandir(queue.pop(0)) as entries:
                names = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for entry in names:
            if entry.name == "_posts":
                return True
            if entry.name[0] not in "._" and entry.name not in _SKIPPED:
                queue.append(entry.path)
    return False
