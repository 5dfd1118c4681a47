"""Numbered `**Q**: … **A**: …` pairs with follow-ups, worked calculations (`**题目**：… **解答**：…`), and prose.

Worked calculations are computed again; where the bank's figure does not follow, the question carries a warning.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ingest.drafting import Draft
from ingest.estimates import recompute
from ingest.lines import Parsed, Source
from ingest.marks import ANSWER_MARK, QUESTION_MARK, Reading
from ingest.qa_reading import read
from tutor.records import Question

NAME = "numbered-qa"

_CALCULATION = re.compile(r"计算题|计算类|估算题|calculation", re.IGNORECASE)
_EQUATION = re.compile(r"\d\s*[×x*]\s*\d.*=")
_MOST = 0.5
_NUMBERED = re.compile(r"^\s*\d{1,3}[.、．)）]")


def likeness(source: Source) -> float:
    """Say how much the file looks like numbered pairs of Q and A (0-1)."""
    marks = [(line, found) for line in source.lines if (found := QUESTION_MARK.match(line))]
    questions = [line for line, found in marks if not found["indent"] and found["word"] in ("Q", "问", "Question")]
    answers = sum(bool(ANSWER_MARK.match(line)) for line in source.lines)
    pairs = min(len(questions), answers)
    if not pairs:
        return 0.0
    numbered = sum(bool(_NUMBERED.match(line)) for line in questions) / len(questions)
    return min(0.96, 0.5 + 0.1 * min(pairs, 3) + 0.25 * numbered) * (1.0 if numbered >= _MOST else 0.6)


def parse(source: Source) -> Parsed:
    """Read numbered pairs of Q and A."""
    draft = Draft(source)
    read(draft, Reading(frozenset({"mark"})))
    draft.questions[:] = [check_calculation(draft, question) for question in draft.questions]
    check_numbers(draft)
    return draft.finish(NAME)


def check_calculation(draft: Draft, question: Question) -> Question:
    """Make a question a calculation where it is one, and compute it again."""
    titled = any(_CALCULATION.search(part) for part in question.trail[-1:])
    if question.kind != "open" or not (titled or ("估算" in question.text and _EQUATION.search(question.reference))):
        return question
    estimate = recompute(question.text, question.reference)
    for line, warning in estimate.warnings:
        at = next(
            (n for n in range(question.line, len(draft.lines) + 1) if line.strip() in draft.lines[n - 1]), question.line
        )
        draft.complain(at, warning)
    warnings = (*question.warnings, *(warning for _, warning in estimate.warnings))
    return replace(question, kind="calculation", calculation=estimate.calculation, warnings=warnings)


def check_numbers(draft: Draft) -> None:
    """Report numbers that are repeated or missing; numbering that starts at 1 again is a new list."""
    last = 0
    for question in draft.questions:
        found = re.match(r"^\s*(?:#+\s*)?\**(\d{1,3})[.、．)）]", draft.lines[question.line - 1])
        if not found or question.parent:
            continue
        number = int(found[1])
        if number != 1 and last and number != last + 1:
            if number <= last:
                draft.complain(question.line, f"number {number} is repeated or out of order")
            else:
                gap = f"{last + 1}" if number == last + 2 else f"{last + 1}-{number - 1}"
                draft.complain(question.line, f"number {gap} is missing before {number}")
        last = number
