"""A site that is watched, and a service on loopback that notes what it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from digest.app.monitor import Monitor, monitor_of
from tests.subscribers.reader_world import World

CONFIG = """\
site:
  title: 财经早报
  url: https://news.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: 财经早报
posts:
  folder: site
  settle: 0
digests:
  daily: {schedule: "daily 08:00"}
mail:
  sender: 财经早报 <digest@news.example.com>
  to: reader@example.com
watch:
  mail: ops@example.com
"""


@contextmanager
def world_of(folder: Path, store_url: str, config: str) -> Iterator[World]:
    with closing(World(folder, store_url, config)) as made:
        yield made


def monitor(world: World) -> Monitor:
    return monitor_of(world.settings)


def alarm_mails(world: World) -> list[EmailMessage]:
    """Mails to the operator that are new in the outbox."""
    return [mail for mail in world.new_mails() if mail["To"] == "ops@example.com"]


class Pinged:
    """A watching service."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.asked: list[str] = []
        self.status = 200
        self.silent = threading.Event()
        """Set: nobody gets an answer before it is cleared at the end."""
        self.over = threading.Event()


@contextmanager
def pinged() -> Iterator[Pinged]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            if service.silent.is_set():
                service.over.wait(60)
            self.send_response(service.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        service = Pinged(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.over.set()
            server.shutdown()
            thread.join()
