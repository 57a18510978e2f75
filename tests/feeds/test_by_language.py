"""Feeds of languages, and of categories in a language."""

from __future__ import annotations

import json
from datetime import timedelta

import feedparser
import pytest

from digest.errors import OutputError
from digest.publish.folder import FolderOutput

SPOKEN = ("en", "zh-CN", None, "de")
"""Of the posts 0 to 3; the site is in zh-CN."""


@pytest.fixture
def filled(site, post):
    site.store.put(
        *(post(key, lang=lang, categories=("markets",) if key else ("能源",)) for key, lang in enumerate(SPOKEN))
    )
    return site


def feeds_by_language(site) -> set[str]:
    return {name for name in site.files() if "lang/" in name and name.endswith(".xml") and name.startswith("feed/")}


def ids(data: bytes) -> list[str]:
    return [item["id"] for item in json.loads(data)["items"]]


def test_none_by_default(filled) -> None:
    filled.publish()
    assert not [name for name in filled.files() if "lang" in name]


def test_each_language_and_its_categories_have_feeds(filled, post) -> None:
    """Those with posts; a post that names no language is in the site's."""
    report = filled.publish(languages=True)
    assert not report.failures
    assert feeds_by_language(filled) == {
        *("feed/lang/en.xml", "feed/lang/zh-CN.xml", "feed/lang/de.xml"),
        *("feed/lang/en/能源.xml", "feed/lang/zh-CN/markets.xml", "feed/lang/de/markets.xml"),
    }
    files = filled.files()
    assert ids(files["feed/lang/zh-CN.json"]) == [post(2).id, post(1).id]
    assert ids(files["feed/lang/en/能源.json"]) == [post(0).id]
    assert json.loads(files["feed/lang/de.json"])["language"] == "de"
    assert feedparser.parse(files["feed/lang/de.xml"]).feed.language == "de"
    assert b"Deutsch" in files["feed/lang/de/markets.xml"]
    assert b'lang="de"' in files["feeds/lang/de.html"]


def test_entries_say_their_language_in_every_format(filled, post) -> None:
    """Where it is not the feed's."""
    filled.publish(languages=True)
    files = filled.files()
    assert {item["id"]: item.get("language") for item in json.loads(files["feed.json"])["items"]} == {
        post(0).id: "en",
        post(1).id: None,
        post(2).id: None,
        post(3).id: "de",
    }
    assert files["feed.xml"].count(b'<entry xml:lang="en">') == files["feed.xml"].count(b'<entry xml:lang="de">') == 1
    assert files["rss.xml"].count(b"<dc:language>") == 2


def test_only_what_changed_is_written(filled, post) -> None:
    """And a second run writes nothing."""
    filled.publish(languages=True)
    assert not filled.publish(languages=True).written
    filled.store.put(post(9, lang="de", categories=("markets",)))
    written = filled.publish(languages=True).written
    assert {"feed/lang/de.xml", "feed/lang/de/markets.xml"} <= set(written)
    assert not [name for name in written if "/en" in name or "zh-CN" in name]


def test_a_missing_file_is_made_again(filled) -> None:
    filled.publish(languages=True)
    (filled.root / "rss/lang/en.xml").unlink()
    assert filled.publish(languages=True).written == ("rss/lang/en.xml",)


def test_they_are_listed(filled) -> None:
    """For people and for readers, under the names that languages have for themselves."""
    filled.publish(languages=True)
    files = filled.files()
    assert b"feed/lang/en/%E8%83%BD%E6%BA%90.xml" in files["feeds.opml"]
    assert b"English" in files["feeds/index.html"]


def test_what_is_asked_for_no_longer_is_removed(filled) -> None:
    """One language, then all of them."""
    filled.publish(languages=True)
    filled.publish(languages=("de",))
    assert feeds_by_language(filled) == {"feed/lang/de.xml", "feed/lang/de/markets.xml"}
    filled.publish(languages=False)
    assert not [name for name in filled.files() if "lang/" in name]


def test_a_feed_that_lost_its_posts_stays(filled, post) -> None:
    """Empty, so that readers get no error."""
    filled.publish(languages=True)
    filled.store.put(post(3, lang="de", gone_at=filled.now))
    filled.now += timedelta(days=8)
    filled.publish(languages=True)
    assert ids(filled.files()["feed/lang/de.json"]) == []


def test_a_feed_that_could_not_be_written_is_made_up_for(filled, monkeypatch) -> None:
    """Though the others could be."""
    write = FolderOutput.write
    broken = True

    def failing(self, path: str, data: bytes) -> bool:
        if broken and path == "feed/lang/en.xml":
            raise OutputError(path, "no space left")
        return write(self, path, data)

    monkeypatch.setattr(FolderOutput, "write", failing)
    assert filled.publish(languages=True).failures
    broken = False
    assert "feed/lang/en.xml" in filled.publish(languages=True).written
