"""The pages of docs/deploy name every file of deploy/, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
INDEX = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_index_names_every_file() -> None:
    """In the table of ways."""
    table = [line for line in INDEX.splitlines() if line.startswith("|")]
    named = {
        name.rstrip("/")
        for line in table
        if "](" in line
        for name in re.findall(r"`([\w./-]+)`", line.rpartition("](")[2])
    }
    assert named == {path.name for path in (ROOT / "deploy").iterdir()} - {".env"}


def test_every_page_is_linked() -> None:
    """And every link leads somewhere."""
    linked = set(re.findall(r"\]\((deploy/[\w-]+\.md)\)", INDEX))
    assert linked == {f"deploy/{path.name}" for path in (ROOT / "docs" / "deploy").glob("*.md")}
    for page in [ROOT / "docs" / "deploy.md", *(ROOT / "docs" / "deploy").glob("*.md")]:
        for link in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_files_named_in_the_pages_exist() -> None:
    """Commands in the pages can be typed as they stand."""
    written = {"deploy/compose/db-password", "deploy/compose/relay-login"}
    for page in (ROOT / "docs" / "deploy").glob("*.md"):
        for path in (
            set(re.findall(r"\bdeploy/[\w./*-]*[\w*]", page.read_text(encoding="utf-8"))) - written - {"deploy/.env"}
        ):
            assert list(ROOT.glob(path)), f"{page.name}: {path}"
