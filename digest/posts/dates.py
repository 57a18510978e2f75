"""Dates as people write them in front matter.

What a date without a zone means depends on the generator: Jekyll's YAML reader takes a bare ``2021-12-31 00:30:00``
for UTC, but hands quoted or shorter forms to a parser that takes the site's zone; Hugo and Hexo always take the
site's zone. Names of zones are refused, since ``CST`` is Chicago to Ruby and Shanghai to its writer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from datetime import tzinfo as tzinfo_type
from functools import lru_cache
from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"(\d{4})([-/.])(\d{1,2})[-/.](\d{1,2})"
    r"(?:([Tt]|[ \t]+)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?[ \t]*(am|pm|AM|PM)?[ \t]*(.*))?\Z",
    re.DOTALL,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\d (?:[01]\d|2[0-3]):\d\d:\d\d [-+][01]\d[0-5]\d\Z", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})\Z")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)\Z")
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\Z")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)? ([A-Za-z]{3,9})\.?,? (\d{4})\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_OFFSET = re.compile(r"(?:UTC|GMT)?([-+])(\d{1,2}):?(\d\d)?\Z")
_NAMED = re.compile(r"\(?[A-Za-z]{1,5}\)?\Z")
_ZULU = frozenset({"Z", "z", "UTC", "GMT", "UT"})


YEARS = range(2, 9999)
"""Years that a post may be dated in. In the first and the last of all, a moment has no time in some zones, and a day
none before or after it; they are written by programs that know no date, such as Hugo's 0001-01-01."""


class BadDate(ValueError):
    """A text that is no date; says why, and what would be right."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def parse_date(text: str, *, plain: bool, kind: str, zone: ZoneInfo) -> datetime:
    """The moment, in UTC and whole seconds. ``plain``: written without quotes. Raises BadDate."""
    text = text.strip()
    try:
        moment = _moment(text, bare_is_utc=plain and kind == "jekyll", zone=zone)
    except BadDate:
        raise
    except OverflowError as error:  # valid by itself, and out of range in another zone
        raise _far(text) from error
    except ValueError as error:
        raise _bad(text) from error
    if moment.year not in YEARS:
        raise _far(text)
    return moment


def _moment(text: str, *, bare_is_utc: bool, zone: ZoneInfo) -> datetime:
    if _USUAL.match(text):  # as most posts are dated, and read in half the time
        return datetime.fromisoformat(text[:19] + text[20:]).astimezone(UTC)
    found = _ISO.match(text)
    return _other(text, zone) if found is None else _iso(found, text, bare_is_utc=bare_is_utc, zone=zone)


def midnight(year: int, month: int, day: int, zone: ZoneInfo) -> datetime:
    """The first moment of a day in the zone, in UTC. Raises ValueError."""
    if year not in YEARS:
        raise _far(f"{year:04}-{month:02}-{day:02}")
    return datetime(year, month, day, tzinfo=zone).astimezone(UTC)


def _iso(found: re.Match[str], text: str, *, bare_is_utc: bool, zone: ZoneInfo) -> datetime:
    year, separator, month, day, gap, hour, minute, second, half, tail = found.groups()
    if gap is None:
        return midnight(int(year), int(month), int(day), zone)
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            raise _bad(text)
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    tzinfo: tzinfo_type | None = _zone(tail, text)
    if tzinfo is None:
        tzinfo = UTC if bare_is_utc and second and separator == "-" and not half else zone
    next_day = hours == 24 and int(minute) == 0 and int(second or 0) == 0
    hours = 0 if next_day else hours
    moment = datetime(int(year), int(month), int(day), hours, int(minute), int(second or 0), tzinfo=tzinfo)
    return (moment + timedelta(days=1) if next_day else moment).astimezone(UTC)


def _zone(tail: str, text: str) -> timezone | None:
    """The offset that a date ends with; None if it ends without."""
    tail = tail.strip()
    if not tail:
        return None
    offset = _offset(tail)
    if offset is not None:
        return offset
    if _NAMED.match(tail):
        raise BadDate(
            f"the zone name '{tail}' means different zones to different people",
            f"write the offset, for example {text[: len(text) - len(tail)].strip()} +0800",
        )
    raise _bad(text)


@lru_cache(maxsize=64)
def _offset(tail: str) -> timezone | None:
    """``Z``, ``+0800`` and the like; None for anything else. Raises ValueError for more than a day."""
    if tail in _ZULU:
        return UTC
    found = _OFFSET.match(tail)
    if found is None:
        return None
    delta = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-delta if found[1] == "-" else delta)


def _other(text: str, zone: ZoneInfo) -> datetime:
    """``11-9-2017`` is 11 September, as Ruby reads it; ``20171109``; English months; mail headers."""
    if (found := _DAY_FIRST.match(text)) is not None:
        return midnight(int(found[3]), int(found[2]), int(found[1]), zone)
    if (found := _COMPACT.match(text)) is not None:
        return midnight(int(found[1]), int(found[2]), int(found[3]), zone)
    words = " ".join(text.split())
    if (found := _MONTH_FIRST.match(words)) is not None:
        return midnight(int(found[3]), _month(found[1], text), int(found[2]), zone)
    if (found := _DAY_MONTH.match(words)) is not None:
        return midnight(int(found[3]), _month(found[2], text), int(found[1]), zone)
    if not text[:1].isalnum() or ":" not in text:
        raise _bad(text)
    from email.utils import parsedate_tz  # late: hardly any post is dated like mail

    parts = parsedate_tz(text)
    if parts is None:
        raise _bad(text)
    end = text.split()[-1]
    tzinfo: tzinfo_type = zone if end[-1].isdigit() and ":" in end else _zone(end, text) or zone
    return datetime(*parts[:6], tzinfo=tzinfo).astimezone(UTC)


def _month(name: str, text: str) -> int:
    if name[:3].lower() not in _MONTHS:
        raise _bad(text)
    return _MONTHS.index(name[:3].lower()) + 1


def _far(text: str) -> BadDate:
    return BadDate(
        f"'{text[:60]}' lies outside of the years {YEARS[0]} to {YEARS[-1]}",
        "write when it was published, for example 2026-03-24 08:30:00 +0800",
    )


def _bad(text: str) -> BadDate:
    return BadDate(f"'{text[:60]}' is not a date", "write for example 2026-03-24 08:30:00 +0800")
