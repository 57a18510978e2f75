"""The body of a post: what is no part of the text, what facts it holds, and its safe HTML.

Sanitising comes last and is nh3's work alone: http, https and mailto addresses, all of them absolute, no scripts,
frames, styles, event handlers or ``data-`` attributes.
"""

from __future__ import annotations

import html
import re
from functools import cache, lru_cache

from msgspec import Struct

from digest.hashing import short_hash_of
from digest.models import HASH_MARK, NO_TEXT, Code, Post, shared_code
from digest.posts.links import absolute, host_of
from digest.posts.markup import html_to_text, is_monstrous, render_markdown, strip_liquid
from digest.posts.sitelinks import SiteLinks, resolve
from digest.text import clean, clean_line

_LIMIT = 2_000_000
"""Characters of a body that are rendered; far beyond any text somebody wrote."""

_SHORT = 300
"""Characters of a line that is worth to be remembered."""

_AUTOLINK = re.compile(r"<\s*((?i:https?)://[^<>\s]*)?\s*>\Z|((?i:https?)://[^\s<>()\"'\u3000-\u9fff\uff00-\uffef]+)\Z")
_NAVIGATION = re.compile(r"\[[^\[\]\n]*\]\([^()\s]*\)(?:\s*[｜|·/•]?\s*\[[^\[\]\n]*\]\([^()\s]*\))*\Z")
_LINK = re.compile(r"\[([^\[\]\n]*)\]\(([^()\s]*)\)")
_BACK = re.compile(r"\s*(?:返回|回到|回首[页頁]|首[页頁]|上一[篇页頁]|下一[篇页頁]|←|«|back\b|home\b)", re.IGNORECASE)
_CODE = re.compile(r"data-code=[\"']([^\"',|]+),([^\"',|]+)[\"'][^<>]*>([^<>]+)<")
_MEDIA = re.compile(r"<p[^<>]*\bem_media\b[^<>]*>(.*?)</p>", re.DOTALL)
_MEDIA_SOURCE = re.compile(r"(?:文章|稿件|信息|内容)?[来來]源[:：]\s*([^（）()]{1,40})")
_NAME = r"[A-Z0-9][\w.&'’-]*(?: (?:(?:of|the|and|de|la|für|&) )*[A-Z0-9][\w.&'’-]*){0,5}"
"""A medium in Latin letters: each word with a capital, ``South China Morning Post``."""
_SUMMARY_SOURCE = re.compile(
    rf"(?:（([^（）()\n。，,；;！!？?：:、]{{2,20}}|{_NAME})）|(?<=[.!?…。！？”’\"'])\s*\(({_NAME}|[\u3400-\u9fff]{{2,12}})\))\s*\Z"
)
"""At the summary's end. In brackets of ASCII, which may hold anything, it stands after a whole sentence."""
_LONGEST_NAME = 60
_IMAGE = re.compile(
    r"<img\b[^<>]*?\bsrc\s*=\s*(?:\"([^\"<>]+)\"|'([^'<>]+)'|([^\s\"'<>]+))|!\[[^\]\n]*\]\(\s*<?([^\s()<>]+)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]*>")
_LOOSE_TAG = re.compile(r"<[^>]*>")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK_TARGET = re.compile(r"\]\([^()\n]*\)")
_SILENT = b"*_`#>~|\\ \t\n\r"
_SILENT_TAGS = set("script style iframe template noscript object svg math head title".split())  # noqa: SIM905


class Trimmed(Struct, frozen=True, gc=False):
    """A body without what follows the text."""

    text: str
    original_url: str | None


def trim(body: str, *, site_url: str) -> Trimmed:
    """The body without the navigation tail and the bare link to the original article at its end."""
    text = body.rstrip()
    if not text or (text[-1] not in ")>" and "://" not in text[text.rfind("\n") + 1 :]):
        return Trimmed(text, None)
    without, links, first, internal = text, 0, "", True
    line = _last_line(without)
    while line and line[-1] == ")" and (navigation := _navigation(line, site_url)):
        links, first, internal = links + navigation.links, first or navigation.first, internal and navigation.internal
        without = _without_last_line(without)
        line = _last_line(without)
    found = _AUTOLINK.match(line) if line else None
    if found is None or (line[0] != "<" and not _stands_alone(without)):
        is_tail = internal and links and (links > 1 or _BACK.match(first))
        return Trimmed(without if is_tail else text, None)
    url = found[1] or found[2]
    return Trimmed(_without_last_line(without), absolute(url, url) if url else None)


class _Navigation(Struct, frozen=True):
    """A line of links."""

    links: int
    first: str
    """Name of the first."""
    internal: bool
    """All of them lead to the site itself."""


def _navigation(line: str, site_url: str) -> _Navigation | None:
    """None if a line has anything but links. The posts of a category all end alike; paragraphs that end in a link do
    not, and would fill the memory."""
    return _read_navigation(line, site_url) if len(line) > _SHORT else _known_navigation(line, site_url)


def _read_navigation(line: str, site_url: str) -> _Navigation | None:
    if not _NAVIGATION.match(line):
        return None
    links = _LINK.findall(line)
    return _Navigation(len(links), links[0][0], all(_is_internal(target, site_url) for _, target in links))


_known_navigation = lru_cache(maxsize=4096)(_read_navigation)


_TELLING = 200
"""Octets of a text that no two posts have by chance."""


def text_hash(title: str, summary: str, body: str) -> str:
    """Hash of the words a reader sees: the same for other markup and other white space. The second half
    is of the body alone, if that is long enough for two of them to be one post's; the first one of all else.

    Stores hold these hashes: another way of making them needs another ``HASH_MARK``.
    """
    if "<" in body:
        if "!" in body and "<!--" in body:
            end = body.rfind("-->") + 3  # or each of many that never end is followed to the end
            body = _COMMENT.sub("", body[:end]) + body[end:] if end > 2 else body
        body = _without_tags(body)
    if "]" in body and "](" in body:
        body = _LINK_TARGET.sub("]", body)
    if "&" in body:
        body = html.unescape(body)
    if "\u3000" in body or "\xa0" in body:
        body = body.replace("\u3000", "").replace("\xa0", "")
    raw = body.encode("utf-8", "ignore").translate(None, _SILENT)
    head = f"{' '.join(title.split())}\0{' '.join(summary.split())}\0".encode()
    if len(raw) < _TELLING:
        return HASH_MARK + short_hash_of(head + raw) + NO_TEXT
    return HASH_MARK + short_hash_of(head) + short_hash_of(raw)


def _without_tags(markup: str) -> str:
    """Without everything in angle brackets, up to the next bracket of either kind."""
    end = markup.rfind(">") + 1  # or each of many that never end is followed to the end
    head, tail = markup[:end], markup[end:]
    text, tags = _LOOSE_TAG.subn("", head)  # half as long, and the same if no tag holds a <
    return (text if tags == head.count("<") else _TAG.sub("", head)) + tail


def codes(body: str) -> tuple[Code, ...]:
    """Stocks and sectors that the body links, in order of appearance, with how often each is named."""
    if "data-code=" not in body:
        return ()
    start = _media_start(body)
    if body.find("data-code=", start) >= 0:
        body = body[:start] + _MEDIA.sub("", body[start:])
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for linked in _CODE.findall(body):
        market, code, label = _linked(linked)
        if market and code and label:
            name, mentions = found.get((market, code), (label, 0))
            found[market, code] = (name, mentions + 1)
    return tuple([shared_code(*key, *named) for key, named in found.items()])


@lru_cache(maxsize=16_384)
def _linked(words: tuple[str, str, str]) -> tuple[str, ...]:
    """Market, code and name, each one clean line; the same few come again and again."""
    return tuple([clean_line(html.unescape(word)) for word in words])


def _media_start(body: str) -> int:
    """Where the first paragraph that may name the medium begins: its tag holds the first ``em_media`` or a later one,
    and no other tag. The body's end if none does."""
    marked = body.find("em_media")
    return len(body) if marked < 0 else max(body.rfind("<p", 0, marked), 0)


def source_name(summary: str, body: str) -> str | None:
    """The medium that the text came from: （财联社） or (Reuters) ending the summary, else what the body says of it."""
    if summary.endswith(("）", ")")):
        found = _SUMMARY_SOURCE.search(summary, max(len(summary) - _LONGEST_NAME - 2, 0))
        if found is not None:
            return (found[1] or found[2]).strip() or None
    if "em_media" in body:
        media = _MEDIA.search(body, _media_start(body))
        if media is not None:
            text = clean_line(html.unescape(re.sub(r"<[^<>]*>", "", media[1])))
            named = _MEDIA_SOURCE.search(text)
            if named is not None:
                return named[1].strip() or None
    return None


def first_image(body: str, base: str, links: SiteLinks | None = None) -> str | None:
    """Address of the first picture in the body."""
    may_have = "<img" in body or ("!" in body and "![" in body) or ("I" in body and "<IMG" in body)
    may_have = may_have or ("{" in body and ("{{<" in body or "{% asset_img" in body))
    if not may_have:  # one character is found ten times as fast as two
        return None
    body = strip_liquid(resolve(body, links))
    for found in _IMAGE.finditer(_eager(body) if "data-" in body else body):
        url = absolute(html.unescape(next(group for group in found.groups() if group)), base)
        if url is not None:
            return url
    return None


def to_html(post: Post, links: SiteLinks | None = None) -> str:
    """The whole text as HTML that is safe to show anywhere, with absolute addresses: what opens it, then the body.
    ``links``: what links of its generator are resolved with; without them they are dropped. Never raises."""
    source = (f"{post.lead.rstrip()}\n\n{post.body}" if post.lead.strip() else post.body)[:_LIMIT]
    try:
        source = strip_liquid(resolve(source, links))
        markup = source if post.is_html else render_markdown(source)
        markup = _eager(markup) if "data-" in markup else markup
    except (RecursionError, ValueError, IndexError):
        markup = "<pre>" + html.escape(source) + "</pre>"
    if is_monstrous(markup):
        markup = "<p>" + html.escape(html_to_text(markup[:_LIMIT])).replace("\n", "</p><p>") + "</p>"
    return clean(_sanitise(markup, post.url))


_LAZY = re.compile(
    r"(<img\b[^<>]*?)\s(?:data-(?:src|original|lazy-src|lazy|actualsrc|echo))\s*=\s*(\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)"
    r"([^<>]*>)",
    re.IGNORECASE,
)
_SRC = re.compile(r"\ssrc\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)", re.IGNORECASE)


def _eager(markup: str) -> str:
    """Pictures that a script of the site would load when they come into sight: readers run none."""
    return _LAZY.sub(lambda found: f"{_SRC.sub('', found[1])} src={found[2]}{_SRC.sub('', found[3])}", markup)


def to_text(post: Post) -> str:
    """The body as plain text, one line for each block. Never raises."""
    return html_to_text(to_html(post))


def sanitised(markup: str, base: str) -> str:
    """Markup of strangers as HTML that is safe to show, and that slower readers than nh3 do not choke on: Python's own
    takes minutes for a page of tags without an end. ``base`` as ``is_base`` wants it. Never raises."""
    markup = clean(markup)
    if not is_monstrous(markup):
        return clean(_sanitise(markup, base))
    return clean(html.escape(html.unescape(_TAG.sub(" ", markup)), quote=False))


_HEADING = re.compile(r"<(/?)h[1-6]\b[^<>]*>", re.IGNORECASE)
_NOTE_TAGS = set("a b blockquote br code del em i li ol p s strong ul".split())  # noqa: SIM905
_LINE_TAGS = {"a", "b", "em", "i", "strong"}


def note_html(text: str, base: str, *, in_line: bool = False) -> str:
    """Markdown that somebody wrote for a mail, as HTML that is safe to show anywhere: paragraphs, lists, links and
    emphasis; of headings bold lines, and no pictures. ``base`` as ``is_base`` wants it. ``in_line``: without
    paragraphs, for text within a line. Never raises."""
    import nh3

    try:
        markup = render_markdown(strip_liquid(text))
    except (RecursionError, ValueError, IndexError):
        markup = html.escape(text)
    markup = html.escape(text) if is_monstrous(markup) else markup
    markup = _HEADING.sub(lambda found: "</strong></p>" if found[1] else "<p><strong>", markup)
    return clean(
        nh3.clean(
            markup,
            tags=_LINE_TAGS if in_line else _NOTE_TAGS,
            clean_content_tags=_SILENT_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"http", "https", "mailto"},
            url_relative=("rewrite_with_base", base),
            strip_comments=True,
            link_rel=None,
        )
    ).strip()


def is_base(url: str) -> bool:
    """Whether relative addresses can be resolved against an address (which is stricter than urllib)."""
    try:
        _sanitise("", url)
    except ValueError:
        return False
    return True


def _sanitise(markup: str, base: str) -> str:
    import nh3

    return nh3.clean(
        markup,
        tags=_tags(),
        clean_content_tags=_SILENT_TAGS,
        attributes=_attributes(),
        url_schemes={"http", "https", "mailto"},
        url_relative=("rewrite_with_base", base),
        strip_comments=True,
        link_rel="noopener noreferrer",
    )


@cache
def _tags() -> set[str]:
    import nh3

    return set(nh3.ALLOWED_TAGS) - {"area", "map"} | {"audio", "video", "source", "figure", "figcaption", "picture"}


@cache
def _attributes() -> dict[str, set[str]]:
    import nh3

    allowed = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items() if tag not in ("area", "map")}
    allowed["audio"] = {"src", "controls"}
    allowed["video"] = {"src", "controls", "poster", "width", "height"}
    allowed["source"] = {"src", "type"}
    return allowed


def _last_line(text: str) -> str:
    return text[text.rfind("\n") + 1 :].strip()


def _without_last_line(text: str) -> str:
    return text[: text.rfind("\n") + 1].rstrip()


def _stands_alone(text: str) -> bool:
    """The last line is a paragraph of its own."""
    before = text.rpartition("\n")[0]
    return not before or not before[before.rfind("\n") + 1 :].strip()


def _is_internal(target: str, site_url: str) -> bool:
    return not target or target[0] in "/.#" or ":" not in target or host_of(target) == host_of(site_url)
