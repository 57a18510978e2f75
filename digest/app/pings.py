"""Tell a watching service that a run began, went well or failed: one GET each (Healthchecks, Uptime Kuma, …).

It is the service that raises the alarm when nothing comes. A ping has ten seconds, names included; what goes wrong
with it is a line, never an error. Addresses of such services are secrets of a kind: a line names the host alone.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

TIMEOUT = 10.0
"""Seconds, from looking up the name to the answer."""


def ping(address: str, *, timeout: float = TIMEOUT) -> str | None:
    """Ask for the address. None if it was answered well, else what went wrong, in one line."""
    host = urlsplit(address).hostname or "?"
    said: list[str | None] = []
    thread = threading.Thread(target=lambda: said.append(_get(address, timeout)), name="ping", daemon=True)
    thread.start()
    thread.join(timeout)  # a name that is not found, or an answer that drips, does not end by itself
    if not said:
        return f"ping {host}: {_no_answer(timeout)}"
    return None if said[0] is None else f"ping {host}: {said[0]}"


def _get(address: str, timeout: float) -> str | None:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "digest"})  # noqa: S310 - checked
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            response.read(1024)
    except urllib.error.HTTPError as error:
        error.close()
        return f"answered {error.code}"
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            return _no_answer(timeout)
        return f"cannot be reached ({error.reason})".lower()
    except TimeoutError:
        return _no_answer(timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"cannot be reached ({type(error).__name__})".lower()
    return None


def _no_answer(timeout: float) -> str:
    return f"no answer within {timeout:g} s"
