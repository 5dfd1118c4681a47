"""Linking: pairs of questions labelled by us (same, related, near-miss), and links of real banks judged by reading.

Cases:
- `cases/linking.jsonl`: pairs that we wrote; a pair is its own text, or a text and the id of a corpus question.
- `cases/linking-near.jsonl`: neighbours by ids, drawn from all that the corpus and five shared banks ask, by bins of the
  chance that the linker of the time gave them; `stands_for` says how many pairs of its bin each stands for. Labelled
  strictly: same only when one answer, with nothing essential added, answers both.
- `cases/links-judged.jsonl`: random samples of links of the five shared banks, by ids, judged by reading the reference: does
  it answer what is asked? The first draws were used to tighten the linker, so the last one gives the precision.
The weights of `ingest.likeness` were fitted on the tuning halves only (`--fit`); both halves are reported.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from eval.cases import CASES, half
from eval.results import save
from ingest.chunking import chunk_all
from ingest.likeness import SAME, Likeness
from ingest.linking import Linker
from ingest.parsing import parse_file
from ingest.sources import parse_all, shipped_sources, sources
from ingest.vectors import VectorCache
from tutor.assembly import open_embeddings
from tutor.errors import TutorError
from tutor.library import current_version, read_links
from tutor.records import Link, Question
from tutor.settings import Settings

_COUNTED = {"written": 2, "near": 1}
"""How often each kind of pair counts when the weights are fitted."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions, as numbers of `Pairs.questions`, and the label that we gave them: same, related, near-miss.

    :ivar stands_for: how many pairs a drawn one stands for.
    """

    one: int
    other: int
    label: str
    text: str
    stands_for: float = 1.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """The labelled pairs and all questions they are about, the corpus included."""

    questions: tuple[Question, ...]
    pairs: tuple[Pair, ...]


def load_pairs(settings: Settings) -> Pairs:
    """The labelled pairs. :raises TutorError: a pair names a corpus question that does not exist."""
    questions = [
        question
        for path in sorted(settings.corpus.glob("*.md"))
        if path.read_text("utf-8").startswith("---")
        for question in parse_file(path, format="corpus").bank.questions
    ]
    number = {question.id: i for i, question in enumerate(questions)}
    pairs = []
    with (CASES / "linking.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        places = []
        for key in ("one", "other"):
            name = row.get(f"{key}_id") or f"case:{row[key]}"
            if name not in number and f"{key}_id" in row:
                raise TutorError(f"{CASES / 'linking.jsonl'}: the corpus has no question {name!r}; correct the case")
            if name not in number:
                number[name] = len(questions)
                questions.append(Question(id=name, bank="cases", path="", line=0, text=row[key]))
            places.append(number[name])
        pairs.append(
            Pair(places[0], places[1], row["label"], f"{questions[places[0]].text} | {questions[places[1]].text}")
        )
    return Pairs(tuple(questions), tuple(pairs))


def load_near(settings: Settings) -> Pairs:
    """The labelled neighbours whose questions are among the banks that were added."""
    banks = parse_all([*shipped_sources(settings), *sources(settings)])
    questions = tuple(question for bank in banks for question in bank.questions)
    number = {question.id: i for i, question in enumerate(questions)}
    with (CASES / "linking-near.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return Pairs(
        questions,
        tuple(
            Pair(number[row["one_id"]], number[row["other_id"]], row["label"], row["one_id"], row["stands_for"])
            for row in rows
            if row["one_id"] in number and row["other_id"] in number
        ),
    )


def compare(pairs: Pairs, settings: Settings) -> list[Likeness]:
    """What linking says about each pair. Vectors are kept in `cache/linking` of the data folder."""
    embeddings = open_embeddings(settings)
    chunks = [chunk for chunk in chunk_all(pairs.questions) if chunk.part == "question"]
    cache = VectorCache(settings.home / "cache" / "linking", embeddings.identity)

    def say(done: int, total: int) -> None:
        print(f"\rembedding {done} of {total}", end="\n" if done == total else "", flush=True)

    linker = Linker(
        pairs.questions, chunks, cache.embed([chunk.text for chunk in chunks], embeddings.embed_documents, say)
    )
    return [linker.same(pair.one, pair.other) for pair in pairs.pairs]


def scores(labels: Sequence[str], chances: Sequence[float], counts: Sequence[float] | None = None) -> dict[str, float]:
    """Precision, recall and F1 of "same", and how many near-misses were taken for it. `counts`: how many each stands for."""
    taken = [chance >= SAME for chance in chances]
    weighed = list(zip(taken, labels, counts or [1.0] * len(labels), strict=True))
    hits = sum(n for yes, label, n in weighed if yes and label == "same")
    precision = hits / sum(n for yes, _, n in weighed if yes) if any(taken) else 0.0
    recall = hits / sum(n for _, label, n in weighed if label == "same") if "same" in labels else 0.0
    return {
        "pairs": len(labels),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4) if hits else 0.0,
        "related_as_same": sum(yes and label == "related" for yes, label in zip(taken, labels, strict=True)),
        "near_miss_as_same": sum(yes and label == "near-miss" for yes, label in zip(taken, labels, strict=True)),
    }


@dataclass(frozen=True, slots=True)
class Judged:
    """A link that we judged by reading. `draw` numbers the random samples."""

    draw: int
    question_id: str
    target_id: str
    holds: bool
    note: str


def load_judged() -> list[Judged]:
    """The judged links."""
    with (CASES / "links-judged.jsonl").open(encoding="utf-8") as file:
        return [Judged(**json.loads(line)) for line in file]


def judged_precision(judged: Sequence[Judged], links: Mapping[str, Link]) -> dict[str, float]:
    """Share of the last draw that holds, with the lower end of its 95% interval (Wilson).

    :param links: those that the linker makes now, by question; judged links that it no longer makes do not count.
    """
    last = [one for one in judged if one.draw == max(other.draw for other in judged)]
    made = [one for one in last if one.question_id in links and links[one.question_id].target_id == one.target_id]
    if not made:
        return {"judged": len(last), "still_made": 0}
    n, p, z = len(made), sum(one.holds for one in made) / len(made), 1.96
    low = (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return {"judged": len(last), "still_made": n, "precision": round(p, 4), "at_least": round(low, 4)}


def fit(features: Sequence[Sequence[float]], labels: Sequence[bool], penalty: float = 0.05) -> list[float]:
    """Weights of a logistic regression, the constant first, by Newton steps; `penalty` keeps them small."""
    x = np.column_stack([np.ones(len(features)), np.asarray(features, dtype=np.float64)])
    y = np.asarray(labels, dtype=np.float64)
    ridge = penalty * np.eye(x.shape[1])
    ridge[0, 0] = 1e-6
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, x.T @ (p - y) + ridge @ w)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return [round(float(one), 2) for one in w]


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Print the scores of both halves and the pairs decided wrongly; `--fit` prints weights fitted on the tuning half."""
    parser = argparse.ArgumentParser(prog="tutor eval linking")
    parser.add_argument(
        "--fit", action="store_true", help="fit the weights of `same` on the tuning half and print them"
    )
    options = parser.parse_args(list(arguments))
    pairs, near = load_pairs(settings), load_near(settings)
    found = [*compare(pairs, settings), *compare(near, settings)]
    labelled = [*pairs.pairs, *near.pairs]
    halves = [half(pair.text) for pair in labelled]
    kinds = ["written"] * len(pairs.pairs) + ["near"] * len(near.pairs)
    if options.fit:
        rows = [
            i
            for i, one in enumerate(found)
            if halves[i] == "tuning" and one.features and not one.conflict
            for _ in range(_COUNTED[kinds[i]])
        ]
        print("weights", fit([found[i].features for i in rows], [labelled[i].label == "same" for i in rows]))
    results: dict[str, dict[str, float]] = {}
    for kind, part in product(_COUNTED, ("tuning", "held-out", "all")):
        rows = [i for i, name in enumerate(kinds) if name == kind and part in ("all", halves[i])]
        results[f"{kind} {part}"] = scores(
            [labelled[i].label for i in rows], [found[i].chance for i in rows], [labelled[i].stands_for for i in rows]
        )
        print(f"{kind} {part:9}", *(f"{key} {value}" for key, value in results[f"{kind} {part}"].items()))
    for pair, one, where in zip(pairs.pairs, found[: len(pairs.pairs)], halves, strict=False):
        if (one.chance >= SAME) != (pair.label == "same"):
            print(f"  {where:9}{pair.label:10}{one.chance:.2f} {pair.text} {one.conflict}")
    version = current_version(settings.index)
    judged = judged_precision(load_judged(), read_links(settings.index / version) if version else {})
    print("links judged by reading (of the banks in the index):", judged)
    save("linking", {"same": results, "links_judged": judged})
    return 0 if results["written all"]["near_miss_as_same"] == 0 else 1
