"""Which files a run writes, and when."""

from __future__ import annotations


def test_all_formats_of_every_feed_are_published(site, post) -> None:
    site.store.put(*(post(key, categories=("markets",) if key % 2 else ("能源",)) for key in range(10)))
    report = site.publish()
    assert not report.failures
    plain = {name for name in site.files() if not name.endswith((".gz", ".br"))}
    assert plain == {
        "feed.xml", "rss.xml", "feed.json", "feeds/all/index.html",
        "feed/markets.xml", "rss/markets.xml", "feed/markets.json", "feeds/markets.html",
        "feed/能源.xml", "rss/能源.xml", "feed/能源.json", "feeds/能源.html",
        "feeds.opml", "feeds/index.html",
    }  # fmt: skip
    assert set(report.written) == plain
