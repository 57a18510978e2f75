"""What a Hugo site says of its pages in other files than theirs, read from its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from digest.generators.hugo import lowered
from digest.generators.site import mapping
from digest.posts.decode import decode
from digest.posts.frontmatter import split
from digest.posts.hugosite import NO_SITE, HugoSite, read_hugo_site
from digest.posts.plainblock import FrontMatter
from digest.posts.problems import Rejected, Remarks

_LIST_PAGES = ("_index.md", "_index.markdown", "_index.html")
_ENDINGS = (".md", ".markdown", ".html", ".htm")


def hugo_site(folder: Path, lang: str, own: Mapping[str, object] | None) -> HugoSite:
    """The site that the posts folder belongs to; ``own`` is its configuration, without which there is none."""
    if own is None:
        return NO_SITE
    data = mapping(lowered(own))
    content = "content" if (folder / "content").is_dir() else ""
    branches: dict[str, FrontMatter] = {}
    bundles: set[str] = set()
    for place, folders, names in os.walk(folder / content):
        folders[:] = [name for name in folders if name[0] != "."]
        here = os.path.relpath(place, folder).removeprefix(".")
        page = next((name for name in _LIST_PAGES if name in names), None)
        if page is not None:
            branches[here] = _front(Path(place) / page, lang)
        elif any(name.split(".")[0] == "index" and name.endswith(_ENDINGS) for name in names):
            bundles.add(here)
    return read_hugo_site(data, content, branches, frozenset(bundles))


def _front(page: Path, lang: str) -> FrontMatter:
    """With keys in lower case; none if it cannot be read, since Hugo could not either."""
    try:
        front, _, _ = split(decode(page.read_bytes(), Remarks(""), lang), "hugo", Remarks(""))
    except (OSError, Rejected):
        return FrontMatter(values={})
    return FrontMatter(values={key.lower(): value for key, value in front.values.items()})
