"""Lists of other programs: whoever left, bounced or was blocked there is not written to from here.

The samples are made up, in the shape of each program's export.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.errors import DigestError
from digest.jobs.subscribers.people import Added
from digest.subscribers.fates import Fate, told
from digest.subscribers.subscription import ListState, SuppressionReason
from tests.subscribers.reader_world import World
from tests.subscribers.test_people import DAILY, PROOF, load

READS, OUT, GONE = "reads", "left out", "left"

LISTS = {
    "listmonk": """\
uuid,email,name,attributes,status,created_at,updated_at
x,reads@example.com,Ann,{},enabled,2024-01-01,2024-01-01
y,blocked@example.com,Bob,{},blocklisted,2024-01-01,2024-01-01
z,left@example.com,Cy,{},disabled,2024-01-01,2024-01-01
""",
    "Ghost": """\
id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers
1,reads@example.com,Ann,,true,false,,2024-01-01T00:00:00.000Z,,,
2,left@example.com,Bob,,false,false,,2024-01-01T00:00:00.000Z,,,
3,left.2@example.com,Cy,,true,false,,2024-01-01T00:00:00.000Z,2024-05-01T00:00:00.000Z,,
""",
    "MailPoet": """\
Email,First name,Last name,List,List status,Global status
reads@example.com,A,L,News,Subscribed,Subscribed
left@example.com,B,L,News,Subscribed,Unsubscribed
left.2@example.com,B,L,News,Unsubscribed,Subscribed
bounced@example.com,C,L,News,Subscribed,Bounced
out@example.com,D,L,News,Unconfirmed,Unconfirmed
""",
    "Mailchimp, unsubscribed": """\
Email Address,First Name,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON
left@example.com,Ann,2,2020-01-01 10:00:00,2020-01-01 10:00:00,2021-01-01 10:00:00,May,NORMAL
complained@example.com,Bob,2,2020-01-01 10:00:00,2020-01-01 10:00:00,2021-01-01 10:00:00,May,SPAM
""",
    "Mailchimp, cleaned": """\
Email Address,First Name,MEMBER_RATING,OPTIN_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE
bounced@example.com,Ann,2,2020-01-01 10:00:00,2021-01-01 10:00:00,May
""",
    "Buttondown": """\
email_address,notes,tags,type,creation_date,unsubscription_date,undeliverability_date
reads@example.com,,,regular,2024-01-01,,
reads.2@example.com,,,premium,2024-01-01,,
left@example.com,,,unsubscribed,2024-01-01,2024-02-01,
bounced@example.com,,,undeliverable,2024-01-01,,2024-02-01
blocked@example.com,,,blocked,2024-01-01,,
complained@example.com,,,complained,2024-01-01,,
out@example.com,,,unactivated,2024-01-01,,
""",
    "Substack": """\
email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
reads@example.com,false,,other,false,2025-01-01T00:00:00.000Z,
left@example.com,true,2026-12-01T00:00:00.000Z,yearly,true,2025-01-01T00:00:00.000Z,
""",
    "MailerLite": """\
Subscriber,Sent,Opens,Clicks,Subscribed,Status
reads@example.com,3,1,0,2024-01-01 10:00:00,Active
left@example.com,3,1,0,2024-01-01 10:00:00,Unsubscribed
bounced@example.com,3,1,0,2024-01-01 10:00:00,Bounced
complained@example.com,3,1,0,2024-01-01 10:00:00,Junk
out@example.com,0,0,0,,Unconfirmed
""",
    "beehiiv": """\
Email,Status,Created At,Subscription Tier,UTM Source
reads@example.com,active,2024-01-01,free,
left@example.com,inactive,2024-01-01,free,
out@example.com,pending,2024-01-01,free,
out.2@example.com,validating,2024-01-01,free,
bounced@example.com,invalid,2024-01-01,free,
""",
}
REASONS = {
    "bounced": SuppressionReason.BOUNCE,
    "complained": SuppressionReason.COMPLAINT,
    "blocked": SuppressionReason.MANUAL,
}


@pytest.mark.parametrize("name", LISTS)
def test_only_readers_become_active(quick: World, name: str) -> None:
    """Of each program's list, with an operator's word for everybody's consent; each address says what is right."""
    tried = load(quick, LISTS[name], dry_run=True)
    done = load(quick, LISTS[name])
    assert (tried.counts, tried.bad, tried.unused) == (done.counts, [], done.unused)
    found = {reader.address: reader for reader in quick.people.everybody()}
    wanted = [row.split(",") for row in LISTS[name].splitlines()[1:]]
    for address in (cell for row in wanted for cell in row if "@" in cell):
        fate = address.split("@")[0].split(".")[0]
        if fate == "out":
            assert address not in found
            continue
        reader = found[address]
        assert reader.subscriptions[0].state is (ListState.ACTIVE if fate == READS else ListState.UNSUBSCRIBED)
        assert reader.suppressed is REASONS.get(fate)
    assert set(load(quick, LISTS[name]).counts) <= {Added.KNOWN, Added.UNCONFIRMED}


def test_when_they_left_is_kept(quick: World) -> None:
    """Where the list says so."""
    load(quick, LISTS["Mailchimp, unsubscribed"])
    assert quick.people.find("left@example.com").subscriptions[0].since == datetime(2021, 1, 1, 10, tzinfo=UTC)


def test_the_worst_row_of_somebody_counts(world: World) -> None:
    """Wherever in the file it stands; a dry run says the same."""
    text = (
        "email,status\na@example.org,subscribed\na@example.org,unsubscribed\n"
        "b@example.org,bounced\nb@example.org,subscribed\nc@example.org,unsubscribed\nc@example.org,complained\n"
    )
    counts = {Added.CONTRADICTED: 2, Added.LEFT: 2, Added.BOUNCED: 1, Added.COMPLAINED: 1}
    assert load(world, text, dry_run=True).counts == counts
    assert load(world, text).counts == counts
    assert all(reader.active == () for reader in world.people.everybody())
    assert [each.suppressed for each in world.people.everybody()] == [None, *tuple(REASONS.values())[:2]]


def test_leaving_ends_what_an_import_began(world: World) -> None:
    """But not what somebody asked for here by themselves."""
    load(world, "a@example.org\n")
    world.join("b@example.org")
    report = load(world, "email,status\na@example.org,unsubscribed\nb@example.org,unsubscribed\n")
    assert report.counts == {Added.LEFT: 1, Added.KNOWN: 1}
    assert [len(reader.active) for reader in world.people.everybody()] == [0, 1]


def test_whoever_left_elsewhere_may_come_back(world: World) -> None:
    load(world, "email,status\na@example.org,unsubscribed\n")
    world.join("a@example.org")
    assert world.people.find("a@example.org").active


def test_nobody_is_asked_who_left(world: World) -> None:
    """Without proof of consent neither."""
    text = "email,status\na@example.org,unsubscribed\nb@example.org,bounced\nc@example.org,pending\n"
    assert load(world, text, proof=None).counts == {Added.LEFT: 1, Added.BOUNCED: 1, Added.UNCONFIRMED: 1}
    assert world.sent() == []


@pytest.mark.parametrize(
    "text",
    [
        "email,categories\na@example.org,Markets|gone\n",
        'Email Address,TAGS\na@example.org,"""VIP"",""markets"""\n',
        'email,labels\na@example.org,"vip,Markets"\n',
        "Email,List,List status\na@example.org,Markets,Subscribed\n",
    ],
)
def test_categories_are_mapped(quick: World, text: str) -> None:
    """Their name for it, whatever case; other tags say nothing. Those of the file's own column must be known."""
    mapping = {"Markets": "stocks", "gone": ""}
    report = quick.people.import_csv(
        text.encode(), quick.now, default=DAILY, proof=PROOF, dry_run=False, categories=mapping
    )
    assert (report.bad, report.unused) == ([], {})
    assert quick.people.find("a@example.org").active[0].categories == ("stocks",)


def test_a_category_nobody_offers_is_told(quick: World) -> None:
    """With the way to map it."""
    (bad,) = load(quick, "email,categories\na@example.org,sport\n").bad
    assert "--map-category sport=NAME" in bad.reason
    with pytest.raises(DigestError, match="no digest offers such a category"):
        quick.people.import_csv(
            b"a@example.org\n", quick.now, default=DAILY, proof=PROOF, dry_run=True, categories={"x": "sport"}
        )


def test_a_status_nobody_knows_is_no_yes(quick: World) -> None:
    """It is told, with what to write; a state of the USA is not one."""
    report = load(quick, "email,status,state\na@example.org,zombie,Ohio\nb@example.org,,Utah\n")
    (bad,) = report.bad
    assert bad.number == 2
    assert "status 'zombie' is not known" in bad.reason
    assert report.counts == {Added.ACTIVE: 1}


@pytest.mark.parametrize(
    ("cells", "fate"),
    [
        ({"unsubscribed": "No"}, Fate.READS),
        ({"unsubscribed": "0"}, Fate.READS),
        ({"unsubscribed": "1"}, Fate.LEFT),
        ({"unsubscribed at": "0000-00-00 00:00:00"}, Fate.READS),
        ({"subscribed": "no"}, Fate.LEFT),
        ({"subscribed": ""}, Fate.READS),
        ({"subscribed": "2024-01-01"}, Fate.READS),
        ({"confirmed": "0"}, Fate.UNCONFIRMED),
        ({"blacklisted": "1", "bounced": "1"}, Fate.BLOCKED),
        ({"suppressed": "bounce"}, Fate.BOUNCED),
        ({"status": "Hard-Bounced"}, Fate.BOUNCED),
        ({"globaler status": "Abgemeldet"}, Fate.LEFT),
        ({"order status": "shipped"}, Fate.READS),
        ({"status": "active", "deleted at": "2024-01-01"}, Fate.LEFT),
    ],
)
def test_what_a_row_says(cells: dict[str, str], fate: Fate) -> None:
    assert told(cells, datetime(2026, 11, 24, tzinfo=UTC)).fate is fate
