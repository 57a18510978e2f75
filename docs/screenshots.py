"""Take the pictures in docs/images: the sample archive's mail, its edition on the web, and the list of feeds.

    make screenshots

Runs ``digest`` on the sample archive in a folder of its own, as of the morning after its newest day, and opens the
results in Chromium (``DIGEST_CHROMIUM``, or one on PATH), 600 and 1,000 pixels wide, light and dark.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
AS_OF = "2026-11-24 08:00"
WIDTHS = (600, 1000)
HEIGHT = 960
SCHEMES = ("light", "dark")
LIMIT = 200_000
"""Bytes of a picture at most: they are kept in the repository."""

# Loads nothing and calls nobody.
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def make_pages(folder: Path) -> dict[str, Path]:
    """Digest the sample archive in this folder; the pages to look at, by what their pictures are called."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    settings["posts"]["folder"] = str(ROOT / settings["posts"]["folder"])
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "digest", "run", "--config", str(config), "--as-of", AS_OF],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (message,) = (folder / settings["mail"]["folder"]).glob("*.eml")
    parts = BytesParser(policy=policy.default).parsebytes(message.read_bytes()).walk()
    (html,) = (part.get_content() for part in parts if part.get_content_type() == "text/html")
    mail = folder / "mail.html"
    mail.write_text(html, encoding="utf-8")
    public = folder / settings["output"]
    (edition,) = public.glob("editions/*/*/index.html")
    return {"mail": mail, "edition": edition, "feeds": public / "feeds" / "index.html"}


def take(pages: dict[str, Path], images: Path, chromium: str) -> list[Path]:
    """A picture of the top of each page in each width and scheme. Raises ValueError for one that is too large."""
    from playwright.sync_api import sync_playwright

    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        taken = [
            _take(browser, page, images / f"{name}-{width}-{scheme}.png", width, scheme)
            for name, page in pages.items()
            for width in WIDTHS
            for scheme in SCHEMES
        ]
        browser.close()
    for picture in taken:
        if picture.stat().st_size >= LIMIT:
            raise ValueError(f"{picture}: {picture.stat().st_size:,} bytes are too many; lower HEIGHT")
    return taken


def _take(browser: Any, page: Path, picture: Path, width: int, scheme: str) -> Path:
    tab = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    tab.goto(page.as_uri())
    tab.screenshot(path=picture)
    tab.close()
    return picture


def main() -> int:
    chromium = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("screenshots: no Chromium on PATH; install one, or name it in DIGEST_CHROMIUM", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for picture in take(make_pages(Path(folder)), IMAGES, chromium):
            print(picture.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
