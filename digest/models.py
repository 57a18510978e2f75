"""The nouns that cross floors: posts, files, problems, editions, deliveries.

All of them are frozen values. Every datetime is aware; inside the program it is UTC, the site's zone appears
only where a day is decided (``period``) and where a person reads a time (``render``).

``gc=False`` stands at those that a run makes of every file: they hold other values alone, so there is no cycle for the
garbage collector to look for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct, field

# ---------------------------------------------------------------- problems


class Severity(StrEnum):
    """How much a problem cost."""

    SKIPPED = "skipped"
    """The post was not taken."""
    WARNING = "warning"
    """The post was taken, but something in it could not be used."""
    NOTE = "note"
    """The post was left out on purpose: a draft, unpublished, not due yet."""
    STALE = "stale"
    """The file gives no post any more, and nothing in it says that this is meant: what it gave before stays."""


class Problem(Struct, frozen=True, kw_only=True, gc=False):
    """One thing wrong with one file: where, what, and what to do."""

    path: str
    """Path below the posts folder, with ``/``."""
    line: int | None = None
    """Line in the file, counted from 1, if one line is to blame."""
    reason: str
    """What is wrong, lower case, no full stop."""
    remedy: str = ""
    """What to do about it, lower case, no full stop."""
    severity: Severity = Severity.SKIPPED

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


# ----------------------------------------------------------------- sources

MAIN = "posts"
"""The source that ``posts.folder`` is. Its paths are those below the folder; those of every other source begin with its
name and two slashes, which no path has."""


def source_of(path: str) -> str:
    """The name of the source that a path belongs to."""
    name, slashes, _ = path.partition("//")
    return name if slashes else MAIN


def path_in(source: str, ref: str) -> str:
    """The path of what a source calls ``ref``."""
    return ref if source == MAIN else f"{source}//{ref}"


def ref_of(path: str) -> str:
    """What its source calls a path."""
    _, slashes, ref = path.partition("//")
    return ref if slashes else path


# ------------------------------------------------------------------- files


class FileStat(NamedTuple):
    """The version of a file: what the file system tells about it without opening it. Only its source knows what the
    numbers mean; others have ``stamp_of`` make them. A tuple, as ``KnownFile``: every run makes one of every file, and
    tuples are made and compared several times faster."""

    size: int
    mtime_ns: int
    inode: int


Version = tuple[int, int]
"""Size and time of a file when it was read: when they are those of the listing, nobody wrote to it in between."""
UNREAD: Version = (0, 0)


class KnownFile(NamedTuple):
    """A file of an earlier run, as the store remembers it."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    hash: str
    """Of the bytes that were read (``hashing``)."""
    recheck_at: datetime | None = None
    """When the file must be opened again although it did not change: a future date arrives, a post expires."""
    taken: bool = True
    """Whether it gave a post."""


class Origin(Struct, frozen=True, kw_only=True):
    """The publication that a source's posts are taken from, as it speaks of itself."""

    title: str = ""
    url: str = ""
    """Its page."""
    feed_url: str = ""
    feed_id: str = ""


class SourceState(Struct, frozen=True, kw_only=True):
    """What is known of a source beside ``posts.folder``. Times are those of the real clock, UTC."""

    name: str
    memory: str = ""
    """Its own, as ``Listing`` has it."""
    checked_at: datetime | None = None
    ok_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    """In a row."""
    fault: str = ""
    """The last one, in one line."""
    origin: Origin | None = None
    posts: int = 0
    """How many have come from it."""


class Listing(Struct, frozen=True, kw_only=True):
    """One look at a source. ``unreadable`` are folders that could not be read: what is known to be in them is unknown
    now, not gone. ``problems`` says why, and names entries that were passed over."""

    files: Mapping[str, FileStat]
    unreadable: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_whole: bool = True
    """What is not listed is gone. Otherwise nothing is known of it: a feed shows its latest entries only."""
    memory: str | None = None
    """What the source wants to be handed at its next look; kept once everything that this one listed is written down.
    None: as it was."""
    fault: str = ""
    """Why it could not be looked at this time, in one line; nothing is listed then."""
    origin: Origin | None = None
    """None: there is nothing to say, or nothing new."""


class Place(Struct, frozen=True, kw_only=True):
    """A folder that something is written into, or would be."""

    path: str
    exists: bool
    is_folder: bool
    """It is one, or the first place above it that exists is."""
    is_writable: bool
    free: int
    """Octets that this user can still write there."""


# ------------------------------------------------------------------- posts


class Author(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    email: str | None = None
    url: str | None = None


class Code(Struct, frozen=True, kw_only=True, gc=False):
    """A stock or sector that a body links: ``data-code="90,BK1036"`` around 半导体."""

    market: str
    code: str
    name: str
    mentions: int = 1

    @property
    def is_sector(self) -> bool:
        return self.code.upper().startswith("BK")


@lru_cache(maxsize=16_384)
def shared_code(market: str, code: str, name: str, mentions: int) -> Code:
    """A ``Code``, made once: the same few come again and again."""
    return Code(market=market, code=code, name=name, mentions=mentions)


class Attachment(Struct, frozen=True, kw_only=True, gc=False):
    """A media file that belongs to a post (RSS enclosure)."""

    url: str
    mime_type: str
    length: int = 0
    """Bytes; 0 when unknown."""


HASH_MARK = "y"
"""Begins the ``text_hash`` of posts. Stores that came before it have hashes of another kind."""
NO_TEXT = "0" * 16
"""Ends the ``text_hash`` of posts with little or no text below their summary."""


class Hand(StrEnum):
    """What an editor wants of a post in editions, whatever it scores."""

    LEAD = "lead"
    """It is the edition's main story."""
    PIN = "pin"
    """It is the first one of its section, and in the mail whatever else has no room there."""
    SKIP = "skip"
    """It is in no edition."""


class Post(Struct, frozen=True, kw_only=True, gc=False):
    """What one file says: the result of parsing, free of any memory of earlier runs.

    All text is plain (no markup, no character that XML 1.0 forbids) except ``body``. All URLs are absolute.
    """

    path: str
    title: str
    published: datetime
    """The post's date, aware."""
    modified: datetime | None = None
    """``last_modified_at``, ``lastmod`` or ``updated`` of the front matter."""
    url: str
    """Absolute address of the post's page, percent-encoded."""
    feed_id: str
    """The id to mint when the post is new (by the configured scheme), or the one its front matter demands."""
    feed_id_forced: bool = False
    """True if the front matter's ``feed_id`` gave it."""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    summary: str = ""
    lead: str = ""
    """The markup of the quotation that opens the text, if that is the summary."""
    body: str = ""
    """The markup that follows the summary, without navigation tail and original link; not sanitised. Pass it
    to ``posts.body.to_html``."""
    is_html: bool = False
    """The body is HTML by its file name, not Markdown."""
    original_url: str | None = None
    source_name: str | None = None
    authors: tuple[Author, ...] = ()
    image: str | None = None
    lang: str | None = None
    codes: tuple[Code, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    text_hash: str
    """Hash of title, summary and body text with markup and white space normalised: differs only when a reader
    would see other words."""
    unlisted: bool = False
    """Has a page, but enters no feed and no digest."""
    hand: Hand | None = None
    """``digest`` of the front matter; what readers see of the post is the same with another one."""
    expires: datetime | None = None
    warnings: tuple[Problem, ...] = ()


class Item(Struct, frozen=True, kw_only=True, gc=False):
    """A post that was read by another program: what a source gives that has no files. Nothing in it is trusted, and
    nothing has to be there; ``posts.items`` makes a ``Post`` of it, or says why it does not."""

    id: str = ""
    """As the source knows it, unique there."""
    url: str = ""
    """Of the post's page; relative ones are no address."""
    title: str = ""
    """Text, in which HTML counts as markup."""
    published: datetime | None = None
    """Aware."""
    updated: datetime | None = None
    summary: str = ""
    """HTML or text."""
    content: str = ""
    """HTML of the whole post, if the source has it."""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source_name: str = ""
    """The medium."""
    authors: tuple[Author, ...] = ()
    image: str = ""
    lang: str = ""
    """BCP 47."""
    attachments: tuple[Attachment, ...] = ()


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """A file that gave no post."""

    problem: Problem
    recheck_at: datetime | None = None
    """When the same bytes would give a post, if time alone is missing."""
    expired: bool = False
    """It gave a post until the time that it names itself."""
    withdraws: bool = False
    """It says that there is to be no post: a draft, not published, expired. Anything else is a file that is broken."""


class KnownPost(Struct, frozen=True, kw_only=True, gc=False):
    """A post as the store keeps it, with its identity and history. Times are UTC."""

    key: int
    id: str
    """Minted once, never computed again (Atom id, RSS guid, JSON Feed id)."""
    path: str
    title: str
    url: str
    summary: str
    published: datetime
    updated: datetime
    first_seen: datetime
    """When the post entered our feeds. Posts of an imported archive: their own date."""
    collected_at: datetime
    """When this program first took the post, by the clock of that run."""
    gone_at: datetime | None = None
    """When its file was found to be gone."""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source_name: str | None = None
    original_url: str | None = None
    authors: tuple[Author, ...] = ()
    image: str | None = None
    lang: str | None = None
    codes: tuple[Code, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    text_hash: str = ""
    unlisted: bool = False
    hand: Hand | None = None


class InLanguage(Struct, frozen=True, kw_only=True):
    """Posts in one language."""

    tag: str
    """BCP 47."""
    wide: bool = False
    """Those of its regions and scripts too (RFC 4647, basic filtering): ``zh-TW`` for ``zh``."""
    unsaid: bool = False
    """Those that name no language too, which are in the site's."""

    @classmethod
    def of(cls, tag: str, site: str, *, wide: bool = False) -> InLanguage:
        """``site`` is the site's language."""
        choice = cls(tag=tag, wide=wide)
        return cls(tag=tag, wide=wide, unsaid=choice.takes(site))

    def takes(self, lang: str | None) -> bool:
        """Whether a post in this language is one of them."""
        if lang is None:
            return self.unsaid
        mine, other = self.tag.lower(), lang.lower()
        return other == mine or (self.wide and other.startswith(f"{mine}-"))


# ----------------------------------------------------------------- absences


class Away(StrEnum):
    """What is thought of a post whose file is missing, or gives no post any more, and that was not withdrawn."""

    WAITING = "waiting"
    """It is among the oldest posts: whether these leave by age, a run of a later day decides."""
    HELD = "held"
    """So much is missing at once that nothing is withdrawn before the operator agrees."""
    AGED = "aged"
    """It left as posts of its age do, and stays published."""
    MOVED = "moved"
    """Its file lies in another folder of the site; it stays published."""


class Absence(Struct, frozen=True, kw_only=True, gc=False):
    """A post without a file that was not withdrawn."""

    post_key: int
    since: datetime
    """The run that missed it first."""
    state: Away
    place: str = ""
    """Where its file lies now, counted from the posts folder, if that is known."""


# ----------------------------------------------------------------- changes


class Arrival(Struct, frozen=True, kw_only=True, gc=False):
    """A post that is new to the store."""

    post: Post
    id: str
    first_seen: datetime
    updated: datetime


class Revision(Struct, frozen=True, kw_only=True, gc=False):
    """A known post whose file changed, moved, or came back."""

    key: int
    post: Post
    updated: datetime
    """Unchanged unless a reader would see other words."""
    is_edit: bool
    """A reader sees other words (or the front matter says it was modified)."""
    is_rename: bool = False
    is_quiet: bool = False
    """The file is the same, and read by other rules: whatever differs is no news."""


class FileRecord(Struct, frozen=True, kw_only=True, gc=False):
    """What to remember of a file that was looked at."""

    path: str
    stat: FileStat
    hash: str
    taken: bool
    recheck_at: datetime | None = None
    problems: tuple[Problem, ...] = ()
    body: str = ""
    """The post's text as safe HTML, if it is to be kept: its source shows it for some time only."""


class Changes(Struct, frozen=True, kw_only=True):
    """One batch of decisions for the store, to be written in one transaction."""

    arrivals: tuple[Arrival, ...] = ()
    revisions: tuple[Revision, ...] = ()
    gone: tuple[int, ...] = ()
    """Keys of posts that are withdrawn: their file is gone, or no longer gives a post."""
    away: tuple[Absence, ...] = ()
    """Posts whose file is missing, and that are not withdrawn for that."""
    back: tuple[int, ...] = ()
    """Keys of posts that are away no longer."""
    files: tuple[FileRecord, ...] = ()
    forgotten: tuple[str, ...] = ()
    """Paths that no longer exist."""
    doubled: int = 0
    """How many files give a post that another source has brought already."""


# ---------------------------------------------------------------- editions


class EditionFile(Struct, frozen=True, kw_only=True):
    """What an editor wrote for one edition. Without a file everything is empty."""

    path: str = ""
    """As messages name it."""
    introduction: str = ""
    """HTML that is safe to show anywhere, with absolute addresses."""
    sponsor: str = ""
    """Likewise, of one line."""
    lead: str = ""
    """File of the post that is the main story."""
    pin: tuple[str, ...] = ()
    """Files of posts that come first in their sections."""
    skip: tuple[str, ...] = ()
    """Files of posts that are left out."""
    warnings: tuple[str, ...] = ()
    """What of it could not be used, a line each."""


class EditionState(StrEnum):
    BUILDING = "building"
    FROZEN = "frozen"
    SENDING = "sending"
    PAUSED = "paused"
    """Sending stopped itself, since too much was refused; goes on when the operator says so."""
    FINISHED = "finished"
    SKIPPED = "skipped"
    """Nothing to say."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class EditionKind(StrEnum):
    DIGEST = "digest"
    WEEKLY = "weekly"
    """Sums up a digest for subscribers who want one mail a week."""
    NOTICE = "notice"
    """A mail to one subscriber about their subscription, and no edition of any digest."""


class EditionMember(Struct, frozen=True, kw_only=True):
    """One post's place in an edition; the reason says how it got there."""

    post_key: int
    section: str
    position: int
    shown: str
    """``lead``, ``headline``, ``grouped`` or ``page`` (only on the full page)."""
    reason: str


class EditionText(Struct, frozen=True, kw_only=True):
    """What an edition says, and when. Once it is saved no byte of it changes."""

    digest: str
    kind: EditionKind = EditionKind.DIGEST
    sums_up: str = ""
    """The digest whose subscribers a weekly one is for."""
    period: str
    """``2026-11-24`` (daily) or ``2026-W48`` (weekly), in the site's zone."""
    subject: str
    html: str
    """The HTML of the mail of everything, styles inlined, with placeholders for what differs by recipient."""
    text: str
    """Its plain text, likewise."""
    document: str
    """The whole edition as JSON: enough to render its page again, byte for byte, and the mail of any selection."""
    frozen_at: datetime
    """Date of the mail and of the page."""
    send_after: datetime
    expires_at: datetime
    look: str = ""
    """What the mails of selections are made with (``edition.look``), of a saved one its hash; empty if there are
    none."""


class Otherwise(StrEnum):
    """What becomes of an edition that nobody approved in time."""

    SEND = "send"
    SKIP = "skip"


class Approval(Struct, frozen=True, kw_only=True):
    """An edition that waits for the operator's approval, or did. Nothing of it is frozen before."""

    key: int = 0
    """0 until it is kept."""
    digest: str
    period: str
    first_day: str = ""
    """The day (ISO 8601) that a digest's first edition is about; empty for the edition of a slot."""
    began_at: datetime
    """When it began to wait."""
    until: datetime
    """When it is made or given up, whatever anybody says."""
    otherwise: Otherwise
    seen: str
    """Fingerprint of what it was last made of."""
    subject: str
    readers: int
    """To how many addresses it would go."""
    posts: tuple[int, ...]
    """Keys of what is in it."""
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    """When it was frozen or given up."""


class FrozenEdition(EditionText, frozen=True, kw_only=True):
    """An edition ready to be saved."""

    members: tuple[EditionMember, ...] = ()


class SavedEdition(EditionText, frozen=True, kw_only=True):
    """An edition as the store keeps it."""

    key: int
    state: EditionState
    page_published: bool
    """Its page and feed are in place, so that its mail may leave."""


class RenderedMail(Struct, frozen=True, kw_only=True):
    """The mail of an edition for one selection, with placeholders for what differs by recipient."""

    subject: str
    html: str
    text: str


class AwaitedPage(Struct, frozen=True, kw_only=True):
    """An edition with mail that waits for its page."""

    digest: str
    period: str
    since: datetime
    """When it was made."""
    expires_at: datetime
    mails: int
    """How many wait."""


class EditionRow(Struct, frozen=True, kw_only=True):
    """One line in a list of editions: an edition without its contents."""

    key: int
    period: str
    state: EditionState
    subject: str
    frozen_at: datetime
    posts: int
    """How many members it has."""
    lead: str | None = None
    """The headline that leads it; None until it was looked up, empty if it has none."""


# -------------------------------------------------------------- deliveries


class DeliveryState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    TRANSMITTING = "transmitting"
    SENT = "sent"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    SKIPPED = "skipped"
    EXPIRED = "expired"


MAIL = "mail"
"""The channel that is there without being configured among ``channels``."""


class Delivery(Struct, frozen=True, kw_only=True):
    """One message for one recipient, claimed by one worker."""

    key: int
    edition_key: int
    address: str
    message_id: str
    token: str
    """Opaque, for the envelope sender (bounces name their delivery by it)."""
    attempts: int
    lease: str
    subscriber: int | None = None
    """Key of the subscriber; None for an address that always gets the digest."""
    list_key: int | None = None
    """Key of the list that the subscriber gets it by."""
    expires_at: datetime | None = None
    """When it is too late for it; None: with the edition."""
    selection: str = ""
    """Which of the edition's posts it has, as ``edition.selection`` spells it; empty for all."""
    channel: str = MAIL
    """By which way it leaves."""
    receiver: str = ""
    """Who runs the mailboxes of its domain, as ``receivers`` names it; empty for one without limits of its own."""


class Outage(Struct, frozen=True, kw_only=True):
    """A receiver that takes nothing: of mail a server."""

    since: datetime
    """When the first message could not be handed over."""
    tries: int
    """How often it could not be reached since; an answer that puts a message off is none of them."""
    reason: str
    """What went wrong last."""


class Backlog(Struct, frozen=True, kw_only=True):
    """Mail of an edition that should have left."""

    digest: str
    period: str
    since: datetime
    """When the oldest of them was due."""
    mails: int
    """How many are due now."""
    total: int
    """Deliveries of the edition by this channel in all."""
    channel: str = MAIL


class Expired(Struct, frozen=True, kw_only=True):
    """Mail of an edition that could not be sent in time."""

    digest: str
    period: str
    mails: int


class Doubt(Struct, frozen=True, kw_only=True):
    """A delivery in doubt, for whoever decides about it."""

    key: int
    digest: str
    period: str
    selection: str
    address: str
    message_id: str
    attempts: int
    reason: str
    """What happened after the message was out."""
    expires_at: datetime
    """From then on it is not sent again."""
    channel: str = MAIL


class DeliveryCounts(Struct, frozen=True, kw_only=True):
    """Deliveries by state."""

    by_state: dict[DeliveryState, int] = field(default_factory=dict)

    def __getitem__(self, state: DeliveryState) -> int:
        return self.by_state.get(state, 0)

    @property
    def total(self) -> int:
        return sum(self.by_state.values())


class Recipient(Struct, frozen=True, kw_only=True):
    """Who gets an edition. Message id and token are fixed when the delivery is queued."""

    address: str
    message_id: str
    token: str
    subscriber: int | None = None
    list_key: int | None = None
    not_before: datetime | None = None
    """When it may leave at the earliest; None: with the edition."""
    expires_at: datetime | None = None
    """When it is too late for it; None: with the edition."""
    selection: str = ""
    """As ``Delivery`` has it."""
    channel: str = MAIL


class Verdict(StrEnum):
    """What a refusal says, and about whom."""

    DEAD = "dead"
    """There is no such address: never write to it again."""
    FULL = "full"
    """The mailbox has no room."""
    RATE = "rate"
    """Too much at once: more slowly, and later."""
    POLICY = "policy"
    """The sender is not wanted: reputation, block lists, authentication. Says nothing about the reader."""
    CONTENT = "content"
    """The message is not wanted: what is in it, or its size."""
    RELAY = "relay"
    """Something between us and the mailbox is set up wrongly or broken."""
    EXPIRED = "expired"
    """It was tried for long, and nobody answered."""
    DELAYED = "delayed"
    """Not now, for no reason that is told."""
    UNKNOWN = "unknown"
    """Refused for good, for no reason that is told: suspicious when it happens on several days."""


class Reply(Struct, frozen=True, kw_only=True):
    """A server's last word: ``code`` 250, ``enhanced`` 2.0.0, ``text`` the rest (with the queue id)."""

    code: int | None = None
    enhanced: str = ""
    text: str = ""
    step: str = ""
    """Of a refusal, what it answered, as ``errors.TransportError`` names it; empty where that is not known."""
    verdict: Verdict | None = None
    """Of a refusal, what it says."""


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a message for good."""

    group: str
    """Whose server it was, as ``receivers.group_of`` names it."""
    refusal: Reply | None = None
    """None: it was taken."""


class StoppedReceiver(Struct, frozen=True, kw_only=True):
    """A group that refused so much of an edition that no more of it goes there."""

    edition_key: int
    digest: str
    period: str
    receiver: str
    reason: str


class Receipt(Reply, frozen=True, kw_only=True):
    """What a channel's receiver said when it took something."""

    id: str = ""
    """By which the receiver knows it; empty if it does not say one."""


class Target(Struct, frozen=True, kw_only=True):
    """Who gets what is sent."""

    address: str
    """A mail address; of a channel that is no mail its name."""
    name: str
    """Unique to the delivery, the same at each attempt, and fit for a file's name."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """The message of one delivery and the sender on its envelope: what mail channels send. Made from the frozen
    edition alone, so that every attempt has the same bytes."""

    pieces: tuple[bytes, ...]
    """What all messages of an edition have in common is best the same objects in all of them."""
    envelope_from: str

    @property
    def message(self) -> bytes:
        return b"".join(self.pieces)


class ChannelItem(Struct, frozen=True, kw_only=True):
    """A post of an edition, as channels get it."""

    title: str
    url: str
    summary: str
    section: str
    """As people read it; may be empty."""


class ChannelEdition(Struct, frozen=True, kw_only=True):
    """An edition for channels that are no mail. Made from what was frozen alone, so that every attempt is the same."""

    digest: str
    """Name of the digest."""
    title: str
    """As people read it."""
    period: str
    language: str
    """BCP 47."""
    subject: str
    url: str
    """Of its page."""
    items: tuple[ChannelItem, ...]
    """What the mail shows, in its order."""
    text: str
    """The mail as plain text, without what is for one recipient alone."""
    html: str
