"""No question reads a whole table: what SQLite plans for each, so that a run stays quick at a million posts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.models import EditionState, InLanguage, SavedEdition
from digest.ports import Share
from digest.store import SqlStore, open_store
from digest.store.database.connection import Connection

REACH = timedelta(days=3)
LAST = SavedEdition(
    key=1,
    digest="daily",
    period="2026-11-24",
    subject="",
    html="",
    text="",
    document="",
    frozen_at=datetime(2026, 11, 24, tzinfo=UTC),
    send_after=datetime(2026, 11, 24, tzinfo=UTC),
    expires_at=datetime(2026, 11, 25, tzinfo=UTC),
    state=EditionState.FINISHED,
    page_published=True,
)
SHARE = Share(receiver="qq.com", spacing=timedelta(seconds=1), connections=2)

QUESTIONS = {
    "newest of all": lambda store, now: store.newest("all", "", 9),
    "newest of a category": lambda store, now: store.newest("category", "x", 9),
    "newest of a tag": lambda store, now: store.newest("tag", "x", 9),
    "newest in a language": lambda store, now: store.newest("all", "", 9, InLanguage(tag="en")),
    "languages": lambda store, now: store.languages(),
    "retire": lambda store, now: store.retire_withdrawn(now),
    "newest day": lambda store, now: store.newest_day(["x"], now),
    "span": lambda store, now: store.published_between(["x", "y"], now - REACH, now),
    "candidates": lambda store, now: store.candidates("daily", ["x"], now - REACH, now),
    "passed over": lambda store, now: store.passed_over("daily", ["x"], LAST, now),
    "editions since": lambda store, now: store.editions_since("daily", now - REACH),
    "posts in": lambda store, now: store.posts_in([1, 2]),
    "titles until": lambda store, now: store.titles_until(9, 2),
    "posts at": lambda store, now: store.posts_at(["a"]),
    "ids taken": lambda store, now: store.ids_taken(["a"]),
    "adopted ids": lambda store, now: store.adopted_ids(["a"]),
    "claim": lambda store, now: store.claim(now, 2, REACH),
    "claim of a receiver": lambda store, now: store.claim(now, 1, REACH, share=SHARE),
    "claim of others": lambda store, now: store.claim(now, 2, REACH, share=Share(receiver="")),
    "queues": lambda store, now: store.queues(now),
    "claim elsewhere": lambda store, now: store.claim(now, 2, REACH, "chat"),
    "retire channels": lambda store, now: store.retire_channels((), now),
    "counts elsewhere": lambda store, now: store.counts_elsewhere(),
    "recover": lambda store, now: store.recover(now, atomic=False),
    "release": lambda store, now: store.release_doubtful(),
    "is due": lambda store, now: store.is_due(now),
    "awaited pages": lambda store, now: store.awaited_pages(),
    "doubts": lambda store, now: store.doubts(),
    "unpublished pages": lambda store, now: store.unpublished_pages(),
    "page published": lambda store, now: store.mark_page_published(1),
    "next due": lambda store, now: store.next_due(),
    "settle": lambda store, now: store.settle(now),
    "is ahead": lambda store, now: store.is_ahead(now),
    "counts": lambda store, now: store.counts(1),
    "source volumes": lambda store, now: store.source_volumes(now - REACH),
}

OPEN = {
    "claim": ["delivery_due"],
    "claim elsewhere": ["delivery_elsewhere"],
    "retire channels": ["delivery_elsewhere"],
    "claim of a receiver": ["delivery_receiver"],
    "queues": ["delivery_receiver"],
    "is due": ["delivery_receiver"],
    "next due": ["delivery_due"],
    "recover": ["delivery_leased", "delivery_transmitting"],
    "doubts": ["delivery_doubt"],
    "unpublished pages": ["edition_page"],
}
"""Questions about what is still open, and the indexes that have nothing else."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_a_whole_table(sqlite_url: str, make, monkeypatch, question: str) -> None:
    """Neither posts nor deliveries, nor all queued rows to claim two."""
    with open_store(sqlite_url) as store:
        plans = plans_of(store, monkeypatch, lambda: QUESTIONS[question](store, make.now))
    assert plans
    few = "COVERING INDEX delivery_elsewhere"
    tables = ("SCAN post", "SCAN delivery", "SCAN edition")
    whole = [step for step in plans if step.startswith(tables) and not step.endswith((few, "delivery_total"))]
    assert whole == []
    if question in ("newest day", "span", "candidates"):
        assert any("post_published (unlisted=? AND published" in step for step in plans), plans
    if question == "passed over":
        assert "SEARCH post USING INTEGER PRIMARY KEY (rowid=?)" in plans
        assert "SEARCH newer USING INTEGER PRIMARY KEY (rowid>?)" in plans
    if question in ("claim", "claim of a receiver", "claim of others"):
        assert "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)" in plans
    for index in OPEN.get(question, ()):
        assert any(f"INDEX {index} " in f"{step} " for step in plans), plans


def plans_of(store: SqlStore, monkeypatch, ask) -> list[str]:
    """The steps of every statement that ``ask`` runs, whichever way it takes to the database."""
    steps: list[str] = []

    def run(connection: Connection, statement: str, *values, **named):
        if not statement.startswith(("BEGIN", "PRAGMA", "INSERT")):
            rows = connection._connection.execute(f"EXPLAIN QUERY PLAN {statement}", named or values)
            steps.extend(row[-1] for row in rows)
        return plain_run(connection, statement, *values, **named)

    plain_run = Connection.run
    monkeypatch.setattr(Connection, "run", run)
    ask()
    return steps
