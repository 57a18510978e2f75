"""DKIM (RFC 6376): signs messages with RSA (RFC 8301) and Ed25519 (RFC 8463), each key a signature of its own.

Last thing before a message leaves, over its final bytes. Header and body are canonicalised ``relaxed``; there is no
``l=``, and no ``t=``, so that every attempt of a delivery has equal bytes. What tells readers who wrote, to whom, what
and how to leave is signed once more than it is there, so that nobody can add a second one.
"""

from __future__ import annotations

import hashlib
import re
import stat
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from digest.errors import ConfigError

LEAST_RSA = 2048
"""Bits (RFC 8301 section 3.2)."""
OVERSIGNED = (
    *("From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
)
"""Signed once more than they are there, also if they are not: none can be added on the way."""
SIGNED = ("List-Archive", "List-Help", "List-Post", "Feedback-ID", "Auto-Submitted", "Precedence")
"""Signed if they are there."""

_SUBJECT = "mail.dkim.keys"
_SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_TOO_OPEN = stat.S_IWGRP | stat.S_IRWXO
_FOLD = 72
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_SPACE = re.compile(rb"[ \t]+")


class _Key(Struct, frozen=True, kw_only=True):
    selector: str
    algorithm: str
    """``rsa`` or ``ed25519``."""
    public: str
    """As a DNS record gives it, base64."""
    sign: Callable[[bytes], bytes]
    """From what is signed to the raw signature."""


class Signer:
    """Signs for one domain. May be used by several threads."""

    def __init__(self, domain: str, files: Mapping[str, Path]) -> None:
        """``files`` are private keys (PEM, not encrypted) by selector. Raises ConfigError for one that cannot be
        read, that others may read, or that is no good."""
        self.domain = domain
        keys = [_open(selector, path) for selector, path in files.items()]
        self._keys = sorted(keys, key=lambda key: key.algorithm != "rsa")  # all know RSA: it stands on top

    def sign(self, message: bytes) -> bytes:
        """The message with its signatures in front."""
        return self.signatures(message) + message

    def signatures(self, message: bytes) -> bytes:
        """The fields that sign a message, to stand in front of it. It must have CRLF line ends."""
        head, _, body = message.partition(b"\r\n\r\n")
        body_hash = b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
        fields = _fields(head + b"\r\n")
        names = _signed_names(fields)
        told = b"".join(_chosen(fields, names))
        return b"".join(self._signature(key, names, body_hash, told) for key in self._keys)

    def records(self) -> dict[str, str]:
        """What the domain's DNS must say (RFC 6376 section 3.6.1): the text by the record's name."""
        return {
            f"{key.selector}._domainkey.{self.domain}": f"v=DKIM1; k={key.algorithm}; p={key.public}"
            for key in self._keys
        }

    def _signature(self, key: _Key, names: Sequence[str], body_hash: str, told: bytes) -> bytes:
        tags = (
            f"v=1; a={key.algorithm}-sha256; c=relaxed/relaxed; d={self.domain}; s={key.selector};",
            *_folded(f"h={':'.join(names)};", ":"),
            f"bh={body_hash};",
            "b=",
        )
        field = "DKIM-Signature: " + "\r\n ".join(tags)
        name, _, value = field.partition(":")
        data = told + relaxed_field(name.encode(), value.encode()).removesuffix(b"\r\n")
        signature = b64encode(key.sign(data)).decode("ascii")
        lines = [signature[start : start + _FOLD] for start in range(0, len(signature), _FOLD)]
        return (field + "\r\n ".join(lines) + "\r\n").encode("ascii")


# --------------------------------------------------------- canonical forms


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """RFC 6376 section 3.4.2."""
    unfolded = _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.lower() + b":" + unfolded + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    text = body.replace(b"\t", b" ")  # searching is much quicker than a pattern, and base64 holds next to none of it
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \r\n", b"\r\n").removesuffix(b" ").rstrip(b"\r\n")
    return text + b"\r\n" if text else b""


def _fields(head: bytes) -> list[tuple[str, bytes]]:
    """Fields of a header, in order: name as written, canonical form."""
    return [(found[1].decode("ascii"), relaxed_field(found[1], found[2])) for found in _FIELD.finditer(head)]


def _signed_names(fields: Sequence[tuple[str, bytes]]) -> list[str]:
    """What ``h=`` names, as often as it has to."""
    there = Counter(name.lower() for name, _ in fields)
    names: list[str] = []
    for name in OVERSIGNED:
        names += [name] * (there[name.lower()] + 1)
    for name in SIGNED:
        names += [name] * there[name.lower()]
    return names


def _chosen(fields: Sequence[tuple[str, bytes]], names: Sequence[str]) -> list[bytes]:
    """The fields that are signed, each name's from the bottom up (RFC 6376 section 5.4.2)."""
    left: dict[str, list[bytes]] = {}
    for name, field in fields:
        left.setdefault(name.lower(), []).append(field)
    return [left[name.lower()].pop() for name in names if left.get(name.lower())]


def _folded(tag: str, at: str) -> list[str]:
    """A long tag in lines that end with ``at``."""
    lines, line = [], ""
    for part in re.findall(rf"[^{at}]*{at}?", tag):
        if line and len(line) + len(part) > _FOLD:
            lines.append(line)
            line = ""
        line += part
    return [*lines, line]


# -------------------------------------------------------------------- keys


def _open(selector: str, path: Path) -> _Key:
    if _SELECTOR.fullmatch(selector) is None:
        raise ConfigError(_SUBJECT, f"{selector!r} is no selector", "write letters, digits and -, for example s2026")
    data = _read(path)
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise ConfigError(
            "mail.dkim", "the package that signs is missing", "pip install 'digest-publisher[dkim]'"
        ) from error
    try:
        key = load_pem_private_key(data, None)
    except TypeError as error:
        raise ConfigError(str(path), "the key is encrypted with a password", "store it without one") from error
    except ValueError as error:
        raise ConfigError(str(path), "is no private key (PEM)", _REMEDY) from error
    return _usable(selector, path, key)


_REMEDY = "make one: openssl genrsa -out FILE 2048, or: openssl genpkey -algorithm ed25519 -out FILE"


def _read(path: Path) -> bytes:
    """A key's file. Raises ConfigError if anybody but its owner and group may look into it."""
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            if mode & _TOO_OPEN:
                raise ConfigError(
                    str(path),
                    f"everybody may read this key, or its group may change it ({stat.filemode(mode)})",
                    f"chmod 640 {path}",
                )
            return file.read(100_000)
    except OSError as error:
        cause = (error.strerror or "unknown reason").lower()
        raise ConfigError(str(path), f"the key cannot be read: {cause}", "see mail.dkim.keys") from error


def _usable(selector: str, path: Path, key: object) -> _Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, Ed25519PrivateKey):
        ed25519 = key
        public = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _Key(
            selector=selector,
            algorithm="ed25519",
            public=b64encode(public).decode("ascii"),
            sign=lambda data: ed25519.sign(hashlib.sha256(data).digest()),
        )
    if isinstance(key, RSAPrivateKey):
        rsa = key
        if rsa.key_size < LEAST_RSA:
            raise ConfigError(str(path), f"{rsa.key_size} bits are too few", f"an RSA key needs {LEAST_RSA}")
        public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _Key(
            selector=selector,
            algorithm="rsa",
            public=b64encode(public).decode("ascii"),
            sign=lambda data: rsa.sign(data, PKCS1v15(), SHA256()),
        )
    raise ConfigError(str(path), "is neither an RSA nor an Ed25519 key", _REMEDY)
