"""Atom 1.0 (RFC 4287) with archives (RFC 5005), tombstones (RFC 6721) and WebSub links."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from html import escape

from digest.models import Author, Origin
from digest.render.feeds import feedgen_writer
from digest.render.feeds.elements import attribute, element, escaped, parent
from digest.render.feeds.model import Feed, Item
from digest.render.feeds.shared import NOTHING, Shared

MEDIA_TYPE = "application/atom+xml"


def render_atom(feed: Feed, shared: Shared = NOTHING) -> bytes:
    """The feed as an Atom document. Same feed, same bytes."""
    entries = [shared.entry(MEDIA_TYPE, item, _entry) for item in feed.items]
    return feedgen_writer.atom_document(feed, tuple(_prefixes(feed)), _feed_elements(feed), entries)


def timestamp(moment: datetime) -> str:
    """RFC 3339, such as ``2021-12-30T17:17:49+08:00``."""
    return moment.isoformat(timespec="seconds")


def _prefixes(feed: Feed) -> Iterator[str]:
    if feed.paging.closed:
        yield "fh"
    if any(item.withdrawn for item in feed.items):
        yield "at"
    if any(item.image for item in feed.items):
        yield "media"


def _feed_elements(feed: Feed) -> Iterator[str]:
    yield _person(feed.author)
    if feed.addresses.atom:
        yield _link("self", feed.addresses.atom, MEDIA_TYPE)
    for hub in feed.hubs:
        yield _link("hub", hub)
    for rel, address in (
        ("current", feed.paging.current.atom),
        ("prev-archive", feed.paging.previous.atom),
        ("next-archive", feed.paging.next.atom),
    ):
        if address:
            yield _link(rel, address, MEDIA_TYPE)
    if feed.paging.closed:
        yield element("fh:archive")
    for item in feed.items:
        if item.withdrawn:
            yield element("at:deleted-entry", None, {"ref": item.id, "when": timestamp(item.withdrawn)})


def _entry(item: Item) -> str:
    """In feedgen's order."""
    title_type, title = _unmistakable(item.title)
    summary_type, summary = _unmistakable(item.summary)
    lang = f' xml:lang="{attribute(item.lang)}"' if item.lang else ""
    content = element("content", item.content_html, _CONTENT | {"xml:base": item.url}) if item.content_html else ""
    return (
        f"<entry{lang}><id>{escaped(item.id)}</id>"
        f'<title type="{title_type}">{escaped(title)}</title>'
        f"<updated>{timestamp(item.updated)}</updated>{content}"
        f'<link href="{attribute(item.url)}" rel="alternate" type="text/html"/>'
        f"{element('summary', summary or None, {'type': summary_type})}"
        f"<published>{timestamp(item.published)}</published>"
        f"{''.join(_entry_elements(item))}</entry>\n"
    )


_CONTENT = {"type": "html"}


def _unmistakable(text: str) -> tuple[str, str]:
    """Type and content of a text construct. Readers that do not mind the type take ``<`` and ``&`` in plain text for
    markup and swallow it; declared as HTML and escaped, it is the same text to all of them."""
    return ("html", as_html(text)) if "<" in text or "&" in text else ("text", text)


def as_html(text: str) -> str:
    """Plain text as HTML that shows the same."""
    return escape(text, quote=False).replace("\n", "<br>")


def _entry_elements(item: Item) -> Iterator[str]:
    if item.original_url:
        yield _link("via", item.original_url, "text/html")
    for media in item.attachments:
        attributes = {"rel": "enclosure", "href": media.url, "type": media.mime_type, "length": str(media.length)}
        yield element("link", None, attributes)
    for author in item.creators:
        yield _person(author)
    if item.origin is not None:
        yield _source(item.origin, item.updated)
    for category in item.categories:
        yield element("category", None, {"term": category.term, "scheme": category.scheme, "label": category.label})
    for tag in item.other_tags:
        yield element("category", None, {"term": tag})
    if item.image:
        yield element("media:content", None, {"url": item.image, "medium": "image"})
        yield element("media:thumbnail", None, {"url": item.image})


def _source(origin: Origin, updated: datetime) -> str:
    """RFC 4287, 4.2.11. The publication has changed at least as lately as its entry."""
    links = [_link(rel, link) for rel, link in (("self", origin.feed_url), ("alternate", origin.url)) if link]
    address = origin.feed_url or origin.url
    name = origin.title or address
    parts = (element("id", origin.feed_id or address), element("title", name), *links)
    return parent("source", *parts, element("updated", timestamp(updated)))


@lru_cache(maxsize=1024)
def _person(author: Author) -> str:
    """The same few come again and again."""
    details = (("name", author.name), ("email", author.email), ("uri", author.url))
    return parent("author", *(element(detail, text) for detail, text in details if text))


def _link(rel: str, address: str, media_type: str | None = None) -> str:
    media = f' type="{media_type}"' if media_type else ""
    return f'<link rel="{rel}" href="{attribute(address)}"{media}/>'
