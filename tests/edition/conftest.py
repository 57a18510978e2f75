"""A real store with made posts, and what editions are made and published with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.edition.contents import Publisher
from digest.jobs.editions.make import (
    Audience,
    DigestPlan,
    EditionsReport,
    make_editions,
    publish_editions,
)
from digest.languages import CatalogueLanguage
from digest.models import Arrival, Changes, FileRecord, FileStat, KnownPost, Post
from digest.period import daily
from digest.ports import Output
from digest.publish.folder import FolderOutput
from digest.render.context import RenderContext
from digest.store import SqlStore, open_store
from digest.templates import FolderTemplates

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def store(sqlite_store_url: str) -> Iterator[SqlStore]:
    with open_store(sqlite_store_url) as opened:
        yield opened


@pytest.fixture
def look() -> RenderContext:
    language = CatalogueLanguage("zh-CN")
    publisher = Publisher(
        site_title="财经档案",
        site_url="https://news.example.com/",
        pages_url="https://news.example.com/",
        zone=SHANGHAI,
        contact="desk@news.example.com",
    )
    return RenderContext(publisher=publisher, templates=FolderTemplates(language), language=language)


class Desk:
    """Puts posts into the store and runs the job, at times of Shanghai."""

    def __init__(self, store: SqlStore, look: RenderContext, folder: Path) -> None:
        self.store = store
        self.look = look
        self.output: Output = FolderOutput(folder)
        self.folder = folder
        self.plan = DigestPlan(name="daily", title="财经早报", schedule=daily(time(8)), group_stories=False)
        self.audience = Audience(
            addresses=("reader@example.org", "other@example.org"), domain="news.example.com", new_token=lambda: "token"
        )
        self._posts = 0

    def at(self, text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)

    def collect(self, now: str, *published: str, **fields: Any) -> list[int]:
        """Posts that arrive in a run at ``now``; their keys."""
        arrivals = [self._arrival(self.at(moment), self.at(now), **fields) for moment in published]
        files = tuple(
            FileRecord(path=arrival.post.path, stat=FileStat(size=1, mtime_ns=1, inode=1), hash="", taken=True)
            for arrival in arrivals
        )
        self.store.record(Changes(arrivals=tuple(arrivals), files=files), self.at(now))
        found = self.store.posts_at([arrival.post.path for arrival in arrivals])
        return [found[arrival.post.path].key for arrival in arrivals]

    def _arrival(self, published: datetime, now: datetime, **fields: Any) -> Arrival:
        self._posts += 1
        name = f"{self._posts:04}"
        values: dict[str, Any] = {
            "path": f"_posts/{name}.md",
            "title": f"标题{name}",
            "published": published,
            "url": f"https://news.example.com/{name}.html",
            "feed_id": f"id{name}",
            "categories": ("要闻",),
            "summary": "摘要。",
            "text_hash": name,
        }
        post = Post(**values | fields)
        return Arrival(post=post, id=post.feed_id, first_seen=now, updated=post.published)

    def make(self, now: str, *plans: DigestPlan) -> EditionsReport:
        return make_editions(self.store, plans or (self.plan,), self.look, self.audience, self.at(now))

    def publish(self, report: EditionsReport | None = None, **options: Any) -> EditionsReport:
        return publish_editions(self.store, self.output, (self.plan,), self.look, report or EditionsReport(), **options)

    def page(self, period: str) -> str:
        return (self.folder / "editions" / "daily" / period / "index.html").read_text(encoding="utf-8")

    def index(self) -> str:
        return (self.folder / "editions" / "daily" / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def desk(store: SqlStore, look: RenderContext, tmp_path: Path) -> Desk:
    return Desk(store, look, tmp_path / "public")


@pytest.fixture
def make_post() -> Callable[..., KnownPost]:
    def post(key: int, **fields: Any) -> KnownPost:
        published = fields.pop("published", datetime(2026, 11, 24, tzinfo=UTC) - timedelta(minutes=key))
        values: dict[str, Any] = {
            "key": key,
            "id": str(key),
            "path": f"_posts/{key}.md",
            "title": f"标题{key}",
            "url": f"https://news.example.com/{key}.html",
            "summary": "摘要。",
            "published": published,
            "updated": published,
            "first_seen": published,
            "collected_at": published,
            "categories": ("要闻",),
        }
        return KnownPost(**values | fields)

    return post
