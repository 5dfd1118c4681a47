"""Retrieval measured on our cases: ranking against simpler searches, refusal, follow-ups, seconds.

The gold of a case are corpus questions; a passage is a hit when it is one of them, asks the same as one of them, or shows
its reference. The index must hold the corpus; more banks make it harder. `--fit` fits the weights of
`tutor.retrieval.relevance` to the tuning half and prints them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from eval.cases import Half, Outside, Search, half, load_dialogues, load_outside, load_searches
from eval.metrics import auroc, below, first_hit, floor_at, ranking
from eval.relevance_fit import Example, fit
from eval.results import save
from tutor.assembly import open_library
from tutor.embedding import GemmaEmbeddings
from tutor.followups import resolve_all
from tutor.library import Snapshot
from tutor.retrieval import FLOOR, Filters, gather, retrieve
from tutor.settings import Settings

_DEPTH = 10
_POOL = 60
_RRF = 60
_EASY = ("exact", "alias")
_HALVES: tuple[Half, ...] = ("tuning", "held-out")
Ranker = Callable[[str], list[str]]


class RememberedEmbeddings(GemmaEmbeddings):
    """Embeds every query once, however many searches ask for it."""

    def __init__(self, embeddings: GemmaEmbeddings) -> None:
        self._embeddings = embeddings
        self._vectors: dict[str, list[float]] = {}

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query, from memory if it was asked for before."""
        if text not in self._vectors:
            self._vectors[text] = self._embeddings.embed_query(text)
        return self._vectors[text]


@dataclass(frozen=True, slots=True)
class Bench:
    """The open index and the searches that are compared on it."""

    snapshot: Snapshot
    embeddings: GemmaEmbeddings

    def ours(self, query: str) -> list[str]:
        """The tutor's own retrieval."""
        found = retrieve(self.snapshot, self.embeddings, query, _DEPTH)
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
        """Every item that is a hit for this gold."""
        ids = set(gold)
        same = {other for one in ids for other in self.snapshot.groups.get(one, ())}
        linked = {link.question_id for link in self.snapshot.links.values() if link.target_id in ids | same}
        return frozenset(ids | same | linked)

    def top_score(self, query: str) -> float:
        """Relevance of the best passage."""
        nearest = retrieve(self.snapshot, self.embeddings, query, 1).nearest
        return nearest[0].score if nearest else 0.0

    def _items(self, chunk_ids: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self.snapshot.chunks[chunk_id].item_id for chunk_id in chunk_ids))


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tutor eval retrieval")
    parser.add_argument("--fit", action="store_true", help="fit the weights of relevance and print them")
    parser.add_argument("--misses", action="store_true", help="list the cases of the tuning half that fail")
    options = parser.parse_args(list(arguments))
    library = open_library(settings)
    snapshot = library.snapshot()
    bench = Bench(snapshot, RememberedEmbeddings(library.embeddings))
    searches, outside = load_searches(), load_outside()
    if options.fit:
        _print_fit(bench, searches, outside)
        return 0
    numbers = {
        "banks": [bank["bank"] for bank in snapshot.banks],
        "items": len(snapshot.items),
        "search": _measure_search(bench, searches, options.misses),
        "refusal": _measure_refusal(bench, searches, outside, options.misses),
        "followups": _measure_followups(bench, options.misses),
        "seconds_p50": _time(snapshot, library.embeddings, [case.q for case in searches[:40]]),
    }
    print(f"\nretrieval p50 {numbers['seconds_p50']:.3f} s over {numbers['items']} items")
    print(f"written to {save('retrieval', numbers)}")
    library.close()
    return 0


def _measure_search(bench: Bench, searches: Sequence[Search], show: bool) -> dict[str, dict[str, dict[str, float]]]:
    systems: dict[str, Ranker] = {"ours": bench.ours, "dense": bench.dense, "bm25": bench.bm25, "rrf": bench.rrf}
    rows: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'':34}{'n':>5}{'recall@1':>10}{'recall@5':>10}{'MRR':>8}{'nDCG@10':>9}")
    for name, ranker in systems.items():
        places = {case.q: first_hit(ranker(case.q)[:_DEPTH], bench.accepted(case.gold)) for case in searches}
        for kind, subset in _subsets(searches).items():
            row = ranking([places[case.q] for case in subset])
            rows.setdefault(kind, {})[name] = row
        if show and name == "ours":
            _show_misses(bench, [c for c in searches if half(c.q) == "tuning" and places[c.q] != 1])
    for kind, by_system in rows.items():
        for name, row in by_system.items():
            values = "".join(f"{row[key]:>{width}.3f}" for key, width in _COLUMNS)
            print(f"{kind + ': ' + name:34}{row['n']:>5}{values}")
    return rows


_COLUMNS = (("recall@1", 10), ("recall@5", 10), ("mrr", 8), ("ndcg@10", 9))


def _subsets(searches: Sequence[Search]) -> dict[str, list[Search]]:
    paraphrases = [case for case in searches if case.how not in _EASY]
    easy = [case for case in searches if case.how in _EASY]
    found = {"paraphrases": paraphrases, "exact and alias": easy}
    for part in _HALVES:
        found[f"paraphrases, {part}"] = [case for case in paraphrases if half(case.q) == part]
        found[f"exact and alias, {part}"] = [case for case in easy if half(case.q) == part]
    for how in dict.fromkeys(case.how for case in paraphrases):
        found[how] = [case for case in paraphrases if case.how == how]
    return found


def _measure_refusal(
    bench: Bench, searches: Sequence[Search], outside: Sequence[Outside], show: bool
) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for part in _HALVES:
        known = {case.q: bench.top_score(case.q) for case in searches if half(case.q) == part}
        unknown = {case.q: bench.top_score(case.q) for case in outside if half(case.q) == part}
        dense_known = [_dense_top(bench, query) for query in known]
        dense_unknown = [_dense_top(bench, query) for query in unknown]
        best = floor_at(list(known.values()), 0.02)
        rows[part] = {
            "in_scope": len(known),
            "out_of_scope": len(unknown),
            "refused": round(below(list(unknown.values()), FLOOR), 4),
            "near_refused": round(below([unknown[c.q] for c in outside if c.near and c.q in unknown], FLOOR), 4),
            "false_refusals": round(below(list(known.values()), FLOOR), 4),
            "refused_at_2pct": round(below(list(unknown.values()), best), 4),
            "auroc": round(auroc(list(known.values()), list(unknown.values())), 4),
            "auroc_dense": round(auroc(dense_known, dense_unknown), 4),
        }
        print(f"refusal, {part}: " + ", ".join(f"{key} {value:g}" for key, value in rows[part].items()))
        if show and part == "tuning":
            print(*(f"  answered {score:.3f} {query}" for query, score in unknown.items() if score >= FLOOR), sep="\n")
            print(*(f"  refused  {score:.3f} {query}" for query, score in known.items() if score < FLOOR), sep="\n")
    return rows


def _dense_top(bench: Bench, query: str) -> float:
    found = bench.snapshot.store.search(bench.embeddings.embed_query(query), 1)
    return found[0][1] if found else 0.0


def _measure_followups(bench: Bench, show: bool) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    dialogues = load_dialogues()
    for part in _HALVES:
        chosen = [one for one in dialogues if half(" ".join(one.turns)) == part]
        resolved = {one.turns: resolve_all(one.turns)[-1] for one in chosen}
        ours = [first_hit(bench.ours(resolved[one.turns])[:5], bench.accepted(one.gold)) for one in chosen]
        alone = [first_hit(bench.ours(one.turns[-1])[:5], bench.accepted(one.gold)) for one in chosen]
        rows[part] = {
            "n": len(chosen),
            "resolved": round(sum(place is not None for place in ours) / len(chosen), 4),
            "resolved_first": round(sum(place == 1 for place in ours) / len(chosen), 4),
            "last_turn_alone": round(sum(place is not None for place in alone) / len(chosen), 4),
        }
        print(f"follow-ups, {part}: " + ", ".join(f"{key} {value:g}" for key, value in rows[part].items()))
        if show and part == "tuning":
            for one, place in zip(chosen, ours, strict=True):
                if place is None:
                    print(f"  {' | '.join(one.turns)} -> {resolved[one.turns]}: {bench.ours(resolved[one.turns])[:5]}")
    return rows


def _show_misses(bench: Bench, missed: Collection[Search]) -> None:
    for case in missed:
        print(f"  {case.how}: {case.q}  (gold {', '.join(case.gold)})")
        for passage in retrieve(bench.snapshot, bench.embeddings, case.q, 5).nearest:
            mark = "*" if passage.question_id in bench.accepted(case.gold) else " "
            print(f"    {mark} {passage.score:.3f} {passage.question_id}  {passage.title[:60]}")


def _time(snapshot: Snapshot, embeddings: GemmaEmbeddings, queries: Sequence[str]) -> float:
    seconds = []
    for query in queries:
        started = time.perf_counter()
        retrieve(snapshot, embeddings, query)
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds), 4)


def _print_fit(bench: Bench, searches: Sequence[Search], outside: Sequence[Outside]) -> None:
    examples = []
    for query, accepted in [
        *((case.q, bench.accepted(case.gold)) for case in searches if half(case.q) == "tuning"),
        *((case.q, frozenset[str]()) for case in outside if half(case.q) == "tuning"),
    ]:
        signals = gather(bench.snapshot, bench.embeddings, query, Filters())
        examples += [Example(query, one, item_id in accepted) for item_id, one in signals.items()]
    weights, bias = fit(examples)
    print("_WEIGHTS = {" + ", ".join(f'"{name}": {weight:.2f}' for name, weight in weights.items()) + "}")
    print(f"_BIAS = {bias:.2f}")
