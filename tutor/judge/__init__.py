"""The point judge. `PointJudge.load(models)` loads it; it gives `PointProbabilities`."""

from tutor.judge.model import PointJudge
from tutor.records import PointProbabilities

__all__ = ["PointJudge", "PointProbabilities"]
