"""Collecting nodes of trees of any make."""

import numpy as np

from sklearn_distill.export.program import LEAF, Trees


class Grove:
    """Trees under construction.

    Parameters
    ----------
    n_outputs : int
    """

    def __init__(self, n_outputs):
        self.n_outputs = n_outputs
        self.n_nodes = 0
        self.parts = []
        self.roots = []
        self.codes = {}
        self.unknown_left = []

    def add(self, *, feature, threshold, left, right, value, missing_left=False, codes=None):
        """Add a tree.

        Parameters
        ----------
        feature : array-like of shape (n_nodes,)
            ``LEAF`` for leaves.
        threshold : array-like of shape (n_nodes,)
        left, right : array-like of shape (n_nodes,)
            Positions within the tree.
        value : array-like of shape (n_nodes, n_outputs)
        missing_left : array-like of shape (n_nodes,) or bool
        codes : dict of int to (left, known, unknown_left), default=None
            For nodes that look at categories.
        """
        n, at = len(feature), self.n_nodes
        feature = np.asarray(feature)
        leaf = feature == LEAF
        unknown_left = np.zeros(n, dtype=bool)
        for node, (goes_left, known, unknown) in (codes or {}).items():
            self.codes[at + node] = (
                np.asarray(goes_left, dtype=np.float64),
                np.asarray(known, dtype=np.float64),
            )
            unknown_left[node] = unknown
        self.parts.append(
            (
                feature,
                np.where(leaf, 0.0, threshold),
                np.where(leaf, 0, np.asarray(left) + at),
                np.where(leaf, 0, np.asarray(right) + at),
                np.where(leaf, False, missing_left),
                np.where(leaf[:, None], np.reshape(value, (n, self.n_outputs)), 0.0),
                unknown_left,
            )
        )
        self.roots.append(at)
        self.n_nodes += n

    def grown(self, *, start=None, rounding=np.float64):
        """Return the Trees."""
        parts = [np.concatenate(part) for part in zip(*self.parts, strict=True)]
        feature, threshold, left, right, missing_left, value, unknown_left = parts
        return Trees(
            feature=feature.astype(np.int64),
            threshold=threshold.astype(np.float64),
            left=left.astype(np.int64),
            right=right.astype(np.int64),
            missing_left=missing_left.astype(bool),
            value=value.astype(np.float64),
            roots=np.array(self.roots),
            start=np.zeros(self.n_outputs) + (0.0 if start is None else start),
            codes=self.codes,
            unknown_left=unknown_left,
            rounding=rounding,
        )


def trees_beside(several):
    """Return Trees with the outputs of several Trees beside each other."""
    n_outputs, first = sum(len(trees.start) for trees in several), 0
    grove, start = Grove(n_outputs), []
    for trees in several:
        value = np.zeros((len(trees.feature), n_outputs))
        value[:, first : first + len(trees.start)] = trees.value
        known = {
            node: (left, known, trees.unknown_left[node])
            for node, (left, known) in trees.codes.items()
        }
        at = grove.n_nodes
        grove.add(
            feature=trees.feature,
            threshold=trees.threshold,
            left=trees.left,
            right=trees.right,
            value=value,
            missing_left=trees.missing_left,
            codes=known,
        )
        grove.roots[-1:] = (at + trees.roots).tolist()
        start.append(trees.start)
        first += len(trees.start)
    return grove.grown(start=np.concatenate(start), rounding=several[0].rounding)
