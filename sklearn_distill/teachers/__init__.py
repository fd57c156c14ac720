"""Everything between a teacher of any make and its class log-probabilities."""

from sklearn_distill.teachers._boosters import BoosterTeacher
from sklearn_distill.teachers._layers import innermost, read_layer
from sklearn_distill.teachers._reading import (
    PROBABILITY_FLOOR,
    align_columns,
    as_classifier,
    is_fitted,
    log_of_proba,
    read_log_proba,
    refuse_missing_classes,
)
from sklearn_distill.teachers._torch import TorchTeacher

__all__ = [
    "PROBABILITY_FLOOR",
    "BoosterTeacher",
    "TorchTeacher",
    "align_columns",
    "as_classifier",
    "innermost",
    "is_fitted",
    "log_of_proba",
    "read_layer",
    "read_log_proba",
    "refuse_missing_classes",
]
