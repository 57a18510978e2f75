"""What the operator is told: runs, what is due and what waits, and alarms. Only nouns and decisions.

An alarm is a state, not an event: it is raised when it begins to be true, told once, and ended when it is true no
longer. The store keeps which ones are open, so that neither a run every five minutes nor a restart repeats them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from digest.models import AwaitedPage, DeliveryCounts, DeliveryState, EditionState, SavedEdition, StoppedReceiver
from digest.outbox import last_call, paused_line
from digest.period import LOOKBACK, Schedule, Slot, next_slot, slots_between
from digest.text import clean_line, cut

RUN = "run"
STORE = "store"
GONE = "gone"
CLOCK = "clock"
SOURCE = "source"
"""Names of alarms; those of which there may be several go on with ``:`` and what they are about."""

PAGE_AFTER = timedelta(minutes=15)
"""For so long mail may wait for its page without an alarm."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""More than this between the database's clock and this machine's, and one of them is wrong."""
_NAMED = 3
_TEXT_LIMIT = 400
_SUBJECT_LIMIT = 120
_LABEL_LIMIT = 60

# ------------------------------------------------------------------- facts


class RunRow(Struct, frozen=True, kw_only=True):
    """One line in the log of runs."""

    key: int
    started_at: datetime
    ended_at: datetime | None
    """None: it is at work, or was cut off."""
    ok: bool | None
    arrived: int = 0
    """Posts that were new."""
    written: int = 0
    """Files put in place."""
    failures: tuple[str, ...] = ()

    @property
    def seconds(self) -> int | None:
        return None if self.ended_at is None else int((self.ended_at - self.started_at).total_seconds())


class RunTotals(Struct, frozen=True, kw_only=True):
    """All runs that the log still has."""

    ok: int = 0
    failed: int = 0
    cut_off: int = 0
    """Begun, and not ended."""
    seconds: int = 0
    arrived: int = 0
    written: int = 0


class EditionMail(Struct, frozen=True, kw_only=True):
    """What became of an edition's mail."""

    digest: str
    period: str
    state: EditionState
    reason: str
    frozen_at: datetime
    send_after: datetime
    counts: DeliveryCounts

    @property
    def name(self) -> str:
        return f"{self.digest} {self.period}"


class Freshness(Struct, frozen=True, kw_only=True):
    """How new a category is."""

    category: str | None
    """None stands for all posts; a category's name may be empty."""
    published: datetime | None
    """Date of its newest post."""
    arrived: datetime | None
    """When a post last came in."""
    recent: int
    """Posts that came in lately."""

    @property
    def label(self) -> str:
        """As people see it."""
        return "all posts" if self.category is None else cut(clean_line(self.category), _LABEL_LIMIT) or "(no name)"


class Planned(Struct, frozen=True, kw_only=True):
    """A digest and its schedule."""

    digest: str
    schedule: Schedule
    holidays: frozenset[date] = frozenset()
    """Local dates without an edition."""


class Appointment(Struct, frozen=True, kw_only=True):
    """A slot that is still to come."""

    digest: str
    period: str
    at: datetime


def appointments(
    plans: Sequence[Planned],
    zone: ZoneInfo,
    now: datetime,
    is_taken: Callable[[str, str, datetime], bool] = lambda digest, period, now: False,
) -> list[Appointment]:
    """The next slot of each digest, the earliest first. ``is_taken`` tells of a digest's period whether its edition was
    made too early."""

    def appointment(plan: Planned) -> Appointment:
        slot = next_slot(plan.schedule, zone, now, plan.holidays, lambda period: is_taken(plan.digest, period, now))
        return Appointment(digest=plan.digest, period=slot.period, at=slot.at)

    return sorted(map(appointment, plans), key=lambda each: (each.at, each.digest))


# ------------------------------------------------------------------ alarms


class Alarm(Struct, frozen=True, kw_only=True):
    """Something that the operator should know and mend. ``name`` is what makes two of them the same."""

    name: str
    text: str

    @classmethod
    def of(cls, name: str, text: str) -> Alarm:
        return cls(name=clean_line(name), text=cut(clean_line(text), _TEXT_LIMIT))


class KeptAlarm(Struct, frozen=True, kw_only=True):
    """An alarm as the store keeps it."""

    key: int
    name: str
    text: str
    raised_at: datetime
    ended_at: datetime | None = None
    end_text: str = ""

    @property
    def told(self) -> str:
        """What there is to say about it now."""
        return self.end_text if self.ended_at is not None else self.text


class Ending(Struct, frozen=True, kw_only=True):
    """An alarm that is over, and what is said about that; nothing to say if the text is empty."""

    name: str
    text: str


class Change(Struct, frozen=True, kw_only=True):
    """What is new since the last look."""

    raised: tuple[Alarm, ...] = ()
    ended: tuple[Ending, ...] = ()
    reworded: tuple[Alarm, ...] = ()
    """Those that were open already and whose figures have changed: no news, but what is shown is true."""


class Observation(Struct, frozen=True, kw_only=True):
    """What is wrong now. ``judged`` are the kinds of alarms that were looked at: an open alarm of another kind stays
    as it is. ``endings`` says how some of them ended, by name or kind; the others end with a plain word."""

    alarms: tuple[Alarm, ...] = ()
    judged: frozenset[str] = frozenset()
    endings: Mapping[str, str] = field(default_factory=dict)


def kind_of(name: str) -> str:
    """``silence`` for ``silence:emnews``."""
    return name.partition(":")[0]


def compare(open_alarms: Iterable[KeptAlarm], look: Observation) -> Change:
    """Which alarms begin, which end, and which say something else by now."""
    known = {alarm.name: alarm for alarm in open_alarms}
    present = {alarm.name: alarm for alarm in look.alarms}
    raised = tuple(alarm for name, alarm in present.items() if name not in known)
    reworded = tuple(alarm for name, alarm in present.items() if name in known and known[name].text != alarm.text)
    ended = tuple(
        Ending(name=name, text=look.endings.get(name, look.endings.get(kind_of(name), f"over: {alarm.text}")))
        for name, alarm in known.items()
        if name not in present and kind_of(name) in look.judged
    )
    return Change(raised=raised, ended=ended, reworded=reworded)


def subject_of(alarms: Sequence[KeptAlarm], site: str) -> str:
    """One line for the head of a mail, the site first: new alarms before those that are over."""
    first = sorted(alarms, key=lambda alarm: (alarm.ended_at is not None, alarm.key))[0]
    more = f" (and {len(alarms) - 1} more)" if len(alarms) > 1 else ""
    verb = "over" if first.ended_at is not None else "alarm"
    text = first.told.removeprefix("over: ")
    return f"[{cut(clean_line(site), 40)}] {verb}: {cut(text, _SUBJECT_LIMIT - len(more))}{more}"


# ---------------------------------------------------------- what is wrong


def run_alarm(failures: Sequence[str]) -> Alarm | None:
    """A run that failed, with its first failures."""
    if not failures:
        return None
    more = f" (and {len(failures) - _NAMED} more)" if len(failures) > _NAMED else ""
    return Alarm.of(RUN, f"the run failed: {' | '.join(failures[:_NAMED])}{more}")


def paused_alarms(
    paused: Iterable[tuple[SavedEdition, str]], stopped: Iterable[StoppedReceiver] = ()
) -> Iterator[Alarm]:
    """Of editions that stand still, and of those that do not go to one receiver, with the reason of each."""
    for edition, reason in paused:
        name = f"{edition.digest} {edition.period}"
        yield Alarm.of(f"paused:{name}", paused_line(name, reason))
    for each in stopped:
        name = f"{each.digest} {each.period}"
        yield Alarm.of(f"paused:{name} {each.receiver}", paused_line(name, each.reason, each.receiver))


def page_alarm(awaited: AwaitedPage, zone: ZoneInfo, now: datetime) -> Alarm | None:
    """Mail that waits because its page is not in place. It leaves at last: a link that leads nowhere is less bad than
    no mail."""
    if now - awaited.since < PAGE_AFTER:
        return None
    leaves = last_call(awaited.since, awaited.expires_at).astimezone(zone)
    mails = f"{awaited.mails} mail waits" if awaited.mails == 1 else f"{awaited.mails} mails wait"
    return Alarm.of(
        f"page:{awaited.digest}",
        f"{awaited.digest} {awaited.period}: {mails}, since its page and feed cannot be put in place; see the failures "
        f"of digest run; without them it leaves from {leaves:%Y-%m-%d %H:%M} on",
    )


def gone_alarm(held: int) -> Alarm | None:
    """``held``: posts that are missing and not withdrawn."""
    if not held:
        return None
    posts = "post is" if held == 1 else "posts are"
    return Alarm.of(
        GONE,
        f"{held} {posts} missing or unusable, too many to be withdrawn unasked; put the files back, or accept "
        "that they are gone: digest run --accept-gone",
    )


def slot_to_judge(
    plan: Planned, zone: ZoneInfo, *, now: datetime, began: datetime | None, grace: timedelta
) -> Slot | None:
    """The latest slot that should have its edition by now; None before the digest began."""
    if began is None:
        return None
    slots = slots_between(plan.schedule, zone, max(began, now - LOOKBACK), now - grace)
    due = [slot for slot in slots if slot.day not in plan.holidays]
    return due[-1] if due else None


def slot_alarm(
    digest: str, slot: Slot, state: EditionState | None, reason: str, *, at: str, now: datetime
) -> Alarm | None:
    """A slot without an edition is late, one that was given up is missed. ``at`` is its local time in words."""
    if state is None:
        minutes = int((now - slot.at).total_seconds() // 60)
        return Alarm.of(f"slot:{digest}", f"{digest} {slot.period}: late; it was due {at}, {_span(minutes)} ago")
    if state is EditionState.SKIPPED and reason == "missed":
        return Alarm.of(f"slot:{digest}", f"{digest} {slot.period}: missed; it was due {at} and no run took place")
    return None


def differs(ahead: timedelta) -> bool:
    """Whether two clocks are too far apart to know what time it is."""
    return abs(ahead) > CLOCKS_DIFFER


def clocks_in_words(ahead: timedelta) -> str:
    """What is wrong, and what to do. ``ahead``: the database's clock, of this machine's."""
    minutes = int(abs(ahead).total_seconds() // 60)
    which = "ahead of" if ahead > timedelta() else "behind"
    return (
        f"the database's clock is {_span(minutes)} {which} this machine's, so no edition is made; set the one that is "
        "wrong (NTP keeps both right)"
    )


def clock_alarm(ahead: timedelta) -> Alarm | None:
    """``ahead``: by how much the database's clock is ahead of this machine's."""
    return Alarm.of(CLOCK, clocks_in_words(ahead)) if differs(ahead) else None


def disk_alarm(what: str, place: str, free: int, total: int, least: int) -> Alarm | None:
    """``least``: bytes that must be free. On a small disk a twentieth of it is enough."""
    if free >= min(least, total // 20) or total == 0:
        return None
    return Alarm.of(f"disk:{what}", f"{place}: only {free // 1_000_000} MB are free for the {what}; make room")


def store_alarm(cause: str) -> Alarm:
    return Alarm.of(STORE, f"the store cannot be used: {cause}")


def _span(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


# ------------------------------------------------------------------- words


def counted(counts: Mapping[DeliveryState, int] | DeliveryCounts) -> str:
    """``3 sent, 1 waiting``; in the order in which a reader asks."""
    by_state = counts.by_state if isinstance(counts, DeliveryCounts) else counts
    words = [f"{by_state[state]} {_WORDS[state]}" for state in _WORDS if by_state.get(state)]
    return ", ".join(words) or "none"


_WORDS = {
    DeliveryState.SENT: "sent",
    DeliveryState.QUEUED: "waiting",
    DeliveryState.LEASED: "in hand",
    DeliveryState.TRANSMITTING: "under way",
    DeliveryState.IN_DOUBT: "in doubt",
    DeliveryState.FAILED: "failed",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.SKIPPED: "not wanted any more",
}


def by_kind(alarms: Iterable[KeptAlarm]) -> Counter[str]:
    return Counter(kind_of(alarm.name) for alarm in alarms)
