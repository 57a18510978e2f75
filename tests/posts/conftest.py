"""Helpers for reading made-up posts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.models import Post, Refusal
from digest.posts import Rules, parse_post

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def rules() -> Callable[..., Rules]:
    """Rules of a Jekyll site in Shanghai; keywords change them."""

    def make(**changes: Any) -> Rules:
        zone = changes.pop("timezone", "Asia/Shanghai")
        settings: dict[str, Any] = {"site_url": "https://news.example", "now": NOW, "timezone": ZoneInfo(zone)}
        return Rules(**(settings | changes))

    return make


@pytest.fixture
def read(rules: Callable[..., Rules]) -> Callable[..., Post | Refusal]:
    """Parse text or bytes as one file; keywords change the rules."""

    def parse(data: str | bytes, path: str = "_posts/2026-03-24-rates.md", **changes: Any) -> Post | Refusal:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        return parse_post(path, raw, rules(**changes))

    return parse


@pytest.fixture
def post(read: Callable[..., Post | Refusal]) -> Callable[..., Post]:
    """As ``read``, for files that must give a post."""

    def parse(data: str | bytes, *arguments: Any, **changes: Any) -> Post:
        found = read(data, *arguments, **changes)
        assert isinstance(found, Post), found
        return found

    return parse


@pytest.fixture
def refusal(read: Callable[..., Post | Refusal]) -> Callable[..., Refusal]:
    """As ``read``, for files that must not give a post."""

    def parse(data: str | bytes, *arguments: Any, **changes: Any) -> Refusal:
        found = read(data, *arguments, **changes)
        assert isinstance(found, Refusal), found
        return found

    return parse
