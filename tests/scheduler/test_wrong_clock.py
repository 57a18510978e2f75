"""A clock that was ahead for a while, or ``--as-of``, harms nothing afterwards: every post is mailed once, in the first
edition that could have it, and what is said about it in between is true."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.app import moment as module
from digest.app.asking import explain_post
from digest.app.assembly import App
from digest.app.lookout import lookout_of
from digest.app.moment import When, agreed, moment
from digest.jobs.explain import Explanation
from digest.jobs.progress import silent
from digest.jobs.run import RunReport
from digest.jobs.status import overview
from digest.store import SqlStore
from digest.subscribers.subscription import Wishes
from tests.subscribers.reader_world import World, text_of

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
        found = explain_post(self.app(), title, None)
        assert isinstance(found, Explanation)
        (fact,) = [fact for fact in found.facts if fact.code == "waits"]
        (next_one,) = overview(self.store, lookout_of(self.settings).rules(), self.now).next
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
        found = overview(self.store, lookout_of(self.settings).rules(), self.now).alarms
        return [alarm.name for alarm in found]


def run(app: App) -> RunReport:
    from digest.app.running import run_steps
    from digest.cli.report import report_to_json

    return run_steps(app, (), report_to_json)


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
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
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
    world.join("noon@example.org", wishes=Wishes(hour=12))
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
