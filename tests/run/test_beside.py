"""Runs beside each other: none is held up by another one's mail, and one that hangs is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from digest.store import open_store
from tests.delivery.scripted_smtp import Dialogue, ScriptedServer
from tests.run.site_folder import AS_OF, CONFIG, Site

READERS = tuple(f"reader{number}@example.com" for number in range(3))
SECONDS = 60.0
"""That a process may take to come somewhere."""


class Gate:
    """A script of a mail server that keeps the first message waiting for its answer."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, step: str, dialogue: Dialogue) -> None:
        if step == "dot":
            self.reached.set()
            while not (self.opened.is_set() or dialogue.server.stopping):
                self.opened.wait(0.05)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def server(gate: Gate) -> Iterator[ScriptedServer]:
    with ScriptedServer(gate) as running:
        yield running


@pytest.fixture
def mailing(site: Site, server: ScriptedServer) -> Site:
    """A site with posts that mails three readers by that server."""
    mail = f"mail: {{transport: smtp, host: 127.0.0.1, port: {server.port}, security: none, connections: 1, rate: 99,"
    site.configure(CONFIG.partition("mail:")[0] + f"{mail} sender: a@example.com, to: [{', '.join(READERS)}]}}\n")
    site.some_posts()
    return site


@contextmanager
def running(site: Site, *words: str) -> Iterator[subprocess.Popen[str]]:
    """``digest run`` beside the test; ended with it."""
    command = [sys.executable, "-m", "digest", "run", "--config", str(site.folder / "config.yaml"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def alarms(site: Site) -> list[str]:
    return [alarm["name"] for alarm in site.command("status", "--json").report["alarms"]]


# --------------------------------------------------------------------- mail


def test_feeds_do_not_wait_for_mail(mailing: Site, server: ScriptedServer, gate: Gate) -> None:
    """A run that sends is over for all others. The next one publishes, leaves the mail to it, and says so."""
    with running(mailing, "--as-of", AS_OF) as first:
        assert gate.reached.wait(SECONDS)
        mailing.post(
            "2026-11-24-third.md", title="新消息", date="2026-11-24 09:01:00 +0800", link="http://x.example.com/3"
        )
        [row] = mailing.command("status", "--json").report["runs"]
        assert row["ok"], "it is over, and went well"
        second = mailing.run_json(as_of="2026-11-24 09:05")
        assert second.code == 0, second.err
        assert "新消息" in (mailing.folder / "public" / "feed.xml").read_text(encoding="utf-8")
        left = second.report["deliveries"]
        assert left["left_to"].startswith("the process that is sending (digest run since 20")
        assert left["sent"] == 0
        assert " left to the process that is sending (" in mailing.run(as_of="2026-11-24 09:06").out
        assert server.accepted == []
        gate.opened.set()
        out, err = first.communicate(timeout=SECONDS)
        assert first.returncode == 0, err
        assert "3 sent" in out
    assert sorted(each.recipient for each in server.accepted) == sorted(READERS)
    rows = mailing.command("status", "--json").report["runs"]
    assert [row["ok"] for row in rows] == [True, True, True]


def test_a_run_that_is_killed_while_it_sends_has_ended_well(mailing: Site, server: ScriptedServer, gate: Gate) -> None:
    """Its mail is in the ledger, and the next run sends it: the right to send is let go by the system."""
    with running(mailing, "--as-of", AS_OF) as first:
        assert gate.reached.wait(SECONDS)
        first.kill()
        first.communicate()
    gate.opened.set()
    second = mailing.run_json(as_of="2026-11-24 09:20")
    assert second.code == 0, second.err
    assert {each.recipient for each in server.accepted} == set(READERS)
    assert second.report["deliveries"]["waiting"] == 0
    rows = mailing.command("status", "--json").report["runs"]
    assert [row["ok"] for row in rows] == [True, True]


def test_failures_of_mail_are_added_to_the_run(mailing: Site, server: ScriptedServer, gate: Gate) -> None:
    """In the log of runs, though it had ended before."""
    gate.opened.set()
    mailing.configure((mailing.folder / "config.yaml").read_text("utf-8").replace(str(server.port), "1"))
    result = mailing.run_json()
    assert result.code == 1
    [row] = mailing.command("status", "--json").report["runs"]
    assert not row["ok"]
    assert row["failures"] == result.report["failures"]


def test_no_mail_leaves_it_to_deliver(site: Site) -> None:
    """Which a site does that is deployed in between. Everything else is done."""
    site.post(date=f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S} +0000")
    result = site.run("--no-mail", as_of=None)
    assert result.code == 0, result.err
    assert "mail      1 waiting, left to digest deliver" in result.out
    assert list((site.folder / "public" / "editions" / "daily").glob("*/index.html"))
    assert site.mails() == []
    sent = site.command("deliver", "--once")
    assert (sent.code, sent.out) == (0, "1 sent\n")
    assert len(site.mails()) == 1
    assert "mail" not in site.run("--no-mail", "--only", "collect", as_of=None).out


def test_a_site_that_is_not_in_place_is_not_mailed_by_workers(site: Site) -> None:
    """``digest deliver`` waits for the page as a run does, and says so."""
    site.post(date=f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S} +0000")
    (site.folder / "public").write_text("no folder")
    assert site.run("--no-mail", as_of=None).code == 1
    assert site.command("deliver", "--once").out == "0 sent, 1 waiting, 1 of them for their page\n"
    assert site.mails() == []
    (site.folder / "public").unlink()
    assert site.run("--no-mail", as_of=None).code == 0
    assert site.command("deliver", "--once").out == "1 sent\n"


def test_workers_tell_the_operator_what_is_wrong(site: Site) -> None:
    """They may be all that is at work."""
    site.some_posts()
    site.run("--no-mail", as_of=None)
    site.configure(CONFIG + "watch: {mail: ops@example.com}\n")
    with open_store(f"sqlite:///{site.folder}/var/digest.db") as store, store._database.changing() as connection:
        connection.run("UPDATE delivery SET state = 'in_doubt', doubts = 2")
    assert site.command("deliver", "--once").code == 0
    assert "doubt" in str([mail["Subject"] for mail in site.mails() if mail["To"] == "ops@example.com"])
    told = len(site.mails())
    assert site.command("deliver", "--once").code == 0
    assert len(site.mails()) == told


# ---------------------------------------------------------------- the right


@pytest.mark.parametrize(("minutes", "code"), [(29, 0), (31, 1)])
def test_another_run_is_waited_for_and_not_for_ever(site: Site, minutes: int, code: int) -> None:
    """It says since when that is at work. After half an hour it counts as a failure, and the operator is told; until a
    run goes well."""
    site.post()
    assert site.run(as_of=None).code == 0
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    with open_store(f"sqlite:///{site.folder}/var/digest.db") as store, store.exclusive("digest run", since):
        result = site.run(as_of=None)
        assert result.code == code
        who = f"(digest run since {since:%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()})"
        said = f"another process has been at work on it for more than 30 minutes {who}"
        assert (said if code else f"another process is at work on it {who}") in result.err
        assert result.err.count("\n") == 1
        assert alarms(site) == ["run"] * code
        assert site.run("--dry-run", as_of=None).code == 0, "a dry run disturbs nobody"
    assert site.run(as_of=None).code == 0
    assert alarms(site) == []


def test_other_commands_are_not_done_by_a_run(site: Site) -> None:
    """So they fail when one is at work."""
    site.post()
    site.run()
    with open_store(f"sqlite:///{site.folder}/var/digest.db") as store, store.exclusive("digest run"):
        result = site.command("editions", "backfill", "--from", "2026-11-20", "--to", "2026-11-20")
    assert result.code == 1
    assert "another process is at work on it (digest run, process" in result.err


def test_a_disk_that_cannot_lock_is_told(site: Site) -> None:
    """As what it is, and not as another run."""
    site.post()
    refusing = (
        "import errno, fcntl, os, sys\n"
        "def flock(descriptor, how): raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))\n"
        "fcntl.flock = flock\n"
        "from digest.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", refusing, "run", "--config", str(site.folder / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert "digest.db.lock: the file cannot be locked: No locks available; put the store on a disk" in done.stderr
    assert "another" not in done.stderr
