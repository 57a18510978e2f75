"""``digest explain`` for a post: where it is, in which place and for which reasons, or why it is nowhere yet.

Facts come from what was written down when it happened (members of editions with their reasons, problems of files);
only what is still to come is worked out, by the rules that a run goes by. Each fact has a code for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from digest.edition.contents import Reason, Shown
from digest.edition.hand import edit
from digest.edition.selection import read_selection
from digest.inquiry import Candidates, EditionNote, FoundFile, Membership
from digest.jobs.editions.make import DigestPlan, FileOf, Outcome, Periods, no_file, read_edition, upcoming
from digest.models import (
    MAIN,
    Absence,
    Approval,
    Away,
    EditionState,
    Hand,
    KnownPost,
    Problem,
    SavedEdition,
    Severity,
    ref_of,
    source_of,
)
from digest.period import next_slot


class PostInquiries(Periods, Protocol):
    """What is known about posts and editions."""

    def look_for(self, words: str) -> Candidates: ...
    def file_at(self, path: str) -> FoundFile | None: ...
    def absence_of(self, post_key: int) -> Absence | None: ...
    def edition(self, digest: str, period: str) -> SavedEdition | None: ...
    def memberships(self, post_key: int) -> list[Membership]: ...
    def titles_of(self, keys: Sequence[int]) -> dict[int, str]: ...
    def selections_of(self, edition_key: int) -> list[str]: ...
    def beginning(self, digest: str) -> tuple[datetime, int] | None: ...
    def open_approvals(self, digest: str | None = None) -> list[Approval]: ...
    def edition_notes(self, digest: str, since: datetime | None = None, limit: int = 400) -> list[EditionNote]: ...


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that explains something."""

    code: str
    """For programs: ``collected``, ``waits``, ``too-old`` …"""
    says: str
    """In plain words, lower case, no full stop; times in the site's zone."""
    digest: str = ""
    """The digest that it is about, if it is about one."""
    period: str = ""
    at: datetime | None = None
    """When it happened or will, UTC."""
    reasons: tuple[str, ...] = ()
    """More of it: the reasons for a place, problems of a file."""
    stored: str = ""
    """The reason as it is kept."""


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything there is to say about one post, file or subscriber."""

    subject: str
    facts: tuple[Fact, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    """What it is: path, title, address, id."""


class View(Struct, frozen=True, kw_only=True):
    """What is asked, and by whose clock."""

    zone: ZoneInfo
    now: datetime
    digest: str | None = None
    """Only this one."""
    file_of: FileOf = no_file
    """What editors wrote."""
    date: str | None = None
    """Only editions of this day, or of this period by its name."""

    def time(self, moment: datetime) -> str:
        """``2026-11-24 08:05``."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"


# -------------------------------------------------------------------- posts


def explain_post(store: PostInquiries, plans: Iterable[DigestPlan], post: KnownPost, view: View) -> Explanation:
    """What became of a post, and what will."""
    found = store.memberships(post.key)
    facts = [*_history(store, post, view)]
    for plan in plans:
        if view.digest in (None, plan.name):
            facts += _skipped(store, plan, post, view)
            mine = [each for each in found if each.edition.digest == plan.name]
            facts += _places(store, plan, post, mine, view) if mine else [_why_nowhere(store, plan, post, view)]
    known = {plan.name for plan in plans}
    others = [each for each in found if each.edition.digest not in known]
    if view.digest is None:
        facts += [_place(store, each, post, view) for each in others]
    about = {"path": post.path, "title": post.title, "url": post.url, "id": post.id, **_whence(post)}
    return Explanation(subject=post.title, facts=tuple(facts), about=about)


def _whence(post: KnownPost) -> dict[str, str]:
    """Of a post of another source than ``posts.folder``: its name, and the original's address."""
    name = source_of(post.path)
    return {} if name == MAIN else {"source": name, "original": post.original_url or post.url}


def explain_file(found: FoundFile, view: View, twin: KnownPost | None = None) -> Explanation:
    """Why a file gave no post. ``twin``: the post that it has become part of, if that is known."""
    if found.taken:
        named = "" if twin is None else f": {twin.path}"
        says = f"another source brings the same post, which is that one's now{named}"
        return Explanation(subject=found.path, facts=(Fact(code="doubled", says=says),), about={"path": found.path})
    notes = [each for each in found.problems if each.severity is Severity.NOTE]
    what = "left out on purpose" if notes and len(notes) == len(found.problems) else "skipped"
    says = f"{what}: no post came of it" if found.problems else "no post came of it"
    facts = [Fact(code="left-out" if notes else "skipped", says=says, reasons=_told(found.problems))]
    if (at := found.recheck_at) is not None:
        facts.append(Fact(code="recheck", says=f"looked at again at {view.time(at)}", at=at))
    return Explanation(subject=found.path, facts=tuple(facts), about={"path": found.path})


def explain_new_file(path: str) -> Explanation:
    """A file that no run has seen yet."""
    where = "the posts folder" if source_of(path) == MAIN else f"the folder of the source {source_of(path)}"
    says = f"it is in {where}, and no run has looked at it yet; digest run does"
    return Explanation(subject=path, facts=(Fact(code="not-collected", says=says),), about={"path": path})


def _told(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(str(each) for each in problems)


def _history(store: PostInquiries, post: KnownPost, view: View) -> Iterator[Fact]:
    """Collected, edited, withdrawn, and what is wrong with the file."""
    when, date = view.time(post.collected_at), view.time(post.published)
    says = f"collected {when} from {_place_of(post)}; its date is {date}"
    yield Fact(code="collected", says=says, at=post.collected_at)
    file = store.file_at(post.path)
    problems = () if file is None else file.problems
    stale = [each for each in problems if each.severity is Severity.STALE]
    if stale and post.gone_at is None:
        yield Fact(code="stale", says="its file is broken; what was read before stays published", reasons=_told(stale))
    warnings = [each for each in problems if each.severity is Severity.WARNING]
    if warnings and post.gone_at is None:
        yield Fact(code="doubtful", says="something in the file could not be used", reasons=_told(warnings))
    if post.updated > post.published:
        yield Fact(code="edited", says=f"edited, last {view.time(post.updated)}", at=post.updated)
    if post.gone_at is not None:
        yield _withdrawn(post, post.gone_at, file, view)
    elif (absence := store.absence_of(post.key)) is not None:
        yield _away(absence, file, view)
    if post.unlisted:
        yield Fact(code="unlisted", says="unlisted: it has a page, and enters no feed and no digest")
    elif post.hand is not None:
        yield Fact(code="hand", says=_HANDS[post.hand])


_HANDS = {
    Hand.LEAD: "digest: lead in its front matter: the main story of its edition",
    Hand.PIN: "digest: pin in its front matter: first in its section, and in the mail whatever has no room there",
    Hand.SKIP: "digest: skip in its front matter: in no edition; feeds have it",
}


def _place_of(post: KnownPost) -> str:
    name = source_of(post.path)
    return post.path if name == MAIN else f"the source {name} ({ref_of(post.path)})"


def _withdrawn(post: KnownPost, gone_at: datetime, file: FoundFile | None, view: View) -> Fact:
    when = f"withdrawn {view.time(gone_at)}"
    if file is None:
        return Fact(code="withdrawn", says=f"{when}: its file is gone", at=gone_at)
    says = f"{when}: its file gives no post any more" if not file.taken else f"{when}: another post has its file now"
    return Fact(code="withdrawn", says=says, at=gone_at, reasons=_told(file.problems))


_AWAY = {
    Away.AGED: ("retained", "its file left the posts folder as those of its age do; it was not withdrawn, and stays"),
    Away.MOVED: ("retained", "its file moved to {place}; it was not withdrawn, and stays"),
    Away.WAITING: ("missing", "its file is missing, like others of the oldest; a later day shows if that is their age"),
    Away.HELD: (
        "held",
        "its file is missing or gives no post, as of too many at once to withdraw any; digest run --accept-gone",
    ),
}


def _away(absence: Absence, file: FoundFile | None, view: View) -> Fact:
    """What is thought of a post whose file is missing."""
    code, words = _AWAY[absence.state]
    says = f"{view.time(absence.since)}: {words.format(place=absence.place)}"
    problems = _told(file.problems) if file is not None and absence.state is Away.HELD else ()
    return Fact(code=code, says=says, at=absence.since, reasons=problems)


# ------------------------------------------------------------------- places


def _places(
    store: PostInquiries, plan: DigestPlan, post: KnownPost, found: Sequence[Membership], view: View
) -> Iterator[Fact]:
    """Where an edition shows it; what subscribers chose of it is only named."""
    for each in found:
        yield _place(store, each, post, view)
    edition = found[-1].edition
    chosen = map(read_selection, store.selections_of(edition.key))
    labels = "; ".join(each.label for each in chosen if each.matches(post.categories))
    if labels:
        yield Fact(
            code="variants",
            says=f"{plan.name} {edition.period}: also in what subscribers of some categories got ({labels})",
            digest=plan.name,
            period=edition.period,
        )


_SHOWN = {
    Shown.LEAD.value: "with its summary",
    Shown.HEADLINE.value: "as a headline",
    Shown.GROUPED.value: "grouped: its source is named beside the post that leads the story",
    Shown.PAGE.value: "on the full page only, not in the mail",
}


def _place(store: PostInquiries, member: Membership, post: KnownPost, view: View) -> Fact:
    edition = member.edition
    section = member.section or "posts without a category"
    how = _SHOWN.get(member.shown, member.shown)
    return Fact(
        code=f"in-{member.shown}",
        says=f"{edition.digest} {edition.period} (made {view.time(edition.frozen_at)}, {edition.state.value}): {how}; "
        f"place {member.position} in {section}, {member.members} posts in all",
        digest=edition.digest,
        period=edition.period,
        at=edition.frozen_at,
        reasons=tuple(in_words(member.reason, store.titles_of)),
        stored=member.reason,
    )


_WORDS = {
    Reason.NEW.value: "new: collected since the digest began, and in none of its editions before",
    Reason.NEWEST_DAY.value: "the digest's first edition has the newest day of the archive that was there",
    Reason.BACKFILLED.value: "the edition was made up later for the web, and mailed to nobody",
    "lead=post": "the post makes itself the edition's main story (digest: lead)",
    "pin=post": "the post says that it comes first in its section, and into the mail (digest: pin)",
    "lead=edition": "the edition's file makes it the main story (lead)",
    "pin=edition": "the edition's file puts it first in its section, and into the mail (pin)",
    "no-summary": "it could not lead: it has no summary",
    "quota": "other categories went first, since its own had its share of the mail (quota)",
    "source-quota": "other media went first, since its own had its share of the mail (source_quota)",
    "over=bytes": "the mail had no more room (max_bytes)",
    "over=items": "the mail had as many posts as it may (max_items)",
    "over=minutes": "the mail takes as long to read as it may (minutes)",
}


TitlesOf = Callable[[Sequence[int]], Mapping[int, str]]


def in_words(reason: str, titles_of: TitlesOf = lambda keys: {}) -> Iterator[str]:
    """The reasons for a place as an edition keeps them, in plain words. ``titles_of`` gives titles by key."""
    for word in reason.split():
        name, _, value = word.partition("=")
        if word in _WORDS:
            yield _WORDS[word]
        elif name == "story":
            title = titles_of([int(value)]).get(int(value), "")
            yield f"it tells the same story as “{title or f'post {value}'}”, which leads it"
        elif name == "sources":
            tell = "medium tells" if value == "1" else "media tell"
            yield f"{value} {tell} its story in words of their own; each further one counts like a day"
        elif name == "weight":
            yield f"the configuration gives it {value} points (weights); each counts like a day"
        elif name == "age":
            yield f"it is {value.removesuffix('h')} hours older than the newest post"
        elif name == "turn":
            yield f"its turn was number {value}"
        else:
            yield word


def _skipped(store: PostInquiries, plan: DigestPlan, post: KnownPost, view: View) -> Iterator[Fact]:
    """Editions whose file left it out."""
    for each in reversed(store.edition_notes(plan.name, post.collected_at)):
        saved = None if each.state is EditionState.SKIPPED else store.edition(plan.name, each.period)
        if saved is not None and post.key in read_edition(saved).skipped:
            says = (
                f"{plan.name} {each.period} (made {view.time(each.frozen_at)}): left out by the edition's file (skip)"
            )
            yield Fact(code="left-out", says=says, digest=plan.name, period=each.period, at=each.frozen_at)


# ------------------------------------------------------------- why nowhere


def _why_nowhere(store: PostInquiries, plan: DigestPlan, post: KnownPost, view: View) -> Fact:
    """Why a digest has no edition with the post, by the rules that choose posts; in the order in which they bite."""
    code, says, at = _verdict(store, plan, post, view)
    return Fact(code=code, says=f"{plan.name}: {says}", digest=plan.name, at=at)


def _verdict(store: PostInquiries, plan: DigestPlan, post: KnownPost, view: View) -> tuple[str, str, datetime | None]:
    began = store.beginning(plan.name)
    slot = upcoming(store, plan, view.zone, view.now)
    oldest = next_slot(plan.schedule, view.zone, view.now, plan.holidays).at - plan.max_age
    if post.unlisted:
        return "unlisted", "in no edition, since it is unlisted", None
    if post.hand is Hand.SKIP:
        return "skip", "in no edition, since the post says digest: skip", None
    if post.gone_at is not None:
        return "gone", "in no edition, and it was withdrawn", post.gone_at
    asked = next((each for each in store.open_approvals(plan.name) if post.key in each.posts), None)
    if asked is not None:
        says = f"it is in the edition of {asked.period}, which waits for approval until {view.time(asked.until)}"
        return "awaits-approval", says, asked.until
    if plan.categories is not None and not set(plan.categories) & set(post.categories):
        has = ", ".join(post.categories) or "none"
        return "category", f"it takes {', '.join(plan.categories)}, and the post has {has}", None
    if plan.language is not None and not plan.language.takes(post.lang):
        return "language", f"it takes posts in {plan.language.tag}, and this one is in {post.lang or 'another'}", None
    if began is None:
        return "not-begun", "it has not begun; the next run makes its first edition, of the newest day", None
    if post.key <= began[1]:
        when = view.time(began[0])
        return "before", f"it began {when} with the newest day; what was there before counts as seen", began[0]
    if post.published > view.now:
        return "future", f"its date is still to come ({view.time(post.published)})", post.published
    if post.published < oldest:
        return "too-old", _too_old(store, plan, post, oldest, view), None
    due = f"the edition of {slot.period}, due {view.time(slot.at)}"
    few = f"; it is made with at least {plan.min_items} posts" if plan.min_items > 1 else ""
    return "waits", f"it waits for {due}{few}{_wanted(plan, post, slot.period, view)}", slot.at


def _wanted(plan: DigestPlan, post: KnownPost, period: str, view: View) -> str:
    """What the file of the edition that it waits for says of it."""
    edited = edit([post], view.file_of(plan.name, period))
    if edited.skipped:
        return f"; {edited.file.path} leaves it out of that (skip)"
    hands = [each.hand for each in edited.posts if each.key in edited.named]
    return "".join(f"; {edited.file.path} names it ({hand})" for hand in hands)


_NOT_MADE = {
    Outcome.MISSED.value: "was missed: nothing ran in time",
    Outcome.TOO_FEW.value: "had too few posts",
    Outcome.HOLIDAY.value: "was a holiday",
    Outcome.NOTHING_NEW.value: "had nothing new",
    Outcome.NOT_APPROVED.value: "was not approved",
}


def _too_old(store: PostInquiries, plan: DigestPlan, post: KnownPost, oldest: datetime, view: View) -> str:
    age = f"the next edition takes posts since {view.time(oldest)} (max_age)"
    if post.collected_at - post.published > plan.max_age:
        return f"it was too old when it was collected; {age}"
    notes = store.edition_notes(plan.name, post.collected_at)
    missed = [not_made(each) for each in reversed(notes) if each.state is EditionState.SKIPPED and is_past(each, view)]
    return f"it is too old by now; {age}" + "".join(f"; {each}" for each in missed[:5])


def is_past(edition: EditionNote, view: View) -> bool:
    """Whether it was made, or given up, by now. What a clock that was ahead gave up is open again with the next run."""
    return edition.state is not EditionState.SKIPPED or edition.frozen_at <= view.now


def not_made(edition: EditionNote) -> str:
    """``the edition of 2026-11-24 was missed: nothing ran in time``."""
    what = _NOT_MADE.get(edition.reason, edition.reason or edition.state.value)
    return f"the edition of {edition.period} {what}"
