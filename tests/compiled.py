"""Most of what a rendering costs is Jinja2's parsing and compiling, and each test, like each run, has an environment of
its own."""

from __future__ import annotations

from types import CodeType
from typing import Any

import jinja2
import pytest


def compile_templates_once(patch: pytest.MonkeyPatch) -> None:
    """Within this process, and those that are forked from it. What a template becomes depends on its text and name,
    and, where a filter meets a constant, on the language."""
    really = jinja2.Environment.compile
    known: dict[tuple[object, ...], CodeType] = {}
    parse = jinja2.Environment.parse
    parsed: dict[tuple[object, ...], jinja2.nodes.Template] = {}

    def compiled(environment: jinja2.Environment, source: str, *name_and_options: Any) -> Any:
        speaks = environment.filters.get("speaks", str)  # of a language without texts
        key = (source, *name_and_options, environment.globals.get("language"), speaks(""))
        if key not in known:
            known[key] = really(environment, source, *name_and_options)
        return known[key]

    def read(environment: jinja2.Environment, source: str, *name_and_file: Any) -> jinja2.nodes.Template:
        """For those who only look at the tree; compiling makes its own."""
        key = (source, *name_and_file)
        if key not in parsed:
            parsed[key] = parse(environment, source, *name_and_file)
        return parsed[key]

    patch.setattr(jinja2.Environment, "compile", compiled)
    patch.setattr(jinja2.Environment, "parse", read)
