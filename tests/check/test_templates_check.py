"""Templates of one's own, tried with made-up values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from digest.edition.contents import Publisher
from digest.jobs.check.findings import Finding
from digest.jobs.check.templates import judge_templates, make_trials, status_contexts, web_contexts
from digest.languages import CatalogueLanguage
from digest.render.context import RenderContext
from digest.render.feeds.catalogue import FeedOptions
from digest.render.feeds.window import WindowLimits
from digest.templates import FolderTemplates, packaged_templates
from tests.watch.status_page import furnish
from tests.watch.status_page import served as operators_page
from tests.watch.watched import CONFIG as WATCHED
from tests.watch.watched import world_of
from tests.web.web_server import serving

ENGLISH = CatalogueLanguage("en")
IMPRINT = Publisher(
    site_title="Site",
    site_url="https://news.example.com/",
    pages_url="https://news.example.com/",
    zone=ZoneInfo("Asia/Shanghai"),
    contact="desk@news.example.com",
)
OPTIONS = FeedOptions(
    site_title="Site",
    site_url="https://news.example.com/",
    zone=ZoneInfo("Asia/Shanghai"),
    limits=WindowLimits(window=timedelta(hours=48), min_items=50, max_items=500, max_bytes=768 * 1024),
    archives=False,
)


def judged(folder: Path | None) -> list[Finding]:
    language = CatalogueLanguage("en")
    templates = FolderTemplates(language, folder)
    look = RenderContext(publisher=IMPRINT, templates=templates, language=language)
    return list(
        judge_templates(templates, lambda: make_trials(look, OPTIONS), folder=None if folder is None else str(folder))
    )


def test_trials_use_every_template() -> None:
    """A template that no trial needs would never be tried."""
    language = CatalogueLanguage("en")
    templates = FolderTemplates(language)
    look = RenderContext(publisher=IMPRINT, templates=templates, language=language)
    for _, render in make_trials(look, OPTIONS):
        render()
    assert templates.used() == set(templates.packaged())


def test_made_up_values_are_what_pages_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page of the web server is given the very names that a trial gives it."""
    given: dict[str, set[frozenset[str]]] = {}
    render = FolderTemplates.render

    def noting(self: FolderTemplates, name: str, context: Mapping[str, object]) -> str:
        if name.startswith("web/"):
            given.setdefault(name, set()).add(frozenset(context))
        return render(self, name, context)

    monkeypatch.setattr(FolderTemplates, "render", noting)
    with serving(tmp_path) as served:
        served.ask("/mail/")
        served.ask("/mail/nothing")
        served.ask("/no-such-page.html")
        manage = served.join()
        leave = served.unsubscribe_link()
        for number, errand in enumerate(("export", "move", "erase"), start=2):
            served.ask(manage, form={"action": errand})
            mail = served.mails(number)[-1]
            body = mail.get_body(("plain",))
            assert body is not None
            link = next(word for word in body.get_content().split() if "/mail/" in word)
            served.ask(urlsplit(link).path)
            if errand == "move":
                served.ask(urlsplit(link).path, form={"action": "move", "email": "nobody"})
            if errand == "erase":
                served.ask(leave)
                served.ask(urlsplit(link).path, form={"action": "erase"})
    made_up = {
        name: {frozenset(context) for context in contexts} for name, contexts in web_contexts(IMPRINT, ENGLISH).items()
    }
    assert len(given) > 10
    assert not {name: contexts - made_up[name] for name, contexts in given.items() if contexts - made_up[name]}


def test_made_up_values_are_what_the_operators_page_is_given(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names, and the names inside of lists."""
    given: dict[str, list[Mapping[str, object]]] = {}
    render = FolderTemplates.render

    def noting(self: FolderTemplates, name: str, context: Mapping[str, object]) -> str:
        if name in ("status/login.html", "status/page.html"):
            given.setdefault(name, []).append(context)
        return render(self, name, context)

    monkeypatch.setattr(FolderTemplates, "render", noting)
    with world_of(tmp_path, sqlite_url, WATCHED) as world:
        furnish(world)
        with operators_page(world) as page:
            page.ask()
            page.ask(headers={"Cookie": page.cookie()})
    made_up = status_contexts(IMPRINT, ENGLISH)
    assert len(given) == 2
    for name, contexts in given.items():
        for context in contexts:
            assert set(context) == set(made_up[name][-1])
            for key, value in context.items():
                theirs = made_up[name][-1][key]
                if isinstance(value, list) and value and isinstance(theirs, list):
                    assert set(value[0]) == set(theirs[0]), key


def test_without_templates_of_ones_own(tmp_path: Path) -> None:
    """Nothing to try; an empty folder is worth a word."""
    assert [each.verdict.value for each in judged(None)] == ["skipped"]
    assert [each.verdict.value for each in judged(tmp_path)] == ["warning"]


def test_good_templates(tmp_path: Path) -> None:
    """Copies of ours, a hidden file, and a picture that no template is made of."""
    for name in ("mail/digest.html", "web/form.html", "pages/style.css"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((packaged_templates() / name).read_bytes())
    (tmp_path / ".swp").write_bytes(b"\xff")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff\xfe")
    findings = judged(tmp_path)
    assert [(each.verdict.value, each.name) for each in findings] == [("warning", "template"), ("ok", "templates")]
    assert "logo.png" in findings[0].says


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("mail/masthead.html", "<p>\n{{ titel }}\n", "mail/masthead.html:2: 'titel' is undefined"),
        ("mail/corrections.html", "\n\n{% if amendments.x.y %}{% endif %}", "mail/corrections.html:3: "),
        (
            "mail/section.html",
            "{% for x in %}",
            "mail/section.html:1: Expected an expression, got 'end of statement block'",
        ),
        ("editions/page.html", "{% include 'none.html' %}", "no such template"),
        ("editions/index.html", "{{ months[0].titel }}", "editions/index.html:1: "),
        ("notices/notice.txt", "{{ subject.x }}", "notices/notice.txt:1: "),
        ("pages/feed.html", "{{ 1 // 0 }}", "pages/feed.html:1: integer division"),
        (
            "web/manage.html",
            "{% if not offers %}\n{{ nothing }}\n{% endif %}",
            "web/manage.html:2: 'nothing' is undefined",
        ),
        ("mail/style.css", b"\xff", "mail/style.css:1: it is not UTF-8 text"),
    ],
)
def test_broken_templates_are_named_with_their_line(name: str, text: str | bytes, says: str, tmp_path: Path) -> None:
    """Also in what is shown only sometimes."""
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    findings = judged(tmp_path)
    assert {each.verdict.value for each in findings} == {"problem"}
    assert any(says in each.says for each in findings), findings
    assert not any(each.verdict.value == "ok" for each in findings)


def test_every_broken_template_at_once(tmp_path: Path) -> None:
    """And a name that is none."""
    for name, text in {"mail/rest.html": "{% if %}", "web/sent.html": "{{ x }}", "mail/mastehead.html": "x"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    said = [f"{each.verdict.value}: {each.says}; {each.remedy}" for each in judged(tmp_path)]
    assert len(said) == 3
    assert any("mail/rest.html:1" in each for each in said)
    assert any("web/sent.html:1: 'x' is undefined" in each for each in said)
    assert any(each.startswith("warning") and "did you mean mail/masthead.html?" in each for each in said)
