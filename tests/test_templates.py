"""How strict templates are, and how a user's folder overrides them."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.errors import TemplateError
from digest.languages import CatalogueLanguage
from digest.templates import FolderTemplates, FrozenTemplates, packaged_templates


def templates(folder: Path, **files: str) -> FolderTemplates:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return FolderTemplates(CatalogueLanguage("zh-CN"), folder)


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    """Everything but .txt is escaped, whatever its name ends in."""
    found = templates(tmp_path, a_html="{{ x }}", a_xml="{{ x }}", a_txt="{{ x }}")
    assert found.render("a.html", {"x": "<b>&"}) == "&lt;b&gt;&amp;"
    assert found.render("a.xml", {"x": "<b>&"}) == "&lt;b&gt;&amp;"
    assert found.render("a.txt", {"x": "<b>&"}) == "<b>&"


def test_undefined_name_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    """A name that is not given stops the rendering and is named."""
    with pytest.raises(TemplateError, match=r"a\.html:2: 'titel' is undefined"):
        templates(tmp_path, a_html="fine\n{{ titel }}").render("a.html", {})


def test_broken_template_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    """So does a syntax error."""
    with pytest.raises(TemplateError, match=r"a\.html:2: "):
        templates(tmp_path, a_html="fine\n{% if %}").render("a.html", {})


def test_missing_template_is_named(tmp_path: Path) -> None:
    """So does a template that is not there."""
    with pytest.raises(TemplateError, match=r"nowhere\.html: no such template"):
        templates(tmp_path).render("nowhere.html", {})


def test_sources_are_all_that_a_template_names(tmp_path: Path) -> None:
    """By whatever statement, if it is there; who chooses at run time may choose any."""
    found = templates(
        tmp_path,
        a_html="{% extends 'b.html' %}{% import 'c.html' as c %}",
        b_html="{% include 'd.html' ignore missing %}{% include 'a.html' %}",
        c_html="{{ 'fine' }}",
        e_html="{% include choice %}",
    )
    sources = found.sources(["a.html"])
    assert sorted(sources) == ["a.html", "b.html", "c.html"]
    assert {"a.html", "mail/digest.html"} < set(found.sources(["e.html"]))
    assert FrozenTemplates(CatalogueLanguage("zh-CN"), sources).render("c.html", {}) == "fine"
    with pytest.raises(TemplateError, match=r"e\.html: no such template"):
        FrozenTemplates(CatalogueLanguage("zh-CN"), sources).render("e.html", {})


def test_a_template_that_is_not_needed_today_is_read_all_the_same(tmp_path: Path) -> None:
    """An edition is frozen with all that its mail may need, so what is broken in it is told with its place."""
    found = templates(tmp_path, a_html="{% if x %}{% include 'b.html' %}{% endif %}", b_html="fine\n{% if y %}")
    assert found.render("a.html", {"x": False}) == ""
    with pytest.raises(TemplateError, match=r"/b\.html:2: "):
        found.sources(["a.html"])


def test_who_asks_for_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the name as it is written."""
    found = templates(tmp_path, a_html="fine\n{% extends 'shipped/nope.html' %}")
    with pytest.raises(TemplateError, match=r"shipped/nope\.html: no such template; it is asked for in .*/a\.html:2"):
        found.render("a.html", {})


def test_user_folder_wins_file_by_file(tmp_path: Path) -> None:
    """A file in the user's folder replaces the one that comes with the program; the fingerprint tells."""
    name = next(path.relative_to(packaged_templates()) for path in sorted(packaged_templates().rglob("*.html")))
    before = templates(tmp_path).fingerprint()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert templates(tmp_path).render(name.as_posix(), {}) == "mine"
    assert templates(tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "can only concatenate str"),
        ("{{ [1] | sum('x') }}", "has no attribute"),
        ("{{ 'x' | int(base=99) }}{{ '%d' % 'x' }}", "%d format"),
        ("{{ self.again() }}{% block again %}{{ self.again() }}{% endblock %}", "recursion"),
    ],
)
def test_an_expression_that_goes_wrong_is_an_error_with_file_and_line(
    tmp_path: Path, expression: str, says: str
) -> None:
    """Python's complaints are told like Jinja2's."""
    with pytest.raises(TemplateError, match=rf"(?i)a\.html:2: .*{says}"):
        templates(tmp_path, a_html=f"fine\n{expression}").render("a.html", {})


def test_a_template_extends_the_one_that_it_replaces(tmp_path: Path) -> None:
    """By its name with ``shipped/`` in front; by its own name it would be itself, and is told what to write."""
    (tmp_path / "web").mkdir()
    own = tmp_path / "web" / "frame.html"
    names = {"site_title": "S", "site_url": "https://e.example/", "canonical": "https://e.example/", "discover": []}
    context = {**names, "description": "", "feeds_page": "", "editions_page": ""}
    own.write_text('{% extends "shipped/web/frame.html" %}{% block content %}mine{% endblock %}', encoding="utf-8")
    found = templates(tmp_path)
    assert "mine" in found.render("web/frame.html", context)
    assert "shipped/web/frame.html" in found.sources(["web/frame.html"])
    own.write_text('fine\n{% extends "web/frame.html" %}', encoding="utf-8")
    with pytest.raises(TemplateError, match=r"frame\.html:2: endless recursion.*write shipped/ before its name"):
        templates(tmp_path).render("web/frame.html", context)


def test_a_template_that_is_no_text_is_told(tmp_path: Path) -> None:
    """With its file and what to do."""
    (tmp_path / "a.html").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateError, match=r"/a\.html:1: it is not UTF-8 text; save it as UTF-8"):
        templates(tmp_path).render("a.html", {})


def test_a_template_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Also where only its bytes are asked for."""
    (tmp_path / "a.html").symlink_to("/proc/self/mem")  # opens, and cannot be read
    with pytest.raises(TemplateError, match=r"/a\.html:1: it cannot be read: "):
        templates(tmp_path).render("a.html", {})
    with pytest.raises(TemplateError, match=r"/a\.html: it cannot be read: "):
        templates(tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.html", "plain <b>", "plain &lt;b&gt;"),
        ("a.html", "שלום <b>", '<bdi dir="auto">שלום &lt;b&gt;</bdi>'),
        ("a.txt", "שלום <b>", "\u2068שלום <b>\u2069"),
        ("a.txt", "plain <b>", "plain <b>"),
    ],
)
def test_text_of_the_other_direction_is_isolated(name: str, text: str, expected: str) -> None:
    """By an element in HTML, by characters in plain text."""
    found = FrozenTemplates(CatalogueLanguage("en"), {name: "{{ text | isolated }}"})
    assert found.render(name, {"text": text}) == expected


def test_public_pages_lead_to_the_mail_form(tmp_path: Path) -> None:
    """Only where somebody wrote its address; not from the form itself."""
    names = {"site_title": "S", "site_url": "https://e.example/", "canonical": "https://e.example/", "discover": []}
    context = {**names, "description": "", "feeds_page": "", "editions_page": ""}
    form = "https://e.example/mail/"
    with_form = FolderTemplates(CatalogueLanguage("zh-CN"), mail_form=form)
    assert f'<a href="{form}">邮件订阅</a>' in with_form.render("pages/base.html", context)
    assert "邮件订阅" not in with_form.render("pages/base.html", context | {"canonical": form})
    assert "邮件订阅" not in FolderTemplates(CatalogueLanguage("zh-CN")).render("pages/base.html", context)
    assert with_form.fingerprint() != FolderTemplates(CatalogueLanguage("zh-CN")).fingerprint()
