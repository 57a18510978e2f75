"""With 40,000 posts and as many deliveries, of which few wait: no question that is asked often reads a whole table, on
either database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from digest.models import Delivery, Receipt
from digest.ports import Share
from digest.store import SqlStore, open_store
from digest.store.database.basics import to_seconds
from digest.store.database.connection import Connection
from digest.subscribers.subscription import Frequency
from tests.store.conftest import Maker

MANY = 40_000
LARGE = ("post", "post_category", "delivery", "subscriber", "subscription", "file")
REACH = timedelta(days=1)
SHARE = Share(receiver="qq.com", spacing=timedelta(seconds=1), connections=2)
NOW = Maker.now

Ask = Callable[[SqlStore, datetime], Any]
ROW = Delivery(
    key=9, edition_key=1, address="a", message_id="m", token="t", attempts=1, lease="1", subscriber=9, list_key=1
)
HOT: dict[str, Ask] = {
    "newest of all": lambda store, now: store.newest("all", "", 50),
    "newest of a category": lambda store, now: store.newest("category", "c7", 50),
    "newest day": lambda store, now: store.newest_day(None, now),
    "candidates": lambda store, now: store.candidates("daily", ["c7"], now - REACH, now),
    "span": lambda store, now: store.published_between(None, now - REACH, now),
    "posts at": lambda store, now: store.posts_at(["p9"]),
    "ids taken": lambda store, now: store.ids_taken(["p9"]),
    "retire": lambda store, now: store.retire_withdrawn(now),
    "claim": lambda store, now: store.claim(now, 2, REACH),
    "claim of a receiver": lambda store, now: store.claim(now, 1, REACH, share=SHARE),
    "claim of others": lambda store, now: store.claim(now, 2, REACH, share=Share(receiver="")),
    "queues": lambda store, now: store.queues(now),
    "is due": lambda store, now: store.is_due(now),
    "next due": lambda store, now: store.next_due(),
    "recover": lambda store, now: store.recover(now, atomic=False),
    "expire": lambda store, now: store.expire(now - REACH),
    "release": lambda store, now: store.release_doubtful(),
    "settle": lambda store, now: store.settle(now),
    "has mail": lambda store, now: store.has_mail(),
    "awaited pages": lambda store, now: store.awaited_pages(),
    "backlog": lambda store, now: store.backlog(now, now - REACH),
    "expired": lambda store, now: store.expired(now - REACH),
    "doubts": lambda store, now: store.doubts_over(1, ["mail"]),
    "answers": lambda store, now: store.answers(400, 50),
    "answers of a group": lambda store, now: store.answers(400, 50, "qq.com"),
    "sent": lambda store, now: store.sent(ROW, now, Receipt(code=250)),
    "still wanted": lambda store, now: store.why_not(ROW, "h9", now),
    "is ahead": lambda store, now: store.is_ahead(now),
}
"""What is asked by every run, for every message, or by every look at how things are."""


PAGED: dict[str, Callable[[SqlStore], Iterable[object]]] = {
    "readers of an edition": lambda store: store.audience("daily", list(Frequency), NOW),
    "all subscribers": lambda store: store.subscribers(),
}
"""What is read some at a time."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    from tests.conftest import _postgres_database

    if request.param == "sqlite":
        with open_store(f"sqlite:///{tmp_path_factory.mktemp('many')}/digest.db") as store:
            yield filled(store)
    else:
        with (
            _postgres_database(request.getfixturevalue("postgres_server")) as url,
            open_store(url) as store,
        ):
            yield filled(store)


def filled(store: SqlStore) -> SqlStore:
    """400 editions, of which the newest is being sent; half a year of posts."""
    now = to_seconds(NOW)
    ago = [now - number * 157 for number in range(MANY)]
    with store._database.changing() as connection:
        _posts(connection, ago)
        _readers(connection, now)
        _mail(connection, now)
    if store._database.is_postgres:  # which does it by itself; SQLite never does
        with store._database.session() as raw:
            raw.execute("ANALYZE")
    return store


def _posts(connection: Connection, ago: list[int]) -> None:
    texts = (
        "id",
        "path",
        "title",
        "url",
        "summary",
        "categories",
        "tags",
        "authors",
        "codes",
        "attachments",
        "text_hash",
    )
    moments = ("published", "updated", "first_seen", "collected_at")
    connection.insert_many(
        "post",
        ("key", *texts, *moments, "retired", "unlisted"),
        [
            (number, *(f"p{number}",) * 5, '["c"]', *("[]",) * 4, "h", *(at,) * 4, False, False)
            for number, at in enumerate(reversed(ago), 1)
        ],
    )
    labels = [(f"c{number % 2000}", at, at, number) for number, at in enumerate(reversed(ago), 1)]
    connection.insert_many("post_category", ("name", "first_seen", "published", "post_key"), labels)
    files = [(f"p{number}", 1, 1, number, "h", True) for number in range(1, MANY + 1)]
    connection.insert_many("file", ("path", "size", "mtime_ns", "inode", "hash", "taken"), files)
    connection.insert_many("digest", ("name", "began_at", "began_after"), [("daily", ago[-1], 0)])


def _readers(connection: Connection, now: int) -> None:
    connection.insert_many("reader_list", ("key", "digest"), [(1, "daily")])
    columns = ("key", "address", "canonical", "hash", "created_at", "frequency", "zone")
    people = [(key, *(f"r{key}",) * 3, now, "daily", "") for key in range(1, MANY + 1)]
    connection.insert_many("subscriber", columns, people)
    chosen = ("subscriber_key", "list_key", "state", "categories", "selection", "since")
    connection.insert_many("subscription", chosen, [(key, 1, "active", "[]", "", now) for key in range(1, MANY + 1)])


def _mail(connection: Connection, now: int) -> None:
    columns = ("key", "digest", "kind", "period", "state", "reason", "frozen_at", "send_after", "expires_at")
    texts = ("page_published", "subject", "html", "text", "document")
    editions = [
        (
            key,
            "daily",
            "digest",
            f"{key:010}",
            "sending" if key == 400 else "finished",
            "",
            at,
            at,
            at + 64_800,
            True,
            *("",) * 4,
        )
        for key in range(1, 401)
        for at in (now - (400 - key) * 86_400,)
    ]
    connection.insert_many("edition", (*columns, *texts), editions)
    columns = ("key", "edition_key", "address", "message_id", "token", "state", "attempts", "doubts", "not_before")
    rest = ("lease", "ended_at", "reply_enhanced", "reply_text", "queue_id", "subscriber_key", "list_key")
    rows = []
    for key in range(1, MANY + 1):
        edition = 1 + (key - 1) * 400 // MANY
        at = now - (400 - edition) * 86_400
        waits = key > MANY - 100
        state, ended = ("queued", None) if waits else ("sent", at)
        rows.append((key, edition, f"r{key}", f"m{key}", f"t{key}", state, 0, 0, at, 0, ended, "", "", "", key, 1))
    connection.insert_many("delivery", (*columns, *rest), rows)


def _state(edition: int) -> str:
    return "sending" if edition == 400 else "finished"


@pytest.mark.slow
@pytest.mark.parametrize("question", HOT)
def test_no_question_reads_a_whole_table(crowded: SqlStore, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    steps: list[str] = []
    how = "EXPLAIN" if crowded._database.is_postgres else "EXPLAIN QUERY PLAN"

    def run(connection: Connection, statement: str, *values: Any, **named: Any) -> Any:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            steps.extend(str(row[-1]).strip() for row in asked(connection, f"{how} {statement}", *values, **named))
        return asked(connection, statement, *values, **named)

    asked = Connection.run
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "run", run)
        patch.setattr("psycopg.Pipeline.is_supported", lambda: False)
        HOT[question](crowded, NOW)
    assert steps
    whole = [
        step
        for step in steps
        for table in LARGE
        if f"Seq Scan on {table} " in step or step.split(" USING ")[0] in (f"SCAN {table}", f"SCAN {table[0]}")
    ]
    assert whole == [], steps


@pytest.mark.slow
@pytest.mark.parametrize("pages", PAGED)
def test_the_last_page_costs_what_the_first_does(
    crowded: SqlStore, monkeypatch: pytest.MonkeyPatch, pages: str
) -> None:
    """Each goes on behind the last key of the one before, and counts nothing off again."""
    asked: list[tuple[str, tuple[Any, ...]]] = []
    run = Connection.run

    def noted(connection: Connection, statement: str, *values: Any, **named: Any) -> Any:
        asked.append((statement, values))
        return run(connection, statement, *values, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "run", noted)
        assert sum(1 for _ in PAGED[pages](crowded)) == MANY
    paged = [(statement, values) for statement, values in asked if statement == asked[0][0]]
    assert len(paged) > 10
    first, last = cost(crowded, *paged[0]), cost(crowded, *paged[-2])  # the very last one has what is left
    assert last <= 1.5 * first
    assert last >= first / 1.5


def cost(store: SqlStore, statement: str, values: tuple[Any, ...]) -> float:
    """Steps of SQLite's machine, or rows that pass through the nodes of PostgreSQL's plan."""
    if store._database.is_postgres:
        with store._database.asking() as connection:
            [found] = connection.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        return passed(found["Plan"])
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store._database.session() as raw:
        raw.set_progress_handler(step, 10)
        raw.execute(statement, values).fetchall()
        raw.set_progress_handler(None, 0)
    return steps


def passed(node: dict[str, Any]) -> float:
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(rows * node["Actual Loops"] + sum(passed(each) for each in node.get("Plans", ())))
