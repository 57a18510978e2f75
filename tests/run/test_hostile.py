"""One file never stops a run: whatever a post holds, every other post is published."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.app import running
from digest.app.running import run_once
from digest.jobs.editions import make as editions
from digest.jobs.run import RunReport
from digest.render import pages

CONFIG = """\
site: {{title: T, url: https://news.example.com, language: en, timezone: {zone}, author: A}}
posts: {{folder: site, kind: {kind}, future: {future}, settle: 0}}
feeds: {{full_text: true, tags: true}}
digests: {{daily: {{title: D}}}}
mail: {{to: [reader@example.org], sender: digest@example.org}}
store: {store}
"""
FOLDERS = {"jekyll": "site/_posts", "hugo": "site/content/posts", "hexo": "site/source/_posts"}
GOOD = {
    "2026-11-23-one.md": "---\ntitle: Good one\ndate: 2026-11-23 08:00:00 +0000\n---\n> Good.\n",
    "2026-11-23-two.md": "---\ntitle: Good two\ndate: 2026-11-23 09:00:00 +0000\n---\n> Good.\n",
}
AS_OF = "2026-11-24 09:00"


def publish(folder: Path, hostile: Mapping[str, bytes], store: str, **options: Any) -> RunReport:
    """A whole run: a real folder, a real store, real files."""
    options = {"kind": "hugo", "zone": "America/New_York", "future": "true"} | options
    (folder / "config.yaml").write_text(CONFIG.format(store=store, **options), encoding="utf-8")
    posts = folder / FOLDERS[options["kind"]]
    posts.mkdir(parents=True, exist_ok=True)
    for name, text in GOOD.items():
        (posts / name).write_text(text, encoding="utf-8")
    for name, data in hostile.items():
        (posts / name).write_bytes(data)
    report, _ = run_once(folder / "config.yaml", as_of=AS_OF)
    assert report.collected is not None
    assert {item["title"] for item in items(folder)} >= {"Good one", "Good two"}
    for feed in ("feed.xml", "rss.xml", "feed.json"):
        assert "Good two" in (folder / "public" / feed).read_text(encoding="utf-8")
    return report


def items(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "public" / "feed.json").read_bytes())["items"]
    return found


def edition_of(folder: Path) -> str:
    """The only edition's page."""
    (page,) = (folder / "public" / "editions" / "daily").glob("*/index.html")
    return page.read_text(encoding="utf-8")


# ---------------------------------------------------------------------- by law

VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(1, 9999).map(lambda year: f"{year:04}-01-01T00:00:00Z"),
    st.sampled_from(
        [
            *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01", "9999-12-31", "9999-12-31 23:59 -2359"),
            *("Fri, 31 Dec 9999 23:59:59 -1200", "2026-11-23 24:00", "99999999999999999999", "1e999999999999999999999"),
            *("[a, b]", "{a: b}", "[" * 500, '"\\ud800\\u0000"', "http://[x", "//[::1", "&#1;", "\x00\x0b\ufffe", "*a"),
            *("!!python/object:os.system x", "&a [*a]", "? [a]: b", "|\n  x", "x" * 5000, "\u202e\u2066", "../../etc"),
        ]
    ),
)
KEYS = st.sampled_from(
    ["title", "date", "categories", "category", "tags", "author", "image", "lang", "feed_id", "description", "layout",
     "permalink", "slug", "url", "enclosure", "updated", "lastmod", "expiryDate", "publishDate", "audio", "authors"]
)  # fmt: skip
BODIES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["> " * 3000 + "x", "[" * 5000, "<div>" * 3000, "<a data-code='1,2'>" * 50, "* " * 500, "`" * 999]),
)
YAML = st.builds(
    lambda pairs, body: "---\n" + "\n".join(f"{key}: {value}" for key, value in pairs) + f"\n---\n{body}",
    st.lists(st.tuples(KEYS, VALUES), max_size=6),
    BODIES,
)
TOML = st.builds(
    lambda pairs, body: "+++\n" + "\n".join(f"{key} = {value}" for key, value in pairs) + f"\n+++\n{body}",
    st.lists(st.tuples(KEYS, VALUES), max_size=3),
    BODIES,
)
JSON = st.builds(lambda value, body: json.dumps(value) + "\n" + body, st.dictionaries(KEYS, VALUES, max_size=4), BODIES)
FILES = st.one_of(
    st.binary(max_size=200), st.one_of(YAML, TOML, JSON).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
NAMES = st.sampled_from(["2026-11-24-a.md", "0001-01-01-b.md", "9999-12-31-c.html", "2026-02-31-d.md", "e.markdown"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hostile=st.dictionaries(NAMES, FILES, min_size=1, max_size=5),
    kind=st.sampled_from(sorted(FOLDERS)),
    zone=st.sampled_from(["America/New_York", "Asia/Shanghai", "UTC", "Pacific/Kiritimati"]),
    future=st.sampled_from(["true", "false"]),
)
def test_whatever_a_file_holds_all_others_are_published(
    hostile: dict[str, bytes], kind: str, zone: str, future: str, empty_sqlite: Path
) -> None:
    """No exception, and nothing that went wrong but with the file itself: in feeds, edition and mail."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(empty_sqlite, folder / "store.db")
        report = publish(folder, hostile, f"sqlite:///{folder}/store.db", kind=kind, zone=zone, future=future)
        assert report.failures == []
        assert report.collected is not None
        assert report.collected.found == len(GOOD) + len(hostile)
        problems = {problem.path.rpartition("/")[2] for problem in report.collected.problems}
        assert report.collected.skipped <= len(problems)
        assert not [each for each in report.collected.problems if "please report" in each.remedy]
        assert report.editions is not None
        assert len(report.editions.made) == 1


HOSTILE = {
    "zero.md": b"---\ntitle: zero\ndate: 0001-01-01T00:00:00Z\n---\nx",
    "end.md": b"---\ntitle: end\ndate: 9999-12-31T23:59:59Z\n---\nx",
    "never.md": b"---\ntitle: never\ndate: 2026-11-23\nexpiryDate: 9999-12-31T23:59:59Z\n---\nx",
    "toml.md": b"+++\ntitle = 'toml'\nweight = 1e99999999999999999999\n+++\nx",
    "json.md": b'{"title": "json", "weight": 1e99999999999999999999}\nx',
    "digits.md": b'{"title": "digits", "weight": ' + b"9" * 5000 + b"}\nx",
    "deep.md": b'{"title": ' + b"[" * 60_000 + b"\nx",
}
LONG = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(6000))
"""Text that no database can make short."""
LENGTHY = {
    "id.md": f"---\ntitle: id\ndate: 2026-11-23\nfeed_id: {LONG}\n---\nx".encode(),
    "categories.md": f"---\ntitle: categories\ndate: 2026-11-23\ncategories: ['{LONG}']\n---\nx".encode(),
    "tags.md": f"---\ntitle: tags\ndate: 2026-11-23\ntags: ['{LONG}']\n---\nx".encode(),
    "slug.md": f"---\ntitle: slug\ndate: 2026-11-23\nslug: {LONG}\n---\nx".encode(),
    "url.md": f"---\ntitle: url\ndate: 2026-11-23\nurl: /{LONG}/\n---\nx".encode(),
    "title.md": f"---\ntitle: {LONG}\ndate: 2026-11-23\n---\nx".encode(),
}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize("hostile", [HOSTILE, LENGTHY], ids=["odd", "long"])
def test_files_that_ended_runs(hostile: dict[str, bytes], zone: str, store_url: str, tmp_path: Path) -> None:
    """Each is a problem of its own, or a post; two runs."""
    first = publish(tmp_path, hostile, store_url, zone=zone)
    second = publish(tmp_path, hostile, store_url, zone=zone)
    assert first.failures == second.failures == []


def test_a_date_out_of_range_is_named_with_its_line(tmp_path: Path, sqlite_url: str) -> None:
    report = publish(tmp_path, HOSTILE, sqlite_url)
    assert report.collected is not None
    told = {problem.path.rpartition("/")[2]: problem for problem in report.collected.problems}
    for name, written in (("zero.md", "0001-01-01T00:00:00Z"), ("end.md", "9999-12-31T23:59:59Z")):
        assert told[name].line == 3
        assert told[name].reason == f"date: '{written}' lies outside of the years 2 to 9998"
        assert told[name].remedy
    assert "never" in {item["title"] for item in items(tmp_path)}


ODD = {"2026-11-23-odd.md": b"---\ntitle: Odd one\ndate: 2026-11-23\n---\nx"}


def test_a_post_that_breaks_a_page_for_people_costs_no_other_one(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a feed: the page is made without it. The feed itself has it."""
    rendered = pages.render_feed_page

    def fragile(templates, site, feed, *rest):
        if any(item.title == "Odd one" for item in feed.items):
            raise ValueError("odd")
        return rendered(templates, site, feed, *rest)

    monkeypatch.setattr(pages, "render_feed_page", fragile)
    [failure] = publish(tmp_path, ODD, sqlite_url).failures
    assert "2026-11-23-odd/: cannot be put into a page: ValueError: odd (test_hostile.py:" in failure
    assert "please report it" in failure
    page = (tmp_path / "public" / "feeds" / "all" / "index.html").read_text(encoding="utf-8")
    assert "Good two" in page
    assert "Odd one" not in page
    assert "Odd one" in {item["title"] for item in items(tmp_path)}


def test_an_edition_whose_page_breaks_waits_for_it(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and its mail follows the page."""
    with monkeypatch.context() as patch:
        patch.setattr(editions, "render_edition_page", lambda *_, **__: 1 / 0)
        report = publish(tmp_path, {}, sqlite_url)
        [failure] = report.failures
        assert failure.startswith("daily 2026-11-23: its page cannot be made: ZeroDivisionError: division by zero (")
        assert report.deliveries is not None
        assert (report.deliveries.sent, report.deliveries.waiting) == (0, 1)
    report = publish(tmp_path, {}, sqlite_url)
    assert report.failures == []
    assert report.deliveries is not None
    assert report.deliveries.sent == 1
    assert "Good two" in edition_of(tmp_path)


def test_a_step_that_breaks_costs_no_other_one(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it was, and it is no traceback."""
    monkeypatch.setattr(running, "freeze_due_editions", lambda app: 1 / 0)
    [failure] = publish(tmp_path, {}, sqlite_url).failures
    assert failure.startswith("a step of the run broke: ZeroDivisionError: division by zero (test_hostile.py:")
