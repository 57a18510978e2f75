"""Which posts tell the same story: groups of near-duplicates, rewordings and updates.

Posts are compared by the pairs of characters that they share, so it works for Chinese, where a title is one or two
words, as well as for other scripts (there by groups of four letters). What many posts have (收盘, 今日) says little,
what few have (a company's name) says much: the likeness of two posts is the cosine of their shingles weighted by
inverse document frequency. News that looks alike differs in its numbers, so quantities count on their own: the same
one in both (320亿) speaks for the same story, different ones of the same unit in a title (3200亿 and 1500亿)
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
from dataclasses import dataclass
from itertools import combinations, product
from math import fsum, log, sqrt
from typing import TypeVar

ALIKE = 0.40
"""From this likeness on two posts tell the same story. Set, like the shares below, by the labelled sample in
``tests/edition/stories``."""

_QUANTITIES = 0.4
"""What shared quantities add at most."""
_ENOUGH = 10.0
"""This much weight of shared quantities adds all of it."""
_CONFLICT = 0.3
"""What a conflict takes away; two at most are counted."""
_COHESION = 0.9
"""Two groups become one if their posts are on average this share of ``ALIKE`` alike."""
_MOST_POSTS = 100
"""A shingle of more posts, and of more than a tenth of them, makes none of them candidates."""
_PROMISING = 0.08
"""Candidates are posts that share this much by their rare shingles alone."""
_SUMMARY_LIMIT = 200

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORDS = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+")
_CJK_LETTER = re.compile(f"[{_CJK}]")
_QUANTITY = re.compile(
    r"(\d+(?:[.,]\d+)*|[零一二两三四五六七八九十百千]+(?=[个只家成座亿万天年轮次名人位款项股倍点分克吨]))\s*(%|[^\W\d_])?"
)
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000}

T = TypeVar("T")

Quantity = tuple[str, str]
"""Unit and value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """What is compared of one post."""

    key: int
    title: str
    summary: str = ""
    codes: frozenset[str] = frozenset()
    """Stocks that it names."""


@dataclass(frozen=True, slots=True)
class _Features:
    vector: Mapping[str, float]
    """Weights of shingles; of length 1."""
    title: frozenset[str]
    """Shingles of the title alone."""
    stated: Mapping[str, frozenset[str]]
    """Values in the title by unit."""
    known: Mapping[str, frozenset[str]]
    """Values anywhere by unit."""
    quantities: frozenset[Quantity]
    codes: frozenset[str]


def group_stories(tellings: Sequence[Telling]) -> tuple[tuple[int, ...], ...]:
    """The keys of posts in groups, each in the order given and the groups by their first."""
    stories = Stories(tellings)
    groups = {place: [place] for place in range(len(tellings))}
    home = list(range(len(tellings)))
    for _, one, other in sorted(stories.pairs(), key=lambda pair: (-pair[0], pair[1], pair[2])):
        first, second = sorted((home[one], home[other]))
        if first != second and stories.cohesion(groups[first], groups[second]) >= ALIKE * _COHESION:
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
        quantities = [
            (_quantities(telling.title), _quantities(f"{telling.title} | {telling.summary[:_SUMMARY_LIMIT]}"))
            for telling in tellings
        ]
        flat = [
            frozenset((unit, value) for unit, values in known.items() for value in values) for _, known in quantities
        ]
        self._weights = _rarity(shingles)
        self._rarity = _rarity(flat)
        self._features = [
            _Features(
                _unit(counts, self._weights), frozenset(_shingles(telling.title)), stated, known, pairs, telling.codes
            )
            for counts, (stated, known), pairs, telling in zip(shingles, quantities, flat, tellings, strict=True)
        ]
        self._known: dict[tuple[int, int], float] = {}

    def likeness(self, one: int, other: int) -> float:
        """From below 0 (nothing in common) to 1.4 (the same text with many numbers), by places."""
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
        if one.title.isdisjoint(other.vector) or other.title.isdisjoint(one.vector):
            return 0.0  # a title that has nothing to do with the other post: a shared boilerplate
        shared = fsum(self._rarity[quantity] for quantity in one.quantities & other.quantities)
        conflicts = _conflicts(one, other) + _conflicts(other, one)
        if one.codes and other.codes and not one.codes & other.codes:
            conflicts += 1
        return (
            _dot(one.vector, other.vector)
            + _QUANTITIES * min(shared, _ENOUGH) / _ENOUGH
            - _CONFLICT * min(conflicts, 2)
        )

    def _candidates(self, across: int | None) -> list[tuple[int, int]]:
        """Pairs of places that share rare shingles; with ``across`` only those on both sides of it."""
        index: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, features in enumerate(self._features):
            for shingle, weight in features.vector.items():
                index[shingle].append((place, weight))
        shared: dict[tuple[int, int], float] = defaultdict(float)
        most = max(_MOST_POSTS, len(self._features) // 10)
        for posts in index.values():
            if 1 < len(posts) <= most:
                if across is None:
                    pairs: Iterable[tuple[tuple[int, float], tuple[int, float]]] = combinations(posts, 2)
                else:
                    middle = bisect_left(posts, (across,))
                    pairs = product(posts[:middle], posts[middle:])
                for (one, weight), (other, weight_too) in pairs:
                    shared[one, other] += weight * weight_too
        return sorted(pair for pair, common in shared.items() if common >= _PROMISING)


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


def _quantities(text: str) -> dict[str, frozenset[str]]:
    """Values by unit: ``净投放1800亿元，两座铜矿`` has 1800 of 亿 and 2 of 座. 七成 is 70 of %."""
    found: dict[str, set[str]] = defaultdict(set)
    for digits, unit in _QUANTITY.findall(_folded(text)):
        value = (
            float(digits.replace(",", "") if digits.count(".") < 2 else 0) if digits[0].isdigit() else _spelt(digits)
        )
        if unit == "成":
            value, unit = value * 10, "%"
        found[unit].add(f"{value:g}")
    return {unit: frozenset(values) for unit, values in found.items()}


def _spelt(numeral: str) -> float:
    """``十二`` is 12, ``三百`` 300."""
    total = digit = 0
    for sign in numeral:
        if sign in _POWERS:
            total, digit = total + (digit or 1) * _POWERS[sign], 0
        else:
            digit = _DIGITS[sign]
    return total + digit


def _conflicts(one: _Features, other: _Features) -> int:
    """Units for which a title states values that the other post, which has some, does not have."""
    return sum(unit in other.known and not values & other.known[unit] for unit, values in one.stated.items())


def _rarity(rows: Sequence[Iterable[T]]) -> dict[T, float]:
    """Inverse document frequency."""
    frequency = Counter(item for row in rows for item in row)
    return {item: log(1 + len(rows) / count) for item, count in frequency.items()}


def _unit(counts: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    vector = {shingle: count * weights[shingle] for shingle, count in counts.items()}
    length = sqrt(sum(weight * weight for weight in vector.values()))
    return {shingle: weight / length for shingle, weight in vector.items()}


def _dot(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if len(one) > len(other):
        one, other = other, one
    return sum(weight * other[shingle] for shingle, weight in one.items() if shingle in other)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
