"""The service in this very process, so that a test can look inside and replace what lies outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.service import serving as module
from digest.service.serving import ServeOptions, serve
from tests.scheduler.serve_process import get, until, write_post, write_site


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals are pytest's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def serve_while(folder: Path, visit: Callable[[int], None], *, end: int | None = signal.SIGTERM, **options: Any) -> int:
    """Serve in this thread as long as a visitor in another one is there, who ends it by a signal (None: otherwise).
    Returns the exit code."""
    faults: list[BaseException] = []
    visitors: list[threading.Thread] = []

    def say(line: str) -> None:
        if line.startswith("http://"):
            visitors.append(threading.Thread(target=visiting, args=(int(line.split(":")[2].partition("/")[0]),)))
            visitors[-1].start()

    def visiting(port: int) -> None:
        try:
            until(lambda: get(port, "/healthz")[0] != 0, "it listens")
            visit(port)
        except BaseException as error:
            faults.append(error)
        finally:
            if end is not None or faults:
                os.kill(os.getpid(), end or signal.SIGTERM)

    code = serve(folder / "config.yaml", ServeOptions(port=0, **options), say=say)
    for visitor in visitors:
        visitor.join(60)
    if faults:
        raise faults[0]
    return code


def titles(port: int) -> list[str]:
    status, body = get(port, "/feed.json")
    return [item["title"] for item in json.loads(body)["items"]] if status == 200 else []


def test_from_start_to_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Runs, mail, the folder and the web, and an orderly end."""
    write_site(tmp_path)
    caplog.set_level("INFO", "digest")

    def visit(port: int) -> None:
        until(lambda: len(titles(port)) == 2, "the first run publishes")
        write_post(tmp_path, "news")
        until(lambda: "标题 news" in titles(port), "a new post is published")
        until(lambda: list((tmp_path / "var" / "outbox").glob("*.eml")), "mail is sent")

    assert serve_while(tmp_path, visit) == 0
    assert "2 arrived" in caplog.text
    assert "finishing what is in hand" in caplog.text


def test_a_reload_starts_the_same_command_with_the_same_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is executed is this Python with these words; the listener is handed on, and taken over by number."""
    write_site(tmp_path)
    started: list[list[str]] = []
    ports: list[int] = []
    real = module._start_again

    def start(listener: socket.socket | None) -> None:
        assert listener is not None
        real(listener)
        listener.detach()  # the new program has it

    def visit(port: int) -> None:
        ports.append(port)
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(os, "execv", lambda program, words: started.append([program, *words]))
    monkeypatch.setattr(sys, "argv", ["digest", "serve", "--port", "0"])
    monkeypatch.setattr(module, "_start_again", start)
    assert serve_while(tmp_path, visit, end=None) == 0
    assert started[0][1:] == [sys.executable, "-m", "digest", "serve", "--port", "0"]
    number = os.environ.pop("DIGEST_SERVE_SOCKET")
    with module._listener(ServeOptions(), number) as listener:
        assert listener.getsockname()[1] == ports[0]


def test_a_socket_that_was_not_handed_on_is_made_anew() -> None:
    """A number that is no socket, as after a restart by hand with a stale environment."""
    with module._listener(ServeOptions(port=0), "999") as listener:
        assert listener.getsockname()[1] > 0


def test_a_faulty_configuration_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_site(tmp_path)

    def visit(port: int) -> None:
        (tmp_path / "config.yaml").write_text("site: {}\n", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: "the one before is still used" in caplog.text, "it is told")

    assert serve_while(tmp_path, visit, schedule=False) == 0


def test_ipv6_is_shown_in_brackets(tmp_path: Path) -> None:
    try:
        listener = module._listener(ServeOptions(host="::1", port=0), "")
    except Exception as error:
        pytest.skip(f"needs IPv6 on this machine: {error}")
    said: list[str] = []
    write_site(tmp_path)
    with listener:
        from digest.config import load

        module._say_where(load(tmp_path / "config.yaml", {}), listener, said.append)
    assert said[0].startswith("http://[::1]:")
