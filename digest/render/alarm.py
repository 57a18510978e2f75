"""The mail to the operator about alarms: one line of subject, a line for each alarm. In English, as all that is for
the operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.alarms.watching import KeptAlarm
from digest.ports import Templates
from digest.render.mail import FOOT, inlined
from digest.render.message import Mailbox, NoticeMessage
from digest.text import local_time


def alarm_message(
    alarms: Sequence[KeptAlarm],
    *,
    subject: str,
    site_title: str,
    site_url: str,
    sender: tuple[str, str],
    to: str,
    message_id: str,
    zone: ZoneInfo,
    now: datetime,
    templates: Templates,
) -> bytes:
    """The message. ``sender`` is a name and an address; times are shown in ``zone``. Raises PermanentFailure for an
    address that cannot be one, TemplateError."""
    values = {
        "subject": subject,
        "site_title": site_title,
        "site_url": site_url,
        "new": [_line(alarm, zone) for alarm in alarms if alarm.ended_at is None],
        "over": [_line(alarm, zone) for alarm in alarms if alarm.ended_at is not None],
        "now": local_time(now, zone),
        "language": "en",
        "direction": "ltr",
        "start": "left",
        "foot": FOOT,
    }
    return NoticeMessage(
        subject=subject,
        html=inlined(templates.render("status/alarm.html", values)),
        text=templates.render("status/alarm.txt", values),
        kind="alarm",
        date=now,
        sender=Mailbox(name=sender[0], address=sender[1]),
    ).to(address=to, message_id=message_id)


def _line(alarm: KeptAlarm, zone: ZoneInfo) -> dict[str, str]:
    return {
        "text": alarm.told,
        "since": local_time(alarm.raised_at, zone),
        "until": "" if alarm.ended_at is None else local_time(alarm.ended_at, zone),
    }
