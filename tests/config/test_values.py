"""Each kind of value: what it takes, in which spelling it comes out, what it refuses."""

from __future__ import annotations

import contextlib
import pickle
from datetime import date, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest import period
from digest.config.values import (
    PARSERS,
    Colour,
    Dates,
    Destination,
    DigestRhythm,
    Duration,
    FontFamilies,
    Host,
    LanguageTag,
    Mailbox,
    Mailboxes,
    MailSize,
    Network,
    Pause,
    Permalink,
    Rate,
    Rhythm,
    S3Url,
    SiteUrl,
    Size,
    StoreUrl,
    Url,
    hide_password,
    parse_path,
    parse_zone,
)

TAKEN = [
    (Colour, "#0B5A7A", "#0b5a7a"),
    (Colour, " fc0 ", "#ffcc00"),
    (FontFamilies, "Georgia, 'Noto Serif SC'", 'Georgia,"Noto Serif SC"'),
    (FontFamilies, '思源宋体,"PT Serif"', '"思源宋体","PT Serif"'),
    (Network, "127.0.0.1", "127.0.0.1/32"),
    (Network, "2001:DB8::/32", "2001:db8::/32"),
    (Url, "https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
    (Url, " HTTPS://A.Example:443/Path ", "https://a.example/Path"),
    (Url, "http://a.example:80", "http://a.example"),
    (Url, "http://a.example:8080/", "http://a.example:8080/"),
    (Url, "https://例子.example/新闻", "https://xn--fsqu00a.example/%E6%96%B0%E9%97%BB"),
    (Url, "https://a.example/%E6%96%B0", "https://a.example/%E6%96%B0"),
    (Url, "http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
    (Url, "http://[::1]:8000/", "http://[::1]:8000/"),
    (Url, "http://localhost/a", "http://localhost/a"),
    (SiteUrl, "https://a.example/", "https://a.example"),
    (SiteUrl, "https://a.example/blog//", "https://a.example/blog"),
    (Host, "SMTP.Example.com.", "smtp.example.com"),
    (Host, "::1", "::1"),
    (Host, "[2001:DB8::1]", "2001:db8::1"),
    (Host, "192.0.2.1", "192.0.2.1"),
    (Host, "例子.example", "xn--fsqu00a.example"),
    (LanguageTag, "zh-cn", "zh-CN"),
    (LanguageTag, "EN", "en"),
    (LanguageTag, "zh-hant-tw", "zh-Hant-TW"),
    (LanguageTag, "es-419", "es-419"),
    (LanguageTag, "sl-ROZAJ", "sl-rozaj"),
    (LanguageTag, "de-x-Dach", "de-x-dach"),
    (Permalink, "pretty", "pretty"),
    (Permalink, "/:year/:title/", "/:year/:title/"),
    (Permalink, ":year/:month/:day/:title/", ":year/:month/:day/:title/"),
    (Mailbox, "Ann@Example.COM", "Ann@example.com"),
    (Mailbox, " Ann  Lee <ann@example.com> ", "Ann Lee <ann@example.com>"),
    (Mailbox, '"Lee, Ann" <ann@example.com>', "Lee, Ann <ann@example.com>"),
    (Mailbox, r'"A \"B\" \\" <ann@example.com>', r'A "B" \ <ann@example.com>'),
    (Mailbox, "财经早报 <digest@例子.example>", "财经早报 <digest@xn--fsqu00a.example>"),
    (Mailbox, "<a+b@example.com>", "a+b@example.com"),
    (Mailbox, "用户@example.com", "用户@example.com"),
    (Mailbox, "root@localhost", "root@localhost"),
    (Mailbox, "👩‍💻 <ann@example.com>", "👩‍💻 <ann@example.com>"),
    (DigestRhythm, "daily 8:00", "daily 08:00"),
    (DigestRhythm, "08:00", "daily 08:00"),
    (DigestRhythm, "every day 08:00", "daily 08:00"),
    (DigestRhythm, "Daily 23：59", "daily 23:59"),
    (DigestRhythm, "WEEKLY Saturday 08:00", "weekly sat 08:00"),
    (DigestRhythm, "every tues 00:00", "weekly tue 00:00"),
    (DigestRhythm, "sat 08:00", "weekly sat 08:00"),
    (DigestRhythm, "fridays 08:00", "weekly fri 08:00"),
    (DigestRhythm, "fri, mon 18:00", "mon fri 18:00"),
    (DigestRhythm, "weekdays 07:30", "weekdays 07:30"),
    (DigestRhythm, "weekends 09:00", "weekends 09:00"),
    (DigestRhythm, "mon tue wed thu fri sat sun 06:00", "daily 06:00"),
    (Size, 500, 500),
    (Size, "500", 500),
    (Size, "2 MB", 2 * 1024 * 1024),
    (Size, "1.5KB", 1536),
    (Size, "1.5 GB", 3 * 2**29),
    (Size, "768 kib", 768 * 1024),
    (Size, "12 bytes", 12),
    (MailSize, "60 KB", 61440),
    (Rate, 10, 10.0),
    (Rate, 0.5, 0.5),
    (Rate, "10", 10.0),
    (Rate, "10/s", 10.0),
    (Rate, " 30 / min", 0.5),
    (Rate, "1800/h", 0.5),
    (Duration, "3 days", timedelta(days=3)),
    (Duration, "1 day 12 h", timedelta(hours=36)),
    (Duration, "1 h, 30 min", timedelta(minutes=90)),
    (Duration, "90S", timedelta(seconds=90)),
    (Duration, "2weeks", timedelta(days=14)),
    (Pause, "1 min 5 s", timedelta(seconds=65)),
    (Pause, 0, timedelta()),
    (Pause, "0", timedelta()),
    (Destination, "public", Destination(Path("public"))),
    (Destination, "/srv/s3:x", Destination(Path("/srv/s3:x"))),
    (Destination, " s3://news-site/ ", Destination(S3Url("s3://news-site"))),
    (Destination, "s3://news.example.com/a/早报/", Destination(S3Url("s3://news.example.com/a/早报"))),
    (Path, "a/b", Path("a/b")),
    (Path, "~/x", Path.home() / "x"),
    (ZoneInfo, " Asia/Shanghai ", ZoneInfo("Asia/Shanghai")),
]


@pytest.mark.parametrize(("kind", "written", "meant"), TAKEN)
def test_value_is_taken_in_one_spelling(kind: type, written: object, meant: object) -> None:
    """What is written comes out in its usual spelling, and that spelling means the same again."""
    value = PARSERS[kind](written)
    assert value == meant
    assert isinstance(value, kind)
    if isinstance(value, str) and kind is not Mailbox:
        assert PARSERS[kind](str(value)) == value


REFUSED = [
    (Colour, "red", "is no colour of three or six hexadecimals"),
    (Colour, "#0b5a7a80", "is no colour of three or six hexadecimals"),
    (Colour, "٠٠٠", "is no colour of three or six hexadecimals"),
    (Colour, None, "is empty, for # begins a remark unless it is quoted"),
    (FontFamilies, "Georgia;color:red", "is no list of typefaces"),
    (FontFamilies, "Georgia,,Arial", "is no list of typefaces"),
    (FontFamilies, "</style>", "is no list of typefaces"),
    (Rate, "10/fortnight", "is not a number of mails a second"),
    (Rate, "-1/s", "is not a number of mails a second"),
    (Rate, "0/s", "is not more than 0"),
    (Rate, True, "is not a text"),
    (Rate, 1e9, "is not more than 0 and at most"),
    (Destination, "S3://bucket", "is not the address of a bucket"),
    (Destination, "s3:bucket", "is not the address of a bucket"),
    (Destination, "gs://bucket", "is neither a folder nor a bucket"),
    (Destination, "s3://Bucket", "has no valid name of a bucket"),
    (Destination, "s3://b", "has no valid name of a bucket"),
    (Destination, "s3://bucket:9000/x", "has no valid name of a bucket"),
    (Destination, "s3://key:secret@bucket", "holds credentials"),
    (Destination, "s3://bucket/a//b", "an empty or dotted part"),
    (Destination, "s3://bucket/../b", "an empty or dotted part"),
    (Destination, "s3://bucket/a?versionId=1", "holds a character that its path cannot have"),
    (Destination, "s3://bucket/" + "早" * 200, "a path of more than 512 bytes"),
    (Network, "10.0.0.1/8", "is neither an IP address nor a network"),
    (Network, "proxy.example", "is neither an IP address nor a network"),
    (Url, "a.example", "does not start with https:// or http://"),
    (Url, "javascript:alert(1)", "does not start with https:// or http://"),
    (Url, "https://", "has no valid host name"),
    (Url, "https://a..example", "has no valid host name"),
    (Url, "https://-a.example", "has no valid host name"),
    (Url, f"https://{'a' * 64}.example", "has no valid host name"),
    (Url, f"https://{'a.' * 130}example", "has no valid host name"),
    (Url, "https://xn--\u00e4.example", "has no valid host name"),
    (Url, "https://256.1.1.1", "has no valid host name"),
    (Url, "https://[::1", "is not an address"),
    (Url, "https://[v1.x]/", "has no valid host name"),
    (Url, "https://a.example:99999", "is not an address"),
    (Url, "https://ann@a.example", "holds a user name"),
    (Url, "https://a.example/a b", "a character that an address cannot have"),
    (Url, 'https://a.example/"x', "a character that an address cannot have"),
    (Url, "https://a.example/a\u200bb", "a character that an address cannot have"),
    (Url, "https://a.example/\u202egpj", "holds the control character U+202E"),
    (Url, 5, "is not a text"),
    (SiteUrl, "https://a.example/#x", "has a ? or # part"),
    (Host, "a b", "has no valid host name"),
    (Host, "a::b::c", "has no valid host name"),
    (Host, "http://a", "is more than a host name"),
    (Host, "a:25", "holds a port"),
    (LanguageTag, "chinese-simplified", "is not a language tag"),
    (LanguageTag, "zh_CN", "has an underscore; write for example: zh-CN"),
    (Permalink, "fancy", "is neither one of date"),
    (Permalink, "https://a.example/:title", "a character that the path of an address cannot have"),
    (Mailbox, "", "is empty"),
    (Mailbox, "Ann", "is not a mail address"),
    (Mailbox, "a@b@example.com", "has no valid mail address"),
    (Mailbox, ".a@example.com", "has no valid mail address"),
    (Mailbox, "a..b@example.com", "has no valid mail address"),
    (Mailbox, "a\u200bb@example.com", "has no valid mail address"),
    (Mailbox, '"a b"@example.com', "is not one mail address"),
    (Mailbox, f"{'a' * 65}@example.com", "has no valid mail address"),
    (Mailbox, f"a@{'a.' * 121}example.com", "of more than 254 characters"),
    (Mailbox, "a@192.0.2.1", "with a number for its host"),
    (Mailbox, "a@[192.0.2.1]", "with a number for its host"),
    (Mailbox, "a@exa mple.com", "is not one mail address"),
    (Mailbox, "a@-x.example", "without a valid host name"),
    (Mailbox, "A <a@example.com>, B <b@example.com>", "is more than one address"),
    (Mailbox, "a@example.com; b@example.com", "is more than one address"),
    (Mailbox, "a@example.com\nBcc: b@example.com", "holds the control character U+000A"),
    (Mailboxes, ["a@example.com", "b"], "entry 2 is not a mail address"),
    (Mailboxes, ["a@example.com", "B <A@example.com>"], "names a@example.com twice"),
    (DigestRhythm, "", "is empty"),
    (DigestRhythm, "daily", "is not a schedule"),
    (DigestRhythm, "daily 24:00", "is not a schedule"),
    (DigestRhythm, "daily 8:60", "is not a schedule"),
    (DigestRhythm, "daily 8", "is not a schedule"),
    (DigestRhythm, "weekly 08:00", "is not a schedule"),
    (DigestRhythm, "weekly sat sun 08:00", "is not a schedule"),
    (DigestRhythm, "mo 08:00", "is not a schedule"),
    (DigestRhythm, "funday 08:00", "is not a schedule"),
    (DigestRhythm, "mon daily 08:00", "is not a schedule"),
    (DigestRhythm, "mon mondays 08:00", "names a day twice"),
    (DigestRhythm, "daily ٠٨:٠٠", "is not a schedule"),
    (DigestRhythm, 1050, "is not a text"),
    (Size, 0, "is not a size between 1 and"),
    (Size, -1, "is not a size between 1 and"),
    (Size, True, "is not a text"),
    (Size, 1.5, "is not a text"),
    (Size, "1.5", "is not a size in bytes"),
    (Size, "1 TB", "is not a size in bytes"),
    (Size, "999999999999 MB", "is not a size between 1 and"),
    (MailSize, "73 KB", "is not a size between 1 and 74000 bytes"),
    (Duration, 3, "has no unit; write for example: 3 days, 6 h or 30 min"),
    (Duration, 0.5, "has no unit"),
    (Duration, True, "is not a text"),
    (Duration, "3", "is not a length of time"),
    (Duration, "-3 days", "is not a length of time"),
    (Duration, "1.5 days", "is not a length of time"),
    (Duration, "0 s", "is not a length between one second and ten years"),
    (Pause, 2, "has no unit; write for example: 2 s, or 0 for none"),
    (Pause, False, "is not a text"),
    (Pause, "-1 s", "is not a length of time"),
    (Pause, "11 min", "is longer than 10 minutes"),
    (Duration, "999999999 weeks", "is not a length between one second and ten years"),
    (Path, "s3://bucket", "is an address, not a file or folder"),
    (Path, "~nobody-has-this-name/x", "names a home folder that does not exist"),
    (Path, "a\0b", "holds the control character U+0000"),
    (ZoneInfo, "shanghai", "write for example: Asia/Shanghai"),
    (ZoneInfo, "europe/berlin ", "write for example: Europe/Berlin"),
    (ZoneInfo, "New York", "write for example: America/New_York"),
    (ZoneInfo, "../../etc/passwd", "is not a time zone of the IANA database"),
    (ZoneInfo, "x" * 5000, "is not a time zone of the IANA database"),
    (StoreUrl, "digest.db", "is not the address of a database"),
    (StoreUrl, "sqlite:digest.db", "needs three slashes before the file"),
    (StoreUrl, "sqlite:///", "names no file"),
    (StoreUrl, "sqlite:///a?b", "has a ? part"),
    (StoreUrl, "postgresql://h:x/d", "is not the address of a database"),
    (StoreUrl, "postgresql://h", "names no database"),
    (StoreUrl, "postgres://h/d", "write for example: postgresql://"),
    (StoreUrl, "postgresql://u:${PW}@h/d", "DIGEST_STORE"),
]


@pytest.mark.parametrize(("kind", "written", "reason"), REFUSED)
def test_value_is_refused_with_a_reason(kind: type, written: object, reason: str) -> None:
    """A wrong value is a ValueError that says why."""
    with pytest.raises(ValueError) as caught:
        PARSERS[kind](written)
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", PARSERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("value", [None, [], {}, [["a"]], 1e300, -(10**30), b"x", "\ud800", "a" * 100_000])
def test_any_value_is_taken_or_refused(kind: type, value: object) -> None:
    """Nothing that YAML can give raises anything but ValueError."""
    with contextlib.suppress(ValueError):
        assert PARSERS[kind](value) is not None


@pytest.mark.parametrize(
    ("written", "days", "at", "gap"),
    [
        ("daily 08:00", (1, 2, 3, 4, 5, 6, 7), time(8), 1),
        ("weekdays 07:30", (1, 2, 3, 4, 5), time(7, 30), 3),
        ("weekends 09:05", (6, 7), time(9, 5), 6),
        ("weekly sat 23:59", (6,), time(23, 59), 7),
        ("mon wed fri 18:00", (1, 3, 5), time(18), 3),
    ],
)
def test_schedule_has_days_and_time(written: str, days: tuple[int, ...], at: time, gap: int) -> None:
    """Days count from Monday, 1, as in ISO 8601."""
    schedule = DigestRhythm.parse(written)
    assert (schedule.days, schedule.at, schedule.longest_gap) == (days, at, gap)


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("daily 08:00", period.daily(time(8))),
        ("weekdays 07:30", period.weekdays(time(7, 30))),
        ("mon thu 07:30", period.weekdays(time(7, 30), (1, 4))),
        ("sun 09:00", period.weekly(7, time(9))),
    ],
)
def test_schedule_is_what_period_computes_with(written: str, rule: period.Schedule) -> None:
    """Once a week is weekly, every day is daily, all else is by the days."""
    assert DigestRhythm.parse(written).rule == rule


@pytest.mark.parametrize(
    ("written", "spelled", "rule"),
    [
        ("every 5 minutes", "every 5 minutes", period.Every(minutes=5)),
        ("Every 90 min", "every 90 minutes", period.Every(minutes=90)),
        ("every minute", "every 1 minutes", period.Every(minutes=1)),
        ("every hour", "every 60 minutes", period.Every(minutes=60)),
        ("hourly", "every 60 minutes", period.Every(minutes=60)),
        ("every 2 h", "every 120 minutes", period.Every(minutes=120)),
        ("every day 7:30", "daily 07:30", period.daily(time(7, 30))),
        ("every sat 08:00", "weekly sat 08:00", period.weekly(6, time(8))),
        ("cron: 30  7 * * MON-FRI", "cron 30 7 * * mon-fri", period.parse_cron("30 7 * * mon-fri")),
        ("cron */10 7-19 * * *", "cron */10 7-19 * * *", period.parse_cron("*/10 7-19 * * *")),
    ],
)
def test_rhythm_has_one_spelling_and_a_rule(written: str, spelled: str, rule: period.Rule) -> None:
    rhythm = Rhythm.parse(written)
    assert rhythm == spelled
    assert rhythm.rule == rule
    assert Rhythm.parse(spelled) == spelled


@pytest.mark.parametrize(
    ("kind", "written", "reason"),
    [
        (Rhythm, "every 0 minutes", "is not a schedule"),
        (Rhythm, "every 90 s", "not a number of minutes"),
        (Rhythm, "every 2 days", "not a number of minutes"),
        (Rhythm, "every now and then", "is not a schedule"),
        (Rhythm, "cron: 0 8 * * 1-5", "count differently; write for example: cron 30 7"),
        (Rhythm, "cron", "five fields"),
        (DigestRhythm, "every 5 minutes", "is more than once a day"),
        (DigestRhythm, "hourly", "is more than once a day"),
        (DigestRhythm, "cron 0 8,20 * * *", "is more than once a day"),
        (DigestRhythm, "cron 0 8 31 2 *", "never comes"),
        (Dates, "tomorrow", "is not a date; write for example: 2026-10-01 or"),
        (Dates, "2026-10-08..2026-10-01", "ends before it begins"),
        (Dates, "2026-10-01..2027-12-31", "longer than a year"),
        (Dates, "2026-10-01..", "is not a date"),
    ],
)
def test_schedules_and_dates_that_mean_nothing_are_refused(kind: type, written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PARSERS[kind](written)


def test_schedule_of_a_crontab_line() -> None:
    """Once a month is named by its day, and waits as long as a month for its posts."""
    schedule = DigestRhythm.parse("cron: 0 8 1 * *")
    assert schedule.longest_gap == 31
    assert schedule.rule.kind is period.Kind.WEEKDAYS
    assert DigestRhythm.parse("cron: 0 8 * * sat").rule == period.weekly(6, time(8))


def test_dates_are_one_or_several() -> None:
    """As YAML gives a date, as text, or the first and the last."""
    assert Dates.parse(date(2026, 10, 1)) == "2026-10-01"
    assert Dates.parse("2026-10-01").days == (date(2026, 10, 1),)
    assert Dates.parse("2026-12-31 .. 2027-01-02").days == (date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 2))


def test_mailbox_has_name_and_address() -> None:
    """Name and address come apart again, whatever the name holds."""
    box = Mailbox.parse('"Lee <Ann>, the \\"first\\"" <ann.lee@Example.com>')
    assert (box.name, box.address, box.domain) == ('Lee <Ann>, the "first"', "ann.lee@example.com", "example.com")
    bare = Mailbox.parse("ann@example.com")
    assert (bare.name, bare.address) == ("", "ann@example.com")


def test_url_has_a_host() -> None:
    assert SiteUrl.parse("https://News.example.com:8443/x").host == "news.example.com"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "mail.localhost", "127.0.0.1", "127.1.2.3", "::1")),
        *((host, False) for host in ("localhost.example.com", "128.0.0.1", "smtp.example.com", "::2")),
    ],
)
def test_loopback_is_known_without_asking(host: str, expected: bool) -> None:
    """By name or number alone; no DNS is asked."""
    assert Host.parse(host).is_loopback is expected


def test_permalink_parts() -> None:
    """One underscore behind a part belongs to the text around it."""
    assert Permalink.parse("/:year/:i_month_:title.html").parts == ("year", "i_month", "title")


def test_store_hides_its_password() -> None:
    """Printed in any way, a password is not seen; the driver gets it."""
    store = StoreUrl.parse("postgresql://ann:ge@heim@db.example/digest?sslpassword=geheim&x=1")
    assert store.url.startswith("postgresql://ann:ge@heim@")
    for text in (str(store), repr(store), f"{store}"):
        assert "heim" not in text
        assert "db.example/digest" in text
    assert store.path is None
    assert store.below(Path("/srv")) is store


def test_store_file_is_counted_from_a_folder() -> None:
    """Three slashes are relative, four absolute."""
    assert StoreUrl.parse("sqlite:///var/a.db").below(Path("/srv")).url == "sqlite:////srv/var/a.db"
    assert StoreUrl.parse("sqlite:////var/a.db").below(Path("/srv")).path == Path("/var/a.db")


def test_a_bucket_has_a_name_and_a_path() -> None:
    place = S3Url.parse("s3://news-site/a/b/")
    assert (place.bucket, place.prefix) == ("news-site", "a/b")
    assert S3Url.parse("s3://news-site").prefix == ""


def test_a_bucket_is_not_counted_from_a_folder() -> None:
    """A folder is."""
    bucket, folder = Destination.parse("s3://news-site/a"), Destination.parse("a")
    assert bucket.below(Path("/srv")) is bucket
    assert folder.below(Path("/srv")) == Destination(Path("/srv/a"))
    assert len({bucket, folder, Destination.parse("a/")}) == 2
    assert repr(bucket) == "Destination('s3://news-site/a')"


def test_stores_compare_by_address() -> None:
    one, other = StoreUrl.parse("sqlite:///a.db"), StoreUrl.parse("sqlite:///a.db")
    assert one == other
    assert hash(one) == hash(other)
    assert one != "sqlite:///a.db"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:pw@h/d", "postgresql://ann:***@h/d"),
        ("postgresql://ann:p/w?#@h/d", "postgresql://ann:***@h/d"),
        ("postgresql://:pw@h/d", "postgresql://:***@h/d"),
        ("postgresql://h/d?user=a&password=pw", "postgresql://h/d?user=a&password=***"),
        ("postgresql://ann@h/d", "postgresql://ann@h/d"),
        ("https://a.example/x", "https://a.example/x"),
    ],
)
def test_password_is_hidden_in_addresses(text: str, shown: str) -> None:
    assert hide_password(text) == shown


@pytest.mark.parametrize(("kind", "written"), [(kind, written) for kind, written, _ in TAKEN])
def test_values_travel_between_processes(kind: type, written: object) -> None:
    """Pickled and read back they are equal and of the same kind."""
    value = PARSERS[kind](written)
    copy = pickle.loads(pickle.dumps(value))
    assert (copy, type(copy)) == (value, type(value))


def test_paths_and_zones_are_plain() -> None:
    assert parse_path(" a ") == Path("a")
    assert parse_zone("UTC") is ZoneInfo("UTC")
