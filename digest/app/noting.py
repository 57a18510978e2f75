"""After a run: until when there is nothing to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from digest.jobs.run import RunReport

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.editions import DigestPlan


LOOK_EVERY = timedelta(minutes=15)
"""Where alarms are mailed, what is wrong is looked for at least this often, however quiet it is."""


def note_quiet(
    app: App,
    report: RunReport,
    config: Path,
    text: bytes,
    *,
    to_json: Callable[[RunReport], str],
    to_lines: Callable[[RunReport], Sequence[str]],
) -> None:
    """After a whole run: note until when there is nothing to do (``quiet``), or that there is something.

    Other programs may write into the store meanwhile; what they wrote after it was asked shows in its file."""
    from digest.app import quiet
    from digest.jobs.feeds import FOLDERS
    from digest.jobs.rest import quiet_report, quiet_until

    database, output = app.settings.store.path, app.settings.output
    said = quiet_report(report)
    if database is None:
        return
    if app.settings.watch.pings:  # a service waits for a word about every run
        said = None
    if said is None or not isinstance(output, Path):
        quiet.forget(database)
        return
    app.store.save_all()
    seen = quiet.settled_database(database)
    plans = app.plans()
    until = quiet_until(
        app.store,
        [plan.schedule for plan in plans],
        app.settings.site.timezone,
        app.when.now,
        resend=app.settings.mail.in_doubt == "resend",
        readers=app.store.knows_somebody(),
    )
    if app.settings.watch.mail is not None:
        until = min(until, app.when.now + LOOK_EVERY)
    places = quiet.Places(
        database=database,
        posts=app.settings.posts.folder,
        kind=app.settings.posts.kind,
        exclude=app.excluded,
        templates=app.settings.templates,
        output=output,
        folders=FOLDERS,
        files=tuple(_looked_for(app, plans)),
    )
    published = quiet.output_seen(places)
    settled = seen is not None and until > app.when.now and _is_settled(app, plans)
    if seen is None or not settled or quiet.database_seen(database) != seen:
        quiet.forget(database)
        return
    quiet.note(
        places,
        config=config,
        text=text,
        env=os.environ,
        zone=app.settings.site.timezone,
        made=app.when.now,
        until=until,
        posts=app.source.seen(),
        times=app.source.times,
        templates=app.templates.fingerprint(),
        database=seen,
        output=published,
        lines=to_lines(said),
        report=json.loads(to_json(said)),
    )


def _looked_for(app: App, plans: Sequence[DigestPlan]) -> Iterator[str]:
    """Files whose absence a run notices, besides those of feeds."""
    from digest.jobs.editions import lists_of
    from digest.jobs.feeds import looked_for

    yield from looked_for(app.store, app.feed_options())
    for plan in plans:
        yield from lists_of(plan.name)


def _is_settled(app: App, plans: Sequence[DigestPlan]) -> bool:
    """Whether everything that a run publishes is there."""
    from digest.jobs.editions import lists_of
    from digest.jobs.feeds import is_settled

    return is_settled(app.store, app.output, app.feed_options(), app.language) and all(
        all(app.output.exists(path) for path in lists_of(plan.name)) or not app.store.has_editions(plan.name)
        for plan in plans
    )
