"""Measures of agreement between scores and people. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Correlation; 0 where one side does not vary."""
    n = len(xs)
    if n < 2:
        return 0.0
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    across = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    spread = math.sqrt(sum((x - mean_x) ** 2 for x in xs) * sum((y - mean_y) ** 2 for y in ys))
    return across / spread if spread > 1e-12 else 0.0


def rmse(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Root of the mean squared difference."""
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(xs, ys, strict=True)) / len(xs)) if xs else 0.0


def quadratic_kappa(xs: Sequence[int], ys: Sequence[int]) -> float:
    """Quadratic weighted kappa of two ratings in whole steps; 1 where both are the same constant."""
    n = len(xs)
    seen = sum((x - y) ** 2 for x, y in zip(xs, ys, strict=True))
    count_x, count_y = Counter(xs), Counter(ys)
    by_chance = sum(a * b * (x - y) ** 2 for x, a in count_x.items() for y, b in count_y.items()) / n if n else 0.0
    return 1.0 - seen / by_chance if by_chance else 1.0


def weighted_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of each class, weighted by how often the class occurs in `gold`."""
    total = 0.0
    for name, count in Counter(gold).items():
        hits = sum(p == g == name for p, g in zip(predicted, gold, strict=True))
        claimed = sum(p == name for p in predicted)
        total += count * (2 * hits / (claimed + count))
    return total / len(gold) if gold else 0.0


def steps_of(scores: Sequence[float], most: int = 10) -> int:
    """How many steps a scale in [0, 1] has, from the smallest gap between the scores that occur; at most `most`."""
    levels = sorted({round(score, 4) for score in scores} | {0.0, 1.0})
    gap = min(b - a for a, b in zip(levels, levels[1:], strict=False))
    return max(1, min(most, round(1 / gap)))


def agreement(predicted: Sequence[float], gold: Sequence[float]) -> dict[str, float]:
    """QWK on the scale's own steps, Pearson and RMSE of scores in [0, 1]."""
    steps = steps_of(gold)
    clipped = [min(1.0, max(0.0, score)) for score in predicted]
    return {
        "n": len(gold),
        "qwk": round(quadratic_kappa([round(s * steps) for s in clipped], [round(s * steps) for s in gold]), 3),
        "r": round(pearson(clipped, gold), 3),
        "rmse": round(rmse(clipped, gold), 3),
    }


def tiers(predicted: Sequence[float], gold: Sequence[float]) -> dict[str, dict[str, float]]:
    """For low, middle and high answers: how many, the mean of both scores, and the mean absolute error."""
    found: dict[str, dict[str, float]] = {}
    for name, low, high in (("low", -1.0, 1 / 3), ("mid", 1 / 3, 2 / 3), ("high", 2 / 3, 2.0)):
        pairs = [(p, g) for p, g in zip(predicted, gold, strict=True) if low < g <= high]
        if pairs:
            found[name] = {
                "n": len(pairs),
                "gold": round(sum(g for _, g in pairs) / len(pairs), 3),
                "ours": round(sum(p for p, _ in pairs) / len(pairs), 3),
                "error": round(sum(abs(p - g) for p, g in pairs) / len(pairs), 3),
            }
    return found
