"""Hexo's ``_config.yml`` (https://hexo.io/docs/configuration), and the feed of hexo-generator-feed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from digest.generators.site import Findings, PresentFeed, Site, joined, mapping, number, text, texts

_FEED_LIMIT = 20
"""hexo-generator-feed's, if nothing else is said."""
_FILES = {"atom": "atom.xml", "rss2": "rss2.xml"}


def read_hexo(
    data: Mapping[str, object],
    *,
    name: str = "_config.yml",
    domain: str | None = None,
    plugins: Collection[str] = (),
) -> Site:
    """The site of a configuration. ``domain`` is what a file CNAME names, ``plugins`` are the packages that
    package.json names."""
    found = Findings()
    found.take("title", data.get("title"), f"{name}: title")
    _address(found, data, name, domain)
    languages = [each for each in texts(data.get("language")) if each != "default"]
    found.language(next(iter(languages), None), f"{name}: language")
    spoken = tuple(each.replace("_", "-") for each in languages)
    if len(spoken) > 1:
        found.keep("languages", spoken, f"{name}: language")
    found.take("timezone", data.get("timezone"), f"{name}: timezone")
    found.author(data.get("author"), f"{name}: author")
    found.first("description", data, ("description", "subtitle"), f"{name}: ")
    folder = (text(data.get("source_dir")) or "source").strip("/")
    if folder != "source":
        found.take("posts", f"{folder}/_posts", f"{name}: source_dir")
    _permalink(found, data, name)
    if data.get("future", True) is not False:  # Hexo takes them unless told not to
        found.keep("future", True, f"{name}: future" if "future" in data else "Hexo's default")
    if data.get("render_drafts") is True:
        found.keep("drafts", True, f"{name}: render_drafts")
    _unread(found, data, name, plugins)
    if "hexo-hide-posts" in plugins:
        key = text(mapping(data.get("hide_posts")).get("filter")) or "hidden"
        found.keep("hidden_by", (key,), "package.json: hexo-hide-posts")
    return found.site("hexo", _feed(data, plugins), text(data.get("public_dir")) or "public")


def _address(found: Findings, data: Mapping[str, object], name: str, domain: str | None) -> None:
    """``url`` holds the path of ``root``, or should."""
    url, root = text(data.get("url")), data.get("root")
    if url and "://" in url:
        has_path = bool(urlsplit(url).path.strip("/"))
        found.take("url", joined(url, None if has_path else root), f"{name}: url")
    if domain:
        found.take("url", joined(f"https://{domain}", root), "CNAME")


def _permalink(found: Findings, data: Mapping[str, object], name: str) -> None:
    template = text(data.get("permalink"))
    pretty = mapping(data.get("pretty_urls"))
    if template and pretty.get("trailing_html") is False and template.endswith(".html"):
        template = template.removesuffix(".html")
    if template and pretty.get("trailing_index") is False:
        template = template.removesuffix("index.html")
    found.take("permalink", template, f"{name}: permalink")


def _unread(found: Findings, data: Mapping[str, object], name: str, plugins: Collection[str]) -> None:
    """What changes posts or their addresses and is not read."""
    for plugin in ("hexo-permalink-pinyin", "hexo-auto-category"):
        if plugin in plugins:
            found.remark(f"package.json: {plugin} changes addresses in ways that digest does not know")
    for plugin in ("hexo-abbrlink", "hexo-abbrlink2"):
        if plugin in plugins:
            found.remark(f"package.json: {plugin} names posts when it builds: posts without an abbrlink are left out")
    for key in ("exclude", "include"):
        if texts(data.get(key)):
            found.remark(f"{name}: {key} is not read; what it leaves out, name in posts.exclude")


def _feed(data: Mapping[str, object], plugins: Collection[str]) -> PresentFeed | None:
    options = mapping(data.get("feed"))
    if ("hexo-generator-feed" not in plugins and not options) or options.get("enable") is False:
        return None
    kinds = [kind for kind in texts(options.get("type")) if kind in _FILES] or ["atom"]
    written = texts(options.get("path"))
    paths = tuple(
        (written[position] if position < len(written) else _FILES[kind]).strip("/")
        for position, kind in enumerate(kinds)
    )
    limit = options.get("limit", _FEED_LIMIT)
    return PresentFeed(
        maker="hexo-generator-feed",
        paths=tuple(path if path.endswith(".xml") else f"{path}.xml" for path in paths),
        limit=number(limit),
        full_text=options.get("content") is True,
        ids="permalink",
        switch_off="write feed.enable: false in _config.yml, or npm uninstall hexo-generator-feed",
    )
