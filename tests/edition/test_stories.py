"""How well posts of one story find each other (digest/edition/stories.py), measured on a labelled sample."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.stories import Stories, Telling, find_earlier, group_stories

NAMES = ["昆铭", "瑞衡", "东冶", "白鹿", "晋阳", "启澜", "沃森达", "海格", "泽普", "岭南"]
ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("measured_stories", ROOT / "benchmarks" / "stories.py")
assert spec is not None
assert spec.loader is not None
stories = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = stories  # dataclasses look there
spec.loader.exec_module(stories)


@pytest.mark.parametrize(
    ("sample", "same", "alike", "recall"),
    [
        ("sample", 140, 400, 0.9),
        ("look-alikes", 70, 10_000, 0.9),
        ("held out", 60, 200, 0.8),
        ("held-out look-alikes", 40, 1_300, 0.85),
        ("another hand", 25, 900, 0.65),
        ("fresh hand", 25, 900, 0.95),
        ("follow-ups", 45, 1_400, 0.25),
        ("held-out follow-ups", 40, 1_400, 0.25),
    ],
)
def test_groups_are_right_and_find_most(sample: str, same: int, alike: int, recall: float) -> None:
    """Precision at least 0.95, over all pairs of a labelled sample: of one story, of stories that look alike, and every
    other pair. How hard the samples are to find all of differs."""
    quality = stories.measure([each for each in stories.read_reports(stories.SAMPLES[sample]) if not each.before])
    assert quality.same >= same
    assert quality.alike >= alike
    assert quality.precision >= 0.95, quality.wrong
    assert quality.recall >= recall, quality.missed


@pytest.mark.parametrize(
    ("sample", "same", "precision", "recall"),
    [
        ("look-alikes", 7, 0.75, 0.85),
        ("held-out look-alikes", 7, 0.85, 0.55),
        ("another hand", 5, 0.95, 0.95),
        ("fresh hand", 4, 0.65, 0.95),
        ("follow-ups", 35, 0.95, 0.75),
        ("held-out follow-ups", 35, 0.95, 0.85),
    ],
)
def test_follow_ups_are_right_and_most_are_found(sample: str, same: int, precision: float, recall: float) -> None:
    quality = stories.measure_updates(list(stories.read_reports(stories.SAMPLES[sample])))
    assert quality.same >= same
    assert quality.precision >= precision, quality.wrong
    assert quality.recall >= recall, quality.missed


def test_the_benchmark_tells_all_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """In the same line as what they were measured on; with ``--verbose`` the pairs that went wrong."""
    assert stories.main(["held out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines] == ["", "held out: groups"]
    stories.main(["--verbose", "held out"])
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
    assert any(set(group) == {1, 2} for group in groups) is same


def test_different_stocks_speak_against_the_same_story() -> None:
    def grouped(one: str, other: str) -> bool:
        told = [
            Telling(key=1, title="锦程医药三季报净利润大增58%", codes=frozenset(one)),
            Telling(key=2, title="锦程医药三季报：净利润增长58%", codes=frozenset(other)),
        ]
        return len(group_stories(told)) == 1

    assert grouped("", "B")
    assert grouped("A", "AB")
    assert not grouped("A", "B")


@pytest.mark.parametrize(
    "titles",
    [
        [f"{name}股份：前三季度净利润同比增长{number}%" for number, name in enumerate(NAMES, start=11)],
        [f"证监会同意{name}科创板IPO注册" for name in NAMES],
        [f"{name}：股东拟减持不超过2%公司股份" for name in NAMES],
        ["Ruby 3.4.1 Released", "Ruby 3.3.7 Released", "Node 22.11.0 released", "Django 5.1.4 released"],
        ["中国船舶：签订2亿元重大合同", "中国重工：签订2亿元重大合同"],
        ["北京：取消新房限售政策", "上海：取消新房限售政策"],
        ["苹果公司发布新款手机", "华为公司发布新款手机", "小米公司发布新款手机"],
        ["How to deploy Django on Kubernetes", "How to deploy Flask on Kubernetes"],
        ["Introducing our new office in Berlin", "Introducing our new CEO"],
        ["沪铜主力合约涨超3%", "沪铜主力合约涨超5%"],
        ["读史随想（一）：秦", "读史随想（二）：汉"],
        ["Command Line Tuesdays - Part Seven", "Command Line Tuesdays - Part One"],
        ["Google Summer of Code 2015", "Google Summer of Code 2013"],
        ["Fourth Milestone of Leap Is Out", "Fifth Milestone of Leap Is Out"],
        ["第128题：最长连续序列", "第129题：求根节点到叶节点数字之和"],
    ],
)
def test_what_only_looks_alike_stays_apart(titles: list[str]) -> None:
    """Also where there is nothing else to tell common words by."""
    told = [Telling(key=key, title=title) for key, title in enumerate(titles)]
    assert len(group_stories(told)) == len(titles)
    half = len(told) // 2
    assert find_earlier(told[:half], told[half:]) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("台積電第三季營收創新高 年增30%", "台积电第三季营收创新高 年增30%"),
        ("九月新增公共充电桩11800个 广东居首", "9月公共充电桩新增1.18万个，广东最多"),
        ("NVIDIA市值突破5万亿美元", "英伟达市值首次突破5万亿美元"),
        ("Nvidia takes $1 billion stake in Nokia", "Nokia soars as Nvidia invests $1 billion"),
        ("英伟达 H20 芯片 Blackwell Rubin 发布", "Nvidia's H20, Blackwell and Rubin chips"),
    ],
)
def test_one_story_in_two_spellings(one: str, other: str) -> None:
    assert len(group_stories([Telling(key=1, title=one), Telling(key=2, title=other)])) == 1


def test_a_round_up_joins_no_story() -> None:
    told = [
        Telling(key=1, title="央行降准0.5个百分点", summary="释放长期资金约一万亿元。"),
        Telling(key=2, title="早安世界｜央行降准0.5个百分点；英伟达发布新芯片", summary="今日要闻。"),
        Telling(key=3, title="早安世界｜央行降准0.5个百分点；英伟达发布新芯片", summary="今日要闻。"),
        Telling(key=4, title="英伟达发布新芯片", summary="性能翻倍。"),
        Telling(key=5, title="Weekly roundup: Fed cuts rates"),
        Telling(key=6, title="Fed cuts rates"),
    ]
    assert sorted(map(sorted, group_stories(told))) == [[1], [2], [3], [4], [5], [6]]
    assert find_earlier(told[1:2], told[:1]) == {}


def test_titles_that_any_post_may_have_are_no_copies() -> None:
    told = [Telling(key=1, title="公告", summary="停水。"), Telling(key=2, title="公告", summary="招聘。")]
    assert len(group_stories(told)) == 2


def test_the_archive_tells_common_words_from_rare_ones() -> None:
    told = [Telling(key=1, title="晚霞镇集市花农大会开张"), Telling(key=2, title="晚霞镇集市办起花农大会")]
    archive = [f"晚霞镇集市花农大会第{number}号摊位" for number in range(2_000)]
    assert len(group_stories(told)) == 1
    assert len(group_stories(told, archive)) == 2


def test_the_main_report_leads_and_not_the_newest_side_angle() -> None:
    """Newest first, as posts come; one with a summary goes before one without."""
    main = "青岚电池与北湖汽车签订六年固态电池供货协议，总金额约320亿元，2028年起供货。"
    told = [
        Telling(key=4, title="青岚电池大单背后：固态电池概念股走强", summary="受青岚电池供货协议影响，板块走强。"),
        Telling(key=3, title="青岚电池与北湖汽车签固态电池供货协议", summary=""),
        Telling(key=2, title="青岚电池与北湖汽车签订六年固态电池供货协议 金额320亿元", summary=main),
        Telling(key=1, title="青岚电池签下320亿元固态电池大单", summary="客户为北湖汽车。"),
    ]
    assert group_stories(told) == ((2, 4, 3, 1),)


def test_a_story_is_found_again_the_next_day() -> None:
    today = [Telling(key=1, title="临江化工厂仓库火灾原因查明"), Telling(key=2, title="黄金再创新高")]
    yesterday = [
        Telling(key=11, title="临江化工厂仓库火灾 明火已扑灭"),
        Telling(key=12, title="猪肉价格连降三周"),
        Telling(key=13, title="券商密集发债"),
    ]
    assert find_earlier(today, yesterday) == {1: 11}
    assert find_earlier([], yesterday) == find_earlier([*today, *yesterday], []) == {}


@pytest.mark.parametrize(
    ("today", "earlier"),
    [
        (
            ("云岭矿难遇难人数升至31人 搜救结束", "云岭煤矿透水事故救援指挥部说，失联矿工全部找到。"),
            ("云岭煤矿发生透水 12人遇难 搜救仍在进行", "事故发生在凌晨，还有19名矿工失联。"),
        ),
        (
            ("泽川大桥垮塌 无人受伤", "前一天封闭的泽川大桥今晨垮塌，桥墩的裂缝两天前发现。"),
            ("泽川大桥桥墩出现裂缝 昨夜起封闭", "车辆绕行，专家今天到场。"),
        ),
        (
            ("Valmere ferry death toll rises to 19", "Divers found ten more bodies in the capsized Valmere ferry."),
            ("Nine die as Valmere ferry capsizes in storm", "Divers will look for the missing in the morning."),
        ),
    ],
)
def test_a_story_goes_on_with_new_figures(today: tuple[str, str], earlier: tuple[str, str]) -> None:
    (new, more), (old, before) = today, earlier
    others = [Telling(key=key, title=f"无关的第{key}条消息{key * 37}号") for key in range(10, 20)]
    told = [Telling(key=2, title=old, summary=before), *others]
    assert find_earlier([Telling(key=1, title=new, summary=more)], told) == {1: 2}


@pytest.mark.parametrize(
    ("today", "earlier"),
    [
        ("湖滨铜库存增加1250吨 现货升水40元", "湖滨铜库存增加2480吨 现货升水15元"),
        ("十月全国新车销量218万辆", "九月全国新车销量196万辆"),
        ("海关总署：暂停进口阿根廷帕拉尔厂牛肉", "海关总署：恢复进口智利莫里纳厂车厘子"),
        ("2026年飞翎建筑奖揭晓", "2026年飞翎文学奖揭晓"),
    ],
)
def test_tables_and_offices_go_on_with_nothing(today: str, earlier: str) -> None:
    """The next table has other numbers in the same words, the same office does another thing."""
    others = [Telling(key=key, title=f"无关的第{key}条消息{key * 37}号") for key in range(10, 20)]
    assert find_earlier([Telling(key=1, title=today)], [Telling(key=2, title=earlier), *others]) == {}


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=25))
def test_every_post_is_in_exactly_one_group(texts: list[tuple[str, str]]) -> None:
    tellings = [Telling(key=key, title=title, summary=summary) for key, (title, summary) in enumerate(texts)]
    groups = group_stories(tellings)
    assert sorted(key for group in groups for key in group) == list(range(len(texts)))
    assert [min(group) for group in groups] == sorted(min(group) for group in groups)
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


def test_a_numeral_may_be_as_long_as_it_likes() -> None:
    """And is none then."""
    endless = "八" * 400 + "成"
    assert group_stories([Telling(key=1, title=endless), Telling(key=2, title="央行降息", summary=endless)]) == (
        (1,),
        (2,),
    )


def test_letters_of_other_scripts_are_no_pairs() -> None:
    """Whether words of Cyrillic letters begin as others end says nothing."""

    def titles(word: str) -> list[Telling]:
        return [Telling(key=key, title=f"исход {word} {key}", summary="") for key in (1, 2)]

    north, kabul = (Stories(titles(word)) for word in ("север", "кабул"))
    assert north.likeness(0, 1) == kabul.likeness(0, 1)
