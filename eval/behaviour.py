"""How the grader treats whole replies to questions of the corpus that the judge was not trained on: good, half, wrong, hostile.

Every probe is a kind of reply with the range that its mean score must lie in. Replies are built from the bank's own
references, points and misconceptions, and from the hand-written test lines.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from eval.judge_data import Example
from eval.judge_made import read_attacks
from tutor.records import Grade, Question

Grader = Callable[[Question, str], Grade]

_NEGATIONS = ("{}，这个说法是错误的。", "事实上并非{}。", "It is wrong to say that {}.")
_BLANKS = ("", "   ", "不知道", "I don't know.", "asdfgh qwerty zxcvbn", "啊啊啊啊啊啊啊啊")


@dataclass(frozen=True, slots=True)
class Probe:
    """A kind of reply: its scores, and between which bounds their mean should lie."""

    name: str
    low: float
    high: float
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean score."""
        return sum(self.scores) / len(self.scores) if self.scores else float("nan")

    @property
    def inside(self) -> float:
        """Share of the replies whose own score lies between the bounds."""
        return sum(self.low <= s <= self.high for s in self.scores) / len(self.scores) if self.scores else float("nan")


def probe(questions: Sequence[Question], written: Iterable[Example], grader: Grader, rng: random.Random) -> list[Probe]:
    """Grade every kind of reply to each of the questions."""
    replies: dict[str, list[tuple[Question, str]]] = {}

    def note(kind: str, question: Question, reply: str) -> None:
        replies.setdefault(kind, []).append((question, reply))

    lines = _by_question(written)
    for question in questions:
        other = rng.choice([q for q in questions if q.id != question.id])
        note("reference", question, question.reference)
        note("reference three times", question, "\n".join([question.reference] * 3))
        note("other question's reference", question, other.reference)
        half = rng.sample(list(question.points), max(1, len(question.points) // 2))
        note("half of the points", question, "。".join(point.text for point in half) + "。")
        note(
            "points negated", question, " ".join(rng.choice(_NEGATIONS).format(point.text) for point in question.points)
        )
        note("copied question", question, question.text)
        note("blank, shrug, gibberish", question, rng.choice(_BLANKS))
        wrong = {m.point: m.text for m in question.misconceptions}
        if len(wrong) >= 2:
            note("misconceptions only", question, "。".join(wrong.values()) + "。")
        mine = lines.get(question.id, [])
        good = _one_each(mine, "c", rng)
        if len(good) == len(question.points):
            note("paraphrase of every point", question, " ".join(good))
        bad = _one_each(mine, "x", rng)
        if len(bad) == len(question.points):
            note("every point contradicted", question, " ".join(bad))
    bounds = {
        "reference": (90, 100), "reference three times": (87, 100), "paraphrase of every point": (75, 100),
        "half of the points": (30, 65), "other question's reference": (0, 15), "misconceptions only": (0, 20),
        "every point contradicted": (0, 20), "points negated": (0, 10), "copied question": (0, 0),
        "blank, shrug, gibberish": (0, 0),
    }  # fmt: skip
    return [
        Probe(kind, *bounds[kind], tuple(grader(question, reply).score for question, reply in replies[kind]))
        for kind in bounds
        if kind in replies
    ]


def attack(questions: Sequence[Question], grader: Grader, rng: random.Random) -> dict[str, float]:
    """What the test attacks gain, alone and after a weak answer, and how many are flagged."""
    shifts, alone, flagged = [], [], 0
    attacks = read_attacks("test")
    for number, text in enumerate(attacks):
        question = questions[number % len(questions)]
        weak = question.points[number % len(question.points)].text + "。"
        before, after = grader(question, weak), grader(question, f"{weak}\n{text}")
        alone.append(grader(question, text).score)
        shifts.append(after.score - before.score)
        flagged += "injection" in after.flags
    return {
        "attacks": len(attacks),
        "alone_max": max(alone),
        "alone_mean": round(sum(alone) / len(alone), 2),
        "shift_max": round(max(map(abs, shifts)), 1),
        "shift_mean": round(sum(map(abs, shifts)) / len(shifts), 2),
        "shift_within_3": round(sum(abs(s) <= 3 for s in shifts) / len(shifts), 3),
        "flagged": round(flagged / len(attacks), 3),
    }


def monotone(questions: Sequence[Question], grader: Grader) -> dict[str, float]:
    """How far adding a point lowers the score at most, and deleting one raises it; both should not be."""
    lowered, raised = [], []
    for question in questions:
        reply, before = "", 0.0
        for point in question.points:
            reply += point.text + "。"
            after = grader(question, reply).score
            lowered.append(before - after)
            before = after
        for gone in question.points:
            rest = "".join(point.text + "。" for point in question.points if point is not gone)
            raised.append(grader(question, rest).score - before)
    return {
        "steps": len(lowered),
        "adding_lowers_max": round(max(0.0, *lowered), 1),
        "adding_lowers_within_2": round(sum(x <= 2 for x in lowered) / len(lowered), 3),
        "deleting_raises_max": round(max(0.0, *raised), 1),
    }


def repeat(questions: Sequence[Question], grader: Grader, times: int = 5) -> float:
    """Share of the replies that get the same score each time."""
    same = [len({grader(question, question.reference).score for _ in range(times)}) == 1 for question in questions]
    return sum(same) / len(same)


def _by_question(written: Iterable[Example]) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for example in written:
        found.setdefault(example.group, []).append(example)
    return found


def _one_each(examples: Sequence[Example], letter: str, rng: random.Random) -> list[str]:
    """One short reply for every point that has one with this verdict."""
    by_point: dict[str, list[str]] = {}
    for example in examples:
        for point, label in zip(example.points, example.labels, strict=True):
            if label == letter and example.how != "buried":
                by_point.setdefault(point, []).append(example.reply)
    return [rng.choice(replies) for replies in by_point.values()]
