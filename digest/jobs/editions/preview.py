"""The next edition, before anybody gets it: what it shows, what it leaves out and why, and a test of its mail.

Works on a store of which nothing lasts, so that nothing is marked; the
test message goes to one address through the channel itself, past the ledger.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.edition.contents import Entry, Reason, Shown, reading_minutes
from digest.edition.hand import Edited, edit
from digest.jobs.editions.make import (
    DigestPlan,
    FileOf,
    build_frozen,
    due_of,
    first_waiting,
    mailed_before,
    newest_day,
    no_file,
    past_of,
    upcoming,
    waiting_posts,
    why_quiet,
)
from digest.models import EditionState, EditionText, FrozenEdition, KnownPost, Outgoing, Reply, SavedEdition, Target
from digest.period import Slot, covered_days
from digest.ports import WITHOUT_LEDGER, Channel, EditionStore
from digest.render.context import RenderContext
from digest.render.editions import render_edition_page
from digest.render.mail import Mail, edition_path, sent_size

if TYPE_CHECKING:
    from digest.jobs.editions.back_issues import Parts


_RELATIVE = re.compile(r'href="(\.\.?/[^"#]*)(#[^"]*)?"')


class LeftOut(Struct, frozen=True, kw_only=True):
    """A post that the mail does not show."""

    entry: Entry
    section: str
    """As people read it; empty for posts without a category."""
    why: str
    """The reason of the post that leads its story: ``over=bytes``, ``over=items`` or ``over=minutes``."""


class Preview(Struct, frozen=True, kw_only=True):
    """An edition that is not made yet."""

    plan: DigestPlan
    saved: SavedEdition
    """As it would be kept; in no store."""
    mail: Mail
    page: bytes
    """Its page on the web."""
    due_at: datetime
    """When a run makes it: when its time comes, or at once if that is past."""
    is_due: bool
    waits: str
    """Why no run would send it as it is (``nothing new``, ``too few``); empty if one would."""
    broken: tuple[str, ...] = ()
    """Posts that cannot be put into it, a line each."""
    edited: Edited
    """What its editor wants."""

    @property
    def html_bytes(self) -> int:
        """Of the HTML as it is sent, before base64."""
        return sent_size(self.mail.html)

    @property
    def text_bytes(self) -> int:
        return sent_size(self.mail.text)

    @property
    def minutes(self) -> int:
        return reading_minutes(self.mail.edition)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """In the order of the page."""
        return tuple(_left_out(self.mail))


def preview_edition(
    store: EditionStore, plan: DigestPlan, look: RenderContext, now: datetime, file_of: FileOf = no_file
) -> Preview:
    """The edition that the next run makes if it takes place now; if none is due, the one of the next slot as far as
    its posts are there. Raises StoreError, TemplateError."""
    slot, days, found, reason, is_due = _draft(store, plan, look.publisher.zone, now)
    edited = edit(found, file_of(plan.name, slot.period))
    posts = edited.posts
    past = past_of(store, mailed_before(store, plan, slot.period, now), posts)
    broken: dict[str, None] = {}
    mail, frozen = build_frozen(plan, look, now, slot.period, days, reason, edited, past, broken=broken)
    rows = store.edition_rows(plan.name)
    quiet = (
        None if reason is Reason.NEWEST_DAY else why_quiet(store, plan, look.publisher.zone, posts, max(now, slot.at))
    )
    page = render_edition_page(
        mail.edition,
        look,
        previous=next((row.period for row in rows if row.period < slot.period), None),
        following=None,
    )
    return Preview(
        plan=plan,
        saved=_as_saved(frozen),
        mail=mail,
        page=page,
        due_at=slot.at,
        is_due=is_due,
        waits=quiet or "",
        broken=tuple(broken),
        edited=edited,
    )


def _draft(
    store: EditionStore, plan: DigestPlan, zone: ZoneInfo, now: datetime
) -> tuple[Slot, tuple[date, date], list[KnownPost], Reason, bool]:
    """Slot, days, posts, how these come in, and whether it is due."""
    began = store.began(plan.name)
    if began is None:
        first = newest_day(store, plan, zone, now)
        if first is not None:
            slot, posts = first
            return slot, (slot.day, slot.day), posts, Reason.NEWEST_DAY, True
        slot = upcoming(store, plan, zone, now)
        return slot, covered_days(plan.schedule, slot, zone), [], Reason.NEW, False
    waiting = next((each for each in store.open_approvals(plan.name) if each.first_day), None)
    if waiting is not None:
        slot, posts = first_waiting(store, plan, zone, now, waiting)
        return slot, (slot.day, slot.day), posts, Reason.NEWEST_DAY, True
    due = due_of(store, plan, zone, began, now).slot
    slot = due or upcoming(store, plan, zone, now)
    posts = waiting_posts(store, plan, zone, now)
    return slot, covered_days(plan.schedule, slot, zone), posts, Reason.NEW, due is not None


def _as_saved(frozen: FrozenEdition) -> SavedEdition:
    kept = {name: getattr(frozen, name) for name in EditionText.__struct_fields__}
    return SavedEdition(key=0, state=EditionState.BUILDING, page_published=False, **kept)


def _left_out(mail: Mail) -> Iterator[LeftOut]:
    for section in mail.edition.sections:
        why: dict[int, str] = {}
        for entry in section.entries:
            if entry.story is None:
                why[entry.key] = next((word for word in entry.reason.split() if word.startswith("over=")), "")
            if entry.shown is Shown.PAGE:
                head = entry.key if entry.story is None else entry.story
                yield LeftOut(entry=entry, section=section.title, why=why.get(head, ""))


# ------------------------------------------------------------------ the test


class TestMessage(Struct, frozen=True, kw_only=True):
    """A message for one address, ready to be sent."""

    __test__ = False
    """It is no test case."""

    address: str
    message_id: str
    message: bytes
    envelope_from: str

    def send(self, channel: Channel[Outgoing]) -> SentTest:
        """Hand it over. Raises TransportError."""
        name = re.sub(r"[^A-Za-z0-9._@+=-]", "-", self.message_id.strip("<>"))
        try:
            reply = channel.send(
                Outgoing(pieces=(self.message,), envelope_from=self.envelope_from),
                Target(address=self.address, name=f"test-{name}"),
                WITHOUT_LEDGER,
            )
        finally:
            channel.close()
        return SentTest(address=self.address, message_id=self.message_id, reply=reply)


class SentTest(Struct, frozen=True, kw_only=True):
    """What became of it."""

    address: str
    message_id: str
    reply: Reply


def files_of_preview(preview: Preview, parts: Parts, pages_url: str, output: str) -> dict[str, tuple[str, bytes]]:
    """Names and contents, by what they are: ``html``, ``txt``, ``eml`` of the mail, ``page`` of the web. What leads to
    the edition's page leads to the file beside it, and from there into ``output``, the address of the folder of all
    pages: nothing of it need be public. The message itself is as it would be sent, and so is the text."""
    digest, period = preview.saved.digest, preview.saved.period
    stem = f"{digest}-{period}"
    page = edition_path(digest, period)
    address = escape(f"{pages_url}{quote(page.removesuffix('index.html'))}")
    beside = parts.html.replace(f'href="{address}', f'href="{quote(stem)}-page.html')

    def placed(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1]))
        return f'href="{output}{path}{"/index.html" if link[1].endswith("/") else ""}{link[2] or ""}"'

    return {
        "html": (f"{stem}.html", beside.encode()),
        "txt": (f"{stem}.txt", parts.text.encode()),
        "eml": (f"{stem}.eml", parts.message),
        "page": (f"{stem}-page.html", _RELATIVE.sub(placed, preview.page.decode()).encode()),
    }
