"""Limits on clients: slow, idle, greedy and too many ones end, and readers are served meanwhile."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.publish.folder import FolderOutput
from digest.web import server as server_module
from digest.web.server import ClientLimits, make_server
from tests.web.files_server import FileServer, next_answer, rest, serving_files

CONTENT = b"<feed>" + b"news " * 100 + b"</feed>"
IMPATIENT = ClientLimits(
    head_seconds=0.3, body_seconds=0.3, stall_seconds=0.3, keep_alive_seconds=0.3, sweep_seconds=0.05, body_bytes=10_000
)
GET = b"GET /feed.xml HTTP/1.1\r\nHost: x\r\n\r\n"


class Door:
    """A route that answers when it is opened, and says how many wait before it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.waiting = 0

    async def answer(self, request: Request) -> Response:
        self.waiting += 1
        while not self.open.is_set():
            await asyncio.sleep(0.01)
        return PlainTextResponse("open")


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def endless(request: Request) -> Response:
    return Response(b"x" * 50_000_000)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    FolderOutput(tmp_path / "public").write("feed.xml", CONTENT)
    return tmp_path / "public"


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.open.set()


@pytest.fixture
def serve(public: Path, door: Door) -> Iterator[Callable[[ClientLimits], FileServer]]:
    routes = [
        Route("/door", door.answer),
        Route("/echo", echo, methods=["POST"]),
        Route("/endless", endless),
    ]
    with ExitStack() as stack:
        yield lambda limits: stack.enter_context(serving_files(public, limits=limits, routes=routes))


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --------------------------------------------------------------------- time


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /feed.xml HTT",
        b"GET /feed.xml HTTP/1.1\r\nHost: x\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        b"POST /feed.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        GET,
        GET + b"GET /feed",
        b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_silent_clients_are_let_go(serve: Callable[[ClientLimits], FileServer], sent: bytes) -> None:
    """Without a request, in the middle of one, or after it: the connection ends."""
    server = serve(IMPATIENT)
    with server.connect(sent) as connection:
        rest(connection)
    until(lambda: not server.server.server_state.connections)


@pytest.mark.parametrize(
    "first",
    [
        b"GET /feed.xml HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
        b"POST /feed.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
    ],
)
def test_drops_do_not_extend_the_time(serve: Callable[[ClientLimits], FileServer], first: bytes) -> None:
    """A head or body that comes byte by byte has the time of a whole one."""
    server = serve(IMPATIENT)
    with server.connect(first) as connection:
        connection.settimeout(0.02)
        deadline = time.monotonic() + 60
        ended = False
        while not ended:
            assert time.monotonic() < deadline
            try:
                connection.sendall(b"a")
                ended = connection.recv(65536) == b""
            except TimeoutError:
                pass
            except OSError:
                ended = True


def test_answers_must_be_taken(serve: Callable[[ClientLimits], FileServer]) -> None:
    """Whoever asks for much and reads nothing is let go; whoever reads gets all of it."""
    server = serve(IMPATIENT)
    with server.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"):
        until(lambda: bool(server.server.server_state.connections))
        until(lambda: not server.server.server_state.connections)
    assert len(serve(ClientLimits(stall_seconds=60)).ask("/endless").body) == 50_000_000


def test_requests_may_follow_each_other(serve: Callable[[ClientLimits], FileServer]) -> None:
    """On one connection, one after the other or all at once, from memory or not; HTTP/1.0 closes."""
    server = serve(ClientLimits())
    for requests in ([GET] * 3, [b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n", GET, GET]):
        with server.connect() as connection:
            for request in requests:
                connection.sendall(request)
                method, _, path = request.decode().split(" HTTP")[0].partition(" ")
                answer = next_answer(connection, method)
                assert (answer.status, answer.body) == ((200, CONTENT) if path == "/feed.xml" else (404, b""))
    last = b"GET /feed.xml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.connect(GET * 5 + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + GET + last) as connection:
        received = rest(connection)
    assert (received.count(b"HTTP/1.1 200"), received.count(b"HTTP/1.1 404")) == (7, 1)
    assert received.count(CONTENT) == 7
    for alone in (last, b"GET /feed.xml HTTP/1.0\r\n\r\n"):
        with server.connect(alone) as connection:
            received = rest(connection)
        assert b"connection: close\r\n" in received
        assert received.endswith(CONTENT)
    with server.connect(
        GET + b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    ) as both:
        assert next_answer(both).body == CONTENT
        both.sendall(b"ab")
        assert rest(both).endswith(b"\r\n\r\n2")


# --------------------------------------------------------------------- size


def test_bodies_are_bounded(serve: Callable[[ClientLimits], FileServer]) -> None:
    """A form is small; with a length or in chunks, wanted or not."""
    server = serve(ClientLimits(body_bytes=10_000, keep_alive_seconds=0.3, sweep_seconds=0.05))
    for path in (b"/echo", b"/feed.xml"):
        for head, body in (
            (b"Content-Length: 9000000", b"x" * 200_000),
            (b"Transfer-Encoding: chunked", b"2710\r\n" + b"x" * 10_000 + b"\r\n" + b"2710\r\n" + b"x" * 10_000),
        ):
            with server.connect(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n") as connection:
                try:
                    connection.sendall(body)
                except OSError:
                    continue
                assert rest(connection)[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 405", b"")
    with server.connect(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000) as connection:
        assert rest(connection).endswith(b"9000")
    whole = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nConnection: close\r\n\r\n" + b"x" * 900_000
    with serve(ClientLimits()).connect(whole) as connection:
        assert rest(connection).endswith(b"900000")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET /feed.xml HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /feed.xml HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /feed.xml HTTP/1.1\r\nHost: a b\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /feed.xml HTTP/1.0\r\nHost: a b\r\n\r\n", b"HTTP/1.1 400"),
        (b"FETCH /feed.xml HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405"),
        (b"get /feed.xml HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405"),
        (b"rubbish\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /feed.xml HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 431"),
        (b"GET /feed.xml HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000, b""),
        (b"GET /feed.xml HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 200"),
    ],
)
def test_odd_heads(serve: Callable[[ClientLimits], FileServer], request_: bytes, answer: bytes) -> None:
    """One Host (RFC 9112, 3.2), no more than 32 KB; one without end gets no answer."""
    server = serve(ClientLimits(keep_alive_seconds=0.3, sweep_seconds=0.05))
    server.ask("/feed.xml")
    with server.connect() as connection:
        try:
            connection.sendall(request_)
        except OSError:
            assert answer == b""
        assert rest(connection)[:12] == answer


# ------------------------------------------------------------------- crowds


def test_idle_connections_make_room(serve: Callable[[ClientLimits], FileServer]) -> None:
    """With more of them than there may be, a reader is served, and those that waited longest are gone."""
    server = serve(ClientLimits(connections=20, head_seconds=60, keep_alive_seconds=60))
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect(sent)) for sent in [b"", b"GET /fe", GET] * 20]
        for _ in range(5):
            assert server.ask("/feed.xml").body == CONTENT
        assert rest(idle[0]) == b""
        until(lambda: len(server.server.server_state.connections) <= 20)


def test_too_many_requests_are_told_when_to_come_again(serve: Callable[[ClientLimits], FileServer], door: Door) -> None:
    """429 with Retry-After; those that are being answered are answered."""
    server = serve(ClientLimits(requests=3, retry_after=7))
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(server.connect(b"GET /door HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            for _ in range(3)
        ]
        until(lambda: door.waiting == 3)
        answer = server.ask("/feed.xml")
        assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (429, "7", "close")
        door.open.set()
        assert all(rest(connection).endswith(b"open") for connection in waiting)
    until(lambda: server.ask("/feed.xml").status == 200)


def test_answers_that_nobody_takes_make_room(serve: Callable[[ClientLimits], FileServer]) -> None:
    """Readers that take nothing do not use up the number of requests."""
    server = serve(ClientLimits(requests=2, stall_seconds=60))
    state = server.server.server_state
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(server.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"))
        until(lambda: sum(one.transport.get_write_buffer_size() > 0 for one in set(state.connections)) == 2)
        assert server.ask("/feed.xml").body == CONTENT


def test_few_open_files_mean_few_connections(monkeypatch: pytest.MonkeyPatch, public: Path) -> None:
    """As many as the system allows, of which some are left for everything else."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 100))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, values: None)
    assert server_module._fitting(ClientLimits()).connections == 75
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, resource.RLIM_INFINITY))
    assert server_module._fitting(ClientLimits()).connections == 4096
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert server_module._fitting(ClientLimits()).connections == 4096


def test_server_believes_no_forwarded_address() -> None:
    """And writes no access log: paths hold tokens."""

    async def app(scope: object, receive: object, send: object) -> None: ...

    config = make_server(app).config
    assert (config.proxy_headers, config.access_log, config.server_header) == (False, False, False)


# --------------------------------------------------------------------- load


@pytest.mark.slow
def test_a_thousand_idle_clients_keep_nobody_out(public: Path) -> None:
    """A thousand that say nothing or half a request stay connected; readers get every answer meanwhile."""
    with (
        serving_files(public, limits=ClientLimits(connections=1_000, head_seconds=120)) as server,
        ExitStack() as stack,
    ):
        for number in range(1_000):
            stack.enter_context(server.connect(b"GET /feed" if number % 2 else b""))
        assert all(server.ask("/feed.xml").body == CONTENT for _ in range(200))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_a_thousand_readers_at_once(tmp_path: Path, encoding: str) -> None:
    """Each asks twenty times, mostly with its validator, for large and small files, while feeds are published anew:
    nothing is lost or wrong, and a 304 comes only for what is the same. In the instant between a new compressed file
    and the plain one that it belongs to, the plain one is sent as it is."""
    import zlib

    import brotli

    unpack: dict[str, Callable[[bytes], bytes]] = {
        "identity": bytes,
        "gzip": lambda body: zlib.decompress(body, 31),
        "br": brotli.decompress,
    }
    output = FolderOutput(tmp_path)
    names = [f"feed/{number}.xml" for number in range(8)]
    packed: list[str] = []

    def write(version: int) -> None:
        for number, name in enumerate(names):
            output.write(name, b"<feed>%06d " % version + b"%s " % name.encode() * (200 + 2_000 * number) + b"</feed>")

    async def read(port: int, number: int, counts: dict[int, int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        known: dict[str, tuple[str, int]] = {}
        for turn in range(20):
            name = names[(number + turn // 5) % len(names)]
            etag, version = known.get(name, ("", 0))
            condition = f"If-None-Match: {etag}\r\n" if etag else ""
            writer.write(f"GET /{name} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\n{condition}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head[9:12])
            counts[status] = counts.get(status, 0) + 1
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            if status == 304:
                assert headers["etag"] == etag
                continue
            assert status == 200
            assert headers["etag"] != etag
            sent = headers.get("content-encoding", "identity")
            assert sent in (encoding, "identity")
            packed.append(sent)
            body = unpack[sent](await reader.readexactly(int(headers["content-length"])))
            assert int(body[6:12]) >= version
            assert body.count(name.encode()) == 200 + 2_000 * names.index(name)
            known[name] = (headers["etag"], int(body[6:12]))
        writer.close()
        await writer.wait_closed()

    async def crowd(port: int) -> dict[int, int]:
        counts: dict[int, int] = {}
        done = asyncio.gather(*(read(port, number, counts) for number in range(1_000)))
        version = 0
        while not done.done():
            version += 1
            await asyncio.to_thread(write, version)
            await asyncio.sleep(0.3)
        await done
        return counts

    write(0)
    with serving_files(tmp_path) as server:
        counts = asyncio.run(crowd(server.port))
    assert sum(counts.values()) == 20_000
    assert counts.keys() == {200, 304}
    assert packed.count(encoding) > len(packed) / 2
