"""The use cases of subscribers: binds what they need to the settings, the store and its keys.

Used by ``app`` for what a run does for them, and by pages and commands for what they do by themselves. As long as
nobody ever subscribed nothing here costs more than one look into the store, and no secret is made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from digest.models import Delivery, EditionKind, FrozenEdition, Outgoing, Recipient, SavedEdition
from digest.period import Kind, weekly
from digest.subscribers.subscription import (
    FORGOTTEN,
    FRESH,
    NOTICES,
    ActionRequest,
    EditionSubscriber,
    Frequency,
    Notice,
    Offer,
    canonical,
    weekly_name,
)

if TYPE_CHECKING:
    from digest.config import Settings
    from digest.jobs.delivery.bounces import BounceReport
    from digest.jobs.editions.make import DigestPlan
    from digest.jobs.subscribers.erasing import Erasing
    from digest.jobs.subscribers.moving import Moving
    from digest.jobs.subscribers.people import People
    from digest.jobs.subscribers.signup import Links, SignupService
    from digest.ports import Language, Templates
    from digest.render.message import NoticeMessage
    from digest.store import SqlStore
    from digest.subscribers.reports import Report
    from digest.subscribers.tokens import Keyring

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY_AGE = timedelta(days=8)
_CONFIRM_MAIL = timedelta(days=1)
"""How long the mail of a sign-up is tried to be sent."""


class SubscriberService:
    """Everything about subscribers, for one configuration and one store."""

    def __init__(
        self, settings: Settings, store: SqlStore, *, templates: Templates, language: Language, dry_run: bool = False
    ) -> None:
        self.settings = settings
        self.store = store
        self._templates = templates
        self._language = language
        self._dry_run = dry_run
        self._rendered: dict[Notice, tuple[str, str, str]] = {}

    @cached_property
    def keys(self) -> Keyring:
        """Made at first use. Raises ConfigError."""
        from digest.app.secret import open_keyring

        return open_keyring(self.settings.subscriptions.secret_file, os.environ, make=not self._dry_run)

    @cached_property
    def links(self) -> Links:
        from digest.jobs.subscribers.signup import Links

        return Links(self.keys, self.settings.subscriptions_url)

    @cached_property
    def signup(self) -> SignupService:
        """The use cases of pages and commands."""
        from digest.jobs.subscribers.signup import Policy, SignupService

        wanted = self.settings.subscriptions
        policy = Policy(
            offers=self.offers(),
            zone=self.settings.site.timezone,
            mails_per_address=wanted.mails_per_address,
            signups_per_ip=wanted.signups_per_ip,
            signups_total=wanted.signups_total,
            keep_ip=wanted.keep_ip,
            form_seconds=wanted.form_seconds,
        )
        return SignupService(self.store, self.keys, policy, self._write, self.moving, self.erasing)

    @cached_property
    def moving(self) -> Moving:
        """New addresses."""
        from digest.jobs.subscribers.moving import Moving

        most = self.settings.subscriptions.mails_per_address
        return Moving(self.store, self.keys, self._write, most)

    @cached_property
    def people(self) -> People:
        """The use cases of the operator."""
        from digest.jobs.subscribers.people import People

        return People(self.store, self.keys, self.offers(), self.settings.site.timezone, self.erasing)

    @cached_property
    def erasing(self) -> Erasing:
        """Whoever is to be forgotten. Mails lie in the folder also if they go by SMTP by now."""
        from digest.jobs.subscribers.erasing import Erasing
        from digest.mail.folder import remove_mails

        return Erasing(self.store, partial(remove_mails, self.settings.mail.folder), time.sleep)

    def offers(self) -> tuple[Offer, ...]:
        """What people can subscribe to: every digest; of its categories those that the configuration names."""
        titles = {category.name: category.title for category in self.settings.categories}
        return tuple(
            Offer(
                digest=name,
                title=digest.title,
                categories=tuple((each, titles.get(each, each)) for each in digest.categories or tuple(titles)),
                weekly=digest.schedule.rule.kind is not Kind.WEEKLY,
            )
            for name, digest in self.settings.digests.items()
        )

    # ---------------------------------------------------------------- a run

    def prepare(self, now: datetime, believed: Callable[[], datetime] | None = None) -> None:
        """Before editions are made: sign-ups that wait, what may be forgotten (by the time that is ``believed``, else
        now), mailboxes that are tried again."""
        if not self._dry_run:
            self.store.finish_scrubbing()
        if not self._is_at_work():
            return
        self.signup.handle(now)
        self.store.tidy(
            now,
            believed=now if believed is None else believed(),
            keep_addresses=self.settings.subscriptions.keep_addresses,
        )
        self.store.look_after_probes(now)
        self.store.forget_findings(now)

    def weekly_plans(self, plans: Sequence[DigestPlan]) -> list[DigestPlan]:
        """A digest that sums up, for each one of several a week that somebody wants to read once a week. It stays when
        they have left."""
        if not self._is_at_work():
            return []
        day = _DAYS.index(self.settings.subscriptions.weekly_on) + 1
        return [
            replace(
                plan,
                name=weekly_name(plan.name),
                title=self._language.text("{title} weekly", title=plan.title),
                schedule=weekly(day, plan.schedule.at),
                max_age=_WEEKLY_AGE,
                sums_up=plan.name,
            )
            for plan in plans
            if plan.schedule.kind is not Kind.WEEKLY
            and (
                self.store.has_subscribers(plan.name, (Frequency.WEEKLY,))
                or self.store.began(weekly_name(plan.name)) is not None
            )
        ]

    def audience(self, plan: DigestPlan, now: datetime) -> Iterator[EditionSubscriber]:
        """Whom an edition goes to, besides the addresses of the configuration."""
        if not self._is_at_work():
            return
        always = {canonical(mailbox.address) for mailbox in self.settings.mail.to}
        for subscriber in self.store.audience(*_audience_of(plan), now):
            if plan.sums_up or subscriber.canonical not in always:
                yield subscriber

    def left(self, row: Delivery, now: datetime) -> str:
        """Why a delivery must not be sent any more; empty if it must."""
        if row.address.startswith(FORGOTTEN):
            return "erased"
        if row.subscriber is None and not self.store.knows_somebody():
            return ""
        return self.store.why_not(row, self.keys.hashed(canonical(row.address)), now)

    def learn(self, now: datetime) -> BounceReport | None:
        """After mail was sent: what the refusals say about addresses. None if there is nobody."""
        if not self.store.knows_somebody():
            return None
        from digest.jobs.delivery.bounces import learn_from_refusals

        return learn_from_refusals(self.store, self.keys, now)

    def ingest(self, mails: Iterable[bytes], now: datetime) -> BounceReport:
        """Go through mails that came back."""
        from digest.jobs.delivery.bounces import ingest

        return ingest(self.store, self.keys, mails, now)

    def learn_from_reports(self, reports: Iterable[Report | None], now: datetime) -> BounceReport:
        """Go through what a service that sends mail tells."""
        from digest.jobs.delivery.bounces import learn_from_reports

        return learn_from_reports(self.store, self.keys, reports, now)

    def explain_bounces(self, mails: Iterable[bytes], now: datetime) -> Iterator[tuple[str, ...]]:
        """For each mail what ``ingest`` would take it for, and why, in lines. Changes nothing."""
        from digest.jobs.delivery.bounces import explain_bounce

        for data in mails:
            yield explain_bounce(self.store, self.keys, data, now)

    def _is_at_work(self) -> bool:
        return self.settings.subscriptions.enabled and self.store.knows_somebody()

    # ------------------------------------------------------------- messages

    def envelope_from(self, token: str) -> str:
        """The envelope sender of a delivery: bounces name it. Only an address that is there for bounces is known to
        take a token in; without one it is the sender's."""
        bounces = self.settings.mail.bounce_address
        if bounces is None:
            return self.settings.sender.address
        local, _, domain = bounces.address.rpartition("@")
        return f"{local}+{token}@{domain}"

    def fields(self, row: Delivery) -> tuple[str, dict[str, str]]:
        """A subscriber's address to leave by, and the other links in their mail; empty for other recipients."""
        if row.subscriber is None or row.list_key is None:
            return "", {}
        return (
            self.links.unsubscribe(row.subscriber, row.list_key),
            {"MANAGE": self.links.manage(row.subscriber)},
        )

    def notice(self, row: Delivery, edition: SavedEdition) -> Outgoing:
        """The message of a notice."""

        about = json.loads(edition.document)
        message = self._notice_message(edition)
        return Outgoing(
            pieces=message.pieces(
                address=row.address, message_id=row.message_id, values={"LINK": self._link(row, about)}
            ),
            envelope_from=self.envelope_from(row.token),
        )

    def _link(self, row: Delivery, about: dict[str, object]) -> str:
        kind = Notice(str(about["kind"]))
        if kind is Notice.CONFIRM:
            return self.links.confirm(int(str(about["consent"])))
        if kind in (Notice.ALREADY, Notice.MOVED):
            return self.links.manage(row.subscriber or 0)
        return self.links.errand(int(str(about["errand"])))

    def _notice_message(self, edition: SavedEdition) -> NoticeMessage:
        from digest.render.message import Mailbox, NoticeMessage

        sender = self.settings.subscriptions_sender
        return NoticeMessage(
            subject=edition.subject,
            html=edition.html,
            text=edition.text,
            kind=str(json.loads(edition.document)["kind"]),
            date=edition.frozen_at,
            sender=Mailbox(name=sender.name, address=sender.address),
        )

    def _write(
        self, notice: Notice, address: str, now: datetime, about: dict[str, int]
    ) -> tuple[FrozenEdition, Recipient]:
        """The mail of a notice, ready for the ledger. No link is in it: it is made when the mail is sent."""
        import secrets

        subject, html, text = self._words(notice)
        domain = self.settings.mail.list_domain or self.settings.sender.domain
        lasts = FRESH if notice.value in tuple(ActionRequest) else _CONFIRM_MAIL
        frozen = FrozenEdition(
            digest=NOTICES,
            kind=EditionKind.NOTICE,
            period=secrets.token_hex(8),
            subject=subject,
            html=html,
            text=text,
            document=json.dumps({"kind": notice.value, **about}),
            frozen_at=now,
            send_after=now,
            expires_at=now + lasts,
        )
        return frozen, Recipient(
            address=address, message_id=f"<{secrets.token_hex(16)}@{domain}>", token=secrets.token_hex(16)
        )

    def _words(self, notice: Notice) -> tuple[str, str, str]:
        """Subject, HTML and text of a kind of notice, rendered once."""
        from digest.render.notice import render_notice

        if notice not in self._rendered:
            made = render_notice(
                notice,
                site_title=self.settings.site.title,
                site_url=str(self.settings.site.url),
                templates=self._templates,
                language=self._language,
            )
            self._rendered[notice] = (made.subject, made.html, made.text)
        return self._rendered[notice]


def _audience_of(plan: DigestPlan) -> tuple[str, tuple[Frequency, ...]]:
    """The list of a digest and which of its subscribers it is for. One that appears once a week is for all of them."""
    if plan.sums_up:
        return plan.sums_up, (Frequency.WEEKLY,)
    return plan.name, tuple(Frequency) if plan.schedule.kind is Kind.WEEKLY else (Frequency.DAILY,)
