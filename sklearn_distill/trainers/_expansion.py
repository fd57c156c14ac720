"""From soft targets to rows with one label each.

A classifier that learns single labels learns a soft target from several copies
of the row, one for each label that matters. Settings of the student that count
rows would change their meaning, and are put right here.
"""

import numbers

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.utils._sklearn_private import slice_params, take_rows
from sklearn_distill.utils.kinds import name_of
from sklearn_distill.utils.rows import indexable_rows, n_rows, stack_rows
from sklearn_distill.utils.seeds import own_rng

#: A label with less than this share of its row's weight is left out, and the
#: row's other labels take its weight.
NEGLIGIBLE_SHARE = 1e-3

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


def expand(weights, *, equal_copies):
    """List the labels of each row that carry weight.

    Parameters
    ----------
    weights : ndarray of shape (n_rows, n_classes)
        Weight of each label; a row's sum is the row's weight, and rows without
        weight vanish.
    equal_copies : bool
        Whether every row gets the same number of labels, its heaviest ones.

    Returns
    -------
    rows, labels : ndarray of shape (n_copies,)
        Row and class of each copy.
    weights : ndarray of shape (n_copies,)
        Their weights. The sum over the copies of a row is the row's weight.
    """
    row_weight = weights.sum(axis=1, keepdims=True)
    keep = weights > NEGLIGIBLE_SHARE * row_weight
    if equal_copies:
        n_copies = keep.sum(axis=1).max()
        heaviest = np.argpartition(-weights, n_copies - 1, axis=1)[:, :n_copies]
        keep = np.zeros_like(keep)
        np.put_along_axis(keep, heaviest, True, axis=1)
        keep &= row_weight > 0
    else:
        # No class may vanish: the student would not know of it.
        lost = ~keep.any(axis=0)
        keep[weights[:, lost].argmax(axis=0), np.flatnonzero(lost)] = True
    rows, labels = np.nonzero(keep)
    kept = weights[rows, labels]
    kept_of_row = np.bincount(rows, kept, minlength=len(weights))
    return (
        rows,
        labels,
        kept * (row_weight.ravel() / np.where(kept_of_row > 0, kept_of_row, 1))[rows],
    )


def take_copies(X, X_unlabeled, rows, fit_params):
    """Return the copies of X and X_unlabeled, and ``fit_params`` copied along."""
    stacked = indexable_rows(stack_rows(X, X_unlabeled))
    per_row = [k for k, v in fit_params.items() if _one_per_row(v, n_rows(X))]
    if per_row and n_rows(X_unlabeled):
        raise ValueError(
            f"The fit parameters {per_row} have one value for each row of X, and none for those "
            "of X_unlabeled. Leave one of them out."
        )
    return take_rows(stacked, rows), slice_params(stacked, fit_params, indices=rows)


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


def resolve_class_weight(student, targets):
    """Replace ``class_weight='balanced'`` by the weights of the real labels, in place.

    Among copies every class would be equally frequent, and nothing balanced.
    """
    balanced = [
        key
        for key, value in student.get_params(deep=True).items()
        if key.rpartition("__")[2] == "class_weight" and isinstance(value, str)
    ]
    if balanced:
        counts = np.bincount(targets.labels, minlength=len(targets.classes))
        weight = targets.n_labeled / (len(counts) * counts)
        by_class = dict(zip(targets.classes.tolist(), weight.tolist(), strict=True))
        student.set_params(**dict.fromkeys(balanced, by_class))


def objection_to_copies(student):
    """Return why a student must not see several copies of a row, or None."""
    params = student.get_params(deep=True)
    for key, value in params.items():
        setting = key.rpartition("__")[2]
        if setting == "class_weight" and value == "balanced_subsample":
            return f"cannot keep the meaning of {key}='balanced_subsample' (use 'balanced')"
        if _splits_rows(student, params, key, setting, value):
            return (
                f"would put copies of one row on both sides of the student's own split "
                f"({key}={value!r}: switch it off, or search outside, over 'student__...')"
            )
    return None


def held_out_rows(student, targets):
    """Choose the labelled rows that a HistGradientBoosting student stops early on.

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
        stratify=targets.labels,
        random_state=own_rng(params["random_state"]),
    )
    return np.sort(held_out)


def _splits_rows(student, params, key, setting, value):
    if setting == "early_stopping":
        # For HistGradientBoosting itself, which knows 'auto', held_out_rows() sees to it.
        in_hand = "__" not in key and (value == "auto" or has_fit_parameter(student, "X_val"))
        return value in (True, "auto") and not in_hand
    if setting == "n_iter_no_change":
        gate = key.removesuffix(setting) + "early_stopping"
        return value is not None and gate not in params
    if setting == "cv":
        return value != "prefit"
    if setting == "probability":
        return value is True
    return setting == "oob_score" and bool(value)


def _one_per_row(value, n_samples):
    return hasattr(value, "__len__") and not isinstance(value, str) and len(value) == n_samples
