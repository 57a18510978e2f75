"""An edition: which posts it has, in which sections, and which of them a mail of limited size shows.

Pure: the same posts give the same edition, whatever order they come in. An edition goes to JSON and back without
loss, so that its mail and its page can be rendered again byte for byte. Nothing is ever dropped: what a mail has no
room for is on the edition's page, and the counts of both always add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from digest.edition.ranking import Score, Share, Weights, in_turn, reading_time, score
from digest.edition.selection import Selection
from digest.models import Code, EditionMember, Hand, KnownPost

if TYPE_CHECKING:
    from digest.edition.stories import Telling

HTML_BUDGET = 74_000
"""Bytes of a mail's HTML before base64: Gmail cuts a mail at about 102 KB, and sources differ on whether that means
before or after encoding."""
TEXT_BUDGET = 100_000
"""Bytes of its plain text before base64."""
SUMMARY_LIMIT = 200
"""Characters of a summary in a mail."""


_HIGHLIGHTS = 3
"""Of each kind at most."""
_LEAST_MENTIONS = 3


class Shown(StrEnum):
    """How much of a post the mail shows."""

    LEAD = "lead"
    """Title, summary, source and time."""
    HEADLINE = "headline"
    """Title, source and time."""
    GROUPED = "grouped"
    """Its source only, beside the post that leads its story."""
    PAGE = "page"
    """Nothing: it is on the edition's page."""


class Reason(StrEnum):
    """How a post got into an edition."""

    NEW = "new"
    """Collected since the digest began and in none of its editions before."""
    NEWEST_DAY = "newest-day"
    """The digest's first edition: the newest day of the archive that was there."""
    BACKFILLED = "made-up"
    """An edition that was backfilled and not mailed: published in its period, and in no other edition."""


class Publisher(Struct, frozen=True, kw_only=True):
    """Who publishes: what every edition of a site says about itself."""

    site_title: str
    site_url: str
    """Home page: absolute, percent-encoded."""
    pages_url: str
    """Address under which the output folder is served: absolute, percent-encoded, with ``/`` at its end."""
    zone: ZoneInfo
    """In which a day is decided and a time is read."""
    contact: str = ""
    """Mail address of somebody who reads answers; empty if nobody does."""


class CategoryTitle(Struct, frozen=True, kw_only=True):
    """A category that the operator named: as posts write it, and as people read it."""

    name: str
    title: str


class Earlier(Struct, frozen=True, kw_only=True):
    """A post of an earlier edition of the digest that a story goes on from."""

    period: str
    key: int
    days: tuple[date, date] | None = None
    """First and last day that it is about; None if it was found by an earlier version."""


class Entry(Struct, frozen=True, kw_only=True):
    """One post in an edition, as it was when the edition was frozen."""

    key: int
    title: str
    url: str
    summary: str
    published: datetime
    """UTC."""
    source_name: str | None = None
    original_url: str | None = None
    lang: str | None = None
    reason: str = Reason.NEW
    """Why it is here and in this place, in words for programs: a ``Reason``; ``lead`` or ``pin`` for its ``hand``,
    with ``=post`` if the post says so and ``=edition`` if the edition's file does; then ``story=17`` if post 17 leads
    its story, else what made up its score (``ranking.Score``), its ``turn=4`` among all, ``no-summary`` if it could not
    lead for that, ``quota`` and ``source-quota`` if it had to let other sections or media go first, and for what the
    mail does not show what stopped it: ``over=bytes``, ``over=items`` or ``over=minutes``."""
    score: int = 0
    """How much its story matters (``ranking.Score``)."""
    story: int | None = None
    """Key of the post that leads its story; None if it leads one itself or stands alone."""
    shown: Shown = Shown.PAGE
    earlier: Earlier | None = None
    """Where the digest told its story before; only of posts that stand alone or lead one."""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    codes: tuple[Code, ...] = ()
    hand: Hand | None = None
    """What an editor wants of it; at most one of an edition leads it."""


Item = KnownPost | Entry
"""What an edition is made from: posts, or what was frozen of them."""
SomeItem = TypeVar("SomeItem", KnownPost, Entry)


class Section(Struct, frozen=True, kw_only=True):
    """The posts of one category by score; the other posts of a story right after the one that leads it, whatever
    their own category."""

    name: str
    """The category as posts write it; empty for posts without one."""
    title: str
    """Likewise empty."""
    entries: tuple[Entry, ...]

    @property
    def heads(self) -> tuple[Entry, ...]:
        """Posts that stand alone or lead a story."""
        return tuple(entry for entry in self.entries if entry.story is None)

    def shown(self, how: Shown) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.shown is how)

    @property
    def followers(self) -> dict[int, list[Entry]]:
        """The other posts of each story, by the key of the post that leads it."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            if entry.story is not None:
                found.setdefault(entry.story, []).append(entry)
        return found


class Highlight(Struct, frozen=True, kw_only=True):
    """A stock or sector that many posts of an edition name."""

    code: str
    """With its market: ``90,BK1036``."""
    name: str
    is_sector: bool
    posts: int
    """How many name it."""


class Correction(Struct, frozen=True, kw_only=True):
    """What an earlier edition's mail said of a post, and what is true now."""

    key: int
    period: str
    """The edition that had the post."""
    url: str
    was_title: str
    title: str
    was_summary: str | None
    """None if the mail did not show it; then its change is none."""
    summary: str | None
    gone: bool = False
    """The post was withdrawn; title and summary are the last known."""
    restored: bool = False
    """It was withdrawn, which an edition told, and is there again."""
    was_point: bool = False
    """It was among the main points of the mail."""
    days: tuple[date, date] | None = None
    """First and last day of the edition that had the post, as in ``Earlier``."""
    categories: tuple[str, ...] = ()
    """Of the post."""


class Edition(Struct, frozen=True, kw_only=True):
    """One issue of a digest."""

    digest: str
    title: str
    period: str
    first_day: date
    """The local days that it is about; equal for a day."""
    last_day: date
    frozen_at: datetime
    """UTC."""
    sections: tuple[Section, ...]
    highlights: tuple[Highlight, ...] = ()
    """Stocks, then sectors; those that most posts name first."""
    corrections: tuple[Correction, ...] = ()
    """Of earlier editions; each is told once."""
    introduction: str = ""
    """By an editor: HTML that is safe to show anywhere."""
    sponsor: str = ""
    """Who pays for the edition: likewise, of one line."""
    skipped: tuple[int, ...] = ()
    """Keys of posts that the edition's file left out."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(chain.from_iterable(section.entries for section in self.sections))

    @property
    def balance(self) -> Balance:
        return count(self.entries)


class Balance(Struct, frozen=True, kw_only=True):
    """Where everything is: ``arrived = here + grouped + page``, always."""

    arrived: int
    here: int
    """In the mail."""
    grouped: int
    """Named in the mail beside the post that leads their story."""
    page: int
    """On the full page only."""


class Limits(Struct, frozen=True, kw_only=True):
    """How much a mail shows."""

    leads: int = 24
    """Posts with their summary."""
    leads_per_section: int = 3
    items: int | None = None
    """Posts in all; None: as many as there is room for."""
    minutes: int | None = None
    """How long the mail may take to read, at least one post; None: as long as it takes."""
    quota: int = 40
    """Percent of the posts that a section may have as long as others have some to show."""
    source_quota: int = 100
    """Likewise a medium."""
    html_bytes: int = HTML_BUDGET
    text_bytes: int = TEXT_BUDGET


class Pick(Struct, frozen=True, kw_only=True):
    """A post's turn for a place in the mail."""

    key: int
    shown: Shown
    waited: tuple[str, ...] = ()
    """The quotas by which others went first, since its section or its medium had its share."""


class Recipe(Struct, frozen=True, kw_only=True):
    """How the posts of a digest become its edition and its mail."""

    categories: tuple[str, ...] | None = None
    titles: tuple[CategoryTitle, ...] = ()
    group: bool = True
    weights: Weights = field(default_factory=Weights)
    limits: Limits = field(default_factory=Limits)


def build_edition(
    posts: Iterable[KnownPost],
    recipe: Recipe,
    *,
    digest: str,
    title: str,
    period: str,
    days: tuple[date, date],
    frozen_at: datetime,
    reason: str = Reason.NEW,
    earlier: Mapping[int, Earlier] | None = None,
    corrections: Sequence[Correction] = (),
    titles: Sequence[str] = (),
    named: Container[int] = (),
) -> Edition:
    """The posts in sections: those of the recipe's ``categories`` in that order; if it is None those of every category,
    first in the order of the recipe's ``titles``, then by what is in them: the one with the story of the highest score
    first; posts without a category last. A post of several categories is in the first of them that the digest has.
    Posts of no category of the digest are left out. Stories come by score, equal ones newest first, then by key. With
    ``group`` posts that tell the same story stand together under its main report. ``earlier`` says which posts go on
    with a story of an earlier edition, ``titles`` how common words are on the site (``stories.group_stories``).
    Posts that an editor wants lead their story, and their stories come first in a section, that of the edition's main
    story before all others. Of several that want to be that the newest is, the others are pinned. ``named``: posts
    that the edition's own file names.
    """
    newest = _with_one_lead(_newest_first(posts, recipe))
    stories = _stories(newest, titles) if recipe.group else [[post] for post in newest]
    reasons = {post.key: f"{reason} {post.hand}={_SAYS[post.key in named]}" for post in newest if post.hand is not None}
    return Edition(
        digest=digest,
        title=title,
        period=period,
        first_day=days[0],
        last_day=days[1],
        frozen_at=frozen_at,
        sections=_sections(stories, recipe, _order(recipe), days, lambda key: reasons.get(key, reason), earlier or {}),
        highlights=_highlights(newest),
        corrections=tuple(corrections),
    )


def narrowed(edition: Edition, selection: Selection, recipe: Recipe) -> Edition:
    """An edition as if there were no other posts than those that are wanted, its stories as they were found among all;
    its mail is still to be cut."""
    entries = [entry for entry in edition.entries if selection.matches(entry.categories)]
    order = _order(recipe)
    wanted = replace(recipe, categories=selection.in_order(order) or recipe.categories)
    newest = _newest_first(entries, wanted)
    days = (edition.first_day, edition.last_day)
    earlier = {entry.key: entry.earlier for entry in entries if entry.earlier is not None}
    return replace(
        edition,
        sections=_sections(_stories_again(newest), wanted, order, days, lambda key: Reason.NEW, earlier),
        highlights=_highlights(newest),
        corrections=tuple(each for each in edition.corrections if selection.matches(each.categories)),
    )


def _sections(
    stories: Iterable[Sequence[Item]],
    recipe: Recipe,
    order: Sequence[str],
    days: tuple[date, date],
    reason_of: Callable[[int], str],
    earlier: Mapping[int, Earlier],
) -> tuple[Section, ...]:
    told = [sorted(story, key=_hand_of) for story in stories]
    newest = max((post.published for story in told for post in story), default=None)
    found: dict[str, list[tuple[Sequence[Item], Score]]] = {}
    for story in told:
        assert newest is not None
        points = score(story, recipe.weights, newest, days=(days[1] - days[0]).days + 1)
        found.setdefault(_section_of(story[0], recipe.categories) or "", []).append((story, points))
    by_score = {name: _by_score(stories) for name, stories in found.items()}

    def place(name: str) -> tuple[int, bool, tuple[bool, int, float, int], str]:
        best = min((not _leads(story[0]), *_rank_of(story, points)) for story, points in found[name])
        return _place(order, name), name == "", best, name

    title_of = {category.name: category.title for category in recipe.titles}
    return tuple(
        Section(
            name=name,
            title=title_of.get(name, name),
            entries=tuple(chain.from_iterable(_entries(*each, reason_of, earlier) for each in by_score[name])),
        )
        for name in sorted(by_score, key=place)
    )


def _order(recipe: Recipe) -> tuple[str, ...]:
    """Of sections, as far as the operator set one."""
    return recipe.categories or tuple(title.name for title in recipe.titles)


def count(entries: Iterable[Entry]) -> Balance:
    every = tuple(entries)
    page = sum(entry.shown is Shown.PAGE for entry in every)
    grouped = sum(entry.shown is Shown.GROUPED for entry in every)
    return Balance(arrived=len(every), here=len(every) - grouped - page, grouped=grouped, page=page)


def rank(edition: Edition, limits: Limits) -> tuple[Pick, ...]:
    """Whose turn it is, within the limits of number and time. A mail shows the first so many picks: first those that an
    editor wants, which only its size can stop, then the others."""
    wanted = _wanted(edition)
    picks = sorted(turns(edition, limits), key=lambda pick: pick.key not in wanted)
    picks = picks if limits.items is None else picks[: max(limits.items, len(wanted))]
    return tuple(picks) if limits.minutes is None else _in_time(edition, picks, limits.minutes, max(len(wanted), 1))


def _wanted(edition: Edition) -> set[int]:
    """Keys of the posts that an editor wants in the mail, but for those beside one that leads their story."""
    return {entry.key for entry in edition.entries if entry.hand is not None and entry.story is None}


def turns(edition: Edition, limits: Limits) -> tuple[Pick, ...]:
    """Every post that stands alone or leads a story, in its turn: first the one that an editor made the main story,
    then the summaries in rounds over the sections, so that each has one, then the headlines by score under the quotas
    of their section and their medium. In an edition of one section there are summaries as long as there is room."""
    alone = len(edition.sections) == 1
    leads = [
        entry
        for entry in _rounds(
            section.heads[: None if alone else limits.leads_per_section] for section in edition.sections
        )
        if entry.summary
    ][: None if alone else limits.leads]
    chosen = {entry.key for entry in leads}
    section_of = {entry.key: section.name for section in edition.sections for entry in section.heads}
    shares = [
        Share(
            name="quota",
            of=lambda entry: section_of[entry.key],
            percent=limits.quota,
            taken=Counter(section_of[entry.key] for entry in leads),
        ),
        Share(
            name="source-quota",
            of=lambda entry: entry.source_name if limits.source_quota < 100 else None,
            percent=limits.source_quota,
            taken=Counter(entry.source_name for entry in leads),
        ),
    ]
    rest = [entry for section in edition.sections for entry in section.heads if entry.key not in chosen]
    picks = [Pick(key=entry.key, shown=Shown.LEAD) for entry in leads]
    picks += [Pick(key=e.key, shown=Shown.HEADLINE, waited=waited) for e, waited in in_turn(rest, _place_of, shares)]
    main = {entry.key for entry in edition.entries if _leads(entry)}
    return tuple(sorted(picks, key=lambda pick: pick.key not in main))


def explain(edition: Edition, limits: Limits) -> Edition:
    """An edition whose posts have their places, with the reasons for them."""
    order = {pick.key: (turn, pick) for turn, pick in enumerate(turns(edition, limits), start=1)}
    here = edition.balance.here
    stopped = "bytes"
    if limits.items is not None and here == max(limits.items, len(_wanted(edition))):
        stopped = "items"
    elif limits.minutes is not None and here == len(rank(edition, limits)):
        stopped = "minutes"

    def explained(entry: Entry) -> Entry:
        if entry.story is not None:
            return entry
        turn, pick = order[entry.key]
        words = [entry.reason, f"turn={turn}"]
        words += ["no-summary"] * (not entry.summary)
        words += pick.waited
        words += [f"over={stopped}"] * (entry.shown is Shown.PAGE)
        return replace(entry, reason=" ".join(words))

    return replace(
        edition,
        sections=tuple(
            replace(section, entries=tuple(explained(entry) for entry in section.entries))
            for section in edition.sections
        ),
    )


def reading_minutes(edition: Edition) -> int:
    """How long what the mail shows takes to read, rounded up."""
    return -(-sum(_time_of(entry, entry.shown) for entry in edition.entries) // 60_000)


def _in_time(edition: Edition, picks: Sequence[Pick], minutes: int, least: int) -> tuple[Pick, ...]:
    """The first of them that can be read in this time, ``least`` at least."""
    entry_of = {entry.key: entry for entry in edition.entries}
    left = minutes * 60_000
    for number, pick in enumerate(picks):
        left -= _time_of(entry_of[pick.key], pick.shown)
        if left < 0 and number >= least:
            return tuple(picks[:number])
    return tuple(picks)


def _time_of(entry: Entry, shown: Shown) -> int:
    """Milliseconds to read as much of a post as the mail shows."""
    if shown is Shown.LEAD:
        return reading_time(entry.title) + reading_time(entry.summary[:SUMMARY_LIMIT])
    return reading_time(entry.title) if shown is Shown.HEADLINE else 0


def _place_of(entry: Entry) -> tuple[bool, int, float, int]:
    return (not _leads(entry), -entry.score, -entry.published.timestamp(), entry.key)


def _leads(post: Item) -> bool:
    """Whether an editor made it the main story."""
    return post.hand is Hand.LEAD


def _hand_of(post: Item) -> int:
    """Where a post stands by what an editor wants: the main story, what is pinned, the others."""
    return 2 if post.hand is None else 0 if _leads(post) else 1


_SAYS = ("post", "edition")
"""Where an editor said so: in the post's front matter, or in the edition's file."""


def _with_one_lead(newest: Sequence[KnownPost]) -> list[KnownPost]:
    """Of posts that are to be the main story the first one is."""
    main = next((post.key for post in newest if _leads(post)), None)
    return [replace(post, hand=Hand.PIN) if _leads(post) and post.key != main else post for post in newest]


def show(edition: Edition, picks: Iterable[Pick]) -> Edition:
    """The edition with these posts in the mail, the others of their stories grouped with them, and all the rest on
    the page only."""
    chosen = {pick.key: pick.shown for pick in picks}

    def place(entry: Entry) -> Shown:
        if entry.story is not None:
            return Shown.GROUPED if entry.story in chosen else Shown.PAGE
        return chosen.get(entry.key, Shown.PAGE)

    sections = tuple(
        replace(
            section,
            entries=tuple(replace(entry, shown=place(entry)) for entry in section.entries),
        )
        for section in edition.sections
    )
    return replace(edition, sections=sections)


def members(edition: Edition) -> tuple[EditionMember, ...]:
    """Every post's place, for the store: positions count from 1 within a section."""
    return tuple(
        EditionMember(
            post_key=entry.key, section=section.name, position=position, shown=entry.shown, reason=entry.reason
        )
        for section in edition.sections
        for position, entry in enumerate(section.entries, start=1)
    )


def edition_to_json(edition: Edition) -> str:
    """The whole edition; equal editions give equal text."""
    import msgspec

    return msgspec.json.encode(edition).decode()


def edition_from_json(document: str) -> Edition:
    """What ``edition_to_json`` wrote. Raises ValueError if it is anything else."""
    import msgspec

    try:
        return msgspec.json.decode(document, type=Edition)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not an edition: {error}") from error


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _section_of(post: Item, categories: Sequence[str] | None) -> str | None:
    if categories is None:
        return post.categories[0] if post.categories else ""
    return next((name for name in post.categories if name in categories), None)


def _newest_first(posts: Iterable[SomeItem], recipe: Recipe) -> list[SomeItem]:
    """The posts of the recipe's categories, each once; those of the same moment by key."""
    chosen = {post.key: post for post in posts if _section_of(post, recipe.categories) is not None}
    return sorted(sorted(chosen.values(), key=lambda post: post.key), key=lambda post: post.published, reverse=True)


def _stories(posts: Sequence[KnownPost], titles: Sequence[str]) -> list[list[KnownPost]]:
    """Posts by story, led by its main report."""
    from digest.edition.stories import group_stories  # late: most runs make no edition

    post_of = {post.key: post for post in posts}
    return [[post_of[key] for key in keys] for keys in group_stories([telling_of(post) for post in posts], titles)]


def _stories_again(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The stories of a frozen edition, of which some posts may be missing: one that leads its story goes on to, else
    the first one that has a summary."""
    stories: dict[int, list[Entry]] = {}
    for entry in entries:
        stories.setdefault(entry.key if entry.story is None else entry.story, []).append(entry)
    return [sorted(story, key=lambda entry: (entry.story is not None, not entry.summary)) for story in stories.values()]


def telling_of(post: Item) -> Telling:
    """What is compared of a post to find those that tell the same story."""
    from digest.edition.stories import Telling

    return Telling(
        key=post.key,
        title=post.title,
        summary=post.summary,
        codes=frozenset(f"{code.market},{code.code}" for code in post.codes if not code.is_sector),
    )


def _highlights(posts: Sequence[Item]) -> tuple[Highlight, ...]:
    """The stocks and sectors that most posts name, a few of each; none that fewer than three name."""
    names: dict[tuple[bool, str], Counter[str]] = {}
    for post in posts:
        for key, name in {(code.is_sector, f"{code.market},{code.code}"): code.name for code in post.codes}.items():
            names.setdefault(key, Counter())[name] += 1
    found = [
        Highlight(code=code, name=min(counts, key=lambda name: (-counts[name], name)), is_sector=kind, posts=posts_of)
        for (kind, code), counts in names.items()
        if (posts_of := counts.total()) >= _LEAST_MENTIONS
    ]
    found.sort(key=lambda highlight: (-highlight.posts, highlight.code))
    return tuple(
        highlight
        for kind in (False, True)
        for highlight in [each for each in found if each.is_sector is kind][:_HIGHLIGHTS]
    )


def _by_score(stories: Iterable[tuple[Sequence[Item], Score]]) -> list[tuple[Sequence[Item], Score]]:
    """Those that an editor wants, then the others; each highest first, equal ones newest first, then by key."""
    return sorted(stories, key=lambda told: (_hand_of(told[0][0]), *_rank_of(*told)))


def _rank_of(story: Sequence[Item], told: Score) -> tuple[int, float, int]:
    return -told.points, -story[0].published.timestamp(), story[0].key


def _entries(
    story: Sequence[Item], told: Score, reason_of: Callable[[int], str], earlier: Mapping[int, Earlier]
) -> list[Entry]:
    head, *rest = story
    before = next((earlier[post.key] for post in story if post.key in earlier), None)
    first = replace(_entry(head, " ".join((reason_of(head.key), *told.reasons))), score=told.points, earlier=before)
    return [first, *(_entry(post, f"{reason_of(post.key)} story={head.key}", head.key) for post in rest)]


_TAKEN = (
    *("key", "title", "url", "summary", "published", "source_name", "original_url", "lang"),
    *("categories", "tags", "codes", "hand"),
)
"""What an entry has of its post."""


def _entry(post: Item, reason: str, story: int | None = None) -> Entry:
    return Entry(reason=reason, story=story, **{name: getattr(post, name) for name in _TAKEN})


def _rounds(rows: Iterable[Sequence[Entry]]) -> list[Entry]:
    """The first of each row, then the second of each, and so on; by score within a round."""
    found: list[Entry] = []
    for turn in zip_longest(*rows):
        found += sorted((entry for entry in turn if entry is not None), key=_place_of)
    return found
