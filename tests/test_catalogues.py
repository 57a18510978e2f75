"""Catalogues say all that readers see, and nothing that readers see stands outside of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel import Locale
from babel.messages import Catalog
from jinja2 import nodes

from tests.messages import ROOT, catalogues, messages, read, renew, untranslated, written

WANTED = messages()
FILES = catalogues()
each_catalogue = pytest.mark.parametrize("name", FILES)


def test_the_languages_that_are_promised() -> None:
    """Besides English, which the sources are written in."""
    assert {"ar", "de", "es", "fr", "ja", "ko", "zh_CN", "zh_TW"} <= FILES.keys()


@each_catalogue
def test_a_catalogue_has_every_text_and_no_other(name: str) -> None:
    """``make messages`` brings new texts into all of them, and takes out what is said no more."""
    catalogue = read(FILES[name])
    ids = {message.id: message for message in catalogue if message.id}
    assert ids.keys() == WANTED.keys(), "run make messages"
    assert not untranslated(catalogue)
    assert not [each for each, message in ids.items() if message.fuzzy]
    renew(catalogue, WANTED)
    assert FILES[name].read_bytes() == written(name, catalogue), "run make messages"


@each_catalogue
def test_a_translation_has_the_placeholders_of_its_text(name: str) -> None:
    """No other ones, none twice, none missing; a form of a plural need not write its number out."""
    for message in read(FILES[name]):
        sources = message.id if isinstance(message.id, tuple) else (message.id,)
        targets = message.string if isinstance(message.string, tuple) else (message.string,)
        for target in targets if message.id else ():
            found, wanted = sorted(placeholders(target)), sorted(placeholders(sources[-1]))
            assert found in ((wanted, sorted(set(wanted) - {"count"})) if len(sources) > 1 else (wanted,)), message.id


def placeholders(text: str) -> list[str]:
    return re.findall(r"{(.*?)}", text)


@each_catalogue
def test_plural_forms_are_those_of_the_language(name: str) -> None:
    """Two numbers have different forms if and only if CLDR tells them apart (millions aside, which need a form of their own
    in some languages)."""
    catalogue, locale = read(FILES[name]), Locale.parse(name)
    rule = re.sub(r"([^?:]+)\?([^?:]+):", r"\2 if \1 else ", catalogue.plural_expr.strip("()"))
    rule = rule.replace("&&", " and ").replace("||", " or ")
    forms: dict[str, set[int]] = {}
    for number in range(1200):
        forms.setdefault(locale.plural_form(number), set()).add(int(eval(rule, {"n": number})))
    assert all(len(indexes) == 1 for indexes in forms.values()), forms
    assert len(set.union(*forms.values())) == len(forms) == catalogue.num_plurals


@each_catalogue
def test_a_translation_keeps_the_blanks_at_the_ends(name: str) -> None:
    """No text begins or ends with one, but the comma of lists, which has none in Chinese and Japanese."""
    for message in read(FILES[name]):
        if message.id and message.id != ", ":
            for target in message.string if isinstance(message.string, tuple) else (message.string,):
                assert target == target.strip(), message.id


def test_renewing_keeps_what_is_known_and_drops_what_is_gone() -> None:
    """A text that changed is a new one."""
    known = Catalog(locale="de", fuzzy=False)
    known.add("stays", "bleibt")
    known.add("goes", "geht")
    renew(known, {"new": ["b.html"], "stays": ["a.html"]})
    assert [(message.id, message.string) for message in known if message.id] == [("new", ""), ("stays", "bleibt")]
    assert untranslated(known) == ["new"]
    assert b"geht" not in written("de", known)


# ------------------------------------------------------- what is not marked

OPERATORS = ("status/",)
"""Templates for the operator, who is told everything in English."""
NAMES = {"OPML"}
"""The same in every language."""
TOLD_ATTRIBUTES = {"aria-label", "alt", "title", "placeholder", "aria-description", "summary"}


class Told(HTMLParser):
    """Words of a piece of HTML that readers see or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("style", "script")
        self.words += [value for name, value in attrs if name in TOLD_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def told(source: str) -> list[str]:
    """What a template says by itself: its text without what it fills in."""
    tree = jinja2.Environment(autoescape=True).parse(source)
    outputs = (node for output in tree.find_all(nodes.Output) for node in output.nodes)
    raw = "".join(node.data if isinstance(node, nodes.TemplateData) else "0" for node in outputs)
    parser = Told()
    parser.feed(re.sub(r"%%[A-Z]+%%", "0", raw))
    parser.close()
    words = (word for text in parser.words for word in re.findall(r"[^\W\d_]{2,}", text))
    return [word for word in words if word not in NAMES]


@pytest.mark.parametrize(
    "name",
    [
        name
        for path in sorted((ROOT / "templates").rglob("*"))
        if path.suffix in (".html", ".txt")
        and not (name := path.relative_to(ROOT / "templates").as_posix()).startswith(OPERATORS)
    ],
)
def test_templates_say_nothing_that_is_not_marked(name: str) -> None:
    """Neither as text nor in attributes that are read out."""
    assert told((ROOT / "templates" / name).read_text()) == []


def test_what_is_not_marked_is_found() -> None:
    """As text, between tags, in an attribute, in a branch; not in styles, scripts, addresses or what is filled in."""
    assert told('<p>Hello {{ name }}</p><img alt="A picture"><a href="x.html">{{ _("Marked") }}</a>') == [
        "Hello", "picture",
    ]  # fmt: skip
    assert told("{% if a %}<b>Yes</b>{% else %}{{ b }}{% endif %}") == ["Yes"]
    assert told("<style>p { color: red }</style><script>const words = 1;</script>%%LINK%%") == []


READERS = ("digest/render/", "digest/web/pages.py")
"""Code that words what readers see."""
NOT_FOR_READERS = ("digest/render/plots.py", "digest/render/alarm.py")
"""What is for the operator."""
MARKS = {"text", "plural", "deferred"}
PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}|^[A-Z][a-z]{3,}$")


def prose(source: str) -> Iterator[str]:
    """Strings that read like English words and are neither marked, nor documentation, nor part of an error."""
    tree = ast.parse(source)
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree):
        is_mark = isinstance(node, ast.Call) and (
            getattr(node.func, "attr", "") or getattr(node.func, "id", "")
        ) in MARKS
        is_statement = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_mark or is_statement or isinstance(node, ast.Raise):
            quiet.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in quiet:
            if PROSE.search(node.value):
                yield node.value


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((ROOT / "digest").rglob("*.py"))
        if (name := path.relative_to(ROOT).as_posix()).startswith(READERS) and name not in NOT_FOR_READERS
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_code_says_nothing_to_readers_that_is_not_marked(path: Path) -> None:
    """Templates are given texts of the language."""
    assert list(prose(path.read_text())) == []


def test_prose_that_is_not_marked_is_found() -> None:
    """A sentence, a word with a capital, a part of an f-string."""
    assert list(prose('values = {"title": "All posts", "a": language.text("Marked words")}')) == ["All posts"]
    assert list(prose('"""Documentation of it."""\nx = f"{n} more posts"\ny = "Other"')) == [" more posts", "Other"]
    assert list(prose('raise ValueError("this is an error")\nx = deferred("some words")')) == []
