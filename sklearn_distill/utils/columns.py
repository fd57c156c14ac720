"""Some of the columns of the rows, in whatever container they come."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from scipy import sparse

from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import column_names, is_table, short


@dataclass(frozen=True)
class Columns:
    """Some columns, found once in the training rows and taken from all others.

    Attributes
    ----------
    positions : tuple of int
        Among the columns of the training rows.
    names : tuple of str or None
        Of these columns; None if the training rows had no names.
    n_whole : int
        Number of columns that the training rows had.
    """

    positions: tuple
    names: tuple | None
    n_whole: int

    @classmethod
    def of(cls, X, columns, parameter):
        """Find columns in rows.

        Parameters
        ----------
        X : rows
        columns : str, int, list of these, boolean mask, slice, or callable
            A callable gets X and returns one of the others, as
            :class:`~sklearn.compose.make_column_selector` does.
        parameter : str
            Where they were given, for messages.

        Raises
        ------
        TypeError
            If the rows have no columns, or the columns are of no such type.
        ValueError
            If X does not have them, they are given twice, or there are none.
        """
        X = _table(X)
        if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "biuf":
            raise ValueError(
                f"Expected 2D array, got 1D array instead: {parameter} needs rows with columns. "
                "Reshape your data, X.reshape(-1, 1)."
            )
        if not is_table(X) and not (hasattr(X, "shape") and len(X.shape) == 2):
            raise TypeError(
                f"{parameter} needs rows with columns: an array of two dimensions, a sparse "
                f"matrix or a data frame. Got a {name_of(X)}."
            )
        known = column_names(X)
        n_whole = X.shape[1]
        if n_whole == 0:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
                f"required by {parameter}."
            )
        positions = _positions(columns(X) if callable(columns) else columns, n_whole, known)
        if positions is None:
            raise TypeError(
                f"{parameter} must be names of columns, positions, a mask, a slice or a function "
                f"of X. Got {columns!r}."
            )
        missing = [p for p in positions if not isinstance(p, int)]
        if missing:
            raise ValueError(f"{parameter} has {_not_there(missing, n_whole, known)}")
        if not positions:
            raise ValueError(f"{parameter} leaves no column. Name at least one.")
        if len(set(positions)) < len(positions):
            raise ValueError(f"{parameter} has a column twice. Name each once.")
        by_name = known is not None and all(isinstance(name, str) for name in known)
        names = tuple(known[p] for p in positions) if by_name else None
        return cls(tuple(positions), names, n_whole)

    def take(self, X, who="fit"):
        """Return these columns of rows, which need not have any other.

        Parameters
        ----------
        X : rows
        who : str, default="fit"
            Who takes them, for messages.

        Raises
        ------
        ValueError
            If X does not have them.
        """
        if X is None:
            return None
        X = _table(X)
        there = column_names(X)
        if self.names is not None and there is not None:
            missing = [name for name in self.names if name not in set(there)]
            if missing:
                raise ValueError(
                    f"X misses the columns {short(missing)} that are used. It has {short(there)}."
                )
            if list(there) == list(self.names):
                return X
            if hasattr(X, "column_names"):  # a table of pyarrow
                return X.select(list(self.names))
            return take_rows(X, list(self.names), axis=1)
        width = X.shape[1] if getattr(X, "ndim", 0) == 2 or hasattr(X, "columns") else None
        if width == self.n_whole:
            return take_rows(X, list(self.positions), axis=1)
        if width is None or width == len(self.positions):
            return X  # what is no table is refused by whoever gets it
        raise ValueError(
            f"X has {width} features, but {who} is expecting {self.n_whole} features as input, or "
            f"the {len(self.positions)} that the student uses."
        )


def _table(X):
    """Return rows in a form whose columns can be taken."""
    if sparse.issparse(X):
        return X.tocsr()
    return X if hasattr(X, "shape") else np.asarray(X)


def _positions(columns, n_whole, known):
    """Return positions, with what cannot be found as it is; None if this says no columns."""
    if isinstance(columns, str | int | np.integer) and not isinstance(columns, bool):
        columns = [columns]
    if isinstance(columns, slice):
        if any(isinstance(end, str) for end in (columns.start, columns.stop)):
            return None
        return list(range(n_whole)[columns])
    if not hasattr(columns, "__iter__") or isinstance(columns, dict):
        return None
    columns = list(columns)
    if columns and all(isinstance(c, bool | np.bool_) for c in columns):
        found = np.flatnonzero(columns).tolist()
        return found if len(columns) == n_whole else [f"a mask of {len(columns)} entries"]
    found = []
    for column in columns:
        if isinstance(column, int | np.integer) and not isinstance(column, bool):
            inside = -n_whole <= column < n_whole
            found.append(int(column) % n_whole if inside else str(column))
        elif isinstance(column, str):
            there = known is not None and column in known
            found.append(list(known).index(column) if there else column)
        else:
            return None
    return found


def _not_there(missing, n_whole, known):
    if all(name.lstrip("-").isdigit() for name in missing):
        return f"{short(missing)}, and X has {n_whole} columns, 0 to {n_whole - 1}."
    if known is None:
        return f"{short(missing)}, and X has {n_whole} columns without names. Pass positions."
    close = get_close_matches(missing[0], list(map(str, known)), n=3)
    hint = f"Did you mean {short(close)}?" if close else f"X has {short(list(known))}."
    return f"{short(missing)}, which X does not have. {hint}"
