"""The decisions of linking: do two questions ask the same thing, does a reference hold what is asked? Pure.

They rest on things that can be shown to the learner: do the two name the same things, does the answer's text hold what is
asked, how near are the wordings. Rivals (MQA / GQA, Pre-LN / Post-LN) decide against, however near the vectors lie. The
weights were fitted by `tutor eval linking --fit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ingest.asked import Asked, Weights, conflict, digest

SAME, COVERS, COVERS_MATE = 0.5, 0.5, 0.3
"""Chances from which a pair is taken to ask the same thing, from which a reference is taken to cover a question, and from
which it is taken to when the two were found to ask the same thing besides."""
SAME_WEIGHTS = (-7.29, 1.09, 3.13, 3.39, 0.98, 1.36, 12.36)
COVERS_WEIGHTS = (-9.64, 7.07, 1.93, 0.88, 0.88, 0.89, 1.28, 3.38, 5.68, 13.55, 4.29)
_STRICT_FACETS = frozenset({"code", "future", "install", "who"})
"""Facets that an answer serves only when its text shows so."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why two questions are taken to be alike or not.

    :ivar chance: in [0, 1], the decision's measure; 0 when there is a conflict.
    :ivar conflict: the rival names by which the two differ, what the answer does not show, or "".
    :ivar features: what the chance was computed from, in the order of the weights (without the constant).
    """

    chance: float
    conflict: str
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answered question stands among the candidates of a question.

    :ivar lead: cosine of the question and the opening of the reference.
    :ivar excess: cosine of the wordings of both, less what each has with its nearest others: to be near to a text that is
        near to everything says little.
    :ivar edge: by how much its cosine is larger than that of the nearest other candidate; negative when it is not.
    :ivar agreement: how far the wordings have the same terms; `agreement_edge` is to it what `edge` is to the cosine.
    """

    lead: float
    excess: float
    edge: float
    agreement: float
    agreement_edge: float


def revision() -> str:
    """What the links depend on besides the banks: an index that was linked otherwise is linked again."""
    return digest([SAME, COVERS, COVERS_MATE, SAME_WEIGHTS, COVERS_WEIGHTS])


def same(one: Asked, other: Asked, nearness: float, excess: float, weights: Weights) -> Likeness:
    """Do two questions ask the same thing?

    :param nearness: cosine of their wordings (aliases count). :param excess: that of both, less what each has with its
        nearest others: where many questions are about one thing, to be near says little.
    """
    if one.bare == other.bare:
        return Likeness(1.0, "", ())
    asked = one.facets | other.facets
    agreed, shared = zip(*(weights.likeness(a, b) for a, b in _wordings(one, other)), strict=True)
    names = [
        (_parted(a)[0], _parted(b)[0]) for a in {one.terms, one.opening} for b in {other.terms, other.opening}
    ]
    features = (
        nearness,
        max(agreed),
        max(shared),
        max(weights.agreement(a, b) if a or b else 0.5 for a, b in names),
        len(one.facets & other.facets) / len(asked) if asked else 0.5,
        excess,
    )
    against = conflict(one.own_rivals, other.own_rivals)
    if not against and one.numbers - other.numbers and other.numbers - one.numbers:
        against = " / ".join(sorted(one.numbers ^ other.numbers))
    if not against:
        against = " / ".join(sorted((one.facets ^ other.facets) & _STRICT_FACETS))
    return Likeness(0.0 if against else _chance(SAME_WEIGHTS, features), against, features)


def covers(question: Asked, answered: Asked, place: Place, weights: Weights) -> Likeness:
    """Does the reference of `answered` hold what `question` asks?"""
    names, words = _parted(question.terms)
    features = (
        place.lead,
        place.excess,
        weights.share(names, answered.title),
        weights.share(words, answered.title),
        weights.share_in_answer(names, answered),
        weights.share_in_answer(words, answered),
        place.agreement,
        weights.share_in_answer(question.detail, answered),
        place.edge,
        place.agreement_edge,
    )
    against = conflict(question.own_rivals, answered.rivals, opposites=False)
    if not against:
        against = " / ".join(sorted((question.facets & _STRICT_FACETS) - answered.shows))
    return Likeness(0.0 if against else _chance(COVERS_WEIGHTS, features), against, features)


def _wordings(one: Asked, other: Asked) -> set[tuple[frozenset[str], frozenset[str]]]:
    """Pairs of wordings of two questions of which at least one is the question itself, or its first sentence."""
    own, theirs = {one.terms, one.opening}, {other.terms, other.opening}
    return {*product(own, theirs.union(other.wordings)), *product(one.wordings, theirs)}


def _parted(terms: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    names = frozenset(term for term in terms if term[0] == "=")
    return names, terms - names


def _chance(weights: Sequence[float], features: Sequence[float]) -> float:
    return 1 / (1 + math.exp(-weights[0] - sum(w * x for w, x in zip(weights[1:], features, strict=True))))
