"""The store as most runs need it: without SQLAlchemy, until it is asked for more."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from digest.errors import StoreError
from digest.store import SqlStore, open_store
from digest.store.everyday import Everyday

EVERYDAY = """if True:
    import sys
    from datetime import datetime, timedelta, UTC
    from digest.models import Arrival, Changes, FileRecord, FileStat, Post
    from digest.store import open_store
    now = datetime(2026, 11, 24, tzinfo=UTC)
    with open_store(sys.argv[1]) as store, store.exclusive("test"):
        run = store.started(now)
        stat = FileStat(size=1, mtime_ns=1, inode=1)
        words = {name: "a" for name in ("path", "title", "url", "feed_id", "text_hash")}
        post = Post(**words, published=now, categories=("x",), tags=("x",))
        store.record(
            Changes(
                arrivals=(Arrival(post=post, id="a", first_seen=now, updated=now),),
                files=(FileRecord(path="a", stat=stat, hash="", taken=True),),
            ),
            now,
        )
        list(store.known_files()), list(store.problems()), store.posts_at(["a"]), store.ids_taken(["a"])
        store.undecided(), store.absence_of(1), store.posts_left(["a"]), store.dates_with_files(now)
        store.least_age(now), store.held_posts()
        store.keep_first("a", "b"), store.is_importing(), store.count_posts(), store.adopted_ids(["a"])
        store.began("daily"), store.edition("daily", "2026-11-24"), store.unpublished_pages()
        store.skip("daily", "2026-11-24", now), store.slot_state("daily", "2026-11-24")
        store.retire_withdrawn(now), store.archives(), store.unarchived(5), store.archived(1), store.live_since()
        [store.newest(row.kind, row.name, 5) for row in store.feeds()], store.newest("tag", "x", 5)
        store.mark_clean(store.feeds()), store.set_look("x"), store.mark_archives([1], dirty=False)
        store.clock(now), store.has_mail(), store.counts(), store.paused_editions(), store.knows_somebody()
        store.open_alarms(), store.claim_alarms(now, now), store.volumes(now), store.looked_at("silence")
        store.is_ahead(now), store.recall("as of")
        store.ended(run, now, "{}")
        assert "sqlalchemy" not in sys.modules
        store.editions("daily")
        assert "sqlalchemy" in sys.modules
"""


def test_what_every_run_asks_needs_no_sqlalchemy(sqlite_url: str) -> None:
    """Loading it takes longer than such a run."""
    open_store(sqlite_url).close()
    done = subprocess.run([sys.executable, "-c", EVERYDAY, sqlite_url], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def everyday(sqlite_url: str) -> Everyday:
    """As ``open_store`` gives it where nothing has loaded the whole store."""
    whole = open_store(sqlite_url)
    return Everyday(whole._database, whole._lock)


def test_it_becomes_whole_when_more_is_asked(sqlite_url: str) -> None:
    """For several threads at once; what no store has is an error as ever."""
    with everyday(sqlite_url) as store:
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = store.no_such_thing
        assert not isinstance(store, SqlStore)
        ready = Barrier(4)

        def ask(_: int) -> object:
            ready.wait()
            return store.editions("daily")

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(ask, range(4))) == [[]] * 4
        assert isinstance(store, SqlStore)
        assert store.faults() == []


def test_a_transaction_as_text_is_undone_by_an_error(store: SqlStore) -> None:
    """And its connection is not used again; ours is not taken for the database's fault."""

    def half() -> None:
        with store._database.changing() as plain:
            plain.insert_many("meta", ("name", "value"), [("a", "b")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with pytest.raises(StoreError, match="no_such_table"), store._database.asking() as plain:
        plain.rows("SELECT 1 FROM no_such_table")
    assert store.recall("a") is None
    with store._database.asking() as plain:
        assert plain.value("SELECT value FROM meta WHERE name = ?", "a") is None
