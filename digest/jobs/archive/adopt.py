"""Take over the ids of an earlier publisher's feed, so that nobody sees an entry twice after the switch.

Reads an Atom, RSS 2.0, RSS 1.0 or JSON feed and remembers its ids by entry link; a post with that address then gets
the adopted id instead of a new one. Reading is pure and safe: no entities, no network, bounded depth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.entities import html5
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit, urlunsplit

from lxml import etree
from msgspec import Struct, field

from digest.errors import SourceError
from digest.jobs.addresses import Unmatched
from digest.render.feeds.catalogue import ALL, files_of
from digest.render.feeds.items import uri
from digest.text import clean_line

_ATOM = "{http://www.w3.org/2005/Atom}"
_RSS1 = "{http://purl.org/rss/1.0/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_ORIGINAL = "{http://rssnamespace.org/feedburner/ext/1.0}origLink"
"""FeedBurner's, whose own links lead to itself."""
_DC = "{http://purl.org/dc/elements/1.1/}"
_NAMED = 3
_REMEDY = "save the feed itself, not its page"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"


class EarlierFeed(Struct, frozen=True, kw_only=True):
    """What is worth keeping of an earlier feed."""

    id: str | None = None
    """The feed's own id; only Atom has one."""
    ids: dict[str, str] = field(default_factory=dict)
    """Entry id by entry link."""
    oldest: datetime | None = None
    """Date of its oldest entry, UTC."""
    unusable: int = 0
    """Entries without link or id."""


class AdoptReport(Struct, frozen=True, kw_only=True):
    """What was taken over."""

    adopted: int
    unusable: int
    feed_id: str | None
    links: tuple[str, ...] = ()
    """Of the entries whose ids were adopted."""
    since: datetime | None
    """Posts older than this do not enter feeds: readers of the earlier feed would see them as new."""


class AdoptingStore(Protocol):
    """What adopting needs of the store."""

    def adopt_ids(self, ids: dict[str, str]) -> None: ...

    def live_since(self) -> datetime | None: ...

    def set_live_since(self, moment: datetime) -> None: ...


def adopt(
    store: AdoptingStore,
    data: bytes,
    subject: str,
    *,
    kind: str = ALL,
    stem: str = "",
    moved: tuple[str, str] | None = None,
) -> AdoptReport:
    """Remember the ids of the feed ``data`` (read from ``subject``) for posts that are still to come.

    ``kind`` and ``stem`` say which of our feeds takes its place. ``moved`` is the address that its links begin with
    and the one that posts have now, if the site moved. Raises SourceError if it is not a feed.
    """
    earlier = read_feed(data, subject)
    links = {_rebase(link, moved): entry_id for link, entry_id in earlier.ids.items()}
    ids = dict(links)
    if earlier.id:
        ids[files_of(kind, stem).atom or ""] = earlier.id
    store.adopt_ids(ids)
    known = store.live_since()
    if earlier.oldest is not None and (known is None or earlier.oldest < known):
        store.set_live_since(earlier.oldest)
    return AdoptReport(
        adopted=len(links), links=tuple(links), unusable=earlier.unusable, feed_id=earlier.id, since=store.live_since()
    )


def read_feed(data: bytes, subject: str) -> EarlierFeed:
    """Ids, links and dates of a feed in any format. Raises SourceError if it is none."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _collect(None, _json_entries(data, subject))
    data = _HTML_ENTITY.sub(_character, data.lstrip(b"\xef\xbb\xbf \t\r\n"))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise SourceError(subject, f"is no well-formed feed: {error.msg}", _REMEDY) from error
    if root.tag == f"{_ATOM}feed":
        return _collect(_text(root, f"{_ATOM}id"), _atom_entries(root))
    if root.tag == "rss":
        return _collect(None, _rss_entries(root.iterfind("channel/item"), ""))
    if root.tag == f"{_RDF}RDF":
        return _collect(None, _rss_entries(root.iterfind(f"{_RSS1}item"), _RSS1))
    raise SourceError(subject, f"is no feed: its root is {root.tag!r}", _REMEDY)


_HTML_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,31});")
_OF_XML = frozenset({b"amp", b"lt", b"gt", b"quot", b"apos"})


def _character(found: re.Match[bytes]) -> bytes:
    """A named character of HTML, which feeds hold and XML does not know; readers take them for what they are."""
    name = found[1]
    text = None if name in _OF_XML else html5.get(f"{name.decode()};")
    return found[0] if text is None else "".join(f"&#{ord(sign)};" for sign in text).encode()


_Entry = tuple[str | None, str | None, datetime | None]
"""Id, link, date."""


def _collect(feed_id: str | None, entries: Iterator[_Entry]) -> EarlierFeed:
    ids: dict[str, str] = {}
    dates: list[datetime] = []
    unusable = 0
    for entry_id, link, moment in entries:
        if moment is not None:
            dates.append(moment)
        if entry_id and link:
            ids.setdefault(_untracked(uri(link)), clean_line(entry_id))
        else:
            unusable += 1
    return EarlierFeed(id=feed_id, ids=ids, oldest=min(dates, default=None), unusable=unusable)


def _atom_entries(root: Any) -> Iterator[_Entry]:
    for entry in root.iterfind(f"{_ATOM}entry"):
        links = [
            _joined(_base(link), link.get("href", ""))
            for link in entry.iterfind(f"{_ATOM}link")
            if link.get("rel", "alternate") == "alternate"
        ]
        when = _text(entry, f"{_ATOM}published") or _text(entry, f"{_ATOM}updated")
        link = _text(entry, _ORIGINAL) or (links[0] if links else None)
        yield _text(entry, f"{_ATOM}id"), link, _iso(when)


def _rss_entries(items: Iterator[Any], namespace: str) -> Iterator[_Entry]:
    for item in items:
        link, guid = _text(item, f"{namespace}link"), _text(item, "guid") or item.get(f"{_RDF}about")
        element = item.find("guid")
        permanent = element is not None and element.get("isPermaLink", "true").strip().lower() == "true"
        link = _text(item, _ORIGINAL) or link
        if link is None and permanent:
            link = guid
        when = _rfc822(_text(item, "pubDate")) or _iso(_text(item, f"{_DC}date"))
        yield guid or link, None if link is None else _joined(_base(item), link), when


def _json_entries(data: bytes, subject: str) -> Iterator[_Entry]:
    try:
        document = json.loads(data)
        items = document["items"]
        version = str(document.get("version", ""))
    except (ValueError, KeyError, RecursionError) as error:
        raise SourceError(subject, "is no JSON Feed", _REMEDY) from error
    if "jsonfeed.org" not in version or not isinstance(items, list):
        raise SourceError(subject, "is no JSON Feed", _REMEDY)
    for item in items:
        if not isinstance(item, dict):
            yield None, None, None
            continue
        entry_id, link = item.get("id"), item.get("url")
        if isinstance(entry_id, int | float):  # the format lets ids be numbers and readers take them for text
            entry_id = json.dumps(entry_id)
        when = item.get("date_published")
        yield (
            entry_id if isinstance(entry_id, str) else None,
            link if isinstance(link, str) else None,
            _iso(when) if isinstance(when, str) else None,
        )


def _untracked(link: str) -> str:
    """Without what was added to count readers, and without a fragment: no post's address has either."""
    try:
        parts = urlsplit(link)
    except ValueError:  # brackets that are no IPv6 address
        return link
    query = "&".join(each for each in parts.query.split("&") if not each.lower().startswith("utm_"))
    return urlunsplit(parts._replace(query=query, fragment=""))


def _base(element: Any) -> str:
    """The base that ``xml:base`` gives an element (RFC 3986, section 5.1)."""
    bases = [one.get(_XML_BASE) for one in (element, *element.iterancestors()) if one.get(_XML_BASE)]
    address = ""
    for base in reversed(bases):
        address = _joined(address, base)
    return address


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:  # brackets that are no IPv6 address
        return address


def _text(element: Any, name: str) -> str | None:
    text = element.findtext(name)
    return text.strip() or None if text else None


def _iso(text: str | None) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(text)) if text else None
    except (ValueError, OverflowError):  # no date, or one that no zone west or east of it has
        return None


def _rfc822(text: str | None) -> datetime | None:
    try:
        return _utc(parsedate_to_datetime(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def in_words(left: Sequence[Unmatched], number: int) -> str:
    """One line of what ``unmatched`` found, of so many adopted ids; empty if all fit."""
    if not left:
        return ""
    named = "; ".join(str(each) for each in left[:_NAMED])
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"{len(left)} of {number} adopted ids fit no post, which will look new to readers: {named}{more}"


def _rebase(link: str, moved: tuple[str, str] | None) -> str:
    if moved is None:
        return link
    old, new = (address.rstrip("/") for address in moved)
    return new + link[len(old) :] if link == old or link.startswith(old + "/") else link
