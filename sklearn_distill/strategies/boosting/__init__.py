"""Boosted trees that their own library trains on soft targets: one file for each library."""

from sklearn_distill.strategies.boosting import _catboost, _lightgbm, _xgboost
from sklearn_distill.strategies.boosting._labels import with_usable_weights
from sklearn_distill.utils.dispatch import booster_of

__all__ = ["as_booster_takes", "check_fit_params", "library_of"]

_LIBRARIES = {"catboost": _catboost, "lightgbm": _lightgbm, "xgboost": _xgboost}


def library_of(student):
    """Return the module that teaches this student, or None.

    The modules have ``objection(student)``, ``check_fit_params(student, fit_params)`` and
    ``teach(student, transfer_set)``, as a strategy, and ``own_fit_params(fit_params, classes)``.
    """
    return _LIBRARIES.get(booster_of(student))


def check_fit_params(student, fit_params):
    """Refuse what a booster cannot be given, or misses; of other students nothing."""
    library = library_of(student)
    if library is not None:
        library.check_fit_params(student, fit_params)


def as_booster_takes(student, targets, fit_params):
    """Return targets and fit parameters in the form for a booster's own ``fit`` on labels.

    Weights of rows get a magnitude that it can use, and labels to stop early by the form of those
    that it learns. For other students both are returned as they are.
    """
    library = library_of(student)
    if library is None:
        return targets, fit_params
    own_params = library.own_fit_params(fit_params, targets.classes)
    return with_usable_weights(targets), own_params
