"""How it is going, at one moment: what ran, what is due, what waits, what failed. Only looks, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from operator import add
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from digest.alarms.watching import (
    Appointment,
    EditionMail,
    Freshness,
    KeptAlarm,
    Observation,
    RunRow,
    appointments,
    compare,
)
from digest.inquiry import BrokenFile
from digest.jobs.monitoring.watch import Disk, WatchRules, WatchStore, silence_alarm, silent_categories, whats_wrong
from digest.models import Approval, DeliveryCounts
from digest.receivers import OTHERS, Throttle

RUNS = 12
EDITIONS = 8
CATEGORIES = 50
"""Categories that figures are shown of: those of the configuration, then the busiest."""
BROKEN = 100
"""Broken files that are named."""
DAYS = 30
"""Days in a plot."""
_RECENT = timedelta(days=7)


class StatusStore(WatchStore, Protocol):
    """What is needed of the store."""

    def is_taken(self, digest: str, period: str, now: datetime) -> bool: ...

    def runs(self, limit: int, *, failures: bool = False) -> list[RunRow]: ...

    def run_spans(self, since: datetime) -> list[tuple[datetime, int]]: ...

    def arrivals(self, since: datetime) -> dict[int, int]: ...

    def freshness(self, names: Sequence[str], since: datetime, limit: int) -> list[Freshness]: ...

    def edition_mail(self, limit: int) -> list[EditionMail]: ...

    def counts(self, edition_key: int | None = None) -> DeliveryCounts: ...

    def counts_elsewhere(self) -> dict[str, DeliveryCounts]: ...

    def next_due(self) -> datetime | None: ...

    def bounces(self, since: datetime) -> list[datetime]: ...

    def recent_alarms(self, since: datetime) -> list[KeptAlarm]: ...

    def broken_files(self, limit: int) -> list[BrokenFile]: ...

    def subscribers_by_state(self) -> dict[tuple[str, str], int]: ...

    def throttles(self) -> list[Throttle]: ...

    def queued_by_receiver(self) -> dict[str, int]: ...


class SourceRow(Struct, frozen=True, kw_only=True):
    """How it stands with a source beside ``posts.folder``."""

    name: str
    kind: str
    checked_at: datetime | None = None
    """When it was looked at last."""
    ok_at: datetime | None = None
    """When that last went well."""
    posts: int = 0
    """How many have come from it so far."""
    fault: str = ""
    """Why it cannot be looked at."""
    failing_since: datetime | None = None
    next_at: datetime | None = None
    """When a feed may be asked again; None: by the next run."""
    moved_to: str = ""
    """Where a feed has moved for good."""


class ReceiverRow(Struct, frozen=True, kw_only=True):
    """How mail goes to one receiver."""

    name: str
    queued: int
    """Mails that wait for it."""
    rate: float
    """Mails a second that it gets now, at the most."""
    most: float
    """As long as it does not ask for less."""
    rests_until: datetime | None = None
    """Until then it gets nothing."""
    reason: str = ""
    """What it said."""

    @property
    def is_slow(self) -> bool:
        return self.rate < self.most or self.rests_until is not None


class Overview(Struct, frozen=True, kw_only=True):
    """What there is to know."""

    now: datetime
    zone: ZoneInfo
    runs: tuple[RunRow, ...] = ()
    """The latest, newest first."""
    next: tuple[Appointment, ...] = ()
    approvals: tuple[Approval, ...] = ()
    """Editions that wait for approval."""
    editions: tuple[EditionMail, ...] = ()
    counts: DeliveryCounts = DeliveryCounts()
    """Of all deliveries, those of notices too."""
    channels: dict[str, DeliveryCounts] = field(default_factory=dict)
    """Of deliveries by channels that are no mail; they are among ``counts`` too."""
    next_due: datetime | None = None
    """When the next delivery that waits may be tried."""
    alarms: tuple[KeptAlarm, ...] = ()
    """What is wrong now."""
    past_alarms: tuple[KeptAlarm, ...] = ()
    """Those of the last week that are over."""
    categories: tuple[Freshness, ...] = ()
    """All posts first."""
    silent: frozenset[str] = frozenset()
    """Those of the categories that are silent against their habits."""
    subscribers: dict[tuple[str, str], int] | None = None
    broken: tuple[BrokenFile, ...] = ()
    """Posts that stay as they were since their file cannot be read, the longest broken first."""
    sources: tuple[SourceRow, ...] = ()
    """Those that fail first, the longest before the others; then as in the configuration."""
    slow: tuple[ReceiverRow, ...] = ()
    """Receivers of mail that asked for less."""


class Daily(Struct, frozen=True, kw_only=True):
    """One number for each of the latest days, today last; None where there is nothing to say."""

    days: tuple[date, ...]
    values: tuple[int | None, ...]


class Plots(Struct, frozen=True, kw_only=True):
    """What is drawn: by local day."""

    posts: Daily
    seconds: Daily
    """The longest run of the day."""
    bounces: Daily


def overview(
    store: StatusStore,
    rules: WatchRules,
    now: datetime,
    *,
    names: Sequence[str] = (),
    disks: Sequence[Disk] = (),
    ahead: timedelta = timedelta(),
    sources: Iterable[SourceRow] = (),
) -> Overview:
    """How it is going. ``names`` are the categories of the configuration, ``sources`` what is known of its sources;
    ``ahead`` as in ``watch``. Raises StoreError."""
    alarms, silent = _wrong_now(store, rules, now, whats_wrong(store, rules, now, disks=disks, ahead=ahead))
    return Overview(
        now=now,
        zone=rules.zone,
        runs=tuple(store.runs(RUNS, failures=True)),
        next=tuple(appointments(rules.plans, rules.zone, now, store.is_taken)),
        approvals=tuple(store.open_approvals()),
        editions=tuple(store.edition_mail(EDITIONS)),
        counts=store.counts(),
        channels=store.counts_elsewhere(),
        next_due=store.next_due(),
        alarms=alarms,
        past_alarms=tuple(store.recent_alarms(now - _RECENT)),
        categories=tuple(store.freshness(names, now - _RECENT, CATEGORIES)),
        silent=silent,
        subscribers=store.subscribers_by_state(),
        broken=tuple(store.broken_files(BROKEN)),
        sources=tuple(sorted(sources, key=_trouble)),
        slow=tuple(each for each in receiver_rows(store, rules, now) if each.is_slow),
    )


def receiver_rows(store: StatusStore, rules: WatchRules, now: datetime) -> list[ReceiverRow]:
    """Receivers that mail waits for, or that asked for less lately, by name; none if it does not go by SMTP."""
    if rules.limits is None:
        return []
    queued, throttles = store.queued_by_receiver(), {each.name: each for each in store.throttles()}
    rows = []
    for name in sorted({*queued, *throttles} - {OTHERS}):
        throttle, most = throttles.get(name, Throttle(name=name)), rules.limits.rate_of(name)
        rate = throttle.rate_at(now, most)
        if name in queued or rate < most:
            rests_until = throttle.rests_until if throttle.rest(now) else None
            words = throttle.reason if rate < most else ""
            row = ReceiverRow(name=name, queued=queued.get(name, 0), rate=rate, most=most, rests_until=rests_until)
            rows.append(replace(row, reason=words))
    return rows


def _trouble(source: SourceRow) -> tuple[bool, float]:
    since = source.failing_since
    return since is None, 0 if since is None else since.timestamp()


def nothing_yet(rules: WatchRules, now: datetime) -> Overview:
    """Before the first run: only what is due."""
    return Overview(now=now, zone=rules.zone, next=tuple(appointments(rules.plans, rules.zone, now)))


def plots(store: StatusStore, zone: ZoneInfo, now: datetime) -> Plots:
    """The last ``DAYS`` days. Raises StoreError."""
    since = now - timedelta(days=DAYS)
    arrived = ((datetime.fromtimestamp(q * 900, now.tzinfo), posts) for q, posts in store.arrivals(since).items())
    return Plots(
        posts=_by_day(arrived, zone, now, add, 0),
        seconds=_by_day(store.run_spans(since), zone, now, max, None),
        bounces=_by_day(((moment, 1) for moment in store.bounces(since)), zone, now, add, 0),
    )


def _wrong_now(
    store: StatusStore, rules: WatchRules, now: datetime, look: Observation
) -> tuple[tuple[KeptAlarm, ...], frozenset[str]]:
    """What is kept as wrong, brought up to this moment."""
    silences, _ = silent_categories(store, rules, now) if rules.silence else ([], {})
    heard = tuple(silence_alarm(each, rules.zone, now) for each in silences)
    look = replace(look, alarms=look.alarms + heard, judged=look.judged | {"silence"})
    kept = store.open_alarms()
    change = compare(kept, look)
    over = {ending.name for ending in change.ended}
    new = (KeptAlarm(key=0, name=alarm.name, text=alarm.text, raised_at=now) for alarm in change.raised)
    said = {alarm.name: alarm.text for alarm in change.reworded}
    still = (replace(alarm, text=said.get(alarm.name, alarm.text)) for alarm in kept if alarm.name not in over)
    alarms = (*still, *new)
    return alarms, frozenset(each.category for each in silences)


def _by_day(
    numbers: Iterable[tuple[datetime, int]],
    zone: ZoneInfo,
    now: datetime,
    join: Callable[[int, int], int],
    none: int | None,
) -> Daily:
    """The numbers of each day as one; ``none`` for a day without any."""
    today = now.astimezone(zone).date()
    days: dict[date, int | None] = {today - timedelta(days=back): none for back in range(DAYS - 1, -1, -1)}
    for moment, number in numbers:
        day = moment.astimezone(zone).date()
        if day in days:
            days[day] = join(days[day] or 0, number)
    return Daily(days=tuple(days), values=tuple(days.values()))
