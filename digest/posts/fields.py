"""What front matter says about a post besides title, date and address, in all the forms people write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from digest.models import Attachment, Author
from digest.posts.langtags import canonical, is_tag
from digest.posts.links import absolute
from digest.posts.permalinks import hugo_sections
from digest.posts.plainblock import FrontMatter, Value
from digest.posts.problems import Remarks
from digest.text import clean_line

_YES = frozenset({"true", "yes", "on"})
_NO = frozenset({"false", "no", "off"})
_WHITE = re.compile(r"[ \t\n\v\f\r]+")
_COMMAS = re.compile(r"[,，、]")
_MAIL_AUTHOR = re.compile(r"([^<>]+?)\s*<([^<>@\s]+@[^<>@\s]+)>\Z")
_IMAGE_KEYS = [
    "image",
    "cover",
    "featured_image",
    "featuredImage",
    "feature_image",
    "featured-image",
    "featured",
    "thumbnail",
    "thumb",
    "banner",
    "header-img",
    "og_image",
    "images",
    "photos",
    "header",
]
_IMAGE_PARTS = ("path", "url", "src", "image", "feature", "teaser", "overlay_image", "thumbnail")
_MIME = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+\Z")
_MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mov": "video/quicktime",
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
}


COMMON = frozenset({"layout", "title", "date", "categories", "category", "tags", "tag", "slug", "permalink"})
"""Keys that are read for every post; a post with no other key has nothing of what else is here."""


def text_of(value: Value) -> str:
    """A scalar as text; empty for anything else."""
    return value if isinstance(value, str) else ""


def says_yes(front: FrontMatter, key: str, *, quoted_too: bool) -> bool:
    return _says(front, key, _YES, quoted_too)


def says_no(front: FrontMatter, key: str, *, quoted_too: bool) -> bool:
    return _says(front, key, _NO, quoted_too)


def _says(front: FrontMatter, key: str, words: frozenset[str], quoted_too: bool) -> bool:
    value = front.values.get(key)
    return isinstance(value, str) and value.lower() in words and (quoted_too or key not in front.quoted)


# --------------------------------------------------------------- categories


def categories(front: FrontMatter, kind: str, path: str) -> tuple[str, ...]:
    """The post's categories as its generator understands them, as written (addresses are made of them), without
    duplicates, in order. A Hugo post without any has its section, the first folder below ``content``."""
    if kind == "jekyll":
        return _jekyll_categories(front, path.rpartition("/")[0])
    given = front.values.get("categories")
    if given is None:
        given = front.values.get("category")
    names = list(_flat(given)) if isinstance(given, list) else ([given] if isinstance(given, str) else [])
    if kind == "hexo":
        names = [name for name in names if name]
    if kind == "hugo" and not names:
        names = hugo_sections(path)[:1]
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=16_384)
def labels(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of categories or tags as a reader sees them: one clean line each, without duplicates and what is no name.
    The same few come again and again."""
    return tuple(dict.fromkeys([line for name in names if (line := clean_line(name))]))


def tags(front: FrontMatter, kind: str) -> tuple[str, ...]:
    """Jekyll: ``tag`` (one), else ``tags`` split at spaces. Hugo, Hexo: lists, or text split at commas."""
    values = front.values
    if kind == "jekyll":
        given = values.get("tag")
        if given is None:
            given = values.get("tags")
            return labels(_words(given) if isinstance(given, str) else tuple(_flat(given)))
        return labels(tuple(_flat(given)))
    given = values.get("tags")
    if given is None:
        given = values.get("tag")
    if isinstance(given, str):
        return tuple(name for name in labels(tuple(_COMMAS.split(given))) if name)
    return tuple(name for name in labels(tuple(_flat(given))) if name)


def _jekyll_categories(front: FrontMatter, folder: str) -> tuple[str, ...]:
    """Those of the folders above ``_posts``, then ``categories``, then ``category``."""
    plural, single = front.values.get("categories"), front.values.get("category")
    names = _words(plural) if isinstance(plural, str) else tuple(_flat(plural))
    above = _folders_above(folder)
    if above or single is not None or len(names) > 1:
        return tuple(dict.fromkeys([*above, *names, *_flat(single)]))
    return names


@lru_cache(maxsize=4096)
def _folders_above(folder: str) -> tuple[str, ...]:
    for special in ("_posts", "_drafts"):
        if folder.startswith(special):
            return ()
        if special in folder:
            return tuple([part for part in folder.partition(special)[0].split("/") if part])
    return ()


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    """Split at ASCII white space, as Ruby does; U+3000 is part of a name."""
    return tuple([word for word in _WHITE.split(text) if word])


def _flat(value: Value) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item)


# ------------------------------------------------------------------- people


def authors(front: FrontMatter, base: str, known: Mapping[str, Value]) -> tuple[Author, ...]:
    """``author``, ``authors`` and ``author_name``: names, lists, or mappings with name, email and url. ``known`` has
    what the site knows of some names."""
    found: dict[str, Author] = {}
    for key in ("author", "authors", "author_name"):
        if key in front.values:
            for author in _people(front.values[key], base, known):
                found.setdefault(author.name, author)
    return tuple(found.values())


def _people(value: Value, base: str, known: Mapping[str, Value]) -> Iterable[Author]:
    if isinstance(value, str):
        if value in known:
            yield from _people(known[value], base, {})
            return
        name = clean_line(value)
        mail = _MAIL_AUTHOR.match(name)
        if mail is not None:
            yield Author(name=mail[1].strip(), email=mail[2])
        elif name:
            yield Author(name=name)
    elif isinstance(value, list):
        for item in value:
            yield from _people(item, base, known)
    elif isinstance(value, dict):
        name = clean_line(text_of(value.get("name")) or text_of(value.get("display_name")))
        if name:
            email = clean_line(text_of(value.get("email"))) or None
            url = text_of(value.get("url")) or text_of(value.get("uri")) or text_of(value.get("link"))
            yield Author(
                name=name,
                email=email if email and "@" in email else None,
                url=absolute(url, base) if url else None,
            )


# -------------------------------------------------------------------- media


def image(front: FrontMatter, base: str, remarks: Remarks) -> str | None:
    """The picture that the front matter names, absolute; relative ones belong to ``base``."""
    for key in _IMAGE_KEYS:
        if key not in front.values:
            continue
        given = _image_text(front.values[key])
        if not given:
            continue
        url = absolute(given, base)
        if url is not None:
            return url
        remarks.warn(
            f"{key} is not an address a browser can load: {given[:60]}",
            "write an http(s) address or a path below the site",
            line=front.lines.get(key),
        )
    return None


def _image_text(value: Value) -> str:
    if isinstance(value, str):
        return "" if value.lower() in _YES or value.lower() in _NO else clean_line(value)
    if isinstance(value, list):
        return next((text for item in value if (text := _image_text(item))), "")
    if isinstance(value, dict):
        return next((text for part in _IMAGE_PARTS if (text := _image_text(value.get(part)))), "")
    return ""


def attachments(front: FrontMatter, base: str, remarks: Remarks) -> tuple[Attachment, ...]:
    """``enclosure``, ``audio``, ``audio_url`` or ``podcast``: an address, a mapping, or WordPress's three lines."""
    found: dict[str, Attachment] = {}
    for key in ("enclosure", "audio", "audio_url", "podcast"):
        if key in front.values:
            value = front.values[key]
            for item in value if isinstance(value, list) else [value]:
                attachment = _attachment(item, base)
                if attachment is not None:
                    found.setdefault(attachment.url, attachment)
                elif item:
                    remarks.warn(
                        f"{key} is not an address a reader can load",
                        "write an http(s) address, or url, length and type",
                        line=front.lines.get(key),
                    )
    return tuple(found.values())


def _attachment(value: Value, base: str) -> Attachment | None:
    if isinstance(value, dict):
        href = text_of(value.get("url")) or text_of(value.get("src")) or text_of(value.get("href"))
        length, mime = text_of(value.get("length")) or text_of(value.get("size")), text_of(value.get("type"))
    else:
        parts = text_of(value).split()
        href = parts[0] if parts else ""
        length = next((part for part in parts[1:] if part.isdecimal()), "")
        mime = next((part for part in parts[1:] if "/" in part), "")
    url = absolute(href, base) if href else None
    if url is None:
        return None
    ending = url.partition("?")[0].rpartition(".")[2].lower()
    if not _MIME.match(mime):
        mime = _MEDIA_TYPES.get(ending, "audio/mpeg")
    return Attachment(
        url=url,
        mime_type=mime,
        length=int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 0,
    )


# ----------------------------------------------------------------- language


def lang(front: FrontMatter, remarks: Remarks) -> str | None:
    """The post's own language as BCP 47 tag (``zh_cn`` becomes ``zh-CN``)."""
    for key in ("lang", "language", "locale"):
        given = clean_line(text_of(front.values.get(key)))
        if not given:
            continue
        given = given.partition(".")[0]
        if is_tag(given):
            return canonical(given)
        remarks.warn(f"'{given[:40]}' is not a language", "write a tag such as zh-CN or en", line=front.lines.get(key))
    return None
