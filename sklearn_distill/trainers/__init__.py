"""The ways of teaching a student, one file each, and the choice among them."""

import warnings

from sklearn_distill.trainers._gradient import GradientTraining
from sklearn_distill.trainers._hard_labels import HardLabels
from sklearn_distill.trainers._sampled_labels import SampledLabels
from sklearn_distill.trainers._soft_boosting import SoftBoosting
from sklearn_distill.trainers._target_regression import TargetRegression
from sklearn_distill.trainers._trainer import Trainer
from sklearn_distill.trainers._weighted_labels import WeightedLabels
from sklearn_distill.utils.kinds import last_step, name_of

__all__ = [
    "STRATEGIES",
    "GradientTraining",
    "HardLabels",
    "SampledLabels",
    "SoftBoosting",
    "TargetRegression",
    "Trainer",
    "WeightedLabels",
    "select_trainer",
]

#: ``strategy="auto"`` takes the first that has no objection.
STRATEGIES = {
    trainer.name: trainer
    for trainer in (
        GradientTraining,
        SoftBoosting,
        WeightedLabels,
        TargetRegression,
        SampledLabels,
    )
}


def select_trainer(strategy, student):
    """Return the trainer for a student.

    Parameters
    ----------
    strategy : "auto", a key of :data:`STRATEGIES`, or a Trainer
    student : estimator
        May be a Pipeline.

    Returns
    -------
    Trainer

    Raises
    ------
    TypeError
        If no strategy, or not the wanted one, can teach this student; the message has the reason
        of each.
    """
    bare = last_step(student)
    if isinstance(strategy, Trainer):
        wanted = [strategy]
    else:
        wanted = [cls() for name, cls in STRATEGIES.items() if strategy in ("auto", name)]
    objections = {}
    for trainer in wanted:
        objections[trainer.name] = trainer.objection(bare)
        if objections[trainer.name] is None:
            if strategy == "auto":
                _warn_of_last_resort(trainer, bare, objections)
            return trainer
    raise TypeError(_cannot_learn(bare, objections))


def _warn_of_last_resort(trainer, bare, objections):
    if isinstance(trainer, SampledLabels):
        warnings.warn(
            f"{name_of(bare)} learns from labels drawn at random from the soft targets, "
            f"since weighted-labels {objections['weighted-labels']}. Set "
            "strategy='sampled-labels' to accept this silently, or use a student that takes "
            "sample_weight.",
            UserWarning,
            stacklevel=5,
        )


def _cannot_learn(bare, objections):
    reasons = "; ".join(f"{name} {reason}" for name, reason in objections.items())
    others = [
        name
        for name, cls in STRATEGIES.items()
        if name not in objections and cls().objection(bare) is None
    ]
    if others:
        remedy = f"Use strategy={others[0]!r}, or 'auto'."
    elif any("needs" not in reason for reason in objections.values()):
        remedy = "Change that setting of the student."
    else:
        remedy = "Use a classifier that takes sample_weight, or a regressor."
    return f"{name_of(bare)} cannot learn soft targets: {reasons}. {remedy}"
