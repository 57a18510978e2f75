"""What becomes of the look that the operator chose, and what the law wants in each foot."""

from __future__ import annotations

from collections.abc import Mapping

from digest.jobs.check.findings import Finding, ok, warning
from digest.theme import Palette, Theme, contrast

MANY = 100
"""Readers from which on a list without a postal address is told."""


def judge_accent(theme: Theme) -> Finding:
    """The accent as it is used, with its lowest contrast in light and in dark."""
    used = [_told(palette) for palette in (theme.light, theme.dark)]
    says = f"{used[0]} in light, {used[1]} in dark"
    if theme.light.accent == theme.accent:
        return ok("accent", says)
    lowest = contrast(theme.accent, theme.light.ground)
    return ok("accent", f"{theme.accent} could not be read ({lowest:.1f} to 1), so it is {says}")


def _told(palette: Palette) -> str:
    lowest = min(contrast(palette.accent, ground) for ground in (palette.ground, palette.sheet, palette.wash))
    return f"{palette.accent} ({lowest:.1f} to 1)"


def judge_address(postal_address: str, readers: Mapping[str, int]) -> Finding:
    """Whether mail to many says where its sender can be reached by post. ``readers`` are those of each digest."""
    name = "postal address"
    if postal_address:
        return ok(name, postal_address)
    largest = max(readers, key=lambda digest: readers[digest], default="")
    most = readers.get(largest, 0)
    if most <= MANY:
        return ok(name, "there is none, and no list has more than a hundred readers")
    return warning(
        name,
        f"{largest} goes to {most:,} readers, and no foot says where you can be reached by post",
        "set mail.postal_address: many countries ask for it",
    )
