"""How alike two posts are, and what speaks against it that they tell the same story.

For it speaks how much of a title, of rare words and of quantities the other post has. News that looks alike differs in
what it is about, so against it speak other stocks, versions, periods and quantities of one kind; another name before
the colon; and where two titles are else the same, a name, place, thing or number that has another one in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum, log1p

from msgspec import Struct

from digest.edition.lexicon import OPPOSITES
from digest.edition.words import IDENTIFIERS, Kind, Number, Reading, Word, stems

ALIKE, GOES_ON = 1.05, 0.9
"""From this likeness on two posts tell the same story, and a later one goes on with that of an earlier one. Set, like
what follows, by the labelled samples ``sample``, ``lookalikes``, ``held-out`` and ``follow-ups`` in
``tests/edition/stories``; what that is worth is measured on the others there."""

_FOUND = 0.07
"""What it counts which share of a title is found in the other post, of the one that is found more."""
_SHARED, _ENOUGH = 0.025, 20.0
"""What it counts how much is found, up to so much: three rare names."""
_TOGETHER, _OVERLAP = 0.59, 0.67
"""What it counts how much of what few posts have both texts have anywhere, and which share of a pair of characters is
told already by one that overlaps it."""
_MARKED, _MARKS = 0.06, 10.0
"""What it counts how rare the quantities are that both have, up to so much."""
_ROUNDED = 4.0
"""As rare is a number of a title that is the other one rounded."""
_VERSION, _IDENTIFIER = 0.1, 0.45
"""What it counts that both titles name one version, and that it is one that nothing else has (CVE-2026-15467)."""
_AGAINST = {"version": 1.0, "number": 0.25, "period": 0.2, "subject": 0.3, "slot": 0.9, "lead": 0.2, "object": 0.2}
"""What takes away how much (``evidence``)."""
_PASSED_OVER = 0.3
"""Differences of words that are no greater say nothing."""
_SLOT = 5
"""Words that may stand in the place of others."""
_DIFFERENCE = {
    (Kind.NAME, Kind.NAME): 1.0,
    (Kind.THING, Kind.NAME): 0.8,
    (Kind.THING, Kind.THING): 0.6,
    (Kind.DEED, Kind.NAME): 0.5,
    (Kind.DEED, Kind.THING): 0.4,
    (Kind.GENERIC, Kind.NAME): 0.4,
}
"""How much a word of one kind differs from one of another that stands in its place."""
_HARDLY = 0.2
_MEANING = 6.0
"""A title of less weight may be that of many posts (公告)."""
_COPY, _VETO = 2.0, -1.0


class Title(Struct, frozen=True, kw_only=True):
    """What is compared of a post: what was read of it, and how much each part says."""

    reading: Reading
    weights: tuple[float, ...]
    """Of the title's words."""
    weight: float
    """All of it."""
    codes: frozenset[str]
    marks: Mapping[str, float]
    """Quantities, with their weight."""
    rare: Mapping[str, float]
    """What few other posts have, with its weight."""
    text: str
    """The title in one spelling."""
    summary: str
    is_round_up: bool


def compare(one: Title, other: Title, *, later: bool = False, least: float = _VETO) -> float:
    """How alike two posts are, less what speaks against it: from -1 to 2, which is a copy. ``later``: the one was
    written a day or more after the other. Where it is soon clear that it is less than ``least`` it is not found out how
    much less."""
    if one.codes and other.codes and not one.codes & other.codes:
        return _VETO
    if _is_copy(one, other):
        return _COPY
    if one.is_round_up or other.is_round_up:
        return _VETO
    marked = _MARKED * min(_shared_marks(one, other), _MARKS)
    telling = marked + _same_version(one.reading, other.reading) + _TOGETHER * log1p(together(one, other) / 5)
    if telling + _FOUND + _SHARED * min((one.weight + other.weight) / 2, _ENOUGH) < least:
        return _VETO
    there, back = found(one, other), found(other, one)
    if not there or not back:
        return 0.0  # a title that has nothing to do with the other post: a shared boilerplate
    alike = _FOUND * max(there, back) + _SHARED * min((there * one.weight + back * other.weight) / 2, _ENOUGH) + telling
    if alike < GOES_ON:
        return alike
    against = evidence(one, other, later=later)
    if later:
        against["number"] *= min(there, back) ** 2  # a story has new figures, a table has them in the same words
    return max(alike - fsum([_AGAINST[name] * value for name, value in against.items()]), _VETO)


def together(one: Title, other: Title) -> float:
    """How rare what both texts have is, little of what overlaps: it is one name."""
    shared = one.rare.keys() & other.rare.keys()
    if not shared:
        return 0.0
    pairs = {gram for gram in shared if len(gram) == 2 and not gram.isascii()}
    before = {gram[1]: one.rare[gram] for gram in sorted(pairs, key=one.rare.__getitem__)}
    weights = ((one.rare[gram], before.get(gram[0], 0.0) if gram in pairs else 0.0) for gram in shared)
    return fsum([weight - _OVERLAP * min(weight, overlapped) for weight, overlapped in weights])


def _is_copy(one: Title, other: Title) -> bool:
    if one.text != other.text or one.is_round_up:
        return False
    return one.weight >= _MEANING or bool(one.summary and one.summary == other.summary)


def evidence(one: Title, other: Title, *, later: bool = False) -> dict[str, float]:
    """What speaks against one story, each from 0 to 1 or a little more."""
    a, b = one.reading, other.reading
    return {
        "version": float(_other_version(a, b)),
        "number": min(_conflicts(a, b) + _conflicts(b, a), 1.5),
        "period": float(_other_period(a, b)),
        "subject": float(_other_subject(a, b)),
        "slot": max(slots(one, other, later=later) - _PASSED_OVER, 0.0),
        "lead": float(_other_lead(a, b)),
        "object": float(later and _other_object(a, b) and _other_object(b, a)),
    }


def _other_version(a: Reading, b: Reading) -> bool:
    """Whether the titles are about other versions, editions, games: none of the one's is in the other post, or both
    have one of the same thing and none in common."""
    if not a.versions or not b.versions:
        return False
    mine, theirs = ({number for _, number in each} for each in (a.versions, b.versions))
    if not mine & {n for _, n in b.known_versions} and not theirs & {n for _, n in a.known_versions}:
        return True
    products = {name for name, _ in a.versions} & {name for name, _ in b.versions}
    return any(
        {n for name, n in a.versions if name == thing}.isdisjoint(n for name, n in b.versions if name == thing)
        for thing in products
        if thing
    )


def found(one: Title, other: Title) -> float:
    """How much of a title another post has, from 0 to 1."""
    if not one.weight:
        return 0.0
    grams = other.reading.grams
    return (
        fsum([weight * _presence(word, grams) for word, weight in zip(one.reading.words, one.weights, strict=True)])
        / one.weight
    )


def _presence(word: Word, grams: frozenset[str]) -> float:
    """Which share of a word a text has."""
    if not word.grams or word.deed in grams:
        return float(bool(word.grams))
    return sum(map(grams.__contains__, word.grams)) / len(word.grams)


def _shared_marks(one: Title, other: Title) -> float:
    """How rare what both count is, one number that is the other rounded included."""
    shared = _marks(one, other)
    if not shared and _has_rounded(one.reading, other.reading):
        return _ROUNDED
    return shared


def _marks(one: Title, other: Title) -> float:
    return fsum([one.marks[mark] for mark in one.marks.keys() & other.marks.keys()])


def _has_rounded(a: Reading, b: Reading) -> bool:
    return any(
        x.unit == y.unit and x.meets(y) for mine, theirs in ((a, b), (b, a)) for x in mine.telling for y in theirs.exact
    )


def _same_version(a: Reading, b: Reading) -> float:
    """What it counts that both titles name one version of one thing."""
    names = {name for name, _ in a.versions & b.versions} - {"-", "th", "评"}
    if names & IDENTIFIERS:
        return _IDENTIFIER
    return _VERSION if names else 0.0


def _conflicts(a: Reading, b: Reading) -> float:
    """Units for which a title states values that the other post, which has some, does not have; half each where only
    its summary has them: that may speak of something else."""
    total = 0.0
    stated = {number.unit for number in b.stated}
    for unit in {number.unit for number in a.stated}:
        theirs = [number for number in b.known if number.unit == unit]
        others = [number for number in b.known if not number.unit]
        mine = [number for number in a.stated if number.unit == unit]
        if theirs and not any(x.meets(y) for x in mine for y in (*theirs, *others)):
            total += 1.0 if unit in stated else 0.5
    return total


def _other_period(a: Reading, b: Reading) -> bool:
    """Whether the titles are of other months, seasons or numbers of a series."""
    mine, theirs = ([n for n in each.stated if n.is_period and n.unit != "日"] for each in (a, b))
    return _other_numbers(mine, theirs)


def _other_subject(a: Reading, b: Reading) -> bool:
    """Whether what stands before the colon of each title is not in the other post."""
    if not a.subject or not b.subject:
        return False
    return not _mentions(a.subject, b) and not _mentions(b.subject, a)


def _mentions(subject: str, reading: Reading) -> bool:
    grams = stems(subject)
    return sum(gram in reading.grams for gram in grams) * 2 >= len(grams)


def _other_lead(a: Reading, b: Reading) -> bool:
    """Whether what each title begins with, up to its first name, is not in the other post."""
    return _lacks_lead(a, b) and _lacks_lead(b, a)


def _other_object(a: Reading, b: Reading) -> bool:
    """Whether a title has names beside the first, and the other post none of them."""
    names = [word for word in a.words if word.kind is Kind.NAME][1:]
    return bool(names) and all(_presence(word, b.grams) < 0.5 for word in names)


def _lacks_lead(a: Reading, b: Reading) -> bool:
    for word in a.words:
        if word.kind >= Kind.THING and _presence(word, b.grams) >= 0.5:
            return False
        if word.kind is Kind.NAME:
            return True
    return False


# ------------------------------------------------------------------- slots


def slots(one: Title, other: Title, *, later: bool = False) -> float:
    """How much the words differ that two titles have in the same place of what else is the same."""
    a, b = one.reading.words, other.reading.words
    most = 0.0
    at, there = 0, 0
    common = _common(a, b)
    if not common:
        return 0.0
    frame = min(max(len(common) / min(len(a), len(b)) - 0.2, 0.0) / 0.4, 1.0)
    gaps = []
    for x, y in [*common, (len(a), len(b))]:
        gaps.append((a[at:x], b[there:y], at == there == 0))
        at, there = x + 1, y + 1
    only = sum(bool(mine or theirs) for mine, theirs, _ in gaps) == 1
    subject = [a[x].kind for x, _ in common if a[x].kind >= Kind.THING]
    goes_on = Kind.NAME in subject and (
        any(word.kind is Kind.DEED for each in gaps[-1][:2] for word in each)
        if later
        else min(map(len, gaps[-1][:2])) == 2 and len(subject) > 3
    )  # 火灾原因查明, 火灾明火扑灭
    for mine, theirs, first in gaps:
        if mine and theirs:
            most = max(
                most,
                frame * _difference(mine, theirs, one, other, telling=first or (only and not goes_on)),
            )
    return most


def _difference(mine: Sequence[Word], theirs: Sequence[Word], one: Title, other: Title, *, telling: bool) -> float:
    """How much what stands in one place differs, from 0 to 1; what the other post has elsewhere does not. It is
    ``telling`` where a title begins, which is what it is about, and where all the rest is the same."""
    if any(frozenset((x.text, y.text)) in OPPOSITES for x in mine for y in theirs):
        return 1.0
    if _other_numbers([x.number for x in mine if x.number], [y.number for y in theirs if y.number]):
        return 1.0
    mine = [w for w in mine if w.grams and _presence(w, other.reading.grams) <= 0.5]
    theirs = [w for w in theirs if w.grams and _presence(w, one.reading.grams) <= 0.5]
    if not mine or not theirs or max(len(mine), len(theirs)) > _SLOT:
        return 0.0
    x, y = (set("".join(word.text for word in each)) for each in (mine, theirs))
    if len(x) != len(y) and len(x & y) * 3 >= min(len(x), len(y)) * 2 and not "".join(x).isascii():
        return 0.0  # a longer and a shorter name
    less, more = sorted((max(word.kind for word in mine), max(word.kind for word in theirs)))
    if telling and more >= Kind.THING:
        return 1.0
    return _DIFFERENCE.get((less, more), _HARDLY)


def _other_numbers(mine: Sequence[Number], theirs: Sequence[Number]) -> bool:
    """Whether there are two of one unit, and none that meet."""
    pairs = [(x, y) for x in mine for y in theirs if x.unit == y.unit]
    return bool(pairs) and not any(x.meets(y) for x, y in pairs)


def _common(a: Sequence[Word], b: Sequence[Word]) -> list[tuple[int, int]]:
    """The longest run of words that both have in the same order, by places."""
    rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            rows[i][j] = rows[i + 1][j + 1] + 1 if a[i].text == b[j].text else max(rows[i + 1][j], rows[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i].text == b[j].text:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif rows[i + 1][j] >= rows[i][j + 1]:
            i += 1
        else:
            j += 1
    return found
