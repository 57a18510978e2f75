"""Fixtures for whole runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.run.site_folder import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without posts."""
    return Site(tmp_path)


@pytest.fixture(scope="session")
def real_posts() -> Path:
    """A folder of other people's sites, one a folder. Absent on most machines."""
    folder = Path(os.environ.get("DIGEST_REAL_POSTS") or Path(__file__).parents[3] / "shared" / "real-posts")
    if not folder.is_dir():
        pytest.skip("no folder of real posts (DIGEST_REAL_POSTS)")
    return folder
