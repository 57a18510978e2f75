"""A web server on loopback that is broken in whatever way a test asks for: it speaks with sockets itself."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

Act = Callable[["Call"], None]

RSS = b"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0"><channel><title>News</title><link>/</link>
<item><title>One</title><link>/one</link><guid isPermaLink="false">n1</guid><description>First.</description>
<pubDate>Mon, 23 Nov 2026 08:00:00 GMT</pubDate></item>
</channel></rss>"""


class Call:
    """One request: what was asked, and the means to answer."""

    def __init__(self, server: BrokenServer, wire: socket.socket, head: str) -> None:
        self.server = server
        self.wire = wire
        lines = head.split("\r\n")
        self.path = lines[0].split(" ")[1]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def wait(self, seconds: float = 60.0) -> bool:
        """Until the server closes; true if it did."""
        return self.server.closing.wait(seconds)


class BrokenServer:
    """``acts`` say what happens at which path; any other path gives a good feed."""

    def __init__(
        self, acts: Mapping[str, Act] | None = None, *, host: str = "127.0.0.1", certificate: str | None = None
    ) -> None:
        self.acts = dict(acts or {})
        self.calls: list[Call] = []
        self.connections = 0
        self.closing = threading.Event()
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if certificate else 'http'}://{name}:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> BrokenServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                wire, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(wire,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, wire: socket.socket) -> None:
        with wire:
            wire.settimeout(10)
            try:
                if self._tls is None:
                    self._talk(wire)
                else:
                    with self._tls.wrap_socket(wire, server_side=True) as secure:
                        self._talk(secure)
            except OSError:
                pass  # the client had enough

    def _talk(self, wire: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = wire.recv(65536)
            if not data:
                return
            if data.startswith(b"\x16\x03"):  # TLS where none is spoken
                wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            head += data
        call = Call(self, wire, head.partition(b"\r\n\r\n")[0].decode("latin-1"))
        self.calls.append(call)
        self.acts.get(call.path.partition("?")[0], answer())(call)


# ------------------------------------------------------------------ what it does


def answer(body: bytes = RSS, status: int = 200, **headers: str) -> Act:
    """A whole and honest answer; ``etag="…"`` and the like are headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return raw(f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + body)


def raw(data: bytes) -> Act:
    return lambda call: call.send(data)


bomb = answer(gzip.compress(bytes(20_000_000), 1), content_encoding="gzip")
"""Twenty million octets in ninety thousand."""


def moved(to: str, status: int = 301) -> Act:
    return answer(b"", status, location=to)


def hang(call: Call) -> None:
    call.wait()


def drip_head(call: Call) -> None:
    _drip(call, b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nX-Long: " + b"x" * 500)


def drip_body(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    _drip(call, RSS)


def _drip(call: Call, data: bytes) -> None:
    for octet in data:
        call.send(bytes([octet]))
        if call.wait(0.1):
            return


def endless(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + RSS[:100])
    while not call.server.closing.is_set():
        call.send(b" " * 65536)


def endless_hints(call: Call) -> None:
    while not call.server.closing.is_set():
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)


def reset(call: Call) -> None:
    call.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def silent_end(call: Call) -> None:
    """Closes without a word."""


def short(call: Call) -> None:
    """Says more than it sends."""
    call.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(RSS) + 100}\r\n\r\n".encode() + RSS)


def slow(seconds: float, then: Act) -> Act:
    def act(call: Call) -> None:
        if not call.wait(seconds):
            then(call)

    return act


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
