"""A bank while it is being read: parsers add questions, notes and problems and account for the lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ingest.lines import Identifiers, Ledger, Parsed, Source, Use, fences, heading, trim
from ingest.markup import plain
from tutor.errors import Problem
from tutor.records import Bank, Kind, Note, Question

_LONGEST_FRONT = 60
_FRONT_LINE = re.compile(r"[A-Za-z_][\w-]*\s*:|\s+\S|- ")


class Draft:
    """Collects what a lenient parser finds in one file."""

    def __init__(self, source: Source) -> None:
        """Start with an empty bank; find the code in the file."""
        self.source = source
        self.ledger = Ledger(source.lines)
        front = _front_matter(source.lines)
        self.ledger.mark_all(range(1, front + 1), "metadata")
        self.lines = ("",) * front + source.lines[front:]
        self._front = source.lines[:front]
        self.ids = Identifiers(source.name)
        self.questions: list[Question] = []
        self.notes: list[Note] = []
        self.problems: list[Problem] = []
        self.inside, unclosed = fences(self.lines)
        for line in unclosed:
            self.complain(line, "this code fence is never closed; read as plain text")

    def add(self, line: int, text: str, trail: Sequence[str], kind: Kind, **parts: Any) -> Question:  # noqa: ANN401
        """Add a question that starts at a line; its id follows from its text and trail."""
        question = Question(
            id=self.ids.question(text, trail), bank=self.source.name, path=self.source.path, line=line, text=text,
            kind=kind, trail=tuple(trail), **parts,
        )  # fmt: skip
        self.questions.append(question)
        return question

    def keep(self, numbers: Sequence[int], trail: Sequence[str], use: Use = "prose") -> None:
        """Keep lines that belong to no question as one note."""
        text = trim([self.lines[number - 1] for number in numbers])
        if text.strip():
            first = next(number for number in numbers if self.lines[number - 1].strip())
            self.notes.append(
                Note(self.ids.note(text, trail), self.source.name, self.source.path, first, text, tuple(trail))
            )
            self.ledger.mark_all(numbers, use)

    def complain(self, line: int, what: str) -> None:
        """Note something odd."""
        self.problems.append(Problem(line, what))

    def heading_at(self, number: int) -> tuple[int, str] | None:
        """Return level and text of the heading at a line, outside of code."""
        return None if self.inside[number - 1] else heading(self.lines[number - 1])

    def finish(self, form: str, title: str = "") -> Parsed:
        """Close the account and return the bank."""
        name, path = self.source.name, self.source.path
        bank = Bank(name, title or self._title(), path, form, tuple(self.questions), tuple(self.notes))
        return Parsed(bank, 1.0, self.ledger.close(), tuple(self.problems))

    def _title(self) -> str:
        """Return the title of the front matter, or the first heading when it is the highest, or the file's name."""
        for line in self._front:
            if line.startswith("title:") and line[6:].strip(" \"'"):
                return line[6:].strip(" \"'")
        found = [h for h in map(self.heading_at, range(1, len(self.lines) + 1)) if h and plain(h[1])]
        first = found[0] if found else None
        return plain(first[1]) if first and first[0] == min(level for level, _ in found) else self.source.stem


def _front_matter(lines: Sequence[str]) -> int:
    """Return how many lines at the start are a front matter (`---`, lines `key: value`, `---`); 0 when there is none."""
    if not lines or lines[0].strip() != "---":
        return 0
    for number, line in enumerate(lines[1:_LONGEST_FRONT], 2):
        if line.strip() == "---":
            return number if number > 2 else 0
        if line.strip() and not _FRONT_LINE.match(line):
            return 0
    return 0


class Trail:
    """The headings above the current line."""

    def __init__(self) -> None:
        """Start above all headings."""
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, text: str) -> None:
        """Go under a heading; headings of the same level and below are left."""
        self._open = [(each, name) for each, name in self._open if each < level]
        if text:
            self._open.append((level, text))

    @property
    def parts(self) -> tuple[str, ...]:
        """The headings, outermost first."""
        return tuple(text for _, text in self._open)
