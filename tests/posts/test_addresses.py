"""Addresses and ids. What real Jekyll makes of them is in test_jekyll; here are Hugo, Hexo, and the corners."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha1
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Post, Refusal
from digest.posts.identity import normalised
from digest.posts.links import absolute, encode_path, host_of
from digest.posts.permalinks import hexo_slug, hugo_slug, slugify, titleize


def test_the_model_post(post: Callable[..., Post]) -> None:
    """Date style, one category: the address and id of the archive's own example."""
    found = post(
        "---\ntitle: a\ndate: 2021-12-30 17:17:49 +0800\ncategories: emnews\n---\n",
        "_posts/2021-12-30-202112302231658452.md",
    )
    assert found.url == "https://news.example/emnews/2021/12/30/202112302231658452.html"
    assert found.feed_id == "https://news.example/emnews/2021/12/30/202112302231658452"


@pytest.mark.parametrize(("zone", "day"), [("Asia/Shanghai", "31"), ("UTC", "30")])
def test_the_zone_decides_the_day(post: Callable[..., Post], zone: str, day: str) -> None:
    """00:30 in Shanghai is the day before in UTC."""
    found = post("---\ndate: 2021-12-31 00:30:00 +0800\n---\n", timezone=zone)
    assert found.url == f"https://news.example/2021/12/{day}/rates.html"


@pytest.mark.parametrize(
    ("permalink", "expected"),
    [
        ("date", "/posts/my-post/"),
        ("/:year/:month/:day/:slug/", "/2026/03/24/the-title/"),
        ("/:section/:title/", "/posts/the-title/"),
        ("/:sections/:filename/", "/posts/deep/my-post/"),
        ("/:sections[0]/:slugorfilename/", "/posts/my-post/"),
        ("/:sections[1:]/:contentbasename/", "/deep/my-post/"),
        ("/:sections[last]/:slugorcontentbasename/", "/deep/my-post/"),
        ("/:sections[:last]/:yearday/", "/posts/83/"),
        ("/:monthname/:weekdayname/:weekday/", "/March/Tuesday/2/"),
    ],
)
def test_hugo_addresses(post: Callable[..., Post], permalink: str, expected: str) -> None:
    """The default and Hugo's placeholders."""
    folder = "content/posts/" if permalink == "date" else "content/posts/deep/"
    text = "---\ntitle: The Title\ndate: 2026-03-24\n---\n"
    found = post(text, f"{folder}My Post.md", kind="hugo", permalink=permalink)
    assert found.url == f"https://news.example{expected}"


@pytest.mark.parametrize(
    ("path", "front", "expected", "identity"),
    [
        ("content/posts/a/index.md", "", "/posts/a/", "/posts/a"),
        ("content/posts/a.zh.md", "", "/posts/a/", "/posts/a"),
        ("content/posts/a.fr.md", "", "/posts/a.fr/", "/posts/a.fr"),
        ("content/a.md", "", "/a/", "/a"),
        ("blog/2026-03-24-a.md", "", "/blog/2026-03-24-a/", "/blog/2026-03-24-a"),
        ("content/posts/a.md", "slug: Own Slug", "/posts/own-slug/", "/posts/Own%20Slug"),
        ("content/posts/a.md", "url: /own/Page.html", "/own/Page.html", "/own/a"),
        ("content/posts/a.md", "url: own/", "/own/", "/a"),
        (
            "content/新闻/利率.md",
            "",
            "/%E6%96%B0%E9%97%BB/%E5%88%A9%E7%8E%87/",
            "/%E6%96%B0%E9%97%BB/%E5%88%A9%E7%8E%87",
        ),
    ],
)
def test_hugo_paths(post: Callable[..., Post], path: str, front: str, expected: str, identity: str) -> None:
    """Bundles, languages in names, slug, url."""
    found = post(f"---\ntitle: a\ndate: 2026-03-24\n{front}\n---\n", path, kind="hugo", lang="zh-CN")
    assert (found.url, found.feed_id) == (f"https://news.example{expected}", f"https://news.example{identity}")


@pytest.mark.skipif(shutil.which("hugo") is None, reason="hugo is not on the PATH")
def test_hugo_itself_agrees(tmp_path: Path, post: Callable[..., Post]) -> None:
    """Real Hugo writes the same posts to the same addresses."""
    names = ["My Post", "a--b", "中文 标题，逗号", "Dots.and.more", "C#, co+", "x_y~z@w", "quote's"]
    (tmp_path / "hugo.toml").write_text('baseURL = "https://news.example/"\n')
    (tmp_path / "config.toml").write_text('baseURL = "https://news.example/"\n')
    (tmp_path / "layouts" / "_default").mkdir(parents=True)
    (tmp_path / "layouts" / "_default" / "single.html").write_text("{{ .RelPermalink }}")
    (tmp_path / "content" / "News SignupService").mkdir(parents=True)
    text = "---\ntitle: a\ndate: 2026-03-24\n---\nText\n"
    for name in names:
        (tmp_path / "content" / "News SignupService" / f"{name}.md").write_text(text)
    command = ["hugo", "--source", str(tmp_path), "--disableKinds", "taxonomy,term,home,section,RSS,sitemap,404"]
    subprocess.run(command, check=True, capture_output=True)
    pages = {path.read_text() for path in (tmp_path / "public").rglob("index.html")}
    mine = {post(text, f"content/News SignupService/{name}.md", kind="hugo").url for name in names}
    assert {url.removeprefix("https://news.example") for url in mine} == {encode_path(unescape(page)) for page in pages}


@pytest.mark.parametrize(
    ("permalink", "expected"),
    [
        ("date", "/2026/03/24/deep/My%20Post/"),
        (":category/:name.html", "/Cat-A/Cat-B/My%20Post.html"),
        ("posts/:hash/", "/posts/" + sha1(b"deep/My Post1774312200").hexdigest()[:12] + "/"),
        (":i_month-:i_day/:hour:minute:second/", "/3-24/083000/"),
        (":post_title/:timestamp/", "/the-title-cafe/1774312200/"),
        (":abbrlink.html", "/4a17b156.html"),
    ],
)
def test_hexo_addresses(post: Callable[..., Post], permalink: str, expected: str) -> None:
    """The default, Hexo's placeholders, and front matter keys as placeholders."""
    text = (
        "---\ntitle: The Title! Café\ndate: 2026-03-24 08:30:00\ncategories: [Cat A, Cat B]\nabbrlink: 4a17b156\n---\n"
    )
    found = post(text, "source/_posts/deep/My Post.md", kind="hexo", permalink=permalink)
    assert found.url == f"https://news.example{expected}"


@pytest.mark.parametrize("given", ["own/page/", "/own/page/"])
def test_hexo_permalink_in_the_post(post: Callable[..., Post], given: str) -> None:
    """Wins, with or without its slash."""
    found = post(f"---\ndate: 2026-03-24\npermalink: {given}\n---\n", "source/_posts/a.md", kind="hexo")
    assert found.url == "https://news.example/own/page/"


@pytest.mark.parametrize(
    ("kind", "path", "permalink"),
    [
        ("jekyll", "_posts/2026-03-24-a.md", "/:year/:nothing/"),
        ("hugo", "content/a.md", "/:nothing/"),
        ("hugo", "content/a.md", "/:sections[x]/"),
        ("hugo", "content/a.md", "/:year[0]/"),
        ("hexo", "source/_posts/a.md", ":nothing/"),
    ],
)
def test_a_template_that_asks_for_the_unknown_is_refused(
    refusal: Callable[..., Refusal], kind: str, path: str, permalink: str
) -> None:
    """The reason names template and key."""
    problem = refusal("---\ndate: 2026-03-24\n---\n", path, kind=kind, permalink=permalink).problem
    assert permalink in problem.reason
    assert "posts.permalink" in problem.remedy


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        ("/a/../b", "/a/b", False),
        ("/x/:nope/", "/x/:nope/", True),
        ("https://other.example/x/", "/x/", True),
        ("/?p=12", "/?p=12", False),
    ],
)
def test_permalinks_in_jekyll_posts(post: Callable[..., Post], given: str, expected: str, warned: bool) -> None:
    """Cleaned as Jekyll does; what Jekyll would stumble over is a warning with its line."""
    found = post(f"---\ntitle: a\npermalink: {given}\n---\n")
    assert found.url == f"https://news.example{expected}"
    assert [item.line for item in found.warnings] == ([3] if warned else [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "https://news.example/c/2026/03/24/rates"),
        ({"id_base": "https://old.example/"}, "https://old.example/c/2026/03/24/rates"),
        ({"id_scheme": "permalink"}, "https://news.example/c/2026/03/24/rates.html"),
        ({"id_scheme": "tag"}, "tag:news.example,2026:/c/2026/03/24/rates.html"),
        (
            {"id_scheme": "tag", "id_authority": "desk@news.example"},
            "tag:desk@news.example,2026:/c/2026/03/24/rates.html",
        ),
        ({"id_scheme": "tag", "id_base": "https://Old.example"}, "tag:old.example,2026:/c/2026/03/24/rates.html"),
        ({"site_url": "https://news.example/base/"}, "https://news.example/base/c/2026/03/24/rates"),
    ],
)
def test_id_schemes(post: Callable[..., Post], changes: dict[str, str], expected: str) -> None:
    """Three schemes; the base of ids may differ from the address."""
    assert post("---\ntitle: a\ncategories: c\n---\n", **changes).feed_id == expected


def test_front_matter_forces_an_id(post: Callable[..., Post]) -> None:
    """``feed_id`` wins over every scheme."""
    found = post("---\ntitle: a\nfeed_id: urn:x:1\n---\n")
    assert (found.feed_id, found.feed_id_forced) == ("urn:x:1", True)
    assert not post("---\ntitle: a\n---\n").feed_id_forced


@pytest.mark.parametrize(
    ("path", "nfkc", "expected"),
    [
        ("/a/%e4%b8%ad", False, "/a/%E4%B8%AD"),
        ("/cafe\u0301", False, "/caf%C3%A9"),
        ("/½", False, "/%C2%BD"),
        ("/½", True, "/1%E2%81%842"),
        ("/a/./b/../c", False, "/a/c"),
        ("/a/..", False, "/"),
        ("/../a", False, "/a"),
        ("/%2F%3F", False, "/%2F%3F"),
    ],
)
def test_normalised(path: str, nfkc: bool, expected: str) -> None:
    """Composed, encoded once in upper case, without dot segments."""
    assert normalised(path, nfkc=nfkc) == expected


@pytest.mark.parametrize(
    ("text", "pretty", "expected"),
    [
        ("The _config.yml file", False, "the-config-yml-file"),
        ("The _config.yml file", True, "the-_config.yml-file"),
        ("-a-", False, "a"),
        ("！中文！", False, "中文"),
        ("a--b", True, "a-b"),
        ("", False, ""),
    ],
)
def test_slugify(text: str, pretty: bool, expected: str) -> None:
    """As Jekyll's own examples."""
    assert slugify(text, pretty=pretty) == expected


def test_other_slugs() -> None:
    """Hugo's, Hexo's, and titles from names."""
    assert hugo_slug("A  b -c, d") == "A-b-c-d"
    assert hexo_slug("Éa b/c") == "Ea-b-c"
    assert titleize("first-POST-中") == "First Post 中"


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("//b.example/x", "https://b.example/x"),
        ("/x y", "https://news.example/x%20y"),
        ("图.png", "https://news.example/2026/%E5%9B%BE.png"),
        ("http://例子.example/", "http://xn--fsqu00a.example/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("https://a.example:8080/?q=中#f 1", "https://a.example:8080/?q=%E4%B8%AD#f%201"),
        ("https://a.example/100%", "https://a.example/100%25"),
        ("https://a.example/?a=100%", "https://a.example/?a=100%25"),
        ("HTTPS://A.example/", "https://a.example/"),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("data:text/html,x", None),
        ("mailto:a@b.example", None),
        ("http://[broken", None),
        ("http://a.example:99999/", None),
        ("http://", None),
        ("http://a%00b/", None),
        ("http://" + "a" * 70 + "é.example/", None),
        ("", "https://news.example/2026/a"),
    ],
)
def test_absolute(href: str, expected: str | None) -> None:
    """http(s) only, encoded, complete; anything else is none."""
    assert absolute(href, "https://news.example/2026/a") == expected


@given(href=st.text(max_size=40))
def test_an_absolute_address_stays_as_it_is(href: str) -> None:
    """Whatever comes out is ASCII, http(s), and comes out again unchanged."""
    found = absolute(href, "https://news.example/a/")
    if found is not None:
        assert found.isascii()
        assert found.startswith(("http://", "https://"))
        assert absolute(found, "https://elsewhere.example/") == found


def test_host_of() -> None:
    """The host in lower case, nothing for rubbish."""
    assert host_of("https://A.example/x") == "a.example"
    assert host_of("http://[x") == ""
