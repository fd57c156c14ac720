"""Boosted trees whose own library trains them on Hinton's loss: one file for each library."""

from sklearn_distill.trainers.boosting import _catboost, _lightgbm, _xgboost
from sklearn_distill.utils.kinds import booster_of

__all__ = ["library_of"]

_LIBRARIES = {"catboost": _catboost, "lightgbm": _lightgbm, "xgboost": _xgboost}


def library_of(student):
    """Return the module that trains this student, or None.

    The modules have ``objection(student)``, ``fit(student, X, targets, fit_params)`` with the rows
    of X_unlabeled below those of X, and ``margins(student, X)``.
    """
    return _LIBRARIES.get(booster_of(student))
