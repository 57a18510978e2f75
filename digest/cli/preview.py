"""``digest preview``: the next edition on disk and in a browser; its mail as a test."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from digest.cli import config_option
from digest.cli.files import write_file
from digest.cli.report import told_balance

if TYPE_CHECKING:
    from digest.jobs.editions.preview import Preview, SentTest

SHOWN = 10
"""Posts that were left out and are listed one by one before the rest is only counted (``--verbose`` lists all)."""


@click.command("preview")
@config_option
@click.option("--digest", help="Which one; needed if there are several.")
@click.option("--as-of", metavar="TIME", help="Pretend it is then, as for digest run.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the files; preview beside mail.folder.")
@click.option("--to", metavar="ADDRESS", help="Send the mail to this address as a test.")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--verbose", is_flag=True, help="List every post that was left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def command(
    config: Path,
    digest: str | None,
    as_of: str | None,
    out: Path | None,
    to: str | None,
    no_open: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Show the next edition as it would be if it were made now. Nothing is marked, published or sent.

    For example: digest preview --digest daily --to you@example.com
    """
    from digest.app.showing import preview
    from digest.cli.progress import terminal_progress

    with terminal_progress(enabled=not as_json) as progress:
        found = preview(config, digest, as_of=as_of, to=to, progress=progress)
    folder = out or found.folder
    files = {what: folder / name for what, (name, _) in found.files.items()}
    for what, path in files.items():
        write_file(path, found.files[what][1], "name another folder with --out")
    sent = None if found.send is None else found.send()
    if as_json:
        click.echo(_to_json(found.preview, files, sent))
        return 0
    for line in _lines(found.preview, files, sent, found.zone, verbose=verbose):
        click.echo(line)
    if not no_open and to is None and can_show(os.environ, sys.platform, is_terminal=sys.stdout.isatty()):
        import webbrowser

        webbrowser.open(files["html"].resolve().as_uri())
    return 0


def can_show(env: Mapping[str, str], platform: str, *, is_terminal: bool) -> bool:
    """Whether somebody sits before a screen that a browser can open on."""
    return is_terminal and (platform in ("darwin", "win32") or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")))


def _row(name: str, text: str) -> str:
    return click.style(f"  {name:<10}", bold=True) + text


def _lines(
    preview: Preview, files: Mapping[str, Path], sent: SentTest | None, zone: ZoneInfo, *, verbose: bool
) -> Iterator[str]:
    saved, limits, balance = preview.saved, preview.plan.limits, preview.mail.edition.balance
    yield f"{saved.digest} {saved.period}: {saved.subject}"
    due = f"{preview.due_at.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"
    yield _row("due", f"now, since {due}" if preview.is_due else due)
    if preview.waits:
        yield _row("waits", f"{preview.waits}: a run would not send it")
    yield _row("balance", told_balance(balance))
    yield _row("HTML", _share(preview.html_bytes, limits.html_bytes))
    yield _row("text", _share(preview.text_bytes, limits.text_bytes))
    minutes = f"about {preview.minutes} minute{'' if preview.minutes == 1 else 's'}"
    yield _row("reading", f"{minutes} of {limits.minutes}" if limits.minutes else f"{minutes}, without a limit")
    if limits.items is not None:
        yield _row("shown", f"{balance.here} of {limits.items} posts")
    yield from _hand(preview)
    yield from _left_out(preview, verbose=verbose)
    for line in preview.broken:
        yield _row("broken", line)
    for path in files.values():
        yield _row("file", str(path))
    if sent is not None:
        reply = " ".join(str(word) for word in (sent.reply.code, sent.reply.enhanced, sent.reply.text) if word)
        yield _row("test", f"sent to {sent.address}: {reply}")


def _hand(preview: Preview) -> Iterator[str]:
    """What its editor wants, as far as that is anything."""
    edited, edition = preview.edited, preview.mail.edition
    for entry in edition.entries:
        if entry.hand is not None:
            where = f" ({edited.file.path})" if entry.key in edited.named else ""
            yield _row(entry.hand, f"{entry.title}{where}")
    for post in edited.skipped:
        yield _row("skip", f"{post.title} ({edited.file.path})")
    if edition.introduction:
        yield _row("intro", f"by {edited.file.path}")
    if edition.sponsor:
        yield _row("sponsor", f"by {edited.file.path}")
    for line in edited.warnings:
        yield _row("warning", line)


def _share(used: int, budget: int) -> str:
    return f"{used:,} of {budget:,} bytes ({100 * used // budget} %)"


def _left_out(preview: Preview, *, verbose: bool) -> Iterator[str]:
    left = preview.left_out
    if not left:
        yield _row("left out", "nothing")
        return
    counts = Counter(each.why for each in left)
    told = ", ".join(f"{count} for {why}" for why, count in counts.most_common())
    yield _row("left out", f"{len(left)} post{'' if len(left) == 1 else 's'} on the page only: {told}")
    for each in left if verbose else left[:SHOWN]:
        yield f"    {each.entry.title} ({each.section or 'no category'}; {each.entry.reason})"
    if not verbose and len(left) > SHOWN:
        yield f"    … {len(left) - SHOWN} more (--verbose lists all)"


def _to_json(preview: Preview, files: Mapping[str, Path], sent: SentTest | None) -> str:
    saved, limits, edition = preview.saved, preview.plan.limits, preview.mail.edition
    value = {
        "digest": saved.digest,
        "period": saved.period,
        "subject": saved.subject,
        "due_at": preview.due_at.isoformat(),
        "is_due": preview.is_due,
        "waits": preview.waits,
        "balance": msgspec.to_builtins(edition.balance),
        "html_bytes": {"used": preview.html_bytes, "budget": limits.html_bytes},
        "text_bytes": {"used": preview.text_bytes, "budget": limits.text_bytes},
        "minutes": {"used": preview.minutes, "budget": limits.minutes},
        "items": {"used": edition.balance.here, "budget": limits.items},
        "left_out": [
            {
                "key": each.entry.key,
                "title": each.entry.title,
                "url": each.entry.url,
                "section": each.section,
                "why": each.why,
                "reason": each.entry.reason,
            }
            for each in preview.left_out
        ],
        "hand": {
            "file": preview.edited.file.path,
            "lead": [entry.key for entry in edition.entries if entry.hand == "lead"],
            "pin": [entry.key for entry in edition.entries if entry.hand == "pin"],
            "skip": list(edition.skipped),
            "introduction": edition.introduction,
            "sponsor": edition.sponsor,
            "warnings": preview.edited.warnings,
        },
        "broken": preview.broken,
        "files": {what: str(path) for what, path in files.items()},
        "sent": None if sent is None else _sent(sent),
    }
    return json.dumps(value, ensure_ascii=False, indent=2)


def _sent(sent: SentTest) -> dict[str, object]:
    return {"to": sent.address, "message_id": sent.message_id, **msgspec.to_builtins(sent.reply)}
