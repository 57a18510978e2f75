"""When runs are started (digest/service/scheduler.py): the clock and the runs are made up, the store is real."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.app.running import RunOrder
from digest.config import load
from digest.errors import AlreadyRunning, SourceError, StoreError
from digest.jobs.archive.collect import CollectReport
from digest.jobs.run import RunReport
from digest.models import Approval, Otherwise
from digest.period import Every, daily, parse_cron
from digest.ports import FeedRow
from digest.service.child import RunStopped
from digest.service.scheduler import Job, _Ticker, _trigger, jobs_of
from digest.store import open_store
from tests.scheduler.conftest import SHANGHAI, World

POSTS = Job(name="posts", words="every 5 minutes", rule=Every(minutes=5))
RARE = Job(name="posts", words="daily 03:00", rule=daily(time(3)))
MORNING = Job(name="digest daily", words="daily 08:03", rule=daily(time(8, 3)))
ESSAYS = Job(name="category essays", words="daily 09:00", rule=daily(time(9)), category="essays")
FLASH = Job(name="category flash", words="every 2 minutes", rule=Every(minutes=2), category="flash")


def busy() -> RunReport:
    raise AlreadyRunning("digest.db", "another process is at work on it (digest run, process 7)", "try again")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "digest")
    return caplog


def lines(log: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in log.records if part in record.getMessage()]


# ------------------------------------------------ files that are being written


def unsettled(world: World, *seconds: float | None) -> None:
    """What the next runs say: in how many seconds files may rest."""
    left = iter(seconds)
    world.outcome = lambda: RunReport(
        now=world.now, collected=CollectReport(found=1, opened=0, taken=0, unsettled=1, settles_in=next(left))
    )


def test_it_looks_again_when_files_have_settled(world: World) -> None:
    """Long before the next run by the clock, as often as they ask for it; then it rests."""
    scheduler = world.make([RARE])
    unsettled(world, 1.5, 2.0, None)
    scheduler.tick()
    assert scheduler._pause() == pytest.approx(1.55)
    world.passes(scheduler, step=timedelta(seconds=0.25), seconds=60)
    assert world.since(0) == ["24 08:00:30", "24 08:00:31", "24 08:00:34"]
    assert all(order.everything for _, order in world.runs)
    assert scheduler._pause() == 20


def test_a_change_in_between_is_looked_at_at_once(world: World) -> None:
    """And says by itself when to look again."""
    scheduler = world.make([RARE])
    unsettled(world, 2.0, 2.0, None)
    scheduler.tick()
    world.sleeps(seconds=1)
    scheduler.posts_changed()
    scheduler.tick()
    world.passes(scheduler, step=timedelta(seconds=0.25), seconds=60)
    assert world.since(0) == ["24 08:00:30", "24 08:00:31", "24 08:00:33"]


def test_a_look_that_another_run_kept_from_taking_place_is_made_up_for(world: World) -> None:
    scheduler = world.make([RARE])
    unsettled(world, 2.0)
    scheduler.tick()
    world.outcome = busy
    world.passes(scheduler, step=timedelta(seconds=1), seconds=5)
    assert len(world.runs) == 2
    unsettled(world, None)
    world.passes(scheduler, seconds=60)
    assert len(world.runs) == 3


# ------------------------------------------------------------------ the clock


def test_it_runs_at_the_start_and_then_when_something_is_due(world: World) -> None:
    """Every five minutes, and to the look at the digest's time."""
    scheduler = world.make([POSTS, MORNING])
    scheduler.tick()
    world.passes(scheduler, minutes=11)
    assert world.since(0) == ["24 08:00:30", "24 08:03:10", "24 08:05:10", "24 08:10:10"]
    assert all(order == RunOrder(everything=number != 1) for number, (_, order) in enumerate(world.runs))


def test_it_runs_when_an_edition_was_approved_and_when_its_time_is_over(world: World) -> None:
    """Whatever the schedules say; once if the run does what is to be done, and rarely if it does not."""
    scheduler = world.make([RARE])
    scheduler.tick()
    for period, minutes in (("2026-11-24", 60), ("2026-11-25", 2)):
        asked = Approval(
            digest="daily",
            period=period,
            began_at=world.now,
            until=world.now + timedelta(minutes=minutes),
            otherwise=Otherwise.SEND,
            seen="",
            subject="",
            readers=1,
            posts=(1,),
        )
        world.store.begin_approval(asked, "<p>")

    def made() -> RunReport:
        due = [each for each in world.store.open_approvals() if each.approved_at or each.until <= world.now]
        world.store.end_approvals(due, world.now)
        return RunReport(now=world.now)

    world.outcome = made
    world.passes(scheduler, minutes=5)
    assert world.since(1) == ["24 08:02:30"]
    [waiting] = world.store.open_approvals()
    world.store.approve(waiting.key, world.now)
    world.passes(scheduler, minutes=5)
    assert world.since(2) == ["24 08:05:50"]


def test_an_approved_edition_that_cannot_be_made_is_tried_now_and_then(world: World) -> None:
    """Its template is broken, say: not with every look."""
    scheduler = world.make([RARE])
    scheduler.tick()
    asked = Approval(
        digest="daily",
        period="2026-11-24",
        began_at=world.now,
        until=world.now,
        otherwise=Otherwise.SEND,
        seen="",
        subject="",
        readers=1,
        posts=(1,),
    )
    world.store.begin_approval(asked, "<p>")
    world.passes(scheduler, minutes=20)
    assert 3 <= len(world.since(1)) <= 5


def test_a_day_of_looks_makes_each_run_once(world: World) -> None:
    scheduler = world.make([POSTS])
    world.passes(scheduler, step=timedelta(minutes=1), days=1)
    assert len(world.runs) == 24 * 12 + 1


def test_looking_twice_or_late_changes_nothing(world: World) -> None:
    """After a night of sleep one run makes up for all that were missed."""
    scheduler = world.make([POSTS, MORNING, ESSAYS])
    scheduler.tick()
    scheduler.tick()
    world.sleeps(hours=9)
    scheduler.tick()
    scheduler.tick()
    assert len(world.runs) == 2
    assert world.runs[1][1] == RunOrder(everything=True, due=frozenset({"essays"}))


@pytest.mark.parametrize(
    "step", [timedelta(hours=1), -timedelta(hours=1), timedelta(days=1), -timedelta(days=1)], ids=str
)
def test_a_clock_that_is_set_is_told_and_believed_after_a_while(
    step: timedelta, world: World, log: pytest.LogCaptureFixture
) -> None:
    """For five minutes nothing is done by it, and then everything goes on as before."""
    scheduler = world.make([POSTS])
    scheduler.tick()
    world.now += step
    assert scheduler.tick()
    world.passes(scheduler, seconds=280)
    assert len(world.runs) == 1
    world.passes(scheduler, minutes=10)
    assert len(world.runs) == 4
    direction = "forward" if step > timedelta() else "back"
    assert len(lines(log, f"the clock was set {direction} by {abs(step).total_seconds():.0f} seconds")) == 1


def test_a_clock_that_is_wrong_for_a_moment_makes_nothing(world: World, log: pytest.LogCaptureFixture) -> None:
    """It jumps by a day and back: no run saw tomorrow."""
    scheduler = world.make([RARE, MORNING])
    world.passes(scheduler, minutes=5)
    before = len(world.runs)
    world.now += timedelta(days=1)
    world.passes(scheduler, minutes=2)
    world.now -= timedelta(days=1)
    world.passes(scheduler, minutes=30)
    assert len(world.runs) == before
    assert len(lines(log, "the clock was set")) == 2


def test_a_small_correction_is_nothing(world: World, log: pytest.LogCaptureFixture) -> None:
    scheduler = world.make([POSTS])
    scheduler.tick()
    world.now -= timedelta(seconds=45)
    assert not scheduler.tick()
    assert not log.records


# ------------------------------------------------------------------- the folder


def test_a_change_in_the_folder_is_a_reason_to_run(world: World) -> None:
    """Feeds with a schedule of their own wait for it."""
    scheduler = world.make([RARE, ESSAYS])
    scheduler.tick()
    world.passes(scheduler, minutes=5)
    scheduler.posts_changed()
    scheduler.tick()
    assert world.runs[1][1] == RunOrder(everything=True, waiting=frozenset({"essays"}))
    world.passes(scheduler, minutes=5)
    assert len(world.runs) == 2


def test_a_folder_that_changes_all_the_time_takes_half_of_the_time(world: World) -> None:
    """A run of thirty seconds is followed by thirty seconds without."""
    scheduler = world.make([RARE])
    scheduler.tick()

    def slow() -> RunReport:
        world.sleeps(seconds=30)
        return RunReport(now=world.now)

    world.outcome = slow
    for _ in range(600):
        scheduler.posts_changed()
        world.sleeps(seconds=1)
        scheduler.tick()
    assert len(world.runs) == 1 + 600 // 30


# ------------------------------------------------------------------ categories


def test_a_category_with_a_schedule_of_its_own_waits_for_it(world: World) -> None:
    scheduler = world.make([POSTS, ESSAYS, FLASH])
    scheduler.tick()
    world.passes(scheduler, minutes=5)
    assert [(order.everything, sorted(order.due), sorted(order.waiting)) for _, order in world.runs] == [
        (True, ["essays", "flash"], []),
        (False, ["flash"], ["essays"]),
        (False, ["flash"], ["essays"]),
        (True, [], ["essays", "flash"]),
    ]


@pytest.mark.parametrize("minutes", [10, 70])
def test_what_was_published_before_a_restart_is_known_after_it(minutes: int, world: World) -> None:
    first = world.make([POSTS, ESSAYS])
    with first.closing():
        first.tick()
    world.sleeps(minutes=minutes)
    second = world.make([POSTS, ESSAYS])
    with second.closing():
        second.tick()
    assert world.runs[1][1].due == (frozenset() if minutes == 10 else frozenset({"essays"}))


@pytest.mark.parametrize(
    ("order", "kind", "name", "expected"),
    [
        (RunOrder(), "all", "", True),
        (RunOrder(), "category", "macro", True),
        (RunOrder(everything=False), "all", "", False),
        (RunOrder(everything=False), "tag", "essays", False),
        (RunOrder(everything=False, due=frozenset({"essays"})), "category", "essays", True),
        (RunOrder(everything=False, due=frozenset({"essays"})), "category", "macro", False),
        (RunOrder(waiting=frozenset({"essays"})), "category", "essays", False),
        (RunOrder(waiting=frozenset({"essays"})), "tag", "essays", True),
        (RunOrder(waiting=frozenset({"essays"})), "category", "macro", True),
    ],
)
def test_an_order_says_which_feeds_are_published(order: RunOrder, kind: str, name: str, expected: bool) -> None:
    assert order.wants(FeedRow(kind=kind, name=name, stem="x", posts=1, dirty=True)) is expected


# -------------------------------------------------------------------- failures


def test_a_failed_run_is_told_once_and_tried_again_less_and_less_often(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    """The time of what is due does not pass; when runs go well again that is said too."""

    def fails() -> RunReport:
        raise SourceError("posts.folder", "/mnt/posts does not exist", "correct the path")

    world.outcome = fails
    scheduler = world.make([RARE, MORNING])
    scheduler.tick()
    world.passes(scheduler, step=timedelta(seconds=10), minutes=20)
    minutes = [round((now - world.runs[0][0]).total_seconds() / 60) for now, _ in world.runs]
    assert minutes == [0, 1, 3, 7, 12, 17]
    assert len(lines(log, "/mnt/posts does not exist")) == 1
    world.outcome = lambda: RunReport(now=world.now)
    world.passes(scheduler, minutes=10)
    assert len(lines(log, "runs go well again")) == 1
    assert scheduler.state().failures_in_a_row == 0
    count = len(world.runs)
    world.passes(scheduler, hours=1)
    assert len(world.runs) == count


def test_a_report_with_failures_is_a_failed_run(world: World) -> None:
    world.outcome = lambda: RunReport(now=world.now, failures=["feed.xml: cannot be written"])
    scheduler = world.make([RARE, ESSAYS])
    scheduler.tick()
    world.outcome = lambda: RunReport(now=world.now)
    world.passes(scheduler, minutes=2)
    assert [order.due for _, order in world.runs] == [frozenset({"essays"})] * 2


def test_a_change_that_a_failed_run_saw_is_looked_at_again(world: World) -> None:
    scheduler = world.make([RARE])
    scheduler.tick()
    world.outcome = lambda: RunReport(now=world.now, failures=["disk full"])
    scheduler.posts_changed()
    world.passes(scheduler, seconds=40)
    world.outcome = lambda: RunReport(now=world.now)
    world.passes(scheduler, minutes=5)
    assert len(world.runs) == 3


def test_another_run_at_work_is_waited_for(world: World, log: pytest.LogCaptureFixture) -> None:
    """It is no failure; and what is due stays due."""

    world.outcome = busy
    scheduler = world.make([RARE])
    world.passes(scheduler, minutes=2)
    world.outcome = lambda: RunReport(now=world.now)
    world.passes(scheduler, minutes=2)
    state = scheduler.state()
    assert state.failures_in_a_row == 0
    assert state.last_run is not None
    assert state.last_run.report.ok
    assert len(lines(log, "waiting until it has ended")) == 1
    count = len(world.runs)
    world.passes(scheduler, minutes=5)
    assert len(world.runs) == count


def test_another_run_that_hangs_is_told(world: World, log: pytest.LogCaptureFixture) -> None:
    """After half an hour it is as bad as a run that failed, until one goes well."""
    since = world.now - timedelta(minutes=29)

    def busy() -> RunReport:
        raise AlreadyRunning("digest.db", "another process is at work on it", "try again", holder="x", since=since)

    world.outcome = busy
    scheduler = world.make([RARE])
    world.passes(scheduler, seconds=30)
    assert scheduler.state().failures_in_a_row == 0
    world.passes(scheduler, minutes=3)
    record = scheduler.state().last_run
    assert record is not None
    [line] = record.report.failures
    assert line.startswith("digest.db: another process has been at work on it for more than 30 minutes (x); ")
    assert len(lines(log, "for more than 30 minutes")) == 1
    world.outcome = lambda: RunReport(now=world.now)
    world.passes(scheduler, minutes=6)
    assert scheduler.state().failures_in_a_row == 0


def test_a_run_that_the_service_ends_is_no_failure(world: World, log: pytest.LogCaptureFixture) -> None:
    """Whoever stops the service in the middle of a run is not told that something failed; nor is the alarm."""

    def stopped() -> RunReport:
        raise RunStopped("run", "it was told to stop", "the next one makes up for it")

    world.outcome = stopped
    scheduler = world.make([RARE])
    seen: list[RunReport] = []
    scheduler.observers.append(lambda report, began, ended: seen.append(report))
    scheduler.tick()
    state = scheduler.state()
    assert (state.failures_in_a_row, state.last_run, state.running_since, seen) == (0, None, None, [])
    assert [record.levelname for record in log.records if "told to stop" in record.message] == ["INFO"]


def test_a_store_that_cannot_be_asked_is_told_and_asked_again(
    world: World, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = world.make([RARE])

    def broken(purpose: str) -> Any:
        raise StoreError("digest.db", "disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "leading", broken)
        world.passes(scheduler, minutes=5)
    assert not world.runs
    assert len(lines(log, "no run: digest.db: disk I/O error")) == 1
    world.passes(scheduler, minutes=5)
    assert len(world.runs) == 1


def test_observers_get_every_report_and_cannot_break_anything(world: World, log: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[bool, datetime, datetime]] = []

    def broken(report: RunReport, began: datetime, ended: datetime) -> None:
        raise RuntimeError("no disk")

    scheduler = world.make([RARE])
    scheduler.observers += [broken, lambda report, began, ended: seen.append((report.ok, began, ended))]

    def slow() -> RunReport:
        world.sleeps(seconds=12)
        raise SourceError("posts.folder", "does not exist")

    world.outcome = slow
    began = world.now
    scheduler.tick()
    assert seen == [(False, began, began + timedelta(seconds=12))]
    assert lines(log, "an observer of the run failed")


# ------------------------------------------------------------------- the state


def test_the_state_says_what_was_and_what_comes(world: World) -> None:
    scheduler = world.make([POSTS, MORNING])
    before = scheduler.state()
    assert (before.leading, before.last_run, before.running_since) == (False, None, None)
    during: list[Any] = []

    def look() -> RunReport:
        during.append(scheduler.state())
        return RunReport(now=world.now)

    world.outcome = look
    began = world.now
    scheduler.tick()
    assert during[0].running_since == began
    state = scheduler.state()
    assert (state.leading, state.leader, state.running_since) == (True, "", None)
    assert state.last_run is not None
    assert state.last_run.jobs == ("posts", "digest daily")
    assert [(job.name, job.words, job.last, f"{job.next:%H:%M}") for job in state.jobs] == [
        ("posts", "every 5 minutes", began, "00:05"),
        ("digest daily", "daily 08:03", began, "00:03"),
    ]


# ---------------------------------------------------------------- two of them


def test_one_leads_and_the_other_takes_over(store_url: str, log: pytest.LogCaptureFixture) -> None:
    """The second one is told, once, and starts no run until the first has ended."""
    with open_store(store_url) as one, open_store(store_url) as two:
        first, second = World(one), World(two)
        leader, follower = first.make([POSTS]), second.make([POSTS])
        leader.tick()
        second.passes(follower, minutes=2)
        assert (len(first.runs), len(second.runs)) == (1, 0)
        assert follower.state().leader
        assert len(lines(log, "it starts the runs, this process shows pages")) == 1
        with leader.closing():
            pass
        second.passes(follower, minutes=1)
        assert len(second.runs) == 1
        assert follower.state().leading
        assert lines(log, "this one starts the runs now")
        with follower.closing():
            pass


@pytest.mark.postgres
def test_a_lead_that_the_database_forgot_is_taken_again(postgres_url: str, log: pytest.LogCaptureFixture) -> None:
    """A server that is restarted lets go of all locks."""
    import psycopg

    with open_store(postgres_url) as store:
        world = World(store)
        scheduler = world.make([POSTS])
        scheduler.tick()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        world.passes(scheduler, minutes=15)
        assert scheduler.state().leading
        assert lines(log, "taking the lead again")
        assert len(world.runs) == 4
        with scheduler.closing():
            pass


# ---------------------------------------------------------------- the ticker


def test_it_works_until_it_is_told_to_stop(world: World) -> None:
    """With real threads: the first run comes at once, a change wakes it, and stopping takes no tick."""
    scheduler = world.make([RARE])
    ran, stop = threading.Event(), threading.Event()

    def outcome() -> RunReport:
        ran.set()
        return RunReport(now=world.now)

    world.outcome = outcome
    thread = threading.Thread(target=scheduler.work, args=(stop,))
    thread.start()
    assert ran.wait(60)
    ran.clear()
    scheduler.posts_changed()
    assert ran.wait(60)
    stop.set()
    scheduler.wake()
    thread.join(60)
    assert not thread.is_alive()
    assert not scheduler.state().leading


def test_the_ticker_wakes_at_the_moments_of_period(world: World) -> None:
    """Ours, not APScheduler's own: 00:30 in Berlin comes on the day after the clocks changed, and once in autumn."""
    berlin = ZoneInfo("Europe/Berlin")
    trigger = _trigger(daily(time(0, 30)), berlin)
    now = datetime(2025, 3, 29, 23, 0, tzinfo=UTC)
    found = []
    for _ in range(3):
        now = trigger.get_next_fire_time(now, now)
        found.append(f"{now.astimezone(berlin):%m-%d %H:%M}")
    assert found == ["03-30 00:30", "03-31 00:30", "04-01 00:30"]
    assert trigger.get_next_fire_time(None, now) > now


def test_the_ticker_can_be_started_anew() -> None:
    """It wakes at its jobs' moments, also after the clock was set."""
    woken = threading.Event()
    jobs = [POSTS, Job(name="x", words="", rule=parse_cron("* * * * *"))]
    with _Ticker(jobs, SHANGHAI, woken.set) as ticker:
        for _ in range(2):
            scheduler = ticker._scheduler
            assert {job.id for job in scheduler.get_jobs()} == {"minute", "posts", "x"}
            scheduler.modify_job("posts", next_run_time=datetime.now(UTC) - timedelta(hours=1))
            assert woken.wait(60), "what is long past is not dropped"
            woken.clear()
            ticker.restart()


# ------------------------------------------------------------------ the config


def test_jobs_come_from_the_configuration(tmp_path: Any) -> None:
    (tmp_path / "config.yaml").write_text(
        "site: {title: T, url: https://a.example, language: en, timezone: Europe/Berlin, author: A}\n"
        "posts: {schedule: hourly}\n"
        "categories: [{name: essays, schedule: daily 09:00}, macro]\n"
        "digests: {daily: {schedule: 'weekdays 07:30'}, monthly: {schedule: 'cron: 0 8 1 * *', title: M}}\n",
        encoding="utf-8",
    )
    jobs = jobs_of(load(tmp_path / "config.yaml", {}))
    assert [(job.name, job.words, job.category) for job in jobs] == [
        ("posts", "every 60 minutes", ""),
        ("category essays", "daily 09:00", "essays"),
        ("digest daily", "weekdays 07:30", ""),
        ("digest monthly", "cron 0 8 1 * *", ""),
    ]
    assert isinstance(jobs[0].rule, Every)
