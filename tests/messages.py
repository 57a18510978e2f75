"""The texts that readers see, as templates and code have them, and how catalogues are brought up to them.

``python -m tests.messages`` (``make messages``) adds what is new to every file of ``digest/locales``, with an empty
``msgstr``, and takes out what is used no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
LOCALES = ROOT / "digest" / "locales"
_TEMPLATES = ROOT / "templates"
_CODE = ROOT / "digest"
_KEYWORDS = {"_": None, "text": None, "deferred": None, "plural": (1, 2)}
_OPTIONS = {"trimmed": "false", "silent": "false"}
_SAYS = re.compile(rb"\b(text|plural|deferred)[(]")
Message = str | tuple[str, ...]


def messages() -> dict[Message, list[str]]:
    """Each text with the files it is in, in the order of those."""
    found: dict[Message, list[str]] = {}
    for path, name, method in _sources():
        with path.open("rb") as file:
            for _, message, _, _ in extract(method, file, keywords=_KEYWORDS, options=_OPTIONS):
                places = found.setdefault(message, [])
                if name not in places:
                    places.append(name)
    return found


def _sources() -> Iterator[tuple[Path, str, str]]:
    for path in sorted(_TEMPLATES.rglob("*")):
        if path.suffix in (".html", ".txt"):
            yield path, path.relative_to(_TEMPLATES).as_posix(), "jinja2.ext:babel_extract"
    for path in sorted(_CODE.rglob("*.py")):
        if _SAYS.search(path.read_bytes()):
            yield path, path.relative_to(ROOT).as_posix(), "python"


def catalogues() -> dict[str, Path]:
    """The file of each locale."""
    return {path.stem: path for path in sorted(LOCALES.glob("*.po"))}


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, path.stem, abort_invalid=True)


def renew(known: Catalog, wanted: dict[Message, list[str]]) -> None:
    """Give a catalogue the texts that are wanted, in their order; what was known of them stays."""
    template = Catalog(fuzzy=False)
    for message, places in wanted.items():
        template.add(message, locations=[(place, 1) for place in places])
    known.update(template, no_fuzzy_matching=True, keep_user_comments=True)
    known.obsolete.clear()


def written(name: str, catalogue: Catalog) -> bytes:
    """The file of a locale's catalogue, without anything that changes from day to day."""
    body = BytesIO()
    write_po(body, catalogue, width=118, omit_header=True, include_lineno=False)
    header = (
        f"# {Locale.parse(name).english_name}\n"
        'msgid ""\nmsgstr ""\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n'
        f'"Language: {name}\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return header.encode() + body.getvalue().lstrip()


def untranslated(catalogue: Catalog) -> list[Message]:
    """Texts that lack a translation, or one of its plural forms."""
    return [source for source, targets in translations(catalogue).items() if not all(targets)]


def translations(catalogue: Catalog) -> dict[Message, tuple[str, ...]]:
    """Each text with its translation, or the forms of its plural; what is not translated is empty."""
    return {
        source if isinstance(source := message.id, str) else tuple(source): (
            tuple(message.string) if isinstance(message.string, list | tuple) else (message.string or "",)
        )
        for message in catalogue
        if message.id
    }


def main() -> None:
    wanted = messages()
    for name, path in catalogues().items():
        catalogue = read(path)
        renew(catalogue, wanted)
        path.write_bytes(written(name, catalogue))
        print(f"{name}: {len(catalogue)} texts, {len(untranslated(catalogue))} to translate")


if __name__ == "__main__":
    main()
