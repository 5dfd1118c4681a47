"""Records of the chat -> Markdown. Pure: no component, no model, no file is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import PurePath
from typing import Any

from tutor.records import CitedAnswer, KeyPoint, Misconception, Passage
from tutor.ui.markup import cite, inline, plain, safe
from tutor.ui.words import Words

LOW_RELEVANCE = 0.6
"""Under this relevance of the best passage the page says that it is low."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One exchange on the page. `id` is its row in the history, 0 while it has none. `extra`: what was asked of it later."""

    id: int
    question: str
    answer: CitedAnswer
    extra: tuple[str, ...] = ()
    error: str = ""


def messages(turns: Sequence[Shown], words: Words, *, busy: bool = False) -> list[dict[str, Any]]:
    """The conversation for the chatbot: of each turn the question, the answer, then what was asked of it.

    :param busy: the last turn is still being answered.
    """
    shown: list[dict[str, Any]] = []
    for i, turn in enumerate(turns):
        shown.append({"role": "user", "content": safe(turn.question)})
        last = i == len(turns) - 1
        reply: dict[str, Any] = {"role": "assistant", "content": answer_markdown(turn, words, busy=busy and last)}
        if turn.answer.suggestions and turn.answer.done and last:
            reply["options"] = [
                {"value": passage.title, "label": plain(passage.title, 60)} for passage in turn.answer.suggestions
            ]
        shown.append(reply)
        shown += [{"role": "assistant", "content": extra} for extra in turn.extra]
    return shown


def turn_at(turns: Sequence[Shown], index: int) -> Shown | None:
    """The turn that message `index` of `messages` belongs to."""
    for turn in turns:
        size = 2 + len(turn.extra)
        if index < size:
            return turn
        index -= size
    return None


def answer_markdown(turn: Shown, words: Words, *, busy: bool = False) -> str:
    """One answer: how the question was understood, the text with its citations, and a line about its grounds."""
    if turn.error:
        return f'<p class="trouble">{inline(turn.error)}</p>'
    answer = turn.answer
    parts = []
    if answer.query and answer.query.strip() != turn.question.strip():
        parts.append(f'<small class="quiet">{words("resolved", query=escape(plain(answer.query)))}</small>')
    if answer.text:
        titles = {support: words(support) for support in ("weak", "unsupported")}
        parts.append(cite(answer.text, answer.citations, [passage.n for passage in answer.passages], titles))
    elif busy:
        parts.append(f'<small class="quiet">{words("thinking" if answer.passages else "searching")}</small>')
    if answer.done:
        parts.append(f'<small class="quiet">{_grounds(answer, words)}</small>')
    elif not busy:
        parts.append(f'<small class="quiet">■ {words("stopped")}</small>')
    return "\n\n".join(parts)


def evidence(answer: CitedAnswer | None, words: Words) -> str:
    """The evidence panel: the badge, then the passages as numbered cards; the bank's own reference stands open."""
    if answer is None or not (answer.passages or answer.refused):
        return f'<p class="quiet">{words("evidence_empty")}</p>'
    parts = [f'<p class="badge {_badge_class(answer)}">{_badge(answer, words)}</p>']
    if answer.passages and answer.passages[0].score < LOW_RELEVANCE:
        parts.append(f'<p class="quiet">{words("low_relevance")}</p>')
    cited = {citation.n for citation in answer.citations}
    ordered = sorted(answer.passages, key=lambda passage: (bool(cited) and passage.n not in cited, passage.n))
    parts += [_card(passage, words, opened=i == 0 or passage.n in cited) for i, passage in enumerate(ordered)]
    if answer.refused and answer.suggestions:
        parts.append(f"**{words('nearest')}**")
        parts += [_card(replace(passage, n=0), words, opened=False) for passage in answer.suggestions]
    return "\n\n".join(parts)


def location(path: str, line: int) -> str:
    """File name and line, as they are cited."""
    return f"{PurePath(path).name}:{line}" if line else PurePath(path).name


def remember(points: Sequence[KeyPoint], misconceptions: Sequence[Misconception], words: Words) -> str:
    """What to keep of a question: its key points, heaviest first, and what not to say."""
    if not points:
        return words("keep_none")
    lines = [words("keep_title"), ""]
    lines += [f"- {safe(point.text)}" for point in sorted(points, key=lambda point: -point.weight)]
    if misconceptions:
        lines += ["", words("keep_wrong"), ""]
        lines += [f"- ~~{safe(one.text)}~~" for one in misconceptions]
    return "\n".join(lines)


def header(counts: tuple[int, int, int] | None, error: str, words: Words, home: str) -> str:
    """The head of the page, as HTML. :param counts: banks, questions, questions with a reference."""
    line = words("counts", banks=counts[0], questions=counts[1], answered=counts[2]) if counts else ""
    trouble = f'<p class="trouble">{escape(error)}</p>' if error else ""
    return (
        f'<header class="masthead"><div><h1>{words("title")}</h1><p>{words("tagline")}</p></div>'
        f'<div class="side"><span class="quiet">{line}</span>'
        f'<a class="switch" href="{home}" hreflang="{words.other}">{words("other_language")}</a></div></header>{trouble}'
    )


def _card(passage: Passage, words: Words, *, opened: bool) -> str:
    number = f'<span class="card-number">{passage.n}</span>' if passage.n else ""
    anchor = f' id="passage-{passage.n}"' if passage.n else ""
    if passage.kind == "note":
        tag = words("note")
    elif passage.linked_from:
        tag = words("linked_reference")
    else:
        tag = words("has_reference") if passage.has_reference else words("no_reference")
    style = "solid" if passage.has_reference and not passage.linked_from else "hollow"
    relevance = words("relevance", p=round(100 * passage.score))
    return (
        f'<details class="passage"{anchor}{" open" if opened else ""}>'
        f"<summary>{number}<strong>{inline(passage.title)}</strong></summary>\n"
        f'<p class="meta"><span class="tag {style}">{tag}</span> {escape(passage.bank)} · '
        f"<code>{escape(location(passage.path, passage.line))}</code> · {relevance}</p>\n\n"
        f"{safe(passage.text) or words('no_reference_long')}\n\n</details>"
    )


def _badge(answer: CitedAnswer, words: Words) -> str:
    if answer.refused or not answer.passages:
        return words("badge_none")
    if not answer.done:
        return words("badge_searching", n=len(answer.passages))
    if answer.badge == "reference":
        return words("badge_reference")
    if answer.badge == "composed":
        return words("badge_composed", n=len({citation.n for citation in answer.citations}) or len(answer.passages))
    return words("no_reference")


def _badge_class(answer: CitedAnswer) -> str:
    return "none" if answer.refused else answer.badge if answer.done else "searching"


def _grounds(answer: CitedAnswer, words: Words) -> str:
    times = answer.timings
    parts = [_badge(answer, words)]
    if answer.citations:
        sentences = {citation.sentence: citation.support for citation in answer.citations}
        good = sum(1 for support in sentences.values() if support == "supported")
        parts.append(words("support_summary", ok=good, all=len(sentences)))
    if times.get("first_token_s"):
        parts.append(
            words("timing", retrieve=times["retrieve_s"], first=times["first_token_s"], total=times["total_s"])
        )
    elif times:
        parts.append(words("timing_short", total=times.get("total_s", 0.0)))
    return " · ".join(parts)
