"""How well posts of one story find each other (digest/edition/stories.py), on labelled samples.

    python benchmarks/stories.py [--verbose]

``sample.txt`` is what the method's thresholds were set by, ``held-out.txt`` is not: the second figure is the honest
one. A pair of reports is right to be joined if they are marked as one story. Precision is the share of joined pairs
that belong together, recall the share of those that are joined.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digest.edition.stories import Telling

FOLDER = Path(__file__).parent.parent / "tests" / "edition" / "stories"
SAMPLES = {"sample": FOLDER / "sample.txt", "held out": FOLDER / "held-out.txt"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report of a story. A family are stories that look alike."""

    family: str
    story: str
    telling: Telling


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What came out, with the titles of the pairs that went wrong."""

    same: int
    """Pairs of one story."""
    alike: int
    """Pairs of two stories of a family."""
    precision: float
    recall: float
    wrong: tuple[tuple[str, str], ...]
    missed: tuple[tuple[str, str], ...]


def read_reports(path: Path) -> Iterator[Report]:
    """Of a labelled sample."""
    from digest.edition.stories import Telling

    family = story = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        kind, _, rest = line.partition(" ")
        if kind == "==":
            family = rest
        elif kind == "--":
            story = rest
        elif line and kind != "#":
            title, summary = line.split(" | ")
            yield Report(family=family, story=story, telling=Telling(key=number, title=title, summary=summary))


def measure(samples: Sequence[Report]) -> Quality:
    """Over all pairs of these reports, grouped as if they were one day."""
    from digest.edition.stories import group_stories

    reports = {report.telling.key: report for report in samples}
    groups = group_stories([report.telling for report in samples])
    found = {pair for group in groups for pair in combinations(sorted(group), 2)}
    pairs = list(combinations(sorted(reports), 2))
    family = {pair for pair in pairs if reports[pair[0]].family == reports[pair[1]].family}
    right = {pair for pair in family if reports[pair[0]].story == reports[pair[1]].story}

    def titles(chosen: set[tuple[int, int]]) -> tuple[tuple[str, str], ...]:
        return tuple((reports[one].telling.title, reports[two].telling.title) for one, two in sorted(chosen))

    return Quality(
        same=len(right),
        alike=len(family) - len(right),
        precision=len(found & right) / len(found) if found else 1.0,
        recall=len(found & right) / len(right) if right else 1.0,
        wrong=titles(found - right),
        missed=titles(right - found),
    )


def main(words: Sequence[str]) -> int:
    print(f"{'':<10}{'one story':>10}{'look alike':>12}{'precision':>11}{'recall':>8}{'ms':>7}")
    for name, path in SAMPLES.items():
        reports = list(read_reports(path))
        began = time.process_time()
        quality = measure(reports)
        taken = (time.process_time() - began) * 1_000
        print(
            f"{name:<10}{quality.same:>10}{quality.alike:>12}{quality.precision:>11.3f}{quality.recall:>8.3f}{taken:>7.0f}"
        )
        if "--verbose" in words:
            for kind, pairs in (("wrong", quality.wrong), ("missed", quality.missed)):
                for one, other in pairs:
                    print(f"    {kind}: {one}  ~  {other}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
