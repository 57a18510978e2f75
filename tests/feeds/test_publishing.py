"""Which files a run writes, and when."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import feedparser
import pytest
from lxml import etree
from msgspec.structs import replace

from digest.jobs import feeds
from digest.jobs.feeds import publish_feeds
from digest.publish.folder import DryOutput, FolderOutput
from digest.render.feeds import rss
from digest.render.feeds.catalogue import files_of
from digest.render.feeds.items import make_item

OVERALL = {"feed.xml", "rss.xml", "feed.json", "feeds/all/index.html"}
LISTS = {"feeds.opml", "feeds/index.html"}


def of(stem: str) -> set[str]:
    return {f"feed/{stem}.xml", f"rss/{stem}.xml", f"feed/{stem}.json", f"feeds/{stem}.html"}


def plain(files) -> set[str]:
    return {name for name in files if not name.endswith((".gz", ".br"))}


@pytest.fixture
def filled(site, post):
    site.store.put(*(post(key, categories=("markets",) if key % 2 else ("能源",)) for key in range(10)))
    site.publish()
    return site


def entry_ids(data: bytes) -> list[str]:
    return [entry.id for entry in feedparser.parse(data).entries]


# ------------------------------------------------------------- what is there


@pytest.mark.parametrize(
    ("kind", "stem", "paths"),
    [
        ("all", "all", ["feed.xml", "rss.xml", "feed.json", "feeds/all/index.html"]),
        ("category", "all", ["feed/all.xml", "rss/all.xml", "feed/all.json", "feeds/all.html"]),
        ("category", "by_tag", ["feed/by_tag.xml", "rss/by_tag.xml", "feed/by_tag.json", "feeds/by_tag.html"]),
        ("tag", "A股", ["feed/by_tag/A股.xml", "rss/by_tag/A股.xml", "feed/by_tag/A股.json", "feeds/by_tag/A股.html"]),
    ],
)
def test_no_two_feeds_share_a_file(kind, stem, paths) -> None:
    """The overall feed, a category and a tag of any name; the addresses are those of jekyll-feed."""
    assert list(files_of(kind, stem)) == paths


def test_all_formats_of_every_feed_are_published(site, post) -> None:
    site.store.put(*(post(key, categories=("markets",) if key % 2 else ("能源",)) for key in range(10)))
    report = site.publish()
    assert not report.failures
    assert plain(site.files()) == OVERALL | of("markets") | of("能源") | LISTS
    assert set(report.written) == plain(site.files())
    assert report.unchanged == 0


def test_every_file_has_its_siblings(filled) -> None:
    files = filled.files()
    assert set(files) == {f"{name}{ending}" for name in plain(files) for ending in ("", ".br", ".gz")}


def test_a_site_without_posts_has_an_empty_feed(site) -> None:
    report = site.publish()
    assert plain(site.files()) == OVERALL | LISTS
    assert set(report.written) == OVERALL | LISTS
    assert feedparser.parse(site.files()["feed.xml"]).feed.updated == "2026-03-03T09:00:00+08:00", "when it was made"
    assert site.publish().written == ()


def test_each_feed_has_its_posts_newest_first(filled, post) -> None:
    files = filled.files()
    assert entry_ids(files["feed.xml"]) == [post(key).id for key in reversed(range(10))]
    assert entry_ids(files["rss/markets.xml"]) == [post(key).id for key in (9, 7, 5, 3, 1)]
    assert [item["id"] for item in json.loads(files["feed/能源.json"])["items"]] == [
        post(key).id for key in (8, 6, 4, 2, 0)
    ]


def test_addresses_are_absolute_and_encoded(filled) -> None:
    feed = json.loads(filled.files()["feed/能源.json"])
    assert feed["feed_url"] == "https://news.example.com/feed/%E8%83%BD%E6%BA%90.json"
    assert feed["home_page_url"] == "https://news.example.com/feeds/%E8%83%BD%E6%BA%90.html"
    assert feed["title"] == "能源 · 晨报 & 快讯"
    parsed = feedparser.parse(filled.files()["feed/能源.xml"]).feed
    assert parsed.id == "https://news.example.com/feed/%E8%83%BD%E6%BA%90.xml"


def test_ids_stay_when_the_site_moves(site, post) -> None:
    """``id_base`` is where ids come from, ``feeds_url`` where files are served."""
    site.store.put(post(1))
    site.publish(feeds_url="https://feeds.example.net/x", id_base="https://news.example.com")
    parsed = feedparser.parse(site.files()["feed/markets.xml"]).feed
    assert parsed.id == "https://news.example.com/feed/markets.xml"
    assert {link.href for link in parsed.links if link.rel == "self"} == {
        "https://feeds.example.net/x/feed/markets.xml"
    }


# ---------------------------------------------------------- what is written


def test_a_second_run_touches_nothing(filled) -> None:
    before, times = filled.files(), filled.times()
    filled.store.asked.clear()
    report = filled.publish()
    assert (report.written, report.unchanged, report.removed) == ((), 0, ())
    assert (filled.files(), filled.times()) == (before, times)
    assert filled.store.asked == [], "an untouched feed costs no work"


def test_two_sites_of_the_same_posts_are_equal(filled, tmp_path) -> None:
    """Byte for byte, whatever the order in which the posts came."""
    filled.store.posts = dict(sorted(filled.store.posts.items(), reverse=True))
    filled.store.dirty |= filled.store.rows.keys()
    before, filled.root = filled.files(), tmp_path / "other"
    filled.publish()
    assert filled.files() == before


def test_a_new_post_changes_only_its_feeds(filled, post) -> None:
    before = filled.times()
    filled.store.put(post(20))
    report = filled.publish()
    assert set(report.written) == OVERALL | of("markets")
    changed = {name for name, time in filled.times().items() if before.get(name) != time}
    assert plain(changed) == OVERALL | of("markets")
    assert {kind_name for kind_name in filled.store.asked if kind_name[1] == "能源"}


def test_a_new_category_changes_the_lists(filled, post) -> None:
    filled.store.put(post(20, categories=("macro",)))
    assert set(filled.publish().written) == OVERALL | of("macro") | LISTS
    assert b"macro" in filled.files()["feeds.opml"]
    assert b"macro" in filled.files()["feeds/index.html"]


def test_the_date_of_the_list_stays_while_the_list_does(filled, post) -> None:
    before = filled.files()["feeds.opml"]
    filled.store.put(post(500))
    filled.publish()
    assert filled.files()["feeds.opml"] == before


def test_an_edit_changes_updated_and_nothing_else(filled, post) -> None:
    before = feedparser.parse(filled.files()["feed.xml"]).entries
    filled.store.put(replace(filled.store.posts[3], title="更正", updated=post(300).published))
    filled.publish()
    after = feedparser.parse(filled.files()["feed.xml"]).entries
    assert [entry.id for entry in after] == [entry.id for entry in before]
    assert [entry.published for entry in after] == [entry.published for entry in before]
    assert [new.id for old, new in zip(before, after, strict=True) if old.updated != new.updated] == [post(3).id]


def test_missing_files_are_made_again(filled) -> None:
    (filled.root / "rss/markets.xml").unlink()
    (filled.root / "feeds/index.html").unlink()
    before = filled.times()
    report = filled.publish()
    assert set(report.written) == {"rss/markets.xml", "feeds/index.html"}
    assert {name for name, time in filled.times().items() if before.get(name) != time} == {
        f"{name}{ending}" for name in report.written for ending in ("", ".br", ".gz")
    }


def test_a_changed_look_renews_everything(filled) -> None:
    report = filled.publish(site_title="晚报")
    assert set(report.written) == plain(filled.files())
    assert filled.publish().written == ()


def test_a_changed_template_renews_only_what_differs(filled) -> None:
    publish_feeds(
        filled.store, FolderOutput(filled.root), filled.templates, filled.language, filled.options,
        now=filled.now, look="templates-2",
    )  # fmt: skip
    assert not filled.store.dirty
    assert filled.store.asked


def test_a_format_that_is_switched_off_is_removed(filled) -> None:
    report = filled.publish(formats=("atom",))
    assert plain(filled.files()) == {"feed.xml", "feeds/all/index.html"} | LISTS | {
        "feed/markets.xml", "feeds/markets.html", "feed/能源.xml", "feeds/能源.html",
    }  # fmt: skip
    assert {"rss.xml", "feed.json", "rss/能源.xml", "feed/能源.json"} < set(report.removed)
    assert not [name for name in filled.files() if name.startswith("rss")]


# --------------------------------------------------------------------- tags


def test_tags_have_feeds_if_asked(site, post) -> None:
    site.store.put(post(1, tags=("A股", "央行")), post(2, tags=("央行",)))
    site.publish()
    assert not [name for name in site.files() if "by_tag" in name]
    site.publish(tags=("央行",))
    assert plain(name for name in site.files() if "by_tag" in name) == {
        "feed/by_tag/央行.xml", "rss/by_tag/央行.xml", "feed/by_tag/央行.json", "feeds/by_tag/央行.html",
    }  # fmt: skip
    assert entry_ids(site.files()["feed/by_tag/央行.xml"]) == [post(2).id, post(1).id]
    site.publish(tags=True)
    assert "feed/by_tag/A股.xml" in site.files()
    assert "标签“A股”".encode() in site.files()["feed/by_tag/A股.xml"]
    report = site.publish(tags=False)
    assert not [name for name in site.files() if "by_tag" in name]
    assert "feed/by_tag/A股.xml" in report.removed


# ------------------------------------------------------------- withdrawals


def test_a_withdrawn_post_is_said_for_a_week_and_then_dropped(filled, post) -> None:
    filled.store.put(replace(filled.store.posts[3], gone_at=filled.now))
    filled.publish()
    entries = {entry.id: entry for entry in feedparser.parse(filled.files()["feed/markets.xml"]).entries}
    assert entries[post(3).id].title == "「已撤回」第3号公告：新产线投产"
    assert feedparser.parse(filled.files()["feed.xml"]).feed.updated == "2026-03-03T09:00:00+08:00"
    filled.now += timedelta(days=7)
    assert filled.publish().written == ()
    filled.now += timedelta(seconds=1)
    assert set(filled.publish().written) == OVERALL | of("markets")
    assert post(3).id not in entry_ids(filled.files()["feed.xml"])


def test_a_category_without_posts_keeps_a_valid_empty_feed(filled) -> None:
    """Subscribed readers must not get an error; the lists do not offer it any more."""
    for key in (0, 2, 4, 6, 8):
        filled.store.put(replace(filled.store.posts[key], gone_at=filled.now))
    filled.now += timedelta(days=8)
    filled.publish()
    files = filled.files()
    parsed = feedparser.parse(files["feed/能源.xml"])
    assert (parsed.bozo, parsed.entries) == (0, [])
    assert json.loads(files["feed/能源.json"])["items"] == []
    assert "暂无内容" in files["feeds/能源.html"].decode()
    assert "能源".encode() not in files["feeds.opml"]
    assert filled.publish().written == ()


# ------------------------------------------------------------------- budget


def test_a_feed_stays_within_its_bytes_and_says_what_it_lost(site, post) -> None:
    site.store.put(*(post(key, summary="公告" * 300) for key in range(300)))
    limits = replace(site.options.limits, max_bytes=100_000)
    report = site.publish(limits=limits)
    sizes = {name: len(data) for name, data in site.files().items() if name in ("feed.xml", "rss.xml", "feed.json")}
    assert 60_000 < max(sizes.values()) <= 100_000
    counts = {len(entry_ids(site.files()[name])) for name in ("feed.xml", "rss.xml")}
    assert len(counts) == 1
    assert len(report.warnings) == 2  # overall, markets
    assert "reach back only" in report.warnings[0]


def test_500_long_posts_a_day_fit_as_summaries_and_800_are_too_many(site, post) -> None:
    """Acceptance: 500 posts in 24 hours stay within the default budget and cover the day; 800 warn."""
    day = timedelta(days=1)
    start = post(0).first_seen

    def posts(count):
        for key in range(count):
            moment = start + day * key / count
            yield post(key, summary="该公司公告称" * 30, first_seen=moment, published=moment, updated=moment)

    site.store.put(*posts(500))
    report = site.publish()
    assert report.warnings == ()
    assert len(entry_ids(site.files()["feed.xml"])) == 500
    site.store.put(*posts(800))
    report = site.publish()
    assert "its 500 posts reach back only 15.0 hours" in report.warnings[0]
    assert all(len(data) <= 768 * 1024 for name, data in site.files().items() if name.startswith(("feed", "rss")))


def test_full_text_is_asked_for_and_kept_within_bytes(site, post, store) -> None:
    store.put(*(post(key) for key in range(40)), post(50, gone_at=post(51).published))
    asked = []

    def body(known) -> str | None:
        asked.append(known.key)
        return None if known.key == 38 else f"<p>{'全文' * 5000}{known.key}</p>"

    limits = replace(site.options.limits, max_bytes=300_000)
    publish_feeds(
        store, FolderOutput(site.root), site.templates, site.language,
        replace(site.options, full_text=True, archives=False, limits=limits), now=site.now, look="", body_html=body,
    )  # fmt: skip
    entries = feedparser.parse(site.files()["feed.xml"]).entries
    assert [("content" in entry) for entry in entries[:3]] == [False, True, False]
    assert max(len(data) for data in site.files().values()) <= 300_000
    assert len(asked) < 30, "no body is made that cannot fit"
    assert 50 not in asked


# ------------------------------------------------------------------- faults


def test_one_feed_that_cannot_be_written_does_not_stop_the_others(filled, post) -> None:
    (filled.root / "feed/markets.xml").unlink()
    (filled.root / "feed/markets.xml").mkdir()
    filled.store.put(post(21), post(22, categories=("能源",)))
    report = filled.publish()
    assert len(report.failures) == 1
    assert report.failures[0].endswith("feed/markets.xml: is a directory; a folder is in the way, move it away")
    assert set(report.written) == OVERALL | of("能源") | (of("markets") - {"feed/markets.xml"})
    assert filled.store.dirty == {("category", "markets")}
    (filled.root / "feed/markets.xml").rmdir()
    report = filled.publish()
    assert (report.failures, report.written) == ((), ("feed/markets.xml",))
    assert not filled.store.dirty


def test_a_failure_at_the_end_of_a_group_is_told_apart(filled, post, monkeypatch) -> None:
    """What fails when files are renamed costs only its own feed too."""
    replace_file = os.replace

    def refuse(source, target) -> None:
        if str(target).endswith("feed/markets.json"):
            raise OSError(28, os.strerror(28))
        replace_file(source, target)

    filled.store.put(post(21), post(22, categories=("能源",)))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        report = filled.publish()
    assert len(report.failures) == 1
    assert "no space left on device" in report.failures[0]
    assert set(report.written) == OVERALL | of("能源") | (of("markets") - {"feed/markets.json"})
    assert filled.store.dirty == {("category", "markets")}
    assert filled.publish().written == ("feed/markets.json",)


def test_a_run_that_is_cut_off_is_made_up_for(filled, post, monkeypatch) -> None:
    """Nothing is marked clean before it is in place."""
    filled.store.put(post(21))

    class Killed(BaseException):
        pass

    def die(*_values) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(Killed):
            filled.publish()
    assert filled.store.dirty == {("all", ""), ("category", "markets")}
    assert set(filled.publish().written) == OVERALL | of("markets")


def test_a_list_that_cannot_be_written_is_reported(filled) -> None:
    (filled.root / "feeds.opml").unlink()
    (filled.root / "feeds.opml").mkdir()
    report = filled.publish(site_title="晚报")
    assert ["feeds.opml" in failure for failure in report.failures] == [True]


def test_a_dry_run_writes_nothing_and_says_what_it_would(filled, post, tmp_path) -> None:
    filled.store.put(post(21))
    before, times = filled.files(), filled.times()
    report = publish_feeds(
        filled.store, DryOutput(FolderOutput(filled.root)), filled.templates, filled.language, filled.options,
        now=filled.now, look="templates-1",
    )  # fmt: skip
    assert set(report.written) == OVERALL | of("markets")
    assert (filled.files(), filled.times()) == (before, times)


@pytest.mark.parametrize("name", ["..", "a/b", "con", "x" * 190, "100% #1?", "</title>&"])
def test_any_stem_stays_in_the_folder_and_is_linked_rightly(site, post, name) -> None:
    """Stems are made safe elsewhere; what is not is refused, and everything else is encoded."""
    site.store.put(post(1, categories=(name,)))
    report = site.publish()
    inside = {path.resolve() for path in site.root.rglob("*")}
    assert all(path.is_relative_to(site.root.resolve()) for path in inside)
    opml = etree.fromstring(site.files()["feeds.opml"])
    (outline,) = opml.xpath("//outline[@type='rss'][contains(@xmlUrl, '/feed/')]")
    assert " " not in outline.get("xmlUrl")
    assert "#" not in outline.get("xmlUrl")
    assert report.failures == ()


def test_files_outside_the_feeds_are_left_alone(filled) -> None:
    (filled.root / "index.html").write_bytes(b"the site's own")
    (filled.root / "feed/other.xml").write_bytes(b"somebody's")
    filled.publish(formats=("rss",))
    assert (filled.root / "index.html").read_bytes() == b"the site's own"
    assert (filled.root / "feed/other.xml").read_bytes() == b"somebody's"


# --------------------------------------------------------------------- hubs


def test_hubs_are_told_of_changed_feeds_last(filled, post) -> None:
    told = []

    def ping(addresses):
        assert "第20号".encode() in (filled.root / "feed/markets.xml").read_bytes()
        assert not filled.store.dirty
        told.extend(addresses)
        return ["hub https://hub.example.org/: answered 500"]

    filled.publish(hubs=("https://hub.example.org/",))
    filled.store.put(post(20))
    report = filled.publish(ping)
    base = "https://news.example.com/"
    assert told == [base + path for path in (
        "feed.xml", "rss.xml", "feed.json", "feed/markets.xml", "rss/markets.xml", "feed/markets.json",
    )]  # fmt: skip
    assert report.warnings == ("hub https://hub.example.org/: answered 500",)
    assert report.failures == ()
    told.clear()
    filled.publish(ping)
    assert told == [], "nothing changed"


def test_without_hubs_nobody_is_told(filled, post) -> None:
    filled.store.put(post(20))
    filled.publish(lambda _addresses: 1 / 0)


# ------------------------------------------------------- one post that breaks


@pytest.mark.parametrize(
    ("far", "zone"),
    [(datetime(1, 1, 1, tzinfo=UTC), "America/New_York"), (datetime(9999, 12, 31, 23, tzinfo=UTC), "Asia/Shanghai")],
)
def test_a_date_that_has_no_time_in_the_sites_zone_is_told_in_utc(site, post, far: datetime, zone: str) -> None:
    """Such a post may be in a store that an earlier version filled."""
    site.store.put(post(1, published=far, updated=far))
    report = site.publish(zone=ZoneInfo(zone))
    assert report.failures == ()
    assert f"<published>{far.isoformat()}</published>" in site.files()["feed.xml"].decode()


@pytest.mark.parametrize(
    ("old", "zone", "expected"),
    [
        (datetime(1965, 5, 4, 10, tzinfo=UTC), "America/New_York", "1965-05-04T06:00:00-04:00"),
        (datetime(1850, 1, 1, 12, tzinfo=UTC), "America/New_York", "1850-01-01T12:00:00+00:00"),
        (datetime(2, 1, 2, tzinfo=UTC), "Asia/Shanghai", "0002-01-02T00:00:00+00:00"),
    ],
)
def test_old_posts_enter(site, post, old: datetime, zone: str, expected: str) -> None:
    """Also from before computers count, and from before zones."""
    site.store.put(post(1, published=old, updated=old))
    assert site.publish(zone=ZoneInfo(zone)).failures == ()
    assert f"<published>{expected}</published>" in site.files()["feed.xml"].decode()


def test_a_post_of_which_no_item_can_be_made_is_there_all_the_same(site, post, monkeypatch) -> None:
    """By its id, address and title, in every format; a failure names it."""

    def broken(one, *rest):
        if one.key == 3:
            raise RuntimeError("a fault of the program")
        return make_item(one, *rest)

    monkeypatch.setattr(feeds, "make_item", broken)
    site.store.put(*(post(key) for key in range(5)))
    report = site.publish()
    (failure,) = report.failures
    assert failure.startswith(f"{post(3).path}: cannot be put into feeds: RuntimeError: a fault of the program (")
    assert "please report it" in failure
    assert sorted(entry_ids(site.files()["feed.xml"])) == sorted(post(key).id for key in range(5))
    assert post(3).title in site.files()["feeds/all/index.html"].decode()
    assert not site.publish().written


def test_a_body_that_breaks_costs_no_other_post(site, post) -> None:
    def body_html(one) -> str:
        if one.key == 1:
            raise RecursionError("maximum recursion depth exceeded")
        return f"<p>Whole text {one.key}</p>"

    site.store.put(*(post(key) for key in range(3)))
    report = publish_feeds(
        site.store,
        FolderOutput(site.root),
        site.templates,
        site.language,
        replace(site.options, full_text=True),
        now=site.now,
        look="templates-1",
        body_html=body_html,
    )
    assert [failure.partition(" (")[0] for failure in report.failures] == [
        f"{post(1).path}: cannot be put into feeds: RecursionError: maximum recursion depth exceeded"
    ]
    found = {item["id"]: item.get("content_html") for item in json.loads(site.files()["feed.json"])["items"]}
    assert found.keys() == {post(key).id for key in range(3)}
    assert [post_id for post_id, text in found.items() if text is None] == [post(1).id]


def test_an_item_that_cannot_be_written_costs_no_other_post(site, post, monkeypatch) -> None:
    """Only what it breaks is without it."""

    def format_date(moment):
        if moment.minute == 3:
            raise OverflowError("date value out of range")
        return format_datetime(moment)

    monkeypatch.setattr(rss, "format_datetime", format_date)
    site.store.put(*(post(key) for key in range(5)))
    report = site.publish()
    assert len(report.failures) == 1
    assert report.failures[0].startswith(f"{post(3).url}: cannot be put into feeds: OverflowError")
    assert "dirty" not in [row for row in site.store.feeds() if row.dirty]
    assert len(entry_ids(site.files()["rss.xml"])) == 4


def test_what_no_item_is_to_blame_for_is_not_hidden(site, post, monkeypatch) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(rss, "render_rss", broken)
    site.store.put(post(1))
    with pytest.raises(RuntimeError):
        site.publish()
