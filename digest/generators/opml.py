"""Lists of feeds as readers export them (OPML 1.0 and 2.0): what becomes ``sources`` of a configuration. Pure.

Programs write OPML in their own ways: attributes in any case, folders in folders, a feed in several of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import ConfigError
from digest.models import MAIN
from digest.text import clean_line, cut

_LONGEST_NAME = 60
_LONGEST_TITLE = 80
_SECRET = re.compile(r"//[^/@]*@")
_REMEDY = "export it anew from the reader"


class Outline(Struct, frozen=True, kw_only=True):
    """A feed as the list has it."""

    line: int
    title: str
    address: str
    folders: tuple[str, ...] = ()
    """Names of those that it lies in, the outermost first."""


class ListedFeed(Struct, frozen=True, kw_only=True):
    """A feed that becomes a source."""

    name: str
    title: str
    url: str
    categories: tuple[str, ...] = ()


class FeedList(Struct, frozen=True, kw_only=True):
    """What a list has."""

    feeds: tuple[ListedFeed, ...] = ()
    title: str = ""
    """Its own."""
    left_out: tuple[str, ...] = ()
    """Entries that cannot be taken, a line each: where, which, why."""


def read_opml(data: bytes, subject: str, parse_url: Callable[[object], str]) -> FeedList:
    """The feeds of a list, each address once. ``subject`` is what the list is called in messages; ``parse_url`` gives
    an address as the configuration takes it, and raises ValueError. Raises ConfigError if it is no such list."""
    document = _Document(subject)
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = document.entity
    parser.StartElementHandler = lambda name, attributes: document.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code)
        raise ConfigError(f"{subject}:{error.lineno}", f"is broken: {words}", _REMEDY) from error
    found: dict[str, ListedFeed] = {}
    left_out = []
    for each in document.outlines:
        try:
            url = parse_url(each.address).partition("#")[0]
        except ValueError as error:
            shown = cut(clean_line(_SECRET.sub("//…@", each.address)), _LONGEST_TITLE)
            left_out.append(f"{subject}:{each.line}: {each.title or 'a feed'} was left out: {shown} {error}")
            continue
        known = found.get(url, ListedFeed(name="", title=each.title, url=url))
        found[url] = replace(known, categories=tuple(dict.fromkeys((*known.categories, *each.folders))))
    title = cut(clean_line("".join(document.pieces)), _LONGEST_TITLE)
    return FeedList(feeds=tuple(_named(found.values())), title=title, left_out=tuple(left_out))


class _Document:
    """Walks along the elements."""

    def __init__(self, subject: str) -> None:
        self.outlines: list[Outline] = []
        self.pieces: list[str] = []
        """Of the list's title."""
        self._subject = subject
        self._path: list[str] = []
        self._folders: list[str] = []
        """A name for each outline that is open; empty for feeds."""

    def entity(self, *_what: Any) -> None:
        raise ConfigError(self._subject, "declares entities, which no list of feeds needs", _REMEDY)

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        name = name.lower()
        if not self._path and name != "opml":
            raise ConfigError(
                self._subject, f"is no OPML, its first element is {name[:40]}", "export the feeds as OPML"
            )
        self._path.append(name)
        if name != "outline":
            return
        given = {key.lower(): value.strip() for key, value in attributes.items()}
        title = cut(clean_line(given.get("title") or given.get("text") or ""), _LONGEST_TITLE)
        address = given.get("xmlurl", "")
        if address:
            folders = tuple(dict.fromkeys(filter(None, self._folders)))
            self.outlines.append(Outline(line=line, title=title, address=address, folders=folders))
        self._folders.append("" if address else title)

    def text(self, data: str) -> None:
        if self._path == ["opml", "head", "title"]:
            self.pieces.append(data)

    def end(self, _name: str) -> None:
        if self._path.pop() == "outline":
            self._folders.pop()


def _named(feeds: Iterable[ListedFeed]) -> Sequence[ListedFeed]:
    """With names that a source may have, no two the same."""
    taken = {MAIN}
    named = []
    for each in feeds:
        stem = _slug(each.title) or _slug(urlsplit(each.url).hostname or "") or "feed"
        name, number = stem, 2
        while name in taken:
            end = f"-{number}"
            name, number = f"{stem[: _LONGEST_NAME - len(end)].rstrip('-')}{end}", number + 1
        taken.add(name)
        named.append(replace(each, name=name, title=each.title or name))
    return named


def _slug(text: str) -> str:
    """Small letters, digits and hyphens; empty if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", ""))
    return words.strip("-")[:_LONGEST_NAME].rstrip("-")
