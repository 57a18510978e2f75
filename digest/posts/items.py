"""From what another program read to a post: the ``Item`` of a feed, or of whatever else has no files.

Nothing in an item is trusted. The words that readers see become plain text, addresses absolute ones of http or https;
content stays markup, which ``body.to_html`` makes safe when somebody needs it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from digest.models import Attachment, Author, Item, Post, Problem, Refusal
from digest.posts import body as bodies
from digest.posts import fields
from digest.posts.dates import YEARS
from digest.posts.links import absolute, host_of
from digest.posts.markup import html_to_text
from digest.posts.plainblock import FrontMatter, Value
from digest.posts.problems import Rejected, Remarks
from digest.posts.rules import Rules
from digest.posts.summary import LIMIT, find_opening, first_paragraph
from digest.posts.titles import plain_title
from digest.text import clean_line, cut

LONGEST_NAME = 500
"""Characters of a category or tag; with the bytes of an id the most that a database can look up."""
_LONGEST_ID = 1_000
"""Bytes."""
_LONGEST_URL = 2_000
_LONGEST_TITLE = 300
_TITLE_OF_TEXT = 80
"""Characters of a title that is made from the text."""
_LONGEST_CONTENT = 500_000
"""Characters."""
_LONGEST_SUMMARY = 20_000
"""Characters of markup that a summary is read from."""
_MANY = 50
"""Authors or attachments."""
# What is unique in the world by itself (RFC 4287, 4.2.6): other schemes are anybody's.
_TAG_ID = re.compile(r"tag:([^,]+),", re.IGNORECASE)
_IRI = re.compile(r"(?:https?://[^/?#]|tag:[^,]+,|urn:[A-Za-z0-9][A-Za-z0-9-]+:)[^\s<>\"{}|\\^`]*\Z", re.IGNORECASE)
_EMPTY = re.compile(r"<p>\s*</p>\s*|(?<=<br><br>)(?:<br>)+")
_MORE = re.compile(r"<(?!/?(?:p|br|div|span)\b)", re.IGNORECASE)
"""Markup that is lost when a text is plain: pictures, links, lists."""
_LIQUID = re.compile(r"\{(?=[{%:])")


def parse_item(
    path: str,
    item: Item,
    rules: Rules,
    *,
    first_seen: datetime,
    id_base: str,
    categories: tuple[str, ...] = (),
    own_categories: bool = True,
    text: Literal["full", "summary"] = "full",
) -> Post | Refusal:
    """Read one item. ``path`` is what it is known by in the store.

    ``first_seen`` dates an item without a date, ``id_base`` (with the path) names one whose id is none for the world.
    ``categories`` are those of the source; the item's own follow unless ``own_categories`` is false. ``text`` says
    whether the post has a body. Never raises; the same values always give the same post.
    """
    remarks = Remarks(path)
    try:
        return _Reader(path, item, rules, remarks).read(
            first_seen, id_base, (*categories, *(item.categories if own_categories else ())), text
        )
    except Rejected as refused:
        return Refusal(problem=Problem(path=path, reason=refused.reason, remedy=refused.remedy))


class _Reader:
    """Reads one item, step by step."""

    def __init__(self, path: str, item: Item, rules: Rules, remarks: Remarks) -> None:
        self._path = path
        self._item = item
        self._rules = rules
        self._remarks = remarks

    def read(self, first_seen: datetime, id_base: str, categories: tuple[str, ...], text: str) -> Post:
        item = self._item
        url = self._url()
        summary, content = self._texts(url)
        title = self._title(summary)
        content = content if text == "full" else ""
        return Post(
            path=self._path,
            title=title,
            published=self._published(first_seen),
            url=url,
            feed_id=self._id(id_base),
            categories=self._short("category", categories),
            tags=self._short("tag", item.tags),
            summary=summary,
            body=content,
            is_html=True,
            original_url=url,
            source_name=clean_line(item.source_name) or bodies.source_name(summary, content),
            authors=tuple(found for each in item.authors[:_MANY] if (found := _author(each, url))),
            image=(absolute(item.image, url) if item.image else None) or bodies.first_image(content, url),
            lang=self._lang(),
            attachments=self._attachments(url),
            text_hash=bodies.text_hash(title, summary, content),
            warnings=self._remarks.all(),
        )

    def _url(self) -> str:
        given = clean_line(self._item.url)
        if not given:
            raise Rejected("the entry has no address", "ask the source's operator for links, or pass it over")
        url = absolute(given, "")
        if url is None or len(url) > _LONGEST_URL or not bodies.is_base(url):
            raise Rejected(
                f"the entry's address is none of http or https that can be followed: {cut(given, 60)}",
                "ask the source's operator, or pass it over",
            )
        return url

    def _id(self, id_base: str) -> str:
        given = self._item.id.strip()
        fits = given.isprintable() and len(given.encode("utf-8", "replace")) <= _LONGEST_ID and _IRI.match(given)
        if fits and not self._is_ours(given, id_base):
            return given
        name = f"{id_base}{self._path}".encode("utf-8", "replace").decode()
        return uuid5(NAMESPACE_URL, name).urn

    def _is_ours(self, given: str, id_base: str) -> bool:
        """An id that a post of ours may have: a stranger who claims it would take that post's place."""
        rules = self._rules
        hosts = {host_of(rules.site_url), host_of(id_base), rules.id_authority.casefold()} - {""}
        tag = _TAG_ID.match(given)
        return (tag[1].casefold() if tag else host_of(given)) in hosts

    def _published(self, first_seen: datetime) -> datetime:
        """In UTC and whole seconds. A date without a zone is the site's."""
        for date in (self._item.published, first_seen):
            if date is None:
                continue
            try:
                aware = date if date.tzinfo else date.replace(tzinfo=self._rules.timezone)
                moment = aware.astimezone(UTC).replace(microsecond=0)
            except (OverflowError, ValueError):
                continue
            if moment.year in YEARS:
                return moment
        raise Rejected("the entry has no date that can be used", "nothing to do")

    def _texts(self, url: str) -> tuple[str, str]:
        """Summary and body: what opens the text as a blockquote, else what the source calls the summary, else the first
        paragraph. Without content the source's summary is all there is, and may well be the whole text."""
        given, excerpt = self._item.content.strip(), self._item.summary.strip()
        content = _EMPTY.sub("", _literal(bodies.sanitised((given or excerpt)[:_LONGEST_CONTENT], url)))
        opening = find_opening(content, is_html=True)
        if opening is not None and opening.text:
            return clean_line(opening.text), content[opening.end :].strip("\n")
        if given:
            own = _plain(bodies.sanitised(excerpt[:_LONGEST_SUMMARY], url)) if excerpt else ""
            return clean_line(cut(own, LIMIT) or first_paragraph(content, is_html=True)), content
        summary = clean_line(first_paragraph(content, is_html=True))
        says_more = _MORE.search(content) is not None or _plain(content) != summary
        return summary, content if says_more else ""

    def _title(self, summary: str) -> str:
        title = clean_line(plain_title(self._item.title[: 4 * _LONGEST_TITLE]))
        if title:
            return cut(title, _LONGEST_TITLE)
        words = cut(summary, _TITLE_OF_TEXT) or clean_line(self._path)
        if not words:
            raise Rejected("the entry has neither title nor text", "nothing to do")
        return words

    def _short(self, what: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names that can be one, each once."""
        found = [name for name in fields.labels(tuple(names)) if name]
        if any(len(name) > LONGEST_NAME for name in found):
            self._remarks.warn(f"a {what} of more than {LONGEST_NAME} characters is left out", "nothing to do")
        return tuple(name for name in found if len(name) <= LONGEST_NAME)

    def _lang(self) -> str | None:
        """A language that is none is no loss worth a word."""
        return fields.lang(FrontMatter(values={"lang": self._item.lang}), Remarks(self._path))

    def _attachments(self, url: str) -> tuple[Attachment, ...]:
        given: list[Value] = [
            {"url": each.url, "type": each.mime_type, "length": str(each.length)}
            for each in self._item.attachments[:_MANY]
        ]
        return fields.attachments(FrontMatter(values={"enclosure": given}), url, self._remarks)


def _author(given: Author, base: str) -> Author | None:
    name = clean_line(given.name)
    if not name:
        return None
    mail = clean_line(given.email or "")
    return Author(name=name, email=mail if "@" in mail else None, url=absolute(given.url, base) if given.url else None)


def _plain(markup: str) -> str:
    return clean_line(html_to_text(markup[:_LONGEST_SUMMARY]).replace("\n", " "))


def _literal(markup: str) -> str:
    """What looks like Liquid is text here, since no generator of ours wrote it."""
    return _LIQUID.sub("&#123;", markup) if "{" in markup else markup
