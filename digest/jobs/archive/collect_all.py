"""Collecting from every source, one after the other: ``posts.folder``, then the others in their order.

One that cannot be looked at stops none of the others. What is known of those from look to look, their memory and since
when they fail, is written down when all of what they listed is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import DigestError, SourceError, StoreError
from digest.jobs.archive.collect import CollectReport, ParseMany, collect, joined
from digest.jobs.archive.settling import Settling
from digest.jobs.progress import Progress, silent
from digest.jobs.sparing import REMEDY, tried
from digest.models import MAIN, SourceState
from digest.ports import PostStore, Source
from digest.withdrawal import USUAL, LeavingRules

TOLD = 3
"""Sources that begin to fail in a run and are named one by one."""
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
    after = _finish(store, reports, states, now, wall)
    problems = tuple(problem for report in reports.values() for problem in report.problems)
    failing = {name: state.failing_since for name, state in after.items()}
    return joined(reports, problems, failing, _begun(reports, states, failing))


def _spared(name: str, look: Callable[[], CollectReport]) -> CollectReport:
    """A look that costs nobody else's. What ``posts.folder`` lacks is a failure of the run, as ever. Others that cannot
    be looked at are the weather; those that cannot even be made are for the operator to mend, and a failure too."""

    def broke(reason: str) -> CollectReport:
        fault = f"sources.{name}: it broke: {reason}; {REMEDY}"
        return CollectReport(fault=fault, failures=(fault,))

    try:
        return tried(look, broke)
    except StoreError:
        raise
    except DigestError as error:
        is_weather = name != MAIN and isinstance(error, SourceError)
        return CollectReport(fault=str(error), failures=() if is_weather else (str(error),))


def _begun(
    reports: Mapping[str, CollectReport], states: Mapping[str, SourceState], failing: Mapping[str, datetime | None]
) -> list[str]:
    """What to say of sources that fail since now; what is a failure of the run is said as that."""
    before = {name for name, state in states.items() if state.failing_since is not None}
    new = [name for name, since in failing.items() if since and name not in before and not reports[name].failures]
    lines = [f"sources.{name}: {reports[name].fault}" for name in new]
    if len(lines) <= TOLD:
        return lines
    return [*lines[:TOLD], f"sources: {len(lines) - TOLD:,} more cannot be looked at; see: digest status"]


def _finish(
    store: PostStore,
    reports: Mapping[str, CollectReport],
    states: Mapping[str, SourceState],
    now: datetime,
    wall: datetime,
) -> dict[str, SourceState]:
    """Write down what is known of the sources beside ``posts.folder``, and return it."""
    others = {name: report for name, report in reports.items() if name != MAIN}
    if not others and not states:
        return {}
    if MAIN not in reports and store.is_importing() and any(report.taken for report in others.values()):
        store.finish_import(now)
    if any(report.arrived for report in others.values()):
        store.forget_bodies(now - BODIES_STAY)
    after = {name: state_after(_before(states, name), report, wall) for name, report in others.items()}
    dropped = (
        replace(state, failing_since=None, failures=0, fault="")  # nobody waits for it any more
        for name, state in states.items()
        if name not in reports and state.failing_since is not None
    )
    changed = (state for name, state in after.items() if state != _before(states, name))
    store.keep_source_states([*changed, *dropped])
    return after


def _before(states: Mapping[str, SourceState], name: str) -> SourceState:
    return states.get(name, SourceState(name=name))


def state_after(before: SourceState, report: CollectReport, wall: datetime) -> SourceState:
    """What is known of a source after a look at it."""
    if not report.is_due:
        return before
    fault = report.fault
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
