"""``digest backup`` and ``digest restore``: everything that cannot be made again, in one file that is known to be good.

The file is a tar archive, compressed, readable for its owner alone: ``manifest.json`` (what, when, how many rows, and
checksums), ``store.db`` (the whole store as SQLite, ``store.backup``) and ``secret``, without which the links in mails
that are out would stop working and suppressed addresses would no longer be known. Configuration, posts and templates
are the operator's own files and not in it; pages and feeds are made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict

import digest
from digest.app.moment import moment, time_option
from digest.app.secret import VARIABLE
from digest.config import Settings, load
from digest.disk import remedy, sync_path
from digest.errors import ConfigError, OutputError, StoreError
from digest.store.backup import Inventory, copy_out, look_into, refuse_newer_copy, take_in

_FORMAT = 1
_MANIFEST, _STORE, _SECRET = "manifest.json", "store.db", "secret"
_MOST_MANIFEST = 100_000
_BLOCK = 1 << 20


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    program: str
    """Version of digest that wrote it."""
    made_at: datetime
    """UTC."""
    kind: str
    """``sqlite`` or ``postgresql``: what the store was."""
    schema: str
    counts: dict[str, int]
    """Rows by table."""
    store_sha256: str
    secret_sha256: str
    """Empty if there was no secret yet."""
    secret_inside: bool
    """False: it came from the environment, and is the operator's to keep."""


class BackupReport(Struct, frozen=True, kw_only=True):
    path: Path
    size: int
    manifest: Manifest


class RestoreReport(Struct, frozen=True, kw_only=True):
    """What was put where."""

    manifest: Manifest
    store: str
    """The store's address, without a password."""
    held: int
    """Deliveries that wait for the operator's word."""
    sent_until: datetime | None
    replaced: tuple[Path, ...]
    """Where files are kept that were there before."""
    secret: str
    """What became of it, in words."""


# ------------------------------------------------------------------ backup


def back_up(settings: Settings, path: Path, env: Mapping[str, str], now: datetime) -> BackupReport:
    """Write a backup to ``path``; in a folder, under a name with the time. Nobody has to stop. A file that is there is
    replaced if it is a backup. Raises StoreError, OutputError, ConfigError; then nothing has changed."""
    path = path / f"digest-{now:%Y%m%dT%H%M%SZ}.tar.gz" if path.is_dir() else path
    _refuse_foreign(path)
    with _workshop(path.absolute().parent) as folder:
        store = folder / _STORE
        inventory = copy_out(settings.store.url, store)
        secret, inside = _secret_of(settings, env)
        manifest = Manifest(
            program=digest.__version__,
            made_at=now,
            kind=settings.store.url.partition(":")[0],
            schema=inventory.schema,
            counts=inventory.counts,
            store_sha256=_sha256(store),
            secret_sha256=hashlib.sha256(secret).hexdigest() if secret else "",
            secret_inside=inside and bool(secret),
        )
        packed = folder / "packed"
        with _told(path):
            _pack(packed, manifest, store, secret if inside else b"")
        store.unlink()
        with _told(path), _opened(packed, folder) as (_, _, again):
            assert again == manifest
        with _told(path):
            packed.replace(path)
            sync_path(path.absolute().parent)
            return BackupReport(path=path, size=path.stat().st_size, manifest=manifest)


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    try:
        with tarfile.open(path) as archive:
            if archive.next() is not None and archive.getmember(_MANIFEST):
                return
    except (OSError, tarfile.TarError, KeyError, EOFError):
        pass
    raise OutputError(str(path), "is there already, and is no backup", "name another file")


def _secret_of(settings: Settings, env: Mapping[str, str]) -> tuple[bytes, bool]:
    """The secret, and whether it comes from the file."""
    if env.get(VARIABLE):
        return env[VARIABLE].strip().encode(), False
    path = settings.subscriptions.secret_file
    try:
        return path.read_bytes().strip(), True
    except FileNotFoundError:
        return b"", True
    except OSError as error:
        raise ConfigError(
            str(path),
            f"cannot be read: {_words(error)}",
            "a backup without it would be half a backup; allow reading it",
        ) from error


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A private folder beside the file to be written, so that it can be put in place in one step."""
    try:
        made = tempfile.TemporaryDirectory(prefix=".digest-backup-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            str(folder), f"nothing can be written there: {_words(error)}", "name another place"
        ) from error
    with made as name:
        yield Path(name)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            str(path), f"cannot be written: {_words(error)}", remedy(error, "name another place")
        ) from error


def _pack(path: Path, manifest: Manifest, store: Path, secret: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            facts = {"format": _FORMAT, **asdict(manifest), "made_at": manifest.made_at.isoformat()}
            _add(archive, _MANIFEST, json.dumps(facts, indent=2).encode(), manifest.made_at)
            if secret:
                _add(archive, _SECRET, secret, manifest.made_at)
            with store.open("rb") as data:
                archive.addfile(_member(_STORE, store.stat().st_size, manifest.made_at), data)
        file.flush()
        os.fsync(file.fileno())


def _add(archive: tarfile.TarFile, name: str, data: bytes, at: datetime) -> None:
    archive.addfile(_member(name, len(data), at), io.BytesIO(data))


def _member(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(at.timestamp())
    return member


# ----------------------------------------------------------------- reading


@contextmanager
def _opened(path: Path, folder: Path) -> Iterator[tuple[Path, bytes, Manifest]]:
    """The store, unpacked into ``folder`` and checked, the secret, and the manifest. Raises StoreError for anything
    that is not a whole backup."""
    try:
        with tarfile.open(path) as archive:
            manifest = _manifest(_read(archive, _MANIFEST, _MOST_MANIFEST))
            secret = _read(archive, _SECRET, _MOST_MANIFEST) if manifest.secret_inside else b""
            store = folder / _STORE
            _unpack(archive, store)
    except (tarfile.TarError, EOFError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise StoreError(str(path), "is no backup of digest, or a damaged one", "take another one") from error
    sound = _sha256(store) == manifest.store_sha256
    if manifest.secret_inside:
        sound = sound and hashlib.sha256(secret).hexdigest() == manifest.secret_sha256
    if not sound or not _holds(look_into(store), manifest):
        raise StoreError(str(path), "is damaged: what it holds is not what was put in", "take another one")
    yield store, secret, manifest


def _holds(found: Inventory, manifest: Manifest) -> bool:
    return found.counts == manifest.counts and found.schema == manifest.schema


def _read(archive: tarfile.TarFile, name: str, limit: int) -> bytes:
    member = archive.getmember(name)
    file = archive.extractfile(member) if member.isfile() and member.size <= limit else None
    if file is None:
        raise ValueError(name)
    return file.read()


def _unpack(archive: tarfile.TarFile, target: Path) -> None:
    """Bytes only: neither names nor rights of the archive count."""
    file = archive.extractfile(archive.getmember(_STORE))
    if file is None:
        raise ValueError(_STORE)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while block := file.read(_BLOCK):
            out.write(block)


def _manifest(raw: bytes) -> Manifest:
    facts: dict[str, Any] = json.loads(raw)
    if facts.pop("format") != _FORMAT:
        raise StoreError("the backup", "was written by a newer version of digest", "upgrade digest")
    made_at = datetime.fromisoformat(facts.pop("made_at"))
    return Manifest(made_at=made_at, **facts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ----------------------------------------------------------------- restore


def inspect(path: Path) -> Manifest:
    """What a backup holds, all of it checked. Raises StoreError."""
    with _unpacked(path) as (_, _, manifest):
        return manifest


def restore(
    settings: Settings, path: Path, env: Mapping[str, str], now: datetime, *, sent_until: datetime | None, force: bool
) -> RestoreReport:
    """Put a backup in the place of the configured store and secret. ``sent_until``: until when mail may have gone out
    since the backup was made; None: none did. Raises StoreError (busy, newer, damaged, used since and no ``force``),
    ConfigError (another secret is there and no ``force``); then nothing has changed."""
    with _unpacked(path) as (store, secret, manifest):
        refuse_newer_copy(path, manifest.schema)
        plan = _plan_secret(settings.subscriptions.secret_file, secret, manifest, env, force=force)
        taken = take_in(
            settings.store.url, store, made_at=manifest.made_at, sent_until=sent_until, now=now, force=force
        )
        kept = _put_secret(settings.subscriptions.secret_file, secret, now) if plan == _PUT else None
    return RestoreReport(
        manifest=manifest,
        store=str(settings.store),
        held=taken.held,
        sent_until=sent_until,
        replaced=tuple(each for each in (taken.replaced, kept) if each is not None),
        secret=plan,
    )


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, bytes, Manifest]]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise StoreError(str(path), what, "name a file that digest backup wrote")
    try:
        with tempfile.TemporaryDirectory(prefix="digest-restore-") as name, _opened(path, Path(name)) as parts:
            yield parts
    except OSError as error:
        raise StoreError(str(error.filename or path), f"cannot be read or written: {_words(error)}", "") from error


_PUT = "put in place"
_SAME = "the same as before"
_NONE = "there was none"


def _plan_secret(path: Path, secret: bytes, manifest: Manifest, env: Mapping[str, str], *, force: bool) -> str:
    """What becomes of the secret. Raises ConfigError if another one is there and nobody said that it may go."""
    if not manifest.secret_sha256:
        return _NONE
    present = (env.get(VARIABLE) or "").strip().encode() or _present(path)
    if hashlib.sha256(present).hexdigest() == manifest.secret_sha256:
        return _SAME
    if env.get(VARIABLE) or not manifest.secret_inside:
        return (
            f"NOT the one that mails were signed with: put that one into {VARIABLE}, or links in earlier mails stop "
            "working and suppressed addresses are not known"
        )
    if present and not force:
        raise ConfigError(str(path), "holds another secret than the backup", "move it away, or replace it with --force")
    return _PUT


def _present(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""


def _put_secret(path: Path, secret: bytes, now: datetime) -> Path | None:
    """Put it in place, readable for its owner alone; where the earlier one is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    if path.exists():
        kept = path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
        kept.unlink(missing_ok=True)
        path.rename(kept)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_path(path.parent)
    return kept


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def save_backup(config: Path, path: Path) -> BackupReport:
    """``digest backup``, beside any run. Raises ConfigError, StoreError, OutputError."""
    settings = load(config, os.environ)
    return back_up(settings, path, os.environ, moment(None, settings.site.timezone).now)


def restore_backup(
    config: Path, path: Path, *, force: bool, sent_until: str | None, nothing_sent: bool
) -> tuple[RestoreReport, ZoneInfo]:
    """``digest restore``; the report and the site's zone. Raises ConfigError, StoreError."""
    settings = load(config, os.environ)
    zone = settings.site.timezone
    now = moment(None, zone).now
    until = None if nothing_sent else time_option("--sent-until", sent_until, zone) if sent_until else now
    return restore(settings, path, os.environ, now, sent_until=until, force=force), zone
