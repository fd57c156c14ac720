"""Divergences of tempered probabilities, and the objective that blends one with labels."""

import numpy as np
from scipy.special import log_softmax

from sklearn_distill.losses.reference._parts import (
    check_positive,
    cross_entropy,
    divergence,
    mean,
    tempered,
)


def kl(student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None):
    r"""Return the Kullback-Leibler divergence of the student from the teacher, times T².

    .. math:: \frac{T^2}{n} \sum_i \sum_k p_{T,ik} (\log p_{T,ik} - \log q_{T,ik})

    Hinton's loss [1]_. Its gradient with respect to z is T (q_T - p_T) / n, and as T grows it
    tends to :func:`logit_mse`.

    Parameters
    ----------
    student_logits : array of shape (n_samples, n_classes)
        The student's logits z, at temperature 1.
    teacher_log_proba : array of shape (n_samples, n_classes)
        The teacher's log-probabilities log p, at temperature 1; -inf for a probability of 0.
    temperature : float, default=1.0
        Above 1 it shifts the attention to the unlikely classes.
    labels : array of shape (n_samples,), optional
        Position of each row's class. This loss does not look at it.
    sample_weight : array of shape (n_samples,), optional
        Weight of each row; 2 counts a row twice.

    Returns
    -------
    float
        In nats times T².

    See Also
    --------
    reverse_kl : Seeks a mode of the teacher where the student cannot follow everywhere.
    hinton : This, together with the real labels.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import kl
    >>> teacher = np.log([[0.7, 0.2, 0.1]])
    >>> kl(np.zeros((1, 3)), teacher)
    0.297
    >>> abs(kl(teacher + 5, teacher, temperature=4)) < 1e-12
    True
    """
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * mean(divergence(log_p, log_q), sample_weight)


def soft_cross_entropy(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    r"""Return the cross-entropy of the student under the teacher's probabilities, times T².

    .. math:: -\frac{T^2}{n} \sum_i \sum_k p_{T,ik} \log q_{T,ik}

    It is :func:`kl` plus the teacher's entropy, so it has the same gradient, and a minimum
    that is not zero.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature, labels, sample_weight : as for kl
        See :func:`kl`.

    Returns
    -------
    float
        In nats times T².

    See Also
    --------
    kl : The same gradient, and zero at the minimum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import soft_cross_entropy
    >>> soft_cross_entropy(np.zeros((1, 3)), np.log([[0.7, 0.2, 0.1]]))
    1.0986
    """
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * mean(-np.sum(np.exp(log_p) * log_q, axis=1), sample_weight)


def jensen_shannon(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    r"""Return the Jensen-Shannon divergence between teacher and student, times T².

    .. math:: \frac{T^2}{n} \sum_i \frac{1}{2} \mathrm{KL}(p_T \| m) + \frac{1}{2}
       \mathrm{KL}(q_T \| m), \qquad m = \frac{p_T + q_T}{2}

    Symmetric, and at most T² log 2 [1]_, so that no row can dominate.

    Parameters
    ----------
    student_logits, teacher_log_proba, temperature, labels, sample_weight : as for kl
        See :func:`kl`.

    Returns
    -------
    float
        In nats times T².

    See Also
    --------
    kl : Not bounded.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on
       Information Theory 37(1), 1991, `doi:10.1109/18.61115 <https://doi.org/10.1109/18.61115>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import jensen_shannon
    >>> jensen_shannon(np.array([[-1e4, 1e4]]), np.array([[0, -np.inf]]))
    0.6931
    """
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    rows = (divergence(log_p, log_m) + divergence(log_q, log_m)) / 2
    return temperature**2 * mean(rows, sample_weight)


def reverse_kl(
    student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None
):
    r"""Return the Kullback-Leibler divergence of the teacher from the student, times T².

    .. math:: \frac{T^2}{n} \sum_i \sum_k q_{T,ik} (\log q_{T,ik} - \log p_{T,ik})

    It punishes a student for probability where the teacher has little; one that cannot follow
    the teacher everywhere then follows its main class [1]_.

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
        If a log-probability is not finite: the divergence would be infinite.

    See Also
    --------
    kl : The other direction.

    References
    ----------
    .. [1] Y. Gu, L. Dong, F. Wei, M. Huang, "MiniLLM: Knowledge Distillation of Large Language
       Models", ICLR 2024, `arXiv:2306.08543 <https://arxiv.org/abs/2306.08543>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import reverse_kl
    >>> reverse_kl(np.zeros((1, 3)), np.log([[0.7, 0.2, 0.1]]))
    0.3243
    """
    log_p, log_q = tempered(student_logits, teacher_log_proba, temperature)
    check_positive("reverse-kl", log_p)
    return temperature**2 * mean(divergence(log_q, log_p), sample_weight)


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
    r"""Return the whole objective: real labels and teacher.

    .. math:: (1 - \alpha)\, \mathrm{CE}(y, z) + \alpha\, \mathrm{loss}(z, \log p; T)

    where the cross-entropy is at temperature 1, and ``loss`` brings its own factor T². On a row
    without a label there is only the teacher's term, with weight 1. Where alpha differs from row
    to row, the value is
    :math:`\sum_i w_i [(1 - \alpha_i) \mathrm{CE}_i + \alpha_i L_i] / \sum_i w_i`.

    Parameters
    ----------
    student_logits, teacher_log_proba : as for kl
        See :func:`kl`.
    labels : array of shape (n_samples,)
        Position of each row's class, or -1 for a row without a label.
    alpha : float or array of shape (n_samples,)
        Weight of the teacher's term, in [0, 1]. With 0 the teacher is not looked at where there
        are labels, with 1 the labels are not.
    temperature : float, default=1.0
        For the teacher's term.
    loss : callable, default=kl
        A loss of this module, or a function with the same arguments.
    sample_weight : array of shape (n_samples,), optional
        Weight of each row, in both terms.

    Returns
    -------
    float

    See Also
    --------
    kl : The teacher's term of Hinton et al.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.losses.reference import hinton
    >>> teacher, student = np.log([[0.7, 0.2, 0.1]]), np.zeros((1, 3))
    >>> hinton(student, teacher, [0], alpha=0), hinton(student, teacher, [0], alpha=1)
    (1.0986, 0.297)
    >>> hinton(student, teacher, [0], alpha=0.5)
    0.698
    """
    labels = np.asarray(labels)
    w = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    alpha = np.asarray(alpha, dtype=np.float64)
    unlabeled = labels < 0
    hard_weight = np.where(unlabeled, 0.0, w * (1 - alpha))
    soft_weight = np.where(unlabeled, w, w * alpha)
    value = 0.0
    if hard_weight.any():
        log_q = log_softmax(np.asarray(student_logits, dtype=np.float64), axis=1)
        value += hard_weight @ cross_entropy(log_q, labels) / w.sum()
    if soft_weight.any():
        share = soft_weight.sum() / w.sum()
        value += share * loss(
            student_logits,
            teacher_log_proba,
            temperature=temperature,
            labels=labels,
            sample_weight=soft_weight,
        )
    return float(value)
