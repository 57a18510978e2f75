"""Webhooks that bounces and complaints come in by (``mail.bounces``): signatures, then the same judge as for mails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from digest.disk import read_secret
from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.app.subscriber_service import SubscriberService
    from digest.config.settings import BounceSettings
    from digest.mail.signed_hooks import SnsTopic
    from digest.ports import Fetch
    from digest.subscribers.reports import Report

log = logging.getLogger("digest.bounces")


class BounceHooks(Struct, frozen=True, kw_only=True):
    """Those of one site. May be used by several threads."""

    subscriber_service: SubscriberService
    clock: Callable[[], datetime]
    topic: SnsTopic | None = None
    keys: tuple[bytes, ...] = ()

    def from_ses(self, body: bytes) -> None:
        """A message of Amazon SNS. Raises Unsigned, NotReadable, ProbeError, StoreError."""
        from digest.subscribers.notifications import read_ses

        assert self.topic is not None
        message = self.topic.message(body)
        if message:
            self._learn(read_ses(message) if message.lstrip().startswith("{") else [])

    def from_anybody(self, headers: Mapping[str, str], body: bytes) -> None:
        """A request in our own form, signed as Standard Webhooks has it; ``headers`` by name in lower case. Raises
        Unsigned, NotReadable, StoreError."""
        from digest.mail.signed_hooks import signed_name
        from digest.subscribers.notifications import read_signed

        self._learn(read_signed(body, signed_name(headers, body, self.keys, self.clock())))

    def _learn(self, reports: Sequence[Report]) -> None:
        if not reports:
            return
        report = self.subscriber_service.learn_from_reports(reports, self.clock())
        log.info("bounces: %s", report.line())
        for line in report.warnings:
            log.warning("%s", line)


def bounce_hooks(
    wanted: BounceSettings,
    subscriber_service: SubscriberService,
    clock: Callable[[], datetime],
    *,
    fetch: Fetch | None = None,
) -> BounceHooks:
    """Those that are wanted. ``fetch`` asks Amazon. Raises ConfigError."""
    from digest.mail.signed_hooks import SnsTopic, hook_keys
    from digest.probes.web import fetch as plainly

    try:
        secret = read_secret(wanted.secret_env, wanted.secret_file)
    except ValueError as error:
        raise ConfigError("mail.bounces", str(error)) from error
    try:
        keys = () if secret is None else hook_keys(secret)
    except ValueError as error:
        raise ConfigError("mail.bounces", f"its secret {error}") from error
    topic = None if wanted.ses_topic is None else SnsTopic(wanted.ses_topic, fetch or plainly, clock)
    return BounceHooks(subscriber_service=subscriber_service, clock=clock, topic=topic, keys=keys)
