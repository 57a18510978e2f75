"""A site generator's own configuration, read as the generator does, whatever its form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, ValuesView
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from digest.disk import reason, remedy_to_read
from digest.errors import ConfigError
from digest.text import clean_line

_ENDINGS = ("toml", "yaml", "yml", "json")
_HUGO_FILES = tuple(f"{stem}.{ending}" for stem in ("hugo", "config") for ending in _ENDINGS)
_JEKYLL_FILES = ("_config.yml", "_config.yaml", "_config.toml")
_LARGEST = 4_000_000
_MOST_VALUES = 1_000_000
_MOST_LEVELS = 100
_HUGO_VERSION = re.compile(r"hugo[-_]version\W{1,6}(\d+)\.(\d+)", re.IGNORECASE)
_ABOVE = 3
"""Folders above one of pages in which its site is looked for."""
_DEEPEST = 4
"""Folders between a Jekyll site and its posts."""


class OwnConfiguration(Struct, frozen=True, kw_only=True):
    """The generator's own configuration."""

    generator: str
    shown: str
    """Its name, or names."""
    data: Mapping[str, Any]


def configuration_files(root: Path) -> list[Path]:
    names = (*_JEKYLL_FILES, *_HUGO_FILES)
    found = [root / name for name in names if (root / name).is_file()]
    found = [path for path in found if path.name != "config.yaml" or looks_like_hugo(path)]
    for folder in (root / "config" / "_default", root / "config" / "production"):
        if folder.is_dir():
            found += sorted(path for path in folder.iterdir() if path.suffix.lstrip(".") in _ENDINGS and path.is_file())
    return found


def looks_like_hugo(path: Path) -> bool:
    """Whether a ``config.yaml`` is Hugo's and not ours (or anybody else's)."""
    if path.name != "config.yaml" or not path.is_file():
        return False
    try:
        raw = bytes_of(path)
    except ConfigError:
        return False
    if b"baseurl" not in raw.lower():  # ours lies beside many a site, and every run asks
        return False
    try:
        keys = {str(key).lower() for key in parsed(path)}
    except ConfigError:
        keys = {key.decode().lower() for key in re.findall(rb"^(\w+):", raw, re.MULTILINE)}
    return "baseurl" in keys and "site" not in keys


def own_configuration(root: Path) -> OwnConfiguration | None:
    """What the site's generator is configured with; None without a configuration. Raises ConfigError if it cannot be
    read."""
    files = configuration_files(root)
    if not files:
        return None
    first = files[0]
    if first.name in _JEKYLL_FILES:
        found = parsed(first)
        return OwnConfiguration(generator="hexo" if _is_hexo(root, found) else "jekyll", shown=first.name, data=found)
    data: Mapping[str, Any] = {}
    names: list[str] = []
    for path in files:
        if path.parent != root or not names:  # of several in the root Hugo takes the first
            data = _merged(_hugo_part(path), data)  # folders say it in the end, that of builds the last of all
            names.append(path.relative_to(root).as_posix())
    shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return OwnConfiguration(generator="hugo", shown=shown, data=data)


class HugoConfiguration(Struct, frozen=True, kw_only=True):
    """A Hugo site's configuration, and its folder."""

    root: Path
    data: Mapping[str, Any]

    def version(self) -> tuple[int, int] | None:
        """Of the Hugo that builds the site, such as (0, 123), if its files for a host's builds name one."""
        files = [self.root / "netlify.toml", *sorted((self.root / ".github" / "workflows").glob("*.y*ml"))]
        for path in files:
            try:
                found = _HUGO_VERSION.search(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if found is not None:
                return int(found[1]), int(found[2])
        return None


def hugo_configuration(folder: Path) -> HugoConfiguration | None:
    """Of the Hugo site that the folder is, or is a folder of pages of; None without one. Raises ConfigError if it
    cannot be read."""
    found = _above(folder, _HUGO_FILES, "content", _ABOVE)
    if found is None or found[1].generator != "hugo":
        return None
    root, own = found
    keys = {str(key).lower(): value for key, value in own.data.items()}
    is_named = own.shown.startswith(("hugo.", "config/")) or "baseurl" in keys
    real = folder.resolve()
    is_its_own = root == real or real.relative_to(root).as_posix() in _pages_of(keys)
    return HugoConfiguration(root=root, data=own.data) if is_named and is_its_own else None


def hexo_configuration(folder: Path) -> Mapping[str, object] | None:
    """Of the Hexo site that the folder is, or is the folder of posts of; None without one. Raises ConfigError if it
    cannot be read."""
    found = _above(folder, _JEKYLL_FILES, "source", _ABOVE)
    return found[1].data if found is not None and found[1].generator == "hexo" else None


def _above(folder: Path, names: Sequence[str], usual: str, depth: int) -> tuple[Path, OwnConfiguration] | None:
    """The first configuration of these names in the folder or above it. One that cannot be read may be anybody's:
    raises ConfigError if it is this folder's, because the folder is the site, has the usual name, or stands in it."""
    real = folder.resolve()
    for root in (real, *list(real.parents)[:depth]):
        try:
            files = [path for path in configuration_files(root) if path.name in names or path.parent != root]
        except OSError:  # nobody may look there
            return None
        if not files:
            continue
        try:
            own = own_configuration(root)
        except ConfigError:
            below = real.relative_to(root)
            if root == real or usual in below.parts or any(_says(path, below.as_posix()) for path in files):
                raise
            return None
        return None if own is None else (root, own)
    return None


def _says(path: Path, words: str) -> bool:
    try:
        return words.encode("utf-8", "surrogateescape") in bytes_of(path)
    except ConfigError:
        return False


def _pages_of(keys: Mapping[str, Any]) -> set[str]:
    """The folders of pages of all languages, below the site's."""
    languages = keys.get("languages")
    parts = [each for each in languages.values() if isinstance(each, Mapping)] if isinstance(languages, Mapping) else []
    given = [value for part in (keys, *parts) for key, value in part.items() if str(key).lower() == "contentdir"]
    return {"content", *(str(each).strip("./") for each in given)}


def jekyll_configuration(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Root and configuration of the Jekyll site that a folder of posts belongs to: the site itself, its source, its
    folder of collections, or one of posts in them. Raises ConfigError if it cannot be read."""
    found = _above(folder, _JEKYLL_FILES, "_posts", _DEEPEST)
    if found is None or found[1].generator != "jekyll":
        return None
    root, own = found
    named = [str(own.data.get(key) or "").strip("./").split("/") for key in ("source", "collections_dir")]
    parts = folder.resolve().relative_to(root).parts
    is_posts = bool(parts) and parts[-1] in ("_posts", "_drafts")
    return (root, own.data) if is_posts or set(parts) <= {each for path in named for each in path} else None


def _hugo_part(path: Path) -> Mapping[str, Any]:
    """A file of ``config/_default`` holds the section of its name: ``params.toml``, ``languages.en.toml``."""
    data: Mapping[str, Any] = parsed(path)
    stem, _, language = path.stem.partition(".")
    if stem in ("hugo", "config"):
        return data
    if stem in data and len(data) == 1 and isinstance(data[stem], Mapping):
        data = data[stem]
    if not language:
        return {stem: data}
    return {"languages": {language: data if stem == "languages" else {stem: data}}}


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both; the first one's values win."""
    merged = {**second, **first}
    for key in first.keys() & second.keys():
        if isinstance(first[key], Mapping) and isinstance(second[key], Mapping):
            merged[key] = _merged(first[key], second[key])
    return merged


def _is_hexo(root: Path, data: Mapping[str, Any]) -> bool:
    if (root / "source" / "_posts").is_dir() or "source_dir" in data or (root / "scaffolds").is_dir():
        return True
    return "hexo" in packages(root)


class _Tolerant(yaml.SafeLoader):
    """Reads what a generator's own library would: a tag that only it knows does no harm here."""


def _untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else node.value


_Tolerant.add_multi_constructor("", _untagged)


def parsed(path: Path) -> Mapping[str, Any]:
    """A configuration as a mapping, which nobody may change. Raises ConfigError with the line, if it cannot be read."""
    found = loaded(path)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ConfigError(str(path), "holds no keys", "it should have lines such as: title: My site")
    return found


def loaded(path: Path) -> object:
    """What a file of data holds, which nobody may change. Raises ConfigError with the line, if it cannot be read."""
    return _loaded(path, bytes_of(path))


@lru_cache(maxsize=64)
def _loaded(path: Path, raw: bytes) -> object:
    """A run asks several times for the same few."""
    found: object
    try:
        text = raw.decode("utf-8-sig")
        if path.suffix == ".toml":
            import tomllib  # late: only Hugo sites have it

            found = tomllib.loads(text.replace("\r\n", "\n"))
        elif path.suffix == ".json":
            found = json.loads(text)
        else:
            found = yaml.load(text, _Tolerant)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is not UTF-8 text", "save it as UTF-8") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}{_line(error)}", f"cannot be read: {_reason(error)}", "mend it first") from error
    _refuse_endless(path, found)
    return found


def _refuse_endless(path: Path, found: object) -> None:
    """A few aliases of YAML make a small file large, or one that holds itself."""
    values, level = [found], 0
    count = 0
    while values:
        count, level = count + len(values), level + 1
        if count > _MOST_VALUES or level > _MOST_LEVELS:
            limits = f"{_MOST_VALUES:,} values or {_MOST_LEVELS} levels"
            raise ConfigError(str(path), f"holds more than {limits}, aliases counted each time", "use fewer aliases")
        inner = (each.values() if isinstance(each, Mapping) else each for each in values)
        values = [value for each in inner if isinstance(each, (list, ValuesView)) for value in each]


def bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(str(path), f"has more than {_LARGEST:,} bytes", "is it a configuration?")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {reason(error)}", remedy_to_read(error)) from error


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return f":{mark.line + 1}"
    number = getattr(error, "lineno", None) or next(iter(re.findall(r"at line (\d+)", str(error))), None)
    return f":{number}" if number else ""


def _reason(error: Exception) -> str:
    words = getattr(error, "problem", None) or getattr(error, "msg", None) or str(error) or type(error).__name__
    return clean_line(re.sub(r" \(at line.*", "", str(words)))[:120].lower()


def packages(root: Path) -> tuple[str, ...]:
    try:
        found = json.loads((root / "package.json").read_text(encoding="utf-8"))
        return tuple(name for key in ("dependencies", "devDependencies") for name in found.get(key, {}))
    except (OSError, ValueError, AttributeError, TypeError):
        return ()
