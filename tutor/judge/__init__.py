"""The point judge: what a reply does to each key point, as `PointProbabilities`."""

from tutor.judge.model import PointJudge

__all__ = ["PointJudge"]
