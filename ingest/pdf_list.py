"""Numbered lists of questions as they come out of a PDF: no marks for headings, stray glyphs, page breaks in between.

What a plain line is follows from what stands around it: see `_split_run`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from ingest.drafting import Draft
from ingest.lines import Parsed, Source, fences, heading
from ingest.markup import asks, chapter_level, plain
from tutor.records import Kind

NAME = "pdf-list"

_ITEM = re.compile(r"^\s*(?:[-*•·▪■●]\s*)?(\d{1,3})[.．、](?:[ \t]+|(?![\d.]))(\S.*)$")
_GLYPHS = "▼○。◆∘•·▪■●◦▶►❖✓"
_BULLET = re.compile(rf"^\s*+(?:(-|\*|\+)\s+)?\s*+(?:([{_GLYPHS}])\s*+|([a-z][.)]|[(（]\d+[)）]|[①-⑳])\s*)?(\S.*)$")
_COUNT = re.compile(r"[(（]\s*共?\s*(\d{1,4})\s*([^\d\s()（）])\s*[)）]\s*$")
_COUNT_WORDS = "题道问条个"
_ENDS = ("。", "？", "?", "！", "!", "；", ";", ".", "：", ":", "）", ")", "]", "」", "…")
_WRAP_LENGTH = 28
_HEADING_LENGTH = 60
_LABEL = re.compile(r"^[^:：。?？]{1,40}[:：]\s*\S")
_MISREAD = {"诵信": "通信", "诵过": "通过", "仟务": "任务", "牛成": "生成", "Kev-Value": "Key-Value"}


@dataclass(slots=True)
class _Item:
    """A numbered item and its sub-points, while it is read."""

    line: int
    number: int
    text: str
    trail: tuple[str, ...]
    subpoints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line between two numbered items. `bullet` says whether it has a mark of a list."""

    number: int
    text: str
    bullet: bool
    follows_directly: bool


def likeness(source: Source) -> float:
    """Say how much the file looks like a numbered list out of a PDF (0-1)."""
    inside, _ = fences(source.lines)
    text = [line for line, code in zip(source.lines, inside, strict=True) if line.strip() and not code]
    items = sum(bool(_ITEM.match(line)) for line in text)
    if items < 3 or any(
        re.match(r"^\s*(?:\*\*)?(?:答|A|答案|参考答案)(?:\*\*)?\s*[:：]|<details", line) for line in text
    ):
        return 0.0
    marks = sum(line.lstrip(" -")[:1] in _GLYPHS for line in text) + sum(bool(_COUNT.search(line)) for line in text)
    listed = sum(bool(re.match(r"^\s*(?:[-*+•]\s|\d{1,3}[.、．])", line)) for line in text)
    score = 0.5 * items / listed + 0.4 * min(1.0, items / len(text) / 0.4) + (0.1 if marks else 0.0)
    answered = sum(
        bool(_ITEM.match(line)) and line.rstrip().endswith(("?", "？")) and bool(re.match(r"\s+[^\s\-*+\d]", after))
        for line, after in zip(text, text[1:], strict=False)
        if after.lstrip()[:1] not in _GLYPHS
    )
    return score * (0.4 if any(heading(line) for line in text) else 1.0) * (0.5 if 2 * answered > items else 1.0)


def parse(source: Source) -> Parsed:
    """Read a numbered list."""
    draft = Draft(source)
    items: list[_Item] = []
    run: list[_Line] = []
    title = ""
    trail: tuple[str, ...] = ()
    blank = True
    for number, line in enumerate(draft.lines, 1):
        if not line.strip():
            blank = True
            continue
        found = _ITEM.match(line)
        if found:
            restarts = not items or int(found[1]) <= 1
            headings = _split_run(draft, run, items, restarts)
            if not items and len(headings) > 2 and not _COUNT.search(headings[0].text):
                title = headings.pop(0).text
            trail = _next_trail(trail, [plain(each.text) for each in headings], restarts)
            items.append(_Item(number, int(found[1]), found[2].strip(), trail))
            draft.ledger.mark(number, "question")
            run = []
        else:
            run.append(_read_line(number, line, follows_directly=not blank))
        blank = False
    _split_run(draft, run, items, restarts=False, last=True)
    for item in items:
        kind: Kind = "open" if asks(item.text) else "topic"
        draft.add(item.line, item.text, item.trail, kind, subpoints=tuple(item.subpoints))
    _check_numbers(draft, items)
    _check_glyphs(draft)
    return draft.finish(NAME, title)


def _read_line(number: int, line: str, follows_directly: bool) -> _Line:
    found = _BULLET.match(line)
    if not found:
        return _Line(number, line.strip(), False, follows_directly)
    letter = f"{found[3]} " if found[3] else ""
    return _Line(number, letter + found[4].strip(), bool(found[1] or found[2] or found[3]), follows_directly)


def _split_run(draft: Draft, run: list[_Line], items: list[_Item], restarts: bool, last: bool = False) -> list[_Line]:
    """Give the lines between two items to the item above as sub-points; return the headings for the item below.

    All lines up to the last one with a bullet are sub-points. Of the plain ones after it, those that read like a
    sentence or like their siblings are sub-points, the rest are headings.
    """
    run = _drop_noise(draft, run)
    if not items:
        return _keep_preface(draft, run)
    item = items[-1]
    end = max((at for at, each in enumerate(run, 1) if each.bullet), default=0)
    labelled = any(_LABEL.match(each.text) for each in run[:end])
    while end < len(run):
        each, after = run[end], run[end + 1 : end + 2]
        sentence = each.text.endswith(("。", "；", ";")) or (labelled and bool(_LABEL.match(each.text)))
        asked = end > 0 and each.text.endswith(("?", "？")) and bool(after) and not restarts
        if not (sentence or asked or _is_wrapped(each, _text_above(item, run, end)) or (last and end > 0)):
            break
        end += 1
    for at, each in enumerate(run[:end]):
        if _is_wrapped(each, _text_above(item, run, at)):
            _continue_text(item, each.text)
            draft.ledger.mark(each.number, "subpoint" if item.subpoints else "question")
        else:
            item.subpoints.append(each.text)
            draft.ledger.mark(each.number, "subpoint")
    if last:
        for each in run[end:]:
            draft.keep([each.number], item.trail)
    else:
        draft.ledger.mark_all((each.number for each in run[end:]), "heading")
    return run[end:]


def _text_above(item: _Item, run: list[_Line], at: int) -> str:
    return run[at - 1].text if at else item.text


def _is_wrapped(each: _Line, above: str) -> bool:
    """Whether a line is the rest of the line above, which the width of the page cut off."""
    cut = len(above) >= _WRAP_LENGTH and not above.endswith(_ENDS)
    return cut and each.follows_directly and not each.bullet and not chapter_level(each.text)


def _keep_preface(draft: Draft, run: list[_Line]) -> list[_Line]:
    """Return the headings before the first item; whatever reads like prose is kept as notes."""
    headings = [each for each in run if not each.bullet and len(each.text) <= _HEADING_LENGTH and each.text[-1] != "。"]
    headings = headings[-4:]
    draft.ledger.mark_all((each.number for each in headings), "heading")
    for each in run:
        if each not in headings:
            draft.keep([each.number], ())
    return headings


def _continue_text(item: _Item, text: str) -> None:
    """Join a line that a page's width cut off to the text that it continues."""
    if item.subpoints:
        item.subpoints[-1] += _joint(item.subpoints[-1], text) + text
    else:
        item.text += _joint(item.text, text) + text


def _joint(above: str, below: str) -> str:
    return " " if above[-1:].isascii() and below[:1].isascii() else ""


def _drop_noise(draft: Draft, run: list[_Line]) -> list[_Line]:
    """Ignore lines that hold nothing but a number (of a page) or marks."""
    kept = []
    for each in run:
        if re.fullmatch(r"[-–—]?\s*\d{1,4}\s*[-–—]?|\W+", each.text):
            what = "a number alone, of a page" if any(c.isdigit() for c in each.text) else "marks without words"
            draft.ledger.mark(each.number, "ignored", what)
            draft.complain(each.number, f"ignored {each.text!r}: {what}")
        else:
            kept.append(each)
    return kept


def _next_trail(trail: tuple[str, ...], headings: list[str], restarts: bool) -> tuple[str, ...]:
    """Return the trail below new headings: a chapter starts where the numbers start again, else a section."""
    if not headings:
        return trail
    return tuple(headings) if restarts else (*trail[:1], *headings)


def _check_numbers(draft: Draft, items: list[_Item]) -> None:
    """Compare numbers with their order, and announced counts with what is there."""
    chapters: list[list[_Item]] = []
    for item in items:
        if not chapters or item.trail[:1] != chapters[-1][0].trail[:1] or item.number == 1:
            chapters.append([item])
            continue
        expected = chapters[-1][-1].number + 1
        if item.number > expected:
            gap = f"{expected}" if item.number == expected + 1 else f"{expected}-{item.number - 1}"
            draft.complain(item.line, f"number {gap} is missing before {item.number}")
        elif item.number < expected:
            draft.complain(item.line, f"number {item.number} is repeated or out of order")
        chapters[-1].append(item)
    for chapter in chapters:
        name = chapter[0].trail[0] if chapter[0].trail else ""
        found = _COUNT.search(name)
        if not found:
            continue
        line = next(n for n, text in enumerate(draft.lines, 1) if plain(text.strip()) == name and n <= chapter[0].line)
        if found[2] not in _COUNT_WORDS:
            draft.complain(line, f"the glyph {found[2]} stands where 题 belongs")
        if int(found[1]) != len(chapter):
            draft.complain(line, f"{name!r} announces {found[1]} items, found {len(chapter)}")


def _check_glyphs(draft: Draft) -> None:
    """Report stray glyphs once each, with their count, and misread words where they stand."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, line in enumerate(draft.lines, 1):
        found = _BULLET.match(line)
        if found and found[2]:
            counts[found[2]] += 1
            first.setdefault(found[2], number)
        for wrong, right in _MISREAD.items():
            if wrong in line:
                draft.complain(number, f"{wrong} is probably a misreading of {right}")
    for glyph, at in first.items():
        draft.complain(at, f"the glyph {glyph} stands for a bullet on {counts[glyph]} lines, here first")
