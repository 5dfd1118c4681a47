"""How far a passage supports a sentence: the decision behind the citation gate.

Until a better measure is shown, words and meaning decide together: the share of the sentence's words that the passage has,
and the best cosine similarity between the sentence and the passage's own sentences. A number that the passage does not
contain makes a sentence unsupported whatever the rest says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from tutor.citations import SupportJudge
from tutor.embedding import GemmaEmbeddings
from tutor.lexical import tokenize
from tutor.records import Support

SUPPORTED, WEAK = 0.62, 0.45
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def support_judge(embeddings: GemmaEmbeddings) -> SupportJudge:
    """A judge that uses these embeddings."""

    def judge(pairs: Sequence[tuple[str, str]]) -> list[Support]:
        if not pairs:
            return []
        vectors = np.asarray(embeddings.embed_documents([text for pair in pairs for text in pair]), dtype=np.float32)
        cosines = (vectors[0::2] * vectors[1::2]).sum(axis=1)
        return [
            decide(sentence, passage, float(cosine)) for (passage, sentence), cosine in zip(pairs, cosines, strict=True)
        ]

    return judge


def decide(sentence: str, passage: str, cosine: float) -> Support:
    """Combine word coverage and meaning. :param cosine: similarity of the two texts, -1 to 1."""
    words = frozenset(tokenize(sentence))
    covered = len(words & frozenset(tokenize(passage))) / len(words) if words else 0.0
    numbers = set(_NUMBER.findall(unicodedata.normalize("NFKC", sentence)))
    if numbers - set(_NUMBER.findall(unicodedata.normalize("NFKC", passage))):
        return "unsupported"
    value = 0.5 * covered + 0.5 * max(0.0, cosine)
    return "supported" if value >= SUPPORTED else "weak" if value >= WEAK else "unsupported"
