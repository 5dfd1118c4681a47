"""Outlines: headings and nested lists without answers.

An entry of a list is an item. An entry under a question is a sub-point of it; an entry under a topic is an item of its
own, with the topic in its trail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ingest.drafting import Draft, Trail
from ingest.lines import Parsed, Source, fences, heading, is_rule
from ingest.markup import asks, chapter_level, plain

NAME = "outline"

_ENTRY = re.compile(r"^([ \t]*)(?:[-*+•·○●▪■◆]|\d{1,4}[.、．)）])[ \t]+(?:\[[ xX]\][ \t]+)?(\S.*)$")
_ANSWER = re.compile(r"^\s*(?:[-*+]\s+)?\**(?:A|答|答案|参考答案|解答|正确答案|Answer)\d*\**\s*[:：]|<details")
_TAG_LINE = re.compile(
    r"^\s*(?:<!--.*-->|<a\s[^<>]*>\s*(?:</a>)?|<img\s[^<>]*>|!\[[^\]]*\]\([^)]*\)|\[toc\])\s*$", re.I
)
_ANCHOR_ONLY = re.compile(r"^\[[^\[\]]*\]\(#[^()]*\)$")
_LINK_ONLY = re.compile(r"^\[[^\[\]]*\]\([^()]+\)$")


@dataclass(slots=True)
class _Entry:
    """An open entry of a nested list; `item` is the place of its question, or of the one it is a sub-point of."""

    indent: int
    text: str
    item: int
    is_subpoint: bool = False


@dataclass(slots=True)
class _State:
    trail: Trail = field(default_factory=Trail)
    entries: list[_Entry] = field(default_factory=list)
    prose: list[int] = field(default_factory=list)
    after_blank: bool = True


def likeness(source: Source) -> float:
    """Say how much the file looks like an outline (0-1)."""
    inside, _ = fences(source.lines)
    text = [line for line, code in zip(source.lines, inside, strict=True) if line.strip() and not code]
    if not text:
        return 0.0
    found_entries = [entry[2].strip() for line in text if (entry := _ENTRY.match(line))]
    entries = sum(not _LINK_ONLY.match(each) for each in found_entries)
    structure = sum(bool(heading(line)) or is_rule(line) or chapter_level(line) > 0 for line in text)
    answers = sum(bool(_ANSWER.search(line)) for line in text)
    headings = [plain(found[1]) for line in text if (found := heading(line))]
    asking = sum(asks(name) for name in headings) / max(1, len(headings))  # headings that ask have answers below
    share = min(0.95, (entries + structure) / len(text)) * (1.0 if structure else 0.7) * (1 - 0.6 * asking)
    return max(0.0, share - 2 * answers / len(text)) if entries else 0.0


def parse(source: Source) -> Parsed:
    """Read an outline."""
    draft, state = Draft(source), _State()
    for number, line in enumerate(draft.lines, 1):
        if draft.inside[number - 1]:
            _take_text(draft, state, number, line)
        elif not line.strip():
            state.after_blank = True
            continue
        else:
            _take(draft, state, number, line)
        state.after_blank = False
    _flush(draft, state)
    return draft.finish(NAME)


def _take(draft: Draft, state: _State, number: int, line: str) -> None:
    found, entry = heading(line), _ENTRY.match(line)
    if found or (chapter_level(line) and not entry):
        _flush(draft, state)
        state.entries.clear()
        level, text = found or (chapter_level(line), line.strip())
        state.trail.enter(level, plain(text))
        draft.ledger.mark(number, "heading")
    elif is_rule(line) or _TAG_LINE.match(line) or entry and _ANCHOR_ONLY.match(entry[2].strip()):
        _flush(draft, state)
        draft.ledger.mark(number, "metadata")
    elif entry and not _LINK_ONLY.match(entry[2].strip()):
        _flush(draft, state)
        _take_entry(draft, state, number, len(entry[1].expandtabs(4)), entry[2].strip())
    else:
        _take_text(draft, state, number, line)


def _take_entry(draft: Draft, state: _State, number: int, indent: int, text: str) -> None:
    while state.entries and state.entries[-1].indent >= indent:
        state.entries.pop()
    above = state.entries[-1] if state.entries else None
    if above and (above.is_subpoint or draft.questions[above.item].kind == "open"):
        _add_subpoint(draft, above.item, text)
        draft.ledger.mark(number, "subpoint")
        state.entries.append(_Entry(indent, text, above.item, is_subpoint=True))
        return
    trail = (*state.trail.parts, *(plain(entry.text) for entry in state.entries))
    draft.add(number, _unbold(text), trail, "open" if asks(text) else "topic")
    draft.ledger.mark(number, "question")
    state.entries.append(_Entry(indent, _unbold(text), len(draft.questions) - 1))


def _take_text(draft: Draft, state: _State, number: int, line: str) -> None:
    """Take a line that is no entry: it continues the entry above, or it is prose."""
    indented = line[:1] in (" ", "\t")
    if state.entries and not state.prose and (indented or not state.after_blank):
        _add_subpoint(draft, state.entries[-1].item, line.strip() if not draft.inside[number - 1] else line.rstrip())
        draft.ledger.mark(number, "subpoint")
    else:
        state.entries.clear()
        state.prose.append(number)


def _add_subpoint(draft: Draft, item: int, text: str) -> None:
    question = draft.questions[item]
    draft.questions[item] = replace(question, subpoints=(*question.subpoints, text))


def _flush(draft: Draft, state: _State) -> None:
    if state.prose:
        draft.keep(range(state.prose[0], state.prose[-1] + 1), state.trail.parts)
        state.prose.clear()


def _unbold(text: str) -> str:
    whole = re.fullmatch(r"\*\*([^*]+)\*\*", text)
    return whole[1].strip() if whole else text
