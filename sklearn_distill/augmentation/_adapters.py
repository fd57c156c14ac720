"""Anything that makes new rows, in the form of an augmenter; and a look at what it made."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_distill.augmentation._augmenters import Augmenter
from sklearn_distill.augmentation._cells import missing_columns
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.content import content_key
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import check_same_columns, n_rows


class FunctionAugmenter(Augmenter):
    """An augmenter that is a function of X, y and a RandomState.

    Parameters
    ----------
    function : callable
        ``function(X, y, random_state)`` returns new rows.
    """

    def __init__(self, function):
        self.function = function

    def _sample(self, X, y, rng, proba):
        return self.function(X, y, rng), None


class ResamplerAugmenter(Augmenter):
    """An over-sampler of imbalanced-learn as an augmenter: its new rows are taken, not its labels.

    Parameters
    ----------
    sampler : estimator with ``fit_resample``
        Such as SMOTE: it returns the rows that it was given, and new ones behind them.
    """

    def __init__(self, sampler):
        self.sampler = sampler

    def _sample(self, X, y, rng, proba):
        sampler = clone(self.sampler)
        if "random_state" in sampler.get_params():
            sampler.set_params(random_state=rng.randint(np.iinfo(np.int32).max))
        got, _ = sampler.fit_resample(X, y)
        n_samples = n_rows(X)
        first = take_rows(got, np.arange(min(n_samples, n_rows(got))))
        if n_rows(got) < n_samples or content_key(_values(first)) != content_key(_values(X)):
            raise ValueError(
                f"{name_of(sampler)} does not keep the rows that it is given and add new ones "
                "behind them. Use an over-sampler, such as SMOTE or RandomOverSampler."
            )
        return take_rows(got, np.arange(n_samples, n_rows(got))), None


def as_augmenter(thing):
    """Return anything that makes new rows as an augmenter.

    Parameters
    ----------
    thing : Augmenter, object with ``sample(X, y, random_state)``, over-sampler or callable
        An over-sampler is one of imbalanced-learn, with ``fit_resample``.

    Returns
    -------
    Augmenter

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(thing, Augmenter):
        return thing
    if hasattr(thing, "sample"):
        return FunctionAugmenter(thing.sample)
    if hasattr(thing, "fit_resample"):
        return ResamplerAugmenter(thing)
    if callable(thing):
        return FunctionAugmenter(thing)
    raise TypeError(
        "augmenter must have a method sample(X, y, random_state) or fit_resample(X, y), or be a "
        f"function of (X, y, random_state). Got a {name_of(thing)}."
    )


def draw_rows(augmenter, X, y, random_state, proba=None):
    """Have new rows made, and look at them before anybody trusts them.

    Parameters
    ----------
    augmenter : see :func:`as_augmenter`
    X, y, random_state, proba
        As in :meth:`Augmenter.sample`.

    Returns
    -------
    X_new : rows of the same kind

    Raises
    ------
    ValueError
        If they are of another kind, none, or have missing or infinite values where X has none.
    """
    rng = check_random_state(random_state)
    X_new = as_augmenter(augmenter).sample(X, y, rng, proba=proba)
    name = f"What {name_of(augmenter)} made of X"
    if X_new is None or (not hasattr(X_new, "__len__") and not hasattr(X_new, "shape")):
        raise TypeError(f"{name} must be rows. Got a {name_of(X_new)}.")
    check_same_columns(X, X_new, name)
    if n_rows(X_new) == 0:
        raise ValueError(f"{name} has no rows. Raise its number of new rows, or leave it out.")
    for kind, before, after in zip(
        ("missing", "infinite"), missing_columns(X), missing_columns(X_new), strict=True
    ):
        if (after & ~before).any():
            raise ValueError(
                f"{name} has {kind} values in {np.sum(after & ~before)} columns where X has none. "
                "Fill them in the augmenter."
            )
    return X_new


def _values(rows):
    return rows.to_numpy() if hasattr(rows, "to_numpy") else rows
