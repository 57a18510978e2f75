"""Two hundred ways to smuggle a script, through posts, the configuration and forms, into everything that is shown:
mails, web editions, pages of feeds, feeds themselves, subscription pages. A real browser opens all of it, with scripts
on and without the content policy: nothing runs, nothing is loaded, no link leads to a script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from html import unescape
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import quote

import feedparser
import pytest

from tests.web.attacks import ATTACKS, CLASSES
from tests.web.test_browser import FLAGS, chromium  # noqa: F401 - a fixture
from tests.web.trap import Trap
from tests.web.web_server import Served, link, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("attacks")]  # one site for all of them

TEMPLATES = Path(__file__).parents[2] / "templates"
POLYGLOT = "\"'`-->]]></title></style></textarea></script><img src=x onerror=alert(1)>{{7*7}}%%LINK%%"
ADDRESS = "x'onfocus='alert`1`{{7*7}}%%UNSUBSCRIBE%%&lt@example.org"
"""Nothing in it is forbidden in an address."""
DIGESTS = 8
_ODD = re.compile(r"[^ -~\u00a1-\u1fff\u3000-\ud7ff]|[\"\\]")


PLAIN = tuple(
    each for each in ATTACKS if " ".join(each.split()) == each and not any(category(sign)[0] == "C" for sign in each)
)
"""Those that a configuration may hold: it refuses what cannot be seen. Posts of the others are in a category more."""


def quoted(text: str) -> str:
    """A YAML scalar that is this very text."""
    return '"' + _ODD.sub(lambda sign: f"\\U{ord(sign[0]):08x}", text) + '"'


def post(number: int, attack: str) -> str:
    """One attack at every place of a post."""
    text, lines = quoted(attack), attack.replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(
        [
            "---",
            f"title: {text}",
            f"date: 2026-11-24 07:{number % 60:02}:{number // 60:02} +0800",
            f"categories: [{text}{'' if attack in PLAIN else ', odd'}]",
            f"tags: [{text}]",
            f"author: {{name: {text}, url: {text}}}",
            f"image: {text}",
            f"description: {text}",
            f"em_media: {text}",
            "---",
            "> " + lines.replace("\n", "\n> "),
            "",
            lines,
            "",
            f'<a data-code="90,BK{number}" href="{attack}">{attack}</a> <span title=\'{attack}\'>x</span>',
            "",
            f"<http://news.example.org/{number}>",
            "",
        ]
    )


def categories(digest: int) -> list[str]:
    return [*PLAIN[digest::DIGESTS], *(["odd"] if digest == 0 else [])]


def config() -> str:
    """One attack at every place of the configuration that is shown."""
    lines = [
        f"site: {{title: {quoted(POLYGLOT)}, description: {quoted(POLYGLOT)}, url: 'https://news.example.com',",
        f"  language: en, timezone: Asia/Shanghai, author: {quoted(POLYGLOT)}}}",
        "posts: {folder: site, settle: 0}",
        "feeds: {full_text: true, tags: true}",
        "mail: {to: [desk@example.com]}",
        "subscriptions: {url: 'http://127.0.0.1:PORT/mail', signups_per_ip: 10000, signups_total: 100000}",
        "digests:",
        *(
            f"  d{number}: {{title: {quoted(f'{number} {POLYGLOT}')}, group_stories: false, quota: 100,\n"
            f"    categories: [{', '.join(map(quoted, categories(number)))}]}}"
            for number in range(DIGESTS)
        ),
        "categories:",
        "  odd: odd",
        *(f"  {quoted(name)}: {quoted(title)}" for name, title in zip(PLAIN, reversed(PLAIN), strict=True)),
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Shown:
    """All that came of it, as HTML documents by name."""

    mails: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    feeds: dict[str, str] = field(default_factory=dict)
    messages: list[bytes] = field(default_factory=list)
    report: str = ""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("attacked")
    posts = folder / "site" / "_posts"
    posts.mkdir(parents=True)
    for number, attack in enumerate(ATTACKS):
        (posts / f"2026-11-24-a{number}.md").write_text(post(number, attack), encoding="utf-8")
        (posts / f"2026-11-24-b{number}.html").write_text(post(number, attack), encoding="utf-8")
    with serving(folder, own_config=config()) as served:
        yield collected(served)


def collected(served: Served) -> Shown:
    found = Shown()
    everything = [("digest", f"d{number}") for number in range(DIGESTS)]
    chosen = [(f"in d{number}", each) for number in range(DIGESTS) for each in categories(number)[:9]]
    fields = [("email", ADDRESS), ("stamp", served.stamp()), *everything]
    assert served.ask("/mail/", form=fields).status == 200
    confirm = link(served.mails(1)[0])
    found.forms["confirm"] = served.ask(confirm).text
    found.forms["confirmed"] = served.ask(confirm, form={"action": "confirm"}).text
    reader = served.running.subscriber_service.people.find(ADDRESS)
    manage = served.running.subscriber_service.links.manage(reader.key)
    served.edition()
    found.forms["manage"] = served.ask(manage).text
    found.forms["saved"] = served.ask(manage, form=[("action", "save"), *everything, *chosen]).text
    for number in range(DIGESTS):
        found.forms[f"unsubscribe {number}"] = served.ask(served.unsubscribe_link(ADDRESS, f"d{number}")).text
    before = len(served.outbox())
    for errand in ("export", "erase", "move"):
        served.ask(manage, form={"action": errand})
    for mail in served.mails(before + 3)[-3:]:
        found.forms[f"errand {mail['Subject']}"] = served.ask(link(mail)).text
    found.forms["form"] = served.ask("/mail/").text
    for number, attack in enumerate(ATTACKS):
        fields = [("email", attack), ("stamp", attack), ("digest", "d0"), ("in d0", attack), ("frequency", attack)]
        found.forms[f"typed {number}"] = served.ask("/mail/", form=fields).text
    nothing = served.ask("/mail/x").body
    for attack in ATTACKS:
        place = quote(attack, safe="")
        assert served.ask(f"/mail/{place}").body in (nothing, served.ask("/mail/%2F").body)
        assert attack not in served.ask(f"/mail/?{place}={place}").text or attack in found.forms["form"]
    found.forms["nothing"], found.forms["missing"] = nothing.decode(), served.ask("/x").text
    found.messages = [path.read_bytes() for path in served.outbox()]
    for mail in served.mails(len(found.messages)):
        body = mail.get_body(("html",))
        assert body is not None
        found.mails[f"{mail['To']} {mail['Message-ID']}"] = body.get_content()
    output = served.folder / "public"
    for path in sorted(output.rglob("*.html")):
        found.pages[path.relative_to(output).as_posix()] = path.read_text(encoding="utf-8")
    for path in sorted(output.glob("*.*")) + sorted((output / "editions").glob("*.xml")):
        if path.suffix in (".xml", ".json"):
            found.feeds[path.relative_to(output).as_posix()] = as_html(path)
    return found


def as_html(path: Path) -> str:
    """A feed as a reader shows it that trusts it: what is HTML as HTML, without cleaning."""
    if path.suffix == ".json":
        items = json.loads(path.read_text(encoding="utf-8"))["items"]
        return "".join(f"<div>{item.get('content_html', '')}</div>" for item in items)
    parsed = feedparser.parse(path.read_bytes(), sanitize_html=False, resolve_relative_uris=False)
    assert parsed.entries
    parts = []
    for entry in parsed.entries:
        for value in (entry.get("title_detail"), entry.get("summary_detail"), *entry.get("content", [])):
            if value is not None and "html" in value.type and value is not entry.get("title_detail"):
                parts.append(f"<div>{value.value}</div>")
    return "".join(parts)


@pytest.fixture
def trap(chromium: Any) -> Iterator[Trap]:  # noqa: F811
    made = Trap(chromium)
    yield made
    made.close()


SENTINEL = "<i id=sentinel>x</i>"
BATCH = 25


def known(html: str) -> tuple[str, ...]:
    """Styles and scripts of a document that stand in its head or are ours; all else is smuggled in."""
    head = html.partition("</head>")[0]
    ours = re.findall(r"<style[^>]*>(.*?)</style>", head, re.DOTALL)
    copying = (TEMPLATES / "pages" / "copy.js").read_text(encoding="utf-8")
    scripts = [each for each in re.findall(r"<script>(.*?)</script>", html, re.DOTALL) if copying.strip() in each]
    return (*ours, *scripts)


def check(trap: Trap, documents: dict[str, str], *allowed: str, images: bool = False) -> None:
    """Open them, some at a time: what stands after each shows that nothing swallowed it."""
    found = {}
    names = list(documents)
    for start in range(0, len(names), BATCH):
        some = {name: documents[name].replace("\r\n", "\n") for name in names[start : start + BATCH]}
        ours = {part for html in some.values() for part in known(html)}
        findings = trap.look(SENTINEL.join([*some.values(), ""]), known=(*ours, *allowed), images=images)
        if trap.count("#sentinel") != len(some):
            findings.append("something is swallowed")
        if findings:
            found[" ".join(some)[:500]] = findings[:5]
    assert found == {}


def test_there_are_many_and_of_every_class() -> None:
    assert len(set(ATTACKS)) == len(ATTACKS) >= 200
    assert len(PLAIN) >= 150
    assert all(len(strings) >= 4 for strings in CLASSES.values())


def test_every_attack_is_there(shown: Shown) -> None:
    """In the mails, the pages and the forms: what is not shown cannot fail."""
    assert len(shown.mails) >= 2 * DIGESTS
    assert len(shown.pages) >= len(ATTACKS) // 2
    places = {
        "mails": shown.mails.values(),
        "pages": shown.pages.values(),
        "form": [shown.forms["form"]],
        "typed": [html for name, html in shown.forms.items() if name.startswith("typed")],
        "feeds": [shown.feeds["feed.xml"], shown.feeds["rss.xml"]],
    }
    for place, documents in places.items():
        told = unescape("".join(documents))
        there = [each for each in PLAIN if each in told]
        assert len(there) >= {"feeds": 40}.get(place, 150), (place, len(there))


def test_mails(shown: Shown, trap: Trap) -> None:
    check(trap, shown.mails)


def test_headers_of_mails(shown: Shown) -> None:
    """Nobody adds a field, a recipient or a part by a title, a category or a name."""
    expected = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted"}
    expected |= {"Feedback-ID", "Precedence", "List-Id", "List-Archive", "List-Post", "List-Unsubscribe"}
    for message in shown.messages:
        head, _, _ = message.partition(b"\r\n\r\n")
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", message)
        assert max(map(len, message.split(b"\r\n"))) <= 998
        parsed = message_from_bytes(message, policy=default)
        names = list(parsed.keys())
        assert len(set(names)) == len(names)
        assert set(names) <= expected
        assert len(parsed["From"].addresses) == len(parsed["To"].addresses) == 1
        assert parsed["To"].addresses[0].addr_spec in (ADDRESS, "desk@example.com")
        assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
        assert b"evil.example" not in head.partition(b"\r\nSubject")[2].partition(b"\r\nDate")[2]


def test_pages_of_feeds_and_editions(shown: Shown, trap: Trap) -> None:
    check(trap, shown.pages)


def test_subscription_pages(shown: Shown, trap: Trap) -> None:
    """Also what was typed and comes back."""
    check(trap, shown.forms, "<form>")


def test_feeds_in_a_reader_that_trusts_them(shown: Shown, trap: Trap) -> None:
    """A post's own pictures, sounds and films may be shown there."""
    check(trap, shown.feeds, "<audio>", "<video>", images=True)


def test_the_trap_springs(trap: Trap) -> None:
    """The same strings, not escaped, at the places where they would stand: nearly all are noticed."""
    some = ATTACKS[::2]
    silent = [each for each in some if not trap.look(raw(each))]
    assert len(silent) < len(some) / 4, silent
    kinds = {
        "dialog": "<img src=x onerror=alert(1)>",
        "request": "<img src=//evil.example/x>",
        "link": "<a href=javascript:x>",
    }
    for kind, html in kinds.items():
        assert trap.look(html), kind
    assert trap.look("<p>nothing</p>") == []
    trap.look(f"<!-- {SENTINEL}{SENTINEL}")
    assert trap.count("#sentinel") == 0


def raw(attack: str) -> str:
    return (
        f'<!doctype html><body><p>{attack}</p><a href="{attack}">x</a><input value="{attack}">'
        f"<p title='{attack}'>x</p>"
        f"<textarea>{attack}</textarea><style>{attack}</style></body>"
    )
