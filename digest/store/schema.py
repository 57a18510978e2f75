"""The tables. What they hold is said here, how they came about in ``migrations``.

Times are whole seconds since 1970 in UTC. Short lists that are only ever read with their post (authors, codes, the
order of its categories) are JSON arrays in a text column; what is searched has columns and tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from digest.store.basics import to_moment, to_seconds


class Moment(TypeDecorator[datetime]):
    """An aware datetime as whole seconds; comes back in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_seconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else to_moment(value)


Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only if the type is spelled INTEGER."""

Words = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and sorted by code point in every database and locale."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Fingerprints, and whether the first import is over."""

file = Table(
    "file",
    metadata,
    Column("path", Words, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("recheck_at", Moment),
    Column("taken", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""Every post file, as it was when it was last read."""

problem = Table(
    "problem",
    metadata,
    Column("path", Words, ForeignKey("file.path", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer),
    Column("reason", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("severity", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What was wrong with a file when it was last read."""

post = Table(
    "post",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("path", Words, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("published", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("collected_at", Moment, nullable=False),
    Column("gone_at", Moment),
    Column("retired", Boolean, nullable=False),
    Column("unlisted", Boolean, nullable=False),
    Column("categories", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("source_name", Text),
    Column("original_url", Text),
    Column("authors", Text, nullable=False),
    Column("image", Text),
    Column("lang", Text),
    Column("codes", Text, nullable=False),
    Column("attachments", Text, nullable=False),
    Column("text_hash", Text, nullable=False),
    Column("archive", Integer),
    Index("post_path", "path"),
    Index("post_published", "unlisted", "published", "key"),
    Index("post_feed", "unlisted", "retired", "first_seen", "published", "key"),
    Index("post_gone", "retired", "gone_at"),
    Index("post_archive", "archive", "first_seen", "key"),
)
"""Every post ever taken; keys grow in the order of collecting and are never used again. ``archive`` is the number of
the closed archive that has it."""

absence = Table(
    "absence",
    metadata,
    Column("post_key", Key, ForeignKey("post.key"), primary_key=True, autoincrement=False),
    Column("since", Moment, nullable=False),
    Column("state", Words, nullable=False),
    Column("place", Text, nullable=False),
    Index("absence_state", "state", "since"),
    sqlite_with_rowid=False,
)
"""Posts whose file is missing and that are not withdrawn: they left by age, or nobody has decided yet."""


def _label_table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("name", Words, primary_key=True),
        Column("first_seen", Moment, primary_key=True, autoincrement=False),
        Column("published", Moment, primary_key=True, autoincrement=False),
        Column("post_key", Key, ForeignKey("post.key"), primary_key=True, autoincrement=False),
        Index(f"{name}_post", "post_key"),
        sqlite_with_rowid=False,
    )


post_category = _label_table("post_category")
"""Which posts a category's feed has, in its order: those that are listed and not retired."""

post_tag = _label_table("post_tag")
"""The same for tags."""

feed = Table(
    "feed",
    metadata,
    Column("kind", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("stem", Text, nullable=False),
    Column("folded_stem", Words, nullable=False),
    Column("posts", BigInteger, nullable=False),
    Column("dirty", Boolean, nullable=False),
    UniqueConstraint("kind", "folded_stem", name="feed_stem"),
    sqlite_with_rowid=False,
)
"""Feeds that exist, how many posts each has, and whether its files must be looked at again."""

archive = Table(
    "archive",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("dirty", Boolean, nullable=False),
    Index("archive_dirty", "dirty"),
)
"""Closed archives of the overall feed, and whether their files must be written again."""

adopted_id = Table(
    "adopted_id",
    metadata,
    Column("url", Words, primary_key=True),
    Column("id", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Ids of an earlier feed, by the entry's link."""

begun = Table(
    "digest",
    metadata,
    Column("name", Text, primary_key=True),
    Column("began_at", Moment, nullable=False),
    Column("began_after", Key, nullable=False),
)
"""Digests that were begun: posts with a greater key are news to them."""

edition = Table(
    "edition",
    metadata,
    Column("key", Key, primary_key=True),
    Column("digest", Words, nullable=False),
    Column("category", Words, nullable=False),
    Column("period", Words, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("frozen_at", Moment, nullable=False),
    Column("send_after", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("page_published", Boolean, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("paused_at", Moment),
    Column("resumed_at", Moment),
    UniqueConstraint("digest", "category", "period", name="edition_slot"),
    Index("edition_state", "state"),
    Index("edition_page", "page_published"),
)
"""One digest, one period: made once, frozen, sent once. ``paused_at`` is when its sending was last stopped: from then
on its refusals say nothing about readers."""

edition_member = Table(
    "edition_member",
    metadata,
    Column("edition_key", Key, ForeignKey("edition.key"), primary_key=True, autoincrement=False),
    Column("post_key", Key, ForeignKey("post.key"), primary_key=True, autoincrement=False),
    Column("section", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("shown", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("edition_member_post", "post_key"),
    sqlite_with_rowid=False,
)
"""Which posts an edition has, and why."""

delivery = Table(
    "delivery",
    metadata,
    Column("key", Key, primary_key=True),
    Column("edition_key", Key, ForeignKey("edition.key"), nullable=False),
    Column("address", Words, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("lease", BigInteger, nullable=False),
    Column("lease_until", Moment),
    Column("ended_at", Moment),
    Column("reply_code", Integer),
    Column("reply_enhanced", Text, nullable=False),
    Column("reply_text", Text, nullable=False),
    Column("queue_id", Text, nullable=False),
    Column("subscriber_key", Key),
    Column("list_key", Integer),
    Column("expires_at", Moment),
    UniqueConstraint("edition_key", "address", name="delivery_recipient"),
    Index("delivery_due", "state", "not_before", "key"),
    Index("delivery_state", "edition_key", "state"),
    Index("delivery_token", "token"),
    Index("delivery_subscriber", "subscriber_key"),
    Index("delivery_ended", "state", "ended_at"),
)
"""The ledger: one row for each message to each recipient; lease counts the claims."""

run = Table(
    "run",
    metadata,
    Column("key", Key, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("report", Text, nullable=False),
    Column("ok", Boolean),
    Column("arrived", Integer),
    Column("written", Integer),
    Index("run_log", "started_at", "ended_at", "ok", "arrived", "written"),
)
"""The log of runs, each with its report as JSON; ``arrived`` posts were new, ``written`` files were put in place."""

alarm = Table(
    "alarm",
    metadata,
    Column("key", Key, primary_key=True),
    Column("name", Words, nullable=False),
    Column("text", Text, nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("end_text", Text, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("held_until", Moment),
    Index("alarm_open", "name", unique=True),  # where it is open: see _PARTIAL
    Index("alarm_told", "told"),
    sqlite_autoincrement=True,
)
"""What the operator is told. An alarm of a name is open once; ``told`` is false as long as there is something to say
about it (that it was raised, then that it is over), which ``held_until`` some process is about to say."""

# ------------------------------------------------------------- subscribers

reader_list = Table(
    "reader_list",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("digest", Words, nullable=False, unique=True),
    sqlite_autoincrement=True,
)
"""Digests that anybody ever subscribed to, by the short key that stands in links."""

subscriber = Table(
    "subscriber",
    metadata,
    Column("key", Key, primary_key=True),
    Column("address", Words, nullable=False),
    Column("canonical", Words, nullable=False, unique=True),
    Column("hash", Words, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("frequency", Text, nullable=False),
    Column("hour", Integer),
    Column("zone", Text, nullable=False),
    Column("paused_until", Text),
    Column("pause_ends", Moment),
    Column("held_until", Moment),
    Column("probe_at", Moment),
    sqlite_autoincrement=True,
)
"""Readers. ``hash`` is the keyed hash of ``canonical``; ``paused_until`` is the local date they chose, ``pause_ends``
the moment of it. Keys are never used again: links in old mails name them."""

subscription = Table(
    "subscription",
    metadata,
    Column("subscriber_key", Key, ForeignKey("subscriber.key"), primary_key=True, autoincrement=False),
    Column("list_key", Integer, ForeignKey("reader_list.key"), primary_key=True, autoincrement=False),
    Column("state", Words, nullable=False),
    Column("categories", Text, nullable=False),
    Column("label", Words, nullable=False),
    Column("since", Moment, nullable=False),
    Index("subscription_list", "list_key", "state", "label", "subscriber_key"),
    sqlite_with_rowid=False,
)
"""Who reads what; ``label`` names the set of categories, empty for all."""

consent = Table(
    "consent",
    metadata,
    Column("key", Key, primary_key=True),
    Column("subscriber_key", Key),
    Column("address", Words, nullable=False),
    Column("canonical", Words, nullable=False),
    Column("origin", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("text", Text, nullable=False),
    Column("choices", Text, nullable=False),
    Column("wishes", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("confirmed_at", Moment),
    Column("handled", Boolean, nullable=False),
    Index("consent_handled", "handled", "key"),
    Index("consent_canonical", "canonical"),
    Index("consent_subscriber", "subscriber_key"),
    sqlite_autoincrement=True,
)
"""Every sign-up, confirmed or not yet: what was asked for, when and under which words."""

errand = Table(
    "errand",
    metadata,
    Column("key", Key, primary_key=True),
    Column("subscriber_key", Key, nullable=False),
    Column("kind", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("address", Words),
    Index("errand_subscriber", "subscriber_key"),
    sqlite_autoincrement=True,
)
"""Fresh links to a reader's data, each good for once; ``address`` is a new one that is not confirmed yet."""

suppression = Table(
    "suppression",
    metadata,
    Column("hash", Words, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("note", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Addresses that are never written to, by their keyed hash: it stays when everything else about them is erased."""

refusal = Table(
    "refusal",
    metadata,
    Column("key", Key, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("hash", Words, nullable=False),
    Column("delivery_key", Key),
    Column("at", Moment, nullable=False),
    Column("blame", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("refusal_hash", "hash", "at"),
)
"""Bounces and complaints, each report once."""

omission = Table(
    "omission",
    metadata,
    Column("edition_key", Key, ForeignKey("edition.key"), primary_key=True, autoincrement=False),
    Column("subscriber_key", Key, primary_key=True, autoincrement=False),
    Column("reason", Words, nullable=False),
    Index("omission_subscriber", "subscriber_key"),
    sqlite_with_rowid=False,
)
"""Whom an edition left out although they asked for it, and why: a pause may be over tomorrow."""

attempt = Table(
    "attempt",
    metadata,
    Column("key", Key, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("who", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Index("attempt_who", "kind", "who", "at"),
    Index("attempt_at", "at"),
)
"""What is limited in number: sign-ups by place, mails by address. ``who`` is a keyed hash."""


# ------------------------------------------------------------ as statements

_PARTIAL = {"alarm_open": " WHERE ended_at IS NULL"}
"""Where an index reaches. To say so in the table would load both dialects in every run that loads the tables."""


def statements(kind: str) -> Iterator[str]:
    """What makes all tables and indexes in ``sqlite`` or ``postgresql``, a line each. ``sqlite.sql`` and
    ``postgresql.sql`` beside this keep them, so that a new store is made without SQLAlchemy."""
    from sqlalchemy.dialects import registry
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = registry.load(kind)()
    for table in metadata.sorted_tables:
        yield " ".join(str(CreateTable(table).compile(dialect=dialect)).split())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            created = str(CreateIndex(index).compile(dialect=dialect))
            yield " ".join(created.split()) + _PARTIAL.get(str(index.name), "")


if __name__ == "__main__":
    print("\n".join(statements(sys.argv[1])))
