"""Skill matrices: sections named after a skill with a rating, `**问题 N:**` in quotes, answers in `<details>` boxes.

Long answers under `### question` with `**答：**`, which such banks carry along, are read too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ingest.drafting import Draft
from ingest.lines import Parsed, Source, heading
from ingest.marks import Reading
from ingest.markup import plain
from ingest.qa_reading import read
from ingest.skills import skill_names

NAME = "skill-matrix"

_RATING = re.compile(
    r"^\s*\**(?:技能)?(?:难度(?:评分|等级|系数)?|Difficulty)\**\s*[:：]\s*\**\s*"
    r"(\d{1,3})\s*(?:[/／]\s*(\d{1,3}))?\s*\**\s*$",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"^\s*\*\*(?:问题|题目|Question)\s*\d+\s*[:：]?\s*\*\*")
_ROW = re.compile(r"^\s*\|\s*([^|]+?)\s*\|\s*(\d{1,2})\s*\|")
_READING = Reading(frozenset({"mark", "answered"}), metadata=lambda line: bool(_RATING.match(line)))


def likeness(source: Source) -> float:
    """Say how much the file looks like a skill matrix (0-1)."""
    ratings = sum(bool(_RATING.match(line)) for line in source.lines)
    questions = sum(bool(_QUESTION.match(line)) for line in source.lines)
    boxes = sum("<details" in line for line in source.lines)
    if not ratings and not (questions and boxes):
        return 0.0
    return min(0.98, 0.4 + 0.3 * (ratings > 0) + 0.15 * (questions > 0) + 0.15 * (boxes > 0))


def parse(source: Source) -> Parsed:
    """Read a skill matrix; every question takes the rating and the skill of its section."""
    draft = Draft(source)
    read(draft, _READING)
    names = skill_names(Path(source.path))
    ratings = _ratings(draft)
    for at, question in enumerate(draft.questions):
        rated = [r for r in ratings if r[0] <= question.line < r[1]]
        if rated:
            _, _, skill, difficulty = rated[-1]
            draft.questions[at] = replace(question, difficulty=difficulty, skills=(names.get(skill, skill),))
    return draft.finish(NAME)


def _ratings(draft: Draft) -> list[tuple[int, int, str, int]]:
    """Return first line, end, skill and difficulty of every rated section; compare them with the overview."""
    overview = {}
    for n, line in enumerate(draft.lines, 1):
        row = _ROW.match(line)
        if row:
            overview[plain(row[1])] = (n, int(row[2]))
    headings = [(n, h) for n, line in enumerate(draft.lines, 1) if not draft.inside[n - 1] and (h := heading(line))]
    found = []
    for n, line in enumerate(draft.lines, 1):
        rating = _RATING.match(line)
        if not rating:
            continue
        above = [(at, h) for at, h in headings if at < n]
        if not above:
            draft.complain(n, "a rating without a heading above it")
            continue
        at, (level, text) = above[-1]
        skill = plain(text)
        end = next((after for after, h in headings if after > at and h[0] <= level), len(draft.lines) + 1)
        scale = int(rating[2] or 10)
        value = round(int(rating[1]) * 10 / scale) if scale else 0
        if not 1 <= value <= 10:
            draft.complain(n, f"the rating {rating[0].strip()!r} is not on a scale of 1-10")
            continue
        if skill in overview and overview[skill][1] != int(rating[1]):
            draft.complain(
                overview[skill][0], f"the overview rates {skill!r} {overview[skill][1]}, its section {rating[1]}"
            )
        found.append((at, end, skill, value))
    return found
