"""What every request and answer goes through: whose host it is for, who asks, how much and how slowly they send.

An answer carries headers that keep it out of caches, frames, search engines and the next page's Referer, and a
content policy under which no script runs at all.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Collection, Iterable
from email import message_from_bytes, policy
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
BODY_SECONDS = 10.0
FIELDS_LIMIT = 3_000
"""Form fields: two thousand categories fit."""

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)

Network = IPv4Network | IPv6Network


class HostGuard:
    """Refuses requests for hosts that are not ours: links in a page or mail are never made from what a visitor says,
    and a page of ours is never cached or framed under another name."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _host(Headers(scope=scope).get("host", "")) not in self._hosts:
            await PlainTextResponse("no such host\n", 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(header: str) -> str:
    """Without port; empty for what is no host."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


class TooMuch(Exception):
    """The body is larger, or comes more slowly, than any form of ours. ``status`` is the answer's."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a form, urlencoded or multipart; none for anything else. Raises TooMuch."""
    try:
        body = await asyncio.wait_for(_body(request), BODY_SECONDS)
    except TimeoutError as error:
        raise TooMuch(408) from error
    except ClientDisconnect as error:
        raise TooMuch(400) from error
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _collected(_urlencoded(body))
    if kind == "multipart/form-data":
        return _collected(_multipart(request.headers["content-type"], body))
    return {}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise TooMuch(413)
    return bytes(body)


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="replace")
    except ValueError as error:
        raise TooMuch(413) from error


def _multipart(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Fields without files (RFC 7578)."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    mail = message_from_bytes(head + body, policy=policy.compat32)
    payload = mail.get_payload()
    found = []
    for part in payload if isinstance(payload, list) else []:
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        value = part.get_payload(decode=True)  # type: ignore[union-attr]
        if isinstance(name, str) and isinstance(value, bytes):
            found.append((name, value.decode("utf-8", "replace")))
    return found


def _collected(fields: Iterable[tuple[str, str]]) -> Form:
    form: Form = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


def visitor(request: Request, trusted: Collection[Network]) -> str:
    """The IP address of whoever asks. X-Forwarded-For is believed as far as proxies of ours wrote it; from the right,
    the first address that is none of them is the visitor's."""
    here = request.client.host if request.client else ""
    forwarded = [each.strip() for value in request.headers.getlist("x-forwarded-for") for each in value.split(",")]
    while forwarded and _is_in(here, trusted):
        here = forwarded.pop()
    return here if _is_ip(here) else ""


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in written)


def _is_in(host: str, trusted: Collection[Network]) -> bool:
    return _is_ip(host) and any(ip_address(host) in network for network in trusted)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_foreign(request: Request, hosts: Collection[str]) -> bool:
    """Whether another site's page sent this form (Fetch Metadata, else Origin). Nothing here goes by cookies, so a
    foreign form gains nothing; it is refused all the same."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin", "null")
    return origin != "null" and _host(urlsplit(origin).netloc) not in hosts


def secured(response: Response, *, indexed: bool = False) -> Response:
    """The answer with its headers; styles in it are allowed by their hash, nothing else is."""
    body = bytes(response.body)
    hashes = " ".join(f"'sha256-{_hash(style)}'" for style in _STYLE.findall(body)) or "'none'"
    response.headers.update(
        {
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Content-Security-Policy": f"default-src 'none'; style-src {hashes}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'",
        }
    )
    if not indexed:
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _hash(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()
