"""What services that send mail tell by HTTP, read: Amazon SES's notifications, and a form of ours that others map to.

Pure: JSON goes in, reports come out, as from mail that comes back (``reports``), for the same judge. Whoever calls has
checked the signature, so the recipient that is named is believed, where a mail's never is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from digest.models import Verdict
from digest.subscribers.reports import Kind, Report, judged_report, links_in, tokens_in

_NOT_COMPLAINTS = frozenset({"not-spam", "auth-failure", "virus"})
"""Feedback that is about no wish of a reader's (RFC 5965 section 7.3)."""
_SES_WORDLESS = {
    ("Permanent", "MessageTooLarge"): Verdict.CONTENT,
    ("Permanent", "ContentRejected"): Verdict.CONTENT,
    ("Permanent", "AttachmentRejected"): Verdict.CONTENT,
    ("Transient", "MessageTooLarge"): Verdict.CONTENT,
    ("Transient", "ContentRejected"): Verdict.CONTENT,
    ("Transient", "AttachmentRejected"): Verdict.CONTENT,
    ("Transient", "MailboxFull"): Verdict.FULL,
    ("Transient", "General"): Verdict.DELAYED,
}
"""By type and subtype, where no server's words are told."""
_MOST = 100
"""Recipients, or entries, of one notification that are looked at."""


class NotReadable(ValueError):
    """It is no notification of this kind. Says why."""


def read_ses(text: str) -> list[Report]:
    """What Amazon SES tells, in a notification or an event (docs.aws.amazon.com/ses: contents of notifications).
    Kinds that say nothing about a reader give no reports. Raises NotReadable."""
    return [_believed(each) for each in _ses(_object(_decoded(text), "the notification"))]


def _believed(report: Report) -> Report:
    return msgspec.structs.replace(report, is_signed=True)


def _ses(told: Mapping[str, Any]) -> list[Report]:
    kind = _text(told, "notificationType") or _text(told, "eventType")
    mail = _object(told.get("mail", {}), "mail")
    known = (_text(mail, "messageId"), *_hints(mail))
    if kind == "Bounce":
        return list(_ses_bounces(_object(told.get("bounce"), "bounce"), *known))
    if kind == "DeliveryDelay":
        return list(_ses_bounces(_object(told.get("deliveryDelay"), "deliveryDelay"), *known))
    if kind == "Complaint":
        return list(_ses_complaints(_object(told.get("complaint"), "complaint"), *known))
    if kind == "Delivery":
        return [
            Report(kind=Kind.ARRIVED, name=_name(known[0], "delivery"), tokens=known[1], links=known[2], status="2.0.0")
        ]
    return []


def _hints(mail: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens of ours: in the envelope sender, and in the header to leave by if headers are told."""
    headers = [each for each in _list(mail, "headers") if isinstance(each, dict)]
    leaving = [_text(each, "value") for each in headers if _text(each, "name").lower() == "list-unsubscribe"]
    senders = [
        _text(mail, "source"),
        *(_text(e, "value") for e in headers if _text(e, "name").lower() == "return-path"),
    ]
    return tokens_in(senders), links_in(leaving)


def _ses_bounces(
    bounce: Mapping[str, Any], message: str, tokens: tuple[str, ...], links: tuple[str, ...]
) -> Iterator[Report]:
    delayed = "delayType" in bounce
    people = _list(bounce, "delayedRecipients" if delayed else "bouncedRecipients")
    kinds = (_text(bounce, "bounceType"), _text(bounce, "bounceSubType"))
    identity = _text(bounce, "feedbackId") or f"{message} {_text(bounce, 'timestamp')}"
    for person in people[:_MOST]:
        if not isinstance(person, dict):
            continue
        address = _text(person, "emailAddress")
        report = judged_report(
            name=_name(identity, address),
            tokens=tokens,
            form="Amazon SES",
            action="delayed" if delayed else _text(person, "action"),
            status=_text(person, "status"),
            words=_text(person, "diagnosticCode"),
        )
        if not _text(person, "diagnosticCode") and kinds in _SES_WORDLESS:
            told = f"{kinds[0]}, {kinds[1]}"
            report = msgspec.structs.replace(report, verdict=_SES_WORDLESS[kinds], rule=f"SES says {told}", text=told)
        yield msgspec.structs.replace(report, links=links, recipient=_only(address, people))


def _ses_complaints(
    complaint: Mapping[str, Any], message: str, tokens: tuple[str, ...], links: tuple[str, ...]
) -> Iterator[Report]:
    if _text(complaint, "complaintFeedbackType") in _NOT_COMPLAINTS:
        return
    people = _list(complaint, "complainedRecipients")
    identity = _text(complaint, "feedbackId") or message
    for person in people[:_MOST]:
        if isinstance(person, dict):
            address = _text(person, "emailAddress")
            yield _complaint(_name(identity, address), tokens, links, _only(address, people))


def _only(address: str, people: Sequence[object]) -> str:
    """Of several who may be meant nobody is: SES names all readers at a domain that does not say which of them it
    was."""
    return address if len(people) == 1 else ""


# ---------------------------------------------------------------- our own form


class SignedEvent(Struct, frozen=True):
    """One entry of our own form."""

    type: str
    """bounced, delayed, complained or delivered."""
    sender: str = ""
    """The envelope sender of the mail that it is about: it has the delivery's token."""
    recipient: str = ""
    status: str = ""
    """Enhanced code."""
    words: str = ""
    """What the server said."""


def read_signed(body: bytes, name: str) -> list[Report]:
    """Our own form: one entry, or a list of them; each may stand in ``data`` beside its ``type`` (as Standard Webhooks
    has it). ``name`` is that of the request, the same each time it is sent. Raises NotReadable."""
    told = _decoded(body)
    entries = told if isinstance(told, list) else [told]
    if not entries or len(entries) > _MOST:
        raise NotReadable(f"it has {len(entries)} entries, and may have 1 to {_MOST}")
    return [_believed(_signed(_entry(each), f"{name} {number}")) for number, each in enumerate(entries)]


def _entry(told: object) -> SignedEvent:
    fields = _object(told, "an entry")
    data = fields.get("data")
    try:
        return msgspec.convert({**fields, **(data if isinstance(data, dict) else {})}, SignedEvent)
    except msgspec.ValidationError as error:
        raise NotReadable(str(error)) from error


def _signed(event: SignedEvent, name: str) -> Report:
    name, tokens = _name("signed", name), tokens_in([event.sender])
    kind = event.type.rpartition(".")[2]
    if kind == "complained":
        return _complaint(name, tokens, (), event.recipient)
    if kind == "delivered":
        return Report(kind=Kind.ARRIVED, name=name, tokens=tokens, recipient=event.recipient, status="2.0.0")
    if kind not in ("bounced", "delayed"):
        raise NotReadable(f"type is {event.type!r}; it may be bounced, delayed, complained or delivered")
    action = "delayed" if kind == "delayed" else "failed"
    report = judged_report(
        name=name, tokens=tokens, form="webhook", action=action, status=event.status, words=event.words
    )
    return msgspec.structs.replace(report, recipient=event.recipient)


def _complaint(name: str, tokens: tuple[str, ...], links: tuple[str, ...], recipient: str) -> Report:
    return Report(
        kind=Kind.COMPLAINT,
        name=name,
        tokens=tokens,
        links=links,
        recipient=recipient,
        text="complaint",
        form="complaint",
    )


# ------------------------------------------------------------------------ JSON


def _decoded(data: bytes | str) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotReadable("it is not JSON") from error


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotReadable(f"{what} is not an object")
    return value


def _list(value: Mapping[str, Any], name: str) -> list[object]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _name(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
