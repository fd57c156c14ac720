"""Was it worth it? Teacher, student and rivals on rows that none of them has seen."""

from sklearn_distill.report._report import distillation_report
from sklearn_distill.report._result import DistillationReport
from sklearn_distill.report._verdict import Verdict

__all__ = ["DistillationReport", "Verdict", "distillation_report"]
