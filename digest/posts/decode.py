"""From bytes to clean text: UTF-8, UTF-16 with a byte order mark, or, on a Chinese site, GB18030 when nothing else
fits."""

from __future__ import annotations

import codecs
import re

from digest.posts.problems import Rejected, Remarks
from digest.text import clean

# Bytes that ``clean`` would drop or change, in any encoding that keeps ASCII.
_CONTROLS = bytes([*range(9), 11, 12, 13, *range(14, 32), 127])
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_C1 = re.compile("[\x80-\x9f]")
# Compiled when they are needed, since that takes a millisecond.
_CHINESE = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_CHINESE_LANGS = frozenset({"zh", "yue", "cmn", "nan", "wuu", "hak"})
_COMMON = frozenset("的一是不了在有人我他这中大来上个国和也子时道说要就出会")
_RARE = "[\u0080-\u009f\ue000-\uf8ff\U000e0000-\U0010ffff\ufffd]"


def decode(data: bytes, remarks: Remarks, lang: str) -> str:
    """The file's text, cleaned: line ends are ``\\n``, characters that XML forbids are gone (with a warning).

    Raises Rejected when the bytes are no text in any accepted encoding.
    """
    text = _decode(data, remarks, lang)
    if not _may_need_cleaning(data, text):
        return text
    found = _FORBIDDEN.search(text)
    if found is not None:
        count = len(_FORBIDDEN.findall(text))
        remarks.warn(
            f"{count} control or forbidden character{'s' if count > 1 else ''} dropped, first U+{ord(found[0]):04X}",
            "delete it from the file",
            line=_line(text[: found.start()]),
        )
    return clean(text)


def _decode(data: bytes, remarks: Remarks, lang: str) -> str:
    if data[:3] == codecs.BOM_UTF8:
        data = data[3:]
    elif data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _utf16(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = _gb18030(data) if lang.partition("-")[0].lower() in _CHINESE_LANGS else None
        if text is None:
            raise _invalid(data, error, "UTF-8") from error
        if not _is_likely(data, text):
            remarks.warn(
                "not UTF-8; read as GB18030, which it may not be",
                "look at the post, and save the file as UTF-8",
                line=data.count(b"\n", 0, error.start) + 1,
            )
        return text


def _utf16(data: bytes) -> str:
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise _invalid(b"", error, "UTF-16") from error


def _invalid(data: bytes, error: UnicodeDecodeError, encoding: str) -> Rejected:
    line = data.count(b"\n", 0, error.start) + 1 if data else None
    return Rejected(f"invalid {encoding} at byte {error.start}", "save the file as UTF-8", line=line)


def _gb18030(data: bytes) -> str | None:
    """The text if it reads like Chinese: mostly common characters, nothing from the private or control areas."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    outside = sum(1 for char in text if char > "\x7f")
    if re.search(_RARE, text) or len(re.findall(_CHINESE, text)) * 10 < outside * 8:
        return None
    return text


def _is_likely(data: bytes, text: str) -> bool:
    """Whether it is surely Chinese: other encodings of the East give characters that hardly anybody writes, Japanese
    syllables, or a text without any of the most common words."""
    chinese = re.findall("[\u4e00-\u9fff]", text)
    usual = len(re.findall(rb"[\xb0-\xf7][\xa1-\xfe]", data))
    syllables = len(re.findall("[\u3041-\u30fa]", text))
    common = len(chinese) < 50 or any(char in _COMMON for char in chinese)
    return usual * 10 >= len(chinese) * 9 and syllables * 20 <= len(chinese) and common


def _may_need_cleaning(data: bytes, text: str) -> bool:
    """A cheap look; may say yes for nothing, never no for something."""
    if len(data.translate(None, _CONTROLS)) != len(data) or data[:1] in (b"\xff", b"\xfe"):
        return True
    if b"\xc2" in data and _C1.search(text):
        return True
    return "\u2028" in text or "\u2029" in text or "\ufffe" in text or "\uffff" in text


def _line(before: str) -> int:
    return before.count("\n") + before.count("\r") - before.count("\r\n") + 1
