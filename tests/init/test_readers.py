"""What is read from each generator's configuration, key by key."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from digest.generators.draft import Census, Place, cautions, draft_config, scalar, switch_steps
from digest.generators.hexo import read_hexo
from digest.generators.hugo import read_hugo
from digest.generators.jekyll import read_jekyll
from digest.generators.site import Findings, PresentFeed, Site

PLACE = Place(name="config.yaml", posts=".", kind="jekyll", state=".digest", output=".digest/public", inside=True)


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ({"title": " A  site "}, "title", "A site"),
        ({"name": "Named"}, "title", "Named"),
        ({"title": 42}, "title", "42"),
        ({"title": ["no", "text"]}, "title", None),
        ({"title": True}, "title", None),
        ({"url": "https://e.com/"}, "url", "https://e.com"),
        ({"url": "https://e.com", "baseurl": "/blog/"}, "url", "https://e.com/blog"),
        ({"url": "https://e.com", "baseurl": ""}, "url", "https://e.com"),
        ({"repository": "ann/ann.github.io"}, "url", "https://ann.github.io"),
        ({"repository": "Ann/news"}, "url", "https://ann.github.io/news"),
        ({"repository": "https://github.com/ann/news", "baseurl": "/n"}, "url", "https://ann.github.io/n"),
        ({"lang": "zh_CN"}, "language", "zh-CN"),
        ({"locale": "en_US.UTF-8"}, "language", "en-US"),
        ({"timezone": "Asia/Shanghai"}, "timezone", "Asia/Shanghai"),
        ({"author": "Ann"}, "author", "Ann"),
        ({"author": ["Ann", "Bob"]}, "author", "Ann"),
        ({"author": {"name": "Ann", "email": "a@e.com", "uri": "https://e.com/a"}}, "author_url", "https://e.com/a"),
        ({"tagline": "All of it"}, "description", "All of it"),
        ({"copyright": "© Ann"}, "rights", "© Ann"),
        ({"permalink": "pretty"}, "permalink", "pretty"),
        ({"permalink": "date", "collections": {"posts": {"permalink": "/p/:title/"}}}, "permalink", "/p/:title/"),
        (
            {"permalink": "date", "defaults": [{"scope": {"type": "posts"}, "values": {"permalink": "/d/:title"}}]},
            "permalink",
            "/d/:title",
        ),
        ({"defaults": [{"scope": {"type": "pages"}, "values": {"permalink": "/x/"}}]}, "permalink", None),
        ({"defaults": "nonsense"}, "permalink", None),
        ({"future": True}, "future", True),
        ({"future": "yes"}, "future", False),
        ({"show_drafts": True}, "drafts", True),
        ({"source": "./src/"}, "posts", "src"),
        ({"source": ".", "collections_dir": "collections"}, "posts", "collections"),
        ({"exclude": ["vendor", "old/_posts/"]}, "exclude", ("old/_posts",)),
    ],
)
def test_jekyll(data: dict[str, Any], field: str, value: object) -> None:
    """Each key, its other spellings, and values that are none."""
    assert getattr(read_jekyll(data), field) == value


def test_jekyll_says_what_it_cannot_take() -> None:
    """What a run does not read in the site itself, and what there is no key for."""
    site = read_jekyll(
        {
            "baseurl": "/blog/",
            "plugins": ["jekyll-feed"],
            "collections": {"notes": {"output": True}, "data": {}},
            "feed": {
                "collections": {"posts": {}, "notes": {"path": "/notes.xml"}, "data": {}},
                "tags": {"except": ["a"], "path": "tags"},
            },
        }
    )
    assert (site.url, site.base, site.collections) == (None, "/blog", ("notes",))
    assert [remark.partition(":")[2].strip()[:44] for remark in site.remarks[1:]] == [
        "feed.collections has data, whose documents h",
        "collection notes has a feed of its own (/not",
        "feed.tags.except (a) has nothing like it in ",
        "feeds of tags are in tags/ now, and in feed/",
    ]
    assert "baseurl and no url" in site.remarks[0]


def test_jekyll_feed_of_the_sites_own_may_hide_posts() -> None:
    """Its template says by which keys."""
    site = read_jekyll({}, files={"feed.xml": "{% unless post.hidden or post.unlisted %}"})
    assert site.hidden_by == ("hidden", "unlisted")
    assert read_jekyll({}, files={"feed.xml": "{% for post in site.posts %}"}).hidden_by == ()


def test_a_plugin_of_hexo_hides_posts_from_feeds() -> None:
    """By ``hidden``, or the key that it is told."""
    assert read_hexo({}, plugins=("hexo-hide-posts",)).hidden_by == ("hidden",)
    assert read_hexo({"hide_posts": {"filter": "secret"}}, plugins=("hexo-hide-posts",)).hidden_by == ("secret",)
    assert read_hexo({}).hidden_by == ()


def test_pictures_and_hub_of_the_jekyll_feed() -> None:
    """As the plugin, or one like it, is told them."""
    feed = {"icon": "/i.png", "logo": "https://c.example/l.png", "hub": "https://hub.example/"}
    site = read_jekyll({"url": "https://e.com", "plugins": ["jekyll-feed"], "feed": feed})
    assert (site.icon, site.logo) == ("https://e.com/i.png", "https://c.example/l.png")
    assert site.feed is not None
    assert site.feed.hubs == ("https://hub.example/",)


@pytest.mark.parametrize(
    ("data", "feed"),
    [
        ({}, None),
        ({"plugins": ["jekyll-feed"]}, ("feed.xml", "", 10, True, False)),
        ({"gems": ["jekyll-feed"], "feed": {"path": "/atom.xml"}}, ("atom.xml", "", 10, True, False)),
        (
            {"plugins": ["jekyll-feed"], "feed": {"posts_limit": 80, "categories": ["a"], "excerpt_only": True}},
            ("feed.xml", "feed/*.xml", 80, False, False),
        ),
        (
            {"plugins": ["jekyll-feed"], "feed": {"tags": {"only": ["x", "y"]}}},
            ("feed.xml", "", 10, True, ("x", "y")),
        ),
        ({"plugins": ["jekyll-feed"], "feed": {"tags": True}}, ("feed.xml", "", 10, True, True)),
        (
            {"plugins": ["jekyll-feed"], "feed": {"collections": {"posts": {"path": "/p.xml"}}}},
            ("p.xml", "", 10, True, False),
        ),
    ],
)
def test_jekyll_feed(data: dict[str, Any], feed: tuple[object, ...] | None) -> None:
    """The plugin's own settings, wherever the plugin is named."""
    found = read_jekyll(data).feed
    assert (found and (found.paths[0], found.categories, found.limit, found.full_text, found.tags)) == feed


def test_jekyll_feed_named_in_the_gemfile_or_written_by_hand() -> None:
    """Neither stands in the configuration."""
    by_gemfile = read_jekyll({}, plugins=("jekyll", "jekyll-feed")).feed
    by_hand = read_jekyll({}, files={"atom.xml": ""}).feed
    assert by_gemfile is not None
    assert by_gemfile.maker == "jekyll-feed"
    assert by_hand is not None
    assert by_hand.paths == ("atom.xml",)


def test_a_domain_of_its_own_comes_after_what_is_written() -> None:
    """CNAME helps out where no address is configured."""
    assert read_jekyll({}, domain="n.example").url == "https://n.example"
    assert read_jekyll({"url": "https://e.com"}, domain="n.example").url == "https://e.com"
    assert read_hugo({"baseURL": "/"}, domain="n.example").url == "https://n.example"
    assert read_hexo({"root": "/b/"}, domain="n.example").url == "https://n.example/b"


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ({"baseURL": "https://e.com/x/"}, "url", "https://e.com/x"),
        ({"baseurl": "/"}, "url", None),
        ({"languageCode": "zh-cn"}, "language", "zh-cn"),
        ({"locale": "de_AT"}, "language", "de-AT"),
        ({"defaultContentLanguage": "fr"}, "language", "fr"),
        ({"defaultContentLanguage": "zh", "languages": {"zh": {"title": "新闻"}}, "title": "News"}, "title", "新闻"),
        ({"languages": {"en": {"params": {"description": "In English"}}}}, "description", "In English"),
        ({"timeZone": "Europe/Vienna"}, "timezone", "Europe/Vienna"),
        ({"params": {"author": {"name": "Ann"}}}, "author", "Ann"),
        ({"params": {"Author": "Ann"}}, "author", "Ann"),
        ({"author": {"name": "Old"}}, "author", "Old"),
        ({"params": {"description": "What"}}, "description", "What"),
        ({"copyright": "© Ann"}, "rights", "© Ann"),
        ({"permalinks": {"posts": "/:year/:slug/"}}, "permalink", "/:year/:slug/"),
        ({"permalinks": {"page": {"posts": "/:year/:slug/"}}}, "permalink", "/:year/:slug/"),
        ({"permalinks": {"posts": "/:year/:slug/"}, "uglyURLs": True}, "permalink", "/:year/:slug.html"),
        ({"uglyURLs": True}, "permalink", "/:sections/:slugorcontentbasename.html"),
        ({"buildFuture": True}, "future", True),
        ({"buildDrafts": True}, "drafts", True),
        ({"contentDir": "text/"}, "posts", "text"),
        ({"contentDir": "content"}, "posts", ""),
        ({"publishDir": "out"}, "built", "out"),
    ],
)
def test_hugo(data: dict[str, Any], field: str, value: object) -> None:
    """Keys count in any case; the main language's values win."""
    assert getattr(read_hugo(data), field) == value


def test_hugo_takes_the_permalink_of_the_largest_section() -> None:
    """Runs read those of the others themselves."""
    links = {"permalinks": {"posts": "/:year/:slug/", "notes": "/n/:slug/"}}
    site = read_hugo(links, sections={"posts": 9, "notes": 2, "about": 1})
    assert site.permalink == "/:year/:slug/"
    assert site.remarks == ()
    assert read_hugo(links, sections={"about": 3}).permalink is None


def test_hugo_with_several_languages_says_so() -> None:
    """Their posts would come into one feed."""
    languages = {"zh": {"languageCode": "zh_CN", "weight": 2}, "en": {"weight": 1}, "de": {"disabled": True}}
    site = read_hugo({"languages": languages, "contentDir": "texts", "disableLanguages": "fr"})
    assert site.languages == ("en", "zh-CN")
    assert site.posts == "", "the whole site is read, whatever the folders of its languages"
    assert site.remarks == ()


def test_hugo_names_what_it_publishes_in_two_languages() -> None:
    """A folder of one language within that of another."""
    site = read_hugo({"languages": {"en": {}, "zh": {"contentDir": "content/zh"}}})
    assert [remark.partition(": ")[2] for remark in site.remarks] == [
        "content/zh (zh) is in the folder of en: Hugo publishes its pages in both, digest takes them in zh alone"
    ]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            {"imports": [{"path": "example.org/x", "mounts": [{"source": "docs", "target": "content/docs"}]}]},
            "module.imports are not read",
        ),
        ({"mounts": [{"source": "../docs", "target": "content/docs"}]}, "module.mounts below content are not read"),
    ],
)
def test_hugo_names_pages_that_are_not_read(module: dict[str, object], words: str) -> None:
    """They come from elsewhere."""
    assert words in read_hugo({"module": module}).remarks[0]


@pytest.mark.parametrize(
    ("data", "feed"),
    [
        ({}, ("index.xml", "categories/*/index.xml", None)),
        ({"disableKinds": ["RSS"]}, None),
        ({"outputs": {"home": ["HTML"]}}, None),
        ({"outputs": {"home": ["html", "rss"], "term": ["html"]}}, ("index.xml", "", None)),
        ({"outputFormats": {"RSS": {"baseName": "feed"}}}, ("feed.xml", "categories/*/feed.xml", None)),
        ({"services": {"rss": {"limit": 20}}}, ("index.xml", "categories/*/index.xml", 20)),
        ({"rssLimit": 30, "taxonomies": {"tag": "tags"}}, ("index.xml", "", 30)),
        ({"services": {"rss": {"limit": -1}}, "disableKinds": ["taxonomy", "term"]}, ("index.xml", "", None)),
    ],
)
def test_hugo_feed(data: dict[str, Any], feed: tuple[object, ...] | None) -> None:
    """Hugo makes RSS unless told not to."""
    found = read_hugo(data).feed
    assert (found and (found.paths[0], found.categories, found.limit)) == feed


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ({"url": "http://e.com/child", "root": "/child/"}, "url", "http://e.com/child"),
        ({"url": "http://e.com", "root": "/child/"}, "url", "http://e.com/child"),
        ({"url": "http://e.com", "root": "/"}, "url", "http://e.com"),
        ({"url": "e.com"}, "url", None),
        ({"language": ["zh-CN", "en"]}, "language", "zh-CN"),
        ({"language": ["default", "en"]}, "language", "en"),
        ({"timezone": ""}, "timezone", None),
        ({"subtitle": "Sub"}, "description", "Sub"),
        ({"permalink": ":year/:title/"}, "permalink", ":year/:title/"),
        ({"permalink": ":title.html", "pretty_urls": {"trailing_html": False}}, "permalink", ":title"),
        ({"permalink": ":title/index.html", "pretty_urls": {"trailing_index": False}}, "permalink", ":title/"),
        ({}, "future", True),
        ({"future": False}, "future", False),
        ({"render_drafts": True}, "drafts", True),
        ({"source_dir": "src"}, "posts", "src/_posts"),
        ({"source_dir": "source"}, "posts", ""),
    ],
)
def test_hexo(data: dict[str, Any], field: str, value: object) -> None:
    """Each key, and Hexo's own habits."""
    assert getattr(read_hexo(data), field) == value


def test_hexo_in_several_languages() -> None:
    """The main one is the first; defaults of addresses are read by each run."""
    site = read_hexo({"language": ["zh_CN", "en", "default"], "permalink_defaults": {"lang": "en"}})
    assert (site.language, site.languages, site.remarks) == ("zh-CN", ("zh-CN", "en"), ())


@pytest.mark.parametrize(
    ("config", "plugins", "words"),
    [
        ({"exclude": "_posts/x/*"}, (), "exclude is not read"),
        ({}, ("hexo-abbrlink",), "posts without an abbrlink are left out"),
        ({}, ("hexo-permalink-pinyin",), "changes addresses in ways that digest does not know"),
    ],
)
def test_hexo_names_what_is_not_read(config: dict[str, object], plugins: tuple[str, ...], words: str) -> None:
    """What changes posts or their addresses."""
    assert words in read_hexo(config, plugins=plugins).remarks[0]


@pytest.mark.parametrize(
    ("data", "plugins", "feed"),
    [
        ({}, (), None),
        ({}, ("hexo-generator-feed",), (("atom.xml",), 20, False)),
        ({"feed": {"enable": False}}, ("hexo-generator-feed",), None),
        (
            {"feed": {"type": ["atom", "rss2"], "path": ["a.xml", "r"], "limit": 0}},
            (),
            (("a.xml", "r.xml"), None, False),
        ),
        ({"feed": {"type": "rss2", "content": True, "limit": 5}}, (), (("rss2.xml",), 5, True)),
    ],
)
def test_hexo_feed(data: dict[str, Any], plugins: tuple[str, ...], feed: tuple[object, ...] | None) -> None:
    """By its settings, or by the package alone."""
    found = read_hexo(data, plugins=plugins).feed
    assert (found and (found.paths, found.limit, found.full_text)) == feed


# ------------------------------------------------------------------- draft


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1).map(str.strip))
def test_any_text_survives_as_yaml(text: str) -> None:
    """Whatever a title holds, the file gives it back."""
    from digest.text import clean_line

    text = clean_line(text)
    if text:
        assert yaml.safe_load(f"key: {scalar(text)} # comment\n") == {"key": text}


@pytest.mark.parametrize("text", ["https://e.com/blog", ".digest/public", ".", "../site", "zh-CN", "财经早报", "a b"])
def test_harmless_texts_are_plain(text: str) -> None:
    """No quotes where nobody would write any."""
    assert scalar(text) == text


def test_long_lists_of_categories_are_cut() -> None:
    """And the rest is counted."""
    census = Census(posts=100, categories=tuple((f"c{number}", 1) for number in range(100)))
    text = draft_config(Site(generator="jekyll"), census, PLACE)
    assert "#   and 60 more" in text
    assert "c39" in text
    assert "c40" not in text


def test_limits_of_the_present_feed_are_kept() -> None:
    """Where it has more than ours have by default."""
    feed = PresentFeed(maker="x", paths=("feed.xml",), limit=800, tags=("a b", "c"), full_text=True)
    written = yaml.safe_load(draft_config(Site(generator="jekyll", feed=feed), Census(), PLACE))
    assert written["feeds"] == {
        "min_items": 800,
        "max_items": 800,
        "full_text": True,
        "tags": ["a b", "c"],
        "id_scheme": "permalink",
    }


def test_a_busy_site_gets_summaries() -> None:
    """Whole posts would push a day's posts out of the feed within hours; the file says why."""
    feed = PresentFeed(maker="jekyll-feed", paths=("feed.xml",), full_text=True, ids="jekyll-feed")
    text = draft_config(Site(generator="jekyll", feed=feed), Census(posts=9000, a_day=300), PLACE)
    assert yaml.safe_load(text)["feeds"] == {"full_text": False}
    assert "with 300 a day they would not fit" in text


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        (PresentFeed(maker="jekyll-feed", paths=("feed.xml",), switch_off="x"), []),
        (PresentFeed(maker="jekyll-feed", paths=("atom.xml",), switch_off="x"), ["/atom.xml", "/feed.xml"]),
        (PresentFeed(maker="Hugo's RSS", paths=("index.xml",), switch_off="x"), ["/index.xml", "/rss.xml"]),
        (PresentFeed(maker="h", paths=("atom.xml", "rss2.xml"), switch_off="x"), ["/rss2.xml", "/rss.xml"]),
        (PresentFeed(maker="h", paths=("feed.xml",), categories="c/*/i.xml", switch_off="x"), ["c/NAME/i.xml"]),
        (PresentFeed(maker="h", paths=("feed.xml",), categories="feed/*.xml", switch_off="x"), ["--category NAME"]),
        (PresentFeed(maker="h", paths=("feed.xml",), tags=True, switch_off="x"), ["feed/by_tag"]),
    ],
)
def test_a_switch_tells_which_addresses_move(feed: PresentFeed, words: list[str]) -> None:
    """A feed that keeps its address needs no redirect."""
    steps = " ".join(switch_steps(Site(generator="jekyll", feed=feed, built="_site"), PLACE))
    assert "adopt-ids" in steps
    assert all(word in steps for word in words)
    assert ("redirect" in steps) is bool(words and "--category" not in words[0] and "by_tag" not in words[0])


def test_no_feed_needs_no_switch() -> None:
    """Nothing to say is not said."""
    assert switch_steps(Site(generator="hugo"), PLACE) == ()


def test_files_that_a_generator_would_publish_are_warned_of() -> None:
    """Only where the configuration lies inside the site."""
    assert len(cautions(Site(generator="jekyll"), PLACE, False)) == 2
    assert len(cautions(Site(generator="jekyll"), PLACE, True)) == 1
    assert len(cautions(Site(generator="hexo"), PLACE, False)) == 1


@pytest.mark.parametrize(("written", "tag"), [("zh_TW", "zh-TW"), ("de_DE@euro", "de-DE"), (None, None), (3, "3")])
def test_language_tags(written: object, tag: str | None) -> None:
    """Locales of an operating system are spelled as tags."""
    found = Findings()
    found.language(written, "locale")
    assert found.values.get("language") == tag
