"""What a Hugo site says of its pages in other files than theirs, read from its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from digest.generators.hugo import is_disabled, languages_of, lowered, main_language, tag_of
from digest.generators.site import mapping, text
from digest.posts.decode import decode
from digest.posts.frontmatter import split
from digest.posts.hugosite import NO_SITE, HugoSite, Layout, read_hugo_site
from digest.posts.plainblock import FrontMatter
from digest.posts.problems import Rejected, Remarks

if TYPE_CHECKING:
    from digest.app.generator_files import HugoConfiguration

_CLOSES_NO_LISTS = (0, 123)
"""From this version of Hugo on, a list page that is a draft hides no page below it."""
_ENDINGS = (".md", ".markdown", ".html", ".htm")


def hugo_site(folder: Path, lang: str, own: HugoConfiguration | None) -> HugoSite:
    """The site that the posts folder belongs to; ``own`` is its configuration, without which there is none."""
    if own is None:
        return NO_SITE
    data = mapping(lowered(own.data))
    layout = hugo_layout(folder, own)
    branches: dict[str, dict[str, FrontMatter]] = {}
    bundles: set[str] = set()
    for here, names in _walk(folder, layout):
        pages = [name for name in names if name.split(".")[0] == "_index" and name.endswith(_ENDINGS)]
        for name in pages:
            language = layout.language_of(f"{here}/{name}" if here else name)
            branches.setdefault(language, {})[here] = _front(folder / here / name, lang)
        if not pages and any(name.split(".")[0] == "index" and name.endswith(_ENDINGS) for name in names):
            bundles.add(here)
    version = own.version()
    is_old = version is not None and version < _CLOSES_NO_LISTS
    return read_hugo_site(data, layout, branches, frozenset(bundles), _zone, is_old=is_old)


def hugo_layout(folder: Path, own: HugoConfiguration) -> Layout:
    """Where the pages of each language are, below the posts folder."""
    data = mapping(lowered(own.data))
    main, keys = main_language(data), languages_of(data)
    found: dict[str, str] = {}
    for place, key in _contents(data, keys, main):
        below = os.path.relpath(own.root.resolve() / place, folder.resolve())
        if below == "." or _holds(own.root / place, folder):
            found.setdefault("", key)
        elif not below.startswith(".."):
            found.setdefault(Path(below).as_posix(), key)
    return Layout(
        main=main,
        folders={place: found[place] for place in sorted(found, key=lambda each: (-len(each.split("/")), not each))}
        or {"": main},
        tags={key: tag_of(key, data) for key in keys if not is_disabled(key, data)},
        keys=frozenset(keys) if len(keys) > 1 else frozenset(),
        disabled=frozenset(key for key in keys if is_disabled(key, data)),
    )


def content_folders(folder: Path, own: HugoConfiguration | None) -> tuple[str, ...]:
    """The folders of pages that are there, none within another; none if nothing is known of a site."""
    if own is None:
        return ()
    places = [place for place in hugo_layout(folder, own).folders if (folder / place).is_dir()]
    found = tuple(place for place in places if not any(_is_below(place, other) for other in places))
    return () if found == ("",) and folder.resolve() == own.root.resolve() else found


def _contents(data: Mapping[str, object], keys: list[str], main: str) -> Iterator[tuple[str, str]]:
    """Each folder of pages, and the language that they are in."""
    mounts = mapping(data.get("module")).get("mounts")
    given = [mapping(each) for each in mounts] if isinstance(mounts, list) else []
    mounted = [
        (source, (text(each.get("lang")) or main).lower())
        for each in given
        if _folder(each.get("target")) == "content" and (source := _folder(each.get("source"))) and source[:2] != ".."
    ]
    yield from mounted
    if mounted:  # in place of the usual folders
        return
    languages = mapping(data.get("languages"))
    shared = _folder(data.get("contentdir")) or "content"
    for key in [main, *(each for each in keys if each != main)]:
        yield _folder(mapping(languages.get(key)).get("contentdir")) or shared, key


def _folder(value: object) -> str:
    return (text(value) or "").strip("/").removeprefix("./").strip("/")


def _holds(above: Path, folder: Path) -> bool:
    """Whether the posts folder lies in a folder of pages."""
    return folder.resolve().is_relative_to(above.resolve())


def _walk(folder: Path, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """Every folder with pages, as counted from the posts folder, and the names of the files in it."""
    tops = [top for top in layout.folders if not any(_is_below(top, other) for other in layout.folders)]
    for top in tops:
        for place, folders, names in os.walk(folder / top):
            folders[:] = [name for name in folders if name[0] != "."]
            yield os.path.relpath(place, folder).removeprefix("."), names


def _is_below(place: str, other: str) -> bool:
    return place != other and (not other or place.startswith(f"{other}/"))


def _zone(name: str) -> ZoneInfo | None:
    from digest.config.values import parse_zone

    try:
        return parse_zone(name)
    except ValueError:
        return None


def _front(page: Path, lang: str) -> FrontMatter:
    """With keys in lower case; none if it cannot be read, since Hugo could not either."""
    try:
        front, _, _ = split(decode(page.read_bytes(), Remarks(""), lang), "hugo", Remarks(""))
    except (OSError, Rejected):
        return FrontMatter(values={})
    return FrontMatter(values={key.lower(): value for key, value in front.values.items()})
