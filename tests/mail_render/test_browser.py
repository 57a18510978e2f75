"""Mail and pages in a real browser: widths, sizes, contrast; light and dark; with styles and without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from digest.edition.contents import Correction, Edition, Limits, Publisher
from digest.languages import CatalogueLanguage
from digest.models import Code, KnownPost
from digest.render.context import RenderContext
from digest.render.editions import render_edition_page
from digest.render.mail import render_mail
from digest.templates import FolderTemplates

pytestmark = pytest.mark.browser

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG = "https://news.example.com/" + "very-long-word-without-any-place-to-break-" * 6

CONTRASTS = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|transparent/.test(c)) return c } return 'rgb(255, 255, 255)' };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const e = node.parentElement, style = getComputedStyle(e);
    if (!node.data.trim() || !e.getClientRects().length || e.closest('.bar')) continue;
    const [a, b] = [light(style.color), light(ground(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), parseFloat(style.fontSize), node.data.trim().slice(0, 20)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium (DIGEST_CHROMIUM or PATH)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def edition(make_edition: Callable[..., Edition], make_post: Callable[..., KnownPost]) -> Edition:
    """Long words, long titles, a long category, emoji."""
    codes = (Code(market="90", code="BK1", name="名" * 60), Code(market="1", code="600001", name=LONG))
    posts = [make_post(key, codes=codes) for key in range(1, 30)]
    posts += [
        make_post(40, title=LONG, summary=LONG, source_name=LONG, categories=(LONG,)),
        make_post(41, title="题" * 200, summary="👩‍👩‍👧" * 80, categories=("分类" * 40,)),
    ]
    wrong = Correction(
        key=1, period="2026-11-23", url=LONG, was_title=LONG, title=LONG + "x", was_summary="旧", summary="新"
    )
    return make_edition(posts=posts, corrections=(wrong, replace(wrong, gone=True)))


@pytest.fixture
def mail_file(
    edition: Edition, publisher: Publisher, templates: FolderTemplates, language: CatalogueLanguage, tmp_path: Path
) -> Path:
    mail = render_mail(
        edition, RenderContext(publisher=publisher, templates=templates, language=language), Limits(items=25)
    )
    path = tmp_path / "mail.html"
    path.write_text(mail.html, encoding="utf-8")
    return path


@pytest.fixture
def page_file(
    edition: Edition, publisher: Publisher, templates: FolderTemplates, language: CatalogueLanguage, tmp_path: Path
) -> Path:
    path = tmp_path / "page.html"
    path.write_bytes(
        render_edition_page(
            edition,
            RenderContext(publisher=publisher, templates=templates, language=language),
            previous="2026-11-23",
            following="2026-11-25",
        )
    )
    return path


def views(browser: Any, path: Path, *, styles: tuple[bool, ...] = (True,)) -> Iterator[tuple[str, Any]]:
    """The file at three widths, light and dark. Nothing may be loaded from anywhere."""
    page = browser.new_page()  # one: opening it costs more than all else
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for style in styles:
        page.goto(path.as_uri())
        if not style:
            page.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")
        for scheme, width in product(("light", "dark"), (320, 600, 1000)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            yield f"{scheme}, {width} px, {'styles' if style else 'no styles'}", page
    assert asked == [path.as_uri()] * len(styles)
    page.close()


def test_the_mail_fits_every_width_and_can_be_read(browser: Any, mail_file: Path) -> None:
    for view, page in views(browser, mail_file, styles=(True, False)):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        width = page.evaluate("document.querySelector('table.sheet').offsetWidth")
        assert width == min(page.viewport_size["width"], 600), view
        texts = page.evaluate(CONTRASTS)
        assert len(texts) > 60
        assert [text for text in texts if text[0] < 4.5] == [], view
        assert [text for text in texts if text[1] < 14] == [], view
        assert page.evaluate("document.querySelector('.preheader').offsetHeight") == 0, view


def test_the_mails_button_can_be_hit(browser: Any, mail_file: Path) -> None:
    for view, page in views(browser, mail_file):
        assert page.evaluate("document.querySelector('.button td').offsetHeight") >= 44, view


def test_the_page_fits_every_width_and_can_be_read(browser: Any, page_file: Path) -> None:
    for view, page in views(browser, page_file):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        assert [text for text in page.evaluate(CONTRASTS) if text[0] < 4.5] == [], view


def test_no_element_of_the_page_has_a_style_of_its_own(browser: Any, page_file: Path) -> None:
    """The content policy of a server refuses it."""
    for view, page in views(browser, page_file):
        assert page.evaluate("document.querySelectorAll('[style]').length") == 0, view


def test_the_table_of_contents_leads_to_its_sections(browser: Any, page_file: Path) -> None:
    for _, page in views(browser, page_file):
        for target in page.evaluate("[...document.querySelectorAll('nav a[href^=\"#\"]')].map(a => a.hash)"):
            assert page.evaluate(f"document.querySelectorAll('{target}').length") == 1


SMALL = """() => [...document.querySelectorAll("a, button")].filter(e => e.checkVisibility() &&
  getComputedStyle(e).display !== "inline" && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""


def test_the_page_begins_with_the_news(
    browser: Any,
    make_edition: Callable[..., Edition],
    publisher: Publisher,
    templates: FolderTemplates,
    language: CatalogueLanguage,
    tmp_path: Path,
) -> None:
    """On the smallest telephone the first headlines are there without scrolling; what is counted comes last."""
    look = RenderContext(publisher=publisher, templates=templates, language=language)
    path = tmp_path / "page.html"
    for number in (2, 12):
        path.write_bytes(render_edition_page(make_edition(number), look, previous="2026-11-23", following=None))
        page = browser.new_page(viewport={"width": 320, "height": 568})
        page.goto(path.as_uri())
        first, balance, last = page.evaluate(
            """() => [document.querySelector("main .top a, main article a"), document.querySelector(".balance"),
              [...document.querySelectorAll("article")].pop()].map(e => e.getBoundingClientRect().bottom)"""
        )
        assert first < (568 if number == 2 else 400)
        assert last < balance
        assert page.evaluate(SMALL) == []
        page.close()
