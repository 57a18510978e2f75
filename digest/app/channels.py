"""The channels of the configuration: opened, and given the editions that they are to send."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, convert
from msgspec.structs import replace

from digest import plugins
from digest.config.channels import channel_kind
from digest.disk import read_secret
from digest.errors import ConfigError, DigestError, Doubtful, PluginError, TemporaryFailure, TransportError
from digest.models import ChannelEdition, Receipt, Target
from digest.ports import Channel, Commit

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.config.channels import ConfiguredChannel
    from digest.jobs.delivery.deliver import Route
    from digest.models import Delivery, SavedEdition


def open_channel(configured: ConfiguredChannel) -> Channel[ChannelEdition]:
    """Connects to nobody yet. Raises ConfigError: its secrets cannot be read, or its kind can do nothing with them;
    and PluginError: its kind is a plug-in's, and that is broken."""
    common = configured.common
    if configured.fault:
        raise PluginError(f"channels: {common.name}", configured.fault)
    try:
        address = common.url or read_secret(common.url_env, common.url_file) or ""
        return _Guarded(channel_kind(common.kind)(configured.own, address), common.name)
    except DigestError:
        raise
    except ValueError as error:
        cause, _, remedy = str(error).partition("; ")
        raise ConfigError(f"channels: {common.name}", cause, remedy) from error
    except Exception as error:
        raise plugins.broken(plugins.CHANNELS, common.kind, f"cannot be opened: {type(error).__name__}") from error


def channel_routes(app: App) -> list[Route]:
    """One for each channel. What cannot be opened takes nothing, which stops no other."""
    if not app.settings.channels:
        return []
    from digest.jobs.delivery.deliver import DeliverOptions, Route

    compose = _composer(app)
    return [
        Route(
            name=each.common.name,
            channel=_opened(app, each),
            compose=compose,
            options=DeliverOptions(resend=each.common.in_doubt == "resend"),
        )
        for each in app.settings.channels
    ]


def _opened(app: App, configured: ConfiguredChannel) -> Channel[Any]:
    if app.dry_run:
        from digest.mail.dry_run import DryRunChannel

        return DryRunChannel()
    try:
        return open_channel(configured)
    except DigestError as error:
        return _Closed(error)


class _Guarded:
    """A channel of anybody's: whatever breaks in it is its own failure. What an error says is not told, since it may
    name the address, which is a secret."""

    def __init__(self, inner: Channel[ChannelEdition], name: str) -> None:
        self.atomic = inner.atomic
        self.close = inner.close
        self._inner = inner
        self._name = name

    def send(self, edition: ChannelEdition, target: Target, before_commit: Commit) -> Receipt:
        is_out = False

        def ask() -> bool:
            nonlocal is_out
            is_out = before_commit()
            return is_out

        try:
            receipt = self._inner.send(edition, target, replace(before_commit, ask=ask))
            return convert(receipt, Receipt, from_attributes=True)
        except TransportError:
            raise
        except Exception as error:
            kind = Doubtful if is_out and not self.atomic else TemporaryFailure
            what = f"its code broke: {type(error).__name__}"
            raise kind(f"channels: {self._name}", what, step="answer" if is_out else "body") from error


class _Closed(Struct, frozen=True):
    """Stands for a channel that cannot be opened."""

    error: DigestError
    atomic = False

    def send(self, edition: ChannelEdition, target: Target, before_commit: Commit) -> Receipt:
        raise TemporaryFailure(self.error.subject, self.error.cause, self.error.remedy, step="connect")

    def close(self) -> None:
        """It was never open."""


def _composer(app: App) -> Callable[[Delivery, SavedEdition], ChannelEdition]:
    from digest.app.looks import frozen_look
    from digest.jobs.editions.make import read_edition
    from digest.render.channel import channel_edition
    from digest.render.mail import edition_url

    def compose(delivery: Delivery, saved: SavedEdition) -> ChannelEdition:
        _, look = frozen_look(app, saved)
        url = edition_url(look.publisher, saved.digest, saved.period)
        return channel_edition(saved, read_edition(saved), url=url, language=look.language.tag)

    return compose
