"""RSS 2.0 by the profile of the RSS Advisory Board, with atom:link, content, dc, media, sy and fh elements."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import format_datetime

from digest.render.feeds import atom, feedgen_writer
from digest.render.feeds.elements import attribute, element, escaped
from digest.render.feeds.feedgen_writer import hexadecimal
from digest.render.feeds.model import Addresses, Feed, Item
from digest.render.feeds.shared import NOTHING, Shared

MEDIA_TYPE = "application/rss+xml"


def render_rss(feed: Feed, shared: Shared = NOTHING) -> bytes:
    """The feed as an RSS document. Same feed, same bytes."""
    items = [shared.entry(MEDIA_TYPE, item, _item) for item in feed.items]
    return feedgen_writer.rss_document(feed, tuple(_prefixes(feed)), _channel_elements(feed), items)


def _prefixes(feed: Feed) -> Iterator[str]:
    yield "dc"
    if feed.ttl:
        yield "sy"
    if feed.paging.closed:
        yield "fh"
    if any(item.image for item in feed.items):
        yield "media"


def _channel_elements(feed: Feed) -> Iterator[str]:
    for rel, address, media_type in (
        ("self", feed.addresses.rss, MEDIA_TYPE),
        *(("hub", hub, None) for hub in feed.hubs),
        ("current", feed.paging.current.rss, MEDIA_TYPE),
        ("prev-archive", *_archive(feed.paging.previous)),
        ("next-archive", *_archive(feed.paging.next)),
    ):
        if address:
            yield _link(rel, address, media_type)
    if feed.ttl:
        yield element("sy:updatePeriod", "hourly")
        yield element("sy:updateFrequency", str(max(1, round(60 / feed.ttl))))
    if feed.paging.closed:
        yield element("fh:archive")


def _archive(addresses: Addresses) -> tuple[str | None, str]:
    """Archives exist once: RSS feeds refer to the Atom documents if there are any."""
    return (addresses.rss, MEDIA_TYPE) if addresses.rss else (addresses.atom, atom.MEDIA_TYPE)


def _item(item: Item) -> str:
    """In feedgen's order."""
    content = element("content:encoded", item.content_html) if item.content_html else ""
    return (
        f"<item>{hexadecimal('title', item.title)}<link>{escaped(item.url)}</link>"
        f"<description>{escaped(atom.as_html(item.summary))}</description>{content}"
        f"{''.join(_item_elements(item))}</item>\n"
    )


def _item_elements(item: Item) -> Iterator[str]:
    for creator in item.creators:  # not author, which would need an address, and says the same again
        yield element("dc:creator", creator.name)
    yield f'<guid isPermaLink="false">{escaped(item.id)}</guid>'
    if item.lang:
        yield element("dc:language", item.lang)
    for category in item.categories:
        yield hexadecimal("category", category.label, domain=category.scheme)
    for tag in item.other_tags:
        yield hexadecimal("category", tag)
    for media in item.attachments[:1]:  # RSS allows one enclosure
        yield element("enclosure", None, {"url": media.url, "length": str(media.length), "type": media.mime_type})
    yield f"<pubDate>{format_datetime(item.published)}</pubDate>"
    if item.original_url:
        yield _link("via", item.original_url, "text/html")
    if item.origin is not None:
        address = item.origin.feed_url or item.origin.url
        yield element("source", item.origin.title or address, {"url": address})
    if item.updated != item.published:
        yield element("atom:updated", atom.timestamp(item.updated))
    if item.image:
        yield element("media:content", None, {"url": item.image, "medium": "image"})
        yield element("media:thumbnail", None, {"url": item.image})


def _link(rel: str, address: str, media_type: str | None = None) -> str:
    media = f' type="{media_type}"' if media_type else ""
    return f'<atom:link rel="{rel}" href="{attribute(address)}"{media}/>'
