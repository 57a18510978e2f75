"""What services that send mail tell by HTTP: the same judge, the same brake, each thing once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from digest.jobs.delivery.bounces import BounceReport
from digest.models import Verdict
from digest.subscribers.notifications import NotReadable, read_ses, read_signed
from digest.subscribers.reports import Kind
from digest.subscribers.subscription import SuppressionReason
from tests.subscribers.reader_world import World
from tests.subscribers.test_bounces import TOKEN, ready, sent_token

SENDER = f"b+{TOKEN}@bounces.example.com"


def ses(kind: str = "Bounce", *, source: str = SENDER, headers: list[Any] | None = None, **body: Any) -> str:
    """In the shape that Amazon documents."""
    mail = {"messageId": "0100-a", "source": source, "destination": ["ann@example.org"], "headers": headers or []}
    name = kind[0].lower() + kind[1:]
    return json.dumps({"notificationType": kind, "mail": mail, name: body})


def bounced(words: str = "", kind: str = "Permanent", subtype: str = "General", **person: Any) -> dict[str, Any]:
    told = {"emailAddress": "ann@example.org", **({"diagnosticCode": words} if words else {}), **person}
    return {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [told], "feedbackId": "f1"}


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (bounced("smtp; 550 5.1.1 <ann@example.org>: no such user", status="5.1.1", action="failed"), Verdict.DEAD),
        (bounced("smtp; 550 Ip frequency limited", status="5.0.0"), Verdict.RATE),
        (bounced("smtp; 554 5.7.1 blocked using zen.spamhaus.org", status="5.7.1"), Verdict.POLICY),
        (bounced("smtp; 452 4.2.2 mailbox full", kind="Transient", subtype="MailboxFull"), Verdict.FULL),
        (bounced(kind="Transient", subtype="MailboxFull"), Verdict.FULL),
        (bounced(kind="Transient", subtype="General"), Verdict.DELAYED),
        (bounced(subtype="MessageTooLarge"), Verdict.CONTENT),
        (bounced(), Verdict.UNKNOWN),
        (bounced(subtype="OnAccountSuppressionList"), Verdict.UNKNOWN),
    ],
)
def test_a_bounce_is_judged_by_the_servers_words(body: dict[str, Any], verdict: Verdict) -> None:
    """Where Amazon tells none, no address is dead for what Amazon thinks."""
    [report] = read_ses(ses(**body))
    assert (report.kind, report.verdict, report.tokens) == (Kind.BOUNCE, verdict, (TOKEN,))
    assert report.recipient == "ann@example.org"


def test_kinds_of_notifications() -> None:
    delay: dict[str, Any] = {
        "delayType": "MailboxFull",
        "delayedRecipients": [{"emailAddress": "ann@example.org", "status": "4.2.2"}],
    }
    [late] = read_ses(ses("DeliveryDelay", **delay))
    assert late.verdict is Verdict.FULL
    people = [{"emailAddress": "ann@example.org"}]
    [complaint] = read_ses(
        ses("Complaint", complainedRecipients=people, feedbackId="f1", complaintFeedbackType="abuse")
    )
    assert complaint.kind is Kind.COMPLAINT
    assert read_ses(ses("Complaint", complainedRecipients=people, complaintFeedbackType="not-spam")) == []
    assert [each.kind for each in read_ses(ses("Delivery"))] == [Kind.ARRIVED]
    assert read_ses(ses("Open")) == []
    event = json.loads(ses(**bounced("smtp; 550 5.1.1 no such user")))
    event["eventType"] = event.pop("notificationType")
    assert len(read_ses(json.dumps(event))) == 1


def test_of_several_who_may_have_complained_nobody_has() -> None:
    """Amazon names every reader at the domain then."""
    people = [{"emailAddress": f"{name}@example.org"} for name in ("ann", "bob")]
    found = read_ses(ses("Complaint", source="news@example.com", complainedRecipients=people))
    assert [each.recipient for each in found] == ["", ""]


def signed(**entry: Any) -> bytes:
    return json.dumps(entry).encode()


def test_our_own_form() -> None:
    words = "550 5.1.1 no such user"
    [one] = read_signed(signed(type="bounced", sender=SENDER, status="5.1.1", words=words), "msg_1")
    [same] = read_signed(signed(type="mail.bounced", data={"sender": SENDER, "words": words}), "msg_1")
    assert (one.verdict, one.tokens) == (same.verdict, same.tokens) == (Verdict.DEAD, (TOKEN,))
    assert one.name == same.name
    [late] = read_signed(signed(type="delayed", recipient="ann@example.org", words=words), "msg_2")
    assert late.verdict is Verdict.DELAYED
    [left] = read_signed(signed(type="complained", recipient="ann@example.org"), "msg_3")
    assert left.kind is Kind.COMPLAINT
    several = json.dumps([{"type": "delivered", "sender": SENDER}] * 2).encode()
    first, second = read_signed(several, "msg_4")
    assert first.kind is Kind.ARRIVED
    assert first.name != second.name


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"null", b"\xff", b"[" * 100_000, signed(type="opened"), signed(), signed(type=1), b"[1]"],
)
def test_what_cannot_be_read_is_said(body: bytes) -> None:
    with pytest.raises(NotReadable):
        read_signed(body, "msg")


@pytest.mark.parametrize(
    "text", ["", "1", "[]", '{"notificationType": "Bounce"}', '{"notificationType": "Bounce", "mail": 1}']
)
def test_what_is_no_notification_is_said(text: str) -> None:
    with pytest.raises(NotReadable):
        read_ses(text)


def test_odd_fields_make_nobody_stumble() -> None:
    assert read_ses(ses(bouncedRecipients=[1, None, {"emailAddress": 5}])) != []
    assert read_ses(ses("Complaint", complainedRecipients="ann@example.org")) == []
    assert read_ses(ses(headers=[1, {"name": 2}], bouncedRecipients={})) == []


# ---------------------------------------------------------------- what follows


def learn(world: World, text: str) -> BounceReport:
    return world.subscriber_service.learn_from_reports(read_ses(text), world.now)


def test_a_dead_address_is_suppressed_once(world: World) -> None:
    ready(world)
    text = ses(source=f"b+{sent_token(world)}@x.test", **bounced("smtp; 550 5.1.1 no such user", status="5.1.1"))
    assert learn(world, text).suppressed == 1
    again = learn(world, text)
    assert (again.known, again.bounces) == (1, 0)
    assert world.people.find("ann@example.org").suppressed is SuppressionReason.BOUNCE


@pytest.mark.parametrize("by", ["recipient", "link"])
def test_who_it_is_can_be_told_without_a_token(by: str, world: World) -> None:
    """Since it is signed; and it counts once, whatever was sent to them meanwhile."""
    ready(world)
    reader = world.people.find("ann@example.org")
    leave = world.subscriber_service.links.unsubscribe(reader.key, 1)
    headers = [{"name": "List-Unsubscribe", "value": f"<{leave}>"}] if by == "link" else []
    person = {"emailAddress": "Ann@Example.org"} if by == "recipient" else {"emailAddress": ""}
    body = bounced("smtp; 452 4.2.2 mailbox full", **person)
    text = ses(source="news@example.com", headers=headers, **body)
    assert learn(world, text).bounces == 1
    world.later(days=1)
    world.news("more")
    world.run()
    assert learn(world, text).known == 1


def test_a_stranger_is_nobody(world: World) -> None:
    ready(world)
    body = bounced("smtp; 550 5.1.1 no such user", emailAddress="who@example.net")
    assert learn(world, ses(source="news@example.com", **body)).ignored == 1
