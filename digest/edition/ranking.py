"""Which stories come first, why, and how long they take to read.

A story's score counts seconds, so that everything can be weighed against freshness: each further source and each
point of the operator's weights is worth a day, and a story loses a second for each second that it is older than the
newest one, for a day at most. Integers only: the same posts give the same order everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from digest.models import Code

DAY = 86_400
CJK_MILLISECONDS = 150
"""To read one character of Chinese, Japanese or Korean: 400 a minute."""
WORD_MILLISECONDS = 250
"""To read one word of any other script: 240 a minute."""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
_WORD_FORM = rf"[^\W{_CJK}]+(?:[-'’.,][^\W{_CJK}]+)*"

T = TypeVar("T")


class Weighed(Protocol):
    """What counts of a post."""

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


class Score(Struct, frozen=True, kw_only=True):
    """How much a story matters."""

    points: int
    """Seconds."""
    reasons: tuple[str, ...]
    """What made it up, for programs: ``sources=3``, ``weight=2``, ``age=5h``; only what there is."""


def score(story: Sequence[Weighed], weights: Mapping[str, float], newest: datetime) -> Score:
    """The score of posts that tell one story. ``weights`` are points by tag, by stock or sector code (``600519``,
    ``BK1036``, or with its market ``90,BK1036``); each label counts once. ``newest`` is the date of the newest post
    that it competes with."""
    sources = count_sources(story)
    weight = sum(weights.get(label, 0) for label in sorted(_labels(story))) if weights else 0
    age = max(int((newest - max(post.published for post in story)).total_seconds()), 0)
    reasons = []
    if len(story) > 1:
        reasons.append(f"sources={sources}")
    if weight:
        reasons.append(f"weight={weight:g}")
    if age >= 3600:
        reasons.append(f"age={age // 3600}h")
    return Score(
        points=(sources - 1) * DAY + round(weight * DAY) + max(DAY - age, 0),
        reasons=tuple(reasons),
    )


def count_sources(story: Sequence[Weighed]) -> int:
    """Media that tell it: by name, or else by category."""
    return len({post.source_name or post.categories[:1] for post in story})


def _labels(story: Sequence[Weighed]) -> set[str]:
    found = {tag for post in story for tag in post.tags}
    for post in story:
        for code in post.codes:
            found |= {code.code, f"{code.market},{code.code}"}
    return found


def in_turn(
    queues: Sequence[Sequence[T]], rank: Callable[[T], Any], taken: Sequence[int], quota: int
) -> list[tuple[T, bool]]:
    """The items of all queues, the one that ``rank`` puts lowest first, each queue in its own order; with whether the
    quota made it wait.

    No queue has more than ``quota`` percent of what was given so far (and may have one), as long as another one that
    has items left is below that. ``taken`` is what each was given before.
    """
    given, total = list(taken), sum(taken)
    places = [0] * len(queues)
    waiting: set[tuple[int, int]] = set()
    ready = [(rank(queue[0]), place) for place, queue in enumerate(queues) if queue]
    heapify(ready)
    order: list[tuple[T, bool]] = []
    while ready:
        most = max(1, -(-quota * (total + 1) // 100))
        passed: list[tuple[Any, int]] = []
        while ready and given[ready[0][1]] >= most:
            passed.append(heappop(ready))
        waiting.update((queue, places[queue]) for _, queue in passed if ready)
        _, queue = heappop(ready) if ready else passed.pop(0)
        order.append((queues[queue][places[queue]], (queue, places[queue]) in waiting))
        places[queue] += 1
        given[queue] += 1
        total += 1
        if places[queue] < len(queues[queue]):
            heappush(ready, (rank(queues[queue][places[queue]]), queue))
        for entry in passed:
            heappush(ready, entry)
    return order


def reading_time(text: str) -> int:
    """Milliseconds that a text takes to read."""
    characters, words = re.findall(f"[{_CJK}]", text), re.findall(_WORD_FORM, text)  # compiled late: few runs read
    return CJK_MILLISECONDS * len(characters) + WORD_MILLISECONDS * len(words)
