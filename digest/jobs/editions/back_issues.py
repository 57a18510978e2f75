"""Editions that were made: listed, shown, and written out as files. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from email import policy
from email.parser import BytesParser

from msgspec import Struct
from msgspec.structs import asdict

from digest.edition.contents import Edition, Publisher
from digest.errors import StoreError
from digest.jobs.editions.make import read_edition
from digest.models import EditionRow, EditionState, SavedEdition
from digest.ports import EditionStore
from digest.render.mail import edition_url

LATEST = "latest"
"""Stands for the period of the newest edition."""


class Issue(Struct, frozen=True, kw_only=True):
    """An edition as it was frozen, and where it is."""

    saved: SavedEdition
    edition: Edition
    page: str
    """Address of its page."""


class Parts(Struct, frozen=True, kw_only=True):
    """The mail of an edition as one subscriber gets it."""

    message: bytes
    html: str
    text: str


def list_issues(store: EditionStore, digests: Iterable[str]) -> list[tuple[str, EditionRow]]:
    """The editions of these digests, each with its digest; newest first within each. Those that wait for approval are
    among them, and those that nobody approved."""
    found = []
    for digest in digests:
        rows = [*store.edition_rows(digest), *store.unapproved_rows(digest)]
        found += [(digest, row) for row in sorted(rows, key=lambda row: row.period, reverse=True)]
    return found


def find_issue(store: EditionStore, publisher: Publisher, digest: str, period: str) -> Issue:
    """An edition by its name; ``latest`` is the newest one. Raises StoreError if there is none."""
    if period == LATEST:
        rows = store.edition_rows(digest)
        period = rows[0].period if rows else period
    saved = store.edition(digest, period)
    if saved is None:
        raise StoreError(f"{digest} {period}", "there is no such edition", "digest editions list names them")
    if saved.state is EditionState.SKIPPED:
        raise StoreError(f"{digest} {period}", "no edition was made for it", "digest editions backfill can make it up")
    return Issue(saved=saved, edition=read_edition(saved), page=edition_url(publisher, digest, period))


def split_message(message: bytes) -> Parts:
    """A message that ``render.message`` made, with its two parts as text."""
    parsed = BytesParser(policy=policy.default).parsebytes(message)
    parts = {part.get_content_subtype(): part.get_content() for part in parsed.walk() if not part.is_multipart()}
    return Parts(message=message, html=_lines(parts["html"]), text=_lines(parts["plain"]))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def issue_to_json(issue: Issue, text: str) -> str:
    """The whole edition for programs: what was frozen, its balance, each post with the reason for its place, and the
    text part of the mail. Times in ISO 8601 (UTC)."""
    import msgspec

    saved = issue.saved
    value = {
        **msgspec.to_builtins(issue.edition),
        "subject": saved.subject,
        "state": saved.state.value,
        "send_after": msgspec.to_builtins(saved.send_after),
        "expires_at": msgspec.to_builtins(saved.expires_at),
        "page": issue.page,
        "balance": asdict(issue.edition.balance),
        "text": text,
    }
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def files_of_issue(issue: Issue, parts: Parts) -> dict[str, bytes]:
    """The edition as files, by their ending."""
    return {
        "html": parts.html.encode(),
        "txt": parts.text.encode(),
        "eml": parts.message,
        "json": issue_to_json(issue, parts.text).encode(),
    }
