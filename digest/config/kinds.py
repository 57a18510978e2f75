"""Sources of kinds that other packages bring: their part of a configuration, read by classes of theirs.

A plug-in's class for its settings is a ``msgspec.Struct`` named ``Settings`` at what its entry point names; the keys
``kind`` and ``name`` are ours.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from digest import plugins
from digest.config.document import Document, Fault, Path, quoted
from digest.config.settings import SOURCE_KINDS, AnySource, PluginSource, Settings
from digest.config.values import decode
from digest.errors import PluginError

_SECTION = "sources"


def without_plugins(data: dict[str, object]) -> dict[str, object]:
    """The document without entries of kinds that are not ours."""
    written = data.get(_SECTION)
    if not isinstance(written, list) or not any(_is_foreign(item) for item in written):
        return data
    return {**data, _SECTION: [item for item in written if not _is_foreign(item)]}


def _is_foreign(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("kind"), str) and item["kind"] not in SOURCE_KINDS


def with_plugins(settings: Settings, data: dict[str, object], document: Document) -> tuple[Settings, list[Fault]]:
    """The settings with those entries, each in its place, and what is wrong with them."""
    ours = iter(settings.sources)
    every: list[AnySource] = []
    faults: list[Fault] = []
    for place, item in enumerate(cast("list[object]", data[_SECTION])):
        if _is_foreign(item):
            entry, wrong = _read(cast("dict[str, object]", item), place, document)
            every.append(entry)
            faults += wrong
        else:
            every.append(next(ours))
    return msgspec.structs.replace(settings, sources_as_written=tuple(every)), faults


def _read(item: dict[str, object], place: int, document: Document) -> tuple[PluginSource, list[Fault]]:
    path: Path = (_SECTION, place)
    kind, name = str(item["kind"]), item.get("name")
    entry = PluginSource(kind=kind, name=str(name), place=place)
    if not isinstance(name, str):
        return entry, [_fault(document, (*path, "name"), "missing; write for example: name: wire")]
    try:
        found = plugins.load(plugins.SOURCES, kind)
    except PluginError as error:
        return msgspec.structs.replace(entry, fault=str(error)), []
    if found is None:
        return entry, [_fault(document, (*path, "kind"), _unknown(kind))]
    options = {key: value for key, value in item.items() if key not in ("kind", "name")}
    shape: Any = getattr(found, "Settings", None)
    if shape is None:
        faults = [_fault(document, (*path, key), f"unknown key; sources of kind {kind} have none") for key in options]
        return entry, faults
    try:
        return msgspec.structs.replace(entry, options=msgspec.convert(options, shape, dec_hook=decode)), []
    except msgspec.ValidationError as error:
        from digest.config.explain import Explainer  # late: only a faulty file needs it

        return entry, Explainer(document).faults_of(shape, options, path) or [_fault(document, path, str(error))]


def _unknown(kind: str) -> str:
    from difflib import get_close_matches

    known = sorted({*SOURCE_KINDS, *plugins.names(plugins.SOURCES)})
    close = get_close_matches(kind, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"{quoted(kind)} is no kind of source here; {hint} (others come with a package that is to be installed)"


def _fault(document: Document, path: Path, text: str) -> Fault:
    return Fault(path=path, line=document.line(path), text=text)
