"""What a Jekyll site says of its posts in other files than theirs: its configuration (https://jekyllrb.com/docs/configuration/)
and its data on authors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from digest.hashing import hash_of
from digest.posts.frontmatter import as_value
from digest.posts.plainblock import FrontMatter, Value

POSTS = "posts"
"""The collection that every site has."""
_PARAGRAPH = "\n\n"
"""Where an excerpt ends unless the site says otherwise."""


class Default(Struct, frozen=True, kw_only=True):
    """Front matter that the files of a scope have unless they have their own."""

    path: str = ""
    """What their path begins with, or a pattern (``_posts/*/old``); empty: all."""
    collection: str = ""
    """Empty: any."""
    values: Mapping[str, Value]
    quoted: frozenset[str] = frozenset()
    """Keys whose value is text."""


class JekyllSite(Struct, frozen=True, kw_only=True):
    """The default knows nothing."""

    below: str = ""
    """The posts folder, counted from the site's source or its folder of collections: ``_posts/``; empty: it is that."""
    defaults: tuple[Default, ...] = ()
    excerpt_separator: str = ""
    """Empty: Jekyll's own, the end of the first paragraph."""
    authors: Mapping[str, Value] = {}
    """What is known of authors by the names that posts call them."""
    collections: Mapping[str, str] = {}
    """Templates of the addresses of the collections besides posts."""
    mark: str = ""
    """Hash of it all."""

    def __str__(self) -> str:
        return self.mark

    def collection_of(self, path: str) -> str:
        """The collection that a file belongs to, by its path below the posts folder."""
        first, slash, _ = path.partition("/")
        name = first[1:]
        return name if slash and first[:1] == "_" and name in self.collections else POSTS

    def completed(self, path: str, front: FrontMatter) -> FrontMatter:
        """The front matter with the defaults of the site."""
        given, quoted = self._given(self.below + path, self.collection_of(path))
        if not given:
            return front
        own = {key: value for key, value in front.values.items() if value is not None or key not in given}
        both = _merged(given, own)
        if "categories" in given and "categories" in own:
            both["categories"] = list(dict.fromkeys([*_names(given["categories"]), *_names(own["categories"])]))
        return replace(front, values=both, quoted=front.quoted | (quoted - own.keys()))

    def _given(self, path: str, collection: str) -> tuple[dict[str, Value], frozenset[str]]:
        """What the scopes that a file lies in give it. The longer path wins, then the one that names a collection, then
        the later one; what loses gives way to all that were looked at before."""
        values: dict[str, Value] = {}
        quoted: dict[str, bool] = {}
        winner = (-1, False)
        for default in self.defaults:
            if (default.collection and default.collection != collection) or not _covers(default.path, path):
                continue
            texts = {key: key in default.quoted for key in default.values}
            rank = (len(default.path), bool(default.collection))
            if rank >= winner:
                winner, values, quoted = rank, _merged(values, default.values), quoted | texts
            else:
                values, quoted = _merged(default.values, values), texts | quoted
        return values, frozenset(key for key, is_text in quoted.items() if is_text)


NO_SITE = JekyllSite()


def read_jekyll_site(
    config: Mapping[str, object], below: str, authors: object, collections: tuple[str, ...]
) -> JekyllSite:
    """``config`` is the whole configuration, ``authors`` the site's data of that name; ``collections`` are those whose
    files are read besides posts."""
    known = as_value(authors, 1)
    separator = config.get("excerpt_separator")
    rules = config.get("defaults")
    stem = _text(config.get("collections_dir")).strip("/")
    site = JekyllSite(
        below=below,
        defaults=tuple(found for rule in _list(rules) if (found := _default(_mapping(rule), stem)) is not None),
        excerpt_separator=separator if isinstance(separator, str) and separator != _PARAGRAPH else "",
        authors=known if isinstance(known, dict) else {},
        collections={name: _template(config, name) for name in collections},
    )
    scopes = [(each.path, each.collection, sorted(each.values.items()), sorted(each.quoted)) for each in site.defaults]
    whole = [
        site.below, scopes,
        site.excerpt_separator, sorted(site.authors.items()), sorted(site.collections.items()),
    ]  # fmt: skip
    return replace(site, mark=hash_of(repr(whole).encode("utf-8", "surrogateescape")))


def _default(rule: Mapping[str, object], stem: str) -> Default | None:
    """None if it gives nothing. ``stem``: the folder of collections, which does not count."""
    scope, given = _mapping(rule.get("scope")), _mapping(rule.get("values"))
    values = {str(key): as_value(value, 1) for key, value in given.items()}
    if not values:
        return None
    path = _text(scope.get("path"))
    return Default(
        path=path.removeprefix(f"{stem}/") if stem else path,
        collection=_text(scope.get("type")),
        values=values,
        quoted=frozenset(str(key) for key, value in given.items() if isinstance(value, str)),
    )


def _template(config: Mapping[str, object], name: str) -> str:
    """How Jekyll makes addresses in a collection."""
    own = _mapping(_mapping(config.get("collections")).get(name)).get("permalink")
    if isinstance(own, str) and own:
        return own
    style = _text(config.get("permalink")) or "date"
    if style == "pretty" or style.endswith("/"):
        ending = "/"
    elif style in ("date", "ordinal", "none", "weekdate") or style.endswith(":output_ext"):
        ending = ":output_ext"
    else:
        ending = ""
    return f"/:collection/:path{ending}"


def _merged(first: Mapping[str, Value], second: Mapping[str, Value]) -> dict[str, Value]:
    """Both, mappings in them too; the second one's values win."""
    merged = {**first, **second}
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        if isinstance(one, dict) and isinstance(other, dict):
            merged[key] = _merged(one, other)
    return merged


def _names(value: Value) -> list[Value]:
    if isinstance(value, str):
        return list(value.split())
    return value if isinstance(value, list) else []


def _covers(scope: str, path: str) -> bool:
    return path.startswith(scope) if "*" not in scope else _glob(scope).match(path) is not None


@lru_cache(maxsize=256)
def _glob(scope: str) -> re.Pattern[str]:
    """A pattern of files, or of folders with all that is in them."""
    forms = {"**/": "(?:[^/]+/)*", "**": "[^/]*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.findall(r"\*\*/|\*\*|.", scope.rstrip("/"), re.DOTALL)
    return re.compile("".join(forms.get(piece, re.escape(piece)) for piece in pieces) + r"(?=/|\Z)")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
