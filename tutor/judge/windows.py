"""Sentences of a text, and windows of sentences for texts that are too long to be read at once."""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE = re.compile(r"[^。！？；!?;\n]*?(?:[。！？；!?;\n]+|\.(?=\s)|$)\s*")


def sentences(text: str) -> list[str]:
    """The sentences of a text, Chinese or English, without surrounding space. Nothing but space is lost."""
    return [part for part in (match.group().strip() for match in _SENTENCE.finditer(text)) if part]


def windows(text: str, limit: int, length: Callable[[str], int]) -> list[str]:
    """The text itself when it is not longer than `limit`, else overlapping runs of sentences.

    Every sentence is in a window, together with the one before it where both fit. A single sentence that is too long is cut.

    :param length: how long a text is, in the unit of `limit`.
    """
    if length(text) <= limit:
        return [text]
    parts = [piece for sentence in sentences(text) for piece in _cut(sentence, limit, length)]
    sizes = [length(part) for part in parts]
    found: list[str] = []
    begin = 0
    while begin < len(parts):
        end, size = begin + 1, sizes[begin]
        while end < len(parts) and size + sizes[end] <= limit:
            size += sizes[end]
            end += 1
        found.append(" ".join(parts[begin:end]))
        if end == len(parts):
            break
        # The next window begins with the last sentence of this one, so that a statement over two sentences stays whole.
        begin = end - 1 if end - 1 > begin and sizes[end - 1] + sizes[end] <= limit else end
    return found


def _cut(sentence: str, limit: int, length: Callable[[str], int]) -> list[str]:
    if length(sentence) <= limit or len(sentence) < 2:
        return [sentence]
    middle = len(sentence) // 2
    return _cut(sentence[:middle], limit, length) + _cut(sentence[middle:], limit, length)
