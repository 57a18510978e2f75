"""Where reports are read from: files, standard input, a Maildir, an IMAP server."""

from __future__ import annotations

import datetime
import io
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.errors import DigestError
from digest.mail.inbox import SIZE_LIMIT, read_mails

ONE = b"From: a@example.org\n\none\n"
TWO = b"From: b@example.org\n\nFrom here on: two\n"


def test_a_file_is_one_mail(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(ONE)
    assert list(read_mails(str(tmp_path / "a.eml"), {})) == [ONE]


def test_a_mailbox_file_is_several(tmp_path: Path) -> None:
    line = b"From MAILER-DAEMON Tue Nov 24 04:00:00 2026\n"
    (tmp_path / "box").write_bytes(line + ONE + b"\n" + line + TWO)
    assert [each.strip() for each in read_mails(str(tmp_path / "box"), {})] == [ONE.strip(), TWO.strip()]


def test_standard_input_is_a_pipe_of_the_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ONE)))
    assert list(read_mails("-", {})) == [ONE]


def test_a_maildir_is_worked_off(tmp_path: Path) -> None:
    """What was read is moved to cur and marked as seen; links are left alone, large mails cut."""
    for name in ("new", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1.host").write_bytes(ONE)
    (tmp_path / "new" / "2.host").write_bytes(b"x" * (SIZE_LIMIT * 2))
    (tmp_path / "new" / "3.host").symlink_to("/etc/passwd")
    first, second = read_mails(f"maildir:{tmp_path}", {})
    assert first == ONE
    assert len(second) == SIZE_LIMIT + 1
    assert sorted(path.name for path in (tmp_path / "cur").iterdir()) == ["1.host:2,S", "2.host:2,S"]
    assert list(read_mails(f"maildir:{tmp_path}", {})) == []


def test_a_mail_that_was_not_dealt_with_stays(tmp_path: Path) -> None:
    """Whoever stops in between finds it again."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.host").write_bytes(ONE)
    reading = read_mails(f"maildir:{tmp_path}", {})
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert list(read_mails(f"maildir:{tmp_path}", {})) == [ONE]


@pytest.mark.parametrize(
    ("place", "env", "cause"),
    [
        ("missing.eml", {}, "no such file"),
        ("maildir:missing", {}, "is no Maildir"),
        ("imap://localhost/INBOX", {}, "names no host and user"),
        ("imap://ann@localhost/INBOX", {}, "no password"),
        ("imap://ann@127.0.0.1:1/INBOX", {"DIGEST_IMAP_PASSWORD": "x"}, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_explained(place: str, env: dict[str, str], cause: str) -> None:
    with pytest.raises(DigestError, match=cause):
        list(read_mails(place, env))


# -------------------------------------------------------------------- IMAP


class Mailbox(socketserver.StreamRequestHandler):
    """The few words of IMAP (RFC 3501) that are needed."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        self.say("* OK ready")
        for raw in self.rfile:
            tag, _, command = raw.decode().strip().partition(" ")
            name = command.split()[0].upper()
            server.heard.append(command)
            if name == "CAPABILITY":
                self.say("* CAPABILITY IMAP4rev1")
            elif name == "LOGIN" and "geheim" not in command:
                self.say(f"{tag} NO wrong password in {command.upper()}")
                continue
            elif name == "SELECT" and "Bounces" not in command:
                self.say(f"{tag} NO no such folder")
                continue
            elif name == "SELECT":
                self.say("* 2 EXISTS")
            elif name == "SEARCH":
                self.say("* SEARCH 1 2")
            elif name == "FETCH":
                data = (ONE, TWO)[int(command.split()[1]) - 1]
                self.wfile.write(b"* 1 FETCH (BODY[]<0> {%d}\r\n%s)\r\n" % (len(data), data))
            self.say(f"{tag} OK done")
            if name == "LOGOUT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        self.heard: list[str] = []
        super().__init__(("127.0.0.1", 0), Mailbox)
        self.socket = context.wrap_socket(self.socket, server_side=True)


def certificate(folder: Path) -> Path:
    """A certificate of this machine's own, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "cert.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def imap(tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = Server(context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, {"DIGEST_IMAP_PASSWORD": "geheim", "SSL_CERT_FILE": str(pem)}
    server.shutdown()
    server.server_close()


def test_an_imap_folder_is_worked_off(imap: tuple[Server, dict[str, str]]) -> None:
    """Unread mails, over verified TLS; each marked as read after it was dealt with."""
    server, env = imap
    port = server.server_address[1]
    reading = read_mails(f"imap://ann%40example.org@localhost:{port}/Bounces", env)
    assert next(reading) == ONE
    assert not [each for each in server.heard if each.startswith("STORE")]
    assert list(reading) == [TWO]
    assert [each for each in server.heard if each.startswith("STORE")] == [
        "STORE 1 +FLAGS (\\Seen)",
        "STORE 2 +FLAGS (\\Seen)",
    ]
    assert 'LOGIN ann@example.org "geheim"' in server.heard


@pytest.mark.parametrize(
    ("change", "folder", "cause"),
    [
        ({"DIGEST_IMAP_PASSWORD": "falsch"}, "Bounces", "wrong password"),
        ({"DIGEST_IMAP_PASSWORD": 'so "falsch" wie nur was'}, "Bounces", "wrong password"),
        ({}, "Other", "no folder Other"),
        ({"SSL_CERT_FILE": ""}, "Bounces", "certificate"),
    ],
)
def test_an_imap_server_that_refuses_is_explained(
    imap: tuple[Server, dict[str, str]], change: dict[str, str], folder: str, cause: str
) -> None:
    """Without the password in the message; a certificate that nobody vouches for is refused."""
    server, env = imap
    with pytest.raises(DigestError, match=cause) as caught:
        list(read_mails(f"imap://ann@localhost:{server.server_address[1]}/{folder}", env | change))
    assert "falsch" not in str(caught.value).lower()
    assert caught.value.__cause__ is None or "falsch" not in str(caught.value.__cause__).lower()


def test_a_password_in_an_address_is_in_no_message(imap: tuple[Server, dict[str, str]]) -> None:
    """It is of no use there; nor is one that LOGIN cannot say a traceback."""
    server, env = imap
    with pytest.raises(DigestError) as caught:
        list(read_mails("imap://ann:geheim-in-der-adresse@127.0.0.1:1/INBOX", env))
    assert "geheim" not in str(caught.value)
    place = f"imap://ann@localhost:{server.server_address[1]}/Bounces"
    with pytest.raises(DigestError, match="is not ASCII") as caught:
        list(read_mails(place, env | {"DIGEST_IMAP_PASSWORD": "schlüssel"}))
    assert "schl" not in str(caught.value)


def test_a_line_that_begins_with_from_splits_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe brings one mail (Postfix's pipe(8) with the flag F writes a line before it); in a mailbox file mails are
    parted by an empty line, an address and a time (RFC 4155)."""
    line, mail = (
        b"From MAILER-DAEMON Tue Nov 24 04:00:00 2026\n",
        b"From: a@example.org\n\nFrom us in 2026\nand so on\n",
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line + mail + b"\n" + line)))
    assert list(read_mails("-", {})) == [mail + b"\n" + line]
    (tmp_path / "box").write_bytes(line + mail + b"\n" + line + mail)
    assert [each.strip() for each in read_mails(str(tmp_path / "box"), {})] == [mail.strip(), mail.strip()]
