"""Which posts tell the same story: groups of near-duplicates, rewordings and updates.

Two posts are as alike as the words of the one are found in the other, the rare ones counting most: a name more than a
thing, a thing more than a deed (``likeness``). How rare a word is the archive says, and a dictionary where that is
small. Where it is in doubt posts stay apart: a reader rather sees a story twice than not at all.

Only posts that share a rare word are compared, through an inverted index. Pure and deterministic: every post comes back
in exactly one group.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, product
from math import fsum, log

from msgspec import Struct

from digest.edition.lexicon import ROUND_UPS
from digest.edition.likeness import ALIKE, GOES_ON, Title, compare, found
from digest.edition.words import EMPTY, Kind, Reading, Word, commonness, plain_text, read, stems

_WORTH = {Kind.NAME: 1.0, Kind.THING: 0.7, Kind.DEED: 0.35, Kind.GENERIC: 0.1}
"""What a word counts, beside how rare it is."""
_DICTIONARY = 2_000
"""The dictionary's word on how common a word is counts like so many titles."""
_RARE = 4.0
"""What is less rare is nothing that two texts have in common."""
_FEW = 100
"""A quantity is as rare as among so many more posts."""
_FULL = 0.2
"""What a whole summary counts beside the share of the other titles that a post has, to be the main report."""
_SUMMARY_LIMIT, _TITLE_LIMIT = 200, 500
_PROMISING = 0.2
"""Candidates have this much of a title found."""
_MOST_POSTS = 100
"""A word of more posts, and of more than a tenth of them, makes none of them candidates."""


class Telling(Struct, frozen=True, kw_only=True):
    """What is compared of one post."""

    key: int
    title: str
    summary: str = ""
    codes: frozenset[str] = frozenset()
    """Stocks that it names."""


def group_stories(tellings: Sequence[Telling], archive: Iterable[str] = ()) -> tuple[tuple[int, ...], ...]:
    """The keys of posts in groups, in the order of what comes first of each, newest first as they are given. The main
    report leads each, the others follow in the order given. ``archive`` are titles of other posts of the site: what
    many of them have says little."""
    stories = Stories(tellings, archive)
    groups = {place: [place] for place in range(len(tellings))}
    home = list(range(len(tellings)))
    for _, one, other in sorted(stories.pairs(), key=lambda pair: (-pair[0], pair[1], pair[2])):
        first, second = sorted((home[one], home[other]))
        if first != second and stories.cohesion(groups[first], groups[second]) >= ALIKE:
            for place in groups[second]:
                home[place] = first
            groups[first] += groups.pop(second)
    ordered = [(stories.main(group), sorted(group)) for _, group in sorted(groups.items())]
    return tuple(
        tuple(tellings[place].key for place in (main, *(place for place in group if place != main)))
        for main, group in ordered
    )


def find_earlier(tellings: Sequence[Telling], before: Sequence[Telling], archive: Iterable[str] = ()) -> dict[int, int]:
    """Which of the posts go on with a story of ``before``: their keys, with the key of the likest one."""
    both = (*tellings, *before)
    best: dict[int, tuple[float, int]] = {}
    for likeness, one, other in Stories(both, archive, before=len(before)).pairs():
        key = both[one].key
        best[key] = max(best.get(key, (0.0, 0)), (likeness, -other))
    return {key: both[-place].key for key, (_, place) in sorted(best.items())}


class Stories:
    """Posts made comparable: how rare words are depends on all of them. If the last so many are of the days ``before``,
    each pair has one of them and one of the others."""

    def __init__(self, tellings: Sequence[Telling], archive: Iterable[str] = (), *, before: int | None = None) -> None:
        readings = [read(telling.title[:_TITLE_LIMIT], telling.summary[:_SUMMARY_LIMIT]) for telling in tellings]
        self._rarity = _Rarity(readings, [*(telling.title for telling in tellings), *archive])
        self._count = len(readings)
        rare = self._rare(readings)
        self._marks = Counter(mark for reading in readings for mark in reading.marks)
        self._titles = [self._title(*pair, rare) for pair in zip(tellings, readings, strict=True)]
        self._enough = ALIKE if before is None else GOES_ON
        self._before = None if before is None else len(readings) - before
        """The place of the first post of the days before."""
        self._known: dict[tuple[int, int], float] = {}

    def _title(self, telling: Telling, reading: Reading, rare: Mapping[str, float]) -> Title:
        weights = tuple([_WORTH[word.kind] * self._rarity.of(word) for word in reading.words])
        return Title(
            reading=reading,
            weights=weights,
            weight=fsum(weights),
            codes=telling.codes,
            marks={mark: log(1 + (self._count + _FEW) / self._marks[mark]) for mark in reading.marks},
            rare={gram: rare[gram] for gram in reading.grams & rare.keys()},
            text=plain_text(telling.title).casefold(),
            summary=telling.summary,
            is_round_up=ROUND_UPS.search(telling.title) is not None,
        )

    def _rare(self, readings: Iterable[Reading]) -> dict[str, float]:
        """What few posts have, at least two, with its weight."""
        everything = self._count + _DICTIONARY
        texts = Counter(chain.from_iterable(reading.grams for reading in readings))
        weights = {
            gram: log(everything / (count + _DICTIONARY * commonness(gram))) - _RARE
            for gram, count in texts.items()
            if count > 1 and len(gram) > 1 and gram[0] != "~" and gram not in EMPTY
        }
        return {gram: weight for gram, weight in weights.items() if weight > 0}

    def likeness(self, one: int, other: int) -> float:
        """As ``compare`` says, by places."""
        pair = (one, other) if one < other else (other, one)
        if pair not in self._known:
            self._known[pair] = self._compare(*pair)
        return self._known[pair]

    def _compare(self, one: int, other: int, *, least: float = -1.0) -> float:
        return compare(self._titles[one], self._titles[other], later=self._crosses(one, other), least=least)

    def _crosses(self, one: int, other: int) -> bool:
        return self._before is not None and (one < self._before) != (other < self._before)

    def pairs(self) -> list[tuple[float, int, int]]:
        """All that are alike, with how much."""
        found = []
        for one, other in self._candidates():
            likeness = self._compare(one, other, least=self._enough)
            if likeness >= self._enough:
                found.append((likeness, one, other))
        return found

    def cohesion(self, group: Iterable[int], other: Sequence[int]) -> float:
        """How alike the posts of two groups are on average."""
        values = [self.likeness(one, two) for one, two in product(group, other)]
        return sum(values) / len(values)

    def main(self, group: Sequence[int]) -> int:
        """The place of the report that tells most of what the others do; of equal ones the fullest, then the first
        that came. One with a summary goes before one without."""

        def worth(place: int) -> tuple[bool, float, int]:
            mine = self._titles[place]
            told = [found(self._titles[other], mine) for other in group if other != place]
            full = min(len(mine.summary), _SUMMARY_LIMIT) / _SUMMARY_LIMIT
            return bool(mine.summary), round(sum(told) / max(len(told), 1) + _FULL * full, 1), place

        return max(group, key=worth)

    def _candidates(self) -> list[tuple[int, int]]:
        """Pairs of places of which one has much of the other's title."""
        index: dict[str, list[int]] = {
            gram: [] for title in self._titles for word in title.reading.words for gram in word.grams
        }
        for place, title in enumerate(self._titles):
            for gram in title.reading.grams & index.keys():
                index[gram].append(place)
        most = max(_MOST_POSTS, len(self._titles) // 10)
        telling = {gram: places for gram, places in index.items() if 1 < len(places) <= most}
        found: set[tuple[int, int]] = set()
        for one, title in enumerate(self._titles):
            shared: dict[int, float] = defaultdict(float)
            for word, weight in zip(title.reading.words, title.weights, strict=True):
                share = weight / max(len(word.grams), 1)
                for gram in word.grams:
                    for other in telling.get(gram, ()):
                        shared[other] += share
            for other, weight in shared.items():
                if one != other and weight >= _PROMISING * title.weight:
                    found.add((min(one, other), max(one, other)))
        if self._before is not None:
            return sorted(pair for pair in found if self._crosses(*pair))
        return sorted(found)


class _Rarity:
    """How much a word says: the less titles have it the more."""

    def __init__(self, readings: Iterable[Reading], titles: Sequence[str]) -> None:
        wanted = {gram for reading in readings for word in reading.words for gram in word.grams}
        self._frequency = Counter(chain.from_iterable(stems(title, wanted) for title in titles))
        self._all = len(titles) + _DICTIONARY

    def of(self, word: Word) -> float:
        count = min([self._frequency[gram] for gram in word.grams], default=self._all)
        return log(self._all / min(count + _DICTIONARY * word.common + 0.5, self._all))
