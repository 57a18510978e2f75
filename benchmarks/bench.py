#!/usr/bin/env python3
"""Measure `digest run` as a whole process on archives of several sizes.

    bench.py                                    1,000 and 17,000 posts, five rounds each
    bench.py --sizes 100000 --rounds 3 --json after.json --compare before.json
    bench.py --wide                             besides, 17,000 posts in 2,000 categories, 500 new ones

Each round, in turn: the floors (list; read; read and load YAML), Hugo if it is installed, two cold runs on an empty
store (one that makes feeds alone, as Hugo does, and one that makes everything), a run with nothing new, one that has to
look for itself, and a run with 100 new posts. After each run the feeds and the report are checked; a wrong result ends
the benchmark. Figures are medians; ratios are taken round by round, so that a busy machine disturbs them little. At the
end of a large archive `digest serve` is given new posts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import hugo
from checks import Known, WorkNotDone, check_feeds, check_report, check_untouched, check_written, snapshot
from latency import NoAnswer, serve_latency
from make_archive import END, Made, make_archive, usual_days, write_archive
from small import small

HERE = Path(__file__).parent
FLOORS = {"list": "list + stat", "read": "read every byte", "yaml": "read + CSafeLoader"}
RUNS = {
    "cold": "cold, feeds alone",
    "whole": "cold, everything",
    "unchanged": "nothing new",
    "new": "new posts",
}
PEER = "hugo"
TARGETS: dict[tuple[str, str], dict[int, tuple[float, float | None]]] = {
    ("cold", "wall"): {17_000: (0.8, 0.5), 100_000: (0.7, 0.4)},
    ("cold", "cpu"): {17_000: (0.8, None)},
    ("unchanged", "wall"): {17_000: (0.12, 0.08), 100_000: (0.07, 0.04)},
    ("new", "wall"): {17_000: (0.25, 0.12), 100_000: (0.10, 0.05)},
    ("cold", "peak"): {17_000: (0.25, 0.15), 100_000: (0.10, 0.06)},
}
"""Multiples of Hugo that a run must and should stay below, by number of posts."""
WIDE = (17_000, 2_000, 500)
"""Posts, categories and new posts of the archive with many categories."""
SERVED = 10_000
"""Posts from which on an archive is given to ``digest serve``."""
SERVE_TARGET = (2.0, 0.3)
"""Seconds that a new post must and should take from the folder into the feed, among 17,000."""
SMALL: dict[str, tuple[str, float | None, float | None]] = {
    "help": ("`digest --help`, wall", 0.15, 0.1),
    "choice": ("the posts of a digest of 100 entries grouped and ranked, CPU", None, None),
    "edition": ("that digest rendered (HTML, text, MIME), CPU", 0.020, 0.008),
    "messages": ("recipients' messages made from it, a second", 2_500, 4_000),
}
"""What is measured without an archive, and what it must and should be: at most, for messages at least."""
BEGIN, END_MARK = "<!-- figures: written by benchmarks/bench.py --write -->", "<!-- end of figures -->"
PACKAGES = ("msgspec", "PyYAML", "beautifulsoup4", "lxml", "feedgen", "jinja2")

COLD_AT = END + timedelta(hours=6)
"""What the runs take for the present: between two digests, so that only the first run makes an edition."""
UNCHANGED_AT = COLD_AT + timedelta(minutes=5)
NEW_AT = COLD_AT + timedelta(days=1)
FEEDS_ALONE = ("feeds: {archives: false}\n", "--only", "collect", "--only", "feeds")
"""What the configuration of the first cold run has besides, and its words: no archives of old posts, no digest."""


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


def peak(cost: Cost) -> float:
    return cost.peak


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
            "peak": int(self.middle(peak)),
        }


@dataclass(frozen=True)
class Options:
    sizes: tuple[int, ...]
    categories: int
    new: int
    rounds: int
    seed: int
    python: str
    hugo: str | None = None
    """Its program; None: without it."""
    serve: bool = False
    wide: bool = False

    def shapes(self) -> list[tuple[int, int, int]]:
        """Posts, categories and new posts of each archive."""
        return [(posts, self.categories, self.new) for posts in self.sizes] + [WIDE] * self.wide


@dataclass
class Measured:
    """All series of one archive."""

    posts: int
    bytes: int
    categories: int
    new: int
    feeds: int = 0
    served: float | None = None
    """Seconds from a new post to the feed on disk."""
    series: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in (*FLOORS, *RUNS)})

    def per_post(self, run: str) -> float:
        """Seconds for each post that the run has to do with: all of them, or the new ones."""
        return self.series[run].middle(wall) / (self.new if run == "new" else self.posts)

    @property
    def others(self) -> list[str]:
        """What the runs are compared with."""
        return [*FLOORS, PEER] if PEER in self.series else list(FLOORS)

    def times(self, run: str, of: Callable[[Cost], float]) -> dict[str, float]:
        return {other: round(self.series[run].times(self.series[other], of), 4) for other in self.others}

    def to_json(self) -> dict[str, Any]:
        runs = {
            run: {
                **self.series[run].to_json(),
                "per_post": self.per_post(run),
                "times": self.times(run, wall),
                "times_cpu": self.times(run, cpu),
                "times_peak": self.times(run, peak),
            }
            for run in RUNS
        }
        floors = {other: self.series[other].to_json() for other in self.others}
        shape = {"posts": self.posts, "bytes": self.bytes, "categories": self.categories, "new": self.new}
        return {**shape, "feeds": self.feeds, "served": self.served, "runs": runs, "floors": floors}


# --------------------------------------------------------------- measuring


def measure(command: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> tuple[Cost, str]:
    """Run the command; its cost and what it printed. Raises WorkNotDone if it ends with another code. What the run
    before it left to be written to disk is written first, so that it does not count here."""
    result, stdout, stderr = (folder / name for name in ("cost.json", "stdout", "stderr"))
    files = [str(path) for path in (result, stdout, stderr)]
    os.sync()
    subprocess.run(
        [sys.executable, "-I", "-S", str(HERE / "measure.py"), *files, *command],
        check=True,
        cwd=folder,
        env=_environment(),
    )
    cost = json.loads(result.read_text())
    code = cost.pop("code")
    if code not in codes:
        said = (stderr.read_text(errors="replace") + stdout.read_text(errors="replace")).strip().splitlines()
        raise WorkNotDone(f"{' '.join(command)} ended with {code}: {' / '.join(said[-3:])}")
    return Cost(**cost), stdout.read_text(encoding="utf-8")


def _environment() -> dict[str, str]:
    """Ours, but an installed program has its modules compiled."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Site:
    """One archive on disk, with an empty store and output for each cold run. None is deleted before the end."""

    def __init__(self, folder: Path, posts: int, options: Options, categories: int, new: int) -> None:
        self._folder = folder
        self._options = options
        self._categories = categories
        self._posts = folder / "site"
        self._hugo = folder / "hugo"
        self._works = 0
        self._work = folder / "work-0"
        self._known: list[Known] = []
        self._days = usual_days(posts)
        _, size = write_archive(self._posts, self._remembered(self._made(posts)))
        self.measured = Measured(posts, size, categories, new)
        if options.hugo:
            hugo.make_site(self._hugo, self._posts / "_posts")
            self.measured.series[PEER] = Series()

    def _made(self, posts: int, more: int = 0) -> Iterator[Made]:
        return make_archive(posts, self._categories, self._days, self._options.seed, more)

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
        if self._options.hugo:
            self._build_with(self._options.hugo)
        self._cold("cold", *FEEDS_ALONE, mails=0)
        self._cold("whole", mails=1)
        self._unchanged("unchanged", UNCHANGED_AT)
        self._new()

    def _build_with(self, program: str) -> None:
        hugo.clear(self._hugo)
        cost, _ = measure([program, "--quiet", "--source", str(self._hugo)], self._folder)
        if (feeds := hugo.count_feeds(self._hugo)) < 2:
            raise WorkNotDone(f"Hugo wrote {feeds} feeds")
        self.measured.series[PEER].costs.append(cost)

    def _digest(self, run: str, at: datetime, *words: str) -> dict[str, Any]:
        command = [self._options.python, "-m", "digest", "run", "--config", str(self._work / "config.yaml")]
        cost, said = measure([*command, "--json", "--as-of", at.isoformat(), *words], self._folder)
        self.measured.series[run].costs.append(cost)
        report: dict[str, Any] = json.loads(said)
        return report

    def _cold(self, run: str, more: str = "", *words: str, mails: int) -> None:
        self._works += 1
        self._work = self._folder / f"work-{self._works}"  # ext4 is slow to make files for a minute after many went
        self._work.mkdir()
        config = CONFIG.format(posts=self._posts, work=self._work) + more
        (self._work / "config.yaml").write_text(config, encoding="utf-8")
        report = self._digest(run, COLD_AT, *words)
        check_report(report, found=self.measured.posts, arrived=self.measured.posts)
        self.measured.feeds = check_feeds(self._work / "public", self._known)
        if (sent := len(list((self._work / "outbox").glob("*.eml")))) != mails:
            raise WorkNotDone(f"the {RUNS[run]} run wrote {sent} digest mails, not {mails}")

    def _unchanged(self, run: str, at: datetime) -> None:
        watched = [self._work / "public", self._work / "outbox"]
        before = snapshot(watched)
        report = self._digest(run, at)
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
            check_written(report, new)
        finally:
            for post in made:
                (self._posts / "_posts" / post.name).unlink()

    def serve(self) -> None:
        """Give new posts to a service, on the store of the last round."""
        folder = self._posts / "_posts"
        command = [self._options.python, "-m", "digest", "run", "--config", str(self._work / "config.yaml"), "--json"]
        _, said = measure(command, self._folder)
        if json.loads(said)["collected"]["found"] != self.measured.posts:
            raise WorkNotDone("the posts of the last round are still there")
        try:
            self.measured.served = serve_latency(
                self._options.python,
                self._work / "config.yaml",
                folder,
                self._work / "public" / "feed.xml",
                category=self._known[-1].category,
            )
        except NoAnswer as error:
            raise WorkNotDone(str(error)) from error


def bench(options: Options, say: Callable[[str], None] = lambda text: None) -> list[Measured]:
    """Measure all sizes. Raises WorkNotDone when a run did not do its work."""
    results = []
    for posts, categories, new in options.shapes():
        with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
            say(f"{posts:,} posts: writing them")
            site = Site(Path(folder), posts, options, categories, new)
            for number in range(options.rounds):
                say(f"{posts:,} posts: round {number + 1} of {options.rounds}")
                try:
                    site.round()
                except WorkNotDone as error:
                    raise WorkNotDone(f"{posts:,} posts, round {number + 1}: {error}") from error
            if options.serve and posts >= SERVED and categories == options.categories:
                say(f"{posts:,} posts: digest serve")
                site.serve()
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
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": versions,
    }


def against_hugo(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each target: what, how much of Hugo's, what it must and should be, and whether it is."""
    rows: list[tuple[str, ...]] = []
    for size in report["sizes"]:
        for (run, what), targets in TARGETS.items():
            key = {"wall": "times", "cpu": "times_cpu", "peak": "times_peak"}[what]
            if size["posts"] not in targets or size["categories"] == WIDE[1] or PEER not in size["runs"][run][key]:
                continue
            must, aim = targets[size["posts"]]
            times = size["runs"][run][key][PEER]
            label = f"{size['posts']:,} posts, {RUNS[run]}, {'memory' if what == 'peak' else what}"
            rows.append((label, f"{times:.3f}", f"{must:g}", f"{aim:g}" if aim else "", _verdict(times, must, aim)))
    return rows


def served_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """As ``against_hugo``, for what ``digest serve`` was given."""
    must, aim = SERVE_TARGET
    rows: list[tuple[str, ...]] = []
    for size in report["sizes"]:
        if (taken := size.get("served")) is not None:
            label = (
                f"a new post among {size['posts']:,}, from its file at rest before `digest serve` to the feed on disk"
            )
            known = size["posts"] == 17_000
            rows.append(
                (label, seconds(taken), seconds(must), seconds(aim), _verdict(taken, must, aim))
                if known
                else (label, seconds(taken), "", "", "")
            )
    return rows


def small_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """As ``against_hugo``, for what is measured without an archive."""
    rows: list[tuple[str, ...]] = []
    for name, value in report.get("small", {}).items():
        label, must, aim = SMALL[name]
        if must is None or aim is None:
            shown, verdict = [seconds(value), "", ""], ""
        elif name == "messages":
            shown = [f"{number:,.0f}" for number in (value, must, aim)]
            verdict = _verdict(-value, -must, -aim)
        else:
            shown = [seconds(number) for number in (value, must, aim)]
            verdict = _verdict(value, must, aim)
        rows.append((label, *shown, verdict))
    return rows


def _verdict(value: float, must: float, aim: float | None) -> str:
    if aim is not None and value <= aim:
        return "aim reached"
    return "holds" if value <= must else "missed"


def markdown(report: dict[str, Any]) -> str:
    """The figures as Markdown: machine, tables, comparison with Hugo."""
    about = report["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    lines = [
        f"{about['date'][:10]}, {about['system']}, {about['processors']} processors, load {about['load'][0]}; "
        f"Python {about['python']}, {packages}" + (f"; Hugo {about['hugo']}" if about.get("hugo") else "") + ".",
        f"Medians of {report['rounds']} rounds.",
    ]
    for size in report["sizes"]:
        others = list(size["floors"])
        peer = [PEER] if PEER in others else []
        heads = [
            "run",
            "wall",
            "CPU",
            "per post",
            "peak",
            *(f"× {name}" for name in others),
            *("CPU × hugo" for _ in peer),
        ]
        lines += ["", f"**{title(size)}**", ""]
        lines += ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
        for name, cost in [*size["floors"].items(), *size["runs"].items()]:
            label = f"{size['new']} new posts" if name == "new" else RUNS.get(name, FLOORS.get(name, "Hugo"))
            cells = [label, seconds(cost["wall"]), seconds(cost["cpu"])]
            cells += [seconds(cost["per_post"]) if name in RUNS else "", f"{cost['peak'] / 2**20:.0f} MiB"]
            cells += [f"{cost['times'][other]:.2f}" if name in RUNS else "" for other in others]
            cells += [f"{cost['times_cpu'][other]:.2f}" if name in RUNS else "" for other in peer]
            lines.append("| " + " | ".join(cells) + " |")
    if rows := against_hugo(report):
        lines += ["", "| of Hugo's | measured | must | aim | |", "|---|---:|---:|---:|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    if rows := [*served_rows(report), *small_rows(report)]:
        lines += ["", "| by itself | measured | must | aim | |", "|---|---:|---:|---:|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def title(size: dict[str, Any]) -> str:
    """What an archive is."""
    many = f", {size['categories']:,} categories" if size["categories"] > 100 else ""
    return f"{size['posts']:,} posts{many}, {size['bytes'] / 1e6:.0f} MB, {size['feeds']:,} feeds"


def write_figures(path: Path, text: str, first: str = BEGIN, last: str = END_MARK) -> None:
    """Put the figures between their marks. Raises ValueError if the file has none."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{path} has no marks for the figures")
    path.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


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
        table = Table(title=title(size))
        for heading in ("run", "wall", "from to", "CPU", "per post", "peak", *(f"× {name}" for name in size["floors"])):
            table.add_column(heading, justify="left" if heading == "run" else "right", no_wrap=True)
        for name, cost in [*size["floors"].items(), *size["runs"].items()]:
            label = (
                f"{size['new']:,} {RUNS[name]}"
                if name == "new"
                else RUNS.get(name, f"[dim]floor {name}: {FLOORS[name]}[/dim]" if name in FLOORS else "Hugo")
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
    for label, times, must, aim, verdict in against_hugo(report):
        console.print(f"{label}: {times} of Hugo's (must {must}, aim {aim or '-'}): {verdict}")
    for label, value, must, aim, verdict in [*served_rows(report), *small_rows(report)]:
        console.print(f"{label}: {value}" + (f" (must {must}, aim {aim}): {verdict}" if must else ""))
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
            floor = "yaml" if name in ("cold", "whole") else "list"
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
    parser.add_argument("--wide", action="store_true", help="measure an archive with 2,000 categories too")
    parser.add_argument("--no-serve", action="store_true", help="do not measure digest serve")
    parser.add_argument("--no-hugo", action="store_true", help="do not compare with Hugo, even if it is installed")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into this Markdown file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="show the figures beside saved ones")
    args = parser.parse_args()
    earlier = json.loads(args.compare.read_text(encoding="utf-8")) if args.compare else None
    program = None if args.no_hugo else hugo.find_hugo()
    options = Options(tuple(args.sizes), args.categories, args.new, args.rounds, args.seed, args.python, program)
    options = replace(options, serve=not args.no_serve, wide=args.wide)
    try:
        results = bench(options, say=lambda text: print(text, file=sys.stderr, flush=True))
    except WorkNotDone as error:
        print(f"bench: the work was not done: {error}", file=sys.stderr)
        return 1
    about = {**machine(), "hugo": hugo.hugo_version(program) if program else ""}
    report = {"machine": about, "rounds": args.rounds, "sizes": [result.to_json() for result in results]}
    report["small"] = small(options.python)
    if args.json:
        args.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if args.write:
        write_figures(args.write, markdown(report))
    print_tables(report, earlier)
    return 0


if __name__ == "__main__":
    sys.exit(main())
