"""What our grader is compared with: character overlap, embedding similarity, and the language model asked for a score."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]
"""A graded answer: question, references, answer, score, max."""

_ASK = (
    "你是阅卷老师。根据参考答案给学生作答打分，0 到 10 分，只输出一个整数。\n"
    "题目：{question}\n参考答案：{reference}\n学生作答：{answer}\n分数："
)


def best_reference(row: Row, value: Callable[[str, str], float]) -> float:
    """The best value that any of the row's references gives to the answer."""
    return max(value(reference, row["answer"]) for reference in row["references"])


def overlap_features(reference: str, answer: str, question: str) -> list[float]:
    """F1, recall and precision of character 1- to 3-grams, lengths, and overlap with the question."""
    features: list[float] = []
    for n in (1, 2, 3):
        wanted, said, asked = _grams(reference, n), _grams(answer, n), _grams(question, n)
        shared = sum((wanted & said).values())
        recall, precision = shared / max(1, wanted.total()), shared / max(1, said.total())
        features += [2 * recall * precision / max(1e-9, recall + precision), recall, precision]
        features.append(sum((asked & said).values()) / max(1, said.total()))
    return [*features, np.log1p(len(answer)), len(answer) / max(1, len(reference))]


def fit_overlap(train: Sequence[Row], test: Sequence[Row]) -> list[float]:
    """Scores of `test` in [0, 1] by ridge regression on overlap, fitted to `train` (other questions)."""
    return _ridge(
        [_overlap(row) for row in train], [row["score"] / row["max"] for row in train], [_overlap(row) for row in test]
    )


def fit_cosine(
    train: Sequence[Row], test: Sequence[Row], embed: Callable[[list[str]], list[list[float]]]
) -> list[float]:
    """Scores of `test` by a line through the cosine of answer and reference, fitted to `train`."""
    texts = sorted({text for row in [*train, *test] for text in (row["answer"], *row["references"])})
    vectors = dict(zip(texts, embed(texts), strict=True))

    def cosine(reference: str, answer: str) -> float:
        return float(np.dot(vectors[reference], vectors[answer]))

    return _ridge(
        [[best_reference(row, cosine)] for row in train],
        [row["score"] / row["max"] for row in train],
        [[best_reference(row, cosine)] for row in test],
    )


def ask_model(rows: Sequence[Row], complete: Callable[[str], str]) -> list[float]:
    """Scores in [0, 1] that the language model gives when asked outright; an answer without a number counts as 0."""
    scores = []
    for row in rows:
        said = complete(_ASK.format(question=row["question"], reference=row["references"][0], answer=row["answer"]))
        number = re.search(r"\d+", said)
        scores.append(min(10, int(number.group())) / 10 if number else 0.0)
    return scores


def _overlap(row: Row) -> list[float]:
    found = [overlap_features(reference, row["answer"], row["question"]) for reference in row["references"]]
    return max(found, key=lambda features: features[4])


def _grams(text: str, n: int) -> Counter[str]:
    plain = re.sub(r"\s+", "", text.lower())
    return Counter(plain[i : i + n] for i in range(len(plain) - n + 1))


def _ridge(train: Sequence[Sequence[float]], gold: Sequence[float], test: Sequence[Sequence[float]]) -> list[float]:
    x, y = np.array(train), np.array(gold)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    scaled = (x - mean) / spread
    weights = np.linalg.solve(scaled.T @ scaled + 5.0 * np.eye(x.shape[1]), scaled.T @ (y - y.mean()))
    return [float(score) for score in np.clip((np.array(test) - mean) / spread @ weights + y.mean(), 0, 1)]
