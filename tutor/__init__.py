"""Interview Tutor: cited answers, point-by-point grades and mock interviews, offline."""

__version__ = "0.1.0"
