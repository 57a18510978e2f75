"""The operator's page: who gets in, what it shows, and how it looks in a browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import StoreError
from digest.languages import CatalogueLanguage
from digest.render.plots import HEIGHT, WIDTH, bar_plot, describe
from tests.subscribers.reader_world import World
from tests.watch.status_page import TOKEN, Served, furnish, served

DAY = date(2026, 11, 24)
ENGLISH = CatalogueLanguage("en")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
def page(quick: World) -> Iterator[Served]:
    with served(quick) as running:
        yield running


# ------------------------------------------------------------------ the door


def test_without_a_token_there_is_no_page(quick: World) -> None:
    with served(quick, token=None) as running:
        assert running.ask()[0] == 404
        assert running.ask(form={"token": ""})[0] == 404


def test_the_right_token_opens_it(page: Served) -> None:
    """The cookie is bound to this host, to TLS and to requests of this very site; the token stands in no address."""
    status, text, headers = page.ask()
    assert (status, 'type="password"' in text) == (200, True)
    assert 'id="runs"' not in text
    status, _, headers = page.ask(form={"token": f" {TOKEN} "})
    assert (status, headers["location"]) == (303, "/status")
    cookie = headers["set-cookie"]
    assert cookie.startswith("__Host-digest-status=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    status, text, headers = page.ask(headers={"Cookie": cookie.partition(";")[0]})
    assert (status, "Editions and their mail" in text) == (200, True)
    assert "财经&lt;b&gt;早报&lt;/b&gt;" in text
    assert headers["cache-control"] == "no-store"
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert "<script" not in text


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "x",
        "1800000001.{salt}.{none}",
        "9999999999.{salt}.{none}",
        "{good}0",
        "１{good}",
    ],
)
def test_no_other_cookie_does(page: Served, cookie: str) -> None:
    good = page.cookie().partition("=")[2]
    value = cookie.format(good=good, salt="0" * 32, none="0" * 64)
    status, text, _ = page.ask(headers={"Cookie": f"__Host-digest-status={value}".encode().decode("latin-1")})
    assert (status, 'type="password"' in text) == (200, True)


def test_a_session_ends(page: Served) -> None:
    """After twelve hours, when the operator leaves, and with another token."""
    cookie = page.cookie()
    page.seconds += 11 * 3600
    assert "Log out" in page.ask(headers={"Cookie": cookie})[1]
    page.seconds += 2 * 3600
    assert "Log out" not in page.ask(headers={"Cookie": cookie})[1]
    status, _, headers = page.ask(form={"leave": "1"}, headers={"Cookie": cookie})
    assert status == 303
    assert "Max-Age=0" in headers["set-cookie"]
    with served(page.world, token="another-token-of-them") as other:
        assert "Log out" not in other.ask(headers={"Cookie": page.cookie()})[1]


def test_guesses_are_limited(page: Served) -> None:
    """Ten in a quarter of an hour; then the answer says when to come back. The right one enters all the same: those
    ten may be somebody else's who comes by the same proxy."""
    for _ in range(10):
        status, text, _ = page.ask(form={"token": "wrong"})
        assert (status, "That is not the token." in text) == (403, True)
    status, text, headers = page.ask(form={"token": "wrong"})
    assert (status, headers["retry-after"]) == (429, "900")
    assert page.ask(form={"token": TOKEN})[0] == 303
    page.seconds += 901
    assert page.ask(form={"token": "wrong"})[0] == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Origin": "http://127.0.0.1"}, 303),
    ],
)
def test_forms_of_other_sites_are_refused(page: Served, headers: dict[str, str], status: int) -> None:
    assert page.ask(form={"token": TOKEN}, headers=headers)[0] == status


def test_what_is_no_form_is_refused(page: Served) -> None:
    assert page.ask(form={"token": "x" * 100_000})[0] == 413
    assert page.ask("POST", headers={"Content-Length": "0"})[0] == 403


def test_a_store_that_cannot_be_used_is_told(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = page.cookie()

    def broken(*values: object, **named: object) -> None:
        raise StoreError("var/digest.db", "disk I/O error", "look after the disk")

    monkeypatch.setattr(type(page.world.store), "runs", broken)
    status, text, _ = page.ask(headers={"Cookie": cookie})
    assert (status, "disk I/O error; look after the disk" in text) == (503, True)


# ------------------------------------------------------------------ contents


def test_it_shows_everything(page: Served) -> None:
    """Runs with their failures, editions with their mail, alarms open and over, silence, plots with their tables."""
    furnish(page.world)
    text = page.ask(headers={"Cookie": page.cookie()})[1]
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    for words in (
        "the run failed: hub.example.com: answered 500 since",
        "macro: 0 posts since 09:15, usually 11",
        "Silent against its habits",
        "Cut off or at work",
        "/srv/site/_posts: cannot be read: permission denied",
        "daily 2026-11-24",
        "November 25 08:00 daily 2026-11-25",
        "Over, in the last seven days: 1",
        "All posts",
        "gone for good",
        "Moved for good to https://elsewhere.example.com/feeds/wire.xml",
        "Others, which go well: 20",
    ):
        assert words in plain, words
    assert text.count("<svg") == 3
    assert plain.count("As a table") == 3


@given(st.lists(st.none() | st.integers(0, 10**9), max_size=40))
def test_plots_are_well_formed_and_stay_inside(values: list[int | None]) -> None:
    """Whatever the numbers: XML that a parser takes, bars within the picture, the highest as high as it can be."""
    days = [DAY + timedelta(days=n) for n in range(len(values))]
    words: dict[str, Any] = {"said": lambda count: f"{count} posts & more", "language": ENGLISH}
    svg = bar_plot(days, values, name="x", title="<&>", **words)
    assert svg == bar_plot(days, values, name="x", title="<&>", **words)
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{space}rect")
    assert len(bars) == sum(bool(value) for value in values)
    for bar in bars:
        x, y, width, height = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= WIDTH
        assert 20 <= y <= y + height <= HEIGHT - 20 + 0.02
    assert root.find(f"{space}title").text == "<&>"  # type: ignore[union-attr]
    assert root.attrib["aria-labelledby"] == "x-title x-desc"
    assert root.find(f"{space}desc").text == describe(days, values, **words)  # type: ignore[union-attr]


def test_a_plot_in_words() -> None:
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    words: dict[str, Any] = {"said": lambda count: f"{count} posts", "language": ENGLISH}
    assert describe(days, [3, 9, None], **words) == (
        "November 24 to November 26: at most 9 posts (November 25), lately 9 posts (November 25)."
    )
    assert describe(days, [None] * 3, **words) == "Nothing is known yet."


# ------------------------------------------------------------------- browser

CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const f = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return parse(getComputedStyle(document.body).backgroundColor); };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || ['TITLE', 'title', 'desc', 'STYLE'].includes(e.tagName)) continue;
    const s = getComputedStyle(e), svg = e.namespaceURI.endsWith('svg');
    const a = light(parse(svg ? s.fill : s.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(n.data.trim() + ' ' + ratio.toFixed(2));
  }
  return poor;
}"""


SMALL = """() => [...document.querySelectorAll('a, button, summary, input')].filter(e => e.checkVisibility())
  .map(e => [e.outerHTML, e.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 24)"""
"""Targets that are too small to hit (WCAG 2.5.8)."""
OUTSIDE = """() => { const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')].filter(e => !e.closest('thead') && e.checkVisibility()).filter(e => {
    const box = e.getBoundingClientRect(); return box.right > wide + 1 || box.left < -1; }).map(e => e.outerHTML); }"""
BROKEN_WORDS = """() => [...document.querySelectorAll('.list .number span, .list .time span')]
  .filter(e => e.checkVisibility() && new Set([...e.getClientRects()].map(box => box.bottom)).size > 1)
  .map(e => e.textContent)"""
"""Numbers and times that take more than one line."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = os.environ.get("DIGEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("needs Chromium (DIGEST_CHROMIUM or PATH)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_good_to_look_at(page: Served, chromium: Any, scheme: str, tmp_path: Path) -> None:
    """Logged in as an operator does it; at every width nothing sticks out of the page, everything can be read, and no
    two buttons are too small to hit."""
    furnish(page.world)
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 800})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.goto(page.url)
    assert opened.evaluate(CONTRAST) == []
    opened.fill("input[name=token]", "wrong")
    opened.click("button[type=submit]")
    assert opened.text_content("[role=alert]") == "That is not the token."
    assert opened.evaluate(CONTRAST) == []
    opened.fill("input[name=token]", TOKEN)
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#runs")
    assert "?" not in opened.url
    for details in opened.query_selector_all("summary"):
        details.click()
    folder = Path(os.environ.get("DIGEST_SHOTS") or tmp_path)
    for width in (320, 375, 600, 769, 1000):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.evaluate(SMALL) == []
        assert opened.evaluate(CONTRAST) == []
        opened.screenshot(path=folder / f"status-{width}-{scheme}.png", full_page=True)
    assert [cookie["httpOnly"] and cookie["secure"] for cookie in context.cookies()] == [True]
    opened.click("text=Log out")
    assert opened.text_content("h1") == "Log in"
    assert context.cookies() == []
    assert [each for each in complaints if "favicon" not in each and "404" not in each and "403" not in each] == []
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize(("tag", "heading"), [("zh-CN", "运行状态"), ("ar", "الحالة"), ("de", "Status")])
def test_it_is_in_the_sites_language(quick: World, chromium: Any, tag: str, heading: str) -> None:
    """From the left or the right, with nothing outside of the window; rows are lists on a telephone, with the name of
    the column before each value, and tables for programs that read aloud. English is said to be English."""
    furnish(quick)
    with served(quick, tag=tag) as page:
        context = chromium.new_context(java_script_enabled=False, viewport={"width": 320, "height": 800})
        opened = context.new_page()
        opened.goto(page.url)
        opened.fill("input[name=token]", TOKEN)
        with opened.expect_navigation():
            opened.keyboard.press("Enter")
        assert opened.text_content("h1") == heading
        root = opened.locator("html")
        assert (root.get_attribute("lang"), root.get_attribute("dir")) == (tag, "rtl" if tag == "ar" else "ltr")
        row = opened.locator("table[aria-labelledby=runs] tbody tr").first
        tops = [cell.bounding_box()["y"] for cell in row.locator("th, td").all() if cell.is_visible()]
        assert tops == sorted(set(tops))
        assert row.get_attribute("role") == "row"
        heads = opened.locator("table[aria-labelledby=runs] thead th").all_text_contents()
        labels = [cell.get_attribute("data-label") for cell in row.locator("td").all()]
        assert labels == heads[1:]
        english = opened.locator('[lang="en"]').all_text_contents()
        assert "the run failed: hub.example.com: answered 500" in english
        assert not re.search("[a-z]{3,}", " ".join(heads)) or tag == "de"
        for width in (320, 600, 769, 1000):
            opened.set_viewport_size({"width": width, "height": 800})
            for look in (OUTSIDE, SMALL, BROKEN_WORDS):
                assert opened.evaluate(look) == [], width
        context.close()


def test_times_are_the_sites(page: Served) -> None:
    """In the site's zone, in words of its language: today's without the day."""
    furnish(page.world)
    with served(page.world, tag="zh-CN") as chinese:
        text = re.sub(r"<[^>]+>", "", chinese.ask(headers={"Cookie": chinese.cookie()})[1])
    assert "2026年11月24日 12:00 (Asia/Shanghai)" in text
    assert "11月25日 08:00" in text
    assert "自 12:00 起" in text
    assert "已发送：" in text or "等待中：" in text
