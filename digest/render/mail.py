"""The mail of an edition: subject, HTML and plain text, made once for all its recipients.

HTML and text come from the same prepared values. Styles are inlined here, once; what differs by recipient stands
as ``%%NAME%%`` after the mark ``%%FOOT%%`` and is filled in by ``render.message`` for each of them. No part is
ever larger than its budget: the frame with its footer is reserved first, then posts are added in their turn as
long as there is room; the rest is counted and linked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
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
from digest.edition.points import MOST, first_turns, is_quiet
from digest.ports import Language
from digest.render.balance import balance_line, first_of
from digest.render.context import RenderContext
from digest.render.days import Times, earlier_date, edition_date, short_date
from digest.render.tongues import foreign
from digest.text import clean_line, cut, isolated, without_source
from digest.theme import script_of

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
"""Pixels of the longest bar that templates of before draw."""
_SUBJECT_LEAD = 80
"""Characters of the headline in a subject."""
_PREHEADER_TURNS = 3


class Mail(Struct, frozen=True, kw_only=True):
    """What is sent, and what it shows."""

    edition: Edition
    """With each post marked by how the mail shows it."""
    subject: str
    html: str
    text: str


class Other(Struct, frozen=True, kw_only=True):
    """Another medium that tells a story, ready for a template."""

    name: str
    url: str


class _Item(Struct, frozen=True, kw_only=True):
    """A post, ready for a template."""

    key: int
    number: int
    title: str
    lang: str
    """Of the title, if that is not the mail's language; else empty."""
    url: str
    summary: str
    summary_lang: str
    source: str
    when: str
    others: tuple[Other, ...]
    """Who else tells its story, each with its own article."""
    more: str
    """``2 more posts`` of its story that ``others`` does not name; empty without any."""
    also: str
    """All of that in one text, for templates of before."""
    also_url: str
    """Where the edition's page lists them."""
    update: str
    """Which edition told its story before; empty if none did."""
    update_url: str
    is_lead: bool

    @property
    def meta(self) -> str:
        """In plain text, for templates of before also in HTML."""
        return f"{self.source} · {self.when}" if self.source else self.when


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
    """For templates of before: pixels in proportion to the longest of the edition."""


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
    restored: bool = False


def edition_path(digest: str, period: str) -> str:
    """Where the page of an edition lies below the output folder."""
    return f"editions/{digest}/{period}/index.html"


def edition_url(publisher: Publisher, digest: str, period: str) -> str:
    """The address of an edition's page."""
    return f"{publisher.pages_url}editions/{quote(digest)}/{period}/"


def section_anchor(section: Section) -> str:
    """The fragment of a section on the edition's page: the same whichever sections a reader chose."""
    name = section.name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    tail = "" if plain == name else f"-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return f"s-{plain}{tail}" if name else "s-"


def post_anchor(key: int) -> str:
    """The fragment of a post on the edition's page."""
    return f"p{key}"


def entry_anchor(entry: Entry) -> str:
    return post_anchor(entry.key)


def summary_alone(entry: Entry) -> str:
    """The summary without the source's name in brackets at its end, which stands in the line below it."""
    return without_source(entry.summary, [entry.source_name or ""])


def web_link(url: str | None) -> str | None:
    """The address if it is absolute and http or https, else None: nothing else is ever linked."""
    if not url or _NO_ADDRESS.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in ("http", "https") and parts.netloc else None


def edition_title(edition: Edition, publisher: Publisher, language: Language) -> str:
    """Names digest and date: on pages, in feeds."""
    title = cut(clean_line(edition.title), _NAME_LIMIT)
    return f"{title} · {edition_date(edition, publisher, language)}"


def subject_of(edition: Edition, first: Sequence[Entry], look: RenderContext) -> str:
    """The day's main headline (of the ``first`` turns) and its date, or what the operator wrote: two editions never
    look alike (mail programs thread equal subjects)."""
    title = cut(clean_line(edition.title), _NAME_LIMIT)
    lead = next((cut(clean_line(entry.title), _SUBJECT_LEAD) for entry in first), title)
    values = {
        "lead": lead,
        "date": short_date(edition, look.publisher, look.language),
        "title": title,
        "count": look.language.number(edition.balance.arrived),
    }
    pattern = look.subject or look.language.text("{lead} | {date}")
    mark = sponsor_mark(look.language.tag) if edition.sponsor else ""
    return mark + clean_line(re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), pattern))


def sponsor_mark(tag: str) -> str:
    """What begins the subject of a mail that somebody pays for, in a language (BCP 47). China (Measures for the
    Administration of Internet E-mail Services, article 13) and Korea (decree on article 50 of the Network Act) want it,
    and in these words; readers of Chinese elsewhere know them. Empty for other languages: the line itself is marked."""
    return {"Hans": "广告｜", "Hant": "廣告｜", "Kore": "(광고) "}.get(script_of(tag), "")


_LINK = re.compile(r'<a href="([^"]*)"[^<>]*>(.*?)</a>', re.DOTALL)


def plain_text(markup: str) -> str:
    """Safe HTML of an editor as text, one line for each block, addresses after what links to them."""
    if not markup:
        return ""
    from digest.posts.markup import html_to_text  # late: it brings BeautifulSoup

    def told(found: re.Match[str]) -> str:
        return found[2] if found[2] == found[1] else f"{found[2]} ({found[1]})"

    return html_to_text(_LINK.sub(told, markup))


def update_line(entry: Entry, edition: Edition, publisher: Publisher, language: Language) -> str:
    """``Update to a story of Monday, November 23``; empty if the post goes on with none."""
    if entry.earlier is None:
        return ""
    days = earlier_date(edition, entry.earlier.period, entry.earlier.days, publisher, language)
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
    values = _context(replace(edition, sections=tuple(alone)), look)
    for name in TEMPLATES:
        look.templates.render(name, values)


def render_again(edition: Edition, look: RenderContext) -> Mail:
    """The mail of an edition whose posts are marked already, byte for byte as it was."""
    values = _context(edition, look)
    text, html = (look.templates.render(name, values) for name in TEMPLATES)
    return Mail(edition=edition, subject=str(values["subject"]), html=inlined(html), text=text)


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


def _context(edition: Edition, look: RenderContext) -> Mapping[str, object]:
    """What the templates of a mail are given. Nothing is ever taken out of it: editions that are sent later have the
    templates that they were frozen with, and operators have theirs."""
    publisher, language = look.publisher, look.language
    page = edition_url(publisher, edition.digest, edition.period)
    times = Times(edition, publisher, language)
    parts = _parts(edition, look, times, page)
    first = first_turns(edition, MOST)
    points = () if is_quiet(edition) else _points(first, parts)
    subject = subject_of(edition, first, look)
    return {
        "subject": subject,
        "preheader": _preheader(edition, subject, first, look),
        "filler": "\N{COMBINING GRAPHEME JOINER}\N{ZERO WIDTH NON-JOINER}\N{NO-BREAK SPACE}" * 60,
        "title": cut(clean_line(edition.title), _NAME_LIMIT),
        "date": edition_date(edition, publisher, language),
        "times": times.note,
        "introduction": edition.introduction,
        "introduction_text": plain_text(edition.introduction),
        "sponsor": edition.sponsor,
        "sponsor_text": plain_text(edition.sponsor),
        "site_title": cut(clean_line(publisher.site_title), _NAME_LIMIT),
        "site_url": publisher.site_url,
        "contact": publisher.contact,
        "contact_url": f"mailto:{quote(publisher.contact, safe='@')}",
        "page": page,
        "contents": parts[:_CONTENTS_LIMIT],
        "contents_more": max(len(parts) - _CONTENTS_LIMIT, 0),
        "is_week": edition.first_day != edition.last_day,
        "parts": tuple(part for part in parts if part.items),
        "points": points,
        "sections": _without_lead(parts, points),
        "hidden_parts": sum(not part.items for part in parts),
        "part_count": len(parts),
        "balance": edition.balance,
        "sum": balance_line(edition.balance, language),
        "grouped_url": _first_url(edition, Shown.GROUPED, page),
        "page_url": _first_url(edition, Shown.PAGE, page),
        "minutes": reading_minutes(edition),
        "charts": charts(edition, language),
        "amendments": amendments(edition, publisher, language),
        "urgent": any(correction.was_point for correction in edition.corrections),
        "foot": FOOT,
        "start": "right" if language.direction == "rtl" else "left",
        "end": "left" if language.direction == "rtl" else "right",
    }


def _points(first: Sequence[Entry], parts: Sequence[_Part]) -> tuple[_Item, ...]:
    """The main points, with all that there is to say of them."""
    of_key = {item.key: item for part in parts for item in part.items}
    return tuple(of_key[entry.key] for entry in first)


def _without_lead(parts: Sequence[_Part], points: Sequence[_Item]) -> tuple[_Part, ...]:
    """The sections that the mail shows. What the first of the main points says is not said twice: its section has the
    others, or its headline alone."""
    lead = points[0].key if points else None
    found, number = [], len(points[:1])
    for part in parts:
        items = [item for item in part.items if item.key != lead]
        if part.items and not items:
            items = [
                replace(part.items[0], is_lead=False, summary="", others=(), more="", also="", update="", number=0)
            ]
        else:
            items = [replace(item, number=number + turn) for turn, item in enumerate(items, start=1)]
            number += len(items)
        if items:
            found.append(replace(part, items=tuple(items)))
    return tuple(found)


def _first_url(edition: Edition, shown: Shown, page: str) -> str:
    """The first post on the page that is shown so; the page itself if there is none."""
    first = first_of(edition.entries, shown)
    return page if first is None else f"{page}#{entry_anchor(first)}"


def amendments(edition: Edition, publisher: Publisher, language: Language) -> tuple[Amendment, ...]:
    """The corrections of an edition."""
    return tuple(
        Amendment(
            title=cut(clean_line(each.title), _TITLE_LIMIT) if is_same(each.was_title, each.title) else "",
            url=None if each.gone else web_link(each.url),
            edition=earlier_date(edition, each.period, each.days, publisher, language),
            edition_url=f"{edition_url(publisher, edition.digest, each.period)}#{post_anchor(each.key)}",
            changes=_changes(each),
            gone=each.gone,
            restored=each.restored,
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
                )
                for highlight in edition.highlights
                if highlight.is_sector is kind
            ),
        )
        for title, kind in named
    )
    return tuple(chart for chart in found if chart.bars)


def _parts(edition: Edition, look: RenderContext, times: Times, page: str) -> list[_Part]:
    parts, number = [], 0
    for section in edition.sections:
        followers = section.followers
        entries = sorted(
            (*section.shown(Shown.LEAD), *section.shown(Shown.HEADLINE)), key=lambda each: each.hand is None
        )
        items = tuple(
            _item(entry, followers.get(entry.key, ()), number + turn, edition, look, times, page)
            for turn, entry in enumerate(entries, start=1)
        )
        number += len(items)
        parts.append(
            _Part(
                title=section_title(section, look.language),
                url=f"{page}#{section_anchor(section)}",
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
    look: RenderContext,
    times: Times,
    page: str,
) -> _Item:
    publisher, language = look.publisher, look.language
    title = cut(clean_line(entry.title), _TITLE_LIMIT)
    summary = cut(clean_line(summary_alone(entry)), SUMMARY_LIMIT)
    others = _others(entry, followers, page)
    left = len(followers) - len(others)
    more = language.plural("{count} more post", "{count} more posts", left) if left else ""
    names = language.text(", ").join(other.name for other in others)
    return _Item(
        key=entry.key,
        number=number,
        title=title,
        lang=foreign(title, entry.lang, language.tag),
        url=_short_link(entry, page),
        summary=summary,
        summary_lang=foreign(summary, entry.lang, language.tag),
        source=_source(entry),
        when=times.of(entry),
        others=others,
        more=more,
        also=f"{names} ({more})" if names and more else names or more,
        also_url=f"{page}#{entry_anchor(entry)}",
        update=update_line(entry, edition, publisher, language),
        update_url=update_url(entry, edition, publisher),
        is_lead=entry.shown is Shown.LEAD,
    )


def _source(entry: Entry) -> str:
    return cut(clean_line(entry.source_name or ""), _NAME_LIMIT)


def _short_link(entry: Entry, page: str) -> str:
    """The post's address; its place on the edition's page if that is no address, or a very long one."""
    url = web_link(entry.url)
    return url if url and len(url) <= _URL_LIMIT else f"{page}#{entry_anchor(entry)}"


def _others(entry: Entry, followers: Sequence[Entry], page: str) -> tuple[Other, ...]:
    """The media that tell the story besides the one that leads it, each once, with the first article of theirs."""
    found: dict[str, Other] = {}
    for other in followers:
        name = _source(other)
        if name and name != _source(entry):
            found.setdefault(name, Other(name=name, url=_short_link(other, page)))
    return tuple(found.values())[:_ALSO_LIMIT]


def _preheader(edition: Edition, subject: str, turns: Sequence[Entry], look: RenderContext) -> str:
    """The headlines of the first turns that the subject does not say already, then their summaries until it is long
    enough."""
    least, most = PREHEADER
    first = turns[:_PREHEADER_TURNS]
    words = [title for entry in first if (title := clean_line(entry.title)) not in subject]
    words += [clean_line(summary_alone(entry)) for entry in first if entry.summary]
    line = ""
    for word in words:
        if len(line) >= least:
            break
        alone = isolated(cut(word, most), look.language.direction)
        line = f"{line} · {alone}" if line else alone
    line = cut(line or edition_title(edition, look.publisher, look.language), most)
    opened = line.count("\N{FIRST STRONG ISOLATE}") - line.count("\N{POP DIRECTIONAL ISOLATE}")
    return line + "\N{POP DIRECTIONAL ISOLATE}" * opened
