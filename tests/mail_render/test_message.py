"""The bytes of a message (digest/render/message.py)."""

from __future__ import annotations

import email
import email.policy
import re
import time
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from digest.errors import ConfigError, PermanentFailure
from digest.render.message import (
    EditionMessage,
    Letterhead,
    Mailbox,
    ascii_address,
    feedback_id,
    is_address,
    list_id,
    message_id,
)

FROZEN = datetime(2026, 11, 24, tzinfo=UTC)
Make = Callable[..., EditionMessage]
ID = "<0123456789abcdef@news.example.com>"


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def defects(message: EmailMessage) -> list[object]:
    found: list[object] = []
    for part in message.walk():
        found += part.defects
        found += [defect for value in part.values() for defect in getattr(value, "defects", ())]
    return found


def header(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[0]


def test_one_recipient_two_parts_text_first(make_message: Make) -> None:
    message = parsed(make_message().to(address="reader@example.org", message_id=ID))
    assert [mailbox.addr_spec for mailbox in message["To"].addresses] == ["reader@example.org"]
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    assert message["Cc"] is message["Bcc"] is None
    assert not defects(message)


def test_both_parts_are_utf_8_in_base64(make_message: Make) -> None:
    message = parsed(make_message().to(address="reader@example.org", message_id=ID))
    for part in message.iter_parts():
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "base64"


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 114, 5000, 100_000])
def test_crlf_everywhere_and_no_long_line(make_message: Make, size: int) -> None:
    """Whatever the length of the body: every line ends in CRLF, base64 lines have 76 characters at most."""
    data = make_message(text="中" * size + "\n%%FOOT%%\n%%ADDRESS%%\n").to(address="a@example.org", message_id=ID)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert max(map(len, data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 78
    body = parsed(data).get_body(("plain",))
    assert body is not None
    assert body.get_content() == "中" * size + "\r\na@example.org\r\n"


@pytest.mark.parametrize("control", ["\r\nBcc: x@example.org", "\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\u2029"])
def test_control_characters_never_reach_a_field(make_message: Make, control: str) -> None:
    """In a subject they are cleaned away: one bad title must not stop an edition."""
    data = make_message(subject=f"早报{control}晚报").to(address="a@example.org", message_id=ID)
    message = parsed(data)
    assert message["Bcc"] is None
    assert re.fullmatch(r"早报 ?(Bcc: x@example.org)?晚报", message["Subject"])
    assert not defects(message)


@pytest.mark.parametrize(
    "address",
    ["a@example.org\r\nBcc: b@example.org", "a@example.org\n", "a\0@example.org", "a b@example.org", "a@b@example.org",
     '"a b"@example.org', "a@[192.0.2.1]", "@example.org", "a@", "a", "", "a..b@example.org", ".a@example.org",
     "a@-x.org", "a@x..org", "a@" + "x" * 64 + ".org", "a" * 65 + "@example.org", "a,b@example.org", "a@example.org,",
     "<a@example.org>", "a@exam\u2028ple.org", "a@\ud800.org", "a@" + ".".join(["x" * 60] * 5)],
)  # fmt: skip
def test_addresses_that_are_none_are_refused_for_good(make_message: Make, address: str) -> None:
    assert not is_address(address)
    with pytest.raises(PermanentFailure):
        make_message().to(address=address, message_id=ID)
    with pytest.raises(ConfigError):
        Mailbox(address=address)


def test_an_address_has_254_octets_at_most() -> None:
    """Counted as they go over the wire (RFC 5321 4.5.3.1.3): UTF-8 before the @, A-labels behind it."""
    domain = ".".join(["x" * 63] * 3)
    for local, last in (("a", 60), ("a" * 60, 1), ("é" * 30, 1)):
        longest = f"{local}@{domain}.{'y' * last}"
        assert len(longest.encode()) == 254
        assert is_address(longest)
        assert not is_address(longest + "y")
    labels = ".".join(["例子"] * 18)  # 12 octets each as an A-label, with its dot
    assert is_address(f"{'a' * 38}@{labels}")
    assert not is_address(f"{'a' * 39}@{labels}")


@pytest.mark.parametrize("name", ["a\r\nBcc: x", "a\0b", "a\x85b"])
def test_a_name_with_control_characters_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="control character"):
        Mailbox(address="a@example.org", name=name)


@pytest.mark.parametrize(
    ("field", "value"), [("archive_url", "https://example.org/日"), ("archive_url", "https://example.org/\r\nX: y"),
                         ("archive_url", "https://example.org/" + "x" * 1000)],
)  # fmt: skip
def test_what_would_need_encoding_is_a_fault_of_the_caller(make_message: Make, field: str, value: str) -> None:
    with pytest.raises(ValueError, match="not fit"):
        make_message(**{field: value})


def test_no_encoded_word_where_none_may_be(make_message: Make, letterhead: Letterhead) -> None:
    """List-*, Feedback-ID, Message-ID and addresses, even long ones, stay as they are."""
    far = "https://news.example.com/editions/" + "long-" * 60 + "/2026-11-24/"
    head = header(
        make_message(archive_url=far, letterhead=replace(letterhead, digest="财经早报" * 10)).to(
            address="a" * 64 + "@" + ".".join(["x" * 40] * 4) + ".org", message_id=ID
        )
    )
    fields = re.split(rb"\r\n(?![ \t])", head)
    encoded = {field.partition(b":")[0] for field in fields if b"=?" in field}
    assert encoded == {b"From", b"Subject"}
    assert f"List-Archive: <{far}>".encode() in fields


@pytest.mark.parametrize(
    "name",
    ["财经早报", "Zhang, San", 'The "Best" News', "早报 📈 日", "Été, \"新闻\" 🙂", "O'Neil (Desk)", "a@b.example", "",
     "很长的名字" * 12, "x" * 200, "a\\b"],
)  # fmt: skip
def test_display_names_survive(make_message: Make, letterhead: Letterhead, name: str) -> None:
    """Commas, quotes, emoji, and names of any length: one mailbox, the same name again."""
    sender = Mailbox(address="digest@news.example.com", name=name)
    reply_to = Mailbox(address="desk@news.example.com", name=name)
    data = make_message(letterhead=replace(letterhead, sender=sender, reply_to=reply_to)).to(
        address="a@example.org", message_id=ID
    )
    message = parsed(data)
    for field, address in (("From", "digest@news.example.com"), ("Reply-To", "desk@news.example.com")):
        (mailbox,) = message[field].addresses
        assert mailbox.addr_spec == address
        # Python's parser leaves the space between encoded words that RFC 2047 section 6.2 drops.
        assert mailbox.display_name.replace(" ", "") == name.replace(" ", "")
    assert not defects(message)
    assert header(data).isascii()


def test_date_and_id_are_given_and_every_attempt_has_equal_bytes(make_message: Make) -> None:
    first = make_message().to(address="reader@example.org", message_id=ID)
    assert first == make_message().to(address="reader@example.org", message_id=ID)
    message = parsed(first)
    assert message["Date"].datetime == FROZEN
    assert message["Message-ID"] == ID
    later = parsed(make_message(date=FROZEN + timedelta(microseconds=7)).to(address="a@example.org", message_id=ID))
    assert later["Date"].datetime == FROZEN


@given(
    st.text(max_size=40),
    st.dates().map(str),
    st.emails(),
    st.sampled_from(["a.org", "news.example.com", "x" * 30 + ".example.org", "y." * 40 + "org"]),
)
def test_message_ids_are_short_ascii_and_hide_the_address(digest: str, period: str, address: str, domain: str) -> None:
    try:
        address = ascii_address(address)
    except UnicodeError:
        return
    made = message_id(digest=digest, category="", period=period, address=address, domain=domain)
    assert made == message_id(digest=digest, category="", period=period, address=address, domain=domain)
    assert re.fullmatch(rf"<[0-9a-f]{{12,32}}@{re.escape(domain)}>", made)
    assert len(made) < 70 or len(domain) > 54
    other = message_id(digest=digest, category="", period=period, address="x" + address, domain=domain)
    assert made != other


@pytest.mark.parametrize(
    "subject",
    ["财" * 60, "早报 📈🙂👩‍👩‍👧 · 11月24日", 'He said "yes", then left', "x" * 300, "a, b; c: d", "=?utf-8?q?fake?="],
)
def test_subjects_survive(make_message: Make, subject: str) -> None:
    message = parsed(make_message(subject=subject).to(address="a@example.org", message_id=ID))
    if "=?" not in subject:
        assert message["Subject"] == subject
    assert not defects(message)


@pytest.mark.parametrize(
    ("digest", "title", "host", "expected"),
    [
        ("daily", "财经早报", "news.example.com", "<daily.news.example.com>"),
        ("daily", "Morning Digest", "news.example.com", "Morning Digest <daily.news.example.com>"),
        ("daily", 'A "b", <c>', "news.example.com", "A b c <daily.news.example.com>"),
        ("daily", "Morning", "localhost", "Morning <daily.localhost.localhost>"),
        ("daily", "Morning", "", "Morning <daily.digest.localhost>"),
        ("daily", "Morning", "新闻.example", "Morning <daily.xn--efvy88h.example>"),
        ("Two Words", "x" * 300, "news.example.com", "<two-words-8e086add.news.example.com>"),
    ],
)
def test_list_ids_are_ascii_and_short(
    letterhead: Letterhead, digest: str, title: str, host: str, expected: str
) -> None:
    made = list_id(replace(letterhead, digest=digest, title=title, site_host=host))
    assert made == expected
    assert len(made) <= 255


def test_digests_that_differ_have_lists_that_differ(letterhead: Letterhead) -> None:
    names = ["早报", "晚报", "a b", "a-b", "A b", "a" * 70, "a" * 71]
    assert len({list_id(replace(letterhead, digest=name, title="")) for name in names}) == len(names)


def test_list_fields_stand_once_and_no_unsubscribing_is_promised_without_a_way(make_message: Make) -> None:
    """An address of ``mail.to`` has no subscription that a program could end (RFC 2369 asks for a way that
    works, RFC 8058 for https), so the field is left out; the footer says whom to ask."""
    message = parsed(make_message().to(address="a@example.org", message_id=ID))
    assert message["List-Archive"] == "<https://news.example.com/editions/daily/2026-11-24/>"
    assert message["List-Post"] == "NO"
    assert message["List-Unsubscribe"] is message["List-Unsubscribe-Post"] is None
    assert len(message.keys()) == len({name.lower() for name in message})


@pytest.mark.parametrize("length", [60, 80, 220, 900])
def test_a_long_link_to_leave_by_is_one_plain_line(make_message: Make, length: int) -> None:
    """RFC 8058, RFC 2047 section 5: neither folded nor encoded, however long; each field once; what is too long for a
    line is a fault of the caller."""
    link = "https://news.example.com/mail/" + "x" * (length - 30)
    data = header(make_message().to(address="reader@example.org", message_id=ID, unsubscribe=link))
    assert data.count(b"\r\nList-Unsubscribe: <" + link.encode() + b">\r\n") == 1
    assert data.count(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == 1
    assert data.lower().count(b"list-unsubscribe:") == 1
    with pytest.raises(ValueError, match="not fit for a header field"):
        make_message().to(address="reader@example.org", message_id=ID, unsubscribe=link + "x" * 1_000)


def test_machines_are_told_not_to_answer(make_message: Make) -> None:
    message = parsed(make_message().to(address="a@example.org", message_id=ID))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"


@pytest.mark.parametrize(
    ("digest", "address", "expected"),
    [
        ("daily", "d@news.example.com", "2026-11-24:daily:digest:newsexamplecom"),
        ("daily", "d@a.cn", "2026-11-24:daily:digest:acndigest"),
        ("daily", "d@a-very-long-domain-name.example.org", "2026-11-24:daily:digest:averylongdomain"),
        ("a:b", "d@news.example.com", "2026-11-24:a-b-3c3c00ff:digest:newsexamplecom"),
    ],
)
def test_feedback_ids_have_four_parts_and_name_no_reader(
    letterhead: Letterhead, digest: str, address: str, expected: str
) -> None:
    made = feedback_id(replace(letterhead, digest=digest, sender=Mailbox(address=address)), "2026-11-24")
    assert made.split(":")[0::2] == expected.split(":")[0::2]
    assert made.count(":") == 3
    assert 5 <= len(made.rpartition(":")[2]) <= 15
    assert made.rpartition(":")[2] == expected.rpartition(":")[2]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Reader@Example.ORG", "Reader@example.org"),
        ("a@例子.测试", "a@xn--fsqu00a.xn--0zwm56d"),
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
    ],
)
def test_domains_are_sent_as_a_labels(make_message: Make, address: str, expected: str) -> None:
    assert ascii_address(address) == expected
    data = make_message().to(address=address, message_id=ID)
    assert f"\r\nTo: {expected}\r\n".encode() in data
    html = parsed(data).get_body(("html",))
    assert html is not None
    assert address in html.get_content()


def test_a_local_part_that_is_not_ascii_stays_raw_for_smtputf8(make_message: Make) -> None:
    """RFC 6532; whether the server can take it is the transport's question."""
    assert "\r\nTo: 读者@example.org\r\n".encode() in make_message().to(address="读者@example.org", message_id=ID)
    with pytest.raises(ConfigError):
        Mailbox(address="读者@example.org")


def test_values_are_filled_in_after_the_mark_only_and_escaped(make_message: Make) -> None:
    """A post cannot ask for a reader's address, and an address cannot bring markup."""
    message = make_message(
        html="<p>%%ADDRESS%% <!--%%FOOT%%--> %%ADDRESS%%</p><!--%%FOOT%%--><b>%%ADDRESS%%</b> %%MORE%%",
        text="%%ADDRESS%%\n%%FOOT%%\n%%ADDRESS%%\n%%FOOT%%\n%%ADDRESS%% %%MORE%%\n",
    )
    made = parsed(message.to(address="a&b@example.org", message_id=ID, values={"MORE": "<i>"}))
    html, text = made.get_body(("html",)), made.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content() == (
        "<p>%%ADDRESS%% <!--%%FOOT%%--> %%ADDRESS%%</p><b>a&amp;b@example.org</b> &lt;i&gt;\n"
    ).rstrip("\n")
    assert text.get_content().splitlines() == ["%%ADDRESS%%", "%%FOOT%%", "%%ADDRESS%%", "a&b@example.org <i>"]


def test_an_address_that_looks_like_a_placeholder_is_an_address(make_message: Make) -> None:
    """``%`` is allowed in one: it is not filled in again."""
    message = make_message(html="<!--%%FOOT%%--><p>%%ADDRESS%% %%UNSUBSCRIBE%%</p>")
    body = parsed(
        message.to(address="x%%UNSUBSCRIBE%%@example.com", message_id="<1@x>", unsubscribe="https://a.example/b")
    )
    told = body.get_body(("html",))
    assert told is not None
    assert "<p>x%%UNSUBSCRIBE%%@example.com https://a.example/b</p>" in told.get_content()


def test_a_body_without_a_mark_is_sent_as_it_is(make_message: Make) -> None:
    made = parsed(make_message(html="<p>a</p>", text="a\n").to(address="a@example.org", message_id=ID))
    html = made.get_body(("html",))
    assert html is not None
    assert html.get_content() == "<p>a</p>"


@given(st.binary(max_size=400), st.text(max_size=100))
def test_base64_is_what_every_decoder_reads(head: bytes, foot: str) -> None:
    """The part that is encoded once and the part encoded for each recipient join without a seam."""
    from digest.render.message import _Part

    body = head.decode("latin-1").replace("\r", "\n")
    foot = re.sub("[\r\ud800-\udfff]", "", foot)
    part = _Part(f"{body}%%FOOT%%\n{foot}", is_html=False)
    data = part.beginning + part.end({}, subscribed=False)
    lines = data.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert all(len(line) == 76 for line in lines[:-2])
    assert b64decode(b"".join(lines)).decode() == (body + foot).replace("\n", "\r\n")


def test_messages_are_made_fast(make_message: Make) -> None:
    """Only the footer is made anew for each: bodies of full size take hardly more work than a line."""

    def work(body: str) -> float:
        message = make_message(
            html=f"<p>{body}</p><!--%%FOOT%%--><p>%%ADDRESS%%</p>", text=f"{body}\n%%FOOT%%\n%%ADDRESS%%\n"
        )
        start = time.thread_time()
        for number in range(500):
            message.to(address=f"reader{number}@example.org", message_id=ID)
        return time.thread_time() - start

    assert work("中" * 24_000) < 20 * work("中")
