"""Catalogues and dates of the site's language."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel import Locale
from babel.dates import format_date

from digest.errors import ConfigError
from digest.languages import CatalogueLanguage, _compile, _pattern, is_translated

MOMENT = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "day", "long_day", "month", "time", "number"),
    [
        ("zh-CN", "11月24日星期二", "2026年11月24日星期二", "2026年11月", "09:05", "12,345"),
        ("zh-TW", "11月24日 星期二", "2026年11月24日 星期二", "2026年11月", "09:05", "12,345"),
        ("ja", "11月24日火曜日", "2026年11月24日火曜日", "2026年11月", "9:05", "12,345"),
        ("ko", "11월 24일 화요일", "2026년 11월 24일 화요일", "2026년 11월", "09:05", "12,345"),
        ("en", "Tuesday, November 24", "Tuesday, November 24, 2026", "November 2026", "09:05", "12,345"),
        ("en-GB", "Tuesday 24 November", "Tuesday, 24 November 2026", "November 2026", "09:05", "12,345"),
        ("de-AT", "Dienstag, 24. November", "Dienstag, 24. November 2026", "November 2026", "09:05", "12.345"),
        ("fr", "mardi 24 novembre", "mardi 24 novembre 2026", "novembre 2026", "09:05", "12\u202f345"),
        ("es", "martes, 24 de noviembre", "martes, 24 de noviembre de 2026", "noviembre de 2026", "9:05", "12.345"),
        ("ar", "الثلاثاء، 24 نوفمبر", "الثلاثاء، 24 نوفمبر 2026", "نوفمبر 2026", "09:05", "12,345"),
    ],
)
def test_dates_and_numbers(tag: str, day: str, long_day: str, month: str, time: str, number: str) -> None:
    """As Unicode CLDR has them in the region, weekdays and months always in full."""
    language = CatalogueLanguage(tag)
    assert (language.day(MOMENT), language.long_day(MOMENT), language.month(MOMENT)) == (day, long_day, month)
    assert (language.time(MOMENT), language.number(12345)) == (time, number)


@pytest.mark.parametrize("tag", ["ru", "pl", "hu", "th", "he", "cs", "pt-BR", "fa"])
def test_names_are_whole_where_cldr_has_only_a_short_pattern(tag: str) -> None:
    """A pattern with a shorter name than asked for is taken with the longer one."""
    locale = Locale.parse(tag, sep="-")
    day = format_date(MOMENT, _pattern(locale, "MMMMEEEEd"), locale=locale)
    assert format_date(MOMENT, "EEEE", locale=locale) in day
    assert any(format_date(MOMENT, name, locale=locale) in day for name in ("MMMM", "LLLL"))


@pytest.mark.parametrize("tag", ["", "zz-ZZ-??", "not a language"])
def test_unknown_language_is_a_config_error(tag: str) -> None:
    """The message names the key and an example."""
    with pytest.raises(ConfigError, match=r"site\.language: unknown language .*zh-CN"):
        CatalogueLanguage(tag).text("All posts")


def test_text_fills_values_and_falls_back_to_english() -> None:
    """A message without translation is shown as it is written."""
    assert CatalogueLanguage("de").text("nobody translated {what}", what="this") == "nobody translated this"


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("zh", "退订"), ("zh-Hans", "退订"), ("zh-SG", "退订"), ("zh-MY", "退订"), ("zh-Hans-HK", "退订"),
        ("zh-TW", "取消訂閱"), ("zh-Hant", "取消訂閱"), ("zh-HK", "取消訂閱"), ("zh-MO", "取消訂閱"),
        ("zh-Hant-TW", "取消訂閱"),
        ("de-CH", "Abbestellen"), ("de-US", "Abbestellen"), ("fr-CA", "Se désabonner"),
        ("es-419", "Cancelar la suscripción"),
        ("ar-EG", "إلغاء الاشتراك"), ("en-AU", "Unsubscribe"), ("fa", "Unsubscribe"),
    ],
)  # fmt: skip
def test_a_region_has_the_texts_of_its_language_and_script(tag: str, says: str) -> None:
    """Hong Kong and Macau read traditional characters, Singapore and Malaysia simplified ones."""
    assert CatalogueLanguage(tag).text("Unsubscribe") == says


def test_direction() -> None:
    """Right-to-left languages say so."""
    assert CatalogueLanguage("ar").direction == "rtl"
    assert CatalogueLanguage("zh-CN").direction == "ltr"


def test_without_a_catalogue_all_that_is_said_is_english() -> None:
    """Dates, numbers and plurals too: none stands in another language's sentence. The site's own direction stays."""
    persian = CatalogueLanguage("fa")
    assert (persian.spoken, persian.direction, persian.direction_of("fa")) == ("en", "ltr", "rtl")
    assert persian.day(MOMENT) == "Tuesday, November 24"
    assert persian.plural("{count} post", "{count} posts", 0) == "0 posts"
    french = CatalogueLanguage("fr")
    assert (french.spoken, french.direction_of("no such thing")) == ("fr", "ltr")
    assert french.plural("{count} post", "{count} posts", 0) == "0 article"


def test_which_languages_are_translated() -> None:
    """Asked at every start, so Babel is not."""
    assert all(map(is_translated, ["en", "en-GB", "zh-HK", "zh", "de-CH", "AR"]))
    assert not any(map(is_translated, ["fa", "pt-BR", "e", "zhx"]))


@pytest.mark.parametrize(
    ("tag", "near", "months", "years"),
    [
        ("zh-CN", "11月16日至22日", "11月28日至12月4日", "2026年12月28日至2027年1月3日"),
        ("ja", "11月16日～22日", "11月28日～12月4日", "2026年12月28日～2027年1月3日"),
        ("en-GB", "16–22 November", "28 November – 4 December", "28 December 2026 – 3 January 2027"),
        ("de", "16.–22. November", "28. November – 4. Dezember", "28. Dezember 2026 – 3. Januar 2027"),
        ("ar", "16–22 نوفمبر", "28 نوفمبر – 4 ديسمبر", "28 ديسمبر 2026 – 3 يناير 2027"),
    ],
)
def test_what_two_days_have_in_common_is_said_once(tag: str, near: str, months: str, years: str) -> None:
    """Intervals of CLDR; it puts thin spaces around some dashes."""
    language = CatalogueLanguage(tag)
    ends = (((11, 16), (11, 22)), ((11, 28), (12, 4)))
    said = [language.days(*(MOMENT.replace(month=m, day=d) for m, d in pair), with_year=False) for pair in ends]
    over = language.days(MOMENT.replace(month=12, day=28), datetime(2027, 1, 3, tzinfo=UTC), with_year=True)
    assert [each.replace("\u2009", " ") for each in (*said, over)] == [near, months, years]


def test_plural_forms_follow_the_language() -> None:
    """English has two forms, the number is written as the language writes it."""
    english = CatalogueLanguage("en")
    assert english.plural("{count} post", "{count} posts", 1) == "1 post"
    assert english.plural("{count} post", "{count} posts", 1200) == "1,200 posts"
    chinese = CatalogueLanguage("zh-CN")
    assert chinese.plural("{count} post", "{count} posts", 1200) == "1,200 篇"
    arabic = CatalogueLanguage("ar")
    said = [arabic.plural("{count} post", "{count} posts", count) for count in (1, 2, 7, 12, 100, 103)]
    assert said == ["مقال واحد", "مقالان", "7 مقالات", "12 مقالًا", "100 مقال", "103 مقالات"]


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
