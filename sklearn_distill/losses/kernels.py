"""Compiled kernels of Hinton's loss for boosters: one pass over the rows, no large temporaries.

With weight w, temperature T and weight alpha of the teacher, a row with margins z has the loss

    w [(1 - alpha) CE(y, softmax(z)) + alpha T^2 KL(p_T || softmax(z / T))].

Every row has its own w and alpha. Put s = w (1 - alpha + alpha T) and a = w (1 - alpha) / s, the
*label share*. Then with p = softmax(z) and q = softmax(z / T) the row's gradient is

    s [a p + (1 - a) q - u],    u = a onehot(y) + (1 - a) p_T,

so that one array of *mixed targets* u, made once by :func:`mix_targets`, is all that has to be
kept beside the margins. The diagonal of the Hessian is s [a p (1 - p) + (1 - a) / T q (1 - q)]:
each derivative divides the teacher's term by T, so the gradient keeps one T of T^2, which is in s,
and the Hessian keeps none. Class weights are already in w, alpha and p_T when they come here.

Nothing here starts a thread, for numba's own threads end the process when they are used after a
fork, or from two threads at once. The kernels release the GIL and work on a range of rows, so that
a caller may give each of its threads a part.
"""

import math

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


def _compiled(kernel):
    """Compile ``kernel`` at its first call, and keep the machine code on disk where possible."""
    options = {"nogil": True, "error_model": "numpy"}
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


@_compiled
def mix_targets(
    log_proba, labels, row_alpha, row_weight, temperature, targets, label_share, scale, first, last
):
    """Write what the gradient of the loss needs, for rows ``first`` to ``last``.

    Parameters
    ----------
    log_proba : ndarray of shape (n_rows, n_classes)
        The teacher's log-probabilities at temperature 1.
    labels : ndarray of int, shape (n_labeled,)
        Position of the real label of each of the first rows. Those after them have an alpha of 1.
    row_alpha, row_weight : ndarray of shape (n_rows,)
    temperature : float
    targets : ndarray of shape (n_rows, n_classes)
        Gets u.
    label_share : ndarray of shape (n_rows,)
        Gets a.
    scale : ndarray of shape (n_rows,)
        Gets s.
    first, last : int
    """
    n_classes = log_proba.shape[1]
    tempered = np.empty(n_classes)
    for i in range(first, last):
        whole = 1.0 - row_alpha[i] + row_alpha[i] * temperature
        share = (1.0 - row_alpha[i]) / whole
        label_share[i] = share
        scale[i] = row_weight[i] * whole
        # In the log domain: p may be smaller than any float, and p_T of it need not be.
        top = -np.inf
        for k in range(n_classes):
            top = max(top, log_proba[i, k])
        total = 0.0
        for k in range(n_classes):
            tempered[k] = math.exp((log_proba[i, k] - top) / temperature)
            total += tempered[k]
        for k in range(n_classes):
            targets[i, k] = (1.0 - share) * tempered[k] / total
        if i < len(labels):
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
        # Margins become exponentials where they are. Loops over the rows of one class, without a
        # branch inside, are what the compiler turns into vector instructions.
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
