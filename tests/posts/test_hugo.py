"""Real Hugo is asked which pages it lists of the same files, where they are and how they are dated."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.app.generator_files import hugo_configuration
from digest.app.hugosite import hugo_site
from digest.models import Post, Refusal
from digest.posts import Rules, parse_post
from digest.posts.hugosite import NO_SITE, HugoSite, Layout, read_hugo_site
from digest.sources import FolderSource

HUGO = shutil.which("hugo")
CONFIG = """
baseURL = "https://news.example/"
timeZone = "America/New_York"
disableKinds = ["taxonomy", "term", "RSS", "sitemap", "404"]
ignoreFiles = ["\\\\.knit\\\\.md$", "/ignored/"]
[permalinks]
posts = "/:sections/:year-:month-:day/:slug"
notes = "/n/:filename"
[frontmatter]
date = [":filename", ":default"]
[uglyURLs]
ugly = true
[[cascade]]
draft = true
[cascade._target]
path = "/other/hidden*"
"""
LISTING = """[{{ range $n, $page := site.RegularPages }}{{ if $n }},{{ end }}
{{ dict "path" .File.Path "url" .RelPermalink "date" (.Date.Format "2006-01-02T15:04:05Z07:00") | jsonify }}
{{ end }}]"""
PAGES = {
    "posts/_index.md": "title: Posts",
    "posts/2024/05/_index.md": "title: May",
    "posts/2024/a.md": "title: A\ndate: 2024-01-01T00:30:00+08:00",
    "posts/2024/05/b.md": "title: B\ndate: 2024-01-01 00:30:00",
    "posts/2025/x/y/deep.md": "title: Deep\ndate: 2024-01-01 00:30:00",
    "posts/2024-03-04-named.md": "title: FN\ndate: 2024-01-01T23:30:00-08:00",
    "posts/2024-03-05_named_too.md": "title: FN2",
    "posts/2024-03-06-slugged.md": "title: FN3\nslug: own",
    "posts/Sub Folder/Deep.Name.md": "title: Names\ndate: 2024-01-01",
    "notes/url.md": "title: C\ndate: 2024-01-01\nurl: own/page",
    "notes/d.md": "title: D\ndate: 2024-01-01",
    "notes/url-html.md": "title: E\ndate: 2024-01-01\nurl: /own/e.html",
    "notes/url-slash.md": "title: F\ndate: 2024-01-01\nurl: own/f/",
    "ugly/g.md": "title: G\ndate: 2024-01-01",
    "ugly/url.md": "title: H\ndate: 2024-01-01\nurl: own/h",
    "ugly/bundle/index.md": "title: I\ndate: 2024-01-01",
    "posts/bundle/index.md": "title: Bundle\ndate: 2024-01-01",
    "posts/bundle/resource.md": "title: R\ndate: 2024-01-01",
    "posts/bundle/sub/resource.md": "title: R\ndate: 2024-01-01",
    "posts/bundle/sub2/index.md": "title: R\ndate: 2024-01-01",
    "posts/secret/_index.md": "title: S\ncascade:\n  draft: true",
    "posts/secret/s.md": "title: S\ndate: 2024-01-01",
    "posts/secret/deep/own.md": "title: S\ndate: 2024-01-01\ndraft: false",
    "posts/closed/_index.md": "title: S\ndraft: true",
    "posts/closed/deep/s.md": "title: S\ndate: 2024-01-01",
    "posts/late/_index.md": "title: L\ncascade:\n- draft: true\n  _target:\n    path: '{/posts/late/old**,/x}'",
    "posts/late/old.md": "title: L\ndate: 2024-01-01",
    "posts/late/new.md": "title: L\ndate: 2024-01-01",
    "posts/headless/index.md": "title: HB\ndate: 2024-01-01\nheadless: true",
    "posts/not-headless.md": "title: HL\ndate: 2024-01-01\nheadless: true",
    "other/hidden-one.md": "title: O\ndate: 2024-01-01",
    "other/never-rendered.md": "title: NR\ndate: 2024-01-01\n_build:\n  render: never",
    "other/link.md": "title: RL\ndate: 2024-01-01\n_build:\n  render: link",
    "other/never-listed.md": "title: NL\ndate: 2024-01-01\n_build:\n  list: never",
    "other/listed-here.md": "title: LL\ndate: 2024-01-01\n_build:\n  list: local",
    "other/not-listed.md": "title: RF\ndate: 2024-01-01\n_build:\n  list: false\n  render: true",
    "other/2024-05-06-no-day.md": "title: ND",
    "other/a.knit.md": "title: K\ndate: 2024-01-01",
    "other/ignored/a.md": "title: K\ndate: 2024-01-01",
    "top.md": "title: Top\ndate: 2024-01-01",
}


def write_site(root: Path, version: str = "0.111.3") -> None:
    for name, text in {
        "netlify.toml": f'[build.environment]\nHUGO_VERSION = "{version}"\n',
        "hugo.toml": CONFIG,
        "layouts/index.html": LISTING,
        "layouts/_default/single.html": "page",
        "layouts/_default/list.html": "list",
        **{f"content/{path}": f"---\n{front}\n---\nText\n" for path, front in PAGES.items()},
    }.items():
        put(root / name, text)


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def read_site(folder: Path) -> dict[str, Post | Refusal]:
    source = FolderSource(folder)
    rules = Rules(
        site_url="https://news.example",
        timezone=ZoneInfo("America/New_York"),
        kind=source.kind,
        hugo=hugo_site(folder, "en", hugo_configuration(folder)),
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )
    return {path: parse_post(path, source.read(path), rules) for path in source.scan().files}


@pytest.mark.skipif(HUGO is None, reason="hugo is not on the PATH")
def test_pages_are_read_as_hugo_reads_them(tmp_path: Path) -> None:
    """What it lists is published, at its address, with its date; what it holds back is held back."""
    assert HUGO is not None
    told = subprocess.run([HUGO, "version"], check=True, capture_output=True, text=True).stdout
    write_site(tmp_path, next(word for word in told.split() if word[0] == "v" and word[1].isdigit())[1:])
    subprocess.run([HUGO, "--source", str(tmp_path), "--quiet"], check=True, capture_output=True)
    listed = json.loads((tmp_path / "public" / "index.html").read_text(encoding="utf-8"))
    theirs = {
        f"content/{page['path']}": (page["url"], datetime.fromisoformat(page["date"]))
        for page in listed
        if page["url"] and (tmp_path / "public" / page["url"].strip("/")).exists()
    }
    ours = {
        path: (post.url.removeprefix("https://news.example"), post.published)
        for path, post in read_site(tmp_path).items()
        if isinstance(post, Post) and not post.unlisted
    }
    assert ours == theirs


def test_the_folder_of_the_pages_may_be_named_instead(tmp_path: Path) -> None:
    """The configuration beside it counts all the same."""
    write_site(tmp_path)
    whole = read_site(tmp_path)
    below = read_site(tmp_path / "content") if FolderSource(tmp_path / "content").kind == "hugo" else {}
    assert {f"content/{path}": getattr(post, "url", "") for path, post in below.items()} == {
        path: getattr(post, "url", "") for path, post in whole.items()
    }


def test_what_is_held_back_says_why(tmp_path: Path) -> None:
    """As a note: it was left out on purpose."""
    write_site(tmp_path)
    found = {path: post.problem for path, post in read_site(tmp_path).items() if isinstance(post, Refusal)}
    reasons = {path.removeprefix("content/"): problem.reason for path, problem in found.items()}
    assert {str(problem.severity) for problem in found.values()} == {"note"}
    assert reasons["posts/bundle/sub/resource.md"] == "belongs to the page content/posts/bundle, and is none of its own"
    assert reasons["posts/closed/deep/s.md"] == "the list page (_index.md) above it is a draft"
    assert reasons["posts/headless/index.md"] == "headless: true"
    assert reasons["other/link.md"] == "build: render: link"
    assert reasons["other/hidden-one.md"] == "draft: true"
    assert reasons["posts/late/old.md"] == "draft: true"
    assert reasons["other/a.knit.md"] == reasons["other/ignored/a.md"] == "left out by the site's ignoreFiles"


@pytest.mark.parametrize(
    ("configured", "section", "expected"),
    [
        ("date", "posts", "/p/:slug/"),
        ("date", "other", "/:sections/:slugorcontentbasename/"),
        ("/p/:slug/", "other", "/:sections/:slugorcontentbasename/"),
        ("/p/:slug.html", "ugly", "/:sections/:slugorcontentbasename.html"),
        ("/mine/:title/", "posts", "/mine/:title/"),
    ],
)
def test_which_template_counts(configured: str, section: str, expected: str) -> None:
    """The site's, unless the configuration of digest says something of its own."""
    site = read_hugo_site(
        {"permalinks": {"posts": "/p/:slug"}, "uglyurls": {"ugly": True}}, Layout(main="en"), {}, frozenset()
    )
    assert site.template(configured, section) == expected


def test_newer_hugo_hides_less(tmp_path: Path) -> None:
    """From 0.123 on, which is taken for granted where no other version is named: a list page that is a draft hides no
    page below it, and a page of any kind can be headless."""
    write_site(tmp_path, "0.168.0")
    newer = {path for path, post in read_site(tmp_path).items() if isinstance(post, Post)}
    (tmp_path / "netlify.toml").unlink()
    unknown = {path for path, post in read_site(tmp_path).items() if isinstance(post, Post)}
    put(tmp_path / ".github/workflows/pages.yml", "      - with:\n          hugo-version: '0.111.3'\n")
    older = {path for path, post in read_site(tmp_path).items() if isinstance(post, Post)}
    assert newer == unknown
    assert newer - older == {"content/posts/closed/deep/s.md", "content/posts/secret/deep/own.md"}
    assert older - newer == {"content/posts/not-headless.md"}


def test_which_words_make_a_draft(tmp_path: Path) -> None:
    """As Hugo 0.111 and 0.168 were seen to take them."""
    words = ("yes", '"yes"', "on", "True", '"true"', "1", "t", "TRUE", "no", "y", "off")
    for number, word in enumerate(words):
        put(tmp_path / f"content/{number}.md", f"---\ntitle: t\ndate: 2024-01-01\ndraft: {word}\n---\n")
    put(tmp_path / "hugo.toml", 'baseURL = "https://news.example/"')
    published = {}
    for version in ("0.111.3", "0.168.0"):
        put(tmp_path / "netlify.toml", f'HUGO_VERSION = "{version}"')
        found = read_site(tmp_path)
        kept = {int(path[8:-3]) for path, post in found.items() if isinstance(post, Post)}
        published[version] = {words[number] for number in kept}
    assert published == {"0.111.3": {'"yes"', "no", "off"}, "0.168.0": {"yes", '"yes"', "on", "no", "y", "off"}}


def test_the_mark_follows_what_is_said() -> None:
    """Another cascade, and every page is read again; without a site there is none."""
    one = read_hugo_site({"cascade": {"draft": "true"}}, Layout(main="en"), {}, frozenset())
    two = read_hugo_site({"cascade": {"draft": "false"}}, Layout(main="en"), {}, frozenset())
    assert len({one.mark, two.mark, NO_SITE.mark}) == 3
    assert str(one) == one.mark
    assert not NO_SITE
    assert isinstance(one, HugoSite)
