"""What the use cases need from the outside world, as small protocols.

The adapters (``sources``, ``store``, ``publish``, ``mail``) provide them, ``app`` puts them together, the use cases in
``jobs`` see nothing else. All datetimes that go in are aware; all that come out are UTC. Every method may raise
the ``DigestError`` of its floor and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from digest.models import (
    MAIL,
    MAIN,
    Absence,
    Answer,
    Approval,
    AwaitedPage,
    Changes,
    ChannelEdition,
    Delivery,
    DeliveryCounts,
    Doubt,
    EditionKind,
    EditionRow,
    EditionState,
    FrozenEdition,
    InLanguage,
    Item,
    KnownFile,
    KnownPost,
    Listing,
    Outage,
    Problem,
    Receipt,
    Recipient,
    RenderedMail,
    Reply,
    SavedEdition,
    SourceState,
    StoppedReceiver,
    Target,
    Version,
)
from digest.receivers import Throttle

# ------------------------------------------------------------------ source


class Source(Protocol):
    """A place that posts come from."""

    def scan(self) -> Listing:
        """List every post file without opening any. Raises SourceError if the place itself is missing."""
        ...

    def read(self, path: str) -> bytes | Item:
        """One listed post: the bytes of its file, or what another program read. Raises SourceError (gone since, not
        readable, too large)."""
        ...

    def read_version(self, path: str) -> tuple[bytes | Item, Version]:
        """The same, and what a file was like when it had been read to its end."""
        ...

    def elsewhere(self, missing: Mapping[str, str], posts: Container[str]) -> dict[str, str]:
        """Where files lie now that were posts here and are missing: in another folder of the site, counted from this
        place. ``missing``: path to the hash of what was read last, ``posts``: what is listed now. Those that are
        nowhere are left out."""
        ...


# ------------------------------------------------------------------- store


class FeedRow(Struct, frozen=True, kw_only=True):
    """A feed that exists: the one of all posts (kind ``all``), of a category or of a tag, or one of these in a
    language."""

    kind: str
    name: str
    """Category or tag as written; empty for ``all``."""
    stem: str
    """File name without its ending, safe on every file system, never shared, never changed."""
    posts: int
    """How many posts it has now, withdrawn ones not counted."""
    dirty: bool
    """Something in it changed since its files were written."""
    language: str = ""
    """BCP 47, of a feed in one language: the store keeps none of them, they are made from the rows of the others."""


class PostStore(Protocol):
    """Memory of files and posts."""

    def is_importing(self, source: str = MAIN) -> bool:
        """True until the first whole look at a source that found a post is over (``finish_import``)."""
        ...

    def finish_import(self, now: datetime, source: str = MAIN) -> None: ...

    def rules(self, source: str = MAIN) -> str:
        """Fingerprint of the parsing rules that a source's known posts were parsed with; empty at first."""
        ...

    def set_rules(self, fingerprint: str, source: str = MAIN) -> None: ...

    def keep_first(self, name: str, value: str) -> str:
        """The value that was first given under this name: what ids are made from stays when a site moves."""
        ...

    def recall(self, name: str) -> str | None:
        """What ``remember`` kept under this name."""
        ...

    def remember(self, name: str, value: str) -> None:
        """Keep a small fact from run to run."""
        ...

    def source_states(self) -> dict[str, SourceState]:
        """What is known of sources beside ``posts.folder``, by name; of those too that were taken away."""
        ...

    def keep_source_states(self, states: Iterable[SourceState]) -> None: ...

    def known_files(self, source: str = MAIN) -> Iterator[KnownFile]:
        """Every file of a source in earlier runs, by path (code points). Nothing else may be asked of the store before
        the last."""
        ...

    def latest_posts(self, source: str, limit: int) -> list[KnownPost]:
        """Those that came last from a source, gone ones included."""
        ...

    def posts_linked(self, urls: Sequence[str], since: datetime, until: datetime) -> list[KnownPost]:
        """Posts that are not gone and lead to one of these addresses, as their own or as that of their original: those
        of ``posts.folder`` as far as they are dated within these times, those of other sources whenever."""
        ...

    def body(self, path: str) -> str:
        """What was kept of the text of a post (``FileRecord.body``); empty if nothing was, or not any longer."""
        ...

    def forget_bodies(self, before: datetime) -> None:
        """Those that were kept earlier."""
        ...

    def posts_at(self, paths: Sequence[str]) -> dict[str, KnownPost]:
        """The posts that came from these paths, those that are gone included (the latest one of a path)."""
        ...

    def ids_taken(self, ids: Sequence[str]) -> set[str]:
        """Which of these feed ids belong to a post already."""
        ...

    def adopted_ids(self, urls: Sequence[str]) -> dict[str, str]:
        """Ids adopted from an earlier feed, by the entry's link."""
        ...

    def adopt_ids(self, ids: Mapping[str, str]) -> None:
        """Remember the ids of an earlier feed, by the entry's link, for posts that are still to come."""
        ...

    def record(self, changes: Changes, now: datetime) -> None:
        """Write one batch in one transaction; marks every feed dirty that gains, loses or changes a post
        (both of old and new categories) and creates the rows of new ones. Keys grow in the order of the
        arrivals. A known post keeps its id, ``published``, ``first_seen`` and ``collected_at``."""
        ...

    def undecided(self, source: str = MAIN) -> dict[int, Absence]:
        """Posts of a source that are away and of which nobody has decided yet what that means (waiting, held), by
        key."""
        ...

    def posts_left(self, ids: Collection[str]) -> list[KnownPost]:
        """Those with these ids that left the posts folder and stay published (aged, moved)."""
        ...

    def dates_with_files(self, until: datetime, source: str = MAIN) -> list[tuple[int, datetime]]:
        """Key and date of a source's posts that have a file, as far as they are no newer."""
        ...

    def least_age(self, since: datetime, source: str = MAIN) -> timedelta | None:
        """The least age at which posts of a source left by themselves since then; None if none did."""
        ...

    def problems(self, source: str | None = None) -> Iterator[Problem]:
        """Every problem of every known file (of a source), by path. Files that were not opened again keep theirs."""
        ...

    def count_posts(self) -> int:
        """Posts that are not gone."""
        ...


class Archives(Struct, frozen=True, kw_only=True):
    """The closed archives of the overall feed: numbers 1 to ``last``."""

    last: int
    dirty: tuple[int, ...]
    """Those whose files are not on disk as they should be, in order."""


class FeedStore(Protocol):
    """What feeds are made from."""

    def keep_first(self, name: str, value: str) -> str:
        """The value that was first given under this name."""
        ...

    def look(self) -> str:
        """Fingerprint of templates and settings that the published files were made with."""
        ...

    def set_look(self, fingerprint: str) -> None:
        """Remember it, and mark every feed dirty."""
        ...

    def retire_withdrawn(self, before: datetime) -> int:
        """Drop posts gone since earlier than ``before`` from all feeds, and these and unlisted ones from their
        archives (which become dirty). Returns how many posts left feeds."""
        ...

    def feeds(self) -> list[FeedRow]:
        """Every feed, ``all`` first, then categories, then tags, each by name."""
        ...

    def newest(self, kind: str, name: str, limit: int, language: InLanguage | None = None) -> list[KnownPost]:
        """The feed's listed posts, withdrawn ones included until retired, latest ``first_seen`` first, then
        latest ``published``, then greatest key. ``language``: of those, the ones in it."""
        ...

    def languages(self) -> list[str]:
        """Every language that a post names, in order."""
        ...

    def mark_clean(self, feeds: Iterable[FeedRow]) -> None:
        """Their files are safely on disk."""
        ...

    def adopted_ids(self, urls: Sequence[str]) -> dict[str, str]:
        """Ids adopted from an earlier feed; those of feeds themselves by the path of our Atom document."""
        ...

    def live_since(self) -> datetime | None:
        """What was first seen earlier never enters a feed, only archives; None if there is no such time."""
        ...

    def set_live_since(self, moment: datetime) -> None: ...

    def archives(self) -> Archives: ...

    def unarchived(self, limit: int) -> list[KnownPost]:
        """Listed posts that are neither gone nor in a closed archive, by ``first_seen``, then key."""
        ...

    def close_archives(self, groups: Sequence[Sequence[int]]) -> list[int]:
        """Put each group of posts (keys) into the next archive, for good; it is dirty. Returns their numbers."""
        ...

    def archived(self, number: int) -> list[KnownPost]:
        """The posts of one archive that are still listed and not retired, by ``first_seen``, then key."""
        ...

    def mark_archives(self, numbers: Sequence[int] | None, *, dirty: bool) -> None:
        """Their files are (not) safely on disk as they should be; None: all of them."""
        ...


class EditionStore(Protocol):
    """Editions and who is in them."""

    def began(self, digest: str) -> datetime | None:
        """When this digest was first run; None if never."""
        ...

    def begin(self, digest: str, now: datetime) -> None: ...

    def newest_day(
        self, categories: Sequence[str] | None, now: datetime, language: InLanguage | None = None
    ) -> datetime | None:
        """Date of the newest post that is listed, not gone and not in the future. ``categories``, ``language`` None:
        all."""
        ...

    def published_between(
        self,
        categories: Sequence[str] | None,
        start: datetime,
        end: datetime,
        *,
        not_in: str | None = None,
        language: InLanguage | None = None,
    ) -> list[KnownPost]:
        """Listed posts with ``start <= published < end`` that are not gone, newest first, then by key; without those
        that an edition of the digest ``not_in`` has."""
        ...

    def candidates(
        self,
        digest: str,
        categories: Sequence[str] | None,
        oldest: datetime,
        now: datetime,
        language: InLanguage | None = None,
    ) -> list[KnownPost]:
        """Posts collected after ``begin``, in none of the digest's editions, ``oldest <= published <= now``,
        listed, not gone; newest first, then by key."""
        ...

    def passed_over(
        self,
        digest: str,
        categories: Sequence[str] | None,
        last: SavedEdition,
        now: datetime,
        language: InLanguage | None = None,
    ) -> list[tuple[int, str]]:
        """Keys and paths of posts collected since ``last``, the digest's latest edition, was frozen, in none of its
        editions, published up to ``now``, listed, not gone; oldest first."""
        ...

    def edition(self, digest: str, period: str) -> SavedEdition | None: ...

    def editions(self, digest: str, limit: int | None = None) -> list[SavedEdition]:
        """Newest period first; skipped and cancelled ones left out."""
        ...

    def edition_rows(self, digest: str) -> list[EditionRow]:
        """As ``editions``, without their contents: a digest has hundreds of them after a while."""
        ...

    def unapproved_rows(self, digest: str) -> list[EditionRow]:
        """As ``edition_rows``: those that wait for approval (building) and those that nobody approved (skipped)."""
        ...

    def freeze(
        self, edition: FrozenEdition, recipients: Iterable[Recipient], *, due: datetime | None = None
    ) -> SavedEdition | None:
        """Save edition, members and deliveries in ONE transaction. An address that comes twice gets one. None if
        another process was first. ``due`` is when it should have gone out: in a store that was restored, what the lost
        one may have sent by then is in doubt from the beginning."""
        ...

    def skip(
        self,
        digest: str,
        period: str,
        now: datetime,
        kind: EditionKind = EditionKind.DIGEST,
        reason: str = "nothing new",
        *,
        decided: datetime | None = None,
        unless_approved: bool = False,
    ) -> bool:
        """Record that this period has no edition, and why (``nothing new``, ``missed``, ``holiday``, ``not approved``).
        From then on ``edition`` finds it, in state skipped. ``decided`` is the present if the run stands for a later
        time. False if the period is taken already, or was approved meanwhile and that counts (``unless_approved``)."""
        ...

    def open_approvals(self, digest: str | None = None) -> list[Approval]:
        """The editions that wait for approval, of all digests or one; whose time is over first, first."""
        ...

    def begin_approval(
        self, approval: Approval, html: str, notice: tuple[FrozenEdition, Recipient] | None = None
    ) -> int:
        """Keep that an edition waits, and what its mail would be, and queue the mail about it, in ONE transaction. That
        mail's document gets the key, which is returned. A period that has one already waits again, by the same key."""
        ...

    def renew_approval(self, approval: Approval, html: str) -> None:
        """Keep what it has become; nothing if it is over, or was approved as it was."""
        ...

    def end_approvals(self, approvals: Sequence[Approval], now: datetime) -> None:
        """They wait no longer. ``freeze`` and ``skip`` say so by themselves."""
        ...

    def is_taken(self, digest: str, period: str, now: datetime) -> bool:
        """Whether a period has an edition, or was given up for good: not at a time that has not come ``now``."""
        ...

    def skipped_periods(self, digest: str, reason: str) -> set[str]:
        """The periods that ``skip`` recorded for this reason."""
        ...

    def backfill_editions(self, edition: FrozenEdition) -> SavedEdition | None:
        """Save the edition of a past period that is not mailed: finished from the beginning. It takes the place of a
        skipped one. None if the period has an edition."""
        ...

    def editions_since(self, digest: str, since: datetime) -> list[SavedEdition]:
        """Those frozen at ``since`` or later, the oldest first; skipped and cancelled ones left out."""
        ...

    def posts_in(self, editions: Sequence[int]) -> dict[int, KnownPost]:
        """The posts that these editions hold, as they are now, also those that are gone; by key."""
        ...

    def titles_until(self, key: int, limit: int) -> dict[int, str]:
        """The titles of the last posts up to this key, by key, the last first; of those that are gone too."""
        ...

    def unpublished_pages(self) -> list[SavedEdition]:
        """Editions whose page is not on disk yet."""
        ...

    def reread_posts(self, keys: Iterable[int]) -> set[int]:
        """Which of these posts are worded as they are since their files were read by other rules: nobody edited them
        since."""
        ...

    def set_leads(self, leads: Mapping[int, str]) -> None:
        """Keep the headlines that lead editions, by key: lists of editions name them."""
        ...

    def mark_page_published(self, key: int) -> None:
        """Its page and feed are in place: its mail may leave."""
        ...

    def pages_look(self) -> str:
        """Fingerprint of what the pages of editions were made with when all were last in place; empty at first."""
        ...

    def set_pages_look(self, fingerprint: str) -> None: ...


class Share(Struct, frozen=True, kw_only=True):
    """Whose mail is claimed, and as much of it as its receiver takes. All workers together keep to it."""

    receiver: str
    spacing: timedelta | None = None
    """From one message to the next; None: there is no limit, and no turn to take."""
    connections: int | None = None
    """How many may be under way, with this one; None for any number."""


class CommitBatch(Struct, frozen=True, kw_only=True):
    """What one connection writes down before a final dot. A row that is ``taken`` here is no more in doubt when the
    next one begins to be."""

    now: datetime
    begun: Delivery
    """The row whose dot is to leave, leased until now,"""
    until: datetime
    """and the end of its lease while the answer is awaited."""
    taken: tuple[Delivery, Receipt] | None = None
    """The message before it, which the server has accepted, if that is not on disk yet."""
    claim: int = 0
    """How many rows to claim besides, and for how long."""
    lease: timedelta = timedelta(0)
    share: Share | None = None
    """Of which receiver; None: of any."""


class CommitResult(Struct, frozen=True, kw_only=True):
    """What came of it."""

    leased: bool
    """False: the lease of ``Turn.begun`` is lost, no dot may leave."""
    claimed: Sequence[Delivery] = ()


class Ledger(Protocol):
    """The deliveries of all editions: who has what, and what is known about it. Every change of a claimed row
    is guarded by its lease; False means that the lease is lost, and that nothing was changed. Saying the same thing
    twice (after an error that left open whether it was kept) gives True both times, except for ``retry``."""

    def clock(self, now: datetime) -> datetime:
        """The clock that leases are measured by: ``now`` itself where all workers are on one machine, the
        server's where they are not. A worker takes every ``now`` it hands in from here."""
        ...

    def recover(self, now: datetime, *, atomic: bool, channel: str = MAIL) -> tuple[int, int]:
        """Rows of dead workers: leased ones back to queued, transmitting ones to in doubt (to queued when the
        channel is ``atomic``, that is, doing it twice changes nothing). Returns both counts."""
        ...

    def release_doubtful(self, channel: str = MAIL) -> int:
        """``in_doubt: resend``: in doubt becomes queued, and its edition goes on; but only once for each row, so
        that a server which never answers does not get copy after copy. Returns how many."""
        ...

    def doubts(self) -> list[Doubt]:
        """Every row in doubt, by edition, then by key."""
        ...

    def settle_doubts(self, keys: Sequence[int], now: datetime, *, sent: bool) -> int:
        """The operator's word on rows in doubt: taken as sent; or queued again, due now, and their edition goes on.
        Rows that are in doubt no more, and those of a cancelled edition, stay as they are. Returns how many changed."""
        ...

    def expire(self, now: datetime) -> int:
        """Queued rows of editions whose time is over become expired. Returns how many."""
        ...

    def claim(
        self, now: datetime, limit: int, lease: timedelta, channel: str = MAIL, share: Share | None = None
    ) -> list[Delivery]:
        """Take at most ``limit`` rows of a channel that are due, of editions that may be sent now and are not over;
        nobody else gets them until the lease ends. Counts an attempt, and starts the edition. What an edition's page
        and feed are not in place for is not due before ``outbox.last_call``. Of mail a ``share`` says whose; nothing is
        claimed if it is not this receiver's turn."""
        ...

    def queues(self, now: datetime) -> list[Throttle]:
        """Receivers that ``claim`` would find mail for, if it were their turn, and how it stands with each."""
        ...

    def know_receivers(self, names: Sequence[str], now: datetime) -> None:
        """Domains with limits of their own: what is and will be queued for them goes by itself. Others are forgotten
        when nothing was heard of them for long."""
        ...

    def slow_receiver(self, throttle: Throttle) -> None:
        """It has asked for less. All workers keep to it from now on."""
        ...

    def renew(self, delivery: Delivery, until: datetime) -> bool:
        """Lengthen the lease of a row that is leased: a slow server must not cost it."""
        ...

    def turn(self, turn: CommitBatch) -> CommitResult:
        """The body of a message is out, the final dot is not; and what else there is to write down. All of it in one
        commit, on disk when this returns."""
        ...

    def sent(self, delivery: Delivery, now: datetime, receipt: Receipt) -> bool: ...

    def in_doubt(self, delivery: Delivery, now: datetime, reason: str) -> bool: ...

    def retry(self, delivery: Delivery, not_before: datetime | None, reply: Reply, *, counted: bool) -> bool:
        """Back to the queue, due at ``not_before``; None: as it was. ``counted``: the attempt counts."""
        ...

    def failed(self, delivery: Delivery, now: datetime, reply: Reply) -> bool: ...

    def skipped(self, delivery: Delivery, now: datetime, reason: str) -> bool:
        """A leased row that must not be sent after all: its address left since the edition was frozen."""
        ...

    def edition_by_key(self, key: int) -> SavedEdition: ...

    def frozen_look(self, hashed: str) -> str:
        """``FrozenEdition.look`` by ``SavedEdition.look``; empty if there is none."""
        ...

    def mail(self, key: int, selection: str) -> RenderedMail | None:
        """What ``keep_mail`` kept."""
        ...

    def keep_mail(self, key: int, selection: str, mail: RenderedMail) -> RenderedMail:
        """Keep an edition's mail for a selection until nothing of the edition can be sent any more: every attempt has
        these bytes, whatever another version of the program would make of it. Returns what is kept: another worker may
        have been first."""
        ...

    def counts(self, edition_key: int | None = None) -> DeliveryCounts: ...

    def next_due(self) -> datetime | None:
        """When the earliest queued row may be tried; those that wait for a page left out."""
        ...

    def is_due(self, now: datetime, channels: Iterable[str] = (MAIL,)) -> bool:
        """Whether ``claim`` would find something by one of these channels."""
        ...

    def retire_channels(self, known: Collection[str], now: datetime) -> int:
        """What waits for a channel that is none of these, nor mail, is skipped: it was taken out of the configuration.
        Returns how many."""
        ...

    def outages(self) -> dict[str, Outage]:
        """Channels that take nothing, as far as anybody who sends has found."""
        ...

    def note_outage(self, now: datetime, reason: str, *, is_try: bool, channel: str = MAIL) -> None:
        """Nothing could be handed over. ``is_try``: the receiver could not even be asked."""
        ...

    def end_outage(self, channel: str = MAIL) -> None:
        """It takes something again."""
        ...

    def awaited_pages(self) -> list[AwaitedPage]:
        """Editions with mail in the queue that waits for their page, the oldest first."""
        ...

    def answers(self, key: int, limit: int, group: str | None = None) -> list[Answer]:
        """What servers said last about mail of an edition, the latest first, for good. Those before it was resumed do
        not count. ``group``: only that one's, as ``receivers.group_of`` names it."""
        ...

    def is_for_others(self, key: int, group: str) -> bool:
        """Whether an edition has mail to anybody besides this group."""
        ...

    def throttles(self) -> list[Throttle]:
        """Of all receivers that have asked for less."""
        ...

    def stop_receiver(self, key: int, group: str, reason: str, now: datetime) -> bool:
        """From now on nothing more of an edition goes to one group; the rest of it goes on. What its refusals led to is
        undone, as in ``pause_edition``. False if it is stopped already."""
        ...

    def stopped_receivers(self, key: int | None = None) -> list[StoppedReceiver]:
        """Groups that editions under way do not go to, of all of them or of one."""
        ...

    def pause_edition(self, key: int, reason: str, now: datetime) -> bool:
        """From now on no mail of a frozen or sending edition is claimed; rows in hand are finished, queued ones still
        expire. What its refusals led to is undone: they say nothing about subscribers. False if it was in another state
        (paused already, say)."""
        ...

    def resume_edition(self, key: int, now: datetime) -> int:
        """Undo ``pause_edition`` and ``stop_receiver``: all of its mail in the queue is due now. So are rows that
        failed by a refusal of ourselves and not of the subscriber (verdict policy, content or relay). Of an edition
        that is being sent or is done, and not over, these alone are. Returns how many are queued."""
        ...

    def cancel_edition(self, digest: str, period: str, now: datetime) -> int | None:
        """Send nothing more of an edition. What waits or is in hand is skipped (a worker that has it loses its lease,
        so no dot leaves), what is transmitting is finished. Returns how many were skipped; None if nothing of that name
        was to be sent."""
        ...

    def paused_editions(self) -> list[tuple[SavedEdition, str]]:
        """With the reason of each."""
        ...

    def settle(self, now: datetime) -> list[tuple[SavedEdition, EditionState]]:
        """Close editions without open rows, paused ones too; returns those that changed state: finished, or expired
        if time ran out before anybody got it. In doubt counts as closed; ``release_doubtful`` opens it again. What came
        back to the queue of a cancelled edition is skipped."""
        ...


class RunStore(Protocol):
    """The log of runs, and the right to run."""

    def exclusive(self, purpose: str, since: datetime | None = None) -> AbstractContextManager[None]:
        """Hold the only right to run on this store. Raises AlreadyRunning at once if another process has it; that tells
        its ``purpose``, and ``since`` when it is at work (by the real clock). The operating system or database lets go
        of it when the process dies."""
        ...

    def sending(self, purpose: str, since: datetime | None = None) -> AbstractContextManager[None]:
        """As ``exclusive``, for the right to be the one run that sends: two of them would double the rate. Whoever
        works on the ledger alone needs no right."""
        ...

    def leading(self, purpose: str) -> AbstractContextManager[Callable[[], bool]]:
        """As ``exclusive``, for the right to be the one service that starts runs by the clock; gives a question that
        tells whether it is still held (a server that was restarted has forgotten it)."""
        ...

    def recall(self, name: str) -> str | None:
        """What ``remember`` kept under this name."""
        ...

    def remember(self, name: str, value: str) -> None:
        """Keep a small fact from run to run."""
        ...

    def started(self, now: datetime) -> int: ...

    def ended(
        self, run: int, now: datetime, report: str, *, ok: bool = True, arrived: int = 0, written: int = 0
    ) -> None:
        """``report`` is the run's report as JSON; ``arrived`` posts were new, ``written`` files put in place."""
        ...

    def is_approval_due(self, now: datetime) -> bool:
        """Whether an edition that waited was approved, or its time is over."""
        ...


class Store(PostStore, FeedStore, EditionStore, Ledger, RunStore, Protocol):
    """All of it, as one database gives it."""


# ----------------------------------------------------------------- publish


class Output(Protocol):
    """Where published files go."""

    def write(self, path: str, data: bytes) -> bool:
        """Put one file (with its compressed siblings) in place, whole or not at all. False: it was the same
        already and nothing was touched. ``path`` is relative, with ``/``."""
        ...

    def batch(self) -> AbstractContextManager[None]:
        """Within it files may be put in place in groups, in the order they were written; at its end all are in
        place, safely on disk. May raise the OutputError of any of them at its end."""
        ...

    def remove(self, path: str) -> bool:
        """Remove a file and its compressed siblings. False if there was none."""
        ...

    def leave(self, path: str) -> None:
        """Somebody else has put a file of their own there, which stays: what was put beside ours for web servers goes.
        Raises OutputError."""
        ...

    def read(self, path: str) -> bytes | None: ...

    def exists(self, path: str) -> bool: ...

    def listing(self, folder: str) -> set[str]:
        """Names of the files directly in a folder; empty if there is none."""
        ...


# ---------------------------------------------------------------- channels


def _nothing() -> None:
    """There is nothing to do meanwhile."""


class Commit(Struct, frozen=True):
    """What a channel asks for right before its receiver can act on what was sent: from then on a failure leaves the
    delivery in doubt. A channel that waits for others may say so, for there may be time for something else."""

    ask: Callable[[], bool]
    after: Callable[[], None] = _nothing
    """To be called once all is out and before the answer is read; never raises."""
    unanswered: Callable[[], None] = _nothing
    """To be called, perhaps several times, when the receiver is slow before that; never raises."""

    def __call__(self) -> bool:
        """False: what was begun must be abandoned, since another worker has the delivery now."""
        return self.ask()


WITHOUT_LEDGER = Commit(lambda: True)
"""For what is sent past the ledger."""

Sendable = TypeVar("Sendable", contravariant=True)
"""What a channel sends: mail channels ``models.Outgoing``, others ``models.ChannelEdition``."""


class Channel(Protocol[Sendable]):
    """A way for editions to leave. May be used by several threads."""

    atomic: bool
    """Doing it twice changes nothing, so no delivery is ever in doubt."""

    def send(self, edition: Sendable, target: Target, before_commit: Commit) -> Receipt:
        """Hand over an edition to one receiver. ``before_commit`` is asked when everything but the end is out (a
        channel that is ``atomic`` need not ask again for what is in place already). Raises TemporaryFailure or
        PermanentFailure (certainly not sent), or Doubtful (nobody can know)."""
        ...

    def close(self) -> None:
        """Let go of connections. The channel can be used again afterwards."""
        ...


class ChannelKind(Protocol):
    """What opens channels of a kind, best the channel's class itself."""

    Settings: type[Struct]
    """The keys of its own that the configuration may have, each with a ``msgspec.Meta`` that describes it."""

    def __call__(self, settings: Any, url: str) -> Channel[ChannelEdition]:
        """A channel with these keys that sends to this address, which is empty if none is configured. Connects to
        nobody yet. Raises ValueError, which continues a sentence about the channel: what is wrong; what to do."""
        ...


# ------------------------------------------------------------------ render


class Language(Protocol):
    """Texts and dates in the site's language."""

    tag: str
    """The site's, as BCP 47: ``zh-CN``."""

    @property
    def spoken(self) -> str:
        """That of the texts: the site's, or ``en`` if there is no catalogue of it."""
        ...

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``, of the texts."""
        ...

    def direction_of(self, tag: str) -> str:
        """``ltr`` or ``rtl``, of any language (BCP 47)."""
        ...

    def text(self, message: str, **values: object) -> str:
        """The message in this language, with ``{name}`` filled in. Not escaped."""
        ...

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        """As ``text``; ``{count}`` is the number in this language."""
        ...

    def day(self, moment: datetime) -> str:
        """``11月24日星期二``; the moment's own zone decides the day."""
        ...

    def long_day(self, moment: datetime) -> str:
        """``2026年11月24日星期二``."""
        ...

    def short_day(self, moment: datetime, *, with_year: bool) -> str:
        """``11月24日``, ``2026年11月24日``."""
        ...

    def days(self, first: datetime, last: datetime, *, with_year: bool) -> str:
        """``11月16日至22日``, ``16–22 November``: what both ends have in common is said once."""
        ...

    def weekday(self, moment: datetime) -> str:
        """``周二``."""
        ...

    def month(self, moment: datetime) -> str:
        """``2026年11月``."""
        ...

    def time(self, moment: datetime) -> str:
        """``17:05``."""
        ...

    def number(self, value: int) -> str: ...

    def own_name(self, tag: str) -> str:
        """Another language (BCP 47) as it calls itself; its tag if that is unknown."""
        ...

    @property
    def catalogue(self) -> tuple[bytes, ...]:
        """The files of texts as gettext reads them, the particular after the general."""
        ...


class Templates(Protocol):
    """Fills templates. HTML is escaped unless the template's name ends in ``.txt``."""

    def render(self, name: str, context: Mapping[str, object]) -> str:
        """Raises TemplateError with file, line and the missing name."""
        ...

    def sources(self, names: Iterable[str]) -> dict[str, str]:
        """The text of these templates and of all that they name, by name."""
        ...


# ------------------------------------------------------------------ probes


class Names(Protocol):
    """The DNS. Names are ASCII (A-labels). What does not exist is empty; every method raises ProbeError if there is
    no answer, which is something else."""

    def txt(self, name: str) -> tuple[str, ...]:
        """The texts of a name, the strings of each joined."""
        ...

    def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """Preference and host; the host is empty for "no mail here" (RFC 7505)."""
        ...

    def addresses(self, name: str, *, version: Literal[4, 6] | None = None) -> tuple[str, ...]: ...

    def pointers(self, address: str) -> tuple[str, ...]:
        """The names of an IP address."""
        ...


class WebAnswer(Struct, frozen=True, kw_only=True):
    """What a web server answered."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


class Fetch(Protocol):
    """One request over HTTP; redirects are not followed."""

    def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> WebAnswer:
        """Raises ProbeError."""
        ...
