"""What the tests of delivery share: the helpers beside this file can be imported, and a world to send in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HELPERS = str(Path(__file__).parent)
if HELPERS not in sys.path:
    sys.path.append(HELPERS)


@pytest.fixture
def world(store_url: str) -> Iterator[object]:
    """A store of each kind with a frozen edition to come, and a clock that only sleeping moves."""
    from delivery_world import World

    with World(store_url) as world:
        yield world


@pytest.fixture
def sqlite_world(sqlite_store_url: str) -> Iterator[object]:
    """The same on SQLite alone, for what does not depend on the store."""
    from delivery_world import World

    with World(sqlite_store_url) as world:
        yield world
