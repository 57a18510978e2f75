"""What a run says of its sources: what they brought, which of them fail, and whose fault that is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from digest.store import open_store
from tests.feed_server import FeedServer, ask_again, feed_server
from tests.run.site_folder import CONFIG, Result, Site


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    with feed_server() as ours:
        yield ours


def run(site: Site, *words: str) -> Result:
    if (site.folder / "var/digest.db").exists():
        ask_again(f"sqlite:///{site.folder / 'var/digest.db'}")
    return site.run_json(*words) if "--json" in words else site.run(*words)


def configure(site: Site, *entries: str) -> None:
    site.configure(f"{CONFIG}sources:\n{''.join(entries)}")


def test_news_and_faults_are_one_line(site: Site, feed: FeedServer) -> None:
    """A source that begins to fail is a warning of that run, and no failure; the report for programs has all of it."""
    site.post()
    feed.entries = {1: "第一条", 2: "第二条"}
    configure(site, feed.entry(), "  - {kind: folder, name: blog, folder: nowhere}\n")
    first = run(site)
    assert first.code == 0, first
    [line] = [line for line in first.out.splitlines() if line.startswith("  sources")]
    assert line.startswith("  sources   wire 2 arrived; blog: fails since ")
    assert "(sources.blog.folder: " in line
    assert first.err.count("warning: sources.blog: sources.blog.folder: ") == 1
    second = run(site)
    assert "blog: fails since" in second.out
    assert "warning" not in second.err, "it is told once"
    feed.status = 503
    report = run(site, "--json").report
    assert report["ok"]
    assert [line[: len("sources.wire")] for line in report["warnings"]] == ["sources.wire"]
    wire = report["collected"]["sources"]["wire"]
    assert (wire["arrived"], "503" in wire["fault"], wire["failing_since"] is not None) == (0, True, True)
    feed.status = 200
    (site.folder / "nowhere/_posts").mkdir(parents=True)
    last = run(site)
    assert "  sources   nothing new from 2\n" in last.out, "a folder without posts fails no longer"
    assert run(site, "--json").report["collected"]["sources"]["blog"]["failing_since"] is None
    with open_store(f"sqlite:///{site.folder / 'var/digest.db'}") as store, store._database.asking() as connection:
        logged = [json.loads(text) for text in connection.column("SELECT report FROM run ORDER BY key")]
    assert [sorted(report["collected"]["sources"]) for report in logged] == [
        ["blog", "wire"],
        ["blog"],
        ["blog", "wire"],
        [],
        [],
    ], "those without news would fill the store"


def test_an_article_of_another_source_is_counted(site: Site, feed: FeedServer) -> None:
    site.post(link="https://wire.example.com/1")
    feed.entries = {1: "第一条"}
    configure(site, feed.entry())
    assert "wire 1 known from another source" in run(site).out


def test_many_sources_are_told_in_short(site: Site, feed: FeedServer) -> None:
    site.post()
    configure(site, *(feed.entry(f"f{number}") for number in range(9)))
    feed.status = 500
    result = run(site)
    assert result.code == 0
    assert result.err.count("warning:") == 4
    assert "warning: sources: 6 more cannot be looked at; see: digest status" in result.err
    assert result.out.count("fails since") == 3
    assert "; 6 more fail: digest status shows all" in result.out
    configure(site, *(f"  - {{kind: folder, name: b{number}, folder: b{number}, settle: 0}}\n" for number in range(7)))
    for number in range(7):
        site.post(
            f"../../b{number}/_posts/2026-11-24-{number}.md", title=f"第{number}篇", link=f"https://b.example/{number}"
        )
    assert "  sources   7 arrived (7 of 7 sources)\n" in run(site).out


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("  - {kind: feed, name: wire, url_env: DIGEST_NO_SUCH_THING}\n", "sources.wire.url_env: "),
        ("  - {kind: feed, name: wire, url_file: nowhere}\n", "sources.wire.url_file: "),
    ],
)
def test_what_is_ours_to_mend_fails_each_run(site: Site, entry: str, says: str) -> None:
    """The others go on."""
    site.post()
    configure(site, entry)
    for arrived in (1, 0):
        result = run(site)
        assert result.code == 1
        assert f"failed: {says}" in result.err
        assert "warning" not in result.err
        assert f"posts     {arrived} arrived" in result.out
        assert f"wire: fails since {result.out.partition('fails since ')[2][:5]}" in result.out
