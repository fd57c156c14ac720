"""The opinion of several teachers as one, in the log domain.

Teachers may know different classes. What one of them says is then a distribution over its own
classes only, and says nothing of the others. The pool q is the distribution that is closest to
what all say, each compared with q on its own classes [1]_:

.. math:: \\arg\\min_q \\sum_m w_m \\, \\mathrm{KL}(p_m \\,\\|\\, q_{S_m}),
    \\qquad q_S = q / \\textstyle\\sum_{k \\in S} q_k.

If all know all classes this is the weighted mean. With the arguments of KL the other way round it
would be the geometric mean.

References
----------
.. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
   section 5.3, `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

#: A loss of a member above this many nats is taken for this: it is wrong for certain.
MOST_NATS = 50.0

#: Newton steps for members that know different classes, the largest of them in a logarithm, and
#: the change that ends them; and the least share whose logarithm is taken.
MOST_STEPS, LARGEST_STEP, CLOSE_ENOUGH, LEAST = 100, 2.0, 1e-10, 1e-300

#: Rows on which weights are found, at most: a handful of numbers needs no more.
MOST_ROWS = 20_000


class DisjointClassesError(ValueError):
    """Members whose classes have nothing in common, so that nothing compares them."""


def pool(log_proba, weights, *, geometric=False):
    """Return the log-probabilities of several members as one.

    Parameters
    ----------
    log_proba : ndarray of shape (n_members, n_rows, n_classes)
        NaN for a class that a member does not know, and for a row of which it says nothing.
        Without -inf if ``geometric=True``.
    weights : ndarray of shape (n_members,) or (n_members, n_rows)
        Non-negative; their sum does not matter.
    geometric : bool, default=False
        Whether to average logarithms instead of probabilities.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
        Each row normalised; NaN where no member with a weight knows the class.

    Raises
    ------
    DisjointClassesError
        If nothing compares some of the classes with the others.
    """
    weights = np.broadcast_to(weights.reshape(len(weights), -1), log_proba.shape[:2])
    # Who has no weight says nothing: a row of which all others are silent stays unknown.
    unknown = np.isnan(log_proba) | (weights == 0)[:, :, None]
    average = _geometric if geometric else _arithmetic
    if not unknown.any():
        return average(log_proba, weights)
    # Rows of which the same members know the same classes are pooled together.
    patterns, which = np.unique(
        unknown.transpose(1, 0, 2).reshape(unknown.shape[1], -1), axis=0, return_inverse=True
    )
    pooled = np.full(log_proba.shape[1:], np.nan)
    for i, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == i)
        known = ~pattern.reshape(unknown.shape[0], -1)
        members = np.flatnonzero(known.any(axis=1))
        classes = np.flatnonzero(known.any(axis=0))
        if not len(members):
            continue
        known = known[np.ix_(members, classes)]
        some = log_proba[np.ix_(members, rows, classes)]
        of_rows = weights[np.ix_(members, rows)]
        if known.all():
            pooled[np.ix_(rows, classes)] = average(some, of_rows)
        else:
            average_known = _geometric_of_known if geometric else _arithmetic_of_known
            _check_connected(known)
            pooled[np.ix_(rows, classes)] = average_known(some, of_rows, known)
    return pooled


def _arithmetic(log_proba, weights):
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights / weights.sum(axis=0))
    return logsumexp(log_proba + log_weights[:, :, None], axis=0)


def _geometric(log_proba, weights):
    shares = weights / weights.sum(axis=0)
    return log_softmax((shares[:, :, None] * log_proba).sum(axis=0), axis=1)


def _arithmetic_of_known(log_proba, weights, known):
    """Find q, the minimum of a convex function, by Newton's method.

    Classes that the same members know are an atom. Setting the derivative to zero shows that
    within an atom q is the weighted sum of what is said of its classes; only the share of each
    atom remains to be found.
    """
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights / weights.sum(axis=0))[:, :, None]
    log_proba = np.where(known[:, None], log_proba, -np.inf)
    wanted = logsumexp(log_weights + log_proba, axis=0)
    knowing, atom = np.unique(known, axis=1, return_inverse=True)
    atom = atom.ravel()
    parts = [atom == a for a in range(knowing.shape[1])]
    said = np.stack([logsumexp(log_proba[:, :, part], axis=2) for part in parts], axis=2)
    shares = _shares_of_atoms(np.exp(said), weights / weights.sum(axis=0), knowing)
    log_q = np.empty_like(wanted)
    for a, part in enumerate(parts):
        total = logsumexp(wanted[:, part], axis=1, keepdims=True)
        within = np.where(np.isneginf(total), -np.inf, wanted[:, part] - total)
        log_q[:, part] = within + shares[:, [a]]
    return log_softmax(log_q, axis=1)


def _shares_of_atoms(said, weights, known):
    """Return the logarithm of the share of each atom, (n_rows, n_atoms).

    Parameters
    ----------
    said : ndarray of shape (n_members, n_rows, n_atoms)
        Probabilities.
    weights : ndarray of shape (n_members, n_rows)
    known : ndarray of bool, shape (n_members, n_atoms)
    """
    wanted = np.einsum("mn,mna->na", weights, said)
    z = np.log(np.maximum(wanted, LEAST))
    outside = np.where(known, 0.0, -np.inf)[:, None]
    for _ in range(MOST_STEPS):
        own = softmax(z + outside, axis=2)  # q on the atoms of each member
        weighted = weights[:, :, None] * own
        slope = weighted.sum(axis=0) - wanted
        curvature = -np.einsum("mna,mnb->nab", weighted, own)
        diagonal = np.maximum(weighted.sum(axis=0), LEAST)
        curvature += np.eye(z.shape[1]) * diagonal[:, None]
        # Atoms of very different size are brought to one scale before anything is inverted.
        root = np.sqrt(diagonal)
        scaled = curvature / (root[:, :, None] * root[:, None, :])
        # Adding a constant to z changes nothing: that direction gets a curvature of its own.
        flat = root / np.linalg.norm(root, axis=1, keepdims=True)
        scaled += flat[:, :, None] * flat[:, None, :]
        scaled += 1e-14 * np.eye(z.shape[1])  # an atom of share 0 has no curvature at all
        step = np.linalg.solve(scaled, (slope / root)[:, :, None])[:, :, 0] / root
        z = z - np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        z -= logsumexp(z, axis=1, keepdims=True)
        if np.abs(slope).max() < CLOSE_ENOUGH and np.abs(step).max() < CLOSE_ENOUGH:
            break
    return np.where(wanted > 0, z, -np.inf)


def _geometric_of_known(log_proba, weights, known):
    """Find the logits that differ least from those of all members, each up to a constant.

    Least squares over z and c of the weighted sum of (z_k - c_m - log p_mk)^2 over members m and
    the classes k that they know.
    """
    if np.ptp(weights, axis=1).max() > 0:
        raise ValueError("Weights that differ from row to row need pooling of probabilities.")
    w = weights[:, 0] / weights[:, 0].sum()
    sizes = known.sum(axis=1)
    centred = np.where(known[:, None], log_proba, 0.0)
    centred -= centred.sum(axis=2, keepdims=True) / sizes[:, None, None]
    right = np.einsum("m,mnk->nk", w, np.where(known[:, None], centred, 0.0))
    mask = known.astype(float)
    left = np.diag(w @ mask) - (mask.T * (w / sizes)) @ mask
    z = right @ np.linalg.pinv(left, hermitian=True)
    return log_softmax(z, axis=1)


def _check_connected(known):
    """Raise unless every class is compared with every other, maybe by way of a third."""
    reached = known[0]
    for _ in range(len(known)):
        reached = reached | known[(known & reached).any(axis=1)].any(axis=0)
    if not reached.all():
        raise DisjointClassesError(np.flatnonzero(~reached).tolist())


def weights_of_losses(losses, weights):
    """Return the weight of each member in each row: the larger its loss, the less.

    .. math:: w_m = \\frac{1}{M - 1} \\left(1 - \\frac{\\exp L_m}{\\sum_j \\exp L_j}\\right)

    Parameters
    ----------
    losses : ndarray of shape (n_members, n_rows)
        Nats; NaN for a member that says nothing of the row.
    weights : ndarray of shape (n_members,)
        By which they are multiplied.

    Returns
    -------
    ndarray of shape (n_members, n_rows)

    References
    ----------
    .. [1] H. Zhang, D. Chen, C. Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation",
       ICASSP 2022, `arXiv:2201.00007 <https://arxiv.org/abs/2201.00007>`_.
    """
    silent = np.isnan(losses)
    share = softmax(np.where(silent, -np.inf, np.minimum(losses, MOST_NATS)), axis=0)
    found = np.where(silent, 0.0, (1 - share) * weights[:, None])
    # One member alone, and a row of which nobody says anything, leave nothing to compare.
    alone = found.sum(axis=0) <= 0
    found[:, alone] = np.broadcast_to(weights[:, None], found.shape)[:, alone]
    return found


def entropies(log_proba):
    """Return the entropy of each row as a share of the largest, that of equal chances.

    Parameters
    ----------
    log_proba : ndarray of shape (n_members, n_rows, n_classes)
        NaN for classes that a member does not know.

    Returns
    -------
    ndarray of shape (n_members, n_rows)
        NaN where nothing is known.
    """
    known = ~np.isnan(log_proba)
    finite = known & ~np.isneginf(log_proba)
    terms = np.where(finite, np.exp(np.where(finite, log_proba, 0)), 0)
    terms *= -np.where(finite, log_proba, 0)
    n_known = known.sum(axis=2)
    largest = np.log(np.maximum(n_known, 2))
    return np.where(n_known > 0, terms.sum(axis=2) / largest, np.nan)


def cross_entropies(log_proba, labels):
    """Return minus the logarithm that each member gives the real label of each row.

    Parameters
    ----------
    log_proba : ndarray of shape (n_members, n_rows, n_classes)
    labels : ndarray of int, shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_members, n_rows)
        NaN where a member does not know the label.
    """
    return -log_proba[:, np.arange(len(labels)), labels]


def simplex_weights(loss, n_members):
    """Return the weights, non-negative and of sum 1, with the least loss.

    Parameters
    ----------
    loss : callable
        Of weights of shape (n_members,): a float, and its gradient.
    n_members : int

    Returns
    -------
    ndarray of shape (n_members,)
    """
    start = np.full(n_members, 1 / n_members)
    if n_members == 1:
        return start
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n_members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 500},
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum() if np.isfinite(weights).all() and weights.any() else start


def weights_by_log_loss(log_proba, labels, sample_weight=None):
    """Return the weights of members whose mean has the least log loss.

    Parameters
    ----------
    log_proba : ndarray of shape (n_members, n_rows, n_classes)
        Of rows that the members have not seen; without -inf.
    labels : ndarray of int, shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,), default=None

    Returns
    -------
    ndarray of shape (n_members,)
    """
    said = ~np.isnan(log_proba).all(axis=2).any(axis=0)
    rows = np.flatnonzero(said)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int)]
    if not len(rows):
        return np.full(len(log_proba), 1 / len(log_proba))
    log_proba, labels = log_proba[:, rows], labels[rows]
    of_rows = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
    of_rows = of_rows / of_rows.sum()
    own = np.exp(-cross_entropies(log_proba, labels))
    if np.isnan(log_proba).any():
        return simplex_weights(_loss_of_pool(log_proba, labels, of_rows), len(log_proba))

    def loss(w):
        mixed = np.maximum(w @ own, 1e-300)
        return -of_rows @ np.log(mixed), -(own / mixed) @ of_rows

    return simplex_weights(loss, len(log_proba))


def _loss_of_pool(log_proba, labels, of_rows, step=1e-5):
    """Return the loss of a pool of members that know different classes, as a function of weights.

    What a member says of the classes that it knows has a share in every row, so that the gradient
    is taken by differences.
    """
    own = np.arange(len(labels)), labels

    def value(w):
        log_q = pool(log_proba, np.maximum(w, 1e-12))[own]
        return -of_rows @ np.nan_to_num(log_q, nan=0.0)

    def loss(w):
        here = value(w)
        slopes = [(value(w + step * e) - here) / step for e in np.eye(len(w))]
        return here, np.array(slopes)

    return loss


def weights_by_squared_error(values, y, sample_weight=None):
    """Return the weights of members whose mean has the least squared error.

    Parameters
    ----------
    values : ndarray of shape (n_members, n_rows, n_outputs)
        Of rows that the members have not seen; NaN where one says nothing.
    y : ndarray of shape (n_rows, n_outputs)
    sample_weight : ndarray of shape (n_rows,), default=None

    Returns
    -------
    ndarray of shape (n_members,)
    """
    rows = ~np.isnan(values).any(axis=(0, 2))
    of_rows = np.ones(len(y)) if sample_weight is None else sample_weight
    scale = y[rows].std(axis=0)
    errors = (values[:, rows] - y[rows]) / np.where(scale > 0, scale, 1.0)
    root = np.sqrt(of_rows[rows] / of_rows[rows].sum())[:, None]
    errors = (errors * root).reshape(len(values), -1)
    cross = errors @ errors.T

    def loss(w):
        return w @ cross @ w, 2 * cross @ w

    return simplex_weights(loss, len(values))
