"""``digest posts``: what the operator decides about a post."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option


@click.group("posts")
def command() -> None:
    """Withdraw a post whose file has left the posts folder.

    For example: digest posts withdraw https://news.example.com/2026/11/24/title.html
    """


@command.command("withdraw")
@click.argument("url")
@config_option
def withdraw(url: str, config: Path) -> int:
    """Withdraw the post at URL (or with this id or path), whose file has left the posts folder: it moved to another
    folder, or went with its age. Feeds and the next edition say so, as of any post that is withdrawn.

    For example: digest posts withdraw https://news.example.com/2026/11/24/title.html
    """
    from digest.app.retracting import withdraw_post

    post, is_new = withdraw_post(config, url)
    if is_new:
        click.echo(f"withdrawn: {post.title} ({post.url}); the next digest run says so in the feeds")
    else:
        click.echo(f"it was withdrawn before: {post.title} ({post.url})")
    return 0
