"""Every problem of a faulty configuration, in words for the person who writes it.

Decoding stops at the first fault. This walks through the document beside the settings' classes and collects those of
all keys; the parts of the file that have none are then checked for contradictions, so that one reading shows all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, cast

import msgspec
from msgspec import inspect

from digest.config.channels import CHANNEL_KINDS, ChannelSettings, ConfiguredChannel, settings_of, split
from digest.config.checks import check_settings
from digest.config.document import Document, Fault, Path, quoted
from digest.config.settings import Settings
from digest.config.values import PARSERS, Mailbox, Mailboxes, NotText, decode, hide_password
from digest.errors import PluginError

Examples = Sequence[Any]
Found = Iterator[tuple[Path, str]]

_INDEPENDENT = ("posts", "mail", "s3")
"""Sections where a key that is left out gives no false alarm about another."""
_SECRET_KEY = re.compile(r"pass|secret|token|credential", re.IGNORECASE)
_SOUND_SITE = {"title": "a", "url": "https://a.example", "language": "en", "timezone": "UTC", "author": "a"}


def explain(document: Document, data: dict[str, object], reason: str) -> list[Fault]:
    """Every fault of a document whose ``data`` could not be decoded for ``reason``; at least one."""
    known = {fault.path for fault in document.faults}
    faults = [*document.faults, *(fault for fault in Explainer(document).faults(data) if fault.path not in known)]
    return [*faults, *_contradictions(document, data, faults)] or [Fault(text=reason)]


def _contradictions(document: Document, data: dict[str, object], faults: list[Fault]) -> list[Fault]:
    """Faults between keys, in the parts that have no fault of their own."""
    sound: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for path in (fault.path for fault in faults):
        inner = sound.get(str(path[0])) if path else None
        if len(path) > 1 and path[0] == "digests" and isinstance(inner, dict):
            inner[path[1]] = {}
        elif len(path) > 1 and path[0] in _INDEPENDENT and isinstance(inner, dict):
            inner.pop(path[1], None)
        elif path:
            sound.pop(str(path[0]), None)
    try:
        settings = msgspec.convert({"site": _SOUND_SITE, **sound}, Settings, dec_hook=decode)
    except (msgspec.ValidationError, RecursionError):
        return []
    known = {fault.path for fault in faults}
    return [fault for fault in check_settings(settings, document) if fault.path not in known]


class Explainer:
    """One walk over a document beside the settings' classes."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def faults(self, data: dict[str, object]) -> list[Fault]:
        """One fault for each place, in no order."""
        return self._collected(self._walk(_SETTINGS, data, (), ()))

    def faults_of(self, shape: type, data: dict[str, object], path: Path) -> list[Fault]:
        """The same of a part of the document, for which another class is."""
        return self._collected(self._walk(inspect.type_info(shape), data, path, ()))

    def _collected(self, walk: Found) -> list[Fault]:
        found: dict[Path, Fault] = {}
        for path, text in walk:
            found.setdefault(path, Fault(path=path, line=self._document.line(path), text=text))
        return list(found.values())

    def _walk(self, kind: inspect.Type, value: object, path: Path, examples: Examples) -> Found:
        """What is wrong with a value that should be of this kind. ``examples`` are those of the nearest key."""
        match kind:
            case inspect.Metadata():
                told = kind.extra_json_schema or {}
                inner = _without_none(kind.type) if "description" in told else kind.type
                yield from self._walk(inner, value, path, told.get("examples", ()))
            case inspect.UnionType():
                yield from self._one_of(kind.types, value, path, examples)
            case inspect.NoneType() if value is None:
                return
            case _ if value is None:
                yield path, "has no value; give one, or leave it out"
            case inspect.CustomType(cls=cls) if cls is ConfiguredChannel:
                yield from self._channel(value, path)
            case inspect.CustomType(cls=cls):
                yield from self._parsed(cls, value, path, examples)
            case inspect.LiteralType(values=choices):
                yield from self._chosen([str(each) for each in choices], value, path)
            case _ if not _is_of(kind, value):
                yield path, f"{self._shown(path, value)} {self._misfit(kind, value, path, examples)}"
            case inspect.StructType(fields=fields):
                yield from self._keys(fields, cast("dict[str, object]", value), path)
            case inspect.DictType():
                if len(cast("dict[str, object]", value)) < (kind.min_length or 0):
                    yield path, f"{self._shown(path, value)} {_ODD}{_for_example(examples)}"
                for key, item in cast("dict[str, object]", value).items():
                    yield from self._walk(kind.key_type, key, (*path, key), ())
                    yield from self._walk(kind.value_type, item, (*path, key), ())
            case inspect.VarTupleType(item_type=item_type, min_length=least):
                items = cast("list[object]", value)
                if len(items) < (least or 0):
                    yield path, "the list is empty; add an entry, or leave the key out"
                for number, item in enumerate(items):
                    yield from self._walk(item_type, item, (*path, number), ())
            case inspect.StrType(min_length=least, pattern=pattern):
                if len(cast("str", value)) < (least or 0):
                    yield path, f"{self._shown(path, value)} is empty; give a value, or leave the key out"
                elif pattern is not None and not re.search(pattern, cast("str", value)):
                    yield path, f"{self._shown(path, value)} {_ODD}{_for_example(examples)}"
            case inspect.IntType() | inspect.FloatType():
                yield from self._bounded(kind, cast("float", value), path)

    # ------------------------------------------------------------ mappings

    def _channel(self, value: object, path: Path) -> Found:
        """The keys that every channel has, and those of its kind."""
        if not isinstance(value, dict):
            yield path, f"{self._shown(path, value)} {self._misfit(_CHANNEL, value, path, ())}"
            return
        try:
            own = inspect.type_info(settings_of(str(value.get("kind", ""))))
        except (ValueError, PluginError) as error:  # whose keys the others are is not known
            common, _ = split(value)
            yield from self._keys(_CHANNEL.fields, common, path)
            if isinstance(value.get("kind"), str) and isinstance(error, ValueError):
                yield (*path, "kind"), f"{self._shown((*path, 'kind'), value['kind'])} {error}"
        else:
            yield from self._keys([*_CHANNEL.fields, *cast("inspect.StructType", own).fields], value, path)

    def _keys(self, fields: Sequence[inspect.Field], value: dict[str, object], path: Path) -> Found:
        known = {field.encode_name: field for field in fields}
        for key, field in known.items():
            if key in value:
                yield from self._walk(field.type, value[key], (*path, key), ())
            elif field.required:
                example = _example(_examples_of(field.type))
                yield (*path, key), f"missing; write for example: {key}: {example}"
        for key in value:
            if key not in known:
                yield (*path, key), self._unknown_key(path, key, list(known))

    def _unknown_key(self, path: Path, key: str, known: list[str]) -> str:
        if path == ("mail",) and _is_secret(key, known):
            return (
                "a secret does not stand in this file; put it into the environment variable DIGEST_SMTP_PASSWORD, "
                "or into a file that mail.password_file names"
            )
        if path == ("s3",) and (_is_secret(key, known) or re.search("access|key", key, re.IGNORECASE)):
            return (
                "credentials do not stand in this file; put them into the environment: AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        if path[:1] == ("channels",) and _is_secret(key, known):
            return "a secret does not stand in this file; name the environment variable that holds it: secret_env"
        close = get_close_matches(key.lower().replace("-", "_"), known, 1)
        if close:
            return f"unknown key; did you mean {close[0]}?"
        elsewhere = [place for place in places() if place.rpartition(".")[2] == key.lower() and "(" not in place]
        if elsewhere:
            return f"unknown key here; did you mean {' or '.join(elsewhere)}?"
        return f"unknown key; known here are {', '.join(known)}"

    # -------------------------------------------------------------- values

    def _one_of(self, kinds: Sequence[inspect.Type], value: object, path: Path, examples: Examples) -> Found:
        """Of several forms, the one that the value has; if it has none of them, an example."""
        fitting = [kind for kind in kinds if _is_of(kind, value)]
        if len(fitting) > 1 and isinstance(fitting[0], inspect.StructType) and fitting[0].tag_field:
            yield from self._tagged(fitting, cast("dict[str, object]", value), path)
            return
        if len(fitting) == 1:
            yield from self._walk(fitting[0], value, path, examples)
        elif value is None:
            yield path, "has no value; give one, or leave it out"
        elif not fitting:
            reason = "does not fit here" + _for_example(examples)
            if not isinstance(value, str):
                reason = self._not_text(str, value, path, examples)
            yield path, f"{self._shown(path, value)} {reason}"

    def _tagged(self, kinds: Sequence[inspect.Type], value: dict[str, object], path: Path) -> Found:
        """Of several classes, the one that the value names; another name is one of a plug-in."""
        by_tag = {str(kind.tag): kind for kind in kinds if isinstance(kind, inspect.StructType)}
        field = next(str(kind.tag_field) for kind in by_tag.values())
        tag = value.get(field)
        if tag is None:
            yield (*path, field), f"missing; write for example: {field}: {next(iter(sorted(by_tag)))}"
        elif not isinstance(tag, str):
            yield (*path, field), f"{self._shown((*path, field), tag)} is not one of {', '.join(sorted(by_tag))}"
        elif tag in by_tag:
            yield from self._keys(by_tag[tag].fields, {key: value[key] for key in value if key != field}, path)

    def _parsed(self, kind: type, value: object, path: Path, examples: Examples) -> Found:
        """By the very function that decoding calls."""
        try:
            PARSERS[kind](value)
        except ValueError as error:
            if kind is Mailboxes and isinstance(value, list):
                yield from self._entries(value, path, str(error))
                return
            is_no_text = isinstance(error, NotText)
            reason = self._not_text(kind, value, path, examples) if is_no_text else str(error)
            yield path, f"{self._shown(path, value)} {reason}"

    def _entries(self, items: list[object], path: Path, reason: str) -> Found:
        """Each wrong address of a list by itself; else what is wrong with the list."""
        reasons = {number: _why_not(Mailbox.parse, item) for number, item in enumerate(items)}
        if not any(reasons.values()):
            yield path, reason
        for number, why in reasons.items():
            if why:
                yield (*path, number), f"{self._shown((*path, number), items[number])} {why}"

    def _chosen(self, choices: list[str], value: object, path: Path) -> Found:
        if value in choices:
            return
        close = get_close_matches(str(value).lower(), choices, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield path, f"{self._shown(path, value)} is not one of {', '.join(choices)}{hint}"

    def _bounded(self, kind: inspect.IntType | inspect.FloatType, value: float, path: Path) -> Found:
        if kind.ge is not None and value < kind.ge:
            yield path, f"{self._shown(path, value)} is too small; {kind.ge} is the least"
        if kind.gt is not None and value <= kind.gt:
            yield path, f"{self._shown(path, value)} is too small; write more than {kind.gt}"
        if kind.le is not None and not value <= kind.le:
            yield path, f"{self._shown(path, value)} is too large; {kind.le} is the most"

    def _misfit(self, kind: inspect.Type, value: object, path: Path, examples: Examples) -> str:
        """The value is of the wrong type."""
        if isinstance(kind, inspect.StrType):
            return self._not_text(str, value, path, examples)
        if isinstance(kind, inspect.VarTupleType) and isinstance(value, str):
            return f"is not a list; write: [{quoted(value)[1:-1]}]"
        if isinstance(kind, inspect.StructType | inspect.DictType):
            return "is not a group of keys; write them below it, indented"
        return f"is not {_WORDS[type(kind)]}" + _for_example(examples)

    def _not_text(self, kind: type, value: object, path: Path, examples: Examples) -> str:
        """YAML took a text without quotes for something else. In quotes it may be right, or wrong in its own way."""
        written = self._document.written.get(path)
        if isinstance(value, list | dict) or written is None:
            return "does not fit here" + _for_example(examples)
        reason = _why_not(PARSERS.get(kind, str), written)
        if reason:
            return reason
        what = {bool: str(value).lower(), int: "a number", float: "a number"}.get(type(value), "a date")
        if isinstance(value, int) and ":" in written:
            what = f"the number {value}"
        return f"is {what} to YAML; put it in quotes: {quoted(written)}"

    def _shown(self, path: Path, value: object) -> str:
        """The value as it was written, short and without a password."""
        if isinstance(value, dict):
            return "a group of keys"
        if isinstance(value, list):
            return "a list"
        if path == ("store",) and not str(value).startswith("sqlite:"):
            return "what stands here"
        if str(path[-1]).startswith("ping_") or (path[0], path[-1]) == ("channels", "url"):  # to know it is to use it
            return "what stands here"
        text = quoted(hide_password(self._document.written.get(path, str(value))))
        return text if isinstance(value, str) else text[1:-1]


# ------------------------------------------------------------------- kinds

_SETTINGS = inspect.type_info(Settings)
_CHANNEL = cast("inspect.StructType", inspect.type_info(ChannelSettings))
_ODD = "is not of the right form"
_TYPES: dict[type[inspect.Type], tuple[type, ...]] = {
    inspect.StrType: (str,),
    inspect.BoolType: (bool,),
    inspect.IntType: (int, float),
    inspect.FloatType: (int, float),
    inspect.NoneType: (type(None),),
    inspect.StructType: (dict,),
    inspect.DictType: (dict,),
    inspect.VarTupleType: (list,),
}
_WORDS: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.VarTupleType: "a list",
}


def _is_of(kind: inspect.Type, value: object) -> bool:
    """Whether a value that YAML gave has the type; what reads its values by itself may take any but None."""
    if isinstance(kind, inspect.CustomType):
        return value is not None
    if isinstance(kind, inspect.IntType) and isinstance(value, float) and not value.is_integer():
        return False
    return isinstance(value, _TYPES[type(kind)]) and isinstance(value, bool) <= isinstance(kind, inspect.BoolType)


def _without_none(kind: inspect.Type) -> inspect.Type:
    """An optional key is left out, not set to nothing."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    rest = tuple(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return rest[0] if len(rest) == 1 else inspect.UnionType(rest)


def places() -> list[str]:
    """Every key of the configuration, dotted: ``posts.permalink``, ``digests.NAME.title``."""
    return list(_places(_SETTINGS, ""))


def _places(kind: inspect.Type, prefix: str) -> Iterator[str]:
    match kind:
        case inspect.Metadata(type=inner):
            yield from _places(inner, prefix)
        case inspect.UnionType(types=kinds):
            for each in kinds:
                tag = each.tag if isinstance(each, inspect.StructType) else None
                yield from _places(each, f"{prefix.rstrip('.')}({tag})." if tag else prefix)
        case inspect.VarTupleType(item_type=item):
            yield from _places(item, prefix)
        case inspect.CustomType(cls=cls) if cls is ConfiguredChannel:
            for part in (ChannelSettings, *map(settings_of, CHANNEL_KINDS)):
                yield from _places(inspect.type_info(part), prefix)
        case inspect.DictType(value_type=value):
            yield from _places(value, f"{prefix}NAME.")
        case inspect.StructType(fields=fields):
            for field in fields:
                yield f"{prefix}{field.encode_name}"
                yield from _places(field.type, f"{prefix}{field.encode_name}.")


def _is_secret(key: str, known: list[str]) -> bool:
    """The name says that its value is a password, and no key that exists is meant."""
    says_so = _SECRET_KEY.search(key) or get_close_matches(key.lower(), ["password"], 1, 0.8)
    return bool(says_so) and not get_close_matches(key.lower(), known, 1, 0.9)


def _why_not(parse: Callable[[Any], object], value: object) -> str:
    """The reason why a value cannot be parsed; empty if it can."""
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return ""


def _examples_of(kind: inspect.Type) -> Examples:
    return (kind.extra_json_schema or {}).get("examples", ()) if isinstance(kind, inspect.Metadata) else ()


def _example(examples: Examples) -> str:
    """The first one, as it is written in YAML."""
    return in_yaml(examples[0]) if examples else ""


def _for_example(examples: Examples) -> str:
    return f"; write for example: {_example(examples)}" if examples else ""


def in_yaml(value: object) -> str:
    """A value in one line of YAML."""
    if isinstance(value, list):
        return "[" + ", ".join(in_yaml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {in_yaml(item)}" for key, item in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
