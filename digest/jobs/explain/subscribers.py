"""``digest explain --subscriber``: what somebody gets, got and did not get, and why.

What became of each mail is in the ledger. Why there was none is in what was noted when the edition was frozen
(``Omission``), else in what the subscriber chose and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from digest.edition.selection import Selection, read_selection
from digest.inquiry import DeliveryNote, EditionNote, Omission
from digest.jobs.editions.make import DigestPlan, Periods, upcoming
from digest.jobs.explain.posts import Explanation, Fact, View, is_past, not_made
from digest.models import DeliveryState, EditionKind, EditionState, KnownPost
from digest.outbox import masked
from digest.period import Kind, period_days
from digest.subscribers.bounces import Batch
from digest.subscribers.subscription import (
    CONFIRM_WITHIN,
    Consent,
    Frequency,
    ListState,
    Subscriber,
    Subscription,
    SuppressionReason,
    not_before,
    weekly_name,
)

RECENT = 10
"""Editions of each digest, without a date."""


class SubscriberInquiries(Periods, Protocol):
    """What is known about subscribers, editions and mails."""

    def subscriber_by(self, canonical: str) -> Subscriber | None: ...
    def consents(self, key: int) -> list[Consent]: ...
    def suppressed(self, hashed: str) -> tuple[SuppressionReason, datetime, str] | None: ...
    def batch_of(self, hashed: str) -> Batch | None: ...
    def unconfirmed(self, canonical: str) -> datetime | None: ...
    def mails_to(self, address: str, subscriber_key: int | None) -> list[DeliveryNote]: ...
    def is_counted(self, edition: int) -> bool: ...
    def omissions(self, subscriber_key: int) -> dict[int, Omission]: ...
    def edition_notes(self, digest: str, since: datetime | None = None, limit: int = 400) -> list[EditionNote]: ...
    def posts_in(self, editions: Sequence[int]) -> dict[int, KnownPost]: ...


class Address(Struct, frozen=True, kw_only=True):
    """Whom it is about."""

    typed: str
    canonical: str
    hashed: str
    is_listed: bool
    """It is in ``mail.to``: it always gets every digest."""
    is_channel: bool = False
    """It is the name of a channel."""


def explain_subscriber(
    store: SubscriberInquiries, plans: Sequence[DigestPlan], address: Address, view: View
) -> Explanation:
    """Who somebody is to us, and each edition's mail to them or why there was none."""
    subscriber = store.subscriber_by(address.canonical)
    mails = store.mails_to(address.typed, subscriber.key if subscriber else None)
    facts = [*_standing(store, address, subscriber, view)]
    if subscriber is not None:
        facts += _choices(subscriber, view)
    facts += _notices(mails, view)
    omissions = store.omissions(subscriber.key) if subscriber is not None else {}
    for plan in plans:
        if view.digest in (None, plan.name) and _concerns(plan, subscriber, address, mails):
            facts += _Editions(store, plan, address, subscriber, _of(plan, mails), omissions, view).facts()
    return Explanation(subject=masked(address.typed), facts=tuple(facts), about={"address": address.typed})


def explain_channel(
    store: SubscriberInquiries, plans: Sequence[DigestPlan], name: str, digest: str | None, view: View
) -> Explanation:
    """What became of each edition by a channel. ``digest`` is the one that it gets; None if it is not configured."""
    says = f"gets the editions of {digest}" if digest else "is not configured, and gets nothing any more"
    facts = [Fact(code="channel", says=says, digest=digest or "")]
    mails = store.mails_to(name, None)
    address = Address(typed=name, canonical=name, hashed="", is_listed=False, is_channel=True)
    for plan in plans:
        if view.digest in (None, plan.name) and (plan.name == digest or _of(plan, mails)):
            facts += _Editions(store, plan, address, None, _of(plan, mails), {}, view).facts()
    return Explanation(subject=name, facts=tuple(facts), about={"channel": name})


def _of(plan: DigestPlan, mails: Sequence[DeliveryNote]) -> dict[str, DeliveryNote]:
    """Those of one digest by period."""
    return {each.edition.period: each for each in reversed(mails) if each.edition.digest == plan.name}


def _concerns(plan: DigestPlan, subscriber: Subscriber | None, address: Address, mails: Iterable[DeliveryNote]) -> bool:
    """Digests that nobody asked for are passed over."""
    if any(each.edition.digest == plan.name for each in mails):
        return True
    wanted = subscriber is not None and subscriber.to(plan.sums_up or plan.name) is not None
    if plan.sums_up:
        return wanted and subscriber is not None and subscriber.preferences.frequency is Frequency.WEEKLY
    return wanted or address.is_listed


# ----------------------------------------------------------------- standing


def _standing(
    store: SubscriberInquiries, address: Address, subscriber: Subscriber | None, view: View
) -> Iterator[Fact]:
    """Known or not, listed, suppressed, held."""
    if address.is_listed:
        yield Fact(code="listed", says="in mail.to: gets every digest, without a subscription")
    suppressed = store.suppressed(address.hashed)
    if suppressed is not None:
        reason, since, note = suppressed
        says = f"suppressed since {view.time(since)} ({reason.value}{f': {note}' if note else ''}): nothing is sent"
        yield Fact(code="suppressed", says=says, at=since, stored=reason.value)
    batch = store.batch_of(address.hashed)
    if batch is not None:
        yield Fact(code="batch", says=f"one of too many at once: {batch.line()}", at=batch.opened_at)
    if subscriber is None:
        if not address.is_listed:
            yield _stranger(store, address, view)
        return
    if subscriber.held_until is not None:
        held = f"held until {view.time(subscriber.held_until)}: the mailbox refused mail for days; one is tried then"
        yield Fact(code="held", says=held, at=subscriber.held_until)
    for consent in store.consents(subscriber.key):
        yield _consent(consent, view)


def _stranger(store: SubscriberInquiries, address: Address, view: View) -> Fact:
    asked = store.unconfirmed(address.canonical)
    if asked is None:
        return Fact(code="unknown", says="no subscriber, and never was, or was erased")
    return Fact(code="asked", says=f"asked {view.time(asked)}; the mail to confirm is not made yet", at=asked)


def _consent(consent: Consent, view: View) -> Fact:
    what = ", ".join(choice.digest for choice in consent.choices)
    asked = f"asked {view.time(consent.asked_at)} for {what} ({consent.origin.value})"
    if consent.confirmed_at is not None:
        return Fact(
            code="confirmed", says=f"{asked}, confirmed {view.time(consent.confirmed_at)}", at=consent.confirmed_at
        )
    until = consent.asked_at + CONFIRM_WITHIN
    late = "the link was valid" if until < view.now else "the link is valid"
    return Fact(
        code="unconfirmed", says=f"{asked}, not confirmed; {late} until {view.time(until)}", at=consent.asked_at
    )


def _choices(subscriber: Subscriber, view: View) -> Iterator[Fact]:
    """What they read and how they want it."""
    for each in subscriber.subscriptions:
        if view.digest in (None, each.digest):
            only = f", only {', '.join(each.categories)}" if each.categories else ""
            yield Fact(
                code=each.state.value,
                says=f"{each.digest}: {each.state.value} since {view.time(each.since)}{only}",
                digest=each.digest,
                at=each.since,
            )
    preferences = subscriber.preferences
    if preferences.frequency is Frequency.WEEKLY:
        yield Fact(code="weekly", says="wants one mail a week")
    if preferences.hour is not None:
        zone = preferences.zone or view.zone.key
        yield Fact(code="hour", says=f"wants mail not before {preferences.hour:02}:00 ({zone})")
    if preferences.paused_until is not None:
        over = "over" if preferences.paused_until <= view.now.astimezone(view.zone).date() else "no mail until then"
        yield Fact(code="paused", says=f"paused until {preferences.paused_until.isoformat()}, {over}")


def _notices(mails: Iterable[DeliveryNote], view: View) -> Iterator[Fact]:
    """Mails about the subscription itself."""
    if view.digest is not None:
        return
    for each in mails:
        if each.edition.kind is EditionKind.NOTICE and (
            view.date is None or _overlap(view.date, _day_of(each.edition, view))
        ):
            yield _mail(each, f"mail “{each.edition.subject}”", view)


def _overlap(asked: str, period: str) -> bool:
    """Whether two periods have a day in common, by their names."""
    (first, last), (begins, ends) = period_days(asked), period_days(period)
    return first <= ends and begins <= last


def _day_of(edition: EditionNote, view: View) -> str:
    return edition.frozen_at.astimezone(view.zone).date().isoformat()


# ----------------------------------------------------------------- editions


class _Editions(Struct, frozen=True):
    """One digest's editions as one subscriber saw them."""

    _store: SubscriberInquiries
    _plan: DigestPlan
    _address: Address
    _subscriber: Subscriber | None
    _mails: dict[str, DeliveryNote]
    """By period."""
    _omissions: dict[int, Omission]
    _view: View

    def facts(self) -> Iterator[Fact]:
        known = self._store.edition_notes(self._plan.name)
        notes = [each for each in known if self._is_asked(each.period) and is_past(each, self._view)]
        for each in notes if self._view.date else notes[:RECENT]:
            yield self._edition(each)
        if not notes:
            yield self._none_yet()
        if self._view.date is None:
            yield from self._next()

    def _is_asked(self, period: str) -> bool:
        return self._view.date is None or _overlap(self._view.date, period)

    def _edition(self, edition: EditionNote) -> Fact:
        name = f"{edition.digest} {edition.period}"
        mail = self._mails.get(edition.period)
        if mail is not None:
            return _mail(mail, name, self._view)
        code, says = self._why_not(edition)
        what = "not sent" if self._address.is_channel else "no mail"
        return Fact(code=code, says=f"{name}: {what}; {says}", digest=edition.digest, period=edition.period)

    def _why_not(self, edition: EditionNote) -> tuple[str, str]:
        """In the order in which it was decided when the edition was made."""
        if edition.state is EditionState.SKIPPED:
            return "not-made", not_made(edition)
        subscriber, mine = self._subscriber, self._mine()
        if (noted := self._omissions.get(edition.key)) is not None:
            return f"was-{noted.value}", _OMITTED[noted]
        if self._store.is_counted(edition.key):
            return "counted", "whether it was sent is forgotten: of old editions only counts are kept"
        if subscriber is None or mine is None:
            if self._address.is_channel:
                return "not-listed", "it was no channel of this digest then, or the edition was backfilled"
            if self._address.is_listed:
                return "not-listed", "it was not in mail.to then, or the edition was made up later and not mailed"
            return "no-subscription", "there is no subscription to it"
        return self._by_choice(edition, subscriber, mine)

    def _by_choice(self, edition: EditionNote, subscriber: Subscriber, mine: Subscription) -> tuple[str, str]:
        view, made = self._view, edition.frozen_at
        if mine.state is ListState.PENDING:
            return "pending", f"the subscription is not confirmed (asked {view.time(mine.since)})"
        if mine.state is ListState.UNSUBSCRIBED and mine.since <= made:
            return "left", f"they had left {view.time(mine.since)}"
        if mine.state is ListState.ACTIVE and mine.since > made:
            return "later", f"confirmed {view.time(mine.since)}, after it was made ({view.time(made)})"
        if self._wants_weekly(subscriber):
            return "weekly", f"they want one mail a week, which {weekly_name(edition.digest)} is"
        if mine.categories and not self._has_some(edition, Selection.of(mine.categories)):
            return "no-posts", f"it had no post in their categories ({', '.join(mine.categories)})"
        return "other-wishes", "their preferences were others when it was made, or it was made up later and not mailed"

    def _mine(self) -> Subscription | None:
        return None if self._subscriber is None else self._subscriber.to(self._plan.sums_up or self._plan.name)

    def _wants_weekly(self, subscriber: Subscriber) -> bool:
        """They want one mail a week, which this is not."""
        return subscriber.preferences.frequency is Frequency.WEEKLY and self._plan.schedule.kind is not Kind.WEEKLY

    def _has_some(self, edition: EditionNote, selection: Selection) -> bool:
        return any(selection.matches(post.categories) for post in self._store.posts_in([edition.key]).values())

    def _none_yet(self) -> Fact:
        slot = upcoming(self._store, self._plan, self._view.zone, self._view.now)
        what = f"no edition of {self._view.date}" if self._view.date else "no edition yet"
        return Fact(
            code="none",
            says=f"{self._plan.name}: {what}; the next is {slot.period}, due {self._view.time(slot.at)}",
            digest=self._plan.name,
            at=slot.at,
        )

    def _next(self) -> Iterator[Fact]:
        """When the next one would go to them."""
        subscriber, mine = self._subscriber, self._mine()
        if subscriber is None or mine is None or mine.state is not ListState.ACTIVE or self._wants_weekly(subscriber):
            return
        if subscriber.suppressed is not None:
            return
        slot = upcoming(self._store, self._plan, self._view.zone, self._view.now)
        leaves = not_before(subscriber.preferences, self._view.zone, slot=slot.at, made=slot.at)
        hour = ", their own hour" if leaves > slot.at else ""
        yield Fact(
            code="next",
            says=f"{self._plan.name}: the next is {slot.period}, due {self._view.time(leaves)}{hour}",
            digest=self._plan.name,
            period=slot.period,
            at=leaves,
        )


_OMITTED = {
    Omission.SUPPRESSED: "the address was suppressed when it was made",
    Omission.PENDING: "the subscription was not confirmed when it was made",
    Omission.PAUSED: "they had paused when it was made",
    Omission.HELD: "the mailbox had refused mail for days, so none was tried",
}


# --------------------------------------------------------------------- mail


def _mail(mail: DeliveryNote, name: str, view: View) -> Fact:
    edition = mail.edition
    label = read_selection(mail.selection).label
    some = f" (of {label})" if label else ""
    is_notice = edition.kind is EditionKind.NOTICE
    state = mail.state
    held = state is DeliveryState.QUEUED and (edition.state is EditionState.PAUSED or mail.stopped != "")
    return Fact(
        code="paused-edition" if held else state.value.replace("_", "-"),
        says=f"{name}{some}: {_state(mail, view)}",
        digest="" if is_notice else edition.digest,
        period="" if is_notice else edition.period,
        at=mail.ended_at or mail.not_before,
        reasons=_server(mail),
        stored=state.value,
    )


def _state(mail: DeliveryNote, view: View) -> str:
    ended = "" if mail.ended_at is None else f" {view.time(mail.ended_at)}"
    tries = "" if mail.attempts < 2 else f" after {mail.attempts} tries"
    if mail.state is DeliveryState.SENT:
        return f"sent{ended}{tries}" + (f", the server's id is {mail.queue_id}" if mail.queue_id else "")
    if mail.state is DeliveryState.FAILED:
        return f"refused for good{ended}{tries}"
    if mail.state is DeliveryState.SKIPPED:
        return f"not sent{ended}: {mail.reply_text or 'left since it was made'}"
    if mail.state is DeliveryState.EXPIRED:
        return f"given up{ended}{tries}: its time was over {view.time(mail.expires_at)}"
    if mail.state is DeliveryState.IN_DOUBT:
        return f"in doubt{ended}: the server may or may not have it (digest doubts)"
    if mail.state is DeliveryState.QUEUED:
        return _waiting(mail, view)
    return "being sent now"


def _waiting(mail: DeliveryNote, view: View) -> str:
    if mail.edition.state is EditionState.PAUSED:
        return f"waits: the edition is paused ({mail.edition.reason}); digest deliver --resume goes on"
    if mail.edition.state is EditionState.CANCELLED:
        return "not sent: the edition was cancelled"
    if mail.stopped:
        return f"waits: sending to its receiver is paused ({mail.stopped}); digest deliver --resume goes on"
    if mail.not_before > view.now:
        why = "its next try" if mail.attempts else "their own hour"
        return f"waits until {view.time(mail.not_before)}, {why}; given up {view.time(mail.expires_at)}"
    if not mail.edition.page_published:
        end = view.time(mail.expires_at)
        return f"waits for the edition's page, and leaves without it only shortly before it would be given up, {end}"
    return f"waits to be sent since {view.time(mail.not_before)}; given up {view.time(mail.expires_at)}"


def _server(mail: DeliveryNote) -> tuple[str, ...]:
    """The server's last word."""
    if mail.reply_code is None:
        if not mail.reply_text or mail.state is DeliveryState.SKIPPED:
            return ()
        return (f"written as {mail.reply_text}" if mail.state is DeliveryState.SENT else mail.reply_text,)
    words = " ".join(str(part) for part in (mail.reply_code, mail.reply_enhanced, mail.reply_text) if part)
    return (f"the server said: {words}",)
