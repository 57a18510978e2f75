"""What readers want of an edition: one spelling each, and which posts it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.selection import Selection, read_selection

names = st.frozensets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=4)


@given(names, names)
def test_a_selection_has_one_spelling(one: frozenset[str], other: frozenset[str]) -> None:
    """The same for the same categories in any order, another for others; nothing is lost in it."""
    first, second = Selection.of(one), Selection.of(sorted(other, reverse=True))
    assert (str(first) == str(second)) is (one == other)
    assert read_selection(str(first)) == first
    assert (str(first) == "") is (not one)


@pytest.mark.parametrize(
    ("chosen", "post", "wanted"),
    [((), (), True), ((), ("a",), True), (("a",), (), False), (("a", "b"), ("c", "b"), True), (("a",), ("b",), False)],
)
def test_a_post_is_wanted_for_any_of_its_categories(chosen: tuple[str], post: tuple[str], wanted: bool) -> None:
    assert Selection.of(chosen).matches(post) is wanted


def test_sections_come_in_the_order_of_the_digest() -> None:
    """Categories that it does not know come last."""
    assert Selection.of("abxc").in_order(["c", "d", "b"]) == ("c", "b", "a", "x")
    assert Selection().in_order(["c"]) is None


@pytest.mark.parametrize("text", ['{"keywords":["x"]}', '{"categories":"x"}', "[]", "x"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    """It would else be everything."""
    with pytest.raises(ValueError, match=r"."):
        read_selection(text)
