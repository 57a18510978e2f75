"""A site to watch over, on each kind of database, and a service that takes pings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.subscribers.reader_world import World
from tests.watch.watched import CONFIG, Pinged, pinged, world_of


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    with world_of(tmp_path, store_url, CONFIG) as made:
        yield made


@pytest.fixture
def quick(tmp_path: Path, sqlite_store_url: str) -> Iterator[World]:
    """The same on SQLite alone."""
    with world_of(tmp_path, sqlite_store_url, CONFIG) as made:
        yield made


@pytest.fixture
def pings() -> Iterator[Pinged]:
    with pinged() as service:
        yield service
