"""Question -> a stream of CitedAnswer: sources first, then the explanation, then the checked citations.

One generator is the only path; the blocking form is its last item. Nothing relevant means no call of the model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from tutor import prompts
from tutor.citations import Attribution, CitationStream, SupportJudge, check, sentences, without
from tutor.cleaning import clean, shorten
from tutor.embedding import GemmaEmbeddings
from tutor.fencing import fence
from tutor.followups import resolve, resolve_all
from tutor.library import Library
from tutor.records import Badge, Citation, CitedAnswer, Passage
from tutor.retrieval import Filters, check_query, retrieve
from tutor.support import unmentioned

OFFERED = 3
"""How many passages the model is given; more cost seconds of reading and bring little."""
_CHAINED = 3
"""How many turns may share one growing prompt before a fresh one is cheaper than its length."""
_BUDGET = (320, 180, 120)
"""Characters of the best, second and third passage that the model reads: about 400 tokens in all."""
_REFERENCE_RELEVANCE = 0.8
"""From this relevance on, the best passage is taken to be the question itself."""

_REFUSAL = {
    "zh": "题库里没有和这个问题相关的内容，我不编答案。可以看看下面相近的题目，或者添加一份题库。",
    "en": "The banks have nothing on this, and I do not make answers up. See the nearest questions, or add a bank.",
}
_UNANSWERED = {
    "zh": "题库收录了这道题，但没有参考答案，我不编答案。",
    "en": "The banks contain this question but no reference answer for it, and I do not make one up.",
}
_MISSING = {"zh": "片段里没有提到：{names}。", "en": "The passages do not mention: {names}."}


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange of a conversation: the question as typed, the query it stood for, the answer."""

    question: str
    answer: CitedAnswer


@dataclass(frozen=True, slots=True)
class Tutor:
    """What answering needs.

    :ivar model: None when no language model is configured: answers are then extracts.
    :ivar unsupported: "mark" or "remove": what becomes of sentences that no passage supports.
    """

    library: Library
    embeddings: GemmaEmbeddings
    model: BaseChatModel | None
    judge_support: SupportJudge
    language: str = "zh"
    unsupported: str = "mark"


def stream_answer(
    tutor: Tutor, question: str, history: Sequence[Turn] = (), *, filters: Filters | None = None, k: int = 5
) -> Iterator[CitedAnswer]:
    """Answer a question. The first item has the passages and no text; the last is `done` and has the citations.

    Closing the generator stops the model.

    :param history: earlier turns, oldest first; a follow-up question is resolved against them.
    :raises TutorError: the question is empty or too long, there is no index, or the model failed.
    """
    started = time.monotonic()
    asked = clean(question)
    check_query(asked)
    resolved = resolve(asked, [turn.answer.query or turn.question for turn in history])
    found = retrieve(tutor.library.snapshot(), tutor.embeddings, resolved, k, filters)
    timings: dict[str, float] = {"retrieve_s": time.monotonic() - started}
    state = CitedAnswer(text="", passages=found.passages, query=resolved)
    if found.refused:
        refusal = replace(state, text=_REFUSAL[tutor.language], refused=True, suggestions=found.nearest)
        yield replace(state, refused=True, suggestions=found.nearest)
        yield _finish(refusal, "none", (), timings, started)
        return
    yield state
    offered = _with_text(found.passages)
    if not offered:
        yield _finish(
            replace(state, text=_UNANSWERED[tutor.language], suggestions=found.nearest), "none", (), timings, started
        )
        return
    badge: Badge = "reference" if offered[0].has_reference and offered[0].score >= _REFERENCE_RELEVANCE else "composed"
    if tutor.model is None:
        state = replace(state, text=_extract(offered))
    else:
        for current in _generate(tutor, tutor.model, asked, resolved, state, offered, history, timings, started):
            state = current
            yield state
    citations = check(state.text, state.passages, tutor.judge_support)
    if tutor.unsupported == "remove":
        state, citations = _keep_supported(state, citations)
    state = _say_what_is_missing(tutor, state)
    yield _finish(state, badge, citations, timings, started)


def earlier_questions(questions: Sequence[str]) -> list[Turn]:
    """Turns of which only the questions are known."""
    return [
        Turn(asked, CitedAnswer("", query=stood))
        for asked, stood in zip(questions, resolve_all(questions), strict=True)
    ]


def _keep_supported(state: CitedAnswer, citations: Sequence[Citation]) -> tuple[CitedAnswer, tuple[Citation, ...]]:
    """The answer without the sentences that none of the passages they cite supports, even weakly."""
    held = {citation.sentence for citation in citations if citation.support != "unsupported"}
    dropped = {citation.sentence for citation in citations} - held
    kept = tuple(citation for citation in citations if citation.sentence in held)
    return replace(state, text=without(state.text, dropped)), kept


def _generate(
    tutor: Tutor,
    model: BaseChatModel,
    asked: str,
    resolved: str,
    state: CitedAnswer,
    offered: Sequence[Passage],
    history: Sequence[Turn],
    timings: dict[str, float],
    started: float,
) -> Iterator[CitedAnswer]:
    messages, order = build_prompt(asked, resolved, offered, history)
    shown = {inner: passage.n for inner, passage in enumerate(order, start=1) if passage.n}
    marks = CitationStream(shown)
    numbers = Attribution(offered, tutor.judge_support)
    text = generated = ""
    with closing(model.stream(messages)) as stream:  # type: ignore[type-var]
        for piece in stream:
            for key in ("prompt_tokens", "cached_tokens"):
                usage = piece.response_metadata.get("timings", {})
                if key in usage:
                    timings[key] = usage[key]
            raw = piece.content if isinstance(piece.content, str) else ""
            if raw and "first_token_s" not in timings:
                timings["first_token_s"] = time.monotonic() - started
            generated += raw
            new = numbers.feed(marks.feed(raw))
            text += new
            if new or not text:  # while the prompt is read, too: only between items can a caller stop us
                yield replace(state, text=text, generated=generated)
    text += numbers.feed(marks.finish()) + numbers.finish()
    yield replace(state, text=text, generated=generated)


def build_prompt(
    asked: str, resolved: str, offered: Sequence[Passage], history: Sequence[Turn]
) -> tuple[list[BaseMessage], list[Passage]]:
    """The prompt, and the passages in the order of the numbers that the model is given (1, 2, ...).

    The order is by id, not by relevance: the same passages then make the same prompt, which the engine has already
    read. When the last turn was answered from these passages, its prompt is continued instead of started anew.
    """
    order = sorted(offered, key=lambda passage: passage.question_id)
    rank = {passage.question_id: i for i, passage in enumerate(offered)}
    continued = _continue(resolved, offered, history) if history else None
    if continued is not None:
        return continued
    shown = [
        (number, shorten(fence(passage.title), 80), shorten(fence(passage.text), _BUDGET[rank[passage.question_id]]))
        for number, passage in enumerate(order, start=1)
    ]
    return [*prompts.ANSWER_PREFIX, prompts.passages_and_question(shown, resolved)], order


def _continue(
    resolved: str, offered: Sequence[Passage], history: Sequence[Turn]
) -> tuple[list[BaseMessage], list[Passage]] | None:
    """The last turn's prompt with its answer and the new question, if it already offers all of `offered`."""
    last = history[-1]
    before = _with_text(last.answer.passages)
    if not last.answer.text or not {p.question_id for p in offered} <= {p.question_id for p in before}:
        return None
    messages, order = build_prompt(last.question, last.answer.query, before, history[:-1])
    if len(messages) >= len(prompts.ANSWER_PREFIX) + 2 * _CHAINED:
        return None
    inner = CitationStream({passage.n: i for i, passage in enumerate(order, start=1) if passage.n})
    answered = AIMessage(last.answer.generated or inner.feed(last.answer.text) + inner.finish())
    now = {passage.question_id: passage for passage in offered}
    return [*messages, answered, prompts.question_only(resolved)], [
        now.get(p.question_id, replace(p, n=0)) for p in order
    ]


def _say_what_is_missing(tutor: Tutor, state: CitedAnswer) -> CitedAnswer:
    """Add what the question names and no passage shown mentions: decided by words, as a small model would not say it."""
    texts = [f"{passage.title}\n{passage.text}" for passage in state.passages]
    names = unmentioned(state.query, texts, tutor.library.snapshot().lexical)
    if not names:
        return state
    return replace(state, text=f"{state.text.rstrip()}\n\n{_MISSING[tutor.language].format(names='、'.join(names))}")


def _with_text(passages: Sequence[Passage]) -> list[Passage]:
    """The passages that the model is offered: those that say something once they are fenced, best first."""
    said = ((passage, len(fence(passage.text))) for passage in passages)
    return [passage for passage, length in said if length > (0 if passage.has_reference else 40)][:OFFERED]


def _extract(offered: Sequence[Passage]) -> str:
    """The answer without a language model: the opening of each reference, cited."""
    lines = []
    for passage in offered:
        opening = [sentence.text for sentence in sentences(shorten(fence(passage.text), 240))]
        lines.append("".join(f"{sentence} [{passage.n}] " for sentence in opening).strip())
    return "\n\n".join(lines)


def _finish(
    state: CitedAnswer,
    badge: Badge,
    citations: tuple[Citation, ...],
    timings: dict[str, float],
    started: float,
) -> CitedAnswer:
    complete = {
        "retrieve_s": timings["retrieve_s"],
        "first_token_s": timings.get("first_token_s", 0.0),
        "total_s": time.monotonic() - started,
        "prompt_tokens": timings.get("prompt_tokens", 0),
        "cached_tokens": timings.get("cached_tokens", 0),
    }
    return replace(state, badge=badge, citations=citations, done=True, timings=complete)
