"""Question or Note -> Chunks: the texts that are searched. Pure.

A question yields one chunk for the question as asked, one for its aliases, one for the opening of its answer, and chunks of
at most `LIMIT` characters for the whole of its answer. Every word of question, sub-points, options and answer is in some
chunk. Whole answers have no vectors: embedding them took three quarters of the time of a build, and reference
answers give the answer in their first sentence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from tutor.records import Chunk, Note, Question

LIMIT = 480
"""Longest chunk in characters: about 350 tokens of Chinese, well inside the model's 2,048."""

LEAD = 120
"""Longest opening of an answer, in characters."""

_BOUNDARY = re.compile(r"(?<=\n)|(?<=[。！？；!?;])|(?<=[.,，、 ])")


def chunk(item: Question | Note) -> list[Chunk]:
    """Cut one item into chunks. Ids depend on content only."""
    if isinstance(item, Note):
        texts = [("note", text) for text in split(_with_trail(item.text, item.trail[-1:]))]
    else:
        texts = [("question", text) for text in split(question_text(item))]
        if item.aliases:
            texts += [("question", text) for text in split("；".join(item.aliases))]
        answer = "\n".join(
            [*item.subpoints, *(f"{o.label}. {o.text} {o.explanation}" for o in item.options), item.reference]
        )
        texts += [("lead", text) for text in split(item.reference, LEAD)[:1]]
        texts += [("answer", text) for text in split(answer)]
    seen: set[str] = set()
    chunks = []
    for part, text in texts:
        identity = hashlib.sha256(f"{item.id}\0{part}\0{text}".encode()).hexdigest()[:32]
        if identity not in seen:
            seen.add(identity)
            chunks.append(Chunk(id=identity, item_id=item.id, bank=item.bank, text=text, part=part))  # type: ignore[arg-type]
    return chunks


def chunk_all(items: Iterable[Question | Note]) -> list[Chunk]:
    """Chunks of all items, in their order."""
    return [piece for item in items for piece in chunk(item)]


def question_text(question: Question) -> str:
    """The question as it is embedded. A bare topic ("定义与计算方法") says nothing without the headings above it."""
    return _with_trail(question.text, question.trail[-2:]) if question.kind == "topic" else question.text


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Cut at line ends, else at sentence ends, else at commas and blanks, into pieces of at most `limit` characters."""
    pieces: list[str] = []
    current = ""
    for unit in _units(text, limit):
        if current and len(current) + len(unit) > limit:
            pieces.append(current)
            current = ""
        current += unit
    pieces.append(current)
    return [piece.strip() for piece in pieces if piece.strip()]


def _units(text: str, limit: int) -> list[str]:
    units: list[str] = []
    for unit in re.split(r"(?<=\n)", text):
        if len(unit) <= limit:
            units.append(unit)
            continue
        for sentence in _BOUNDARY.split(unit):
            units += [sentence[i : i + limit] for i in range(0, len(sentence), limit)]
    return units


def _with_trail(text: str, trail: tuple[str, ...]) -> str:
    return " / ".join([*trail, text]) if trail else text
