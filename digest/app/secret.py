"""The secret that signs links: from the environment, else from a file that is made at first use. And every secret
there is, so that no log says one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from digest.disk import read_secret, reason
from digest.errors import ConfigError
from digest.subscribers.tokens import Keyring, new_keyring_text, parse_keyring

if TYPE_CHECKING:
    from digest.config import Settings

VARIABLE = "DIGEST_SECRET"
_OTHERS = ("DIGEST_IMAP_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")

_REMEDY = "give this user the right to read it, or put the secret into the environment variable DIGEST_SECRET"


def open_keyring(path: Path, env: Mapping[str, str], *, make: bool = True) -> Keyring:
    """The keys. A file that is not there is made, readable by its owner alone; with ``make`` false (a dry run)
    keys are made up and forgotten instead. Raises ConfigError."""
    if env.get(VARIABLE):
        return _parsed(env[VARIABLE], f"environment: {VARIABLE}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = new_keyring_text(secrets.token_bytes(32))
        if make:
            text = _made(path, text)
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be read: {reason(error)}", _REMEDY) from error
    return _parsed(text, str(path))


def _made(path: Path, text: str) -> str:
    """Write it whole or not at all; if another process was first, its secret counts."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            text = path.read_text(encoding="utf-8")
        finally:
            temporary.unlink()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {reason(error)}", _REMEDY) from error
    return text


def _parsed(text: str, subject: str) -> Keyring:
    try:
        return parse_keyring(text)
    except ValueError as error:
        raise ConfigError(
            subject, str(error), "write a random text of 43 characters, or NUMBER:TEXT for each key"
        ) from error


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """What no log may hold, as far as it can be read."""
    from urllib.parse import unquote

    from digest.config import password, watch_token
    from digest.config.loading import TOKEN_VARIABLE
    from digest.config.values import passwords_in

    found = [os.environ.get(name) for name in (VARIABLE, TOKEN_VARIABLE, *_OTHERS)]
    found += [form for word in passwords_in(settings.store.url) for form in (word, unquote(word))]
    with suppress(ConfigError):
        found.append(password(settings.mail, os.environ))
    with suppress(ConfigError):
        found.append(watch_token(settings.watch, os.environ))
    if settings.mail.bounces is not None:
        with suppress(ValueError):
            secret = read_secret(settings.mail.bounces.secret_env, settings.mail.bounces.secret_file)
            found += (secret or "").split()
    with suppress(OSError, UnicodeError):
        found.append(settings.subscriptions.secret_file.read_text(encoding="utf-8").strip())
    return tuple(secret for secret in found if secret)
