"""Posts from several sources: folders, and feeds of other sites on a server of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from digest.app.running import run_once
from digest.models import KnownPost
from digest.store import open_store
from tests.feed_server import FeedServer, ask_again, serving
from tests.run.site_folder import AS_OF, CONFIG, Site, body_of, post_text

ATOM = "{http://www.w3.org/2005/Atom}"


class Wire(FeedServer):
    """A feed whose entries say whatever a test wants, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, str]] = []
        self.asked = 0

    def add(self, number: int, **more: str) -> None:
        entry = {
            "title": f"第{number}条快讯",
            "link": f"https://wire.example.com/{number}",
            "guid": f"https://wire.example.com/{number}",
            "pubDate": f"Mon, 23 Nov 2026 {number:02}:00:00 +0800",
            "description": f"<p>第{number}条快讯的导语。</p><p>这是第{number}条快讯的正文。</p>",
            **more,
        }
        self.items.insert(0, entry)

    def document(self) -> bytes:
        self.asked += 1
        channel = ElementTree.Element("rss", version="2.0")
        inner = ElementTree.SubElement(channel, "channel")
        for name, text in (("title", "环球快讯"), ("link", "https://wire.example.com/"), ("description", "快讯")):
            ElementTree.SubElement(inner, name).text = text
        for entry in self.items:
            item = ElementTree.SubElement(inner, "item")
            for name, text in entry.items():
                ElementTree.SubElement(item, name).text = text
        return ElementTree.tostring(channel, "utf-8")


@pytest.fixture
def wire() -> Iterator[Wire]:
    with serving(Wire()) as wire:
        yield wire


def feed_entry(wire: Wire, more: str = "") -> str:
    return wire.entry(more=f", categories: [快讯]{more}")


def configure(site: Site, sources: str, *, more: str = "") -> None:
    site.configure(f"{CONFIG}sources:\n{sources}{more}")


def store_of(site: Site) -> str:
    return f"sqlite:///{site.folder / 'var/digest.db'}"


def published(site: Site, path: str) -> str:
    return (site.folder / "public" / path).read_text(encoding="utf-8")


def posts(site: Site) -> dict[str, KnownPost]:
    """By path, gone ones left out."""
    with open_store(store_of(site)) as store:
        every = [post for source in ("posts", "wire", "blog") for post in store.latest_posts(source, 1000)]
    return {post.path: post for post in every if post.gone_at is None}


def collected(site: Site, code: int = 0, as_of: str = AS_OF) -> dict[str, Any]:
    """The report of a run, within this process."""
    if (site.folder / "var/digest.db").exists():
        ask_again(store_of(site))
    report, _ = run_once(site.folder / "config.yaml", as_of=as_of)
    assert report.ok is (code == 0), report.failures
    found: dict[str, Any] = json.loads(report.to_json())
    return found


def test_posts_of_a_feed_are_published_with_where_they_come_from(site: Site, wire: Wire) -> None:
    """With their own ids and addresses, in every format; their text stays when the feed shows them no more."""
    site.post("2026-11-24-own.md")
    wire.add(1)
    configure(site, feed_entry(wire), more="feeds:\n  full_text: true\n")
    report = collected(site)["collected"]
    assert (report["arrived"], report["sources"]["wire"]["arrived"]) == (2, 1)
    [entry] = [
        entry
        for entry in ElementTree.fromstring(published(site, "feed.xml")).iter(f"{ATOM}entry")
        if entry.findtext(f"{ATOM}id") == "https://wire.example.com/1"
    ]
    [source] = entry.iter(f"{ATOM}source")
    assert source.findtext(f"{ATOM}title") == "环球快讯"
    assert [link.get("href") for link in source.iter(f"{ATOM}link")] == [wire.url("wire"), "https://wire.example.com/"]
    assert "这是第1条快讯的正文" in (entry.findtext(f"{ATOM}content") or "")
    [item] = [
        item
        for item in ElementTree.fromstring(published(site, "rss.xml")).iter("item")
        if item.findtext("guid") == "https://wire.example.com/1"
    ]
    named = item.find("source")
    assert named is not None
    assert (named.text, named.get("url")) == ("环球快讯", wire.url("wire"))
    items = json.loads(published(site, "feed.json"))["items"]
    [item_] = [each for each in items if each["id"] == "https://wire.example.com/1"]
    assert item_["_digest"]["source"]["title"] == "环球快讯"
    assert item_["url"] == "https://wire.example.com/1"
    wire.items.clear()
    wire.add(2)
    assert collected(site)["collected"]["gone"] == 0
    assert "这是第1条快讯的正文" in published(site, "feed.xml")


def test_what_a_new_source_has_already_is_no_news(site: Site, wire: Wire) -> None:
    """It counts by its dates, as an archive's does: the next edition has what came after."""
    site.post("2026-11-24-own.md")
    collected(site)
    wire.add(1)
    wire.add(3, pubDate="Tue, 24 Nov 2026 11:00:00 +0800")
    configure(site, feed_entry(wire))
    collected(site, as_of="2026-11-24 12:00")
    wire.add(2)
    collected(site, as_of="2026-11-24 12:05")
    assert site.run(as_of="2026-11-25 09:00").code == 0
    [first, second] = sorted(site.mails(), key=lambda mail: str(mail["Subject"]))
    assert "第1条快讯" not in body_of(first) + body_of(second)
    assert "第2条快讯" in body_of(second), "it came late"
    assert "第3条快讯" in body_of(second), "it is of after the last edition"
    seen = {post.path.rpartition("/")[2]: post.first_seen == post.published for post in posts(site).values()}
    assert seen["1"]
    assert not seen["2"]


def test_an_article_that_the_folder_has_too_is_there_once(site: Site, wire: Wire) -> None:
    """Whichever comes first; the folder's takes the place of the feed's, under the id that readers know."""
    site.post("2026-11-23-first.md", date="2026-11-23 01:00:00 +0800", link="https://wire.example.com/1")
    wire.add(1)
    wire.add(2)
    configure(site, feed_entry(wire))
    report = collected(site)["collected"]
    assert report["sources"]["wire"]["doubled"] == 1
    before = posts(site)
    assert sorted(before) == ["_posts/2026-11-23-first.md", "wire//https://wire.example.com/2"]
    later = {"title": "后到的文章", "date": "2026-11-23 02:00:00 +0800", "link": "https://wire.example.com/2"}
    site.post("2026-11-23-later.md", **later)
    collected(site)
    after = posts(site)
    assert sorted(after) == ["_posts/2026-11-23-first.md", "_posts/2026-11-23-later.md"]
    assert after["_posts/2026-11-23-later.md"].id == before["wire//https://wire.example.com/2"].id
    wire.items[0]["description"] = "改过的正文。"  # the feed's is left alone from now on
    assert collected(site)["collected"]["arrived"] == 0
    assert sorted(posts(site)) == sorted(after)


def test_an_edit_is_told_from_a_feed_that_was_set_up_anew(site: Site, wire: Wire) -> None:
    for number in range(1, 4):
        wire.add(number)
    configure(site, feed_entry(wire))
    collected(site)
    before = posts(site)
    wire.items[0]["description"] = "更正：金额有误。"
    report = collected(site)["collected"]
    assert (report["arrived"], report["edited"]) == (0, 1)
    for number, entry in enumerate(wire.items):
        entry["guid"] = f"tag:new,2026:{number}"
    report = collected(site)["collected"]
    assert (report["arrived"], report["edited"], report["renamed"]) == (0, 0, 3), "other ids, the same addresses"
    for entry in wire.items:
        entry["guid"] += "x"
        entry["link"] = entry["link"].replace("wire.example.com", "www.wire.example.com")
    report = collected(site)["collected"]
    assert (report["arrived"], report["edited"], report["renamed"]) == (0, 0, 3), "other addresses, the same words"
    assert {post.id for post in posts(site).values()} == {post.id for post in before.values()}


def test_the_same_words_another_day_are_another_post(site: Site, wire: Wire) -> None:
    wire.add(1, title="今日休市", description="今日休市。")
    configure(site, feed_entry(wire))
    collected(site)
    wire.items.clear()
    wire.add(2, title="今日休市", description="今日休市。", pubDate="Sat, 21 Nov 2026 08:00:00 +0800")
    assert collected(site)["collected"]["arrived"] == 1


def test_a_source_that_fails_stops_no_other(site: Site, wire: Wire) -> None:
    site.post("2026-11-24-own.md")
    wire.add(1)
    wire.status = 503
    configure(site, "  - {kind: folder, name: blog, folder: nowhere}\n" + feed_entry(wire))
    report = collected(site)["collected"]
    assert report["arrived"] == 1
    assert "503" in report["sources"]["wire"]["fault"]
    assert report["sources"]["blog"]["fault"].startswith("sources.blog.folder: ")
    with open_store(store_of(site)) as store:
        states = store.source_states()
    assert (states["wire"].failures, states["blog"].failures) == (1, 1)
    wire.status = 200
    report = collected(site)["collected"]
    assert (report["sources"]["wire"]["arrived"], report["sources"]["wire"]["fault"]) == (1, "")
    with open_store(store_of(site)) as store:
        assert store.source_states()["wire"].failing_since is None


def test_each_folder_has_its_own_brake(site: Site) -> None:
    """Much that is missing from one of them holds nothing of the other, whose rules are its own too."""
    site.post("2026-11-24-own.md")
    blog = site.folder / "blog" / "_posts"
    blog.mkdir(parents=True)
    for number in range(30):
        text = post_text(f"博客{number}", link=f"https://example.org/{number}")
        (blog / f"2026-11-23-{number}.md").write_text(text, encoding="utf-8")
    configure(site, "  - {kind: folder, name: blog, folder: blog, url: https://blog.example.com, settle: 0}\n")
    assert collected(site)["collected"]["sources"]["blog"]["arrived"] == 30
    assert posts(site)["blog//_posts/2026-11-23-7.md"].url.startswith("https://blog.example.com/")
    for path in sorted(blog.iterdir())[:25]:
        path.unlink()
    (site.posts / "2026-11-24-own.md").unlink()
    site.post("2026-11-24-other.md", title="另一篇", link="https://example.org/other")
    report = collected(site, code=1)
    assert report["collected"]["gone"] == 1
    assert len(report["collected"]["held"]) == 25
    [failure] = report["failures"]
    assert "sources.blog.retention" in failure
    assert report["collected"]["held"][0].startswith("blog//")


def test_a_source_that_is_taken_out_leaves_its_posts(site: Site, wire: Wire) -> None:
    site.post("2026-11-24-own.md")
    wire.add(1)
    configure(site, feed_entry(wire))
    collected(site)
    site.configure(CONFIG)
    assert collected(site)["collected"]["gone"] == 0
    assert "wire//https://wire.example.com/1" in posts(site)
    assert "环球快讯" in published(site, "feed.xml"), "and still says where they are from"


def test_feeds_alone_are_enough(site: Site, wire: Wire) -> None:
    """Without a folder of posts; the first edition has the newest day."""
    wire.add(1)
    wire.add(2)
    text = CONFIG.replace("posts:\n  folder: site\n  settle: 0\n", "")
    site.configure(f"{text}sources:\n{feed_entry(wire)}")
    report = collected(site)
    assert report["collected"]["arrived"] == 2
    assert report["warnings"] == []
    assert "第2条快讯" in published(site, "feed.xml")
    assert "第2条快讯" in body_of(site.mails()[0])


def test_a_feed_is_asked_when_it_is_time(site: Site, wire: Wire) -> None:
    wire.add(1)
    configure(site, feed_entry(wire))
    for _ in range(3):
        assert site.run().code == 0
    assert wire.asked == 1
    assert site.run("--dry-run").code == 0
    assert wire.asked == 1


def test_an_address_with_a_secret_is_never_shown(site: Site, wire: Wire) -> None:
    """It may come from the environment or a file; what cannot be read is one clear line."""
    wire.add(1)
    secret = site.folder / "address"
    address = wire.url("wire").replace("127", "ann:geheim42@127", 1).replace("/wire.xml", "/geheim42/feed?key=geheim42")
    secret.write_text(f"{address}\n", encoding="utf-8")
    configure(site, f"  - {{kind: feed, name: wire, url_file: '{secret}', allow: [127.0.0.0/8]}}\n")
    assert collected(site)["collected"]["arrived"] == 1
    assert "geheim42" not in published(site, "feed.xml")
    wire.status = 401
    report = collected(site)
    assert "401" in report["collected"]["sources"]["wire"]["fault"]
    assert "geheim42" not in json.dumps(report)
    secret.unlink()
    assert "sources.wire.url_file" in collected(site, code=1)["collected"]["sources"]["wire"]["fault"]


def test_no_other_site_can_take_an_id_of_ours(site: Site, wire: Wire) -> None:
    """A post that is still to come gets the id that is its own."""
    site.post("2026-11-24-own.md")
    ours = "https://news.example.com/macro/2026/11/24/own"
    wire.add(1, guid=ours)
    configure(site, feed_entry(wire))
    collected(site)
    ids = {path: post.id for path, post in posts(site).items()}
    assert ids["_posts/2026-11-24-own.md"] == ours
    assert ids[f"wire//{ours}"].startswith("urn:uuid:")


def test_summaries_are_enough_if_so_told(site: Site, wire: Wire) -> None:
    wire.add(1)
    configure(site, feed_entry(wire, ", text: summary"), more="feeds:\n  full_text: true\n")
    collected(site)
    feed = published(site, "feed.xml")
    assert "第1条快讯的导语" in feed
    assert "第1条快讯的正文" not in feed


def test_what_is_published_is_no_post_of_a_further_folder(site: Site) -> None:
    """Even where the output lies in it and its pages look like posts."""
    blog = site.folder / "blog"
    blog.mkdir()
    (blog / "a.md").write_text(post_text(), encoding="utf-8")
    entry = "  - {kind: folder, name: blog, folder: blog, generator: hugo, settle: 0}\n"
    text = CONFIG.replace("posts:\n  folder: site\n  settle: 0\n", "")
    site.configure(f"{text}output: blog/made\nsources:\n{entry}")
    for _ in range(2):
        assert collected(site)["collected"]["found"] == 1
