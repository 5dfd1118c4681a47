"""Measures of ranking and refusal. Pure.

The gold of a case are alternatives, so only the rank of the first hit counts: it is measured as the one relevant document.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import islice

import ir_measures

_MEASURES = {
    "recall@1": ir_measures.Success @ 1,
    "recall@5": ir_measures.Success @ 5,
    "mrr": ir_measures.RR,
    "ndcg@10": ir_measures.nDCG @ 10,
}


def first_hit(ranked: Sequence[str], accepted: Collection[str]) -> int | None:
    """Place, from 1, of the first id that is accepted."""
    return next((place for place, one in enumerate(ranked, start=1) if one in accepted), None)


def ranking(places: Sequence[int | None], depth: int = 10) -> dict[str, float]:
    """recall@1, recall@5, MRR and nDCG@10 of cases whose first hit is at `places` (None: not found within `depth`)."""
    if not places:
        return {"n": 0}
    qrels = {str(case): {"hit": 1} for case in range(len(places))}
    runs = {
        str(case): {("hit" if n == place else f"miss{n}"): float(-n) for n in range(1, depth + 1)}
        for case, place in enumerate(places)
    }
    found = ir_measures.calc_aggregate(list(_MEASURES.values()), qrels, runs)
    return {"n": len(places), **{name: round(found[measure], 4) for name, measure in _MEASURES.items()}}


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float:
    """Chance that a score from `inside` exceeds one from `outside`; equal scores count half. NaN when a side is empty."""
    if not inside or not outside:
        return math.nan
    ordered = sorted(outside)
    wins = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in inside)
    return wins / (2 * len(inside) * len(outside))


def below(scores: Sequence[float], floor: float) -> float:
    """Share of the scores under the floor."""
    return sum(score < floor for score in scores) / len(scores) if scores else math.nan


def floor_at(inside: Sequence[float], allowed: float) -> float:
    """The highest floor that refuses at most the share `allowed` of the in-scope scores."""
    ordered = sorted(inside)
    return next(islice(ordered, int(allowed * len(ordered)), None), 0.0)
