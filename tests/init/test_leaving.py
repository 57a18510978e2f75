"""What ``digest init`` sees of how posts leave their folder."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from digest.app.starting import draft
from digest.cli import main
from digest.config import load
from digest.generators.leaving import Habit, habit_of
from tests.init.test_init import NOW, jekyll, post, site

__all__ = ["site"]


def files(folder: str, *ages: int, name: str = "") -> list[str]:
    """One file a day, of these ages in days."""
    return [f"{folder}/{date(2026, 11, 24) - timedelta(days=age)}-{name}{age}.md" for age in ages]


HERE = files("_posts", 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("posts", "outside", "habit"),
    [
        (HERE, files("away_post", *range(4, 20)), Habit(archived=("away_post",), moved=16, days=3)),
        (HERE[:3], files("../away_post", *range(3, 20)), Habit(archived=("../away_post",), moved=17, days=2)),
        (HERE, files("away/2026/11", *range(4, 9)), Habit(archived=("away",), moved=5, days=3)),
        (
            HERE,
            [*files("away/2026", *range(4, 9)), *files("away/2025", *range(400, 405)), *files("more", *range(9, 12))],
            Habit(archived=("away", "more"), moved=13, days=3),
        ),
        ([*HERE, "_posts/2021-12-01-init.md"], files("away", *range(4, 20)), Habit(archived=("away",), moved=16)),
        ([], files("away", *range(4, 20)), Habit(archived=("away",), moved=16)),
        (HERE, files("away", 4, 5), None),
        (HERE, files("backup", 0, 1, 2, 3), None),
        (files("_posts", *range(20, 30)), files("next", *range(5)), None),
        (HERE, ["away/a.md", "away/b.md", "away/c.md", "2026-99-99-x.md", *files("away", 4, 5)], None),
        (files("_posts", 0, 1, 2), files("away", *range(200, 220)), Habit(archived=("away",), moved=20)),
        (HERE, [], None),
        (HERE, files("old_post", 1, 2), Habit(archived=("old_post",), moved=2)),
        (HERE, files("../_archive/2026", 9), Habit(archived=("../_archive",), moved=1, days=8)),
        (HERE, files("golden", 9), None),
    ],
)
def test_habits(posts: list[str], outside: list[str], habit: Habit | None) -> None:
    """Older files with the names of posts elsewhere, and no copies; a number of days only where a day divides them."""
    assert habit_of(posts, outside) == habit


def test_it_is_proposed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the file, with its reason, and in the report; the file can be used as it is."""
    jekyll(site)
    for day in range(10, 19):
        post(site, f"old_post/2026-11-{day}-old.md")
    with pytest.raises(SystemExit, match="0"):
        main(["init"])
    assert "9 older ones in old_post: posts that are moved there are not withdrawn" in capsys.readouterr().out
    text = (site / "config.yaml").read_text(encoding="utf-8")
    assert "  archived: [old_post]" in text
    assert "  retention: 2 days" in text
    posts = load(site / "config.yaml", {}).posts
    assert (posts.archived, posts.retention) == ((Path("old_post"),), timedelta(days=2))


def test_nothing_is_proposed_without_a_sign(site: Path) -> None:
    jekyll(site)
    text = draft(Path(), Path("config.yaml"), now=NOW).text
    assert "archived" not in text
    assert "retention" not in text


def test_the_model_site(real_posts: Path, site: Path) -> None:
    """Some of its old posts stayed, so no number of days can be told."""
    text = draft(real_posts / "finews", Path("config.yaml"), now=NOW).text
    assert "old_post]" in text
    assert "retention" not in text
