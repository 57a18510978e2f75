"""The right to run: one process at a time, and at once again when that one is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from digest.errors import AlreadyRunning, StoreError
from digest.store import open_store

HOLDER = """
import os, sys, time
from digest.store import open_store
with open_store(sys.argv[1]) as store, store.exclusive("digest run"):
    if len(sys.argv) > 2:
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, b"x")
            time.sleep(600)
        os.read(reading, 1)  # the child is under way
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(url: str, *more: str) -> subprocess.Popen[bytes]:
    """A process that has the right to run."""
    command = [sys.executable, "-c", HOLDER, url, *more]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def take(url: str) -> None:
    """Take the right to run and give it back. A server needs a moment to see that a process died."""
    with open_store(url) as store:
        for _ in range(600):
            try:
                with store.exclusive("digest run"):
                    return
            except AlreadyRunning:
                if url.startswith("sqlite"):
                    raise
                time.sleep(0.1)
    raise AssertionError("the lock is not let go of")


def test_one_process_at_a_time(store_url: str) -> None:
    """The other one is told who is at work, at once; when that has ended it may run."""
    process = hold(store_url)
    with open_store(store_url) as store:
        said = r"another process is at work on it \(digest run, .*; nothing was done"
        with pytest.raises(AlreadyRunning, match=said), store.exclusive("digest run"):
            pass
        assert store.count_posts() == 0, "reading is free"
    process.communicate(b"")
    assert process.returncode == 0
    take(store_url)


def test_a_killed_process_lets_go(store_url: str) -> None:
    process = hold(store_url)
    process.kill()
    process.communicate()
    take(store_url)


def test_an_orphan_does_not_keep_the_lock(sqlite_url: str) -> None:
    """A child that was forked to parse files may outlive the process that was killed."""
    process = hold(sqlite_url, "fork")
    process.kill()
    process.wait()
    take(sqlite_url)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()


def test_one_thread_at_a_time(store_url: str) -> None:
    """The same store and another one in the same process are told alike; an error gives the right back."""
    with open_store(store_url) as first, open_store(store_url) as second:
        with first.exclusive("one"):
            for store in (first, second):
                with pytest.raises(AlreadyRunning, match="one"), store.exclusive("two"):
                    pass
        with pytest.raises(ZeroDivisionError), first.exclusive("one"):
            raise ZeroDivisionError
        with second.exclusive("two"):
            pass


def test_the_lock_file_lies_beside_the_database(sqlite_url: str, tmp_path: Path) -> None:
    """It says who holds it, and nothing afterwards: nobody is taken for the one before."""
    lock = tmp_path / "var" / "digest.db.lock"
    with open_store(sqlite_url) as store, store.exclusive("digest run"):
        assert lock.read_text() == f"digest run, process {os.getpid()}\n"
    assert lock.read_text() == ""


def test_who_is_at_work_says_since_when(store_url: str, make) -> None:
    """So that whoever is refused can judge; also in another process, where the error may have to go."""
    since = make.now + timedelta(seconds=7)
    with open_store(store_url) as first, open_store(store_url) as second, first.exclusive("digest run", since):
        with pytest.raises(AlreadyRunning) as refused, second.exclusive("digest run", make.now):
            pass
        error = pickle.loads(pickle.dumps(refused.value))
        assert error.since == since
        assert error.holder.startswith("digest run since 2026-11-24 08:00:07 UTC, ")
        assert error.holder in str(error)


def test_who_does_not_say_since_when_is_asked_in_vain(store_url: str) -> None:
    """An older version, say."""
    with open_store(store_url) as store, store.exclusive("digest run"):
        with pytest.raises(AlreadyRunning) as refused, store.exclusive("digest run"):
            pass
        assert refused.value.since is None
        assert refused.value.holder


def test_running_and_sending_are_two_rights(store_url: str) -> None:
    """Whoever sends keeps nobody from running; and one sends at a time."""
    with open_store(store_url) as first, open_store(store_url) as second, first.sending("digest run"):
        with second.exclusive("digest run"):
            pass
        with pytest.raises(AlreadyRunning, match="digest run"), second.sending("digest run"):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_that_cannot_lock_is_no_other_run(sqlite_url: str, monkeypatch, number: int) -> None:
    """Some network drives."""

    def flock(descriptor: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    said = rf"digest\.db\.lock: the file cannot be locked: {os.strerror(number)}; put the store on a disk that can"
    with open_store(sqlite_url) as store:
        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(StoreError, match=said) as refused, store.exclusive("digest run"):
            pass
        assert not isinstance(refused.value, AlreadyRunning)


def test_a_lock_file_that_cannot_be_opened(sqlite_url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url) as store:
        (tmp_path / "var" / "digest.db.lock").mkdir()
        with pytest.raises(StoreError, match=r"digest\.db\.lock: the lock file cannot be opened"), store.exclusive("x"):
            pass


@pytest.mark.postgres
def test_stores_in_two_schemas_do_not_disturb_each_other(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("CREATE SCHEMA other")
    other = f"{postgres_url}&options=-csearch_path%3Dother"
    with open_store(postgres_url) as first, open_store(other) as second, first.exclusive("a"), second.exclusive("b"):
        assert (len(first.feeds()), len(second.feeds())) == (1, 1)


def test_runs_are_logged(store, make) -> None:
    """Each with a number of its own; its report comes at the end."""
    first, second = store.started(make.now), store.started(make.now)
    assert first != second
    store.ended(first, make.now, '{"ok": true}')
    with store._database.asking() as connection:
        rows = connection.rows("SELECT report, ended_at IS NULL FROM run ORDER BY key")
    assert rows == [('{"ok": true}', False), ("", True)]
