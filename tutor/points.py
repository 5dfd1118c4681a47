"""Split a reference answer into key points, from its own structure: list items, bold leads, sentences. Pure.

Used for banks that come without written points; done once, when the question is indexed or first graded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tutor.records import KeyPoint

MOST = 7
"""At most this many points; beyond it neighbours are joined."""
_SHORTEST = 6

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+•◦▪]|\d{1,2}[.、)）]|[（(]\d{1,2}[)）]|[①-⑳])[ \t]*(?P<text>\S.*)$")
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+|\*\*(?P<bold>[^*]{1,40})\*\*[：:]?\s*$)")
_SENTENCE = re.compile(r"[^。！？；\n]+?(?:[。！？；\n]|(?<=[a-z0-9)\"'])[.;!?](?=\s+[A-Z(\"'])|$)")
_FILLER = re.compile(
    r"^(?:以下是|下面|总之|综上|总的来说|因此可以看出|如下|主要(?:有|包括)以下|具体(?:如下|来说)|常见(?:的)?(?:有|方法|步骤)(?:如下|包括)|可能的?(?:差异|原因)|possible (?:differences|answers?|reasons?))[^。]*[：:]?$",
    re.IGNORECASE,
)
_LEAD = re.compile(r"\*\*|__|`")


def split_reference(reference: str) -> tuple[KeyPoint, ...]:
    """Key points of a reference, in its order. Empty only for an empty reference.

    List items with a bold lead and those that stand at the outer level weigh 2, plain sentences 1.
    """
    body = _DISPLAY.sub(" ", _FENCE.sub(" ", reference))
    listed = _items(body)
    weight, texts = (2.0, listed) if len(listed) >= 2 else (1.0, _sentences(body))
    candidates = [(text, weight) for text in texts]
    points = _merge(_distinct([(text, weight) for text, weight in candidates if not _FILLER.match(text)]))
    if not points and reference.strip():
        points = [(_plain(reference.strip())[:300], 1.0)]
    return tuple(KeyPoint(text=text, weight=weight) for text, weight in points)


def _items(body: str) -> list[str]:
    """Outer list items, each with the nested lines under it; a bold line above a list leads its items."""
    found: list[str] = []
    outer = None
    open_item = False
    for line in body.splitlines():
        match = _ITEM.match(line)
        if match:
            indent = len(match["indent"].expandtabs(4))
            if outer is None or indent <= outer:
                outer = indent if outer is None else min(outer, indent)
                found.append(_plain(match["text"]))
            elif found:
                found[-1] = _join(found[-1], _plain(match["text"]))
            open_item = True
        elif _HEADING.match(line) or not line.strip():
            open_item = open_item and not _HEADING.match(line)
        elif open_item and line.startswith((" ", "\t")) and found:
            found[-1] = _join(found[-1], _plain(line))
        else:
            open_item = False
    return [text for text in found if len(text) >= 2]


def _sentences(body: str) -> list[str]:
    lines = [
        _plain(_ITEM.sub(r"\g<text>", line))
        for line in body.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return [sentence.strip(" ；;") for line in lines for sentence in _SENTENCE.findall(line) if sentence.strip()]


def _distinct(candidates: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    kept: list[tuple[str, float]] = []
    for text, weight in candidates:
        grams = _bigrams(text)
        if all(len(grams & _bigrams(other)) < 0.8 * max(1, min(len(grams), len(_bigrams(other)))) for other, _ in kept):
            kept.append((text, weight))
    return kept


def _merge(candidates: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join fragments to the point before them, then the shortest neighbours, until at most `MOST` remain."""
    points: list[tuple[str, float]] = []
    for text, weight in candidates:
        if points and len(text) < _SHORTEST:
            points[-1] = (_join(points[-1][0], text), points[-1][1])
        else:
            points.append((text, weight))
    while len(points) > MOST:
        at = min(range(len(points) - 1), key=lambda i: len(points[i][0]) + len(points[i + 1][0]))
        (left, a), (right, b) = points[at], points[at + 1]
        points[at : at + 2] = [(_join(left, right), a + b if a == b == 1.0 else max(a, b))]
    return points


def _join(left: str, right: str) -> str:
    return left + right if left.endswith(("。", "：", ":", "；", "，")) else f"{left}；{right}"


def _plain(text: str) -> str:
    return _LEAD.sub("", text).strip()


def _bigrams(text: str) -> frozenset[str]:
    folded = re.sub(r"\W", "", text.lower())
    return frozenset(folded[i : i + 2] for i in range(len(folded) - 1)) or frozenset({folded})
