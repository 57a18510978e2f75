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
_TAG_FEEDS = "feed/by_tag"
"""Where jekyll-feed puts feeds of tags unless told otherwise."""
_HIDING = ("hidden", "unlisted")


def read_jekyll(
    data: Mapping[str, object],
    *,
    name: str = "_config.yml",
    domain: str | None = None,
    plugins: Collection[str] = (),
    files: Mapping[str, str] | None = None,
) -> Site:
    """The site of a configuration. ``domain`` is what a file CNAME names, ``plugins`` are those of the Gemfile,
    ``files`` are the texts of files of the site's own (below its source) that may make a feed."""
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
    feed = _feed(found, data, plugins, files or {}, name)
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
    elif text(base):
        found.keep("base", "/" + str(base).strip("/"), f"{name}: baseurl")
        found.remark(f"{name} has a baseurl and no url: write the host before {base} in site.url")


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
    """Those of all posts; a run reads the others in the site itself."""
    scope, values = mapping(rule.get("scope")), mapping(rule.get("values"))
    if scope.get("type") in (None, "posts") and (text(scope.get("path")) or "").strip("/") in ("", "_posts"):
        found.take("permalink", values.get("permalink"), f"{origin}.permalink")


def _exclude(found: Findings, data: Mapping[str, object], name: str) -> None:
    """Only what could hold posts matters."""
    patterns = tuple(each.strip("/") for each in texts(data.get("exclude")) if "_posts" in each or "_drafts" in each)
    if patterns:
        found.keep("exclude", patterns, f"{name}: exclude")


def _feed(
    found: Findings, data: Mapping[str, object], plugins: Collection[str], files: Mapping[str, str], name: str
) -> PresentFeed | None:
    loaded = {*plugins, *texts(data.get("plugins")), *texts(data.get("gems"))}
    options = mapping(data.get("feed"))
    if "jekyll-feed" not in loaded:
        own = tuple(path for path in _OWN_FEEDS if path in files)
        if not own:
            return None
        hiding = tuple(key for key in _HIDING if f"post.{key}" in files[own[0]])
        if hiding:
            found.keep("hidden_by", hiding, own[0])
        return PresentFeed(
            maker=f"the site's own {own[0]}", paths=own, ids="jekyll-feed", switch_off=f"delete {' and '.join(own)}"
        )
    for key in ("icon", "logo"):
        found.take(key, _whole(found, options.get(key)), f"{name}: feed.{key}")
    _collections(found, data, options, name)
    options = {**options, **mapping(mapping(options.get("collections")).get("posts"))}
    categories = options.get("categories")
    return PresentFeed(
        maker="jekyll-feed",
        paths=((text(options.get("path")) or "feed.xml").strip("/"),),
        categories="feed/*.xml" if categories else "",
        limit=number(options.get("posts_limit")) or _FEED_LIMIT,
        full_text=options.get("excerpt_only") is not True,
        tags=_tags(found, options.get("tags"), name),
        hubs=texts(options.get("hub")),
        ids="jekyll-feed",
        switch_off="take jekyll-feed out of plugins and of the Gemfile, and {% feed_meta %} out of the layout",
    )


def _tags(found: Findings, given: object, name: str) -> bool | tuple[str, ...]:
    """Of which tags there are feeds."""
    options = mapping(given)
    left_out, place = texts(options.get("except")), (text(options.get("path")) or "").strip("/")
    if left_out:
        found.remark(
            f"{name}: feed.tags.except ({', '.join(left_out)}) has nothing like it in digest: name the tags that have "
            "feeds in feeds.tags, or take feeds of all"
        )
    if place and place != _TAG_FEEDS:
        found.remark(
            f"{name}: feeds of tags are in {place}/ now, and in {_TAG_FEEDS}/ with digest: redirect {place}/*.xml"
        )
    return texts(options.get("only")) or bool(given)


def _collections(found: Findings, data: Mapping[str, object], options: Mapping[str, object], name: str) -> None:
    """Of which collections, besides posts, there is a feed, if they have pages."""
    given = options.get("collections")
    wanted = tuple(str(key) for key in mapping(given)) or texts(given)
    known = data.get("collections")
    with_pages = {each for each, how in mapping(known).items() if mapping(how).get("output") is True}
    taken = tuple(each for each in wanted if each in with_pages)
    for each in wanted:
        if each not in with_pages and each != "posts":
            found.remark(f"{name}: feed.collections has {each}, whose documents have no pages (output: true); left out")
    if not taken:
        return
    found.keep("collections", taken, f"{name}: feed.collections")
    for each in taken:
        path = (text(mapping(mapping(given).get(each)).get("path")) or f"feed/{each}.xml").strip("/")
        found.remark(
            f"{name}: collection {each} has a feed of its own (/{path}); with digest its documents are in the feed "
            f"of all posts: redirect /{path} to /feed.xml"
        )


def _whole(found: Findings, address: object) -> str | None:
    """An address that may be one below the site's."""
    given, site = text(address), found.values.get("url")
    if given is None or "://" in given or not isinstance(site, str):
        return given
    return f"{site}/{given.lstrip('/')}"
