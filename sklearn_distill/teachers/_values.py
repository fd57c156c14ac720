"""Teachers whose answers are numbers: regressors, boosters and modules."""

import sys
from dataclasses import dataclass
from inspect import signature

import numpy as np
from scipy import sparse
from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor
from sklearn.utils import assert_all_finite, check_array

from sklearn_distill.teachers._boosters import native_library
from sklearn_distill.teachers._outputs import Remarks
from sklearn_distill.teachers._reader import TeacherReader
from sklearn_distill.utils.cloning import thawed
from sklearn_distill.utils.dispatch import is_module, is_of_kind, name_of
from sklearn_distill.utils.pipelines import reach_last_step
from sklearn_distill.utils.rows import n_rows

#: Rows per call of a module.
MODULE_BATCH = 1024


@dataclass(frozen=True)
class ValueReader(TeacherReader):
    """A teacher of any make as a source of values; made once, when ``fit`` begins.

    In the place of classes it is asked for outputs, which are numbered.

    Attributes
    ----------
    teacher : object
        What the user gave, or a fitted clone of it. Never changed.
    fitted : bool
        Whether the teacher is to be used as it is.
    with_std : bool, default=False
        Whether each value is followed, in columns behind those of the values, by the standard
        deviation that the teacher gives it.
    """

    with_std: bool = False

    of_classes = False

    def __reduce__(self):
        return type(self), (self.teacher, self.fitted, self.with_std)

    @property
    def gives_probabilities(self):
        """Always True: a value is all that there is to be had."""
        return True

    def ask(self, X, outputs, must_know=None):
        """Ask the fitted teacher for values.

        Parameters
        ----------
        X : rows
        outputs : ndarray of shape (n_outputs,)
            Their numbers.
        must_know : object
            Ignored: no fold can miss an output.

        Returns
        -------
        values : ndarray of shape (n_samples, n_outputs), or twice as wide with deviations
        remarks : Remarks

        Raises
        ------
        ValueError
            If the output is no finite value of each output for each row.
        TypeError
            If a teacher has no deviations, and they are wanted.
        """
        check_gives_values(self.teacher)
        who = f"The teacher {self.name} returned"
        with self._alone():
            if self.with_std:
                values, std = _values_and_std(self.teacher, X)
            else:
                values, std = _values(self.teacher, X), None
        found = as_values(values, n_rows(X), len(outputs), who)
        if std is not None:
            found = np.hstack([found, as_values(std, n_rows(X), len(outputs), who)])
        return found, Remarks(n_rows(X))


def check_gives_values(teacher):
    """Raise ValueError for a teacher that is no regressor."""
    for kind in ("classifier", "clusterer", "outlier_detector"):
        if is_of_kind(teacher, kind):
            raise ValueError(
                f"The teacher {name_of(teacher)} must be a regressor. Got a {kind} instead. "
                "Use DistillationClassifier for classes."
            )


def check_real_values(y):
    """Return real values as a numeric array of one or two dimensions.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)

    Raises
    ------
    ValueError
        If they are masked, missing, infinite, no numbers, or of another shape.
    """
    if np.ma.getmask(y).any():
        raise ValueError("Input y contains masked values. Drop these rows, or fill them.")
    if getattr(y, "dtype", None) is not None and getattr(y.dtype, "kind", "") in "mM":
        raise ValueError(
            f"y must hold numbers. Got {y.dtype}. Count days or seconds from some date."
        )
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    if y.dtype.kind == "O":  # None passes for a number there
        y = y.astype(np.float64)
        assert_all_finite(y, input_name="y")
    if y.ndim > 2:
        raise ValueError(f"y must have one or two dimensions. Got shape {y.shape}.")
    return y


def as_values(output, n_samples, n_outputs, who):
    """Return values as a float64 array of shape (n_samples, n_outputs), looked at.

    Parameters
    ----------
    output : array-like of shape (n_samples,) or (n_samples, n_outputs)
    n_samples, n_outputs : int
    who : str
        As in "The teacher Ridge returned".

    Raises
    ------
    ValueError
        If they are no finite numbers, or of another shape.
    """
    if sparse.issparse(output):
        output = output.toarray()
    if hasattr(output, "detach"):
        output = output.detach().cpu().double()
    try:
        values = np.asarray(output)
        if values.dtype.kind in "mMVc":
            raise TypeError
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who} something else than real numbers (a {name_of(output)}). Expected an array of "
            f"shape ({n_samples}, {n_outputs})."
        ) from error
    if values.ndim == 1:
        values = values[:, None]
    if values.shape != (n_samples, n_outputs):
        cure = ""
        if values.shape == (n_samples, 1):
            cure = " Wrap it in MultiOutputRegressor, or teach one output at a time."
        raise ValueError(
            f"{who} values of shape {values.shape}; expected ({n_samples}, {n_outputs}): one row "
            f"per sample and one column per output.{cure}"
        )
    lost = ~np.isfinite(values).all(axis=1)
    if lost.any():
        raise ValueError(
            f"{who} NaN or infinite values for {lost.sum()} of {n_samples} rows. Check it on "
            "these rows, or drop them."
        )
    return values


def _values(teacher, X):
    library = native_library(teacher)
    if library:
        return _PREDICT[library](teacher, X)
    return _values_of_module(teacher, X) if is_module(teacher) else teacher.predict(X)


def _values_of_module(module, X):
    import torch

    from sklearn_distill.nn.batches import inputs_for, predict_in_slices
    from sklearn_distill.nn.outputs import tensor_of

    rows = inputs_for(module, X)
    with torch.no_grad():
        parts = [
            tensor_of(part, who=f"The teacher {name_of(module)}").double().cpu()
            for part in predict_in_slices(module, rows, MODULE_BATCH)
        ]
    return torch.cat(parts).numpy()


def _values_and_std(teacher, X):
    """Return what a teacher predicts, and its standard deviation in each row.

    That of a Gaussian process or a Bayesian linear model is its own. That of a forest is of what
    its members predict.
    """
    bare, rows = reach_last_step(thawed(teacher), X)
    bare = thawed(bare)
    if "return_std" in signature(bare.predict).parameters:
        return bare.predict(rows, return_std=True)
    if isinstance(bare, RandomForestRegressor | ExtraTreesRegressor | BaggingRegressor):
        columns = getattr(bare, "estimators_features_", [slice(None)] * len(bare.estimators_))
        rows = rows.tocsr() if sparse.issparse(rows) else np.asarray(rows)
        members = [
            member.predict(rows[:, of_member])
            for member, of_member in zip(bare.estimators_, columns, strict=True)
        ]
        return bare.predict(rows), np.std(members, axis=0)
    raise TypeError(
        f"The teacher {name_of(bare)} gives no standard deviation. Use a "
        "GaussianProcessRegressor, BayesianRidge, a forest or a BaggingRegressor, or do without."
    )


_PREDICT = {
    "xgboost": lambda booster, X: booster.predict(
        sys.modules["xgboost"].DMatrix(X, enable_categorical=True),
        validate_features=hasattr(X, "columns"),
    ),
    "lightgbm": lambda booster, X: booster.predict(X),
    "catboost": lambda booster, X: booster.predict(X),
}
