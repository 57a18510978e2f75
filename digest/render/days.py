"""Days and times as a reader says them: the days of an edition, and when a post was published as seen from it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from digest.edition.contents import Edition, Entry, Publisher
from digest.period import period_days
from digest.ports import Language

_WEEK = 7


def _noon(day: date, publisher: Publisher) -> datetime:
    return datetime.combine(day, time(12), tzinfo=publisher.zone)


def span(days: tuple[date, date], year: int, publisher: Publisher, language: Language) -> str:
    """``11月24日星期二``, or ``11月16日至22日``; with the year unless it is ``year``."""
    is_near = days[0].year == days[1].year == year
    if days[0] == days[1]:
        first = _noon(days[0], publisher)
        return language.day(first) if is_near else language.long_day(first)
    return _range(days, is_near, publisher, language)


def _range(days: tuple[date, date], is_near: bool, publisher: Publisher, language: Language) -> str:
    first, last = (_noon(day, publisher) for day in days)
    return language.days(first, last, with_year=not is_near)


def edition_date(edition: Edition, publisher: Publisher, language: Language) -> str:
    """The days that an edition is about; with the year unless it appears in that year."""
    return span((edition.first_day, edition.last_day), _year(edition, publisher), publisher, language)


def full_date(edition: Edition, publisher: Publisher, language: Language) -> str:
    """The days that an edition is about, always with the year: pages are read in any year."""
    return span((edition.first_day, edition.last_day), 0, publisher, language)


def short_date(edition: Edition, publisher: Publisher, language: Language) -> str:
    """As ``edition_date`` without the day of the week: ``11月24日``."""
    is_near = edition.first_day.year == edition.last_day.year == _year(edition, publisher)
    if edition.first_day != edition.last_day:
        return _range((edition.first_day, edition.last_day), is_near, publisher, language)
    return language.short_day(_noon(edition.first_day, publisher), with_year=not is_near)


def earlier_date(
    edition: Edition, period: str, days: tuple[date, date] | None, publisher: Publisher, language: Language
) -> str:
    """The days of an edition before this one; ``days`` are None if only its period is known."""
    return span(days or period_days(period), _year(edition, publisher), publisher, language)


def _year(edition: Edition, publisher: Publisher) -> int:
    return edition.frozen_at.astimezone(publisher.zone).year


class Times:
    """When the posts of an edition were published, as seen from its own day: the only one it is about, else the one on
    which it was made."""

    def __init__(self, edition: Edition, publisher: Publisher, language: Language) -> None:
        self._publisher = publisher
        self._language = language
        self._is_daily = edition.first_day == edition.last_day
        self._today = edition.last_day if self._is_daily else edition.frozen_at.astimezone(publisher.zone).date()
        days = {entry.published.astimezone(publisher.zone).date() for entry in edition.entries}
        self._common = next(iter(days)) if len(days) == 1 and days != {self._today} else None

    @property
    def note(self) -> str:
        """``All times are of Monday, November 23``: what is said once if all posts are of one other day; else empty."""
        if self._common is None:
            return ""
        words = self._language.day if self._common.year == self._today.year else self._language.long_day
        return self._language.text("All times are of {date}", date=words(_noon(self._common, self._publisher)))

    def of(self, entry: Entry) -> str:
        """``17:05``, ``yesterday 20:50``, ``Sat 20:50``, ``November 9 20:50``."""
        language = self._language
        local = entry.published.astimezone(self._publisher.zone)
        clock, past = language.time(local), self._today - local.date()
        if self._common is not None or (self._is_daily and not past):
            return clock
        if not past:
            return language.text("today {time}", time=clock)
        if past == timedelta(days=1):
            return language.text("yesterday {time}", time=clock)
        if timedelta() < past < timedelta(days=_WEEK):
            return f"{language.weekday(local)} {clock}"
        return f"{language.short_day(local, with_year=local.year != self._today.year)} {clock}"
