"""Mail that comes back, in every form: what it is taken for."""

from __future__ import annotations

import base64

import pytest

from digest.models import Verdict
from digest.subscribers.reports import Kind, Report, parse_report

TOKEN = "0123456789abcdef0123456789abcdef"
TO = f"To: b+{TOKEN}@bounces.example.com\n"
DAEMON = f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\n{TO}Subject: failure notice\n"


def read(text: str) -> Report:
    report = parse_report(text.encode())
    assert report is not None
    assert report.tokens == (TOKEN,)
    return report


def dsn(fields: str, *, human: str = "It failed.", kind: str = "message/delivery-status", encoding: str = "") -> str:
    """Somebody's report: a text, then fields."""
    coded = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    if encoding == "base64":
        fields = base64.encodebytes(fields.encode()).decode()
    return (
        f'{DAEMON}MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="B"\n\n'
        f"--B\nContent-Type: text/plain\n\n{human}\n\n--B\nContent-Type: {kind}\n{coded}\n{fields}\n\n--B--\n"
    )


FIELDS = (
    "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.0.0\n"
    "Diagnostic-Code: smtp; 550 5.1.1 unknown"
)


@pytest.mark.parametrize(
    "text",
    [
        dsn(FIELDS),
        dsn(FIELDS.replace(":", " :")),
        dsn(FIELDS.replace("550 5.1.1", "550\n5.1.1")),
        dsn(FIELDS.replace("smtp; 550", "smtp;550")),
        dsn(FIELDS.replace("\n", "\r\n")),
        dsn(FIELDS.upper()),
        dsn(FIELDS.replace("\n\nFinal", "\nFinal")),
        dsn(FIELDS.replace("Action: failed", "Action: failed (permanent failure)")),
        dsn(FIELDS, kind="message/global-delivery-status"),
        dsn(FIELDS, kind="message/delivery-status; charset=utf-8"),
        dsn(FIELDS, encoding="base64"),
        dsn(FIELDS, kind="message/global-delivery-status", encoding="base64"),
        dsn(f"{FIELDS}\n\nFinal-Recipient: rfc822; b@example.org\nAction: relayed\nStatus: 2.1.5"),
    ],
    ids=range(13),
)
def test_fields_are_read_as_mailers_write_them(text: str) -> None:
    """RFC 3464 and RFC 6533, and what some make of them."""
    report = read(text)
    assert (report.kind, report.verdict, report.status) == (Kind.BOUNCE, Verdict.DEAD, "5.1.1")
    assert report.form == "RFC 3464"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "deliverable", "Deliverable", "odd"])
def test_a_report_of_success_is_no_bounce(action: str) -> None:
    """RFC 3464 2.3.3, and Postfix's answer to a question; of an unknown action the class decides."""
    fields = f"Final-Recipient: rfc822; a@example.org\nAction: {action}\nStatus: 2.1.5\nDiagnostic-Code: smtp; 250 Ok"
    assert read(dsn(fields)).kind is Kind.ARRIVED


def fields(status: str, diagnostic: str = "", action: str = "failed") -> str:
    said = f"\nDiagnostic-Code: smtp; {diagnostic}" if diagnostic else ""
    return f"Final-Recipient: rfc822; ann@example.org\nAction: {action}\nStatus: {status}{said}"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (dsn(fields("5.1.1", "550 5.7.1 Client host [192.0.2.7] blocked using a list")), Verdict.POLICY),
        (dsn(fields("5.0.0", "550 Ip frequency limited [xxx Blocked IP 192.0.2.22]")), Verdict.RATE),
        (dsn(fields("5.0.0", "550 5.2.2 over quota")), Verdict.FULL),
        (dsn(fields("5.1.1")), Verdict.DEAD),
        (dsn(fields("5.1.1", "550 no")), Verdict.UNKNOWN),
        (dsn(fields("5.0.0", "550 no")), Verdict.UNKNOWN),
        (dsn(fields("4.4.7")), Verdict.EXPIRED),
        (dsn(fields("4.0.0", "451 later")), Verdict.EXPIRED),
        (dsn(fields("4.4.1", action="delayed")), Verdict.DELAYED),
        (dsn(fields("4.1.1", "450 4.1.1 user unknown", action="delayed")), Verdict.DELAYED),
        (dsn(fields("4.2.2", "452 4.2.2 full", action="delayed")), Verdict.FULL),
        (dsn(fields("5.0.0", "x"), human="   <<< 550 5.7.1 blocked by a block list"), Verdict.POLICY),
        (
            dsn(fields("5.1.1", "550 5.1.1 x"), human="said: 550 5.1.1 x (in reply to end of DATA command)"),
            Verdict.CONTENT,
        ),
        (dsn(fields("5.2.2", "552 5.2.2 x"), human="said: 552 x (in reply to end of DATA command)"), Verdict.FULL),
    ],
    ids=range(14),
)
def test_the_servers_own_words_decide(text: str, verdict: Verdict) -> None:
    """Not what another program made of them; a message that is refused says nothing about its reader."""
    assert read(text).verdict is verdict


QMAIL = (
    "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your message to the "
    "following addresses.\nThis is a permanent error; I've given up.\n\n<ann@example.org>:\n{}\n\n"
    "--- Below this line is a copy of the message.\n\nReturn-Path: <x@example.com>\nSubject: 550 5.7.1 spam\n\nbody\n"
)
EXIM = (
    "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
    "delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
    "  ann@example.org\n    host mx.example.org [192.0.2.1]\n    SMTP error from remote mail server after {}:\n"
    "    {}\n\n"
    "------ This is a copy of the message, including all the headers. ------\n\nSubject: 550 5.7.1 spam\n"
)
EXIM_HEAD = f"X-Failed-Recipients: ann@example.org\nAuto-Submitted: auto-replied\n{DAEMON}"
EXCHANGE = (
    "Your message\n\n  To:      ann@example.org\n  Subject: x\n\ndid not reach the following recipient(s):\n\n"
    "ann@example.org on Tue, 24 Nov 2026 04:00:00 +0000\n    {}\n"
)
WORKMAIL = (
    "An error occurred while trying to deliver the mail to the following recipients:\nann@example.org\n\n"
    "Technical report:\n\nReporting-MTA: dsn; a1.example.net\n\nAction: failed\n"
    "Final-Recipient: rfc822; ann@example.org\nDiagnostic-Code: smtp; {}\nStatus: 5.0.0\n"
)
RETURNED = (
    f"From: no-reply@example.net\n{TO}Subject: Mail error\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
    "Content-Type: text/plain; charset=utf-8\n\n{}\n\n--B\nContent-Type: message/rfc822\n\n"
    "From: a@news.example.com\nSubject: x\n\nText\n--B--\n"
)
SES = (
    f"From: no-reply@sns.example.com\n{TO}Subject: AWS Notification Message\n\n"
    '{{"notificationType":"Bounce","bounce":{{"bounceType":"Permanent","bouncedRecipients":[{{"action":"failed",'
    '"diagnosticCode":"smtp; {}"}}]}},"mail":{{"source":\n'
    '"bounce+0123456789abcdef0123456789abcdef@news.example.com"}}}}\n'
)
MAILRU = (
    "Это письмо создано автоматически сервером, отвечать на него не нужно.\n\n  ann@example.org\n    SMTP error from "
    "remote mail server after RCPT TO:<ann@example.org>:\n    host mx.example.org [192.0.2.1]: {}\n\n**********\n"
)


@pytest.mark.parametrize(
    ("text", "form", "verdict"),
    [
        (f"{DAEMON}\n{QMAIL.format('Sorry, no mailbox here by that name. (#5.1.1)')}", "QSBMF", Verdict.DEAD),
        (f"{DAEMON}\n{QMAIL.format('Remote host said: 554 DT:SPM 163 smtp1')}", "QSBMF", Verdict.CONTENT),
        (f"{DAEMON}\n{QMAIL.format('It went wrong.')}", "QSBMF", Verdict.UNKNOWN),
        (f"{EXIM_HEAD}\n{EXIM.format('RCPT TO:<ann@example.org>', '550 5.1.1 User unknown')}", "Exim", Verdict.DEAD),
        (f"{EXIM_HEAD}\n{EXIM.format('end of data', '550 5.1.1 User unknown')}", "Exim", Verdict.CONTENT),
        (f"{EXIM_HEAD}\n{EXIM.format('RCPT TO:<a@b>', '550 blocked, see the block list')}", "Exim", Verdict.POLICY),
        (f"{EXIM_HEAD}\n{MAILRU.format('550 5.1.1 no such user')}", "Exim", Verdict.DEAD),
        (
            f"{DAEMON}\n{EXCHANGE.format('The name is not known. Unknown Recipient')}",
            "Exchange",
            Verdict.DEAD,
        ),
        (f"{DAEMON}\n{WORKMAIL.format('550 5.1.1 User unknown')}", "RFC 3464 in a text", Verdict.DEAD),
        (f"{DAEMON}\nYour mail was refused:\n\n550 5.1.1 User unknown\n", "", Verdict.UNKNOWN),
        (f"{DAEMON}\nThere is no such user.\n", "", Verdict.UNKNOWN),
        (f"{DAEMON}\nYour message could not be delivered.\n", "", Verdict.UNKNOWN),
        (
            f"{DAEMON}\nUser's mailbox is full: <ann@example.org>\nUnable to deliver mail.\n",
            "flufl.bounce",
            Verdict.FULL,
        ),
        (
            dsn("Reporting-MTA: dns; mx.example.net", human="550 5.1.1 User unknown"),
            "report without fields",
            Verdict.DEAD,
        ),
        (RETURNED.format("メールを送信できませんでした。"), "", Verdict.UNKNOWN),
        (SES.format("550 5.1.1 user unknown"), "Amazon SES", Verdict.DEAD),
        (SES.format("554 spam detected"), "Amazon SES", Verdict.CONTENT),
    ],
    ids=range(17),
)
def test_reports_without_fields(text: str, form: str, verdict: Verdict) -> None:
    """Known forms are judged, without our own message that follows; any other counts as unknown."""
    report = read(text)
    assert (report.form, report.verdict) == (form, verdict)
    assert "ann@" not in report.text


@pytest.mark.parametrize(
    "text",
    [
        f"From: ann@example.org\n{TO}Subject: Re: digest\n\nNo such user here any more: 550 5.1.1\n",
        f"Return-Path: <>\nFrom: ann@example.org\n{TO}Auto-Submitted: auto-replied\n\nGone: mailbox full, 550.\n",
        f"Return-Path: <>\nFrom: ann@example.org\n{TO}X-Autoreply: yes\n\nThis account is closed.\n",
        f"Return-Path: <>\nFrom: ann@example.org\n{TO}Precedence: auto_reply\n\nThis account is closed.\n",
        f"Return-Path: <>\nFrom: ann@example.org\n{TO}Subject: =?utf-8?B?6Ieq5Yqo5Zue5aSN?=: x\n\n邮箱已满\n",
        f"Return-Path: <>\nFrom: ann@example.org\n{TO}Subject: Out of office\n\nMy mailbox is full.\n",
        f"{DAEMON}\nAll is well.\n",
        (
            f"{DAEMON}Content-Type: multipart/report; report-type=disposition-notification; boundary=B\n\n--B\n"
            "Content-Type: text/plain\n\nNot read: user unknown\n\n"
            "--B\nContent-Type: message/disposition-notification\n\n"
            "Disposition: automatic-action/MDN-sent-automatically; deleted\n\n--B--\n"
        ),
    ],
    ids=range(8),
)
def test_answers_are_no_reports(text: str) -> None:
    """RFC 3834 and its older relatives; receipts (RFC 8098); what has neither code nor phrase."""
    assert parse_report(text.encode()) is None


ARF = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
OURS = f"Return-Path: <b+{TOKEN}@bounces.example.com>\nFrom: digest@news.example.com\nSubject: x\n\nbody\n"


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_complaints_in_any_encoding(encoding: str) -> None:
    """RFC 5965; some encode the parts."""
    coded = {
        "7bit": (ARF, OURS),
        "base64": (base64.encodebytes(ARF.encode()).decode(), base64.encodebytes(OURS.encode()).decode()),
        "quoted-printable": (ARF.replace("buse", "=62use"), OURS.replace("example.com", "example=2Ecom")),
    }[encoding]
    text = (
        "From: fbl@example.net\nTo: abuse@news.example.com\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\n\n'
        "--B\nContent-Type: text/plain\n\nx\n"
        f"\n--B\nContent-Type: message/feedback-report\nContent-Transfer-Encoding: {encoding}\n\n{coded[0]}\n"
        f"--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n{coded[1]}\n--B--\n"
    )
    assert read(text).kind is Kind.COMPLAINT


def test_a_complaint_that_outlook_forwards() -> None:
    """JMRP: the message itself, without a report."""
    text = (
        "From: staff@hotmail.com\nTo: abuse@news.example.com\nSubject: complaint about message from 192.0.2.1\n"
        f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n'
        f"--B\nContent-Type: message/rfc822\n\n{OURS}\n--B--\n"
    )
    assert read(text).kind is Kind.COMPLAINT
