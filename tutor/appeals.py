"""Appeals: one verdict is judged again with the learner's explanation beside the reply; both views are kept.

An accepted explanation becomes a wording of that point which counts from then on, until the appeal is undone. The grade
of the attempt stays as it was given; what the appeal changes is in its own row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tutor.errors import GradingError
from tutor.grading import Judge, grade
from tutor.history import Appeal, History
from tutor.library import Snapshot
from tutor.points import split_reference
from tutor.records import Attempt, KeyPoint, PointVerdict, Question

SHORTEST, LONGEST = 6, 500
"""Limits of an explanation in characters. One of a few letters would, as an accepted wording, match any reply."""
_MARGIN = 0.05
"""How much more credit a new verdict must bring to count as another one."""


def ledger(
    question: Question, snapshot: Snapshot, aliases: Mapping[int, Sequence[str]] | None = None
) -> tuple[KeyPoint, ...]:
    """The key points that a question is graded by, with the learner's accepted wordings added.

    They are the question's own, else those of the question that its reference comes from, else those that the reference
    splits into; none when there is no reference.
    """
    reference, origin = snapshot.reference(question)
    points = question.points
    if not points and origin and origin != question.id:
        points = snapshot.question(origin).points
    points = points or split_reference(reference)
    return tuple(
        replace(point, aliases=(*point.aliases, *(aliases or {}).get(i, ()))) for i, point in enumerate(points)
    )


def appeal(
    question: Question, attempt: Attempt, index: int, explanation: str, judge: Judge, history: History, now: datetime
) -> tuple[PointVerdict, PointVerdict]:
    """Judge point `index` of an attempt again and keep the outcome. Returns the verdict before and after.

    The reply and the explanation are screened like any reply: orders to the grader are dropped. The appeal is accepted
    when the new verdict earns more credit; see `accepted`.

    :raises GradingError: the point does not exist, the verdict follows from a key, or the explanation is unusable.
    """
    if question.kind in ("choice", "calculation") and (question.options or question.calculation):
        raise GradingError("no appeal: choice and calculation questions are judged by their key")
    if not 0 <= index < len(attempt.grade.points):
        raise GradingError(f"no appeal: the attempt has no point {index + 1}")
    said = explanation.strip()
    if not SHORTEST <= len(said) <= LONGEST:
        raise GradingError(
            f"no appeal: the explanation has {len(said)} characters; write between {SHORTEST} and {LONGEST}"
        )
    before = attempt.grade.points[index]
    point = KeyPoint(before.text, before.weight)
    again = grade(
        question,
        f"{attempt.reply.strip()}\n（申诉说明）{said}",
        judge,
        points=(point,),
        reference=before.text,
        prose=False,
    )
    after = again.points[0]
    if "injection" in again.flags and "injection" not in attempt.grade.flags:
        after = before
    alias = said if accepted(before, after) else ""
    history.add_appeal(attempt.id, index, said, before, after, alias, now)
    return before, after


def accepted(before: PointVerdict, after: PointVerdict) -> bool:
    """Whether an appeal changed the verdict in the learner's favour."""
    return after.credit >= before.credit + _MARGIN


def undo_last(learner: str, attempt_id: int, history: History, now: datetime) -> Appeal | None:
    """Take back the last appeal of an attempt that still stands. Returns it, or None when there is none."""
    standing = [one for one in history.appeals(learner) if one.attempt_id == attempt_id and not one.undone]
    if not standing:
        return None
    history.undo_appeal(standing[-1].id, now)
    return standing[-1]
