"""Connections: statements as one or not at all, never on a connection that is dead, and only so many."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from digest.errors import StoreCrossed, StoreError
from digest.store import open_store
from digest.store.database import connect
from digest.store.database.connect import Database

KEEP = "INSERT INTO meta (name, value) VALUES (:its_name, 'kept')"
LOOK = "SELECT name, value FROM meta WHERE name = :its_name"


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    with open_store(store_url) as store:
        yield store._database


def kept(database: Database, name: str) -> bool:
    with database.asking() as connection:
        return connection.rows(LOOK, its_name=name) == [(name, "kept")]


def test_all_statements_of_a_change_are_kept_and_answered(database: Database) -> None:
    first, second, look = database.change(
        [(KEEP, {"its_name": "a"}), (KEEP, {"its_name": "b"}), (LOOK, {"its_name": "a"})]
    )
    assert (first.count, second.count, list(first.rows)) == (1, 1, [])
    assert list(look.rows) == [("a", "kept")]
    assert kept(database, "a")
    assert kept(database, "b")
    assert not kept(database, "c")


def test_a_change_that_fails_is_undone_and_told_without_what_it_held(database: Database) -> None:
    """And the next one goes on."""
    with pytest.raises(StoreError) as caught:
        database.change([(KEEP, {"its_name": "secret"}), (KEEP, {"its_name": "secret"})])
    assert caught.value.subject == database.subject
    assert "secret" not in str(caught.value)
    assert not kept(database, "secret")
    database.change([(KEEP, {"its_name": "a"})])
    assert kept(database, "a")


def test_one_connection_serves_one_after_the_other(database: Database) -> None:
    """And each thread has one of its own while it needs it."""
    for number in range(5):
        database.change([(KEEP, {"its_name": f"{number}"})])
        assert kept(database, f"{number}")
    assert len(database._idle) == 1
    threads = [threading.Thread(target=kept, args=[database, "0"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(database._idle) <= 8
    database.close()
    assert database._idle == []


@pytest.mark.postgres
def test_a_connection_that_was_cut_while_nobody_used_it_is_not_used(postgres_url: str) -> None:
    import psycopg

    with open_store(postgres_url) as store, psycopg.connect(postgres_url, autocommit=True) as other:
        database = store._database
        database.change([(KEEP, {"its_name": "a"})])
        [before] = database._idle
        assert other.execute("SELECT pg_terminate_backend(%s, 10000)", [before.info.backend_pid]).fetchone() == (True,)
        assert kept(database, "a")
        [after] = database._idle
        assert after is not before
        assert before.closed


@pytest.mark.postgres
def test_a_connection_that_is_cut_in_between_is_told(postgres_url: str) -> None:
    """Nobody can know what was kept, so nothing is done twice by itself."""
    end = "SELECT pg_terminate_backend(pg_backend_pid())"
    with open_store(postgres_url) as store:
        database = store._database
        with pytest.raises(StoreError):
            database.change([(KEEP, {"its_name": "a"}), (end, {})])
        assert not kept(database, "a")


@pytest.mark.postgres
def test_an_old_libpq_needs_more_packets(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is all."""
    import psycopg

    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    with open_store(postgres_url) as store:
        store._database.change([(KEEP, {"its_name": "a"}), (KEEP, {"its_name": "b"})])
        with pytest.raises(StoreError):
            store._database.change([(KEEP, {"its_name": "c"}), (KEEP, {"its_name": "c"})])
        assert [kept(store._database, name) for name in "abc"] == [True, True, False]


@pytest.mark.postgres
def test_there_are_only_so_many_connections(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for one is told; one that is given back is used again."""
    monkeypatch.setattr(connect, "_MOST", 2)
    monkeypatch.setattr(connect, "_PATIENCE", 0.05)
    with open_store(postgres_url) as store:
        database = store._database
        with database.asking(), database.asking(), pytest.raises(StoreError, match="all 2 connections are in use"):
            kept(database, "a")
        assert not kept(database, "a")


def test_two_who_wait_for_each_other_are_told_apart_from_a_database_that_is_held(postgres_url: str) -> None:
    """PostgreSQL undoes one of them, which may do all of it again."""
    change = "UPDATE meta SET value = 'mine' WHERE name = :its_name"
    met, crossed = threading.Barrier(2), list[StoreError]()
    with open_store(postgres_url) as store:
        database = store._database
        database.change([(KEEP, {"its_name": name}) for name in "ab"])

        def cross(one: str, other: str) -> None:
            try:
                with database.changing() as connection:
                    connection.run(change, its_name=one)
                    met.wait(60)
                    connection.run(change, its_name=other)
            except StoreError as error:
                crossed.append(error)

        threads = [threading.Thread(target=cross, args=names) for names in ("ab", "ba")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [type(error) for error in crossed] == [StoreCrossed]
