"""Coverage: which questions of the banks have a reference of their own, a link to one, or nothing; what to write next."""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.results import save
from tutor.assembly import open_library
from tutor.library import Snapshot
from tutor.records import Question
from tutor.settings import Settings


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of one bank. They add up to `questions`."""

    bank: str
    questions: int
    own: int
    linked: int
    none: int

    @property
    def share(self) -> float:
        """Share of the questions that can be answered and graded, 0 to 1."""
        return (self.own + self.linked) / self.questions if self.questions else 0.0


def standing(snapshot: Snapshot, question: Question) -> str:
    """"own", "linked" or "none"."""
    if question.reference or question.key:
        return "own"
    return "linked" if question.id in snapshot.links else "none"


def measure(snapshot: Snapshot) -> list[Coverage]:
    """Coverage of every bank, in the order of the index."""
    rows = []
    for bank in snapshot.banks:
        counts = Counter(standing(snapshot, question) for question in snapshot.questions() if question.bank == bank["bank"])
        rows.append(Coverage(bank["bank"], counts.total(), counts["own"], counts["linked"], counts["none"]))
    return rows


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Print the table and the sections with the most open questions; optionally write a sample of links to judge."""
    parser = argparse.ArgumentParser(prog="tutor eval coverage")
    parser.add_argument("--sample", type=int, default=0, help="write this many random links to --out, to be judged by reading")
    parser.add_argument("--out", type=Path, default=Path("links-sample.jsonl"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(list(arguments))
    library = open_library(settings)
    snapshot = library.snapshot()
    rows = measure(snapshot)
    print(f"{'bank':28}{'questions':>10}{'own':>8}{'linked':>8}{'none':>8}{'covered':>10}")
    for row in rows:
        print(f"{row.bank:28}{row.questions:>10}{row.own:>8}{row.linked:>8}{row.none:>8}{row.share:>10.1%}")
    gaps = Counter(
        (question.bank, " / ".join(question.trail))
        for question in snapshot.questions()
        if standing(snapshot, question) == "none"
    )
    if gaps:
        print("\nwrite next (section: questions without any reference)")
        for (bank, trail), count in gaps.most_common(15):
            print(f"{count:4}  {bank}: {trail}")
    if options.sample:
        _write_sample(snapshot, options.sample, options.out, options.seed)
    added = [row for row in rows if not snapshot_is_shipped(snapshot, row.bank)]
    save("coverage", {"banks": {row.bank: {"questions": row.questions, "own": row.own, "linked": row.linked} for row in added}})
    library.close()
    return 0


def snapshot_is_shipped(snapshot: Snapshot, bank: str) -> bool:
    """Whether a bank ships with the tutor."""
    return any(row["bank"] == bank and str(row["path"]).startswith("corpus/") for row in snapshot.banks)


def _write_sample(snapshot: Snapshot, size: int, out: Path, seed: int) -> None:
    links = sorted(snapshot.links.values(), key=lambda link: link.question_id)
    chosen = random.Random(seed).sample(links, min(size, len(links)))
    with out.open("w", encoding="utf-8") as file:
        for link in chosen:
            question, target = snapshot.question(link.question_id), snapshot.question(link.target_id)
            row = {
                "question_id": question.id,
                "question": question.text,
                "trail": list(question.trail),
                "target_id": target.id,
                "target": target.text,
                "kind": link.kind,
                "confidence": link.confidence,
                "holds": None,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"\n{len(chosen)} links written to {out}")
