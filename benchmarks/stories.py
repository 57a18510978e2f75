"""How well posts of one story find each other (digest/edition/stories.py), on labelled samples.

    python benchmarks/stories.py [--verbose] [--cost] [SAMPLE ...]

The method was set by ``sample``, ``look-alikes``, ``held out`` and ``follow-ups``. Its mistakes on ``another hand``
were looked at, on ``held-out look-alikes`` those of follow-ups, and the likeness that groups need was raised until
precision there was 0.95. ``fresh hand`` and ``held-out follow-ups`` are what it is measured on.

A pair of reports is right to be joined if they are marked as one story. Precision is the share of joined pairs that
belong together, recall the share of those that are joined. For follow-ups, precision is the share of right ones among
the posts that are said to go on with a story of the day before, recall the share of stories that go on of which one
post or more says so.
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
SAMPLES = {
    "sample": FOLDER / "sample.txt",
    "look-alikes": FOLDER / "lookalikes.txt",
    "held out": FOLDER / "held-out.txt",
    "held-out look-alikes": FOLDER / "lookalikes-held-out.txt",
    "another hand": FOLDER / "another-hand.txt",
    "fresh hand": FOLDER / "fresh-hand.txt",
    "follow-ups": FOLDER / "follow-ups.txt",
    "held-out follow-ups": FOLDER / "follow-ups-held-out.txt",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report of a story. A family are stories that look alike."""

    family: str
    story: str
    telling: Telling
    before: bool = False
    """The day before had it."""
    alone: bool = False
    """Its story is told once."""


Titles = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What came out, with the titles of the pairs that went wrong."""

    same: int
    """How many belong together: pairs of one story, or stories that go on."""
    alike: int
    """How many do not and are of one family."""
    precision: float
    recall: float
    wrong: Titles
    missed: Titles


def read_reports(path: Path) -> Iterator[Report]:
    """Of a labelled sample."""
    from digest.edition.stories import Telling

    family = story = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        kind, _, rest = line.partition(" ")
        if kind == "==":
            family, story = rest, ""
        elif kind == "--":
            story = rest
        elif line and kind != "#":
            if kind == "*":
                story = ""
            title, summary, codes = (*(rest if kind in {"*", "^"} else line).split(" | "), "", "")[:3]
            yield Report(
                family=family,
                story=story or f"{number}",
                telling=Telling(key=number, title=title, summary=summary, codes=frozenset(codes.split())),
                before=kind == "^",
                alone=not story,
            )


def measure(samples: Sequence[Report]) -> Quality:
    """Over all pairs of these reports, grouped as if they were one day."""
    from digest.edition.stories import group_stories

    reports = {report.telling.key: report for report in samples}
    groups = group_stories([report.telling for report in samples])
    found = {pair for group in groups for pair in combinations(sorted(group), 2)}
    pairs = list(combinations(sorted(reports), 2))
    family = {pair for pair in pairs if reports[pair[0]].family == reports[pair[1]].family}
    right = {pair for pair in family if reports[pair[0]].story == reports[pair[1]].story}

    def titles(chosen: set[tuple[int, int]]) -> Titles:
        return tuple((reports[one].telling.title, reports[two].telling.title) for one, two in sorted(chosen))

    return Quality(
        same=len(right),
        alike=len(family) - len(right),
        precision=len(found & right) / len(found) if found else 1.0,
        recall=len(found & right) / len(right) if right else 1.0,
        wrong=titles(found - right),
        missed=titles(right - found),
    )


def measure_updates(samples: Sequence[Report]) -> Quality:
    """Of two days: the day before has what is marked so and every second of the stories that are told once."""
    from digest.edition.stories import find_earlier

    once = [report for report in samples if report.alone and not report.before]
    moved = {report.telling.key for report in once[::2]}
    before = [report for report in samples if report.before or report.telling.key in moved]
    today = [report for report in samples if not report.before and report.telling.key not in moved]
    stories = {(report.family, report.story) for report in before}
    found = find_earlier([report.telling for report in today], [report.telling for report in before])
    reports = {report.telling.key: report for report in samples}

    def identity(key: int) -> tuple[str, str]:
        return (reports[key].family, reports[key].story)

    due = {(report.family, report.story) for report in today} & stories
    right = {key for key, earlier in found.items() if identity(key) == identity(earlier)}
    told = {identity(key) for key in right}
    return Quality(
        same=len(due),
        alike=sum(report.family == other.family for report in today for other in before) - len(due),
        precision=len(right) / len(found) if found else 1.0,
        recall=len(told) / len(due) if due else 1.0,
        wrong=tuple((reports[k].telling.title, reports[e].telling.title) for k, e in found.items() if k not in right),
        missed=tuple(sorted(due - told)),
    )


def cost(posts: int = 500, titles: int = 3_000) -> float:
    """Milliseconds of CPU to group so many posts of all samples, not yet read, beside so many titles of an archive; the
    best of five."""
    from digest.edition.stories import group_stories
    from digest.edition.words import plain_text, read

    day = [report.telling for path in SAMPLES.values() for report in read_reports(path)][-posts:]
    archive = [f"{day[number % len(day)].title} {number}" for number in range(titles)]
    taken = []
    for _ in range(5):
        read.cache_clear()
        plain_text.cache_clear()
        began = time.process_time()
        group_stories(day, archive)
        taken.append(time.process_time() - began)
    return min(taken) * 1_000


def main(words: Sequence[str]) -> int:
    from digest.edition.stories import Telling, group_stories

    group_stories([Telling(key=1, title="词典"), Telling(key=2, title="詞典")])  # what is loaded at first use
    print(f"{'':<34}{'belong':>8}{'alike':>8}{'precision':>11}{'recall':>8}{'ms':>7}")
    chosen = [name for name in SAMPLES if not set(words) & set(SAMPLES) or name in words]
    for name in chosen:
        reports = list(read_reports(SAMPLES[name]))
        for kind in (measure, measure_updates):
            began = time.process_time()
            quality = kind(reports if kind is measure_updates else [each for each in reports if not each.before])
            taken = (time.process_time() - began) * 1_000
            if not quality.same:
                continue
            label = f"{name}: {'groups' if kind is measure else 'follow-ups'}"
            print(
                f"{label:<34}{quality.same:>8}{quality.alike:>8}{quality.precision:>11.3f}{quality.recall:>8.3f}{taken:>7.0f}"
            )
            if "--verbose" in words:
                for what, pairs in (("wrong", quality.wrong), ("missed", quality.missed)):
                    for one, other in pairs:
                        print(f"    {what}: {one}  ~  {other}")
    if "--cost" in words:
        print(f"500 posts beside 3,000 titles: {cost():.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
