"""``digest backup`` and ``digest restore``, as the operator meets them."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.app.backup import back_up, inspect, restore
from digest.config import Settings
from digest.errors import ConfigError, DigestError, OutputError, StoreError, StoreTooNew
from tests.run.site_folder import Site

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MORNING = "2026-11-24 09:00"


def secret(site: Site) -> Path:
    return site.folder / "var" / "secret"


def backup(settings: Settings, path: Path, now: datetime = NOW, **env: str) -> Path:
    return back_up(settings, path, env, now).path


# -------------------------------------------------------------- as a person


def test_from_backup_to_restore(site: Site, settings: Settings, tmp_path: Path) -> None:
    """A disk is lost; two commands later everything is as it was, and nobody gets a mail twice."""
    assert len(site.mails()) == 1
    done = site.command("backup", str(tmp_path))
    assert done.code == 0, done.err
    assert "3 posts, 1 editions, 1 deliveries" in done.out
    (file,) = tmp_path.glob("digest-*.tar.gz")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for path in sorted((site.folder / "var").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    done = site.command("restore", str(file), "--sent-until", MORNING)
    assert done.code == 0, done.err
    assert "secret: put in place" in done.out or "secret: there was none" in done.out
    report = site.run_json()
    assert report.code == 0
    assert site.mails() == []
    assert report.report["collected"]["arrived"] == 0


def test_a_folder_that_is_not_there_is_no_file(site: Site, tmp_path: Path) -> None:
    """With its slash it is meant as a folder: as a file each backup would replace the one before."""
    done = site.command("backup", f"{tmp_path}/backups/")
    assert done.code == 1
    assert "backups/: there is no such folder; make it" in done.err
    assert not (tmp_path / "backups").exists()


def test_check_reads_a_backup(site: Site, settings: Settings, tmp_path: Path) -> None:
    """Without touching anything."""
    file = backup(settings, tmp_path / "b.tar.gz")
    done = site.command("backup", "--check", str(file))
    assert (done.code, done.out) == (
        0,
        f"{file} is whole: made 2026-11-24 12:00 UTC, 3 posts, 1 editions, 1 deliveries, 0 subscribers\n",
    )


def test_options_that_contradict_each_other(site: Site, tmp_path: Path) -> None:
    """Are a misuse."""
    done = site.command("restore", "x", "--sent-until", MORNING, "--nothing-sent")
    assert done.code == 2
    assert site.command("restore", "x", "--sent-until", "yesterday").code == 2


# --------------------------------------------------------- the lost edition


def lost(site: Site, tmp_path: Path, *, first: str, words: tuple[str, ...] = ()) -> Path:
    """A backup made at ``first``, and a store that sent an edition after it and is gone."""
    assert site.run(*words, as_of=first).code == 0
    file = tmp_path / "b.tar.gz"
    assert site.command("backup", str(file)).code == 0
    site.post("2026-11-25-new.md", title="新的一天", date="2026-11-25 07:00:00 +0800")
    sent = len(site.mails())
    assert site.run(as_of="2026-11-25 08:05").code == 0
    assert len(site.mails()) == sent + 1
    for mail in (site.folder / "var" / "outbox").glob("*.eml"):
        mail.unlink()
    return file


def site_doubts(site: Site) -> str:
    """What ``digest doubts list`` says."""
    return site.command("doubts", "list").out


@pytest.mark.parametrize(("first", "words"), [(MORNING, ()), (MORNING, ("--only", "collect"))])
def test_an_edition_that_went_out_after_the_backup_does_not_go_out_again(
    site: Site, tmp_path: Path, first: str, words: tuple[str, ...]
) -> None:
    """It is made again for the web, with everybody in doubt until the operator decides; the very first one too."""
    file = lost(site, tmp_path, first=first, words=words)
    done = site.command("restore", str(file), "--force", "--sent-until", "2026-11-25 10:00")
    assert done.code == 0, done.err
    assert "digest doubts list" in done.out
    report = site.run_json(as_of="2026-11-25 10:05")
    assert [edition["period"] for edition in report.report["editions"]["results"]] == ["2026-11-25"]
    assert site.mails() == []
    listed = site_doubts(site)
    assert "2026-11-25" in listed
    assert "restored from a backup" in listed


def test_an_edition_goes_out_if_the_operator_knows_that_it_did_not(site: Site, tmp_path: Path) -> None:
    """``--nothing-sent``, or an earlier ``--sent-until``."""
    for option in (("--nothing-sent",), ("--sent-until", "2026-11-25 07:59")):
        folder = tmp_path / option[0]
        folder.mkdir()
        fresh = Site(folder / "site-folder")
        fresh.some_posts()
        file = lost(fresh, folder, first=MORNING)
        assert fresh.command("restore", str(file), "--force", *option).code == 0
        assert fresh.run(as_of="2026-11-25 10:05").code == 0
        assert len(fresh.mails()) == 1


# ------------------------------------------------------------------ secret


def test_secret_comes_with_it(site: Site, settings: Settings, tmp_path: Path) -> None:
    """Without it links in mails would stop working. It is put back for its owner alone."""
    secret(site).parent.mkdir(exist_ok=True)
    secret(site).write_text("s" * 43 + "\n")
    file = backup(settings, tmp_path / "b.tar.gz")
    secret(site).unlink()
    report = restore(settings, file, {}, NOW, sent_until=None, force=False)
    assert report.secret == "put in place"
    assert secret(site).read_text().strip() == "s" * 43
    assert stat.S_IMODE(secret(site).stat().st_mode) == 0o600
    assert restore(settings, file, {}, NOW, sent_until=None, force=False).secret == "the same as before"


def test_another_secret_is_not_replaced_unasked(site: Site, settings: Settings, tmp_path: Path) -> None:
    """By force it is, and kept."""
    secret(site).write_text("s" * 43)
    file = backup(settings, tmp_path / "b.tar.gz")
    secret(site).write_text("t" * 43)
    before = (site.folder / "var" / "digest.db").read_bytes()
    with pytest.raises(ConfigError, match="holds another secret"):
        restore(settings, file, {}, NOW, sent_until=None, force=False)
    assert (site.folder / "var" / "digest.db").read_bytes() == before
    report = restore(settings, file, {}, NOW, sent_until=None, force=True)
    assert {path.name for path in report.replaced} == {
        "digest.db.replaced-20261124T120000Z",
        "secret.replaced-20261124T120000Z",
    }


def test_a_secret_of_the_environment_stays_there(site: Site, settings: Settings, tmp_path: Path) -> None:
    """Only its checksum is kept, to tell when another one is in use."""
    mine, other = {"DIGEST_SECRET": "s" * 43}, {"DIGEST_SECRET": "t" * 43}
    report = back_up(settings, tmp_path / "b.tar.gz", mine, NOW)
    assert b"sss" not in report.path.read_bytes()
    assert not report.manifest.secret_inside
    assert restore(settings, report.path, mine, NOW, sent_until=None, force=False).secret == "the same as before"
    said = restore(settings, report.path, other, NOW, sent_until=None, force=False).secret
    assert said.startswith("NOT the one")
    done = subprocess.run(
        [sys.executable, "-m", "digest", "backup", str(tmp_path), "--config", str(site.folder / "config.yaml")],
        env={**os.environ, **mine},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "the secret comes from the environment" in done.stdout


def test_a_secret_that_cannot_be_read_stops_the_backup(site: Site, settings: Settings, tmp_path: Path) -> None:
    """Half a backup would be found out too late."""
    secret(site).unlink(missing_ok=True)
    secret(site).mkdir()
    with pytest.raises(ConfigError, match="links in mails that are out"):
        backup(settings, tmp_path / "b.tar.gz")
    assert not list(tmp_path.glob("*.gz"))


# ---------------------------------------------------------------- refusals


def test_a_backup_replaces_a_backup_and_nothing_else(site: Site, settings: Settings, tmp_path: Path) -> None:
    """A name typed wrongly costs no file."""
    file = backup(settings, tmp_path / "b.tar.gz")
    first = file.read_bytes()
    assert backup(settings, file, NOW + timedelta(hours=1)).read_bytes() != first
    config = site.folder / "config.yaml"
    text = config.read_text()
    with pytest.raises(OutputError, match="is no backup"):
        backup(settings, config)
    assert config.read_text() == text


def test_a_place_where_nothing_can_be_written(settings: Settings, tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(OutputError, match="nothing can be written there"):
        backup(settings, tmp_path / "missing" / "b.tar.gz")


def test_a_full_disk_leaves_the_earlier_backup(site: Site, settings: Settings, tmp_path: Path) -> None:
    """Nothing half written stays, and the exit code tells."""
    file = backup(settings, tmp_path / "b.tar.gz")
    before = file.read_bytes()
    limited = ("prlimit", "--fsize=100000", "--")
    done = site.command("backup", str(file), prefix=limited)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".digest")] == []


def packed(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("_", ".", 1))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


def emptied(path: Path) -> None:
    packed(path, manifest_json=b"{}", store_db=b"")


def of_the_future(path: Path) -> None:
    packed(path, manifest_json=b'{"format": 99}', store_db=b"")


def with_another_store(path: Path) -> None:
    """The manifest is right, the store is not what it says."""
    with tarfile.open(path) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        text = manifest.read()
    packed(path, manifest_json=text, store_db=b"SQLite format 3\0")


def other_file(path: Path) -> None:
    path.write_text("not a backup")


@pytest.mark.parametrize("spoil", [cut, flipped, emptied, of_the_future, with_another_store, other_file])
def test_what_is_no_whole_backup_changes_nothing(
    site: Site, settings: Settings, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """It is found out before anything is touched."""
    file = backup(settings, tmp_path / "b.tar.gz")
    before = (site.folder / "var" / "digest.db").read_bytes()
    spoil(file)
    with pytest.raises(DigestError) as caught:
        restore(settings, file, {}, NOW, sent_until=None, force=True)
    assert "\n" not in str(caught.value)
    assert (site.folder / "var" / "digest.db").read_bytes() == before
    with pytest.raises(DigestError):
        inspect(file)


@pytest.mark.parametrize("name", ["missing.tar.gz", "."])
def test_files_that_are_none(settings: Settings, tmp_path: Path, name: str) -> None:
    """The remedy says what to name."""
    with pytest.raises(StoreError, match="digest backup wrote"):
        restore(settings, tmp_path / name, {}, NOW, sent_until=None, force=True)


def test_a_backup_of_a_newer_version(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused as its store would be."""
    import digest.store.versions

    file = backup(settings, tmp_path / "b.tar.gz")
    monkeypatch.setattr(digest.store.versions, "HEAD", "0000")
    with pytest.raises(StoreTooNew, match="upgrade digest"):
        restore(settings, file, {}, NOW, sent_until=None, force=True)


def test_members_with_names_that_lead_elsewhere_are_not_written(settings: Settings, tmp_path: Path) -> None:
    """Bytes are taken from the members that a backup has; nothing else of the archive counts."""
    file = backup(settings, tmp_path / "b.tar.gz")
    with tarfile.open(file) as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    with tarfile.open(file, "w:gz") as archive:
        for name, data in {"../../evil": b"x", **parts}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    restore(settings, file, {}, NOW, sent_until=None, force=True)
    assert not (tmp_path.parent / "evil").exists()


def test_manifest_is_readable_with_ordinary_tools(settings: Settings, tmp_path: Path) -> None:
    """tar and any text viewer."""
    file = backup(settings, tmp_path / "b.tar.gz")
    done = subprocess.run(["tar", "-xzOf", file, "manifest.json"], capture_output=True, check=True, timeout=60)
    facts = json.loads(done.stdout)
    assert facts["format"] == 1
    assert facts["counts"]["post"] == 3
    assert facts["kind"] == "sqlite"
