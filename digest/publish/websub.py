"""Tell WebSub hubs that feeds changed (W3C Recommendation WebSub; the publish request is that of PubSubHubbub 0.4).
Some hubs want ``hub.url`` in it, some ``hub.topic``.

A hub fetches the feed and passes it on to its subscribers within seconds. It is a courtesy: readers that poll do not
need it, so a hub that is down costs a few seconds and a line in the report, never the run.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

TIMEOUT = 10.0
"""Seconds for one request."""
TRIES = 3
PATIENCE = 60.0
"""Seconds for one hub, all addresses together."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, which tells the hub nothing."""

    def redirect_request(self, *_values: Any, **_named: Any) -> None:
        return None


class WebSub:
    """Tells each hub of each changed address. ``sleep`` and ``clock`` (seconds) are there for tests."""

    def __init__(
        self,
        hubs: Sequence[str],
        *,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hubs = tuple(hubs)
        self._timeout = timeout
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __call__(self, addresses: Sequence[str]) -> list[str]:
        """One POST to each hub for each address. Returns one line for each hub that did not take them all."""
        return [line for hub in self._hubs if (line := self._tell(hub, addresses))]

    def _tell(self, hub: str, addresses: Sequence[str]) -> str | None:
        until = self._clock() + self._patience
        for told, address in enumerate(addresses):
            if self._clock() >= until:
                return f"hub {hub}: too slow; it was not told of {len(addresses) - told} changed feeds"
            reason = self._insist(hub, address)
            if reason is not None:  # the next address would fare no better
                return f"hub {hub}: {reason}; it was not told of {len(addresses) - told} changed feeds"
        return None

    def _insist(self, hub: str, address: str) -> str | None:
        """Up to three tries; None if the hub took it, else why not."""
        reason: str | None = None
        for attempt in range(TRIES):
            if attempt:
                self._sleep(2.0 ** (attempt - 1))
            reason, lasting = self._post(hub, address)
            if reason is None or lasting:
                break
        return reason

    def _post(self, hub: str, address: str) -> tuple[str | None, bool]:
        """What went wrong, if anything, and whether trying again is pointless."""
        form = urlencode({"hub.mode": "publish", "hub.url": address, "hub.topic": address}).encode()
        try:
            request = urllib.request.Request(hub, data=form, headers={"User-Agent": "digest"})  # noqa: S310 - checked
            with self._opener.open(request, timeout=self._timeout):
                return None, False
        except urllib.error.HTTPError as error:
            error.close()
            return f"answered {error.code}", error.code < 500 and error.code not in (408, 429)
        except urllib.error.URLError as error:
            return f"cannot be reached ({error.reason})".lower(), False
        except (OSError, http.client.HTTPException) as error:
            return f"cannot be reached ({error or type(error).__name__})".lower(), False
        except ValueError as error:
            return f"is no address ({error})".lower(), True
