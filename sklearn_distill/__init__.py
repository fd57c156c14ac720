"""Knowledge distillation that keeps scikit-learn's contract.

A strong but heavy *teacher* labels the training rows with probabilities, and a
small *student* learns them. Start with :class:`DistillationClassifier`.
"""

from sklearn_distill._assistants import make_assistant_chain
from sklearn_distill._classifier import DistillationClassifier
from sklearn_distill._classifier_cv import DistillationClassifierCV
from sklearn_distill._distilled import DistilledClassifier, DistilledRegressor
from sklearn_distill._multi_output import MultiOutputDistillationClassifier
from sklearn_distill._mutual import MutualDistillationClassifier
from sklearn_distill._regressor import DistillationRegressor
from sklearn_distill._regressor_cv import DistillationRegressorCV
from sklearn_distill._self_distillation import (
    SelfDistillationClassifier,
    SelfDistillationRegressor,
)
from sklearn_distill.cascade import CascadeClassifier
from sklearn_distill.hints import AttentionHint, LayerHint
from sklearn_distill.report import distillation_report
from sklearn_distill.scale import HashKFold, StoredTransferSet, label_transfer_set
from sklearn_distill.selection import select_student
from sklearn_distill.strategies import (
    BlendedValues,
    GradientRegression,
    GradientTraining,
    SampledLabels,
    SoftBoosting,
    StackedValues,
    Strategy,
    TargetRegression,
    WeightedLabels,
)
from sklearn_distill.teachers import (
    BoosterTeacher,
    CallableTeacher,
    OutputTeacher,
    TeacherEnsemble,
    TorchTeacher,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "AttentionHint",
    "BlendedValues",
    "BoosterTeacher",
    "CallableTeacher",
    "CascadeClassifier",
    "DistillationClassifier",
    "DistillationClassifierCV",
    "DistillationRegressor",
    "DistillationRegressorCV",
    "DistilledClassifier",
    "DistilledRegressor",
    "GradientRegression",
    "GradientTraining",
    "HashKFold",
    "LayerHint",
    "MultiOutputDistillationClassifier",
    "MutualDistillationClassifier",
    "OutputTeacher",
    "SampledLabels",
    "SelfDistillationClassifier",
    "SelfDistillationRegressor",
    "SoftBoosting",
    "StackedValues",
    "StoredTransferSet",
    "Strategy",
    "TargetRegression",
    "TeacherEnsemble",
    "TorchTeacher",
    "WeightedLabels",
    "__version__",
    "distillation_report",
    "label_transfer_set",
    "make_assistant_chain",
    "select_student",
]
