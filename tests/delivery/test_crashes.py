"""Workers that are killed, frozen, interrupted; disks that fill; clocks that jump. Real processes, a real server,
and the invariants after each."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import delivery_driver
import pytest
from delivery_driver import POINTS
from delivery_world import START, Row, World, check_invariants, fault_line
from scripted_smtp import Act, Close, Dawdle, Reset, Say, ScriptedServer, always, both, serving

from tests.program import run_forked
from tests.scale import scaled

DRIVER = Path(__file__).parent / "delivery_driver.py"


def start(url: str, server: ScriptedServer, **options: Any) -> subprocess.Popen[str]:
    """A worker in a process of its own."""
    given = json.dumps({"url": url, "port": server.port, **options})
    return subprocess.Popen([sys.executable, DRIVER, given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_to_its_end(url: str, server: ScriptedServer, **options: Any) -> tuple[int, str]:
    """Start a worker, and wait for its death or its end: what ``finish`` says of it."""
    done = run_forked(delivery_driver.work, {"url": url, "port": server.port, **options})
    return done.returncode, done.stdout + done.stderr


def finish(worker: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = worker.communicate(timeout=180)
    return worker.returncode, out + err


# On PostgreSQL this is long because of the processes alone; each point runs on SQLite in the quick suite.
KINDS = ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])]


@pytest.fixture(params=KINDS)
def killing_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(request.getfixturevalue(f"{request.param}_url")) as world:
        yield world


BEFORE_THE_DOT = ("after-mail", "after-rcpt", "after-data", "half-body", "before-transmitting")
"""At these it is certain that the message was not sent; but the one before it may not be written down yet."""
PLACES = [
    *((point, 1) for point in POINTS if point != "after-final"),
    *((point, 3) for point in POINTS if not point.endswith(("-freeze", "-claim", "-final"))),
    ("after-final", 1),
]


@pytest.mark.parametrize(("point", "nth"), PLACES)
def test_killed_at_a_point(point: str, nth: int, killing_world: World, record_property: Any) -> None:
    """With ``hold`` nobody lost, nobody twice; in doubt at most the one message that was accepted last, or whose dot
    may have left."""
    world, audience = killing_world, 6
    kind = "sqlite" if world.url.startswith("sqlite") else "postgres"
    with serving() as server:
        code, said = run_to_its_end(world.url, server, point=point, nth=nth, audience=audience)
        assert code == -signal.SIGKILL, said
        early = len(server.accepted)
        world.clock.sleep(121)
        if point == "before-freeze":
            assert world.rows() == [], "a crash before the commit leaves nothing"
            world.clock.seconds = 0
        if point.endswith("freeze"):
            assert early == 0
            assert len(world.rows()) == (0 if point == "before-freeze" else audience), "after it, everything"
            assert run_to_its_end(world.url, server, audience=audience)[0] == 0
        world.deliver(world.smtp(server), resend=False)
        world.clock.sleep(661)
        world.drain(world.smtp(server), resend=False)
        uncertain = point in ("after-transmitting", "after-dot", "after-reply")
        unwritten = point in BEFORE_THE_DOT and nth > 1  # unless the server took its time and so gave some
        rows = world.rows()
        record_property("faults", fault_line(f"kill {point} {nth}, {kind}", 1, rows, server))
        check_invariants(rows, server, audience=audience, hold=True, doubts_allowed=uncertain or unwritten)
        assert world.states().keys() <= {"sent", "in_doubt"}
        assert uncertain <= world.states().get("in_doubt", 0)


@pytest.mark.parametrize("point", ["after-transmitting", "after-dot", "after-reply"])
def test_killed_in_doubt_and_sent_again(point: str, sqlite_world: World) -> None:
    """With ``resend`` everybody gets it, one of them perhaps twice, with equal bytes."""
    world, audience = sqlite_world, 4
    with serving() as server:
        assert run_to_its_end(world.url, server, point=point, nth=2, audience=audience)[0] == -signal.SIGKILL
        world.clock.sleep(661)
        world.drain(world.smtp(server))
        check_invariants(world.rows(), server, audience=audience, hold=False, doubts_allowed=0)
        assert world.states() == {"sent": audience}
        assert sum(server.copies().values()) == (audience if point == "after-transmitting" else audience + 1)


def test_sigterm_finishes_the_message_in_hand(sqlite_world: World) -> None:
    """A real signal to a real process: the message under way is sent and recorded, the rest waits for the next."""
    world, audience = sqlite_world, 8
    world.freeze(audience)
    worker: list[subprocess.Popen[str]] = []

    def script(step: str, dialogue: Any) -> Act | None:
        if step == "data" and dialogue.messages == 2:
            worker[0].send_signal(signal.SIGTERM)
            return Dawdle(0.3)
        return None

    with serving(script) as server:
        worker.append(start(world.url, server))
        assert finish(worker[0]) == (0, "3 sent, 5 waiting\n")
        assert world.states() == {"sent": 3, "queued": 5}
        server.script = lambda step, dialogue: None
        assert world.deliver(world.smtp(server)).sent == 5
        check_invariants(world.rows(), server, audience=audience, hold=True, doubts_allowed=0)


def freeze_process(pid: int) -> None:
    """Stop a child, and wait until all its threads stand still: on a busy machine one may go on for a while."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)


@pytest.mark.parametrize("step", ["mail", "data"])
def test_a_frozen_worker_that_wakes_sends_no_dot(step: str, sqlite_world: World) -> None:
    """SIGSTOP in the dialogue; another worker takes over when the lease is over; SIGCONT."""
    world = sqlite_world
    world.freeze(1)
    worker: list[subprocess.Popen[str]] = []
    frozen = threading.Event()

    def script(reached: str, _dialogue: Any) -> Act | None:
        if reached == step and not frozen.is_set():
            freeze_process(worker[0].pid)
            frozen.set()
        return None

    with serving(script) as server:
        worker.append(start(world.url, server))
        assert frozen.wait(120)
        world.clock.sleep(121)
        assert world.deliver(world.smtp(server)).sent == 1
        worker[0].send_signal(signal.SIGCONT)
        assert finish(worker[0]) == (0, "nothing to send\n")
        check_invariants(world.rows(), server, audience=1, hold=True, doubts_allowed=0)


# ------------------------------------------------------------- many at random


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.parametrize(("resend", "kills"), [(False, scaled(40)), (True, scaled(10))], ids=["hold", "resend"])
def test_killed_at_random_times(
    kind: str, resend: bool, kills: int, request: pytest.FixtureRequest, record_property: Any
) -> None:
    """Three workers, one after the other killed at moments that nobody chose, while there is always work; then
    drained. Every row of every edition is accounted for."""
    connections, chance = 2, random.Random(2026)
    with World(request.getfixturevalue(f"{kind}_url")) as world, serving(always("dot", Dawdle(0.1))) as server:
        world.clock.seconds = (time.time() - START.timestamp()) // 1
        options = {"ahead": None, "once": False, "connections": connections, "resend": resend, "announce": True}
        leases = {"lease": 15.0, "dot_lease": 20.0}
        workers = [start(world.url, server, **options, **leases) for _ in range(3)]
        audience = 0
        for number in range(kills):
            if world.states().get("queued", 0) < 200:
                world.freeze(400, period=f"2026-11-24.{number}")
                audience += 400
            victim = workers.pop(0)
            assert victim.stdout is not None
            assert victim.stdout.readline() == "claimed\n", "it is at work, not still starting"
            time.sleep(chance.uniform(0, 0.4))
            victim.kill()
            assert finish(victim)[0] == -signal.SIGKILL
            workers.append(start(world.url, server, **options, **leases))
        wait_for_rest(world)
        for worker in workers:
            worker.terminate()
        assert {finish(worker)[0] for worker in workers} <= {0, -signal.SIGTERM}  # the latter: not begun yet
        rows = world.rows()
        name = f"kill at random, {kind}, {'resend' if resend else 'hold'}"
        record_property("faults", fault_line(name, kills, rows, server))
        check_invariants(rows, server, audience=audience, hold=not resend, doubts_allowed=kills * connections)
        assert sum(count > 1 for count in server.copies().values()) <= kills * connections


def wait_for_rest(world: World) -> None:
    """Until living workers have ended every row."""
    deadline = time.monotonic() + 600
    while world.states().keys() - {"sent", "in_doubt"}:
        assert time.monotonic() < deadline, world.states()
        time.sleep(0.5)


@pytest.mark.slow
def test_thousands_of_rows_with_faults_everywhere(sqlite_world: World, record_property: Any) -> None:
    """1 % of each fault, four connections; nobody lost, nobody twice, memory flat."""
    world, audience = sqlite_world, max(3_000, scaled(3_000))
    world.freeze(audience)
    faulty = Faults()
    peaks: list[int] = []

    def watch(_work: str, done: int, _total: int) -> None:
        if done % 1_000 == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    with serving(faulty) as server:
        smtp = world.smtp(server, connections=4)
        world.drain(smtp, resend=False, connections=4, patience=1e9, progress=watch)
        rows = world.rows()
        record_property("faults", fault_line("16 kinds of fault, 1 % each", faulty.injected, rows, server))
        check_invariants(rows, server, audience=audience, hold=True, doubts_allowed=faulty.breaks)
    # the server keeps every message that it accepted: about half a kilobyte each
    assert max(peaks) - peaks[0] < 30_000  # KB


class Faults:
    """A script: 1 % of each fault, chosen by the step's running number and not by chance."""

    ACTS: Mapping[str, Sequence[Act]] = {
        "mail": [Close(), Say("451 4.3.0 later"), Say("421 4.3.2 closing")],
        "rcpt": [Close(), Reset(), Say("450 4.2.1 later"), Say("452 4.2.2 full"), Say("550 5.1.1 nobody")],
        "data": [Close(), Say("451 4.3.0 later")],
        "dot": [Close(), Reset(), Say("451 4.3.0 later"), Say("554 5.6.0 no")],
        "accepted": [Close(), Reset()],
    }

    def __init__(self) -> None:
        self.injected = 0
        self.breaks = 0
        """Of the link, after the dot."""
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, step: str, _dialogue: Any) -> Act | None:
        with self._lock:
            self._seen[step] += 1
            for position, act in enumerate(self.ACTS.get(step, [])):
                if self._seen[step] % 100 == 7 + 13 * position:
                    self.injected += 1
                    self.breaks += step in ("dot", "accepted") and not isinstance(act, Say)
                    return act
        return None


# --------------------------------------------------- disks, locks and clocks


def test_a_full_disk_at_freezing_undoes_everything(sqlite_url: str) -> None:
    """``PRAGMA max_page_count`` stands for the end of the disk. Nothing is left of the edition; when there is
    room, it is frozen whole."""
    from digest.errors import StoreError
    from digest.store.database.connect import SqliteDatabase

    def limited(database: SqliteDatabase) -> Any:
        connection = take(database)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    take = SqliteDatabase._take
    with World(sqlite_url) as world, patch.object(SqliteDatabase, "_take", limited):
        pages = 1
        with pytest.raises(StoreError, match="the disk is full"):
            world.freeze(500, text="words " * 20_000)
        assert world.rows() == []
        pages = 1_000_000
        world.freeze(500, text="words " * 20_000)
        assert len(world.rows()) == 500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"only root may mount a small disk: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_full_disk_at_each_commit(small_disk: Path, record_property: Any) -> None:
    """The disk is full from the nth commit on, whichever it is: of the freezing, of a claim, before a dot, after an
    answer. The run ends with one clear error; when there is room again, the next one makes up for it."""
    counted: list[int] = []
    for nth in range(1, 100):
        if not (story := run_on_full_disk(small_disk, nth)):
            break
        rows, server = story
        record_property("faults", fault_line(f"disk full at commit {nth:2}", 1, rows, server))
        counted.append(nth)
    assert len(counted) >= 10, "freezing, beginning and ending, and one commit a message"


def run_on_full_disk(disk: Path, nth: int) -> tuple[list[Row], ScriptedServer] | None:
    """What became of four messages; None if there were fewer commits than ``nth``."""
    from digest.errors import StoreError
    from digest.store.database.connect import SqliteDatabase

    filler, audience, commits = disk / "filler", 4, 0

    def fill_and_commit(database: SqliteDatabase, connection: Any) -> None:
        nonlocal commits
        commits += connection.in_transaction and writes_of(connection) > known.get(id(connection), 0)
        known[id(connection)] = writes_of(connection)
        if commits == nth and not filler.exists():
            fill_up(filler)
        commit(database, connection)

    def writes_of(connection: Any) -> int:
        return int(connection.total_changes)

    known: dict[int, int] = {}
    commit = SqliteDatabase._commit
    with World(f"sqlite:///{disk}/digest.db") as world, serving() as server:
        with suppress(StoreError), patch.object(SqliteDatabase, "_commit", fill_and_commit):
            world.freeze(audience)
            world.deliver(world.smtp(server), resend=False)
        was_full = filler.exists()
        filler.unlink(missing_ok=True)
        if not world.rows():
            world.freeze(audience)
        world.clock.sleep(661)
        world.drain(world.smtp(server), resend=False)
        rows = world.rows()
        check_invariants(rows, server, audience=audience, hold=True, doubts_allowed=1)
    for file in disk.iterdir():
        file.unlink()
    return (rows, server) if was_full else None


def fill_up(file: Path) -> None:
    """Until not a byte more fits."""
    with file.open("wb", buffering=0) as target, suppress(OSError):
        for size in (4096, 1):
            with suppress(OSError):
                while target.write(bytes(size)):
                    pass


def test_a_locked_database_only_takes_time(sqlite_url: str) -> None:
    """Another writer holds the database for a while, right after the server's yes."""
    import sqlite3

    with World(sqlite_url) as world:
        world.freeze(3)
        path = sqlite_url.removeprefix("sqlite:///")
        locker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        release = threading.Timer(1.5, lambda: locker.execute("ROLLBACK"))

        def script(step: str, dialogue: Any) -> Act | None:
            if step == "accepted" and dialogue.messages == 1:
                locker.execute("BEGIN IMMEDIATE")
                release.start()
            return None

        with serving(script) as server:
            report = world.deliver(world.smtp(server))
        release.join()
        locker.close()
        assert report.sent == 3
        check_invariants(world.rows(), server, audience=3, hold=True, doubts_allowed=0)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("step", ["rcpt", "accepted"])
def test_a_database_locked_for_a_minute(step: str, sqlite_url: str, record_property: Any) -> None:
    """With the real patience of 30 s: before the dot the message is not sent and goes out later; after the answer,
    what cannot be written down in time is in doubt. Never lost, never twice."""
    import sqlite3

    from digest.errors import StoreError

    with World(sqlite_url) as world:
        world.freeze(3)
        locker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        release = threading.Timer(60, lambda: locker.execute("ROLLBACK"))

        def script(reached: str, dialogue: Any) -> Act | None:
            if reached == step and dialogue.messages == 1 and not release.ident:
                locker.execute("BEGIN IMMEDIATE")
                release.start()
            return None

        with serving(script) as server:
            with suppress(StoreError):
                world.deliver(world.smtp(server), resend=False)
            release.join()
            world.clock.sleep(661)
            world.drain(world.smtp(server), resend=False)
            locker.close()
            rows = world.rows()
            record_property("faults", fault_line(f"locked for a minute, {step}", 1, rows, server))
            check_invariants(rows, server, audience=3, hold=True, doubts_allowed=step == "accepted")


@pytest.mark.postgres
def test_a_database_connection_that_is_cut_only_takes_time(postgres_url: str) -> None:
    """The server ends our connections between the server's yes and the final commit."""
    import psycopg

    from digest.jobs.delivery.deliver import Route, deliver

    with World(postgres_url) as world:
        world.freeze(3)

        def cut(step: str, dialogue: Any) -> Act | None:
            if step == "accepted" and dialogue.messages == 2:
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
            return None

        from delivery_world import compose

        with serving(cut) as server:
            report = deliver(world.store, [Route(channel=world.smtp(server), compose=compose)], clock=world.clock.now)
            assert report.sent == 3
            check_invariants(world.rows(), server, audience=3, hold=True, doubts_allowed=0)


@pytest.mark.parametrize("jump", [3600, -3600, 86_400, -86_400], ids=["+1h", "-1h", "+1d", "-1d"])
def test_a_clock_that_jumps_loses_nobody(jump: float, world: World) -> None:
    """In the middle of a message. A day ahead is past the edition's end: what was not sent has expired, openly."""
    world.freeze(6)

    def script(step: str, dialogue: Any) -> Act | None:
        if step == "data" and dialogue.messages == 2:
            world.clock.seconds += jump
        return None

    with serving(script) as server:
        world.deliver(world.smtp(server), resend=False)
        world.clock.seconds = max(world.clock.seconds, 0)
        for _ in range(3):
            world.clock.sleep(700)
            world.deliver(world.smtp(server), resend=False)
        check_invariants(world.rows(), server, audience=6, hold=True, doubts_allowed=0)
    assert world.states() == ({"sent": 3, "expired": 3} if jump == 86_400 else {"sent": 6})


def test_cancelling_while_sending(world: World) -> None:
    """What waits is skipped, what a worker has in hand sends no dot, what was transmitting is finished; also what
    came back to the queue afterwards is skipped."""
    edition = world.freeze(8)
    world.freeze(2, "2026-11-25")

    def script(step: str, dialogue: Any) -> Act | None:
        if step == "data" and dialogue.messages == 2:
            assert world.store.cancel_edition("daily", "2026-11-24", world.clock.now()) == 6
        return None

    with serving(script) as server:
        report = world.deliver(world.smtp(server))
        check_invariants(world.rows(), server, audience=10, hold=True, doubts_allowed=0)
    reached = {each.recipient for each in server.accepted}
    assert report.sent == len(server.accepted)
    mine = [row for row in world.rows() if row.edition_key == edition.key]
    assert {row.state for row in mine} == {"sent", "skipped"}
    assert {row.reply_text for row in mine if row.state == "skipped"} == {"the edition was cancelled"}
    assert ("2026-11-24", "cancelled") in world.edition_states()
    assert ("2026-11-25", "finished") in world.edition_states(), "another one goes on"
    assert reached >= {row.address for row in mine if row.state == "sent"}


def test_unsubscribing_while_sending(world: World) -> None:
    """Whoever left is looked up right before each message; the row says why."""
    world.freeze(6)
    gone: set[str] = set()

    def script(step: str, dialogue: Any) -> Act | None:
        if step == "data" and dialogue.messages == 1:
            gone.update(("reader3@example.com", "reader5@example.com"))
        return None

    with serving(script) as server:
        report = world.deliver(world.smtp(server), left=lambda row: "unsubscribed" if row.address in gone else "")
        check_invariants(world.rows(), server, audience=6, hold=True, doubts_allowed=0)
    assert (report.sent, report.skipped) == (4, 2)
    assert {each.recipient for each in server.accepted}.isdisjoint(gone), "nobody who left gets it"
    assert {(row.state, row.reply_text) for row in world.rows() if row.address in gone} == {("skipped", "unsubscribed")}


@pytest.mark.slow
def test_a_hundred_rows_and_two_workers_at_once(world: World) -> None:
    """Two processes on one ledger: each row goes to one of them."""
    world.freeze(100)
    with serving(both(always("dot", Dawdle(0.002)))) as server:
        workers = [start(world.url, server, connections=2) for _ in range(2)]
        results = [finish(worker) for worker in workers]
        assert [code for code, _ in results] == [0, 0], results
        assert world.deliver(world.smtp(server)).line() == "nothing to send"
        check_invariants(world.rows(), server, audience=100, hold=True, doubts_allowed=0)
    assert sum(int(said.split()[0]) for _, said in results if said[0].isdigit()) == 100
