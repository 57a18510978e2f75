"""The channel ``webhook``: POSTs each edition as JSON to one address.

The last byte of the body leaves only when ``before_commit`` says so, and until then the receiver has no whole request;
after that its answer alone tells. Each delivery names itself in ``Idempotency-Key``, the same at every attempt, so that
a receiver can drop what it has already.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from digest.disk import read_secret
from digest.errors import Doubtful, PermanentFailure, TemporaryFailure, TransportError
from digest.models import ChannelEdition, Receipt, Target
from digest.ports import Commit
from digest.text import clean_line

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

_LATER = (408, 425, 429)
"""Answers of the client's kind that ask for another try all the same."""
_WORDS = 200


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds."""

    connect: float = 30
    step: float = 60
    """Each piece of the request, and each of the answer."""
    whole: float = 300
    """The whole of it; less than the lease of a row whose answer is awaited."""


class Webhook:
    """Satisfies ``ports.Channel``; may be used by several threads."""

    atomic = False

    class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Keys of its own."""

        secret_env: Annotated[
            Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] | None,
            Meta(
                description="Of kind webhook: environment variable with a secret that signs what is sent.",
                examples=["TEAM_CHAT_SECRET"],
            ),
        ] = None
        secret_file: Annotated[
            Path | None,
            Meta(
                description="Of kind webhook: file with that secret, read if the environment variable is not set.",
                examples=["/run/secrets/team-chat"],
            ),
        ] = None

    def __init__(self, settings: Settings, url: str, *, limits: Limits | None = None) -> None:
        """Connects to nobody yet. Raises ValueError, which continues a sentence about the channel: no https except on
        this machine, an address that is none, an unreadable secret."""
        parts = urlsplit(url)
        if not url.isascii() or not url.isprintable() or " " in url or not parts.hostname or parts.username is not None:
            raise ValueError("has no address to send to; write for example: https://chat.example.com/hooks/1")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise ValueError(f"may not send to {parts.hostname} without encryption; write an address with https://")
        self._is_secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = read_secret(settings.secret_env, settings.secret_file)
        self._limits = limits or Limits()

    def send(self, edition: ChannelEdition, target: Target, before_commit: Commit) -> Receipt:
        """POST it. See ``ports.Channel``; the address of the target is the channel's name, and of no use here."""
        body = msgspec.json.encode(edition)
        with self._connected() as connection:
            try:
                self._begin(connection, target, body)
            except Exception as error:
                raise self._lost(TemporaryFailure, "the link broke", error, "body") from error
            if not before_commit():
                raise TemporaryFailure(self._host, "given up: another worker has this delivery", step="body")
            try:
                connection.send(body[-1:])
                before_commit.after()
                answer = connection.getresponse()
            except Exception as error:
                raise self._lost(Doubtful, "all was out, then no answer came", error, "answer") from error
            return self._judged(answer)

    def close(self) -> None:
        """There is nothing to let go of: editions are too rare to keep a connection."""

    @contextmanager
    def _connected(self) -> Iterator[HTTPConnection]:
        from http.client import HTTPConnection, HTTPSConnection  # late: most runs send nothing

        kind = HTTPSConnection if self._is_secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=self._limits.connect)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # ssl.SSLError too; a name that is none
            connection.close()
            raise self._lost(TemporaryFailure, "cannot be reached", error, "connect") from error
        connection.sock.settimeout(self._limits.step)
        # A server that sends its answer byte by byte would keep us forever; TLS is not asked.
        end = threading.Timer(self._limits.whole, _shut, [connection.sock])
        end.daemon = True
        end.start()
        try:
            yield connection
        finally:
            end.cancel()
            connection.close()

    def _begin(self, connection: HTTPConnection, target: Target, body: bytes) -> None:
        """Everything but the last byte."""
        connection.putrequest("POST", self._path, skip_accept_encoding=True)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "digest",
            "Idempotency-Key": target.name,
            **({} if self._secret is None else {"X-Digest-Signature": f"sha256={_signature(self._secret, body)}"}),
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[:-1])

    def _judged(self, answer: HTTPResponse) -> Receipt:
        if 200 <= answer.status < 300:
            return Receipt(code=answer.status, text=clean_line(answer.reason)[:_WORDS])
        said = clean_line(f"HTTP {answer.status} {answer.reason}")[:_WORDS].strip()
        if answer.status in _LATER or answer.status >= 500:
            wait = _wait(answer.headers.get("Retry-After", ""))
            raise TemporaryFailure(self._host, f"takes nothing: {said}", step="answer", text=said, retry_after=wait)
        raise PermanentFailure(
            self._host, f"refuses it: {said}", "check the channel's address", step="answer", text=said
        )

    def _lost(self, kind: type[TransportError], what: str, error: Exception, step: str) -> TransportError:
        """The address has secrets in its path, so nothing of it is told but the host."""
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return kind(self._host, f"{what}: {clean_line(reason)[:_WORDS].lower()}", step=step)


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _signature(secret: str, body: bytes) -> str:
    import hmac

    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def _wait(text: str) -> timedelta | None:
    """What ``Retry-After`` asks for (RFC 9110, 10.2.3)."""
    from email.utils import parsedate_to_datetime

    try:
        if text.isdigit():
            return timedelta(seconds=int(text))
        return max(parsedate_to_datetime(text) - datetime.now(UTC), timedelta()) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
