"""Nothing private gets out: everything that whole runs, sign-ups, refusals, bounces and failures say is searched for
addresses, links, tokens and secrets."""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from digest.store import open_store
from tests.delivery.scripted_smtp import Act, Dialogue, Reset, Say, ScriptedServer
from tests.run.site_folder import Site
from tests.watch.serving import Process, serving
from tests.watch.watched import Pinged

PASSWORD = "correct-horse-battery"
SECRET = "s3cr3t-of-links-0123456789-abcdefghij-KLMN"
TOKEN = "a-token-of-the-operator"
PING = "0b1f6a52-1111-4000-8000-000000000001"

ALWAYS = (
    "always.reader@example.com",
    "dead.reader@example.com",
    "broken.reader@example.com",
    "late.reader@example.com",
)
SIGNED_UP = ("ann.signs.up@example.org", "bob.leaves@example.org")

CONFIG = """\
site: {{title: 财经早报, url: https://news.example.com, language: zh-CN, timezone: Asia/Shanghai, author: 财经早报}}
posts: {{folder: site, settle: 0, schedule: every 1 minute}}
mail:
  transport: smtp
  host: 127.0.0.1
  port: {port}
  security: none
  sender: digest@news.example.com
  bounce_address: b@bounces.example.com
  in_doubt: hold
  to: [{always}]
subscriptions: {{url: "https://news.example.com/mail"}}
watch:
  mail: the.operator@example.net
  ping_start: {ping}/{uuid}/start
  ping_success: {ping}/{uuid}
  ping_fail: {ping}/{uuid}/fail
"""


def cruel(step: str, dialogue: Dialogue) -> Act | None:
    """A server that repeats what it was told, breaks off, and never answers."""
    who = dialogue.recipient
    if step == "rcpt" and who.startswith("dead."):
        return Say(f"550 5.1.1 <{who}>: no such user here, {who}")
    if step == "rcpt" and who.startswith("late."):
        return Say(f"451 4.7.1 <{who}> try later")
    if step == "dot" and who.startswith("broken."):
        return Reset()
    return None


def test_nothing_private_is_said(tmp_path: Path, pings: Pinged) -> None:
    """By runs, by a service, by a worker, by commands, in reports and in the log of runs."""
    env = {"DIGEST_SMTP_PASSWORD": PASSWORD, "DIGEST_SECRET": SECRET, "DIGEST_WATCH_TOKEN": TOKEN}
    words = ("env", *(f"{name}={value}" for name, value in env.items()))
    said: list[str] = []
    with ScriptedServer(cruel) as smtp:
        site = Site(tmp_path, CONFIG.format(port=smtp.port, always=", ".join(ALWAYS), ping=pings.url, uuid=PING))
        site.some_posts()
        pings.status = 500
        said += spoken(site, words, ("run", "--verbose"), ("run", "--json"), ("deliver", "--once"), ("status",))
        with serving(site.folder, env=env) as service:
            sign_up_and_leave(service, smtp)
            service.ask("/status", form={"token": "wrong"})
            service.ask("/status", form={"token": TOKEN})
            service.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"})
            said.append(service.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[1])
            service.ask(f"/mail/{SECRET}x")
            site.posts.parent.rename(tmp_path / "elsewhere")
            (tmp_path / "elsewhere").rename(site.posts.parent)
        said += [service.out, service.err]
        (tmp_path / "bounce.eml").write_bytes(bounce(smtp))
        said += spoken(
            site,
            words,
            ("bounces", "ingest", str(tmp_path / "bounce.eml")),
            ("run",),
            ("status", "--json"),
        )
        links = links_of(smtp)
    assert len(links) > 4
    assert len(smtp.accepted) > 4
    store = f"sqlite:///{tmp_path}/var/digest.db"
    with open_store(store) as opened, opened._database.asking() as connection:
        said += connection.column("SELECT report FROM run")
        tokens = set(connection.column("SELECT token FROM delivery"))
    assert len(tokens) > 4
    private = {*ALWAYS, *SIGNED_UP, *links, *tokens, PASSWORD, SECRET, TOKEN, PING, "the.operator@example.net"}
    everything = "\n".join(said)
    assert len(everything) > 5_000
    assert "d***@example.com" in everything
    found = sorted(secret for secret in private if secret in everything)
    assert found == [], [line for line in everything.splitlines() if any(secret in line for secret in found)][:5]


def spoken(site: Site, words: tuple[str, ...], *commands: tuple[str, ...]) -> list[str]:
    said = []
    for name, *rest in commands:
        result = site.command(name, *rest, prefix=words)
        said += [result.out, result.err]
    return said


def sign_up_and_leave(service: Process, smtp: ScriptedServer) -> None:
    """Two people sign up on the page; one of them confirms and leaves again; somebody guesses links."""
    host = {"Host": "news.example.com"}
    for address in SIGNED_UP:
        page = service.ask("/mail/", headers=host)[1]
        stamp = re.search(r'name="stamp" value="([^"]+)"', page)
        assert stamp is not None
        form = {"email": address, "digest": "daily", "frequency": "daily", "stamp": stamp[1]}
        service.wait_for(lambda form=form: service.ask("/mail/", "POST", host, form)[0] == 200)  # type: ignore[misc]
        service.wait_for(lambda address=address: mail_to(smtp, address))  # type: ignore[misc]
    for address in SIGNED_UP:
        confirm = next(iter(sorted(links_in(mail_to(smtp, address)))))
        path = f"/mail/{confirm}"
        assert service.ask(path, "POST", host, {"action": "confirm"})[0] == 200
        assert service.ask(f"{path}x", headers=host)[0] == 404


def mail_to(smtp: ScriptedServer, address: str) -> EmailMessage | None:
    for each in list(smtp.accepted):
        if each.recipient == address:
            parsed = BytesParser(policy=policy.default).parsebytes(each.message)
            assert isinstance(parsed, EmailMessage)
            return parsed
    return None


def links_in(mail: EmailMessage | None) -> set[str]:
    assert mail is not None
    text = str(mail["List-Unsubscribe"] or "")
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            text += part.get_content()
    return set(re.findall(r"https://news\.example\.com/mail/([A-Za-z0-9_-]{20,})", text))


def links_of(smtp: ScriptedServer) -> set[str]:
    found: set[str] = {each.sender for each in smtp.accepted if "+" in each.sender}
    for each in smtp.accepted:
        parsed = BytesParser(policy=policy.default).parsebytes(each.message)
        assert isinstance(parsed, EmailMessage)
        found |= links_in(parsed)
    return found


def bounce(smtp: ScriptedServer) -> bytes:
    """A report about the first mail, with its address and its links in it."""
    first = smtp.accepted[0]
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: {first.sender}\nSubject: failed\nMIME-Version: 1.0\n"
        'Message-ID: <1@mx.example.net>\nContent-Type: multipart/report; report-type=delivery-status; boundary="BB"\n\n'
        f"--BB\nContent-Type: text/plain\n\n{first.recipient} is gone.\n\n"
        "--BB\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; {first.recipient}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{first.recipient}> unknown\n\n--BB--\n"
    ).encode()
