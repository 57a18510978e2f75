"""The site's language: message catalogues and dates.

A language is a gettext file ``digest/locales/LOCALE.po``, so that adding a language is adding a file. English is what
the sources are written in. Dates are written as Unicode CLDR has them (UTS 35), whose data Babel brings.

Babel compiles a file when the first text is asked for. To load Babel for that takes longer than to make all pages, so
what it made is kept in the user's cache for as long as the file stays the same; where that cannot be written, it is
made again by each process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import ConfigError

if TYPE_CHECKING:
    from gettext import NullTranslations

    from babel import Locale


ENGLISH = "en"


_LOCALES = Path(__file__).parent / "locales"


def is_known(tag: str) -> bool:
    """Whether Babel has dates and numbers of a language (BCP 47). Asks for its file, since importing it takes long."""
    babel = find_spec("babel")
    assert babel is not None, "it is installed with the program"
    assert babel.origin is not None, "it is a package of files"
    return (Path(babel.origin).parent / "locale-data" / f"{tag.partition('-')[0].lower()}.dat").is_file()


def is_translated(tag: str) -> bool:
    """Whether the program has texts in a language (BCP 47), or in a near one: Swiss German is German. Looks for files
    only, since every run asks."""
    language = tag.partition("-")[0].lower()
    return language == ENGLISH or any(name.partition("_")[0] == language for name in _shipped())


def what_is_missing(tag: str) -> str:
    """For the operator: that the program has no texts in the site's language, and what to do; empty if it has."""
    if is_translated(tag):
        return ""
    return (
        f"site.language: there are no texts in {tag} yet, so pages, mails and their dates are in English; "
        "docs/translate.md tells how to add them, in one file"
    )


class CatalogueLanguage:
    """Texts, dates and numbers of one locale. Satisfies ``ports.Language``.

    A language without a catalogue is not spoken: then all that the program says is English, its dates, numbers and
    plurals too, and pages say so of themselves. Locale and catalogue are loaded when the first text is asked for, since
    most runs have nothing to say; every method raises ConfigError if the language is unknown.
    """

    def __init__(self, tag: str, catalogue: Sequence[bytes] | None = None) -> None:
        """``catalogue`` is one that was frozen; without one it is that of the program."""
        self.tag = tag
        self._frozen = catalogue

    @cached_property
    def _own(self) -> Locale:
        return _parsed(self.tag)

    @cached_property
    def _locale(self) -> Locale:
        """Of the texts."""
        from babel import Locale

        return self._own if self.catalogue or self._own.language == ENGLISH else Locale(ENGLISH)

    @property
    def spoken(self) -> str:
        return self.tag if self._locale is self._own else ENGLISH

    @cached_property
    def catalogue(self) -> tuple[bytes, ...]:
        return self._shipped if self._frozen is None else tuple(self._frozen)

    @property
    def _shipped(self) -> tuple[bytes, ...]:
        return _catalogue(self._own.language, self._own.territory, _script(self._own))

    @property
    def _known_now(self) -> tuple[bytes, ...]:
        """What the program says by now, behind what was frozen, which knows nothing of words that are newer."""
        return self._shipped if self._frozen else ()

    @cached_property
    def _messages(self) -> NullTranslations:
        """Each file is asked where those after it have no answer."""
        from gettext import GNUTranslations, NullTranslations

        found = NullTranslations()
        for compiled in map(BytesIO, (*self._known_now, *self.catalogue)):
            catalogue = GNUTranslations(compiled)
            catalogue.add_fallback(found)
            found = catalogue
        return found

    @property
    def direction(self) -> str:
        return self._locale.text_direction

    def direction_of(self, tag: str) -> str:
        return _direction(tag)

    def text(self, message: str, **values: object) -> str:
        return _fill(self._messages.gettext(message), values)

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        return _fill(self._messages.ngettext(one, many, count), {"count": self.number(count), **values})

    def day(self, moment: datetime) -> str:
        return self._date(moment, "MMMMEEEEd")

    def long_day(self, moment: datetime) -> str:
        return self._date(moment, "yMMMMEEEEd")

    def short_day(self, moment: datetime, *, with_year: bool) -> str:
        return self._date(moment, "yMMMMd" if with_year else "MMMMd")

    def days(self, first: datetime, last: datetime, *, with_year: bool) -> str:
        from babel.dates import format_date

        field = "y" if first.year != last.year else "M" if first.month != last.month else "d"
        patterns = _interval(self._locale, "yMMMMd" if with_year else "MMMMd", field)
        if patterns is None:
            both = (self.short_day(moment, with_year=with_year) for moment in (first, last))
            return str(self._locale.interval_formats[None].format(*both))
        return "".join(
            format_date(moment, pattern, locale=self._locale)
            for moment, pattern in zip((first, last), patterns, strict=True)
        )

    def weekday(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, "ccc", locale=self._locale)

    def month(self, moment: datetime) -> str:
        return self._date(moment, "yMMMM")

    def time(self, moment: datetime) -> str:
        from babel.dates import format_time

        return format_time(moment, _pattern(self._locale, "Hm"), locale=self._locale, tzinfo=moment.tzinfo)

    def _date(self, moment: datetime, skeleton: str) -> str:
        from babel.dates import format_date

        return format_date(moment, _pattern(self._locale, skeleton), locale=self._locale)

    def number(self, value: int) -> str:
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self._locale)

    def own_name(self, tag: str) -> str:
        from babel import Locale, UnknownLocaleError

        try:
            return Locale.parse(tag, sep="-").get_display_name() or tag
        except (UnknownLocaleError, ValueError):
            return tag


def _fill(message: str, values: dict[str, object]) -> str:
    return message.format_map(values) if values else message


def _parsed(tag: str) -> Locale:
    """What CLDR knows of a language, without the region if it knows nothing of that."""
    from babel import Locale, UnknownLocaleError

    known = tag
    while known:
        try:
            return Locale.parse(known, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            known = known.rpartition("-")[0]
    raise ConfigError("site.language", f"unknown language {tag!r}", "for example zh-CN")


def _script(locale: Locale) -> str | None:
    """The one that is named, else the usual one of the language in its region (UTS 35, likely subtags)."""
    from babel import Locale
    from babel.core import get_global

    likely = get_global("likely_subtags")
    if locale.script is None:
        names = (f"{locale.language}_{locale.territory}", locale.language)
        found = next((likely[name] for name in names if name in likely), None)
        return Locale.parse(found).script if found else None
    return locale.script


@cache
def _direction(tag: str) -> str:
    try:
        return _parsed(tag).text_direction
    except ConfigError:
        return "ltr"


@cache
def _shipped() -> tuple[str, ...]:
    """The locales that there are catalogues of."""
    return tuple(sorted(path.stem for path in _LOCALES.glob("*.po")))


@cache
def _catalogue(language: str, territory: str | None, script: str | None) -> tuple[bytes, ...]:
    """The files of a language in that script, compiled; the nearer after the farther."""
    from babel import Locale

    found = []
    for name in _shipped():
        locale = Locale.parse(name) if name.partition("_")[0] == language else None
        if locale is not None and _script(locale) == script:
            nearness = (locale.territory == territory, locale.territory is None)
            found.append((nearness, name))
    return tuple(_compiled((_LOCALES / f"{name}.po").read_bytes(), name) for _, name in sorted(found))


@cache
def _pattern(locale: Locale, skeleton: str) -> str:
    """The pattern of a date with these fields, each as long as asked for (UTS 35, matching skeletons)."""
    from babel.dates import match_skeleton

    if skeleton == "yMMMMEEEEd":
        return str(locale.date_formats["full"].pattern)
    found = match_skeleton(skeleton, locale.datetime_skeletons)
    pattern = locale.datetime_skeletons[found or skeleton].pattern
    return "".join(_as_long(piece, skeleton) for piece in re.split(r"('[^']*')", pattern))


@cache
def _interval(locale: Locale, skeleton: str, field: str) -> tuple[str, str] | None:
    """The patterns of its two ends, the greatest field in which they differ being this; None if CLDR has none."""
    from babel.dates import match_skeleton

    found = match_skeleton(skeleton, locale.interval_formats)
    patterns = locale.interval_formats[found].get(field) if found else None
    if not patterns:
        return None
    first, last = (
        "".join(_as_long(piece, skeleton) for piece in re.split(r"('[^']*')", pattern)) for pattern in patterns
    )
    return first, last


def _as_long(pattern: str, skeleton: str) -> str:
    """Names of months and days in the length that the skeleton has; numbers and quoted words stay as they are."""
    if pattern.startswith("'"):
        return pattern
    month, weekday = skeleton.count("M"), skeleton.count("E")
    if month > 2:
        pattern = re.sub(r"([ML])\1\1+", lambda found: found[1] * month, pattern)
    return re.sub(r"([Ec])\1*", lambda found: found[1] * weekday, pattern) if weekday else pattern


def _compiled(po: bytes, locale: str) -> bytes:
    """A ``.po`` file, as it was compiled before or by Babel now."""
    from gettext import GNUTranslations
    from hashlib import sha256
    from struct import error as TooShort  # noqa: N812 - its name is error

    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - needs no home
    kept = Path(caches, "digest", f"{locale}-{sha256(po).hexdigest()[:32]}.mo")
    with suppress(OSError, ValueError, TooShort):  # not there, or damaged
        mo = kept.read_bytes()
        GNUTranslations(BytesIO(mo))
        return mo
    mo = _compile(po, locale)
    if kept.is_absolute():
        with suppress(OSError):
            _keep(kept, mo)
    return mo


def _compile(po: bytes, locale: str) -> bytes:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    mo = BytesIO()
    catalogue = read_po(BytesIO(po), locale, abort_invalid=True)
    catalogue.creation_date = datetime.fromtimestamp(0, UTC)  # else now: the same file is to give the same bytes
    write_mo(mo, catalogue)
    return mo.getvalue()


def _keep(path: Path, data: bytes) -> None:
    """In place in one step: others read it meanwhile."""
    from tempfile import TemporaryDirectory

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, path.name)
        made.write_bytes(data)
        made.replace(path)
