"""Collecting from every source, one after the other: ``posts.folder``, then the others in their order.

One that cannot be looked at stops none of the others. What is known of those from look to look, their memory and since
when they fail, is written down when all of what they listed is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import DigestError, StoreError
from digest.jobs.archive.collect import CollectReport, ParseMany, collect, joined
from digest.jobs.archive.settling import Settling
from digest.jobs.progress import Progress, silent
from digest.jobs.sparing import REMEDY, tried
from digest.models import MAIN, SourceState
from digest.ports import PostStore, Source
from digest.withdrawal import USUAL, LeavingRules

BODIES_STAY = timedelta(days=90)
"""How long the texts of posts are kept that their source shows for some time only."""


class BoundSource(Struct, frozen=True, kw_only=True):
    """A source, and how its posts are read."""

    name: str
    source: Source
    parse_many: ParseMany
    rules: str
    """Fingerprint of the rules that they are parsed by."""
    settling: Settling
    leaving: LeavingRules = USUAL


def collect_all(
    store: PostStore,
    sources: Sequence[BoundSource],
    states: Mapping[str, SourceState],
    *,
    now: datetime,
    wall: datetime,
    accept_gone: bool = False,
    progress: Progress = silent,
) -> CollectReport:
    """Bring the store up to date with all ``sources``. ``states``: what is known of those beside ``posts.folder``;
    ``wall``: the real time, by which they were asked. Raises SourceError if there is only the folder, and it is
    missing."""
    reports: dict[str, CollectReport] = {}
    for each in sources:

        def look(each: BoundSource = each) -> CollectReport:
            return collect(
                store,
                each.source,
                each.parse_many,
                rules=each.rules,
                now=now,
                settling=each.settling,
                leaving=each.leaving,
                accept_gone=accept_gone,
                progress=progress,
                name=each.name,
                has_others=len(sources) > 1,
            )

        reports[each.name] = look() if len(sources) == 1 and each.name == MAIN else _spared(each.name, look)
    _finish(store, reports, states, now, wall)
    problems = tuple(problem for report in reports.values() for problem in report.problems)
    return joined(reports, problems)


def _spared(name: str, look: Callable[[], CollectReport]) -> CollectReport:
    """A look that costs nobody else's. What ``posts.folder`` lacks is a failure of the run, as ever; what others lack
    is their own."""

    def broke(reason: str) -> CollectReport:
        return CollectReport(failures=(f"sources.{name}: it broke: {reason}; {REMEDY}",))

    try:
        return tried(look, broke)
    except StoreError:
        raise
    except DigestError as error:
        return CollectReport(failures=(str(error),)) if name == MAIN else CollectReport(fault=str(error))


def _finish(
    store: PostStore,
    reports: Mapping[str, CollectReport],
    states: Mapping[str, SourceState],
    now: datetime,
    wall: datetime,
) -> None:
    others = {name: report for name, report in reports.items() if name != MAIN}
    if not others and not states:
        return
    if MAIN not in reports and store.is_importing() and any(report.taken for report in others.values()):
        store.finish_import(now)
    if any(report.arrived for report in others.values()):
        store.forget_bodies(now - BODIES_STAY)
    store.keep_source_states(_changed(others, states, wall))


def _changed(
    reports: Mapping[str, CollectReport], states: Mapping[str, SourceState], wall: datetime
) -> Iterable[SourceState]:
    for name, report in reports.items():
        before = states.get(name, SourceState(name=name))
        after = state_after(before, report, wall)
        if after != before:
            yield after
    for name, state in states.items():
        if name not in reports and state.failing_since is not None:  # nobody waits for it any more
            yield replace(state, failing_since=None, failures=0, fault="")


def state_after(before: SourceState, report: CollectReport, wall: datetime) -> SourceState:
    """What is known of a source after a look at it."""
    fault = report.fault or next(iter(report.failures), "")
    if report.memory is None and not (report.found or fault):
        return before  # it was not its time
    known = replace(
        before,
        memory=before.memory if report.memory is None else report.memory,
        checked_at=wall,
        origin=report.origin or before.origin,
        posts=before.posts + report.arrived,
        fault=fault,
    )
    if fault:
        return replace(known, failing_since=before.failing_since or wall, failures=before.failures + 1)
    return replace(known, ok_at=wall, failing_since=None, failures=0)
