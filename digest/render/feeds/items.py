"""From a post of the store to an item of a feed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct

from digest.models import Attachment, Author, KnownPost, Origin, source_of
from digest.ports import Language
from digest.render.feeds.model import Item, Term
from digest.text import clean, clean_line, isolated

_URI_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
_NOT_URI = re.compile(r"""[^!-~]|["<>\\^`{|}]|%(?![0-9A-Fa-f]{2})""")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class ItemRules(Struct, frozen=True, kw_only=True):
    """What making an item needs besides the post."""

    language: Language
    zone: tzinfo
    """The site's; dates are written in it."""
    category_scheme: str
    category_titles: Mapping[str, str]
    """Titles of categories that have one."""
    origins: Mapping[str, Origin] = {}
    """What sources are taken from, by name."""


def make_item(post: KnownPost, rules: ItemRules, content_html: str | None = None) -> Item:
    """The item that stands for ``post``; a withdrawn post keeps its id and says that it is gone."""
    title = clean_line(post.title) or clean_line(post.summary)[:80] or post.url
    title = isolated(
        title, rules.language.direction_of(rules.language.tag)
    )  # readers list the titles of many feeds in one direction
    lang = post.lang if post.lang and post.lang.lower() != rules.language.tag.lower() else None
    categories = tuple(
        Term(term=name, label=clean_line(rules.category_titles.get(name, name)), scheme=rules.category_scheme)
        for name in post.categories
        if name
    )
    published = local(post.published, rules.zone)
    if post.gone_at is not None:
        gone = local(post.gone_at, rules.zone)
        return Item(
            id=clean_line(post.id),
            url=uri(post.url),
            title=rules.language.text("[Withdrawn] {title}", title=title),
            summary=rules.language.text("This post has been withdrawn by its publisher."),
            published=published,
            updated=max(gone, published),
            categories=categories,
            lang=lang,
            withdrawn=gone,
        )
    return Item(
        id=clean_line(post.id),
        url=uri(post.url),
        title=title,
        summary=clean(post.summary).strip() or title,
        content_html=clean(content_html) if content_html else None,
        published=published,
        updated=local(max(post.updated, post.published), rules.zone),
        authors=tuple(_author(author) for author in post.authors if clean_line(author.name)),
        source_name=clean_line(post.source_name) if post.source_name else None,
        original_url=uri(post.original_url) if post.original_url else None,
        origin=rules.origins.get(source_of(post.path)) if rules.origins else None,
        categories=categories,
        tags=tuple(dict.fromkeys(tag for tag in map(clean_line, post.tags) if tag)),
        image=uri(post.image) if post.image else None,
        attachments=tuple(
            Attachment(url=uri(media.url), mime_type=media.mime_type, length=max(media.length, 0))
            for media in post.attachments
        ),
        lang=lang,
    )


def bare_item(post: KnownPost) -> Item:
    """What is left to say of a post when making its item broke: that it is there, under its own id."""
    title = clean_line(post.title) or post.path
    return Item(
        id=clean_line(post.id),
        url=uri(post.url),
        title=title,
        summary=title,
        published=post.published,
        updated=max(post.updated, post.published),
    )


def local(moment: datetime, zone: tzinfo) -> datetime:
    """In the site's zone, whole seconds. In UTC what has no time there (stores may hold dates that are refused now), or
    had one that no format can write: before zones there was the sun's, to the second."""
    try:
        there = moment.astimezone(zone).replace(microsecond=0)
    except OverflowError:
        return moment.replace(microsecond=0)
    return moment.replace(microsecond=0) if (there.utcoffset() or timedelta()).seconds % 60 else there


def uri(address: str) -> str:
    """The address with nothing in it that RFC 3986 forbids: RSS links must be URIs, not IRIs."""
    if not _NOT_URI.search(address):
        return address
    address = _STRAY_PERCENT.sub("%25", address)
    try:
        parts = urlsplit(address)
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode("ascii")
        address = urlunsplit(parts._replace(netloc=host))
    except ValueError:  # brackets that are no IPv6 address, a host name that IDNA refuses
        pass
    return quote(address, safe=_URI_CHARACTERS)


def _author(author: Author) -> Author:
    return Author(name=clean_line(author.name), email=author.email, url=uri(author.url) if author.url else None)
