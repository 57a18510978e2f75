"""A clock that was ahead for a while, or ``--as-of``, harms nothing afterwards: every post is mailed once, in the first
edition that could have it, and what is said about it in between is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.alarms.watching import Alarm
from digest.app import moment as module
from digest.app.asking import look_into_post
from digest.app.assembly import App
from digest.app.moment import When, agreed, clock_of, moment
from digest.app.monitor import monitor_of, run_end
from digest.app.running import set_right
from digest.clocks import RunTimes, seems_behind
from digest.jobs.explain.posts import Explanation
from digest.jobs.monitoring.status import overview
from digest.jobs.progress import silent
from digest.jobs.run import RunReport
from digest.jobs.subscribers.signup import Asked
from digest.models import DeliveryState
from digest.store import SqlStore
from digest.subscribers.bounces import HELD_FOR
from digest.subscribers.subscription import Preferences
from tests.subscribers.reader_world import World, link, text_of, token

CONFIG = """\
site: {title: News, url: https://news.example.com, language: en, timezone: Asia/Shanghai, author: A}
posts: {folder: site, settle: 0}
feeds: {formats: [atom], min_items: 1, window_hours: 24, archives: false}
digests:
  daily: {schedule: "daily 08:00", max_age: 400 days}
mail: {sender: digest@news.example.com, to: always@example.org}
"""

JUMPS = {
    "ten minutes": timedelta(minutes=10),
    "26 hours": timedelta(hours=26),
    "three weeks": timedelta(weeks=3, minutes=10),
    "a year": timedelta(days=365, minutes=10),
}
SLOT = datetime(2026, 11, 25, 0, tzinfo=UTC)
"""08:00 in Shanghai."""
BEFORE = SLOT - timedelta(minutes=5)
DAY = timedelta(days=1)


class Clocked(World):
    """``now`` is what every clock shows, the database's too."""

    def app(self, *, dry_run: bool = False) -> App:
        when = agreed(moment(None, self.settings.site.timezone), self.store.clock)
        return App(self.settings, self.store, when, dry_run=dry_run, progress=silent)

    def ahead(self, span: timedelta, *, as_of: bool) -> RunReport:
        """A run at a time that has not come."""
        if as_of:
            then = When(now=self.now + span, wall=self.now)
            return run(App(self.settings, self.store, then, dry_run=False, progress=silent))
        self.now += span
        try:
            return self.run()
        finally:
            self.now -= span

    def at(self, moment: datetime) -> RunReport:
        self.now = moment
        return self.run()

    def promised(self, title: str) -> str:
        """The edition that a post waits for, by ``digest explain`` and by ``digest status``."""
        found = look_into_post(self.app(), title, None)
        assert isinstance(found, Explanation)
        (fact,) = [fact for fact in found.facts if fact.code == "waits"]
        (next_one,) = overview(self.store, monitor_of(self.settings).rules(), self.now).next
        assert fact.at == next_one.at
        assert next_one.period in fact.says
        return next_one.period

    def edition_of(self, title: str) -> str:
        """The one edition that has a post."""
        (post,) = self.store.look_for(title).posts
        (member,) = self.store.memberships(post.key)
        return member.edition.period

    def feed(self) -> str:
        return (self.folder / "public" / "feed.xml").read_text(encoding="utf-8")

    def alarms(self) -> list[str]:
        found = overview(self.store, monitor_of(self.settings).rules(), self.now).alarms
        return [alarm.name for alarm in found]


def run(app: App) -> RunReport:
    from digest.app.running import run_steps

    return run_steps(app, ())


@pytest.fixture
def world(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocked]:
    with closing(Clocked(tmp_path, store_url, CONFIG)) as made:
        yield put_on(made, monkeypatch)


@pytest.fixture
def quick(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocked]:
    """On SQLite alone."""
    with closing(Clocked(tmp_path, sqlite_url, CONFIG)) as made:
        yield put_on(made, monkeypatch)


def put_on(world: Clocked, monkeypatch: pytest.MonkeyPatch) -> Clocked:
    """Let the world's clock be everybody's, a day after the first edition."""

    class Shown(datetime):
        @classmethod
        def now(cls, tz=None):
            return world.now

    monkeypatch.setattr(module, "datetime", Shown)
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: now)
    world.now = SLOT - DAY - timedelta(hours=2)
    world.begin()
    world.at(SLOT - DAY)
    return world


def three_days(world: Clocked, *, taken: str = "") -> None:
    """A post a day, just before the slot, each in the first edition that could have it; ``taken`` was made early."""
    expected = {}
    for day in range(4):
        slot = SLOT + day * DAY
        world.now = slot - timedelta(minutes=2)
        title = f"Title number {day} of these"
        world.news(f"day{day}", title=title)
        world.run()
        expected[title] = world.promised(title)
        world.at(slot + timedelta(seconds=30))
        world.now = slot + timedelta(minutes=45)
        assert world.alarms() == []
        assert title in world.feed()
        world.at(slot + timedelta(hours=4, minutes=1))  # noon
    periods = [f"2026-11-{25 + day}" for day in range(5)]
    open_ones = [period for period in periods if period != taken]
    world.at(SLOT + 4 * DAY)
    world.at(SLOT + 4 * DAY + timedelta(hours=4, minutes=1))
    for day, title in enumerate(expected):
        first = next(period for period in open_ones if period >= periods[day])
        assert expected[title] == world.edition_of(title) == first


def mailed_once(world: Clocked) -> None:
    """Every edition went to everybody once, and no post is in two."""
    world._seen.clear()
    mails = world.new_mails()
    to = [(str(mail["To"]), str(mail["Subject"])) for mail in mails]
    counts = world.store.counts().by_state
    assert set(counts) == {"sent"}, counts
    assert len(to) == counts["sent"]  # type: ignore[index]
    texts = [text_of(mail) for mail in mails if mail["To"] == "always@example.org"]
    for title in {line.strip() for text in texts for line in text.splitlines() if line.startswith("Title number")}:
        assert sum(title in text for text in texts) == 1


MATRIX = [
    pytest.param(
        store,
        span,
        as_of,
        id=f"{store}, {name}{', as of' if as_of else ''}",
        marks=[
            *([pytest.mark.postgres] if store == "postgres" else []),
            *([] if (store, name, as_of) == ("sqlite", "26 hours", False) else [pytest.mark.slow]),
        ],
    )
    for store in ("sqlite", "postgres")
    for name, span in JUMPS.items()
    for as_of in (False, True)
]
matrix = pytest.mark.parametrize(("store_url", "span", "as_of"), MATRIX, indirect=["store_url"])


@matrix
def test_periods_that_had_nothing_new_are_open_again(world: Clocked, span: timedelta, as_of: bool) -> None:
    """Nothing waits while the clock is ahead; with the real one every day has its edition."""
    world.now = BEFORE
    report = world.ahead(span, as_of=as_of)
    assert report.editions is not None
    assert {result.outcome.value for result in report.editions.results} <= {"nothing new", "missed"}
    (line,) = clock_lines(world.at(BEFORE + timedelta(minutes=1)))
    assert "daily 2026-1" in line or "daily 2027-1" in line
    assert clock_lines(world.at(BEFORE + timedelta(minutes=2))) == []
    three_days(world)
    mailed_once(world)


@matrix
def test_what_was_mailed_too_early_is_not_mailed_again(world: Clocked, span: timedelta, as_of: bool) -> None:
    """A post waits, another one comes while the clock is ahead: both are mailed at once, and never again. What comes
    later waits for the first edition that there is not yet."""
    world.join("noon@example.org", preferences=Preferences(hour=12))
    world.now = BEFORE
    world.news("waiting", title="Title number 90 of these")
    world.run()
    world.news("during", title="Title number 91 of these")
    report = world.ahead(span, as_of=as_of)
    assert report.editions is not None
    taken = next(result.period for result in report.editions.results if result.outcome.value == "made")
    world.at(BEFORE + timedelta(minutes=1))
    assert world.edition_of("Title number 90 of these") == world.edition_of("Title number 91 of these") == taken
    three_days(world, taken=taken)
    mailed_once(world)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_as_of_that_came_true_leaves_no_period_closed(world: Clocked) -> None:
    """No run took place between: that the period was given up early is known all the same."""
    world.now = BEFORE
    world.ahead(timedelta(minutes=10), as_of=True)
    world.news("late", title="Title number 1 of these")
    world.at(SLOT + timedelta(minutes=20))
    assert world.edition_of("Title number 1 of these") == "2026-11-25"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_as_of_undoes_nothing(world: Clocked) -> None:
    """It only pretends to be earlier."""
    world.now = BEFORE
    world.ahead(timedelta(hours=26), as_of=False)
    then = When(now=BEFORE + timedelta(minutes=1), wall=BEFORE + timedelta(hours=26))
    report = run(App(world.settings, world.store, then, dry_run=False, progress=silent))
    assert clock_lines(report) == []
    assert world.store.edition("daily", "2026-11-26") is not None


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_period_that_was_given_up_ahead_counts_as_late(world: Clocked) -> None:
    """If no run follows, the alarm says so; nothing is promised that will not be."""
    world.now = BEFORE
    world.ahead(timedelta(hours=26), as_of=False)
    world.now = SLOT + timedelta(minutes=45)
    assert world.alarms() == ["slot:daily"]


def clock_lines(report: RunReport) -> list[str]:
    return [line for line in report.warnings if line.startswith("clock:")]


# ------------------------------------------------------------ what else is dated


both = pytest.mark.parametrize(
    "store_url", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])], indirect=True
)


@both
def test_a_feed_goes_on_with_what_is_really_new(world: Clocked) -> None:
    """A post that came in while the clock was a year ahead would push all others out of the window."""
    world.now = BEFORE
    world.news("during", title="Title number 1 of these")
    world.ahead(timedelta(days=365), as_of=False)
    world.news("after", title="Title number 2 of these")
    world.at(BEFORE + timedelta(minutes=1))
    assert "Title number 1 of these" in world.feed()
    assert "Title number 2 of these" in world.feed()
    (post,) = world.store.look_for("Title number 1 of these").posts
    assert post.first_seen == post.collected_at == world.now
    assert max(row.started_at for row in world.store.runs(9)) == world.now


@both
def test_a_site_that_began_ahead_begins_now(world: Clocked) -> None:
    """Its digest would wait until its first day comes."""
    with world.store._database.changing() as connection:
        connection.run("UPDATE digest SET began_at = ?", int((SLOT + timedelta(days=365)).timestamp()))
    world.at(BEFORE)
    world.news("new", title="Title number 1 of these")
    world.at(SLOT)
    assert world.edition_of("Title number 1 of these") == "2026-11-25"


def test_mail_that_expired_too_early_is_sent(world: Clocked) -> None:
    """A reader's noon is still to come when the clock says that the edition is over."""
    world.join("noon@example.org", preferences=Preferences(hour=12))
    world.news("new", title="Title number 1 of these")
    world.at(SLOT)
    world.ahead(timedelta(hours=26), as_of=False)
    assert world.store.counts().by_state[DeliveryState.EXPIRED] == 1
    world.at(SLOT + timedelta(minutes=5))
    world.at(SLOT + timedelta(hours=4, minutes=1))
    mailed_once(world)


WAITS = {
    "lease": ("state = 'leased', lease_until = {far}", "leased", "lease_until", timedelta(minutes=2)),
    "answer": ("state = 'transmitting', lease_until = {far}", "transmitting", "lease_until", timedelta(minutes=11)),
    "retry": ("attempts = 1, not_before = {far}", "queued", "not_before", timedelta()),
    "time": ("not_before = {far}", "queued", "not_before", timedelta()),
}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wait", WAITS)
def test_nothing_of_the_ledger_waits_longer_than_it_ever_does(world: Clocked, wait: str) -> None:
    """A lease, a retry, a time to leave."""
    change, state, column, most = WAITS[wait]
    far = int((SLOT + timedelta(days=21)).timestamp())
    with world.store._database.changing() as connection:
        connection.run("UPDATE edition SET state = 'sending', expires_at = ?", far + 9)
        connection.run(f"UPDATE delivery SET state = 'queued', ended_at = NULL, {change.format(far=far)}")
    world.now = SLOT
    assert world.store.is_ahead(SLOT)
    set_right(world.app())
    with world.store._database.asking() as connection:
        assert connection.rows(f"SELECT state, {column} FROM delivery") == [(state, int((SLOT + most).timestamp()))]
    assert not world.store.is_ahead(SLOT)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_reader_keeps_their_hour(world: Clocked) -> None:
    """Mail of an edition that was made three weeks too early leaves at the reader's next noon."""
    world.join("noon@example.org", preferences=Preferences(hour=12))
    world.now = BEFORE
    world.news("new", title="Title number 1 of these")
    world.ahead(timedelta(weeks=3, minutes=10), as_of=False)
    world.at(BEFORE + timedelta(minutes=1))
    assert world.store.next_due() == SLOT + timedelta(hours=4)


@both
def test_limits_and_holds_end_when_they_do(world: Clocked) -> None:
    """Sign-ups that were counted ahead, and a mailbox that was held."""
    for number in range(9):
        world.join(f"reader{number}@example.org")
    year = timedelta(days=365)
    with world.store._database.changing() as connection:
        connection.run("UPDATE attempt SET at = at + ?", int(year.total_seconds()))
        connection.run("UPDATE subscriber SET held_until = ?", int((SLOT + year).timestamp()))
    world.at(SLOT)
    world.now = SLOT + timedelta(days=1, minutes=1)
    with world.store._database.asking() as connection:
        assert connection.value("SELECT count(*) FROM attempt WHERE at > ?", int((SLOT).timestamp())) == 0
        assert connection.value("SELECT max(held_until) FROM subscriber") == int((SLOT + HELD_FOR).timestamp())


@both
def test_alarms_of_a_time_to_come_are_told_now(world: Clocked) -> None:
    """One that a process which is gone was about to tell would wait."""
    world.ahead(timedelta(days=30), as_of=False)
    later = world.now + timedelta(days=30)
    world.store.note_alarms([Alarm.of("run", "the run failed")], [], later)
    assert len(world.store.claim_alarms(later, later + timedelta(minutes=10))) == 1
    world.at(world.now + timedelta(minutes=1))
    assert [alarm.raised_at for alarm in world.store.claim_alarms(world.now, world.now)] == [world.now]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_nothing_is_forgotten_by_a_clock_that_jumped(world: Clocked) -> None:
    """A sign-up that waits for its confirmation is there when the clock is right again."""
    assert world.ask("ann@example.org") is Asked.NOTED
    (mail,) = world.sent()
    for _ in range(3):
        world.ahead(timedelta(days=365), as_of=False)
    world.at(world.now + timedelta(minutes=1))
    assert world.signup.confirm(token(link(mail)), world.now) is not None


# ------------------------------------------------------------- which clock it is


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_clock_that_is_behind_undoes_nothing(world: Clocked) -> None:
    """A machine that lost its clock would take everything it knows for the future."""
    for hour in range(4 * 24):
        world.now = SLOT + timedelta(hours=hour)
        world.store.started(world.now)
    world.at(SLOT + 4 * DAY)
    before = world.store.given_up_ahead(SLOT)
    assert before
    (line,) = clock_lines(world.at(SLOT + timedelta(minutes=30)))
    assert line.startswith("clock: it seems to be behind")
    assert world.store.given_up_ahead(SLOT) == before


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "ahead", "as_of", "behind"),
    [
        pytest.param(-1, (), None, False, id="nothing ahead"),
        pytest.param(-1, (1, 2, 3), None, False, id="by hours, which does little harm"),
        pytest.param(-1, range(1, 100), None, True, id="at the usual pace"),
        pytest.param(-1, range(500, 600), None, False, id="after a gap"),
        pytest.param(-24, (24, 48, 72), None, True, id="once a day"),
        pytest.param(-24, (24, 48, 72), 72, False, id="days that were tried out"),
        pytest.param(-1, (500, 501), None, False, id="too few to tell"),
        pytest.param(None, (500, 501, 502), None, False, id="begun ahead"),
    ],
)
def test_whose_clock_is_wrong(before: int | None, ahead: Sequence[int], as_of: int | None, behind: bool) -> None:
    """Hours from now."""
    times = RunTimes(
        before=None if before is None else SLOT + before * HOUR,
        ahead=[SLOT + each * HOUR for each in ahead][:20],
        latest=SLOT + max(ahead, default=0) * HOUR,
    )
    assert seems_behind(times, SLOT, None if as_of is None else SLOT + as_of * HOUR) is behind


def test_a_clock_from_before_the_program_is_behind() -> None:
    then = datetime(1970, 1, 1, tzinfo=UTC)
    assert seems_behind(RunTimes(before=None, ahead=[SLOT], latest=SLOT), then, None)


APART = {"ahead": timedelta(minutes=6), "behind": -timedelta(hours=3)}


@pytest.mark.parametrize("apart", APART)
def test_with_two_clocks_apart_everything_is_done_but_editions(
    quick: Clocked, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail leaves, feeds are made; the run failed and the alarm is raised, until the clocks agree."""
    quick.now = SLOT - timedelta(hours=6)
    quick.news("new", title="Title number 1 of these")
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: now + APART[apart])
    report = quick.at(SLOT + timedelta(minutes=1))
    assert report.editions is not None
    assert report.editions.results == []
    assert [line for line in report.failures if "clock is" in line and apart in line]
    assert "Title number 1 of these" in quick.feed()
    monitor = monitor_of(quick.settings)
    monitor.look(quick.store, quick.now, run=run_end(report))
    assert [alarm.name for alarm in quick.store.open_alarms()] == ["clock"]
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: now + timedelta(minutes=4))
    quick.at(SLOT + timedelta(minutes=2))
    monitor.look(quick.store, quick.now)
    assert quick.store.open_alarms() == []
    assert quick.edition_of("Title number 1 of these") == "2026-11-25"


def test_the_databases_clock_says_what_is_due(quick: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is four minutes behind makes the edition all the same; one that is ahead does not yet."""
    quick.now = SLOT - timedelta(hours=1)
    quick.news("new", title="Title number 1 of these")
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: now - timedelta(minutes=4))
    assert quick.at(SLOT + timedelta(minutes=1)).editions.results == []  # type: ignore[union-attr]
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: now + timedelta(minutes=4))
    report = quick.at(SLOT - timedelta(minutes=3))
    assert [result.period for result in report.editions.results] == ["2026-11-25"]  # type: ignore[union-attr]


def test_a_worker_follows_a_clock_that_stays_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that began while it was ahead would send everything early for as long as it lives."""
    shown, up = [SLOT + DAY], [0.0]

    class Shown(datetime):
        @classmethod
        def now(cls, tz=None):
            return shown[0]

    monkeypatch.setattr(module, "datetime", Shown)
    monkeypatch.setattr(module, "uptime", lambda: up[0])
    clock = clock_of(When(now=shown[0], wall=shown[0]), lambda now: now)
    for minute in range(10):
        shown[0], up[0] = SLOT + timedelta(minutes=minute), minute * 60.0
        assert (clock() > SLOT + DAY / 2) is (minute < 5)
