"""Deliveries of editions that are long over become counts."""

from __future__ import annotations

from datetime import timedelta

from digest.models import DeliveryState, EditionKind, Receipt, RenderedMail, Reply
from digest.ports import CommitBatch
from digest.store import SqlStore

HOUR = timedelta(hours=1)
LATER = timedelta(days=40)


def rows(store: SqlStore) -> int:
    with store._database.asking() as connection:
        return int(connection.value("SELECT count(*) FROM delivery"))


def sent(store: SqlStore, make, period: str = "2026-11-24", number: int = 5, **fields) -> int:
    """An edition that all but one got; its key."""
    saved = make.freeze(store, number, period, **fields)
    rows = store.claim(make.now, number, HOUR) if number else []
    for row in rows[:1]:
        assert store.failed(row, make.now, Reply(code=550, enhanced="5.1.1", text="no such user"))
    for row in rows[1:]:
        assert store.turn(CommitBatch(now=make.now, begun=row, until=make.now + HOUR)).leased
        assert store.sent(row, make.now, Receipt(code=250))
    store.settle(make.now)
    return saved.key


def counted(store: SqlStore, make, limit: int = 100) -> list[int]:
    """How many at a time."""
    return list(iter(lambda: store.count_old_deliveries(make.now + LATER, make.now + timedelta(days=5), limit), 0))


def test_counts_say_the_same_and_rows_are_gone(store, make) -> None:
    """The newest row stays, so that no other gets its key."""
    first, second = sent(store, make), sent(store, make, "2026-11-25")
    before = store.counts(), store.counts(first), store.edition_mail(9), store.counts_elsewhere()
    assert before[1][DeliveryState.SENT] == 4
    assert counted(store, make) == [5, 4]
    assert rows(store) == 1
    assert (store.counts(), store.counts(first), store.edition_mail(9), store.counts_elsewhere()) == before
    assert [store.is_counted(key) for key in (first, second)] == [True, True]
    with store._database.asking() as connection:
        kept = connection.rows("SELECT edition_key, channel, state, domain, number FROM delivery_count ORDER BY 1, 3")
    assert kept == [
        (first, "mail", "failed", "example.org", 1), (first, "mail", "sent", "example.org", 4),
        (second, "mail", "failed", "example.org", 1), (second, "mail", "sent", "example.org", 3),
    ]  # fmt: skip


def test_some_at_a_time(store, make) -> None:
    key = sent(store, make)
    sent(store, make, "2026-11-25", 2)
    before = store.counts(key)
    assert store.count_old_deliveries(make.now + LATER, make.now + timedelta(days=5), 2) == 2
    assert store.counts(key) == before
    assert counted(store, make, 2) == [2, 1, 1]
    assert store.counts(key) == before


def test_it_is_asked_once_a_day(store, make) -> None:
    sent(store, make)
    assert counted(store, make) == [4]
    sent(store, make, "2026-11-25", 3)
    assert counted(store, make) == []
    assert store.count_old_deliveries(make.now + LATER + timedelta(days=1), make.now + timedelta(days=5), 9) == 1


def test_what_is_young_or_under_way_stays(store, make) -> None:
    """And mails about subscriptions, which are forgotten as a whole."""
    sent(store, make, "2026-12-30", frozen_at=make.now + timedelta(days=10))
    sent(store, make, "n1", kind=EditionKind.NOTICE)
    make.freeze(store, 3)
    sent(store, make, "2026-12-31", 0, frozen_at=make.now + timedelta(days=11))
    assert counted(store, make) == []
    assert rows(store) == 13


def test_mails_of_selections_go_with_them(store, make) -> None:
    """Nobody is sent them any more."""
    key = sent(store, make)
    sent(store, make, "2026-11-25")
    store.keep_mail(key, "x", RenderedMail(subject="s", html="<p>", text="t"))
    counted(store, make)
    assert store.mail(key, "x") is None


def test_a_row_that_never_ended_holds_nothing_up(store, make) -> None:
    first = sent(store, make)
    sent(store, make, "2026-11-25")
    with store._database.changing() as connection:
        connection.run("UPDATE delivery SET state = 'transmitting' WHERE edition_key = ? AND address LIKE 'r3%'", first)
    assert counted(store, make) == [4, 4]
