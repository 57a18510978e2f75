"""Words that every comparison of news needs to know, in Chinese and English; they stand in ``lexicon.txt``."""

from __future__ import annotations

import re
from importlib.resources import files


def _parts() -> dict[str, list[list[str]]]:
    """The words of each line, by the name of their part."""
    found: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in (files("digest.edition") / "lexicon.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            rows = found.setdefault(line.removeprefix("== "), [])
        elif line and not line.startswith("#"):
            rows.append(line.split())
    return found


_PARTS = _parts()


def _words(part: str) -> frozenset[str]:
    return frozenset(word for row in _PARTS[part] for word in row)


FUNCTION_WORDS = _words("function words")
"""What says nothing of its own."""
GENERIC = _words("generic")
"""What many titles of any day have."""
LEAD_INS = _words("lead-ins")
"""What may stand before a colon without being what the title is about."""
TERMS = tuple(sorted(_words("terms")))
"""What a general dictionary does not know and news is full of."""
NOT_NAMES = _words("not names")
"""What a dictionary takes for names and news does not."""
OPPOSITES = frozenset(frozenset(row) for row in _PARTS["opposites"])
"""Pairs of words of which a story has the one or the other."""
SYNONYMS = tuple(tuple(row) for row in _PARTS["synonyms"])
"""Words that tell of the same deed."""
ALIASES = {latin: chinese for chinese, latin in _PARTS["aliases"]}
"""Chinese names of what Chinese titles also call by Latin ones, by these in small letters."""
ROUND_UPS = re.compile(
    r"早安|晚安世界|早报|晚报|早知道|早餐|早茶|早参|早班车|早新闻|夜读|要闻(?:速|回|汇|精|一|导|集)|速览|一览|汇总|盘点|精选|合集|"
    r"周报|周刊|回顾|^一周[^:：]{0,4}[:：]|简报$|日报$|(?:[^；;]+[；;]){2}|"
    r"(?:今日|昨夜|隔夜|每日|每周|本周|一周|周末|午间|晚间|早间)"
    r"(?:要闻|外盘|新闻|大事|数据|财经|必读|看点|关注|新股|速递|公告|热点)|"
    r"(?i:\b(?:weekly|daily|monthly|morning|evening|news)\b.*\b(?:round-?up|briefing|digest|recap|wrap)|"
    r"\b(?:round-?up|this (?:week|month) in|(?:weekend )?links(?: (?:for|of)|:)|in brief|newsletter|morning note|"
    r"week(?:ly)? (?:in review|links|notes))\b)"
)
"""Titles of posts that tell many stories."""
