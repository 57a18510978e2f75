"""The feed of a digest's editions, from what is frozen in the store."""

from __future__ import annotations

from digest.jobs.editions.make import read_edition
from digest.ports import EditionStore
from digest.render.context import RenderContext
from digest.render.edition_feed import FeedFrame, render_edition_feed

EDITIONS = 31
"""Editions in a feed at most: a month of days."""


def feed_of_editions(store: EditionStore, digest: str, title: str, look: RenderContext, frame: FeedFrame) -> bytes:
    """The feed of the digest's newest editions, each in full. The digest has at least one. Raises StoreError if a
    document in the store cannot be read."""
    rows = store.edition_rows(digest)[:EDITIONS]
    found = [store.edition(digest, row.period) for row in rows]
    return render_edition_feed(
        [read_edition(saved) for saved in found if saved is not None],
        look,
        frame,
        digest=digest,
        title=title,
    )
