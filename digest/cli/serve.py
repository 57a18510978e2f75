"""``digest serve``: the web server."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option


@click.command("serve")
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, help="Port to listen at.")
def command(config: Path, host: str, port: int) -> int:
    """Show pages and feeds, let people subscribe; until stopped.

    For example: digest serve --port 8000
    """
    import uvicorn

    from digest.app import service
    from digest.cli.site import site_app

    with service(config) as running:
        app = site_app(running, local=host in ("127.0.0.1", "::1", "localhost"))
        if isinstance(running.settings.output, Path):
            click.echo(f"http://{host}:{port}/ shows {running.settings.output}")
        if running.settings.subscriptions.enabled:
            click.echo(f"people subscribe at {running.settings.subscriptions_url}/")
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,  # paths hold tokens
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=8,
            )
        )
        server.run()
    return 0
