"""``digest explain`` for posts of other sources than ``posts.folder``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feed_server import FeedServer, ask_again, feed_server
from tests.run.site_folder import CONFIG, Site, post_text


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    with feed_server() as ours:
        yield ours


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def configure(site: Site, *entries: str) -> None:
    site.configure(f"{CONFIG}sources:\n{''.join(entries)}")


BLOG = "  - {kind: folder, name: blog, folder: blog, settle: 0, url: 'https://blog.example.com'}\n"


def test_a_post_names_its_source_and_its_double_the_post(site: Site, feed: FeedServer) -> None:
    """By path or by address; a feed's entry that another feed brought first says so."""
    feed.entries = {1: "第一条"}
    configure(site, feed.entry("wire"), feed.entry("other"))
    assert site.run().code == 0
    told = json.loads(site.command("explain", "wire//https://wire.example.com/1", "--json").out)
    assert told["about"]["source"] == "wire"
    assert told["about"]["original"] == "https://wire.example.com/1"
    assert " from the source wire (https://wire.example.com/1); " in told["facts"][0]["says"]
    assert site.command("explain", "https://wire.example.com/1").out.startswith("第一条\n")
    double = site.command("explain", "other//https://wire.example.com/1")
    assert "- left out on purpose: no post came of it" in double.out
    assert "leads to the same address as wire//https://wire.example.com/1 of another source" in double.out


def test_an_entry_whose_post_the_folder_has_taken_over(site: Site, feed: FeedServer) -> None:
    feed.entries = {1: "第一条"}
    configure(site, feed.entry())
    assert site.run().code == 0
    site.post("2026-11-24-own.md", link="https://wire.example.com/1")
    ask_again(f"sqlite:///{site.folder / 'var/digest.db'}")
    assert site.run().code == 0
    told = json.loads(site.command("explain", "wire//https://wire.example.com/1", "--json").out)
    [fact] = told["facts"]
    assert (fact["code"], fact["says"]) == (
        "doubled",
        "another source brings the same post, which is that one's now: _posts/2026-11-24-own.md",
    )


def test_files_of_a_further_folder(site: Site) -> None:
    """By their place on this machine, and before a run has seen them."""
    site.post()
    path = site.folder / "blog/_posts/2026-11-24-theirs.md"
    path.parent.mkdir(parents=True)
    configure(site, BLOG)
    assert site.run().code == 0
    path.write_text(post_text("别人的", link="https://x.example.com/9"), encoding="utf-8")
    assert "it is in the folder of the source blog, and no run" in site.command("explain", "theirs.md").out
    assert site.run().code == 0
    told = json.loads(site.command("explain", str(path), "--json").out)
    assert told["about"]["path"] == "blog//_posts/2026-11-24-theirs.md"
    assert (told["about"]["source"], told["about"]["original"]) == ("blog", "https://x.example.com/9")
