"""docs/configuration.md is complete, and every example in it works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from digest.config import load
from digest.config.explain import places
from digest.config.schema import editor_schema
from digest.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
SCHEMA = editor_schema()
SECTIONS = dict(re.findall(r"^### `([^`]+)`\n\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SITE = yaml.safe_load(EXAMPLES[0])


def part(place: str) -> dict[str, Any]:
    """The schema of a key."""
    node: dict[str, Any] = SCHEMA
    for name in place.split("."):
        if name.endswith(")"):  # sources(feed): the class of that kind
            name, _, kind = name[:-1].partition("(")
            forms = below(node)["properties"][name]["items"]["anyOf"]
            node = next(form for form in map(below, forms) if form["properties"]["kind"]["enum"] == [kind])
            continue
        node = node["additionalProperties"] if name == "NAME" else below(node)["properties"][name]
        node = below(node)
    return node


def below(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to; of several forms, the one that has keys."""
    for form in [
        node,
        node.get("items", {}),
        *node.get("anyOf", []),
        *(form.get("items", {}) for form in node.get("anyOf", [])),
    ]:
        for inner in [form, *form.get("anyOf", [])]:
            if "$ref" in inner:
                resolved: dict[str, Any] = SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]]
                return {**resolved, **{key: value for key, value in node.items() if key not in ("$ref", "anyOf")}}
    return node


KEYS = [
    place
    for place in places()
    if place not in ("site", "posts", "feeds", "mail", "subscriptions", "s3", "watch", "pages", "look")
]


def test_every_key_has_its_section() -> None:
    """One section for each key, and none for a key that does not exist."""
    assert sorted(SECTIONS) == sorted(KEYS)
    assert len(KEYS) > 60


@pytest.mark.parametrize("place", KEYS)
def test_section_has_meaning_default_and_example(place: str) -> None:
    """Meaning, then what happens without the key, then an example that sets it."""
    text = SECTIONS[place]
    match = re.fullmatch(r"(.+?)\n\n((?:Default: |Required).+?)\n\n```yaml\n(.+?)```\n*", text, re.DOTALL)
    assert match is not None
    _, after, example = match.groups()
    schema = part(place)
    owner = part(place.rpartition(".")[0]) if "." in place else SCHEMA
    assert after.startswith("Required") is (place.rpartition(".")[2] in owner.get("required", []))
    if "default" in schema and schema["default"] not in ([], {}):
        default = schema["default"]
        written = f"[{', '.join(default)}]" if isinstance(default, list) else str(default).lower()
        assert after.lower().startswith(f"default: `{written.removesuffix('.0')}`")
    assert sets(yaml.safe_load(example), re.sub(r"\(\w+\)", "", place).split("."))


def sets(data: Any, names: list[str]) -> bool:
    """Whether an example gives the key."""
    if not names:
        return True
    if isinstance(data, list):
        return any(sets(item, names) for item in data)
    if not isinstance(data, dict):
        return False
    return any(sets(item, names[1:]) for key, item in data.items() if names[0] in ("NAME", key))


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key, one.get(key))) for key in {**one, **other}}
    return other


@pytest.mark.parametrize("example", [text for text in EXAMPLES if "Shangai" not in text])
def test_example_loads(example: str, tmp_path: Path) -> None:
    """Each example does what it should in the smallest configuration."""
    (tmp_path / "holidays.txt").write_text("2026-10-01..2026-10-08  # golden week\n", encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(merged(SITE, yaml.safe_load(example)), allow_unicode=True), encoding="utf-8")
    load(path, {})


def test_mistakes_look_like_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The faulty example gives exactly the output that is printed below it."""
    monkeypatch.chdir(tmp_path)
    faulty = next(text for text in EXAMPLES if "Shangai" in text)
    Path("config.yaml").write_text(faulty, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Path("config.yaml"), {})
    shown = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown is not None
    assert str(caught.value) == shown[1]


def test_permalink_parts_are_listed() -> None:
    """The page names every part that a Jekyll or Hugo template may have."""
    from digest.config.checks import PERMALINK_PARTS

    for part_name in {name for parts in PERMALINK_PARTS.values() for name in parts}:
        assert f"`:{part_name}`" in SECTIONS["posts.permalink"]
