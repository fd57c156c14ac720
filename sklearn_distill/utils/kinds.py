"""What kind of estimator this is, asked defensively: foreign ones may have no tags."""

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags


def tags_of(estimator):
    """Return the tags of an estimator; one without any gets those of a bare BaseEstimator."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return get_tags(BaseEstimator())


def is_of_kind(estimator, kind):
    """Tell whether ``estimator`` is a "classifier", "regressor" or "clusterer"."""
    declared = tags_of(estimator).estimator_type or getattr(estimator, "_estimator_type", None)
    return declared == kind


def last_step(estimator):
    """Return the last step of a (nested) Pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def name_of(estimator):
    """Return the estimator's class name, for messages."""
    return type(estimator).__name__
