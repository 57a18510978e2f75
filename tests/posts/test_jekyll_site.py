"""What a Jekyll site says of its posts elsewhere, checked against a build by real Jekyll and jekyll-feed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.app.jekyllsite import jekyll_site
from digest.errors import ConfigError
from digest.models import Author, Post, Refusal, Severity
from digest.posts import Rules, parse_post
from digest.posts.jekyllsite import NO_SITE, JekyllSite, read_jekyll_site
from digest.sources import FolderSource
from tests.posts.test_jekyll import ATOM, JEKYLL, build

CONFIG = """
url: https://news.example
baseurl: /site
timezone: UTC
title: Test
plugins: [jekyll-feed]
permalink: /:categories/:title/
excerpt_separator: <!--more-->
feed: {posts_limit: 100, collections: [notes, talks]}
collections:
  notes: {output: true}
  talks: {output: true, permalink: "/t/:slug-:year/"}
defaults:
- scope: {path: ""}
  values: {author: ann, categories: all}
- scope: {path: "", type: posts}
  values: {author: bob, image: {path: /i.png, alt: x}}
- scope: {path: _posts/old}
  values: {permalink: "/old/:year/:title.html", published: true}
- scope: {path: "_posts/*/closed"}
  values: {published: false}
- scope: {path: _posts, type: notes}
  values: {categories: never}
- scope: {path: _notes/long}
  values: {category: essays}
- scope: {type: talks}
  values: {title: A talk}
"""
LISTING = """---
permalink: /listing.json
---
[{% assign all = site.posts | concat: site.notes | concat: site.talks %}{% for post in all %}{
  "path": {{ post.path | jsonify }}, "url": {{ post.url | jsonify }},
  "date": {{ post.date | date_to_xmlschema | jsonify }},
  "title": {{ post.title | jsonify }}, "categories": {{ post.categories | jsonify }}
}{% unless forloop.last %},{% endunless %}{% endfor %}]
"""
FILES = {
    "_posts/2021-01-01-plain.md": "title: Plain\n",
    "_posts/2021-01-02-own.md": "title: Own\nauthor: Cy\ncategories: [x, all]\nhidden: true\n",
    "_posts/old/2021-01-03-far.md": "title: Far\ncategories:\n",
    "_posts/a/closed/2021-01-04-no.md": "title: No\n",
    "_posts/a/closed/2021-01-05-yes.md": "title: Again\npublished: true\n",
    "_posts/old/2021-01-06-linked.md": "title: Linked\npermalink: /mine/\n",
    "news/_posts/2021-01-07-folder.md": "title: Folder\ncategory: z\n",
    "_notes/one.md": "title: One\ndate: 2021-02-01 10:00\n",
    "_notes/long/2021-02-02-two.md": "title: Two\nslug: zwei\n",
    "_notes/long/deep/three.markdown": "title: Three\ndate: 2021-02-03\npermalink: /three/\n",
    "_talks/four.md": "date: 2021-02-04\n",
}
AUTHORS = "ann: {name: Ann Lee, email: ann@news.example, uri: https://ann.example}\nbob: {name: Bob}\n"
BODY = "First.\n\nSecond.\n<!--more-->\nRest.\n"


def write(root: Path) -> None:
    files = {path: f"---\n{front}---\n{BODY}" for path, front in FILES.items()}
    files |= {
        "_config.yml": CONFIG,
        "listing.json": LISTING,
        "_data/authors.yml": AUTHORS,
        "_notes/picture.txt": "no document\n",
        "_notes/readme.md": "no front matter\n",
        "_pages/2021-01-01-none.md": "---\ntitle: None\n---\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def read_site(folder: Path) -> dict[str, Post | Refusal]:
    """All posts as we read them."""
    collections = ("notes", "talks")
    source = FolderSource(folder, "jekyll", collections=collections)
    rules = Rules(
        site_url="https://news.example/site",
        timezone=ZoneInfo("UTC"),
        permalink="/:categories/:title/",
        jekyll=jekyll_site(folder, collections),
        now=datetime.now(UTC),
    )
    return {path: parse_post(path, source.read(path), rules) for path in source.scan().files}


@pytest.mark.jekyll
@pytest.mark.skipif(JEKYLL is None, reason="jekyll is not on the PATH")
def test_defaults_and_collections_are_read_as_jekyll_reads_them(tmp_path: Path) -> None:
    """Scopes by path, pattern and collection give addresses, categories and authors as in the built site."""
    write(tmp_path)
    listing, entries = build(tmp_path, "UTC")
    read = read_site(tmp_path)
    posts = {path: found for path, found in read.items() if isinstance(found, Post)}
    shown = {str(item["path"]): item for item in listing}
    assert set(posts) == set(shown) == set(FILES) - {"_posts/a/closed/2021-01-04-no.md"}
    for path, item in shown.items():
        post = posts[path]
        assert post.url == f"https://news.example/site{item['url']}"
        assert (post.title, list(post.categories)) == (item["title"], item["categories"]), path
        assert post.published == datetime.fromisoformat(str(item["date"]))
    names = {identity: entry.findtext(f"{ATOM}author/{ATOM}name") for identity, entry in entries.items()}
    for post in posts.values():
        if post.feed_id in names:  # the feed of posts; those of collections are apart
            assert post.authors[0].name == names[post.feed_id], post.path
    assert posts["_notes/one.md"].authors == (
        Author(name="Ann Lee", email="ann@news.example", url="https://ann.example"),
    )
    assert posts["_posts/2021-01-01-plain.md"].image == "https://news.example/i.png"
    assert posts["_posts/2021-01-01-plain.md"].summary == "First. Second."


def test_a_file_without_front_matter_is_no_document(tmp_path: Path) -> None:
    """Jekyll copies it; that is no fault."""
    write(tmp_path)
    found = read_site(tmp_path)["_notes/readme.md"]
    assert isinstance(found, Refusal)
    assert found.problem.severity is Severity.NOTE


def test_the_folder_may_be_that_of_the_posts(tmp_path: Path) -> None:
    """Paths are then counted from another place."""
    write(tmp_path)
    above, inside = jekyll_site(tmp_path), jekyll_site(tmp_path / "_posts")
    assert (above.below, inside.below) == ("", "_posts/")
    found = read_site(tmp_path / "_posts")["old/2021-01-03-far.md"]
    assert isinstance(found, Post)
    assert found.url == "https://news.example/site/old/2021/far.html"


def test_source_and_folder_of_collections_do_not_count(tmp_path: Path) -> None:
    """As for Jekyll: scopes may name the folder of collections, and need not."""
    config = "source: src\ncollections_dir: all\ndefaults:\n- {scope: {path: %s}, values: {author: x}}\n"
    folder = tmp_path / "src" / "all"
    (folder / "_posts" / "a").mkdir(parents=True)
    for scope in ("_posts/a", "all/_posts/a"):
        (tmp_path / "_config.yml").write_text(config % scope, encoding="utf-8")
        site = jekyll_site(folder)
        front = parse_post("_posts/a/2021-01-01-x.md", b"---\ntitle: T\n---\nText.\n", rules(site))
        assert isinstance(front, Post)
        assert [author.name for author in front.authors] == ["x"]


def test_no_site_of_its_own(tmp_path: Path) -> None:
    """Neither that of a folder above nor one of another generator is taken for the posts' own."""
    (tmp_path / "_config.yml").write_text("title: A\n", encoding="utf-8")
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert jekyll_site(other) is NO_SITE
    (tmp_path / "source" / "_posts").mkdir(parents=True)
    assert jekyll_site(tmp_path) is NO_SITE


def test_broken_configuration_is_said(tmp_path: Path) -> None:
    """Addresses would silently become others."""
    (tmp_path / "_config.yml").write_text("title: [\n", encoding="utf-8")
    (tmp_path / "_posts").mkdir()
    with pytest.raises(ConfigError, match=r"_config\.yml:2: cannot be read"):
        jekyll_site(tmp_path / "_posts")


@pytest.mark.parametrize(
    ("style", "template"),
    [
        (None, "/:collection/:path:output_ext"),
        ("pretty", "/:collection/:path/"),
        ("weekdate", "/:collection/:path:output_ext"),
        ("/:title/", "/:collection/:path/"),
        ("/:title:output_ext", "/:collection/:path:output_ext"),
        ("/:title", "/:collection/:path"),
    ],
)
def test_addresses_of_collections_end_as_those_of_posts(style: str | None, template: str) -> None:
    """Unless the collection has its own."""
    site = read_jekyll_site({} if style is None else {"permalink": style}, "", None, ("notes",))
    assert site.collections == {"notes": template}


def test_other_rules_have_another_mark() -> None:
    """So that files are read again."""
    marks = {
        read_jekyll_site(config, "", authors, ()).mark
        for config, authors in (
            ({}, None),
            ({"defaults": [{"values": {"author": "x"}}]}, None),
            ({"defaults": [{"values": {"author": "y"}}]}, None),
            ({"excerpt_separator": "<!-- x -->"}, None),
            ({}, {"x": {"name": "X"}}),
        )
    }
    assert len(marks) == 5


def test_an_excerpt_is_all_that_a_feed_gets(post: Callable[..., Post]) -> None:
    """Of a post that says so; what changes in the rest is still an edit."""
    head = "---\ntitle: T\nfeed: {excerpt_only: %s}\n---\n"
    short = post(f"{head % 'true'}> Quoted.\n\nText.\n")
    whole = post(f"{head % 'false'}> Quoted.\n\nText.\n")
    assert (short.summary, short.lead, short.body) == ("Quoted.", "", "")
    assert "Text." in whole.body
    assert short.text_hash == whole.text_hash


def rules(site: JekyllSite) -> Rules:
    return Rules(site_url="https://e.com", timezone=ZoneInfo("UTC"), jekyll=site, now=datetime(2026, 1, 1, tzinfo=UTC))


def test_authors_may_be_anything(tmp_path: Path) -> None:
    """A list, say, that the site's own pages go through: it names nobody here, and stops nothing."""
    (tmp_path / "_config.yml").write_text("title: T\n", encoding="utf-8")
    (tmp_path / "_data").mkdir()
    (tmp_path / "_data" / "authors.yml").write_text("- name: Ann\n", encoding="utf-8")
    assert jekyll_site(tmp_path).authors == {}


@pytest.mark.parametrize(
    "text",
    ["a: &a [*a]", "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True))],
    ids=["holds-itself", "billions"],
)  # fmt: skip
def test_a_configuration_without_end_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="aliases counted each time"):
        jekyll_site(tmp_path)
