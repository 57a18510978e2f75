"""What other programs' lists say about people: who reads, who left, who must not be written to.

Pure. A file says it in a word (``status`` of listmonk, MailPoet and beehiiv, ``type`` of Buttondown), with yes or no
(``subscribed_to_emails`` of Ghost, ``email_disabled`` of Substack), or by a date that is there (``UNSUB_TIME`` and
``CLEAN_TIME`` of Mailchimp). The worst of all that a row says counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum

from msgspec import Struct

from digest.subscribers.subscription import SuppressionReason


class Fate(IntEnum):
    """Of somebody in a list, from good to bad."""

    READS = 0
    UNCONFIRMED = 1
    """They never said yes."""
    LEFT = 2
    BOUNCED = 3
    COMPLAINED = 4
    BLOCKED = 5


class Told(Struct, frozen=True, kw_only=True):
    """What a row says."""

    fate: Fate = Fate.READS
    since: datetime | None = None


REASONS = {
    Fate.BOUNCED: SuppressionReason.BOUNCE,
    Fate.COMPLAINED: SuppressionReason.COMPLAINT,
    Fate.BLOCKED: SuppressionReason.MANUAL,
}
"""Why somebody is suppressed."""


def _by_name(table: Mapping[Fate, str]) -> dict[str, Fate]:
    """Names with commas between them, each with its fate."""
    return {" ".join(name.split()): fate for fate, names in table.items() for name in names.split(",")}


_WORDS = _by_name(
    {
        Fate.READS: """
            subscribed, active, enabled, confirmed, opted in, optin, yes, true, 1, regular, premium, free, paid,
            gifted, trialed, unpaid, churning, churned, past due, comped, complimentary
        """,
        Fate.UNCONFIRMED: """
            pending, unconfirmed, not confirmed, unactivated, unverified, validating, awaiting confirmation,
            transactional, non subscribed, nonsubscribed, not subscribed, never subscribed, subscribe pending
        """,
        Fate.LEFT: """
            unsubscribed, unsubscribe, unsub, inactive, disabled, left, opted out, optout, archived, deleted,
            removed, cancelled, canceled, paused, no, false, 0, abgemeldet, désabonné, désinscrit, 已退订
        """,
        Fate.BOUNCED: """
            bounced, bounce, hard bounced, hard bounce, hardbounced, soft bounced, soft bounce, cleaned,
            undeliverable, unreachable, invalid, invalid email, needs attention
        """,
        Fate.COMPLAINED: """
            complained, complaint, complained of spam, spam, spam complaint, marked as spam, reported spam,
            junk, abuse, abuse report
        """,
        Fate.BLOCKED: """
            blocklisted, blacklisted, blocked, banned, suppressed, spammy, manual, bounced and blocked
        """,
    }
)
"""What a status may be."""
_STATUS = frozenset(
    (
        *("status", "list status", "global status", "subscription status", "subscriber status"),
        *("member status", "contact status", "email status", "email marketing status", "confirm status"),
        *("opt in status", "mailing status", "subscription state"),
    )
)
"""Columns of a word that has to be known."""
_PERHAPS = frozenset(("type", "state", "subscriber type"))
"""Columns of such a word, or of something else: a state of the USA."""
_YES = _by_name(
    {
        Fate.LEFT: """
            subscribed, is subscribed, subscribed to emails, subscribed to newsletter, email subscribed, active,
            is active, enabled, opted in, opt in, optin, accepts marketing, accepts email marketing, receives
            emails
        """,
        Fate.UNCONFIRMED: """
            confirmed, is confirmed, verified, is verified, email verified, double opt in
        """,
    }
)
"""Columns that say yes or no, and what no means."""
_HAPPENED = _by_name(
    {
        Fate.LEFT: """
            unsubscribed, unsubscribed at, unsubscribed on, unsubscribed date, unsubscribe date, unsubscribe
            time, unsubscribe reason, unsubscribed reason, date unsubscribed, unsubscription date,
            unsubscription reason, unsub, unsub time, unsub reason, unsub campaign title, unsub campaign id,
            opted out, optout, opt out, optout time, opted out at, email disabled, disabled, is disabled, emails
            disabled, deleted, deleted at, archived, archived at, do not email, do not mail, left at
        """,
        Fate.BOUNCED: """
            bounced, bounce, bounced at, bounce date, bounced on, bounce reason, bounce type, hard bounced,
            clean time, clean campaign title, clean campaign id, cleaned, cleaned at, undeliverable,
            undeliverability date, undeliverability reason, email bounced
        """,
        Fate.COMPLAINED: """
            complained, complained at, complaint, complaint date, spam, marked as spam, spam complaint, reported
            spam
        """,
        Fate.BLOCKED: """
            blocked, blocked at, is blocked, blocklisted, blacklisted, is blacklisted, suppressed, suppressed
            at, suppression reason, banned
        """,
    }
)
"""Columns of what happened, yes or no, or when."""
_OLDEST, _NEWEST = 1970, 3000
_NOT = frozenset(("", "false", "no", "n", "f", "0", "off", "none", "null", "nil", "never", "-", "n/a", "nan"))
_KNOWN = _STATUS | _PERHAPS | _YES.keys() | _HAPPENED.keys()


def decides(name: str) -> bool:
    """Whether a column may say what became of somebody: one that is known, or a status of whatever kind."""
    return name in _KNOWN or "status" in name


def told(cells: Mapping[str, str], now: datetime) -> Told:
    """What a row says. Raises ValueError for a status that is not known: nobody is written to by guess."""
    worst = Told()
    for name, cell in cells.items():
        if decides(name):
            fate = _fate(name, " ".join(cell.casefold().replace("_", " ").replace("-", " ").split()), cell)
            if fate > worst.fate or (fate is worst.fate and worst.since is None):
                worst = Told(fate=fate, since=_moment(cell, now))
    return worst


def _fate(name: str, word: str, cell: str) -> Fate:
    if name not in _HAPPENED and name not in _YES:
        if word and word not in _WORDS and name in _STATUS:
            raise ValueError(
                f"{name} {cell!r} is not known, so nobody can tell whether they want mail; write subscribed, "
                "unconfirmed, unsubscribed, bounced, complained or blocked instead"
            )
        return _WORDS.get(word, Fate.READS)
    if name in _HAPPENED:
        if word in _NOT or cell.startswith("0000"):
            return Fate.READS
        return _WORDS.get(word) or _HAPPENED[name]  # READS, that is yes, says nothing more
    return _YES[name] if word and word in _NOT else _WORDS.get(word, Fate.READS)


def _moment(cell: str, now: datetime) -> datetime | None:
    """When something happened, if the cell says so; never after ``now``."""
    try:
        return min(moment_of(cell), now)
    except ValueError:
        return None


def moment_of(text: str) -> datetime:
    """In ISO 8601, in UTC where it does not say. Raises ValueError, also for what no mail can be as old or new as."""
    moment = datetime.fromisoformat(text)
    if not _OLDEST < moment.year < _NEWEST:
        raise ValueError("that is no year of any mail")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
