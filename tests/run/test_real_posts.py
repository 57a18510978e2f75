"""Other people's sites: nothing stops a run, every file is accounted for, every feed reads back."""

from __future__ import annotations

from pathlib import Path

import feedparser
import pytest

from tests.run.site_folder import CONFIG, Site

pytestmark = pytest.mark.slow

SITES = (
    "elixir", "finews", "haacked", "huxpro", "jekyll-docs", "jekyll-feed",
    "opensuse", "prometheus", "ruby-news", "scala-lang", "techbridge",
)  # fmt: skip
BELOW = {"jekyll-docs": "docs", "jekyll-feed": "spec/fixtures"}
"""Where the site itself begins."""
ENDINGS = {".md", ".markdown", ".html"}


def post_files(root: Path) -> list[Path]:
    """What anybody would call a post file of the site."""
    files = [path for path in root.rglob("*") if path.suffix in ENDINGS]
    if not any({"_posts", "_drafts"} & set(path.parts) for path in files):
        return files
    return [path for path in files if {"_posts", "_drafts"} & set(path.parts)]


@pytest.mark.parametrize("name", SITES)
def test_a_real_site_goes_through(name: str, real_posts: Path, tmp_path: Path) -> None:
    """Exit code 0, taken + left out = found, each one left out has a reason, all feeds are whole."""
    root = real_posts / name / BELOW.get(name, "")
    site = Site(tmp_path, CONFIG.replace("folder: site", f"folder: {root}"))
    result = site.run_json(as_of="2026-11-24 09:00")
    assert result.code == 0, result.err
    collected = result.report["collected"]
    assert collected["found"] == len(post_files(root))
    assert collected["taken"] + collected["skipped"] == collected["found"]
    explained = {each["path"] for each in collected["problems"] if each["severity"] != "warning"}
    assert len(explained) == collected["skipped"]
    assert all(each["reason"] for each in collected["problems"])
    for path in sorted((tmp_path / "public").rglob("*.xml")):
        parsed = feedparser.parse(path.read_bytes())
        assert not parsed.bozo, f"{path}: {parsed.get('bozo_exception')}"
        assert parsed.entries or path.parent.name != "public"
        assert len({entry.id for entry in parsed.entries}) == len(parsed.entries)
    everything = feedparser.parse((tmp_path / "public/feed.xml").read_bytes())
    hidden = sum(b"\nhidden: true" in path.read_bytes() for path in post_files(root))
    assert len(everything.entries) >= min(50, collected["taken"] - hidden)
    assert [mail.defects for mail in site.mails()] == [[]]
    assert site.run_json(as_of="2026-11-24 09:05").written == []
