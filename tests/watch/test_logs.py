"""Logs: lines for people, JSON for programs, and nothing private in either."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.service.logs import JsonFormatter, LineFormatter, redact, set_up

TOKEN = "pQ7xLm2VbN8rT4wYzK1cF6hJ9sD3gA5eUo0"
SECRETS = ("hunter2-secret", "Tr0ub4dor&3")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to ann.lee@example.com", "to a***@example.com"),
        ("<张三@例子.公司> said no", None),
        (f"https://news.example.com/mail/{TOKEN}", "https://news.example.com/mail/***"),
        (f"path /mail/{TOKEN}?x=1", "path /mail/***?x=1"),
        ("https://x.example/a?token=1234", "https://x.example/a?***"),
        ("postgresql://digest:pass@db/digest", "postgresql://db/digest"),
        ("b+0123456789abcdef0123456789abcdef@bounces.example.com", None),
        ("https://hc-ping.com/0b1f6a52-1111-4000-8000-000000000001/fail", "https://hc-ping.com/***/fail"),
        ("535 5.7.8 hunter2-secret rejected", "535 5.7.8 *** rejected"),
        ("_posts/2021-12-30-202112302231658452.md:3: no date", "_posts/2021-12-30-202112302231658452.md:3: no date"),
        ("daily 2026-11-24: sending is paused", "daily 2026-11-24: sending is paused"),
        ("http://127.0.0.1:8000/ shows /srv/www/public", "http://127.0.0.1:8000/ shows /srv/www/public"),
    ],
)
def test_what_is_shown(text: str, shown: str | None) -> None:
    """Enough to find the fault by, nothing to reach a reader by."""
    found = redact(text, SECRETS)
    if shown is not None:
        assert found == shown
    assert "张三" not in found
    assert "0123456789abcdef" not in found


@given(st.text(), st.sampled_from(["", " ", "\n", "<", '"', "/", "="]))
def test_nothing_around_it_saves_a_secret(noise: str, glue: str) -> None:
    """Wherever a token or an address stands."""
    text = f"{noise}{glue}{glue} {TOKEN} {glue} ann.lee@example.com hunter2-secret{glue}{noise}"
    found = redact(text, SECRETS)
    assert TOKEN not in found
    assert "ann.lee@" not in found
    assert "hunter2-secret" not in found


@pytest.fixture
def clean_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    mine = logging.getLogger("digest").level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("digest").setLevel(mine)
    logging.captureWarnings(False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(stream: io.StringIO, env: dict[str, str], *secrets: str) -> str:
    set_up(env, secrets, stream=stream)
    set_up(env, secrets, stream=stream)  # a second time: nothing is said twice
    log = logging.getLogger("digest.test")
    log.info("hello %s", "ann@example.com", extra={"facts": {"edition": "daily", "count": 3, "to": "bob@example.com"}})
    try:
        raise ValueError(f"broken at {TOKEN}")
    except ValueError:
        log.exception("it broke")
    logging.getLogger("foreign").info("not wanted")
    return stream.getvalue()


def test_on_a_terminal_it_speaks_in_lines(clean_root: None) -> None:
    first, second, *rest = said(Terminal(), {}).splitlines()
    assert first == "digest: hello a***@example.com"
    assert second == "digest: it broke"
    assert rest[-1] == "ValueError: broken at ***"


def test_elsewhere_it_speaks_in_json(clean_root: None) -> None:
    """One object a line, with facts of its own, whatever breaks."""
    first, second = (json.loads(line) for line in said(io.StringIO(), {}).splitlines())
    assert first["message"] == "hello a***@example.com"
    assert (first["level"], first["logger"], first["count"], first["edition"]) == ("info", "digest.test", 3, "daily")
    assert first["to"] == "b***@example.com"
    assert first["time"].endswith("+00:00")
    assert TOKEN not in second["error"]
    assert second["error"].startswith("Traceback")


@pytest.mark.parametrize(
    ("stream", "word", "as_json"), [(Terminal, "json", True), (io.StringIO, "text", False), (io.StringIO, "x", True)]
)
def test_the_operator_may_choose(stream: type[io.StringIO], word: str, as_json: bool, clean_root: None) -> None:
    assert said(stream(), {"DIGEST_LOG": word}).startswith("{") is as_json


def test_short_secrets_are_no_secrets() -> None:
    """They would be found in half of all words."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "abc abcdef", (), None)
    assert LineFormatter(["abc", "abcdef"]).format(record) == "digest: abc ***"
    assert json.loads(JsonFormatter(["abcdef"]).format(record))["message"] == "abc ***"
