"""How mails, pages and notices look: every colour, made from one accent, and what the operator puts on them.

Greys take the accent's hue; the accent is walked to where it can be read on every ground, in light and in dark. Colours
are mixed in OKLCH (CSS Color 4), where equal steps look equal; contrast is that of WCAG 2.1 (1.4.3). Pure.
"""

from __future__ import annotations

import math
from functools import lru_cache

from msgspec import Struct

ACCENT = "#0b5a7a"
"""Not red: in Chinese finance red means up, and a red headline reads as a quotation."""
LEAST_CONTRAST = 4.5
"""Of text on its ground (WCAG 2.1, level AA)."""


class Palette(Struct, frozen=True, kw_only=True):
    """Colours as ``#rrggbb``. Text (``ink``, ``soft``, ``accent``, ``bad``, ``good``) can be read on each ground
    (``ground``, ``sheet``, ``wash``), and ``on`` on the accent."""

    ground: str
    """Behind everything."""
    sheet: str
    """What is read lies on it."""
    wash: str
    """Lifts a box off the sheet."""
    line: str
    """Decoration only; never the edge of a field."""
    edge: str
    """Borders of fields and boxes: 3 to 1 (WCAG 2.1, 1.4.11)."""
    soft: str
    """Text beside what is read, and links that lead elsewhere."""
    ink: str
    accent: str
    """Read this, do this; nothing else has it."""
    on: str
    """Text on a button."""
    bad: str
    """Alarms of the operator's pages."""
    good: str


class Theme(Struct, frozen=True, kw_only=True):
    """What the operator chose (``look`` and ``mail.postal_address`` of the configuration)."""

    accent: str = ACCENT
    """As ``#rrggbb``."""
    logo: str = ""
    """Address of a picture in place of the title; empty for none."""
    font: str = ""
    """Families put before those of the language, as CSS has them; empty for none."""
    width: int = 600
    """Of the mail, in pixels."""
    footer: str = ""
    """A line or two in every foot."""
    postal_address: str = ""

    @property
    def light(self) -> Palette:
        return palettes(self.accent)[0]

    @property
    def dark(self) -> Palette:
        return palettes(self.accent)[1]

    def fonts(self, language: str) -> str:
        """The families for a language (BCP 47), as CSS has them. Those of Chinese, Japanese and Korean come first for
        these: a Latin face in front would take their quotation marks and dashes, and set them half as wide."""
        script = script_of(language)
        known = f"{_FONTS[script]},sans-serif" if script else f"{_LATIN},{_FONTS['Hans']},sans-serif"
        return f"{self.font},{known}" if self.font else known

    def office_fonts(self, language: str) -> str:
        """Those for Outlook on Windows, which takes the first one whether it is there or not."""
        return f"{_OFFICE_FONTS.get(script_of(language), 'Arial')},Arial,sans-serif"


def script_of(language: str) -> str:
    """``Hans``, ``Hant``, ``Jpan``, ``Kore`` or ``Arab`` (ISO 15924) of a language (BCP 47) that needs fonts of its
    own; empty for all others."""
    primary, *others = language.lower().split("-")
    if primary == "zh":
        is_traditional = "hant" in others or ("hans" not in others and not {"tw", "hk", "mo"}.isdisjoint(others))
        return "Hant" if is_traditional else "Hans"
    return {"ja": "Jpan", "ko": "Kore", "ar": "Arab", "fa": "Arab", "ur": "Arab", "ps": "Arab"}.get(primary, "")


_LATIN = '"Segoe UI","Helvetica Neue",Arial,"Noto Sans"'
_FONTS = {
    "Hans": '"PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC"',
    "Hant": '"PingFang TC","Microsoft JhengHei","Noto Sans CJK TC"',
    "Jpan": '"Hiragino Sans","Hiragino Kaku Gothic ProN","Yu Gothic","Meiryo","Noto Sans CJK JP"',
    "Kore": '"Apple SD Gothic Neo","Malgun Gothic","Noto Sans CJK KR"',
    "Arab": '"Segoe UI","Geeza Pro",Tahoma,"Noto Sans Arabic",Arial',
}
"""Of macOS and iOS, of Windows, of Linux and Android."""
_OFFICE_FONTS = {
    "Hans": '"Microsoft YaHei"',
    "Hant": '"Microsoft JhengHei"',
    "Jpan": '"Yu Gothic"',
    "Kore": '"Malgun Gothic"',
    "Arab": "Tahoma",
}

_Tones = dict[str, tuple[float, float]]
_LIGHT: _Tones = {
    "ground": (0.9659, 0.0025),
    "wash": (0.9707, 0.0050),
    "line": (0.9011, 0.0051),
    "edge": (0.5995, 0.0094),
    "soft": (0.4744, 0.0099),
    "ink": (0.2308, 0.0084),
}
_DARK: _Tones = {
    "ground": (0.1666, 0.0039),
    "sheet": (0.2062, 0.0050),
    "wash": (0.2491, 0.0082),
    "line": (0.3454, 0.0065),
    "edge": (0.6096, 0.0094),
    "soft": (0.7440, 0.0089),
    "ink": (0.9350, 0.0035),
}
"""Lightness and chroma of the greys; their hue is the accent's."""
_WANTED = (5.5, 7.0)
"""Contrast of the accent on every ground, in light and in dark."""
_DARKEST_ACCENT = 0.70
_MOST_CHROMA = 0.13
"""Of the accent in the dark, where strong colours glare."""
_STEP = 0.005


@lru_cache(maxsize=16)
def palettes(accent: str) -> tuple[Palette, Palette]:
    """The colours of light and dark made from an accent (``#rrggbb``). Raises ValueError if no lightness of it can be
    read on every ground."""
    lightness, chroma, hue = oklch(accent)
    light = {name: mixed(*tone, hue) for name, tone in _LIGHT.items()} | {"sheet": "#ffffff"}
    dark = {name: mixed(*tone, hue) for name, tone in _DARK.items()}
    of_light = _readable(lightness, chroma, hue, light, step=-_STEP, wanted=_WANTED[0], written=accent)
    of_dark = _readable(
        max(lightness, _DARKEST_ACCENT), min(chroma, _MOST_CHROMA), hue, dark, step=_STEP, wanted=_WANTED[1]
    )
    return (
        Palette(accent=of_light, on="#ffffff", bad="#a01818", good="#1d6b35", **light),
        Palette(accent=of_dark, on=dark["ground"], bad="#ff9c92", good="#86d49b", **dark),
    )


def _readable(
    lightness: float,
    chroma: float,
    hue: float,
    grounds: dict[str, str],
    *,
    step: float,
    wanted: float,
    written: str | None = None,
) -> str:
    """The colour nearest to this one that can be read on all grounds; ``written`` itself if that can."""
    colour = written or mixed(lightness, chroma, hue)
    while min(contrast(colour, grounds[name]) for name in ("ground", "sheet", "wash")) < wanted:
        lightness += step
        if not 0 <= lightness <= 1:
            raise ValueError(f"{written or colour} has no shade that can be read")
        colour = mixed(lightness, chroma, hue)
    return colour


def contrast(one: str, other: str) -> float:
    """From 1 to 21 (WCAG 2.1, relative luminance), of two colours as ``#rrggbb``."""
    high, low = sorted(
        (0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (_linear(one), _linear(other))),
        reverse=True,
    )
    return (high + 0.05) / (low + 0.05)


def _linear(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _decoded(red), _decoded(green), _decoded(blue)


def _decoded(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _encoded(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * float(part ** (1 / 2.4)) - 0.055


def oklch(colour: str) -> tuple[float, float, float]:
    """Lightness (0 to 1), chroma and hue (degrees) of ``#rrggbb``."""
    red, green, blue = _linear(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def mixed(lightness: float, chroma: float, hue: float) -> str:
    """The colour as ``#rrggbb``, with as much of the chroma as a screen has (sRGB)."""
    while True:
        parts = _rgb(lightness, chroma, hue)
        if chroma <= 0 or all(-0.0005 <= part <= 1.0005 for part in parts):
            return "#" + "".join(f"{round(255 * min(max(part, 0), 1)):02x}" for part in parts)
        chroma -= 0.002


def _rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _encoded(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _encoded(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _encoded(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )
