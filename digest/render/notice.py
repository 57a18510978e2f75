"""The text of mails to one subscriber about their subscription. Link and address are filled in when it is sent."""

from __future__ import annotations

from msgspec import Struct

from digest.ports import Language, Templates
from digest.render.mail import FOOT, inlined
from digest.subscribers.subscription import Notice
from digest.text import clean_line, cut, deferred

_TITLE_LIMIT = 60


class NoticeText(Struct, frozen=True, kw_only=True):
    """What is sent, with ``%%LINK%%`` and ``%%ADDRESS%%`` in it."""

    subject: str
    html: str
    text: str


def render_notice(
    notice: Notice, *, site_title: str, site_url: str, templates: Templates, language: Language
) -> NoticeText:
    """The mail of one kind of notice, the same for all subscribers."""
    site = cut(clean_line(site_title), _TITLE_LIMIT)
    words = (language.text(each, site=site, address="%%ADDRESS%%") for each in _WORDS[notice])
    subject, says, button, small = words
    values = {
        "subject": subject,
        "says": says,
        "button": button,
        "small": small,
        "site_title": site,
        "site_url": site_url,
        "foot": FOOT,
        "start": "right" if language.direction == "rtl" else "left",
    }
    return NoticeText(
        subject=subject,
        html=inlined(templates.render("notices/notice.html", values)),
        text=templates.render("notices/notice.txt", values),
    )


_ONCE = deferred("The link works once, within one hour. If it was not you who asked for it, do nothing.")
_WORDS = {
    Notice.CONFIRM: (
        deferred("Please confirm your subscription to {site}"),
        deferred("Somebody, probably you, wants mail from {site} to be sent to {address}."),
        deferred("Yes, subscribe me"),
        deferred("The link works for seven days. If it was not you, do nothing: no further mail is sent."),
    ),
    Notice.ALREADY: (
        deferred("You are subscribed to {site} already"),
        deferred("Somebody, probably you, asked for mail from {site} to be sent to {address}, which it is already."),
        deferred("Change what you get, and when"),
        deferred("If it was not you, do nothing: nothing was changed."),
    ),
    Notice.MOVE: (
        deferred("Your new address at {site}"),
        deferred("Here is the link to have your mail from {site} sent to another address than {address}."),
        deferred("Name a new address"),
        _ONCE,
    ),
    Notice.ARRIVE: (
        deferred("Please confirm your new address at {site}"),
        deferred("Somebody, probably you, wants their mail from {site} to be sent to {address} from now on."),
        deferred("Yes, send it here"),
        _ONCE,
    ),
    Notice.MOVED: (
        deferred("Your mail from {site} goes to another address now"),
        deferred("As somebody, probably you, asked for, mail from {site} is no longer sent to {address}."),
        deferred("Change what you get, and when"),
        deferred("If it was not you, open the link and unsubscribe, then subscribe again."),
    ),
    Notice.EXPORT: (
        deferred("Your data at {site}"),
        deferred("Here is the link to everything that {site} keeps about {address}."),
        deferred("Show my data"),
        _ONCE,
    ),
    Notice.ERASE: (
        deferred("Erase your data at {site}"),
        deferred("Here is the link to erase everything that {site} keeps about {address}."),
        deferred("Erase my data"),
        _ONCE,
    ),
}
"""Subject, what it says, the button, the small print; a catalogue has them in other languages."""
