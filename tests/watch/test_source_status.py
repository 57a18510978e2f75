"""What ``digest status``, the status page and the figures tell of sources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.app.moment import present
from digest.jobs.monitoring.page import Seen, context_of
from digest.jobs.monitoring.status import SourceRow, overview, plots
from digest.languages import CatalogueLanguage
from digest.models import SourceState
from digest.templates import FolderTemplates
from digest.web.metrics import figures
from tests.feed_server import FeedServer, ask_again, feed_server
from tests.run.site_folder import CONFIG, Site
from tests.subscribers.reader_world import World
from tests.watch.test_source_alarms import NAMES, config, fail
from tests.watch.watched import monitor, world_of


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    with feed_server() as ours:
        yield ours


@pytest.fixture
def fed(tmp_path: Path, sqlite_store_url: str) -> Iterator[World]:
    """With seven feeds."""
    with world_of(tmp_path, sqlite_store_url, config(*NAMES)) as made:
        yield made


def test_each_source_is_a_line(tmp_path: Path, feed: FeedServer) -> None:
    """Those that fail first, with what is known of when it went well; a move for good is named."""
    site = Site(tmp_path)
    site.post()
    feed.entries = {1: "第一条", 2: "第二条"}
    secret = tmp_path / "address"
    secret.write_text(feed.url("geheim"), encoding="utf-8")
    hidden = f"  - {{kind: feed, name: hidden, url_file: '{secret}', allow: [127.0.0.0/8]}}\n"
    blog = "  - {kind: folder, name: blog, folder: blog}\n"
    site.configure(f"{CONFIG}sources:\n{feed.entry()}{hidden}{blog}")
    out = site.command("status").out
    assert "sources:" not in out, "there is no store yet"
    feed.status = 301
    assert site.run(as_of=None).code == 0
    lines = site.command("status").out.partition("\nsources:\n")[2].splitlines()[:3]
    assert lines[0].startswith("  blog (folder): fails since ")
    assert "sources.blog.folder: " in lines[0]
    assert "; never looked at with success; 0 posts so far" in lines[0]
    assert lines[1].startswith("  wire (feed): looked at ")
    assert "; 2 posts so far; asked again " in lines[1]
    assert lines[1].endswith(f"; it has moved for good to {feed.url('').replace('.xml', 'new')}: correct its address")
    assert lines[2].endswith("/…: correct its address"), "an address with a secret is not shown"
    assert "geheim" not in site.command("status").out
    feed.status = 410
    ask_again(f"sqlite:///{tmp_path / 'var/digest.db'}")
    site.run(as_of=None)
    sources = {each["name"]: each for each in site.command("status", "--json").report["sources"]}
    assert list(sources) == ["blog", "wire", "hidden"]
    wire = sources["wire"]
    assert (wire["kind"], wire["posts"], wire["moved_to"], wire["silent"]) == ("feed", 2, "", False)
    assert "answered 410: the feed is gone for good" in wire["fault"]
    assert wire["ok_at"] < wire["failing_since"] == wire["checked_at"] < wire["next_at"]
    secret.unlink()
    assert site.command("status", "--json").report["sources"][2]["next_at"] is None, "whose memory that was is unknown"


def test_of_many_the_rest_is_counted(tmp_path: Path, feed: FeedServer) -> None:
    site = Site(tmp_path)
    site.post()
    site.configure(f"{CONFIG}sources:\n" + "".join(feed.entry(f"f{number}") for number in range(14)))
    feed.status = 500
    site.run(as_of=None)
    out = site.command("status").out
    assert out.count("(feed): fails since") == 10
    assert "… and 4 more, of which 4 fail: --json, or the status page" in out


def rows(world: World) -> list[SourceRow]:
    return list(monitor(world).sources(world.store))


def test_the_page_folds_up_what_goes_well(fed: World) -> None:
    """If there are many; otherwise all are in one table."""
    wall = present(fed.store.clock).wall
    fed.store.keep_source_states([SourceState(name="feed-3", checked_at=wall, ok_at=wall, posts=1234)])
    fail(fed, "feed-1", hours=1)
    seen = overview(fed.store, monitor(fed).rules(), fed.now, sources=rows(fed))
    page = Seen(overview=seen, plots=plots(fed.store, monitor(fed).rules().zone, fed.now))
    english = CatalogueLanguage("en")
    templates = FolderTemplates(english)
    html = templates.render("status/page.html", {"site_title": "x", "site_url": "y", **context_of(page, english)})
    assert html.index(' scope="row">feed-1</th>') < html.index(' scope="row">wire</th>')
    assert "Fails since 11:00" in html
    assert '<span class="meta">answered 410: the feed is gone for good</span>' in html
    assert "1,234" in html
    assert "Others, which go well" not in html
    many = (*rows(fed), *(SourceRow(name=f"more-{number}", kind="plug") for number in range(20)))
    seen = overview(fed.store, monitor(fed).rules(), fed.now, sources=many)
    context = context_of(Seen(overview=seen, plots=page.plots), english)
    html = templates.render("status/page.html", {"site_title": "x", "site_url": "y", **context})
    assert html.index("feed-1") < html.index("Others, which go well: 26") < html.index("more-19")


def test_figures_of_sources(fed: World) -> None:
    """Of those that have been looked at."""

    def told() -> str:
        ask = figures(fed.store, monitor(fed).rules(), names=(), disks=tuple, clock=lambda: fed.now)
        return ask().decode()

    assert "digest_source" not in told()
    ok = fed.now - timedelta(hours=2)
    fed.store.keep_source_states(
        [
            SourceState(name="wire", checked_at=fed.now, ok_at=fed.now, posts=7),
            SourceState(name="feed-0", checked_at=fed.now, ok_at=ok, failing_since=fed.now, fault="why"),
            SourceState(name="removed", checked_at=fed.now),
        ]
    )
    text = told()
    assert 'digest_source_up{source="wire"} 1.0' in text
    assert 'digest_source_up{source="feed-0"} 0.0' in text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['digest_source_last_success_timestamp_seconds{source="feed-0"}']) == ok.timestamp()
    assert 'digest_source_posts_total{source="wire"} 7.0' in text
    assert "removed" not in text
