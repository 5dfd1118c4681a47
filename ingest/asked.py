"""What a question asks: the things that it names, the words that are left, what it wants to know about them. Pure.

`linking.toml` holds what this knows about words: names of one thing, rivals, opposites, kinds of questions.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from tutor.aliases import groups
from tutor.lexical import tokenize
from tutor.records import Question

_EXAMPLES = re.compile(r"[（(](?:如|例如|比如|像)[^（）()]*[）)]")
_SENTENCE_END = re.compile(r"[?。;]")
_NUMBER = re.compile(r"(?<![a-z0-9._-])\d+(?:\.\d+)?(?:[kmgtb]i?b?)?(?![a-z0-9._-])")
_NAME_WEIGHT = 1.6
"""How much more a technical name counts than another word that is as rare."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as linking sees it.

    :ivar bare: its letters and digits only; equal ones are the same question.
    :ivar terms: names ("=" and the first name of the thing) and words of the question; `detail` those of its sub-points.
    :ivar opening: the terms of its first sentence: what a compound question asks before it goes on.
    :ivar title: the terms, with those of its aliases.
    :ivar wordings: the terms of each way to ask it: the question, its aliases, and the asks of `linking.toml`.
    :ivar named: the names in its reference and key points; `body` is their text.
    :ivar rivals: which of the rivals and opposites the question and its aliases name, by group.
    :ivar own_rivals: those that the question itself names, not counting examples in brackets.
    :ivar facets: what it wants to know: why, how, drawbacks...
    :ivar shows: what its text shows of the things that a question can want.
    :ivar numbers: the numbers it gives.
    """

    bare: str
    terms: frozenset[str]
    opening: frozenset[str]
    detail: frozenset[str]
    title: frozenset[str]
    wordings: tuple[frozenset[str], ...]
    named: frozenset[str]
    body: str
    rivals: Mapping[int, frozenset[int]]
    own_rivals: Mapping[int, frozenset[int]]
    facets: frozenset[str]
    shows: frozenset[str]
    numbers: frozenset[str]

    def has(self, term: str) -> bool:
        """Whether the question or its answer has a term."""
        return term in self.named if term[0] == "=" else term in self.body


def read(question: Question) -> Asked:
    """What a question asks, and what its answer has."""
    own = fold(_self_contained(question))
    aliases = " ; ".join(map(fold, question.aliases))
    answered = bool(question.reference)
    title = f"{own} ; {aliases}"
    body = " ; ".join([title, *map(fold, (question.reference, *(point.text for point in question.points)))])
    terms = _terms(own)
    opening = _SENTENCE_END.split(own.rstrip("?。; "), maxsplit=1)[0]
    others = [_terms(fold(text)) for text in (*question.aliases, *_words().asks.get(question.id, ()))]
    facets = _words().facets.items()
    return Asked(
        bare=re.sub(r"[\W_]+", "", own),
        terms=terms,
        opening=_terms(opening) if len(opening) < len(own.rstrip("?。; ")) else terms,
        detail=_terms(fold(" ; ".join(question.subpoints))),
        title=terms.union(*others),
        wordings=tuple(dict.fromkeys((terms, *others))),
        named=frozenset(_things(body)) if answered else frozenset(),
        body=body if answered else "",
        rivals=_rivals(_EXAMPLES.sub(" ", title)),
        own_rivals=_rivals(_EXAMPLES.sub(" ", own)),
        facets=frozenset(name for name, (asks, _) in facets if asks.search(own)),
        shows=frozenset(
            name
            for name, (asks, shows) in facets
            if answered and (asks.search(title) or not shows.pattern or shows.search(body))
        ),
        numbers=frozenset(_NUMBER.findall(own)),
    )


def _self_contained(question: Question) -> str:
    """The question; a bare topic that names nothing ("定义与计算方法") with the heading above it."""
    bare = question.kind == "topic" and not _things(fold(question.text))
    return " ".join([*question.trail[-1:], question.text]) if bare else question.text


class Weights:
    """How telling a term is: rare ones more than frequent ones, names more than other words."""

    def __init__(self, questions: Iterable[Asked]) -> None:
        counts = Counter(term for asked in questions for term in asked.terms)
        total = sum(counts.values()) / 4 + 1
        self._unknown = math.log(1 + total / 0.5)
        self._weight = {term: math.log(1 + total / (count + 0.5)) * _worth(term) for term, count in counts.items()}
        self._totals: dict[frozenset[str], float] = {}  # of whole wordings, which are compared again and again

    def one(self, term: str) -> float:
        """Weight of one term."""
        return self._weight.get(term) or self._unknown * _worth(term)

    def likeness(self, one: frozenset[str], other: frozenset[str]) -> tuple[float, float]:
        """`agreement`, and the larger `share` of the two in each other."""
        common = sum(map(self.one, one & other))
        a, b = self._total(one), self._total(other)
        return common / (a + b - common) if a + b else 0.0, max(common / x if x else 0.5 for x in (a, b))

    def share(self, terms: frozenset[str], among: frozenset[str]) -> float:
        """Which part of `terms`, by weight, is `among` others; 0.5 when there are none to speak of."""
        return self._part(terms, terms & among)

    def share_in_answer(self, terms: frozenset[str], answered: Asked) -> float:
        """Which part of `terms`, by weight, the answered question and its answer have."""
        return self._part(terms, [term for term in terms if answered.has(term)])

    def agreement(self, one: frozenset[str], other: frozenset[str]) -> float:
        """How far two wordings have the same terms, by weight: 1 when they have the same ones."""
        common = sum(map(self.one, one & other))
        total = self._total(one) + self._total(other) - common
        return common / total if total else 0.0

    def _total(self, terms: frozenset[str]) -> float:
        if terms not in self._totals:
            self._totals[terms] = sum(map(self.one, terms))
        return self._totals[terms]

    def _part(self, terms: frozenset[str], held: Iterable[str]) -> float:
        total = sum(map(self.one, terms))
        return sum(map(self.one, held)) / total if total else 0.5


def conflict(one: Mapping[int, frozenset[int]], other: Mapping[int, frozenset[int]], *, opposites: bool = True) -> str:
    """The rivals by which two texts differ, as shown to the learner, or "": each side names one that the other does not.

    :param opposites: whether opposites (training / inference) count as rivals.
    """
    for group in sorted(one.keys() & other.keys()):
        if group >= _words().decisive and not opposites:
            break
        left, right = one[group] - other[group], other[group] - one[group]
        if left and right:
            names = _words().rivals[group]
            return " / ".join(names[i][0] for i in sorted(left | right))
    return ""


def digest(numbers: object) -> str:
    """A short hash of what is known about words and of `numbers`."""
    words = resources.files("ingest").joinpath("linking.toml").read_bytes()
    return hashlib.sha256(words + repr((groups(), numbers)).encode()).hexdigest()[:16]


def fold(text: str) -> str:
    """One form for full-width, compatibility and capital letters."""
    return unicodedata.normalize("NFKC", text).lower()


def _worth(term: str) -> float:
    return _NAME_WEIGHT if term[0] == "=" else 1.0


def _terms(folded: str) -> frozenset[str]:
    things = _things(folded)
    rest = folded
    for name in sorted(things.values(), key=len, reverse=True):
        rest = rest.replace(name, " ; ")
    return frozenset({*things, *tokenize(rest)})


def _things(folded: str) -> dict[str, str]:
    """The things that a text names, and the name it uses."""
    words = _words()
    return {"=" + words.thing[name]: name for name in words.names.find(folded)}


def _rivals(folded: str) -> dict[int, frozenset[int]]:
    words = _words()
    found: dict[int, set[int]] = {}
    for name in words.names.find(folded):
        for group, rival in words.rival_of.get(name, ()):
            found.setdefault(group, set()).add(rival)
    return {group: frozenset(members) for group, members in found.items()}


class _Names:
    """Finds names in a text, the longest at each place, from left to right. (One regular expression of them is slow.)"""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_start: dict[str, list[str]] = {}
        for name in sorted(names, key=len, reverse=True):
            self._by_start.setdefault(name[:2], []).append(name)

    def find(self, text: str) -> list[str]:
        """The names in `text`, in order."""
        found = []
        at = 0
        for here in range(len(text)):
            if here >= at and text[here : here + 2] in self._by_start:  # few places are the start of a name
                name = self._at(text, here)
                if name:
                    found.append(name)
                at = here + (len(name) or 1)
        return found

    def _at(self, text: str, at: int) -> str:
        for name in self._by_start.get(text[at : at + 2], ()):
            end = at + len(name)
            if text.startswith(name, at) and not (_inside(text, at) or _inside(text, end)):
                return name
        return ""


def _inside(text: str, at: int) -> bool:
    """Whether a place lies inside an English word or a number."""
    return 0 < at < len(text) and all(one.isascii() and one.isalnum() for one in text[at - 1 : at + 1])


@dataclass(frozen=True, slots=True)
class _Words:
    names: _Names
    thing: Mapping[str, str]
    rivals: tuple[tuple[tuple[str, ...], ...], ...]
    decisive: int
    rival_of: Mapping[str, tuple[tuple[int, int], ...]]
    facets: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]]
    asks: Mapping[str, Sequence[str]]


@lru_cache(maxsize=1)
def _words() -> _Words:
    table = tomllib.loads(resources.files("ingest").joinpath("linking.toml").read_text("utf-8"))
    rivals = tuple(
        tuple(tuple(fold(name) for name in rival.split("|")) for rival in line)
        for line in (*table["rivals"], *table["opposites"])
    )
    thing = _join([*groups(), *([fold(name) for name in line.split("|")] for line in table["synonyms"])])
    rival_of: dict[str, tuple[tuple[int, int], ...]] = {}
    for i, group in enumerate(rivals):
        for j, names in enumerate(group):
            for name in names:
                rival_of[name] = (*rival_of.get(name, ()), (i, j))
                thing.setdefault(name, next((thing[other] for other in names if other in thing), names[0]))
    return _Words(
        names=_Names(thing),
        thing=thing,
        rivals=rivals,
        decisive=len(table["rivals"]),
        rival_of=rival_of,
        facets={name: (re.compile(asks), re.compile(shows)) for name, (asks, shows) in table["facets"].items()},
        asks=table["asks"],
    )


def _join(lines: Iterable[Sequence[str]]) -> dict[str, str]:
    """The first name of the thing for each of its names; lines that share a name are about one thing."""
    first: dict[str, str] = {}
    for line in lines:
        known = {first[name] for name in line if name in first}
        head = min(known, default=line[0])
        first.update({name: head for name, other in first.items() if other in known})
        first.update(dict.fromkeys(line, head))
    return first
