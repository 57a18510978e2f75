"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/). What it has no place for is in ``_digest`` objects."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from digest.models import Author, Origin
from digest.render.feeds.atom import timestamp
from digest.render.feeds.model import Feed, Item
from digest.render.feeds.shared import NOTHING, Shared

MEDIA_TYPE = "application/feed+json"
VERSION = "https://jsonfeed.org/version/1.1"


def render_json(feed: Feed, shared: Shared = NOTHING) -> bytes:
    """The feed as a JSON Feed document. Same feed, same bytes."""
    document = _present(
        version=VERSION,
        title=feed.title,
        home_page_url=feed.home_url,
        feed_url=feed.paging.current.json or feed.addresses.json,
        description=feed.description,
        next_url=feed.paging.previous.json,
        icon=feed.icon,
        favicon=feed.favicon,
        authors=[_author(feed.author)],
        language=feed.language,
        hubs=[{"type": "WebSub", "url": hub} for hub in feed.hubs],
        _digest=_present(rights=feed.rights),
    )
    write = partial(_item, feed.external_urls)
    document["items"] = [shared.entry(MEDIA_TYPE, item, write) for item in feed.items]
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _item(external_urls: bool, item: Item) -> dict[str, Any]:
    return _present(
        id=item.id,
        url=item.url,
        external_url=item.original_url if external_urls else None,
        title=item.title,
        content_html=item.content_html,
        content_text=None if item.content_html else item.summary,
        summary=item.summary,
        image=item.image,
        date_published=timestamp(item.published),
        date_modified=timestamp(item.updated),
        authors=[_author(author) for author in item.creators],
        tags=list(dict.fromkeys([category.label for category in item.categories] + list(item.tags))),
        language=item.lang,
        attachments=[
            _present(url=media.url, mime_type=media.mime_type, size_in_bytes=media.length or None)
            for media in item.attachments
        ],
        _digest=_present(
            original_url=item.original_url,
            source=_origin(item.origin) if item.origin is not None else None,
            withdrawn=timestamp(item.withdrawn) if item.withdrawn else None,
        ),
    )


def _origin(origin: Origin) -> dict[str, Any]:
    return _present(title=origin.title, url=origin.url, feed_url=origin.feed_url)


def _author(author: Author) -> dict[str, Any]:
    return _present(name=author.name, url=author.url or (f"mailto:{author.email}" if author.email else None))


def _present(**members: Any) -> dict[str, Any]:
    """Only the members that have a value."""
    return {key: value for key, value in members.items() if value}
