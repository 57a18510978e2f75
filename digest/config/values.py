"""The kinds of value that a configuration holds, and the functions that read them.

Each kind is its own text (or number), checked and in one spelling, with the parts as properties. ``parse`` of
each kind is the only place that knows what is allowed: decoding calls it, and so does the check that collects
every problem. It takes whatever YAML gave and raises ValueError with a message that continues a sentence about
that value: ``is not a schedule; write for example: daily 08:00``. No message repeats the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol, Self
from urllib.parse import SplitResult, quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from digest import period

_CONTROL = (
    *(range(0x20), range(0x7F, 0xA0), range(0x2028, 0x202F), range(0x2066, 0x206A), range(0xD800, 0xE000)),
    *(range(0xFEFF, 0xFF00), range(0xFFFE, 0x10000)),
)
_ZERO_WIDTH = range(0x200B, 0x2010)


def _refuse(what: str, example: str) -> NoReturn:
    raise ValueError(f"{what}; write for example: {example}")


class NotText(ValueError):
    """YAML made something else of what should be a text."""


def control_character(text: str) -> str:
    """The first character that has no business in a line of text (controls, line ends, overrides of the writing
    direction, halves of characters), as ``U+0007``; empty if there is none."""
    if text.isprintable():
        return ""
    return next((f"U+{ord(sign):04X}" for sign in text if any(ord(sign) in span for span in _CONTROL)), "")


def as_text(value: object, example: str) -> str:
    """The value as text in one line. Raises NotText if it is something else."""
    if not isinstance(value, str):
        raise NotText(f"is not a text; write for example: {example}")
    if not value.strip():
        _refuse("is empty", example)
    if control_character(value):
        _refuse(f"holds the control character {control_character(value)}", example)
    return value.strip()


def _has_zero_width(text: str) -> bool:
    return not text.isascii() and any(ord(sign) in _ZERO_WIDTH for sign in text)


# ------------------------------------------------------------------ places


class Url(str):
    """An http or https address, its host in lower case and ASCII, its path percent-encoded."""

    __slots__ = ()
    schema_format: ClassVar[str] = "http-url"
    example: ClassVar[str] = "https://news.example.com"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            _refuse("is not an address", cls.example)
        if parts.scheme not in ("http", "https"):
            _refuse("does not start with https:// or http://", cls.example)
        if parts.username is not None:
            _refuse("holds a user name, which everybody would see", cls.example)
        if re.search(r"[\s<>\"\\^`{|}]", text) or _has_zero_width(text):
            _refuse("holds a character that an address cannot have", cls.example)
        host = _web_host(parts, cls.example)
        netloc = host if port is None or port == {"http": 80, "https": 443}[parts.scheme] else f"{host}:{port}"
        return cls(parts._replace(netloc=netloc, path=quote(parts.path, safe="/%:@!$&'()*+,;=~-._")).geturl())

    @property
    def host(self) -> str:
        return urlsplit(self).hostname or ""


class SiteUrl(Url):
    """The address of a folder of the web, without the slash at its end."""

    __slots__ = ()
    schema_format: ClassVar[str] = "site-url"

    @classmethod
    def parse(cls, value: object) -> Self:
        url = super().parse(value)
        if "?" in url or "#" in url:
            _refuse("has a ? or # part, which the address of a site cannot have", cls.example)
        return cls(url.rstrip("/"))


def _web_host(parts: SplitResult, example: str) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return f"[{_address_literal(host, example)}]"
    return _ascii_host(host, example)


def _address_literal(host: str, example: str) -> str:
    from ipaddress import ip_address  # late: names are the rule

    try:
        return str(ip_address(host))
    except ValueError:
        _refuse("has no valid host name", example)


def _ascii_host(host: str, example: str) -> str:
    """A host name in lower case, as A-labels (RFC 5890)."""
    try:
        name = host.lower() if host.isascii() else host.encode("idna").decode().lower()
    except UnicodeError:
        _refuse("has no valid host name", example)
    labels = name.rstrip(".").split(".")
    good = all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", label) for label in labels)
    if not good or len(name) > 253:
        _refuse("has no valid host name", example)
    if labels[-1].isdigit():
        return _address_literal(name, example)
    return ".".join(labels)


class Host(str):
    """A host name or IP address, nothing around it."""

    __slots__ = ()
    schema_format: ClassVar[str] = "host"
    example: ClassVar[str] = "smtp.example.com"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        if "://" in text or "/" in text:
            _refuse("is more than a host name", cls.example)
        if re.fullmatch(r"[^:]+:\d+", text):
            _refuse("holds a port, which has its own key", cls.example)
        if ":" in text:
            return cls(_address_literal(text.strip("[]"), cls.example))
        return cls(_ascii_host(text, cls.example))

    @property
    def is_loopback(self) -> bool:
        if self == "localhost" or self.endswith(".localhost"):
            return True
        from ipaddress import ip_address

        try:
            return ip_address(self).is_loopback
        except ValueError:
            return False


class Network(str):
    """An IP address or a network of them: ``10.0.0.0/8``, ``::1``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "ip-network"
    example: ClassVar[str] = "10.0.0.0/8"

    @classmethod
    def parse(cls, value: object) -> Self:
        from ipaddress import ip_network  # late: few configurations have one

        text = as_text(value, cls.example)
        try:
            return cls(ip_network(text))
        except ValueError:
            _refuse("is neither an IP address nor a network", cls.example)


class StoreUrl:
    """Where the database is: ``sqlite:///FILE`` or ``postgresql://…``. Printing it hides the password."""

    __slots__ = ("url",)
    schema_format: ClassVar[str] = "store-url"
    example: ClassVar[str] = "sqlite:///var/digest.db"

    def __init__(self, url: str) -> None:
        self.url = url
        """The whole address, password included: for the database driver only."""

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        if text.startswith("sqlite:"):
            return cls(_sqlite(text, cls.example))
        if re.match(r"postgresql(\+psycopg)?://", text):
            return cls(_postgresql(text))
        if text.startswith("postgres://"):
            _refuse("starts with postgres://", "postgresql://digest@localhost/digest")
        _refuse("is not the address of a database", f"{cls.example} or postgresql://digest@localhost/digest")

    @property
    def path(self) -> Path | None:
        """The file, if it is SQLite."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:///") else None

    def below(self, folder: Path) -> StoreUrl:
        """The same, a relative file counted from a folder."""
        return self if self.path is None else StoreUrl(f"sqlite:///{folder / self.path}")

    def __str__(self) -> str:
        return hide_password(self.url)

    def __repr__(self) -> str:
        return f"StoreUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreUrl) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)


_BEFORE_HOST = re.compile(r"(?<=://)([^/?#\s]*?):(.*)@", re.DOTALL)
_AS_OPTION = re.compile(r"((?:password|passfile|sslpassword)=)([^&\s]*)", re.IGNORECASE)


def hide_password(text: str) -> str:
    """The text with everything that may be the password of an address replaced by ``***``."""
    return _AS_OPTION.sub(r"\1***", _BEFORE_HOST.sub(r"\1:***@", text))


def passwords_in(text: str) -> list[str]:
    """What ``hide_password`` hides."""
    return [found[2] for pattern in (_BEFORE_HOST, _AS_OPTION) for found in pattern.finditer(text) if found[2]]


def _sqlite(text: str, example: str) -> str:
    path = text.removeprefix("sqlite:///")
    if path == text:
        _refuse("needs three slashes before the file", example)
    if path in ("", ":memory:"):
        _refuse("names no file, and what is in memory is forgotten after each run", example)
    if "?" in path:
        _refuse("has a ? part, which the file of a database cannot have", example)
    return f"sqlite:///{Path(path).expanduser()}"


def _postgresql(text: str) -> str:
    example = "postgresql://digest@localhost/digest"
    if "${" in text:
        raise ValueError("holds ${…}, which is not filled in; put the whole address into the environment: DIGEST_STORE")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        _refuse("is not the address of a database", example)
    if not parts.path.strip("/"):
        _refuse("names no database", example)
    return text


def parse_path(value: object) -> Path:
    """A file or folder. Relative ones are counted from the configuration's folder, later."""
    text = as_text(value, "public")
    if "://" in text:
        _refuse("is an address, not a file or folder", "public")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        _refuse("names a home folder that does not exist", "public")


class S3Url(str):
    """A place in a bucket: ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``."""

    __slots__ = ()
    example: ClassVar[str] = "s3://news-site/digest"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if "@" in bucket:
            raise ValueError(
                "holds credentials; put them into the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
            _refuse("has no valid name of a bucket", cls.example)
        prefix = prefix.strip("/")
        if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
            _refuse("has an empty or dotted part in its path", cls.example)
        if re.search(r"[?#\\]", prefix):
            _refuse("holds a character that its path cannot have", cls.example)
        if len(prefix.encode()) > 512:
            _refuse("has a path of more than 512 bytes", cls.example)
        return cls(f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}")

    @property
    def bucket(self) -> str:
        return self.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """Without a slash at either end; empty for the whole bucket."""
        return self.removeprefix("s3://").partition("/")[2]


class Destination:
    """Where published files go, as written: a folder, or a place in a bucket."""

    __slots__ = ("place",)
    schema_format: ClassVar[str] = "destination"
    example: ClassVar[str] = "public"

    def __init__(self, place: Path | S3Url) -> None:
        self.place = place

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, str) and value.strip().lower().startswith("s3:"):
            if not value.strip().startswith("s3://"):
                _refuse("is not the address of a bucket", S3Url.example)
            return cls(S3Url.parse(value))
        if isinstance(value, str) and "://" in value:
            _refuse("is neither a folder nor a bucket", f"{cls.example} or {S3Url.example}")
        return cls(parse_path(value))

    def below(self, folder: Path) -> Destination:
        """The same, a relative folder counted from another."""
        return self if isinstance(self.place, S3Url) else Destination(folder / self.place)

    def __repr__(self) -> str:
        return f"Destination({str(self.place)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Destination) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)


# ------------------------------------------------------------------- times


def parse_zone(value: object) -> ZoneInfo:
    """A time zone of the IANA database."""
    text = as_text(value, "Asia/Shanghai")
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = _zone_named_like(text)
    _refuse("is not a time zone of the IANA database", hint or "Asia/Shanghai, Europe/Berlin or UTC")


def _zone_named_like(text: str) -> str | None:
    """``shanghai`` and ``Asia/Shangai`` mean ``Asia/Shanghai``."""
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    names = {name.lower(): name for name in sorted(available_timezones())}
    cities = {name.rpartition("/")[2]: name for name in names if "/" in name}
    wanted = text.lower().replace(" ", "_")
    close = get_close_matches(wanted, names, 1, 0.8)
    if close:
        return names[close[0]]
    close = get_close_matches(wanted.rpartition("/")[2], cities, 1, 0.8)
    return names[cities[close[0]]] if close else None


class Duration(timedelta):
    """A length of time such as ``3 days`` or ``1 h 30 min``; longer than nothing."""

    schema_format: ClassVar[str] = "duration-words"
    example: ClassVar[str] = "3 days"

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError("has no unit; write for example: 3 days, 6 h or 30 min")
        text = as_text(value, cls.example).lower().replace(",", " ")
        found = re.findall(r"([0-9]{1,9})\s*([a-z]+)", text)
        spelled = "".join(amount + unit for amount, unit in found) == "".join(text.split())
        if not found or not spelled or not all(unit in _SECONDS for _, unit in found):
            _refuse("is not a length of time", "3 days, 6 h or 30 min")
        seconds = sum(int(amount) * _SECONDS[unit] for amount, unit in found)
        if not 0 < seconds <= 3650 * 86400:
            _refuse("is not a length between one second and ten years", cls.example)
        return cls(seconds=seconds)


class Pause(Duration):
    """A short length of time, or none: ``2 s``, ``0``."""

    schema_format: ClassVar[str] = "pause"
    example: ClassVar[str] = "2 s"
    most: ClassVar[timedelta] = timedelta(minutes=10)

    @classmethod
    def parse(cls, value: object) -> Self:
        if value in (0, "0") and not isinstance(value, bool):
            return cls()
        if isinstance(value, int | float) and not isinstance(value, bool):
            _refuse("has no unit", f"{cls.example}, or 0 for none")
        pause = super().parse(value)
        if pause > cls.most:
            _refuse("is longer than 10 minutes", cls.example)
        return pause


_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}


class Dates(str):
    """A date, or the first and the last of several: ``2026-10-01``, ``2026-10-01..2026-10-08``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "dates"
    example: ClassVar[str] = "2026-10-01..2026-10-08"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = value.isoformat() if isinstance(value, date) else as_text(value, cls.example)
        first, dots, last = text.partition("..")
        found = cls(f"{first.strip()}..{last.strip()}" if dots else text)
        try:
            days = found.days
        except ValueError:
            _refuse("is not a date", f"2026-10-01 or {cls.example}")
        if not days:
            _refuse("ends before it begins, or lasts longer than a year", cls.example)
        return found

    @property
    def days(self) -> tuple[date, ...]:
        """Every one of them."""
        first, dots, last = self.partition("..")
        start = date.fromisoformat(first)
        count = (date.fromisoformat(last) - start).days + 1 if dots else 1
        return tuple(start + timedelta(days=number) for number in range(count)) if count <= 366 else ()


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Rhythm(str):
    """When something is done again, in the site's zone, in one spelling: ``every 5 minutes``, ``daily 07:30``,
    ``weekdays 07:30``, ``weekends 09:00``, ``weekly sat 08:00``, ``mon wed fri 18:00``,
    ``cron 0 7-19 * * mon-fri``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "rhythm"
    example: ClassVar[str] = "every 5 minutes"
    _examples: ClassVar[str] = "every 5 minutes, daily 07:30 or weekly sat 08:00"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example).lower().replace("：", ":")
        words = re.split(r"[\s,]+", text)
        if words[0] in ("cron", "cron:"):
            return cls(f"cron {' '.join(text.split()[1:])}")._checked()
        if words[0] in ("hourly", "every") and not re.fullmatch(r".*:.*", words[-1]):
            return cls(_spell_interval(text, cls._examples))._checked()
        match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", words[-1], re.ASCII)
        if match is None:
            _refuse("is not a schedule", cls._examples)
        return cls(f"{_spell_days(words[:-1], cls._examples)} {int(match[1]):02}:{match[2]}")

    def _checked(self) -> Self:
        """Raises ValueError if a crontab line cannot be read."""
        if self.startswith("cron "):
            try:
                _ = self.rule
            except ValueError as error:
                _refuse(str(error), "cron 30 7 * * mon-fri")
        return self

    @property
    def rule(self) -> period.Rule:
        """What ``period`` computes with."""
        from digest import period  # late: reading a configuration needs none of it

        if self.startswith("cron "):
            return period.parse_cron(self.removeprefix("cron "))
        if self.startswith("every "):
            return period.Every(minutes=int(self.split()[1]))
        days, at = self.days, self.at
        if len(days) == 1:
            return period.weekly(days[0], at)
        return period.daily(at) if len(days) == 7 else period.weekdays(at, days)

    @property
    def days(self) -> tuple[int, ...]:
        """Days of the week as in ISO 8601, Monday is 1."""
        words = self.split()[:-1]
        named = {"daily": range(1, 8), "weekdays": range(1, 6), "weekends": range(6, 8)}.get(words[0])
        return tuple(named if named is not None else (DAYS.index(word) + 1 for word in words if word != "weekly"))

    @property
    def at(self) -> time:
        """Local time, without a zone."""
        hour, _, minute = self.rpartition(" ")[2].partition(":")
        return time(int(hour), int(minute))


class DigestRhythm(Rhythm):
    """When a digest is due: at most once a day. Written as ``Rhythm``, without intervals."""

    __slots__ = ()
    schema_format: ClassVar[str] = "schedule"
    example: ClassVar[str] = "daily 08:00"
    _examples: ClassVar[str] = "daily 08:00, weekdays 07:30 or weekly sat 08:00"

    def _checked(self) -> Self:
        checked = super()._checked()
        if checked.startswith("every "):
            _refuse("is more than once a day, and editions are named by their day", self._examples)
        return checked

    @property
    def rule(self) -> period.Schedule:
        """What ``period`` computes with. Once a week makes a weekly digest, whose editions are named by week."""
        from digest import period

        rule = super().rule
        found = rule.once_a_day() if isinstance(rule, period.Cron) else rule
        if not isinstance(found, period.Schedule):
            raise ValueError("is more than once a day, and editions are named by their day")
        return found

    @property
    def longest_gap(self) -> int:
        """Days between two slots, at the most."""
        if self.startswith("cron "):
            from digest import period

            return period.longest_gap(self.rule)
        days = self.days
        return max(later - earlier for earlier, later in zip(days, (*days[1:], days[0] + 7), strict=True))


def _spell_interval(text: str, examples: str) -> str:
    """``every 5 minutes``, ``every hour``, ``hourly``: in minutes."""
    amount = "1 hour" if text == "hourly" else text.removeprefix("every").strip()
    if re.fullmatch(r"[a-z]+", amount):
        amount = f"1 {amount}"
    try:
        length = Duration.parse(amount)
    except ValueError:
        _refuse("is not a schedule", examples)
    minutes, rest = divmod(int(length.total_seconds()), 60)
    if rest or not 1 <= minutes <= 1440:
        _refuse("is not a number of minutes up to a day", examples)
    return f"every {minutes} minutes"


def _spell_days(words: list[str], examples: str) -> str:
    """The days in one spelling, from what stands before the time."""
    if words in ([], ["daily"], ["every", "day"]):
        return "daily"
    if words in (["weekdays"], ["weekends"]):
        return words[0]
    weekly, names = words[0] in ("weekly", "every"), words[1:] if words[0] in ("weekly", "every") else words
    numbers = [_day_number(name) for name in names]
    if None in numbers or not numbers or (weekly and len(numbers) != 1):
        _refuse("is not a schedule", examples)
    if len(set(numbers)) != len(numbers):
        _refuse("names a day twice", "mon wed fri 18:00")
    if len(numbers) == 7:
        return "daily"
    days = " ".join(day for number, day in enumerate(DAYS) if number in numbers)
    return f"weekly {days}" if len(numbers) == 1 else days


def _day_number(name: str) -> int | None:
    """``sat``, ``saturday`` and ``saturdays`` are 5."""
    for number, full in enumerate(_DAY_NAMES):
        if len(name) >= 3 and (full.startswith(name) or name == f"{full}s"):
            return number
    return None


# -------------------------------------------------------------------- mail


class Mailbox(str):
    """Exactly one address, with or without a name: ``早报 <digest@example.com>`` (RFC 5322 section 3.4)."""

    __slots__ = ()
    schema_format: ClassVar[str] = "mailbox"
    example: ClassVar[str] = "Daily News <digest@example.com>"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        if "@" not in text:
            _refuse("is not a mail address", cls.example)
        match = re.fullmatch(_MAILBOX, text)
        if match is None:
            several = re.search(r"@.*[,;].*@", re.sub(r'"([^"\\]|\\.)*"', "", text))
            what = "is more than one address" if several else "is not one mail address with or without a name"
            _refuse(what, cls.example)
        quoted, plain, inside, bare = match.groups()
        name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (plain or "")
        address = _mail_address(inside or bare, cls.example)
        return cls(f"{' '.join(name.split())} <{address}>" if name.strip() else address)

    @property
    def name(self) -> str:
        """Display name, not encoded; may be empty."""
        return self.rpartition(" <")[0]

    @property
    def address(self) -> str:
        """``local@domain``; the domain in lower case and ASCII."""
        return self.rpartition(" <")[2].removesuffix(">")

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


_MAILBOX = r'(?:"((?:[^"\\]|\\.)*)"\s*|([^<>"@]*))<\s*([^<>\s]+)\s*>|([^<>\s",;:()]+)'
_ATOM = r"[^\s\x00-\x20\x7f-\xa0()<>@,;:\\\".\[\]]+"  # RFC 5322 section 3.2.3, and RFC 6531 beyond ASCII


def _mail_address(text: str, example: str) -> str:
    local, _, domain = text.rpartition("@")
    if not re.fullmatch(rf"{_ATOM}(\.{_ATOM})*", local) or len(local.encode()) > 64 or _has_zero_width(local):
        _refuse("has no valid mail address", example)
    if domain.startswith("[") or re.fullmatch(r"[\d.]+", domain):
        _refuse("has a mail address with a number for its host", example)
    try:
        address = f"{local}@{_ascii_host(domain, example)}"
    except ValueError:
        _refuse("has a mail address without a valid host name", example)
    if len(address.encode()) > 254:
        _refuse("has a mail address of more than 254 characters", example)
    return address


class Mailboxes(tuple[Mailbox, ...]):
    """Addresses: one as text, or a list of them; none twice."""

    __slots__ = ()
    schema_format: ClassVar[str] = "mailboxes"
    example: ClassVar[str] = "[reader@example.com]"

    @classmethod
    def parse(cls, value: object) -> Self:
        items = value if isinstance(value, list) else [value]
        found = []
        for number, item in enumerate(items, 1):
            try:
                found.append(Mailbox.parse(item))
            except ValueError as error:
                raise ValueError(str(error) if len(items) == 1 else f"entry {number} {error}") from error
        addresses = [box.address.lower() for box in found]
        twice = next((address for address in addresses if addresses.count(address) > 1), None)
        if twice is not None:
            raise ValueError(f"names {twice} twice; leave one out")
        return cls(found)


class Size(int):
    """A number of bytes: ``2 MB``, ``768 KB`` (1 KB is 1,024 bytes), ``74000``."""

    schema_format: ClassVar[str] = "size"
    example: ClassVar[str] = "768 KB"
    most: ClassVar[int] = 2**40

    @classmethod
    def parse(cls, value: object) -> Self:
        size = value if isinstance(value, int) and not isinstance(value, bool) else _bytes(value, cls.example)
        if not 0 < size <= cls.most:
            _refuse(f"is not a size between 1 and {cls.most} bytes", cls.example)
        return cls(size)


class MailSize(Size):
    """What a mail's HTML may weigh; more, and large providers cut the message off."""

    schema_format: ClassVar[str] = "mail-size"
    example: ClassVar[str] = "74000"
    most: ClassVar[int] = 74_000


def _bytes(value: object, example: str) -> int:
    text = as_text(value, example)
    match = re.fullmatch(
        r"(\d{1,12}|\d{1,9}\.\d{1,3}(?=\s*[kmg]))\s*(|b|bytes?|k|kb|kib|m|mb|mib|g|gb|gib)", text.lower(), re.ASCII
    )
    if match is None:
        _refuse("is not a size in bytes", example)
    return int(float(match[1]) * {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[match[2][:1]])


class Rate(float):
    """How many a second: ``10``, ``0.5``, ``10/s``, ``30/min``, ``500/h``."""

    schema_format: ClassVar[str] = "rate"
    example: ClassVar[str] = "10/s"
    most: ClassVar[float] = 100_000
    least: ClassVar[float] = 1 / 3600

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, int | float) and not isinstance(value, bool):
            rate = float(value)
        else:
            match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(?:/\s*([a-z]+))?", as_text(value, cls.example).lower())
            unit = match[2] or "s" if match is not None else ""
            if match is None or unit not in _SECONDS:
                _refuse("is not a number of mails a second", f"{cls.example}, 0.5 or 30/min")
            rate = float(match[1]) / _SECONDS[unit]
        if not 0 < rate <= cls.most:
            _refuse(f"is not more than 0 and at most {cls.most:g} a second", cls.example)
        if rate < cls.least:
            _refuse("is less than one an hour", "1/h")
        return cls(rate)


# ------------------------------------------------------------------- words


class LanguageTag(str):
    """A language by BCP 47, in its usual spelling: ``zh-CN``, ``en``, ``zh-Hant-TW``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "language-tag"
    example: ClassVar[str] = "zh-CN"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, cls.example)
        if "_" in text:
            _refuse("has an underscore", _spell_tag(text.partition(".")[0].replace("_", "-")))
        if not re.fullmatch(
            r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-([A-Za-z\d]{5,8}|\d[A-Za-z\d]{3}))*"
            r"(-[A-WYZa-wyz\d](-[A-Za-z\d]{2,8})+)*(-[Xx](-[A-Za-z\d]{1,8})+)?",
            text,
            re.ASCII,
        ):
            _refuse("is not a language tag", "zh-CN, en or de-AT")
        return cls(_spell_tag(text))


def _spell_tag(text: str) -> str:
    """Case as RFC 5646 section 2.1.1 recommends it."""
    spelled: list[str] = []
    for part in text.lower().split("-"):
        after_singleton = any(len(earlier) == 1 for earlier in spelled)
        case = {2: part.upper(), 4: part.title()} if spelled and not after_singleton else {}
        spelled.append(case.get(len(part), part))
    return "-".join(spelled)


PERMALINK_STYLES = ("date", "pretty", "ordinal", "weekdate", "none")


class Permalink(str):
    """How a post's address is made: the name of a Jekyll style, or a template such as ``/:year/:title/``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "permalink"
    example: ClassVar[str] = "/:categories/:year/:month/:day/:title.html"

    @classmethod
    def parse(cls, value: object) -> Self:
        text = as_text(value, f"date, or {cls.example}")
        if text not in PERMALINK_STYLES and not re.search(":[a-z]", text):
            _refuse(f"is neither one of {', '.join(PERMALINK_STYLES)} nor a template", cls.example)
        if re.search(r"[\s?#\\]|://", text):
            _refuse("holds a character that the path of an address cannot have", cls.example)
        return cls(text)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that a template asks for: ``:title_`` is ``title`` followed by an underscore."""
        return tuple(name.removesuffix("_") for name in re.findall(r":([a-z]\w*)", self))


# ------------------------------------------------------------------- looks


class Colour(str):
    """A colour in hexadecimals as CSS has them, with or without ``#``, in the spelling ``#rrggbb``.
    One of which no shade could be read is refused."""

    __slots__ = ()
    schema_format: ClassVar[str] = "hex-colour"
    example: ClassVar[str] = "0b5a7a"

    @classmethod
    def parse(cls, value: object) -> Self:
        from digest.theme import palettes  # late: most configurations name no colour

        if value is None:  # YAML takes what follows a # for a remark
            _refuse("is empty, for # begins a remark unless it is quoted", cls.example)
        text = as_text(value, cls.example).lower().removeprefix("#")
        if not re.fullmatch(r"[0-9a-f]{3}|[0-9a-f]{6}", text, re.ASCII):
            _refuse("is no colour of three or six hexadecimals", cls.example)
        colour = cls("#" + (text if len(text) == 6 else "".join(2 * digit for digit in text)))
        try:
            palettes(colour)
        except ValueError:
            _refuse("has no shade that could be read on white and on black", cls.example)
        return colour


class FontFamilies(str):
    """Names of typefaces as CSS lists them: ``Georgia, "Noto Serif"``."""

    __slots__ = ()
    schema_format: ClassVar[str] = "font-families"
    example: ClassVar[str] = "Georgia, Noto Serif SC"

    @classmethod
    def parse(cls, value: object) -> Self:
        names = [name.strip().strip("\"'").strip() for name in as_text(value, cls.example).split(",")]
        if not all(re.fullmatch(r"[^\W_][\w -]{0,59}", name) for name in names):
            _refuse("is no list of typefaces with commas between them", cls.example)
        return cls(",".join(name if name.isidentifier() and name.isascii() else f'"{name}"' for name in names))


# ---------------------------------------------------------------- registry


class Kind(Protocol):
    """What all classes above have in common."""

    schema_format: ClassVar[str]
    example: ClassVar[str]

    @classmethod
    def parse(cls, value: object) -> object: ...


_KINDS: tuple[type[Kind], ...] = (
    Url,
    SiteUrl,
    Host,
    Network,
    StoreUrl,
    Destination,
    Duration,
    Pause,
    Dates,
    Rhythm,
    DigestRhythm,
    Mailbox,
    Mailboxes,
    Size,
    MailSize,
    Rate,
    LanguageTag,
    Permalink,
    Colour,
    FontFamilies,
)
PARSERS: dict[type, Callable[[object], object]] = {
    Path: parse_path,
    ZoneInfo: parse_zone,
    **{kind: kind.parse for kind in _KINDS},
}
"""How to read a value of each kind. Raises ValueError."""
FORMATS: dict[type, str] = {Path: "path", ZoneInfo: "time-zone", **{kind: kind.schema_format for kind in _KINDS}}
"""Name of each kind in the JSON Schema (``format``)."""


def decode(kind: type, value: object) -> object:
    """``dec_hook`` for msgspec."""
    return PARSERS[kind](value)
