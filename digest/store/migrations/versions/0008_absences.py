"""Absences: posts whose file is missing, and that are not withdrawn for that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "absence",
        sa.Column("post_key", KEY, sa.ForeignKey("post.key"), primary_key=True, autoincrement=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("absence_state", "absence", ["state", "since"], if_not_exists=True)
