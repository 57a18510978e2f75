"""One GET over HTTP(S), as a stranger's server has to be asked. Import it late: it loads httpcore.

Nothing it answers can reach into our network, fill the memory or keep a thread for long. Redirects are followed by
hand, each judged as if it were the first address. No cookie is kept, no proxy asked, no authority trusted but the
system's.
"""

from __future__ import annotations

import ssl
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from urllib.parse import unquote, urlsplit

import httpcore
from msgspec import Struct

from digest.errors import SourceError
from digest.posts.links import absolute
from digest.sources.remote.addresses import Network
from digest.sources.remote.connecting import (
    Backend,
    Deadline,
    Forbidden,
    Late,
    NoName,
    Resolve,
    TooMuch,
    system_addresses,
)
from digest.sources.remote.limits import Limits

_MOVED = (301, 302, 303, 307, 308)
_FOR_GOOD = (301, 308)
_PORTS = {"http": 80, "https": 443}
_ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, application/json;q=0.8, text/xml;q=0.8, */*;q=0.1"
)
_LATER = "nothing to do, it is asked again"


class Answer(Struct, frozen=True, kw_only=True):
    """What a server said in the end."""

    status: int
    url: str
    """Where the answer came from, after redirects; without name and password."""
    lasting: str
    """Where to ask from now on: as far as every redirect was a permanent one (RFC 9110, 15.4.2 and 15.4.9)."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """Unpacked. Empty unless the status is 200."""


class Unusable(Exception):
    """An answer that cannot be taken, or a place that must not be asked: what is wrong, and what to do."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


class Asking(Struct, frozen=True, kw_only=True):
    """How to ask."""

    agent: str
    """The header User-Agent: who asks, and where to complain."""
    allowed: tuple[Network, ...] = ()
    """Networks that may be connected to though they are not public."""
    limits: Limits = Limits()
    resolve: Resolve = system_addresses
    tls: ssl.SSLContext | None = None
    """None: the system's authorities (SSL_CERT_FILE may name others)."""


def get(url: str, asking: Asking, *, configured: str, headers: Mapping[str, str], seconds: float) -> Answer:
    """The answer to a GET of ``url``, whatever its status, after redirects.

    ``configured`` is the operator's address: its name and password go to its own host only, its port may be used beside
    80 and 443. Raises SourceError: the server cannot be reached or must not be, or what it says cannot be taken.
    """
    walk = _Walk(asking, configured, headers, seconds)
    try:
        return walk.follow(url)
    except Unusable as error:
        where = f" (redirected to {shown(walk.here)})" if walk.here not in ("", plain(configured)) else ""
        raise SourceError(shown(configured), error.cause + where, error.remedy) from error


def shown(url: str, *, is_secret: bool = False) -> str:
    """An address as it may be shown: without name, password, and what a query may hold as a key; of one that is a
    secret, its host."""
    parts = urlsplit(plain(url) or "")
    if is_secret and parts.scheme:
        return f"{parts.scheme}://{parts.netloc}/…"
    return (
        f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")
        if parts.scheme
        else "the address"
    )


def plain(url: str) -> str | None:
    """As a request needs it: absolute, ASCII, without name, password and fragment; None if it is no http(s) address."""
    found = absolute(url, url)
    return found.partition("#")[0] if found else None


class _Walk:
    """From redirect to redirect."""

    def __init__(self, asking: Asking, configured: str, headers: Mapping[str, str], seconds: float) -> None:
        self.here = ""
        """The address that is asked now."""
        self._asking = asking
        self._deadline = Deadline(seconds)
        self._home = urlsplit(plain(configured) or "")
        self._authorization = _authorization(configured)
        self._headers = {
            "Accept": _ACCEPT,
            "Accept-Encoding": "gzip",
            "User-Agent": " ".join(asking.agent.split()).encode("ascii", "replace").decode(),
            "Connection": "close",
            **headers,
        }

    def follow(self, url: str) -> Answer:
        here = lasting = plain(url) or ""
        if not here:
            raise Unusable("is no address of http or https", "correct it")
        for _ in range(self._asking.limits.redirects + 1):
            self.here = here
            self._check_port(here)
            status, headers, body = self._ask(here)
            if status not in _MOVED or "location" not in headers:
                return Answer(status=status, url=here, lasting=lasting, headers=headers, body=body)
            there = self._next(here, headers["location"])
            lasting = there if status in _FOR_GOOD and lasting == here else lasting
            here = there
        raise Unusable(f"redirects more than {self._asking.limits.redirects} times", "open it in a browser, correct it")

    def _check_port(self, url: str) -> None:
        port = urlsplit(url).port
        if port is not None and port not in (80, 443, self._home.port):
            raise Unusable(f"port {port} is not for feeds", "write the address itself if that is right")

    def _next(self, here: str, location: str) -> str:
        """Where a redirect leads. Raises Unusable if nobody should go there."""
        there = plain(absolute(location.encode("latin-1", "replace").decode("utf-8", "replace"), here) or "")
        if there is None:
            raise Unusable("redirects to what is no address of http or https", "correct the address")
        if self._authorization and here.startswith("https:") and not there.startswith("https:"):
            raise Unusable("redirects to http, where its password could be read by others", "correct the address")
        return there

    def _ask(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """Status, head and body of one answer. Raises Unusable."""
        try:
            return self._exchange(url)
        except (Late, Forbidden, NoName, TooMuch, OSError, httpcore.ProtocolError, httpcore.NetworkError) as error:
            raise Unusable(*_words(error, self._asking.limits)) from error

    def _exchange(self, url: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        limits, asking = self._asking.limits, self._asking
        backend = Backend(self._deadline, asking.allowed, limits.bytes, asking.resolve)
        connection = httpcore.HTTPConnection(
            origin=httpcore.Origin(parts.scheme.encode(), host.encode(), port),
            ssl_context=(asking.tls or _system_tls()) if parts.scheme == "https" else None,
            network_backend=backend,
        )
        try:
            address = httpcore.URL(scheme=parts.scheme, host=host, port=port, target=target)
            with connection.stream("GET", address, headers=self._sent(parts.scheme, host, port)) as response:
                head = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status != 200:
                    return response.status, head, b""
                return 200, head, unpacked(response.iter_stream(), head.get("content-encoding", ""), limits.bytes)
        finally:
            connection.close()

    def _sent(self, scheme: str, host: str, port: int) -> list[tuple[str, str]]:
        name = f"[{host}]" if ":" in host else host
        headers = {"Host": name if port == _PORTS[scheme] else f"{name}:{port}", **self._headers}
        if self._authorization and self._is_home(scheme, host, port):
            headers["Authorization"] = self._authorization
        return list(headers.items())

    def _is_home(self, scheme: str, host: str, port: int) -> bool:
        """The host that name and password are for: with the same port, or with TLS where the operator wrote http."""
        home = self._home
        if host != home.hostname:
            return False
        return (scheme, port) in ((home.scheme, home.port or _PORTS.get(home.scheme)), ("https", 443))


def unpacked(chunks: Iterable[bytes], coding: str, most: int) -> bytes:
    """A body without its coding (RFC 9110, 8.4.1), never more than ``most`` octets of it. Raises Unusable."""
    name = coding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return _bounded(_gunzipped(chunks, most), most)
    if name not in ("", "identity"):
        raise Unusable("comes packed in a way that was not asked for", "tell its operator")
    return _bounded(chunks, most)


def _bounded(chunks: Iterable[bytes], most: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise Unusable(f"is larger than {most:,} bytes", "ask its operator for a shorter feed")
    return bytes(body)


def _gunzipped(chunks: Iterable[bytes], most: int) -> Iterable[bytes]:
    """Unpacked piece by piece: no piece is larger than what may come in all."""
    unzip = zlib.decompressobj(31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not unzip.eof:
                yield unzip.decompress(rest, most + 1)
                rest = unzip.unconsumed_tail
    except zlib.error as error:
        raise Unusable("says it is gzip and is not", "tell its operator") from error
    if not unzip.eof:
        raise Unusable("breaks off before its end", _LATER)


@cache
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _authorization(configured: str) -> str:
    """Name and password of an address as a header (RFC 7617); empty without."""
    try:
        parts = urlsplit(configured)
    except ValueError:
        return ""
    if not parts.username and not parts.password:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode("utf-8", "replace")).decode()


def _words(error: Exception, limits: Limits) -> tuple[str, str]:
    """What is wrong, and what to do. Nothing that the server said is quoted."""
    if isinstance(error, (Late, TimeoutError)):
        return "did not answer in time", _LATER
    if isinstance(error, NoName):
        return "the name has no address", "correct the address"
    if isinstance(error, Forbidden):
        return f"leads to {error.addresses[0]}, which is not public", "allow its network if that is meant"
    if isinstance(error, TooMuch):
        return f"is larger than {limits.bytes:,} bytes", "ask its operator for a shorter feed"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message.rstrip('.').lower()}", "tell its operator"
    if isinstance(error, ssl.SSLError):
        return "no encrypted connection comes about", "correct the address or tell its operator"
    if isinstance(error, httpcore.RemoteProtocolError) and "connect" in str(error):
        return "breaks off before its end", _LATER
    if isinstance(error, OSError):
        return (error.strerror or "the connection broke").lower(), _LATER
    return "does not speak HTTP as it should", "correct the address or tell its operator"
