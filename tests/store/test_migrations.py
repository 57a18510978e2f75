"""The schema's versions: what the migrations build is what the program expects."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from digest.errors import StoreError
from digest.store import open_store, versions
from digest.store.basics import HEAD, VERSION_TABLE
from digest.store.schema import metadata


def test_migrations_and_tables_agree(bare_url: str) -> None:
    """Alembic finds no difference in tables, columns, types, keys and indexes."""
    with open_store(bare_url) as store, store._database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        assert differences == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}


def test_the_program_knows_the_newest_migration() -> None:
    """Versions are four digits, so that a newer one is a greater one."""
    revisions = list(ScriptDirectory(str(versions.MIGRATIONS)).walk_revisions())
    assert revisions[0].revision == HEAD
    assert all(len(script.revision) == 4 and script.revision.isdigit() for script in revisions)
    names = [Path(script.path).name for script in revisions]
    assert names == sorted(names, reverse=True)


def test_a_migration_that_breaks_leaves_nothing(bare_url: str, monkeypatch) -> None:
    """All of it is one transaction, tables too; the next try starts from the beginning."""
    upgrade = versions.upgrade

    def broken(connection, subject) -> None:
        upgrade(connection, subject)
        raise ZeroDivisionError

    monkeypatch.setattr(versions, "upgrade", broken)
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
