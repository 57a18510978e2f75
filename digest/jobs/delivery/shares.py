"""Whose mail comes next: receivers in turn, each as fast as it takes it, so that one that is slow delays nobody else.

What each gets is kept in the ledger, so that all workers keep to it together; here it is remembered for a moment, so
that not every message asks.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from digest.models import Delivery
from digest.ports import Ledger, Share
from digest.receivers import OTHERS, Limits, Throttle, group_of

_FRESH = 1.0
"""Seconds for which it is good to have looked who has mail due."""
_SOON = timedelta(milliseconds=50)
"""When to look again for what is due and could not be claimed: somebody else is just doing so."""
_REFUSED = timedelta(milliseconds=100)
"""When to ask again for a receiver whose turn it was and that gave nothing: others are at it."""
_RELAY = 3
"""So many receivers that ask for less, and nobody who took anything between: it is the relay that speaks."""


class Shares:
    """Of one run of ``deliver``; its threads share it."""

    def __init__(
        self,
        ledger: Ledger,
        limits: Limits,
        *,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
        patience: timedelta | None,
    ) -> None:
        """``patience``: a receiver that gets nothing for longer is left to the next run; None: nobody is. Raises
        StoreError."""
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._ticks = ticks
        self._patience = patience
        self._lock = threading.Lock()
        self._queues: deque[Throttle] = deque()
        self._free_at: dict[str, datetime] = {}
        self._looked = -math.inf
        self._slowed: set[str] = set()
        ledger.know_receivers(limits.names, clock())

    def next(self) -> Share | None:
        """Of whom to claim now; None if there is nothing that may leave now."""
        with self._lock:
            if not self._queues or self._ticks() - self._looked > _FRESH:
                self._look()
            now = self._clock()
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                if self._wait_for(queue, now) <= timedelta():
                    share = self._share(queue, now)
                    if share.spacing is not None:  # nobody else here asks meanwhile
                        self._free_at[queue.name] = now + share.spacing
                    return share
        return None

    def gave(self, share: Share, count: int) -> None:
        """What came of a claim: so many rows."""
        with self._lock:
            if share.spacing is not None:
                if not count:
                    self._free_at[share.receiver] = self._clock() + min(_REFUSED, share.spacing)
            elif not count:
                self._queues = deque(each for each in self._queues if each.name != share.receiver)

    def seconds(self) -> float | None:
        """Until something may leave; None if nothing waits, or nothing that is waited for."""
        with self._lock:
            if not self._queues or self._ticks() - self._looked > _FRESH:
                self._look()
            now = self._clock()
            waits = [self._wait_for(each, now) for each in self._queues if not self._is_left(each, now)]
        if not waits:
            return None
        first = min(waits)
        return (first if first > timedelta() else _SOON).total_seconds()

    def resting(self) -> Iterator[str]:
        """Those that get nothing for now although there is mail for them, in words without the end of it."""
        now = self._clock()
        for each in self._ledger.queues(now):
            if rest := each.rest(now):
                most = self._limits.rate_of(each.name)
                rate, minutes = each.rate_at(now, most), math.ceil(rest / timedelta(minutes=1))
                yield f"{each.name}: nothing for {minutes} min, then {rate:.2g}/s instead of {most:g}/s: {each.reason}"

    def slower(self, row: Delivery, reason: str, *, rests: bool) -> bool:
        """The receiver of a row asks for less. Returns whether it rather is the relay, since it says so to everybody.
        A domain without limits becomes a receiver only if it says so in words: many put off whoever is new."""
        name, now = group_of(row.receiver, row.address), self._clock()
        with self._lock:
            self._slowed.add(name)
            is_relay = len(self._slowed) >= _RELAY
            if not row.receiver and not rests:
                return is_relay
            known = next((each for each in self._ledger.throttles() if each.name == name), Throttle(name=name))
            slower = known.slower(now, self._limits.rate_of(name), reason, rests=rests)
            if slower is not known:
                self._ledger.slow_receiver(slower)
            self._looked = -math.inf
        return is_relay

    def took(self) -> None:
        """Somebody took a message."""
        if self._slowed:
            with self._lock:
                self._slowed.clear()

    def _look(self) -> None:
        self._looked = self._ticks()
        first = self._queues[0].name if self._queues else ""
        found = self._ledger.queues(self._clock())
        at = next((place for place, each in enumerate(found) if each.name >= first), 0)
        self._queues = deque((*found[at:], *found[:at]))

    def _wait_for(self, queue: Throttle, now: datetime) -> timedelta:
        if queue.name == OTHERS:
            return timedelta()
        ahead = max(queue.free_at, self._free_at.get(queue.name, queue.free_at)) - now
        return max(queue.rest(now), ahead if ahead <= timedelta(hours=1) else timedelta())

    def _is_left(self, queue: Throttle, now: datetime) -> bool:
        return self._patience is not None and self._wait_for(queue, now) > self._patience

    def _share(self, queue: Throttle, now: datetime) -> Share:
        if queue.name == OTHERS:
            return Share(receiver=OTHERS)
        spacing = timedelta(seconds=1 / queue.rate_at(now, self._limits.rate_of(queue.name)))
        return Share(receiver=queue.name, spacing=spacing, connections=self._limits.connections_of(queue.name))
