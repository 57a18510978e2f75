"""``digest subscribers``: who gets mail, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from digest.cli import CommandGroup, config_option

if TYPE_CHECKING:
    from digest.app.subscriber_service import SubscriberService
    from digest.jobs.subscribers.people import ImportReport, People, Proof
    from digest.subscribers.subscription import Choice, Subscriber


@click.group("subscribers", cls=CommandGroup)
def command() -> None:
    """See and change who gets mail.

    For example: digest subscribers list
    """


_AHEAD = timedelta(hours=14)
"""How far the earliest calendars on Earth are ahead of UTC."""

_DIGEST = click.option("--digest", "digest", metavar="NAME", help="The digest; without it the first one.")
_SOURCE = click.option(
    "--consent", metavar="TEXT", help="Where the consent comes from, for example 'paper form, fair 2026'."
)
_DATE = click.option("--consent-date", metavar="DATE", help="When it was given, for example 2026-03-24.")


@command.command("add")
@click.argument("address")
@_DIGEST
@click.option("--category", "categories", multiple=True, help="Only this category; may be given several times.")
@_SOURCE
@_DATE
@config_option
def add(
    address: str,
    digest: str | None,
    categories: tuple[str, ...],
    consent: str | None,
    consent_date: str | None,
    config: Path,
) -> int:
    """Add ADDRESS. Without proof of consent it is asked to confirm by mail first.

    For example: digest subscribers add reader@example.com --digest daily
    """
    with _people(config) as (people, subscriber_service, now):
        choice = people.choice(digest or _first(subscriber_service), categories)
        result = people.add(address, (choice,), now, proof=_proof(consent, consent_date, now))
        subscriber_service.signup.handle(now)
    click.echo(f"{address.strip()}: {result.value}")
    return 0


@command.command("list")
@_DIGEST
@click.option("--state", type=click.Choice(["pending", "active", "unsubscribed"]), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@config_option
def list_(digest: str | None, state: str | None, as_json: bool, config: Path) -> int:
    """List subscribers.

    For example: digest subscribers list --state active
    """
    from digest.subscribers.subscription import ListState

    with _people(config) as (people, _, _now):
        for subscriber in people.everybody(digest=digest, state=ListState(state) if state else None):
            click.echo(json.dumps(_values(subscriber), ensure_ascii=False) if as_json else _line(subscriber))
    return 0


@command.command("show")
@click.argument("address")
@config_option
def show(address: str, config: Path) -> int:
    """Print everything that is kept about ADDRESS, as JSON.

    For example: digest subscribers show reader@example.com
    """
    with _people(config) as (people, _, _now):
        click.echo(json.dumps(people.dossier(address), ensure_ascii=False, indent=2))
    return 0


@command.command("remove")
@click.argument("address")
@_DIGEST
@config_option
def remove(address: str, digest: str | None, config: Path) -> int:
    """Unsubscribe ADDRESS from one digest, or from all.

    For example: digest subscribers remove reader@example.com
    """
    with _people(config) as (people, _, now):
        count = people.remove(address, now, digest)
    click.echo(f"{address.strip()}: " + (f"{count} subscriptions ended" if count else "had none"))
    return 0


@command.command("move")
@click.argument("address")
@click.argument("new")
@_SOURCE
@_DATE
@config_option
def move(address: str, new: str, consent: str | None, consent_date: str | None, config: Path) -> int:
    """Send the mail of ADDRESS to NEW. Without --consent it is asked to confirm by mail first; the old one is told.

    For example: digest subscribers move reader@example.com reader@example.org
    """
    from digest.jobs.subscribers.moving import Moved

    with _people(config) as (people, subscriber_service, now):
        proof = _proof(consent, consent_date, now)
        subscriber, to = people.find(address), people.parse(new)
        if proof is None:
            result = subscriber_service.moving.ask(subscriber, to, now)
        else:
            result = subscriber_service.moving.vouch(subscriber, to, now, text=proof.source, given_at=proof.given_at)
    click.echo(f"{address.strip()} to {to.address}: {result.value}")
    return 0 if result in (Moved.MOVED, Moved.ASKED) else 1


@command.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def erase(address: str, yes: bool, config: Path) -> int:
    """Forget ADDRESS: nothing about it stays but a suppression, which holds no address.

    For example: digest subscribers erase reader@example.com --yes
    """
    if not yes:
        click.confirm(f"Forget {address.strip()} for ever?", abort=True)
    with _people(config) as (people, _, now):
        left = people.erase(address, now)
    click.echo(f"{address.strip()}: erased")
    for line in left:
        click.echo(f"digest: {line}", err=True)
    return 1 if left else 0


@command.command("import")
@click.argument("file", type=click.File("rb"))
@_DIGEST
@_SOURCE
@_DATE
@click.option(
    "--map-category",
    "categories",
    metavar="OLD=NEW",
    multiple=True,
    help="Take the category, tag or list OLD of the file for our NEW (or for none, OLD=); may be given several times.",
)
@click.option(
    "--confirm", is_flag=True, help="Ask people without proof of consent by mail, 500 a day; else they are left out."
)
@click.option("--apply", "apply_", is_flag=True, help="Do it; without this it is only tried out.")
@config_option
def import_(
    file: BinaryIO,
    digest: str | None,
    consent: str | None,
    consent_date: str | None,
    categories: tuple[str, ...],
    confirm: bool,
    apply_: bool,
    config: Path,
) -> int:
    """Add everybody in FILE (CSV; a column 'address', perhaps digest, categories, frequency, hour, zone).

    Whoever has no proof of consent, in the file or by --consent, is left out, or asked by mail with --confirm.
    It is a dry run unless --apply is given.
    For example: digest subscribers import readers.csv --consent "paper form" --consent-date 2026-03-24 --apply
    """
    from digest.cli.progress import terminal_progress

    renamed = _renamed(categories)
    with _people(config) as (people, subscriber_service, now):
        proof = _proof(consent, consent_date, now)
        choice: Choice = people.choice(digest or _first(subscriber_service))
        with terminal_progress(enabled=True) as progress:
            report = people.import_csv(
                file.read(),
                now,
                default=(choice,),
                proof=proof,
                categories=renamed,
                confirm=confirm,
                dry_run=not apply_,
                progress=progress,
            )
        if apply_:
            subscriber_service.signup.handle(now)
    _tell(report, applied=apply_)
    return 1 if report.bad else 0


@command.command("export")
@config_option
def export(config: Path) -> int:
    """Print every subscription as CSV, with the proof of consent.

    For example: digest subscribers export > readers.csv
    """
    with _people(config) as (people, _, _now):
        for line in people.export_csv():
            click.echo(line, nl=False)
    return 0


@command.command("suppress")
@click.argument("address")
@click.option("--note", default="", help="Why, for the record.")
@config_option
def suppress(address: str, note: str, config: Path) -> int:
    """Never write to ADDRESS again, not even when it subscribes.

    For example: digest subscribers suppress reader@example.com --note "asked by letter"
    """
    with _people(config) as (people, _, now):
        new = people.suppress(address, note, now)
    click.echo(f"{address.strip()}: " + ("suppressed" if new else "was suppressed already"))
    return 0


@command.command("unsuppress")
@click.argument("address")
@config_option
def unsuppress(address: str, config: Path) -> int:
    """Lift the suppression of ADDRESS.

    For example: digest subscribers unsuppress reader@example.com
    """
    with _people(config) as (people, _, _now):
        lifted = people.unsuppress(address)
    click.echo(f"{address.strip()}: " + ("may be written to again" if lifted else "was not suppressed"))
    return 0


@contextmanager
def _people(config: Path) -> Iterator[tuple[People, SubscriberService, datetime]]:
    from digest.app.assembly import with_subscriber_service

    with with_subscriber_service(config) as (subscriber_service, now):
        yield subscriber_service.people, subscriber_service, now


def _first(subscriber_service: SubscriberService) -> str:
    return subscriber_service.offers()[0].digest


def _proof(consent: str | None, consent_date: str | None, now: datetime) -> Proof | None:
    """Where a consent comes from, if both are given; given at midnight UTC of its date. Raises UsageError for half of
    it, and for a date that is in the future wherever one is."""
    from digest.jobs.subscribers.people import Proof

    if consent is None and consent_date is None:
        return None
    if not consent or not consent_date:
        raise click.UsageError("--consent and --consent-date belong together")
    try:
        given = date.fromisoformat(consent_date)
    except ValueError as error:
        raise click.UsageError(f"--consent-date: {consent_date!r} is not a date such as 2026-03-24") from error
    if given > (now + _AHEAD).date():
        raise click.UsageError(f"--consent-date: {consent_date} is in the future; nobody has consented yet")
    return Proof(source=consent, given_at=datetime.combine(given, time(0), UTC))


def _renamed(categories: tuple[str, ...]) -> dict[str, str]:
    """What categories are called here. Raises UsageError."""
    found = {}
    for each in categories:
        old, equals, new = (part.strip() for part in each.rpartition("="))
        if not old or not equals:
            raise click.UsageError(f"--map-category is OLD=NEW, not {each!r}")
        found[old] = new
    return found


def _tell(report: ImportReport, *, applied: bool) -> None:
    """What became of an import."""
    verb = "" if applied else "would be "
    click.echo(f"{report.rows} rows ({report.encoding})" + ("" if applied else ", nothing was changed yet"))
    for added, count in report.counts.items():
        click.echo(f"  {count:6} {verb}{added.value}")
    if report.unused:
        told = (f"{name} ({count} {'row' if count == 1 else 'rows'})" for name, count in report.unused.items())
        click.echo(f"columns that are not used: {', '.join(told)}")
    for bad in report.bad:
        click.echo(click.style(f"  row {bad.number}: ", fg="red") + bad.reason, err=True)
    if any(added.name == "UNPROVEN" for added in report.counts):
        click.echo("--consent and --consent-date say where their consent comes from; --confirm asks them by mail")
    if not applied:
        click.echo("add --apply to do it")


def _values(subscriber: Subscriber) -> dict[str, object]:
    return {
        "address": subscriber.address,
        "suppressed": subscriber.suppressed.value if subscriber.suppressed else None,
        "frequency": subscriber.preferences.frequency.value,
        "hour": subscriber.preferences.hour,
        "zone": subscriber.preferences.zone or None,
        "paused_until": subscriber.preferences.paused_until.isoformat()
        if subscriber.preferences.paused_until
        else None,
        "subscriptions": {each.digest: each.state.value for each in subscriber.subscriptions},
    }


def _line(subscriber: Subscriber) -> str:
    """``reader@example.com  daily: active (news, macro)  weekly, 07:00 Europe/Berlin``."""
    parts = [
        f"{each.digest}: {each.state.value}" + (f" ({', '.join(each.categories)})" if each.categories else "")
        for each in subscriber.subscriptions
    ]
    preferences = subscriber.preferences
    if preferences.frequency.value != "daily":
        parts.append(preferences.frequency.value)
    if preferences.hour is not None:
        parts.append(f"{preferences.hour:02}:00 {preferences.zone}".strip())
    if preferences.paused_until is not None:
        parts.append(f"paused until {preferences.paused_until}")
    if subscriber.suppressed is not None:
        parts.append(click.style(f"suppressed ({subscriber.suppressed.value})", fg="red"))
    return "  ".join((subscriber.address, *parts))
