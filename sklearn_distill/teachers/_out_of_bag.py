"""Out-of-bag votes: the honest labels that a fitted forest or bagging has of its own rows.

Of regressors they are values.

Every tree of a forest was fitted on a sample of the rows. The votes of those that did not see a
row are as good as out-of-fold labels of it, and cost one prediction instead of several fits. They
are worthless if the rows are not the ones that the forest was fitted on, in the same order: so
that is proved first.
"""

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils import check_array

from sklearn_distill.teachers._outputs import Remarks, align_columns, refuse_missing_classes
from sklearn_distill.utils._sklearn_private import n_samples_of_bagging
from sklearn_distill.utils.cloning import thawed
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step, reach_last_step

#: How far votes may be from those that the teacher has stored, of the rows that it was fitted on.
_ROUNDING = 1e-6

_FORESTS = (
    RandomForestClassifier | ExtraTreesClassifier,
    RandomForestRegressor | ExtraTreesRegressor,
)
_BAGGINGS = BaggingClassifier | BaggingRegressor


class _Member(NamedTuple):
    """One estimator of a bagging: which rows it saw, and which columns."""

    estimator: object
    in_bag: np.ndarray
    columns: object


def read_out_of_bag(reader, X, y, columns):
    """Return what out-of-bag votes are worth, as :meth:`TeacherReader.ask` gives it.

    Parameters
    ----------
    reader : TeacherReader
        Fitted.
    X, y
        As in :func:`out_of_bag_proba`.
    columns : ndarray
        The classes of the student, or the numbers of its outputs.

    Returns
    -------
    answers : ndarray of shape (n_samples, n_columns)
        Log-probabilities, or values; NaN for a row without a vote.
    remarks : Remarks

    Raises
    ------
    ValueError
        As in :func:`out_of_bag_proba`, or if the teacher lacks a class.
    """
    if not reader.of_classes:
        values, std = out_of_bag_values(reader.teacher, X, y)
        return np.hstack([values, std] if reader.with_std else [values]), Remarks(len(values))
    proba, known = out_of_bag_proba(reader.teacher, X, y)
    refuse_missing_classes(known, columns, who="The teacher")
    with np.errstate(divide="ignore"):
        return align_columns(
            np.log(proba), known, columns, who=f"The teacher {reader.name} returned"
        )


def out_of_bag_proba(teacher, X, y):
    """Return the mean vote on each row of the members that did not see it.

    Parameters
    ----------
    teacher : estimator
        Fitted; a Pipeline or a FrozenEstimator is looked into.
    X : rows
        Those that it was fitted on, in the same order.
    y : ndarray of shape (n_samples,)
        Their labels.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        Columns in the order of ``classes``; NaN for a row that every member saw.
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If the teacher has no such votes, or it cannot be proved that the rows are its own.
    """
    teacher, X, members = _opened(teacher, X, len(y))
    codes = np.searchsorted(teacher.classes_, y)
    if not np.array_equal(teacher.classes_[np.minimum(codes, len(teacher.classes_) - 1)], y):
        raise ValueError(_not_its_rows(teacher))
    stored = getattr(teacher, "oob_decision_function_", None)
    n_classes = len(teacher.classes_)

    def is_own(tree, own_classes, leaves, in_bag):
        # Whatever the weights: a class has a share of a leaf if one of its rows has.
        found = np.zeros((tree.node_count, n_classes), dtype=bool)
        found[leaves, codes[in_bag]] = True
        expected = np.zeros_like(found)
        expected[:, own_classes] = tree.value[:, 0, :] > 0
        return (found == expected).all(axis=1)

    total, n_votes = np.zeros((len(y), n_classes)), np.zeros(len(y))
    for member, rows, unseen in _proved(teacher, members, X, is_own, stored):
        own = np.asarray(member.estimator.classes_).astype(int)
        total[np.ix_(unseen, own)] += member.estimator.predict_proba(rows[unseen])
        n_votes += unseen
    with np.errstate(invalid="ignore"):  # no vote at all is NaN
        proba = total / n_votes[:, None]
    if stored is not None and not _are_the_stored(proba, stored):
        raise ValueError(_not_its_rows(teacher))
    return proba, teacher.classes_


def out_of_bag_values(teacher, X, y):
    """Return the mean, for each row, of the values of the members that did not see it.

    Parameters
    ----------
    teacher, X
        As in :func:`out_of_bag_proba`.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The real values.

    Returns
    -------
    values, std : ndarray of shape (n_samples, n_outputs)
        Mean and standard deviation over these members; NaN for a row that every member saw.

    Raises
    ------
    ValueError
        As in :func:`out_of_bag_proba`.
    """
    y = y.reshape(len(y), -1)
    teacher, X, members = _opened(teacher, X, len(y))
    stored = getattr(teacher, "oob_prediction_", None)
    room = _ROUNDING * np.ptp(y, axis=0) + np.finfo(np.float64).eps * np.abs(y).max(axis=0)

    def is_own(tree, _, leaves, in_bag):
        # Whatever the weights and the criterion: a leaf's value is between those of its rows.
        low = np.full((tree.node_count, y.shape[1]), np.inf)
        high = -low
        np.minimum.at(low, leaves, y[in_bag])
        np.maximum.at(high, leaves, y[in_bag])
        value = tree.value[:, :, 0]
        return ((value >= low - room) & (value <= high + room)).all(axis=1)

    middle = y.mean(axis=0)  # of large values the squares would lose their last digits
    total, squares, n_votes = np.zeros(y.shape), np.zeros(y.shape), np.zeros((len(y), 1))
    for member, rows, unseen in _proved(teacher, members, X, is_own, stored):
        said = member.estimator.predict(rows[unseen]).reshape(-1, y.shape[1]) - middle
        total[unseen] += said
        squares[unseen] += said**2
        n_votes[unseen] += 1
    with np.errstate(invalid="ignore"):
        mean = total / n_votes
        std = np.sqrt(np.maximum(squares / n_votes - mean**2, 0.0))
    values = mean + middle
    if stored is not None:
        # Rows without a vote are stored as 0 by forests, and are not looked at.
        stored = stored.reshape(values.shape)
        judged = n_votes[:, 0] > 0
        if not (np.abs(values - stored)[judged] <= room + np.abs(values[judged]) * 1e-9).all():
            raise ValueError(_not_its_rows(teacher))
    return values, std


def _opened(teacher, X, n_rows):
    """Return a forest or bagging, the rows as they reach it, and its members."""
    teacher, X = _innermost(teacher, X)
    members = _members(teacher)
    X = check_array(
        X, dtype=_dtype_of(teacher), accept_sparse="csr", ensure_all_finite=False, copy=False
    )
    if {n_rows, X.shape[0]} != {n_samples_of_bagging(teacher)}:
        raise ValueError(_not_its_rows(teacher))
    return teacher, X, members


def _proved(teacher, members, X, is_own, stored):
    """Yield each member that left rows out, its columns of all rows, and which rows these are.

    Raises
    ------
    ValueError
        Unless the leaves of trees hold as many rows as in training, and ``is_own`` of what they
        hold; other members are believed if the teacher has stored its votes.
    """
    for member in members:
        rows = X if member.columns is None else X[:, member.columns]
        if hasattr(member.estimator, "tree_"):
            tree, in_bag = member.estimator.tree_, np.unique(member.in_bag)
            leaves = member.estimator.apply(rows[in_bag])
            # A tree counts the rows of a leaf that have any weight.
            counts = np.bincount(leaves, minlength=tree.node_count)
            own_classes = np.asarray(getattr(member.estimator, "classes_", [])).astype(int)
            same = (counts == tree.n_node_samples) & is_own(tree, own_classes, leaves, in_bag)
            if not same[tree.children_left == -1].all():
                raise ValueError(_not_its_rows(teacher))
        elif stored is None:
            raise ValueError(
                f"cv='out-of-bag' cannot prove that the teacher {name_of(teacher)} of "
                f"{name_of(member.estimator)} was fitted on these rows. Fit it with "
                "oob_score=True, or label by clones of it, cv=5."
            )
        unseen = np.ones(X.shape[0], dtype=bool)
        unseen[member.in_bag] = False
        if unseen.any():
            yield member, rows, unseen


def has_out_of_bag_votes(teacher):
    """Tell whether a fitted teacher left rows out of the bags of its members."""
    try:
        return bool(_members(thawed(last_step(thawed(teacher)))))
    except ValueError:
        return False


def _innermost(teacher, X):
    """Return the forest and the rows as they reach it, through Pipelines and what is frozen."""
    while True:
        inner, X = reach_last_step(teacher, X)
        inner = thawed(inner)
        if inner is teacher:
            return teacher, X
        teacher = inner


def check_has_bags(teacher):
    """Raise ValueError unless members of a teacher, fitted or not, leave rows out of bags."""
    _check_has_bags(thawed(last_step(thawed(teacher))))


def _check_has_bags(teacher):
    of_classes = isinstance(teacher, _FORESTS[0] | BaggingClassifier)
    forest = isinstance(teacher, _FORESTS[0] | _FORESTS[1])
    if not forest and not isinstance(teacher, _BAGGINGS):
        raise ValueError(
            "cv='out-of-bag' reads the votes of a fitted forest, BaggingClassifier or "
            f"BaggingRegressor. Got a {name_of(teacher)}. Leave cv out, or label by clones of it, "
            "cv=5."
        )
    several = of_classes and getattr(teacher, "n_outputs_", 1) > 1
    if (forest and not teacher.bootstrap) or several:
        raise ValueError(
            f"The teacher {name_of(teacher)} has bootstrap=False: every tree has seen every row, "
            "and no vote is out of the bag. Fit it with bootstrap=True, or label by clones, cv=5."
        )


def _members(teacher):
    _check_has_bags(teacher)
    forest = isinstance(teacher, _FORESTS[0] | _FORESTS[1])
    columns = [None] * len(teacher.estimators_) if forest else teacher.estimators_features_
    return [
        _Member(*parts)
        for parts in zip(teacher.estimators_, teacher.estimators_samples_, columns, strict=True)
    ]


def _dtype_of(teacher):
    # Trees take float32; what a bagging holds takes what it was given.
    return None if isinstance(teacher, _BAGGINGS) else np.float32


def _are_the_stored(proba, stored):
    if proba.shape != stored.shape:
        return False
    judged = np.isfinite(proba).all(axis=1)
    return np.allclose(proba[judged], stored[judged], rtol=0, atol=_ROUNDING)


def _not_its_rows(teacher):
    return (
        f"cv='out-of-bag' needs the rows that the teacher {name_of(teacher)} was fitted on, in "
        "the same order, and these are others. Pass them, or label by clones of it, cv=5."
    )
