"""Everything between a teacher of any make and its class log-probabilities."""

from sklearn_distill.teachers._boosters import BoosterTeacher
from sklearn_distill.teachers._callable import CallableTeacher
from sklearn_distill.teachers._layers import innermost, read_layer
from sklearn_distill.teachers._out_of_bag import (
    check_has_bags,
    has_out_of_bag_votes,
    read_out_of_bag,
)
from sklearn_distill.teachers._output import OutputTeacher, number_of_outputs
from sklearn_distill.teachers._outputs import Remarks, read_output
from sklearn_distill.teachers._reader import (
    TeacherReader,
    is_fitted,
    warn_how_it_is_read,
)
from sklearn_distill.teachers._torch import TorchTeacher
from sklearn_distill.teachers._values import (
    ValueReader,
    as_values,
    check_gives_values,
    check_real_values,
)
from sklearn_distill.teachers.ensemble import TeacherEnsemble, as_teacher

__all__ = [
    "BoosterTeacher",
    "CallableTeacher",
    "OutputTeacher",
    "Remarks",
    "TeacherEnsemble",
    "TeacherReader",
    "TorchTeacher",
    "ValueReader",
    "as_teacher",
    "as_values",
    "check_gives_values",
    "check_has_bags",
    "check_real_values",
    "has_out_of_bag_votes",
    "innermost",
    "is_fitted",
    "number_of_outputs",
    "read_layer",
    "read_out_of_bag",
    "read_output",
    "warn_how_it_is_read",
]
