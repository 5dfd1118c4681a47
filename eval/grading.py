"""The report card of grading: `python -m eval grading`. Ours next to three other graders, on questions unseen in training.

Prints tables and keeps the numbers in `eval/results/grading.json` with the revision of the code.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from eval import behaviour
from eval.agreement import agreement, tiers, weighted_f1
from eval.baselines import Row, ask_model, fit_cosine, fit_overlap
from eval.judge_data import PUBLIC, Example, graded_split, read_corpus, read_domain, read_graded, split_of
from eval.results import save
from tutor.assembly import open_judge
from tutor.embedding import GemmaEmbeddings
from tutor.grading import Judge, decide, grade
from tutor.records import Grade, Question
from tutor.settings import Settings

SCORED = ("ads_zh", "nn_exam_en", "mohler_en", "saf_en", "le_zh")
LABELLED = ("scientsbank_3way_en", "beetle_3way_en")
TARGETS = {"ads_zh": "QWK >= .60, r >= .65", "nn_exam_en": "r >= .65", "mohler_en": "r >= .60", "saf_en": "r >= .60"}
_FITTED = 120
"""Training rows that the line through the cosine is fitted to: it has two parameters, and embedding is slow."""


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure everything, print the tables, keep the numbers.

    :raises WeightsError: the judge's weights are absent or do not match.
    """
    parser = argparse.ArgumentParser(prog="eval grading")
    parser.add_argument("--most", type=int, default=200, help="rows of each public set, at most")
    parser.add_argument("--probes", type=int, default=20, help="corpus questions whose replies are probed")
    parser.add_argument(
        "--asked", type=int, default=15, help="rows of each set that the language model is asked about; 0: none"
    )
    chosen = parser.parse_args(list(arguments))
    judge = open_judge(settings)
    embeddings = GemmaEmbeddings(settings.models, settings.dtype)
    complete = _completion(settings) if chosen.asked and settings.engine != "none" else None
    result: dict[str, Any] = {
        "public": _public(judge, embeddings, chosen.most, chosen.asked, complete),
        "labelled": _labelled(judge, chosen.most),
        "domain": _domain(judge),
        "behaviour": _behaviour(judge, chosen.probes),
        "seconds": _seconds(judge),
    }
    path = save("grading", result)
    print(table(result))
    print(f"kept in {path}")
    return 0


def _completion(settings: Settings) -> Callable[[str], str]:
    """The language model of the settings, asked without conversation, at most a few tokens."""
    from tutor.llm import chat_model

    model = chat_model(settings)
    return lambda prompt: str(model.bind(max_tokens=8, temperature=0.0).invoke(prompt).content)


def score_row(judge: Judge, row: Row) -> Grade:
    """Our grade of a row with references: the best that any of them gives."""
    question = Question(id=str(row["qid"]), bank=row["ds"], path="", line=0, text=row["question"])
    grades = [
        grade(replace(question, reference=reference), row["answer"], judge, prose=False)
        for reference in row["references"]
        if reference.strip()
    ]
    return max(grades, key=lambda g: g.score)


def _rows(name: str, most: int, split: str = "test") -> list[Row]:
    path = PUBLIC / "graded" / f"{name}.jsonl"
    if not path.is_file():
        print(f"{path} is absent: {name} is left out", file=sys.stderr)
        return []
    rows = [row for row in read_graded(path) if graded_split(row) == split]
    if split == "test" and name in LABELLED:
        rows = [row for row in rows if row["split"] == "unseen-questions"]
    return random.Random(3).sample(rows, min(most, len(rows)))


def _public(
    judge: Judge, embeddings: GemmaEmbeddings, most: int, asked: int, complete: Callable[[str], str] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in SCORED:
        test, train = _rows(name, most), _rows(name, 400, "train")
        if not test:
            continue
        gold = [row["score"] / row["max"] for row in test]
        started = time.perf_counter()
        ours = [score_row(judge, row).score / 100 for row in test]
        seconds = (time.perf_counter() - started) / len(test)
        entry: dict[str, Any] = {
            "questions": len({row["qid"] for row in test}),
            "ours": {**agreement(ours, gold), "seconds": round(seconds, 3)},
            "by_question": _spread(test, ours, gold),
            "tiers": tiers(ours, gold),
            "overlap": agreement(fit_overlap(train, test), gold),
            "cosine": agreement(fit_cosine(train[:_FITTED], test, embeddings.embed_documents), gold),
        }
        if complete is not None:
            some = test[:asked]
            entry["llm"] = agreement(ask_model(some, complete), gold[: len(some)])
            entry["ours_on_llm_sample"] = agreement(ours[: len(some)], gold[: len(some)])
        found[name] = entry
        print(f"{name}: {entry['ours']}", file=sys.stderr)
    return found


def _spread(rows: Sequence[Row], ours: Sequence[float], gold: Sequence[float]) -> dict[str, dict[str, float]]:
    """Agreement within each question."""
    numbers: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        numbers.setdefault(str(row["qid"]), []).append(i)
    return {qid: agreement([ours[i] for i in some], [gold[i] for i in some]) for qid, some in sorted(numbers.items())}


def _labelled(judge: Judge, most: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in LABELLED:
        test, train = _rows(name, most), _rows(name, 400, "train")
        if test:
            said = [label_of(judge, row) for row in test]
            gold = [row["label"] for row in test]
            majority = Counter(row["label"] for row in train).most_common(1)[0][0]
            found[name] = {
                "n": len(test),
                "weighted_f1": round(weighted_f1(said, gold), 3),
                "accuracy": round(sum(a == b for a, b in zip(said, gold, strict=True)) / len(gold), 3),
                "majority_f1": round(weighted_f1([majority] * len(gold), gold), 3),
            }
            print(f"{name}: {found[name]}", file=sys.stderr)
    return found


def label_of(judge: Judge, row: Row) -> str:
    """correct, contradictory or incorrect: the most likely verdict on the whole reference, of the reference that fits best."""
    best = max(
        (judge.verdicts(row["question"], row["answer"], [reference])[0] for reference in row["references"]),
        key=lambda p: p.covered,
    )
    chances = {"correct": best.covered + best.partial / 2, "contradictory": best.contradicted}
    chances["incorrect"] = 1 - sum(chances.values())
    return max(chances, key=chances.__getitem__)


def _domain(judge: Judge) -> dict[str, Any]:
    examples = [e for e in read_domain(read_corpus()) if split_of(e.group) == "test"]
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for example in examples:
        for probabilities, label in zip(
            judge.verdicts(example.question, example.reply, example.points), example.labels, strict=True
        ):
            verdict = decide(probabilities)[0]
            letter = {"covered": "c", "partial": "p", "missing": "m", "contradicted": "x"}[verdict]
            for key in ("all", f"how:{example.how}", f"verdict:{label}"):
                total[key] += 1
                right[key] += letter in label
                covered[key] += letter == "c"
    return {
        key: {
            "n": total[key],
            "right": round(right[key] / total[key], 3),
            "called_covered": round(covered[key] / total[key], 3),
        }
        for key in sorted(total)
    }


def _behaviour(judge: Judge, probes: int) -> dict[str, Any]:
    corpus = read_corpus()
    written: list[Example] = [e for e in read_domain(corpus) if split_of(e.group) == "test"]
    rich = Counter(e.group for e in written)
    test = sorted((q for q in corpus.values() if split_of(q.id) == "test"), key=lambda q: (-rich[q.id], q.id))[:probes]

    def grader(question: Question, reply: str) -> Grade:
        return grade(question, reply, judge, prose=False)

    rng = random.Random(11)
    found = behaviour.probe(test, written, grader, rng)
    return {
        "replies": {
            p.name: {
                "n": len(p.scores),
                "mean": round(p.mean, 1),
                "wanted": f"{p.low:g}-{p.high:g}",
                "inside": round(p.inside, 3),
            }
            for p in found
        },
        "attacks": behaviour.attack(test, grader, rng),
        "monotone": behaviour.monotone(test[:12], grader),
        "repeatable": behaviour.repeat(test[:5], grader),
    }


def _seconds(judge: Judge) -> dict[str, float]:
    """Seconds for six points against a reply of 200 characters, nothing kept from before but the points."""
    question = next(q for q in read_corpus().values() if len(q.points) >= 6 and len(q.reference) >= 260)
    points = [point.text for point in question.points[:6]]
    times = []
    for i in range(6):
        started = time.perf_counter()
        judge.verdicts(question.text, question.reference[i * 10 : i * 10 + 200], points)
        times.append(time.perf_counter() - started)
    return {"first": round(times[0], 3), "median": round(sorted(times[1:])[2], 3)}


def table(result: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"{'set':12s} {'n':>4s}  {'ours QWK/r/RMSE':>18s}  overlap r  cosine r  LLM r  target",
    ]
    for name, entry in result["public"].items():
        ours = entry["ours"]
        llm = f"{entry['llm']['r']:.2f}" if "llm" in entry else "-"
        lines.append(
            f"{name:12s} {ours['n']:4d}  {ours['qwk']:.2f} / {ours['r']:.2f} / {ours['rmse']:.2f}"
            f"  {entry['overlap']['r']:9.2f}  {entry['cosine']['r']:8.2f}  {llm:>5s}  {TARGETS.get(name, '')}"
        )
    for name, entry in result["labelled"].items():
        lines.append(
            f"{name}: weighted F1 {entry['weighted_f1']:.3f} (majority {entry['majority_f1']:.3f}) of {entry['n']}"
        )
    lines += ["", "Our test lines: right / called covered"]
    lines += [
        f"  {key:22s} {v['right']:.3f} / {v['called_covered']:.3f} of {v['n']}" for key, v in result["domain"].items()
    ]
    lines += ["", "Whole replies: mean score (wanted)"]
    for kind, v in result["behaviour"]["replies"].items():
        lines.append(f"  {kind:28s} {v['mean']:5.1f} ({v['wanted']}), {v['inside']:.0%} of {v['n']} inside")
    for key in ("attacks", "monotone", "repeatable"):
        lines.append(f"{key}: {result['behaviour'][key]}")
    lines.append(f"seconds for six points, 200 characters: {result['seconds']}")
    return "\n".join(lines)
