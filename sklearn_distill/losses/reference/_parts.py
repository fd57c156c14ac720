"""What the reference losses share: tempering, means over rows, spreads and correlations."""

import numpy as np
from scipy.special import log_softmax, logsumexp

from sklearn_distill.losses._checks import (
    check_logits,
    refuse_zeros,
)

#: Spread of a row of logits below which its z-scores are no longer stretched to 1.
STD_FLOOR = 1e-3
#: Spread of probabilities below which they count as constant, and have no correlation.
SPREAD_FLOOR = 1e-12
#: Added to the teacher's cross-entropy before dividing by it, as the authors of WSLD do.
WSLD_EPS = 1e-7


def arrays(student_logits, teacher_log_proba, temperature):
    z = np.asarray(student_logits, dtype=np.float64)
    log_p = np.asarray(teacher_log_proba, dtype=np.float64)
    check_logits(z.shape, log_p.shape, temperature)
    return z, log_p


def tempered(student_logits, teacher_log_proba, temperature):
    """Return log p_T and log q_T."""
    z, log_p = arrays(student_logits, teacher_log_proba, temperature)
    return log_softmax(log_p / temperature, axis=1), log_softmax(z / temperature, axis=1)


def mean(rows, sample_weight):
    if sample_weight is None:
        return float(np.mean(rows))
    sample_weight = np.asarray(sample_weight, dtype=np.float64)
    total = sample_weight.sum()
    return float(sample_weight @ rows / total) if total > 0 else 0.0


def divergence(log_p, log_q):
    """Return KL(p || q) of each row, where 0 log 0 is 0."""
    p = np.exp(log_p)
    log_ratio = np.subtract(log_p, log_q, out=np.zeros_like(p), where=p > 0)
    return np.sum(p * log_ratio, axis=1)


def cross_entropy(log_q, labels):
    """Return -log q of each row's class, and 0 for a row without a label."""
    labels = np.asarray(labels)
    picked = -log_q[np.arange(len(labels)), np.maximum(labels, 0)]
    return np.where(labels < 0, 0.0, picked)


def split_target(log_p, target):
    """Return log-probabilities of the other classes among themselves, and of target or other."""
    others = np.where(target, -np.inf, log_p)
    mass = logsumexp(others, axis=1, keepdims=True)
    # A teacher without any doubt has no other classes: -inf stays -inf.
    among_others = others - np.maximum(mass, np.finfo(np.float64).min)
    return among_others, np.column_stack([log_p[target], mass[:, 0]])


def centred(rows):
    return rows - rows.mean(axis=1, keepdims=True)


def z_scores(logits):
    std = logits.std(axis=1, ddof=1, keepdims=True)
    return centred(logits) / np.maximum(std, STD_FLOOR)


def lack_of_correlation(student, teacher, weight=None):
    """Return 1 minus Pearson's correlation along the last axis; 0 if the teacher is constant."""
    weight = np.ones(student.shape[1]) if weight is None else np.asarray(weight, np.float64)
    weight = weight / max(weight.sum(), np.finfo(np.float64).tiny)
    (student, _), (teacher, constant) = (standardized(v, weight) for v in (student, teacher))
    return np.where(constant, 0.0, 1 - (student * teacher) @ weight)


def standardized(rows, weight):
    centred = rows - (rows @ weight)[:, None]
    spread = np.sqrt(centred**2 @ weight)
    rounding = 4 * np.finfo(np.float64).eps * np.sqrt(rows**2 @ weight)
    constant = spread <= np.maximum(rounding, SPREAD_FLOOR)
    return np.where(
        constant[:, None], 0, centred / np.where(constant, 1, spread)[:, None]
    ), constant


def check_positive(name, log_p):
    if not np.isfinite(log_p).all():
        refuse_zeros(name)
