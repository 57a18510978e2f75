"""digest subscribers and digest bounces, as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.cli import cli
from tests.run.site_folder import Site
from tests.subscribers.reader_world import CONFIG
from tests.subscribers.test_bounces import dsn


class Commands:
    """A site's folder and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder, CONFIG)

    def __call__(self, *words: str, data: str | bytes | None = None) -> Result:
        config = ["--config", str(self.site.folder / "config.yaml")]
        return CliRunner().invoke(cli, [*words, *config], input=data, standalone_mode=False)

    def said(self, *words: str, data: str | bytes | None = None) -> str:
        result = self(*words, data=data)
        assert result.exception is None, result.exception
        return result.output


@pytest.fixture
def run(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_a_subscribers_life(run: Commands) -> None:
    """Added, listed, shown, removed, erased."""
    assert run.said("subscribers", "add", "ann@example.org") == "ann@example.org: asked to confirm\n"
    added = run.said(
        *("subscribers", "add", "bob@example.org", "--category", "macro"),
        *("--consent", "paper form", "--consent-date", "2026-03-24"),
    )
    assert added == "bob@example.org: active\n"
    assert run.said("subscribers", "list") == (
        "ann@example.org  daily: pending\nbob@example.org  daily: active (macro)\n"
    )
    assert run.said("subscribers", "list", "--state", "active", "--json").count("\n") == 1
    listed = json.loads(run.said("subscribers", "list", "--digest", "daily", "--state", "active", "--json"))
    assert listed["subscriptions"] == {"daily": "active"}
    shown = json.loads(run.said("subscribers", "show", "bob@example.org"))
    assert shown["consents"][0]["text"] == "paper form"
    assert run.said("subscribers", "remove", "bob@example.org") == "bob@example.org: 1 subscriptions ended\n"
    assert run.said("subscribers", "remove", "bob@example.org") == "bob@example.org: had none\n"
    assert run("subscribers", "erase", "bob@example.org", data="n\n").exception is not None
    assert "bob" in run.said("subscribers", "list")
    assert run.said("subscribers", "erase", "bob@example.org", "--yes") == "bob@example.org: erased\n"
    assert "bob" not in run.said("subscribers", "list")


def test_suppressing(run: Commands) -> None:
    run.said("subscribers", "add", "ann@example.org")
    assert run.said("subscribers", "suppress", "ann@example.org", "--note", "letter") == "ann@example.org: suppressed\n"
    assert "already" in run.said("subscribers", "suppress", "ann@example.org")
    assert "suppressed (manual)" in run.said("subscribers", "list")
    assert run.said("subscribers", "add", "ann@example.org") == "ann@example.org: suppressed\n"
    assert "may be written to again" in run.said("subscribers", "unsuppress", "ann@example.org")
    assert "was not suppressed" in run.said("subscribers", "unsuppress", "ann@example.org")


def test_import_is_tried_out_first(run: Commands, tmp_path: Path) -> None:
    """Without --apply nothing changes; with it, and with proof, readers are active; bad rows are named."""
    path = tmp_path / "readers.csv"
    path.write_text("address,frequency,hour,zone\na@example.org,weekly,7,Europe/Berlin\nbad,,,\n")
    tried = run("subscribers", "import", str(path))
    assert tried.return_value == 1
    assert "nothing was changed yet" in tried.output
    assert "1 would be left out, without proof of consent" in tried.output
    assert "--confirm asks them by mail" in tried.output
    assert "1 would be asked to confirm" in run("subscribers", "import", str(path), "--confirm").output
    assert "row 3: the address cannot be used" in tried.output
    assert run.said("subscribers", "list") == ""
    done = run("subscribers", "import", str(path), "--consent", "x", "--consent-date", "2026-03-24", "--apply")
    assert "1 active" in done.output
    assert run.said("subscribers", "list") == "a@example.org  daily: active  weekly  07:00 Europe/Berlin\n"
    exported = run.said("subscribers", "export")
    assert exported.startswith("address,digest,state")
    assert "a@example.org,daily,active" in exported


def test_categories_of_an_import_are_mapped(run: Commands, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("address,categories\na@example.org,Economy\n")
    words = ("subscribers", "import", str(path), "--consent", "x", "--consent-date", "2026-03-24", "--apply")
    assert "--map-category is OLD=NEW" in str(run(*words, "--map-category", "Economy").exception)
    run.said(*words, "--map-category", "Economy=macro")
    assert "daily: active (macro)" in run.said("subscribers", "list")


@pytest.mark.parametrize(
    "words", [("--consent", "x"), ("--consent-date", "2026-03-24"), ("--consent", "x", "--consent-date", "yesterday")]
)
def test_half_a_proof_is_none(run: Commands, words: tuple[str, ...]) -> None:
    result = run("subscribers", "add", "ann@example.org", *words)
    assert "--consent" in str(result.exception)


def test_nobody_has_consented_in_the_future(run: Commands) -> None:
    result = run("subscribers", "add", "ann@example.org", "--consent", "x", "--consent-date", "9999-01-01")
    assert "is in the future" in str(result.exception)
    assert run.said("subscribers", "list") == ""


def test_what_is_no_address_is_told_in_one_line(run: Commands) -> None:
    """Whatever was typed: reports are read by programs too."""
    result = run("subscribers", "add", "ann@example.org\nBcc: bob@example.org")
    assert "\n" not in str(result.exception)
    assert "a***@example.org Bcc: b***@example.org" in str(result.exception)


def test_bounces_are_read_from_a_pipe(run: Commands, tmp_path: Path) -> None:
    """Somebody else's report is ignored; the command answers in one line and sends nothing."""
    assert run.said("bounces", "ingest", "-", data=dsn()) == "1 read, 1 ignored\n"
    (tmp_path / "report.eml").write_bytes(dsn())
    assert run.said("bounces", "ingest", str(tmp_path / "report.eml")) == "1 read, 1 ignored\n"


def test_our_own_fault_is_a_warning(run: Commands, tmp_path: Path) -> None:
    """A refusal for policy is told, with the address masked."""
    run.said("subscribers", "add", "ann@example.org")
    from digest.app.service import service

    with service(run.site.folder / "config.yaml") as running:
        running.send_waiting()
        with running.subscriber_service.store._database.asking() as connection:
            [(token,)] = connection.rows("SELECT token FROM delivery")
    said = run.said("bounces", "ingest", "-", data=dsn(token, status="5.7.1"))
    assert "1 read, 1 bounced" in said
    assert "warning: a***@example.org: refused because of us" in said


def test_a_mail_is_explained(run: Commands, tmp_path: Path) -> None:
    """Verdict, words and rule; nothing is counted."""
    said = run.said("bounces", "explain", "-", data=dsn(status="5.0.0", diagnostic="smtp; 550 Ip frequency limited"))
    for words in (
        "verdict  rate",
        "words    5.0.0 550 Ip frequency limited",
        "Tencent",
        "form     RFC 3464",
        "nobody's",
    ):
        assert words in said
    assert "it would be ignored" in run.said("bounces", "explain", "-", data=b"From: a@example.org\n\nhello\n")
    assert run("bounces", "explain", f"maildir:{tmp_path}").exception is not None


def test_batches_are_listed_accepted_and_undone(run: Commands) -> None:
    """By the number that the list says."""
    assert run.said("bounces", "batches") == "there are none\n"
    for word in ("accept", "undo"):
        result = run("bounces", word, "7")
        assert result.return_value == 1
        assert "no batch 7" in result.output


@pytest.mark.parametrize("name", ["subscribers", "bounces", "serve"])
def test_help_has_an_example(run: Commands, name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert f"For example: digest {name}" in result.output
