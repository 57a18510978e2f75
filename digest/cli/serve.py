"""``digest serve``: scheduler, mail and web server in one process."""

from __future__ import annotations

import os
from pathlib import Path

import click

from digest.cli import config_option


@click.command("serve")
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, help="Port to listen at; 0 for any that is free.")
@click.option("--no-web", is_flag=True, help="Listen nowhere.")
@click.option("--no-schedule", is_flag=True, help="Start no runs: show pages and send mail only.")
def command(config: Path, host: str, port: int, no_web: bool, no_schedule: bool) -> int:
    """Collect, publish and send by the clock, show pages and feeds, let people subscribe; until stopped.

    For example: digest serve --port 8000
    """
    from digest.service import logs
    from digest.service.serving import ServeOptions, serve

    logs.set_up(os.environ)
    return serve(config, ServeOptions(host=host, port=port, web=not no_web, schedule=not no_schedule), say=click.echo)
