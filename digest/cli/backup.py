"""``digest backup``: everything that cannot be made again, in one file."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option
from digest.errors import OutputError


@click.command("backup")
@click.argument("file", type=click.Path())
@config_option
@click.option("--check", is_flag=True, help="Write nothing: read FILE, a backup, and say whether it is whole.")
def command(file: str, config: Path, check: bool) -> int:
    """Save store and secret into FILE (in a folder: under a name with the time); nothing has to be stopped.

    For example: digest backup /backups/
    """
    from digest.app.backup import inspect, save_backup

    if check:
        manifest = inspect(Path(file))
        click.echo(f"{file} is whole: made {manifest.made_at:%Y-%m-%d %H:%M} UTC, {counted(manifest.counts)}")
        return 0
    if file.endswith("/") and not Path(file).is_dir():  # a path forgets its last slash, and each would replace the last
        raise OutputError(file, "there is no such folder", "make it, or leave the slash out for a file of that name")
    report = save_backup(config, Path(file))
    click.echo(f"{report.path}: {counted(report.manifest.counts)}, {report.size:,} bytes, read back and found whole")
    if not report.manifest.secret_inside and report.manifest.secret_sha256:
        click.echo("the secret comes from the environment and is not in it; keep it too")
    return 0


def counted(counts: dict[str, int]) -> str:
    """What a person wants to know of it."""
    names = (("post", "posts"), ("edition", "editions"), ("delivery", "deliveries"), ("subscriber", "subscribers"))
    return ", ".join(f"{counts.get(table, 0):,} {name}" for table, name in names)
