"""The student that is taken when none is given: a compact network with its own preprocessing."""

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from torch import nn

from sklearn_distill.utils.rows import n_rows

#: Widths of the hidden layers.
HIDDEN = (128, 64)

#: Share of the units that are dropped in training.
DROPOUT = 0.1

#: Categories of a column that get a unit of their own; rarer ones share one.
MAX_CATEGORIES = 32

#: Standard deviations at which standardised numbers are cut off.
CLIP = 5.0


def default_student(X, n_classes):
    """Return an unfitted Pipeline of preprocessing and a small network for rows like X.

    Numeric columns come twice, made normal by their quantiles and standardised: the one is
    indifferent to outliers, the other keeps distances. Their missing values become the median and
    a flag. Categorical columns are one-hot, missing values a category.

    Parameters
    ----------
    X : rows
        Only types and shape are looked at.
    n_classes : int

    Returns
    -------
    Pipeline
        Of the steps ``"prepare"`` and ``"network"``.
    """
    # Lazy layers draw their weights when training starts, with its seed.
    layers = [nn.LazyLinear(HIDDEN[0])]
    for width in [*HIDDEN[1:], n_classes]:
        layers += [nn.ReLU(), nn.Dropout(DROPOUT), nn.LazyLinear(width)]
    return Pipeline([("prepare", _preparation(X)), ("network", nn.Sequential(*layers))])


def _preparation(X):
    if sparse.issparse(X):
        return MaxAbsScaler()
    quantiles = QuantileTransformer(
        n_quantiles=int(np.clip(n_rows(X) // 10, 10, 1000)),
        output_distribution="normal",
        random_state=0,
    )
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -CLIP, "a_max": CLIP})
    numeric = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        make_union(quantiles, make_pipeline(StandardScaler(), clip)),
    )
    if not type(X).__module__.startswith("pandas"):
        return numeric
    categorical = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=5,
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
    )
    numbers = make_column_selector(dtype_include="number")
    return ColumnTransformer(
        [("numeric", numeric, numbers), ("categorical", categorical, _NotNumeric())]
    )


class _NotNumeric:
    """Select the columns that hold no numbers."""

    def __call__(self, X):
        """Return their names."""
        return list(X.select_dtypes(exclude="number").columns)
