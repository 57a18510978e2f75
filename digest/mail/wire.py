"""One connection to an SMTP server: lines out, answers in, each step with a time limit of its own.

``smtplib`` is not enough here: its time-out starts anew with every byte that drips in, its answers may have any
number of lines, it sends the final dot together with the message, and its exception for a lost connection is the
same before and after the server has accepted.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from select import POLLIN, POLLOUT, poll

from msgspec import Struct

_ANSWER_LIMIT = 65_536
"""Octets of one answer. RFC 5321 4.5.3.1.5 asks for 512 a line."""
_BLOCK = 65_536
SOON = 0.002
"""Seconds within which a server nearby answers; if it takes longer, there is time for something else."""
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LINE = re.compile(rb"([2345]\d\d)(?:([ -])([^\r\n]*))?\r?\n")


class ConnectionLost(Exception):
    """The server is gone, silent for too long, or speaks no SMTP. ``why`` is in words, lower case."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Answer(Struct, frozen=True, kw_only=True):
    """Code and words of one answer, its lines joined by line feeds."""

    code: int
    text: str


@dataclass(kw_only=True, eq=False)
class Wire:
    """A connected socket. Every method may raise ConnectionLost; the wire is of no use afterwards."""

    sock: socket.socket
    """Does not block: waiting is done here, so that nothing is set anew for each step."""
    clock: Callable[[], float]
    """Seconds, never going back."""
    here: str = ""
    there: str = ""
    """The addresses of both ends."""
    _buffer: bytearray = field(default_factory=bytearray)
    _waiting: dict[int, poll] = field(default_factory=dict)

    def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """From now on everything is encrypted, and the server has shown a valid certificate for ``host``. Raises
        ssl.SSLError as well."""
        if self._buffer:
            raise ConnectionLost("the server spoke before encryption began")
        self.sock.settimeout(seconds)
        try:
            self.sock.getpeername()  # of a connection that is reset already, wrap_socket may leave a socket open
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise ConnectionLost(_words(error)) from error
        self.sock.setblocking(False)

    def command(self, line: str, seconds: float) -> Answer:
        """Send one line and wait for the answer."""
        self.say((line,), seconds)
        return self.answer(seconds)

    def say(self, lines: Sequence[str], seconds: float) -> None:
        """Send commands, all in one packet."""
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a command is one line")
        self.write(["".join(f"{line}\r\n" for line in lines).encode()], seconds)

    def write(self, pieces: Sequence[bytes], seconds: float, slowly: Callable[[], None] = lambda: None) -> None:
        """Send them all, each block of 64 KB within so many seconds. Usually the system takes them in one go;
        ``slowly`` is called when it does not."""
        sent = 0
        if not isinstance(self.sock, ssl.SSLSocket):  # which takes one piece at a time
            try:
                sent = self.sock.sendmsg(pieces)
            except _NOT_YET:
                pass
            except OSError as error:
                raise ConnectionLost(_words(error)) from error
        if sent < sum(map(len, pieces)):
            rest = memoryview(b"".join(pieces))[sent:]
            for start in range(0, len(rest), _BLOCK):
                self._write_block(rest[start : start + _BLOCK], seconds, slowly)

    def _write_block(self, block: memoryview, seconds: float, slowly: Callable[[], None]) -> None:
        deadline = self.clock() + seconds
        while block:
            try:
                block = block[self.sock.send(block) :]
            except _NOT_YET as error:
                slowly()
                if not self._wait(POLLIN if isinstance(error, ssl.SSLWantReadError) else POLLOUT, deadline):
                    raise ConnectionLost("no answer in time") from None
            except OSError as error:
                raise ConnectionLost(_words(error)) from error

    def answer(self, seconds: float) -> Answer:
        """The next answer, whole, within so many seconds."""
        deadline = self.clock() + seconds
        lines: list[str] = []
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            match = _LINE.fullmatch(line)
            if match is None or size > _ANSWER_LIMIT:
                raise ConnectionLost("the server does not speak SMTP")
            lines.append((match.group(3) or b"").decode("utf-8", "replace"))
            if match.group(2) != b"-":
                return Answer(code=int(match.group(1)), text="\n".join(lines))

    def unasked(self) -> Answer | None:
        """What the server says although it is not its turn: usually that it is about to close. None if nothing is
        there. Does not wait. Raises ConnectionLost if the server is gone."""
        return self.answer(1.0) if self._receive(0) else None

    def is_speaking(self, seconds: float) -> bool:
        """Whether an answer begins to come within so many seconds."""
        return bool(self._buffer) or self._receive(seconds)

    def close(self) -> None:
        self.sock.close()

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _ANSWER_LIMIT:
                raise ConnectionLost("the server does not speak SMTP")
            left = deadline - self.clock()
            if left <= 0 or not self._receive(left):
                raise ConnectionLost("no answer in time")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _receive(self, seconds: float) -> bool:
        """Take in what comes within so many seconds; 0: what is there. False if that is nothing."""
        deadline = self.clock() + seconds
        if seconds > 0 and not self._is_pending() and not self._wait(POLLIN, deadline):
            return False
        while True:
            try:
                received = self.sock.recv(4096)
            except _NOT_YET as error:  # nothing, or only a part of an encrypted record
                if not self._wait(POLLOUT if isinstance(error, ssl.SSLWantWriteError) else POLLIN, deadline):
                    return False
                continue
            except OSError as error:
                raise ConnectionLost(_words(error)) from error
            if not received:
                raise ConnectionLost("the server closed the connection")
            self._buffer += received
            return True

    def _is_pending(self) -> bool:
        """Whether something was decrypted and not taken in yet."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _wait(self, event: int, deadline: float) -> bool:
        """Whether the socket is ready for that (POLLIN, POLLOUT) before the deadline. One that broke is ready."""
        waiting = self._waiting.get(event)
        if waiting is None:
            waiting = self._waiting[event] = poll()
            waiting.register(self.sock, event)  # by its number, which encryption does not change
        left = deadline - self.clock()
        return left > 0 and bool(waiting.poll(left * 1000))


def connect(host: str, port: int, *, seconds: float, clock: Callable[[], float]) -> Wire:
    """A connection to the first address of ``host`` that answers. Raises ConnectionLost."""
    try:
        sock = socket.create_connection((host, port), timeout=seconds)
    except UnicodeError as error:
        raise ConnectionLost("not a host name") from error
    except OSError as error:
        raise ConnectionLost(_words(error)) from error
    try:
        # The dot is a packet of its own: with Nagle's algorithm it would wait for the receipt of the body's last one.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return Wire(sock=sock, clock=clock, here=sock.getsockname()[0], there=sock.getpeername()[0])
    except OSError as error:  # broken off already
        sock.close()
        raise ConnectionLost(_words(error)) from error


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    if isinstance(error, ssl.SSLError):
        return f"the encrypted connection broke ({(error.reason or 'unknown reason').lower().replace('_', ' ')})"
    return (error.strerror or str(error) or type(error).__name__).lower()
