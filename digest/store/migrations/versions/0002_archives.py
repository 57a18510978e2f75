"""Archives of the overall feed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("archive_dirty", "archive", ["dirty"], unique=False)
    op.add_column("post", sa.Column("archive", sa.Integer(), nullable=True))
    op.create_index("post_archive", "post", ["archive", "first_seen", "key"], unique=False)
