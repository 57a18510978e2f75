"""How well posts of one story find each other (digest/edition/stories.py), measured on a labelled sample."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.stories import Telling, find_earlier, group_stories

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("measured_stories", ROOT / "benchmarks" / "stories.py")
assert spec is not None
assert spec.loader is not None
stories = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = stories  # dataclasses look there
spec.loader.exec_module(stories)


@pytest.mark.parametrize(("sample", "same", "alike"), [("sample", 140, 400), ("held out", 60, 200)])
def test_groups_are_right_and_find_most(sample: str, same: int, alike: int) -> None:
    """Precision at least 0.95 at recall at least 0.85, over all pairs of a labelled sample: of one story, of stories
    that look alike, and every other pair. The method was set by the one and not by the other."""
    quality = stories.measure(list(stories.read_reports(stories.SAMPLES[sample])))
    assert quality.same >= same
    assert quality.alike >= alike
    assert quality.precision >= 0.95, quality.wrong
    assert quality.recall >= 0.85, quality.missed


def test_the_benchmark_tells_both_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """In the same line as what they were measured on; with ``--verbose`` the pairs that went wrong."""
    assert stories.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8].strip() for line in lines] == ["", "sample", "held out"]
    stories.main(["--verbose"])
    assert "    missed: " in capsys.readouterr().out


def test_stories_that_look_alike_stay_apart_if_each_is_told_once() -> None:
    """As most are: nothing then says which words belong to a story and which to its kind."""
    first = {(report.family, report.story): report for report in stories.read_reports(stories.SAMPLES["held out"])}
    assert stories.measure(list(first.values())).wrong == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("青岚电池签下320亿元大单", "青岚电池签下320亿元大单", True),
        ("央行开展3200亿元7天期逆回购 净投放1800亿元", "央行开展1500亿元14天期逆回购，净回笼600亿元", False),
        ("", "", False),
        ("！！！", "！！！", False),
        ("Ｑ３　ＧＤＰ　ｇｒｏｗｔｈ　ｓｌｏｗｓ", "q3 gdp growth slows", True),
        ("国产大模型推理成本下降七成", "国产大模型推理成本下降70%", True),
        ("两市成交额超1.6万亿元 沪指重返四千点", "两市成交额1.62万亿元 沪指重返四千点", True),
        ("两市成交额1.5万亿元 沪指重返四千点", "两市成交额1.62万亿元 沪指重返四千点", False),
    ],
)
def test_plain_cases(one: str, other: str, same: bool) -> None:
    others = [Telling(key=key, title=f"无关的第{key}条消息{key * 37}号") for key in range(10, 20)]
    groups = group_stories([Telling(key=1, title=one), Telling(key=2, title=other), *others])
    assert ((1, 2) in groups) is same


def test_different_stocks_speak_against_the_same_story() -> None:
    others = [Telling(key=key, title=f"无关消息{key * 37}") for key in range(10, 20)]

    def grouped(codes: str) -> bool:
        told = [
            Telling(key=1, title="公司季报：净利润大增，海外订单翻倍", codes=frozenset("A")),
            Telling(key=2, title="公司季报：净利润大增，国内需求回暖", codes=frozenset(codes)),
        ]
        return (1, 2) in group_stories(told + others)

    assert grouped("A")
    assert grouped("AB")
    assert not grouped("B")


def test_a_story_is_found_again_the_next_day() -> None:
    today = [Telling(key=1, title="临江化工厂仓库火灾原因查明"), Telling(key=2, title="黄金再创新高")]
    yesterday = [
        Telling(key=11, title="临江化工厂仓库火灾 明火已扑灭"),
        Telling(key=12, title="猪肉价格连降三周"),
        Telling(key=13, title="券商密集发债"),
    ]
    assert find_earlier(today, yesterday) == {1: 11}
    assert find_earlier([], yesterday) == find_earlier(today, []) == {}


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=25))
def test_every_post_is_in_exactly_one_group(texts: list[tuple[str, str]]) -> None:
    tellings = [Telling(key=key, title=title, summary=summary) for key, (title, summary) in enumerate(texts)]
    groups = group_stories(tellings)
    assert sorted(key for group in groups for key in group) == list(range(len(texts)))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    assert groups == group_stories(tellings)


@pytest.mark.slow
def test_a_thousand_posts_come_back_each_once() -> None:
    """However many there are: a busy day of a large site."""
    reports = [report.telling for report in stories.read_reports(stories.SAMPLES["sample"])]
    many = [
        Telling(
            key=copy * 1_000 + report.key,
            title=f"{chr(0x4E00 + copy * 53)}{chr(0x5E00 + copy * 31)}{report.title}",
            summary=f"{chr(0x6E00 + copy * 17)}{chr(0x7E00 + copy * 7)}{report.summary}",
        )
        for copy in range(7)
        for report in reports
    ]
    assert len(many) >= 1_000
    groups = group_stories(many)
    assert sorted(key for group in groups for key in group) == sorted(each.key for each in many)
