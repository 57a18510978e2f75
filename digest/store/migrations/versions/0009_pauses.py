"""Pauses: when an edition's mail was stopped and when it went on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("edition", sa.Column("paused_at", sa.BigInteger()))
    op.add_column("edition", sa.Column("resumed_at", sa.BigInteger()))
