"""What the page shows on which an edition is approved."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from digest.jobs.editions.approvals import Asked
from digest.ports import Language
from digest.render.approval import readers_in_words, what_happens
from digest.text import isolated, local_time


def approval_context(
    asked: Asked, zone: ZoneInfo, language: Language, *, now: datetime, preview: str
) -> dict[str, object]:
    """For ``web/approve.html``: texts in the site's language. ``preview`` is the address of the mail as it would go."""
    approval = asked.approval
    approved_at = ""
    if approval.approved_at is not None:
        approved_at = isolated(local_time(approval.approved_at, zone, now), language.direction)
    return {
        "standing": asked.standing.value,
        "changed": asked.has_changed,
        "is_first": bool(approval.first_day),
        "subject": approval.subject,
        "edition": f"{approval.digest} {approval.period}",
        "says": what_happens(approval, zone, language, now=now),
        "readers": readers_in_words(approval, language),
        "seen": approval.seen,
        "approved_at": approved_at,
        "sent": language.text("Mails that have left: {sent} of {total}.", sent=asked.mails, total=asked.total),
        "page": asked.page,
        "preview": preview if approval.ended_at is None else "",
    }
