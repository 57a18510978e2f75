"""The ledger: every delivery is claimed by one worker at a time, and nothing is recorded that is not so."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from digest.errors import StoreError
from digest.models import DeliveryState, EditionState, Receipt, Reply
from digest.outbox import last_call
from digest.ports import CommitBatch
from digest.store import SqlStore, open_store

LEASE = timedelta(seconds=120)
DOT = timedelta(minutes=11)
OK = Receipt(code=250, enhanced="2.0.0", text="Ok: queued as 4bXyZ1", id="4bXyZ1")
LATER = Reply(code=451, enhanced="4.7.1", text="greylisted")
NO = Reply(code=550, enhanced="5.1.1", text="no such user")


def states(store: SqlStore) -> dict[str, int]:
    return {state.value: count for state, count in store.counts().by_state.items() if count}


def test_nothing_is_claimed_before_its_page_is_in_place(store, make) -> None:
    saved = store.freeze(make.edition(), make.recipients(3))
    assert store.claim(make.now, 9, LEASE) == []
    assert not store.is_due(make.now)
    assert store.next_due() is None
    [awaited] = store.awaited_pages()
    assert (awaited.digest, awaited.period, awaited.mails) == ("daily", "2026-11-24", 3)
    assert (awaited.since, awaited.expires_at) == (saved.frozen_at, saved.expires_at)
    assert [each.key for each in store.unpublished_pages()] == [saved.key]
    store.mark_page_published(saved.key)
    assert store.is_due(make.now)
    assert store.next_due() == make.now
    assert store.awaited_pages() == store.unpublished_pages() == []
    assert len(store.claim(make.now, 9, LEASE)) == 3
    assert not store.is_due(make.now)


@pytest.mark.parametrize("life", [timedelta(hours=18), timedelta(hours=3), timedelta(minutes=5)])
def test_what_would_expire_is_claimed_without_its_page(store, make, life) -> None:
    """Two hours before its end, or in the second half of a short life; each reader's own hour counts."""
    reader = make.replace(make.recipients(1)[0], address="late@example.org", message_id="<x@example.org>")
    own = make.now + timedelta(hours=1)
    reader = make.replace(reader, not_before=own, expires_at=own + life)
    saved = store.freeze(make.edition(expires_at=make.now + life), [*make.recipients(1), reader])
    call = last_call(saved.frozen_at, saved.expires_at)
    assert call == make.now + max(life - timedelta(hours=2), life / 2)
    for moment, address in ((call, "r0@example.org"), (call + timedelta(hours=1), "late@example.org")):
        early = store.claim(moment - timedelta(seconds=1), 9, LEASE)
        assert [row.address for row in early] == []
        assert [row.address for row in store.claim(moment, 9, LEASE)] == [address]


def test_mail_of_a_paused_edition_does_not_wait_for_its_page(store, make) -> None:
    """It waits for the operator."""
    saved = store.freeze(make.edition(), make.recipients(2))
    store.pause_edition(saved.key, "refused", make.now)
    assert store.awaited_pages() == []


def claim_one(store: SqlStore, make):
    [delivery] = store.claim(make.now, 1, LEASE)
    return delivery


def test_a_claim_leases_due_rows_and_starts_the_edition(store, make) -> None:
    """Oldest first, no more than asked for, each with what is needed to send it."""
    saved = make.freeze(store, 3)
    [first, second] = store.claim(make.now, 2, LEASE)
    assert (first.address, first.message_id, first.token) == ("r0@example.org", "<m0@example.org>", "t0")
    assert (first.edition_key, first.attempts) == (saved.key, 1)
    assert second.address == "r1@example.org"
    assert states(store) == {"leased": 2, "queued": 1}
    assert store.edition_by_key(saved.key).state is EditionState.SENDING
    assert len(store.claim(make.now, 9, LEASE)) == 1
    assert store.claim(make.now, 9, LEASE) == []


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, True),
        ({"send_after": timedelta(0)}, True),
        ({"send_after": timedelta(seconds=1)}, False),
        ({"expires_at": timedelta(seconds=1)}, True),
        ({"expires_at": timedelta(0)}, False),
    ],
)
def test_only_editions_whose_time_it_is_are_claimed(store, make, fields, due) -> None:
    make.freeze(store, 1, **{name: make.now + span for name, span in fields.items()})
    assert bool(store.claim(make.now, 1, LEASE)) is due


def test_next_due_is_the_earliest_row_that_can_be_claimed(store, make) -> None:
    assert store.next_due() is None
    later = make.now + timedelta(hours=1)
    make.freeze(store, 1, send_after=later)
    assert store.next_due() == later
    saved = make.freeze(store, 1, "2026-11-25", digest="other")
    assert store.next_due() == make.now
    delivery = claim_one(store, make)
    assert store.next_due() == later
    store.retry(delivery, make.now + timedelta(minutes=1), LATER, counted=True)
    assert store.next_due() == make.now + timedelta(minutes=1)
    store.pause_edition(saved.key, "refused", make.now)
    assert store.next_due() == later


# What each report does to a row in each state, as delivery.md's table has it: the state after it, or None if the
# report must be refused. The worker still holds the claim.
REPORTS = {
    "renew": lambda store, row, now: store.renew(row, now + LEASE),
    "transmitting": lambda store, row, now: store.turn(CommitBatch(now=now, begun=row, until=now + DOT)).leased,
    "sent": lambda store, row, now: store.sent(row, now, OK),
    "in_doubt": lambda store, row, now: store.in_doubt(row, now, "link lost"),
    "retry": lambda store, row, now: store.retry(row, now + LEASE, LATER, counted=True),
    "failed": lambda store, row, now: store.failed(row, now, NO),
    "skipped": lambda store, row, now: store.skipped(row, now, "left"),
}
PATHS = {
    "leased": (),
    "transmitting": ("transmitting",),
    "in_doubt": ("transmitting", "in_doubt"),
    "sent": ("transmitting", "sent"),
    "failed": ("failed",),
    "queued": ("retry",),
    "skipped": ("skipped",),
}
ALLOWED = {
    "leased": {
        "renew": "leased",
        "transmitting": "transmitting",
        "retry": "queued",
        "failed": "failed",
        "skipped": "skipped",
    },
    "transmitting": {"sent": "sent", "in_doubt": "in_doubt", "retry": "queued", "failed": "failed"},
    "in_doubt": {"sent": "sent", "in_doubt": "in_doubt"},
    "sent": {"sent": "sent"},
    "failed": {"failed": "failed"},
    "queued": {},
    "skipped": {"skipped": "skipped"},
}


@pytest.mark.parametrize("state", PATHS)
def test_a_row_changes_only_as_it_may(store, make, state: str) -> None:
    """A report that is not allowed changes nothing and says so; the same report again is no harm."""
    for report in REPORTS:
        saved = make.freeze(store, 1, digest=report)
        row = claim_one(store, make)
        for step in PATHS[state]:
            assert REPORTS[step](store, row, make.now)
        assert store.counts(saved.key).by_state == {state: 1}
        after = ALLOWED[state].get(report)
        assert REPORTS[report](store, row, make.now) is (after is not None), report
        assert store.counts(saved.key).by_state == {after or state: 1}, report


def test_a_worker_that_lost_its_lease_changes_nothing(store, make) -> None:
    """Its row was recovered and claimed by another one."""
    make.freeze(store, 1)
    old = claim_one(store, make)
    later = make.now + LEASE
    assert store.recover(later, atomic=False) == (1, 0)
    [new] = store.claim(later, 1, LEASE)
    assert new.lease != old.lease
    for report in REPORTS.values():
        assert not report(store, old, later)
    assert states(store) == {"leased": 1}
    assert store.turn(CommitBatch(now=later, begun=new, until=later + DOT)).leased
    for report in REPORTS.values():
        assert not report(store, old, later)
    assert states(store) == {"transmitting": 1}
    assert store.sent(new, later, OK)


def test_recovery_frees_the_rows_of_the_dead(store, make) -> None:
    """Before the dot they are queued again, after it nobody can know; a lease that runs is left alone."""
    make.freeze(store, 4)
    rows = store.claim(make.now, 4, LEASE)
    store.turn(CommitBatch(now=make.now, begun=rows[0], until=make.now + DOT))
    store.turn(CommitBatch(now=make.now, begun=rows[1], until=make.now + DOT))
    store.renew(rows[2], make.now + DOT)
    assert store.recover(make.now + LEASE - timedelta(seconds=1), atomic=False) == (0, 0)
    assert store.recover(make.now + LEASE, atomic=False) == (1, 0)
    assert states(store) == {"queued": 1, "leased": 1, "transmitting": 2}
    assert store.recover(make.now + DOT, atomic=False) == (1, 2)
    assert states(store) == {"queued": 2, "in_doubt": 2}
    assert store.sent(rows[0], make.now, OK)
    assert states(store) == {"queued": 2, "in_doubt": 1, "sent": 1}


def test_an_atomic_transport_leaves_no_doubt(store, make) -> None:
    make.freeze(store, 1)
    row = claim_one(store, make)
    store.turn(CommitBatch(now=make.now, begun=row, until=make.now + DOT))
    assert store.recover(make.now + DOT, atomic=True) == (0, 1)
    assert states(store) == {"queued": 1}
    assert not store.sent(row, make.now, OK)


def test_doubtful_rows_are_released_at_once(store, make) -> None:
    """The edition goes on, even if it was finished; a late answer to the first attempt no longer counts."""
    saved = make.freeze(store, 1)
    row = claim_one(store, make)
    store.turn(CommitBatch(now=make.now, begun=row, until=make.now + DOT))
    store.in_doubt(row, make.now, "link lost")
    [(closed, state)] = store.settle(make.now)
    assert state is closed.state is EditionState.FINISHED
    assert store.release_doubtful() == 1
    assert store.release_doubtful() == 0
    assert store.edition_by_key(saved.key).state is EditionState.SENDING
    assert not store.sent(row, make.now, OK)
    again = claim_one(store, make)
    assert (again.message_id, again.attempts) == (row.message_id, 2)
    assert again.lease != row.lease


def test_an_attempt_that_never_reached_the_server_is_not_counted(store, make) -> None:
    make.freeze(store, 1)
    store.retry(claim_one(store, make), make.now, LATER, counted=False)
    row = claim_one(store, make)
    assert row.attempts == 1
    store.retry(row, make.now, LATER, counted=True)
    assert claim_one(store, make).attempts == 2


def test_a_retry_waits(store, make) -> None:
    make.freeze(store, 1)
    then = make.now + timedelta(minutes=5)
    store.retry(claim_one(store, make), then, LATER, counted=True)
    assert store.claim(then - timedelta(seconds=1), 1, LEASE) == []
    assert len(store.claim(then, 1, LEASE)) == 1


def test_yesterdays_news_expires(store, make) -> None:
    """Queued rows only: what is in a worker's hand is finished."""
    make.freeze(store, 2, expires_at=make.now + timedelta(hours=1))
    make.freeze(store, 1, "2026-11-25")
    claim_one(store, make)
    end = make.now + timedelta(hours=1)
    assert store.expire(end - timedelta(seconds=1)) == 0
    assert store.expire(end) == 1
    assert states(store) == {"leased": 1, "expired": 1, "queued": 1}


def test_an_edition_is_settled_when_nothing_is_open(store, make) -> None:
    """Once; then it has its state."""
    saved = make.freeze(store, 2)
    rows = store.claim(make.now, 2, LEASE)
    store.failed(rows[0], make.now, NO)
    assert store.settle(make.now) == []
    store.turn(CommitBatch(now=make.now, begun=rows[1], until=make.now + DOT))
    assert store.settle(make.now) == []
    store.sent(rows[1], make.now, OK)
    [(closed, state)] = store.settle(make.now)
    assert (closed.key, state) == (saved.key, EditionState.FINISHED)
    assert store.edition_by_key(saved.key) == closed
    assert store.settle(make.now) == []


def test_an_edition_that_reached_nobody_in_time_is_expired(store, make) -> None:
    make.freeze(store, 2, expires_at=make.now + timedelta(hours=1))
    store.failed(claim_one(store, make), make.now, NO)
    store.expire(make.now + timedelta(hours=1))
    [(_, state)] = store.settle(make.now + timedelta(hours=1))
    assert state is EditionState.EXPIRED


def test_an_edition_without_recipients_is_finished_at_once(store, make) -> None:
    make.freeze(store, 0)
    store.skip("daily", "2026-11-23", make.now)
    [(_, state)] = store.settle(make.now)
    assert state is EditionState.FINISHED


def test_a_paused_edition_waits_for_the_operator(store, make) -> None:
    """Its queue is due when it goes on, with what was refused because of us."""
    saved = make.freeze(store, 5)
    rows = store.claim(make.now, 4, LEASE)
    assert store.pause_edition(saved.key, "550 5.7.1 five times\nin a row", make.now)
    assert not store.pause_edition(saved.key, "again", make.now)
    [(paused, reason)] = store.paused_editions()
    assert (paused.state, reason) == (EditionState.PAUSED, "550 5.7.1 five times in a row")
    assert store.claim(make.now, 1, LEASE) == []
    store.failed(rows[0], make.now, Reply(code=550, enhanced="5.7.1", text="policy"))
    store.failed(rows[1], make.now, Reply(code=552, enhanced="5.3.4", text="too big"))
    store.failed(rows[2], make.now, NO)
    store.retry(rows[3], make.now + timedelta(hours=2), LATER, counted=True)
    assert store.settle(make.now) == []
    later = make.now + timedelta(hours=1)
    assert store.resume_edition(saved.key, later) == 4
    assert store.resume_edition(saved.key, later) == 0
    assert store.paused_editions() == []
    assert len(store.claim(later, 9, LEASE)) == 4
    assert states(store) == {"leased": 4, "failed": 1}


def test_a_paused_edition_is_closed_when_its_rows_are(store, make) -> None:
    saved = make.freeze(store, 1, expires_at=make.now + timedelta(hours=1))
    store.pause_edition(saved.key, "refused", make.now)
    store.expire(make.now + timedelta(hours=1))
    [(_, state)] = store.settle(make.now + timedelta(hours=1))
    assert state is EditionState.EXPIRED
    assert not store.pause_edition(saved.key, "too late", make.now)


def test_counts_are_by_edition_or_over_all(store, make) -> None:
    first = make.freeze(store, 2)
    make.freeze(store, 1, "2026-11-25")
    store.failed(claim_one(store, make), make.now, NO)
    assert store.counts(first.key).by_state == {DeliveryState.FAILED: 1, DeliveryState.QUEUED: 1}
    assert store.counts(first.key).total == 2
    assert store.counts().total == 3


def test_an_edition_that_is_not_there_is_an_error(store) -> None:
    with pytest.raises(StoreError, match="no edition with key 7"):
        store.edition_by_key(7)


def test_a_servers_words_do_no_harm(store, make) -> None:
    """Whatever bytes a server answers with."""
    make.freeze(store, 1)
    row = claim_one(store, make)
    store.turn(CommitBatch(now=make.now, begun=row, until=make.now + DOT))
    assert store.sent(row, make.now, Receipt(code=250, enhanced="2.0.0", text="ok\r\n\x00\udc80 喂"))


def test_the_clock_is_the_servers_where_there_is_one(store, make) -> None:
    """One machine has one clock; workers on several ask the database's."""
    moment = store.clock(make.now)
    if store._database.is_postgres:
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    else:
        assert moment == make.now
    assert moment.utcoffset() == timedelta(0)


def test_workers_never_share_a_row(store_url, make) -> None:
    """Eight threads over two connections' pools: each row is claimed and sent once."""
    with open_store(store_url) as first, open_store(store_url) as second:
        make.freeze(first, 120)
        got: Counter[str] = Counter()
        lock = threading.Lock()

        def work(store: SqlStore) -> None:
            while rows := store.claim(make.now, 2, LEASE):
                for row in rows:
                    assert store.turn(CommitBatch(now=make.now, begun=row, until=make.now + DOT)).leased
                    assert store.sent(row, make.now, OK)
                    with lock:
                        got[row.address] += 1

        threads = [threading.Thread(target=work, args=[store]) for store in (first, second) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == Counter(f"r{n}@example.org" for n in range(120))
        assert states(first) == {"sent": 120}


WORKER = """
import sys
from datetime import datetime, timedelta, UTC
from digest.models import Receipt
from digest.ports import CommitBatch
from digest.store import open_store
url, stop_at = sys.argv[1:]
now = datetime(2026, 11, 24, 8, tzinfo=UTC)
with open_store(url) as store:
    steps = 0
    def reached(step):
        global steps
        steps += 1
        if steps == int(stop_at):
            print(step, flush=True)
            sys.stdin.read()
    while rows := store.claim(now, 2, timedelta(seconds=120)):
        reached("claimed")
        for row in rows:
            assert store.turn(CommitBatch(now=now, begun=row, until=now + timedelta(minutes=11))).leased
            reached("transmitting")
            assert store.sent(row, now, Receipt(code=250))
            reached("sent")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_at", "step", "expected"),
    [
        (1, "claimed", {"queued": 6}),
        (2, "transmitting", {"queued": 5, "in_doubt": 1}),
        (3, "sent", {"queued": 5, "sent": 1}),
        (7, "transmitting", {"queued": 3, "sent": 2, "in_doubt": 1}),
    ],
)
def test_a_killed_worker_loses_nothing(store_url, make, stop_at, step, expected) -> None:
    """What was committed is kept by a kill -9, what was in hand is recovered, and another worker does the rest."""
    with open_store(store_url) as store:
        make.freeze(store, 6)
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, store_url, str(stop_at)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert worker.stdout is not None
        assert worker.stdout.readline().decode().strip() == step
        worker.kill()
        worker.communicate()
        store.recover(make.now + DOT, atomic=False)
        assert states(store) == expected
        subprocess.run([sys.executable, "-c", WORKER, store_url, "0"], check=True)
        assert states(store)["sent"] + states(store).get("in_doubt", 0) == 6
        assert states(store).get("in_doubt", 0) == expected.get("in_doubt", 0)
