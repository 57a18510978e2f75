"""Dates as people write them in front matter.

What a date without a zone means depends on the generator: Jekyll's YAML reader takes a bare ``2021-12-31 00:30:00``
for UTC, but hands quoted or shorter forms to a parser that takes the site's zone; Hugo and Hexo always take the
site's zone. A name of a zone is read as the generator reads it: ``CST`` is Chicago to Ruby, whatever its writer meant,
and a name that it does not know is the site's zone. What is hardly meant so is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from datetime import tzinfo as tzinfo_type
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"(\d{4})([-/.])(\d{1,2})[-/.](\d{1,2})"
    r"(?:([Tt]|[ \t]+)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,]\d*)?|::\d*)?[ \t]*(am|pm|AM|PM)?[ \t]*(.*))?\Z",
    re.DOTALL,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\d (?:[01]\d|2[0-3]):\d\d:\d\d [-+][01]\d[0-5]\d\Z", re.ASCII)
_OF_YAML = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?)\Z")
"""What Hexo's YAML reader knows for a moment, of which Hexo takes the clock of Greenwich for the site's."""
_DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})\Z")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)\Z")
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\Z")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)? ([A-Za-z]{3,9})\.?,? (\d{4})\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BY_CLOCK = re.compile(
    r"(?:[A-Za-z]{3,9},? )?([A-Za-z]{3,9}) (\d{1,2}),? (?:(\d{4}),? )?(\d{1,2}):(\d\d)(?::(\d\d))?"
    r"(?: ([A-Za-z+-][\w:+-]*))?(?: (\d{4}))?(?: (.+))?\Z"
)
"""What ``date``, ``git log`` and browsers print: Fri Sep 3 11:21:31 CEST 2021."""
_NAME = r"\([^()]{1,40}\)|\[[A-Za-z_/+-]{1,40}\]|[A-Za-z]{1,5}|[A-Za-z_]+(?:/[A-Za-z_]+)+"
_OFFSET = re.compile(rf"(?:UTC|GMT)?([-+])(\d{{1,2}}):?(\d\d)?(?:\s*(?:{_NAME}))?(?:\s+m=\S+)?\Z")
_YEAR_AGAIN = re.compile(r"\d{4}\s+[-+]\d\d:?\d\d\Z")
"""Behind a time, where Ruby sees neither the year nor the offset."""
_NAMED = re.compile(rf"(?:{_NAME})\Z")
_ZULU = frozenset({"Z", "z", "UTC", "GMT", "UT"})
_AMERICAN = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""The names that Ruby and browsers know."""

Warn = Callable[[str, str], None]
"""Takes what is doubtful and what to do about it."""


YEARS = range(2, 9999)
"""Years that a post may be dated in. In the first and the last of all, a moment has no time in some zones, and a day
none before or after it; they are written by programs that know no date, such as Hugo's 0001-01-01."""


class BadDate(ValueError):
    """A text that is no date; says why, and what would be right."""

    def __init__(self, reason: str, remedy: str, *, is_future: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.is_future = is_future
        """Beyond all time: the generator holds such a post back."""


class _Way(NamedTuple):
    """How a text is to be read."""

    text: str
    kind: str
    zone: ZoneInfo
    bare_is_utc: bool
    is_plain: bool
    """Written without quotes."""
    warn: Warn | None


def parse_date(text: str, *, plain: bool, kind: str, zone: ZoneInfo, warn: Warn | None = None) -> datetime:
    """The moment, in UTC and whole seconds. ``plain``: written without quotes; ``warn`` is told of a zone that may not
    be the one that was meant. Raises BadDate."""
    text = text.strip()
    try:
        if _USUAL.match(text):  # as most posts are dated, and read in half the time
            moment = datetime.fromisoformat(text[:19] + text[20:]).astimezone(UTC)
        else:
            moment = _moment(_Way(text, kind, zone, plain and kind == "jekyll", plain, warn))
    except BadDate:
        raise
    except OverflowError as error:  # valid by itself, and out of range in another zone
        raise _far(text) from error
    except ValueError as error:
        raise _bad(text) from error
    if moment.year not in YEARS:
        raise _far(text)
    return moment


def _moment(way: _Way) -> datetime:
    found = _ISO.match(way.text)
    return _other(way) if found is None else _iso(found, way)


def own_zone(text: str) -> tzinfo_type | None:
    """The offset that a date names itself; None if it names none."""
    found = _ISO.match(text.strip())
    return None if found is None or not found[10] else _offset(found[10].strip())


def midnight(year: int, month: int, day: int, zone: ZoneInfo) -> datetime:
    """The first moment of a day in the zone, in UTC. Raises ValueError."""
    if year not in YEARS:
        raise _far(f"{year:04}-{month:02}-{day:02}")
    return datetime(year, month, day, tzinfo=zone).astimezone(UTC)


def _iso(found: re.Match[str], way: _Way) -> datetime:
    year, separator, month, day, gap, hour, minute, second, half, tail = found.groups()
    day_meant = _day(int(year), int(month), int(day), rolls=way.kind == "jekyll")
    if gap is None:
        return midnight(day_meant.year, day_meant.month, day_meant.day, way.zone)
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if half:
        if not 1 <= hours <= 12:
            raise _bad(way.text)
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    next_day = (hours, minutes, seconds) == (24, 0, 0)
    naive = datetime.combine(day_meant, time(0 if next_day else hours, minutes, seconds))
    tzinfo = _zone(tail, naive, way)
    if tzinfo is None:
        tzinfo = (
            UTC if way.bare_is_utc and separator == "-" and len(minute + (second or "")) == 4 and not half else way.zone
        )
    moment = naive.replace(tzinfo=tzinfo)
    if way.kind == "hexo" and way.is_plain and _OF_YAML.match(way.text):
        moment = moment.astimezone(UTC).replace(tzinfo=way.zone)
    return (moment + timedelta(days=1) if next_day else moment).astimezone(UTC)


def _day(year: int, month: int, day: int, *, rolls: bool) -> date:
    """Ruby takes 30 February for 2 March. Raises ValueError."""
    if rolls and 28 < day <= 31:
        return date(year, month, 1) + timedelta(days=day - 1)
    return date(year, month, day)


def _zone(tail: str, naive: datetime, way: _Way) -> tzinfo_type | None:
    """The zone that a date ends with; None if it ends without."""
    tail = tail.strip()
    if not tail:
        return None
    offset = _offset(tail)
    if offset is not None:
        return offset
    if way.kind == "jekyll" and _YEAR_AGAIN.match(tail):
        return way.zone
    if not _NAMED.match(tail):
        raise _bad(way.text)
    name = tail.strip("()[]")
    here = name in (way.zone.key, naive.replace(tzinfo=way.zone).tzname())
    hours = _AMERICAN.get(name.upper()) if way.kind != "hugo" else None
    if way.warn is not None and not here and (hours is None or name.upper() == "CST"):
        means = "the site's zone" if hours is None else "US Central time"
        way.warn(f"the zone name '{name}' is read as {means}, as the generator does", "write the offset, such as +0800")
    return way.zone if hours is None else timezone(timedelta(hours=hours))


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


def _other(way: _Way) -> datetime:
    """``11-9-2017`` is 11 September, as Ruby reads it; ``20171109``; English months; mail headers."""
    text, zone = way.text, way.zone
    if (found := _DAY_FIRST.match(text)) is not None:
        return midnight(int(found[3]), int(found[2]), int(found[1]), zone)
    if (found := _COMPACT.match(text)) is not None:
        return midnight(int(found[1]), int(found[2]), int(found[3]), zone)
    words = " ".join(text.split())
    if (found := _MONTH_FIRST.match(words)) is not None:
        return midnight(int(found[3]), _month(found[1], text), int(found[2]), zone)
    if (found := _DAY_MONTH.match(words)) is not None:
        return midnight(int(found[3]), _month(found[2], text), int(found[1]), zone)
    if (found := _BY_CLOCK.match(words)) is not None:
        month, day, early, hour, minute, second, before, late, after = found.groups()
        written = date(int(early or late or 0), _month(month, text), int(day))
        naive = datetime.combine(written, time(int(hour), int(minute), int(second or 0)))
        return naive.replace(tzinfo=_zone(f"{before or ''} {after or ''}", naive, way) or zone).astimezone(UTC)
    if not text[:1].isalnum() or ":" not in text:
        raise _bad(text)
    from email.utils import parsedate_tz  # late: hardly any post is dated like mail

    parts = parsedate_tz(text)
    if parts is None:
        raise _bad(text)
    end = text.split()[-1]
    naive = datetime(*parts[:6], tzinfo=zone)
    tzinfo: tzinfo_type = zone if end[-1].isdigit() and ":" in end else _zone(end, naive, way) or zone
    return naive.replace(tzinfo=tzinfo).astimezone(UTC)


def _month(name: str, text: str) -> int:
    if name[:3].lower() not in _MONTHS:
        raise _bad(text)
    return _MONTHS.index(name[:3].lower()) + 1


def _far(text: str) -> BadDate:
    return BadDate(
        f"'{text[:60]}' lies outside of the years {YEARS[0]} to {YEARS[-1]}",
        "write when it was published, for example 2026-03-24 08:30:00 +0800",
        is_future=f"{YEARS.stop}" in text,
    )


def _bad(text: str) -> BadDate:
    return BadDate(f"'{text[:60]}' is not a date", "write for example 2026-03-24 08:30:00 +0800")
