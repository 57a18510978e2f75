"""Copying a store out of either kind of database and into either kind, beside whoever works on it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.errors import StoreBusy, StoreError, StoreTooNew
from digest.models import Delivery, DeliveryState, FrozenEdition, Recipient, SavedEdition
from digest.ports import CommitBatch
from digest.store import SqlStore, open_store
from digest.store.backup import copy_out, look_into, take_in
from digest.store.versions import tables

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LEASE = timedelta(minutes=2)


def edition(period: str = "2026-11-24", now: datetime = NOW) -> FrozenEdition:
    return FrozenEdition(
        digest="daily",
        period=period,
        subject="早报",
        html="<p>早</p>",
        text="早",
        document="{}",
        frozen_at=now,
        send_after=now,
        expires_at=now + timedelta(hours=18),
    )


def recipients(number: int, **later: datetime) -> list[Recipient]:
    return [
        Recipient(
            address=f"r{n}@example.org",
            message_id=f"<m{n}@example.org>",
            token=f"t{n}",
            not_before=later.get(f"r{n}"),
        )
        for n in range(number)
    ]


def fill(store: SqlStore) -> None:
    """Something in many tables, of every type of column."""
    run = store.started(NOW)
    store.ended(run, NOW, '{"a": 1}')
    store.set_rules("f" * 32)
    store.finish_import(NOW)
    store.adopt_ids({"https://e.com/a": "tag:e.com,2026:a"})
    assert store.freeze(edition(), recipients(3)) is not None


def in_place(store: SqlStore, saved: SavedEdition | None) -> None:
    """The page of an edition: its mail may leave."""
    assert saved is not None
    store.mark_page_published(saved.key)


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything a store holds, by table, as plain values."""
    with open_store(url) as store, store._database.asking() as connection:
        return {
            table: sorted(
                (
                    tuple(int(value) if isinstance(value, bool) else value for value in row)
                    for row in connection.rows(f'SELECT * FROM "{table}"')
                ),
                key=repr,
            )
            for table in tables("sqlite")
        }


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the copy goes; once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other/digest.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_a_store_goes_into_either_kind(store_url: str, other_url: str, tmp_path: Path) -> None:
    """Row for row; and goes on where it was: keys are not given twice."""
    with open_store(store_url) as store:
        fill(store)
        inventory = copy_out(store_url, tmp_path / "copy.db")
    assert inventory.counts["delivery"] == 3
    before = rows(store_url)
    take_in(other_url, tmp_path / "copy.db", made_at=NOW, sent_until=None, now=NOW)
    after = rows(other_url)
    before.pop("feed"), after.pop("feed")  # all of them are published again
    assert after == before
    with open_store(other_url) as store:
        assert store.freeze(edition("2026-11-25"), recipients(1)) is not None
        assert store.started(NOW) > 1


def test_rows_of_a_used_store_are_replaced(store_url: str, tmp_path: Path) -> None:
    """Nothing of what was there is left."""
    with open_store(store_url) as store:
        fill(store)
    copy_out(store_url, tmp_path / "copy.db")
    with open_store(store_url) as store:
        store.freeze(edition("2026-11-25"), recipients(2))
    take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=None, now=NOW)
    assert len(rows(store_url)["edition"]) == 1


def test_copies_are_of_one_moment(tmp_path: Path) -> None:
    """Somebody writes all the time, two rows in each transaction: no copy has one without the other."""
    url = f"sqlite:///{tmp_path}/digest.db"
    open_store(url).close()
    stopped = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(tmp_path / "digest.db", timeout=30, isolation_level=None)) as raw:
            number = 0
            while not stopped.is_set():
                raw.execute("BEGIN IMMEDIATE")
                for half in "ab":
                    raw.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (f"{number}{half}", "x" * 500))
                raw.execute("COMMIT")
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(10):
            counts = copy_out(url, tmp_path / f"copy{number}.db").counts
            assert counts["meta"] % 2 == 0
    finally:
        stopped.set()
        thread.join()


# -------------------------------------------------------------------- hold


def saved(url: str, tmp_path: Path, **later: datetime) -> None:
    """A backup of a store in which one mail is sent, one is being sent, and two wait, one of them for its hour."""
    with open_store(url) as store:
        in_place(store, store.freeze(edition(), recipients(4, **later)))
        first, second = store.claim(NOW, 2, LEASE)
        store.turn(CommitBatch(now=NOW, begun=first, until=NOW + LEASE))
        store.sent(first, NOW, reply())
        store.turn(CommitBatch(now=NOW, begun=second, until=NOW + LEASE))
    copy_out(url, tmp_path / "copy.db")


def reply():
    from digest.models import Receipt

    return Receipt(code=250, enhanced="2.0.0", text="queued as 1")


def states(store: SqlStore) -> dict[str, int]:
    return {state.value: count for state, count in store.counts().by_state.items() if count}


@pytest.fixture
def restored(store_url: str, tmp_path: Path) -> Iterator[SqlStore]:
    """What was sent after the backup is unknown up to two hours after it; one reader's hour is later."""
    saved(store_url, tmp_path, r3=NOW + timedelta(hours=5))
    taken = take_in(
        store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW + timedelta(hours=2), now=NOW, force=True
    )
    assert taken.held == 2
    with open_store(store_url) as store:
        yield store


def test_what_may_have_gone_out_is_held(restored: SqlStore) -> None:
    """Sent stays sent, a later hour is still to come; the rest waits for the operator, also with ``resend``."""
    assert states(restored) == {"sent": 1, "in_doubt": 2, "queued": 1}
    assert restored.release_doubtful() == 0
    later = NOW + timedelta(hours=3)
    restored.recover(later, atomic=True)
    assert restored.claim(later, 10, LEASE) == []
    assert {doubt.reason for doubt in restored.doubts()} == {
        "the store was restored from a backup; it may have gone out since that was made"
    }


def test_the_operators_word_sends_what_is_held(restored: SqlStore) -> None:
    """Once more, and only then."""
    later = NOW + timedelta(hours=3)
    keys = [doubt.key for doubt in restored.doubts()]
    assert restored.settle_doubts(keys, later, sent=False) == 2
    assert len(restored.claim(later, 10, LEASE)) == 2


def test_the_hour_that_is_still_to_come_comes(restored: SqlStore) -> None:
    """Nobody waits in vain."""
    claimed = restored.claim(NOW + timedelta(hours=6), 10, LEASE)
    assert [row.address for row in claimed] == ["r3@example.org"]


def test_an_edition_that_the_lost_store_may_have_sent_is_held(restored: SqlStore) -> None:
    """The backup does not know it; it is made again, and everybody waits whose hour is over."""
    now = NOW + timedelta(hours=3)
    people = recipients(2, r1=now + timedelta(hours=4))
    restored.freeze(edition("2026-11-24-b", now), people, due=NOW + timedelta(hours=1))
    due = NOW + timedelta(hours=2, minutes=1)
    in_place(restored, restored.freeze(edition("2026-11-25", now), recipients(1), due=due))
    held = [doubt for doubt in restored.doubts() if doubt.period == "2026-11-24-b"]
    assert [doubt.address for doubt in held] == ["r0@example.org"]
    assert [row.edition_key for row in restored.claim(now, 10, LEASE)] == [
        saved.key for saved in restored.editions("daily") if saved.period == "2026-11-25"
    ]


def test_a_worker_that_comes_back_has_lost_its_row(store_url: str, tmp_path: Path) -> None:
    """What it reports is about a store that is gone."""
    with open_store(store_url) as store:
        in_place(store, store.freeze(edition(), recipients(1)))
        (row,) = store.claim(NOW, 1, LEASE)
    copy_out(store_url, tmp_path / "copy.db")
    take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)
    with open_store(store_url) as store:
        assert isinstance(row, Delivery)
        assert not store.turn(CommitBatch(now=NOW, begun=row, until=NOW + LEASE)).leased
        assert states(store) == {DeliveryState.IN_DOUBT.value: 1}


def test_nothing_is_held_if_nothing_was_sent(store_url: str, tmp_path: Path) -> None:
    """The operator knows."""
    saved(store_url, tmp_path)
    taken = take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=None, now=NOW)
    assert taken.held == 0
    with open_store(store_url) as store:
        assert states(store) == {"sent": 1, "transmitting": 1, "queued": 2}


# ---------------------------------------------------------------- refusals


def test_a_store_that_was_used_since_is_not_forgotten_in_silence(store_url: str, tmp_path: Path) -> None:
    """Only by force; and nothing has changed without."""
    with open_store(store_url) as store:
        fill(store)
        copy_out(store_url, tmp_path / "copy.db")
        store.ended(store.started(NOW + timedelta(hours=1)), NOW + timedelta(hours=1), "{}")
    before = rows(store_url)
    with pytest.raises(StoreError, match=r"used after the backup was made \(until 2026-11-24 09:00 UTC\)"):
        take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)
    assert rows(store_url) == before


@pytest.mark.parametrize("right", ["exclusive", "leading"])
def test_a_store_is_not_replaced_under_a_run(store_url: str, tmp_path: Path, right: str) -> None:
    """Or under the service that leads; not even by force."""
    with open_store(store_url) as store:
        copy_out(store_url, tmp_path / "copy.db")
        with getattr(store, right)("digest run"), pytest.raises(StoreBusy, match="another process is at work"):
            take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW, force=True)


def test_a_store_is_not_replaced_under_a_worker(store_url: str, tmp_path: Path) -> None:
    """It holds no right, only a connection."""
    copy_out(store_url, tmp_path / "copy.db")
    with open_store(store_url) as store:
        store.counts()
        with pytest.raises(StoreBusy, match="another process"):
            take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW, force=True)
    take_in(store_url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)


def test_the_file_that_was_there_is_kept(tmp_path: Path) -> None:
    """A damaged one too, with its log; it needs no force."""
    url = f"sqlite:///{tmp_path}/digest.db"
    with open_store(url) as store:
        fill(store)
    copy_out(url, tmp_path / "copy.db")
    (tmp_path / "digest.db").write_bytes(b"no database at all " * 100)
    (tmp_path / "digest.db-wal").write_bytes(b"its log")
    taken = take_in(url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)
    assert taken.replaced == tmp_path / "digest.db.replaced-20261124T080000Z"
    assert taken.replaced.read_bytes().startswith(b"no database")
    assert (tmp_path / "digest.db.replaced-20261124T080000Z-wal").read_bytes() == b"its log"
    assert len(rows(url)["delivery"]) == 3


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw.execute("DROP TABLE digest_schema"), "is no store of digest"),
        (lambda raw: raw.execute("DELETE FROM edition"), "is damaged"),
    ],
)
def test_copies_are_looked_into(tmp_path: Path, spoil, words: str) -> None:
    """Pages, references, and whether it is a store at all."""
    url = f"sqlite:///{tmp_path}/digest.db"
    with open_store(url) as store:
        fill(store)
    copy_out(url, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as raw:
        spoil(raw)
    with pytest.raises(StoreError, match=words):
        look_into(tmp_path / "copy.db")


def test_damaged_pages_are_found(tmp_path: Path) -> None:
    """Before anybody trusts the copy."""
    url = f"sqlite:///{tmp_path}/digest.db"
    with open_store(url) as store:
        fill(store)
    copy_out(url, tmp_path / "copy.db")
    raw = bytearray((tmp_path / "copy.db").read_bytes())
    raw[4096 * 3 : 4096 * 5] = b"\xaa" * 8192
    (tmp_path / "copy.db").write_bytes(raw)
    with pytest.raises(StoreError, match="damaged"):
        look_into(tmp_path / "copy.db")


def test_a_copy_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """As such a store would be."""
    url = f"sqlite:///{tmp_path}/digest.db"
    open_store(url).close()
    copy_out(url, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as raw:
        raw.execute("UPDATE digest_schema SET version_num = '9999'")
    with pytest.raises(StoreTooNew):
        take_in(f"sqlite:///{tmp_path}/new.db", tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)
    assert not (tmp_path / "new.db").exists()


def test_a_copy_of_an_earlier_version_is_refused(other_url: str, tmp_path: Path) -> None:
    """It says which program can bring it up to date."""
    url = f"sqlite:///{tmp_path}/digest.db"
    open_store(url).close()
    copy_out(url, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as raw:
        raw.execute("UPDATE digest_schema SET version_num = '0003'")
    with pytest.raises(StoreError, match=r"its schema is 0003, and this program takes \d{4} and later; run"):
        take_in(other_url, tmp_path / "copy.db", made_at=NOW, sent_until=None, now=NOW)


def test_there_is_nothing_to_copy(tmp_path: Path) -> None:
    """And nothing is made by asking."""
    with pytest.raises(StoreError, match="there is no such database"):
        copy_out(f"sqlite:///{tmp_path}/digest.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_where_no_links_can_be_made_the_old_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none."""
    import errno
    import os

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    url = f"sqlite:///{tmp_path}/digest.db"
    open_store(url).close()
    copy_out(url, tmp_path / "copy.db")
    monkeypatch.setattr(os, "link", refuse)
    taken = take_in(url, tmp_path / "copy.db", made_at=NOW, sent_until=NOW, now=NOW)
    assert taken.replaced is not None
    assert taken.replaced.is_file()
