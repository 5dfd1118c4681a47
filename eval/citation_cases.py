"""Sentences whose support is known, made from the corpus: true ones, swapped ones, and ones turned into the opposite.

True: a key point with its own reference, and a sentence of a reference with it. Swapped: a key point with the passage of
another question of its bank, one at random and the one that shares most words. Wrong: a written misconception with the
reference that contradicts it, a key point with a number changed, a negation added or dropped, or an antonym put in.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tutor.lexical import letter_pairs
from tutor.records import Question

SEED = 20
_NEAREST = 4
"""Passages beside the cited one that stand for the others of an answer: those that share most words with the question."""
_PIECE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")
_DROPPED = (("不会", "会"), ("不能", "能"), ("不需要", "需要"), ("无需", "需要"), ("不", ""))
_ADDED = ("需要", "可以", "能", "会", "是")
_TURNED = tuple(map(str.split, ["增大 减小", "增加 减少", "提高 降低", "更大 更小", "大 小", "高 低", "多 少", "快 慢"]))


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and the passage that it cites, among the passages of its answer.

    :ivar kind: point, sentence (these are true); random, nearest (swapped); misconception, number, negation, antonym.
    :ivar others: the other passages at hand; for a swapped one they include the passage that is right.
    """

    kind: str
    question_id: str
    sentence: str
    passage: str
    others: tuple[str, ...]

    @property
    def true(self) -> bool:
        """Whether the passage supports the sentence."""
        return self.kind in ("point", "sentence")


def pairs(questions: Sequence[Question]) -> Iterator[Pair]:
    """Make the pairs. The same questions make the same pairs."""
    rng = random.Random(SEED)
    banks: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if question.points and question.reference:
            banks[question.bank].append(question)
    for bank in banks.values():
        for question in bank:
            near = _nearest(question, bank)
            if near:
                yield from _of_question(question, near, rng.choice([one for one in bank if one is not question]), rng)


def text_of(question: Question) -> str:
    """The passage of a question, as the gate sees it."""
    return f"{question.text}\n{question.reference}"


def _of_question(question: Question, near: Sequence[Question], stray: Question, rng: random.Random) -> Iterator[Pair]:
    own, others = text_of(question), tuple(map(text_of, near))

    def pair(kind: str, sentence: str) -> Pair:
        return Pair(kind, question.id, sentence, own, others)

    for point in question.points:
        yield pair("point", point.text)
        yield Pair("random", question.id, point.text, text_of(stray), (own, *others))
        nearest = max(others, key=lambda text: _shared(point.text, text))
        yield Pair("nearest", question.id, point.text, nearest, (own, *(one for one in others if one != nearest)))
        turns: tuple[tuple[str, Callable[[str], str]], ...] = (
            ("number", lambda text: _renumber(text, own)), ("negation", _negate), ("antonym", _turn),
        )  # fmt: skip
        for kind, turn in turns:
            turned = turn(point.text)
            if turned != point.text:
                yield pair(kind, turned)
    written = [piece.strip() for piece in _PIECE.findall(question.reference) if len(letter_pairs(piece)) > 8]
    if written:
        yield pair("sentence", rng.choice(written))
    for misconception in question.misconceptions:
        yield pair("misconception", misconception.text)


def _nearest(question: Question, bank: Sequence[Question]) -> list[Question]:
    others = [one for one in bank if one is not question]
    return sorted(others, key=lambda other: -_shared(question.text, text_of(other)))[:_NEAREST]


def _shared(sentence: str, text: str) -> float:
    mine = letter_pairs(sentence)
    return len(mine & letter_pairs(text)) / max(1, len(mine))


def _renumber(text: str, passage: str) -> str:
    """One number changed into one that the passage does not have."""
    found = re.search(r"\d+", text)
    if not found:
        return text
    wrong = next(str(n) for n in range(int(found[0]) + 3, int(found[0]) + 999) if str(n) not in passage)
    return text[: found.start()] + wrong + text[found.end() :]


def _negate(text: str) -> str:
    if re.search("不同|不仅|不足|不断|不过", text):
        return text
    for word, without in _DROPPED:
        if word in text:
            return text.replace(word, without, 1)
    for word in _ADDED:
        if word in text:
            return text.replace(word, f"不{word}", 1)
    return text


def _turn(text: str) -> str:
    for pair in _TURNED:
        for word, other in (pair, pair[::-1]):
            if word in text:
                return text.replace(word, other, 1)
    return text
