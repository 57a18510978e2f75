"""Omissions: which readers an edition left out, and why, as it was when it was frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "omission",
        sa.Column("edition_key", KEY, sa.ForeignKey("edition.key"), primary_key=True, autoincrement=False),
        sa.Column("subscriber_key", KEY, primary_key=True, autoincrement=False),
        sa.Column("reason", WORDS, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("omission_subscriber", "omission", ["subscriber_key"])
