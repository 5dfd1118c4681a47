"""What to do with an answer once it stands: how to say it in an interview, and what of it to remember."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from tutor import prompts
from tutor.answering import Tutor
from tutor.citations import check, sentences
from tutor.library import Snapshot
from tutor.records import Citation, Passage, Question


def best_reference(passages: Sequence[Passage]) -> Passage | None:
    """The first passage that holds a reference."""
    return next((passage for passage in passages if passage.has_reference), None)


def say_aloud(tutor: Tutor, source: Passage) -> Iterator[tuple[str, tuple[Citation, ...]]]:
    """The reference as one would say it in a minute: the text so far; at the end with every sentence checked.

    Closing the generator stops the model. Without a model there is nothing to say.
    """
    if tutor.model is None:
        return
    text = ""
    with closing(tutor.model.stream(prompts.spoken(source.title, source.text))) as stream:  # type: ignore[type-var]
        for piece in stream:
            text += piece.content if isinstance(piece.content, str) else ""
            yield text, ()
    marked = "".join(f"{sentence.text} [1]\n" for sentence in sentences(text))
    yield text, check(marked, [replace(source, n=1)], tutor.judge_support)


def to_remember(snapshot: Snapshot, source: Passage) -> Question | None:
    """The question whose key points and misconceptions are what to remember of a passage."""
    item = snapshot.items.get(source.linked_from or source.question_id)
    return item if isinstance(item, Question) else None
