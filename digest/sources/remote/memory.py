"""What is kept of a feed from one look to the next, and when it is asked again. Pure: the clock and chance come in as
values.

The server says how long its answer keeps (RFC 9111) or when to come back (RFC 9110, 10.2.3); both count, within the
operator's limits. Who fails is asked less and less often.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from digest.hashing import hash_of
from digest.sources.remote.limits import Limits

VERSION = 1
_EARLY = timedelta(seconds=30)
"""Runs by the clock come a little early now and then; waiting for the next one would double the time."""
_LONGEST_TOKEN = 1_000
"""Characters of an ETag or a date that are sent back."""
_MOST_FAILURES = 30
_DIRECTIVE = re.compile(r"(?:^|,)\s*([A-Za-z-]+)(?:\s*=\s*\"?([^\",]*)\"?)?")
_DIGITS = re.compile(r"[0-9]{1,40}\Z", re.ASCII)


class Memory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one feed."""

    version: int = 0
    feed: str = ""
    """Hash of the configured address that the rest belongs to: a password in it has no business here."""
    moved_to: str = ""
    """Where permanent redirects led to; empty if nowhere."""
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""
    """Of the last body that was read to its end."""
    next_at: datetime | None = None
    failures: int = 0
    """In a row."""
    gone: bool = False
    """The server said that there will be no more (410): it is asked once a day whether that is still so."""

    def to_text(self) -> str:
        return msgspec.json.encode(msgspec.structs.replace(self, version=VERSION)).decode()

    def is_due(self, now: datetime) -> bool:
        return self.next_at is None or now >= self.next_at - _EARLY

    def conditions(self) -> dict[str, str]:
        """Headers of a conditional request (RFC 9110, 13.1)."""
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return {name: value for name, value in pairs if value}


def recall(text: str, url: str, now: datetime, limits: Limits) -> Memory:
    """What is remembered of the feed at ``url``: nothing if it cannot be read, is another version's or another
    address's. A next time beyond all limits, which a clock that was wrong may have left, does not count."""
    fresh = Memory(feed=hash_of(url.encode("utf-8", "replace")))
    try:
        memory = msgspec.json.decode(text, type=Memory)
    except (msgspec.DecodeError, ValueError):
        return fresh
    if memory.version != VERSION or memory.feed != fresh.feed:
        return fresh
    latest = now + 2 * limits.longest
    if memory.next_at is not None and (memory.next_at.tzinfo is None or memory.next_at > latest):
        return msgspec.structs.replace(memory, next_at=None)
    return memory


def after_answer(
    memory: Memory, *, lasting: str, headers: Mapping[str, str], body_hash: str, now: datetime, limits: Limits
) -> Memory:
    """After an answer of 200 or 304. A 304 need not repeat what it leaves as it was."""
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    is_new = body_hash != ""
    return Memory(
        feed=memory.feed,
        moved_to=lasting,
        etag=_token(etag if is_new else etag or memory.etag),
        last_modified=_token(modified if is_new else modified or memory.last_modified),
        body_hash=body_hash or memory.body_hash,
        next_at=now + _kept(headers, memory.feed, now, limits),
    )


def after_failure(
    memory: Memory, *, headers: Mapping[str, str], now: datetime, limits: Limits, gone: bool = False
) -> Memory:
    """After any other answer, or none. An address that a redirect named is forgotten: the configured one is asked
    next."""
    failures = min(memory.failures + 1, _MOST_FAILURES)
    wait = min(limits.interval * 2 ** (failures - 1), limits.longest)
    wait = limits.longest if gone else max(wait, _retry_after(headers, now))
    wait = min(wait + wait * _share(memory.feed, failures), limits.longest)
    return msgspec.structs.replace(memory, moved_to="", failures=failures, gone=gone, next_at=now + wait)


def _kept(headers: Mapping[str, str], feed: str, now: datetime, limits: Limits) -> timedelta:
    """How long the answer keeps, and a little longer, so that not everybody comes at once."""
    fresh = _freshness(headers, now)
    if fresh <= limits.interval:
        return limits.interval
    return min(fresh + fresh * _share(feed, 0), limits.longest)


def _freshness(headers: Mapping[str, str], now: datetime) -> timedelta:
    """RFC 9111, 4.2: ``max-age`` before ``Expires``, less the age of the answer."""
    directives = {name.lower(): value for name, value in _DIRECTIVE.findall(headers.get("cache-control", ""))}
    if "no-cache" in directives or "no-store" in directives:
        return timedelta(0)
    if _DIGITS.match(directives.get("max-age", "")):
        return _seconds(directives["max-age"]) - _seconds(headers.get("age", ""))
    expires = _date(headers.get("expires", ""))
    if expires is None:
        return timedelta(0)
    return expires - (_date(headers.get("date", "")) or now)


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta:
    """Seconds or a date; nothing for what is neither, or is past."""
    given = headers.get("retry-after", "").strip()
    if _DIGITS.match(given):
        return _seconds(given)
    date = _date(given)
    return timedelta(0) if date is None else max(date - now, timedelta(0))


def _seconds(digits: str) -> timedelta:
    """At most a year: nobody waits longer, and larger numbers fit into no timedelta."""
    return timedelta(seconds=min(int(digits), 366 * 86_400) if _DIGITS.match(digits.strip()) else 0)


def _date(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7)."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _share(feed: str, number: int) -> float:
    """Up to a tenth, always the same for the same feed and number."""
    return int(hash_of(f"{feed}\n{number}".encode())[:8], 16) / 0xFFFF_FFFF / 10


def _token(text: str) -> str:
    """What may stand in a header, as it came; empty for what may not."""
    return text if len(text) <= _LONGEST_TOKEN and text.isascii() and text.isprintable() else ""
