"""Sites in several languages: which language a page is in, where it is, and what is published."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.app.generator_files import hugo_configuration
from digest.app.hugosite import content_folders, hugo_site
from digest.models import Post, Refusal
from digest.posts import Rules, parse_post
from digest.probes.built_site import addresses_at
from digest.sources import FolderSource

HUGO = shutil.which("hugo")
QUIET = 'disableKinds = ["taxonomy", "term", "RSS", "sitemap", "404"]\n'
LISTING = """{{ range $n, $page := site.RegularPages }}
{{ dict "path" .File.Filename "url" .Permalink "lang" .Lang | jsonify }}{{ end }}"""

Found = dict[str, tuple[str, str]]
"""The address and the language of each page, by its file."""

BY_NAME = (
    QUIET
    + """
baseURL = "https://news.example/sub/"
defaultContentLanguage = "en"
[permalinks]
posts = "/p/:year/:slug/"
notes = "/n/:title/"
[languages.en]
languageCode = "en-us"
weight = 1
[languages.zh-CN]
weight = 2
[languages.zh-CN.permalinks]
posts = "/w/:year/:filename/"
[languages.fr]
weight = 3
contentDir = "content_fr"
"""
)
OF_NAMES = {
    "content/posts/a.md": "title: A b",
    "content/posts/a.zh-cn.md": "title: A zh",
    "content/notes/a.zh-cn.md": "title: Its own permalinks replace all",
    "content/posts/no.xx.md": "title: No language",
    "content/notes/My.File.zh-cn.md": "title: N",
    "content/notes/bundle/index.md": "title: B",
    "content/notes/bundle/index.zh-cn.md": "title: B zh",
    "content/notes/bundle/other.zh-cn.md": "title: a resource",
    "content/other/slash.zh-cn.md": "title: from the root\nurl: /own/one/",
    "content/other/no-slash.zh-cn.md": "title: in its language\nurl: own/two/",
    "content/posts/e.fr.md": "title: French by name",
    "content_fr/posts/f.md": "title: French by folder",
    "content_fr/posts/g.en.md": "title: English among them",
    "content_fr/top.md": "title: Top",
}
BY_FOLDER = (
    QUIET
    + """
baseURL = "https://news.example/"
defaultContentLanguage = "zh"
defaultContentLanguageInSubdir = true
removePathAccents = true
disablePathToLower = true
[uglyURLs]
ugly = true
[languages.zh]
contentDir = "content/zh"
[languages.en]
contentDir = "content/en"
"""
)
OF_FOLDERS = {
    f"content/{lang}/{path}": front
    for lang in ("zh", "en")
    for path, front in {
        "posts/Café É.md": "title: A",
        "posts/2024/_index.md": "title: A section",
        "posts/2024/Deep.md": "title: D\nslug: Été",
        "ugly/Ab.md": "title: U",
        "top.md": "title: Top",
    }.items()
}
APART = (
    BY_FOLDER.replace("InSubdir = true", "InSubdir = false")
    .replace('/zh"\n', '/zh"\nbaseURL = "https://zh.example/sub/"\n')
    .replace('/en"\n', '/en"\nbaseURL = "https://en.example/"\n')
)


def write_site(root: Path, config: str, pages: Mapping[str, str]) -> None:
    for name, text in {
        "hugo.toml": config,
        "layouts/index.html": LISTING,
        "layouts/_default/single.html": "page",
        "layouts/_default/list.html": "list",
        **{path: f"---\n{front}\ndate: 2024-01-01T00:30:00+08:00\n---\nText\n" for path, front in pages.items()},
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def read(root: Path, site_url: str = "https://news.example/sub", *, at: str = "") -> dict[str, Post | Refusal]:
    folder = root / at
    own = hugo_configuration(folder)
    source = FolderSource(folder, kind="hugo", contents=content_folders(folder, own))
    rules = Rules(
        site_url=site_url,
        timezone=ZoneInfo("UTC"),
        kind="hugo",
        hugo=hugo_site(folder, "en", own),
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )
    return {path: parse_post(path, source.read(path), rules) for path in source.scan().files}


def places(found: Mapping[str, Post | Refusal]) -> Found:
    return {path: (post.url, str(post.lang).lower()) for path, post in found.items() if isinstance(post, Post)}


def listed_by_hugo(root: Path) -> Found:
    assert HUGO is not None
    subprocess.run([HUGO, "--source", str(root), "--quiet"], check=True, capture_output=True)
    lines = [line for page in (root / "public").rglob("index.html") for line in page.read_text().splitlines()]
    pages = [json.loads(line) for line in lines if line.startswith("{")]
    return {str(Path(page["path"]).relative_to(root)): (page["url"], page["lang"]) for page in pages}


@pytest.mark.skipif(HUGO is None, reason="hugo is not on the PATH")
@pytest.mark.parametrize(
    ("config", "pages", "site_url"),
    [
        (BY_NAME, OF_NAMES, "https://news.example/sub"),
        (BY_FOLDER, OF_FOLDERS, "https://news.example"),
        (APART, OF_FOLDERS, "https://zh.example/sub"),
    ],
    ids=["by name", "by folder", "apart"],
)
def test_real_hugo_agrees(tmp_path: Path, config: str, pages: Mapping[str, str], site_url: str) -> None:
    """On which pages there are, on their addresses and their languages."""
    write_site(tmp_path, config, pages)
    ours = places(read(tmp_path, site_url))
    assert {path: (url, lang.removesuffix("-us")) for path, (url, lang) in ours.items()} == listed_by_hugo(tmp_path)


def test_newer_hugo(tmp_path: Path) -> None:
    """What Hugo 0.168 does and Debian's 0.111 does not, as it was seen to: keys in ``url``, ``:contentbasename``, a
    hyphen for each blank in names, a disabled language that no file falls back from."""
    config = f"""{QUIET}
baseURL = "https://news.example/"
disableLanguages = ["it"]
[permalinks.page]
base = "/b/:contentbasename/"
dir = "/d/:sections/:title/"
[languages.en]
[languages.de]
[languages.it]
"""
    pages = {
        "content/base/q5 & 5, (x)'s.md": "title: h",
        "content/dir/A & B/_index.md": "title: s",
        "content/dir/A & B/x.de.md": "title: t & u",
        "content/plain/A  B/x  & y.md": "title: t",
        "content/plain/slug.md": "title: t\nslug: C++ & more",
        "content/plain/keys.de.md": "title: T\nurl: a/:year/:slug",
        "content/plain/UPPER.DE.md": "title: T",
        "content/plain/no.it.md": "title: T",
    }
    write_site(tmp_path, config, pages)
    found = read(tmp_path, "https://news.example")
    assert {
        path.removeprefix("content/"): url.removeprefix("https://news.example")
        for path, (url, _) in places(found).items()
    } == {
        "base/q5 & 5, (x)'s.md": "/b/q5-5-xs/",
        "dir/A & B/x.de.md": "/de/d/dir/t-u/",
        "plain/A  B/x  & y.md": "/plain/a--b/x---y/",
        "plain/slug.md": "/plain/c++-more/",
        "plain/keys.de.md": "/de/a/2024/t/",
        "plain/UPPER.DE.md": "/de/plain/upper/",
    }
    refused = found["content/plain/no.it.md"]
    assert isinstance(refused, Refusal)
    assert refused.problem.reason == "the site has disabled its language"


@pytest.mark.skipif(HUGO is None, reason="hugo is not on the PATH")
def test_names_of_files_are_hugos(tmp_path: Path) -> None:
    """Which files are pages at all: an underscore hides nothing."""
    names = [
        *("_x.md", "#x.md", "x~.md", "~x.md", "x.md~", ".x.md", "_d/a.md", "#d/a.md", ".d/a.md", "d~/a.md", "~d/a.md"),
        *("_drafts/a.md", "node_modules/a.md", "public/a.md", "vendor/x.md", "_index2.md", "_index.md"),
    ]
    config = f'{QUIET}\nbaseURL = "https://news.example/"\n'
    write_site(tmp_path, config, {f"content/p/{name}": "title: t" for name in names})
    ours = {path: url for path, (url, _) in places(read(tmp_path, "https://news.example")).items()}
    assert ours == {path: url for path, (url, _) in listed_by_hugo(tmp_path).items()}
    below = {path: url for path, (url, _) in places(read(tmp_path, "https://news.example", at="content")).items()}
    assert {f"content/{path}": url for path, url in below.items()} == ours


def test_translations_are_two_posts(tmp_path: Path) -> None:
    """With addresses and ids of their own, also where only the hosts differ."""
    write_site(tmp_path, APART, OF_FOLDERS)
    found = read(tmp_path, "https://zh.example/sub")
    posts = [post for path, post in found.items() if path.endswith("top.md") and isinstance(post, Post)]
    assert {(post.url, post.feed_id, post.lang) for post in posts} == {
        ("https://zh.example/sub/top/", "https://zh.example/sub/top", "zh"),
        ("https://en.example/top/", "https://en.example/top", "en"),
    }


@pytest.mark.skipif(HUGO is None, reason="hugo is not on the PATH")
def test_languages_that_are_apart_are_found_in_the_built_site(tmp_path: Path) -> None:
    """Hugo builds each into a folder of its own, whose name is no part of its addresses."""
    write_site(tmp_path, APART, OF_FOLDERS)
    posts = places(read(tmp_path, "https://zh.example/sub"))
    assert set(listed_by_hugo(tmp_path)) == set(posts)
    apart = hugo_site(tmp_path, "en", hugo_configuration(tmp_path)).apart("https://zh.example/sub")
    assert apart == {"zh": "https://zh.example/sub", "en": "https://en.example"}
    assert {url for url, _ in posts.values()} <= addresses_at(
        str(tmp_path / "public"), "https://zh.example/sub", apart=apart
    )


def test_the_pages_of_one_language_may_be_named_as_the_folder(tmp_path: Path) -> None:
    """They are where they are on the whole site."""
    write_site(tmp_path, BY_FOLDER, OF_FOLDERS)
    whole = places(read(tmp_path, "https://news.example"))
    alone = places(read(tmp_path, "https://news.example", at="content/en"))
    assert alone
    assert {f"content/en/{path}": place for path, place in alone.items()} == {
        path: place for path, place in whole.items() if path.startswith("content/en/")
    }


def test_folders_of_pages_may_be_mounted(tmp_path: Path) -> None:
    """As language modules of a site do it."""
    config = """baseURL = "https://news.example/"
[languages.en]
[languages.de]
[[module.mounts]]
source = "texts/en"
target = "content"
lang = "en"
[[module.mounts]]
source = "texts/de"
target = "content"
lang = "de"
"""
    write_site(tmp_path, config, {"texts/en/a/x.md": "title: X", "texts/de/a/x.md": "title: X"})
    assert places(read(tmp_path, "https://news.example")) == {
        "texts/en/a/x.md": ("https://news.example/a/x/", "en"),
        "texts/de/a/x.md": ("https://news.example/de/a/x/", "de"),
    }
