"""What the operator does: add, import, export, suppress."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pytest

from digest.errors import DigestError
from digest.jobs.subscribers.people import Added, ImportReport, Proof
from digest.subscribers.columns import COLUMNS
from digest.subscribers.subscription import Choice, Frequency, ListState, Origin, SuppressionReason
from digest.subscribers.table import neutralised
from tests.subscribers.reader_world import World

PROOF = Proof(source="paper form", given_at=datetime(2026, 3, 24, tzinfo=UTC))
DAILY = (Choice(digest="daily"),)


def load(world: World, text: str | bytes, *, proof: Proof | None = PROOF, dry_run: bool = False) -> ImportReport:
    data = text.encode() if isinstance(text, str) else text
    return world.people.import_csv(data, world.now, default=DAILY, proof=proof, dry_run=dry_run)


def addresses(world: World) -> list[str]:
    return [reader.address for reader in world.people.everybody()]


def test_adding_with_proof_makes_active(world: World) -> None:
    """Source and date of the consent are kept."""
    assert world.people.add("ann@example.org", DAILY, world.now, proof=PROOF) is Added.ACTIVE
    assert world.people.add("Ann@Example.org", DAILY, world.now, proof=PROOF) is Added.KNOWN
    (proof,) = world.store.consents(world.people.find("ann@example.org").key)
    assert (proof.origin, proof.text, proof.confirmed_at) == (Origin.OPERATOR, "paper form", PROOF.given_at)
    assert world.sent() == []


def test_adding_without_proof_asks_by_mail(world: World) -> None:
    """Pending, and the reader decides."""
    assert world.people.add("ann@example.org", DAILY, world.now, proof=None) is Added.ASKED
    (mail,) = world.sent()
    assert mail["To"] == "ann@example.org"
    assert world.people.find("ann@example.org").active == ()
    assert world.people.add("ann@example.org", DAILY, world.now, proof=None) is Added.KNOWN


def test_bad_wishes_of_the_operator_are_explained(quick: World) -> None:
    for call, cause in (
        (lambda: quick.people.choice("dayly"), "no such digest"),
        (lambda: quick.people.choice("daily", ["sport"]), "no such category"),
        (lambda: quick.people.add("x", DAILY, quick.now, proof=None), "cannot be used"),
        (lambda: quick.people.find("nobody@example.org"), "no subscriber"),
    ):
        with pytest.raises(DigestError, match=cause):
            call()


def test_removing_ends_one_list_or_all(world: World) -> None:
    world.people.add("ann@example.org", (*DAILY, Choice(digest="evening")), world.now, proof=PROOF)
    assert world.people.remove("ann@example.org", world.now, "daily") == 1
    assert world.people.remove("ann@example.org", world.now, "other") == 0
    assert world.people.remove("ann@example.org", world.now) == 1
    assert world.people.remove("ann@example.org", world.now) == 0


def test_suppression_is_lifted_by_the_operator_alone(world: World) -> None:
    """It outlives erasing, adding and importing do not lift it, only an explicit act does."""
    world.people.add("ann@example.org", DAILY, world.now, proof=PROOF)
    assert world.people.suppress(" Ann@Example.org", "asked by letter", world.now)
    assert not world.people.suppress("ann@example.org", "", world.now)
    assert world.people.find("ann@example.org").suppressed is SuppressionReason.MANUAL
    world.people.erase("ann@example.org", world.now)
    assert world.people.add("ann@example.org", DAILY, world.now, proof=PROOF) is Added.SUPPRESSED
    assert load(world, "ann@example.org\n").counts == {Added.SUPPRESSED: 1}
    assert addresses(world) == []
    assert world.people.unsuppress("ann@example.org")
    assert not world.people.unsuppress("ann@example.org")
    assert world.people.add("ann@example.org", DAILY, world.now, proof=PROOF) is Added.ACTIVE


def test_everybody_can_be_narrowed(world: World) -> None:
    world.people.add("a@example.org", DAILY, world.now, proof=PROOF)
    world.people.add("b@example.org", (Choice(digest="evening"),), world.now, proof=PROOF)
    world.people.remove("b@example.org", world.now)
    assert [each.address for each in world.people.everybody(digest="daily")] == ["a@example.org"]
    assert [each.address for each in world.people.everybody(state=ListState.UNSUBSCRIBED)] == ["b@example.org"]


# --------------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"address\nann@example.org\n", "utf-8"),
        ("address\nann@example.org\n".encode("utf-8-sig"), "utf-8"),
        ("邮箱,姓名\nann@example.org,张三\n".encode("gb18030"), "gb18030"),
        (b"E-Mail;Name\r\nann@example.org;Ann\r\n", "utf-8"),
        (b"name\temail\nAnn\tann@example.org\n", "utf-8"),
        (b"ann@example.org\n", "utf-8"),
        (b'"ann@example.org","Lee, Ann"\n', "utf-8"),
        (b"\n\naddress\n\n ann@example.org \n", "utf-8"),
        ("Email\tName\r\nann@example.org\tAnn\r\n".encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + "email;name\nann@example.org;Ann".encode("utf-16-be"), "utf-16"),
        (b"Email Address,First Name,Last Name\nann@example.org,Ann,Lee\n", "utf-8"),
        (b"email_address,notes\nann@example.org,x\n", "utf-8"),
        (b"Subscriber,Sent,Opens\nann@example.org,3,1\n", "utf-8"),
        (b"Subscriber,Email\n17,ann@example.org\n", "utf-8"),
        (b'email\n"Ann Lee" <ann@example.org>\n', "utf-8"),
        (b'email\n"Ann ""A."" Lee <ann@example.org>"\n', "utf-8"),
        (b"email\nmailto:ann@example.org\n", "utf-8"),
        ("email\n\u200eann@example.org\u00a0\n".encode(), "utf-8"),
        (b"sep=;\r\nemail;name\r\nann@example.org;Ann, the first\r\n", "utf-8"),
        (b"Ann,ann@example.org\n", "utf-8"),
    ],
)
def test_files_in_many_shapes(quick: World, data: bytes, encoding: str) -> None:
    """UTF-8 with or without BOM, UTF-16 with one, GB18030 detected; comma, semicolon, tab; with or without a heading,
    in the spelling of many programs; an address with a name."""
    report = load(quick, data)
    assert (report.counts, report.encoding, report.bad) == ({Added.ACTIVE: 1}, encoding, [])
    assert addresses(quick) == ["ann@example.org"]


def test_bad_rows_are_named_by_number(world: World) -> None:
    """The others are taken; numbers are those an editor shows."""
    report = load(
        world,
        "address,digest,categories,frequency,hour,zone,paused_until\n"
        "ann@example.org,daily,macro|funds,weekly,7,Europe/Berlin,2026-12-24\n"
        "no address,,,,,,\n"
        "b@example.org,dayly,,,,,\n"
        "c@example.org,daily,sport,,,,\n"
        "d@example.org,daily,,hourly,,,\n"
        "e@example.org,daily,,,24,,\n"
        "f@example.org,daily,,,,Mars/Base,\n"
        "g@example.org,daily,,,,,tomorrow\n"
        "ann@example.org,daily,,,,,\n",
    )
    assert [bad.number for bad in report.bad] == [3, 4, 5, 6, 7, 8, 9]
    assert report.bad[2].reason.startswith("sport: daily offers no such category; it offers: ")
    assert report.rows == 9
    assert report.counts == {Added.ACTIVE: 1, Added.KNOWN: 1}
    reader = world.people.find("ann@example.org")
    assert reader.active[0].categories == ("macro", "funds")
    assert (reader.preferences.frequency, reader.preferences.hour, reader.preferences.zone) == (
        Frequency.WEEKLY,
        7,
        "Europe/Berlin",
    )
    assert reader.preferences.paused_until == date(2026, 12, 24)


def test_a_dry_run_changes_nothing_and_says_the_same(world: World) -> None:
    """Dry run first."""
    text = "a@example.org\nb@example.org\nbad\n"
    tried = load(world, text, dry_run=True)
    assert addresses(world) == []
    done = load(world, text)
    assert (tried.counts, tried.bad) == (done.counts, done.bad)
    assert addresses(world) == ["a@example.org", "b@example.org"]


def test_importing_again_changes_nothing(world: World) -> None:
    """Repeatable; whoever left meanwhile is not taken back."""
    load(world, "a@example.org\nb@example.org\n")
    world.people.remove("b@example.org", world.now)
    assert load(world, "a@example.org\nb@example.org\n").counts == {Added.KNOWN: 2}
    assert world.people.find("b@example.org").active == ()


def test_rows_of_one_reader_follow_each_other(world: World) -> None:
    """A reader's later row finds what the earlier one did, although many rows are taken in together."""
    text = (
        "address,digest,frequency,paused_until\n"
        "a@example.org,daily,weekly,\n"
        "b@example.org,daily,,\n"
        "A@example.org,evening,daily,2026-12-24\n"
        "a@example.org,daily,,\n"
    )
    assert load(world, text).counts == {Added.ACTIVE: 3, Added.KNOWN: 1}
    reader = world.people.find("a@example.org")
    assert [each.digest for each in reader.active] == ["daily", "evening"]
    assert (reader.address, reader.preferences.paused_until) == ("a@example.org", date(2026, 12, 24))
    assert [len(each.choices) for each in world.store.consents(reader.key)] == [1, 1]
    assert [each.key for each in world.store.audience("daily", tuple(Frequency), world.now)] == [
        world.people.find("b@example.org").key
    ]


def test_a_broken_import_leaves_whole_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those before it are in; doing it again takes in the rest and changes nothing about them."""
    monkeypatch.setattr("digest.jobs.subscribers.people.BATCH", 2)
    text = "".join(f"{name}@example.org\n" for name in "abcdefg")
    told: list[tuple[str, int, int]] = []

    def stop(work: str, done: int, total: int) -> None:
        told.append((work, done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.people.import_csv(text.encode(), world.now, default=DAILY, proof=PROOF, dry_run=False, progress=stop)
    assert told == [("importing subscribers", 2, 7), ("importing subscribers", 4, 7)]
    assert addresses(world) == [f"{name}@example.org" for name in "abcd"]
    assert load(world, text).counts == {Added.KNOWN: 4, Added.ACTIVE: 3}
    assert addresses(world) == [f"{name}@example.org" for name in "abcdefg"]
    assert all(len(world.store.consents(reader.key)) == 1 for reader in world.people.everybody())


def test_whoever_comes_back_is_not_paused_any_more(world: World) -> None:
    """A pause ends with the subscription it was for."""
    load(world, "address,paused_until\na@example.org,2027-01-01\n")
    world.people.remove("a@example.org", world.now)
    world.join("a@example.org")
    assert world.people.find("a@example.org").preferences.paused_until is None
    assert [each.address for each in world.store.audience("daily", tuple(Frequency), world.now)] == ["a@example.org"]


def test_without_proof_rows_are_asked_to_confirm(world: World) -> None:
    """Pending unless the operator states source and date."""
    assert load(world, "a@example.org\nb@example.org\n", proof=None).counts == {Added.ASKED: 2}
    assert [str(mail["To"]) for mail in world.sent()] == ["a@example.org", "b@example.org"]
    assert all(reader.active == () for reader in world.people.everybody())


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"name\nAnn\n", "names no column"),
        (b"\xff\xff\xff", "neither UTF-8"),
        (b'a@b.org,"' + b"x" * 200_000, "not CSV"),
    ],
)
def test_what_is_no_table_is_refused(quick: World, data: bytes, cause: str) -> None:
    with pytest.raises(DigestError, match=cause):
        load(quick, data)


def test_columns_that_say_nothing_to_us_are_named(quick: World) -> None:
    """With the number of rows that have something there: nothing is passed over in silence."""
    text = "email,name,note,address\na@example.org,Ann,,1 Elm Street\nb@example.org,Bob,x,\n"
    report = load(quick, text)
    assert report.unused == {"name": 2, "note": 1, "address": 1}
    assert load(quick, "a@example.org,Ann\n").unused == {"column 2": 1}


def test_a_row_of_several_lines_has_the_number_of_its_first(quick: World) -> None:
    """Where an editor jumps to."""
    (bad,) = load(quick, 'email,note\na@example.org,"one\ntwo"\nbad,"three\nfour"\n').bad
    assert bad.number == 4


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_are_neutralised(start: str) -> None:
    """A spreadsheet shows them as text."""
    assert neutralised(f"{start}1+1") == f"'{start}1+1"
    assert neutralised(f"1{start}") == f"1{start}"


def test_what_is_exported_can_be_imported(world: World) -> None:
    """An export holds the proof of consent, hides formulas, and gives the same readers again."""
    load(world, "address,categories\n=cmd|calc@example.org,macro\n用户@example.org,\n")
    evil = Proof(source="=HYPERLINK(1)", given_at=PROOF.given_at)
    world.people.add("+x@example.org", DAILY, world.now, proof=evil)
    text = "".join(world.people.export_csv())
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {row["consent_text"] for row in rows} == {"paper form", "'=HYPERLINK(1)"}
    before = addresses(world)
    for address in before:
        world.people.erase(address, world.now)
    report = load(world, text)
    assert report.bad == []
    assert addresses(world) == before
    assert world.people.find("=cmd|calc@example.org").active[0].categories == ("macro",)
