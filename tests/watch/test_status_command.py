"""``digest status``: before the first run, after runs, beside a service, and with something wrong."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from digest.alarms.watching import Alarm
from digest.cli import cli
from digest.jobs.monitoring.status import DAYS, overview, plots
from digest.jobs.monitoring.watch import RunEnd
from tests.run.site_folder import CONFIG, Site
from tests.subscribers.reader_world import World
from tests.watch.test_alarms import habit
from tests.watch.watched import monitor


def test_before_the_first_run(tmp_path: Path) -> None:
    """It says what is due, and makes nothing."""
    site = Site(tmp_path)
    result = site.command("status")
    assert result.code == 0
    assert "there is no store yet; the first digest run makes it" in result.out
    assert "next:\n" in result.out
    assert "daily 20" in result.out
    assert not (tmp_path / "var").exists()
    assert site.command("status", "--json").report["store"]["exists"] is False


def test_after_runs(tmp_path: Path) -> None:
    """What ran, what became of the mail, what is due; times are in the site's zone."""
    site = Site(tmp_path)
    site.some_posts()
    site.run(as_of=None)
    assert "went well: 3 new, " in site.command("status").out
    result = site.command("status")
    assert result.code == 0, result.out
    assert "财经早报 at 20" in result.out
    assert "(Asia/Shanghai)" in result.out
    assert "daily 2026-11-24: finished; 1 sent" in result.out
    assert "2026-11-24 08:30  all posts: " in result.out or "08:30  all posts: " in result.out
    report = site.command("status", "--json").report
    assert report["editions"][0]["deliveries"] == {"sent": 1}
    assert report["next"][0]["at"].endswith("T00:00:00+00:00")
    assert report["looked_at"] is None


def test_more_categories_than_are_shown(tmp_path: Path) -> None:
    """What is left out is counted."""
    site = Site(tmp_path)
    for number in range(7):
        site.post(f"2026-11-24-{number}.md", title=f"要闻 {number}", categories=f"c{number}")
    site.run(as_of=None)
    out = site.command("status").out
    assert out.count("in seven days") == 6, out
    assert "… and 2 more categories: --json, or the status page" in out


def test_a_failed_run_and_its_reason(tmp_path: Path) -> None:
    """The exit code is for scripts: 1 if something is wrong."""
    site = Site(tmp_path)
    site.post()
    site.run(as_of=None)
    site.posts.parent.rename(tmp_path / "away")
    assert site.run(as_of=None).code == 1
    result = site.command("status")
    assert result.code == 1
    assert "wrong now:" in result.out
    assert "failed: 0 new" in result.out
    assert str(tmp_path / "site") in result.out


def test_a_broken_file_and_since_when(tmp_path: Path) -> None:
    """Its post stays as it was, which nobody would notice."""
    site = Site(tmp_path)
    site.post("2026-11-24-a.md")
    site.run(as_of=None)
    assert "broken" not in site.command("status").out
    file = site.posts / "2026-11-24-a.md"
    file.write_text("---\ntitle: [a\n---\n")
    os.utime(file, (1_790_000_000, 1_790_000_000))
    site.run(as_of=None)
    out = site.command("status").out
    assert "broken files, published as before:\n  since 2026-09-21 22:13  _posts/2026-11-24-a.md:2: " in out
    (broken,) = site.command("status", "--json").report["broken"]
    assert (broken["path"], broken["since"]) == ("_posts/2026-11-24-a.md", "2026-09-21T14:13:20+00:00")


def test_beside_a_run_at_work(quick: World) -> None:
    """It waits for nobody; a run that has not ended is shown as one."""
    quick.store.started(quick.now)
    with quick.store.exclusive("digest run"):
        result = CliRunner().invoke(cli, ["status", "--config", str(quick.folder / "config.yaml")], env=env(quick))
    assert "at work, or cut off" in result.output


def env(world: World) -> dict[str, str]:
    return {"DIGEST_STORE": str(world.settings.store.url)}


@pytest.mark.parametrize("word", ["--json", "-h"])
def test_words(word: str, quick: World) -> None:
    result = CliRunner().invoke(cli, ["status", "--config", str(quick.folder / "config.yaml"), word], env=env(quick))
    assert result.exit_code == 0
    assert word == "-h" or json.loads(result.output)["alarms"] == []


def test_a_broken_configuration_and_a_broken_store(tmp_path: Path) -> None:
    site = Site(tmp_path, CONFIG + "nonsense: 1\n")
    assert site.command("status").code == 2
    site.configure(CONFIG)
    (tmp_path / "var" / "digest.db").mkdir(parents=True)
    result = site.command("status")
    assert result.code == 1
    assert "digest.db" in result.err


# ------------------------------------------------------------- the overview


def test_what_is_wrong_is_brought_up_to_the_moment(world: World) -> None:
    """What nobody has looked at yet is there; what is over by now is not."""
    habit(world, weeks=5)
    world.store.note_alarms([Alarm(name="slot:daily", text="late"), Alarm(name="run", text="failed")], [], world.now)
    seen = overview(world.store, monitor(world).rules(), world.now)
    assert [alarm.name for alarm in seen.alarms] == ["run", "silence:macro"]
    assert seen.silent == {"macro"}
    assert [alarm.name for alarm in world.store.open_alarms()] == ["slot:daily", "run"], "it only looks"


def test_plots_count_by_local_day(world: World) -> None:
    """Thirty days, today last; the longest run of a day; a day without a run has no number."""
    run = world.store.started(world.now - timedelta(hours=13))  # 23:00 the day before
    world.store.ended(run, world.now - timedelta(hours=13) + timedelta(seconds=7), "{}")
    world.news("a")
    world.run()
    drawn = plots(world.store, monitor(world).rules().zone, world.now)
    assert (len(drawn.posts.days), drawn.posts.days[-1].isoformat()) == (DAYS, "2026-11-24")
    assert drawn.posts.values[-2:] == (0, 1)
    assert drawn.seconds.values[-3:-1] == (None, 7)
    assert set(drawn.bounces.values) == {0}


def test_alarms_of_the_last_days_are_shown(quick: World) -> None:
    watching = monitor(quick)
    watching.look(quick.store, quick.now, run=RunEnd(failures=("x",)))
    watching.look(quick.store, quick.now, run=RunEnd())
    (past,) = overview(quick.store, watching.rules(), quick.now).past_alarms
    assert past.end_text == "runs go well again"
