"""Options and keys of choice questions as other people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from ingest.lines import normalise
from tutor.records import Option

_OPTION = re.compile(
    r"^\s*(?:[-*+]\s+)?(?:\*\*)?[(（]?([A-H])(?:\*\*)?[)）]?(?:\*\*)?\s*[.．、:：)）]\s*(?:\*\*)?\s*(\S.*)$"
)
_INLINE = re.compile(r"\s+(?=[(（]?[B-H][)）]?\s*[.．、)）]\s*\S)")
_LABEL = re.compile(
    r"^\s*\**(?:正确答案|参考答案|标准答案|答案|正解|Answer|Key|选)\**\s*(?:[:：是为选]\s*)*\**\s*", re.IGNORECASE
)
_KEY = re.compile(r"^\**([A-H](?:\s*(?:[,，、和与/]|and)?\s*[A-H])*)\**(?![A-Za-z0-9_-])", re.ASCII)


def split_options(lines: Sequence[str]) -> tuple[list[int], tuple[Option, ...]]:
    """Find the options of a question among its lines.

    :return: for every line the place of its option, or -1 when it is none of an option's, and the options; no options
        unless at least two stand there, lettered from A.
    """
    places: list[int] = []
    found: list[tuple[str, str]] = []
    for line in lines:
        pieces = _INLINE.split(line) if _OPTION.match(line) else [line]
        matches = [_OPTION.match(piece) for piece in pieces]
        expected = [ascii_uppercase[len(found) + at : len(found) + at + 1] for at in range(len(pieces))]
        if len(pieces) > 1 and not all(m and m[1] == e for m, e in zip(matches, expected, strict=True)):
            pieces, matches, expected = [line], [_OPTION.match(line)], expected[:1]
        if all(m and m[1] == e for m, e in zip(matches, expected, strict=True)):
            found += [(m[1], m[2].strip()) for m in matches if m]
        elif found and line.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line.strip()}")
        places.append(len(found) - 1 if line.strip() else -1)
    if len(found) < 2:
        return [-1] * len(lines), ()
    return places, tuple(Option(label, text) for label, text in found)


def read_key(answer: str) -> str:
    """Return the letters that an answer starts with (`正确答案: B. …`, `AC`, `A、C`), sorted, or nothing."""
    rest = _LABEL.sub("", answer, count=1)
    found = _KEY.match(rest)
    return "".join(sorted(set(re.findall("[A-H]", found[1])))) if found else ""


def without_label(answer: str) -> str:
    """Take the label (`正确答案:`, `答案：`) off an answer."""
    found = re.match(r"^\s*\**(?:正确答案|参考答案|标准答案|答案|解答|回答|答|A|Answer)\**\s*[:：]\s*\**[ \t]*", answer)
    return answer[found.end() :].lstrip("\n") if found else answer


def names_other_option(answer: str, key: str, options: tuple[Option, ...]) -> str:
    """Return the label of the option whose text the answer repeats after another one's letter, or nothing."""
    rest = normalise(re.sub(r"^[A-H]\W*", "", _LABEL.sub("", answer, count=1)))
    if len(key) != 1 or not rest:
        return ""
    repeated = [o.label for o in options if len(normalise(o.text)) > 1 and rest.startswith(normalise(o.text))]
    return repeated[0] if repeated and key not in repeated else ""
