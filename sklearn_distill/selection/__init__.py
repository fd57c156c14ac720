"""The best small model under a budget of bytes and time, with a teacher or without."""

from sklearn_distill.selection._result import StudentSelection
from sklearn_distill.selection._select import select_student

__all__ = ["StudentSelection", "select_student"]
