"""Rows as a model takes them, and the same rows as numbers."""

import numpy as np
from scipy import sparse

from sklearn_distill.export.readers._columns import is_missing
from sklearn_distill.utils.rows import n_rows

#: A category that no model has seen.
UNKNOWN = "\x00unknown"


class RowFormat:
    """How the rows of a sample are built.

    Parameters
    ----------
    X : array, sparse matrix or data frame
        The sample.
    inputs : tuple of Input
    precision : dtype
        Of the numbers that the model is given.
    """

    def __init__(self, X, inputs, precision=np.float64):
        self.X, self.inputs, self.precision = X, inputs, precision

    def encode(self, X):
        """Return rows as numbers, of shape (n_samples, n_inputs), float64."""
        if sparse.issparse(X):
            return X.toarray().astype(np.float64)
        if not hasattr(X, "columns"):
            return np.asarray(X, dtype=np.float64)
        names = list(X.columns)
        columns = [codes_of(X[name], i) for name, i in zip(names, self.inputs, strict=True)]
        return np.column_stack(columns)

    def decode(self, matrix):
        """Return numbers as rows of the kind of the sample."""
        if sparse.issparse(self.X):
            return sparse.csr_matrix(matrix.astype(self.precision))
        if not hasattr(self.X, "columns"):
            return matrix.astype(self.precision)
        made = {}
        for j, (name, column) in enumerate(zip(self.X.columns, self.inputs, strict=True)):
            if column.labels is None:
                made[name] = matrix[:, j].astype(self._number_type(name))
            else:
                made[name] = self._categories(self.X[name], column, matrix[:, j])
        return type(self.X)(made)

    def _number_type(self, name):
        return np.float32 if str(self.X[name].dtype).lower() == "float32" else np.float64

    def _categories(self, column, known, codes):
        """Return codes as a column of categories, of the type of one in the sample."""
        dtype, values = column.dtype, _as_list(column)
        # Encoders tell None from NaN.
        missing = next((v for v in values if is_missing(v)), np.nan)
        if getattr(dtype, "categories", None) is not None:
            values = list(dtype.categories)
        original = {str(c): c for c in values if not is_missing(c)}
        of_label = [original.get(label, label) for label in known.labels]
        n = len(of_label)
        whole = np.nan_to_num(codes, nan=-1).astype(int)
        made = [
            missing if np.isnan(code) else of_label[i] if 0 <= i < n else UNKNOWN
            for code, i in zip(codes, whole, strict=True)
        ]
        if not hasattr(column, "iloc"):
            return [None if is_missing(v) else v for v in made]
        import pandas as pd

        if getattr(dtype, "categories", None) is None:
            return pd.Series(made, dtype=dtype)
        new = [UNKNOWN] if UNKNOWN in made else []
        unseen = [c for c in of_label if c not in set(dtype.categories)]
        return pd.Categorical(made, categories=[*dtype.categories, *unseen, *new])


def _as_list(column):
    return column.tolist() if hasattr(column, "tolist") else column.to_list()


def codes_of(column, known):
    """Return a column of a data frame as numbers: those of its categories, if it has any."""
    if known.labels is None:
        return np.asarray(column, dtype=np.float64)
    place = {label: float(i) for i, label in enumerate(known.labels)}
    values = _as_list(column)
    n = float(len(place))
    return np.array([np.nan if is_missing(v) else place.get(str(v), n) for v in values])


def some_of(X, most, seed=0):
    """Return at most ``most`` rows, drawn without regard to their order."""
    from sklearn_distill.utils._sklearn_private import take_rows
    from sklearn_distill.utils.rows import indexable_rows

    n = n_rows(X)
    if n <= most:
        return X
    some = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    return take_rows(indexable_rows(X), some)
