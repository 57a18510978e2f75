"""Fixtures for whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.site_folder import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without posts."""
    return Site(tmp_path)
