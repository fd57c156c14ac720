"""Rows of whatever container the user brought, without converting it.

X may be an array, a sparse matrix, a data frame or a list. Nothing here looks
at values; containers are recognised by the module that defines them, so that
none of those libraries is imported for the question.
"""

from collections.abc import Mapping
from copy import copy
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, indexable

from sklearn_distill.utils._sklearn_private import num_samples, take_rows

#: Fit parameters that hold rows of their own, by which a student stops early.
EVAL_PARAMS = {"eval_set", "eval_X", "eval_y", "X_val", "y_val", "sample_weight_val"}


def indexable_rows(X):
    """Return X itself if its rows can be taken, else in a form where they can (CSR, array)."""
    return indexable(X)[0]


def column_names(X):
    """Return the names of the columns of a data frame or table, and None of anything else."""
    library = type(X).__module__.partition(".")[0]
    if library == "pyarrow" and hasattr(X, "column_names"):
        return list(X.column_names)
    return list(X.columns) if hasattr(X, "columns") else None


def is_table(X):
    """Tell whether rows have columns of their own, rather than counts of words or a text."""
    return not sparse.issparse(X) and (column_names(X) is not None or np.ndim(X) == 2)


def own_rows(X):
    """Return a copy of rows that whoever gets it may write into; what is read-only as it is."""
    if isinstance(X, np.ndarray):
        return X.copy(order="K") if X.flags.writeable else X
    if isinstance(X, list | tuple):
        return type(X)(map(copy, X))
    if _is_dict(X):
        return {key: own_rows(values) for key, values in X.items()}
    if hasattr(X, "copy"):  # pandas, sparse matrices
        return X.copy()
    return X.clone() if hasattr(X, "clone") else X


def check_same_columns(X, other, name):
    """Raise ValueError unless the rows of ``other`` could stand below those of ``X``."""
    ours, theirs = _container(X), _container(other)
    if ours != theirs:
        raise ValueError(
            f"{name} must be of the same kind as X, a {ours}. Got a {theirs} instead. "
            f"Convert {name} to a {ours}."
        )
    expected, got = column_names(X), column_names(other)
    if expected is not None:
        if len(set(expected)) < len(expected):
            raise ValueError(
                f"X has several columns of one name, and {name} is put below them by name. "
                "Rename the columns of both."
            )
        if expected != got:
            raise ValueError(
                f"{name} must have the columns of X, in the same order: {short(expected)}. "
                f"Got {short(got)} instead."
            )
        if ours in ("polars data frame", "pyarrow table"):
            stack_rows(X[:0], other[:0])  # raises if a column is of another type
    elif _is_text(X) != _is_text(other):
        raise ValueError(
            f"{name} must have the type of X. X has dtype {X.dtype}, {name} has {other.dtype}."
        )
    elif hasattr(X, "shape") and X.shape[1:] != other.shape[1:]:
        raise ValueError(
            f"{name} must have as many columns as X. X has shape {X.shape}, "
            f"{name} has shape {other.shape}."
        )


def stack_rows(X, other):
    """Rows of ``X``, then rows of ``other`` (None adds nothing), in X's container."""
    if other is None:
        return X
    if _is_dict(X):
        return {key: stack_rows(values, other[key]) for key, values in X.items()}
    other = _in_precision_of(X, other)
    if sparse.issparse(X):
        return sparse.vstack([X, other], format="csr")
    kind = _container(X)
    if kind == "pandas data frame":
        return _concat_pandas(X, other)
    if kind == "polars data frame":
        return _concat_polars(X, other)
    if kind == "pyarrow table":
        return _concat_pyarrow(X, other)
    if isinstance(X, list):
        return X + list(other)
    return np.concatenate([X, other])


def _container(X):
    library = type(X).__module__.partition(".")[0]
    if library in {"pandas", "polars"}:
        kind = "data frame" if hasattr(X, "columns") else "series"
        return f"{library} {kind}"
    if library == "pyarrow":
        return "pyarrow table"
    if sparse.issparse(X):
        return "sparse matrix"
    if isinstance(X, list | tuple):
        return "list"
    if isinstance(X, np.memmap):  # rows on disk are an array like any other
        return "ndarray"
    return type(X).__name__


def _is_dict(X):
    # Some sparse matrices of old are dicts of their entries.
    return isinstance(X, Mapping) and not sparse.issparse(X)


def _is_text(X):
    return getattr(getattr(X, "dtype", None), "kind", "") in ("U", "S")


def _in_precision_of(X, other):
    """Cast floats of another width, which would otherwise widen the whole of X."""
    ours, theirs = getattr(X, "dtype", None), getattr(other, "dtype", None)
    return other.astype(ours) if _is_of_other_width(ours, theirs) else other


def _is_of_other_width(ours, theirs):
    return getattr(ours, "kind", "") == getattr(theirs, "kind", "") == "f" and ours != theirs


def _concat_pandas(X, other):
    import pandas as pd

    # Concatenating categorical columns with different categories would give a column of objects
    # that no student expects.
    recast = {
        column: X[column].dtype
        for column in X.columns
        if isinstance(X[column].dtype, pd.CategoricalDtype)
        and other[column].dtype != X[column].dtype
    }
    narrow = {
        column: X[column].dtype
        for column in X.columns
        if _is_of_other_width(X[column].dtype, other[column].dtype)
    }
    for column, dtype in recast.items():
        strange = other[column].dropna()[~other[column].dropna().isin(dtype.categories)]
        if len(strange):
            raise ValueError(
                f"Column {column!r} of X_unlabeled has categories that X does not have: "
                f"{short(sorted(map(str, strange.unique())))}. Add them to the dtype of both "
                "frames, or drop these rows."
            )
    return pd.concat([X, other.astype(recast | narrow)], ignore_index=True)


def _concat_polars(X, other):
    import polars as pl

    narrow = {
        name: dtype
        for name, dtype in X.schema.items()
        if dtype.is_float() and other.schema[name].is_float()
    }
    try:
        stacked = pl.concat([X, other.cast(narrow)], how="vertical_relaxed")
    except pl.exceptions.SchemaError as error:
        raise _other_types(X.schema, other.schema) from error
    for name, dtype in stacked.schema.items():
        if not dtype.is_numeric() and any(t.schema[name].is_numeric() for t in (X, other)):
            raise _other_types(X.schema, other.schema)  # numbers would become text
    return stacked


def _concat_pyarrow(X, other):
    import pyarrow as pa

    for i, ours in enumerate(X.schema):
        if pa.types.is_floating(ours.type) and pa.types.is_floating(other.schema[i].type):
            other = other.set_column(i, ours, other.column(i).cast(ours.type))
    try:
        return pa.concat_tables([X, other], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        ours, theirs = (dict(zip(t.schema.names, t.schema.types, strict=True)) for t in (X, other))
        raise _other_types(ours, theirs) from error


def _other_types(ours, theirs):
    name = next(name for name in ours if ours[name] != theirs[name])
    return ValueError(
        f"X_unlabeled must have the types of X. Column {name!r} is of {ours[name]} in X, and of "
        f"{theirs[name]} in X_unlabeled. Cast it."
    )


def short(names, most=8):
    """Write a list for a message: its first entries, and dots if there are more."""
    listed = ", ".join(map(repr, names[:most]))
    return f"[{listed}{', …' if len(names) > most else ''}]"


def n_rows(X):
    """Return the number of rows; None has none, and a dict those of its values."""
    if _is_dict(X):
        X = next(iter(X.values()), None)
    return 0 if X is None else num_samples(X)


def check_weights(sample_weight, n_samples):
    """Return the weights as a float64 array of shape (n_samples,); None stays None."""
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight per row. "
            f"Got shape {weights.shape} instead."
        )
    if (weights < 0).any():
        raise ValueError(
            "sample_weight must be non-negative. "
            f"Got {np.sum(weights < 0)} negative weights instead. Drop these rows."
        )
    if not weights.any():
        raise ValueError(
            "sample_weight must have a positive weight. Got zero for every row instead."
        )
    return weights


def check_whole_number(value, name):
    """Raise ValueError unless a number is whole and positive."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an int of 1 or more. Got {value!r} instead.")


def take_some(X, most):
    """Return rows of X that are spread over all of it, ``most`` of them at most."""
    n = n_rows(X)
    if n <= most:
        return X
    return take_rows(indexable_rows(X), np.linspace(0, n - 1, most).astype(int))
