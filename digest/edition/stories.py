"""Which posts tell the same story: groups of near-duplicates, rewordings and updates.

Posts are compared by the pairs of characters that they share, so it works for Chinese, where a title is one or two
words, as well as for other scripts (there by groups of four letters). What many posts have (收盘, 今日) says little,
what few have (a company's name) says much: two posts are as alike as the one has the other's title in it, each
shingle weighted by inverse document frequency; what no other post has is a way of putting it, and counts less. News
that looks alike differs in its numbers, so quantities count on their own: the same one in both (320亿), like the same
name in quotes (“白鹭”), speaks for the same story, different ones of the same unit in a title (3200亿 and 1500亿)
against it, and so do different stocks.

Only posts that share a rare shingle are compared, through an inverted index. Pure and deterministic: every post
comes back in exactly one group.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import fsum, log, sqrt
from typing import TypeVar

from msgspec import Struct

ALIKE = 0.45
"""From this likeness on two posts tell the same story. Set, like the shares below, by the labelled sample in
``tests/edition/stories``; what that is worth is measured on another one beside it."""

_ALONE = 0.35
"""What a shingle counts that is in one post only."""
_OTHER_WAY = 0.4
"""How much of the likeness is how far the title is found that is found less: one of the two may say more."""
_QUANTITIES = 0.4
"""What shared quantities and names add at most."""
_ENOUGH = 10.0
"""This much weight of them adds all of it."""
_CONFLICT = 0.5
"""What a conflict takes away; two at most are counted."""
_TELLING_DIGITS = 3
"""A number of so many digits is the same number whatever it counts (412班, 412个航班)."""
_MOST_POSTS = 100
"""A shingle of more posts, and of more than a tenth of them, makes none of them candidates."""
_PROMISING = 0.08
"""Candidates are posts that share this much by their rare shingles alone."""
_SUMMARY_LIMIT = 200

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORDS = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+")
_CJK_LETTER = re.compile(f"[{_CJK}]")
_QUANTITY = re.compile(
    r"(\d+(?:[.,]\d+)*|[零一二两三四五六七八九十百千]+(?=[个只家成座亿万天年轮次名人位款项股倍点分克吨辆户套件米里条起]))\s*个?(%|[^\W\d_])?"
)
_ABOUT = re.compile(r"(?:约|近|超|超过|逾|不足|破|过|about|nearly|almost|over|than) ?$")
"""Before a quantity: another one may mean the same."""
_QUOTED = re.compile(r"[“「『《\"]([^”」』》\"\s]{2,12})[”」』》\"]")
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000}

T = TypeVar("T")

Quantity = tuple[str, str]
"""Unit and value."""


class Telling(Struct, frozen=True, kw_only=True):
    """What is compared of one post."""

    key: int
    title: str
    summary: str = ""
    codes: frozenset[str] = frozenset()
    """Stocks that it names."""


class _Features(Struct, frozen=True, kw_only=True):
    vector: Mapping[str, float]
    """Weights of shingles; of length 1."""
    title: tuple[tuple[str, float], ...]
    """Shingles of the title alone, with their weights."""
    stated: Mapping[str, frozenset[str]]
    """Exact values in the title by unit."""
    known: Mapping[str, frozenset[str]]
    """Values anywhere by unit."""
    marks: frozenset[Quantity]
    """Quantities and quoted names: what tells it from others that look alike."""
    weight: float
    """Of the title's shingles."""
    codes: frozenset[str]


def group_stories(tellings: Sequence[Telling]) -> tuple[tuple[int, ...], ...]:
    """The keys of posts in groups, each in the order given and the groups by their first."""
    stories = Stories(tellings)
    groups = {place: [place] for place in range(len(tellings))}
    home = list(range(len(tellings)))
    for _, one, other in sorted(stories.pairs(), key=lambda pair: (-pair[0], pair[1], pair[2])):
        first, second = sorted((home[one], home[other]))
        if first != second and stories.cohesion(groups[first], groups[second]) >= ALIKE:
            for place in groups[second]:
                home[place] = first
            groups[first] += groups.pop(second)
    return tuple(tuple(tellings[place].key for place in sorted(group)) for _, group in sorted(groups.items()))


def find_earlier(tellings: Sequence[Telling], before: Sequence[Telling]) -> dict[int, int]:
    """Which of the posts go on with a story of ``before``: their keys, with the key of the likest one."""
    both = (*tellings, *before)
    best: dict[int, tuple[float, int]] = {}
    for likeness, one, other in Stories(both).pairs(across=len(tellings)):
        key = both[one].key
        best[key] = max(best.get(key, (0.0, 0)), (likeness, -other))
    return {key: both[-place].key for key, (_, place) in sorted(best.items())}


class Stories:
    """Posts made comparable: weights depend on all of them."""

    def __init__(self, tellings: Sequence[Telling]) -> None:
        shingles = [_counted(telling) for telling in tellings]
        texts = [f"{telling.title} | {telling.summary[:_SUMMARY_LIMIT]}" for telling in tellings]
        known = [_quantities(text) for text in texts]
        marks = [_marks(quantities, text) for quantities, text in zip(known, texts, strict=True)]
        weights = {
            shingle: weight if count > 1 else weight * _ALONE for shingle, (weight, count) in _weighed(shingles).items()
        }
        titles = [tuple([(each, weights[each]) for each in _shingles(telling.title)]) for telling in tellings]
        self._rarity = _rarity(marks)
        self._features = [
            _Features(
                vector=_unit(counts, weights),
                title=title,
                stated=_quantities(telling.title, exact=True),
                known=quantities,
                marks=theirs,
                weight=fsum([weight for _, weight in title]),
                codes=telling.codes,
            )
            for counts, title, quantities, theirs, telling in zip(shingles, titles, known, marks, tellings, strict=True)
        ]
        self._known: dict[tuple[int, int], float] = {}

    def likeness(self, one: int, other: int) -> float:
        """From -1 (the same title with other numbers) to 1.5 (the same text with many numbers), by places."""
        pair = (one, other) if one < other else (other, one)
        if pair not in self._known:
            self._known[pair] = self._compare(self._features[one], self._features[other])
        return self._known[pair]

    def pairs(self, across: int | None = None) -> list[tuple[float, int, int]]:
        """All that are alike, with how much; with ``across`` only those with one post before this place and one from
        it on."""
        found = []
        for one, other in self._candidates(across):
            likeness = self.likeness(one, other)
            if likeness >= ALIKE:
                found.append((likeness, one, other))
        return found

    def cohesion(self, group: Iterable[int], other: Sequence[int]) -> float:
        """How alike the posts of two groups are on average."""
        values = [self.likeness(one, two) for one, two in product(group, other)]
        return sum(values) / len(values)

    def _compare(self, one: _Features, other: _Features) -> float:
        there = _found(one, other)
        back = _found(other, one) if there else 0.0
        if not there or not back:
            return 0.0  # a title that has nothing to do with the other post: a shared boilerplate
        shared = fsum([self._rarity[mark] for mark in one.marks & other.marks])
        conflicts = _conflicts(one, other) + _conflicts(other, one)
        if one.codes and other.codes and not one.codes & other.codes:
            conflicts += 1
        return (
            (1 - _OTHER_WAY) * max(there, back)
            + _OTHER_WAY * min(there, back)
            + _QUANTITIES * min(shared, _ENOUGH) / _ENOUGH
            - _CONFLICT * min(conflicts, 2)
        )

    def _candidates(self, across: int | None) -> list[tuple[int, int]]:
        """Pairs of places that share rare shingles; with ``across`` only those on both sides of it."""
        index: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, features in enumerate(self._features):
            for shingle, weight in features.vector.items():
                index[shingle].append((place, weight))
        shared: list[dict[int, float]] = [{} for _ in self._features]
        most = max(_MOST_POSTS, len(self._features) // 10)
        for posts in index.values():
            if 1 < len(posts) <= most:
                middle = len(posts) if across is None else bisect_left(posts, (across,))
                for place, (one, weight) in enumerate(posts[:middle], 1):
                    row = shared[one]
                    for other, weight_too in posts[place:] if across is None else posts[middle:]:
                        row[other] = row.get(other, 0.0) + weight * weight_too
        return [(one, other) for one, row in enumerate(shared) for other in sorted(row) if row[other] >= _PROMISING]


def _found(one: _Features, other: _Features) -> float:
    """How much of a title another post has in it, from 0 to 1."""
    if not one.weight:
        return 0.0
    vector = other.vector
    return fsum([weight for shingle, weight in one.title if shingle in vector]) / one.weight


def _counted(telling: Telling) -> dict[str, int]:
    """Shingles, those of the title twice."""
    counts = dict.fromkeys(_shingles(telling.summary[:_SUMMARY_LIMIT]), 1)
    for shingle in _shingles(telling.title):
        counts[shingle] = counts.get(shingle, 0) + 1
    return counts


def _shingles(text: str) -> dict[str, None]:
    """Pairs of characters of Chinese, Japanese and Korean, groups of four letters of other words; each once, in the
    order of the text and not that of a set, which differs from process to process: sums of floats depend on it."""
    found: dict[str, None] = {}
    for word in _WORDS.findall(_folded(text)):
        size = 2
        if not _CJK_LETTER.match(word):
            word, size = f"_{word}_", 4
        found.update(dict.fromkeys(word[start : start + size] for start in range(max(len(word) - size + 1, 1))))
    return found


def _quantities(text: str, *, exact: bool = False) -> dict[str, frozenset[str]]:
    """Values by unit: ``净投放1800亿元，两座铜矿`` has 1800 of 亿 and 2 of 座. 七成 is 70 of %, 一家 is an article.
    With ``exact`` without those that the text itself calls no more than near (超1.6万亿)."""
    found: dict[str, set[str]] = defaultdict(set)
    folded = _folded(text)
    for match in _QUANTITY.finditer(folded):
        digits, unit = match[1], match[2] or ""
        if (digits == "一" and unit != "成") or (exact and _ABOUT.search(folded[: match.start()])):
            continue
        value = (
            float(digits.replace(",", "") if digits.count(".") < 2 else 0) if digits[0].isdigit() else _spelt(digits)
        )
        if unit == "成":
            value, unit = value * 10, "%"
        found[unit].add(f"{value:g}")
    return {unit: frozenset(values) for unit, values in found.items()}


def _marks(quantities: Mapping[str, frozenset[str]], text: str) -> frozenset[Quantity]:
    """Quantities, telling ones without their unit, and names in quotes."""
    found = {
        ("" if len(value.replace(".", "")) >= _TELLING_DIGITS else unit, value)
        for unit, values in quantities.items()
        for value in values
    }
    return frozenset(found | {("“”", name) for name in _QUOTED.findall(_folded(text))})


def _spelt(numeral: str) -> float:
    """``十二`` is 12, ``三百`` 300."""
    total = digit = 0
    for sign in numeral:
        if sign in _POWERS:
            total, digit = total + (digit or 1) * _POWERS[sign], 0
        else:
            digit = _DIGITS[sign]
    return total + digit


def _conflicts(one: _Features, other: _Features) -> float:
    """Units for which a title states values that the other post, which has some, does not have; half each where only
    its summary has them: that may speak of something else."""
    return sum(
        1 if unit in other.stated else 0.5
        for unit, values in one.stated.items()
        if unit in other.known and not values & other.known[unit]
    )


def _rarity(rows: Sequence[Iterable[T]]) -> dict[T, float]:
    """Inverse document frequency."""
    return {item: weight for item, (weight, _) in _weighed(rows).items()}


def _weighed(rows: Sequence[Iterable[T]]) -> dict[T, tuple[float, int]]:
    """Inverse document frequency, and in how many rows an item is."""
    frequency = Counter(item for row in rows for item in row)
    return {item: (log(1 + len(rows) / count), count) for item, count in frequency.items()}


def _unit(counts: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    vector = {shingle: count * weights[shingle] for shingle, count in counts.items()}
    length = sqrt(sum(weight * weight for weight in vector.values()))
    return {shingle: weight / length for shingle, weight in vector.items()}


@lru_cache(maxsize=1024)
def _folded(text: str) -> str:
    """A text is looked at several times."""
    return unicodedata.normalize("NFKC", text).casefold()
