"""How far to believe the teacher, row by row.

A weight in [0, 1] for each labelled row, which multiplies ``alpha``; or targets that the real
labels have corrected.
"""

import numpy as np
from scipy.optimize import nnls
from scipy.special import log_softmax


def correct(log_proba, labels):
    """Believe the teacher where its first choice is the real label, and nowhere else."""
    return (log_proba.argmax(axis=1) == labels).astype(np.float64)


def confidence(log_proba, labels):
    """Believe the teacher by the probability of its first choice."""
    return np.exp(log_proba.max(axis=1))


#: The rules that need nothing but what the teacher said and the real labels.
TRUST = {"correct": correct, "confidence": confidence}


def trust_in_rows(trust, log_proba, labels):
    """Return how far the teacher is believed of each labelled row.

    Parameters
    ----------
    trust : key of :data:`TRUST`, or callable
        A callable gets the teacher's probabilities, of shape (n_labeled, n_classes), and the
        position of each real label among their columns.
    log_proba : ndarray of shape (n_labeled, n_classes)
        NaN on rows of which the teacher says nothing.
    labels : ndarray of int, shape (n_labeled,)

    Returns
    -------
    ndarray of shape (n_labeled,)
        In [0, 1].

    Raises
    ------
    ValueError
        If a callable returns something else.
    """
    known = ~np.isnan(log_proba).any(axis=1)
    weights = np.zeros(len(labels))
    if callable(trust):
        got = trust(np.exp(log_proba[known]), labels[known])
    else:
        got = TRUST[trust](log_proba[known], labels[known])
    weights[known] = _checked(np.asarray(got), known.sum())
    return weights


def precision(values, std, y, sample_weight=None):
    """Return how far a teacher of values is believed: the share of the noise in the real values.

    The best mean of two unbiased values weighs each by the inverse of its variance. That of the
    teacher is c s², with its standard deviation s; that of a real value is the noise σ². Both are
    found by least squares, without negative numbers, on the squared distances: deviations
    of trees are those of single trees, and of other teachers too small or too large.

    .. math:: \\frac{\\sigma^2}{\\sigma^2 + c s_i^2}, \\qquad
        \\min_{\\sigma^2, c \\ge 0} \\sum_i \\left((y_i - t_i)^2 - \\sigma^2 - c s_i^2\\right)^2

    Parameters
    ----------
    values, std, y : ndarray of shape (n_labeled, n_outputs)
        What the teacher says of rows that it has not seen, its standard deviations, and the real
        values.
    sample_weight : ndarray of shape (n_labeled,), default=None

    Returns
    -------
    ndarray of shape (n_labeled,)
        The mean over outputs.
    """
    known = ~np.isnan(values).any(axis=1)
    found = np.zeros(len(y))
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    root, shares = np.sqrt(weight[known]), []
    for t, s, real in zip(values[known].T, std[known].T, y[known].T, strict=True):
        scale = np.average((real - t) ** 2, weights=root**2) or 1.0
        variance = s**2 / scale
        A = np.column_stack([np.ones_like(variance), variance])
        (noise, factor), _ = nnls(A * root[:, None], (real - t) ** 2 / scale * root)
        of_both = noise + factor * variance
        shares.append(np.divide(noise, of_both, out=np.ones_like(of_both), where=of_both > 0))
    found[known] = np.mean(shares, axis=0)
    return found


def _checked(weights, n_rows):
    if weights.shape != (n_rows,):
        raise ValueError(
            f"trust returned an array of shape {weights.shape}. Expected one weight for each of "
            f"the {n_rows} rows."
        )
    outside = ~((weights >= 0) & (weights <= 1))
    if outside.any():
        raise ValueError(
            f"trust returned {outside.sum()} weights that are not from 0 to 1, such as "
            f"{weights[outside][0]}. They multiply alpha: divide them by their maximum."
        )
    return weights


def weighted_soft_labels(log_proba, log_student, labels):
    """Return the trust of weighted soft labels, 1 - exp(-loss of student / loss of teacher).

    The teacher is believed where a student without a teacher has more to learn than the teacher
    has [1]_.

    Parameters
    ----------
    log_proba, log_student : ndarray of shape (n_labeled, n_classes)
        What teacher and student say of rows that they have not seen.
    labels : ndarray of int, shape (n_labeled,)

    Returns
    -------
    ndarray of shape (n_labeled,)

    References
    ----------
    .. [1] H. Zhou et al., "Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance
       Tradeoff Perspective", ICLR 2021, `arXiv:2102.00650 <https://arxiv.org/abs/2102.00650>`_.
    """
    own = np.arange(len(labels)), labels
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = log_student[own] / log_proba[own]
    # A teacher that is certain and right is believed, whatever the student says.
    return -np.expm1(-np.where(log_proba[own] == 0, np.inf, ratio))


def orthogonal(log_proba, labels, temperature):
    """Return the teacher's log-probabilities after the real labels have corrected them.

    For the tempered probabilities w and r = onehot(y) / p - 1, the student of [1]_ learns
    w + w (r - <w, r>) / T. What is below 0 is cut off. At T=1 it is the real label.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
        Out-of-fold: on rows that the teacher has learned by heart there is nothing to correct.
    labels : ndarray of int, shape (n_labeled,)
    temperature : float

    Returns
    -------
    ndarray of shape (n_labeled, n_classes)
        Such that tempering gives what the student is to learn.

    References
    ----------
    .. [1] T. Dao, G. Kamath, V. Syrgkanis, L. Mackey, "Knowledge Distillation as Semiparametric
       Inference", ICLR 2021, `arXiv:2104.09732 <https://arxiv.org/abs/2104.09732>`_.
    """
    own = np.arange(len(labels)), labels
    log_w = log_softmax(log_proba / temperature, axis=1)
    # In logarithms: the label of a row may have less than the smallest float, and w_y / p_y is
    # then larger than the largest. What is below 0 keeps its order, far below everything else.
    log_ratio = log_w[own] - log_proba[own] - np.log(temperature)
    with np.errstate(divide="ignore", over="ignore"):
        left = np.log(np.maximum(1 - np.exp(log_ratio), np.finfo(np.float64).eps))
        of_label = np.logaddexp(log_w[own], log_ratio + np.log1p(-np.exp(log_w[own])))
    log_target = log_w + left[:, None]
    log_target[own] = of_label
    return log_softmax(temperature * log_target, axis=1)
