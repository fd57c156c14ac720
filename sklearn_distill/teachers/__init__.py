"""Everything between a teacher of any make and its class log-probabilities."""

from sklearn_distill.teachers._boosters import BoosterTeacher
from sklearn_distill.teachers._layers import innermost, read_layer
from sklearn_distill.teachers._outputs import Remarks, read_output
from sklearn_distill.teachers._reader import (
    TeacherReader,
    is_fitted,
    warn_how_it_is_read,
)
from sklearn_distill.teachers._torch import TorchTeacher

__all__ = [
    "BoosterTeacher",
    "Remarks",
    "TeacherReader",
    "TorchTeacher",
    "innermost",
    "is_fitted",
    "read_layer",
    "read_output",
    "warn_how_it_is_read",
]
