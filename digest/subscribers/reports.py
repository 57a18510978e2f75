"""Mail that comes back, read: reports of mail that could not be delivered, in every form in use, and complaints.

Pure: bytes go in, a ``Report`` or None comes out. The forms are RFC 3464 and RFC 6533 as mailers really write them,
the text of qmail (QSBMF), of Exim with ``X-Failed-Recipients``, of Exchange, and fields in a text part; complaints are
ARF (RFC 5965) or a message that is forwarded as Outlook.com's JMRP does. Any other mail with a code or a phrase of a
refusal counts as unknown. Reports are hostile input: nothing in one is believed but a token of ours, which the caller
looks up. Answers by themselves (RFC 3834) are no reports. A mail by which a reader asks to get no more says just that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from digest.models import Verdict
from digest.outbox import masked
from digest.text import clean_line
from digest.verdicts.judging import Judgement, has_code, judge, phrase_in, status_code

if TYPE_CHECKING:
    from email.message import Message

SIZE_LIMIT = 1_000_000
"""Octets of a report; larger ones are not read."""

_PARTS_LIMIT = 100
_WORDS_LIMIT = 2_000
"""Characters of a server's words that are judged,"""
_TEXT_LIMIT = 300
"""and that are kept."""
_BARE_LIMIT = 20_000
_LINES_OF_WORDS = 6
_TOKEN = re.compile(r"\+([A-Za-z0-9_-]{16,64})@")
_LINK = re.compile(r"/([A-Za-z0-9_-]{35})(?=[>\s?]|$)")
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_TO_US = ("delivered-to", "x-original-to", "envelope-to", "x-delivered-to", "to")
_FROM_US = ("return-path", "x-envelope-from", "x-original-from")
_DONE = frozenset({"delivered", "relayed", "expanded", "deliverable"})
"""RFC 3464 section 2.3.3; "deliverable" is Postfix's answer to a question."""
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out"})

_REPORT_TYPE, _FEEDBACK_TYPE = "text/x-delivery-status", "text/x-feedback-report"
"""What is parsed as text, so that whatever is in it can be read, encoded or not."""
_TYPES = (
    (re.compile(rb"^(content-type\s*:\s*)message/(?:global-)?delivery-status", re.I | re.M), _REPORT_TYPE),
    (re.compile(rb"^(content-type\s*:\s*)message/feedback-report", re.I | re.M), _FEEDBACK_TYPE),
    (
        re.compile(rb"^(content-type\s*:\s*)message/(?:global-headers|rfc822-headers)", re.I | re.M),
        "text/rfc822-headers",
    ),
    (re.compile(rb"^(content-type\s*:\s*)message/global\b(?!-)", re.I | re.M), "message/rfc822"),
)
_FIELD = re.compile(
    r"^(original-envelope-id|reporting-mta|dsn-gateway|received-from-mta|arrival-date|original-recipient|"
    r"final-recipient|action|status|remote-mta|diagnostic-code|last-attempt-date|final-log-id|will-retry-until|"
    r"localized-\w+|feedback-type|user-agent|version|original-mail-from|original-rcpt-to|source-ip|reported-domain|"
    r"x-[a-z0-9-]+)\s*:[ \t]*(.*)$",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"^(?:-{2,} ?(?:below this line|this is a copy|original message|the following is|message header|returned message|"
    r"the header|included is)|--- mensaje|-{3,} ?original|received: (?:from|by) |return-path: ?<)",
    re.IGNORECASE | re.MULTILINE,
)
_AT_DATA = re.compile(r"in reply to (?:end of )?data|after (?:end of |sending )?data|end-of-data", re.IGNORECASE)
_KNOWN_TEXTS = (
    ("DragonFly", re.compile(r"^This is the DragonFly Mail Agent", re.M)),
    ("OpenSMTPD", re.compile(r"^\s*Hi!\s+This is the MAILER-DAEMON", re.I | re.M)),
    ("Sendmail", re.compile(r"^ *-{2,} ?Transcript of (?:the )?session follows", re.I | re.M)),
    ("Exim", re.compile(r"^This message was created automatically by mail delivery software", re.I | re.M)),
    ("Postfix", re.compile(r"^(?:This is the mail system at host|This is the Postfix program at host)", re.I | re.M)),
    ("Google", re.compile(r"^Delivery to the following recipient|^Your message wasn't delivered to", re.I | re.M)),
    ("GMX", re.compile(r"SMTP error from remote server (?:after|in|for) ", re.I)),
)
"""Texts of mailers that are known, by what they begin with."""
_SES = re.compile(r'"(?:notificationType|eventType)"\s*:\s*"Bounce"')
"""A notification of Amazon SES that SNS sends by mail: JSON, in lines that are broken anywhere."""
_SES_WORDS = re.compile(r'"diagnosticCode"\s*:\s*"([^"]*)"')
_QSBMF = re.compile(r"^\s*hi\. this is the ", re.IGNORECASE)
_PARAGRAPH = re.compile(r"^<[^\n>]*>:[ \t]*$|^<[^\n>]*>:", re.MULTILINE)
_EXCHANGE = re.compile(r"did not reach the following recipient|could not be delivered to the following", re.IGNORECASE)
_RECIPIENT = re.compile(r"^[ \t]*<?[^\s<>@]+@[^\s<>@]+>?:?[ \t]*(?:on .*)?$", re.MULTILINE)
_FAILED = re.compile(
    r"could not be delivered|undeliverable|delivery (?:has )?failed|returned mail|failure reasons|delivery problems|"
    r"had delivery errors|was rejected by|投递失败|退信|無法投遞|送信できませんでした",
    re.IGNORECASE,
)
_WITH_ADDRESS = re.compile(r"^.*@.*$", re.MULTILINE)
_AUTOMATIC_SUBJECT = re.compile(
    r"^(?:re: ?)?(?:auto(?:matic)?[ -]?(?:reply|response|antwort)|out of (?:the )?office|away from|vacation|on leave|"
    r"abwesen|automatische antwort|réponse automatique|respuesta automática|自动回复|自動回覆|自動返信|不在)",
    re.IGNORECASE,
)
_LEAVING = re.compile(
    r"^\W*(?:(?:re|aw|sv|fwd?|回复|回覆|答复)\s*[:：]\s*)*(?:please\s+)?(?:"
    r"unsubscribe(?: me)?|opt[ -]?out|stop|remove me|"
    r"退订|退訂|取消订阅|取消訂閱|配信停止|abmelden|abbestellen|désabonner|désinscription|désabonnement|darse de baja|"
    r"cancelar (?:la )?suscripción|отписаться|disiscrivimi)\W*$",
    re.IGNORECASE,
)
"""All that such a mail says, in its subject or in its first line."""
_DAEMON = re.compile(r"mailer-daemon|post[_-]?master|mail[ ._-]?delivery|<>", re.IGNORECASE)


class Kind(StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    ARRIVED = "arrived"
    """A report of success: the message did arrive."""
    OPT_OUT = "opt-out"
    """A reader asks by mail to get no more."""


class Report(Struct, frozen=True, kw_only=True):
    """One report about one message."""

    kind: Kind
    name: str
    """The same for two copies of a report; not unique by itself, since mailers write what they like."""
    tokens: tuple[str, ...]
    """What may be the token of our envelope sender, the likeliest first."""
    links: tuple[str, ...] = ()
    """What may be a token of ours in a link of the message that it is about."""
    is_signed: bool = False
    """Whoever says so is known (``notifications``): its name is unique, and the recipient believed, as of no mail."""
    recipient: str = ""
    """Whom it is about, if it is signed."""
    status: str = ""
    """Enhanced code (RFC 3463)."""
    text: str = ""
    """The server's words, addresses masked."""
    verdict: Verdict = Verdict.UNKNOWN
    rule: str = ""
    """What led to the verdict, for people."""
    form: str = ""
    """How it is written; empty: in no form that is known."""


def parse_report(data: bytes) -> Report | None:
    """The report in a mail; None for any other mail (an answer, an out-of-office note) and for one over 1 MB."""
    from email.errors import MessageError  # late: the store knows this module, and most runs read no mail

    if len(data) > SIZE_LIMIT:
        return None
    try:
        mail = _parsed(_readable(data))
        parts = list(_parts(mail))
        return _report(mail, parts, _human(parts) or _bare(data), _name(mail, data))
    except (MessageError, ValueError, LookupError, RecursionError, TypeError, AttributeError):
        return None


def _report(mail: Message, parts: Sequence[Message], human: str, name: str) -> Report | None:
    told = next((part for part in parts if part.get_content_type() == _FEEDBACK_TYPE), None)
    if told is not None:
        return _complaint(mail, parts, _blocks(_text(told)), name)
    if _is_forwarded_complaint(mail, parts):
        return _complaint(mail, parts, [{"feedback-type": "abuse"}], name)
    if any(part.get_content_type() == "message/disposition-notification" for part in parts):
        return None  # RFC 8098: a reader's program tells what became of a mail that has arrived
    told = next((part for part in parts if part.get_content_type() == _REPORT_TYPE), None)
    if told is not None and (report := _bounce(mail, parts, _blocks(_text(told)), human, name, form="RFC 3464")):
        return report
    for fields in map(_blocks, _texts(parts)):
        if any("action" in block and ("status" in block or "diagnostic-code" in block) for block in fields):
            return _bounce(mail, parts, fields, human, name, form="RFC 3464 in a text")
    return _opt_out(mail, parts, human, name) or _told_in_words(mail, parts, human, name)


def _opt_out(mail: Message, parts: Sequence[Message], human: str, name: str) -> Report | None:
    """A reader who writes to the address to leave by (RFC 2369), as Apple's program does for them, or answers a mail
    with that word alone. Whose it is says our token, or the link to leave by in what is quoted."""
    first = next((line for line in human.splitlines() if line.strip()), "")
    asked = _LEAVING.match(_subject(mail)) or _LEAVING.match(first.strip())
    is_apples = _field(mail, "x-apple-unsubscribe").lower() == "true"
    if not (asked or is_apples) or _is_from_daemon(mail) or _is_automatic(mail):
        return None
    quoted = links_in(_all_texts(parts))
    links = tuple(dict.fromkeys([*_links(parts), *quoted]))
    tokens = tokens_in([*_ours(mail), *_about(parts)])
    return Report(kind=Kind.OPT_OUT, name=name, tokens=tokens, links=links) if tokens or links else None


def _all_texts(parts: Sequence[Message]) -> Iterator[str]:
    """With what they quote."""
    return (_text(part)[:_BARE_LIMIT] for part in parts if part.get_content_maintype() == "text")


def _readable(data: bytes) -> bytes:
    for pattern, kind in _TYPES:
        data = pattern.sub(lambda match, kind=kind: match.group(1) + kind.encode(), data)  # type: ignore[misc]
    return data


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
    match = _MESSAGE_ID.search(_field(mail, "message-id"))
    body = data.partition(b"\n\n")[2] or data.partition(b"\r\n\r\n")[2] or data
    return hashlib.sha256(match.group().encode("utf-8", "replace") if match else body).hexdigest()[:32]


def _text(part: Message) -> str:
    """A text part, decoded as far as that can be done."""
    decoded = part.get_payload(decode=True)
    if not isinstance(decoded, bytes):
        return ""
    try:
        return decoded.decode(part.get_content_charset() or "utf-8", "replace").replace("\r\n", "\n")
    except LookupError:
        return decoded.decode("utf-8", "replace").replace("\r\n", "\n")


def _human(parts: Sequence[Message]) -> str:
    """The first text for people, without the copy of our message that may follow in it."""
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            return ""
        if part.get_content_type() == "text/plain" and (text := _text(part)).strip():
            return _COPY.split(text, maxsplit=1)[0]
        if part.get_content_type() == "text/html" and (text := _text(part)).strip():
            return re.sub(r"<(?:[^<>@]{1,500})>", "\n", text)
    return ""


def _bare(data: bytes) -> str:
    """What stands behind the header of a mail whose parts cannot be told apart."""
    text = data[:_BARE_LIMIT].decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[2]
    return _COPY.split(text, maxsplit=1)[0]


def _texts(parts: Sequence[Message]) -> Iterator[str]:
    """All texts but those of our message."""
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            return
        if part.get_content_type() == "text/plain":
            yield _COPY.split(_text(part), maxsplit=1)[0]


# ---------------------------------------------------------------- complaints


def _is_forwarded_complaint(mail: Message, parts: Sequence[Message]) -> bool:
    """JMRP of Outlook.com: the message, forwarded by its staff, without a report."""
    says = _field(mail, "subject").lower().startswith("complaint about message from")
    sender = _field(mail, "from").lower()
    return (says or "staff@hotmail.com" in sender) and next(_embedded(parts), None) is not None


def _complaint(mail: Message, parts: Sequence[Message], fields: list[dict[str, str]], name: str) -> Report | None:
    if not _COMPLAINTS & {block.get("feedback-type", "").lower() for block in fields}:
        return None
    senders = [block.get("original-mail-from", "") for block in fields]
    return Report(
        kind=Kind.COMPLAINT,
        name=name,
        tokens=tokens_in([*senders, *_about(parts), *_ours(mail)]),
        links=_links(parts),
        text="complaint",
        form="complaint",
    )


# ------------------------------------------------------------------- reports


def _bounce(
    mail: Message, parts: Sequence[Message], blocks: list[dict[str, str]], human: str, name: str, *, form: str
) -> Report | None:
    recipients = [block for block in blocks if {"action", "status", "diagnostic-code"} & block.keys()]
    if not recipients:
        return None
    worst = max(recipients, key=_gravity)
    return judged_report(
        name=name,
        tokens=tokens_in([*_ours(mail), *_about(parts)]),
        form=form,
        action=_action(worst),
        status=worst.get("status", ""),
        words=worst.get("diagnostic-code", ""),
        human=human,
    )


def judged_report(
    *, name: str, tokens: tuple[str, ...], form: str, action: str, status: str, words: str, human: str = ""
) -> Report:
    """The report that fields make (RFC 3464 section 2.3): ``Action``, ``Status`` and ``Diagnostic-Code`` as they are
    written, and the text for people beside them."""
    written, status = status, status_code(status)
    diagnostic = re.sub(r"^\s*(?:smtp|x-[\w-]+|x400|unix|dns)\s*;\s*", "", words, flags=re.IGNORECASE)
    base = Report(kind=Kind.BOUNCE, name=name, tokens=tokens, form=form)
    if action in _DONE or (action not in ("failed", "delayed") and status.startswith("2.")):
        return replace(base, kind=Kind.ARRIVED, status=status or "2.0.0", text=_kept(diagnostic))
    found = _judged(diagnostic, human, written)
    is_delayed = action == "delayed"
    return replace(
        base,
        status=_shown(found.status, status, is_delayed=is_delayed),
        text=_kept(diagnostic),
        verdict=_settled(found, is_delayed=is_delayed, at_data=bool(_AT_DATA.search(human or diagnostic))),
        rule=found.rule,
    )


def _judged(diagnostic: str, human: str, status: str) -> Judgement:
    """By the field that holds the server's words; by what the text quotes of them if that says nothing."""
    code = status_code(status)
    found = judge(diagnostic[:_WORDS_LIMIT], status=code)
    if found.verdict is not Verdict.UNKNOWN and not found.rule.startswith(("Status", "reply code")):
        return found
    quoted = " ".join(_quotes(human))[:_WORDS_LIMIT]
    again = judge(quoted, status=code) if quoted else found
    if again.verdict is not Verdict.UNKNOWN and not again.rule.startswith("reply code"):
        return again
    comment = status.partition("(")[2]
    told = judge(comment, status=code) if comment else found
    if told.verdict is not Verdict.UNKNOWN or diagnostic:
        return told if told.verdict is not Verdict.UNKNOWN else found
    about = _WITH_ADDRESS.search(human)
    return judge(human[about.start() :][:_WORDS_LIMIT], status=code) if about else found


def _quotes(human: str) -> Iterator[str]:
    """Lines of a text that quote a server, each with what belongs to it."""
    lines, left = human.splitlines(), 0
    for line in lines:
        if has_code(line) and not re.search(r"\besmtp\b.*\bid\b", line, re.IGNORECASE):
            left = _LINES_OF_WORDS
        elif not line.strip():
            left = 0
        if left:
            left -= 1
            yield line.strip(" \t<>")


def _settled(found: Judgement, *, is_delayed: bool, at_data: bool) -> Verdict:
    """What is only put off is no death; what was refused as a message says nothing about the reader (email.md S12);
    what was given up after temporary answers has expired; and no program's summary alone kills an address."""
    verdict = found.verdict
    if is_delayed:
        return Verdict.DELAYED if verdict in (Verdict.DEAD, Verdict.UNKNOWN, Verdict.EXPIRED) else verdict
    if at_data and verdict in (Verdict.DEAD, Verdict.UNKNOWN):
        return Verdict.CONTENT
    if verdict is Verdict.UNKNOWN and found.status.startswith("4"):
        return Verdict.EXPIRED
    if verdict is Verdict.DEAD and not found.is_own:
        return Verdict.UNKNOWN
    return verdict


def _shown(own: str, status: str, *, is_delayed: bool) -> str:
    """The most specific enhanced code, made up where there is none."""
    best = own if "." in own else status
    if is_delayed:
        return best if best.startswith("4.") else "4.0.0"
    return best or f"{own[:1] or '5'}.0.0"


def _kept(words: str) -> str:
    return masked(clean_line(words))[:_TEXT_LIMIT]


def _action(block: dict[str, str]) -> str:
    return re.split(r"[\s;(]", block.get("action", "").strip().lower(), maxsplit=1)[0]


def _gravity(block: dict[str, str]) -> int:
    """Failed counts more than delayed, delayed more than done."""
    order = ("expanded", "relayed", "deliverable", "delivered", "delayed", "failed")
    action = _action(block)
    return order.index(action) if action in order else 4


def _blocks(text: str) -> list[dict[str, str]]:
    """Groups of fields, read as mailers write them: with a blank before the colon, continued on a line that is not
    indented, without an empty line before the next recipient."""
    blocks: list[dict[str, str]] = []
    for chunk in re.split(r"\n[ \t]*\n", text.strip()):
        block: dict[str, str] = {}
        name = ""
        for line in chunk.splitlines():
            match = _FIELD.match(line)
            if match is None:
                if name and line.strip():
                    block[name] += f" {line.strip()}"
                continue
            name = match.group(1).lower()
            if name == "final-recipient" and name in block:
                blocks.append(block)
                block = {}
            block.setdefault(name, "")
            block[name] = f"{block[name]} {match.group(2).strip()}".strip()
        blocks.append(block)
    return [{key: clean_line(value) for key, value in block.items()} for block in blocks if block]


# ------------------------------------------------------------ in words alone


def _told_in_words(mail: Message, parts: Sequence[Message], human: str, name: str) -> Report | None:
    """A report without fields: of a known form it is judged, of any other it counts as unknown."""
    form, words = _form(mail, human)
    ours = [human.replace("\n", "")] if form == "Amazon SES" else _ours(mail)
    tokens = tokens_in([*ours, *_about(parts)])
    returned = _FAILED.search(words) is not None and any(_embedded(parts))
    if not form and (_is_automatic(mail) if returned else _is_answer(mail)):
        return None
    form = form or _known_elsewhere(mail)
    if not form and not has_code(words) and not _FAILED.search(words) and phrase_in(words) is None:
        return None
    found = judge(words)
    is_delayed = _is_warning(mail, human)
    verdict = _settled(found, is_delayed=is_delayed, at_data=bool(_AT_DATA.search(human)))
    if not form:
        verdict = Verdict.DELAYED if is_delayed else Verdict.UNKNOWN
    return Report(
        kind=Kind.BOUNCE,
        name=name,
        tokens=tokens,
        status=_shown(found.status, "", is_delayed=is_delayed),
        text=_kept(words),
        verdict=verdict,
        rule=found.rule if form else "no form that is known",
        form=form,
    )


def _form(mail: Message, human: str) -> tuple[str, str]:
    """The name of a form, and the server's words in it; for no known form all the text."""
    if _QSBMF.match(human) and _PARAGRAPH.search(human):
        return "QSBMF", _after(_PARAGRAPH, human)
    if _SES.search(flat := human.replace("\n", "")):
        return "Amazon SES", " ".join(_SES_WORDS.findall(flat))[:_WORDS_LIMIT]
    quoted = " ".join(_quotes(human))
    if "x-failed-recipients" in mail:
        return "Exim", quoted[:_WORDS_LIMIT] or _after(_RECIPIENT, human)
    if "report-type=delivery-status" in _field(mail, "content-type").lower().replace('"', "") and human:
        return "report without fields", (quoted or human)[:_WORDS_LIMIT]
    if _EXCHANGE.search(human):
        return "Exchange", _after(_EXCHANGE, human)
    for name, sign in _KNOWN_TEXTS:
        if sign.search(human):
            return name, (quoted or _after(_RECIPIENT, human))[:_WORDS_LIMIT]
    if _PARAGRAPH.search(human) and _is_from_daemon(mail):
        return "paragraphs", _after(_PARAGRAPH, human)
    return "", (quoted or human)[:_WORDS_LIMIT]


def _known_elsewhere(mail: Message) -> str:
    """Whether the library of Mailman's authors knows the form. Whom it names is not believed: our token says that."""
    from flufl.bounce import scan_message  # late: few mails come so far

    return "flufl.bounce" if scan_message(mail) else ""


def _after(start: re.Pattern[str], text: str) -> str:
    match = start.search(text)
    return " ".join((text[match.end() :] if match else text).split())[:_WORDS_LIMIT]


def _is_from_daemon(mail: Message) -> bool:
    return any(_DAEMON.search(each) for each in (*_fields(mail, "return-path"), _field(mail, "from")))


def _is_answer(mail: Message) -> bool:
    """Written by a reader's program, or by a reader (RFC 3834 section 3.1.7, and what came before it)."""
    return _is_automatic(mail) or not _is_from_daemon(mail)


def _is_automatic(mail: Message) -> bool:
    automatic = _field(mail, "auto-submitted").lower()
    if automatic.startswith(("auto-replied", "auto-notified")):
        return True
    if any(name in mail for name in ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-vacation")):
        return True
    if _field(mail, "precedence").lower() in ("auto_reply", "auto-reply"):
        return True
    return _AUTOMATIC_SUBJECT.match(_subject(mail)) is not None


def _is_warning(mail: Message, human: str) -> bool:
    words = f"{_subject(mail)} {human[:1000]}".lower()
    return any(
        each in words
        for each in (
            "warning:",
            "(delay)",
            "delayed 24",
            "not yet been delivered",
            "has been delayed",
            "still be retried",
            "no action is required",
        )
    )


def _subject(mail: Message) -> str:
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    value = _field(mail, "subject")
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


# ------------------------------------------------------------------ identity


def _ours(mail: Message) -> list[str]:
    """Where the report itself was sent to: the envelope sender of what it is about."""
    return [value for name in _TO_US for value in _fields(mail, name)]


def _about(parts: Sequence[Message]) -> list[str]:
    """Envelope senders that embedded messages tell."""
    return [value for inner in _embedded(parts) for name in _FROM_US for value in _fields(inner, name)]


def _links(parts: Sequence[Message]) -> tuple[str, ...]:
    told = [value for inner in _embedded(parts) for value in _fields(inner, "list-unsubscribe")]
    return links_in(told)


def _embedded(parts: Sequence[Message]) -> Iterator[Message]:
    """The messages, or headers of messages (RFC 6522 section 4), that a report brings along."""
    for part in parts:
        kind, payload = part.get_content_type(), part.get_payload()
        if kind == "message/rfc822" and isinstance(payload, list):
            encoded = str(part.get("content-transfer-encoding", "")).strip().lower() in ("base64", "quoted-printable")
            yield from (_decoded(part, each) if encoded else each for each in payload if not isinstance(each, str))
        elif kind == "text/rfc822-headers":
            decoded = part.get_payload(decode=True)
            yield _parsed(decoded if isinstance(decoded, bytes) else b"")


def _decoded(part: Message, inner: Message) -> Message:
    """An embedded message that is encoded against RFC 2046 section 5.2.1, as some reports of complaints are."""
    if inner.keys():
        return inner
    inner["Content-Transfer-Encoding"] = str(part["content-transfer-encoding"])
    decoded = inner.get_payload(decode=True)
    return _parsed(decoded if isinstance(decoded, bytes) else b"")


def tokens_in(values: Iterable[str]) -> tuple[str, ...]:
    """What may be tokens of ours in envelope senders, each once."""
    return tuple(dict.fromkeys(match for value in values for match in _TOKEN.findall(value)))


def links_in(values: Iterable[str]) -> tuple[str, ...]:
    """What may be tokens of ours in links, each once."""
    return tuple(dict.fromkeys(match for value in values for match in _LINK.findall(value)))


def _fields(mail: Message, name: str) -> list[str]:
    return [clean_line(str(value)) for value in mail.get_all(name, [])]


def _field(mail: Message, name: str) -> str:
    return next(iter(_fields(mail, name)), "")
