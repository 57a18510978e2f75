"""Connections that end in time and lead only where they may. Import it late: it loads httpcore.

httpcore speaks HTTP and asks this module for its connections. A name is resolved here, each of its addresses judged,
and the very address that was judged is connected to: a name that means something else a moment later changes nothing.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore

from digest.sources.remote.addresses import Network, may_connect, parse_address

Resolve = Callable[[str, int], Sequence[str]]
"""A name and a port in, addresses as text out. Raises OSError for a name without any."""

_SLACK = 1_000_000
"""Octets beside a body: heads, chunk sizes, trailers."""


class Late(Exception):
    """The time for the whole request is over."""


class TooMuch(Exception):
    """More octets came than a body with its heads may have."""


class Forbidden(Exception):
    """A name leads to addresses that nobody should be led to."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(", ".join(addresses))
        self.addresses = tuple(addresses)


class NoName(Exception):
    """A name has no address."""


class Deadline:
    """When a request has to be over, by the clock that never jumps."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; raises Late if there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise Late
        return seconds


def system_addresses(host: str, port: int) -> list[str]:
    """As the system resolves them, in its order of preference (RFC 6724)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Backend(httpcore.NetworkBackend):
    """Makes the connections of one request, all hops of its redirects included."""

    def __init__(
        self, deadline: Deadline, allowed: tuple[Network, ...], most: int, resolve: Resolve = system_addresses
    ) -> None:
        self._deadline = deadline
        self._allowed = allowed
        self._most = most + _SLACK
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first address that answers. Raises NoName, Forbidden, Late, OSError."""
        failure: Exception = NoName()
        addresses = self._judged(host, port)
        for place, address in enumerate(addresses):
            share = self._deadline.left() / (len(addresses) - place)  # so that a silent one leaves time for the next
            try:
                return Stream(socket.create_connection((address, port), timeout=share), self._deadline, self._most)
            except OSError as error:
                failure = error
        raise failure

    def _judged(self, host: str, port: int) -> list[str]:
        found = in_time(lambda: self._resolve(host, port), self._deadline)
        good = [address for address in found if may_connect(parse_address(address), self._allowed)]
        if found and not good:
            raise Forbidden(found)
        return good


class Stream(httpcore.NetworkStream):
    """A connection each of whose steps gets what is left of the time, so that one octet a second does not prolong
    it."""

    def __init__(self, wire: socket.socket, deadline: Deadline, most: int) -> None:
        self._wire = wire
        self._deadline = deadline
        self._left = most

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._in_time():
            data = self._wire.recv(max_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise TooMuch
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._in_time():
            self._wire.sendall(buffer)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The certificate is checked against the name, though an address was connected to."""
        try:
            with self._in_time():
                secure = ssl_context.wrap_socket(self._wire, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return Stream(secure, self._deadline, self._left)

    def close(self) -> None:
        self._wire.close()

    def get_extra_info(self, info: str) -> Any:
        return None

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        self._wire.settimeout(self._deadline.left())
        try:
            yield
        except TimeoutError as error:
            raise Late from error


def in_time(ask: Callable[[], Sequence[str]], deadline: Deadline) -> Sequence[str]:
    """What ``ask`` gives. The system's resolver cannot be interrupted: if it is late, it goes on by itself in a thread
    that nobody waits for. Raises Late, NoName."""
    answer: list[Sequence[str] | None] = []

    def run() -> None:
        try:
            answer.append(ask())
        except (OSError, UnicodeError):
            answer.append(None)

    thread = threading.Thread(target=run, name="feed-name", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not answer:
        raise Late
    if not answer[0]:
        raise NoName
    return answer[0]
