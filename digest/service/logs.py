"""What long-running commands say to their log: lines for people on a terminal, JSON for programs elsewhere.

Nothing private gets out by this way: mail addresses are shown as ``a***@example.com``, whatever looks like a token of a
link, and every secret that was named, as ``***``. This is the last of several nets: whoever writes a line keeps secrets
out of it, and this one catches what foreign code (a library's message, a traceback) may carry.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TextIO

from digest.outbox import masked

FORMAT_VARIABLE = "DIGEST_LOG"
"""``text`` or ``json``, whatever standard error is."""

_PASSWORD = re.compile(r"(?<=://)[^/?#\s@]*@")
_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]+")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])(?=[A-Za-z0-9_-]*[a-z])[A-Za-z0-9_-]{20,}"
)
_HEX = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{32,}(?![A-Za-z0-9])")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HIDDEN = "***"
_SHORTEST = 6
"""A secret shorter than this would be found in half of all words."""


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """The text without addresses, tokens, passwords, and these secrets."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    text = _QUERY.sub(r"\1?" + _HIDDEN, _PASSWORD.sub("", text))
    for pattern in (_UUID, _HEX, _TOKEN):
        text = pattern.sub(_HIDDEN, text)
    return masked(text)


class _Formatter(logging.Formatter):
    """Redacts the whole line, traceback and all."""

    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST)

    def _said(self, record: logging.LogRecord) -> str:
        return redact(record.getMessage(), self._secrets)

    def _broke(self, record: logging.LogRecord) -> str:
        return redact(self.formatException(record.exc_info), self._secrets) if record.exc_info else ""


class LineFormatter(_Formatter):
    """``digest: the run failed: …``, for people."""

    def format(self, record: logging.LogRecord) -> str:
        broke = self._broke(record)
        return f"digest: {self._said(record)}" + (f"\n{broke}" if broke else "")


class JsonFormatter(_Formatter):
    """One object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, and ``error`` if something broke. Facts
    that came with the record (``extra={"facts": {…}}``) stand beside them."""

    def format(self, record: logging.LogRecord) -> str:
        value: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._said(record),
        }
        if broke := self._broke(record):
            value["error"] = broke
        facts = getattr(record, "facts", None)
        if isinstance(facts, Mapping):
            value |= {str(name): self._plain(fact) for name, fact in facts.items() if name not in value}
        return json.dumps(value, ensure_ascii=False)

    def _plain(self, fact: object) -> object:
        if fact is None or isinstance(fact, bool | int | float):
            return fact
        return redact(str(fact), self._secrets)


def set_up(env: Mapping[str, str], secrets: Collection[str] = (), *, stream: TextIO | None = None) -> None:
    """From now on everything that is logged goes to ``stream`` (standard error), as lines or as JSON; what was set up
    before is replaced."""
    out = stream or sys.stderr
    wanted = env.get(FORMAT_VARIABLE, "").strip().lower()
    as_json = wanted == "json" or (wanted != "text" and not out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter(secrets) if as_json else LineFormatter(secrets))
    handler.name = "digest"
    root = logging.getLogger()
    for each in [each for each in root.handlers if each.name == "digest"]:
        root.removeHandler(each)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("digest").setLevel(logging.INFO)
    logging.captureWarnings(True)
