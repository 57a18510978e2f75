"""Deliveries in doubt: the operator looks into the mail server's log and says what became of them.

Nobody else can know. What is taken as sent is closed; what is sent again leaves with the same Message-ID and the same
bytes, if there is still time for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from digest.errors import StoreError
from digest.models import Doubt


class DoubtStore(Protocol):
    """The part of the ledger that knows doubts."""

    def doubts(self) -> list[Doubt]: ...
    def settle_doubts(self, keys: Sequence[int], now: datetime, *, sent: bool) -> int: ...


class Settled(Struct, frozen=True, kw_only=True):
    """What a decision changed."""

    changed: int
    late: int = 0
    """Rows that stay in doubt since their time is over."""


class Doubts:
    """The use cases, bound to a store and the present time."""

    def __init__(self, store: DoubtStore, now: datetime) -> None:
        self._store = store
        self._now = now

    def all(self) -> list[Doubt]:
        """By edition, then in the order they were queued."""
        return self._store.doubts()

    def sent(self, digest: str, period: str, address: str | None = None) -> Settled:
        """They arrived. Raises StoreError if there is no such row in doubt."""
        keys = [each.key for each in self._of(digest, period, address)]
        return Settled(changed=self._store.settle_doubts(keys, self._now, sent=True))

    def resend(self, digest: str, period: str, address: str | None = None) -> Settled:
        """They did not, or once more does no harm: queued again, due now. Raises StoreError if there is no such row in
        doubt."""
        chosen = self._of(digest, period, address)
        keys = [each.key for each in chosen if each.expires_at > self._now]
        changed = self._store.settle_doubts(keys, self._now, sent=False)
        return Settled(changed=changed, late=len(chosen) - len(keys))

    def _of(self, digest: str, period: str, address: str | None) -> list[Doubt]:
        named = [each for each in self.all() if (each.digest, each.period) == (digest, period)]
        chosen = [each for each in named if address is None or each.address.casefold() == address.strip().casefold()]
        if not chosen:
            whom = "" if address is None else " for this address"
            raise StoreError(f"{digest} {period}", f"nothing of it is in doubt{whom}", "see digest doubts list")
        return chosen
