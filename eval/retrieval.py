"""Retrieval measured on our cases: ranking against simpler searches, refusal, follow-ups, seconds.

The gold of a case are corpus questions; a passage is a hit when it is one of them, asks the same as one of them, or shows
its reference. The index must hold the corpus; more banks make it harder. `--fit` fits the weights of
`tutor.retrieval.relevance` to the tuning half and prints them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Collection, Sequence

from eval.bench import DEPTH, HALVES, Bench, RememberedEmbeddings, subsets
from eval.cases import Outside, Search, half, load_dialogues, load_outside, load_searches
from eval.metrics import auroc, below, first_hit, floor_at, ranking
from eval.relevance_fit import Example, fit_assurance, fit_strength
from eval.results import save
from tutor.assembly import open_library
from tutor.embedding import GemmaEmbeddings
from tutor.followups import resolve_all
from tutor.library import Snapshot
from tutor.retrieval import FLOOR, gather, retrieve
from tutor.settings import Settings

Ranker = Callable[[str], list[str]]


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tutor eval retrieval")
    parser.add_argument("--fit", action="store_true", help="fit the weights of relevance and print them")
    parser.add_argument("--misses", action="store_true", help="list the cases of the tuning half that fail")
    options = parser.parse_args(list(arguments))
    library = open_library(settings)
    snapshot = library.snapshot()
    searches, outside, dialogues = load_searches(), load_outside(), load_dialogues()
    asked = [*(case.q for case in searches), *(case.q for case in outside)]
    asked += [query for one in dialogues for query in (one.turns[-1], resolve_all(one.turns)[-1])]
    bench = Bench(snapshot, RememberedEmbeddings(library.embeddings, [snapshot.lexical.correct(query) for query in asked]))
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
        places = {case.q: first_hit(ranker(case.q)[:DEPTH], bench.accepted(case.gold)) for case in searches}
        for kind, subset in subsets(searches).items():
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


def _measure_refusal(
    bench: Bench, searches: Sequence[Search], outside: Sequence[Outside], show: bool
) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for part in HALVES:
        known = {case.q: _top_score(bench, case.q) for case in searches if half(case.q) == part}
        unknown = {case.q: _top_score(bench, case.q) for case in outside if half(case.q) == part}
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


def _top_score(bench: Bench, query: str) -> float:
    nearest = retrieve(bench.snapshot, bench.embeddings, query, 1).nearest
    return nearest[0].score if nearest else 0.0


def _dense_top(bench: Bench, query: str) -> float:
    found = bench.snapshot.store.search(bench.embeddings.embed_query(query), 1)
    return found[0][1] if found else 0.0


def _measure_followups(bench: Bench, show: bool) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    dialogues = load_dialogues()
    for part in HALVES:
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


def examples_of(bench: Bench, searches: Sequence[Search], outside: Sequence[Outside]) -> list[Example]:
    """The tuning half, with the signals of every candidate."""
    asked = [(case.q, bench.accepted(case.gold), True) for case in searches]
    asked += [(case.q, frozenset(), False) for case in outside]
    return [
        Example(gather(bench.snapshot, bench.embeddings, query, bench.filters), hits, inside)
        for query, hits, inside in asked
        if half(query) == "tuning"
    ]


def _print_fit(bench: Bench, searches: Sequence[Search], outside: Sequence[Outside]) -> None:
    examples = examples_of(bench, searches, outside)
    weights, bias = fit_assurance(examples)
    for name, fitted in (("_STRENGTH", fit_strength(examples)), ("_ASSURANCE", weights)):
        print(f"{name} = {{" + ", ".join(f'"{key}": {value:.2f}' for key, value in fitted.items()) + "}")
    print(f"_BIAS = {bias:.2f}")
