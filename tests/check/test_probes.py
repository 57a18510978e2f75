"""Questions to real servers on loopback."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from check_servers import closed_port, name_server, time_server, txt, web_server

from digest.errors import ConfigError, ProbeError
from digest.probes.clock import clock_offset
from digest.probes.machine import is_readable, look_at, open_to_others
from digest.probes.names import Dns
from digest.probes.web import fetch

LONG = "v=DKIM1; p=" + "A" * 1500
ZONE = {
    ("a.test", "TXT"): [txt("v=spf1 -all"), txt("other")],
    ("a.test", "MX"): ["20 two.a.test.", "10 one.a.test."],
    ("a.test", "A"): ["192.0.2.1"],
    ("a.test", "AAAA"): ["2001:db8::1"],
    ("null.test", "MX"): ["0 ."],
    ("long.test", "TXT"): [txt(LONG)],
    ("dead.test", "TXT"): ["SERVFAIL"],
    ("mute.test", "TXT"): ["SILENT"],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["a.test."],
}


def test_names() -> None:
    """Each kind of record; what does not exist is empty; a long text comes by TCP."""
    with name_server(ZONE) as address:
        names = Dns(address, seconds=60)
        assert set(names.txt("a.test")) == {"v=spf1 -all", "other"}
        assert sorted(names.mx("a.test")) == [(10, "one.a.test"), (20, "two.a.test")]
        assert names.mx("null.test") == ((0, ""),)
        assert names.addresses("a.test") == ("192.0.2.1", "2001:db8::1")
        assert names.addresses("a.test", version=6) == ("2001:db8::1",)
        assert names.pointers("192.0.2.1") == ("a.test",)
        assert names.txt("long.test") == (LONG,)
        assert names.txt("none.test") == names.txt("null.test") == ()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("dead.test", "no name server gives an answer"),
        ("mute.test", "no answer in time"),
        ("a..test", "a dns label is empty"),
    ],
)
def test_no_answer_is_not_an_empty_answer(name: str, cause: str) -> None:
    """A name server that fails says nothing about the name."""
    with name_server(ZONE) as address, pytest.raises(ProbeError, match=cause):
        Dns(address, seconds=1 if name == "mute.test" else 60).txt(name)


@pytest.mark.parametrize("server", ["dns.test", "1.2.3", "127.0.0.1:0", "127.0.0.1:x", "[::1]:99999"])
def test_a_name_server_is_named_by_its_address(server: str) -> None:
    with pytest.raises(ConfigError, match="--resolver"):
        Dns(server)


@pytest.mark.parametrize("server", ["192.0.2.1", "127.0.0.1:53", "2001:db8::1", "[2001:db8::1]:5353"])
def test_forms_of_an_address(server: str) -> None:
    Dns(server)


def test_the_machines_own_name_servers_are_the_default(tmp_path: Path) -> None:
    """Nothing is asked before there is a question."""
    Dns(None)


def pages(method: str, path: str, headers: object) -> tuple[int, dict[str, str], bytes]:
    if path == "/moved":
        return 301, {"Location": "/elsewhere"}, b""
    return 200, {"Content-Type": "text/plain", "X-Method": method}, path.encode()


def test_fetch_follows_nothing() -> None:
    """The answer is the one to this request."""
    with web_server(pages) as base:
        assert fetch(f"{base}/moved", seconds=60).status == 301
        answer = fetch(f"{base}/a?b=c", method="POST", body=b"x", seconds=60)
        assert (answer.status, answer.headers["x-method"], answer.body) == (200, "POST", b"/a?b=c")
        assert fetch(base, seconds=60).body == b"/"


def test_fetch_verifies_certificates(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the system's, which SSL_CERT_FILE names."""
    with web_server(pages, certificate) as base:
        with pytest.raises(ProbeError, match="its certificate is not valid"):
            fetch(base, seconds=60)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(base, seconds=60).status == 200


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:{port}/", "connection refused"),
        ("http://no-such-host.invalid/", "(host name is not known|name or service|temporary failure)"),
        ("https://127.0.0.1:{plain}/", "no encrypted connection"),
    ],
)
def test_fetch_says_why_there_is_no_answer(url: str, cause: str) -> None:
    with web_server(pages) as base, pytest.raises(ProbeError, match=cause):
        fetch(url.format(port=closed_port(), plain=base.rpartition(":")[2]), seconds=60)


def test_fetch_says_what_is_no_http() -> None:
    """A server of another kind."""
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with listener.accept()[0] as asked:
                with asked.makefile("rb") as request:
                    while request.readline().strip():
                        pass
                asked.sendall(b"220 mail.test ESMTP\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(ProbeError, match="it does not speak HTTP"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=60)
        thread.join(60)


@pytest.mark.parametrize("offset", [0.0, 3600.0, -90.0])
def test_clock(offset: float) -> None:
    """By how much ours is behind, to half of what asking took."""
    with time_server(offset) as address:
        began = time.monotonic()
        found = clock_offset(address, seconds=60)
        assert found == pytest.approx(offset, abs=0.1 + (time.monotonic() - began) / 2)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda request: None, "no answer in time"),
        (lambda request: b"short", "not one of a time server"),
        (lambda request: b"\x24\x02" + bytes(46), "not one of a time server"),
        (lambda request: b"\xe4\x02" + bytes(22) + request[40:48] + bytes(16), "does not know the time"),
        (lambda request: b"\x24\x00" + bytes(22) + request[40:48] + bytes(16), "does not know the time"),
    ],
)
def test_answers_that_are_none(answer: object, cause: str) -> None:
    """Another's answer, a server without time, silence."""
    seconds = 0.5 if cause == "no answer in time" else 60
    with time_server(answer=answer) as address, pytest.raises(ProbeError, match=cause):
        clock_offset(address, seconds=seconds)


def test_no_time_server() -> None:
    with pytest.raises(ProbeError):
        clock_offset("no-such-host.invalid", seconds=1)


def test_places(tmp_path: Path) -> None:
    """A folder that is there, one that is not yet, and one that cannot be."""
    there, later, never = look_at(tmp_path), look_at(tmp_path / "a" / "b"), tmp_path / "file"
    never.write_text("x")
    assert (there.exists, there.is_writable, there.is_folder) == (True, True, True)
    assert there.free > 0
    assert (later.exists, later.is_writable) == (False, True)
    assert not look_at(never / "below").is_folder


@pytest.mark.skipif(os.name != "posix", reason="rights of this kind are posix")
@pytest.mark.parametrize(
    ("mode", "who"), [(0o600, ""), (0o640, "its group"), (0o644, "everybody"), (0o602, "everybody")]
)
def test_who_may_read_a_file(mode: int, who: str, tmp_path: Path) -> None:
    """Besides its owner; nothing is known of a file that is not there."""
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    assert open_to_others(file) == who
    assert is_readable(file)
    assert open_to_others(tmp_path) is None
    assert open_to_others(tmp_path / "none") is None


def test_a_question_ends_in_its_time() -> None:
    """Not only each try of it: hanging would be for ever."""
    with name_server(ZONE) as address, pytest.raises(ProbeError):
        Dns(address, seconds=0.5).txt("mute.test")
