"""Scores of rows that are weighted again and again: the bootstrap needs each thousands of times.

Whatever does not depend on the weights is done once, so that a score of 85,000 rows takes less
than a millisecond. Each equals scikit-learn's.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer

from sklearn_distill._classifier_cv import LEAST

#: Below this share of the second of two classes, ranking is judged by the average precision.
RARE = 0.05


class Score(NamedTuple):
    """What is to be large.

    Attributes
    ----------
    name : str
        As scikit-learn calls it.
    label : str
        As people read it.
    of : callable
        ``of(positions, proba)`` gives a function of the weights of the rows.
    scoring : str or callable
        The same for searches.
    """

    name: str
    label: str
    of: Callable
    scoring: object


def score_of(scoring, positions, classes):
    """Return the score of a name, a scorer, or None for one that suits the classes.

    Parameters
    ----------
    scoring : str, callable or None
    positions : ndarray of int, shape (n_samples,)
        Columns of the true labels.
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    Score
    """
    if scoring is None:
        scoring = "accuracy"
        if len(classes) == 2:
            scoring = "average_precision" if np.mean(positions) < RARE else "roc_auc"
    own = _OF_TWO if len(classes) == 2 else _OF_MORE
    if isinstance(scoring, str) and scoring in own:
        label = scoring.replace("_", " ").replace("roc auc", "ROC AUC")
        return Score(scoring, label, own[scoring], OfEstimator(own[scoring], classes))
    scorer, name = _scorer_of(scoring)
    return Score(name, name.replace("_", " "), _by_scorer(scorer, classes), scoring)


def score_of_values(scoring):
    """Return the same for values; None is R²."""
    scoring = "r2" if scoring is None else scoring
    if isinstance(scoring, str) and scoring in _OF_VALUES:
        label = "R²" if scoring == "r2" else scoring.replace("_", " ")
        return Score(scoring, label, _OF_VALUES[scoring], scoring)
    scorer, name = _scorer_of(scoring)
    return Score(name, name.replace("_", " "), _by_scorer_of_values(scorer), scoring)


def _scorer_of(scoring):
    """Return a scorer and its name."""
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    if not callable(scorer):
        raise ValueError(
            "scoring must be the name of a scorer, a function of (estimator, X, y), or None. Got "
            f"{scoring!r} instead."
        )
    return scorer, scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")


class OfEstimator:
    """A score as a scorer; scikit-learn's want to be told which of two words is the second.

    Parameters
    ----------
    of : callable
        As in :class:`Score`.
    classes : ndarray of shape (n_classes,)
    """

    def __init__(self, of, classes):
        self.of = of
        self.classes = classes

    def __call__(self, estimator, X, y):
        """Return the score of a fitted classifier."""
        proba = np.zeros((len(y), len(self.classes)))
        known = np.searchsorted(self.classes, estimator.classes_)
        proba[:, known] = estimator.predict_proba(X)
        positions = np.searchsorted(self.classes, y)
        return self.of(positions, proba)(np.ones(len(y)))


class _Said(ClassifierMixin, BaseEstimator):
    """Predictions in the form of a classifier, for a scorer that wants one."""

    def __init__(self, proba, classes):
        self.proba = proba
        self.classes_ = classes

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.proba[X[:, 0]]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class _SaidValues(RegressorMixin, BaseEstimator):
    """The same of values."""

    def __init__(self, values):
        self.values = values

    def fit(self, X, y):
        return self

    def predict(self, X):
        return _flat(self.values[X[:, 0]])


def _flat(values):
    """Return a table of one output as scikit-learn has it."""
    return values[:, 0] if values.shape[1] == 1 else values


def _by_scorer(scorer, classes):
    def of(positions, proba):
        return _scored(scorer, _Said(proba, classes), classes[positions])

    return of


def _by_scorer_of_values(scorer):
    def of(truth, values):
        return _scored(scorer, _SaidValues(values), _flat(truth))

    return of


def _scored(scorer, said, y):
    """Return what a scorer says of predictions, as a function of the weights of the rows."""
    rows = np.arange(len(y))[:, None]

    def score(weight):
        if (weight == 1).all():
            return float(scorer(said, rows, y))
        kept = weight > 0
        return float(scorer(said, rows[kept], y[kept], sample_weight=weight[kept]))

    return score


def _mean_of_rows(values):
    return lambda weight: float(values @ weight / weight.sum())


def _accuracy(positions, proba):
    return _mean_of_rows((proba.argmax(axis=1) == positions).astype(np.float64))


def _balanced_accuracy(positions, proba):
    right = (proba.argmax(axis=1) == positions).astype(np.float64)

    def score(weight):
        total = np.bincount(positions, weight, minlength=proba.shape[1])
        hits = np.bincount(positions, weight * right, minlength=proba.shape[1])
        present = total > 0
        return float(np.mean(hits[present] / total[present]))

    return score


def _neg_log_loss(positions, proba):
    own = proba[np.arange(len(positions)), positions]
    return _mean_of_rows(np.log(np.clip(own, LEAST, 1.0)))


def _neg_brier_score(positions, proba):
    error = ((proba - (positions[:, None] == np.arange(proba.shape[1]))) ** 2).sum(axis=1)
    return _mean_of_rows(-error / (2 if proba.shape[1] == 2 else 1))


def _sorted(hits, values):
    """Return the order from the largest value on, the hits in it, and where groups of ties end."""
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    return order, hits[order].astype(np.float64), ends


def _area(hits, values):
    order, hits, ends = _sorted(hits, values)

    def score(weight):
        weight = weight[order]
        found, seen = np.cumsum(weight * hits)[ends], np.cumsum(weight)[ends]
        missed = seen - found
        both = found[-1] * missed[-1]
        if both == 0:
            return np.nan
        heights = found - np.diff(found, prepend=0.0) / 2
        return float(np.diff(missed, prepend=0.0) @ heights / both)

    return score


def _precision(hits, values):
    order, hits, ends = _sorted(hits, values)

    def score(weight):
        weight = weight[order]
        found, seen = np.cumsum(weight * hits)[ends], np.cumsum(weight)[ends]
        if found[-1] == 0:
            return np.nan
        precision = found / np.maximum(seen, np.finfo(float).tiny)
        return float(np.diff(found, prepend=0.0) @ precision / found[-1])

    return score


def _mean_area(positions, proba):
    areas = [_area(positions == k, proba[:, k]) for k in range(proba.shape[1])]

    def score(weight):
        found = [area(weight) for area in areas]
        return float(np.nanmean(found)) if not np.isnan(found).all() else np.nan

    return score


_OF_MORE = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "neg_log_loss": _neg_log_loss,
    "neg_brier_score": _neg_brier_score,
    "roc_auc_ovr": _mean_area,
}
_OF_TWO = {
    **{name: score for name, score in _OF_MORE.items() if name != "roc_auc_ovr"},
    "roc_auc": lambda positions, proba: _area(positions == 1, proba[:, 1]),
    "average_precision": lambda positions, proba: _precision(positions == 1, proba[:, 1]),
}


def r2(truth, values):
    """Return R², of several outputs their mean, as a function of the weights of the rows."""
    real = truth - truth.mean(axis=0)  # so that squares of large values lose no digits
    missed = (values - truth) ** 2

    def score(weight):
        total, kept = weight.sum(), weight > 0
        spread = weight @ real**2 - (weight @ real) ** 2 / total
        # The values of one row, or of rows that are all alike, have nothing to be explained.
        if kept.sum() < 2 or not (spread > 1e-12 * (weight @ real**2)).all():
            return np.nan
        return float(np.mean(1 - weight @ missed / spread))

    return score


def _neg_mean_squared_error(truth, values):
    return _mean_of_rows(-((values - truth) ** 2).mean(axis=1))


def _neg_mean_absolute_error(truth, values):
    return _mean_of_rows(-np.abs(values - truth).mean(axis=1))


def _neg_root_mean_squared_error(truth, values):
    squared = (values - truth) ** 2
    return lambda weight: float(-np.sqrt(weight @ squared / weight.sum()).mean())


_OF_VALUES = {
    "r2": r2,
    "neg_mean_squared_error": _neg_mean_squared_error,
    "neg_mean_absolute_error": _neg_mean_absolute_error,
    "neg_root_mean_squared_error": _neg_root_mean_squared_error,
}


class Interval(NamedTuple):
    """A value and the interval that holds it in 95 of 100 samples; NaN where there is none."""

    value: float
    lower: float = np.nan
    upper: float = np.nan

    @property
    def above(self):
        """Whether it is clearly above zero."""
        return bool(self.lower > 0)

    @property
    def below(self):
        """Whether it is clearly below zero."""
        return bool(self.upper < 0)


def bootstrap(scores, weight, n_bootstrap, seed):
    """Return the scores of all models on the same samples of the rows, drawn with replacement.

    Parameters
    ----------
    scores : dict of str to callable
        Functions of the weights of the rows.
    weight : ndarray of shape (n_samples,)
    n_bootstrap : int
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (n_bootstrap,)
        NaN where a sample has rows of one class, or of one value, only.
    """
    rng, n = np.random.default_rng(seed), len(weight)
    drawn = {name: np.empty(n_bootstrap) for name in scores}
    for i in range(n_bootstrap):
        times = np.bincount(rng.integers(0, n, n), minlength=n) * weight
        for name, score in scores.items():
            drawn[name][i] = defined(score, times)
    return drawn


def defined(score, weight):
    """Return a score, and NaN where scikit-learn has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        try:
            return score(weight)
        except ValueError:
            return np.nan


def interval_of(value, drawn):
    """Return a value with the percentiles of what it was in the samples."""
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < 2:
        return Interval(float(value))
    return Interval(float(value), *map(float, np.percentile(drawn, [2.5, 97.5])))
