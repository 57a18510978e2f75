"""Catalogues say all that readers see, and nothing that readers see stands outside of them."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel import Locale
from babel.messages import Catalog
from jinja2 import nodes

from tests.messages import ROOT, catalogues, messages, read, renew, translations, untranslated, written

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
    for source, targets in translations(read(FILES[name])).items():
        wanted = sorted(placeholders(source if isinstance(source, str) else source[-1]))
        right = [wanted] if isinstance(source, str) else [wanted, sorted(set(wanted) - {"count"})]
        assert all(sorted(placeholders(target)) in right for target in targets), source


def placeholders(text: str) -> list[str]:
    return re.findall(r"{(.*?)}", text)


@each_catalogue
def test_plural_forms_are_those_of_the_language(name: str) -> None:
    """Two numbers have different forms if and only if CLDR tells them apart (millions aside, which some languages have
    a form of their own for)."""
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
    for source, targets in translations(read(FILES[name])).items():
        assert source == ", " or all(target == target.strip() for target in targets), source


def test_renewing_keeps_what_is_known_and_drops_what_is_gone() -> None:
    """A text that changed is a new one."""
    known = Catalog(locale="de", fuzzy=False)
    known.add("stays", "bleibt")
    known.add("goes", "geht")
    renew(known, {"new": ["b.html"], "stays": ["a.html"]})
    assert [(message.id, message.string) for message in known if message.id] == [("new", None), ("stays", "bleibt")]
    assert untranslated(known) == ["new"]
    assert b"geht" not in written("de", known)


# ------------------------------------------------------- what is not marked

OPERATORS = ("status/alarm.",)
"""Templates of mails to the operator, who is told of alarms in English."""
NAMES = {"OPML", "Atom"}
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
    for block in tree.find_all(nodes.Block):
        if block.name == "style":
            block.body = []
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


READERS = ("digest/render/", "digest/web/pages.py", "digest/web/status.py", "digest/jobs/monitoring/page.py")
"""Code that words what readers see."""
NOT_FOR_READERS = ("digest/render/alarm.py", "digest/render/tongues.py")
"""What is for the operator, and names of languages."""
MARKS = {"text", "plural", "deferred"}
PROSE = re.compile(r"^[^<>=/]*([A-Z][a-z]+ [a-z]+|[a-z]{2,} [a-z]{2,} [a-z]{2,})[^<>=/]*$", re.DOTALL)
"""A sentence, or two words with a capital; no markup."""


def prose(source: str) -> list[str]:
    """Strings that read like English, and are neither marked, nor documentation, nor part of an error or of a warning
    to the operator."""
    tree = ast.parse(source)
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        is_mark = getattr(called, "attr", getattr(called, "id", "")) in MARKS
        is_words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_warning = isinstance(node, ast.FunctionDef) and node.name.endswith("_warning")
        if is_mark or is_words or is_warning or isinstance(node, ast.Raise):
            quiet.update(ast.walk(node))
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in quiet)
    return [node.value for node in strings if isinstance(node.value, str) and PROSE.search(node.value)]


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
    assert prose(path.read_text()) == []


def test_prose_that_is_not_marked_is_found() -> None:
    """A sentence, two words, a part of an f-string; not what only looks like one."""
    assert prose('values = {"title": "All posts", "a": language.text("Marked words")}') == ["All posts"]
    assert prose('"""Documentation of it."""\nx = f"{n} more posts to read"') == [" more posts to read"]
    assert prose('raise ValueError("This is an error")\nx = deferred("Some words")\ny = "<a rel=\'Some words\'>"') == []
