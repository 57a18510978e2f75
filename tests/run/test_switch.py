"""The switch from jekyll-feed: with the feed that real Jekyll made, no reader sees one item twice."""

from __future__ import annotations

import shutil
import subprocess

import feedparser
import pytest

from tests.run.site_folder import CONFIG, Site

JEKYLL = """\
title: 财经早报
url: https://news.example.com
timezone: Asia/Shanghai
plugins: [jekyll-feed]
feed: {posts_limit: 10}
exclude: [README.md]
"""


@pytest.mark.jekyll
def test_no_id_of_the_old_feed_is_missing_or_doubled(site: Site) -> None:
    """Adopted ids, the feed's own too; ids that were not adopted are the ones jekyll-feed would have made."""
    if shutil.which("jekyll") is None:
        pytest.skip("needs jekyll with jekyll-feed")
    for number in range(14):
        site.post(
            f"2026-11-{10 + number}-post-{number}.md",
            title=f"第{number}条",
            date=f"2026-11-{10 + number} 00:30:00 +0800",
            categories="宏观 macro" if number % 2 else "stocks",
            link=f"http://x.example.com/{number}",
        )
    root = site.folder / "site"
    (root / "_config.yml").write_text(JEKYLL, encoding="utf-8")
    built = site.folder / "built"
    done = subprocess.run(
        ["jekyll", "build", "-q", "--disable-disk-cache", "-s", str(root), "-d", str(built)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (built / "feed.xml").is_file(), done.stderr
    old = feedparser.parse((built / "feed.xml").read_bytes())
    assert len(old.entries) == 10
    site.configure(CONFIG)
    assert site.command("adopt-ids", str(built / "feed.xml")).code == 0
    assert site.run().code == 0
    new = feedparser.parse((site.folder / "public/feed.xml").read_bytes())
    assert new.feed.id == old.feed.id
    assert {entry.id for entry in new.entries} == {entry.id for entry in old.entries}
    assert {entry.link for entry in new.entries} == {entry.link for entry in old.entries}
    site.post("2026-11-24-new.md", title="新的一条", date="2026-11-24 09:30:00 +0800", link="http://x.example.com/99")
    site.run(as_of="2026-11-24 10:00")
    later = feedparser.parse((site.folder / "public/feed.xml").read_bytes())
    assert {entry.id for entry in later.entries} - {entry.id for entry in old.entries} == {
        "https://news.example.com/macro/2026/11/24/new"
    }
