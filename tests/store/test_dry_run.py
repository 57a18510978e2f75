"""A dry run: everything works, and nothing of the original changes."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from digest.errors import StoreBusy
from digest.models import DeliveryState, Receipt, Reply
from digest.ports import CommitBatch
from digest.store import open_dry_run, open_store


def everything(store, make, name: str = "new") -> None:
    """A bit of each kind of work."""
    with store.exclusive("digest run"):
        run = store.started(make.now)
        make.add(store, make.arrival(name))
        store.set_look(name)
        store.retire_withdrawn(make.now)
        store.mark_clean(store.feeds())
        store.begin(name, make.now)
        saved = make.freeze(store, 2, digest=name)
        [row, _] = store.claim(make.now, 2, timedelta(minutes=2))
        assert store.turn(CommitBatch(now=make.now, begun=row, until=make.now)).leased
        assert store.sent(row, make.now, Receipt(code=250))
        assert store.counts(saved.key)[DeliveryState.SENT] == 1
        store.ended(run, make.now, "{}")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def test_the_original_is_as_it_was(store_url: str, make) -> None:
    """And the dry run starts from it."""
    with open_store(store_url) as store:
        make.add(store, make.arrival("old"))
        before = (store.feeds(), store.counts(), store.look())
    for _ in range(2):
        with open_dry_run(store_url) as rehearsed:
            assert rehearsed.count_posts() == 1
            everything(rehearsed, make)
            assert rehearsed.count_posts() == 2
    with open_store(store_url) as store:
        assert (store.feeds(), store.counts(), store.look()) == before
        assert store.count_posts() == 1
        assert store.edition("new", "2026-11-24") is None


def test_a_dry_run_before_the_first_run(bare_url: str, make, tmp_path: Path) -> None:
    """Nothing is created: no file, no folder, no table."""
    with open_dry_run(bare_url) as rehearsed:
        everything(rehearsed, make)
    assert list(tmp_path.iterdir()) == []
    if bare_url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(bare_url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_failed_dry_run_leaves_nothing_either(store_url: str, make) -> None:
    def fail() -> None:
        with open_dry_run(store_url) as rehearsed:
            make.add(rehearsed, make.arrival("new"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with open_store(store_url) as store:
        assert store.count_posts() == 0


def test_a_transaction_of_a_dry_run_is_undone_alone(store_url: str, make) -> None:
    """An error inside costs what it costs in earnest, not what came before."""
    from digest.errors import StoreError

    with open_dry_run(store_url) as rehearsed:
        make.add(rehearsed, make.arrival("a"))
        with pytest.raises(StoreError):
            make.add(rehearsed, make.arrival("b"), make.arrival("c", feed_id="https://example.org/a"))
        assert rehearsed.count_posts() == 1


def test_threads_may_rehearse(store_url: str, make) -> None:
    with open_dry_run(store_url) as rehearsed:
        make.freeze(rehearsed, 20)

        def work() -> None:
            while rows := rehearsed.claim(make.now, 1, timedelta(minutes=2)):
                assert rehearsed.failed(rows[0], make.now, Reply(code=550))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rehearsed.counts()[DeliveryState.FAILED] == 20


def test_no_byte_of_the_files_changes(sqlite_url: str, tmp_path: Path, make) -> None:
    """Closed and at rest: just the database file."""
    with open_store(sqlite_url) as store:
        make.add(store, make.arrival("old"))
    before = snapshot(tmp_path)
    with open_dry_run(sqlite_url) as rehearsed:
        everything(rehearsed, make)
    assert snapshot(tmp_path) == before
    assert set(before) == {".", "var", "var/digest.db"}


def test_no_byte_of_an_open_databases_files_changes(sqlite_url: str, tmp_path: Path, make) -> None:
    """Not of its log and shared memory, while another process has it open; what is only in the log is seen."""
    with open_store(sqlite_url) as store, store.exclusive("digest serve"):
        make.add(store, make.arrival("old"))
        before = snapshot(tmp_path)
        assert {"var/digest.db-wal", "var/digest.db-shm"} < set(before)
        with open_dry_run(sqlite_url) as rehearsed:
            assert rehearsed.count_posts() == 1
            everything(rehearsed, make)
        assert snapshot(tmp_path) == before


def test_a_log_left_by_a_crash_is_read_and_left(sqlite_url: str, tmp_path: Path, make) -> None:
    """The database of a killed process has a log but nobody who has it open."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with open_store(sqlite_url) as store:
        make.add(store, make.arrival("old"))
        for ending in ("", "-wal"):
            shutil.copy(tmp_path / "var" / f"digest.db{ending}", crashed)
    before = snapshot(crashed)
    with open_dry_run(f"sqlite:///{crashed}/digest.db") as rehearsed:
        assert rehearsed.count_posts() == 1
    assert snapshot(crashed) == before


def test_a_database_that_never_rests_is_reported(sqlite_url: str, tmp_path: Path, monkeypatch) -> None:
    """A copy of a file that changes meanwhile would be a broken one."""
    open_store(sqlite_url).close()
    path = tmp_path / "var" / "digest.db"
    copy = shutil.copyfile
    ticks = iter(range(1, 99))

    def meddling(source, target):
        os.utime(path, (1, next(ticks)))
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", meddling)
    with pytest.raises(StoreBusy, match="it is being written all the time"):
        open_dry_run(sqlite_url).__enter__()


def test_the_copy_is_removed(sqlite_url: str, tmp_path: Path, make, monkeypatch) -> None:
    """It holds addresses."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with open_dry_run(sqlite_url) as rehearsed:
        everything(rehearsed, make)
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []
