"""What the point judge learns from and is measured on: NLI pairs, graded answers, hand-written domain lines.

`python -m eval.judge_data` checks `eval/judge_data/domain-*.jsonl` against the corpus and counts what is there.
What the program makes of the corpus itself is in `eval/judge_made.py`.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ingest.parsing import parse_file
from tutor.errors import TutorError
from tutor.lexical import letter_pairs
from tutor.points import split_reference
from tutor.records import Question

Split = Literal["train", "validation", "test"]

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = ROOT.parent / "shared" / "data"
DOMAIN = Path(__file__).resolve().parent / "judge_data"
CORPUS = ROOT / "corpus"

VERDICT_LETTERS = {"covered": "c", "partial": "p", "missing": "m", "contradicted": "x"}
HOWS = {
    "paraphrase": "c",
    "keyword_free": "c",
    "half": "p",
    "omit": "m",
    "contradict": "x",
    "buried": "cpmx",
    "stuffed": "m",
    "instruct": "m",
}
_NLI = {"entailment": "c", "neutral": "m", "contradiction": "x"}
_GRADED_LABELS = {"correct": "c", "contradictory": "x", "incorrect": "pm"}
_MAXIMUM_REFERENCE = 700
_SALT = 4  # chosen, before any training, so that the set with ten questions has three in the test


class ExampleError(TutorError):
    """Lines of the domain examples are malformed."""


@dataclass(frozen=True, slots=True)
class Example:
    """One reply and what it does to some points.

    :ivar labels: for each point the verdicts that would be right, as letters of "cpmx" ("pm": partial or missing).
    :ivar score: instead of labels: the mean coverage of the points that people gave, in [0, 1].
    :ivar group: what the split goes by: the question. :ivar how: where the example belongs in the report.
    """

    source: str
    group: str
    question: str
    reply: str
    points: tuple[str, ...]
    labels: tuple[str, ...] = ()
    score: float | None = None
    how: str = ""


def split_of(group: str, test: int = 20, validation: int = 10) -> Split:
    """The part that a question belongs to, by a hash of its id: `test` % test, `validation` %, else training."""
    bucket = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 100
    if bucket < test:
        return "test"
    return "validation" if bucket < test + validation else "train"


def overlap(part: str, whole: str) -> float:
    """Share of the character pairs of `part` that occur in `whole`."""
    pairs = letter_pairs(part)
    return len(pairs & letter_pairs(whole)) / len(pairs) if pairs else 0.0


# ---- public sets ----


def read_nli(folder: Path, rng: random.Random, limit: int) -> list[Example]:
    """Premise as reply, hypothesis as point, `limit` pairs from each NLI set; PAWS-X pairs besides."""
    found: list[Example] = []
    for name in ("cmnli_dev", "ocnli_dev"):
        rows = [line.split("\t") for line in (folder / "pairs" / f"{name}.txt").read_text("utf-8").splitlines()]
        usable = [row for row in rows if len(row) == 3 and row[2] in _NLI]
        found += [
            Example(name, f"{name}/{a}", "", a, (b,), (_NLI[label],))
            for a, b, label in rng.sample(usable, min(limit, len(usable)))
        ]
    rows = [line.split("\t") for line in (folder / "pairs" / "pawsx_zh_dev_2k.tsv").read_text("utf-8").splitlines()[1:]]
    usable = [row for row in rows if len(row) == 4 and row[1] and row[2]]
    found += [
        Example("pawsx", f"pawsx/{row[1]}", "", row[1], (row[2],), ("c" if row[3] == "1" else "pmx",))
        for row in rng.sample(usable, min(limit // 4, len(usable)))
    ]
    return found


def read_graded(path: Path) -> list[dict[str, Any]]:
    """The rows of one graded set that can be used: with a reference, and not an empty submission."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [row for row in rows if row["references"] and row["answer"].strip() and "o submission" not in row["answer"]]


def graded_split(row: dict[str, Any]) -> Split:
    """Where a graded row belongs.

    By question: a quarter of the questions is the test. Where a set has an official test split (unseen answers or
    questions) that is the test; only SAF, whose test repeats the training questions, is validated on answers.
    """
    if row["split"] in ("unseen-questions", "unseen-answers", "unseen_answers"):
        return "test"
    if row["ds"] == "saf_en":
        return split_of(f"saf_en/{row['id']}", test=0, validation=8)
    official = row["ds"] in ("scientsbank_3way_en", "beetle_3way_en")
    return split_of(f"{row['ds']}/{row['qid']}/{_SALT}", test=0 if official else 25)


def graded_example(row: dict[str, Any], rng: random.Random) -> Example:
    """A graded row as an example: its most similar reference as one point or cut into points.

    A label needs one point to carry it; a score is shared by all points of a cut reference.
    """
    answer = " ".join(row["answer"].split())
    references = sorted(row["references"], key=lambda text: overlap(answer, text) + overlap(text, answer))
    reference = " ".join(references[-1].split())[:_MAXIMUM_REFERENCE]
    group = f"{row['ds']}/{row['qid']}"
    if row.get("score") is None:
        return Example(row["ds"], group, row["question"], answer, (reference,), (_GRADED_LABELS[row["label"]],))
    pieces = tuple(point.text for point in split_reference(reference))
    points = pieces if len(pieces) > 1 and (len(reference) > 250 or rng.random() < 0.7) else (reference,)
    return Example(row["ds"], group, row["question"], answer, points, score=row["score"] / row["max"])


# ---- domain ----


def read_corpus(folder: Path = CORPUS) -> dict[str, Question]:
    """The open questions of our corpus that have a reference and points, by id."""
    questions: dict[str, Question] = {}
    for path in sorted(folder.glob("*.md")):
        if path.name not in ("README.md", "REVIEW.md"):
            bank = parse_file(path).bank
            questions |= {q.id: q for q in bank.questions if q.kind == "open" and q.reference and q.points}
    return questions


def read_domain(questions: dict[str, Question], folder: Path = DOMAIN) -> list[Example]:
    """The hand-written lines. Lines on the same reply become one example with several points.

    :raises ExampleError: a line is malformed, names a question or point that does not exist, or contradicts itself.
    """
    merged: dict[tuple[str, str, str], dict[int, str]] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("domain-*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            problem, record = check_line(line, questions)
            if problem:
                problems.append(f"{path.name}:{number}: {problem}")
                continue
            key = (record["question_id"], record["reply"].strip(), record["how"])
            letters = merged.setdefault(key, {})
            letter = VERDICT_LETTERS[record["verdict"]]
            if letters.setdefault(record["point"], letter) != letter:
                problems.append(f"{path.name}:{number}: another line gives the same reply another verdict")
    if problems:
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise ExampleError("; ".join(problems[:20]) + more)
    return [
        Example(
            "domain",
            question_id,
            questions[question_id].text,
            reply,
            tuple(questions[question_id].points[n - 1].text for n in sorted(letters)),
            tuple(letters[n] for n in sorted(letters)),
            how=how,
        )
        for (question_id, reply, how), letters in merged.items()
    ]


def check_line(line: str, questions: dict[str, Question]) -> tuple[str, dict[str, Any]]:
    """What is wrong with one line of domain examples (empty: nothing), and the record that it holds."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not JSON ({error})", {}
    if not isinstance(record, dict) or set(record) != {"question_id", "point", "reply", "verdict", "how"}:
        return "needs exactly question_id, point, reply, verdict, how", {}
    question = questions.get(record["question_id"])
    letter = VERDICT_LETTERS.get(record["verdict"], "?")
    for wrong, what in (
        (question is None, f"no open question {record['question_id']!r} in the corpus"),
        (
            question is not None and record["point"] not in range(1, len(question.points) + 1),
            f"point {record['point']!r} does not exist",
        ),
        (
            not isinstance(record["reply"], str) or not 2 <= len(record["reply"].strip()) <= 1500,
            "reply must be 2-1500 characters",
        ),
        (letter == "?", f"verdict {record['verdict']!r} is unknown"),
        (
            letter not in HOWS.get(record["how"], ""),
            f"how {record['how']!r} does not go with verdict {record['verdict']!r}",
        ),
    ):
        if wrong:
            return what, record
    return "", record


def count(examples: Iterable[Example]) -> Iterator[str]:
    """Lines of a table: examples and labelled points by split and by way."""
    table: Counter[tuple[str, str]] = Counter()
    for example in examples:
        for label in example.labels:
            table[split_of(example.group), f"{example.how}:{label}"] += 1
    for part in ("train", "validation", "test"):
        row = {how: n for (split, how), n in sorted(table.items()) if split == part}
        yield f"{part:11s} {sum(row.values()):6d}  " + "  ".join(f"{how} {n}" for how, n in row.items())


def main() -> int:
    """Check the hand-written lines and print what is there."""
    questions = read_corpus()
    try:
        examples = read_domain(questions)
    except ExampleError as error:
        print(str(error).replace("; ", "\n"), file=sys.stderr)
        return 1
    print(f"{len(questions)} open questions, {sum(len(q.points) for q in questions.values())} points")
    for line in count(examples):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
