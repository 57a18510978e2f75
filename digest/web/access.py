"""Who may see what is for the operator: a token, compared in constant time. The right one always enters; wrong ones are
counted, and whoever has sent too many is told so.

After a login the browser has a cookie: the time until which it is good and a signature over it (HMAC-SHA256 with a key
derived from the token). A new token ends every session. Nothing is kept on this side.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Collection

from starlette.requests import Request

from digest.web.guard import Network, address_in, host_in, network_of, visitor
from digest.web.tries import Tries

SESSION = 12 * 3600
"""Seconds that a login lasts."""
COOKIE = "__Host-digest-status"
"""The name's beginning binds it to this host and to TLS (RFC 6265bis 4.1.3.2); for browsers this machine itself is as
good as TLS."""

_WINDOW = 900.0
_TRIES_EACH = 10
_TRIES_ALL = 100
"""Wrong tokens in a quarter of an hour, from one address and from all."""
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded", "via", "x-forwarded-host", "x-forwarded-proto", "cf-ray")
_COOKIE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Access:
    """Decides who may look. ``token`` None: nobody may log in. ``clock`` gives seconds since 1970, ``ticks`` seconds
    that never go back."""

    def __init__(
        self,
        token: str | None,
        *,
        proxies: Collection[Network] = (),
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.has_token = token is not None
        self._token = _digest(token or secrets.token_hex())
        self._key = hmac.digest((token or secrets.token_hex()).encode(), b"digest status session", "sha256")
        self._proxies = proxies
        self._clock = clock
        self._tries = Tries(each=_TRIES_EACH, all=_TRIES_ALL, seconds=_WINDOW, ticks=ticks)

    # ----------------------------------------------------------------- programs

    def may_read(self, request: Request) -> bool:
        """The metrics: with the token (``Authorization: Bearer``); where there is none, from this machine itself."""
        if not self.has_token:
            return is_own(request)
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._is_token(given.strip(), request)

    # ------------------------------------------------------------------- people

    def log_in(self, given: str, request: Request) -> str | None:
        """The cookie's value for the right token."""
        return self._session() if self._is_token(given, request) else None

    def is_shut(self, request: Request) -> bool:
        """Too many wrong tokens came from there, or from everywhere."""
        return self._tries.are_too_many(self._who(request))

    def is_in(self, request: Request) -> bool:
        """Whether the request has a session that is still good."""
        value = request.cookies.get(COOKIE, "")
        found = _COOKIE.fullmatch(value)
        if found is None or not self.has_token:
            return False
        told = hmac.compare_digest(found[3], self._signature(f"{found[1]}.{found[2]}"))
        return told and self._clock() < int(found[1]) <= self._clock() + SESSION

    # ------------------------------------------------------------------- inside

    def _is_token(self, given: str, request: Request) -> bool:
        """Whoever else sent wrong ones from there: a proxy's address, or a mobile network's, is that of many."""
        right = hmac.compare_digest(_digest(given), self._token) and self.has_token
        if not right:
            self._tries.note(self._who(request))
        return right

    def _session(self) -> str:
        body = f"{int(self._clock()) + SESSION}.{secrets.token_hex(16)}"
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()

    def _who(self, request: Request) -> str:
        return network_of(visitor(request, self._proxies))


def is_own(request: Request) -> bool:
    """Whether a request comes from this machine and for this machine, and through no proxy that says so."""
    here = address_in(request.client.host if request.client else "")
    if here is None or not here.is_loopback or any(name in request.headers for name in _FORWARDED):
        return False
    host = host_in(request.headers.get("host", ""))
    named = address_in(host)
    return host == "localhost" or (named is not None and named.is_loopback)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
