"""The SMTP dialogue against a real server that does what a script says."""

from __future__ import annotations

import base64
import contextlib
import re
import textwrap
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_smtp import (
    Act,
    Close,
    Dawdle,
    Dialogue,
    Drip,
    Hang,
    Reset,
    Say,
    ScriptedServer,
    always,
    at,
    both,
    serving,
)

from digest.errors import ConfigError, Doubtful, PermanentFailure, TemporaryFailure, TransportError
from digest.mail.smtp import SmtpChannel, TimeLimits, address_letter, parse_features, queue_id
from digest.models import Outgoing, Target
from digest.ports import Commit

PATIENT = TimeLimits(**{field.name: 60.0 for field in msgspec.structs.fields(TimeLimits)})
"""For servers that answer, on machines that are slow."""
QUICK = TimeLimits(**{field.name: 0.4 for field in msgspec.structs.fields(TimeLimits)})
"""For servers that do not."""
MESSAGE = b"Message-ID: <1@news.test>\r\nSubject: x\r\n\r\n.one\r\n..two\r\nthree.\r\n"
LETTER = Outgoing(pieces=(MESSAGE,), envelope_from="b@bounces.test")
ANN = Target(address="ann@example.com", name="n")


@pytest.fixture(autouse=True, params=[False, True], ids=["in-turn", "in-one-packet"])
def pipelining(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Everything holds whether or not the server takes MAIL, RCPT and DATA in one packet."""
    monkeypatch.setattr(ScriptedServer, "pipelining", request.param)
    return bool(request.param)


def transport(server: ScriptedServer, **options: object) -> SmtpChannel:
    given = {"host": "127.0.0.1", "port": server.port, "security": "none", "limits": PATIENT, **options}
    return SmtpChannel(**given)


def send(
    smtp: SmtpChannel,
    *,
    recipient: str = "ann@example.com",
    sender: str = "b+token@bounces.test",
    message: bytes = MESSAGE,
    before_dot=lambda: True,
):
    letter = Outgoing(pieces=(message,), envelope_from=sender)
    return smtp.send(letter, Target(address=recipient, name="n"), Commit(before_dot))


def after_its_word(server: ScriptedServer, reached: str) -> Callable[[], bool]:
    """For ``before_dot``: what the server does in the middle of the body has arrived before the dot leaves."""

    def before_dot() -> bool:
        if reached == "body":
            wait_until(lambda: server.ended, "the server ended the dialogue")
        return True

    return before_dot


def wait_until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def limits_for(act: Act) -> TimeLimits:
    return QUICK if isinstance(act, Hang) else PATIENT


def failing(smtp: SmtpChannel, **letter: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        send(smtp, **letter)  # type: ignore[arg-type]
    smtp.close()
    return caught.value


# ------------------------------------------------------------------ success


def test_an_accepted_message_arrives_byte_for_byte() -> None:
    """Lines that begin with a dot come out as they went in; the reply has the server's queue id."""
    with serving() as server:
        smtp = transport(server)
        reply = send(smtp)
        smtp.close()
    assert (reply.code, reply.enhanced, reply.text) == (250, "2.0.0", "Ok: queued as Q1x1")
    assert [each.message for each in server.accepted] == [MESSAGE]
    assert server.accepted[0].sender == "b+token@bounces.test"
    assert server.accepted[0].recipient == "ann@example.com"
    assert server.commands == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_message_without_last_line_end_gets_one() -> None:
    with serving() as server:
        smtp = transport(server)
        send(smtp, message=MESSAGE[:-2])
        smtp.close()
    assert server.accepted[0].message == MESSAGE


def test_before_dot_is_called_when_the_whole_body_is_out() -> None:
    """The server has all lines and no end of them; if the answer is no, nothing is accepted."""
    with serving() as server:
        smtp = transport(server)
        error = failing(smtp, before_dot=lambda: False)
    assert isinstance(error, TemporaryFailure)
    assert error.step == "body"
    assert server.accepted == []
    assert server.commands[-1] == "DATA"  # no QUIT, which would be a line of the message


def test_an_error_in_before_dot_sends_no_dot() -> None:
    def broken() -> bool:
        raise RuntimeError("the ledger is gone")

    with serving() as server:
        smtp = transport(server)
        with pytest.raises(RuntimeError):
            send(smtp, before_dot=broken)
        smtp.close()
    assert server.accepted == []


def test_a_large_message_is_sent_in_blocks() -> None:
    message = b"Message-ID: <big@news.test>\r\n\r\n" + b"x" * 76 + b"\r\n"
    message += (b"y" * 76 + b"\r\n") * 9_000
    with serving() as server:
        smtp = transport(server)
        send(smtp, message=message)
        smtp.close()
    assert server.accepted[0].message == message


# ------------------------------------------------------- the failure table

BROKEN = [Close(), Reset(), Hang()]
BEFORE_THE_DOT = [
    ("connect", "greeting"),
    ("ehlo", "ehlo"),
    ("mail", "mail"),
    ("rcpt", "rcpt"),
    ("data", "data"),
    ("body", "body"),
]


@pytest.mark.parametrize(
    ("reached", "step", "act"),
    [
        (reached, step, act)
        for reached, step in BEFORE_THE_DOT
        for act in BROKEN
        if (reached, act) != ("body", Hang())  # a short body fits into the buffers, see below
    ],
)
def test_a_link_that_breaks_before_the_dot_is_certainly_not_sent(reached: str, step: str, act: Act) -> None:
    """Close, reset and silence at each step."""
    with serving(always(reached, act)) as server:
        error = failing(transport(server, limits=limits_for(act)), before_dot=after_its_word(server, reached))
    assert isinstance(error, TemporaryFailure)
    # A reset may be as quick as that: it takes answers with it that were on their way.
    early = isinstance(act, Reset) and {"connect": ["connect"], "rcpt": ["mail"], "data": ["mail", "rcpt"]}.get(reached)
    assert error.step == step or (early and error.step in early)
    assert error.code is None
    assert server.accepted == []


def test_a_server_that_stops_reading_a_large_message_is_certainly_not_sent() -> None:
    message = MESSAGE + (b"y" * 76 + b"\r\n") * 200_000
    with serving(always("body", Hang()), extensions=()) as server:
        error = failing(transport(server, limits=QUICK), message=message)
    assert isinstance(error, TemporaryFailure)
    assert (error.step, error.code) == ("body", None)


@pytest.mark.parametrize("act", BROKEN, ids=lambda act: type(act).__name__.lower())
@pytest.mark.parametrize("reached", ["dot", "accepted"])
def test_a_link_that_breaks_after_the_dot_leaves_doubt(reached: str, act: Act) -> None:
    """Whether the server took it or not: on our side it looks the same."""
    with serving(always(reached, act)) as server:
        error = failing(transport(server, limits=limits_for(act)))
    assert isinstance(error, Doubtful)
    assert error.step == "dot"
    assert len(server.accepted) == (1 if reached == "accepted" else 0)


def test_silence_from_the_body_on_leaves_doubt() -> None:
    """A short message and its dot fit into the buffers: the server may have them all."""
    with serving(always("body", Hang())) as server:
        assert isinstance(failing(transport(server, limits=QUICK)), Doubtful)


@pytest.mark.parametrize("answer", ["no smtp", "354 go on", "199 odd", "25"])
def test_an_answer_to_the_dot_that_is_none_leaves_doubt(answer: str) -> None:
    with serving(always("accepted", Say(answer))) as server:
        assert isinstance(failing(transport(server)), Doubtful)


@pytest.mark.parametrize(
    ("reached", "answer", "kind", "step"),
    [
        ("connect", "421 4.3.2 too busy", TemporaryFailure, "greeting"),
        ("connect", "554 5.7.1 go away", PermanentFailure, "greeting"),
        ("ehlo", "421 4.3.2 closing", TemporaryFailure, "ehlo"),
        ("ehlo", "502 5.5.1 no", PermanentFailure, "ehlo"),
        ("mail", "421 4.3.2 closing", TemporaryFailure, "mail"),
        ("mail", "450 4.7.1 slow down", TemporaryFailure, "mail"),
        ("mail", "451 4.3.0 later", TemporaryFailure, "mail"),
        ("mail", "452 4.3.1 no room", TemporaryFailure, "mail"),
        ("mail", "550 5.7.1 not you", PermanentFailure, "mail"),
        ("rcpt", "421 4.3.2 closing", TemporaryFailure, "rcpt"),
        ("rcpt", "450 4.2.1 later", TemporaryFailure, "rcpt"),
        ("rcpt", "451 4.7.1 greylisted", TemporaryFailure, "rcpt"),
        ("rcpt", "452 4.2.2 full", TemporaryFailure, "rcpt"),
        ("rcpt", "552 5.2.2 full", PermanentFailure, "rcpt"),
        ("rcpt", "552 5.3.4 too large", PermanentFailure, "rcpt"),
        ("rcpt", "550 5.1.1 nobody", PermanentFailure, "rcpt"),
        ("rcpt", "554 5.7.1 policy", PermanentFailure, "rcpt"),
        ("data", "421 4.3.2 closing", TemporaryFailure, "data"),
        ("data", "451 4.3.0 later", TemporaryFailure, "data"),
        ("data", "554 5.7.1 policy", PermanentFailure, "data"),
        ("body", "421 4.3.2 closing", TemporaryFailure, "body"),
        ("body", "554 5.6.0 content", PermanentFailure, "body"),
        ("dot", "421 4.3.2 closing", TemporaryFailure, "dot"),
        ("dot", "450 4.7.1 later", TemporaryFailure, "dot"),
        ("dot", "451 4.3.0 later", TemporaryFailure, "dot"),
        ("dot", "452 4.3.1 no room", TemporaryFailure, "dot"),
        ("dot", "550 5.7.1 spam", PermanentFailure, "dot"),
        ("dot", "552 5.3.4 too large", PermanentFailure, "dot"),
        ("dot", "554 5.7.1 spam", PermanentFailure, "dot"),
    ],
)
def test_a_refusal_names_step_and_codes(reached: str, answer: str, kind: type[TransportError], step: str) -> None:
    """4xx is temporary, 5xx is permanent; what they mean is ``outbox``'s business."""

    with serving(always(reached, Say(answer, close=reached == "body"))) as server:
        error = failing(transport(server), before_dot=after_its_word(server, reached))
    code, enhanced, text = answer.split(" ", 2)
    assert type(error) is kind
    assert (error.step, error.code, error.enhanced, error.text) == (step, int(code), enhanced, text)
    assert server.accepted == []


def test_nobody_listens() -> None:
    with serving() as server:
        port = server.port
    error = failing(SmtpChannel(host="127.0.0.1", port=port, security="none", limits=QUICK))
    assert isinstance(error, TemporaryFailure)
    assert (error.step, error.code) == ("connect", None)
    assert "check mail.host and mail.port" in str(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".test", "..test"])
def test_a_host_that_is_not_there(host: str) -> None:
    error = failing(SmtpChannel(host=host, port=465, limits=QUICK))
    assert isinstance(error, TemporaryFailure)
    assert error.step == "connect"


def test_an_answer_that_drips_in_does_not_stretch_the_limit() -> None:
    """The time limit is for the whole answer, not for each octet."""
    with serving(always("rcpt", Drip("250 2.1.5 " + "k" * 100, 0.05))) as server:
        error = failing(transport(server, limits=msgspec.structs.replace(PATIENT, rcpt=0.4, quit=0.1)))
    assert (error.step, error.code) == ("rcpt", None)


def test_an_answer_without_end_is_not_read_forever() -> None:
    with serving(always("ehlo", Say("\r\n".join(["250-x" * 40] * 2_000)))) as server:
        error = failing(transport(server, limits=PATIENT))
    assert (error.step, error.code) == ("ehlo", None)
    assert "does not speak SMTP" in str(error)


def test_a_line_without_end_is_not_read_forever() -> None:
    with serving(always("ehlo", Say("250 " + "x" * 200_000))) as server:
        error = failing(transport(server, limits=PATIENT))
    assert "does not speak SMTP" in str(error)


def test_a_slow_server_within_the_limits_is_waited_for() -> None:
    with serving(always("dot", Dawdle(0.2))) as server:
        smtp = transport(server)
        send(smtp)
        smtp.close()
    assert len(server.accepted) == 1


def test_what_a_server_says_is_cleaned_masked_and_cut() -> None:
    """No control character, no address, no endless text in an error."""
    said = "550-5.1.1 <ann@example.com>: \x1b[31munknown\r\n550 5.1.1 " + "x" * 2_000
    with serving(always("rcpt", Say(said))) as server:
        error = failing(transport(server))
    assert error.text.startswith("<a***@example.com>: [31munknown xxx")
    assert len(error.text) <= 300
    assert "ann@" not in str(error)
    assert "\x1b" not in str(error)


# ------------------------------------------------------- what is offered


def test_parameters_are_used_only_when_offered_and_needed() -> None:
    with serving(extensions=()) as server:
        smtp = transport(server)
        send(smtp)
        smtp.close()
    assert server.accepted[0].mail_line == "FROM:<b+token@bounces.test>"
    with serving() as server:
        smtp = transport(server)
        send(smtp)
        smtp.close()
    assert server.accepted[0].mail_line == f"FROM:<b+token@bounces.test> SIZE={len(MESSAGE)}"


def test_a_message_over_size_is_not_even_tried() -> None:
    with serving(extensions=("SIZE 20",)) as server:
        error = failing(transport(server))
    assert isinstance(error, PermanentFailure)
    assert error.code is None
    assert "the server takes 20" in str(error)
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE x"])
def test_a_size_that_says_nothing_is_no_limit(size: str) -> None:
    with serving(extensions=(size,)) as server:
        smtp = transport(server)
        send(smtp)
        smtp.close()
    assert len(server.accepted) == 1


def test_a_domain_goes_out_as_a_label() -> None:
    """``bücher.example`` needs no SMTPUTF8."""
    with serving(extensions=()) as server:
        smtp = transport(server)
        send(smtp, recipient="ann@Bücher.example", sender="b@中文.example")
        smtp.close()
    assert server.accepted[0].recipient == "ann@xn--bcher-kva.example"
    assert server.accepted[0].sender == "b@xn--fiq228c.example"


def test_a_local_part_that_is_not_ascii_needs_smtputf8() -> None:
    """Offered, it is used; not offered, the row fails for good with that reason."""
    message = MESSAGE.replace(b"Subject: x", "To: 安@example.com".encode())
    with serving() as server:
        smtp = transport(server)
        send(smtp, recipient="安@example.com", message=message)
        smtp.close()
    assert server.accepted[0].recipient == "安@example.com"
    assert server.accepted[0].mail_line.endswith(f" SIZE={len(message)} BODY=8BITMIME SMTPUTF8")
    for extensions in ((), ("SMTPUTF8",), ("8BITMIME",)):
        with serving(extensions=extensions) as server:
            error = failing(transport(server), recipient="安@example.com", message=message)
        assert isinstance(error, PermanentFailure)
        assert (error.step, error.code) == ("rcpt", None)
        assert "SMTPUTF8" in str(error)


def test_an_8bit_body_needs_8bitmime() -> None:
    message = MESSAGE + "中文\r\n".encode()
    with serving(extensions=("8BITMIME",)) as server:
        smtp = transport(server)
        send(smtp, message=message)
        smtp.close()
    assert server.accepted[0].mail_line.endswith(" BODY=8BITMIME")
    with serving(extensions=()) as server:
        assert isinstance(failing(transport(server), message=message), PermanentFailure)


@pytest.mark.parametrize(
    "letter",
    [
        {"recipient": "ann"},
        {"recipient": ""},
        {"recipient": "ann@example.com>\r\nRCPT TO:<eve@example.com"},
        {"recipient": "ann @example.com"},
        {"sender": "b\r\n@bounces.test"},
        {"message": b"Subject: x\r\n\r\na\n.\nMAIL FROM:<eve@example.com>\r\n"},
        {"message": b"Subject: x\r\n\r\na\r.\r\n"},
        {"message": b"Subject: x\r\n\r\n\0\r\n"},
    ],
)
def test_what_could_smuggle_is_refused_before_anything_is_said(letter: dict[str, object]) -> None:
    with serving() as server:
        error = failing(transport(server), **letter)
    assert isinstance(error, PermanentFailure)
    assert error.code is None
    assert server.connections == 0


def test_a_null_sender_is_allowed() -> None:
    with serving() as server:
        smtp = transport(server)
        send(smtp, sender="")
        smtp.close()
    assert server.accepted[0].mail_line.startswith("FROM:<>")


def test_features_are_read_in_any_case_and_old_style() -> None:
    said = "mx.test\nsize 35882577\nAUTH=LOGIN\nAuth PLAIN LOGIN\n\n8bitmime"
    assert parse_features(said) == {"SIZE": "35882577", "AUTH": "LOGIN PLAIN LOGIN", "8BITMIME": ""}


# -------------------------------------------------------------- encryption


def secure(server: ScriptedServer, security: str, ca: Path | None, **options: object) -> SmtpChannel:
    return transport(server, host="localhost", security=security, ca_file=ca, **options)


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_mail_and_login_go_over_verified_encryption(security: str, certificate: Path) -> None:
    with serving(
        certificate=certificate,
        implicit_tls=security == "implicit",
        starttls=security == "starttls",
        mechanisms="PLAIN LOGIN",
        login=("user", "sécret"),
    ) as server:
        smtp = secure(server, security, certificate, user="user", password="sécret")
        send(smtp)
        smtp.close()
    assert [(each.encrypted, each.user) for each in server.accepted] == [(True, "user")]


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_an_unknown_authority_is_refused(security: str, certificate: Path) -> None:
    """Without a word of ours about it, the system's authorities decide."""
    with serving(
        certificate=certificate, implicit_tls=security == "implicit", starttls=security == "starttls"
    ) as server:
        error = failing(secure(server, security, None))
    assert error.step == "tls"
    assert "its certificate is not valid: self-signed certificate" in str(error)
    assert "mail.ca_file" in str(error)
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_a_certificate_for_another_host_is_refused(security: str, other_certificate: Path) -> None:
    with serving(
        certificate=other_certificate, implicit_tls=security == "implicit", starttls=security == "starttls"
    ) as server:
        error = failing(secure(server, security, other_certificate))
    assert error.step == "tls"
    assert "not valid for 'localhost'" in str(error)
    assert "MAIL" not in server.commands


def test_starttls_is_required_not_optional(certificate: Path) -> None:
    """A server (or somebody between) that does not offer it gets no mail."""
    with serving(certificate=certificate) as server:
        error = failing(secure(server, "starttls", certificate))
    assert isinstance(error, PermanentFailure)
    assert error.step == "tls"
    assert server.commands == ["EHLO"]


@pytest.mark.parametrize(
    ("act", "code"),
    [(Say("454 4.7.0 not now"), 454), (Close(), None), (Hang(), None), (Say("220 go\r\n250 injected"), None)],
    ids=["refused", "closed", "hangs", "words-before-encryption"],
)
def test_starttls_that_fails_sends_nothing(act: Act, code: int | None, certificate: Path) -> None:
    with serving(always("starttls", act), certificate=certificate, starttls=True) as server:
        error = failing(secure(server, "starttls", certificate, limits=limits_for(act)))
    assert (error.step, error.code) == ("tls", code)
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("act", BROKEN, ids=lambda act: type(act).__name__.lower())
def test_a_handshake_that_fails_sends_nothing(act: Act, certificate: Path) -> None:
    with serving(always("tls", act), certificate=certificate, implicit_tls=True) as server:
        error = failing(secure(server, "implicit", certificate, limits=limits_for(act)))
    assert error.step in ("connect", "tls")  # a reset may be as quick as that


def test_a_server_that_does_not_encrypt_is_told_apart() -> None:
    """The wrong port for ``implicit``."""
    with serving() as server:
        error = failing(secure(server, "implicit", None))
    assert error.step == "tls"
    assert "check mail.security and mail.port" in str(error)


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_told_and_never_shown(mechanisms: str, certificate: Path) -> None:
    with serving(certificate=certificate, implicit_tls=True, mechanisms=mechanisms) as server:
        smtp = secure(server, "implicit", certificate, user="user", password="hunter2")
        error = failing(smtp)
    assert isinstance(error, PermanentFailure)
    assert (error.step, error.code, error.enhanced) == ("login", 535, "5.7.8")
    assert "check mail.user and the password" in str(error)
    assert "MAIL" not in server.commands
    shown = f"{error!r} {error} {smtp!r} {vars(smtp)!r} {error.__cause__!r} {error.__context__!r}"
    assert "hunter2" not in shown


def test_a_server_that_repeats_the_password_does_not_get_it_into_an_error(certificate: Path) -> None:
    with serving(
        always("auth", Say("535 5.7.8 hunter2 is wrong")),
        certificate=certificate,
        implicit_tls=True,
        mechanisms="PLAIN",
    ) as server:
        error = failing(secure(server, "implicit", certificate, user="user", password="hunter2"))
    assert "hunter2" not in str(error)
    assert error.text == "*** is wrong"


PASSWORD = "Correct horse, battery&staple 9"


def echoed(dialogue: Dialogue, form: str) -> str:
    """What a server may make of the login that it was sent."""
    lines = dialogue.login_lines
    whole = " ".join(lines)
    return {
        "as it was": whole,
        "cut": whole[:-9],
        "folded": "\r\n".join(["535-5.7.8 so:", *[f"535-{line}" for line in textwrap.wrap(whole, 20)], "535 that"]),
        "in capitals": whole.upper(),
        "decoded": "|".join(base64.b64decode(line).decode() for line in lines),
        "password alone": f"<{PASSWORD}>",
        "encoded alone": base64.b64encode(PASSWORD.encode()).decode(),
    }[form]


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(
    ("step", "form"),
    [
        *(("auth", form) for form in ("as it was", "cut", "folded", "in capitals", "decoded", "encoded alone")),
        *((step, "as it was") for step in ("mail", "rcpt")),
        ("dot", "password alone"),
    ],
)
def test_a_server_that_quotes_the_login_gets_it_nowhere(
    step: str, mechanisms: str, form: str, certificate: Path
) -> None:
    """At whichever step, refusing or accepting, whole or in pieces: nothing of eight letters is left of it."""

    def quoting(reached: str, dialogue: Dialogue) -> Say | None:
        if reached != step:
            return None
        said = echoed(dialogue, form)
        return Say(said if said.startswith("535-") else f"535 5.7.8 you said AUTH {mechanisms} {said} to me")

    with serving(quoting, certificate=certificate, implicit_tls=True, mechanisms=mechanisms) as server:
        server.login = ("ann", PASSWORD)
        error = failing(secure(server, "implicit", certificate, user="ann", password=PASSWORD))
    shown = f"{error!r} {error} {error.text} {error.__cause__!r} {error.__context__!r}".lower()
    secrets = [PASSWORD, *(base64.b64encode(text.encode()).decode() for text in (PASSWORD, f"\0ann\0{PASSWORD}"))]
    for secret in secrets:
        assert not [at for at in range(len(secret) - 7) if secret[at : at + 8].lower() in shown]
    assert "***" in error.text


def test_an_answer_that_is_kept_quotes_no_login(certificate: Path) -> None:
    """The reply to a message that was taken is kept too, and what a server offers is shown by ``digest check``."""
    with serving(
        at("dot", Say(f"250 2.0.0 queued for {PASSWORD}")),
        certificate=certificate,
        implicit_tls=True,
        mechanisms="PLAIN",
    ) as server:
        server.login = ("ann", PASSWORD)
        server.extensions = ("SIZE 1000000", f"X-LAST {base64.b64encode(PASSWORD.encode()).decode()}")
        smtp = secure(server, "implicit", certificate, user="ann", password=PASSWORD)
        assert send(smtp).text == "queued for ***"
        assert smtp.knock()[0]["X-LAST"] == "***"
        smtp.close()


@pytest.mark.parametrize("act", BROKEN, ids=lambda act: type(act).__name__.lower())
def test_a_login_that_breaks(act: Act, certificate: Path) -> None:
    with serving(always("auth", act), certificate=certificate, implicit_tls=True, mechanisms="PLAIN") as server:
        smtp = secure(server, "implicit", certificate, user="user", password="secret", limits=limits_for(act))
        error = failing(smtp)
    assert (error.step, error.code) == ("login", None)


def test_no_known_way_to_log_in(certificate: Path) -> None:
    with serving(certificate=certificate, implicit_tls=True, mechanisms="GSSAPI XOAUTH2") as server:
        error = failing(secure(server, "implicit", certificate, user="user", password="secret"))
    assert isinstance(error, PermanentFailure)
    assert "it offers: GSSAPI, XOAUTH2" in str(error)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"host": "mail.example.com", "security": "none"}, "mail.security"),
        ({"host": "10.0.0.1", "security": "none"}, "mail.security"),
        ({"host": "localhost", "security": "none", "user": "u", "password": "p"}, "mail.user"),
        ({"host": "mail.example.com", "user": "u"}, "mail.user"),
        ({"host": "mail.example.com", "ca_file": Path("/nowhere.pem")}, "mail.ca_file"),
        ({"host": "mail.example.com", "ca_file": Path(__file__)}, "mail.ca_file"),
    ],
)
def test_settings_that_cannot_be_safe_are_refused_at_once(options: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SmtpChannel(port=465, **options)  # type: ignore[arg-type]
    assert caught.value.subject == key


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_none_is_for_this_machine(host: str) -> None:
    SmtpChannel(host=host, port=25, security="none")


# -------------------------------------------------------------------- pool


def test_a_connection_is_used_again() -> None:
    with serving() as server:
        smtp = transport(server)
        for _ in range(3):
            send(smtp)
        smtp.close()
        send(smtp)  # usable again after close
        smtp.close()
    assert server.connections == 2
    assert server.commands.count("EHLO") == 2


def test_a_connection_serves_a_hundred_messages() -> None:
    with serving() as server:
        smtp = transport(server)
        for _ in range(101):
            send(smtp)
        smtp.close()
    assert [each.connection for each in server.accepted] == [1] * 100 + [2]
    assert server.commands.count("QUIT") == 2


def test_a_connection_idle_for_a_minute_is_closed() -> None:
    now = [0.0]
    with serving() as server:
        smtp = transport(server, clock=lambda: now[0])
        send(smtp)
        now[0] += 59
        send(smtp)
        now[0] += 60
        send(smtp)
        smtp.close()
    assert [each.connection for each in server.accepted] == [1, 1, 2]
    assert server.commands.count("QUIT") == 2


@pytest.mark.parametrize(
    ("reached", "answer"),
    [("mail", "451 4.3.0 later"), ("rcpt", "550 5.1.1 nobody"), ("data", "451 4.3.0 later"), ("dot", "554 5.6.0 no")],
)
def test_after_a_refusal_the_connection_is_reset_and_used_again(reached: str, answer: str) -> None:
    with serving(at(reached, Say(answer))) as server:
        smtp = transport(server)
        with pytest.raises(TransportError):
            send(smtp)
        send(smtp)
        smtp.close()
    assert server.connections == 1
    assert "RSET" in server.commands


def test_a_connection_that_cannot_be_reset_is_dropped() -> None:
    with serving(both(at("rcpt", Say("550 5.1.1 nobody")), always("rset", Close()))) as server:
        smtp = transport(server)
        with pytest.raises(PermanentFailure):
            send(smtp)
        send(smtp)
        smtp.close()
    assert server.connections == 2


def test_a_refusal_of_our_own_keeps_the_connection() -> None:
    with serving(extensions=("SIZE 200",)) as server:
        smtp = transport(server)
        send(smtp)
        with pytest.raises(PermanentFailure):
            send(smtp, message=MESSAGE + b"x" * 200 + b"\r\n")
        send(smtp)
        smtp.close()
    assert server.connections == 1
    assert len(server.accepted) == 2
    assert "RSET" not in server.commands


@pytest.mark.parametrize("act", [Close(), Reset(), Say("421 4.4.2 idle too long")], ids=["close", "reset", "421"])
def test_a_dead_kept_connection_is_replaced_once_at_mail(act: Act) -> None:
    """The caller does not notice; the message is sent once."""
    with serving(at("mail", None, act)) as server:
        smtp = transport(server)
        send(smtp)
        send(smtp)
        smtp.close()
    assert [each.connection for each in server.accepted] == [1, 2]


def test_it_is_replaced_only_once() -> None:
    with serving(at("mail", None, then=Close())) as server:
        smtp = transport(server)
        send(smtp)
        error = failing(smtp)
    assert (error.step, error.code) == ("mail", None)
    assert server.connections == 2


def test_a_dead_connection_is_not_replaced_after_mail() -> None:
    """A break at RCPT is reported: the row decides."""
    with serving(at("rcpt", None, Close())) as server:
        smtp = transport(server)
        send(smtp)
        error = failing(smtp)
    assert error.step == "rcpt"
    assert server.connections == 1


def test_threads_have_connections_of_their_own_up_to_the_limit() -> None:
    """Four threads, two connections: never more than two dialogues at a time."""
    busy, most = [0], [0]
    lock = threading.Lock()
    both_here = threading.Barrier(2, timeout=60)
    dots = count()

    def watch(step: str, _dialogue: object) -> None:
        with lock:
            if step == "mail":
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            if step == "accepted":
                busy[0] -= 1
        if step == "dot" and next(dots) < 2:
            both_here.wait()

    with serving(watch) as server:
        smtp = transport(server, connections=2)
        threads = [threading.Thread(target=lambda: [send(smtp) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        smtp.close()
    assert len(server.accepted) == 20
    assert server.connections == 2
    assert most[0] == 2


def test_how_we_introduce_ourselves() -> None:
    """By the name that is given, else by a full host name or the address as a literal; never by asking around."""
    with serving() as server:
        for helo in (None, "mx.news.test"):
            smtp = transport(server, helo=helo)
            send(smtp)
            smtp.close()
    assert server.names[0] == "[127.0.0.1]" or "." in server.names[0]
    assert server.names[1] == "mx.news.test"


# ----------------------------------------------------- meanwhile, and together


def test_commands_go_out_in_one_packet_if_the_server_takes_that(pipelining: bool) -> None:
    """RFC 2920: it has all three before it answers the first."""
    seen: list[bytes] = []

    def script(step: str, dialogue) -> Act | None:
        if step == "mail":
            dialogue.sock.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                dialogue._buffer += dialogue.sock.recv(100)
            seen.append(bytes(dialogue._buffer))
        return None

    with serving(script) as server:
        smtp = transport(server)
        send(smtp)
        smtp.close()
    assert seen == [b"RCPT TO:<ann@example.com>\r\nDATA\r\n" if pipelining else b""]


@pytest.mark.parametrize("step", ["mail", "rcpt"])
@pytest.mark.parametrize("careless", [False, True])
def test_after_a_refusal_nothing_is_left_over(step: str, careless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers to what was sent ahead are no answers to the next message. A server that waits for a message although
    it refused the recipient gets none: the connection ends."""
    monkeypatch.setattr(ScriptedServer, "careless", careless)
    with serving(at(step, Say("451 4.3.0 later"))) as server:
        smtp = transport(server)
        with pytest.raises(TemporaryFailure) as caught:
            send(smtp)
        assert caught.value.step == step
        assert send(smtp).code == 250
        smtp.close()
    assert [each.message for each in server.accepted] == [MESSAGE]
    assert server.connections == (2 if careless and server.pipelining else 1)


def test_there_is_time_after_the_dot() -> None:
    """The server has the whole message, and its answer is not read yet."""
    order: list[str] = []

    def script(step: str, _dialogue) -> Act | None:
        if step == "dot":
            order.append("server")
            wait_until(lambda: "meanwhile" in order, "there is no time after the dot")
        return None

    with serving(script) as server:
        smtp = transport(server)
        before = lambda: not order.append("before")  # type: ignore[func-returns-value]  # noqa: E731
        smtp.send(LETTER, ANN, Commit(before, after=lambda: order.append("meanwhile")))
        order.append("answered")
        smtp.close()
    assert order[0] == "before"
    assert order[-1] == "answered"
    assert sorted(order[1:-1]) == ["meanwhile", "server"]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_there_is_time_while_the_server_thinks(step: str) -> None:
    waited = threading.Event()

    def script(reached: str, _dialogue) -> Act | None:
        if reached == step:
            assert waited.wait(60)
        return None

    with serving(script) as server:
        smtp = transport(server)
        smtp.send(LETTER, ANN, Commit(lambda: True, unanswered=waited.set))
        smtp.close()
    assert waited.is_set()


def test_there_is_time_while_the_body_leaves_slowly() -> None:
    waited = threading.Event()

    def script(step: str, _dialogue) -> Act | None:
        if step == "body":
            assert waited.wait(60)
        return None

    with serving(script, extensions=()) as server:
        smtp = transport(server)
        large = b"Subject: x\r\n\r\n" + (b"x" * 998 + b"\r\n") * 20_000
        smtp.send(msgspec.structs.replace(LETTER, pieces=(large,)), ANN, Commit(lambda: True, unanswered=waited.set))
        smtp.close()
        [accepted] = server.accepted
    assert accepted.message == large


LINES = st.lists(st.sampled_from([b"", b".", b"..", b"text", b".text", b"text."]), max_size=6).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Ok: queued as 4bXyZ1", "4bXyZ1"),
        ("OK id=1tABcd-000Xyz-2f", "1tABcd-000Xyz-2f"),
        ("4AO8h2f1012345 Message accepted for delivery", "4AO8h2f1012345"),
        ("Ok 0100019357c1b2a3-0f1e2d3c-4b5a-000000", "0100019357c1b2a3-0f1e2d3c-4b5a-000000"),
        ("OK  1732435200 d2e1a72fcca58-7251de57b86si1234567b3a.1 - gsmtp", "d2e1a72fcca58-7251de57b86si1234567b3a.1"),
        ("Requested mail action okay, completed", ""),
        ("", ""),
    ],
)
def test_the_servers_queue_id_is_found(answer: str, expected: str) -> None:
    assert queue_id(answer) == expected


@given(st.lists(LINES, min_size=1, max_size=5))
def test_a_message_in_pieces_is_stuffed_as_a_whole_one(pieces: list[bytes]) -> None:
    """RFC 5321 4.5.2, however it is cut."""
    whole = b"".join(pieces)
    in_pieces, at_once = (address_letter("", "ann@example.com", message) for message in (pieces, (whole,)))
    expected = re.sub(rb"(?m)^\.", b"..", whole)
    assert b"".join(in_pieces.body) == b"".join(at_once.body) == (expected or b"\r\n")
    assert in_pieces.size == at_once.size == (len(whole) or 2)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_piece_may_end_anywhere(cut: int) -> None:
    """Then all of it is looked at as one, as it is when its last line has no end."""
    whole = b"a: b\r\n\r\n.x"
    letter = address_letter("", "ann@example.com", (whole[:cut], whole[cut:]))
    assert b"".join(letter.body) == b"a: b\r\n\r\n..x\r\n"


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.parametrize("flaw", [b"\n", b"\r", b"\0"])
def test_each_piece_is_looked_at(size: int, flaw: bytes) -> None:
    """Also one that was seen before."""
    good = b"x" * size + b"\r\n"
    for _ in range(2):
        assert address_letter("", "ann@example.com", (good, good)).size == 2 * len(good)
        with pytest.raises(PermanentFailure, match="CRLF, or a NUL"):
            address_letter("", "ann@example.com", (good, b"x" * size + flaw + b"\r\n"))
