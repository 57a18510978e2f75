"""Webhooks for bounces, as a service that sends mail meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute

from digest.app.bounce_hooks import BounceHooks
from digest.app.service import Service, service
from digest.app.subscriber_service import SubscriberService
from digest.errors import ConfigError, StoreError
from digest.mail.signed_hooks import SnsTopic
from digest.subscribers.subscription import SuppressionReason
from digest.web import hooks as web_hooks
from digest.web.site import site_app
from tests.mail.test_signed_hooks import NOW, TOPIC, WRITTEN, Amazon, headers, message
from tests.subscribers.test_notifications import bounced, ses
from tests.web.web_server import CONFIG, Served, serving


def configured(folder: Path, secret: str = WRITTEN) -> str:
    place = folder / "secret.hook"
    place.write_text(secret)
    text = CONFIG.format(port="PORT", proxies="[]")
    return text.replace("subscriptions:", f"  bounces: {{secret_file: {place}}}\nsubscriptions:")


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, own_config=configured(tmp_path)) as running:
        running.join()
        running.edition()
        yield running


def post(served: Served, body: bytes, path: str = "/hooks/bounces", **changes: Any) -> int:
    sent = headers(body, **{"at": datetime.now(UTC), **changes})
    return served.ask(path, "POST", body=body, headers=sent).status


def dead(served: Served) -> bytes:
    with served.running.store._database.asking() as connection:
        token = connection.value("SELECT token FROM delivery WHERE address = 'ann@example.org' ORDER BY key DESC")
    entry = {"type": "bounced", "sender": f"b+{token}@x.test", "status": "5.1.1", "words": "550 5.1.1 no such user"}
    return json.dumps(entry).encode()


def suppressed(served: Served) -> SuppressionReason | None:
    return served.running.subscriber_service.people.find("ann@example.org").suppressed


def refusals(served: Served) -> int:
    with served.running.store._database.asking() as connection:
        return int(connection.value("SELECT count(*) FROM refusal"))


def test_a_signed_bounce_suppresses_once(told: Served) -> None:
    body = dead(told)
    assert post(told, body) == 200
    assert post(told, body) == 200, "sent again"
    assert suppressed(told) is SuppressionReason.BOUNCE
    assert refusals(told) == 1


def test_what_is_not_signed_or_not_readable_changes_nothing(told: Served) -> None:
    """And whoever goes on is not looked at for a while."""
    body = dead(told)
    assert post(told, body, key=b"wrong" * 8) == 403
    assert told.ask("/hooks/bounces", "POST", body=body).status == 403
    assert post(told, b"[]") == 400
    assert post(told, b"x" * (web_hooks.BODY_LIMIT + 1)) == 413
    assert told.ask("/hooks/bounces").status == 405
    assert post(told, body, path="/hooks/ses") in (404, 405), "not configured"
    assert refusals(told) == 0
    assert {post(told, body, key=b"wrong" * 8) for _ in range(web_hooks._UNSIGNED_EACH)} == {403, 429}
    assert post(told, body) == 429
    assert suppressed(told) is None


def test_there_is_none_unless_it_is_configured(served: Served) -> None:
    assert post(served, b"{}") in (404, 405)
    assert post(served, b"{}", path="/hooks/ses") in (404, 405)


def test_amazons_by_its_topic(tmp_path: Path) -> None:
    """A message is taken, what was changed on the way is not, and one that is no notification of SES says nothing."""

    def routes(running: Service) -> Sequence[BaseRoute]:
        topic = SnsTopic(TOPIC, Amazon(), lambda: NOW)
        hooks = BounceHooks(subscriber_service=running.subscriber_service, clock=lambda: datetime.now(UTC), topic=topic)
        return web_hooks.hook_routes(hooks, ())

    with serving(tmp_path, routes=routes) as running:
        running.join()
        running.edition()

        def send(told: dict[str, str]) -> int:
            return running.ask("/hooks/ses", "POST", body=json.dumps(told).encode()).status

        body = bounced("smtp; 550 5.1.1 no such user", status="5.1.1")
        text = ses(source="digest@news.example.com", **body)
        assert send(message(Message="Successfully validated SNS topic for Amazon SES event publishing.")) == 200
        assert send({**message(), "Message": text}) == 403
        assert suppressed(running) is None
        assert send(message(Message=text)) == 200
        assert suppressed(running) is SuppressionReason.BOUNCE


def test_a_store_that_is_busy_is_told_so_that_it_is_sent_again(told: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise StoreError("the store", "is busy")

    monkeypatch.setattr(SubscriberService, "learn_from_reports", busy)
    assert post(told, dead(told)) == 503


@pytest.mark.parametrize("written", ["short", "two\nlines", "not base64 at all!"])
def test_a_secret_that_is_none_stops_the_start(written: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(configured(tmp_path, written).replace("PORT", "8000"), encoding="utf-8")
    (tmp_path / "site" / "_posts").mkdir(parents=True)
    with service(config) as running, pytest.raises(ConfigError, match=r"mail\.bounces"):
        site_app(running, local=True)
