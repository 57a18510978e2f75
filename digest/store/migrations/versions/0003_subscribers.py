"""Subscribers: who they are, what they agreed to, what they want, and addresses that must not be written to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("subscriber_key", KEY, nullable=True))
    op.add_column("delivery", sa.Column("list_key", sa.Integer(), nullable=True))
    op.add_column("delivery", sa.Column("expires_at", MOMENT, nullable=True))
    op.create_index("delivery_subscriber", "delivery", ["subscriber_key"], unique=False)
    op.create_index("delivery_ended", "delivery", ["state", "ended_at"], unique=False)
    op.create_table(
        "reader_list",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscriber",
        sa.Column("key", KEY, nullable=False),
        sa.Column("address", WORDS, nullable=False),
        sa.Column("canonical", WORDS, nullable=False),
        sa.Column("hash", WORDS, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("paused_until", sa.Text(), nullable=True),
        sa.Column("pause_ends", MOMENT, nullable=True),
        sa.Column("held_until", MOMENT, nullable=True),
        sa.Column("probe_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("canonical"),
        sa.UniqueConstraint("hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscription",
        sa.Column("subscriber_key", KEY, autoincrement=False, nullable=False),
        sa.Column("list_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("label", WORDS, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["subscriber_key"], ["subscriber.key"]),
        sa.ForeignKeyConstraint(["list_key"], ["reader_list.key"]),
        sa.PrimaryKeyConstraint("subscriber_key", "list_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("subscription_list", "subscription", ["list_key", "state", "label", "subscriber_key"], unique=False)
    op.create_table(
        "consent",
        sa.Column("key", KEY, nullable=False),
        sa.Column("subscriber_key", KEY, nullable=True),
        sa.Column("address", WORDS, nullable=False),
        sa.Column("canonical", WORDS, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("wishes", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("handled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("consent_canonical", "consent", ["canonical"], unique=False)
    op.create_index("consent_handled", "consent", ["handled", "key"], unique=False)
    op.create_index("consent_subscriber", "consent", ["subscriber_key"], unique=False)
    op.create_table(
        "errand",
        sa.Column("key", KEY, nullable=False),
        sa.Column("subscriber_key", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("errand_subscriber", "errand", ["subscriber_key"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("hash", WORDS, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusal",
        sa.Column("key", KEY, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("hash", WORDS, nullable=False),
        sa.Column("delivery_key", KEY, nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("blame", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("refusal_hash", "refusal", ["hash", "at"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("key", KEY, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("who", WORDS, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("attempt_at", "attempt", ["at"], unique=False)
    op.create_index("attempt_who", "attempt", ["kind", "who", "at"], unique=False)
