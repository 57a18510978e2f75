"""Every problem of a faulty configuration, in words for the person who writes it.

Slow and thorough: a JSON Schema validator collects the faults of single keys; the parts of the file that have
none are then checked for contradictions, so that one reading shows everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker

from digest.config.checks import check_settings
from digest.config.document import Document, Fault, Path, quoted
from digest.config.schema import checking_schema
from digest.config.settings import Settings
from digest.config.values import FORMATS, PARSERS, Mailbox, Mailboxes, NotText, decode, hide_password

_PARSER_OF = {FORMATS[kind]: parse for kind, parse in PARSERS.items()}
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


def _formats() -> FormatChecker:
    """A checker that calls the very functions that decoding calls."""
    checker = FormatChecker(formats=())
    for kind, parse in PARSERS.items():
        checker.checks(FORMATS[kind], raises=ValueError)(lambda value, parse=parse: parse(value) is not None)
    return checker


class Explainer:
    """Puts a validator's errors into words."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._schema = checking_schema()

    def faults(self, data: dict[str, object]) -> list[Fault]:
        """One fault for each place, in no order."""
        validator = Draft202012Validator(self._schema, format_checker=_formats())
        found: dict[Path, Fault] = {}
        for error in validator.iter_errors(data):
            for path, text in self._explain(error):
                found.setdefault(path, Fault(path=path, line=self._document.line(path), text=text))
        return list(found.values())

    def _explain(self, error: Any) -> Iterator[tuple[Path, str]]:
        path: Path = tuple(error.absolute_path)
        match error.validator:
            case "additionalProperties":
                yield from self._unknown(path, error)
            case "required":
                yield from self._missing(path, error)
            case _ if error.instance is None:
                yield path, "has no value; give one, or leave it out"
            case "anyOf":
                yield from self._alternatives(path, error)
            case "format" if error.validator_value == Mailboxes.schema_format and isinstance(error.instance, list):
                yield from self._entries(path, error)
            case "minItems":
                yield path, "the list is empty; add an entry, or leave the key out"
            case _:
                yield path, f"{self._shown(path, error.instance)} {self._reason(path, error)}"

    # ------------------------------------------------------------ mappings

    def _unknown(self, path: Path, error: Any) -> Iterator[tuple[Path, str]]:
        known = list(error.schema.get("properties", ()))
        for key in error.instance:
            if key not in known:
                yield (*path, key), self._unknown_key(path, key, known)

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
        close = get_close_matches(key.lower().replace("-", "_"), known, 1)
        if close:
            return f"unknown key; did you mean {close[0]}?"
        elsewhere = [place for place in places(self._schema) if place.rpartition(".")[2] == key.lower()]
        if elsewhere:
            return f"unknown key here; did you mean {' or '.join(elsewhere)}?"
        return f"unknown key; known here are {', '.join(known)}"

    def _missing(self, path: Path, error: Any) -> Iterator[tuple[Path, str]]:
        for key in error.schema["required"]:
            if key not in error.instance:
                example = _example(error.schema["properties"][key])
                yield (*path, key), f"missing; write for example: {key}: {example}"

    # -------------------------------------------------------- alternatives

    def _alternatives(self, path: Path, error: Any) -> Iterator[tuple[Path, str]]:
        """Of several forms, the one that the value has; if it has none of them, an example."""
        branches: dict[object, list[Any]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [
            errors
            for errors in branches.values()
            if not any(inner.validator == "type" and not inner.path for inner in errors)
        ]
        if len(fitting) == 1:
            for inner in fitting[0]:
                yield from self._explain(inner)
        else:
            yield path, f"{self._shown(path, error.instance)} {self._misfit(path, error)}"

    def _entries(self, path: Path, error: Any) -> Iterator[tuple[Path, str]]:
        """Each wrong address of a list by itself; else what is wrong with the list."""
        reasons = {number: _why_not(Mailbox.parse, item) for number, item in enumerate(error.instance)}
        if not any(reasons.values()):
            yield path, str(error.cause)
        for number, reason in reasons.items():
            if reason:
                yield (*path, number), f"{self._shown((*path, number), error.instance[number])} {reason}"

    # -------------------------------------------------------------- values

    def _reason(self, path: Path, error: Any) -> str:
        limit = error.validator_value
        match error.validator:
            case "format":
                return self._not_text(path, error) if isinstance(error.cause, NotText) else str(error.cause)
            case "type":
                return self._misfit(path, error)
            case "enum":
                close = get_close_matches(str(error.instance).lower(), limit, 1)
                return f"is not one of {', '.join(limit)}" + (f"; did you mean {close[0]}?" if close else "")
            case "minimum":
                return f"is too small; {limit} is the least"
            case "exclusiveMinimum":
                return f"is too small; write more than {limit}"
            case "maximum":
                return f"is too large; {limit} is the most"
            case "minLength":
                return "is empty; give a value, or leave the key out"
            case _:  # pattern
                return f"is not of the right form; write for example: {_example(error.schema)}"

    def _misfit(self, path: Path, error: Any) -> str:
        """The value is of the wrong type."""
        wanted = error.schema.get("type")
        if wanted == "string" or (wanted is None and not isinstance(error.instance, str)):
            return self._not_text(path, error)
        if wanted == "array" and isinstance(error.instance, str):
            return f"is not a list; write: [{quoted(error.instance)[1:-1]}]"
        words = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "array": "a list"}
        if wanted in words:
            return f"is not {words[wanted]}" + _for_example(error.schema)
        if wanted == "object":
            return "is not a group of keys; write them below it, indented"
        return "does not fit here" + _for_example(error.schema)

    def _not_text(self, path: Path, error: Any) -> str:
        """YAML took a text without quotes for something else. In quotes it may be right, or wrong in its own way."""
        value, written = error.instance, self._document.written.get(path)
        if isinstance(value, list | dict) or written is None:
            return "does not fit here" + _for_example(error.schema)
        reason = _why_not(_PARSER_OF.get(error.schema.get("format"), str), written)
        if reason:
            return reason
        kind = {bool: str(value).lower(), int: "a number", float: "a number"}.get(type(value), "a date")
        if isinstance(value, int) and ":" in written:
            kind = f"the number {value}"
        return f"is {kind} to YAML; put it in quotes: {quoted(written)}"

    def _shown(self, path: Path, value: object) -> str:
        """The value as it was written, short and without a password."""
        if isinstance(value, dict):
            return "a group of keys"
        if isinstance(value, list):
            return "a list"
        if path == ("store",) and not str(value).startswith("sqlite:"):
            return "what stands here"
        if path[-1:] and str(path[-1]).startswith("ping_"):  # whoever knows it can ping too
            return "what stands here"
        text = quoted(hide_password(self._document.written.get(path, str(value))))
        return text if isinstance(value, str) else text[1:-1]


# ------------------------------------------------------------------ schema


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


def places(schema: Mapping[str, Any]) -> list[str]:
    """Every key of the configuration, dotted: ``posts.permalink``, ``digests.NAME.title``."""
    definitions = schema["$defs"]

    def walk(node: Mapping[str, Any], prefix: str) -> Iterator[str]:
        node = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        for form in [*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())]:
            yield from walk(form, prefix)
        for key, inner in node.get("properties", {}).items():
            yield f"{prefix}{key}"
            yield from walk(inner, f"{prefix}{key}.")
        if isinstance(node.get("additionalProperties"), dict):
            yield from walk(node["additionalProperties"], f"{prefix}NAME.")

    return list(walk(schema, ""))


def _example(schema: Mapping[str, Any]) -> str:
    """The first example, as it is written in YAML."""
    return in_yaml(schema["examples"][0]) if schema.get("examples") else ""


def _for_example(schema: Mapping[str, Any]) -> str:
    example = _example(schema)
    return f"; write for example: {example}" if example else ""


def in_yaml(value: object) -> str:
    """A value in one line of YAML."""
    if isinstance(value, list):
        return "[" + ", ".join(in_yaml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {in_yaml(item)}" for key, item in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
