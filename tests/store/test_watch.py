"""What is looked at to know whether all is well, on each kind of database."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from digest.alarms.watching import Alarm, Ending, RunTotals
from digest.models import DeliveryState, EditionKind, EditionState, Receipt, Reply
from digest.ports import CommitBatch

HOUR = timedelta(hours=1)


def test_runs_are_listed_newest_first(store, make) -> None:
    """With how long they took, what they brought, and what the failed ones said; a run that is cut off has no end."""
    fine, failed, _ = (store.started(make.now + n * HOUR) for n in range(3))
    store.ended(fine, make.now + timedelta(seconds=90), '{"ok": true}', arrived=3, written=7)
    report = json.dumps({"ok": False, "failures": [f"reason {n}" for n in range(9)]})
    store.ended(failed, make.now + HOUR + timedelta(seconds=10), report, ok=False)
    cut_off, second, first = store.runs(5, failures=True)
    assert (cut_off.ok, cut_off.ended_at, cut_off.seconds) == (None, None, None)
    assert (second.ok, second.seconds, len(second.failures), second.failures[0]) == (False, 10, 5, "reason 0")
    assert (first.ok, first.seconds, first.arrived, first.written, first.failures) == (True, 90, 3, 7, ())
    assert [row.key for row in store.runs(1)] == [cut_off.key]
    assert store.runs(2)[1].failures == ()
    assert store.run_totals() == RunTotals(ok=1, failed=1, cut_off=1, seconds=100, arrived=3, written=7)
    assert store.run_spans(make.now) == [(make.now, 90), (make.now + HOUR, 10)]
    assert store.run_spans(make.now + HOUR) == [(make.now + HOUR, 10)]


@pytest.mark.parametrize("report", ["", "no JSON", "[1]"])
def test_a_report_that_cannot_be_read_says_nothing(store, make, report: str) -> None:
    store.ended(store.started(make.now), make.now, report, ok=False)
    assert store.runs(1, failures=True)[0].failures == ()


def test_old_runs_are_forgotten_but_for_the_latest(store, make) -> None:
    """Something must tell when the last run was, however long ago."""
    for days in (9, 8, 7):
        store.started(make.ago(days=days))
    assert store.forget_runs(make.ago(days=8), make.ago(days=8)) == 1
    assert store.forget_runs(make.now, make.now) == 1
    assert [row.started_at for row in store.runs(9)] == [make.ago(days=7)]


def test_reports_of_old_runs_are_dropped_unless_they_failed(store, make) -> None:
    """They would be most of the store after a year; why a run failed is wanted longer."""
    for days, ok in ((9, True), (8, False), (1, True), (0, True)):
        run = store.started(make.ago(days=days))
        store.ended(run, make.ago(days=days), json.dumps({"failures": [f"{days}"]}), ok=ok)
    assert store.forget_runs(make.ago(days=99), make.ago(days=2)) == 0
    with store._database.asking() as connection:
        reports = connection.column("SELECT report FROM run ORDER BY key")
    assert [bool(report) for report in reports] == [False, True, True, True]
    assert [row.ok for row in store.runs(9)] == [True, True, False, True]


def test_volumes_are_counted_by_category_and_quarter(store, make) -> None:
    """By when posts came in, not by their dates; a post in two categories counts in both."""
    for minutes, name, categories in ((1, "a", ("x", "y")), (2, "b", ("x",)), (30, "c", ("x",))):
        make.add(store, make.arrival(name, categories=categories, first_seen=make.ago(minutes=minutes)))
    quarter = int(make.now.timestamp()) // 900
    assert store.volumes(make.ago(days=1)) == {"x": {quarter - 1: 2, quarter - 2: 1}, "y": {quarter - 1: 1}}
    assert store.volumes(make.ago(minutes=20)) == {"x": {quarter - 1: 2}, "y": {quarter - 1: 1}}
    assert store.arrivals(make.ago(days=1)) == {quarter - 1: 2, quarter - 2: 1}


def test_freshness_names_what_is_asked_for_and_what_is_busy(store, make) -> None:
    """First all posts, then the named categories, then the busiest, and never more than the limit."""
    assert [(each.category, each.published, each.recent) for each in store.freshness([], make.ago(days=7), 5)] == [
        (None, None, 0)
    ]
    for n, category in enumerate(["quiet", "busy", "busy", "busy", "some", "some"]):
        make.add(store, make.arrival(f"p{n}", categories=(category,), first_seen=make.ago(minutes=n)))
    make.add(store, make.arrival("old", categories=("old",), first_seen=make.ago(days=30)))
    found = store.freshness(["old"], make.ago(days=7), 3)
    assert [(each.category, each.recent) for each in found] == [(None, 6), ("old", 0), ("busy", 3), ("some", 2)]
    assert found[2].arrived == make.ago(minutes=1)
    assert found[2].published == make.ago(hours=1)


def test_editions_are_listed_with_their_mail(store, make) -> None:
    """Notices are no editions; an edition without mail is one all the same."""
    first = make.freeze(store, 3)
    make.freeze(store, 1, "abcd", kind=EditionKind.NOTICE)
    store.skip("daily", "2026-11-25", make.now, reason="missed")
    (row, *_) = store.claim(make.now, 1, HOUR)
    assert store.turn(CommitBatch(now=make.now, begun=row, until=make.now + HOUR)).leased
    assert store.sent(row, make.now, Receipt(code=250))
    skipped, sending = store.edition_mail(5)
    assert (skipped.name, skipped.state, skipped.reason) == ("daily 2026-11-25", EditionState.SKIPPED, "missed")
    assert (sending.name, sending.state, skipped.counts.total) == ("daily 2026-11-24", EditionState.SENDING, 0)
    assert sending.counts.by_state == {DeliveryState.SENT: 1, DeliveryState.QUEUED: 2}
    assert store.slot_state("daily", "2026-11-25") == (EditionState.SKIPPED, "missed")
    assert store.slot_state("daily", "2026-11-24") == (EditionState.SENDING, "")
    assert store.slot_state("daily", "2026-11-26") == (None, "")
    assert first.digest == "daily"


def test_refusals_are_counted_by_what_the_server_said(store, make) -> None:
    """Those of deliveries that failed lately, and of those that wait for another attempt."""
    make.freeze(store, 4)
    bad, later, *_ = store.claim(make.now, 4, HOUR)
    store.failed(bad, make.now, Reply(code=550, enhanced="5.1.1", text="no such user"))
    store.retry(later, make.now + HOUR, Reply(code=451, enhanced="4.7.1", text="later"), counted=True)
    assert store.refusals_by_receiver(make.ago(hours=1)) == {("", "dead"): 1, ("", "policy"): 1}
    assert store.refusals_by_receiver(make.now + HOUR) == {("", "policy"): 1}


def test_an_alarm_is_open_once(store, make) -> None:
    """Whoever notes it second changes nothing; when it is over it may be raised anew."""
    alarm = Alarm(name="disk:store", text="full")
    store.note_alarms([alarm, Alarm(name="run", text="failed")], [], make.now)
    store.note_alarms([alarm], [], make.now + HOUR)
    assert [(each.name, each.raised_at) for each in store.open_alarms()] == [
        ("disk:store", make.now),
        ("run", make.now),
    ]
    store.note_alarms([], [Ending(name="disk:store", text="room again")], make.now + HOUR)
    store.note_alarms([], [Ending(name="disk:store", text="once more")], make.now + 2 * HOUR)
    assert [each.name for each in store.open_alarms()] == ["run"]
    (over,) = store.recent_alarms(make.now)
    assert (over.ended_at, over.told) == (make.now + HOUR, "room again")
    store.note_alarms([alarm], [], make.now + 3 * HOUR)
    assert [each.name for each in store.open_alarms()] == ["run", "disk:store"]
    store.note_alarms([], [], make.now + timedelta(days=99))
    assert store.recent_alarms(make.now) == []


def test_an_alarm_is_told_by_one_process(store, make) -> None:
    """Whoever claims it has it until it says how that went, or until the claim is over."""
    store.note_alarms([Alarm(name="run", text="failed")], [], make.now)
    until = make.now + timedelta(minutes=10)
    (claimed,) = store.claim_alarms(make.now, until)
    assert store.claim_alarms(make.now, until) == []
    assert store.claim_alarms(until, until + HOUR) == [claimed]
    store.release_alarms([claimed], told=False)
    (again,) = store.claim_alarms(make.now, until)
    store.release_alarms([again], told=True)
    assert store.claim_alarms(make.now + HOUR, until + HOUR) == []


def test_an_end_is_told_even_if_it_comes_while_the_beginning_is_told(store, make) -> None:
    store.note_alarms([Alarm(name="run", text="failed")], [], make.now)
    claimed = store.claim_alarms(make.now, make.now + HOUR)
    store.note_alarms([], [Ending(name="run", text="fine again")], make.now)
    store.release_alarms(claimed, told=True)
    (over,) = store.claim_alarms(make.now, make.now + HOUR)
    assert over.told == "fine again"
    store.release_alarms([over], told=True)
    assert store.claim_alarms(make.now, make.now + HOUR) == []


def test_an_end_without_words_is_not_told(store, make) -> None:
    store.note_alarms([Alarm(name="silence:x", text="0 posts")], [], make.now)
    store.note_alarms([], [Ending(name="silence:x", text="")], make.now)
    assert store.claim_alarms(make.now, make.now + HOUR) == []


def test_small_memories(store, make) -> None:
    """When mails about alarms were sent, and when something was last looked at."""
    assert store.alarm_mails() == []
    store.set_alarm_mails([make.now, make.now + HOUR])
    assert store.alarm_mails() == [make.now, make.now + HOUR]
    assert store.looked_at("silence") is None
    store.set_looked_at("silence", make.now)
    assert store.looked_at("silence") == make.now
    assert store.bounces(make.now) == []
    assert store.subscribers_by_state() == {("", "suppressed"): 0}
