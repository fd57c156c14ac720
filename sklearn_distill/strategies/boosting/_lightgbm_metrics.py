"""LightGBM's metrics where it does not know the objective.

It then hands margins to metrics that expect probabilities, its own and the
user's alike, and early stopping would look at nonsense.
"""

from functools import wraps
from inspect import signature

import numpy as np
from scipy.special import expit, softmax

#: Under a logarithm, as in LightGBM.
EPSILON = 1e-15

_ALIASES = ("metric", "metrics", "metric_types")
_LOG_LOSS = {"logloss", "binary", "binary_logloss", "multi_logloss", "multiclass", "softmax"}
_ERROR = {"error", "binary_error", "multi_error"}
_CROSS_ENTROPY = {"cross_entropy", "xentropy"}
#: Computed by LightGBM itself: margins rank rows as probabilities do, wherever they start.
_OF_RANKS = {"auc", "average_precision", "auc_mu"}
_NOTHING = {"", "none", "null", "custom", "na"}


def translate_metrics(params, fit_params, start):
    """Return ``metric`` and ``eval_metric`` with which LightGBM reports what it would natively.

    Parameters
    ----------
    params : dict
        The student's.
    fit_params : dict
    start : float or ndarray of shape (n_classes,)
        Added to the margins of every row.

    Returns
    -------
    metric : list of str
    eval_metric : list of callable

    Raises
    ------
    ValueError
        For a metric that cannot be computed.
    """
    is_binary = np.ndim(start) == 0
    asked = fit_params.get("eval_metric") or []
    asked = list(asked) if isinstance(asked, list | tuple) else [asked]
    default = "binary_logloss" if is_binary else "multi_logloss"
    set_ones = next((params[alias] for alias in _ALIASES if params.get(alias)), default)
    set_ones = set_ones.split(",") if isinstance(set_ones, str) else list(set_ones)
    names = [_canonical(name, is_binary) for name in asked if isinstance(name, str)]
    names += [_canonical(name, is_binary) for name in set_ones]
    names = [name for name in dict.fromkeys(names) if name is not None]
    native = [name for name in names if name in _OF_RANKS]
    own = [name for name in names if name not in _OF_RANKS]
    if native and own and names[0] == own[0] and _only_first_counts(params, fit_params):
        raise ValueError(
            f"With first_metric_only, soft-boosting cannot look at {own[0]!r} before {native}. "
            f"Leave {native} out."
        )
    top_k = int(params.get("multi_error_top_k", 1))
    computed = [_as_eval_metric(name, top_k) for name in own]
    computed += [metric for metric in asked if callable(metric)]
    return native or ["none"], [_on_probabilities(metric, start) for metric in computed]


def _canonical(name, is_binary):
    name = name.strip().lower()
    if name in _NOTHING:
        return None
    if name in _LOG_LOSS:
        return "binary_logloss" if is_binary else "multi_logloss"
    if name in _ERROR:
        return "binary_error" if is_binary else "multi_error"
    if name in _CROSS_ENTROPY and is_binary:
        return "cross_entropy"
    if name in _OF_RANKS:
        return name
    known = sorted(_LOG_LOSS | _ERROR | _OF_RANKS | _CROSS_ENTROPY)
    raise ValueError(
        f"soft-boosting cannot compute metric={name!r}: LightGBM knows no probabilities while the "
        f"objective is not its own. Use some of {known}, or a callable."
    )


def _only_first_counts(params, fit_params):
    callbacks = fit_params.get("callbacks") or []
    return params.get("first_metric_only") or any(
        getattr(callback, "first_metric_only", False) for callback in callbacks
    )


def _as_eval_metric(name, top_k):
    def metric(labels, proba, weight):
        labels = labels.astype(int)
        if proba.ndim == 1:
            proba = np.column_stack([1 - proba, proba])
        of_label = proba[np.arange(len(labels)), labels]
        if name.endswith("_error"):
            # A tie counts as an error, but for the first of two classes.
            rivals = proba >= of_label[:, None]
            losses = rivals.sum(axis=1) > top_k
            if proba.shape[1] == 2:
                losses &= (labels == 1) | (proba[:, 1] > proba[:, 0])
        else:
            losses = -np.log(np.maximum(of_label, EPSILON))
        return name, np.average(losses, weights=weight), False

    return metric


def _on_probabilities(metric, start):
    """Wrap a metric of probabilities, with 2, 3 or 4 arguments, so that it takes margins."""

    def proba(margins):
        return expit(margins + start) if np.ndim(start) == 0 else softmax(margins + start, axis=1)

    # LightGBM counts the arguments.
    n_arguments = len(signature(metric).parameters)
    if n_arguments == 2:
        return wraps(metric)(lambda y, z: metric(y, proba(z)))
    if n_arguments == 3:
        return lambda y, z, weight: metric(y, proba(z), weight)
    return lambda y, z, weight, group: metric(y, proba(z), weight, group)
