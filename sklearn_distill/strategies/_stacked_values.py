"""Each row twice, with its real value and with the teacher's: exact for every loss."""

import numpy as np

from sklearn_distill.decoding import ValueDecoder
from sklearn_distill.strategies._own_splits import own_split
from sklearn_distill.strategies._row_counts import held_out_rows, scale_row_counts
from sklearn_distill.strategies._strategy import Strategy, accepts_weights, fit_bare
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import is_network, is_of_kind
from sklearn_distill.utils.pipelines import last_step
from sklearn_distill.utils.rows import indexable_rows

#: Losses that are linear in the real value where the prediction is held fast, or differ from that
#: by something without the prediction: the blend of two values says all of both.
LINEAR_IN_TARGET = {
    *("squared_error", "friedman_mse", "poisson", "gamma", "tweedie"),  # scikit-learn
    *("reg:squarederror", "count:poisson", "reg:gamma", "reg:tweedie"),  # XGBoost
    *("regression", "regression_l2", "l2", "mse", "mean_squared_error", "rmse", "l2_root"),
    *("root_mean_squared_error",),  # LightGBM, beside poisson, gamma and tweedie
    *("RMSE", "Poisson", "Tweedie", "MultiRMSE"),  # CatBoost
}

#: Settings that name a loss.
_NAMES = ("loss", "criterion", "objective", "loss_function")

#: Regressors whose loss is another, whatever they are set to.
_OTHERWISE = {
    *("QuantileRegressor", "HuberRegressor", "SVR", "NuSVR", "LinearSVR"),
    *("TheilSenRegressor", "RANSACRegressor"),
}


def loss_of(student):
    """Return the loss by which a regressor says that it learns; None if it does not say.

    Parameters
    ----------
    student : estimator
        A Pipeline or a search is looked into.
    """
    bare = last_step(student)
    inside = getattr(bare, "estimator", None) or getattr(bare, "regressor", None)
    if hasattr(inside, "get_params"):  # MultiOutputRegressor, a search, TransformedTargetRegressor
        return loss_of(inside)
    for parent in type(bare).__mro__:
        if parent.__name__ in _OTHERWISE and parent.__module__.startswith("sklearn"):
            return parent.__name__
    if not hasattr(bare, "get_params"):
        return None
    params = bare.get_params(deep=False)
    for name in _NAMES:
        if isinstance(params.get(name), str):
            return params[name].partition(":")[0] if name == "loss_function" else params[name]
    return None


def blend_says_all(student):
    """Tell whether a regressor learns from the blend of two values what it would from both."""
    loss = loss_of(student)
    return loss is None or loss in LINEAR_IN_TARGET


class StackedValues(Strategy):
    """Teach a regressor every row twice: its real value weighs 1 - alpha, the teacher's alpha.

    Then it minimises :math:`\\sum_i w_i [(1 - \\alpha) L(y_i, f_i) + \\alpha L(t_i, f_i)]` for
    whatever loss L it has: absolute error, quantiles, Huber's. The blend of y and t, which is
    enough for squared error, would be another target: the median of two values is either of them.

    It needs ``sample_weight`` in fit. Settings that count rows (``min_samples_leaf``, ...) are
    doubled. A :class:`~sklearn.ensemble.HistGradientBoostingRegressor` that stops early does so on
    the real values of rows that are held out. Any other student that splits the rows itself would
    have one copy on either side, and is refused.

    See Also
    --------
    BlendedValues : For squared error, without copies.
    DistillationRegressor : Takes it as ``strategy``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn.linear_model import QuantileRegressor
    >>> from sklearn_distill import DistillationRegressor, StackedValues
    >>> X, y = load_diabetes(return_X_y=True)
    >>> teacher = RandomForestRegressor(random_state=0).fit(X, y)
    >>> student = QuantileRegressor(quantile=0.9, alpha=0)
    >>> strategy = StackedValues()
    >>> model = DistillationRegressor(teacher, student, alpha=0.5, strategy=strategy).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    name = "stacked-values"
    decoder_class = ValueDecoder

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "regressor"):
            return "needs a regressor"
        if is_network(student) or not accepts_weights(student):
            return "needs a regressor with `sample_weight` in fit"
        if hasattr(student, "get_params") and own_split(student):
            setting = "{}={!r}".format(*own_split(student))
            return f"would put copies of one row on both sides of the student's split ({setting})"
        return super().objection(student)

    def teach(self, student, transfer_set):
        """Fit the bare student on stacked rows; see :meth:`Strategy.teach`."""
        targets = transfer_set.targets
        n_outputs = None if targets.values.ndim == 1 else targets.n_outputs
        rows, values, weight = targets.stacked()
        if targets.row_alpha.any():
            held_out = np.empty(0, dtype=int)
            if "X_val" not in transfer_set.fit_params:
                held_out = held_out_rows(student, targets)
            kept = ~np.isin(rows, held_out)
            rows, values, weight = rows[kept], values[kept], weight[kept]
            X, params = transfer_set.take(rows)
            if len(held_out):
                params |= {
                    "X_val": take_rows(indexable_rows(transfer_set.X), held_out),
                    "y_val": targets.values[held_out],
                    "sample_weight_val": targets.row_weight[held_out],
                }
            if 0 < targets.row_alpha[: targets.n_labeled].max(initial=0) < 1:
                scale_row_counts(student, 2)
        else:  # the labels alone are all rows, those of weight 0 too
            X, params = transfer_set.take(None)
            values, weight = targets.values, targets.row_weight
        if not (weight == 1).all():
            params["sample_weight"] = weight
        return fit_bare(student, X, values, **params), ValueDecoder(n_outputs)
