"""What a digest said before, as far as its next edition has something to say about it.

Pure: from the editions that were sent and the posts that they hold as they are now.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence

from msgspec import Struct, field

from digest.edition.contents import Correction, Earlier, Edition, Reason, Shown, telling_of
from digest.edition.points import main_points
from digest.models import KnownPost

CORRECTIONS = 5
"""In one edition at most; more wait for the next."""

_IMMATERIAL = re.compile(r"[\s,;:!?\"'`，。、；：！？“”‘’「」『』《》〈〉【】()…·|]+")
"""What may change without a reader noticing; not what may stand in a number."""


class Past(Struct, frozen=True, kw_only=True):
    """What the next edition takes up from earlier ones."""

    earlier: Mapping[int, Earlier] = field(default_factory=dict)
    """Posts that go on with a story, by key."""
    corrections: tuple[Correction, ...] = ()
    titles: tuple[str, ...] = ()
    """Of the posts before: how common a word is on the site."""


def find_updates(
    posts: Iterable[KnownPost], before: Edition, current: Mapping[int, KnownPost], titles: Sequence[str] = ()
) -> dict[int, Earlier]:
    """Which of the posts go on with a story of the edition before, by key. ``current`` are the posts of that edition
    as they are now; those that are gone are passed over. ``titles`` are those of the site's other posts."""
    from digest.edition.stories import find_earlier  # late: most runs make no edition

    known: Sequence[KnownPost] = [current[entry.key] for entry in before.entries if entry.key in current]
    found = find_earlier(
        [telling_of(post) for post in posts], [telling_of(post) for post in known if post.gone_at is None], titles
    )
    return {
        key: Earlier(period=before.period, key=earlier, days=(before.first_day, before.last_day))
        for key, earlier in found.items()
    }


def find_corrections(
    editions: Iterable[Edition], current: Mapping[int, KnownPost], reread: Container[int] = ()
) -> tuple[Correction, ...]:
    """What the mails of these editions, the oldest first, said of posts that say something else by now or are gone:
    withdrawn ones first, then changed titles, then changed summaries, in the order they were sent. What one of the
    editions corrected already is measured by that, so nothing is told twice. ``reread``: posts that nobody edited since
    this program reads them in another way."""
    told: dict[int, Correction] = {}
    for edition in editions:
        told |= _told(edition)
    found = [
        correction
        for key, said in told.items()
        if key in current
        and (key not in reread or current[key].gone_at is not None)
        and (correction := _correction(said, current[key])) is not None
    ]
    found.sort(key=lambda each: (not each.gone, is_same(each.was_title, each.title)))
    return tuple(found[:CORRECTIONS])


def _told(edition: Edition) -> dict[int, Correction]:
    """The last word of an edition's mail on posts, as corrections that change nothing."""
    if any(entry.reason.partition(" ")[0] == Reason.BACKFILLED for entry in edition.entries):
        return {}  # it was mailed to nobody
    told = {each.key: each for each in edition.corrections}
    points = {entry.key for entry in main_points(edition)}
    for entry in edition.entries:
        if entry.shown in (Shown.LEAD, Shown.HEADLINE):
            summary = entry.summary if entry.shown is Shown.LEAD else None
            told[entry.key] = Correction(
                key=entry.key,
                period=edition.period,
                url=entry.url,
                was_title=entry.title,
                title=entry.title,
                was_summary=summary,
                summary=summary,
                was_point=entry.key in points,
                days=(edition.first_day, edition.last_day),
                categories=entry.categories,
            )
    return told


def _correction(said: Correction, post: KnownPost) -> Correction | None:
    """What there is to say of a post of which this was said; of one that was withdrawn, that it is there again."""
    gone = post.gone_at is not None
    if said.gone and gone:
        return None
    summary = None if said.summary is None else post.summary
    if not gone and not said.gone and is_same(said.title, post.title) and is_same(said.summary or "", summary or ""):
        return None
    return Correction(
        key=said.key,
        period=said.period,
        url=post.url,
        was_title=said.title,
        title=said.title if gone else post.title,
        was_summary=said.summary,
        summary=said.summary if gone else summary,
        gone=gone,
        restored=said.gone,
        was_point=said.was_point,
        days=said.days,
        categories=post.categories,
    )


def is_same(one: str, other: str) -> bool:
    """The texts say the same: width, case, spaces and punctuation between words apart."""
    return _material(one) == _material(other)


def _material(text: str) -> str:
    return _IMMATERIAL.sub("", unicodedata.normalize("NFKC", text).casefold())
