"""Files that were posts and now lie in another folder of the site: Jekyll sites move what is old to ``old_post`` or
the like, where no generator looks for posts.

A post is known by the name of its file: with a date in it the name is enough, without one the bytes have to be the
same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path

MARKDOWN = (".md", ".markdown", ".mkd", ".mkdn", ".mkdown")
DATED = re.compile(r"\d{4}-\d{1,2}-\d{1,2}-")
"""Begins a file name that no other post has."""

_NO_POSTS = frozenset(
    {"_drafts", "_site", "node_modules", "vendor", "public", "resources", "themes", "__pycache__"},
)
"""Folders of drafts (what is put back there is withdrawn), of other people's files and of built pages."""
_FOLDERS = 20_000
"""Looked into at the most: the site's folder may be somebody's home."""


def site_root(folder: Path, kind: str) -> Path:
    """The folder of the site that a folder of posts belongs to."""
    real = Path(os.path.realpath(folder))
    if real.name in ("_posts", "_drafts"):
        real = real.parent
    if (kind == "hexo" and real.name == "source") or (kind == "hugo" and real.name == "content"):
        real = real.parent
    return real


def files_outside(
    root: Path, others: Iterable[Path], posts: Container[str], below: str, is_post: Callable[[str], bool]
) -> Iterator[str]:
    """Paths of files below ``root``, and below ``others`` first, that have the name of a post and are none of the
    ``posts``, which are told by their path below the folder ``below``. In the order of their folders and names."""
    seen: set[str] = set()
    for start in (*others, root):
        for folder, folders, names in os.walk(os.path.realpath(start)):
            if folder in seen or len(seen) >= _FOLDERS:
                folders.clear()
                continue
            seen.add(folder)
            folders[:] = sorted(name for name in folders if name[0] not in ".#~" and name not in _NO_POSTS)
            prefix = "" if folder == below else f"{folder.removeprefix(f'{below}/')}/"
            for name in sorted(names):
                if is_post(name) and f"{prefix}{name}" not in posts:
                    yield f"{folder}/{name}"


def find_moved(
    missing: Mapping[str, str], outside: Iterable[str], hash_of_file: Callable[[str], str]
) -> dict[str, str]:
    """For each missing path the file that it has become. ``missing`` gives the hash of what was read last."""
    wanted: dict[str, list[str]] = {}
    for path in missing:
        wanted.setdefault(_name(path), []).append(path)
    found: dict[str, str] = {}
    for place in outside:
        paths = [path for path in wanted.get(_name(place), ()) if path not in found]
        if len(paths) > 1 or (paths and DATED.match(_name(place)) is None):
            hashed = hash_of_file(place)
            paths = [path for path in paths if missing[path] == hashed]
        if paths:
            found[paths[0]] = place
        if len(found) == len(missing):
            break
    return found


def _name(path: str) -> str:
    """A file's name; those of page bundles are all the same, so with its folder's."""
    folder, _, name = path.rpartition("/")
    return f"{folder.rpartition('/')[2]}/{name}" if name.startswith("index.") else name
