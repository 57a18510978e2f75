"""One request over HTTP, as a plain client makes it: no redirect is followed, no cookie kept, nothing is cached."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from digest.errors import ProbeError
from digest.ports import WebAnswer

_LIMIT = 16 * 1024 * 1024
"""Octets of one answer."""
_AGENT = "digest-check"


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = 10.0,
) -> WebAnswer:
    """The answer to one request. TLS is verified against the system's certificates (SSL_CERT_FILE may name others).
    ``seconds`` is the limit of each step. Raises ProbeError: the server cannot be reached, or speaks no HTTP."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=seconds)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, body=body, headers={"User-Agent": _AGENT, **(headers or {})})
        response = connection.getresponse()
        data = response.read(_LIMIT)
        found = {name.lower(): value for name, value in response.getheaders()}
        return WebAnswer(status=response.status, headers=found, body=data)
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        raise ProbeError(parts.netloc, _words(error), "check that the server runs and is reached from here") from error
    finally:
        connection.close()


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message.rstrip('.').lower()}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection: {(error.reason or 'unknown reason').lower().replace('_', ' ')}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    return "it does not speak HTTP"
