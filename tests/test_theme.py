"""Colours that are made from one accent (digest/theme.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.theme import ACCENT, LEAST_CONTRAST, Theme, contrast, mixed, oklch, palettes

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(accent=colours)
def test_every_text_can_be_read_on_every_ground(accent: str) -> None:
    """Whatever the accent, in light and in dark: text 4.5 to 1, edges 3 to 1 (WCAG 2.1, 1.4.3 and 1.4.11)."""
    for palette in palettes(accent):
        grounds = (palette.ground, palette.sheet, palette.wash)
        for text in (palette.ink, palette.soft, palette.accent, palette.bad, palette.good):
            assert min(contrast(text, ground) for ground in grounds) >= LEAST_CONTRAST, (accent, text)
        assert min(contrast(palette.edge, ground) for ground in grounds) >= 3
        assert contrast(palette.on, palette.accent) >= LEAST_CONTRAST


@pytest.mark.parametrize(
    ("written", "light", "dark"),
    [
        (ACCENT, ACCENT, "#70b5d8"),
        ("#a8321c", "#a8321c", "#f8917b"),
        ("#ffcc00", "#785f01", "#f3cf66"),
        ("#000000", "#000000", "#acacac"),
    ],
)
def test_an_accent_stays_as_it_is_if_it_can_be_read(written: str, light: str, dark: str) -> None:
    theme = Theme(accent=written)
    assert (theme.light.accent, theme.dark.accent) == (light, dark)


def test_greys_have_a_breath_of_the_accent() -> None:
    for palette in palettes("#a8321c"):
        for grey in (palette.ink, palette.soft, palette.edge, palette.line):
            _, chroma, _ = oklch(grey)
            assert chroma < 0.016


@given(colour=colours)
def test_a_colour_comes_back_from_oklch(colour: str) -> None:
    for at in (1, 3, 5):
        assert abs(int(mixed(*oklch(colour))[at : at + 2], 16) - int(colour[at : at + 2], 16)) <= 1


@pytest.mark.parametrize(("one", "other", "ratio"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48)])
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("zh-CN", '"PingFang SC"'),
        ("en", '"Segoe UI"'),
        ("zh-HK", '"PingFang TC"'),
        ("zh-Hans-HK", '"PingFang SC"'),
        ("ja", '"Hiragino Sans"'),
        ("ko-KR", '"Apple SD Gothic Neo"'),
        ("ar", '"Segoe UI","Geeza Pro"'),
    ],
)
def test_the_operators_typeface_stands_before_those_of_the_language(language: str, first: str) -> None:
    assert Theme().fonts(language).startswith(first)
    assert Theme(font="Georgia").fonts(language) == f"Georgia,{Theme().fonts(language)}"
