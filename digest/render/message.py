"""The message of one delivery: RFC 5322 bytes from an edition's mail and one recipient.

Everything that is the same for all recipients is made once (``EditionMessage``): header fields, boundary, and the
base64 of both parts up to the point where a recipient's values begin. One message is then a few joins. Equal input
gives equal bytes, so that every attempt of a delivery, today or after a crash, sends the very same message.

What is kept: one recipient, two parts with base64 (RFC 2046 5.1.4), CRLF, no line over 998 octets, no encoded word
where RFC 2047 section 5 forbids one, no control character in any field.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from html import escape

from msgspec import Struct

from digest.errors import ConfigError, PermanentFailure
from digest.render.mail import FOOT
from digest.text import clean_line

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MESSAGE_ID_LIMIT = 69
_LIST_ID_LIMIT = 255
_LINE = 76
_GROUP = 57
"""Octets that fill one line of base64."""


_FOLDING = EmailPolicy(linesep="\r\n")
"""Encodes and folds names and subjects; nothing else is left to it, for it would encode long addresses as well."""


class Mailbox(Struct, frozen=True, kw_only=True):
    """A name and an address that mail comes from. Raises ConfigError for a control character, and for an address
    that cannot be one or that many servers refuse (a local part that is not ASCII)."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        if _CONTROLS.search(self.name):
            raise ConfigError("mail.sender", f"control character in the name {self.name!r}")
        if not is_address(self.address) or not self.address.rpartition("@")[0].isascii():
            raise ConfigError("mail.sender", f"{self.address!r} is not a mail address", "for example news@example.com")

    @property
    def domain(self) -> str:
        """As an A-label."""
        return ascii_address(self.address).rpartition("@")[2]


class Letterhead(Struct, frozen=True, kw_only=True):
    """What every mail of one digest carries in its header. All URLs are absolute and ASCII."""

    sender: Mailbox
    digest: str
    """The digest's name in the config."""
    title: str
    """As people read it."""
    site_host: str
    """Host of the site, for List-Id."""
    reply_to: Mailbox | None = None


@lru_cache(maxsize=256)
def is_address(address: str) -> bool:
    """Whether it can be delivered to: a dot-atom and a domain name (RFC 5321 4.1.2, RFC 6531), at most 254 octets,
    without quotes, address literals or control characters. Asked several times on the way of a message."""
    local, at, domain = address.rpartition("@")
    if not at or len(local.encode("utf-8", "replace")) > 64 or _CONTROLS.search(address):
        return False
    try:
        labels = _ascii_domain(domain).split(".")
    except UnicodeError:
        return False
    return (
        _ATOM.fullmatch(local) is not None
        and all(_LABEL.fullmatch(label) for label in labels)
        and len(local.encode()) + 1 + len(".".join(labels)) <= 254
    )


def ascii_address(address: str) -> str:
    """The address with its domain as A-labels, in lower case (RFC 5890). The local part stays as it is; if it is
    not ASCII the server must speak SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{_ascii_domain(domain)}"


def message_id(*, digest: str, category: str, period: str, address: str, domain: str) -> str:
    """The Message-ID of one delivery with its angle brackets: the same whenever it is asked for, and without the
    address in it. ``domain`` is the sender's, as an A-label."""
    told = "\0".join((digest, category, period, ascii_address(address)))
    room = max(12, min(32, _MESSAGE_ID_LIMIT - len(domain) - len("<@>")))
    return f"<{hashlib.sha256(told.encode()).hexdigest()[:room]}@{domain}>"


def list_id(letterhead: Letterhead) -> str:
    """``Name <name.news.example.com>`` (RFC 2919): never changes as long as digest and site keep their names. The
    name in front is left out unless it is ASCII: an encoded word has no place here."""
    host = letterhead.site_host if "." in letterhead.site_host else f"{letterhead.site_host or 'digest'}.localhost"
    host = _ascii_domain(host)
    identifier = f"<{_slug(letterhead.digest, 63)}.{host}>"
    phrase = re.sub(r"[^A-Za-z0-9 ]+", " ", letterhead.title).strip() if letterhead.title.isascii() else ""
    whole = f"{' '.join(phrase.split())} {identifier}".strip()
    return whole if len(whole) <= _LIST_ID_LIMIT else identifier


def feedback_id(letterhead: Letterhead, period: str) -> str:
    """``edition:category:kind:SENDERID`` (Gmail's postmaster tools): the last is fixed, 5 to 15 characters."""
    sender = re.sub(r"[^a-z0-9]", "", letterhead.sender.domain)[:15]
    return f"{period}:{_slug(letterhead.digest, 40)}:digest:{sender if len(sender) >= 5 else sender + 'digest'}"


class EditionMessage:
    """The mail of one edition, ready to be addressed to as many recipients as there are."""

    def __init__(
        self,
        *,
        subject: str,
        html: str,
        text: str,
        period: str,
        date: datetime,
        archive_url: str,
        letterhead: Letterhead,
    ) -> None:
        """``html`` and ``text`` as ``render.mail`` made them; ``date`` is when the edition was frozen;
        ``archive_url`` is the edition's page."""
        self._boundary = "=_" + hashlib.sha256(f"{subject}\0{text}\0{html}".encode()).hexdigest()[:32]
        self._fields = _common_fields(
            subject=subject, period=period, date=date, archive_url=archive_url, letterhead=letterhead
        )
        self._html = _Part(html, is_html=True)
        self._text = _Part(text, is_html=False)

    def to(
        self, *, address: str, message_id: str, values: Mapping[str, str] | None = None, unsubscribe: str = ""
    ) -> bytes:
        """The message for one recipient. ``values`` fills more ``%%NAME%%`` than ``%%ADDRESS%%``. ``unsubscribe`` is
        the address of a subscriber's page to leave by, for the header and ``%%UNSUBSCRIBE%%``; without it the foot is
        the one for addresses that the operator wrote down. Raises PermanentFailure for an address that cannot be one:
        trying again would not help."""
        pieces = self.pieces(address=address, message_id=message_id, values=values, unsubscribe=unsubscribe)
        return b"".join(pieces)

    def pieces(
        self, *, address: str, message_id: str, values: Mapping[str, str] | None = None, unsubscribe: str = ""
    ) -> tuple[bytes, ...]:
        """As ``to``, in pieces of whole lines; the long ones are the same objects in all messages."""
        if not is_address(address):
            raise PermanentFailure("recipient", f"{address!r} is not a mail address", step="rcpt")
        filled = {"ADDRESS": address, "UNSUBSCRIBE": unsubscribe, **(values or {})}
        subscribed = bool(unsubscribe)
        head = (
            self._fields,
            f"To: {ascii_address(address)}\r\n".encode(),
            _field("Message-ID", message_id),
            _leaving(unsubscribe),
            f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{self._boundary}"\r\n\r\n'.encode(),
            f"--{self._boundary}\r\n".encode(),
        )
        between = self._text.end(filled, subscribed=subscribed) + f"--{self._boundary}\r\n".encode()
        end = self._html.end(filled, subscribed=subscribed) + f"--{self._boundary}--\r\n".encode()
        return b"".join(head), self._text.beginning, between, self._html.beginning, end


class NoticeMessage(EditionMessage):
    """A mail to one subscriber about their subscription: from another sender, and no part of any list."""

    def __init__(self, *, subject: str, html: str, text: str, kind: str, date: datetime, sender: Mailbox) -> None:
        super().__init__(
            subject=subject,
            html=html,
            text=text,
            period=kind,
            date=date,
            archive_url="",
            letterhead=Letterhead(sender=sender, digest="subscription", title="", site_host=sender.domain),
        )
        unwanted = (b"List-", b"Precedence:")
        lines = self._fields.split(b"\r\n")
        self._fields = b"\r\n".join(line for line in lines if not line.startswith(unwanted))


class _Part:
    """A body part whose base64 is made once up to the line in which a recipient's values begin."""

    def __init__(self, body: str, *, is_html: bool) -> None:
        mark = f"<!--{FOOT}-->" if is_html else f"{FOOT}\n"
        head, _, foot = body.rpartition(mark) if mark in body else (body, "", "")
        self._feet = {subscribed: _crlf(_foot_for(foot, subscribed=subscribed)) for subscribed in (False, True)}
        fixed = _crlf(head).encode()
        whole = len(fixed) - len(fixed) % _GROUP
        self._escape = is_html
        self._rest = fixed[whole:]
        self.beginning = (
            f"Content-Type: text/{'html' if is_html else 'plain'}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
        ).encode() + _base64_lines(fixed[:whole])

    def end(self, values: Mapping[str, str], *, subscribed: bool) -> bytes:
        """What comes after the beginning, for one recipient."""
        told = {f"%%{name}%%": escape(value) if self._escape else value for name, value in values.items()}
        # All at once: an address may look like a placeholder.
        foot = _PLACEHOLDER.sub(lambda found: told.get(found[0], found[0]), self._feet[subscribed])
        return _base64_lines(self._rest + foot.encode())


_PLACEHOLDER = re.compile(r"%%[A-Z]+%%")
_FOOT_PART = re.compile(r"(?:<!--)?%%(LISTED|SUBSCRIBED)%%(?:-->)?\n?(.*?)(?:<!--)?%%END%%(?:-->)?\n?", re.DOTALL)


def _foot_for(foot: str, *, subscribed: bool) -> str:
    """A foot says one thing to addresses that the operator wrote down (between ``%%LISTED%%`` and ``%%END%%``) and
    another to subscribers (``%%SUBSCRIBED%%``)."""
    wanted = "SUBSCRIBED" if subscribed else "LISTED"
    return _FOOT_PART.sub(lambda part: part[2] if part[1] == wanted else "", foot)


def for_everybody(body: str, *, is_html: bool) -> str:
    """A mail as ``render.mail`` made it, without what it says to one recipient alone."""
    mark = f"<!--{FOOT}-->" if is_html else f"{FOOT}\n"
    head, found, foot = body.rpartition(mark)
    return head + _FOOT_PART.sub("", foot) if found else body


def _leaving(unsubscribe: str) -> bytes:
    """How mail programs let a subscriber leave: with one click if the page is reached by https (RFC 8058), else by a
    link (RFC 2369)."""
    if not unsubscribe:
        return b""
    field = _field("List-Unsubscribe", f"<{unsubscribe}>")
    if unsubscribe.startswith("https://"):
        field += _field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    return field


def _common_fields(*, subject: str, period: str, date: datetime, archive_url: str, letterhead: Letterhead) -> bytes:
    """The fields that all recipients share, without the empty line at the end."""
    folded = EmailMessage(policy=_FOLDING)
    folded["From"] = _address(letterhead.sender)
    if letterhead.reply_to is not None:
        folded["Reply-To"] = _address(letterhead.reply_to)
    folded["Subject"] = _CONTROLS.sub("", clean_line(subject))
    plain = {
        "Date": format_datetime(date.astimezone(UTC).replace(microsecond=0)),
        "List-Id": list_id(letterhead),
        "List-Archive": f"<{archive_url}>",
        "List-Post": "NO",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "Feedback-ID": feedback_id(letterhead, period),
    }
    return folded.as_bytes().removesuffix(b"\r\n") + b"".join(_field(name, value) for name, value in plain.items())


def _field(name: str, value: str) -> bytes:
    """A field that must not be encoded (RFC 2047 section 5, RFC 2369, RFC 8058) and is short enough for one line.
    Anything else in it is a fault of the caller."""
    line = f"{name}: {value}"
    if not (line.isascii() and line.isprintable()) or len(line) > 998:
        raise ValueError(f"not fit for a header field: {line!r}")
    return f"{line}\r\n".encode()


def _address(mailbox: Mailbox) -> Address:
    return Address(display_name=clean_line(mailbox.name), addr_spec=ascii_address(mailbox.address))


def _base64_lines(data: bytes) -> bytes:
    """Lines of 76 characters, each ended by CRLF."""
    encoded = b64encode(data)
    return b"".join(encoded[start : start + _LINE] + b"\r\n" for start in range(0, len(encoded), _LINE))


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _ascii_domain(domain: str) -> str:
    """Lower case A-labels. Raises UnicodeError (as ``idna`` does) for a domain that has none."""
    if domain.isascii():
        return domain.lower()
    import idna

    return idna.encode(domain, uts46=True).decode()


def _slug(name: str, limit: int) -> str:
    """The name as a label of a domain name; with a hash if anything had to go."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name and len(plain) <= limit:
        return plain
    tail = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{plain[: limit - 9].strip('-')}-{tail}".strip("-")
