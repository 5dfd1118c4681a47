"""Which questions ask the same thing, and which reference answers a question that has none of its own. Pure.

Candidates come from the vectors and from shared names. The decision rests on things that can be shown to the learner:
do the two name the same things, does the answer's text hold what is asked, how near are the wordings. Rivals (MQA / GQA,
Pre-LN / Post-LN) decide against, however near the vectors lie. The weights were fitted by `tutor eval linking --fit`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.asked import Asked, Weights, conflict, digest, read
from tutor.records import Chunk, Link, LinkKind, Question

SAME, COVERS, COVERS_MATE = 0.5, 0.5, 0.3
"""Chances from which a pair is taken to ask the same thing, from which a reference is taken to cover a question, and from
which it is taken to when the two were found to ask the same thing besides."""
SAME_WEIGHTS = (-14.19, 9.74, 5.73, 3.25, 0.65, 1.88)
COVERS_WEIGHTS = (-9.64, 7.07, 1.93, 0.88, 0.88, 0.89, 1.28, 3.38, 5.68, 13.55, 4.29)
_NEIGHBOURS, _BY_NAME, _CROWD = 12, 8, 10
_MOST = 0.99  # only the same wording is certain
_BLOCK = 512
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
    :ivar nearness: cosine of the wordings, less what each has with its nearest others: to be near to a text that is near
        to everything says little.
    :ivar edge: by how much its cosine is larger than that of the nearest other candidate; negative when it is not.
    :ivar agreement: how far the wordings have the same terms; `agreement_edge` is to it what `edge` is to the cosine.
    """

    lead: float
    nearness: float
    edge: float
    agreement: float
    agreement_edge: float


def revision() -> str:
    """What the links depend on besides the banks: an index that was linked otherwise is linked again."""
    return digest([SAME, COVERS, COVERS_MATE, SAME_WEIGHTS, COVERS_WEIGHTS])


def same(one: Asked, other: Asked, nearness: float, weights: Weights) -> Likeness:
    """Do two questions ask the same thing? `nearness` is the cosine of their wordings (aliases count)."""
    if one.bare == other.bare:
        return Likeness(1.0, "", ())
    asked = one.facets | other.facets
    wordings = _wordings(one, other)
    names = [_parted(asked.terms)[0] for asked in (one, other)]
    features = (
        nearness,
        max(weights.agreement(a, b) for a, b in wordings),
        max(max(weights.share(a, b), weights.share(b, a)) for a, b in wordings),
        weights.agreement(*names) if any(names) else 0.5,
        len(one.facets & other.facets) / len(asked) if asked else 0.5,
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
        place.nearness,
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


def link(
    questions: Sequence[Question],
    chunks: Sequence[Chunk],
    vectors: np.ndarray,
    undone: Collection[tuple[str, str]] = (),
) -> tuple[list[Link], list[tuple[str, ...]]]:
    """Links for the questions that have no reference, and groups of two and more questions that ask the same thing.

    :param chunks: those with a vector. :param vectors: theirs, in the same order, of length 1.
    :param undone: pairs of ids that the learner does not want linked.
    """
    if not questions:
        return [], []
    bank = Linker(questions, chunks, vectors, undone)
    groups = bank.groups()
    mates = {i: group for group in groups for i in group}
    open_ones = [i for i, question in enumerate(questions) if not question.reference and not question.key]
    links = []
    for i, candidates in zip(open_ones, bank.candidates(open_ones), strict=True):
        best = bank.best(i, candidates, mates.get(i, ()))
        if best is not None:
            target, kind, chance = best
            links.append(Link(questions[i].id, questions[target].id, kind, round(chance, 3)))
    return links, [tuple(questions[i].id for i in group) for group in groups]


class Linker:
    """All questions with what they ask and their vectors, by number. Parameters as of `link`."""

    def __init__(
        self,
        questions: Sequence[Question],
        chunks: Sequence[Chunk],
        vectors: np.ndarray,
        undone: Collection[tuple[str, str]] = (),
    ) -> None:
        self.asked = [read(question) for question in questions]
        self._questions = questions
        self._weights = Weights(self.asked)
        self._vectors = vectors
        self._answered = [
            i for i, one in enumerate(questions) if one.reference and one.kind not in ("choice", "calculation")
        ]
        self._rows: list[list[int]] = [[] for _ in questions]  # as asked first, then aliases
        self._leads: dict[int, int] = {}
        number = {question.id: i for i, question in enumerate(questions)}
        for row, chunk in enumerate(chunks):
            if chunk.part == "question":
                self._rows[number[chunk.item_id]].append(row)
            elif chunk.part == "lead":
                self._leads[number[chunk.item_id]] = row
        self._crowded = self._crowding()
        pairs = [(number[one], number[other]) for one, other in undone if one in number and other in number]
        self._undone = frozenset([*pairs, *((other, one) for one, other in pairs)])

    def same(self, i: int, j: int) -> Likeness:
        """Compare two questions, by number."""
        if (i, j) in self._undone:
            return Likeness(0.0, "undone", ())
        return same(self.asked[i], self.asked[j], self._nearness(i, j), self._weights)

    def covers(self, i: int, candidates: Sequence[int]) -> list[Likeness]:
        """Compare question i with answered questions."""
        near = [self._nearness(i, j) for j in candidates]
        terms = self.asked[i].terms
        agreed = [max(self._weights.agreement(terms, words) for words in self.asked[j].wordings) for j in candidates]
        return [
            covers(
                self.asked[i],
                self.asked[j],
                Place(
                    lead=self._lead(i, j),
                    nearness=2 * near[k] - self._crowded[i] - self._crowded[j],
                    edge=_edge(near, k),
                    agreement=agreed[k],
                    agreement_edge=_edge(agreed, k),
                ),
                self._weights,
            )
            for k, j in enumerate(candidates)
        ]

    def groups(self) -> list[tuple[int, ...]]:
        """Questions that ask the same thing. Two groups are joined only when no two of their members are at odds."""
        everyone = range(len(self._questions))
        pairs = {
            (min(i, j), max(i, j))
            for i, near in zip(everyone, self._nearest(everyone, everyone, _NEIGHBOURS + 1), strict=True)
            for j in near
            if i != j and (self._questions[i].kind == "choice") == (self._questions[j].kind == "choice")
        }
        group_of = {i: [i] for i in everyone}
        for negative, i, j in sorted((-self.same(i, j).chance, i, j) for i, j in pairs):
            one, other = group_of[i], group_of[j]
            if -negative < SAME:
                break
            if one is not other and all(self.same(a, b).chance >= SAME / 2 for a in one for b in other):
                one += other
                group_of.update(dict.fromkeys(other, one))
        return sorted({tuple(sorted(group)) for group in group_of.values() if len(group) > 1})

    def candidates(self, asking: Sequence[int]) -> list[list[int]]:
        """For each of the questions: the answered ones that are near it or share its most telling terms."""
        holders: defaultdict[str, list[int]] = defaultdict(list)
        for j in self._answered:
            for term in self.asked[j].title:
                holders[term].append(j)
        found = []
        for i, near in zip(asking, self._nearest(asking, self._answered, _NEIGHBOURS), strict=True):
            shared: defaultdict[int, float] = defaultdict(float)
            for term in self.asked[i].terms:
                for j in holders[term]:
                    shared[j] += self._weights.one(term)
            by_name = sorted(shared, key=lambda j: (-shared[j], j))[:_BY_NAME]
            found.append([j for j in dict.fromkeys([*near, *by_name]) if j != i])
        return found

    def best(self, i: int, candidates: Sequence[int], mates: Sequence[int]) -> tuple[int, LinkKind, float] | None:
        """The answered question that answers question i, the kind of the link, and its chance."""
        allowed = [j for j in candidates if (i, j) not in self._undone]
        if not allowed:
            return None
        twins = [j for j in allowed if self.asked[j].bare == self.asked[i].bare]
        if twins:
            return min(twins), "same", 1.0
        scored = zip(self.covers(i, candidates), candidates, strict=True)
        chance, j = max((found.chance, -j) for found, j in scored if j in allowed)
        if -j in mates and chance >= COVERS_MATE:
            return -j, "same", min(max(chance, self.same(i, -j).chance), _MOST)
        return (-j, "covers", min(chance, _MOST)) if chance >= COVERS else None

    def _crowding(self) -> list[float]:
        """For each question the mean cosine with its nearest others."""
        if len(self._rows) < 2:
            return [0.0] * len(self._rows)
        first = self._vectors[[rows[0] for rows in self._rows]]
        k = min(_CROWD, len(first) - 1)
        found: list[float] = []
        for start in range(0, len(first), _BLOCK):
            similarity = first[start : start + _BLOCK] @ first.T
            similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -1.0
            found += (-np.partition(-similarity, k - 1, axis=1)[:, :k]).mean(axis=1).tolist()
        return found

    def _nearness(self, i: int, j: int) -> float:
        """Cosine of the two as asked, or of one as asked and the aliases of the other."""
        one, other = self._vectors[self._rows[i]], self._vectors[self._rows[j]]
        return float(max((one[:1] @ other.T).max(), (one @ other[:1].T).max()))

    def _lead(self, i: int, j: int) -> float:
        """Cosine of question i and the opening of the reference of j."""
        return float(self._vectors[self._rows[i][0]] @ self._vectors[self._leads[j]]) if j in self._leads else 0.0

    def _nearest(self, asking: Sequence[int], among: Sequence[int], k: int) -> list[list[int]]:
        """For each of `asking` the `k` nearest of `among` by their question, aliases and lead."""
        rows = [(row, j) for j in among for row in [*self._rows[j], *([self._leads[j]] if j in self._leads else [])]]
        if not rows:
            return [[] for _ in asking]
        owners = np.array([j for _, j in rows])
        texts = self._vectors[[row for row, _ in rows]]
        found: list[list[int]] = []
        for start in range(0, len(asking), _BLOCK):
            first = self._vectors[[self._rows[i][0] for i in asking[start : start + _BLOCK]]]
            wide = min(3 * k, len(rows))  # a question has at most a few rows
            for similarity in first @ texts.T:
                top = np.argpartition(-similarity, wide - 1)[:wide]
                ordered = owners[top[np.argsort(-similarity[top], kind="stable")]]
                found.append(list(dict.fromkeys(ordered.tolist()))[:k])
        return found


def _wordings(one: Asked, other: Asked) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Pairs of wordings of two questions of which at least one is the question itself."""
    return [(one.terms, wording) for wording in other.wordings] + [(wording, other.terms) for wording in one.wordings]


def _edge(values: Sequence[float], k: int) -> float:
    """By how much value `k` is larger than the largest other one."""
    return values[k] - max((value for i, value in enumerate(values) if i != k), default=values[k])


def _parted(terms: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    names = frozenset(term for term in terms if term[0] == "=")
    return names, terms - names


def _chance(weights: Sequence[float], features: Sequence[float]) -> float:
    return 1 / (1 + math.exp(-weights[0] - sum(w * x for w, x in zip(weights[1:], features, strict=True))))
