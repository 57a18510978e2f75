"""RSS 0.9x to 2.0, RDF (RSS 1.0), Atom 0.3 and 1.0, as feedparser reads them. Import it late: it loads feedparser.

feedparser takes documents that are no XML as well, and makes relative addresses absolute. What it
would not survive (entities, depth, sheer number) is found by expat first.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.parsers import expat

import feedparser

from digest.models import Attachment, Author, Item
from digest.posts.links import absolute
from digest.sources.remote.documents import MANY, Document, Unreadable, author, moment, unique, words
from digest.sources.remote.json_feed import paragraphs

_DEPTH = 100
_ELEMENTS = 100_000
_ATTRIBUTES = 100
"""Of one element: feedparser looks for each among all."""
_LOOSE = 1_000_000
"""Characters of a document that is no valid XML, and yet read: how long that takes is up to its author."""
_ROOTS = frozenset({"rss", "feed", "rdf", "channel"})
_ENTRIES = frozenset({"item", "entry"})
_END = re.compile(
    r"</\s*(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>\s*(?:<!--(?:(?!-->).)*-->\s*)*\Z", re.IGNORECASE | re.DOTALL
)
_ENTITY = re.compile(r"<!ENTITY\b", re.IGNORECASE)
_ENTRY_TAG = re.compile(r"<(?:item|entry)[\s>]", re.IGNORECASE)
_ID_TAG = re.compile(r"<(guid|id)(?:\s[^<>]*)?>\s*(?:<!\[CDATA\[)?([^<>\]]*)", re.IGNORECASE)
_PAGE = re.compile(r"<!doctype\s+html|<html", re.IGNORECASE)
_ALTERNATE = re.compile(r"<link\b[^<>]{0,1000}>", re.IGNORECASE)
_FEED_TYPE = re.compile(r"application/(?:rss\+xml|atom\+xml|feed\+json)", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s<>]{1,500})", re.IGNORECASE)


class _Survey:
    """A first walk through a document: whether it may be parsed, and the ids of its entries as they are written, which
    feedparser takes for addresses and makes absolute. Raises Unreadable and expat.ExpatError."""

    def __init__(self, text: str) -> None:
        self.root = ""
        self.ids: list[str] = []
        self._stack: list[str] = []
        self._count = 0
        self._pieces: list[str] | None = None
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.Parse(text.encode("utf-8", "replace"), True)

    def _entity(self, *_what: Any) -> None:
        raise Unreadable("declares entities, which no feed needs")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(" ")[2].lower()
        self.root = self.root or local
        self._count += 1
        if len(self._stack) >= _DEPTH or self._count > _ELEMENTS or len(attributes) > _ATTRIBUTES:
            raise Unreadable("has more elements or attributes, or deeper ones, than any feed needs")
        if local in _ENTRIES:
            self.ids.append(next((attributes[key] for key in attributes if key.rpartition(" ")[2] == "about"), ""))
        elif local in ("guid", "id") and self._stack and self._stack[-1] in _ENTRIES:
            self._pieces = []
        self._stack.append(local)

    def _data(self, data: str) -> None:
        if self._pieces is not None:
            self._pieces.append(data)

    def _end(self, _name: str) -> None:
        local = self._stack.pop()
        if self._pieces is not None:
            given = "".join(self._pieces).strip()
            if given and (local == "guid" or not self.ids[-1]):
                self.ids[-1] = given
            self._pieces = None


def read_xml(text: str, url: str) -> Document:
    """Raises Unreadable."""
    ids = _checked(text, url)
    found = _parsed(text, url)
    if not found.get("version") and not found.entries:
        raise Unreadable("is no feed", "correct the address")
    feed, entries = found.feed, found.entries
    known = ids if len(ids) == len(entries) else [""] * len(entries)
    return Document(
        title=words(_markup(feed, "title")),
        url=absolute(_text(feed, "link"), url) or "" if _text(feed, "link") else "",
        id=_text(feed, "id"),
        entries=tuple(_item(entry, given, feed, url) for entry, given in zip(entries, known, strict=True)),
    )


def _parsed(text: str, url: str) -> Any:
    try:
        return feedparser.parse(
            io.BytesIO(text.encode("utf-8", "replace")),
            response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
            # Without a base of its own, markup belongs to the page of its entry, which comes later.
            resolve_relative_uris="xml:base" in text,
            # Its cleaning takes minutes for one long style, holding all threads. Ours comes when it is read (body).
            sanitize_html=False,
        )
    except Exception as error:  # what is no XML makes it raise whatever comes: KeyError, UnicodeEncodeError
        raise Unreadable("is no valid XML, and cannot be guessed at") from error


def _checked(text: str, url: str) -> list[str]:
    """The ids of the entries. Raises Unreadable for what should not or cannot be parsed."""
    try:
        survey = _Survey(text)
    except expat.ExpatError as error:
        return _checked_loosely(text, url, error)
    if survey.root not in _ROOTS:
        raise _no_feed(text, survey.root, url)
    return survey.ids


def _checked_loosely(text: str, url: str, error: Exception) -> list[str]:
    """For what is no valid XML: feedparser reads it nevertheless, if it is whole, and not too long."""
    head = re.match(r"(?:\s*<[?!][^<>]*>)*\s*<(?:[\w.-]+:)?(\w+)", text)
    root = head[1].lower() if head else ""
    if _ENTITY.search(text):
        raise Unreadable("declares entities, which no feed needs") from error
    if root not in _ROOTS:
        raise _no_feed(text, root, url) from error
    if not _END.search(text[-10_000:]):
        raise Unreadable("breaks off before its end", "nothing to do, it is asked again") from error
    if len(text) > _LOOSE:
        raise Unreadable("is no valid XML, and too long to be guessed at") from error
    return [_written_id(part) for part in _ENTRY_TAG.split(text)[1:]]


def _written_id(entry: str) -> str:
    found = {name.lower(): html.unescape(value).strip() for name, value in _ID_TAG.findall(entry)}
    return found.get("guid") or found.get("id") or ""


def _no_feed(text: str, root: str, url: str) -> Unreadable:
    """A page of a site often names its feed."""
    if root != "html" and not _PAGE.search(text[:2000]):
        return Unreadable("is no feed", "correct the address")
    for tag in _ALTERNATE.findall(text[:200_000]):
        href = _HREF.search(tag)
        if _FEED_TYPE.search(tag) and href and (there := absolute(html.unescape(href[1]), url)):
            return Unreadable("is a page and no feed", f"the page names one: {there}")
    return Unreadable("is a page and no feed", "write the address of the feed itself")


def _item(entry: Mapping[str, Any], given: str, feed: Mapping[str, Any], base: str) -> Item:
    name = given or _text(entry, "id")
    link = _text(entry, "link") or (name if name.startswith(("http://", "https://")) else "")
    attachments = _attachments(entry, base)
    if not link and attachments:
        link = attachments[0].url  # a podcast without pages
    url = (absolute(link, base) or "") if link else ""
    updated = _date(entry, "updated_parsed")
    terms, keywords = _terms(entry)
    return Item(
        id=name,
        url=url,
        title=_markup(entry, "title"),
        published=_date(entry, "published_parsed") or _date(entry, "created_parsed") or updated,
        updated=updated,
        summary=_markup(entry, "summary"),
        content=_content(entry),
        categories=terms,
        tags=keywords,
        source_name=words(_markup(entry.get("source") or {}, "title")),
        authors=_authors(entry, base),
        image=_image(entry, url or base),
        lang=_text(entry.get("title_detail") or {}, "language") or _text(feed, "language"),
        attachments=attachments,
    )


def _markup(values: Mapping[str, Any], key: str) -> str:
    """A text of an entry as HTML. Without details it is no text of its own: feedparser copies contents to summaries."""
    detail = values.get(f"{key}_detail")
    if not isinstance(detail, Mapping):
        return ""
    value = _html(detail)
    return html.escape(value, quote=False) if detail.get("type") == "text/plain" else value


def _content(entry: Mapping[str, Any]) -> str:
    """The first content that is HTML, else the first that is text."""
    found = [each for each in entry.get("content") or () if isinstance(each, Mapping)]
    marked = [each for each in found if each.get("type") in ("text/html", "application/xhtml+xml")]
    if marked:
        return max((_html(each) for each in marked), key=len)
    return next((paragraphs(_text(each, "value")) for each in found if each.get("type") == "text/plain"), "")


def _html(detail: Mapping[str, Any]) -> str:
    """feedparser closes what is empty in XHTML, and a browser takes ``</br>`` for one more."""
    value = _text(detail, "value")
    return value.replace("></br>", ">") if detail.get("type") == "application/xhtml+xml" else value


def _date(entry: Mapping[str, Any], key: str) -> datetime | None:
    # dict's own way: feedparser takes one date for another, and warns of it
    parts = dict.get(entry, key) if isinstance(entry, dict) else None
    if not parts:
        return None
    try:
        year, month, day, hour, minute, second = parts[:6]
        return moment(datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC))
    except (ValueError, TypeError, OverflowError):
        return None


def _terms(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Categories, and the keywords of podcasts."""
    terms: list[str] = []
    keywords: list[str] = []
    for tag in (entry.get("tags") or ())[:MANY]:
        name = words(html.escape(_text(tag, "term") or _text(tag, "label")))
        if name:
            (keywords if "itunes" in _text(tag, "scheme") else terms).append(name)
    return unique(terms), unique(keywords)


def _authors(entry: Mapping[str, Any], base: str) -> tuple[Author, ...]:
    people = [each for each in (entry.get("authors") or ())[:MANY] if isinstance(each, Mapping)]
    found = [author(_text(each, "name"), _text(each, "email"), _text(each, "href"), base) for each in people]
    return unique([each for each in found if each is not None])


def _attachments(entry: Mapping[str, Any], base: str) -> tuple[Attachment, ...]:
    found: dict[str, Attachment] = {}
    for link in entry.get("links") or ():
        href = _text(link, "href")
        url = absolute(href, base) if href and link.get("rel") == "enclosure" else None
        if url is not None and len(found) < MANY:
            length = _text(link, "length")
            size = int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 0
            found.setdefault(url, Attachment(url=url, mime_type=_text(link, "type"), length=size))
    return tuple(found.values())


def _image(entry: Mapping[str, Any], base: str) -> str:
    """``media:thumbnail``, ``itunes:image``, or a picture among ``media:content``."""
    pictures = [*(entry.get("media_thumbnail") or ()), entry.get("image")]
    pictures += [each for each in entry.get("media_content") or () if _is_picture(each)]
    for each in pictures:
        href = (_text(each, "url") or _text(each, "href")) if isinstance(each, Mapping) else ""
        if href and (url := absolute(href, base)):
            return url
    return ""


def _is_picture(media: Mapping[str, Any]) -> bool:
    return media.get("medium") == "image" or _text(media, "type").startswith("image/")


def _text(values: Mapping[str, Any], key: str) -> str:
    """A text; empty for whatever else feedparser puts there."""
    value = values.get(key)
    return value.strip() if isinstance(value, str) else ""
