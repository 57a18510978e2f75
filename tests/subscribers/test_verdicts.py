"""The judge: hundreds of texts in the shapes that servers use, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Verdict
from digest.verdicts.codes import AMBIGUOUS, MEANINGS, meaning
from digest.verdicts.judging import has_code, judge, phrase_in, reply_code, status_code
from digest.verdicts.phrases import PHRASES

TEXTS = {
    Verdict.DEAD: """
        550 5.1.1 <a@example.org>: Recipient address rejected: User unknown in local recipient table
        550-5.1.1 The email account that you tried to reach does not exist. Please try 550 5.1.1 double-checking it
        550 5.1.1 unknown
        550 5.1.1 <a@example.org>: User unknown (mx1.spamfilter.example)
        550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@example.org not found by SMTP address lookup
        550 5.4.1 Recipient address rejected: Access denied. [XX01.eur.prod.protection.outlook.com]
        550 5.1.351 Remote server returned unknown recipient or mailbox unavailable
        550 5.2.1 The email account that you tried to reach is disabled. For more information see the help
        554 delivery error: dd This user doesn't have an example.com account (a@example.com) [0] - mta4001
        550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?subtype=1
        550 User not found: a@163.com
        550 RC:NE The email account does not exist.
        554 RCPT (a@example.org) dosn't exist
        559 Invalid rcptto
        550 5.1.1 Mailbox does not exist
        551 5.1.1 recipient is not exist
        553 5.3.0 <a@example.org>... Addressee unknown, relay=[192.0.2.1]
        sorry, no mailbox here by that name (#5.1.1)
        Sorry, I couldn't find any host named gone.example. (#5.1.2)
        550 5.7.1 <a@example.org>: Recipient address rejected: User unknown
        550 5.1.6 <a@example.org>: Destination mailbox has moved
        550 Unrouteable address
        550 unknown user
        550 5.1.1 Requested action not taken: mailbox unavailable
        550 No such user here
        550 5.0.0 <a@example.org>... User unknown
        556 5.1.10 this domain accepts no mail (null MX)
        556 Domain does not accept mail
        550 non-local recipient verification failed
        550 Account deactivated
        550 5.2.1 mailbox disabled, not accepting messages
        550 invalid mailbox
        550 the address has been closed: account closed by its owner
        550 收件人不存在
        550 该用户不存在
        5.1.0 - Unknown address error 550-'5.1.1 User unknown' (delivery attempts: 0)
        550 5.5.0 Requested action not taken: mailbox unavailable (-1234567890:1234:-1234567890)
        Host or domain name not found. Name service error for name=gone.example type=A: Host not found
        550 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416
        550 #5.1.0 Address rejected.
        525 5.7.13 Disabled recipient address: no longer in use
    """,
    Verdict.FULL: """
        552 5.2.2 The email account that you tried to reach is over quota. Please direct the recipient elsewhere
        452 4.2.2 Mailbox full
        552 mailbox is full
        552 5.2.2 Mailbox size limit exceeded
        550 5.2.2 <a@example.org>: mailbox has exceeded its limit
        552 User quota exceeded
        552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct
        550 a@example.org: user is over the quota. You can try again later.
        554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException
        552 Requested mail action aborted: exceeded storage allocation
        Quota exceeded (mailbox for user is full)
        550 收件人空间不足
        550 用户邮箱已满
        552 sorry, the recipient's mail box space not enough
        452 mailbox of the user exceeds allowed space
        552
        452
    """,
    Verdict.RATE: """
        550 Ip frequency limited [xxx Blocked IP 192.0.2.22]. http://service.mail.qq.com/
        550 Connection frequency limited. http://service.mail.qq.com/cgi-bin/help?subtype=1
        550 Domain frequency limited
        550 Sender frequency limited
        550 Mailbox unavailable or access denied
        421 HL:ICC 163 mx1,192.0.2.7 http://mail.163.com/help/help_spam_16.htm
        421 HL:IFC 126 mx5
        550 RP:TRC 163 smtp1
        451 MI:SFQ 163 smtp9
        450 MI:DMC 163 smtp2
        554 5.7.1 504 the number of RCPT attempts is achieved the maximum threshold
        454 Transient reject by behaviour spam
        421-4.7.28 Gmail has detected an unusual rate of mail originating from your address. To protect
        450-4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages
        550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents delivery
        550-5.4.5 Daily user sending limit exceeded. For more information on limits go to the help
        451 4.7.650 The mail server [192.0.2.25] has been temporarily rate limited due to IP reputation
        421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints
        550 5.7.708 Service unavailable: message rate exceeded, rate limit
        550 5.2.121 recipient's per hour message receive limit from specific sender exceeded
        450 4.7.1 <a@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example
        451 4.7.1 Greylisting in action, please come back in 00:04:59
        550 too many messages from your server in this hour
        421 Too many concurrent SMTP connections
        452 4.5.3 Too many recipients
        554 you have reached your daily quota of the relay
        451 4.7.1 throttled, try again later
        451 Ratelimit exceeded for your host
    """,
    Verdict.POLICY: """
        550 5.7.515 <a@example.org>: Recipient address rejected: Access denied
        550 5.7.1 Connections not accepted from servers without reverse DNS
        550 5.7.1 Service unavailable, Client host [192.0.2.7] blocked using zen.blocklist.example
        554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org
        550 5.1.1 rejected: 192.0.2.7 is listed at a DNSBL
        550-5.7.26 Unauthenticated email from example.com is not accepted due to the domain's DMARC policy
        550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level
        550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Their network is on our block list (S3140)
        554 5.7.9 Message not accepted for policy reasons. See the postmaster's page
        553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list
        550 5.1.8 <b@news.example.com>: Sender address rejected: Domain not found
        550 5.1.7 sender address has no valid form
        554 HL:IDB 163 mx4
        550 MI:SPF 163 smtp3,192.0.2.1
        550 5.5.0 MI:STC 163 smtp8
        554 Reject by behaviour spam
        550 5.7.23 The message was rejected because of Sender Policy Framework violation
        550 5.7.25 The sending address does not have a PTR record
        554 5.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]
        550 Administrative prohibition - envelope blocked
        550 SPF Sender Invalid - envelope rejected
        554 Sender address has been rejected by local policy
        550 Access denied
        550 5.7.1 Recipient not authorized, your IP has been found on a block list
        554 mail server permanently rejected you: blocked by barracudacentral
        550 5.7.0 Local Policy Violation
        554 5.7.1 [PR01] message rejected due to local policy
        554-Transaction failed 554-Reject due to policy restrictions. nemesis
        550 5.7.27 sender has a null MX
        550 we do not accept mail from hosts with dynamic IP or generic DNS PTR-records
        554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1
        550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; sender was not authenticated
        450 4.7.1 Client host rejected: cannot find your reverse hostname
        550 5.7.1 You are not allowed to send mail to this list, members only
        550 blocked by Yandex: your ip address is blacklisted
    """,
    Verdict.CONTENT: """
        554 DT:SPM 163 smtp5,192.0.2.1 http://mail.163.com/help/help_spam_16.htm
        451 DT:SPM ,please try again
        550 Mail content denied. http://service.mail.qq.com/
        554 Reject by content spam
        552 5.3.4 Message size exceeds fixed limit
        552 5.2.3 Your message exceeded the size limit of the recipient
        550 5.7.1 Message contains a virus
        554 5.7.1 Message rejected under suspicion of SPAM; https://ya.cc/1IrBc
        550 spam message rejected. Please visit the help of mail.ru
        550 5.6.0 Invalid message content
        554 5.6.1 media type not supported
        550-5.7.1 Our system has detected that this message is likely unsolicited mail
        552-5.7.0 This message was blocked because its content presents a potential security issue
        554 5.7.1 The message from was rejected by the content filter
        550 5.7.1 Duplicate header found
        554 message too large
        554 5.3.4 Error: message file too big
        554 Email rejected due to security policies - virus signature found
    """,
    Verdict.RELAY: """
        550 5.7.1 Relaying denied
        554 5.7.1 <a@example.org>: Relay access denied
        550 5.7.64 TenantAttribution; Relay Access Denied
        554 5.4.6 Too many hops
        550 5.4.14 Hop count exceeded - possible mail loop detected
        535 5.7.8 Authentication failed
        530 5.7.0 Must issue a STARTTLS command first
        503 5.5.1 bad sequence of commands
        451 4.3.0 Temporary lookup failure
        550 5.3.5 system incorrectly configured
        mail for gone.example loops back to myself
        553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
        554 Service currently unavailable
        530
        502
    """,
    Verdict.EXPIRED: """
        connect to mx.example.org[192.0.2.1]:25: Connection timed out
        4.4.7 message delivery time expired
        retry timeout exceeded
        550 5.4.300 Message expired -> 421 4.4.1 nothing more
        550 4.4.1 no answer from host
        all hosts for 'gone.example' have been failing for a long time
    """,
    Verdict.UNKNOWN: """
        550 no
        554 5.0.0 no
        550 5.0.0 sorry
        550 [5.1.1.1] no
        550 served by mx 5.1.1.1
        5.4.4 unable to route
        551 nothing to say
        550 our program 4.2.1.9 says no
    """,
}


def _cases() -> list[tuple[str, Verdict]]:
    return [(line.strip(), verdict) for verdict, lines in TEXTS.items() for line in lines.splitlines() if line.strip()]


@pytest.mark.parametrize(("words", "verdict"), _cases())
def test_what_servers_say(words: str, verdict: Verdict) -> None:
    """In whatever case, with line ends in it, with a summary that says nothing."""
    for said in (words, words.upper(), words.replace(" ", "\r\n ", 2), f" {words} "):
        assert judge(said).verdict is verdict, judge(said)
    assert judge(words, status="5.0.0").verdict is verdict


@pytest.mark.parametrize(("words", "verdict"), [case for case in _cases() if case[1] is not Verdict.UNKNOWN])
def test_a_summary_against_the_words_does_not_count(words: str, verdict: Verdict) -> None:
    """RFC 3464 2.3.4 is another program's opinion. (A bare code says less than that.)"""
    if words.isdigit():
        return
    for status in ("5.1.1", "5.7.1", "5.2.2"):
        assert judge(words, status=status).verdict is verdict


@pytest.mark.parametrize(("words", "verdict"), _cases())
def test_the_dialogue_and_reports_have_one_judge(words: str, verdict: Verdict) -> None:
    """The codes apart, as replies are kept, or in the words, as reports have them."""
    code = reply_code(words) or 550
    assert judge(words, code=code).verdict in (verdict, judge(words).verdict)


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.words)
def test_every_row_of_the_table_can_be_found(phrase: object) -> None:
    """No row stands behind one that is always found before it; each has a source."""
    words = phrase.words.replace("*", " x ")  # type: ignore[attr-defined]
    found = phrase_in(f"550 {words}")
    assert found is not None
    assert found.verdict is phrase.verdict, found  # type: ignore[attr-defined]
    assert phrase.source  # type: ignore[attr-defined]
    assert words == words.lower()


def test_the_large_providers_have_rows() -> None:
    sources = " ".join({phrase.source for phrase in PHRASES})
    for name in (
        *(
            "QQ",
            "Exmail",
            "163",
            "126",
            "Aliyun",
            "Sina",
            "Google",
            "Microsoft",
            "Outlook.com",
            "Yahoo",
            "Apple",
            "Yandex",
        ),
        *("Mail.ru", "GMX", "Proofpoint", "Mimecast", "Barracuda", "Spamhaus"),
    ):
        assert name in sources


@pytest.mark.parametrize(
    ("enhanced", "verdict", "is_open"),
    [
        ("5.0.0", None, True),
        ("5.1.7", Verdict.POLICY, False),
        ("5.1.8", Verdict.POLICY, False),
        ("5.1.10", Verdict.DEAD, True),
        ("5.1.351", Verdict.DEAD, False),
        ("5.2.1", Verdict.DEAD, True),
        ("5.2.3", Verdict.CONTENT, False),
        ("5.3.4", Verdict.CONTENT, False),
        ("5.6.9", Verdict.CONTENT, False),
        ("5.6.99", Verdict.CONTENT, False),
        ("5.7.16", Verdict.CONTENT, False),
        ("5.7.17", Verdict.DEAD, False),
        ("5.7.999", Verdict.POLICY, True),
        ("4.2.2", Verdict.FULL, True),
        ("5.9.9", None, True),
    ],
)
def test_codes(enhanced: str, verdict: Verdict | None, is_open: bool) -> None:
    """RFC 3463, 5248, 6710, 7293, 7505 and the providers' own."""
    assert meaning(enhanced) == (verdict, is_open)


def test_the_registry_is_whole() -> None:
    """Every code of RFC 3463 and of its registry (RFC 5248) that may refuse something has a meaning; X.N.0 has none,
    except where the subject says it."""
    numbers = {"1": (*range(1, 11),), "2": range(1, 5), "3": range(1, 7), "4": range(1, 8), "5": range(1, 7)}
    numbers |= {"6": range(1, 11), "7": range(1, 31)}
    assert [f"{s}.{n}" for s, each in numbers.items() for n in each if meaning(f"5.{s}.{n}")[0] is None] == []
    assert set(MEANINGS) >= {each for each in AMBIGUOUS if not each.endswith(".0")}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("550 5.7.1 (in reply) #5.1.1 gone", "5.1.1"),
        ("550 5.1.1 x [5.7.1] y", "5.1.1"),
        ("550 see Exim 4.96.2 and [192.0.2.5]", "550"),
        ("host 5.1.1.1 said: 550 no", "550"),
    ],
)
def test_the_last_code_in_the_words_counts(words: str, status: str) -> None:
    assert judge(words).status == status


@given(st.text(max_size=400))
def test_nothing_makes_the_judge_stumble(words: str) -> None:
    assert judge(words).rule
    assert judge(words, code=550, status=words).verdict in Verdict
    assert status_code(words) == "" or has_code(words) or words.strip()
