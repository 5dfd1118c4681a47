"""Skill matrices: sections named after a skill with a rating, `**问题 N:**` in quotes, answers in `<details>` boxes.

Long answers under `### question` with `**答：**`, which such banks carry along, are read too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.drafting import Draft
from ingest.lines import Parsed, Source
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
    places = {question.line: at for at, question in enumerate(draft.questions)}
    overview = {plain(row[1]): (n, int(row[2])) for n, line in enumerate(draft.lines, 1) if (row := _ROW.match(line))}
    open_sections: list[_Section] = []
    for number, line in enumerate(draft.lines, 1):
        found, rating = draft.heading_at(number), _RATING.match(line)
        section = next((each for each in reversed(open_sections) if each.difficulty), None)
        if number in places and section:
            at = places[number]
            skills = (names.get(section.skill, section.skill),)
            draft.questions[at] = replace(draft.questions[at], difficulty=section.difficulty, skills=skills)
        if found:
            open_sections = [each for each in open_sections if each.level < found[0]]
            open_sections.append(_Section(found[0], plain(found[1])))
        elif rating and open_sections:
            open_sections[-1].difficulty = _difficulty(draft, number, rating, open_sections[-1].skill, overview)
        elif rating:
            draft.complain(number, "a rating without a heading above it")
    return draft.finish(NAME)


@dataclass(slots=True)
class _Section:
    """An open heading; `difficulty` is 0 until a rating stands below it."""

    level: int
    skill: str
    difficulty: int = 0


def _difficulty(
    draft: Draft, number: int, rating: re.Match[str], skill: str, overview: dict[str, tuple[int, int]]
) -> int:
    """Return a rating on the scale of 1-10, or 0; compare it with the overview."""
    scale = int(rating[2] or 10)
    value = round(int(rating[1]) * 10 / scale) if scale else 0
    if not 1 <= value <= 10:
        draft.complain(number, f"the rating {rating[0].strip()!r} is not on a scale of 1-10")
        return 0
    line, listed = overview.get(skill, (number, int(rating[1])))
    if listed != int(rating[1]):
        draft.complain(line, f"the overview rates {skill!r} {listed}, its section {rating[1]}")
    return value
