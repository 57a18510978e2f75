"""The command line: one file a command. A command parses its words, calls ``app``, prints the report.

Exit codes: 0 fine, 1 ran with failures (they are listed), 2 misuse or a bad configuration (nothing was touched), 130
and 143 cut short by SIGINT and SIGTERM. All of them, by command: docs/commands.md.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

import digest
from digest.cli.streams import make_printable
from digest.errors import ConfigError, DigestError, Refused
from digest.text import printable

COMMANDS = {
    "init": "Write a configuration for an existing Jekyll, Hugo or Hexo site.",
    "run": "Collect posts, publish feeds, make and send what is due.",
    "explain": "Say why a post or a mail is where it is, or is not.",
    "check": "Look for everything that is wrong; changes nothing.",
    "preview": "Show the next edition before anybody gets it; send it as a test.",
    "editions": "List, show, export and cancel editions; make up those of past days.",
    "posts": "Withdraw a post whose file has left the posts folder.",
    "deliver": "Work through the delivery ledger, beside other workers.",
    "doubts": "See and settle deliveries that may or may not have arrived.",
    "serve": "Show pages and feeds, let people subscribe.",
    "status": "Show what ran, what is due next, what waits, what is wrong.",
    "subscribers": "See and change who gets mail.",
    "bounces": "Read mail that came back.",
    "dkim": "Print the DNS records of the keys that sign mail.",
    "backup": "Save everything that cannot be made again, into one file.",
    "restore": "Put a backup in the place of the store.",
    "adopt-ids": "Take over the ids of an earlier feed, before the first run.",
}
"""Command to its help line; the module is imported when the command is called, so that ``--help`` is quick."""


config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, readable=False),  # loading says it better
    default=Path("config.yaml"),
    show_default=True,
    help="The configuration.",
)
"""Every command has it."""


_COLLECTOR = (100_000, 20, 20)
"""How many things are made before a search for garbage: Python's 700 costs a short run a tenth of its time, since
nearly all that it makes (modules, one entry a file) stays."""


class CommandGroup(click.Group):
    """A group that says which command may be meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches  # late: only a mistake needs it

            close = get_close_matches(name.lower(), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise click.UsageError(f"'{printable(name)}' is no command; {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(CommandGroup):
    """A group whose commands are modules of this package, or come with others that are installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _of_plugin(cmd_name)
        command = importlib.import_module(f"digest.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *words: Any, **more: Any) -> click.Context:
        with _broken_pipe_ends_it():
            return super().make_context(*words, **more)

    def invoke(self, ctx: click.Context) -> object:
        with _broken_pipe_ends_it():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _of_plugin(name: str) -> click.Command | None:
    """Looked for only when a command is unknown. Raises PluginError."""
    from digest import plugins

    found = plugins.load(plugins.COMMANDS, name)
    if found is not None and not isinstance(found, click.Command):
        raise plugins.broken(plugins.COMMANDS, name, "is no click command")
    return found


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(digest.__version__, prog_name="digest")
def cli() -> None:
    """Collect Markdown posts, publish their feeds, mail one digest a day.

    For example: digest run --config config.yaml
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit. What a user can cause ends in one clear line, never in a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(*_COLLECTOR)
    atexit.register(gc.freeze)  # the end frees everything by itself; to search it for garbage first takes 10 ms
    make_printable()
    try:
        code = cli.main(args=arguments, prog_name="digest", standalone_mode=False)
    except ConfigError as error:
        _say_config(error)
        sys.exit(2)
    except Refused as error:
        _say(str(error))
        sys.exit(2)
    except DigestError as error:
        _say(str(error))
        sys.exit(1)
    except click.exceptions.Abort as error:
        _say("stopped")
        sys.exit(143 if isinstance(error.__cause__, _Terminated) else 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        _say_system(error)
        _close_streams()
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A service that is stopped ends as if somebody had pressed Ctrl-C: the message in hand is finished, files are
    whole, the store holds its last transaction."""
    raise _Terminated


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def _broken_pipe_ends_it() -> Iterator[None]:
    """A reader that has seen enough (``digest run | head``) ends this program as it ends others."""
    try:
        yield
    except BrokenPipeError:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise


def _close_streams() -> None:
    """Give up on what cannot be written, so that the interpreter does not try again while it ends."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):
            stream.close()


def _say(line: str) -> None:
    click.echo(f"digest: {printable(line)}", err=True)


def _say_system(error: OSError) -> None:
    """What nobody below put into better words."""
    from digest.disk import reason, remedy

    what, todo = reason(error), remedy(error)
    _say(f"{error.filename or 'standard output'}: {what}" + (f"; {todo}" if todo else ""))


def _say_config(error: ConfigError) -> None:
    for line in error.problems or (str(error),):
        _say(line)
