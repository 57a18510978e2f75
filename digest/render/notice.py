"""The text of mails to one subscriber about their subscription. Link and address are filled in when it is sent."""

from __future__ import annotations

from msgspec import Struct

from digest.ports import Language, Templates
from digest.render.mail import FOOT, LIGHT, fonts, inlined
from digest.subscribers.subscription import Notice
from digest.text import clean_line, cut

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
    subject, says, button, small = _words(notice, site, language)
    values = {
        "subject": subject,
        "says": says,
        "button": button,
        "small": small,
        "site_title": site,
        "site_url": site_url,
        "foot": FOOT,
        "light": LIGHT,
        "fonts": fonts(language),
        "start": "right" if language.direction == "rtl" else "left",
    }
    return NoticeText(
        subject=subject,
        html=inlined(templates.render("notices/notice.html", values)),
        text=templates.render("notices/notice.txt", values),
    )


def _words(notice: Notice, site: str, language: Language) -> tuple[str, str, str, str]:
    """Subject, what it says, the button, the small print."""
    _ = language.text
    address = "%%ADDRESS%%"
    once = _("The link works once, within one hour. If it was not you who asked for it, do nothing.")
    if notice is Notice.CONFIRM:
        return (
            _("Please confirm your subscription to {site}", site=site),
            _("Somebody, probably you, wants mail from {site} to be sent to {address}.", site=site, address=address),
            _("Yes, subscribe me"),
            _("The link works for seven days. If it was not you, do nothing: no further mail is sent."),
        )
    if notice is Notice.ALREADY:
        return (
            _("You are subscribed to {site} already", site=site),
            _(
                "Somebody, probably you, asked for mail from {site} to be sent to {address}, which it is already.",
                site=site,
                address=address,
            ),
            _("Change what you get, and when"),
            _("If it was not you, do nothing: nothing was changed."),
        )
    if notice is Notice.MOVE:
        return (
            _("Your new address at {site}", site=site),
            _(
                "Here is the link to have your mail from {site} sent to another address than {address}.",
                site=site,
                address=address,
            ),
            _("Name a new address"),
            once,
        )
    if notice is Notice.ARRIVE:
        return (
            _("Please confirm your new address at {site}", site=site),
            _(
                "Somebody, probably you, wants their mail from {site} to be sent to {address} from now on.",
                site=site,
                address=address,
            ),
            _("Yes, send it here"),
            once,
        )
    if notice is Notice.MOVED:
        return (
            _("Your mail from {site} goes to another address now", site=site),
            _(
                "As somebody, probably you, asked for, mail from {site} is no longer sent to {address}.",
                site=site,
                address=address,
            ),
            _("Change what you get, and when"),
            _("If it was not you, open the link and unsubscribe, then subscribe again."),
        )
    if notice is Notice.EXPORT:
        return (
            _("Your data at {site}", site=site),
            _("Here is the link to everything that {site} keeps about {address}.", site=site, address=address),
            _("Show my data"),
            once,
        )
    return (
        _("Erase your data at {site}", site=site),
        _("Here is the link to erase everything that {site} keeps about {address}.", site=site, address=address),
        _("Erase my data"),
        once,
    )
