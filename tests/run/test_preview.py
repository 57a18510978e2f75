"""``digest preview`` as its users see it: what it shows, that it leaves no trace, and the test it sends."""

from __future__ import annotations

import json
import os
import re
import webbrowser
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import lxml.html
import pytest
from click.testing import CliRunner

from digest.app.assembly import App
from digest.app.moment import When
from digest.cli.preview import can_show, command
from digest.cli.subscribers import command as people
from digest.config import load
from digest.errors import OutputError
from digest.store import open_store
from tests.delivery.scripted_smtp import Say, ScriptedServer, always
from tests.run.site_folder import AS_OF, CONFIG, Result, Site

THEN = ("--as-of", AS_OF)


def preview(site: Site, *words: str) -> Result:
    return site.command("preview", *words)


def shown(site: Site, *words: str) -> Result:
    """The same for programs."""
    result = preview(site, "--json", *words)
    assert (result.code, result.err) == (0, "")
    return result


def subscribers(site: Site, *words: str) -> None:
    done = CliRunner().invoke(people, [*words, "--config", str(site.folder / "config.yaml")], standalone_mode=False)
    assert done.exception is None


def said(result: Result, code: int, line: str) -> None:
    assert (result.code, result.err.strip()) == (code, f"digest: {line}")


def parsed(data: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(data)


@pytest.fixture
def quiet(site: Site) -> Site:
    """A site whose first edition, of 24 November, was sent."""
    site.some_posts()
    assert site.run().code == 0
    return site


@pytest.fixture
def busy(quiet: Site) -> Site:
    """One more post came in; no run has seen it."""
    quiet.post("2026-11-24-third.md", title="铜价大跌", date="2026-11-24 09:30:00 +0800", link="http://x.example.com/3")
    return quiet


# ------------------------------------------------------------ what it shows


def test_the_first_preview_is_the_mail_that_the_first_run_sends(site: Site) -> None:
    """Byte for byte, and but for links to each other page and HTML too; store, outbox and output are not made."""
    site.some_posts()
    report = shown(site, *THEN).report
    assert (report["digest"], report["period"], report["is_due"], report["waits"]) == ("daily", "2026-11-24", True, "")
    assert {path.name for path in site.folder.iterdir()} == {"config.yaml", "site", "var"}
    assert [path.name for path in (site.folder / "var").iterdir()] == ["preview"]
    files = {what: Path(path).read_bytes() for what, path in report["files"].items()}
    assert site.run().code == 0
    (mailed,) = (site.folder / "var" / "outbox").glob("*.eml")
    assert files["eml"] == mailed.read_bytes()
    published = (site.folder / "public/editions/daily/2026-11-24/index.html").read_bytes()
    links = re.compile(rb'href="(?:file:|\.\.?/)[^"]*"')
    assert links.sub(b"", files["page"]) == links.sub(b"", published)
    mail = parsed(files["eml"])
    for kind, what in (("html", "html"), ("plain", "txt")):
        body = mail.get_body((kind,))
        assert body is not None
        address = "https://news.example.com/editions/daily/2026-11-24/"
        shown_body = files[what].decode().replace("daily-2026-11-24-page.html", address)
        assert shown_body == body.get_content().replace("\r\n", "\n")


def test_the_next_edition_as_it_would_be_now(busy: Site) -> None:
    """Not due yet; it has what came since the last one."""
    report = shown(busy, "--as-of", "2026-11-24 18:00").report
    assert report["period"] == "2026-11-25"
    assert (report["is_due"], report["due_at"]) == (False, "2026-11-25T00:00:00+00:00")
    assert report["balance"] == {"arrived": 1, "here": 1, "grouped": 0, "page": 0}
    assert "铜价大跌" in Path(report["files"]["txt"]).read_text(encoding="utf-8")
    page = Path(report["files"]["page"]).read_text(encoding="utf-8")
    (neighbour,) = re.findall(r'rel="prev" href="file://([^"]+)"', page)
    assert neighbour.endswith("/editions/daily/2026-11-24/index.html")
    assert Path(neighbour).is_file(), "before anything is public"
    mail = Path(report["files"]["html"]).read_text(encoding="utf-8")
    assert 'href="daily-2026-11-25-page.html' in mail
    assert "editions/daily/2026-11-25/" not in mail


def test_people_read_what_it_uses_and_what_it_leaves_out(site: Site) -> None:
    """Bytes, minutes, posts; each post that is not shown with the words for why."""
    site.some_posts()
    site.configure(CONFIG + "digests:\n  daily:\n    max_items: 1\n    minutes: 5\n")
    out = preview(site, *THEN).out
    assert out.startswith("daily 2026-11-24: 半导体板块走强｜11月24日\n")
    assert "now, since 2026-11-24 09:00 Asia/Shanghai" in out
    assert "2 posts = 1 in the mail + 1 on its page only" in out
    assert "of 74,000 bytes (" in out
    assert "about 1 minute of 5" in out
    assert "1 of 1 posts" in out
    assert "1 post on the page only: 1 for over=items" in out
    assert "    央行开展逆回购操作 (macro; newest-day turn=2 over=items)" in out
    assert str(site.folder / "var/preview/daily-2026-11-24.html") in out


def test_what_is_left_out_with_its_story_has_the_storys_reason(site: Site) -> None:
    """And a long list is cut unless all of it is wanted."""
    for number in range(12):
        site.post(
            f"2026-11-24-n{number}.md",
            title=f"第{number}号{chr(0x4E00 + 97 * number) * 6}",
            link="http://x.example.com/1",
        )
    site.post("2026-11-24-a.md", title="铜矿停产 铜价大涨", date="2026-11-24 07:00:00 +0800", categories="futures")
    site.post("2026-11-24-b.md", title="铜矿停产 铜价大涨3%", date="2026-11-24 07:01:00 +0800", categories="futures")
    site.configure(CONFIG + "digests:\n  daily:\n    max_items: 1\n")
    report = shown(site, *THEN).report
    left = {each["title"]: each for each in report["left_out"]}
    assert len(left) == report["balance"]["page"] > 10
    assert {each["why"] for each in left.values()} == {"over=items"}
    assert any("story=" in each["reason"] for each in left.values())
    assert "more (--verbose lists all)" in preview(site, *THEN).out
    assert all(title in preview(site, "--verbose", *THEN).out for title in left)


def test_an_edition_that_no_run_would_send_says_so(quiet: Site) -> None:
    """Nothing came in: the mail is shown all the same."""
    result = preview(quiet, "--as-of", "2026-11-25 08:00")
    assert "nothing new: a run would not send it" in result.out
    quiet.configure(CONFIG + "digests:\n  daily:\n    send_empty: true\n")
    assert shown(quiet, "--as-of", "2026-11-25 08:00").report["waits"] == ""


def test_an_edition_with_too_few_posts_waits(busy: Site) -> None:
    """As the run will say, too."""
    busy.configure(CONFIG + "digests:\n  daily:\n    min_items: 2\n")
    assert shown(busy, "--as-of", "2026-11-24 18:00").report["waits"] == "too few"
    assert "daily 2026-11-25: too few, 1 left to the next edition" in busy.run(as_of="2026-11-25 08:00").out


def test_an_archive_without_posts_has_a_preview(site: Site) -> None:
    report = shown(site, *THEN).report
    assert (report["period"], report["waits"], report["is_due"]) == ("2026-11-25", "nothing new", False)


def test_one_of_several_digests(site: Site) -> None:
    site.some_posts()
    site.configure(CONFIG + "digests:\n  daily: {}\n  stocks:\n    categories: [stocks]\n")
    said(preview(site, *THEN), 2, "--digest: there are several digests; name one of daily, stocks")
    said(preview(site, "--digest", "x", *THEN), 2, "--digest: there is no digest 'x'; name one of daily, stocks")
    assert shown(site, "--digest", "stocks", *THEN).report["balance"]["arrived"] == 1


# -------------------------------------------------------- it leaves no trace


def test_nothing_is_marked_or_published(busy: Site) -> None:
    """Store, pages, feeds and outbox stay as they are; the next run sends the post."""
    before = busy.tree("public", "var")
    assert preview(busy, "--as-of", "2026-11-25 08:00", "--out", str(busy.folder / "out")).code == 0
    assert busy.tree("public", "var") == before
    assert "daily 2026-11-25: 1 post = 1 in the mail" in busy.run(as_of="2026-11-25 08:00").out


def test_it_works_beside_a_run(busy: Site) -> None:
    """Which holds the right to run."""
    url = f"sqlite:///{busy.folder / 'var/digest.db'}"
    with open_store(url) as store, store.exclusive("digest run"):
        assert shown(busy, "--as-of", "2026-11-24 18:00").report["balance"]["arrived"] == 1


@pytest.mark.postgres
def test_nothing_is_marked_on_a_server_either(site: Site, postgres_url: str) -> None:
    """Beside a run that holds the right to run there."""
    site.configure(CONFIG + f"store: {postgres_url}\n")
    site.some_posts()
    assert site.run().code == 0
    site.post("2026-11-24-third.md", title="铜价大跌", date="2026-11-24 09:30:00 +0800", link="http://x.example.com/3")
    with open_store(postgres_url) as store, store.exclusive("digest run"):
        assert shown(site, "--as-of", "2026-11-25 08:00").report["balance"]["arrived"] == 1
        assert store.count_posts() == 3
        assert store.edition("daily", "2026-11-25") is None
    assert "daily 2026-11-25: 1 post = 1 in the mail" in site.run(as_of="2026-11-25 08:00").out


def test_files_that_cannot_be_written(quiet: Site) -> None:
    there = quiet.folder / "config.yaml"
    result = preview(quiet, "--out", str(there))
    assert result.code == 1
    assert "name another folder with --out" in result.err


def test_a_folder_in_the_way_of_a_file_is_named(site: Site) -> None:
    """Whatever was shown before stays."""
    site.some_posts()
    site.configure(CONFIG + "digests:\n  daily:\n    max_items: 1\n    minutes: 9\n")
    words = ["--config", str(site.folder / "config.yaml"), *THEN, "--no-open"]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    assert "1 post on the page only: 1 for over=items" in done.output
    (site.folder / "taken" / "daily-2026-11-24.html").mkdir(parents=True)
    done = CliRunner().invoke(command, [*words, "--out", str(site.folder / "taken")], standalone_mode=False)
    assert isinstance(done.exception, OutputError)
    assert str(site.folder / "taken" / "daily-2026-11-24.html") in str(done.exception)


# ------------------------------------------------------------------- browser


@pytest.mark.parametrize(
    ("env", "platform", "is_terminal", "opens"),
    [
        ({"DISPLAY": ":0"}, "linux", True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True, True),
        ({}, "linux", True, False),
        ({}, "darwin", True, True),
        ({}, "win32", True, True),
        ({"DISPLAY": ":0"}, "linux", False, False),
        ({}, "darwin", False, False),
    ],
)
def test_a_browser_opens_where_somebody_can_see_it(
    env: dict[str, str], platform: str, is_terminal: bool, opens: bool
) -> None:
    assert can_show(env, platform, is_terminal=is_terminal) is opens


@pytest.mark.parametrize(
    ("words", "opened"),
    [((), True), (("--no-open",), False), (("--json",), False), (("--to", "you@example.com"), False)],
)
def test_the_mail_is_opened_unless_told_otherwise(
    quiet: Site, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], opened: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", asked.append)
    monkeypatch.setattr("digest.cli.preview.can_show", lambda *_, **__: True)
    config = str(quiet.folder / "config.yaml")
    assert CliRunner().invoke(command, ["--config", config, *THEN, *words], standalone_mode=False).return_value == 0
    wanted = (quiet.folder / "var/preview/daily-2026-11-25.html").as_uri()
    assert asked == ([wanted] if opened else [])


# ------------------------------------------------------------------ the test


def test_the_test_is_the_very_message_under_its_own_name(busy: Site) -> None:
    """Another Message-ID, or the reader's program would take the real one for a copy; all else is the same."""
    later = "2026-11-25 08:00"
    result = preview(busy, "--as-of", later, "--to", "reader@example.com")
    assert "sent to reader@example.com: test-" in result.out
    (path,) = (busy.folder / "var/outbox").glob("test-*.eml")
    test = path.read_bytes()
    path.unlink()
    busy.run(as_of=later)
    mailed = [path.read_bytes() for path in (busy.folder / "var/outbox").glob("*.eml")]
    (real,) = (data for data in mailed if b"Feedback-ID: 2026-11-25:" in data)
    names = [str(parsed(data)["Message-ID"]).encode() for data in (test, real)]
    assert names[0] != names[1]
    assert test.replace(names[0], b"") == real.replace(names[1], b"")


def test_to_others_it_looks_as_to_a_subscriber_and_its_links_are_nobodys(busy: Site) -> None:
    """Whoever presses them ends no subscription."""
    busy.configure(CONFIG + "subscriptions:\n  enabled: true\n  url: https://news.example.com/mail\n")
    subscribers(busy, "add", "ann@example.org", "--consent", "form", "--consent-date", "2026-01-01")
    assert preview(busy, "--to", "ann@example.org").code == 0
    (path,) = (busy.folder / "var/outbox").glob("test-*.eml")
    mail = parsed(path.read_bytes())
    link = str(mail["List-Unsubscribe"]).strip("<>")
    assert str(mail["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
    html = mail.get_body(("html",))
    assert html is not None
    links = lxml.html.document_fromstring(html.get_content()).xpath("//a/@href")
    assert link in links
    settings, now = load(busy.folder / "config.yaml", os.environ), datetime(2026, 11, 25, tzinfo=UTC)
    with open_store(settings.store.url) as store:
        app = App(settings, store, When(now=now, wall=now), dry_run=False, progress=lambda *_: None)
        signup = app.subscriber_service.signup
        for each in [link, *(one for one in links if one.startswith("https://news.example.com/mail"))]:
            signup.unsubscribe(each.rpartition("/")[2], now, everything=True)
            signup.unsubscribe(each.rpartition("/")[2], now)
        (reader,) = store.subscribers()
        assert len(reader.active) == 1


def test_a_test_by_smtp_shows_the_servers_answer(busy: Site) -> None:
    with ScriptedServer() as server:
        busy.configure(by_smtp(server))
        report = shown(busy, "--to", "you@example.com").report
        (accepted,) = server.accepted
    assert (accepted.recipient, report["sent"]["to"]) == ("you@example.com", "you@example.com")
    assert report["sent"]["code"] == 250
    assert report["sent"]["message_id"] == accepted.message_id


def test_a_test_that_is_refused_fails(busy: Site) -> None:
    """With the server's words; the files are there."""
    with ScriptedServer(always("rcpt", Say("550 5.1.1 no such user"))) as server:
        busy.configure(by_smtp(server))
        result = preview(busy, "--to", "you@example.com")
    assert result.code == 1
    assert "no such user" in result.err
    assert list((busy.folder / "var/preview").glob("*.eml"))


@pytest.mark.parametrize("address", ["nobody", "a@b@c", "x@example.com\nBcc: y@example.com", ""])
def test_what_is_no_address_gets_no_test(quiet: Site, address: str) -> None:
    said(preview(quiet, "--to", address), 2, f"--to: {address!r} is not a mail address; for example you@example.com")


def test_an_address_that_must_not_be_written_to_gets_no_test(quiet: Site) -> None:
    """Only an explicit word of the operator lifts that."""
    subscribers(quiet, "suppress", "ann@example.org", "--note", "letter")
    result = preview(quiet, "--to", "Ann@example.org")
    assert result.code == 2
    assert "--to: Ann@example.org must not get mail: suppressed" in result.err
    assert not list((quiet.folder / "var/outbox").glob("test-*"))


def by_smtp(server: ScriptedServer) -> str:
    smtp = f"mail:\n  transport: smtp\n  host: 127.0.0.1\n  port: {server.port}\n  security: none\n"
    return CONFIG.replace("mail:\n", smtp)


def test_reports_can_be_read_by_programs(quiet: Site) -> None:
    """Every figure with its budget."""
    report = json.loads(preview(quiet, "--json", *THEN).out)
    assert report["html_bytes"]["used"] < report["html_bytes"]["budget"] == 74_000
    assert report["text_bytes"]["used"] < report["text_bytes"]["budget"] == 100_000
    assert report["minutes"]["budget"] is None
    assert report["sent"] is None
