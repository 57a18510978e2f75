"""Subscribing, from the form to the last link: what the web pages and the command line do, each once.

A sign-up is kept first and looked at later (``handle``), so that whoever asks learns nothing, neither from the answer
nor from the time it takes. What a link may do is decided here from the row it names; an invalid link is
None, whatever is wrong with it. Mails are queued in the ledger in the same transaction as what they are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from digest.jobs.subscribers.erasing import Erasing
from digest.jobs.subscribers.moving import Moving, MovingStore, WriteNotice
from digest.models import FrozenEdition, Recipient
from digest.subscribers.subscription import (
    ASKABLE,
    CONFIRM_WITHIN,
    FRESH,
    ActionRequest,
    Answer,
    Choice,
    Consent,
    InvalidAddress,
    Less,
    Limit,
    ListState,
    Notice,
    Offer,
    Origin,
    Preferences,
    Request,
    Subscriber,
    answer,
    canonical,
    lessened,
    parse_address,
    pause_end,
    zone_of,
)
from digest.subscribers.tokens import Keyring, Purpose, Token

LIST_MAILS = 500
"""How many people of imports are asked to confirm within 24 hours: a list may be old, and bounces cost reputation."""
_HOUR = timedelta(hours=1)
_LIST_KEYS = 1 << 24
"""How many there can be in a token."""


class SubscriberStore(MovingStore, Protocol):
    """What is kept about subscribers; every method is one transaction."""

    def ask(self, asked: Consent, limits: Sequence[Limit], now: datetime) -> Limit | None: ...
    def unhandled(self, limit: int = 100, *, imported: bool = False) -> list[Consent]: ...
    def list_mails(self, since: datetime) -> int: ...
    def enrol(
        self,
        asked: Consent,
        hashed: str,
        now: datetime,
        *,
        mailbox: str = "",
        notice: tuple[Notice, FrozenEdition, Recipient] | None = None,
    ) -> bool: ...
    def dismiss(self, key: int) -> None: ...
    def consent(self, key: int) -> Consent | None: ...
    def confirm(self, key: int, now: datetime) -> bool: ...
    def subscriber(self, key: int) -> Subscriber | None: ...
    def subscriber_by(self, canonical: str) -> Subscriber | None: ...
    def list_name(self, list_key: int) -> str | None: ...
    def unsubscribe(self, key: int, now: datetime, list_key: int | None = None) -> int: ...
    def change(
        self, key: int, preferences: Preferences, pause_ends: datetime | None, choices: Sequence[Choice], now: datetime
    ) -> None: ...
    def lessen(
        self,
        key: int,
        list_key: int,
        wishes: Preferences,
        pause_ends: datetime | None,
        now: datetime,
        *,
        left_at: datetime | None = None,
    ) -> bool: ...
    def errand(self, key: int) -> Request | None: ...
    def use_errand(self, key: int, now: datetime) -> bool: ...
    def dossier(self, key: int) -> dict[str, Any] | None: ...


class Policy(Struct, frozen=True, kw_only=True):
    """What is offered, and how much of it."""

    offers: tuple[Offer, ...]
    zone: ZoneInfo
    """The site's."""
    mails_per_address: int = 3
    signups_per_ip: int = 10
    signups_total: int = 500
    keep_ip: bool = False
    form_seconds: int = 2
    """Nobody fills in a form faster."""
    form_valid: timedelta = timedelta(days=1)

    def has_weekly(self, digest: str) -> bool:
        """Whether a digest can be had once a week instead."""
        return any(offer.weekly for offer in self.offers if offer.digest == digest)


class SignUp(Struct, frozen=True, kw_only=True):
    """A form as it came in."""

    address: str
    choices: tuple[Choice, ...]
    preferences: Preferences
    text: str
    """The words above the button."""
    stamp: str
    """When the form was shown, signed (``SignupService.stamp``)."""
    trap: str = ""
    """A field that people do not see; only programs fill it in."""
    ip: str = ""


class Asked(StrEnum):
    """The answer to a form. It depends on what was written into it, never on who is known."""

    NOTED = "noted"
    BAD_ADDRESS = "bad address"
    NOTHING_CHOSEN = "nothing chosen"
    TOO_FAST = "too fast"
    """Or the form is too old, or it is not ours."""
    TOO_MANY = "too many"


class Opened(StrEnum):
    """What a link leads to."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    MANAGE = "manage"
    EXPORT = "export"
    ERASE = "erase"
    MOVE = "move"
    ARRIVE = "arrive"


class Page(Struct, frozen=True, kw_only=True):
    """What there is to see behind a link."""

    opened: Opened
    subscriber: Subscriber | None = None
    """None if they are erased (``UNSUBSCRIBE`` only)."""
    digest: str = ""
    """The list of an unsubscribe link; empty if nobody offers it any more."""
    back: str = ""
    """Who just left the list may have it again with this, in the next hour; empty for everybody else."""
    consent: Consent | None = None
    request: Request | None = None


class SignupService(Struct, eq=False):
    """The use cases, bound to a store and its keys."""

    _store: SubscriberStore
    _keys: Keyring
    policy: Policy
    _write: WriteNotice
    _moving: Moving
    _erasing: Erasing

    # -------------------------------------------------------------- sign-up

    def stamp(self, now: datetime) -> str:
        """For the form: when it was shown."""
        return self._keys.sign(Token(purpose=Purpose.FORM, subject=int(now.timestamp())))

    def ask(self, form: SignUp, now: datetime) -> Asked:
        """Take a sign-up in. Raises nothing that depends on who asks."""
        if form.trap:
            return Asked.NOTED  # a program; let it think that it worked
        if not self._in_time(form.stamp, now):
            return Asked.TOO_FAST
        if not form.choices:
            return Asked.NOTHING_CHOSEN
        try:
            address = parse_address(form.address)
        except InvalidAddress:
            return Asked.BAD_ADDRESS
        asked = Consent(
            address=address.address,
            canonical=address.canonical,
            origin=Origin.FORM,
            asked_at=now,
            text=form.text,
            choices=form.choices,
            preferences=form.preferences,
            ip=shortened(form.ip, 24, 48) if self.policy.keep_ip else "",
        )
        limits = [Limit(kind="signup", who="", most=self.policy.signups_total, within=_HOUR)]
        place = self._keys.hashed(f"ip {shortened(form.ip, 32, 64)}")  # those without an address have one limit
        limits.append(Limit(kind="signup", who=place, most=self.policy.signups_per_ip, within=_HOUR))
        return Asked.NOTED if self._store.ask(asked, limits, now) is None else Asked.TOO_MANY

    def handle(self, now: datetime) -> int:
        """Look at every sign-up that waits: queue a mail about it, or not. Of those that an import brought, only as
        many as may be asked in a day. Returns how many there were."""
        count = 0
        while waiting := self._store.unhandled():
            for asked in waiting:
                self._handle(asked, now)
            count += len(waiting)
        room = LIST_MAILS - self._store.list_mails(now - timedelta(days=1))
        while room > 0 and (waiting := self._store.unhandled(min(room, 100), imported=True)):
            for asked in waiting:
                self._handle(asked, now)
            count += len(waiting)
            room -= len(waiting)
        return count

    def _handle(self, asked: Consent, now: datetime) -> None:
        hashed, mailbox = self._keys.hashed(asked.canonical), self._keys.mailbox(asked.canonical)
        standing = self._store.standing(asked.canonical, hashed, mailbox, now)
        verdict = answer(asked, standing, mails_a_day=self.policy.mails_per_address)
        if verdict is Answer.NOTHING or not _still_wanted(asked, standing.subscriber):
            self._store.dismiss(asked.key)
        elif verdict is Answer.WAIT:
            self._store.enrol(asked, hashed, now)
        else:
            notice = Notice(verdict.value)
            mail = self._write(notice, asked.address, now, {"consent": asked.key})
            self._store.enrol(asked, hashed, now, mailbox=mailbox, notice=(notice, *mail))

    def _in_time(self, stamp: str, now: datetime) -> bool:
        token = self._keys.read(stamp)
        if token is None or token.purpose is not Purpose.FORM:
            return False
        age = now.timestamp() - token.subject
        return self.policy.form_seconds <= age <= self.policy.form_valid.total_seconds()

    # ---------------------------------------------------------------- links

    def open(self, text: str, now: datetime) -> Page | None:
        """What a link leads to. Changes nothing. None for an invalid link."""
        token = self._keys.read(text)
        if token is None:
            return None
        look = {
            Purpose.CONFIRM: self._open_confirm,
            Purpose.UNSUBSCRIBE: self._open_unsubscribe,
            Purpose.MANAGE: self._open_manage,
            Purpose.ERRAND: self._open_errand,
        }.get(token.purpose)
        return None if look is None else look(token, now)

    def confirm(self, text: str, now: datetime) -> Page | None:
        """Press the button of a confirmation. Pressing it twice says the same, and changes nothing."""
        token, page = self._keys.read(text), self.open(text, now)
        if token is None or page is None or page.opened is not Opened.CONFIRM:
            return None
        self._store.confirm(token.subject, now)
        return self.open(text, now)

    def unsubscribe(self, text: str, now: datetime, *, everything: bool = False) -> Page | None:
        """End one list, or all of them. Any number of times, for ever."""
        token, page = self._keys.read(text), self.open(text, now)
        if token is None or page is None or page.opened not in (Opened.UNSUBSCRIBE, Opened.MANAGE):
            return None
        one_list = token.list_key if page.opened is Opened.UNSUBSCRIBE and not everything else None
        self._store.unsubscribe(token.subject, now, one_list)
        left = self.open(text, now)
        if left is None or one_list is None or not is_only_list(page):
            return left
        return replace(left, back=self._keys.sign(_back(left)))

    def lessen(self, text: str, less: Less, back: str, now: datetime) -> Page | None:
        """Less mail of one list, by the link to leave it. It may do nothing else: who reads other lists too, for whom
        all of them would change, stays as they are, and a pause grows no shorter. Whoever left the list within the
        hour reads it again, with the ``back`` of the page that said so. None if nothing came of it."""
        token, page = self._keys.read(text), self.open(text, now)
        if token is None or page is None or page.opened is not Opened.UNSUBSCRIBE or page.subscriber is None:
            return None
        if less is Less.WEEKLY and not self.policy.has_weekly(page.digest):
            return None
        subscriber, here = page.subscriber, page.subscriber.to(page.digest)
        left_at = None
        if here is not None and here.state is ListState.UNSUBSCRIBED:
            if self._keys.read(back) != _back(page) or now - here.since > FRESH:
                return None
            left_at = here.since
        known = subscriber.preferences
        wishes = lessened(known, less, self._today(known, now))
        ends = pause_end(wishes, self.policy.zone)
        is_done = self._store.lessen(token.subject, token.list_key, wishes, ends, now, left_at=left_at)
        return self.open(text, now) if is_done else None

    def _today(self, preferences: Preferences, now: datetime) -> date:
        return now.astimezone(zone_of(preferences, self.policy.zone)).date()

    def change(self, text: str, preferences: Preferences, choices: Sequence[Choice], now: datetime) -> Page | None:
        """Save preferences; digests that are read and not among the choices are left."""
        page = self._managing(text, now)
        if page is None or page.subscriber is None:
            return None
        subscriber = page.subscriber
        self._store.change(subscriber.key, preferences, pause_end(preferences, self.policy.zone), choices, now)
        kept = {choice.digest for choice in choices}
        for each in subscriber.active:
            if each.digest not in kept:
                self._store.unsubscribe(subscriber.key, now, each.list_key)
        return self.open(text, now)

    def change_to_less(self, text: str, less: Less, now: datetime) -> Page | None:
        """Less mail of everything that is read; what else was chosen stays."""
        page = self._managing(text, now)
        if page is None or page.subscriber is None:
            return None
        known = page.subscriber.preferences
        return self.change(text, lessened(known, less, self._today(known, now)), page.subscriber.choices, now)

    def request(self, text: str, errand: ActionRequest, now: datetime) -> bool | None:
        """Have a fresh link mailed to the subscriber's own address. False if that was done too often today."""
        page = self._managing(text, now)
        if page is None or page.subscriber is None or errand not in ASKABLE:
            return None
        notice = Notice(errand.value)
        mailbox = self._keys.mailbox(canonical(page.subscriber.address))
        mail = self._write(notice, page.subscriber.address, now, {})
        return self._store.open_errand(
            page.subscriber.key, errand, mailbox, now, most=self.policy.mails_per_address, notice=notice, mail=mail
        )

    def export(self, text: str, now: datetime) -> dict[str, Any] | None:
        """All data of one person, once."""
        subscriber = self._used(text, Opened.EXPORT, now)
        return None if subscriber is None else self._store.dossier(subscriber.key)

    def erase(self, text: str, now: datetime) -> tuple[str, ...] | None:
        """Forget one person. Returns what is left of them for now, a line each, for the operator; None for a link that
        is invalid."""
        subscriber = self._used(text, Opened.ERASE, now)
        return None if subscriber is None else self._erasing.erase(subscriber.key, now)

    def move(self, text: str, address: str, now: datetime) -> Asked | None:
        """Name a new address: a link is mailed to it, if it may get mail. The answer depends on what was written, never
        on whose address it is. None for an invalid link. Raises nothing that depends on who asks."""
        page = self.open(text, now)
        if page is None or page.opened is not Opened.MOVE:
            return None
        try:
            new = parse_address(address)
        except InvalidAddress:
            return Asked.BAD_ADDRESS
        subscriber = self._used(text, Opened.MOVE, now)
        if subscriber is None:
            return None
        self._moving.ask(subscriber, new, now)
        return Asked.NOTED

    def arrive(self, text: str, now: datetime) -> bool:
        """Confirm a new address. False for an invalid link."""
        token, page = self._keys.read(text), self.open(text, now)
        if token is None or page is None or page.request is None or page.opened is not Opened.ARRIVE:
            return False
        return page.subscriber is not None and self._moving.arrive(page.subscriber, token.subject, page.request, now)

    def _used(self, text: str, opened: Opened, now: datetime) -> Subscriber | None:
        token, page = self._keys.read(text), self.open(text, now)
        if token is None or page is None or page.opened is not opened:
            return None
        return page.subscriber if self._store.use_errand(token.subject, now) else None

    def _managing(self, text: str, now: datetime) -> Page | None:
        page = self.open(text, now)
        return page if page is not None and page.opened is Opened.MANAGE else None

    def _open_confirm(self, token: Token, now: datetime) -> Page | None:
        consent = self._store.consent(token.subject)
        if consent is None:
            return None
        late = now - consent.asked_at > CONFIRM_WITHIN
        subscriber = self._store.subscriber_by(consent.canonical)
        if subscriber is None or (late and consent.confirmed_at is None):
            return None
        return Page(opened=Opened.CONFIRM, subscriber=subscriber, consent=consent)

    def _open_unsubscribe(self, token: Token, now: datetime) -> Page | None:
        return Page(
            opened=Opened.UNSUBSCRIBE,
            subscriber=self._store.subscriber(token.subject),
            digest=self._store.list_name(token.list_key) or "",
        )

    def _open_manage(self, token: Token, now: datetime) -> Page | None:
        subscriber = self._store.subscriber(token.subject)
        return None if subscriber is None else Page(opened=Opened.MANAGE, subscriber=subscriber)

    def _open_errand(self, token: Token, now: datetime) -> Page | None:
        request = self._store.errand(token.subject)
        if request is None or request.used or now - request.asked_at > FRESH:
            return None
        subscriber = self._store.subscriber(request.subscriber)
        return (
            None
            if subscriber is None
            else Page(opened=Opened(request.errand.value), subscriber=subscriber, request=request)
        )


def is_only_list(page: Page) -> bool:
    """Whether the list of an unsubscribe link is read, and no other."""
    return page.subscriber is not None and [each.digest for each in page.subscriber.active] == [page.digest]


def _back(page: Page) -> Token:
    """What says that somebody left the list of the page when its row says so."""
    assert page.subscriber is not None
    here = page.subscriber.to(page.digest)
    assert here is not None
    second = int(here.since.timestamp()) % _LIST_KEYS
    return Token(purpose=Purpose.BACK, subject=page.subscriber.key, list_key=second)


def shortened(ip: str, bits4: int, bits6: int) -> str:
    """The network that an IP address is in; empty for what is none."""
    from ipaddress import ip_network

    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return str(ip_network((address, bits4 if address.version == 4 else bits6), strict=False))


class Links(Struct, eq=False):
    """Addresses of pages for one subscriber, or for the operator, to be filled into mails."""

    _keys: Keyring
    _base: str
    """The address of the pages without a slash at its end."""

    def unsubscribe(self, subscriber: int, list_key: int) -> str:
        return self._of(Token(purpose=Purpose.UNSUBSCRIBE, subject=subscriber, list_key=list_key))

    def manage(self, subscriber: int) -> str:
        return self._of(Token(purpose=Purpose.MANAGE, subject=subscriber))

    def confirm(self, consent: int) -> str:
        return self._of(Token(purpose=Purpose.CONFIRM, subject=consent))

    def errand(self, errand: int) -> str:
        return self._of(Token(purpose=Purpose.ERRAND, subject=errand))

    def approve(self, approval: int) -> str:
        return self._of(Token(purpose=Purpose.APPROVE, subject=approval))

    def _of(self, token: Token) -> str:
        return f"{self._base}/{self._keys.sign(token)}"


def _still_wanted(asked: Consent, subscriber: Subscriber | None) -> bool:
    """Whether somebody whom the operator brought still waits: they may have come or left by themselves since."""
    if subscriber is None or asked.origin is Origin.FORM:
        return True
    return any(each.state is ListState.PENDING for each in subscriber.subscriptions)
