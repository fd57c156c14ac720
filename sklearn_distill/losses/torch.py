"""The losses on logits in torch: differentiable twins of :mod:`~sklearn_distill.losses.reference`.

Same names, same arguments, tensors in, a scalar tensor out. Formulas, settings and sources
are in the docstrings of the reference. Only the student's logits receive a
gradient. Half precision is computed in float32; everything stays in log space, so that
logits of ten thousand give finite values and gradients.

Examples
--------
>>> import torch
>>> from sklearn_distill.losses.torch import hinton
>>> teacher = torch.tensor([[0.7, 0.2, 0.1]]).log()
>>> logits = torch.zeros(1, 3, requires_grad=True)
>>> loss = hinton(logits, teacher, torch.tensor([0]), alpha=0.5, temperature=4.0)
>>> loss.backward()
>>> logits.grad
tensor([[-0.5192,  0.2100,  0.3092]])
"""

from math import log
from numbers import Real

import torch
from torch.nn.functional import cross_entropy, log_softmax

from sklearn_distill.losses._checks import (
    check_labels,
    check_logits,
    check_three_classes,
    refuse_zeros,
)
from sklearn_distill.losses.reference._parts import SPREAD_FLOOR, STD_FLOOR, WSLD_EPS

__all__ = [
    "dist",
    "dkd",
    "hinton",
    "jensen_shannon",
    "kl",
    "logit_mse",
    "logit_standardization",
    "reverse_kl",
    "soft_cross_entropy",
    "wsld",
]


def kl(student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None):
    """Return T² KL(p_T || q_T); see :func:`sklearn_distill.losses.reference.kl`."""
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * _mean(_divergence(log_p, log_q), sample_weight)


def soft_cross_entropy(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    """Return T² CE(p_T, q_T); see :func:`sklearn_distill.losses.reference.soft_cross_entropy`."""
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * _mean(-(log_p.exp() * log_q).sum(dim=1), sample_weight)


def logit_mse(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    """Return half the squared error; see :func:`sklearn_distill.losses.reference.logit_mse`."""
    z, log_p = _tensors(student_logits, teacher_log_proba, temperature)
    _check_positive("logit-mse", log_p)
    return _mean(_centred(z - log_p).square().mean(dim=1) / 2, sample_weight)


def jensen_shannon(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    """Return T² JS(p_T, q_T); see :func:`sklearn_distill.losses.reference.jensen_shannon`."""
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    log_m = torch.logaddexp(log_p, log_q) - log(2)
    rows = (_divergence(log_p, log_m) + _divergence(log_q, log_m)) / 2
    return temperature**2 * _mean(rows, sample_weight)


def reverse_kl(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    """Return T² KL(q_T || p_T); see :func:`sklearn_distill.losses.reference.reverse_kl`."""
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    _check_positive("reverse-kl", log_p)
    return temperature**2 * _mean(_divergence(log_q, log_p), sample_weight)


def dkd(
    student_logits,
    teacher_log_proba,
    *,
    temperature=1.0,
    labels=None,
    sample_weight=None,
    target_weight=1.0,
    non_target_weight=8.0,
):
    """Return the decoupled divergence; see :func:`sklearn_distill.losses.reference.dkd`."""
    check_labels("dkd", labels)
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dkd", log_p.shape[1])
    labels = torch.where(labels < 0, log_p.argmax(dim=1), labels)
    others_p, binary_p = _split_target(log_p, labels[:, None])
    others_q, binary_q = _split_target(log_q, labels[:, None])
    # The target has no probability among the others, and 0 times -inf is not 0 here.
    others_q = others_q.scatter(1, labels[:, None], 0)
    rows = target_weight * _divergence(binary_p, binary_q)
    rows = rows + non_target_weight * _divergence(others_p, others_q)
    return temperature**2 * _mean(rows, sample_weight)


def dist(
    student_logits,
    teacher_log_proba,
    *,
    temperature=1.0,
    labels=None,
    sample_weight=None,
    inter_weight=1.0,
    intra_weight=1.0,
):
    """Return the distance in correlation; see :func:`sklearn_distill.losses.reference.dist`."""
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dist", log_p.shape[1])
    p, q = log_p.exp(), log_q.exp()
    inter = _mean(_lack_of_correlation(q, p), sample_weight)
    intra = _lack_of_correlation(q.T, p.T, sample_weight).mean()
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


def logit_standardization(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    """Return T² KL of z-scores; see ``logit_standardization`` of the reference."""
    z, log_p = _tensors(student_logits, teacher_log_proba, temperature)
    check_three_classes("logit-standardization", z.shape[1])
    _check_positive("logit-standardization", log_p)
    return kl(_z_scores(z), _z_scores(log_p), temperature=temperature, sample_weight=sample_weight)


def wsld(student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None):
    """Return weighted T² KL(p_T || q_T); see :func:`sklearn_distill.losses.reference.wsld`."""
    check_labels("wsld", labels)
    z, log_p = _tensors(student_logits, teacher_log_proba, temperature)
    with torch.no_grad():
        loss_s, loss_t = (cross_entropy_rows(v, labels) for v in (z, log_p))
        weight = -torch.expm1(-loss_s / (loss_t + WSLD_EPS))
        weight = torch.where(labels < 0, torch.ones_like(weight), weight)
    rows = _divergence(*_tempered(z, log_p, temperature))
    return temperature**2 * _mean(weight * rows, sample_weight)


def hinton(
    student_logits,
    teacher_log_proba,
    labels,
    alpha,
    temperature=1.0,
    *,
    loss=kl,
    sample_weight=None,
):
    """Return the whole objective; see :func:`sklearn_distill.losses.reference.hinton`.

    With ``alpha=0`` and a label for every row this is
    :func:`torch.nn.functional.cross_entropy`, to the last bit, and the teacher may be None.
    """

    def soft(weight):
        return loss(
            student_logits,
            teacher_log_proba,
            temperature=temperature,
            labels=labels,
            sample_weight=weight,
        )

    unlabeled = labels < 0
    if isinstance(alpha, Real) and not unlabeled.any():
        if alpha == 1:
            return soft(sample_weight)
        hard = _cross_entropy_mean(student_logits, labels, sample_weight)
        return hard if alpha == 0 else (1 - alpha) * hard + alpha * soft(sample_weight)
    z = _at_least_single(student_logits)
    w = torch.ones_like(z[:, 0]) if sample_weight is None else sample_weight.to(z.dtype)
    alpha = torch.as_tensor(alpha, dtype=z.dtype, device=z.device)
    alpha = torch.where(unlabeled, torch.ones_like(w), alpha)
    # A loss knows no alpha, and some losses are no sums over rows. But all know weights: so alpha
    # goes into the weights, and what their mean divides by is multiplied back.
    share = _mean(alpha, w)
    return _mean((1 - alpha) * cross_entropy_rows(z, labels), w) + share * soft(w * alpha)


def cross_entropy_rows(logits, labels):
    """Return -log softmax(logits) of each row's class, and 0 for a row labelled -1."""
    return cross_entropy(logits, labels, reduction="none", ignore_index=-1)


def _cross_entropy_mean(logits, labels, sample_weight):
    if sample_weight is None:
        return cross_entropy(_at_least_single(logits), labels)
    return _mean(cross_entropy_rows(_at_least_single(logits), labels), sample_weight)


def _at_least_single(tensor):
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _tensors(student_logits, teacher_log_proba, temperature):
    """Return the logits and the detached log-probabilities in the same precision."""
    check_logits(student_logits.shape, teacher_log_proba.shape, temperature)
    z = _at_least_single(student_logits)
    return z, teacher_log_proba.detach().to(z.dtype)


def _tempered(student_logits, teacher_log_proba, temperature):
    """Return log p_T and log q_T."""
    z, log_p = _tensors(student_logits, teacher_log_proba, temperature)
    return log_softmax(log_p / temperature, dim=1), log_softmax(z / temperature, dim=1)


def _mean(rows, sample_weight):
    if sample_weight is None:
        return rows.mean()
    return (_shares(sample_weight.to(rows.dtype)) * rows).sum()


def _shares(weight):
    """Return weights divided by their sum, where a batch of zero weights stays one.

    Such a batch is worth 0, and so is its gradient. Dividing the sum of a loss by the smallest
    number instead would overflow on the way back (T² over it), and infinity times 0 is NaN. The
    weights come first for the same reason: they may be tiny themselves.
    """
    total = weight.sum()
    return weight / torch.where(total > 0, total, 1)


def _divergence(log_p, log_q):
    """Return KL(p || q) of each row, where 0 log 0 is 0."""
    # The smallest number is a finite stand-in for the logarithm of 0: 0 times it is 0.
    return (log_p.exp() * (log_p.clamp_min(torch.finfo(log_p.dtype).min) - log_q)).sum(dim=1)


def _split_target(log_p, target):
    """Return log-probabilities of the other classes among themselves, and of target or other."""
    others = log_p.scatter(1, target, -torch.inf)
    mass = others.logsumexp(dim=1, keepdim=True)
    # A teacher without any doubt has no other classes: -inf stays -inf.
    among_others = others - mass.clamp_min(torch.finfo(log_p.dtype).min)
    return among_others, torch.cat([log_p.gather(1, target), mass], dim=1)


def _centred(rows):
    return rows - rows.mean(dim=1, keepdim=True)


def _z_scores(logits):
    # std has no gradient where all are equal; the floor, applied to its square, has one of 0.
    variance = logits.var(dim=1, keepdim=True)
    return _centred(logits) / variance.clamp_min(STD_FLOOR**2).sqrt()


def _lack_of_correlation(student, teacher, weight=None):
    """Return 1 minus Pearson's correlation along the last axis; 0 if the teacher is constant."""
    weight = torch.ones_like(student[0]) if weight is None else weight.to(student.dtype)
    weight = _shares(weight)
    (student, _), (teacher, constant) = (_standardized(v, weight) for v in (student, teacher))
    return (1 - (student * teacher) @ weight).masked_fill(constant, 0)


def _standardized(rows, weight):
    centred = rows - (rows @ weight)[:, None]
    variance = centred.square() @ weight
    with torch.no_grad():
        rounding = 4 * torch.finfo(rows.dtype).eps * (rows.square() @ weight).sqrt()
        constant = variance.sqrt() <= rounding.clamp_min(SPREAD_FLOOR)
    # Where constant, 1 keeps the root's gradient finite; the value is masked anyway.
    spread = variance.masked_fill(constant, 1).sqrt()
    return (centred / spread[:, None]).masked_fill(constant[:, None], 0), constant


def _check_positive(name, log_p):
    if not log_p.isfinite().all():
        refuse_zeros(name)
