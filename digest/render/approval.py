"""The mail that asks the operator to approve an edition: what happens when, the link, and the edition below it."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.models import Approval, Otherwise
from digest.ports import Language
from digest.render.context import RenderContext
from digest.render.mail import FOOT, Mail, inlined
from digest.render.message import for_everybody
from digest.render.notice import NoticeText
from digest.text import clean_line, isolated, local_time

_BODY = re.compile(r"<body[^>]*>")


def render_approval(approval: Approval, mail: Mail, look: RenderContext, *, now: datetime) -> NoticeText:
    """``mail`` is the edition as it would go. What is in it can ask for none of a recipient's values."""
    language = look.language
    values = {
        "subject": mail.subject.replace("%%", "% %"),
        "edition": f"{approval.digest} {approval.period}",
        "says": what_happens(approval, look.publisher.zone, language, now=now),
        "readers": readers_in_words(approval, language),
        "site_title": look.publisher.site_title,
        "site_url": look.publisher.site_url,
        "foot": FOOT,
        "start": "right" if language.direction == "rtl" else "left",
    }
    banner = inlined(look.templates.render("notices/approve.html", values))
    edition = for_everybody(mail.html, is_html=True).replace("%%", "&#37;&#37;")
    text = for_everybody(mail.text, is_html=False).replace("%%", "% %")
    return NoticeText(
        subject=language.text("Preview: {subject}", subject=clean_line(mail.subject).replace("%%", "% %")),
        html=_above(banner, edition),
        text=look.templates.render("notices/approve.txt", values) + text,
    )


def readers_in_words(approval: Approval, language: Language) -> str:
    return language.plural("It goes to {count} reader.", "It goes to {count} readers.", approval.readers)


def what_happens(approval: Approval, zone: ZoneInfo, language: Language, *, now: datetime) -> str:
    """At which time, and what then."""
    time = isolated(local_time(approval.until, zone, now), language.direction)
    if approval.otherwise is Otherwise.SEND:
        return language.text("If nobody does anything it leaves at {time}.", time=time)
    return language.text("Unless it is approved it is skipped at {time}.", time=time)


def _above(banner: str, edition: str) -> str:
    """What stands between the tags of one document's body, before all that the other's has."""
    start = _BODY.search(banner)
    inner = banner[start.end() if start else 0 : banner.rfind("</body>")]
    body = _BODY.search(edition)
    place = body.end() if body else 0
    return f"{edition[:place]}{inner}{edition[place:]}"
