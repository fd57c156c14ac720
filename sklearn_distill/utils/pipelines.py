"""What a Pipeline is, and how to walk through one: the only file that takes one apart."""

import copy

from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.utils._sklearn_private import routing_enabled
from sklearn_distill.utils.dispatch import name_of

#: Fit parameters that are further rows, by which a student stops early.
_EVAL_ROWS = ("eval_X", "X_val")


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


def through_head(pipeline, X):
    """Return rows as they come out of the transformers of a fitted Pipeline.

    Step by step: before scikit-learn 1.7 a Pipeline of transformers that learn nothing takes
    itself for not fitted.
    """
    for _, step in pipeline.steps[:-1]:
        if step not in (None, "passthrough"):
            X = step.transform(X)
    return X


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


def transform_eval_rows(pipeline, params):
    """Pass the rows that the last step of a Pipeline stops early by through its transformers.

    scikit-learn's Pipeline passes them on as they are, unless ``transform_input`` names them.

    Parameters
    ----------
    pipeline : Pipeline
        Its transformers are fitted.
    params : dict
        Fit parameters of the last step, with rows as the user gives X: in ``eval_set``, which is a
        tuple (X, y) or several, and in what is named ``eval_X``, ``X_val`` or in the Pipeline's
        ``transform_input``, which is an X or a tuple of several.

    Returns
    -------
    dict
        The same for the last step itself.

    Raises
    ------
    TypeError
        If ``eval_set`` has another form.
    """
    head, _ = head_and_last(pipeline)
    if head is None:
        return params
    return transform_eval(head.transform, params, pipeline.transform_input or ())


def transform_eval(transform, params, also=()):
    """Pass the rows among fit parameters through a function; see :func:`transform_eval_rows`.

    Parameters
    ----------
    transform : callable
        Of rows.
    params : dict
    also : collection of str
        Names of further parameters that are rows.
    """
    return {name: _transform_eval(transform, name, v, also) for name, v in params.items()}


def _transform_eval(transform, name, value, also):
    # Of a Pipeline in a Pipeline the names have a prefix.
    last_part = name.rpartition("__")[2]
    if value is None:
        return None
    if last_part == "eval_set":
        return [(transform(X), y) for X, y in _pairs_of_rows(value)]
    if last_part in _EVAL_ROWS or name in also:
        several = type(value) is tuple
        return tuple(map(transform, value)) if several else transform(value)
    return value


def _pairs_of_rows(eval_set):
    # A tuple is one pair, but of tuples it is several.
    several = type(eval_set) is list or (
        type(eval_set) is tuple and all(type(pair) is tuple for pair in eval_set)
    )
    pairs = eval_set if several else [eval_set]
    for pair in pairs:
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise TypeError(
                "A Pipeline student transforms the rows of eval_set as it does those of X, and "
                f"cannot transform a {name_of(pair)}. Pass a list of tuples (X_val, y_val)."
            )
    return pairs
