"""A server of ours that shows a feed, in the state that a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from msgspec.structs import replace

from digest.store import open_store


class FeedServer:
    """Answers every path with ``status``: 200 with a feed of ``entries`` (title by number), 301 leads to ``/new``."""

    def __init__(self) -> None:
        self.entries: dict[int, str] = {}
        self.status = 200
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = 200 if self.path == "/new" else ours.status
                body = ours.document() if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/rss+xml")
                self.send_header("Content-Length", str(len(body)))
                if status == 301:
                    self.send_header("Location", "/new")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, name: str = "feed") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}.xml"

    def entry(self, name: str = "wire", more: str = "") -> str:
        """For ``sources:``."""
        return f"  - {{kind: feed, name: {name}, url: '{self.url(name)}', allow: [127.0.0.0/8]{more}}}\n"

    def document(self) -> bytes:
        items = "".join(
            f"<item><title>{title}</title><link>https://wire.example.com/{number}</link>"
            f"<guid>https://wire.example.com/{number}</guid>"
            f"<pubDate>Mon, 23 Nov 2026 {number % 24:02}:00:00 +0800</pubDate>"
            f"<description>{title}。</description></item>"
            for number, title in self.entries.items()
        )
        head = "<title>环球快讯</title><link>https://wire.example.com/</link><description>快讯</description>"
        return f'<rss version="2.0"><channel>{head}{items}</channel></rss>'.encode()


Kind = TypeVar("Kind", bound=FeedServer)


@contextmanager
def serving(ours: Kind) -> Iterator[Kind]:
    thread = threading.Thread(target=ours.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield ours
    finally:
        ours.server.shutdown()
        ours.server.server_close()
        thread.join()


def ask_again(store_url: str) -> None:
    """As if it were time for every feed, and nothing were known of the last answer."""
    with open_store(store_url) as store:
        store.keep_source_states([replace(state, memory="") for state in store.source_states().values()])


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    with serving(FeedServer()) as ours:
        yield ours
