"""Who runs the mailboxes of a domain, and how much mail each of these receivers takes.

A receiver is named by its main domain: ``qq.com`` stands for foxmail.com as well. Domains of nobody who is known here
share one queue and go without limits of their own, until one of them asks for less: from then on it is a receiver.

Slowing down is a matter of time alone. A receiver that asks for less gets half as much, at most once a minute, and
twice as much again after each ten minutes without another word; if it says so in words it also gets nothing for a
while, which grows as long as it goes on. Pure: ``jobs.delivery.shares`` asks, the store keeps it for all workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

OTHERS = ""
"""The name under which all domains go that have no receiver of their own."""


class Limit(Struct, frozen=True, kw_only=True):
    """What a receiver gets at the most."""

    rate: float | None = None
    """Messages a second; None for as many as all together."""
    connections: int | None = None
    """Messages under way at the same time; None for as many as all together."""


class Receiver(Struct, frozen=True, kw_only=True):
    """One of the big ones. None of them publishes what it takes: the limits are cautious ones of ours."""

    also: tuple[str, ...] = ()
    """Other domains with the same mail servers."""
    limit: Limit


_LARGE = Limit(rate=10, connections=4)
_USUAL = Limit(rate=5, connections=2)
_SMALL = Limit(rate=2, connections=1)

RECEIVERS: Mapping[str, Receiver] = {
    "gmail.com": Receiver(also=("googlemail.com",), limit=_LARGE),
    "outlook.com": Receiver(
        also=(
            *("hotmail.com", "live.com", "live.cn", "msn.com", "passport.com", "windowslive.com"),
            *(f"{name}.{land}" for name in ("hotmail", "live", "outlook") for land in ("de", "fr", "it", "es", "jp")),
            *("hotmail.co.uk", "live.co.uk", "live.nl", "live.ca", "live.com.au", "hotmail.be", "hotmail.ca"),
        ),
        limit=_LARGE,
    ),
    "qq.com": Receiver(also=("vip.qq.com", "foxmail.com"), limit=_USUAL),
    "163.com": Receiver(also=("126.com", "yeah.net", "vip.163.com", "vip.126.com", "188.com"), limit=_USUAL),
    "yahoo.com": Receiver(
        also=(
            *("ymail.com", "rocketmail.com", "myyahoo.com", "aol.com", "aim.com"),
            *(f"yahoo.{land}" for land in ("de", "fr", "it", "es", "ca", "in", "gr", "no", "se", "dk", "pl")),
            *(
                f"yahoo.{land}"
                for land in ("co.uk", "co.in", "co.id", "com.au", "com.br", "com.hk", "com.sg", "com.tw")
            ),
        ),
        limit=_USUAL,
    ),
    "icloud.com": Receiver(also=("me.com", "mac.com"), limit=_USUAL),
    "mail.ru": Receiver(also=("bk.ru", "inbox.ru", "list.ru", "internet.ru"), limit=_USUAL),
    "yandex.ru": Receiver(also=("ya.ru", "yandex.com", "yandex.by", "yandex.kz"), limit=_USUAL),
    "gmx.net": Receiver(also=("gmx.de", "gmx.at", "gmx.ch", "gmx.com", "web.de", "mail.com"), limit=_USUAL),
    "t-online.de": Receiver(also=("magenta.de",), limit=_SMALL),
    "sina.com": Receiver(also=("sina.cn", "vip.sina.com", "sina.com.cn"), limit=_SMALL),
    "sohu.com": Receiver(also=("vip.sohu.com",), limit=_SMALL),
    "aliyun.com": Receiver(limit=_SMALL),
    "139.com": Receiver(limit=_SMALL),
    "189.cn": Receiver(limit=_SMALL),
}

_OF_DOMAIN = {domain: name for name, each in RECEIVERS.items() for domain in (name, *each.also)}


def receiver_of(domain: str) -> str:
    """The receiver of a domain (lower case); ``OTHERS`` if it is none of those known here."""
    return _OF_DOMAIN.get(domain, OTHERS)


def group_of(receiver: str, address: str) -> str:
    """What refusals are judged together by: the receiver, or the domain of an address that has none."""
    return receiver or address.rpartition("@")[2].lower()


class Limits(Struct, frozen=True, kw_only=True):
    """Those of a site: what all together get, and who gets less."""

    ceiling: float
    """Messages a second to all together, which nobody gets more of."""
    given: Mapping[str, Limit] = {}
    """By receiver, or by domain for one that is no known receiver's; each part that is left open is as usual."""

    def rate_of(self, name: str) -> float:
        """Messages a second that a receiver gets as long as it does not ask for less."""
        return min(self.given.get(name, Limit()).rate or _usual(name).rate or self.ceiling, self.ceiling)

    def connections_of(self, name: str) -> int | None:
        """Messages to it that may be under way at the same time; None: as many as all together."""
        return self.given.get(name, Limit()).connections or _usual(name).connections

    @property
    def names(self) -> tuple[str, ...]:
        """Domains that are receivers here, and nowhere else."""
        return tuple(name for name in self.given if name not in RECEIVERS)


def _usual(name: str) -> Limit:
    return RECEIVERS[name].limit if name in RECEIVERS else Limit()


# ------------------------------------------------------------- slowing down

HALVED_EVERY = timedelta(minutes=1)
"""Refusals of messages that were under way together count once."""
DOUBLES_AFTER = timedelta(minutes=10)
SLOWEST = 1 / 60
"""Messages a second."""
RESTS = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30))
"""How long nothing is sent to a receiver that says it is too much: the first, the second, … time."""
FORGOTTEN = timedelta(hours=2)
"""After so long without another word it counts from the first again."""


class Throttle(Struct, frozen=True, kw_only=True):
    """How it stands with one receiver, for all workers."""

    name: str
    rate: float | None = None
    """Messages a second as of ``slowed_at``; None if it was never slowed."""
    slowed_at: datetime | None = None
    times: int = 0
    """How often it has said in words, lately, that it is too much."""
    rests_until: datetime | None = None
    reason: str = ""
    """What it said last."""
    free_at: datetime = datetime.min.replace(tzinfo=UTC)
    """When the next message may leave to it."""

    def rate_at(self, now: datetime, most: float) -> float:
        """Messages a second that it gets now; ``most`` when it has not said anything for long."""
        if self.rate is None or self.slowed_at is None or now < self.slowed_at - FORGOTTEN:
            return most
        doublings = min((now - self.slowed_at) / DOUBLES_AFTER, 60.0)
        return min(most, self.rate * 2 ** max(doublings, 0.0))

    def rest(self, now: datetime) -> timedelta:
        """For how long it gets nothing at all. An end that is further away than any rest was set by a wrong clock."""
        left = (self.rests_until or now) - now
        return left if timedelta() < left <= RESTS[-1] else timedelta()

    def slower(self, now: datetime, most: float, reason: str, *, rests: bool) -> Throttle:
        """After it has asked for less; ``rests``: in words, so that it is left alone."""
        since = None if self.slowed_at is None else now - self.slowed_at
        is_same = since is not None and timedelta() <= since < HALVED_EVERY
        if self.rest(now) or (is_same and not rests):
            return self  # it speaks of what was under way already
        again = since is not None and timedelta() <= since < FORGOTTEN
        times = (self.times if again else 0) + rests
        rate = max(self.rate_at(now, most) / 2, min(SLOWEST, most))
        slower = replace(self, rate=rate, slowed_at=now, times=times, reason=reason)
        if not rests:
            return slower
        until = now + RESTS[min(times, len(RESTS)) - 1]
        return replace(slower, rests_until=until, free_at=until)
