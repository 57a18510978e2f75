"""Pings: asked for at the right moments, never for long, and never to the harm of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.app.monitor import monitor_of
from digest.app.pings import ping
from digest.config import load
from digest.errors import StoreError
from digest.jobs.run import RunReport
from digest.store import open_store
from tests.run.site_folder import CONFIG, Site
from tests.watch.watched import Pinged


def watched(folder: Path, pings: Pinged, more: str = "") -> Site:
    keys = "".join(f"  ping_{kind}: {pings.url}/{kind}\n" for kind in ("start", "success", "fail"))
    return Site(folder, f"{CONFIG}watch:\n{keys}{more}")


def test_a_run_that_goes_well(tmp_path: Path, pings: Pinged) -> None:
    """Its beginning, then its success; each run anew, also one that finds nothing."""
    site = watched(tmp_path, pings)
    site.post()
    assert site.run(as_of=None).code == 0
    assert pings.asked == ["/start", "/success"]
    assert site.run(as_of=None).code == 0
    assert pings.asked == ["/start", "/success"] * 2


def test_a_run_that_fails(tmp_path: Path, pings: Pinged) -> None:
    """Also one that is refused, which does not even begin."""
    site = watched(tmp_path, pings)
    away = tmp_path / "away"
    site.posts.parent.rename(away)
    assert site.run(as_of=None).code == 2
    assert pings.asked == ["/fail"]
    away.rename(site.posts.parent)
    site.post()
    assert site.run(as_of=None).code == 0
    site.posts.parent.rename(away)
    assert site.run(as_of=None).code == 1
    assert pings.asked[1:] == ["/start", "/success", "/start", "/fail"]


def test_rehearsals_and_other_times_are_no_runs(tmp_path: Path, pings: Pinged) -> None:
    site = watched(tmp_path, pings)
    site.post()
    assert site.run("--dry-run", as_of=None).code == 0
    assert site.run().code == 0
    assert pings.asked == []


def test_a_store_that_cannot_be_opened_is_a_failed_run(tmp_path: Path, pings: Pinged) -> None:
    """Also told by mail, once."""
    site = watched(tmp_path, pings, "  mail: ops@example.com\n")
    (tmp_path / "var" / "digest.db").mkdir(parents=True)
    for _ in range(2):
        result = site.run(as_of=None)
        assert result.code == 1
        assert "digest.db" in result.err
    assert pings.asked == ["/fail"] * 2
    (mail,) = site.mails()
    assert mail["To"] == "ops@example.com"
    assert "the store cannot be used" in mail["Subject"]
    (tmp_path / "var" / "digest.db").rmdir()
    assert site.run(as_of=None).code == 0
    assert {mail["Subject"].partition("] ")[2] for mail in site.mails() if mail["To"] == "ops@example.com"} >= {
        "over: the store can be used again"
    }


def test_a_service_that_answers_badly_harms_nothing(tmp_path: Path, pings: Pinged) -> None:
    """A line in the report names the host and not the address, which is a secret of a kind."""
    pings.status = 500
    site = watched(tmp_path, pings)
    site.post()
    result = site.run(as_of=None)
    assert result.code == 0
    assert "ping 127.0.0.1: answered 500" in result.out + result.err
    assert "/success" not in result.out + result.err


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://127.0.0.1:1/secret", "ping 127.0.0.1: cannot be reached ([errno 111] connection refused)"),
        ("http://name.invalid/secret", "ping name.invalid: cannot be reached"),
        ("http://127.0.0.1:99999/secret", "ping 127.0.0.1: cannot be reached"),
    ],
)
def test_what_cannot_be_reached(address: str, says: str) -> None:
    line = ping(address)
    assert line is not None
    assert line.startswith(says)
    assert "secret" not in line


def test_an_answer_that_does_not_come_is_not_waited_for(pings: Pinged) -> None:
    pings.silent.set()
    assert ping(f"{pings.url}/x", timeout=0.2) == "ping 127.0.0.1: no answer within 0.2 s"
    pings.over.set()
    pings.silent.clear()
    assert ping(f"{pings.url}/x") is None


def test_a_runs_end_waits_for_the_ping_of_its_beginning(tmp_path: Path, pings: Pinged) -> None:
    """So that a service never hears of an end before the beginning; what went wrong with either is told."""
    site = watched(tmp_path, pings)
    watching = monitor_of(load(site.folder / "config.yaml", {}))
    pings.status = 503
    watching.run_begins()
    assert watching.run_ended(ok=True) == ["ping 127.0.0.1: answered 503"] * 2
    assert watching.run_ended(ok=False) == ["ping 127.0.0.1: answered 503"]
    assert pings.asked == ["/start", "/success", "/fail"]


def test_whatever_fails_after_a_run_is_a_line(
    tmp_path: Path, pings: Pinged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is as it was."""
    site = watched(tmp_path, pings, "  mail: ops@example.com\n")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "outbox").write_text("a file is in the way", encoding="utf-8")
    settings = load(site.folder / "config.yaml", {})
    watching, now = monitor_of(settings), datetime(2026, 11, 24, tzinfo=UTC)
    with open_store(settings.store.url) as store:
        (line,) = watching.after_run(store, RunReport(now=now, failures=["x"]), now)
        assert line.startswith("alarm mail: ")

        def broken() -> None:
            raise StoreError("db", "locked")

        monkeypatch.setattr(store, "open_alarms", broken)
        line, mail = watching.after_run(store, RunReport(now=now), now)
        assert (line, mail[:12]) == ("watch: db: locked", "alarm mail: ")
    watching.run_broke(StoreError("db", "gone"), now)
    assert "alarm mail: " in caplog.text
    assert pings.asked == ["/fail", "/success", "/fail"]
