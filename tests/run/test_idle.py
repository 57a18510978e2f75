"""Digests that are made for nothing: told by runs, ``status`` and ``check``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.site_folder import CONFIG, Site
from tests.run.test_belonging import LATER

NOBODY = CONFIG.replace("  to: reader@example.com\n", "")
TYPO = f"""{CONFIG}digests:
  daily: {{schedule: daily 08:00}}
  shares: {{schedule: daily 08:30, categories: [stokcs, bonds]}}
"""
NEVER = "digest shares: none of its categories has ever had a post: stokcs, bonds; correct digests.shares.categories"
NO_READER = "digest daily: nobody gets it: mail.to names nobody, and nobody has subscribed"


@pytest.mark.parametrize(("config", "line"), [(TYPO, NEVER), (NOBODY, NO_READER)], ids=["categories", "readers"])
def test_a_digest_for_nothing_is_told(tmp_path: Path, config: str, line: str) -> None:
    """By the runs that make it or could not, and by those who look; by no other run."""
    site = Site(tmp_path, config)
    site.some_posts()
    checked = site.command("check", "--offline")
    assert f"warning  {line.split('; ')[0]}" in checked.out
    [told] = site.run_json().report["warnings"]
    assert told.startswith(line)
    assert site.run(as_of="2026-11-24 09:05").err == ""
    assert line in site.command("status").out
    site.post("2026-11-24-third.md", title="第三", date="2026-11-24 22:00:00 +0800", link="http://x.example.com/3")
    next_day = site.run_json(as_of="2026-11-25 08:40")
    assert any(warning.startswith(line) for warning in next_day.report["warnings"])


def test_a_digest_with_a_reader_is_for_somebody(tmp_path: Path) -> None:
    """A subscriber counts, whoever asked for nothing does not; a category counts that had a post once."""
    site = Site(tmp_path, NOBODY)
    site.some_posts()
    assert NO_READER in site.run().err
    proof = ("--consent", "form", "--consent-date", "2026-01-01")
    assert site.command("subscribers", "add", "me@example.com", *proof).code == 0
    assert NO_READER not in site.command("status").out
    site.configure(f"{NOBODY}subscriptions: {{enabled: false}}\n")
    assert NO_READER in site.command("status").out
    site.configure(TYPO.replace("stokcs", "stocks"))
    (site.posts / "2026-11-24-second.md").unlink()
    site.run(as_of=LATER)
    assert "ever had a post" not in site.command("status").out
