"""Do citations hold? Planted swaps and falsehoods that the gate must catch, and what it says of generated answers.

The first needs no language model. Thresholds are fitted on the tuning half of the questions; both halves are printed,
the held-out one counts. The second writes every cited sentence with its verdict to `results/citations-read.jsonl`, where
people can read a sample and fill in what they think.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from eval.cases import CASES, half, load_searches
from eval.citation_cases import Pair, pairs
from eval.results import RESULTS, save
from tutor.answering import Tutor, stream_answer
from tutor.assembly import open_judge, open_tutor
from tutor.citations import SupportJudge, is_claim, sentences
from tutor.grading import Judge
from tutor.records import CitedAnswer, Question
from tutor.settings import Settings

TARGET = 0.95
READ = "citations-read.jsonl"
_MARK = re.compile(r"\[(\d+)\]")


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tutor eval citations")
    parser.add_argument("--answers", type=int, default=300, help="how many answers to generate; 0: none")
    parser.add_argument("--no-languages", action="store_true", help="leave out English sentences on Chinese passages")
    options = parser.parse_args(list(arguments))
    tutor = open_tutor(settings)
    questions = [one for one in tutor.library.snapshot().questions() if one.path.startswith("corpus/")]
    rows: dict[str, Any] = {"planted": planted(list(pairs(questions)), tutor.judge_support)}
    if not options.no_languages:
        rows["languages"] = languages(tutor)
    if options.answers and tutor.model is not None:
        rows["answers"] = answers(tutor, open_judge(settings), options.answers)
    print(f"written to {save('citations', {'model': settings.model, **rows})}")
    tutor.library.close()
    return 0


def planted(cases: Sequence[Pair], judge: SupportJudge) -> dict[str, dict[str, Any]]:
    """For each half and kind of pair the share called supported (true ones) or caught (the others)."""
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for case in cases:
        (support,) = judge([(case.passage, case.sentence)], case.others)
        counts[half(case.question_id)][case.kind][support] += 1
    table: dict[str, dict[str, Any]] = {}
    for part in ("tuning", "held-out"):
        table[part] = {}
        for kind, verdicts in counts[part].items():
            total = verdicts.total()
            good = verdicts["supported"] if kind in ("point", "sentence") else total - verdicts["supported"]
            table[part][kind] = {"pairs": total, "right": round(good / total, 4), **verdicts}
            name = "supported" if kind in ("point", "sentence") else "caught"
            print(f"{part:9} {kind:14} {total:5} pairs  {name:9} {good / total:6.1%}")
    return table


def languages(tutor: Tutor) -> dict[str, float]:
    """English sentences written by us with the Chinese passage they state, and with another one of the same bank."""
    snapshot = tutor.library.snapshot()
    with (CASES / "swapped_languages.jsonl").open(encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    by_bank: dict[str, list[Question]] = defaultdict(list)
    for question in snapshot.questions():
        if question.reference:
            by_bank[question.bank].append(question)
    rng = random.Random(0)
    verdicts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for case in cases:
        own = snapshot.question(case["id"])
        stray = rng.choice([one for one in by_bank[own.bank] if one.id != own.id])
        for true, question in ((True, own), (False, stray)):
            (support,) = tutor.judge_support([(f"{question.text}\n{question.reference}", case["sentence"])], ())
            verdicts[true][support] += 1
    result = {
        "supported": verdicts[True]["supported"] / len(cases),
        "caught": 1 - verdicts[False]["supported"] / len(cases),
    }
    print(f"English on Chinese: {len(cases)} true {result['supported']:.1%} supported, swapped {result['caught']:.1%} caught")
    return result


def answers(tutor: Tutor, judge: Judge, wanted: int) -> dict[str, Any]:
    """Generate answers to our paraphrases, and count."""
    snapshot = tutor.library.snapshot()
    cases = sorted(load_searches(), key=lambda case: random.Random(case.q).random())[:wanted]
    totals: Counter[str] = Counter()
    recalls: list[float] = []
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / READ).open("w", encoding="utf-8") as file:
        for i, case in enumerate(cases, start=1):
            *_, answer = stream_answer(tutor, case.q)
            totals += count(answer)
            for row in read_rows(case.q, answer):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            gold = next((one for one in map(snapshot.question, case.gold) if one.points), None)
            if gold is not None and not answer.refused:
                recalls.append(recall(judge, gold, answer.text))
            print(f"{i}/{len(cases)} {dict(totals)}", file=sys.stderr)
    result = {
        **totals,
        "cited_share": round(totals["cited"] / max(1, totals["claims"]), 4),
        "supported_share": round(totals["supported"] / max(1, totals["citations"]), 4),
        "sentences_per_answer": round(totals["claims"] / max(1, totals["answered"]), 2),
        "key_point_recall": round(sum(recalls) / len(recalls), 4) if recalls else None,
    }
    for name, value in result.items():
        print(f"{name:24} {value}")
    print(f"every cited sentence is in {RESULTS / READ}: read a sample")
    return result


def count(answer: CitedAnswer) -> Counter[str]:
    """What there is to count in one answer."""
    if answer.refused or answer.badge == "none":
        return Counter(answers=1, refused=1)
    known = {passage.n for passage in answer.passages}
    claims = [one for one in sentences(answer.text) if is_claim(one.text)]
    counted: Counter[str] = Counter(citation.support for citation in answer.citations)
    return counted + Counter(
        answers=1,
        answered=1,
        claims=len(claims),
        cited=sum(1 for one in claims if one.numbers),
        dangling=sum(1 for number in _MARK.findall(answer.text) if int(number) not in known),
        citations=len(answer.citations),
    )


def read_rows(question: str, answer: CitedAnswer) -> list[dict[str, Any]]:
    """One row a citation, for people to read; `people` is theirs to fill in."""
    passages = {passage.n: passage for passage in answer.passages}
    return [
        {"question": question, **asdict(citation), "passage": passages[citation.n].question_id, "people": None}
        for citation in answer.citations
    ]


def recall(judge: Judge, question: Question, text: str) -> float:
    """The share of the question's key points, by weight, that the judge finds in an answer."""
    found = judge.verdicts(question.text, _MARK.sub("", text), [point.text for point in question.points])
    weights = [point.weight for point in question.points]
    return sum(weight * one.covered for weight, one in zip(weights, found, strict=True)) / sum(weights)
