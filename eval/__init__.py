"""Measurements: cases, metrics, results, and the training of the point judge."""
