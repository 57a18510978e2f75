"""``digest editions`` as its users see it, and that ``--as-of`` rebuilds editions byte for byte."""

from __future__ import annotations

import json
import shutil
from email import policy
from email.parser import BytesParser
from pathlib import Path

import feedparser
import lxml.html
import pytest

from tests.run.site_folder import AS_OF, CONFIG, Result, Site, body_of

EARLIER = ("--as-of", AS_OF)


@pytest.fixture(scope="module")
def first_issue(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("issued"))
    site.some_posts()
    site.post("2026-11-20-old.md", title="上周要闻", date="2026-11-20 10:00:00 +0800", link="http://x.example.com/9")
    assert site.run().code == 0
    return site


@pytest.fixture
def issued(first_issue: Site, tmp_path: Path) -> Site:
    """A site with an edition of 24 November, and posts of two days before it."""
    return first_issue.copy(tmp_path)


def said(result: Result, code: int, line: str) -> None:
    assert (result.code, result.err.strip()) == (code, f"digest: {line}")


# --------------------------------------------------------------- list, show


def test_list(issued: Site) -> None:
    """A line an edition, and the same for programs."""
    (line,) = issued.command("editions", "list").out.splitlines()
    assert line.split(maxsplit=6) == [
        "daily", "2026-11-24", "2026-11-24", "09:00", "finished", "2", "posts  半导体板块走强｜11月24日",
    ]  # fmt: skip
    (row,) = json.loads(issued.command("editions", "list", "daily", "--json").out)
    assert row == {
        "digest": "daily",
        "period": "2026-11-24",
        "state": "finished",
        "posts": 2,
        "subject": "半导体板块走强｜11月24日",
        "frozen_at": "2026-11-24T01:00:00+00:00",
    }
    assert issued.command("editions", "list", "other").out == "no editions yet\n"


def test_the_configuration_may_be_named_before_or_after(issued: Site) -> None:
    """As people write it."""
    config = str(issued.folder / "config.yaml")
    other = Site(issued.folder / "other")
    after, before = ("editions", "list", "--config", config), ("editions", "--config", config, "list")
    assert "2026-11-24" in other.command(*after).out
    assert other.command(*before).out == other.command(*after).out


def test_show_prints_the_text_that_was_mailed(issued: Site) -> None:
    [mail] = issued.mails()
    text = body_of(mail).replace("\r\n", "\n")
    assert issued.command("editions", "show", "daily", "2026-11-24").out == text
    assert issued.command("editions", "show", "daily", "latest").out == text


def test_show_reasons(issued: Site) -> None:
    """The balance, and every post's place and reason."""
    out = issued.command("editions", "show", "daily", "latest", "--reasons").out
    assert "2 posts = 2 in the mail + 0 on its page only" in out
    assert "https://news.example.com/editions/daily/2026-11-24/" in out
    (line,) = [line for line in out.splitlines() if line.endswith("半导体板块走强 (第一新闻)")]
    assert line.split()[1:3] == ["lead", "newest-day"]


def test_show_for_programs(issued: Site) -> None:
    shown = json.loads(issued.command("editions", "show", "daily", "latest", "--json").out)
    assert shown["balance"]["arrived"] == 2
    assert shown["page"] == "https://news.example.com/editions/daily/2026-11-24/"
    entries = [entry for section in shown["sections"] for entry in section["entries"]]
    assert {entry["title"] for entry in entries} == {"央行开展逆回购操作", "半导体板块走强"}
    assert all(entry["reason"].startswith("newest-day") for entry in entries)
    assert shown["text"] == issued.command("editions", "show", "daily", "latest").out


@pytest.mark.parametrize("command", [("show",), ("export", "--format", "txt")])
def test_an_edition_that_is_not_there(issued: Site, command: tuple[str, ...]) -> None:
    result = issued.command("editions", *command, "daily", "2020-01-01")
    said(result, 1, "daily 2020-01-01: there is no such edition; digest editions list names them")


# ------------------------------------------------------------------ export


def test_export_writes_the_message_and_its_parts(issued: Site, tmp_path: Path) -> None:
    """The message is the one that was mailed, byte for byte."""
    folder = tmp_path / "out" / "here"
    result = issued.command("editions", "export", "daily", "latest", "--to", str(folder))
    names = [f"daily-2026-11-24.{ending}" for ending in ("html", "txt", "eml", "json")]
    assert result.out.splitlines() == [str(folder / name) for name in names]
    [sent] = (issued.folder / "var" / "outbox").glob("*.eml")
    assert (folder / names[2]).read_bytes() == sent.read_bytes()
    mail = BytesParser(policy=policy.default).parsebytes(sent.read_bytes())
    html = body_of(mail, "html").replace("\r\n", "\n")
    assert (folder / names[0]).read_text(encoding="utf-8") == html
    assert "%%" not in html
    assert json.loads((folder / names[3]).read_text(encoding="utf-8"))["period"] == "2026-11-24"


def test_export_of_one_format_into_a_folder_that_cannot_be(issued: Site) -> None:
    """One clear line."""
    there = issued.folder / "config.yaml"
    result = issued.command("editions", "export", "daily", "latest", "--format", "txt", "--to", str(there))
    said(result, 1, f"{there / 'daily-2026-11-24.txt'}: cannot be written: file exists; name another folder with --to")
    result = issued.command("editions", "export", "daily", "latest", "--format", "txt", "--to", str(issued.folder))
    assert result.out.splitlines() == [str(issued.folder / "daily-2026-11-24.txt")]


# ---------------------------------------------------------------- backfill


def backfill(site: Site, *words: str, first: str = "2026-11-19", last: str = "2026-11-23") -> Result:
    return site.command("editions", "backfill", "--from", first, "--to", last, *EARLIER, *words)


def test_backfill_publishes_and_mails_nothing(issued: Site) -> None:
    """Pages with their neighbours, list and feed; a second time nothing happens."""
    assert backfill(issued).out.splitlines() == [
        "daily 2026-11-20: 1 post = 1 in the mail + 0 on its page only",
        "daily 2026-11-23: 1 post = 1 in the mail + 0 on its page only",
        "2 editions made, not mailed; 3 periods without posts",
    ]
    assert len(issued.mails()) == 1
    public = issued.folder / "public" / "editions"
    assert "上周要闻" in (public / "daily/2026-11-20/index.html").read_text(encoding="utf-8")
    feed = feedparser.parse((public / "daily.xml").read_bytes())
    assert [entry.link[-11:] for entry in feed.entries] == ["2026-11-24/", "2026-11-23/", "2026-11-20/"]
    before = issued.tree("public", "var/outbox")
    again = json.loads(backfill(issued, "--json").out)
    assert (again["ok"], again["made"], again["existing"]) == (True, [], ["2026-11-20", "2026-11-23"])
    assert issued.run_json().written == []
    assert issued.tree("public", "var/outbox") == before


def test_backfill_can_be_rehearsed(issued: Site) -> None:
    before = issued.tree("public", "var")
    out = backfill(issued, "--dry-run", "--digest", "daily").out
    assert out.splitlines()[-1] == "2 editions would be made, not mailed; 3 periods without posts"
    assert issued.bytes_of("public", "var") == {name: data for name, (data, _) in before.items()}


def test_backfill_asks_which_digest_if_there_are_several(site: Site) -> None:
    site.configure(CONFIG + "digests:\n  daily: {}\n  brief: {}\n")
    site.some_posts()
    site.run()
    said(backfill(site), 2, "--digest: there are several digests; name one of daily, brief")
    said(backfill(site, "--digest", "x"), 2, "--digest: there is no digest 'x'; name one of daily, brief")
    assert "brief 2026-11-23: 1 post" in backfill(site, "--digest", "brief").out


def test_backfill_of_days_that_are_not_over(issued: Site) -> None:
    said(backfill(issued, last="2026-11-24"), 2, "--to: 2026-11-24 is not over yet; name a day before it")
    result = backfill(issued, first="20th")
    assert result.code == 2
    assert "20th" in result.err


def test_a_page_that_cannot_be_written_fails_and_is_made_up_for(issued: Site) -> None:
    """Exit code 1; the next run publishes it."""
    page = issued.folder / "public/editions/daily/2026-11-20"
    page.write_text("in the way", encoding="utf-8")
    result = backfill(issued)
    assert result.code == 1
    assert "a file is in the way" in result.err
    page.unlink()
    assert "editions/daily/2026-11-20/index.html" in issued.run_json().written


# ------------------------------------------------------------------- as of


def live(site: Site) -> Site:
    """Three days of a site's life, each run at the time it stands for."""
    site.some_posts()
    site.run(as_of="2026-11-24 09:00")
    for day in (24, 25):
        for number in range(30):
            site.post(
                f"2026-11-{day}-{number:02}.md",
                title=f"第{number}条快讯：{'甲乙丙丁戊己庚辛壬癸'[number % 10]}公司公布{number}号项目",
                date=f"2026-11-{day} {12 + number % 10}:{number:02}:00 +0800",
                categories=("macro", "stocks", "energy")[number % 3],
                summary=f"项目{number}的投资额为{number}亿元。（第{number % 4}新闻）",
                link=f"http://x.example.com/{day}/{number}",
            )
        site.run(as_of=f"2026-11-{day} 23:00")
        site.run(as_of=f"2026-11-{day + 1} 08:00")
    return site


def test_as_of_rebuilds_every_edition_byte_for_byte(tmp_path: Path) -> None:
    """Another folder, another store, another moment of the real clock: equal mails, pages, feeds and documents."""
    first, second = live(Site(tmp_path / "first")), live(Site(tmp_path / "second"))
    assert first.bytes_of("public", "var/outbox") == second.bytes_of("public", "var/outbox")
    assert len(first.mails()) == 3
    for period in ("2026-11-24", "2026-11-25", "2026-11-26"):
        shown = [site.command("editions", "show", "daily", period, "--json").out for site in (first, second)]
        assert shown[0] == shown[1]


def test_lost_pages_come_back_byte_for_byte(issued: Site) -> None:
    """From what was frozen, whatever became of the posts since."""
    before = issued.bytes_of("public/editions")
    shutil.rmtree(issued.folder / "public")
    issued.post("2026-11-24-first.md", title="题目已改")
    issued.run(as_of="2026-11-24 21:00")
    assert issued.bytes_of("public/editions") == before


def test_backfill_rebuilds_byte_for_byte(tmp_path: Path) -> None:
    """The same editions, whether made up the day after or a month later."""
    trees = []
    for name, later in (("first", "2026-11-24 09:00"), ("second", "2026-12-30 21:00")):
        site = Site(tmp_path / name)
        site.some_posts()
        site.run()
        site.command("editions", "backfill", "--from", "2026-11-20", "--to", "2026-11-23", "--as-of", later)
        trees.append(site.bytes_of("public/editions"))
    assert trees[0] == trees[1]


# ------------------------------------------------------------------- lists


def test_the_feed_of_editions_is_listed_with_the_others(issued: Site) -> None:
    """From the first run on, on the page and in the OPML; no link leads nowhere."""
    public = issued.folder / "public"
    assert b"https://news.example.com/editions/daily.xml" in (public / "feeds.opml").read_bytes()
    page = lxml.html.document_fromstring((public / "feeds/index.html").read_text(encoding="utf-8"))
    assert page.xpath("//textarea[text()='https://news.example.com/editions/daily.xml']")
    (link,) = page.xpath("//h3/a[contains(@href, 'editions')]/@href")
    assert (public / "feeds" / str(link) / "index.html").is_file()


def test_a_digest_without_editions_is_not_listed(site: Site) -> None:
    site.run()
    assert b"editions" not in (site.folder / "public" / "feeds.opml").read_bytes()
    site.some_posts()
    site.run(as_of="2026-11-24 09:30")
    site.run(as_of="2026-11-25 08:00")
    assert b"editions" in (site.folder / "public" / "feeds.opml").read_bytes()


# ---------------------------------------------------------------- the look


def test_old_pages_follow_a_changed_look(issued: Site) -> None:
    """A template of one's own, or another name for the site: pages, list and feed of editions are made again."""
    page, index = (issued.folder / "public/editions/daily" / name for name in ("2026-11-24/index.html", "index.html"))
    (issued.folder / "own" / "editions").mkdir(parents=True)
    (issued.folder / "own" / "editions" / "style.css").write_text("h1 { color: teal; }", encoding="utf-8")
    issued.configure(CONFIG + "templates: own\n")
    issued.run()
    assert "teal" in page.read_text(encoding="utf-8")
    issued.configure(CONFIG.replace("title: 财经早报", "title: 新名字") + "templates: own\n")
    issued.run()
    for path in (page, index, issued.folder / "public/editions/daily.xml"):
        assert "新名字" in path.read_text(encoding="utf-8")


def test_pages_stay_untouched_as_long_as_the_look_does(issued: Site) -> None:
    issued.run()
    before = issued.tree("public")
    assert issued.run_json().report["editions"]["unchanged"] == 0
    assert issued.tree("public") == before
