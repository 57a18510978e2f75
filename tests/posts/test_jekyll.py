"""Real Jekyll with real jekyll-feed is asked what it makes of the same files: addresses, dates, ids, categories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.models import Post, Refusal
from digest.posts import Rules, parse_post
from digest.posts.permalinks import STYLES
from digest.sources import FolderSource

JEKYLL = shutil.which("jekyll")
pytestmark = [pytest.mark.jekyll, pytest.mark.skipif(JEKYLL is None, reason="jekyll is not on the PATH")]

ATOM = "{http://www.w3.org/2005/Atom}"
LISTING = """---
permalink: /listing.json
---
[{% for post in site.posts %}{
  "path": {{ post.path | jsonify }}, "url": {{ post.url | jsonify }}, "id": {{ post.id | jsonify }},
  "date": {{ post.date | date_to_xmlschema | jsonify }}, "title": {{ post.title | jsonify }},
  "categories": {{ post.categories | jsonify }}, "tags": {{ post.tags | jsonify }}
}{% unless forloop.last %},{% endunless %}{% endfor %}]
"""

POSTS = {
    "_posts/2021-12-30-202112302231658452.md": "title: 年终\ndate: 2021-12-30 17:17:49 +0800\ncategories: emnews\n",
    "_posts/2021-12-31-offset.md": "title: With offset\ndate: 2021-12-31 00:30:00 +0800\n",
    "_posts/2021-12-31-colon-offset.md": "title: With offset\ndate: 2021-12-31T00:30:00+08:00\n",
    "_posts/2021-12-31-zulu.md": "title: Zulu\ndate: 2021-12-31T23:30:00Z\n",
    "_posts/2021-12-31-bare.md": "title: Bare\ndate: 2021-12-31 23:30:00\n",
    "_posts/2021-12-31-bare-t.md": "title: Bare T\ndate: 2021-12-31T23:30:00\n",
    "_posts/2021-12-31-bare-short-hour.md": "title: Bare\ndate: 2021-12-31 9:30:00\n",
    "_posts/2021-12-31-fraction.md": "title: Fraction\ndate: 2021-12-31 23:30:00.75\n",
    "_posts/2021-12-31-quoted.md": 'title: Quoted\ndate: "2021-12-31 23:30:00"\n',
    "_posts/2021-12-31-single.md": "title: Quoted\ndate: '2021-12-31 00:10:00'\n",
    "_posts/2021-12-31-minutes.md": "title: Minutes\ndate: 2021-12-31 00:30\n",
    "_posts/2021-12-31-day.md": "title: Day\ndate: 2021-12-31\n",
    "_posts/2021-12-31-quoted-day.md": 'title: Day\ndate: "2021-12-30"\n',
    "_posts/2021-12-31-slashes.md": "title: Slashes\ndate: 2021/12/31 10:00:00\n",
    "_posts/2021-12-31-half.md": "title: Half\ndate: 2021-12-31 10:00 PM\n",
    "_posts/2021-12-31-utc.md": "title: UTC\ndate: 2021-12-31 22:00:00 UTC\n",
    "_posts/2021-12-31-day-first.md": "title: Day first\ndate: 11-9-2017\n",
    "_posts/2021-12-31-compact.md": "title: Compact\ndate: 20211230\n",
    "_posts/2021-12-31-words.md": "title: Words\ndate: December 30, 2021\n",
    "_posts/2021-12-31-midnight.md": "title: Midnight\ndate: 2021-12-30 24:00:00 +0800\n",
    "_posts/2021-12-31-go.md": "title: Go\ndate: 2006-01-02 15:04:05 +0800 CST\n",
    "_posts/2021-12-31-single-digits.md": "title: Digits\ndate: 2021-12-31 8:5:3\n",
    "_posts/2021-12-31-two-colons.md": "title: Colons\ndate: 2021-12-31 00:10::00\n",
    "_posts/2021-12-31-year-again.md": "title: Year\ndate: 2021-12-31 18:30:22 2021 -0800\n",
    "_posts/2021-12-31-java.md": "title: Java\ndate: 2021-12-31T08:00:00+08:00[Asia/Shanghai]\n",
    "_posts/2021-12-31-est.md": "title: EST\ndate: 2021-12-31 08:00:00 EST\n",
    "_posts/2021-12-31-cst.md": "title: CST\ndate: 2021-12-31 08:00:00 CST\n",
    "_posts/2021-12-31-ist.md": "title: IST\ndate: 2021-12-31 08:00:00 IST\n",
    "_posts/2021-12-31-unix.md": "title: Unix\ndate: Fri Sep 3 11:21:31 CEST 2021\n",
    "_posts/2021-12-31-long-february.md": "title: February\ndate: 2021-02-30 10:00\n",
    "_posts/1965-05-04-before-1970.md": "title: Old\n",
    "_posts/2021-1-5-short-date.md": "title: Short\n",
    "_posts/21-01-06-two-digits.md": "title: Two digits\n",
    "_posts/2021-02-01-no-title-here.md": "layout: none\n",
    "_posts/2021-02-02-UPPER Case name.md": "title: Case\n",
    "_posts/2021-02-03-中文 标题，逗号.md": "title: 中文\n",
    "_posts/2021-02-04-dots.and...more.md": "title: Dots\n",
    "_posts/2021-02-05-a--b_c~d.md": "title: Marks\n",
    "_posts/2021-02-06-100%-C#-what.md": "title: Signs\n",
    "_posts/2021-02-07-name.aspx.markdown": "title: Aspx\n",
    "_posts/2021-02-08-café.md": "title: Accent\n",
    "_posts/2021-02-08-cafe\u0301-apart.md": "title: Accent apart\n",
    "_posts/2021-02-09-slugged.md": "title: Slugged\nslug: My own Slug\n",
    "_posts/2021-02-10-page.html": "title: HTML\n",
    "_posts/2021-02-11-hindi-हिन्दी.md": "title: Marks\n",
    "_posts/2021-02-12-trailing-.md": "title: Trailing\n",
    "_posts/2021-02-13-½-² signs.md": "title: Numbers\n",
    "_posts/2021-03-01-cat-text.md": "title: C\ncategories: One two Three\ntags: 滚动 快讯\n",
    "_posts/2021-03-02-cat-list.md": "title: C\ncategories: [One two, 三, One two]\ntags: [a b, '000001']\n",
    "_posts/2021-03-03-cat-both.md": "title: C\ncategories: one two\ncategory: three four\n",
    "_posts/2021-03-04-cat-one.md": "title: C\ncategory: Elixir in Production\ntag: single tag\ntags: others\n",
    "_posts/2021-03-05-cat-block.md": "title: C\ncategories:\n- 财经 新闻\n- Macro\ntags:\n- x\n- y\n",
    "_posts/2021-03-06-cat-wide.md": "title: C\ncategories: 甲\u3000乙 丙\n",
    "_posts/2021-03-07-cat-empty.md": 'title: C\ncategory: ""\n',
    "_posts/2021-03-08-cat-none.md": "title: C\ncategories:\ntags:\n",
    "_posts/2021-03-09-cat-number.md": "title: C\ncategory: 010\n",
    "_posts/2021-03-09-cat-numbers.md": "title: C\ncategories: [007, '007', 1.10, 0x1F, -5, 1_000, 08, 1e3]\ntags: x\n",
    "_posts/2021-03-09-cat-alias.md": "title: C\ncategories: &c [One, two]\ntags: *c\n",
    "_posts/2021-03-09-cat-signs.md": "title: C\ncategories: C++ x,y a@b\n",
    "news/_posts/2021-04-01-folder.md": "title: F\ncategories: more\n",
    "news/World/_posts/2021-04-02-folders.md": "title: F\ncategory: news\n",
    "_posts/below/2021-04-03-below.md": "title: B\n",
    "_posts/2021-05-01-permalink.md": "title: P\npermalink: /own/address/\n",
    "_posts/2021-05-02-permalink-text.md": "title: P\npermalink: own page/中文.html\n",
    "_posts/2021-05-03-permalink-keys.md": "categories: A b\npermalink: /:categories/:year/:title:output_ext\n",
    "_posts/2021-05-04-permalink-escaped.md": "title: P\npermalink: /%E4%B8%AD/x%20y/\n",
    "_posts/2021-06-01-dots-close.md": None,
    "_posts/2021-06-02-no-front-matter.md": None,
    "news/_posts/2021-06-03-blank-lines-before.md": None,
}
WHOLE = {
    "_posts/2021-06-01-dots-close.md": "---\ntitle: Dots close\n...\nText.\n",
    "_posts/2021-06-02-no-front-matter.md": "Text.\n",
    "news/_posts/2021-06-03-blank-lines-before.md": "\n\n---\ntitle: x\ncategories: y\n---\nText.\n",
}
TEMPLATES = [
    *STYLES,
    "/:year/:i_month/:i_day/:slug/",
    "/:short_year/:short_month/:long_month/:long_day/:w_year-:week-:w_day/:name",
    "/a/:slugified_categories/:hour-:minute-:second/:title_:day/",
    "/:path:output_ext",
]


def write_site(root: Path, zone: str, permalink: str) -> None:
    config = {
        "url": "https://news.example",
        "baseurl": "/site",
        "timezone": zone,
        "permalink": permalink,
        "plugins": ["jekyll-feed"],
        "feed": {"posts_limit": 1000},
        "title": "Test",
    }
    (root / "_config.yml").write_text(json.dumps(config), encoding="utf-8")
    (root / "listing.json").write_text(LISTING, encoding="utf-8")
    for path, front in POSTS.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = WHOLE[path] if front is None else f"---\n{front}---\nText.\n"
        file.write_text(text, encoding="utf-8")


def build(root: Path, zone: str) -> tuple[list[dict[str, object]], dict[str, ET.Element]]:
    """Jekyll's listing of its posts, and the entries of its feed by title and address."""
    assert JEKYLL is not None
    environment = os.environ | {"TZ": zone, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [JEKYLL, "build", "--quiet", "--disable-disk-cache"], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    listing = json.loads((root / "_site" / "listing.json").read_text(encoding="utf-8"))
    feed = ET.parse(root / "_site" / "feed.xml").getroot()  # made by the build above
    entries = {str(entry.findtext(f"{ATOM}id")): entry for entry in feed.iter(f"{ATOM}entry")}
    return listing, entries


@pytest.mark.parametrize(
    ("permalink", "zone"),
    [
        *((permalink, "Asia/Shanghai") for permalink in TEMPLATES),
        *(pytest.param(permalink, "UTC", marks=pytest.mark.slow) for permalink in TEMPLATES),
    ],
)
def test_posts_are_read_as_jekyll_reads_them(tmp_path: Path, zone: str, permalink: str) -> None:
    """Every form of name, date, category and address gives what Jekyll and jekyll-feed make of it."""
    write_site(tmp_path, zone, permalink)
    listing, entries = build(tmp_path, zone)
    source = FolderSource(tmp_path)
    rules = Rules(
        site_url="https://news.example/site",
        timezone=ZoneInfo(zone),
        permalink=permalink,
        id_nfkc=True,
        now=datetime.now(UTC),
    )
    read = {path: parse_post(path, source.read(path), rules) for path in source.scan().files}
    assert {str(item["path"]) for item in listing} == set(read) == set(POSTS)
    for item in listing:
        post = read[str(item["path"])]
        assert isinstance(post, Post), post
        seen = (post.url, post.published, post.title, list(post.categories), sorted(post.tags))
        expected = (
            absolute(str(item["url"])),
            datetime.fromisoformat(str(item["date"])),
            item["title"],
            list(dict.fromkeys(" ".join(str(name).split()) for name in item["categories"] or [] if name)),  # type: ignore[attr-defined]
            sorted({str(tag) for tag in item["tags"] or []}),  # type: ignore[attr-defined]
        )
        assert seen == expected, post.path
        assert post.feed_id in entries, (post.path, item["id"])
        entry = entries[post.feed_id]
        assert datetime.fromisoformat(str(entry.findtext(f"{ATOM}published"))) == post.published


def absolute(path: str) -> str:
    """Jekyll's own address, percent-encoded once where a person wrote it raw."""
    from digest.posts.links import encode_path

    return "https://news.example/site" + encode_path(path)


def test_jekyll_and_we_leave_out_the_same_posts(tmp_path: Path) -> None:
    """Unpublished, future and undated files are no posts for either."""
    write_site(tmp_path, "UTC", "date")
    hidden = {
        "_posts/2021-07-01-no.md": "title: N\npublished: false\n",
        "_posts/2021-07-02-no.md": "title: N\npublished: no\n",
        "_posts/2021-07-03-empty.md": "title: N\npublished:\n",
        "_posts/2099-01-01-future.md": "title: N\n",
        "_posts/undated.md": "title: N\n",
        "_drafts/idea.md": "title: N\n",
    }
    shown = {
        "_posts/2021-07-04-quoted.md": 'title: Y\npublished: "false"\n',
        "_posts/2021-07-05-yes.md": "published: yes\n",
    }
    for path, front in (hidden | shown).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"---\n{front}---\nText.\n", encoding="utf-8")
    listing, _ = build(tmp_path, "UTC")
    source = FolderSource(tmp_path)
    rules = Rules(site_url="https://news.example/site", timezone=ZoneInfo("UTC"), now=datetime.now(UTC))
    read = {path: parse_post(path, source.read(path), rules) for path in source.scan().files}
    assert set(read) == set(POSTS) | set(hidden) | set(shown)
    assert {path for path, found in read.items() if isinstance(found, Refusal)} == set(hidden)
    assert {str(item["path"]) for item in listing} == set(POSTS) | set(shown)
