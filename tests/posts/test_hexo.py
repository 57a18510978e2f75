"""What Hexo 8.1 does with a site, as it was seen to, and what is read of the same files. One test runs Hexo itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from digest.app.generator_files import hexo_configuration
from digest.models import Post
from digest.posts import Rules, parse_post
from digest.posts.hexosite import HexoSite, read_hexo_site
from digest.sources import FolderSource

SHANGHAI = ZoneInfo("Asia/Shanghai")
CONFIG = """
title: T
url: http://h.example/base
root: /base/
timezone: Asia/Shanghai
language: [zh-CN, en]
permalink: :lang/:category/:year-:month-:day/:hour:minute/:title-x/
permalink_defaults:
  lang: de
category_map: {News: nw, "A B": Ab}
filename_case: 1
new_post_name: :lang/:year-:month-:day-:title.md
theme: x
"""
PAGES = {
    "en/2024-01-02-first.md": "title: A",
    "en/2024-01-02-sub/dir.md": "title: A",
    "plain name.md": "date: 2024-01-01 00:30:00",
    "deep/plain_Name.md": "date: 2024-01-01 00:30:00\nlang: fr\ncategories: [News, A B]",
    "zone1.md": "date: 2024-01-01T00:30:00+08:00\ncategories: [[x, y], [News, z]]",
    "zone2.md": "date: 2024-01-01 00:30:00 +0800\ncategories: News",
    "zone3.md": "date: 2024-01-01 00:30:00Z\ncategory: Big Thing",
    "zone4.md": "date: 2024-01-01\ncategories: [x, News]",
    "zone5.md": "date: '2024-01-01 00:30:00'",
    "own.md": "date: 2024-01-01\npermalink: own/x.html",
    "own2.md": "date: 2024-01-01\npermalink: /own/:year/x",
    "_hidden/own2.md": "date: 2024-01-01",
}
BUILT_THERE = {
    "en/2024-01-02-first.md": "en/uncategorized/2024-01-02/0000/first-x/",
    "en/2024-01-02-sub/dir.md": "en/uncategorized/2024-01-02/0000/sub/dir-x/",
    "plain name.md": "de/uncategorized/2024-01-01/0030/plain-name-x/",
    "deep/plain_Name.md": "fr/nw/ab/2024-01-01/0030/deep-plain-Name-x/",
    "zone1.md": "de/nw/z/2023-12-31/1630/zone1-x/",
    "zone2.md": "de/nw/2024-01-01/0030/zone2-x/",
    "zone3.md": "de/big-thing/2024-01-01/0030/zone3-x/",
    "zone4.md": "de/x/nw/2024-01-01/0000/zone4-x/",
    "zone5.md": "de/uncategorized/2024-01-01/0030/zone5-x/",
    "own.md": "own/x.html",
    "own2.md": "own/:year/x",
}
"""Addresses that it made on a machine in the site's zone."""
BUILT_IN_UTC = {
    "en/2024-01-02-first.md": "en/uncategorized/2024-01-01/1600/first-x/",
    "zone1.md": "de/nw/z/2023-12-31/0830/zone1-x/",
    "zone4.md": "de/x/nw/2023-12-31/1600/zone4-x/",
}


def write_site(root: Path, config: str = CONFIG, pages: Mapping[str, str] = PAGES) -> None:
    for name, text in {
        "_config.yml": config,
        **{f"source/_posts/{path}": f"---\n{front}\n---\nText\n" for path, front in pages.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def read(root: Path, at: str = "", builder_zone: ZoneInfo | None = None) -> dict[str, Post]:
    folder = root / at
    source = FolderSource(folder)
    rules = Rules(
        site_url="http://h.example/base",
        timezone=SHANGHAI,
        kind=source.kind,
        hexo=read_hexo_site(hexo_configuration(folder) or {}),
        builder_zone=builder_zone,
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )
    parsed = {path.rpartition("_posts/")[2]: parse_post(path, source.read(path), rules) for path in source.scan().files}
    return {path: post for path, post in parsed.items() if isinstance(post, Post)}


def below(posts: Mapping[str, Post]) -> dict[str, str]:
    return {path: post.url.removeprefix("http://h.example/base/") for path, post in posts.items()}


@pytest.mark.parametrize("at", ["", "source", "source/_posts"])
def test_addresses_are_hexos(tmp_path: Path, at: str) -> None:
    """Whichever folder is named as that of the posts."""
    write_site(tmp_path)
    assert below(read(tmp_path, at)) == BUILT_THERE


def test_addresses_of_a_site_that_is_built_in_another_zone(tmp_path: Path) -> None:
    """They have the clock of that zone, dates do not."""
    write_site(tmp_path)
    there, elsewhere = read(tmp_path), read(tmp_path, builder_zone=ZoneInfo("UTC"))
    assert below(elsewhere).items() >= BUILT_IN_UTC.items()
    assert {path: post.published for path, post in elsewhere.items()} == {
        path: post.published for path, post in there.items()
    }


def test_dates_are_hexos(tmp_path: Path) -> None:
    """Of what its YAML reader takes for a moment it takes the clock of Greenwich for the site's."""
    write_site(tmp_path)
    found = {path: f"{post.published:%d %H:%M}" for path, post in read(tmp_path).items()}
    assert found["zone1.md"] == "31 08:30"
    assert found["zone2.md"] == found["zone3.md"] == found["zone5.md"] == "31 16:30"
    assert found["zone4.md"] == "31 16:00"
    assert found["en/2024-01-02-first.md"] == "01 16:00"


def test_languages(tmp_path: Path) -> None:
    """By the file's name, the front matter, the address, else the main one."""
    write_site(tmp_path, CONFIG.replace("lang: de", "lang: en"))
    found = {path: post.lang for path, post in read(tmp_path).items()}
    assert found["en/2024-01-02-first.md"] == "en"
    assert found["deep/plain_Name.md"] == "fr"
    assert found["plain name.md"] == "en", "by its address"
    assert found["own.md"] == "zh-CN"


def test_one_language_is_not_worth_a_word(tmp_path: Path) -> None:
    write_site(tmp_path, CONFIG.replace("[zh-CN, en]", "zh-CN"))
    assert read(tmp_path)["own.md"].lang is None


@pytest.mark.parametrize(
    ("config", "permalink", "expected"),
    [
        ({"pretty_urls": {"trailing_html": False}}, "a.html", "a"),
        ({"pretty_urls": {"trailing_index": False}}, "a/index.html", "a/"),
        ({"pretty_urls": {"trailing_html": False}}, "a/index.html", "a/index.html"),
        ({"post_asset_folder": True}, "a", "a/"),
        ({"post_asset_folder": True}, "a.html", "a.html"),
        ({}, "a/index.html", "a/index.html"),
    ],
)
def test_ends_of_addresses(tmp_path: Path, config: dict[str, object], permalink: str, expected: str) -> None:
    """Of the template and of a post's own."""
    for name, front in (("one", f"date: 2024-01-01\npermalink: {permalink}"), ("two", "date: 2024-01-01")):
        given = {**config, "url": "http://h.example", "permalink": permalink}
        write_site(tmp_path / name, yaml.safe_dump(given), {"x.md": front})
        assert below(read(tmp_path / name)) == {"x.md": expected}


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        (":title.md", "a/b c", {"title": "a/b c"}),
        (":year/:title.md", "2024/x", {"year": "2024", "title": "x"}),
        (":year/:title.md", "24/x", {}),
        (
            ":category/:i_month-:i_day/:title.md",
            "n/1-12/x",
            {"category": "n", "i_month": "1", "i_day": "12", "title": "x"},
        ),
        (":year-:month-:day", "2024-01-02", {"year": "2024", "month": "01", "day": "02"}),
    ],
)
def test_parts_of_names(names: str, path: str, expected: dict[str, str]) -> None:
    assert read_hexo_site({"new_post_name": names}).parts(path) == expected


def test_the_mark_follows_what_is_said() -> None:
    """Other rules, and every post is read again."""
    marks = {read_hexo_site(config).mark for config in ({}, {"filename_case": 1}, {"default_category": "x"})}
    assert len(marks) == 3
    assert str(HexoSite()) == ""


@pytest.mark.slow
def test_hexo_itself_agrees(tmp_path: Path) -> None:
    """If npm is there and can install it."""
    npm = shutil.which("npm")
    write_site(tmp_path)
    package = {"name": "s", "version": "1.0.0", "private": True, "hexo": {"version": "8.1.2"}}
    (tmp_path / "package.json").write_text(json.dumps(package))
    for name, text in {
        "themes/x/layout/index.ejs": "x",
        "scripts/list.js": "hexo.extend.generator.register('list', locals => ({path: 'list.json', data: JSON.stringify("
        "locals.posts.toArray().map(post => [post.source, post.path]))}));",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    wanted = ["hexo@8", "hexo-renderer-marked@7", "hexo-renderer-ejs@2"]
    install = [npm or "npm", "install", "--no-audit", "--no-fund", *wanted]
    try:
        subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=240)
    except (OSError, subprocess.SubprocessError):
        return  # the table above was seen with it
    for zone, builder, expected in (("Asia/Shanghai", None, BUILT_THERE), ("UTC", ZoneInfo("UTC"), BUILT_IN_UTC)):
        for left in ("db.json", "public"):
            shutil.rmtree(tmp_path / left, ignore_errors=True)
            (tmp_path / left).unlink(missing_ok=True)
        command = [str(tmp_path / "node_modules/.bin/hexo"), "generate", "--silent"]
        environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "TZ": zone, "HOME": str(tmp_path)}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
        listed = dict(json.loads((tmp_path / "public/list.json").read_text(encoding="utf-8")))
        theirs = {path.removeprefix("_posts/"): url.lstrip("/") for path, url in listed.items()}
        assert theirs.items() >= expected.items()
        ours = below(read(tmp_path, builder_zone=builder))
        assert {path: url for path, url in ours.items() if path != "zone2.md"} == {
            path: url for path, url in theirs.items() if path != "zone2.md"
        }
