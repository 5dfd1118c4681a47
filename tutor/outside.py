"""What the banks are not about: questions from other fields, as landmarks for refusing what lies nearer to them.

Databases, web, classic machine learning and the rest share words and form with the banks, so a query about them is near to
some question of ours; it is nearer to its own field. A landmark that a bank of the learner's does cover is not counted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tutor.errors import IndexFault

_FILE = Path(__file__).with_name("outside.txt")
_COVERED = 0.7
"""Cosine of a landmark and a question of the banks from which the banks are taken to be about it."""
_NEAREST = 3


def read_landmarks() -> list[str]:
    """Questions that no bank of ours answers, one a line of `outside.txt`."""
    return [line for line in _FILE.read_text("utf-8").split("\n") if line.strip()]


def uncovered(landmarks: np.ndarray, questions: np.ndarray) -> np.ndarray:
    """Those landmarks (rows, of length 1) that no question of the banks (rows, of length 1) is near to."""
    if not len(landmarks) or not len(questions):
        return landmarks
    kept: np.ndarray = landmarks[(landmarks @ questions.T).max(axis=1) < _COVERED]
    return kept


def outsideness(query: list[float], landmarks: np.ndarray) -> float:
    """Mean cosine of a query to its nearest landmarks; 0 without landmarks."""
    if not len(landmarks):
        return 0.0
    cosines = landmarks @ np.asarray(query, dtype=np.float32)
    nearest = np.sort(cosines)[-_NEAREST:]
    return float(nearest.mean())


def read_vectors(path: Path) -> np.ndarray:
    """Landmarks that an index holds. :raises IndexFault: the file is missing or damaged."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise IndexFault(f"{path}: unreadable ({error}); run `tutor index --rebuild`") from error
    return found
