"""The losses on logits in NumPy: the definition that every other engine is tested against.

Arrays in, float64 inside, float out. Throughout, z are the student's logits, p the
teacher's probabilities, T the temperature, p_T = softmax(log p / T) and
q_T = softmax(z / T). Since log p is the teacher's logits up to a constant of each row,
p_T is the softmax of its logits divided by T: a teacher known by probabilities and
one known by logits need no different treatment.

Losses are means over rows (weighted means, if there are weights) of sums over
classes, in nats where they are divergences. Those with a temperature are multiplied by T²,
which keeps the size of the gradient as T changes. All take the same arguments, so that they
can be exchanged; settings of their own are keywords with a default, which
:func:`functools.partial` changes.
"""

import numpy as np
from scipy.special import log_softmax, logsumexp

from sklearn_distill.losses._checks import (
    check_labels,
    check_logits,
    check_three_classes,
    refuse_zeros,
)

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

#: Spread of a row of logits below which its z-scores are no longer stretched to 1.
STD_FLOOR = 1e-3
#: Spread of probabilities below which they count as constant, and have no correlation.
SPREAD_FLOOR = 1e-12
#: Added to the teacher's cross-entropy before dividing by it, as the authors of WSLD do.
WSLD_EPS = 1e-7


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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * _mean(_divergence(log_p, log_q), sample_weight)


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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    return temperature**2 * _mean(-np.sum(np.exp(log_p) * log_q, axis=1), sample_weight)


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
    z, log_p = _arrays(student_logits, teacher_log_proba, temperature)
    _check_positive("logit-mse", log_p)
    difference = _centred(z - log_p)
    return _mean(np.mean(difference**2, axis=1) / 2, sample_weight)


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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    rows = (_divergence(log_p, log_m) + _divergence(log_q, log_m)) / 2
    return temperature**2 * _mean(rows, sample_weight)


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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dkd", log_p.shape[1])
    labels = np.asarray(labels)
    target = np.eye(log_p.shape[1], dtype=bool)[np.where(labels < 0, log_p.argmax(1), labels)]
    others_p, binary_p = _split_target(log_p, target)
    others_q, binary_q = _split_target(log_q, target)
    rows = target_weight * _divergence(binary_p, binary_q)
    rows += np.asarray(non_target_weight) * _divergence(others_p, others_q)
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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    check_three_classes("dist", log_p.shape[1])
    p, q = np.exp(log_p), np.exp(log_q)
    inter = _mean(_lack_of_correlation(q, p), sample_weight)
    intra = _lack_of_correlation(q.T, p.T, sample_weight).mean()
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
    z, log_p = _arrays(student_logits, teacher_log_proba, temperature)
    check_three_classes("logit-standardization", z.shape[1])
    _check_positive("logit-standardization", log_p)
    return kl(_z_scores(z), _z_scores(log_p), temperature=temperature, sample_weight=sample_weight)


def wsld(student_logits, teacher_log_proba, *, temperature=1.0, labels=None, sample_weight=None):
    r"""Return :func:`kl` with more weight where the student knows the label worse.

    .. math:: \frac{T^2}{n} \sum_i \big(1 - e^{-L^s_i / L^t_i}\big)\,
       \mathrm{KL}(p_{T,i} \| q_{T,i})

    with the cross-entropies :math:`L^s_i = -\log q_{i,y}` of the student and :math:`L^t_i`
    of the teacher at T = 1. The weight of a row is at most 1, is 0.632 where both know its label
    equally well, and is no part of the gradient [1]_.

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
    log_p, log_q = _tempered(student_logits, teacher_log_proba, temperature)
    loss_t, loss_s = (
        _cross_entropy(log_softmax(np.asarray(v, dtype=np.float64), axis=1), labels)
        for v in (teacher_log_proba, student_logits)
    )
    weight = np.where(np.asarray(labels) < 0, 1.0, -np.expm1(-loss_s / (loss_t + WSLD_EPS)))
    return temperature**2 * _mean(weight * _divergence(log_p, log_q), sample_weight)


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
    without a label there is only the teacher's term, with weight 1.

    Parameters
    ----------
    student_logits, teacher_log_proba : as for kl
        See :func:`kl`.
    labels : array of shape (n_samples,)
        Position of each row's class, or -1 for a row without a label.
    alpha : float
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
    unlabeled = labels < 0
    hard_weight = np.where(unlabeled, 0.0, w * (1 - alpha))
    soft_weight = np.where(unlabeled, w, w * alpha)
    value = 0.0
    if hard_weight.any():
        log_q = log_softmax(np.asarray(student_logits, dtype=np.float64), axis=1)
        value += hard_weight @ _cross_entropy(log_q, labels) / w.sum()
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


def _arrays(student_logits, teacher_log_proba, temperature):
    z = np.asarray(student_logits, dtype=np.float64)
    log_p = np.asarray(teacher_log_proba, dtype=np.float64)
    check_logits(z.shape, log_p.shape, temperature)
    return z, log_p


def _tempered(student_logits, teacher_log_proba, temperature):
    """Return log p_T and log q_T."""
    z, log_p = _arrays(student_logits, teacher_log_proba, temperature)
    return log_softmax(log_p / temperature, axis=1), log_softmax(z / temperature, axis=1)


def _mean(rows, sample_weight):
    if sample_weight is None:
        return float(np.mean(rows))
    sample_weight = np.asarray(sample_weight, dtype=np.float64)
    total = sample_weight.sum()
    return float(sample_weight @ rows / total) if total > 0 else 0.0


def _divergence(log_p, log_q):
    """Return KL(p || q) of each row, where 0 log 0 is 0."""
    p = np.exp(log_p)
    log_ratio = np.subtract(log_p, log_q, out=np.zeros_like(p), where=p > 0)
    return np.sum(p * log_ratio, axis=1)


def _cross_entropy(log_q, labels):
    """Return -log q of each row's class, and 0 for a row without a label."""
    labels = np.asarray(labels)
    picked = -log_q[np.arange(len(labels)), np.maximum(labels, 0)]
    return np.where(labels < 0, 0.0, picked)


def _split_target(log_p, target):
    """Return log-probabilities of the other classes among themselves, and of target or other."""
    others = np.where(target, -np.inf, log_p)
    mass = logsumexp(others, axis=1, keepdims=True)
    # A teacher without any doubt has no other classes: -inf stays -inf.
    among_others = others - np.maximum(mass, np.finfo(np.float64).min)
    return among_others, np.column_stack([log_p[target], mass[:, 0]])


def _centred(rows):
    return rows - rows.mean(axis=1, keepdims=True)


def _z_scores(logits):
    std = logits.std(axis=1, ddof=1, keepdims=True)
    return _centred(logits) / np.maximum(std, STD_FLOOR)


def _lack_of_correlation(student, teacher, weight=None):
    """Return 1 minus Pearson's correlation along the last axis; 0 if the teacher is constant."""
    weight = np.ones(student.shape[1]) if weight is None else np.asarray(weight, np.float64)
    weight = weight / max(weight.sum(), np.finfo(np.float64).tiny)
    (student, _), (teacher, constant) = (_standardized(v, weight) for v in (student, teacher))
    return np.where(constant, 0.0, 1 - (student * teacher) @ weight)


def _standardized(rows, weight):
    centred = rows - (rows @ weight)[:, None]
    spread = np.sqrt(centred**2 @ weight)
    rounding = 4 * np.finfo(np.float64).eps * np.sqrt(rows**2 @ weight)
    constant = spread <= np.maximum(rounding, SPREAD_FLOOR)
    return np.where(
        constant[:, None], 0, centred / np.where(constant, 1, spread)[:, None]
    ), constant


def _check_positive(name, log_p):
    if not np.isfinite(log_p).all():
        refuse_zeros(name)
