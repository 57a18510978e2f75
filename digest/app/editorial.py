"""Files of editors: ``_editions/DIGEST/PERIOD.md`` in the site's folder, where no generator publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from digest.app.places import EDITIONS, is_for_editors
from digest.models import EditionFile
from digest.period import day_bounds, period_days, period_name, slots_between

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.editions.make import DigestPlan

_ENDING = ".md"
_LARGEST = 256 * 1024
"""Bytes of a file that is read."""


class EditionFiles(Struct, frozen=True, kw_only=True):
    """The files of one site. ``of`` is a ``jobs.editions.make.FileOf``."""

    root: Path | None
    """The site's folder; None if it has none, or means something else by the name."""
    site_url: str
    lang: str

    def of(self, digest: str, period: str) -> EditionFile:
        """What somebody wrote for an edition; an empty file if nobody did."""
        from digest.posts.editionfile import read_edition_file  # late: most runs make no edition

        if self.root is None:
            return EditionFile()
        name = f"{EDITIONS}/{digest}/{period}{_ENDING}"
        path = self.root / name
        try:
            if not path.is_file():
                is_there = path.is_symlink() or path.exists()
                reason = f"{name}: is not a file that can be read; the edition is made without it; replace it by a file"
                return EditionFile(path=name, warnings=(reason,)) if is_there else EditionFile()
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            reason = f"{name}: cannot be read ({error.strerror}); the edition is made without it"
            return EditionFile(path=name, warnings=(reason,))
        if len(data) > _LARGEST:
            reason = f"{name}: larger than 256 KB; the edition is made without it; shorten it"
            return EditionFile(path=name, warnings=(reason,))
        return read_edition_file(name, data, site_url=self.site_url, lang=self.lang)

    def strange(self, app: App, plans: Sequence[DigestPlan]) -> Iterator[str]:
        """A line for each file that no edition will ever ask for."""
        try:
            yield from self._strange(app, {plan.name: plan for plan in plans})
        except OSError as error:
            yield f"{error.filename}: cannot be read ({error.strerror}); give this user the right to read it"

    def _strange(self, app: App, known: Mapping[str, DigestPlan]) -> Iterator[str]:
        """Raises OSError."""
        for folder in _listed(None if self.root is None else self.root / EDITIONS):
            if not folder.is_dir():
                yield f"{EDITIONS}/{folder.name}: belongs to no digest; move it to {EDITIONS}/DIGEST/PERIOD.md"
                continue
            plan = known.get(folder.name)
            if plan is None:
                names = ", ".join(known)
                yield f"{EDITIONS}/{folder.name}: there is no digest of that name; rename it to one of {names}"
                continue
            for path in _listed(folder):
                if why := _why_strange(app, plan, path):
                    yield f"{EDITIONS}/{folder.name}/{path.name}: {why}"


def edition_files(app: App) -> EditionFiles:
    """Those of the site that the configuration names."""
    settings = app.settings
    return EditionFiles(
        root=_root(app) if settings.posts.has_folder and is_for_editors(settings.posts) else None,
        site_url=str(settings.site.url),
        lang=str(settings.site.language),
    )


def _root(app: App) -> Path:
    """Where the generator's configuration lies, or else the folder above that of the posts."""
    from digest.app.generator_files import configuration_files
    from digest.sources.elsewhere import site_root

    root = site_root(app.settings.posts.folder, app.source.kind)
    return root.parent if not configuration_files(root) and configuration_files(root.parent) else root


def _listed(folder: Path | None) -> list[Path]:
    """Without hidden files and those that editors leave behind."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name[0] not in ".#" and not path.name.endswith("~"))


def _why_strange(app: App, plan: DigestPlan, path: Path) -> str:
    """Why no edition is called so; empty if one is or may be."""
    example = period_name(plan.schedule.kind, app.when.now.astimezone(app.settings.site.timezone).date())
    if path.suffix != _ENDING:
        return f"is not read; call it by the period, for example {example}{_ENDING}"
    try:
        days = period_days(path.stem)
    except ValueError:
        days = None
    if days is None or period_name(plan.schedule.kind, days[0]) != path.stem:
        return f"{plan.name} has no edition of that name; call it by the period, for example {example}{_ENDING}"
    return "" if _may_come(app, plan, path.stem, days) else f"{plan.name} appears on none of its days; rename it"


def _may_come(app: App, plan: DigestPlan, period: str, days: tuple[date, date]) -> bool:
    """Whether there is such an edition, or will be. Those of the past can be made up."""
    zone = app.settings.site.timezone
    start, end = day_bounds(days[0], zone)[0], day_bounds(days[1], zone)[1]
    if end <= app.when.now:
        return True
    slots = slots_between(plan.schedule, zone, start - timedelta(days=1), end)
    planned = any(slot.period == period and slot.day not in plan.holidays for slot in slots)
    return planned or app.store.edition(plan.name, period) is not None
