"""What looks wrong in the answers of a teacher, once the real labels are beside them."""

import warnings

import numpy as np

#: A teacher whose log loss is less than this, times the entropy of what it says, knows the rows.
BY_HEART = 0.5

#: A value that differs from the real one by less than so many standard deviations repeats it.
REPEATED = 1e-6

#: A teacher whose least certain row is more certain than this has nothing soft to teach.
CERTAIN = 1 - 1.5e-4


def knows_by_heart(log_proba, labels):
    """Tell whether a teacher does better on rows than it expects of itself, by far.

    The log loss of honest probabilities is near their mean entropy. A teacher that was fitted on
    the rows has a half of that or less: it is as cautious as on new rows, and always right.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
        Finite, or NaN on rows of which the teacher says nothing.
    labels : ndarray of int, shape (n_labeled,)
    """
    known = ~np.isnan(log_proba).any(axis=1)
    log_proba, labels = log_proba[known], labels[known]
    loss = -log_proba[np.arange(len(labels)), labels].sum()
    entropy = -(np.exp(log_proba) * log_proba).sum()
    return bool(loss < BY_HEART * entropy)


def repeats_values(values, y):
    """Tell whether a teacher gives most rows the very values that they have.

    Parameters
    ----------
    values, y : ndarray of shape (n_labeled, n_outputs)
        NaN where the teacher says nothing.
    """
    known = ~np.isnan(values).any(axis=1)
    near = REPEATED * y.std(axis=0)
    same = (np.abs(values - y)[known] <= near).all(axis=1)
    return bool(known.any() and same.mean() > 0.5 and (near > 0).any())


def warn_if_certain(log_proba, name):
    """Warn if every row has one class at the ceiling: there is nothing soft to learn.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
    name : str
        The teacher's.
    """
    if np.fmax.reduce(log_proba, axis=1).min() > np.log(CERTAIN):
        warnings.warn(
            f"The teacher {name} is certain of every training row, so its labels are no softer "
            "than the real ones. It may have memorised the rows it was fitted on: set cv=5 to "
            "have them labelled out-of-fold, by clones of it.",
            UserWarning,
            stacklevel=4,
        )


def warn_if_contradicting(log_proba, labels):
    """Warn if the teacher agrees with the real labels clearly less than a guess would.

    Swapped columns look like this, and networks whose inputs were not scaled often do. A teacher
    with balanced classes may agree with fewer rows than the majority class does and still know
    every class, so that its mean over the classes must be worse than chance as well, by three
    standard errors.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
        NaN for a class that a fold could not know.
    labels : ndarray of int, shape (n_labeled,)
    """
    n_classes = log_proba.shape[1]
    known = ~np.isnan(log_proba).any(axis=1)
    log_proba, labels = log_proba[known], labels[known]
    if len(labels) == 0:
        return
    agrees = log_proba.argmax(axis=1) == labels
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    of_class = np.bincount(labels, agrees, minlength=n_classes)[present] / counts[present]
    share, majority = agrees.mean(), counts.max() / len(labels)
    error = np.sqrt((n_classes - 1) * (1 / counts[present]).sum()) / n_classes / present.sum()
    if share < majority and of_class.mean() < 1 / n_classes - 3 * error:
        warnings.warn(
            f"The teacher's first choice is the real label of {share:.0%} of the rows, and the "
            f"most frequent class is that of {majority:.0%}. Check the order of its columns "
            "(sorted classes, or named by classes=) and what its inputs must go through "
            "(preprocess=, a Pipeline).",
            UserWarning,
            stacklevel=6,
        )
