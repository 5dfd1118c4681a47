"""Examples that the program makes of the corpus: references, misconceptions, flips, salad, attacks and the like.

Labels are letters of "cpmx" (see `eval.judge_data.Example`); where the making cannot be sure, the label allows several
verdicts or is left open.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from eval.judge_data import DOMAIN, Example, overlap, split_of
from eval.judge_texts import DENIALS, HEDGES, IGNORANCE, flip, salad
from tutor.judge.windows import sentences
from tutor.records import Question

_RELATED = 0.45
_CARRIES = 0.35


def read_attacks(split: str, folder: Path = DOMAIN) -> list[str]:
    """The strings that try to instruct the grader, of one split ("train" or "test"; they are disjoint)."""
    lines = (folder / "attacks.jsonl").read_text("utf-8").splitlines()
    return [record["text"] for record in map(json.loads, lines) if record["split"] == split]


class Maker:
    """Makes examples for the questions of one split, and of these questions only."""

    def __init__(self, questions: Sequence[Question], rng: random.Random, attacks: Sequence[str]) -> None:
        """Remember the questions by bank."""
        self.questions = list(questions)
        self.rng = rng
        self.attacks = list(attacks)
        self.banks: dict[str, list[Question]] = {}
        for question in self.questions:
            self.banks.setdefault(question.bank, []).append(question)

    def make(self, question: Question, ways: Sequence[str]) -> list[Example]:
        """One example in each of the `ways` (names of WAYS); ways that this question does not offer yield nothing."""
        made: list[Example] = []
        for way in ways:
            reply, labels = WAYS[way](self, question)
            if reply and any(labels):
                points = [(p.text, label) for p, label in zip(question.points, labels, strict=True) if label]
                made.append(
                    Example(
                        "made",
                        question.id,
                        question.text,
                        reply,
                        tuple(t for t, _ in points),
                        tuple(label for _, label in points),
                        how=way,
                    )
                )
        return made

    def carriers(self, question: Question) -> list[int]:
        """For each point the number of the reference's sentence that is most like it, or -1 when none is."""
        parts = sentences(question.reference)
        found = []
        for point in question.points:
            scores = [overlap(point.text, part) for part in parts]
            best = max(range(len(parts)), key=scores.__getitem__, default=-1)
            found.append(best if best >= 0 and scores[best] >= _CARRIES else -1)
        return found

    def other(self, question: Question) -> Question:
        """Another question, usually of the same bank."""
        pool = self.banks[question.bank] if self.rng.random() < 0.7 else self.questions
        pool = [q for q in pool if q.id != question.id] or [q for q in self.questions if q.id != question.id]
        return self.rng.choice(pool)

    def unrelated(self, question: Question, reply: str) -> list[str]:
        """Label "m" for points that the reply is not about; open for those it may touch."""
        return ["m" if overlap(p.text, reply) < _RELATED else "" for p in question.points]


Labelled = tuple[str, list[str]]


def _reference(_: Maker, q: Question) -> Labelled:
    return q.reference, ["c"] * len(q.points)


def _thrice(_: Maker, q: Question) -> Labelled:
    short = " ".join(p.text + "。" for p in q.points)
    return f"{short} {short} {short}", ["c"] * len(q.points)


def _without_sentence(maker: Maker, q: Question) -> Labelled:
    parts, carriers = sentences(q.reference), maker.carriers(q)
    usable = [c for c in carriers if c >= 0]
    if len(parts) < 3 or not usable:
        return "", []
    gone = maker.rng.choice(usable)
    rest = "".join(part for i, part in enumerate(parts) if i != gone)
    return rest, [
        "" if c < 0 else "c" if c != gone else "pm" if overlap(p.text, rest) < 0.6 else ""
        for c, p in zip(carriers, q.points, strict=True)
    ]


def _some_points(maker: Maker, q: Question) -> Labelled:
    kept = set(maker.rng.sample(range(len(q.points)), max(1, len(q.points) // 2)))
    order = sorted(kept, key=lambda _: maker.rng.random())
    reply = " ".join(maker.rng.choice(HEDGES) + q.points[i].text + "。" for i in order)
    return reply, ["c" if i in kept else "pm" if overlap(p.text, reply) < 0.5 else "" for i, p in enumerate(q.points)]


def _one_sentence(maker: Maker, q: Question) -> Labelled:
    parts, carriers = sentences(q.reference), maker.carriers(q)
    i = maker.rng.randrange(len(q.points))
    if carriers[i] < 0:
        return "", []
    part = parts[carriers[i]]
    return maker.rng.choice(HEDGES) + part, [
        "cp" if c == carriers[i] else "pm" if overlap(p.text, part) < _RELATED else ""
        for c, p in zip(carriers, q.points, strict=True)
    ]


def _misconception(maker: Maker, q: Question) -> Labelled:
    if not q.misconceptions:
        return "", []
    wrong = maker.rng.choice(q.misconceptions)
    return maker.rng.choice(HEDGES) + wrong.text, ["x" if i == wrong.point - 1 else "pmx" for i in range(len(q.points))]


def _buried_misconception(maker: Maker, q: Question) -> Labelled:
    if not q.misconceptions:
        return "", []
    wrong = maker.rng.choice(q.misconceptions)
    carriers = maker.carriers(q)
    carrier = carriers[wrong.point - 1]
    parts = sentences(q.reference)
    kept = [part for i, part in enumerate(parts) if i != carrier][: maker.rng.randint(1, 4)]
    kept.insert(maker.rng.randint(0, len(kept)), wrong.text + "。")
    return "".join(kept), ["x" if i == wrong.point - 1 else "" for i in range(len(q.points))]


def _flipped(maker: Maker, q: Question) -> Labelled:
    flips = [(i, turned) for i, p in enumerate(q.points) if (turned := flip(p.text, maker.rng))]
    if not flips:
        return "", []
    i, turned = maker.rng.choice(flips)
    return maker.rng.choice(HEDGES) + turned, [
        "x" if k == i else "pmx" if overlap(p.text, turned) < _RELATED else "" for k, p in enumerate(q.points)
    ]


def _denied(maker: Maker, q: Question) -> Labelled:
    chosen = sorted(maker.rng.sample(range(len(q.points)), maker.rng.randint(1, min(3, len(q.points)))))
    reply = " ".join(maker.rng.choice(DENIALS).format(q.points[i].text) for i in chosen)
    return reply, [
        "x" if i in chosen else "pmx" if overlap(p.text, reply) < _RELATED else "" for i, p in enumerate(q.points)
    ]


def _buried_point(maker: Maker, q: Question) -> Labelled:
    i = maker.rng.randrange(len(q.points))
    parts = sentences(maker.other(q).reference)[: maker.rng.randint(2, 6)]
    noise = "".join(parts)
    parts.insert(maker.rng.randint(0, len(parts)), q.points[i].text + "。")
    return "".join(parts), [
        "c" if k == i else "pm" if overlap(p.text, noise + q.points[i].text) < _RELATED else ""
        for k, p in enumerate(q.points)
    ]


def _other_reference(maker: Maker, q: Question) -> Labelled:
    parts = sentences(maker.other(q).reference)
    reply = "".join(parts[: maker.rng.randint(1, 5)])
    return reply, maker.unrelated(q, reply)


def _salad(maker: Maker, q: Question) -> Labelled:
    return salad(q, maker.rng), ["m"] * len(q.points)


def _attack(maker: Maker, q: Question) -> Labelled:
    return maker.rng.choice(maker.attacks), ["m"] * len(q.points)


def _attack_after(maker: Maker, q: Question) -> Labelled:
    i = maker.rng.randrange(len(q.points))
    attack = maker.rng.choice(maker.attacks)
    parts = [q.points[i].text + "。", attack]
    maker.rng.shuffle(parts)
    return " ".join(parts), [
        "c" if k == i else "pm" if overlap(p.text, q.points[i].text) < _RELATED else "" for k, p in enumerate(q.points)
    ]


def _ignorance(maker: Maker, q: Question) -> Labelled:
    return maker.rng.choice(IGNORANCE), ["m"] * len(q.points)


def _question_copied(maker: Maker, q: Question) -> Labelled:
    tail = maker.rng.choice(
        ("", "这个问题问得很好。", "我来回答一下这道题。", "这是一个常见的面试题，考察基础是否扎实。")
    )
    return q.text + tail, ["m"] * len(q.points)


WAYS: dict[str, Callable[[Maker, Question], Labelled]] = {
    "reference": _reference,
    "thrice": _thrice,
    "without_sentence": _without_sentence,
    "some_points": _some_points,
    "one_sentence": _one_sentence,
    "misconception": _misconception,
    "buried_misconception": _buried_misconception,
    "flipped": _flipped,
    "denied": _denied,
    "buried_point": _buried_point,
    "other_reference": _other_reference,
    "salad": _salad,
    "attack": _attack,
    "attack_after": _attack_after,
    "ignorance": _ignorance,
    "question_copied": _question_copied,
}
_SHARE = {
    "reference": 0.5,
    "thrice": 0.1,
    "without_sentence": 0.4,
    "some_points": 0.6,
    "one_sentence": 0.5,
    "misconception": 1.0,
    "buried_misconception": 0.5,
    "flipped": 0.7,
    "denied": 0.6,
    "buried_point": 0.6,
    "other_reference": 0.6,
    "salad": 0.5,
    "attack": 0.25,
    "attack_after": 0.35,
    "ignorance": 0.15,
    "question_copied": 0.2,
}


def make_examples(questions: Sequence[Question], split: str, rng: random.Random, amount: float = 1.0) -> list[Example]:
    """Made examples for the questions of a split: about seven for each question times `amount`."""
    mine = [question for question in questions if split_of(question.id) == split]
    maker = Maker(mine, rng, read_attacks("test" if split == "test" else "train"))
    made: list[Example] = []
    for question in mine:
        made += maker.make(question, [way for way, share in _SHARE.items() if rng.random() < share * amount])
    return made
