"""The web server: uvicorn, with time limits for those who send or take slowly, and room for readers whoever else comes.

Every connection that waits for its client (no request yet, half a head, half a body, an answer that is not taken) has
a limit. When there are too many connections, the one that has waited longest makes room, so that a thousand that say
nothing keep nobody out. When too many requests are being answered at once, the next is told to come back (429).

What a cache in memory can answer at once is written without a task of its own (``AtOnce``).
"""

from __future__ import annotations

import asyncio
import re
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Protocol

import uvicorn
from httptools import HttpParserInvalidMethodError
from msgspec import Struct
from msgspec.structs import replace
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

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


class AtOnce(Protocol):
    """An application that can answer some requests without waiting for anything."""

    def at_once(self, method: bytes, target: bytes, headers: Headers) -> Quick | None:
        """The answer to a GET or HEAD, if it is at hand. ``headers`` have lower-case names."""
        ...


def make_server(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 8000, *, limits: ClientLimits | None = None, backlog: int = 2048
) -> uvicorn.Server:
    """A server for ``app``, which may be ``AtOnce``. ``host`` and ``port`` count only if ``serve`` is given no sockets.

    It writes no access log, since paths hold tokens; it believes no forwarded address, the pages look at that.
    """
    limits = _fitting(limits or ClientLimits())
    attributes = {"limits": limits, "crowd": Crowd(limits), "at_once": getattr(app, "at_once", None)}
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=type("Connection", (_Connection,), attributes),
        ws="none",
        lifespan="off",
        log_config=None,  # what it has to say goes where everything goes
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=backlog,
        timeout_keep_alive=max(1, round(limits.keep_alive_seconds)),
        timeout_graceful_shutdown=3,
    )
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


class Crowd:
    """All connections of a server that wait for their clients, the longest waiting first."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._until: dict[_Connection, float] = {}
        self._sweeping = False

    def wait(self, connection: _Connection, seconds: float, now: float) -> None:
        self._until.pop(connection, None)
        self._until[connection] = now + seconds

    def leave(self, connection: _Connection) -> None:
        self._until.pop(connection, None)

    def make_room(self, count: int) -> None:
        """Let go of one that waits, if ``count`` connections are too many."""
        if count > self._limits.connections and self._until:
            next(iter(self._until)).let_go()

    def make_turn(self, answering: int) -> bool:
        """Whether one more request may be answered. An answer that nobody takes makes room for it."""
        if answering < self._limits.requests:
            return True
        stalled = next((one for one in self._until if one.stalls), None)
        if stalled is not None:
            stalled.let_go()
        return stalled is not None

    def sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, as long as anybody waits."""
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(self._limits.sweep_seconds, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [one for one, until in self._until.items() if until < now]:
            connection.let_go()
        self._sweeping = False
        if self._until:
            self.sweep(loop)


class _Answered:
    """Stands for a request that was answered at once."""

    response_complete = True
    disconnected = False
    keep_alive = True

    class message_event:  # noqa: N801 - as uvicorn names it
        set = staticmethod(lambda: None)


_ANSWERED: Any = _Answered()
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]\r?\n")
_NOT_ALLOWED = b"allow: GET, HEAD, OPTIONS\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Connection(HttpToolsProtocol):
    """One client."""

    limits: ClassVar[ClientLimits]
    crowd: ClassVar[Crowd]
    at_once: ClassVar[Callable[[bytes, bytes, Headers], Quick | None] | None]

    stalls = False
    """Its answer is not taken."""
    _in_head = True
    _in_body = False
    _head_bytes = 0
    _body_bytes = 0
    _received = b""

    # ------------------------------------------------------------ connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._served_by = self.app
        self.crowd.make_room(len(self.connections))
        self._wait(self.limits.head_seconds)
        self.crowd.sweep(self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def let_go(self) -> None:
        """End the connection; what was written already may be lost if its client does not take it."""
        self.crowd.leave(self)
        self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self.crowd.wait(self, seconds, self.loop.time())

    # --------------------------------------------------------------- reading

    def data_received(self, data: bytes) -> None:
        self._received = data
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes * 2:  # it never ends
                self.let_go()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed ends the connection. A method that the parser has never heard of is not allowed, as is
        every other that we do not answer (RFC 9110, 15.5.6)."""
        if isinstance(sys.exception(), HttpParserInvalidMethodError) and _REQUEST_LINE.match(self._received):
            self.transport.write(STATUS_LINE[405] + _NOT_ALLOWED)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if not self._is_answering():
            self._wait(self.limits.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._in_body, self._body_bytes = False, 0, True, 0
        self.crowd.leave(self)
        refusal = self._refusal()
        if refusal is None and self._answer_at_once():
            return
        self.app = refusal or self._served_by
        super().on_headers_complete()
        if self._in_body:
            self._wait(self.limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            self._too_large()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self.cycle.response_complete:
            self._wait(self.limits.keep_alive_seconds)
        else:
            self.crowd.leave(self)
            super().on_message_complete()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_large(self) -> None:
        if self._is_answering() and not self.cycle.response_started:
            self.transport.write(
                STATUS_LINE[413] + b"content-length: 0\r\nconnection: close\r\n\r\n",
            )
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.transport.close()

    # ------------------------------------------------------------- answering

    def _refusal(self) -> ASGIApp | None:
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > self.limits.head_bytes:
            return _refuse(431)
        hosts = [value for name, value in self.headers if name == b"host"]
        if self.parser.get_http_version() == "1.1" and len(hosts) != 1:  # RFC 9112, 3.2
            return _refuse(400)
        if any(len(host.split()) > 1 for host in hosts):  # RFC 9110, 7.2: host and port, no blank in either
            return _refuse(400)
        if not self.crowd.make_turn(len(self.tasks)):
            return _refuse(429, (b"retry-after", str(self.limits.retry_after).encode()))
        return None

    def _answer_at_once(self) -> bool:
        answer_to = type(self).at_once
        if answer_to is None or self._is_answering() or self.pipeline or self.flow.write_paused:
            return False
        method = self.parser.get_method()
        quick = answer_to(method, self.url, self.headers) if method in (b"GET", b"HEAD") else None
        if quick is None:
            return False
        stays = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        self.cycle = _ANSWERED
        self.server_state.total_requests += 1
        self.transport.write(
            b"".join(
                [
                    STATUS_LINE[quick.status],
                    *(b"%b: %b\r\n" % header for header in self.server_state.default_headers),
                    quick.headers,
                    b"\r\n" if stays else b"connection: close\r\n\r\n",
                    quick.body,
                ]
            )
        )
        self._wait(self.limits.keep_alive_seconds)
        if not stays:
            self.transport.close()
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_body and not self._is_answering():
            self._wait(self.limits.keep_alive_seconds)

    # --------------------------------------------------------------- writing

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalls = True
        self._wait(self.limits.stall_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalls = False
        if self._is_answering() and not self._in_body:
            self.crowd.leave(self)
        elif not self._in_body:
            self._wait(self.limits.keep_alive_seconds)


def _refuse(status: int, *headers: tuple[bytes, bytes]) -> ASGIApp:
    """Answers with ``status``, and closes."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", b"0"), (b"connection", b"close"), *headers],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    return refuse
