"""The feed of another site: RSS, Atom, RDF or JSON Feed, asked for over HTTP when it is time.

It shows its latest entries only, so that nothing of what it no longer lists is known to be gone. Whatever goes wrong
with one feed is a line in its listing, never an exception. The present is handed in; chance has no part.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from digest import __version__
from digest.errors import SourceError
from digest.filetable import stamp_of
from digest.hashing import hash_of
from digest.models import FileStat, Item, Listing, Origin, Problem, Severity
from digest.sources.remote.limits import Limits
from digest.sources.remote.memory import Memory, after_answer, after_failure, recall

if TYPE_CHECKING:
    import ssl

    from digest.sources.remote.addresses import Network
    from digest.sources.remote.documents import Document
    from digest.sources.remote.fetching import Answer

LONGEST_REF = 300
"""Characters."""

_STATUS = {
    401: ("it does not let us in", "correct its name and password"),
    403: ("it does not let us in", "ask its operator"),
    404: ("there is nothing", "correct the address"),
    410: ("the feed is gone for good", "delete it from the configuration"),
    429: ("it was asked too often", "nothing to do, it is asked less often now"),
}
_ODD = ("that gives no feed", "correct the address or ask its operator")
_TROUBLE = ("its server is in trouble", "nothing to do, it is asked again")


class _Outcome(Struct, frozen=True, kw_only=True):
    """What came of one look."""

    memory: str | None = None
    items: Mapping[str, Item] = {}
    stamps: Mapping[str, FileStat] = {}
    problems: tuple[Problem, ...] = ()
    fault: str = ""
    origin: Origin | None = None


class FeedSource:
    """One feed. Ask it once, for one run: ``fetch`` (or ``fetch_all`` for many), ``scan``, then ``read`` for each
    entry.

    ``url`` may hold a name and a password: they are sent to its host and never shown. ``memory`` is what the last
    listing said. ``text``: ``summary`` drops the content of entries that have a summary. ``agent`` is the header
    User-Agent, which names the program and whom to write to. ``allow``: networks that may be connected to though they
    are not public. ``is_secret``: whoever knows the address can read the feed, so it is told to nobody. ``resolve`` and
    ``tls`` stand for the system's name server and its authorities.
    """

    kind = "feed"

    def __init__(
        self,
        url: str,
        *,
        memory: str = "",
        now: datetime,
        text: Literal["full", "summary"] = "full",
        agent: str = f"digest/{__version__}",
        allow: tuple[Network, ...] = (),
        limits: Limits = Limits(),  # noqa: B008 - a frozen value
        is_secret: bool = False,
        resolve: Callable[[str, int], Sequence[str]] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._now = now
        self._text = text
        self._agent = agent
        self._allow = allow
        self._limits = limits
        self._is_secret = is_secret
        self._resolve = resolve
        self._tls = tls
        self._memory = recall(memory, url, now, limits)
        self._lock = threading.Lock()
        self._begun = False
        self._outcome: _Outcome | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask."""
        return self._memory.is_due(self._now)

    @property
    def failures(self) -> int:
        """How often in a row nothing came of it, up to now."""
        return self._memory.failures

    def fetch(self, seconds: float | None = None) -> None:
        """Ask, if it is time and nobody asked before. ``seconds``: if less is left than the limits give. Never
        raises."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        self._settle(self._looked(seconds) if self.is_due else _Outcome())

    def give_up(self) -> None:
        """What is not there by now does not count; a thread that still waits for it changes nothing any more."""
        if self._outcome is not None or not self.is_due:
            return
        with self._lock:
            begun, self._begun = self._begun, True
        self._settle(
            self._failed("did not answer in time", "nothing to do, it is asked again") if begun else self._missed()
        )

    def scan(self) -> Listing:
        """What the feed lists. Nothing, and no fault, if it is not time yet or nothing changed."""
        self.fetch()
        self.give_up()
        found = self._outcome or _Outcome()
        return Listing(
            files=found.stamps,
            problems=found.problems,
            is_whole=False,
            memory=found.memory,
            fault=found.fault,
            origin=found.origin,
        )

    def read(self, ref: str) -> Item:
        """A listed entry. Raises SourceError for any other."""
        outcome = self._outcome or _Outcome()
        found = outcome.items.get(ref)
        if found is None:
            raise SourceError(ref, "is no entry of the feed", "nothing to do, the next run will see")
        if found.source_name or outcome.origin is None:
            return found
        return replace(found, source_name=outcome.origin.title)  # whom it is from, if it does not say so itself

    def _settle(self, outcome: _Outcome) -> None:
        """The first outcome counts."""
        with self._lock:
            self._outcome = self._outcome or outcome

    # ------------------------------------------------------------------ asking

    def _looked(self, seconds: float | None) -> _Outcome:
        try:
            return self._answered(self._asked(min(seconds or self._limits.seconds, self._limits.seconds)))
        except SourceError as error:
            cause = error.cause.partition(" (redirected to ")[0] if self._is_secret else error.cause
            return self._failed(cause, error.remedy)
        except Exception as error:  # a defect of ours or of a parser: one feed ends no run
            return self._failed(f"cannot be read ({type(error).__name__})", "report it with the feed")

    def _asked(self, seconds: float) -> Answer:
        from digest.sources.remote.connecting import system_addresses
        from digest.sources.remote.fetching import Asking, get

        asking = Asking(
            agent=self._agent,
            allowed=self._allow,
            limits=self._limits,
            resolve=self._resolve or system_addresses,
            tls=self._tls,
        )
        memory = self._memory
        return get(
            memory.moved_to or self._url,
            asking,
            configured=self._url,
            headers=memory.conditions(),
            seconds=seconds,
        )

    def _answered(self, answer: Answer) -> _Outcome:
        if answer.status == 304 and self._memory.conditions():
            return _Outcome(memory=self._remembered(answer, "").to_text())
        if answer.status != 200:
            cause, remedy = _STATUS.get(answer.status, _TROUBLE if answer.status >= 500 else _ODD)
            gone = answer.status == 410
            return self._failed(f"answered {answer.status}: {cause}", remedy, headers=answer.headers, gone=gone)
        body_hash = hash_of(answer.body)
        memory = self._remembered(answer, body_hash)
        if body_hash == self._memory.body_hash:
            return _Outcome(memory=memory.to_text())
        return self._listed(answer, memory)

    def _listed(self, answer: Answer, memory: Memory) -> _Outcome:
        from digest.sources.remote.documents import Unreadable
        from digest.sources.remote.reading import read_document

        try:
            document = read_document(answer.body, content_type=answer.headers.get("content-type", ""), url=answer.url)
        except Unreadable as error:
            return self._failed(error.cause, error.remedy, headers=answer.headers)
        items = chosen(document.entries, self._limits.entries)
        return _Outcome(
            memory=memory.to_text(),
            stamps={ref: stamp_of(msgspec.json.encode(self._cut(item)).decode()) for ref, item in items.items()},
            items={ref: _until(self._cut(item), self._now) for ref, item in items.items()},
            problems=self._left_out(len(document.entries)),
            origin=_origin(document, "" if self._is_secret else memory.moved_to or answer.url),
        )

    def _cut(self, item: Item) -> Item:
        return replace(item, content="") if self._text == "summary" and item.summary else item

    def _left_out(self, number: int) -> tuple[Problem, ...]:
        limit = self._limits.entries
        if number <= limit:
            return ()
        reason = f"has {number:,} entries; the newest {limit:,} are read"
        return (Problem(path=self._shown(), reason=reason, severity=Severity.NOTE),)

    # ---------------------------------------------------------------- memories

    def _remembered(self, answer: Answer, body_hash: str) -> Memory:
        from digest.sources.remote.fetching import plain

        return after_answer(
            self._memory,
            lasting="" if answer.lasting == plain(self._url) else answer.lasting,
            headers=answer.headers,
            body_hash=body_hash,
            now=self._now,
            limits=self._limits,
        )

    def _failed(
        self, cause: str, remedy: str, *, headers: Mapping[str, str] | None = None, gone: bool = False
    ) -> _Outcome:
        return self._failed_as(str(SourceError(self._shown(), cause, remedy)), headers=headers, gone=gone)

    def _failed_as(self, fault: str, *, headers: Mapping[str, str] | None = None, gone: bool = False) -> _Outcome:
        memory = after_failure(self._memory, headers=headers or {}, now=self._now, limits=self._limits, gone=gone)
        return _Outcome(memory=memory.to_text(), fault=fault)

    def _missed(self) -> _Outcome:
        """Its turn did not come, which is not its own failure."""
        return _Outcome(
            fault=str(SourceError(self._shown(), "there was no time left to ask it", "raise the time for all"))
        )

    def _shown(self) -> str:
        from digest.sources.remote.fetching import shown

        return shown(self._url, is_secret=self._is_secret)


def fetch_all(sources: Sequence[FeedSource], *, seconds: float, threads: int = 16) -> None:
    """Ask all that are due, side by side. Returns when all are done or the time is over; what is not there by then has
    a fault. Those that failed before come last, so that they take nobody's time but each other's."""
    until = time.monotonic() + seconds
    due = sorted((source for source in sources if source.is_due), key=lambda source: source.failures)
    waiting = deque(due)
    crew = [threading.Thread(target=_work, args=(waiting, until), name="feed", daemon=True) for _ in due[:threads]]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(max(until - time.monotonic(), 0))
    for source in due:
        source.give_up()


def _work(waiting: deque[FeedSource], until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        try:
            source = waiting.popleft()
        except IndexError:
            return
        source.fetch(left)


def chosen(entries: Sequence[Item], limit: int) -> dict[str, Item]:
    """The newest entries by what they are called; of two that are called the same the newer one, else the first."""
    found: dict[str, Item] = {}
    for item in sorted(entries, key=_age):
        if len(found) == limit:
            break
        found.setdefault(entry_ref(item), item)
    return found


def _age(item: Item) -> float:
    """What is newer comes first; what has no date last, as the document has it."""
    date = item.updated or item.published
    return 0.0 if date is None else -date.timestamp()


def entry_ref(item: Item) -> str:
    """What an entry is called: its id, else its address, else a hash of title and date, else of everything."""
    name = item.id.strip() or item.url.strip()
    if name and name.isprintable() and len(name) <= LONGEST_REF:
        return name
    date = "" if item.published is None else item.published.isoformat()
    whole = name or f"{item.title}\n{date}".strip() or msgspec.json.encode(item).decode()
    return hash_of(whole.encode("utf-8", "replace"))


def _until(item: Item, now: datetime) -> Item:
    """Nothing was published later than now."""
    published = None if item.published is None else min(item.published, now)
    updated = None if item.updated is None else min(item.updated, now)
    return replace(item, published=published, updated=updated)


def _origin(document: Document, url: str) -> Origin:
    return Origin(title=document.title, url=document.url, feed_url=url, feed_id=document.id)
