"""Catalogues and dates of the site's language."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import ConfigError
from digest.languages import CatalogueLanguage, read_any, read_plain

MOMENT = datetime(2026, 11, 24, 17, 5, tzinfo=UTC)
LOCALES = Path(__file__).parent.parent / "digest" / "locales"


@pytest.mark.parametrize(
    ("tag", "day", "long_day", "time", "number"),
    [
        ("zh-CN", "11月24日 星期二", "2026年11月24日 星期二", "17:05", "12,345"),
        ("en", "Tuesday 24 November", "Tuesday 24 November 2026", "17:05", "12,345"),
        ("de-DE", "Dienstag 24 November", "Dienstag 24 November 2026", "17:05", "12.345"),
    ],
)
def test_dates_and_numbers(tag: str, day: str, long_day: str, time: str, number: str) -> None:
    """Dates follow the language's own order where a catalogue gives one, names are the language's anyway."""
    language = CatalogueLanguage(tag)
    assert (language.day(MOMENT), language.long_day(MOMENT)) == (day, long_day)
    assert (language.time(MOMENT), language.number(12345)) == (time, number)


@pytest.mark.parametrize("tag", ["", "zz-ZZ-??", "not a language"])
def test_unknown_language_is_a_config_error(tag: str) -> None:
    """The message names the key and an example."""
    with pytest.raises(ConfigError, match=r"site\.language: unknown language .*zh-CN"):
        CatalogueLanguage(tag).text("All posts")


def test_text_fills_values_and_falls_back_to_english() -> None:
    """A message without translation is shown as it is written."""
    assert CatalogueLanguage("de").text("nobody translated {what}", what="this") == "nobody translated this"


def test_direction() -> None:
    """Right-to-left languages say so."""
    assert CatalogueLanguage("ar").direction == "rtl"
    assert CatalogueLanguage("zh-CN").direction == "ltr"


def test_plural_forms_follow_the_language() -> None:
    """English has two forms, the number is written as the language writes it."""
    english = CatalogueLanguage("en")
    assert english.plural("{count} post", "{count} posts", 1) == "1 post"
    assert english.plural("{count} post", "{count} posts", 1200) == "1,200 posts"


@pytest.mark.parametrize("path", sorted(LOCALES.rglob("*.po")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_catalogues_are_whole(path: Path) -> None:
    """No message is left untranslated or fuzzy, and each translation has the placeholders of its message."""
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        sources = (message.id,) if isinstance(message.id, str) else message.id
        targets = (message.string,) if isinstance(message.string, str) else message.string
        for target in targets:
            assert target, message.id
            names = set(re.findall(r"{(\w+)}", target))
            assert names - {"count"} == set(re.findall(r"{(\w+)}", sources[-1])) - {"count"}, message.id


# ------------------------------------------------------------- catalogues


@pytest.mark.parametrize("path", sorted(LOCALES.rglob("*.po")), ids=lambda path: path.name)
def test_our_catalogues_are_read_as_babel_reads_them(path: Path) -> None:
    """Without loading it."""
    plain = read_plain(path.read_text(encoding="utf-8"))
    assert plain is not None, "it is too rich"
    assert list(plain.items()) == list(read_any(path.read_bytes()).items())


_WORDS = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' \n\t"\\{}%'), min_size=1)


@given(st.dictionaries(_WORDS, _WORDS | st.tuples(_WORDS, _WORDS), max_size=5))
def test_whatever_babel_writes_is_read_alike(texts: dict[str, str | tuple[str, str]]) -> None:
    """Long lines are wrapped, and quotes, backslashes and ends of lines escaped."""
    catalog = Catalog(locale="en")
    for key, found in texts.items():
        catalog.add(key if isinstance(found, str) else (key, f"{key}s"), found, user_comments=["a remark"])
    written = BytesIO()
    write_po(written, catalog, omit_header=True)
    assert read_plain(written.getvalue().decode()) == read_any(written.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        '#, fuzzy\nmsgid "a"\nmsgstr "b"\n',
        '#~ msgid "a"\n#~ msgstr "b"\n',
        'msgctxt "x"\nmsgid "a"\nmsgstr "b"\n',
        'msgid "a"\nmsgstr "b"\nmsgid "c"\nmsgstr "d"\n',
        'msgid "a"\nmsgstr "\\a"\n',
        '"a"\n',
        'msgstr "a"\n',
    ],
)
def test_what_is_not_plain_is_left_to_babel(text: str) -> None:
    """It says what is wrong, if something is."""
    assert read_plain(text) is None
