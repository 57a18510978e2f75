"""The pages for people that go with the feeds: the list of all feeds, and each feed's twin in HTML.

Templates get prepared, sorted values (the classes below) and do no arithmetic. Links between the pages are
relative, so that they also work in a preview from disk; feed addresses are absolute, because people copy them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from urllib.parse import quote

from msgspec import Struct

from digest.models import Author
from digest.ports import Templates
from digest.render.feeds.model import Addresses, Feed, Item
from digest.text import without_source

INDEX = "feeds/index.html"
OPML = "feeds.opml"


class Site(Struct, frozen=True, kw_only=True):
    """What every page says about the site."""

    title: str
    url: str
    feeds_url: str
    """Where the output folder is served, with a slash at the end."""


class FormatLink(Struct, frozen=True, kw_only=True):
    """A feed in one format."""

    label: str
    """``Atom``, ``RSS`` or ``JSON Feed``: names, the same in every language."""
    type: str
    title: str
    """Distinct on a page: browsers list feeds by it."""
    href: str


class ListedFeed(Struct, frozen=True, kw_only=True):
    """A feed on the list of all feeds."""

    label: str
    """``emnews``: without the site's title."""
    description: str
    page: str
    """Its twin, relative to the list."""
    formats: tuple[FormatLink, ...]


class Shelf(Struct, frozen=True, kw_only=True):
    """Feeds of one kind: categories, tags."""

    title: str
    feeds: tuple[ListedFeed, ...]


class Entry(Struct, frozen=True, kw_only=True):
    """An item as the page shows it."""

    id: str
    url: str
    title: str
    summary: str
    published: datetime
    moment: str
    """The date for machines."""
    is_withdrawn: bool
    creators: tuple[Author, ...]
    original_url: str | None
    labels: tuple[str, ...]
    """Categories and tags, without the one that the page is about."""
    lang: str | None


class Day(Struct, frozen=True, kw_only=True):
    """The entries of one day, newest first."""

    moment: datetime
    iso: str
    entries: tuple[Entry, ...]


def format_links(title: str, addresses: Addresses) -> tuple[FormatLink, ...]:
    """A feed in each format that it has."""
    from digest.render.feeds import atom, json_feed, rss  # late: they bring libraries that many runs do not need

    named = (
        ("Atom", atom.MEDIA_TYPE, addresses.atom),
        ("RSS", rss.MEDIA_TYPE, addresses.rss),
        ("JSON Feed", json_feed.MEDIA_TYPE, addresses.json),
    )
    return tuple(
        FormatLink(label=label, type=media_type, title=f"{title} ({label})", href=address)
        for label, media_type, address in named
        if address
    )


def render_index(
    templates: Templates, site: Site, *, description: str, everything: ListedFeed, shelves: Sequence[Shelf]
) -> bytes:
    """The list of all feeds."""
    context = {
        **_base(site, INDEX, description, everything.formats),
        "everything": everything,
        "shelves": [shelf for shelf in shelves if shelf.feeds],
        "opml": site.feeds_url + OPML,
        "opml_link": relative(OPML, INDEX),
    }
    return templates.render("pages/feeds.html", context).encode()


def render_feed_page(templates: Templates, site: Site, feed: Feed, path: str, about: str) -> bytes:
    """The twin of ``feed`` that lies at ``path``. ``about`` is the category or tag that it is the feed of."""
    links = format_links(feed.title, feed.addresses)
    context = {
        **_base(site, path, feed.description, links),
        "feeds_page": relative(INDEX, path),
        "title": feed.title,
        "formats": links,
        "days": days(feed.items, about),
    }
    return templates.render("pages/feed.html", context).encode()


def days(items: Sequence[Item], about: str = "") -> tuple[Day, ...]:
    """The items by the day of their own zone, in the order they have."""

    def day_of(item: Item) -> date:
        return item.published.date()

    return tuple(
        Day(moment=entries[0].published, iso=day.isoformat(), entries=tuple(entries))
        for day, group in groupby(items, key=day_of)
        if (entries := [_entry(item, about) for item in group])
    )


def relative(path: str, page: str) -> str:
    """The link to ``path`` from ``page``, both below the output folder."""
    return quote(posixpath.relpath(path, posixpath.dirname(page) or "."))


def _entry(item: Item, about: str) -> Entry:
    labels = dict.fromkeys([*(category.label for category in item.categories), *item.tags])
    labels.pop(about, None)
    names = [creator.name for creator in item.creators]
    return Entry(
        id=item.id,
        url=item.url,
        title=item.title,
        summary="" if item.summary == item.title else without_source(item.summary, names),
        published=item.published,
        moment=item.published.isoformat(timespec="seconds"),
        is_withdrawn=item.withdrawn is not None,
        creators=item.creators,
        original_url=item.original_url,
        labels=tuple(labels),
        lang=item.lang,
    )


def _base(site: Site, path: str, description: str, discover: Sequence[FormatLink]) -> dict[str, object]:
    canonical = site.feeds_url + quote(path.removesuffix("index.html"))
    return frame(site.title, site.url, canonical, description=description, discover=discover)


def frame(
    site_title: str,
    site_url: str,
    canonical: str,
    *,
    description: str = "",
    discover: Sequence[FormatLink] = (),
    feeds_page: str = "",
    editions_page: str = "",
) -> dict[str, object]:
    """What ``pages/base.html`` asks for: each page says whose it is, where it is, and which feeds go with it."""
    return {
        "site_title": site_title,
        "site_url": site_url,
        "canonical": canonical,
        "description": description,
        "discover": discover,
        "feeds_page": feeds_page,
        "editions_page": editions_page,
    }
