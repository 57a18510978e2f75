"""``digest deliver``: a worker that only works through the delivery ledger."""

from __future__ import annotations

import signal
import threading
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
    from digest.app import work

    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        click.echo("digest: finishing the message in hand; once more to leave at once", err=True)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    report, _ = work(
        config,
        once=once,
        resume=resume,
        stop=stopped.is_set,
        tell=lambda line: click.echo(f"digest: {line}", err=True),
    )
    click.echo(report.line())
    for line in report.failures:
        click.echo(f"digest: {line}", err=True)
    return 1 if report.failures else 0
