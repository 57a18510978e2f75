"""``digest deliver``: a worker that only works through the delivery ledger."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from digest.cli import config_option


@click.command("deliver")
@config_option
@click.option("--once", is_flag=True, help="Send what is due now, then exit.")
@click.option("--resume", nargs=2, metavar="DIGEST PERIOD", help="First let a paused edition be sent again.")
def command(config: Path, once: bool, resume: tuple[str, str] | None) -> int:
    """Work through the delivery ledger until stopped; as many workers as you like, on any machine over PostgreSQL.

    For example: digest deliver --once --resume daily 2026-11-24
    """
    from digest.app.sending import work

    say = _echo if once else _logged()
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():  # what was on its way is in doubt, as after any other end
            os._exit(130 if number == signal.SIGINT else 143)
        stopped.set()
        say("finishing the message in hand; once more to leave at once")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    report, _ = work(
        config,
        once=once,
        resume=resume,
        stop=stopped.is_set,
        tell=say,
    )
    click.echo(report.line())
    for line in report.failures:
        say(line)
    return 1 if report.failures else 0


def _echo(line: str) -> None:
    click.echo(f"digest: {line}", err=True)


def _logged() -> Callable[[str], None]:
    """A worker that goes on says things to its log."""
    import logging

    from digest.service import logs

    logs.set_up(os.environ)
    log = logging.getLogger("digest.deliver")
    return lambda line: log.warning("%s", line)
