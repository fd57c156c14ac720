"""The ways of teaching a student, one file each, and the choice among them."""

import warnings

from sklearn_distill.strategies._gradient import GradientTraining
from sklearn_distill.strategies._hard_labels import HardLabels
from sklearn_distill.strategies._sampled_labels import SampledLabels
from sklearn_distill.strategies._soft_boosting import SoftBoosting
from sklearn_distill.strategies._strategy import Strategy, teach
from sklearn_distill.strategies._target_regression import TargetRegression
from sklearn_distill.strategies._weighted_labels import WeightedLabels
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step

__all__ = [
    "STRATEGIES",
    "GradientTraining",
    "HardLabels",
    "SampledLabels",
    "SoftBoosting",
    "Strategy",
    "TargetRegression",
    "WeightedLabels",
    "select_strategy",
    "teach",
]

#: ``strategy="auto"`` takes the first that has no objection.
STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        GradientTraining,
        SoftBoosting,
        WeightedLabels,
        TargetRegression,
        SampledLabels,
    )
}


def select_strategy(strategy, student):
    """Return the strategy that teaches a student.

    Parameters
    ----------
    strategy : "auto", a key of :data:`STRATEGIES`, or a Strategy
    student : estimator
        May be a Pipeline.

    Returns
    -------
    Strategy

    Raises
    ------
    TypeError
        If no strategy, or not the wanted one, can teach this student; the message has the reason
        of each.
    """
    bare = last_step(student)
    if isinstance(strategy, Strategy):
        wanted = [strategy]
    else:
        wanted = (cls() for name, cls in STRATEGIES.items() if strategy in ("auto", name))
    objections = {}
    for candidate in wanted:
        objections[candidate.name] = candidate.objection(bare)
        if objections[candidate.name] is None:
            if strategy == "auto":
                _warn_of_last_resort(candidate, bare, objections)
            return candidate
    raise TypeError(_cannot_learn(bare, objections))


def _warn_of_last_resort(strategy, bare, objections):
    if isinstance(strategy, SampledLabels):
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
