"""From the bytes of one file to a post, or to the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from digest.models import Hand, Post, Problem, Refusal, Severity
from digest.posts import body as bodies
from digest.posts import fields
from digest.posts.dates import BadDate, midnight, own_zone, parse_date
from digest.posts.decode import decode
from digest.posts.frontmatter import is_copied, split
from digest.posts.hugosite import BY_NAME
from digest.posts.identity import mint
from digest.posts.jekyllsite import POSTS
from digest.posts.permalinks import (
    Place,
    UnknownKey,
    finish_jekyll,
    given_path,
    hexo_path,
    hexo_relative,
    hugo_given_path,
    hugo_path,
    hugo_sections,
    jekyll_path,
    titleize,
)
from digest.posts.plainblock import FrontMatter
from digest.posts.preliminaries import is_address, is_title
from digest.posts.problems import Rejected, Remarks
from digest.posts.rules import Rules
from digest.posts.sitelinks import SiteLinks
from digest.posts.summary import find_opening, first_paragraph, plain, whole_text
from digest.posts.titles import plain_title
from digest.text import clean_line, undirected

_DATED = re.compile(r"(\d{2,4})-(\d{1,2})-(\d{1,2})-(.*)\Z", re.DOTALL)
_LOOSELY_DATED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[-_ ]+(.*))?\Z", re.DOTALL)
_MODIFIED = ("last_modified_at", "lastmod", "updated", "modified")
_OTHER_DATES = (
    "publishDate", "publishdate", "pubdate", "pubDate", "published", "created_at", "created", "lastmod", "modified"
)  # fmt: skip
_EXPIRES = ("expiryDate", "expirydate", "unpublishdate")
_PUBLISH = ("publishDate", "publishdate", "pubdate")
_SUMMARIES = {
    "jekyll": ("description", "excerpt", "summary", "subtitle"),
    "hugo": ("description", "excerpt", "summary", "subtitle"),
    "hexo": ("description", "excerpt", "intro", "summary", "subtitle"),
}
_HUGOS_YES, _OLD_YES = frozenset({"true", "t", "1"}), frozenset({"yes", "on", "y"})
"""What Hugo takes for true; the latter where it reads YAML 1.1, which it does no longer."""
_LONGEST_NAME = 500
"""Characters of a category or tag; with the bytes of an id the most that a database can look up."""
_LONGEST_ID = 2_000
"""Bytes of an id. The sign of an escape (``%E8``) does not count: a database packs what it looks up, and these well."""
_NO_FRONT = FrontMatter(values={})
_PATHS: dict[str, Callable[[str, Place], str]] = {"jekyll": jekyll_path, "hugo": hugo_path, "hexo": hexo_path}


class _Name(NamedTuple):
    """What a file's name says."""

    base: str
    """Without ending; a Hugo bundle's folder."""
    slug: str
    """Without ending and date."""
    date: tuple[int, int, int] | None
    is_html: bool
    output_ext: str


def parse_post(path: str, data: bytes, rules: Rules) -> Post | Refusal:
    """Read one file. ``path`` is relative to the posts folder, with ``/``.

    Never raises: whatever the bytes are, the answer is a post (perhaps with warnings) or a refusal that says
    where, why and what to do.
    """
    remarks = Remarks(path)
    try:
        return _Reader(path, _rules_for(path, rules), remarks).read(data)
    except Rejected as refused:
        problem = Problem(
            path=path,
            line=refused.line,
            reason=clean_line(refused.reason),
            remedy=clean_line(refused.remedy),
            severity=refused.severity,
        )
        return Refusal(
            problem=problem,
            recheck_at=refused.recheck_at,
            expired=refused.expired,
            withdraws=refused.withdraws,
        )


def _rules_for(path: str, rules: Rules) -> Rules:
    """Raises Rejected for a language that the site has disabled."""
    found = rules.of(path)
    if found is None:
        raise Rejected("the site has disabled its language", severity=Severity.NOTE, withdraws=True)
    return found


class _Reader:
    """Reads one file, step by step."""

    def __init__(self, path: str, rules: Rules, remarks: Remarks) -> None:
        self._path = path
        self._rules = rules
        self._remarks = remarks
        self._front = _NO_FRONT
        self._dated_by: str | None = None
        """The key that the post's date was taken from."""
        self._name = file_name(path, rules.kind, _lang_endings(rules.hugo.lang, rules.lang))
        if rules.kind == "hexo" and (date := rules.hexo.date(hexo_relative(path))) is not None:
            self._name = self._name._replace(date=date)
        self._place_in_site = rules.hugo.layout.within(path) if rules.hugo else path
        self._collection = rules.jekyll.collection_of(path) if rules.kind == "jekyll" else POSTS

    def read(self, data: bytes) -> Post:
        rules, remarks, name = self._rules, self._remarks, self._name
        text = decode(data, remarks, rules.lang)
        if self._collection != POSTS and is_copied(text):
            raise self._note("no front matter, so it is a file of the collection and no post", None)
        front, body, _ = split(text, rules.kind, remarks)
        is_hugo = rules.kind == "hugo"
        if is_hugo:
            front = self._of_hugo(_lower(front))
        elif rules.kind == "jekyll":
            front = rules.jekyll.completed(self._path, front)
        elif said := rules.hexo.said_by(hexo_relative(self._path)):
            front = replace(front, values={**front.values, **said})
        self._front = front
        self._check_wanted()
        published = self._published()
        more = not front.values.keys() <= fields.COMMON
        expires = self._check_due(published, more=more)
        title = self._title()
        categories = fields.categories(front, rules.kind, self._place_in_site)
        self._warn_of_comma(categories)
        slug = self._slug()
        day = published.astimezone(rules.builder_zone or (self._zone_of_day() if is_hugo else rules.timezone))
        url_path = self._url_path(self._place(day, slug, title, categories))
        url = rules.site_url.rstrip("/") + url_path
        feed_id, is_forced = self._feed_id(url_path, slug, day.year)
        trimmed = bodies.trim(body, site_url=rules.site_url)
        summary, lead, text = self._summary(trimmed.text, title)
        summary = undirected(summary)
        is_short = more and self._is_excerpt_only()
        return Post(
            path=self._path,
            title=title,
            published=published,
            modified=self._optional_date(rules.hugo.dates.get("lastmod", _MODIFIED)) if more else None,
            url=url,
            feed_id=feed_id,
            feed_id_forced=is_forced,
            categories=self._short("category", fields.labels(categories)),
            tags=self._short("tag", fields.tags(front, rules.kind)),
            summary=summary,
            lead="" if is_short else lead,
            body="" if is_short else text,
            is_html=name.is_html,
            original_url=trimmed.original_url,
            source_name=bodies.source_name(summary, text),
            authors=fields.authors(front, rules.site_url, rules.jekyll.authors) if more else (),
            image=(self._image(url) if more else None)
            or bodies.first_image(text, url, self._links() if "{" in text else None),
            lang=self._lang(url_path, more=more),
            codes=bodies.codes(text),
            attachments=fields.attachments(front, rules.site_url.rstrip("/") + "/", remarks) if more else (),
            text_hash=bodies.text_hash(title, summary, text),
            unlisted=more and self._is_unlisted(),
            hand=self._hand() if more else None,
            expires=expires,
            warnings=remarks.all(),
        )

    def _lang(self, url_path: str, *, more: bool) -> str | None:
        rules = self._rules
        said = fields.lang(self._front, self._remarks) if more else None
        if rules.kind == "hexo":
            return rules.hexo.language_of(said or "", url_path)
        return rules.hugo.tag or said

    def _place(self, day: datetime, slug: str, title: str, categories: tuple[str, ...]) -> Place:
        """What addresses are made of."""
        rules, name = self._rules, self._name
        return Place(
            day=day,
            path=self._place_in_site,
            name=name.base,
            slug=slug,
            title=title,
            categories=categories,
            output_ext=name.output_ext,
            front=self._front.values,
            sections=rules.hugo.sections(hugo_sections(self._place_in_site)) if rules.hugo else None,
            keeps_case=rules.hugo.keeps_case,
            drops_accents=rules.hugo.drops_accents,
            hexo=rules.hexo,
            collection=self._collection,
        )

    def _feed_id(self, url_path: str, slug: str, year: int) -> tuple[str, bool]:
        """The id, and whether the front matter gave it."""
        forced = clean_line(fields.text_of(self._front.values.get("feed_id")))
        feed_id = forced or mint(self._rules, path=url_path.partition("?")[0], slug=slug, year=year)
        if len(feed_id) > _LONGEST_ID // 4 and len(feed_id.encode()) - feed_id.count("%") > _LONGEST_ID:
            raise self._too_long(forced=bool(forced))
        return feed_id, bool(forced)

    def _hand(self) -> Hand | None:
        """What ``digest`` of the front matter says."""
        value = self._front.values.get("digest")
        if value is None or value == "":
            return None
        try:
            return Hand(fields.text_of(value).strip().lower())
        except ValueError:
            self._remarks.warn(
                f"digest: {_shown(value)} says nothing to editions",
                "write digest: lead, pin or skip, or delete the line",
                line=self._front.lines.get("digest"),
            )
            return None

    # ------------------------------------------------------------------- Hugo

    def _of_hugo(self, front: FrontMatter) -> FrontMatter:
        """With what the site hands down. Raises Rejected for what Hugo makes no page of."""
        site, path = self._rules.hugo, self._path
        if not site:
            return front
        if site.ignores(path):
            raise self._note("left out by the site's ignoreFiles", None)
        bundle = site.bundle_of(path)
        if bundle is not None:
            raise self._note(f"belongs to the page {bundle}, and is none of its own", None)
        if site.is_closed(path) and not self._rules.drafts:
            raise self._note("the list page (_index.md) above it is a draft", None)
        front = site.inherited(path, front)
        if self._date_key(front) == BY_NAME and not front.values.get("slug"):  # Hugo then takes both from the name
            slug = self._name.base[10:].strip(" -_")
            front = replace(front, values={**front.values, "slug": slug}) if slug else front
        return front

    def _builds(self, key: str) -> str:
        """What ``build`` (or ``_build``) says of rendering or listing, in lower case."""
        for name in ("build", "_build"):
            build = self._front.values.get(name)
            if isinstance(build, dict):
                found = next((value for each, value in build.items() if each.lower() == key), None)
                if isinstance(found, str):
                    return found.lower()
        return ""

    def _check_built(self) -> None:
        is_bundle = self._path.rpartition("/")[2].split(".")[0] == "index"
        if (is_bundle or not self._rules.hugo.is_old) and self._yes("headless"):
            raise self._note("headless: true", "headless")
        rendered = self._builds("render")
        if rendered in ("never", "false", "link"):
            raise self._note(f"build: render: {rendered}", "build" if "build" in self._front.lines else "_build")

    def _is_unlisted(self) -> bool:
        """Whether it has a page and is in no list, which is said, since it then is in no feed either."""
        key = next((key for key in self._rules.hidden_by if self._yes(key)), None)
        reason = f"{key}: true" if key is not None else ""
        if not reason and self._rules.kind == "hugo" and self._builds("list") in ("never", "false", "local"):
            key, reason = "build", f"build: list: {self._builds('list')}"
        if reason:
            self._remarks.note(f"{reason}, so it is in no feed and no digest", line=self._front.lines.get(key or ""))
        return reason != ""

    def _zone_of_day(self) -> tzinfo:
        """Hugo dates a page by the clock of its own date."""
        value = None if self._dated_by is None else self._front.values.get(self._dated_by)
        return (own_zone(value) if isinstance(value, str) else None) or self._rules.timezone

    # ------------------------------------------------------- to be read at all?

    def _check_wanted(self) -> None:
        front, rules = self._front, self._rules
        if not rules.unpublished:
            if fields.says_no(front, "published", quoted_too=rules.kind == "hugo"):
                raise self._note("published: false", "published")
            if rules.kind == "jekyll" and "published" in front.values and front.values["published"] is None:
                raise self._note("published is empty, which Jekyll takes for false", "published")
        if not rules.drafts:
            if self._yes("draft"):
                raise self._note("draft: true", "draft")
            if not rules.hugo and f"/{self._path}".rpartition("/")[0].find("/_drafts") >= 0:
                raise self._note("in a folder of drafts", None)
        if rules.kind == "hugo":
            self._check_built()

    def _note(
        self, reason: str, key: str | None, recheck_at: datetime | None = None, *, expired: bool = False
    ) -> Rejected:
        line = self._front.lines.get(key) if key else None
        return Rejected(
            reason,
            line=line,
            severity=Severity.NOTE,
            recheck_at=recheck_at,
            expired=expired,
            withdraws=recheck_at is None,
        )

    def _check_due(self, published: datetime, *, more: bool) -> datetime | None:
        """When the post expires. Raises Rejected if its time is not yet, or no longer. ``more``: the front matter has
        keys besides the usual ones."""
        if not more:
            self._check_future(published, published)
            return None
        rules = self._rules
        appears = published
        if rules.kind == "hugo":
            appears = max(published, self._optional_date(rules.hugo.dates.get("publishdate", _PUBLISH)) or published)
        self._check_future(published, appears)
        expires = self._optional_date(rules.hugo.dates.get("expirydate", _EXPIRES)) if rules.kind == "hugo" else None
        if expires is not None and expires <= rules.now:
            raise self._note(f"expired: {expires:%Y-%m-%d %H:%M} UTC", "expirydate", expired=True)
        return expires

    def _check_future(self, published: datetime, appears: datetime) -> None:
        if appears > self._rules.now and not self._rules.future:
            key = "date" if appears == published else "publishdate"
            raise self._note(f"dated in the future: {appears:%Y-%m-%d %H:%M} UTC", key, recheck_at=appears)

    # --------------------------------------------------------------------- dates

    def _published(self) -> datetime:
        rules, name = self._rules, self._name
        in_drafts = "_drafts/" in self._path
        if rules.kind == "jekyll" and name.date is None and not in_drafts and self._collection == POSTS:
            raise Rejected("the file name does not begin with a date", "rename it, for example 2026-03-24-title.md")
        self._dated_by = None
        key = self._date_key(self._front)
        if key is not None and key != BY_NAME:
            self._dated_by = key
            try:
                return self._date(key)
            except BadDate as error:
                line = self._front.lines.get(key)
                if name.date is None or error.is_future:
                    raise Rejected(f"{key}: {error.reason}", error.remedy, line=line) from error
                self._dated_by = None
                self._remarks.warn(f"{key}: {error.reason}, the file name gives the day", error.remedy, line=line)
        if name.date is None:
            raise Rejected("front matter has no date", "add e.g. date: 2026-03-24 08:30:00 +0800", line=1)
        return self._day_of(name.date)

    def _date_key(self, front: FrontMatter) -> str | None:
        """What the post is dated by; None: by its name, if by anything."""
        values = front.values
        if self._rules.kind == "jekyll":
            return None if values.get("date") is None else "date"
        keys = self._rules.hugo.dates.get("date")
        if keys is not None:
            wanted = (key for key in keys if (key == BY_NAME and self._name.date) or values.get(key) is not None)
            return next(wanted, None)
        if values.get("date") is not None:
            return "date"
        given = ((key, values.get(key)) for key in _OTHER_DATES)
        return next((key for key, value in given if isinstance(value, str) and value[:1].isdigit()), None)

    def _day_of(self, date: tuple[int, int, int]) -> datetime:
        try:
            return midnight(*date, self._rules.timezone)
        except ValueError as error:
            raise Rejected(
                "the date in the file name does not exist", "rename it, for example 2026-03-24-title.md"
            ) from error

    def _date(self, key: str) -> datetime:
        """Raises BadDate."""
        value = self._front.values[key]
        if not isinstance(value, str):
            raise BadDate("this is no date", "write for example 2026-03-24 08:30:00 +0800")
        return self._parse_date(key, value)

    def _optional_date(self, keys: tuple[str, ...]) -> datetime | None:
        for key in keys:
            value = self._front.values.get(key)
            if isinstance(value, str) and value:
                try:
                    return self._parse_date(key, value)
                except BadDate as error:
                    self._remarks.warn(f"{key}: {error.reason}", error.remedy, line=self._front.lines.get(key))
        return None

    def _parse_date(self, key: str, value: str) -> datetime:
        plain_text = key not in self._front.quoted
        return parse_date(
            value,
            plain=plain_text,
            kind=self._rules.kind,
            zone=self._rules.timezone,
            warn=lambda reason, remedy: self._remarks.warn(reason, remedy, line=self._front.lines.get(key)),
        )

    # -------------------------------------------------------- title and address

    def _title(self) -> str:
        value = self._front.values.get("title")
        if isinstance(value, str):
            title = clean_line(plain_title(value))
            if title:
                return title
        elif isinstance(value, list):
            title = clean_line(" ".join(item for item in value if isinstance(item, str)))
            if title:
                self._remarks.warn(
                    "the title is a list", 'put it in quotes: title: "[…] …"', line=self._front.lines.get("title")
                )
                return title
        made = clean_line(titleize(self._name.slug)) or clean_line(self._name.base) or self._path
        self._remarks.warn(
            f"no title, the file name gives '{made}'", 'add a line title: "…"', line=self._front.lines.get("title")
        )
        return made

    def _slug(self) -> str:
        if self._rules.kind == "hexo":
            return hexo_relative(self._path).rpartition("/")[2]
        return clean_line(fields.text_of(self._front.values.get("slug"))) or self._name.slug

    def _url_path(self, place: Place) -> str:
        rules, values = self._rules, self._front.values
        key = "url" if rules.kind == "hugo" else "permalink"
        given = clean_line(fields.text_of(values.get(key)))
        if given:
            return self._given_path(key, given, place)
        template = rules.permalink
        if self._collection != POSTS:
            template = rules.jekyll.collections[self._collection]
        elif rules.kind == "hugo" and rules.hugo:
            template = rules.hugo.template(template, place.sections[0] if place.sections else "")
        try:
            return self._in_language(_PATHS[rules.kind](template, place))
        except UnknownKey as error:
            raise Rejected(
                f"the permalink template {template} asks for {error}, which this post does not have",
                "correct posts.permalink",
            ) from error

    def _given_path(self, key: str, given: str, place: Place) -> str:
        rules = self._rules
        if "://" in given:
            self._remarks.warn(
                f"{key} is a whole address", "write only its path, from / on", line=self._front.lines.get(key)
            )
            given = "/" + given.partition("://")[2].partition("/")[2]
        if rules.kind == "jekyll":
            try:
                return jekyll_path(given, place) if ":" in given else finish_jekyll(given)
            except UnknownKey as error:
                self._remarks.warn(
                    f"{key} asks for {error}, which no post has",
                    "see Jekyll's list of permalink placeholders",
                    line=self._front.lines.get(key),
                )
                return finish_jekyll(given)
        if rules.kind == "hugo":
            path = hugo_given_path(given, place)
            return path if given.startswith("/") else self._in_language(path)
        return given_path(rules.hexo.finished(given))

    def _in_language(self, path: str) -> str:
        """Languages of a site are in folders."""
        prefix = self._rules.hugo.prefix
        return f"/{prefix}{path.lstrip('/')}" if prefix else path

    def _too_long(self, *, forced: bool) -> Rejected:
        what = "feed_id" if forced else "the address"
        line = self._front.lines.get("feed_id") if forced else None
        return Rejected(f"{what} is longer than {_LONGEST_ID:,} bytes", "give the post a shorter one", line=line)

    def _warn_of_comma(self, names: tuple[str, ...]) -> None:
        name = _with_comma(names)
        if name is None:
            return
        self._remarks.warn(
            f"the category '{clean_line(name)[:40]}' ends with a comma",
            "write a list: categories: [one, two]",
            line=self._front.lines.get("categories", self._front.lines.get("category")),
        )

    def _short(self, what: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names that can be one."""
        if not any(len(name) > _LONGEST_NAME for name in names):
            return names
        self._remarks.warn(f"a {what} of more than {_LONGEST_NAME} characters is left out", "shorten it")
        return tuple(name for name in names if len(name) <= _LONGEST_NAME)

    # ------------------------------------------------------------ summary, image

    def _summary(self, body: str, title: str) -> tuple[str, str, str]:
        """The summary, the markup that it stands in if that opens the body, and the body that follows."""
        is_html, lead = self._name.is_html, ""
        opening = find_opening(body, is_html=is_html)
        if opening is not None:
            lead, body = body[: opening.end], body[opening.end :]
            if opening.text and not is_title(opening.text, title) and not is_address(opening.text):
                return opening.text, lead, body.strip("\n")
        rest = body.strip("\n")
        for key in _SUMMARIES[self._rules.kind]:
            given = self._front.values.get(key)
            if isinstance(given, str) and given:
                text = clean_line(plain(given))
                if text and not is_title(text, title):
                    return text, lead, rest
        text = self._excerpt(body) or first_paragraph(body, is_html=is_html, title=title)
        return "" if is_title(text, title) else text, lead, rest

    def _excerpt(self, body: str) -> str:
        """What stands before the post's or the site's own ``excerpt_separator``, as Jekyll has it."""
        mark = self._front.values.get("excerpt_separator") or self._rules.jekyll.excerpt_separator
        if self._rules.kind != "jekyll" or not isinstance(mark, str) or not mark or mark not in body:
            return ""
        return whole_text(body.partition(mark)[0], is_html=self._name.is_html)

    def _is_excerpt_only(self) -> bool:
        """``feed: {excerpt_only: true}``: the post's text is for its page alone."""
        feed = self._front.values.get("feed")
        return isinstance(feed, dict) and str(feed.get("excerpt_only")).lower() == "true"

    def _links(self) -> SiteLinks:
        return SiteLinks(site_url=self._rules.site_url, kind=self._rules.kind, path=self._path)

    def _image(self, url: str) -> str | None:
        base = url if self._rules.kind == "hugo" else self._rules.site_url.rstrip("/") + "/"
        return fields.image(self._front, base, self._remarks)

    def _yes(self, key: str) -> bool:
        if self._rules.hugo:
            value = fields.text_of(self._front.values.get(key)).lower()
            is_plain = key not in self._front.quoted
            return value in _HUGOS_YES or (value in _OLD_YES and is_plain and self._rules.hugo.is_old)
        return fields.says_yes(self._front, key, quoted_too=self._rules.kind == "hugo")


def _shown(value: object) -> str:
    """A value of front matter in a message: short, in one line."""
    return clean_line(value)[:40] if isinstance(value, str) else "a list or a table"


@lru_cache(maxsize=4096)
def _with_comma(names: tuple[str, ...]) -> str | None:
    """The first that ends with one. The same few names come again and again."""
    return next((name for name in names if name.endswith((",", "，"))), None)


def file_name(path: str, kind: str, endings: tuple[str, ...]) -> _Name:
    """What the file's name says: slug, date, ending. ``endings`` name the language of a Hugo page."""
    name = path.rpartition("/")[2]
    base, dot, ending = name.rpartition(".")
    if not dot:
        base, ending = name, ""
    ending = ending.lower()
    is_html = ending in ("html", "htm")
    output_ext = f".{ending}" if is_html else ".html"
    if kind == "hugo":
        base = _without_lang(base, endings)
        if base == "index" and "/" in path:
            base = path.split("/")[-2]
    match = (_DATED if kind == "jekyll" else _LOOSELY_DATED).match(base)
    if match is None:
        return _Name(base, base.rstrip("."), None, is_html, output_ext)
    year, month, day, rest = match.groups()
    date = (_century(year), int(month), int(day))
    slug = (rest or "").rstrip(".") if kind == "jekyll" else base
    return _Name(base, slug, date, is_html, output_ext)


def _century(year: str) -> int:
    """Two digits as Ruby reads them: 69 and later are of the last century."""
    number = int(year)
    if len(year) > 2:
        return number
    return number + (1900 if number >= 69 else 2000)


@lru_cache(maxsize=64)
def _lang_endings(key: str, lang: str) -> tuple[str, ...]:
    """Those of a Hugo site's language by its key, or of a language by what it may be called."""
    tag = lang.lower()
    return (f".{key}",) if key else (f".{tag}", f".{tag.partition('-')[0]}")


def _without_lang(base: str, endings: tuple[str, ...]) -> str:
    for ending in endings:
        if base.lower().endswith(ending):
            return base[: -len(ending)]
    return base


def _lower(front: FrontMatter) -> FrontMatter:
    """Hugo does not tell upper from lower case in keys."""
    if all(key.islower() for key in front.values):
        return front
    return FrontMatter(
        values={key.lower(): value for key, value in front.values.items()},
        lines={key.lower(): line for key, line in front.lines.items()},
        quoted=frozenset(key.lower() for key in front.quoted),
    )
