"""The mail of an edition: subject, HTML and plain text, made once for all its recipients.

HTML and text come from the same prepared values. Styles are inlined here, once; what differs by recipient stands
as ``%%NAME%%`` after the mark ``%%FOOT%%`` and is filled in by ``render.message`` for each of them. No part is
ever larger than its budget: the frame with its footer is reserved first, then posts are added in their turn as
long as there is room; the rest is counted and linked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import takewhile
from urllib.parse import quote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from digest.edition.contents import (
    SUMMARY_LIMIT,
    Correction,
    Edition,
    Entry,
    Limits,
    Pick,
    Publisher,
    Section,
    Shown,
    count,
    explain,
    rank,
    reading_minutes,
    show,
)
from digest.edition.past import is_same
from digest.period import period_days
from digest.ports import Language
from digest.render.balance import balance_line, first_of
from digest.render.context import RenderContext
from digest.text import clean_line, cut, isolated

FOOT = "%%FOOT%%"
"""Values of a recipient are filled in after the last one of these only, so that no post can ask for them."""

RECIPIENT_ROOM = 512
"""Bytes kept free for the values of a recipient: an address has 254 octets at most."""

PREHEADER = (40, 90)
"""Characters of the line that a list of mails shows after the subject, at least if there are as many, and at most."""

TEMPLATES = ("mail/digest.txt", "mail/digest.html")

_NO_ADDRESS = re.compile(r"[\s<>\"\x00-\x20\x7f]")
_TITLE_LIMIT = 300
_NAME_LIMIT = 60
_URL_LIMIT = 1_000
_CONTENTS_LIMIT = 16
_ALSO_LIMIT = 3
_CHANGE_LIMIT = 120
"""Characters of what was, and of what is."""
_BEFORE_CHANGE = 24
_BAR_WIDTH = 240
"""Pixels of the longest bar: fits a narrow telephone."""


class Palette(Struct, frozen=True, kw_only=True):
    """Colours. Every pair of text and ground keeps a contrast of 4.5 to 1 (WCAG 2.1, 1.4.3)."""

    ground: str
    sheet: str
    ink: str
    soft: str
    accent: str
    line: str


LIGHT = Palette(ground="#f6f1e8", sheet="#ffffff", ink="#1f2328", soft="#5a6169", accent="#a8321c", line="#e3dfd6")
DARK = Palette(ground="#16181b", sheet="#1e2125", ink="#e4e2dd", soft="#a3a9b0", accent="#ff9d84", line="#343940")


class Mail(Struct, frozen=True, kw_only=True):
    """What is sent, and what it shows."""

    edition: Edition
    """With each post marked by how the mail shows it."""
    subject: str
    html: str
    text: str


class _Item(Struct, frozen=True, kw_only=True):
    """A post, ready for a template."""

    number: int
    title: str
    url: str
    summary: str
    meta: str
    also: str
    """Other sources of its story; empty if there are no other posts."""
    also_url: str
    update: str
    """Which edition told its story before; empty if none did."""
    update_url: str
    is_lead: bool


class _Part(Struct, frozen=True, kw_only=True):
    """A section, ready for a template."""

    title: str
    url: str
    total: int
    more: int
    items: tuple[_Item, ...] = field(default=())


class Bar(Struct, frozen=True, kw_only=True):
    """A stock or sector with how many posts name it, ready for a template."""

    name: str
    posts: int
    width: int
    """Pixels in a mail, in proportion to the longest of the edition."""
    percent: int
    """Of the longest."""


class Chart(Struct, frozen=True, kw_only=True):
    """Stocks or sectors, ready for a template."""

    title: str
    bars: tuple[Bar, ...]


class Change(Struct, frozen=True, kw_only=True):
    """What was and what is, ready for a template."""

    was: str
    now: str
    url: str | None = None
    """Where the post is, if this is about its title."""


class Amendment(Struct, frozen=True, kw_only=True):
    """A correction, ready for a template."""

    title: str
    """Empty if the title itself changed."""
    url: str | None
    """None if there is nothing to lead to."""
    edition: str
    """The date of the edition that is corrected."""
    edition_url: str
    changes: tuple[Change, ...]
    gone: bool


def edition_path(digest: str, period: str) -> str:
    """Where the page of an edition lies below the output folder."""
    return f"editions/{digest}/{period}/index.html"


def edition_url(publisher: Publisher, digest: str, period: str) -> str:
    """The address of an edition's page."""
    return f"{publisher.pages_url}editions/{quote(digest)}/{period}/"


def section_anchor(number: int) -> str:
    """The fragment of a section on the edition's page, counted from 1."""
    return f"s{number}"


def post_anchor(key: int) -> str:
    """The fragment of a post on the edition's page."""
    return f"p{key}"


def entry_anchor(entry: Entry) -> str:
    return post_anchor(entry.key)


def summary_alone(entry: Entry) -> str:
    """The summary without the source's name in brackets at its end, which stands in the line below it."""
    for mark in (f"（{entry.source_name}）", f"({entry.source_name})"):
        if entry.source_name and entry.summary.endswith(mark):
            return entry.summary.removesuffix(mark).rstrip()
    return entry.summary


def web_link(url: str | None) -> str | None:
    """The address if it is absolute and http or https, else None: nothing else is ever linked."""
    if not url or _NO_ADDRESS.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in ("http", "https") and parts.netloc else None


def span(days: tuple[date, date], year: int, publisher: Publisher, language: Language) -> str:
    """``11月24日星期二``, or from the first to the last of several days; with the year unless it is ``year``."""
    words = language.day if days[0].year == days[1].year == year else language.long_day
    first, last = (words(_noon(day, publisher)) for day in days)
    return first if days[0] == days[1] else language.text("{first} – {last}", first=first, last=last)


def edition_date(edition: Edition, publisher: Publisher, language: Language) -> str:
    """The days that an edition is about; with the year unless it appears in that year."""
    year = edition.frozen_at.astimezone(publisher.zone).year
    return span((edition.first_day, edition.last_day), year, publisher, language)


def subject_of(edition: Edition, publisher: Publisher, language: Language) -> str:
    """Names digest and date, so that two editions never look alike (mail programs thread equal subjects)."""
    title = cut(clean_line(edition.title), _NAME_LIMIT)
    return f"{title} · {edition_date(edition, publisher, language)}"


def entry_time(entry: Entry, edition: Edition, publisher: Publisher, language: Language) -> str:
    """``17:05``, with the day in front if it is not the edition's only one."""
    local = entry.published.astimezone(publisher.zone)
    if edition.first_day == edition.last_day == local.date():
        return language.time(local)
    return f"{language.day(local)} {language.time(local)}"


def update_line(entry: Entry, edition: Edition, publisher: Publisher, language: Language) -> str:
    """``Update to a story of Monday, November 23``; empty if the post goes on with none."""
    if entry.earlier is None:
        return ""
    year = edition.frozen_at.astimezone(publisher.zone).year
    days = span(period_days(entry.earlier.period), year, publisher, language)
    return language.text("Update to a story of {date}", date=days)


def update_url(entry: Entry, edition: Edition, publisher: Publisher) -> str:
    """Where the story stands in the earlier edition; empty if the post goes on with none."""
    if entry.earlier is None:
        return ""
    return f"{edition_url(publisher, edition.digest, entry.earlier.period)}#{post_anchor(entry.earlier.key)}"


def render_mail(edition: Edition, look: RenderContext, limits: Limits) -> Mail:
    """The largest mail within the limits: as many posts, in their turn, as fit."""

    def draft(some: Sequence[Pick]) -> Mail:
        return render_again(show(edition, some), look)

    picks = rank(edition, limits)
    whole = draft(picks)
    if _fits(whole, limits):
        return replace(whole, edition=explain(whole.edition, limits))
    low, high, best = 0, len(picks), draft(())
    while high - low > 1:
        middle = (low + high) // 2
        mail = draft(picks[:middle])
        if _fits(mail, limits):
            low, best = middle, mail
        else:
            high = middle
    return replace(best, edition=explain(best.edition, limits))


def try_all(edition: Edition, look: RenderContext) -> None:
    """Raises what any mail would raise whose reader chose among the posts of an edition: that is to be known before one
    is promised."""
    alone = (
        replace(section, entries=tuple(replace(entry, story=None, shown=Shown.LEAD) for entry in section.entries))
        for section in edition.sections
    )
    values = _context(replace(edition, sections=tuple(alone)), look.publisher, look.language)
    for name in TEMPLATES:
        look.templates.render(name, values)


def render_again(edition: Edition, look: RenderContext) -> Mail:
    """The mail of an edition whose posts are marked already, byte for byte as it was."""
    values = _context(edition, look.publisher, look.language)
    text, html = (look.templates.render(name, values) for name in TEMPLATES)
    return Mail(
        edition=edition, subject=subject_of(edition, look.publisher, look.language), html=inlined(html), text=text
    )


def _fits(mail: Mail, limits: Limits) -> bool:
    return sent_size(mail.html) <= limits.html_bytes and sent_size(mail.text) <= limits.text_bytes


def sent_size(body: str) -> int:
    """Bytes of a part as it is sent, before base64: lines end in CRLF, and there is room for a reader's values."""
    return len(body.encode()) + body.count("\n") + RECIPIENT_ROOM


def inlined(html: str) -> str:
    """Styles moved onto the elements; style elements marked ``keep`` stay as they are. Loads nothing."""
    import css_inline

    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, minify_css=True)
    return inliner.inline(html).replace(' data-css-inline="keep"', "")


def _context(edition: Edition, publisher: Publisher, language: Language) -> Mapping[str, object]:
    page = edition_url(publisher, edition.digest, edition.period)
    parts = _parts(edition, publisher, language, page)
    return {
        "subject": subject_of(edition, publisher, language),
        "preheader": _preheader(edition, publisher, language),
        "filler": "\N{COMBINING GRAPHEME JOINER}\N{ZERO WIDTH NON-JOINER}\N{NO-BREAK SPACE}" * 60,
        "title": cut(clean_line(edition.title), _NAME_LIMIT),
        "date": edition_date(edition, publisher, language),
        "site_title": cut(clean_line(publisher.site_title), _NAME_LIMIT),
        "site_url": publisher.site_url,
        "contact": publisher.contact,
        "contact_url": f"mailto:{quote(publisher.contact, safe='@')}",
        "page": page,
        "contents": parts[:_CONTENTS_LIMIT],
        "contents_more": max(len(parts) - _CONTENTS_LIMIT, 0),
        "parts": tuple(part for part in parts if part.items),
        "hidden_parts": sum(not part.items for part in parts),
        "part_count": len(parts),
        "balance": edition.balance,
        "sum": balance_line(edition.balance, language),
        "grouped_url": _first_url(edition, Shown.GROUPED, page),
        "page_url": _first_url(edition, Shown.PAGE, page),
        "minutes": reading_minutes(edition),
        "charts": charts(edition, language),
        "amendments": amendments(edition, publisher, language),
        "light": LIGHT,
        "dark": DARK,
        "foot": FOOT,
        "start": "right" if language.direction == "rtl" else "left",
        "fonts": fonts(language),
    }


def _first_url(edition: Edition, shown: Shown, page: str) -> str:
    """The first post on the page that is shown so; the page itself if there is none."""
    first = first_of(edition.entries, shown)
    return page if first is None else f"{page}#{entry_anchor(first)}"


def amendments(edition: Edition, publisher: Publisher, language: Language) -> tuple[Amendment, ...]:
    """The corrections of an edition."""
    year = edition.frozen_at.astimezone(publisher.zone).year
    return tuple(
        Amendment(
            title=cut(clean_line(each.title), _TITLE_LIMIT) if is_same(each.was_title, each.title) else "",
            url=None if each.gone else web_link(each.url),
            edition=span(period_days(each.period), year, publisher, language),
            edition_url=f"{edition_url(publisher, edition.digest, each.period)}#{post_anchor(each.key)}",
            changes=_changes(each),
            gone=each.gone,
        )
        for each in edition.corrections
    )


def _changes(correction: Correction) -> tuple[Change, ...]:
    """Of title and summary, both if both changed."""
    titles = (clean_line(correction.was_title), clean_line(correction.title))
    summaries = (clean_line(correction.was_summary or ""), clean_line(correction.summary or ""))
    found = [replace(_change(*titles), url=web_link(correction.url))] if not is_same(*titles) else []
    return (*found, *([_change(*summaries)] if not is_same(*summaries) else []))


def _change(was: str, now: str) -> Change:
    """Both texts, from shortly before the first difference if they are long."""
    if max(len(was), len(now)) <= _CHANGE_LIMIT:
        return Change(was=was, now=now)
    import regex  # late: only long texts need it

    before, after = regex.findall(r"\X", was), regex.findall(r"\X", now)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    start = max(same - _BEFORE_CHANGE, 0)
    lead = "…" if start else ""
    return Change(
        was=lead + cut("".join(before[start:]), _CHANGE_LIMIT), now=lead + cut("".join(after[start:]), _CHANGE_LIMIT)
    )


def charts(edition: Edition, language: Language) -> tuple[Chart, ...]:
    """The most mentioned stocks and sectors; empty if none is mentioned often."""
    most = max((highlight.posts for highlight in edition.highlights), default=1)
    named = ((language.text("Stocks"), False), (language.text("Sectors"), True))
    found = (
        Chart(
            title=title,
            bars=tuple(
                Bar(
                    name=cut(clean_line(highlight.name), _NAME_LIMIT) or highlight.code,
                    posts=highlight.posts,
                    width=max(_BAR_WIDTH * highlight.posts // most, 1),
                    percent=max(100 * highlight.posts // most, 1),
                )
                for highlight in edition.highlights
                if highlight.is_sector is kind
            ),
        )
        for title, kind in named
    )
    return tuple(chart for chart in found if chart.bars)


def fonts(language: Language) -> str:
    chinese = '"PingFang SC","Microsoft YaHei","Noto Sans CJK SC"'
    return f"{chinese},sans-serif" if language.tag.startswith("zh") else f'"Helvetica Neue",Arial,{chinese},sans-serif'


def _parts(edition: Edition, publisher: Publisher, language: Language, page: str) -> list[_Part]:
    parts, number = [], 0
    for position, section in enumerate(edition.sections, start=1):
        followers = section.followers
        entries = (*section.shown(Shown.LEAD), *section.shown(Shown.HEADLINE))
        items = tuple(
            _item(entry, followers.get(entry.key, ()), number + turn, edition, publisher, language, page)
            for turn, entry in enumerate(entries, start=1)
        )
        number += len(items)
        parts.append(
            _Part(
                title=section_title(section, language),
                url=f"{page}#{section_anchor(position)}",
                total=len(section.entries),
                more=count(section.entries).page,
                items=items,
            )
        )
    return parts


def section_title(section: Section, language: Language) -> str:
    return cut(clean_line(section.title), _NAME_LIMIT) or language.text("Other")


def _item(
    entry: Entry,
    followers: Sequence[Entry],
    number: int,
    edition: Edition,
    publisher: Publisher,
    language: Language,
    page: str,
) -> _Item:
    url = web_link(entry.url)
    source = cut(clean_line(entry.source_name or ""), _NAME_LIMIT)
    when = entry_time(entry, edition, publisher, language)
    return _Item(
        number=number,
        title=cut(clean_line(entry.title), _TITLE_LIMIT),
        url=url if url and len(url) <= _URL_LIMIT else f"{page}#{entry_anchor(entry)}",
        summary=cut(clean_line(summary_alone(entry)), SUMMARY_LIMIT),
        meta=f"{source} · {when}" if source else when,
        also=_also(followers, language),
        also_url=f"{page}#{entry_anchor(entry)}",
        update=update_line(entry, edition, publisher, language),
        update_url=update_url(entry, edition, publisher),
        is_lead=entry.shown is Shown.LEAD,
    )


def _also(followers: Sequence[Entry], language: Language) -> str:
    """``财联社、证券时报``: who else tells the story, and how many posts if they are more than the names."""
    if not followers:
        return ""
    names = [name for entry in followers if (name := cut(clean_line(entry.source_name or ""), _NAME_LIMIT))]
    sources = list(dict.fromkeys(names))[:_ALSO_LIMIT]
    told = language.text(", ").join(sources)
    more = language.plural("{count} more post", "{count} more posts", len(followers))
    if len(followers) == len(names) == len(sources):
        return told
    return f"{told} ({more})" if told else more


def _preheader(edition: Edition, publisher: Publisher, language: Language) -> str:
    """The lead headlines, then what else is at hand until it is long enough."""
    least, most = PREHEADER
    shown = [entry for entry in edition.entries if entry.shown is not Shown.PAGE]
    words = [clean_line(entry.title) for entry in shown]
    words += [clean_line(entry.summary) for entry in shown if entry.summary]
    line = ""
    for word in words:
        if len(line) >= least:
            break
        alone = isolated(cut(word, most), language.direction)
        line = f"{line} · {alone}" if line else alone
    line = cut(line or subject_of(edition, publisher, language), most)
    opened = line.count("\N{FIRST STRONG ISOLATE}") - line.count("\N{POP DIRECTIONAL ISOLATE}")
    return line + "\N{POP DIRECTIONAL ISOLATE}" * opened


def _noon(day: date, publisher: Publisher) -> datetime:
    return datetime.combine(day, time(12), tzinfo=publisher.zone)
