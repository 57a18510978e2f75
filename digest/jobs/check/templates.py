"""Templates of the operator's own, tried with made-up values: each page and mail once with everything that can be on
it, and once with as little as there can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from itertools import product
from typing import Any, Protocol

from msgspec.structs import replace

from digest.alarms.watching import Appointment, EditionMail, Freshness, KeptAlarm, RunRow
from digest.edition.contents import Correction, Earlier, Edition, Limits, Publisher, Recipe, build_edition
from digest.errors import TemplateError
from digest.jobs.check.findings import Finding, ok, problem, skipped, warning
from digest.jobs.monitoring.page import Seen, context_of
from digest.jobs.monitoring.status import Daily, Overview, Plots, SourceRow
from digest.models import (
    Approval,
    Author,
    Code,
    DeliveryCounts,
    DeliveryState,
    EditionRow,
    EditionState,
    KnownPost,
    Otherwise,
)
from digest.ports import FeedRow, Language, Templates
from digest.render import pages
from digest.render.alarm import alarm_message
from digest.render.approval import render_approval
from digest.render.context import RenderContext
from digest.render.edition_feed import FeedFrame, render_edition_feed
from digest.render.editions import render_edition_index, render_edition_page
from digest.render.feeds.catalogue import ALL, CATEGORY, Catalogue, FeedOptions
from digest.render.feeds.items import make_item
from digest.render.feeds.model import Addresses
from digest.render.front import Feeds, Newest, render_front_page
from digest.render.mail import render_mail
from digest.render.notice import NoticeText, render_notice
from digest.subscribers.subscription import Notice

_NOW = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
_DAY = date(2026, 11, 24)


class Overriding(Templates, Protocol):
    """Templates of which some are the operator's own."""

    def overrides(self) -> list[str]:
        """Names of files in the operator's folder."""
        ...

    def packaged(self) -> list[str]:
        """Names of those that come with the program."""
        ...

    def syntax_faults(self) -> list[TemplateError]:
        """What cannot even be read, of the operator's own."""
        ...

    def used(self) -> set[str]:
        """Names of those that were loaded so far."""
        ...


Trials = Iterator[tuple[str, Callable[[], object]]]
"""Pages and mails by name, each to be rendered with made-up values."""


def judge_templates(templates: Overriding, trials: Callable[[], Trials], *, folder: str | None) -> Iterator[Finding]:
    """Every fault of the operator's own templates, with its line."""
    if folder is None:
        yield skipped("templates", "there are none of your own (templates)")
        return
    names = templates.overrides()
    if not names:
        yield warning("templates", f"{folder} holds no template", "take templates out, or put files there")
        return
    faults = {str(fault): fault for fault in templates.syntax_faults()}
    broken = {fault.subject.rpartition(":")[0] for fault in faults.values()}
    for name, render in trials():
        try:
            render()
        except TemplateError as error:
            if error.subject.rpartition(":")[0] not in broken or str(error) in faults:
                faults.setdefault(str(error), replace_subject(error, name))
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            cause = f"cannot be rendered: {type(error).__name__}: {error}"
            faults.setdefault(f"{name} {cause}", TemplateError(name, cause))
    for fault in faults.values():
        yield problem("template", f"{fault.subject}: {fault.cause}", fault.remedy or "mend it, or delete the file")
    known = templates.packaged()
    for name in sorted(set(names) - templates.used() - {_below(each, folder) for each in broken}):
        if name not in known:
            close = get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else "delete it, or name it as one in docs/templates"
            yield warning("template", f"{folder}/{name} takes part in no page or mail", hint)
    if not faults:
        count = "1 template of your own renders" if len(names) == 1 else f"{len(names)} templates of your own render"
        yield ok("templates", f"{count}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")


def replace_subject(error: TemplateError, name: str) -> TemplateError:
    """A template that was left without its place is named by the page that needs it."""
    return error if ":" in error.subject else TemplateError(f"{name} ({error.subject})", error.cause, error.remedy)


def _below(path: str, folder: str) -> str:
    return path.removeprefix(folder).lstrip("/")


# ------------------------------------------------------------------- trials


def make_trials(look: RenderContext, options: FeedOptions) -> Trials:
    """Every page and mail that there is."""
    publisher, sample = look.publisher, "sample@example.com"
    shared: dict[str, Any] = {"templates": look.templates, "language": look.language}
    shared |= {"site_title": publisher.site_title, "site_url": publisher.site_url}
    for kind, edition in (("full", full_edition()), ("empty", empty_edition())):
        yield from _edition_trials(kind, edition, look)
    yield from _feed_trials(look, options)
    for notice in Notice:
        yield f"mail: {notice.value}", partial(render_notice, notice, **shared)
    del shared["language"]
    shared |= {"subject": "Sample", "sender": ("Sample", sample), "to": sample, "message_id": f"<{sample}>"}
    for alarms in (sample_alarms(), ()):
        yield "mail: alarm", partial(alarm_message, alarms, zone=publisher.zone, now=_NOW, **shared)
    for name, contexts in web_contexts(publisher, look.language).items():
        for context in contexts:
            yield name, partial(look.templates.render, name, context)


def _edition_trials(kind: str, edition: Edition, look: RenderContext) -> Trials:
    limits = Limits(leads=2, leads_per_section=1, items=7)
    before, after = ("2026-11-23", "2026-11-25") if kind == "full" else (None, None)
    named: dict[str, Any] = {"digest": edition.digest, "title": edition.title}
    rows = [
        EditionRow(
            key=1,
            period=edition.period,
            state=EditionState.FINISHED,
            subject=edition.title,
            frozen_at=_NOW,
            posts=len(edition.entries),
        )
    ]
    days = {row.period: (edition.first_day, edition.last_day) for row in rows}
    yield f"digest mail ({kind})", partial(render_mail, edition, look, limits)
    yield f"mail: approval ({kind})", partial(_approval_mail, edition, look, limits)
    page = partial(render_edition_page, edition, look, previous=before, following=after)
    yield f"page of an edition ({kind})", page
    listed_rows = rows if kind == "full" else []
    yield f"list of editions ({kind})", partial(render_edition_index, listed_rows, look, days=days, **named)
    formats = pages.format_links("Sample", Addresses(atom=f"{look.publisher.pages_url}feed.xml"))
    listed = pages.ListedFeed(label="Sample", description="", page="sample.html", formats=formats)
    newest = Newest(edition=edition, rows=tuple(rows * 2), days=days) if kind == "full" else None
    feeds = Feeds(everything=formats, categories=(listed,) if newest else ())
    named_feeds = {"formats": formats, "feeds_page": f"{look.publisher.pages_url}feeds/"}
    yield "snippet for a theme", partial(look.templates.render, "pages/snippet.html", named_feeds)
    yield f"front page ({kind})", partial(render_front_page, look, feeds, newest)
    frame = FeedFrame(author=Author(name="Sample"), max_bytes=500_000)
    yield f"feed of editions ({kind})", partial(render_edition_feed, [edition], look, frame, **named)


def _approval_mail(edition: Edition, look: RenderContext, limits: Limits) -> NoticeText:
    asked = _asked(edition.digest, edition.period)
    return render_approval(asked, render_mail(edition, look, limits), look, now=_NOW)


def _asked(digest: str, period: str) -> Approval:
    return Approval(
        digest=digest,
        period=period,
        began_at=_NOW,
        until=_NOW + timedelta(hours=1),
        otherwise=Otherwise.SEND,
        seen="0" * 32,
        subject="Sample",
        readers=2,
        posts=(),
    )


def _feed_trials(look: RenderContext, options: FeedOptions) -> Trials:
    templates, catalogue = look.templates, Catalogue(options, look.language)
    rows = [
        FeedRow(kind=ALL, name="", stem="all", posts=2, dirty=False),
        FeedRow(kind=CATEGORY, name="sample", stem="sample", posts=2, dirty=False),
    ]
    posts = sample_posts()
    items = [make_item(post, catalogue.rules, None) for post in (*posts, replace(posts[0], key=99, gone_at=_NOW))]

    def page(row: FeedRow, number: int) -> bytes:
        feed = catalogue.feed(row, items[:number], _NOW)
        return pages.render_feed_page(templates, catalogue.site, feed, catalogue.files(row).html or "", row.name)

    def index(shelves: Sequence[pages.Shelf]) -> bytes:
        return pages.render_index(
            templates,
            catalogue.site,
            description=catalogue.description(rows[0]),
            everything=catalogue.listed(rows[0]),
            shelves=shelves,
        )

    for row in rows:
        yield f"page of a feed ({row.kind})", partial(page, row, len(items))
    yield "page of a feed (empty)", partial(page, rows[1], 0)
    for shelves in ([pages.Shelf(title="Sample", feeds=(catalogue.listed(rows[1]),))], []):
        yield "list of feeds", partial(index, shelves)


# ------------------------------------------------------------ made-up values


def sample_posts() -> tuple[KnownPost, ...]:
    """Posts with and without everything that a post can have."""
    code = Code(market="90", code="BK1036", name="半导体", mentions=3)
    stock = Code(market="1", code="600000", name="Sample & Co <1>", mentions=1)
    whole = KnownPost(
        key=1,
        id="https://example.com/1",
        path="_posts/2026-11-24-1.md",
        title="Central bank buys “reserves” & <gold> 1200亿",
        url="https://example.com/1.html",
        summary="It bought 1200亿 of reserves in one day, more than ever before.",
        published=_NOW - timedelta(hours=1),
        updated=_NOW - timedelta(hours=1),
        first_seen=_NOW,
        collected_at=_NOW,
        categories=("sample", "other"),
        tags=("tag",),
        source_name="Sample News",
        original_url="https://example.org/1",
        authors=(Author(name="Ann"), Author(name="Bob", email="bob@example.org", url="https://example.org/bob")),
        lang="en",
        codes=(code, stock),
    )
    bare = replace(
        whole,
        key=2,
        id="https://example.com/2",
        title="Nothing more to say",
        url="https://example.com/2.html",
        summary="",
        categories=(),
        tags=(),
        source_name=None,
        original_url=None,
        authors=(),
        lang=None,
        codes=(),
    )
    again = replace(whole, key=3, id="https://example.com/3", url="https://example.com/3.html", source_name="Other")
    more = [
        replace(
            whole,
            key=number,
            id=f"https://example.com/{number}",
            url=f"https://example.com/{number}.html",
            title=f"{word} market report {number}",
            summary=f"{word} shares closed {number} points higher.",
            categories=("other",) if number % 2 else ("sample",),
        )
        for number, word in enumerate(("Tokyo", "London", "Paris", "Berlin", "Madrid", "Oslo"), start=4)
    ]
    return (whole, bare, again, *more)


def sample_alarms() -> tuple[KeptAlarm, ...]:
    """One that goes on and one that is over."""
    begun = KeptAlarm(key=1, name="run", text="it began", raised_at=_NOW)
    return (begun, replace(begun, key=2, ended_at=_NOW, end_text="it is over"))


def full_edition() -> Edition:
    """An edition with sections, a story, highlights, corrections, a link back, and what an editor adds."""
    corrections = (
        Correction(
            key=50,
            period="2026-11-23",
            url="https://example.com/50.html",
            was_title="Was",
            title="Is",
            was_summary="It was so.",
            summary="It is so.",
        ),
        Correction(
            key=51,
            period="2026-11-23",
            url="https://example.com/51.html",
            was_title="Gone",
            title="Gone",
            was_summary=None,
            summary=None,
            gone=True,
        ),
    )
    edition = build_edition(
        sample_posts(),
        Recipe(),
        digest="sample",
        title="Sample",
        period="2026-11-24",
        days=(_DAY, _DAY),
        frozen_at=_NOW,
        earlier={1: Earlier(period="2026-11-23", key=50)},
        corrections=corrections,
    )
    words = 'Today in <a href="https://example.com/">short</a>'
    return replace(edition, introduction=f"<p>{words}.</p>", sponsor=words)


def empty_edition() -> Edition:
    """An edition of nothing, of a week."""
    return build_edition(
        (),
        Recipe(),
        digest="sample",
        title="Sample",
        period="2026-W48",
        days=(_DAY - timedelta(days=1), _DAY + timedelta(days=5)),
        frozen_at=_NOW,
    )


_APPROVING: dict[str, object] = {
    "changed": False,
    "is_first": False,
    "subject": "Sample",
    "edition": "daily 2026-11-24",
    "says": "It leaves at 09:00.",
    "readers": "It goes to 2 readers.",
    "seen": "0" * 32,
    "approved_at": "",
    "sent": "Mails that have left: 1 of 2.",
    "page": "https://news.example.com/editions/daily/2026-11-24/",
    "preview": "",
}


_STANDINGS: tuple[dict[str, object], ...] = (
    {"standing": "waiting", "preview": "?preview", "changed": True},
    {"standing": "approved"},
    {"standing": "over"},
    {"standing": "not approved"},
    {"standing": "not made"},
    {"standing": "made", "approved_at": "09:00"},
    {"standing": "made"},
)


def web_contexts(publisher: Publisher, language: Language) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """What the subscription pages are given: for each page with as much and with as little as there can be."""
    frame = pages.frame(publisher.site_title, publisher.site_url, f"{publisher.site_url}mail/")
    categories = [{"name": "sample", "title": "Sample", "ticked": True}, {"name": "o", "title": "O", "ticked": False}]
    offers = [
        {"digest": "daily", "title": "Daily", "ticked": True, "all": False, "categories": categories},
        {"digest": "weekly", "title": "Weekly", "ticked": False, "all": True, "categories": []},
    ]
    form = {"stamp": "A" * 35, "email": "", "offers": offers, "frequency": "daily", "consent": "I want mail."}
    preferences = {
        "address": "s***e@example.com",
        "frequency": "weekly",
        "hour": "7",
        "hours": [str(hour) for hour in range(24)],
        "zone": "Europe/Berlin",
        "site_zone": "Asia/Shanghai",
        "zones": ["Asia/Shanghai", "Europe/Berlin"],
        "paused_until": "2026-12-01",
        "weekly": True,
    }
    varied: dict[str, list[dict[str, object]]] = {
        "web/form.html": [
            {**form, "problem": problem} for problem in ("", "bad address", "nothing chosen", "too many", "too fast")
        ],
        "web/sent.html": [
            {"correctable": True, "email": "reader@example.com", "offers": offers, "frequency": "weekly"},
            {"correctable": False, "email": "reader@example.com", "offers": [], "frequency": ""},
        ],
        "web/confirm.html": [
            {"done": "", "offers": offers, "confirmed": yes, "address": "r***r@example.com", "frequency": "daily"}
            for yes in (False, True)
        ],
        "web/unsubscribe.html": [{"offers": offers, **each} for each in _leaving()],
        "web/manage.html": [
            {**preferences, "done": done, "offers": those}
            for done in ("", "saved", "left", "mailed", "too many")
            for those in (offers, [])
        ],
        "web/export.html": [{"done": "", "offers": offers}],
        "web/erase.html": [{"done": "", "offers": offers}],
        "web/erased.html": [{}],
        "web/move.html": [{"done": "", "offers": offers, "problem": "", "email": ""}, {"problem": "x", "email": "y"}],
        "web/arrive.html": [{"done": "", "offers": offers}],
        "web/arrived.html": [{}],
        "web/nothing.html": [{}],
        "web/approve.html": [_APPROVING | each for each in _STANDINGS],
    }
    return {
        **{name: [{**frame, "form_url": "/mail/", **each} for each in contexts] for name, contexts in varied.items()},
        "web/missing.html": [{**frame, "feeds_page": f"{publisher.pages_url}feeds/", "gone": g} for g in (False, True)],
        **status_contexts(publisher, language),
    }


def _leaving() -> Iterator[dict[str, object]]:
    """Before and after it, with less mail beside it or without, and what was pressed."""
    pressed = (
        {"done": "", "until": ""},
        {"done": "weekly", "until": ""},
        {"done": "pause", "until": "December 31, 2026"},
    )
    for reads, less, done in product((False, True), (False, True), pressed):
        beside = {"more": not less, "less": less, "weekly": less, "back": "A" * 35}
        yield {"title": "Daily", "reads": reads, **beside, **done}


def _sources() -> Iterator[SourceRow]:
    """So many that those that go well are folded up."""
    yield SourceRow(name="broken", kind="feed", checked_at=_NOW, failing_since=_NOW, fault="why", next_at=_NOW)
    yield SourceRow(name="wire", kind="feed", checked_at=_NOW, ok_at=_NOW, posts=7, moved_to="https://e.com/feed.xml")
    yield from (SourceRow(name=f"blog-{number}", kind="folder") for number in range(20))


def status_contexts(publisher: Publisher, language: Language) -> dict[str, list[dict[str, object]]]:
    """What the operator's page is given, likewise."""
    frame: dict[str, object] = {"site_title": publisher.site_title, "site_url": publisher.site_url}
    begun, over = sample_alarms()
    counts = DeliveryCounts(by_state={DeliveryState.SENT: 1})
    failed = RunRow(key=1, started_at=_NOW, ended_at=_NOW, ok=False, arrived=1, written=2, failures=("why",))
    paused = EditionMail(
        digest="daily",
        period="2026-11-24",
        state=EditionState.PAUSED,
        reason="why",
        frozen_at=_NOW,
        send_after=_NOW,
        counts=counts,
    )
    nothing = Overview(now=_NOW, zone=publisher.zone)
    everything = replace(
        nothing,
        runs=(failed, replace(failed, ok=True, failures=())),
        next=(Appointment(digest="daily", period="2026-11-25", at=_NOW + timedelta(days=1)),),
        approvals=(_asked("daily", "2026-11-25"),),
        editions=(paused, replace(paused, state=EditionState.SENDING, reason="")),
        counts=counts,
        next_due=_NOW,
        alarms=(begun,),
        past_alarms=(over,),
        categories=tuple(Freshness(category=name, published=_NOW, arrived=_NOW, recent=7) for name in (None, "sample")),
        silent=frozenset({"sample", "source:wire"}),
        subscribers={("daily", "active"): 3},
        sources=tuple(_sources()),
    )
    daily = Daily(days=(_DAY,), values=(3,))
    drawn = Plots(posts=daily, seconds=daily, bounces=daily)
    pages = [Seen(overview=each, plots=drawn, warnings=("nobody gets it",)) for each in (nothing, everything)]
    return {
        "status/login.html": [{**frame, "says": says} for says in ("", "That is not the token.")],
        "status/broken.html": [{**frame, "says": "the store cannot be opened"}],
        "status/page.html": [{**frame, **context_of(seen, language)} for seen in pages],
    }
