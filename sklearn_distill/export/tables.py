"""Trees as tables, the form in which C and JavaScript walk through them.

A table costs some ten bytes a node, and the loop that reads it is the same for a tree and for five
hundred: smaller than nested conditions, and no slower for a row.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_distill.export.program import LEAF

#: Bits of a node's flags.
MISSING_LEFT, CATEGORIES, LISTED_RIGHT = 1, 2, 4


@dataclass(frozen=True, eq=False)
class TreeTables:
    """Trees in arrays.

    A reference to a node is its number, or ``~leaf`` (minus one minus the number) for a leaf. At a
    node of categories the threshold is a place in ``codes``, where the number of codes and the
    codes themselves stand.

    Attributes
    ----------
    feature, left, right, flags : ndarray of shape (n_nodes,), int
    threshold : ndarray of shape (n_nodes,)
    leaves : ndarray of shape (n_leaves, n_outputs)
        Each combination of values once.
    roots : ndarray of shape (n_trees,), int
    start : ndarray of shape (n_outputs,)
    codes : ndarray
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    flags: np.ndarray
    leaves: np.ndarray
    roots: np.ndarray
    start: np.ndarray
    codes: np.ndarray


def tables_of(trees, dtype=np.float64):
    """Return folded Trees as tables.

    Parameters
    ----------
    trees : Trees
    dtype : dtype
        Of the values of leaves, which decides which are the same.
    """
    is_leaf = trees.feature == LEAF
    leaves, number = np.unique(
        trees.value[is_leaf].astype(dtype).astype(np.float64), axis=0, return_inverse=True
    )
    reference = np.empty(len(is_leaf), dtype=np.int64)
    reference[is_leaf] = ~number.ravel()
    splits = np.flatnonzero(~is_leaf)
    reference[splits] = np.arange(len(splits))
    threshold = trees.threshold[splits].copy()
    flags = trees.missing_left[splits].astype(np.int64) * MISSING_LEFT
    codes = []
    for i, node in enumerate(splits.tolist()):
        if node not in trees.codes:
            continue
        left, known = trees.codes[node]
        flags[i] |= CATEGORIES
        if trees.unknown_left[node]:
            left = np.setdiff1d(known, left)
            flags[i] |= LISTED_RIGHT
        threshold[i] = len(codes)
        codes += [float(len(left)), *map(float, left)]
    return TreeTables(
        feature=trees.feature[splits],
        threshold=threshold,
        left=reference[trees.left[splits]],
        right=reference[trees.right[splits]],
        flags=flags,
        leaves=leaves,
        roots=reference[trees.roots],
        start=trees.start,
        codes=np.array(codes),
    )
