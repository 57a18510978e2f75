"""Jekyll's ``_config.yml`` (https://jekyllrb.com/docs/configuration/), and what jekyll-feed makes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from digest.generators.site import Findings, PresentFeed, Site, joined, mapping, number, text, texts

_FEED_LIMIT = 10
"""jekyll-feed's posts_limit if nothing else is said."""
_OWN_FEEDS = ("feed.xml", "atom.xml", "rss.xml", "feed/index.xml", "feed.atom", "index.xml")
_TEXTS = {
    "title": ("title", "name"),
    "timezone": ("timezone",),
    "description": ("description", "tagline", "subtitle"),
    "rights": ("copyright", "rights"),
}
_CATEGORY_KEYS = ("category", "categories", "tags", "tag", "published", "date")


def read_jekyll(
    data: Mapping[str, object],
    *,
    name: str = "_config.yml",
    domain: str | None = None,
    plugins: Collection[str] = (),
    files: Collection[str] = (),
) -> Site:
    """The site of a configuration. ``domain`` is what a file CNAME names, ``plugins`` are those of the Gemfile,
    ``files`` are files of the site's own (below its source), of which some may make a feed."""
    found = Findings()
    for field, keys in _TEXTS.items():
        found.first(field, data, keys, f"{name}: ")
    _address(found, data, name, domain)
    for key in ("lang", "locale", "language"):
        found.language(data.get(key), f"{name}: {key}")
    found.author(data.get("author"), f"{name}: author")
    _folder(found, data, name)
    _permalink(found, data, name)
    for key, field in (("future", "future"), ("unpublished", "unpublished"), ("show_drafts", "drafts")):
        if data.get(key) is True:
            found.keep(field, True, f"{name}: {key}")
    _exclude(found, data, name)
    feed = _feed(data, plugins, files)
    return found.site("jekyll", feed, text(data.get("destination")) or "_site")


def _address(found: Findings, data: Mapping[str, object], name: str, domain: str | None) -> None:
    base = data.get("baseurl")
    origin = f"{name}: url + baseurl" if text(base) else f"{name}: url"
    if found.take("url", joined(data.get("url"), base), origin):
        return
    if domain:
        found.take("url", joined(f"https://{domain}", base), "CNAME")
        return
    owner, slash, repository = (text(data.get("repository")) or "").rpartition("/")
    if slash and repository:  # where GitHub Pages puts it
        host = f"{owner.rpartition('/')[2].lower()}.github.io"
        path = "" if repository.lower() == host else repository
        found.take("url", joined(f"https://{host}", base if text(base) else path), f"{name}: repository")


def _folder(found: Findings, data: Mapping[str, object], name: str) -> None:
    parts = [(key, text(data.get(key))) for key in ("source", "collections_dir")]
    named = [(key, path.strip("/")) for key, path in parts if path and path.strip("./")]
    if named:
        origin = f"{name}: {' + '.join(key for key, _ in named)}"
        found.take("posts", "/".join(path.removeprefix("./") for _, path in named), origin)


def _permalink(found: Findings, data: Mapping[str, object], name: str) -> None:
    """Front matter defaults win over the collection, which wins over the site's."""
    rules = data.get("defaults")
    for position, rule in enumerate(rules if isinstance(rules, list) else []):
        _default(found, mapping(rule), f"{name}: defaults[{position + 1}]")
    posts = mapping(mapping(data.get("collections")).get("posts"))
    found.take("permalink", posts.get("permalink"), f"{name}: collections.posts.permalink")
    found.take("permalink", data.get("permalink"), f"{name}: permalink")


def _default(found: Findings, rule: Mapping[str, object], origin: str) -> None:
    scope, values = mapping(rule.get("scope")), mapping(rule.get("values"))
    if scope.get("type") not in (None, "posts", "post"):
        return
    path = (text(scope.get("path")) or "").strip("/")
    everywhere = path in ("", "_posts")
    if "permalink" in values:
        if everywhere:
            found.take("permalink", values["permalink"], f"{origin}.permalink")
        else:
            found.remark(
                f"{origin} gives posts in {path} another permalink; digest has one for all, see posts.permalink"
            )
    given = [key for key in _CATEGORY_KEYS if key in values]
    if given and (everywhere or "_posts" in path):
        found.remark(
            f"{origin} gives posts {', '.join(given)} by default; digest reads what stands in each post, "
            "so write it there"
        )


def _exclude(found: Findings, data: Mapping[str, object], name: str) -> None:
    """Only what could hold posts matters."""
    patterns = tuple(each.strip("/") for each in texts(data.get("exclude")) if "_posts" in each or "_drafts" in each)
    if patterns:
        found.keep("exclude", patterns, f"{name}: exclude")


def _feed(data: Mapping[str, object], plugins: Collection[str], files: Collection[str]) -> PresentFeed | None:
    loaded = {*plugins, *texts(data.get("plugins")), *texts(data.get("gems"))}
    options = mapping(data.get("feed"))
    if "jekyll-feed" not in loaded:
        own = tuple(path for path in _OWN_FEEDS if path in files)
        if not own:
            return None
        return PresentFeed(
            maker=f"the site's own {own[0]}", paths=own, ids="jekyll-feed", switch_off=f"delete {' and '.join(own)}"
        )
    options = {**options, **mapping(mapping(options.get("collections")).get("posts"))}
    categories, tags = options.get("categories"), options.get("tags")
    return PresentFeed(
        maker="jekyll-feed",
        paths=((text(options.get("path")) or "feed.xml").strip("/"),),
        categories="feed/*.xml" if categories else "",
        limit=number(options.get("posts_limit")) or _FEED_LIMIT,
        full_text=options.get("excerpt_only") is not True,
        tags=texts(mapping(tags).get("only")) or bool(tags),
        ids="jekyll-feed",
        switch_off="take jekyll-feed out of plugins and of the Gemfile, and {% feed_meta %} out of the layout",
    )
