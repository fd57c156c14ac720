"""Rows unlike those by which a promise was calibrated."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_distill.candidates import is_numeric
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import column_names, is_table, n_rows, short


class RangeDetector(OutlierMixin, BaseEstimator):
    """Calls a row an outlier that has a value which no row of ``fit`` comes near.

    That is a number outside the range of its column, a category that was not there, or a missing
    value in a column that had none. It looks at each column on its own: what is unusual only in
    combination it does not see.

    Parameters
    ----------
    margin : float, default=0.1
        By which part of its width the range of a column is widened at both ends.

    Attributes
    ----------
    n_columns_ : int
        Number of columns.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Looks at columns together.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.cascade import RangeDetector
    >>> detector = RangeDetector().fit(np.array([[0.0], [10.0]]))
    >>> detector.predict(np.array([[-0.5], [-1.5], [np.nan]])).tolist()
    [1, -1, -1]
    """

    def __init__(self, margin=0.1):
        self.margin = margin

    def fit(self, X, y=None):
        """Take the range of each column.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : object
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If the rows are no table.
        """
        self._known = [_known(values, self.margin) for values in _columns(X)]
        self.n_columns_ = len(self._known)
        return self

    def predict(self, X):
        """Tell rows within all ranges (1) from others (-1).

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of int, shape (n_samples,)
        """
        check_is_fitted(self)
        columns = _columns(X)
        if len(columns) != self.n_columns_:
            raise ValueError(
                f"X has {len(columns)} features, but {name_of(self)} is expecting "
                f"{self.n_columns_} features as input."
            )
        strange = np.zeros(n_rows(X), dtype=bool)
        for values, known in zip(columns, self._known, strict=True):
            strange |= _strange(values, known)
        return np.where(strange, -1, 1)


def _columns(X):
    """Return each column as floats, or as an array of objects."""
    if not is_table(X):
        raise TypeError(
            f"RangeDetector looks at the columns of a table. Got {name_of(X)}: pass a detector "
            "for such rows, such as a Pipeline that ends in LocalOutlierFactor(novelty=True)."
        )
    names = column_names(X)
    if names is None:
        X = np.asarray(X)
        if X.dtype.kind in "biuf":
            return list(X.astype(np.float64).T)
        return [_as_numbers(column) for column in X.T]
    return [
        np.asarray(X[n], dtype=np.float64) if is_numeric(X[n]) else _as_objects(X[n])
        for n in names
    ]


def _as_numbers(column):
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return _as_objects(column)


def _as_objects(column):
    values = column.to_list() if hasattr(column, "to_list") else list(column)
    found = np.empty(len(values), dtype=object)
    # One word for everything that is missing: None, NaN, NA, NaT.
    found[:] = [None if v is None or v != v or type(v).__name__ == "NAType" else v for v in values]
    return found


def _known(values, margin):
    if values.dtype == object:
        return {*values}
    present = values[~np.isnan(values)]
    if not len(present):
        return np.inf, -np.inf, True
    low, high = present.min(), present.max()
    more = margin * (high - low)
    return low - more, high + more, len(present) < len(values)


def _strange(values, known):
    if isinstance(known, set):
        return np.array([value not in known for value in values], dtype=bool)
    low, high, may_miss = known
    if values.dtype == object:
        raise ValueError(
            f"A column has text where {name_of(RangeDetector())} has seen numbers: "
            f"{short(values[:3].tolist())}."
        )
    missing = np.isnan(values)
    outside = ~missing & ~((values >= low) & (values <= high))
    return outside if may_miss else outside | missing
