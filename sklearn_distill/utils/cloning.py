"""Clones of estimators that scikit-learn cannot clone, because their constructor copies settings.

scikit-learn wants to find in a clone the very objects that it was made of. CatBoost copies lists
and dicts, so that scikit-learn refuses one with ``cat_features=[0]``, be it deep in a Pipeline.
"""

import copy

from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator

from sklearn_distill.utils.content import content_key
from sklearn_distill.utils.dispatch import name_of


def clone_of(thing):
    """Return an unfitted copy, as ``sklearn.base.clone(thing, safe=False)`` does.

    It is enough that the settings of the copy are equal to those of the original.

    Parameters
    ----------
    thing : estimator, or any setting of one

    Returns
    -------
    object

    Raises
    ------
    RuntimeError
        If the constructor of an estimator makes something else of a setting.
    """
    try:
        return clone(thing, safe=False)
    except RuntimeError:  # about this thing, or one inside
        if type(thing) in (list, tuple):
            return type(thing)(map(clone_of, thing))
        if type(thing) is dict:
            return {key: clone_of(value) for key, value in thing.items()}
        if not hasattr(thing, "get_params") or _clones_itself(thing):
            raise
    params = {key: clone_of(value) for key, value in thing.get_params(deep=False).items()}
    twin = type(thing)(**params)
    _check_kept(twin, params)
    for of_instance in ("_metadata_request", "_sklearn_output_config"):
        if of_instance in vars(thing):
            setattr(twin, of_instance, copy.deepcopy(vars(thing)[of_instance]))
    return twin


def thawed(estimator):
    """Return what is in a FrozenEstimator; anything else as it is."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def clone_with(estimator, **params):
    """Return scikit-learn's clone of an estimator, with these objects as some of its parameters.

    Parameters
    ----------
    estimator : BaseEstimator
        Its own ``__sklearn_clone__`` is not asked, and may call this function.
    **params : dict
        Taken as they are.

    Returns
    -------
    estimator
    """
    shell = copy.copy(estimator)
    for name, value in params.items():
        setattr(shell, name, _AsItIs(value))
    return BaseEstimator.__sklearn_clone__(shell)


class _AsItIs:
    """Something of which ``clone`` makes what it holds."""

    def __init__(self, value):
        self.value = value

    def __sklearn_clone__(self):
        return self.value


def _clones_itself(thing):
    by_default = BaseEstimator.__sklearn_clone__
    return getattr(type(thing), "__sklearn_clone__", by_default) is not by_default


def _check_kept(twin, params):
    found = twin.get_params(deep=False)
    for name, value in params.items():
        got = found.get(name)
        if got is not value and content_key(got) != content_key(value):
            raise RuntimeError(
                f"{name_of(twin)} cannot be cloned: of {name}={value!r} its constructor makes "
                f"{got!r}. Pass {name} in the form that the constructor leaves as it is."
            )
