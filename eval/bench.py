"""What the measurements of retrieval share: the searches that are compared, what counts as a hit, the subsets reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eval.cases import Half, Search, half
from tutor.embedding import GemmaEmbeddings
from tutor.library import Snapshot
from tutor.retrieval import Filters, retrieve

DEPTH = 10
"""Places of a ranking that are looked at."""
HALVES: tuple[Half, ...] = ("tuning", "held-out")
_EASY = ("exact", "alias")
_POOL = 60
_RRF = 60


class RememberedEmbeddings(GemmaEmbeddings):
    """Embeds every query once, however many searches ask for it; those known beforehand, together."""

    def __init__(self, embeddings: GemmaEmbeddings, queries: Sequence[str] = ()) -> None:
        self._embeddings = embeddings
        distinct = sorted(dict.fromkeys(queries), key=len)  # like lengths share a batch: less padding
        self._vectors = dict(zip(distinct, embeddings.embed_queries(distinct), strict=True)) if distinct else {}

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query, from memory if it was asked for before."""
        if text not in self._vectors:
            self._vectors[text] = self._embeddings.embed_query(text)
        return self._vectors[text]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of documents, made anew."""
        return self._embeddings.embed_documents(texts)


@dataclass(frozen=True, slots=True)
class Bench:
    """The open index and the searches that are compared on it."""

    snapshot: Snapshot
    embeddings: GemmaEmbeddings
    filters: Filters = field(default_factory=Filters)

    def ours(self, query: str) -> list[str]:
        """The tutor's own retrieval."""
        found = retrieve(self.snapshot, self.embeddings, query, DEPTH, self.filters)
        return [passage.question_id for passage in found.nearest]

    def dense(self, query: str) -> list[str]:
        """Nearest chunks by meaning."""
        vector = self.embeddings.embed_query(query)
        return self._items(chunk_id for chunk_id, _ in self.snapshot.store.search(vector, _POOL))

    def bm25(self, query: str) -> list[str]:
        """Best chunks by words."""
        return self._items(self.snapshot.order[i] for i, _ in self.snapshot.lexical.search(query, _POOL))

    def rrf(self, query: str) -> list[str]:
        """Both of them, by reciprocal-rank fusion."""
        scores: dict[str, float] = {}
        for ranked in (self.dense(query), self.bm25(query)):
            for place, item_id in enumerate(ranked, start=1):
                scores[item_id] = scores.get(item_id, 0.0) + 1 / (_RRF + place)
        return sorted(scores, key=lambda item_id: -scores[item_id])

    def accepted(self, gold: Iterable[str]) -> frozenset[str]:
        """Every item that is a hit for this gold: it is one of them, asks the same, or shows its reference."""
        ids = set(gold)
        same = {other for one in ids for other in self.snapshot.groups.get(one, ())}
        linked = {link.question_id for link in self.snapshot.links.values() if link.target_id in ids | same}
        return frozenset(ids | same | linked)

    def _items(self, chunk_ids: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self.snapshot.chunks[chunk_id].item_id for chunk_id in chunk_ids))


def subsets(searches: Sequence[Search]) -> dict[str, list[Search]]:
    """The cases by what is reported: paraphrases and easy ones, whole and by half, and each kind of paraphrase."""
    paraphrases = [case for case in searches if case.how not in _EASY]
    easy = [case for case in searches if case.how in _EASY]
    found = {"paraphrases": paraphrases, "exact and alias": easy}
    for part in HALVES:
        found[f"paraphrases, {part}"] = [case for case in paraphrases if half(case.q) == part]
        found[f"exact and alias, {part}"] = [case for case in easy if half(case.q) == part]
    for how in dict.fromkeys(case.how for case in paraphrases):
        found[how] = [case for case in paraphrases if case.how == how]
    return found
