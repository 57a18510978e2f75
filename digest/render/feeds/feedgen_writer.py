"""The only module that knows feedgen.

feedgen 1.0.0 writes the frame of a document. The entries, in feedgen's order of elements, and what it drops or gets
wrong (links in RSS other than ``self``, names without an e-mail address, dates that must not switch the process's
locale, and every element of another namespace) are written by one extension of ours, which appends the elements that
it is handed, in their order. Nothing is left to feedgen's defaults: they stamp the present time.

feedgen switches the process's locale for an instant while it writes ``lastBuildDate``; one thread renders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

GENERATOR = "digest"
_PLAIN = re.compile(rb"<(title|category)(?: [^<>]*)?>[^<]*&[^<]*</\1>")

ATOM = "http://www.w3.org/2005/Atom"
XML = "http://www.w3.org/XML/1998/namespace"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "fh": "http://purl.org/syndication/history/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "at": "http://purl.org/atompub/tombstones/1.0",
}


def name(prefix: str, local_name: str) -> str:
    """The name of an element in one of our namespaces, as lxml writes it."""
    return f"{{{NAMESPACES[prefix]}}}{local_name}"


class Element(NamedTuple):
    """An element to be written: ``name`` is plain or ``{namespace}local``."""

    name: str
    text: str | None = None
    attributes: Mapping[str, str] | None = None
    children: Sequence[Element] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The fields of an entry that every one has, and the elements to add to them."""

    id: str
    url: str
    title: str
    updated: datetime
    published: datetime
    summary: str
    content: str | None
    additions: Sequence[Element]
    attributes: Mapping[str, str] | None = None
    """For the entry element."""
    content_attributes: Mapping[str, str] | None = None
    title_type: str = "text"
    summary_type: str = "text"


class Additions(BaseExtension):  # type: ignore[misc]
    """The extension: appends ready elements and the entries to a feed. feedgen's own entries take five times as long,
    and lose some of what ours say."""

    def __init__(self) -> None:
        self.elements: Sequence[Element] = ()
        self.prefixes: Sequence[str] = ()
        self.entries: Sequence[Entry] = ()
        """The feed's, in their order."""

    def extend_ns(self) -> dict[str, str]:
        return {prefix: NAMESPACES[prefix] for prefix in self.prefixes}

    def extend_rss(self, parent: Any) -> Any:
        _append(parent[0], self.elements)
        for entry in self.entries:
            _append_item(parent[0], entry)
        return parent

    def extend_atom(self, parent: Any) -> Any:
        _append(parent, self.elements)
        for entry in self.entries:
            _append_entry(parent, entry)
        return parent


def atom_document(head: Head, additions: Sequence[Element], entries: Sequence[Entry]) -> bytes:
    """An Atom 1.0 document (RFC 4287), UTF-8."""
    feed = _generator(head, additions)
    feed.id(head.id)
    feed.subtitle(head.description)
    if head.icon:
        feed.icon(head.icon)
    if head.logo:
        feed.logo(head.logo)
    feed.additions.entries = entries
    return _text(feed.atom_str())


def rss_document(head: Head, additions: Sequence[Element], entries: Sequence[Entry]) -> bytes:
    """An RSS 2.0 document, UTF-8. ``summary`` is HTML here; ids, dates and authors are among the additions."""
    feed = _generator(head, additions)
    feed.description(head.description)
    feed.lastBuildDate(head.updated)
    if head.image:
        feed.image(head.image)
    if head.ttl:
        feed.ttl(head.ttl)
    if head.managing_editor:
        feed.managingEditor(head.managing_editor)
    feed.additions.entries = entries
    return _PLAIN.sub(_hexadecimal, _text(feed.rss_str()))


def _generator(head: Head, additions: Sequence[Element]) -> FeedGenerator:
    feed = FeedGenerator()
    feed.register_extension("additions", Additions)
    feed.additions.elements = additions
    feed.additions.prefixes = head.prefixes
    feed.title(head.title)
    feed.link(href=head.home_url, rel="alternate", type="text/html")
    feed.language(head.language)
    feed.updated(head.updated)
    feed.generator(GENERATOR)
    if head.rights:
        feed.rights(head.rights)
    return feed


def _append_entry(feed: Any, entry: Entry) -> None:
    """An Atom entry, its elements in feedgen's order."""
    make = etree.SubElement
    made = make(feed, "entry", entry.attributes)
    made.tail = "\n"
    make(made, "id").text = entry.id
    make(made, "title", {"type": entry.title_type}).text = entry.title
    make(made, "updated").text = entry.updated.isoformat()
    if entry.content:
        make(made, "content", {"type": "html", **(entry.content_attributes or {})}).text = entry.content
    make(made, "link", {"href": entry.url, "rel": "alternate", "type": "text/html"})
    make(made, "summary", {"type": entry.summary_type}).text = entry.summary or None
    make(made, "published").text = entry.published.isoformat()
    _append(made, entry.additions)


def _append_item(channel: Any, entry: Entry) -> None:
    """An RSS item, its elements in feedgen's order."""
    make = etree.SubElement
    made = make(channel, "item")
    made.tail = "\n"
    make(made, "title").text = entry.title
    make(made, "link").text = entry.url
    if entry.summary or entry.content:
        make(made, "description").text = entry.summary or entry.content
    if entry.summary and entry.content:
        make(made, f"{{{CONTENT}}}encoded").text = entry.content
    _append(made, entry.additions)


def _append(parent: Any, elements: Sequence[Element]) -> None:
    for element in elements:
        made = etree.SubElement(parent, element.name, element.attributes)
        if element.text is not None:
            made.text = element.text
        if element.children:
            _append(made, element.children)


def _hexadecimal(plain: re.Match[bytes]) -> bytes:
    """``&`` and ``<`` in a title or category as hexadecimal references. Readers disagree whether RSS has text or HTML
    there; the RSS profile found that more of them show these rightly than the entities. To XML both are the same."""
    return plain[0].replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;")


def _text(document: bytes) -> bytes:
    return document + b"\n"
