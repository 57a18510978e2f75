"""The public half of a DKIM key as it stands in the DNS (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64
import binascii
import re

from msgspec import Struct

LEAST_BITS = 1024
"""A receiver takes no shorter RSA key (RFC 8301 section 3.2)."""
GOOD_BITS = 2048


class DkimKey(Struct, frozen=True, kw_only=True):
    """One record."""

    kind: str
    """``rsa`` or ``ed25519``, as it says."""
    key: bytes
    """As published; empty if it was revoked."""
    is_testing: bool = False
    """Receivers are to treat its mail as if it were not signed (``t=y``)."""
    fault: str = ""
    """Why receivers cannot use it."""

    @property
    def is_revoked(self) -> bool:
        return not self.key and not self.fault

    @property
    def bits(self) -> int:
        """Length of an RSA modulus; 256 for Ed25519; 0 if the key cannot be read."""
        if self.kind == "ed25519":
            return 256 if len(self.key) == 32 else 0
        return rsa_bits(self.key)


def parse_dkim(text: str) -> DkimKey | None:
    """None for a text that is no key record."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), value.strip())
    if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        return None
    kind = tags.get("k", "rsa").lower()
    services = [each.strip() for each in tags.get("s", "*").split(":")]
    fault = ""
    if kind not in ("rsa", "ed25519"):
        fault = f"its kind {kind!r} is not known"
    elif "*" not in services and "email" not in services:
        fault = "it is not for e-mail (s=)"
    elif "h" in tags and "sha256" not in [each.strip() for each in tags["h"].split(":")]:
        fault = "it does not allow sha256 (h=)"
    try:
        key = base64.b64decode(re.sub(r"\s", "", tags["p"]), validate=True)
    except (binascii.Error, ValueError):
        key, fault = b"", fault or "its key is not base64"
    return DkimKey(kind=kind, key=key, is_testing="y" in tags.get("t", "").lower().split(":"), fault=fault)


def is_same_key(one: DkimKey, other: DkimKey) -> bool:
    """RSA keys are published with the frame of a SubjectPublicKeyInfo or without (RFC 6376), Ed25519 keys as their 32
    octets alone (RFC 8463 section 4)."""
    return bool(one.key) and one.kind == other.kind and bare_key(one.key) == bare_key(other.key)


def bare_key(info: bytes) -> bytes:
    """The key inside a SubjectPublicKeyInfo; what is none comes back as it is."""
    parts = _items(info)
    if len(parts) == 1 and parts[0][0] == 0x30:
        inner = _items(parts[0][1])
        if len(inner) == 2 and inner[0][0] == 0x30 and inner[1][0] == 0x03:
            return inner[1][1][1:]
    return info


def rsa_bits(key: bytes) -> int:
    """Bits of the modulus, with or without the frame around the key; 0 if it cannot be read."""
    parts = _items(bare_key(key))
    if len(parts) != 1 or parts[0][0] != 0x30:
        return 0
    numbers = _items(parts[0][1])
    if len(numbers) != 2 or numbers[0][0] != 0x02:
        return 0
    return int.from_bytes(numbers[0][1], "big").bit_length()


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and contents of what stands side by side in DER; nothing if it is not DER."""
    found: list[tuple[int, bytes]] = []
    place = 0
    while place < len(data):
        if place + 2 > len(data):
            return []
        tag, length = data[place], data[place + 1]
        place += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[place : place + size], "big")
            place += size
            if size == 0 or size > 4:
                return []
        if place + length > len(data):
            return []
        found.append((tag, data[place : place + length]))
        place += length
    return found
