"""The door of ``digest explain``, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.cli.explain import command
from tests.run.site_folder import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.some_posts()
    made.post("2026-11-24-third.md", title="半导体板块走弱", link="http://x.example.com/4")
    for number in range(25):
        (made.posts / f"2026-11-24-none{number}.md").write_text("---\n")
    assert made.run().code == 0
    return made


def called(site: Site, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--config", str(site.folder / "config.yaml")], standalone_mode=False)


def test_posts_and_addresses(site: Site) -> None:
    """For people and for programs."""
    assert "- daily 2026-11-24 (made " in called(site, "走弱").output
    assert json.loads(called(site, "走弱", "--json").output)["facts"][0]["code"] == "collected"
    assert "- daily 2026-11-24: sent" in called(site, "--subscriber", "reader@example.com", "--date", "2026-W48").output


def test_candidates(site: Site) -> None:
    """Posts and files, and that there are more."""
    several = called(site, "半导体")
    assert several.return_value == 1
    assert "2026-11-24-third.md" in several.output
    files = called(site, "none1")
    assert "(no post)" in files.output
    assert "… and more" in called(site, "none").output
    value = json.loads(called(site, "none", "--json").output)
    assert (len(value["candidates"]), value["more"]) == (20, True)


def test_misuse(site: Site) -> None:
    for words in ((), ("x", "--date", "2026-11-24"), ("--subscriber", "x@example.com", "--date", "never")):
        assert called(site, *words).exception is not None
