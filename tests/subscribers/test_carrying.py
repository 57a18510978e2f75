"""Our own export read again: the same people, as long as the secret is the same."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.jobs.subscribers.people import Added, Proof
from digest.store.versions import tables
from digest.subscribers.subscription import Choice, Frequency, ListState, Preferences, SuppressionReason
from tests.scale import scaled
from tests.subscribers.reader_world import NOON, World
from tests.subscribers.test_people import DAILY, PROOF, load

ADDRESSES = ("ann@example.org", "Bob+x@example.org", "=cmd|x@example.org", "'=1@example.org", "用户@example.org")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
MOMENTS = st.integers(1_577_836_800, 1_793_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
CHOICES = st.builds(
    Choice,
    digest=st.sampled_from(("daily", "evening")),
    categories=st.sampled_from(((), ("macro",), ("funds", "macro"))),
)
WISHES = st.builds(
    Preferences,
    frequency=st.sampled_from(Frequency),
    hour=st.none() | st.integers(0, 23),
    zone=st.sampled_from(("", "Europe/Berlin")),
    paused_until=st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)
PROOFS = st.builds(Proof, source=TEXT, given_at=MOMENTS)
ACTS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(ADDRESSES), CHOICES, WISHES, st.none() | PROOFS),
    st.tuples(st.just("sign up"), st.sampled_from(ADDRESSES), CHOICES, TEXT, st.booleans()),
    st.tuples(st.just("remove"), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("suppress"), st.sampled_from(ADDRESSES), st.sampled_from(SuppressionReason), TEXT),
    st.tuples(st.just("erase"), st.sampled_from(ADDRESSES)),
)


def act(world: World, kind: str, address: str, *rest: Any) -> None:
    world.later(hours=1)
    people = world.people
    known = world.store.subscriber_by(people.parse(address).canonical)
    if kind == "add":
        choice, wishes, proof = rest
        people.add(address, (choice,), world.now, preferences=wishes, proof=proof)
        world.signup.handle(world.now)
    elif kind == "sign up":
        choice, text, confirmed = rest
        world.ask(address, choices=(choice,), text=text)
        world.signup.handle(world.now)
        asked = world.store.subscriber_by(people.parse(address).canonical)
        for consent in world.store.consents(asked.key) if asked and confirmed else ():
            world.store.confirm(consent.key, world.now)
    elif kind == "suppress":
        reason, note = rest
        world.store.suppress(
            world.subscriber_service.keys.hashed(people.parse(address).canonical), reason, note, world.now
        )
    elif known is not None and kind == "remove":
        people.remove(address, world.now)
    elif known is not None:
        people.erase(address, world.now)


def emptied(world: World) -> None:
    """The store as it was when it was new, but for posts and editions, of which there are none."""
    with world.store._database.changing() as connection:
        for table in reversed(tables("sqlite")):
            if table not in ("feed", "digest_schema", "meta"):
                connection.run(f"DELETE FROM {table}")


def dossiers(world: World) -> list[dict[str, Any]]:
    """All that an export carries."""
    found = []
    for reader in world.store.subscribers():
        kept = world.store.dossier(reader.key)
        assert kept is not None
        kept["subscriber"] = {
            name: value for name, value in kept["subscriber"].items() if name not in ("held_until", "probe_at")
        }
        found.append({name: kept[name] for name in ("subscriber", "subscriptions", "consents", "suppressed")})
    return found


def exported(world: World) -> str:
    return "".join(world.people.export_csv())


@settings(
    max_examples=scaled(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(ACTS, max_size=12))
def test_export_and_import_are_inverse(world: World, acts: list[tuple[Any, ...]]) -> None:
    """States, preferences, suppressions and proofs of consent, also of people who are erased; twice is once."""
    emptied(world)
    world.now = NOON
    for each in acts:
        act(world, *each)
    text, before = exported(world), dossiers(world)
    emptied(world)
    world.later(days=1)
    tried = load(world, text, proof=None, dry_run=True)
    assert exported(world).count("\r\n") == 1
    done = load(world, text, proof=None)
    assert (done.counts, done.bad, done.unused) == (tried.counts, [], {})
    assert (exported(world), dossiers(world)) == (text, before)
    assert set(load(world, text, proof=None).counts) <= {Added.KNOWN}
    assert (exported(world), dossiers(world)) == (text, before)
    assert world.store.unhandled() == []


def moved(world: World) -> str:
    """An export of three people, one of whom is erased and suppressed; the store is empty then, and has another
    secret."""
    for name in ("ann", "bob", "cy"):
        world.people.add(f"{name}@example.org", DAILY, world.now, proof=PROOF)
        if name != "ann":
            world.people.suppress(f"{name}@example.org", "asked by letter", world.now)
    world.people.erase("cy@example.org", world.now)
    text = exported(world)
    emptied(world)
    world.settings.subscriptions.secret_file.write_text("1:another-secret-that-is-long-enough\n")
    return text


def test_another_secret_leaves_hashes_out(world: World) -> None:
    """Whoever has an address is taken, suppression and all; a hash alone is counted, and named with what to do."""
    report = load(world, moved(world), proof=None)
    assert report.counts == {Added.ACTIVE: 1, Added.KEPT: 1, Added.STRANGE_HASH: 1}
    (bad,) = report.bad
    assert bad.number == 4
    assert "made with another secret" in bad.reason
    assert "subscriptions.secret_file" in bad.reason
    assert [each.suppressed for each in world.people.everybody()] == [None, SuppressionReason.MANUAL]
    assert not world.people.suppress("bob@example.org", "", world.now)


def test_an_earlier_export_can_be_read(world: World) -> None:
    """Without proofs as JSON; what its columns say of consent is kept."""
    report = load(
        world,
        "address,digest,state,categories,frequency,hour,zone,paused_until,since,suppressed,consent,asked_at,"
        "confirmed_at,consent_text,consent_ip\n"
        "a@example.com,daily,active,,daily,,,,2026-11-01T02:07:16+00:00,,form,2026-11-01T02:00:00+00:00,"
        "2026-11-01T02:07:16+00:00,I want mail.,192.0.2.0\n"
        "b@example.com,daily,unsubscribed,,daily,,,,2026-11-02T00:00:00+00:00,,import,2026-11-01T00:00:00+00:00,"
        "2026-11-01T00:00:00+00:00,paper,\n"
        "c@example.com,daily,active,,daily,,,,2026-11-01T00:00:00+00:00,manual,import,2026-11-01T00:00:00+00:00,"
        "2026-11-01T00:00:00+00:00,paper,\n"
        "d@example.com,daily,active,,daily,,,,2026-11-01T00:00:00+00:00,,,,,,\n",
        proof=None,
    )
    assert report.bad == []
    assert report.counts == {Added.ASKED: 1, Added.ACTIVE: 1, Added.LEFT: 1, Added.KEPT: 1}
    assert [each.address for each in world.store.audience("daily", tuple(Frequency), world.now)] == ["a@example.com"]
    assert world.people.find("b@example.com").subscriptions[0].state is ListState.UNSUBSCRIBED
    (proof,) = world.store.consents(world.people.find("a@example.com").key)
    assert (proof.text, proof.ip) == ("I want mail.", "192.0.2.0")


def test_an_export_undoes_nothing_here(world: World) -> None:
    """Whoever left since stays away, and whoever came by themselves stays."""
    world.join("ann@example.org")
    world.people.add("bob@example.org", DAILY, world.now, proof=PROOF)
    world.people.remove("ann@example.org", world.now)
    text = exported(world)
    world.later(days=1)
    world.join("ann@example.org")
    world.people.remove("bob@example.org", world.now)
    load(world, text)
    assert [len(reader.active) for reader in world.people.everybody()] == [1, 0]


@pytest.mark.parametrize(
    ("column", "cell", "cause"),
    [
        ("state", "gone", "state is pending, active, unsubscribed, not 'gone'"),
        ("since", "yesterday", "since is a time such as"),
        ("since", "0001-01-01T00:00:00+14:00", "since is a time such as"),
        ("paused_until", "9999-12-31", "no later than 2999"),
        ("consent_text", "a\0b", "holds a NUL"),
        ("suppressed", "why", "suppressed is bounce, complaint, manual"),
        ("proof", "{", "proof cannot be read"),
        ("digest", "", "belong together"),
        ("digest", "dayly", "no such digest"),
    ],
)
def test_what_was_edited_badly_is_named(quick: World, column: str, cell: str, cause: str) -> None:
    """By its row; nothing of it is taken."""
    quick.people.add("ann@example.org", DAILY, quick.now, proof=PROOF)
    heading, row = exported(quick).splitlines()
    cells = dict(zip(heading.split(","), row.split(",", len(heading.split(",")) - 1), strict=True)) | {column: cell}
    emptied(quick)
    report = load(quick, f"{heading}\n{','.join(cells.values())}\n")
    assert [(bad.number, cause in bad.reason) for bad in report.bad] == [(2, True)]
    assert list(quick.people.everybody()) == []
