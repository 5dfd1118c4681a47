"""How far a passage supports a sentence: the decision behind the citation gate.

Words decide: the share of what the sentence speaks of that some place of the passage speaks of too (rare words weigh
more, names of one thing count as one), and the share of its letter pairs that the passage has. Meaning (cosine) decides
only where words cannot, across languages. Three things overrule them: a number that the passage does not have, a
clause that says the opposite, and another passage at hand from which the sentence was clearly taken.
The thresholds are fitted by `python -m eval citations` on one half of the corpus and reported on the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from tutor.citations import SupportJudge
from tutor.embedding import GemmaEmbeddings
from tutor.lexical import LexicalIndex, Term, letter_pairs, plain, tokenize
from tutor.polarity import contradicts
from tutor.records import Support

SUPPORTED, WEAK = 0.40, 0.28
"""From which share on; fitted so that 95 of 100 key points are supported by their own reference."""
NEAR, FAR = 0.50, 0.40
"""The same for the best cosine with a sentence of a passage in another language."""
MARGIN = 0.12
"""By how much another passage must be better for the cited one to be doubted."""

Terms = Callable[[str], Sequence[Term]]
"""What a text speaks of; `LexicalIndex.terms` of the current index."""

_NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_ORDINAL = re.compile(r"^\s*(?:[-*•]\s+)?(?:\(?\d{1,2}[.、)）](?!\d)\s*)?")
_SPELT = {str(i): numeral for i, numeral in enumerate("零一二三四五六七八九十")}
_PIECE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")
_NAME = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9.+-]*[A-Z])[A-Za-z][A-Za-z0-9.+-]{2,}[A-Za-z0-9]")
"""A word that looks like the name of a thing; shorter ones are abbreviations of who knows what."""
_WINDOW = 3
"""Neighbouring sentences that count as one place of a passage."""


def support_judge(embeddings: GemmaEmbeddings, terms: Terms) -> SupportJudge:
    """A judge that weighs words by `terms` and compares languages with `embeddings`."""

    @lru_cache(maxsize=256)
    def vectors(pieces: tuple[str, ...]) -> np.ndarray:
        return np.asarray(embeddings.embed_documents(list(pieces)), dtype=np.float32)

    def cosine(sentence: str, passage: str) -> float:
        title, _, text = passage.partition("\n")
        pieces = _pieces(text or title)
        return float((vectors(pieces) @ vectors((sentence,))[0]).max()) if pieces else 0.0

    def judge(pairs: Sequence[tuple[str, str]], others: Sequence[str] = ()) -> list[Support]:
        return [_decide(cosine, terms, passage, _ORDINAL.sub("", sentence), others) for passage, sentence in pairs]

    return judge


def _decide(
    cosine: Callable[[str, str], float], terms: Terms, passage: str, sentence: str, others: Sequence[str]
) -> Support:
    if unknown_numbers(sentence, passage):
        return "unsupported"
    if _is_chinese(sentence) != _is_chinese(passage):
        return grade(cosine(sentence, passage), NEAR, FAR)
    spoken = terms(sentence)
    value = share(spoken, sentence, passage)
    found = grade(value, SUPPORTED, WEAK)
    if found == "supported" and contradicts(sentence, passage):
        return "unsupported"
    if found == "supported" and any(share(spoken, sentence, other) > value + MARGIN for other in others):
        return "weak"
    return found


def grade(value: float, supported: float, weak: float) -> Support:
    """Three grades by two thresholds."""
    return "supported" if value >= supported else "weak" if value >= weak else "unsupported"


def share(terms: Sequence[Term], sentence: str, passage: str) -> float:
    """How much of the sentence the passage has: the mean of the shares of its terms, at one place, and letter pairs."""
    total = sum(term.weight for term in terms)
    best = max(
        (
            sum(term.weight for term in terms if any(name <= place for name in term.names))
            for place in _places(passage)
        ),
        default=0.0,
    )
    pairs = letter_pairs(sentence)
    return 0.5 * (best / total if total else 0.0) + 0.5 * (len(pairs & letter_pairs(passage)) / max(1, len(pairs)))


def unknown_numbers(sentence: str, passage: str) -> set[str]:
    """The numbers of the sentence that the passage does not have, in figures or spelt."""
    text = unicodedata.normalize("NFKC", passage)
    known = _numbers(text)
    return {number for number in _numbers(sentence) - known if _SPELT.get(number, "\0") not in text}


def unmentioned(question: str, texts: Sequence[str], lexical: LexicalIndex) -> tuple[str, ...]:
    """Names in a Chinese question that none of the texts mentions, by any of its names: what they cannot answer."""
    if not _is_chinese(question):
        return ()
    tokens = frozenset(token for text in texts for token in tokenize(text))
    letters = "".join(map(plain, texts))
    missing = []
    for name in dict.fromkeys(_NAME.findall(lexical.correct(question))):
        known = any(any(one <= tokens for one in term.names) for term in lexical.terms(name))
        if not known and plain(name) not in letters:
            missing.append(name)
    return tuple(missing)


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in _NUMBER.findall(unicodedata.normalize("NFKC", text))}


def _is_chinese(text: str) -> bool:
    """Whether at least one letter in eight is Chinese: English terms abound in Chinese sentences."""
    letters = [char for char in text if char.isalpha()]
    return sum("一" <= char <= "鿿" for char in letters) * 8 >= len(letters)


@lru_cache(maxsize=512)
def _pieces(passage: str) -> tuple[str, ...]:
    return tuple(piece for piece in _PIECE.findall(passage) if re.search(r"\w", piece))


@lru_cache(maxsize=512)
def _places(passage: str) -> tuple[frozenset[str], ...]:
    """The tokens of every run of up to `_WINDOW` sentences, each with those of the first line, which is the title."""
    title, _, text = passage.partition("\n")
    named = frozenset(tokenize(title))
    tokens = [frozenset(tokenize(piece)) for piece in _pieces(text)]
    runs = [named.union(*tokens[i : i + _WINDOW]) for i in range(max(1, len(tokens) - _WINDOW + 1))]
    return tuple(runs)
