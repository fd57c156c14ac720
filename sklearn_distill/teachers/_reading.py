"""The one place where a teacher is asked for its opinion.

The canonical teacher output is the log-probability of each class: softmax of
``log p / T`` equals softmax of ``logits / T`` exactly, so nobody has to guess
whether a number is a probability or a logit.
"""

import warnings

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_distill.teachers._boosters import BoosterTeacher, native_library
from sklearn_distill.teachers._torch import TorchTeacher
from sklearn_distill.utils.kinds import is_module, is_of_kind, last_step, name_of
from sklearn_distill.utils.rows import n_rows

#: Smallest probability that a teacher is believed to mean. Forests and trees
#: give exact zeros, whose logarithm no temperature can soften. The floor is
#: applied to the teacher's probabilities before they are blended with labels.
PROBABILITY_FLOOR = 1e-4

#: A row of probabilities may miss one by this much (float32 boosters do).
ROW_SUM_TOLERANCE = 1e-3

#: What rounding may leave below zero.
NEGATIVE_TOLERANCE = 1e-9

#: Mean probability on classes that y does not have, above which we speak up.
FOREIGN_MASS_TOLERANCE = 0.01


def is_fitted(teacher):
    """Tell whether ``teacher`` is to be used as it is."""
    if teacher is None:
        return False
    if is_module(teacher):
        return True
    if native_library(teacher):
        # Of the native boosters only CatBoost's may be untrained.
        return not hasattr(teacher, "is_fitted") or teacher.is_fitted()
    try:
        check_is_fitted(teacher)
    except (NotFittedError, TypeError):
        return False
    except AttributeError:
        # A foreign estimator without tags: scikit-learn's own sign is a trailing underscore.
        return any(name.endswith("_") and not name.startswith("__") for name in vars(teacher))
    return True


def as_classifier(teacher):
    """Return the teacher itself, or a bare module or booster in the form of a classifier."""
    if native_library(teacher):
        return BoosterTeacher(teacher)
    return TorchTeacher(teacher) if is_module(teacher) else teacher


def read_log_proba(teacher, X, classes, *, may_miss_classes=False):
    """Ask a fitted teacher for log-probabilities, in the order of ``classes``.

    Parameters
    ----------
    teacher : estimator
        Fitted; read through the first of ``predict_proba``,
        ``decision_function``, ``predict`` that it has.
    X : {array-like, sparse matrix, data frame, list} of n_samples rows
        Passed on as it is.
    classes : ndarray of shape (n_classes,)
        The classes of the student.
    may_miss_classes : bool, default=False
        Whether a class that the teacher does not know gets the floor (it was
        fitted on a fold without that class) instead of an error.

    Returns
    -------
    log_proba : ndarray of shape (n_samples, n_classes)
        Natural logarithms, floored at :data:`PROBABILITY_FLOOR`.

    Raises
    ------
    ValueError
        If the output is no probability of these classes for these rows.
    """
    who = f"The teacher {name_of(teacher)} returned"
    teacher = as_classifier(teacher)
    known = _known_classes(teacher, classes)
    if not may_miss_classes:
        refuse_missing_classes(known, classes, who="The teacher")
    if hasattr(teacher, "predict_proba"):
        proba = teacher.predict_proba(X)
    elif hasattr(teacher, "decision_function"):
        proba = _squash_decision(teacher, X, known)
    else:
        proba = _count_votes(teacher, X, known)
    return log_of_proba(align_columns(proba, known, classes, who=who, X=X))


def refuse_missing_classes(known, classes, who):
    """Raise ValueError if ``classes`` has one that is not in ``known``."""
    missing = [c for c in classes.tolist() if c not in set(np.asarray(known).tolist())]
    if missing:
        raise ValueError(
            f"{who} does not know the classes {missing} found in y. "
            "Refit it on data with these classes, or drop these rows."
        )


def align_columns(proba, known, classes, *, who, X):
    """Check ``proba`` and put its columns, named by ``known``, in the order of ``classes``.

    A class that ``known`` lacks gets a column of zeros (a fold that missed it);
    a class that ``classes`` lacks is taken out and the rest renormalised.
    """
    names = np.asarray(known).tolist()
    if len(set(names)) < len(names):
        raise ValueError(f"{who} a class more than once: {names}. Keep one column of each.")
    proba = check_proba(proba, n_samples=n_rows(X), n_columns=len(known), who=who)
    column = {c: j for j, c in enumerate(np.asarray(known).tolist())}
    order = [column.get(c, -1) for c in classes.tolist()]
    if order == list(range(len(known))):
        return proba
    aligned = np.where(np.array(order) >= 0, proba[:, order], 0.0)
    foreign = 1 - aligned.sum(axis=1)
    if foreign.mean() > FOREIGN_MASS_TOLERANCE:
        extra = [c for c in column if c not in set(classes.tolist())]
        warnings.warn(
            f"{who} {foreign.mean():.1%} of the probability on the classes {extra}, "
            "which y does not have. They are left out and the rest is renormalised. "
            "Train on rows with these classes if the student must know them.",
            UserWarning,
            stacklevel=2,
        )
    return aligned


def check_proba(proba, *, n_samples, n_columns, who):
    """Return ``proba`` as a float64 array, or raise ValueError saying what is wrong."""
    proba = np.asarray(proba, dtype=np.float64)
    if proba.shape != (n_samples, n_columns):
        raise ValueError(
            f"{who} probabilities of shape {proba.shape}; expected "
            f"{(n_samples, n_columns)}: one row per sample and one column per class."
        )
    rows = ~np.isfinite(proba).all(axis=1)
    if rows.any():
        raise ValueError(
            f"{who} NaN or infinite probabilities for {rows.sum()} of {n_samples} rows. "
            "Check it on these rows, or drop them."
        )
    rows = (proba < -NEGATIVE_TOLERANCE).any(axis=1)
    if rows.any():
        raise ValueError(
            f"{who} negative probabilities for {rows.sum()} of {n_samples} rows. "
            "Logits are not probabilities: pass them through scipy.special.softmax(z, axis=1)."
        )
    rows = np.abs(proba.sum(axis=1) - 1) > ROW_SUM_TOLERANCE
    if rows.any():
        raise ValueError(
            f"{who} probabilities that do not sum to one for {rows.sum()} of {n_samples} "
            "rows. Normalise each row."
        )
    return proba


def log_of_proba(proba):
    """Return log p after flooring at :data:`PROBABILITY_FLOOR` and renormalising."""
    floored = np.maximum(proba, PROBABILITY_FLOOR)
    floored /= floored.sum(axis=1, keepdims=True)
    return np.log(floored, out=floored)


def _known_classes(teacher, classes):
    """Return the teacher's ``classes_``; without any, columns are taken in sorted order."""
    for kind in ("regressor", "clusterer", "outlier_detector"):
        if is_of_kind(teacher, kind):
            raise ValueError(
                f"The teacher {name_of(teacher)} must be a classifier. Got a {kind} instead. Pass "
                "probabilities computed from it as fit(..., teacher_output=P) with teacher=None."
            )
    known = getattr(teacher, "classes_", classes)
    if isinstance(known, list) and np.ndim(known[0]) > 0:
        raise ValueError(
            f"The teacher {name_of(teacher)} is a multi-output classifier with {len(known)} "
            "targets. Pass a classifier of one target."
        )
    return np.asarray(known)


def _squash_decision(teacher, X, known):
    warnings.warn(
        f"The teacher {name_of(teacher)} has no predict_proba: its decision_function is read "
        "through a sigmoid (two classes) or softmax, which is not calibrated. Better: "
        "CalibratedClassifierCV(teacher).",
        UserWarning,
        stacklevel=3,
    )
    if len(known) > 2 and _decides_one_against_one(teacher):
        raise ValueError(
            f"The teacher {name_of(teacher)} has one-against-one decision values. "
            "Set decision_function_shape='ovr'."
        )
    decision = np.asarray(teacher.decision_function(X), dtype=np.float64)
    if decision.ndim == 1:
        return np.exp(np.column_stack([log_expit(-decision), log_expit(decision)]))
    return np.exp(log_softmax(decision, axis=1))


def _decides_one_against_one(teacher):
    """Look for the setting of a support vector classifier, through what may be around it."""
    bare = last_step(teacher)
    if hasattr(bare, "best_estimator_"):
        return _decides_one_against_one(bare.best_estimator_)
    return getattr(bare, "decision_function_shape", "ovr") == "ovo"


def _count_votes(teacher, X, known):
    warnings.warn(
        f"The teacher {name_of(teacher)} has only predict: its labels are read as certain, "
        "so there is nothing soft to learn. Better: a teacher with predict_proba, or "
        "CalibratedClassifierCV(teacher).",
        UserWarning,
        stacklevel=3,
    )
    votes = np.asarray(teacher.predict(X))
    strange = ~np.isin(votes, known)
    if strange.any():
        raise ValueError(
            f"The teacher {name_of(teacher)} predicted labels that are not among its classes "
            f"for {strange.sum()} of {len(votes)} rows."
        )
    return (votes[:, None] == known).astype(np.float64)
