"""Catalogues and dates of the site's language."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from digest.errors import ConfigError
from digest.languages import CatalogueLanguage, _compile

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
    chinese = CatalogueLanguage("zh-CN")
    assert chinese.plural("{count} post", "{count} posts", 1200) == "1,200 篇"


@pytest.mark.parametrize("path", sorted(LOCALES.rglob("*.po")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_catalogues_are_whole(path: Path) -> None:
    """No message is left untranslated or fuzzy, and each translation has the placeholders of its message."""
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        assert message.string is not None, message.id
        sources = (message.id,) if isinstance(message.id, str) else message.id
        targets = (message.string,) if isinstance(message.string, str) else message.string
        for target in targets:
            assert target, message.id
            names = set(re.findall(r"{(\w+)}", target))
            assert names - {"count"} == set(re.findall(r"{(\w+)}", sources[-1])) - {"count"}, message.id


# ------------------------------------------------------------- catalogues

SAYS = """
import sys
from digest.languages import CatalogueLanguage
print(CatalogueLanguage("zh-CN").text("Unsubscribe"), "babel.messages" in sys.modules)
"""


def say(cache: Path | str) -> str:
    """A text, and whether Babel read the catalogue for it, in a process of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", SAYS], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_catalogues_are_compiled_once(tmp_path: Path) -> None:
    """Babel takes its time; what it made is kept for the next process. What is damaged is made again."""
    assert say(tmp_path / "cache") == "退订 True"
    assert say(tmp_path / "cache") == "退订 False"
    kept = sorted((tmp_path / "cache" / "digest").iterdir())
    assert {path.suffix for path in kept} == {".mo"}
    for number, path in enumerate(kept):
        path.write_bytes(path.read_bytes()[: number * 30])
    assert say(tmp_path / "cache") == "退订 True"
    assert say(tmp_path / "cache") == "退订 False"


def test_where_nothing_can_be_kept_the_text_is_there_all_the_same(tmp_path: Path) -> None:
    """A file is in the way, or nobody knows where the cache is."""
    (tmp_path / "file").touch()
    assert say(tmp_path / "file") == "退订 True"
    assert say("relative") == "退订 True"
    assert not Path("relative").exists()


def test_a_frozen_catalogue_is_used_as_it_was() -> None:
    """Compiled anew a file is the same, byte for byte: nothing in it is of the time."""
    po = b'msgid "Other"\nmsgstr "x"\n'
    mo = _compile(po, "zh_CN")
    assert b"POT-Creation-Date: 1970-01-01" in mo
    frozen = CatalogueLanguage("zh-CN", [mo])
    assert frozen.catalogue == (mo,)
    assert (frozen.text("Other"), frozen.text("Stocks")) == ("x", "股票"), "what it does not know is newer"
