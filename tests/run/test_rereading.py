"""Files that are there: broken, renamed, or read better than before. None of it is news to readers, or a withdrawal."""

from __future__ import annotations

import sqlite3
from xml.etree import ElementTree

import pytest

from digest.models import KnownPost
from digest.store import open_store
from tests.run.site_folder import Site, body_of

ATOM = "{http://www.w3.org/2005/Atom}"
LATER = "2026-11-24 10:00"


def known(site: Site) -> dict[str, KnownPost]:
    with open_store(f"sqlite:///{site.folder / 'var/digest.db'}") as store:
        return {post.path.rpartition("/")[2]: post for post in store.latest_posts("posts", 1000)}


def entry_ids(site: Site) -> list[str]:
    feed = ElementTree.fromstring((site.folder / "public/feed.xml").read_text(encoding="utf-8"))
    return [entry.findtext(f"{ATOM}id") or "" for entry in feed.iter(f"{ATOM}entry")]


# ------------------------------------------------------------------- broken

CONFLICT = (
    "---\n<<<<<<< ours\ntitle: 甲\n=======\ntitle: 乙\n>>>>>>> theirs\ndate: 2026-11-24 08:00:00 +0800\n---\n> s\n"
)


@pytest.mark.parametrize(
    "text",
    [CONFLICT, "", "---\ntitle: [a\n---\n> s\n", "\ufeff", "\x00\x01\x02" * 100, "---\ntitle: 甲\n"],
    ids=["merge conflict", "empty", "yaml", "mark alone", "binary", "not closed"],
)
def test_a_broken_file_leaves_its_post_as_it_was(site: Site, text: str) -> None:
    """The last good version stays in feeds and mail; the problem is told until it is mended."""
    site.some_posts()
    assert site.run().code == 0
    before = (site.folder / "public/feed.xml").read_bytes()
    path = site.posts / "2026-11-24-first.md"
    good = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    for _ in range(2):
        result = site.run_json(as_of=LATER)
        collected = result.report["collected"]
        assert (collected["gone"], collected["edited"], collected["skipped"]) == (0, 0, 0)
        [problem] = [each for each in collected["problems"] if each["severity"] == "stale"]
        assert problem["path"] == "_posts/2026-11-24-first.md"
    assert (site.folder / "public/feed.xml").read_bytes() == before
    assert "broken" in site.run(as_of=LATER).out
    assert "stays published" in site.command("explain", "2026-11-24-first.md").out
    path.write_text(good, encoding="utf-8")
    collected = site.run_json(as_of=LATER).report["collected"]
    assert (collected["problems"], collected["edited"]) == ([], 0)


@pytest.mark.parametrize("line", ["published: false", "draft: true"])
def test_what_says_so_is_withdrawn(site: Site, line: str) -> None:
    site.some_posts()
    site.run()
    site.post("2026-11-24-first.md", extra=f"{line}\n")
    assert site.run_json(as_of=LATER).report["collected"]["gone"] == 1


# ------------------------------------------------------------------ renamed


def test_a_rename_with_an_edit_keeps_the_id(site: Site) -> None:
    site.some_posts()
    site.post("2026-11-24-third.md", title="央行下调存款准备金率零点五个百分点", link="http://x.example.com/3")
    site.run()
    ids = entry_ids(site)
    (site.posts / "2026-11-24-third.md").unlink()
    site.post(
        "2026-11-24-reserve-ratio.md",
        title="央行宣布下调存款准备金率零点五个百分点",
        summary="今日开展一千亿元逆回购操作，利率不变。（第一新闻）",
        link="http://x.example.com/3-new",
    )
    collected = site.run_json(as_of=LATER).report["collected"]
    assert (collected["arrived"], collected["renamed"], collected["gone"]) == (0, 1, 0)
    assert sorted(entry_ids(site)) == sorted(ids)


def test_a_rename_with_another_title_keeps_the_id(site: Site) -> None:
    """The text is the same, and it is long enough to be no coincidence."""
    text = "".join(f"第{number}段：央行今日开展逆回购操作，市场反应平稳。\n\n" for number in range(9))
    site.some_posts()
    for name, title in (("old", "你不知道的公开市场"), ("new", "逆回购系列之一")):
        site.post(f"2026-11-24-{name}.md", title=title, link="-", body=text)
        report = site.run_json(as_of=LATER).report
        (site.posts / f"2026-11-24-{name}.md").unlink()
    assert [report["collected"][each] for each in ("arrived", "renamed", "gone")] == [0, 1, 0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("第12期周报：市场回顾", "第13期周报：市场回顾"),
        ("甲公司发布三季度业绩预告", "乙银行调整存款利率定价"),
        ("Ruby 3.4.1 released", "Ruby 3.3.7 released"),
    ],
    ids=["number", "other words", "release"],
)
def test_another_post_of_the_same_moment_is_no_rename(site: Site, old: str, new: str) -> None:
    site.some_posts()
    site.post("2026-11-24-old.md", title=old, link="http://x.example.com/old")
    site.run()
    (site.posts / "2026-11-24-old.md").unlink()
    site.post("2026-11-24-new.md", title=new, link="http://x.example.com/new")
    collected = site.run_json(as_of=LATER).report["collected"]
    assert (collected["arrived"], collected["renamed"], collected["gone"]) == (1, 0, 1)


def test_two_that_could_be_it_are_none(site: Site) -> None:
    site.some_posts()
    site.post("2026-11-24-old.md", title="市场回顾：股指小幅上涨", link="http://x.example.com/old")
    site.run()
    (site.posts / "2026-11-24-old.md").unlink()
    for letter, title in (("a", "市场回顾：股指小幅上扬"), ("b", "市场回顾：股指小幅上行")):
        site.post(f"2026-11-24-new-{letter}.md", title=title, link=f"http://x.example.com/{letter}")
    collected = site.run_json(as_of=LATER).report["collected"]
    assert (collected["arrived"], collected["renamed"], collected["gone"]) == (2, 0, 1)


# ------------------------------------------------------------- read anew


def read_as_an_older_program_did(site: Site) -> None:
    """One post with another summary and address; one that it could not read."""
    with sqlite3.connect(site.folder / "var/digest.db") as database:
        database.execute("UPDATE meta SET value = 'older' WHERE name = 'rules'")
        database.execute(
            "UPDATE post SET summary = '旧的摘要', text_hash = 'x1', url = 'https://news.example.com/old.html' "
            "WHERE path LIKE '%first%'"
        )
        [key] = database.execute("SELECT key FROM post WHERE path LIKE '%old.md'").fetchone()
        for table in ("post_category", "post_tag"):
            database.execute(f"DELETE FROM {table} WHERE post_key = ?", (key,))
        database.execute("DELETE FROM edition_member WHERE post_key = ?", (key,))
        database.execute("DELETE FROM post WHERE key = ?", (key,))
        database.execute("UPDATE file SET taken = 0 WHERE path LIKE '%old.md'")
    database.close()


def test_new_rules_make_no_news(site: Site) -> None:
    """Words and addresses are better from that run on; no date of change, no correction, no arrival of today."""
    site.some_posts()
    site.run()
    read_as_an_older_program_did(site)
    before = known(site)
    collected = site.run_json(as_of=LATER).report["collected"]
    assert (collected["edited"], collected["renamed"], collected["arrived"]) == (0, 0, 1)
    after = known(site)
    assert after["2026-11-24-first.md"].summary.startswith("今日开展")
    assert after["2026-11-24-first.md"].url != before["2026-11-24-first.md"].url
    assert after["2026-11-24-first.md"].updated == before["2026-11-24-first.md"].updated
    assert after["2026-11-23-old.md"].first_seen == after["2026-11-23-old.md"].published
    site.post("2026-11-25-new.md", title="新的一天", date="2026-11-25 07:00:00 +0800", link="http://x.example.com/9")
    assert site.run(as_of="2026-11-25 09:00").code == 0
    [_, second] = sorted(site.mails(), key=lambda mail: str(mail["Subject"]))
    assert "新的一天" in body_of(second)
    assert "昨日要闻" not in body_of(second)
    assert "旧的摘要" not in body_of(second)
    assert "更正" not in body_of(second)


def test_an_edit_after_that_is_told(site: Site) -> None:
    site.some_posts()
    site.run()
    read_as_an_older_program_did(site)
    site.run(as_of=LATER)
    site.post("2026-11-24-first.md", title="央行暂停逆回购操作")
    assert site.run_json(as_of="2026-11-24 11:00").report["collected"]["edited"] == 1
    site.post("2026-11-25-new.md", title="新的一天", date="2026-11-25 07:00:00 +0800", link="http://x.example.com/9")
    site.run(as_of="2026-11-25 09:00")
    [_, second] = sorted(site.mails(), key=lambda mail: str(mail["Subject"]))
    assert "央行暂停逆回购操作" in body_of(second)
