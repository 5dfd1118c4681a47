"""What happens in a conversation: ask, stop, load, say it aloud, remember. Generators of turns; knows no component."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from tutor.answering import Turn, stream_answer
from tutor.errors import TutorError
from tutor.records import Citation, CitedAnswer, Passage
from tutor.restating import best_reference, say_aloud, to_remember
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
    source = best_passage(turns)
    if services.tutor.model is None or source is None:
        return
    last, drawn = turns[-1], 0.0

    def grown(body: str) -> Turns:
        return (*turns[:-1], replace(last, extra=(*last.extra, f"{words('spoken_title')}\n\n{body}")))

    yield grown("")
    with closing(say_aloud(services.tutor, source)) as spoken:  # type: ignore[type-var]
        for text, citations in spoken:
            if citations or time.monotonic() - drawn >= _EVERY:
                drawn = time.monotonic()
                yield grown(_marked(text, citations, words) if citations else safe(text))


def keep_in_mind(services: Services, words: Words, turns: Sequence[Shown]) -> Turns:
    """Append to the last turn what to remember: the key points of the best passage's question."""
    source = best_passage(turns)
    if source is None:
        return tuple(turns)
    question = to_remember(services.snapshot(), source)
    text = remember(question.points, question.misconceptions, words) if question else words("keep_none")
    return (*turns[:-1], replace(turns[-1], extra=(*turns[-1].extra, text)))


def best_passage(turns: Sequence[Shown]) -> Passage | None:
    """The first passage of the last answer that holds a reference."""
    return best_reference(turns[-1].answer.passages) if turns else None


def _marked(text: str, citations: tuple[Citation, ...], words: Words) -> str:
    return cite(text, citations, (), {support: words(support) for support in ("weak", "unsupported")})
