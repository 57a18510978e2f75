"""Decide what a batch of files that were read means for the store: new, edited, renamed, back, gone.

Pure: everything known comes in, everything to be written goes out. Two promises are kept here: an id is minted
once and never computed again for a known post, and a post's date never moves once it was published.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from digest.models import (
    HASH_MARK,
    MAIN,
    NO_TEXT,
    Arrival,
    Changes,
    FileRecord,
    FileStat,
    KnownPost,
    Post,
    Problem,
    Refusal,
    Revision,
    Severity,
    source_of,
)

_SAME_DATE = timedelta(days=1)
_LIKE = 0.8
"""From this likeness on two texts may be one that was edited."""
_MOST_OF_A_DATE = 50
"""More posts that share a date to the second have it from a script, and it tells nothing."""
_NUMBERS = re.compile(r"[0-9]+")


class ParsedFile(Struct, frozen=True, kw_only=True, gc=False):
    """A file that was read in this run, and what it gave."""

    path: str
    stat: FileStat
    hash: str
    outcome: Post | Refusal
    unchanged: bool = False
    """The same bytes were read by the same rules before: only what the file system says about them differs."""
    quiet: bool = False
    """The file is as it was, and is read by other rules than before."""


def decide(
    files: Sequence[ParsedFile],
    *,
    known: Mapping[str, KnownPost],
    missing: Sequence[KnownPost],
    linked: Sequence[KnownPost] = (),
    taken_ids: Iterable[str],
    adopted: Mapping[str, str],
    now: datetime,
    importing: bool,
) -> Changes:
    """Decisions for one batch.

    ``known``: posts at these paths, also those that are gone. ``missing``: posts whose path vanished and that found
    no new one yet. ``linked``: posts of other sources that lead to an address of the batch. ``taken_ids``: which of the
    batch's ids belong to some post already. ``adopted``: ids of an earlier feed by address. ``importing``: an archive's
    first run, whose posts count as seen on their own date.
    The result does not depend on the order of ``files``.
    """
    batch = _Batch(known, _Missing(missing), _Elsewhere(linked), set(taken_ids), adopted, now, importing)
    for file in sorted(files, key=lambda file: file.path):
        batch.take(file)
    return batch.changes()


def next_missing(missing: Sequence[KnownPost], changes: Changes) -> list[KnownPost]:
    """The posts that are still without a file after ``changes``: those that were not found under a new path."""
    moved = {revision.key for revision in changes.revisions if revision.is_rename}
    return [post for post in missing if post.key not in moved]


class _Batch(Struct, eq=False):
    """Collects the decisions, file by file."""

    _known: Mapping[str, KnownPost]
    _missing: _Missing
    _elsewhere: _Elsewhere
    _taken: set[str]
    _adopted: Mapping[str, str]
    _now: datetime
    _importing: bool
    _doubled: int = 0
    _minted: dict[str, str] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)
    _arrivals: list[Arrival] = field(default_factory=list)
    _revisions: list[Revision] = field(default_factory=list)
    _gone: list[int] = field(default_factory=list)
    _files: list[FileRecord] = field(default_factory=list)

    def take(self, file: ParsedFile) -> None:
        outcome = file.outcome
        if isinstance(outcome, Refusal):
            self._refused(file, outcome)
            return
        problems = list(outcome.warnings)
        self._check_url(outcome, problems)
        known = self._known.get(file.path)
        if known is not None:
            if not file.unchanged or known.gone_at is not None:
                self._revisions.append(_revision(known, outcome, self._now, is_quiet=file.quiet))
        elif (twin := self._elsewhere.twin(outcome)) is not None:
            if source_of(file.path) != MAIN:
                self._doubled += 1
                self._record(file, taken=False, recheck_at=None, problems=[_doubled(file.path, twin)])
                return
            self._revisions.append(_revision(twin, outcome, self._now, is_rename=True, is_quiet=file.quiet))
        elif (moved := self._missing.match(outcome)) is not None:
            self._revisions.append(_revision(moved, outcome, self._now, is_rename=True))
        else:
            self._arrivals.append(self._arrival(outcome, problems, is_quiet=file.quiet))
        self._record(file, taken=True, recheck_at=outcome.expires, problems=problems)

    def changes(self) -> Changes:
        self._pair()
        return Changes(
            arrivals=tuple(self._arrivals),
            revisions=tuple(self._revisions),
            gone=tuple(self._gone),
            files=tuple(self._files),
            doubled=self._doubled,
        )

    def _pair(self) -> None:
        """Posts that came under another name and with other words: each is the only one that the other can be."""
        found = {arrival.id: key for arrival, key in likely_pairs(self._arrivals, self._missing.left())}
        if found:
            known = {post.key: post for post in self._missing.left()}
            for arrival in self._arrivals:
                if arrival.id in found:
                    old = known[found[arrival.id]]
                    self._revisions.append(_revision(old, arrival.post, self._now, is_rename=True))
            self._arrivals = [arrival for arrival in self._arrivals if arrival.id not in found]

    def _refused(self, file: ParsedFile, refusal: Refusal) -> None:
        known = self._known.get(file.path)
        problem, stays = refusal.problem, False
        if known is not None and known.gone_at is None:
            stays = not refusal.withdraws
            if stays:
                problem = replace(problem, severity=Severity.STALE)
            else:
                self._gone.append(known.key)
        self._record(file, taken=stays, recheck_at=refusal.recheck_at, problems=[problem])

    def _record(
        self, file: ParsedFile, *, taken: bool, recheck_at: datetime | None, problems: Sequence[Problem]
    ) -> None:
        self._files.append(
            FileRecord(
                path=file.path,
                stat=file.stat,
                hash=file.hash,
                taken=taken,
                recheck_at=recheck_at,
                problems=tuple(problems),
                body=file.outcome.body if taken and isinstance(file.outcome, Post) else "",
            )
        )

    # ------------------------------------------------------------------- new

    def _arrival(self, post: Post, problems: list[Problem], *, is_quiet: bool) -> Arrival:
        seen = min(self._now, post.published) if self._importing or is_quiet else self._now
        updated = _first_updated(post, self._now)
        return Arrival(post=post, id=self._mint(post, problems), first_seen=seen, updated=updated)

    def _mint(self, post: Post, problems: list[Problem]) -> str:
        wanted = post.feed_id
        if not post.feed_id_forced:
            wanted = self._adopted.get(post.url, wanted)
        given = wanted
        length = 8
        while given in self._taken or given in self._minted:
            given = f"{wanted}-{hashlib.sha256(post.path.encode('utf-8', 'replace')).hexdigest()[:length]}"
            length += 8
            if length > 72:
                break
        if given != wanted:
            other = self._minted.get(wanted)
            problems.append(
                Problem(
                    path=post.path,
                    reason=f"another post has the id {wanted}" + (f": {other}" if other else ""),
                    remedy="give one of them a slug or feed_id of its own",
                    severity=Severity.WARNING,
                )
            )
        self._minted[given] = post.path
        return given

    def _check_url(self, post: Post, problems: list[Problem]) -> None:
        other = self._urls.setdefault(post.url, post.path)
        if other != post.path:
            problems.append(
                Problem(
                    path=post.path,
                    reason=f"has the same address as {other}: {post.url}",
                    remedy="rename one of them or give it a permalink",
                    severity=Severity.WARNING,
                )
            )


class _Missing:
    """Posts without a file, findable by what a rename leaves the same."""

    def __init__(self, posts: Sequence[KnownPost]) -> None:
        self._by_id: dict[str, list[KnownPost]] = {}
        self._by_original: dict[str, list[KnownPost]] = {}
        self._by_text: dict[tuple[str, str], list[KnownPost]] = {}
        self._moved: set[int] = set()
        for post in sorted(posts, key=lambda post: post.key):
            self._by_id.setdefault(post.id, []).append(post)
            if post.original_url:
                self._by_original.setdefault(post.original_url, []).append(post)
            self._by_text.setdefault((post.title, post.text_hash), []).append(post)

    def match(self, post: Post) -> KnownPost | None:
        """The missing post that this one is: the one with its id, its words, or its original article. Each is
        given once."""
        if not self._by_id:
            return None
        alike = self._by_text.get((post.title, post.text_hash), ())
        if source_of(post.path) != MAIN:  # a feed may say the same every week
            alike = [other for other in alike if abs(other.published - post.published) <= _SAME_DATE]
        candidates: list[KnownPost] = [*self._by_id.get(post.feed_id, ()), *alike]
        if post.original_url:
            candidates += self._by_original.get(post.original_url, ())
        for candidate in candidates:
            if candidate.key not in self._moved:
                self._moved.add(candidate.key)
                return candidate
        return None

    def left(self) -> list[KnownPost]:
        """Those that were not given."""
        posts = {post.key: post for posts in self._by_id.values() for post in posts}
        return [post for key, post in posts.items() if key not in self._moved]


class _Elsewhere:
    """Posts of other sources, by the addresses that they lead to."""

    def __init__(self, posts: Sequence[KnownPost]) -> None:
        self._by_url: dict[str, list[KnownPost]] = {}
        for post in sorted(posts, key=lambda post: post.key):
            for url in {post.url, post.original_url or post.url}:
                self._by_url.setdefault(url, []).append(post)
        self._taken: set[int] = set()

    def twin(self, post: Post) -> KnownPost | None:
        """The post that another source has brought already. To one of ``posts.folder`` it is given once."""
        source = source_of(post.path)
        for url in (post.url, post.original_url):
            for other in self._by_url.get(url or "", ()):
                if source_of(other.path) != source and other.key not in self._taken:
                    if source == MAIN:
                        self._taken.add(other.key)
                    return other
        return None


def likely_pairs(arrivals: Sequence[Arrival], missing: Sequence[KnownPost]) -> list[tuple[Arrival, int]]:
    """Arrivals and keys of missing posts that are each other's only match: of one date, and of title, summary and text
    two are the same or nearly so. Titles with other numbers never are."""
    if not arrivals or not missing:
        return []
    likely: list[tuple[int, int]] = []
    by_date: dict[datetime, list[int]] = {}
    for place, old in enumerate(missing):
        by_date.setdefault(old.published, []).append(place)
    for place, arrival in enumerate(arrivals):
        near = by_date.get(arrival.post.published, [])
        if len(near) <= _MOST_OF_A_DATE:
            likely += [(place, other) for other in near if _is_alike(arrival.post, missing[other])]
    new = Counter(place for place, _ in likely)
    gone = Counter(other for _, other in likely)
    return [(arrivals[place], missing[other].key) for place, other in likely if new[place] == 1 and gone[other] == 1]


def _is_alike(post: Post, old: KnownPost) -> bool:
    from difflib import SequenceMatcher  # late: hardly a run has anything to compare

    def is_like(one: str, other: str) -> bool:
        return one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= _LIKE

    is_of_one = not post.original_url or not old.original_url or post.original_url == old.original_url
    has_text = is_of_one and _text_of(post.text_hash) == _text_of(old.text_hash) != NO_TEXT
    has_title = _NUMBERS.findall(post.title) == _NUMBERS.findall(old.title) and is_like(post.title, old.title)
    return has_text + has_title + is_like(post.summary, old.summary) >= 2


def _text_of(text_hash: str) -> str:
    """The half that stands for the text below the summary; nothing for hashes of another kind."""
    return text_hash[-len(NO_TEXT) :] if text_hash.startswith(HASH_MARK) else NO_TEXT


def _doubled(path: str, twin: KnownPost) -> Problem:
    """Why a post is left out that another source has brought."""
    reason = f"leads to the same address as {twin.path} of another source, which came first: {twin.url}"
    return Problem(path=path, reason=reason, severity=Severity.NOTE)


def _revision(
    known: KnownPost, post: Post, now: datetime, *, is_rename: bool = False, is_quiet: bool = False
) -> Revision:
    """What a known post becomes. Its date stays the one it was published with."""
    updated, is_edit = (known.updated, False) if is_quiet else _updated(known, post, now)
    post = post if post.published == known.published else replace(post, published=known.published)
    return Revision(key=known.key, post=post, updated=updated, is_edit=is_edit, is_rename=is_rename, is_quiet=is_quiet)


def _updated(known: KnownPost, post: Post, now: datetime) -> tuple[datetime, bool]:
    """When the post was last changed for a reader, and whether that is news."""
    if post.modified is not None and known.updated < (modified := min(post.modified, now)):
        return modified, True
    if _reads_otherwise(known, post):
        return max(now, known.updated), True
    return known.updated, False


def _reads_otherwise(known: KnownPost, post: Post) -> bool:
    """Whether a reader sees other words. Of a post that was hashed in another way, title and summary have to tell."""
    if post.text_hash.startswith(HASH_MARK) and not known.text_hash.startswith(HASH_MARK):
        return (post.title, post.summary) != (known.title, known.summary)
    return post.text_hash != known.text_hash


def _first_updated(post: Post, now: datetime) -> datetime:
    """As new as its front matter says, but never older than its date or newer than the run."""
    return post.published if post.modified is None else max(min(post.modified, now), post.published)
