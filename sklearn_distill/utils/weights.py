"""Row weights: checking them, and finding the name under which ``fit`` takes them."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import has_fit_parameter


def check_weights(sample_weight, n_samples):
    """Return the weights as a float64 array of shape (n_samples,); None stays None."""
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight per row. "
            f"Got shape {weights.shape} instead."
        )
    if (weights < 0).any():
        raise ValueError(
            "sample_weight must be non-negative. "
            f"Got {np.sum(weights < 0)} negative weights instead. Drop these rows."
        )
    if not weights.any():
        raise ValueError(
            "sample_weight must have a positive weight. Got zero for every row instead."
        )
    return weights


def weight_keyword(estimator):
    """Return the name under which ``estimator.fit`` takes the row weights, or None.

    Of a Pipeline this is the last step's, as in ``"logisticregression__sample_weight"``.
    """
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return f"{prefix}sample_weight" if has_fit_parameter(estimator, "sample_weight") else None
