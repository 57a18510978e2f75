"""Alembic's entry: runs inside the transaction of the connection that ``versions.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from digest.store.basics import VERSION_TABLE
from digest.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
