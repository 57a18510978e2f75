"""Folders that hold Markdown files and give no post: why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digest.jobs.archive.no_posts import why_none
from digest.models import Problem, Severity
from tests.run.site_folder import CONFIG, Site, post_text


def problem(path: str, reason: str, severity: Severity = Severity.SKIPPED) -> Problem:
    return Problem(path=path, reason=reason, remedy="mend it", severity=severity)


def test_the_two_most_frequent_reasons_are_named() -> None:
    """With an example of each; warnings are no reason."""
    problems = [
        *(problem(f"a{number}.md", "no date") for number in range(5)),
        *(problem(f"b{number}.md", "a draft", Severity.NOTE) for number in range(7)),
        problem("c.md", "no title"),
        problem("d.md", "odd", Severity.WARNING),
    ]
    assert why_none("hugo", problems, ["x.md"] * 9) == (
        "none of its files (13) gives one: 7 because a draft, as in b0.md (mend it); 5 because no date, as in a0.md "
        "(mend it); 1 for other reasons"
    )


def test_files_that_lie_elsewhere() -> None:
    """The folders with the most of them; a readme is no archive."""
    assert why_none("jekyll", [], ["README.md", "about.md"]) == ""
    places = [*(f"docs/{number}.md" for number in range(1_200)), *(f"wiki/a/{number}.md" for number in range(3))]
    said = why_none("jekyll", [], places)
    assert said.startswith("1,203 Markdown files lie elsewhere, in docs/ (1,200), wiki/a/ (3): Jekyll takes posts from")
    assert said.endswith("write posts.kind: hugo")
    assert why_none("jekyll", [], ["_notes/a.md"] * 5).endswith("write posts.collections: [notes]")


def test_a_run_and_init_say_it(tmp_path: Path) -> None:
    """Where somebody looks first."""
    site = Site(tmp_path, CONFIG)
    for number in range(6):
        file = tmp_path / "site" / "docs" / f"{number}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text("---\ntitle: T\n---\n", encoding="utf-8")
    line = "6 Markdown files lie elsewhere, in docs/ (6): Jekyll takes posts from"
    assert line in site.run().err
    (tmp_path / "site" / "_config.yml").write_text("title: A\n", encoding="utf-8")
    assert line in site.command("init", str(tmp_path / "site"), "--dry-run").out


def own_addresses(feed: bytes) -> set[str]:
    return set(re.findall(r"https://news.example.com/[^<\"]*", feed.decode()))


@pytest.mark.parametrize(
    ("name", "folder", "posts", "good", "bad", "line"),
    [
        ("_config.yml", "site", "_posts", "title: A\n", "permalink: [\n", ":2"),
        ("_config.yml", "site/_posts", "", "title: A\n", "permalink: [\n", ":2"),
        ("_config.yml", "site/blog/_posts", "", "title: A\n", "permalink: [\n", ":2"),
        ("hugo.toml", "site", "content/p", '[permalinks]\np = "/x/:title/"\n', "[permalinks\n", ":1"),
        ("config.toml", "site/content", "p", 'baseURL = "/"\n[permalinks]\np = "/x/:title/"\n', "baseURL=/\n", ":1"),
        ("config.yaml", "site/text", "", "baseURL: /\ncontentDir: text\n", "baseURL: /\ncontentDir: text: x\n", ":2"),
        ("_config.yml", "site/source/_posts", "", "permalink: :title/\n", "permalink: :title/: x\n", ":1"),
    ],
)
def test_the_sites_own_configuration_is_broken(
    name: str, folder: str, posts: str, good: str, bad: str, line: str, tmp_path: Path
) -> None:
    """Posts stay as they are, with the addresses that they have, until it can be read again."""
    file = tmp_path / "site" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(good, encoding="utf-8")
    site = Site(tmp_path, CONFIG.replace("folder: site", f"folder: {folder}"))
    here = tmp_path / folder / posts
    here.mkdir(parents=True, exist_ok=True)
    (here / "2026-11-24-a.md").write_text(post_text(), encoding="utf-8")
    assert "1 arrived" in site.run().out
    before = (tmp_path / "public" / "feed.xml").read_bytes()
    file.write_text(bad, encoding="utf-8")
    (here / "2026-11-24-a.md").write_text(post_text(summary="B"), encoding="utf-8")
    broken = site.run()
    assert broken.code == 1
    assert f"site/{name}{line}: cannot be read" in broken.err
    assert broken.err.count(name) == 1
    assert (tmp_path / "public" / "feed.xml").read_bytes() == before
    file.write_text(good, encoding="utf-8")
    assert site.run().code == 0
    after = (tmp_path / "public" / "feed.xml").read_bytes()
    assert after != before
    assert own_addresses(after) == own_addresses(before)


@pytest.mark.parametrize("name", ["_config.yml", "hugo.toml"])
def test_a_broken_configuration_of_something_else_above_stops_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a: [\n", encoding="utf-8")
    site = Site(tmp_path, CONFIG)
    site.some_posts()
    assert site.run().code == 0
