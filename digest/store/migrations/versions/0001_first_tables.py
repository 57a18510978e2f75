"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "adopted_id",
        sa.Column("url", WORDS, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("url"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "digest",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("began_after", KEY, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "edition",
        sa.Column("key", KEY, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("category", WORDS, nullable=False),
        sa.Column("period", WORDS, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("frozen_at", MOMENT, nullable=False),
        sa.Column("send_after", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("page_published", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("digest", "category", "period", name="edition_slot"),
    )
    op.create_index("edition_page", "edition", ["page_published"], unique=False)
    op.create_index("edition_state", "edition", ["state"], unique=False)
    op.create_table(
        "feed",
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("name", WORDS, nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.Column("folded_stem", WORDS, nullable=False),
        sa.Column("posts", sa.BigInteger(), nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
        sa.UniqueConstraint("kind", "folded_stem", name="feed_stem"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "file",
        sa.Column("path", WORDS, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("recheck_at", MOMENT, nullable=True),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("path"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "post",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("path", WORDS, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("published", MOMENT, nullable=False),
        sa.Column("updated", MOMENT, nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("collected_at", MOMENT, nullable=False),
        sa.Column("gone_at", MOMENT, nullable=True),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("unlisted", sa.Boolean(), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=True),
        sa.Column("original_url", sa.Text(), nullable=True),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("lang", sa.Text(), nullable=True),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("post_feed", "post", ["unlisted", "retired", "first_seen", "published", "key"], unique=False)
    op.create_index("post_gone", "post", ["retired", "gone_at"], unique=False)
    op.create_index("post_path", "post", ["path"], unique=False)
    op.create_index("post_published", "post", ["unlisted", "published", "key"], unique=False)
    op.create_table(
        "run",
        sa.Column("key", KEY, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "delivery",
        sa.Column("key", KEY, nullable=False),
        sa.Column("edition_key", KEY, nullable=False),
        sa.Column("address", WORDS, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("doubts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply_enhanced", sa.Text(), nullable=False),
        sa.Column("reply_text", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_key"], ["edition.key"]),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("edition_key", "address", name="delivery_recipient"),
    )
    op.create_index("delivery_due", "delivery", ["state", "not_before", "key"], unique=False)
    op.create_index("delivery_state", "delivery", ["edition_key", "state"], unique=False)
    op.create_index("delivery_token", "delivery", ["token"], unique=False)
    op.create_table(
        "edition_member",
        sa.Column("edition_key", KEY, autoincrement=False, nullable=False),
        sa.Column("post_key", KEY, autoincrement=False, nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_key"], ["edition.key"]),
        sa.ForeignKeyConstraint(["post_key"], ["post.key"]),
        sa.PrimaryKeyConstraint("edition_key", "post_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("edition_member_post", "edition_member", ["post_key"], unique=False)
    op.create_table(
        "post_category",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("first_seen", MOMENT, autoincrement=False, nullable=False),
        sa.Column("published", MOMENT, autoincrement=False, nullable=False),
        sa.Column("post_key", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_key"], ["post.key"]),
        sa.PrimaryKeyConstraint("name", "first_seen", "published", "post_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("post_category_post", "post_category", ["post_key"], unique=False)
    op.create_table(
        "post_tag",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("first_seen", MOMENT, autoincrement=False, nullable=False),
        sa.Column("published", MOMENT, autoincrement=False, nullable=False),
        sa.Column("post_key", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_key"], ["post.key"]),
        sa.PrimaryKeyConstraint("name", "first_seen", "published", "post_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("post_tag_post", "post_tag", ["post_key"], unique=False)
    op.create_table(
        "problem",
        sa.Column("path", WORDS, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["path"], ["file.path"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("path", "position"),
        sqlite_with_rowid=False,
    )
    feed = sa.table("feed", *map(sa.column, ("kind", "name", "stem", "folded_stem", "posts", "dirty")))
    op.execute(sa.insert(feed).values(kind="all", name="", stem="feed", folded_stem="feed", posts=0, dirty=sa.true()))
