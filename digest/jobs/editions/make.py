"""Make the editions that are due, and publish their pages.

Whether something is due is decided from schedules and the store alone, so running this twice, from two processes or
after a crash at any line, changes nothing: the period is an edition's identity, edition and deliveries are frozen in
one transaction, and a page counts as published only after it is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import NoReturn, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from digest.edition.approval import NOT_APPROVED as NO_APPROVAL
from digest.edition.approval import ApprovalRule, Turn, next_turn
from digest.edition.contents import (
    Balance,
    CategoryTitle,
    Edition,
    Entry,
    Limits,
    Reason,
    Recipe,
    build_edition,
    edition_from_json,
    edition_to_json,
    members,
    narrowed,
)
from digest.edition.hand import NO_FILE, Edited, edit
from digest.edition.look import FrozenLook, look_to_json
from digest.edition.past import Past, find_corrections, find_updates
from digest.edition.points import lead_of
from digest.edition.ranking import Weights
from digest.edition.selection import read_selection
from digest.errors import DigestError, OutputError, PermanentFailure, StoreError, TemplateError
from digest.hashing import hash_of
from digest.jobs.sparing import REMEDY, tried, without_broken
from digest.models import (
    MAIL,
    Approval,
    EditionFile,
    EditionKind,
    EditionRow,
    FrozenEdition,
    InLanguage,
    KnownPost,
    Recipient,
    RenderedMail,
    SavedEdition,
)
from digest.period import (
    LATENESS,
    LOOKBACK,
    Due,
    Late,
    Schedule,
    Slot,
    covered_days,
    day_bounds,
    due_period,
    is_week,
    next_slot,
    period_days,
    period_name,
    slots_between,
)
from digest.ports import EditionStore, Output
from digest.render.context import RenderContext
from digest.render.editions import index_path, render_edition_index, render_edition_page
from digest.render.feeds.digests import feed_path
from digest.render.mail import TEMPLATES, Mail, edition_path, edition_url, render_mail, sent_size, try_all
from digest.subscribers.subscription import EditionSubscriber, not_before

_SECOND = timedelta(seconds=1)
"""What times are kept to."""
LOOK_BACK_TITLES = 3_000
"""Titles of the archive by which an edition tells rare words from common ones."""
_NAMED = 20
"""Files of posts that are left out, listed one by one."""
LOOK_BACK = timedelta(days=8)
"""How far back an edition looks: a week, and a day for a run that was late."""


class Outcome(StrEnum):
    """What became of a digest's period in this run."""

    MADE = "made"
    NOTHING_NEW = "nothing new"
    TOO_FEW = "too few"
    """Fewer posts than it needs; they are left to the next edition."""
    MISSED = "missed"
    """Its time passed while no run took place."""
    HOLIDAY = "holiday"
    """The operator wants none on that day."""
    WAITING = "waits for approval"
    """It is made, or given up, later."""
    NOT_APPROVED = NO_APPROVAL
    """Nobody approved it in time; its posts are left to the next edition."""


class DigestPlan(Struct, frozen=True, kw_only=True):
    """One digest as the operator wants it."""

    name: str
    """Its name in the config: in paths, addresses and the store."""
    title: str
    schedule: Schedule
    subject: str = ""
    """Of its mails, as in ``RenderContext``."""
    categories: tuple[str, ...] | None = None
    """In the order of its sections; None: every category that posts have."""
    language: InLanguage | None = None
    """Of these the posts in one language; None: in any."""
    titles: tuple[CategoryTitle, ...] = ()
    """What readers see instead of a category's name, in the order to show them."""
    max_age: timedelta = timedelta(days=3)
    """Posts older than this never enter it (its first edition apart)."""
    late: Late = Late.SEND
    """What becomes of an edition whose time passed while nothing ran."""
    max_lateness: timedelta = LATENESS[Late.SEND]
    """How late an edition may be made."""
    holidays: frozenset[date] = frozenset()
    """Local dates without an edition."""
    expires_after: timedelta = timedelta(hours=18)
    """How long after freezing it is still sent."""
    send_empty: bool = False
    min_items: int = 1
    """With fewer posts nothing is sent, and they are left to the next edition, but never for longer than one of them
    may wait (``max_age``)."""
    group_stories: bool = True
    """Posts that tell the same story take one place in the mail."""
    weights: Weights = field(default_factory=Weights)
    """The operator's points."""
    limits: Limits = field(default_factory=Limits)
    approve: ApprovalRule | None = None
    """That the operator has to see each edition first."""
    sums_up: str = ""
    """The digest that it sums up for subscribers who want less mail. Such a one begins without a first edition, and
    goes to nobody but them."""

    @property
    def kind(self) -> EditionKind:
        return EditionKind.WEEKLY if self.sums_up else EditionKind.DIGEST

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            categories=self.categories,
            titles=self.titles,
            group=self.group_stories,
            weights=self.weights,
            limits=self.limits,
        )


class Audience(Struct, frozen=True, kw_only=True):
    """Who gets every edition, and what their deliveries are named by."""

    addresses: tuple[str, ...]
    """Always get it, without a subscription."""
    domain: str
    """The sender's domain as an A-label: the right side of every Message-ID."""
    new_token: Callable[[], str]
    """A fresh unguessable name for a delivery's envelope sender."""
    channels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of the channels besides mail that get a digest."""
    subscribers: Callable[[DigestPlan], Iterable[EditionSubscriber]] = lambda plan: ()
    """The subscribers of a digest. May be more than memory holds."""


class EditionResult(Struct, frozen=True, kw_only=True):
    """What became of one period of one digest."""

    digest: str
    period: str
    outcome: Outcome
    balance: Balance | None = None
    recipients: int = 0
    subject: str = ""
    html_bytes: int = 0
    page: str = ""
    """Address of its page."""
    waiting: int = 0
    """Posts that are left to the next edition."""
    late: int = 0
    """Posts in it that were published before the edition before it was made, and came after that."""
    until: datetime | None = None
    """How long it waits for approval."""
    left_out: int = 0
    """Posts that came since the edition before it and are in none, since they are too old."""
    some_left_out: tuple[str, ...] = ()
    """Their files, the first of them."""
    broken: tuple[str, ...] = ()
    """Posts that could not be put into it, a line each."""
    warnings: tuple[str, ...] = ()
    """What of its editor's file could not be used, a line each."""


class EditionsReport(Struct, kw_only=True):
    """What was made and published in this run."""

    results: list[EditionResult] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    """Pages that were put in place."""
    unchanged: int = 0
    """Pages that were rendered and found to be the same."""
    withheld: str = ""
    """Why none is made; a failure. Empty if they may be."""
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def made(self) -> list[EditionResult]:
        return [result for result in self.results if result.outcome is Outcome.MADE]


FeedOfEditions = Callable[[str, str], bytes]
"""Makes the feed of a digest's editions, from its name and title."""
FileOf = Callable[[str, str], EditionFile]
"""What an editor wrote for the edition of a digest by its name, of a period."""


Ask = Callable[[Approval, Mail], tuple[FrozenEdition, Recipient] | None]
"""Writes the mail that asks the operator to approve an edition, from what it is so far; None if nobody is asked."""


def no_file(digest: str, period: str) -> EditionFile:
    """Nobody wrote anything."""
    return NO_FILE


def ask_nobody(approval: Approval, mail: Mail) -> None:
    """Nobody is told that an edition waits."""


class _Desk(Struct, frozen=True, kw_only=True):
    """What editions are made with."""

    store: EditionStore
    look: RenderContext
    audience: Audience
    now: datetime
    decided: datetime | None
    file_of: FileOf
    ask: Ask

    @property
    def zone(self) -> ZoneInfo:
        return self.look.publisher.zone


def make_editions(
    store: EditionStore,
    plans: Iterable[DigestPlan],
    look: RenderContext,
    audience: Audience,
    now: datetime,
    *,
    decided: datetime | None = None,
    file_of: FileOf = no_file,
    ask: Ask = ask_nobody,
) -> EditionsReport:
    """Freeze what is due of each digest: its first edition if it is new, else the one of its latest slot; or let it
    wait for approval. A digest that fails is listed, the others go on. ``decided`` is the present, if ``now`` may be
    later: what is given up then is open again at its time. ``file_of`` is asked for each edition that is made, ``ask``
    for the mail about each that begins to wait. Raises StoreError alone."""
    report = EditionsReport()
    desk = _Desk(store=store, look=look, audience=audience, now=now, decided=decided, file_of=file_of, ask=ask)
    names = set()
    for plan in plans:
        names.add(plan.name)
        try:
            report.results += _make(desk, plan)
        except StoreError:
            raise
        except DigestError as error:
            report.failures.append(f"digest {plan.name}: {error}")
    if gone := [each for each in store.open_approvals() if each.digest not in names]:
        store.end_approvals(gone, now)
    report.failures += [line for result in report.results for line in result.broken]
    report.warnings += [line for result in report.results for line in result.warnings]
    report.warnings += [
        f"digest {result.digest}: the edition of {result.period} was missed, no run took place in time"
        for result in report.results
        if result.outcome is Outcome.MISSED
    ]
    return report


def publish_editions(
    store: EditionStore,
    output: Output,
    plans: Sequence[DigestPlan],
    look: RenderContext,
    report: EditionsReport,
    *,
    feed: FeedOfEditions | None = None,
    fingerprint: str = "",
) -> EditionsReport:
    """Put the pages of new editions in place, renew the links of their neighbours and the lists of editions.
    When ``fingerprint`` (of what they are made with) is another than the last time all were in place, or a digest's
    list is missing, all of its pages. ``feed`` makes the feed of a digest's editions, which is renewed with its list.
    Adds to ``report``."""
    everything = store.pages_look() != fingerprint
    before = len(report.failures)
    waiting: dict[str, list[SavedEdition]] = {}
    for saved in store.unpublished_pages():
        waiting.setdefault(saved.digest, []).append(saved)
    titles = {plan.name: plan.title for plan in plans}
    for digest in {**dict.fromkeys(titles), **dict.fromkeys(waiting)}:
        new = waiting.get(digest, [])
        lists = lists_of(digest) if feed else [index_path(digest)]
        if new or everything or not all(output.exists(path) for path in lists):
            try:
                _publish(store, output, digest, titles.get(digest, ""), new, look, report, everything or not new, feed)
            except OutputError as error:
                report.failures.append(str(error))
    if everything and len(report.failures) == before:
        store.set_pages_look(fingerprint)
    return report


def lists_of(digest: str) -> list[str]:
    """Files of a digest that are made again when they are missing."""
    return [index_path(digest), feed_path(digest)]


def _make(desk: _Desk, plan: DigestPlan) -> list[EditionResult]:
    store, zone = desk.store, desk.zone
    began = store.began(plan.name)
    if began is None and plan.sums_up:
        store.begin(plan.name, desk.now)
        return []
    if began is None:
        return _make_first(desk, plan)
    waiting = store.open_approvals(plan.name)
    results = [result for each in waiting if each.first_day for result in _settle_first(desk, plan, each)]
    due = due_of(store, plan, zone, began, desk.now)
    results += _record_missed(store, plan, due, desk.now, desk.decided)
    if due.slot is not None:
        days = covered_days(plan.schedule, due.slot, zone)
        results += _settle(desk, plan, due.slot, days, waiting_posts(store, plan, zone, desk.now), Reason.NEW)
    slot = "" if due.slot is None else due.slot.period
    if over := [each for each in waiting if not each.first_day and each.period != slot]:  # of another schedule
        store.end_approvals(over, desk.now)
    return results


def _make_first(desk: _Desk, plan: DigestPlan) -> list[EditionResult]:
    """The archive's newest day, so that a newcomer sees a real mail at once. The digest begins after it is frozen, or
    waits for approval: a crash in between repeats this step and finds its period taken."""
    results: list[EditionResult] = []
    waiting = next((each for each in desk.store.open_approvals(plan.name) if each.first_day), None)
    first = newest_day(desk.store, plan, desk.zone, desk.now)
    if waiting is not None:
        results = _settle_first(desk, plan, waiting)
    elif first is not None:
        slot, posts = first
        results = _settle(desk, plan, slot, (slot.day, slot.day), posts, Reason.NEWEST_DAY)
    desk.store.begin(plan.name, desk.now)
    return results


def _settle_first(desk: _Desk, plan: DigestPlan, waiting: Approval) -> list[EditionResult]:
    """A digest's first edition, which waits for approval."""
    slot, posts = first_waiting(desk.store, plan, desk.zone, desk.now, waiting)
    return _settle(desk, plan, slot, (slot.day, slot.day), posts, Reason.NEWEST_DAY)


def _settle(
    desk: _Desk, plan: DigestPlan, slot: Slot, days: tuple[date, date], posts: Sequence[KnownPost], reason: Reason
) -> list[EditionResult]:
    """Freeze the edition of a slot, let it wait for approval, or give it up. What was approved has the posts that were
    seen then and are still there, and no others."""
    store, period, is_first = desk.store, slot.period, reason is Reason.NEWEST_DAY
    approval = next((each for each in store.open_approvals(plan.name) if each.period == period), None)
    if approval is not None and approval.approved_at is not None and plan.approve is not None:
        seen = set(approval.posts)
        posts = [post for post in posts if post.key in seen]
    edited = edit(posts, desk.file_of(plan.name, period))
    is_approved = approval is not None and approval.approved_at is not None
    has_its_word = is_first or is_approved  # few posts are enough
    quiet = _why_no_first(plan, edited) if has_its_word else why_quiet(store, plan, desk.zone, edited.posts, desk.now)
    turn = next_turn(plan.approve, approval, desk.now)
    if plan.approve is not None and turn is Turn.WAIT and (approval is not None or quiet is None):
        return [_wait(desk, plan, plan.approve, slot, days, edited, reason, approval)]
    outcome = quiet or (Outcome.NOT_APPROVED if turn is Turn.SKIP else None)
    if outcome is None:
        return _freeze(desk, plan, slot, days, edited, reason)
    recorded = (is_first and approval is None) or store.skip(
        *(plan.name, period, desk.now, plan.kind, outcome),
        decided=desk.decided,
        unless_approved=outcome is Outcome.NOT_APPROVED,
    )
    left = 0 if is_first else len(edited.posts) + len(edited.skipped)
    told = EditionResult(digest=plan.name, period=period, outcome=outcome, waiting=left, warnings=edited.warnings)
    return [told] if recorded else []


def _why_no_first(plan: DigestPlan, edited: Edited) -> Outcome | None:
    return None if edited.posts or plan.send_empty else Outcome.NOTHING_NEW


def _wait(
    desk: _Desk,
    plan: DigestPlan,
    rule: ApprovalRule,
    slot: Slot,
    days: tuple[date, date],
    edited: Edited,
    reason: Reason,
    approval: Approval | None,
) -> EditionResult:
    """Show the operator what the edition is so far: made anew when its posts, its editor's file or its look changed."""
    seen = _fingerprint(plan, desk.look, edited)
    readers = sum(1 for _ in _recipients(plan, slot, desk.audience, desk.zone, desk.now, edited.posts))
    broken: tuple[str, ...] = ()
    if approval is None or (seen, readers) != (approval.seen, approval.readers):
        from digest.render.message import for_everybody  # late: it brings the e-mail package

        built = _build(desk, plan, slot, days, edited, reason)
        draft = Approval(
            key=0 if approval is None else approval.key,
            digest=plan.name,
            period=slot.period,
            first_day=slot.day.isoformat() if reason is Reason.NEWEST_DAY else "",
            began_at=desk.now,
            until=rule.until(slot.at, desk.now) if approval is None else approval.until,
            otherwise=rule.otherwise,
            seen=seen,
            subject=built.mail.subject,
            readers=readers,
            posts=tuple(post.key for post in edited.posts),
        )
        html = for_everybody(built.mail.html, is_html=True)
        if approval is None:
            desk.store.begin_approval(draft, html, desk.ask(draft, built.mail))
        else:
            desk.store.renew_approval(draft, html)
        approval, broken = draft, built.broken
    return EditionResult(
        digest=plan.name,
        period=slot.period,
        outcome=Outcome.WAITING,
        recipients=readers,
        subject=approval.subject,
        until=approval.until,
        warnings=(*edited.warnings, *broken),
    )


def _fingerprint(plan: DigestPlan, look: RenderContext, edited: Edited) -> str:
    """Of everything that an edition is made of and with."""
    import msgspec

    made_of = msgspec.json.encode((edited.posts, sorted(edited.named), edited.file), order="deterministic")
    return hash_of(made_of + look_to_json(_frozen_look(plan, look)).encode())


def first_waiting(
    store: EditionStore, plan: DigestPlan, zone: ZoneInfo, now: datetime, waiting: Approval
) -> tuple[Slot, list[KnownPost]]:
    """What a digest's first edition is about that waits for approval."""
    day = date.fromisoformat(waiting.first_day)
    return Slot(period=waiting.period, day=day, at=waiting.began_at), _posts_of(store, plan, zone, now, day)


class Periods(Protocol):
    """What is known about periods."""

    def is_taken(self, digest: str, period: str, now: datetime) -> bool: ...


def upcoming(store: Periods, plan: DigestPlan, zone: ZoneInfo, now: datetime) -> Slot:
    """The slot of the next edition that is still to be made."""
    return next_slot(plan.schedule, zone, now, plan.holidays, lambda period: store.is_taken(plan.name, period, now))


def why_quiet(
    store: EditionStore, plan: DigestPlan, zone: ZoneInfo, posts: Sequence[KnownPost], now: datetime
) -> Outcome | None:
    """Why an edition of these posts is not made; None if it is. Few posts wait for the next slot, unless one of them
    would be too old by then, the time that a late run may take included."""
    if plan.send_empty or len(posts) >= max(plan.min_items, 1):
        return None
    if not posts:
        return Outcome.NOTHING_NEW
    too_old = upcoming(store, plan, zone, now).at + plan.max_lateness - plan.max_age
    return None if min(post.published for post in posts) < too_old else Outcome.TOO_FEW


def newest_day(
    store: EditionStore, plan: DigestPlan, zone: ZoneInfo, now: datetime
) -> tuple[Slot, list[KnownPost]] | None:
    """What a digest's first edition is about: the archive's newest day, and its posts; None without any post."""
    newest = store.newest_day(plan.categories, now, plan.language)
    if newest is None:
        return None
    day = newest.astimezone(zone).date()
    slot = Slot(period=period_name(plan.schedule.kind, day), day=day, at=now)
    return slot, _posts_of(store, plan, zone, now, day)


def _posts_of(store: EditionStore, plan: DigestPlan, zone: ZoneInfo, now: datetime, day: date) -> list[KnownPost]:
    """Those that were published on a day, as far as it has passed."""
    start, end = day_bounds(day, zone)
    until = min(end, now + timedelta(microseconds=1))
    return store.published_between(plan.categories, start, until, language=plan.language)


class _Built(Struct, frozen=True, kw_only=True):
    """An edition that is ready to be frozen."""

    before: list[SavedEdition]
    mail: Mail
    frozen: FrozenEdition
    broken: tuple[str, ...]


def _build(
    desk: _Desk, plan: DigestPlan, slot: Slot, days: tuple[date, date], edited: Edited, reason: Reason
) -> _Built:
    broken: dict[str, None] = {}
    before = mailed_before(desk.store, plan, slot.period, desk.now)
    past = past_of(desk.store, before, edited.posts)
    mail, frozen = build_frozen(plan, desk.look, desk.now, slot.period, days, reason, edited, past, broken=broken)
    return _Built(before=before, mail=mail, frozen=frozen, broken=tuple(broken))


def _freeze(
    desk: _Desk, plan: DigestPlan, slot: Slot, days: tuple[date, date], edited: Edited, reason: Reason
) -> list[EditionResult]:
    """The edition, with all its deliveries, in one go."""
    store, look, now, posts = desk.store, desk.look, desk.now, edited.posts
    left_out = _left_out(store, plan, now, (*posts, *edited.skipped))
    built = _build(desk, plan, slot, days, edited, reason)
    frozen = replace(built.frozen, look=look_to_json(_frozen_look(plan, look)))
    entries = built.mail.edition.entries
    recipients = _Counted(_recipients(plan, slot, desk.audience, desk.zone, now, entries))
    due = slot.at if reason is Reason.NEW else max((post.published for post in posts), default=slot.at)
    if store.freeze(frozen, recipients, due=due) is None:
        return []
    made = made_of(built.mail, look, recipients=recipients.count, broken=built.broken)
    made = replace(made, warnings=edited.warnings)
    since = max((saved.frozen_at for saved in built.before), default=None)
    late = 0 if since is None else sum(post.published < since for post in posts)
    return [replace(made, late=late, left_out=len(left_out), some_left_out=tuple(left_out[:_NAMED]))]


def _left_out(store: EditionStore, plan: DigestPlan, now: datetime, posts: Sequence[KnownPost]) -> list[str]:
    """Files of the posts that came since the digest's latest edition and are not among those of this one."""
    latest = store.editions(plan.name, 1)
    taken = {post.key for post in posts}
    found = store.passed_over(plan.name, plan.categories, latest[0], now, plan.language) if latest else []
    return [path for key, path in found if key not in taken]


def made_of(mail: Mail, look: RenderContext, *, recipients: int = 0, broken: tuple[str, ...] = ()) -> EditionResult:
    """What became of an edition that was made."""
    edition = mail.edition
    return EditionResult(
        digest=edition.digest,
        period=edition.period,
        outcome=Outcome.MADE,
        balance=edition.balance,
        recipients=recipients,
        subject=mail.subject,
        html_bytes=sent_size(mail.html),
        page=edition_url(look.publisher, edition.digest, edition.period),
        broken=broken,
    )


def _frozen_look(plan: DigestPlan, look: RenderContext) -> FrozenLook:
    return FrozenLook(
        recipe=plan.recipe,
        publisher=look.publisher,
        language=look.language.tag,
        catalogue=look.language.catalogue,
        templates=look.templates.sources(TEMPLATES),
        theme=look.theme,
        subject=plan.subject,
    )


def build_frozen(
    plan: DigestPlan,
    look: RenderContext,
    now: datetime,
    period: str,
    days: tuple[date, date],
    reason: Reason,
    edited: Edited,
    past: Past | None = None,
    *,
    broken: dict[str, None],
) -> tuple[Mail, FrozenEdition]:
    """The edition of these posts, with what an editor wrote. ``past`` is what it takes up from earlier ones. ``broken``
    gets a line for each post that cannot be in it, or not in the mail of somebody who chose it."""
    earlier = past or Past()
    with_subject = replace(look, subject=plan.subject)

    def build(some: Sequence[KnownPost]) -> Mail:
        edition = build_edition(
            some,
            plan.recipe,
            digest=plan.name,
            title=plan.title,
            period=period,
            days=days,
            frozen_at=now,
            reason=reason,
            earlier=earlier.earlier,
            corrections=earlier.corrections,
            titles=earlier.titles,
            named=edited.named,
        )
        edition = replace(
            edition,
            introduction=edited.file.introduction,
            sponsor=edited.file.sponsor,
            skipped=tuple(post.key for post in edited.skipped),
        )
        try_all(edition, with_subject)
        return render_mail(edition, with_subject, plan.limits)

    def tell(post: KnownPost, why: str) -> None:
        broken[f"digest {plan.name}: {post.path}: cannot be put into the edition of {period}: {why}; {REMEDY}"] = None

    mail = without_broken(edited.posts, build, tell)
    return mail, FrozenEdition(
        digest=plan.name,
        kind=plan.kind,
        sums_up=plan.sums_up,
        period=period,
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        document=edition_to_json(mail.edition),
        frozen_at=now,
        send_after=now,
        expires_at=now + plan.expires_after,
        members=members(mail.edition),
    )


def mailed_before(store: EditionStore, plan: DigestPlan, period: str, now: datetime) -> list[SavedEdition]:
    """The editions of the last week, the oldest first."""
    return [saved for saved in store.editions_since(plan.name, now - LOOK_BACK) if saved.period < period]


def past_of(store: EditionStore, before: Sequence[SavedEdition], posts: Sequence[KnownPost]) -> Past:
    """What an edition of these posts takes up from those before, and from the archive."""
    titles = titles_beside(store, posts)
    if not before:
        return Past(titles=titles)
    latest = max(before, key=lambda saved: saved.period)
    told = store.posts_in([saved.key for saved in before])
    return Past(
        earlier=find_updates(posts, read_edition(latest), store.posts_in([latest.key]), titles),
        corrections=find_corrections(map(read_edition, before), told, store.reread_posts(told)),
        titles=titles,
    )


def titles_beside(store: EditionStore, posts: Sequence[KnownPost]) -> tuple[str, ...]:
    """Titles of what else came before these posts or with them, the last ones: how the site words its news."""
    keys = {post.key for post in posts}
    found = store.titles_until(max(keys, default=0), LOOK_BACK_TITLES + len(keys))
    return tuple(title for key, title in found.items() if key not in keys)[:LOOK_BACK_TITLES]


def mail_for(saved: SavedEdition, selection: str, recipe: Recipe, look: RenderContext) -> RenderedMail:
    """The mail of a frozen edition for subscribers with this selection. Raises PermanentFailure if it cannot be made,
    which costs them and nobody else."""

    def make() -> Mail:
        edition = narrowed(read_edition(saved), read_selection(selection), recipe)
        return render_mail(edition, look, recipe.limits)

    def broken(reason: str) -> NoReturn:
        raise PermanentFailure(f"edition {saved.digest} {saved.period}", f"its mail cannot be made: {reason}")

    try:
        mail = tried(make, broken)
    except TemplateError as error:
        broken(str(error))
    return RenderedMail(subject=mail.subject, html=mail.html, text=mail.text)


class _Counted:
    """Recipients, counted while they go by."""

    def __init__(self, recipients: Iterable[Recipient]) -> None:
        self._recipients = recipients
        self.count = 0

    def __iter__(self) -> Iterator[Recipient]:
        for recipient in self._recipients:
            self.count += 1
            yield recipient


def _recipients(
    plan: DigestPlan,
    slot: Slot,
    audience: Audience,
    zone: ZoneInfo,
    now: datetime,
    entries: Sequence[Entry | KnownPost],
) -> Iterator[Recipient]:
    """The operator's addresses, each once, and the digest's channels, then the subscribers, each at their own hour,
    without those who chose none of the edition's posts."""
    from digest.render.message import message_id  # late: it brings the e-mail package

    named = partial(message_id, digest=plan.name, category="", period=slot.period, domain=audience.domain)
    always = [(address, MAIL) for address in dict.fromkeys(audience.addresses) if not plan.sums_up]
    for address, channel in [*always, *((name, name) for name in audience.channels.get(plan.name, ()))]:
        yield Recipient(address=address, message_id=named(address=address), token=audience.new_token(), channel=channel)
    has_some = lru_cache(lambda text: any(read_selection(text).matches(each.categories) for each in entries))
    for subscriber in audience.subscribers(plan):
        if subscriber.selection and not plan.send_empty and not has_some(subscriber.selection):
            continue
        leaves = not_before(subscriber.preferences, zone, slot=slot.at, made=now)
        yield Recipient(
            address=subscriber.address,
            message_id=named(address=subscriber.address),
            token=audience.new_token(),
            subscriber=subscriber.key,
            list_key=subscriber.list_key,
            not_before=leaves,
            expires_at=leaves + plan.expires_after if leaves > now else None,
            selection=subscriber.selection,
        )


def due_of(store: EditionStore, plan: DigestPlan, zone: ZoneInfo, began: datetime, now: datetime) -> Due:
    """What is to be done about a digest at ``now``, by its schedule and what the store has of it. An edition that waits
    for approval is due, and may be as late after that as others after their slot."""
    waiting = {each.period: each for each in store.open_approvals(plan.name)}

    def is_taken(period: str) -> bool:
        return (period in waiting and waiting[period].first_day != "") or store.edition(plan.name, period) is not None

    due = due_period(
        plan.schedule,
        zone,
        now=now,
        began=began,
        is_taken=is_taken,
        max_lateness=plan.max_lateness,
        holidays=plan.holidays,
    )
    latest = due.missed[-1] if due.slot is None and due.missed else None
    if latest is None or latest.period not in waiting or now - waiting[latest.period].until > plan.max_lateness:
        return due
    return replace(due, slot=latest, missed=due.missed[:-1])


def waiting_posts(store: EditionStore, plan: DigestPlan, zone: ZoneInfo, now: datetime) -> list[KnownPost]:
    """The posts that an edition made at ``now`` has. Those that the edition of a holiday would have had are among them,
    or one that was not approved, however long ago that was, and those that came too late for one that was made before
    its time; so are those of a missed one with ``late: merge``, and never with ``late: skip``."""
    missed = store.skipped_periods(plan.name, Outcome.MISSED)
    without = store.skipped_periods(plan.name, Outcome.HOLIDAY) | (missed if plan.late is Late.MERGE else set())
    without |= store.skipped_periods(plan.name, Outcome.NOT_APPROVED)
    began = store.began(plan.name) or now
    oldest, is_whole = now - plan.max_age, True
    for place, slot in enumerate(reversed(slots_between(plan.schedule, zone, max(began, now - LOOKBACK), now))):
        if slot.period in without or slot.day in plan.holidays:
            oldest = slot.at - plan.max_age
        elif slot.period in missed:
            is_whole = False
        elif (saved := store.edition(plan.name, slot.period)) is not None and saved.frozen_at < slot.at:
            oldest = slot.at - plan.max_age if is_whole else oldest
        elif place or saved is not None:
            break
    if plan.late is Late.SKIP and missed:
        slots = slots_between(plan.schedule, zone, oldest, now)
        oldest = max([oldest, *(slot.at + _SECOND for slot in slots if slot.period in missed)])
    return store.candidates(plan.name, plan.categories, oldest, now, plan.language)


def _record_missed(
    store: EditionStore, plan: DigestPlan, due: Due, now: datetime, decided: datetime | None
) -> list[EditionResult]:
    """Write down, in their order, the slots that get no edition."""
    without = [(slot, Outcome.MISSED) for slot in due.missed] + [(slot, Outcome.HOLIDAY) for slot in due.holidays]
    return [
        EditionResult(digest=plan.name, period=slot.period, outcome=outcome)
        for slot, outcome in sorted(without, key=lambda each: each[0].at)
        if store.skip(plan.name, slot.period, now, plan.kind, outcome, decided=decided)
    ]


def _publish(
    store: EditionStore,
    output: Output,
    digest: str,
    title: str,
    new: Sequence[SavedEdition],
    look: RenderContext,
    report: EditionsReport,
    everything: bool,
    feed: FeedOfEditions | None,
) -> None:
    """Pages first, then the list and the feed, then the word that they are published. A page that breaks is told, and
    its edition waits for it."""
    rows = store.edition_rows(digest)
    fresh = {saved.period: saved for saved in new}

    def broken(period: str, reason: str) -> None:
        fresh.pop(period, None)
        report.failures.append(f"{digest} {period}: its page cannot be made: {reason}; {REMEDY}")

    with output.batch():
        for place, row in enumerate(rows):
            if everything or any(near.period in fresh for near in rows[max(place - 1, 0) : place + 2]):
                saved = fresh.get(row.period) or store.edition(digest, row.period)
                if saved is not None:
                    title = title or read_edition(saved).title
                    page = tried(partial(_page, saved, rows, place, look), partial(broken, row.period))
                    if page is not None:
                        _write(output, edition_path(digest, row.period), page, report)
        if rows:
            rows = with_leads(store, digest, rows)
            index = render_edition_index(rows, look, digest=digest, title=title, days=days_of(store, digest, rows))
            _write(output, index_path(digest), index, report)
            if feed is not None:
                _write(output, feed_path(digest), feed(digest, title), report)
    for saved in fresh.values():
        store.mark_page_published(saved.key)


def with_leads(store: EditionStore, digest: str, rows: Sequence[EditionRow]) -> list[EditionRow]:
    """The same rows, each with the headline that leads its edition. What is not known yet is looked up once."""
    found: dict[int, str] = {}
    for row in rows:
        saved = store.edition(digest, row.period) if row.lead is None else None
        if saved is not None:
            found[row.key] = lead_of(read_edition(saved))
    if found:
        store.set_leads(found)
    return [replace(row, lead=found.get(row.key, row.lead)) for row in rows]


def days_of(store: EditionStore, digest: str, rows: Sequence[EditionRow]) -> dict[str, tuple[date, date]]:
    """The first and last day that each edition covers, by period: those of a week's name are others."""
    days = {row.period: period_days(row.period) for row in rows}
    for row in rows:
        saved = store.edition(digest, row.period) if is_week(row.period) else None
        if saved is not None:
            edition = read_edition(saved)
            days[row.period] = edition.first_day, edition.last_day
    return days


def _page(saved: SavedEdition, rows: Sequence[EditionRow], place: int, look: RenderContext) -> bytes:
    return render_edition_page(
        read_edition(saved),
        look,
        previous=rows[place + 1].period if place + 1 < len(rows) else None,
        following=rows[place - 1].period if place else None,
    )


def read_edition(saved: SavedEdition) -> Edition:
    """The edition as it was frozen; a document that cannot be read is a damaged store."""
    try:
        return edition_from_json(saved.document)
    except ValueError as error:
        raise StoreError(f"edition {saved.digest} {saved.period}", str(error), "restore the database") from error


def _write(output: Output, path: str, data: bytes, report: EditionsReport) -> None:
    if output.write(path, data):
        report.written.append(path)
    else:
        report.unchanged += 1
