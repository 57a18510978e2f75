"""Only who has a key is believed, and only Amazon is asked for Amazon's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from digest.errors import ProbeError
from digest.mail.signed_hooks import SnsTopic, Unsigned, hook_keys, signed_name
from digest.ports import WebAnswer

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a1.pem"
SUBSCRIBE = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
KEY = generate_private_key(65537, 2048)


def certificate(key: RSAPrivateKey = KEY, name: str = "sns.amazonaws.com", until: datetime | None = None) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOW - timedelta(days=30))
    signed = made.not_valid_after(until or NOW + timedelta(days=300)).sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


class Amazon:
    """What is asked of it, and how it answers."""

    def __init__(self, body: bytes | None = None, status: int = 200) -> None:
        self.asked: list[str] = []
        self.body, self.status = certificate() if body is None else body, status

    def __call__(self, url: str, **_: object) -> WebAnswer:
        self.asked.append(url)
        return WebAnswer(status=self.status, headers={}, body=self.body)


def message(kind: str = "Notification", key: RSAPrivateKey = KEY, version: str = "1", **changes: Any) -> dict[str, str]:
    told = {
        "Type": kind,
        "MessageId": "m1",
        "TopicArn": TOPIC,
        "Message": '{"notificationType": "Bounce"}\n',
        "Timestamp": "2026-11-24T04:00:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **({"Token": "t", "SubscribeURL": SUBSCRIBE} if kind != "Notification" else {}),
        **changes,
    }
    order = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    names = [
        name for name in order if name in told and (kind != "Notification" or name not in ("SubscribeURL", "Token"))
    ]
    text = "".join(f"{name}\n{told[name]}\n" for name in names).encode()
    made = key.sign(text, PKCS1v15(), hashes.SHA1() if version == "1" else hashes.SHA256())
    return {**told, "Signature": base64.b64encode(made).decode()}


def topic(amazon: Amazon) -> SnsTopic:
    return SnsTopic(TOPIC, amazon, lambda: NOW)


def body(told: dict[str, str]) -> bytes:
    return json.dumps(told).encode()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES"}])
def test_what_amazon_signed_is_believed(version: str, more: dict[str, Any]) -> None:
    """The certificate is asked for once."""
    amazon = Amazon()
    sns = topic(amazon)
    for _ in range(2):
        assert sns.message(body(message(version=version, **more))) == '{"notificationType": "Bounce"}\n'
    assert amazon.asked == [CERTIFICATE]


def test_a_subscription_is_confirmed() -> None:
    amazon = Amazon()
    assert topic(amazon).message(body(message("SubscriptionConfirmation"))) == ""
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]
    assert topic(amazon).message(body(message("UnsubscribeConfirmation"))) == ""
    assert amazon.asked[2:] == [CERTIFICATE], "who was taken off stays off"


OTHER = generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "told",
    [
        {**message(), "Message": "forged"},
        {**message(), "MessageId": "m2"},
        message(key=OTHER),
        message(version="3"),
        message(TopicArn="arn:aws:sns:eu-west-1:210987654321:bounces"),
        message(SigningCertURL="https://sns.eu-west-1.amazonaws.com.evil.test/a.pem"),
        message(SigningCertURL="https://evil.test/sns.eu-west-1.amazonaws.com/a.pem"),
        message(SigningCertURL="https://sns.eu-west-1.amazonaws.com@evil.test/a.pem"),
        message(SigningCertURL="https://sns.eu-west-1.amazonaws.com:8443/a.pem"),
        message(SigningCertURL="http://sns.eu-west-1.amazonaws.com/a.pem"),
        message(SigningCertURL="https://s3.amazonaws.com/bucket/a.pem"),
        message(SigningCertURL="https://sns.eu-west-1.amazonaws.com/a.txt"),
        message(SigningCertURL="https://[bad/a.pem"),
        message("SubscriptionConfirmation", SubscribeURL="https://evil.test/?Action=ConfirmSubscription"),
        message("SubscriptionConfirmation", SubscribeURL="http://169.254.169.254/latest/meta-data"),
        {**message(), "Signature": "%%%"},
        {**message(), "Type": "Other"},
        {"Type": "Notification", "TopicArn": TOPIC},
        {},
    ],
)
def test_nobody_else_is(told: dict[str, str]) -> None:
    """And nobody but Amazon is asked for anything."""
    amazon = Amazon()
    with pytest.raises(Unsigned):
        topic(amazon).message(body(told))
    assert set(amazon.asked) <= {CERTIFICATE}


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"[" * 100_000, b"\xff"])
def test_what_is_no_message_is_not(data: bytes) -> None:
    with pytest.raises(Unsigned):
        topic(Amazon()).message(data)


@pytest.mark.parametrize(
    "amazon",
    [Amazon(certificate(name="evil.test")), Amazon(certificate(until=NOW - timedelta(days=1))), Amazon(b"no PEM")],
)
def test_a_certificate_that_is_none_of_theirs(amazon: Amazon) -> None:
    with pytest.raises(Unsigned):
        topic(amazon).message(body(message()))


def test_amazon_that_does_not_answer_is_asked_again() -> None:
    amazon = Amazon(status=500)
    sns = topic(amazon)
    with pytest.raises(ProbeError):
        sns.message(body(message()))
    amazon.status = 200
    assert sns.message(body(message()))


# --------------------------------------------------------- Standard Webhooks

SECRET = b"k" * 24
WRITTEN = "whsec_" + base64.b64encode(SECRET).decode()


def headers(
    data: bytes, *, key: bytes = SECRET, at: datetime = NOW, name: str = "msg_1", **changes: str
) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    made = hmac.new(key, f"{name}.{seconds}.".encode() + data, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(made).decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": signature,
        **{each.replace("_", "-"): value for each, value in changes.items()},
    }


def test_a_request_that_somebody_signed() -> None:
    """With one of several keys, one of several signatures."""
    keys = hook_keys(f"{base64.b64encode(b'other' * 8).decode()} {WRITTEN}")
    given = headers(b"x")
    assert signed_name(given, b"x", keys, NOW) == "msg_1"
    more = {**given, "webhook-signature": f"v1a,AAAA v1,AAAA {given['webhook-signature']}"}
    assert signed_name(more, b"x", keys, NOW + timedelta(minutes=4)) == "msg_1"


def test_the_example_of_the_specification() -> None:
    """standardwebhooks.com, reference test vectors."""
    keys = hook_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    given = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signed_name(given, b'{"test": 2432232314}', keys, datetime.fromtimestamp(1614265330, UTC))


@pytest.mark.parametrize(
    "given",
    [
        {},
        headers(b"y"),
        headers(b"x", key=b"z" * 24),
        headers(b"x", at=NOW - timedelta(minutes=6)),
        headers(b"x", at=NOW + timedelta(minutes=6)),
        headers(b"x", webhook_id="msg_2"),
        headers(b"x", webhook_timestamp="now"),
        headers(b"x", webhook_signature="v1,"),
        headers(b"x", webhook_signature="v2," + headers(b"x")["webhook-signature"][3:]),
        headers(b"x", webhook_signature="é"),
    ],
)
def test_a_request_that_nobody_signed(given: dict[str, str]) -> None:
    with pytest.raises(Unsigned):
        signed_name(given, b"x", [SECRET], NOW)


@pytest.mark.parametrize("written", ["", "whsec_", "whsec_!!", "c2hvcnQ="])
def test_a_secret_that_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="make one with"):
        hook_keys(written)
