"""The page on which the operator approves an edition: what is behind its link, and what its button does.

Whoever has the link may approve, as long as the edition waits. When it is over the link tells what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.edition.approval import NOT_APPROVED
from digest.models import Approval, DeliveryCounts, DeliveryState, EditionState, SavedEdition
from digest.subscribers.tokens import Keyring, Purpose


class ApprovalStore(Protocol):
    """What is needed of the store."""

    def approval(self, key: int) -> Approval | None: ...

    def approval_html(self, key: int) -> str: ...

    def approve(self, key: int, now: datetime, seen: str | None = None) -> bool: ...

    def edition(self, digest: str, period: str) -> SavedEdition | None: ...

    def slot_state(self, digest: str, period: str, now: datetime | None = None) -> tuple[EditionState | None, str]: ...

    def counts(self, edition_key: int | None = None) -> DeliveryCounts: ...


class Standing(StrEnum):
    """How it stands with an edition."""

    WAITING = "waiting"
    APPROVED = "approved"
    """The next run makes it."""
    OVER = "over"
    """Its time is over; the next run makes it or gives it up."""
    MADE = "made"
    NOT_APPROVED = "not approved"
    NOT_MADE = "not made"
    """Nothing was left to say, or its time passed while nothing ran."""


class Asked(Struct, frozen=True, kw_only=True):
    """What there is to see behind a link."""

    approval: Approval
    standing: Standing
    mails: int = 0
    """How many have left of an edition that was made,"""
    total: int = 0
    """of how many."""
    page: str = ""
    """Address of the page of one that was made."""
    has_changed: bool = False
    """It was not approved, since it is no longer what was looked at."""


class Approvals(Struct, frozen=True, eq=False):
    """The use cases, bound to a store and its keys."""

    _store: ApprovalStore
    _keys: Keyring
    zone: ZoneInfo
    """The site's."""
    _page_of: Callable[[str, str], str]

    def is_link(self, text: str) -> bool:
        """Whether it is one of these links at all."""
        return self._key(text) is not None

    def open(self, text: str, now: datetime) -> Asked | None:
        """What a link leads to. Changes nothing. None for an invalid link."""
        approval = self._approval(text)
        return None if approval is None else self._asked(approval, now)

    def approve(self, text: str, seen: str, now: datetime) -> Asked | None:
        """Press the button below what was ``seen``. Pressing it twice says the same, and changes nothing; so does what
        comes too late, and what is pressed below something else than there is now."""
        approval = self._approval(text)
        if approval is None:
            return None
        done = now < approval.until and self._store.approve(approval.key, now, seen)
        asked = self.open(text, now)
        if done or asked is None or asked.standing is not Standing.WAITING:
            return asked
        return Asked(approval=asked.approval, standing=asked.standing, has_changed=True)

    def preview(self, text: str) -> str:
        """HTML of the mail as it would go; empty if there is none, or none any more."""
        approval = self._approval(text)
        return "" if approval is None else self._store.approval_html(approval.key)

    def _key(self, text: str) -> int | None:
        token = self._keys.read(text)
        return token.subject if token is not None and token.purpose is Purpose.APPROVE else None

    def _approval(self, text: str) -> Approval | None:
        key = self._key(text)
        return None if key is None else self._store.approval(key)

    def _asked(self, approval: Approval, now: datetime) -> Asked:
        if approval.ended_at is None:
            return Asked(approval=approval, standing=_still_open(approval, now))
        state, reason = self._store.slot_state(approval.digest, approval.period)
        edition = self._store.edition(approval.digest, approval.period)
        if state is None or edition is None:
            return Asked(approval=approval, standing=Standing.NOT_MADE)
        if state is EditionState.SKIPPED:
            is_ours = reason == NOT_APPROVED
            return Asked(approval=approval, standing=Standing.NOT_APPROVED if is_ours else Standing.NOT_MADE)
        counts = self._store.counts(edition.key)
        return Asked(
            approval=approval,
            standing=Standing.MADE,
            mails=counts[DeliveryState.SENT],
            total=counts.total,
            page=self._page_of(approval.digest, approval.period),
        )


def _still_open(approval: Approval, now: datetime) -> Standing:
    if approval.approved_at is not None:
        return Standing.APPROVED
    return Standing.WAITING if now < approval.until else Standing.OVER
