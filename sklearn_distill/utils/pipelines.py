"""What a Pipeline is, and how to walk through one: the only file that takes one apart."""

import copy

from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.utils._sklearn_private import routing_enabled


def last_step(estimator):
    """Return the last step of a (nested) Pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def head_and_last(estimator):
    """Return the transformers of a Pipeline as one Pipeline (or None), and its last step."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    return (estimator[:-1] if len(estimator.steps) > 1 else None), estimator.steps[-1][1]


def reach_last_step(estimator, X):
    """Return the last step of a fitted (nested) Pipeline and the rows of X as they reach it."""
    while isinstance(estimator, Pipeline):
        head, estimator = head_and_last(estimator)
        X = X if head is None else head.transform(X)
    return estimator, X


def weight_keyword(estimator):
    """Return the name under which ``estimator.fit`` takes the row weights, or None.

    Of a Pipeline this is the last step's, as in ``"logisticregression__sample_weight"``.
    """
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return f"{prefix}sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def with_last_step(estimator, last):
    """Return a shallow copy of a (nested) Pipeline that ends in ``last``."""
    if not isinstance(estimator, Pipeline):
        return last
    twin = copy.copy(estimator)
    name, step = estimator.steps[-1]
    twin.steps = [*estimator.steps[:-1], (name, with_last_step(step, last))]
    return twin


def split_fit_params(pipeline, fit_params):
    """Tell the fit parameters of the transformers from those of the last step."""
    if not fit_params:
        return {}, {}
    name, last = pipeline.steps[-1]
    if routing_enabled():
        of_head = pipeline[:-1].get_metadata_routing().consumes("fit_transform", fit_params)
        of_last = get_routing_for_object(last).consumes("fit", fit_params)
        return {k: fit_params[k] for k in of_head}, {k: fit_params[k] for k in of_last}
    prefix = f"{name}__"
    mine = {k: v for k, v in fit_params.items() if k.startswith(prefix)}
    rest = {k: v for k, v in fit_params.items() if k not in mine}
    return rest, {k.removeprefix(prefix): v for k, v in mine.items()}
