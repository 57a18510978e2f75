"""Titles are text: what a page would show of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.posts.titles import plain_title


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("研发&amp;制造：&ldquo;双主场&rdquo; 30&#37;", "研发&制造：“双主场” 30%"),
        ("&#x4e2d;&quot;", '中"'),
        ("<code>x</code> and <em class='a'><b>y</b></em>", "x and y"),
        ("one<br>two<br/>three", "one two three"),
        ("&lt;b&gt;", "<b>"),
        ("&amp;lt;", "&lt;"),
        ("AT&T; R&D &copy &nosuch; a&lt=b", "AT&T; R&D &copy &nosuch; a&lt=b"),
        ("&nbsp; ]]> <纯文本>", "&nbsp; ]]> <纯文本>"),
        ("the <b> element, a < b > c, </em>", "the <b> element, a < b > c, </em>"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_markup_gives_its_text_and_lookalikes_stay(written: str, shown: str) -> None:
    """References are read once, pairs of inline tags vanish, everything else is text."""
    assert plain_title(written) == shown


@given(st.text("<>/abBr &;#39x中\n", max_size=60))
def test_never_raises_and_never_grows(written: str) -> None:
    """Whatever is written, the title is no longer than that."""
    assert len(plain_title(written)) <= len(written)


def test_markup_in_a_monstrous_title_stays() -> None:
    """Looking for the ends of thousands of tags is no work for a title."""
    assert plain_title("<b>x</b>" * 1_000) == "<b>x</b>" * 1_000
