"""Asking other sites: whatever they do, one line says so, in time, and nothing is reached that should not be."""

from __future__ import annotations

import gzip
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from digest.models import Listing
from digest.sources.feed import FeedSource, fetch_all
from digest.sources.remote.addresses import is_public, may_connect, parse_address
from digest.sources.remote.limits import Limits
from digest.sources.remote.memory import Memory
from tests.scale import scaled
from tests.sources import broken_server as broken
from tests.sources.broken_server import RSS, BrokenServer, answer, moved, raw

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"),)
QUICK = Limits(seconds=1.0, bytes=200_000)
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(RSS)


@pytest.fixture
def server() -> Iterator[BrokenServer]:
    with BrokenServer() as running:
        yield running


def source(url: str, **changes: Any) -> FeedSource:
    settings: dict[str, Any] = {"now": NOW, "allow": LOOPBACK, "limits": QUICK}
    return FeedSource(url, **(settings | changes))


def look(url: str, **changes: Any) -> Listing:
    return source(url, **changes).scan()


def remembered(listing: Listing) -> Memory:
    assert listing.memory is not None
    return msgspec.json.decode(listing.memory, type=Memory)


# ------------------------------------------------------------------ what is broken

BROKEN: dict[str, tuple[Callable[[broken.Call], None], str]] = {
    "hangs": (broken.hang, "did not answer in time"),
    "drips its head": (broken.drip_head, "did not answer in time"),
    "drips its body": (broken.drip_body, "did not answer in time"),
    "never ends": (broken.endless, "is larger than 200,000 bytes"),
    "hints for ever": (broken.endless_hints, "is larger than 200,000 bytes|did not answer in time"),
    "is a zip bomb": (broken.bomb, "is larger than 200,000 bytes"),
    "sends too little": (broken.short, "breaks off before its end"),
    "resets": (broken.reset, "breaks off|connection reset|does not speak"),
    "says nothing": (broken.silent_end, "breaks off before its end"),
    "speaks something else": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "does not speak HTTP as it should"),
    "has a huge head": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n"), "does not speak HTTP"),
    "has garbage for chunks": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\ngarbage"),
        "does not speak HTTP",
    ),
    "has two lengths": (raw(LONG + b"Content-Length: 7\r\n\r\n" + RSS), "does not speak HTTP"),
    "is no gzip": (answer(RSS, content_encoding="gzip"), "says it is gzip and is not"),
    "is cut gzip": (answer(gzip.compress(RSS)[:-9], content_encoding="gzip"), "breaks off before its end"),
    "is packed oddly": (answer(RSS, content_encoding="br"), "packed in a way"),
    "is empty": (answer(b""), "is empty"),
    "is blank": (answer(b" \n "), "is empty"),
    "is a page": (answer(b"<!doctype html><html><body>Hi</body></html>"), "is a page and no feed"),
    "is a picture": (answer(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "is no feed"),
    "is cut XML": (answer(RSS[:-40]), "breaks off before its end"),
    "is other XML": (answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is no feed"),
    "is other JSON": (answer(b'{"a": 1}'), "is JSON, and no JSON Feed"),
    "is broken JSON": (answer(b'{"version": "https://jsonfeed.org/version/1'), "is no valid JSON"),
    "answers 404": (answer(b"", 404), "answered 404: there is nothing; correct the address"),
    "answers 401": (answer(b"", 401), "answered 401: it does not let us in"),
    "answers 410": (answer(b"", 410), "answered 410: the feed is gone for good; delete it"),
    "answers 429": (answer(b"", 429), "answered 429: it was asked too often"),
    "answers 500": (answer(b"", 500), "answered 500: its server is in trouble"),
    "answers 304 unasked": (answer(b"", 304), "answered 304"),
    "answers 204": (answer(b"", 204), "answered 204: that gives no feed; correct the address"),
    "moves nowhere": (raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), "answered 302"),
    "moves in a circle": (moved("#", 302), "redirects more than 5 times"),
    "moves to a file": (moved("file:///etc/passwd"), "redirects to what is no address"),
    "moves to another port": (moved("http://127.0.0.1:22/"), "port 22 is not for feeds"),
    "moves to rubbish": (moved("http://[::1/"), "redirects to what is no address"),
    "moves to the metadata": (moved("http://169.254.169.254/latest/"), "leads to 169.254.169.254, which is not public"),
    "moves into the network": (moved("http://10.0.0.1/"), "leads to 10.0.0.1, which is not public"),
    "moves to IPv6 loopback": (moved("http://[::1]/"), "leads to ::1, which is not public"),
    "moves to a mapped address": (moved("http://[::ffff:10.0.0.1]/"), "which is not public"),
    "moves to a number": (moved("http://3232235777/"), "leads to 192.168.1.1, which is not public"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_has_a_line(server: BrokenServer, name: str) -> None:
    """Nothing is listed, one line says where, what and what to do, and the next time is later than the usual one."""
    server.acts["/feed"], expected = BROKEN[name]
    began = time.monotonic()
    found = look(f"{server.url}/feed")
    assert time.monotonic() - began < 5
    assert re.search(expected, found.fault), found.fault
    assert re.fullmatch(r"http://.*: .*; .*", found.fault)
    assert not found.files
    assert not found.is_whole
    assert remembered(found).failures == 1
    assert (remembered(found).next_at or NOW) >= NOW + QUICK.interval


def test_nobody_listens() -> None:
    """A closed port is said in the system's words."""
    found = look(f"http://127.0.0.1:{broken.closed_port()}/feed")
    assert "connection refused; nothing to do, it is asked again" in found.fault


def test_a_port_that_takes_nobody() -> None:
    """Its queue is full, and the system drops what comes: no answer is none in time."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        crowd = [socket.socket() for _ in range(3)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(place)
        found = look(f"http://127.0.0.1:{place[1]}/feed", limits=Limits(seconds=0.5))
        for each in crowd:
            each.close()
    assert found.fault.endswith("did not answer in time; nothing to do, it is asked again")


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream", "nonsense;;;", "image/png"])
def test_wrong_types(server: BrokenServer, kind: str) -> None:
    """Say nothing: a feed is known by what it holds."""
    server.acts["/feed"] = answer(content_type=kind)
    assert list(look(f"{server.url}/feed").files) == ["n1"]


def test_names_without_address() -> None:
    """As many as there are ways to have none."""

    def nothing(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    assert look("https://wire.example/feed", resolve=nothing).fault == (
        "https://wire.example/feed: the name has no address; correct the address"
    )
    assert "the name has no address" in look("https://wire.example/feed", resolve=lambda _host, _port: []).fault


def test_a_resolver_that_sleeps() -> None:
    """Its time counts as well, though nobody can interrupt it."""
    waiting = threading.Event()

    def sleepy(_host: str, _port: int) -> list[str]:
        waiting.wait(5)
        return ["127.0.0.1"]

    began = time.monotonic()
    assert "did not answer in time" in look("http://wire.example/", resolve=sleepy, limits=Limits(seconds=0.3)).fault
    assert time.monotonic() - began < 3
    waiting.set()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/x", "", "nonsense", "http://", "http://[", "gopher://x"]
)
def test_other_schemes(url: str) -> None:
    """Are no addresses of feeds."""
    assert "is no address of http or https; correct it" in look(url).fault


# ------------------------------------------------------------------------ addresses

OPEN = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"]
CLOSED = [
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "2001::1", "2001:10::1", "3fff::1", "100::1", "5f00::1", "64:ff9b:1::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::127.0.0.1", "2002:7f00:1::", "2002:c0a8:101::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", CLOSED)
def test_addresses_that_are_not_public(address: str) -> None:
    """Whatever is written down for somebody in particular, and IPv4 of that kind within IPv6."""
    assert not is_public(parse_address(address))


def test_allowed_networks() -> None:
    """An operator may read feeds of their own network, however the address is written."""
    assert may_connect(ip_address("127.0.0.1"), LOOPBACK)
    assert may_connect(ip_address("::ffff:127.0.0.1"), LOOPBACK)
    assert not may_connect(ip_address("::1"), LOOPBACK)
    assert may_connect(ip_address("fd00::1"), (ip_network("fd00::/8"),))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_neighbour_sees_no_connection(host: str) -> None:
    """Not by number, not by name, not by a redirect, not by a remembered one."""
    try:
        neighbour = BrokenServer(host=host)
    except OSError:
        pytest.skip("no IPv6 here")
    with neighbour, BrokenServer(host="127.0.0.2") as server:
        server.acts["/feed"] = moved(f"{neighbour.url}/secret")
        only = (ip_network("127.0.0.2/32"),)
        port = neighbour.port
        shared = {"allow": only, "limits": Limits(seconds=1)}
        assert "not public" in look(f"{neighbour.url}/feed", **shared).fault
        assert "not public" in look(f"http://wire.example:{port}/", resolve=lambda _h, _p: [host], **shared).fault
        assert "not for feeds" in look(f"{server.url}/feed", **shared).fault
        url = f"{server.url}/feed"
        memory = msgspec.structs.replace(remembered(look(url, **shared)), moved_to=f"{neighbour.url}/", next_at=None)
        assert look(url, memory=memory.to_text(), **shared).fault
        assert neighbour.connections == 0


def test_the_judged_address_is_connected_to(server: BrokenServer) -> None:
    """A name that means something else at the second question is asked about once a hop."""
    asked: list[str] = []

    def turning(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert not look(f"http://wire.example:{server.port}/feed", resolve=turning).fault
    assert asked == ["wire.example"]
    assert server.calls[0].headers["host"] == f"wire.example:{server.port}"


def test_of_several_addresses_the_good_ones_count(server: BrokenServer) -> None:
    """A dead one costs only its share of the time."""
    found = look(
        f"http://wire.example:{server.port}/feed", resolve=lambda _h, _p: ["10.0.0.1", "127.0.0.3", "127.0.0.1"]
    )
    assert not found.fault


# ----------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For wire.example, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    file = tmp_path_factory.mktemp("tls") / "wire.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=wire.example", "-addext", "subjectAltName=DNS:wire.example",
         "-keyout", f"{file}.key", "-out", f"{file}.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_bytes(Path(f"{file}.key").read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


def test_certificates_are_checked_by_name(certificate: Path) -> None:
    """Though the address was connected to; a stranger's certificate, and another name's, are refused."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")

    def local(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    with BrokenServer(certificate=str(certificate)) as server:
        good, other = (f"https://{name}:{server.port}/feed" for name in ("wire.example", "other.example"))
        assert not look(good, tls=trusting, resolve=local).fault
        assert "its certificate is not valid: self" in look(good, resolve=local).fault
        assert "its certificate is not valid: hostname mismatch" in look(other, tls=trusting, resolve=local).fault
    with BrokenServer() as plain:
        assert (
            "no encrypted connection" in look(f"https://wire.example:{plain.port}/", tls=trusting, resolve=local).fault
        )


def test_a_handshake_that_hangs() -> None:
    """Who accepts and says nothing is cut off as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = look(f"https://127.0.0.1:{listener.getsockname()[1]}/", limits=Limits(seconds=0.4))
    assert "did not answer in time" in found.fault


# ------------------------------------------------------------------ what is asked for


def test_what_is_sent(server: BrokenServer) -> None:
    """Who asks, and for what; no cookie."""
    look(f"{server.url}/feed?a=1#part", agent="digest/1 (+mailto:änn@example.com)\n")
    call = server.calls[0]
    assert call.path == "/feed?a=1"
    assert call.headers["user-agent"] == "digest/1 (+mailto:?nn@example.com)"
    assert call.headers["accept-encoding"] == "gzip"
    assert set(call.headers) == {"host", "accept", "accept-encoding", "user-agent", "connection"}


def test_proxies_of_the_environment_are_not_asked(server: BrokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would connect where we must not."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{broken.closed_port()}")
    assert not look(f"{server.url}/feed").fault


def test_passwords_are_sent_and_not_shown(server: BrokenServer) -> None:
    """To their own host, in no message, in no memory, not along a redirect to somebody else."""
    server.acts["/away"] = moved(f"http://127.0.0.2:{server.port}/other")
    server.acts["/down"] = answer(b"", 503)
    url = server.url.replace("://", "://ann:p%40ss@")
    assert not look(f"{url}/feed").fault
    assert server.calls[-1].headers["authorization"] == "Basic YW5uOnBAc3M="
    look(f"{url}/away")
    for call in server.calls:
        assert ("authorization" in call.headers) == (call.path != "/other")
    found = look(f"{url}/down?key=geheim")
    for word in ("ann", "p%40ss", "p@ss", "geheim"):
        assert word not in found.fault
        assert word not in (found.memory or "")


def test_passwords_do_not_go_in_the_clear(certificate: Path) -> None:
    """From https to http only without one."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")

    def local(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    with BrokenServer(certificate=str(certificate)) as server:
        server.acts["/feed"] = moved(f"http://wire.example:{server.port}/feed")
        found = look(f"https://a:b@wire.example:{server.port}/feed", tls=trusting, resolve=local)
        assert "redirects to http, where its password could be read by others" in found.fault
        found = look(f"https://wire.example:{server.port}/feed", tls=trusting, resolve=local)
        assert "password" not in found.fault


def test_gzip_and_chunks(server: BrokenServer) -> None:
    """Are unpacked."""
    packed = gzip.compress(RSS)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    server.acts["/feed"] = raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n" + chunks
    )
    assert list(look(f"{server.url}/feed").files) == ["n1"]


# ------------------------------------------------------------------------ redirects


def test_permanent_redirects_are_remembered(server: BrokenServer) -> None:
    """And forgotten when the configured address changes, or nothing comes of them any more."""
    server.acts |= {"/old": moved("/newer", 308), "/newer": moved("/feed")}
    first = look(f"{server.url}/old")
    assert remembered(first).moved_to == f"{server.url}/feed"
    later = NOW + timedelta(minutes=5)
    look(f"{server.url}/old", memory=first.memory, now=later)
    assert server.paths() == ["/old", "/newer", "/feed", "/feed"]
    look(f"{server.url}/other", memory=first.memory, now=later)
    assert server.paths()[-1] == "/other"
    server.acts["/feed"] = answer(b"", 404)
    failed = look(f"{server.url}/old", memory=first.memory, now=later)
    assert remembered(failed).moved_to == ""


def test_temporary_redirects_are_not(server: BrokenServer) -> None:
    """Nor is a permanent one that follows them."""
    server.acts |= {"/a": moved("/b", 301), "/b": moved("/c", 302), "/c": moved("/feed", 301)}
    assert remembered(look(f"{server.url}/a")).moved_to == f"{server.url}/b"
    server.acts |= {"/x": moved("/feed", 307)}
    assert remembered(look(f"{server.url}/x")).moved_to == ""


# ----------------------------------------------------------------- when and whether


def test_conditional_requests(server: BrokenServer) -> None:
    """What did not change is not sent again, and lists nothing."""

    def act(call: broken.Call) -> None:
        same = call.headers.get("if-none-match") == 'W/"1"'
        (answer(b"", 304) if same else answer(etag='W/"1"', last_modified="Mon, 23 Nov 2026 08:00:00 GMT"))(call)

    server.acts["/feed"] = act
    first = look(f"{server.url}/feed")
    assert list(first.files) == ["n1"]
    second = look(f"{server.url}/feed", memory=first.memory, now=NOW + timedelta(minutes=5))
    assert (dict(second.files), second.fault) == ({}, "")
    assert server.calls[1].headers["if-modified-since"] == "Mon, 23 Nov 2026 08:00:00 GMT"
    assert remembered(second).etag == 'W/"1"'


def test_the_same_bytes_list_nothing(server: BrokenServer) -> None:
    """Many servers know no conditions."""
    first = look(f"{server.url}/feed")
    second = look(f"{server.url}/feed", memory=first.memory, now=NOW + timedelta(minutes=5))
    assert (dict(second.files), second.fault) == ({}, "")
    assert len(server.calls) == 2


@pytest.mark.parametrize("etag", ['"\xe9"', '"' + "x" * 5_000 + '"', '"a\tb"'])
def test_tokens_that_cannot_be_sent_back(server: BrokenServer, etag: str) -> None:
    """Are not kept, and do no harm."""
    server.acts["/feed"] = answer(etag=etag, last_modified="yesterday")
    first = look(f"{server.url}/feed")
    assert remembered(first).etag == ""
    assert not look(f"{server.url}/feed", memory=first.memory, now=NOW + timedelta(hours=1)).fault
    assert server.calls[1].headers["if-modified-since"] == "yesterday"


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 300, 300),
        ({"cache_control": "max-age=60"}, 300, 300),
        ({"cache_control": "public, max-age=3600"}, 3600, 3960),
        ({"cache_control": "max-age=3600", "age": "1800"}, 1800, 1980),
        ({"cache_control": "no-cache, max-age=3600"}, 300, 300),
        ({"cache_control": "max-age=99999999999999"}, 86400, 86400),
        ({"cache_control": "max-age=soon"}, 300, 300),
        ({"expires": "Tue, 24 Nov 2026 10:00:00 GMT"}, 7200, 7920),
        ({"expires": "Tue, 24 Nov 2026 10:00:00 GMT", "date": "Tue, 24 Nov 2026 09:00:00 GMT"}, 3600, 3960),
        ({"expires": "-1"}, 300, 300),
        ({"expires": "Thu, 01 Jan 9999 00:00:00 GMT"}, 86400, 86400),
    ],
)  # fmt: skip
def test_how_long_an_answer_keeps(server: BrokenServer, headers: dict[str, str], least: int, most: int) -> None:
    """As long as the server says, within the limits, and the same at each try."""
    server.acts["/feed"] = answer(RSS, 200, **headers)
    memory = remembered(look(f"{server.url}/feed"))
    assert timedelta(seconds=least) <= (memory.next_at or NOW) - NOW <= timedelta(seconds=most)
    assert remembered(look(f"{server.url}/feed")) == memory


@pytest.mark.parametrize(
    ("after", "least", "most"),
    [
        ("7200", 7200, 7920),
        ("Tue, 24 Nov 2026 10:00:00 GMT", 7200, 7920),
        ("99999999999999999999", 86400, 86400),
        ("999999999", 86400, 86400),
        ("-5", 300, 330),
        ("Tue, 24 Nov 2020 10:00:00 GMT", 300, 330),
        ("tomorrow", 300, 330),
    ],
)  # fmt: skip
def test_retry_after(server: BrokenServer, after: str, least: int, most: int) -> None:
    """RFC 9110, 10.2.3, however absurd."""
    server.acts["/feed"] = answer(b"", 503, retry_after=after)
    memory = remembered(look(f"{server.url}/feed"))
    assert timedelta(seconds=least) <= (memory.next_at or NOW) - NOW <= timedelta(seconds=most)


def test_who_fails_is_asked_less_and_less(server: BrokenServer) -> None:
    """Up to once a day; one success, and all is as before."""
    server.acts["/feed"] = answer(b"", 500)
    now, memory, waits = NOW, "", []
    for _ in range(12):
        found = remembered(look(f"{server.url}/feed", memory=memory, now=now))
        assert found.next_at is not None
        waits.append(found.next_at - now)
        now, memory = found.next_at, found.to_text()
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(days=1)
    del server.acts["/feed"]
    assert remembered(look(f"{server.url}/feed", memory=memory, now=now)).failures == 0


def test_gone_for_good(server: BrokenServer) -> None:
    """Is asked about once a day."""
    server.acts["/feed"] = answer(b"", 410)
    found = look(f"{server.url}/feed")
    assert remembered(found).gone
    assert remembered(found).next_at == NOW + timedelta(days=1)
    assert look(f"{server.url}/feed", memory=found.memory, now=NOW + timedelta(hours=23)) == Listing(
        files={}, is_whole=False
    )
    assert len(server.calls) == 1


def test_not_yet(server: BrokenServer) -> None:
    """Nobody is asked before it is time; a run that is a few seconds early is in time."""
    first = look(f"{server.url}/feed")
    assert look(f"{server.url}/feed", memory=first.memory, now=NOW + timedelta(minutes=4)) == Listing(
        files={}, is_whole=False
    )
    assert len(server.calls) == 1
    look(f"{server.url}/feed", memory=first.memory, now=NOW + timedelta(minutes=4, seconds=50))
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    "memory",
    [
        "",
        "rubbish",
        "[]",
        '{"version": 99}',
        '{"next_at": 5}',
        "\x00",
        '{"version":1,"next_at":"9999-01-01T00:00:00Z"}',
    ],
)
def test_a_memory_that_cannot_be_read(server: BrokenServer, memory: str) -> None:
    """Is none."""
    assert list(look(f"{server.url}/feed", memory=memory).files) == ["n1"]


def test_a_clock_that_was_wrong(server: BrokenServer) -> None:
    """A next time in another century does not silence a feed."""
    first = remembered(look(f"{server.url}/feed"))
    wrong = msgspec.structs.replace(first, next_at=datetime(2099, 1, 1, tzinfo=UTC), body_hash="")
    assert list(look(f"{server.url}/feed", memory=wrong.to_text()).files) == ["n1"]


# --------------------------------------------------------------------------- together


def test_late_ones_are_given_up(server: BrokenServer) -> None:
    """When the time for all is over; a thread that comes later changes nothing."""
    server.acts["/slow"] = broken.slow(1.5, answer())
    good, late = source(f"{server.url}/feed"), source(f"{server.url}/slow", limits=Limits())
    fetch_all([good, late], seconds=0.7)
    assert list(good.scan().files) == ["n1"]
    given_up = late.scan()
    assert given_up.fault.endswith("/slow: did not answer in time; nothing to do, it is asked again")
    time.sleep(1.5)
    assert late.scan() == given_up


def test_no_time_left(server: BrokenServer) -> None:
    """Whose turn does not come has not failed."""
    server.acts["/slow"] = broken.hang
    sources = [source(f"{server.url}/slow") for _ in range(3)]
    fetch_all(sources, seconds=0.5, threads=1)
    faults = [each.scan().fault for each in sources]
    assert "did not answer in time" in faults[0]
    assert "there was no time left to ask it" in faults[2]
    assert sources[2].scan().memory is None


def test_those_that_failed_come_last(server: BrokenServer) -> None:
    """They keep nobody waiting but each other."""
    server.acts["/bad"] = answer(b"", 500)
    memory = look(f"{server.url}/bad").memory
    later = NOW + timedelta(days=1)
    fetch_all(
        [source(f"{server.url}/bad", memory=memory, now=later), source(f"{server.url}/feed")], seconds=5, threads=1
    )
    assert server.paths() == ["/bad", "/feed", "/bad"]


EXIT = """
import sys, threading
from datetime import UTC, datetime
from ipaddress import ip_network
from digest.sources.feed import FeedSource, fetch_all

source = FeedSource(sys.argv[1], now=datetime.now(UTC), allow=(ip_network("127.0.0.0/8"),))
sleepy = FeedSource("http://wire.example/", now=datetime.now(UTC), resolve=lambda *_: threading.Event().wait())
fetch_all([source, sleepy], seconds=0.5)
print(source.scan().fault, sleepy.scan().fault, sep="\\n")
"""


def test_nobody_waits_for_late_ones_at_the_end(server: BrokenServer) -> None:
    """The program ends when its work is done, and without a word about its threads."""
    server.acts["/feed"] = broken.hang
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXIT, f"{server.url}/feed"],
        capture_output=True,
        text=True,
        timeout=25,
        check=True,
    )
    assert done.stdout.count("did not answer in time") == 2
    assert done.stderr == ""


@pytest.mark.slow
def test_five_hundred_feeds_a_fifth_of_them_broken() -> None:
    """The others are listed in time, each that is broken is named, and the neighbour sees nobody."""
    number = scaled(500)
    kinds = list(BROKEN.values())
    with BrokenServer() as neighbour, BrokenServer() as server:
        kinds.append((moved(f"http://127.0.0.9:{neighbour.port}/"), "not for feeds"))
        bad = {f"/{place}": kinds[place // 5 % len(kinds)][0] for place in range(0, number, 5)}
        server.acts |= bad
        sources = {
            f"/{place}": source(f"{server.url}/{place}", limits=Limits(seconds=3, bytes=200_000))
            for place in range(number)
        }
        began = time.monotonic()
        fetch_all(list(sources.values()), seconds=120)
        listings = {path: each.scan() for path, each in sources.items()}
        assert time.monotonic() - began < 130
        assert neighbour.connections == 0
    for path, listing in listings.items():
        if path in bad:
            assert path in listing.fault
            assert not listing.files
        else:
            assert listing.fault == ""
            assert list(listing.files) == ["n1"]
