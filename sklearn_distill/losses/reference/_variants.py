"""Losses that take the divergence apart, standardise, correlate or weigh what it compares."""

import numpy as np
from scipy.special import log_softmax

from sklearn_distill.losses._checks import (
    check_labels,
    check_three_classes,
)
from sklearn_distill.losses.reference._divergences import kl
from sklearn_distill.losses.reference._parts import (
    WSLD_EPS,
    arrays,
    centred,
    check_positive,
    cross_entropy,
    divergence,
    lack_of_correlation,
    mean,
    split_target,
    tempered,
    z_scores,
)


def logit_mse(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    r"""Return half the mean squared difference of the logits, each row centred.

    .. math:: \frac{1}{n} \sum_i \frac{1}{2K} \sum_k
       (z_{ik} - \bar z_i - \log p_{ik} + \overline{\log p}_i)^2

    Logit matching [1]_. Log-probabilities are logits up to a constant of the row, so both
    sides are centred. The scale 1 / 2K, with K classes, makes it the limit of :func:`kl` as the
    temperature grows (section 2.1 of [2]_), so that both can have the same weight. It does not
    depend on the temperature.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature, labels, sample_weight : as for kl
        See :func:`kl`; the temperature changes nothing.

    Returns
    -------
    float
        In squared nats.

    Raises
    ------
    ValueError
        If a log-probability is not finite.

    See Also
    --------
    kl : Cares less for very unlikely classes.

    References
    ----------
    .. [1] J. Ba, R. Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014,
       `arXiv:1312.6184 <https://arxiv.org/abs/1312.6184>`_.
    .. [2] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import kl, logit_mse
    >>> teacher = np.log([[0.7, 0.2, 0.1]])
    >>> logit_mse(np.zeros((1, 3)), teacher)
    0.324
    >>> kl(np.zeros((1, 3)), teacher, temperature=1000)
    0.324
    """
    z, log_p = arrays(student_logits, teacher_log_proba, temperature)
    check_positive("logit-mse", log_p)
    difference = centred(z - log_p)
    return mean(np.mean(difference**2, axis=1) / 2, sample_weight)


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
    r"""Return the decoupled divergence of Zhao et al., times T².

    .. math:: \frac{T^2}{n} \sum_i a\, \mathrm{KL}(b^p \| b^q) + b\,
       \mathrm{KL}(\hat p \| \hat q)

    where :math:`b^p = (p_{T,y}, 1 - p_{T,y})` says how likely the real class is, and
    :math:`\hat p` are the probabilities of the other classes among themselves [1]_. With a = 1
    and b = 1 - p_{T,y} it is :func:`kl` exactly: there the knowledge in the other classes vanishes
    where the teacher is sure.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature : as for kl
        See :func:`kl`.
    labels : array of shape (n_samples,)
        Position of each row's class; for -1, a row without a label, the teacher's
        most likely class takes its place.
    sample_weight : array of shape (n_samples,), optional
        Weight of each row.
    target_weight : float, default=1.0
        Weight of the first term (alpha in the paper).
    non_target_weight : float or array of shape (n_samples,), default=8.0
        Weight of the second (beta in the paper, where 0.5 to 10 were best, by teacher).

    Returns
    -------
    float
        In nats times T².

    Raises
    ------
    ValueError
        If there are no labels, or fewer than three classes: with two, the second
        term is always 0.

    See Also
    --------
    kl : Both terms, tied together.

    References
    ----------
    .. [1] B. Zhao, Q. Cui, R. Song, Y. Qiu, J. Liang, "Decoupled Knowledge Distillation", CVPR
       2022, `arXiv:2203.08679 <https://arxiv.org/abs/2203.08679>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import dkd, kl
    >>> teacher, student = np.log([[0.7, 0.2, 0.1]]), np.array([[1.0, 0.0, 0.5]])
    >>> dkd(student, teacher, labels=[0])
    1.444
    >>> dkd(student, teacher, labels=[0], non_target_weight=1 - 0.7) - kl(student, teacher)
    0.000
    """
    check_labels("dkd", labels)
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dkd", log_p.shape[1])
    labels = np.asarray(labels)
    target = np.eye(log_p.shape[1], dtype=bool)[np.where(labels < 0, log_p.argmax(1), labels)]
    others_p, binary_p = split_target(log_p, target)
    others_q, binary_q = split_target(log_q, target)
    rows = target_weight * divergence(binary_p, binary_q)
    rows += np.asarray(non_target_weight) * divergence(others_p, others_q)
    return temperature**2 * mean(rows, sample_weight)


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
    r"""Return the distance in correlation of Huang et al., times T².

    .. math:: T^2 \Big[ \frac{\beta}{n} \sum_i \big(1 - \rho(p_{T,i\cdot}, q_{T,i\cdot})\big) +
       \frac{\gamma}{K} \sum_k \big(1 - \rho(p_{T,\cdot k}, q_{T,\cdot k})\big) \Big]

    with Pearson's correlation :math:`\rho`: a student much weaker than its teacher keeps the
    relations between classes (inter) and between rows (intra), not the probabilities
    themselves [1]_. It says nothing about how sure the student should be, so the real labels must
    (alpha < 1).

    Where the teacher is constant there is nothing to match, and the term is 0; where only the
    student is, the correlation is 0, without a gradient.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature, labels, sample_weight : as for kl
        See :func:`kl`.
    inter_weight : float, default=1.0
        Weight of the first term (beta in the paper).
    intra_weight : float, default=1.0
        Weight of the second (gamma in the paper).

    Returns
    -------
    float
        A number without unit.

    Raises
    ------
    ValueError
        With fewer than three classes: with two, the first correlation is always 1 or -1.

    See Also
    --------
    kl : Asks for the probabilities themselves.

    References
    ----------
    .. [1] T. Huang, S. You, F. Wang, C. Qian, C. Xu, "Knowledge Distillation from A Stronger
       Teacher", NeurIPS 2022, `arXiv:2205.10536 <https://arxiv.org/abs/2205.10536>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import dist
    >>> teacher = np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    >>> dist(teacher, teacher)
    0.0
    >>> dist(teacher[::-1], teacher)
    3.629
    """
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dist", log_p.shape[1])
    p, q = np.exp(log_p), np.exp(log_q)
    inter = mean(lack_of_correlation(q, p), sample_weight)
    intra = lack_of_correlation(q.T, p.T, sample_weight).mean()
    return float(temperature**2 * (inter_weight * inter + intra_weight * intra))


def logit_standardization(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    r"""Return :func:`kl` between z-scores of the logits.

    .. math:: \frac{T^2}{n} \sum_i \mathrm{KL}\big(\mathrm{softmax}(\mathcal{Z}(\log p_i) / T) \|
       \mathrm{softmax}(\mathcal{Z}(z_i) / T)\big), \qquad
       \mathcal{Z}(v) = \frac{v - \bar v}{\mathrm{std}(v)}

    with the standard deviation of K - 1 degrees of freedom, as in the code of the authors. The
    student keeps the teacher's order and relations between logits, and is free in their
    scale [1]_; so the real labels must set it (alpha < 1). A standard deviation below
    0.001 counts as 0.001.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature, labels, sample_weight : as for kl
        See :func:`kl`.

    Returns
    -------
    float
        In nats times T².

    Raises
    ------
    ValueError
        If a log-probability is not finite, or with fewer than three classes: with two,
        z-scores are always 0.707 and -0.707.

    See Also
    --------
    dist : Free in scale too.

    References
    ----------
    .. [1] S. Sun, W. Ren, J. Li, R. Wang, X. Cao, "Logit Standardization in Knowledge
       Distillation", CVPR 2024, `arXiv:2403.01427 <https://arxiv.org/abs/2403.01427>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import logit_standardization
    >>> teacher = np.log([[0.7, 0.2, 0.1]])
    >>> abs(logit_standardization(100 * teacher, teacher)) < 1e-12
    True
    """
    z, log_p = arrays(student_logits, teacher_log_proba, temperature)
    check_three_classes("logit-standardization", z.shape[1])
    check_positive("logit-standardization", log_p)
    return kl(z_scores(z), z_scores(log_p), temperature=temperature, sample_weight=sample_weight)


def wsld(student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None):
    r"""Return :func:`kl` with more weight where the student knows the label worse.

    .. math:: \frac{T^2}{n} \sum_i \big(1 - e^{-L^s_i / L^t_i}\big)\,
       \mathrm{KL}(p_{T,i} \| q_{T,i})

    with the cross-entropies :math:`L^s_i = -\log q_{i,y}` of the student and :math:`L^t_i`
    of the teacher at T = 1. The weight of a row is at most 1, is 0.632 where both know its label
    equally well, and is no part of the gradient [1]_. The authors weigh the cross-entropy of
    :math:`p_T` and :math:`q_T` instead of KL: another value, with the same gradient.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature : as for kl
        See :func:`kl`.
    labels : array of shape (n_samples,)
        Position of each row's class; a row with -1, without a label, has weight 1.
    sample_weight : array of shape (n_samples,), optional
        A further weight of each row.

    Returns
    -------
    float
        In nats times T².

    Raises
    ------
    ValueError
        If there are no labels.

    See Also
    --------
    kl : Every row with weight 1.

    References
    ----------
    .. [1] H. Zhou, L. Song, J. Chen, Y. Zhou, G. Wang, J. Yuan, Q. Zhang, "Rethinking Soft Labels
       for Knowledge Distillation: A Bias-Variance Tradeoff Perspective", ICLR 2021,
       `arXiv:2102.00650 <https://arxiv.org/abs/2102.00650>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import wsld
    >>> teacher, student = np.log([[0.7, 0.2, 0.1]]), np.zeros((1, 3))
    >>> wsld(student, teacher, labels=[0])
    0.283
    >>> wsld(student, teacher, labels=[-1])
    0.297
    """
    check_labels("wsld", labels)
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    loss_t, loss_s = (
        cross_entropy(log_softmax(np.asarray(v, dtype=np.float64), axis=1), labels)
        for v in (teacher_log_proba, student_logits)
    )
    weight = np.where(np.asarray(labels) < 0, 1.0, -np.expm1(-loss_s / (loss_t + WSLD_EPS)))
    return temperature**2 * mean(weight * divergence(log_p, log_q), sample_weight)
