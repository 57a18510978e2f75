"""``digest run`` and the runs of a service: all steps in their order, or those that are due."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from digest.app.admission import Admission, Consents, claim_of
from digest.app.assembly import opened
from digest.app.collecting import collect_posts
from digest.app.moment import When, moment
from digest.app.publishing import freeze_due_editions, publish_frozen_editions, update_feeds, websub
from digest.app.sending import count_old_deliveries, deliver_what_waits, leave_what_waits
from digest.config import Settings, load
from digest.errors import AlreadyRunning, ConfigError, DigestError, StoreBusy, StoreError
from digest.jobs.belonging import mark, take_on
from digest.jobs.progress import Progress, silent
from digest.jobs.run import RunReport, Step, Steps, run
from digest.languages import what_is_missing
from digest.ports import FeedRow

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.app.monitor import Monitor
    from digest.jobs.archive.collect import CollectReport


HANGS_AFTER = timedelta(minutes=30)
"""A run that is at work for longer keeps the others from their work: the operator is told. Mail is not part of it."""
NO_POSTS = "no posts"
"""Name under which the store keeps since when the archive was looked at and had no post."""
AS_OF = "as of"
"""Name under which it keeps how far ahead of the present a run was told to be."""


class RunOrder(Struct, frozen=True, kw_only=True):
    """What a service wants a run to do: everything but sending mail, which a worker beside it does. A feed whose time
    has not come is left as it is."""

    everything: bool = True
    """``posts.schedule`` is due: every feed that has no schedule of its own."""
    due: frozenset[str] = frozenset()
    """Categories with a schedule of their own that are due."""
    waiting: frozenset[str] = frozenset()
    """Categories with a schedule of their own that are not."""

    def wants(self, row: FeedRow) -> bool:
        """Whether a feed is published now."""
        if row.kind == "category" and row.name in self.due | self.waiting:
            return row.name in self.due
        return self.everything


def run_order(settings: Settings, order: RunOrder) -> RunReport:
    """One run of a service, which has the store open: one that is gone is not begun anew. Raises ConfigError,
    StoreError, Refused, and AlreadyRunning when another run is at work."""
    with opened(settings, moment(None, settings.site.timezone), dry_run=False, must_exist=True) as app:
        return run_steps(app, (), order=order)


def run_once(
    config: Path,
    *,
    as_of: str | None = None,
    only: Collection[Step] = (),
    dry_run: bool = False,
    mail: bool = True,
    accept_gone: bool = False,
    progress: Progress = silent,
    consents: Consents | None = None,
) -> tuple[RunReport, ZoneInfo]:
    """One ``digest run``; without ``mail`` it hands none over. ``accept_gone``: the posts that are missing are meant to
    be gone. Returns its report and the site's zone. Raises ConfigError, StoreError (StoreBusy if another run seems to
    hang), Refused, and AlreadyRunning when another run is at work."""
    from digest.app.monitor import monitor_of

    settings = load(config, os.environ)
    when = moment(as_of, settings.site.timezone)
    monitor = None if dry_run or as_of is not None else monitor_of(settings)
    admit = Admission(settings=settings, consents=consents or Consents())
    with _watched(monitor, when), opened(settings, when, dry_run=dry_run, progress=progress, admit=admit) as app:
        if monitor is not None:
            monitor.run_begins()
        report = run_steps(app, only, mail=mail, accept_gone=accept_gone)
        report.warnings += filter(None, [what_is_missing(str(settings.site.language))])
        if monitor is not None:
            report.warnings += monitor.after_run(app.store, report, app.clock()())
        return report, settings.site.timezone


@contextmanager
def _watched(monitor: Monitor | None, when: When) -> Iterator[None]:
    """A run that breaks off is told of all the same."""
    try:
        yield
    except AlreadyRunning as busy:
        hanging = hangs(busy, when.wall)
        if hanging is None:
            raise  # the one at work tells about itself
        if monitor is not None:
            monitor.run_was_held_up(hanging, when.now)
        raise hanging from busy
    except StoreError as error:
        if monitor is not None:
            monitor.run_broke(error, when.now)
        raise
    except DigestError:
        if monitor is not None:
            monitor.run_ended(ok=False)
        raise


def hangs(busy: AlreadyRunning, wall: datetime) -> StoreBusy | None:
    """What to say when the run that is at work has been so for too long; None while it has not, or if it does not say
    since when. ``wall`` is the real clock."""
    if busy.since is None or wall - busy.since < HANGS_AFTER:
        return None
    minutes = int(HANGS_AFTER.total_seconds() // 60)
    return StoreBusy(
        busy.subject,
        f"another process has been at work on it for more than {minutes} minutes ({busy.holder})",
        "nothing was done; if that process hangs, end it: the next run makes up for what is missing",
    )


def run_steps(
    app: App,
    only: Collection[Step],
    *,
    order: RunOrder | None = None,
    mail: bool = True,
    accept_gone: bool = False,
) -> RunReport:
    """All steps of ``digest run``, or ``only`` some; or what a service wants done at this time."""
    _ = app.output  # what it lacks stops the run before anything is touched
    _refuse_missing(app.settings.templates)
    deliver = deliver_what_waits if mail else leave_what_waits
    steps = Steps(
        take_on=lambda: take_on(app.store, claim_of(app.settings)),
        set_right=partial(set_right, app),
        mark=lambda: mark(app.output, str(app.settings.site.url)),
        collect=partial(_collected, app, waits=order is None, accept_gone=accept_gone),
        publish_feeds=lambda: update_feeds(app, app.output, websub(app), is_due=(order or RunOrder()).wants),
        make_editions=partial(freeze_due_editions, app),
        publish_editions=partial(publish_frozen_editions, app),
        deliver=partial(deliver, app) if order is None else None,
        let_go=app.let_go,
    )
    report = run(
        app.store,
        steps,
        now=app.when.now,
        only=only,
        dry_run=app.dry_run,
        clock=app.clock(),
    )
    app.let_go()
    report.warnings += count_old_deliveries(app)
    return report


def set_right(app: App) -> list[str]:
    """Undo what a clock that was ahead left in the store, if this run is by the real one and that can be believed.
    ``--as-of`` only says how far ahead it is. Returns warnings."""
    when, store = app.when, app.store
    kept = store.recall(AS_OF)
    as_of = None if kept is None else datetime.fromisoformat(kept)
    if when.now > when.present and (as_of is None or as_of < when.now):
        store.remember(AS_OF, when.now.isoformat())
    if not (when.is_present and when.is_certain and store.is_ahead(when.now)):
        return []
    from digest.jobs.wrong_clock import set_right  # late: most runs find nothing

    return set_right(store, app.plans, app.settings.site.timezone, when.now, as_of=as_of)


def _collected(app: App, *, waits: bool, accept_gone: bool) -> CollectReport:
    """Bring the store up to date with all sources; a warning if there is nothing in them."""
    is_first = app.store.is_importing()
    report = collect_posts(app, waits=waits, accept_gone=accept_gone)
    if is_first and not app.store.is_importing():
        report = replace(report, warnings=(*report.warnings, *_adopted_in_vain(app)))
    if report.taken or report.unsettled or not app.store.is_importing():
        return report
    if app.store.recall(NO_POSTS) is None:
        app.store.remember(NO_POSTS, app.when.now.isoformat())
    return replace(report, warnings=(*report.warnings, _no_posts(report, app)))


def _adopted_in_vain(app: App) -> list[str]:
    """What there is to say of ids of an earlier feed that no post took, once all posts are known."""
    links = app.store.adopted_links()
    if not links:
        return []
    from digest.jobs.addresses import unmatched
    from digest.jobs.archive.adopt import in_words

    line = in_words(unmatched(links, app.store.addresses()), len(links))
    return [f"adopt-ids: {line}"] if line else []


def _no_posts(report: CollectReport, app: App) -> str:
    posts = app.settings.posts
    if not posts.has_folder:
        return "sources: no post has come from any of them yet; the first edition is made when there is one"
    from digest.jobs.archive.no_posts import why_none

    why = why_none(app.source.kind, report.problems, app.source.outside(())) or "it has no post file"
    return (
        f"posts.folder: there is no post in {posts.folder} yet: {why}; the first edition is made when there is one "
        "(if there should be, check the folder and posts.kind)"
    )


def _refuse_missing(templates: Path | None) -> None:
    if templates is not None and not templates.is_dir():
        remedy = "make it, or take the key out to use the templates of the program"
        raise ConfigError("templates", f"{templates} is not a folder", remedy)
