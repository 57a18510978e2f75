"""Links that a generator fills in: ``{{ site.baseurl }}/x``, ``relative_url``, ``post_url``, ``link``, ``ref``.

They are resolved as the generator would; of one that cannot be, the link is dropped and its text kept. Code keeps what
it shows. Pictures of ``figure`` shortcodes become markup.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlsplit

from msgspec import Struct

DROPPED = "dropped:"
"""A scheme that the sanitiser lets nobody follow."""

UrlOf = Callable[[str], str | None]
"""The address of the post in a file, by its path; None if it gives none."""

_TAG = r"\{\{[^{}\n]{1,300}\}\}|\{%[^{}%\n]{1,300}%\}"
_BRACE = r"\{(?![{%])"
_TARGET = re.compile(
    r"(?P<open>\]\(\s*<?|^ {0,3}\[[^\]\n]{1,200}\]:[ \t]*<?)" + rf"(?P<bare>(?:{_TAG}|[^\s()<>{{]|{_BRACE})*+)"
    r"|(?P<name>\b(?:href|src|poster|data-src)\s*=\s*)"
    rf"(?:\"(?P<double>(?:{_TAG}|[^\"{{\n]|{_BRACE})*+)\"|'(?P<single>(?:{_TAG}|[^'{{\n]|{_BRACE})*+)'"
    rf"|(?P<plain>(?:{_TAG}|[^\s\"'>{{]|{_BRACE})++))",
    re.MULTILINE | re.IGNORECASE,
)
_ONE_TAG = re.compile(_TAG)
_KEPT = re.compile(
    r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)"
    r"|\{%-?\s*raw\s*-?%\}(?:(?!\{%-?\s*endraw\s*-?%\}).)*+|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
_LITERAL = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_CALL = re.compile(
    r"\{%-?\s*(post_url|post_path|link)\s+(.*?)\s*-?%\}|\{\{[<%]-?\s*(?:rel)?ref\s+(.*?)\s*/?-?[%>]\}\}", re.DOTALL
)
_FIGURE = re.compile(r"\{\{<\s*(?:figure|img|image)\s+([^{}]{1,2000}?)\s*/?>\}\}")
_ASSET = re.compile(r"\{%-?\s*asset_img\s+([^%]*?\.\w{3,4})\b[^%]*%\}")
_ARGUMENT = re.compile(r"(\w+)\s*=\s*(?:\"([^\"]*)\"|`([^`]*)`|([^\s\"]+))")
_ENDINGS = (".md", ".markdown", ".html")
_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3}(?:-\w+)*)\.md\Z")
"""Of a Hugo page by its name; a link leads to the page in the same language."""


class SiteLinks(Struct, frozen=True, kw_only=True):
    """What links of one post are resolved with."""

    site_url: str
    kind: str
    path: str
    """Of the post's file."""
    url_of: UrlOf | None = None


def resolve(text: str, links: SiteLinks | None) -> str:
    """The text with every such link resolved or dropped. Never raises."""
    if "{" not in text or ("{{" not in text and "{%" not in text):
        return text
    out: list[str] = []
    position = 0
    for kept in _KEPT.finditer(text):
        if kept[0][0] == "`" and _inside_target(text, kept.start()):
            continue
        out += (_resolved(text[position : kept.start()], links), kept[0])
        position = kept.end()
    out.append(_resolved(text[position:], links))
    return "".join(out)


def _inside_target(text: str, place: int) -> bool:
    """A backtick within a tag is no code."""
    return text.rfind("{{", 0, place) > text.rfind("}}", 0, place)


def _resolved(text: str, links: SiteLinks | None) -> str:
    text = _ASSET.sub(lambda found: f"![]({quote(found[1].strip())})", _FIGURE.sub(_figure, text))
    return _TARGET.sub(lambda found: _target(found, links), text)


def _figure(found: re.Match[str]) -> str:
    given = {name.lower(): one or two or three for name, one, two, three in _ARGUMENT.findall(found[1])}
    first = _LITERAL.match(found[1])
    source = given.get("src") or (first[1] or first[2] if first is not None else "")
    if not source:
        return ""
    words = html.escape(given.get("caption") or given.get("title") or "")
    caption = f"<figcaption>{words}</figcaption>" if words else ""
    alt = html.escape(given.get("alt", ""))
    return f'<figure><img src="{html.escape(source)}" alt="{alt}">{caption}</figure>'


def _target(found: re.Match[str], links: SiteLinks | None) -> str:
    group = next(name for name in ("bare", "double", "single", "plain") if found[name] is not None)
    written = found[group]
    if not _ONE_TAG.search(written):
        return found[0]
    url = _evaluated(written, links)
    start, end = (found.start(group) - found.start(), found.end(group) - found.start())
    return found[0][:start] + (DROPPED if url is None else url) + found[0][end:]


def _evaluated(written: str, links: SiteLinks | None) -> str | None:
    """A target whose tags are replaced by what they give; None if one gives nothing known."""
    out, position = "", 0
    for tag in _ONE_TAG.finditer(written):
        value = None if links is None else _value(tag[0], links)
        if value is None:
            return None
        out += written[position : tag.start()]
        out = value if "://" in value else out + value  # what is whole needs nothing before it
        position = tag.end()
    return (out + written[position:]).replace(" ", "%20")


def _value(tag: str, links: SiteLinks) -> str | None:
    call = _CALL.match(tag)
    if call is not None:
        return _called(call, links)
    if not tag.startswith("{{") or links.kind == "hugo":
        return None
    first, *filters = (part.strip() for part in tag[2:-2].strip("-").split("|"))
    value = _word(first, links)
    for each in filters:
        value = None if value is None else _filtered(value, each, links)
    return value


def _word(word: str, links: SiteLinks) -> str | None:
    """A literal, or what a variable of the site holds."""
    found = _LITERAL.fullmatch(word)
    if found is not None:
        return found[1] if found[1] is not None else found[2]
    parts = urlsplit(links.site_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    known = {"site.url": origin, "site.baseurl": parts.path.rstrip("/"), "site.github.url": links.site_url.rstrip("/")}
    return known.get(word)


def _filtered(value: str, given: str, links: SiteLinks) -> str | None:
    name, _, argument = (part.strip() for part in given.partition(":"))
    if name in ("relative_url", "absolute_url"):
        return value if "://" in value else f"{links.site_url.rstrip('/')}/{value.lstrip('/')}"
    if name in ("strip", "escape", "uri_escape", "xml_escape"):
        return value
    more = _word(argument, links)
    if name == "prepend" and more is not None:
        return more + value
    return value + more if name == "append" and more is not None else None


def _called(call: re.Match[str], links: SiteLinks) -> str | None:
    """The address of the post or file that a tag names."""
    name, given = call[1] or "ref", (call[2] or call[3]).strip()
    argument = _ARGUMENT.match(given)
    literal = _LITERAL.match(given)
    if argument is not None and argument[1] == "path":
        given = argument[2] or argument[3] or argument[4]
    elif literal is not None:
        given = literal[1] or literal[2] or ""
    place, mark, anchor = given.partition("#")
    if name == "link" and not place.endswith((".md", ".markdown")) and "{" not in place:
        return f"{links.site_url.rstrip('/')}/{place.lstrip('/')}" if "/_" not in f"/{place}" else None
    if not place or ".." in place.split("/") or links.url_of is None:
        return None
    for path in _candidates(name, place, links.path):
        url = links.url_of(path)
        if url is not None:
            return url + mark + anchor
    return None


def _candidates(name: str, place: str, path: str) -> Iterator[str]:
    """Files that may be meant."""
    source, slashes, below = path.rpartition("//")
    folder = posixpath.dirname(below)
    if name == "link":
        yield f"{source}{slashes}{place.lstrip('/')}"
    elif name in ("post_url", "post_path"):
        above, _, last = place.lstrip("/").rpartition("/")
        folders = [
            folder,
            *(f"{each}/{above}".strip("/") for each in ("_posts", "source/_posts", "")),
            f"{above}/_posts".strip("/"),
        ]
        yield from (
            f"{source}{slashes}{posixpath.join(each, last)}{ending}"
            for each in dict.fromkeys(folders)
            for ending in _ENDINGS
        )
    else:
        stem = place.strip("/").removesuffix(".md")
        language = _LANGUAGE.search(below)
        endings = (*([] if language is None else [f".{language[1]}.md"]), ".md")
        for each in _with_those_above(folder):
            yield from (
                f"{source}{slashes}{posixpath.join(each, form)}{ending}"
                for form in (stem, f"{stem}/index")
                for ending in endings
            )


def _with_those_above(folder: str) -> Iterator[str]:
    """A folder and all that it lies in, the nearest first."""
    yield folder
    while folder:
        folder = posixpath.dirname(folder)
        yield folder
