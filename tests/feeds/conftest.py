"""A store of posts in memory that keeps feeds as the real one does, and the parts to publish them with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from digest.jobs.feeds import FeedOptions, FeedReport, Ping, publish_feeds
from digest.languages import CatalogueLanguage
from digest.models import InLanguage, KnownPost
from digest.ports import Archives, FeedRow
from digest.publish.folder import FolderOutput
from digest.render.feeds.window import WindowLimits
from digest.templates import FolderTemplates

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SITE = "https://news.example.com"


class FakeFeedStore:
    """Satisfies ``ports.FeedStore``."""

    def __init__(self) -> None:
        self.posts: dict[int, KnownPost] = {}
        self.retired: set[int] = set()
        self.dirty: set[tuple[str, str]] = set()
        self.rows: dict[tuple[str, str], str] = {("all", ""): "all"}
        self.fingerprint = ""
        self.adopted: dict[str, str] = {}
        self.since: datetime | None = None
        self.in_archive: dict[int, int] = {}
        """Number of the archive by key of the post."""
        self.closed = 0
        self.dirty_archives: set[int] = set()
        self.asked: list[tuple[str, str]] = []
        """Feeds whose posts were asked for."""
        self.firsts: dict[str, str] = {}

    def keep_first(self, name: str, value: str) -> str:
        return self.firsts.setdefault(name, value)

    def put(self, *posts: KnownPost) -> None:
        for post in posts:
            for known in (self.posts.get(post.key), post):
                if known is not None:
                    self._touch(known)
            self.posts[post.key] = post

    def _touch(self, post: KnownPost) -> None:
        for feed in self.feeds_of(post):
            self.rows.setdefault(feed, feed[1])
            self.dirty.add(feed)

    @staticmethod
    def feeds_of(post: KnownPost) -> list[tuple[str, str]]:
        return [("all", ""), *(("category", name) for name in post.categories), *(("tag", name) for name in post.tags)]

    def members(self, kind: str, name: str) -> list[KnownPost]:
        return [
            post
            for post in self.posts.values()
            if (kind, name) in self.feeds_of(post) and post.key not in self.retired and not post.unlisted
        ]

    def look(self) -> str:
        return self.fingerprint

    def set_look(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.dirty |= self.rows.keys()

    def retire_withdrawn(self, before: datetime) -> int:
        late = {
            post.key
            for post in self.posts.values()
            if post.gone_at is not None and post.gone_at < before and post.key not in self.retired
        }
        for key in late:
            self._touch(self.posts[key])
        self.retired |= late
        for key in late | {post.key for post in self.posts.values() if post.unlisted}:
            if key in self.in_archive:
                self.dirty_archives.add(self.in_archive.pop(key))
        return len(late)

    def adopted_ids(self, urls: Sequence[str]) -> dict[str, str]:
        return {url: self.adopted[url] for url in urls if url in self.adopted}

    def adopt_ids(self, ids: Mapping[str, str]) -> None:
        self.adopted.update(ids)

    def live_since(self) -> datetime | None:
        return self.since

    def set_live_since(self, moment: datetime) -> None:
        self.since = moment

    def archives(self) -> Archives:
        return Archives(last=self.closed, dirty=tuple(sorted(self.dirty_archives)))

    def unarchived(self, limit: int) -> list[KnownPost]:
        posts = [post for post in self._in_archive(None) if post.gone_at is None]
        return posts[:limit]

    def close_archives(self, groups: Sequence[Sequence[int]]) -> list[int]:
        first = self.closed + 1
        for keys in groups:
            self.closed += 1
            self.dirty_archives.add(self.closed)
            self.in_archive.update(dict.fromkeys(keys, self.closed))
        return list(range(first, self.closed + 1))

    def archived(self, number: int) -> list[KnownPost]:
        self.asked.append(("archive", str(number)))
        return self._in_archive(number)

    def mark_archives(self, numbers: Sequence[int] | None, *, dirty: bool) -> None:
        marked = set(range(1, self.closed + 1) if numbers is None else numbers)
        self.dirty_archives = self.dirty_archives | marked if dirty else self.dirty_archives - marked

    def _in_archive(self, number: int | None) -> list[KnownPost]:
        return sorted(
            (post for post in self.members("all", "") if self.in_archive.get(post.key) == number),
            key=lambda post: (post.first_seen, post.key),
        )

    def feeds(self) -> list[FeedRow]:
        kinds = ("all", "category", "tag")
        return [
            FeedRow(
                kind=kind,
                name=name,
                stem=stem,
                posts=sum(1 for post in self.members(kind, name) if post.gone_at is None),
                dirty=(kind, name) in self.dirty,
            )
            for (kind, name), stem in sorted(self.rows.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1]))
        ]

    def languages(self) -> list[str]:
        return sorted({post.lang for post in self.posts.values() if post.lang})

    def newest(self, kind: str, name: str, limit: int, language: InLanguage | None = None) -> list[KnownPost]:
        self.asked.append((kind, name))
        members = [post for post in self.members(kind, name) if language is None or language.takes(post.lang)]
        return sorted(members, key=lambda post: (post.first_seen, post.published, post.key), reverse=True)[:limit]

    def mark_clean(self, feeds: Iterable[FeedRow]) -> None:
        self.dirty -= {(row.kind, row.name) for row in feeds}


def make_post(key: int, **changes: Any) -> KnownPost:
    """Post number ``key``; one a minute from ``START`` on."""
    moment = START + timedelta(minutes=key)
    slug = f"{moment:%Y%m%d%H%M}{key:05}"
    post = KnownPost(
        key=key,
        id=f"{SITE}/markets/2026/03/02/{slug}",
        path=f"_posts/{slug}.md",
        title=f"第{key}号公告：新产线投产",
        url=f"{SITE}/markets/2026/03/02/{slug}.html",
        summary=f"公司在{key}号公告中表示，新产线已于上午投产，全年产能将提高一成。",
        published=moment,
        updated=moment,
        first_seen=moment,
        collected_at=moment,
        categories=("markets",),
    )
    return replace(post, **changes)


@pytest.fixture
def post() -> Callable[..., KnownPost]:
    return make_post


@pytest.fixture
def store() -> FakeFeedStore:
    return FakeFeedStore()


@pytest.fixture
def language() -> CatalogueLanguage:
    return CatalogueLanguage("zh-CN")


@pytest.fixture
def options() -> FeedOptions:
    return FeedOptions(
        site_title="晨报 & 快讯",
        site_url=SITE,
        description="每天的财经新闻",
        author="编辑部",
        author_email="desk@news.example.com",
        zone=ZoneInfo("Asia/Shanghai"),
        limits=WindowLimits(window=timedelta(hours=48), min_items=50, max_items=500, max_bytes=768 * 1024),
        ttl=15,
    )


@pytest.fixture
def output(tmp_path: Path) -> FolderOutput:
    return FolderOutput(tmp_path / "public")


@cache
def templates_in(tag: str) -> FolderTemplates:
    """Compiled once for all tests."""
    return FolderTemplates(CatalogueLanguage(tag))


class Site:
    """A store, a folder and settings, published on demand."""

    def __init__(self, store: FakeFeedStore, root: Path, language: CatalogueLanguage, options: FeedOptions) -> None:
        self.store, self.root, self.language, self.options = store, root, language, options
        self.templates = templates_in(language.tag)
        self.now = START + timedelta(days=1)

    def publish(self, ping: Ping | None = None, **changes: Any) -> FeedReport:
        self.options = replace(self.options, **changes)
        return publish_feeds(
            self.store,
            FolderOutput(self.root),
            self.templates,
            self.language,
            self.options,
            now=self.now,
            look="templates-1",
            ping=ping,
        )

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    def times(self) -> dict[str, int]:
        return {
            path.relative_to(self.root).as_posix(): path.stat().st_mtime_ns
            for path in self.root.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def site(store: FakeFeedStore, tmp_path: Path, language: CatalogueLanguage, options: FeedOptions) -> Site:
    return Site(store, tmp_path / "public", language, options)
