"""The front page over runs: it follows what is on it, and costs a run without news nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.run.site_folder import CONFIG, Site

LATER = "2026-11-24 10:00"
ASK = """
import sys
from digest.cli import main
try:
    main(["run", "--as-of", "2026-11-24 11:00", "--json"])
except SystemExit as end:
    assert end.code == 0
print(*sys.modules, file=sys.stderr)
"""


def test_it_follows_the_feeds_and_the_configuration(tmp_path: Path) -> None:
    """A category that is new, a description that is another one."""
    site = Site(tmp_path, f"{CONFIG}pages: {{index: true}}\n")
    site.some_posts()
    site.run()
    page = tmp_path / "public" / "index.html"
    assert "funds" not in page.read_text(encoding="utf-8")
    site.post("2026-11-24-third.md", title="基金清盘", categories="funds", link="http://x.example.com/3")
    site.run(as_of=LATER)
    assert ">funds</a>" in page.read_text(encoding="utf-8")
    before = page.read_bytes()
    assert site.run_json(as_of=LATER).report["editions"]["written"] == []
    assert page.read_bytes() == before
    site.configure(f"{CONFIG}pages: {{index: true}}\ncategories: {{funds: 基金}}\n")
    site.run(as_of=LATER)
    assert ">基金</a>" in page.read_text(encoding="utf-8")


def test_a_run_without_news_loads_nothing_for_it(tmp_path: Path) -> None:
    """Neither for the page nor for the texts on it."""
    site = Site(tmp_path, f"{CONFIG}pages: {{index: true}}\n")
    site.some_posts()
    for _ in range(2):
        site.run(as_of=LATER)
    done = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert "digest.jobs.front" in loaded
    assert not {"babel", "feedgen", "jinja2", "rjieba", "opencc", "importlib.resources"} & set(loaded)
