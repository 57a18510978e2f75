"""The JSON Schema: current, valid, and of one mind with the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from digest.config import load
from digest.config.explain import in_yaml
from digest.config.schema import editor_schema
from digest.config.values import PARSERS

ROOT = Path(__file__).parent.parent.parent


def test_schema_file_is_current() -> None:
    """docs/config.schema.json is what ``python -m digest.config`` prints (make docs renews it)."""
    done = subprocess.run([sys.executable, "-m", "digest.config"], cwd=ROOT, capture_output=True, check=True)
    assert (ROOT / "docs/config.schema.json").read_bytes() == done.stdout


def test_schema_is_valid() -> None:
    Draft202012Validator.check_schema(editor_schema())


def test_sample_satisfies_its_schema() -> None:
    """config.yaml names the schema for editors, satisfies it, and loads."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=docs/config.schema.json\n")
    Draft202012Validator(editor_schema()).validate(yaml.safe_load(text))
    settings = load(ROOT / "config.yaml", {})
    assert settings.site.language == "zh-CN"
    assert settings.posts.folder.is_dir()


def properties(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Section, key and description of every key that is no section."""
    found = [("", key, part) for key, part in schema["properties"].items() if "$ref" not in part]
    for name, definition in schema["$defs"].items():
        found += [(name, key, part) for key, part in definition["properties"].items()]
    return found


EVERY = properties(editor_schema())


@pytest.mark.parametrize(("section", "key", "part"), EVERY, ids=[f"{section}.{key}" for section, key, _ in EVERY])
def test_every_key_is_described(section: str, key: str, part: dict[str, Any]) -> None:
    """Each key has a description in a sentence, and an example that is right, or choices."""
    assert part["description"].endswith(".")
    validator = Draft202012Validator({**part, "$defs": editor_schema()["$defs"]})
    for example in part.get("examples", []):
        validator.validate(example)
        assert yaml.safe_load(in_yaml(example)) == example
    if "default" in part:
        validator.validate(part["default"])
    assert part.get("examples") or part.get("enum") or part.get("type") in ("boolean", "integer", "number")


@pytest.mark.parametrize("kind", PARSERS, ids=lambda kind: kind.__name__)
def test_example_of_a_kind_is_right(kind: type) -> None:
    """What a message offers as an example can be parsed."""
    example = getattr(kind, "example", None)
    if example is not None:
        PARSERS[kind](yaml.safe_load(example) if example.startswith("[") else example)


def test_defaults_stand_as_they_are_written() -> None:
    """An editor shows ``2 MB`` and not the number of bytes."""
    definitions = editor_schema()["$defs"]
    assert definitions["PostSettings"]["properties"]["max_bytes"]["default"] == "2 MB"
    assert definitions["DigestSettings"]["properties"]["expires_after"]["default"] == "18 h"
    assert definitions["FeedSettings"]["properties"]["full_text"]["default"] is False
    assert "default" not in definitions["MailSettings"]["properties"]["port"]
