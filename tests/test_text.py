"""Cleaning and cutting of plain text."""

from __future__ import annotations

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from digest.text import clean, clean_line, cut, hiding, isolated, printable, undirected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x85b\u2028c\u2029d", "a\nb\nc\nd"),
        ("tab\there", "tab\there"),
        ("\x00a\x0bb\x0cc\x1fd", "abcd"),
        ("\x7f\x80\x9f", ""),
        ("\ufffe\uffff", ""),
        ("\ud800x\udfff", "x"),
        ("纯文本 <b>", "纯文本 <b>"),
        ("😀", "😀"),
    ],
)
def test_clean_drops_only_what_xml_forbids(text: str, expected: str) -> None:
    """One bad character costs itself and nothing else."""
    assert clean(text) == expected


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_is_always_legal_xml(text: str) -> None:
    """lxml takes every cleaned text, and cleaning twice changes nothing."""
    cleaned = clean(text)
    etree.Element("a").text = cleaned
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("secrets", "text", "left"),
    [
        (["hunter2"], "hunter2 is wrong: Hunter2, HUNTER2x, hunter", "*** is wrong: ***, ***x, hunter"),
        (["abcdefghijkl"], "<abcdefgh> <ghijkl> x-efghijkl-x", "<***> <ghijkl> x-***-x"),
        (["abcdefghijkl", "0123"], "abcdefghi0123jkl", "***jkl"),
        (["pässwörter"], "PäSSWöRTER and İpässwörterİ", "*** and İ***İ"),
        (["", "x"], "axb", "a***b"),
        ([], "anything", "anything"),
    ],
)
def test_secrets_are_taken_out(secrets: list[str], text: str, left: str) -> None:
    """Whole ones, and every piece of eight characters; in capitals or not."""
    assert hiding(secrets)(text) == left


@given(st.text(min_size=1, max_size=40), st.text(), st.text())
def test_no_secret_stays(secret: str, before: str, after: str) -> None:
    hidden = hiding([secret])(before + secret + after)
    assert "***" in hidden
    assert secret not in hidden or set(secret) <= {"*"}


def test_clean_line_is_one_line() -> None:
    """White space of any kind, the ideographic space too, becomes one space."""
    assert clean_line("  甲\u3000\n 乙\t丙 ") == "甲 乙 丙"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("短", 5, "短"),
        ("一二三四。五六七八九十", 7, "一二三四。"),
        ("一二三四五六七八九十", 7, "一二三四五六…"),
        ("他说：“好。”然后走了很远很远", 8, "他说：“好。”"),
        ("One two. Three four five", 14, "One two."),
        ("3.5% of everything that is", 10, "3.5% of…"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 2, "👨‍👩‍👧‍👦…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("🇨🇳🇨🇳🇨🇳", 2, "🇨🇳…"),
    ],
)
def test_cut_counts_what_a_reader_counts(text: str, limit: int, expected: str) -> None:
    """Ends at a sentence if one ends late enough, never inside an emoji or a combining pair."""
    assert cut(text, limit) == expected


@given(st.text(), st.integers(1, 50))
def test_cut_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    """A cut text is no longer than allowed and begins as the text does."""
    shorter = cut(text, limit)
    assert text.startswith(shorter.removesuffix("…").rstrip())
    assert len(regex.findall(r"\X", shorter)) <= limit


@pytest.mark.parametrize("sign", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_a_line_turns_no_directions(sign: str) -> None:
    """An override of one title would turn round those after it; marks of single characters stay."""
    assert clean_line(f"甲{sign}乙") == "甲乙"
    assert printable(f"a{sign}b") == f"a{ascii(sign)[1:-1]}b"
    assert clean_line("א\u200fb") == "א\u200fb"


@given(st.text())
def test_what_is_printed_acts_on_no_terminal(text: str) -> None:
    """Only line ends do; a text without anything odd is as it was."""
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", printable(text))
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("text", "direction", "is_isolated"),
    [
        ("plain (10)", "ltr", False),
        ("中文（10）", "ltr", False),
        ("مرحبا (10)", "ltr", True),
        ("news: שלום!", "ltr", True),
        ("مرحبا (10)", "rtl", False),
        ("plain (10)", "rtl", True),
        ("10%", "rtl", False),
    ],
)
def test_what_runs_against_its_surroundings_is_isolated(text: str, direction: str, is_isolated: bool) -> None:
    """So that it does not turn round what stands beside it."""
    assert isolated(text, direction) == (f"\u2068{text}\u2069" if is_isolated else text)


def test_nothing_in_a_text_turns_what_follows() -> None:
    """Lines stay."""
    assert undirected("a \u202eb\n\u2067c") == "a b\nc"
    assert undirected("短 text") == "短 text"
