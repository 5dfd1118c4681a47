"""The citation gate: numbers never offered are removed, claims without a number get one, every cited sentence is checked.

It works on text alone; how much a passage supports a sentence is decided by a function that the caller passes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from tutor.fencing import fence
from tutor.records import Citation, Passage, Support

SupportJudge = Callable[[Sequence[tuple[str, str]], Sequence[str]], Sequence[Support]]
"""From pairs (passage text, sentence), and all texts that could be cited, to how far each passage supports its sentence."""

_MARK = re.compile(r"\[(\d+)\]")
_OPEN, _CLOSE = "[【", "]】"
_INSIDE = re.compile(r"[\d\s,，、]*")
_LONGEST = 16
_GRADES: tuple[Support, ...] = ("supported", "weak", "unsupported")
_END = re.compile(
    r"(?:[。！？!?\n]+|(?<=[a-zA-Z)])\.(?=\s+[A-Z]|\s*\[\d+\]|\s*$))(?:[ \t]*\[\d+\])*[。；;]?"  # marks may follow the stop
)
_STOPS = "。！？!?"
_BLOCK = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_CLAIM = 6
"""Letters from which a sentence is taken to claim something."""


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


class Attribution:
    """Gives a number to every claim of a stream that the model left without one.

    It is that of the first passage that supports the sentence, else the first that does so weakly, else the first: the gate
    marks that sentence. Small models cite their first sentence and forget the rest.

    :param passages: those that the model was offered, best first.
    """

    def __init__(self, passages: Sequence[Passage], judge: SupportJudge) -> None:
        self._texts = {passage.n: _shown(passage) for passage in passages if passage.n}
        self._judge = judge
        self._sentence = ""
        self._end = ""  # the stop that the sentence has had
        self._mark = False
        self._code = False

    def feed(self, piece: str) -> str:
        """Take the next piece, its marks rewritten; return it with numbers where a sentence has ended without one."""
        return "".join(self._before(char) + char for char in piece)

    def _before(self, char: str) -> str:
        """What comes before the next character: nothing, or the number of the sentence that it shows to be over."""
        number = ""
        if char == "\n" and not self._code:
            return self._settle()
        if self._end and not self._mark and char not in "[ \t" + _STOPS:
            if self._end != "." or "A" <= char <= "Z":
                number = self._settle()
                number += " " * bool(number)
            self._end = ""  # "e.g. this" goes on
        self._code ^= char == "`"
        self._mark = char == "[" or (self._mark and char.isdigit())
        if not self._code and char in _STOPS:
            self._end = char
        elif char == " " and re.search(r"[a-zA-Z)]\.$", self._sentence):
            self._end = self._end or "."
        self._sentence += char
        return number

    def finish(self) -> str:
        """Return the number of the last sentence, if it needs one."""
        return self._settle()

    def _settle(self) -> str:
        sentence, self._sentence, self._end = self._sentence, "", ""
        text = _MARK.sub("", _BLOCK.sub("", sentence)).strip()
        if _MARK.search(sentence) or not self._texts or not is_claim(text):
            return ""
        numbers, texts = list(self._texts), tuple(self._texts.values())
        support = self._judge([(one, text) for one in texts], texts)
        best = min(range(len(numbers)), key=lambda i: (_GRADES.index(support[i]), i))
        return f"[{numbers[best]}]"


def is_claim(sentence: str) -> bool:
    """Whether a sentence states something: it is long enough, no question, and does not only announce a list."""
    return len(re.findall(r"[^\W_]", sentence)) >= _CLAIM and not sentence.rstrip("* ").endswith(("：", ":", "？", "?"))


def sentences(answer: str) -> list[Cited]:
    """Cut an answer into sentences; a mark belongs to the sentence that it follows or stands in."""
    found: list[Cited] = []
    for part in _parts(answer):
        numbers = tuple(dict.fromkeys(int(number) for number in _MARK.findall(part)))
        text = _MARK.sub("", part).strip()
        if re.search(r"\w", text):
            found.append(Cited(text, numbers))
        elif numbers and found:
            found[-1] = Cited(found[-1].text, tuple(dict.fromkeys((*found[-1].numbers, *numbers))))
    return found


def without(answer: str, unsupported: Collection[str]) -> str:
    """The answer without the sentences of these texts, as `sentences` has them."""
    return "".join(part for part in _parts(answer) if _MARK.sub("", part).strip() not in unsupported).strip()


def check(answer: str, passages: Sequence[Passage], judge: SupportJudge) -> tuple[Citation, ...]:
    """Check every cited sentence against what the model could read of the passages that it cites."""
    texts = {passage.n: _shown(passage) for passage in passages}
    cited = [
        (number, sentence.text) for sentence in sentences(answer) for number in sentence.numbers if number in texts
    ]
    verdicts = judge([(texts[number], text) for number, text in cited], tuple(texts.values()))
    return tuple(
        Citation(n=number, sentence=text, support=support)
        for (number, text), support in zip(cited, verdicts, strict=True)
    )


def _shown(passage: Passage) -> str:
    return f"{fence(passage.title)}\n{fence(passage.text)}"


def _parts(answer: str) -> list[str]:
    """The answer in sentences, each with the marks that follow it; together they are the answer."""
    edges = [0, *(match.end() for match in _END.finditer(answer)), len(answer)]
    return [answer[a:b] for a, b in zip(edges, edges[1:], strict=False) if a < b]
