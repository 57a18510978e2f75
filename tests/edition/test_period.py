"""When a digest is due (digest/period.py)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.period import (
    Due,
    Kind,
    Schedule,
    daily,
    day_bounds,
    due_period,
    latest_slot,
    next_slot,
    period_days,
    period_name,
    slot_on,
    slots_between,
    weekdays,
    weekly,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONES_AND_DAYS = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2025, 3, 30)),
    ("Europe/Berlin", date(2025, 10, 26)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Nuuk", date(2026, 3, 28)),
    ("Asia/Shanghai", date(2026, 11, 24)),
]
TIMES = [time(0), time(0, 30), time(1, 30), time(2), time(2, 30), time(8), time(23, 30)]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("clock", TIMES, ids=str)
@pytest.mark.parametrize(("zone", "day"), ZONES_AND_DAYS)
def test_every_local_date_has_exactly_one_slot(zone: str, day: date, clock: time) -> None:
    """Around every change of the clocks, whatever the time: one slot for each date, in order, none at odds."""
    place, schedule = ZoneInfo(zone), daily(clock)
    days = [day + timedelta(days=shift) for shift in range(-3, 4)]
    after = day_bounds(days[0], place)[0] - timedelta(seconds=1)
    until = day_bounds(days[-1] + timedelta(days=1), place)[0] - timedelta(seconds=1)
    slots = slots_between(schedule, place, after, until)
    assert [slot.day for slot in slots] == days
    assert [slot.period for slot in slots] == [day.isoformat() for day in days]
    assert [slot.at for slot in slots] == sorted({slot.at for slot in slots})


@pytest.mark.parametrize(
    ("zone", "day", "clock", "local"),
    [
        ("Europe/Berlin", date(2025, 3, 30), time(2, 30), "2025-03-30T03:00:00+02:00"),
        ("Europe/Berlin", date(2025, 3, 30), time(1, 59), "2025-03-30T01:59:00+01:00"),
        ("Europe/Berlin", date(2025, 3, 30), time(3), "2025-03-30T03:00:00+02:00"),
        ("Europe/Berlin", date(2025, 10, 26), time(2, 30), "2025-10-26T02:30:00+02:00"),
        ("America/New_York", date(2026, 3, 8), time(2), "2026-03-08T03:00:00-04:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T01:30:00-04:00"),
        ("Asia/Beirut", date(2026, 3, 29), time(0), "2026-03-29T01:00:00+03:00"),
        ("Asia/Beirut", date(2026, 3, 29), time(0, 30), "2026-03-29T01:00:00+03:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10), "2026-10-04T02:30:00+11:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-05T01:45:00+11:00"),
        ("America/Nuuk", date(2026, 3, 28), time(23, 30), "2026-03-29T00:00:00-01:00"),
        ("Asia/Shanghai", date(2026, 11, 24), time(8), "2026-11-24T08:00:00+08:00"),
    ],
)
def test_a_time_in_a_gap_moves_behind_it_and_a_double_one_counts_first(
    zone: str, day: date, clock: time, local: str
) -> None:
    slot = slot_on(daily(clock), ZoneInfo(zone), day)
    assert slot is not None
    assert slot.at == at(local)
    assert slot.day == day


def test_a_date_that_a_zone_skipped_has_no_slot() -> None:
    """Samoa went from 29 to 31 December 2011."""
    samoa = ZoneInfo("Pacific/Apia")
    days = [
        slot.day.day for slot in slots_between(daily(time(8)), samoa, at("2011-12-28T12:00Z"), at("2012-01-01T12:00Z"))
    ]
    assert days == [28, 29, 31, 1]
    assert slot_on(daily(time(8)), samoa, date(2011, 12, 30)) is None


@pytest.mark.parametrize(
    ("kind", "day", "name"),
    [
        (Kind.DAILY, date(2026, 11, 24), "2026-11-24"),
        (Kind.WEEKDAYS, date(2026, 11, 24), "2026-11-24"),
        (Kind.WEEKLY, date(2026, 11, 24), "2026-W48"),
        (Kind.WEEKLY, date(2027, 1, 1), "2026-W53"),
        (Kind.WEEKLY, date(2024, 12, 30), "2025-W01"),
    ],
)
def test_periods_have_names(kind: Kind, day: date, name: str) -> None:
    assert period_name(kind, day) == name


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1)), st.sampled_from(list(Kind)))
def test_a_period_contains_the_day_it_is_named_by(day: date, kind: Kind) -> None:
    first, last = period_days(period_name(kind, day))
    assert first <= day <= last
    assert (last - first).days == (6 if kind is Kind.WEEKLY else 0)


@pytest.mark.parametrize("name", ["", "today", "2026-13-01", "2026-W54", "W48"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        period_days(name)


@pytest.mark.parametrize(
    ("kind", "days"), [(Kind.DAILY, ()), (Kind.DAILY, (0,)), (Kind.DAILY, (8,)), (Kind.WEEKLY, (1, 2))]
)
def test_schedules_that_mean_nothing_are_refused(kind: Kind, days: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        Schedule(kind=kind, days=days, at=time(8))


def test_weekdays_and_weeks_take_their_days_only() -> None:
    """24 November 2026 is a Tuesday."""
    start, end = at("2026-11-23T00:00+08:00"), at("2026-12-07T00:00+08:00")
    assert [slot.day.day for slot in slots_between(weekdays(time(7, 30)), SHANGHAI, start, end)] == [
        *range(23, 28), 30, 1, 2, 3, 4
    ]  # fmt: skip
    assert [slot.day.day for slot in slots_between(weekdays(time(18), (1, 3)), SHANGHAI, start, end)] == [23, 25, 30, 2]
    assert [slot.period for slot in slots_between(weekly(6, time(8)), SHANGHAI, start, end)] == ["2026-W48", "2026-W49"]


def test_latest_and_next_slot_meet_at_the_slot_itself() -> None:
    """A slot is past at its very moment."""
    schedule = daily(time(8))
    before, moment = at("2026-11-24T07:59:59+08:00"), at("2026-11-24T08:00:00+08:00")
    latest = latest_slot(schedule, SHANGHAI, before)
    assert latest is not None
    assert latest.period == "2026-11-23"
    assert next_slot(schedule, SHANGHAI, before).at == moment
    reached = latest_slot(schedule, SHANGHAI, moment)
    assert reached is not None
    assert reached.at == moment
    assert reached.at.tzinfo is UTC
    assert next_slot(schedule, SHANGHAI, moment).period == "2026-11-25"


def test_no_slot_within_a_month_is_none() -> None:
    """A schedule of one day that the zone skipped."""
    assert latest_slot(weekly(5, time(8)), SHANGHAI, at("2026-11-24T00:00+08:00")) is not None


def due(now: str, *, began: str = "2026-11-01T00:00+08:00", taken: tuple[str, ...] = (), hours: int = 6) -> Due:
    return due_period(
        daily(time(8)),
        SHANGHAI,
        now=at(now),
        began=at(began),
        is_taken=lambda period: period in taken,
        catch_up=timedelta(hours=hours),
    )


@pytest.mark.parametrize(
    ("now", "began", "taken", "period", "missed"),
    [
        ("2026-11-24T08:00+08:00", "2026-11-23T12:00+08:00", (), "2026-11-24", []),
        ("2026-11-24T07:59+08:00", "2026-11-23T12:00+08:00", (), None, []),
        ("2026-11-24T14:00+08:00", "2026-11-23T12:00+08:00", (), "2026-11-24", []),
        ("2026-11-24T14:01+08:00", "2026-11-23T12:00+08:00", (), None, ["2026-11-24"]),
        ("2026-11-24T08:05+08:00", "2026-11-23T12:00+08:00", ("2026-11-24",), None, []),
        ("2026-11-24T08:05+08:00", "2026-11-24T08:00+08:00", (), None, []),
        ("2026-11-24T08:05+08:00", "2026-11-01T00:00+08:00", ("2026-11-20",), "2026-11-24",
         ["2026-11-21", "2026-11-22", "2026-11-23"]),
        ("2026-11-24T20:00+08:00", "2026-11-01T00:00+08:00", ("2026-11-22",), None, ["2026-11-23", "2026-11-24"]),
    ],
    ids=["on time", "too early", "just in time", "too late", "taken", "began at the slot", "downtime", "long downtime"],
)  # fmt: skip
def test_one_edition_at_most_is_due_and_older_slots_are_missed(
    now: str, began: str, taken: tuple[str, ...], period: str | None, missed: list[str]
) -> None:
    found = due(now, began=began, taken=taken)
    assert (found.slot.period if found.slot else None) == period
    assert [slot.period for slot in found.missed] == missed


def test_a_year_of_downtime_looks_back_one_month() -> None:
    assert len(due("2026-11-24T08:00+08:00", began="2025-11-24T00:00+08:00").missed) == 30


@pytest.mark.parametrize("clock", TIMES, ids=str)
@pytest.mark.parametrize(("zone", "day"), ZONES_AND_DAYS)
def test_a_tick_every_minute_makes_one_edition_per_date(zone: str, day: date, clock: time) -> None:
    """Ticks through the days around a change of the clocks: every date gets its edition, none gets two."""
    place, made = ZoneInfo(zone), []
    began = day_bounds(day - timedelta(days=1), place)[0] - timedelta(seconds=1)
    end = day_bounds(day + timedelta(days=2), place)[0] + timedelta(minutes=5)
    now = began
    while now < end:
        found = due_period(
            daily(clock), place, now=now, began=began, is_taken=made.__contains__, catch_up=timedelta(hours=6)
        )
        if found.slot is not None:
            made.append(found.slot.period)
        assert not found.missed
        now += timedelta(minutes=5)
    expected = [(day + timedelta(days=shift)).isoformat() for shift in (-1, 0, 1)]
    assert made[:3] == expected
    assert made[3:] in ([], [(day + timedelta(days=2)).isoformat()])
