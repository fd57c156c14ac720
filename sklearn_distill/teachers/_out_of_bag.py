"""Out-of-bag votes: the honest labels that a fitted forest or bagging has of its own rows.

Every tree of a forest was fitted on a sample of the rows. The votes of those that did not see a
row are as good as out-of-fold labels of it, and cost one prediction instead of several fits. They
are worthless if the rows are not the ones that the forest was fitted on, in the same order: so
that is proved first.
"""

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.utils import check_array

from sklearn_distill.teachers._outputs import align_columns, refuse_missing_classes
from sklearn_distill.utils._sklearn_private import n_samples_of_bagging
from sklearn_distill.utils.cloning import thawed
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step, reach_last_step

#: How far votes may be from those that the teacher has stored, of the rows that it was fitted on.
_ROUNDING = 1e-6


class _Member(NamedTuple):
    """One estimator of a bagging: which rows it saw, and which columns."""

    estimator: object
    in_bag: np.ndarray
    columns: object


def read_out_of_bag(reader, X, y, classes):
    """Return the log-probabilities of out-of-bag votes, as :meth:`TeacherReader.ask` gives them.

    Parameters
    ----------
    reader : TeacherReader
        Fitted.
    X, y
        As in :func:`out_of_bag_proba`.
    classes : ndarray of shape (n_classes,)
        The classes of the student.

    Returns
    -------
    log_proba : ndarray of shape (n_samples, n_classes)
        NaN for every class of a row without a vote.
    remarks : Remarks

    Raises
    ------
    ValueError
        As in :func:`out_of_bag_proba`, or if the teacher lacks a class.
    """
    proba, known = out_of_bag_proba(reader.teacher, X, y)
    refuse_missing_classes(known, classes, who="The teacher")
    with np.errstate(divide="ignore"):
        return align_columns(
            np.log(proba), known, classes, who=f"The teacher {reader.name} returned"
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
    teacher, X = _innermost(teacher, X)
    members = _members(teacher)
    X = check_array(
        X, dtype=_dtype_of(teacher), accept_sparse="csr", ensure_all_finite=False, copy=False
    )
    if {len(y), X.shape[0]} != {n_samples_of_bagging(teacher)}:
        raise ValueError(_not_its_rows(teacher))
    codes = np.searchsorted(teacher.classes_, y)
    if not np.array_equal(teacher.classes_[np.minimum(codes, len(teacher.classes_) - 1)], y):
        raise ValueError(_not_its_rows(teacher))
    stored = getattr(teacher, "oob_decision_function_", None)
    total = np.zeros((len(y), len(teacher.classes_)))
    n_votes = np.zeros(len(y))
    for member in members:
        rows = X if member.columns is None else X[:, member.columns]
        if hasattr(member.estimator, "tree_"):
            _check_leaves(teacher, member, rows, codes)
        elif stored is None:
            raise ValueError(
                f"cv='out-of-bag' cannot prove that the teacher {name_of(teacher)} of "
                f"{name_of(member.estimator)} was fitted on these rows. Fit it with "
                "oob_score=True, or label by clones of it, cv=5."
            )
        unseen = np.ones(len(y), dtype=bool)
        unseen[member.in_bag] = False
        if unseen.any():
            own = np.asarray(member.estimator.classes_).astype(int)
            total[np.ix_(unseen, own)] += member.estimator.predict_proba(rows[unseen])
            n_votes += unseen
    with np.errstate(invalid="ignore"):  # no vote at all is NaN
        proba = total / n_votes[:, None]
    if stored is not None and not _are_the_stored(proba, stored):
        raise ValueError(_not_its_rows(teacher))
    return proba, teacher.classes_


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


def _members(teacher):
    forest = isinstance(teacher, RandomForestClassifier | ExtraTreesClassifier)
    if not forest and not isinstance(teacher, BaggingClassifier):
        raise ValueError(
            "cv='out-of-bag' reads the votes of a fitted forest or BaggingClassifier. Got a "
            f"{name_of(teacher)}. Leave cv out, or label by clones of it, cv=5."
        )
    if (forest and not teacher.bootstrap) or getattr(teacher, "n_outputs_", 1) > 1:
        raise ValueError(
            f"The teacher {name_of(teacher)} has bootstrap=False: every tree has seen every row, "
            "and no vote is out of the bag. Fit it with bootstrap=True, or label by clones, cv=5."
        )
    columns = [None] * len(teacher.estimators_) if forest else teacher.estimators_features_
    return [
        _Member(*parts)
        for parts in zip(teacher.estimators_, teacher.estimators_samples_, columns, strict=True)
    ]


def _dtype_of(teacher):
    # Trees take float32; what a bagging holds takes what it was given.
    return None if isinstance(teacher, BaggingClassifier) else np.float32


def _check_leaves(teacher, member, X, codes):
    """Raise ValueError unless every leaf holds as many rows as in training, of the same classes.

    Whatever their weights: a tree counts the rows of a leaf that have any, and a class has a
    share of a leaf if one of its rows has.
    """
    tree = member.estimator.tree_
    in_bag = np.unique(member.in_bag)
    leaves = member.estimator.apply(X[in_bag])
    counts = np.bincount(leaves, minlength=tree.node_count)
    found = np.zeros((tree.node_count, len(teacher.classes_)), dtype=bool)
    found[leaves, codes[in_bag]] = True
    is_leaf = tree.children_left == -1
    own = np.asarray(member.estimator.classes_).astype(int)
    expected = np.zeros_like(found)
    expected[:, own] = tree.value[:, 0, :] > 0
    same = (counts == tree.n_node_samples) & (found == expected).all(axis=1)
    if not same[is_leaf].all():
        raise ValueError(_not_its_rows(teacher))


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
