"""An SMTP server that does what a script says, at each step: answer, refuse, close, reset, hang, dawdle.

Real sockets, real TLS, a thread for each connection. It records what it accepted, so that tests can compare the
ledger's word with the truth. A script is a function from (step, dialogue) to an act; None means: behave.

Steps, in the order of a dialogue: connect, tls, ehlo, starttls, auth, mail, rcpt, data, body (the first octets of the
message came in), dot (the whole message is in), accepted (it is recorded, the answer is not out yet), rset, quit.
"""

from __future__ import annotations

import base64
import contextlib
import email
import re
import socket
import ssl
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Say:
    """Answer these lines; 421 closes the connection afterwards."""

    text: str
    close: bool = False


@dataclass(frozen=True)
class Close:
    """End the connection in an orderly way, without an answer."""


@dataclass(frozen=True)
class Reset:
    """Break the connection off (RST)."""


@dataclass(frozen=True)
class Hang:
    """Never answer, keep the connection open."""


@dataclass(frozen=True)
class Dawdle:
    """Wait so many seconds, then behave."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Answer, but one octet at a time with so many seconds between them."""

    text: str
    seconds: float


Act = Say | Close | Reset | Hang | Dawdle | Drip
Script = Callable[[str, "Dialogue"], "Act | None"]


def behave(step: str, dialogue: Dialogue) -> None:
    """The script of a server without faults."""


def at(step: str, *acts: Act | None, then: Act | None = None) -> Script:
    """These acts the first times a step is reached, ``then`` ever after."""
    lock = threading.Lock()
    left = list(acts)

    def script(reached: str, dialogue: Dialogue) -> Act | None:
        if reached != step:
            return None
        with lock:
            return left.pop(0) if left else then

    return script


def always(step: str, act: Act) -> Script:
    """This act whenever a step is reached."""
    return at(step, then=act)


def both(*scripts: Script) -> Script:
    """The first script that has something to say."""

    def script(step: str, dialogue: Dialogue) -> Act | None:
        for each in scripts:
            act = each(step, dialogue)
            if act is not None:
                return act
        return None

    return script


@dataclass(frozen=True)
class Accepted:
    """A message that the server took."""

    sender: str
    recipient: str
    message: bytes
    mail_line: str
    encrypted: bool
    user: str | None
    connection: int

    @property
    def message_id(self) -> str:
        return str(email.message_from_bytes(self.message)["Message-ID"])


class _Ended(Exception):
    """The dialogue is over."""


class ScriptedServer:
    """Use as a context manager. ``port`` is where it listens on 127.0.0.1."""

    pipelining = True
    """Whether it takes commands in one packet (RFC 2920)."""
    careless = False
    """Whether it takes DATA although there is nobody to send to."""

    def __init__(
        self,
        script: Script = behave,
        *,
        extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "SIZE 1000000"),
        certificate: Path | None = None,
        implicit_tls: bool = False,
        starttls: bool = False,
        mechanisms: str = "",
        login: tuple[str, str] = ("user", "secret"),
    ) -> None:
        self.script = script
        self.extensions = extensions
        self.implicit_tls = implicit_tls
        self.starttls = starttls
        self.mechanisms = mechanisms
        self.login = login
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.accepted: list[Accepted] = []
        self.commands: list[str] = []
        """Verbs in the order they came in, of all connections."""
        self.names: list[str] = []
        """How clients introduced themselves."""
        self.connections = 0
        self.ended = 0
        """Of these, how many the server has closed."""
        self.problems: list[str] = []
        """What no client may do: text after a body that was broken off, a login in the clear."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> ScriptedServer:
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def wait(self, seconds: float) -> None:
        """Until the time is over or the server stops."""
        self._stopping.wait(seconds)

    def copies(self) -> Counter[str]:
        """How often each message was accepted, by Message-ID."""
        with self._lock:
            return Counter(each.message_id for each in self.accepted)

    def bytes_of(self) -> dict[str, set[bytes]]:
        """All forms in which each message came, by Message-ID."""
        forms: dict[str, set[bytes]] = {}
        for each in self.accepted:
            forms.setdefault(each.message_id, set()).add(each.message)
        return forms

    def note(self, accepted: Accepted) -> None:
        with self._lock:
            self.accepted.append(accepted)

    def command(self, verb: str) -> None:
        with self._lock:
            self.commands.append(verb)

    def _accept(self) -> None:
        while not self.stopping:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            dialogue = Dialogue(self, sock, self.connections)
            thread = threading.Thread(target=dialogue.run, daemon=True)
            self._threads.append(thread)
            thread.start()


@dataclass
class Dialogue:
    """One connection, as the server sees it."""

    server: ScriptedServer
    sock: socket.socket
    number: int
    """Connections are counted from 1."""
    sender: str = ""
    mail_line: str = ""
    recipient: str = ""
    user: str | None = None
    login_lines: list[str] = field(default_factory=list)
    """The arguments of AUTH, as they came in."""
    encrypted: bool = False
    messages: int = 0
    is_begun: bool = False
    has_recipient: bool = False
    _buffer: bytearray = field(default_factory=bytearray)

    def run(self) -> None:
        with contextlib.suppress(_Ended, OSError):
            self._talk()
        self.sock.close()
        self.server.ended += 1

    # ------------------------------------------------------------- dialogue

    def _talk(self) -> None:
        if self.server.implicit_tls:
            self._encrypt()
        self._answer("connect", "220 scripted.test ESMTP")
        while True:
            line = self._line()
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self.server.command(verb)
            if verb == "QUIT":
                self._answer("quit", "221 2.0.0 bye")
                raise _Ended
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                self._say("500 5.5.1 unknown command")
            else:
                handler(rest)

    def _on_ehlo(self, name: str) -> None:
        self.server.names.append(name)
        lines = ["scripted.test", *self.server.extensions, *["PIPELINING"] * self.server.pipelining]
        if self.server.starttls and not self.encrypted:
            lines.append("STARTTLS")
        if self.server.mechanisms:
            lines.append(f"AUTH {self.server.mechanisms}")
        self._answer(
            "ehlo", "\r\n".join(f"250{'-' if n < len(lines) else ' '}{line}" for n, line in enumerate(lines, 1))
        )

    def _on_starttls(self, _rest: str) -> None:
        self._answer("starttls", "220 2.0.0 go ahead")
        self._encrypt()

    def _on_auth(self, rest: str) -> None:
        if not self.encrypted:
            self.server.problems.append("a login in the clear")
        mechanism, _, initial = rest.partition(" ")
        self.login_lines = [initial] if initial else []
        if mechanism.upper() == "PLAIN":
            _, user, password = _unbase64(initial).split("\0")
        else:
            self._say("334 VXNlcm5hbWU6")
            self.login_lines.append(self._line())
            user = _unbase64(self.login_lines[-1])
            self._say("334 UGFzc3dvcmQ6")
            self.login_lines.append(self._line())
            password = _unbase64(self.login_lines[-1])
        if (user, password) == self.server.login:
            self.user = user
            self._answer("auth", "235 2.7.0 welcome")
        else:
            self._answer("auth", "535 5.7.8 wrong user or password")

    def _on_mail(self, rest: str) -> None:
        self.mail_line = rest
        self.sender = rest.partition("<")[2].partition(">")[0]
        self.is_begun, self.has_recipient = self._answer("mail", "250 2.1.0 ok"), False

    def _on_rcpt(self, rest: str) -> None:
        self.recipient = rest.partition("<")[2].partition(">")[0]
        if not self.is_begun:
            self._say("503 5.5.1 no sender")
            return
        self.has_recipient = self._answer("rcpt", "250 2.1.5 ok")

    def _on_data(self, _rest: str) -> None:
        if not self.has_recipient and not self.server.careless:
            self._say("554 5.5.1 no valid recipients")
            return
        if not self._answer("data", "354 go on"):
            return
        self._read_until(lambda: len(self._buffer) > 0)
        act = self.server.script("body", self)
        if act is not None:
            self._do(act, "")
            return
        self._read_until(lambda: b"\r\n.\r\n" in self._buffer)
        body, _, rest = bytes(self._buffer).partition(b"\r\n.\r\n")
        self._buffer[:] = rest
        message = re.sub(rb"(?m)^\.", b"", body + b"\r\n")
        act = self.server.script("dot", self)
        if act is not None and not isinstance(act, Dawdle):
            self._do(act, "")
            return
        if act is not None:
            self._do(act, None)
        self.messages += 1
        self.server.note(
            Accepted(self.sender, self.recipient, message, self.mail_line, self.encrypted, self.user, self.number)
        )
        self._answer("accepted", f"250 2.0.0 Ok: queued as Q{self.number}x{self.messages}")

    def _on_rset(self, _rest: str) -> None:
        self._answer("rset", "250 2.0.0 ok")

    # ----------------------------------------------------------------- acts

    def _answer(self, step: str, usual: str) -> bool:
        """True if the step went as usual."""
        act = self.server.script(step, self)
        if act is None:
            self._say(usual)
            return True
        self._do(act, usual)
        return isinstance(act, Dawdle)

    def _do(self, act: Act, usual: str | None) -> None:
        match act:
            case Say(text, close):
                self._say(text)
                if close or text.startswith("421"):
                    raise _Ended
            case Close():
                raise _Ended
            case Reset():
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise _Ended
            case Hang():
                while not self.server.stopping:
                    self.server.wait(0.05)
                raise _Ended
            case Dawdle(seconds):
                self.server.wait(seconds)
                if usual:
                    self._say(usual)
            case Drip(text, seconds):
                for octet in f"{text}\r\n".encode():
                    self.server.wait(seconds)
                    self.sock.sendall(bytes([octet]))

    # ---------------------------------------------------------------- lines

    def _encrypt(self) -> None:
        act = self.server.script("tls", self)
        if act is not None:
            self._do(act, "")
        assert self.server.context is not None
        self.sock.getpeername()  # of a connection that is reset already, wrap_socket may leave a socket open
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.encrypted = True

    def _say(self, text: str) -> None:
        self.sock.sendall(f"{text}\r\n".encode())

    def _line(self) -> str:
        self._read_until(lambda: b"\r\n" in self._buffer)
        line, _, rest = bytes(self._buffer).partition(b"\r\n")
        self._buffer[:] = rest
        return line.decode("utf-8")

    def _read_until(self, is_enough: Callable[[], bool]) -> None:
        self.sock.settimeout(0.05)
        while not is_enough():
            if self.server.stopping:
                raise _Ended
            try:
                received = self.sock.recv(65536)
            except TimeoutError:
                continue
            if not received:
                raise _Ended
            self._buffer += received
        self.sock.settimeout(60)


def _unbase64(text: str) -> str:
    return base64.b64decode(text).decode()


def make_certificate(folder: Path, *names: str) -> Path:
    """A self-signed certificate with its key, as one PEM file; trusting it is naming it as CA file."""
    file = folder / f"{names[0].replace('*', '_')}.pem"
    key, certificate = file.with_suffix(".key"), file.with_suffix(".crt")
    subject = ",".join(f"IP:{name}" if re.fullmatch(r"[\d.]+", name) else f"DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={subject}",
         "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_bytes(key.read_bytes() + certificate.read_bytes())
    return file


@contextlib.contextmanager
def serving(script: Script = behave, **options: object) -> Iterator[ScriptedServer]:
    """A running server; fails the test if the client did what no client may do."""
    with ScriptedServer(script, **options) as server:  # type: ignore[arg-type]
        yield server
    assert not server.problems
