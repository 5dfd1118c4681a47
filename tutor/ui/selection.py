"""Which questions match what the learner chose, and which can be graded. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tutor.library import Snapshot
from tutor.records import Attempt, Question
from tutor.ui.items import frequency
from tutor.ui.words import Words

LEVELS: dict[str, tuple[int, int]] = {"easy": (1, 3), "medium": (4, 6), "hard": (7, 10)}
KINDS = ("open", "choice", "calculation", "topic")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the learner restricts to; an empty field does not restrict. `level` is a key of LEVELS or "unknown"."""

    bank: str = ""
    skill: str = ""
    kind: str = ""
    level: str = ""
    with_reference: bool = False
    in_several: bool = False


def matching(snapshot: Snapshot, wanted: Wanted) -> list[Question]:
    """The questions that match, in the order of the banks."""
    return [question for question in snapshot.questions() if _matches(question, snapshot, wanted)]


def gradable(question: Question, snapshot: Snapshot) -> bool:
    """Whether a reply can be graded: by key, by numbers, or against a reference (own or linked)."""
    if question.kind == "choice" and question.options:
        return bool(question.key)
    if question.calculation and question.calculation.results:
        return True
    return bool(question.points or snapshot.reference(question)[0])


def draw(
    candidates: Sequence[Question], attempts: Sequence[Attempt], current: str, choice: Callable[[Sequence[str]], str]
) -> str:
    """The id of one of the candidates: not the current one, and first those that were never answered; "" if none."""
    others = [question.id for question in candidates if question.id != current] or [one.id for one in candidates]
    done = {attempt.question_id for attempt in attempts}
    pool = [one for one in others if one not in done] or others
    return choice(pool) if pool else ""


def followups(question: Question, snapshot: Snapshot) -> list[Question]:
    """What an interviewer would ask next: the bank's follow-ups, then questions that name this one as their parent."""
    named = [snapshot.items.get(one) for one in question.followups]
    children = [one for one in snapshot.questions() if one.parent == question.id]
    found = [one for one in (*named, *children) if isinstance(one, Question)]
    return list({one.id: one for one in found}.values())


def bank_choices(snapshot: Snapshot, words: Words) -> list[tuple[str, str]]:
    """(title with its count, name) of every bank, for a menu; first the choice of all."""
    rows = [(f"{row['title']} ({row['questions']})", str(row["bank"])) for row in snapshot.banks]
    return [(words("all_banks"), ""), *rows]


def skill_choices(snapshot: Snapshot, titles: Mapping[str, str], words: Words) -> list[tuple[str, str]]:
    """(name with its count, key) of every skill that a question has, the most frequent first."""
    counts = Counter(skill for question in snapshot.questions() for skill in question.skills)
    return [(words("any"), ""), *((f"{titles.get(key, key)} ({n})", key) for key, n in counts.most_common())]


def kind_choices(words: Words) -> list[tuple[str, str]]:
    """(name, kind) for a menu."""
    return [(words("any"), ""), *((words(f"kind_{kind}"), kind) for kind in KINDS)]


def level_choices(words: Words) -> list[tuple[str, str]]:
    """(name, level) for a menu."""
    return [(words("any"), ""), *((words(f"level_{level}"), level) for level in (*LEVELS, "unknown"))]


def _matches(question: Question, snapshot: Snapshot, wanted: Wanted) -> bool:
    if wanted.bank and question.bank != wanted.bank:
        return False
    if wanted.skill and wanted.skill not in question.skills:
        return False
    if wanted.kind and question.kind != wanted.kind:
        return False
    if wanted.level and not _at_level(question.difficulty, wanted.level):
        return False
    if wanted.with_reference and not (question.key or snapshot.reference(question)[0]):
        return False
    return not wanted.in_several or frequency(question, snapshot) > 1


def _at_level(difficulty: int | None, level: str) -> bool:
    if difficulty is None or level == "unknown":
        return difficulty is None and level == "unknown"
    low, high = LEVELS[level]
    return low <= difficulty <= high
