"""The whole site: files beside the subscription pages, in the site's language, with lifetimes by the schedule."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.config import load
from digest.errors import StoreError
from digest.ports import FeedRow
from digest.publish.folder import FolderOutput
from digest.web.site import Retired, max_age
from tests.web.files_server import serving_files
from tests.web.web_server import CONFIG, Served


def test_what_is_missing_is_said_in_the_sites_language(served: Served) -> None:
    """With the headers of every page; files and pages are beside each other."""
    answer = served.ask("/nothing.xml")
    assert (answer.status, answer.heading) == (404, "没有这个页面")
    assert "地址可能有误" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    FolderOutput(served.folder / "public").write("feed.xml", b"<feed/>")
    assert served.ask("/feed.xml", headers={"Host": "any.example"}).status == 200
    assert served.ask("/mail/", headers={"Host": "any.example"}).status == 421


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ("", 300),
        ("posts: {folder: site, schedule: every 10 minutes}", 600),
        ("posts: {folder: site, schedule: hourly}", 900),
        ("posts: {folder: site, schedule: daily 07:30}", 900),
        ("categories: [{name: a, schedule: every 2 minutes}, {name: b, schedule: daily 08:00}, {name: c}]", 120),
    ],
)
def test_lifetime_is_the_shortest_interval(tmp_path: Path, more: str, seconds: int) -> None:
    """Never more than a quarter of an hour: readers take it as a pause."""
    key = more.partition(":")[0]
    kept = [line for line in CONFIG.format(port=1, proxies="[]").splitlines() if not key or not line.startswith(key)]
    (tmp_path / "site").mkdir()
    (tmp_path / "config.yaml").write_text("\n".join([*kept, more]), encoding="utf-8")
    assert max_age(load(tmp_path / "config.yaml", {})) == seconds


def row(kind: str, name: str) -> FeedRow:
    return FeedRow(kind=kind, name=name, stem=name, posts=1, dirty=False)


@pytest.mark.parametrize(
    ("tags", "formats", "retired"),
    [
        (True, ("atom", "rss", "json"), set()),
        (("old",), ("atom", "rss", "json"), {"feed/by_tag/new.xml", "rss/by_tag/new.xml", "feeds/by_tag/new.html"}),
        (False, ("atom", "rss", "json"), {"feed/by_tag/old.xml", "feed/by_tag/new.json"}),
        (True, ("atom",), {"rss.xml", "feed.json", "rss/news.xml", "feed/news.json", "feed/by_tag/old.json"}),
    ],
)
def test_ended_feeds_are_known(tags: Any, formats: tuple[str, ...], retired: set[str]) -> None:
    """Tags and formats that are no longer asked for; never one that is, nor one that never was. Looked up now and
    then only."""
    looks: list[int] = []
    rows = [row("all", ""), row("category", "news"), row("tag", "old"), row("tag", "new")]

    def feeds() -> list[FeedRow]:
        looks.append(1)
        return rows

    store = SimpleNamespace(feeds=feeds)
    settings = SimpleNamespace(feeds=SimpleNamespace(tags=tags, formats=formats))
    running: Any = SimpleNamespace(settings=settings, store=store)
    now = [100.0]
    ended = Retired(running, clock=lambda: now[0])
    assert all(ended(path) for path in retired)
    assert not any(ended(path) for path in ("feed.xml", "feed/news.xml", "feeds/news.html", "feed/never.xml"))
    assert len(looks) == 1
    now[0] += 61
    ended("feed.xml")
    assert len(looks) == 2


def test_without_its_store_nothing_has_ended() -> None:
    """A page that is missing is missing, whatever ails the store."""

    def feeds() -> list[FeedRow]:
        raise StoreError("store", "is away")

    running: Any = SimpleNamespace(settings=SimpleNamespace(feeds=None), store=SimpleNamespace(feeds=feeds))
    assert not Retired(running)("feed/old.xml")


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def pages(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("pages")(scope, receive, send)


@pytest.mark.parametrize(
    ("prefix", "path", "said"),
    [
        ("/mail", "/healthz", "hello"),
        ("/mail", "/mail", "pages"),
        ("/mail", "/mail/token", "pages"),
        ("/mail", "/mailing", "page 404"),
        ("/mail", "/feed.xml", "<feed/>"),
        ("", "/healthz", "hello"),
        ("", "/", "pages"),
        ("", "/AbC-123_x", "pages"),
        ("", "/feeds", "./feeds/"),
        ("", "/feed.xml", "<feed/>"),
    ],
)
def test_every_path_has_its_place(tmp_path: Path, prefix: str, path: str, said: str) -> None:
    """Routes first, then the subscription pages, then files; pages at the root leave files alone."""
    output = FolderOutput(tmp_path)
    output.write("feed.xml", b"<feed/>")
    output.write("feeds/index.html", b"index")
    output.write("healthz", b"a file")
    with serving_files(tmp_path, routes=[Route("/healthz", hello)], pages=pages, prefix=prefix) as server:
        answer = server.ask(path)
        assert (answer.body or answer.headers["location"].encode()).decode() == said
