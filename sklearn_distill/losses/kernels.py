"""Compiled kernels of Hinton's loss for boosters: one pass over the rows, no large temporaries.

With row weight w, temperature T and weight alpha of the teacher, a row with margins z has the loss

    w [(1 - alpha) CE(y, softmax(z)) + alpha T^2 KL(p_T || softmax(z / T))].

Put s = w (1 - alpha + alpha T) and a = w (1 - alpha) / s, the *label share*. Then its gradient is

    s [a softmax(z) + (1 - a) softmax(z / T) - u],    u = a onehot(y) + (1 - a) p_T,

so that one array of *mixed targets* u, made once by :func:`mix_targets`, is all that has to be
kept beside the margins. The diagonal of the Hessian is s [a p (1 - p) + (1 - a) / T q (1 - q)].

Nothing here starts a thread, for numba's own threads end the process when they are used after a
fork, or from two threads at once. The kernels release the GIL and work on a range of rows, so that
a caller may give each of its threads a part.
"""

import math
from functools import partial

import numba
import numpy as np

#: Rows that are worked on together: their intermediate results stay in the processor's cache.
BLOCK = 128

#: Second derivatives are at least this, as in XGBoost: 0/0 is no leaf value.
HESSIAN_FLOOR = 1e-16

# For exp(x) = 2^n exp(r), with n the integer nearest to x / ln 2.
LOG2_E = 1.4426950408889634
LN_2_HIGH, LN_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: Added to a float64 below 2^51, it leaves the nearest integer in the lowest bits.
ROUND_TO_INT = 6755399441055744.0
#: 1/13!, 1/12!, ..., 1/2!: enough for |r| <= ln(2) / 2.
EXP_SERIES = tuple(1 / math.factorial(i) for i in range(13, 1, -1))


def _compiled(kernel, nogil=True):
    """Compile ``kernel`` at its first call, and keep the machine code on disk where possible."""
    options = {"nogil": nogil, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(kernel)


@numba.njit(inline="always", error_model="numpy")
def _exp(x):
    """Return e**x for x <= 0, to the last bit or the one before it.

    Unlike a call of the C library's function, this can be vectorised: four times as fast.
    """
    x = max(x, -708.0)
    shifted = x * LOG2_E + ROUND_TO_INT
    n = shifted - ROUND_TO_INT
    r = (x - n * LN_2_HIGH) - n * LN_2_LOW
    tail = EXP_SERIES[0]
    for c in EXP_SERIES[1:]:
        tail = tail * r + c
    power_of_2 = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    return (1.0 + (r + r * r * tail)) * power_of_2


@numba.njit(inline="always", error_model="numpy")
def _sigmoid(x):
    e = _exp(-abs(x))
    return (1.0 if x >= 0 else e) / (1.0 + e)


@numba.njit(inline="always", error_model="numpy")
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@_compiled
def mix_targets(
    log_proba,
    labels,
    alpha,
    temperature,
    class_log_weight,
    row_weight,
    targets,
    label_share,
    scale,
    mass,
    first,
    last,
):
    """Write what the gradient of the loss needs, for rows ``first`` to ``last``.

    Class weights c shift the teacher as they would shift the labels: the row's weight in the
    teacher's term becomes w sum(c p), and p becomes c p / sum(c p).

    Parameters
    ----------
    log_proba : ndarray of shape (n_rows, n_classes)
        The teacher's log-probabilities at temperature 1.
    labels : ndarray of int, shape (n_rows,)
        Position of the real label, or -1 where there is none: alpha is 1 there.
    alpha, temperature : float
    class_log_weight : ndarray of shape (n_classes,)
        Logarithms of the class weights.
    row_weight : ndarray of shape (n_rows,)
    targets : ndarray of shape (n_rows, n_classes)
        Gets u.
    label_share : ndarray of shape (n_rows,)
        Gets a.
    scale : ndarray of shape (n_rows,)
        Gets s.
    mass : ndarray of shape (n_classes,)
        The rows' blends w [(1 - alpha) onehot(y) + alpha p], without class weights, are added.
    first, last : int
    """
    n_classes = log_proba.shape[1]
    tempered = np.empty(n_classes)
    for i in range(first, last):
        of_teacher = alpha if labels[i] >= 0 else 1.0
        top = -np.inf
        for k in range(n_classes):
            top = max(top, log_proba[i, k] + class_log_weight[k])
        total = 0.0
        teacher_weight = 0.0
        for k in range(n_classes):
            shifted = log_proba[i, k] + class_log_weight[k]
            tempered[k] = math.exp((shifted - top) / temperature)
            total += tempered[k]
            mass[k] += row_weight[i] * of_teacher * math.exp(log_proba[i, k])
            teacher_weight += math.exp(shifted)
        label_weight = 0.0
        if labels[i] >= 0:
            label_weight = (1.0 - alpha) * math.exp(class_log_weight[labels[i]])
            mass[labels[i]] += row_weight[i] * (1.0 - alpha)
        whole = label_weight + of_teacher * teacher_weight * temperature
        share = label_weight / whole if whole > 0 else 0.0
        scale[i] = row_weight[i] * whole
        label_share[i] = share
        for k in range(n_classes):
            targets[i, k] = (1.0 - share) * tempered[k] / total
        if labels[i] >= 0:
            targets[i, labels[i]] += share


@_compiled
def softmax_derivatives(
    margins,
    start,
    targets,
    label_share,
    scale,
    temperature,
    hessian_factor,
    gradient,
    hessian,
    first,
    last,
):
    """Write gradient and Hessian diagonal for rows ``first`` to ``last``, of several classes.

    Parameters
    ----------
    margins : ndarray of shape (n_rows, n_classes)
    start : ndarray of shape (n_classes,)
        Added to the margins of every row.
    targets : ndarray of shape (n_rows, n_classes)
        The mixed targets u.
    label_share, scale : ndarray of shape (n_rows,)
        a and s.
    temperature : float
    hessian_factor : float
        By which the library multiplies the diagonal to make up for the rest of the matrix.
    gradient, hessian : ndarray of shape (n_rows, n_classes)
        Written to.
    first, last : int
    """
    n_classes = margins.shape[1]
    plain = np.empty((n_classes, BLOCK))
    tempered = np.empty((n_classes, BLOCK))
    top = np.empty(BLOCK)
    all_plain = np.empty(BLOCK)
    all_tempered = np.empty(BLOCK)
    for begin in range(first, last, BLOCK):
        n = min(BLOCK, last - begin)
        rows = slice(begin, begin + n)
        share = label_share[rows]
        weight = scale[rows]
        top[:] = -np.inf
        for k in range(n_classes):
            z = margins[rows, k]
            shifted = plain[k]
            for i in range(n):
                shifted[i] = z[i] + start[k]
                top[i] = max(top[i], shifted[i])
        all_plain[:] = 0.0
        all_tempered[:] = 0.0
        for k in range(n_classes):
            e, f = plain[k], tempered[k]
            if temperature != 1.0:
                for i in range(n):
                    f[i] = _exp((e[i] - top[i]) / temperature)
                    all_tempered[i] += f[i]
            for i in range(n):
                e[i] = _exp(e[i] - top[i])
                all_plain[i] += e[i]
        for k in range(n_classes):
            e, f = plain[k], tempered[k]
            u, g, h = targets[rows, k], gradient[rows, k], hessian[rows, k]
            if temperature == 1.0:
                for i in range(n):
                    p = e[i] / all_plain[i]
                    g[i] = weight[i] * (p - u[i])
                    h[i] = max(weight[i] * (p * (1.0 - p)) * hessian_factor, HESSIAN_FLOOR)
            else:
                for i in range(n):
                    p = e[i] / all_plain[i]
                    q = f[i] / all_tempered[i]
                    a = np.float64(share[i])
                    c = a * p * (1.0 - p) + (1.0 - a) / temperature * q * (1.0 - q)
                    g[i] = weight[i] * (a * p + (1.0 - a) * q - u[i])
                    h[i] = max(weight[i] * c * hessian_factor, HESSIAN_FLOOR)


@_compiled
def logistic_derivatives(
    margins, start, targets, label_share, scale, temperature, gradient, hessian, first, last
):
    """Write gradient and second derivative for rows ``first`` to ``last``, of two classes.

    Parameters
    ----------
    margins : ndarray of shape (n_rows,)
        Log-odds of the second class.
    start : float
        Added to every margin.
    targets : ndarray of shape (n_rows,)
        The mixed target u of the second class.
    label_share, scale : ndarray of shape (n_rows,)
        a and s.
    temperature : float
    gradient, hessian : ndarray of shape (n_rows,)
        Written to.
    first, last : int
    """
    rows = slice(first, last)
    z, u, g, h = margins[rows], targets[rows], gradient[rows], hessian[rows]
    share, weight = label_share[rows], scale[rows]
    if temperature == 1.0:
        for i in range(last - first):
            p = _sigmoid(z[i] + start)
            g[i] = weight[i] * (p - u[i])
            h[i] = max(weight[i] * (p * (1.0 - p)), HESSIAN_FLOOR)
    else:
        for i in range(last - first):
            p = _sigmoid(z[i] + start)
            q = _sigmoid((z[i] + start) / temperature)
            a = np.float64(share[i])
            c = a * p * (1.0 - p) + (1.0 - a) / temperature * q * (1.0 - q)
            g[i] = weight[i] * (a * p + (1.0 - a) * q - u[i])
            h[i] = max(weight[i] * c, HESSIAN_FLOOR)


@partial(_compiled, nogil=False)
def row_derivatives(margins, targets, scale, shares, temperature, gradient, hessian):
    """Write gradient and whole Hessian of *minus* the loss of one row, of several classes.

    For CatBoost, which asks row by row and has room for nothing but one float32 per class.

    Parameters
    ----------
    margins : ndarray of shape (n_classes,)
    targets : ndarray of float32, shape (n_classes,)
        The mixed targets u. The first one is not looked at: they add up to one.
    scale : float
        The row's weight in the sum of both terms, s (1 + a (T - 1)) / T.
    shares : ndarray of shape (2^n_bits,)
        Values of a; the lowest bits of ``targets[1]`` say which one it is.
    temperature : float
    gradient : ndarray of shape (n_classes,)
    hessian : ndarray of shape (n_classes (n_classes + 1) / 2,)
        Gets the upper triangle, row after row.
    """
    n_classes = len(margins)
    share = shares[targets.view(np.uint32)[1] & (len(shares) - 1)]
    scale *= temperature / (1.0 + share * (temperature - 1.0))
    if temperature == 1.0:
        share = 1.0
    top = -np.inf
    for k in range(n_classes):
        top = max(top, margins[k])
    p = gradient
    total = 0.0
    for k in range(n_classes):
        p[k] = _exp(margins[k] - top)
        total += p[k]
    p /= total
    at = 0
    for k in range(n_classes):
        for j in range(k, n_classes):
            hessian[at] = scale * share * p[k] * (p[j] - (j == k))
            at += 1
    mixed = p
    if share < 1.0:
        q = np.empty(n_classes)
        total = 0.0
        for k in range(n_classes):
            q[k] = _exp((margins[k] - top) / temperature)
            total += q[k]
        q /= total
        at = 0
        for k in range(n_classes):
            for j in range(k, n_classes):
                curvature = (1.0 - share) / temperature
                hessian[at] += scale * curvature * q[k] * (q[j] - (j == k))
                at += 1
            mixed[k] = share * p[k] + (1.0 - share) * q[k]
    first = 1.0
    for k in range(1, n_classes):
        first -= targets[k]
        gradient[k] = scale * (targets[k] - mixed[k])
    gradient[0] = scale * (first - mixed[0])


@partial(_compiled, nogil=False)
def pair_derivatives(margins, targets, weights, shares, temperature, out):
    """Write gradient and second derivative of *minus* the loss of some rows, of two classes.

    For CatBoost, which asks for a hundred rows at a time.

    Parameters
    ----------
    margins : ndarray of shape (n_rows,)
    targets : ndarray of float32, shape (n_rows,)
        The mixed target u of the second class. Its lowest bits say which of ``shares`` is a.
    weights : ndarray of shape (n_rows,) or (0,)
        Weight of each row in the sum of both terms; none means 1.
    shares : ndarray of shape (2^n_bits,)
    temperature : float
    out : ndarray of shape (n_rows, 2)
        Written to.
    """
    code = targets.view(np.uint32)
    for i in range(len(margins)):
        share = shares[code[i] & (len(shares) - 1)]
        scale = temperature / (1.0 + share * (temperature - 1.0))
        if len(weights) > 0:
            scale *= weights[i]
        p = _sigmoid(margins[i])
        q = _sigmoid(margins[i] / temperature)
        curvature = share * p * (1.0 - p) + (1.0 - share) / temperature * q * (1.0 - q)
        out[i, 0] = scale * (targets[i] - share * p - (1.0 - share) * q)
        out[i, 1] = -scale * curvature


@_compiled
def pair_loss(margins, targets, weights, shares, temperature):
    """Return the sum over rows of the loss (up to a constant of each row) and of the weights.

    Parameters
    ----------
    margins, targets, weights, shares, temperature
        As for :func:`pair_derivatives`.

    Returns
    -------
    loss, weight : float
    """
    code = targets.view(np.uint32)
    loss = weight = 0.0
    for i in range(len(margins)):
        share = shares[code[i] & (len(shares) - 1)]
        z = margins[i]
        row = share * _softplus(z) + (1.0 - share) * temperature * _softplus(z / temperature)
        of_row = weights[i] if len(weights) > 0 else 1.0
        stretch = temperature / (1.0 + share * (temperature - 1.0))
        loss += of_row * stretch * (row - targets[i] * z)
        weight += of_row
    return loss, weight
