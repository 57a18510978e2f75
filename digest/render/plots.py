"""Small plots as SVG, made here: one bar a day, no script, no style of its own.

Colours come from the page (classes ``bar``, ``axis``, ``label``). A plot has a title and a description for those who do
not see it (https://www.w3.org/TR/SVG-access/); the page shows the numbers as a table beside it. Time runs from left to
right in every language.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from html import escape

from digest.ports import Language

WIDTH, HEIGHT = 320, 132
"""In units that are pixels on a narrow screen."""
_LEFT, _TOP, _BOTTOM = 4, 22, 20
_GAP = 0.22
"""Of a bar's place, what stays free."""
Said = Callable[[int], str]
"""A value with its unit, in words of the page's language."""


def bar_plot(
    days: Sequence[date], values: Sequence[int | None], *, name: str, title: str, said: Said, language: Language
) -> str:
    """The plot as an ``svg`` element. ``name`` makes its ids unique on the page; ``values`` are not negative, None has
    no bar. Same input, same text."""
    top = max((value for value in values if value is not None), default=0)
    scale = (HEIGHT - _TOP - _BOTTOM) / max(top, 1)
    step = (WIDTH - 2 * _LEFT) / max(len(days), 1)
    floor = HEIGHT - _BOTTOM
    bars = "".join(
        f'<rect class="bar" x="{_number(_LEFT + step * (place + _GAP / 2))}" '
        f'y="{_number(floor - _height(value, scale))}" width="{_number(step * (1 - _GAP))}" '
        f'height="{_number(_height(value, scale))}"><title>{escape(_told(language, day, said(value)))}</title></rect>'
        for place, (day, value) in enumerate(zip(days, values, strict=True))
        if value
    )
    first, last = (escape(short_day(language, each)) for each in (days[0], days[-1])) if days else ("", "")
    ends = (
        f'<text class="label" x="{_LEFT}" y="{HEIGHT - 5}">{first}</text>'
        f'<text class="label" x="{WIDTH - _LEFT}" y="{HEIGHT - 5}" text-anchor="end">{last}</text>'
        if days
        else ""
    )
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(describe(days, values, said=said, language=language))}</desc>'
        f'<text class="label" x="{_LEFT}" y="14">{escape(said(top))}</text>'
        f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _LEFT}" y1="{floor}" y2="{floor}"/>{bars}{ends}</svg>'
    )


def describe(days: Sequence[date], values: Sequence[int | None], *, said: Said, language: Language) -> str:
    """What a plot shows, in one sentence."""
    known = [(value, day) for day, value in zip(days, values, strict=True) if value is not None]
    if not known:
        return language.text("Nothing is known yet.")
    most, when = max(known, key=lambda pair: (pair[0], pair[1]))
    last, today = known[-1]
    return language.text(
        "{first} to {last}: at most {most} ({day}), lately {now} ({today}).",
        first=short_day(language, days[0]),
        last=short_day(language, days[-1]),
        most=said(most),
        day=short_day(language, when),
        now=said(last),
        today=short_day(language, today),
    )


def short_day(language: Language, day: date) -> str:
    """As the page's language has it, without the year."""
    return language.short_day(datetime.combine(day, time()), with_year=False)


def _told(language: Language, day: date, value: str) -> str:
    return language.text("{title}: {names}", title=short_day(language, day), names=value)


def _height(value: int | None, scale: float) -> float:
    """Whatever is not nothing can be seen."""
    return max(1.5, value * scale) if value else 0.0


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
