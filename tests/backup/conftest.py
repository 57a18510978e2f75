"""A site with a past."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from digest.config import Settings, load
from tests.run.site_folder import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with three posts."""
    site = Site(tmp_path / "site-folder")
    site.some_posts()
    return site


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("finished") / "site-folder")
    site.some_posts()
    assert site.run().code == 0
    return site.folder


@pytest.fixture
def settings(site: Site, _finished: Path) -> Settings:
    """Of a site whose first edition is out."""
    shutil.copytree(_finished, site.folder, dirs_exist_ok=True)
    return load(site.folder / "config.yaml", {})
