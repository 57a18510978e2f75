"""Collect: look at the posts folder, read what may have changed, write down what is new.

A file whose size, time and inode are the ones of the last look is not opened, and one that is being written not yet
(``settling``). Every batch of files is one transaction, so a run that dies half-way is continued by the next one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from msgspec import Struct, field
from msgspec.structs import replace

from digest.changes import ParsedFile, decide, next_missing
from digest.errors import SourceError
from digest.filetable import FileTable
from digest.jobs.archive.leaving import Fruitless, Missed, Settled, settle
from digest.jobs.archive.settling import Look, Looks, Rest, Settling
from digest.jobs.progress import Progress, silent
from digest.models import (
    MAIN,
    Changes,
    KnownFile,
    KnownPost,
    Listing,
    Origin,
    Post,
    Problem,
    Refusal,
    Severity,
    Version,
)
from digest.ports import PostStore, Source
from digest.withdrawal import USUAL, LeavingRules

BATCH = 2_000
"""Files a transaction."""

Parsed = tuple[str, str, Version, "Post | Refusal | SourceError"]
"""Path, hash of the bytes, what the file was like when they were read, and what they gave."""
ParseMany = Callable[[Sequence[str]], Iterable[Parsed]]
"""Reads and parses files, in their order; may use several processes, and may work ahead of what is asked of it."""


LATEST = 500
"""Of a source that does not show all of its posts, so many are remembered when a post comes that may be one of them."""
_AROUND = timedelta(days=7)
"""A post that two sources bring has about the same date in both."""


class SourceReport(Struct, frozen=True, kw_only=True):
    """What one look at a source beside ``posts.folder`` brought."""

    found: int = 0
    arrived: int = 0
    edited: int = 0
    doubled: int = 0
    """Posts that another source had brought before."""
    fault: str = ""
    """Why it could not be looked at, or not used."""
    failing_since: datetime | None = None
    """When that began, by the real clock."""


class CollectReport(Struct, frozen=True, kw_only=True):
    """What one look at the sources brought."""

    found: int = 0
    """Post files in the folder."""
    opened: int = 0
    """Files that had to be read."""
    taken: int = 0
    """Files that give a post, now."""
    arrived: int = 0
    edited: int = 0
    renamed: int = 0
    gone: int = 0
    """Posts that were withdrawn."""
    withdrawn: tuple[str, ...] = ()
    """Their paths."""
    retained: int = 0
    """Posts that left by age or to another folder, which makes them no less published; each is counted once."""
    waiting: int = 0
    """Posts of which a later day's run decides whether they left by age."""
    held: tuple[str, ...] = ()
    """Paths of posts that are missing and not withdrawn, since they are too many."""
    unread: int = 0
    """Files that could not be read; the next run tries again."""
    unsettled: int = 0
    """Files that are being written, and are read when they rest."""
    settles_in: float | None = None
    """Seconds until they may rest; None if there are none."""
    unsettled_path: str = ""
    """One of them."""
    problems: tuple[Problem, ...] = ()
    """Everything wrong with files now, also with those that did not have to be opened again."""
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    doubled: int = 0
    """Posts that were left out, since another source had brought them before."""
    fault: str = ""
    """Why the source could not be looked at or used; that is among the failures if it is ours to mend."""
    is_due: bool = True
    """False: it was not its time, so that nothing is known of it."""
    memory: str | None = None
    """What the source wants to be handed at its next look; None: as it was."""
    origin: Origin | None = None
    """What a source that was looked at says of itself."""
    sources: dict[str, SourceReport] = {}
    """Those beside ``posts.folder``, by name, as far as they were looked at."""

    @property
    def skipped(self) -> int:
        """Files that give no post; each has a problem that says why."""
        return self.found - self.taken - self.unsettled


def collect(
    store: PostStore,
    source: Source,
    parse_many: ParseMany,
    *,
    rules: str,
    now: datetime,
    settling: Settling,
    leaving: LeavingRules = USUAL,
    accept_gone: bool = False,
    progress: Progress = silent,
    name: str = MAIN,
    has_others: bool = False,
) -> CollectReport:
    """Bring the store up to date with the source of this ``name``. ``has_others``: it is not the only one, so that a
    post may come from two of them.

    ``rules`` is the fingerprint of the parsing rules: when it differs from the last run's, every file is read
    again. ``now`` is the moment the run stands for, ``settling`` tells which files are being written. ``leaving`` says
    what is thought of posts that are missing; ``accept_gone``: so many as there are, they are meant to be gone. Raises
    SourceError if the folder is missing.
    """
    importing = store.is_importing(name)
    before = store.rules(name)
    same_rules = before == rules
    rest = Rest(settling, store)
    listing = source.scan()
    if not listing.is_whole and not listing.files:
        return _nothing_listed(listing)
    look = partial(_look, store, source, rest, now, name, everything=not same_rules)
    seen = look(listing=listing)
    if rest.wait(seen.held):
        seen = look(seen.held)
    table, found, held, is_whole = seen.table, seen.found, seen.held, seen.listing.is_whole
    vanished, later = _vanished(store, seen)
    missing = _unseen(store, name, table, found, vanished, is_whole=is_whole)
    tally = _Tally()
    batches = _Batches(
        store=store,
        now=now,
        importing=importing,
        has_others=has_others,
        is_whole=is_whole,
        listed=table,
        missing=missing,
        reread=set() if same_rules or not before else {table.paths[place] for place in found.as_before},
    )
    fruitless = _read(batches, parse_many, found, tally, rest, held, progress)
    missed = _missed(seen, batches, tally, vanished, fruitless, later=later)
    settled = settle(store, source, missed, leaving, now=now, accepted=accept_gone, name=name)
    if settled.changes != Changes():
        store.record(settled.changes, now)
    if not same_rules and not tally.unread:
        store.set_rules(rules, name)
    rest.keep(held)
    if importing and _is_imported(tally, found, held):
        store.finish_import(now, name)
    return _report(seen, tally, settled, store.problems(name), rest)


def _nothing_listed(listing: Listing) -> CollectReport:
    """It was not time to look, nothing is new, or it could not be looked at."""
    return CollectReport(
        problems=listing.problems,
        fault=listing.fault,
        is_due=listing.memory is not None or listing.fault != "",
        memory=listing.memory,
        origin=listing.origin,
    )


def _vanished(store: PostStore, seen: _Seen) -> tuple[dict[str, str], bool]:
    """Known files that are gone, with their hashes; and whether that is to be told by a later run, since one of those
    that are being written may turn out to be a post that is missing, under its new name."""
    listing = seen.listing
    shown = seen.found.vanished if listing.is_whole else {}
    vanished = {path: hashed for path, hashed in shown.items() if not _is_unreadable(path, listing)}
    later = bool(vanished and seen.held.keys() - store.posts_at(list(seen.held)))
    return {} if later else vanished, later


def _missed(
    seen: _Seen,
    batches: _Batches,
    tally: _Tally,
    vanished: Mapping[str, str],
    fruitless: Sequence[Fruitless],
    *,
    later: bool,
) -> Missed:
    return Missed(
        vanished=vanished,
        missing=batches.missing if seen.listing.is_whole else (),
        fruitless=fruitless,
        listed=seen.table,
        present=seen.found.posts,
        arrived=tally.arrived,
        unclear=[*seen.held, *(problem.path for problem in tally.unread)],
        is_unreadable=bool(seen.listing.unreadable) or later,
    )


def _is_imported(tally: _Tally, found: Compared, held: Looks) -> bool:
    """Without any post the first run is still to come, and an archive that is being written is whole when nothing more
    comes of it."""
    return tally.taken + found.taken > 0 and not (held and (tally.arrived or not found.posts))


def _unseen(
    store: PostStore, name: str, table: FileTable, found: Compared, vanished: Mapping[str, str], *, is_whole: bool
) -> list[KnownPost]:
    """Posts that are not listed any more, and may be so under another path."""
    if is_whole:
        return [post for post in store.posts_at(list(vanished)).values() if post.gone_at is None]
    latest = store.latest_posts(name, LATEST) if found.todo else []
    return [post for post in latest if post.gone_at is None and post.path not in table]


def _read(
    batches: _Batches,
    parse_many: ParseMany,
    found: Compared,
    tally: _Tally,
    rest: Rest,
    held: dict[str, Look],
    progress: Progress,
) -> list[Fruitless]:
    """Read what is to be read, and write down what came of it, batch by batch. Returns posts whose file gives none any
    more. Adds to ``tally`` and ``held``."""
    fruitless: list[Fruitless] = []
    done, table = 0, batches.listed
    stats = map(table.at, found.todo)
    stream = iter(parse_many([table.paths[place] for place in found.todo]))
    while batch := list(zip(islice(stream, BATCH), stats, strict=False)):
        held |= rest.written((path, stat, version) for (path, _, version, _), stat in batch)
        parsed = [(path, hashed, outcome, stat) for (path, hashed, _, outcome), stat in batch if path not in held]
        files = [
            ParsedFile(
                path=path,
                stat=stat,
                hash=hashed,
                outcome=outcome,
                unchanged=found.known_as.get(path) == hashed,
                quiet=path in batches.reread,
            )
            for path, hashed, outcome, stat in parsed
            if not isinstance(outcome, SourceError)
        ]
        changes, without = batches.take(files)
        fruitless += without
        tally.add(changes)
        tally.taken += sum(record.taken for record in changes.files)
        tally.unread += [_unread(path, outcome) for path, _, outcome, _ in parsed if isinstance(outcome, SourceError)]
        done += len(batch)
        progress("reading posts", done, len(found.todo))
    return fruitless


def _report(seen: _Seen, tally: _Tally, settled: Settled, known: Iterable[Problem], rest: Rest) -> CollectReport:
    """``known``: problems of files as the store has them."""
    listing, table, found, held = seen.listing, seen.table, seen.found, seen.held
    return CollectReport(
        found=len(table) + sum(problem.path not in listing.unreadable for problem in listing.problems),
        opened=len(found.todo),
        taken=tally.taken + found.taken,
        arrived=tally.arrived,
        edited=tally.edited,
        renamed=tally.renamed,
        gone=len(settled.changes.gone),
        withdrawn=settled.withdrawn,
        retained=settled.retained,
        waiting=settled.waiting,
        held=settled.held,
        unread=len(tally.unread),
        unsettled=len(held),
        settles_in=rest.settles_in(held) if held else None,
        unsettled_path=min(held, default=""),
        problems=(*listing.problems, *tally.unread, *known),
        failures=() if settled.failure is None else (settled.failure,),
        doubled=tally.doubled,
        fault=listing.fault,
        memory=listing.memory,
        origin=listing.origin,
    )


def joined(
    reports: Mapping[str, CollectReport],
    problems: tuple[Problem, ...],
    failing: Mapping[str, datetime | None],
    warnings: Sequence[str],
) -> CollectReport:
    """One report of all sources, by name; ``posts.folder`` among them if there is one. ``problems``: all of them;
    ``failing``: since when some fail; ``warnings``: what is to be said of them besides."""
    first = reports.get(MAIN, CollectReport())
    if len(reports) == (MAIN in reports):
        return first
    every = list(reports.values())
    sums = {name: sum(getattr(each, name) for each in every) for name in _COUNTS}
    lists = {name: sum((getattr(each, name) for each in every), ()) for name in _LISTS}
    others = {
        name: SourceReport(
            found=each.found,
            arrived=each.arrived,
            edited=each.edited,
            doubled=each.doubled,
            fault=each.fault,
            failing_since=failing.get(name),
        )
        for name, each in reports.items()
        if name != MAIN and each.is_due
    }
    lists["warnings"] += tuple(warnings)
    return replace(first, problems=problems, sources=others, **sums, **lists)


_COUNTS = (
    *("found", "opened", "taken", "arrived", "edited", "renamed", "gone", "retained", "waiting", "unread"),
    *("unsettled", "doubled"),
)
_LISTS = ("withdrawn", "held", "failures", "warnings")


class _Tally:
    """Counts over the batches."""

    def __init__(self) -> None:
        self.taken = self.arrived = self.edited = self.renamed = self.doubled = 0
        self.unread: list[Problem] = []

    def add(self, changes: Changes) -> None:
        self.arrived += len(changes.arrivals)
        self.edited += sum(revision.is_edit for revision in changes.revisions)
        self.renamed += sum(revision.is_rename for revision in changes.revisions)
        self.doubled += changes.doubled


class Compared(Struct, kw_only=True):
    """What differs between a folder and what is known of it."""

    todo: array[int] = field(default_factory=lambda: array("q"))
    """Places in the table of files that are new, changed, or due to be looked at again."""
    as_before: array[int] = field(default_factory=lambda: array("q"))
    """Those of them that did not change since they were read."""
    known_as: dict[str, str] = field(default_factory=dict)
    """Hash at their last reading of those that are known, unless all are read by new rules."""
    vanished: dict[str, str] = field(default_factory=dict)
    """Known files that are not there, with their hashes."""
    taken: int = 0
    """Files that need not be read and gave a post."""
    posts: int = 0
    """All known files that gave one."""


class _Seen(Struct, frozen=True, kw_only=True):
    """One look at a source."""

    listing: Listing
    table: FileTable
    found: Compared
    held: dict[str, Look]
    """What is not read yet, since somebody writes it."""


def _look(
    store: PostStore,
    source: Source,
    rest: Rest,
    now: datetime,
    name: str,
    earlier: Looks | None = None,
    *,
    everything: bool,
    listing: Listing | None = None,
) -> _Seen:
    """One look at the source: what is there (or ``listing``), what of it is to be read, and what is not read yet since
    somebody writes it. ``earlier`` is what the look before it held back."""
    listing = source.scan() if listing is None else listing
    table = FileTable.of(listing.files)
    found = compare(table, store.known_files(name), now, everything=everything)
    found.todo, held = rest.hold_back(table, found.todo, found.as_before, earlier)
    return _Seen(listing=listing, table=table, found=found, held=held)


def compare(files: FileTable, known: Iterable[KnownFile], now: datetime, *, everything: bool = False) -> Compared:
    """Walk along the files and what is ``known``, both by path, holding neither of them twice. With ``everything`` all
    files are to be read."""
    result = Compared()
    paths, place, end = files.paths, 0, len(files)
    is_as_before = files.is_as_before
    for path, size, mtime_ns, inode, hashed, recheck_at, taken in known:
        result.posts += taken
        while place < end and paths[place] < path:
            result.todo.append(place)
            place += 1
        if place == end or paths[place] != path:
            result.vanished[path] = hashed
            continue
        same = is_as_before(place, size, mtime_ns, inode)
        if same and not everything and (recheck_at is None or recheck_at > now):
            result.taken += taken
        else:
            result.todo.append(place)
            if same:
                result.as_before.append(place)
            if not everything:
                result.known_as[path] = hashed
        place += 1
    result.todo.extend(range(place, end))
    return result


def _is_unreadable(path: str, listing: Listing) -> bool:
    return any(path.startswith(f"{folder}/") or not folder for folder in listing.unreadable)


def _unread(path: str, error: SourceError) -> Problem:
    return Problem(path=path, reason=error.cause, remedy=error.remedy, severity=Severity.SKIPPED)


class _Batches(Struct, kw_only=True):
    """Decides about the files of one look, batch by batch, and writes down what comes of it."""

    store: PostStore
    now: datetime
    importing: bool
    has_others: bool
    is_whole: bool
    listed: FileTable
    missing: list[KnownPost]
    """Posts that have been found under no other path so far."""
    reread: set[str]
    """Paths of files that are as they were, and read by other rules."""

    def take(self, files: Sequence[ParsedFile]) -> tuple[Changes, list[Fruitless]]:
        """One batch's changes, which are recorded; and the known posts that it would withdraw, which is decided when
        all are known. Their files are read again until it is."""
        store = self.store
        posts = [file.outcome for file in files if isinstance(file.outcome, Post)]
        known = store.posts_at([file.path for file in files])
        taken_ids = store.ids_taken([post.feed_id for post in posts])
        changes = decide(
            files,
            known=known,
            missing=[*self.missing, *(store.posts_left(taken_ids) if taken_ids else ())],
            linked=self._linked([post for post in posts if post.path not in known]) if self.has_others else (),
            taken_ids=taken_ids,
            adopted=store.adopted_ids([post.url for post in posts]),
            now=self.now,
            importing=self.importing,
        )
        without: list[Fruitless] = []
        if changes.gone:
            changes, without = (
                self._put_off(changes, files, known) if self.is_whole else (replace(changes, gone=()), [])
            )
        store.record(changes, self.now)
        self.missing = next_missing(self.missing, changes)
        return changes, without

    def _linked(self, arriving: Sequence[Post]) -> list[KnownPost]:
        """Posts that may have come from another source before."""
        if not arriving:
            return []
        urls = {url for post in arriving for url in (post.url, post.original_url) if url}
        dates = [post.published for post in arriving]
        return self.store.posts_linked(sorted(urls), min(dates) - _AROUND, max(dates) + _AROUND)

    def _put_off(
        self, changes: Changes, files: Sequence[ParsedFile], known: Mapping[str, KnownPost]
    ) -> tuple[Changes, list[Fruitless]]:
        gone = set(changes.gone)
        records = {record.path: record for record in changes.files}
        without = [
            Fruitless(post=known[file.path], file=records[file.path], expired=_is_expired(file.outcome))
            for file in files
            if file.path in known and known[file.path].key in gone
        ]
        passed = {each.file.path for each in without}
        rest = tuple(record for record in changes.files if record.path not in passed)
        return replace(changes, gone=(), files=rest), without


def _is_expired(outcome: Post | Refusal) -> bool:
    return isinstance(outcome, Refusal) and outcome.expired
