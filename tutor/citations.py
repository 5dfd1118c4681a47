"""The citation gate: numbers never offered are removed, and every cited sentence is checked against its passage.

It works on text alone; how much a passage supports a sentence is decided by a function that the caller passes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tutor.fencing import fence
from tutor.records import Citation, Passage, Support

SupportJudge = Callable[[Sequence[tuple[str, str]], Sequence[str]], Sequence[Support]]
"""From pairs (passage text, sentence), and all texts that could be cited, to how far each passage supports its sentence."""

_MARK = re.compile(r"\[(\d+)\]")
_OPEN, _CLOSE = "[【", "]】"
_INSIDE = re.compile(r"[\d\s,，、]*")
_LONGEST = 16
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]*(?:[ \t]*\[\d+\])*[。；;]?", re.DOTALL)
_END = re.compile(r"(?<=[a-zA-Z)])\.(?=\s+[A-Z]|\s*\[\d+\])")


class CitationStream:
    """Rewrites citation marks in a stream, however it is cut: own numbers -> shown numbers; unknown ones vanish.

    Code spans and blocks pass unchanged: `x[1]` there is an index.

    :param numbers: from the numbers that the model was offered to those that the learner sees.
    """

    def __init__(self, numbers: Mapping[int, int]) -> None:
        self._numbers = numbers
        self._held = ""
        self._code = False

    def feed(self, piece: str) -> str:
        """Take the next piece of the stream; return what can be shown now."""
        out: list[str] = []
        for char in piece:
            if self._held:
                self._held += char
                if char in _CLOSE:
                    out.append(self._rewrite())
                elif len(self._held) > _LONGEST or not _INSIDE.fullmatch(self._held[1:]):
                    out.append(self._release())
            elif char in _OPEN and not self._code:
                self._held = char
            else:
                if char == "`":
                    self._code = not self._code  # three toggles are one toggle, so fences work too
                out.append(char)
        return "".join(out)

    def finish(self) -> str:
        """Return what was held back at the end of the stream."""
        return self._release()

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held

    def _rewrite(self) -> str:
        held = self._release()
        offered = [int(number) for number in re.findall(r"\d+", held)]
        if not offered:
            return held
        return "".join(f"[{self._numbers[number]}]" for number in offered if number in self._numbers)


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence without its marks, and the numbers that it cites."""

    text: str
    numbers: tuple[int, ...]


def sentences(answer: str) -> list[Cited]:
    """Cut an answer into sentences; a mark belongs to the sentence that it follows or stands in."""
    found: list[Cited] = []
    for part in _SENTENCE.findall(_END.sub("。", answer)):
        numbers = tuple(dict.fromkeys(int(number) for number in _MARK.findall(part)))
        text = _MARK.sub("", part).strip()
        if re.search(r"\w", text):
            found.append(Cited(text, numbers))
        elif numbers and found:
            found[-1] = Cited(found[-1].text, tuple(dict.fromkeys((*found[-1].numbers, *numbers))))
    return found


def check(answer: str, passages: Sequence[Passage], judge: SupportJudge) -> tuple[Citation, ...]:
    """Check every cited sentence against what the model could read of the passages that it cites."""
    texts = {passage.n: f"{fence(passage.title)}\n{fence(passage.text)}" for passage in passages}
    cited = [
        (number, sentence.text) for sentence in sentences(answer) for number in sentence.numbers if number in texts
    ]
    verdicts = judge([(texts[number], text) for number, text in cited], tuple(texts.values()))
    return tuple(
        Citation(n=number, sentence=text, support=support)
        for (number, text), support in zip(cited, verdicts, strict=True)
    )
