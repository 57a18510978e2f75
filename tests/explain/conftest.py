"""A site with subscribers, on each kind of database and on SQLite alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.subscribers.reader_world import World, opened


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    with opened(tmp_path, store_url) as made:
        yield made


@pytest.fixture
def quick(tmp_path: Path, empty_sqlite: Path) -> Iterator[World]:
    (tmp_path / "var").mkdir(exist_ok=True)
    path = tmp_path / "var" / "quick.db"
    path.write_bytes(empty_sqlite.read_bytes())
    with opened(tmp_path, f"sqlite:///{path}") as made:
        yield made
