"""A subscriber's new address: confirmed at the new one before anything changes, told to the old one afterwards.

Whoever holds a forwarded mail can ask for nothing: the form is behind a fresh link to the address that is known. It
gives the same answer whatever the new address is; one that is suppressed gets nothing, one that reads already is told
so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from digest.models import FrozenEdition, Recipient
from digest.subscribers.subscription import (
    ActionRequest,
    Consent,
    MailAddress,
    Notice,
    Origin,
    Request,
    Standing,
    Subscriber,
    parse_address,
)
from digest.subscribers.tokens import Keyring

WriteNotice = Callable[[Notice, str, datetime, dict[str, int]], tuple[FrozenEdition, Recipient]]
"""Makes the mail of a notice to an address, not yet queued; the numbers become part of its document."""


class MovingStore(Protocol):
    """What is kept about subscribers who move; every method is one transaction."""

    def standing(self, canonical: str, hashed: str, mailbox: str, now: datetime) -> Standing: ...
    def open_errand(
        self,
        key: int,
        kind: ActionRequest,
        mailbox: str,
        now: datetime,
        *,
        most: int,
        notice: Notice,
        mail: tuple[FrozenEdition, Recipient],
        address: str | None = None,
    ) -> bool: ...
    def tell(
        self, key: int, notice: Notice, mailbox: str, now: datetime, mail: tuple[FrozenEdition, Recipient]
    ) -> None: ...
    def move(
        self,
        key: int,
        given: Consent,
        hashed: str,
        now: datetime,
        *,
        old_address_notice: tuple[Notice, FrozenEdition, Recipient],
        request: int | None = None,
    ) -> bool: ...


class Moved(StrEnum):
    """What became of a new address."""

    MOVED = "moved"
    ASKED = "asked to confirm at the new address"
    KNOWN = "another subscriber has the new address"
    SUPPRESSED = "the new address is suppressed"
    TOO_MANY = "asked too often today"


class Moving(Struct, eq=False):
    """The use case, bound to a store and its keys."""

    _store: MovingStore
    _keys: Keyring
    _write: WriteNotice
    _mails_per_address: int

    def ask(self, subscriber: Subscriber, new: MailAddress, now: datetime) -> Moved:
        """Mail a link to the new address, if it may get one. Nothing has changed yet."""
        standing, mailbox = self._standing(new, now), self._keys.mailbox(new.canonical)
        verdict = _verdict(standing, subscriber)
        if verdict is Moved.KNOWN and standing.subscriber and not standing.notices.get(Notice.ALREADY, 0):
            other = standing.subscriber
            mail = self._write(Notice.ALREADY, other.address, now, {})
            self._store.tell(other.key, Notice.ALREADY, mailbox, now, mail)
        if verdict is not Moved.MOVED:
            return verdict
        asked = self._store.open_errand(
            subscriber.key,
            ActionRequest.ARRIVE,
            mailbox,
            now,
            most=self._mails_per_address,
            notice=Notice.ARRIVE,
            mail=self._write(Notice.ARRIVE, new.address, now, {}),
            address=new.address,
        )
        return Moved.ASKED if asked else Moved.TOO_MANY

    def arrive(self, subscriber: Subscriber, key: int, request: Request, now: datetime) -> bool:
        """The button behind the link to the new address was pressed. False if the address is somebody else's or
        suppressed by now, or somebody was first."""
        new = parse_address(request.address)
        if _verdict(self._standing(new, now), subscriber) is not Moved.MOVED:
            return False
        return self._move(
            subscriber, new, now, asked_at=request.asked_at, confirmed_at=now, text=_CONFIRMED, request=key
        )

    def vouch(self, subscriber: Subscriber, new: MailAddress, now: datetime, *, text: str, given_at: datetime) -> Moved:
        """The operator says that the subscriber wants it; ``text`` is where that comes from."""
        verdict = _verdict(self._standing(new, now), subscriber)
        if verdict is not Moved.MOVED:
            return verdict
        moved = self._move(subscriber, new, now, asked_at=now, confirmed_at=given_at, text=text, request=None)
        return Moved.MOVED if moved else Moved.KNOWN

    def _standing(self, new: MailAddress, now: datetime) -> Standing:
        return self._store.standing(
            new.canonical, self._keys.hashed(new.canonical), self._keys.mailbox(new.canonical), now
        )

    def _move(
        self,
        subscriber: Subscriber,
        new: MailAddress,
        now: datetime,
        *,
        asked_at: datetime,
        confirmed_at: datetime,
        text: str,
        request: int | None,
    ) -> bool:
        given = Consent(
            address=new.address,
            canonical=new.canonical,
            origin=Origin.MOVE,
            asked_at=asked_at,
            text=text,
            choices=subscriber.choices,
            preferences=subscriber.preferences,
            confirmed_at=confirmed_at,
        )
        return self._store.move(
            subscriber.key,
            given,
            self._keys.hashed(new.canonical),
            now,
            old_address_notice=(Notice.MOVED, *self._write(Notice.MOVED, subscriber.address, now, {})),
            request=request,
        )


_CONFIRMED = "confirmed by a link mailed to the new address"


def _verdict(standing: Standing, subscriber: Subscriber) -> Moved:
    """Whether a subscriber may have an address."""
    if standing.suppressed:
        return Moved.SUPPRESSED
    other = standing.subscriber
    return Moved.KNOWN if other is not None and other.key != subscriber.key and other.active else Moved.MOVED
