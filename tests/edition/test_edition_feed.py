"""The feed of editions (digest/render/edition_feed.py, digest/jobs/editions/feeds.py): one entry an edition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import feedparser
import lxml.etree
import lxml.html
import pytest
from msgspec.structs import replace

from digest.edition.contents import Limits
from digest.errors import StoreError
from digest.jobs.editions.feeds import EDITIONS, feed_of_editions
from digest.jobs.editions.make import EditionsReport, publish_editions
from digest.models import Author
from digest.render.context import RenderContext
from digest.render.edition_feed import FeedFrame
from digest.store import SqlStore

FRAME = FeedFrame(author=Author(name="编辑部"))


@pytest.fixture
def publish(desk: Any) -> Callable[..., EditionsReport]:
    """Publish what is made, with the feed."""

    def act(frame: FeedFrame = FRAME, plan: Any = None) -> EditionsReport:
        plan = plan or desk.plan
        return publish_editions(
            desk.store,
            desk.output,
            (plan,),
            desk.look,
            EditionsReport(),
            feed=lambda digest, title: feed_of_editions(desk.store, digest, title, desk.look, frame),
        )

    return act


@pytest.fixture
def two_days(desk: Any) -> Any:
    """Editions of 24 and 25 November."""
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00", "2026-11-24 10:00")
    desk.make("2026-11-24 12:00")
    desk.collect("2026-11-24 18:00", *["2026-11-24 17:00"] * 5)
    desk.make("2026-11-25 08:00", replace(desk.plan, limits=Limits(leads=2, items=3)))
    return desk


def feed_of(desk: Any) -> feedparser.FeedParserDict:
    parsed = feedparser.parse((desk.folder / "editions" / "daily.xml").read_bytes())
    assert not parsed.bozo, parsed.get("bozo_exception")
    return parsed


def written(report: EditionsReport) -> list[str]:
    return [path for path in report.written if path.endswith(".xml")]


def test_an_entry_an_edition_newest_first(two_days: Any, publish: Callable[..., EditionsReport]) -> None:
    """Title, page, dates and id are the edition's; the summary has balance and headlines."""
    publish()
    feed = feed_of(two_days)
    assert (feed.feed.title, feed.feed.id) == ("财经早报 · 财经档案", "https://news.example.com/editions/daily.xml")
    assert feed.feed.link == "https://news.example.com/editions/daily/"
    assert feed.feed.updated == feed.entries[0].updated == "2026-11-25T08:00:00+08:00"
    assert [entry.title for entry in feed.entries] == ["财经早报 · 11月25日星期三", "财经早报 · 11月24日星期二"]
    newest = feed.entries[0]
    assert newest.link == newest.id == "https://news.example.com/editions/daily/2026-11-25/"
    assert newest.published == newest.updated
    assert newest.summary.startswith("新文章 5 篇 = 邮件中 3 篇 + 完整版另有 2 篇 · 标题0003 · 标题0004")


def test_an_entry_holds_the_whole_edition(two_days: Any, publish: Callable[..., EditionsReport]) -> None:
    """Every post with its link, also those that the mail had no room for; summaries where the mail has them."""
    publish()
    content = lxml.html.fromstring(feed_of(two_days).entries[0].content[0].value)
    links = [str(link) for link in content.xpath("//li/a/@href")]
    assert links == [f"https://news.example.com/{number:04}.html" for number in range(3, 8)]
    assert content.text_content().count("摘要。") == 3


def test_stories_stand_together(desk: Any, publish: Callable[..., EditionsReport]) -> None:
    """The other posts of a story are below the one that leads it."""
    words = "央行今日宣布下调存款准备金率零点五个百分点释放长期资金约一万亿元"
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00", title=words, summary=words + "。", source_name="晨报")
    desk.collect("2026-11-24 12:00", "2026-11-24 09:30", title=words, summary=words + "。", source_name="晚报")
    plan = replace(desk.plan, group_stories=True)
    desk.make("2026-11-24 12:00", plan)
    publish(plan=plan)
    entry = feed_of(desk).entries[0]
    content = lxml.html.fromstring(entry.content[0].value)
    assert len(content.xpath("//li/ul/li/a")) == 1
    assert "归入同一事件 1 篇" in entry.summary


def test_what_posts_say_is_never_markup(desk: Any, publish: Callable[..., EditionsReport]) -> None:
    """Nor is a link anything but http."""
    bad = "<script>alert(1)</script> & ]]> \"'"
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00", title=bad, summary=bad, source_name=bad, url="javascript:1")
    desk.make("2026-11-24 12:00")
    publish()
    data = (desk.folder / "editions" / "daily.xml").read_bytes()
    content = lxml.etree.fromstring(data).findtext(".//{*}content")
    assert content is not None
    parsed = lxml.html.fromstring(content)
    assert not parsed.xpath("//script")
    assert not [link for link in parsed.xpath("//@href") if not link.startswith("https://")]
    assert bad in parsed.text_content()


def test_written_only_when_an_edition_was_made_or_it_is_missing(
    two_days: Any, publish: Callable[..., EditionsReport]
) -> None:
    """And the same bytes again."""
    assert written(publish()) == ["editions/daily.xml"]
    path = two_days.folder / "editions" / "daily.xml"
    before = path.read_bytes()
    assert publish().written == []
    path.unlink()
    assert publish().written == ["editions/daily.xml"]
    assert path.read_bytes() == before
    two_days.collect("2026-11-25 18:00", "2026-11-25 17:00")
    two_days.make("2026-11-26 08:00")
    assert written(publish()) == ["editions/daily.xml"]
    assert before.count(b"<entry>") + 1 == path.read_bytes().count(b"<entry>")


def test_a_crash_before_the_page_is_marked_writes_it_again(
    two_days: Any, publish: Callable[..., EditionsReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed is in place before its edition counts as published."""
    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "mark_page_published", lambda *_: (_ for _ in ()).throw(StoreError("store", "full")))
        with pytest.raises(StoreError):
            publish()
    assert len(feed_of(two_days).entries) == 2
    assert publish().unchanged == 4


def test_pages_name_the_feed(two_days: Any, publish: Callable[..., EditionsReport]) -> None:
    """Feed readers find it from any edition and from the list."""
    publish()
    for page in (two_days.page("2026-11-24"), two_days.index()):
        (link,) = lxml.html.document_fromstring(page).xpath("//link[@rel='alternate']")
        assert link.get("href") == "https://news.example.com/editions/daily.xml"
        assert link.get("type") == "application/atom+xml"


def test_a_digest_without_editions_has_no_feed(desk: Any, publish: Callable[..., EditionsReport]) -> None:
    desk.make("2026-11-24 12:00")
    assert publish().written == []


def test_ids_stay_when_the_site_moves(two_days: Any, publish: Callable[..., EditionsReport]) -> None:
    """They are made from ``feeds.id_base``; links are not."""
    publish(replace(FRAME, id_base="https://old.example.com/blog/"))
    feed = feed_of(two_days)
    assert feed.feed.id == "https://old.example.com/blog/editions/daily.xml"
    assert feed.entries[0].id == "https://old.example.com/blog/editions/daily/2026-11-25/"
    assert feed.entries[0].link == "https://news.example.com/editions/daily/2026-11-25/"


def test_a_month_at_most_and_no_more_than_there_is_room_for(two_days: Any, look: RenderContext) -> None:
    """The newest edition is there however large it is."""
    for day in range(26, 60):
        date = f"2026-11-{day}" if day < 31 else f"2026-12-{day - 30:02}"
        two_days.collect(f"{date} 07:00", f"{date} 06:00")
        two_days.make(f"{date} 08:00")
    whole = feed_of_editions(two_days.store, "daily", "财经早报", look, FRAME)
    assert whole.count(b"<entry>") == EDITIONS
    small = feed_of_editions(two_days.store, "daily", "财经早报", look, replace(FRAME, max_bytes=10))
    assert small.count(b"<entry>") == 1
    assert b"2026-12-29" in small


def test_a_site_with_the_digests_title_has_two_feeds_that_differ(desk: Any, look: RenderContext) -> None:
    """Readers list feeds by their titles."""
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00")
    desk.make("2026-11-24 12:00")
    same = replace(look, publisher=replace(look.publisher, site_title="财经早报"))
    data = feed_of_editions(desk.store, "daily", "财经早报", same, FRAME)
    assert feedparser.parse(data).feed.title == "每期摘要 · 财经早报"
