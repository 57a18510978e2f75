"""What every request and answer goes through: whose host it is for, who asks, which site sent them.

An answer carries headers that keep it out of caches, frames, search engines and the next page's Referer, and a
content policy under which no script runs at all.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_HOPS = 32
"""Proxies in a row that are looked at."""
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)

Network = IPv4Network | IPv6Network


class HostGuard:
    """Refuses requests for hosts that are not ours: links in a page or mail are never made from what a visitor says,
    and a page of ours is never cached or framed under another name."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and host_in(Headers(scope=scope).get("host", "")) not in self._hosts:
            await PlainTextResponse("no such host\n", 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_in(authority: str) -> str:
    """The host of ``Host`` or of an address, without its port; empty for what is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").lower()
    except ValueError:
        return ""


def visitor(request: Request, trusted: Collection[Network]) -> str:
    """The IP address of whoever asks; empty if the connection has none. X-Forwarded-For is believed as far as proxies
    of ours wrote it; from the right, the first address that is none of them is the visitor's. Where one of them wrote
    no address, it is the visitor itself as far as anybody can know."""
    here = address_in(request.client.host if request.client else "")
    forwarded = [each for value in request.headers.getlist("x-forwarded-for") for each in value.split(",")]
    written = [each for each in map(str.strip, forwarded[-_HOPS:]) if each]
    while here is not None and written and _is_in(here, trusted):
        further = address_in(written.pop())
        if further is None:
            break
        here = further
    return "" if here is None else str(here)


def network_of(visitor: str) -> str:
    """What a visitor's tries are counted by: of IPv6 the /64."""
    address = address_in(visitor)
    return address.exploded[:19] if isinstance(address, IPv6Address) else visitor


def address_in(written: str) -> IPv4Address | IPv6Address | None:
    """An IP address as proxies write them: perhaps in brackets, perhaps with a port. None for what is none. One of
    IPv4 within IPv6 (RFC 4291 2.5.5.2) is one of IPv4."""
    bare = written.strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in written)


def _is_in(address: IPv4Address | IPv6Address, trusted: Collection[Network]) -> bool:
    return any(address in network for network in trusted)


def is_foreign(request: Request, hosts: Collection[str]) -> bool:
    """Whether another site's page sent this form (Fetch Metadata, else Origin). Nothing here goes by cookies, so a
    foreign form gains nothing; it is refused all the same."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin", "null")
    return origin != "null" and host_in(origin.partition("//")[2]) not in hosts


def is_from(request: Request, hosts: Collection[str]) -> bool:
    """Whether a page on one of these hosts sent this form, under whatever scheme and port."""
    return host_in(request.headers.get("origin", "").partition("//")[2]) in {host.lower() for host in hosts}


def secured(response: Response, *, indexed: bool = False) -> Response:
    """The answer with its headers; styles in it are allowed by their hash, a logo and a frame of ours that it shows,
    and nothing else."""
    body = bytes(response.body)
    hashes = " ".join(f"'sha256-{_hash(style)}'" for style in _STYLE.findall(body)) or "'none'"
    frames = "frame-src 'self'; " if b"<iframe " in body else ""
    images = "img-src http: https:; " if b"<img " in body else ""
    response.headers.update(
        {
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Content-Security-Policy": f"default-src 'none'; style-src {hashes}; {images}{frames}form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
        }
    )
    if not indexed:
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def sandboxed(response: Response) -> Response:
    """A mail that is shown in a frame of ours: its styles and pictures, no script, and links open elsewhere."""
    secured(response)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Content-Security-Policy"] = (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src http: https: data:; form-action 'none'; frame-ancestors 'self'"
    )
    return response


def _hash(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()
