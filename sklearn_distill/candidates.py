"""Small models of every kind: what could be shipped instead of the teacher.

The report looks among them for the rival of the same budget, a selection for the best student.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import ComplementNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill.utils.rows import column_names, is_table, n_rows

#: Most leaves of a tree that someone reads.
READABLE_LEAVES = 64

#: A network sees so many rows in all, and each of them in so many epochs, at most and at least.
ROWS_SEEN, MOST_EPOCHS, FEWEST_EPOCHS = 2_000_000, 200, 10


class Candidate(NamedTuple):
    """A small model that is not fitted.

    Attributes
    ----------
    name : str
        As people call it.
    kind : {"tree", "booster", "linear", "network", "forest", "own"}
    estimator : estimator
        With whatever the columns must go through first.
    readable : bool
        Whether an auditor could follow it.
    size : int
        Leaves, or weights: of one kind, the larger it is the more bytes it takes.
    """

    name: str
    kind: str
    estimator: BaseEstimator
    readable: bool
    size: int = 0


def candidates_for(X, *, n_outputs=None, readable=False, random_state=None):
    """Return the small models that take rows such as these.

    Parameters
    ----------
    X : array, sparse matrix, data frame, or list of texts
        Their columns decide what comes before the models: categories are encoded, missing values
        filled in where a model cannot take them, numbers scaled for linear models and networks.
    n_outputs : int, default=None
        Of regressors. None is for classifiers.
    readable : bool, default=False
        Only single trees of at most 64 leaves, and linear models.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    list of Candidate
    """
    of_values = n_outputs is not None
    candidates = [*_linear(of_values)]
    if is_table(X):
        candidates = [*_trees(random_state, of_values), *_linear(of_values)]
        if not readable:
            candidates += [
                *_boosters(random_state, n_outputs),
                *_networks(n_rows(X), random_state, of_values),
                *_forests(random_state, of_values),
            ]
    elif not of_values and not readable and (not sparse.issparse(X) or X.min() >= 0):
        candidates.append(Candidate("naive Bayes", "linear", ComplementNB(), False))
    kept = [c for c in candidates if c.readable or not readable]
    return [
        c._replace(estimator=prepared(c.estimator, X, by_splits=c.kind in BY_SPLITS)) for c in kept
    ]


#: Kinds that ask whether a column is above a threshold, and care for nothing but the order.
BY_SPLITS = ("tree", "booster", "forest")


def _trees(random_state, of_values):
    kind = DecisionTreeRegressor if of_values else DecisionTreeClassifier
    for leaves in (8, 16, 32, 64, 128, 256, 512):
        tree = kind(max_leaf_nodes=leaves, min_samples_leaf=5, random_state=random_state)
        yield Candidate(f"tree, {leaves} leaves", "tree", tree, leaves <= READABLE_LEAVES, leaves)


def _boosters(random_state, n_outputs):
    kind = HistGradientBoostingClassifier if n_outputs is None else HistGradientBoostingRegressor
    for n_trees, leaves, rate in (
        (4, 8, 0.6),
        (8, 4, 0.5),
        (8, 8, 0.4),
        (15, 8, 0.3),
        (30, 8, 0.2),
        (50, 8, 0.15),
        (100, 8, 0.1),
        (30, 4, 0.3),
        (100, 4, 0.15),
        (30, 15, 0.15),
        (60, 15, 0.1),
    ):
        booster = kind(
            max_iter=n_trees,
            max_leaf_nodes=leaves,
            learning_rate=rate,
            early_stopping=False,
            random_state=random_state,
        )
        if n_outputs is not None and n_outputs > 1:
            booster = MultiOutputRegressor(booster)
        yield Candidate(
            f"booster, {n_trees} × {leaves} leaves", "booster", booster, False, n_trees * leaves
        )


def _linear(of_values):
    if of_values:
        for strength in (0.1, 1.0, 10.0, 100.0):
            yield Candidate(
                f"ridge regression, alpha={strength:g}", "linear", Ridge(alpha=strength), True
            )
        return
    for strength in (0.01, 0.1, 1.0, 10.0):
        linear = LogisticRegression(C=strength, max_iter=1000)
        yield Candidate(f"logistic regression, C={strength:g}", "linear", linear, True)


def _networks(n, random_state, of_values):
    kind = MLPRegressor if of_values else MLPClassifier
    epochs = int(np.clip(ROWS_SEEN // n, FEWEST_EPOCHS, MOST_EPOCHS))
    for sizes in ((16,), (32, 32), (64, 64)):
        network = kind(
            hidden_layer_sizes=sizes,
            alpha=1e-2,
            max_iter=epochs,
            tol=1e-3,
            n_iter_no_change=5,
            random_state=random_state,
        )
        if of_values:  # networks learn values in units of their deviation
            network = TransformedTargetRegressor(network, transformer=StandardScaler())
        named = " × ".join(map(str, sizes))
        yield Candidate(f"network, {named} units", "network", network, False, sum(sizes) ** 2)


def _forests(random_state, of_values):
    kind = RandomForestRegressor if of_values else RandomForestClassifier
    for n_trees, leaves in ((10, 16), (20, 32), (40, 32)):
        forest = kind(n_trees, max_leaf_nodes=leaves, max_features=0.5, random_state=random_state)
        yield Candidate(
            f"forest, {n_trees} × {leaves} leaves", "forest", forest, False, n_trees * leaves
        )


def prepared(estimator, X, *, by_splits):
    """Return an estimator behind what the columns of X must go through before it.

    Parameters
    ----------
    estimator : estimator
    X : rows
    by_splits : bool
        Whether it only asks for the order of values, so that they need no scale.

    Returns
    -------
    estimator
        As it is, or a Pipeline.
    """
    if sparse.issparse(X):
        return estimator if by_splits else make_pipeline(MaxAbsScaler(), estimator)
    if column_names(X) is None:
        if _is_text_rows(X):
            return make_pipeline(TfidfVectorizer(sublinear_tf=True), estimator)
        steps = _for_numbers(by_splits, np.isnan(np.asarray(X, dtype=np.float64)).any())
        return make_pipeline(*steps, estimator) if steps else estimator
    numbers = [name for name in column_names(X) if is_numeric(X[name])]
    categories = [name for name in column_names(X) if name not in numbers]
    steps = _for_numbers(by_splits, any(_has_missing(X[name]) for name in numbers))
    if not categories:
        return make_pipeline(*steps, estimator) if steps else estimator
    if by_splits:
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-1
        )
    else:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=5)
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(*steps) if steps else "passthrough", numbers), (encoder, categories)
        ),
        estimator,
    )


def _for_numbers(by_splits, missing):
    if by_splits:
        return []  # missing values go to a side of their own
    return [SimpleImputer(), StandardScaler()] if missing else [StandardScaler()]


def is_numeric(column):
    """Tell whether a column of a data frame, of any library, holds numbers or truth values."""
    dtype = column.dtype
    if hasattr(dtype, "is_numeric"):  # polars
        return dtype.is_numeric() or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in "biuf" and not hasattr(dtype, "categories")


def _has_missing(column):
    return (
        bool(column.null_count()) if hasattr(column, "null_count") else bool(column.isna().any())
    )


def _is_text_rows(X):
    first = next(iter(X), None) if not hasattr(X, "shape") or X.ndim == 1 else None
    return isinstance(first, str)
