"""A point judge of few, explainable signals: meaning (EmbeddingGemma), words, negation, opposites, numbers.

It serves until a trained adapter is there (`tutor.judge.model`). Its weights (features.json) are those of a multinomial
logistic function and were set by hand, so that a quoted point is covered, its negation contradicts it, and other topics
leave it missing; its agreement with people has not been measured yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Protocol

import numpy as np

from tutor.lexical import tokenize
from tutor.records import PointProbabilities

CLASSES = ("covered", "partial", "missing", "contradicted")
NAMES = (
    "bias", "near", "near_whole", "words", "new_words", "bigrams", "order", "negation", "opposite", "number", "short", "said_near",
)  # fmt: skip
_NEGATION = re.compile(r"不|没|无|非|未|别|勿|否|\bnot?\b|n't|\bnever\b|\bwithout\b|\bcannot\b", re.IGNORECASE)
_OPPOSITES = (
    "增|升|涨|提高|变大 减|降|下降|变小", "大 小", "高 低", "多 少", "快 慢", "强 弱", "好 差", "前 后", "先 后", "冻结|固定 更新|训练", "有关 无关", "相同|一样 不同",
    "稳定 不稳|发散", "饱和 平滑", "线性 平方|二次", "需要 不需要|无需", "必须 不必", "可以|能 不能|无法", "省|节省 增加|浪费", "串行 并行", "同步 异步", "局部 全局",
    "increase|grow decrease|shrink", "more less", "larger|bigger smaller", "higher lower", "faster slower", "before after",
)  # fmt: skip
_PAIRS = tuple(tuple(re.compile(side, re.IGNORECASE) for side in pair.split(" ")) for pair in _OPPOSITES)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SENTENCE = re.compile(r"[^。！？!?；;\n，,]+[。！？!?；;\n，,]*")


class Embedder(Protocol):
    """What the judge needs of an embedding model."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors of texts."""
        ...


class FeatureJudge:
    """Judges by the signals above. Deterministic; thread-safe where the embedding model is.

    :param weights: len(CLASSES) x len(NAMES); those of features.json when None.
    """

    def __init__(self, embeddings: Embedder, weights: np.ndarray | None = None) -> None:
        self._embeddings = embeddings
        self._weights = load_weights() if weights is None else weights

    def verdicts(self, question: str, reply: str, points: Sequence[str]) -> list[PointProbabilities]:
        """Probabilities of the four verdicts for every point."""
        if not points:
            return []
        rows = features(self._embeddings, question, reply, points)
        logits = rows @ self._weights.T
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [PointProbabilities(*(float(p) for p in row)) for row in powers / powers.sum(axis=1, keepdims=True)]


def load_weights() -> np.ndarray:
    """The weights."""
    table = json.loads(resources.files("tutor.judge").joinpath("features.json").read_text("utf-8"))
    assert tuple(table["names"]) == NAMES, "features.json belongs to other signals"
    return np.asarray(table["weights"], dtype=np.float64)


def features(embeddings: Embedder, question: str, reply: str, points: Sequence[str]) -> np.ndarray:
    """Signals of one reply for each of the points: len(points) x len(NAMES)."""
    pieces = windows(reply)
    texts = [*pieces, reply, *points]
    vectors = np.asarray(embeddings.embed_documents(texts), dtype=np.float64)
    said, whole, wanted = vectors[: len(pieces)], vectors[len(pieces)], vectors[len(pieces) + 1 :]
    return np.stack([_row(question, pieces, reply, point, said @ w, float(whole @ w)) for point, w in zip(points, wanted, strict=True)])


def windows(reply: str) -> list[str]:
    """Clauses and sentences of a reply, and neighbours of them, so that a buried claim stands alone in one."""
    parts = [part.group() for part in _SENTENCE.finditer(reply) if part.group().strip()] or [reply]
    joined = ["".join(parts[i : i + 2]) for i in range(0, len(parts) - 1)] + ["".join(parts[i : i + 3]) for i in range(0, len(parts) - 2, 2)]
    return list(dict.fromkeys(one.strip() for one in (*parts, *joined)))[:24]


def _row(question: str, pieces: Sequence[str], reply: str, point: str, near: np.ndarray, whole: float) -> list[float]:
    best = pieces[int(np.argmax(near))]
    tokens, asked, given = set(tokenize(point)), set(tokenize(question)), set(tokenize(reply))
    new = tokens - asked
    top = max(float(near.max()), whole)
    negation = float(len(_NEGATION.findall(best)) % 2 != len(_NEGATION.findall(point)) % 2)
    numbers, theirs = set(_NUMBER.findall(point)), set(_NUMBER.findall(reply))
    return [
        1.0,
        top,
        whole,
        len(tokens & given) / max(1, len(tokens)),
        len(new & given) / max(1, len(new)),
        _recall(point, reply),
        _in_order(point, best),
        negation * top,
        _opposed(point, best) * top,
        float(bool(numbers) and not numbers & theirs and bool(theirs)),
        float(len(reply) < 12),
        max(0.0, top - 0.75) * (1.0 - negation),
    ]


def _recall(point: str, reply: str) -> float:
    wanted = _grams(point)
    return len(wanted & _grams(reply)) / max(1, len(wanted))


def _grams(text: str) -> set[str]:
    squeezed = re.sub(r"\W", "", text.lower())
    return {squeezed[i : i + 2] for i in range(len(squeezed) - 1)}


def _in_order(point: str, said: str) -> float:
    """Longest common subsequence of words over the words of the point: salad keeps the words but not their order."""
    a, b = tokenize(point), tokenize(said)
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], previous + 1 if x == y else max(row[j], row[j - 1])
    return row[-1] / max(1, len(a))


def _opposed(point: str, said: str) -> float:
    for left, right in _PAIRS:
        for one, other in ((left, right), (right, left)):
            if one.search(point) and not other.search(point) and other.search(said) and not one.search(said):
                return 1.0
    return 0.0
