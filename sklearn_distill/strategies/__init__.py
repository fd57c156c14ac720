"""The ways of teaching a student, one file each, and the choice among them."""

import warnings

from sklearn.frozen import FrozenEstimator

from sklearn_distill.strategies._blended_values import BlendedValues
from sklearn_distill.strategies._checks import check_before_teaching
from sklearn_distill.strategies._class_weight import counted_class_weight
from sklearn_distill.strategies._gradient import GradientTraining
from sklearn_distill.strategies._gradient_regression import GradientRegression
from sklearn_distill.strategies._hard_labels import HardLabels
from sklearn_distill.strategies._mutual import MutualTraining
from sklearn_distill.strategies._own_splits import own_split
from sklearn_distill.strategies._sampled_labels import SampledLabels
from sklearn_distill.strategies._soft_boosting import SoftBoosting
from sklearn_distill.strategies._stacked_values import StackedValues, blend_says_all, loss_of
from sklearn_distill.strategies._strategy import Strategy, teach
from sklearn_distill.strategies._target_regression import TargetRegression
from sklearn_distill.strategies._weighted_labels import WeightedLabels
from sklearn_distill.utils.dispatch import is_network, is_of_kind, name_of
from sklearn_distill.utils.pipelines import last_step

__all__ = [
    "STRATEGIES",
    "STRATEGIES_OF_VALUES",
    "BlendedValues",
    "GradientRegression",
    "GradientTraining",
    "HardLabels",
    "MutualTraining",
    "SampledLabels",
    "SoftBoosting",
    "StackedValues",
    "Strategy",
    "TargetRegression",
    "WeightedLabels",
    "check_before_teaching",
    "counted_class_weight",
    "loss_of",
    "select_strategy",
    "select_strategy_for_batches",
    "select_strategy_of_values",
    "teach",
    "warn_of_last_resort",
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


#: The same of values; which one "auto" takes depends on the loss of the student.
STRATEGIES_OF_VALUES = {
    strategy.name: strategy for strategy in (GradientRegression, BlendedValues, StackedValues)
}


def select_strategy_of_values(strategy, student):
    """Return the strategy that teaches a student of values.

    Parameters
    ----------
    strategy : "auto", a key of :data:`STRATEGIES_OF_VALUES`, or a Strategy
    student : estimator
        May be a Pipeline.

    Returns
    -------
    Strategy

    Raises
    ------
    TypeError
        If the student is no regressor, or cannot be taught in the wanted way.
    """
    bare = last_step(student)
    if strategy == "auto" and is_network(bare):
        wanted = GradientRegression()
    elif strategy == "auto":
        wanted = BlendedValues() if blend_says_all(bare) else StackedValues()
    elif isinstance(strategy, str):
        wanted = STRATEGIES_OF_VALUES[strategy]()
    else:
        wanted = strategy
    objection = wanted.objection(bare)
    if objection is None:
        return wanted
    name = name_of(bare)
    if isinstance(bare, FrozenEstimator):
        raise TypeError(f"{name} cannot be a student, since it cannot be fitted. Pass its inside.")
    if not is_of_kind(bare, "regressor") and not is_network(bare):
        raise TypeError(
            f"{name} cannot learn values: it is no regressor. Use one as the student, or as the "
            "last step of a Pipeline; for classes use DistillationClassifier."
        )
    if strategy == "auto":
        raise TypeError(
            f"{name} cannot learn from two values of a row by its loss ({loss_of(bare)}): it "
            f"{objection}. Use strategy='blended-values', which teaches it the blend of both and "
            "is exact for squared error alone, or another student."
        )
    raise TypeError(f"{name} cannot be taught by {wanted.name!r}, which {objection}. Use 'auto'.")


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
        of the one that comes closest.
    """
    bare = last_step(student)
    objections = {}
    for candidate in _candidates(strategy):
        objections[candidate.name] = candidate.objection(bare)
        if objections[candidate.name] is None:
            return candidate
    if strategy == "auto":
        raise TypeError(_cannot_learn(bare, objections))
    raise TypeError(_cannot_be_taught(bare, *objections.popitem()))


def select_strategy_for_batches(strategy, student):
    """Return the strategy that teaches a student batch by batch.

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
        If the student cannot be taught in the wanted way, or not batch by batch; the message says
        which students learn so.
    """
    bare = last_step(student)
    first = select_strategy(strategy, student)
    for candidate in (first, *_candidates(strategy)):
        if candidate.objection(bare) is None and candidate.objection_to_stream(bare) is None:
            return candidate
    raise TypeError(
        f"{name_of(bare)} cannot learn batch by batch: {first.name!r} "
        f"{first.objection_to_stream(bare)}. Students that can have partial_fit (SGDClassifier, "
        "MLPClassifier, naive Bayes, SGDRegressor, ...), or are torch modules, skorch nets, "
        "XGBClassifier or LGBMClassifier. Teach others with rows that fit into memory: "
        "stored.read()."
    )


def _candidates(strategy):
    """Return the strategies that a setting leaves to choose from."""
    if isinstance(strategy, Strategy):
        return [strategy]
    return [cls() for name, cls in STRATEGIES.items() if strategy in ("auto", name)]


def warn_of_last_resort(strategy, student):
    """Say what "auto" chose for a student if it learns less than others do.

    Parameters
    ----------
    strategy : Strategy
        The choice of :func:`select_strategy`.
    student : estimator
        May be a Pipeline.
    """
    if not isinstance(strategy, SampledLabels):
        return
    bare = last_step(student)
    setting = own_split(bare)
    if setting is None:
        what, why = "labels", "it takes no sample_weight in fit"
        cure = "use a student that does"
    else:
        what = "one label per row"
        why = "it splits the rows itself ({}={!r})".format(*setting)
        cure = "do without that, or do it around the model"
    warnings.warn(
        f"{name_of(bare)} learns from {what}, drawn at random from the soft targets, since {why}. "
        f"To learn more of the teacher {cure}. strategy='sampled-labels' accepts this silently.",
        UserWarning,
        stacklevel=4,
    )


def _cannot_learn(bare, objections):
    """Say the one thing that stands between a student and the strategy that comes closest."""
    name = name_of(bare)
    if isinstance(bare, FrozenEstimator):
        return f"{name} cannot be a student, since it cannot be fitted. Pass what is in it."
    closest = "sampled-labels"
    if is_network(bare):
        closest = "gradient"
    elif is_of_kind(bare, "regressor"):
        closest = "target-regression"
    elif not is_of_kind(bare, "classifier"):
        return (
            f"{name} cannot learn soft targets: it is no classifier, regressor or torch module. "
            "Use one of them as the student, or as the last step of a Pipeline."
        )
    return f"{name} cannot learn soft targets: it {objections[closest]}."


def _cannot_be_taught(bare, strategy, objection):
    others = [
        name
        for name, cls in STRATEGIES.items()
        if name != strategy and cls().objection(bare) is None
    ]
    remedy = f"Use strategy={others[0]!r}, or 'auto'" if others else "Use another student"
    return f"{name_of(bare)} cannot be taught by {strategy!r}, which {objection}. {remedy}."
