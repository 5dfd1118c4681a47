"""What the point judge is trained on, in which amounts and order, and what it is calibrated on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.judge_data import (
    PUBLIC,
    Example,
    graded_example,
    graded_split,
    overlap,
    read_corpus,
    read_domain,
    read_graded,
    read_nli,
    split_of,
)
from eval.judge_made import Maker, make_examples
from eval.judge_texts import flip
from tutor.records import Question

GRADED = {
    "ads_zh": 450,
    "nn_exam_en": 300,
    "mohler_en": 300,
    "saf_en": 150,
    "scientsbank_3way_en": 700,
    "beetle_3way_en": 150,
    "le_zh": 60,
}
_NLI = 700
_MADE = 0.15
_COMPOSED = 1.5
_REFERENCES = 230
_NEIGHBOURS = 4
_SHORT = ("paraphrase", "keyword_free", "half", "contradict")
_JOINTS = ("。", "；", "\n", "，另外", "。然后", "。还有，", "。 ")
_LONGEST = 320
_TOUCHED = 0.4


def graded_part(name: str, split: str, rng: random.Random, limit: int, folder: Path = PUBLIC) -> list[Example]:
    """Examples of one graded set: at most `limit` rows of a split."""
    rows = [row for row in read_graded(folder / "graded" / f"{name}.jsonl") if graded_split(row) == split]
    return [graded_example(row, rng) for row in rng.sample(rows, min(limit, len(rows)))]


def fewer_points(example: Example, rng: random.Random, most: int) -> Example:
    """The example with at most `most` of its labelled points; those with something to see in the reply go first."""
    if len(example.labels) <= most:
        return example
    order = sorted(range(len(example.labels)), key=lambda i: (example.labels[i] not in ("c", "p", "x"), rng.random()))
    kept = sorted(order[: most - 1] + [rng.choice(order[most - 1 :])])
    return replace(
        example, points=tuple(example.points[i] for i in kept), labels=tuple(example.labels[i] for i in kept)
    )


def arrange(examples: Sequence[Example], rng: random.Random) -> list[Example]:
    """Shuffled, but in small groups on the same question, to share its segment in a row. Some lose the question."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        bare = replace(example, question="") if example.question and rng.random() < 0.1 else example
        groups.setdefault(bare.question or bare.reply, []).append(bare)
    parts = []
    for group in groups.values():
        rng.shuffle(group)
        parts += [group[i : i + _NEIGHBOURS] for i in range(0, len(group), _NEIGHBOURS)]
    rng.shuffle(parts)
    return [example for part in parts for example in part]


def mixture(rng: random.Random) -> tuple[list[Example], ...]:
    """The training examples in order, for the parts of the training.

    First the public sets, for reading in general, then our domain with a little of them. From the second part on all sources
    are mixed to the end, or what was learned of other subjects is lost again; and whole replies are put together of lines.
    The third has what the judge was weakest at: statements beside the same ones turned around, and long replies in which
    every point has its verdict.
    """
    questions = read_corpus()
    mine = [question for question in questions.values() if split_of(question.id) == "train"]
    written = [thin(e, rng) for e in read_domain(questions) if split_of(e.group) == "train"]
    public = arrange(_public(rng, _NLI, 1.0), rng)
    kept = len(public) // 5
    rng.shuffle(written)
    early = written[: len(written) // 2]
    first = public[kept:] + _interleave(arrange([*_made(questions, rng, _MADE), *early], rng), public[:kept])
    late = [*compose(mine, written, rng, _COMPOSED), *_made(questions, rng, _MADE), *written]
    second = _interleave(arrange(late, rng), arrange(_public(rng, _NLI // 3, 0.8), rng))
    references = Maker(rng.sample(mine, min(len(mine), _REFERENCES)), rng, ())
    whole = [fewer_points(e, rng, 4) for question in references.questions for e in references.make(question, ["reference"])]
    whole += [example for example in written if example.how == "buried" and len(example.labels) > 2]
    hard = [*turned(written), *compose(mine, written, rng, _COMPOSED / 3), *_made(questions, rng, _MADE / 2), *whole]
    return first, second, _interleave(arrange(hard, rng), arrange(_public(rng, 2 * _NLI, 0.8), rng))


def turned(written: Sequence[Example]) -> list[Example]:
    """The short lines on points that have lines of more than one verdict: what differs between them is the claim."""
    by_point: dict[tuple[str, str], list[Example]] = {}
    for example in written:
        if example.how in _SHORT and len(example.points) == 1:
            by_point.setdefault((example.group, example.points[0]), []).append(example)
    return [one for lines in by_point.values() if len({line.labels for line in lines}) > 1 for one in lines]


def thin(example: Example, rng: random.Random) -> Example:
    """The example with all of its verdicts but at most two "covered": of those a long reply has more than it teaches by."""
    covered = [i for i, label in enumerate(example.labels) if label == "c"]
    other = [i for i, label in enumerate(example.labels) if label != "c"]
    kept = sorted(other + rng.sample(covered, min(len(covered), max(1, 2 - len(other)))))
    return replace(
        example, points=tuple(example.points[i] for i in kept), labels=tuple(example.labels[i] for i in kept)
    )


def _public(rng: random.Random, pairs: int, share: float) -> list[Example]:
    found = read_nli(PUBLIC, rng, pairs)
    for name, limit in GRADED.items():
        found += graded_part(name, "train", rng, int(share * limit))
    return found


def _made(questions: dict[str, Question], rng: random.Random, amount: float) -> list[Example]:
    return [fewer_points(e, rng, 3) for e in make_examples(list(questions.values()), "train", rng, amount)]


def compose(
    questions: Sequence[Question], written: Sequence[Example], rng: random.Random, amount: float
) -> list[Example]:
    """Whole replies put together of statements on several points of a question, about `amount` for each question.

    A statement is a written line, the point itself, a misconception of it or the point turned around; it keeps its label.
    A point that nothing was said on is missing, or left out where the reply may touch it.
    """
    lines: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for example in written:
        if example.how in _SHORT and len(example.points) == 1:
            lines.setdefault((example.group, example.points[0]), []).append((example.reply, example.labels[0]))
    composed = []
    for question in questions:
        for _ in range(int(amount) + (rng.random() < amount % 1)):
            said: dict[str, tuple[str, str]] = {}
            order = list(range(len(question.points)))
            for i in rng.sample(order, min(len(order), rng.randint(2, 4))):
                point = question.points[i].text
                statement, label = _statement(question, i, lines.get((question.id, point), []), rng)
                if sum(len(text) for text, _ in said.values()) + len(statement) <= _LONGEST:
                    said[point] = statement, label
            if len(said) < 2:
                continue
            reply = _joined([text for text, _ in said.values()], rng)
            labels = {point: label for point, (_, label) in said.items()}
            left = [p.text for p in question.points if p.text not in labels and overlap(p.text, reply) < _TOUCHED]
            labels |= dict.fromkeys(left[:1], "m")
            composed.append(
                Example(
                    "composed", question.id, question.text, reply, tuple(labels), tuple(labels.values()), how="composed"
                )
            )
    return composed


def _statement(question: Question, i: int, lines: Sequence[tuple[str, str]], rng: random.Random) -> tuple[str, str]:
    """Something that a learner could say on point `i`, and its label."""
    if lines and rng.random() < 0.7:
        return rng.choice(lines)
    point = question.points[i].text
    wrong = [m.text for m in question.misconceptions if m.point == i + 1]
    turned = flip(point, rng)
    if turned:
        wrong.append(turned)
    if wrong and rng.random() < 0.5:
        return rng.choice(wrong), "x"
    return point, "c"


def _joined(parts: Sequence[str], rng: random.Random) -> str:
    if rng.random() < 0.25:
        return "\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))
    joint = rng.choice(_JOINTS)
    return joint.join(part.rstrip("。；;. ") for part in parts) + "。"


def _interleave(many: Sequence[Example], few: Sequence[Example]) -> list[Example]:
    """Both in their order, the few spread evenly among the many."""
    placed = [((i + 0.5) / len(part), example) for part in (many, few) for i, example in enumerate(part)]
    return [example for _, example in sorted(placed, key=lambda item: item[0])]


def validation(seed: int = 7) -> list[Example]:
    """Examples of the validation questions of every source: for calibration, and to see where training stands."""
    rng = random.Random(seed)
    questions = read_corpus()
    chosen = [fewer_points(e, rng, 3) for e in make_examples(list(questions.values()), "validation", rng, 0.4)]
    chosen += [e for e in read_domain(questions) if split_of(e.group) == "validation"]
    for name in GRADED:
        chosen += graded_part(name, "validation", rng, 60)
    return chosen
