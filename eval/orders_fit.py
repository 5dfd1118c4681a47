"""Fit `tutor.orders` and say what it finds: `python -m eval.orders_fit` (with --save it writes the weights).

Orders: `judge_data/orders.txt` and the training split of the attacks. Everything else: honest sentences that sound like them
(`judge_data/not_orders.txt`), the corpus, the replies of the domain examples and graded answers of the public sets, as far as
they belong to training questions. What is reported comes from the test attacks and from replies to other questions.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

import numpy as np
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from eval.judge_data import DOMAIN, PUBLIC, graded_split, read_corpus, read_domain, read_graded, split_of
from eval.judge_made import read_attacks
from tutor.orders import SIZE, WEIGHTS, features
from tutor.rules import screen, split_sentences

_LIKE_ORDERS = 3
"""How often an honest sentence that sounds like an order counts; an order counts as often."""
_GRADED = ("ads_zh", "nn_exam_en", "mohler_en", "saf_en", "le_zh", "scientsbank_3way_en")
_ROWS = 1200


def main() -> int:
    """Fit, report, and write the weights when asked to."""
    parser = argparse.ArgumentParser(description="Fit the recogniser of orders to the grader.")
    parser.add_argument("--save", action="store_true", help=f"write {WEIGHTS.name}")
    options = parser.parse_args()
    orders, honest, unseen = _texts(random.Random(0))
    labels = np.array([1] * len(orders) + [0] * len(honest))
    model = LogisticRegression(C=10, max_iter=500, class_weight={1: _LIKE_ORDERS, 0: 1})
    model.fit(_matrix([*orders, *honest]), labels)

    def score(texts: Sequence[str]) -> np.ndarray:
        found: np.ndarray = model.decision_function(_matrix(texts))
        return found

    attacks = read_attacks("test")
    alone = [bool((score([text, *split_sentences(text)]) > 0).any()) for text in attacks]
    question = read_corpus()["attention-sqrt-dk"].text
    flagged = [bool("injection" in screen(question, text).flags) for text in attacks]
    print(f"{len(orders)} orders, {len(honest)} honest sentences")
    print(f"test attacks found: {np.mean(alone):.3f} of {len(attacks)} by the fitted weights alone")
    print(f"test attacks flagged by the rules with the stored weights: {np.mean(flagged):.3f}")
    for name, texts in unseen.items():
        print(f"{name}: {np.mean(score(texts) > 0):.5f} of {len(texts)} sentences taken for orders")
    if options.save:
        held = {"weights": model.coef_[0].astype(np.float16), "bias": model.intercept_.astype(np.float32)}
        save_file(held, WEIGHTS)
    return 0


def _texts(rng: random.Random) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Orders, honest sentences, and honest sentences on other questions than these, by where they are from."""
    orders = [*_lines("orders.txt"), *read_attacks("train")]
    orders += [part for text in orders for part in split_sentences(text) if len(part) > 8]
    honest = _lines("not_orders.txt") * _LIKE_ORDERS
    questions = read_corpus()
    unseen: dict[str, list[str]] = {"corpus": [], "replies": [], "graded answers": []}
    for question in questions.values():
        texts = [*split_sentences(question.reference), *(p.text for p in question.points)]
        (honest if split_of(question.id) == "train" else unseen["corpus"]).extend(texts)
    replies = {(e.group, e.reply) for e in read_domain(questions) if e.how != "instruct"}
    for group, reply in sorted(replies):
        (honest if split_of(group) == "train" else unseen["replies"]).extend(split_sentences(reply))
    for name in _GRADED:
        rows = read_graded(PUBLIC / "graded" / f"{name}.jsonl")
        for row in rng.sample(rows, min(_ROWS, len(rows))):
            part = honest if graded_split(row) == "train" else unseen["graded answers"]
            part.extend(split_sentences(row["answer"]))
    return orders, honest, unseen


def _lines(name: str) -> list[str]:
    """One text a line; a line break inside of one is written as \\n."""
    return [line.replace("\\n", "\n") for line in (DOMAIN / name).read_text("utf-8").split("\n") if line]


def _matrix(texts: Sequence[str]) -> csr_matrix:
    found = [features(text) for text in texts]
    rows = [i for i, one in enumerate(found) for _ in one]
    values = [len(one) ** -0.5 for one in found for _ in one]
    return csr_matrix((values, (rows, [n for one in found for n in one])), shape=(len(texts), SIZE), dtype=np.float32)


if __name__ == "__main__":
    sys.exit(main())
