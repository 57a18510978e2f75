"""``make screenshots`` (docs/screenshots.py), and the pages that show its pictures."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import struct
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PICTURE = re.compile(r"(?:src(?:set)?=\"|\]\()((?:docs/)?images/[\w.-]+\.png)")


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    path = ROOT / "docs" / "screenshots.py"
    spec = importlib.util.spec_from_file_location("screenshots", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def size(picture: Path) -> tuple[int, int]:
    """Width and height, as a PNG file's first chunk says (ISO/IEC 15948, 11.2.2)."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    return width, height


@pytest.mark.slow
@pytest.mark.browser
def test_pictures_of_the_sample_are_taken(screenshots: ModuleType, tmp_path: Path) -> None:
    """Mail, edition and list of feeds; two widths, light and dark; those that are kept and no others."""
    chromium = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium (DIGEST_CHROMIUM or PATH)")
    taken = screenshots.take(screenshots.make_pages(tmp_path), tmp_path / "images", chromium)
    assert len(taken) == 12
    assert sorted(picture.name for picture in taken) == sorted(path.name for path in screenshots.IMAGES.iterdir())
    for picture in taken:
        assert size(picture) == (int(picture.stem.split("-")[1]), screenshots.HEIGHT)
        assert 10_000 < picture.stat().st_size < screenshots.LIMIT


def test_a_picture_that_is_too_large_is_refused(
    screenshots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository would grow with each renewal."""

    def heavy(browser: object, page: Path, picture: Path, width: int, scheme: str) -> Path:
        picture.write_bytes(bytes(screenshots.LIMIT))
        return picture

    chromium = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium (DIGEST_CHROMIUM or PATH)")
    monkeypatch.setattr(screenshots, "_take", heavy)
    with pytest.raises(ValueError, match=r"mail-600-light.png: 200,000 bytes are too many"):
        screenshots.take({"mail": tmp_path}, tmp_path, chromium)


def test_without_chromium_it_says_so(
    screenshots: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DIGEST_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    assert screenshots.main() == 1
    assert "no Chromium on PATH" in capsys.readouterr().err


@pytest.mark.parametrize("page", ["README.md", "docs/email.md"])
def test_pages_show_pictures_that_are_there(page: str) -> None:
    shown = PICTURE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert shown
    for picture in shown:
        path = (ROOT / page).parent / picture
        assert path.is_file(), picture
        assert path.stat().st_size < 200_000
