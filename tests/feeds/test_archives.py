"""Closed archives (RFC 5005): with the live feed they hold everything, each post once, and never change."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import feedparser
import pytest
from lxml import etree
from msgspec.structs import replace

from digest.jobs.feeds import publish_feeds
from digest.publish.folder import FolderOutput

ATOM = "{http://www.w3.org/2005/Atom}"


def document(site, name):
    return etree.fromstring((site.root / name).read_bytes())


def link(tree, rel: str) -> str | None:
    found = [one.get("href") for one in tree.iter(f"{ATOM}link") if one.get("rel") == rel]
    return found[0] if found else None


def ids(tree) -> list[str]:
    return [found.text for found in tree.iterfind(f"{ATOM}entry/{ATOM}id")]


def path(address: str) -> str:
    return address.removeprefix("https://news.example.com/")


def walk(site) -> list[list[str]]:
    """Ids of the live feed and of each archive behind it, by following the links."""
    documents, name = [], "feed.xml"
    while name:
        tree = document(site, name)
        documents.append(ids(tree))
        assert link(tree, "self") == f"https://news.example.com/{name}"
        name = path(link(tree, "prev-archive") or "")
    return documents


def closed(site) -> dict[str, bytes]:
    return {name: data for name, data in site.files().items() if name.startswith("archive/")}


def test_few_posts_need_no_archive(site, post) -> None:
    site.store.put(*(post(key) for key in range(199)))
    site.publish()
    assert closed(site) == {}
    assert link(document(site, "feed.xml"), "prev-archive") is None
    assert len(ids(document(site, "feed.xml"))) == 199


def test_an_archive_of_a_day_is_closed_and_linked(site, post) -> None:
    site.store.put(*(post(key) for key in range(401)))
    report = site.publish()
    assert {name for name in closed(site) if not name.endswith(("br", "gz"))} == {
        "archive/000001.xml", "archive/000001.json", "archive/000002.xml", "archive/000002.json",
    }  # fmt: skip
    assert report.failures == ()
    second = document(site, "archive/000002.xml")
    assert ids(second) == [post(key).id for key in range(399, 199, -1)]
    assert second.find("{http://purl.org/syndication/history/1.0}archive") is not None
    assert link(second, "current") == "https://news.example.com/feed.xml"
    assert link(second, "prev-archive") == "https://news.example.com/archive/000001.xml"
    assert link(second, "next-archive") == "https://news.example.com/archive/000003.xml"
    assert second.findtext(f"{ATOM}id") == document(site, "feed.xml").findtext(f"{ATOM}id")
    assert link(document(site, "archive/000001.xml"), "prev-archive") is None
    assert link(document(site, "rss.xml"), "prev-archive") == "https://news.example.com/archive/000002.xml"
    live, page = (json.loads(site.files()[name]) for name in ("feed.json", "archive/000002.json"))
    assert live["next_url"] == "https://news.example.com/archive/000002.json"
    assert page["next_url"] == "https://news.example.com/archive/000001.json"
    assert page["feed_url"] == live["feed_url"]
    assert "next_url" not in json.loads(site.files()["archive/000001.json"])
    assert link(document(site, "feed/markets.xml"), "prev-archive") is None


@pytest.mark.slow
def test_posts_in_any_order_ten_a_run_are_each_there_once(site, post) -> None:
    """Acceptance: 1,000 posts of random dates, ten a run; live feed and archives hold each; closed ones stay."""
    order = list(range(1000))
    random.Random(5).shuffle(order)
    before: dict[str, bytes] = {}
    limits = replace(site.options.limits, window=timedelta(hours=1), max_items=300)
    for run in range(100):
        seen = post(run * 5).first_seen
        site.store.put(
            *(
                post(run * 10 + place, categories=(), published=post(day * 60).published, first_seen=seen)
                for place, day in enumerate(order[run * 10 : run * 10 + 10])
            )
        )
        site.publish(limits=limits, formats=("atom",))
        now = closed(site)
        assert {name: now[name] for name in before} == before
        before = now
    live, *archives = walk(site)
    assert [len(archive) for archive in archives] == [200] * 5
    assert sorted({entry for archive in [live, *archives] for entry in archive}) == sorted(
        one.id for one in site.store.posts.values()
    )
    assert len({entry for archive in archives for entry in archive}) == 1000


def test_the_live_feed_reaches_back_to_the_last_archive(site, post) -> None:
    """Even if that is more than its window asks for."""
    limits = replace(site.options.limits, window=timedelta(minutes=1), min_items=5)
    site.store.put(*(post(key) for key in range(350)))
    site.publish(limits=limits)
    live, archive = walk(site)
    assert len(live) == 150
    assert len(archive) == 200
    assert not set(live) & set(archive)


def test_what_has_no_room_is_archived_early(site, post) -> None:
    """A feed of long posts holds a few of them; the rest goes into smaller archives, and nothing is lost."""
    limits = replace(site.options.limits, max_bytes=100_000)
    for count in (100, 150, 160, 165):
        site.store.put(*(post(key, summary="公告" * 300) for key in range(count)))
        report = site.publish(limits=limits, formats=("atom", "json"))
        assert report.failures == ()
        documents = walk(site)
        assert {one for part in documents for one in part} == {post(key).id for key in range(count)}
        assert sum(map(len, documents[1:])) == len({one for part in documents[1:] for one in part})
    plain = {name: data for name, data in site.files().items() if name.endswith((".xml", ".json"))}
    assert max(len(data) for name, data in plain.items() if name.startswith(("feed.", "archive"))) <= 100_000
    assert len(documents) < 20, "archives are at least half as long as the feed"


def test_full_text_is_archived_too(site, post, store) -> None:
    store.put(*(post(key) for key in range(60)))
    limits = replace(site.options.limits, max_bytes=200_000)
    report = publish_feeds(
        store, FolderOutput(site.root), site.templates, site.language,
        replace(site.options, full_text=True, limits=limits), now=site.now, look="",
        body_html=lambda known: f"<p>{'全文' * 2000}{known.key}</p>",
    )  # fmt: skip
    assert report.failures == ()
    documents = walk(site)
    assert {one for part in documents for one in part} == {post(key).id for key in range(60)}
    for name in ("archive/000001.xml", "archive/000001.json"):
        assert len(site.files()[name]) <= 200_000
    entry = feedparser.parse(site.files()["archive/000001.xml"]).entries[0]
    assert entry.content[0].value.startswith("<p>全文")


def test_the_cost_does_not_grow_with_the_archives(site, post) -> None:
    """Neither read from the store nor from disk nor written: only what changed is touched."""
    site.store.put(*(post(key) for key in range(1000)))
    site.publish(formats=("atom",))
    before = site.times()
    site.store.asked.clear()
    site.store.put(post(1001))
    report = site.publish()
    assert [name for kind, name in site.store.asked if kind == "archive"] == []
    assert not [name for name in report.written if name.startswith("archive")]
    assert {name: time for name, time in site.times().items() if name.startswith("archive")} == {
        name: time for name, time in before.items() if name.startswith("archive")
    }


def test_edits_and_looks_do_not_change_a_closed_archive(site, post) -> None:
    site.store.put(*(post(key) for key in range(250)))
    site.publish()
    before = closed(site)
    site.store.put(replace(site.store.posts[3], title="更正", updated=post(900).published))
    site.publish(site_title="晚报")
    assert closed(site) == before


def test_a_withdrawn_post_leaves_its_archive_after_a_week(site, post) -> None:
    site.store.put(*(post(key) for key in range(450)))
    site.publish()
    before = closed(site)
    site.store.put(replace(site.store.posts[3], gone_at=site.now))
    site.publish()
    assert closed(site) == before
    site.now += timedelta(days=8)
    report = site.publish()
    assert {"archive/000001.xml", "archive/000001.json"} <= set(report.written)
    assert post(3).id not in ids(document(site, "archive/000001.xml"))
    assert closed(site)["archive/000002.xml"] == before["archive/000002.xml"]


def test_missing_archives_are_made_again(site, post) -> None:
    site.store.put(*(post(key) for key in range(650)))
    site.publish()
    before = site.files()
    for name in ("archive/000001.xml", "archive/000003.xml"):
        (site.root / name).unlink()
    report = site.publish()
    assert set(report.written) == {"archive/000001.xml", "archive/000003.xml"}
    assert site.files() == before


def test_an_archive_that_cannot_be_written_is_made_up_for(site, post) -> None:
    site.store.put(*(post(key) for key in range(250)))
    site.root.mkdir()
    (site.root / "archive").write_bytes(b"in the way")
    report = site.publish()
    assert "a file is in the way of a folder" in report.failures[0]
    assert "feed.xml" in report.written
    (site.root / "archive").unlink()
    report = site.publish()
    assert (report.failures, set(report.written)) == ((), {"archive/000001.xml", "archive/000001.json"})
    assert [len(part) for part in walk(site)] == [250, 200]


def test_new_addresses_renew_the_archives(site, post) -> None:
    site.store.put(*(post(key) for key in range(250)))
    site.publish()
    site.publish(feeds_url="https://feeds.example.net/", id_base="https://news.example.com/")
    tree = document(site, "archive/000001.xml")
    assert link(tree, "self") == "https://feeds.example.net/archive/000001.xml"
    assert tree.findtext(f"{ATOM}id") == "https://news.example.com/feed.xml"
    site.publish(formats=("rss",))
    assert document(site, "archive/000001.xml").tag == "rss"
    assert "archive/000001.json" not in site.files()


def test_archives_can_be_switched_off(site, post) -> None:
    site.store.put(*(post(key) for key in range(250)))
    report = site.publish(archives=False)
    assert not [name for name in report.written if name.startswith("archive")]
    assert link(document(site, "feed.xml"), "prev-archive") is None
    site.publish(archives=True)
    assert [len(part) for part in walk(site)] == [250, 200]


@pytest.mark.parametrize("late", [True, False])
def test_a_post_that_is_listed_late_is_published(site, post, late) -> None:
    """One that was unlisted when its time was, or came with an old date, is in the live feed until it is archived."""
    site.store.put(*(post(key, unlisted=key == 5) for key in range(650)))
    site.publish()
    site.store.put(replace(site.store.posts[5], unlisted=False) if late else post(900, first_seen=post(5).first_seen))
    site.publish()
    assert post(5 if late else 900).id in walk(site)[0]
