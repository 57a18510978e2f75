"""The benchmark keeps working: its archive is what it says, its checks find wrong work, a small run succeeds."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.models import Refusal
from digest.posts import Rules, parse_post

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, as its scripts find them: beside themselves."""
    names = ("checks", "make_archive", "hugo", "small", "latency", "bench", "delivery")
    sys.path.insert(0, str(BENCHMARKS))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(BENCHMARKS))
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="module")
def made(modules: dict[str, ModuleType]) -> list[Any]:
    return list(modules["make_archive"].make_archive(2000, 12, 5, 1))


# ----------------------------------------------------------------- archive


def test_same_arguments_same_bytes(modules: dict[str, ModuleType], made: list[Any]) -> None:
    """Twice the same; another seed gives other posts."""
    make_archive = modules["make_archive"].make_archive
    assert list(make_archive(2000, 12, 5, 1)) == made
    assert next(make_archive(2000, 12, 5, 2)).text != made[0].text


def test_sizes_are_log_normal(made: list[Any]) -> None:
    """Median about 3 KB, largest about 40 KB, few are large."""
    sizes = sorted(len(post.text.encode()) for post in made)
    assert 2700 < median(sizes) < 3400
    assert 400 < sizes[0] < 1000
    assert 38_000 < sizes[-1] < 42_000
    assert sizes[int(len(sizes) * 0.9)] > 3 * median(sizes)


def test_categories_are_skewed(made: list[Any]) -> None:
    """All twelve occur, the first about twice as often as the second and a dozen times as often as the last."""
    counts = [count for _, count in Counter(post.category for post in made).most_common()]
    assert len(counts) == 12
    assert 1.5 < counts[0] / counts[1] < 2.6
    assert counts[0] > 6 * counts[-1]


def test_posts_read_as_the_models(made: list[Any]) -> None:
    """Every one gives a post with summary, source, original and category, without a remark."""
    rules = Rules(
        site_url="https://posts.example.com",
        timezone=ZoneInfo("Asia/Shanghai"),
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )
    for post in made[::20]:
        found = parse_post(f"_posts/{post.name}", post.text.encode(), rules)
        assert not isinstance(found, Refusal)
        assert (found.warnings, found.categories, found.published) == ((), (post.category,), post.when)
        assert found.summary
        assert found.source_name
        assert found.original_url


def test_dates_rise_and_fill_the_days(made: list[Any]) -> None:
    """Five days that end with 2026-11-23; four hundred posts a day."""
    assert [post.when for post in made] == sorted(post.when for post in made)
    assert set(Counter(post.name[:10] for post in made).values()) == {400}
    assert made[-1].name.startswith("2026-11-23")


def test_more_posts_follow_the_archive(modules: dict[str, ModuleType], made: list[Any], tmp_path: Path) -> None:
    """Of the next day, under new names, and the same as when the archive grows in smaller steps."""
    make_archive = modules["make_archive"].make_archive
    more = list(make_archive(2000, 12, 5, 1, more=30))
    assert {post.name[:10] for post in more} == {"2026-11-24"}
    assert not {post.name[11:] for post in more} & {post.name[11:] for post in made}
    assert more[20:] == list(make_archive(2020, 12, 5, 1, more=10))


def test_script_writes_the_archive(tmp_path: Path) -> None:
    """From the command line, as README shows it."""
    command = [sys.executable, str(BENCHMARKS / "make_archive.py"), "--posts", "25", "--categories", "3"]
    for more in ([], ["--more", "5"]):
        subprocess.run([*command, *more, str(tmp_path)], check=True, capture_output=True, timeout=300)
    assert len(list((tmp_path / "_posts").glob("*.md"))) == 30


@pytest.mark.parametrize("floor", ["list", "read", "yaml"])
def test_floors_see_every_post(modules: dict[str, ModuleType], tmp_path: Path, floor: str) -> None:
    """Each prints the number of posts."""
    archive = modules["make_archive"]
    archive.write_archive(tmp_path, archive.make_archive(30, 3, 3, 1))
    said = subprocess.run(
        [sys.executable, str(BENCHMARKS / "floor.py"), floor, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert said.stdout == "30\n"


# ------------------------------------------------------------------ checks


def feeds(folder: Path, numbers: list[str]) -> None:
    """Three feeds of one category and of all, with the posts of these numbers, dated by their last two digits."""
    for name in ("feed", "rss"):
        (folder / name).mkdir(exist_ok=True)
    atom = "".join(
        f'<entry><link rel="alternate" href="https://e.example/{n}.html"/>'
        f"<published>2026-11-{n[-2:]}T08:00:00+08:00</published></entry>"
        for n in numbers
    )
    rss = "".join(
        f"<item><link>https://e.example/{n}.html</link><pubDate>Mon, {n[-2:]} Nov 2026 08:00:00 +0800</pubDate></item>"
        for n in numbers
    )
    items = [
        {"url": f"https://e.example/{n}.html", "date_published": f"2026-11-{n[-2:]}T08:00:00+08:00"} for n in numbers
    ]
    for name in ("feed", "feed/news"):
        (folder / f"{name}.xml").write_text(f'<feed xmlns="http://www.w3.org/2005/Atom">{atom}</feed>')
        (folder / f"{name}.json").write_text(json.dumps({"items": items}))
        (folder / f"{name.replace('feed', 'rss', 1)}.xml").write_text(f"<rss><channel>{rss}</channel></rss>")


NUMBERS = ["202611230000000023", "202611220000000022", "202611210000000021"]


@pytest.fixture
def known(modules: dict[str, ModuleType]) -> list[Any]:
    zone = ZoneInfo("Asia/Shanghai")
    return [modules["checks"].Known(n, "news", datetime(2026, 11, int(n[-2:]), 8, tzinfo=zone)) for n in NUMBERS]


def test_right_feeds_pass(modules: dict[str, ModuleType], known: list[Any], tmp_path: Path) -> None:
    """Three formats for all posts and three for the category."""
    feeds(tmp_path, NUMBERS)
    assert modules["checks"].check_feeds(tmp_path, known, known[:1]) == 6


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (NUMBERS[:2], "has 2 entries, expected 3"),
        (NUMBERS[::-1], "not sorted"),
        (NUMBERS + NUMBERS[-1:], "an entry twice"),
        ([*NUMBERS[1:], "202611200000000020"], "the newest post is of 2026-11-23"),
    ],
)
def test_wrong_feeds_are_found(
    modules: dict[str, ModuleType], known: list[Any], tmp_path: Path, numbers: list[str], said: str
) -> None:
    """Missing, unsorted, repeated and stale entries."""
    feeds(tmp_path, numbers)
    with pytest.raises(modules["checks"].WorkNotDone, match=re.escape(said)):
        modules["checks"].check_feeds(tmp_path, known)


def test_missing_feed_and_differing_formats_are_found(
    modules: dict[str, ModuleType], known: list[Any], tmp_path: Path
) -> None:
    """A file that is not there; an RSS feed with other posts than the Atom feed; a new post left out."""
    checks = modules["checks"]
    other = checks.Known("202611230000000099", "news", known[0].when)
    feeds(tmp_path, NUMBERS)
    with pytest.raises(checks.WorkNotDone, match="lacks 1 of 1 new posts"):
        checks.check_feeds(tmp_path, known, [other])
    rss = tmp_path / "rss.xml"
    rss.write_text(rss.read_text().replace(NUMBERS[2], "202611210000000077"))
    with pytest.raises(checks.WorkNotDone, match="same entries"):
        checks.check_feeds(tmp_path, known)
    rss.unlink()
    with pytest.raises(checks.WorkNotDone, match="is not there"):
        checks.check_feeds(tmp_path, known)


def test_touched_files_are_found(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """Rewriting a file with equal bytes is touching it."""
    checks = modules["checks"]
    (tmp_path / "feed.xml").write_text("same")
    before = checks.snapshot([tmp_path])
    checks.check_untouched(before, checks.snapshot([tmp_path]), {"feeds": {"written": []}})
    (tmp_path / "feed.xml").unlink()
    (tmp_path / "feed.xml").write_text("same")
    with pytest.raises(checks.WorkNotDone, match="1 files were touched"):
        checks.check_untouched(before, checks.snapshot([tmp_path]), {"feeds": {"written": []}})
    with pytest.raises(checks.WorkNotDone, match=r"feed\.xml"):
        checks.check_untouched(before, before, {"feeds": {"written": ["feed.xml"]}})


def test_feeds_of_untouched_categories_are_found(modules: dict[str, ModuleType], known: list[Any]) -> None:
    """Written although none of the new posts is in them."""
    check_written, wrong = modules["checks"].check_written, modules["checks"].WorkNotDone
    right = ["feed.xml", "feed/news.xml", "rss/news.xml", "feeds/news.html", "feeds/index.html", "feeds/all/index.html"]
    check_written({"feeds": {"written": right}}, known)
    with pytest.raises(wrong, match=r"feed/other\.json and 0 others"):
        check_written({"feeds": {"written": [*right, "feed/other.json"]}}, known)


def test_a_new_post_reaches_the_feed_of_a_service(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """The time is taken until its title is in the file; its own posts are taken away again."""
    archive, posts = modules["make_archive"], tmp_path / "site"
    archive.write_archive(posts, archive.make_archive(5, 1, 1, 1))
    config = tmp_path / "config.yaml"
    config.write_text(modules["bench"].CONFIG.format(posts=posts, work=tmp_path), encoding="utf-8")
    feed = tmp_path / "public" / "feed.xml"
    subprocess.run([sys.executable, "-m", "digest", "run", "--config", str(config)], check=True, capture_output=True)
    before = sorted(posts.rglob("*"))
    latency = modules["latency"].serve_latency(sys.executable, config, posts / "_posts", feed, category="news", times=1)
    assert latency > 0
    assert sorted(posts.rglob("*")) == before


def test_a_service_that_ends_is_reported(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """With its last words."""
    (tmp_path / "feed.xml").write_text("")
    with pytest.raises(modules["latency"].NoAnswer, match="no such file"):
        modules["latency"].serve_latency(
            sys.executable, tmp_path / "none.yaml", tmp_path, tmp_path / "feed.xml", category="x", times=1
        )


def test_wrong_report_is_found(modules: dict[str, ModuleType]) -> None:
    """Other counts than expected, or failures."""
    checks = modules["checks"]
    collected = {"found": 9, "taken": 9, "arrived": 9, "edited": 0, "gone": 0, "skipped": 0}
    report = {"ok": True, "failures": [], "collected": collected}
    checks.check_report(report, found=9, arrived=9)
    with pytest.raises(checks.WorkNotDone, match="arrived"):
        checks.check_report(report, found=9, arrived=0)
    with pytest.raises(checks.WorkNotDone, match="disk full"):
        checks.check_report({**report, "ok": False, "failures": ["disk full"]}, found=9, arrived=9)


# -------------------------------------------------------------- measurement


def test_cost_of_a_process(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """Memory is the process's own, not that of who started it; with workers it is theirs together."""
    measure = modules["bench"].measure
    hold = "data = bytearray(60 << 20)"
    small, said = measure([sys.executable, "-S", "-c", "print('done')"], tmp_path)
    large, _ = measure([sys.executable, "-S", "-c", hold], tmp_path)
    assert said == "done\n"
    assert small.peak < 30 << 20 < 60 << 20 < large.peak
    assert small.wall > 0
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("this system does not list the children of a process")
    waiting = f"{hold}; import time; time.sleep(3)"
    workers = f"import subprocess, sys; {hold}; subprocess.run([sys.executable, '-S', '-c', {waiting!r}])"
    both, _ = measure([sys.executable, "-c", workers], tmp_path)
    assert both.peak > 120 << 20


def test_failing_command_is_reported(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """With its code and last words."""
    with pytest.raises(modules["checks"].WorkNotDone, match="ended with 3: so sad"):
        modules["bench"].measure([sys.executable, "-c", "import sys; print('so sad'); sys.exit(3)"], tmp_path)


@pytest.mark.parametrize(
    ("value", "shown"), [(12.345, "12.3 s"), (1.0, "1 s"), (0.0815, "81.5 ms"), (0.0000421, "42.1 µs")]
)
def test_seconds_are_short(modules: dict[str, ModuleType], value: float, shown: str) -> None:
    """Three figures, in the unit that fits."""
    assert modules["bench"].seconds(value) == shown


def test_small_benchmark_does_its_work(
    modules: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixty posts, one round: all checks pass, the figures are saved, and can be compared with."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--sizes", "60", "--categories", "4", "--new", "7"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--no-hugo", "--json", str(figures)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "60 posts" in done.stdout
    saved = json.loads(figures.read_text())
    [size] = saved["sizes"]
    assert (size["posts"], size["new"], size["feeds"]) == (60, 7, 15)
    assert set(size["runs"]) == {"cold", "whole", "unchanged", "new"}
    for run in size["runs"].values():
        assert run["wall"] > 0
        assert run["cpu"] > 0
        assert run["peak"] > 10 << 20
        assert set(run["times"]) == set(run["times_cpu"]) == set(size["floors"]) == {"list", "read", "yaml"}
    assert saved["machine"]["python"]
    modules["bench"].print_tables(saved, saved)
    shown = capsys.readouterr().out
    assert f"compared with {saved['machine']['date']}" in shown
    assert shown.count("1.00") >= 3


def test_benchmark_ends_when_the_program_fails(tmp_path: Path) -> None:
    """Exit code 1 and a word about what is wrong, instead of figures."""
    broken = tmp_path / "python"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *digest*run*) echo broken >&2; exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    broken.chmod(0o755)
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--sizes", "5", "--rounds", "1", "--python", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "the work was not done" in done.stderr
    assert "broken" in done.stderr


# -------------------------------------------------------------------- peer


@pytest.mark.skipif(shutil.which("hugo") is None, reason="hugo is not installed")
def test_hugo_is_built_in_turn(modules: dict[str, ModuleType]) -> None:
    """Its feeds of all categories are there, and every run has its multiple of them."""
    bench = modules["bench"]
    options = bench.Options((60,), 4, 7, 1, 1, sys.executable, shutil.which("hugo"))
    [measured] = bench.bench(options)
    size = measured.to_json()
    assert size["floors"]["hugo"]["wall"] > 0
    assert all(run["times"]["hugo"] > 0 for run in size["runs"].values())


def figures(posts: int, times: float) -> dict[str, Any]:
    cost = {"wall": 1.0, "cpu": 2.0, "per_post": 0.001, "peak": 50 << 20}
    ratios = {key: {"list": 3.0, "hugo": times} for key in ("times", "times_cpu", "times_peak")}
    runs = {run: {**cost, **ratios} for run in ("cold", "whole", "unchanged", "new")}
    size = {"posts": posts, "bytes": 5_000_000, "categories": 12, "feeds": 39, "new": 100, "served": 1.5, "runs": runs}
    about = {"date": "2026-11-24T08:00:00+00:00", "system": "Linux", "processors": 2, "load": [0.5], "python": "3.11"}
    return {
        "machine": {**about, "packages": {"lxml": "6"}, "hugo": "v0"},
        "rounds": 5,
        "small": {"help": 0.05, "choice": 0.01, "edition": 0.012, "messages": 2000.0},
        "sizes": [{**size, "floors": {"list": cost, "hugo": cost}}],
    }


@pytest.mark.parametrize(
    ("times", "verdicts"),
    [
        (0.01, ["aim reached", "holds", "aim reached", "aim reached", "aim reached"]),
        (0.2, ["aim reached", "holds", "missed", "holds", "holds"]),
        (3.0, ["missed"] * 5),
    ],
)
def test_verdicts(modules: dict[str, ModuleType], times: float, verdicts: list[str]) -> None:
    """What must hold and what is aimed at, for the sizes that have targets."""
    rows = modules["bench"].against_hugo(figures(17_000, times))
    assert [row[-1] for row in rows] == verdicts
    assert modules["bench"].against_hugo(figures(60, times)) == []


def test_figures_are_written_between_their_marks(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """What stands around them stays; a file without marks is refused."""
    bench = modules["bench"]
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{bench.BEGIN}\nearlier\n{bench.END_MARK}\nafter\n")
    bench.write_figures(page, bench.markdown(figures(17_000, 0.2)))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "earlier" not in text
    assert "| nothing new | 1 s | 2 s | 1 ms | 50 MiB | 3.00 | 0.20 | 0.20 |" in text
    assert "| 17,000 posts, nothing new, wall | 0.200 | 0.12 | 0.08 | missed |" in text
    assert (
        "a new post among 17,000, from its file at rest before `digest serve` to the feed on disk | 1.5 s | 2 s" in text
    )
    assert "| `digest --help`, wall | 50 ms | 150 ms | 100 ms | aim reached |" in text
    assert "| that digest rendered (HTML, text, MIME), CPU | 12 ms | 20 ms | 8 ms | holds |" in text
    assert "| the posts of a digest of 100 entries grouped and ranked, CPU | 10 ms |  |  |  |" in text
    assert "| recipients' messages made from it, a second | 2,000 | 2,500 | 4,000 | missed |" in text
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no marks"):
        bench.write_figures(page, "text")


def test_the_page_has_marks(modules: dict[str, ModuleType]) -> None:
    """``make bench`` can write into it."""
    text = (BENCHMARKS.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.index(modules["bench"].BEGIN) < text.index(modules["bench"].END_MARK)


def test_small_things_are_measured(modules: dict[str, ModuleType]) -> None:
    """The program starts, a digest of a hundred posts is rendered, and messages are made from it."""
    small = modules["small"]
    assert small.bench_help(times=1) > 0
    assert small.bench_edition(times=1) > 0
    assert small.bench_messages(count=10) > 0


def test_web_benchmark_does_its_work(tmp_path: Path) -> None:
    """Ours, and nginx if it is there, answer; a day of few readers is counted."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "web.py"), "--rounds", "1", "--seconds", "0.2", "--readers", "5"]
    done = subprocess.run(
        [*command, "--hours", "6", "--json", str(figures)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "| nothing new |" in done.stdout
    saved = json.loads(figures.read_text())
    assert all(rate > 0 for rates in saved["rates"].values() for rate, _ in rates["ours"])
    often, seldom = saved["readers"]
    assert 0 < often["share_304"] < seldom["share_304"] < 1


# ---------------------------------------------------------------- delivery


@pytest.fixture
def postfix(modules: dict[str, ModuleType]) -> None:
    for name in ("smtp-sink", "smtp-source"):
        if modules["delivery"].program(name) is None:
            pytest.skip(f"needs Postfix's {name}")


@pytest.mark.usefixtures("postfix")
def test_delivery_benchmark_does_its_work(tmp_path: Path) -> None:
    """Both senders hand everything over once; the figures are shown and saved."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "delivery.py"), "--rounds", "1", "--readers", "12", "--workers", "2"]
    done = subprocess.run(
        [*command, "--connections", "3", "--json", str(figures)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    saved = json.loads(figures.read_text())
    [case] = saved["cases"]
    assert (case["store"], case["readers"], case["connections"], case["workers"]) == ("SQLite, disk", 12, 3, 2)
    assert case["rate"] > 0
    assert case["source_rate"] > 0
    assert saved["message"] > 10_000
    assert saved["fdatasync"] > 0
    assert case["idle"] > 0
    assert case["floors"] == {}
    assert "| SQLite, disk | 12 | 2 | 3 |" in done.stdout


@pytest.mark.usefixtures("postfix")
@pytest.mark.postgres
def test_delivery_is_measured_on_a_server_too(
    modules: dict[str, ModuleType], tmp_path: Path, postgres_url: str
) -> None:
    delivery = modules["delivery"]
    options = delivery.Options((5,), (1,), (1,), 1, memory=tmp_path, postgres=postgres_url)
    figures = delivery.delivery(options)
    stores = {case["store"]: case for case in figures["cases"]}
    assert list(stores) == ["SQLite, disk", "SQLite, memory disk", "PostgreSQL"]
    assert all(rate > 0 for rate in stores["SQLite, disk"]["floors"].values())
    assert "| plain Python | with one fdatasync each | digest |" in "\n".join(delivery.table(figures))


@pytest.mark.usefixtures("postfix")
def test_a_message_too_many_ends_the_delivery_benchmark(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """What the sink counts must be what was to be sent."""
    delivery = modules["delivery"]
    with delivery.sink(tmp_path) as taking:
        shape = ["-m", "2", "-f", "a@example.com", "-t", "b@example.com", f"127.0.0.1:{taking.port}"]
        modules["bench"].measure([delivery.program("smtp-source"), *shape], tmp_path)
        with pytest.raises(modules["checks"].WorkNotDone, match="took 2 messages, not 1"):
            taking.took(1)


@pytest.mark.parametrize(
    ("connections", "workers", "ratio", "came"),
    [(1, 1, 0.95, "aim reached"), (1, 1, 0.61, "holds"), (10, 1, 0.3, "missed"), (10, 2, 0.3, ""), (3, 1, 2.0, "")],
)
def test_delivery_verdicts(
    modules: dict[str, ModuleType], connections: int, workers: int, ratio: float, came: str
) -> None:
    case = {"store": "SQLite, disk", "connections": connections, "workers": workers, "ratio": ratio}
    assert modules["delivery"].verdict(case)[-1] == came
