"""Our own Markdown format (corpus/README.md): read strictly, every fault with its line, and written back.

The parts of one question are read by `ingest.corpus_parts`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ingest.corpus_parts import RawQuestion, build
from ingest.lines import Identifiers, Ledger, Parsed, Source, fences, heading, trim
from ingest.skills import load_skills
from tutor.errors import BankError, Problem
from tutor.records import Bank, Note, Quantity, Question

NAME = "corpus"

_KEYS = ("bank", "title", "skills", "license")
_SHORT = 80
_META = re.compile(r"^- +([a-z]+) *: *(.*)$")
_PART = re.compile(r"^\*\*([^*]+)\*\*\s*$")


def likeness(source: Source) -> float:
    """Say how much the file looks like our format (0-1)."""
    lines = source.lines
    start = next((line for line in lines if line.strip()), "")
    front = start.strip() == "---" and any(line.startswith("bank:") for line in lines[:20])
    parts = sum(line.strip() in ("**参考答案**", "**得分点**", "**选项**", "**算式**") for line in lines)
    ids = sum(bool(re.match(r"^- +id *:", line)) for line in lines)
    return 1.0 if front else 0.9 if parts and ids else 0.0


def parse(source: Source) -> Parsed:
    """Read a bank in our format.

    :raises BankError: anything in it is not as the format says; all problems at once.
    """
    problems: list[Problem] = []
    ledger = Ledger(source.lines)
    inside, unclosed = fences(source.lines)
    problems += [Problem(line, "this code fence is never closed") for line in unclosed]
    front, body = _read_front(source.lines, ledger, problems)
    source = source if source.named else replace(source, name=front.get("bank", ""))
    skills = load_skills(Path(source.path))
    file_skills = _file_skills(front.get("skills", ""), skills, problems)
    raw, notes = _cut(source, body, inside, ledger, problems)
    questions: list[Question] = []
    lines_of: dict[str, int] = {}
    for item in raw:
        question = build(item, source, front.get("bank", ""), file_skills, skills, problems)
        if question.id in lines_of:
            problems.append(Problem(item.line, f"id {question.id} is already used at line {lines_of[question.id]}"))
        elif question.id:
            lines_of[question.id] = item.line
        questions.append(question)
    if problems:
        raise BankError(source.path, sorted(problems, key=lambda p: p.line))
    bank = Bank(source.name, front["title"], source.path, NAME, tuple(questions), tuple(notes))
    return Parsed(bank, 1.0, ledger.close(), tuple(_find_weak(questions)))


def _find_weak(questions: list[Question]) -> list[Problem]:
    """Find what the format allows and the guide for writers does not."""
    found = []
    for question in questions:
        if question.kind == "open" and not 3 <= len(question.points) <= 7:
            found.append(Problem(question.line, f"{len(question.points)} key points; a good question has 3-7"))
        if question.kind == "open" and len(question.reference) < _SHORT:
            found.append(
                Problem(
                    question.line, f"the reference has {len(question.reference)} characters; write {_SHORT} or more"
                )
            )
        if question.kind == "choice" and len(question.options) != 4:
            found.append(Problem(question.line, f"{len(question.options)} options; a good choice question has four"))
    return found


def _read_front(lines: tuple[str, ...], ledger: Ledger, problems: list[Problem]) -> tuple[dict[str, str], int]:
    """Read the front matter; return its values and the index of the first line after it."""
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    end = next((n for n in range(start + 1, len(lines)) if lines[n].strip() == "---"), None)
    if lines[start].strip() != "---" or end is None:
        problems.append(Problem(start + 1, "the file must start with a front matter between two lines ---"))
        return {}, start
    values: dict[str, str] = {}
    for number in range(start + 2, end + 1):
        key, colon, value = (part.strip() for part in lines[number - 1].partition(":"))
        if not colon and not key:
            continue
        if key not in _KEYS:
            problems.append(Problem(number, f"unknown key {key!r} in the front matter; known are {', '.join(_KEYS)}"))
        elif key in values:
            problems.append(Problem(number, f"{key} is given twice"))
        elif not value:
            problems.append(Problem(number, f"{key} has no value"))
        values[key] = value
    ledger.mark_all(range(start + 1, end + 2), "metadata")
    problems += [
        Problem(start + 1, f"the front matter lacks {key}") for key in ("bank", "title") if not values.get(key)
    ]
    if values.get("bank") and not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", values["bank"]):
        problems.append(Problem(start + 1, f"bank {values['bank']!r} must be lower-case letters, digits and hyphens"))
    return values, end + 1


def _file_skills(value: str, known: frozenset[str], problems: list[Problem]) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.strip("[] ").split(",") if key.strip())
    problems += [Problem(1, f"unknown skill {key!r} in the front matter") for key in keys if key not in known]
    return keys


def _cut(
    source: Source, body: int, inside: list[bool], ledger: Ledger, problems: list[Problem]
) -> tuple[list[RawQuestion], list[Note]]:
    """Cut the body into questions and, under `#` and `##`, notes."""
    title = section = ""
    questions: list[RawQuestion] = []
    notes: list[Note] = []
    prose: list[int] = []
    ids = Identifiers(source.name)

    def keep_prose() -> None:
        text = trim([source.lines[n - 1] for n in range(prose[0], prose[-1] + 1)]) if prose else ""
        if text:
            trail = tuple(part for part in (title, section) if part)
            notes.append(Note(ids.note(text, trail), source.name, source.path, prose[0], text, trail))
        prose.clear()

    for number, line in enumerate(source.lines[body:], body + 1):
        level, text = heading(line) or (0, "") if not inside[number - 1] else (0, "")
        if level in (1, 2, 3):
            keep_prose()
            ledger.mark(number, "question" if level == 3 else "heading")
            if not text:
                problems.append(Problem(number, "this heading has no text"))
            if level == 1:
                if title:
                    problems.append(Problem(number, "a bank has one # heading; use ## for sections"))
                title, section = text, ""
            elif level == 2:
                section = text
            else:
                trail = tuple(part for part in (title, section) if part)
                questions.append(RawQuestion(number, text, trail))
            in_question = level == 3
            continue
        if questions and in_question:
            _take(questions[-1], number, line, inside[number - 1], ledger, problems)
        elif line.strip():
            prose.append(number)
            ledger.mark(number, "prose")
    keep_prose()
    if not title:
        problems.append(Problem(body + 1, "the # heading with the title of the bank is missing"))
    return questions, notes


def _take(item: RawQuestion, number: int, line: str, fenced: bool, ledger: Ledger, problems: list[Problem]) -> None:
    """Add one line under a question to its keys or to its current part."""
    part = None if fenced else _PART.match(line)
    if part:
        name = part[1].strip()
        ledger.mark(number, "metadata")
        if name in item.parts:
            problems.append(Problem(number, f"the part {name} appears twice in this question"))
        item.parts[name] = []
        item.part_lines[name] = number
        item.current = name
    elif item.current:
        ledger.mark(number, "option" if item.current == "选项" else "answer")
        item.parts[item.current].append((number, line))
    elif line.strip():
        found = _META.match(line)
        ledger.mark(number, "metadata")
        if not found:
            problems.append(Problem(number, "text outside of any part; a part starts with a line such as **参考答案**"))
        elif found[1] in item.keys:
            problems.append(Problem(number, f"{found[1]} is given twice"))
        else:
            item.keys[found[1]] = (number, found[2].strip())


def render(bank: Bank) -> str:
    """Write a bank in our format; `parse` reads the same questions and notes back (their lines may differ).

    :param bank: its questions must be complete in the sense of the format; their texts must not hold lines that the
        format gives a meaning (a heading of level 1-3 or a lone bold name, outside of code).
    """
    out = ["---", f"bank: {bank.name}", f"title: {bank.title}", "---", ""]
    items: list[Question | Note] = sorted([*bank.questions, *bank.notes], key=lambda item: item.line)
    written: tuple[str, ...] = ()
    in_question = False
    for item in items:
        title, *section = item.trail or (bank.title,)
        if not written:
            out += [f"# {title}", ""]
        if section and (item.trail != written or (in_question and isinstance(item, Note))):
            out += [f"## {section[0]}", ""]
        written, in_question = item.trail or (bank.title,), not isinstance(item, Note)
        out += [item.text, ""] if isinstance(item, Note) else [*_render_question(item), ""]
    if not items:
        out += [f"# {bank.title}", ""]
    return "\n".join(out)


def _render_question(question: Question) -> list[str]:
    out = [f"### {question.text}", "", f"- id: {question.id}"]
    if question.kind != "open":
        out.append(f"- kind: {question.kind}")
    out += [f"- difficulty: {question.difficulty}"]
    for key, values, separator in (
        ("skills", question.skills, ", "), ("aliases", question.aliases, "; "),
        ("followups", question.followups, ", "), ("sources", question.sources, "; "),
        ("answer", tuple(question.key), ", "),
    ):  # fmt: skip
        if values:
            out.append(f"- {key}: {separator.join(values)}")
    parts: list[tuple[str, list[str]]] = [("参考答案", [question.reference] if question.reference else [])]
    parts.append(("得分点", [_item(f"[{p.weight:g}] {p.text}") for p in question.points]))
    parts.append(("常见误区", [_item(f"[{m.point}] {m.text}") for m in question.misconceptions]))
    parts.append(("选项", [_item(f"{o.label}. {o.text}") for o in question.options]))
    parts.append(("解析", [_item(f"{o.label}. {o.explanation}") for o in question.options if o.explanation]))
    if question.calculation:
        parts.append(("已知", [_item(_quantity(q)) for q in question.calculation.given]))
        parts.append(("算式", [_item(f"{name} = {expression}") for name, expression in question.calculation.steps]))
        parts.append(("结果", [_item(_result(q)) for q in question.calculation.results]))
    for name, lines in parts:
        if lines:
            out += ["", f"**{name}**", "", *lines]
    return out


def _item(text: str) -> str:
    return "- " + text.replace("\n", "\n  ")


def _quantity(quantity: Quantity) -> str:
    note = f" ({quantity.note})" if quantity.note else ""
    return f"{quantity.name} = {quantity.value!r}{f' {quantity.unit}' if quantity.unit else ''}{note}"


def _result(quantity: Quantity) -> str:
    unit = f" {quantity.unit}" if quantity.unit else ""
    return f"{quantity.name} = {quantity.value!r}{unit} (± {quantity.tolerance * 100:.12g}%)"
