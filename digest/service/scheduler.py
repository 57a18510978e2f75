"""The schedule of ``digest serve``: starts runs when something is due, and remembers how they went.

    clock tick, or a change in the folder -> what is due -> one run for all of it -> observers

APScheduler is the tick and nothing else. What is due follows from the rules, the zone, the last run and the present
time (``period``), so a tick that comes twice, late or not at all changes nothing; which edition a run makes is decided
by the run itself, from the store. Several of these may be at work on one store: one leads, the others wait for it to
end. No clock is asked here: it is handed in.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.app.running import RunOrder, hangs
from digest.errors import AlreadyRunning, DigestError, StoreError
from digest.jobs.run import RunReport
from digest.period import Every, Rule, is_time, next_moment
from digest.ports import RunStore
from digest.service.child import RunStopped

if TYPE_CHECKING:
    from digest.config import Settings

log = logging.getLogger("digest.schedule")

POSTS = "posts"
"""Name of the job that looks at the posts folder."""

TICK = timedelta(seconds=60)
_LONGEST_WAIT = 20.0
"""Seconds between two looks at the clock at the most: one that is set, or a machine that slept, is noticed soon."""
_JUMP = 60.0
"""Seconds by which a clock must be set to be told."""
_SETTLE = 300.0
"""Seconds for which nothing is done by a clock that was set: one that is wrong for a moment sends no edition."""
_SILENCE = 150.0
"""Seconds without a tick after which APScheduler is started anew."""
_RETRIES = (60.0, 120.0, 240.0, 300.0)
"""Seconds until a failed run is tried again."""
_MARGIN = 0.05
"""Seconds after files may rest until they are looked at again: runs do not begin equally fast."""
_BUSY_WAIT = 15.0
"""Seconds until a run that another process kept from running is tried again."""


class Job(Struct, frozen=True, kw_only=True):
    """Something that is done again and again."""

    name: str
    """``posts``, ``category NAME`` or ``digest NAME``."""
    words: str
    """The schedule as the operator wrote it."""
    rule: Rule
    category: str = ""
    """The category whose feed it publishes; its last time is kept over restarts."""


class JobState(Struct, frozen=True, kw_only=True):
    """Where a job stands."""

    name: str
    words: str
    last: datetime | None
    """When a run did it last; None if none did since this process started."""
    next: datetime
    """Its next moment."""


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run that is over."""

    began: datetime
    ended: datetime
    report: RunReport
    """Of a run that broke off: one that holds nothing but its failure."""
    jobs: tuple[str, ...]
    """What it was for; empty if a change in the folder was the reason."""


class ScheduleState(Struct, frozen=True, kw_only=True):
    """What goes on, at one moment."""

    leading: bool
    """False: another process starts the runs on this store."""
    leader: str
    """What is known of that process; empty if this one leads."""
    running_since: datetime | None
    last_run: RunRecord | None
    failures_in_a_row: int
    jobs: tuple[JobState, ...]


Runner = Callable[[RunOrder], RunReport]
"""Carries out a run. Raises DigestError; AlreadyRunning if another process is at it, RunStopped if it was told to
end."""
Observer = Callable[[RunReport, datetime, datetime], None]
"""Gets the report of every run, when it began and when it ended. Called in the scheduler's thread."""


def jobs_of(settings: Settings) -> tuple[Job, ...]:
    """What a configuration wants done, and when."""
    posts = settings.posts.schedule
    found = [Job(name=POSTS, words=posts, rule=posts.rule)]
    for category in settings.categories:
        if category.schedule is not None:
            words = category.schedule
            found.append(Job(name=f"category {category.name}", words=words, rule=words.rule, category=category.name))
    found += [
        Job(name=f"digest {name}", words=digest.schedule, rule=digest.schedule.rule)
        for name, digest in settings.digests.items()
    ]
    return tuple(found)


class Scheduler:
    """Decides when to run. ``tick`` may be called as often as one likes, by one thread; everything else by any."""

    def __init__(
        self,
        jobs: Sequence[Job],
        zone: ZoneInfo,
        store: RunStore,
        run: Runner,
        *,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
        observers: Iterable[Observer] = (),
        purpose: str = "digest serve",
    ) -> None:
        """``clock`` gives the time, ``ticks`` seconds that never go back and go on while the machine sleeps."""
        self.observers = list(observers)
        self._jobs = tuple(jobs)
        self._zone = zone
        self._store = store
        self._run = run
        self._clock = clock
        self._ticks = ticks
        self._purpose = purpose
        self._woken = threading.Event()
        self._changed = threading.Event()
        self._look_at = float("inf")
        """The tick at which files that were being written may rest."""
        self._lead = ExitStack()
        self._is_leading: Callable[[], bool] | None = None
        self._leader = ""
        self._last: dict[str, datetime] = {}
        self._recalled = False
        self._record: RunRecord | None = None
        self._running_since: datetime | None = None
        self._failures = 0
        self._told = ""
        self._not_until = 0.0
        """No run before this tick: the last one failed, or the clock was set."""
        self._retry = False
        self._anchor: tuple[datetime, float] | None = None
        self._settled_at = 0.0
        self.beat = ticks()
        """When the loop was last seen to be alive, in ticks."""

    # ------------------------------------------------------------ for others

    def state(self) -> ScheduleState:
        """A look from outside; safe from any thread."""
        now = self._clock()
        last = dict(self._last)
        return ScheduleState(
            leading=self._is_leading is not None,
            leader=self._leader,
            running_since=self._running_since,
            last_run=self._record,
            failures_in_a_row=self._failures,
            jobs=tuple(
                JobState(
                    name=job.name, words=job.words, last=last.get(job.name), next=next_moment(job.rule, self._zone, now)
                )
                for job in self._jobs
            ),
        )

    def posts_changed(self) -> None:
        """Something in the posts folder is new: run soon."""
        self._changed.set()
        self._woken.set()

    def wake(self) -> None:
        """Look at the clock now."""
        self._woken.set()

    def lives(self) -> None:
        """A sign of life, for a run that takes long."""
        self.beat = self._ticks()

    # -------------------------------------------------------------- the loop

    def work(self, stop: threading.Event) -> None:
        """Tick until told to stop (call ``wake`` then). Gives the lead back at the end."""
        with self.closing(), _Ticker(self._jobs, self._zone, self.wake) as ticker:
            heard = self._ticks()
            while not stop.is_set():
                if self.tick():
                    ticker.restart()
                if self._woken.wait(self._pause()):
                    heard = self._ticks()
                elif self._ticks() - heard > _SILENCE:
                    log.warning("the clock tick was silent for %d seconds, it is started anew", _SILENCE)
                    ticker.restart()
                    heard = self._ticks()
                self._woken.clear()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Gives the lead back at the end."""
        try:
            yield
        finally:
            self._is_leading = None
            with suppress(StoreError):
                self._lead.close()

    def tick(self) -> bool:
        """Look what is due, and run it. True if the clock was set since the last look."""
        self.beat = self._ticks()
        now = self._clock()
        jumped = self._notice_jump(now)
        try:
            if self._ticks() >= max(self._not_until, self._settled_at) and self._leads():
                self._recall()
                self._run_what_is_due(now)
        except StoreError as error:  # the store cannot be asked; it may be back in a minute
            self._fail(error)
        self.beat = self._ticks()
        return jumped

    def _pause(self) -> float:
        """Seconds until there may be something to do."""
        ticks = self._ticks()
        until = max(self._not_until, self._settled_at)
        if until <= ticks:
            until = self._look_at if self._is_leading is not None else float("inf")
        return min(max(until - ticks, 0.1), _LONGEST_WAIT)

    def _run_what_is_due(self, now: datetime) -> None:
        changed, retry = self._changed.is_set() or self._ticks() >= self._look_at, self._retry
        due = [job for job in self._jobs if is_time(job.rule, self._zone, last=self._last.get(job.name), now=now)]
        approved = not (due or changed or retry) and self._store.is_approval_due(now)
        if not (due or changed or retry or approved):
            return
        self._changed.clear()
        self._look_at = float("inf")
        own = {job.category for job in self._jobs if job.category}
        ready = frozenset(job.category for job in due if job.category)
        order = RunOrder(
            everything=changed or retry or any(job.name == POSTS for job in due),
            due=ready,
            waiting=frozenset(own - ready),
        )
        started = self._ticks()
        try:
            report = self._carry_out(order, now)
        except RunStopped as stopped:  # by us, who end as well: neither a failure nor a run
            log.info("%s", stopped)
            self._retry = True
            return
        except AlreadyRunning as busy:
            self._retry = self._retry or changed
            self._not_until = self._ticks() + _BUSY_WAIT
            self._tell_once(logging.INFO, f"{busy.subject}: {busy.cause}; waiting until it has ended")
            return
        ended = now + timedelta(seconds=int(self._ticks() - started))
        for job in due if report.ok else ():
            self._last[job.name] = now
            if job.category:
                self._store.remember(_kept(job), now.isoformat())
        self._retry = changed and not report.ok
        if approved and self._store.is_approval_due(now):  # what hinders it has been told
            self._not_until = self._ticks() + _RETRIES[-1]
        if report.collected is not None and report.collected.settles_in is not None:
            self._look_at = started + report.collected.settles_in + _MARGIN
        self._conclude(RunRecord(began=now, ended=ended, report=report, jobs=tuple(job.name for job in due)))
        if changed:  # whatever changes all the time takes half of a processor at the most
            self._not_until = max(self._not_until, self._ticks() + min(self._ticks() - started, 60.0))

    def _carry_out(self, order: RunOrder, now: datetime) -> RunReport:
        self._running_since = now
        try:
            return self._run(order)
        except RunStopped:
            raise
        except AlreadyRunning as busy:
            hanging = hangs(busy, now)
            if hanging is None:
                raise
            return RunReport(now=now, failures=[str(hanging)])
        except DigestError as error:
            return RunReport(now=now, failures=[str(error)])
        finally:
            self._running_since = None

    def _conclude(self, record: RunRecord) -> None:
        self._record = record
        if record.report.ok:
            if self._failures:
                log.info("runs go well again")
            self._failures, self._told = 0, ""
        else:
            self._fail_later()
            self._tell_once(logging.ERROR, "; ".join(["the run failed", *record.report.failures]))
        for observer in list(self.observers):
            try:
                observer(record.report, record.began, record.ended)
            except Exception:
                log.exception("an observer of the run failed")

    def _fail(self, error: StoreError) -> None:
        self._fail_later()
        self._tell_once(logging.ERROR, f"no run: {error}")

    def _fail_later(self) -> None:
        self._not_until = self._ticks() + _RETRIES[min(self._failures, len(_RETRIES) - 1)]
        self._failures += 1

    def _tell_once(self, level: int, line: str) -> None:
        """What happens again and again is told the first time."""
        if line != self._told:
            self._told = line
            log.log(level, "%s", line)

    # -------------------------------------------------------------- the lead

    def _leads(self) -> bool:
        """Whether this process starts the runs; tries to become the one that does."""
        if self._is_leading is not None:
            if self._is_leading():
                return True
            log.warning("the database was restarted; taking the lead again")
            self._is_leading = None
            with suppress(StoreError):
                self._lead.close()
        try:
            self._is_leading = self._lead.enter_context(self._store.leading(self._purpose))
        except AlreadyRunning as busy:
            if busy.cause != self._leader:
                log.warning(
                    "%s: %s; it starts the runs, this process shows pages, sends mail and takes over when it ends",
                    busy.subject,
                    busy.cause,
                )
            self._leader = busy.cause
            return False
        if self._leader:
            log.info("the other process has ended; this one starts the runs now")
        self._leader = ""
        return True

    def _recall(self) -> None:
        """When categories with a schedule of their own were published last, maybe before a restart."""
        if self._recalled:
            return
        for job in self._jobs:
            kept = self._store.recall(_kept(job)) if job.category else None
            if kept:
                self._last[job.name] = datetime.fromisoformat(kept)
        self._recalled = True

    # ------------------------------------------------------------- the clock

    def _notice_jump(self, now: datetime) -> bool:
        """A clock that was set: nothing is done by it for a while. Sleep of the machine is none, ``ticks`` go on."""
        ticks = self._ticks()
        before, self._anchor = self._anchor, (now, ticks)
        if before is None:
            return False
        step = (now - before[0]).total_seconds() - (ticks - before[1])
        if abs(step) < _JUMP:
            return False
        if ticks >= self._settled_at:
            self._settled_at = ticks + _SETTLE
        log.warning(
            "the clock was set %s by %d seconds; no run for %d seconds, in case it is set back",
            "forward" if step > 0 else "back",
            abs(step),
            self._settled_at - ticks,
        )
        return True


def _kept(job: Job) -> str:
    return f"published {job.name}"


class _Ticker:
    """APScheduler: calls ``wake`` every minute and at each job's moments. Its jobs do nothing else, so one that it
    drops, or runs twice, costs nothing."""

    def __init__(self, jobs: Sequence[Job], zone: ZoneInfo, wake: Callable[[], None]) -> None:
        self._jobs = jobs
        self._zone = zone
        self._wake = wake
        self._scheduler: Any = None

    def __enter__(self) -> _Ticker:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._scheduler.shutdown(wait=False)

    def restart(self) -> None:
        """It waits for times that a clock which was set made wrong."""
        self._scheduler.shutdown(wait=False)
        self._start()

    def _start(self) -> None:
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.interval import IntervalTrigger

        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # what it drops is told by its listener
        always = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, job_defaults=always
        )
        self._scheduler.add_listener(_told, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        self._scheduler.add_job(
            self._wake, IntervalTrigger(seconds=int(TICK.total_seconds()), timezone=UTC), id="minute"
        )
        for job in self._jobs:
            if not (isinstance(job.rule, Every) and job.rule.minutes == 1):
                self._scheduler.add_job(self._wake, _trigger(job.rule, self._zone), id=job.name)
        self._scheduler.start()


def _told(event: Any) -> None:
    log.debug("tick %s was dropped; the next one makes up for it", event.job_id)


def _trigger(rule: Rule, zone: ZoneInfo) -> Any:
    """Our own reckoning of moments: APScheduler's has days with none or two where clocks change."""
    from apscheduler.triggers.base import BaseTrigger

    class Moments(BaseTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
            return next_moment(rule, zone, max(previous, now) if previous else now)

    return Moments()
