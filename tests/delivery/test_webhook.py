"""The channel ``webhook`` and a real receiver: what it says of each end that a request can come to."""

from __future__ import annotations

import hashlib
import hmac
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from digest.channels.webhook import Limits, Webhook
from digest.errors import Doubtful, PermanentFailure, TemporaryFailure, TransportError
from digest.models import ChannelEdition, ChannelItem, Target
from digest.ports import WITHOUT_LEDGER, Commit
from tests.webhook_server import WELL, webhook

EDITION = ChannelEdition(
    digest="daily",
    title="财经早报",
    period="2026-11-24",
    language="zh-CN",
    subject="News",
    url="https://example.com/editions/daily/2026-11-24/",
    items=(ChannelItem(title="One", url="https://example.com/1", summary="First.", section="Macro"),),
    text="words " * 10_000,
    html="<p>words</p>",
)
CHAT = Target(address="chat", name="abc@news.test")
QUICK = Limits(connect=5, step=0.4, whole=1)


def channel(url: str, limits: Limits | None = None, **settings: object) -> Webhook:
    return Webhook(Webhook.Settings(**settings), url, limits=limits)  # type: ignore[arg-type]


def failing(url: str, limits: Limits | None = None, commit: Commit = WITHOUT_LEDGER) -> TransportError:
    with pytest.raises(TransportError) as caught:
        channel(url, limits).send(EDITION, CHAT, commit)
    assert "secret" not in str(caught.value), "the address is one"
    return caught.value


def answer(status: str, *headers: str) -> str:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""])


def test_an_edition_is_posted_as_json() -> None:
    with webhook(answer("202 Accepted")) as server:
        receipt = channel(server.url).send(EDITION, CHAT, WITHOUT_LEDGER)
        [request] = server.accepted
    assert (receipt.code, receipt.text) == (202, "Accepted")
    assert request.path == "/hooks/secret?to=all"
    assert request.headers["content-type"] == "application/json"
    assert request.key == "abc@news.test"
    assert "x-digest-signature" not in request.headers
    assert request.edition["title"] == "财经早报"
    assert request.edition["items"] == [
        {"title": "One", "url": "https://example.com/1", "summary": "First.", "section": "Macro"}
    ]


def test_what_is_sent_can_be_signed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("abc\n")
    with webhook() as server:
        channel(server.url, secret_file=tmp_path / "secret").send(EDITION, CHAT, WITHOUT_LEDGER)
        [request] = server.accepted
    assert (
        request.headers["x-digest-signature"] == "sha256=" + hmac.new(b"abc", request.body, hashlib.sha256).hexdigest()
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", PermanentFailure),
        ("404 Not Found", PermanentFailure),
        ("301 Moved Permanently", PermanentFailure),
        ("408 Request Timeout", TemporaryFailure),
        ("429 Too Many Requests", TemporaryFailure),
        ("500 Oops", TemporaryFailure),
        ("503 Service Unavailable", TemporaryFailure),
    ],
)
def test_a_refusal_is_for_now_or_for_good(status: str, kind: type[TransportError]) -> None:
    with webhook(answer(status)) as server:
        error = failing(server.url)
    assert type(error) is kind
    assert (error.step, error.code, error.text) == ("answer", None, f"HTTP {status}")


@pytest.mark.parametrize("told", ["120", "a date", "soon", "9" * 30])
def test_a_receiver_says_how_long_to_wait(told: str) -> None:
    told = told if told != "a date" else format_datetime(datetime.now(UTC) + timedelta(hours=1))
    with webhook(answer("429 Slow", f"Retry-After: {told}")) as server:
        wait = failing(server.url).retry_after
    if told == "120":
        assert wait == timedelta(minutes=2)
    elif told.endswith("+0000"):
        assert wait is not None
        assert timedelta(minutes=50) < wait <= timedelta(hours=1)
    else:
        assert wait is None


@pytest.mark.parametrize("act", ["hang", "close", "reset", "drip"])
def test_without_an_answer_nobody_knows(act: str) -> None:
    with webhook(act) as server:
        error = failing(server.url, QUICK)
        assert len(server.whole) == 1
    assert type(error) is Doubtful


def test_a_link_that_breaks_in_the_body_sent_nothing() -> None:
    """The last byte has not left then."""
    asked: list[bool] = []
    with webhook("early") as server:

        def commit() -> bool:
            asked.append(True)
            return True

        big = channel(server.url)
        with pytest.raises(TransportError) as caught:
            big.send(replace(EDITION, text="x" * 50_000_000), CHAT, Commit(commit))
        assert server.whole == []
    assert type(caught.value) is TemporaryFailure
    assert asked == []


def test_a_lost_lease_sends_no_whole_request() -> None:
    with webhook() as server:
        assert isinstance(failing(server.url, commit=Commit(lambda: False)), TemporaryFailure)
    assert server.whole == []


def test_the_last_byte_leaves_after_the_commit() -> None:
    with webhook() as server:

        def commit() -> bool:
            assert server.whole == []
            return True

        channel(server.url).send(EDITION, CHAT, Commit(commit))
        assert len(server.accepted) == 1


def test_a_receiver_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/secret",
        "https://nowhere.invalid/secret",
        f"https://{'a' * 70}.invalid/secret",
    ):
        error = failing(url, QUICK)
        assert (type(error), error.step) == (TemporaryFailure, "connect")


def test_tls_is_checked() -> None:
    """A server that speaks none, or has a certificate that nobody knows."""
    with webhook() as server:
        error = failing(server.url.replace("http://", "https://"), QUICK)
    assert (type(error), error.step) == (TemporaryFailure, "connect")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "has no address"),
        ("chat.example.com/x", "has no address"),
        ("https://ann:secret@chat.example.com/", "has no address"),
        ("https://chat.example.com/a b", "has no address"),
        ("https://chat.example.com/喂", "has no address"),
        ("http://chat.example.com/", "without encryption"),
        ("ftp://127.0.0.1/", "without encryption"),
    ],
)
def test_addresses_that_are_none(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        channel(url)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NO_SUCH is not set"):
        channel("https://chat.example.com/", secret_env="NO_SUCH")
    with pytest.raises(ValueError, match="cannot be read"):
        channel("https://chat.example.com/", secret_file=tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match="does not hold one line"):
        channel("https://chat.example.com/", secret_file=tmp_path / "empty")


def test_a_good_answer_is_well() -> None:
    with webhook(WELL) as server:
        assert channel(server.url).send(EDITION, CHAT, WITHOUT_LEDGER).text == "OK"
