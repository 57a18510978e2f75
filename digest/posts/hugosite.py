"""What a Hugo site says of its pages in other files than theirs: its configuration, its list pages (``_index.md``), its
bundles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from digest.hashing import hash_of
from digest.posts.frontmatter import as_value
from digest.posts.plainblock import FrontMatter, Value

_ALIASES = {
    "date": ("date",),
    "publishdate": ("publishdate", "pubdate", "published"),
    "lastmod": ("lastmod", "modified"),
    "expirydate": ("expirydate", "unpublishdate"),
}
_DEFAULTS = {
    "date": ("date", "publishdate", "pubdate", "published", "lastmod", "modified"),
    "publishdate": ("publishdate", "pubdate", "published"),
    "lastmod": ("lastmod", "modified"),
    "expirydate": ("expirydate", "unpublishdate"),
}
BY_NAME = ":filename"
"""Among the keys that a page is dated by: the date in its file's name."""


class Cascade(Struct, frozen=True):
    """Front matter that the pages below a list page have unless they have their own."""

    values: Mapping[str, Value]
    path: str = ""
    """A pattern of the pages meant; empty: all."""
    kind: str = ""
    lang: str = ""


class HugoSite(Struct, frozen=True, kw_only=True):
    """Paths are those of folders, counted from the posts folder. The default knows nothing."""

    content: str = ""
    """The folder of the pages; empty: the posts folder itself."""
    branches: Mapping[str, tuple[Cascade, ...]] = {}
    """Folders with a list page, and what it hands down."""
    closed: frozenset[str] = frozenset()
    """Those whose list page is a draft: nothing below them is published."""
    bundles: frozenset[str] = frozenset()
    """Folders that are one page, and all else in them its resources."""
    cascades: tuple[Cascade, ...] = ()
    """What the configuration hands down."""
    dates: Mapping[str, tuple[str, ...]] = {}
    """Keys that each date is taken from, where the configuration says so."""
    permalinks: Mapping[str, str] = {}
    """Templates of sections."""
    ugly: bool = False
    """Addresses end with ``.html`` instead of a slash."""
    ugly_sections: frozenset[str] = frozenset()
    mark: str = ""
    """Hash of it all."""

    def __str__(self) -> str:
        return self.mark

    def __bool__(self) -> bool:
        return bool(self.mark)

    def template(self, configured: str, section: str) -> str:
        """How addresses in a section are made. ``posts.permalink`` counts if it says something else than the site."""
        given = "/" in configured or ":" in configured
        if given and _bare(configured) not in {_bare(each) for each in (*self.permalinks.values(), DEFAULT)}:
            return configured
        template = self.permalinks.get(section, DEFAULT)
        ugly = self.ugly or section in self.ugly_sections
        return f"{template.rstrip('/')}.html" if ugly and not template.endswith(".html") else template

    def sections(self, folders: Sequence[str]) -> tuple[str, ...]:
        """The sections among the folders that a page lies in: the first, and those down to the last list page."""
        for end in range(len(folders), 1, -1):
            if "/".join([*self._inside(), *folders[:end]]) in self.branches:
                return tuple(folders[:end])
        return tuple(folders[:1])

    def bundle_of(self, path: str) -> str | None:
        """The folder that is one page with all that lies in it, if a file is not that page."""
        folders = path.split("/")[:-1]
        is_index = path.rpartition("/")[2].split(".")[0] == "index"
        for end in range(len(self._inside()) + 1, len(folders) + 1):
            folder = "/".join(folders[:end])
            if folder in self.bundles and not (is_index and end == len(folders)):
                return folder
        return None

    def is_closed(self, path: str) -> bool:
        """Whether the list page above is a draft."""
        return bool(self.closed) and any(folder in self.closed for folder in _above(path))

    def inherited(self, path: str, front: FrontMatter, lang: str) -> FrontMatter:
        """The front matter with what list pages and configuration hand down, the nearest first."""
        handed = [
            *(each for folder in _above(path) for each in self.branches.get(folder, ())),
            *self.cascades,
        ]
        values: dict[str, Value] = {}
        for cascade in handed:
            if _meets(cascade, self._page(path), lang):
                values |= {key: value for key, value in cascade.values.items() if key not in values}
        return replace(front, values=values | front.values) if values else front

    def _inside(self) -> list[str]:
        return self.content.split("/") if self.content else []

    def _page(self, path: str) -> str:
        """``/posts/a``: where the page is in the site."""
        below = path.removeprefix(f"{self.content}/") if self.content else path
        name = below.rpartition("/")[2].split(".")[0]
        return "/" + (below.rpartition("/")[0] if name == "index" else below.rpartition(".")[0])


DEFAULT = "/:sections/:slugorcontentbasename/"
NO_SITE = HugoSite()


def read_hugo_site(
    config: Mapping[str, object], content: str, branches: Mapping[str, FrontMatter], bundles: frozenset[str]
) -> HugoSite:
    """``config`` with keys in lower case; ``branches``: the front matter of list pages by their folder."""
    links, ugly = _mapping(config.get("permalinks")), config.get("uglyurls")
    own = _mapping(config.get("frontmatter"))
    site = HugoSite(
        content=content,
        branches={folder: _cascades(front.values.get("cascade")) for folder, front in branches.items()},
        closed=frozenset(folder for folder, front in branches.items() if _is_closed(front)),
        bundles=bundles,
        cascades=_cascades(as_value(config.get("cascade"), 1)),
        dates={key: tuple(_keys(key, own[key])) for key in _DEFAULTS if key in own},
        permalinks={
            section: link for section, link in {**links, **_mapping(links.get("page"))}.items() if isinstance(link, str)
        },
        ugly=ugly is True,
        ugly_sections=frozenset(section for section, on in _mapping(ugly).items() if on is True),
    )
    whole = [
        site.content, sorted(site.branches.items()), sorted(site.closed), sorted(bundles), site.cascades,
        sorted(site.dates.items()), sorted(site.permalinks.items()), site.ugly, sorted(site.ugly_sections),
    ]  # fmt: skip
    return replace(site, mark=hash_of(repr(whole).encode("utf-8", "surrogateescape")))


def _is_closed(front: FrontMatter) -> bool:
    handed = [
        cascade.values for cascade in _cascades(front.values.get("cascade")) if not cascade.path and not cascade.kind
    ]
    return any(str(values.get("draft")).lower() == "true" for values in (front.values, *handed))


def _keys(kind: str, given: object) -> Iterator[str]:
    """Names of keys in lower case, ``:default`` spelled out."""
    for name in given if isinstance(given, list) else [given]:
        key = str(name).lower()
        if key == ":default":
            yield from _DEFAULTS[kind]
        elif key == BY_NAME or not key.startswith(":"):
            yield from _ALIASES.get(key, (key,))


def _cascades(given: Value) -> tuple[Cascade, ...]:
    found = []
    for each in given if isinstance(given, list) else [given]:
        values = {key.lower(): value for key, value in each.items()} if isinstance(each, dict) else {}
        targets = [_mapping(values.pop(name, None)) for name in ("target", "_target")]
        target = {str(key).lower(): str(value) for found in targets for key, value in found.items()}
        if values and target.get("environment", "production") == "production":
            found.append(Cascade(values, *(target.get(key, "") for key in ("path", "kind", "lang"))))
    return tuple(found)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _above(path: str) -> Iterator[str]:
    """The folders that a file lies in, the nearest first, the posts folder itself last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _meets(cascade: Cascade, page: str, lang: str) -> bool:
    if cascade.path and not any(_glob(cascade.path.lower()).match(form) for form in (page.lower(), page.lower()[1:])):
        return False
    if cascade.kind and not _glob(cascade.kind.lower()).match("page"):
        return False
    return not cascade.lang or _glob(cascade.lang.lower()).match(lang.lower()) is not None


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    forms = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    pieces = re.findall(r"\*\*|.", pattern, re.DOTALL)
    try:
        return re.compile("".join(forms.get(piece, re.escape(piece)) for piece in pieces) + r"(?:\.\w+)?\Z")
    except re.error:
        return re.compile(r"(?!)")


def _bare(template: str) -> str:
    return template.strip("/").removesuffix(".html")
