"""Labels and weights of the rows, in the form that boosters want."""

import numpy as np


def real_or_likely_labels(targets):
    """Return the position of every row's class: its label, or what the teacher holds likely."""
    likely = targets.log_proba[targets.n_labeled :].argmax(axis=1)
    return np.concatenate([targets.labels, likely])


def row_weight(targets):
    """Return the weight of every row, rounded as the libraries do.

    A row without a label weighs as much as the mean row that has one.
    """
    weight = np.ones(targets.n_rows, np.float32)
    if targets.sample_weight is not None:
        weight[: targets.n_labeled] = targets.sample_weight
        weight[targets.n_labeled :] = targets.sample_weight.mean()
    return weight


def encode(y, classes):
    """Return the positions of an eval_set's labels among the sorted classes."""
    y = np.asarray(y).ravel()
    positions = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    strange = classes[positions] != y
    if strange.any():
        raise ValueError(
            f"eval_set has the classes {np.unique(y[strange]).tolist()}, which y does not have. "
            "Leave these rows out."
        )
    return positions
