"""Nobody gets half a post: files that are being written are read when they rest (posts.settle)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.app.assembly import opened
from digest.app.collecting import collect_posts
from digest.app.moment import moment
from digest.app.publishing import update_feeds
from digest.app.reading import FileReader
from digest.app.running import NO_POSTS
from digest.config import load
from digest.jobs.archive.collect import CollectReport, Parsed, collect
from digest.jobs.archive.settling import Settling
from digest.posts import Rules
from digest.sources import FolderSource
from digest.store import SqlStore, open_store
from tests.run.site_folder import CONFIG, Site, post_text
from tests.scheduler.serve_process import get, serving, until

NOW = datetime(2026, 11, 24, 8, 0, 0, 500_000, tzinfo=UTC)
REST = timedelta(seconds=2)
RULES = Rules(site_url="https://example.org", timezone=ZoneInfo("UTC"), kind="jekyll", now=NOW)


def text(title: str, body: str = "Body.") -> str:
    return f"---\ntitle: {title}\ndate: 2026-11-23 08:00:00 +0000\n---\n> {title}\n\n{body}\n"


class SignupService:
    """A folder, a store, and looks at the one for the other; times are made up, files are not."""

    def __init__(self, store: SqlStore, root: Path) -> None:
        self.store = store
        self.root = root
        self.wall = NOW
        self.slept: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """What others do while a run waits."""
        self.reading: Callable[[], object] = lambda: None
        """What others do between the listing and the reading."""
        root.mkdir()

    def write(self, name: str, written: str, *, ago: float, at: datetime | None = None) -> Path:
        """A file that was written so many seconds before the present look, or before ``at``."""
        path = self.root / f"2026-11-23-{name}.md"
        path.write_text(written, encoding="utf-8")
        self.touch(path, (at or self.wall) - timedelta(seconds=ago))
        return path

    @staticmethod
    def touch(path: Path, when: datetime) -> None:
        nanoseconds = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
        os.utime(path, ns=(nanoseconds, nanoseconds))

    def run(self, *, rest: timedelta = REST, rules: str = "") -> CollectReport:
        """As ``digest run``: it waits."""
        return self._collect(self._sleep, rest, rules)

    def look(self, *, later: float = 0.0) -> CollectReport:
        """As a run of ``digest serve``, so many seconds after the one before: it does not wait."""
        self.wall += timedelta(seconds=later)
        return self._collect(None, REST, "")

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()

    def _collect(self, sleep: Callable[[float], None] | None, rest: timedelta, rules: str) -> CollectReport:
        source = FolderSource(self.root, kind="hexo")  # where every file may be a post

        def read(paths: Sequence[str]) -> Iterable[Parsed]:
            self.reading()
            return FileReader(source, RULES)(paths)

        return collect(
            self.store,
            source,
            read,
            rules=rules or RULES.fingerprint(),
            now=self.wall.replace(microsecond=0),
            settling=Settling(wall=self.wall, rest=rest, sleep=sleep),
        )

    def titles(self) -> list[str]:
        """Of posts that are there."""
        names = [path.name for path in self.root.iterdir()]
        return sorted(post.title for post in self.store.posts_at(names).values() if post.gone_at is None)


@pytest.fixture
def signup(store_url: str, tmp_path: Path) -> Iterator[SignupService]:
    with open_store(store_url) as store:
        yield SignupService(store, tmp_path / "posts")


# ------------------------------------------------------------- a run that waits


def test_files_at_rest_are_read_without_waiting(signup: SignupService) -> None:
    signup.write("old", text("old"), ago=2.0)
    assert signup.run().arrived == 1
    assert signup.slept == []


def test_a_young_file_is_waited_for_no_longer_than_it_takes(signup: SignupService) -> None:
    signup.write("old", text("old"), ago=60)
    signup.write("new", text("new"), ago=0.75)
    report = signup.run()
    assert (report.arrived, report.unsettled, report.settles_in) == (2, 0, None)
    assert signup.slept == [1.25]
    signup.wall += timedelta(seconds=1.25)
    assert signup.run().opened == 0, "it is not read twice"
    assert len(signup.slept) == 1


def test_a_fresh_checkout_loses_nothing_and_is_waited_for_once(signup: SignupService) -> None:
    """Thousands of files that were all written a moment ago."""
    for number in range(3000):
        signup.write(f"{number:04}", text(f"post {number}"), ago=number / 3000)
    report = signup.run()
    assert (report.found, report.arrived, report.unsettled) == (3000, 3000, 0)
    assert signup.slept == [2.0]
    assert not signup.store.is_importing()


def test_what_changes_while_a_run_waits_is_left_to_the_next(signup: SignupService) -> None:
    """What did not change is taken; the first run is not over, as more of the archive is still to come."""
    signup.write("whole", text("whole"), ago=0.5)
    signup.write("half", text("half"), ago=0.5)
    signup.meanwhile = lambda: signup.write("half", text("half", "More."), ago=-1.9)
    report = signup.run()
    assert (report.arrived, report.unsettled, report.unsettled_path) == (1, 1, "2026-11-23-half.md")
    assert report.skipped == 0
    assert report.settles_in == pytest.approx(2 - 0.1 + 0.5, abs=2)
    assert signup.titles() == ["whole"]
    assert signup.store.is_importing()
    signup.wall += timedelta(minutes=5)
    signup.meanwhile = lambda: None
    assert signup.run().arrived == 1
    assert signup.titles() == ["half", "whole"]
    assert signup.slept == [1.5], "once"
    assert not signup.store.is_importing()


def test_one_file_that_is_written_all_the_time_does_not_hold_up_the_first_run_for_ever(signup: SignupService) -> None:
    signup.write("whole", text("whole"), ago=60)
    signup.write("never", text("never"), ago=0.5)
    signup.meanwhile = lambda: signup.write("never", text("never"), ago=-1.4)
    assert signup.run().arrived == 1
    assert signup.store.is_importing()
    signup.wall += timedelta(minutes=5)
    signup.write("never", text("never"), ago=0.5)
    assert signup.run().unsettled == 1
    assert not signup.store.is_importing()


def test_without_a_time_to_settle_everything_is_read_at_once(signup: SignupService) -> None:
    signup.write("new", text("new"), ago=0)
    signup.write("later", text("later"), ago=-3600)
    assert signup.run(rest=timedelta(0)).arrived == 2
    assert signup.slept == []


# ---------------------------------------------------------- a look that does not


def test_a_service_looks_again_when_a_file_has_settled(signup: SignupService) -> None:
    """The first look says when; until then nothing is taken, not even an archive's first run for done."""
    signup.write("new", text("new"), ago=0.5)
    report = signup.look()
    assert (report.arrived, report.unsettled, report.settles_in) == (0, 1, 1.5)
    assert signup.store.is_importing()
    report = signup.look(later=1.0)
    assert (report.arrived, report.settles_in) == (0, 0.5)
    assert signup.look(later=0.5).arrived == 1
    assert not signup.store.is_importing()


def test_a_post_that_is_rewritten_stays_as_it_was_until_then(signup: SignupService) -> None:
    path = signup.write("a", text("before"), ago=60)
    signup.look()
    signup.write("a", text("af"), ago=0.1)
    report = signup.look()
    assert (report.edited, report.gone, report.unsettled, report.skipped) == (0, 0, 1, 0)
    assert signup.titles() == ["before"]
    signup.write("a", text("after"), ago=0.0)
    assert signup.look(later=1.9).unsettled == 1
    signup.touch(path, signup.wall)
    assert signup.look(later=2.0).edited == 1
    assert signup.titles() == ["after"]


def test_a_time_that_is_still_to_come_has_settled_at_the_second_equal_look(signup: SignupService) -> None:
    """What an earlier run saw is a look; one that saw something else begins anew."""
    ahead = signup.wall + timedelta(hours=3)
    signup.write("ahead", text("ahe"), ago=0, at=ahead)
    assert (signup.look().unsettled, signup.look(later=0.5).settles_in) == (1, 1.5)
    signup.write("ahead", text("ahead"), ago=0, at=ahead)
    assert signup.look(later=1.5).unsettled == 1, "it is another one"
    assert signup.look(later=2.0).arrived == 1
    assert signup.titles() == ["ahead"]
    assert signup.look(later=300).opened == 0


def test_a_run_takes_a_time_that_is_still_to_come_when_it_has_waited(signup: SignupService) -> None:
    signup.write("ahead", text("ahead"), ago=-3600)
    assert signup.run().arrived == 1
    assert signup.slept == [2.0]


def test_what_the_last_run_saw_needs_no_waiting(signup: SignupService) -> None:
    """Also for one by cron: the second look took place minutes ago."""
    signup.write("ahead", text("ahead"), ago=-3600)
    signup.meanwhile = lambda: signup.write("ahead", text("ahead!"), ago=-3600)
    assert signup.run().unsettled == 1
    signup.wall += timedelta(minutes=5)
    assert signup.run().arrived == 1
    assert signup.slept == [2.0]


def test_a_clock_that_was_set_back_is_no_reason_to_wait_for_it(signup: SignupService) -> None:
    """Every file is of the future then."""
    signup.write("a", text("a"), ago=1)
    signup.look()
    assert signup.look(later=-7200).unsettled == 1
    assert signup.look(later=2).arrived == 1


def test_new_rules_do_not_wait_for_files_that_were_read(signup: SignupService) -> None:
    """One with a time that is still to come was at rest when it was read."""
    signup.write("ahead", text("ahead"), ago=-3600)
    signup.run()
    report = signup.run(rules="others")
    assert (report.opened, report.unsettled) == (1, 0)
    assert signup.slept == [2.0]


# ------------------------------------------------------------------- in between


def test_what_changed_while_it_was_read_is_read_again(signup: SignupService) -> None:
    """Half of it was there when it was read."""
    path = signup.write("a", text("a"), ago=60)
    signup.write("b", text("b"), ago=60)
    signup.reading = lambda: signup.write("a", text("a", "Half"), ago=-0.5)
    report = signup.look()
    assert (report.arrived, report.unsettled, report.settles_in) == (1, 1, 2.0)
    assert signup.titles() == ["b"]
    signup.reading = lambda: None
    signup.write("a", text("a", "Half and the other."), ago=-1)
    assert signup.look(later=2.9).unsettled == 1
    signup.touch(path, signup.wall)
    assert signup.look(later=2.0).arrived == 1


def test_a_post_whose_new_file_is_still_being_written_is_not_withdrawn(signup: SignupService) -> None:
    """As when a checkout renames it: when all rests, it is found under its new name."""
    signup.write("old", text("moved"), ago=60)
    signup.write("other", text("other"), ago=60)
    signup.look()
    (signup.root / "2026-11-23-old.md").unlink()
    signup.write("new", text("moved"), ago=0.1)
    report = signup.look()
    assert (report.gone, report.unsettled) == (0, 1)
    report = signup.look(later=2.0)
    assert (report.gone, report.arrived, report.renamed) == (0, 0, 1)


def test_a_known_file_that_is_being_written_keeps_nobody_from_leaving(signup: SignupService) -> None:
    signup.write("a", text("a"), ago=60)
    signup.write("b", text("b"), ago=60)
    signup.look()
    (signup.root / "2026-11-23-a.md").unlink()
    signup.write("b", text("b", "More."), ago=0.1)
    assert signup.look().gone == 1


# --------------------------------------------------------------- real programs

WRITER = """
import sys, time
path, pause = sys.argv[1], float(sys.argv[2])
first, second = sys.stdin.read().split("@@")
with open(path, "w", encoding="utf-8") as file:
    file.write(first)
    file.flush()
    print("half", flush=True)
    time.sleep(pause)
    file.write(second)
"""


def write_slowly(path: Path, written: str, pause: float) -> subprocess.Popen[str]:
    """A program that writes half a post (up to ``@@``), pauses, and writes the rest. Returns when half is written."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(pause)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    with writer.stdin as stdin:
        stdin.write(written)
    assert writer.stdout.readline() == "half\n"
    return writer


PATIENT = CONFIG.replace("  settle: 0\n", "")
HALVES = post_text(title="整篇", body="<p>前半</p>@@<p>后半</p>")


def test_a_writer_that_pauses_in_mid_file_is_waited_for_by_a_run(tmp_path: Path) -> None:
    """With the default: one run, the whole post, never edited."""
    site = Site(tmp_path, PATIENT)
    writer = write_slowly(site.posts / "2026-11-24-a.md", HALVES, pause=1.2)
    first = site.run_json(as_of=None)
    with writer:
        assert writer.wait(60) == 0
    second = site.run_json(as_of=None)
    reports = [result.report["collected"] for result in (first, second)]
    assert [result.code for result in (first, second)] == [0, 0]
    assert sum(report["arrived"] for report in reports) == 1
    assert sum(report["edited"] for report in reports) == 0


def test_an_archive_that_was_written_a_moment_ago_is_not_said_to_be_empty(tmp_path: Path) -> None:
    """A service whose first look finds a fresh checkout: the next one tells how many posts there are."""
    site = Site(tmp_path, CONFIG.replace("settle: 0", "settle: 10 min"))
    site.some_posts()
    with opened(load(tmp_path / "config.yaml", {}), moment(None, ZoneInfo("UTC")), dry_run=False) as app:
        report = collect_posts(app, waits=False)
        assert (report.unsettled, report.warnings) == (3, ())
        assert app.store.is_importing()
        assert app.store.recall(NO_POSTS) is None


def test_half_a_post_is_told_and_left(tmp_path: Path) -> None:
    """What is written for longer than a run waits is read by a later one."""
    site = Site(tmp_path, PATIENT.replace("folder: site", "folder: site\n  settle: 1 s"))
    site.some_posts()
    stop = tmp_path / "stop"
    busy = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import os, sys, time\n"
                "while not os.path.exists(sys.argv[2]):\n    os.utime(sys.argv[1])\n    time.sleep(0.02)"
            ),
            str(site.post("2026-11-24-half.md")),
            str(stop),
        ]
    )
    with busy:
        result = site.run(as_of=None)
        stop.touch()
    assert result.code == 0
    assert "1 being written" in result.out
    assert "2026-11-24-half.md was written a moment ago: read by the first run" in " ".join(result.out.split())
    assert site.run_json(as_of=None).report["collected"]["arrived"] == 1


def test_a_writer_that_pauses_in_mid_file_never_gets_half_a_post_into_feeds_of_a_service(tmp_path: Path) -> None:
    """The service looks again by itself, long before the next run by the clock."""
    site = Site(
        tmp_path,
        PATIENT.replace("folder: site", "folder: site\n  schedule: daily 03:00") + "feeds: {full_text: true}\n",
    )
    site.post("2026-11-23-old.md", title="旧", date="2026-11-23 08:00:00 +0800")
    seen: set[str] = set()

    def look(port: int) -> bool:
        body = get(port, "/feed.json")[1].decode()
        if "整篇" in body:
            seen.add("whole" if "后半" in body else "half")
        return bool(seen)

    with serving(tmp_path) as served:
        port = served.port()
        until(lambda: "旧" in get(port, "/feed.json")[1].decode(), "the service is at work")
        began = time.time()
        with write_slowly(site.posts / "2026-11-24-a.md", HALVES, pause=1.2) as writer:
            until(lambda: look(port), "the post is published")
            assert writer.wait(60) == 0
        settled = (site.posts / "2026-11-24-a.md").stat().st_mtime + 2.0
        assert time.time() >= settled
        assert settled - began >= 3.2
    assert seen == {"whole"}


def test_a_feed_of_whole_texts_has_no_half_of_one_that_is_being_rewritten(tmp_path: Path) -> None:
    """The files are read once more for it, also those that are left to the next run."""
    site = Site(tmp_path, CONFIG.replace("settle: 0", "settle: 10 min") + "feeds: {full_text: true}\n")
    path = site.post(title="整篇", body="<p>前半</p><p>后半</p>")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert site.run(as_of=None).code == 0
    site.post(title="整篇", body="<p>前半</p>")
    with opened(load(tmp_path / "config.yaml", {}), moment(None, ZoneInfo("UTC")), dry_run=False) as app:
        assert collect_posts(app, waits=False).unsettled == 1
        app.output.remove("feed.json")
        update_feeds(app, app.output)
    assert "前半" not in (tmp_path / "public" / "feed.json").read_text(encoding="utf-8")
    assert "整篇" in (tmp_path / "public" / "feed.json").read_text(encoding="utf-8")


def test_a_link_to_a_new_release_is_seen_at_once_by_a_service(tmp_path: Path) -> None:
    """``ln -sfn releases/2 current``, as deployments do it."""
    site = Site(tmp_path, CONFIG.replace("folder: site", "folder: current/site\n  schedule: daily 03:00"))
    site.some_posts()
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "1").mkdir()
    shutil.move(tmp_path / "site", tmp_path / "releases" / "1" / "site")
    shutil.copytree(tmp_path / "releases" / "1", tmp_path / "releases" / "2")
    posts = tmp_path / "releases" / "2" / "site" / "_posts"
    (posts / "2026-11-24-new.md").write_text(post_text(title="新版", link="http://x.example.com/9"), encoding="utf-8")
    (tmp_path / "current").symlink_to("releases/1")
    with serving(tmp_path) as served:
        port = served.port()
        until(lambda: "昨日要闻" in get(port, "/feed.json")[1].decode(), "the service is at work")
        subprocess.run(["ln", "-sfn", "releases/2", str(tmp_path / "current")], check=True)
        until(lambda: "新版" in get(port, "/feed.json")[1].decode(), "the new release is seen")
        (posts / "2026-11-24-after.md").write_text(
            post_text(title="之后", link="http://x.example.com/8"), encoding="utf-8"
        )
        until(lambda: "之后" in get(port, "/feed.json")[1].decode(), "and watched")
