"""What a Hugo site says of its pages in other files than theirs: its configuration, its list pages (``_index.md``), its
bundles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from digest.hashing import hash_of
from digest.posts.frontmatter import as_value
from digest.posts.langtags import canonical, is_tag
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


class Layout(Struct, frozen=True, kw_only=True):
    """Which file is in which language. Languages go by their keys in the configuration, in lower case; folders are
    counted from the posts folder."""

    main: str = ""
    """The default language."""
    folders: Mapping[str, str] = field(default_factory=lambda: {"": ""})
    """The language of each folder of pages, the deepest first. A file belongs to the deepest that it lies in."""
    tags: Mapping[str, str] = {}
    """What each language is called, in the order of the languages; those that are disabled left out."""
    keys: frozenset[str] = frozenset()
    """Those that names of files may end with: ``about.de.md``."""
    disabled: frozenset[str] = frozenset()
    """Those that nothing is published in."""

    def folder_of(self, path: str) -> str:
        """The folder of pages that a file lies in."""
        return next((each for each in self.folders if not each or path.startswith(f"{each}/")), "")

    def language_of(self, path: str) -> str:
        """The language by the file's name, else by its folder."""
        ending = path.rpartition("/")[2].rpartition(".")[0].rpartition(".")[2].lower()
        return ending if ending in self.keys else self.folders.get(self.folder_of(path), self.main)

    def within(self, path: str) -> str:
        """The path as Hugo has it, below ``content``."""
        folder = self.folder_of(path)
        return f"content/{path[len(folder) + 1 :] if folder else path.removeprefix('content/')}"


class HugoSite(Struct, frozen=True, kw_only=True):
    """The pages of one language. Paths are those of folders, counted from the posts folder. The default knows
    nothing."""

    layout: Layout = Layout()
    lang: str = ""
    """Key of the language."""
    tag: str = ""
    """The language by BCP 47; empty if the site has but one."""
    prefix: str = ""
    """What addresses in the language begin with: ``de/``."""
    base: str = ""
    """Where the language is served, if it is not where the others are."""
    timezone: ZoneInfo | None = None
    """The language's own."""
    languages: Mapping[str, HugoSite] = {}
    """All of them by key, those that are disabled left out; empty if there is but one."""
    ignored: tuple[str, ...] = ()
    """Patterns of files that are no pages (``ignoreFiles``)."""
    keeps_case: bool = False
    """Addresses keep capital letters."""
    drops_accents: bool = False
    branches: Mapping[str, tuple[Cascade, ...]] = {}
    """Folders with a list page, and what it hands down."""
    closed: frozenset[str] = frozenset()
    """Those whose list page is a draft: before Hugo 0.123 nothing below them is published."""
    is_old: bool = False
    """The site is built by Hugo before 0.123."""
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

    def apart(self, site_url: str) -> dict[str, str]:
        """Of a site whose languages are all served at addresses of their own, these by the folders that they are built
        into."""
        if any(site.prefix for site in self.languages.values()):
            return {}
        return {key: site.base or site_url for key, site in self.languages.items()}

    def of(self, path: str) -> HugoSite | None:
        """The site in the language of a file; None if that is disabled."""
        if not self.languages:
            return self
        return self.languages.get(self.layout.language_of(path))

    def template(self, configured: str, section: str) -> str:
        """How addresses in a section are made. ``posts.permalink`` counts if it says something else than the site, in
        any language."""
        given = "/" in configured or ":" in configured
        if given and _bare(configured) not in self._own_templates():
            return configured
        section = section.lower()
        template = self.permalinks.get(section, DEFAULT).rstrip("/")
        return f"{template}.html" if self.ugly or section in self.ugly_sections else f"{template}/"

    def _own_templates(self) -> set[str]:
        sites = (self, *self.languages.values())
        return {_bare(each) for each in (DEFAULT, *(link for site in sites for link in site.permalinks.values()))}

    def sections(self, folders: Sequence[str]) -> tuple[str, ...]:
        """The sections among the folders that a page lies in: the first, and those down to the last list page."""
        for end in range(len(folders), 1, -1):
            if any("/".join(filter(None, [each, *folders[:end]])) in self.branches for each in self.layout.folders):
                return tuple(folders[:end])
        return tuple(folders[:1])

    def bundle_of(self, path: str) -> str | None:
        """The folder that is one page with all that lies in it, if a file is not that page."""
        if not self.bundles:
            return None
        folders = path.split("/")[:-1]
        is_index = path.rpartition("/")[2].split(".")[0] == "index"
        top = self.layout.folder_of(path)
        for end in range(top.count("/") + 2 if top else 1, len(folders) + 1):
            folder = "/".join(folders[:end])
            if folder in self.bundles and not (is_index and end == len(folders)):
                return folder
        return None

    def ignores(self, path: str) -> bool:
        """Whether a file is none of the pages by the site's configuration."""
        return any(_pattern(each).search(f"/{path}") is not None for each in self.ignored)

    def is_closed(self, path: str) -> bool:
        """Whether the list page above is a draft."""
        return bool(self.closed) and any(folder in self.closed for folder in _above(path))

    def inherited(self, path: str, front: FrontMatter) -> FrontMatter:
        """The front matter with what list pages and configuration hand down, the nearest first."""
        handed = [
            *(each for folder in _above(path) for each in self.branches.get(folder, ())),
            *self.cascades,
        ]
        values: dict[str, Value] = {}
        for cascade in handed:
            if _meets(cascade, self._page(path), self.lang):
                values |= {key: value for key, value in cascade.values.items() if key not in values}
        return replace(front, values=values | front.values) if values else front

    def _page(self, path: str) -> str:
        """``/posts/a``: where the page is in the site."""
        below = self.layout.within(path).removeprefix("content/")
        name = below.rpartition("/")[2].split(".")[0]
        return "/" + (below.rpartition("/")[0] if name == "index" else below.rpartition(".")[0])


DEFAULT = "/:sections/:slugorcontentbasename/"
NO_SITE = HugoSite()


def read_hugo_site(
    config: Mapping[str, object],
    layout: Layout,
    branches: Mapping[str, Mapping[str, FrontMatter]],
    bundles: frozenset[str],
    zone_of: Callable[[str], ZoneInfo | None] = lambda name: None,
    *,
    is_old: bool = False,
) -> HugoSite:
    """``config`` with keys in lower case; ``branches``: the front matter of list pages, by language and folder;
    ``zone_of`` knows zones by name; ``is_old``: by Hugo before 0.123."""
    served = _addresses(config, layout)
    sites = {}
    for key in layout.tags or [layout.main]:
        own = _mapping(_mapping(config.get("languages")).get(key))
        part = {**config, **{name: own[name] for name in _BY_LANGUAGE if name in own}}
        base, prefix = served.get(key, ("", ""))
        sites[key] = replace(
            _read_language(part, layout, branches.get(key, {}), bundles, is_old=is_old),
            lang=key,
            tag=_tag(layout.tags[key], key) if len(layout.tags) > 1 else "",
            base=base,
            prefix=prefix,
            timezone=zone_of(str(own["timezone"])) if "timezone" in own else None,
        )
    mark = hash_of(repr((_of_layout(layout), *map(_described, sites.values()))).encode("utf-8", "surrogateescape"))
    marked = {key: replace(each, mark=mark) for key, each in sites.items()}
    main = marked.get(layout.main) or next(iter(marked.values()), HugoSite(layout=layout, mark=mark))
    return replace(main, languages=marked if layout.keys else {})


_BY_LANGUAGE = ("permalinks", "disablepathtolower", "removepathaccents", "frontmatter", "cascade", "ignorefiles")
"""What a language may say for itself. It replaces what the site says."""


def _tag(given: str, key: str) -> str:
    return next((canonical(each) for each in (given, key) if is_tag(each)), "")


def _addresses(config: Mapping[str, object], layout: Layout) -> dict[str, tuple[str, str]]:
    """Where each language is served, and what its addresses begin with. Where each has an address of its own, none is
    in a folder of another."""
    languages = list(layout.tags) or [layout.main]
    named = {key: _mapping(_mapping(config.get("languages")).get(key)).get("baseurl") for key in languages}
    bases = {key: base.rstrip("/") for key, base in named.items() if isinstance(base, str) and "://" in base}
    main = config.get("baseurl")
    is_apart = len(languages) > 1 and not layout.disabled and len(set(bases.values())) == len(languages)
    inside = config.get("defaultcontentlanguageinsubdir") is True
    prefixed = [key for key in languages if not is_apart and (inside or key != layout.main)]
    same = bases.get(layout.main) or (main.rstrip("/") if isinstance(main, str) else "")
    return {
        key: (bases.get(key, "") if bases.get(key) != same else "", f"{key}/" if key in prefixed else "")
        for key in languages
    }


def _read_language(
    config: Mapping[str, object],
    layout: Layout,
    branches: Mapping[str, FrontMatter],
    bundles: frozenset[str],
    *,
    is_old: bool,
) -> HugoSite:
    links, ugly = _mapping(config.get("permalinks")), config.get("uglyurls")
    own = _mapping(config.get("frontmatter"))
    return HugoSite(
        layout=layout,
        branches={folder: _cascades(front.values.get("cascade")) for folder, front in branches.items()},
        closed=frozenset(folder for folder, front in branches.items() if is_old and _is_closed(front)),
        is_old=is_old,
        bundles=bundles,
        cascades=_cascades(as_value(config.get("cascade"), 1)),
        dates={key: tuple(_keys(key, own[key])) for key in _DEFAULTS if key in own},
        permalinks={
            section: link for section, link in {**links, **_mapping(links.get("page"))}.items() if isinstance(link, str)
        },
        ugly=ugly is True,
        ugly_sections=frozenset(section for section, on in _mapping(ugly).items() if on is True),
        ignored=tuple(str(each) for each in given) if isinstance(given := config.get("ignorefiles"), list) else (),
        keeps_case=config.get("disablepathtolower") is True,
        drops_accents=config.get("removepathaccents") is True,
    )


def _of_layout(layout: Layout) -> tuple[object, ...]:
    lists = (list(found.items()) for found in (layout.tags, layout.folders))
    return layout.main, *lists, sorted(layout.keys), sorted(layout.disabled)


def _described(site: HugoSite) -> list[object]:
    return [
        sorted(site.branches.items()), sorted(site.closed), sorted(site.bundles), site.cascades,
        sorted(site.dates.items()), sorted(site.permalinks.items()), site.ugly, sorted(site.ugly_sections),
        site.keeps_case, site.drops_accents, site.is_old, site.ignored, site.tag, site.prefix, site.base,
        str(site.timezone),
    ]  # fmt: skip


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
def _pattern(written: str) -> re.Pattern[str]:
    """One that cannot be read matches nothing."""
    try:
        return re.compile(written)
    except re.error:
        return re.compile(r"(?!)")


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
