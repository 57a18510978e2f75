"""Bounces and complaints: what they say, whether they are believed, what they lead to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.app.collecting import collect_posts
from digest.app.publishing import freeze_due_editions, publish_frozen_editions
from digest.jobs.delivery.bounces import BounceReport
from digest.models import DeliveryState, Reply, Verdict
from digest.ports import CommitBatch
from digest.subscribers.bounces import Mark, Outcome, follows
from digest.subscribers.reports import SIZE_LIMIT, Kind, parse_report
from digest.subscribers.subscription import ActionRequest, Choice, SuppressionReason
from tests.subscribers.reader_world import World, token
from tests.subscribers.test_editions import MORNING, PROOF, morning, to

TOKEN = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


def dsn(
    bounce_token: str = TOKEN,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    name: str = "report-1",
    diagnostic: str | None = None,
    more: str = "",
) -> bytes:
    """A report in the shape of Postfix's; what the server said has the same code as ``Status`` if it is not given."""
    if diagnostic is None:
        said = "no such user" if status == "5.1.1" else "refused"
        diagnostic = f"smtp; {status[:1] or '5'}50 {status.partition(' ')[0]} <ann@example.org>: {said}"
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nTo: b+{bounce_token}@bounces.example.com\n"
        f"Subject: Undelivered Mail Returned to Sender\nMessage-ID: <{name}@mx.example.net>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="BB"\n\n'
        "--BB\nContent-Type: text/plain\n\nI could not deliver it.\n\n"
        "--BB\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.net\nArrival-Date: Tue, 24 Nov 2026 04:00:00 +0000\n\n"
        f"Final-Recipient: rfc822; ann@example.org\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: {diagnostic}\n{more}\n"
        "--BB\nContent-Type: message/rfc822-headers\n\nSubject: digest\nMessage-ID: <x@news.example.com>\n\n--BB--\n"
    ).encode()


def arf(bounce_token: str = "", *, unsubscribe: str = "", name: str = "complaint-1", kind: str = "abuse") -> bytes:
    """A complaint in the shape of RFC 5965; the provider took the address out."""
    sender = f"Original-Mail-From: <b+{bounce_token}@bounces.example.com>\n" if bounce_token else ""
    leave = f"List-Unsubscribe: <{unsubscribe}>\n" if unsubscribe else ""
    return (
        "From: feedback@mail.example.net\nTo: abuse@news.example.com\nSubject: complaint\n"
        f"Message-ID: <{name}@mail.example.net>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="BB"\n\n'
        "--BB\nContent-Type: text/plain\n\nThis is a complaint.\n\n"
        f"--BB\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n{sender}\n"
        f"--BB\nContent-Type: message/rfc822\n\nFrom: digest@news.example.com\nTo: redacted\n{leave}Subject: digest\n\n"
        "body\n--BB--\n"
    ).encode()


def learn(world: World) -> BounceReport:
    """What refusals say about addresses. There must be somebody."""
    report = world.subscriber_service.learn(world.now)
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (dsn(), Kind.BOUNCE, "5.1.1"),
        (dsn(status="4.4.7", action="delayed"), Kind.BOUNCE, "4.4.7"),
        (dsn(status="5.0.0", action="delayed"), Kind.BOUNCE, "4.0.0"),
        (dsn(status="2.0.0", action="delivered"), Kind.ARRIVED, "2.0.0"),
        (dsn(status="2.0.0", action="relayed"), Kind.ARRIVED, "2.0.0"),
        (dsn(status="5.2.2 (mailbox full)"), Kind.BOUNCE, "5.2.2"),
        (dsn(status="5.1.1", diagnostic="smtp; 550 5.7.1 blocked using a list"), Kind.BOUNCE, "5.7.1"),
        (dsn(status="2.1.5", action="deliverable"), Kind.ARRIVED, "2.1.5"),
        (dsn().replace(b"message/delivery-status", b"message/global-delivery-status"), Kind.BOUNCE, "5.1.1"),
        (dsn().replace(b"Status: ", b"Status : ").replace(b"Action: ", b"Action : "), Kind.BOUNCE, "5.1.1"),
        (dsn(diagnostic="smtp;\n550 5.1.1 no such user"), Kind.BOUNCE, "5.1.1"),
        (dsn(status="", diagnostic="smtp; 550 5.7.1 no"), Kind.BOUNCE, "5.7.1"),
        (dsn(status="", diagnostic="smtp; 550 no"), Kind.BOUNCE, "5.0.0"),
        (dsn(status="", action="delayed", diagnostic="x"), Kind.BOUNCE, "4.0.0"),
        (
            dsn(
                status="2.0.0", action="delivered", more="\nFinal-Recipient: rfc822; b\nAction: failed\nStatus: 5.1.1\n"
            ),
            Kind.BOUNCE,
            "5.1.1",
        ),
        (dsn().replace(b"\n", b"\r\n"), Kind.BOUNCE, "5.1.1"),
        (dsn().replace(b"Action: failed\nStatus: 5.1.1\n", b""), Kind.BOUNCE, "5.1.1"),
        (dsn().replace(b"message/delivery-status", b"text/plain"), Kind.BOUNCE, "5.1.1"),
        (arf(TOKEN), Kind.COMPLAINT, ""),
    ],
)
def test_reports_are_read(data: bytes, kind: Kind, status: str) -> None:
    """Action and status of the recipient who fared worst; complaints."""
    report = parse_report(data)
    assert report is not None
    assert (report.kind, report.status) == (kind, status)
    assert report.tokens == (TOKEN,)
    assert "ann@" not in report.text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"From: a@example.org\nTo: b@example.org\nSubject: Out of office\n\nI am away.\n",
        arf(TOKEN, kind="not-spam"),
        b"Content-Type: multipart/report; boundary=BB\n\n"
        + b"--BB\nContent-Type: multipart/mixed; boundary=BB\n\n" * 500,
        b"x" * (SIZE_LIMIT + 1),
    ],
    ids=range(6),
)
def test_all_other_mail_is_no_report(data: bytes) -> None:
    """Answers, notes of absence, rubbish, nested rubbish, over 1 MB."""
    assert parse_report(data) is None


@given(st.binary(max_size=2_000))
def test_nothing_makes_the_parser_stumble(data: bytes) -> None:
    parse_report(dsn()[:400] + data)
    parse_report(data)


def test_the_token_is_found_in_other_places() -> None:
    """An embedded message's Return-Path; the fields that a mail server adds at the end of the way."""
    moved = dsn().replace(f"To: b+{TOKEN}@".encode(), b"To: postmaster@")
    told = parse_report(moved)
    assert told is not None
    assert told.tokens == ()
    embedded = moved.replace(
        b"\n\nSubject: digest", f"\n\nReturn-Path: <b+{TOKEN}@bounces.example.com>\nSubject: digest".encode()
    )
    for kind in (b"text/rfc822-headers", b"message/rfc822"):
        told = parse_report(embedded.replace(b"message/rfc822-headers", kind))
        assert told is not None
        assert told.tokens == (TOKEN,)
    delivered = f"Delivered-To: b+{TOKEN}@bounces.example.com\n".encode() + moved
    told = parse_report(delivered)
    assert told is not None
    assert told.tokens == (TOKEN,)


def days(*verdicts: Verdict, step: float = 1) -> list[Mark]:
    return [Mark(verdict=about, at=NOW + timedelta(days=step * number)) for number, about in enumerate(verdicts)]


D, U, S, P = Verdict.DEAD, Verdict.UNKNOWN, Verdict.FULL, Verdict.POLICY
L, R, C, E = Verdict.DELAYED, Verdict.RATE, Verdict.CONTENT, Verdict.EXPIRED


@pytest.mark.parametrize(
    ("marks", "on_probe", "outcome"),
    [
        ([], False, Outcome.NOTHING),
        (days(D), False, Outcome.SUPPRESS),
        (days(P, P, P, P, P, P), False, Outcome.NOTHING),
        (days(R, C, E, R, C, E, Verdict.RELAY), False, Outcome.NOTHING),
        (days(U, U), False, Outcome.NOTHING),
        (days(U, U, U), False, Outcome.SUPPRESS),
        (days(U, U, U, step=7), False, Outcome.NOTHING),
        (days(U, U, U, step=0.1), False, Outcome.NOTHING),
        (days(S, L, S, L), False, Outcome.NOTHING),
        (days(S, L, S, S, L), False, Outcome.HOLD),
        (days(S, S, S, S, S, step=0.1), False, Outcome.NOTHING),
        (days(S, S, S, S, S, step=4), False, Outcome.NOTHING),
        (days(S), True, Outcome.SUPPRESS),
        (days(S, P), True, Outcome.NOTHING),
    ],
)
def test_the_table(marks: list[Mark], on_probe: bool, outcome: Outcome) -> None:
    """Dead at once; unknown on three different days within 14; full and delayed on five hold; all else never counts."""
    now = marks[-1].at if marks else NOW
    assert follows(marks, now=now, on_probe=on_probe) is outcome


# --------------------------------------------------------------- what follows


def sent_token(world: World, address: str = "ann@example.org") -> str:
    """The bounce token of the latest mail to an address."""
    with world.store._database.asking() as connection:
        return str(connection.value("SELECT token FROM delivery WHERE address = ? ORDER BY key DESC", address))


def ready(world: World) -> None:
    """Ann has got a digest."""
    world.begin()
    world.people.add("ann@example.org", (Choice(digest="daily"),), world.now, proof=PROOF)
    assert to(morning(world, "macro")) == ["ann@example.org"]


def ingest(world: World, *mails: bytes) -> BounceReport:
    return world.subscriber_service.ingest(mails, world.now)


def next_day(world: World) -> list[str]:
    world.later(days=1)
    world.news(f"news{world.now:%d%H%M}")
    world.run()
    return to(world.new_mails())


def test_a_dead_address_is_suppressed_at_once(world: World) -> None:
    """Nothing more is sent to it; the reason is kept without the address."""
    ready(world)
    report = ingest(world, dsn(sent_token(world)))
    assert (report.bounces, report.suppressed, report.ignored) == (1, 1, 0)
    assert world.people.find("ann@example.org").suppressed is SuppressionReason.BOUNCE
    assert next_day(world) == []


def test_our_own_fault_suppresses_nobody(world: World) -> None:
    """5.7.x is counted and told."""
    ready(world)
    report = ingest(
        world, dsn(sent_token(world), status="5.7.1", diagnostic="smtp; 550 5.7.1 spam from ann@example.org")
    )
    assert (report.ours, report.suppressed) == (1, 0)
    assert "a***@example.org" in report.warnings[0]
    assert "ann@" not in report.warnings[0]
    assert next_day(world) == ["ann@example.org"]


def test_soft_bounces_hold_an_address_then_one_mail_is_tried(world: World) -> None:
    """Five days within 14 hold it for 7 days; then one mail; when nothing comes back all is well again."""
    ready(world)
    for number in range(5):
        report = ingest(world, dsn(sent_token(world), status="4.2.2", action="delayed", name=f"r{number}"))
        assert report.held == (number == 4)
        assert next_day(world) == ([] if number == 4 else ["ann@example.org"])
    for _ in range(5):
        assert next_day(world) == []
    assert next_day(world) == ["ann@example.org"], "the one mail"
    assert next_day(world) == []
    assert next_day(world) == []
    assert next_day(world) == ["ann@example.org"]
    assert world.people.find("ann@example.org").held_until is None


def test_a_bounce_of_the_one_mail_suppresses(world: World) -> None:
    ready(world)
    for number in range(5):
        ingest(world, dsn(sent_token(world), status="5.2.2", name=f"r{number}"))
        next_day(world)
    world.later(days=6)
    assert next_day(world) == ["ann@example.org"]
    report = ingest(world, dsn(sent_token(world), status="4.2.2", action="delayed", name="probe"))
    assert report.suppressed == 1


def test_refusals_in_the_dialogue_count_alike(world: World) -> None:
    """The same table for what a server says at once; each once; addresses of the operator are left alone."""
    ready(world)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    assert world.store.failed(row, world.now, Reply(code=550, enhanced="5.1.1", text="no such user"))
    assert learn(world).suppressed == 1
    assert learn(world).read == 0
    assert world.people.find("ann@example.org").suppressed is SuppressionReason.BOUNCE


def test_what_a_broken_relay_says_suppresses_nobody(world: World) -> None:
    """Neither what is learnt later nor what was learnt before the edition was paused, nor after it went on; what other
    editions say counts as ever."""
    ready(world)
    world.people.add("bea@example.org", (Choice(digest="daily"),), world.now, proof=PROOF)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    no = Reply(code=550, enhanced="5.1.1", text="no such user")
    first, second = world.store.claim(world.now, 5, timedelta(minutes=2))
    world.store.failed(first, world.now, no)
    assert learn(world).suppressed == 1
    assert world.store.pause_edition(first.edition_key, "refused", world.now)
    assert world.people.find(first.address).suppressed is None
    world.store.failed(second, world.now, no)
    assert learn(world).read == 0
    world.store.resume_edition(first.edition_key, world.now)
    assert learn(world).read == 0
    assert next_day(world) == ["ann@example.org", "bea@example.org"]


def test_a_full_mailbox_in_the_dialogue_is_a_point_a_day(world: World) -> None:
    ready(world)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    again = world.now + timedelta(minutes=1)
    assert world.store.retry(row, again, Reply(code=452, enhanced="4.2.2", text="full"), counted=True)
    assert learn(world).bounces == 1
    assert learn(world).bounces == 0
    assert len(world.store.marks(world.subscriber_service.keys.hashed("ann@example.org"))) == 1


@pytest.mark.parametrize("by", ["token", "link"])
def test_a_complaint_suppresses_the_address(world: World, by: str) -> None:
    """Found by our token, or by our own link, in the embedded message."""
    ready(world)
    reader = world.people.find("ann@example.org")
    leave = world.subscriber_service.links.unsubscribe(reader.key, reader.active[0].list_key)
    mail = arf(sent_token(world)) if by == "token" else arf(unsubscribe=leave)
    report = ingest(world, mail)
    assert (report.complaints, report.suppressed) == (1, 1)
    assert world.people.find("ann@example.org").suppressed is SuppressionReason.COMPLAINT
    assert next_day(world) == []


def test_what_is_forged_is_ignored(world: World) -> None:
    """A token that is none, one of another kind of link, an old delivery."""
    ready(world)
    manage = world.manage_link("ann@example.org")
    report = ingest(
        world, dsn(), dsn("f" * 32), arf(unsubscribe=manage), arf(unsubscribe="https://x/" + "A" * 35), b"spam"
    )
    assert (report.read, report.ignored) == (5, 5)
    world.later(days=31)
    assert ingest(world, dsn(sent_token(world))).ignored == 1
    assert world.people.find("ann@example.org").suppressed is None


def test_the_same_report_counts_once(world: World) -> None:
    """Fetched twice, from two mailboxes, with other fields in front; a token in capitals is known too."""
    ready(world)
    mail = dsn(sent_token(world), status="5.0.0")
    again = b"Received: from x\n" + mail
    shouting = dsn(sent_token(world).upper(), status="5.0.0", name="other")
    report = ingest(world, mail, again, mail, shouting)
    assert (report.bounces, report.known) == (2, 2)
    assert "2 known already" in report.line()


def test_a_delivery_in_doubt_arrived_if_it_bounces_or_is_confirmed(world: World) -> None:
    """delivery.md: a report with its token ends the doubt."""
    ready(world)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    world.store.turn(CommitBatch(now=world.now, begun=row, until=world.now + timedelta(minutes=11)))
    world.store.in_doubt(row, world.now, "the connection broke")
    report = ingest(world, dsn(row.token, status="2.0.0", action="delivered"))
    assert report.arrived == 1
    assert world.store.counts(row.edition_key)[DeliveryState.IN_DOUBT] == 0
    assert ingest(world, dsn(row.token, status="2.0.0", action="delivered")).arrived == 0


def test_bounces_of_notices_count_too(world: World) -> None:
    """A confirmation to a dead address: it is never written to again."""
    world.ask("ann@example.org")
    world.sent()
    assert ingest(world, dsn(sent_token(world))).suppressed == 1
    world.ask("ann@example.org", ip="192.0.2.9")
    assert world.sent() == []


def test_erasing_forgets_bounces_and_keeps_suppression(world: World) -> None:
    """Suppression outlives erasing: its key is a keyed hash, no address."""
    ready(world)
    ingest(world, dsn(sent_token(world)))
    token_before = sent_token(world)
    manage = token(world.manage_link("ann@example.org"))
    world.people.erase("ann@example.org", world.now)
    assert world.signup.request(manage, ActionRequest.EXPORT, world.now) is None
    hashed = world.subscriber_service.keys.hashed("ann@example.org")
    assert world.store.marks(hashed) == []
    assert world.store.suppressed(hashed) is not None
    assert ingest(world, dsn(token_before, name="late")).ignored == 1


def test_morning_is_wednesday() -> None:
    assert MORNING.isoweekday() == 3


# --------------------------------------------------------- too many at once


def crowd(world: World, size: int, domain: str = "{}.example") -> list[str]:
    """So many readers, who have got a digest."""
    world.begin()
    for number in range(size):
        address = f"r{number}@{domain.format(number)}"
        world.people.add(address, (Choice(digest="daily"),), world.now, proof=PROOF)
    return to(morning(world, "macro"))


def test_no_more_than_a_few_die_of_one_cause_in_a_day(world: World) -> None:
    """Five of a small list; all others wait in a batch, which can be accepted or undone."""
    readers = crowd(world, 9)
    mails = [dsn(sent_token(world, each), name=each) for each in readers]
    report = ingest(world, *mails[:8])
    assert (report.suppressed, report.waiting) == (5, 3)
    assert "3 waiting in a batch" in report.line()
    [batch] = world.store.batches()
    assert (batch.suppressed, batch.waiting, batch.verdict) == (5, 3, Verdict.DEAD)
    assert any(f"digest bounces accept {batch.key}" in line for line in report.warnings)
    assert world.store.batch_of(world.subscriber_service.keys.hashed(readers[7])) == batch
    assert world.store.batch_of(world.subscriber_service.keys.hashed(readers[8])) is None
    world.later(days=2)
    assert ingest(world, mails[8]).waiting == 1, "as long as nobody said anything"
    assert world.store.accept_batch(batch.key, world.now) == 4
    assert world.store.accept_batch(batch.key, world.now) is None
    assert all(world.people.find(each).suppressed for each in readers)
    assert world.store.undo_batch(batch.key) == 9
    assert world.store.undo_batch(batch.key) is None
    assert not any(world.people.find(each).suppressed for each in readers)


def test_what_a_batch_did_is_given_back(world: World) -> None:
    """With the refusals that led there; later ones count as ever."""
    readers = crowd(world, 7)
    ingest(world, *(dsn(sent_token(world, each), name=each) for each in readers))
    [batch] = world.store.batches()
    assert world.store.undo_batch(batch.key) == 5
    assert world.store.batches(only_open=True) == []
    assert world.store.marks(world.subscriber_service.keys.hashed(readers[0])) == []
    report = ingest(world, dsn(sent_token(world, readers[0]), name="again"))
    assert (report.suppressed, report.waiting) == (1, 0)


def test_few_a_day_are_no_batch(world: World) -> None:
    """What died before yesterday counts no more; complaints never do."""
    readers = crowd(world, 12)
    assert ingest(world, *(dsn(sent_token(world, each)) for each in readers[:5])).suppressed == 5
    assert ingest(world, *(arf(sent_token(world, each), name=each) for each in readers[10:])).suppressed == 2
    world.later(days=1, hours=1)
    assert ingest(world, *(dsn(sent_token(world, each)) for each in readers[5:10])).suppressed == 5
    assert world.store.batches() == []


def test_two_reports_without_a_name_about_two_deliveries_are_two(world: World) -> None:
    """``Message-ID: <>`` is nobody's identity, and neither is one that a mailer writes twice."""
    readers = crowd(world, 4)
    for name in (b"<>", b"<same@mx.example.net>"):
        mails = [
            dsn(sent_token(world, each), status="5.0.0").replace(b"<report-1@mx.example.net>", name) for each in readers
        ]
        report = ingest(world, *mails, mails[0])
        assert (report.bounces, report.known) == (4, 1)


def test_a_refused_message_never_counts_against_its_reader(world: World) -> None:
    """Nor does what is refused after DATA as "no such user"."""
    ready(world)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    said = Reply(code=550, enhanced="5.1.1", text="no such user", step="dot", verdict=Verdict.CONTENT)
    assert world.store.failed(row, world.now, said)
    assert learn(world).read == 0


def test_limits_of_a_provider_suppress_nobody(world: World) -> None:
    """A week of them, by reports and in whatever words."""
    ready(world)
    for day in range(7):
        said = ("550 Ip frequency limited", "554 HL:IDB 163", "554 DT:SPM 163")[day % 3]
        report = ingest(world, dsn(sent_token(world), status="5.0.0", diagnostic=f"smtp; {said}", name=f"r{day}"))
        assert report.bounces == 1
        assert next_day(world) == ["ann@example.org"]


def test_who_was_refused_because_of_us_is_asked_last(world: World) -> None:
    """Else the same few would pause each edition before anybody else has got it."""
    crowd(world, 3)
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    first, *_ = world.store.claim(world.now, 5, timedelta(minutes=2))
    said = Reply(code=554, text="DT:SPM 163", step="dot", verdict=Verdict.CONTENT)
    assert world.store.failed(first, world.now, said)
    world.later(days=1)
    world.news("again")
    collect_posts(app := world.app())
    publish_frozen_editions(app, freeze_due_editions(app))
    rows = [
        row.address
        for row in world.store.claim(world.now, 9, timedelta(minutes=2))
        if row.edition_key > first.edition_key
    ]
    assert rows, "the day's edition"
    with world.store._database.asking() as connection:
        order = connection.rows(
            "SELECT address FROM delivery WHERE edition_key > ? ORDER BY not_before, key", first.edition_key
        )
    assert [address for (address,) in order][-1] == first.address


# ------------------------------------------------------------------- opt-out


def request(to: str = "digest@news.example.com", *, subject: str = "", body: str = "", more: str = "") -> bytes:
    """A reader's own mail."""
    return (
        f"From: Ann <ann@example.org>\nTo: {to}\nSubject: {subject}\nMessage-ID: <r1@example.org>\n{more}\n{body}\n"
    ).encode()


@pytest.mark.parametrize(
    ("subject", "body", "more"),
    [
        ("unsubscribe", "", ""),
        ("Re: 财经早报", "退订\n\n> 今日要闻", ""),
        ("=?utf-8?b?6YCA6K6i?=", "", "MIME-Version: 1.0\n"),
        ("Unsubscribe me!", "Thank you", ""),
        ("Anything", "", "X-Apple-Unsubscribe: true\n"),
    ],
)
def test_who_asks_by_mail_to_get_no_more_leaves(subject: str, body: str, more: str, world: World) -> None:
    """The list that the mail was of; and any number of times."""
    ready(world)
    mail = request(f"b+{sent_token(world)}@bounces.example.com", subject=subject, body=body, more=more)
    report = ingest(world, mail)
    assert (report.left, report.suppressed, report.bounces) == (1, 0, 0)
    assert ingest(world, mail).known == 1
    assert world.people.find("ann@example.org").suppressed is None
    assert next_day(world) == []


def test_an_answer_that_quotes_the_link_to_leave_by_is_enough(world: World) -> None:
    ready(world)
    reader = world.people.find("ann@example.org")
    leave = world.subscriber_service.links.unsubscribe(reader.key, reader.active[0].list_key)
    assert ingest(world, request(subject="Re: news", body=f"STOP\n\n> 退订: {leave}")).left == 1


@pytest.mark.parametrize(
    "mail",
    [
        request(subject="unsubscribe"),
        request("b+{token}@bounces.example.com", subject="How do I unsubscribe from the other list?"),
        request("b+{token}@bounces.example.com", subject="Re: news", body="please stop the war"),
        request("b+{token}@bounces.example.com", subject="unsubscribe", more="Auto-Submitted: auto-replied\n"),
        request("b+{token}@bounces.example.com", subject="Out of office", body="stop"),
        request(f"b+{TOKEN}@bounces.example.com", subject="unsubscribe"),
    ],
)
def test_what_only_looks_so_does_nothing(mail: bytes, world: World) -> None:
    """Of nobody, about something else, or written by a program."""
    ready(world)
    report = ingest(world, mail.replace(b"{token}", sent_token(world).encode()))
    assert (report.left, report.ignored) == (0, 1)
    assert next_day(world) == ["ann@example.org"]
