"""``digest run`` end to end, as its users see it."""

from __future__ import annotations

import json
import subprocess
import sys
from email.utils import parsedate_to_datetime

import feedparser
import pytest

from tests.run.site_folder import AS_OF, CONFIG, Site, body_of


def entries(site: Site, path: str = "feed.xml") -> dict[str, feedparser.FeedParserDict]:
    parsed = feedparser.parse((site.folder / "public" / path).read_bytes())
    assert not parsed.bozo, parsed.get("bozo_exception")
    return {entry.title: entry for entry in parsed.entries}


# --------------------------------------------------------------- first run


def test_first_run_gives_feeds_pages_and_one_mail(site: Site) -> None:
    """All feeds of design.md's table, the edition of the newest day, its page, one mail per address."""
    site.some_posts()
    result = site.run_json()
    assert (result.code, result.err) == (0, "")
    public = site.folder / "public"
    for name in ("feed.xml", "rss.xml", "feed.json", "feeds.opml", "feeds/index.html"):
        assert (public / name).is_file(), name
    for category in ("macro", "stocks"):
        for name in (f"feed/{category}.xml", f"rss/{category}.xml", f"feed/{category}.json", f"feeds/{category}.html"):
            assert (public / name).is_file(), name
    assert (public / "editions/daily/2026-11-24/index.html").is_file()
    assert list(entries(site)) == ["半导体板块走强", "央行开展逆回购操作", "昨日要闻"]
    collected = result.report["collected"]
    assert (collected["found"], collected["taken"], collected["arrived"]) == (3, 3, 3)
    [mail] = site.mails()
    assert not mail.defects
    assert mail["To"] == "reader@example.com"
    html = body_of(mail, "html")
    text = body_of(mail)
    for title in ("半导体板块走强", "央行开展逆回购操作"):
        assert title in html
        assert title in text
    assert "昨日要闻" not in text, "the rest of the archive counts as seen"


@pytest.mark.parametrize("before", [(), ("--only", "digest"), ("--only", "feeds")])
def test_a_failed_or_partial_start_does_not_use_up_the_first_run(site: Site, before: tuple[str, ...]) -> None:
    """A wrong folder, put right; or one step before the posts were ever collected: the first edition still comes, of
    the newest day, and the rest of the archive is never mailed."""
    site.some_posts()
    site.configure(CONFIG.replace("folder: site", "folder: sight"))
    before_it = site.tree(".")
    early = site.run_json(*before)
    assert (early.code, early.out) == (2, "")
    assert site.tree(".") == before_it
    site.configure(CONFIG)
    first = site.run_json()
    assert [result["period"] for result in first.report["editions"]["results"]] == ["2026-11-24"]
    assert first.report["deliveries"]["sent"] == 1
    assert site.run_json(as_of="2026-11-25 08:00").report["deliveries"]["sent"] == 0


def test_first_edition_is_of_the_newest_day_not_of_today(site: Site) -> None:
    """An archive that ended years ago still gives a newcomer a real mail at once."""
    site.some_posts()
    site.run(as_of="2031-01-01 10:00")
    [mail] = site.mails()
    assert "11月24日" in mail["Subject"]
    assert parsedate_to_datetime(mail["Date"]).year == 2031


def test_second_run_writes_nothing_and_mails_nothing(site: Site) -> None:
    """Nothing new: no file is touched, no mail is made, at the same moment and later."""
    site.some_posts()
    site.run()
    before = site.tree("public", "var/outbox")
    for later in (AS_OF, "2026-11-24 09:05", "2026-11-25 07:00", "2026-11-25 08:30"):
        result = site.run_json(as_of=later)
        assert result.code == 0
        assert result.written == []
        assert result.report["collected"]["arrived"] == 0
    assert site.tree("public", "var/outbox") == before


def test_same_moment_on_an_empty_store_gives_the_same_bytes(tmp_path, site: Site) -> None:
    """Same input, same bytes: every page, feed and mail."""
    other = Site(tmp_path / "other")
    for each in (site, other):
        each.some_posts()
        each.run()
    assert site.bytes_of("public", "var/outbox") == other.bytes_of("public", "var/outbox")


def test_what_is_published_is_no_post(site: Site) -> None:
    """The output folder may lie among the posts."""
    site.configure(CONFIG + "output: site/_posts/out\n")
    site.some_posts()
    site.run()
    assert (site.posts / "out/feed.xml").is_file()
    collected = site.run_json().report["collected"]
    assert (collected["found"], collected["skipped"]) == (3, 0)


# ------------------------------------------------------------ what changes


def test_one_new_post_changes_only_its_feeds(site: Site) -> None:
    """The feeds of its category, the overall ones, their pages and lists; no other file."""
    site.some_posts()
    site.run()
    before = site.tree("public")
    site.post(
        "2026-11-24-third.md",
        title="第三条",
        categories="macro",
        date="2026-11-24 09:10:00 +0800",
        link="http://x.example.com/3",
    )
    result = site.run_json(as_of="2026-11-24 09:15")
    after = site.tree("public")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed
    assert {name.removeprefix("public/") for name in changed if not name.endswith((".gz", ".br"))} == set(
        result.written
    )
    assert not [name for name in changed if "stocks" in name]
    assert "第三条" in entries(site)
    assert "第三条" in entries(site, "feed/macro.xml")


def test_edit_keeps_the_id_and_moves_updated(site: Site) -> None:
    """A changed word moves updated once; published never moves; white space moves nothing."""
    site.some_posts()
    site.run()
    old = entries(site)["央行开展逆回购操作"]
    site.post(summary="今日开展两千亿元逆回购操作。（第一新闻）")
    result = site.run_json(as_of="2026-11-24 10:00")
    new = entries(site)["央行开展逆回购操作"]
    assert result.report["collected"]["edited"] == 1
    assert (new.id, new.published, new.link) == (old.id, old.published, old.link)
    assert new.updated == "2026-11-24T10:00:00+08:00"
    path = site.post(summary="今日开展两千亿元逆回购操作。（第一新闻）")
    path.write_text(path.read_text(encoding="utf-8").replace("</p>", "</p>  \n"), encoding="utf-8")
    result = site.run_json(as_of="2026-11-24 11:00")
    assert result.report["collected"]["edited"] == 0
    assert entries(site)["央行开展逆回购操作"].updated == new.updated


def test_rename_keeps_the_id(site: Site) -> None:
    """The same original article under another file name is the same entry at a new address."""
    site.some_posts()
    site.run()
    old = entries(site)["央行开展逆回购操作"]
    (site.posts / "2026-11-24-first.md").rename(site.posts / "2026-11-24-renamed.md")
    result = site.run_json(as_of="2026-11-24 10:00")
    new = entries(site)["央行开展逆回购操作"]
    assert (result.report["collected"]["renamed"], result.report["collected"]["gone"]) == (1, 0)
    assert new.id == old.id
    assert new.link != old.link
    assert len(entries(site)) == 3


def test_deleted_post_is_withdrawn_for_seven_days(site: Site) -> None:
    """Same id, a title that says so, a tombstone; dropped after a week."""
    site.some_posts()
    site.run()
    old = entries(site)["央行开展逆回购操作"]
    (site.posts / "2026-11-24-first.md").unlink()
    assert site.run_json(as_of="2026-11-24 10:00").report["collected"]["gone"] == 1
    withdrawn = next(entry for entry in entries(site).values() if entry.id == old.id)
    assert withdrawn.title == "「已撤回」央行开展逆回购操作"
    assert withdrawn.updated == "2026-11-24T10:00:00+08:00"
    assert "deleted-entry" in (site.folder / "public/feed.xml").read_text(encoding="utf-8")
    site.run(as_of="2026-12-02 10:00")
    assert old.id not in {entry.id for entry in entries(site).values()}


def test_new_address_of_the_site_keeps_ids(site: Site) -> None:
    """site.url changes links, never ids: those of posts, of later posts, of the feed itself."""
    site.some_posts()
    site.run()
    old = entries(site)
    site.configure(CONFIG.replace("https://news.example.com", "https://new.example.org"))
    site.run(as_of="2026-11-24 10:00")
    new = entries(site)
    site.post("2026-11-24-later.md", title="新站首条", link="http://x.example.com/12")
    site.run(as_of="2026-11-24 11:00")
    assert entries(site)["新站首条"].id.startswith("https://news.example.com/")
    parsed = feedparser.parse((site.folder / "public/feed.xml").read_bytes())
    assert (parsed.feed.id, parsed.feed.link) == ("https://news.example.com/feed.xml", "https://new.example.org")
    assert {title: entry.id for title, entry in new.items()} == {title: entry.id for title, entry in old.items()}
    assert all(entry.link.startswith("https://new.example.org/") for entry in new.values())
    assert {entry.updated for entry in new.values()} == {entry.updated for entry in old.values()}


def test_future_post_appears_when_its_time_comes(site: Site) -> None:
    """Reported as left out until then, although the file never changes."""
    site.some_posts()
    site.post("2026-11-24-later.md", title="晚间发布", date="2026-11-24 20:00:00 +0800", link="http://x.example.com/9")
    early = site.run_json()
    assert early.report["collected"]["skipped"] == 1
    assert "晚间发布" not in entries(site)
    late = site.run_json(as_of="2026-11-24 20:05")
    assert late.report["collected"]["skipped"] == 0
    assert "晚间发布" in entries(site)


# ----------------------------------------------------------------- digests


def test_next_day_mails_what_is_new_and_nothing_twice(site: Site) -> None:
    """Membership, not a time window: what came since, also back-dated, once."""
    site.some_posts()
    site.run()
    site.post("2026-11-24-late.md", title="迟到的消息", date="2026-11-23 18:00:00 +0800", link="http://x.example.com/5")
    site.run(as_of="2026-11-24 18:00")
    assert len(site.mails()) == 1, "not due yet"
    site.run(as_of="2026-11-25 08:00")
    subjects = {mail["Subject"]: body_of(mail) for mail in site.mails()}
    assert len(subjects) == 2
    [new] = [text for subject, text in subjects.items() if "25日" in subject]
    assert "迟到的消息" in new
    assert "央行开展逆回购操作" not in new
    site.run(as_of="2026-11-25 08:05")
    assert len(site.mails()) == 2


def test_import_of_old_posts_mails_nothing(site: Site) -> None:
    """Posts older than max_age enter the feeds and no mail."""
    site.some_posts()
    site.run()
    site.post("2026-01-01-ancient.md", title="旧闻", date="2026-01-01 08:00:00 +0800", link="http://x.example.com/6")
    site.run(as_of="2026-11-25 08:00")
    assert len(site.mails()) == 1
    assert "旧闻" in entries(site)


# -------------------------------------------------------------- --dry-run


def test_dry_run_touches_nothing_and_says_what_would_happen(site: Site) -> None:
    """Before the first run and after it: store, output and outbox stay as they are, byte for byte."""
    site.some_posts()
    before = site.tree(".")
    result = site.run_json("--dry-run")
    assert site.tree(".") == before
    assert result.report["collected"]["arrived"] == 3
    assert "feed.xml" in result.written
    assert result.report["editions"]["results"][0]["outcome"] == "made"
    site.run()
    site.post("2026-11-25-next.md", title="次日要闻", date="2026-11-25 07:00:00 +0800", link="http://x.example.com/7")
    before = site.tree(".")
    result = site.run_json("--dry-run", as_of="2026-11-25 08:00")
    assert site.tree(".") == before
    assert result.report["collected"]["arrived"] == 1
    assert "feed/macro.xml" in result.written
    assert "feed/stocks.xml" not in result.written
    text = site.run("--dry-run", as_of="2026-11-25 08:00").out
    assert "dry run" in text
    assert "would be written" in text
    assert "1 would be sent" in text


def test_only_does_one_step(site: Site) -> None:
    """collect fills the store, feeds publishes, digest mails; together they are a run."""
    site.some_posts()
    assert site.run_json("--only", "collect").report["feeds"] is None
    assert not (site.folder / "public").exists()
    assert site.run_json("--only", "feeds").report["collected"] is None
    assert (site.folder / "public/feed.xml").is_file()
    assert site.mails() == []
    site.run("--only", "digest")
    assert len(site.mails()) == 1


def test_only_may_name_several_steps(site: Site) -> None:
    site.some_posts()
    report = site.run_json("--only", "feeds", "--only", "collect").report
    assert report["collected"]["arrived"] > 0
    assert report["feeds"]["written"]
    assert report["editions"] is report["deliveries"] is None


# ------------------------------------------------------------------ report


def test_report_for_people(site: Site) -> None:
    """Counts that add up, each skipped file with line, reason and remedy, times in the site's zone."""
    site.some_posts()
    (site.posts / "2026-11-24-broken.md").write_text("---\ntitle: 甲: 乙\n---\n> x\n", encoding="utf-8")
    result = site.run()
    assert result.code == 0
    assert "2026-11-24 09:00 Asia/Shanghai" in result.out
    assert "3 arrived" in result.out
    assert "4 files = 3 posts + 1 left out" in result.out
    assert "_posts/2026-11-24-broken.md:2: " in result.out
    assert "\x1b[" not in result.out


def test_report_for_programs_is_json(site: Site) -> None:
    """``--json`` prints the report and nothing else."""
    site.some_posts()
    result = site.run("--json")
    report = json.loads(result.out)
    assert report["ok"] is True
    assert report["now"] == "2026-11-24T01:00:00+00:00"


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--as-of", "yesterday"], 2, "--as-of: 'yesterday' is not a time"),
        (["--only", "everything"], 2, "Invalid value for '--only'"),
        (["--no-such-option"], 2, "No such option"),
    ],
)
def test_misuse_is_one_clear_line(site: Site, words: list[str], code: int, line: str) -> None:
    """Exit code 2 and nothing touched."""
    before = site.tree(".")
    result = site.run(*words, as_of=None)
    assert result.code == code
    assert line in result.err
    assert site.tree(".") == before


def test_a_run_without_news_loads_nothing_heavy(site: Site) -> None:
    """Nor anything that renders: it costs more than the run."""
    site.post()
    assert site.run().code == 0
    heavy = "'psycopg', 'jinja2', 'lxml', 'feedgen', 'bs4', 'babel', 'markdown_it'"
    script = (
        "import sys\nfrom digest.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        f"print([name for name in ({heavy}) if name in sys.modules], file=sys.stderr)"
    )
    arguments = ["run", "--as-of", AS_OF]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=site.folder, check=True
    )
    assert "0 arrived" in done.stdout
    assert done.stderr.strip() == "[]"
