"""Front matter in the dialects of three generators, and what is said about broken ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Post, Refusal
from digest.posts.frontmatter import split
from digest.posts.plainblock import FrontMatter, read_plain
from digest.posts.problems import Rejected, Remarks
from digest.posts.yamlblock import read_yaml


def values(text: str, kind: str = "jekyll") -> dict[str, object]:
    return dict(split(text, kind, Remarks("a.md"))[0].values)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("title: 甲\n", {"title": "甲"}),
        ("title: 'a ''b'''\n", {"title": "a 'b'"}),
        ('title: "a \\"b\\" \\\\"\n', {"title": 'a "b" \\'}),
        ('title: "\\u4e2d\\x41"\n', {"title": "中A"}),
        (
            "code: 000001\nversion: 1.10\nno: no\ntime: 17:30:00\n",
            {"code": "000001", "version": "1.10", "no": "no", "time": "17:30:00"},
        ),
        ("a:\nb: ~\nc: null\nd: ''\n", {"a": None, "b": None, "c": None, "d": ""}),
        ("tags: [a, 'b', 1]\n", {"tags": ["a", "b", "1"]}),
        ("tags:\n- a\n-\n- b: c\n", {"tags": ["a", None, {"b": "c"}]}),
        ("author:\n  name: 王\n  url: x\n", {"author": {"name": "王", "url": "x"}}),
        ("text: |\n  one\n  two\nfold: >\n  a\n  b\n", {"text": "one\ntwo\n", "fold": "a b\n"}),
        ("# only a comment\n", {}),
        ("a: b # comment\nc: d#e\n", {"a": "b", "c": "d#e"}),
        ("url: http://x/y:z\n", {"url": "http://x/y:z"}),
        ("? a\n: b\n", {"a": "b"}),
        ("{title: x, n: 1}\n", {"title": "x", "n": "1"}),
        ("date: 2021-12-30 17:17:49 +0800  \n", {"date": "2021-12-30 17:17:49 +0800"}),
        ("", {}),
        ("a: one\n  two\n", {"a": "one two"}),
        ("a: &x [b, 1]\nc: *x\n", {"a": ["b", "1"], "c": ["b", "1"]}),
        ("title: &t x\nsubtitle: *t\n", {"title": "x", "subtitle": "x"}),
        ("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", {"a": {"x": "1", "y": "2"}, "b": {"y": "3", "x": "1"}}),
        (
            "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc:\n  <<: [*a, *b]\n",
            {"a": {"x": "1"}, "b": {"x": "2", "z": "3"}, "c": {"x": "1", "z": "3"}},
        ),
        ("1: x\ntrue: y\n", {"1": "x", "true": "y"}),
    ],
)
def test_yaml_scalars_stay_text(block: str, expected: dict[str, object]) -> None:
    """Numbers, booleans and times arrive as they were written; only null is None."""
    assert values(f"---\n{block}---\nBody") == expected


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("---\n", "---\n"), ("---  \n", "---\t\n"), ("---\n", "...\n"), ("---\n", "---"), ("---\n", "...  ")],
)
def test_marks_as_jekyll_accepts_them(opening: str, closing: str) -> None:
    """White space may follow the marks; dots may close."""
    front, body, line = split(f"{opening}title: a\n{closing}", "jekyll", Remarks("a.md"))
    assert front.values == {"title": "a"}
    assert (body, line) == ("", 4 if closing.endswith("\n") else 3)


def test_a_line_that_only_begins_like_a_mark_is_none() -> None:
    """``--- x`` and ``----`` do not close."""
    _, body, line = split("---\na: >\n  ----\nb: c\n---\nText\n---\n", "jekyll", Remarks("a.md"))
    assert (body, line) == ("Text\n---\n", 6)


@pytest.mark.parametrize(
    ("text", "line", "reason", "remedy"),
    [
        ("---\ntitle: a\n", 1, "never closed", "add a line ---"),
        ("---\na: b\ntitle: 甲: 乙\n---\n", 3, "not valid YAML", 'in quotes: write title: "…"'),
        ("---\ntitle: [快讯] 标题\nb: c\n---\n", 2, "not valid YAML", "in quotes"),
        ("---\ntitle: @x\n---\n", 2, "not valid YAML", "in quotes"),
        ("---\ntitle: `x`\n---\n", 2, "not valid YAML", "in quotes"),
        ("---\ntitle: %x\n---\n", 2, "not valid YAML", "in quotes"),
        ("---\ntitle: *星\n---\n", 2, "not valid YAML", "quotes"),
        ("---\ntitle: *x\n---\n", 2, "alias *x, which stands for nothing", "quotes"),
        ("---\na: &a [*a]\n---\n", 2, "alias *a, which stands for nothing", "quotes"),
        ("---\na: &a x\nb: [" + "*a, " * 300 + "]\n---\n", 3, "grows too large", "write"),
        ("---\na: &a [" + "x, " * 2000 + "]\nb: &b [" + "*a, " * 30 + "]\n---\n", 3, "grows too large", "write"),
        (
            "---\na: &a " + "[" * 12 + "]" * 12 + "\nb: " + "[" * 12 + "*a" + "]" * 12 + "\n---\n",
            3,
            "too deeply",
            "flat",
        ),
        ('---\ntitle: "a "b" c"\n---\n', 2, "not valid YAML", "quote"),
        ("---\ntitle: 'it's'\n---\n", 2, "not valid YAML", "close the quote"),
        ('---\ntitle: "abc\ndate: 2026-01-01\n---\n', 2, "not valid YAML", 'close the quote "'),
        ("---\ntitle: 'abc\ndate: 2026-01-01\n---\n", 2, "not valid YAML", "close the quote '"),
        ('---\ntitle: "abc\ndate: 2026-01-01\ntags: "x"\n---\n', 2, "not valid YAML", 'close the quote "'),
        ('---\nimage: x\ntitle: "abc\nlayout: y\n---\n', 3, "not valid YAML", 'close the quote "'),
        ("---\ntitle: a\ntags: [a, b\ndate: 2026-01-01\n---\n", 3, "not valid YAML", "close the [ with a ]"),
        ("---\ntitle: a\n\t\ndate: 2026-01-01\n---\n", 3, "tab character", "delete the tab"),
        ("---\ntags:\n  - a\n\t\n  - b\n---\n", 4, "tab character", "delete the tab"),
        ("---\ntitle：a\ndate: 2026-01-01\n---\n", 2, "full-width colon", "write title: with a blank"),
        ("---\ndate: 2026-01-01\ntitle ：a\n---\n", 3, "full-width colon", "write title: with a blank"),
        ("---\ntitle：a\n---\n", 2, "full-width colon", "write title: with a blank"),
        ("---\ntitle:a\ndate: 2026-01-01\n---\n", 2, "a blank is missing after the colon of 'title'", "write title:"),
        ("---\ndate: 2026-01-01\ntitle:a\ntags: x\n---\n", 3, "a blank is missing", "write title:"),
        ("---\na: b\n\tc: d\n---\n", 3, "not valid YAML", "spaces instead of tabs"),
        ("---\na: b\nno colon here\n---\n", 3, "not valid YAML", "key: value"),
        ("---\n- a\n- b\n---\n", 2, "no keys", "title"),
        ("---\njust text\n---\n", 2, "no keys", "title"),
        ("---\n[a, b]: c\n---\n", 2, "key that is not text", "quotes"),
        ("---\na: " + "[" * 30 + "]" * 30 + "\n---\n", 2, "nested too deeply", "flat"),
        ("---\na: b\n--- !x\nc: d\n---\n", 3, "second document", "delete"),
        ("---\na: " + "x" * 70_000 + "\n---\n", 2, "larger than 64 KB", "move"),
    ],
)
def test_broken_blocks_are_refused_with_line_and_remedy(
    refusal: Callable[..., Refusal], text: str, line: int, reason: str, remedy: str
) -> None:
    """The line is the file's, the remedy fits the fault."""
    problem = refusal(text).problem
    assert problem.line == line
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_nested_aliases_stay_small(refusal: Callable[..., Refusal]) -> None:
    """Nine to the power of nine values in two hundred characters."""
    lines = [
        "a: &a [x]",
        *(
            f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]"
            for before, one in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ]
    assert "grows too large" in refusal("---\n" + "\n".join(lines) + "\n---\n").problem.reason


def test_jekyll_publishes_what_has_no_front_matter(post: Callable[..., Post]) -> None:
    """Title and date come from the name; with blank lines before it, front matter is not read at all."""
    found = post("Rates fell.\n\nMore.\n", "_posts/2026-03-24-rates-fall.md")
    assert (found.title, found.summary, found.url) == (
        "Rates Fall",
        "Rates fell.",
        "https://news.example/2026/03/24/rates-fall.html",
    )
    found = post("\n\n---\ntitle: a\ncategories: x\n---\nText\n", "_posts/2026-03-24-rates-fall.md")
    assert (found.title, found.categories, found.summary) == ("Rates Fall", (), "Text")
    assert "blank lines" in found.warnings[0].reason


def test_the_last_of_two_equal_keys_counts(post: Callable[..., Post]) -> None:
    """It is taken, and said."""
    found = post("---\ntitle: first\ntitle: second\n---\nText")
    assert found.title == "second"
    assert [(item.line, item.reason) for item in found.warnings] == [(3, "'title' is given twice, the last one counts")]


@pytest.mark.parametrize(
    ("front", "line", "reason"),
    [
        ("title: C# news #1", 2, "the title ends before '#1'"),
        ("title: a\ntags: #one #two", 3, "the tags ends before '#one #two'"),
        ("title: a\ncategories: macro, tech", 3, "the category 'macro,' ends with a comma"),
        ("title: a\ncategory: macro，", 3, "the category 'macro，' ends with a comma"),
    ],
)
def test_what_was_hardly_meant_is_said(post: Callable[..., Post], front: str, line: int, reason: str) -> None:
    """The post is taken as it is written."""
    (warning,) = post(f"---\n{front}\n---\nText").warnings
    assert (warning.line, reason in warning.reason) == (line, True), warning
    assert warning.remedy


@pytest.mark.parametrize(
    "front", ["title: a # a remark", "layout: post #1", 'title: "C# #1"', "title: C#1", "title: a\nx: #b"]
)
def test_remarks_are_no_surprise(post: Callable[..., Post], front: str) -> None:
    """With a blank behind the sign, or in a key that nobody reads."""
    assert not [item for item in post(f"---\n{front}\n---\nText").warnings if "comment" in item.reason]


TOML = """+++
title = "利率"
date = 2026-03-24T08:30:00+08:00
draft = false
weight = 1.50
tags = ["a", "b"]
local = 2026-03-24T08:30:00
[author]
name = "王"
+++
Text
"""


def test_hugo_reads_toml() -> None:
    """Dates, numbers and booleans become the text they would be in YAML."""
    front, body, line = split(TOML, "hugo", Remarks("a.md"))
    assert front.values == {
        "title": "利率",
        "date": "2026-03-24T08:30:00+08:00",
        "draft": "false",
        "weight": "1.50",
        "tags": ["a", "b"],
        "local": "2026-03-24T08:30:00",
        "author": {"name": "王"},
    }
    assert front.quoted == {"title"}
    assert (body, line) == ("Text\n", 11)


def test_hugo_reads_json() -> None:
    """A JSON object at the start is front matter; the body follows it."""
    front, body, line = split(
        '{\n "title": "a", "n": 1.0, "none": null,\n "list": [true]\n}\nText', "hugo", Remarks("a.md")
    )
    assert front.values == {"title": "a", "n": "1.0", "none": None, "list": ["true"]}
    assert (body.strip(), line) == ("Text", 4)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("+++\ntitle = x\n+++\n", 2, "not valid TOML"),
        ("+++\ntitle = 'x'\n", 1, "never closed"),
        ("+++ title\n+++\n", 1, "more than that"),
        ("+++\na = '" + "x" * 70_000 + "'\n+++\n", 1, "larger than 64 KB"),
        ('{\n "title": \n}\n', 3, "not valid JSON"),
        ("{" + '"a":[' * 2_000 + "\n", 1, "not valid JSON"),
        ("+++\na = " + "[" * 5_000 + "\n+++\n", 1, "not valid TOML"),
        ("---\na: b: c\n---\n", 2, "not valid YAML"),
    ],
)
def test_hugo_says_what_is_broken(text: str, line: int, reason: str) -> None:
    """Line and reason for TOML and JSON too."""
    with pytest.raises(Rejected) as caught:
        split(text, "hugo", Remarks("a.md"))
    assert caught.value.line is not None
    assert abs(caught.value.line - line) <= 1
    assert reason in caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ["hugo", "hexo"])
def test_files_without_front_matter_are_all_body(kind: str) -> None:
    """For Hugo and Hexo that is allowed."""
    assert split("Text only\n\nMore: text\n", kind, Remarks("a.md")) == (
        FrontMatter(values={}),
        "Text only\n\nMore: text\n",
        1,
    )


@pytest.mark.parametrize(
    ("text", "expected", "body", "line"),
    [
        ("---\ntitle: a\n---\nText", {"title": "a"}, "Text", 4),
        ("title: a\ntags: [b]\n---\nText", {"title": "a", "tags": ["b"]}, "Text", 4),
        ("title: a\n----\nText", {"title": "a"}, "Text", 3),
        ("----\ntitle: a\n----\nText", {"title": "a"}, "Text", 4),
        ("---\ntags:\n\t- a\n\t- b\n---\nText", {"tags": ["a", "b"]}, "Text", 6),
        ("---\na:\n\tb:\n\t\tc: d\n---\n", {"a": {"b": {"c": "d"}}}, "", 6),
        (';;;\n"title": "a",\n"n": 1\n;;;\nText', {"title": "a", "n": "1"}, "Text", 5),
        ('"title": "a"\n;;;\nText', {"title": "a"}, "Text", 3),
        ("\n---\ntitle: a\n---\nText", {"title": "a"}, "Text", 5),
    ],
)
def test_hexo_forms(text: str, expected: dict[str, object], body: str, line: int) -> None:
    """No opening mark, longer marks, tabs for indentation, JSON between semicolons."""
    front, rest, first = split(text, "hexo", Remarks("a.md"))
    assert (front.values, rest, first) == (expected, body, line)


def test_hugo_keys_ignore_case(post: Callable[..., Post]) -> None:
    """``Title`` and ``DATE`` are title and date."""
    found = post("---\nTitle: A\nDATE: 2026-03-24\nLastMod: 2026-03-25\n---\nText", "content/posts/a.md", kind="hugo")
    assert found.title == "A"
    assert found.modified is not None


KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True)
PIECES = st.sampled_from([*"ab:#-'\"\\ ,[]{}&*!|>%@`?~=.0\t中，。\u3000\u2028\x85\ufeff\x07", ": ", " #", "null", "~"])
SCALARS = st.lists(PIECES, max_size=8).map("".join)
BLOCKS = st.lists(st.one_of(st.tuples(KEYS, SCALARS).map(": ".join), SCALARS), max_size=5).map("\n".join)


@given(block=BLOCKS)
def test_the_fast_reader_never_disagrees(block: str) -> None:
    """Where the reader of plain lines answers at all, the YAML reader gives exactly the same."""
    fast = read_plain(block, 2)
    if fast is not None:
        assert fast == read_yaml(block, 2, Remarks("a.md"))


@given(block=st.one_of(BLOCKS, st.text()), kind=st.sampled_from(["jekyll", "hugo", "hexo"]))
def test_no_block_raises_anything_else(block: str, kind: str) -> None:
    """Only ``Rejected`` comes out, with a remedy."""
    refused = None
    try:
        split(f"---\n{block}\n---\nText", kind, Remarks("a.md"))
    except Rejected as error:
        refused = error
    assert refused is None or refused.remedy
