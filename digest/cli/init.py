"""``digest init``: a configuration for an existing site, from its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli import config_option

if TYPE_CHECKING:
    from digest.app.starting import Draft

_NAMES = {"jekyll": "Jekyll", "hugo": "Hugo", "hexo": "Hexo"}
_PLACES = {
    "jekyll": "Put this into _includes/subscribe.html, and {% include subscribe.html %} where it is to be:",
    "hugo": 'Put this into layouts/partials/subscribe.html, and {{ partial "subscribe.html" . }} where it is to be:',
    "hexo": "Put this into layout/_partial/subscribe.ejs of the theme, and <%- partial('_partial/subscribe') %> "
    "where it is to be:",
}
_FIELDS = ("title", "url", "language", "timezone", "author", "description", "permalink")


@click.command("init")
@click.argument("site", type=click.Path(path_type=Path), default=Path())
@config_option
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be written.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Write nothing; print the configuration alone.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, for programs.")
@click.option(
    "--opml",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the feeds of this list, as readers export it, as sources; without a site they are enough.",
)
@click.option(
    "--snippet",
    is_flag=True,
    help="Print a form and feed links for the site's theme, by a configuration that is there.",
)
def command(
    site: Path,
    config: Path,
    force: bool,
    dry_run: bool,
    to_stdout: bool,
    as_json: bool,
    opml: Path | None,
    snippet: bool,
) -> int:
    """Write a config.yaml for the Jekyll, Hugo or Hexo site in SITE (default: here), from its own configuration.

    For example: digest init ../my-site; digest init --opml feeds.opml

    Where the built site is there, posts' addresses are compared with it: those that are wrong are marked in the
    file, and the exit code is 1.
    """
    if snippet:
        return _print_snippet(config)
    from digest.app.starting import draft_configuration, refuse_taken, write
    from digest.cli.progress import terminal_progress

    writes = not (dry_run or to_stdout)
    if writes:
        refuse_taken(config, force=force)
    with terminal_progress(enabled=not as_json) as progress:
        draft = draft_configuration(site, config, progress, opml)
    if writes:
        write(draft, force=force)
    if to_stdout:
        click.echo(draft.text, nl=False)
    elif as_json:
        click.echo(json.dumps(_facts(draft, written=writes), ensure_ascii=False, indent=2))
    else:
        _report(draft, written=writes)
    return 1 if draft.census.wrong else 0


def _print_snippet(config: Path) -> int:
    """Where it goes is said beside it: a theme would take the words for its own."""
    from digest.app.snippet import theme_snippet

    kind, text = theme_snippet(config)
    click.echo(_PLACES.get(kind, "Put this into your pages:"), err=True)
    click.echo(text, nl=False)
    return 0


def _report(draft: Draft, *, written: bool) -> None:
    for line in _lines(draft):
        click.echo(line)
    if not written:
        click.echo("\nNothing was written. It would be:\n")
        click.echo(draft.text, nl=False)
        return
    option = "" if draft.path == Path("config.yaml") else f" --config {draft.path}"
    click.echo(f"\nWritten: {draft.path}; nothing else was touched. Next:")
    click.echo(f"  digest run --dry-run{option}".ljust(36) + " says what would happen")
    click.echo(f"  digest preview{option}".ljust(36) + " shows the first mail")


def _lines(draft: Draft) -> list[str]:
    site, census, feeds = draft.site, draft.census, draft.feeds.feeds
    what = (
        "no site, feeds alone"
        if not site.generator
        else f"{_NAMES[site.generator]} site in {draft.root}" + (f", by {draft.source}" if draft.source else "")
    )
    lines = [what, ""]
    for name in _FIELDS:
        value = getattr(site, name)
        if value is not None:
            lines.append(f"  {name:12} {value}" + _from(site.origins.get(name)))
    files = f"{census.left_out:,} {'file' if census.left_out == 1 else 'files'}"
    left = f" ({files} left out: digest run --dry-run --verbose lists them)" if census.left_out else ""
    lines.append(f"  {'posts':12} {census.posts:,}{left}")
    if census.built and not census.wrong:
        lines.append(f"  {'':12} all of their addresses are in {census.built}")
    if site.leaving is not None:
        old = f"{site.leaving.moved:,} older ones in {', '.join(site.leaving.archived)}"
        lines.append(f"  {'':12} {old}: posts that are moved there are not withdrawn (posts.archived)")
    lines.append(f"  {'categories':12} {_categories(draft)}")
    if feeds:
        lines.append(f"  {'sources':12} {len(feeds):,} {'feed' if len(feeds) == 1 else 'feeds'} of other sites")
    if site.feed is not None:
        lines.append(f"  {'feed':12} {', '.join(site.feed.paths)}, made by {site.feed.maker}")
    lines += _section("Look at these", [*_missing(draft), *site.remarks])
    lines += _section("To switch from the present feed", draft.switch, numbered=True)
    return lines + _section("Take care", draft.cautions)


def _from(origin: str | None) -> str:
    return f"   ({origin})" if origin else ""


def _categories(draft: Draft) -> str:
    found = draft.census.categories
    shown = ", ".join(f"{name} {count:,}" for name, count in found[:8])
    return (shown + (f" and {len(found) - 8:,} more" if len(found) > 8 else "")) or "none"


def _missing(draft: Draft) -> list[str]:
    site, census = draft.site, draft.census
    lines = []
    if site.url is None:
        lines.append("the site's address was not found: write it into site.url, all addresses begin with it")
    lines += census.wrong
    if census.wrong:
        lines.append(
            "build the site anew if it is older than the posts; otherwise see posts.permalink and site.timezone"
        )
    return lines


def _section(title: str, items: list[str] | tuple[str, ...], *, numbered: bool = False) -> list[str]:
    if not items:
        return []
    marks = [f"{number}." if numbered else "-" for number in range(1, len(items) + 1)]
    return ["", f"{title}:", *(f"  {mark} {item}" for mark, item in zip(marks, items, strict=True))]


def _facts(draft: Draft, *, written: bool) -> dict[str, object]:
    site, census = draft.site, draft.census
    return {
        "config": str(draft.path),
        "written": written,
        "generator": site.generator,
        "source": draft.source,
        "values": {name: getattr(site, name) for name in _FIELDS},
        "origins": dict(site.origins),
        "posts": census.posts,
        "left_out": census.left_out,
        "compared_with": census.built,
        "wrong_addresses": list(census.wrong),
        "archived": list(site.leaving.archived) if site.leaving is not None else [],
        "retention_days": site.leaving.days if site.leaving is not None else None,
        "categories": dict(census.categories),
        "feed": None if site.feed is None else {"maker": site.feed.maker, "paths": list(site.feed.paths)},
        "sources": [{"name": each.name, "url": each.url, "categories": each.categories} for each in draft.feeds.feeds],
        "remarks": [*_missing(draft), *site.remarks],
        "switch": list(draft.switch),
        "cautions": list(draft.cautions),
        "text": draft.text,
    }
