"""Mails that are looked at: of the next edition, and of earlier ones."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from digest.app.assembly import mail_channel, opened
from digest.app.collecting import collect_posts
from digest.app.editorial import edition_files
from digest.app.moment import moment
from digest.app.publishing import plan_named
from digest.app.sending import composer
from digest.config import load
from digest.errors import ConfigError
from digest.jobs.progress import Progress, silent
from digest.models import Delivery

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.editions.back_issues import Issue, Parts
    from digest.jobs.editions.preview import Preview, SentTest, TestMessage
    from digest.models import SavedEdition


class Previewed(Struct, frozen=True, kw_only=True):
    """The next edition, ready to be looked at."""

    preview: Preview
    zone: ZoneInfo
    folder: Path
    """Where files go that nobody wants elsewhere: beside the outbox, which no generator publishes."""
    files: dict[str, tuple[str, bytes]]
    """Names and contents, by what they are: ``html``, ``txt``, ``eml`` of the mail, ``page`` of the web."""
    send: Callable[[], SentTest] | None
    """Sends the mail as a test. Raises TransportError. None if nobody is to get one."""


def preview(
    config: Path,
    digest: str | None = None,
    *,
    as_of: str | None = None,
    to: str | None = None,
    progress: Progress = silent,
) -> Previewed:
    """``digest preview``: on a copy of the store, so nothing is marked or published, whatever run is at work beside
    it; posts that no run has seen yet are in it. Raises ConfigError, StoreError, SourceError, TemplateError."""
    from digest.jobs.editions.preview import files_of_preview

    settings = load(config, os.environ)
    with opened(settings, moment(as_of, settings.site.timezone), dry_run=True, progress=progress) as app:
        collect_posts(app)
        found = next_edition(app, digest)
        pages_url = app.render_context().publisher.pages_url
        place = f"{settings.output.resolve().as_uri()}/" if isinstance(settings.output, Path) else pages_url
        return Previewed(
            preview=found,
            zone=settings.site.timezone,
            folder=settings.mail.folder.parent / "preview",
            files=files_of_preview(found, preview_mail(app, found), pages_url, place),
            send=None if to is None else partial(test_message(app, found, to).send, mail_channel(app.settings)),
        )


def next_edition(app: App, digest: str | None) -> Preview:
    """The edition that a run would make next, as it would be if it were made now. Raises ConfigError."""
    from digest.jobs.editions.preview import preview_edition

    file_of = edition_files(app).of
    return preview_edition(app.store, plan_named(app, digest), app.render_context(), app.when.now, file_of)


def preview_mail(app: App, preview: Preview) -> Parts:
    """The mail of a preview as the first address of ``mail.to`` would get it, or else the sender's own."""
    from digest.jobs.editions.back_issues import split_message

    saved = preview.saved
    return split_message(composer(app, signs=False)(_row_for(app, _first_address(app), saved), saved).message)


def test_message(app: App, preview: Preview, address: str) -> TestMessage:
    """The very message that the address would get, but for its own Message-ID, so that the real one is not taken
    for a copy of it. Where people subscribe it is a subscriber's, with links that are nobody's. Raises
    ConfigError for what is no address or must not get mail."""
    from digest.jobs.editions.preview import TestMessage
    from digest.render.message import is_address, message_id

    if not is_address(address):
        raise ConfigError("--to", f"{address!r} is not a mail address", "for example you@example.com")
    row = _row_for(app, address, preview.saved)
    if reason := app.subscriber_service.left(row, app.when.now):
        raise ConfigError("--to", f"{address} must not get mail: {reason}", "send the test to another address")
    listed = address in {mailbox.address for mailbox in app.settings.mail.to}
    nobody = None if listed or not app.settings.subscriptions.enabled else 0
    own_id = message_id(
        digest=row.message_id,
        category="test",
        period=app.when.wall.isoformat(),
        address=address,
        domain=app.audience().domain,
    )
    row = replace(row, message_id=own_id, token=secrets.token_hex(16), subscriber=nobody, list_key=nobody)
    outgoing = composer(app)(row, preview.saved)
    return TestMessage(
        address=address, message_id=own_id, message=outgoing.message, envelope_from=outgoing.envelope_from
    )


def mail_of(app: App, issue: Issue) -> Parts:
    """The mail of an edition as the first address of ``mail.to`` gets it, or else the sender's own."""
    from digest.jobs.editions.back_issues import split_message

    row = _row_for(app, _first_address(app), issue.saved)
    return split_message(composer(app, signs=False)(row, issue.saved).message)


def _first_address(app: App) -> str:
    return next((mailbox.address for mailbox in app.settings.mail.to), app.settings.sender.address)


def _row_for(app: App, address: str, saved: SavedEdition) -> Delivery:
    """A delivery as an address of ``mail.to`` would have it, in no ledger."""
    from digest.render.message import message_id

    return Delivery(
        key=0,
        edition_key=saved.key,
        address=address,
        message_id=message_id(
            digest=saved.digest,
            category="",
            period=saved.period,
            address=address,
            domain=app.audience().domain,
        ),
        token="",
        attempts=0,
        lease="",
    )
