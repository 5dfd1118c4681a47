"""Fit the two parts of `tutor.retrieval.relevance`: which item answers best, and whether any does.

Strength is fitted listwise: among the candidates of a query, the items that answer it should hold the probability (softmax).
Assurance is a logistic regression over all queries, in scope and out of it, both sides weighing the same. No weight of
evidence is ever negative: more evidence must not lower relevance, which plain regression may trade one signal against
another for. Queries that are asked word for word are decided without weights and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.optimize import minimize

from tutor.retrieval import Candidates, Signals

_RIDGE_STRENGTH = 3e-4
_RIDGE_ASSURANCE = 1e-5
Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Example:
    """The candidates of one query; `hits`: those that answer it, none when it is out of scope."""

    candidates: Candidates
    hits: frozenset[str]
    inside: bool

    @property
    def found(self) -> Mapping[str, Signals]:
        """The evidence by item."""
        return self.candidates.found


def fit_strength(examples: Sequence[Example]) -> dict[str, float]:
    """Weights by signal."""
    rows = []
    for example in _undecided(examples):
        hit = np.array([item_id in example.hits for item_id in example.found])
        if hit.any() and not hit.all():
            rows.append((np.array([astuple(one) for one in example.found.values()]), hit))
    width = len(fields(Signals))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value = 0.0
        slope = np.zeros(width)
        for signals, hit in rows:
            z = signals @ weights
            share = np.exp(z - z.max())
            share /= share.sum()
            mass = max(float(share @ hit), 1e-12)
            value -= float(np.log(mass))
            slope += signals.T @ (share - share * hit / mass)
        return (
            value / len(rows) + _RIDGE_STRENGTH * float(weights @ weights),
            slope / len(rows) + 2 * _RIDGE_STRENGTH * weights,
        )

    found = _minimize(loss, width, free=0)
    return dict(zip([field.name for field in fields(Signals)], found.tolist(), strict=True))


def fit_assurance(examples: Sequence[Example]) -> tuple[dict[str, float], float]:
    """Weights by name as in `tutor.retrieval.assurance` (what lies outside counts against an answer), and the bias."""
    chosen = [example for example in _undecided(examples) if example.found]
    x = np.array(
        [
            (
                max(one.question for one in example.found.values()),
                max(one.lead for one in example.found.values()),
                float(example.candidates.foreign),
                -example.candidates.outside,
                1.0,
            )
            for example in chosen
        ]
    )
    y = np.array([example.inside for example in chosen], dtype=float)
    share = np.where(y == 1, 0.5 / y.sum(), 0.5 / (1 - y).sum())

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ weights
        error = share * (1 / (1 + np.exp(-z)) - y)
        value = float(share @ (np.logaddexp(0, z) - y * z)) + _RIDGE_ASSURANCE * float(weights[:-1] @ weights[:-1])
        return value, x.T @ error + 2 * _RIDGE_ASSURANCE * np.append(weights[:-1], 0.0)

    found = _minimize(loss, 5, free=1)
    return dict(zip(("question", "lead", "foreign", "outside"), found[:-1].tolist(), strict=True)), float(found[-1])


def _undecided(examples: Sequence[Example]) -> list[Example]:
    return [example for example in examples if all(one.likeness < 1.0 for one in example.found.values())]


def _minimize(loss: Loss, width: int, free: int) -> np.ndarray:
    """Weights of which all but the last `free` are not negative."""
    bounds = [(0.0, None)] * (width - free) + [(None, None)] * free
    found: np.ndarray = minimize(loss, np.zeros(width), jac=True, bounds=bounds, method="L-BFGS-B").x
    return found
