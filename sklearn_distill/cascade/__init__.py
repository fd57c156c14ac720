"""A small model that answers, and asks the large one when it is unsure, with a promise."""

from sklearn_distill.cascade._classifier import CascadeClassifier
from sklearn_distill.cascade._novelty import RangeDetector
from sklearn_distill.cascade._promise import Audit, rows_for_promise

__all__ = ["Audit", "CascadeClassifier", "RangeDetector", "rows_for_promise"]
