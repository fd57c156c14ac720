"""Everything between a teacher of any make and its class log-probabilities."""

from sklearn_distill.teachers._reading import (
    PROBABILITY_FLOOR,
    align_columns,
    is_fitted,
    log_of_proba,
    read_log_proba,
    refuse_missing_classes,
)

__all__ = [
    "PROBABILITY_FLOOR",
    "align_columns",
    "is_fitted",
    "log_of_proba",
    "read_log_proba",
    "refuse_missing_classes",
]
