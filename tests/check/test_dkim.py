"""Public keys in the DNS."""

from __future__ import annotations

import base64

import pytest

from digest.mailauth.dkim import bare_key, is_same_key, parse_dkim, rsa_bits

RSA_1024 = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDLDSufmcgU2zaF9lS7daTZROsxKdsau6kvudfrSK+M61Ms5oyh2/zUHKefOrJk0xT8YIleFt"
    "Yq3w3no6cmNtVdLs++oGBsXK49ZcxFhUX0J07IWIP4qS9pv7YkdOo9hZBI1myTEfu+ZtGC/94pwEALTJcsiN+Bccwpu6C1HfdrpQIDAQAB"
)
RSA_2048 = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAol46izvVFgm/VNKYvqN/fkTZS3vSXjisXWJzbQwiVDpOyN064NSRAg3enGXtlc4WEPsf"
    "+JJjJJos2yzAI+dNCUjNZPSX2YYTKcDfrnrK1gdXjr23Bf/xjvk8a8Ocm5Kk56vIpVfekpV0di6UgVNOxeCNJzYCjIy1zj79hag+WvGfGQzOuFuM"
    "4nQDdmNgnUn5Z5EupbQl2KNfJggRnpUa3ZTM4HFuOPLX9FSzWLJgxv92Lpv5MRJTk/buxOl/yxuaezkfHf3/jJsD2A2pdleAWQAXvPY/6zJ0WReb"
    "3dhe52Z0meeuzYzZhVdjfNV4EXPAuCDDxGhA1CQihnGBOiOCIQIDAQAB"
)
ED25519_BARE = "eod9Lj/EVc73v+ZT0TdEkm12zDX//JGe2CuVjgubW2k="


def der(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.mark.parametrize(
    ("text", "bits", "fault"),
    [
        (f"v=DKIM1; k=rsa; p={RSA_2048}", 2048, ""),
        (f"p={RSA_1024}", 1024, ""),
        (f"v=DKIM1; k=ed25519; p={ED25519_BARE}", 256, ""),
        (f"v=DKIM1; p={RSA_2048[:60]} {RSA_2048[60:]}; s=email; h=sha256:sha1", 2048, ""),
        (f"v=DKIM1; k=dsa; p={RSA_1024}", 1024, "its kind 'dsa' is not known"),
        (f"v=DKIM1; s=tlsrpt; p={RSA_1024}", 1024, "it is not for e-mail (s=)"),
        (f"v=DKIM1; h=sha1; p={RSA_1024}", 1024, "it does not allow sha256 (h=)"),
        ("v=DKIM1; p=*****", 0, "its key is not base64"),
    ],
)
def test_records(text: str, bits: int, fault: str) -> None:
    """Kind, length, and why receivers cannot use one."""
    found = parse_dkim(text)
    assert found is not None
    assert (found.bits, found.fault) == (bits, fault)


def test_revoked_and_testing() -> None:
    """An empty key says that it is no longer in use."""
    revoked, testing = parse_dkim("v=DKIM1; p="), parse_dkim(f"v=DKIM1; t=s:y; p={RSA_1024}")
    assert revoked is not None
    assert testing is not None
    assert revoked.is_revoked
    assert testing.is_testing
    assert not testing.is_revoked
    assert [parse_dkim(text) for text in ("", "v=DKIM1", "v=DKIM2; p=AA==")] == [None, None, None]


def test_same_key_in_any_frame() -> None:
    """RSA keys are published with their frame or without, Ed25519 keys without."""
    bare = base64.b64encode(bare_key(der(RSA_2048))).decode()
    texts = (
        f"p={RSA_2048}",
        f"k=rsa; p={bare}",
        f"p={RSA_1024}",
        f"k=ed25519; p={ED25519_BARE}",
        "p=",
        f"k=ed25519; p={bare}",
    )
    keys = [key for text in texts if (key := parse_dkim(text)) is not None]
    same = [(one, other) for one in range(6) for other in range(6) if is_same_key(keys[one], keys[other])]
    assert same == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 3), (5, 5)]


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80", b"\x30\x85\1\1\1\1\1", b"\x30\x05\x02", b"\x30\x00", b"\x04\x01a"]
)
def test_what_is_no_key_has_no_length(data: bytes) -> None:
    """Whatever stands in the DNS, nothing breaks."""
    assert rsa_bits(data) == 0
