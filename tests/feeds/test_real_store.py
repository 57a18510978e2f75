"""Publishing from a real database: what the fake promises, it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import feedparser
import pytest
from msgspec.structs import replace

from digest.models import Arrival, Changes, Post, Revision
from digest.store import open_store


@pytest.fixture
def real(site, tmp_path) -> Iterator:
    with open_store(f"sqlite:///{tmp_path / 'digest.db'}") as store:
        site.store = store
        yield site


def parsed(known, **changes) -> Post:
    post = Post(
        path=known.path,
        title=known.title,
        published=known.published,
        url=known.url,
        feed_id=known.id,
        categories=known.categories,
        tags=("A股",),
        summary=known.summary,
        text_hash="x",
    )
    return replace(post, **changes)


def arrive(site, *posts, **changes) -> None:
    arrivals = tuple(
        Arrival(post=parsed(one, **changes), id=one.id, first_seen=one.first_seen, updated=one.updated) for one in posts
    )
    site.store.record(Changes(arrivals=arrivals), site.now)


def ids(site, name) -> list[str]:
    return [entry.id for entry in feedparser.parse(site.files()[name]).entries]


def test_a_run_and_the_next(real, post) -> None:
    arrive(real, *(post(key, categories=("markets",) if key % 2 else ("能源",)) for key in range(450)))
    report = real.publish()
    assert report.failures == ()
    assert ids(real, "feed/能源.xml") == [post(key).id for key in range(448, -1, -2)]
    assert len(ids(real, "archive/000002.xml")) == 200
    assert real.publish().written == ()
    arrive(real, post(500))
    assert {name for name in real.publish().written if "all" not in name} == {
        "feed.xml", "rss.xml", "feed.json",
        "feed/markets.xml", "rss/markets.xml", "feed/markets.json", "feeds/markets.html",
    }  # fmt: skip


def test_archives_of_the_database_lose_what_is_withdrawn_or_unlisted(real, post) -> None:
    arrive(real, *(post(key) for key in range(250)))
    real.publish()
    store = real.store
    assert (store.archives().last, store.archives().dirty) == (1, ())
    assert [one.id for one in store.unarchived(100)] == [post(key).id for key in range(200, 250)]
    gone, hidden = store.archived(1)[3], store.archived(1)[5]
    revision = Revision(key=hidden.key, post=parsed(post(5), unlisted=True), updated=hidden.updated, is_edit=False)
    store.record(Changes(gone=(gone.key,), revisions=(revision,)), real.now)
    real.now += timedelta(days=8)
    report = real.publish()
    assert "archive/000001.xml" in report.written
    assert len(ids(real, "archive/000001.xml")) == 198
    back = Revision(key=gone.key, post=parsed(post(3)), updated=gone.updated, is_edit=False)
    store.record(Changes(revisions=(back,)), real.now)
    real.publish()
    assert post(3).id in ids(real, "feed.xml")
    assert post(3).id not in ids(real, "archive/000001.xml")


def test_what_was_adopted_is_kept_by_the_database(real, post) -> None:
    real.store.adopt_ids({"feed.xml": "urn:old:feed"})
    assert real.store.live_since() is None
    real.store.set_live_since(post(5).published)
    assert real.store.live_since() == post(5).published
    arrive(real, *(post(key) for key in range(8)))
    real.publish()
    assert feedparser.parse(real.files()["feed.xml"]).feed.id == "urn:old:feed"
    assert ids(real, "feed.xml") == [post(key).id for key in (7, 6, 5)]
    assert ids(real, "archive/000001.xml") == [post(key).id for key in (4, 3, 2, 1, 0)]


def test_new_addresses_renew_all_archives(real, post) -> None:
    arrive(real, *(post(key) for key in range(450)))
    real.publish(tags=True)
    assert ids(real, "feed/by_tag/A股.xml") == ids(real, "feed/markets.xml")
    report = real.publish(feeds_url="https://feeds.example.net")
    assert {"archive/000001.xml", "archive/000002.xml"} <= set(report.written)
    assert real.store.archives().dirty == ()
