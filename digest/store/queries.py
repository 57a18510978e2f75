"""Posts by a query of SQLAlchemy's, for parts of the store whose conditions vary too much to be written out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult, Select, select

from digest.models import KnownPost
from digest.store.known import COLUMNS, known_post
from digest.store.schema import post

_SELECT_POSTS = select(*(post.c[name] for name in COLUMNS))


def select_posts() -> Select[Any]:
    """Every column that ``read_posts`` needs."""
    return _SELECT_POSTS


def read_posts(connection: Connection, query: Select[Any]) -> list[KnownPost]:
    """The posts of a query that began as ``select_posts``. Rows come straight from the driver: SQLAlchemy's take twice
    as long."""
    result: CursorResult[Any] = connection.execute(query)
    cursor = result.cursor
    assert cursor is not None, "a query has rows"
    posts = [known_post(row) for row in cursor.fetchall()]
    result.close()
    return posts
