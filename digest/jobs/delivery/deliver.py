"""Deliver: work through the ledger, one message after the other, until nothing is due.

    claim -> compose -> send (up to the dot) -> write down "transmitting" -> dot -> write down what became of it

While there is a next message nobody waits for the last step: that a server took a message is written down together
with the "transmitting" of the next, and it is looked up, made and claimed meanwhile. One commit a message, then, and
never more than one row of a connection that a crash would leave in doubt. When a server takes its time, or nothing
comes next, what is known is written down at once.

Any number of these may work on one ledger, in threads, processes or on several machines: a row belongs to whoever
holds its lease. What an outcome means is decided by ``outbox``. No transaction is open while a server is talked to.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct

from digest.errors import StoreError, TemporaryFailure, TransportError
from digest.jobs.delivery.shares import Shares
from digest.jobs.progress import Progress, silent
from digest.models import (
    MAIL,
    Delivery,
    DeliveryState,
    EditionKind,
    EditionState,
    Receipt,
    Reply,
    SavedEdition,
    StoppedReceiver,
    Target,
)
from digest.outbox import (
    ANSWERS,
    CONNECTING,
    DOT_LEASE,
    LEASE,
    RECEIVERS_WORD,
    Fate,
    Pace,
    RetryPlan,
    RowDecision,
    decide,
    hinders,
    masked,
    paused_line,
    rest_seconds,
    verdict,
    verdict_of_all,
)
from digest.ports import Channel, Commit, CommitBatch, Ledger, Share
from digest.receivers import Limits, group_of

ROWS_A_CLAIM = 2
"""Few, since all that a killed worker was transmitting becomes in doubt."""
_FRESH = 1.0
"""Seconds for which it is good to have looked up a subscriber."""
_SLICE = 0.25
"""Seconds between two looks at the stop flag while waiting."""
_NAMED = 3
"""Recipients that a report names for each reason."""
_EDITIONS_KEPT = 8


Compose = Callable[[Delivery, SavedEdition], Any]
"""Makes what the channel sends. May be called by several threads. Raises PermanentFailure if this recipient can never
be written to."""

Left = Callable[[Delivery], str]
"""Why this recipient must not get it any more (unsubscribed, suppressed since the edition was frozen); empty if it
must. Asked right before each attempt."""


class DeliverOptions(Struct, frozen=True, kw_only=True):
    """How to go about it. Times of the connection itself belong to the channel."""

    connections: int = 1
    """Messages under way at the same time."""
    rate: float | None = None
    """Messages a second at the most, over all connections; None for no limit."""
    first_rate: float | None = None
    """Messages a second at the beginning; each one that is taken makes it faster. None: as many as may be."""
    limits: Limits | None = None
    """Those of receivers; None: none, and rows go as they come."""
    resend: bool = True
    """Send again what is in doubt (``in_doubt: resend``)."""
    plan: RetryPlan = RetryPlan()
    lease: timedelta = LEASE
    """Renewed as long as the message is under way."""
    dot_lease: timedelta = DOT_LEASE
    """Longer than the wait for the answer to the dot."""
    patience: float = 10.0
    """Seconds that a single run waits for a server that is in trouble."""
    commit_patience: float = 30.0
    """Seconds to go on trying to write down what became of a message."""
    idle: float = 15.0
    """Seconds a worker sleeps when nothing is due."""
    upkeep: float = 60.0
    """Seconds between two looks for rows of dead workers and for expired ones."""


class Route(Struct, frozen=True, kw_only=True):
    """One way out, with its own connections, pace, retries and outages."""

    name: str = MAIL
    """As the ledger knows it."""
    channel: Channel[Any]
    compose: Compose
    options: DeliverOptions = DeliverOptions()


class DeliveryReport(Struct, frozen=True, kw_only=True):
    """What became of the mail."""

    sent: int = 0
    retried: int = 0
    """Attempts that the server put off; each row waits for its next one."""
    failed: int = 0
    in_doubt: int = 0
    """Times that no answer came to the end of a message."""
    expired: int = 0
    skipped: int = 0
    """Recipients who left since the edition was frozen."""
    recovered: int = 0
    """Rows taken over from workers that died."""
    repeated: int = 0
    """Rows in doubt that were put in the queue again."""
    waiting: int = 0
    """Rows in the queue now."""
    pageless: int = 0
    """Those of them that wait until their edition's page is in place."""
    left_to: str = ""
    """Who sends what waits; empty if this was the one that does."""
    doubtful: int = 0
    """Rows in doubt now, of all editions."""
    next_due: datetime | None = None
    """When the next row in the queue is due."""
    finished: tuple[str, ...] = ()
    """Editions that are done with: ``daily 2026-11-24``."""
    paused: tuple[str, ...] = ()
    """Editions that stand still until the operator resumes them."""
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing was to be done or told."""
        return self == DeliveryReport()

    def line(self) -> str:
        """In one line."""
        if self.left_to:
            doubtful = f", {self.doubtful} in doubt now" if self.doubtful else ""
            return f"{self.waiting} waiting, left to {self.left_to}{doubtful}"
        parts = [f"{self.sent} sent"]
        for count, words in (
            (self.failed, "failed"),
            (self.in_doubt, "without an answer"),
            (self.expired, "expired"),
            (self.skipped, "not wanted any more"),
            (self.waiting, "waiting"),
            (self.pageless, "of them for their page"),
            (self.doubtful, "in doubt now"),
        ):
            if count:
                parts.append(f"{count} {words}")
        return ", ".join(parts) if len(parts) > 1 or self.sent else "nothing to send"


def deliver(
    ledger: Ledger,
    routes: Sequence[Route],
    *,
    clock: Callable[[], datetime],
    left: Left = lambda delivery: "",
    once: bool = True,
    stop: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    ticks: Callable[[], float] = time.monotonic,
    progress: Progress = silent,
    tell: Callable[[str], None] = lambda alarm: None,
    hurry: Callable[[], bool] = lambda: False,
    again: Callable[[], bool] = lambda: False,
) -> DeliveryReport:
    """Send what is due by each of these ways, which know nothing of each other.

    ``once``: until nothing is due now; later retries are left to the next call, and so is everything of a way whose
    server cannot be reached. Otherwise a worker's loop, until ``stop`` says so; then messages in hand are finished and
    no other is begun.

    ``clock`` gives the time that leases are measured by (``Ledger.clock``), ``ticks`` seconds that never go back;
    ``sleep`` is not cut short by a stop; ``left`` is asked before each attempt; ``tell`` gets each alarm at once;
    ``hurry`` is asked while nothing is due, and says that there may be something now; ``again`` is asked with ``once``
    when nothing is left that is due, and says that there is something new. Raises StoreError if the ledger cannot be
    used, and whatever a route's ``compose`` raises besides TransportError.
    """
    how = partial(_DeliveryRun, ledger=ledger, clock=clock, left=left, once=once, stop=stop, sleep=sleep, ticks=ticks)
    run_of = partial(how, tell=tell, hurry=hurry)
    runs = [run_of(route=route, progress=progress if route.name == MAIL else silent) for route in routes]
    try:
        for run in runs:
            run.begin()
        _crew(runs)
        doubtful = [run for run in runs if run.repeats_doubtful()]
        if doubtful:
            _crew(doubtful)
        while once and not any(run.ends() for run in runs) and again():
            _crew(runs)
        runs[0].settle()
    finally:
        for route in routes:
            route.channel.close()
    return _report(ledger, runs)


def _crew(runs: Sequence[_DeliveryRun]) -> None:
    """Let as many threads work as there are connections, and watch over them. Raises what ended one of them."""
    threads = [thread for run in runs for thread in run.threads()]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)
                for run in runs:
                    run.watch()
                if any(run.error is not None for run in runs):
                    _give_up(runs)
    except BaseException:
        _give_up(runs)
        for thread in threads:
            thread.join()
        raise
    broken = next((run.error for run in runs if run.error is not None), None)
    if broken is not None:
        raise broken


def _give_up(runs: Sequence[_DeliveryRun]) -> None:
    for run in runs:
        run.is_over = True


def _report(ledger: Ledger, runs: Sequence[_DeliveryRun]) -> DeliveryReport:
    """What became of it, by whichever way."""
    did: Counter[str] = sum((run.did for run in runs), Counter())
    counts, paused, awaited = ledger.counts(), ledger.paused_editions(), ledger.awaited_pages()
    failures = [*(alarm for run in runs for alarm in run.alarms), *_lines(runs, Fate.FAILED)]
    if did["expired"]:
        failures.append(f"mail: {did['expired']} could not be sent in time and expired")
    told = {edition.key for edition, _ in paused} & {key for run in runs for key in run.stopped}
    failures += [paused_line(_name(edition), reason) for edition, reason in paused if edition.key not in told]
    failures += _stopped_lines(ledger.stopped_receivers(), runs)
    without: Counter[str] = sum((run.without_page for run in runs), Counter())
    failures += [f"{name}: {count} sent {_PAGELESS}" for name, count in without.items()]
    doubts = list(_lines(runs, Fate.IN_DOUBT))
    if did["doubted"]:
        doubts.append(f"mail: {did['doubted']} in doubt: a worker ended before the answer came")
    is_open = bool(doubts and counts[DeliveryState.IN_DOUBT])
    return DeliveryReport(
        sent=did[Fate.SENT],
        retried=did[Fate.RETRY],
        failed=did[Fate.FAILED],
        in_doubt=did[Fate.IN_DOUBT],
        expired=did["expired"],
        skipped=did["skipped"],
        recovered=did["recovered"],
        repeated=did["repeated"],
        waiting=counts[DeliveryState.QUEUED],
        pageless=sum(each.mails for each in awaited),
        doubtful=counts[DeliveryState.IN_DOUBT],
        next_due=ledger.next_due(),
        finished=tuple(name for run in runs for name in run.finished),
        paused=tuple(_name(edition) for edition, _ in paused),
        failures=tuple(failures + ([*doubts, _DECIDE] if is_open else [])),
        warnings=(
            *(() if is_open else doubts),
            *_lines(runs, Fate.RETRY),
            *(line for run in runs for line in run.resting()),
            *(f"{each.digest} {each.period}: {each.mails} {_AWAITED}" for each in awaited),
        ),
    )


def _lines(runs: Sequence[_DeliveryRun], fate: Fate) -> Iterator[str]:
    """One line for each reason, with some of those it happened to."""
    for run in runs:
        for (each, reason), addresses in run.reasons.items():
            if each is fate:
                yield f"{_some(addresses)}: {_SAYS[fate]}: {reason}"


class _Made(Struct, frozen=True, kw_only=True):
    """A message that is ready to be sent."""

    row: Delivery
    edition: SavedEdition
    at: float
    """When its subscriber was looked up, by ``ticks``."""
    left: str
    """Why they must not get it any more; empty if they must."""
    outgoing: Any | TransportError | None
    """What the channel sends, or why there can be nothing; None if they left."""


@dataclass(kw_only=True, eq=False)
class _ConnectionState:
    """What one connection has in hand. Only its thread uses it."""

    rows: deque[Delivery] = field(default_factory=deque)
    """Claimed and not begun."""
    made: _Made | None = None
    """The message of the first of them; of none of them if that went back to the queue."""
    taken: tuple[Delivery, Receipt] | None = None
    """What the server accepted last, if that is not on disk yet."""


@dataclass(kw_only=True, eq=False)
class _DeliveryRun:
    """One way out in one call of ``deliver``: what its threads share."""

    ledger: Ledger
    route: Route
    clock: Callable[[], datetime]
    left: Left
    once: bool
    stop: Callable[[], bool]
    sleep: Callable[[float], None]
    ticks: Callable[[], float]
    progress: Progress
    tell: Callable[[str], None]
    hurry: Callable[[], bool]

    did: Counter[str] = field(default_factory=Counter)
    reasons: dict[tuple[Fate, str], list[str]] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    """Editions that were paused in this run."""
    _stops: set[tuple[int, str]] = field(default_factory=set)
    """Those, by key, of which nothing more goes to a group."""
    without_page: Counter[str] = field(default_factory=Counter)
    """What left although its page is not in place, by edition."""
    is_over: bool = False
    """This run ends early: the server is out of reach, or a thread broke."""
    error: BaseException | None = None
    """What broke a thread."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_out: bool = False
    """The ledger says that the server takes nothing."""
    _in_hand: dict[int, Delivery] = field(default_factory=dict)
    _editions: OrderedDict[int, SavedEdition] = field(default_factory=OrderedDict)
    _pace: Pace | None = None
    _shares: Shares | None = None
    _downs: int = 0
    """Failures of the connection in a row."""
    _rests_until: float = float("-inf")
    _total: int = 0
    _next_renewal: float = 0.0
    _next_upkeep: float = 0.0

    @property
    def options(self) -> DeliverOptions:
        return self.route.options

    # ------------------------------------------------------------ the run

    def begin(self) -> None:
        """Raises StoreError."""
        if self.options.rate is not None:
            self._pace = Pace.starting(self.options.rate, self.ticks(), self.options.first_rate)
        if self.options.limits is not None:
            patience = timedelta(seconds=self.options.patience) if self.once else None
            self._shares = Shares(
                self.ledger, self.options.limits, clock=self.clock, ticks=self.ticks, patience=patience
            )
        self._upkeep()
        self._total = self.ledger.counts()[DeliveryState.QUEUED]

    def repeats_doubtful(self) -> bool:
        """Whether a single run has to send again what came in doubt in it, which is put in the queue."""
        if not (self.once and self.options.resend and self.did[Fate.IN_DOUBT]) or self.ends():
            return False
        self.did["repeated"] += self.ledger.release_doubtful(self.route.name)
        return True

    def _upkeep(self) -> None:
        """What a crash or the clock left to do. Raises StoreError."""
        now = self.clock()
        freed, doubted = self.ledger.recover(now, atomic=self.route.channel.atomic, channel=self.route.name)
        self.did["recovered"] += freed + doubted
        self.did["doubted"] += doubted
        self._is_out = self.route.name in self.ledger.outages()
        if self.options.resend:
            self.did["repeated"] += self.ledger.release_doubtful(self.route.name)
        self.did["expired"] += self.ledger.expire(now)
        if self.route.name == MAIL:  # what comes back to the queue does not know of it
            self._stops = {(each.edition_key, each.receiver) for each in self.ledger.stopped_receivers()}
        self._next_upkeep = self.ticks() + self.options.upkeep

    def resting(self) -> Iterator[str]:
        """Receivers that get nothing for now although there is mail for them."""
        return iter(()) if self._shares is None else self._shares.resting()

    def settle(self) -> None:
        for edition, state in self.ledger.settle(self.clock()):
            if edition.kind is not EditionKind.NOTICE:
                self.finished.append(f"{_name(edition)}: {state.value}")

    def threads(self) -> list[threading.Thread]:
        """One for each connection, not at work yet."""
        self._next_renewal = self.ticks() + self.options.lease.total_seconds() / 3
        return [
            threading.Thread(target=self._work_guarded, name=f"deliver-{self.route.name}-{number}", daemon=True)
            for number in range(1, self.options.connections + 1)
        ]

    def watch(self) -> None:
        """Keep the leases of slow messages alive; look after the ledger once in a while."""
        if self.ticks() >= self._next_renewal:
            self._next_renewal = self.ticks() + self.options.lease.total_seconds() / 3
            until = self.clock() + self.options.lease
            for row in list(self._in_hand.values()):
                with suppress(StoreError):  # the guard of the next step will tell
                    self.ledger.renew(row, until)
        if not self.once and self.ticks() >= self._next_upkeep:
            self._upkeep()
            self.settle()

    # ------------------------------------------------------------ one thread

    def _work_guarded(self) -> None:
        try:
            with self._lane() as lane:
                self._work(lane)
        except BaseException as error:
            with self._lock:
                self.error = self.error or error
                self.is_over = True

    def _work(self, lane: _ConnectionState) -> None:
        while self._rested(lane):
            if not lane.rows:
                self._write_taken(lane)
                self._claim(lane)
            if lane.rows:
                self._attend(lane)
            elif (seconds := self._until_next()) is not None:
                self._wait(min(seconds, self.options.idle), self.hurry)
            elif self.once:
                return
            else:
                self.route.channel.close()
                self._wait(self.options.idle, self.hurry)

    def _claim(self, lane: _ConnectionState) -> None:
        rows, share = self._next_claim()
        if rows:
            claimed = self.ledger.claim(self.clock(), rows, self.options.lease, self.route.name, share)
            self._take_on(lane, claimed, share)

    def _next_claim(self) -> tuple[int, Share | None]:
        """How many rows to claim now, and whose; none if it is nobody's turn."""
        if self._shares is None:
            return ROWS_A_CLAIM, None
        share = self._shares.next()
        if share is None:
            return 0, None
        return (ROWS_A_CLAIM if share.spacing is None else 1), share

    def _until_next(self) -> float | None:
        """Seconds until a receiver may get something again that there is mail for; None if there is nothing to wait
        for."""
        return None if self._shares is None else self._shares.seconds()

    @contextmanager
    def _lane(self) -> Iterator[_ConnectionState]:
        """Whatever ends this early, what is known is written down, and rows not begun go back to the queue."""
        lane = _ConnectionState()
        try:
            yield lane
        finally:
            try:
                self._write_taken(lane)
            finally:
                while lane.rows:
                    self._hand_back(lane.rows.popleft())

    def _take_on(self, lane: _ConnectionState, rows: Sequence[Delivery], share: Share | None) -> None:
        """Rows in hand have their leases renewed."""
        if self._shares is not None and share is not None:
            self._shares.gave(share, len(rows))
        with self._lock:
            self._in_hand.update((row.key, row) for row in rows)
            for key in {row.edition_key for row in rows} & self.stopped:
                if self.ledger.edition_by_key(key).state is not EditionState.PAUSED:  # it was resumed since
                    self.stopped.discard(key)
        lane.rows.extend(rows)

    def _hand_back(self, row: Delivery) -> None:
        if self._in_hand.pop(row.key, None) is not None:
            with suppress(StoreError):
                self.ledger.retry(row, None, Reply(), counted=False)

    def _attend(self, lane: _ConnectionState) -> None:
        """The next row of a lane: send it, or say what becomes of it without. Whatever ends this before that is known,
        the row goes back to the queue."""
        if lane.rows[0].edition_key in self.stopped:
            self._hand_back(lane.rows.popleft())
            return
        if self._is_stopped(lane.rows[0]):
            self._put_off(lane.rows.popleft())
            return
        if not self._paced(lane):
            return
        made = self._made(lane)
        try:
            self._attend_to(lane, made)
        except BaseException:
            self._hand_back(made.row)
            raise

    def _attend_to(self, lane: _ConnectionState, made: _Made) -> None:
        row = made.row
        if made.left:
            self._in_hand.pop(row.key, None)
            self.ledger.skipped(row, self.clock(), made.left)
            self.did["skipped"] += 1
        elif self.clock() >= (row.expires_at or made.edition.expires_at):
            self._hand_back(row)  # it waited too long for its turn, and expires with the next upkeep
        else:
            is_made = not isinstance(made.outgoing, TransportError)
            outcome = self._send(lane, row, made.outgoing) if is_made else made.outgoing
            if outcome is not None:
                self._conclude(lane, made, outcome)

    def _made(self, lane: _ConnectionState) -> _Made:
        """The message of the next row, which is the lane's no more: the one that was made already, unless that was
        another row's (which went back), or so long ago that its subscriber may have left since."""
        row, made, lane.made = lane.rows[0], lane.made, None
        if made is None or made.row is not row or self.ticks() - made.at > _FRESH:
            made = self._make(row)
        lane.rows.popleft()
        return made

    def _make(self, row: Delivery) -> _Made:
        """Look up the subscriber and write the message."""
        at, edition, left = self.ticks(), self._edition(row.edition_key), self.left(row)
        outgoing: Any | TransportError | None = None
        if not left:
            try:
                outgoing = self.route.compose(row, edition)
            except TransportError as error:
                outgoing = error
        return _Made(row=row, edition=edition, at=at, left=left, outgoing=outgoing)

    def _send(self, lane: _ConnectionState, row: Delivery, outgoing: Any) -> Receipt | TransportError | None:
        """Hand it over. None if the lease was lost: the row is somebody else's now."""
        turned: bool | None = None
        trouble: StoreError | None = None

        def before_commit() -> bool:
            nonlocal turned, trouble
            try:
                turned = self._turn(lane, row)
            except StoreError as error:
                trouble = error
                return False
            return turned

        try:
            outcome: Receipt | TransportError = self.route.channel.send(
                outgoing,
                Target(address=row.address, name=file_name(row.message_id)),
                Commit(
                    before_commit,
                    after=lambda: self._make_ahead(lane),
                    unanswered=lambda: self._write_taken_now(lane),
                ),
            )
            if turned is None:  # it was there already: a worker died right after it had put it in place
                before_commit()
        except TransportError as error:
            outcome = error
        if trouble is not None:
            return TemporaryFailure(trouble.subject, trouble.cause, trouble.remedy, step="body")
        return None if turned is False else outcome

    def _turn(self, lane: _ConnectionState, row: Delivery) -> bool:
        """On disk before a dot leaves: that it does, that the message before it was taken, and which rows come next.
        False if the lease is lost. Raises StoreError; nothing has changed then."""
        now, (rows, share) = self.clock(), (0, None) if lane.rows or self.ends() else self._next_claim()
        turn = CommitBatch(
            now=now,
            begun=row,
            until=now + self.options.dot_lease,
            taken=lane.taken,
            claim=rows,
            lease=self.options.lease,
            share=share,
        )
        turned = self.ledger.turn(turn)
        lane.taken = None
        self._in_hand.pop(row.key, None)  # from here on it is never just handed back
        self._take_on(lane, turned.claimed, share)
        return turned.leased

    def _make_ahead(self, lane: _ConnectionState) -> None:
        """While an answer is awaited. If it does not work out, it is done again when it matters."""
        if lane.rows and lane.rows[0].edition_key not in self.stopped and not self.ends():
            with suppress(Exception):
                lane.made = self._make(lane.rows[0])

    def _conclude(self, lane: _ConnectionState, made: _Made, outcome: Receipt | TransportError) -> None:
        """Write down what became of a row, now or with the next one, then what that means for all others."""
        row, now = made.row, self.clock()
        decision = decide(outcome, key=row.key, attempts=row.attempts, now=now, plan=self.options.plan)
        self._in_hand.pop(row.key, None)
        self._write_taken(lane)
        if isinstance(outcome, Receipt):
            lane.taken = (row, outcome)
            if lane.made is None or self.ends():
                self._write_taken(lane)
        else:
            self._write_down(row, decision, outcome, now)
        error = outcome if isinstance(outcome, TransportError) else None
        with self._lock:
            self.did[decision.fate] += 1
            done = self.did[Fate.SENT] + self.did[Fate.FAILED]
            if error is not None:
                reason = (decision.fate, masked(str(error), row.address))
                self.reasons.setdefault(reason, []).append(masked(row.address))
            if not made.edition.page_published and decision.fate in (Fate.SENT, Fate.IN_DOUBT):
                self.without_page[_name(made.edition)] += 1
            self._note_server(decision, error, is_try=self._adjust(row, decision, error))
        if self.route.name == MAIL and made.edition.key not in self.stopped:
            self._judge(row, made.edition, decision, error)
        self.progress("sending mail", done, max(done, self._total))

    def _write_taken(self, lane: _ConnectionState) -> None:
        """Nothing comes next for a while. Raises StoreError as ``_persist`` does."""
        if lane.taken is not None:
            (row, receipt), lane.taken = lane.taken, None
            self._persist(lambda: self.ledger.sent(row, self.clock(), receipt))

    def _write_taken_now(self, lane: _ConnectionState) -> None:
        """The server is slow, so there is time; if it does not work out, there will be another."""
        if lane.taken is not None:
            with suppress(StoreError):
                self.ledger.sent(lane.taken[0], self.clock(), lane.taken[1])
                lane.taken = None

    def _persist(self, write: Callable[[], object]) -> None:
        """Raises StoreError if that is still impossible after some time; the row stays as it is then."""
        deadline = self.ticks() + self.options.commit_patience
        while True:
            try:
                write()
                return
            except StoreError:
                if self.ticks() >= deadline:
                    raise
                self.sleep(1.0)

    def _write_down(self, row: Delivery, decision: RowDecision, error: TransportError, now: datetime) -> None:
        """What became of a row that the server did not take. Raises StoreError as ``_persist`` does."""
        reply = Reply(
            code=error.code,
            enhanced=error.enhanced,
            text=error.text or masked(error.cause),
            step=error.step,
            verdict=decision.verdict,
        )
        if decision.fate is Fate.IN_DOUBT:
            self._persist(lambda: self.ledger.in_doubt(row, now, reply.text))
        elif decision.fate is Fate.FAILED:
            self._persist(lambda: self.ledger.failed(row, now, reply))
        else:
            not_before, counted = decision.not_before, decision.counted
            self._persist(lambda: self.ledger.retry(row, not_before, reply, counted=counted))

    # ----------------------------------------------------- all of them

    def _adjust(self, row: Delivery, decision: RowDecision, error: TransportError | None) -> bool:
        """Speed, and whether to leave the server alone for a while. Returns whether it was tried in vain; connections
        that fail together tried once."""
        is_receivers = error is not None and self._slow_receiver(row, decision, error)
        if self._shares is not None and decision.fate is Fate.SENT:
            self._shares.took()
        if self._pace is not None and not is_receivers:
            now = self.ticks()
            self._pace = self._pace.slower(now) if decision.slows else self._pace.faster(now)
        if not decision.rests or error is None:
            self._downs = 0
            return False
        is_try = self.ticks() >= self._rests_until
        self._downs += is_try
        rest = rest_seconds(self._downs)
        self._rests_until = self.ticks() + rest
        if self.once and not self.is_over and (error.step in CONNECTING or rest > self.options.patience):
            self.is_over = True
            self.alarms.append(f"{self.route.name} waits for the next run: {masked(str(error))}")
        elif not self.once and self._downs == 1 and error.step in CONNECTING:
            self.tell(masked(str(error)))
        return is_try

    def _slow_receiver(self, row: Delivery, decision: RowDecision, error: TransportError) -> bool:
        """Send more slowly to one receiver, if it is the one that asks for less. Returns whether it is."""
        if self._shares is None or not decision.slows or error.step not in RECEIVERS_WORD:
            return False
        said = masked(" ".join(str(part) for part in (error.code, error.enhanced, error.text) if part), row.address)
        with suppress(StoreError):  # the next message says it again
            return not self._shares.slower(row, said, rests=decision.limits)
        return True

    def _note_server(self, decision: RowDecision, error: TransportError | None, *, is_try: bool) -> None:
        """Keep that the server takes nothing, or that it does again; the operator is told of it by whoever looks after
        the program."""
        with suppress(StoreError):  # the next message says it again
            if error is not None and hinders(error) and not (self._shares and decision.limits):
                self.ledger.note_outage(self.clock(), masked(str(error)), is_try=is_try, channel=self.route.name)
                self._is_out = True
            elif self._is_out and decision.fate in (Fate.SENT, Fate.FAILED):
                self.ledger.end_outage(self.route.name)
                self._is_out = False

    def _judge(self, row: Delivery, edition: SavedEdition, decision: RowDecision, error: TransportError | None) -> None:
        """Stop an edition, or what of it goes to one receiver, if servers refuse too much. Only mail servers judge it,
        by its many recipients."""
        if decision.pauses:
            self._pause(edition, masked(str(error), row.address))
        if decision.fate is not Fate.FAILED:
            return
        group = group_of(row.receiver, row.address)
        if reason := verdict_of_all(self.ledger.answers(edition.key, ANSWERS)):
            self._pause(edition, masked(reason, row.address))
        elif reason := masked(verdict(self.ledger.answers(edition.key, ANSWERS, group)), row.address):
            others = [each for each in self.ledger.stopped_receivers(edition.key) if each.receiver != group]
            if others:
                told = "; ".join(f"{each.receiver}: {each.reason}" for each in others)
                self._pause(edition, f"{told}; {group}: {reason}")
            elif self.ledger.is_for_others(edition.key, group):
                self._stop(edition, group, reason)
            else:
                self._pause(edition, reason)

    def _stop(self, edition: SavedEdition, group: str, reason: str) -> None:
        """Nothing more of it goes there."""
        is_new = self.ledger.stop_receiver(edition.key, group, reason, self.clock())
        with self._lock:
            self._stops.add((edition.key, group))
        if is_new:
            self._alarm(paused_line(_name(edition), reason, to=group))

    def _is_stopped(self, row: Delivery) -> bool:
        """Whether no more of its edition goes to its receiver; it may have been resumed since."""
        stop = (row.edition_key, group_of(row.receiver, row.address))
        if stop not in self._stops:
            return False
        if any(each.receiver == stop[1] for each in self.ledger.stopped_receivers(row.edition_key)):
            return True
        self._stops.discard(stop)
        return False

    def _put_off(self, row: Delivery) -> None:
        """Its turn comes with the operator's word, or never."""
        self._in_hand.pop(row.key, None)
        self.ledger.retry(row, row.expires_at or self._edition(row.edition_key).expires_at, Reply(), counted=False)

    def _pause(self, edition: SavedEdition, reason: str) -> None:
        if not self.ledger.pause_edition(edition.key, reason, self.clock()):  # another worker was quicker
            return
        with self._lock:
            self.stopped.add(edition.key)
        self._alarm(paused_line(_name(edition), reason))

    def _alarm(self, text: str) -> None:
        with self._lock:
            self.alarms.append(text)
        self.tell(text)

    def _edition(self, key: int) -> SavedEdition:
        with self._lock:
            if key not in self._editions or not self._editions[key].page_published:
                self._editions[key] = self.ledger.edition_by_key(key)
            self._editions.move_to_end(key)
            while len(self._editions) > _EDITIONS_KEPT:
                self._editions.popitem(last=False)
            return self._editions[key]

    def ends(self) -> bool:
        return self.is_over or self.stop()

    def _rested(self, lane: _ConnectionState) -> bool:
        """Wait until the channel may be used again. False if the run ends."""
        while not self.ends():
            left = self._rests_until - self.ticks()
            if left <= 0:
                return True
            self._write_taken(lane)
            self._wait(left)
        return False

    def _paced(self, lane: _ConnectionState) -> bool:
        """Wait for this message's turn. False if the run ends."""
        with self._lock:
            if self._pace is None:
                return True
            self._pace, seconds = self._pace.take(self.ticks())
        if seconds > 0:
            self._write_taken(lane)
            self._wait(seconds)
        return not self.ends()

    def _wait(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Sleep in slices, so that a stop is noticed, and that there is a reason to hurry."""
        while seconds > 0 and not self.ends() and not hurry():
            self.sleep(min(seconds, _SLICE))
            seconds -= _SLICE


_SAYS = {
    Fate.FAILED: "not sent, and not tried again",
    Fate.IN_DOUBT: "in doubt",
    Fate.RETRY: "tried again later",
}


_AWAITED = "not sent yet: the edition's page and feed are not in place, and its links would lead nowhere"
_PAGELESS = "although the edition's page is not in place: they would have expired"
_DECIDE = "mail: nothing in doubt is sent again without your word; see: digest doubts list"


def _some(addresses: list[str]) -> str:
    named = list(dict.fromkeys(addresses))
    shown = ", ".join(named[:_NAMED])
    return shown if len(named) <= _NAMED else f"{len(named)} addresses, for example {shown}"


def _name(edition: SavedEdition) -> str:
    return f"{edition.digest} {edition.period}"


def _stopped_lines(stopped: Sequence[StoppedReceiver], runs: Sequence[_DeliveryRun]) -> Iterator[str]:
    """Of those that nothing was said of in these runs."""
    for each in stopped:
        line = paused_line(f"{each.digest} {each.period}", each.reason, to=each.receiver)
        if not any(line in run.alarms for run in runs):
            yield line


def file_name(message_id: str) -> str:
    """Of a message in a folder, without its ending."""
    return re.sub(r"[^A-Za-z0-9._@+=-]", "-", message_id.strip("<>"))
