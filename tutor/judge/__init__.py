"""The point judges. Both give `PointProbabilities`: a trained cross-encoder, and a judge of few explainable signals."""

from tutor.judge.features import FeatureJudge
from tutor.judge.model import PointJudge

__all__ = ["FeatureJudge", "PointJudge"]
