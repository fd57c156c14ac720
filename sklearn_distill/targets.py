"""What a student is to learn: the teacher's labels, blended with the real ones.

The mathematics of targets lives here, and the stage that obtains them from a
teacher: fit it if need be, label the training rows out-of-fold, label the rest.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import gen_even_slices
from sklearn.utils.parallel import Parallel, delayed

from sklearn_distill.teachers import (
    PROBABILITY_FLOOR,
    align_columns,
    log_of_proba,
    read_log_proba,
    refuse_missing_classes,
)
from sklearn_distill.utils._sklearn_private import slice_params, take_rows
from sklearn_distill.utils.kinds import name_of
from sklearn_distill.utils.progress import track
from sklearn_distill.utils.rows import indexable_rows, n_rows

#: Folds of the out-of-fold labels when ``cv=None``.
DEFAULT_FOLDS = 5


@dataclass(frozen=True)
class SoftTargets:
    """The ingredients of the targets, for every strategy to mix as it needs.

    Rows are those of X, then those of X_unlabeled.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels; every column below is in this order.
    labels : ndarray of shape (n_labeled,)
        Position in ``classes`` of the real label of each row of X.
    log_proba : ndarray of shape (n_rows, n_classes) or None
        The teacher's log-probabilities; None if ``alpha`` is 0.
    alpha : float
        Weight of the teacher's term on rows that have a label; rows without
        one have nothing but the teacher.
    temperature : float
        Softness of what the student learns.
    sample_weight : ndarray of shape (n_labeled,) or None
        Weight of each row of X.
    """

    classes: np.ndarray
    labels: np.ndarray
    log_proba: np.ndarray
    alpha: float
    temperature: float
    sample_weight: np.ndarray | None = None

    @property
    def n_labeled(self):
        """Number of rows with a real label."""
        return len(self.labels)

    @property
    def n_rows(self):
        """Number of rows, with those that only the teacher labelled."""
        return self.n_labeled if self.log_proba is None else len(self.log_proba)

    def one_hot(self):
        """Real labels as an array of shape (n_labeled, n_classes)."""
        return np.eye(len(self.classes))[self.labels]

    def blended(self):
        """Return m = (1 - alpha) onehot(y) + alpha p, of shape (n_rows, n_classes)."""
        m = np.exp(self.log_proba)
        labeled = m[: self.n_labeled]
        labeled *= self.alpha
        labeled[np.arange(self.n_labeled), self.labels] += 1 - self.alpha
        return m

    def tempered(self):
        """Return what the student learns, m ** (1 / temperature) renormalised."""
        return temper(self.blended(), self.temperature)

    def tempered_logits(self):
        """Return log(m) / temperature with each row centred on zero."""
        logits = np.log(self.blended())
        logits /= self.temperature
        return logits - logits.mean(axis=1, keepdims=True)

    def row_weight(self):
        """Return the weight of each row, or None if all are equal.

        Rows without a label weigh as much as the mean row that has one, so
        that scaling ``sample_weight`` changes nothing.
        """
        if self.sample_weight is None or np.ptp(self.sample_weight) == 0:
            return None
        n_unlabeled = self.n_rows - self.n_labeled
        return np.r_[self.sample_weight, np.full(n_unlabeled, self.sample_weight.mean())]


def temper(proba, temperature):
    """Raise probabilities to the power ``1 / temperature`` and renormalise.

    For probabilities p = softmax(z) this is softmax(z / temperature).

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Non-negative, with a positive entry in every row.
    temperature : float
        Above 1 flattens, below 1 sharpens, 1 changes nothing.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    if temperature == 1:
        return proba
    # Dividing by the largest first keeps small powers from underflowing.
    powered = (proba / proba.max(axis=1, keepdims=True)) ** (1 / temperature)
    powered /= powered.sum(axis=1, keepdims=True)
    return powered


def untemper(proba, temperature):
    """Undo :func:`temper`: raise to the power ``temperature`` and renormalise."""
    return temper(proba, 1 / temperature)


def targets_from_output(teacher_output, X, classes):
    """Return log-probabilities from probabilities that were computed elsewhere.

    A data frame is aligned by its column names; an array must have one column
    per class, in sorted order.
    """
    known = np.asarray(getattr(teacher_output, "columns", classes))
    refuse_missing_classes(known, classes, who="teacher_output")
    return log_of_proba(
        align_columns(teacher_output, known, classes, who="teacher_output has", X=X)
    )


def label_with_fitted(teacher, X, X_unlabeled, classes, *, n_jobs=None):
    """Label every row of X and X_unlabeled with a teacher that is used as it is.

    Returns
    -------
    log_proba : ndarray of shape (n_rows(X) + n_rows(X_unlabeled), n_classes)
    """
    parts = [_label(teacher, rows, classes, n_jobs) for rows in (X, X_unlabeled) if n_rows(rows)]
    return np.concatenate(parts)


def fit_and_label(
    teacher, X, y, X_unlabeled, classes, *, cv, fit_params, split_params, n_jobs=None, verbose=0
):
    """Fit clones of a teacher; label X out-of-fold (or in-sample) and X_unlabeled.

    Returns
    -------
    teacher : estimator
        A clone of ``teacher`` fitted on all rows of X.
    log_proba : ndarray of shape (n_rows(X) + n_rows(X_unlabeled), n_classes)
    """
    fitted = clone(teacher).fit(X, y, **fit_params)
    if cv == "in-sample":
        return fitted, label_with_fitted(fitted, X, X_unlabeled, classes, n_jobs=n_jobs)
    proba = _out_of_fold(teacher, X, y, classes, cv, fit_params, split_params, n_jobs, verbose)
    parts = [proba]
    if n_rows(X_unlabeled):
        parts.append(_label(fitted, X_unlabeled, classes, n_jobs))
    return fitted, np.concatenate(parts)


def warn_if_certain(log_proba, who):
    """Warn if every row has one class at the ceiling: there is nothing soft to learn.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
    who : str
        The teacher's name.
    """
    ceiling = -1.5 * PROBABILITY_FLOOR * log_proba.shape[1]
    if log_proba.max(axis=1).min() > ceiling:
        warnings.warn(
            f"The teacher {who} is certain of every training row, so its labels are no softer "
            "than the real ones. It may have memorised the rows it was fitted on: pass it "
            "unfitted, clone(teacher), to have them labelled out-of-fold.",
            UserWarning,
            stacklevel=4,
        )


def make_splitter(cv, y, seed):
    """Return the splitter of the out-of-fold labels; whole numbers are shuffled and seeded."""
    if cv is None or isinstance(cv, int | np.integer):
        return StratifiedKFold(cv or DEFAULT_FOLDS, shuffle=True, random_state=seed)
    return check_cv(cv, y, classifier=True)


def _label(teacher, X, classes, n_jobs):
    """Read the teacher in chunks of rows, one for each job."""
    X = indexable_rows(X)
    n_samples = n_rows(X)
    n_chunks = min(effective_n_jobs(n_jobs), n_samples)
    if n_chunks == 1:
        return read_log_proba(teacher, X, classes)
    # Threads: predicting releases the GIL, and pickling a forest would cost more.
    parts = Parallel(n_jobs=n_chunks, prefer="threads")(
        delayed(read_log_proba)(teacher, take_rows(X, np.arange(n_samples)[part]), classes)
        for part in gen_even_slices(n_samples, n_chunks)
    )
    return np.concatenate(parts)


def _out_of_fold(teacher, X, y, classes, cv, fit_params, split_params, n_jobs, verbose):
    X = indexable_rows(X)
    splits = _make_splits(cv, X, y, split_params)
    total = np.zeros((n_rows(X), len(classes)))
    times_labeled = np.zeros(n_rows(X), dtype=int)
    labels = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_label_fold)(teacher, X, y, classes, train, test, fit_params)
        for train, test in splits
    )
    progress = track(
        labels,
        total=len(splits),
        text=f"out-of-fold labels of {name_of(teacher)}",
        verbose=verbose,
    )
    for (_, test), log_proba in zip(splits, progress, strict=True):
        total[test] += np.exp(log_proba)
        times_labeled[test] += 1
    if not times_labeled.all():
        raise ValueError(
            f"cv leaves {np.sum(times_labeled == 0)} of {len(times_labeled)} rows without an "
            "out-of-fold label. Use a splitter that holds every row out at least once, such as "
            "StratifiedKFold, or cv='in-sample'."
        )
    return np.log(total / times_labeled[:, None])


def _make_splits(cv, X, y, split_params):
    try:
        return list(cv.split(X, y, **split_params))
    except ValueError as error:
        if "groups" in str(error) and "groups" not in split_params:
            raise ValueError(
                f"cv={cv} needs groups. Enable metadata routing, "
                "sklearn.set_config(enable_metadata_routing=True), and pass fit(..., groups=...)."
            ) from error
        raise


def _label_fold(teacher, X, y, classes, train, test, fit_params):
    held_out, y_train = take_rows(X, test), take_rows(y, train)
    present = np.unique(y_train)
    if len(present) == 1:
        # Most classifiers refuse to learn a single class; its label is certain.
        return log_of_proba(np.tile((classes == present[0]).astype(float), (len(test), 1)))
    fitted = clone(teacher).fit(
        take_rows(X, train), y_train, **slice_params(X, fit_params, indices=train)
    )
    return read_log_proba(fitted, held_out, classes, may_miss_classes=True)
