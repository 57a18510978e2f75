"""``digest backup`` and ``digest restore``: everything that cannot be made again, in one file that is known to be good.

The file is a tar archive, compressed, readable for its owner alone: ``manifest.json`` (what, when, how many rows, and
checksums), ``store.db`` (the whole store as SQLite, ``store.backup``) and ``secret``, without which the links in mails
that are out would stop working and suppressed addresses would no longer be known. Configuration, posts and templates
are the operator's own files and not in it; pages and feeds are made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from msgspec import Struct, json

import digest
from digest.app.moment import moment, time_option
from digest.app.secret import VARIABLE
from digest.config import Settings, load
from digest.disk import reason, remedy, sync_path
from digest.errors import ConfigError, OutputError, StoreError
from digest.store.backup import Inventory, copy_out, look_into, take_in
from digest.store.versions import refuse_newer

_FORMAT = 1
_MANIFEST, _STORE, _SECRET = "manifest.json", "store.db", "secret"
_MOST = 100_000
"""Bytes of manifest or secret."""


class _Format(Struct, frozen=True, kw_only=True):
    format: int = _FORMAT


class Manifest(_Format, frozen=True, kw_only=True):
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
    with _workshop(path) as folder:
        inventory = copy_out(settings.store.url, folder / _STORE)
        given = _given(env)
        secret = given or _secret_in(settings.subscriptions.secret_file)
        manifest = Manifest(
            program=digest.__version__,
            made_at=now,
            kind=settings.store.url.partition(":")[0],
            schema=inventory.schema,
            counts=inventory.counts,
            store_sha256=_sha256(folder / _STORE),
            secret_sha256=hashlib.sha256(secret).hexdigest() if secret else "",
            secret_inside=bool(secret and not given),
        )
        (folder / _MANIFEST).write_bytes(json.format(json.encode(manifest)))
        if manifest.secret_inside:
            (folder / _SECRET).write_bytes(secret)
        packed = folder / "packed"
        _pack(folder, packed)
        again, _, _ = _opened(packed, folder)
        assert again == manifest
        packed.replace(path)
        sync_path(path.absolute().parent)
        return BackupReport(path=path, size=path.stat().st_size, manifest=manifest)


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    with suppress(OSError, tarfile.TarError, zlib.error, KeyError, EOFError), tarfile.open(path) as archive:
        archive.getmember(_MANIFEST)
        return
    raise OutputError(str(path), "is there already, and is no backup", "name another file")


def _given(env: Mapping[str, str]) -> bytes:
    """The secret of the environment, which is not ours to keep."""
    return env.get(VARIABLE, "").strip().encode()


def _secret_in(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        return b""
    except OSError as error:
        why = "allow reading it: without it links in mails that are out stop working"
        raise ConfigError(str(path), f"cannot be read: {reason(error)}", why) from error


@contextmanager
def _workshop(path: Path) -> Iterator[Path]:
    """A private folder beside the file to be written, so that it can be put in place in one step. Raises OutputError
    for whatever goes wrong on the disk."""
    folder = path.absolute().parent
    try:
        made = tempfile.TemporaryDirectory(prefix=".digest-backup-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            str(folder), f"nothing can be written there: {reason(error)}", "name another place"
        ) from error
    try:
        with made as name:
            yield Path(name)
    except OSError as error:
        raise OutputError(
            str(path), f"cannot be written: {reason(error)}", remedy(error, "name another place")
        ) from error


def _pack(folder: Path, target: Path) -> None:
    target.touch(0o600)
    with tarfile.open(target, "w:gz", compresslevel=6) as archive:
        for name in (_MANIFEST, _SECRET, _STORE):
            if (folder / name).exists():
                archive.add(folder / name, name, filter=_private)
    sync_path(target)


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """For whoever unpacks it, alone; nothing about who packed it."""
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member


# ----------------------------------------------------------------- reading


def _opened(path: Path, folder: Path) -> tuple[Manifest, Path, bytes]:
    """The manifest, the store, unpacked into ``folder`` and checked, and the secret. Raises StoreError for anything
    that is not a whole backup. Names and rights of the archive do not count."""
    store = folder / _STORE
    try:
        with tarfile.open(path) as archive:
            manifest = _manifest(_read(archive, _MANIFEST))
            secret = _read(archive, _SECRET) if manifest.secret_inside else b""
            with _member(archive, _STORE) as packed, store.open("wb") as file:
                shutil.copyfileobj(packed, file)
    except (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError) as error:
        raise StoreError(str(path), "is no backup of digest, or a damaged one", "take another one") from error
    sound = _sha256(store) == manifest.store_sha256
    if manifest.secret_inside:
        sound = sound and hashlib.sha256(secret).hexdigest() == manifest.secret_sha256
    if not sound or look_into(store) != Inventory(schema=manifest.schema, counts=manifest.counts):
        raise StoreError(str(path), "is damaged: what it holds is not what was put in", "take another one")
    return manifest, store, secret


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(name)
    return file


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    with _member(archive, name) as file:
        return file.read(_MOST)


def _manifest(raw: bytes) -> Manifest:
    if json.decode(raw, type=_Format).format != _FORMAT:
        raise StoreError("the backup", "was written by a newer version of digest", "upgrade digest")
    return json.decode(raw, type=Manifest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ----------------------------------------------------------------- restore


def inspect(path: Path) -> Manifest:
    """What a backup holds, all of it checked. Raises StoreError."""
    with _unpacked(path) as (manifest, _, _):
        return manifest


def restore(
    settings: Settings, path: Path, env: Mapping[str, str], now: datetime, *, sent_until: datetime | None, force: bool
) -> RestoreReport:
    """Put a backup in the place of the configured store and secret. ``sent_until``: until when mail may have gone out
    since the backup was made; None: none did. Raises StoreError (busy, newer, damaged, used since and no ``force``),
    ConfigError (another secret is there and no ``force``); then nothing has changed."""
    with _unpacked(path) as (manifest, store, secret):
        refuse_newer(str(path), manifest.schema)
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
def _unpacked(path: Path) -> Iterator[tuple[Manifest, Path, bytes]]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise StoreError(str(path), what, "name a file that digest backup wrote")
    try:
        with tempfile.TemporaryDirectory(prefix="digest-restore-") as name:
            yield _opened(path, Path(name))
    except OSError as error:
        raise StoreError(str(error.filename or path), f"cannot be read or written: {reason(error)}", "") from error


_PUT = "put in place"
_SAME = "the same as before"
_NONE = "there was none"


def _plan_secret(path: Path, secret: bytes, manifest: Manifest, env: Mapping[str, str], *, force: bool) -> str:
    """What becomes of the secret. Raises ConfigError if another one is there and nobody said that it may go."""
    if not manifest.secret_sha256:
        return _NONE
    present = _given(env) or _secret_in(path)
    if hashlib.sha256(present).hexdigest() == manifest.secret_sha256:
        return _SAME
    if _given(env) or not manifest.secret_inside:
        return (
            f"NOT the one that mails were signed with: put that one into {VARIABLE}, or links in earlier mails stop "
            "working and suppressed addresses are not known"
        )
    if present and not force:
        raise ConfigError(str(path), "holds another secret than the backup", "move it away, or replace it with --force")
    return _PUT


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
    temporary.touch(0o600, exist_ok=False)
    temporary.write_bytes(secret + b"\n")
    sync_path(temporary)
    temporary.replace(path)
    sync_path(path.parent)
    return kept


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
