"""What became of a post, in plain words and by code."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.app.asking import look_into_post
from digest.app.collecting import collect_posts
from digest.config import load
from digest.errors import ConfigError, StoreError
from digest.inquiry import Candidates
from digest.jobs.explain.posts import Explanation, Fact, in_words
from tests.subscribers.reader_world import CONFIG, World, opened


def explain(world: World, words: str, digest: str | None = "daily") -> Explanation:
    found = look_into_post(world.app(), words, digest)
    assert isinstance(found, Explanation)
    return found


def facts(world: World, words: str, digest: str | None = "daily") -> dict[str, Fact]:
    """By code."""
    return {fact.code: fact for fact in explain(world, words, digest).facts}


def to_slot(world: World) -> None:
    """To the next morning, a minute past eight."""
    world.later(hours=20, minutes=1)


def test_from_collected_to_an_edition(world: World) -> None:
    """It waits for the next slot; then it has its place, with its reasons."""
    world.begin()
    world.later(minutes=5)
    world.news("second", title="沪指收涨")
    world.run()
    told = facts(world, "2026-11-24-second.md")
    assert told["collected"].says.startswith("collected 2026-11-24 12:05 from _posts/2026-11-24-second.md")
    assert told["waits"].says == "daily: it waits for the edition of 2026-11-25, due 2026-11-25 08:00"
    to_slot(world)
    world.run()
    place = facts(world, "沪指")["in-lead"]
    assert place.says.startswith(
        "daily 2026-11-25 (made 2026-11-25 08:06, finished): with its summary; place 1 in macro"
    )
    assert place.stored == "new turn=1"
    assert place.reasons[0].startswith("new: collected since the digest began")
    assert (place.digest, place.period) == ("daily", "2026-11-25")


def test_the_first_edition_and_what_was_there_before(quick: World) -> None:
    """The newest day is in it, the rest counts as seen."""
    quick.later(days=-2)
    quick.news("old", title="旧闻")
    quick.later(days=2)
    quick.begin()
    assert facts(quick, "first.md")["in-lead"].stored.startswith("newest-day")
    assert "what was there before counts as seen" in facts(quick, "旧闻")["before"].says


def test_edited_withdrawn_and_back(quick: World) -> None:
    """Each with its time; what the file says now is told too."""
    quick.begin()
    quick.later(minutes=5)
    quick.news("second", title="沪指收涨")
    quick.run()
    path = quick.site.posts / "2026-11-24-second.md"
    text = path.read_text()
    quick.later(minutes=5)
    path.write_text(text.replace("沪指收涨", "沪指收跌"))
    quick.run()
    assert facts(quick, "沪指收跌")["edited"].says == "edited, last 2026-11-24 12:10"
    quick.later(minutes=5)
    path.write_text(text.replace("---\nlayout", "---\ntitle: [a\nlayout"))
    quick.run()
    told = facts(quick, "second.md")
    assert "withdrawn" not in told, "a broken file says nothing"
    assert "second.md:2: " in told["stale"].reasons[0]
    quick.later(minutes=5)
    path.write_text(text.replace("---\nlayout", "---\npublished: false\nlayout"))
    quick.run()
    told = facts(quick, "second.md")
    assert told["withdrawn"].says == "withdrawn 2026-11-24 12:20: its file gives no post any more"
    assert "published: false" in told["withdrawn"].reasons[0]
    assert told["gone"].says == "daily: in no edition, and it was withdrawn"
    path.unlink()
    quick.run()
    assert facts(quick, "second.md")["withdrawn"].says.endswith("its file is gone")


def configure(quick: World, line: str, changed: str) -> None:
    quick.site.configure(CONFIG.replace(line, changed))
    quick.settings = load(quick.folder / "config.yaml", {"DIGEST_STORE": f"sqlite:///{quick.folder}/var/quick.db"})


@pytest.mark.parametrize(
    ("extra", "code"),
    [({"extra": "unlisted: true\n"}, "unlisted"), ({"date": "2026-11-20 08:00:00 +0800"}, "too-old")],
)
def test_why_in_no_edition(extra: dict[str, str], code: str, quick: World) -> None:
    configure(quick, "  settle: 0", "  settle: 0\n  hidden_by: [unlisted]")
    quick.begin()
    quick.later(minutes=5)
    quick.site.post("2026-11-24-second.md", title="沪指收涨", link="http://finance.example.com/2", **extra)
    quick.run()
    assert code in facts(quick, "second.md")


def test_what_an_editor_wants_of_it(quick: World) -> None:
    """Before its edition is made and after, in words of its own."""
    quick.begin()
    quick.later(minutes=5)
    link = "http://finance.example.com/"
    quick.site.post("2026-11-24-second.md", title="沪指收涨", link=f"{link}2", extra="digest: pin\n")
    quick.site.post("2026-11-24-third.md", title="深指收涨", link=f"{link}3", extra="digest: skip\n")
    quick.run()
    assert facts(quick, "second.md")["hand"].says.startswith("digest: pin in its front matter")
    told = facts(quick, "third.md")
    assert told["hand"].says.startswith("digest: skip in its front matter: in no edition")
    assert told["skip"].says == "daily: in no edition, since the post says digest: skip"
    to_slot(quick)
    quick.run()
    place = facts(quick, "second.md")["in-lead"]
    assert "pin=post" in place.stored
    assert any("digest: pin" in reason for reason in place.reasons)


def test_categories_and_missed_editions(quick: World) -> None:
    """A digest of other categories; one whose time passed while nothing ran."""
    configure(quick, "daily: {schedule", "daily: {categories: [stocks], schedule")
    quick.news("first", category="stocks")
    quick.run()
    quick.later(minutes=5)
    quick.news("second", category="macro", title="沪指收涨")
    quick.news("third", category="stocks", title="深指收涨")
    quick.run()
    assert facts(quick, "沪指收涨")["category"].says == "daily: it takes stocks, and the post has macro"
    quick.later(days=5)
    quick.run()
    told = facts(quick, "深指收涨")["too-old"].says
    assert told.startswith("daily: it is too old by now; the next edition takes posts since ")
    assert "the edition of 2026-11-26 was missed: nothing ran in time" in told


def test_a_digest_that_has_not_begun(quick: World) -> None:
    """And a date that is still to come is a matter of the file: no post yet."""
    quick.news("first")
    collect_posts(quick.app())
    assert "it has not begun" in facts(quick, "first.md")["not-begun"].says


def test_files_without_a_post(quick: World) -> None:
    """Skipped, left out on purpose, or not looked at yet."""
    quick.begin()
    (quick.site.posts / "2026-11-24-broken.md").write_text("---\ntitle: x\n")
    quick.site.post("2026-11-24-hidden.md", extra="published: false\n")
    quick.site.post("2027-01-01-later.md", date="2027-01-01 08:00:00 +0800")
    assert list(facts(quick, "broken.md")) == ["not-collected"]
    quick.run()
    broken, hidden, later = (explain(quick, f"{name}.md") for name in ("broken", "hidden", "later"))
    assert broken.facts[0].says == "skipped: no post came of it"
    assert "2026-11-24-broken.md:1: the front matter is never closed" in broken.facts[0].reasons[0]
    assert hidden.facts[0].says == "left out on purpose: no post came of it"
    assert [fact.code for fact in later.facts] == ["left-out", "recheck"]


def test_warnings_are_told(quick: World) -> None:
    quick.begin()
    quick.site.post("2026-11-24-second.md", title="沪指\u000b收涨", link="http://finance.example.com/2")
    quick.run()
    assert "second.md" in facts(quick, "second.md")["doubtful"].reasons[0]


def test_words_that_mean_several_or_nothing(quick: World) -> None:
    """By path, id, address or a part of the title; what fits exactly comes alone."""
    quick.begin()
    quick.news("one", title="沪指收涨 100%")
    quick.news("two", title="沪指收涨 100分")
    quick.run()
    both = look_into_post(quick.app(), "沪指", None)
    assert isinstance(both, Candidates)
    assert len(both.posts) == 2
    one = explain(quick, "100%")
    assert one.subject == "沪指收涨 100%"
    for words in (one.about["path"], one.about["id"], one.about["url"], f"{quick.site.posts}/2026-11-24-one.md"):
        assert explain(quick, words).subject == one.subject
    for nothing in ("nothing", "", "__", "a\\b"):
        with pytest.raises(StoreError, match="no post is known by that"):
            look_into_post(quick.app(), nothing, None)
    with pytest.raises(ConfigError, match="there is no digest 'weekly'"):
        look_into_post(quick.app(), "100%", "weekly")


def test_editions_of_some_categories_are_named(quick: World) -> None:
    """Readers of one category get the post too."""
    quick.begin()
    quick.join(categories=("macro",))
    quick.news("second", title="沪指收涨")
    to_slot(quick)
    quick.run()
    assert "(macro)" in facts(quick, "沪指收涨")["variants"].says


def test_every_digest_is_told_and_those_that_are_no_more(
    quick: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without --digest all of them; an edition of a digest that the configuration no longer has as well."""
    quick.begin()
    whole = explain(quick, "first.md", None)
    assert [fact.digest for fact in whole.facts if fact.digest] == ["daily", "evening"]
    fewer = CONFIG.replace('  evening: {title: 晚报, schedule: "weekdays 18:00"}\n', "")
    with opened(tmp_path_factory.mktemp("fewer"), f"sqlite:///{quick.folder}/var/quick.db", fewer) as other:
        told = [fact.digest for fact in explain(other, "first.md", None).facts if fact.digest]
    assert sorted(told) == ["daily", "evening"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("new story=17 ", "it tells the same story as “Title of 17”, which leads it"),
        ("new sources=3", "3 media tell its story"),
        ("new sources=1", "1 medium tells its story"),
        ("new weight=2.5", "gives it 2.5 points"),
        ("new age=5h", "it is 5 hours older than the newest post"),
        ("new turn=4", "its turn was number 4"),
        ("new no-summary", "it has no summary"),
        ("new quota", "(quota)"),
        ("new over=bytes", "(max_bytes)"),
        ("new over=items", "(max_items)"),
        ("new over=minutes", "(minutes)"),
        ("made-up", "made up later"),
        ("new something-newer", "something-newer"),
    ],
)
def test_reasons_in_words(reason: str, words: str) -> None:
    """Every code that an edition keeps; one that is not known is told as it is."""
    assert words in list(in_words(reason, lambda keys: {key: f"Title of {key}" for key in keys}))[-1]


def test_what_is_told_is_about_now(quick: World) -> None:
    """A post that would be too old for the next edition is not said to wait for it."""
    quick.begin()
    quick.later(minutes=5)
    quick.news("second", title="沪指收涨")
    quick.run()
    quick.now += timedelta(days=9)
    assert "too-old" in facts(quick, "沪指收涨")
