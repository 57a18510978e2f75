"""``digest init --opml``: lists of feeds as readers export them become sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digest.app.starting import draft
from digest.config import load
from digest.config.settings import FeedSourceSettings
from digest.errors import ConfigError, SourceError
from tests.init.test_init import NOW, jekyll, put, run, site

__all__ = ["site"]

FEEDLY = """\
<?xml version="1.0" encoding="UTF-8"?>
<opml version="1.0">
  <head><title>Ann subscriptions in a reader</title></head>
  <body>
    <outline text="Technology" title="Technology">
      <outline type="rss" text="The Verge" title="The Verge" xmlUrl="https://www.theverge.com/rss/index.xml"
        htmlUrl="https://www.theverge.com"/>
      <outline text="Languages &amp; tools">
        <outline type="rss" text="Planet Python" xmlUrl="https://planetpython.org/rss20.xml"/>
        <outline type="rss" text="The Verge" xmlUrl="https://example.org/other-verge.xml#top"/>
      </outline>
    </outline>
    <outline text="新闻">
      <outline type="rss" text="环球快讯" xmlUrl="https://wire.example.com/feed?format=rss&amp;n=50"/>
      <outline type="rss" text="The Verge again" xmlUrl="https://www.TheVerge.com/rss/index.xml"/>
    </outline>
    <outline text="A note without a feed"/>
    <outline type="rss" text="Old" xmlUrl="feed://old.example.com/rss"/>
    <outline type="rss" text="Mine" xmlUrl="https://ann:geheim@mine.example.com/rss"/>
    <outline type="rss" text="Posts" xmlUrl="https://posts.example.com/atom.xml"/>
  </body>
</opml>
"""
BARE = """\
<OPML version="2.0"><BODY>
  <OUTLINE TEXT="Some feed" TYPE="rss" XMLURL="http://a.example.com/rss"/>
  <outline xmlurl="http://b.example.com/rss"/>
  <outline xmlUrl="" text="empty"><outline text="inner" xmlUrl="http://c.example.com/rss"/></outline>
</BODY></OPML>
"""


def sources(config: Path = Path("config.yaml")) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By name: address and categories."""
    feeds = [each for each in load(config, {}).sources if isinstance(each, FeedSourceSettings)]
    return {each.name: (str(each.url), each.categories) for each in feeds}


def test_a_list_alone_makes_a_configuration(site: Path) -> None:
    """Names from titles, folders as categories, each address once; what cannot be taken is said."""
    put(site / "feeds.opml", FEEDLY)
    done = run("init", "--opml", "feeds.opml", folder=site)
    assert done.returncode == 0, done.stderr
    assert sources() == {
        "the-verge": ("https://www.theverge.com/rss/index.xml", ("Technology", "新闻")),
        "planet-python": ("https://planetpython.org/rss20.xml", ("Technology", "Languages & tools")),
        "the-verge-2": ("https://example.org/other-verge.xml", ("Technology", "Languages & tools")),
        "wire-example-com": ("https://wire.example.com/feed?format=rss&n=50", ("新闻",)),
        "posts-2": ("https://posts.example.com/atom.xml", ()),
    }
    settings = load(site / "config.yaml", {})
    assert settings.site.title == "Ann subscriptions in a reader"
    assert not settings.posts.has_folder
    assert "# 环球快讯" in (site / "config.yaml").read_text(encoding="utf-8")
    assert "no site, feeds alone" in done.stdout
    assert "  sources      5 feeds of other sites" in done.stdout
    assert "- feeds.opml:18: Old was left out: feed://old.example.com/rss does not start with https://" in done.stdout
    assert "Mine was left out: https://…@mine.example.com/rss holds a user name" in done.stdout
    assert "geheim" not in done.stdout
    assert run("status", folder=site).returncode == 0


def test_beside_a_site(site: Path) -> None:
    """What is found otherwise stays as it is."""
    jekyll(site)
    put(site / "feeds.opml", BARE)
    done = run("init", "--opml", "feeds.opml", "--json", folder=site)
    told = json.loads(done.stdout)
    assert (told["generator"], told["posts"]) == ("jekyll", 2)
    assert [each["name"] for each in told["sources"]] == ["some-feed", "b-example-com", "inner"]
    assert sources()["inner"] == ("http://c.example.com/rss", ("empty",))
    assert load(site / "config.yaml", {}).posts.has_folder


def test_many_of_one_name(site: Path) -> None:
    """No name is longer than a source's may be, and no two are the same."""
    title = "An unusually long title of a feed about everything and more than that"
    rows = "".join(f'<outline text="{title}" xmlUrl="https://e.example.com/{number}"/>' for number in range(120))
    put(site / "feeds.opml", f"<opml version='2.0'><body>{rows}</body></opml>")
    draft(Path(), Path("config.yaml"), now=NOW, opml=Path("feeds.opml"))
    assert run("init", "--opml", "feeds.opml", folder=site).returncode == 0
    assert len(sources()) == 120


BOMB = '<!DOCTYPE opml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><opml><body><outline text="&b;"/></body></opml>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "feeds.opml: declares entities, which no list of feeds needs"),
        (FEEDLY[:700], "feeds.opml:14: is broken: unclosed token"),
        ("<opml><body></opml>", "feeds.opml:1: is broken: mismatched tag"),
        ("<rss version='2.0'/>", "feeds.opml: is no OPML, its first element is rss"),
        ("title: x", "feeds.opml:1: is broken: "),
        ("", "feeds.opml:1: is broken: no element found"),
    ],
)
def test_what_is_no_list_is_one_line(site: Path, text: str, says: str) -> None:
    put(site / "feeds.opml", text)
    with pytest.raises(ConfigError) as caught:
        draft(Path(), Path("config.yaml"), now=NOW, opml=Path("feeds.opml"))
    assert str(caught.value).startswith(says)


def test_a_list_without_feeds_or_none_at_all(site: Path) -> None:
    """As without a list: there is nothing to make a configuration of."""
    put(site / "feeds.opml", '<opml><body><outline text="x" xmlUrl="mailto:x"/></body></opml>')
    with pytest.raises(SourceError, match="no feed is in the list"):
        draft(Path(), Path("config.yaml"), now=NOW, opml=Path("feeds.opml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        draft(Path(), Path("config.yaml"), now=NOW, opml=Path("nowhere.opml"))
