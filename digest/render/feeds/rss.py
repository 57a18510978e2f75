"""RSS 2.0 by the profile of the RSS Advisory Board, with atom:link, content, dc, media, sy and fh elements."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import format_datetime

from digest.models import Author
from digest.render.feeds import atom, feedgen_writer
from digest.render.feeds.feedgen_writer import ATOM, Element, Entry, Head, name
from digest.render.feeds.model import Addresses, Feed, Item

MEDIA_TYPE = "application/rss+xml"


def render_rss(feed: Feed) -> bytes:
    """The feed as an RSS document. Same feed, same bytes."""
    head = Head(
        id=feed.id,
        title=feed.title,
        description=feed.description,
        home_url=feed.home_url,
        language=feed.language,
        updated=feed.updated,
        rights=feed.rights,
        image=feed.logo or feed.icon,
        ttl=feed.ttl,
        managing_editor=_mailbox(feed.author),
        prefixes=tuple(_prefixes(feed)),
    )
    entries = [_entry(item) for item in feed.items]
    return feedgen_writer.rss_document(head, list(_channel_elements(feed)), entries)


def _prefixes(feed: Feed) -> Iterator[str]:
    yield "dc"
    if feed.ttl:
        yield "sy"
    if feed.paging.closed:
        yield "fh"
    if any(item.image for item in feed.items):
        yield "media"


def _channel_elements(feed: Feed) -> Iterator[Element]:
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
        yield Element(name("sy", "updatePeriod"), "hourly")
        yield Element(name("sy", "updateFrequency"), str(max(1, round(60 / feed.ttl))))
    if feed.paging.closed:
        yield Element(name("fh", "archive"))


def _archive(addresses: Addresses) -> tuple[str | None, str]:
    """Archives exist once: RSS feeds refer to the Atom documents if there are any."""
    return (addresses.rss, MEDIA_TYPE) if addresses.rss else (addresses.atom, atom.MEDIA_TYPE)


def _entry(item: Item) -> Entry:
    return Entry(
        id=item.id,
        url=item.url,
        title=item.title,
        updated=item.updated,
        published=item.published,
        summary=atom.as_html(item.summary),
        content=item.content_html,
        additions=list(_item_elements(item)),
    )


def _item_elements(item: Item) -> Iterator[Element]:
    for creator in item.creators:  # not author, which would need an address, and says the same again
        yield Element(name("dc", "creator"), creator.name)
    yield Element("guid", item.id, {"isPermaLink": "false"})
    for category in item.categories:
        yield Element("category", category.label, {"domain": category.scheme})
    for tag in item.tags:
        yield Element("category", tag)
    for media in item.attachments[:1]:  # RSS allows one enclosure
        attributes = {"url": media.url, "length": str(media.length), "type": media.mime_type}
        yield Element("enclosure", None, attributes)
    yield Element("pubDate", format_datetime(item.published))
    if item.original_url:
        yield _link("via", item.original_url, "text/html")
    if item.updated != item.published:
        yield Element(f"{{{ATOM}}}updated", atom.timestamp(item.updated))
    if item.image:
        yield Element(name("media", "content"), None, {"url": item.image, "medium": "image"})


def _mailbox(author: Author) -> str | None:
    """``mail (name)``; RSS wants an address wherever it names a person."""
    return f"{author.email} ({author.name})" if author.email else None


def _link(rel: str, address: str, media_type: str | None = None) -> Element:
    return Element(
        f"{{{ATOM}}}link", None, {"rel": rel, "href": address} | ({"type": media_type} if media_type else {})
    )
