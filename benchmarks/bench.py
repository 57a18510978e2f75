#!/usr/bin/env python3
"""Measure `digest run` as a whole process on archives of several sizes.

    bench.py                                    1,000 and 17,000 posts, five rounds each
    bench.py --sizes 100000 --rounds 3 --json after.json --compare before.json

Each round, in turn: the floors (list; read; read and load YAML), a cold run on an empty store, a run with nothing
new, and a run with 100 new posts. After each run the feeds and the report are checked; a wrong result ends the
benchmark. Figures are medians; ratios are taken round by round, so that a busy machine disturbs them little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from checks import Known, WorkNotDone, check_feeds, check_report, check_untouched, snapshot
from make_archive import END, Made, make_archive, usual_days, write_archive

HERE = Path(__file__).parent
FLOORS = {"list": "list + stat", "read": "read every byte", "yaml": "read + CSafeLoader"}
RUNS = {"cold": "cold", "unchanged": "nothing new", "new": "new posts"}
PACKAGES = ("sqlalchemy", "PyYAML", "beautifulsoup4", "lxml", "feedgen", "jinja2")

COLD_AT = END + timedelta(hours=6)
"""What the runs take for the present: between two digests, so that only the first run makes an edition."""
UNCHANGED_AT = COLD_AT + timedelta(minutes=5)
NEW_AT = COLD_AT + timedelta(days=1)

CONFIG = """\
site:
  title: Benchmark
  url: https://posts.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: Benchmark
posts:
  folder: {posts}
mail:
  transport: folder
  folder: {work}/outbox
  sender: Benchmark <digest@posts.example.com>
  to: [reader@example.com]
store: sqlite:///{work}/digest.db
output: {work}/public
"""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds, and bytes of memory at its peak."""

    wall: float
    cpu: float
    peak: int


def wall(cost: Cost) -> float:
    return cost.wall


def cpu(cost: Cost) -> float:
    return cost.cpu


@dataclass
class Series:
    """The same run once a round."""

    costs: list[Cost] = field(default_factory=list)

    def middle(self, of: Callable[[Cost], float]) -> float:
        return median(map(of, self.costs))

    def times(self, other: Series, of: Callable[[Cost], float] = wall) -> float:
        """How many times the other, pair by pair."""
        return median(of(mine) / of(theirs) for mine, theirs in zip(self.costs, other.costs, strict=True))

    def to_json(self) -> dict[str, Any]:
        return {
            "wall": round(self.middle(wall), 6),
            "wall_min": min(cost.wall for cost in self.costs),
            "wall_max": max(cost.wall for cost in self.costs),
            "cpu": round(self.middle(cpu), 6),
            "peak": int(self.middle(lambda cost: cost.peak)),
        }


@dataclass(frozen=True)
class Options:
    sizes: tuple[int, ...]
    categories: int
    new: int
    rounds: int
    seed: int
    python: str


@dataclass
class Measured:
    """All series of one archive."""

    posts: int
    bytes: int
    categories: int
    new: int
    feeds: int = 0
    series: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in (*FLOORS, *RUNS)})

    def per_post(self, run: str) -> float:
        """Seconds for each post that the run has to do with: all of them, or the new ones."""
        return self.series[run].middle(wall) / (self.new if run == "new" else self.posts)

    def to_json(self) -> dict[str, Any]:
        runs = {
            run: {
                **self.series[run].to_json(),
                "per_post": self.per_post(run),
                "times": {floor: round(self.series[run].times(self.series[floor]), 3) for floor in FLOORS},
                "times_cpu": {floor: round(self.series[run].times(self.series[floor], cpu), 3) for floor in FLOORS},
            }
            for run in RUNS
        }
        floors = {floor: self.series[floor].to_json() for floor in FLOORS}
        shape = {"posts": self.posts, "bytes": self.bytes, "categories": self.categories, "new": self.new}
        return {**shape, "feeds": self.feeds, "runs": runs, "floors": floors}


# --------------------------------------------------------------- measuring


def measure(command: list[str], folder: Path) -> tuple[Cost, str]:
    """Run the command; its cost and what it printed. Raises WorkNotDone if it fails."""
    result, stdout, stderr = (folder / name for name in ("cost.json", "stdout", "stderr"))
    files = [str(path) for path in (result, stdout, stderr)]
    subprocess.run([sys.executable, "-I", "-S", str(HERE / "measure.py"), *files, *command], check=True, cwd=folder)
    cost = json.loads(result.read_text())
    code = cost.pop("code")
    if code != 0:
        said = (stderr.read_text(errors="replace") + stdout.read_text(errors="replace")).strip().splitlines()
        raise WorkNotDone(f"{' '.join(command)} ended with {code}: {' / '.join(said[-3:])}")
    return Cost(**cost), stdout.read_text(encoding="utf-8")


class Site:
    """One archive on disk, with an empty store and output for each round."""

    def __init__(self, folder: Path, posts: int, options: Options) -> None:
        self._folder = folder
        self._options = options
        self._posts = folder / "site"
        self._work = folder / "work"
        self._known: list[Known] = []
        self._days = usual_days(posts)
        _, size = write_archive(self._posts, self._remembered(self._made(posts)))
        self.measured = Measured(posts, size, options.categories, options.new)

    def _made(self, posts: int, more: int = 0) -> Iterator[Made]:
        return make_archive(posts, self._options.categories, self._days, self._options.seed, more)

    def _remembered(self, made: Iterator[Made]) -> Iterator[Made]:
        for post in made:
            self._known.append(Known(post.name[11:-3], post.category, post.when))
            yield post

    def round(self) -> None:
        """Everything once, in turn."""
        for floor in FLOORS:
            command = [self._options.python, "-I", str(HERE / "floor.py"), floor, str(self._posts)]
            cost, said = measure(command, self._folder)
            if int(said) != self.measured.posts:
                raise WorkNotDone(f"floor {floor} saw {said.strip()} posts")
            self.measured.series[floor].costs.append(cost)
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        (self._work / "config.yaml").write_text(CONFIG.format(posts=self._posts, work=self._work), encoding="utf-8")
        self._cold()
        self._unchanged()
        self._new()

    def _digest(self, run: str, at: datetime) -> dict[str, Any]:
        command = [self._options.python, "-m", "digest", "run", "--config", str(self._work / "config.yaml")]
        cost, said = measure([*command, "--json", "--as-of", at.isoformat()], self._folder)
        self.measured.series[run].costs.append(cost)
        report: dict[str, Any] = json.loads(said)
        return report

    def _cold(self) -> None:
        report = self._digest("cold", COLD_AT)
        check_report(report, found=self.measured.posts, arrived=self.measured.posts)
        self.measured.feeds = check_feeds(self._work / "public", self._known)
        if len(list((self._work / "outbox").glob("*.eml"))) != 1:
            raise WorkNotDone("the first run wrote no digest mail")

    def _unchanged(self) -> None:
        watched = [self._work / "public", self._work / "outbox"]
        before = snapshot(watched)
        report = self._digest("unchanged", UNCHANGED_AT)
        check_report(report, found=self.measured.posts, arrived=0)
        check_untouched(before, snapshot(watched), report)

    def _new(self) -> None:
        made = list(self._made(self.measured.posts, self.measured.new))
        write_archive(self._posts, iter(made))
        new = [Known(post.name[11:-3], post.category, post.when) for post in made]
        try:
            report = self._digest("new", NEW_AT)
            check_report(report, found=self.measured.posts + len(made), arrived=len(made))
            check_feeds(self._work / "public", [*self._known, *new], new)
        finally:
            for post in made:
                (self._posts / "_posts" / post.name).unlink()


def bench(options: Options, say: Callable[[str], None] = lambda text: None) -> list[Measured]:
    """Measure all sizes. Raises WorkNotDone when a run did not do its work."""
    results = []
    for posts in options.sizes:
        with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
            say(f"{posts:,} posts: writing them")
            site = Site(Path(folder), posts, options)
            for number in range(options.rounds):
                say(f"{posts:,} posts: round {number + 1} of {options.rounds}")
                try:
                    site.round()
                except WorkNotDone as error:
                    raise WorkNotDone(f"{posts:,} posts, round {number + 1}: {error}") from error
            results.append(site.measured)
    return results


# --------------------------------------------------------------- reporting


def machine() -> dict[str, Any]:
    """Where and with what the figures were taken."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": versions,
    }


def seconds(value: float) -> str:
    """Three figures that matter, in the fitting unit."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def print_tables(report: dict[str, Any], earlier: dict[str, Any] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 128
    about = report["machine"]
    console.print(
        f"{about['system']}, {about['processors']} processors, load {about['load'][0]}, Python {about['python']}"
    )
    for size in report["sizes"]:
        table = Table(title=f"{size['posts']:,} posts, {size['bytes'] / 1e6:.1f} MB, {size['feeds']} feeds")
        for heading in ("run", "wall", "from to", "CPU", "per post", "peak", *(f"× {name}" for name in FLOORS)):
            table.add_column(heading, justify="left" if heading == "run" else "right", no_wrap=True)
        for name, cost in [*size["floors"].items(), *size["runs"].items()]:
            label = (
                f"{size['new']:,} {RUNS[name]}"
                if name == "new"
                else RUNS.get(name, f"[dim]floor {name}: {FLOORS.get(name)}[/dim]")
            )
            table.add_row(
                label,
                seconds(cost["wall"]),
                f"{seconds(cost['wall_min'])} – {seconds(cost['wall_max'])}",
                seconds(cost["cpu"]),
                seconds(cost["per_post"]) if name in RUNS else "",
                f"{cost['peak'] / 2**20:.0f} MiB",
                *(f"{times:.2f}" for times in cost.get("times", {}).values()),
            )
        console.print(table)
    if earlier is not None:
        console.print(_comparison(report, earlier))


def _comparison(report: dict[str, Any], earlier: dict[str, Any]) -> Any:
    from rich.table import Table

    then = {(size["posts"], size["categories"], size["new"]): size for size in earlier["sizes"]}
    table = Table(title=f"compared with {earlier['machine']['date']}")
    pairs = [text for what in ("CPU", "× floor", "peak") for text in (f"{what} then", "now")]
    for heading in ("posts", "run", "wall then", "now", "ratio", *pairs):
        table.add_column(heading, justify="left" if heading == "run" else "right")
    for size in report["sizes"]:
        old = then.get((size["posts"], size["categories"], size["new"]), {"runs": {}})
        for name in (name for name in size["runs"] if name in old["runs"]):
            now = size["runs"][name]
            before = old["runs"][name]
            floor = "yaml" if name == "cold" else "list"
            table.add_row(
                f"{size['posts']:,}",
                RUNS[name],
                *(seconds(cost["wall"]) for cost in (before, now)),
                f"{now['wall'] / before['wall']:.2f}",
                *(seconds(cost["cpu"]) for cost in (before, now)),
                *(f"{cost['times'][floor]:.2f}" for cost in (before, now)),
                *(f"{cost['peak'] / 2**20:.0f} MiB" for cost in (before, now)),
            )
    return table


def positive(text: str) -> int:
    value = int(text.replace(",", "").replace("_", ""))
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=positive, nargs="+", default=[1000, 17_000], help="posts in the archives")
    parser.add_argument("--categories", type=positive, default=12, help="categories (default %(default)s)")
    parser.add_argument("--new", type=positive, default=100, help="new posts of the last run (default %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds for the medians (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other posts (default %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter whose digest is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="show the figures beside saved ones")
    args = parser.parse_args()
    earlier = json.loads(args.compare.read_text(encoding="utf-8")) if args.compare else None
    options = Options(tuple(args.sizes), args.categories, args.new, args.rounds, args.seed, args.python)
    try:
        results = bench(options, say=lambda text: print(text, file=sys.stderr, flush=True))
    except WorkNotDone as error:
        print(f"bench: the work was not done: {error}", file=sys.stderr)
        return 1
    report = {"machine": machine(), "rounds": args.rounds, "sizes": [result.to_json() for result in results]}
    if args.json:
        args.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print_tables(report, earlier)
    return 0


if __name__ == "__main__":
    sys.exit(main())
