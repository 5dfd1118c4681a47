"""Headings that are questions, and where their answers start."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from ingest.choices import split_options
from ingest.drafting import Draft
from ingest.lines import heading, is_rule
from ingest.marks import BESIDE, LONE_ANSWER, QUESTION_MARK, Opening, is_label
from ingest.markup import asks, number_of, plain, without_number

_NEAR, _FEW = 24, 3  # lines between a heading and the mark of its answer, and how many of them may be text


@dataclass(frozen=True, slots=True)
class _Scope:
    """A heading, its text, the last line before the next heading, and the last line of all that stands below it."""

    line: int
    level: int
    text: str
    own_end: int
    end: int
    first: int  # its first line with content; 0 when there is none before the next heading

    @property
    def asks(self) -> bool:
        return asks(self.text) and not is_label(self.text)


def _scopes(draft: Draft, headings: list[tuple[int, int]]) -> list[_Scope]:
    ends = _scope_ends(headings, len(draft.lines))
    scopes = []
    for at, (n, level) in enumerate(headings):
        own_end = headings[at + 1][0] - 1 if at + 1 < len(headings) else len(draft.lines)
        contents = (
            k for k in range(n + 1, own_end + 1)
            if draft.lines[k - 1].strip() and not BESIDE.match(draft.lines[k - 1]) and not is_rule(draft.lines[k - 1])
        )  # fmt: skip
        found = heading(draft.lines[n - 1])
        scopes.append(_Scope(n, level, plain(found[1]) if found else "", own_end, ends[at], next(contents, 0)))
    return scopes


def find_headed(
    draft: Draft, headings: list[tuple[int, int]], answers: list[int], taken: set[int], only_answered: bool
) -> list[Opening]:
    """Find headings that are questions: with a marked answer below, or that ask, or of the level that usually asks.

    :param taken: lines where a question of another way starts; a heading right above one is only a heading.
    """
    scopes = _scopes(draft, headings)
    asked = Counter(scope.level for scope in scopes if scope.asks and scope.first)
    usual = asked.most_common(1)[0][0] if asked else 0
    asking = [scope.line for scope in scopes if scope.asks and scope.first]
    openings = []
    for at, scope in enumerate(scopes):
        if not scope.text or is_label(scope.text) or scope.first in taken:
            continue
        deeper_asks = bisect_right(asking, scope.end) > bisect_right(asking, scope.line)
        has_inner = at + 1 < len(scopes) and scopes[at + 1].line <= scope.end
        answer = _marked_answer(draft, scope, answers)
        if not answer and has_inner and LONE_ANSWER.match(draft.lines[scopes[at + 1].line - 1]):
            answer = scopes[at + 1].line
        by_form = scope.asks and bool(scope.first or has_inner) and not (deeper_asks and not scope.first)
        by_level = scope.level == usual and bool(scope.first) and not deeper_asks
        if answer or (not only_answered and (by_form or by_level)):
            text, number = without_number(scope.text), number_of(scope.text)
            openings.append(Opening(scope.line, "heading", text, answer or scope.line + 1, scope.end, number=number))
    return openings


def _marked_answer(draft: Draft, scope: _Scope, answers: list[int]) -> int:
    """Return the line where a marked answer starts near below a heading; options may stand in between."""
    first = bisect_right(answers, scope.line)
    if first == len(answers) or answers[first] > min(scope.own_end, scope.line + _NEAR):
        return 0
    between = [draft.lines[k - 1] for k in range(scope.line + 1, answers[first]) if draft.lines[k - 1].strip()]
    if any(QUESTION_MARK.match(line) for line in between):
        return 0
    listed = split_options(between)[1]
    return answers[first] if listed or len(between) <= _FEW else 0


def _scope_ends(headings: list[tuple[int, int]], last: int) -> list[int]:
    """Return for every heading the last line below it, before the next heading of its level or above."""
    ends = [last] * len(headings)
    open_at: list[int] = []
    for at, (n, level) in enumerate(headings):
        while open_at and headings[open_at[-1]][1] >= level:
            ends[open_at.pop()] = n - 1
        open_at.append(at)
    return ends
