"""Categories that fall silent: alarms when they should come, and none when they should not."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.alarms.silence import HISTORY, LEAST_POSTS, Silence, find_silences, recovery, wording
from tests.scale import scaled

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 96
"""Quarters of an hour."""
FIRST = int(START.timestamp()) // 900


def moment(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * 900, UTC)


def steady(days: int, *, zone: ZoneInfo = SHANGHAI, hours: range = range(8, 20), each: int = 10) -> dict[int, int]:
    """Posts in every quarter of some local hours, Monday to Friday."""
    found = {}
    for quarter in range(FIRST, FIRST + days * DAY):
        local = moment(quarter).astimezone(zone)
        if local.hour in hours and local.weekday() < 5:
            found[quarter] = each
    return found


def chance(seed: int, days: int, per_day: float, burst: int = 1) -> dict[int, int]:
    """Posts as independent readers would write them (Poisson): few at night, fewer at weekends, in bursts."""
    dice = random.Random(seed)
    found = {}
    for quarter in range(FIRST, FIRST + days * DAY):
        local = moment(quarter).astimezone(SHANGHAI)
        hour = 0.02 if local.hour < 6 else 1.0 if 8 <= local.hour < 18 else 0.4
        expected = per_day / (DAY * 0.55) / burst * hour * (0.3 if local.weekday() > 4 else 1)
        if number := _poisson(dice, expected):
            found[quarter] = number * burst
    return found


def _poisson(dice: random.Random, expected: float) -> int:
    limit, number, product = math.exp(-expected), 0, dice.random()
    while product >= limit:
        number += 1
        product *= dice.random()
    return number


def judge(counts: dict[int, int], now: datetime, zone: ZoneInfo = SHANGHAI, **options) -> Silence | None:
    found = find_silences({"emnews": counts}, zone, now, **options)
    return found[0] if found else None


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def stopped(counts: dict[int, int], at: datetime) -> dict[int, int]:
    return {quarter: posts for quarter, posts in counts.items() if quarter * 900 < at.timestamp()}


# ----------------------------------------------------------------- alarms


def test_a_busy_category_that_stops_is_noticed_soon() -> None:
    """Forty posts an hour, silent since nine: told within two hours, with the number that is missing."""
    counts = stopped(steady(60), local("2026-07-28 09:00"))
    assert judge(counts, local("2026-07-28 09:45")) is None
    found = judge(counts, local("2026-07-28 11:00"))
    assert found is not None
    assert wording(found, SHANGHAI, local("2026-07-28 11:00")) == "emnews: 0 posts since 09:00, usually 80"
    assert wording(found, SHANGHAI, local("2026-07-29 11:00")) == "emnews: 0 posts since 2026-07-28 09:00, usually 80"
    assert recovery("emnews", local("2026-07-28 14:05"), SHANGHAI, local("2026-07-28 15:00")) == (
        "emnews: posts come in again, the newest at 14:05"
    )


def test_an_alarm_stays_as_long_as_the_silence() -> None:
    """Also over a night and a weekend in which nothing was to be expected; after four weeks it is no alarm any more."""
    counts = stopped(steady(60), local("2026-07-28 09:00"))
    for later in range(12, 27 * 24, 17):  # at each hour of the day once
        assert judge(counts, local("2026-07-28 00:00") + timedelta(hours=later)) is not None
    assert judge(counts, local("2026-08-28 12:00")) is None


@pytest.mark.parametrize(
    "now",
    ["2026-07-25 07:00", "2026-07-26 12:00", "2026-07-27 07:59", "2026-07-27 08:15"],
)
def test_nobody_is_missed_who_never_comes_then(now: str) -> None:
    """At night, at the weekend, and on Monday before the first posts are due."""
    counts = stopped(steady(56), local("2026-07-24 20:00"))
    assert judge(counts, local(now)) is None


@pytest.mark.parametrize("days", [1, 7, 20, 27])
def test_a_young_category_never_alarms(days: int) -> None:
    """It needs four weeks of habit."""
    counts = steady(days)
    now = moment(max(counts)) + timedelta(days=3)
    assert judge(counts, now) is None


def test_nothing_is_no_alarm() -> None:
    assert find_silences({}, SHANGHAI, START) == []
    assert find_silences({"x": {}}, SHANGHAI, START) == []


def test_dates_without_a_time_teach_nothing() -> None:
    """An archive of which every post is of midnight: posts are not late because it is noon."""
    counts = {FIRST + day * DAY - 32: 30 for day in range(1, 60)}
    assert moment(min(counts)).astimezone(SHANGHAI).hour == 0
    assert judge(counts, moment(max(counts)) + timedelta(days=2)) is None


def test_a_few_posts_are_not_missed() -> None:
    """One post every Monday at nine: weeks may pass, but that is no pattern to wake somebody for."""
    counts = {FIRST + week * 7 * DAY + 4: 1 for week in range(8)}
    for days in range(1, 28):
        assert judge(counts, moment(max(counts)) + timedelta(days=days)) is None
    assert LEAST_POSTS > 4


def test_holidays_neither_teach_nor_alarm() -> None:
    """Silent on a named holiday, that is well; the working day after it, it is not; and a holiday in the past is no
    habit of being silent."""
    golden_week = [(date(2026, 7, 27), date(2026, 7, 29))]
    counts = stopped(steady(80), local("2026-07-24 20:00"))
    assert judge(counts, local("2026-07-28 18:00")) is not None
    assert judge(counts, local("2026-07-28 18:00"), holidays=golden_week) is None
    assert judge(counts, local("2026-07-30 12:00"), holidays=golden_week) is not None
    every_tuesday = [(date(2026, 6, 2) + timedelta(weeks=n),) * 2 for n in range(6)]
    gaps = {q: n for q, n in steady(60).items() if (moment(q).astimezone(SHANGHAI).date(),) * 2 not in every_tuesday}
    gaps = stopped(gaps, local("2026-07-28 09:00"))
    assert judge(gaps, local("2026-07-28 11:00")) is None
    assert judge(gaps, local("2026-07-28 18:00"), holidays=every_tuesday) is None, "no Tuesday is known then"


def test_habits_move_with_the_clocks() -> None:
    """Berlin's summer time ends on 25 October: what comes at eight comes at eight, one hour later in UTC."""
    autumn = steady(150, zone=BERLIN, hours=range(8, 12))
    monday = local("2026-10-26 08:00", BERLIN)
    counts = stopped(autumn, monday)
    assert judge(counts, local("2026-10-26 08:00", BERLIN), BERLIN) is None
    assert judge(counts, local("2026-10-26 08:45", BERLIN), BERLIN) is None
    assert judge(counts, local("2026-10-26 11:00", BERLIN), BERLIN) is not None


def test_an_outage_in_the_past_makes_nobody_deaf() -> None:
    """One silent week among eight changes what is usual by little."""
    counts = {q: n for q, n in steady(60).items() if moment(q).astimezone(SHANGHAI).isocalendar().week != 28}
    counts = stopped(counts, local("2026-07-28 09:00"))
    found = judge(counts, local("2026-07-28 12:00"))
    assert found is not None
    assert found.usual == 120


# ----------------------------------------------------------- by simulation


@pytest.mark.slow
@pytest.mark.parametrize("burst", [1, 10])
@pytest.mark.parametrize("per_day", [3, 10, 40, 140])
def test_chance_alone_gives_no_alarm(per_day: int, burst: int) -> None:
    """Three weeks, looked at every hour, of categories that post at random around their habits."""
    for seed in range(scaled(1)):
        counts = chance(seed, 75, per_day, burst)
        for quarter in range(FIRST + 54 * DAY, FIRST + 75 * DAY, 4):
            since = quarter - HISTORY // timedelta(minutes=15)
            seen = {each: posts for each, posts in counts.items() if since < each < quarter}
            assert judge(seen, moment(quarter)) is None


@pytest.mark.parametrize(("per_day", "hours"), [(500, 3), (140, 5), (40, 12), (10, 72), (3, 12 * 24)])
def test_a_real_silence_is_found(per_day: int, hours: int) -> None:
    """The busier a category, the sooner; none is forgotten. It stops on a Monday morning."""
    for seed in range(3):
        end = FIRST + 56 * DAY + 4
        counts = {q: n for q, n in chance(seed, 56, per_day).items() if q < end}
        found = next(h for h in range(1, 600) if judge(counts, moment(end) + timedelta(hours=h)) is not None)
        assert found <= hours


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), per_day=st.sampled_from([2, 20, 200]), gap=st.integers(0, 5))
def test_a_post_just_now_ends_every_alarm(seed: int, per_day: int, gap: int) -> None:
    """Whatever the habits: with a post within the last hour there is no silence."""
    counts = chance(seed, 40, per_day)
    quarter = FIRST + 40 * DAY
    counts[quarter - 1] = 1
    assert judge(counts, moment(quarter) + timedelta(minutes=10 * gap)) is None
