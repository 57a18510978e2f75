"""Short tokens for links in mails, and keyed hashes of addresses.

A token is 26 octets, 35 characters of URL-safe base64:

    purpose (1)  number of the key (1)  subject (5)  list (3)  the first 16 of HMAC-SHA256 over all that (RFC 2104)

It says which row it is about and nothing else; no address, no date. What it allows, and how long, is decided by
whoever looks the row up. The newest key signs, all of them verify: a link in an old mail outlives a new key. Addresses
are always hashed with the first key, so that the list of suppressed ones outlives it too. Pure; a wrong token is None.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct

from digest.subscribers.subscription import mailbox

LENGTH = 35
"""Characters of a token."""

_FORM = re.compile(rf"[A-Za-z0-9_-]{{{LENGTH}}}")
_HEAD, _MAC = 10, 16
_LEAST = 22
"""Characters of a secret: 22 random ones of base64 are 128 bits."""


class Purpose(IntEnum):
    """What a token is good for. It is invalid for any other purpose."""

    CONFIRM = 1
    """The subject is a consent."""
    UNSUBSCRIBE = 2
    """The subject is a subscriber, the list a digest."""
    MANAGE = 3
    """The subject is a subscriber."""
    ERRAND = 4
    """The subject is a request for a fresh link."""
    FORM = 5
    """The subject is the second (since 1970) in which a form was shown."""
    BACK = 6
    """The subject is a subscriber who just left a digest, the list the second of that, as much of it as fits."""
    APPROVE = 7
    """The subject is an edition that waits for approval, or did."""


class Token(Struct, frozen=True, kw_only=True):
    """What a token says."""

    purpose: Purpose
    subject: int
    list_key: int = 0


class Keyring:
    """Secrets by number, 1 to 255. Never printed."""

    def __init__(self, secrets: Mapping[int, str]) -> None:
        """Raises ValueError without a secret, for a number out of range, or for a secret that is too short."""
        if not secrets:
            raise ValueError("there is no secret")
        for number, secret in secrets.items():
            if not 1 <= number <= 255:
                raise ValueError(f"a key's number is 1 to 255, not {number}")
            if len(secret) < _LEAST:
                raise ValueError(f"secret {number} is shorter than {_LEAST} characters")
        self._tokens = {number: _derived(secret, "token") for number, secret in secrets.items()}
        self._addresses = _derived(secrets[min(secrets)], "address")
        self._newest = max(secrets)
        self.address_key = f"{min(secrets)}:{self.hashed('')[:8]}"
        """Number and a mark of the key that hashes addresses: two lists of hashes go together if it is the same."""

    def sign(self, token: Token) -> str:
        """As text for a URL. Raises OverflowError for ids beyond 5 and 3 octets."""
        head = (
            bytes((token.purpose, self._newest)) + token.subject.to_bytes(5, "big") + token.list_key.to_bytes(3, "big")
        )
        return _text(head + _mac(self._tokens[self._newest], head))

    def read(self, text: str) -> Token | None:
        """What a genuine token says; None for everything else."""
        if not _FORM.fullmatch(text):
            return None
        data = base64.urlsafe_b64decode(text + "=")
        head, mac = data[:_HEAD], data[_HEAD:]
        key = self._tokens.get(head[1])
        expected = _mac(key if key is not None else bytes(32), head)
        if not hmac.compare_digest(mac, expected) or key is None or _text(data) != text:
            return None
        try:
            purpose = Purpose(head[0])
        except ValueError:
            return None
        return Token(
            purpose=purpose, subject=int.from_bytes(head[2:7], "big"), list_key=int.from_bytes(head[7:10], "big")
        )

    def hashed(self, canonical: str) -> str:
        """A canonical address (or an IP address) as 32 hexadecimal digits that only this keyring can make."""
        return hmac.new(self._addresses, canonical.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def mailbox(self, canonical: str) -> str:
        """What limits count an address by: as ``hashed``, the same for all tags of one mailbox."""
        return self.hashed(mailbox(canonical))

    def __repr__(self) -> str:
        return f"Keyring({len(self._tokens)} keys)"


def parse_keyring(text: str) -> Keyring:
    """The keys of a secret file or variable: one secret alone is number 1; several are written ``NUMBER:SECRET``,
    one a line or with spaces between them; lines may end in a comment after ``#``. Raises ValueError."""
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    secrets: dict[int, str] = {}
    for word in words:
        number, colon, secret = word.partition(":")
        if not (colon and number.isascii() and number.isdigit()):
            number, secret = "1", word
        if int(number) in secrets:
            raise ValueError(f"there are two keys with the number {int(number)}")
        secrets[int(number)] = secret
    return Keyring(secrets)


def new_keyring_text(random: bytes) -> str:
    """The contents of a new secret file, from at least 32 random octets."""
    secret = base64.urlsafe_b64encode(random).decode().rstrip("=")
    return (
        "# Signs the links in mails and hides addresses that must not be written to. Keep it secret, and keep it:\n"
        "# without it no unsubscribe link in any mail works. To change it, add a line 2:NEW-SECRET; keep the old one.\n"
        f"1:{secret}\n"
    )


def _derived(secret: str, use: str) -> bytes:
    """A key of its own for each use."""
    return hmac.new(secret.encode(), f"digest {use}".encode(), hashlib.sha256).digest()


def _mac(key: bytes, head: bytes) -> bytes:
    return hmac.new(key, head, hashlib.sha256).digest()[:_MAC]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
