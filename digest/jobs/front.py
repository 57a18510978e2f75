"""Publish the front page, or take it away: never one that somebody else made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

from digest.errors import OutputError
from digest.jobs.editions.make import EditionsReport, days_of, read_edition, with_leads
from digest.ports import EditionStore, Output
from digest.render.context import RenderContext
from digest.render.front import PATH, Feeds, Newest, earlier_of, is_sealed, render_front_page

MADE_WITH = "front page"
"""Name under which the store keeps what the page was last made with; empty while there is none."""
FOREIGN = (
    f"pages.index: the {PATH} in the output is not one of digest, or was changed, and stays as it is; move it away "
    "to have a front page, or set pages.index to false"
)


class FrontStore(EditionStore, Protocol):
    """What is needed of the store."""

    def recall(self, name: str) -> str | None: ...

    def has_editions(self, digest: str) -> bool: ...

    def remember(self, name: str, value: str) -> None: ...


def publish_front(
    store: FrontStore,
    output: Output,
    look: RenderContext,
    report: EditionsReport,
    *,
    digests: Sequence[str],
    feeds: Callable[[], Feeds],
    fingerprint: str,
    description: str = "",
) -> None:
    """Bring the front page up to date: about the first of ``digests`` that has an edition. ``fingerprint`` is of what
    it is made with, ``feeds`` (asked only when it is made) included. Adds to ``report``. Raises StoreError,
    TemplateError."""
    digest = next((name for name in digests if store.has_editions(name)), "")
    latest = store.editions(digest, 1) if digest else []
    shown = (fingerprint, digest, [saved.key for saved in latest])
    made_with = hashlib.sha256(repr(shown).encode()).hexdigest()
    try:
        if not may_be_written(output):
            report.warnings.append(FOREIGN)
            _leave(store, output)
            return
        if store.recall(MADE_WITH) == made_with and not report.written and output.exists(PATH):
            return
        newest = None
        if latest:
            rows = with_leads(store, digest, store.edition_rows(digest))
            days = days_of(store, digest, earlier_of(rows))
            newest = Newest(edition=read_edition(latest[0]), rows=tuple(rows), days=days)
        page = render_front_page(look, feeds(), newest, description=description)
        if output.write(PATH, page):
            report.written.append(PATH)
        else:
            report.unchanged += 1
        store.remember(MADE_WITH, made_with)
    except OutputError as error:
        report.failures.append(str(error))


def remove_front(store: FrontStore, output: Output, report: EditionsReport) -> None:
    """Take the page away that was made while it was wanted, if it is still ours. Adds to ``report``."""
    if not store.recall(MADE_WITH):
        return
    try:
        if may_be_written(output):
            output.remove(PATH)
            store.remember(MADE_WITH, "")
        else:
            _leave(store, output)
    except OutputError as error:
        report.failures.append(str(error))


def _leave(store: FrontStore, output: Output) -> None:
    """Ours is gone, and another page is in its place."""
    if store.recall(MADE_WITH):
        output.leave(PATH)
        store.remember(MADE_WITH, "")


def may_be_written(output: Output) -> bool:
    """Whether there is no front page, or ours. Raises OutputError."""
    there = output.read(PATH)
    return not output.exists(PATH) if there is None else is_sealed(there)
