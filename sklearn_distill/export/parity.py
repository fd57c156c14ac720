"""Rows on which a file could differ from its model, and the comparison."""

import numpy as np

from sklearn_distill.export.program import LEAF, Trees

#: Splits whose edges are looked at, at most; of more, so many are drawn.
MOST_SPLITS = 20_000


class ParityError(ValueError):
    """Raised where a file answers otherwise than its model. No file is kept."""


def edge_rows(program, X, grid, *, seed=0):
    """Return rows at the edges of a program.

    For each split of a tree there are rows that *reach* it, with the column that it looks at being
    just at the threshold and at the numbers before and after; or one category of each side. And
    for each column that anything is made of, rows in which it is missing or unknown.

    Parameters
    ----------
    program : Program
        Folded, if it is one of trees.
    X : ndarray of shape (n_samples, n_inputs)
        Rows as numbers, of which the other columns are taken.
    grid : dtype
        The type in which inputs are handed over.
    seed : int, default=0

    Returns
    -------
    edges : ndarray of shape (n_edges, n_inputs)
    missing : ndarray of shape (n_missing, n_inputs)
    unknown : ndarray of shape (n_unknown, n_inputs)
    """
    random = np.random.default_rng(seed)
    edges = np.empty((0, X.shape[1]))
    if isinstance(program.body, Trees):
        edges = _edges_of_trees(program.body, X, np.dtype(grid), random)
    missing, unknown = [], []
    for j in sorted({f.source for f in program.features}):
        # Several, for what a missing value leads to depends on the rest of the row.
        rows = X[random.choice(len(X), min(16, len(X)), replace=False)].copy()
        rows[:, j] = np.nan
        missing.append(rows)
        categories = program.inputs[j].categories
        if categories is not None:
            rows = rows.copy()
            rows[:, j] = categories.max(initial=0) + 1
            unknown.append(rows)
    return edges, _stacked(missing, X), _stacked(unknown, X)


def _stacked(rows, X):
    return np.concatenate(rows) if rows else np.empty((0, X.shape[1]))


def _edges_of_trees(trees, X, grid, random):
    splits = trees.splits
    chosen = set(splits.tolist())
    if len(splits) > MOST_SPLITS:
        chosen = set(random.choice(splits, MOST_SPLITS, replace=False).tolist())
    rows = []
    for root in trees.roots.tolist():
        # On the way down: for each column the numbers, or the categories, that lead here.
        waiting = [(root, {})]
        while waiting:
            node, box = waiting.pop()
            if trees.feature[node] == LEAF:
                continue
            if node in chosen:
                rows += _around(trees, node, box, X[random.integers(len(X))], grid)
            waiting += _below(trees, node, box)
    return np.array(rows) if rows else np.empty((0, X.shape[1]))


def _below(trees, node, box):
    """Return both children of a node, each with its box."""
    j = int(trees.feature[node])
    left, right = int(trees.left[node]), int(trees.right[node])
    if node in trees.codes:
        codes, known = trees.codes[node]
        allowed = box.get(j, known)
        return [
            (left, {**box, j: np.intersect1d(allowed, codes)}),
            (right, {**box, j: np.setdiff1d(allowed, codes)}),
        ]
    low, high = box.get(j, (-np.inf, np.inf))
    threshold = trees.threshold[node]
    return [
        (left, {**box, j: (low, min(high, threshold))}),
        (right, {**box, j: (max(low, threshold), high)}),
    ]


def _around(trees, node, box, row, grid):
    """Return rows that reach a node and stand on both sides of its question."""
    row = row.copy()
    for j, within in box.items():
        if isinstance(within, tuple):
            low, high = within
            if low == np.inf:  # beyond all numbers there are only missing ones
                row[j] = np.nan
            elif not low < row[j] <= high:
                row[j] = high if np.isfinite(high) else _next(low, np.inf, grid)
        elif len(within) and row[j] not in within:
            row[j] = within[0]
    j = int(trees.feature[node])
    if node in trees.codes:
        codes, known = trees.codes[node]
        wanted = [codes[:1], np.setdiff1d(known, codes)[:1]]
        values = [float(v[0]) for v in wanted if len(v)]
    elif not np.isfinite(trees.threshold[node]):
        return []  # all numbers go one way
    else:
        at = trees.threshold[node]
        values = [at, _next(at, -np.inf, grid), _next(at, np.inf, grid)]
    made = np.tile(row, (len(values), 1))
    made[:, j] = values
    return list(made[np.isfinite(values)])


def _next(value, towards, grid):
    return float(np.nextafter(grid.type(value), grid.type(towards)))


def compare(wanted, given, labels, given_labels, tolerance, where):
    """Return the largest difference of answers, if it is within the tolerance.

    Parameters
    ----------
    wanted, given : ndarray of shape (n_samples, n_outputs)
        Answers of the model and of the file.
    labels, given_labels : ndarray of shape (n_samples,) or None
        Which are to be equal where the largest probability is no tie.
    tolerance : float
    where : callable
        Given the number of a row, what to call it and its columns.

    Raises
    ------
    ParityError
        Which shows the worst row.
    """
    if wanted.shape != given.shape:
        raise ParityError(
            f"The file answers {given.shape[0]} rows with {given.shape[1:]} values each, and the "
            f"model {wanted.shape[0]} with {wanted.shape[1:]}. Nothing was written."
        )
    if not len(wanted):
        return 0.0
    scale = 1.0 if labels is not None else max(1.0, np.abs(wanted).max())
    difference = np.abs(np.asarray(wanted, np.float64) - given).max(axis=1) / scale
    difference = np.where(np.isfinite(difference), difference, np.inf)
    worst = int(difference.argmax())
    if difference[worst] > tolerance:
        n_bad = int((difference > tolerance).sum())
        raise ParityError(
            f"The file answers otherwise than the model in {n_bad} of {len(wanted)} rows, and was "
            f"not kept. The worst is {where(worst)}: the model gives {_short(wanted[worst])}, the "
            f"file {_short(given[worst])}, a difference of {difference[worst]:.1e} where "
            f"{tolerance:.0e} is allowed."
        )
    if labels is not None:
        top = np.sort(wanted, axis=1)
        no_tie = top[:, -1] - top[:, -2] > 2 * tolerance if wanted.shape[1] > 1 else False
        wrong = np.flatnonzero((labels.astype(str) != given_labels.astype(str)) & no_tie)
        if len(wrong):
            raise ParityError(
                f"The file gives another label than the model in {len(wrong)} of {len(wanted)} "
                f"rows, and was not kept. One is {where(wrong[0])}: {labels[wrong[0]]!r} and "
                f"{given_labels[wrong[0]]!r}, with probabilities {_short(wanted[wrong[0]])}. The "
                "model's own label is not the class of its largest probability there."
            )
    return float(difference[worst])


def _short(values):
    shown = ", ".join(f"{v:.6g}" for v in values[:6])
    return f"[{shown}{', ...' if len(values) > 6 else ''}]"
