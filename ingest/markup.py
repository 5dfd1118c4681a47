"""Markdown as other people write it: headings without decoration, wrappers of HTML, marks, and what asks a question."""

from __future__ import annotations

import re
from functools import lru_cache

_LINK = re.compile(r"!?\[([^\[\]]*)\]\(([^()\s]*)(?:\s+\"[^\"]*\")?\)")
_NUMBER = re.compile(
    r"^(?:第\s*\d{1,4}\s*[题问]|(?:Q|Question|问题|面试题|题目?)\s*\d{1,4}|\d{1,4}(?:[.．]\d{1,3})*)\s*(?:[.．、)）:：]+|\s(?=\D))"
    r"\s*(?!\d)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:Q|问|提问|问题|题目|面试题|Question)\s*[:：]\s*", re.IGNORECASE)
_CHAPTER = re.compile(
    r"^(?:第[一二三四五六七八九十百]{1,4}[章节部分]{1,2}\s*|[一二三四五六七八九十百]{1,4}[、.．]\s*)(?=\S)"
)
_SUBCHAPTER = re.compile(r"^[（(][一二三四五六七八九十百]{1,4}[)）][、.．]?\s*(?=\S)")
_WRAPPER = re.compile(r"</?(?:details|summary|p|strong|b|div|span|center|font)(?:\s[^<>]*)?>", re.IGNORECASE)
_SUMMARY = re.compile(r"<summary(?:\s[^<>]*)?>(.*?)</summary>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ASKS = re.compile(
    r"[?？]|什么|如何|怎么|怎样|为何|哪[些个种里类一]|是否|多少|几[种类个步]|能否|可否|有无|吗\s*$|呢\s*$|谁"
    r"|^(?:请|解释|描述|介绍|简述|简要|说明|列举|谈谈|聊聊|讲讲|讲一?下|说说|说一?下|阐述|概述|试述|论述|推导|写出|给出|证明|举例|手写|手撕)"
    r"|^(?:对比|比较|分析|讨论|评价|设计|实现|计算|估算|评估)(?:一[下个]|并|以下)"
    r"|^(?:what|how|why|when|where|which|who|explain|describe|compare|define|list|derive|implement|design|discuss|give"
    r"|can|could|does|do|is|are|should|would|write|name|tell)\b",
    re.IGNORECASE,
)  # fmt: skip
_ANSWER_LABEL = re.compile(
    r"^\s*(?:点击|展开|查看|显示|show|view|click|see|the|参考|正确|to|答案|解析|回答|答|详细|here|[:：\s👉💡📖▶])*"
    r"(?:答案|解析|回答|answers?|solutions?|reveal|答)[:：\s]*$",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)  # headings are looked at many times
def plain(text: str) -> str:
    """Take links, emphasis and wrappers off a heading; the words stay."""
    text = _WRAPPER.sub("", _LINK.sub(r"\1", text))
    return re.sub(r"\*{2,}|__", "", text).strip()


def without_number(text: str) -> str:
    """Take the number or label off a question (`3. `, `Q3:`, `第3题`, `问：`), unless nothing would be left."""
    rest = _LABEL.sub("", _NUMBER.sub("", text, count=1), count=1).strip()
    return rest or text


def number_of(text: str) -> int | None:
    """Return the number that a question starts with."""
    found = _NUMBER.match(text)
    digits = re.search(r"\d+", found[0]) if found else None
    return int(digits[0]) if digits else None


def chapter_level(line: str) -> int:
    """Return the level of a plain line numbered like a chapter: 3 for `一、…` or `第三章 …`, 4 for `（二）…`, else 0.

    A chapter without # stands beside headings of level 3, inside of those of level 1 and 2.
    """
    return 3 if _CHAPTER.match(line) else 4 if _SUBCHAPTER.match(line) else 0


def unwrap(text: str) -> str:
    """Strip wrappers of HTML (details, p, strong…) and the labels of answer boxes; code and all other text stay."""
    pieces = re.split(r"(```.*?```|~~~.*?~~~|`[^`\n]*`)", text, flags=re.DOTALL)
    for at in range(0, len(pieces), 2):
        piece = _SUMMARY.sub(lambda m: "" if is_answer_label(m[1]) else m[1], pieces[at])
        rows = [line if "|" in line else _BREAK.sub("\n", line) for line in piece.split("\n")]
        pieces[at] = _WRAPPER.sub("", "\n".join(rows))
    return "".join(pieces)


def is_answer_label(text: str) -> bool:
    """Whether a text is only the label of an answer box, such as 点击查看答案."""
    return bool(_ANSWER_LABEL.match(_WRAPPER.sub("", text)))


@lru_cache(maxsize=4096)
def asks(text: str) -> bool:
    """Whether a text has the form of a question or of a task, rather than of a topic."""
    return bool(_ASKS.search(plain(text)))
