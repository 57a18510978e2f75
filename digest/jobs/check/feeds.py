"""Feeds read back: what a dry run would publish is parsed as readers do, and judged. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct, field

from digest.jobs.check.findings import Finding, ok, problem, warning
from digest.jobs.check.local import megabytes
from digest.jobs.feeds import FeedReport

_ATOM = "{http://www.w3.org/2005/Atom}"


class ReadBack(Struct):
    """An output that keeps nothing: each document is read as it comes. Satisfies ``ports.Output``; nothing is ever
    there, so everything is rendered."""

    base: str
    """Address under which the output is served, with a slash at its end."""
    documents: int = 0
    items: int = 0
    largest: tuple[int, str] = (0, "")
    faults: list[str] = field(default_factory=list)

    def write(self, path: str, data: bytes) -> bool:
        if path.endswith((".xml", ".json", ".opml")):
            self.documents += 1
            self.largest = max(self.largest, (len(data), path))
            self.faults += [f"{path}: {fault}" for fault in self._faults(path, data)]
        return True

    def batch(self) -> AbstractContextManager[None]:
        return nullcontext()

    def remove(self, path: str) -> bool:
        return False

    def leave(self, path: str) -> None:
        """Nothing is in place."""

    def read(self, path: str) -> bytes | None:
        return None

    def exists(self, path: str) -> bool:
        return False

    def listing(self, folder: str) -> set[str]:
        return set()

    def _faults(self, path: str, data: bytes) -> Iterator[str]:
        address = self.base + quote(path)
        try:
            read = _read_json(data) if path.endswith(".json") else _read_xml(data)
        except ValueError as error:
            yield f"not well-formed: {error}"
            return
        if path.endswith(".opml"):
            return
        self.items += len(read.ids)
        # A page of a JSON feed keeps the feed's address (JSON Feed 1.1, next_url).
        own = f"{self.base}feed.json" if path.startswith("archive/") and path.endswith(".json") else address
        if read.own != own:
            yield f"it calls itself {read.own or 'nothing'}, and should {own}"
        twice = (
            sorted({each for each in read.ids if read.ids.count(each) > 1})
            if len(set(read.ids)) < len(read.ids)
            else []
        )
        for each in twice:
            yield f"two entries have the id {each}"
        if "" in read.ids:
            yield "an entry has no id"
        for link in dict.fromkeys(read.links):
            if not is_address(link):
                yield f"{link or 'an empty address'} is no address that a reader can open"


class _Read(Struct, frozen=True, kw_only=True):
    own: str
    """What the document calls its own address."""
    ids: list[str]
    links: list[str]
    """Addresses of entries."""


def is_address(link: str) -> bool:
    """Absolute, with a host, by HTTP, and in ASCII."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and link.isascii() and " " not in link


def _read_json(data: bytes) -> _Read:
    found: dict[str, Any] = json.loads(data)
    items = found["items"]
    return _Read(
        own=found.get("feed_url", ""),
        ids=[str(item.get("id", "")) for item in items],
        links=[item["url"] for item in items if "url" in item],
    )


def _read_xml(data: bytes) -> _Read:
    from lxml import etree

    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{error.msg}") from error
    if root.tag == f"{_ATOM}feed":
        entries = root.findall(f"{_ATOM}entry")
        return _Read(
            own=_own(root),
            ids=[entry.findtext(f"{_ATOM}id") or "" for entry in entries],
            links=[
                link.get("href", "")
                for entry in entries
                for link in entry.findall(f"{_ATOM}link")
                if link.get("rel", "alternate") == "alternate"
            ],
        )
    channel = root.find("channel")
    items = [] if channel is None else channel.findall("item")
    return _Read(
        own="" if channel is None else _own(channel),
        ids=[item.findtext("guid") or "" for item in items],
        links=[item.findtext("link") or "" for item in items],
    )


def _own(element: Any) -> str:
    return next((link.get("href", "") for link in element.findall(f"{_ATOM}link") if link.get("rel") == "self"), "")


def judge_feeds(read: ReadBack, report: FeedReport) -> Iterator[Finding]:
    """What the dry run showed."""
    for failure in report.failures:
        yield problem("feeds", failure)
    if read.faults:
        yield problem("read back", f"{len(read.faults)} faults in what would be published", "", read.faults)
    else:
        size, path = read.largest
        yield ok(
            "read back",
            f"{read.documents:,} documents with {read.items:,} entries: well-formed, ids unique, addresses complete; "
            f"the largest is {path} ({megabytes(size)})",
        )
    for line in report.warnings:
        says, _, remedy = line.partition("; ")
        yield warning("window", says, remedy)
