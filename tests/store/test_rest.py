"""When what is stored asks for work by itself: the earliest moment, or long ago if it does already."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.models import Changes, Reply
from digest.ports import Turn
from digest.store import SqlStore
from digest.subscribers.bounces import PROBE_COUNTS

LEASE = timedelta(seconds=120)
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


def next_change(store: SqlStore, *, resend: bool = True):
    return store.next_change(withdrawn_stays=WEEK, resend=resend)


def published(store: SqlStore, make, **fields):
    saved = make.freeze(store, 1, **fields)
    store.mark_page_published(saved.key)
    return saved


def test_an_empty_store_asks_for_nothing(store, make) -> None:
    assert next_change(store) is None


def test_a_file_that_is_to_be_read_again(store, make) -> None:
    store.record(Changes(files=(make.file("a"), make.file("b", recheck_at=make.now + HOUR))), make.now)
    assert next_change(store) == make.now + HOUR


def test_a_withdrawn_post_is_dropped_when_its_time_is_over(store, make) -> None:
    """And then asks for nothing more."""
    [known] = make.add(store, make.arrival("a"))
    assert next_change(store) is None
    make.withdraw(store, known, now=make.now)
    assert next_change(store) == make.now + WEEK
    store.retire_withdrawn(make.now + HOUR)
    assert next_change(store) is None


def test_a_page_that_is_not_published(store, make) -> None:
    """A skipped period has none."""
    store.skip("daily", "2026-11-23", make.now)
    assert next_change(store) is None
    make.freeze(store, 0)
    assert next_change(store) < make.now


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({}, timedelta(0)),
        ({"send_after": 2 * HOUR, "expires_at": 5 * HOUR}, 2 * HOUR),
        ({"send_after": 5 * HOUR, "expires_at": 2 * HOUR}, 2 * HOUR),
    ],
)
def test_mail_that_waits(store, make, fields, then) -> None:
    """Until it may be sent, or is too late."""
    published(store, make, **{name: make.now + span for name, span in fields.items()})
    assert next_change(store) == make.now + then


def test_mail_that_is_put_off_taken_or_done(store, make) -> None:
    saved = published(store, make, expires_at=make.now + 9 * HOUR)
    [row] = store.claim(make.now, 1, LEASE)
    assert next_change(store) == make.now + LEASE, "whoever took it may die"
    store.retry(row, make.now + HOUR, Reply(code=451), counted=True)
    assert next_change(store) == make.now + HOUR
    [row] = store.claim(make.now + HOUR, 1, LEASE)
    store.turn(Turn(now=make.now, begun=row, until=make.now + 2 * HOUR))
    assert next_change(store) == make.now + 2 * HOUR
    store.sent(row, make.now + HOUR, Reply(code=250))
    store.settle(make.now + HOUR)
    assert next_change(store) is None
    assert store.counts(saved.key)


def test_a_paused_edition_only_expires(store, make) -> None:
    saved = published(store, make, expires_at=make.now + 9 * HOUR)
    assert next_change(store) == make.now
    store.pause_edition(saved.key, "too much was refused")
    assert next_change(store) == make.now + 9 * HOUR


@pytest.mark.parametrize(("resend", "asks"), [(True, True), (False, False)])
def test_mail_in_doubt_is_sent_again_once_or_never(store, make, resend: bool, asks: bool) -> None:
    published(store, make)
    [row] = store.claim(make.now, 1, LEASE)
    store.turn(Turn(now=make.now, begun=row, until=make.now + HOUR))
    store.in_doubt(row, make.now, "no answer")
    store.settle(make.now)
    assert (next_change(store, resend=resend) is not None) is asks
    store.release_doubtful()
    [row] = store.claim(make.now, 1, LEASE)
    store.turn(Turn(now=make.now, begun=row, until=make.now + HOUR))
    store.in_doubt(row, make.now, "no answer")
    store.settle(make.now)
    assert next_change(store, resend=resend) is None, "a second copy is not followed by a third"


def test_what_is_committed_reaches_the_file(store, make) -> None:
    """Saving all changes nothing that can be read; where there is a server it does nothing at all."""
    make.add(store, make.arrival("a"))
    before = store.feeds()
    store.save_all()
    assert store.feeds() == before


def test_a_hold_ends_and_a_probe_counts(store, make) -> None:
    """A mailbox that is held, then tried once."""
    with store._database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO subscriber (address, canonical, hash, created_at, frequency, zone, held_until) "
            f"VALUES ('a@x', 'a@x', 'h', 0, 'daily', 'UTC', {int((make.now + HOUR).timestamp())})"
        )
    assert next_change(store) == make.now + HOUR
    with store._database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE subscriber SET probe_at = {int(make.now.timestamp())}")
    assert next_change(store) == make.now + PROBE_COUNTS


def test_a_sign_up_that_waits(store, make) -> None:
    with store._database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO consent (address, canonical, origin, asked_at, text, choices, wishes, ip, handled) "
            "VALUES ('a@x', 'a@x', 'form', 0, '', '[]', '{}', '', false)"
        )
    assert next_change(store) < make.now
