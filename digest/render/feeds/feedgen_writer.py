"""The only module that knows feedgen.

feedgen 1.0.0 writes the frame of a document. The entries, in feedgen's order of elements, and what it drops or gets
wrong (links in RSS other than ``self``, names without an e-mail address, dates that must not switch the process's
locale, and every element of another namespace) are handed in as text (``elements``) and take the place of a mark that
an extension of ours leaves in the frame. Nothing is left to feedgen's defaults: they stamp the present time.

feedgen switches the process's locale for an instant while it writes ``lastBuildDate``; one thread renders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree
from msgspec import Struct

from digest.render.feeds.elements import element

GENERATOR = "digest"
_PLAIN = re.compile(r"<(title|category)(?: [^<>]*)?>[^<]*&[^<]*</\1>")
_MARK = "digest-additions"

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "fh": "http://purl.org/syndication/history/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "at": "http://purl.org/atompub/tombstones/1.0",
}
"""Those of ours that a document may use, by prefix. RSS documents have ``atom`` and ``content`` as well."""


class Head(Struct, frozen=True, kw_only=True):
    """The fields of a feed that feedgen writes itself."""

    id: str
    title: str
    description: str
    home_url: str
    language: str
    updated: datetime
    rights: str | None = None
    icon: str | None = None
    logo: str | None = None
    image: str | None = None
    ttl: int | None = None
    managing_editor: str | None = None
    prefixes: Sequence[str] = ()
    """Which of our namespaces the document uses."""


class Additions(BaseExtension):  # type: ignore[misc]
    """The extension: declares our namespaces and marks where our elements belong."""

    def __init__(self) -> None:
        self.prefixes: Sequence[str] = ()

    def extend_ns(self) -> dict[str, str]:
        return {prefix: NAMESPACES[prefix] for prefix in self.prefixes}

    def extend_rss(self, parent: Any) -> Any:
        etree.SubElement(parent[0], _MARK)
        return parent

    def extend_atom(self, parent: Any) -> Any:
        etree.SubElement(parent, _MARK)
        return parent


def atom_document(head: Head, additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """An Atom 1.0 document (RFC 4287), UTF-8."""
    feed = _generator(head)
    feed.id(head.id)
    feed.subtitle(head.description)
    if head.icon:
        feed.icon(head.icon)
    if head.logo:
        feed.logo(head.logo)
    return _filled(feed.atom_str(), additions, entries)


def rss_document(head: Head, additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """An RSS 2.0 document, UTF-8."""
    feed = _generator(head)
    feed.description(head.description)
    feed.lastBuildDate(head.updated)
    if head.image:
        feed.image(head.image)
    if head.ttl:
        feed.ttl(head.ttl)
    if head.managing_editor:
        feed.managingEditor(head.managing_editor)
    return _filled(_PLAIN.sub(_hexadecimal, feed.rss_str().decode()).encode(), additions, entries)


def hexadecimal(name: str, text: str, **attributes: str) -> str:
    """A ``title`` or ``category`` of RSS, with ``&`` and ``<`` in it as hexadecimal references. Readers disagree
    whether RSS has text or HTML there; the RSS profile found that more of them show these rightly than the entities.
    To XML both are the same."""
    made = element(name, text, attributes)
    return _PLAIN.sub(_hexadecimal, made) if "&" in made else made


def _hexadecimal(plain: re.Match[str]) -> str:
    return plain[0].replace("&amp;", "&#x26;").replace("&lt;", "&#x3C;")


def _generator(head: Head) -> FeedGenerator:
    feed = FeedGenerator()
    feed.register_extension("additions", Additions)
    feed.additions.prefixes = head.prefixes
    feed.title(head.title)
    feed.link(href=head.home_url, rel="alternate", type="text/html")
    feed.language(head.language)
    feed.updated(head.updated)
    feed.generator(GENERATOR)
    if head.rights:
        feed.rights(head.rights)
    return feed


def _filled(frame: bytes, additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """The document: our elements, then the entries, in the place of the mark."""
    before, _, after = frame.partition(f"<{_MARK}/>".encode())
    return b"".join((before, "".join(additions).encode(), "".join(entries).encode(), after, b"\n"))
