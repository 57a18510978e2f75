"""What every part of the store needs to know of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec import Struct, convert

T = TypeVar("T", bound=Struct)

HEAD = "0026"
"""The schema's version: the newest migration."""

OLDEST = "0008"
"""The oldest version that can be brought up to date."""

VERSION_TABLE = "digest_schema"
"""Where the version is kept."""

SENT_UNTIL = "sent until"
"""Of a restored store: name of the value that says until when its successor may have sent."""

WRAP = 1 << 64
"""Numbers of 64 bits without a sign are kept with one."""

QUARTER = 900
"""Seconds of the spans that arrivals are counted by. Every zone's hours begin with one of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def to_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down. A naive moment is a TypeError."""
    return (moment - _EPOCH) // _SECOND


def to_seconds_up(moment: datetime) -> int:
    """As ``to_seconds``, rounded up: the first stored second that is not before the moment."""
    return -((_EPOCH - moment) // _SECOND)


def to_moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def optional_seconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_seconds(moment)


def optional_moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else to_moment(seconds)


def as_value(kind: type[T], row: Sequence[Any]) -> T:
    """A row as the value whose fields are its columns, in their order: moments are made of seconds, enums of words."""
    return convert(dict(zip(kind.__struct_fields__, row, strict=False)), kind, strict=False)


def among(words: Iterable[str]) -> str:
    """Our own words as the inside of ``IN (...)``."""
    return ", ".join(f"'{word}'" for word in words)
