"""Mails to read: a file, a mailbox file, standard input, a Maildir, an IMAP folder. Nothing is ever sent.

What was read is marked (Maildir: moved to ``cur``, IMAP: \\Seen) only after the caller has dealt with it, so that a
crash in between repeats a report, which counts once anyway.
"""

from __future__ import annotations

import imaplib
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from digest.errors import DigestError
from digest.text import hiding

SIZE_LIMIT = 1_000_000
PASSWORD_VARIABLE = "DIGEST_IMAP_PASSWORD"  # noqa: S105 - the name of a variable

_TIMEOUT = 60.0
_SEPARATOR = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From \S+[ \t][^\n]*\d\d:\d\d[^\n]*\d{4}[^\n]*\n")
"""RFC 4155: an empty line, an address, a time."""
_FIRST = re.compile(rb"\AFrom [^\n]*\n")


def read_mails(place: str, env: Mapping[str, str]) -> Iterator[bytes]:
    """Every mail at a place: ``FILE``, ``-``, ``maildir:DIR``, ``imap://USER@HOST/FOLDER`` (always with TLS; only
    unread ones). One larger than 1 MB comes out cut, as nothing that could be a report. Raises DigestError."""
    try:
        if place == "-":
            yield _cut(_FIRST.sub(b"", sys.stdin.buffer.read(2 * SIZE_LIMIT)))
        elif place.startswith("maildir:"):
            yield from _maildir(Path(place.removeprefix("maildir:")))
        elif place.startswith(("imap://", "imaps://")):
            yield from _imap(place, env)
        else:
            yield from _split(Path(place).read_bytes())
    except OSError as error:
        raise DigestError(_named(place), f"cannot be read: {(error.strerror or str(error)).lower()}") from error


def _split(data: bytes) -> Iterator[bytes]:
    """The mails of a mailbox file (RFC 4155), or the one that there is."""
    if not data.startswith(b"From "):
        yield _cut(data)
        return
    for part in _SEPARATOR.split(data):
        if part.strip():
            yield _cut(_FIRST.sub(b"", part))


def _maildir(folder: Path) -> Iterator[bytes]:
    if not (folder / "new").is_dir():
        raise DigestError(str(folder), "is no Maildir", "name the folder that holds cur, new and tmp")
    (folder / "cur").mkdir(exist_ok=True)
    for path in sorted((folder / "new").iterdir()):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                data = file.read(SIZE_LIMIT + 1)
            yield _cut(data)
            path.rename(folder / "cur" / f"{path.name.partition(':')[0]}:2,S")


def _imap(place: str, env: Mapping[str, str]) -> Iterator[bytes]:
    parts = urlsplit(place)
    password = env.get(PASSWORD_VARIABLE)
    if not parts.hostname or not parts.username:
        raise DigestError("imap", "the address names no host and user", "write imap://USER@HOST/INBOX")
    if not password:
        raise DigestError(parts.hostname, "there is no password", f"set the environment variable {PASSWORD_VARIABLE}")
    folder = unquote(parts.path.strip("/")) or "INBOX"
    try:
        with _connected(parts.hostname, parts.port or 993, env) as box:
            box.login(unquote(parts.username), password)
            _good(box.select(_quoted(folder)), parts.hostname, f"there is no folder {folder}")
            (numbers,) = _good(box.search(None, "UNSEEN"), parts.hostname, "it does not search")
            for number in (numbers or b"").decode("ascii").split():
                found = _good(
                    box.fetch(number, f"(BODY.PEEK[]<0.{SIZE_LIMIT + 1}>)"), parts.hostname, "it does not tell"
                )
                data = next((item[1] for item in found if isinstance(item, tuple)), b"")
                yield _cut(data)
                box.store(number, "+FLAGS", "(\\Seen)")
    except imaplib.IMAP4.error as error:
        said = hiding((password, password.replace("\\", "\\\\").replace('"', '\\"')))(str(error)[:2000])
        raise DigestError(parts.hostname, f"the mailbox cannot be read: {said[:200].lower()}") from None
    except UnicodeError as error:
        raise DigestError(parts.hostname, "user or password is not ASCII, which IMAP's LOGIN cannot say") from error


def _named(place: str) -> str:
    """As messages may say it: whoever wrote a password into an address finds it in none."""
    return urlsplit(place).hostname or "imap" if place.startswith(("imap://", "imaps://")) else place


def _connected(host: str, port: int, env: Mapping[str, str]) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context(cafile=env.get("SSL_CERT_FILE") or None)
    return imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=_TIMEOUT)


def _good(answer: tuple[str, list], host: str, cause: str) -> list:  # type: ignore[type-arg]
    if answer[0] != "OK":
        raise DigestError(host, cause)
    return answer[1]


def _quoted(folder: str) -> str:
    escaped = re.sub(r"[\r\n\x00]", "", folder).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _cut(data: bytes) -> bytes:
    return data[: SIZE_LIMIT + 1]
