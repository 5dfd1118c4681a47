"""Fakes that mean something: embeddings that rank by shared words, a model that replays a script, a judge that reads."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from tutor.lexical import tokenize
from tutor.records import PointProbabilities, Support


class WordEmbeddings(Embeddings):
    """Hashed bag of words: texts that share words are near. Counts what it embeds."""

    def __init__(self, name: str = "words", size: int = 256) -> None:
        self.name = name
        self.size = size
        self.embedded: list[str] = []

    @property
    def identity(self) -> dict[str, str]:
        return {"model": self.name, "sha256": "0", "dtype": "float32", "query_prompt": "", "document_prompt": ""}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vector(text)

    def _vector(self, text: str) -> list[float]:
        vector = np.zeros(self.size)
        for token in tokenize(text) or (text,):
            vector[zlib.crc32(token.encode()) % self.size] += 1.0
        vector[0] += 1e-6
        return (vector / np.linalg.norm(vector)).tolist()


class ScriptedModel(BaseChatModel):
    """Replays replies in order, word by word, and keeps every prompt in `seen`. Fails when the script is over."""

    replies: list[str]
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    closed: list[int] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        self.seen.append(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.replies.pop(0)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self.seen.append(messages)
        reply = self.replies.pop(0)
        given = 0
        try:
            for piece in re.findall(r"\s*\S{1,3}", reply):
                given += 1
                yield ChatGenerationChunk(message=AIMessageChunk(piece))
            timings = {"timings": {"prompt_tokens": 100, "cached_tokens": 60}}
            yield ChatGenerationChunk(message=AIMessageChunk("", response_metadata=timings))
        finally:
            self.closed.append(given)


class WordJudge:
    """Judges a point by the share of its words in the reply; "不" or "not" in a reply that shares them contradicts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def verdicts(self, question: str, reply: str, points: Sequence[str]) -> list[PointProbabilities]:
        self.asked += [(reply, point) for point in points]
        return [self._one(reply, point) for point in points]

    def _one(self, reply: str, point: str) -> PointProbabilities:
        words = set(tokenize(point))
        share = len(words & set(tokenize(reply))) / len(words) if words else 0.0
        if share > 0.5 and ("并非" in reply) != ("并非" in point):
            return PointProbabilities(covered=0.05, partial=0.05, missing=0.1, contradicted=0.8)
        return PointProbabilities(covered=share, partial=0.0, missing=1 - share, contradicted=0.0)


def judge_by_words(pairs: Sequence[tuple[str, str]], others: Sequence[str] = ()) -> list[Support]:
    """Supported when most words of the sentence are in the passage."""
    found: list[Support] = []
    for passage, sentence in pairs:
        words = set(tokenize(sentence))
        share = len(words & set(tokenize(passage))) / len(words) if words else 1.0
        found.append("supported" if share > 0.6 else "weak" if share > 0.3 else "unsupported")
    return found
