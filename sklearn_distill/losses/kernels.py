"""Compiled kernels of Hinton's loss for boosters: one pass over the rows, no large temporaries.

With row weight w, temperature T and weight alpha of the teacher, the loss of a row with margins z is

    w [(1 - alpha) CE(y, softmax(z)) + alpha T^2 KL(p_T || softmax(z / T))].

Put s = w (1 - alpha + alpha T) and a = w (1 - alpha) / s, the *label share*. Then its gradient is

    s [a softmax(z) + (1 - a) softmax(z / T) - u],    u = a onehot(y) + (1 - a) p_T,

so that one array of *mixed targets* u, made once by :func:`mix_targets`, is all that has to be kept
beside the margins. The diagonal of the Hessian is s [a p (1 - p) + (1 - a) / T q (1 - q)].

Nothing here starts a thread, for numba's own threads end the process when they are used after a
fork, or from two threads at once. The kernels release the GIL and work on a range of rows, so that
a caller may give each of its threads a part.
"""

import math

import numba
import numpy as np

#: Second derivatives are at least this, as in XGBoost: 0/0 is no leaf value.
HESSIAN_FLOOR = 1e-16


def _compiled(kernel):
    """Compile ``kernel`` at its first call, and keep the machine code on disk where possible."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(kernel)


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
    plain = np.empty(n_classes)
    tempered = np.empty(n_classes)
    for i in range(first, last):
        top = -np.inf
        for k in range(n_classes):
            top = max(top, margins[i, k] + start[k])
        share = label_share[i]
        all_plain = 0.0
        all_tempered = 0.0
        if temperature == 1.0:
            share = 1.0
        for k in range(n_classes):
            above = margins[i, k] + start[k] - top
            if share > 0.0:
                plain[k] = math.exp(above)
                all_plain += plain[k]
            if share < 1.0:
                tempered[k] = math.exp(above / temperature)
                all_tempered += tempered[k]
        weight = scale[i]
        for k in range(n_classes):
            mixed = 0.0
            curvature = 0.0
            if share > 0.0:
                p = plain[k] / all_plain
                mixed = share * p
                curvature = share * p * (1.0 - p)
            if share < 1.0:
                q = tempered[k] / all_tempered
                mixed += (1.0 - share) * q
                curvature += (1.0 - share) / temperature * q * (1.0 - q)
            gradient[i, k] = weight * (mixed - targets[i, k])
            hessian[i, k] = max(weight * curvature * hessian_factor, HESSIAN_FLOOR)


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
    for i in range(first, last):
        z = margins[i] + start
        p = 1.0 / (1.0 + math.exp(-z))
        mixed = p
        curvature = p * (1.0 - p)
        if temperature != 1.0:
            share = label_share[i]
            q = 1.0 / (1.0 + math.exp(-z / temperature))
            mixed = share * p + (1.0 - share) * q
            curvature = share * curvature + (1.0 - share) / temperature * q * (1.0 - q)
        gradient[i] = scale[i] * (mixed - targets[i])
        hessian[i] = max(scale[i] * curvature, HESSIAN_FLOOR)
