"""From facts to findings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from digest.errors import ProbeError, SourceError, TemporaryFailure
from digest.jobs.archive.collect import CollectReport
from digest.jobs.check import bulk
from digest.jobs.check.findings import Check, Finding, Verdict, ok, problem, run_checks, warning
from digest.jobs.check.local import Health, Secret, judge_posts, judge_room, judge_secrets, judge_store, megabytes
from digest.jobs.check.mail import judge_headers
from digest.jobs.check.network import (
    Sender,
    SigningKey,
    judge_clock,
    judge_dkim,
    judge_dmarc,
    judge_mailboxes,
    judge_one_click,
    judge_served,
    judge_smtp,
    judge_spf,
)
from digest.models import Place, Problem, Severity
from digest.ports import WebAnswer
from tests.check.test_dkim import ED25519_BARE, RSA_1024, RSA_2048
from tests.check.zone import MemoryZone


def told(findings: Finding | Iterable[Finding]) -> list[tuple[str, str]]:
    """Name and verdict of each."""
    every = [findings] if isinstance(findings, Finding) else list(findings)
    return [(each.name, each.verdict.value) for each in every]


# ------------------------------------------------------------------ running


def test_everything_is_asked_and_told_in_order() -> None:
    """An error that a user can cause is a finding; network checks come in their place."""

    def fails() -> Finding:
        raise SourceError("posts.folder", "there is no such folder", "make it")

    checks = [
        Check(group="one", name="a", ask=lambda: ok("a", "fine")),
        Check(group="two", name="b", ask=lambda: iter([warning("b", "so-so"), problem("b", "bad")]), network=True),
        Check(group="three", name="c", ask=fails),
    ]
    report = run_checks(checks, offline=False, clock=time.monotonic)
    assert [(each.group, each.verdict.value) for each in report.findings] == [
        ("one", "ok"),
        ("two", "warning"),
        ("two", "problem"),
        ("three", "problem"),
    ]
    assert report.findings[-1].says == "posts.folder: there is no such folder"
    assert (report.ok, report.count(Verdict.PROBLEM)) == (False, 2)


def test_offline_asks_nobody() -> None:
    def never() -> Finding:
        raise AssertionError

    report = run_checks([Check(group="n", name="x", ask=never, network=True)], offline=True, clock=time.monotonic)
    assert [(each.verdict.value, each.says) for each in report.findings] == [("skipped", "--offline")]
    assert report.ok


def test_what_hangs_is_left_behind() -> None:
    """All at the same time, and no longer than the limit; the others are not lost."""
    release = threading.Event()

    def hangs() -> Finding:
        release.wait()
        return ok("x", "late")

    hanging = [Check(group="n", name=f"h{number}", ask=hangs, network=True) for number in range(20)]
    quick = Check(group="n", name="q", ask=lambda: ok("q", "here"), network=True)
    report = run_checks([quick, *hanging], offline=False, clock=time.monotonic, seconds=5)
    release.set()
    assert [each.verdict for each in report.findings] == [Verdict.OK] + [Verdict.PROBLEM] * 20
    assert report.findings[1].says == "no answer within 5 seconds"


# -------------------------------------------------------------------- local


def fault(severity: Severity, line: int | None = None) -> Problem:
    return Problem(path=f"{severity.value}.md", line=line, reason="why", remedy="what to do", severity=severity)


def test_posts() -> None:
    """Files by what became of them, each problem with its file and line."""
    report = CollectReport(
        found=9, opened=9, taken=7, problems=tuple(fault(each, 3) for each in (*Severity, Severity.WARNING))
    )
    findings = list(judge_posts(report))
    kinds = [("unusable", "problem"), ("broken", "problem"), ("doubtful", "warning"), ("left out", "ok")]
    assert told(findings) == [("files", "ok"), *kinds]
    assert findings[1].details == ("skipped.md:3: why; what to do",)
    assert findings[3].says == "1 file has something that cannot be used"
    assert len(findings[3].details) == 2
    assert told(judge_posts(CollectReport(found=0, opened=0, taken=0))) == [("files", "warning")]
    assert told(judge_posts(CollectReport(found=1, opened=1, taken=0)))[0] == ("files", "problem")


@pytest.mark.parametrize(
    ("health", "verdicts"),
    [
        (Health(subject="db", found=None, wanted="0003"), ["ok"]),
        (Health(subject="db", found="0003", wanted="0003", size=4096), ["ok", "ok"]),
        (Health(subject="db", found="0002", wanted="0003"), ["ok", "ok"]),
        (Health(subject="db", found="0003", wanted="0003", faults=("row 3",)), ["ok", "problem"]),
    ],
)
def test_store(health: Health, verdicts: list[str]) -> None:
    assert [verdict for _, verdict in told(judge_store(health))] == verdicts


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "ok"),
        ({"exists": False}, "ok"),
        ({"is_folder": False}, "problem"),
        ({"is_writable": False}, "problem"),
        ({"free": 10 * 1024}, "problem"),
        ({"free": 300 * 1024**2}, "warning"),
    ],
)
def test_rooms(changes: dict[str, object], verdict: str) -> None:
    values: dict[str, object] = {
        "path": "/srv",
        "exists": True,
        "is_folder": True,
        "is_writable": True,
        "free": 10**12,
    }
    assert told(judge_room("output", Place(**{**values, **changes}))) == [("folder output", verdict)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"readers": ""}, "ok"),
        ({"readers": "its group"}, "warning"),
        ({"readers": "everybody"}, "problem"),
        ({"readers": "everybody", "is_grave": False}, "warning"),
        ({"readers": None}, "problem"),
        ({"readers": None, "must_exist": False}, "ok"),
        ({"readers": "", "is_readable": False}, "problem"),
    ],
)
def test_secrets(changes: dict[str, object], verdict: str) -> None:
    secret = Secret(**{"key": "k", "path": "/k", "why": "sign", **changes})  # type: ignore[arg-type]
    assert told(judge_secrets([secret])) == [("secret k", verdict)]


def test_no_secrets_and_sizes() -> None:
    assert told(judge_secrets([])) == [("secrets", "skipped")]
    quiet = Secret(key="k", path="/k", readers=None, must_exist=False, is_grave=False)
    assert told(judge_secrets([quiet])) == []
    assert [megabytes(size) for size in (0, 1, 1024**2, 1500 * 1024**2, 66 * 1024**3)] == [
        "0 KB",
        "1 KB",
        "1.0 MB",
        "1.5 GB",
        "66 GB",
    ]


# --------------------------------------------------------------------- mail

URI = "https://news.test/mail/" + "A" * 35


@pytest.mark.parametrize(
    ("headers", "verdicts"),
    [
        (f"List-Unsubscribe: <{URI}>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n", ["ok"]),
        (f"List-Unsubscribe: <{URI}>\n", ["problem"]),
        (f"List-Unsubscribe: <{URI}>\n" * 2, ["problem"]),
        ("", ["problem"]),
        ("List-Unsubscribe: <http://news.test/mail/x>\n", ["warning"]),
        ("List-Unsubscribe: =?utf-8?q?=3Chttps?=\n", ["problem"]),
        (f"List-Unsubscribe: <{URI + 'B' * 40}>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n", ["warning"]),
    ],
)
def test_headers_as_a_receiver_sees_them(headers: str, verdicts: list[str]) -> None:
    message = f"{headers}Subject: x\n\nbody\n".replace("\n", "\r\n").encode()
    assert [verdict for _, verdict in told(judge_headers(message))] == verdicts


@pytest.mark.parametrize(
    ("signed", "verdict"),
    [("from:list-unsubscribe", "problem"), ("From:List-Unsubscribe:\r\n List-Unsubscribe-Post", "ok")],
)
def test_signature_covers_what_it_must(signed: str, verdict: str) -> None:
    """Else no receiver offers to leave with one click."""
    head = f"List-Unsubscribe: <{URI}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    message = f"DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s1;\r\n h={signed}; b=AA\r\n{head}\r\nx\r\n".encode()
    assert told(judge_headers(message)) == [("List-Unsubscribe", "ok"), ("signature", verdict)]
    assert told(judge_headers(message + bytes(300_000)))[-1] == ("message", "warning")


# ------------------------------------------------------------------ network

SENDER = Sender(author="news.test", envelope="b@bounces.news.test", relay="smtp.relay.test")
ZONE: Mapping[str, Mapping[str, list | None]] = {
    "bounces.news.test": {"TXT": ["v=spf1 include:relay.test -all"], "MX": [(10, "mx.news.test")]},
    "relay.test": {"TXT": ["v=spf1 ip4:8.8.8.0/24 ?all"]},
    "smtp.relay.test": {"A": ["8.8.8.8"]},
    "mx.news.test": {"A": ["8.8.4.4"]},
    "news.test": {"MX": [(10, "mx.news.test")]},
    "_dmarc.news.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:d@news.test"]},
}


def zone(**changes: Mapping[str, list | None] | None) -> MemoryZone:
    """The good zone with some names changed; ``__`` in a keyword stands for a dot."""
    named = {name.replace("__", "."): value or {} for name, value in changes.items()}
    return MemoryZone({**ZONE, **named})


@pytest.mark.parametrize(
    ("names", "verdicts"),
    [
        (zone(), ["ok", "ok"]),
        (zone(bounces__news__test=None), ["problem"]),
        (zone(bounces__news__test={"TXT": ["v=spf1 include:none.test -all"]}), ["problem"]),
        (zone(bounces__news__test={"TXT": ["v=spf1 ip4:8.8.8.0/24"]}), ["warning", "ok"]),
        (zone(bounces__news__test={"TXT": ["v=spf1 ip4:8.8.8.0/24 ptr -all"]}), ["warning", "ok"]),
        (zone(smtp__relay__test={"A": ["9.9.9.9"]}), ["ok", "warning"]),
        (zone(smtp__relay__test={"A": ["10.0.0.1", "127.0.0.1"]}), ["ok", "skipped"]),
    ],
)
def test_spf(names: MemoryZone, verdicts: list[str]) -> None:
    """The record, and what it says of our relay."""
    assert [verdict for _, verdict in told(judge_spf(SENDER, names))] == verdicts


def test_spf_without_a_relay_or_by_its_address() -> None:
    by_folder = Sender(author="news.test", envelope="b@bounces.news.test")
    by_address = Sender(author="news.test", envelope="b@bounces.news.test", relay="[8.8.8.1]")
    assert told(judge_spf(by_folder, zone()))[1] == ("SPF relay", "skipped")
    assert told(judge_spf(by_address, zone()))[1] == ("SPF relay", "ok")
    with pytest.raises(ProbeError):
        list(judge_spf(SENDER, zone(bounces__news__test={"TXT": None})))


def dkim_key(public: str = RSA_2048, kind: str = "rsa") -> SigningKey:
    return SigningKey(place="s1._domainkey.news.test", record=f"v=DKIM1; k={kind}; p={public}")


@pytest.mark.parametrize(
    ("texts", "key", "verdict"),
    [
        ([f"v=DKIM1; p={RSA_2048}"], dkim_key(), "ok"),
        ([f"v=DKIM1; k=ed25519; p={ED25519_BARE}"], dkim_key(ED25519_BARE, "ed25519"), "ok"),
        ([], dkim_key(), "problem"),
        (["hello"], dkim_key(), "problem"),
        ([f"v=DKIM1; p={RSA_2048}"] * 2, dkim_key(), "problem"),
        (["v=DKIM1; p="], dkim_key(), "problem"),
        ([f"v=DKIM1; s=other; p={RSA_2048}"], dkim_key(), "problem"),
        ([f"v=DKIM1; p={RSA_1024}"], dkim_key(), "problem"),
        ([f"v=DKIM1; p={ED25519_BARE}"], dkim_key(ED25519_BARE, "ed25519"), "problem"),
        ([f"v=DKIM1; p={RSA_1024}"], dkim_key(RSA_1024), "warning"),
        ([f"v=DKIM1; t=y; p={RSA_2048}"], dkim_key(), "warning"),
    ],
)
def test_dkim(texts: list[str], key: SigningKey, verdict: str) -> None:
    """Our key against what the DNS says of it."""
    names = MemoryZone({"s1._domainkey.news.test": {"TXT": texts}})
    assert told(judge_dkim([key], names)) == [("DKIM s1", verdict)]
    assert key.domain == "news.test"


def test_dkim_without_a_key() -> None:
    assert told(judge_dkim([], zone())) == [("DKIM", "skipped")]


@pytest.mark.parametrize(
    ("record", "signers", "verdicts"),
    [
        ("v=DMARC1; p=none; rua=mailto:d@news.test", [], ["ok", "ok"]),
        ("v=DMARC1; p=none", [], ["warning", "ok"]),
        ("v=DMARC1; p=none; pct=50; rua=mailto:d@news.test", [], ["warning", "ok"]),
        ("v=DMARC1; p=reject; aspf=s; rua=mailto:d@news.test", [], ["ok", "problem"]),
        ("v=DMARC1; p=reject; aspf=s; rua=mailto:d@news.test", ["news.test"], ["ok", "ok"]),
        ("v=DMARC1; p=reject; aspf=s; rua=mailto:d@news.test", ["other.test"], ["ok", "problem"]),
        ("v=DMARC1", [], ["problem"]),
        ("nothing", [], ["problem"]),
    ],
)
def test_dmarc(record: str, signers: list[str], verdicts: list[str]) -> None:
    """The policy, and whether we are aligned with it."""
    names = MemoryZone({**ZONE, "_dmarc.news.test": {"TXT": [record]}})
    assert [verdict for _, verdict in told(judge_dmarc(SENDER, signers, names))] == verdicts


def test_dmarc_with_two_records() -> None:
    names = MemoryZone({"_dmarc.news.test": {"TXT": ["v=DMARC1; p=none"] * 2}})
    assert told(judge_dmarc(SENDER, [], names)) == [("DMARC", "problem"), ("DMARC", "problem")]


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ({"MX": [(10, "mx.news.test")]}, "ok"),
        ({"MX": [(0, "")]}, "problem"),
        ({"MX": [(10, "gone.test")]}, "problem"),
        ({"A": ["8.8.8.8"]}, "warning"),
        ({}, "problem"),
    ],
)
def test_mailboxes(records: dict[str, list], verdict: str) -> None:
    """Where bounces and answers go."""
    names = zone(news__test=records)
    assert told(judge_mailboxes(SENDER, names)) == [("MX bounces.news.test", "ok"), ("MX news.test", verdict)]


# ---------------------------------------------------------------- bulk rules

GOOD = {
    **ZONE,
    "8.8.8.8": {"PTR": ["smtp.relay.test"]},
    "s1._domainkey.news.test": {"TXT": [f"v=DKIM1; p={RSA_2048}"]},
}


def rules(
    zone: Mapping[str, Mapping[str, list | None]] = GOOD,
    keys: Sequence[SigningKey] = (),
    leaving: Sequence[Finding] = (ok("List-Unsubscribe", "one https address"),),
    security: str = "implicit",
) -> dict[str, Finding]:
    """By receiver."""
    names, signers = MemoryZone(zone), [key.domain for key in keys]

    def policy(name: str) -> list[Finding]:
        return [each for each in judge_dmarc(SENDER, signers, names) if each.name == name]

    asked = {
        bulk.SPF: lambda: judge_spf(SENDER, names),
        bulk.DKIM: lambda: judge_dkim(keys, names),
        bulk.DMARC: lambda: policy("DMARC"),
        bulk.ALIGNMENT: lambda: policy("alignment"),
        bulk.ONE_CLICK: lambda: leaving,
        bulk.TLS: lambda: bulk.judge_tls(security),
        bulk.REVERSE: lambda: bulk.judge_reverse(SENDER, names),
        bulk.REPLIES: lambda: judge_mailboxes(SENDER, names),
    }
    return {each.name.removeprefix("rules of "): each for each in bulk.judge_rules(asked)}


def test_rules_that_are_met() -> None:
    found = rules(keys=[dkim_key()])
    assert {name: each.verdict.value for name, each in found.items()} == dict.fromkeys(
        ("Gmail", "Yahoo", "Microsoft"), "ok"
    )
    assert found["Gmail"].says.endswith("met: SPF, DKIM, DMARC, alignment, one click, TLS, reverse DNS")
    assert "reverse DNS" not in found["Microsoft"].says
    assert found["Microsoft"].says.startswith("for 5,000 mails a day and more, since 2025-05: ")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"bounces.news.test": {"MX": [(10, "mx.news.test")]}}, {"Gmail": "SPF", "Yahoo": "SPF", "Microsoft": "SPF"}),
        ({"_dmarc.news.test": {}}, {"Gmail": "DMARC", "Yahoo": "DMARC", "Microsoft": "DMARC"}),
        ({"s1._domainkey.news.test": {}}, {"Gmail": "DKIM", "Yahoo": "DKIM", "Microsoft": "DKIM"}),
        ({"news.test": {}}, {"Gmail": "", "Yahoo": "", "Microsoft": "answers"}),
    ],
)
def test_rules_that_are_not_met(changes: Mapping[str, Mapping[str, list | None]], wrong: Mapping[str, str]) -> None:
    """Each is named with what is to be done; each receiver is judged by its own rules."""
    found = rules({**GOOD, **changes}, keys=[dkim_key()])
    for name, rule in wrong.items():
        assert (found[name].verdict is Verdict.PROBLEM) == bool(rule)
        if rule:
            assert f"not met: {rule}" in found[name].says
            assert found[name].remedy
            assert found[name].details


def test_rules_that_cannot_be_seen() -> None:
    """The relay signs, or stands inside; no name server answers. That is nobody's fault yet."""
    inside = {**GOOD, "smtp.relay.test": {"A": ["10.0.0.1"]}}
    found = rules(inside, security="none")["Gmail"]
    assert found.verdict is Verdict.OK
    assert "cannot be seen from here: SPF, DKIM, TLS, reverse DNS" in found.says
    silent = rules({**GOOD, "_dmarc.news.test": {"TXT": None}}, keys=[dkim_key()])["Yahoo"]
    assert silent.verdict is Verdict.OK
    assert "cannot be seen from here: DMARC, alignment" in silent.says


@pytest.mark.parametrize("names", [[], ["other.test"], ["gone.test"]])
def test_a_relay_without_a_name_that_leads_back(names: list[str]) -> None:
    zone = {**GOOD, "8.8.8.8": {"PTR": names}, "other.test": {"A": ["9.9.9.9"]}}
    found = rules(zone, keys=[dkim_key()])
    assert (found["Gmail"].verdict, found["Microsoft"].verdict) == (Verdict.WARNING, Verdict.OK)
    assert "doubtful: reverse DNS" in found["Gmail"].says


def test_advice_about_a_record_breaks_no_rule() -> None:
    """Nobody gets its reports, say."""
    found = rules({**GOOD, "_dmarc.news.test": {"TXT": ["v=DMARC1; p=none"]}}, keys=[dkim_key()])
    assert found["Gmail"].verdict is Verdict.OK


def test_smtp() -> None:
    def lost() -> tuple[Mapping[str, str], str]:
        raise TemporaryFailure("smtp.test:465", "cannot be reached: connection refused", "check mail.host")

    good = judge_smtp(lambda: ({"SIZE": "1000000"}, "192.0.2.1"), "smtp.test:465", security="implicit", user="me")
    assert good.verdict is Verdict.OK
    assert "1,000,000" in good.says
    assert "me" in good.says
    assert judge_smtp(lambda: ({}, "127.0.0.1"), "localhost:25", security="none", user="").verdict is Verdict.OK
    assert judge_smtp(lost, "smtp.test:465", security="implicit", user="").verdict is Verdict.PROBLEM


# ---------------------------------------------------------------------- web

HTML = {"content-type": "text/html; charset=utf-8"}
BASE = "https://news.test/mail"


def web(**answers: WebAnswer | Exception) -> Callable[..., WebAnswer]:
    """Answers by what is asked: ``form``, ``wrong``, ``link``, ``post``."""
    usual = {
        "form": WebAnswer(status=200, headers=HTML, body=b""),
        "wrong": WebAnswer(status=404, headers=HTML, body=b""),
        "link": WebAnswer(status=200, headers=HTML, body=b""),
        "post": WebAnswer(status=200, headers=HTML, body=b""),
    }

    def fetch(
        url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> WebAnswer:
        token = url.removeprefix(f"{BASE}/")
        asked = "post" if method == "POST" else "form" if not token else "wrong" if token == "A" * 35 else "link"
        answer = {**usual, **answers}[asked]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fetch


def status(number: int, **headers: str) -> WebAnswer:
    return WebAnswer(status=number, headers={**HTML, **headers}, body=b"")


@pytest.mark.parametrize(
    ("fetch", "verdicts"),
    [
        (web(), ["ok", "ok", "ok"]),
        (web(form=status(502)), ["problem"]),
        (web(link=status(302, location="/login")), ["ok", "problem"]),
        (web(link=status(404)), ["ok", "problem"]),
        (web(wrong=status(200)), ["ok", "problem"]),
        (web(link=status(500)), ["ok", "problem"]),
        (web(post=status(303)), ["ok", "ok", "problem"]),
        (web(post=status(403)), ["ok", "ok", "problem"]),
    ],
)
def test_one_click(fetch: Callable[..., WebAnswer], verdicts: list[str]) -> None:
    """A page on GET, nothing but 200 on POST, and the same secret on both sides."""
    assert [verdict for _, verdict in told(judge_one_click(fetch, BASE, f"{BASE}/stranger"))] == verdicts


def test_one_click_without_https_or_secret() -> None:
    plain = list(judge_one_click(lambda url, **_: status(200), "http://news.test/mail", None))
    assert told(plain) == [("one click", "warning"), ("form", "ok"), ("GET", "skipped")]


def served(first: WebAnswer, second: WebAnswer | None = None) -> Callable[..., WebAnswer]:
    """The second answer is the one to a conditional request."""

    def fetch(url: str, *, headers: Mapping[str, str] | None = None, **_: object) -> WebAnswer:
        conditional = "If-None-Match" in (headers or {}) or "If-Modified-Since" in (headers or {})
        return second if second is not None and conditional else first

    return fetch


def feed(kind: str = "application/atom+xml; charset=utf-8", number: int = 200, **headers: str) -> WebAnswer:
    return WebAnswer(status=number, headers={"content-type": kind, **headers}, body=b"<feed/>")


SINCE: dict[str, Any] = {"last-modified": "Tue, 24 Nov 2026 08:00:00 GMT"}


@pytest.mark.parametrize(
    ("fetch", "verdict"),
    [
        (served(feed(etag='"1"'), feed(number=304)), "ok"),
        (served(feed(**SINCE), feed(number=304)), "ok"),
        (served(feed()), "warning"),
        (served(feed(etag='"1"')), "warning"),
        (served(feed("application/xml", etag='"1"'), feed(number=304)), "warning"),
        (served(feed("application/atom+xml", etag='"1"'), feed(number=304)), "warning"),
        (served(feed("text/html", etag='"1"')), "problem"),
        (served(feed(number=404)), "problem"),
        (served(feed(number=301, location="/x")), "problem"),
    ],
)
def test_feeds_as_served(fetch: Callable[..., WebAnswer], verdict: str) -> None:
    """Type, validators, 304."""
    assert told(judge_served(fetch, "https://news.test/", ["feed.xml"])) == [("feed.xml", verdict)]


def test_feeds_without_a_server() -> None:
    """One finding for each, and no more trouble than that."""

    def fetch(url: str, **_: object) -> WebAnswer:
        raise ProbeError("news.test", "connection refused")

    found = list(judge_served(fetch, "https://news.test/", ["feed.xml", "rss.xml"]))
    assert told(found) == [("feed.xml", "problem"), ("rss.xml", "problem")]


@pytest.mark.parametrize(
    ("offset", "verdict"), [(0.0, "ok"), (-3.0, "ok"), (20.0, "warning"), (-20.0, "warning"), (3600.0, "problem")]
)
def test_clock_by_a_time_server(offset: float, verdict: str) -> None:
    assert told(judge_clock(lambda: offset, web(), "https://news.test/", time.time)) == [("clock", verdict)]


@pytest.mark.parametrize(
    ("date", "verdict"),
    [
        ("Tue, 24 Nov 2026 08:00:00 GMT", "ok"),
        ("Tue, 24 Nov 2026 08:02:00 GMT", "problem"),
        ("", "warning"),
        ("yesterday", "warning"),
    ],
)
def test_clock_by_a_web_server(date: str, verdict: str) -> None:
    """Where no time server answers."""

    def silent() -> float:
        raise ProbeError("pool.ntp.org", "no answer in time", "name another")

    def fetch(url: str, **_: object) -> WebAnswer:
        return WebAnswer(status=200, headers={"date": date}, body=b"")

    assert told(judge_clock(silent, fetch, "https://news.test/", lambda: 1795507200.0)) == [("clock", verdict)]
