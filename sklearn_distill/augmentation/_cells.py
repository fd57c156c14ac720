"""Cells of new rows, column by column, for each container of rows.

A new row takes each of its cells from a real row, or has a number between two of them. What
differs between arrays, frames and sparse matrices is here and nowhere else.
"""

import sys

import numpy as np
from scipy import sparse

from sklearn_distill.utils.dispatch import name_of

#: A text column is known by this many of its values when rows are compared.
MOST_CATEGORIES = 20


def is_table(X):
    """Tell a two-dimensional array, data frame or sparse matrix from everything else."""
    return sparse.issparse(X) or (getattr(X, "ndim", None) == 2) or _library(X) == "polars"


def n_columns(X):
    """Return the number of columns."""
    return X.shape[1]


def column(X, j):
    """Return column j as an array of one dimension; objects where it holds no numbers."""
    if _library(X) == "pandas":
        series = X.iloc[:, j]
        if series.dtype.kind in "iufb" and not isinstance(series.dtype, np.dtype):
            return series.to_numpy(np.float64, na_value=np.nan)
        return series.to_numpy()
    if _library(X) == "polars":
        return X.to_series(j).to_numpy()
    return X[:, j]


def is_continuous(values):
    """Tell whether a column has numbers between which there are others: floats, not all whole."""
    if values.dtype.kind != "f":
        return False
    finite = values[np.isfinite(values)]
    return bool((finite != np.floor(finite)).any())


def assemble(X, n_new, cells):
    """Make rows of X's kind.

    Parameters
    ----------
    X : ndarray or data frame
    n_new : int
    cells : callable
        Of the position of a column and the column, it returns the rows to take the cells from,
        as integers of shape (n_new,), or the cells themselves, as floats.

    Returns
    -------
    rows of X's kind
        With the columns of X, of the same types.
    """
    library = _library(X)
    if library == "pandas":
        return _assemble_pandas(X, n_new, cells)
    if library == "polars":
        return _assemble_polars(X, cells)
    X_new = np.empty((n_new, X.shape[1]), dtype=X.dtype)
    for j in range(X.shape[1]):
        got = cells(j, X[:, j])
        X_new[:, j] = got if got.dtype.kind == "f" else X[got, j]
    return X_new


def _assemble_pandas(X, n_new, cells):
    pd = sys.modules["pandas"]
    index = pd.RangeIndex(n_new)
    made = []
    for j in range(X.shape[1]):
        series, got = X.iloc[:, j], cells(j, column(X, j))
        if got.dtype.kind == "f":
            made.append(pd.Series(got, index).astype(series.dtype))
        else:
            made.append(pd.Series(series.array.take(got), index))
    X_new = pd.concat(made, axis=1) if made else pd.DataFrame(index=index)
    X_new.columns = X.columns
    return X_new


def _assemble_polars(X, cells):
    pl = sys.modules["polars"]
    made = []
    for j, name in enumerate(X.columns):
        series, got = X.to_series(j), cells(j, column(X, j))
        if got.dtype.kind == "f":
            made.append(pl.Series(name, got, nan_to_null=not _has_nan(series)).cast(series.dtype))
        else:
            made.append(series.gather(got))
    return pl.DataFrame(made)


def _has_nan(series):
    return series.dtype.is_float() and bool(series.is_nan().any())


def swap_stored(X, base, donor, share, rng):
    """Make sparse rows, each column of which is the donor's with a probability, else the base's.

    Only stored entries are visited: whether a cell is swapped is a hash of its row and column, so
    that both rows of it agree, whichever of them has an entry there.

    Parameters
    ----------
    X : sparse matrix or array
    base, donor : ndarray of int, shape (n_new,)
    share : float or ndarray of shape (n_new,)
    rng : RandomState

    Returns
    -------
    csr_matrix or csr_array
    """
    X = X.tocsr()
    seeds = rng.randint(np.iinfo(np.int64).max, size=len(base), dtype=np.int64).astype(np.uint64)
    kept = _thin(X[base], seeds, lambda rows, u: u >= _of_row(share, rows))
    taken = _thin(X[donor], seeds, lambda rows, u: u < _of_row(share, rows))
    return (kept + taken).tocsr().astype(X.dtype, copy=False)


def _of_row(share, rows):
    return share[rows] if np.ndim(share) else share


def _thin(X, seeds, keep):
    """Drop stored entries, in place."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    chosen = keep(rows, _hash_to_unit(seeds[rows], X.indices))
    counts = np.bincount(rows[chosen], minlength=X.shape[0])
    X.data, X.indices = X.data[chosen], X.indices[chosen]
    X.indptr = np.r_[0, np.cumsum(counts)].astype(X.indptr.dtype)
    return X


def _hash_to_unit(seeds, columns):
    """Return a number in [0, 1) for each seed and column: the finaliser of SplitMix64."""
    h = seeds + (columns.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((h ^ (h >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def as_numbers(X, *, for_distances):
    """Return rows as float32, to compare them or to grow a tree on them.

    Parameters
    ----------
    X : rows
    for_distances : bool
        Whether Euclidean distances of the result are to mean something: numbers are standardised
        (and an extra column says where they are missing), and every category has a column, so
        that a mismatch is as far as two numbers typically are. Else categories are numbered.

    Returns
    -------
    ndarray or CSR of shape (n_rows, n_numbers)
    """
    if sparse.issparse(X):
        return X.tocsr().astype(np.float32)
    parts = []
    for j in range(n_columns(X)):
        values = column(X, j)
        if values.dtype.kind in "mM":
            values = np.where(np.isnat(values), np.nan, values.astype(np.int64).astype(float))
        if values.dtype.kind in "biuf":
            values = values.astype(np.float64)
            parts += _standardised(values) if for_distances else [values]
        else:
            codes = _codes(values)
            parts += [codes == k for k in _frequent(codes)] if for_distances else [codes]
    return np.column_stack([part.astype(np.float32) for part in parts])


def _standardised(values):
    known = np.isfinite(values)
    spread = values[known].std() if known.any() else 0.0
    centre = values[known].mean() if known.any() else 0.0
    scaled = np.where(known, (values - centre) / (spread or 1.0), 0.0)
    return [scaled] if known.all() else [scaled, ~known]


def _codes(values):
    """Return a number for each value of a column of anything, by first appearance."""
    numbers = {}
    return np.array([numbers.setdefault(_key(value), len(numbers)) for value in values])


def _key(value):
    return None if value is None or value != value else (name_of(value), value)


def _frequent(codes):
    return np.argsort(-np.bincount(codes), kind="stable")[:MOST_CATEGORIES]


def missing_columns(X):
    """Return which columns have missing values, and which infinite ones; each (n_columns,)."""
    if sparse.issparse(X):
        stored = X.data if hasattr(X, "data") else X.tocsr().data
        if stored.dtype.kind != "f":
            return np.zeros(1, bool), np.zeros(1, bool)
        return np.array([np.isnan(stored).any()]), np.array([np.isinf(stored).any()])
    missing, infinite = np.zeros((2, n_columns(X)), dtype=bool)
    for j in range(n_columns(X)):
        values = column(X, j)
        if values.dtype.kind == "f":
            missing[j], infinite[j] = np.isnan(values).any(), np.isinf(values).any()
        elif values.dtype.kind in "mM":
            missing[j] = np.isnat(values).any()
        elif values.dtype.kind == "O":
            missing[j] = any(_key(value) is None for value in values)
    return missing, infinite


def _library(X):
    return type(X).__module__.partition(".")[0]
