"""Objectives and metrics in the form that CatBoost takes from outside.

CatBoost hands them margins, target and weight of some rows, in an order of its own. What the loss
needs must therefore be in the target, to which CatBoost is not indifferent: it encodes categorical
features by it.
"""

import sys
from array import array

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.metrics import roc_auc_score

#: Different label shares that are told apart, a power of two: seven of a float32's 24 bits.
MOST_SHARES = 128

#: Where no soft target can be, in the target of an eval_set: label k is minus k and this, or
#: stands beside it.
_MARK = -1

_NO_WEIGHTS = np.empty(0, np.float32)


def choose(loss, labels, params):
    """Return parameters for one way of training, and the target that goes with it.

    Parameters
    ----------
    loss : HintonLoss
    labels : ndarray of int, shape (n_rows,)
        Position of each row's class.
    params : dict
        The student's.

    Returns
    -------
    params : dict
        ``loss_function`` and ``eval_metric``.
    target : ndarray of float32, shape (n_rows,) or (n_rows, n_classes)
    encode : callable
        Turns the positions of an eval_set's labels into the same form.
    """
    wanted, target = params.get("eval_metric"), loss.mixed.copy()
    if target.ndim == 1 and loss.temperature == 1:
        task = {"loss_function": "CrossEntropy", "eval_metric": wanted or "Logloss"}
        return task, target, lambda labels: labels.astype(np.float32)
    if params.get("custom_metric") or params.get("custom_loss"):
        raise ValueError(
            "CatBoost computes no custom_metric for soft targets of more than two classes or at a "
            "temperature other than 1. Leave custom_metric out."
        )
    if target.ndim == 1:
        shares = _hide(loss.label_share, target)
        objective = _BinaryObjective(shares, loss.temperature)
        task = {"loss_function": objective, "eval_metric": _binary_metric(wanted, objective)}
        return task, target, lambda labels: _MARK - labels.astype(np.float32)
    shares = np.ones(1) if loss.temperature == 1 else _hide(loss.label_share, target[:, 1])
    # One minus the others: its place is free for what encodes categorical features.
    target[:, 0] = labels
    objective = _multiclass_objective(shares, loss.temperature, target.shape[1])
    task = {"loss_function": objective, "eval_metric": _multiclass_metric(wanted)}

    def encode(labels):
        encoded = np.zeros((len(labels), target.shape[1]), np.float32)
        encoded[:, 0] = labels
        encoded[:, 1] = _MARK
        return encoded

    return task, target, encode


def sum_of_weights(loss):
    """Return what a row weighs in both terms together, which CatBoost takes as its weight."""
    return loss.scale / _stretch(loss.label_share, loss.temperature)


def _stretch(label_share, temperature):
    """Return by how much the temperature stretches a row's gradient: 1 - alpha + alpha T."""
    return temperature / (1 + label_share * (temperature - 1))


def _hide(label_share, target):
    """Write into the lowest bits of float32 targets which label share belongs to each.

    Parameters
    ----------
    label_share : ndarray of shape (n_rows,)
    target : ndarray of float32, shape (n_rows,)
        Changed in place, in a way that hardly changes the numbers.

    Returns
    -------
    shares : ndarray of shape (2^n_bits,)
        What the bits mean.
    """
    shares = np.unique(label_share).astype(np.float64)
    if len(shares) > MOST_SHARES:
        shares = np.linspace(shares[0], shares[-1], MOST_SHARES)
    table = np.full(1 << (len(shares) - 1).bit_length(), shares[-1])
    table[: len(shares)] = shares
    code = np.searchsorted((shares[1:] + shares[:-1]) / 2, label_share)
    bits = target.view(np.uint32)
    bits &= ~np.uint32(len(table) - 1)
    bits |= code.astype(np.uint32)
    return table


class _BinaryObjective:
    """The loss of many rows at once, and its derivatives."""

    no_jit = True  # CatBoost would try to compile the methods

    def __init__(self, shares, temperature):
        from sklearn_distill.losses.kernels import pair_derivatives, pair_loss

        self._derive, self._sum_up = pair_derivatives, pair_loss
        self._settings = shares, float(temperature)

    def calc_ders_range(self, margins, targets, weights):
        out = np.empty((len(margins), 2))
        weights = _NO_WEIGHTS if weights is None else weights
        self._derive(margins, targets, weights, *self._settings, out)
        return out

    def evaluate(self, margins, targets, weights):
        """Return the sum of the loss, up to a constant, and that of the weights."""
        weights = _NO_WEIGHTS if weights is None else weights
        return self._sum_up(margins, targets, weights, *self._settings)


def _multiclass_objective(shares, temperature, n_classes):
    from sklearn_distill.losses.kernels import row_derivatives

    # Arrays of this kind become Python floats, which is what CatBoost makes of them, soonest.
    no_gradient = array("d", [0.0]) * n_classes
    no_hessian = array("d", [0.0]) * (n_classes * (n_classes + 1) // 2)

    class Objective(sys.modules["catboost"].MultiTargetCustomObjective):
        no_jit = True

        def calc_ders_multi(self, margins, targets, weight):
            gradient, hessian = array("d", no_gradient), array("d", no_hessian)
            row_derivatives(
                margins,
                targets,
                float(weight),
                shares,
                float(temperature),
                np.frombuffer(gradient),
                np.frombuffer(hessian),
            )
            # CatBoost reads line after line from its diagonal on, into a packed triangle.
            return gradient, (hessian,)

    return Objective()


def _binary_metric(wanted, objective):
    """Return a metric that is the user's on an eval_set, and the loss on the training rows.

    There CatBoost decides by it whether a step was one in the right direction.
    """
    if hasattr(wanted, "evaluate"):
        name, evaluate = type(wanted).__name__, wanted.evaluate
        greater_is_better = wanted.is_max_optimal()
    else:
        name = {None: "Logloss", "CrossEntropy": "Logloss"}.get(wanted, wanted)
        known = {"Logloss": _log_loss, "Accuracy": _accuracy, "AUC": _auc}
        _check_known(name, known)
        evaluate, greater_is_better = known[name], name != "Logloss"

    def evaluate_either(self, margins, target, weights):
        if target[0] < 0:
            return evaluate(margins, np.float32(_MARK) - target, weights)
        error, weight = objective.evaluate(margins[0], target, weights)
        return -error if greater_is_better else error, weight

    def get_final_error(self, error, weight):
        return error / (weight + 1e-38)

    members = {"evaluate": evaluate_either, "get_final_error": get_final_error}
    return _as_metric(name, object, greater_is_better, members)


def _multiclass_metric(wanted):
    """Return a metric of labels on an eval_set, and of soft targets on the training rows."""
    name = wanted or "MultiClass"
    _check_known(name, {"MultiClass", "Accuracy"})

    def evaluate(self, margins, targets, weights):
        margins, target = np.stack(margins), np.stack(targets)
        labels = target[0].astype(int)
        if name == "Accuracy":
            rows = margins.argmax(axis=0) == labels
        elif target[1, 0] == _MARK:
            rows = -log_softmax(margins, axis=0)[labels, np.arange(len(labels))]
        else:
            target[0] = 1 - target[1:].sum(axis=0)
            rows = -(target * log_softmax(margins, axis=0)).sum(axis=0)
        return _sums(rows, weights)

    def get_final_error(self, error, weight):
        return error / (weight + 1e-38)

    base = sys.modules["catboost"].MultiTargetCustomMetric
    members = {"evaluate": evaluate, "get_final_error": get_final_error}
    return _as_metric(name, base, name == "Accuracy", members)


def _check_known(name, known):
    if name not in known:
        raise ValueError(
            f"CatBoost cannot compute eval_metric={name!r} where soft targets take the place of "
            f"labels. Use one of {sorted(known)}."
        )


def _as_metric(name, base, greater_is_better, members):
    """Return an instance of a class of this name, under which CatBoost shows the metric."""
    members |= {"no_jit": True, "is_max_optimal": lambda self: greater_is_better}
    return type(name, (base,), members)()


def _log_loss(margins, labels, weights):
    return _sums(-log_expit(np.where(labels > 0, margins[0], -margins[0])), weights)


def _accuracy(margins, labels, weights):
    return _sums((margins[0] > 0) == (labels > 0), weights)


def _auc(margins, labels, weights):
    return roc_auc_score(labels > 0, margins[0], sample_weight=weights), 1.0


def _sums(rows, weights):
    weights = np.ones(len(rows)) if weights is None else weights
    return float(rows @ weights), float(weights.sum())
