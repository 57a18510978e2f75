"""The floors of docs/architecture.md hold: a module imports lower floors only."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "digest"

FLOORS = (
    {"text", "hashing"},
    {"errors", "models", "receivers", "theme"},
    {"ports", "inquiry", "filetable", "verdicts"},
    {"posts", "changes", "withdrawal", "filenames", "period", "edition", "outbox", "generators", "mailauth"},
    {"clocks", "subscribers", "alarms"},
    {"render"},
    {"disk"},
    {"plugins", "workers", "sources", "store", "templates", "languages", "publish", "mail", "channels", "probes"},
    {"jobs"},
    {"config"},
    {"app"},
    {"web"},
    {"service"},
    {"cli"},
    {"__main__"},
)
"""From the ground up. Within a floor nobody knows the others."""
THINKING = 5
"""The highest floor that touches nothing."""
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
OUTSIDE = {
    "os",
    "pathlib",
    "sqlite3",
    "socket",
    "smtplib",
    "subprocess",
    "urllib.request",
    "psycopg",
    "random",
    "time",
}


def top(module: str) -> str:
    """``digest.posts.dates`` is in ``posts``; ``digest`` itself is nowhere."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(
                f"{node.module}.{alias.name}" if node.module == "digest" else node.module for alias in node.names
            )
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    """No module imports a higher floor, or another one of its own."""
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    floor = FLOOR_OF[own]
    for module in imports(path):
        if not module.startswith("digest") or top(module) in (own, "", "__version__"):
            continue
        other = FLOOR_OF[top(module)]
        assert other < floor, f"{path.name} (floor {floor}) imports {module} (floor {other})"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if FLOOR_OF[path.relative_to(PACKAGE).parts[0].removesuffix(".py")] <= THINKING],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_thinking_touches_nothing(path: Path) -> None:
    """Nouns and thinking import nothing that reaches disk, network, clock or chance."""
    assert not {module for module in imports(path) if module in OUTSIDE or module.split(".")[0] in OUTSIDE}


def test_the_map_names_what_there_is() -> None:
    """Every place in docs/architecture.md can be opened."""
    root = PACKAGE.parent
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:digest|templates|tests)/[^`]*)`", text)
    assert len(places) > 80
    assert [place for place in places if not (root / place).exists()] == []


def test_there_is_no_circle() -> None:
    """Whatever is imported late counts as well."""
    names = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = {name: {each for each in whole_names(path) if each in names} - {name} for name, path in names.items()}
    TopologicalSorter(graph).prepare()


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def whole_names(path: Path) -> set[str]:
    """Every module that may be meant: ``from digest.posts import body`` names one, or something in one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {each for each in below if is_module(each)}
            found |= modules
            if modules != below:
                found.add(node.module)
    return found


def is_module(name: str) -> bool:
    place = PACKAGE.parent / name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").exists()


LIBRARIES = {
    "feedparser": "sources/remote/",
    "httpcore": "sources/remote/",
    "smtplib": "mail/",
    "boto": "publish/s3.py",
    "apprise": "",
}
"""Which part of the package may name a library that others could take the place of; empty: none."""


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_adapters_library_is_named_nowhere_else(library: str) -> None:
    naming = [
        path.relative_to(PACKAGE).as_posix() for path in MODULES if library in path.read_text(encoding="utf-8").lower()
    ]
    assert [name for name in naming if not (LIBRARIES[library] and name.startswith(LIBRARIES[library]))] == []
