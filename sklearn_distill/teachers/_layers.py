"""The inside of teachers, for hints: networks, hidden activations and leaf coordinates."""

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder

from sklearn_distill.teachers._torch import TorchTeacher
from sklearn_distill.utils._sklearn_private import ACTIVATIONS
from sklearn_distill.utils.dispatch import is_module, is_network, name_of
from sklearn_distill.utils.pipelines import reach_last_step
from sklearn_distill.utils.rows import n_rows, own_rows

#: Coordinates that stand for the leaves of a tree ensemble.
LEAF_COORDINATES = 32


def innermost(teacher, X):
    """Return the model inside a fitted teacher, and the rows of X as they reach it.

    Parameters
    ----------
    teacher : estimator or module
        Pipelines, frozen estimators and fitted distillation estimators are looked through.
    X : rows
        What the teacher takes.

    Returns
    -------
    model : estimator
        A network as a :class:`TorchTeacher`.
    rows : rows
    """
    X = own_rows(X)  # a transformer may write into what it gets
    while True:
        teacher, X = reach_last_step(teacher, X)
        if is_network(teacher):  # first of all: a module's attributes may have any name
            return TorchTeacher(teacher if is_module(teacher) else teacher.module_), X
        if isinstance(teacher, FrozenEstimator):
            teacher = teacher.estimator
        elif hasattr(teacher, "student_"):
            columns = getattr(teacher, "student_columns_", None)
            X = X if columns is None else columns.take(X)
            teacher = teacher.student_
        elif hasattr(teacher, "decoder"):  # a distilled student on its own
            teacher = teacher.student
        else:
            return teacher, X


def read_layer(teacher, X, path):
    """Return a layer of a fitted scikit-learn teacher for the rows of X.

    Parameters
    ----------
    teacher : MLPClassifier, or tree or tree ensemble with ``apply``
    X : rows
    path : str
        ``"hidden.K"`` for the K-th hidden layer of an ``MLPClassifier``, ``"leaves"`` for trees.

    Returns
    -------
    features : ndarray of float32, shape (n_samples, n_features)
        For ``"leaves"`` the leading coordinates of the indicators of the leaves: rows that share
        many leaves are close.

    Raises
    ------
    ValueError
        If the teacher has no such layer; the message says which it has.
    """
    known = _layer_names(teacher)
    if path not in known:
        raise ValueError(
            f"The teacher {name_of(teacher)} has no layer {path!r}. "
            + (
                f"It has {known}."
                if known
                else "Hints need a torch module, an MLPClassifier or a tree ensemble as teacher."
            )
        )
    if path == "leaves":
        return _leaf_coordinates(teacher, X)
    return _hidden_activation(teacher, X, int(path.removeprefix("hidden.")))


def _layer_names(teacher):
    if isinstance(teacher, MLPClassifier):
        return [f"hidden.{k}" for k in range(teacher.n_layers_ - 2)]
    return ["leaves"] if hasattr(teacher, "apply") else []


def _hidden_activation(teacher, X, layer):
    activation = np.asarray(X)
    weights = list(zip(teacher.coefs_, teacher.intercepts_, strict=True))
    for coefs, intercepts in weights[: layer + 1]:
        activation = activation @ coefs + intercepts
        ACTIVATIONS[teacher.activation](activation)
    return activation.astype(np.float32)


def _leaf_coordinates(teacher, X):
    leaves = np.asarray(teacher.apply(X)).reshape(n_rows(X), -1)
    indicators = OneHotEncoder(dtype=np.float32).fit_transform(leaves)
    n_coordinates = min(LEAF_COORDINATES, *(size - 1 for size in indicators.shape))
    return TruncatedSVD(max(n_coordinates, 1), random_state=0).fit_transform(indicators)
