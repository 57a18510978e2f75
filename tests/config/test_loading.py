"""A sound configuration: defaults, the several ways to write a thing, paths, environment, secrets."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.config import AuthorSettings, CategorySettings, MailSettings, S3Url, Settings, load, password
from digest.errors import ConfigError

SITE = """\
site:
  title: News
  url: https://news.example.com/
  language: en
  timezone: UTC
  author: Ann
"""


def loaded(folder: Path, text: str = "", env: dict[str, str] | None = None) -> Settings:
    path = folder / "config.yaml"
    path.write_text(SITE + text, encoding="utf-8")
    return load(path, env or {})


def test_defaults(tmp_path: Path) -> None:
    """Five keys are enough."""
    settings = loaded(tmp_path)
    assert settings.site.url == "https://news.example.com"
    assert settings.site.timezone == ZoneInfo("UTC")
    assert settings.site.author == AuthorSettings(name="Ann")
    assert settings.posts.folder == tmp_path
    assert settings.posts.permalink == "date"
    assert settings.posts.max_bytes == 2 * 1024**2
    assert settings.categories == ()
    assert (settings.feeds.window_hours, settings.feeds.min_items, settings.feeds.max_items) == (48, 50, 500)
    assert settings.feeds.max_bytes == 768 * 1024
    assert settings.feeds.max_bytes == 768 * 1024
    assert settings.feeds.formats == ("atom", "rss", "json")
    assert settings.feeds_url == "https://news.example.com"
    assert list(settings.digests) == ["daily"]
    assert settings.mail.transport == "folder"
    assert settings.mail.to == ()
    assert settings.sender == "News <digest@news.example.com>"
    assert settings.store.path == tmp_path / "var/digest.db"
    assert settings.output == tmp_path / "public"
    assert settings.templates is None


def test_default_digest(tmp_path: Path) -> None:
    """One digest a day, of everything, named as the site."""
    daily = loaded(tmp_path).digests["daily"]
    assert daily.title == "News"
    assert daily.categories is None
    assert daily.schedule == "daily 08:00"
    assert daily.max_age == timedelta(days=3)
    assert daily.max_lateness == timedelta(hours=6)
    assert daily.expires_after == timedelta(hours=18)
    assert daily.max_bytes == 74_000
    assert daily.max_items is None
    assert daily.send_empty is False


def test_lateness_depends_on_what_becomes_of_late_editions(tmp_path: Path) -> None:
    text = "digests:\n  a: {late: merge, title: A}\n  b: {late: skip, max_lateness: 1 h, title: B}\n"
    digests = loaded(tmp_path, text).digests
    assert digests["a"].max_lateness == timedelta(minutes=30)
    assert digests["b"].max_lateness == timedelta(hours=1)


def test_holidays_come_from_the_file_and_beside_it(tmp_path: Path) -> None:
    """The file's path is counted from the configuration; remarks and empty lines are nothing."""
    (tmp_path / "free.txt").write_text(
        "# golden week\n\n2026-10-01..2026-10-03 # three\n2026-12-25\n", encoding="utf-8"
    )
    digest = loaded(tmp_path, "digests:\n  daily: {holidays: [2027-01-01], holidays_file: free.txt}\n").digests["daily"]
    assert digest.days_off == {
        *(date(2026, 10, day) for day in (1, 2, 3)), date(2026, 12, 25), date(2027, 1, 1)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read: no such file"), (b"2026-10-01\nsoon\n", "has in line 2 what is not a date"),
     (b"\xff\xfe\xfa", "it is not UTF-8 text")],
)  # fmt: skip
def test_a_file_of_holidays_that_cannot_be_used_is_told_with_its_key(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "free.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"digests\.daily\.holidays_file: free\.txt .*{reason}"):
        loaded(tmp_path, "digests:\n  daily: {holidays_file: free.txt}\n")


def test_empty_sections_are_as_good_as_none(tmp_path: Path) -> None:
    """Commenting out all keys of a section, or all but a digest's name, is no fault."""
    settings = loaded(tmp_path, "posts:\nfeeds:\n  ttl:\nmail:\ncategories:\ntemplates:\ndigests:\n  evening:\n")
    assert settings.feeds.ttl == 15
    assert settings.digests["evening"].title == "News"


def test_sections_of_merged_keys(tmp_path: Path) -> None:
    """YAML's anchors and merge keys work; the first to bring a key wins, the mapping's own before all."""
    text = (
        "digests:\n  morning: &base\n    title: M\n    max_age: 2 days\n    max_lateness: 1 h\n"
        "  noon: &other\n    title: O\n    max_items: 7\n    max_lateness: 2 h\n"
        "  evening:\n    <<: [*base, *other]\n    title: E\n"
    )
    evening = loaded(tmp_path, text).digests["evening"]
    assert (evening.title, evening.max_items) == ("E", 7)
    assert (evening.max_age, evening.max_lateness) == (timedelta(days=2), timedelta(hours=1))


def test_block_texts_become_one_line(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "digests:\n  daily:\n    title: |\n      Daily\n      News\n")
    assert settings.digests["daily"].title == "Daily News"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("categories: [emnews, macro]", [("emnews", "emnews"), ("macro", "macro")]),
        ("categories:\n  - {name: emnews, title: 东财}\n  - macro", [("emnews", "东财"), ("macro", "macro")]),
        ("categories:\n  - {name: emnews}", [("emnews", "emnews")]),
        ("categories:\n  emnews: 东财\n  macro:\n", [("emnews", "东财"), ("macro", "macro")]),
        ("categories:\n  2024: Y\n  007: B", [("2024", "Y"), ("007", "B")]),
        ("categories:\n  no: Norge\n  a/b: x", [("no", "Norge"), ("a/b", "x")]),
    ],
)
def test_categories_in_three_forms(text: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    """Names, names with titles, or a mapping; a key is text whatever YAML thinks of it."""
    assert loaded(tmp_path, text).categories == tuple(CategorySettings(name=n, title=t) for n, t in expected)


def test_thousands_of_categories(tmp_path: Path) -> None:
    """A long list is no deep one."""
    lines = "".join(f"  - {{name: c{number}, title: 题{number}}}\n" for number in range(2000))
    assert len(loaded(tmp_path, f"categories:\n{lines}").categories) == 2000


def test_author_with_address(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SITE.replace("Ann", "{name: Ann, email: ann@Example.com}"), encoding="utf-8")
    author = load(path, {}).site.author
    assert author.email is not None
    assert (author.name, author.email.address) == ("Ann", "ann@example.com")


def test_titles_of_several_digests_differ(tmp_path: Path) -> None:
    """Without a title each has the site's, and its own name behind it."""
    digests = loaded(tmp_path, "digests:\n  daily:\n  weekly: {schedule: weekly sat 08:00}\n").digests
    assert [digest.title for digest in digests.values()] == ["News daily", "News weekly"]


@pytest.mark.parametrize(
    ("schedule", "days"),
    [("daily 08:00", 3), ("weekdays 08:00", 4), ("weekly sat 08:00", 8), ("mon wed fri 08:00", 4)],
)
def test_max_age_bridges_the_time_between_editions(schedule: str, days: int, tmp_path: Path) -> None:
    """No post grows too old while it waits for the next edition."""
    digest = loaded(tmp_path, f"digests:\n  a:\n    schedule: {schedule}\n").digests["a"]
    assert digest.max_age == timedelta(days=days)


@pytest.mark.parametrize(("security", "port"), [("implicit", 465), ("starttls", 587), ("none", 25)])
def test_port_follows_security(security: str, port: int, tmp_path: Path) -> None:
    mail = f"mail:\n  transport: smtp\n  host: localhost\n  sender: a@example.com\n  security: {security}\n"
    assert loaded(tmp_path, mail).mail.port == port
    assert loaded(tmp_path, mail + "  port: 2525\n").mail.port == 2525


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("https://news.example.com", "News <digest@news.example.com>"),
        ("http://127.0.0.1:8000", "News <digest@localhost>"),
        ("http://[::1]/", "News <digest@localhost>"),
        ("https://例子.中国", "News <digest@xn--fsqu00a.xn--fiqs8s>"),
    ],
)
def test_sender_without_one(url: str, sender: str, tmp_path: Path) -> None:
    """Made from the site, and always an address that a parser takes."""
    path = tmp_path / "config.yaml"
    path.write_text(SITE.replace("https://news.example.com/", f'"{url}"'), encoding="utf-8")
    assert load(path, {}).sender == sender


@pytest.mark.parametrize("title", ['a "b" \\ c', "a <b@c>, d", "早报；晚报", "x" * 300])
def test_sender_takes_any_title(title: str, tmp_path: Path) -> None:
    """The site's title becomes the display name as it is."""
    path = tmp_path / "config.yaml"
    path.write_text(SITE.replace("News", "'" + title + "'"), encoding="utf-8")
    sender = load(path, {}).sender
    assert (sender.name, sender.address) == (title, "digest@news.example.com")


def test_sender_as_written(tmp_path: Path) -> None:
    assert loaded(tmp_path, "mail:\n  sender: 早报 <a@example.com>\n").sender == "早报 <a@example.com>"


def test_paths_are_counted_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the working directory; absolute ones stay."""
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        SITE + "posts: {folder: ../site}\noutput: /srv/out\ntemplates: looks\nstore: sqlite:///a.db\n"
        "mail: {folder: box, password_file: pw, ca_file: ca.pem}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    settings = load(Path("deep/config.yaml"), {})
    assert settings.posts.folder == folder / "../site"
    assert settings.output == Path("/srv/out")
    assert settings.templates == folder / "looks"
    assert settings.store.path == folder / "a.db"
    assert (settings.mail.folder, settings.mail.password_file) == (folder / "box", folder / "pw")
    assert settings.mail.ca_file == folder / "ca.pem"


def test_output_may_be_a_bucket(tmp_path: Path) -> None:
    """Nothing on disk is inside it then."""
    settings = loaded(tmp_path, "output: s3://news-site/public\nstore: sqlite:///public/digest.db\n")
    assert settings.output == S3Url("s3://news-site/public")
    assert (settings.s3.endpoint, settings.s3.region, settings.s3.addressing) == (None, None, "auto")
    assert settings.s3.max_age == timedelta(minutes=5)
    assert settings.s3.compress is False


def test_hexo_permalinks_may_name_any_key(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "posts:\n  kind: hexo\n  permalink: :lang/:abbrlink/\n")
    assert settings.posts.permalink == ":lang/:abbrlink/"


def test_variables_are_not_filled_in(tmp_path: Path) -> None:
    assert loaded(tmp_path, "output: ${HOME}/x\n", {"HOME": "/root"}).output == tmp_path / "${HOME}/x"


# ------------------------------------------------------------- environment


def test_store_from_the_environment(tmp_path: Path) -> None:
    """DIGEST_STORE wins, and its password stays out of sight."""
    settings = loaded(tmp_path, "store: sqlite:///a.db\n", {"DIGEST_STORE": "postgresql://ann:geheim@db/digest"})
    assert settings.store.url == "postgresql://ann:geheim@db/digest"
    assert "geheim" not in repr(settings)


def test_relative_store_from_the_environment(tmp_path: Path) -> None:
    """Counted from the file's folder, as in the file."""
    assert loaded(tmp_path, env={"DIGEST_STORE": "sqlite:///b.db"}).store.path == tmp_path / "b.db"
    assert loaded(tmp_path, env={"DIGEST_STORE": ""}).store.path == tmp_path / "var/digest.db"


def test_wrong_store_in_the_environment(tmp_path: Path) -> None:
    """Named by its variable, its value never shown, beside the problems of the file."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "feeds: {ttl: 1}\n", {"DIGEST_STORE": "mysql://ann:geheim@db/x"})
    assert caught.value.problems == (
        f"{tmp_path / 'config.yaml'}:7: feeds.ttl: 1 is too small; 15 is the least",
        (
            "environment: DIGEST_STORE is not the address of a database; "
            "write for example: sqlite:///var/digest.db or postgresql://digest@localhost/digest"
        ),
    )
    with pytest.raises(ConfigError, match=r"^environment: DIGEST_STORE is not the address"):
        loaded(tmp_path, "", {"DIGEST_STORE": "mysql://ann:geheim@db/x"})


def mail(folder: Path, text: str) -> MailSettings:
    return loaded(folder, f"mail: {{{text}}}\n").mail


def test_password_from_the_environment(tmp_path: Path) -> None:
    """The variable wins over the file, and is asked when the password is needed."""
    (tmp_path / "pw").write_text("from file\n", encoding="utf-8")
    settings = mail(tmp_path, "password_file: pw")
    assert password(settings, {"DIGEST_SMTP_PASSWORD": "from environment"}) == "from environment"
    assert password(settings, {"DIGEST_SMTP_PASSWORD": ""}) == "from file"
    assert password(mail(tmp_path, "password_env: OTHER"), {"OTHER": "x", "DIGEST_SMTP_PASSWORD": "y"}) == "x"
    assert password(mail(tmp_path, ""), {}) is None


def test_password_keeps_its_spaces(tmp_path: Path) -> None:
    """Only the line end of the file goes."""
    (tmp_path / "pw").write_bytes(b" a b \r\n")
    assert password(mail(tmp_path, "password_file: pw"), {}) == " a b "


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "cannot be read: no such file or directory"), (b"\n", "is empty"), (b"\xff", "it is not UTF-8 text")],
)
def test_password_file_without_password(content: bytes | None, cause: str, tmp_path: Path) -> None:
    """Says which file, and the other way to give a password."""
    settings = mail(tmp_path, "password_file: pw")
    if content is not None:
        (tmp_path / "pw").write_bytes(content)
    with pytest.raises(ConfigError, match=cause) as caught:
        password(settings, {})
    assert str(tmp_path / "pw") in str(caught.value)
    assert caught.value.problems == (str(caught.value),)


def test_settings_are_frozen_and_travel(tmp_path: Path) -> None:
    """Nobody changes them, and worker processes can have them."""
    settings = loaded(tmp_path)
    with pytest.raises(AttributeError):
        settings.site.title = "x"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_quick_way_needs_no_validator(tmp_path: Path) -> None:
    """A sound file is read without the packages that only explain a faulty one."""
    (tmp_path / "config.yaml").write_text(SITE, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from digest.config import load; load(Path('config.yaml'), {});"
        "print([name for name in ('difflib', 'email', 'babel') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
