"""The pages in a real browser: nothing sticks out, everything has a name, everything can be read and used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (or in DIGEST_CHROMIUM)"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (320, 600, 1000)
PAGES = ("feeds/index.html", "feeds/all/index.html", "feeds/能源.html")

CONTRASTS = """() => {
  const light = c => { c /= 255; return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || element.tagName === "INPUT";
    if (!own || !element.checkVisibility() || element.closest("script, style")) continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), element.outerHTML.slice(0, 90)]);
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, textarea")].filter(e =>
  !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length))).map(e => e.outerHTML)"""
SMALL = """() => [...document.querySelectorAll("a, button")].filter(e => e.checkVisibility() &&
  getComputedStyle(e).display !== "inline" && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
CUT_OFF = """() => [...document.querySelectorAll("textarea")].filter(e => e.scrollHeight > e.clientHeight ||
  e.scrollWidth > e.clientWidth).map(e => e.value)"""
OUTSIDE = """() => [...document.body.querySelectorAll("*")].filter(e => e.checkVisibility() &&
  e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def folder(site, post) -> Path:
    site.store.put(
        *(post(key, categories=(f"分类{key:02}",)) for key in range(14)),
        post(20, categories=("能源",), title="A" * 90, summary="https://a.example/" + "x" * 200, source_name="晨星社"),
        post(21, categories=("能源",), lang="en", original_url="https://press.example.org/", tags=("A股",)),
        post(22, categories=("能源",), gone_at=post(30).published),
    )
    site.publish(tags=True)
    return site.root


def opened(browser, folder: Path, name: str, **context):
    page = browser.new_context(**context).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / name).as_uri())
    return page, complaints


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_can_be_read(browser, folder, name, scheme, tmp_path) -> None:
    """At 320, 600 and 1,000 pixels, light and dark: no sideways scrolling, contrast of 4.5 to 1, names for all
    controls, nothing on the console. Screenshots go to DIGEST_SHOTS, if that is set."""
    shots = Path(os.environ.get("DIGEST_SHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    page, complaints = opened(browser, folder, name, color_scheme=scheme)  # one: opening it costs more than all else
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(SMALL) == []
        assert page.evaluate(CUT_OFF) == []
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 10
        assert [found for found in contrasts if found[0] < 4.5] == []
        shot = shots / f"{name.replace('/', '-')}-{width}-{scheme}.png"
        page.screenshot(path=shot)
        assert shot.stat().st_size > 5000
    assert complaints == []
    page.context.close()


def test_an_address_is_copied_at_a_click(browser, folder) -> None:
    page, complaints = opened(browser, folder, "feeds/index.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="复制: 晨报 & 快讯 (RSS) 的地址")
    button.click()
    page.get_by_text("已复制").wait_for()
    field = page.get_by_role("textbox", name="晨报 & 快讯 (RSS) 的地址")
    assert page.evaluate("getSelection().toString()") == "https://news.example.com/rss.xml"
    assert field.input_value() == "https://news.example.com/rss.xml"
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_addresses_are_there_without_scripts(browser, folder, name) -> None:
    """No dead buttons; the address is selected by hand."""
    page, _ = opened(browser, folder, name, java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("input[type=search]").count() == 0
    assert page.locator("textarea[readonly]").count() >= 3
    page.context.close()


def test_a_long_list_can_be_searched(browser, folder) -> None:
    page, _ = opened(browser, folder, "feeds/index.html")
    shelf = page.get_by_role("region", name="分类")
    assert shelf.get_by_role("listitem").count() == 15
    shelf.get_by_role("searchbox", name="查找订阅源").fill("能")
    assert shelf.get_by_role("listitem").count() == 1
    shelf.get_by_role("link", name="能源", exact=True).click()
    assert page.get_by_role("heading", level=1).text_content() == "能源 · 晨报 & 快讯"
    page.get_by_role("link", name="订阅源").first.click()
    assert page.get_by_role("heading", level=1).text_content() == "订阅源"
    page.context.close()
