"""Labels and weights of the rows, in the form that boosters want."""

from dataclasses import replace

import numpy as np

from sklearn_distill.utils.dispatch import name_of

#: Between these a library can compute with weights of rows: the largest, and the sum of all.
#: CatBoost and XGBoost find no split below, and XGBoost's sums overflow above.
_LEAST_WEIGHT, _MOST_WEIGHT = 1e-6, 1e18


def with_usable_weights(targets):
    """Return the targets with weights of rows of a magnitude that the libraries can use.

    Weights of another magnitude are divided by their mean. All others keep theirs, against which
    penalties and the least weight of a leaf are set.
    """
    weight = targets.row_weight
    if _LEAST_WEIGHT <= weight.max() <= _MOST_WEIGHT / len(weight):
        return targets
    weight = weight / weight.max()  # the sum of large ones would overflow
    return replace(targets, row_weight=weight / weight.mean())


def in_single_precision(targets):
    """Return the targets with weights of rows as the libraries hold them."""
    return replace(targets, row_weight=targets.row_weight.astype(np.float32).astype(np.float64))


def weight_params(targets):
    """Return the fit parameter that passes the weights of the rows, unless all weigh 1."""
    weight = targets.row_weight
    return {} if (weight == 1).all() else {"sample_weight": weight}


def check_eval_set(student, eval_set, stops_early, advice):
    """Refuse a student that is to stop early and has no rows to look at.

    Parameters
    ----------
    student : estimator
    eval_set : object
        None or empty if there is none.
    stops_early : str or None
        The setting that says so.
    advice : str
        How the rows are passed.
    """
    missing = eval_set is None or (isinstance(eval_set, list | tuple) and not len(eval_set))
    if stops_early and missing:
        raise ValueError(
            f"{name_of(student)} is to stop early ({stops_early}) and got no rows with labels to "
            f"look at. Pass {advice}, or leave {stops_early} out."
        )


def encode(y, classes):
    """Return the positions of an eval_set's labels among the sorted classes."""
    position = {label: i for i, label in enumerate(classes.tolist())}
    y = np.asarray(y).ravel().tolist()
    strange = {label for label in y if label not in position}
    if strange:
        raise ValueError(
            f"eval_set has the classes {sorted(strange, key=str)}, which y does not have. "
            "Leave these rows out."
        )
    return np.array([position[label] for label in y])
