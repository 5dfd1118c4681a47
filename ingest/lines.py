"""Lines of a bank file: what a parser is given, what it hands back, and the account of every line.

This module knows no format. Lines count from 1.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tutor.errors import Problem
from tutor.records import Bank

Use = Literal["question", "option", "answer", "subpoint", "heading", "prose", "metadata", "ignored"]

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})(.*)$", re.DOTALL)
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+|$)")
_RULE = re.compile(r"^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|={3,})$")


@dataclass(frozen=True, slots=True)
class LineUse:
    """What became of one line that is not blank; `reason` says why when it was ignored."""

    line: int
    use: Use
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A text file as a parser sees it.

    :ivar name: the bank's name; `named` says whether the caller chose it (else it comes from the file's name).
    :ivar path: the file as the user named it.
    :ivar stem: the file's name without its ending; a bank's title where the file has none.
    """

    name: str
    path: str
    stem: str
    lines: tuple[str, ...]
    named: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A bank file as parsed: the bank, how sure the format is (0-1), the account of the lines, what is odd."""

    bank: Bank
    confidence: float
    lines: tuple[LineUse, ...]
    problems: tuple[Problem, ...] = ()


class Ledger:
    """The account of the lines of one file while it is parsed. The last mark of a line counts."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Start with nothing said of any line."""
        self._lines = lines
        self._uses: dict[int, LineUse] = {}

    def mark(self, line: int, use: Use, reason: str = "") -> None:
        """Say what line `line` became; a blank line has no use and is passed over."""
        if self._lines[line - 1].strip():
            self._uses[line] = LineUse(line, use, reason)

    def mark_all(self, lines: Iterable[int], use: Use, reason: str = "") -> None:
        """Say the same of several lines."""
        for line in lines:
            self.mark(line, use, reason)

    def is_marked(self, line: int) -> bool:
        """Whether something was said of this line."""
        return line in self._uses

    def close(self) -> tuple[LineUse, ...]:
        """Return the account of every line that is not blank; a line that nobody took is ignored, and says so."""
        for number, text in enumerate(self._lines, 1):
            if text.strip() and number not in self._uses:
                self._uses[number] = LineUse(number, "ignored", "belongs to no question, heading or prose")
        return tuple(self._uses[number] for number in sorted(self._uses))


class Identifiers:
    """Gives out ids of one bank. They follow from content, so that they survive edits elsewhere in the file."""

    def __init__(self, bank: str) -> None:
        """Start with no id given out."""
        self._bank = bank
        self._seen: Counter[str] = Counter()

    def question(self, text: str, trail: Sequence[str]) -> str:
        """Id of a question; the second with the same text under the same headings ends in -2."""
        return self._next(f"{self._bank}:{digest(text, trail)}")

    def note(self, text: str, trail: Sequence[str]) -> str:
        """Id of a note."""
        return self._next(f"{self._bank}:note-{digest(text, trail)}")

    def _next(self, identifier: str) -> str:
        self._seen[identifier] += 1
        count = self._seen[identifier]
        return identifier if count == 1 else f"{identifier}-{count}"


def split_lines(text: str) -> tuple[str, ...]:
    r"""Cut a text at \n, \r\n and \r only: other separators that Unicode knows stand inside of a line."""
    return tuple(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@lru_cache(maxsize=4096)  # the same headings stand above many questions
def normalise(text: str) -> str:
    """Reduce a text to what identifies it: compatible forms joined, no case, no spaces, no invisible characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc", "Cs"))


def digest(text: str, trail: Sequence[str]) -> str:
    """Ten hexadecimal digits that identify a text under its headings."""
    whole = "\x1f".join([normalise(text), *(normalise(part) for part in trail)])
    return hashlib.sha256(whole.encode("utf-8")).hexdigest()[:10]


def slug(stem: str) -> str:
    """Turn a file's stem into a bank name: lower-case ASCII letters, digits and hyphens."""
    ascii_part = re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKC", stem).casefold()).strip("-")
    if ascii_part:
        return ascii_part
    return "bank-" + hashlib.sha256(stem.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def heading(line: str) -> tuple[int, str] | None:
    """Return level and text of an ATX heading, or None."""
    found = _HEADING.match(line)
    if not found:
        return None
    text = line[found.end() :].strip()
    shorter = text.rstrip("#")
    if shorter != text and (not shorter or shorter[-1] in " \t"):
        text = shorter.rstrip()
    return len(found[1]), text


def is_rule(line: str) -> bool:
    """Whether the line is a thematic break such as `---`."""
    return bool(_RULE.match(line))


def fences(lines: Sequence[str]) -> tuple[list[bool], list[int]]:
    """Find fenced code.

    A fence that nothing closes is not one (it would swallow the rest of the file).

    :return: for every line whether it belongs to fenced code (the fences themselves included), and the lines that
        open a fence that is never closed.
    """
    inside, unclosed = [False] * len(lines), []
    hopeless: dict[str, int] = {}  # no fence of this character and length is closed any more: spares another search
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        if not opened or (opened[1][0] == "`" and "`" in opened[2]):
            number += 1
            continue
        mark = opened[1]
        if len(mark) >= hopeless.get(mark[0], len(mark) + 1):
            unclosed.append(number + 1)
            number += 1
            continue
        for end in range(number + 1, len(lines)):
            closed = _FENCE.match(lines[end])
            if closed and closed[1][0] == mark[0] and len(closed[1]) >= len(mark) and not closed[2].strip():
                inside[number : end + 1] = [True] * (end + 1 - number)
                number = end
                break
        else:
            unclosed.append(number + 1)
            hopeless[mark[0]] = len(mark)
        number += 1
    return inside, unclosed


def trim(lines: Sequence[str]) -> str:
    """Join lines without the blank ones at both ends and without spaces at line ends."""
    kept = [line.rstrip() for line in lines]
    while kept and not kept[0].strip():
        kept.pop(0)
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)
