"""Native boosters as frozen scikit-learn classifiers."""

import json
import re
import sys

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_distill.utils.dispatch import booster_of, name_of
from sklearn_distill.utils.frozen import FrozenMixin

#: Objectives by what turns margins into log-probabilities.
_SIGMOID = {"binary:logistic", "binary:logitraw", "reg:logistic"}  # XGBoost
_SIGMOID |= {"binary", "cross_entropy", "Logloss", "CrossEntropy"}  # LightGBM, CatBoost
_SOFTMAX = {"multi:softprob", "multi:softmax", "multiclass", "MultiClass"}
_ONE_VERSUS_ALL = {"multiclassova", "MultiClassOneVsAll"}

_OUTPUTS = ("auto", "logits", "proba")


def native_library(thing):
    """Return "xgboost", "lightgbm" or "catboost" if this is a native booster, else None.

    A scikit-learn wrapper is none. No booster library is imported.
    """
    names = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(thing).__mro__}
    for library in ("xgboost", "lightgbm"):
        if (library, "Booster") in names:
            return library
    wrappers = {("catboost", f"CatBoost{kind}") for kind in ("Classifier", "Regressor", "Ranker")}
    return "catboost" if ("catboost", "CatBoost") in names and not names & wrappers else None


class BoosterTeacher(ClassifierMixin, FrozenMixin, BaseEstimator):
    """A trained native booster as a classifier that is used as it is.

    For what the libraries' own ``train`` functions return and what is loaded from their files. It
    is read through its margins and the objective recorded in it. A plain booster that is passed
    as ``teacher`` is wrapped in this class with its defaults; ``XGBClassifier``,
    ``LGBMClassifier`` and ``CatBoostClassifier`` need no wrapping.

    Parameters
    ----------
    booster : xgboost.Booster, lightgbm.Booster or catboost.CatBoost
        Trained.
    output : {"auto", "logits", "proba"}, default="auto"
        What the booster's margins are turned into probabilities by. "auto" goes by the objective.
        For one that the library does not know, "logits" takes a softmax of the margins (a sigmoid
        if there is one), and "proba" takes what the booster predicts for probabilities.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None takes those in the booster, or else the sorted labels of
        the training rows.
    iteration_range : tuple of (int, int), default=None
        First round to use and the one after the last; 0 for the latter means all. None uses the
        best ones if training was stopped early, else all.

    See Also
    --------
    DistillationClassifier : Takes it, or the bare booster, as ``teacher``.

    Examples
    --------
    >>> import lightgbm
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_distill import BoosterTeacher
    >>> X, y = load_iris(return_X_y=True)
    >>> params = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    >>> booster = lightgbm.train(params, lightgbm.Dataset(X, y), num_boost_round=5)
    >>> BoosterTeacher(booster).predict_proba(X).shape
    (150, 3)
    """

    def __init__(self, booster, *, output="auto", classes=None, iteration_range=None):
        self.booster = booster
        self.output = output
        self.classes = classes
        self.iteration_range = iteration_range

    @property
    def classes_(self):
        """The label of each column, if it was given or is in the booster."""
        known = self.classes
        if known is None and native_library(self.booster) == "catboost":
            known = self.booster.classes_
        if known is None or len(known) == 0:
            raise AttributeError("classes_ is known only if classes was given")
        return np.asarray(known)

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : rows
            What the booster takes.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Of ``classes_``, or positions if it is not known.
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best] if hasattr(self, "classes_") else best

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : rows
            What the booster takes: arrays, data frames, sparse matrices.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In float64.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : rows
            What the booster takes.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In float64.

        Raises
        ------
        ValueError
            If the booster's objective is none of class probabilities.
        """
        if self.output not in _OUTPUTS:
            raise ValueError(
                f"The 'output' parameter of BoosterTeacher must be one of {list(_OUTPUTS)}. "
                f"Got {self.output!r} instead."
            )
        library = native_library(self.booster)
        if library is None:
            raise TypeError(
                "BoosterTeacher needs an xgboost.Booster, lightgbm.Booster or catboost.CatBoost. "
                f"Got {name_of(self.booster)} instead."
            )
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        objective, steepness = _OBJECTIVE_OF[library](self.booster)
        read = _READ[library]
        if self.output == "proba":
            return _log_of_own_proba(read(self.booster, X, self.iteration_range, margins=False))
        margins = read(self.booster, X, self.iteration_range, margins=True)
        margins = steepness * np.asarray(margins, dtype=np.float64)
        if self.output == "logits":
            objective = "binary" if margins.ndim == 1 else "multiclass"
        return _log_proba(margins, objective, name_of(self.booster))


def _log_proba(margins, objective, who):
    if objective in _SIGMOID:
        margins = margins.ravel()
        return np.column_stack([log_expit(-margins), log_expit(margins)])
    if objective in _SOFTMAX:
        return log_softmax(margins, axis=1)
    if objective in _ONE_VERSUS_ALL:
        log_proba = log_expit(margins)
        return log_proba - np.log(np.exp(log_proba).sum(axis=1, keepdims=True))
    what = f"objective {objective!r}" if objective else "an objective from outside"
    raise ValueError(
        f"The {who} was trained on {what}, which does not tell what its margins mean. Say so: "
        "BoosterTeacher(booster, output='logits') if their softmax (or sigmoid) is a probability, "
        "output='proba' if its predictions are."
    )


def log_proba_of_wrapper(teacher, X):
    """Return log-probabilities of a fitted XGBClassifier or LGBMClassifier from its margins.

    Its own ``predict_proba`` is in single precision, or rounded to 1 where it is almost certain.

    Returns
    -------
    ndarray of shape (n_samples, n_classes) or None
        None for every other estimator, and if the objective does not tell what margins mean.
    """
    library = booster_of(teacher)
    if library == "xgboost":
        margins = {"output_margin": True}
        objective, steepness = teacher.objective, 1.0
    elif library == "lightgbm":
        margins = {"raw_score": True}
        objective, steepness = _lightgbm_objective(teacher.booster_)
    else:
        return None
    if objective not in _SIGMOID | _SOFTMAX:
        return None
    z = steepness * np.asarray(teacher.predict(X, **margins), dtype=np.float64)
    return _log_proba(z, objective, name_of(teacher))


def _log_of_own_proba(proba):
    proba = np.asarray(proba, dtype=np.float64)
    if proba.ndim == 1:
        proba = np.column_stack([1 - proba, proba])
    with np.errstate(divide="ignore"):
        return np.log(proba)


# -- objective, and by what it multiplies margins ------------------------------------------------


def _xgboost_objective(booster):
    return json.loads(booster.save_config())["learner"]["objective"]["name"], 1.0


def _lightgbm_objective(booster):
    head = booster.model_to_string(num_iteration=1).partition("\nTree=0\n")[0]
    found = re.search("^objective=([^ \n]+)(?:.*sigmoid:([^ \n]+))?", head, re.MULTILINE)
    return (found[1], float(found[2] or 1)) if found else (None, 1.0)


def _catboost_objective(booster):
    objective = str(booster.get_all_params().get("loss_function", ""))
    return objective.partition(":")[0], 1.0


_OBJECTIVE_OF = {
    "xgboost": _xgboost_objective,
    "lightgbm": _lightgbm_objective,
    "catboost": _catboost_objective,
}

# -- margins or predictions ----------------------------------------------------------------------


def _read_xgboost(booster, X, iteration_range, *, margins):
    rows = sys.modules["xgboost"].DMatrix(X, enable_categorical=True)
    if iteration_range is None:
        best = booster.attr("best_iteration")
        iteration_range = (0, 0) if best is None else (0, int(best) + 1)
    return booster.predict(
        rows,
        output_margin=margins,
        iteration_range=iteration_range,
        # An array has no names to compare with those of the training frame.
        validate_features=hasattr(X, "columns"),
    )


def _read_lightgbm(booster, X, iteration_range, *, margins):
    first, end = iteration_range or (0, None)
    n_rounds = end if end is None else end - first if end > 0 else -1
    return booster.predict(X, raw_score=margins, start_iteration=first, num_iteration=n_rounds)


def _read_catboost(booster, X, iteration_range, *, margins):
    first, end = iteration_range or (0, 0)
    kind = "RawFormulaVal" if margins else "Probability"
    return booster.predict(X, prediction_type=kind, ntree_start=first, ntree_end=end)


_READ = {"xgboost": _read_xgboost, "lightgbm": _read_lightgbm, "catboost": _read_catboost}
