"""What the mail of an edition is made with besides its contents, frozen with it.

Pure: to text and back without loss. Equal looks give equal text, so that the store keeps each of them once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.edition.contents import Publisher, Recipe
from digest.theme import Theme


class FrozenLook(Struct, frozen=True, kw_only=True):
    """Mail that is made later comes out as if it had been made when its edition was."""

    recipe: Recipe
    publisher: Publisher
    language: str
    """BCP 47."""
    catalogue: tuple[bytes, ...]
    """``ports.Language.catalogue``."""
    templates: Mapping[str, str]
    """Text by name: those of the mail, and all that they name."""
    theme: Theme = Theme()
    subject: str = ""
    """As the operator wrote it; empty for the one of the language."""


def look_to_json(look: FrozenLook) -> str:
    import msgspec

    return msgspec.json.encode(look, enc_hook=str, order="deterministic").decode()


def look_from_json(text: str) -> FrozenLook:
    """What ``look_to_json`` wrote. Raises ValueError if it is anything else."""
    import msgspec

    return msgspec.json.decode(text, type=FrozenLook, dec_hook=_zone)


def _zone(kind: type, value: Any) -> ZoneInfo:
    """The one kind of value that JSON does not know."""
    return ZoneInfo(value)
