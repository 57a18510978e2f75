"""Watch over the program: look what is wrong, keep it, tell the operator once, and once more when it is over.

    look (store, disks, last run) -> compare with the open alarms -> keep -> tell

Everything that is looked at is in the store, so any process may do it: ``digest run`` after its run, ``digest serve``
every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.alarms.mail import (
    BACKLOG,
    BACKLOG_AFTER,
    BOUNCES,
    DOUBT,
    EXPIRED,
    EXPIRED_FOR,
    RELAY,
    backlog_alarm,
    bounces_alarm,
    doubt_alarm,
    expired_alarm,
    relay_alarms,
)
from digest.alarms.silence import HISTORY, Silence, find_silences, recovery, wording
from digest.alarms.watching import (
    CLOCK,
    GONE,
    RUN,
    SOURCE,
    Alarm,
    Change,
    Ending,
    KeptAlarm,
    Observation,
    Planned,
    clock_alarm,
    compare,
    disk_alarm,
    gone_alarm,
    kind_of,
    page_alarm,
    paused_alarms,
    run_alarm,
    slot_alarm,
    slot_to_judge,
)
from digest.errors import DigestError
from digest.models import (
    Approval,
    AwaitedPage,
    Backlog,
    EditionState,
    Expired,
    Outage,
    SavedEdition,
    SourceState,
    StoppedReceiver,
)
from digest.outbox import REPEATS
from digest.receivers import Limits
from digest.subscribers.bounces import Batch

SILENCE_EVERY = timedelta(minutes=10)
"""Habits are looked at no more often: it takes five thousandths of a second for each thousand posts."""
KEEP_RUNS = timedelta(days=400)
KEEP_REPORTS = timedelta(days=30)
"""Of runs that went well: a hundred thousand reports a year would be most of the store."""
_TIDY_EVERY = timedelta(days=1)
CLAIM = timedelta(minutes=10)
"""Longer than it takes to hand over a mail."""
_HOUR = timedelta(hours=1)


class WatchStore(Protocol):
    """What is needed of the store."""

    def volumes(self, since: datetime) -> dict[str, dict[int, int]]: ...

    def source_volumes(self, since: datetime) -> dict[str, dict[int, int]]: ...

    def source_states(self) -> dict[str, SourceState]: ...

    def doubts_over(self, repeats: int, holds: Sequence[str]) -> int: ...

    def outages(self) -> dict[str, Outage]: ...

    def backlog(self, now: datetime, before: datetime) -> list[Backlog]: ...

    def batches(self, *, only_open: bool = False) -> list[Batch]: ...

    def expired(self, since: datetime) -> list[Expired]: ...

    def paused_editions(self) -> list[tuple[SavedEdition, str]]: ...

    def stopped_receivers(self, key: int | None = None) -> list[StoppedReceiver]: ...

    def awaited_pages(self) -> list[AwaitedPage]: ...

    def held_posts(self) -> int: ...

    def began(self, digest: str) -> datetime | None: ...

    def slot_state(self, digest: str, period: str, now: datetime | None = None) -> tuple[EditionState | None, str]: ...

    def open_approvals(self, digest: str | None = None) -> list[Approval]: ...

    def open_alarms(self) -> list[KeptAlarm]: ...

    def note_alarms(
        self, raised: Iterable[Alarm], ended: Iterable[Ending], now: datetime, reworded: Iterable[Alarm] = ()
    ) -> None: ...

    def claim_alarms(self, now: datetime, until: datetime) -> list[KeptAlarm]: ...

    def release_alarms(self, alarms: Sequence[KeptAlarm], *, told: bool) -> None: ...

    def alarm_mails(self) -> list[datetime]: ...

    def set_alarm_mails(self, moments: Iterable[datetime]) -> None: ...

    def looked_at(self, what: str) -> datetime | None: ...

    def set_looked_at(self, what: str, now: datetime) -> None: ...

    def forget_runs(self, before: datetime, reports_before: datetime) -> int: ...


class Disk(Struct, frozen=True, kw_only=True):
    """Room on the disk of something."""

    what: str
    """``store`` or ``output``."""
    place: str
    free: int
    total: int


class WatchRules(Struct, frozen=True, kw_only=True):
    """What the operator wants to be told."""

    zone: ZoneInfo
    plans: tuple[Planned, ...] = ()
    holds: tuple[str, ...] = ()
    """Channels of which what is in doubt waits for a decision at once."""
    rate: float | None = None
    """Messages a second that an edition leaves at, at the least."""
    limits: Limits | None = None
    """Those of receivers, if mail goes by SMTP."""
    silence: bool = True
    silence_except: tuple[str, ...] = ()
    """Categories, and sources as ``source:NAME``."""
    sources: tuple[str, ...] = ()
    """Names of those beside ``posts.folder``."""
    holidays: tuple[tuple[date, date], ...] = ()
    late_after: timedelta = timedelta(minutes=30)
    min_free: int = 0


class RunEnd(Struct, frozen=True, kw_only=True):
    """What is judged about a run that just ended."""

    failures: tuple[str, ...] = ()
    collected: bool = True
    """The posts folder was looked at, so that what is not there is missing."""


def watch(
    store: WatchStore,
    rules: WatchRules,
    now: datetime,
    *,
    run: RunEnd | None = None,
    disks: Sequence[Disk] = (),
    ahead: timedelta = timedelta(),
) -> Change:
    """Look at everything, and keep what changed. ``run`` is one that just ended; ``ahead`` says by how much the
    database's clock is ahead of this machine's. Raises StoreError."""
    look = _look(store, rules, now, run, whats_wrong(store, rules, now, disks=disks, ahead=ahead))
    change = compare(store.open_alarms(), look)
    if change.raised or change.ended or change.reworded:
        store.note_alarms(change.raised, change.ended, now, change.reworded)
    _tidy(store, now)
    return change


def tell(
    store: WatchStore,
    send: Callable[[Sequence[KeptAlarm]], None],
    now: datetime,
    *,
    per_hour: int,
) -> list[str]:
    """Send what there is to say in one mail, ``per_hour`` at most; what cannot be sent is for the next time. Returns
    what went wrong, one line each. Raises StoreError."""
    mails = [moment for moment in store.alarm_mails() if now - _HOUR < moment <= now]
    if len(mails) >= per_hour:
        return []
    alarms = store.claim_alarms(now, now + CLAIM)
    if not alarms:
        return []
    told = False
    try:
        send(alarms)
        told = True
    except DigestError as error:
        return [f"alarm mail: {error}"]
    finally:
        store.release_alarms(alarms, told=told)
    store.set_alarm_mails([*mails, now])
    return []


# ----------------------------------------------------------------- looking


def _look(store: WatchStore, rules: WatchRules, now: datetime, run: RunEnd | None, look: Observation) -> Observation:
    """With what is seen after a run."""
    if run is None:
        return look
    failed = run_alarm(run.failures)
    heard = _listen(store, rules, now) if run.collected else Observation()
    return Observation(
        alarms=(*look.alarms, *([failed] if failed is not None else []), *heard.alarms),
        judged=look.judged | {RUN} | heard.judged,
        endings={**look.endings, RUN: "runs go well again", **heard.endings},
    )


def whats_wrong(
    store: WatchStore,
    rules: WatchRules,
    now: datetime,
    *,
    disks: Sequence[Disk] = (),
    ahead: timedelta = timedelta(),
) -> Observation:
    """What can be seen at any time, without a run that just ended. Raises StoreError."""
    zone = rules.zone
    tight = [disk_alarm(each.what, each.place, each.free, each.total, rules.min_free) for each in disks]
    pages = [page_alarm(each, zone, now) for each in store.awaited_pages()]
    some = (clock_alarm(ahead), *_mail_troubles(store, rules, now), gone_alarm(store.held_posts()), *tight, *pages)
    paused = paused_alarms(store.paused_editions(), store.stopped_receivers())
    alarms = [*paused, *(alarm for alarm in some if alarm is not None)]
    alarms += _late(store, rules, now)
    failing, endings = _failing(store, rules, now) if rules.sources else ([], {SOURCE: ""})
    judged = {"paused", CLOCK, BOUNCES, DOUBT, RELAY, BACKLOG, EXPIRED, GONE, SOURCE, "slot", "page"}
    return Observation(
        alarms=(*alarms, *failing),
        judged=frozenset(judged | ({"disk"} if disks else set())),
        endings={**_ENDINGS, **endings},
    )


def _failing(store: WatchStore, rules: WatchRules, now: datetime) -> tuple[list[Alarm], dict[str, str]]:
    """Alarms about sources, and what is said of those that are over."""
    from digest.alarms.sources import source_alarms, source_endings  # late: most sites have none

    states = source_states(store, rules)
    failing = source_alarms(states, rules.zone, now)
    return failing, source_endings(states, failing)


def source_states(store: WatchStore, rules: WatchRules) -> list[SourceState]:
    """What is known of the sources of the configuration beside ``posts.folder``. Raises StoreError."""
    kept = store.source_states() if rules.sources else {}
    return [kept.get(name, SourceState(name=name)) for name in rules.sources]


_ENDINGS = {
    BOUNCES: "no addresses wait in a batch any more",
    CLOCK: "the database's clock and this machine's agree again",
    GONE: "no posts are missing any more, or their going was accepted",
    RELAY: "mail can be handed over again",
    BACKLOG: "no mail is overdue any more",
    EXPIRED: "",
    DOUBT: "nothing is in doubt any more",
}


def _mail_troubles(store: WatchStore, rules: WatchRules, now: datetime) -> Iterable[Alarm | None]:
    yield doubt_alarm(store.doubts_over(REPEATS, rules.holds), hold=bool(rules.holds))
    yield from relay_alarms(store.outages(), rules.zone, now)
    yield backlog_alarm(store.backlog(now, now - BACKLOG_AFTER), rules.rate, rules.zone, now)
    yield expired_alarm(store.expired(now - EXPIRED_FOR))
    yield bounces_alarm([batch.line() for batch in store.batches(only_open=True)])


def _late(store: WatchStore, rules: WatchRules, now: datetime) -> Iterable[Alarm]:
    for plan in rules.plans:
        slot = slot_to_judge(plan, rules.zone, now=now, began=store.began(plan.digest), grace=rules.late_after)
        if slot is None:
            continue
        state, reason = store.slot_state(plan.digest, slot.period, now)
        if state is EditionState.BUILDING and _is_overdue(store, plan.digest, slot.period, now - rules.late_after):
            state = None
        at = f"{slot.at.astimezone(rules.zone):%Y-%m-%d %H:%M}"
        alarm = slot_alarm(plan.digest, slot, state, reason, at=at, now=now)
        if alarm is not None:
            yield alarm


def _is_overdue(store: WatchStore, digest: str, period: str, then: datetime) -> bool:
    """Whether an edition that waits for approval should have been made, or given up, by then."""
    return any(each.period == period and each.until < then for each in store.open_approvals(digest))


def _listen(store: WatchStore, rules: WatchRules, now: datetime) -> Observation:
    """Whether categories are silent, once in a while."""
    known = {alarm.name: alarm.raised_at for alarm in store.open_alarms() if kind_of(alarm.name) == "silence"}
    if not rules.silence:
        return Observation(judged=frozenset({"silence"}), endings=dict.fromkeys(known, ""))
    last = store.looked_at("silence")
    if last is not None and timedelta() <= now - last < SILENCE_EVERY:
        return Observation()
    silences, volumes = silent_categories(store, rules, now)
    arrived = {silence_name(name): max(counts) for name, counts in volumes.items() if counts}
    store.set_looked_at("silence", now)
    return Observation(
        alarms=tuple(silence_alarm(each, rules.zone, now) for each in silences),
        judged=frozenset({"silence"}),
        endings={name: _ending(name, arrived.get(name), since, rules.zone, now) for name, since in known.items()},
    )


def silence_alarm(silence: Silence, zone: ZoneInfo, now: datetime) -> Alarm:
    return Alarm.of(silence_name(silence.category), wording(silence, zone, now))


def silent_categories(
    store: WatchStore, rules: WatchRules, now: datetime
) -> tuple[list[Silence], dict[str, dict[int, int]]]:
    """Those that are silent now, sources as ``source:NAME`` among them, and the volumes that tell. Raises
    StoreError."""
    volumes = store.volumes(now - HISTORY)
    if rules.sources:
        from digest.alarms.sources import source_name

        brought = store.source_volumes(now - HISTORY)
        # One that fails is silent for a reason that has an alarm of its own.
        well = (state.name for state in source_states(store, rules) if state.failing_since is None)
        volumes |= {source_name(name): brought[name] for name in well if name in brought}
    heard = {name: counts for name, counts in volumes.items() if name not in rules.silence_except}
    return find_silences(heard, rules.zone, now, holidays=rules.holidays), volumes


def silence_name(category: str) -> str:
    """The alarm's name."""
    return Alarm.of(f"silence:{category}", "").name


def _ending(name: str, quarter: int | None, raised_at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Posts are back; or nobody waits for them any more, which is no news."""
    if quarter is None or (quarter + 1) * 900 <= raised_at.timestamp():
        return ""
    arrived = min(now, datetime.fromtimestamp((quarter + 1) * 900, now.tzinfo))
    return recovery(name.partition(":")[2], arrived, zone, now)


def _tidy(store: WatchStore, now: datetime) -> None:
    last = store.looked_at("old runs")
    if last is None or not timedelta() <= now - last < _TIDY_EVERY:
        store.forget_runs(now - KEEP_RUNS, now - KEEP_REPORTS)
        store.set_looked_at("old runs", now)
