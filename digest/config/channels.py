"""The entries of ``channels``: keys that all of them have, and those of their kind, whose class says them.

Kinds are looked up when there is a channel to read, so that foreign ones may bring keys of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from digest.config.values import PARSERS, decode
from digest.doors import channel_kind

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

    def __init__(self, common: ChannelSettings, own: Struct) -> None:
        self.common = common
        self.own = own
        """What its kind calls ``Settings``."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfiguredChannel) and (self.common, self.own) == (other.common, other.own)

    def __hash__(self) -> int:
        return hash((self.common, self.own))

    @classmethod
    def parse(cls, value: object) -> ConfiguredChannel:
        """Raises ValueError; ``explain`` says what is wrong, key by key."""
        if not isinstance(value, dict):
            raise ValueError("is not a group of keys")
        kind = channel_kind(str(value.get("kind", "")))
        common, own = split(value)
        try:
            return cls(_converted(common, ChannelSettings), _converted(own, kind.Settings))
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


def split(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keys that every channel has, and others."""
    common = {key: item for key, item in value.items() if key in COMMON}
    return common, {key: item for key, item in value.items() if key not in COMMON}


def _converted(value: dict[str, Any], kind: type) -> Any:
    return msgspec.convert(value, kind, dec_hook=decode)


PARSERS[ConfiguredChannel] = ConfiguredChannel.parse
