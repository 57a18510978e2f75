"""Opening a store, and what is said when it cannot be used."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from digest.errors import Refused, StoreBusy, StoreError, StoreTooNew
from digest.models import Changes
from digest.store import SqlStore, open_dry_run, open_store
from digest.store.database import connect
from digest.store.database.connect import Database, SqliteDatabase, open_postgres, open_sqlite, parse_url
from digest.store.database.faults import wrap_db_errors


def test_a_store_is_kept(bare_url: str, make) -> None:
    """What one process writes the next one reads; opening again changes nothing."""
    with open_store(bare_url) as store:
        make.add(store, make.arrival("a"))
    with open_store(bare_url) as store:
        assert store.count_posts() == 1
        assert len(store.feeds()) == 2


def test_the_folder_of_a_database_file_is_made(sqlite_url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url):
        assert (tmp_path / "var" / "digest.db").is_file()


def test_a_new_database_is_for_its_owner_only(sqlite_url: str, tmp_path: Path, make) -> None:
    """It holds addresses; so do the files that SQLite keeps beside it. One that was there keeps its permissions."""
    with open_store(sqlite_url) as store:
        make.add(store, make.arrival("a"))
        beside = list((tmp_path / "var").glob("digest.db*"))
        assert {file.stat().st_mode & 0o777 for file in beside if file.suffix in (".db", ".db-wal", ".db-shm")} == {
            0o600
        }
    (tmp_path / "var" / "digest.db").chmod(0o640)
    with open_store(sqlite_url):
        assert (tmp_path / "var" / "digest.db").stat().st_mode & 0o777 == 0o640


def test_who_is_refused_leaves_no_table(bare_url: str, tmp_path: Path) -> None:
    """What admits is asked before anything is made, and again each time; no file, no folder, no table."""
    asked = []

    def refuse(store: object) -> None:
        asked.append(store)
        raise Refused("store", "it is another's")

    for opening in (open_store, open_dry_run):
        with pytest.raises(Refused), opening(bare_url, admit=refuse):
            raise AssertionError("it was opened")
    assert asked == [None, None]
    assert not (tmp_path / "var").exists()
    with open_store(bare_url) as store:
        assert store.schema_found is None
    for opening in (open_store, open_dry_run):
        with pytest.raises(Refused), opening(bare_url, admit=refuse):
            raise AssertionError("it was opened")
    assert None not in asked[2:]


def test_an_old_store_is_asked_before_it_is_changed(bare_url: str) -> None:
    """It may be another's: its tables stay as they are. What an admission asks was always there."""
    with open_store(bare_url) as store, store._database.changing() as connection:
        connection.run("UPDATE digest_schema SET version_num = '0001'")

    def refuse(store: SqlStore | None) -> None:
        assert store is not None
        assert (store.recall("site"), store.knows_posts(), store.posts_at(["a"])) == (None, False, {})
        raise Refused("store", "it is another's")

    with pytest.raises(Refused):
        open_store(bare_url, admit=refuse)
    with closing(database_at(bare_url)) as database, database.asking() as connection:
        assert connection.value("SELECT version_num FROM digest_schema") == "0001"


def database_at(url: str) -> Database:
    """Without looking at its tables."""
    address = parse_url(url)
    return open_postgres(address) if address.path is None else open_sqlite(address.path, busy_timeout=60)


def test_a_database_that_was_deleted_is_missed(sqlite_url: str, tmp_path: Path, make) -> None:
    """No connection makes an empty one in its place, which nobody would tell from a new one."""
    file = tmp_path / "var" / "digest.db"
    with open_store(sqlite_url) as store:
        assert store.is_in_place()
        file.unlink()
        assert not store.is_in_place()
        store._database._idle.clear()
        told = pytest.raises(StoreError, match="the database cannot be opened")
        with told:
            store.count_posts()
    assert not file.exists()
    with pytest.raises(StoreError, match="is not there any more"):
        open_store(sqlite_url, must_exist=True)
    assert not file.exists()


def test_sqlite_is_safe_against_power_cuts(sqlite_url: str) -> None:
    """WAL, flushed at every commit, foreign keys on (delivery.md)."""
    with open_store(sqlite_url) as store, store._database.asking() as connection:
        found = [
            connection.value(f"PRAGMA {name}")
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 30_000]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "store: not a database address"),
        ("var/digest.db", "store: not a database address"),
        ("postgresql://u:s3cret@host:port/db", "store: not a database address"),
        ("postgresql://u:pa@s3cret@host/db", "store: there is an @ within its user or password; write it as %40"),
        ("mysql://u:s3cret@host/db", "store: unknown kind of database 'mysql'"),
        ("sqlite://", "store: a database in memory forgets everything"),
        ("sqlite:///:memory:", "store: a database in memory forgets everything"),
    ],
)
@pytest.mark.parametrize("opening", [open_store, lambda url: open_dry_run(url).__enter__()])
def test_addresses_that_are_none(opening, url: str, message: str) -> None:
    """Each has one message; a password is never repeated."""
    with pytest.raises(StoreError) as caught:
        opening(url)
    assert str(caught.value).startswith(message)
    assert "s3cret" not in str(caught.value)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def test_a_file_that_is_no_database_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "var" / "digest.db"
    data = b"title: a config, not a database\n" * 99
    write(path, data)
    for opening in (open_store, lambda url: open_dry_run(url).__enter__()):
        with pytest.raises(StoreError, match=r"digest\.db: the file is damaged or no SQLite database; restore it"):
            opening(sqlite_url)
    assert path.read_bytes() == data


def test_a_damaged_database_is_said_to_be_one(sqlite_url: str, tmp_path: Path, make) -> None:
    path = tmp_path / "var" / "digest.db"
    with open_store(sqlite_url) as store:
        make.add(store, *(make.arrival(str(n), summary="x" * 500) for n in range(50)))
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"), open_store(sqlite_url) as store:
        store.newest("all", "", 99)


def test_a_folder_in_the_databases_place(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "var" / "digest.db").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"digest\.db: the database cannot be opened; check"):
        open_store(sqlite_url)
    with pytest.raises(StoreError, match=r"digest\.db: it cannot be copied"):
        open_dry_run(sqlite_url).__enter__()


def test_a_file_in_the_folders_place(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(StoreError, match="var: the folder cannot be made: File exists"):
        open_store(sqlite_url)


def test_a_database_that_may_only_be_read(sqlite_url: str, tmp_path: Path) -> None:
    """Said by SQLite itself: root may write everything, so the test opens it that way."""
    open_store(sqlite_url).close()
    raw = sqlite3.connect(f"file:{tmp_path}/var/digest.db?mode=ro", uri=True)
    with (
        pytest.raises(StoreError, match="x: the database cannot be written; give this user the right"),
        wrap_db_errors("x"),
    ):
        raw.execute("DELETE FROM meta")
    raw.close()


def test_a_newer_store_is_refused(bare_url: str) -> None:
    """Untouched, with a word about what to do; a dry run refuses it too."""
    with open_store(bare_url) as store, store._database.changing() as connection:
        connection.run("UPDATE digest_schema SET version_num = '0999'")
    for opening in (open_store, lambda url: open_dry_run(url).__enter__()):
        with pytest.raises(StoreTooNew, match=r"its schema is 0999, this program knows \d{4}.*; upgrade digest"):
            opening(bare_url)


def test_anothers_tables_are_left_alone(bare_url: str) -> None:
    database = database_at(bare_url)
    with database.changing() as connection:
        connection.run("CREATE TABLE post (body TEXT)")
    with pytest.raises(StoreError, match="another program has a table 'post' there; name another store"):
        open_store(bare_url)
    with database.changing() as connection:
        connection.run("DROP TABLE post")
        connection.run("CREATE TABLE theirs (body TEXT)")
    database.close()
    open_store(bare_url).close()


def test_two_processes_may_create_one_store(bare_url: str) -> None:
    """One makes the tables, the others find them."""
    errors = []
    gate = threading.Barrier(4)

    def create() -> None:
        gate.wait()
        try:
            open_store(bare_url).close()
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_another_writer_is_waited_for_and_then_reported(sqlite_url: str, tmp_path: Path, make) -> None:
    """Nothing is lost: the same works when it has ended."""
    with open_store(sqlite_url, busy_timeout=0.2) as store:
        other = sqlite3.connect(tmp_path / "var" / "digest.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        batch = Changes(arrivals=(make.arrival("a"),))
        with pytest.raises(StoreBusy, match=r"digest\.db: another program holds the database; wait"):
            store.record(batch, make.now)
        assert store.count_posts() == 0
        other.execute("ROLLBACK")
        other.close()
        store.record(batch, make.now)
        assert store.count_posts() == 1


def test_waiting_for_another_program_is_not_silent(
    sqlite_url: str, make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After three seconds it says what it waits for, and waits on."""
    monkeypatch.setattr(connect, "_SILENT", 0)
    with open_store(sqlite_url) as store, closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        waiter = threading.Thread(target=store.adopt_ids, args=({"u": "i"},))
        waiter.start()
        while not caplog.messages:
            assert waiter.is_alive()
            time.sleep(0.01)
        other.execute("ROLLBACK")
        waiter.join(60)
        assert store.adopted_ids(["u"]) == {"u": "i"}
    assert caplog.messages == ["the database is in use by another program; waiting up to 30 s for it"]


def test_a_full_disk_undoes_the_transaction(sqlite_url: str, make) -> None:
    """At freezing neither edition nor deliveries are there; with room the same works."""
    with open_store(sqlite_url) as store:
        make.add(store, make.arrival("a"))
    with open_store(sqlite_url) as store:
        database = store._database
        assert isinstance(database, SqliteDatabase)
        made = database._open

        def without_room() -> sqlite3.Connection:
            raw = made()
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count = {pages + 3}")
            return raw

        database.close()
        database._open = without_room
        with pytest.raises(StoreError, match=r"digest\.db: the disk is full; make room"):
            store.freeze(make.edition(html="x" * 100_000), make.recipients(5))
        with pytest.raises(StoreError, match="the disk is full"):
            store.record(Changes(arrivals=tuple(make.arrival(f"b{n}", summary="x" * 999) for n in range(99))), make.now)
        assert store.edition("daily", "2026-11-24") is None
        assert (store.counts().total, store.count_posts()) == (0, 1)
        database.close()
        database._open = made
        assert store.freeze(make.edition(html="x" * 100_000), make.recipients(5)) is not None


# -------------------------------------------------------------- PostgreSQL


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("u:s3c%zzret", "u", "s3c%zzret"),
        ("u:s3%40c:ret", "u", "s3@c:ret"),
        ("u:s3 cret", "u", "s3 cret"),
        ("%75:100%", "u", "100%"),
        ("u", "u", None),
    ],
)
def test_logins_are_what_they_say(login: str, user: str, password: str | None) -> None:
    """A percent sign that begins no code stands for itself; no message repeats the password."""
    from psycopg.conninfo import conninfo_to_dict

    address = parse_url(f"postgresql://{login}@host/news?options=-csearch_path%3Da%20b")
    found = conninfo_to_dict(address.conninfo)
    assert (found["user"], found.get("password"), found["dbname"]) == (user, password, "news")
    assert found["options"] == "-csearch_path=a b"
    assert password is None or password not in address.name


def test_an_option_that_there_is_not_is_told_without_the_address() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://me:s3cret@host/news?nonsense=s3cret")
    assert str(caught.value).startswith("postgresql://me:***@host/news: the address cannot be used; look at its host")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(StoreError, match="no connection to the server") as caught:
            open_store(f"postgresql://me:s3cret@127.0.0.1:{port}/news")
    assert str(caught.value).startswith(f"postgresql://me:***@127.0.0.1:{port}/news: ")
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("user", "name", "message"),
    [
        ("nobody:s3cret", "postgres", 'the server refuses: role "nobody" does not exist; check user, password'),
        (
            "digest:s3cret",
            "nothing",
            'the server refuses: database "nothing" does not exist; check user, password, database',
        ),
    ],
)
def test_a_server_that_refuses(postgres_server: str, user: str, name: str, message: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(f"postgresql://{user}@/{name}?host={postgres_server}")
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.postgres
def test_a_user_who_may_not_write(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("DROP ROLE IF EXISTS reader")
        raw.execute("CREATE ROLE reader LOGIN")
    with pytest.raises(StoreError, match="this user may not do that there"):
        open_store(postgres_url.replace("digest@", "reader@"))


@pytest.mark.postgres
def test_a_connection_that_the_server_ends_costs_one_transaction(postgres_url: str, make) -> None:
    """One clear error, nothing half-done, and the next call works again."""

    def broken_off(store) -> None:
        with store._database.changing() as connection:
            connection.run("UPDATE feed SET posts = 5")
            pid = connection.value("SELECT pg_backend_pid()")
            with store._database.asking() as other:
                other.run("SELECT pg_terminate_backend(?, 5000)", pid)
            connection.run("UPDATE feed SET posts = 6")

    with open_store(postgres_url) as store:
        with pytest.raises(StoreError, match="the server ended the connection"):
            broken_off(store)
        assert [row.posts for row in store.feeds()] == [0]
        make.add(store, make.arrival("a"))
        assert store.count_posts() == 1


@pytest.mark.postgres
def test_the_address_may_name_the_driver_and_its_options(postgres_url: str) -> None:
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://") + "&application_name=morning"
    with open_store(url) as store, store._database.asking() as connection:
        assert connection.value("SHOW application_name") == "morning"


@pytest.mark.postgres
def test_the_database_sorts_by_code_points_in_any_locale(postgres_url: str, make) -> None:
    """Names and paths compare the same way in every database."""
    with open_store(postgres_url) as store, store._database.asking() as connection:
        question = """SELECT count(*) FROM information_schema.columns
            WHERE table_name = 'feed' AND column_name = 'name' AND collation_name = 'C'"""
        assert connection.value(question) == 1


def test_a_disk_that_fails_is_told_with_a_remedy() -> None:
    """SQLite says so too when its shared memory finds no room."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    with (
        pytest.raises(StoreError, match=r"digest\.db: the disk refuses to read or write it; make room"),
        wrap_db_errors("digest.db"),
    ):
        raise error
