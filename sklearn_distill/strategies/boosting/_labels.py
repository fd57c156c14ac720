"""Labels and weights of the rows, in the form that boosters want."""

from dataclasses import replace

import numpy as np


def with_storable_weights(targets):
    """Return the targets with weights of rows as the libraries hold them: in single precision.

    Weights of another magnitude are divided by their mean. All others keep theirs, against which
    penalties and the least weight of a leaf are set.
    """
    weight = targets.row_weight
    if not 1e-30 <= weight.max() <= 1e30:
        weight = weight / weight.max()  # the sum of large ones would overflow
        weight = weight / weight.mean()
    return replace(targets, row_weight=weight.astype(np.float32).astype(np.float64))


def weight_params(targets):
    """Return the fit parameter that passes the weights of the rows, unless all weigh 1."""
    weight = targets.row_weight
    return {} if (weight == 1).all() else {"sample_weight": weight}


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
