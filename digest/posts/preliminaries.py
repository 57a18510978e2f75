"""What stands before the text of a post and says nothing of it: greetings, credits, dates, labels, links alone."""

# ruff: noqa: E501 - a form that is broken reads worse

from __future__ import annotations

import re
from functools import cache

_LONGEST = 200
"""Characters; what is longer says something."""

_END = r"[\s.!,:;。！，：~…👋]*\Z"
_NAME = r"(?-i:[A-Z])[\w.'’-]*"
_PERSON = rf"{_NAME}(?: (?:(?:van|von|de|der|den|di|da|del|la|le|al|bin) )*{_NAME}){{0,3}}"
_LABELS = (
    "date|time|when|where|venue|location|place|room|posted|published|updated|last updated|last modified|modified|"
    "edited|created|authors?|written by|by|tags?|categor(?:y|ies)|reading time|read time|version|status|series|difficulty|"
    "duration|speakers?|作者|编辑|责任编辑|責任編輯|来源|來源|日期|时间|時間|地点|地點|标签|分类|字数"
)
_PICTURES = (
    "(?:(?:cover|header|hero|featured|banner) )?(?:photos?|photograph|images?|pictures?|illustrations?|"
    "artwork|graphic|art)(?: credits?)?|cover|header|banner|screenshot|credits?|source|图片|图|图源|图片来源|封面|题图|配图|頭圖|題圖"
)
_ADDRESSED = (
    r"and|hello|welcome|there|again|to|you|all|every(?:one|body)?|folks|friends?|team|readers?|my|our|fellow|the|community|"
    r"world|guys|people|back|beloved|dear|internet|blog|site|website|newsletter|\w+ (?:users|fans|readers|friends|community|lovers)"
)
_ALONE = (
    r"tl[;,:]? ?dr|docs?|abstract|summary|notes?|updates?|intro|introduction|overview|(?:table of )?contents?|toc|"
    r"\[+toc\]+|preface|foreword|background|links?|sources?|references?|disclaimer|spoilers?|目录|目錄|前言|摘要|简介|引言|导读|写在前面|序|正文"
)
_FORMS = {
    "Hi all, Good morning everyone!": (
        r"(?:hi|hello|hey|hiya|howdy|dear|greetings|salut|bonjour|hallo|hola|ciao|welcome|good (?:morning|day|afternoon|evening))"
        rf"(?:,? (?:{_ADDRESSED})){{0,6}}{_END}"
    ),
    "Dear subscribers of the list,": r"(?:dear|hi|hello|hey) [\w ]{2,30},\Z",
    "大家好": rf"(?:大家|各位(?:读者|讀者|朋友|同学)?|亲爱的(?:读者|朋友)们?|你|您|朋友们)们?(?:早上|晚上|下午|新年)?好{_END}",
    "亲爱的读者：": rf"(?:亲爱的|各位)\w{{0,4}}(?:读者|朋友|讀者)们?{_END}",
    "By Ann Lee | May 1": (
        r"\W{0,2}(?:(?:(?:guest )?post|written|posted|story|text|words|interview|translat(?:ed|ion)|contributed|authored|"
        rf"published|submitted|compiled|edited|reported) )?by {_PERSON}(?:(?:,? and|,| &) {_PERSON})*"
        r"(?:\s*(?:[|·•,–—-]|on|in|for|at)\s.{0,80})?\W{0,3}\Z"
    ),
    "Photo by Ann Lee on Unsplash": (
        rf"\W{{0,2}}(?:{_PICTURES})\s*(?:[:：]|by|from|courtesy|via|©|\(c\)|is by|was taken by).{{1,150}}\Z"
    ),
    "© Ann Lee": r"\W{0,2}(?:©|\(c\)|copyright)\s.{1,120}\Z",
    "Originally published at example.com": (
        r"\W{0,2}(?:originally (?:published|posted|appeared)|cross-?posted|reposted|republished|"
        r"this (?:post|article|story) (?:was |has been )?(?:first |originally )+(?:published|posted|appeared)|"
        r"本文(?:首发|原载|转载|最初发表)[于自在]?).{1,150}\Z"
    ),
    "https://example.com, doc: https://example.com": (r"(?:[\w /-]{1,30}[:：]\s*)?<?(?:https?://|www\.)\S+>?[.。]?\Z"),
    "TL;DR": rf"\W{{0,2}}(?:{_ALONE})\W{{0,3}}\Z",
    "Date: 1 May | Time: 18:00": rf"\W{{0,2}}(?:(?:{_LABELS})\s*[:：]\s*[^|•｜]{{1,60}}?(?:\s*[|•｜]\s*|\s+·\s+|\s*\Z)){{1,6}}\Z",
    "5 min read": r"\W{0,2}\d{1,3}\s?min(?:ute)?s?\.? read(?:ing)?(?: time)?\W{0,3}\Z",
    "May 1, 2026": (
        r"\W{0,2}(?:(?:\w{3,9},? )?[a-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}|\d{1,2}\.? [a-z]{3,9}\.? \d{4}|"
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{4}年\d{1,2}月\d{1,2}日)\W{0,3}\Z"
    ),
    "1a2b3c4 Mend a typo": (
        r"\W{0,3}(?:commit )?(?=[0-9a-f]{0,39}[a-f])(?=[0-9a-f]{0,39}\d)[0-9a-f]{7,40}\b.{0,150}\Z"
    ),
    "#news #macro": r"(?:#[^\s#,]{1,40}[\s,]*){1,12}\Z",
    "Read more": (
        r"\W{0,2}(?:share|tweet|back to|previous|next|subscribe|read this (?:post )?in|continue reading|click here|read more)"
        r"\b.{0,40}\Z"
    ),
}
"""An example of each, and its form."""


@cache
def _forms() -> re.Pattern[str]:
    """Compiled when it is needed, since that takes milliseconds."""
    return re.compile("|".join(f"(?:{form})" for form in _FORMS.values()), re.IGNORECASE | re.DOTALL)


_NO_WORD = re.compile(r"\W+")


def is_preliminary(text: str, title: str) -> bool:
    """Whether a paragraph is to be passed over for the next one."""
    if len(text) > _LONGEST:
        return False
    return _forms().match(text) is not None or is_title(text, title)


def is_title(text: str, title: str) -> bool:
    """Whether a text says what the title says, and nothing else."""
    if not title or abs(len(text) - len(title)) > 10:
        return False
    return text == title or _NO_WORD.sub("", text).casefold() == _NO_WORD.sub("", title).casefold() != ""


def is_address(text: str) -> bool:
    """Whether a text is one address and no word."""
    return text.startswith(("http://", "https://")) and " " not in text
