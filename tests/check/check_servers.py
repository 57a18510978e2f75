"""Real servers on loopback: names (DNS), the time (SNTP), pages (HTTP, with or without TLS). Each does what its
script says; ports are chosen by the system."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]
"""Records by name and kind: ``("example.test", "TXT"): ['"v=spf1 -all"']``; a value SERVFAIL or SILENT is an act."""


def txt(text: str) -> str:
    """A text as zone files write it, in strings of 255 octets."""
    parts = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


class NameServer:
    """Answers from a zone, by UDP and TCP; what is not in it does not exist."""

    def __init__(self, zone: Zone) -> None:
        self.zone = {(name.lower(), kind): values for (name, kind), values in zone.items()}
        self.asked: list[tuple[str, str]] = []

    def answer(self, data: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        values = self.zone.get((name, kind))
        if values == ["SILENT"]:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if values == ["SERVFAIL"]:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, values))
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        wire = response.to_wire(max_size=65535)
        if not tcp and len(wire) > 512 and query.edns < 0:
            response.answer.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire


@contextlib.contextmanager
def name_server(zone: Zone) -> Iterator[str]:
    """Its address, as ``--resolver`` takes it."""
    server = NameServer(zone)

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire = server.answer(self.request[0], tcp=False)
            if wire is not None:
                self.request[1].sendto(wire, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack(">H", self.rfile.read(2))
            wire = server.answer(self.rfile.read(length), tcp=True)
            if wire is not None:
                self.request.sendall(struct.pack(">H", len(wire)) + wire)

    udp, tcp = _on_one_port(Udp, Tcp)
    with udp, tcp, running(udp), running(tcp):
        yield f"127.0.0.1:{udp.server_address[1]}"


def _on_one_port(
    udp: type[socketserver.BaseRequestHandler], tcp: type[socketserver.BaseRequestHandler]
) -> tuple[socketserver.UDPServer, socketserver.TCPServer]:
    """A port that is free for both."""
    for _ in range(100):
        first = socketserver.ThreadingUDPServer(("127.0.0.1", 0), udp)
        try:
            return first, socketserver.ThreadingTCPServer(("127.0.0.1", first.server_address[1]), tcp)
        except OSError:
            first.server_close()
    raise AssertionError("no port is free for both")


@contextlib.contextmanager
def time_server(offset: float = 0.0, *, answer: Callable[[bytes], bytes | None] | None = None) -> Iterator[str]:
    """Its address. Its clock is ``offset`` seconds ahead of ours; ``answer`` makes another answer of the request."""

    def usual(request: bytes) -> bytes:
        now = time.time() + offset + 2_208_988_800
        stamp = struct.pack(">II", int(now) % 2**32, int(now % 1 * 2**32))
        return b"\x24\x02\x06\xec" + bytes(20) + request[40:48] + stamp + stamp

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data = (answer or usual)(self.request[0])
            if data is not None:
                self.request[1].sendto(data, self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server, running(server):
        yield f"127.0.0.1:{server.server_address[1]}"


Page = tuple[int, dict[str, str], bytes]
Pages = Callable[[str, str, Mapping[str, str]], Page]
"""Method, path and headers (in lower case) to an answer."""


@contextlib.contextmanager
def web_server(pages: Pages, certificate: Path | None = None) -> Iterator[str]:
    """Its address, without a slash at the end; over TLS with a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, given, body = pages(self.command, self.path, headers)
            self.send_response(status)
            for name, value in {**given, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        with running(server):
            yield f"{scheme}://localhost:{server.server_address[1]}"


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(60)


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Folder:
    """``Pages`` of a published folder as they should be served, with the subscription pages beside."""

    TYPES = {
        "feed.xml": "application/atom+xml; charset=utf-8",
        "rss.xml": "application/rss+xml; charset=utf-8",
        "feed.json": "application/feed+json; charset=utf-8",
        "feeds.opml": "text/x-opml; charset=utf-8",
    }

    def __init__(self, root: Path, known: Callable[[str], bool] = lambda token: True) -> None:
        self.root = root
        self.known = known

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Page:
        if path.startswith("/mail/"):
            return self._mail(path.removeprefix("/mail/"))
        file = self.root / path.strip("/")
        if not file.is_file():
            return 404, {"Content-Type": "text/html"}, b"nothing"
        etag = f'"{file.stat().st_mtime_ns:x}"'
        if headers.get("if-none-match") == etag:
            return 304, {"ETag": etag}, b""
        return 200, {"ETag": etag, "Content-Type": self.TYPES[file.name]}, file.read_bytes()

    def _mail(self, token: str) -> Page:
        if token and (token == "A" * 35 or not self.known(token)):
            return 404, {"Content-Type": "text/html; charset=utf-8"}, b"no"
        return 200, {"Content-Type": "text/html; charset=utf-8"}, b"<form method=post>"
