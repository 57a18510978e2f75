"""What the operator's page shows: everything that ``status`` knows, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.alarms.sources import source_name
from digest.alarms.watching import EditionMail, KeptAlarm, RunRow, counted
from digest.jobs.monitoring.status import Daily, Overview, Plots, SourceRow
from digest.models import Approval
from digest.render.plots import bar_plot, describe
from digest.text import local_time

_SOURCES = 20
"""If there are more, those that go well are folded up."""
_Times = Callable[[datetime | None], str]
"""Without their date where it is today's."""


class Seen(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    overview: Overview
    plots: Plots
    warnings: tuple[str, ...] = ()
    """What works, and should be looked at."""


def context_of(seen: Seen) -> dict[str, object]:
    """Everything as the template shows it: texts in the site's zone, in order."""
    overview = seen.overview
    local = partial(_time, zone=overview.zone, now=overview.now)
    return {
        "now": local_time(overview.now, overview.zone),
        "zone": overview.zone.key,
        "alarms": [_alarm(each, local) for each in overview.alarms],
        "warnings": seen.warnings,
        "broken": [{"text": str(each.problem), "since": local(each.since)} for each in overview.broken],
        "past_alarms": [_alarm(each, local) for each in overview.past_alarms],
        "next": [{"at": local(each.at), "name": f"{each.digest} {each.period}"} for each in overview.next],
        "runs": [_run(each, local) for each in overview.runs],
        "approvals": [_approval(each, local) for each in overview.approvals],
        "editions": [_edition(each, local) for each in overview.editions],
        "mail": counted(overview.counts),
        "next_mail": "" if overview.next_due is None else local(overview.next_due),
        "categories": [
            {
                "name": each.label,
                "published": local(each.published),
                "arrived": local(each.arrived),
                "recent": str(each.recent),
                "silent": each.category in overview.silent,
            }
            for each in overview.categories
        ],
        **_sources(overview, local),
        "readers": [
            {"digest": digest or "no digest", "state": state, "number": str(number)}
            for (digest, state), number in sorted((overview.subscribers or {}).items())
            if number
        ],
        "plots": [
            _plot("posts", "Posts a day", "posts", seen.plots.posts),
            _plot("seconds", "Longest run of the day", "s", seen.plots.seconds),
            _plot("bounces", "Bounces and complaints a day", "reports", seen.plots.bounces),
        ],
    }


def _alarm(alarm: KeptAlarm, local: _Times) -> dict[str, str]:
    until = "" if alarm.ended_at is None else local(alarm.ended_at)
    return {"text": alarm.text, "since": local(alarm.raised_at), "until": until}


def _run(run: RunRow, local: _Times) -> dict[str, Any]:
    result = "cut off or at work" if run.ok is None else "went well" if run.ok else "failed"
    return {
        "began": local(run.started_at),
        "result": result,
        "bad": run.ok is False,
        "took": "" if run.seconds is None else f"{run.seconds} s",
        "arrived": str(run.arrived),
        "written": str(run.written),
        "failures": list(run.failures),
    }


def _sources(overview: Overview, local: _Times) -> dict[str, Any]:
    """Those to look at, and those that are folded up."""
    rows = [_source(each, local, is_silent=source_name(each.name) in overview.silent) for each in overview.sources]
    if len(rows) <= _SOURCES:
        return {"sources": rows, "more_sources": []}
    folded = [row for row in rows if not row["bad"] and not row["moved_to"]]
    return {"sources": [row for row in rows if row not in folded], "more_sources": folded}


def _source(source: SourceRow, local: _Times, *, is_silent: bool) -> dict[str, Any]:
    failing = source.failing_since
    return {
        "name": source.name,
        "kind": source.kind,
        "looked_at": local(source.checked_at),
        "went_well": local(source.ok_at),
        "posts": f"{source.posts:,}",
        "next": "" if source.next_at is None else local(source.next_at),
        "fault": "" if failing is None else f"fails since {local(failing)}: {source.fault}",
        "moved_to": source.moved_to,
        "silent": is_silent,
        "bad": failing is not None or is_silent,
    }


def _approval(approval: Approval, local: _Times) -> dict[str, str]:
    then = f"then {approval.otherwise.value}" if approval.approved_at is None else "approved; the next run makes it"
    return {
        "name": f"{approval.digest} {approval.period}",
        "subject": approval.subject,
        "until": local(approval.until),
        "then": then,
        "readers": f"{approval.readers:,}",
    }


def _edition(edition: EditionMail, local: _Times) -> dict[str, Any]:
    return {
        "name": edition.name,
        "made": local(edition.frozen_at),
        "state": edition.state.value + (f": {edition.reason}" if edition.reason else ""),
        "bad": edition.state.value == "paused",
        "mail": counted(edition.counts),
    }


def _plot(name: str, title: str, unit: str, daily: Daily) -> dict[str, Any]:
    return {
        "title": title,
        "unit": unit,
        "svg": bar_plot(daily.days, daily.values, name=name, title=title, unit=unit),
        "says": describe(daily.days, daily.values, unit),
        "rows": [
            {"day": day.isoformat(), "value": "none known" if value is None else str(value)}
            for day, value in reversed(list(zip(daily.days, daily.values, strict=True)))
        ],
    }


def _time(moment: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    return "never" if moment is None else local_time(moment, zone, now)
