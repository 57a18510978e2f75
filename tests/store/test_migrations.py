"""The schema's versions: what the migrations build is what the program expects."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from digest.errors import StoreError
from digest.store import open_store, versions
from digest.store.basics import HEAD, VERSION_TABLE
from digest.store.schema import metadata, statements


def test_migrations_and_tables_agree(bare_url: str) -> None:
    """Alembic finds no difference in tables, columns, types, keys and indexes."""
    with open_store(bare_url) as store, store._database.writing() as connection:
        rebuild(connection)
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        assert differences == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}


def test_a_new_store_is_what_all_migrations_come_to(bare_url: str) -> None:
    """Though it is made without them: down to partial indexes, keys that are never used again, and first rows."""
    with open_store(bare_url) as store, store._database.writing() as connection:
        made = shape(connection)
        rebuild(connection)
        assert shape(connection) == made


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_tables_are_kept_as_the_schema_has_them(kind: str) -> None:
    """``make docs`` renews them."""
    assert versions.kept(kind) == list(statements(kind))


def rebuild(connection: Connection) -> None:
    """All tables again, by the migrations."""
    metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
    versions.upgrade(connection, "store")


def shape(connection: Connection) -> dict[str, object]:
    """What there is of each table, and in it. The order of columns, which migrations leave as it grew, is none."""
    seen = inspect(connection)
    is_sqlite = connection.dialect.name == "sqlite"
    shapes: dict[str, object] = {}
    for table in seen.get_table_names():
        about: list[object] = [
            sorted(map(repr, seen.get_columns(table))),
            seen.get_pk_constraint(table),
            sorted(map(repr, seen.get_foreign_keys(table))),
            sorted(map(repr, seen.get_unique_constraints(table))),
            sorted(
                repr(
                    index
                    | {"dialect_options": {key: str(value) for key, value in index.get("dialect_options", {}).items()}}
                )
                for index in seen.get_indexes(table)
            ),
            sorted(
                repr(sorted(row.items(), key=str))
                for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"').mappings()
            ),
        ]
        if is_sqlite:
            (text,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).one()
            about += ["AUTOINCREMENT" in text, "WITHOUT ROWID" in text]
        shapes[table] = about
    return shapes


def test_the_program_knows_the_newest_migration() -> None:
    """Versions are four digits, so that a newer one is a greater one."""
    revisions = list(ScriptDirectory(str(versions.MIGRATIONS)).walk_revisions())
    assert revisions[0].revision == HEAD
    assert all(len(script.revision) == 4 and script.revision.isdigit() for script in revisions)
    names = [Path(script.path).name for script in revisions]
    assert names == sorted(names, reverse=True)


def test_tables_that_break_while_they_are_made_leave_nothing(bare_url: str, monkeypatch) -> None:
    """All of it is one transaction; the next try starts from the beginning."""
    create = versions.create

    def broken(plain) -> None:
        create(plain)
        raise ZeroDivisionError

    monkeypatch.setattr(versions, "create", broken)
    with pytest.raises(ZeroDivisionError):
        open_store(bare_url)
    monkeypatch.undo()
    with open_store(bare_url) as store:
        assert len(store.feeds()) == 1


def test_an_unknown_older_version_is_reported(bare_url: str) -> None:
    """A version that no migration starts from cannot be upgraded; the message is ours."""
    with open_store(bare_url) as store, store._database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0000'")
    with pytest.raises(StoreError, match=f"its schema cannot be upgraded to {HEAD}: .*'0000'; restore a backup"):
        open_store(bare_url)


@pytest.mark.postgres
def test_who_waits_for_another_migration_says_so(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two programs are started at the same time after an upgrade."""
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    opened = []
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1684629349, -1)"))
        thread = threading.Thread(target=lambda: opened.append(open_store(postgres_url)))
        thread.start()
        while "waiting for it" not in caplog.text:
            assert thread.is_alive()
            thread.join(0.05)
    engine.dispose()
    thread.join()
    opened[0].close()
