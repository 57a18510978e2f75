"""The entries of ``channels``: keys that all of them have, and those of their kind, whose class says them.

Kinds are looked up when there is a channel to read, so that foreign ones may bring keys of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Struct

from digest import plugins
from digest.config.values import PARSERS, decode
from digest.errors import PluginError
from digest.ports import ChannelKind

CHANNEL_KINDS = {"webhook": "digest.channels.webhook:Webhook"}
"""Ours, each as ``module:attribute``, loaded when there is one. Others are entry points of their packages."""

_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"


class ChannelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every channel has."""

    kind: Annotated[
        Annotated[str, Meta(min_length=1)],
        Meta(description="What it is; webhook is part of the program.", examples=["webhook"]),
    ]
    name: Annotated[
        Annotated[str, Meta(pattern="^(?=.{1,64}$)[a-z0-9]+(-[a-z0-9]+)*$")],
        Meta(
            description="Its name in reports and in the log of deliveries, of a-z, 0-9 and -. Under another name it is "
            "another channel.",
            examples=["team-chat"],
        ),
    ]
    digest: Annotated[
        Annotated[str, Meta(min_length=1)],
        Meta(description="The digest whose editions it gets.", examples=["daily"]),
    ]
    url: Annotated[
        str | None,
        Meta(
            description="Where it sends to, if the address is no secret.",
            examples=["http://127.0.0.1:8080/editions"],
        ),
    ] = None
    url_env: Annotated[
        Annotated[str, Meta(pattern=_VARIABLE)] | None,
        Meta(description="Environment variable that holds the address.", examples=["TEAM_CHAT_URL"]),
    ] = None
    url_file: Annotated[
        Path | None,
        Meta(
            description="File that holds the address, read if the environment variable is not set.",
            examples=["/run/secrets/team-chat-url"],
        ),
    ] = None
    in_doubt: Annotated[
        Literal["resend", "hold"],
        Meta(
            description="What to do when nobody can know whether the receiver took an edition: send it again once, or "
            "hold it until you decide."
        ),
    ] = "resend"


COMMON = frozenset(ChannelSettings.__struct_fields__)


class ConfiguredChannel:
    """One entry. No class of msgspec's, which would want to know all keys beforehand."""

    def __init__(self, common: ChannelSettings, own: Struct | None, fault: str = "") -> None:
        self.common = common
        self.own = own
        """What its kind calls ``Settings``."""
        self.fault = fault
        """Why it cannot be used: its kind comes with a package that is broken."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfiguredChannel) and (self.common, self.own) == (other.common, other.own)

    def __hash__(self) -> int:
        return hash((self.common, self.own))

    @classmethod
    def parse(cls, value: object) -> ConfiguredChannel:
        """Raises ValueError; ``explain`` says what is wrong, key by key."""
        if not isinstance(value, dict):
            raise ValueError("is not a group of keys")
        common, own = split(value)
        try:
            settings: ChannelSettings = msgspec.convert(common, ChannelSettings, dec_hook=decode)
            return cls(settings, msgspec.convert(own, settings_of(settings.kind), dec_hook=decode))
        except PluginError as error:
            return cls(settings, None, str(error))
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    def with_paths(self, resolved: Callable[[Any], Any]) -> ConfiguredChannel:
        own = None if self.own is None else resolved(self.own)
        return ConfiguredChannel(resolved(self.common), own, self.fault)


def split(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keys that every channel has, and others."""
    common = {key: item for key, item in value.items() if key in COMMON}
    return common, {key: item for key, item in value.items() if key not in COMMON}


class _NoKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """Of kinds that have none of their own."""


def settings_of(kind: str) -> type[Struct]:
    """The class of the keys of a kind. Raises as ``channel_kind``."""
    return getattr(channel_kind(kind), "Settings", _NoKeys)


def channel_kind(kind: str) -> ChannelKind:
    """What opens channels of this kind. Raises ValueError if there is none, which continues a sentence about it, and
    PluginError if it cannot be loaded."""
    if kind in CHANNEL_KINDS:
        module, _, attribute = CHANNEL_KINDS[kind].partition(":")
        return cast("ChannelKind", getattr(import_module(module), attribute))
    found = plugins.load(plugins.CHANNELS, kind)
    if found is None:
        known = ", ".join(sorted({*CHANNEL_KINDS, *plugins.names(plugins.CHANNELS)}))
        raise ValueError(f"is no kind of channel here; there are {known} (others come with a package)")
    return cast("ChannelKind", found)


PARSERS[ConfiguredChannel] = ConfiguredChannel.parse
