"""Where questions with answers start in Markdown, where their answers start, and how far they reach.

Five ways to write them are known: marks (`Q: … A: …`), headings, `<details>` boxes, bold lines, numbered lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ingest.drafting import Draft
from ingest.lines import heading, is_rule
from ingest.markup import asks, is_answer_label, number_of, plain, without_number

Way = Literal["mark", "heading", "box", "bold", "item"]

QUESTION_MARK = re.compile(
    r"^(?P<indent>[ \t]*)(?:[-*+]\s+)?(?:(?P<number>\d{1,3})[.、．)）]\s*)?(?:\*\*)?"
    r"(?P<word>Q|问|提问|问题|题目|面试题|追问|Question|Follow-?up)\s*(?P<own>\d{1,3})?\s*(?:\*\*)?\s*[:：]"
    r"\s*(?:\*\*)?[ \t]*(?P<text>.*)$"
)
ANSWER_MARK = re.compile(
    r"^[ \t]*(?:[-*+]\s+)?(?:>\s*)?(?:\*\*)?(?:A|答|答案|参考答案|正确答案|回答|解答|参考回答|Answer)\s*\d{0,3}\s*"
    r"(?:\*\*)?\s*[:：]\s*(?:\*\*)?[ \t]*(?P<text>.*)$"
)
LONE_ANSWER = re.compile(r"^[ \t]*(?:#{3,6}\s*)?\*{0,2}(?:参考答案|答案|回答|解答|答|解析|Answer)\*{0,2}[ \t]*$")
_BOX = re.compile(r"^[ \t]*<details", re.IGNORECASE)
_BOX_END = re.compile(r"</details>", re.IGNORECASE)
_SUMMARY = re.compile(r"<summary(?:\s[^<>]*)?>(.*?)(?:</summary>|$)", re.IGNORECASE)
_BOLD = re.compile(r"^(?:(?P<outer>\d{1,3})[.、．)）]\s*)?\*\*(?P<text>[^*]+)\*\*[ \t]*$")
_ITEM = re.compile(r"^(?P<number>\d{1,3})[.、．)）][ \t]*(?P<text>\S.*[?？])[ \t]*$")
_LISTED = re.compile(r"^\s*(?:[-*+•·○]\s|\d{1,3}[.、．)）]|#{1,6}\s|>|\|)")
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
    :ivar end: the last line that can belong to it.
    """

    line: int
    way: Way
    text: str
    answer: int
    end: int
    indent: int = 0
    number: int | None = None
    follows_up: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How a format is read.

    :ivar ways: the ways to write a question that the format uses.
    :ivar metadata: says whether a line between the questions is metadata of the format, e.g. a rating.
    """

    ways: frozenset[Way]
    metadata: Callable[[str], bool] = lambda line: False


def find_openings(draft: Draft, reading: Reading) -> list[Opening]:
    """Find where the questions start and how far each can reach; they do not overlap."""
    lines, count = draft.lines, len(draft.lines)
    plain_lines = [n for n in range(1, count + 1) if not draft.inside[n - 1] and lines[n - 1].strip()]
    headings = [(n, found[0]) for n in plain_lines if (found := draft.heading_at(n))]
    answers = [
        n for n in plain_lines
        if ANSWER_MARK.match(lines[n - 1]) or LONE_ANSWER.match(lines[n - 1]) or _answer_box(lines, n)
    ]  # fmt: skip
    starts: list[Opening] = []
    if "mark" in reading.ways:
        starts += _marked(draft, plain_lines, headings, answers)
    if "box" in reading.ways:
        starts += _boxed(draft, plain_lines)
    if "heading" in reading.ways:
        starts += _headed(draft, headings, answers)
    if "bold" in reading.ways:
        starts += _bold(draft, plain_lines)
    if "item" in reading.ways:
        starts += _items(draft, plain_lines)
    return _bound(draft, starts, headings)


def _answer_box(lines: Sequence[str], number: int) -> bool:
    """Whether a details box starts here that holds an answer (its summary is only a label)."""
    if not _BOX.match(lines[number - 1]):
        return False
    found = _SUMMARY.search(" ".join(lines[number - 1 : number + 2]))
    return found is None or is_answer_label(found[1])


def _marked(draft: Draft, plain_lines: list[int], headings: list[tuple[int, int]], answers: list[int]) -> list[Opening]:
    """Find `Q: … A: …`, `**问题 1:** … <details>`, `**题目**：… **解答**：…`."""
    found = [(n, match) for n in plain_lines if (match := QUESTION_MARK.match(draft.lines[n - 1]))]
    marks = [n for n, _ in found]
    places = [n for n, _ in headings]
    openings = []
    for n, match in found:
        after = bisect_right(answers, n)
        answer = answers[after] if after < len(answers) else 0
        if answer and any(
            each < answer for each in (*marks[bisect_right(marks, n) :][:1], *places[bisect_right(places, n) :][:1])
        ):
            answer = 0
        sure = bool(match["number"] or match["own"]) or match["word"] in ("Q", "问", "Question", "追问")
        if not answer and not (sure and match["text"].strip()):
            continue
        text = match["text"].strip()
        if text.endswith("**") and text.count("**") % 2:
            text = text[:-2].rstrip()
        indent = len(match["indent"].expandtabs(4))
        number = match["number"] or match["own"]
        follows = match["word"].startswith(("追问", "Follow"))
        openings.append(Opening(n, "mark", text, answer, 0, indent, int(number) if number else None, follows))
    return openings


def _boxed(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find `<details><summary>question</summary> answer </details>`."""
    openings = []
    for n in plain_lines:
        if not _BOX.match(draft.lines[n - 1]) or _answer_box(draft.lines, n):
            continue
        found = _SUMMARY.search(" ".join(draft.lines[n - 1 : n + 2]))
        text = plain(found[1]) if found else ""
        here = next(
            (k for k in range(n, min(n + 3, len(draft.lines)) + 1) if "</summary>" in draft.lines[k - 1].lower()), n
        )
        end = next((k for k in range(here, len(draft.lines) + 1) if _BOX_END.search(draft.lines[k - 1])), here)
        if text:
            openings.append(
                Opening(n, "box", without_number(text), here + 1 if end > here else 0, end, number=number_of(text))
            )
    return openings


def _headed(draft: Draft, headings: list[tuple[int, int]], answers: list[int]) -> list[Opening]:
    """Find headings that are questions: with a marked answer below, or that ask, or of the level that usually asks."""
    scopes: list[tuple[int, int, int, bool, bool]] = []
    asked: Counter[int] = Counter()
    ends = _scope_ends(headings, len(draft.lines))
    for at, (n, level) in enumerate(headings):
        own_end = headings[at + 1][0] - 1 if at + 1 < len(headings) else len(draft.lines)
        body = any(
            draft.lines[k - 1].strip() and not BESIDE.match(draft.lines[k - 1]) and not is_rule(draft.lines[k - 1])
            for k in range(n + 1, own_end + 1)
        )
        text = plain(heading(draft.lines[n - 1])[1] if heading(draft.lines[n - 1]) else "")  # type: ignore[index]
        asks_here = asks(text) and not _is_label(text)
        if asks_here and body:
            asked[level] += 1
        scopes.append((n, level, own_end, body, asks_here))
    usual = asked.most_common(1)[0][0] if asked else 0
    openings = []
    for at, (n, level, own_end, body, asks_here) in enumerate(scopes):
        inner = bisect_left(headings, (ends[at] + 1, 0))
        deeper_asks = any(scopes[k][4] and scopes[k][3] for k in range(at + 1, inner))
        first = bisect_right(answers, n)
        answer = answers[first] if first < len(answers) and answers[first] <= own_end else 0
        if not answer and inner > at + 1 and LONE_ANSWER.match(draft.lines[headings[at + 1][0] - 1]):
            answer = headings[at + 1][0]
        text = plain(heading(draft.lines[n - 1])[1]) if heading(draft.lines[n - 1]) else ""  # type: ignore[index]
        if not text or _is_label(text) or not (answer or body or asks_here or inner > at + 1):
            continue
        by_mark = bool(answer) and not any(QUESTION_MARK.match(draft.lines[k - 1]) for k in range(n + 1, answer))
        by_form = asks_here and (body or inner > at + 1) and not (deeper_asks and not body)
        by_level = level == usual and body and not deeper_asks
        if by_mark or by_form or by_level:
            openings.append(
                Opening(n, "heading", without_number(text), answer or n + 1, ends[at], number=number_of(text))
            )
    return openings


def _is_label(text: str) -> bool:
    return bool(LONE_ANSWER.match(text)) or is_answer_label(text)


def _scope_ends(headings: list[tuple[int, int]], last: int) -> list[int]:
    """Return for every heading the last line below it, before the next heading of its level or above."""
    ends = [last] * len(headings)
    open_at: list[int] = []
    for at, (n, level) in enumerate(headings):
        while open_at and headings[open_at[-1]][1] >= level:
            ends[open_at.pop()] = n - 1
        open_at.append(at)
    return ends


def _bold(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find a bold line that is numbered or asks, with text below."""
    openings = []
    for n in plain_lines:
        match = _BOLD.match(draft.lines[n - 1])
        if not match or ANSWER_MARK.match(draft.lines[n - 1]) or LONE_ANSWER.match(draft.lines[n - 1]):
            continue
        text = match["text"].strip()
        number = int(match["outer"]) if match["outer"] else number_of(text)
        if (number is not None and (asks(text) or match["outer"])) or text.endswith(("?", "？")):
            openings.append(Opening(n, "bold", without_number(text), n + 1, len(draft.lines), number=number))
    return openings


def _items(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find `1. question?` with a paragraph below."""
    openings = []
    for n, after in zip(plain_lines, plain_lines[1:], strict=False):
        match = _ITEM.match(draft.lines[n - 1])
        if match and not _LISTED.match(draft.lines[after - 1]) and len(draft.lines[after - 1].strip()) > 1:
            openings.append(
                Opening(n, "item", plain(match["text"]), n + 1, len(draft.lines), number=int(match["number"]))
            )
    return openings


def _bound(draft: Draft, starts: list[Opening], headings: list[tuple[int, int]]) -> list[Opening]:
    """Order the openings and cut each where the next one, or a heading it does not own, begins."""
    one_a_line: dict[int, Opening] = {}
    for opening in starts:
        one_a_line.setdefault(opening.line, opening)
    ordered = [one_a_line[line] for line in sorted(one_a_line)]
    places = [n for n, _ in headings]
    kept: list[Opening] = []
    for opening in ordered:
        inside_heading = bool(kept) and opening.line <= kept[-1].end
        if inside_heading and opening.way in ("bold", "item") and kept[-1].way != opening.way:
            continue  # a bold line or a list inside of an answer structures that answer
        if inside_heading and kept[-1].way == "box":
            continue
        if inside_heading:
            kept[-1] = replace(kept[-1], end=opening.line - 1)
        end = opening.end or len(draft.lines)
        if opening.way in ("mark", "bold", "item"):
            after = bisect_right(places, opening.line)
            if after < len(places):
                end = min(end, places[after] - 1)
        kept.append(replace(opening, end=end))
    return [replace(o, answer=o.answer if o.answer <= o.end else 0) for o in kept]
