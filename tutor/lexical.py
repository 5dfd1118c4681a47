"""Word matching for Chinese mixed with English: jieba tokens, BM25 by bm25s, and idf-weighted coverage of the query.

Dense retrieval misses rare names ("ZeRO-3", "NF4"); word matching finds them. A whitespace tokenizer would see a
Chinese sentence as one word, so jieba cuts it, in search mode (long words also yield their parts).
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

import bm25s
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # jieba 0.42 has invalid escapes and imports pkg_resources
    import jieba

from tutor.aliases import named_groups

jieba.setLogLevel(logging.WARNING)
logging.getLogger("bm25s").setLevel(logging.WARNING)  # it turns its own debugging on

_WORD = re.compile(r"[a-z0-9]+(?:[-_.+/][a-z0-9]+)*|[一-鿿]+")
_LETTERS = re.compile(r"[A-Za-z]{4,}")
_ENDING = re.compile(r"(?:ies|es|s|ing|ed)$")
_NEAR = 0.85
"""Similarity of spelling (difflib) from which an unknown word is taken for a known one: one slip in six or seven letters."""
_IDLE = 0.1
"""What a word costs that is not wanted, in words that are: of two texts that say the same the shorter is the nearer."""
_SHORT = 4
_NEAR_SHORT = 0.75
"""The same for words of `_SHORT` letters, which must besides have the same letters or be written in capitals: "stay" is no "star"."""
_STOP_WORDS = """
的 了 和 是 在 与 及 或 中 对 为 有 被 把 上 下 个 这 那 它 其 请 吗 呢 吧 啊 什么 怎么 怎样 如何 为什么 哪些
哪个 哪种 解释 说明 简述 介绍 一下 以及 进行 使用 可以 需要 通过 一个 我们 你 我 他 会 能 要 都 也 不 就 还 让
从 到 the a an of to in is are and or for with on what why how does do it its be by as this that from can which
咋 啥 为啥 咋办 干嘛 到底 那种 那个 这个 这种 是不是 怎么办 有没有 能不能 老是 该 呀 嘛 应该 什么样 多少 哪里
为何 能否 是否 又 再 才 好 点 用 做 去 来 说 看 得 着 过 给 跟 比 没 没有 他们 它们 还是 时候 一 两 几 i we you
they he she me my our your their them at if when where who whom should would could will shall did done was were
been being am has have had not no so than then there here these those into about over under between versus vs
any some same one ones also just only really much many more most get gets got make makes made take takes explain
describe tell give please compare difference
"""
_STOP = frozenset(_STOP_WORDS.split())


@lru_cache(maxsize=20_000)
def tokenize(text: str) -> tuple[str, ...]:
    """Split into lower-case search tokens: Chinese words and their parts, English terms whole and in parts."""
    folded = unicodedata.normalize("NFKC", text).lower()
    tokens: list[str] = []
    for match in _WORD.finditer(folded):
        run = match.group()
        if "一" <= run[0] <= "鿿":
            tokens += [token for token in jieba.lcut_for_search(run) if token not in _STOP]
        else:
            parts = re.split(r"[-_.+/]", run)
            tokens += [token for token in ([run, *parts] if len(parts) > 1 else parts) if token not in _STOP]
    return tuple(tokens)


def cut(text: str) -> list[str]:
    """Split into words as written, blanks included; joined they are the text. English terms stay whole."""
    words: list[str] = []
    for part in re.split(r"([A-Za-z0-9√]+(?:[-_.+/][A-Za-z0-9√]+)*)", text):
        words += [part] if part and part[0].isascii() and part[0].isalnum() else jieba.lcut(part)
    return words


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a query speaks of: its weight, and the sets of tokens of which any one names it."""

    weight: float
    names: tuple[frozenset[str], ...]


def likeness(one: str, other: str) -> float:
    """How alike two texts are letter by letter: Dice coefficient of their character pairs, 1 when they are equal."""
    a, b = _pairs(one), _pairs(other)
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


@lru_cache(maxsize=50_000)
def plain(text: str) -> str:
    """The text without case, width, blanks and punctuation: what two equal questions have in common."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


@lru_cache(maxsize=20_000)
def letter_pairs(text: str) -> frozenset[str]:
    """The pairs of neighbouring letters of a text, without case, width, blanks and punctuation."""
    letters = plain(text)
    return frozenset(letters[i : i + 2] for i in range(len(letters) - 1))


def nearest(texts: Sequence[str], wanted: str) -> str:
    """The one of `texts` that shares most words and letter pairs with `wanted`; the longest when none shares any."""
    units = {*tokenize(wanted), *letter_pairs(wanted)}

    def fit(text: str) -> tuple[float, int]:
        own = {*tokenize(text), *letter_pairs(text)}
        shared = len(units & own)
        return (shared - _IDLE * len(own) if shared else -math.inf), len(text)

    return max(texts, key=fit)


@lru_cache(maxsize=50_000)
def _pairs(text: str) -> frozenset[str]:
    letters = f"^{plain(text)}$"
    return frozenset(letters[i : i + 2] for i in range(len(letters) - 1)) if len(letters) > 2 else frozenset()


@lru_cache(maxsize=20_000)
def fragments(text: str) -> frozenset[str]:
    """Pairs of neighbouring Chinese letters, and English words without their endings: they match where jieba cuts elsewhere."""
    folded = unicodedata.normalize("NFKC", text).lower()
    found: set[str] = set()
    for run in re.findall(r"[a-z0-9]+|[一-鿿]+", folded):
        if run[0].isascii():
            found.add(_ENDING.sub("", run) if len(run) > _SHORT else run)
        else:
            found |= {run[i : i + 2] for i in range(len(run) - 1)}
    return frozenset(found)


class LexicalIndex:
    """BM25 over texts, in memory. Built in about a second for 3,000 texts.

    :param texts: the documents; results are indices into this sequence.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        documents = [list(tokenize(text)) for text in texts]
        self._sets = [frozenset(document) for document in documents]
        frequency: Counter[str] = Counter()
        for tokens in self._sets:
            frequency.update(tokens)
        size = max(len(texts), 1)
        self._idf = {token: math.log(1 + size / count) for token, count in frequency.items()}
        self._fragments = [fragments(text) for text in texts]
        common: Counter[str] = Counter()
        for found in self._fragments:
            common.update(found)
        self._rarity = {fragment: math.log(1 + size / count) for fragment, count in common.items()}
        self._unseen = math.log(1 + 2 * size)
        self._names: dict[str, list[str]] = {}
        for token, count in frequency.items():
            if count > 1 and _LETTERS.fullmatch(token):
                self._names.setdefault(token[0], []).append(token)
        self._bm25: bm25s.BM25 | None = None
        if any(documents):
            self._bm25 = bm25s.BM25(backend="numpy")
            self._bm25.index(documents, show_progress=False)

    def search(self, query: str, k: int, allowed: Iterable[int] | None = None) -> list[tuple[int, float]]:
        """Return up to `k` pairs (index, BM25 score) with a positive score, best first, among `allowed` or all."""
        tokens = [token for token in tokenize(query) if token in self._idf]
        if self._bm25 is None or not tokens:
            return []
        scores = np.asarray(self._bm25.get_scores(tokens))
        if allowed is not None:
            mask = np.zeros(len(scores), dtype=bool)
            mask[list(allowed)] = True
            scores = np.where(mask, scores, 0.0)
        top = np.argsort(-scores, kind="stable")[:k]
        return [(int(i), float(scores[i])) for i in top if scores[i] > 0]

    def terms(self, query: str) -> tuple[Term, ...]:
        """What the query speaks of. A thing of the alias table is one term, with all its names."""
        rest = set(tokenize(query))
        terms = []
        for said, names in named_groups(query):
            tokens = frozenset(tokenize(said))
            if tokens <= rest:
                rest -= tokens
                sets = tuple(filter(None, (frozenset(tokenize(name)) for name in names)))
                terms.append(Term(min(self._weight(one) for one in sets), sets))
        return (*terms, *(Term(self._weight({token}), (frozenset([token]),)) for token in sorted(rest)))

    def correct(self, query: str) -> str:
        """The query with English words that the index does not know replaced by one that is spelt nearly so, if any."""

        def nearest(match: re.Match[str]) -> str:
            word = match.group().lower()
            if word in self._idf or word in _STOP:
                return match.group()
            near = _NEAR_SHORT if len(word) <= _SHORT else _NEAR
            for found in get_close_matches(word, self._names.get(word[0], ()), 3, near):
                if len(word) > _SHORT or sorted(found) == sorted(word) or sum(map(str.isupper, match.group())) > 1:
                    return found
            return match.group()

        return _LETTERS.sub(nearest, query)

    def coverage(self, terms: Sequence[Term], indices: Sequence[int]) -> float:
        """Share of the terms, by weight, that the documents `indices` have between them: 0 to 1."""
        sets = [self._sets[index] for index in indices]
        wanted = frozenset().union(*(name for term in terms for name in term.names))
        tokens = {token for token in wanted if any(token in have for have in sets)}
        total = sum(term.weight for term in terms)
        found = sum(term.weight for term in terms if any(name <= tokens for name in term.names))
        return found / total if total else 0.0

    def fragment_coverage(self, query: str, indices: Sequence[int]) -> float:
        """Share of the query's fragments, by rarity, that the documents `indices` have; those that none has do not count."""
        weights = {one: self._rarity[one] for one in fragments(query) if one in self._rarity}
        sets = [self._fragments[index] for index in indices]
        found = sum(weight for one, weight in weights.items() if any(one in have for have in sets))
        total = sum(weights.values())
        return found / total if total else 0.0

    def _weight(self, tokens: Iterable[str]) -> float:
        return sum(self._idf.get(token, self._unseen) for token in tokens)
