"""A text as words that can be compared: which of them are names, which quantities, and how common each is.

Chinese is cut into words by jieba's dictionary, which also says how common a word is and whether it is a name; Japanese
and Korean are cut into pairs of characters, other scripts at blanks. Traditional characters are read as simplified
ones, well-known names in Latin letters as the Chinese ones, and 1.18万 as 11,800. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from enum import IntEnum
from functools import cache, lru_cache
from operator import add
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from digest.edition.lexicon import ALIASES, FUNCTION_WORDS, GENERIC, LEAD_INS, NOT_NAMES, SYNONYMS, TERMS

if TYPE_CHECKING:
    from opencc import OpenCC

_HAN = "\u3400-\u9fff\uf900-\ufaff"
_SYLLABLES = "\u3040-\u30ff\uac00-\ud7af"
_LETTER = rf"[^\W\d_{_HAN}{_SYLLABLES}]"
_WORD = re.compile(
    rf"[“「『《](?P<quoted>[^“”「」『』《》\s,，。！？]{{2,6}})[”」』》]|(?P<han>[{_HAN}]+)|(?P<syllables>[{_SYLLABLES}]+)"
    rf"|(?P<latin>(?:\d+{_LETTER}|{_LETTER})(?:{_LETTER}|\d)*(?:[.'’&]{_LETTER}(?:{_LETTER}|\d)*)*(?:\+\+|\+|\#)?)"
)
_LATIN_WORD = re.compile(r"[a-z][a-z0-9]+")
_LATIN = re.compile("[a-z]")
_NOT_HAN = re.compile(f"[^{_HAN}]+")

_UNITS = (
    "个百分点|百分点|个基点|基点|bps|bp|%|成|美元|港元|欧元|日元|英镑|韩元|元|倍|吨|公斤|克|辆|台|人次|人|家|只|次|点|"
    "天|年|月|日|号线|号楼|号|时|季度|季|期|届|轮|位|名|款|项|股|班|艘|架|座|套|户|件|米|公里|千瓦时|千瓦|度|级|连板|"
    "连涨|连阳|连跌|周|桶|盎司|手|票|场|章|回|集|题|讲|课|部|例|颗|宗|岁|强|条|种|起|个"
)
"""The longer of two that begin alike first."""
_POWERS = {"百": 100, "千": 1_000, "万": 10_000, "亿": 10**8, "万亿": 10**12}
_ENGLISH_POWERS = {"thousand": 1_000, "million": 10**6, "mn": 10**6, "billion": 10**9, "bn": 10**9, "trillion": 10**12}
_SPELT_UNITS = (
    "个百分点|个基点|成|倍|年|月|日|季度|季|期|届|周|家|人|名|座|天|轮|次|只|个|连板|连涨|股|辆|艘|架|项|款|条|例|"
    "宗|强|点|起|亿|万"
)
"""After a numeral in characters, which many a name has too (百度)."""
_NUMBER = re.compile(
    rf"(?P<money>[$€£¥])?(?P<first>第)?(?<![\d.a-z_])(?P<digits>\d+(?:,\d\d\d)+(?:\.\d+)?|\d+(?:\.\d+)?"
    rf"|[一二三四五六七八九十百上中下]+(?=[)）])|(?<=之)[一二三四五六七八九十]+|(?<=第)[一二三四五六七八九十百]+"
    rf"|[零一二三四五六七八九十百千两]{{1,12}}(?={_SPELT_UNITS}))(?![.]?\d)"
    rf"(?P<power>万亿|亿|万|千(?!瓦)|百(?!分))?(?:\s?(?P<unit>{_UNITS})|[\s-](?P<english>percent|[a-z]+)\b)?"
)
_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+){2,}|(?<=v)\d+(?:\.\d+)?)(?![\d.]*\d)")
_NAMED_NUMBER = re.compile(
    rf"\b([a-z][a-z.]*)[\s#-]{{1,2}}(?!(?:19|20)\d\d\b)(\d+(?:\.\d+)?)(?![\d.,]*\d)(?!\s?(?:%|{_UNITS}|万|亿))"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_PART = re.compile(rf"\b(part|day|chapter|episode|issue|volume|lesson|week) ({'|'.join(_CARDINALS)})\b")
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})\b")
_SITTING = re.compile(r"^(早评|午评|收评|盘前|早盘|午盘|尾盘|盘后|夜盘)[:：]")
IDENTIFIERS = frozenset({"cve", "ghsa", "rfc", "pep", "iso"})
_NAMED = re.compile(rf"\b({'|'.join(sorted(IDENTIFIERS))})-?(\d[\d-]*)")
_GAME = re.compile(r"(?<![\d.])(\d{1,3}[-比]\d{1,3})(?![\d.:-]|\s?(?:%|月|日|年|点|分|时))")
_BEFORE = re.compile(
    r"(?:跌破|失守|跌超|涨超|涨逾|跌逾|超过|超|逾|突破|破|过|over|above|more than|tops?"
    r"|(?P<near>将近|近|约|不足|不到|不超过|about|nearly|almost|around|under|up to)) ?$"
)
"""Before a number that is not quite meant."""
_PERIODS = frozenset(
    {
        "年",
        "月",
        "日",
        "季度",
        "期",
        "届",
        "周",
        "章",
        "回",
        "集",
        "题",
        "讲",
        "课",
        "部",
        "号",
        "号线",
        "号楼",
        "轮",
        "前季度",
    }
)
_CURRENCIES = {"$": "美元", "€": "欧元", "£": "英镑", "¥": "元"}
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_VOLUMES = {"上": "一", "中": "二", "下": "三"}
_TELLING = 3
_WHOLE = 10
"""Smaller percentages are told with their decimals."""
_TENS = {"十": 10, "百": 100, "千": 1_000}
_SUBJECT = re.compile(r"^([^：:|｜，,。!！?？；;]{2,20}?)[：:](?!\d)")
_NAME_TAGS = frozenset({"nr", "nrt", "nrfg", "ns", "nt", "nz", "j", "x"})
_LINKS = frozenset({"p", "c", "u", "r", "d", "f", "m", "q", "mq", "uj", "ul"})
_DEED_TAGS = _LINKS | {"v", "vd", "vi", "vg", "vn", "a", "ad", "z", "t", "y", "o"}
_PIECES = frozenset({"n", "ng", "g", "zg", "nr", "nrt", "ns", "nz", "j", "x", "ag", "vg", "b"})
"""Of what a dictionary cuts a name that it does not know into."""
_KNOWN_NAMES = frozenset(ALIASES.values())
_BUSY = re.compile("[涨跌收签占超破近降升增减获拟将被称比上下里中前后来去到过再又可要想能会吃看说打做用找让给]")
"""In what a dictionary does not know, these make it no name: 涨超, 签下."""
_CORPUS = 60_000_000
"""Words in the texts that jieba's dictionary was counted in."""
_WORDS_A_TITLE = 12


class Kind(IntEnum):
    """How much a word says about which story it is."""

    GENERIC = 0
    DEED = 1
    THING = 2
    NAME = 3


class Number(Struct, frozen=True, kw_only=True):
    """What a number may be: 1.6 is anything that is rounded to it, 超3% some more."""

    unit: str
    low: float
    high: float
    digits: int
    text: str
    bound: bool = False
    """It is what something passed (超3%)."""

    @property
    def is_whole(self) -> bool:
        return self.low == self.high

    @property
    def is_period(self) -> bool:
        return self.unit in _PERIODS

    @property
    def mark(self) -> str:
        """A number of three digits is the same number whatever it counts (412班, 412个航班)."""
        return f"#{self.low + self.high:g}{self.unit if self.digits < _TELLING else ''}"

    def meets(self, other: Number) -> bool:
        if self.bound and other.bound:
            return self.low == other.low
        if self.unit == other.unit == "%" and min(self.low, other.low) >= _WHOLE and self.is_whole != other.is_whole:
            return self.low - 1 < other.high and other.low - 1 < self.high  # 16.4% is told as 16%
        return self.low <= other.high and other.low <= self.high


class Word(Struct, frozen=True, kw_only=True):
    """A word of a title."""

    text: str
    kind: Kind
    grams: tuple[str, ...]
    """By which it is found in other texts."""
    deed: str = ""
    """What it means, if other words mean the same."""
    common: float = 0.0
    """Share of titles that have it, as far as a dictionary tells; 0 if it does not know the word."""
    number: Number | None = None
    """What it says, if it is one."""


class Reading(Struct, frozen=True, kw_only=True):
    """A post's title and summary, read."""

    words: tuple[Word, ...]
    """Of the title, in its order; a number is a word too, ``#`` and its value."""
    subject: str
    """What stands before a title's colon; empty if that is not what it is about."""
    grams: frozenset[str]
    """Of title and summary."""
    stated: tuple[Number, ...]
    """Numbers of the title."""
    known: tuple[Number, ...]
    """Of title and summary."""
    telling: tuple[Number, ...]
    """Those of the title with three digits or more, but no years."""
    exact: tuple[Number, ...]
    """Of title and summary."""
    versions: frozenset[tuple[str, str]]
    """Of the title: 3.4.1 of Ruby 3.4.1, gpt and 6 of GPT-6, 2-1 of a game."""
    known_versions: frozenset[tuple[str, str]]
    """Of title and summary, if the title has any."""
    marks: frozenset[str]
    """Quantities and names in quotes, of title and summary: what tells it from others that look alike."""


@lru_cache(maxsize=2048)  # asked when stories are grouped, and again for those of the edition before
def read(title: str, summary: str) -> Reading:
    """A post's words. Neither text need be anything: no text is refused."""
    plain, more = plain_text(title), plain_text(summary)
    small = plain.lower()
    both = f"{small} | {more.lower()}"
    counted = _numbers(small)
    stated = tuple(number for _, number in counted if number is not None)
    known = stated + tuple(number for _, number in _numbers(more.lower()) if number is not None)
    exact = tuple(number for number in known if number.digits >= _TELLING and not number.is_period)
    versions = frozenset(_versions(small))
    return Reading(
        words=tuple(_title_words(plain, counted)),
        subject=_subject(small),
        grams=frozenset(_grams_of(both)),
        stated=stated,
        known=known,
        telling=tuple(number for number in exact if number in stated),
        exact=exact,
        versions=versions,
        known_versions=frozenset(_versions(both)) if versions else versions,
        marks=frozenset(
            [number.mark for number in known if not number.is_period and (number.unit or number.digits > 1)]
        ),
    )


def stems(title: str, wanted: Set[str] | None = None) -> Set[str]:
    """By what words a title is found: for counting in how many titles each is. With ``wanted`` at least those of
    them, which takes less time."""
    small = plain_text(title).lower()
    if wanted is None:
        return frozenset(_grams_of(small))
    found = set(map(add, small, small[1:]))
    found.update(small, map(stem_of, _LATIN_WORD.findall(small)))
    return found & wanted


@lru_cache(maxsize=8192)
def plain_text(text: str) -> str:
    """In simplified characters, in one width, with names of one spelling."""
    text = unicodedata.normalize("NFKC", text)
    if _has_traditional(text):
        text = _converter().convert(text)
    return text


def _has_traditional(text: str) -> bool:
    """GB 2312 has the simplified characters and none that were simplified."""
    return not (_is_simplified(text) or _is_simplified(_NOT_HAN.sub("", text)))


def _is_simplified(text: str) -> bool:
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


@cache
def _converter() -> OpenCC:
    from opencc import OpenCC  # late: few posts are in traditional characters

    return OpenCC("tw2sp")


# ------------------------------------------------------------------- words


def _title_words(plain: str, numbers: Iterable[tuple[re.Match[str], Number | None]]) -> Iterator[Word]:
    """With marks of numbers where they stand; words without a meaning of their own are left out."""
    shouting = _is_title_case(plain)
    place = 0
    for match, number in numbers:
        yield from _words_of(plain[place : match.start()], first=not place, shouting=shouting)
        if number is not None:
            yield Word(text=f"#{number.text}", kind=Kind.GENERIC, grams=(), number=number)
        place = match.start("english") if match["english"] else match.end()
    yield from _words_of(plain[place:], first=not place, shouting=shouting)


def _words_of(piece: str, *, first: bool, shouting: bool) -> Iterator[Word]:
    for match in _WORD.finditer(piece):
        if match["quoted"]:
            yield Word(
                text=match["quoted"].lower(),
                kind=Kind.NAME,
                grams=tuple(sorted(_grams_of(match["quoted"].lower()))),
            )
        elif match["han"]:
            yield from _han_words(match["han"])
        elif match["syllables"]:
            yield Word(text=match[0], kind=Kind.THING, grams=tuple(_pairs(match[0])))
        else:
            named = not shouting and not (first and match.start() == 0) and match[0][0].isupper()
            yield from _latin_word(match[0], named=named)


def _latin_word(word: str, *, named: bool) -> Iterator[Word]:
    small = word.lower()
    if small in FUNCTION_WORDS or (len(small) == 1 and not named):
        return
    stem = stem_of(small)
    if small in GENERIC:
        kind = Kind.GENERIC
    elif named or stem in ALIASES.values() or any(sign.isdigit() for sign in small) or not word[1:].islower():
        kind = Kind.NAME
    else:
        kind = Kind.THING
    yield Word(
        text=stem, kind=kind, grams=tuple(_pairs(stem)) if stem[0] >= "\u3400" else (stem,), deed=_DEEDS.get(small, "")
    )


def _han_words(run: str) -> Iterator[Word]:
    segmenter = _segmenter()
    for word, tag in _joined(segmenter.tag(run, True)):
        if word in FUNCTION_WORDS or (len(word) == 1 and tag in _DEED_TAGS and word not in GENERIC):
            continue
        kind = _kind(word, tag, segmenter.has_word(word))
        yield Word(text=word, kind=kind, grams=tuple(_pairs(word)), common=commonness(word), deed=_DEEDS.get(word, ""))


@lru_cache(maxsize=65536)
def commonness(word: str) -> float:
    """Share of titles that have it, as far as a dictionary tells; 0 if it does not know the word."""
    segmenter = _segmenter()
    if word.isascii() or not segmenter.has_word(word):
        return 0.0
    count: int = segmenter.suggest_freq(word)
    return min(_WORDS_A_TITLE * count / _CORPUS, 1.0)


def _kind(word: str, tag: str, known: bool) -> Kind:
    if word in GENERIC:
        return Kind.GENERIC
    if word in _KNOWN_NAMES:
        return Kind.NAME
    if tag in _DEED_TAGS and (known or len(word) < 2 or _BUSY.search(word)):
        return Kind.DEED
    if len(word) > 1 and word not in NOT_NAMES and (tag in _NAME_TAGS or not known):
        return Kind.NAME
    return Kind.THING


@cache
def _segmenter() -> Any:
    import rjieba  # late: its dictionary takes a moment

    for word in TERMS:
        rjieba.add_word(word, 200, "l")
    return rjieba


def _joined(tagged: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Single characters that stand together are one name: 昀 + 石, 陈 + 启明."""
    held, surname = "", False
    for word, tag in tagged:
        single = len(word) == 1 and tag in _PIECES and word not in FUNCTION_WORDS and word not in GENERIC
        if held and (single or (surname and len(word) <= 2 and tag not in _LINKS)):
            held += word
        else:
            if held:
                yield held, "x"
            held, surname = (word, tag == "nr") if single else ("", False)
            if not single:
                yield word, tag
        if len(held) >= 3:
            yield held, "x"
            held = ""
    if held:
        yield held, "x"


def _is_title_case(plain: str) -> bool:
    """Whether capitals say nothing: most words have one."""
    words = re.findall(r"\b[A-Za-z]{4,}", plain)
    return sum(word[0].isupper() for word in words) * 3 > len(words) * 2 and len(words) > 2


@lru_cache(maxsize=8192)
def stem_of(word: str) -> str:
    """``releases``, ``released`` and ``release`` are one word, ``nvidia`` is 英伟达."""
    word = word.replace("’", "'").removesuffix("'s")
    found = ALIASES.get(word)
    if found:
        return found
    for ending in ("ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and word.isalpha():
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


_DEEDS = {word: f"~{number}" for number, group in enumerate(SYNONYMS) for word in group}
_DEED = re.compile("|".join(sorted((word for word in _DEEDS if not word.isascii()), key=len, reverse=True)))


EMPTY = frozenset(stem_of(word) for word in (*FUNCTION_WORDS, *GENERIC))
"""Stems that two texts may have in common without having anything in common."""


def _pairs(run: str) -> Iterator[str]:
    yield from (run[at : at + 2] for at in range(max(len(run) - 1, 1)))


def _grams_of(text: str) -> set[str]:
    grams: set[str] = set()
    for match in _WORD.finditer(text):
        if match["quoted"]:
            grams |= _grams_of(match["quoted"])
        elif match["latin"]:
            stem = stem_of(match[0])
            grams.update(_pairs(stem) if stem[0] >= "\u3400" else (stem,))
            if match[0] in _DEEDS:
                grams.add(_DEEDS[match[0]])
        else:
            run = match[0]
            grams.update(map(add, run, run[1:]), run, [_DEEDS[deed] for deed in _DEED.findall(run)])
    return grams


def _subject(small: str) -> str:
    match = _SUBJECT.match(small)
    if not match or match[1].strip() in LEAD_INS:
        return ""
    return match[1].strip("【】[]#() ")


# ----------------------------------------------------------------- numbers


def _versions(small: str) -> Iterator[tuple[str, str]]:
    """Names with the numbers that belong to them; the name is empty where there is none."""
    yield from (("", match[1]) for match in _VERSION.finditer(small))
    yield from (("-", match[1].replace("比", "-")) for match in _GAME.finditer(small))
    yield from (("评", match[1]) for match in _SITTING.finditer(small))
    if not _LATIN.search(small):
        return
    yield from ((match[1], match[2]) for match in _NAMED.finditer(small))
    yield from ((match[1], f"{_CARDINALS.index(match[2]) + 1}") for match in _PART.finditer(small))
    yield from (("th", f"{_ORDINALS.index(match[1]) + 1}") for match in _ORDINAL.finditer(small))
    for match in _NAMED_NUMBER.finditer(small):
        if match[1] not in FUNCTION_WORDS and match[1] != "cve":
            yield match[1], match[2]


def _numbers(small: str) -> list[tuple[re.Match[str], Number | None]]:
    """Where there may be a number, and what it is: ``净投放1800亿元，两座铜矿`` has 1800亿 of 元 and 2 of 座. 七成 is
    70 of %, 25个基点 0.25 of 百分点."""
    return [(match, _number(match, small)) for match in _NUMBER.finditer(small)]


def _number(match: re.Match[str], small: str) -> Number | None:
    digits, unit, english = match["digits"], match["unit"] or "", match["english"]
    before = small[max(match.start("digits") - 1, 0) : match.start("digits")]
    if digits == "一" and unit != "成" and before not in {"(", "之", "第"} and not match["power"]:
        return None  # an article
    if digits in _VOLUMES:
        digits = _VOLUMES[digits]
    elif digits.strip("上中下") != digits:
        return None
    value = float(digits.replace(",", "")) if digits[0].isdigit() else _spelt(digits)
    scale = 1.0 * _POWERS.get(match["power"] or "", 1)
    if english in _ENGLISH_POWERS:
        scale *= _ENGLISH_POWERS[english]
    elif _YEAR.fullmatch(digits) and not unit:
        unit = "年"
    elif english:
        unit = {"percent": "%", "basis": "基点", "bps": "基点"}.get(english, stem_of(english))
    unit = unit.removeprefix("个") or _CURRENCIES.get(match["money"] or "", "")
    if unit in {"成", "基点", "bp", "bps"}:
        unit, scale = ("%", 10) if unit == "成" else ("百分点", 0.01)
    if unit in {"季", "季度"}:
        unit = "前季度" if before == "前" else "季度"
    decimals = len(digits.partition(".")[2])
    slack = 0.49 * 10.0**-decimals * scale if decimals or (scale > 1 and value >= 100) else 0.0
    if match["unit"] == "成":
        slack = 5.0
    value *= scale
    low, high = value - slack, value + slack
    about = _BEFORE.search(small[max(match.start() - 10, 0) : match.start()])
    if about:
        low, high = (low, high * 1.25) if not about["near"] else (low * 0.85, high * 1.03)
    return Number(
        unit=unit,
        low=low,
        high=high,
        digits=len(digits) - digits.count(".") - digits.count(",") + bool(match["power"]),
        text=f"{value:g}{unit}",
        bound=bool(about and not about["near"]),
    )


def _spelt(numeral: str) -> float:
    """``十二`` is 12, ``三百`` 300."""
    total = digit = 0
    for sign in numeral:
        if sign in _TENS:
            total, digit = total + (digit or 1) * _TENS[sign], 0
        else:
            digit = digit * 10 + _DIGITS[sign]
    return float(total + digit)
