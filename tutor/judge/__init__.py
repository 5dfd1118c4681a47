"""The point judge. `PointJudge.load(models)` loads it; it gives `PointProbabilities`."""

from tutor.judge.model import PointJudge

__all__ = ["PointJudge"]
