"""The text of a ``config.yaml`` for a site, and what a switch from its present feed asks of the operator. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from msgspec import Struct

from digest.generators.leaving import Habit
from digest.generators.opml import ListedFeed
from digest.generators.site import PresentFeed, Site
from digest.text import clean_line

MOST_CATEGORIES = 40
"""So many are listed; a site with thousands would bury the keys under them."""

_PLAIN = re.compile(r"[^\W\d_](?:[\w ()./+·—–’\"'，。、：；！？（）《》「」【】-]*[\w)）》」】。！？./+])?")
_ADDRESS = re.compile(r"(?:https?://|\.?/|\.\w)[\w./~%:=@+-]*[\w/]|\.{1,2}(?:/[\w./-]*\w)?")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_COLUMN = 37
BUSY = 100
"""Posts a day from which on whole posts would fill a feed in less than a day."""
_NAMES = {"jekyll": "Jekyll", "hugo": "Hugo", "hexo": "Hexo"}


class Census(Struct, frozen=True, kw_only=True):
    """The posts that were found, read by the rules of the configuration that is being written."""

    posts: int = 0
    left_out: int = 0
    """Files that give no post: drafts, future ones, broken ones."""
    categories: tuple[tuple[str, int], ...] = ()
    """Name and number of posts, the largest first."""
    a_day: int = 0
    """Posts a day, in the newest week."""
    built: str = ""
    """The built site, or its sitemap, that the posts' addresses were looked for in; empty if there is none."""
    wrong: tuple[str, ...] = ()
    """How many of them are not there, by what differs; with an example."""


class Place(Struct, frozen=True, kw_only=True):
    """Where the configuration will be, and what its paths are counted to."""

    name: str
    """Name of the file, as commands are given it."""
    posts: str
    """``posts.folder`` as written; empty if there is none."""
    kind: str
    """``posts.kind``."""
    state: str
    """Folder of the store, the outbox and the secret, as written."""
    output: str
    inside: bool
    """The file lies in the site's own folder."""
    source: str = ""
    """The generator's configuration, as shown."""
    old_feed: str = ""
    """The present feed as the generator built it, if it is there."""


def draft_config(site: Site, census: Census, place: Place, feeds: Sequence[ListedFeed] = ()) -> str:
    """The whole file, with ``feeds`` as sources. Every value of ``site`` is one that the configuration takes; those
    missing are made up and marked so."""
    made_from = f" from {place.source} ({_NAMES[site.generator]})" if place.source else ""
    lines = [
        f"# Written by digest init{made_from}. Every key is explained in docs/configuration.md of digest.",
        "# Paths are counted from this file's folder. Secrets never stand in here.",
        "",
        *_site(site),
        "",
        *(_posts(site, census, place) if place.posts else ()),
        *_sources(feeds),
        *_categories(census),
        *_feeds(site, census),
        "digests:",
        *_keys(("daily:", "any name; several digests can stand side by side")),
        *_keys(
            ("  schedule: daily 08:00", "or: weekdays 07:30, weekly sat 08:00; in the time zone above"),
            ("  minutes: 8", "what the mail takes to read at most; the rest is on its page"),
        ),
        "",
        *_mail(site, place),
        "",
        f"store: sqlite:///{place.state}/digest.db".ljust(_COLUMN) + " # what was seen and sent; keep it",
        f"output: {scalar(place.output)}".ljust(_COLUMN) + " # pages and feeds: what the web server serves",
        *(
            ()
            if site.generator
            else ("pages:", *_keys(("index: true", "a front page; never over another's index.html")))
        ),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def scalar(value: str) -> str:
    """A text as YAML: plain where that is safe, in double quotes otherwise (JSON's are YAML's)."""
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    if _ADDRESS.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _keys(*pairs: tuple[str, str]) -> list[str]:
    """Indented lines, each with its comment."""
    return [f"  {line}".ljust(_COLUMN) + (f" # {comment}" if comment else "") for line, comment in pairs]


def _site(site: Site) -> list[str]:
    origin = site.origins.get
    author = scalar(site.author or site.title or "The editors")
    lines = [
        "site:",
        *_keys(
            (f"title: {scalar(site.title or 'My site')}", origin("title") or "CHANGE THIS: the name was not found"),
            (
                f"url: {scalar(site.url or f'https://example.com{site.base}')}",
                origin("url") or "CHANGE THIS: addresses of posts, feeds and pages begin with it",
            ),
            (f"language: {scalar(site.language or 'en')}", origin("language") or "CHANGE THIS if it is another one"),
            (
                f"timezone: {scalar(site.timezone or 'UTC')}",
                origin("timezone") or "CHECK THIS: it decides the day in addresses, and when a digest is due",
            ),
        ),
    ]
    if site.author_email or site.author_url:
        lines += _keys(("author:", ""), (f"  name: {author}", origin("author") or "the title"))
        if site.author_email:
            lines += _keys((f"  email: {scalar(site.author_email)}", "published in the feeds"))
        if site.author_url:
            lines += _keys((f"  url: {scalar(site.author_url)}", ""))
    else:
        lines += _keys((f"author: {author}", origin("author") or "the title"))
    for key in ("description", "rights", "icon", "logo"):
        value = getattr(site, key)
        if value:
            lines += _keys((f"{key}: {scalar(value)}", origin(key) or ""))
    return lines


def _posts(site: Site, census: Census, place: Place) -> list[str]:
    counted = f"{census.posts:,} {'post' if census.posts == 1 else 'posts'}" + (
        f", {census.left_out:,} left out" if census.left_out else ""
    )
    lines = ["posts:", *_keys((f"folder: {scalar(place.posts)}", counted), (f"kind: {place.kind}", ""))]
    if site.permalink:
        lines += _keys((f"permalink: {scalar(site.permalink)}", site.origins.get("permalink", "")))
    if site.builder_timezone:
        lines += _keys((f"builder_timezone: {scalar(site.builder_timezone)}", site.origins.get("builder_timezone", "")))
    lines += [f"  # WRONG: {line}" for line in census.wrong]
    for key in ("future", "unpublished", "drafts"):
        if getattr(site, key):
            lines += _keys((f"{key}: true", site.origins.get(key, "")))
    for key in ("exclude", "collections", "hidden_by"):
        if getattr(site, key):
            named = ", ".join(scalar(each) for each in getattr(site, key))
            lines += _keys((f"{key}: [{named}]", site.origins.get(key, "")))
    return [*lines, *_leaving(site.leaving), ""]


def _sources(feeds: Sequence[ListedFeed]) -> list[str]:
    """An entry for each, with what it is called where its name does not say it."""
    if not feeds:
        return []
    lines = ["sources:"]
    for each in feeds:
        names = ", ".join(scalar(name) for name in each.categories)
        lines += [
            "  - kind: feed",
            *_keys((f"  name: {scalar(each.name)}", each.title)),
            f"    url: {scalar(each.url)}",
            *([f"    categories: [{names}]"] if names else []),
        ]
    return [*lines, ""]


def _leaving(habit: Habit | None) -> list[str]:
    """How old posts leave the folder, which is no withdrawal."""
    if habit is None:
        return []
    folders = ", ".join(scalar(each) for each in habit.archived)
    lines = _keys((f"archived: [{folders}]", f"{habit.moved:,} older posts were moved there, which withdraws none"))
    if habit.days is not None:
        days = f"{habit.days} {'day' if habit.days == 1 else 'days'}"
        lines += _keys((f"retention: {days}", "CHECK THIS: age at which they are moved, by the dates of those there"))
    return lines


def _categories(census: Census) -> list[str]:
    if not census.categories:
        return []
    shown = census.categories[:MOST_CATEGORIES]
    lines = [
        "# Titles and order of the categories; those not named here follow by name. Take the # away to change them.",
        "# categories:",
    ]
    for name, count in shown:
        key = scalar(clean_line(name))
        lines.append(f"#   {key}: {key}".ljust(_COLUMN) + f" # {count:,} {'post' if count == 1 else 'posts'}")
    if len(census.categories) > len(shown):
        lines.append(f"#   and {len(census.categories) - len(shown):,} more")
    return [*lines, ""]


def _feeds(site: Site, census: Census) -> list[str]:
    feed = site.feed
    lines = []
    if site.languages:
        names = ", ".join(scalar(tag) for tag in site.languages)
        lines += _keys((f"languages: [{names}]", "their feeds; digests can choose one (digests.NAME.language)"))
    lines += [] if feed is None else _as_now(feed, census)
    return ["feeds:", *lines, ""] if lines else []


def _as_now(feed: PresentFeed, census: Census) -> list[str]:
    """What makes the feed what the present one is."""
    lines = []
    if feed.limit and feed.limit > 50:
        lines += _keys((f"min_items: {min(feed.limit, 10_000)}", f"as many as {feed.maker} has"))
        if feed.limit > 500:
            lines += _keys((f"max_items: {min(feed.limit, 10_000)}", ""))
    if feed.full_text and census.a_day >= BUSY:
        lines += _keys(
            ("full_text: false", f"{feed.maker} has whole posts; with {census.a_day:,} a day they would not fit")
        )
    elif feed.full_text:
        lines += _keys(("full_text: true", f"as {feed.maker} does; false: summaries only"))
    if feed.tags:
        names = feed.tags if isinstance(feed.tags, tuple) else ()
        tags = f"[{', '.join(scalar(tag) for tag in names)}]" if names else "true"
        lines += _keys((f"tags: {tags}", f"feeds of tags, as {feed.maker} has them"))
    if feed.hubs:
        lines += _keys((f"hubs: [{', '.join(scalar(hub) for hub in feed.hubs)}]", f"as {feed.maker} names them"))
    if feed.ids != "jekyll-feed":
        lines += _keys((f"id_scheme: {feed.ids}", f"makes ids as {feed.maker} does"))
    return lines


def _mail(site: Site, place: Place) -> list[str]:
    host = re.sub(r"^https?://|[:/].*$", "", site.url or "https://example.com")
    sender = f"{site.title or 'My site'} <digest@{host}>"
    return [
        "mail:",
        *_keys(
            ("transport: folder", "writes .eml files and sends nothing; smtp sends for real"),
            (f"folder: {scalar(place.state + '/outbox')}", ""),
            ("# to: [you@example.com]", "always get the digest, without a subscription"),
            (f"# sender: {json.dumps(sender, ensure_ascii=False)}", "with smtp: this, and"),
            ("# host: smtp.example.com", "its password: the environment variable DIGEST_SMTP_PASSWORD,"),
            ("# user: digest@example.com", "or a file named by password_file"),
        ),
        "",
        "subscriptions:",
        *_keys((f"secret_file: {scalar(place.state + '/secret')}", "signs the links in mails; made at first use")),
    ]


# ------------------------------------------------------------------ switch


def switch_steps(site: Site, place: Place) -> tuple[str, ...]:
    """What a switch from the present feed asks for, in order; nothing without one."""
    feed = site.feed
    if feed is None:
        return ()
    main, config = feed.paths[0], _option(place)
    base = site.url or "https://example.com"
    saved = place.old_feed or "old-feed.xml"
    fetch = f"save {base}/{main} as old-feed.xml, then " if not place.old_feed else ""
    steps = [
        f"before the first run: {fetch}digest adopt-ids {saved}{config} (readers then see no entry twice)",
        *(_moved(path, feed.maker) for path in feed.paths if _target(path, feed.maker) != path),
    ]
    if feed.categories and feed.categories != "feed/*.xml":
        steps.append(f"redirect {feed.categories.replace('*', 'NAME')} to rss/NAME.xml as well, for each category")
    elif feed.categories:
        steps.append("feeds of categories keep their addresses (feed/NAME.xml); adopt each: --category NAME")
    if feed.tags:
        steps.append("feeds of tags keep their addresses (feed/by_tag/NAME.xml)")
    steps.append(f"stop {feed.maker}: {feed.switch_off}")
    steps.append(
        f"put {place.output} where {base}/ is served, after each build: cp -R {place.output}/. {site.built or '_site'}/"
    )
    return tuple(steps)


def _target(path: str, maker: str) -> str:
    """The file of ours that takes an address's place, in the same format."""
    name = path.rpartition("/")[2]
    return "rss.xml" if "rss" in name or maker.startswith("Hugo") else "feed.xml"


def _moved(path: str, maker: str) -> str:
    target = _target(path, maker)
    return (
        f"keep the address /{path}: redirect it to /{target} (nginx: location = /{path} {{ return 301 /{target}; }}), "
        f"or copy {target} there where nothing redirects"
    )


def cautions(site: Site, place: Place, excluded: bool) -> tuple[str, ...]:
    """What the generator must not do with our files. ``excluded``: Jekyll leaves the configuration out already."""
    if not place.inside:
        return ()
    lines = [f"keep {place.state}/ out of version control: it holds addresses and the secret (.gitignore)"]
    if site.generator == "jekyll" and not excluded:
        lines.append(f"add {place.name} to exclude in _config.yml, or Jekyll publishes a copy of it")
    return tuple(lines)


def _option(place: Place) -> str:
    return "" if place.name == "config.yaml" else f" --config {place.name}"
