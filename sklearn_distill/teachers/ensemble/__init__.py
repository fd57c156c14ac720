"""Several teachers as one: the estimator, its members, and how their answers are pooled."""

from sklearn_distill.teachers.ensemble._estimator import TeacherEnsemble, as_teacher

__all__ = ["TeacherEnsemble", "as_teacher"]
