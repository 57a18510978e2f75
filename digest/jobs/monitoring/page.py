"""What the operator's page shows: everything that ``status`` knows, in words of the site's language. What the program
says of errors, alarms and reasons stays in English, as in its log and its mails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.alarms.sources import source_name
from digest.alarms.watching import EditionMail, Freshness, KeptAlarm, RunRow
from digest.jobs.monitoring.status import Daily, Overview, Plots, SourceRow
from digest.models import Approval, DeliveryCounts, DeliveryState, EditionState
from digest.ports import Language
from digest.render.approval import readers_in_words, what_happens
from digest.render.plots import Said, bar_plot, describe, short_day
from digest.subscribers.subscription import ListState
from digest.text import deferred

_SOURCES = 20
"""If there are more, those that go well are folded up."""
_Times = Callable[[datetime | None], str]
"""Without their date where it is today's."""
_DELIVERIES = {
    DeliveryState.SENT: deferred("Sent"),
    DeliveryState.QUEUED: deferred("Waiting"),
    DeliveryState.LEASED: deferred("In hand"),
    DeliveryState.TRANSMITTING: deferred("Under way"),
    DeliveryState.IN_DOUBT: deferred("In doubt"),
    DeliveryState.FAILED: deferred("Failed"),
    DeliveryState.EXPIRED: deferred("Expired"),
    DeliveryState.SKIPPED: deferred("Not wanted any more"),
}
"""In the order in which a reader asks."""
_EDITIONS = {
    EditionState.BUILDING: deferred("Being made"),
    EditionState.FROZEN: deferred("Ready"),
    EditionState.SENDING: deferred("Being sent"),
    EditionState.PAUSED: deferred("Paused"),
    EditionState.FINISHED: deferred("Finished"),
    EditionState.SKIPPED: deferred("Skipped"),
    EditionState.CANCELLED: deferred("Cancelled"),
    EditionState.EXPIRED: deferred("Expired"),
}
_READERS = {
    ListState.PENDING: deferred("To be confirmed"),
    ListState.ACTIVE: deferred("Active"),
    ListState.UNSUBSCRIBED: deferred("Unsubscribed"),
}


class Seen(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    overview: Overview
    plots: Plots
    warnings: tuple[str, ...] = ()
    """What works, and should be looked at."""


def context_of(seen: Seen, language: Language) -> dict[str, object]:
    """Everything as the template shows it: texts in the language, times in the site's zone, in order."""
    overview = seen.overview
    local = partial(_time, zone=overview.zone, now=overview.now, language=language)
    return {
        "now": _dated(overview.now.astimezone(overview.zone), language, with_year=True),
        "zone": overview.zone.key,
        "alarms": [_alarm(each, local) for each in overview.alarms],
        "warnings": seen.warnings,
        "broken": [{"text": str(each.problem), "since": local(each.since)} for each in overview.broken],
        "past_alarms": [_alarm(each, local) for each in overview.past_alarms],
        "next": [{"at": local(each.at), "name": f"{each.digest} {each.period}"} for each in overview.next],
        "runs": [_run(each, local, language) for each in overview.runs],
        "approvals": [_approval(each, overview, language) for each in overview.approvals],
        "editions": [_edition(each, local, language) for each in overview.editions],
        "mail": _counted(overview.counts, language),
        "next_mail": "" if overview.next_due is None else local(overview.next_due),
        "categories": [
            _category(each, local, language, is_silent=each.category in overview.silent) for each in overview.categories
        ],
        **_sources(overview, local, language),
        "readers": [
            {
                "digest": digest or language.text("No digest"),
                "state": language.text(_READERS[ListState(state)]) if state in _READERS else state,
                "number": language.number(number),
            }
            for (digest, state), number in sorted((overview.subscribers or {}).items())
            if number
        ],
        "plots": _plots(seen.plots, language),
    }


def _plots(plots: Plots, language: Language) -> list[dict[str, Any]]:
    def posts(count: int) -> str:
        return language.plural("{count} post", "{count} posts", count)

    def reports(count: int) -> str:
        return language.plural("{count} report", "{count} reports", count)

    return [
        _plot("posts", language.text("Posts a day"), plots.posts, posts, language),
        _plot("seconds", language.text("Longest run of the day"), plots.seconds, _seconds(language), language),
        _plot("bounces", language.text("Bounces and complaints a day"), plots.bounces, reports, language),
    ]


def _seconds(language: Language) -> Said:
    return lambda count: language.plural("{count} second", "{count} seconds", count)


def _alarm(alarm: KeptAlarm, local: _Times) -> dict[str, str]:
    until = "" if alarm.ended_at is None else local(alarm.ended_at)
    return {"text": alarm.text, "since": local(alarm.raised_at), "until": until}


def _run(run: RunRow, local: _Times, language: Language) -> dict[str, Any]:
    result = deferred("Cut off or at work") if run.ok is None else deferred("Failed")
    return {
        "began": local(run.started_at),
        "result": language.text(deferred("Went well") if run.ok else result),
        "bad": run.ok is False,
        "took": "" if run.seconds is None else _seconds(language)(run.seconds),
        "arrived": language.number(run.arrived),
        "written": language.number(run.written),
        "failures": list(run.failures),
    }


def _category(category: Freshness, local: _Times, language: Language, *, is_silent: bool) -> dict[str, Any]:
    unnamed = deferred("All posts") if category.category is None else deferred("No name")
    return {
        "name": category.label if category.category else language.text(unnamed),
        "published": local(category.published),
        "arrived": local(category.arrived),
        "recent": language.number(category.recent),
        "silent": is_silent,
    }


def _sources(overview: Overview, local: _Times, language: Language) -> dict[str, Any]:
    """Those to look at, and those that are folded up."""
    rows = [
        _source(each, local, language, is_silent=source_name(each.name) in overview.silent) for each in overview.sources
    ]
    if len(rows) <= _SOURCES:
        return {"sources": rows, "more_sources": []}
    folded = [row for row in rows if not row["bad"] and not row["moved_to"]]
    return {"sources": [row for row in rows if row not in folded], "more_sources": folded}


def _source(source: SourceRow, local: _Times, language: Language, *, is_silent: bool) -> dict[str, Any]:
    failing = source.failing_since
    return {
        "name": source.name,
        "kind": source.kind,
        "looked_at": local(source.checked_at),
        "went_well": local(source.ok_at),
        "posts": language.number(source.posts),
        "next": "" if source.next_at is None else local(source.next_at),
        "since": "" if failing is None else local(failing),
        "fault": source.fault,
        "moved_to": source.moved_to,
        "silent": is_silent,
        "bad": failing is not None or is_silent,
    }


def _approval(approval: Approval, overview: Overview, language: Language) -> dict[str, str]:
    says = language.text("Approved. It leaves with the next run.")
    if approval.approved_at is None:
        says = what_happens(approval, overview.zone, language, now=overview.now)
    return {
        "name": f"{approval.digest} {approval.period}",
        "subject": approval.subject,
        "says": says,
        "readers": readers_in_words(approval, language),
    }


def _edition(edition: EditionMail, local: _Times, language: Language) -> dict[str, Any]:
    return {
        "name": edition.name,
        "made": local(edition.frozen_at),
        "state": language.text(_EDITIONS[edition.state]),
        "reason": edition.reason,
        "bad": edition.state is EditionState.PAUSED,
        "mail": _counted(edition.counts, language),
    }


def _counted(counts: DeliveryCounts, language: Language) -> str:
    """``Sent: 3, Waiting: 1``."""
    words = [
        language.text("{title}: {names}", title=language.text(said), names=language.number(number))
        for state, said in _DELIVERIES.items()
        if (number := counts.by_state.get(state, 0))
    ]
    return language.text(", ").join(words) or language.text("None")


def _plot(name: str, title: str, daily: Daily, said: Said, language: Language) -> dict[str, Any]:
    return {
        "title": title,
        "svg": bar_plot(daily.days, daily.values, name=name, title=title, said=said, language=language),
        "says": describe(daily.days, daily.values, said=said, language=language),
        "rows": [
            {
                "day": short_day(language, day),
                "value": language.text("None known") if value is None else language.number(value),
            }
            for day, value in reversed(list(zip(daily.days, daily.values, strict=True)))
        ],
    }


def _time(moment: datetime | None, zone: ZoneInfo, now: datetime, language: Language) -> str:
    if moment is None:
        return language.text("Never")
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return language.time(local)
    return _dated(local, language, with_year=local.year != today.year)


def _dated(local: datetime, language: Language, *, with_year: bool) -> str:
    return f"{language.short_day(local, with_year=with_year)} {language.time(local)}"
