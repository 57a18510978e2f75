"""Store, site, posts and output belong together, or nothing is done."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from digest.jobs.belonging import MARK, place_of
from digest.store import open_store
from tests.run.site_folder import AS_OF, CONFIG, Site

LATER = "2026-11-24 10:00"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that has run once, and what its folder was then in a folder beside it."""
    made = Site(tmp_path_factory.mktemp("ran") / "first")
    made.some_posts()
    assert made.run().code == 0
    shutil.copytree(made.folder, made.folder.with_name("then"))
    return made


@pytest.fixture
def site(ran: Site) -> Site:
    """A site that has run once, in the folder that its store knows."""
    shutil.rmtree(ran.folder)
    shutil.copytree(ran.folder.with_name("then"), ran.folder)
    return ran


def moved(url: str) -> str:
    """The configuration with another address."""
    return CONFIG.replace("https://news.example.com", url)


def stranger(site: Site, folder: Path) -> Site:
    """Another site that was pointed at the store of the first."""
    store = f"store: sqlite:///{site.folder / 'var/digest.db'}\n"
    other = Site(folder, moved("https://other.example.org") + store)
    other.post("2026-11-20-theirs.md", title="别家", link="http://x.example.com/9")
    return other


def facts(site: Site) -> dict[str, str]:
    """What the store keeps of its site."""
    with open_store(f"sqlite:///{site.folder}/var/digest.db") as store:
        return {name: store.recall(name) or "" for name in ("site", "posts folder")}


def forget(site: Site, *names: str) -> None:
    """As if an earlier version had made the store."""
    with closing(sqlite3.connect(site.folder / "var/digest.db", isolation_level=None)) as database:
        for name in names:
            database.execute("DELETE FROM meta WHERE name = ?", (f"kept {name}",))


# ------------------------------------------------------------- another site


def test_a_store_knows_its_site(site: Site) -> None:
    assert facts(site) == {"site": "https://news.example.com", "posts folder": str(site.folder / "site")}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--as-of", LATER),
        ("run", "--as-of", LATER, "--dry-run"),
        ("run", "--as-of", LATER, "--only", "feeds", "--start-afresh"),
        ("serve", "--port", "0"),
        ("serve", "--port", "0", "--no-schedule"),
        ("deliver", "--once"),
        ("preview", "--to", "me@example.com"),
        ("editions", "backfill", "--from", "2026-11-20", "--to", "2026-11-21"),
        ("editions", "cancel", "daily", "2026-11-24"),
        ("adopt-ids", "{first}/public/feed.xml"),
        ("doubts", "list"),
        ("explain", "别家"),
        ("subscribers", "add", "me@example.com"),
        ("bounces", "ingest", "{first}/var/outbox"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_another_site_on_the_store_is_refused(site: Site, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Both are named; no row is written, no file made, no lock taken, no port bound."""
    other = stranger(site, tmp_path / "second")
    (site.folder / "var/digest.db.lock").unlink()
    before = site.tree("."), other.tree(".")
    result = other.command(*(word.format(first=site.folder) for word in words))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
    for part in (
        f"{site.folder}/var/digest.db: belongs to https://news.example.com (posts in {site.folder / 'site'})",
        f"this configuration is for https://other.example.org (posts in {other.folder / 'site'})",
        "digest run --site-moved",
        "DIGEST_STORE",
    ):
        assert part in result.err
    assert (site.tree("."), other.tree(".")) == before


def test_looking_tells_of_another_site(site: Site, tmp_path: Path) -> None:
    """``check`` and ``status`` say it among everything else that they say."""
    other = stranger(site, tmp_path / "second")
    checked = other.command("check", "--offline")
    assert checked.code == 1
    assert "problem  site: " in checked.out
    status = other.command("status")
    assert status.code == 1
    for result in (checked, status):
        assert "belongs to https://news.example.com (posts in " in result.out


def test_with_consent_the_store_is_the_other_sites(site: Site, tmp_path: Path) -> None:
    """Once: from then on it is the first one that is refused."""
    other = stranger(site, tmp_path / "second")
    result = other.run("--site-moved", as_of=LATER)
    assert "warning: site.url: was https://news.example.com, is https://other.example.org now" in result.err
    assert other.run(as_of=LATER).err.count("site.url") == 0
    back = site.run(as_of=LATER)
    assert back.code == 2
    assert "belongs to https://other.example.org" in back.err


@pytest.mark.parametrize("emptied", ["missing", "empty"])
def test_without_its_folder_another_address_is_another_site(site: Site, emptied: str) -> None:
    """What cannot be looked at is known to nobody."""
    site.configure(moved("https://other.example.org"))
    shutil.rmtree(site.posts.parent)
    if emptied == "empty":
        site.posts.mkdir(parents=True)
    assert site.run(as_of=LATER).code == 2


def test_the_same_posts_under_a_new_address_are_the_same_site(site: Site) -> None:
    """Ids stay (test_run); one warning names both, once."""
    site.configure(moved("https://new.example.org/blog"))
    for words in (["--dry-run"], []):
        result = site.run(*words, as_of=LATER)
        assert result.code == 0
        warning = "site.url: was https://news.example.com, is https://new.example.org/blog now"
        assert result.err.count(warning) == 1
    assert site.run(as_of=LATER).err == ""
    assert facts(site)["site"] == "https://new.example.org/blog"


@pytest.mark.parametrize(
    "url",
    [
        "http://news.example.com",
        "https://www.news.example.com/",
        "https://NEWS.example.com",
        "http://news.example.com:80",
    ],
)
def test_another_spelling_of_the_address_is_none(site: Site, url: str) -> None:
    """Nothing is said, and other posts do not matter."""
    site.configure(moved(url))
    result = site.run(as_of=LATER)
    assert (result.code, result.err) == (0, "")
    assert facts(site)["site"] == "https://news.example.com"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "http://www.A.example/", True),
        ("https://a.example/Blog", "https://a.example/blog/", True),
        ("https://a.example:443", "http://a.example:80", True),
        ("https://a.example/blog", "https://a.example", False),
        ("https://a.example", "https://b.example", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001", False),
        ("https://www.example", "https://example", True),
    ],
)
def test_what_makes_an_address(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


def test_a_store_from_before_takes_on_its_site_without_a_word(site: Site) -> None:
    forget(site, "site", "posts folder")
    result = site.run(as_of=LATER)
    assert (result.code, result.err) == (0, "")
    assert facts(site)["site"] == "https://news.example.com"


def test_a_site_without_posts_may_correct_its_address(tmp_path: Path) -> None:
    """In the same folder; another one would get the readers of the first."""
    site = Site(tmp_path / "first")
    assert site.run().code == 0
    site.configure(moved("https://new.example.org"))
    assert site.run(as_of=LATER).code == 0
    assert stranger(site, tmp_path / "second").run(as_of=LATER).code == 2


# ------------------------------------------------------------- a lost store


def lose(site: Site, how: str) -> None:
    store = site.folder / "var/digest.db"
    if how == "everything":
        shutil.rmtree(site.folder / "var")
        return
    store.unlink()
    if how == "file without a byte":
        store.touch()
    if how == "tables without a row":
        open_store(f"sqlite:///{store}").close()


HOW = ["everything", "only the file", "file without a byte", "tables without a row"]
MARKED = [
    ("run", "--as-of", LATER),
    ("run", "--as-of", LATER, "--dry-run"),
    ("run", "--as-of", LATER, "--site-moved"),
    ("serve", "--port", "0"),
    ("serve", "--port", "0", "--no-schedule"),
    ("deliver", "--once"),
    ("preview", "--to", "me@example.com"),
    ("editions", "list"),
    ("doubts", "list"),
]


@pytest.mark.parametrize(
    ("how", "words"), [*((how, MARKED[0]) for how in HOW[1:]), *(("everything", words) for words in MARKED)]
)
def test_a_lost_store_is_refused(site: Site, how: str, words: tuple[str, ...]) -> None:
    """Nobody is mailed again, no reader forgotten: the way back is named, and no empty database left behind."""
    lose(site, how)
    before = site.tree(".") if how == "everything" else {}
    result = site.command(*words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
    for part in (str(site.folder / "public"), "digest.db", "digest restore BACKUP", "digest run --start-afresh"):
        assert part in result.err
    if how == "everything":
        assert site.tree(".") == before
        assert not (site.folder / "var").exists()


def test_a_fresh_start_is_taken_once(site: Site) -> None:
    lose(site, "everything")
    tried = site.run("--start-afresh", "--dry-run")
    assert tried.code == 0
    assert not (site.folder / "var").exists()
    assert site.run("--start-afresh").code == 0
    assert len(site.mails()) == 1
    assert site.run(as_of=LATER).code == 0


def test_what_is_done_before_a_first_run_hides_no_loss(site: Site) -> None:
    """Readers may be imported and ids adopted before the first run; into a store that was lost, too."""
    lose(site, "everything")
    assert site.command("subscribers", "add", "me@example.com").code == 0
    assert site.command("adopt-ids", str(site.folder / "public/feed.xml")).code == 0
    assert site.run(as_of=LATER).code == 2
    assert site.run("--start-afresh", as_of=LATER).code == 0


def test_looking_tells_of_a_lost_store(site: Site) -> None:
    lose(site, "everything")
    before = site.tree(".")
    checked, status = site.command("check", "--offline"), site.command("status")
    assert (checked.code, status.code) == (1, 1)
    for result in (checked, status):
        assert "digest run --start-afresh" in result.out
    assert site.tree(".") == before


def test_a_restored_store_goes_on(site: Site) -> None:
    backup = site.folder / "backup.tar.gz"
    assert site.command("backup", str(backup)).code == 0
    lose(site, "everything")
    assert site.run(as_of=LATER).code == 2
    assert site.command("restore", str(backup)).code == 0
    assert site.run(as_of=LATER).code == 0


def test_what_others_left_is_no_sign(tmp_path: Path) -> None:
    """A generator's feed, a secret, readers who were imported, a configuration by ``init``: a first run is one."""
    site = Site(tmp_path)
    site.some_posts()
    (tmp_path / "public").mkdir()
    (tmp_path / "public/feed.xml").write_text("<feed/>", encoding="utf-8")
    (tmp_path / "readers.csv").write_text("address\nme@example.com\n", encoding="utf-8")
    words = ("import", str(tmp_path / "readers.csv"), "--confirm", "--apply")
    assert site.command("subscribers", *words).code == 0
    first = site.run(prefix=("env", "DIGEST_SECRET=0123456789abcdef0123456789abcdef0123456789a"))
    assert first.code == 0, first.err
    assert "edition" in first.out


def test_an_archive_without_posts_is_not_lost(tmp_path: Path) -> None:
    """Its output has the mark, and its store no post."""
    site = Site(tmp_path)
    for _ in range(2):
        assert site.run().code == 0
        assert (tmp_path / "public" / MARK).is_file()


def test_the_mark_is_nobodys_news(site: Site) -> None:
    """It is no published file: not counted, not compressed, not removed, written once; a dry run leaves none. An
    output from before takes it on at the next run."""
    public = site.folder / "public"
    mark = public / MARK
    assert "https://news.example.com" in mark.read_text(encoding="utf-8")
    assert not list(public.glob(f"{MARK}.*"))
    kept = mark.stat()
    assert site.run_json(as_of=LATER).written == []
    assert mark.stat() == kept
    mark.unlink()
    assert site.run_json("--dry-run", as_of=LATER).written == []
    assert not mark.exists()
    assert site.run_json("--only", "digest", as_of=LATER).report["editions"]["written"] == []
    assert mark.exists()


def test_two_configurations_may_share_an_output_by_consent(site: Site, tmp_path: Path) -> None:
    """The second one cannot be told from a loss; asked once, it is not asked again, nor is the first."""
    other = Site(tmp_path / "second", moved("https://other.example.org") + f"output: {site.folder / 'public'}\n")
    other.some_posts()
    assert other.run().code == 2
    assert other.run("--start-afresh").code == 0
    assert other.run(as_of=LATER).code == 0
    assert site.run(as_of=LATER).code == 0


# ------------------------------------------------------------- first steps


@pytest.fixture
def bound() -> tuple[str, ...]:
    """Words in front of a command that make it subject to permissions, which root is not."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv cannot be told that a file is not readable")
    return ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--")


@pytest.mark.parametrize("words", [("run", "--as-of", AS_OF), ("serve", "--port", "0"), ("preview",)])
@pytest.mark.parametrize("fault", ["missing", "file", "unreadable", "unreadable below"])
def test_a_first_run_without_its_folder_touches_nothing(
    tmp_path: Path, bound: tuple[str, ...], fault: str, words: tuple[str, ...]
) -> None:
    """It is a mistake in the configuration as long as no post is known."""
    site = Site(tmp_path)
    site.some_posts()
    folder = site.posts if fault == "unreadable below" else site.posts.parent
    if fault.startswith("unreadable"):
        folder.chmod(0)
    else:
        shutil.rmtree(folder)
    if fault == "file":
        folder.write_text("posts", encoding="utf-8")
    try:
        result = site.command(*words, prefix=bound)
    finally:
        folder.chmod(0o755) if folder.exists() else None
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
    assert "posts.folder: " in result.err
    assert {path.name for path in tmp_path.iterdir()} - {"site"} == {"config.yaml"}


def test_without_posts_the_first_run_is_still_to_come(tmp_path: Path) -> None:
    """It says so each time; with the first posts comes the first edition, of their newest day, and no earlier one."""
    site = Site(tmp_path)
    (site.posts / "2026-11-24-draft.md").write_text("---\npublished: false\n---\n", encoding="utf-8")
    for words in (["--dry-run"], [], []):
        early = site.run(*words)
        assert early.code == 0
        line = f"posts.folder: there is no post in {site.folder / 'site'} yet: none of its files (1) gives one"
        assert f"warning: {line}" in early.err
    assert (tmp_path / "public/feed.xml").is_file()
    site.some_posts()
    first = site.run_json(as_of=LATER)
    assert [result["period"] for result in first.report["editions"]["results"]] == ["2026-11-24"]
    assert first.report["warnings"] == []
    assert len(site.mails()) == 1
