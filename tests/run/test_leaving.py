"""Posts whose files go: taken back, left with their age, moved, or an accident."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.run.moving_site import FALSE, ZONE, MovingSite
from tests.run.site_folder import CONFIG, Result, Site
from tests.scale import scaled

# ------------------------------------------------------------------- months


def assert_all_is_true(site: MovingSite) -> None:
    """No post was ever called withdrawn, all are in the feeds and their archives, each was mailed once."""
    assert [report.failures for report in site.reports if report.failures] == []
    assert site.false_statements() == []
    assert {path.name for path in site.away.glob("*.md")}, "nothing ever left"
    assert site.in_feeds() == set(site.written)
    last_edition = datetime.combine(site.start + timedelta(days=site.days - 1), datetime.min.time(), ZONE)
    due = {number for number, moment in site.written.items() if moment < last_edition + timedelta(hours=8)}
    seen = site.in_editions()
    first = {number for number, moment in site.written.items() if moment.date() < site.start}
    assert due - first <= set(seen)
    assert {number: count for number, count in seen.items() if count > 1} == {}


HOURS = tuple(f"{hour:02}:05" for hour in range(24))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "old"),
    [
        ("", "site/old_post"),
        ("  archived: [../elsewhere]\n", "elsewhere"),
        ("  retention: 3 days\n", "elsewhere"),
        ("", "elsewhere"),
    ],
    ids=["moved", "moved out", "deleted, told", "deleted, not told"],
)
def test_a_site_that_keeps_three_days(config: str, old: str, tmp_path: Path) -> None:
    """A week of it, with the posts of early mornings that go a day too soon and come back, for each way in which posts
    may leave. The reports count them once."""
    site = MovingSite(folder=tmp_path, days=7, posts_a_day=12, config=config, old=old)
    site.go()
    assert_all_is_true(site)
    left = sum(report.collected.retained for report in site.reports if report.collected is not None)
    waits = sum(report.collected.waiting > 0 for report in site.reports if report.collected is not None)
    assert left >= len(list(site.away.glob("*.md")))
    assert bool(waits) is (not config and old == "elsewhere")
    assert sum(report.collected.gone for report in site.reports if report.collected is not None) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "old"), [("", "site/old_post"), ("", "elsewhere")], ids=["moved", "deleted, not told"]
)
def test_days_of_the_model_site(config: str, old: str, tmp_path: Path) -> None:
    """Forty posts a day, a run every four hours and after each move."""
    site = MovingSite(
        folder=tmp_path,
        days=min(30, scaled(10)),
        posts_a_day=40,
        config=config,
        old=old,
        runs_at=(*HOURS[::4], "00:35", "09:35"),
    )
    site.go()
    assert_all_is_true(site)


# ----------------------------------------------------------------- accidents


def filled(site: Site, number: int = 40) -> list[Path]:
    """A site with posts of the last hours, collected; their files, the oldest first."""
    start = datetime(2026, 11, 24, 8, 50, tzinfo=ZONE)
    paths = [
        site.post(
            f"{moment:%Y-%m-%d}-{place:03}.md",
            title=f"第{place}条",
            date=f"{moment:%Y-%m-%d %H:%M:%S} +0800",
            link=f"http://x.example.com/{place}",
        )
        for place in range(number)
        for moment in [start - timedelta(minutes=10 * (number - place))]
    ]
    assert site.run().code == 0
    return paths


def published(site: Site) -> str:
    return (site.folder / "public" / "feed.xml").read_text(encoding="utf-8")


def told(site: Site) -> list[str]:
    """Names of the alarms that are open."""
    return [each["name"] for each in json.loads(site.command("status", "--json").out)["alarms"]]


def explained(site: Site, words: str) -> list[str]:
    return site.command("explain", words).out.splitlines()


def posts_command(site: Site, *words: str) -> Result:
    return site.command("posts", *words)


def test_half_a_mount_withdraws_nothing(site: Site) -> None:
    """The run goes on with what is new and says what is missing, so does an alarm; again in the next run, and until the
    files are back, however few are missing by then. Then nothing has happened."""
    paths = filled(site)
    away = site.folder / "away"
    away.mkdir()
    for path in paths[10:]:
        path.rename(away / path.name)
    site.post("2026-11-24-new.md", title="新的一条", link="http://x.example.com/new")
    for minute, present in ((0, 40), (5, 41)):
        result = site.run(as_of=f"2026-11-24 10:0{minute}")
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert (
            f"failed: posts.folder: 30 of {present} posts are missing or unusable (_posts/2026-11-24-010.md"
            in result.err
        )
        assert "nothing was withdrawn; put the files back; if they are meant to be gone: digest run --accept-gone" in (
            result.err
        )
        assert "gone" in told(site)
    assert "新的一条" in published(site)
    assert not any(word in published(site) for word in FALSE)
    assert any("2026-11-24 10:00: its file is missing" in line for line in explained(site, "010.md"))
    for path in paths[10:38]:
        (away / path.name).rename(path)
    assert site.run(as_of="2026-11-24 10:10").code == 1
    for path in paths[38:]:
        (away / path.name).rename(path)
    report = site.run_json(as_of="2026-11-24 10:15")
    assert report.code == 0
    assert {report.report["collected"][name] for name in ("arrived", "edited", "renamed", "gone", "retained")} == {0}
    assert "gone" not in told(site)
    assert not any(word in published(site) for word in FALSE)
    assert len(site.mails()) == 1


def test_accepted_they_are_withdrawn(site: Site) -> None:
    """Once; a dry run names them before, and changes nothing. The next accident is another matter."""
    paths = filled(site)
    for path in paths[10:]:
        path.unlink()
    assert site.run(as_of="2026-11-24 10:00").code == 1
    dry = site.run("--dry-run", as_of="2026-11-24 10:05")
    assert (dry.code, "30 posts, withdrawn if you say --accept-gone:" in dry.out) == (1, True)
    dry = site.run("--dry-run", "--accept-gone", "--verbose", as_of="2026-11-24 10:05")
    assert (dry.code, "30 posts, if this were no dry run:" in dry.out) == (0, True)
    assert all(path.name in dry.out for path in paths[10:])
    assert site.run(as_of="2026-11-24 10:10").code == 1
    result = site.run_json("--accept-gone", as_of="2026-11-24 10:15")
    assert (result.code, result.report["collected"]["gone"]) == (0, 30)
    assert published(site).count("<at:deleted-entry") == 30
    assert "gone" not in told(site)
    for path in paths[:8]:
        path.unlink()
    assert site.run_json(as_of="2026-11-24 10:20").report["collected"]["gone"] == 8
    for path in paths[8:10]:
        path.unlink()
    assert site.run_json(as_of="2026-11-24 10:25").report["collected"]["gone"] == 2


def test_broken_files_in_numbers_withdraw_nothing(site: Site) -> None:
    """A script that damages all front matter: everything stays, and is named; mended, nothing has happened."""
    paths = filled(site)
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    before = (site.folder / "public/feed.xml").read_bytes()
    for path, text in texts.items():
        path.write_text(text.replace("---\n", "---\ntitle: [\n", 1), encoding="utf-8")
    collected = site.run_json("--accept-gone", as_of="2026-11-24 10:00").report["collected"]
    assert (collected["gone"], collected["held"], collected["taken"]) == (0, [], 40)
    assert {problem["severity"] for problem in collected["problems"]} == {"stale"}
    assert any("what was read before stays published" in line for line in explained(site, "010.md"))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    assert site.run_json(as_of="2026-11-24 10:10").report["collected"]["problems"] == []
    assert (site.folder / "public/feed.xml").read_bytes() == before


def test_many_that_say_so_are_held(site: Site) -> None:
    """A script that marks them all: nothing is withdrawn before the operator agrees. Accepted, they are."""
    paths = filled(site)
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    for path, text in texts.items():
        path.write_text(text.replace("---\n", "---\npublished: false\n", 1), encoding="utf-8")
    for minute in (0, 5):
        result = site.run(as_of=f"2026-11-24 10:0{minute}")
        assert (result.code, "40 of 40 posts are missing or unusable" in result.err) == (1, True)
    assert any("2026-11-24 10:00: its file is missing or gives no post" in line for line in explained(site, "010.md"))
    for path in paths[:35]:
        path.write_text(texts[path], encoding="utf-8")
    assert site.run_json(as_of="2026-11-24 10:10").report["collected"]["held"] == [
        f"_posts/{path.name}" for path in paths[35:]
    ]
    assert site.run_json("--accept-gone", as_of="2026-11-24 10:15").report["collected"]["gone"] == 5
    later = site.run_json(as_of="2026-11-24 10:20").report["collected"]
    assert (later["gone"], later["held"]) == (0, [])


def test_what_cannot_be_read_now_is_still_held(site: Site) -> None:
    """Nothing is known of it, so neither is it back nor is anything else withdrawn."""
    paths = filled(site, 30)
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    for path in paths[:25]:
        path.write_text(texts[path].replace("---\n", "---\npublished: false\n", 1), encoding="utf-8")
    assert site.run(as_of="2026-11-24 10:00").code == 1
    for path in paths[:25]:
        path.write_bytes(b"x" * 2_100_000)
    paths[27].unlink()
    result = site.run(as_of="2026-11-24 10:05")
    assert (result.code, "nothing was withdrawn" in result.err) == (1, True)
    assert "gone" in told(site)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    assert site.run_json(as_of="2026-11-24 10:10").report["collected"]["gone"] == 0
    assert "gone" not in told(site)


def test_posts_that_expire_are_withdrawn_however_many(site: Site) -> None:
    """They said so before; nobody has to agree."""
    site.configure(CONFIG.replace("  folder: site\n", "  folder: site/_posts\n  kind: hugo\n"))
    for place in range(30):
        site.post(f"{place}.md", title=f"第{place}条", extra="expiryDate: 2026-11-24T12:00:00+08:00\n")
    assert site.run().code == 0
    result = site.run_json(as_of="2026-11-24 12:05")
    assert (result.code, result.report["collected"]["gone"]) == (0, 30)


def test_a_brake_of_ones_own(site: Site) -> None:
    """``posts.max_gone``."""
    site.configure(CONFIG.replace("  folder: site\n", "  folder: site\n  max_gone: 5\n"))
    paths = filled(site)
    for path in paths[-6:]:
        path.unlink()
    assert site.run(as_of="2026-11-24 10:00").code == 1
    site.configure(CONFIG.replace("  folder: site\n", "  folder: site\n  max_gone: 6\n"))
    assert site.run(as_of="2026-11-24 10:05").code == 1, "what is held waits for the operator"
    assert site.run_json("--accept-gone", as_of="2026-11-24 10:10").report["collected"]["gone"] == 6


def test_a_few_are_withdrawn_at_once(site: Site) -> None:
    """As ever, wherever they stand, beside a thousand others or not."""
    paths = filled(site)
    for place in (0, 20, 39):
        paths[place].unlink()
    result = site.run_json(as_of="2026-11-24 10:00")
    assert (result.code, result.report["collected"]["gone"]) == (0, 3)
    assert published(site).count("<at:deleted-entry") == 3


def test_a_draft_again_is_withdrawn(site: Site) -> None:
    """Moved to ``_drafts``, it is taken back."""
    paths = filled(site)
    drafts = site.posts.parent / "_drafts"
    drafts.mkdir()
    paths[20].rename(drafts / paths[20].name)
    assert site.run_json(as_of="2026-11-24 10:00").report["collected"]["gone"] == 1


# ----------------------------------------------------------------- retention


def test_a_post_that_moves_stays_published(site: Site) -> None:
    """Told once; full text is read where it is now. Back in its place, or elsewhere among the posts, it is the same
    post and no news; gone from the other folder too, it is still no withdrawal."""
    site.configure(CONFIG + "feeds: {full_text: true}\n")
    first = filled(site)[20]
    before = published(site)
    old = site.posts.parent / "old_post" / "2026"
    old.mkdir(parents=True)
    moved = old / first.name
    first.rename(moved)
    result = site.run("--json", as_of="2026-11-24 10:00")
    assert (result.code, result.report["collected"]["retained"], result.report["collected"]["gone"]) == (0, 1, 0)
    assert "retention" not in site.run(as_of="2026-11-24 10:05").out
    assert any("its file moved to old_post/2026/2026-11-24-020.md" in line for line in explained(site, first.name))
    shutil.rmtree(site.folder / "public")
    assert site.run(as_of="2026-11-24 10:06").code == 0
    assert published(site) == before
    for target in (first, site.posts / "deep" / first.name):
        target.parent.mkdir(exist_ok=True)
        moved.rename(target)
        report = site.run_json(as_of="2026-11-24 10:10").report["collected"]
        assert {report[name] for name in ("arrived", "edited", "gone", "retained")} == {0}
        assert not any("moved" in line for line in explained(site, first.name))
        moved = old / first.name
        target.rename(moved)
        report = site.run("--json", as_of="2026-11-24 10:15").report["collected"]
        assert (report["retained"], report["gone"]) == (1, 0)
    moved.unlink()
    assert site.run_json(as_of="2026-11-24 10:20").report["collected"]["gone"] == 0
    assert len(site.mails()) == 1


def test_the_report_says_retention_once(site: Site) -> None:
    paths = filled(site)
    old = site.posts.parent / "old_post"
    old.mkdir()
    for path in paths[:30]:
        path.rename(old / path.name)
    result = site.run(as_of="2026-11-24 10:00")
    assert (result.code, result.err) == (0, "")
    assert "  retention 30 posts left the folder, by age or to another one; still published\n" in result.out
    assert "retention" not in site.run(as_of="2026-11-24 10:05").out


def test_what_has_left_can_be_withdrawn(site: Site) -> None:
    """By its address, also as people read it; not while its file is there, and once."""
    paths = filled(site)
    old = site.posts.parent / "old_post"
    old.mkdir()
    renamed = site.post("2026-11-24-标题.md", title="中文地址", link="http://x.example.com/zh")
    site.run(as_of="2026-11-24 10:00")
    there = posts_command(site, "withdraw", "https://news.example.com/macro/2026/11/24/005.html")
    assert (there.code, there.out) == (2, "")
    assert "_posts/2026-11-24-005.md: its file is in the posts folder, and gives a post; delete it" in there.err
    for path in (paths[5], renamed):
        path.rename(old / path.name)
    site.run(as_of="2026-11-24 10:05")
    for url in (
        "https://news.example.com/macro/2026/11/24/005.html",
        "https://news.example.com/macro/2026/11/24/标题.html",
    ):
        assert posts_command(site, "withdraw", url).out.startswith("withdrawn: ")
        assert "before" in posts_command(site, "withdraw", url).out
    assert posts_command(site, "withdraw", "https://news.example.com/other.html").code == 1
    assert posts_command(site, "withdraw", "第6条").code == 1, "a part of a title names no post"
    site.run(as_of="2026-11-24 10:10")
    assert published(site).count("<at:deleted-entry") == 2
    assert any("its file is gone" in line for line in explained(site, paths[5].name))


def test_names_without_a_date_need_the_same_words(site: Site) -> None:
    """Another folder's ``about.md`` is another file."""
    site.configure(CONFIG.replace("  folder: site\n", "  folder: site/content\n  kind: hugo\n"))
    content = site.folder / "site" / "content"
    text = site.post(title="关于").read_text(encoding="utf-8")
    for name in ("about", "other", "third"):
        content.mkdir(exist_ok=True)
        (content / f"{name}.md").write_text(text.replace("关于", name), encoding="utf-8")
    (content / "bundle").mkdir()
    (content / "bundle" / "index.md").write_text(text.replace("关于", "bundle"), encoding="utf-8")
    site.run()
    old = site.folder / "site" / "old"
    (old / "bundle").mkdir(parents=True)
    (content / "about.md").unlink()
    (old / "about.md").write_text("# Something else\n", encoding="utf-8")
    (content / "other.md").rename(old / "other.md")
    (content / "bundle" / "index.md").rename(old / "bundle" / "index.md")
    report = site.run_json(as_of="2026-11-24 10:00").report["collected"]
    assert (report["withdrawn"], report["retained"]) == (["about.md"], 2)


def test_the_oldest_wait_for_another_day(site: Site) -> None:
    """A few posts of long ago are deleted: nobody is told that day, and everybody on the next, when none followed."""
    start = datetime(2026, 11, 18, 8, tzinfo=ZONE)
    paths = [
        site.post(f"{moment:%Y-%m-%d}-{place:03}.md", title=f"第{place}条", date=f"{moment:%Y-%m-%d %H:%M:%S} +0800")
        for place in range(48)
        for moment in [start + timedelta(hours=3 * place)]
    ]
    site.run()
    for path in paths[:4]:
        path.unlink()
    result = site.run("--verbose", as_of="2026-11-24 10:00")
    assert (result.code, result.err) == (0, "")
    assert "4 of the oldest posts are missing" in result.out
    assert " 0 gone" in site.run(as_of="2026-11-25 09:00").out
    assert any("like others of the oldest; a later day shows" in line for line in explained(site, "000.md"))
    assert site.run_json(as_of="2026-11-25 10:00").report["collected"]["gone"] == 4
