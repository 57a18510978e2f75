"""Whose a request is, and who may see the figures."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Message

from digest.errors import StoreError
from digest.web.access import Access, is_own
from digest.web.guard import visitor
from digest.web.health import METRICS_TYPE, Checks, health_routes

TOKEN = "a-token-of-the-operator"


def request(
    client: str = "127.0.0.1", host: str = "127.0.0.1:8000", path: str = "/", method: str = "GET", **headers: str
) -> Request:
    given = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": (client, 1) if client else None,
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
            "root_path": "",
        }
    )


@pytest.mark.parametrize(
    ("asked", "own"),
    [
        (request(), True),
        (request(host="localhost"), True),
        (request(client="::1", host="[::1]:8000"), True),
        (request(client="127.8.9.1", host="127.0.0.1"), True),
        (request(client="192.0.2.1"), False),
        (request(client=""), False),
        (request(client="testclient"), False),
        (request(host="news.example.com"), False),
        (request(host="127.0.0.1.evil.example"), False),
        (request(host="[broken"), False),
        (request(host=""), False),
        (request(x_forwarded_for="127.0.0.1"), False),
        (request(x_real_ip="127.0.0.1"), False),
        (request(forwarded="for=127.0.0.1"), False),
        (request(via="1.1 proxy"), False),
        (request(x_forwarded_proto="https"), False),
    ],
)
def test_whose_a_request_is(asked: Request, own: bool) -> None:
    """This machine's own: from it, for it, and signed by no proxy. A name of another site that points here (DNS
    rebinding) is none of its names."""
    assert is_own(asked) is own
    assert Access(None).may_read(asked) is own


@pytest.mark.parametrize(
    ("header", "may"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (TOKEN, False),
        ("", False),
        ("Bearer ", False),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}x", False),
        ("Bearer \xff", False),
    ],
)
def test_the_token_opens_the_figures(header: str, may: bool) -> None:
    """From anywhere; being this machine is not enough then."""
    assert Access(TOKEN).may_read(request("192.0.2.1", "news.example.com", authorization=header)) is may
    assert Access(TOKEN).may_read(request(authorization=header)) is may


def test_guesses_are_counted_by_visitor() -> None:
    """Behind a proxy of ours the visitor is who it names; of IPv6 the /64."""
    access = Access(TOKEN, proxies=[ip_network("127.0.0.0/8")])
    for number in range(10):
        wrong = request(x_forwarded_for=f"2001:db8::{number}", authorization="Bearer wrong")
        assert not access.may_read(wrong)
    assert access.is_shut(request(x_forwarded_for="2001:db8::ffff"))
    assert not access.is_shut(request(x_forwarded_for="2001:db8:0:1::1"))
    assert access.may_read(request(x_forwarded_for="192.0.2.7", authorization=f"Bearer {TOKEN}"))


@pytest.mark.parametrize("tries", [10, 100, 1000])
def test_the_right_token_always_enters(tries: int) -> None:
    """However many wrong ones came from the same address: a proxy's is everybody's."""
    access = Access(TOKEN)
    wrong = request("192.0.2.1", "news.example.com", authorization="Bearer wrong")
    for _ in range(tries):
        assert not access.may_read(wrong)
        assert access.log_in("wrong", wrong) is None
    assert access.is_shut(wrong)
    assert access.may_read(request("192.0.2.1", "news.example.com", authorization=f"Bearer {TOKEN}"))
    assert access.log_in(TOKEN, wrong) is not None
    assert access.is_shut(wrong)


@pytest.mark.parametrize(
    ("forwarded", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7:4711, 127.0.0.2", "192.0.2.7"),
        ("198.51.100.1, rubbish, 127.0.0.2:80", "127.0.0.2"),
        ("rubbish", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("192.0.2.7:", "192.0.2.7"),
        (":::", "127.0.0.1"),
        ("192.0.2.7, ,", "192.0.2.7"),
        ("", "127.0.0.1"),
        (",".join(["127.0.0.1"] * 4000), "127.0.0.1"),
    ],
)
def test_whose_address_counts(forwarded: str, who: str) -> None:
    """As proxies write it, with a port too. What is no address is the visitor of the proxy that wrote it, and never
    nobody: for nobody there would be no limit."""
    proxies = [ip_network("127.0.0.0/8")]
    assert visitor(request(x_forwarded_for=forwarded), proxies) == who
    assert visitor(request("::ffff:127.0.0.1", x_forwarded_for=forwarded), proxies) == who
    assert visitor(request("192.0.2.1", x_forwarded_for=forwarded), proxies) == "192.0.2.1"


# ------------------------------------------------------------------- routes


async def asked(routes: list[BaseRoute], it: Request) -> tuple[int, bytes, dict[str, str]]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Starlette(routes=routes)(it.scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), headers


def run(routes: list[BaseRoute], it: Request) -> tuple[int, bytes, dict[str, str]]:
    import asyncio

    return asyncio.run(asked(routes, it))


def routes_of(
    lives: Callable[[], list[str]] = list,
    ready: Callable[[], list[str]] = list,
    figures: Callable[[], bytes] = lambda: b"x 1\n",
) -> list[BaseRoute]:
    return health_routes(Checks(lives=lives, ready=ready, figures=figures), Access(None))


def test_one_word_to_everybody(caplog: pytest.LogCaptureFixture) -> None:
    """Why is in the log alone."""
    routes = routes_of(ready=lambda: ["var/digest.db: locked"])
    assert run(routes, request("192.0.2.1", path="/healthz"))[:2] == (200, b"ok\n")
    status, body, headers = run(routes, request("192.0.2.1", path="/readyz"))
    assert (status, body, headers["cache-control"]) == (503, b"not now\n", "no-store")
    assert run(routes_of(lives=lambda: ["it hangs"]), request(path="/healthz"))[0] == 503
    assert "the service is not ready: var/digest.db: locked" in caplog.text


def test_figures_have_their_type_or_are_not_there() -> None:
    status, body, headers = run(routes_of(), request(path="/metrics"))
    assert (status, body, headers["content-type"]) == (200, b"x 1\n", METRICS_TYPE)
    assert run(routes_of(), request("192.0.2.1", path="/metrics"))[:2] == (404, b"not here\n")

    def broken() -> bytes:
        raise StoreError("var/digest.db", "locked")

    assert run(routes_of(figures=broken), request(path="/metrics"))[:2] == (503, b"not now\n")
