"""What other packages add: sources, channels and commands, found by their entry points.

Ours are named in the same groups of ``pyproject.toml`` and listed beside their users, so that nothing is looked up for
them: reading the entry points of all installed packages costs a tenth of a run that has nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from digest.errors import PluginError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SOURCES = "digest.sources"
CHANNELS = "digest.channels"
COMMANDS = "digest.commands"


def names(group: str) -> list[str]:
    """What other packages and this one give in a group."""
    return sorted(_found(group))


def load(group: str, name: str) -> Any:
    """What is behind a name; None if no installed package has it. Raises PluginError if it cannot be loaded."""
    entry = _found(group).get(name)
    if entry is None:
        return None
    try:
        return entry.load()
    except Exception as error:
        raise broken(group, name, f"cannot be loaded: {type(error).__name__}: {error}", entry) from error


def broken(group: str, name: str, what: str, entry: EntryPoint | None = None) -> PluginError:
    """The error of a plug-in that does not do what it should."""
    entry = entry or _found(group).get(name)
    package = entry.dist.name if entry is not None and entry.dist is not None else ""
    return PluginError(
        f"plug-in {name}" + (f" of {package}" if package else ""),
        what,
        f"install a version of {package or 'it'} that fits, or take out what names it",
    )


def _found(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # late: it reads every installed package

    return {entry.name: entry for entry in entry_points(group=group)}
