"""The keys and parts of one question of our own format (corpus/README.md), checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from string import ascii_uppercase

from ingest.lines import Source, trim
from tutor.errors import Problem
from tutor.quantities import FUNCTION_NAMES, UNITS, ExpressionError, agrees, evaluate, in_base_units, to_number
from tutor.records import Calculation, KeyPoint, Kind, Misconception, Option, Quantity, Question

_KEYS = ("id", "kind", "difficulty", "skills", "aliases", "followups", "sources", "answer")
_KINDS: dict[str, Kind] = {"open": "open", "choice": "choice", "calculation": "calculation"}
_REQUIRED = {
    "open": ("参考答案", "得分点"),
    "choice": ("选项", "解析"),
    "calculation": ("参考答案", "已知", "算式", "结果"),
}
_OPTIONAL = {"open": ("常见误区",), "choice": ("参考答案",), "calculation": ()}
_PARTS = ("参考答案", "得分点", "常见误区", "选项", "解析", "已知", "算式", "结果")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WEIGHTED = re.compile(r"\[(\d+)\]\s+(\S.*)", re.DOTALL)
_LETTERED = re.compile(r"([A-Z])\.\s+(\S.*)", re.DOTALL)
_GIVEN = re.compile(r"(\S+)\s*=\s*(\S+)(?:\s+([^\s(（]+))?(?:\s*[(（](.*)[)）])?")
_RESULT = re.compile(
    r"(\S+)\s*=\s*(\S+)(?:\s+([^\s(（]+))?(?:\s*[(（]\s*(?:±|\+/?-)\s*([\d.]+(?:[eE][+-]?\d+)?)\s*%\s*[)）])?"
)
_STEP = re.compile(r"(\S+)\s*=\s*(\S.*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Items = list[tuple[int, str]]


@dataclass(slots=True)
class RawQuestion:
    """A question as cut out of the file: heading, `key: value` lines, and the lines of the parts with their numbers."""

    line: int
    text: str
    trail: tuple[str, ...]
    keys: dict[str, tuple[int, str]] = field(default_factory=dict)
    parts: dict[str, Items] = field(default_factory=dict)
    part_lines: dict[str, int] = field(default_factory=dict)
    current: str = ""


def build(
    raw: RawQuestion, source: Source, bank: str, file_skills: tuple[str, ...], known: frozenset[str],
    problems: list[Problem],
) -> Question:  # fmt: skip
    """Make the question; everything that is wrong with it is added to `problems` with its line."""
    reader = _Reader(raw, problems)
    kind = reader.kind()
    reader.check_names(kind)
    points = tuple(KeyPoint(text, float(weight)) for weight, text in reader.numbered("得分点", "weight", 5))
    written = sum(line.startswith("- ") for _, line in raw.parts.get("得分点", []))
    misconceptions = tuple(
        Misconception(text, number) for number, text in reader.numbered("常见误区", "number of a key point", written)
    )
    options = reader.options()
    skills = reader.several("skills", ",") or file_skills
    reader.fail_unless(skills, raw.line, "skills are missing, here and in the front matter")
    for skill in reader.several("skills", ","):
        reader.fail_unless(skill in known, reader.line("skills"), f"unknown skill {skill!r}; see corpus/skills.toml")
    followups = reader.several("followups", ",")
    for other in followups:
        reader.fail_unless(_ID.fullmatch(other), reader.line("followups"), f"{other!r} is not an id")
    return Question(
        id=reader.identifier(bank), bank=source.name, path=source.path, line=raw.line, text=raw.text, kind=kind,
        trail=raw.trail, options=options, key=reader.key(kind, options), reference=reader.text("参考答案"),
        points=points,
        misconceptions=misconceptions, calculation=reader.calculation() if kind == "calculation" else None,
        difficulty=reader.difficulty(), skills=skills, aliases=reader.several("aliases", ";"), followups=followups,
        sources=reader.several("sources", ";"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the keys and parts of one question and notes what is wrong."""

    raw: RawQuestion
    problems: list[Problem]

    def fail_unless(self, condition: object, line: int, what: str) -> None:
        if not condition:
            self.problems.append(Problem(line, what))

    def line(self, key: str) -> int:
        return self.raw.keys[key][0] if key in self.raw.keys else self.raw.line

    def value(self, key: str) -> str:
        return self.raw.keys[key][1] if key in self.raw.keys else ""

    def several(self, key: str, separator: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.value(key).split(separator) if part.strip())

    def kind(self) -> Kind:
        value = self.value("kind") or "open"
        self.fail_unless(value in _KINDS, self.line("kind"), f"kind must be one of {', '.join(_KINDS)}, not {value!r}")
        return _KINDS.get(value, "open")

    def check_names(self, kind: Kind) -> None:
        """Check which keys and parts are there."""
        for key, (line, value) in self.raw.keys.items():
            self.fail_unless(key in _KEYS, line, f"unknown key {key!r}; known are {', '.join(_KEYS)}")
            self.fail_unless(value, line, f"{key} has no value")
        for key in ("id", "difficulty", "sources", *(("answer",) if kind == "choice" else ())):
            self.fail_unless(key in self.raw.keys, self.raw.line, f"the key {key} is missing")
        self.fail_unless(kind == "choice" or "answer" not in self.raw.keys, self.line("answer"),
                         f"only a choice question has the key answer, this one is {kind}")  # fmt: skip
        for name, lines in self.raw.parts.items():
            at = self.raw.part_lines[name]
            if name not in _PARTS:
                self.fail_unless(False, at, f"unknown part {name!r}; known are {', '.join(_PARTS)}")
                continue
            allowed = name in _REQUIRED[kind] or name in _OPTIONAL[kind]
            self.fail_unless(allowed, at, f"a question of kind {kind} has no part {name}")
            self.fail_unless(any(line.strip() for _, line in lines), at, f"the part {name} is empty")
        for name in _REQUIRED[kind]:
            self.fail_unless(name in self.raw.parts, self.raw.line, f"the part {name} is missing")

    def identifier(self, bank: str) -> str:
        value = self.value("id")
        if value:
            at = self.line("id")
            self.fail_unless(_ID.fullmatch(value), at, f"id {value!r} must be lower-case letters, digits and hyphens")
            self.fail_unless(not bank or value.startswith(bank + "-"), at,
                             f"id {value!r} must start with the bank's name, {bank}-")  # fmt: skip
        return value

    def difficulty(self) -> int | None:
        value = self.value("difficulty")
        if value.isascii() and value.isdigit() and 1 <= int(value) <= 10:
            return int(value)
        self.fail_unless(not value, self.line("difficulty"), f"difficulty must be a whole number 1-10, not {value!r}")
        return None

    def text(self, part: str) -> str:
        return trim([line for _, line in self.raw.parts.get(part, [])])

    def items(self, part: str) -> Items:
        """Return the list items of a part; indented lines continue the item above."""
        items: Items = []
        for number, line in self.raw.parts.get(part, []):
            if line.startswith("- "):
                items.append((number, line[2:].strip()))
            elif line.startswith("  ") and line.strip() and items:
                items[-1] = (items[-1][0], f"{items[-1][1]}\n{line.strip()}")
            elif line.strip():
                self.problems.append(Problem(number, f"the part {part} is a list; this line is not an item of it"))
        return items

    def numbered(self, part: str, meaning: str, most: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for line, text in self.items(part):
            match = _WEIGHTED.fullmatch(text)
            if not match:
                self.problems.append(Problem(line, f"expected `- [{meaning}] sentence`"))
            elif not 1 <= int(match[1]) <= most:
                self.problems.append(Problem(line, f"the {meaning} must be between 1 and {most}, not {match[1]}"))
            else:
                found.append((int(match[1]), match[2]))
        return found

    def lettered(self, part: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for line, text in self.items(part):
            match = _LETTERED.fullmatch(text)
            if not match:
                self.problems.append(Problem(line, "expected `- A. text`"))
            elif match[1] in found:
                self.problems.append(Problem(line, f"the letter {match[1]} appears twice in {part}"))
            else:
                found[match[1]] = match[2]
        return found

    def options(self) -> tuple[Option, ...]:
        options, why = self.lettered("选项"), self.lettered("解析")
        if "选项" in self.raw.parts:
            at = self.raw.part_lines["选项"]
            wanted = ascii_uppercase[: len(options)]
            self.fail_unless(len(options) >= 2, at, "a choice question has at least two options")
            self.fail_unless(
                "".join(options) == wanted, at, f"the options must be lettered {', '.join(wanted)} in order"
            )
        if "解析" in self.raw.parts:
            at = self.raw.part_lines["解析"]
            for label in options:
                self.fail_unless(label in why, at, f"option {label} is not explained")
            for label in why:
                self.fail_unless(label in options, at, f"{label} is explained but is not an option")
        return tuple(Option(label, text, why.get(label, "")) for label, text in options.items())

    def key(self, kind: Kind, options: tuple[Option, ...]) -> str:
        value = self.value("answer")
        if kind != "choice" or not value:
            return ""
        letters = re.findall(r"[^\s,，、]", value)
        known = {option.label for option in options}
        for letter in letters:
            self.fail_unless(letter in known, self.line("answer"), f"the answer {letter} is not among the options")
        self.fail_unless(len(set(letters)) == len(letters), self.line("answer"), "the answer names a letter twice")
        return "".join(sorted(set(letters)))

    def calculation(self) -> Calculation:
        given = self._quantities("已知", _GIVEN, lambda m: Quantity(m[1], to_number(m[2]), m[3] or "", m[4] or ""))
        results = self._quantities(
            "结果", _RESULT,
            lambda m: Quantity(m[1], to_number(m[2]), m[3] or "", tolerance=float(m[4]) / 100 if m[4] else 0.03),
        )  # fmt: skip
        values: dict[str, float] = {}
        for line, quantity in given:
            self._define(values, line, quantity.name, partial(in_base_units, quantity))
        steps: list[tuple[str, str]] = []
        for line, text in self.items("算式"):
            match = _STEP.fullmatch(text)
            if not match:
                self.problems.append(Problem(line, "expected `- name = expression`"))
                continue
            steps.append((match[1], match[2]))
            self._define(values, line, match[1], partial(evaluate, match[2], values))
        self._check_results(results, values, {name for name, _ in steps})
        return Calculation(tuple(q for _, q in given), tuple(steps), tuple(q for _, q in results))

    def _quantities(
        self, part: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], Quantity]
    ) -> list[tuple[int, Quantity]]:
        found: list[tuple[int, Quantity]] = []
        for line, text in self.items(part):
            match = pattern.fullmatch(text)
            if not match:
                remark = "(remark)" if pattern is _GIVEN else "(± 3%)"
                self.problems.append(Problem(line, f"expected `- name = value unit {remark}`"))
                continue
            try:
                quantity = read(match)
            except ValueError as error:
                self.problems.append(Problem(line, str(error)))
                continue
            if quantity.unit not in UNITS:
                known = ", ".join(unit for unit in UNITS if unit and not unit.endswith("/s"))
                what = f"unknown unit {quantity.unit!r}; known are {known}, and /s of bytes, FLOP and tokens"
                self.problems.append(Problem(line, what))
                continue
            found.append((line, quantity))
        return found

    def _define(self, values: dict[str, float], line: int, name: str, value: Callable[[], float]) -> None:
        if not _NAME.fullmatch(name) or name in FUNCTION_NAMES:
            self.problems.append(Problem(line, f"{name!r} cannot be a name; use letters, digits and _"))
        elif name in values:
            self.problems.append(Problem(line, f"the name {name} is defined twice"))
        else:
            try:
                values[name] = value()
            except ExpressionError as error:
                self.problems.append(Problem(line, str(error)))

    def _check_results(self, results: list[tuple[int, Quantity]], values: dict[str, float], steps: set[str]) -> None:
        for line, stated in results:
            if stated.name not in steps:
                self.problems.append(Problem(line, f"the result {stated.name} is not one of the names in 算式"))
            elif stated.name in values and not agrees(values[stated.name], stated):
                computed = values[stated.name] / UNITS[stated.unit]
                written = f"{stated.value:g} {stated.unit}".strip()
                self.problems.append(
                    Problem(
                        line,
                        f"{stated.name} = {written} does not follow: the expressions yield {computed:.6g}"
                        f" {stated.unit}".rstrip(),
                    )  # fmt: skip
                )
