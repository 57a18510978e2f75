"""What examples/README.md says of each file is what happens to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.models import Refusal
from digest.posts import Rules, parse_post
from digest.sources.folder import FolderSource

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SITES = {"archive": ("Asia/Shanghai", "zh-CN"), "hugo": ("Europe/Berlin", "en"), "hexo": ("Asia/Taipei", "zh-TW")}
OUTCOMES = {"taken": "taken", "skipped": "skipped", "left": "note", "passed": "unlisted", "no": "unlisted"}


def stated(site: str) -> dict[str, str]:
    """README's last column, by path below the site's folder: the first word alone."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]*[^`/])` \| .+ \| (\w+)[^|]* \|$", readme, re.MULTILINE)
    named = {name if name.startswith(("hugo/", "hexo/")) else f"archive/{name}": word for name, word in rows}
    return {name.removeprefix(f"{site}/"): word for name, word in named.items() if name.startswith(f"{site}/")}


@pytest.mark.parametrize("site", SITES)
def test_files_are_taken_and_left_as_the_readme_says(site: str) -> None:
    """Every odd file has its outcome; every ordinary post is taken without a remark."""
    zone, lang = SITES[site]
    source = FolderSource(EXAMPLES / site)
    rules = Rules(site_url="https://posts.example.com", timezone=ZoneInfo(zone), kind=source.kind, lang=lang, now=NOW)
    assert source.kind == {"archive": "jekyll"}.get(site, site)
    expected = {path: OUTCOMES[word] for path, word in stated(site).items() if word != "never"}
    found = dict.fromkeys(expected, "unlisted")
    for path in source.scan().files:
        result = parse_post(path, source.read(path), rules)
        outcome = str(result.problem.severity) if isinstance(result, Refusal) else "taken"
        if path in expected:
            found[path] = outcome
        else:
            assert outcome == "taken", result
            assert not isinstance(result, Refusal)
            assert not result.warnings
            assert result.summary
            assert result.source_name
            assert result.original_url
    assert found == expected


def test_link_that_leads_out_is_reported_and_not_followed() -> None:
    """It is a problem of the listing, and no post."""
    if not (EXAMPLES / "archive/_posts/2026-11-22-symlink-out.md").is_symlink():
        pytest.skip("this checkout has no symbolic links (core.symlinks is off)")
    listing = FolderSource(EXAMPLES / "archive").scan()
    assert "_posts/2026-11-22-symlink-out.md" not in listing.files
    assert [problem.path for problem in listing.problems] == ["_posts/2026-11-22-symlink-out.md"]
