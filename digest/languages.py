"""The site's language: message catalogues and dates.

A language is a folder ``digest/locales/LOCALE`` of gettext ``.po`` files, read as they are, so that adding a
language is adding a folder. All files of a folder are joined. English is what the sources are written in.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache, cached_property
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import ConfigError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from babel import Locale

Messages = dict[str, "str | tuple[str, ...]"]
"""Texts by what stands in the sources; several forms for what is counted."""

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr(?:\[[0-5]\])?) )?("(?:[^"\\\x00-\x1f]|\\["\\nt])*")')
_PLURALS: tuple[str, ...] = ("zero", "one", "two", "few", "many", "other")


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

    def __init__(self, tag: str) -> None:
        self.tag = tag

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale, UnknownLocaleError

        try:
            return Locale.parse(self.tag, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise ConfigError("site.language", f"unknown language {self.tag!r}", "for example zh-CN") from error

    @cached_property
    def _messages(self) -> Messages:
        return _catalogue(self._locale.language, self._locale.territory, self._locale.script)

    @cached_property
    def direction(self) -> str:
        return self._locale.text_direction

    def text(self, message: str, **values: object) -> str:
        found = self._messages.get(message, message)
        return _fill(found if isinstance(found, str) else found[0], values)

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        found = self._messages.get(one, (one, many))
        forms = (found,) if isinstance(found, str) else found
        return _fill(forms[_form(self._locale, count, len(forms))], {"count": self.number(count), **values})

    def day(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("EEEE d MMMM"), locale=self._locale)

    def long_day(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("EEEE d MMMM y"), locale=self._locale)

    def month(self, moment: datetime) -> str:
        from babel.dates import format_date

        return format_date(moment, self.text("LLLL y"), locale=self._locale)

    def time(self, moment: datetime) -> str:
        from babel.dates import format_time

        return format_time(moment, "HH:mm", locale=self._locale, tzinfo=moment.tzinfo)

    def number(self, value: int) -> str:
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self._locale)


def _fill(message: str, values: dict[str, object]) -> str:
    return message.format_map(values) if values else message


def _form(locale: Locale, count: int, forms: int) -> int:
    """Which of a catalogue's plural forms a number takes; catalogues list them in CLDR order."""
    used = locale.plural_form.tags | {"other"}
    order = [tag for tag in _PLURALS if tag in used]
    return min(order.index(locale.plural_form(count)), forms - 1)


@cache
def _catalogue(language: str, territory: str | None, script: str | None) -> Messages:
    messages: Messages = {}
    for folder in _folders(language, territory, script):
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.name.endswith(".po"):
                data = entry.read_bytes()
                plain = read_plain(data.decode())
                messages.update(read_any(data) if plain is None else plain)
    return messages


def read_any(data: bytes) -> Messages:
    """A catalogue as Babel reads it, which knows everything that gettext has. To load it for that and to let it read
    takes longer than to make all pages."""
    from babel.messages.pofile import read_po

    messages: Messages = {}
    for message in read_po(BytesIO(data), abort_invalid=True):
        if message.id and message.string and any(message.string):
            key = message.id if isinstance(message.id, str) else message.id[0]
            messages[key] = message.string if isinstance(message.string, str) else tuple(message.string)
    return messages


def read_plain(text: str) -> Messages | None:
    """The same for a catalogue that has texts, plurals and comments, and nothing else: no context, nothing that
    is doubtful or obsolete. None if it has."""
    messages: Messages = {}
    for paragraph in text.split("\n\n"):
        parts: dict[str, str] = {}
        field = ""
        for line in paragraph.splitlines():
            if line.startswith("#") and not line.startswith("#~") and "fuzzy" not in line:
                continue
            found = _LINE.fullmatch(line)
            if found is None or found[1] in parts:
                return None
            field = found[1] or field
            parts[field] = parts.get(field, "") + json.loads(found[2])
        if "" in parts or bool(parts) != ("msgid" in parts):
            return None
        forms = tuple([string for name, string in parts.items() if name.startswith("msgstr")])
        if parts.get("msgid") and any(forms):
            messages[parts["msgid"]] = forms if "msgid_plural" in parts else forms[0]
    return messages


def _folders(language: str, territory: str | None, script: str | None) -> list[Traversable]:
    """From general to particular, so that the particular wins."""
    names = [language, *(f"{language}_{part}" for part in (script, territory) if part)]
    from importlib.resources import files  # late: every command reads this module, few have something to say

    root = files("digest") / "locales"
    return [root / name for name in names if (root / name).is_dir()]
