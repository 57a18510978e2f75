"""Nearly three thousand posts that nobody on this project wrote: none of them stops anything."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import lxml.html
import pytest
from markdown_it import MarkdownIt
from mdit_py_cjk_friendly import cjk_friendly

from digest.models import Post, Severity
from digest.posts import Rules, parse_post
from digest.posts.body import to_html
from digest.posts.frontmatter import split
from digest.posts.plainblock import read_plain
from digest.posts.problems import Remarks
from digest.posts.yamlblock import read_yaml
from digest.sources import FolderSource

ROOT = Path(os.environ.get("DIGEST_REAL_POSTS") or Path(__file__).parents[2] / ".." / "shared" / "real-posts")
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir()) if ROOT.is_dir() else []
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDERS, reason="no real posts at DIGEST_REAL_POSTS or ../shared/real-posts"),
]

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
MARKDOWN = MarkdownIt("commonmark").use(cjk_friendly)
# A table cell inside a blockquote, opened in HTML and closed in Markdown: every parser reads it in its own way.
UNREADABLE = {"2010-09-22-osc2010-sneak-peaks-e28093-bernhard-wiedemann-automated-testing.md"}


def source_and_rules(folder: str) -> tuple[FolderSource, Rules]:
    source = FolderSource(ROOT / folder)
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return source, Rules(site_url="https://news.example", timezone=zone, kind=source.kind, now=now)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_gives_a_post_or_a_reason(folder: str) -> None:
    """Taken and skipped add up to the files found; what is taken is whole, what is skipped is explained."""
    source, rules = source_and_rules(folder)
    listing = source.scan()
    assert listing.files
    taken = skipped = 0
    for path in listing.files:
        found = parse_post(path, source.read(path), rules)
        if isinstance(found, Post):
            taken += 1
            assert found.title
            assert found.url.startswith("https://news.example/")
            assert found.url.isascii()
            assert not ILLEGAL.search(f"{found.title}{found.summary}{found.body}{found.feed_id}")
        else:
            skipped += 1
            assert found.problem.path == path
            assert found.problem.reason
            assert found.problem.remedy or found.problem.severity == Severity.NOTE
    assert taken + skipped == len(listing.files)
    assert taken >= len(listing.files) // 2


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_leading_blockquote_is_the_summary(folder: str) -> None:
    """Another reader (Markdown, then lxml) finds the same words in the blockquote that opens the body."""
    source, rules = source_and_rules(folder)
    for path in source.scan().files:
        data = source.read(path)
        post = parse_post(path, data, rules)
        if not isinstance(post, Post) or path.rpartition("/")[2] in UNREADABLE:
            continue
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        body = re.split(r"(?:\A\s*---[ \t]*\n)?.*?^---[ \t]*$", text, maxsplit=1, flags=re.DOTALL | re.MULTILINE)[1]
        quote = leading_quote(body, is_html=post.is_html)
        if quote is not None:
            assert "".join(post.summary.split()) == "".join(quote.split()), path


def leading_quote(body: str, *, is_html: bool) -> str | None:
    if body.lstrip()[:1].isalnum():
        return None
    markup = ILLEGAL.sub("", body if is_html else MARKDOWN.render(body))
    if not markup.strip():
        return None
    document = lxml.html.fragment_fromstring(markup, create_parent="div")
    elements = [element for element in document if isinstance(element.tag, str)]
    if not elements or elements[0].tag != "blockquote" or (document.text or "").strip():
        return None
    return str(elements[0].text_content())


@pytest.mark.parametrize("folder", FOLDERS)
def test_both_readers_of_front_matter_agree(folder: str) -> None:
    """Where the fast reader of plain lines answers, the YAML reader gives the same keys, values, lines, quotes."""
    source, _ = source_and_rules(folder)
    for path in source.scan().files:
        text = source.read(path).decode("utf-8-sig").replace("\r\n", "\n")
        block = re.split(r"^---[ \t]*$", text.lstrip(), maxsplit=2, flags=re.MULTILINE)[
            1 if text.lstrip()[:3] == "---" else 0
        ]
        fast = read_plain(block.lstrip("\n"), 2)
        if fast is not None:
            assert fast == read_yaml(block.lstrip("\n"), 2, Remarks(path)), path


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_tenth_body_becomes_safe_html(folder: str) -> None:
    """Links are absolute, nothing runs, and what XML forbids is not there."""
    source, rules = source_and_rules(folder)
    for path in list(source.scan().files)[::10]:
        post = parse_post(path, source.read(path), rules)
        if isinstance(post, Post):
            markup = to_html(post)
            assert not ILLEGAL.search(markup)
            for element in lxml.html.fragment_fromstring(markup, create_parent="div").iter():
                assert element.tag not in ("script", "style", "iframe")
                for name, value in element.items():
                    assert not name.startswith(("on", "data-", "style"))
                    assert name not in ("href", "src") or re.match(r"(?:https?://|mailto:)", value), (path, value)


def test_split_gives_back_every_body() -> None:
    """The body is the end of the file, to the last character."""
    folder = FOLDERS[0]
    source, rules = source_and_rules(folder)
    for path in source.scan().files:
        text = source.read(path).decode("utf-8-sig").replace("\r\n", "\n")
        _, body, line = split(text, rules.kind, Remarks(path))
        assert text.endswith(body)
        assert text.count("\n") - body.count("\n") == line - 1
