"""Collect: look at the posts folder, read what may have changed, write down what is new.

A file whose size, time and inode are the ones of the last look is not opened, and one that is being written not yet
(``settling``). Every batch of files is one transaction, so a run that dies half-way is continued by the next one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
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
from digest.models import Changes, KnownFile, KnownPost, Listing, Post, Problem, Refusal, Severity, Version
from digest.ports import PostStore, Source
from digest.withdrawal import USUAL, LeavingRules

BATCH = 2_000
"""Files a transaction."""

Parsed = tuple[str, str, Version, "Post | Refusal | SourceError"]
"""Path, hash of the bytes, what the file was like when they were read, and what they gave."""
ParseMany = Callable[[Sequence[str]], Iterable[Parsed]]
"""Reads and parses files, in their order; may use several processes, and may work ahead of what is asked of it."""


class CollectReport(Struct, frozen=True, kw_only=True):
    """What one look at the posts folder brought."""

    found: int
    """Post files in the folder."""
    opened: int
    """Files that had to be read."""
    taken: int
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
) -> CollectReport:
    """Bring the store up to date with the source.

    ``rules`` is the fingerprint of the parsing rules: when it differs from the last run's, every file is read
    again. ``now`` is the moment the run stands for, ``settling`` tells which files are being written. ``leaving`` says
    what is thought of posts that are missing; ``accept_gone``: so many as there are, they are meant to be gone. Raises
    SourceError if the folder is missing.
    """
    importing = store.is_importing()
    same_rules = store.rules() == rules
    rest = Rest(settling, store)
    look = partial(_look, store, source, rest, now, everything=not same_rules)
    listing, table, found, held = look()
    if rest.wait(held):
        listing, table, found, held = look(held)
    vanished = {path: hashed for path, hashed in found.vanished.items() if not _is_unreadable(path, listing)}
    # One of those that are being written may turn out to be a post that is missing, under its new name.
    later = bool(vanished and held.keys() - store.posts_at(list(held)))
    vanished = {} if later else vanished
    missing = [post for post in store.posts_at(list(vanished)).values() if post.gone_at is None]
    tally = _Tally()
    missing, fruitless = _read(store, parse_many, table, found, missing, tally, rest, held, progress, now, importing)
    missed = Missed(
        vanished=vanished,
        missing=missing,
        fruitless=fruitless,
        listed=table,
        present=found.posts,
        arrived=tally.arrived,
        unclear=[*held, *(problem.path for problem in tally.unread)],
        is_unreadable=bool(listing.unreadable) or later,
    )
    settled = settle(store, source, missed, leaving, now=now, accepted=accept_gone)
    if settled.changes != Changes():
        store.record(settled.changes, now)
    if not same_rules and not tally.unread:
        store.set_rules(rules)
    rest.keep(held)
    posts = tally.taken + found.taken
    if importing and posts and not (held and (tally.arrived or not found.posts)):
        # Without any post the first run is still to come, and an archive that is being written is whole when nothing
        # more comes of it.
        store.finish_import(now)
    return _report(table, found, listing, tally, settled, store.problems(), rest, held)


def _read(
    store: PostStore,
    parse_many: ParseMany,
    table: FileTable,
    found: Compared,
    missing: list[KnownPost],
    tally: _Tally,
    rest: Rest,
    held: dict[str, Look],
    progress: Progress,
    now: datetime,
    importing: bool,
) -> tuple[list[KnownPost], list[Fruitless]]:
    """Read what is to be read, and write down what came of it, batch by batch. Returns missing posts that were found
    under no other path, and those whose file gives none any more. Adds to ``tally`` and ``held``."""
    fruitless: list[Fruitless] = []
    done = 0
    stats = map(table.at, found.todo)
    stream = iter(parse_many([table.paths[place] for place in found.todo]))
    while batch := list(zip(islice(stream, BATCH), stats, strict=False)):
        held |= rest.written((path, stat, version) for (path, _, version, _), stat in batch)
        parsed = [(path, hashed, outcome, stat) for (path, hashed, _, outcome), stat in batch if path not in held]
        files = [
            ParsedFile(path=path, stat=stat, hash=hashed, outcome=outcome, unchanged=found.known_as.get(path) == hashed)
            for path, hashed, outcome, stat in parsed
            if not isinstance(outcome, SourceError)
        ]
        changes, without = _decide(store, files, missing, now=now, importing=importing)
        store.record(changes, now)
        fruitless += without
        missing = next_missing(missing, changes)
        tally.add(changes)
        tally.taken += sum(isinstance(outcome, Post) for _, _, outcome, _ in parsed)
        tally.unread += [_unread(path, outcome) for path, _, outcome, _ in parsed if isinstance(outcome, SourceError)]
        done += len(batch)
        progress("reading posts", done, len(found.todo))
    return missing, fruitless


def _report(
    table: FileTable,
    found: Compared,
    listing: Listing,
    tally: _Tally,
    settled: Settled,
    known: Iterable[Problem],
    rest: Rest,
    held: Looks,
) -> CollectReport:
    """``known``: problems of files as the store has them; ``held``: what is being written."""
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
    )


class _Tally:
    """Counts over the batches."""

    def __init__(self) -> None:
        self.taken = self.arrived = self.edited = self.renamed = 0
        self.unread: list[Problem] = []

    def add(self, changes: Changes) -> None:
        self.arrived += len(changes.arrivals)
        self.edited += sum(revision.is_edit for revision in changes.revisions)
        self.renamed += sum(revision.is_rename for revision in changes.revisions)


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


def _look(
    store: PostStore, source: Source, rest: Rest, now: datetime, earlier: Looks | None = None, *, everything: bool
) -> tuple[Listing, FileTable, Compared, dict[str, Look]]:
    """One look at the folder: what is there, what of it is to be read, and what is not read yet since somebody writes
    it. ``earlier`` is what the look before it held back."""
    listing = source.scan()
    table = FileTable.of(listing.files)
    found = compare(table, store.known_files(), now, everything=everything)
    found.todo, held = rest.hold_back(table, found.todo, found.as_before, earlier)
    return listing, table, found, held


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


def _decide(
    store: PostStore, files: Sequence[ParsedFile], missing: Sequence[KnownPost], *, now: datetime, importing: bool
) -> tuple[Changes, list[Fruitless]]:
    """One batch's changes; and the known posts that it would withdraw, which is decided when all are known. Their
    files are read again until it is."""
    posts = [file.outcome for file in files if isinstance(file.outcome, Post)]
    known = store.posts_at([file.path for file in files])
    taken_ids = store.ids_taken([post.feed_id for post in posts])
    changes = decide(
        files,
        known=known,
        missing=[*missing, *(store.posts_left(taken_ids) if taken_ids else ())],
        taken_ids=taken_ids,
        adopted=store.adopted_ids([post.url for post in posts]),
        now=now,
        importing=importing,
    )
    if not changes.gone:
        return changes, []
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
