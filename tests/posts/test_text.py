"""Summaries, bodies, and the facts that are read from them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Code, Post
from digest.posts import opening_blockquote
from digest.posts.body import codes, text_hash, to_html, to_text, trim
from digest.posts.summary import find_opening


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("> 央行降息。（财联社）\n\n<p>全文</p>", "央行降息。（财联社）"),
        ("\n\n>no space\n\nText", "no space"),
        ("   > three spaces\n\n", "three spaces"),
        ("> one\n> two\n\nText", "one two"),
        ("> lazy\nline\n\nText", "lazy line"),
        ("> one\n>\n> two\n\nText", "one\ntwo"),
        ("> one\n\n> another quote\n", "one"),
        ("> outer\n> > inner\n\nText", "outer\ninner"),
        ("> - a\n> - b\n\nText", "a\nb"),
        ("> # Heading\n> text\n\n", "Heading\ntext"),
        ("> **重点：**内容 *x* `y`\n\n", "重点：内容 x y"),
        ("> a [link](http://x) and <http://y.example>\n\n", "a link and http://y.example"),
        ("> see [it][1]\n\nText\n\n[1]: http://x.example", "see it"),
        ("> AT&amp;T &lt;b&gt; &nbsp;x\n\n", "AT&T <b> x"),
        ("> a&amp;amp;b\n\n", "a&amp;b"),
        ("> 甲\n> 乙\n\n", "甲乙"),
        ("> a\\\n> b\n\n", "a\nb"),
        ("> quote\n<p>not part</p>", "quote"),
        ("> quote\n# Heading", "quote"),
        ("> quote\n---\nText", "quote"),
        ("> 1. first\n> 2. second\n\n", "first\nsecond"),
        (">     code\n\nText", "code"),
        ("> quote with <b>HTML</b><br>line\n\n", "quote with HTML\nline"),
        ("> text {% include x %}{{ site.url }}more\n\n", "text more"),
        ("> text <!-- more -->end\n\n", "text end"),
        ("> text\n{: .note}\n\nBody", "text"),
        ("<!-- comment\n\n -->\n> after a comment\n\n", "after a comment"),
        ("{% include toc.html %}\n\n> after liquid\n\n", "after liquid"),
        ("<blockquote>one</blockquote>\nText", "one"),
        ("<blockquote class='x'><p>one</p>\n\n<p>two</p></blockquote>\n\nText", "one\ntwo"),
        ("<BLOCKQUOTE>a <blockquote>b</blockquote> c</BLOCKQUOTE> Text", "a\nb\nc"),
        ("<blockquote>\n\n**bold**\n\n</blockquote>\n", "bold"),
        ("<blockquote>never closed", "never closed"),
        ("<blockquote><script>x</script>y</blockquote>", "y"),
        ("> ![image](x.png)\n\nText", ""),
        (">\n\nText", ""),
        ("Text\n\n> a quotation\n", None),
        ("# Heading\n\n> a quotation\n", None),
        ("    > code\n", None),
        ("\\> no quote\n", None),
        ("<div><blockquote>inside</blockquote></div>", None),
        ("<blockquoted>x</blockquoted>", None),
        ("{% highlight text %}\n> code\n{% endhighlight %}\n", None),
        ("", None),
    ],
)
def test_the_opening_blockquote(body: str, expected: str | None) -> None:
    """CommonMark decides where it ends; only the one that opens the body is a summary."""
    assert opening_blockquote(body) == expected


def test_html_files_know_only_html_quotes(post: Callable[..., Post]) -> None:
    """A > is text there."""
    path = "_posts/2026-01-01-a.html"
    assert find_opening("> text", is_html=True) is None
    found = post("---\ntitle: a\n---\n<blockquote>sum</blockquote>\n<p>> x</p>", path)
    assert (found.summary, found.body, found.is_html) == ("sum", "<p>> x</p>", True)


@pytest.mark.parametrize(
    ("front", "body", "expected"),
    [
        ("description: from front", "> from quote\n\nText", "from quote"),
        ("description: 'a <b>b</b> &amp; c'\nexcerpt: other", "Text", "a b & c"),
        ("excerpt: second", "Text", "second"),
        ("subtitle: third", "Text", "third"),
        ("description:", "First paragraph.\n\nSecond.", "First paragraph."),
        ("layout: x", "First\nparagraph\n", "First paragraph"),
        ("layout: x", "# Heading\n\nAfter the **heading**.\n", "After the heading."),
        ("layout: x", "![only an image](x.png)\n\nWords.", "Words."),
        ("layout: x", "<p></p><p>HTML words</p>", "HTML words"),
        ("layout: x", "<div>no paragraph</div>", "no paragraph"),
        ("layout: x", "- a list\n- only\n", "a list only"),
        ("layout: x", "{% include x %}\n\nAfter {{ liquid }}words <!-- more -->", "After words"),
        ("layout: x", "# Heading\n\n> later quote\n", "later quote"),
        ("layout: x", "# Heading\n\nFirst of two.\n\nSecond of two.\n", "First of two."),
        ("layout: x", "# Heading\n\n> quote\n\nFirst behind it.\n\nSecond behind it.\n", "First behind it."),
        ("layout: x", "## Only a heading", ""),
        ("layout: x", "> \n\nText after an empty quote", "Text after an empty quote"),
        ("layout: x", "", ""),
    ],
)
def test_where_the_summary_comes_from(post: Callable[..., Post], front: str, body: str, expected: str) -> None:
    """Blockquote, front matter, first paragraph."""
    assert post(f"---\ntitle: t\n{front}\n---\n{body}").summary == expected


def test_a_long_first_paragraph_is_cut_at_a_sentence(post: Callable[..., Post]) -> None:
    """At about 300 characters; a blockquote is never cut."""
    sentence = "这是一句恰好有二十个字的话用来测试长度。"
    found = post(f"---\ntitle: t\n---\n{sentence * 30}")
    assert found.summary == sentence * 15
    assert post(f"---\ntitle: t\n---\n> {sentence * 30}\n").summary == sentence * 30


@pytest.mark.parametrize(
    ("tail", "original", "rest"),
    [
        (
            "<http://a.example/1>\n\n[返回新闻](//news.example/c/)｜[返回首页](//news.example/)",
            "http://a.example/1",
            "Body",
        ),
        ("<http://a.example/1>\n\n[返回新闻](../c/)\n[返回首页](../)\n", "http://a.example/1", "Body"),
        ("<http://a.example/1>", "http://a.example/1", "Body"),
        ("http://a.example/1", "http://a.example/1", "Body"),
        ("<>\n\n[返回](//news.example/c/)", None, "Body"),
        ("[返回新闻](//news.example/c/)", None, "Body"),
        ("[a](/a/) · [b](/b/)", None, "Body"),
        ("[back](/)", None, "Body"),
        ("<http://a.example/1>\n\n[more](http://other.example/)", "http://a.example/1", "Body"),
        ("[Download](http://other.example/x.zip)", None, None),
        ("[a](http://x.example/) | [b](http://y.example/)", None, None),
        ("[part two](/2026/two/)", None, None),
        ("See <http://a.example/1>", None, None),
        ("Sources:\nhttp://a.example/1", None, None),
        ("![picture](/x.png)", None, None),
        ("<javascript:alert(1)>", None, None),
        ("(that was all)", None, None),
    ],
)
def test_the_tail_leaves_the_text(tail: str, original: str | None, rest: str | None) -> None:
    """Navigation and the bare link to the original article; ordinary links at the end stay."""
    found = trim(f"Body\n\n{tail}", site_url="https://news.example")
    assert (found.text, found.original_url) == (f"Body\n\n{tail}".rstrip() if rest is None else rest, original)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("> 央行降息。（财联社）", "财联社"),
        ("> 央行降息（详见公告，下同）", None),
        ("央行降息。（上海证券报）", "上海证券报"),
        ("> 铜价下跌。（South China Morning Post）", "South China Morning Post"),
        ("> Copper fell. (Reuters)", "Reuters"),
        ("> Copper fell.(The Wall Street Journal)", "The Wall Street Journal"),
        ("> “铜价下跌。”(财联社)", "财联社"),
        ("> Copper fell (see below)", None),
        ("> It raises an error (TypeError)", None),
        ("> It fell. (Support for this version is experimental)", None),
        ('> 降息。\n\n<p class="em_media">（文章来源：新华社）</p>', "新华社"),
        (
            '> 降息。\n\n<p class="em_media">（文章来源：<span><a href="x" data-code="90,B1">证券</a></span>时报）</p>',
            "证券时报",
        ),
        ('> 降息。\n\n<p class="em_media">（编辑）</p>', None),
        ("> 降息。", None),
    ],
)
def test_source_names(post: Callable[..., Post], body: str, expected: str | None) -> None:
    """At the summary's end, else in the body's line."""
    assert post(f"---\ntitle: t\n---\n{body}\n").source_name == expected


def test_codes_are_counted() -> None:
    """In order of appearance, each once; pictures and the source line do not count."""
    body = (
        '<a data-code="90,BK1036">半导体</a> <span data-code="0,002752"></span>'
        '<a data-code="0,002752">昇兴&amp;股份</a>'
        '<span data-code="90,BK1036">半导体</span><img data-code="K 1|0|2">'
        '<p class="em_media">（来源：<a data-code="90,BK0473">证券</a>）</p>'
    )
    assert codes(body) == (
        Code(market="90", code="BK1036", name="半导体", mentions=2),
        Code(market="0", code="002752", name="昇兴&股份", mentions=1),
    )
    assert codes(body)[0].is_sector


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Some words", "<p>Some\n\n words</p>", True),
        ("Some words", "**Some** <b class='x'>words</b><!-- > note -->", True),
        ("a &amp; b", "a & b", True),
        ("[link](http://a)", "[link](http://b)", True),
        ("甲　乙", "甲乙", True),
        ("3.5%", "35%", False),
        ("Some words", "Some other words", False),
    ],
)
def test_the_hash_follows_the_words(one: str, other: str, same: bool) -> None:
    """Not the markup, not the white space."""
    assert (text_hash("t", "s", one) == text_hash("t", "s", other)) is same
    assert text_hash("t", "s", one) != text_hash("t2", "s", one)
    assert text_hash("t", "s", one) != text_hash("t", "s2", one)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("**重点：**内容", "<p><strong>重点：</strong>内容</p>"),
        ("[a](/x)", '<p><a href="https://news.example/x" rel="noopener noreferrer">a</a></p>'),
        ("![b](y.png)", '<p><img src="https://news.example/2026/03/24/y.png" alt="b"></p>'),
        ("[a](//h.example/x)", '<p><a href="https://h.example/x" rel="noopener noreferrer">a</a></p>'),
        ("<a href='javascript:x'>a</a> <a href='java&#10;script:x'>b</a>", "b</a></p>"),
        ("<script>x</script><style>y</style><iframe src=x></iframe>z", "z"),
        ('<p onclick="x" style="y" data-code="1,2" class="k">z</p>', "<p>z</p>"),
        ("|a|b|\n|-|-|\n|1|2|", "<table>"),
        ("{% highlight ruby %}\nputs 1\n{% endhighlight %}", "<pre><code"),
        ("a {% include x %}b {{ c }}d", "<p>a b d</p>"),
        ("```\n{{ kept }} {% raw %}{% kept %}{% endraw %}\n```", "{{ kept }} {% kept %}"),
        ("{% comment %}gone{% endcomment %}kept", "<p>kept</p>"),
        ("text\n{: .note}", "<p>text</p>"),
        ("&#11;&#xFFFE;x", "x"),
        ("<!-->x<script>1</script>-->", ""),
    ],
)  # fmt: skip
def test_html_is_safe_and_absolute(post: Callable[..., Post], body: str, expected: str) -> None:
    """Nothing runs, every address is whole, Liquid is gone, code stays."""
    markup = to_html(post(f"---\ntitle: t\n---\n> s\n\n{body}"))
    assert expected in markup
    assert "script" not in markup
    assert "onclick" not in markup


def test_html_files_are_not_markdown(post: Callable[..., Post]) -> None:
    """Their asterisks are asterisks."""
    found = post("---\ntitle: t\n---\n<p>**a**</p>", "_posts/2026-01-01-a.html")
    assert to_html(found) == "<p>**a**</p>"
    assert to_text(found) == "**a**"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("<div>", 60_000),
        (">", 50_000),
        ("[", 50_000),
        ("<b>", 50_000),
        ("- ", 20_000),
        ("<p>x</p>", 61_000),
        ("*a_", 5_000),
    ],
)
def test_monstrous_markup_ends_soon(post: Callable[..., Post], unit: str, times: int) -> None:
    """Depth and size that only an attack has cost little and raise nothing: four times as much takes less than fourteen
    times as long, where what is done for each pair would take sixteen."""

    def cost(many: int) -> float:
        started = time.process_time()
        markup = to_html(post(f"---\ntitle: t\n---\nText.\n\n{unit * many}x\n\nEnd"))
        assert len(markup) < 4_000_000
        assert markup.count("<div") <= 200
        return time.process_time() - started

    fourth = cost(times // 4)
    assert min(cost(times), cost(times)) < 14 * max(fourth, 0.05), "the better of two: others use this machine too"


MARKUP = st.lists(
    st.sampled_from(
        ["> ", "\n", "\n\n", "<blockquote>", "</blockquote>", "<p>", "</p>", "<![CDATA[", "<!--", "-->", "<?xml ?>",
         "&lt;", "**", "[a](", ")", "{%", "%}", "{{", "}}", "```", "text", "文字", "\t", "<a href='//x'>", "\\", "- ",
         "# ", "&#0;", "<![n", "<img src=x>", "---\n", "http://a.example/"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@given(body=MARKUP)
def test_no_markup_raises(body: str) -> None:
    """Whatever is thrown together gives a summary and a body that XML can hold."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from digest.posts import Rules, parse_post

    rules = Rules(site_url="https://news.example", timezone=ZoneInfo("UTC"), now=datetime(2026, 1, 1, tzinfo=UTC))
    found = parse_post("_posts/2020-01-01-a.md", f"---\ntitle: t\n---\n{body}".encode(), rules)
    assert isinstance(found, Post)
    assert "\n\n" not in found.summary
    to_html(found)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("One.\n\nTwo.\n<!--more-->\nThree.", "One. Two."),
        ("One. <!--more--> Two.", "One."),
        ("> Quote.\n\nOne.\n<!--more-->\nTwo.", "Quote."),
        ("<!--more-->\nOne.", "One."),
        ("One.\n\nTwo.", "One."),
    ],
)
def test_a_post_may_say_where_its_excerpt_ends(post: Callable[..., Post], body: str, expected: str) -> None:
    """Jekyll's ``excerpt_separator``; the quotation that opens the post comes first."""
    assert post(f'---\ntitle: a\nexcerpt_separator: "<!--more-->"\n---\n{body}').summary == expected


def test_an_intro_is_hexo_s_summary(post: Callable[..., Post]) -> None:
    """For no other generator."""
    text = "---\ndate: 2026-03-01\ntitle: a\nintro: Of bridges\n---\nText."
    assert post(text, "source/_posts/a.md", kind="hexo").summary == "Of bridges"
    assert post(text, "content/a.md", kind="hugo").summary == "Text."
