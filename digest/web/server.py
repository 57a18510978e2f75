"""The web server: uvicorn, with time limits for those who send or take slowly, and room for readers whoever else comes.

Every connection that waits for its client (no request yet, half a head, half a body, an answer that is not taken) has
a limit. When there are too many connections, the one that has waited longest makes room, so that a thousand that say
nothing keep nobody out. When too many requests are being answered at once, the next is told to come back (429).

    socket -> Client: time and size of heads -> uvicorn's protocol -> Door: whole heads, bodies -> application

uvicorn has no such limits, and its ``limit_concurrency`` shuts out readers for the sake of those who say nothing.
What a cache in memory can answer is written without it: a task and an ASGI conversation take five times as long.
"""

from __future__ import annotations

import asyncio
import re
import resource
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from msgspec import Struct
from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]


class ClientLimits(Struct, frozen=True, kw_only=True):
    """What a client may take. Times in seconds, sizes in bytes."""

    connections: int = 4096
    """Open at once; fewer where the system allows fewer open files."""
    requests: int = 2048
    """Being answered at once."""
    head_seconds: float = 10.0
    """For a whole request head, from its first byte; and for the first byte of a new connection."""
    body_seconds: float = 30.0
    """For a whole request body."""
    stall_seconds: float = 30.0
    """For the next 64 KB of an answer to be taken."""
    keep_alive_seconds: float = 10.0
    """Until the next request begins."""
    head_bytes: int = 32 * 1024
    body_bytes: int = 1024 * 1024
    retry_after: int = 30
    """What those are told who are too many."""
    sweep_seconds: float = 1.0
    """How often limits are looked at."""


class Quick(Struct, frozen=True, kw_only=True):
    """A whole answer, ready to be written."""

    status: int
    headers: bytes
    """As they go over the wire, without status line, date and the empty line."""
    body: bytes


AtOnce = Callable[[bytes, bytes, Headers], Quick | None]
"""The method ``at_once`` of an application that can answer some requests without waiting for anything: by method (GET
or HEAD), target, and headers with lower-case names."""


def make_server(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 8000, *, limits: ClientLimits | None = None, backlog: int = 2048
) -> uvicorn.Server:
    """A server for ``app``, which may have ``at_once``. ``host`` and ``port`` count only if ``serve`` is given no
    sockets.

    It writes no access log, since paths hold tokens; it believes no forwarded address, the pages look at that.
    """
    door = Door(app, _fitting(limits or ClientLimits()))
    config = uvicorn.Config(
        door,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,  # what it has to say goes where everything goes
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=backlog,
        timeout_keep_alive=24 * 3600,  # limits are ours
        timeout_graceful_shutdown=3,
    )
    config.load()
    config.http_protocol_class = partial(Client, door, config.http_protocol_class)  # type: ignore[assignment]
    return uvicorn.Server(config)


def _fitting(limits: ClientLimits) -> ClientLimits:
    """With as many connections as there may be open files, of which others need some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reach = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
            soft = reach
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    return replace(limits, connections=max(16, soft * 3 // 4))


class Door:
    """What all connections of a server share. As an ASGI application it lets whole requests in, or refuses them."""

    def __init__(self, app: ASGIApp, limits: ClientLimits) -> None:
        self.limits = limits
        self.at_once: AtOnce = getattr(app, "at_once", lambda *request: None)
        self._app = app
        self._answering = 0
        self._until: dict[Client, float] = {}
        """Those that wait for their clients, the longest waiting first."""
        self._sweeping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client: Client = scope["state"]["client"]
        has_body = any(_announces_body(name, value) for name, value in scope["headers"])
        client.asks(has_body=has_body)
        self._answering += 1
        try:
            target = scope["raw_path"] + scope["query_string"]
            if (status := self.fault(target, scope["headers"], scope["http_version"])) is not None:
                await _refuse(send, status)
            elif not self._has_room():
                await _refuse(send, 429, (b"retry-after", str(self.limits.retry_after).encode()))
            elif has_body:
                body = _Body(client, self.limits.body_bytes, receive, send)
                await self._app(scope, body.receive, body.send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._answering -= 1
            client.is_answered()

    def fault(self, target: bytes, headers: Headers, version: str) -> int | None:
        """The status for a head that is not in order."""
        if sum(len(name) + len(value) for name, value in headers) + len(target) > self.limits.head_bytes:
            return 431
        hosts = [value for name, value in headers if name == b"host"]
        if version == "1.1" and len(hosts) != 1:  # RFC 9112, 3.2
            return 400
        if any(len(host.split()) > 1 for host in hosts):  # RFC 9110, 7.2: host and port, no blank in either
            return 400
        return None

    def _has_room(self) -> bool:
        """Whether this request may be answered. An answer that nobody takes makes room for it."""
        if self._answering <= self.limits.requests:
            return True
        stalled = next((one for one in self._until if one.stalls), None)
        if stalled is not None:
            self.let_go(stalled)
        return stalled is not None

    # ----------------------------------------------------------------- waiting

    def wait(self, client: Client, seconds: float) -> None:
        """From now on, for so long."""
        self._until.pop(client, None)
        if client.is_lost:
            return
        self._until[client] = client.loop.time() + seconds
        if not self._sweeping:
            self._sweeping = True
            client.loop.call_later(self.limits.sweep_seconds, self._sweep, client.loop)

    def leave(self, client: Client) -> None:
        self._until.pop(client, None)

    def let_go(self, client: Client) -> None:
        """End the connection; what was written already may be lost if its client does not take it."""
        self.leave(client)
        client.transport.abort()

    def make_room(self, count: int) -> None:
        """Let go of one that waits, if ``count`` connections are too many."""
        if count > self.limits.connections and self._until:
            self.let_go(next(iter(self._until)))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for client in [one for one, until in self._until.items() if until < now]:
            self.let_go(client)
        self._sweeping = bool(self._until)
        if self._sweeping:
            loop.call_later(self.limits.sweep_seconds, self._sweep, loop)


async def _refuse(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    """Answer with ``status``, and close."""
    about = [(b"content-length", b"0"), (b"connection", b"close"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": b""})


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")


class _Body:
    """A request with a body, which has a size, and is the last of its connection if nobody reads it to its end."""

    def __init__(self, client: Client, limit: int, receive: Receive, send: Send) -> None:
        self._client = client
        self._left = limit
        self._receive = receive
        self._send = send
        self._is_whole = False
        self._is_refused = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self._left -= len(message["body"])
        if self._left < 0:
            if not self._is_refused:
                self._is_refused = True
                await _refuse(self._send, 413)
            return {"type": "http.disconnect"}
        if not message["more_body"]:
            self._is_whole = True
            self._client.has_sent_all()
        return message

    async def send(self, message: Message) -> None:
        if self._is_refused:
            return
        if message["type"] == "http.response.start" and not self._is_whole:
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await self._send(message)


class _Head:
    """What a piece says if it is one whole request and nothing more. Raises what the parser does."""

    def __init__(self, piece: bytes) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.begins = self.ends = 0
        self.stays = False
        """The connection may be used again."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(piece)

    def on_message_begin(self) -> None:
        self.begins += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.stays = self.parser.should_keep_alive()  # the parser forgets it when the message is whole

    def on_message_complete(self) -> None:
        self.ends += 1


_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]\r?\n")
_NOT_ALLOWED = Quick(status=405, headers=b"allow: GET, HEAD, OPTIONS\r\ncontent-length: 0\r\n", body=b"")


@cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


class Client(asyncio.Protocol):
    """One connection: between its socket and uvicorn's protocol."""

    transport: asyncio.Transport
    stalls = False
    """Its answer is not taken."""
    is_lost = False
    """The connection has ended; what answers it may take a while to notice."""
    _open = 0
    """Requests that are being answered."""
    _sends_body = False
    _head_bytes = 0
    """Since the last request began to be answered: of the next head."""

    def __init__(
        self, door: Door, within: Callable[..., Any], *, server_state: Any, app_state: dict[str, Any], **given: Any
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._door = door
        self._limits = door.limits
        self._state = server_state
        self._within = within(server_state=server_state, app_state={**app_state, "client": self}, **given)

    # ------------------------------------------------------------ connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._within.connection_made(transport)
        self._door.make_room(len(self._state.connections))
        self._door.wait(self, self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._door.leave(self)
        self._within.connection_lost(None)  # whatever ended it: after an error uvicorn would keep its timer

    # -------------------------------------------------------------- requests

    def data_received(self, data: bytes) -> None:
        if not self._open and not self._head_bytes:
            if not self.stalls and self._answers_at_once(data):
                return
            self._door.wait(self, self._limits.head_seconds)
        self._head_bytes += 0 if self._sends_body else len(data)
        self._within.data_received(data)
        self.loop.call_soon(self._look_at_head)  # when uvicorn has begun to answer what is whole

    def _answers_at_once(self, data: bytes) -> bool:
        try:
            head = _Head(data)
        except httptools.HttpParserInvalidMethodError:  # uvicorn says 400; unknown is not allowed: RFC 9110, 15.5.6
            is_request = _REQUEST_LINE.match(data) is not None
            if is_request:
                self._write(_NOT_ALLOWED, stays=False)
            return is_request
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False  # uvicorn's business
        method, version = head.parser.get_method(), head.parser.get_http_version()
        if not head.begins == head.ends == 1 or method not in (b"GET", b"HEAD"):
            return False
        if self._door.fault(head.target, head.headers, version) is not None:
            return False
        quick = self._door.at_once(method, head.target, head.headers)
        if quick is not None:
            self._write(quick, stays=version == "1.1" and head.stays)
        return quick is not None

    def _write(self, quick: Quick, *, stays: bool) -> None:
        dated = [b"%b: %b\r\n" % header for header in self._state.default_headers]
        end = b"\r\n" if stays else b"connection: close\r\n\r\n"
        self.transport.write(b"".join([_status_line(quick.status), *dated, quick.headers, end, quick.body]))
        if not self.stalls:
            self._door.wait(self, self._limits.keep_alive_seconds)
        if not stays:
            self.transport.close()

    def _look_at_head(self) -> None:
        if self._head_bytes > self._limits.head_bytes * 2:  # it never ends
            self._door.let_go(self)

    def asks(self, *, has_body: bool) -> None:
        """A head is whole."""
        self._open += 1
        self._head_bytes = 0
        self._sends_body = has_body
        if has_body:
            self._door.wait(self, self._limits.body_seconds)
        else:
            self._door.leave(self)

    def has_sent_all(self) -> None:
        """The body is whole too."""
        self._sends_body = False
        self._door.leave(self)

    def is_answered(self) -> None:
        self._open -= 1
        self._sends_body = False
        if not self._open and not self.stalls:
            self._door.wait(self, self._limits.keep_alive_seconds)

    # --------------------------------------------------------------- answers

    def pause_writing(self) -> None:
        self._within.pause_writing()
        self.stalls = True
        self._door.wait(self, self._limits.stall_seconds)

    def resume_writing(self) -> None:
        self._within.resume_writing()
        self.stalls = False
        if not self._open:
            self._door.wait(self, self._limits.keep_alive_seconds)
        elif not self._sends_body:
            self._door.leave(self)
