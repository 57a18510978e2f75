"""Editions that wait for the operator's approval: the mail about each, and the word on the command line."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from digest.edition.approval import NOT_APPROVED
from digest.errors import StoreError
from digest.models import Approval, Delivery, EditionKind, FrozenEdition, Outgoing, Recipient, SavedEdition
from digest.subscribers.subscription import NOTICES

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.render.mail import Mail

_KIND = "approve"
"""Tells this mail from those to subscribers."""


def approval_mail(app: App, approval: Approval, mail: Mail) -> tuple[FrozenEdition, Recipient] | None:
    """The mail that asks for it, ready for the ledger: what the edition is so far below the link, which is made when
    it is sent."""
    from digest.render.approval import render_approval

    operator = app.settings.watch.mail
    if operator is None:
        return None
    made = render_approval(approval, mail, app.render_context(), now=app.when.now)
    frozen = FrozenEdition(
        digest=NOTICES,
        kind=EditionKind.NOTICE,
        period=secrets.token_hex(8),
        subject=made.subject,
        html=made.html,
        text=made.text,
        document=json.dumps({"kind": _KIND}),
        frozen_at=approval.began_at,
        send_after=approval.began_at,
        expires_at=approval.until,
    )
    name = f"<{secrets.token_hex(16)}@{app.audience().domain}>"
    return frozen, Recipient(address=operator.address, message_id=name, token=secrets.token_hex(16))


def approval_asked_for(edition: SavedEdition) -> int | None:
    """The key of what a notice asks approval for; None if it is one to a subscriber."""
    about = json.loads(edition.document)
    return int(about["approval"]) if about["kind"] == _KIND else None


def approval_message(app: App, row: Delivery, edition: SavedEdition, approval: int) -> Outgoing:
    """The message of such a mail, with its link."""
    from digest.render.message import Mailbox, NoticeMessage

    sender, service = app.settings.sender, app.subscriber_service
    message = NoticeMessage(
        subject=edition.subject,
        html=edition.html,
        text=edition.text,
        kind=_KIND,
        date=edition.frozen_at,
        sender=Mailbox(name=sender.name, address=sender.address),
    )
    values = {"LINK": service.links.approve(approval)}
    pieces = message.pieces(address=row.address, message_id=row.message_id, values=values)
    return Outgoing(pieces=pieces, envelope_from=service.envelope_from(row.token))


def approve_edition(app: App, digest: str, period: str) -> Approval:
    """``digest editions approve``: as the page does, as long as no run has decided. Twice is once. Raises StoreError if
    nothing waits."""
    found = _waiting(app, digest, period)
    if found is not None and not app.store.approve(found.key, app.when.now):
        found = app.store.approval(found.key)  # somebody else was faster
    if found is None or (found.ended_at is not None and found.approved_at is None):
        state, reason = app.store.slot_state(digest, period)
        known = "" if state is None else f": it is {state.value}" + (f" ({reason})" if reason else "")
        names = ", ".join(f"{each.digest} {each.period}" for each in app.store.open_approvals())
        remedy = f"there waits {names}" if names else "see digest editions list"
        raise StoreError(f"{digest} {period}", f"no such edition waits for approval{known}", remedy)
    return found


def give_up(app: App, digest: str, period: str) -> int | None:
    """Make nothing of an edition that waits for approval; its posts are left to the next one. Returns how many readers
    that spares; None if it does not wait."""
    found = _waiting(app, digest, period)
    kind = next((plan.kind for plan in app.plans() if plan.name == digest), EditionKind.DIGEST)
    if found is None or not app.store.skip(digest, found.period, app.when.now, kind, NOT_APPROVED):
        return None
    return found.readers


def _waiting(app: App, digest: str, period: str) -> Approval | None:
    """The edition of a period, or the latest, if it waits."""
    waiting = app.store.open_approvals(digest)
    if period == "latest":
        return max(waiting, key=lambda each: (each.began_at, each.key), default=None)
    return next((each for each in waiting if each.period == period), None)
