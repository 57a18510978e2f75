"""The operator's page on loopback, over a store that holds something to show."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette

from digest.jobs.monitoring.page import Seen
from digest.jobs.monitoring.status import SourceRow, overview, plots
from digest.jobs.monitoring.watch import RunEnd
from digest.languages import CatalogueLanguage
from digest.models import Reply
from digest.store.database.basics import to_seconds
from digest.templates import FolderTemplates
from digest.web.access import Access
from digest.web.status import status_routes
from tests.subscribers.reader_world import World
from tests.watch.test_alarms import habit
from tests.watch.watched import monitor

TOKEN = "a-token-of-the-operator"


class Served:
    """A page that shows a world; ``seconds`` is its clock and may be moved."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        self.url = f"http://127.0.0.1:{port}/status"
        self.seconds = 1_800_000_000.0

    def ask(
        self, method: str = "GET", form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, dict[str, str]]:
        raw = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        if form is not None:
            method = "POST"
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        raw.request(method, "/status", body=None if form is None else urlencode(form), headers=sent)
        response = raw.getresponse()
        text = response.read().decode()
        raw.close()
        return response.status, text, {key.lower(): value for key, value in response.getheaders()}

    def cookie(self) -> str:
        """Of a login."""
        status, _, headers = self.ask(form={"token": TOKEN})
        assert status == 303
        return headers["set-cookie"].partition(";")[0]


@contextmanager
def served(world: World, token: str | None = TOKEN, *, tag: str = "en") -> Iterator[Served]:
    """``tag`` is the site's language."""
    language = CatalogueLanguage(tag)
    listener = socket.create_server(("127.0.0.1", 0))
    page = Served(world, listener.getsockname()[1])

    def look() -> Seen:
        rules = monitor(world).rules()
        seen = overview(world.store, rules, world.now, sources=some_sources(world.now))
        return Seen(overview=seen, plots=plots(world.store, rules.zone, world.now))

    access = Access(token, clock=lambda: page.seconds, ticks=lambda: page.seconds)
    routes = status_routes(
        look,
        access,
        FolderTemplates(language),
        language,
        site_title="财经<b>早报</b>",
        site_url="https://n.example",
    )
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", proxy_headers=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield page
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


def some_sources(now: datetime) -> Iterator[SourceRow]:
    """So many that those that go well are folded up; one fails, one has moved."""
    fault = (
        "https://dead.example.com/a/very/long/path/without/any/place/to/break: answered 410: the feed is gone for good"
    )
    yield SourceRow(name="dead", kind="feed", checked_at=now, failing_since=now, fault=fault, next_at=now)
    moved = "https://elsewhere.example.com/feeds/wire.xml"
    yield SourceRow(name="moved", kind="feed", checked_at=now, ok_at=now, posts=1234, next_at=now, moved_to=moved)
    yield from (SourceRow(name=f"blog-{number}", kind="folder", checked_at=now, ok_at=now) for number in range(20))


def furnish(world: World) -> None:
    """A month with everything on the page: runs good, bad and cut off, mail in all states, silence, alarms, bounces."""
    habit(world, weeks=5)
    store, now = world.store, world.now
    for day in range(30, 0, -1):
        for hour in (2, 9):
            began = now - timedelta(days=day, hours=hour)
            key = store.started(began)
            store.ended(key, began + timedelta(seconds=3 + day * hour % 11), "{}", arrived=48, written=9)
    for n in range(3):
        world.news(
            f"fresh{n}", category="a-category-with-a-very-long-name-that-has-nowhere-to-break" if n else "stocks"
        )
    world.run()
    for row in store.claim(now, 1, timedelta(hours=1)):
        store.failed(row, now, Reply(code=550, enhanced="5.1.1", text="no such user"))
    failed = store.started(now - timedelta(minutes=10))
    store.ended(
        failed,
        now - timedelta(minutes=9),
        '{"ok": false, "failures": ["/srv/site/_posts: cannot be read: permission denied; give this user the right"]}',
        ok=False,
    )
    store.started(now - timedelta(minutes=5))
    with store._database.changing() as connection:
        connection.insert_many(
            "refusal",
            ("name", "hash", "at", "blame", "status", "text"),
            [
                (f"n{n}", "h", to_seconds(now - timedelta(days=day)), "unknown", "", "")
                for n, day in enumerate((3, 3, 3, 9, 12))
            ],
        )
    told = monitor(world)
    told.look(store, now - timedelta(hours=2), run=RunEnd(failures=("/srv/site/_posts: permission denied",)))
    told.look(store, now - timedelta(hours=1), run=RunEnd(collected=False))
    told.look(store, now, run=RunEnd(failures=("hub.example.com: answered 500",)))
