"""Links that the learner has undone: kept beside the versions of the index, so that every next one goes without them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from tutor.errors import IndexFault

Pair = tuple[str, str]
"""The id of a question and the id of the question that must not answer it."""


def read_undone(index: Path) -> frozenset[Pair]:
    """The pairs of ids that must not be linked. :raises IndexFault: the file cannot be read."""
    path = _path(index)
    try:
        with path.open(encoding="utf-8") as file:
            return frozenset((row["question_id"], row["target_id"]) for row in map(json.loads, file))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexFault(f"{path}: unreadable ({error}); correct or remove it, undone links are then back") from error


def write_undone(index: Path, pairs: Iterable[Pair]) -> None:
    """Replace the pairs, all of them or nothing. To be called by the one process that holds the lock of the index."""
    part = index / ".undone.partial"
    with part.open("w", encoding="utf-8") as file:
        for question_id, target_id in sorted(pairs):
            file.write(json.dumps({"question_id": question_id, "target_id": target_id}, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, _path(index))


def forget_absent(index: Path, present: Collection[str]) -> frozenset[Pair]:
    """Drop the pairs of questions that are in no bank any more; return the others."""
    pairs = read_undone(index)
    kept = frozenset(pair for pair in pairs if pair[0] in present)
    if kept != pairs:
        write_undone(index, kept)
    return kept


def _path(index: Path) -> Path:
    return index / "undone.jsonl"
