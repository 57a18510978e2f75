"""Laws: whatever the file holds, loading it gives settings or problems, and both ways to read it agree."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given
from hypothesis import strategies as st

from digest.config import Settings, load
from digest.config.document import read_document, without_empty
from digest.config.explain import Explainer
from digest.config.schema import editor_schema
from digest.config.values import decode
from digest.errors import ConfigError

SITE: dict[str, Any] = {
    "title": "News",
    "url": "https://news.example.com",
    "language": "en",
    "timezone": "UTC",
    "author": "Ann",
}
SCHEMA = editor_schema()
KEYS = sorted(
    {key for part in SCHEMA["$defs"].values() for key in part["properties"]} | set(SCHEMA["properties"]) | {"<<", "x"}
)
EXAMPLES = [
    example
    for part in [SCHEMA, *SCHEMA["$defs"].values()]
    for each in part["properties"].values()
    for example in [*each.get("examples", []), *each.get("enum", []), each.get("default", 0)]
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=20),
    st.sampled_from([example for example in EXAMPLES if not isinstance(example, list | dict)]),
    st.sampled_from(["17:30", "daily 08:00", "3 days", "sqlite:///x", "a@b.example", "~", "\x1b[31m", "\u202e"]),
)
names = st.one_of(st.sampled_from(KEYS), st.text(max_size=8))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)
sections = st.fixed_dictionaries(
    {"site": st.one_of(st.just(SITE), st.dictionaries(names, anything, max_size=6))},
    optional={key: anything for key in SCHEMA["properties"] if key != "site"},
)


def outcome(raw: bytes) -> Settings | ConfigError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(raw)
        try:
            return load(path, {})
        except ConfigError as error:
            return error


def check_outcome(raw: bytes) -> None:
    found = outcome(raw)
    if isinstance(found, ConfigError):
        assert found.problems
        for line in found.problems:
            assert line.isprintable(), line
            line.encode()


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    """Bytes give settings or problems, each in one printable line; nothing else is ever raised."""
    check_outcome(raw)


@given(st.text(alphabet="abs:-{}[]&*!|>'\"%@`#,?<~=0123456789. \n\t\\\u0085\u2028财", max_size=120))
def test_any_text(text: str) -> None:
    """The same for text made of what YAML gives a meaning to."""
    check_outcome(text.encode())


@given(anything)
def test_any_document(data: object) -> None:
    """The same for sound YAML that holds anything."""
    check_outcome(yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


@given(sections)
def test_any_values_of_known_keys(data: dict[str, Any]) -> None:
    """The same for known keys with wild values."""
    check_outcome(yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


@given(sections)
def test_quick_and_thorough_way_agree(data: dict[str, Any]) -> None:
    """The thorough check finds a fault exactly when decoding fails."""
    document = read_document(yaml.safe_dump(data).encode())
    cleaned = without_empty(document.data)
    try:
        msgspec.convert(cleaned, Settings, dec_hook=decode)
        decoded = True
    except msgspec.ValidationError:
        decoded = False
    assert decoded is not bool(Explainer(document).faults(cleaned))
