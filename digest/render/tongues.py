"""In which language a text is that is not in that of its page (WCAG 2.1, 3.1.2).

Pure. What a post says of itself counts; of one that says nothing the letters are looked at. Drafts of a mail ask the
same again and again, so answers are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SCRIPTS = {
    "Kana": ("\u3040-\u30ff", "ja"),
    "Hang": ("\u1100-\u11ff\uac00-\ud7af", "ko"),
    "Hani": ("\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff", "zh"),
    "Cyrl": ("\u0400-\u052f", "ru"),
    "Arab": ("\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefe", "ar"),
    "Hebr": ("\u0590-\u05ff", "he"),
    "Grek": ("\u0370-\u03ff", "el"),
    "Thai": ("\u0e00-\u0e7f", "th"),
    "Deva": ("\u0900-\u097f", "hi"),
    "Latn": ("A-Za-z\u00c0-\u024f", "en"),
}
"""Letters of a script, and the language that most texts in it have here."""
_LETTERS = {name: re.compile(f"[{letters}]") for name, (letters, _) in _SCRIPTS.items()}
_WRITTEN_IN = (
    ("zh", "Hani"),
    ("ja", "Hani Kana"),
    ("ko", "Hang Hani"),
    ("ru uk be bg mk kk ky mn", "Cyrl"),
    ("sr", "Cyrl Latn"),
    ("ar fa ur ps", "Arab"),
    ("he", "Hebr"),
    ("el", "Grek"),
    ("th", "Thai"),
    ("hi mr ne", "Deva"),
)
_OWN = {language: set(scripts.split()) for languages, scripts in _WRITTEN_IN for language in languages.split()}
"""Scripts of languages that are not written in Latin letters."""
_LEAST = 4
"""Letters that tell anything."""


@lru_cache(maxsize=4096)
def foreign(text: str, declared: str | None, page: str) -> str:
    """The language of a text (BCP 47) for a page in ``page``; empty if it is the page's. ``declared`` is what the
    post says; its letters decide if that is nothing, or the page's own."""
    if declared and not _is_same(declared, page):
        return declared
    counts = {name: len(found) for name, letters in _LETTERS.items() if (found := letters.findall(text))}
    own = _OWN.get(_primary(page), {"Latn"})
    if counts.get("Kana", 0) >= _LEAST - 1 and "Kana" not in own:
        return "ja"
    if not counts or sum(counts.values()) < _LEAST or own & counts.keys():
        return ""
    return _SCRIPTS[max(counts, key=counts.__getitem__)][1]


def _is_same(one: str, other: str) -> bool:
    """Or one is a more exact name of the other: ``zh`` and ``zh-CN``."""
    first, second = one.lower().split("-"), other.lower().split("-")
    return all(left == right for left, right in zip(first, second, strict=False))


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()
