"""Plain Markdown with answers: headings that ask, `Q:`/`A:`, `<details>` boxes, numbered bold or plain questions."""

from __future__ import annotations

from dataclasses import replace

from ingest.drafting import Draft
from ingest.lines import Parsed, Source
from ingest.marks import Reading
from ingest.numbered_qa import check_calculation, check_numbers
from ingest.openings import find_openings
from ingest.qa_reading import read

NAME = "markdown"

_READING = Reading(frozenset({"mark", "heading", "box", "bold", "item"}))


def likeness(source: Source) -> float:
    """Say how much the file looks like Markdown with answers (0-1): the share of its lines that they take."""
    draft = Draft(source)
    whole = sum(bool(line.strip()) for line in source.lines)
    openings = [opening for opening in find_openings(draft, _READING) if opening.answer]
    answered = sum(
        bool(source.lines[n - 1].strip()) for opening in openings for n in range(opening.line, opening.end + 1)
    )
    return 0.3 + 0.6 * answered / whole if openings and whole else 0.0


def parse(source: Source) -> Parsed:
    """Read Markdown with answers."""
    draft = Draft(source)
    read(draft, _READING)
    draft.questions[:] = [check_calculation(draft, question) for question in draft.questions]
    check_numbers(draft)
    by_line = {question.line: question for question in draft.questions}
    for question in draft.questions:
        if question.kind == "topic" and question.reference:
            by_line[question.line] = replace(question, kind="open")
    draft.questions[:] = list(by_line.values())
    return draft.finish(NAME)
