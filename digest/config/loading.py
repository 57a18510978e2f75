"""From a file to settings: the quick way when all is well, the thorough one when it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from digest.config.channels import ConfiguredChannel
from digest.config.checks import check_settings
from digest.config.document import Document, Fault, Unreadable, read_document, without_empty
from digest.config.kinds import with_plugins, without_plugins
from digest.config.settings import NO_FOLDER, MailSettings, Settings, WatchSettings
from digest.config.values import Dates, Destination, StoreUrl, decode
from digest.disk import reason, remedy_to_read
from digest.errors import ConfigError

STORE_VARIABLE = "DIGEST_STORE"
TOKEN_VARIABLE = "DIGEST_WATCH_TOKEN"  # noqa: S105 - the name of a variable
SHORTEST_TOKEN = 16

_S = TypeVar("_S", bound=msgspec.Struct)


def load(path: Path, env: Mapping[str, str]) -> Settings:
    """The settings of a configuration file. Relative paths in it are counted from its folder.

    ``env`` is the environment; DIGEST_STORE in it wins over ``store``. Raises ConfigError with every problem,
    one line each; nothing was touched then.
    """
    return parse(_read(path), path, env)


def parse(raw: bytes, path: Path, env: Mapping[str, str]) -> Settings:
    """The settings in the text of a configuration that is, or will be, at ``path``. As ``load`` otherwise."""
    try:
        document = read_document(raw)
    except Unreadable as error:
        raise _error(path, error.faults) from error
    data = without_empty(document.data)
    store, other = _store_from(env)
    try:
        settings = msgspec.convert(without_plugins(data), Settings, dec_hook=decode)
    except (msgspec.ValidationError, RecursionError) as error:
        from digest.config.explain import explain  # late: only a faulty file needs it

        raise _error(path, explain(document, data, str(error)), other) from error
    if store is not None:
        settings = msgspec.structs.replace(settings, store=store)
    settings = _resolved(settings, path.absolute().parent)
    if settings.sources and "folder" not in cast("dict[str, object]", data.get("posts", {})):
        settings = msgspec.structs.replace(settings, posts=msgspec.structs.replace(settings.posts, folder=NO_FOLDER))
    settings, unread = _with_holidays(settings, path.absolute().parent, document)
    if len(settings.sources) < len(cast("list[object]", data.get("sources", []))):
        settings, more = with_plugins(settings, data, document)  # few configurations name any
        unread += more
    faults = [*document.faults, *unread, *check_settings(settings, document)]
    if faults or other:
        raise _error(path, faults, other)
    return settings


def password(mail: MailSettings, env: Mapping[str, str]) -> str | None:
    """The SMTP password, read now: from the environment, else from the file. None if neither is there to read.

    Raises ConfigError if the file cannot be read or is empty.
    """
    if env.get(mail.password_env):
        return env[mail.password_env]
    if mail.password_file is None:
        return None
    try:
        text = mail.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _password_error(mail, f"cannot be read: {reason(error)}") from error
    if not text:
        raise _password_error(mail, "is empty")
    return text


def watch_token(watch: WatchSettings, env: Mapping[str, str]) -> str | None:
    """The token of the status page and the metrics, read now. None if there is none.

    Raises ConfigError if the file cannot be read, or if the token is too short to be one.
    """
    text, place = env.get(TOKEN_VARIABLE, ""), f"environment: {TOKEN_VARIABLE}"
    if not text:
        if watch.token_file is None:
            return None
        place = f"watch.token_file: {watch.token_file}"
        try:
            text = watch.token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _token_error(place, f"cannot be read: {reason(error)}") from error
    text = text.strip()
    if len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable():
        raise _token_error(place, f"is no token of {SHORTEST_TOKEN} letters and digits or more")
    return text


def _token_error(place: str, cause: str) -> ConfigError:
    remedy = "make one, for example with: openssl rand -hex 24"
    return ConfigError(place, cause, remedy, (f"{place} {cause}; {remedy}",))


def _password_error(mail: MailSettings, cause: str) -> ConfigError:
    remedy = f"put the password into it, or into the environment variable {mail.password_env}"
    line = f"mail.password_file: {mail.password_file} {cause}; {remedy}"
    return ConfigError("mail.password_file", f"{mail.password_file} {cause}", remedy, (line,))


# -------------------------------------------------------------------- file


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        text = "there is no such file; digest init writes one for an existing site, --config FILE names another"
        raise _error(path, [Fault(text=text)]) from error
    except IsADirectoryError as error:
        text = f"is a folder; name the file in it, for example: --config {path / 'config.yaml'}"
        raise _error(path, [Fault(text=text)]) from error
    except (OSError, ValueError) as error:
        why = (reason(error), remedy_to_read(error)) if isinstance(error, OSError) else _NO_NAME
        text = f"cannot be read: {'; '.join(why)}"
        raise _error(path, [Fault(text=text)]) from error


_NO_NAME = ("the name is not valid", "correct the name")


def _error(path: Path, faults: Sequence[Fault], elsewhere: Sequence[Fault] = ()) -> ConfigError:
    """One error for all faults, those of the file in the order of their lines, and those of the environment."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.line or 0)
    places = [(f"{path}:{fault.line}" if fault.line else str(path), str(fault)) for fault in ordered]
    places += [("environment", str(fault)) for fault in elsewhere]
    problems = tuple(f"{place}: {text}" for place, text in places)
    if len(problems) == 1:
        return ConfigError(*places[0], problems=problems)
    return ConfigError(str(path), f"{len(problems)} problems\n" + "\n".join(problems), "", problems)


# -------------------------------------------------------------------- data


def _store_from(env: Mapping[str, str]) -> tuple[StoreUrl | None, tuple[Fault, ...]]:
    text = env.get(STORE_VARIABLE)
    if not text:
        return None, ()
    try:
        return StoreUrl.parse(text), ()
    except ValueError as error:
        return None, (Fault(text=f"{STORE_VARIABLE} {error}"),)


def _with_holidays(settings: Settings, folder: Path, document: Document) -> tuple[Settings, list[Fault]]:
    """Settings with the days of every ``holidays_file`` among the holidays, and what is wrong with these files."""
    digests, faults = dict(settings.digests), []
    for name, digest in settings.digests.items():
        if digest.holidays_file is not None:
            try:
                days = _read_dates(folder / digest.holidays_file)
            except ValueError as error:
                place = ("digests", name, "holidays_file")
                faults.append(Fault(path=place, line=document.line(place), text=f"{digest.holidays_file} {error}"))
            else:
                digests[name] = msgspec.structs.replace(digest, holidays=(*digest.holidays, *days))
    return (settings if digests == settings.digests else msgspec.structs.replace(settings, digests=digests)), faults


def _read_dates(path: Path) -> list[Dates]:
    """The dates of a file. Raises ValueError, which continues a sentence about the file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read: {reason(error)}; {remedy_to_read(error)}") from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                found.append(Dates.parse(text))
            except ValueError as error:
                raise ValueError(f"has in line {number} what {error}") from error
    return found


def _resolved(value: _S, folder: Path) -> _S:
    """Settings with every path absolute."""
    changed: dict[str, object] = {}
    for name in value.__struct_fields__:
        item = getattr(value, name)
        if isinstance(item, Path):
            changed[name] = folder / item
        elif isinstance(item, dict) and any(isinstance(each, Path) for each in item.values()):
            changed[name] = {key: folder / each for key, each in item.items()}
        elif isinstance(item, tuple) and any(isinstance(each, ConfiguredChannel) for each in item):
            changed[name] = tuple(each.with_paths(partial(_resolved, folder=folder)) for each in item)
        elif isinstance(item, StoreUrl | Destination):
            changed[name] = item.below(folder)
        elif isinstance(item, msgspec.Struct):
            changed[name] = _resolved(item, folder)
        elif name == "sources_as_written":
            changed[name] = tuple(_resolved(each, folder) for each in item)
    return msgspec.structs.replace(value, **changed) if changed else value
