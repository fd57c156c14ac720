"""Settings of a student that count rows, which copies of rows would change the meaning of."""

import numbers

import numpy as np
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    train_test_split,
)
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.strategies._own_splits import may_have_copies, own_split
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.seeds import own_rng

#: Above this many rows HistGradientBoosting's ``early_stopping="auto"`` means True.
AUTO_EARLY_STOPPING_ROWS = 10_000

#: Settings that count rows, with the largest value that copies do not affect.
_ROW_COUNTS = {
    "min_samples_leaf": 1,
    "min_samples_split": 2,
    "min_child_samples": 1,
    "min_data_in_leaf": 1,
    "n_neighbors": 0,
    "max_samples": 0,
    "batch_size": 0,
}


def row_count_settings(student):
    """Return the settings of the student, nested ones too, whose meaning copies change."""
    return {
        key: value
        for key, value in student.get_params(deep=True).items()
        if isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and value > _ROW_COUNTS.get(key.rpartition("__")[2], np.inf)
    }


def scale_row_counts(student, n_copies):
    """Multiply the settings that count rows by the number of copies of each row, in place."""
    student.set_params(
        **{key: int(value * n_copies) for key, value in row_count_settings(student).items()}
    )


def objection_to_copies(student):
    """Return why a student must not see several copies of a row, or None."""
    objection = objection_to_soft_labels(student)
    if objection is None and own_split(student) and not may_have_copies(student):
        setting = "{}={!r}".format(*own_split(student))
        return f"would put copies of one row on both sides of the student's own split ({setting})"
    return objection


def objection_to_soft_labels(student):
    """Return why a student must not learn labels that stand for soft targets, or None."""
    if isinstance(student, FixedThresholdClassifier | TunedThresholdClassifierCV):
        return "would apply its threshold to tempered probabilities (put it around the model)"
    for key, value in student.get_params(deep=True).items():
        if key.rpartition("__")[2] == "class_weight" and value == "balanced_subsample":
            return f"cannot keep the meaning of {key}='balanced_subsample' (use 'balanced')"
    if any(key.endswith("class_weight") for key in _searched(student)):
        return "would weigh tempered labels (search outside, over 'student__...class_weight')"
    return None


def _searched(student):
    grids = getattr(student, "param_grid", None) or getattr(student, "param_distributions", ())
    return {key for grid in ([grids] if isinstance(grids, dict) else grids) for key in grid}


def held_out_rows(student, targets):
    """Choose the labelled rows that a HistGradientBoosting student stops early on, of values too.

    It would take them from the copies, and put copies of one row on both sides. Where it would
    not stop early on the real rows, it is told so, in place.

    Returns
    -------
    rows : ndarray of shape (n_held_out,)
        Positions in X; empty for every other student.
    """
    params = student.get_params(deep=False)
    wanted = params.get("early_stopping", False)
    if wanted == "auto":
        wanted = targets.n_labeled > AUTO_EARLY_STOPPING_ROWS
        student.set_params(early_stopping=wanted)
    if not wanted or params["validation_fraction"] is None:
        return np.empty(0, dtype=int)
    if not has_fit_parameter(student, "X_val"):
        raise ValueError(
            f"{name_of(student)} would stop early on copies of rows it trains on: it takes no "
            "X_val in fit (scikit-learn 1.7 and newer). Set early_stopping=False."
        )
    _, held_out = train_test_split(
        np.arange(targets.n_labeled),
        test_size=params["validation_fraction"],
        stratify=getattr(targets, "labels", None),  # values have no strata
        random_state=own_rng(params["random_state"]),
    )
    return np.sort(held_out)
