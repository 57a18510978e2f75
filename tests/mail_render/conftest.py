"""Editions to render: made posts in the shape of real ones, in Chinese and English."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.edition.contents import Edition, Publisher, Recipe, build_edition
from digest.languages import CatalogueLanguage
from digest.models import KnownPost
from digest.render.message import EditionMessage, Letterhead, Mailbox
from digest.templates import FolderTemplates

FROZEN = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
SUMMARY = "记者从多位业内人士处了解到，相关需求明显回暖，企业订单较上季度增长约两成，四季度仍有改善空间。（晨钟财讯）"


@pytest.fixture
def make_post() -> Callable[..., KnownPost]:
    def post(key: int, **changes: Any) -> KnownPost:
        published = changes.pop("published", FROZEN - timedelta(minutes=key))
        values: dict[str, Any] = {
            "key": key,
            "id": f"https://news.example.com/{key}",
            "path": f"_posts/{key}.md",
            "title": f"第{key}条：新能源汽车销量再创新高，渗透率突破六成",
            "url": f"https://news.example.com/news/2026/11/24/{key}.html",
            "summary": SUMMARY,
            "published": published,
            "updated": published,
            "first_seen": published,
            "collected_at": published,
            "categories": (("markets", "stocks", "funds", "macro")[key % 4],),
            "source_name": "晨钟财讯",
            **changes,
        }
        return KnownPost(**values)

    return post


@pytest.fixture
def make_edition(make_post: Callable[..., KnownPost]) -> Callable[..., Edition]:
    def edition(count: int = 12, posts: list[KnownPost] | None = None, **changes: Any) -> Edition:
        values: dict[str, Any] = {
            "digest": "daily",
            "title": "财经早报",
            "period": "2026-11-24",
            "days": (date(2026, 11, 24), date(2026, 11, 24)),
            "frozen_at": FROZEN,
            **changes,
        }
        recipe = Recipe(group=values.pop("group", False))
        told = [make_post(key) for key in range(1, count + 1)] if posts is None else posts
        return build_edition(told, recipe, **values)

    return edition


@pytest.fixture
def publisher() -> Publisher:
    return Publisher(
        site_title="财经档案",
        site_url="https://news.example.com/",
        pages_url="https://feeds.example.com/",
        zone=ZoneInfo("Asia/Shanghai"),
        contact="desk@news.example.com",
    )


@pytest.fixture(params=["zh-CN", "en"])
def language(request: pytest.FixtureRequest) -> CatalogueLanguage:
    return CatalogueLanguage(request.param)


@pytest.fixture
def chinese() -> CatalogueLanguage:
    return CatalogueLanguage("zh-CN")


@pytest.fixture
def templates(language: CatalogueLanguage) -> FolderTemplates:
    return FolderTemplates(language)


@pytest.fixture
def letterhead() -> Letterhead:
    return Letterhead(
        sender=Mailbox(address="digest@news.example.com", name="财经早报"),
        digest="daily",
        title="财经早报",
        site_host="news.example.com",
    )


@pytest.fixture
def make_message(letterhead: Letterhead) -> Callable[..., EditionMessage]:
    def message(**changes: Any) -> EditionMessage:
        values: dict[str, Any] = {
            "subject": "财经早报 · 11月24日星期二",
            "html": "<!DOCTYPE html><p>正文</p><!--%%FOOT%%--><p>%%ADDRESS%%</p>",
            "text": "正文\n%%FOOT%%\n%%ADDRESS%%\n",
            "period": "2026-11-24",
            "date": FROZEN,
            "archive_url": "https://news.example.com/editions/daily/2026-11-24/",
            "letterhead": letterhead,
            **changes,
        }
        return EditionMessage(**values)

    return message
