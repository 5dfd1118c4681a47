"""What happens in a conversation: ask, stop, load, say it aloud, remember. Generators of turns; knows no component."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from tutor import prompts
from tutor.answering import Turn, stream_answer
from tutor.citations import check, sentences
from tutor.errors import TutorError
from tutor.records import Citation, CitedAnswer, Passage, Question
from tutor.retrieval import MAX_QUERY
from tutor.ui.markup import cite, safe
from tutor.ui.rendering import Shown, remember
from tutor.ui.services import Services
from tutor.ui.words import Words

_EVERY = 0.08
"""Seconds between two redraws of a growing answer."""

Turns = tuple[Shown, ...]


def converse(
    services: Services, words: Words, learner: str, conversation: str, turns: Sequence[Shown], question: str
) -> Iterator[Turns]:
    """Answer a question: the turns so far with the new one growing at their end. Finished answers are kept.

    When the generator is closed (stop, or the learner has left) what was written so far is kept as it is.
    A failure that the user can understand ends up in the last turn; others are bugs and surface.
    """
    asked = question.strip()
    before = tuple(turns)
    current = Shown(0, asked, CitedAnswer(""))
    if len(asked) > MAX_QUERY:
        yield (*before, replace(current, error=words("too_long", n=len(asked), most=MAX_QUERY)))
        return
    yield (*before, current)
    earlier = [Turn(turn.question, turn.answer) for turn in before if not turn.error]
    drawn = 0.0
    stream = stream_answer(services.in_language(words.language), asked, earlier)
    try:
        with closing(stream):  # type: ignore[type-var]
            for answer in stream:
                first = bool(answer.text) != bool(current.answer.text) or answer.passages != current.answer.passages
                current = replace(current, answer=answer)
                if first or time.monotonic() - drawn >= _EVERY:
                    drawn = time.monotonic()
                    yield (*before, current)
        kept = services.history.add_turn(learner, conversation, asked, current.answer, services.now())
        yield (*before, replace(current, id=kept))
    except GeneratorExit:
        if current.answer.text and not current.answer.done:
            services.history.add_turn(learner, conversation, asked, current.answer, services.now())
        raise
    except TutorError as error:
        yield (*before, replace(current, error=words("error", what=error)))


def load_turns(services: Services, learner: str, conversation: str) -> Turns:
    """A stored conversation; of answers to one question asked again and again, the last."""
    stored = services.history.turns(learner, conversation)
    return tuple(
        Shown(turn.id, turn.question, turn.answer)
        for i, turn in enumerate(stored)
        if i + 1 == len(stored) or stored[i + 1].question != turn.question
    )


def say_it(services: Services, words: Words, turns: Sequence[Shown]) -> Iterator[Turns]:
    """Append to the last turn how to say it in an interview, from the best reference; every sentence is checked."""
    model, source = services.tutor.model, best_passage(turns)
    if model is None or source is None:
        return
    last = turns[-1]
    reference = Passage(1, *_identity(source), text=source.text, score=1.0)
    text, drawn = "", 0.0

    def grown(citations: tuple[Citation, ...] = ()) -> Turns:
        body = _marked(text, citations, words) if citations else safe(text)
        return (*turns[:-1], replace(last, extra=(*last.extra, f"{words('spoken_title')}\n\n{body}")))

    yield grown()
    with closing(model.stream(prompts.spoken(source.title, source.text))) as stream:  # type: ignore[type-var]
        for piece in stream:
            text += piece.content if isinstance(piece.content, str) else ""
            if time.monotonic() - drawn >= _EVERY:
                drawn = time.monotonic()
                yield grown()
    yield grown(check(_cited(text), [reference], services.tutor.judge_support))


def keep_in_mind(services: Services, words: Words, turns: Sequence[Shown]) -> Turns:
    """Append to the last turn what to remember: the key points of the best passage's question."""
    source = best_passage(turns)
    if source is None:
        return tuple(turns)
    item = services.snapshot().items.get(source.linked_from or source.question_id)
    question = item if isinstance(item, Question) else None
    text = remember(question.points, question.misconceptions, words) if question else words("keep_none")
    return (*turns[:-1], replace(turns[-1], extra=(*turns[-1].extra, text)))


def best_passage(turns: Sequence[Shown]) -> Passage | None:
    """The first passage of the last answer that holds a reference."""
    passages = turns[-1].answer.passages if turns else ()
    return next((passage for passage in passages if passage.has_reference), None)


def _identity(passage: Passage) -> tuple[str, str, str, int, str]:
    return passage.question_id, passage.bank, passage.path, passage.line, passage.title


def _cited(text: str) -> str:
    """Every sentence with the mark of the only passage, so that every sentence is checked."""
    return "".join(f"{sentence.text} [1]\n" for sentence in sentences(text))


def _marked(text: str, citations: tuple[Citation, ...], words: Words) -> str:
    return cite(text, citations, (), {support: words(support) for support in ("weak", "unsupported")})
