"""Markdown and HTML: rendering, and reading the words out of it.

The heavy libraries are imported by the functions that need them; most posts of an archive never do. BeautifulSoup
reads text here, it never makes anything safe: that is nh3's part (``body``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from digest.text import clean

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_BREAK = "\x1e"
_TAG = re.compile(r"<(?:!--.*?-->|[/!?a-zA-Z][^<>]*>)", re.DOTALL)
_BLOCKS = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "legend",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
]
_SILENT = ["script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "title"]
_MAX_TAGS = 60_000
_MAX_DEPTH = 200
_OPEN_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)[^<>]*?(/?)>")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
_LIQUID = re.compile(r"\{%-?.*?%\}|\{\{.*?\}\}", re.DOTALL)
_LIQUID_COMMENT = re.compile(r"\{%-?\s*comment\b.*?%\}.*?\{%-?\s*endcomment\s*-?%\}", re.DOTALL)
_ATTRIBUTES = re.compile(r"^[ \t]*(?:>[ \t]*)*\{:[^{}\n]*\}[ \t]*$\n?", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_RAW = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_HIGHLIGHT = re.compile(r"\{%-?\s*(highlight|codeblock|code)\b([^%]*)%\}[ \t]*\n?(.*?)\{%-?\s*end\1\s*-?%\}", re.DOTALL)


@cache
def markdown() -> MarkdownIt:
    """CommonMark with HTML, tables and emphasis that works beside Chinese punctuation."""
    from markdown_it import MarkdownIt
    from mdit_py_cjk_friendly import cjk_friendly

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 40}).enable(["table", "strikethrough"])
    return parser.use(cjk_friendly)


def render_markdown(text: str) -> str:
    """Markdown as HTML, not sanitised."""
    return str(markdown().render(text))


def render_tokens(tokens: Sequence[Token]) -> str:
    parser = markdown()
    return str(parser.renderer.render(tokens, parser.options, {}))


def html_to_text(markup: str) -> str:
    """The words a reader would see: one line for each block, entities decoded once, white space collapsed."""
    if "<" not in markup:
        return _lines(html.unescape(markup))
    soup = parse_html(markup)
    return _lines(html.unescape(_TAG.sub(_BREAK, markup))) if soup is None else soup_to_text(soup)


def parse_html(markup: str) -> BeautifulSoup | None:
    """The parsed markup; None if no parser should be bothered with it, or if it refuses."""
    if is_monstrous(markup):
        return None
    from bs4 import BeautifulSoup
    from bs4.exceptions import ParserRejectedMarkup

    try:
        return BeautifulSoup(f"<html>{markup}", "html.parser")
    except ParserRejectedMarkup:
        return None


def soup_to_text(soup: Tag) -> str:
    """As ``html_to_text``, from what BeautifulSoup parsed (which this takes apart)."""
    for tag in soup.find_all(_SILENT):
        tag.decompose()
    for tag in soup.find_all(_BLOCKS):
        tag.insert(0, _BREAK)
        tag.append(_BREAK)
    return _lines(soup.get_text())


def is_monstrous(markup: str) -> bool:
    """More tags or deeper nesting than any text has: made to exhaust a parser or a reader."""
    if markup.count("<") < _MAX_DEPTH:
        return False
    depth = 0
    for tags, (slash, name, closed) in enumerate(_OPEN_TAG.findall(markup)):
        if slash:
            depth -= 1
        elif not closed and name.lower() not in _VOID:
            depth += 1
        if depth > _MAX_DEPTH or tags > _MAX_TAGS:
            return True
    return False


def strip_liquid(text: str, *, keep_lines: bool = False) -> str:
    """The text without Liquid (or Nunjucks, or Hugo shortcode) tags. Code in fences keeps all but ``raw`` tags, and so
    does what stands between these; ``highlight`` blocks become fences. ``keep_lines``: as many lines as before."""
    if "{" not in text or ("{%" not in text and "{{" not in text and "{:" not in text):
        return text
    if keep_lines:
        return _without_tags(text, lambda found: "\n" * found[0].count("\n"))[0]
    text = _LIQUID_COMMENT.sub("", text)
    text = _HIGHLIGHT.sub(_as_fence, text)
    out: list[str] = []
    position, in_raw = 0, False
    for fence in _FENCE.finditer(text):
        outside, in_raw = _without_tags(text[position : fence.start()], "", in_raw=in_raw)
        out += (_ATTRIBUTES.sub("", outside), _RAW.sub("", fence[0]))
        position = fence.end()
    outside, _ = _without_tags(text[position:], "", in_raw=in_raw)
    out.append(_ATTRIBUTES.sub("", outside))
    return "".join(out)


def _without_tags(
    text: str, instead: str | Callable[[re.Match[str]], str], *, in_raw: bool = False
) -> tuple[str, bool]:
    """Without tags, but with what stands between ``raw`` and ``endraw``; and whether it ends between them."""
    if "raw" not in text and not in_raw:
        return _LIQUID.sub(instead, text), False
    out: list[str] = []
    position = 0
    for tag in _RAW.finditer(text):
        if in_raw == ("endraw" in tag[0]):
            out.append(text[position : tag.start()] if in_raw else _LIQUID.sub(instead, text[position : tag.start()]))
            position, in_raw = tag.end(), not in_raw
    rest = text[position:]
    out.append(rest if in_raw else _LIQUID.sub(instead, rest))
    return "".join(out), in_raw


def _as_fence(found: re.Match[str]) -> str:
    words = found[2].split()
    language = words[0] if words and re.fullmatch(r"[\w+#.-]{1,30}", words[0]) and found[1] != "codeblock" else ""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", found[3])), default=0))
    return f"\n{ticks}{language}\n{found[3].rstrip()}\n{ticks}\n"


def _lines(text: str) -> str:
    parts = (" ".join(part.split()) for part in clean_marks(text).split(_BREAK))
    return "\n".join(part for part in parts if part)


def clean_marks(text: str) -> str:
    """``clean`` that leaves the block marks in."""
    return _BREAK.join(clean(part) for part in text.split(_BREAK)) if _BREAK in text else clean(text)
