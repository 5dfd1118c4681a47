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
    read_corpus,
    read_domain,
    read_graded,
    read_nli,
    split_of,
)
from eval.judge_made import make_examples

GRADED = {
    "ads_zh": 700,
    "nn_exam_en": 600,
    "mohler_en": 800,
    "saf_en": 450,
    "scientsbank_3way_en": 1800,
    "beetle_3way_en": 700,
    "le_zh": 200,
}
_NLI = 1400
_NEIGHBOURS = 4


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


STAGES = {
    "public": {"nli": 1.0, "graded": 1.0, "made": 0.25, "written": 0.0},
    "domain": {"nli": 0.15, "graded": 0.2, "made": 0.25, "written": 1.0},
    "again": {"nli": 0.0, "graded": 0.07, "made": 0.07, "written": 1.0},
}
"""Shares of each source by stage of training: first reading in general, then our domain, then our domain once more."""


def mixture(rng: random.Random, stage: str) -> list[Example]:
    """The training examples of one stage, in order."""
    return _stage(rng, **STAGES[stage])


def _stage(rng: random.Random, nli: float, graded: float, made: float, written: float) -> list[Example]:
    questions = read_corpus()
    chosen = read_nli(PUBLIC, rng, int(_NLI * nli))
    for name, limit in GRADED.items():
        chosen += graded_part(name, "train", rng, int(limit * graded))
    chosen += [fewer_points(e, rng, 3) for e in make_examples(list(questions.values()), "train", rng, made)]
    if written:
        chosen += [e for e in read_domain(questions) if split_of(e.group) == "train"]
    return arrange(chosen, rng)


def validation(seed: int = 7) -> list[Example]:
    """Examples of the validation questions of every source: for calibration, and to see where training stands."""
    rng = random.Random(seed)
    questions = read_corpus()
    chosen = [fewer_points(e, rng, 3) for e in make_examples(list(questions.values()), "validation", rng, 0.4)]
    chosen += [e for e in read_domain(questions) if split_of(e.group) == "validation"]
    for name in GRADED:
        chosen += graded_part(name, "validation", rng, 60)
    return chosen
