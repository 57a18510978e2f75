"""A run that finds nothing new by the note of the one before says and does what a full run would."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.app.quiet import ENDING, Quiet, last_look, settled_database, still_quiet
from digest.app.running import run_once
from digest.cli.report import report_lines, report_to_json
from digest.jobs.rest import quiet_until
from digest.period import daily
from tests.run.site_folder import CONFIG, Site

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 24, 9, tzinfo=ZONE)
LONG_AGO = 1_700_000_000
"""A file's time that leaves no doubt whether it is still being written."""


def full_run(site: Site, now: datetime) -> dict[str, object]:
    """A run that does not look at the note, and writes one."""
    report, _ = run_once(
        site.folder / "config.yaml",
        as_of=now.isoformat(),
        to_json=report_to_json,
        to_lines=lambda said: list(report_lines(said)),
    )
    return json.loads(report_to_json(report))


def glance(site: Site, now: datetime, **env: str) -> Quiet | None:
    return still_quiet(site.folder / "config.yaml", {**env}, now.isoformat())


def put(site: Site, name: str, **parts: str) -> None:
    path = site.post(name, **parts)
    os.utime(path, (LONG_AGO, LONG_AGO))


def memory(site: Site) -> dict[str, list[str]]:
    """What the store holds, without the log of runs."""
    with sqlite3.connect(site.folder / "var" / "digest.db") as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in tables}
    connection.close()
    del rows["run"]
    return rows


@pytest.fixture
def settled(site: Site) -> Site:
    """A site whose last run, at ``START``, left nothing to do."""
    for number in range(3):
        put(site, f"2026-11-24-{number}.md", title=f"要闻 {number}", link=f"http://x.example.com/{number}")
    full_run(site, START)
    return site


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


# ------------------------------------------------------------------ the law


class History:
    """Things that happen to a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = START
        self.count = 0

    def arrive(self) -> None:
        self.count += 1
        put(self.site, f"2026-11-24-new-{self.count}.md", title=f"新闻 {self.count}", link=f"http://x/{self.count}")

    def arrive_tomorrow(self) -> None:
        """A post that waits for its date."""
        self.count += 1
        later = (self.now + timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S +0800")
        put(self.site, f"2026-11-25-late-{self.count}.md", title=f"预告 {self.count}", date=later)

    def break_one(self) -> None:
        self.count += 1
        put(self.site, f"2026-11-24-bad-{self.count}.md", date="某日")

    def just_written(self) -> None:
        """A file so new that it may still be being written."""
        self.count += 1
        self.site.post(f"2026-11-24-fresh-{self.count}.md", title=f"快讯 {self.count}", link=f"http://y/{self.count}")

    def edit(self) -> None:
        for path in sorted(self.site.posts.glob("*.md"))[:1]:
            path.write_text(path.read_text("utf-8").replace("逆回购", "正回购"), encoding="utf-8")
            os.utime(path, (LONG_AGO + self.count, LONG_AGO + self.count))

    def withdraw(self) -> None:
        for path in sorted(self.site.posts.glob("*.md"))[1:2]:
            path.unlink()

    def lose_a_page(self) -> None:
        for path in sorted((self.site.folder / "public").rglob("*.xml"))[:1]:
            path.unlink()

    def wait(self) -> None:
        self.now += minutes(5)

    def wait_long(self) -> None:
        self.now += timedelta(hours=23)

    def wait_a_week(self) -> None:
        self.now += timedelta(days=8)


STEPS: list[Callable[[History], None]] = [
    *(History.arrive, History.arrive_tomorrow, History.break_one, History.just_written, History.edit),
    *(History.withdraw, History.lose_a_page, History.wait, History.wait, History.wait_long, History.wait_a_week),
]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=8))
def test_whenever_the_note_holds_a_full_run_does_nothing(steps: list[Callable[[History], None]]) -> None:
    """For any history: if a glance finds nothing to do, the full run says the same and touches nothing."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        history = History(site)
        put(site, "2026-11-24-first.md")
        full_run(site, history.now)
        for step in steps:
            step(history)
            quiet = glance(site, history.now)
            before = memory(site), site.tree("public", "var/outbox")
            report = full_run(site, history.now)
            if quiet is not None:
                assert quiet.report == report
                assert (memory(site), site.tree("public", "var/outbox")) == before


# ---------------------------------------------------------------- one by one


def test_nothing_new_is_known_at_a_glance(settled: Site) -> None:
    """Five minutes later nothing is opened, and the report is a full run's."""
    words = settled.run("--json", as_of=(START + minutes(5)).isoformat())
    assert json.loads(words.out) == {**full_run(settled, START + minutes(5))}
    assert last_look(settled.folder / "var" / "digest.db") is not None


def test_people_read_what_a_full_run_would_say(settled: Site) -> None:
    short = settled.run(as_of="2026-11-24 09:05")
    (settled.folder / "var" / f"digest.db{ENDING}").unlink()
    assert settled.run(as_of="2026-11-24 09:05").out == short.out


def test_a_problem_is_told_every_time(site: Site) -> None:
    put(site, "2026-11-24-bad.md", date="某日")
    put(site, "2026-11-24-good.md")
    first = full_run(site, START)
    quiet = glance(site, START + minutes(5))
    assert quiet is not None
    assert quiet.report["collected"]["problems"] == first["collected"]["problems"]
    assert any("某日" in line for line in quiet.lines)


def edit_in_place(site: Site) -> None:
    path = site.posts / "2026-11-24-1.md"
    path.write_bytes(path.read_bytes().replace(b"1.html", b"2.html"))


def change_template(site: Site) -> None:
    (site.folder / "mine").mkdir()
    (site.folder / "mine" / "new.html").write_text("x")


def write_into_store(site: Site) -> None:
    connection = sqlite3.connect(site.folder / "var" / "digest.db")
    connection.execute("INSERT INTO meta (name, value) VALUES ('x', 'y')")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "happens",
    [
        lambda site: put(site, "2026-11-24-new.md"),
        lambda site: (site.posts / "2026-11-24-1.md").unlink(),
        edit_in_place,
        lambda site: (site.posts / "2026-11-24-1.md").rename(site.posts / "2026-11-24-x.md"),
        lambda site: (site.folder / "public" / "feed.xml").unlink(),
        lambda site: (site.folder / "public" / "feed" / "macro.xml.gz").unlink(),
        lambda site: (site.folder / "public" / "editions" / "daily.xml").unlink(),
        write_into_store,
        lambda site: site.configure(CONFIG + "# a word\n"),
        lambda site: (site.folder / "var" / "digest.db").unlink(),
        lambda site: (site.folder / "var" / f"digest.db{ENDING}").write_text("{"),
        lambda site: (site.folder / "var" / f"digest.db{ENDING}").write_text("[]"),
    ],
)
def test_any_change_sends_a_run_its_full_way(settled: Site, happens: Callable[[Site], object]) -> None:
    assert glance(settled, START + minutes(5)) is not None
    happens(settled)
    assert glance(settled, START + minutes(5)) is None


def test_templates_of_ones_own_are_looked_at(site: Site) -> None:
    (site.folder / "mine").mkdir()
    site.configure(CONFIG + "templates: mine\n")
    put(site, "2026-11-24-first.md")
    full_run(site, START)
    assert glance(site, START + minutes(5)) is not None
    (site.folder / "mine" / "new.html").write_text("x")
    assert glance(site, START + minutes(5)) is None


def test_a_program_that_has_the_store_open_is_noticed(settled: Site) -> None:
    """What it commits goes into SQLite's log first."""
    connection = sqlite3.connect(settled.folder / "var" / "digest.db")
    connection.execute("SELECT count(*) FROM meta").fetchone()
    full_run(settled, START + minutes(1))
    assert glance(settled, START + minutes(5)) is not None
    connection.execute("INSERT INTO meta (name, value) VALUES ('x', 'y')")
    connection.commit()
    assert glance(settled, START + minutes(5)) is None
    connection.close()


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        (START - minutes(1), False),
        (START, True),
        (START + minutes(59), True),
        (START + minutes(60), False),
        (START + timedelta(days=365), False),
    ],
)
def test_a_note_holds_for_an_hour(settled: Site, moment: datetime, holds: bool) -> None:
    """Not before the run that wrote it, and not for ever."""
    assert (glance(settled, moment) is not None) is holds


def test_a_note_ends_when_a_digest_is_due(site: Site) -> None:
    put(site, "2026-11-24-first.md", date="2026-11-24 06:00:00 +0800")
    full_run(site, START.replace(hour=7, minute=30))
    assert glance(site, START.replace(hour=7, minute=59)) is not None
    assert glance(site, START.replace(hour=8)) is None


def test_a_note_ends_when_a_post_gets_its_turn(settled: Site) -> None:
    put(settled, "2026-11-24-late.md", date="2026-11-24 09:20:00 +0800", link="http://z")
    full_run(settled, START)
    assert glance(settled, START + minutes(19)) is not None
    assert glance(settled, START + minutes(20)) is None


def test_a_withdrawn_post_is_dropped_after_its_week(settled: Site) -> None:
    (settled.posts / "2026-11-24-1.md").unlink()
    full_run(settled, START)
    full_run(settled, START + timedelta(days=7) - minutes(30))
    assert glance(settled, START + timedelta(days=7) - minutes(1)) is not None
    assert glance(settled, START + timedelta(days=7)) is None


@pytest.mark.parametrize("words", [("--only", "collect"), ("--dry-run",)])
def test_half_a_run_writes_no_note(site: Site, words: tuple[str, ...]) -> None:
    put(site, "2026-11-24-first.md")
    assert site.run(*words).code == 0
    assert not (site.folder / "var" / f"digest.db{ENDING}").exists()


def test_a_run_with_failures_leaves_no_note(settled: Site) -> None:
    """What failed is tried again by the next run."""
    (settled.folder / "public" / "feed.xml").unlink()
    (settled.folder / "public" / "feed.xml").mkdir()
    assert full_run(settled, START + minutes(5))["ok"] is False
    assert not (settled.folder / "var" / f"digest.db{ENDING}").exists()


def test_a_fresh_file_leaves_no_note(settled: Site) -> None:
    """It may be written again without its time telling: the next run reads it once more."""
    settled.post("2026-11-24-fresh.md", link="http://fresh")
    full_run(settled, START + minutes(5))
    assert glance(settled, START + minutes(5)) is None


def test_the_environment_names_another_store(settled: Site) -> None:
    other = f"sqlite:///{settled.folder}/var/other.db"
    assert glance(settled, START + minutes(5), DIGEST_STORE=other) is None
    assert glance(settled, START + minutes(5), DIGEST_STORE="postgresql://localhost/x") is None


def test_a_store_elsewhere_has_its_note_beside_it(site: Site) -> None:
    site.configure(CONFIG + "store: sqlite:///data/my.db\n")
    put(site, "2026-11-24-first.md")
    full_run(site, START)
    assert (site.folder / "data" / f"my.db{ENDING}").is_file()
    assert glance(site, START + minutes(5)) is not None


def test_nobody_looked_where_there_is_no_note(tmp_path: Path) -> None:
    assert last_look(tmp_path / "digest.db") is None
    assert still_quiet(tmp_path / "config.yaml", {}, None) is None


def test_the_last_look_is_by_the_real_clock(settled: Site) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert glance(settled, START + minutes(5)) is not None
    looked = last_look(settled.folder / "var" / "digest.db")
    assert looked is not None
    assert looked >= before


@pytest.mark.parametrize("store", ["sqlite:///var/digest.db", "sqlite:///digest.db"])
def test_posts_may_lie_around_everything_else(site: Site, store: str) -> None:
    """What a run itself makes and removes, in its own folders or beside the posts, is not taken for news."""
    site.configure(CONFIG.replace("folder: site", "folder: .\n  kind: hugo") + f"store: {store}\n")
    for number in range(2):
        path = site.folder / f"2026-11-2{number}-plain.md"
        path.write_text(f"---\ntitle: 要闻 {number}\ndate: 2026-11-23 08:00:00 +0800\n---\n> 摘要\n", encoding="utf-8")
        os.utime(path, (LONG_AGO, LONG_AGO))
    for count in range(2):
        full_run(site, START + minutes(count))
    quiet = glance(site, START + minutes(5))
    assert quiet is not None
    assert quiet.report["collected"]["found"] == 2
    (site.folder / "2026-11-23-more.md").write_text("---\ntitle: x\n---\n", encoding="utf-8")
    assert glance(site, START + minutes(5)) is None


def test_times_of_whole_seconds_are_not_relied_on(settled: Site) -> None:
    """A file system that has no finer ones cannot tell two changes of one second apart."""
    database = settled.folder / "var" / "digest.db"
    assert settled_database(database) is not None
    os.utime(database, (LONG_AGO, LONG_AGO))
    assert settled_database(database) is None


class Fixed:
    """A store that asks for work at a moment of its own."""

    def __init__(self, moment: datetime | None) -> None:
        self.moment = moment

    def next_change(self, *, withdrawn_stays: timedelta, resend: bool) -> datetime | None:
        return self.moment


@pytest.mark.parametrize(
    ("now", "schedules", "readers", "change", "until"),
    [
        ("10:00", [], False, None, "11:00"),
        ("23:30", [], False, None, "00:30"),
        ("23:30", [], True, None, "00:00"),
        ("10:00", [], True, None, "11:00"),
        ("10:00", ["10:40", "10:20"], False, None, "10:20"),
        ("10:00", ["10:00"], False, None, "11:00"),  # the run at ten has made it
        ("10:00", ["10:40"], True, "10:30", "10:30"),
        ("10:00", ["10:40"], True, "09:00", "09:00"),
        ("10:00", [], False, "15:00", "11:00"),
    ],
)
def test_nothing_is_due_until_the_first_of_all(
    now: str, schedules: list[str], readers: bool, change: str | None, until: str
) -> None:
    """An hour, the next edition, midnight (UTC) if there are readers, and what the store says."""

    def at(text: str) -> datetime:
        moment = datetime.combine(START.date(), time.fromisoformat(text), UTC)
        return moment + timedelta(days=1) if text.startswith("00") else moment

    found = quiet_until(
        Fixed(None if change is None else at(change)),
        [daily(time.fromisoformat(text)) for text in schedules],
        ZoneInfo("UTC"),
        at(now),
        resend=True,
        readers=readers,
    )
    assert found == at(until)
