"""How much of a point's wording a reply repeats: two numbers beside the network's reading, weighed in calibration."""

from __future__ import annotations

import re

COUNT = 2
_PLAIN = re.compile(r"[\W_]+")
_TERM = re.compile(r"[a-z][a-z0-9]*|\d+(?:\.\d+)?")


def repeated(reply: str, point: str) -> tuple[float, float]:
    """Share of the point's character pairs, and of its Latin words and numbers, that the reply has; each in [0, 1]."""
    pairs = _pairs(point)
    share = len(pairs & _pairs(reply)) / len(pairs) if pairs else 0.0
    terms = set(_TERM.findall(point.lower()))
    return share, len(terms & set(_TERM.findall(reply.lower()))) / len(terms) if terms else share


def _pairs(text: str) -> set[str]:
    plain = _PLAIN.sub("", text.lower())
    return {plain[i : i + 2] for i in range(len(plain) - 1)}
