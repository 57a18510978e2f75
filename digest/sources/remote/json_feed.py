"""JSON Feed, versions 1.0 and 1.1 (jsonfeed.org). Keys of another type than the standard's are as if they were
missing."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from digest.models import Attachment, Item
from digest.posts.links import absolute
from digest.sources.remote.documents import MANY, Document, Unreadable, author, moment, unique, words

_VERSION = "https://jsonfeed.org/version/1"
Json = dict[str, Any]


def read_json(text: str, url: str) -> Document:
    """Raises Unreadable."""
    try:
        feed = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Unreadable("is no valid JSON") from error
    if not isinstance(feed, dict) or not _text(feed, "version").replace("http:", "https:").startswith(_VERSION):
        raise Unreadable("is JSON, and no JSON Feed", "correct the address")
    return Document(
        title=words(html.escape(_text(feed, "title"))),
        url=absolute(_text(feed, "home_page_url"), url) or "",
        id=_text(feed, "feed_url"),
        entries=tuple(_item(entry, feed, url) for entry in _objects(feed, "items")),
    )


def _item(entry: Json, feed: Json, base: str) -> Item:
    link = _text(entry, "url") or _text(entry, "external_url")
    where = (absolute(link, base) or "") if link else ""
    published, updated = _date(entry, "date_published"), _date(entry, "date_modified")
    return Item(
        id=_text(entry, "id"),
        url=where,
        title=html.escape(_text(entry, "title"), quote=False),
        published=published or updated,
        updated=updated,
        summary=html.escape(_text(entry, "summary"), quote=False),
        content=_text(entry, "content_html") or paragraphs(_text(entry, "content_text")),
        categories=unique([words(html.escape(tag)) for tag in entry.get("tags") or () if isinstance(tag, str)])
        if isinstance(entry.get("tags"), list)
        else (),
        authors=unique([found for each in _people(entry, feed) if (found := _author(each, base))]),
        image=absolute(_text(entry, "image") or _text(entry, "banner_image"), where or base) or ""
        if _text(entry, "image") or _text(entry, "banner_image")
        else "",
        lang=_text(entry, "language") or _text(feed, "language"),
        attachments=unique([found for each in _objects(entry, "attachments") if (found := _attachment(each, base))]),
    )


def paragraphs(text: str) -> str:
    """Plain text as HTML."""
    blocks = [html.escape(block.strip(), quote=False) for block in text.split("\n\n") if block.strip()]
    return "".join(f"<p>{block}</p>".replace("\n", "<br>") for block in blocks)


def _people(entry: Json, feed: Json) -> Iterator[Json]:
    """Version 1.1 has a list, 1.0 one person; those of the feed stand for an entry without."""
    for each in (entry, feed):
        found = [*_objects(each, "authors"), *([each["author"]] if isinstance(each.get("author"), dict) else [])]
        if found:
            yield from found
            return


def _author(person: Json, base: str) -> Any:
    return author(html.escape(_text(person, "name")), url=_text(person, "url"), base=base)


def _attachment(found: Json, base: str) -> Attachment | None:
    url = absolute(_text(found, "url"), base) if _text(found, "url") else None
    if url is None:
        return None
    size = found.get("size_in_bytes")
    return Attachment(
        url=url,
        mime_type=_text(found, "mime_type"),
        length=size if isinstance(size, int) and 0 <= size < 2**53 else 0,
    )


def _text(values: Json, key: str) -> str:
    """A string, or a number as one: ids are numbers now and then."""
    value = values.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _objects(values: Json, key: str) -> list[Json]:
    found = values.get(key)
    limit = None if key == "items" else MANY
    return [each for each in found[:limit] if isinstance(each, dict)] if isinstance(found, list) else []


def _date(entry: Json, key: str) -> datetime | None:
    """RFC 3339."""
    try:
        return moment(datetime.fromisoformat(_text(entry, key)))
    except ValueError:
        return None
