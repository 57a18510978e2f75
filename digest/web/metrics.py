"""The figures for Prometheus, read from the store when they are asked for.

Whatever the store knows is not counted a second time in memory, so figures survive restarts and are the same for every
process on the store. Labels are bounded: categories are those of the configuration, then the busiest of the last week,
fifty at most. Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

import digest
from digest.alarms.watching import Planned, RunTotals, by_kind, slot_to_judge
from digest.jobs.monitoring.status import CATEGORIES, StatusStore, receiver_rows
from digest.jobs.monitoring.watch import Disk, WatchRules, source_states
from digest.models import DeliveryState, Verdict
from digest.ports import FeedRow

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


class FigureStore(StatusStore, Protocol):
    """What is needed of the store besides."""

    def run_totals(self) -> RunTotals: ...

    def refusals_by_receiver(self, since: datetime) -> dict[tuple[str, str], int]: ...

    def count_posts(self) -> int: ...

    def feeds(self) -> list[FeedRow]: ...


class Live(Struct, frozen=True, kw_only=True):
    """What only the process itself knows: seconds since a part of it was last seen at work."""

    schedule: float | None = None
    mail: float | None = None
    runs_failed_in_a_row: int = 0
    leading: bool | None = None


def figures(
    store: FigureStore,
    rules: WatchRules,
    *,
    names: Sequence[str],
    disks: Callable[[], Sequence[Disk]],
    clock: Callable[[], datetime],
    live: Callable[[], Live] = Live,
    output: Path | None = None,
) -> Callable[[], bytes]:
    """Gives the metrics as text (format 0.0.4), anew at each call. ``output`` is the folder of the published feeds."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(store, rules, names, disks, clock, live, output))
    return lambda: generate_latest(registry)


@dataclass(eq=False)
class _Figures(Collector):
    _store: FigureStore
    _rules: WatchRules
    _names: Sequence[str]
    _disks: Callable[[], Sequence[Disk]]
    _clock: Callable[[], datetime]
    _live: Callable[[], Live]
    _output: Path | None

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        now = self._clock()
        disks = tuple(self._disks())
        yield _one("digest_info", "The program.", 1, version=digest.__version__)
        yield from self._freshness(now)
        yield _one("digest_posts", "Posts that are not gone.", self._store.count_posts())
        yield from self._runs(now)
        yield from self._deliveries(now)
        yield from self._slots(now)
        yield _many(
            "digest_alarms",
            "Alarms that are raised, by kind.",
            ("kind",),
            {(kind,): number for kind, number in by_kind(self._store.open_alarms()).items()},
        )
        yield _many(
            "digest_subscriptions",
            "Subscriptions by digest and state; suppressed addresses belong to no digest.",
            ("digest", "state"),
            self._store.subscribers_by_state(),
        )
        yield _many(
            "digest_disk_free_bytes",
            "Room on the disk of the store and of the output.",
            ("place",),
            {(disk.what,): disk.free for disk in disks},
        )
        yield from self._sources()
        yield from _process(self._live())

    def _freshness(self, now: datetime) -> Iterable[Metric]:
        """By category and feed, of which no two are the same, however strange a category's name is; ``feed.xml`` is
        that of all posts."""
        texts = {
            "digest_newest_post_age_seconds": "Seconds since the date of the newest post.",
            "digest_newest_arrival_age_seconds": "Seconds since a post last came in.",
            "digest_published_age_seconds": "Seconds since the Atom feed was last put in place.",
        }
        families = {name: GaugeMetricFamily(name, text, labels=("category", "feed")) for name, text in texts.items()}
        stems = {row.name: row.stem for row in self._store.feeds() if row.kind == "category"}
        for each in self._store.freshness(self._names, now - _WEEK, CATEGORIES):
            path = "feed.xml" if each.category is None else f"feed/{stems.get(each.category, '')}.xml"
            moments = (each.published, each.arrived, self._published(path))
            for family, moment in zip(families.values(), moments, strict=True):
                if moment is not None:
                    family.add_metric((each.label, path), (now - moment).total_seconds())
        return families.values()

    def _published(self, path: str) -> datetime | None:
        """An unchanged feed is not touched, so its time is that of its last change."""
        if self._output is None:
            return None
        with suppress(OSError):
            return datetime.fromtimestamp((self._output / path).stat().st_mtime, UTC)
        return None

    def _runs(self, now: datetime) -> Iterable[Metric]:
        totals = self._store.run_totals()
        results = CounterMetricFamily("digest_runs", "Runs in the log, by result.", labels=("result",))
        for result in ("ok", "failed", "cut_off"):
            results.add_metric((result,), getattr(totals, result))
        yield results
        yield SummaryMetricFamily(
            "digest_run_seconds",
            "How long runs took.",
            count_value=totals.ok + totals.failed,
            sum_value=totals.seconds,
        )
        yield CounterMetricFamily("digest_posts_collected", "Posts that were new in a run.", value=totals.arrived)
        yield CounterMetricFamily("digest_files_written", "Feeds and pages put in place.", value=totals.written)
        for run in self._store.runs(1):
            age = (now - run.started_at).total_seconds()
            yield _one("digest_last_run_age_seconds", "Seconds since the last run in the log began.", age)

    def _deliveries(self, now: datetime) -> Iterable[Metric]:
        counts = self._store.counts()
        yield _many(
            "digest_deliveries",
            "Deliveries in the ledger, by state.",
            ("state",),
            {(state.value,): counts[state] for state in DeliveryState},
        )
        yield _many(
            "digest_channel_deliveries",
            "Those of them that leave by a channel that is no mail, by channel and state.",
            ("channel", "state"),
            {
                (channel, state.value): counts[state]
                for channel, counts in self._store.counts_elsewhere().items()
                for state in DeliveryState
            },
        )
        errors: Counter[tuple[str]] = Counter({(each,): 0 for each in (*Verdict, "none")})
        refusals = self._store.refusals_by_receiver(now - _DAY)
        for (_, verdict), number in refusals.items():
            errors[(verdict or "none",)] += number
        yield _many(
            "digest_send_errors_recent",
            "Deliveries that failed within a day or wait for a retry, by what the server said (none: nobody answered).",
            ("class",),
            errors,
        )
        yield from self._receivers(now, refusals)

    def _receivers(self, now: datetime, refusals: Mapping[tuple[str, str], int]) -> Iterable[Metric]:
        """Of mail, by receiver: the big ones, those of the configuration, and whoever asked for less lately."""
        rows = receiver_rows(self._store, self._rules, now)
        yield _many(
            "digest_receiver_errors_recent",
            "As digest_send_errors_recent, by receiver (others: those without limits of their own) too.",
            ("receiver", "class"),
            {(name or "others", verdict or "none"): number for (name, verdict), number in refusals.items()},
        )
        yield _many(
            "digest_receiver_queued",
            "Mails that wait, by receiver.",
            ("receiver",),
            {(each.name,): each.queued for each in rows},
        )
        yield _many(
            "digest_receiver_rate",
            "Mails a second that a receiver gets at the most; 0 while it gets none.",
            ("receiver",),
            {(each.name,): 0.0 if each.rests_until else each.rate for each in rows},
        )

    def _sources(self) -> Iterable[Metric]:
        """Those of the configuration beside ``posts.folder``, as far as they have been looked at."""
        states = [each for each in source_states(self._store, self._rules) if each.checked_at is not None]
        if not states:
            return
        up = {(each.name,): int(each.failing_since is None) for each in states}
        yield _many("digest_source_up", "1 if a source could be looked at last time, else 0.", ("source",), up)
        yield _many(
            "digest_source_last_success_timestamp_seconds",
            "When a source was last looked at with success.",
            ("source",),
            {(each.name,): each.ok_at.timestamp() for each in states if each.ok_at is not None},
        )
        posts = CounterMetricFamily("digest_source_posts", "Posts that have come from a source.", labels=("source",))
        for each in states:
            posts.add_metric((each.name,), each.posts)
        yield posts

    def _slots(self, now: datetime) -> Iterable[Metric]:
        late = {(plan.digest,): int(self._is_late(plan, now)) for plan in self._rules.plans}
        yield _many("digest_slot_late", "1 if the latest slot of a digest has no edition yet.", ("digest",), late)

    def _is_late(self, plan: Planned, now: datetime) -> bool:
        slot = slot_to_judge(
            plan, self._rules.zone, now=now, began=self._store.began(plan.digest), grace=self._rules.late_after
        )
        return slot is not None and self._store.slot_state(plan.digest, slot.period, now)[0] is None


def _process(live: Live) -> Iterable[Metric]:
    beats = {("schedule",): live.schedule, ("mail",): live.mail}
    yield _many(
        "digest_beat_age_seconds",
        "Seconds since a part of this process was last seen at work.",
        ("part",),
        {part: seconds for part, seconds in beats.items() if seconds is not None},
    )
    yield _one("digest_runs_failed_in_a_row", "Runs of this process since one went well.", live.runs_failed_in_a_row)
    if live.leading is not None:
        yield _one("digest_leading", "1 if this process starts the runs on its store.", int(live.leading))


def _one(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family


def _many(name: str, text: str, labels: Sequence[str], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=tuple(labels))
    for key, value in values.items():
        family.add_metric(key, value)
    return family
