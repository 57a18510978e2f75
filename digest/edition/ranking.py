"""Which stories come first, why, and how long they take to read.

A story's score counts seconds, so that everything can be weighed against freshness: each further medium that tells it
in its own words and each point of the operator's weights is worth a day. Age is gentle within the days that an
edition is about, so that the night's news is not buried: a quarter of a day over all of them; what is older still
loses a second for each second, until a day is lost. Integers only: the same posts give the same order everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from math import fsum
from typing import Any, Protocol, TypeVar

from msgspec import Struct, field

from digest.models import Code

DAY = 86_400
GENTLE = DAY // 4
"""What a story loses over all the days that an edition is about."""
COPIED = 40
"""Characters of a summary that two posts hardly have in common unless one is a copy of the other."""
CJK_MILLISECONDS = 150
"""To read one character of Chinese, Japanese or Korean: 400 a minute."""
WORD_MILLISECONDS = 250
"""To read one word of any other script: 240 a minute."""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
_WORD_FORM = rf"[^\W{_CJK}]+(?:[-'’.,][^\W{_CJK}]+)*"

_NO_WORD = re.compile(r"[\W_]+")

T = TypeVar("T")


class Weighed(Protocol):
    """What counts of a post."""

    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def published(self) -> datetime: ...
    @property
    def source_name(self) -> str | None: ...
    @property
    def categories(self) -> tuple[str, ...]: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def codes(self) -> tuple[Code, ...]: ...


class Weights(Struct, frozen=True, kw_only=True):
    """The operator's points."""

    tags: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, float] = field(default_factory=dict)
    """By stock or sector: ``600519``, ``BK1036``, or with its market ``90,BK1036``."""
    sources: Mapping[str, float] = field(default_factory=dict)
    """By medium, as posts name it."""
    categories: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, float] = field(default_factory=dict)
    """By what stands in a title; capitals and width make no difference."""

    def of(self, story: Sequence[Weighed]) -> float:
        """The points of a story. Each key counts once."""
        points = [0.0]
        for weights, labels in (
            (self.tags, {tag for post in story for tag in post.tags}),
            (self.codes, {name for post in story for each in post.codes for name in _names(each)}),
            (self.sources, {post.source_name for post in story}),
            (self.categories, {name for post in story for name in post.categories}),
        ):
            points += [weight for label, weight in weights.items() if label in labels]
        if self.words:
            titles = "\n".join(_folded(post.title) for post in story)
            points += [weight for word, weight in self.words.items() if _has_word(titles, _folded(word))]
        return fsum(points)


class Score(Struct, frozen=True, kw_only=True):
    """How much a story matters."""

    points: int
    """Seconds."""
    reasons: tuple[str, ...]
    """What made it up, for programs: ``sources=3``, ``weight=2``, ``age=5h``; only what there is."""


def score(story: Sequence[Weighed], weights: Weights, newest: datetime, days: int = 1) -> Score:
    """The score of posts that tell one story. ``newest`` is the date of the newest post that it competes with,
    ``days`` how many days they are about."""
    sources = count_sources(story)
    weight = weights.of(story)
    age = max(int((newest - max(post.published for post in story)).total_seconds()), 0)
    span = days * DAY
    lost = GENTLE * min(age, span) // span + max(age - span, 0)
    reasons = []
    if len(story) > 1:
        reasons.append(f"sources={sources}")
    if weight:
        reasons.append(f"weight={weight:g}")
    if age >= 3600:
        reasons.append(f"age={age // 3600}h")
    return Score(
        points=(sources - 1) * DAY + round(weight * DAY) + max(DAY - lost, 0),
        reasons=tuple(reasons),
    )


def count_sources(story: Sequence[Weighed]) -> int:
    """Media that tell it in words of their own, by name, or else by category: of those that have the same title, or the
    same summary of some length, one counts."""
    told: set[Hashable] = set()
    media: set[Hashable] = set()
    for post in sorted(story, key=lambda post: (post.published, post.source_name or "", post.title)):
        words = {_told(post.title), _told(post.summary) if len(post.summary) >= COPIED else None} - {None}
        medium = post.source_name or post.categories[:1]
        if told.isdisjoint(words):
            media.add(medium)
        told |= words
    return max(len(media), 1)


def _told(text: str) -> str:
    return _NO_WORD.sub("", _folded(text))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _has_word(text: str, word: str) -> bool:
    """Whether it has the word, a whole one where words are set apart."""
    start = r"\b" if word[:1].isascii() and word[:1].isalnum() else ""
    end = r"\b" if word[-1:].isascii() and word[-1:].isalnum() else ""
    return re.search(start + re.escape(word) + end, text, re.ASCII) is not None


def _names(code: Code) -> tuple[str, str]:
    return code.code, f"{code.market},{code.code}"


class Share(Struct, frozen=True, kw_only=True):
    """What each of some kind may have: a section, a medium."""

    name: str
    of: Callable[[Any], Hashable]
    """Whose an item is; None if nobody's."""
    percent: int
    """Of what was given so far; everybody may have one."""
    taken: Mapping[Hashable, int]
    """What each was given before."""


def in_turn(items: Sequence[T], rank: Callable[[T], Any], shares: Sequence[Share]) -> list[tuple[T, tuple[str, ...]]]:
    """All items, the one that ``rank`` puts lowest first; with the names of the shares that made it wait.

    Nobody has more than their share of what was given so far, as long as somebody who is below it has items left. Of
    those that are all above, who is above fewer shares goes first.
    """
    given = [Counter(share.taken) for share in shares]
    queues: dict[tuple[Hashable, ...], deque[T]] = {}
    for item in sorted(items, key=rank):
        queues.setdefault(tuple(share.of(item) for share in shares), deque()).append(item)

    def above(owners: tuple[Hashable, ...]) -> tuple[str, ...]:
        return tuple(
            share.name
            for share, counts, owner in zip(shares, given, owners, strict=True)
            if owner is not None and counts[owner] >= max(1, -(-share.percent * (counts.total() + 1) // 100))
        )

    ready = [(rank(queue[0]), number, owners) for number, (owners, queue) in enumerate(queues.items())]
    heapify(ready)
    waited: dict[int, tuple[str, ...]] = {}
    order: list[tuple[T, tuple[str, ...]]] = []
    while ready:
        passed = []
        while ready and above(ready[0][2]):
            passed.append(heappop(ready))
        chosen = heappop(ready) if ready else min(passed, key=lambda entry: (len(above(entry[2])), entry[0]))
        for entry in passed:
            if entry is not chosen:
                heappush(ready, entry)
                if entry[0] < chosen[0]:
                    waited[entry[1]] = tuple(name for name in above(entry[2]) if name not in above(chosen[2]))
        _, number, owners = chosen
        order.append((queues[owners].popleft(), waited.pop(number, ())))
        for counts, owner in zip(given, owners, strict=True):
            counts[owner] += 1
        if queues[owners]:
            heappush(ready, (rank(queues[owners][0]), number, owners))
    return order


def reading_time(text: str) -> int:
    """Milliseconds that a text takes to read."""
    characters, words = re.findall(f"[{_CJK}]", text), re.findall(_WORD_FORM, text)  # compiled late: few runs read
    return CJK_MILLISECONDS * len(characters) + WORD_MILLISECONDS * len(words)
