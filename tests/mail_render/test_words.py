"""What stays together in a line, and in which language a text is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.render.tongues import foreign
from digest.render.typography import LOOSE, WHOLE, headline_pieces, running_pieces

TEXTS = st.text(st.sampled_from("央行净投放亿元年月日，。：；“” 0123456789.%ABCabc¥"), max_size=60)


@given(text=TEXTS)
def test_pieces_are_the_text(text: str) -> None:
    for pieces in (headline_pieces, running_pieces):
        assert "".join(piece for piece, _ in pieces(text)).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    "title",
    [
        "央行净投放2100亿元，隔夜利率回落至1.31%",
        "收评：指数涨2.1% 两市成交1.21万亿元",
        "OpenAI 发布 GPT-5 模型",
        "",
    ],
)
def test_a_headline_of_short_clauses_is_left_to_its_style(title: str) -> None:
    assert headline_pieces(title) == ((title, ""),)


def test_a_headline_with_a_long_clause_breaks_anywhere_but_in_numbers() -> None:
    pieces = headline_pieces("关于二〇二六年度日常关联交易预计公告称总额约86亿元且须经股东会批准")
    assert [piece for piece, kind in pieces if kind == WHOLE] == ["约86亿元", "会批准"]
    assert {kind for _, kind in pieces} == {WHOLE, LOOSE}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("金额约86亿元，交付自2028年开始；板块一天涨了740亿元市值。", ["约86亿元，", "2028年", "740亿元市值。"]),
        ("公司须于12月7日前书面回复，股东会召开时间顺延。", ["12月7日", "间顺延。"]),
        ("利率回落6个基点至1.31%，涨幅（3%）收窄，北向资金净流入。", ["6个基点", "1.31%，", "（3%）", "净流入。"]),
        ("短句。", []),
        ("It rose 3 % to 86 billion on every single day.", []),
    ],
)
def test_numbers_stay_with_their_units_and_the_last_characters_together(text: str, whole: list[str]) -> None:
    assert [piece for piece, kind in running_pieces(text) if kind == WHOLE] == whole


@pytest.mark.parametrize(
    ("title", "end"),
    [
        ("Why our build went from 31 minutes to 6", "to\xa06"),
        ("Two words", "Two words"),
        ("On internationalisation misunderstandings in old code", "old\xa0code"),
    ],
)
def test_a_latin_headline_leaves_no_short_word_alone(title: str, end: str) -> None:
    ((text, _),) = headline_pieces(title)
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("text", "declared", "page", "language"),
    [
        ("央行降息", None, "zh-CN", ""),
        ("OpenAI 发布 GPT-5 模型", None, "zh-CN", ""),
        ("Copper gives back a week of gains", None, "zh-CN", "en"),
        ("Le cuivre recule", "fr", "zh-CN", "fr"),
        ("一个编译器作者的十年笔记", None, "en", "zh"),
        ("一个编译器作者的十年笔记", "zh-Hant", "en", "zh-Hant"),
        ("日本のメーカーが増やす", None, "zh-CN", "ja"),
        ("삼성전자 신제품 발표", None, "zh-CN", "ko"),
        ("Новости дня", None, "en", "ru"),
        ("央行降息", "zh", "zh-CN", ""),
        ("央行降息", "zh-TW", "zh-CN", "zh-TW"),
        ("86%", None, "zh-CN", ""),
        ("", None, "zh-CN", ""),
    ],
)
def test_a_text_in_another_language_is_told(text: str, declared: str | None, page: str, language: str) -> None:
    assert foreign(text, declared, page) == language
