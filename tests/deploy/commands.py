"""Whether a command line of ours is one that the program has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from digest.cli import cli


def understood(words: Sequence[str]) -> dict[str, Any]:
    """The parameters that ``digest WORDS`` gives its command. Raises click's errors for what it does not know."""
    command: click.Command = cli
    rest = list(words)
    context = cli.make_context("digest", [], resilient_parsing=True)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no command {rest[0]}"
        command, rest = found, rest[1:]
    return dict(command.make_context(command.name or "", rest).params)
