"""Editions that go to channels, from the configuration to what every command says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.site_folder import CONFIG, Site
from tests.webhook_server import WebhookServer, webhook

NEXT = "2026-11-25 09:00"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.post("2026-11-24-one.md")
    return site


def configure(site: Site, *channels: str) -> None:
    entries = "".join(f"  - {{{each}}}\n" for each in channels)
    site.configure(CONFIG + (f"channels:\n{entries}" if channels else ""))


def entry(server: WebhookServer, name: str = "chat") -> str:
    return f"kind: webhook, name: {name}, digest: daily, url: '{server.url}'"


def test_an_edition_from_the_folder_to_the_channel(site: Site) -> None:
    """What was frozen, without the words for one recipient; named wherever something is told of it."""
    with webhook() as chat:
        configure(site, entry(chat))
        result = site.run()
        assert (result.code, result.err) == (0, "")
        [request] = chat.accepted
    edition = request.edition
    assert {name: edition[name] for name in ("digest", "title", "period", "language")} == {
        "digest": "daily",
        "title": "财经早报",
        "period": "2026-11-24",
        "language": "zh-CN",
    }
    assert edition["url"] == "https://news.example.com/editions/daily/2026-11-24/"
    assert edition["items"] == [
        {
            "title": "央行开展逆回购操作",
            "url": "https://news.example.com/macro/2026/11/24/one.html",
            "summary": "今日开展一千亿元逆回购操作。（第一新闻）",
            "section": "macro",
        }
    ]
    for form in (edition["text"], edition["html"]):
        assert "央行开展逆回购操作" in form
        assert "%%" not in form
        assert "reader@example.com" not in form
    status = json.loads(site.command("status", "--json").out)
    assert status["channels"] == {"chat": {"sent": 1}}
    assert "chat: 1 sent" in site.command("status").out
    explained = site.command("explain", "--channel", "chat").out
    assert "gets the editions of daily" in explained
    assert "daily 2026-11-24: sent" in explained
    assert "the server said: 200 OK" in explained


def test_a_channel_gets_what_is_made_from_now_on(site: Site) -> None:
    """Neither editions from before it was there, nor any after it was taken out."""
    configure(site)
    assert site.run().code == 0
    with webhook() as chat:
        configure(site, entry(chat))
        site.post("2026-11-25-two.md", date="2026-11-25 08:00:00 +0800")
        assert site.run(as_of=NEXT).code == 0
        assert [request.edition["period"] for request in chat.accepted] == ["2026-11-25"]
        explained = site.command("explain", "--channel", "chat", "--date", "2026-11-24").out
        assert "daily 2026-11-24: not sent; it was no channel of this digest then" in explained


def test_what_waits_for_a_channel_that_was_taken_out(site: Site) -> None:
    with webhook() as gone:
        pass
    configure(site, entry(gone))
    result = site.run()
    assert result.code == 1
    assert "chat waits for the next run" in result.err
    assert "secret" not in result.err + result.out
    configure(site)
    assert site.run(as_of="2026-11-24 09:05").code == 0
    explained = site.command("explain", "--channel", "chat").out
    assert "is not configured, and gets nothing any more" in explained
    assert "its channel is no longer configured" in explained
    assert site.command("explain", "--channel", "other").code == 2


def test_a_channel_without_its_secret_stops_no_mail(site: Site) -> None:
    configure(site, "kind: webhook, name: chat, digest: daily, url_env: NO_SUCH_VARIABLE")
    result = site.run()
    assert result.code == 1
    assert "channels: chat: the environment variable NO_SUCH_VARIABLE is not set; set it" in result.err
    assert len(site.mails()) == 1
    check = site.command("check", "--offline")
    assert "NO_SUCH_VARIABLE is not set" in check.out


def test_a_dry_run_sends_nothing(site: Site) -> None:
    with webhook() as chat:
        configure(site, entry(chat))
        assert site.run("--dry-run").code == 0
        assert "chat" in site.command("check", "--offline").out
        assert chat.whole == []
