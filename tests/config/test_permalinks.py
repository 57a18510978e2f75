"""What the configuration lets through as a permalink, the parser of posts can fill in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from digest.config.checks import PERMALINK_PARTS
from digest.config.values import PERMALINK_STYLES
from digest.posts.permalinks import STYLES, Place, UnknownKey, hugo_path, jekyll_path

PLACE = Place(
    day=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
    path="news/_posts/2026-11-24-a-b.md",
    name="2026-11-24-a-b",
    slug="a-b",
    title="A b",
    categories=("news",),
    front={},
)
FILL: dict[str, Callable[[str, Place], str]] = {"jekyll": jekyll_path, "hugo": hugo_path}


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind, parts in PERMALINK_PARTS.items() for part in parts])
def test_allowed_part_can_be_filled_in(kind: str, part: str) -> None:
    assert FILL[kind](f"/x/:{part}/", PLACE).startswith("/x/")


@pytest.mark.parametrize("kind", FILL)
def test_other_parts_cannot(kind: str) -> None:
    with pytest.raises(UnknownKey):
        FILL[kind]("/x/:nonsense/", PLACE)


def test_styles_are_the_same() -> None:
    assert set(PERMALINK_STYLES) == set(STYLES)
