"""The pages in a real browser: from the form to the unsubscribe page, without JavaScript, and visited by a scanner
that runs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.web_server import Served, link, links

pytestmark = pytest.mark.browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


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


@pytest.fixture(params=[False, True], ids=["without script", "with script"])
def page(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Any]:
    """A page of a visitor; whatever the browser complains about fails the test."""
    context = chromium.new_context(java_script_enabled=request.param, viewport={"width": 375, "height": 800})
    opened = context.new_page()
    complaints: list[str] = []

    def dismiss(dialog: Any) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", dismiss)
    yield opened
    assert context.cookies() == []
    context.close()
    assert [each for each in complaints if "favicon" not in each and "404" not in each] == []


def heading(page: Any) -> str:
    return str(page.text_content("h1"))


def test_from_the_form_to_the_unsubscribe_page(served: Served, page: Any) -> None:
    """As a reader does it: fill in, open the mail's link, press the button; choose; leave; come back; be forgotten."""
    page.goto(served.url + "/")
    page.fill("input[type=email]", "ann@example.org")
    page.uncheck("input[name=digest][value=evening]")
    page.wait_for_timeout(2_100)  # nobody is faster
    page.click("button[type=submit]")
    assert heading(page) == "请查看您的邮箱"

    page.goto(link(served.mails(1)[0]))
    assert heading(page) == "确认订阅"
    page.click("button")
    assert heading(page) == "订阅成功"
    people = served.running.subscriber_service.people
    assert [each.digest for each in people.find("ann@example.org").active] == ["daily"]

    manage = served.running.subscriber_service.links.manage(people.find("ann@example.org").key)
    page.goto(manage)
    page.select_option("select[name=hour]", "7")
    page.select_option("select[name=zone]", "Europe/Berlin")
    page.check("input[name=frequency][value=weekly]")
    page.uncheck("input[name='in daily'][value=macro]")
    page.click("button[value=save]")
    assert page.text_content(".note") == "已保存。"
    reader = people.find("ann@example.org")
    assert (reader.preferences.hour, reader.preferences.zone, reader.preferences.frequency.value) == (
        7,
        "Europe/Berlin",
        "weekly",
    )
    assert reader.active[0].categories == ("stocks",)

    page.goto(served.unsubscribe_link())
    assert heading(page) == "退订"
    page.click("button[value=leave]")
    assert heading(page) == "您已退订"
    assert people.find("ann@example.org").active == ()

    page.goto(manage)
    page.click("button[value=erase]")
    page.goto(link(served.mails(2)[-1]))
    page.click("button")
    assert heading(page) == "您的数据已删除"
    assert "ann@example.org" not in served.state()


def test_pages_fit_a_telephone(served: Served, page: Any) -> None:
    """Nothing is wider than the window, every button is high enough for a thumb, every field has its label."""
    manage = served.join()
    served.ask(manage, form={"action": "erase"})
    served.mails(2)
    served.move_to(manage, "new@example.org")
    served.ask(manage, form={"action": "move"})
    mailed = [link(mail) for mail in served.mails(5)[-4:]]
    places = [served.url + "/", manage, served.unsubscribe_link(), *mailed, served.url + "/x"]
    for place in places:
        page.goto(place)
        box = page.locator("main").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 375
        for button in page.locator("button").all():
            assert button.bounding_box()["height"] >= 44
        for field in page.locator("input:not([type=hidden]), select").all():
            assert field.locator("xpath=ancestor::label").count() == 1


def test_a_scanner_that_runs_scripts_changes_nothing(served: Served, page: Any) -> None:
    """It opens every link of every mail, waits, scrolls, and follows the links of the pages it finds."""
    places = {each for mail in served.every_mail() for each in links(mail)}
    assert len(places) >= 10
    before = served.state()
    for place in places:
        page.goto(place)
        page.mouse.wheel(0, 2_000)
        page.wait_for_timeout(200)
        for anchor in page.locator("main a").all():
            target = anchor.get_attribute("href")
            assert target.startswith("/mail/")
            page.context.request.get(f"http://127.0.0.1:{served.port}{target}")
    assert served.state() == before


def test_clickjacking_is_refused(served: Served, chromium: Any) -> None:
    """Another site's page cannot show ours in a frame."""
    manage = served.join()
    context = chromium.new_context()
    page = context.new_page()
    page.route(
        "http://evil.example/",
        lambda route: route.fulfill(body=f'<iframe src="{manage}"></iframe>', content_type="text/html"),
    )
    page.goto("http://evil.example/")
    page.wait_for_timeout(500)
    framed = page.frames[1]
    assert "您的订阅" not in framed.content()
    context.close()
