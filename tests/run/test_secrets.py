"""Secrets in a whole run: whatever a mail server answers, they are in no report and in no file."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from tests.delivery.scripted_smtp import Dialogue, Say, make_certificate, serving
from tests.run.site_folder import AS_OF, CONFIG, Site

PASSWORD = "Tr0ub4dor-and-3-more"


def pieces(secret: str) -> set[bytes]:
    """All that would give something of it away."""
    return {secret[at : at + 8].encode().lower() for at in range(len(secret) - 7)}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_login_that_is_quoted_is_kept_nowhere(
    site: Site, mechanism: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the run's report, the status, the database, its log or a backup."""
    certificate = make_certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")
    monkeypatch.setenv("DIGEST_SMTP_PASSWORD", PASSWORD)
    site.some_posts()

    def quoting(step: str, dialogue: Dialogue) -> Say | None:
        said = " ".join(dialogue.login_lines)
        decoded = "|".join(base64.b64decode(line).decode() for line in dialogue.login_lines)
        return Say(f"535 5.7.8 cannot do AUTH {mechanism} {said} ({decoded})") if step == "auth" else None

    with serving(quoting, certificate=certificate, implicit_tls=True, mechanisms=mechanism) as server:
        site.configure(
            CONFIG
            + f"  transport: smtp\n  host: 127.0.0.1\n  port: {server.port}\n  user: ann\n  ca_file: {certificate}\n"
        )
        told = [site.command(*words) for words in (("run", "--as-of", AS_OF), ("run", "--json", "--as-of", AS_OF))]
        told += [site.command("status"), site.command("check"), site.command("backup", str(site.folder / "saved"))]
    assert any("***" in each.out + each.err for each in told)
    kept = b"".join(each.out.encode() + each.err.encode() for each in told)
    kept += b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    encoded = [base64.b64encode(text.encode()).decode() for text in (PASSWORD, f"\0ann\0{PASSWORD}")]
    for secret in (PASSWORD, *encoded):
        assert not [piece for piece in pieces(secret) if piece in kept.lower()]


def test_mails_and_previews_are_for_their_owner_alone(site: Site) -> None:
    """They name readers, and hold links that act for them; so does the database."""
    site.some_posts()
    old = os.umask(0)
    try:
        assert site.command("preview", "--as-of", AS_OF).code == 0
        assert site.run().code == 0
        assert site.command("editions", "export", "daily", "2026-11-24", "--to", str(site.folder / "out")).code == 0
    finally:
        os.umask(old)
    var = site.folder / "var"
    private = [*(var / "outbox").iterdir(), *(var / "preview").iterdir(), *(site.folder / "out").iterdir()]
    assert len(private) > 4
    for path in [*private, var / "digest.db"]:
        assert rights(path) == 0o600, path
    assert [rights(folder) for folder in (var / "outbox", var / "preview", site.folder / "out")] == [0o700] * 3


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
