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
from typing import Any

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from digest.render.feeds.elements import element
from digest.render.feeds.model import Feed

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


def atom_document(feed: Feed, prefixes: Sequence[str], additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """An Atom 1.0 document (RFC 4287), UTF-8. ``prefixes`` says which of our namespaces it uses."""
    frame = _generator(feed, prefixes)
    frame.id(feed.id)
    frame.subtitle(feed.description)
    if feed.icon:
        frame.icon(feed.icon)
    if feed.logo:
        frame.logo(feed.logo)
    return _filled(frame.atom_str(), additions, entries)


def rss_document(feed: Feed, prefixes: Sequence[str], additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """An RSS 2.0 document, UTF-8, likewise."""
    frame = _generator(feed, prefixes)
    frame.description(feed.description)
    frame.lastBuildDate(feed.updated)
    if image := feed.logo or feed.icon:
        frame.image(image)
    if feed.ttl:
        frame.ttl(feed.ttl)
    if feed.author.email:  # RSS wants an address wherever it names a person
        frame.managingEditor(f"{feed.author.email} ({feed.author.name})")
    return _filled(_PLAIN.sub(_hexadecimal, frame.rss_str().decode()).encode(), additions, entries)


def hexadecimal(name: str, text: str, **attributes: str) -> str:
    """A ``title`` or ``category`` of RSS, with ``&`` and ``<`` in it as hexadecimal references. Readers disagree
    whether RSS has text or HTML there; the RSS profile found that more of them show these rightly than the entities.
    To XML both are the same."""
    made = element(name, text, attributes)
    return _PLAIN.sub(_hexadecimal, made) if "&" in made else made


def _hexadecimal(plain: re.Match[str]) -> str:
    return plain[0].replace("&amp;", "&#x26;").replace("&lt;", "&#x3C;")


def _generator(feed: Feed, prefixes: Sequence[str]) -> FeedGenerator:
    frame = FeedGenerator()
    frame.register_extension("additions", Additions)
    frame.additions.prefixes = prefixes
    frame.title(feed.title)
    frame.link(href=feed.home_url, rel="alternate", type="text/html")
    frame.language(feed.language)
    frame.updated(feed.updated)
    frame.generator(GENERATOR)
    if feed.rights:
        frame.rights(feed.rights)
    return frame


def _filled(frame: bytes, additions: Iterable[str], entries: Iterable[str]) -> bytes:
    """The document: our elements, then the entries, in the place of the mark."""
    before, _, after = frame.partition(f"<{_MARK}/>".encode())
    return b"".join((before, "".join(additions).encode(), "".join(entries).encode(), after, b"\n"))
