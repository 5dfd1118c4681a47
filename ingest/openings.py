"""Where questions with answers start in Markdown, where their answers start, and how far they reach.

Five ways to write them are known: marks (`Q: … A: …`), headings, `<details>` boxes, bold lines, numbered lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from ingest.drafting import Draft
from ingest.headed import find_headed
from ingest.marks import (
    ANSWER_MARK,
    BOLD,
    BOX,
    BOX_END,
    ITEM,
    LISTED,
    LONE_ANSWER,
    QUESTION_MARK,
    SUMMARY,
    Opening,
    Reading,
)
from ingest.markup import asks, is_answer_label, number_of, plain, without_number


def find_openings(draft: Draft, reading: Reading) -> list[Opening]:
    """Find where the questions start and how far each can reach; they do not overlap."""
    lines, count = draft.lines, len(draft.lines)
    plain_lines = [n for n in range(1, count + 1) if not draft.inside[n - 1] and lines[n - 1].strip()]
    headings = [(n, found[0]) for n in plain_lines if (found := draft.heading_at(n))]
    answers = [
        n for n in plain_lines
        if ANSWER_MARK.match(lines[n - 1]) or LONE_ANSWER.match(lines[n - 1]) or _answer_box(lines, n)
    ]  # fmt: skip
    marks = _marked(draft, plain_lines, headings, answers) if "mark" in reading.ways else []
    boxes = _boxed(draft, plain_lines) if "box" in reading.ways else []
    starts = [*marks, *boxes]
    if reading.ways & {"heading", "answered"}:
        starts += find_headed(draft, headings, answers, {o.line for o in starts}, "heading" not in reading.ways)
    if "bold" in reading.ways:
        starts += _in_sequence(_bold(draft, plain_lines), headings)
    if "item" in reading.ways:
        items = _in_sequence(_items(draft, plain_lines), headings)
        starts += items if 2 * sum(asks(item.text) for item in items) >= len(items) else []
    return _bound(draft, starts, headings)


def _answer_box(lines: Sequence[str], number: int) -> bool:
    """Whether a details box starts here that holds an answer (its summary is only a label)."""
    if not BOX.match(lines[number - 1]):
        return False
    found = SUMMARY.search(" ".join(lines[number - 1 : number + 2]))
    return found is None or is_answer_label(found[1])


def _marked(draft: Draft, plain_lines: list[int], headings: list[tuple[int, int]], answers: list[int]) -> list[Opening]:
    """Find `Q: … A: …`, `**问题 1:** … <details>`, `**题目**：… **解答**：…`."""
    found = [(n, match) for n in plain_lines if (match := QUESTION_MARK.match(draft.lines[n - 1]))]
    marks = [n for n, _ in found]
    places = [n for n, _ in headings]
    openings = []
    for n, match in found:
        after = bisect_right(answers, n)
        answer = answers[after] if after < len(answers) else 0
        if answer and any(
            each < answer for each in (*marks[bisect_right(marks, n) :][:1], *places[bisect_right(places, n) :][:1])
        ):
            answer = 0
        sure = bool(match["number"] or match["own"]) or match["word"] in ("Q", "问", "Question", "追问")
        if not answer and not (sure and match["text"].strip()):
            continue
        text = match["text"].strip()
        if text.endswith("**") and text.count("**") % 2:
            text = text[:-2].rstrip()
        indent = len(match["indent"].expandtabs(4))
        number = match["number"] or match["own"]
        follows = match["word"].startswith(("追问", "Follow"))
        style = ("**" if "**" in match[0][: match.start("text")] else "") + match["word"]
        openings.append(Opening(n, "mark", text, answer, 0, indent, int(number) if number else None, follows, style))
    return openings


def _boxed(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find `<details><summary>question</summary> answer </details>`."""
    openings = []
    closings = [n for n in plain_lines if BOX_END.search(draft.lines[n - 1])]
    for n in plain_lines:
        if not BOX.match(draft.lines[n - 1]) or _answer_box(draft.lines, n):
            continue
        found = SUMMARY.search(" ".join(draft.lines[n - 1 : n + 2]))
        text = plain(found[1]) if found else ""
        near = range(n, min(n + 3, len(draft.lines)) + 1)
        here = next((k for k in near if "</summary>" in draft.lines[k - 1].lower()), n)
        after = bisect_left(closings, here)
        end = closings[after] if after < len(closings) else here
        if text:
            answer = here + 1 if end > here else 0
            openings.append(Opening(n, "box", without_number(text), answer, end, number=number_of(text)))
    return openings


def _bold(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find bold lines that are numbered or ask, with text below."""
    openings = []
    for n in plain_lines:
        match = BOLD.match(draft.lines[n - 1])
        if not match or ANSWER_MARK.match(draft.lines[n - 1]) or LONE_ANSWER.match(draft.lines[n - 1]):
            continue
        text = match["text"].strip()
        number = int(match["outer"]) if match["outer"] else number_of(text)
        if number is not None or text.endswith(("?", "？")):
            openings.append(Opening(n, "bold", without_number(text), n + 1, 0, number=number))
    return openings


def _items(draft: Draft, plain_lines: list[int]) -> list[Opening]:
    """Find numbered lines with a paragraph below."""
    openings = []
    for n, after in zip(plain_lines, plain_lines[1:], strict=False):
        match = ITEM.match(draft.lines[n - 1])
        if match and not LISTED.match(draft.lines[after - 1]) and len(draft.lines[after - 1].strip()) > 1:
            openings.append(Opening(n, "item", plain(match["text"]), n + 1, 0, number=int(match["number"])))
    return openings


def _in_sequence(candidates: list[Opening], headings: list[tuple[int, int]]) -> list[Opening]:
    """Choose the numbered lines that count up through the file, where answers hold numbered lists of their own.

    The best chain wins: a line that asks weighs more, numbers may be left out, and may start again below a heading.
    Without any number, the lines that ask are all taken.
    """
    numbered = [each for each in candidates if each.number is not None]
    if not numbered:
        return candidates
    places = [n for n, _ in headings]
    best: dict[int, int] = {}  # number -> place of the best chain that ends with it
    scores: list[float] = []
    before: list[int] = []
    champion = -1
    restart, seen_headings = -1, 0
    for at, each in enumerate(numbered):
        number = each.number or 0
        above = bisect_right(places, each.line)
        if above > seen_headings:
            restart, seen_headings = champion, above
        options = [(scores[best[number - gap]] - 0.5 * (gap - 1), best[number - gap])
                   for gap in (1, 2, 3) if number - gap in best]  # fmt: skip
        if number <= 1 and restart >= 0:
            options.append((scores[restart], restart))
        score, previous = max(options, default=(0.0, -1))
        scores.append(score + (3.0 if asks(each.text) else 1.0))
        before.append(previous)
        if number not in best or scores[at] >= scores[best[number]]:
            best[number] = at
        if champion < 0 or scores[at] >= scores[champion]:
            champion = at
    chain = []
    while champion >= 0:
        chain.append(numbered[champion])
        champion = before[champion]
    return chain[::-1]


def _bound(draft: Draft, starts: list[Opening], headings: list[tuple[int, int]]) -> list[Opening]:
    """Order the openings, drop those that only structure an answer, and cut each where the next thing begins."""
    one_a_line: dict[int, Opening] = {}
    for opening in starts:
        one_a_line.setdefault(opening.line, opening)
    levels = dict(headings)
    kept: list[Opening] = []
    section, last = 0, len(draft.lines)
    following = _next_content(draft)
    for line in sorted({*one_a_line, *levels}):
        current = kept[-1] if kept and line <= kept[-1].end else None
        level = levels.get(line, 0)
        candidate = one_a_line.get(line)
        if level and (not current or current.way in ("mark", "bold", "item")):
            leads = following[line] in one_a_line or following[line] in levels
            if not current or level <= max(1, section) or leads or candidate:
                section = level
                if current:
                    kept[-1] = replace(current, end=line - 1)
                    current = None
        if not candidate or (current and _structures(candidate, current)):
            continue
        if current:
            kept[-1] = replace(current, end=line - 1)
        kept.append(replace(candidate, end=candidate.end or last))
    return [replace(o, answer=o.answer if o.answer <= o.end else 0) for o in kept]


def _structures(opening: Opening, current: Opening) -> bool:
    """Whether something that looks like a question only structures the answer that it stands in."""
    if current.way == "box":
        return True
    if opening.way in ("bold", "item", "box"):
        return current.way != opening.way
    if opening.way == "mark":
        return current.way != "mark" or (opening.style != current.style and not opening.follows_up)
    return False


def _next_content(draft: Draft) -> dict[int, int]:
    """Return for every line the next one that is not blank."""
    following: dict[int, int] = {}
    after = 0
    for line in range(len(draft.lines), 0, -1):
        following[line] = after
        if draft.lines[line - 1].strip():
            after = line
    return following
