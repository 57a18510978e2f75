"""Categories, tags, people, pictures, languages, titles, encodings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from digest.models import Attachment, Author, Hand, Post, Refusal, Severity


@pytest.mark.parametrize(
    ("front", "path", "expected"),
    [
        ("categories: one two", "_posts/2026-01-01-a.md", ("one", "two")),
        ("categories: [one two, one two, 三]", "_posts/2026-01-01-a.md", ("one two", "三")),
        ("category: one two", "_posts/2026-01-01-a.md", ("one two",)),
        ("categories: a b\ncategory: b c", "_posts/2026-01-01-a.md", ("a", "b", "b c")),
        ("categories: x", "news/World/_posts/2026-01-01-a.md", ("news", "World", "x")),
        ("categories: x", "2026-01-01-all_posts.md", ("x",)),
        ("title: a", "_posts/below/2026-01-01-a.md", ()),
        ("title: a", "2026-01-01-a.md", ()),
        ("title: a", "fr/_drafts/2026-01-01-a.md", ("fr",)),
        ('category: ""', "_posts/2026-01-01-a.md", ()),
        ('categories: ["", " ", a]', "_posts/2026-01-01-a.md", ("a",)),
        ("categories:", "_posts/2026-01-01-a.md", ()),
        ("categories: [a, [b, c], ~]", "_posts/2026-01-01-a.md", ("a", "b", "c")),
        ("categories: {a: b}", "_posts/2026-01-01-a.md", ()),
        ("categories: 2021", "_posts/2026-01-01-a.md", ("2021",)),
        ("categories: 2021 10", "_posts/2026-01-01-a.md", ("2021", "10")),
        ('categories: "007"', "_posts/2026-01-01-a.md", ("007",)),
        ("categories: [007, '007', 1.10, 0x1F, -5, 1_000, 08, 2021-01-01, 1e3]", "_posts/2026-01-01-a.md",
         ("7", "007", "1.1", "31", "-5", "1000", "08", "2021-01-01", "1e3")),
        ("category: 010", "_posts/2026-01-01-a.md", ("8",)),
        ("categories: 甲\u3000乙", "_posts/2026-01-01-a.md", ("甲 乙",)),
        ('categories: ["../../etc/passwd", "a/b", ".", "CON", "x\\u0000y"]', "_posts/2026-01-01-a.md",
         ("../../etc/passwd", "a/b", ".", "CON", "xy")),
    ],
)  # fmt: skip
def test_jekyll_categories(post: Callable[..., Post], front: str, path: str, expected: tuple[str, ...]) -> None:
    """Folders, then text at spaces or list as is, then the single one; nothing is lost because of its characters."""
    assert post(f"---\n{front}\n---\n", path, drafts=True).categories == expected


@pytest.mark.parametrize(
    ("kind", "front", "expected"),
    [
        ("hexo", "categories: [a, b c]", ("a", "b c")),
        ("hexo", "categories:\n- [a, b]\n- [a, c]", ("a", "b", "c")),
        ("hexo", "categories: one two", ("one two",)),
        ("hexo", "category: one", ("one",)),
        ("hexo", 'categories: ["", a]', ("a",)),
        ("hexo", "title: a", ()),
        ("hugo", "categories: [a, b]", ("a", "b")),
        ("hugo", "categories: one two", ("one two",)),
        ("hugo", "title: a", ("posts",)),
        ("hugo", "categories: []", ("posts",)),
    ],
)
def test_hexo_and_hugo_categories(post: Callable[..., Post], kind: str, front: str, expected: tuple[str, ...]) -> None:
    """Text is one category; a Hugo post without any has its section."""
    folder = {"hexo": "source/_posts", "hugo": "content/posts"}[kind]
    assert post(f"---\ndate: 2026-01-01\n{front}\n---\n", f"{folder}/a.md", kind=kind).categories == expected


def test_hugo_posts_at_the_top_have_no_section(post: Callable[..., Post]) -> None:
    """And so no category."""
    assert post("---\ndate: 2026-01-01\n---\n", "content/a.md", kind="hugo").categories == ()
    assert post("---\ndate: 2026-01-01\n---\n", "content/a/index.md", kind="hugo").categories == ()


@pytest.mark.parametrize(
    ("kind", "front", "expected"),
    [
        ("jekyll", "tags: 东财 快讯", ("东财", "快讯")),
        ("jekyll", "tags: [a b, 000001, 000001]", ("a b", "000001")),
        ("jekyll", "tag: one two\ntags: x", ("one two",)),
        ("jekyll", "tags: a, b", ("a,", "b")),
        ("jekyll", "tags:", ()),
        ("hexo", "tags: a b, c，d、e", ("a b", "c", "d", "e")),
        ("hexo", "tags: [a b, c]", ("a b", "c")),
        ("hexo", "tag: a", ("a",)),
        ("hugo", "tags: [x, '']", ("x",)),
        ("hugo", "tags: a, ,b", ("a", "b")),
    ],
)
def test_tags(post: Callable[..., Post], kind: str, front: str, expected: tuple[str, ...]) -> None:
    """Spaces for Jekyll, commas for Hexo and Hugo, lists for all."""
    assert post(f"---\ndate: 2026-01-01\n{front}\n---\n", kind=kind).tags == expected


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("author: 王 小明", (Author(name="王 小明"),)),
        ("author: Ann <ann@a.example>", (Author(name="Ann", email="ann@a.example"),)),
        ("authors: [Ann, Bob, Ann]", (Author(name="Ann"), Author(name="Bob"))),
        ("author_name: Ann", (Author(name="Ann"),)),
        ("author: Ann\nauthors: [Ann, Bob]", (Author(name="Ann"), Author(name="Bob"))),
        (
            "author:\n  name: Ann\n  email: ann@a.example\n  uri: /ann/",
            (Author(name="Ann", email="ann@a.example", url="https://news.example/ann/"),),
        ),
        ("authors:\n- name: Ann\n  url: javascript:x\n  email: none\n- {}", (Author(name="Ann"),)),
        ("author:", ()),
        ('author: " "', ()),
    ],
)
def test_authors(post: Callable[..., Post], front: str, expected: tuple[Author, ...]) -> None:
    """Names, lists, mappings; addresses only if they are some."""
    assert post(f"---\n{front}\n---\n").authors == expected


@pytest.mark.parametrize(
    ("front", "body", "expected"),
    [
        ("image: /a.png", "", "https://news.example/a.png"),
        ("image: a b.png", "", "https://news.example/a%20b.png"),
        ("image:\n  path: //cdn.example/a.png", "", "https://cdn.example/a.png"),
        ("cover: {image: a.png}", "", "https://news.example/a.png"),
        ("header:\n  teaser: /t.png", "", "https://news.example/t.png"),
        ("images: ['', /one.png]", "", "https://news.example/one.png"),
        ("thumbnail: https://a.example/x.png", "![](b.png)", "https://a.example/x.png"),
        ("layout: x", "Text ![](b.png)", "https://news.example/2026/03/24/b.png"),
        ("layout: x", '<p><IMG alt="" src="//c.example/b.png?a=1&amp;b=2"></p>', "https://c.example/b.png?a=1&b=2"),
        ("layout: x", "<img src='data:x'><img src=/c.png>", "https://news.example/c.png"),
        ("layout: x", "![]({{ site.url }}/x.png) ![a](</y.png> 't')", "https://news.example/x.png"),
        ("image:", "Text", None),
        ("image: false", "Text", None),
        ("image: false\ncover: /b.png", "Text", "https://news.example/b.png"),
        ("header:\n  teaser: no\n  image: /b.png", "Text", "https://news.example/b.png"),
    ],
)
def test_images(post: Callable[..., Post], front: str, body: str, expected: str | None) -> None:
    """Front matter first, then the first picture of the body; always absolute."""
    assert post(f"---\n{front}\n---\n{body}").image == expected


@pytest.mark.parametrize(
    ("front", "kind", "hand"),
    [
        ("---\ntitle: a\ndigest: pin\n---\n", "jekyll", Hand.PIN),
        ("---\ntitle: a\ndigest: 'Lead '\n---\n", "jekyll", Hand.LEAD),
        ("---\ntitle: a\ndigest:\n---\n", "jekyll", None),
        ('+++\ntitle = "a"\ndate = 2026-03-24\nDigest = "skip"\n+++\n', "hugo", Hand.SKIP),
        ("title: a\ndate: 2026-03-24\ndigest: skip\n---\n", "hexo", Hand.SKIP),
    ],
)
def test_what_an_editor_wants(post: Callable[..., Post], front: str, kind: str, hand: Hand | None) -> None:
    """It is no part of what readers see: hash and times are those of the post without it."""
    found = post(f"{front}央行宣布降准。", kind=kind)
    assert (found.hand, found.warnings) == (hand, ())
    lines = [line for line in front.splitlines() if not line.lower().startswith("digest")]
    assert replace(found, hand=None) == post("\n".join([*lines, "央行宣布降准。"]), kind=kind)


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("image: javascript:alert(1)", "image is not an address"),
        ("enclosure: javascript:alert(1)", "enclosure is not an address"),
        ("lang: 中文", "is not a language"),
        ("title: [快讯, 标题]", "the title is a list"),
        ("digest: first", "digest: first says nothing to editions"),
        ("digest: [pin]", "digest: a list or a table says nothing to editions"),
    ],
)
def test_unusable_values_are_warnings(post: Callable[..., Post], front: str, reason: str) -> None:
    """The post is taken, the value is not, the line is named."""
    found = post(
        f"---\nlayout: post\ntitle: a\n{front}\n---\n" if "title" not in front else f"---\na: b\nc: d\n{front}\n---\n"
    )
    assert [(item.line, item.severity) for item in found.warnings] == [(4, Severity.WARNING)]
    assert reason in found.warnings[0].reason
    assert found.image is None
    assert found.attachments == ()


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("enclosure: /a.mp3", Attachment(url="https://news.example/a.mp3", mime_type="audio/mpeg")),
        ("audio: https://a.example/x.M4A?q", Attachment(url="https://a.example/x.M4A?q", mime_type="audio/mp4")),
        (
            'enclosure: "http://a.example/v 123 video/x-v"',
            Attachment(url="http://a.example/v", mime_type="video/x-v", length=123),
        ),
        (
            "enclosure: {url: /a.ogg, length: 77}",
            Attachment(url="https://news.example/a.ogg", mime_type="audio/ogg", length=77),
        ),
        ("podcast: [/a, /a]", Attachment(url="https://news.example/a", mime_type="audio/mpeg")),
    ],
)
def test_attachments(post: Callable[..., Post], front: str, expected: Attachment) -> None:
    """Address, mapping, list, or WordPress's three parts."""
    assert post(f"---\n{front}\n---\n").attachments == (expected,)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("lang: zh_cn", "zh-CN"),
        ("lang: EN", "en"),
        ("language: zh-hant-tw", "zh-Hant-TW"),
        ("locale: en_US.UTF-8", "en-US"),
        ("lang:", None),
    ],
)
def test_languages(post: Callable[..., Post], front: str, expected: str | None) -> None:
    """As BCP 47 writes them."""
    assert post(f"---\n{front}\n---\n").lang == expected


@pytest.mark.parametrize(
    ("front", "path", "expected", "warned"),
    [
        ("title: a  b", "_posts/2026-01-01-a.md", "a b", False),
        (
            'title: "&nbsp; ]]> <纯文本> \\u0000\\u000b\\ufffe"',
            "_posts/2026-01-01-a.md",
            "&nbsp; ]]> <纯文本>",
            False,
        ),
        ("title: 007", "_posts/2026-01-01-a.md", "007", False),
        ("title: no", "_posts/2026-01-01-a.md", "no", False),
        ("layout: x", "_posts/2026-01-01-first-post.md", "First Post", True),
        ('title: ""', "_posts/2026-01-01-x.md", "X", True),
        ("title: {a: b}", "_posts/2026-01-01-x.md", "X", True),
        ("layout: x", "_posts/2026-01-01-.md", "2026-01-01-", True),
    ],
)
def test_titles(post: Callable[..., Post], front: str, path: str, expected: str, warned: bool) -> None:
    """As written, minus forbidden characters; without one the file name serves, with a word."""
    found = post(f"---\n{front}\n---\n", path)
    assert found.title == expected
    assert bool(found.warnings) == warned


TEXT = "---\ntitle: 利率下调\n---\n> 央行今日公布，利率下调二十五个基点。\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(post: Callable[..., Post], encoding: str, line_end: str) -> None:
    """UTF-8 with and without mark, UTF-16 with mark, GB18030; LF, CRLF, CR."""
    found = post(TEXT.replace("\n", line_end).encode(encoding), lang="zh-CN")
    assert (found.title, found.summary) == ("利率下调", "央行今日公布，利率下调二十五个基点。")
    assert found.warnings == ()


JAPANESE = "---\ntitle: 日本語の題名\n---\n> 思ったより良い記事です\n"
LONG = "---\ntitle: 大橋重開\n---\n> 大橋重開，" + "車輛通行順暢，" * 9 + "\n"


@pytest.mark.parametrize(
    ("text", "encoding", "lang", "outcome"),
    [
        (TEXT, "gb18030", "en", "refused"),
        (TEXT, "gb18030", "zh-TW", "taken"),
        (JAPANESE, "shift_jis", "ja", "refused"),
        (JAPANESE, "shift_jis", "en", "refused"),
        (JAPANESE, "shift_jis", "zh-CN", "warned"),
        (JAPANESE, "euc_jp", "zh-CN", "refused"),
        (LONG, "gbk", "zh-CN", "warned"),
    ],
)
def test_a_weak_guess_at_an_encoding_is_said(
    read: Callable[..., Post | Refusal], text: str, encoding: str, lang: str, outcome: str
) -> None:
    """And none is made where nobody writes Chinese."""
    found = read(text.encode(encoding), lang=lang)
    if isinstance(found, Refusal):
        assert (outcome, found.problem.line, found.problem.remedy) == ("refused", 2, "save the file as UTF-8")
    else:
        assert [(item.line, "GB18030" in item.reason) for item in found.warnings] == (
            [] if outcome == "taken" else [(2, True)]
        )


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (b"---\ntitle: a\n---\nabc \xff\xff\n", "invalid UTF-8 at byte 21", 4),
        ("---\ntitle: caf\u00e9\n---\n".encode("latin-1"), "invalid UTF-8 at byte 14", 2),
        (b"\xff\xfea\x00b", "invalid UTF-16 at byte 4", None),
        (b"\x80\x80", "invalid UTF-8 at byte 0", 1),
    ],
)
def test_bytes_that_are_no_text(refusal: Callable[..., Refusal], data: bytes, reason: str, line: int | None) -> None:
    """Rejected with the place."""
    problem = refusal(data).problem
    assert problem.reason == reason
    assert problem.line == line
    assert "UTF-8" in problem.remedy


def test_control_characters_are_dropped_with_a_word(post: Callable[..., Post]) -> None:
    """The line of the first one is named; U+2028 is a line end, not a fault."""
    found = post("---\ntitle: a\x08b\n---\nText\x00 more\u2028line\x85end\ufffe")
    assert (found.title, found.body) == ("ab", "Text more\nline\nend")
    assert [(item.line, item.reason) for item in found.warnings] == [
        (2, "3 control or forbidden characters dropped, first U+0008")
    ]


def test_an_empty_file_is_refused(refusal: Callable[..., Refusal]) -> None:
    """Somebody is about to write it."""
    assert refusal(b"").problem.reason == "the file is empty"
    assert refusal(b" \n\n").problem.reason == "the file is empty"


def test_fingerprint_follows_the_rules_but_not_the_clock(rules: Callable[..., object]) -> None:
    """Another zone reads differently, another moment does not."""
    from datetime import UTC, datetime

    from digest.posts import Rules

    one = rules()
    assert isinstance(one, Rules)
    assert one.fingerprint() == rules(now=datetime(2030, 1, 1, tzinfo=UTC)).fingerprint()  # type: ignore[attr-defined]
    assert one.fingerprint() != rules(timezone="UTC").fingerprint()  # type: ignore[attr-defined]
    assert one.fingerprint() != rules(future=True).fingerprint()  # type: ignore[attr-defined]
