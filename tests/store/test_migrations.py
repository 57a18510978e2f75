"""The schema's versions: what a new store has, and what an older one becomes."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from digest.edition.selection import Selection, read_selection
from digest.errors import StoreError
from digest.models import EditionKind, EditionState
from digest.store import SqlStore, open_store, versions
from digest.store.database.basics import HEAD, OLDEST, VERSION_TABLE
from digest.store.database.connection import Connection


def version_of(connection: Connection) -> str:
    return str(connection.value(f"SELECT version_num FROM {VERSION_TABLE}"))


def test_both_kinds_have_the_same_tables_and_columns() -> None:
    """In the same order, with the same names of indexes."""
    kinds = {}
    for kind in ("sqlite", "postgresql"):
        made = versions.statements(Path(versions.__file__).parent / f"{kind}.sql")
        kinds[kind] = [
            (
                re.findall(r"CREATE (?:UNIQUE )?(?:TABLE|INDEX) (\w+)", statement),
                re.findall(r'^    "?([a-z_]+)"? [A-Z]', statement, re.MULTILINE),
            )
            for statement in made
        ]
    assert kinds["sqlite"] == kinds["postgresql"]
    assert versions.tables("sqlite") == versions.tables("postgresql")
    assert len(versions.tables("sqlite")) > 20


def test_a_new_store_is_of_the_newest_version(bare_url: str) -> None:
    """Versions are four digits, so that a newer one is a greater one."""
    with open_store(bare_url) as store, store._database.asking() as connection:
        assert version_of(connection) == HEAD
        assert [row.kind for row in store.feeds()] == ["all"]
    assert re.fullmatch(r"\d{4}", HEAD)
    assert OLDEST <= HEAD
    newest = max((path.name[:4] for path in versions.MIGRATIONS.glob("*.sql")), default=OLDEST)
    assert newest <= HEAD


def test_a_store_of_the_oldest_version_is_brought_up_to_date(bare_url: str, make) -> None:
    """With what is in it."""
    with open_store(bare_url) as store:
        make.freeze(store, 1)
        made = _shape(store)
        with store._database.changing() as connection:
            for statement in _BACK_TO_OLDEST:
                connection.run(statement)
            connection.run(f"UPDATE {VERSION_TABLE} SET version_num = '{OLDEST}'")
    with open_store(bare_url) as store:
        assert store.schema_found == OLDEST
        assert _shape(store) == made, "as a new one"
        [row] = store.edition_rows("daily")
        assert store.pause_edition(row.key, "refused", make.now)
        assert store.resume_edition(row.key, make.now) == 1
        with store._database.asking() as connection:
            assert version_of(connection) == HEAD
            assert connection.rows("SELECT channel, domain FROM delivery") == [("mail", "example.org")]


_BACK_TO_OLDEST = (
    "DROP TABLE delivery_count",
    "DROP TABLE delivery_total",
    "ALTER TABLE post DROP COLUMN hand",
    "ALTER TABLE edition DROP COLUMN lead",
    "DROP TABLE edition_stop",
    "DROP TABLE receiver",
    "DROP INDEX delivery_receiver",
    "ALTER TABLE delivery DROP COLUMN receiver",
    "DROP TABLE finding",
    "DROP TABLE batch",
    "ALTER TABLE delivery DROP COLUMN reply_verdict",
    "ALTER TABLE delivery DROP COLUMN reply_step",
    "DROP INDEX post_language",
    "DROP INDEX post_link",
    "DROP TABLE body",
    "DROP TABLE reread",
    "DROP TABLE mail",
    "DROP TABLE look",
    "ALTER TABLE edition DROP COLUMN look",
    "ALTER TABLE post DROP COLUMN source",
    "ALTER TABLE delivery DROP COLUMN selection",
    "ALTER TABLE edition DROP COLUMN sums_up",
    "ALTER TABLE edition RENAME COLUMN kind TO category",
    "UPDATE edition SET category = ''",
    "ALTER TABLE subscription RENAME COLUMN selection TO label",
    *(f"DROP INDEX {name}" for name in ("delivery_doubt", "delivery_due", "delivery_leased", "delivery_transmitting")),
    "CREATE INDEX delivery_due ON delivery (state, not_before, key)",
    "DROP INDEX delivery_elsewhere",
    "ALTER TABLE delivery DROP COLUMN channel",
    "ALTER TABLE delivery DROP COLUMN domain",
    "DROP INDEX edition_page",
    "CREATE INDEX edition_page ON edition (page_published)",
    "ALTER TABLE edition DROP COLUMN paused_at",
    "ALTER TABLE edition DROP COLUMN resumed_at",
)


def test_editions_for_some_categories_are_taken_along(bare_url: str, make) -> None:
    """They were frozen beside the one of everything: what waits of them is sent as it was, and is that edition's."""
    strange = 'a, "b\\'
    with open_store(bare_url) as store:
        posts = make.add(store, make.arrival("a"))
        member = (make.member(posts[0]),)
        main = make.freeze(store, 1, members=member)
        for number, period in enumerate(("macro", "strange", "over"), start=1):
            theirs = make.edition(period, members=member, html=f"<p>{period}</p>", text=period, subject=period)
            assert store.freeze(theirs, make.recipients(1, start=number)) is not None
        make.freeze(store, 1, "2026-W48", digest="daily--weekly")
        make.freeze(store, 1, "abc", digest="@notice")
        with store._database.changing() as connection:
            for statement in _BACK_TO_OLDEST:
                connection.run(statement)
            for period, label in (("macro", "macro"), ("strange", 'a\\, "b\\\\, macro'), ("over", "x")):
                connection.run(
                    "UPDATE edition SET category = ?, period = '2026-11-24', page_published = true WHERE period = ?",
                    *(label, period),
                )
            connection.run("UPDATE edition SET state = 'finished' WHERE category IN ('', 'x') AND digest = 'daily'")
            ended = "UPDATE delivery SET state = 'sent', ended_at = 1 WHERE edition_key IN ({})"
            connection.run(ended.format("SELECT key FROM edition WHERE state = 'finished'"))
            connection.run("INSERT INTO reader_list (digest) VALUES ('daily')")
            connection.run(
                "INSERT INTO subscriber (address, canonical, hash, created_at, frequency, zone) "
                "VALUES ('a', 'a', 'a', 1, 'daily', '')"
            )
            connection.run(
                "INSERT INTO subscription (subscriber_key, list_key, state, categories, label, since) "
                "VALUES (1, 1, 'active', '[]', 'macro', 1)"
            )
            connection.run(f"UPDATE {VERSION_TABLE} SET version_num = '{OLDEST}'")
    with open_store(bare_url) as store:
        rows = [row for row in store.claim(make.now, 9, timedelta(minutes=2)) if row.edition_key == main.key]
        chosen = {row.address: read_selection(row.selection) for row in rows}
        assert chosen == {"r1@example.org": Selection.of(["macro"]), "r2@example.org": Selection.of([strange, "macro"])}
        mails = [store.mail(main.key, row.selection) for row in rows]
        assert [mail.html if mail else None for mail in mails] == ["<p>macro</p>", "<p>strange</p>"]
        assert store.edition("daily", "2026-11-24") == store.edition_by_key(main.key)
        assert store.edition_by_key(main.key).state is EditionState.SENDING
        assert [row.posts for row in store.edition_rows("daily")] == [1]
        weekly = store.edition("daily--weekly", "2026-W48")
        assert weekly is not None
        assert (weekly.kind, weekly.sums_up) == (EditionKind.WEEKLY, "daily")
        notice = store.edition("@notice", "abc")
        assert notice is not None
        assert notice.kind is EditionKind.NOTICE
        with store._database.asking() as connection:
            assert connection.column("SELECT selection FROM subscription") == [str(Selection.of(["macro"]))]
            assert connection.column("SELECT selection FROM delivery WHERE address = 'r3@example.org'") == [
                str(Selection.of("x"))
            ]


def _shape(store: SqlStore) -> set[tuple[object, ...]]:
    """Columns, and the text of indexes."""
    postgres = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    sqlite = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    with store._database.asking() as connection:
        if connection.is_postgres:
            return {*connection.rows(postgres), *connection.rows(indexes)}
        found = connection.rows("SELECT name, replace(sql, '\"', '') FROM sqlite_master WHERE type = 'index'")
        return {*connection.rows(sqlite), *found}


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two that are still to come."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for kind in ("sqlite", "postgresql"):
        (folder / f"9001.{kind}.sql").write_text("-- one more; and a remark\nCREATE TABLE extra (a TEXT);\n")
        (folder / f"9002.{kind}.sql").write_text(
            "ALTER TABLE extra ADD COLUMN b TEXT;\nINSERT INTO extra VALUES (1, 2);"
        )
    monkeypatch.setattr(versions, "MIGRATIONS", folder)
    return folder


def test_an_older_store_gets_each_migration_once(bare_url: str, migrations: Path, monkeypatch) -> None:
    """In their order, with a record."""
    open_store(bare_url).close()
    for head in ("9001", "9002", "9002"):
        monkeypatch.setattr(versions, "HEAD", head)
        with open_store(bare_url) as store, store._database.asking() as connection:
            assert version_of(connection) == head
    with open_store(bare_url) as store, store._database.asking() as connection:
        assert connection.rows("SELECT a, b FROM extra") == [("1", "2")]


def test_a_migration_that_breaks_leaves_nothing(bare_url: str, migrations: Path, monkeypatch) -> None:
    """All of them are one transaction; the next try starts from the beginning."""
    open_store(bare_url).close()
    monkeypatch.setattr(versions, "HEAD", "9002")
    for path in migrations.glob("9002.*"):
        path.write_text("INSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError):
        open_store(bare_url)
    monkeypatch.setattr(versions, "HEAD", HEAD)
    with open_store(bare_url) as store, store._database.changing() as connection:
        assert version_of(connection) == HEAD
        connection.run("CREATE TABLE extra (a TEXT)")


def test_tables_that_break_while_they_are_made_leave_nothing(bare_url: str, monkeypatch) -> None:
    """All of it is one transaction; the next try starts from the beginning."""
    create = versions.create

    def broken(connection) -> None:
        create(connection)
        raise ZeroDivisionError

    monkeypatch.setattr(versions, "create", broken)
    with pytest.raises(ZeroDivisionError):
        open_store(bare_url)
    monkeypatch.undo()
    with open_store(bare_url) as store:
        assert len(store.feeds()) == 1


def test_a_store_that_is_too_old_says_who_can_help(bare_url: str) -> None:
    with open_store(bare_url) as store, store._database.changing() as connection:
        connection.run(f"UPDATE {VERSION_TABLE} SET version_num = '0007'")
    told = (
        f"its schema is 0007, and this program takes {OLDEST} and later; run digest status once with the program as of"
    )
    with pytest.raises(StoreError, match=f"{told} commit [0-9a-f]{{12}}, then"):
        open_store(bare_url)


@pytest.mark.postgres
def test_who_waits_for_another_migration_says_so(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two programs are started at the same time after an upgrade."""
    import psycopg

    opened = []
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1684629349, -1)")
        thread = threading.Thread(target=lambda: opened.append(open_store(postgres_url)))
        thread.start()
        while "waiting for it" not in caplog.text:
            assert thread.is_alive()
            thread.join(0.05)
    thread.join()
    opened[0].close()
