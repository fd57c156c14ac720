"""What a student is to minimise: losses on logits, and losses on layers.

Losses on logits have one reference in NumPy (:mod:`sklearn_distill.losses.reference`)
and a differentiable twin of the same name in torch (:mod:`sklearn_distill.losses.torch`).
Losses on layers are torch modules (:mod:`sklearn_distill.losses.features`). This
file only knows their names: nothing heavy is imported until a loss is asked for.
"""

from importlib import import_module

from sklearn_distill.losses._checks import unknown_name

__all__ = [
    "FEATURE_LOSSES",
    "LOGIT_LOSSES",
    "VALUE_LOSSES",
    "get_feature_loss",
    "get_logit_loss",
    "get_value_loss",
]

#: Losses on logits: what the user writes, and the function of that name in each engine.
LOGIT_LOSSES = {
    "kl": "kl",
    "soft-cross-entropy": "soft_cross_entropy",
    "logit-mse": "logit_mse",
    "jensen-shannon": "jensen_shannon",
    "reverse-kl": "reverse_kl",
    "dkd": "dkd",
    "dist": "dist",
    "logit-standardization": "logit_standardization",
    "wsld": "wsld",
}

#: Losses of values: what the user writes, and the function in ``losses.values``.
VALUE_LOSSES = {
    "squared-error": "squared_error",
    "absolute-error": "absolute_error",
    "huber": "huber",
    "teacher-bounded": "teacher_bounded",
}

#: Losses on layers: what the user writes, and the class in ``losses.features``.
FEATURE_LOSSES = {
    "fitnets": "FitNets",
    "attention-transfer": "AttentionTransfer",
    "attention-probabilities": "AttentionProbabilities",
    "rkd-distance": "RKDDistance",
    "rkd-angle": "RKDAngle",
    "similarity-preserving": "SimilarityPreserving",
    "cka": "CKA",
    "pkt": "PKT",
    "vid": "VID",
    "jacobian": "Jacobian",
}

_ENGINES = {"numpy": "sklearn_distill.losses.reference", "torch": "sklearn_distill.losses.torch"}


def get_value_loss(loss):
    """Return the function of a loss of values, a key of :data:`VALUE_LOSSES`."""
    return getattr(import_module("sklearn_distill.losses.values"), VALUE_LOSSES[loss])


def get_logit_loss(loss, backend="torch"):
    """Return the function of a loss on logits.

    Parameters
    ----------
    loss : str or callable
        A key of :data:`LOGIT_LOSSES`; a callable with the arguments of
        :func:`sklearn_distill.losses.reference.kl` is returned as it is.
    backend : {"torch", "numpy"}, default="torch"
        What computes it.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no loss or backend of this name.
    TypeError
        If ``loss`` is neither a name nor a callable.

    Examples
    --------
    >>> from sklearn_distill.losses import get_logit_loss
    >>> get_logit_loss("logit-mse", backend="numpy").__name__
    'logit_mse'
    """
    if callable(loss):
        return loss
    _check_name(loss, LOGIT_LOSSES, "loss on logits")
    if backend not in _ENGINES:
        raise ValueError(f"backend must be one of {sorted(_ENGINES)}. Got {backend!r} instead.")
    return getattr(import_module(_ENGINES[backend]), LOGIT_LOSSES[loss])


def get_feature_loss(loss):
    """Return a loss on layers, ready to be called.

    Parameters
    ----------
    loss : str, type or callable
        A key of :data:`FEATURE_LOSSES` or a class, of which an instance with
        default settings is made; any other callable is returned as it is.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no loss of this name.
    TypeError
        If ``loss`` is neither a name nor a callable.

    Examples
    --------
    >>> from sklearn_distill.losses import get_feature_loss
    >>> get_feature_loss("rkd-distance")
    RKDDistance()
    """
    if isinstance(loss, type):
        return loss()
    if callable(loss):
        return loss
    _check_name(loss, FEATURE_LOSSES, "loss on layers")
    return getattr(import_module("sklearn_distill.losses.features"), FEATURE_LOSSES[loss])()


def _check_name(loss, accepted, what):
    if not isinstance(loss, str):
        raise TypeError(
            f"A {what} must be one of {sorted(accepted)}, or a callable. Got {loss!r} instead."
        )
    if loss not in accepted:
        raise unknown_name(loss, accepted, what)
