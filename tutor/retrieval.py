"""Query -> Passages. Dense and lexical candidates, strength and assurance, one passage a reference, a floor.

Two questions are asked apart. Which item answers best: the strength of an item is a weighted sum of a few signals
(`Signals`), and items stand to each other as the exponentials of their strengths. Does any item answer: a logistic function
of the nearest question, the nearest opening of an answer and the nearest questions of other fields (`assurance`), for
near-domain questions share words and form with the bank, and only nearness in meaning tells them. Relevance is the product
of the two. All weights were fitted by
`python -m eval retrieval --fit` to half of our own cases and are reported on the other half.

A query without Chinese that meets a Chinese item is compared by meaning alone: that it shares no words with it says
nothing. A query that is a question of the bank or one of its aliases word for word is relevant without any doubt. Plain
reciprocal-rank fusion lost to dense search alone here: it gives a poor lexical rank as much say as a good dense one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tutor.aliases import expand
from tutor.embedding import GemmaEmbeddings
from tutor.errors import TutorError
from tutor.lexical import likeness, plain
from tutor.library import Snapshot
from tutor.outside import outsideness
from tutor.records import Note, Passage, Question

MAX_QUERY = 2_000
"""Longest query in characters."""
FLOOR = 0.4
"""Relevance of the best passage under which nothing answers the query."""
_COMPANION = 0.05
"""Share of the best passage's relevance that another must reach to be offered beside it."""
_CANDIDATES = 40
_CHINESE = re.compile("[一-鿿]")
_STRENGTH = {"question": 13.90, "lead": 7.01, "asked": 3.57, "words": 0.93, "fragments": 6.78, "likeness": 5.93, "prose": 2.40}
_ASSURANCE = {"question": 31.16, "lead": 8.00, "foreign": 0.56, "outside": 30.14}
_BIAS = -4.69


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found. `refused`: nothing reached the floor; `passages` is then empty and `nearest` holds suggestions."""

    passages: tuple[Passage, ...]
    nearest: tuple[Passage, ...]
    refused: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrict retrieval; an empty field does not restrict."""

    banks: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def admit(self, item: Question | Note) -> bool:
        """Whether the item passes all restrictions."""
        if self.banks and item.bank not in self.banks:
            return False
        if isinstance(item, Note):
            return not self.skills and not self.kinds
        return (not self.skills or bool(set(self.skills) & set(item.skills))) and (
            not self.kinds or item.kind in self.kinds
        )


@dataclass(frozen=True, slots=True)
class Signals:
    """The evidence for one item.

    :ivar question: best cosine of the query to the item's question chunks (its question, its aliases).
    :ivar lead: cosine to the opening of its answer; a note is compared as a whole, for both.
    :ivar asked: share of the query's terms that the item's question and aliases name.
    :ivar words: share of the query's terms that the whole item names.
    :ivar fragments: share of the query's letter pairs and word stems that the whole item has.
    :ivar likeness: how alike the query is, letter by letter, to the question or the nearest alias.
    :ivar prose: 1 when the item explains itself in prose, 0 for a choice, an outline's heading or a note: of two that are
        as near, a learner wants the explanation.
    """

    question: float
    lead: float
    asked: float = 0.0
    words: float = 0.0
    fragments: float = 0.0
    likeness: float = 0.0
    prose: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """The items that may answer a query.

    :ivar found: the evidence by item.
    :ivar foreign: the query has no Chinese; its cosines to a Chinese bank are lower throughout.
    :ivar outside: mean cosine of the query to the nearest questions of other fields; see `tutor.outside`.
    """

    found: Mapping[str, Signals]
    foreign: bool = False
    outside: float = 0.0


def retrieve(
    snapshot: Snapshot, embeddings: GemmaEmbeddings, query: str, k: int = 5, filters: Filters | None = None
) -> Retrieval:
    """Find up to `k` passages that answer `query`, best first.

    :raises TutorError: the query is empty or longer than `MAX_QUERY` characters.
    """
    check_query(query)
    scores = relevance(gather(snapshot, embeddings, query, filters or Filters()))
    ranked = sorted(((score, item_id) for item_id, score in scores.items()), reverse=True)
    ordered = _one_per_reference(snapshot, _best_source_first(snapshot, ranked))
    top = [_passage(snapshot, item_id, score) for score, item_id in ordered[:k]]
    answered = bool(top) and top[0].score >= FLOOR
    offered = [passage for passage in top if answered and passage.score >= _COMPANION * top[0].score]
    found = [replace(passage, n=n) for n, passage in enumerate(offered, start=1)]
    nearest = [replace(passage, n=n) for n, passage in enumerate(top, start=1)]
    return Retrieval(tuple(found), tuple(nearest), refused=not found)


def check_query(query: str) -> None:
    """:raises TutorError: the query is empty or too long."""
    if not query.strip():
        raise TutorError("the question is empty; type what you want to know")
    if len(query) > MAX_QUERY:
        raise TutorError(f"the question has {len(query):,} characters; the limit is {MAX_QUERY:,}, please shorten it")


def gather(snapshot: Snapshot, embeddings: GemmaEmbeddings, query: str, filters: Filters) -> Candidates:
    """Every candidate item with its signals: those near the query in meaning, in words, and those asked just so."""
    query = snapshot.lexical.correct(query)
    vector = embeddings.embed_query(query)
    cosines = dict(snapshot.store.search(vector, _CANDIDATES, filters.banks or None))
    found = [snapshot.chunks[chunk_id].item_id for chunk_id in cosines]
    found += [snapshot.chunks[snapshot.order[i]].item_id for i, _ in snapshot.lexical.search(expand(query), _CANDIDATES)]
    found += snapshot.asked.get(plain(query), ())
    # an item found by one of its texts is compared by its question and its opening; whole answers have no vectors
    pieces = [snapshot.chunks[snapshot.order[i]] for item_id in dict.fromkeys(found) for i in snapshot.places[item_id]]
    missing = [piece.id for piece in pieces if piece.embedded and piece.id not in cosines]
    cosines |= snapshot.store.similarities(vector, missing)
    nearest: dict[str, dict[str, float]] = {}
    for chunk_id, cosine in cosines.items():
        chunk = snapshot.chunks[chunk_id]
        if filters.admit(snapshot.items[chunk.item_id]):
            best = nearest.setdefault(chunk.item_id, {})
            best[chunk.part] = max(best.get(chunk.part, 0.0), cosine)
    terms = snapshot.lexical.terms(query)
    found_signals: dict[str, Signals] = {}
    for item_id, best in nearest.items():
        item = snapshot.items[item_id]
        places = snapshot.places[item_id]
        comparable = not is_foreign(query) or is_foreign(item.text)
        found_signals[item_id] = Signals(
            question=best.get("question", best.get("note", 0.0)),
            lead=best.get("lead", best.get("note", 0.0)),
            asked=comparable * snapshot.lexical.coverage(terms, _question_places(snapshot, item_id)),
            words=comparable * snapshot.lexical.coverage(terms, places),
            fragments=comparable * snapshot.lexical.fragment_coverage(query, places),
            likeness=_likeness(item, query),
            prose=_prose(item),
        )
    return Candidates(found_signals, is_foreign(query), outsideness(vector, snapshot.outside))


def is_foreign(text: str) -> bool:
    """Whether the text has no Chinese at all."""
    return not _CHINESE.search(text)


def _question_places(snapshot: Snapshot, item_id: str) -> list[int]:
    return [i for i in snapshot.places[item_id] if snapshot.chunks[snapshot.order[i]].part == "question"]


def _prose(item: Question | Note) -> float:
    return float(isinstance(item, Question) and item.kind == "open" and bool(item.reference))


def _likeness(item: Question | Note, query: str) -> float:
    if isinstance(item, Note):
        return 0.0
    return max(1.0 if plain(form) == plain(query) else likeness(form, query) for form in (item.text, *item.aliases))


def strength(signals: Signals) -> float:
    """How well an item answers, beside others: an item that is stronger by 1 is e times as likely the one that is meant."""
    return sum(weight * float(getattr(signals, name)) for name, weight in _STRENGTH.items())


def assurance(candidates: Candidates) -> float:
    """Probability-like number in [0, 1]: how sure we are that one of the items answers."""
    signals = candidates.found.values()
    z = _BIAS + _ASSURANCE["foreign"] * candidates.foreign - _ASSURANCE["outside"] * candidates.outside
    z += _ASSURANCE["question"] * max((one.question for one in signals), default=0.0)
    z += _ASSURANCE["lead"] * max((one.lead for one in signals), default=0.0)
    return 1.0 / (1.0 + math.exp(-z))


def relevance(candidates: Candidates) -> dict[str, float]:
    """Relevance in [0, 1] of every item; see the module's docstring."""
    sure = assurance(candidates)
    strengths = {item_id: strength(one) for item_id, one in candidates.found.items()}
    best = max(strengths.values(), default=0.0)
    return {
        item_id: 1.0 if candidates.found[item_id].likeness == 1.0 else sure * math.exp(own - best)
        for item_id, own in strengths.items()
    }


def _best_source_first(snapshot: Snapshot, ranked: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Inside a group of equal questions, the item with its own reference takes the group's best place."""
    place = {item_id: i for i, (_, item_id) in enumerate(ranked)}
    done: set[str] = set()
    ordered: list[tuple[float, str]] = []
    for score, item_id in ranked:
        if item_id in done:
            continue
        group = [member for member in snapshot.groups.get(item_id, (item_id,)) if member in place]
        if item_id not in group:
            group.append(item_id)
        group.sort(key=lambda member: (_source_rank(snapshot, member), place[member]))
        ordered.append((score, group[0]))
        done.update(group)
        ordered += [(ranked[place[member]][0], member) for member in group[1:]]
    first = {item_id: i for i, (_, item_id) in enumerate(ordered)}
    return sorted(ordered, key=lambda pair: (-pair[0], first[pair[1]]))


def _one_per_reference(snapshot: Snapshot, ordered: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Of several questions that show the same reference, the first: the others would only repeat it."""
    shown: set[str] = set()
    kept = []
    for score, item_id in ordered:
        item = snapshot.items[item_id]
        origin = snapshot.reference(item)[1] if isinstance(item, Question) and not item.key else ""
        if (origin or item_id) not in shown:
            shown.add(origin or item_id)
            kept.append((score, item_id))
    return kept


def _source_rank(snapshot: Snapshot, item_id: str) -> int:
    item = snapshot.items[item_id]
    if isinstance(item, Note):
        return 3
    if item.reference or item.key:
        return 0
    return 1 if item.id in snapshot.links else 2


def _passage(snapshot: Snapshot, item_id: str, score: float) -> Passage:
    item = snapshot.items[item_id]
    if isinstance(item, Note):
        title = " / ".join(item.trail) or item.text.splitlines()[0][:60]
        return Passage(0, item.id, item.bank, item.path, item.line, title, item.text, round(score, 4), kind="note")
    reference, origin = snapshot.reference(item)
    lines = [f"{option.label}. {option.text}" for option in item.options]
    if item.key:
        lines.append(f"正确选项：{item.key}")
        lines += [f"{option.label}：{option.explanation}" for option in item.options if option.explanation]
    text = "\n".join([*lines, reference]).strip() or "\n".join(item.subpoints)
    return Passage(
        n=0,
        question_id=item.id,
        bank=item.bank,
        path=item.path,
        line=item.line,
        title=item.text,
        text=text,
        score=round(score, 4),
        kind=item.kind,
        has_reference=bool(reference or item.key),
        linked_from=origin if origin and origin != item.id else "",
    )
