"""Elements written as text are what lxml would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from digest.render.feeds.elements import element, parent

xml_text = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\ufffe\uffff", min_codepoint=32)
    | st.sampled_from("\t\n\r&<>\"'")
)


@given(st.none() | xml_text, st.dictionaries(st.sampled_from(["href", "term", "rel"]), xml_text))
def test_an_element_is_what_lxml_writes(text: str | None, attributes: dict[str, str]) -> None:
    """Byte for byte, whatever the text: escapes, empty elements, the order of attributes."""
    made = etree.Element("category", attributes)
    made.text = text
    assert element("category", text, attributes).encode() == etree.tostring(made, encoding="UTF-8")


@given(st.lists(xml_text, max_size=3))
def test_a_parent_is_what_lxml_writes(texts: list[str]) -> None:
    made = etree.Element("author")
    for text in texts:
        etree.SubElement(made, "name").text = text
    assert parent("author", *(element("name", text) for text in texts)).encode() == etree.tostring(
        made, encoding="UTF-8"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [("a & b", "a &amp; b"), ("]]>", "]]&gt;"), ('"', '"'), ("", ""), ("财经", "财经")],
)
def test_text(text: str, written: str) -> None:
    assert element("title", text) == f"<title>{written}</title>"
