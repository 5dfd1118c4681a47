"""Rows of tables and lines of JSON to questions: which names fields go by, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from ingest.choices import read_key
from ingest.lines import Identifiers, Source
from ingest.markup import asks
from ingest.skills import skill_names
from tutor.errors import Problem
from tutor.records import KeyPoint, Kind, Misconception, Option, Question

FIELDS = {
    "question": ("question", "q", "prompt", "front", "text", "题目", "问题", "题干", "正面"),
    "reference": ("reference", "references", "answer", "a", "back", "response", "参考答案", "答案", "回答", "背面"),
    "options": ("options", "choices", "选项"),
    "key": ("key", "correct", "correct_answer", "正确答案", "正确选项"),
    "explanation": ("explanation", "解析", "解释"),
    "difficulty": ("difficulty", "难度"),
    "skills": ("skills", "skill", "tags", "技能", "知识点", "标签"),
    "aliases": ("aliases", "alias", "别名"),
    "points": ("points", "key_points", "得分点"),
    "misconceptions": ("misconceptions", "常见误区"),
    "sources": ("sources", "source", "来源"),
    "trail": ("trail", "section", "category", "chapter", "分类", "章节"),
    "kind": ("kind", "type", "题型"),
    "id": ("id",),
}
"""The names of every field, in the order in which they are looked for."""

_KINDS: dict[str, Kind] = {"open": "open", "choice": "choice", "calculation": "calculation", "topic": "topic",
                           "问答题": "open", "简答题": "open", "选择题": "choice", "单选题": "choice",
                           "多选题": "choice", "计算题": "calculation"}  # fmt: skip
_KNOWN = {name: canonical for canonical, names in FIELDS.items() for name in names}
_OPTION_COLUMN = re.compile(r"(?:option|选项)?[\s_-]*([a-h])", re.IGNORECASE)


@dataclass(slots=True)
class Cards:
    """Makes questions of one file's records; collects what is wrong (errors) and what is odd (notes)."""

    source: Source
    questions: list[Question] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    _unknown: set[str] = field(default_factory=set)
    _ids: Identifiers | None = None
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, line: int, record: Mapping[str, Any], trail: tuple[str, ...] = ()) -> None:
        """Add the question that a record holds."""
        self._ids = self._ids or Identifiers(self.source.name)
        values, letters = self._sort(line, record)
        before = len(self.errors)
        text = self._text(line, values, "question")
        if not text and len(self.errors) == before:
            self.errors.append(Problem(line, "the question is missing"))
        options = self._options(line, values, letters)
        reference = self._joined(line, values, "reference")
        key = self._key(line, values, reference, options)
        if options and re.fullmatch(r"[A-H](?:\s*[,，、]?\s*[A-H])*", reference.strip()):
            reference = ""
        explanation = self._text(line, values, "explanation")
        reference = "\n\n".join(part for part in (reference, explanation) if part)
        points = self._points(line, values)
        question = Question(
            id="", bank=self.source.name, path=self.source.path, line=line, text=text,
            kind=self._kind(line, values, options, bool(reference), text),
            trail=trail + self._several(line, values, "trail", "/>"), options=options, key=key, reference=reference,
            points=points, misconceptions=self._misconceptions(line, values, len(points)),
            difficulty=self._difficulty(line, values), skills=self._skills(line, values),
            aliases=self._several(line, values, "aliases", ";；"),
            sources=self._several(line, values, "sources", ";；"),
            warnings=("题库没有给出这道选择题的答案。",) if options and not key else (),
        )  # fmt: skip
        if len(self.errors) == before:
            self.questions.append(replace(question, id=self._ids.question(text, question.trail)))

    def _sort(self, line: int, record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values under the names of `FIELDS`, and the options that have a column each."""
        values: dict[str, Any] = {}
        letters: dict[str, str] = {}
        names = {str(name).strip().casefold() for name in record}
        has_answer = bool(names & {"b", "answer", "答案", "参考答案", "reference"})  # then `a` is an option
        for raw, value in record.items():
            name = str(raw).strip().casefold()
            column = _OPTION_COLUMN.fullmatch(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if column and (name != "a" or has_answer) and isinstance(value, str):
                letters[column[1].upper()] = value.strip()
            elif name not in _KNOWN:
                if name not in self._unknown:
                    self.notes.append(Problem(line, f"the field {str(raw)[:60]!r} is not known and was left out"))
                self._unknown.add(name)
            elif _KNOWN[name] in values and _KNOWN[name] == "reference":
                values["reference"] = [*_as_list(values["reference"]), *_as_list(value)]
            else:
                values.setdefault(_KNOWN[name], value)
        return values, letters

    def _text(self, line: int, values: Mapping[str, Any], name: str) -> str:
        value = values.get(name, "")
        if isinstance(value, str):
            return value.strip()
        self.errors.append(Problem(line, f"{name} must be text, not {type(value).__name__}"))
        return ""

    def _joined(self, line: int, values: Mapping[str, Any], name: str) -> str:
        """Return a text, or several texts as paragraphs."""
        value = values.get(name, "")
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return "\n\n".join(dict.fromkeys(each.strip() for each in value if each.strip()))
        return self._text(line, values, name)

    def _several(self, line: int, values: Mapping[str, Any], name: str, separators: str) -> tuple[str, ...]:
        value = values.get(name, "")
        parts = re.split(f"[{separators}]", value) if isinstance(value, str) else value
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return tuple(part.strip() for part in parts if part.strip())
        self.errors.append(Problem(line, f"{name} must be text or a list of texts"))
        return ()

    def _skills(self, line: int, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the skills, under their keys where they are known."""
        self._names = self._names or skill_names(Path(self.source.path))
        given = self._several(line, values, "skills", ",，;；")
        return tuple(dict.fromkeys(self._names.get(name, name) for name in given))

    def _options(self, line: int, values: Mapping[str, Any], letters: Mapping[str, str]) -> tuple[Option, ...]:
        value = values.get("options", [])
        if isinstance(value, str):
            value = [part for part in re.split(r"\n|(?<=\S)\s*[;；|]\s*(?=[A-H][.、．:：)])", value) if part.strip()]
        if isinstance(value, dict):
            found = {str(label).strip().upper(): text for label, text in value.items()}
        elif isinstance(value, list):
            cleaned = [re.sub(r"^\s*[A-H]\s*[.、．:：)）]\s*", "", t) if isinstance(t, str) else t for t in value]
            found = dict(zip(ascii_uppercase, cleaned, strict=False))
        else:
            self.errors.append(Problem(line, "options must be a list, an object, or text with one option a line"))
            return ()
        found = found or dict(sorted(letters.items()))
        if not found:
            return ()
        wanted = ascii_uppercase[: len(found)]
        if (
            "".join(found) != wanted
            or len(found) < 2
            or not all(isinstance(t, str) and t.strip() for t in found.values())
        ):
            self.errors.append(Problem(line, f"options must be two or more texts lettered from A, not {list(found)!r}"))
            return ()
        return tuple(Option(label, text.strip()) for label, text in found.items())

    def _key(self, line: int, values: Mapping[str, Any], reference: str, options: Sequence[Option]) -> str:
        given = self._text(line, values, "key")
        if not options:
            return ""
        key = read_key(given or reference)
        by_text = [o.label for o in options if o.text and o.text in (given, reference)]
        key = key or "".join(by_text[:1])
        labels = {option.label for option in options}
        if given and not key:
            self.errors.append(Problem(line, f"the key {given[:40]!r} names no option"))
        for letter in key:
            if letter not in labels:
                self.errors.append(Problem(line, f"the key {letter} is not among the options"))
        return key

    def _kind(self, line: int, values: Mapping[str, Any], options: Sequence[Option], answered: bool, text: str) -> Kind:
        given = self._text(line, values, "kind").casefold()
        if given and given not in _KINDS:
            self.errors.append(
                Problem(line, f"kind must be one of open, choice, calculation, topic, not {given[:40]!r}")
            )
        kind = _KINDS.get(given)
        if kind == "choice" and not options:
            self.errors.append(Problem(line, "a choice question without options"))
        return kind or ("choice" if options else "open" if answered or asks(text) else "topic")

    def _difficulty(self, line: int, values: Mapping[str, Any]) -> int | None:
        value = values.get("difficulty")
        if value is None:
            return None
        text = str(value).strip().removesuffix(".0")
        found = re.fullmatch(r"(\d{1,2})(?:\s*/\s*10)?", text, re.ASCII)
        if isinstance(value, bool) or not found or not 1 <= int(found[1]) <= 10:
            self.errors.append(Problem(line, f"difficulty must be a whole number 1-10, not {text[:40]!r}"))
            return None
        return int(found[1])

    def _points(self, line: int, values: Mapping[str, Any]) -> tuple[KeyPoint, ...]:
        value = values.get("points", [])
        parts = [part for part in value.splitlines() if part.strip()] if isinstance(value, str) else value
        points: list[KeyPoint] = []
        for part in parts if isinstance(parts, list) else [None]:
            if isinstance(part, str) and part.strip():
                weighted = re.fullmatch(r"\s*(?:[-*]\s+)?(?:\[(\d+(?:\.\d+)?)\]\s*)?(.+?)\s*", part, re.DOTALL)
                if weighted:
                    points.append(KeyPoint(weighted[2], float(weighted[1] or 1)))
                    continue
            if isinstance(part, dict) and isinstance(part.get("text"), str) and part["text"].strip():
                weight = part.get("weight", 1)
                if isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 < weight <= 100:
                    points.append(KeyPoint(part["text"].strip(), float(weight)))
                    continue
            self.errors.append(Problem(line, "points must be texts or objects with text and weight (above 0)"))
            break
        return tuple(points)

    def _misconceptions(self, line: int, values: Mapping[str, Any], points: int) -> tuple[Misconception, ...]:
        value = values.get("misconceptions", [])
        found: list[Misconception] = []
        for part in value if isinstance(value, list) else [None]:
            number = part.get("point") if isinstance(part, dict) else None
            text = part.get("text") if isinstance(part, dict) else None
            if not isinstance(text, str) or not isinstance(number, int) or not 1 <= number <= points:
                self.errors.append(
                    Problem(line, "misconceptions must be objects with text and point (a key point's number)")
                )
                break
            found.append(Misconception(text.strip(), number))
        return tuple(found)


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]
