"""When mail that should go out does not: a server that takes nothing, mail that waits too long or expired, doubts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.alarms.watching import Alarm
from digest.models import MAIL, Backlog, Expired, Outage
from digest.text import local_time

RELAY = "relay"
BACKLOG = "backlog"
EXPIRED = "expired"
DOUBT = "doubt"
BOUNCES = "bounces"
"""Names of alarms."""

OUT_TRIES = 2
OUT_FOR = timedelta(minutes=10)
"""A server that takes nothing is told after so many tries, or after so long if it can be reached."""
BACKLOG_AFTER = timedelta(minutes=30)
"""For so long mail may be due, and for as long as the allowed rate needs for its edition."""
EXPIRED_FOR = timedelta(days=1)
"""For so long it is told that mail expired."""
_NAMED = 3


def relay_alarms(outages: Mapping[str, Outage], zone: ZoneInfo, now: datetime) -> Iterator[Alarm]:
    """One for each channel that takes nothing."""
    for channel, outage in outages.items():
        if outage.tries >= OUT_TRIES or now - outage.since >= OUT_FOR:
            name, what = (RELAY, "no mail") if channel == MAIL else (f"{RELAY}:{channel}", f"{channel}: nothing")
            since = local_time(outage.since, zone, now)
            yield Alarm.of(name, f"{what} could be handed over since {since}: {outage.reason}")


def backlog_alarm(waiting: Sequence[Backlog], rate: float | None, zone: ZoneInfo, now: datetime) -> Alarm | None:
    """``rate``: mails a second at the most."""
    late = [
        each
        for each in waiting
        if now - each.since > BACKLOG_AFTER + _needed(each.total, rate if each.channel == MAIL else None)
    ]
    if not late:
        return None
    mails, since = sum(each.mails for each in late), min(each.since for each in late)
    verb = "mail is" if mails == 1 else "mails are"
    return Alarm.of(
        BACKLOG,
        f"{mails} {verb} due and not sent, the oldest since {local_time(since, zone, now)}: {_named(late)}; see why: "
        "digest status, and whether digest serve or digest deliver is at work",
    )


def expired_alarm(expired: Sequence[Expired]) -> Alarm | None:
    mails = sum(each.mails for each in expired)
    if not mails:
        return None
    verb = "mail" if mails == 1 else "mails"
    return Alarm.of(EXPIRED, f"{mails} {verb} could not be sent in time and expired: {_named(expired)}")


def doubt_alarm(doubts: int, *, hold: bool) -> Alarm | None:
    """``doubts``: deliveries of which nobody but the operator decides what becomes; with ``hold`` all in doubt."""
    if not doubts:
        return None
    waits = "delivery is" if doubts == 1 else "deliveries are"
    was = "held" if hold else "were sent twice without an answer" if doubts > 1 else "was sent twice without an answer"
    return Alarm.of(
        DOUBT, f"{doubts} {waits} in doubt and {was}; nothing is sent again until you decide: digest doubts list"
    )


def bounces_alarm(batches: Sequence[str]) -> Alarm | None:
    """``batches``: addresses that refusals would end, too many at once to be believed, in words."""
    if not batches:
        return None
    return Alarm.of(
        BOUNCES,
        f"too many addresses die of the same at once, so nobody else is suppressed for it: {'; '.join(batches)}; see "
        "what servers say: digest bounces batches, then digest bounces accept BATCH, or undo BATCH",
    )


def _needed(mails: int, rate: float | None) -> timedelta:
    return timedelta(seconds=mails / rate) if rate else timedelta()


def _named(editions: Sequence[Backlog | Expired]) -> str:
    names = [f"{each.digest} {each.period}{_by(each)}" for each in editions]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _by(edition: Backlog | Expired) -> str:
    return f" ({edition.channel})" if isinstance(edition, Backlog) and edition.channel != MAIL else ""
