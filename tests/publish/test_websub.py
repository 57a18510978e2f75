"""Hubs are told of changed feeds; one that is down, slow or answers nonsense is only reported."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from digest.publish.websub import WebSub

FEEDS = ["https://news.example.com/feed.xml", "https://news.example.com/feed/%E8%83%BD%E6%BA%90.xml"]


class Hub:
    """A real hub on loopback that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.stall = threading.Event()
        self.stall.set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hub.asked.append((self.headers["Content-Type"], parse_qs(form)))
                hub.stall.wait(60)
                self.send_response(hub.answers.pop(0) if hub.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                raise AssertionError("a hub is never asked by GET")

            def log_message(self, *_values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.stall.set()
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


def test_each_changed_address_is_one_post(hub, waits) -> None:
    assert WebSub([hub.url], sleep=waits.append)(FEEDS) == []
    """Some hubs want ``hub.url``, some ``hub.topic``."""
    assert hub.asked == [
        ("application/x-www-form-urlencoded", {"hub.mode": ["publish"], "hub.url": [feed], "hub.topic": [feed]})
        for feed in FEEDS
    ]
    assert waits == []


@pytest.mark.parametrize("answers", [[500], [503, 429], [502, 408]])
def test_a_hub_is_tried_three_times(hub, waits, answers) -> None:
    hub.answers = list(answers)
    assert WebSub([hub.url], sleep=waits.append)(FEEDS) == []
    assert len(hub.asked) == len(FEEDS) + len(answers)
    assert waits == [1.0, 2.0][: len(answers)]


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [([500] * 3, 3, "answered 500"), ([404], 1, "answered 404"), ([302], 1, "answered 302")],
)
def test_a_hub_that_refuses_is_reported_and_left(hub, waits, answers, asked, said) -> None:
    hub.answers = answers
    assert WebSub([hub.url], sleep=waits.append)(FEEDS) == [
        f"hub {hub.url}: {said}; it was not told of 2 changed feeds"
    ]
    assert len(hub.asked) == asked


def test_a_slow_hub_is_not_waited_for(hub, waits) -> None:
    hub.stall.clear()
    (line,) = WebSub([hub.url], timeout=0.1, sleep=waits.append)(FEEDS)
    assert "timed out" in line
    assert len(waits) == 2


def test_a_hub_that_is_down_is_reported_and_the_next_one_told(hub, waits) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        (line,) = WebSub([down, hub.url], sleep=waits.append)(FEEDS)
    assert line.startswith(f"hub {down}: cannot be reached (")
    assert len(hub.asked) == 2


def test_a_hub_that_speaks_something_else_is_reported(waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(3):
                with server.accept()[0] as connection:
                    with connection.makefile("rb") as asked:
                        while asked.readline().strip():
                            pass
                    connection.sendall(b"SSH-2.0-x\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        (line,) = WebSub([f"http://127.0.0.1:{server.getsockname()[1]}/"], sleep=waits.append)(FEEDS)
        thread.join()
    assert "cannot be reached (ssh-2.0-x" in line


def test_no_hub_takes_longer_than_its_patience(hub, waits) -> None:
    moments = iter([0.0, 1.0, 61.0])
    assert WebSub([hub.url], sleep=waits.append, clock=lambda: next(moments))(FEEDS) == [
        f"hub {hub.url}: too slow; it was not told of 1 changed feeds"
    ]


@pytest.mark.parametrize("address", ["nonsense", "http://[::"])
def test_what_is_no_address_is_reported(waits, address) -> None:
    (line,) = WebSub([address], sleep=waits.append)(FEEDS)
    assert f"hub {address}: is no address" in line
    assert waits == []
