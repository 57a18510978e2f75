"""Working through the ledger: a real store, a real SMTP server, a clock that only sleeping moves."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from delivery_world import PATIENT, QUICK, START, World, check_invariants, frozen, recipients, smtp_to
from msgspec.structs import replace
from scripted_smtp import Act, Close, Dawdle, Hang, Reset, Say, ScriptedServer, always, at, both, serving

from digest.edition.selection import Selection
from digest.errors import Doubtful, PermanentFailure, StoreError, TemporaryFailure
from digest.jobs.delivery.deliver import DeliverOptions, DeliveryReport
from digest.mail.folder import FolderChannel
from digest.models import DeliveryState, EditionState, Outgoing, Receipt, SavedEdition, Target
from digest.ports import Commit, CommitBatch


class FakeTransport:
    """Answers as it is told, without a network; keeps what it was given."""

    def __init__(
        self, *outcomes: Receipt | Exception, then: Receipt | Exception | None = None, atomic: bool = False
    ) -> None:
        self.atomic = atomic
        self._outcomes = list(outcomes)
        self._then = then or Receipt(code=250, enhanced="2.0.0", text="Ok: queued as 1")
        self.sent: list[tuple[str, bytes]] = []
        self.closed = 0

    def send(self, edition: Outgoing, target: Target, before_commit: Commit) -> Receipt:
        outcome = self._outcomes.pop(0) if self._outcomes else self._then
        early = isinstance(outcome, Exception) and getattr(outcome, "step", "dot") != "dot"
        if not early and not before_commit():
            raise TemporaryFailure("fake", "given up", step="body")
        self.sent.append((target.address, edition.message))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        self.closed += 1


def refused(step: str, code: int, enhanced: str, text: str = "no") -> Exception:
    kind = PermanentFailure if code >= 500 else TemporaryFailure
    return kind("mx:25", f"refuses: {code} {enhanced} {text}", step=step, code=code, enhanced=enhanced, text=text)


# ------------------------------------------------------------------ all well


def test_everybody_gets_the_edition_once(world: World) -> None:
    """Claimed, sent, recorded with the server's queue id; the edition is finished."""
    world.freeze(5)
    with serving() as server:
        report = world.deliver(world.smtp(server))
        again = world.deliver(world.smtp(server))
    assert report.sent == 5
    assert report.line() == "5 sent"
    assert report.finished == ("daily 2026-11-24: finished",)
    assert (report.failures, report.warnings) == ((), ())
    assert again.line() == "nothing to send"
    rows = world.rows()
    assert [(row.state, row.reply_code, row.reply_enhanced) for row in rows] == [("sent", 250, "2.0.0")] * 5
    assert {row.queue_id for row in rows} == {f"Q1x{n}" for n in range(1, 6)}
    check_invariants(rows, server, audience=5, hold=True, doubts_allowed=0)


def test_each_message_has_one_recipient_and_its_token_on_the_envelope(sqlite_world: World) -> None:
    """So a bounce names its delivery."""
    sqlite_world.freeze(3)
    with serving() as server:
        sqlite_world.deliver(sqlite_world.smtp(server))
    senders = {each.sender for each in server.accepted}
    assert len(senders) == 3
    assert all(sender.startswith("b+") and sender.endswith("@bounces.test") for sender in senders)
    assert {each.recipient for each in server.accepted} == {f"reader{n}@example.com" for n in range(3)}


def test_a_folder_gets_one_file_each_and_is_never_in_doubt(world: World, tmp_path: Path) -> None:
    world.freeze(4)
    report = world.deliver(FolderChannel(tmp_path / "outbox"))
    assert report.sent == 4
    files = sorted((tmp_path / "outbox").iterdir())
    assert [file.name for file in files] == sorted(f"{row.message_id[1:-1]}.eml" for row in world.rows())


def test_several_connections_share_the_work(world: World) -> None:
    """Nobody gets two, nobody none."""
    world.freeze(40)
    with serving() as server:
        report = world.deliver(world.smtp(server, connections=4), connections=4)
    assert report.sent == 40
    assert 1 < server.connections <= 4
    check_invariants(world.rows(), server, audience=40, hold=True, doubts_allowed=0)


def test_nothing_is_sent_before_its_time(world: World) -> None:
    edition = world.freeze(1)
    assert edition.send_after == START
    world.clock.seconds = -60
    with serving() as server:
        report = world.deliver(world.smtp(server))
        assert (report.line(), report.waiting) == ("0 sent, 1 waiting", 1)
        assert server.connections == 0


def test_progress_is_told(sqlite_world: World) -> None:
    told: list[tuple[str, int, int]] = []
    sqlite_world.freeze(3)
    sqlite_world.deliver(FakeTransport(), progress=lambda *step: told.append(step))
    assert told == [("sending mail", 1, 3), ("sending mail", 2, 3), ("sending mail", 3, 3)]


def test_the_rate_is_kept(sqlite_world: World) -> None:
    """Two a second: nine messages take four seconds."""
    sqlite_world.freeze(9)
    sqlite_world.deliver(FakeTransport(), rate=2.0)
    assert sqlite_world.clock.seconds == pytest.approx(4.0, abs=0.3)


def test_a_throttling_server_is_given_time(sqlite_world: World) -> None:
    sqlite_world.freeze(9)
    sqlite_world.deliver(FakeTransport(refused("rcpt", 450, "4.7.1")), rate=2.0)
    assert sqlite_world.clock.seconds > 6


# ------------------------------------------------------- the failure table

ROW_RETRIED = ("queued", 1)
ROW_UNTOUCHED = ("queued", 0)


@pytest.mark.parametrize(
    ("reached", "act", "row"),
    [
        *((step, act, ROW_UNTOUCHED) for step in ("connect", "ehlo") for act in (Close(), Reset(), Hang())),
        ("connect", Say("421 4.3.2 busy"), ROW_UNTOUCHED),
        ("connect", Say("554 5.7.1 go away"), ROW_UNTOUCHED),
        *((step, act, ROW_RETRIED) for step in ("mail", "rcpt", "data") for act in (Close(), Reset(), Hang())),
        *(
            (step, Say(answer), ROW_RETRIED)
            for step in ("mail", "rcpt", "data", "dot")
            for answer in ("450 4.2.1 x", "451 4.3.0 x", "452 4.3.1 x")
        ),
        ("rcpt", Say("552 5.2.2 full"), ROW_RETRIED),
        ("dot", Say("421 4.3.2 closing"), ROW_RETRIED),
        *((step, Say("550 5.1.1 x"), ("failed", 1)) for step in ("rcpt", "data", "dot")),
        *((step, Say("554 5.6.0 x"), ("failed", 1)) for step in ("rcpt", "data", "dot")),
        ("data", Say("552 5.3.4 x"), ("failed", 1)),
        ("dot", Say("552 5.3.4 x"), ("failed", 1)),
        ("mail", Say("550 5.7.1 x"), ROW_UNTOUCHED),
        *(("dot", act, ("in_doubt", 1)) for act in (Close(), Reset(), Hang())),
        *(("accepted", act, ("in_doubt", 1)) for act in (Close(), Reset(), Hang())),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True], ids=["in-turn", "in-one-packet"])
def test_what_becomes_of_a_row(
    reached: str,
    act: Act,
    row: tuple[str, int],
    pipelining: bool,
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One run against a server with this fault at this step, then runs against one without: nobody is forgotten,
    nobody gets two."""
    monkeypatch.setattr(ScriptedServer, "pipelining", pipelining)
    sqlite_world.freeze(1)
    with serving(always(reached, act)) as server:
        limits = QUICK if isinstance(act, Hang) else PATIENT
        report = sqlite_world.deliver(sqlite_world.smtp(server, limits=limits), resend=False)
        [after] = sqlite_world.rows()
        assert (after.state, after.attempts) == row
        assert report.failures or report.warnings
        if after.state == "queued":
            server.script = lambda step, dialogue: None
            for edition, _ in sqlite_world.store.paused_editions():
                sqlite_world.store.resume_edition(edition.key, sqlite_world.clock.now())
            sqlite_world.drain(sqlite_world.smtp(server), resend=False)
            assert sqlite_world.states() == {"sent": 1}
        check_invariants(sqlite_world.rows(), server, audience=1, hold=True, doubts_allowed=1)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_421_anywhere_before_the_dot_is_not_the_rows_fault(step: str, sqlite_world: World) -> None:
    """The transport rests for a second, then the row is sent: its attempt did not count."""
    sqlite_world.freeze(2)
    with serving(at(step, Say("421 4.3.2 closing"))) as server:
        report = sqlite_world.deliver(sqlite_world.smtp(server))
    assert report.sent == 2
    assert [row.attempts for row in sqlite_world.rows()] == [1, 1]
    assert sqlite_world.clock.seconds >= 1


def test_a_server_out_of_reach_ends_the_run_at_once(sqlite_world: World) -> None:
    """One clear failure, everything waits, and the next run makes up for it."""
    sqlite_world.freeze(3)
    with serving() as server:
        port = server.port
    report = sqlite_world.deliver(smtp_to(port))
    [failure] = report.failures
    assert failure.startswith(f"mail waits for the next run: 127.0.0.1:{port}: cannot be reached: connection refused; ")
    assert failure.endswith("; check mail.host and mail.port")
    assert report.line() == "0 sent, 3 waiting"
    assert sqlite_world.clock.seconds == 0
    assert [row.attempts for row in sqlite_world.rows()] == [0, 0, 0]
    with serving() as server:
        assert sqlite_world.deliver(sqlite_world.smtp(server)).sent == 3


def test_a_link_that_breaks_again_and_again_ends_the_run(sqlite_world: World) -> None:
    """After the third time the run's patience is over; a worker would wait longer and longer."""
    sqlite_world.freeze(10)
    with serving(always("data", Close())) as server:
        report = sqlite_world.deliver(sqlite_world.smtp(server))
    assert (report.sent, report.retried) == (0, 3)
    assert "mail waits for the next run" in report.failures[0]
    assert sqlite_world.clock.seconds == pytest.approx(6, abs=0.5)
    assert sqlite_world.states() == {"queued": 10}


def test_retries_come_by_the_plan_until_the_edition_expires(sqlite_world: World) -> None:
    """Mailbox full for a day: 14 attempts in 18 hours, then the row is expired and the operator is told."""
    sqlite_world.freeze(1)
    attempts: list[float] = []
    transport = FakeTransport(then=refused("rcpt", 452, "4.2.2", "mailbox full"))
    while sqlite_world.states() == {"queued": 1}:
        report = sqlite_world.deliver(transport)
        if len(transport.sent) > len(attempts):
            attempts.append(sqlite_world.clock.seconds / 60)
        sqlite_world.clock.sleep(30)
        if report.next_due is not None and report.next_due < START + timedelta(hours=18):
            sqlite_world.clock.seconds = max(sqlite_world.clock.seconds, (report.next_due - START).total_seconds())
    assert report.failures == ("mail: 1 could not be sent in time and expired",)
    assert report.finished == ("daily 2026-11-24: expired",)
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    for gap, planned in zip(gaps, [1, 5, 15, 30, 60] + [120] * 20, strict=False):
        assert planned * 0.8 - 1 <= gap <= planned * 1.2 + 2
    assert len(attempts) in (13, 14, 15)


def test_a_refused_recipient_is_told_without_the_address(sqlite_world: World) -> None:
    sqlite_world.freeze(["nouser@example.com", "ann@example.com"])

    def script(step: str, dialogue) -> Act | None:
        if step == "rcpt" and dialogue.recipient.startswith("nouser"):
            return Say("550 5.1.1 <nouser@example.com>: unknown")
        return None

    with serving(script) as server:
        report = sqlite_world.deliver(sqlite_world.smtp(server))
    assert report.line() == "1 sent, 1 failed"
    [failure] = report.failures
    assert failure.startswith("n***@example.com: not sent, and not tried again: 127.0.0.1:")
    assert failure.endswith("refuses the recipient: 550 5.1.1 <n***@example.com>: unknown")
    assert report.finished == ("daily 2026-11-24: finished",)


def test_many_with_the_same_reason_are_one_line(sqlite_world: World) -> None:
    sqlite_world.freeze(6)
    report = sqlite_world.deliver(FakeTransport(then=refused("rcpt", 451, "4.3.0", "later")))
    [warning] = report.warnings
    assert warning.startswith("r***@example.com: tried again later:")
    assert report.line() == "0 sent, 6 waiting"
    assert report.next_due is not None
    assert report.next_due > sqlite_world.clock.now()


def test_a_recipient_who_can_never_be_written_to_fails_alone(sqlite_world: World) -> None:
    """``compose`` says so; nothing is said to the server."""
    sqlite_world.freeze(["unfit", "ann@example.com"])
    transport = FakeTransport()
    report = sqlite_world.deliver(transport)
    assert (report.sent, report.failed) == (1, 1)
    assert [recipient for recipient, _ in transport.sent] == ["ann@example.com"]


# ------------------------------------------------------------------- in doubt


def test_resend_repeats_a_doubtful_message_once_with_equal_bytes(world: World) -> None:
    """At once, in the same run; the same Message-ID, the same bytes."""
    world.freeze(2)
    with serving(at("accepted", Close())) as server:
        report = world.deliver(world.smtp(server))
    assert (report.sent, report.in_doubt, report.repeated) == (2, 1, 1)
    assert len(report.warnings) == 1
    assert "in doubt" in report.warnings[0]
    assert report.failures == ()
    assert sorted(server.copies().values()) == [1, 2]
    check_invariants(world.rows(), server, audience=2, hold=False, doubts_allowed=1)


def test_a_server_that_never_answers_does_not_get_copy_after_copy(world: World) -> None:
    """A message is repeated once; after that it stays in doubt, however many runs follow."""
    world.freeze(1)
    with serving(always("accepted", Close())) as server:
        for _ in range(5):
            world.deliver(world.smtp(server))
            world.clock.sleep(600)
    assert list(server.copies().values()) == [2]
    assert world.states() == {"in_doubt": 1}


def test_hold_never_repeats(world: World) -> None:
    world.freeze(3)
    with serving(at("accepted", Close())) as server:
        first = world.deliver(world.smtp(server), resend=False)
        world.clock.sleep(3600)
        second = world.deliver(world.smtp(server), resend=False)
    assert (first.sent, first.in_doubt, first.doubtful) == (2, 1, 1)
    assert "in doubt" in first.failures[0]
    assert second.line() == "0 sent, 1 in doubt now"
    assert second.failures == ()
    check_invariants(world.rows(), server, audience=3, hold=True, doubts_allowed=1)


# --------------------------------------------------------------- stop switch


def test_five_equal_refusals_in_a_row_pause_the_edition(world: World) -> None:
    """A wrong DNS record costs five, not the list; those five come back when the operator resumes."""
    edition = world.freeze(30)
    alarms: list[str] = []
    broken = always("dot", Say("550 5.7.26 unauthenticated mail"))
    with serving(broken) as server:
        report = world.deliver(world.smtp(server), tell=alarms.append)
        assert (report.sent, report.failed, report.waiting) == (0, 5, 25)
        assert report.paused == ("daily 2026-11-24",)
        assert alarms == [report.failures[0]]
        assert "sending is paused: 5 recipients in a row were refused alike: 550 5.7.26" in alarms[0]
        assert alarms[0].endswith("then run: digest deliver --resume daily 2026-11-24")
        again = world.deliver(world.smtp(server))
        assert again.sent == again.failed == 0
        assert again.failures == (alarms[0],)
        server.script = lambda step, dialogue: None
        assert world.store.resume_edition(edition.key, world.clock.now()) == 30
        assert world.deliver(world.smtp(server)).sent == 30
    check_invariants(world.rows(), server, audience=30, hold=True, doubts_allowed=0)


def test_a_refused_sender_pauses_at_once_and_costs_nobody_an_attempt(world: World) -> None:
    edition = world.freeze(5)
    with serving(at("mail", Say("553 5.7.1 not your address"))) as server:
        report = world.deliver(world.smtp(server))
        assert report.waiting == 5
        assert "refuses the sender: 553 5.7.1" in report.failures[0]
        assert [row.attempts for row in world.rows()] == [0] * 5
        world.store.resume_edition(edition.key, world.clock.now())
        assert world.deliver(world.smtp(server)).sent == 5


def test_over_a_fifth_refused_among_the_last_fifty_pauses(world: World) -> None:
    """However many went well before, and whatever the refusals say; counted over runs and workers, by the ledger."""
    world.freeze(90)
    no, neither = refused("rcpt", 550, "5.1.1"), refused("rcpt", 550, "5.1.2")
    pattern: list[Receipt | Exception] = [Receipt(code=250), no, Receipt(code=250), neither] * 20
    first = world.deliver(FakeTransport(*[Receipt(code=250)] * 50, *pattern), stop=after_messages(60, world))
    assert (first.failed, first.paused) == (5, ())
    second = world.deliver(FakeTransport(*pattern))
    assert second.failed == 6
    assert "11 of the last 50 recipients were refused" in second.failures[0]
    assert second.paused == ("daily 2026-11-24",)


@pytest.mark.parametrize("step", ["rcpt", "dot"])
@pytest.mark.parametrize("said", [("", "Ip frequency limited"), ("5.2.2", "mailbox full")])
def test_what_passes_is_tried_again_although_it_is_said_for_good(
    world: World, step: str, said: tuple[str, str]
) -> None:
    """Limits of a provider, full mailboxes: nothing fails, nothing is paused, and later it is taken."""
    world.freeze(12)
    report = world.deliver(FakeTransport(then=refused(step, 550, *said)))
    assert (report.failed, report.retried, report.waiting, report.paused) == (0, 12, 12, ())
    world.clock.sleep(3600)
    assert world.deliver(FakeTransport()).sent == 12


def test_what_failed_because_of_us_is_sent_again_by_word(world: World) -> None:
    """Of an edition that is done, too, until it is over; those whose address is dead stay out."""
    edition = world.freeze(5)
    refusals = (refused("rcpt", 550, "5.7.1"), refused("rcpt", 550, "5.1.1"), refused("dot", 554, "", "DT:SPM"))
    assert world.deliver(FakeTransport(*refusals)).failed == 3
    assert world.store.edition_by_key(edition.key).state is EditionState.FINISHED
    assert world.store.resume_edition(edition.key, world.clock.now()) == 2
    report = world.deliver(FakeTransport())
    assert (report.sent, report.waiting) == (2, 0)
    assert world.store.resume_edition(edition.key, world.clock.now()) == 0
    assert world.store.edition_by_key(edition.key).state is EditionState.FINISHED


def test_readers_of_an_edition_are_judged_together(world: World) -> None:
    """Each may have chosen other categories."""
    readers = recipients("2026-11-24", [f"reader{number}@example.com" for number in range(12)])
    chosen = [replace(each, selection=str(Selection.of([f"c{number}"]))) for number, each in enumerate(readers)]
    saved = world.store.freeze(frozen("2026-11-24", now=world.clock.now()), chosen)
    world.store.mark_page_published(saved.key)
    transport = FakeTransport(*[refused("rcpt", 550, f"5.1.{number % 3}") for number in range(12)])
    report = world.deliver(transport)
    assert (report.failed, report.waiting, report.paused) == (10, 2, ("daily 2026-11-24",))
    world.clock.sleep(60)
    assert world.store.resume_edition(saved.key, world.clock.now()) == 2
    assert world.deliver(FakeTransport()).sent == 2


def test_an_edition_that_goes_on_is_sent_by_the_same_worker(sqlite_world: World) -> None:
    """It has stopped it itself; its refusals of before count no more."""
    world = sqlite_world
    edition = world.freeze(8)
    resumed = iter([False, True])

    def again() -> bool:
        if not next(resumed, False):
            return False
        world.clock.sleep(60)
        world.store.resume_edition(edition.key, world.clock.now())
        return True

    answers: list[Receipt | Exception] = [
        *[refused("rcpt", 550, "5.1.1")] * 5,
        refused("rcpt", 550, "5.1.1"),
        Receipt(code=250),
    ]
    report = world.deliver(FakeTransport(*answers), again=lambda: again() or again())
    assert (report.sent, report.failed, report.waiting) == (2, 6, 0)


# -------------------------------------------------------------------- outages


def test_a_server_that_is_out_of_reach_is_kept_in_mind(world: World) -> None:
    """By whoever tries, until somebody's mail is taken. Connections that fail together tried once."""
    world.freeze(6)
    assert world.store.outages() == {}
    away = TemporaryFailure("mx:25", "cannot be reached: connection refused", step="connect")
    for tries in (1, 2):
        world.deliver(FakeTransport(then=away), connections=3)
        outage = world.store.outages()["mail"]
        assert (outage.tries, outage.since) == (tries, START)
        world.clock.sleep(300)
    assert outage.reason == "mx:25: cannot be reached: connection refused"
    assert [row.attempts for row in world.rows()] == [0] * 6
    assert world.deliver(FakeTransport()).sent == 6
    assert world.store.outages() == {}


def test_mail_that_could_not_be_tried_keeps_its_place(sqlite_world: World) -> None:
    """Since when it waits can be told."""
    sqlite_world.freeze(1)
    for _ in range(3):
        sqlite_world.clock.sleep(3600)
        sqlite_world.deliver(FakeTransport(then=TemporaryFailure("mx:25", "cannot be reached", step="connect")))
    assert sqlite_world.store.next_due() == START


def after_messages(number: int, world: World) -> Callable[[], bool]:
    return lambda: sum(row.state in ("sent", "failed") for row in world.rows()) >= number


def test_another_edition_goes_on(sqlite_world: World) -> None:
    sqlite_world.freeze(8, "2026-11-23")
    sqlite_world.freeze(8, "2026-11-24")

    class Picky(FakeTransport):
        def send(self, edition, target, before_commit):
            if b"News of 2026-11-23" in edition.message:
                raise refused("rcpt", 550, "5.7.1")
            return super().send(edition, target, before_commit)

    report = sqlite_world.deliver(Picky())
    assert report.paused == ("daily 2026-11-23",)
    assert (report.sent, report.failed) == (8, 5)


def test_what_was_made_ahead_for_a_paused_edition_is_not_sent(sqlite_world: World) -> None:
    """The next row is another edition's, and gets its own message."""
    sqlite_world.freeze([f"a{number}@example.com" for number in range(8)], "2026-11-23")
    sqlite_world.freeze([f"b{number}@example.com" for number in range(8)], "2026-11-24")

    def script(step: str, dialogue) -> Act | None:
        return Say("550 5.7.26 unauthenticated") if step == "dot" and dialogue.recipient.startswith("a") else None

    with serving(script) as server:
        report = sqlite_world.deliver(sqlite_world.smtp(server))
    assert report.paused == ("daily 2026-11-23",)
    assert (report.sent, report.failed) == (8, 5)
    assert {row.address[0]: row.state for row in sqlite_world.rows()} == {"a": "queued", "b": "sent"}
    assert all(each.recipient.encode() in each.message for each in server.accepted)


def test_rows_of_a_paused_edition_still_expire(sqlite_world: World) -> None:
    sqlite_world.freeze(6)
    sqlite_world.deliver(FakeTransport(then=refused("dot", 554, "5.7.1")))
    sqlite_world.clock.sleep(19 * 3600)
    report = sqlite_world.deliver(FakeTransport())
    assert (report.expired, report.sent) == (1, 0)
    assert report.paused == ()


# ------------------------------------------------------------------ stopping


def test_a_stop_finishes_the_message_in_hand_and_begins_no_other(world: World) -> None:
    """SIGTERM: rows claimed and not begun are back in the queue at once, uncounted."""
    world.freeze(10)
    stopping = threading.Event()

    def script(step: str, dialogue) -> Act | None:
        if step == "data" and dialogue.messages == 2:
            stopping.set()
        return None

    with serving(script) as server:
        report = world.deliver(world.smtp(server), stop=stopping.is_set)
        assert report.sent == 3
        assert world.states() == {"sent": 3, "queued": 7}
        assert sum(row.attempts for row in world.rows()) == 3
        assert world.deliver(world.smtp(server)).sent == 7
    check_invariants(world.rows(), server, audience=10, hold=True, doubts_allowed=0)


def test_a_worker_goes_on_until_it_is_stopped(sqlite_world: World) -> None:
    """It sends retries when their time has come, an edition that is frozen meanwhile, and sleeps in between."""
    sqlite_world.freeze(2)
    later: list[int] = []

    def stop() -> bool:
        if sqlite_world.clock.seconds > 600 and not later:
            later.append(sqlite_world.freeze(1, "2026-11-25").key)
        return sqlite_world.clock.seconds > 1200

    transport = FakeTransport(refused("rcpt", 451, "4.3.0"))
    report = sqlite_world.deliver(transport, once=False, stop=stop)
    assert (report.sent, report.retried) == (3, 1)
    assert sqlite_world.states() == {"sent": 3}
    assert transport.closed >= 2  # connections are let go of while there is nothing to do


def test_a_worker_waits_longer_and_longer_for_a_server_out_of_reach(sqlite_world: World) -> None:
    sqlite_world.freeze(1)
    alarms: list[str] = []
    down = TemporaryFailure("mx:25", "cannot be reached", step="connect")
    transport = FakeTransport(*[down] * 6)
    sqlite_world.deliver(transport, once=False, stop=lambda: sqlite_world.states() == {"sent": 1}, tell=alarms.append)
    assert sqlite_world.clock.seconds == pytest.approx(1 + 5 + 15 + 60 + 300 + 300, abs=5)
    assert alarms == ["mx:25: cannot be reached"]
    assert sqlite_world.rows()[0].attempts == 1


# ---------------------------------------------------------- leases and crashes


def test_a_lost_lease_sends_no_dot(world: World) -> None:
    """A worker frozen past its lease wakes when another one has the row: it closes and reports nothing."""
    world.freeze(1)
    store = world.store

    class Slow:
        """While the first worker is in the dialogue, its lease ends and another worker does the job."""

        def __init__(self, port: int) -> None:
            self.atomic = False
            self._inner, self._other, self._first = smtp_to(port), smtp_to(port), True

        def send(self, edition, target, before_commit) -> Receipt:
            def woken() -> bool:
                if self._first:
                    self._first = False
                    world.clock.sleep(121)
                    assert world.deliver(self._other).sent == 1
                return before_commit()

            return self._inner.send(edition, target, replace(before_commit, ask=woken))

        def close(self) -> None:
            self._inner.close()

    with serving() as server:
        report = world.deliver(Slow(server.port))
    assert (report.sent, report.retried, report.failures) == (0, 0, ())
    assert list(server.copies().values()) == [1]
    assert store.counts()[DeliveryState.SENT] == 1


def test_a_slow_message_keeps_its_lease(sqlite_world: World) -> None:
    """The watch renews it, so that nobody takes the row while the server dawdles."""
    sqlite_world.freeze(1)

    class Dawdling(FakeTransport):
        def send(self, edition, target, before_commit):
            sqlite_world.clock.sleep(60)  # the watch looks once a second, real time
            wait_until(lambda: renewed)
            sqlite_world.clock.sleep(100)
            assert sqlite_world.store.recover(sqlite_world.clock.now(), atomic=False) == (0, 0)
            return super().send(edition, target, before_commit)

    renewed: list[object] = []

    class Watching:
        def __getattr__(self, name: str):
            return getattr(sqlite_world.store, name)

        def renew(self, delivery, until) -> bool:
            done = sqlite_world.store.renew(delivery, until)
            renewed.append(done)
            return done

    report = sqlite_world.deliver(Dawdling(), ledger=Watching())
    assert report.sent == 1
    assert all(renewed), "once or, where the rest took its time, more often"


def wait_until(is_true: Callable[[], object]) -> None:
    waiting = threading.Event()
    for _ in range(1_200):
        if is_true():
            return
        waiting.wait(0.05)
    raise AssertionError("waited in vain")


def test_rows_of_a_dead_worker_are_taken_over(world: World) -> None:
    """Leased: sent again for certain. Transmitting: in doubt, so with ``hold`` it stays."""
    world.freeze(2)
    leased, transmitting = world.store.claim(world.clock.now(), 2, timedelta(seconds=120))
    assert world.store.turn(
        CommitBatch(now=world.clock.now(), begun=transmitting, until=world.clock.now() + timedelta(minutes=11))
    ).leased
    with serving() as server:
        assert world.deliver(world.smtp(server), resend=False).line() == "nothing to send"
        world.clock.sleep(121)
        report = world.deliver(world.smtp(server), resend=False)
        assert (report.sent, report.recovered) == (1, 1)
        world.clock.sleep(600)
        report = world.deliver(world.smtp(server), resend=False)
        assert (report.sent, report.doubtful) == (0, 1)
    assert world.state_of(leased.address) == "sent"
    assert world.state_of(transmitting.address) == "in_doubt"


def test_a_dead_workers_rows_of_a_folder_are_simply_done_again(world: World, tmp_path: Path) -> None:
    world.freeze(1)
    [row] = world.store.claim(world.clock.now(), 1, timedelta(seconds=120))
    world.store.turn(CommitBatch(now=world.clock.now(), begun=row, until=world.clock.now() + timedelta(minutes=11)))
    world.clock.sleep(700)
    report = world.deliver(FolderChannel(tmp_path / "outbox"), resend=False)
    assert (report.sent, report.recovered, report.doubtful) == (1, 1, 0)


class Failing:
    """The ledger, of which a method raises StoreError the first times it is called."""

    def __init__(self, world: World, method: str, times: int, *, after_doing_it: bool = False) -> None:
        self._store, self._method, self.left, self._after = world.store, method, times, after_doing_it

    def __getattr__(self, name: str):
        real = getattr(self._store, name)
        if name != self._method:
            return real

        def failing(*args, **kwargs):
            if self.left <= 0:
                return real(*args, **kwargs)
            self.left -= 1
            if self._after:
                real(*args, **kwargs)
            raise StoreError("digest.db", "the disk is full", "make room")

        return failing


@pytest.mark.parametrize("after_doing_it", [False, True], ids=["undone", "done-but-not-told"])
def test_a_store_that_fails_after_the_servers_yes_is_tried_for_half_a_minute(
    world: World, after_doing_it: bool
) -> None:
    world.freeze(1)
    with serving() as server:
        report = world.deliver(world.smtp(server), ledger=Failing(world, "sent", 20, after_doing_it=after_doing_it))
    assert report.sent == 1
    assert world.states() == {"sent": 1}
    assert world.clock.seconds == pytest.approx(20)
    assert list(server.copies().values()) == [1]


def test_if_it_goes_on_failing_the_row_is_in_doubt_later(world: World) -> None:
    """2xx to the last one, then our commit fails: sent, not recorded. Never silently sent again with ``hold``."""
    world.freeze(3)
    with serving() as server:
        with pytest.raises(StoreError):
            world.deliver(world.smtp(server), ledger=Failing(world, "sent", 1_000), resend=False)
        assert world.states() == {"transmitting": 1, "sent": 2}
        world.clock.sleep(661)
        world.drain(world.smtp(server), resend=False)
    assert world.states() == {"in_doubt": 1, "sent": 2}
    check_invariants(world.rows(), server, audience=3, hold=True, doubts_allowed=1)


def test_no_dot_without_the_transmitting_commit(world: World) -> None:
    """The disk is full right then. The message is broken off, the row goes back, and is sent when there is room."""
    world.freeze(2)
    with serving() as server:
        report = world.deliver(world.smtp(server), ledger=Failing(world, "turn", 1))
        assert (report.sent, report.retried) == (1, 1)
        assert "the disk is full" in report.warnings[0]
        world.clock.sleep(90)
        assert world.deliver(world.smtp(server)).sent == 1
    check_invariants(world.rows(), server, audience=2, hold=True, doubts_allowed=0)


@pytest.mark.parametrize("method", ["recover", "expire", "claim", "edition_by_key", "settle", "counts"])
def test_a_store_that_fails_otherwise_ends_the_run_with_its_error(method: str, world: World) -> None:
    world.freeze(2)
    with serving() as server:
        with pytest.raises(StoreError, match="the disk is full"):
            world.deliver(world.smtp(server), ledger=Failing(world, method, 1))
        assert world.deliver(world.smtp(server)).sent == (0 if method in ("settle",) else 2)
    check_invariants(world.rows(), server, audience=2, hold=True, doubts_allowed=0)


def test_a_message_that_cannot_be_made_gives_the_row_back(world: World) -> None:
    """A fault of ours ends the run; the row is not lost, and its attempt not counted."""
    world.freeze(2)

    def broken(row, edition) -> Outgoing:
        raise ZeroDivisionError

    with serving() as server:
        with pytest.raises(ZeroDivisionError):
            world.deliver(world.smtp(server), compose=broken)
        assert world.states() == {"queued": 2}
        assert sum(row.attempts for row in world.rows()) == 0
        assert world.deliver(world.smtp(server)).sent == 2


# --------------------------------------------------------------- one commit


class Counting:
    """The ledger, and how often it was told what."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self.told: list[str] = []

    def __getattr__(self, name: str):
        if name in ("turn", "sent", "claim"):
            self.told.append(name)
        return getattr(self._store, name)


def test_a_message_costs_one_commit(sqlite_world: World) -> None:
    """That it may arrive from now on is written down with the answer to the one before, and with what comes next."""
    sqlite_world.freeze(6)
    ledger = Counting(sqlite_world)
    with serving() as server:
        assert sqlite_world.deliver(sqlite_world.smtp(server), ledger=ledger).sent == 6
    check_invariants(sqlite_world.rows(), server, audience=6, hold=True, doubts_allowed=0)
    assert ledger.told.count("turn") == 6
    assert ledger.told[0] == "claim"
    assert ledger.told[-2:] == ["sent", "claim"]
    assert ledger.told.count("sent") <= 6, "and once more for each time that the server took more than a moment"


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_an_answer_is_written_down_while_the_next_is_awaited(step: str, sqlite_world: World) -> None:
    """A slow server does not keep a message that it took in doubt."""
    sqlite_world.freeze(3)

    def script(reached: str, dialogue) -> Act | None:
        if reached == step and dialogue.messages:
            wait_until(lambda: sqlite_world.states().get("sent") == dialogue.messages)
        return None

    with serving(script) as server:
        assert sqlite_world.deliver(sqlite_world.smtp(server)).sent == 3
    check_invariants(sqlite_world.rows(), server, audience=3, hold=True, doubts_allowed=0)


def test_a_reader_who_leaves_while_an_answer_is_awaited_is_looked_up_again(sqlite_world: World) -> None:
    """What was made ahead is not sent if that took long."""
    sqlite_world.freeze(2)
    gone: set[str] = set()

    def script(step: str, dialogue) -> Act | None:
        if step == "accepted" and dialogue.messages == 1:
            wait_until(lambda: "reader1@example.com" in looked_up)
            gone.add("reader1@example.com")
            sqlite_world.clock.sleep(5)
        return None

    looked_up: list[str] = []

    def left(row) -> str:
        looked_up.append(row.address)
        return "unsubscribed" if row.address in gone else ""

    with serving(script) as server:
        report = sqlite_world.deliver(sqlite_world.smtp(server), left=left)
    assert (report.sent, report.skipped) == (1, 1)
    assert looked_up == ["reader0@example.com", "reader1@example.com", "reader1@example.com"]


def test_a_file_that_is_there_already_is_sent(sqlite_world: World, tmp_path: Path) -> None:
    """A worker died after it had put it in place."""
    sqlite_world.freeze(1)
    with pytest.raises(StoreError):
        sqlite_world.deliver(FolderChannel(tmp_path), ledger=Failing(sqlite_world, "sent", 1_000))
    assert sqlite_world.states() == {"transmitting": 1}
    sqlite_world.clock.sleep(700)
    assert sqlite_world.deliver(FolderChannel(tmp_path)).sent == 1
    assert sqlite_world.states() == {"sent": 1}


# --------------------------------------------------------------- pages, turns


def without_page(world: World, number: int, period: str = "2026-11-24") -> SavedEdition:
    """A frozen edition whose page is not in place."""
    from delivery_world import frozen, recipients

    people = recipients(period, [f"reader{n}@example.com" for n in range(number)])
    saved = world.store.freeze(frozen(period, now=world.clock.now()), people)
    assert saved is not None
    return saved


def test_mail_waits_for_its_page(world: World) -> None:
    """The report says so, and other editions go out meanwhile."""
    waiting = without_page(world, 3)
    world.freeze(["ann@example.com"], "2026-11-25")
    with serving() as server:
        report = world.deliver(world.smtp(server))
        assert (report.sent, report.waiting, report.pageless, report.failures) == (1, 3, 3, ())
        assert report.line() == "1 sent, 3 waiting, 3 of them for their page"
        [line] = report.warnings
        assert line.startswith(
            "daily 2026-11-24: 3 not sent yet: the edition's page and feed are not in place, and its"
        )
        assert report.next_due is None
        world.store.mark_page_published(waiting.key)
        assert world.deliver(world.smtp(server)).line() == "3 sent"


def test_mail_that_would_expire_is_told(world: World) -> None:
    """It leaves without its page; what leaves after that came, within the same shift, is not counted among it."""
    waiting = without_page(world, 5)
    world.clock.sleep(16 * 3_600)

    def shown(work: str, done: int, total: int) -> None:
        if done == 2:
            world.store.mark_page_published(waiting.key)

    with serving() as server:
        report = world.deliver(world.smtp(server), progress=shown)
    assert report.sent == 5
    [line] = report.failures
    told = re.fullmatch(
        r"daily 2026-11-24: (\d) sent although the edition's page is not in place: they would have expired", line
    )
    assert told is not None
    assert 2 <= int(told.group(1)) <= 3, "one message is made ahead"


def test_what_comes_in_at_the_end_is_sent_as_well(world: World) -> None:
    """Whoever brought it left it to this one."""
    world.freeze(["ann@example.com"])
    asked: list[int] = []

    def again() -> bool:
        asked.append(world.store.counts().total)
        if len(asked) == 1:
            world.freeze(["bob@example.com"], "2026-11-25")
        return len(asked) == 1

    with serving() as server:
        report = world.deliver(world.smtp(server), again=again)
    assert (report.sent, asked) == (2, [1, 2])


def test_a_shift_that_gives_up_does_not_begin_again(world: World) -> None:
    """The server is out of reach for what came in as well."""
    world.freeze(2)
    gone = FakeTransport(TemporaryFailure("mx", "no route", step="connect"))
    assert world.deliver(gone, again=lambda: True).sent == 0


# --------------------------------------------------------- leaving, cancelling


def test_who_left_since_the_freezing_gets_nothing(world: World) -> None:
    """Asked right before each attempt."""
    world.freeze(4)
    with serving() as server:
        report = world.deliver(
            world.smtp(server), left=lambda row: "unsubscribed" if row.address.startswith("reader2") else ""
        )
    assert (report.sent, report.skipped) == (3, 1)
    assert report.line() == "3 sent, 1 not wanted any more"
    assert world.state_of("reader2@example.com") == "skipped"
    assert "reader2@example.com" not in {each.recipient for each in server.accepted}


# -------------------------------------------------------------------- report


def test_a_report_is_plain_values() -> None:
    """It can be printed and stored as JSON."""
    import json

    import msgspec

    report = DeliveryReport(sent=1, failures=("a",), next_due=START)
    assert json.loads(json.dumps(msgspec.to_builtins(report), default=str))["failures"] == ["a"]
    assert DeliverOptions().dot_lease > timedelta(minutes=10)


def test_doubt_of_a_fake_transport_is_the_same(sqlite_world: World) -> None:
    sqlite_world.freeze(1)
    report = sqlite_world.deliver(FakeTransport(Doubtful("mx", "no answer", step="dot")), resend=False)
    assert (report.in_doubt, report.doubtful) == (1, 1)


def test_silence_of_a_slow_server_within_the_limits_is_fine(sqlite_world: World) -> None:
    sqlite_world.freeze(2)
    with serving(both(at("rcpt", Dawdle(0.2)), at("dot", Dawdle(0.2)))) as server:
        assert sqlite_world.deliver(sqlite_world.smtp(server)).sent == 2
    assert isinstance(server, ScriptedServer)
