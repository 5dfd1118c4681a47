"""The cases that retrieval is measured with: written by us, kept in `cases/*.jsonl`, split once and for all by hash.

Weights and the floor are fitted on the tuning half only; both halves are reported.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CASES = Path(__file__).parent / "cases"
Half = Literal["tuning", "held-out"]


@dataclass(frozen=True, slots=True)
class Search:
    """What a learner types, and the ids of the corpus questions of which any one answers it.

    :ivar how: colloquial, no_shared_words, typo, abbreviation, english, mixed, exact, alias.
    """

    q: str
    gold: tuple[str, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Outside:
    """A question that no bank answers. `near`: it is about computing or machine learning all the same."""

    q: str
    near: bool


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Questions one after the other, and the corpus questions of which any one answers the last."""

    turns: tuple[str, ...]
    gold: tuple[str, ...]
    how: str


def half(text: str) -> Half:
    """Which half a case belongs to; depends on its text only."""
    return "tuning" if hashlib.sha256(text.encode()).digest()[0] % 2 else "held-out"


def load_searches() -> list[Search]:
    """In-scope queries: paraphrases, and exact wordings and aliases."""
    return [Search(row["q"], tuple(row["gold"]), row["how"]) for row in _rows("paraphrases")]


def load_outside() -> list[Outside]:
    """Out-of-scope queries."""
    return [Outside(row["q"], row["near"]) for row in _rows("out_of_scope")]


def load_dialogues() -> list[Dialogue]:
    """Conversations of two or three turns."""
    return [Dialogue(tuple(row["turns"]), tuple(row["gold"]), row["how"]) for row in _rows("dialogues")]


def _rows(name: str) -> list[dict[str, Any]]:
    with (CASES / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
