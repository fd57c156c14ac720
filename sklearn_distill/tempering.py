"""Softening and sharpening of probabilities, and the zeros that no temperature can soften."""

import numpy as np


def temper(proba, temperature):
    """Raise probabilities to the power ``1 / temperature`` and renormalise.

    For probabilities p = softmax(z) this is softmax(z / temperature).

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Non-negative, with a positive entry in every row.
    temperature : float
        Above 1 flattens, below 1 sharpens, 1 changes nothing.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    if temperature == 1:
        return proba
    # Dividing by the largest first keeps small powers from underflowing.
    powered = (proba / proba.max(axis=1, keepdims=True)) ** (1 / temperature)
    powered /= powered.sum(axis=1, keepdims=True)
    return powered


def untemper(proba, temperature):
    """Undo :func:`temper`: raise to the power ``temperature`` and renormalise."""
    return temper(proba, 1 / temperature)


def lift_zeros(log_proba, floor, has_zeros=None):
    """Return log-probabilities in which no class is impossible.

    Forests, neighbours and trees count votes. A class without a vote gets an exact zero, which
    says "rarer than I can count", and whose logarithm no temperature can soften. If there is such
    a zero, everything below the floor is lifted to it, so that the order of the rows is kept. A
    teacher that gives no zero anywhere, such as a network or a booster, knows its small
    probabilities and is taken at its word.

    Parameters
    ----------
    log_proba : ndarray of shape (n_rows, n_classes)
        -inf for exact zeros, NaN where the teacher could not know the class (it was fitted on a
        fold without it). A row of which it knows nothing stays as it is.
    floor : float
        Smallest probability of a class, times the number of classes.
    has_zeros : bool, default=None
        Whether there is an exact zero, if these are not all the rows there are; None looks.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
        Finite, each row normalised, but for those of NaN.
    """
    least = np.log(floor / log_proba.shape[1])
    unknown = np.isnan(log_proba)
    if np.isneginf(log_proba).any() if has_zeros is None else has_zeros:
        lifted = np.fmax(log_proba, least)
    elif unknown.any():
        lifted = np.where(unknown, least, log_proba)
    else:
        return log_proba
    lifted[unknown.all(axis=1)] = np.nan
    return lifted - np.log(np.exp(lifted) @ np.ones(lifted.shape[1]))[:, None]
