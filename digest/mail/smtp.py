"""The channel ``smtp`` of mail: hands each message to one server, step by step (RFC 5321).

Connect, greeting, EHLO, TLS, login, MAIL, RCPT, DATA, body, dot: the error says at which of them it ended, and so
whether the message can have been accepted. Until the dot is sent it certainly was not; after that only the server's
answer tells, and without one nobody can know (``Doubtful``). The dot leaves only when ``before_commit`` says so.

A server that says so (PIPELINING, RFC 2920) gets MAIL, RCPT and DATA in one packet; each answer still belongs to its
step. Where RCPT is refused and DATA is not, the connection ends, for the server waits for a message then.

Connections are kept and used again. Nothing here retries, except that a kept connection which turns out to be dead
at MAIL is replaced once.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from digest.errors import ConfigError, Doubtful, PermanentFailure, TemporaryFailure, TransportError
from digest.mail.wire import SOON, Answer, ConnectionLost, Wire, connect
from digest.models import Outgoing, Receipt, Reply, Target
from digest.outbox import split_reply
from digest.ports import Commit
from digest.render.message import ascii_address, is_address
from digest.text import hiding

Security = Literal["implicit", "starttls", "none"]

MESSAGES_A_CONNECTION = 100
IDLE_SECONDS = 60.0
"""A connection that was not used for so long is closed rather than used again."""
_QUOTED = 4096
"""Characters of an answer that are looked at."""
_SHARED = 4096
"""Octets from which on a piece of a message is remembered: many messages have it."""

# What servers say when they take a message: Postfix, Exim, Sendmail, Amazon and Google, in this order.
_QUEUE_ID = re.compile(
    r"queued as (\S+)|\bid=(\S+)|^(\S+) Message accepted|^Ok (\S{20,})$|(\S+) - gsmtp$", re.IGNORECASE
)
_REFUSES = {
    "greeting": "refuses the connection",
    "ehlo": "refuses to talk",
    "tls": "refuses to encrypt",
    "login": "refuses the login",
    "mail": "refuses the sender",
    "rcpt": "refuses the recipient",
    "data": "refuses the message",
    "body": "refuses the message",
    "dot": "refuses the message",
}
_REMEDIES = {
    "connect": "check mail.host and mail.port",
    "greeting": "check mail.port and mail.security",
    "tls": "check mail.security and mail.port",
    "login": "check mail.user and the password",
    "mail": "the server must allow mail.sender (mail.bounce_address, if set) as sender",
}


class TimeLimits(Struct, frozen=True, kw_only=True):
    """Seconds each step may take (RFC 5321 4.5.3.2). A short wait after the dot makes duplicates."""

    connect: float = 30
    greeting: float = 300
    ehlo: float = 300
    tls: float = 60
    login: float = 120
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    block: float = 180
    """Each 64 KB of the body."""
    dot: float = 600
    reset: float = 30
    quit: float = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where mail goes and how to log in."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    helo: str | None = None
    """How we introduce ourselves; by default this machine's name or address."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the server is told and nobody else: the password, and every argument of AUTH (RFC 4954) as it goes out,
        whichever is used."""
        if self.user is None or self.password is None:
            return ()
        return (self.password, _base64(self.password), _base64(self.user), _plain(self.user, self.password))


class Letter(Struct, frozen=True, kw_only=True):
    """A message, and the addresses as they are written in MAIL and RCPT."""

    sender: str
    recipient: str
    body: tuple[bytes, ...]
    """The message as it goes out but for its end, in pieces: lines that begin with a dot have another one
    (RFC 5321 4.5.2)."""
    size: int
    """Octets of the message."""
    needs_utf8: bool
    """A local part or a header field is not ASCII (RFC 6531)."""
    is_8bit: bool


def _nothing() -> None:
    """Nobody has anything to do meanwhile."""


class SmtpChannel:
    """Satisfies ``ports.Channel``; may be used by several threads, at most ``connections`` at a time."""

    atomic = False

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Security = "implicit",
        user: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        helo: str | None = None,
        connections: int = 1,
        limits: TimeLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects to nobody yet. ``ca_file`` (PEM) is trusted instead of the system's certificates. Raises
        ConfigError: no encryption except on this machine, no login without it, an unusable ``ca_file``."""
        if security == "none" and not _is_here(host):
            raise ConfigError("mail.security", f"'none' is for this machine only, not for {host}", "write implicit")
        if security == "none" and user is not None:
            raise ConfigError("mail.user", "a login needs encryption", "set mail.security to implicit or starttls")
        if user is not None and password is None:
            raise ConfigError("mail.user", f"there is no password for {user}", "set the variable mail.password_env")
        self._server = Server(host=host, port=port, security=security, user=user, password=password, helo=helo)
        self._ca_file = ca_file
        if ca_file is not None:
            self._context  # noqa: B018 - tells at once that the file is of no use
        self._limits = limits or TimeLimits()
        self._clock = clock
        self._free = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[Session] = []

    def send(self, edition: Outgoing, target: Target, before_commit: Commit) -> Receipt:
        """Hand over one message, best in pieces of which those that many messages share are the same objects. See
        ``ports.Channel``; the target's name is of no use here."""
        letter = address_letter(edition.envelope_from, target.address, edition.pieces)
        with self._free:
            session = self._begun(letter, before_commit.unanswered)
            try:
                session.rcpt(letter)
                session.data()
                session.body(letter)
                receipt = session.dot(before_commit)
            except BaseException as error:
                self._after_failure(session, error)
                raise
            self._keep(session)
        return receipt

    def knock(self) -> tuple[Mapping[str, str], str]:
        """Connect, encrypt, log in, and leave without sending anything. Returns what the server offers (keywords of
        EHLO with their parameters) and the address that it was reached at. Raises TransportError."""
        session = Session.open(self._server, self._limits, self._clock, self._tls_context)
        session.quit()
        return session.features, session.there

    def close(self) -> None:
        """Say goodbye on every idle connection."""
        with self._lock:
            sessions, self._idle = self._idle, []
        for session in sessions:
            session.quit()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:  # ssl.SSLError too: no certificate in the file
            cause = error.strerror or "no certificate in it"
            raise ConfigError("mail.ca_file", f"{self._ca_file}: {cause}", "name a PEM file of certificates") from error

    def _begun(self, letter: Letter, unanswered: Callable[[], None]) -> Session:
        """A session whose MAIL was accepted: a kept one, or a new one if there is none or it is dead."""
        kept = self._take()
        if kept is not None:
            try:
                kept.check(letter)
                kept.mail(letter, unanswered)
                return kept
            except TransportError as error:
                self._after_failure(kept, error)
                if not kept.is_closed or isinstance(error, PermanentFailure):
                    raise
        session = Session.open(self._server, self._limits, self._clock, self._tls_context)
        try:
            session.check(letter)
            session.mail(letter, unanswered)
        except BaseException as error:
            self._after_failure(session, error)
            raise
        return session

    def _tls_context(self) -> ssl.SSLContext:
        return self._context

    def _take(self) -> Session | None:
        now = self._clock()
        stale: list[Session] = []
        fresh: Session | None = None
        with self._lock:
            while self._idle and fresh is None:
                session = self._idle.pop()
                if now - session.used_at < IDLE_SECONDS:
                    fresh = session
                else:
                    stale.append(session)
        for session in stale:
            session.quit()
        return fresh

    def _keep(self, session: Session) -> None:
        if session.messages >= MESSAGES_A_CONNECTION:
            session.quit()
            return
        session.used_at = self._clock()
        with self._lock:
            self._idle.append(session)

    def _after_failure(self, session: Session, error: BaseException) -> None:
        """After a refusal the session goes on, after anything else it is of no use."""
        refused_here = isinstance(error, PermanentFailure) and error.code is None
        refused = isinstance(error, TransportError) and error.code not in (None, 421) and error.step != "body"
        if refused_here or (refused and session.reset()):
            self._keep(session)
        else:
            session.close()


class Session:
    """One dialogue with a server. Each method is one step and raises TransportError that names it."""

    def __init__(self, wire: Wire, server: Server, limits: TimeLimits) -> None:
        self._wire = wire
        self._server = server
        self._limits = limits
        self._hide = hiding(server.secrets)
        self._features: Mapping[str, str] = {}
        self.messages = 0
        self.used_at = 0.0
        self.is_closed = False
        self._ahead = 0
        """Commands that are out although it is not their turn yet."""
        self._unanswered: Callable[[], None] = _nothing

    @classmethod
    def open(
        cls,
        server: Server,
        limits: TimeLimits,
        clock: Callable[[], float],
        context: Callable[[], ssl.SSLContext],
    ) -> Session:
        """Connect, encrypt, introduce ourselves, log in."""
        try:
            wire = connect(server.host, server.port, seconds=limits.connect, clock=clock)
        except ConnectionLost as lost:
            raise _lost(server, "connect", lost) from lost
        session = cls(wire, server, limits)
        try:
            session._open(context)
        except BaseException:
            session.close()
            raise
        return session

    def _open(self, context: Callable[[], ssl.SSLContext]) -> None:
        if self._server.security == "none" and not _is_here(self._wire.there):
            raise PermanentFailure(str(self._server), "is not this machine", "set mail.security", step="connect")
        if self._server.security == "implicit":
            self._encrypt(context())
        self._expect("greeting", self._asked("greeting", None, self._limits.greeting))
        self._ehlo()
        if self._server.security == "starttls":
            if "STARTTLS" not in self._features:
                raise PermanentFailure(
                    str(self._server), "offers no encryption (STARTTLS)", _REMEDIES["tls"], step="tls"
                )
            self._expect("tls", self._asked("tls", "STARTTLS", self._limits.tls))
            self._encrypt(context())
            self._ehlo()  # what was said before encryption is forgotten (RFC 3207 4.2)
        if self._server.user is not None:
            self._login(self._server.user, self._server.password or "")

    @property
    def features(self) -> Mapping[str, str]:
        """What the server offers, by its last word."""
        return self._features

    @property
    def there(self) -> str:
        """The server's address."""
        return self._wire.there

    # --------------------------------------------------------------- steps

    def check(self, letter: Letter) -> None:
        """Whether the server can take this letter at all, by what it said in EHLO. Sends nothing."""
        if letter.needs_utf8 and not ("SMTPUTF8" in self._features and "8BITMIME" in self._features):
            raise self._unfit("the address is not ASCII and the server does not support that (SMTPUTF8)", "rcpt")
        if letter.is_8bit and "8BITMIME" not in self._features:
            raise self._unfit("the message is not ASCII and the server does not support that (8BITMIME)", "data")
        limit = self._features.get("SIZE", "")
        if limit.isascii() and limit.isdigit() and 0 < int(limit) < letter.size:
            raise self._unfit(f"the message has {letter.size} bytes, the server takes {int(limit)}", "data")

    def mail(self, letter: Letter, unanswered: Callable[[], None]) -> None:
        """MAIL, with SIZE, BODY and SMTPUTF8 as far as they are offered and needed. ``unanswered`` is called when an
        answer does not come at once, or the body does not leave at once."""
        self._unanswered = unanswered
        command = f"MAIL FROM:<{letter.sender}>"
        if "SIZE" in self._features:
            command += f" SIZE={letter.size}"
        if letter.is_8bit:
            command += " BODY=8BITMIME"
        if letter.needs_utf8:
            command += " SMTPUTF8"
        more = (_rcpt(letter), "DATA") if "PIPELINING" in self._features else ()
        self._next("mail", command, self._limits.mail, *more)

    def rcpt(self, letter: Letter) -> None:
        self._next("rcpt", _rcpt(letter), self._limits.rcpt)

    def data(self) -> None:
        self._next("data", "DATA", self._limits.data, good=354)

    def _next(self, step: str, command: str, seconds: float, *more: str, good: int = 2) -> None:
        """One step on the way to the body: its command, unless it is out already, and the answer to it. ``more``: the
        commands of later steps."""
        try:
            if self._ahead:
                self._ahead -= 1
            else:
                self._wire.say((command, *more), seconds)
                self._ahead = len(more)
            if not self._wire.is_speaking(SOON):
                self._unanswered()
            answer = self._wire.answer(seconds)
        except ConnectionLost as lost:
            raise _lost(self._server, step, lost) from lost
        self._expect(step, answer, good)

    def body(self, letter: Letter) -> None:
        """The message without its end."""
        try:
            self._write_body(letter.body)
        except ConnectionLost as lost:
            with suppress(ConnectionLost):  # a server that refuses in the middle says so and closes
                self._expect("body", self._wire.answer(1.0))
            raise _lost(self._server, "body", lost) from lost

    def _write_body(self, pieces: Sequence[bytes]) -> None:
        self._wire.write(pieces, self._limits.block, self._unanswered)

    def dot(self, before_commit: Commit) -> Receipt:
        """The end, if ``before_commit`` agrees, and the server's answer to it, which may take a while."""
        if not before_commit():
            raise TemporaryFailure(str(self._server), "given up: another worker has this delivery", step="body")
        try:
            word = self._wire.unasked()
        except ConnectionLost as lost:
            raise _lost(self._server, "body", lost) from lost
        if word is not None:
            self._expect("body", word, good=None)
        self.messages += 1
        try:
            answer = self._end(before_commit.after)
        except ConnectionLost as lost:
            raise Doubtful(
                str(self._server),
                f"the message was out, then {_clause(lost)}",
                "whether it arrived is not known",
                step="dot",
            ) from lost
        self._expect("dot", answer)
        reply = self._reply(answer)
        return Receipt(code=reply.code, enhanced=reply.enhanced, text=reply.text, id=queue_id(reply.text))

    def _end(self, after_dot: Callable[[], None]) -> Answer:
        self._wire.write([b".\r\n"], self._limits.block)
        after_dot()
        answer = self._wire.answer(self._limits.dot)
        if answer.code // 100 == 3:
            raise ConnectionLost("the server does not speak SMTP")
        return answer

    def reset(self) -> bool:
        """RSET; False if that does not work, or if the server waits for a message."""
        try:
            while self._ahead:
                self._ahead -= 1
                if self._wire.answer(self._limits.reset).code == 354:
                    return False
            return self._wire.command("RSET", self._limits.reset).code // 100 == 2
        except ConnectionLost:
            return False

    def quit(self) -> None:
        """Say goodbye, politely but briefly."""
        with suppress(ConnectionLost):
            self._wire.command("QUIT", self._limits.quit)
        self.close()

    def close(self) -> None:
        self.is_closed = True
        self._wire.close()

    # --------------------------------------------------------------- parts

    def _ehlo(self) -> None:
        name = self._server.helo or _own_name(self._wire.here)
        answer = self._asked("ehlo", f"EHLO {name}", self._limits.ehlo)
        self._expect("ehlo", answer)
        self._features = parse_features(self._hide(answer.text))

    def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            self._wire.start_tls(context, self._server.host, self._limits.tls)
        except ssl.SSLCertVerificationError as error:
            raise TemporaryFailure(
                str(self._server),
                f"its certificate is not valid: {error.verify_message.rstrip('.').lower()}",
                "check mail.host; for a certificate of your own set mail.ca_file",
                step="tls",
            ) from error
        except ssl.SSLError as error:
            reason = (error.reason or "unknown reason").lower().replace("_", " ")
            raise TemporaryFailure(
                str(self._server), f"no encrypted connection: {reason}", _REMEDIES["tls"], step="tls"
            ) from error
        except ConnectionLost as lost:
            raise _lost(self._server, "tls", lost) from lost

    def _login(self, user: str, password: str) -> None:
        """AUTH PLAIN or LOGIN (RFC 4954); encryption is on, see ``SmtpChannel``."""
        offered = self._features.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            lines = [f"AUTH PLAIN {_plain(user, password)}"]
        elif "LOGIN" in offered:
            lines = ["AUTH LOGIN", _base64(user), _base64(password)]
        else:
            cause = f"offers no login that is known here (it offers: {', '.join(offered) or 'none'})"
            raise PermanentFailure(str(self._server), cause, "check mail.port and mail.security", step="login")
        for number, line in enumerate(lines, 1):
            answer = self._asked("login", line, self._limits.login)
            if number < len(lines) and answer.code == 334:
                continue
            self._expect("login", answer)

    def _asked(self, step: str, line: str | None, seconds: float) -> Answer:
        try:
            return self._wire.answer(seconds) if line is None else self._wire.command(line, seconds)
        except ConnectionLost as lost:
            raise _lost(self._server, step, lost) from lost

    def _expect(self, step: str, answer: Answer, good: int | None = 2) -> None:
        """Anything but the answer that is hoped for, a class (2) or a code (354), is raised."""
        if good is not None and good in (answer.code, answer.code // 100):
            return
        if answer.code < 400:
            raise _lost(self._server, step, ConnectionLost(f"the server answers {answer.code}, out of turn"))
        reply = self._reply(answer)
        kind = PermanentFailure if answer.code >= 500 else TemporaryFailure
        said = " ".join(str(part) for part in (reply.code, reply.enhanced, reply.text) if part)
        raise kind(
            str(self._server),
            f"{_REFUSES[step]}: {said}",
            _REMEDIES.get(step, "") if kind is PermanentFailure else "",
            step=step,
            code=reply.code,
            enhanced=reply.enhanced,
            text=reply.text,
        )

    def _reply(self, answer: Answer) -> Reply:
        """What is kept and shown of an answer: nothing that it quotes of the login, at whichever step."""
        return split_reply(answer.code, self._hide(answer.text[:_QUOTED]))

    def _unfit(self, cause: str, step: str) -> PermanentFailure:
        return PermanentFailure(str(self._server), cause, step=step)


def address_letter(envelope_from: str, recipient: str, message: Sequence[bytes]) -> Letter:
    """Check what goes into the dialogue. Raises PermanentFailure: an address that cannot be one, or a line end that
    is not CRLF (with which a message could smuggle in another one)."""
    for role, address in (("sender", envelope_from), ("recipient", recipient)):
        if (address or role == "recipient") and not is_address(address):
            raise PermanentFailure(role, f"{address!r} is not a mail address", step="rcpt")
    sender = ascii_address(envelope_from) if envelope_from else ""
    to = ascii_address(recipient)
    pieces = _in_lines(message)
    is_ascii = all(piece.is_ascii for piece in pieces)
    head_is_ascii = is_ascii or b"".join(message).partition(b"\r\n\r\n")[0].isascii()
    return Letter(
        sender=sender,
        recipient=to,
        body=tuple([piece.stuffed for piece in pieces]),
        size=sum([piece.size for piece in pieces]),
        needs_utf8=not (sender.isascii() and to.isascii() and head_is_ascii),
        is_8bit=not is_ascii,
    )


class _Piece(Struct, frozen=True):
    """Some whole lines of a message, found to be good."""

    stuffed: bytes
    size: int
    """Before they were stuffed."""
    is_ascii: bool


def _in_lines(message: Sequence[bytes]) -> list[_Piece]:
    """A message's pieces, if each is made of whole lines; else all of it as one, with an end to its last line."""
    if not all(piece.endswith(b"\r\n") for piece in message):
        whole = b"".join(message)
        message = [whole if whole.endswith(b"\r\n") else whole + b"\r\n"]
    return [_known_piece(piece) if len(piece) >= _SHARED else _piece(piece) for piece in message]


def _piece(lines: bytes) -> _Piece:
    """Raises PermanentFailure."""
    if not _is_lines(lines):
        raise PermanentFailure("message", "it has a line end that is not CRLF, or a NUL", step="data")
    stuffed = lines.replace(b"\r\n.", b"\r\n..")
    return _Piece(b"." + stuffed if stuffed.startswith(b".") else stuffed, len(lines), lines.isascii())


_known_piece = lru_cache(maxsize=16)(_piece)
"""What an edition's messages share is gone through once. Looking it up costs nothing while it is the same object."""


def _is_lines(message: bytes) -> bool:
    """Whether every line ends with CRLF and there is no NUL. Counting is far quicker than a regular expression."""
    ends = message.count(b"\r\n")
    return ends == message.count(b"\r") == message.count(b"\n") and b"\0" not in message


def _rcpt(letter: Letter) -> str:
    return f"RCPT TO:<{letter.recipient}>"


def queue_id(answer: str) -> str:
    """The id under which a server keeps a message that it took; empty if it does not say one we know."""
    found = _QUEUE_ID.search(answer.strip())
    return next((group for group in found.groups() if group), "") if found else ""


def parse_features(text: str) -> dict[str, str]:
    """Keywords of an EHLO answer, in capitals, with their parameters (RFC 5321 4.1.1.1)."""
    features: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        keyword, _, parameters = line.strip().replace("=", " ", 1).partition(" ")
        if keyword:
            known = features.get(keyword.upper(), "")
            features[keyword.upper()] = f"{known} {parameters.strip()}".strip()
    return features


def _lost(server: Server, step: str, lost: ConnectionLost) -> TemporaryFailure:
    where = {"connect": "cannot be reached", "tls": "no encrypted connection"}.get(step, f"the link broke at {step}")
    return TemporaryFailure(str(server), f"{where}: {lost.why}", _REMEDIES.get(step, ""), step=step)


def _clause(lost: ConnectionLost) -> str:
    return "no answer came in time" if lost.why == "no answer in time" else f"the link broke ({lost.why})"


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _own_name(address: str) -> str:
    """This machine's full name if it has one, else its address as a literal (RFC 5321 4.1.3). Asks no name server."""
    name = socket.gethostname()
    if "." in name and re.fullmatch(r"[A-Za-z0-9.-]+", name):
        return name
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _plain(user: str, password: str) -> str:
    """The argument of AUTH PLAIN (RFC 4616)."""
    return _base64(f"\0{user}\0{password}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
