"""Knowledge distillation that keeps scikit-learn's contract.

A strong but heavy *teacher* labels the training rows with probabilities, and a
small *student* learns them. Start with :class:`DistillationClassifier`.
"""

from sklearn_distill._classifier import DistillationClassifier
from sklearn_distill.nn.hints import AttentionHint, LayerHint
from sklearn_distill.teachers import BoosterTeacher, TorchTeacher
from sklearn_distill.trainers import (
    GradientTraining,
    SampledLabels,
    SoftBoosting,
    TargetRegression,
    WeightedLabels,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "AttentionHint",
    "BoosterTeacher",
    "DistillationClassifier",
    "GradientTraining",
    "LayerHint",
    "SampledLabels",
    "SoftBoosting",
    "TargetRegression",
    "TorchTeacher",
    "WeightedLabels",
    "__version__",
]
