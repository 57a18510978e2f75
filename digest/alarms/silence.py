"""Whether a category has fallen silent, by its own habits. Pure: counts, zone and time in, a verdict out.

Each quarter of an hour since the last post was either usually silent at that hour of that weekday or it was not. How
often it was silent in the last weeks gives the chance that it is silent again; the chances multiply, and when what is
left is smaller than one in some millions (``UNLIKELY``) somebody should look. A medium that posts ten times an hour is
noticed after about an hour and a half, one that posts twice a day after a week; one that never posts at night is not
missed at night; one whose posts come in bursts is judged by its bursts, not by its posts.

What was learnt is local time: when clocks change, habits move with them. Holidays neither teach nor alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.text import local_time

QUARTER = timedelta(minutes=15)
WEEKS = 8
"""How many weeks of habit count; the latest ones."""
LEAST_WEEKS = 4
"""A category younger than this never alarms."""
REACH = timedelta(days=28)
"""A silence that is longer is a category that has ended, and no alarm any more."""
HISTORY = timedelta(weeks=WEEKS) + REACH
"""How far back counts are needed."""
UNLIKELY = 16.0
"""An alarm needs a silence whose chance is below e to the minus this, one in nine millions: a site of 2,000 busy
categories that is looked at all day is wrong less than once a year."""
LEAST_POSTS = 5
"""An alarm needs this many posts to be missing."""

_WEEK = 7 * 24 * 4
"""Quarters in a week."""
_PRIOR = 0.5
"""How much a category's habit as a whole counts beside that of one quarter; as a part of a week."""
_RAREST = 0.02
"""No quarter is taken to be less often silent than this."""
_EPOCH = datetime(2001, 1, 1)  # noqa: DTZ001 - local time, a Monday
_SOONEST = math.ceil(UNLIKELY / -math.log(_RAREST))
"""Quarters of silence that can be an alarm at all."""


class Silence(Struct, frozen=True, kw_only=True):
    """A category that should have had posts."""

    category: str
    since: datetime
    """The end of the quarter of an hour that its last post came in, UTC."""
    usual: int
    """Posts that usually come in such a span."""


def find_silences(
    volumes: Mapping[str, Mapping[int, int]],
    zone: ZoneInfo,
    now: datetime,
    *,
    holidays: Iterable[tuple[date, date]] = (),
) -> list[Silence]:
    """Which categories are silent, by name.

    ``volumes``: how many posts came in, by category and quarter of an hour (seconds since 1970 divided by 900), for
    ``HISTORY`` before ``now``. ``holidays``: first and last local dates.
    """
    local = _local_quarters(zone)
    free = _FreeDays(holidays)
    present = local(int(now.timestamp()) // 900)
    found = []
    for category in sorted(volumes):
        judged = _judge(volumes[category], local, free, present)
        if judged is not None:
            last, usual = judged
            since = datetime.fromtimestamp((last + 1) * 900, UTC)
            found.append(Silence(category=category, since=since, usual=usual))
    return found


def wording(silence: Silence, zone: ZoneInfo, now: datetime) -> str:
    """``emnews: 0 posts since 09:00, usually 140``; with the day if it is not today."""
    return f"{silence.category}: 0 posts since {local_time(silence.since, zone, now)}, usually {silence.usual}"


def recovery(category: str, arrived: datetime, zone: ZoneInfo, now: datetime) -> str:
    """``emnews: posts come in again, the newest at 14:05``."""
    return f"{category}: posts come in again, the newest at {local_time(arrived, zone, now)}"


# ---------------------------------------------------------------- judging


def _judge(
    counts: Mapping[int, int], local: Callable[[int], int], free: _FreeDays, present: int
) -> tuple[int, int] | None:
    """The quarter of the last post and how many posts are missing; None if all is as usual."""
    if not counts:
        return None
    last = max(counts)
    newest = local(last)
    if not _SOONEST <= present - newest - 1 <= REACH // QUARTER:
        return None
    past: dict[int, int] = {}
    for quarter, posts in counts.items():
        past[local(quarter)] = past.get(local(quarter), 0) + posts
    past = _timed(past)
    first = min(past, default=newest)
    if newest - first < LEAST_WEEKS * _WEEK:
        return None
    window = range(newest + 1, present)
    if _surprise(past, first, newest, window, free) < UNLIKELY:
        return None
    usual = _usual(past, first, newest, window, free)
    return None if usual is None else (last, usual)


def _timed(past: dict[int, int]) -> dict[int, int]:
    """Without the first quarter of each day in a category where that has most posts: an archive whose dates have no
    time of day tells nothing about when posts come in."""
    midnight = sum(posts for quarter, posts in past.items() if quarter % 96 == 0)
    if midnight * 2 <= sum(past.values()):
        return past
    return {quarter: posts for quarter, posts in past.items() if quarter % 96}


def _surprise(past: Mapping[int, int], first: int, newest: int, window: range, free: _FreeDays) -> float:
    """Minus the logarithm of the chance that the whole window is silent."""
    habit = 1 - len(past) / max(newest - first, len(past))
    slots = {quarter % _WEEK for quarter in past}
    total = 0.0
    for slot in slots:
        start = window.start + (slot - window.start) % _WEEK
        for quarter in range(start, window.stop, _WEEK):
            if not free.is_free(quarter):
                total -= math.log(_chance_of_silence(past, first, newest, quarter, habit, free))
    return total


def _chance_of_silence(
    past: Mapping[int, int], first: int, newest: int, quarter: int, habit: float, free: _FreeDays
) -> float:
    """By the same quarter in the weeks before: the part that was silent, drawn a little towards the category's."""
    weeks = silent = 0
    for each in _weeks_before(quarter, first, newest):
        if not free.is_free(each):
            weeks += 1
            silent += each not in past
    if weeks < LEAST_WEEKS - 1:
        return 1.0
    return min(1.0, max(_RAREST, (silent + _PRIOR * habit) / (weeks + _PRIOR)))


def _usual(past: Mapping[int, int], first: int, newest: int, window: range, free: _FreeDays) -> int | None:
    """The median of the posts in the same span of the weeks before; None if it is small, or if such a span is silent
    now and then."""
    shift = math.ceil(len(window) / _WEEK) * _WEEK
    found: list[int] = []
    start = window.start - shift
    while start >= first and len(found) < WEEKS:
        span = range(start, start + len(window))
        if not free.is_free(span.start) and not free.is_free(span[-1]):
            found.append(sum(past.get(quarter, 0) for quarter in span))
        start -= _WEEK
    if len(found) < LEAST_WEEKS - 1:
        return None
    found.sort()
    middle = len(found) // 2
    usual = found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) // 2
    return usual if found[len(found) // 4] and usual >= LEAST_POSTS else None


def _weeks_before(quarter: int, first: int, newest: int) -> Sequence[int]:
    """The same quarter of the latest ``WEEKS`` weeks that are known whole."""
    latest = newest - (newest - quarter) % _WEEK
    return range(latest, max(first - 1, latest - WEEKS * _WEEK), -_WEEK)


# ------------------------------------------------------------ local quarters


def _local_quarters(zone: ZoneInfo) -> Callable[[int], int]:
    """From a quarter of UTC to one of local time, both counted; remembered, since categories share them."""
    known: dict[int, int] = {}

    def local(quarter: int) -> int:
        if quarter not in known:
            moment = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).replace(tzinfo=None)
            known[quarter] = (moment - _EPOCH) // QUARTER
        return known[quarter]

    return local


class _FreeDays:
    """Holidays, asked by local quarter."""

    def __init__(self, holidays: Iterable[tuple[date, date]]) -> None:
        start = _EPOCH.toordinal()
        self._days = {day - start for first, last in holidays for day in range(first.toordinal(), last.toordinal() + 1)}

    def is_free(self, quarter: int) -> bool:
        return bool(self._days) and quarter // 96 in self._days
