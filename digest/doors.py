"""What may be one of several kinds: each is named ``module:attribute``, and loaded when it is used.

The configuration asks here which keys a kind has, so this lies below it. Nothing else knows the kinds.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import cast

from digest.ports import ChannelKind

CHANNELS = {"webhook": "digest.channels.webhook:Webhook"}
"""Kinds of channels that are no mail. Adding one is its module and a line here."""


def channel_kind(kind: str) -> ChannelKind:
    """What opens channels of this kind. Raises ValueError, which continues a sentence about it."""
    if kind not in CHANNELS:
        raise ValueError(f"is no kind of channel; known are {', '.join(sorted(CHANNELS))}")
    module, _, attribute = CHANNELS[kind].partition(":")
    return cast("ChannelKind", getattr(import_module(module), attribute))


def read_secret(variable: str | None, file: Path | None) -> str | None:
    """What an environment variable holds, else the first line of a file; None if neither is named. Raises ValueError,
    which continues a sentence about whose secret it is, and does not have it."""
    if variable is not None and os.environ.get(variable, "").strip():
        return os.environ[variable].strip()
    if file is None:
        if variable is not None:
            raise ValueError(f"the environment variable {variable} is not set; set it")
        return None
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{file} cannot be read: {reason}; put the secret into it") from error
    if not text or "\n" in text:
        raise ValueError(f"{file} does not hold one line; put the secret into it")
    return text
