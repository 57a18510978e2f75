"""Signatures, read by another program that knows DKIM (dkimpy), and keys that must not be used."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from email import message_from_bytes
from functools import cache
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st
from scripted_smtp import serving as smtp_serving

from digest.app.sending import dkim_records
from digest.app.showing import mail_of
from digest.errors import ConfigError
from digest.jobs.editions.back_issues import find_issue
from digest.mail.dkim import OVERSIGNED, SIGNED, Signer, relaxed_body, relaxed_field
from digest.mail.smtp import SmtpChannel
from digest.models import Outgoing, Target
from digest.ports import WITHOUT_LEDGER
from digest.subscribers.subscription import ASKABLE
from tests.subscribers.reader_world import CONFIG, World, opened, token

DOMAIN = "news.example.com"
LONG_LINK = "https://news.example.com/mail/" + "a" * 200
MESSAGE = (
    b"From: =?utf-8?b?6LSi57uP?= <digest@news.example.com>\r\n"
    b"Subject: =?utf-8?b?6LSi57uP5pep5oql?=\r\n =?utf-8?b?6LSi57uP5pep5oql?=\r\n"
    b"Date: Tue, 24 Nov 2026 00:00:00 +0000\r\n"
    b"List-Id: <daily.news.example.com>\r\nList-Archive: <https://news.example.com/x>\r\n"
    b"Feedback-ID: 2026-11-24:daily:digest:newsexamplecom\r\nAuto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"
    b"To: ann@example.org\r\nMessage-ID: <1@news.example.com>\r\n"
    b"List-Unsubscribe: <" + LONG_LINK.encode() + b">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n.a  b \t c \r\n\r\n--b--\r\n\r\n\r\n"
)


@cache
def pem(kind: str) -> bytes:
    key: Any = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "small": lambda: rsa.generate_private_key(65537, 1024),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    }[kind]()
    return written(key)


def written(
    key: Any, encryption: KeySerializationEncryption | None = None, form: PrivateFormat = PrivateFormat.PKCS8
) -> bytes:
    data: bytes = key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return data


def file(folder: Path, name: str, data: bytes, mode: int = 0o600) -> Path:
    path = folder / f"{name}.pem"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    keys = {"e1": file(tmp_path, "e", pem("ed25519")), "s1": file(tmp_path, "r", pem("rsa"))}
    return Signer(DOMAIN, keys)


def verdicts(message: bytes, records: dict[str, str]) -> list[bool]:
    """What the other program says about each signature."""

    def dns(name: bytes, timeout: int = 5) -> bytes | None:
        record = records.get(name.decode().rstrip("."))
        return None if record is None else record.encode()

    judge = dkim.DKIM(message)
    count = len(re.findall(rb"(?m)^DKIM-Signature:", message))
    return [_holds(judge, number, dns) for number in range(count)]


def _holds(judge: dkim.DKIM, number: int, dns: Callable[..., bytes | None]) -> bool:
    try:
        return bool(judge.verify(idx=number, dnsfunc=dns))
    except dkim.ValidationError:  # the body's hash is another one
        return False


def named(message: bytes) -> list[str]:
    """What the first signature's ``h=`` names."""
    tags = str(message_from_bytes(message)["DKIM-Signature"])
    found = re.search(r"\bh=([^;]*);", tags)
    assert found is not None
    return [name.strip().lower() for name in found[1].split(":")]


# ----------------------------------------------------------------------


def test_both_signatures_hold(signer: Signer) -> None:
    """RSA on top, Ed25519 below; relaxed/relaxed, no length, no time: every attempt has equal bytes."""
    signed = signer.sign(MESSAGE)
    assert verdicts(signed, signer.records()) == [True, True]
    assert signed.endswith(MESSAGE)
    assert signed == signer.sign(MESSAGE)
    first, second = message_from_bytes(signed).get_all("DKIM-Signature") or []
    assert "a=rsa-sha256" in first
    assert "a=ed25519-sha256" in second
    for tags in (first, second):
        assert "c=relaxed/relaxed" in tags
        assert not re.search(r"\b[ltx]=", tags.partition("bh=")[0])
    assert max(map(len, signed.partition(b"From:")[0].split(b"\r\n"))) <= 100


def test_what_is_covered(signer: Signer) -> None:
    """From and the like once more than they are there, so that none can be added; the rest as often as it is."""
    names = named(signer.sign(MESSAGE))
    there = [name.lower() for name in message_from_bytes(MESSAGE)]
    for name in OVERSIGNED:
        assert names.count(name.lower()) == there.count(name.lower()) + 1, name
    for name in SIGNED:
        assert names.count(name.lower()) == there.count(name.lower()), name
    assert {"feedback-id", "list-unsubscribe-post", "content-transfer-encoding"} <= set(names)


@pytest.mark.parametrize("name", OVERSIGNED)
def test_nothing_can_be_added(signer: Signer, name: str) -> None:
    """A second From, a first Reply-To: the signature is broken then."""
    signed = signer.sign(MESSAGE)
    for forged in (
        f"{name}: x@evil.example\r\n".encode() + signed,
        signed.replace(b"\r\n\r\n", f"\r\n{name}: x\r\n\r\n".encode(), 1),
    ):
        assert verdicts(forged, signer.records()) == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"One-Click", b"Two-Click"),
        lambda text: text.replace(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        lambda text: text.replace(b"a" * 200, b"a" * 199 + b"b"),
        lambda text: text.replace(b"To: ann@", b"To: bob@"),
        lambda text: text.replace(b".a  b", b".a  c"),
        lambda text: text + b"more\r\n",
    ],
)
def test_nothing_can_be_changed(signer: Signer, change: Callable[[bytes], bytes]) -> None:
    signed = signer.sign(MESSAGE)
    assert change(signed) != signed
    assert verdicts(change(signed), signer.records()) == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\r\nSubject:", b"\r\nSUBJECT:"),
        lambda text: text.replace(b"To: ann@", b"To:   \tann@"),
        lambda text: text.replace(b"b \t c \r\n", b"b c\r\n"),
        lambda text: text + b"\r\n\r\n",
        lambda text: b"Received: from a by b\r\nX-Spam: no\r\n" + text,
    ],
)
def test_what_relays_do_is_forgiven(signer: Signer, change: Callable[[bytes], bytes]) -> None:
    """Spaces, folding, empty lines at the end, fields of their own."""
    assert verdicts(change(signer.sign(MESSAGE)), signer.records()) == [True, True]


def test_a_header_beyond_ascii_is_signed_too(signer: Signer) -> None:
    """RFC 8616: an address with SMTPUTF8 stands in To as it is."""
    assert verdicts(signer.sign(MESSAGE.replace(b"ann@", "张@".encode())), signer.records()) == [True, True]


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_one_key_is_enough(tmp_path: Path, form: PrivateFormat) -> None:
    """In either form that openssl writes; its group may read it; the public half is what DNS gets."""
    key = rsa.generate_private_key(65537, 3072)
    signer = Signer(DOMAIN, {"2026.rsa": file(tmp_path, "k", written(key, form=form), 0o640)})
    assert verdicts(signer.sign(MESSAGE), signer.records()) == [True]
    assert list(signer.records()) == ["2026.rsa._domainkey.news.example.com"]


# --------------------------------------------------------- canonical forms

PIECES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b=", b"\xe4\xb8\xad", b"\r\n\r\n", b".", b"  \r\n"]))


@given(PIECES)
def test_bodies_are_read_as_the_standard_has_it(pieces: list[bytes]) -> None:
    """RFC 6376 section 3.4.4: the same as the other program's."""
    body = b"".join(pieces) + b"\r\n"
    expected = Relaxed.canonicalize_body(body)
    assert relaxed_body(body) == (b"" if expected == b"\r\n" else expected), "an empty body is nothing at all"


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b"b=", b":"])))
def test_fields_are_read_as_the_standard_has_it(pieces: list[bytes]) -> None:
    """RFC 6376 section 3.4.2."""
    value = b"".join(pieces) + b"x"
    [(name, expected)] = Relaxed.canonicalize_headers([(b"X-Name ", value + b"\r\n")])
    assert relaxed_field(b"X-Name", value) == name + b":" + expected


# ---------------------------------------------------------------- bad keys


@pytest.mark.parametrize(
    ("data", "mode", "says"),
    [
        (pem("rsa"), 0o644, r"everybody may read this key, or its group may change it \(-rw-r--r--\); chmod 640"),
        (pem("rsa"), 0o660, "its group may change it"),
        (pem("small"), 0o600, "1024 bits are too few; an RSA key needs 2048"),
        (pem("ec"), 0o600, "is neither an RSA nor an Ed25519 key; make one: openssl genrsa"),
        (b"", 0o600, "is no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n", 0o600, "is no private key"),
    ],
)
def test_a_key_that_is_no_good_is_refused(tmp_path: Path, data: bytes, mode: int, says: str) -> None:
    path = file(tmp_path, "k", data, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    with pytest.raises(ConfigError, match=says) as caught:
        Signer(DOMAIN, {"s1": path})
    assert str(caught.value).startswith(str(path))
    assert "BEGIN" not in str(caught.value)


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    data = written(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"geheim"))
    with pytest.raises(ConfigError, match="encrypted with a password; store it without one"):
        Signer(DOMAIN, {"s1": file(tmp_path, "k", data)})


@pytest.mark.parametrize("selector", ["", "a b", "a..b", "-a", "x" * 64, "a;b", "ä"])
def test_a_bad_selector_is_refused(tmp_path: Path, selector: str) -> None:
    with pytest.raises(ConfigError, match="is no selector"):
        Signer(DOMAIN, {selector: file(tmp_path, "k", pem("rsa"))})


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the key cannot be read: no such file"):
        Signer(DOMAIN, {"s1": tmp_path / "none.pem"})
    with pytest.raises(ConfigError, match="the key cannot be read: is a directory"):
        Signer(DOMAIN, {"s1": tmp_path})


# ------------------------------------------------------------ in the program


@pytest.fixture
def signing(tmp_path: Path, empty_sqlite: Path) -> Any:
    """A site whose mail is signed."""
    file(tmp_path, "r", pem("rsa"))
    file(tmp_path, "e", pem("ed25519"))
    (tmp_path / "var").mkdir()
    database = tmp_path / "var" / "digest.db"
    database.write_bytes(empty_sqlite.read_bytes())
    config = CONFIG.replace("mail:\n", "mail:\n  to: 张@例子.测试\n  dkim: {keys: {e1: e.pem, s1: r.pem}}\n")
    with opened(tmp_path, f"sqlite:///{database}", config) as world:
        yield world


def test_every_mail_is_signed(signing: World) -> None:
    """Digests, confirmations, links to one's data: as they lie in the outbox."""
    signing.begin()
    manage = token(signing.join())
    for errand in ASKABLE:
        signing.signup.request(manage, errand, signing.now)
    signing.sent()
    signing.later(days=1)
    signing.news("more")
    signing.run()
    records = dkim_records(signing.app())
    mails = [path.read_bytes() for path in (signing.folder / "var/outbox").glob("*.eml")]
    assert len(mails) >= 5
    for mail in mails:
        assert verdicts(mail, records) == [True, True]
    assert any(b"One-Click" in mail for mail in mails)


def test_it_holds_on_the_wire(signing: World) -> None:
    """Over SMTP, dots and all."""
    signer = signing.app().signer
    assert signer is not None
    signed = signer.sign(MESSAGE)
    with smtp_serving() as server:
        transport = SmtpChannel(host="127.0.0.1", port=server.port, security="none")
        transport.send(
            Outgoing(pieces=(signed,), envelope_from="b@news.example.com"),
            Target(address="ann@example.org", name="n"),
            WITHOUT_LEDGER,
        )
        transport.close()
        [arrived] = server.accepted
    assert verdicts(arrived.message, signer.records()) == [True, True]


def test_without_its_key_mail_waits(signing: World) -> None:
    """A run says so, nothing leaves unsigned, nothing is lost; showing an edition needs no key."""
    signing.begin()
    (signing.folder / "r.pem").chmod(0o644)
    signing.later(days=1)
    signing.news("more")
    report = signing.run()
    assert "everybody may read this key" in str(report)
    assert signing.new_mails() == []
    app = signing.app()
    assert mail_of(app, find_issue(app.store, app.render_context().publisher, "daily", "latest")).text
    (signing.folder / "r.pem").chmod(0o600)
    signing.run()
    assert len(signing.new_mails()) == 1


def test_the_dns_records_are_printed(signing: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In pieces that fit into a TXT record."""
    from digest.cli import main

    config = str(signing.folder / "config.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["dkim", "--config", config])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        f"{each}._domainkey.news.example.com." for each in ("s1", "e1")
    ]
    for line, record in zip(lines, dkim_records(signing.app()).values(), strict=True):
        pieces = re.findall(r'"([^"]*)"', line)
        assert "".join(pieces) == record
        assert max(map(len, pieces)) < 256
    (signing.folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["dkim", "--config", config])
    assert ended.value.code == 2
    assert "mail.dkim: there are no keys" in capsys.readouterr().err
