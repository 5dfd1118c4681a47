"""Fit the weights of `tutor.retrieval.relevance`: logistic regression whose weights are never negative.

More evidence must never lower relevance, so plain logistic regression, which may trade one signal against another, will
not do. Every query weighs the same, and so do its hits and its misses; the misses of a query that has no hit at all weigh
more, because they alone tell where the floor lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.optimize import minimize

from tutor.retrieval import Signals

_HARD = 15
"""Misses of one query that are kept: those with the best signals."""
_OUTSIDE = 4.0
_RIDGE = 1e-4


@dataclass(frozen=True, slots=True)
class Example:
    """One candidate of one query."""

    query: str
    signals: Signals
    hit: bool


def fit(examples: Sequence[Example]) -> tuple[dict[str, float], float]:
    """Weights by signal, and the bias."""
    chosen = _balance(examples)
    x = np.array([astuple(example.signals) for example, _ in chosen])
    y = np.array([example.hit for example, _ in chosen], dtype=float)
    share = np.array([weight for _, weight in chosen])
    share /= share.sum()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ weights[:-1] + weights[-1]
        error = share * (1 / (1 + np.exp(-z)) - y)
        value = float(share @ (np.logaddexp(0, z) - y * z)) + _RIDGE * float(weights[:-1] @ weights[:-1])
        return value, np.append(x.T @ error + 2 * _RIDGE * weights[:-1], error.sum())

    width = x.shape[1]
    bounds = [(0.0, None)] * width + [(None, None)]
    found = minimize(loss, np.zeros(width + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    names = [field.name for field in fields(Signals)]
    return dict(zip(names, found[:-1].tolist(), strict=True)), float(found[-1])


def _balance(examples: Sequence[Example]) -> list[tuple[Example, float]]:
    by_query: dict[str, list[Example]] = {}
    for example in examples:
        if example.signals.likeness < 1.0:  # asked word for word: decided without the weights
            by_query.setdefault(example.query, []).append(example)
    chosen: list[tuple[Example, float]] = []
    for candidates in by_query.values():
        hits = sorted((one for one in candidates if one.hit), key=_strength)[-1:]
        misses = sorted((one for one in candidates if not one.hit), key=_strength)[-_HARD:]
        chosen += [(one, 1.0) for one in hits]
        chosen += [(one, (1.0 if hits else _OUTSIDE) / len(misses)) for one in misses]
    return chosen


def _strength(example: Example) -> float:
    signals = example.signals
    return signals.question + signals.any + 0.3 * (signals.asked + signals.words)
