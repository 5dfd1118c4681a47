"""How questions and answers are marked in Markdown, and what is known of a place where a question starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ingest.markup import is_answer_label

Way = Literal["mark", "heading", "answered", "box", "bold", "item"]

QUESTION_MARK = re.compile(
    r"^(?P<indent>[ \t]*)(?:[-*+]\s+)?(?:(?P<number>\d{1,3})[.、．)）]\s*)?(?:\*\*)?"
    r"(?P<word>Q|问|提问|问题|题目|面试题|追问|Question|Follow-?up)\s*+(?P<own>\d{1,3})?\s*+(?:\*\*)?\s*+[:：]"
    r"\s*+(?:\*\*)?[ \t]*+(?P<text>.*)$"
)
ANSWER_MARK = re.compile(
    r"^[ \t]*(?:[-*+]\s+)?(?:>\s*)?(?:\*\*)?(?:A|答|答案|参考答案|正确答案|回答|解答|参考回答|Answer)\s*+\d{0,3}\s*+"
    r"(?:\*\*)?\s*+[:：]\s*+(?:\*\*)?[ \t]*+(?P<text>.*)$"
)
LONE_ANSWER = re.compile(r"^[ \t]*(?:#{3,6}\s*)?\*{0,2}(?:参考答案|答案|回答|解答|答|解析|Answer)\*{0,2}[ \t]*$")
BOX = re.compile(r"^[ \t]*<details", re.IGNORECASE)
BOX_END = re.compile(r"</details>", re.IGNORECASE)
SUMMARY = re.compile(r"<summary(?:\s[^<>]*)?>(.*?)(?:</summary>|$)", re.IGNORECASE)
BOLD = re.compile(r"^(?:(?P<outer>\d{1,3})[.、．)）]\s*)?\*\*(?P<text>[^*]+)\*\*[ \t]*$")
ITEM = re.compile(r"^(?P<number>\d{1,3})[.、．)）][ \t]*(?P<text>\S.*?)[ \t]*$")
LISTED = re.compile(r"^\s*(?:[-*+•·○]\s|\d{1,3}[.、．)）]|#{1,6}\s|>|\|)")
BESIDE = re.compile(
    r"^\s*(?:<!--.*-->|<a\s[^<>]*>\s*(?:</a>)?|<img\s[^<>]*>|!\[[^\]]*\]\([^)]*\)|\[toc\]|\|.*\||"
    r"[-*+]\s+\[.*\]\(#[^()]*\)|\[[^\[\]]*\]\(#[^()]*\))\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a question starts (line numbers count from 1).

    :ivar text: what the first line says of the question, maybe nothing.
    :ivar answer: the line where its answer starts; 0 when it has none.
    :ivar end: the last line that can belong to it; 0 while that is not known.
    :ivar style: how its mark is written, e.g. `Q` or `**题目**`.
    """

    line: int
    way: Way
    text: str
    answer: int
    end: int
    indent: int = 0
    number: int | None = None
    follows_up: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a format is read.

    :ivar ways: the ways to write a question that the format uses; `answered` are headings with a marked answer below.
    :ivar metadata: says whether a line between the questions is metadata of the format, e.g. a rating.
    """

    ways: frozenset[Way]
    metadata: Callable[[str], bool] = lambda line: False


def is_label(text: str) -> bool:
    """Whether a heading only labels an answer."""
    return bool(LONE_ANSWER.match(text)) or is_answer_label(text)
