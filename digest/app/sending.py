"""Outgoing mail: each message as it is sent, the worker on the ledger, what may be said about deliveries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from digest.app.admission import Admission
from digest.app.approving import approval_asked_for, approval_message, give_up
from digest.app.assembly import App, mail_channel
from digest.app.channels import channel_routes
from digest.app.looks import frozen_look
from digest.app.moment import agreed, moment
from digest.config import load
from digest.config.settings import FIRST_RATE, FULL_RATE
from digest.errors import AlreadyRunning, ConfigError, StoreError
from digest.jobs.progress import Progress, silent
from digest.models import MAIL, Delivery, DeliveryState, EditionKind, EditionState, Outgoing
from digest.ports import Channel

if TYPE_CHECKING:
    from digest.jobs.delivery.deliver import DeliveryReport, Route
    from digest.models import RenderedMail, SavedEdition
    from digest.render.message import EditionMessage, Letterhead
    from digest.store import SqlStore


_COUNTED_PARTS, _COUNTED_AT_ONCE = 20, 5_000
"""Transactions in which a run counts old deliveries, and how many each: a day's runs count 28 million."""
_CLOCKS_DIFFER = 10.0
"""Seconds that a run waits for a database whose clock is behind its own."""


def work(
    config: Path,
    *,
    once: bool = False,
    resume: tuple[str, str] | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda alarm: None,
) -> tuple[DeliveryReport, ZoneInfo]:
    """``digest deliver``: a worker on the ledger, beside any number of others, that looks what is wrong as a run does:
    it may be the only one who sends. Raises ConfigError, Refused, and
    StoreError, also when the database's file is taken away meanwhile: nobody else would see what is written to it."""
    settings = load(config, os.environ)
    when = moment(None, settings.site.timezone)
    from digest.app.monitor import monitor_of
    from digest.store import open_store

    with open_store(settings.store.url, admit=Admission(settings=settings, collects=False)) as store:
        try:
            app = App(settings, store, agreed(when, store.clock), dry_run=False, progress=progress)
            if resume is not None:
                tell(f"{' '.join(resume)}: resumed, {resume_edition(app, *resume)} wait")
            with monitor_of(settings).beside(store, app.clock(), tell, stop=stop):
                for line in count_old_deliveries(app):
                    tell(line)
                report = send_mail(app, once=once, stop=lambda: stop() or not store.is_in_place(), tell=tell)
        finally:
            _miss(store)
        return report, settings.site.timezone


def _miss(store: SqlStore) -> None:
    """Raises StoreError if nobody else sees this database any more."""
    if not store.is_in_place():
        raise StoreError(store.subject, "was deleted or replaced", "what was written to the one before is lost")


def count_old_deliveries(app: App) -> list[str]:
    """Deliveries of editions that are long over become counts, so that the database does not grow for ever. By no clock
    that may be wrong, since what is forgotten cannot be had back. Returns what hindered it: it has time."""
    when = app.when
    if app.dry_run or not (when.is_present and when.is_certain):
        return []
    try:
        before = app.believed() - app.settings.mail.keep_deliveries
        for _ in range(_COUNTED_PARTS):
            if not app.store.count_old_deliveries(when.now, before, _COUNTED_AT_ONCE):
                break
    except StoreError as error:
        return [f"old deliveries were not counted: {error}"]
    return []


def deliver_what_waits(app: App) -> DeliveryReport:
    """As ``deliver``, for a run; most runs find nothing to send, and need not load what it takes."""
    if app.store.has_mail():
        return _deliver_alone(app)
    from digest.jobs.delivery.deliver import DeliveryReport

    learned = app.subscriber_service.learn(app.clock()())
    return DeliveryReport(warnings=() if learned is None else tuple(learned.warnings))


def _deliver_alone(app: App) -> DeliveryReport:
    """One run sends at a time: two would double the rate. What comes in while the right is given back is sent as well,
    since whoever brought it was refused the right until then."""
    channels = (MAIL, *(each.common.name for each in app.settings.channels))
    with ExitStack() as right:

        def take() -> None:
            right.enter_context(app.store.sending("digest run", app.when.wall))

        def again() -> bool:
            right.close()
            if not app.store.is_due(app.clock()(), channels):
                return False
            try:
                take()
            except AlreadyRunning:
                return False
            return True

        try:
            take()
        except AlreadyRunning as busy:
            return leave_what_waits(app, f"the process that is sending ({busy.holder or 'another run'})")
        return send_mail(app, again=again)


def leave_what_waits(app: App, to: str = "digest deliver") -> DeliveryReport:
    """Send nothing, say how much there is."""
    from digest.jobs.delivery.deliver import DeliveryReport

    if not app.store.has_mail():
        return DeliveryReport()
    counts = app.store.counts()
    return DeliveryReport(waiting=counts[DeliveryState.QUEUED], doubtful=counts[DeliveryState.IN_DOUBT], left_to=to)


def send_mail(
    app: App,
    *,
    once: bool = True,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda alarm: None,
    hurry: Callable[[], bool] = lambda: False,
    again: Callable[[], bool] = lambda: False,
) -> DeliveryReport:
    """Send what is due now and leave later retries to the next run; or work on until ``stop`` says so, looking
    again at once when ``hurry`` does. ``again`` as in ``jobs.delivery.deliver``."""
    from digest.jobs.delivery.deliver import deliver

    clock = app.clock()
    behind = (app.when.now - clock()).total_seconds()
    if once and 0 < behind <= _CLOCKS_DIFFER:  # what this run froze is not due yet by the database's clock
        time.sleep(behind)
    report = deliver(
        app.store,
        [_mail_route(app), *channel_routes(app)],
        clock=clock,
        left=lambda row: app.subscriber_service.left(row, clock()) if row.channel == MAIL else "",
        once=once,
        stop=stop,
        progress=app.progress,
        tell=tell,
        hurry=hurry,
        again=again,
    )
    learned = app.subscriber_service.learn(clock())
    return report if learned is None else replace(report, warnings=(*report.warnings, *learned.warnings))


def resume_edition(app: App, digest: str, period: str) -> int:
    """Let a paused edition be sent, and send again what failed because of us, of one that is done too. Returns how many
    deliveries wait now. Raises StoreError if there is nothing to send."""
    saved = app.store.edition(digest, period)
    again = 0 if saved is None else app.store.resume_edition(saved.key, app.when.now)
    if again == 0 and saved is not None and app.store.is_counted(saved.key):
        raise StoreError(
            f"{digest} {period}",
            "its deliveries are counted and no longer kept, so nothing of it can be sent again",
            "mail.keep_deliveries says for how long they are kept",
        )
    if saved is None or (again == 0 and saved.state is not EditionState.PAUSED):
        raise StoreError(
            f"{digest} {period}",
            "there is no paused edition of that name, and none whose mail failed because of us and may still be sent",
            "see digest run's report",
        )
    return again


def cancel_edition(app: App, digest: str, period: str) -> int:
    """Send nothing more of an edition; nothing at all of one that waits for approval. Returns how many deliveries that
    spares. Raises StoreError if nothing of it was to be sent."""
    spared = app.store.cancel_edition(digest, period, app.when.now)
    if spared is None:
        spared = give_up(app, digest, period)
    if spared is None:
        raise StoreError(f"{digest} {period}", "there is nothing to be sent", "see digest editions list")
    return spared


def message_for(app: App, delivery: Delivery, edition: SavedEdition, *, signs: bool) -> bytes:
    """The message of a delivery, as it would be sent; signed if there are keys and it is to be."""
    return composer(app, signs=signs)(delivery, edition).message


def composer(app: App, *, signs: bool = True) -> Callable[[Delivery, SavedEdition], Outgoing]:
    """Makes the message of a delivery; what an edition's recipients share who chose the same is made once."""
    from digest.render.mail import edition_url

    publisher = app.render_context().publisher
    subscriber_service = app.subscriber_service
    one_at_a_time = Lock()

    @lru_cache(maxsize=16)
    def message_of(edition: SavedEdition, selection: str) -> EditionMessage:
        from digest.render.message import EditionMessage  # late: most runs have no mail to send

        mail = _mail_for(app, edition, selection) if selection else edition
        return EditionMessage(
            subject=mail.subject,
            html=mail.html,
            text=mail.text,
            period=edition.period,
            date=edition.frozen_at,
            archive_url=edition_url(publisher, edition.digest, edition.period),
            letterhead=_letterhead(app, edition.sums_up or edition.digest),
        )

    def signed(outgoing: Outgoing) -> Outgoing:
        signer = app.signer if signs else None
        if signer is None:
            return outgoing
        return replace(outgoing, pieces=(signer.signatures(outgoing.message), *outgoing.pieces))

    def compose(delivery: Delivery, edition: SavedEdition) -> Outgoing:
        if edition.kind is EditionKind.NOTICE:
            asked = approval_asked_for(edition)
            if asked is not None:
                return signed(approval_message(app, delivery, edition, asked))
            return signed(subscriber_service.notice(delivery, edition))
        unsubscribe, values = subscriber_service.fields(delivery)
        with one_at_a_time:
            message = message_of(edition, delivery.selection)
        pieces = message.pieces(
            address=delivery.address, message_id=delivery.message_id, values=values, unsubscribe=unsubscribe
        )
        return signed(Outgoing(pieces=pieces, envelope_from=subscriber_service.envelope_from(delivery.token)))

    return compose


def _mail_for(app: App, edition: SavedEdition, selection: str) -> RenderedMail:
    """What was sent before of an edition to subscribers with this selection; if nothing was, what it is from now on."""
    kept = app.store.mail(edition.key, selection)
    if kept is not None:
        return kept
    from digest.jobs.editions.make import mail_for

    made = mail_for(edition, selection, *frozen_look(app, edition))
    return app.store.keep_mail(edition.key, selection, made)


def _letterhead(app: App, digest: str) -> Letterhead:
    """``digest`` is the list: whoever leaves it leaves the weekly mail of it, too."""
    from digest.render.message import Letterhead, Mailbox

    settings = app.settings
    reply_to = settings.mail.reply_to
    plan = settings.digests.get(digest)
    return Letterhead(
        sender=Mailbox(name=settings.sender.name, address=settings.sender.address),
        digest=digest,
        title=plan.title if plan else settings.site.title,
        site_host=str(settings.mail.list_domain or settings.site.url.host),
        reply_to=Mailbox(name=reply_to.name, address=reply_to.address) if reply_to else None,
    )


def _mail_route(app: App) -> Route:
    from digest.jobs.delivery.deliver import DeliverOptions, Route

    mail = app.settings.mail
    by_smtp = mail.transport == "smtp" and not app.dry_run
    options = DeliverOptions(
        connections=mail.connections if by_smtp else 1,
        rate=(mail.rate or FULL_RATE) if by_smtp else None,
        first_rate=FIRST_RATE if mail.rate is None else None,
        limits=mail.limits if by_smtp else None,
        resend=mail.in_doubt == "resend",
    )
    return Route(channel=_channel(app), compose=composer(app), options=options)


def _channel(app: App) -> Channel[Outgoing]:
    if app.dry_run:
        from digest.mail.dry_run import DryRunChannel

        return DryRunChannel()
    return mail_channel(app.settings)


def dkim_records(app: App) -> dict[str, str]:
    """What DNS must say about the keys that sign: text by name. Raises ConfigError if there are none."""
    if app.signer is None:
        raise ConfigError("mail.dkim", "there are no keys", "see mail.dkim in docs/configuration.md")
    return app.signer.records()
