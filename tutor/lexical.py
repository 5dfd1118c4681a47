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
from functools import lru_cache

import bm25s
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # jieba 0.42 has invalid escapes and imports pkg_resources
    import jieba

jieba.setLogLevel(logging.WARNING)

_WORD = re.compile(r"[a-z0-9]+(?:[-_.+/][a-z0-9]+)*|[一-鿿]+")
_STOP = frozenset(
    ["的", "了", "和", "是", "在", "与", "及", "或", "中", "对", "为", "有", "被", "把", "上", "下", "个", "这", "那", "它", "其", "请", "吗", "呢", "吧", "啊", "什么", "怎么", "怎样", "如何", "为什么", "哪些", "哪个", "哪种", "解释", "说明", "简述", "介绍", "一下", "以及", "进行", "使用", "可以", "需要", "通过", "一个", "我们", "你", "我", "他", "会", "能", "要", "都", "也", "不", "就", "还", "让", "从", "到", "the", "a", "an", "of", "to", "in", "is", "are", "and", "or", "for", "with", "on", "what", "why", "how", "does", "do", "it", "its", "be", "by", "as", "this", "that", "from", "can", "which"]
)


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
        self._unseen = math.log(1 + 2 * size)
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

    def coverage(self, query: str, index: int) -> float:
        """Share of the query's words, weighted by idf, that the document has: 0 to 1. Unknown words weigh most."""
        tokens = set(tokenize(query))
        total = sum(self._idf.get(token, self._unseen) for token in tokens)
        found = sum(self._idf[token] for token in tokens & self._sets[index])
        return found / total if total else 0.0
