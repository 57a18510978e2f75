"""Watching: how each run ended, in columns; and the alarms that were raised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("run", sa.Column("ok", sa.Boolean(), nullable=True))
    op.add_column("run", sa.Column("arrived", sa.Integer(), nullable=True))
    op.add_column("run", sa.Column("written", sa.Integer(), nullable=True))
    run = sa.table("run", sa.column("ended_at"), sa.column("report"), sa.column("ok"))
    fine = run.c.report.like('{%"ok": true,%') & ~run.c.report.like('{%"ok": false,%')
    op.execute(
        sa.update(run).where(run.c.ended_at.is_not(None)).values(ok=sa.case((fine, sa.true()), else_=sa.false()))
    )
    op.create_index("run_log", "run", ["started_at", "ended_at", "ok", "arrived", "written"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("key", KEY, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("end_text", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "alarm_open",
        "alarm",
        ["name"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("alarm_told", "alarm", ["told"], unique=False)
