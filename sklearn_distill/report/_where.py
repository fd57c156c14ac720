"""The rows on which student and teacher part most, in the words of the user's columns."""

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from sklearn_distill.candidates import is_numeric
from sklearn_distill.utils.rows import column_names, is_table

#: Rows of a leaf at least, and its share; categories that are rarer are one.
LEAST_ROWS, LEAST_SHARE, LEAST_CATEGORY = 20, 0.02, 20

#: Conditions that lead to a leaf.
DEPTH = 3


class Slice(NamedTuple):
    """Some rows.

    Attributes
    ----------
    rule : str
        What they have in common.
    rows : ndarray of int
        Their positions among the test rows.
    divergence : float
        How far student and teacher part on them, in the mean.
    """

    rule: str
    rows: np.ndarray
    divergence: float


def slices_of(X, parted):
    """Return the leaves of a small tree that tells where two models part, the worst first.

    The tree is grown on every other row, and everything is counted on the rest, of which it knows
    nothing: a slice that was found by chance does not look worse than it is.

    Parameters
    ----------
    X : rows
    parted : ndarray of shape (n_samples,)
        How far they part in each row.

    Returns
    -------
    slices : list of Slice
    overall : float
        The mean divergence of the rows that are counted.

    Raises
    ------
    TypeError
        If the rows have no columns to speak of.
    """
    if not is_table(X):
        raise TypeError("the rows are no table, whose columns could be named")
    values, names = _columns(X)
    n = len(parted)
    grown, counted = np.arange(0, n, 2), np.arange(1, n, 2)
    least = max(LEAST_ROWS, int(LEAST_SHARE * len(grown)))
    if len(grown) < 2 * least:
        raise TypeError(f"there are only {n} test rows")
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    tree.fit(values[grown], parted[grown])
    leaf = tree.apply(values[counted])
    found = []
    for node, conditions in _paths(tree.tree_):
        rows = counted[leaf == node]
        if len(rows):
            rule = " and ".join(_said(conditions, names)) or "all rows"
            found.append(Slice(rule, rows, float(parted[rows].mean())))
    found.sort(key=lambda s: -s.divergence)
    return found, float(parted[counted].mean())


class _Name(NamedTuple):
    """A column of the tree: one of the user's, or whether that is of a category."""

    column: str
    category: object = None
    is_category: bool = False
    has_missing: bool = False


def _columns(X):
    """Return the columns as numbers, categories as one column for each, and what they are."""
    names = column_names(X)
    if names is None:
        X = np.asarray(X, dtype=np.float64)
        missing = np.isnan(X).any(axis=0)
        return X, [_Name(f"column {j}", has_missing=missing[j]) for j in range(X.shape[1])]
    values, labels = [], []
    for name in names:
        if is_numeric(X[name]):
            values.append(np.asarray(X[name], dtype=np.float64)[:, None])
            labels.append(_Name(str(name), has_missing=bool(np.isnan(values[-1]).any())))
            continue
        texts = np.array([str(v) for v in X[name]], dtype=object)[:, None]
        encoder = OneHotEncoder(min_frequency=LEAST_CATEGORY, sparse_output=False).fit(texts)
        kept = encoder.categories_[0]
        if encoder.infrequent_categories_ and encoder.infrequent_categories_[0] is not None:
            kept = [c for c in kept if c not in set(encoder.infrequent_categories_[0])]
            kept = [*kept, "a rare one"]
        values.append(encoder.transform(texts))
        labels += [_Name(str(name), category, True) for category in kept]
    return np.hstack(values), labels


def _paths(tree, node=0, before=()):
    """Yield each leaf and the conditions that lead to it: column, threshold, side, missing too."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left == right:
        yield node, before
        return
    column, threshold = tree.feature[node], tree.threshold[node]
    missing_left = bool(tree.missing_go_to_left[node])
    yield from _paths(tree, left, (*before, (column, threshold, "<=", missing_left)))
    yield from _paths(tree, right, (*before, (column, threshold, ">", not missing_left)))


def _said(conditions, names):
    """Write conditions in words, those of one number together."""
    bounds, words = {}, []
    for column, threshold, side, missing in conditions:
        name = names[column]
        if name.is_category:
            words.append(f"{name.column} is {'not ' if side == '<=' else ''}{name.category!r}")
            continue
        low, high, also = bounds.get(column, (-np.inf, np.inf, name.has_missing))
        low, high = (low, threshold) if side == "<=" else (threshold, high)
        bounds[column] = low, high, also and missing
    for column, (low, high, missing) in bounds.items():
        name = names[column].column
        if np.isinf(low):
            text = f"{name} ≤ {high:.4g}"
        elif np.isinf(high):
            text = f"{name} > {low:.4g}"
        else:
            text = f"{low:.4g} < {name} ≤ {high:.4g}"
        words.append(f"{text} or missing" if missing else text)
    return words
