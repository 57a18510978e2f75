"""Who sent a request to a webhook of ours: signatures of Amazon SNS, and those of Standard Webhooks.

Only Amazon's own hosts are asked for certificates and confirmations, over https, and what they gave is remembered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from digest.errors import ConfigError, ProbeError
from digest.ports import Fetch

TOLERANCE = timedelta(minutes=5)
"""How far a request's time may be from ours (standardwebhooks.com)."""
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]+\.pem")
_SUBJECT = "sns.amazonaws.com"
_CERTIFICATES = 16
_CERTIFICATE_SIZE = 64 * 1024
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""Fields that a signature is over, in their order (docs.aws.amazon.com/sns)."""


class Unsigned(Exception):
    """Nobody whom we know has sent this. Says why, for the log."""


# ---------------------------------------------------------------- Amazon SNS


class SnsTopic:
    """Messages of one topic. May be used by several threads."""

    def __init__(self, arn: str, fetch: Fetch, now: Callable[[], datetime]) -> None:
        """Raises ConfigError if there is no library to check signatures with."""
        try:
            import cryptography  # noqa: F401 - late: an extra
        except ImportError as error:
            remedy = 'pip install "digest-publisher[dkim]"'
            raise ConfigError("mail.bounces.ses_topic", "its signatures cannot be checked", remedy) from error
        self._arn = arn
        _, partition, _, region, *_ = f"{arn}::::".split(":")
        self._host = f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"
        self._fetch = fetch
        self._now = now
        self._keys: dict[str, Any] = {}

    def message(self, body: bytes) -> str:
        """The message that a notification brings; empty for one that is about the subscription, which is confirmed.
        Raises Unsigned, and ProbeError if Amazon cannot be asked."""
        told = _fields(body)
        kind = told.get("Type", "")
        if kind not in _SIGNED:
            raise Unsigned("it is no message of SNS")
        if told.get("TopicArn") != self._arn:
            raise Unsigned(f"it is of the topic {told.get('TopicArn', '')!r}")
        self._check(told, kind)
        if kind == "SubscriptionConfirmation":
            self._confirm(told.get("SubscribeURL", ""))
        return told.get("Message", "") if kind == "Notification" else ""

    def _check(self, told: Mapping[str, str], kind: str) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256

        digests = {"1": SHA1, "2": SHA256}  # SNS signs by SHA-1 unless the topic says otherwise
        made = digests.get(told.get("SignatureVersion", ""))
        if made is None:
            raise Unsigned("its signature is of a version that is not known")
        text = "".join(f"{name}\n{told[name]}\n" for name in _SIGNED[kind] if name in told)
        try:
            signature = base64.b64decode(told.get("Signature", ""), validate=True)
            self._key(told.get("SigningCertURL", "")).verify(signature, text.encode(), PKCS1v15(), made())
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise Unsigned("its signature is wrong") from error

    def _key(self, url: str) -> Any:
        """The key of a certificate of Amazon's."""
        if url not in self._keys:
            parts = self._amazons(url)
            if parts.query or parts.fragment or not _CERTIFICATE.fullmatch(parts.path):
                raise Unsigned(f"it names an address that is no certificate of SNS: {url[:120]!r}")
            key = self._certified(url)
            if len(self._keys) >= _CERTIFICATES:
                self._keys.clear()
            self._keys[url] = key
        return self._keys[url]

    def _certified(self, url: str) -> Any:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.x509 import load_pem_x509_certificate
        from cryptography.x509.oid import NameOID

        answer = self._fetch(url)
        if 400 <= answer.status < 500:
            raise Unsigned("its certificate is not there")
        if answer.status != 200 or len(answer.body) > _CERTIFICATE_SIZE:
            raise ProbeError(urlsplit(url).netloc, f"gives no certificate ({answer.status})")
        try:
            found = load_pem_x509_certificate(answer.body)
        except ValueError as error:
            raise Unsigned("its certificate is none") from error
        names = [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        is_valid = found.not_valid_before_utc <= self._now() <= found.not_valid_after_utc
        key = found.public_key()
        if _SUBJECT not in names or not is_valid or not isinstance(key, RSAPublicKey):
            raise Unsigned("its certificate is not one of SNS that is valid now")
        return key

    def _confirm(self, url: str) -> None:
        self._amazons(url)
        answer = self._fetch(url)
        if answer.status != 200:
            raise ProbeError(urlsplit(url).netloc, f"does not take the confirmation ({answer.status})")

    def _amazons(self, url: str) -> SplitResult:
        """The parts of an address of the topic's own region. Raises Unsigned for any other."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Unsigned("it names an address that is none") from error
        is_theirs = parts.scheme == "https" and parts.netloc == self._host
        if not is_theirs or not url.isascii() or not url.isprintable() or " " in url:
            raise Unsigned(f"it names an address that is not of the topic's region: {parts.netloc[:80]!r}")
        return parts


def _fields(body: bytes) -> dict[str, str]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unsigned("it is not JSON") from error
    return {name: each for name, each in told.items() if isinstance(each, str)} if isinstance(told, dict) else {}


# --------------------------------------------------------- Standard Webhooks


def hook_keys(written: str) -> tuple[bytes, ...]:
    """The keys of a secret: ``whsec_`` and base64, as Standard Webhooks has it; several stand apart by blanks, so that
    one can be replaced. Raises ValueError, which continues a sentence about the secret."""
    keys = []
    for each in written.split():
        try:
            keys.append(base64.b64decode(each.removeprefix("whsec_"), validate=True))
        except binascii.Error as error:
            raise ValueError("is not base64; make one with: echo whsec_$(openssl rand -base64 32)") from error
    if not keys or min(map(len, keys)) < 16:
        raise ValueError("is too short; make one with: echo whsec_$(openssl rand -base64 32)")
    return tuple(keys)


def signed_name(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> str:
    """The id of a request that whoever has one of these keys signed, just now. ``headers`` by name in lower case.
    Raises Unsigned."""
    name, at, given = (headers.get(f"webhook-{each}", "") for each in ("id", "timestamp", "signature"))
    if not name or not given or len(name) > 256 or not re.fullmatch(r"\d{1,12}", at, re.ASCII):
        raise Unsigned("webhook-id, webhook-timestamp or webhook-signature is missing")
    if abs(now.timestamp() - int(at)) > TOLERANCE.total_seconds():
        raise Unsigned("it was signed at another time")
    content = f"{name}.{at}.".encode() + body
    made = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()) for key in keys]
    offered = [each.removeprefix("v1,").encode() for each in given.split()[:16] if each.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in made for other in offered):
        raise Unsigned("its signature is wrong")
    return name
