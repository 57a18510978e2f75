"""An editor's files in a site: found, obeyed, shown and explained, and told of where nobody will read them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import NoReturn

import click
import pytest

from digest.app.asking import look_into_post
from digest.app.collecting import collect_posts
from digest.app.editorial import edition_files
from digest.app.showing import next_edition
from digest.cli.preview import _lines, _to_json
from digest.config import load
from digest.edition.contents import edition_from_json
from digest.jobs.explain.posts import Explanation, Fact
from tests.subscribers.reader_world import CONFIG, World


def facts(world: World, words: str) -> dict[str, Fact]:
    found = look_into_post(world.app(), words, "daily")
    assert isinstance(found, Explanation)
    return {fact.code: fact for fact in found.facts}


def write(world: World, name: str, text: str) -> Path:
    path = world.site.posts.parent / "_editions" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def configure(world: World, config: str) -> None:
    world.site.configure(config)
    world.settings = load(world.folder / "config.yaml", {"DIGEST_STORE": f"sqlite:///{world.folder}/var/quick.db"})


@pytest.fixture
def news(quick: World) -> World:
    """A digest that has begun, and three posts that wait for its edition of the 25th."""
    quick.begin()
    quick.later(minutes=5)
    for name in ("second", "third", "fourth"):
        quick.news(name, title=f"标题 {name}")
    write(
        quick,
        "daily/2026-11-25.md",
        "---\nlead: 2026-11-24-third.md\nskip: [2026-11-24-second.md, x.md]\nsponsor: 甲公司\n---\n今天很忙。\n",
    )
    collect_posts(quick.app())
    return quick


def test_preview_shows_the_hand(news: World) -> None:
    preview = next_edition(news.app(dry_run=True), "daily")
    lines = click.unstyle("\n".join(_lines(preview, {}, None, news.settings.site.timezone, verbose=False)))
    assert "lead      标题 third (_editions/daily/2026-11-25.md)" in lines
    assert "skip      标题 second (_editions/daily/2026-11-25.md)" in lines
    assert "intro     by _editions/daily/2026-11-25.md" in lines
    assert "sponsor   by _editions/daily/2026-11-25.md" in lines
    assert "no post of this edition has the file x.md" in lines
    told = json.loads(_to_json(preview, {}, None))["hand"]
    assert (told["introduction"], told["sponsor"], len(told["skip"])) == ("<p>今天很忙。</p>", "甲公司", 1)
    assert "今天很忙。" in preview.mail.html
    assert b"\xe4\xbb\x8a\xe5\xa4\xa9\xe5\xbe\x88\xe5\xbf\x99" in preview.page


def test_explain_names_the_hand_before_and_after(news: World) -> None:
    assert facts(news, "second.md")["waits"].says.endswith(
        "; _editions/daily/2026-11-25.md leaves it out of that (skip)"
    )
    assert facts(news, "third.md")["waits"].says.endswith("; _editions/daily/2026-11-25.md names it (lead)")
    news.later(hours=20, minutes=1)
    news.run()
    saved = news.store.edition("daily", "2026-11-25")
    assert saved is not None
    edition = edition_from_json(saved.document)
    assert [entry.title for entry in edition.entries] == ["标题 third", "标题 fourth"]
    assert edition.introduction == "<p>今天很忙。</p>"
    assert any(
        "the edition's file makes it the main story" in each for each in facts(news, "third.md")["in-lead"].reasons
    )
    left = facts(news, "second.md")["left-out"]
    assert left.says == "daily 2026-11-25 (made 2026-11-25 08:06): left out by the edition's file (skip)"
    assert "2026-11-26" in facts(news, "second.md")["waits"].says


def test_files_that_nobody_will_ask_for_are_told(news: World) -> None:
    """Not those of the past, which can be made up, nor what an editor's program leaves."""
    configure(news, CONFIG.replace('"daily 08:00"', '"daily 08:00", holidays: [2026-12-25]'))
    for name in (
        "weekly/2026-W48.md",
        "daily/2026-W48.md",
        "daily/2026-02-30.md",
        "daily/2026-12-25.md",
        "daily/a.txt",
    ):
        write(news, name, "x")
    for name in ("2026-11-25.md", "daily/2026-11-01.md", "daily/2026-11-25.md~", "daily/.2026-11-25.md.swp"):
        write(news, name, "x")
    app = news.app()
    told = [line.partition(": ")[0] for line in edition_files(app).strange(app, app.plans())]
    wanted = [
        "2026-11-25.md",
        "daily/2026-02-30.md",
        "daily/2026-12-25.md",
        "daily/2026-W48.md",
        "daily/a.txt",
        "weekly",
    ]
    assert told == [f"_editions/{name}" for name in wanted]


def test_what_is_no_file_is_told_and_nobody_waits_for_it(quick: World) -> None:
    """A pipe that nobody writes into, a link to nothing, a folder; and one that cannot be listed."""
    folder = write(quick, "daily/2026-11-20.md", "x").parent
    os.mkfifo(folder / "2026-11-21.md")
    (folder / "2026-11-22.md").symlink_to("nowhere.md")
    (folder / "2026-11-23.md").mkdir()
    files = edition_files(quick.app())
    for day in (21, 22, 23):
        [line] = files.of("daily", f"2026-11-{day}").warnings
        assert line.startswith(f"_editions/daily/2026-11-{day}.md: is not a file that can be read")
    assert files.of("daily", "2026-11-24").warnings == ()


def test_a_folder_that_cannot_be_listed_is_told(quick: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(quick, "daily/2026-11-20.md", "x").parent

    def closed(_self: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", closed)
    app = quick.app()
    [line] = edition_files(app).strange(app, app.plans())
    assert line == f"{folder}: cannot be read (Permission denied); give this user the right to read it"


def test_a_collection_of_that_name_stays_one(quick: World) -> None:
    """To a Jekyll site with a collection ``editions`` it is a folder of posts."""
    configure(quick, CONFIG.replace("  settle: 0", "  settle: 0\n  collections: [editions]"))
    write(quick, "daily/2026-11-25.md", "今天很忙。")
    app = quick.app()
    assert edition_files(app).of("daily", "2026-11-25").introduction == ""
    assert list(edition_files(app).strange(app, app.plans())) == []


@pytest.mark.parametrize("posts", ["site", "site/content", "site/source/_posts", "site/_posts"])
def test_the_folder_is_that_of_the_site(tmp_path: Path, posts: str) -> None:
    """Whichever of its folders is ``posts.folder``; and its files are no posts."""
    (tmp_path / posts).mkdir(parents=True)
    (tmp_path / posts / "2026-11-24-a.md").write_text("---\ntitle: a\ndate: 2026-11-24\n---\nText.\n")
    folder = tmp_path / "site" / "_editions" / "daily"
    folder.mkdir(parents=True)
    (folder / "2026-11-25.md").write_text("今天很忙。")
    world = World(tmp_path / "own", f"sqlite:///{tmp_path}/x.db")
    try:
        world.site.configure(CONFIG.replace("folder: site", f"folder: {tmp_path / posts}"))
        world.settings = load(tmp_path / "own" / "config.yaml", {"DIGEST_STORE": f"sqlite:///{tmp_path}/x.db"})
        app = world.app()
        assert edition_files(app).of("daily", "2026-11-25").introduction == "<p>今天很忙。</p>"
        assert [path.rpartition("/")[2] for path in app.source.scan().files] == ["2026-11-24-a.md"]
    finally:
        world.close()


def test_a_broken_file_is_a_warning_and_the_edition_is_made_without(news: World) -> None:
    write(news, "daily/2026-11-25.md", "---\nskip: [a\n---\n今天很忙。\n")
    news.later(hours=20, minutes=1)
    report = news.run()
    saved = news.store.edition("daily", "2026-11-25")
    assert saved is not None
    assert len(edition_from_json(saved.document).entries) == 3
    assert "今天很忙" not in saved.html
    if report is not None:
        assert any("_editions/daily/2026-11-25.md:2" in line for line in report.warnings)
