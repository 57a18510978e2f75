"""The summary: the text of the blockquote that opens the body, else the first paragraph that says something.

Most posts of the archive open with ``> one plain line``; a regular expression is enough for those. Everything
else is read by a Markdown parser (CommonMark) and BeautifulSoup.
"""

from __future__ import annotations

import re

from msgspec import Struct

from digest.posts.markup import (
    html_to_text,
    markdown,
    parse_html,
    render_markdown,
    render_tokens,
    soup_to_text,
    strip_liquid,
)
from digest.posts.preliminaries import is_preliminary, is_title
from digest.text import cut

LIMIT = 300
"""Characters of a summary that is made from the first paragraph."""

_HEAD = 20_000
"""Characters of the body that are looked at for a first paragraph."""
_QUOTE = 100_000
"""Longest blockquote in characters; markup beyond is not read."""

# What may stand before the opening blockquote without being seen: blank lines, comments, Liquid tags.
_LEAD = re.compile(
    r"(?:[ \t\u3000]*\n|[ \t]*<!--(?:(?!-->).)*-->[ \t]*(?:\n|\Z)|[ \t]*\{%(?:(?!%\}).)*%\}[ \t]*(?:\n|\Z))+", re.DOTALL
)
_NOT_TEXT = re.compile(r"[ \t]*\{%-?\s*(?:highlight|raw|comment|codeblock|code|blockquote|quote)\b")
# A line of plain text: nothing in it means anything to Markdown, HTML or Liquid.
_SAFE = r"(?!\d{1,9}[.)](?:[ \t\n]|\Z))[^\s#+\-=>*_~`:|\\\[\]<&{}!][^\n*_~`\\\[\]<&{]*"
_QUOTE_LINE = re.compile(rf" {{0,3}}> ?({_SAFE})(?:\n[ \t]*(?:\n|\Z)|\Z)")
_PARAGRAPH = re.compile(rf"((?:{_SAFE}\n)*{_SAFE})(?:\n[ \t]*(?:\n|\Z)|\n?\Z)")
_BLANK = re.compile(r"\n[ \t]*(?:\n|\Z)")
_MARKDOWN_QUOTE = re.compile(r" {0,3}>")
_HTML_QUOTE = re.compile(r"[ \t]*<blockquote(?=[\s>])", re.IGNORECASE)
_QUOTE_TAG = re.compile(r"<(/?)blockquote\b[^>]*>", re.IGNORECASE)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]^\n][^\]\n]*\]:[^\n]+$", re.MULTILINE)
_RAW_LEAD = re.compile(r"[ \t]*\{%-?\s*raw\s*-?%\}\s*?\n?")
_END_OF_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
_FOOTNOTE = re.compile(r"\[\^[^\]\n]{1,60}\](?!:)")
_FOOTNOTE_TEXT = re.compile(r"^ {0,3}\[\^[^\]\n]{1,60}\]:[^\n]*(?:\n(?:    |\t)[^\n]*)*$", re.MULTILINE)
_TIGHT_HEADING = re.compile(r"^(#{1,6})(?=[^\s#\d])", re.MULTILINE)
# What begins a quotation and is none of its words: GitHub's and Obsidian's [!NOTE], Premonition's note "Title".
_CALLOUT = re.compile(
    r"\A((?:[ \t]*>)+[ \t]*)(?:\[![\w-]{1,30}\][+-]?[ \t]*"
    r"|(?:\w{3,20})[ \t]+\"[^\"\n]*\"[ \t]*(?:\[[^\]\n]*\][ \t]*)?(?=\n[ \t]*>))"
)


class Opening(Struct, frozen=True, gc=False):
    """The blockquote that opens a body, and where it ends there."""

    text: str
    end: int


def opening_blockquote(body: str) -> str | None:
    """The text of the blockquote that opens the (Markdown) body, one line for each block; None without one."""
    found = find_opening(body, is_html=False)
    return None if found is None else found.text


def find_opening(body: str, *, is_html: bool) -> Opening | None:
    """The blockquote that opens the body, if one does."""
    start = _skip_lead(body)
    if not is_html:
        simple = _QUOTE_LINE.match(body, start)
        if simple is not None:
            return Opening(" ".join(simple[1].split()), simple.end())
        if _MARKDOWN_QUOTE.match(body, start):
            return _markdown_opening(body, start)
    if _HTML_QUOTE.match(body, start):
        return _html_opening(body, start, is_html=is_html)
    raw = _RAW_LEAD.match(body, start)
    return None if raw is None else _raw_opening(body, raw.end(), is_html=is_html)


def _raw_opening(body: str, start: int, *, is_html: bool) -> Opening | None:
    """Between ``raw`` and ``endraw`` braces are text: they are something else while tags are looked for."""
    closed = _END_OF_RAW.search(body, start)
    inside = body[start : closed.start() if closed is not None else len(body)]
    found = find_opening(inside.replace("{", "\x02"), is_html=is_html)
    return None if found is None else Opening(found.text.replace("\x02", "{"), start + found.end)


def first_paragraph(body: str, *, is_html: bool, title: str = "") -> str:
    """The text of the body's first paragraph that says something besides the title, cut at about ``LIMIT`` characters;
    empty if it has none."""
    start = _skip_lead(body)
    if not is_html:
        simple = _PARAGRAPH.match(body, start)
        if simple is not None:
            text = " ".join(simple[1].split())
            if not is_preliminary(text, title):
                return cut(text, LIMIT)
    head = body[start : start + _HEAD]
    if len(body) - start > _HEAD:
        head = head.rpartition("\n\n")[0] or head
    if not head.strip():
        return ""
    head = strip_liquid(head)
    if is_html:
        return cut(_first_text(head, title), LIMIT)
    head = _TIGHT_HEADING.sub(r"\1 ", _without_footnotes(head))
    return cut(_first_text(render_markdown(f"{head}\n\n{_references(head, body)}"), title), LIMIT)


def whole_text(body: str, *, is_html: bool) -> str:
    """All words of a piece of a body, cut at about ``LIMIT`` characters, without its headings and quotations."""
    source = strip_liquid(body[:_HEAD])
    soup = parse_html(source if is_html else render_markdown(_without_footnotes(source)))
    if soup is None:
        return ""
    for tag in soup.find_all(["h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"]):
        tag.decompose()
    return cut(soup_to_text(soup).replace("\n", " "), LIMIT)


def _without_footnotes(text: str) -> str:
    return _FOOTNOTE.sub("", _FOOTNOTE_TEXT.sub("", text)) if "[^" in text else text


def _references(chunk: str, body: str) -> str:
    """What links in a piece of the body may refer to, wherever it stands."""
    return "\n".join(_REFERENCE.findall(body)) if "[" in chunk and "]:" in body else ""


def plain(text: str) -> str:
    """A description or excerpt of the front matter, which may hold markup, as text."""
    return html_to_text(strip_liquid(text)).replace("\n", " ")


def _skip_lead(body: str) -> int:
    found = _LEAD.match(body)
    if found is None:
        return 0
    if "{%" in found[0]:
        code = next((line for line in _line_starts(found[0]) if _NOT_TEXT.match(found[0], line)), None)
        if code is not None:
            return code
    return found.end()


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _markdown_opening(body: str, start: int) -> Opening | None:
    """A blockquote ends with the first blank line at the latest; lazy lines and nesting are the parser's to judge."""
    blank = _BLANK.search(body, start)
    end = len(body) if blank is None else blank.start() + 1
    chunk = body[start:end]
    source = _CALLOUT.sub(r"\1", strip_liquid(chunk[:_QUOTE], keep_lines=True), count=1)
    if "[^" in source:
        source = _FOOTNOTE.sub("", source)
    tokens = markdown().parse(f"{source}\n\n{_references(chunk, body)}")
    if not tokens or tokens[0].type != "blockquote_open" or tokens[0].map is None:
        return None
    close = next(
        (n for n, token in enumerate(tokens) if token.type == "blockquote_close" and token.level == 0), len(tokens) - 1
    )
    rows = tokens[0].map[1]
    lines = chunk.split("\n")
    length = sum(len(line) + 1 for line in lines[:rows])
    text = html_to_text(_without_attribute_lines(render_tokens(tokens[: close + 1])))
    return Opening(text, min(start + length, len(body)))


def _without_attribute_lines(markup: str) -> str:
    """Kramdown's ``{: .class}``, which belongs to the block and is no text."""
    return re.sub(r"(?:^|(?<=[\n>]))\{:[^{}\n<]*\}", "", markup) if "{:" in markup else markup


def _html_opening(body: str, start: int, *, is_html: bool) -> Opening:
    depth, end = 0, len(body)
    for tag in _QUOTE_TAG.finditer(body, start):
        depth += -1 if tag[1] else 1
        if depth <= 0:
            end = tag.end()
            break
    chunk = strip_liquid(body[start : min(end, start + _QUOTE)])
    markup = chunk if is_html else render_markdown(chunk.lstrip())
    return Opening(_element_text(markup, "blockquote"), end)


def _element_text(markup: str, name: str) -> str:
    soup = parse_html(markup)
    return html_to_text(markup) if soup is None else soup_to_text(soup.find(name) or soup)


def _first_text(markup: str, title: str) -> str:
    """The first paragraph outside of quotations that says something; without one, the first words of all."""
    soup = parse_html(markup)
    if soup is None:
        return html_to_text(markup).replace("\n", " ")
    quoted = passed_over = ""
    for tag in soup.find_all("p"):
        inside = tag.find_parent("blockquote") is not None
        if inside and quoted:
            continue
        text = soup_to_text(tag).replace("\n", " ")
        if not text or is_preliminary(text, title):
            passed_over = passed_over or text
            tag.decompose()
        elif not inside:
            return text
        else:
            quoted = text
    for heading in soup.find_all(["h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"]):
        heading.decompose()
    return soup_to_text(soup).replace("\n", " ") or quoted or ("" if is_title(passed_over, title) else passed_over)
