"""Addresses of posts, as Jekyll, Hugo and Hexo make them.

A template's values are percent-encoded when they are filled in; what a person wrote by hand (a template, a
``permalink``) is encoded last, so that escapes in it stay what they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from digest.posts.hexosite import KEY, HexoSite
from digest.posts.hexosite import NO_SITE as NO_HEXO
from digest.posts.links import encode_literal, encode_path

STYLES = {
    "date": "/:categories/:year/:month/:day/:title:output_ext",
    "pretty": "/:categories/:year/:month/:day/:title/",
    "ordinal": "/:categories/:year/:y_day/:title:output_ext",
    "none": "/:categories/:title:output_ext",
    "weekdate": "/:categories/:year/W:week/:short_day/:title:output_ext",
}
"""Jekyll's built-in styles."""
_DATE = ("date", STYLES["date"])

HUGO_DEFAULT = "/:sections/:slugorcontentbasename/"

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_PRETTY = frozenset("._~!$&'()+,;=@")
_NONE: frozenset[str] = frozenset()
_ASCII_SLUG = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\Z")
_KEY = re.compile(r":([a-z_]+)")
_HUGO_KEY = re.compile(r":(\w+)(?:\[([^\]]+)\])?")
_HEXO_SPECIAL = re.compile(r"[\s~`!@#$%^&*()\-_+=\[\]{}|\\;:\"'<>,.?/\x00-\x1f]+")
_HUGO_KEPT = frozenset("./\\_#+~-@")


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """What an address can be made of."""

    day: datetime
    """The post's date in the site's zone."""
    path: str
    """Path of the file."""
    name: str
    """File name without its ending (for a Hugo bundle, its folder's)."""
    slug: str
    """Front matter's ``slug``, or the file name without date."""
    title: str
    categories: tuple[str, ...]
    output_ext: str = ".html"
    front: Mapping[str, object]
    """Front matter, for Hexo's templates."""
    sections: tuple[str, ...] | None = None
    """What of its folders is a section to Hugo; None: all of them."""
    keeps_case: bool = False
    """Hugo leaves capital letters as they are."""
    hexo: HexoSite = NO_HEXO
    drops_accents: bool = False
    """Hugo writes ``e`` for ``é``."""
    collection: str = "posts"
    """Jekyll's."""


class UnknownKey(ValueError):
    """A template asks for something no post has."""


def jekyll_path(template: str, place: Place) -> str:
    """The address's path by a Jekyll style name or template, percent-encoded. Raises UnknownKey."""
    if template in _DATE and place.output_ext == ".html":  # nearly every site: spelled out for speed
        day, slug = place.day, place.slug
        where = (place.categories, day.year, day.month, day.day)
        if _ASCII_SLUG.match(slug):
            return f"{_finished_folder(*where)}{slug}.html"
        filled = f"{_dated_folder(*where)}{_escape(slugify(slug, pretty=True, cased=True))}.html"
    else:
        filled = _KEY.sub(lambda found: _jekyll_value(found[1], place), STYLES.get(template, template))
    return finish_jekyll(filled)


def finish_jekyll(path: str) -> str:
    """Jekyll's clean-up: one leading slash, no ``..``, no ``./``, no double slashes."""
    path = f"/{path}"
    if ".." in path or "./" in path:
        path = path.replace("..", "/").replace("./", "")
    while "//" in path:
        path = path.replace("//", "/")
    return _encode_keeping_query(path)


def hugo_path(template: str, place: Place) -> str:
    """The address's path by Hugo's default or a template. Raises UnknownKey."""
    if ":" not in template and "/" not in template:
        template = HUGO_DEFAULT
    return _encode_keeping_query("/" + _hugo_filled(_hugo_cased(_finished(template), place), place).lstrip("/"))


def hugo_given_path(text: str, place: Place) -> str:
    """An address that the front matter gives, which may have a template's keys in it."""
    path = _finished(text.strip())
    try:
        return given_path(_hugo_filled(path, place) if ":" in path else path)
    except UnknownKey:
        return given_path(path)


def _hugo_filled(template: str, place: Place) -> str:
    is_default = template.startswith(HUGO_DEFAULT.rstrip("/"))
    sections = hugo_sections(place.path)
    if place.sections is not None and not is_default:  # by default the folders count
        sections = list(place.sections)
    if is_default:
        place = replace(place, name=_hyphened(place.name, place))
    filled = _HUGO_KEY.sub(lambda found: _hugo_value(found[1], found[2], place, sections), template)
    while "//" in filled:
        filled = filled.replace("//", "/")
    return filled


def _hyphened(name: str, place: Place) -> str:
    """Names of files and folders, where Hugo replaces each blank before it looks at anything else."""
    return name if place.keeps_case else name.replace(" ", "-")


def _hugo_cased(text: str, place: Place) -> str:
    if place.drops_accents and not text.isascii():
        bare = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
        text = unicodedata.normalize("NFC", bare)
    return text if place.keeps_case else text.lower()


def _finished(path: str) -> str:
    """Hugo makes a folder of what has no ending."""
    return path if "." in path.rpartition("/")[2] or path.endswith("/") or "?" in path else f"{path}/"


def hexo_path(template: str, place: Place) -> str:
    """The address's path by Hexo's default or a template. Raises UnknownKey."""
    filled = KEY.sub(lambda found: _hexo_value(found[1], place), place.hexo.template(template))
    return _encode_keeping_query("/" + place.hexo.finished(filled).lstrip("/"))


def given_path(text: str) -> str:
    """An address that the front matter gives as it is."""
    return _encode_keeping_query("/" + text.strip().lstrip("/"))


def hugo_sections(path: str) -> list[str]:
    """Folders below ``content``; a bundle's own folder is not one of them."""
    parts = path.split("/")
    if "content" in parts[:-1]:
        parts = parts[parts.index("content") + 1 :]
    folders = parts[:-1]
    if parts[-1].rpartition(".")[0].split(".")[0] == "index" and folders:
        folders = folders[:-1]
    return folders


def hexo_relative(path: str) -> str:
    """Path below ``_posts`` without the ending: what Hexo's ``:title`` is."""
    inner = path.rpartition("_posts/")[2] if "_posts/" in path else path.rpartition("_drafts/")[2] or path
    return inner.rpartition(".")[0] or inner


@lru_cache(maxsize=4096)
def slugify(text: str, *, pretty: bool = False, cased: bool = False) -> str:
    """Jekyll's slug: runs of other characters become one hyphen, one at each end is removed."""
    if _ASCII_SLUG.match(text):
        return text if cased else text.lower()
    kept = _PRETTY if pretty else _NONE
    out: list[str] = []
    for char in text:
        if _is_letter(char) or char in kept:
            out.append(char)
        elif not out or out[-1] != "-":
            out.append("-")
    slug = "".join(out)
    slug = slug.removeprefix("-").removesuffix("-")
    return slug if cased else slug.lower()


def titleize(slug: str) -> str:
    """A title from a file name, as Jekyll does: ``first-post`` gives ``First Post``."""
    return " ".join(part.capitalize() for part in slug.rstrip("-").split("-"))


def hugo_slug(text: str) -> str:
    """A path as Hugo writes it: letters, digits, marks and few others, hyphens for white space."""
    out: list[str] = []
    pending = False
    for char in text:
        if char in _HUGO_KEPT or (char != " " and _is_letter(char)):
            if pending and char != "-":
                out.append("-")
            pending = False
            out.append(char)
        elif out and char.isspace() and out[-1] != "-":
            pending = True
    return "".join(out)


def hexo_slug(text: str) -> str:
    """A text as Hexo puts it into addresses: no accents, hyphens for anything special."""
    bare = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
    return _HEXO_SPECIAL.sub("-", unicodedata.normalize("NFC", bare)).strip("-")


def _is_letter(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


def _encode_keeping_query(path: str) -> str:
    """A ``?`` that a person wrote begins a query; values have theirs encoded by now."""
    head, mark, tail = path.partition("?")
    return encode_path(head) + (mark + encode_path(tail) if mark else "")


def _dated_folder(categories: tuple[str, ...], year: int, month: int, day: int) -> str:
    """The posts of a category and day share it."""
    names = _escape("/".join(dict.fromkeys(category.lower() for category in categories)))
    return f"/{names}/{year:04d}/{month:02d}/{day:02d}/"


@lru_cache(maxsize=4096)
def _finished_folder(categories: tuple[str, ...], year: int, month: int, day: int) -> str:
    return finish_jekyll(_dated_folder(categories, year, month, day))


def _escape(text: str) -> str:
    return encode_literal(text)


_JEKYLL: dict[str, Callable[[Place], str]] = {
    "categories": lambda place: "/".join(dict.fromkeys(category.lower() for category in place.categories)),
    "slugified_categories": lambda place: "/".join(dict.fromkeys(slugify(name) for name in place.categories)),
    "collection": lambda place: place.collection,
    "path": lambda place: place.path.rpartition(".")[0].replace(f"_{place.collection}", "", 1).rstrip("."),
    "name": lambda place: slugify(place.name),
    "title": lambda place: slugify(place.slug, pretty=True, cased=True),
    "slug": lambda place: slugify(place.slug),
    "output_ext": lambda place: place.output_ext,
    "year": lambda place: f"{place.day.year:04d}",
    "month": lambda place: f"{place.day.month:02d}",
    "day": lambda place: f"{place.day.day:02d}",
    "hour": lambda place: f"{place.day.hour:02d}",
    "minute": lambda place: f"{place.day.minute:02d}",
    "second": lambda place: f"{place.day.second:02d}",
    "i_day": lambda place: str(place.day.day),
    "i_month": lambda place: str(place.day.month),
    "short_month": lambda place: _MONTHS[place.day.month - 1][:3],
    "long_month": lambda place: _MONTHS[place.day.month - 1],
    "short_year": lambda place: f"{place.day.year % 100:02d}",
    "w_year": lambda place: f"{place.day.isocalendar().year:04d}",
    "week": lambda place: f"{place.day.isocalendar().week:02d}",
    "w_day": lambda place: str(place.day.isoweekday()),
    "short_day": lambda place: _DAYS[place.day.weekday()][:3],
    "long_day": lambda place: _DAYS[place.day.weekday()],
    "y_day": lambda place: f"{place.day.timetuple().tm_yday:03d}",
}


def _jekyll_value(key: str, place: Place) -> str:
    """A key may be followed by an underscore that is not part of it."""
    for name, rest in ((key, ""), (key.removesuffix("_"), "_")):
        if name in _JEKYLL and (not rest or key.endswith("_")):
            return _escape(_JEKYLL[name](place)) + rest
    raise UnknownKey(f":{key}")


def _hugo_value(key: str, part: str | None, place: Place, sections: list[str]) -> str:
    def made(text: str) -> str:
        return _hugo_cased(hugo_slug(text), place)

    if key in ("sections", "sectionslugs"):
        return _escape("/".join(made(_hyphened(name, place)) for name in _cut(sections, part)))
    section = made(_hyphened(sections[0], place)) if sections else ""
    name, slug, title = made(place.name), made(str(place.front.get("slug") or "")), made(place.title)
    values: dict[str, Callable[[], str]] = {
        "section": lambda: section,
        "sectionslug": lambda: section,
        "title": lambda: title,
        "slug": lambda: slug or title,
        "slugorfilename": lambda: slug or name,
        "slugorcontentbasename": lambda: slug or name,
        "filename": lambda: name,
        "contentbasename": lambda: name,
        "year": lambda: str(place.day.year),
        "month": lambda: f"{place.day.month:02d}",
        "monthname": lambda: _MONTHS[place.day.month - 1],
        "day": lambda: f"{place.day.day:02d}",
        "weekday": lambda: str(place.day.isoweekday() % 7),
        "weekdayname": lambda: _DAYS[place.day.weekday()],
        "yearday": lambda: str(place.day.timetuple().tm_yday),
    }
    if key not in values or part is not None:
        raise UnknownKey(f":{key}")
    return _escape(values[key]())


def _cut(sections: list[str], part: str | None) -> list[str]:
    """Hugo's ``:sections[1:]`` and ``:sections[last]``."""
    if part is None:
        return sections
    low, colon, high = part.strip().lower().partition(":")
    try:
        start = len(sections) - 1 if low == "last" else int(low or 0)
        if not colon:
            return sections[start : start + 1] if start >= 0 else []
        end = len(sections) - 1 if high == "last" else int(high or len(sections))
    except ValueError as error:
        raise UnknownKey(f"[{part}]") from error
    return sections[max(start, 0) : max(end, 0)]


def _hexo_title(path: str, site: HexoSite) -> str:
    """What of the path is the title: all of it, if files are named so, or what ``new_post_name`` says."""
    relative = hexo_relative(path)
    return site.parts(relative).get("title") or hexo_slug(relative)


def _hexo_category(place: Place) -> str:
    """Of a post in several the last, with those above it."""
    given = place.front.get("categories") or place.front.get("category") or []
    names = given if isinstance(given, list) else [given]
    if any(isinstance(each, list) for each in names):
        last = names[-1]
        names = last if isinstance(last, list) else [last]
    change = {1: str.lower, 2: str.upper}.get(place.hexo.case, str)
    slugs = (
        change(hexo_slug(place.hexo.category_map.get(name, name))) for name in names if isinstance(name, str) and name
    )
    return "/".join(slugs) or place.hexo.category


def _hexo_value(key: str, place: Place) -> str:
    title = _hexo_title(place.path, place.hexo)
    values: dict[str, Callable[[], str]] = {
        "title": lambda: title,
        "name": lambda: title.rpartition("/")[2],
        "post_title": lambda: hexo_slug(place.title).lower(),
        "category": lambda: _hexo_category(place),
        "year": lambda: f"{place.day.year:04d}",
        "month": lambda: f"{place.day.month:02d}",
        "day": lambda: f"{place.day.day:02d}",
        "hour": lambda: f"{place.day.hour:02d}",
        "minute": lambda: f"{place.day.minute:02d}",
        "second": lambda: f"{place.day.second:02d}",
        "i_month": lambda: str(place.day.month),
        "i_day": lambda: str(place.day.day),
        "timestamp": lambda: str(int(place.day.timestamp())),
        "hash": lambda: _hexo_hash(title, place.day),
    }
    if key in values:
        return _escape(values[key]())
    given = place.front.get(key) or place.hexo.defaults.get(key)
    if isinstance(given, str) and given:
        return _escape(given)
    raise UnknownKey(f":{key}")


def _hexo_hash(title: str, day: datetime) -> str:
    import hashlib

    text = f"{title}{int(day.timestamp())}".encode("utf-8", "replace")
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:12]
