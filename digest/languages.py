"""The site's language: message catalogues and dates.

A language is a folder ``digest/locales/LOCALE`` of gettext ``.po`` files, so that adding a language is adding a folder.
English is what the sources are written in.

Babel compiles a file when the first text is asked for. To load Babel for that takes longer than to make all pages, so
what it made is kept in the user's cache for as long as the file stays the same; where that cannot be written, it is
made again by each process.
"""

from __future__ import annotations

import os
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


def is_known(tag: str) -> bool:
    """Whether Babel has dates and numbers of a language (BCP 47). Asks for its file, since importing it takes long."""
    babel = find_spec("babel")
    assert babel is not None, "it is installed with the program"
    assert babel.origin is not None, "it is a package of files"
    return (Path(babel.origin).parent / "locale-data" / f"{tag.partition('-')[0].lower()}.dat").is_file()


class CatalogueLanguage:
    """Texts, dates and numbers of one locale. Satisfies ``ports.Language``.

    Locale and catalogue are loaded when the first text is asked for, since most runs have nothing to say; every
    method raises ConfigError if the language is unknown.
    """

    def __init__(self, tag: str, catalogue: Sequence[bytes] | None = None) -> None:
        """``catalogue`` is one that was frozen; without one it is that of the program."""
        self.tag = tag
        self._frozen = catalogue

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale, UnknownLocaleError

        try:
            return Locale.parse(self.tag, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise ConfigError("site.language", f"unknown language {self.tag!r}", "for example zh-CN") from error

    @cached_property
    def catalogue(self) -> tuple[bytes, ...]:
        if self._frozen is not None:
            return tuple(self._frozen)
        return _catalogue(self._locale.language, self._locale.territory, self._locale.script)

    @property
    def _known_now(self) -> tuple[bytes, ...]:
        """What the program says by now, behind what was frozen, which knows nothing of words that are newer."""
        if self._frozen is None:
            return ()
        return _catalogue(self._locale.language, self._locale.territory, self._locale.script)

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

    @cached_property
    def direction(self) -> str:
        return self._locale.text_direction

    def text(self, message: str, **values: object) -> str:
        return _fill(self._messages.gettext(message), values)

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        return _fill(self._messages.ngettext(one, many, count), {"count": self.number(count), **values})

    def day(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("EEEE d MMMM"), locale=self._locale)

    def long_day(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("EEEE d MMMM y"), locale=self._locale)

    def short_day(self, moment: datetime, *, with_year: bool) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("d MMMM y" if with_year else "d MMMM"), locale=self._locale)

    def weekday(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, "EEE", locale=self._locale)

    def month(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("LLLL y"), locale=self._locale)

    def time(self, moment: datetime) -> str:
        from babel.dates import format_time

        return format_time(moment, "HH:mm", locale=self._locale, tzinfo=moment.tzinfo)

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


@cache
def _catalogue(language: str, territory: str | None, script: str | None) -> tuple[bytes, ...]:
    """The files of a language, compiled; the particular after the general."""
    from importlib.resources import files  # late, as all here: every command reads this module, few have to say a word

    found = []
    for name in (language, *(f"{language}_{part}" for part in (script, territory) if part)):
        folder = files("digest") / "locales" / name
        entries = sorted(folder.iterdir(), key=lambda each: each.name) if folder.is_dir() else ()
        found += [_compiled(entry.read_bytes(), name) for entry in entries if entry.name.endswith(".po")]
    return tuple(found)


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
