"""Boosted trees that their own library trains on soft targets: one file for each library."""

from sklearn_distill.strategies.boosting import _catboost, _lightgbm, _xgboost
from sklearn_distill.utils.dispatch import booster_of

__all__ = ["library_of"]

_LIBRARIES = {"catboost": _catboost, "lightgbm": _lightgbm, "xgboost": _xgboost}


def library_of(student):
    """Return the module that teaches this student, or None.

    The modules have ``objection(student)`` and ``teach(student, transfer_set)``, as a strategy.
    """
    return _LIBRARIES.get(booster_of(student))
