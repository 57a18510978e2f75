#!/usr/bin/env python3
"""Write an archive of posts for benchmarks: any size, the model's shape, the same bytes every time.

    make_archive.py --posts 17000 --categories 12 --days 45 --seed 1 FOLDER
    make_archive.py --posts 17000 --categories 12 --days 45 --seed 1 --more 100 FOLDER    (100 posts of the next day)

Posts are numbered from 0. What a post says depends on the seed and its number alone, when it appeared on the number
of posts and days as well. ``--more`` writes only the posts that follow number ``--posts`` - 1, so that an archive can
grow round by round: ``--posts 17000 --more 100``, then ``--posts 17100 --more 100``.

A post has front matter (layout, title, date at +0800, categories, tags), a leading blockquote that ends with its
source, HTML paragraphs with linked shares and sectors, a source line, the original's address and two back links.
Sizes are log-normal: median about 3 KB, from 0.5 to 40 KB. Categories are skewed: the k-th has 1/k of the first.
All text is made up.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import NormalDist

ZONE = timezone(timedelta(hours=8))
END = datetime(2026, 11, 24, tzinfo=ZONE)
"""The moment after the archive's last day. Posts of ``--more`` fall on the day that begins here."""

LONG_AGO = 1_700_000_000
"""Time of the files."""

MEDIAN, SPREAD = 3000, 1.0
"""Of the sizes in bytes: the median, and the standard deviation of their natural logarithm."""
SMALLEST, LARGEST = 400, 40_000

NAMES = (
    "news",
    "stocks",
    "macro",
    "funds",
    "global",
    "tech",
    "futures",
    "estate",
    "energy",
    "views",
    "bonds",
    "policy",
)
SOURCES = ("潮声社", "晨钟财讯", "海平线日报", "证市早报", "观澜新闻网", "北纬商报", "数字纪要", "Harbour Wire")
TAGS = ("滚动新闻", "公告速递", "快讯", "数据", "评论", "研报")
FIRST = "澄霁昀朔岚沐鹿榆泊芷云拾海岱砚禾栖临墨铁星苇赤丰玄隐橙青峤瀚望南北白鹤松"
SECOND = "湖川石屏屿汀原树岸溪阙光汐山岫畴云漪池杉渡泽岩穗璜川帆岚钢空舒辰羽鸣涛"
KINDS = ("科技", "动力", "电子", "矿业", "航运", "乳业", "软件", "医疗", "置业", "证券", "银行", "能源", "物流", "化工")
SECTORS = (
    "半导体",
    "新能源",
    "航运",
    "钢铁",
    "游戏",
    "保险",
    "光伏",
    "储能",
    "创新药",
    "机器人",
    "旅游",
    "软件",
    "煤炭",
    "黄金",
)
METRICS = (
    "营业收入",
    "净利润",
    "订单金额",
    "产能利用率",
    "出口量",
    "客座率",
    "销售面积",
    "研发投入",
    "毛利率",
    "库存",
    "发货量",
)
PLACES = ("海晏市", "云汀市", "江临市", "峡口市", "南口市", "北部五省", "沿海港口", "东部产区", "县域市场")
REASONS = (
    "海外需求好于预期",
    "新产线达产",
    "原材料价格回落",
    "去年同期基数较低",
    "冷空气提前到来",
    "航道恢复通行",
    "渠道补库",
    "汇率变动",
)
VIEWS = (
    "市场早有预期",
    "仍需观察下个月的数据",
    "短期影响有限",
    "价格已经反映了大半",
    "真正的考验在明年",
    "结构比总量更值得看",
)
PATTERNS = (
    "{company}公告，{month}月{metric}同比增长{x}%，环比{up}{y}%，主要因{reason}。",
    "{place}今日公布的数据显示，{sector}行业{metric}为{n}亿元，比上年同期{up}{x}%。",
    "受{reason}影响，{sector}板块今日{up}{x}%，{company}成交{n}万手，换手率{y}%。",
    "“{view}，”一位接近{company}的人士说，“{metric}的变化要放到三年里看。”",
    "分析人士认为，{reason}只是一面，{view}。",
    "按计划，{company}将在{month}月底前完成{place}项目的建设，总投资{n}亿元，预计新增{metric}{x}%。",
    "{company}表示，公司将继续控制成本，{metric}目标维持在{n}亿元左右不变。",
    "截至{month}月末，{place}{sector}企业共有{n}家，其中{y}家的{metric}超过上年全年水平。",
    "值得注意的是，{company}与{company2}在{place}的合作已进入第{y}年，双方约定按{x}%比7%的比例分成。",
    "In {place}, {company} said that its orders rose {x} percent in the month and that it had {n} staff on site.",
    "记者在{place}看到，{sector}企业的仓库里堆着半人高的货箱，负责人说，“{reason}，忙到{month}月底没问题”。",
    "数据还显示，{sector}的{metric}连续{y}个月{up}，为近五年来最长的一段。",
)
HEADLINES = (
    "{company}：{month}月{metric}同比增长{x}%",
    "{place}{sector}{metric}{up}{x}% {reason}",
    "{sector}板块{up}{x}% {company}领头",
    "{company}与{company2}签约 涉及金额{n}亿元",
    "{reason} {sector}企业{metric}{up}{y}%",
    "{company}回应“{metric}{up}{x}%”：{view}",
)

Draw = Callable[[int], int]
"""A number from 0 up to, not including, the one given."""


@dataclass(frozen=True)
class Pool:
    """What all posts of one seed draw from; made once, so that a million posts take minutes."""

    headlines: tuple[str, ...]
    sentences: tuple[tuple[str, int], ...]
    """Each with its length in UTF-8."""
    linked: tuple[str, ...]
    """Shares and sectors as the model links them."""


def drawing(key: str) -> tuple[random.Random, Draw]:
    """Chance that is the same on every Python: only ``random()`` is promised to stay as it is."""
    chance = random.Random(key)
    return chance, lambda limit: int(chance.random() * limit)


def make_pool(seed: int) -> Pool:
    _, draw = drawing(f"{seed}/pool")

    def pick(values: tuple[str, ...] | str) -> str:
        return values[draw(len(values))]

    def company() -> str:
        return pick(FIRST) + pick(SECOND) + pick(KINDS)

    def fill(pattern: str) -> str:
        return pattern.format(
            company=company(), company2=company(), month=1 + draw(12), metric=pick(METRICS), place=pick(PLACES),
            sector=pick(SECTORS), reason=pick(REASONS), view=pick(VIEWS), up=pick(("上升", "下降")),
            x=f"{draw(400) / 10:.1f}", y=1 + draw(9), n=10 + draw(9000),
        )  # fmt: skip

    sentences = [fill(pick(PATTERNS)) for _ in range(4000)]
    names = [("stock", f"{draw(2)}.{600_000 + draw(9000):06d}", company()) for _ in range(400)]
    names += [("bk", f"90.BK{9001 + number}", name) for number, name in enumerate(SECTORS)]
    return Pool(
        headlines=tuple(fill(pick(HEADLINES)) for _ in range(6000)),
        sentences=tuple((text, len(text.encode())) for text in sentences),
        linked=tuple(text for name in names for text in links(*name)),
    )


def links(kind: str, code: str, name: str) -> tuple[str, str]:
    """The first and a later mention of a share (``stock``) or sector (``bk``)."""
    address = f"http://quote.example.com/unify/r/{code}"
    data = code.replace(".", ",")
    quote = "bkquote" if kind == "bk" else "quote"
    first = (
        f'<span id="{kind}_{code}"><a href="{address}" class="keytip" data-code="{data}">{name}</a></span>'
        f'<span id="{quote}_{code}"></span>'
    )
    later = f'<span web="1" href="{address}" class="em_stock_key_common" data-code="{data}">{name}</span>'
    return first, later


def category_names(count: int) -> tuple[str, ...]:
    return tuple(NAMES[k] if k < len(NAMES) else f"medium-{k:04d}" for k in range(count))


def category_of(share: float, names: tuple[str, ...], total: float) -> str:
    """The category at ``share`` (0 to 1) of all, where the k-th weighs 1/k. ``total`` is the sum of the weights."""
    left = share * total
    for k, name in enumerate(names, 1):
        left -= 1 / k
        if left < 0:
            return name
    return names[-1]


@dataclass(frozen=True)
class Made:
    """One post, ready to be written."""

    name: str
    category: str
    when: datetime
    text: str


def make_post(number: int, when: datetime, names: tuple[str, ...], weight: float, seed: int, pool: Pool) -> Made:
    chance, draw = drawing(f"{seed}/{number}")
    category = category_of(chance.random(), names, weight)
    spread = NormalDist(math.log(MEDIAN), SPREAD).inv_cdf(min(max(chance.random(), 1e-9), 1 - 1e-9))
    want = min(LARGEST, max(SMALLEST, int(math.exp(spread))))
    source = SOURCES[draw(len(SOURCES))]
    ident = f"{when:%Y%m%d}{3_600_000_000 + number}"
    title = pool.headlines[draw(len(pool.headlines))]
    summary = "".join(pool.sentences[draw(len(pool.sentences))][0] for _ in range(1 + draw(2)))
    head = (
        f'---\nlayout: post\ntitle: "{title}"\ndate: {when:%Y-%m-%d %H:%M:%S} +0800\ncategories: {category}\n'
        f"tags: {TAGS[draw(len(TAGS))]}\n---\n> {summary}（{source}）\n\n"
    )
    tail = (
        f'<p class="em_media">（文章来源：{source}）</p>\n\n<http://finance.example.com/news/{ident}.html>\n\n'
        f"[返回{category}](//posts.example.com/{category}/)｜[返回首页](//posts.example.com/)\n"
    )
    body = make_body(want - len(head.encode()) - len(tail.encode()), draw, pool)
    return Made(f"{when:%Y-%m-%d}-{ident}.md", category, when, head + "\n ".join(body) + tail)


def make_body(size: int, draw: Draw, pool: Pool) -> list[str]:
    """Paragraphs of about ``size`` bytes; at least one."""
    paragraphs: list[str] = []
    while size > 0 or not paragraphs:
        parts = []
        for _ in range(1 + draw(5)):
            text, length = pool.sentences[draw(len(pool.sentences))]
            parts.append(text)
            size -= length
            if size <= 0:
                break
        if draw(3) == 0 and size > 0:
            link = pool.linked[draw(len(pool.linked))]
            parts.insert(draw(len(parts) + 1), link)
            size -= len(link) + 6
        paragraphs.append(f"<p>{''.join(parts)}</p>")
        size -= 9
    return paragraphs


def usual_days(posts: int) -> int:
    """As many days as the model takes for so many posts (378 a day)."""
    return max(3, round(posts / 378))


def make_archive(posts: int, categories: int, days: int, seed: int, more: int = 0) -> Iterator[Made]:
    """The archive's posts, oldest first; with ``more`` only those that follow, all on the day after."""
    pool = make_pool(seed)
    names = category_names(categories)
    weight = sum(1 / k for k in range(1, categories + 1))
    start = END - timedelta(days=days)
    for number in range(posts, posts + more) if more else range(posts):
        if more:
            chance, _ = drawing(f"{seed}/when/{number}")
            when = END + timedelta(seconds=int(chance.random() * 86_400))
        else:
            when = start + timedelta(seconds=number * days * 86_400 // posts)
        yield make_post(number, when, names, weight, seed, pool)


def write_archive(folder: Path, made: Iterator[Made]) -> tuple[int, int]:
    """Write the posts to ``folder/_posts``, files at rest. Returns how many there were, and their bytes."""
    target = folder / "_posts"
    target.mkdir(parents=True, exist_ok=True)
    count = total = 0
    for post in made:
        data = post.text.encode()
        path = target / post.name
        path.write_bytes(data)
        os.utime(path, (LONG_AGO, LONG_AGO))
        count, total = count + 1, total + len(data)
    return count, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=1000, help="posts in the archive (default %(default)s)")
    parser.add_argument("--categories", type=int, default=12, help="categories (default %(default)s)")
    parser.add_argument("--days", type=int, help="days they spread over (default: 378 posts a day)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other posts (default %(default)s)")
    parser.add_argument("--more", type=int, default=0, help="write only so many posts of the day after the archive")
    parser.add_argument("folder", type=Path, help="where _posts is made")
    args = parser.parse_args()
    if args.posts < 1 or args.categories < 1 or args.more < 0 or (args.days is not None and args.days < 1):
        parser.error("posts, categories and days are at least 1, more is not negative")
    days = args.days or usual_days(args.posts)
    count, total = write_archive(args.folder, make_archive(args.posts, args.categories, days, args.seed, args.more))
    print(f"{count} posts, {total:,} bytes in {args.folder / '_posts'}")


if __name__ == "__main__":
    main()
