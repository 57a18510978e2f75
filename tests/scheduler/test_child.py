"""Runs in a process of their own (digest/service/child.py), and word to the supervisor (supervisor.py beside it)."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from digest.app.running import RunOrder
from digest.config import Settings, load
from digest.errors import AlreadyRunning, StoreError
from digest.service import child
from digest.service.child import RunBroken, RunStopped, run_in_child
from digest.service.supervisor import Supervisor
from digest.store import open_store
from tests.scheduler.serve_process import write_site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a site whose store is there: a service has it open."""
    write_site(tmp_path)
    settings = load(tmp_path / "config.yaml", {})
    open_store(settings.store.url).close()
    return settings


def test_the_report_comes_back_whole(settings: Settings, tmp_path: Path) -> None:
    """With what was collected, published and made; mail is left to others."""
    report = run_in_child(settings, RunOrder(), stop=threading.Event())
    assert report.ok
    assert report.collected is not None
    assert report.collected.arrived == 2
    assert report.editions is not None
    assert report.editions.made
    assert report.deliveries is None
    assert (tmp_path / "public" / "feed.xml").exists()
    assert not (tmp_path / "var" / "outbox").exists()


def test_a_feed_that_is_not_due_is_left_as_it_is(settings: Settings, tmp_path: Path) -> None:
    """The category's own waits, all others are published; at its time it has everything."""
    from tests.scheduler.serve_process import write_post

    stop = threading.Event()
    run_in_child(settings, RunOrder(), stop=stop)
    write_post(tmp_path, "waiting")
    run_in_child(settings, RunOrder(waiting=frozenset({"macro"})), stop=stop)
    assert "waiting" in (tmp_path / "public/feed.json").read_text(encoding="utf-8")
    assert "waiting" not in (tmp_path / "public/feed/macro.json").read_text(encoding="utf-8")
    run_in_child(settings, RunOrder(everything=False, due=frozenset({"macro"})), stop=stop)
    assert "waiting" in (tmp_path / "public/feed/macro.json").read_text(encoding="utf-8")


def test_a_store_that_is_gone_is_not_begun_anew(settings: Settings, tmp_path: Path) -> None:
    """The service had it: whatever became of it, an empty one in its place would mail everybody again."""
    (tmp_path / "var/digest.db").unlink()
    with pytest.raises(StoreError, match="the database is not there any more"):
        run_in_child(settings, RunOrder(), stop=threading.Event())
    assert not (tmp_path / "var/digest.db").exists()
    assert not (tmp_path / "public").exists()


def test_errors_come_back_as_they_are(settings: Settings) -> None:
    told = pytest.raises(AlreadyRunning, match="another process is at work on it")
    with open_store(settings.store.url) as store, store.exclusive("digest run"), told:
        run_in_child(settings, RunOrder(), stop=threading.Event())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("import sys; sys.exit(3)", "it broke off with code 3"),
        ("import sys; sys.stdin.buffer.read(); print('nonsense')", "it broke off with code 0"),
    ],
)
def test_a_child_that_ends_without_a_word_is_told(
    code: str, reason: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_BOOT", code)
    with pytest.raises(RunBroken, match=reason):
        run_in_child(settings, RunOrder(), stop=threading.Event())


def test_a_run_ends_when_the_service_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to, and killed if it does not listen; meanwhile the service knows that it lives."""
    monkeypatch.setattr(child, "_SLICE", 0.05)
    monkeypatch.setattr(child, "_GRACE", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    monkeypatch.setattr(child, "_BOOT", deaf)
    stop, alive = threading.Event(), []

    def lives() -> None:
        alive.append(1)
        if len(alive) == 10:
            stop.set()

    with pytest.raises(RunStopped, match=r"SIGKILL|SIGTERM"):
        run_in_child(settings, RunOrder(), stop=stop, alive=lives)


def test_a_run_that_is_told_to_stop_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends it between two steps, as Ctrl-C ends digest run."""
    boot = child._BOOT.replace(
        "main()", "import digest.app.running as running, time; running.run_order = lambda *_: time.sleep(600); main()"
    )
    monkeypatch.setattr(child, "_BOOT", boot)
    monkeypatch.setattr(child, "_SLICE", 2.0)
    stop = threading.Event()
    with pytest.raises(RunStopped, match=r"told to stop|SIGTERM"):
        run_in_child(settings, RunOrder(), stop=stop, alive=stop.set)


TOLD_WHILE_STARTING = """
class Busy:
    def find_spec(name, path=None, target=None):
        if name == "digest.app.running":
            import os, signal
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Busy)
main()
"""


def test_a_run_that_is_told_to_stop_while_it_starts_says_so_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine loading the program takes seconds. No traceback is shown for it."""
    monkeypatch.setattr(child, "_BOOT", child._BOOT.replace("main()", TOLD_WHILE_STARTING))
    with pytest.raises(RunStopped, match="told to stop"):
        run_in_child(settings, RunOrder(), stop=threading.Event())
    assert capfd.readouterr().err == ""


# -------------------------------------------------------------- supervisor


def test_nobody_is_told_without_a_supervisor() -> None:
    supervisor = Supervisor({})
    supervisor.ready("at work")
    supervisor.stopping()
    assert supervisor.watchdog is None
    Supervisor({"NOTIFY_SOCKET": "/nowhere/at/all"}).alive()
    Supervisor({"NOTIFY_SOCKET": "relative"}).alive()


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert Supervisor({"WATCHDOG_USEC": "30000000"}).watchdog == 15.0
    assert Supervisor({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 15.0
    assert Supervisor({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog is None


def test_abstract_sockets_are_spoken_to() -> None:
    name = f"digest-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0{name}")
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}).ready("at work")
        assert ear.recv(100) == b"READY=1\nSTATUS=at work"


def test_signals_have_names() -> None:
    """What a broken run says names the signal, also one that Python has no name for."""
    with pytest.raises(RunBroken, match=signal.SIGSEGV.name):
        child._answer(b"", -signal.SIGSEGV)
    with pytest.raises(RunBroken, match="signal 99"):
        child._answer(b"", -99)
