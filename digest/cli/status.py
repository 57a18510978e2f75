"""``digest status``: what ran, what is due next, what waits, what failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli import config_option
from digest.text import local_time

if TYPE_CHECKING:
    from digest.alarms.watching import EditionMail, KeptAlarm, RunRow
    from digest.app.asking import Status
    from digest.inquiry import BrokenFile
    from digest.jobs.monitoring.status import ReceiverRow, SourceRow
    from digest.models import Approval, DeliveryCounts

Local = Callable[[datetime], str]
"""A time as people read it: without the date where it is today's."""

_RUNS = 5
_EDITIONS = 5
_CATEGORIES = 5
_SOURCES = 10
_BROKEN = 10


@click.command("status")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON, for programs; times in UTC.")
def command(config: Path, as_json: bool) -> int:
    """Show what ran, what is due next, what waits and what is wrong; exit code 1 if something is.

    For example: digest status --json
    """
    from digest.app.asking import status_of

    status = status_of(config)
    if as_json:
        click.echo(json.dumps(_plain(status), ensure_ascii=False, indent=2))
    else:
        for line in _lines(status):
            click.echo(line)
    return 0 if status.is_well else 1


def _lines(status: Status) -> Iterator[str]:
    """For people; times are in the site's zone."""
    from digest.alarms.watching import counted

    seen = status.overview
    local = partial(local_time, zone=seen.zone, now=seen.now)
    yield f"{status.title} at {local_time(seen.now, seen.zone)} ({seen.zone.key})"
    if not status.exists:
        yield ""
        yield f"{status.store}: there is no store" + ("" if status.refused else " yet; the first digest run makes it")
    yield from _section("wrong now", [*status.refused, *(_alarm(alarm, local) for alarm in seen.alarms)])
    yield from _section("look at", list(status.warnings))
    if status.exists:
        yield from _section("runs", [_run(run, local) for run in seen.runs[:_RUNS]], "none yet")
        yield from _section("waiting for approval", [_approval(each, local) for each in seen.approvals])
        yield from _section("editions", [_edition(each) for each in seen.editions[:_EDITIONS]], "none yet")
        waits = "" if seen.next_due is None else f"; the next one is tried {local(seen.next_due)}"
        yield from _section("mail, all editions", [f"{_counted(status)}{waits}"])
        yield from _section("receivers that asked for less", [_slow(each, local) for each in seen.slow])
        yield from _section("by channel", [f"{name}: {counted(each)}" for name, each in seen.channels.items()])
        posts = [
            f"{local(each.arrived)}  {each.label}: {each.recent} in seven days"
            + ("; silent" if each.category in seen.silent else "")
            for each in seen.categories[: _CATEGORIES + 1]
            if each.arrived is not None
        ]
        more = len(seen.categories) - 1 - _CATEGORIES
        if more > 0:
            posts.append(f"… and {more} more categories: --json, or the status page")
        yield from _section("newest posts", posts, "none yet")
        yield from _section("broken files, published as before", list(_broken(seen.broken, local)))
        yield from _section("sources", list(_sources(seen.sources, seen.silent, local)))
    yield from _section("next", [f"{local(each.at)}  {each.digest} {each.period}" for each in seen.next])


def _slow(receiver: ReceiverRow, local: Local) -> str:
    rests = "" if receiver.rests_until is None else f"nothing until {local(receiver.rests_until)}, then "
    gets = f"{rests}{receiver.rate:.2g}/s instead of {receiver.most:g}/s"
    return f"{receiver.name}: {gets}, {receiver.queued} waiting: {receiver.reason}"


def _section(title: str, lines: list[str], nothing: str = "") -> Iterator[str]:
    if lines or nothing:
        yield ""
        yield f"{title}:"
        for line in lines or [nothing]:
            yield f"  {line}"


def _run(run: RunRow, local: Local) -> str:
    began = local(run.started_at)
    if run.ended_at is None:
        return f"{began}  at work, or cut off"
    did = f"{run.arrived} new, {run.written} files written, {run.seconds} s"
    if run.ok:
        return f"{began}  went well: {did}"
    return "\n      ".join([f"{began}  failed: {did}", *run.failures])


def _broken(files: tuple[BrokenFile, ...], local: Local) -> Iterator[str]:
    for each in files[:_BROKEN]:
        yield f"since {local(each.since)}  {each.problem}"
    if len(files) > _BROKEN:
        yield f"… and {len(files) - _BROKEN:,} more: --json"


def _sources(sources: tuple[SourceRow, ...], silent: frozenset[str], local: Local) -> Iterator[str]:
    """Those that fail first; of many the rest is counted."""
    from digest.alarms.sources import source_name

    for each in sources[:_SOURCES]:
        told = "; ".join(_source(each, local)) + ("; silent" if source_name(each.name) in silent else "")
        yield f"{each.name} ({each.kind}): {told}"
    rest = sources[_SOURCES:]
    if rest:
        failing = sum(each.failing_since is not None for each in rest)
        yield f"… and {len(rest):,} more, of which {failing:,} fail: --json, or the status page"


def _source(source: SourceRow, local: Local) -> Iterator[str]:
    if source.failing_since is not None:
        yield f"fails since {local(source.failing_since)}: {source.fault}"
        yield "never looked at with success" if source.ok_at is None else f"went well {local(source.ok_at)}"
    elif source.checked_at is None:
        yield "not looked at yet"
    else:
        yield f"looked at {local(source.checked_at)}"
    yield f"{source.posts:,} {'post' if source.posts == 1 else 'posts'} so far"
    if source.next_at is not None:
        yield f"asked again {local(source.next_at)}"
    if source.moved_to:
        yield f"it has moved for good to {source.moved_to}: correct its address"


def _edition(edition: EditionMail) -> str:
    from digest.alarms.watching import counted

    state = edition.state.value + (f", {edition.reason}" if edition.reason else "")
    return f"{edition.name}: {state}" + (f"; {counted(edition.counts)}" if edition.counts.total else "")


def _approval(approval: Approval, local: Local) -> str:
    then = "is approved, and made by the next run"
    if approval.approved_at is None:
        then = f"until {local(approval.until)}, then {approval.otherwise.value}"
    return f"{approval.digest} {approval.period}: {then}: {approval.subject}"


def _counted(status: Status) -> str:
    from digest.alarms.watching import counted

    return counted(status.overview.counts)


def _alarm(alarm: KeptAlarm, local: Local) -> str:
    return f"{local(alarm.raised_at)}  {alarm.text}"


def _plain(status: Status) -> dict[str, object]:
    """Plain data: names as in the status, times in ISO 8601."""
    from digest.alarms.sources import source_name

    seen = status.overview
    return {
        "site": status.title,
        "now": seen.now.isoformat(),
        "zone": seen.zone.key,
        "store": {"place": status.store, "exists": status.exists},
        "refused": list(status.refused),
        "warnings": list(status.warnings),
        "looked_at": None,  # kept until 1.0: every run is among the runs now
        "alarms": [_values(each, "name", "text", "raised_at") for each in seen.alarms],
        "past_alarms": [
            _values(each, "name", "text", "raised_at", "ended_at", "end_text") for each in seen.past_alarms
        ],
        "runs": [
            _values(each, "started_at", "ended_at", "seconds", "ok", "arrived", "written", "failures")
            for each in seen.runs
        ],
        "approvals": [
            _values(each, "digest", "period", "began_at", "until", "otherwise", "approved_at", "readers", "subject")
            for each in seen.approvals
        ],
        "editions": [
            {
                "category": "",
                **_values(each, "digest", "period", "state", "reason", "frozen_at", "send_after"),
                "deliveries": _by_state(each.counts),
            }
            for each in seen.editions
        ],
        "deliveries": _by_state(seen.counts),
        "channels": {name: _by_state(counts) for name, counts in seen.channels.items()},
        "slow_receivers": [_values(each, *each.__struct_fields__) for each in seen.slow],
        "next_delivery": seen.next_due.isoformat() if seen.next_due else None,
        "next": [_values(each, "digest", "period", "at") for each in seen.next],
        "categories": [
            {**_values(each, "category", "published", "arrived", "recent"), "silent": each.category in seen.silent}
            for each in seen.categories
        ],
        "broken": [
            {**_values(each.problem, "path", "line", "reason"), "since": each.since.isoformat()} for each in seen.broken
        ],
        "sources": [
            {**_values(each, *each.__struct_fields__), "silent": source_name(each.name) in seen.silent}
            for each in seen.sources
        ],
        "subscriptions": [
            {"digest": digest, "state": state, "number": number}
            for (digest, state), number in sorted((seen.subscribers or {}).items())
        ],
    }


def _by_state(counts: DeliveryCounts) -> dict[str, int]:
    return {state.value: number for state, number in counts.by_state.items()}


def _values(thing: object, *names: str) -> dict[str, object]:
    found = {name: getattr(thing, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}
