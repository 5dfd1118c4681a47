"""What is odd about a bank that can be used all the same, and the report of `tutor bank check`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, get_args
from urllib.parse import unquote

from ingest.lines import Parsed, fences, heading, normalise
from ingest.markup import plain
from tutor.errors import Problem
from tutor.records import Bank, Kind, Question

_KINDS: tuple[Kind, ...] = get_args(Kind)
_CODE = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`", re.DOTALL)
_LEFT_OPEN = re.compile(r"(?<!\\)\$[^$\n]*[\\^_{]")
_TARGET = re.compile(r"\]\(([^()\s]*)(?:\s+\"[^\"]*\")?\)")
_ANCHOR = re.compile(r"<a\s[^<>]*?(?:id|name)\s*=\s*[\"']([^\"'<>]+)[\"']", re.IGNORECASE)
_INVISIBLE = re.compile(
    "[\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad\U000e0000-\U000e007f]"
)
_MATH = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$(?!\s)[^$\n]+?(?<![\\\s])\$", re.DOTALL)


def find_oddities(bank: Bank, lines: tuple[str, ...]) -> list[Problem]:
    """Look for duplicates, unusable keys, unbalanced formulas, dead links and invisible characters.

    :param lines: the text of the file; none for a workbook.
    """
    found = [*_duplicates(bank), *(p for q in bank.questions for p in (*_key(q), *_formulas(q)))]
    return [*found, *_links(lines), *_invisible(lines)]


def report(parsed: Parsed) -> dict[str, Any]:
    """Return the object of `tutor bank check --json` for one file."""
    questions = parsed.bank.questions
    kinds = Counter(question.kind for question in questions)
    return {
        "path": parsed.bank.path,
        "format": parsed.bank.format,
        "confidence": parsed.confidence,
        "kinds": {kind: kinds[kind] for kind in _KINDS},
        "lines": dict(sorted(Counter(use.use for use in parsed.lines).items())),
        "problems": [{"line": problem.line, "what": problem.what} for problem in parsed.problems],
        "questions": len(questions),
        "with_reference": sum(bool(question.reference) for question in questions),
    }


def _duplicates(bank: Bank) -> list[Problem]:
    first: dict[str, int] = {}
    found = []
    for question in bank.questions:
        text = re.sub(r"[\W_]+", "", normalise(question.text)) or question.text
        if question.kind == "topic":  # the same topic may come up under several headings
            text += "\x1f".join(question.trail)
        if text in first:
            found.append(Problem(question.line, f"the same question as at line {first[text]}"))
        first.setdefault(text, question.line)
    return found


def _key(question: Question) -> list[Problem]:
    if question.kind != "choice":
        return []
    if not question.key:
        return [Problem(question.line, "a choice question without a key")]
    labels = {option.label for option in question.options}
    return [
        Problem(question.line, f"the key {letter} is not among the options")
        for letter in question.key
        if letter not in labels
    ]


def _formulas(question: Question) -> list[Problem]:
    for text in (question.text, question.reference, *(option.text for option in question.options)):
        without_code = _CODE.sub("", text)
        formulas, rest = _MATH.findall(without_code), _MATH.sub("", without_code)
        if not all(map(_balances, formulas)) or rest.count("$$") % 2 or _LEFT_OPEN.search(rest):
            return [Problem(question.line, "a formula whose $ or braces do not balance")]
    return []


def _balances(formula: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", formula):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _links(lines: tuple[str, ...]) -> list[Problem]:
    """Find links inside of the file that lead nowhere."""
    inside, _ = fences(lines)
    text = [(n, _CODE.sub("", line)) for n, line in enumerate(lines, 1) if not inside[n - 1]]
    anchors = {anchor.casefold() for _, line in text for anchor in _ANCHOR.findall(line)}
    anchors |= {_anchor_of(found[1]) for _, line in text if (found := heading(line))}
    problems = []
    for number, line in text:
        for target in _TARGET.findall(line):
            if not target:
                problems.append(Problem(number, "a link without a target"))
            elif target[0] == "#" and unquote(target[1:]).casefold() not in anchors:
                problems.append(Problem(number, f"the link {unquote(target)[:80]} leads nowhere in this file"))
    return problems


def _anchor_of(text: str) -> str:
    """Return the anchor that Markdown viewers give to a heading."""
    words = re.sub(r"[^\w\- ]", "", plain(text).casefold())
    return words.strip().replace(" ", "-")


def _invisible(lines: tuple[str, ...]) -> list[Problem]:
    """Find characters that a reader cannot see and that may hide text or turn it around."""
    problems = []
    for number, line in enumerate(lines, 1):
        codes = sorted({f"U+{ord(char):04X}" for char in _INVISIBLE.findall(line)})
        if codes:
            problems.append(Problem(number, f"invisible characters ({', '.join(codes)})"))
    return problems
