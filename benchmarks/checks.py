"""Was the work done? A fast run counts only if its feeds and its report are right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

MIN_ITEMS, MAX_ITEMS = 50, 500
"""The program's defaults, which the benchmark does not change."""

FOLDERS = ("feed", "rss", "feeds")
"""Where the feeds and pages of categories lie."""
ATOM = "{http://www.w3.org/2005/Atom}"
_NUMBER = re.compile(r"(\d{18})\.html$")

Snapshot = dict[str, tuple[int, int, int]]
Entry = tuple[str, datetime]
"""Number of the post (from its address), and its date."""


class WorkNotDone(Exception):
    """A run ended, but what it left behind is wrong."""


@dataclass(frozen=True)
class Known:
    """What the benchmark knows of a post that it wrote."""

    number: str
    category: str
    when: datetime


def snapshot(folders: Iterable[Path]) -> Snapshot:
    """Every file with size, time and inode: equal before and after means that nothing was touched."""
    found: Snapshot = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                stat = path.stat()
                found[str(path)] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def check_report(report: Mapping[str, Any], *, found: int, arrived: int) -> None:
    """The run's own report: everything found and taken, ``arrived`` of them new, no failure."""
    collected = report["collected"]
    expected = {"found": found, "taken": found, "arrived": arrived, "edited": 0, "gone": 0, "skipped": 0}
    got = {key: collected[key] for key in expected}
    if got != expected:
        raise WorkNotDone(f"the report says {got}, expected {expected}")
    if not report["ok"] or report["failures"]:
        raise WorkNotDone(f"the run reports failures: {report['failures']}")


def check_untouched(before: Snapshot, after: Snapshot, report: Mapping[str, Any]) -> None:
    """A run that found nothing new leaves every published file and every mail alone."""
    if written := report["feeds"]["written"]:
        raise WorkNotDone(f"nothing was new, yet the report says written: {', '.join(written[:5])}")
    if before != after:
        differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        raise WorkNotDone(f"nothing was new, yet {len(differ)} files were touched: {', '.join(differ[:5])}")


def check_written(report: Mapping[str, Any], new: Iterable[Known]) -> None:
    """A run writes only the feeds of categories that ``new`` posts are in."""
    touched = {post.category for post in new} | {"index"}
    paths = [PurePosixPath(path) for path in report["feeds"]["written"]]
    others = [path for path in paths if len(path.parts) == 2 and path.parts[0] in FOLDERS and path.stem not in touched]
    if others:
        raise WorkNotDone(f"{others[0]} and {len(others) - 1} others of untouched categories were written")


def check_feeds(output: Path, posts: Iterable[Known], new: Iterable[Known] = ()) -> int:
    """All feeds in all formats: as many entries as posts allow, newest first, the newest post among them, and
    every one of ``new``. Returns how many feeds there were."""
    by_category: dict[str, list[Known]] = {"": []}
    for post in posts:
        by_category[""].append(post)
        by_category.setdefault(post.category, []).append(post)
    for category, members in by_category.items():
        expected = {post.number for post in new if category in ("", post.category)}
        feeds = {name: read(output / name) for name in feed_names(category)}
        for name, entries in feeds.items():
            _check_feed(name, entries, members, expected)
        if len({tuple(number for number, _ in entries) for entries in feeds.values()}) != 1:
            raise WorkNotDone(f"{', '.join(feeds)} do not hold the same entries")
    return 3 * len(by_category)


def _check_feed(name: str, entries: list[Entry], members: list[Known], expected: set[str]) -> None:
    numbers = [number for number, _ in entries]
    dates = [when for _, when in entries]
    least = min(MIN_ITEMS, len(members))
    if not least <= len(entries) <= MAX_ITEMS:
        raise WorkNotDone(f"{name} has {len(entries)} entries, expected {least} to {MAX_ITEMS}")
    if len(set(numbers)) != len(numbers):
        raise WorkNotDone(f"{name} has an entry twice")
    if dates != sorted(dates, reverse=True):
        raise WorkNotDone(f"{name} is not sorted, newest first")
    newest = max(post.when for post in members)
    if dates[0] != newest:
        raise WorkNotDone(f"{name} begins with {dates[0]}, the newest post is of {newest}")
    if left_out := expected - set(numbers):
        raise WorkNotDone(f"{name} lacks {len(left_out)} of {len(expected)} new posts")


def feed_names(category: str) -> tuple[str, str, str]:
    """Atom, RSS and JSON below the output folder; an empty name means the feed of all posts."""
    if not category:
        return "feed.xml", "rss.xml", "feed.json"
    return f"feed/{category}.xml", f"rss/{category}.xml", f"feed/{category}.json"


def read(path: Path) -> list[Entry]:
    """The entries of a feed file in any of the three formats."""
    if not path.exists():
        raise WorkNotDone(f"{path} is not there")
    if path.suffix == ".json":
        items = json.loads(path.read_bytes())["items"]
        return [_entry(item["url"], datetime.fromisoformat(item["date_published"])) for item in items]
    root = ElementTree.parse(path).getroot()
    if root.tag == "rss":
        items = root.findall("channel/item")
        return [_entry(_text(item, "link"), parsedate_to_datetime(_text(item, "pubDate"))) for item in items]
    return [
        _entry(_alternate(entry), datetime.fromisoformat(_text(entry, f"{ATOM}published")))
        for entry in root.findall(f"{ATOM}entry")
    ]


def _entry(url: str, when: datetime) -> Entry:
    found = _NUMBER.search(url)
    if found is None:
        raise WorkNotDone(f"{url} is not the address of a post of this archive")
    return found[1], when


def _text(element: ElementTree.Element, tag: str) -> str:
    text = element.findtext(tag)
    if text is None:
        raise WorkNotDone(f"an entry has no {tag.rpartition('}')[2]}")
    return text


def _alternate(entry: ElementTree.Element) -> str:
    for link in entry.findall(f"{ATOM}link"):
        if link.get("rel", "alternate") == "alternate":
            return link.get("href", "")
    raise WorkNotDone("an entry has no link")
