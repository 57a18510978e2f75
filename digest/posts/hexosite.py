"""What a Hexo site's configuration says of its posts (https://hexo.io/docs/configuration)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from digest.hashing import hash_of
from digest.posts.langtags import canonical, is_tag

KEY = re.compile(r":(\w*[^_\W])", re.ASCII)
"""A placeholder, which never ends with an underscore."""
DEFAULT = ":year/:month/:day/:title/"
_SEGMENTS = {
    "year": r"(\d{4})",
    "month": r"(\d{2})",
    "day": r"(\d{2})",
    "i_month": r"(\d{1,2})",
    "i_day": r"(\d{1,2})",
    "hash": r"([0-9a-f]{12})",
}
_OF_THE_NAME = frozenset({"title", "year", "month", "day", "i_month", "i_day", "hash"})


class HexoSite(Struct, frozen=True, kw_only=True):
    """The default is what Hexo does without a configuration."""

    permalink: str = DEFAULT
    names: str = ":title"
    """How files are named below ``_posts`` (``new_post_name``), without the ending."""
    defaults: Mapping[str, str] = {}
    """What addresses have where a post does not say it."""
    category: str = "uncategorized"
    """In addresses of posts without one."""
    category_map: Mapping[str, str] = {}
    case: int = 0
    """Of categories in addresses: 1 for small letters, 2 for capital ones."""
    languages: tuple[str, ...] = ()
    """The main one first; empty if there is but one."""
    language_folder: str = ":lang"
    has_folders: bool = False
    """Each post has a folder of files (``post_asset_folder``)."""
    keeps_index: bool = True
    """Addresses end with ``index.html``, if they do."""
    keeps_html: bool = True
    mark: str = ""
    """Hash of it all."""

    def __str__(self) -> str:
        return self.mark

    def template(self, configured: str) -> str:
        """How addresses are made. ``posts.permalink`` counts if it says something else than the site."""
        given = "/" in configured or ":" in configured
        return configured if given and _bare(configured) != _bare(self.permalink) else self.permalink

    def parts(self, name: str) -> dict[str, str]:
        """What a file's path below ``_posts``, without its ending, says; with ``title`` if it fits."""
        found = _pattern(self.names).fullmatch(name)
        return {} if found is None else dict(zip(KEY.findall(self.names), found.groups(), strict=True))

    def said_by(self, name: str) -> dict[str, str]:
        """Front matter that the path gives, which wins over the post's own."""
        return {key: value for key, value in self.parts(name).items() if key not in _OF_THE_NAME}

    def date(self, name: str) -> tuple[int, int, int] | None:
        """The day that the path names."""
        parts = self.parts(name)
        given = (parts.get("year"), parts.get("month") or parts.get("i_month"), parts.get("day") or parts.get("i_day"))
        return (int(given[0]), int(given[1]), int(given[2])) if given[0] and given[1] and given[2] else None

    def finished(self, path: str) -> str:
        """An address as it is linked to."""
        if self.has_folders and not path.endswith(("/", ".html")):
            path = f"{path}/"
        if not self.keeps_index and path.endswith("/index.html"):
            path = path.removesuffix("index.html")
        return path if self.keeps_html or path.endswith("/index.html") else path.removesuffix(".html")

    def language_of(self, said: str, path: str) -> str | None:
        """The language of a post that says one or none, by its address; None if the site has but one."""
        if said or not self.languages:
            return canonical(said) if is_tag(said) else None
        found = _pattern(f"{self.language_folder.strip('/')}/:rest").fullmatch(path.strip("/"))
        by_path = dict(zip(KEY.findall(f"{self.language_folder}/:rest"), found.groups(), strict=True)) if found else {}
        lang = by_path.get("lang", "")
        return canonical(lang if lang in self.languages else self.languages[0])


NO_SITE = HexoSite()


def read_hexo_site(config: Mapping[str, object]) -> HexoSite:
    """By the site's ``_config.yml``."""
    given = config.get("language")
    named = [str(each) for each in (given if isinstance(given, list) else [given]) if each and each != "default"]
    languages = [each for each in named if is_tag(each)]
    pretty = _mapping(config.get("pretty_urls"))
    case = config.get("filename_case")
    site = HexoSite(
        permalink=_text(config.get("permalink")) or DEFAULT,
        names=re.sub(r"\.\w+\Z", "", _text(config.get("new_post_name")) or ":title.md"),
        defaults={key: _text(value) for key, value in _mapping(config.get("permalink_defaults")).items()},
        category=_text(config.get("default_category")) or "uncategorized",
        category_map={key: _text(value) for key, value in _mapping(config.get("category_map")).items()},
        case=case if isinstance(case, int) else 0,
        languages=tuple(languages) if len(languages) > 1 else (),
        language_folder=_text(config.get("i18n_dir")) or ":lang",
        has_folders=config.get("post_asset_folder") is True,
        keeps_index=pretty.get("trailing_index") is not False,
        keeps_html=pretty.get("trailing_html") is not False,
    )
    return replace(site, mark=hash_of(repr(site).encode("utf-8", "surrogateescape")))


@lru_cache(maxsize=64)
def _pattern(rule: str) -> re.Pattern[str]:
    out, place = "", 0
    for key in KEY.finditer(rule):
        out += re.escape(rule[place : key.start()]) + _SEGMENTS.get(key[1], "(.+?)")
        place = key.end()
    return re.compile(out + re.escape(rule[place:]), re.ASCII | re.DOTALL)


def _bare(template: str) -> str:
    return template.strip("/").removesuffix(".html").removesuffix("index").strip("/")


def _mapping(value: object) -> dict[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
