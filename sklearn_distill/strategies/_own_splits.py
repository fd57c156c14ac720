"""Students that split the rows themselves, so that no copies of one row are on two sides.

To calibrate, to search, to stop early or to judge out of bag, a student holds out rows of its
training set. If that has several copies of a row, some are held out and others are not.
"""

import warnings

import numpy as np
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import check_cv
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.strategies._strategy import fit_bare, weight_argument
from sklearn_distill.utils._sklearn_private import BaseSearchCV
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import indexable_rows

#: Folds in which a student with ``cv=None`` would leave out one row at a time.
DEFAULT_FOLDS = 5


def own_split(student):
    """Return the setting by which a student splits the rows itself, and its value; else None."""
    params = student.get_params(deep=True)
    for key, value in params.items():
        if _splits_rows(student, params, key, key.rpartition("__")[2], value):
            return key, value
    return None


def may_have_copies(student):
    """Tell whether a student that splits the rows itself can be kept from splitting copies."""
    key, _ = own_split(student)
    if key == "cv":
        return True
    if key == "oob_score":
        return isinstance(
            student, BaggingClassifier | ExtraTreesClassifier | RandomForestClassifier
        )
    rounds = MLPClassifier | SGDClassifier | GradientBoostingClassifier
    return key in ("early_stopping", "n_iter_no_change") and isinstance(student, rounds)


def settle_before_copies(student, transfer_set):
    """Take what would split copies off a student, in place.

    Early stopping is done beforehand: as many rounds as on the labels alone, held-out rows and
    all, are taken for the copies too. Scores out of bag are left out, with a warning.

    Parameters
    ----------
    student : estimator
        One that :func:`may_have_copies`, or does not split rows.
    transfer_set : TransferSet
    """
    key, _ = own_split(student) or (None, None)
    if key == "oob_score":
        student.set_params(oob_score=False)
        warnings.warn(
            f"{name_of(student)} is fitted without oob_score: copies of a row would be in the bag "
            "and out of it. Set oob_score=False to accept this silently.",
            UserWarning,
            stacklevel=2,
        )
    elif key in ("early_stopping", "n_iter_no_change"):
        twin = _fitted_on_labels(student, transfer_set)
        if isinstance(student, GradientBoostingClassifier):
            student.set_params(n_iter_no_change=None, n_estimators=twin.n_estimators_)
        else:
            rounds = int(twin.n_iter_)
            student.set_params(early_stopping=False, max_iter=rounds, n_iter_no_change=rounds)
            if isinstance(student, SGDClassifier):
                student.set_params(tol=None)


def fit_on_copies(student, X, y, params, transfer_set, copies):
    """Fit a student on copies of rows, and return it; a ``cv`` of its own splits whole rows.

    Parameters
    ----------
    student : estimator
        After :func:`settle_before_copies`.
    X, y : rows and ndarray
        The copies.
    params : dict
        Further arguments of ``fit``.
    transfer_set : TransferSet
    copies : (rows, labels, weight)
        Arrays of shape (n_copies,): of which row each is one, and with what label and weight.
    """
    key, own_cv = own_split(student) or (None, None)
    if key == "cv":
        student.set_params(cv=_splits_of_copies(student, transfer_set, *copies))
    with warnings.catch_warnings():
        if isinstance(student, MLPClassifier):
            # Of rounds that were settled beforehand it is no news that there are no more.
            warnings.simplefilter("ignore", ConvergenceWarning)
        elif isinstance(student, BaseSearchCV):
            warnings.filterwarnings("ignore", ".* does not support sample_weight")
        student = fit_bare(student, X, y, **params)
    return student.set_params(cv=own_cv) if key == "cv" else student


def _splits_of_copies(student, transfer_set, rows, labels, weight):
    """Return the splits of a student's ``cv``, of rows, as positions among their copies.

    Rows of X_unlabeled are dealt out over the folds. A search judges without weights, and so sees
    one copy of each labelled row: that of its real label, or else the heaviest.
    """
    targets = transfer_set.targets
    y = targets.classes[targets.labels]
    leaves_one_out = student.cv is None and hasattr(student, "store_cv_results")
    cv = check_cv(DEFAULT_FOLDS if leaves_one_out else student.cv, y, classifier=True)
    groups = transfer_set.fit_params.get("groups")
    splits = list(cv.split(indexable_rows(transfer_set.X), y, groups))
    judged = np.ones(len(rows), dtype=bool)
    if isinstance(student, BaseSearchCV):
        judged = _one_copy_each(rows, labels, weight, targets)
    unlabeled = np.arange(targets.n_labeled, targets.n_rows)
    found = []
    for fold, (train, test) in enumerate(splits):
        dealt = unlabeled % len(splits) == fold
        in_train = np.isin(rows, np.r_[np.asarray(train), unlabeled[~dealt]])
        in_test = np.isin(rows, np.r_[np.asarray(test), unlabeled[dealt]]) & judged
        found.append((np.flatnonzero(in_train), np.flatnonzero(in_test)))
    return found


def _one_copy_each(rows, labels, weight, targets):
    real = np.r_[targets.labels, np.full(targets.n_rows - targets.n_labeled, -1)][rows]
    order = np.lexsort((-weight, labels != real, rows))
    first = np.r_[True, np.diff(rows[order]) > 0]
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[order[first]] = True
    return chosen & (rows < targets.n_labeled)


def _fitted_on_labels(student, transfer_set):
    targets = transfer_set.targets
    weight = weight_argument(student, targets.row_weight[: targets.n_labeled])
    y = targets.classes[targets.labels]
    return fit_bare(clone_of(student), transfer_set.X, y, **weight, **transfer_set.fit_params)


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
