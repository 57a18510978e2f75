"""``digest init``: from the folder of an existing site to a configuration for it.

Reads the generator's configuration and the posts, writes at most the one file it is asked for. What cannot be taken
over is said, never guessed in silence.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from digest.app.generator_files import (
    OwnConfiguration,
    bytes_of,
    configuration_files,
    hexo_configuration,
    hugo_configuration,
    looks_like_hugo,
    own_configuration,
    packages,
)
from digest.app.hugosite import content_folders, hugo_layout, hugo_site
from digest.app.moment import moment
from digest.app.places import posts_folder
from digest.config import Settings
from digest.config.checks import check_posts
from digest.config.loading import parse
from digest.config.settings import COLLECTION_NAME, PostSettings
from digest.config.values import LanguageTag, Mailbox, Permalink, SiteUrl, Url, parse_zone
from digest.disk import reason
from digest.errors import ConfigError, ProbeError, SourceError
from digest.generators import Site
from digest.generators.draft import Census, Place, cautions, draft_config, switch_steps
from digest.generators.leaving import Habit, habit_of
from digest.generators.opml import FeedList, read_opml
from digest.jobs.addresses import Unmatched, unmatched
from digest.jobs.archive.no_posts import why_none
from digest.jobs.progress import Progress, silent
from digest.models import Post, Problem, Refusal
from digest.posts import Rules
from digest.probes.built_site import addresses_at
from digest.sources.folder import FolderSource
from digest.text import clean_line

_CONTENT = ("_posts", "_drafts", "content", "source")


class Draft(Struct, frozen=True, kw_only=True):
    """A configuration that may be written, and everything to be said about it."""

    path: Path
    """Where it belongs."""
    text: str
    settings: Settings
    """What it means."""
    site: Site
    census: Census
    root: Path
    source: str
    """The generator's configuration that was read; empty if there is none."""
    switch: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    feeds: FeedList = FeedList()
    """Those that become sources."""


def draft(folder: Path, config: Path, *, now: datetime, progress: Progress = silent, opml: Path | None = None) -> Draft:
    """A configuration at ``config`` for the site in ``folder`` and the feeds of a list, or for these alone. Writes
    nothing. ``now`` decides which posts are future ones. Raises SourceError (no site there), ConfigError (its own
    configuration, or the list, is broken)."""
    if not config.absolute().parent.is_dir():
        raise ConfigError(str(config), "cannot be written: its folder does not exist", "make the folder first")
    feeds = FeedList() if opml is None else read_opml(bytes_of(opml), str(opml), Url.parse)
    root = _root(folder)
    own = own_configuration(root)
    source = FolderSource(
        root,
        kind="auto" if own is None else own.generator,
        contents=content_folders(root, hugo_configuration(root)),
    )
    site = _checked(_read(root, own, source), source.kind)
    place = _place(root, config, site, own, source.kind)
    settings = _settings(site, Census(), place, config)
    posts, refused = _posts(settings, now, progress)
    if not posts and own is None:
        return _without_site(folder, config, feeds)
    built = _built(root, site)
    there, unread = (None, ()) if built is None else _addresses_of(built, settings)
    site, posts = _zoned(
        site,
        posts,
        there,
        settings,
        read_again=lambda zoned: _posts(_settings(zoned, Census(), place, config), now, progress)[0],
    )
    site, posts = _built_elsewhere(
        site,
        posts,
        there,
        read_again=lambda moved: _posts(_settings(moved, Census(), place, config), now, progress)[0],
    )
    if site.language is None:
        site = _with(site, "language", _spoken(posts), "by the script of the titles")
    if site.title is None:
        site = _with(site, "title", clean_line(root.resolve().name) or "My site", "the folder's name")
    none = () if posts else _why_none(settings, refused)
    site = replace(site, leaving=_habit(settings), remarks=(*none, *unread, *site.remarks, *feeds.left_out))
    compared = built.name if built is not None and there is not None and posts else ""
    census = replace(
        _census(posts, len(refused)),
        built=compared,
        wrong=() if there is None else tuple(_told(_elsewhere(posts, there), len(posts), compared)),
    )
    text = draft_config(site, census, place, feeds.feeds)
    return Draft(
        path=config,
        text=text,
        settings=parse(text.encode(), config, {}),
        site=site,
        census=census,
        root=root,
        source=own.shown if own else "",
        switch=switch_steps(site, place),
        cautions=cautions(site, place, own is not None and config.name in _texts(own.data.get("exclude"))),
        feeds=feeds,
    )


def _without_site(folder: Path, config: Path, feeds: FeedList) -> Draft:
    """A configuration for feeds alone. Raises SourceError if there are none."""
    if not feeds.feeds:
        raise SourceError(
            str(folder),
            "no Jekyll, Hugo or Hexo site and no posts are here"
            + (", and no feed is in the list" if feeds.left_out else ""),
            "name the site's folder: digest init ../my-site",
        )
    site = Site(generator="", remarks=feeds.left_out)
    if feeds.title:
        site = _with(site, "title", feeds.title, "the list of feeds")
    name = config.name if config.parent == Path() else str(config)
    place = Place(name=name, posts="", kind="auto", state="var", output="public", inside=False)
    text = draft_config(site, Census(), place, feeds.feeds)
    return Draft(
        path=config,
        text=text,
        settings=parse(text.encode(), config, {}),
        site=site,
        census=Census(),
        root=folder,
        source="",
        feeds=feeds,
    )


def write(draft: Draft, *, force: bool = False) -> None:
    """Put the file in place, whole or not at all. Raises ConfigError if there is one and ``force`` does not say that
    it may go, and always if it is the generator's own."""
    refuse_taken(draft.path, force=force)
    temporary = draft.path.with_name(f".{draft.path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(draft.text, encoding="utf-8")
        temporary.replace(draft.path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(
            str(draft.path), f"cannot be written: {reason(error)}", "name another: --config FILE"
        ) from error


def refuse_taken(path: Path, *, force: bool) -> None:
    """Raises ConfigError if a configuration is there already."""
    if path.is_dir():
        raise ConfigError(str(path), "is a folder", f"name the file in it: --config {path / 'config.yaml'}")
    if looks_like_hugo(path):
        raise ConfigError(str(path), "is Hugo's own configuration", "name another file: --config digest.yaml")
    if path.exists() and not force:
        raise ConfigError(
            str(path), "is there already", "look at what would be written with --dry-run, or replace it with --force"
        )


# ---------------------------------------------------- the generator's files


def _root(folder: Path) -> Path:
    """The site's folder, if its folder of posts was named instead."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise SourceError(str(folder), what, "name the folder of a Jekyll, Hugo or Hexo site")
    above = folder
    for _ in range(2):
        if configuration_files(above):
            return above
        if above.resolve().name not in _CONTENT:
            break
        above = above.resolve().parent
    return folder


def _read(root: Path, own: OwnConfiguration | None, source: FolderSource) -> Site:
    """The facts, by the generator's reader."""
    domain = _domain(root)
    if own is None:
        url = f"https://{domain}" if domain else None
        return Site(generator=source.kind, url=url, origins={"url": "CNAME"} if url else {})
    if own.generator == "jekyll":
        from digest.generators.jekyll import read_jekyll

        below = root / str(own.data.get("source") or ".")
        names = ("feed.xml", "atom.xml", "rss.xml", "feed/index.xml", "feed.atom", "index.xml")
        files = {name: _text_of(below / name) for name in names if (below / name).is_file()}
        return read_jekyll(own.data, name=own.shown, domain=domain, plugins=_gems(root), files=files)
    if own.generator == "hexo":
        from digest.generators.hexo import read_hexo

        return read_hexo(own.data, name=own.shown, domain=domain, plugins=packages(root))
    from digest.generators.hugo import read_hugo
    from digest.posts.permalinks import hugo_sections

    found = hugo_configuration(root)
    within = str if found is None else hugo_layout(root, found).within
    sections = Counter(
        next(iter(hugo_sections(within(path))), "") for path in source.scan().files if not _is_list(path)
    )
    return read_hugo(own.data, name=own.shown, domain=domain, sections=sections)


def _is_list(path: str) -> bool:
    return path.rpartition("/")[2].startswith("_index.")


def _domain(root: Path) -> str | None:
    """The domain that a file CNAME gives the site (GitHub Pages and others)."""
    for folder in (".", "static", "source", "docs"):
        try:
            line = (root / folder / "CNAME").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            continue
        if re.fullmatch(r"[A-Za-z0-9.-]+", line):
            return line.lower()
    return None


def _gems(root: Path) -> tuple[str, ...]:
    return tuple(re.findall(r"^\s*gem\s+[\"']([\w-]+)[\"']", _text_of(root / "Gemfile"), re.MULTILINE))


def _text_of(path: Path) -> str:
    """Empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item).strip("/") for item in value) if isinstance(value, list) else ()


# ------------------------------------------------------------------ checks

_PARSERS: dict[str, Callable[[object], object]] = {
    "url": SiteUrl.parse,
    "language": LanguageTag.parse,
    "timezone": parse_zone,
    "author_email": Mailbox.parse,
    "author_url": Url.parse,
    "icon": Url.parse,
    "logo": Url.parse,
    "permalink": Permalink.parse,
}


def _checked(site: Site, kind: str) -> Site:
    """Without the values that digest does not take, each of which is said."""
    for name, parse_value in _PARSERS.items():
        value = getattr(site, name)
        if value is None:
            continue
        try:
            parse_value(value)
        except ValueError as error:
            site = _without(site, name, str(error))
    if site.permalink is not None:
        posts = PostSettings(permalink=Permalink.parse(site.permalink), kind=kind)  # type: ignore[arg-type]
        faults = [text for _, text in check_posts(posts)]
        if faults:
            site = _without(site, "permalink", faults[0])
    if site.url and (urlsplit(site.url).hostname or "") in ("localhost", "127.0.0.1", "0.0.0.0"):  # noqa: S104
        site = _without(site, "url", "is this machine, and readers are elsewhere")
    return _checked_lists(site)


def _checked_lists(site: Site) -> Site:
    """The same for lists, one entry at a time."""
    for name, parse_value in _ENTRY_PARSERS.items():
        kept, remarks = _sifted(getattr(site, name), parse_value, site.origins.get(name, name))
        changed: dict[str, Any] = {name: kept, "remarks": (*site.remarks, *remarks)}
        site = replace(site, **changed)
    if site.feed is None:
        return site
    hubs, remarks = _sifted(site.feed.hubs, Url.parse, "hub")
    return replace(site, feed=replace(site.feed, hubs=hubs), remarks=(*site.remarks, *remarks))


def _sifted(
    given: Sequence[str], parse_value: Callable[[object], object], origin: str
) -> tuple[tuple[str, ...], list[str]]:
    """What can be taken, and a remark for each other."""
    kept, remarks = [], []
    for each in given:
        try:
            parse_value(each)
            kept.append(each)
        except ValueError as error:
            remarks.append(f"{origin}: {json.dumps(each, ensure_ascii=False)} {error}; left out")
    return tuple(kept), remarks


def _collection(name: object) -> None:
    if not re.fullmatch(COLLECTION_NAME, str(name)):
        raise ValueError("is no name of a collection that can be written here")


_ENTRY_PARSERS: dict[str, Callable[[object], object]] = {"languages": LanguageTag.parse, "collections": _collection}


def _without(site: Site, name: str, why: str) -> Site:
    origin, value = site.origins.get(name, name), getattr(site, name)
    remark = f"{origin} was not taken over: {json.dumps(value, ensure_ascii=False)} {why}"
    origins = {key: item for key, item in site.origins.items() if key != name}
    changed: dict[str, Any] = {name: None, "origins": origins, "remarks": (*site.remarks, remark)}
    return replace(site, **changed)


def _with(site: Site, name: str, value: str, origin: str) -> Site:
    changed: dict[str, Any] = {name: value, "origins": {**site.origins, name: origin}}
    return replace(site, **changed)


# ------------------------------------------------------------------- posts


def _place(root: Path, config: Path, site: Site, own: OwnConfiguration | None, kind: str) -> Place:
    here = config.absolute().parent.resolve()
    base = root.resolve()
    inside = here == base
    state = ".digest" if inside else "var"
    posts = base / site.posts if site.posts and (base / site.posts).is_dir() else base
    old = next((path for path in _built_feeds(base, site)), None)
    return Place(
        name=config.name if config.parent == Path() else str(config),
        posts=_relative(posts, here),
        kind=kind,
        state=state,
        output=f"{state}/public" if inside else "public",
        inside=inside,
        source=own.shown if own else "",
        old_feed=_relative(old, Path.cwd()) if old else "",
    )


def _built_feeds(root: Path, site: Site) -> Iterable[Path]:
    if site.feed is None or not site.built:
        return ()
    return (path for path in (root / site.built / name for name in site.feed.paths) if path.is_file())


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path, start)).as_posix()


def _settings(site: Site, census: Census, place: Place, config: Path) -> Settings:
    return parse(draft_config(site, census, place).encode(), config, {})


def _habit(settings: Settings) -> Habit | None:
    """How posts leave their folder, by the names of what lies in the site."""
    source = posts_folder(settings)
    listed = source.scan().files
    return habit_of(listed, list(source.outside(listed)))


def _why_none(settings: Settings, refused: Sequence[Problem]) -> tuple[str, ...]:
    """A line, if there are files that might be posts and none is one."""
    source = posts_folder(settings)
    why = why_none(source.kind, refused, source.outside(()))
    return (f"no post: {why}",) if why else ()


def _posts(settings: Settings, now: datetime, progress: Progress) -> tuple[list[Post], list[Problem]]:
    """The posts as these settings read them, and why other files give none."""
    from digest.app.jekyllsite import jekyll_site
    from digest.app.reading import FileReader
    from digest.posts import hexosite, hugosite, jekyllsite

    posts = settings.posts
    source = posts_folder(settings)
    lang = str(settings.site.language)
    own = hugo_configuration(posts.folder) if source.kind == "hugo" else None
    hugo = hugosite.NO_SITE if own is None else hugo_site(posts.folder, lang, own)
    jekyll = jekyll_site(posts.folder, posts.collections) if source.kind == "jekyll" else jekyllsite.NO_SITE
    rules = Rules(
        site_url=str(settings.site.url),
        timezone=settings.site.timezone,
        kind=source.kind,
        permalink=posts.permalink,
        future=posts.future,
        unpublished=posts.unpublished,
        drafts=posts.drafts,
        lang=lang,
        hugo=hugo,
        hexo=hexosite.read_hexo_site(hexo_configuration(posts.folder) or {})
        if source.kind == "hexo"
        else hexosite.NO_SITE,
        builder_zone=posts.builder_timezone,
        jekyll=jekyll,
        hidden_by=posts.hidden_by,
        now=now,
    )
    paths = list(source.scan().files)
    found: list[Post] = []
    refused: list[Problem] = []
    for done, (_, _, _, outcome) in enumerate(FileReader(source, rules)(paths), 1):
        if isinstance(outcome, Post):
            found.append(outcome)
        elif isinstance(outcome, Refusal):
            refused.append(outcome.problem)
        else:
            refused.append(Problem(path=outcome.subject, reason=outcome.cause, remedy=outcome.remedy))
        progress("reading posts", done, len(paths))
    return found, refused


def _zoned(
    site: Site, posts: list[Post], built: set[str] | None, settings: Settings, read_again: Callable[[Site], list[Post]]
) -> tuple[Site, list[Post]]:
    """A site that names no zone is built in that of its builder: UTC on a server, mostly. What the built site has
    decides; without it UTC, and a word if most posts are dated otherwise."""
    if site.timezone is not None:
        return site, posts
    if site.generator == "hugo":
        return _with(site, "timezone", "UTC", "Hugo's default"), posts
    guess = _zone_of_dates(settings.posts.folder, posts)
    fallback = _with(site, "timezone", "UTC", "CHECK THIS: not set, and builders mostly run in UTC")
    if guess is None:
        remark = "no time zone is set, UTC is assumed; it decides the day in addresses and when a digest is due"
        return replace(fallback, remarks=(*site.remarks, f"{remark} (site.timezone)")), posts
    zone, offset = guess
    local = _with(site, "timezone", zone, f"not set; the built site's addresses and the posts' dates ({offset}) say so")
    if built is not None:
        there = read_again(local)
        if len(_elsewhere(there, built)) < len(_elsewhere(posts, built)):
            return local, there
    remark = (
        f"no time zone is set, and most posts are dated {offset}: if the site is built in that zone, write "
        f"site.timezone: {zone}, or posts' addresses name another day"
    )
    return replace(fallback, remarks=(*site.remarks, remark)), posts


def _built_elsewhere(
    site: Site, posts: list[Post], built: set[str] | None, read_again: Callable[[Site], list[Post]]
) -> tuple[Site, list[Post]]:
    """Hexo makes addresses by the clock of the machine that it runs on, mostly in UTC on a server. The built site
    tells; without it, how many posts that concerns is said."""
    if site.generator != "hexo" or site.timezone in (None, "UTC", "Etc/UTC"):
        return site, posts
    moved = _with(site, "builder_timezone", "UTC", "the built site's addresses have the day of UTC")
    there = read_again(moved)
    differing = sum(one.url != other.url for one, other in zip(posts, there, strict=False))
    if not differing:
        return site, posts
    if built is not None:
        wrong, elsewhere = (len(_elsewhere(some, built)) for some in (posts, there))
        if wrong != elsewhere:
            return (site, posts) if wrong < elsewhere else (moved, there)
    remark = (
        "Hexo makes addresses by the clock of the machine that builds the site: if that is in UTC, as servers are, "
        f"{differing:,} {'post is' if differing == 1 else 'posts are'} at the address of another day; write "
        "posts.builder_timezone: UTC then"
    )
    return replace(site, remarks=(*site.remarks, remark)), posts


_ZONES = {
    8.0: "Asia/Shanghai",
    9.0: "Asia/Tokyo",
    5.5: "Asia/Kolkata",
    1.0: "Europe/Berlin",
    2.0: "Europe/Berlin",
    3.0: "Europe/Moscow",
    -5.0: "America/New_York",
    -4.0: "America/New_York",
    -6.0: "America/Chicago",
    -7.0: "America/Los_Angeles",
    -8.0: "America/Los_Angeles",
}
"""A large zone of each usual offset in hours."""


_SAMPLE = 300
_WRITTEN_OFFSET = re.compile(rb"^[\"' ]*date[\"' ]*[:=][^\n]*\d\d:\d\d[^\n]*?([+-])(\d\d):?(\d\d)\b", re.MULTILINE)


def _zone_of_dates(folder: Path, posts: Sequence[Post]) -> tuple[str, str] | None:
    """The zone that most of the newest posts are dated in, and how its offset is written; None if it is UTC or cannot
    be told."""
    newest = sorted(posts, key=lambda post: post.published, reverse=True)[:_SAMPLE]
    offsets = Counter(found for found in (_offset(folder / post.path) for post in newest) if found)
    if not offsets:
        return None
    (sign, hours, minutes), count = offsets.most_common(1)[0]
    zone = _ZONES.get((int(hours) + int(minutes) / 60) * (-1 if sign == "-" else 1))
    if zone is None or count * 2 <= len(newest):
        return None
    return zone, f"{sign}{hours}{minutes}"


def _offset(path: Path) -> tuple[str, str, str] | None:
    """Sign, hours and minutes of the offset that a post's date is written with."""
    try:
        with path.open("rb") as file:
            found = _WRITTEN_OFFSET.search(file.read(4096))
    except OSError:
        return None
    return None if found is None else (found[1].decode(), found[2].decode(), found[3].decode())


def _census(posts: Sequence[Post], left_out: int) -> Census:
    counted = Counter(name for post in posts for name in dict.fromkeys(post.categories))
    week = max((post.published for post in posts), default=None)
    recent = [] if week is None else [post for post in posts if week - post.published < timedelta(days=7)]
    return Census(
        posts=len(posts),
        a_day=len(recent) // 7,
        left_out=left_out,
        categories=tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0]))),
    )


def _built(root: Path, site: Site) -> Path | None:
    """What shows the addresses that the generator made: the site that it built, or a sitemap; None without either."""
    folder = root / (site.built or "_site")
    places = [root / below / "sitemap.xml" for below in (".", "static", "source", "docs")]
    if folder.is_dir() and any(folder.rglob("*.html")):
        return folder
    return next((place for place in places if b"<loc>" in _first_bytes(place)), None)


def _first_bytes(path: Path) -> bytes:
    """Nothing if it cannot be read; Jekyll's own may be a template, which lists no address."""
    try:
        with path.open("rb") as file:
            start = file.read(64 * 1024)
    except OSError:
        return b""
    return b"" if b"{{" in start or b"{%" in start else start


def _addresses_of(built: Path, settings: Settings) -> tuple[set[str] | None, tuple[str, ...]]:
    """Every address of the built site; None and a remark if it cannot be looked at."""
    folder, site_url = settings.posts.folder, str(settings.site.url)
    apart = hugo_site(folder, "en", hugo_configuration(folder)).apart(site_url)
    try:
        return addresses_at(str(built), site_url, apart=apart), ()
    except ProbeError as error:
        return None, (f"addresses were not compared, since {built.name} {error.cause}",)


def _elsewhere(posts: Sequence[Post], built: set[str]) -> list[Unmatched]:
    """The posts whose address is not in the built site."""
    return unmatched([post.url for post in posts], built)


def _told(left: Sequence[Unmatched], count: int, place: str) -> Iterator[str]:
    """One line for each kind."""
    kinds: dict[str, list[Unmatched]] = {}
    for each in left:
        kinds.setdefault(each.differs, []).append(each)
    for differs, some in kinds.items():
        what = f": {differs} differs" if differs else ""
        near = f" (there is {some[0].near})" if some[0].near else ""
        yield f"{len(some):,} of {count:,} addresses are not in {place}{what}, for example {some[0].link}{near}"


_SCRIPTS = (("ja", "[぀-ヿ]"), ("ko", "[가-힣]"), ("zh-CN", "[一-鿿]"))


def _spoken(posts: Sequence[Post]) -> str:
    """A language, by the script that at least a third of the titles use; English without a clue."""
    titles = [post.title for post in posts[:2000]]
    for language, script in _SCRIPTS:
        pattern = re.compile(script)
        if sum(pattern.search(title) is not None for title in titles) * 3 > len(titles):
            return language
    return "en"


def draft_configuration(site: Path, config: Path, progress: Progress = silent, opml: Path | None = None) -> Draft:
    """``digest init``: a configuration at ``config`` for the site in a folder and the feeds of a list; nothing is
    written. Raises SourceError, ConfigError."""
    return draft(site, config, now=moment(None, ZoneInfo("UTC")).now, progress=progress, opml=opml)
