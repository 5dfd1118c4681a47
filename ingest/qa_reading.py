"""Markdown with answers to questions, once `ingest.openings` has found where they start; the rest becomes notes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from ingest.choices import names_other_option, read_key, split_options, without_label
from ingest.drafting import Draft, Trail
from ingest.lines import is_rule, trim
from ingest.marks import ANSWER_MARK, BESIDE, LONE_ANSWER, Opening, Reading
from ingest.markup import asks, chapter_level, plain, unwrap
from ingest.openings import find_openings
from tutor.records import Kind, Question

_ANCHOR = re.compile(r"^\s*<a\s[^<>]*>\s*(?:</a>)?\s*$")


def read(draft: Draft, reading: Reading) -> None:
    """Read all questions of a file into the draft, the rest as headings, metadata and notes."""
    openings = find_openings(draft, reading)
    trail = Trail()
    prose: list[int] = []
    line, at, top = 1, 0, ""
    last_top: Opening | None = None

    def flush() -> None:
        if prose:
            draft.keep(range(prose[0], prose[-1] + 1), trail.parts)
            prose.clear()

    while line <= len(draft.lines):
        if at < len(openings) and openings[at].line == line:
            opening = openings[at]
            flush()
            nested = opening.follows_up or (last_top is not None and opening.indent > last_top.indent)
            question = take(draft, opening, trail.parts, top if nested and opening.number is None else "")
            if not question.parent:
                top, last_top = question.id, opening
            at, line = at + 1, opening.end + 1
            continue
        found = draft.heading_at(line)
        text = draft.lines[line - 1]
        level = found[0] if found else 0 if draft.inside[line - 1] else chapter_level(text)
        if level:
            flush()
            trail.enter(level, plain(found[1] if found else text.strip()))
            draft.ledger.mark(line, "heading")
            last_top = None
        elif not draft.inside[line - 1] and (is_rule(text) or BESIDE.match(text) or reading.metadata(text)):
            flush()
            draft.ledger.mark(line, "metadata")
        elif text.strip():
            prose.append(line)
        line += 1
    flush()


def take(draft: Draft, opening: Opening, trail: Sequence[str], parent: str) -> Question:
    """Read one question from its opening to its end and account for its lines."""
    lines = draft.lines
    end = opening.end
    while end > opening.line and not draft.inside[end - 1] and (
        not lines[end - 1].strip() or is_rule(lines[end - 1]) or _ANCHOR.match(lines[end - 1])
    ):  # fmt: skip
        draft.ledger.mark(end, "metadata")
        end -= 1
    answer = opening.answer if opening.answer and opening.answer <= end else end + 1
    asked = list(range(opening.line + 1, answer))
    if not opening.text and not any(lines[n - 1].strip() for n in asked):
        asked, answer = list(range(opening.line + 1, end + 1)), end + 1
    body = [re.sub(r"^\s*>[ \t]?", "", lines[n - 1]) for n in asked]
    places, options = split_options(body)
    draft.ledger.mark(opening.line, "question")
    for n, place in zip(asked, places, strict=True):
        draft.ledger.mark(n, "option" if place >= 0 else "question")
    extra = unwrap(textwrap.dedent(trim([b for b, place in zip(body, places, strict=True) if place < 0]))).strip()
    if opening.way == "box":
        extra = ""  # the lines of the summary, which are the text already
    text = "\n".join(part for part in (opening.text, extra) if part) or "?"
    draft.ledger.mark_all(range(answer, end + 1), "answer")
    reference = _answer_text(lines[answer - 1 : end])
    key, warnings = "", []
    if options:
        key = read_key(reference)
        if not key:
            warnings.append("题库没有给出这道选择题的答案。")
        elif any(letter not in {o.label for o in options} for letter in key):
            warnings.append(f"题库给出的答案 {key} 不在选项之中。")
        other = names_other_option(reference, key, options)
        if other:
            draft.complain(opening.line, f"the answer gives the letter {key} but the words of option {other}")
            warnings.append(f"题库的答案写的是 {key}，文字却是选项 {other} 的内容。")
        reference = without_label(reference)
    kind: Kind = "choice" if options else "open" if reference or asks(text) else "topic"
    return draft.add(
        opening.line, text, trail, kind, options=options, key=key, reference=reference, parent=parent,
        warnings=tuple(warnings),
    )  # fmt: skip


def _answer_text(lines: Sequence[str]) -> str:
    """Return an answer without its label, its indentation and its HTML wrappers."""
    if not lines:
        return ""
    marked = ANSWER_MARK.match(lines[0])
    if marked:
        first, rest = marked["text"], lines[1:]
    elif LONE_ANSWER.match(lines[0]):
        first, rest = "", lines[1:]
    else:
        first, rest = "", lines
    body = "\n".join([first, textwrap.dedent("\n".join(line.rstrip() for line in rest))])
    return without_label(unwrap(body).strip()).strip()
