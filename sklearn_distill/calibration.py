"""Calibration of the teacher before it teaches: one temperature, found on real labels."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

#: The factor of the logarithms is looked for between 1/16 and 16.
_MOST = np.log(16.0)


def calibrating_factor(log_proba, labels, sample_weight=None):
    """Return the factor of the logarithms that makes a teacher's probabilities most likely.

    The argmin over t of the log loss of softmax(t log p): temperature scaling [1]_ with the
    inverse of its temperature. Above 1 a teacher was too cautious, below 1 too sure.

    Parameters
    ----------
    log_proba : ndarray of shape (n_labeled, n_classes)
        Of rows that the teacher has not seen. Finite, or NaN on rows of which it says nothing.
    labels : ndarray of int, shape (n_labeled,)
    sample_weight : ndarray of shape (n_labeled,), default=None

    Returns
    -------
    float
        1 if no row tells.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks",
       ICML 2017, `arXiv:1706.04599 <https://arxiv.org/abs/1706.04599>`_.
    """
    known = ~np.isnan(log_proba).any(axis=1)
    log_proba, labels = log_proba[known], labels[known]
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight[known]
    if not weight.any():
        return 1.0
    of_label = log_proba[np.arange(len(labels)), labels]

    def loss(log_factor):
        factor = np.exp(log_factor)
        return weight @ (logsumexp(factor * log_proba, axis=1) - factor * of_label)

    # Convex in the factor, and so of one minimum in its logarithm.
    return float(np.exp(minimize_scalar(loss, bounds=(-_MOST, _MOST), method="bounded").x))
