"""What comes back: reports of mail that could not be delivered (RFC 3464) and complaints (ARF, RFC 5965).

Pure: bytes go in, a ``Report`` or None comes out; then points and days go in, a ``Verdict`` comes out. Reports are
hostile input: nothing in one is believed but a token of ours, which the caller looks up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from digest.outbox import Blame, blame, masked
from digest.text import clean_line

if TYPE_CHECKING:
    from email.message import Message

SIZE_LIMIT = 1_000_000
"""Octets of a report; larger ones are not read."""
VALID_FOR = timedelta(days=30)
"""How long after an edition a report about it counts."""

HARD_DAYS = 3
"""So many days with a refusal for good suppress an address."""
SOFT_POINTS, SOFT_WITHIN = 5, timedelta(days=14)
"""So many soft points, one a day, within so many days hold an address,"""
HELD_FOR = timedelta(days=7)
"""for so long; then one mail is tried."""
PROBE_COUNTS = timedelta(days=3)
"""When nothing came back for so long after that mail, the mailbox works again."""

_PARTS_LIMIT = 100
_TOKEN = re.compile(r"\+([A-Za-z0-9_-]{16,64})@")
_LINK = re.compile(r"/([A-Za-z0-9_-]{35})(?=[>\s?]|$)")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_TO_US = ("delivered-to", "x-original-to", "envelope-to", "to")
_FROM_US = ("return-path", "x-envelope-from")


class Kind(StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    ARRIVED = "arrived"
    """A report of success: the message did arrive."""


class Report(Struct, frozen=True, kw_only=True):
    """One report about one message."""

    kind: Kind
    name: str
    """The same for two copies of a report."""
    tokens: tuple[str, ...]
    """What may be the token of our envelope sender, the likeliest first."""
    links: tuple[str, ...] = ()
    """What may be a token of ours in a link of the message that it is about."""
    status: str = ""
    """Enhanced code (RFC 3463)."""
    text: str = ""
    """The server's words, addresses masked."""

    @property
    def blame(self) -> Blame:
        return blame(None, self.status)


def parse_report(data: bytes) -> Report | None:
    """The report in a mail; None for any other mail (an answer, an out-of-office note) and for one over 1 MB."""
    from email.errors import MessageError  # late: the store knows this module, and most runs read no mail

    if len(data) > SIZE_LIMIT:
        return None
    try:
        mail = _parsed(data)
        parts = list(_parts(mail))
    except (MessageError, ValueError, LookupError, RecursionError):
        return None
    name = _name(mail, data)
    told = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
    if told is not None:
        return _complaint(mail, parts, told, name)
    told = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    return None if told is None else _bounce(mail, parts, told, name)


def _parsed(data: bytes) -> Message:
    from email import message_from_bytes, policy

    return message_from_bytes(data, policy=policy.compat32)


def _parts(mail: Message) -> Iterator[Message]:
    """All parts, those of embedded messages too, up to a sane number."""
    for count, part in enumerate(mail.walk()):
        if count >= _PARTS_LIMIT:
            return
        yield part


def _name(mail: Message, data: bytes) -> str:
    """The mail's Message-ID if it has one, else its body: what is added on the way does not matter."""
    told = _field(mail, "message-id") or data.partition(b"\n\n")[2] or data.partition(b"\r\n\r\n")[2] or data
    return hashlib.sha256(told.encode("utf-8", "replace") if isinstance(told, str) else told).hexdigest()[:32]


def _complaint(mail: Message, parts: Sequence[Message], told: Message, name: str) -> Report | None:
    fields = _blocks(told)
    if "abuse" not in {block.get("feedback-type", "").lower() for block in fields}:
        return None
    senders = [block.get("original-mail-from", "") for block in fields]
    return Report(
        kind=Kind.COMPLAINT,
        name=name,
        tokens=_tokens([*senders, *_about(parts), *_ours(mail)]),
        links=_links(parts),
        text="complaint",
    )


def _bounce(mail: Message, parts: Sequence[Message], told: Message, name: str) -> Report | None:
    recipients = [block for block in _blocks(told) if "action" in block or "status" in block]
    if not recipients:
        return None
    worst = max(recipients, key=_gravity)
    action = worst.get("action", "").lower()
    kind = Kind.ARRIVED if action in ("delivered", "relayed", "expanded") else Kind.BOUNCE
    match = _STATUS.search(worst.get("status", "")) or _STATUS.search(worst.get("diagnostic-code", ""))
    status = ".".join(match.groups()) if match else ("4.0.0" if action == "delayed" else "5.0.0")
    if action == "delayed" and status[0] != "4":
        status = "4.0.0"
    return Report(
        kind=kind,
        name=name,
        tokens=_tokens([*_ours(mail), *_about(parts)]),
        status=status,
        text=masked(clean_line(worst.get("diagnostic-code", "")))[:300],
    )


def _gravity(block: dict[str, str]) -> int:
    """Failed counts more than delayed, delayed more than done."""
    order = ("expanded", "relayed", "delivered", "delayed", "failed")
    action = block.get("action", "").lower()
    return order.index(action) if action in order else 3


def _blocks(part: Message) -> list[dict[str, str]]:
    """Groups of fields of a machine-readable part, whichever way the parser has cut it up."""
    payload = part.get_payload()
    if isinstance(payload, list):
        groups = [block for block in payload if not isinstance(block, str)]
        return [{key.lower(): clean_line(str(value)) for key, value in group.items()} for group in groups]
    text = payload if isinstance(payload, str) else ""
    blocks = []
    for chunk in re.split(r"\r?\n\s*\r?\n", text.strip()):
        inner = _parsed(chunk.encode("utf-8", "replace") + b"\n\n")
        blocks.append({key.lower(): clean_line(str(value)) for key, value in inner.items()})
    return blocks


def _ours(mail: Message) -> list[str]:
    """Where the report itself was sent to: the envelope sender of what it is about."""
    return [value for name in _TO_US for value in _fields(mail, name)]


def _about(parts: Sequence[Message]) -> list[str]:
    """Envelope senders that embedded messages tell."""
    return [value for inner in _embedded(parts) for name in _FROM_US for value in _fields(inner, name)]


def _links(parts: Sequence[Message]) -> tuple[str, ...]:
    told = [value for inner in _embedded(parts) for value in _fields(inner, "list-unsubscribe")]
    return tuple(dict.fromkeys(match for value in told for match in _LINK.findall(value)))


def _embedded(parts: Sequence[Message]) -> Iterator[Message]:
    """The messages, or headers of messages (RFC 6522 section 4), that a report brings along."""
    for part in parts:
        kind, payload = part.get_content_type(), part.get_payload()
        if kind in ("message/rfc822", "message/rfc822-headers") and isinstance(payload, list):
            yield from (each for each in payload if not isinstance(each, str))
        elif kind == "text/rfc822-headers":
            decoded = part.get_payload(decode=True)
            yield _parsed(decoded if isinstance(decoded, bytes) else b"")


def _tokens(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match for value in values for match in _TOKEN.findall(value)))


def _fields(mail: Message, name: str) -> list[str]:
    return [clean_line(str(value)) for value in mail.get_all(name, [])]


def _field(mail: Message, name: str) -> str:
    return next(iter(_fields(mail, name)), "")


# ------------------------------------------------------------------ verdicts


class Verdict(StrEnum):
    """What becomes of an address."""

    NOTHING = "nothing"
    SUPPRESS = "suppress"
    HOLD = "hold"


class Mark(Struct, frozen=True, kw_only=True):
    """An earlier refusal of an address."""

    blame: Blame
    at: datetime
    """UTC; days are counted in UTC."""


def judge(marks: Iterable[Mark], *, now: datetime, on_probe: bool) -> Verdict:
    """What to do after the last of these refusals, which are in the order of time. ``on_probe``: it was about the one
    mail that is tried after a hold."""
    known = list(marks)
    if any(mark.blame is Blame.DEAD for mark in known):
        return Verdict.SUPPRESS
    if len(_days(known, Blame.HARD)) >= HARD_DAYS:
        return Verdict.SUPPRESS
    recent = [mark for mark in known if mark.at > now - SOFT_WITHIN]
    softs = _days(recent, Blame.SOFT)
    if on_probe and known and known[-1].blame in (Blame.SOFT, Blame.HARD):
        return Verdict.SUPPRESS
    return Verdict.HOLD if len(softs) >= SOFT_POINTS else Verdict.NOTHING


def _days(marks: Iterable[Mark], about: Blame) -> set[date]:
    return {mark.at.date() for mark in marks if mark.blame is about}
