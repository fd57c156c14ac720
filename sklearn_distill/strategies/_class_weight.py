"""Class weights that the user set on the student, taken off it and put into the targets."""

from inspect import signature

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_class_weight

from sklearn_distill.utils.dispatch import name_of

#: Class weights of boosters that are no plain numbers: they are counted, or in another order.
_OF_LIBRARIES = ("auto_class_weights", "class_weights", "is_unbalance")


def take_class_weight(student, targets):
    """Take the class weights off a student, in place, and return the targets that have them.

    Parameters
    ----------
    student : estimator
        Its settings ``class_weight`` (of nested estimators too) become None, and a booster's
        ``scale_pos_weight`` 1.
    targets : SoftTargets

    Returns
    -------
    SoftTargets

    Raises
    ------
    TypeError
        If estimators inside the student have different class weights.
    """
    params = student.get_params(deep=True)
    for key in _OF_LIBRARIES:
        if params.get(key):
            raise TypeError(
                f"{name_of(student)} has {key}={params[key]!r}, which would weigh the copies of "
                "its rows. Use strategy='soft-boosting', which knows it, or pass sample_weight."
            )
    wanted = {k: v for k, v in params.items() if k.rpartition("__")[2] == "class_weight"}
    if any(value is not None for value in wanted.values()):
        first, *others = wanted.values()
        if any(other != first for other in others):
            raise TypeError(
                f"{name_of(student)} has different class weights inside, {wanted}, and soft "
                "targets take one. Set them alike, or pass sample_weight."
            )
        student.set_params(**dict.fromkeys(wanted))
        targets = targets.with_class_weight(_by_class(first, student, targets))
    if len(targets.classes) == 2 and params.get("scale_pos_weight") not in (None, 1):
        student.set_params(scale_pos_weight=1)
        targets = targets.with_class_weight([1.0, params["scale_pos_weight"]])
    return targets


def counted_class_weight(student):
    """Return a setting that makes classes equally heavy, as "name=value"; None without one."""
    params = student.get_params(deep=True) if hasattr(student, "get_params") else {}
    for name, value in params.items():
        last = name.rpartition("__")[2]
        balanced = last == "class_weight" and str(value) in ("balanced", "balanced_subsample")
        if balanced or (last in ("is_unbalance", "auto_class_weights") and value):
            return f"{last}={value!r}"
    return None


def balanced_weight(targets, *, count_weights):
    """Return weights that make the real classes equally heavy, n / (n_classes count).

    Parameters
    ----------
    targets : SoftTargets
    count_weights : bool
        Whether rows count by their weight.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    weight = targets.row_weight[: targets.n_labeled] if count_weights else None
    counts = np.bincount(targets.labels, weight, minlength=len(targets.classes))
    # A class that has rows of weight 0 only has nothing to be balanced.
    return np.where(counts > 0, counts.sum() / (len(counts) * np.where(counts > 0, counts, 1)), 1)


def _by_class(class_weight, student, targets):
    if class_weight == "balanced":
        return balanced_weight(targets, count_weights=_counts_weights(student))
    y = targets.classes[targets.labels]
    return compute_class_weight(class_weight, classes=targets.classes, y=y)


def _counts_weights(student):
    """Tell whether ``class_weight="balanced"`` of the student counts ``sample_weight``.

    In scikit-learn, from 1.7 on, linear classifiers and forests do, and trees count rows. The twin
    without a teacher does as its library does, and the two are to differ in the teacher alone.
    """
    counts = "sample_weight" in signature(compute_class_weight).parameters
    kinds = LogisticRegression | LinearSVC | RandomForestClassifier | ExtraTreesClassifier
    return counts and isinstance(student, kinds)
