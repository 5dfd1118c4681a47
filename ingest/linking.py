"""Which questions ask the same thing, and which reference answers a question that has none of its own. Pure.

Candidates come from the vectors and from shared names; `ingest.likeness` decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from ingest.asked import Weights, read
from ingest.likeness import COVERS, COVERS_MATE, SAME, Likeness, Place, covers, same
from tutor.records import Chunk, Link, LinkKind, Question

_NEIGHBOURS, _BY_NAME, _CROWD = 12, 8, 10
_MOST = 0.99  # only the same wording is certain
_BLOCK = 512
_USUAL = 0.73  # mean cosine of a question with its nearest ten, over our corpus and five banks


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
        near = self._nearness(i, j)
        return same(self.asked[i], self.asked[j], near, self._excess(near, i, j), self._weights)

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
                    excess=self._excess(near[k], i, j),
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
        chances = {(i, j): self.same(i, j).chance for i, j in pairs}

        def chance(i: int, j: int) -> float:
            pair = min(i, j), max(i, j)
            if pair not in chances:
                chances[pair] = self.same(*pair).chance
            return chances[pair]

        group_of = {i: [i] for i in everyone}
        for i, j in sorted(pairs, key=lambda pair: (-chances[pair], pair)):
            one, other = group_of[i], group_of[j]
            if chances[i, j] < SAME:
                break
            if one is not other and all(chance(a, b) >= SAME / 2 for a in one for b in other):
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
        """For each question the mean cosine with its nearest others; where there are too few, with usual ones."""
        first = self._vectors[[rows[0] for rows in self._rows]]
        k = min(_CROWD, len(first) - 1)
        found: list[float] = []
        for start in range(0, len(first), _BLOCK):
            similarity = first[start : start + _BLOCK] @ first.T
            similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -1.0
            nearest = -np.partition(-similarity, k - 1, axis=1)[:, :k] if k else np.zeros((len(similarity), 0))
            found += ((nearest.sum(axis=1) + (_CROWD - k) * _USUAL) / _CROWD).tolist()
        return found

    def _excess(self, nearness: float, i: int, j: int) -> float:
        return 2 * nearness - self._crowded[i] - self._crowded[j]

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


def _edge(values: Sequence[float], k: int) -> float:
    """By how much value `k` is larger than the largest other one."""
    return values[k] - max((value for i, value in enumerate(values) if i != k), default=values[k])
