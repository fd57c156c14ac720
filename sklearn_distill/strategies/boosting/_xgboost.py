"""XGBClassifier on soft targets."""

import sys
from contextlib import contextmanager
from functools import wraps

import numpy as np
from scipy.special import expit, softmax
from sklearn import config_context

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import fit_bare
from sklearn_distill.strategies.boosting._labels import (
    check_eval_set,
    encode,
    weight_params,
)
from sklearn_distill.strategies.boosting._loss import HintonLoss
from sklearn_distill.strategies.boosting._objectives import objective_objection
from sklearn_distill.utils.dispatch import name_of

#: As in XGBoost: added to the classes' shares under the logarithm.
EPSILON = 1e-6

_KEPT = {None, "binary:logistic", "multi:softprob"}
_OTHERWISE = {"multi:softmax"}


def objection(student):
    """Return why this XGBClassifier cannot be taught in this way, or None."""
    return objective_objection(
        student, "objective", student.objective, kept=_KEPT, otherwise=_OTHERWISE
    )


def check_fit_params(student, fit_params):
    """Refuse early stopping without an eval_set, and an eval_set that is no list of tuples."""
    eval_set = fit_params.get("eval_set")
    callbacks = [name_of(callback) for callback in student.callbacks or ()]
    stops_early = "EarlyStopping" if "EarlyStopping" in callbacks else None
    if student.early_stopping_rounds:
        stops_early = f"early_stopping_rounds={student.early_stopping_rounds!r}"
    check_eval_set(student, eval_set, stops_early, "fit(..., eval_set=[(X_val, y_val)])")
    for pair in () if eval_set is None else eval_set:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                f"eval_set of {name_of(student)} must be a list of tuples (X_val, y_val). Got "
                f"{name_of(pair)} instead of a tuple in it."
            )


def own_fit_params(fit_params, classes):
    """Return fit parameters in which labels are positions among the classes, as y will be."""
    eval_set = fit_params.get("eval_set")
    if eval_set is None:
        return fit_params
    return fit_params | {"eval_set": [(X, encode(y, classes)) for X, y in eval_set]}


def teach(student, transfer_set):
    """Fit the student in place, with classes 0 to K - 1, and return it and its decoder.

    XGBClassifier writes its own objective into the model even if it is trained on another, so
    that the model's probabilities and metrics are the native ones. With two classes at temperature
    1 the objective itself is native: binary:logistic takes any target between 0 and 1.
    """
    targets = given = transfer_set.targets
    X, fit_params = transfer_set.take(None)
    fit_params = own_fit_params(fit_params, given.classes) | weight_params(given)
    n_classes = len(given.classes)
    if n_classes == 2 and student.scale_pos_weight is not None:
        targets = given.with_class_weight([1.0, student.scale_pos_weight])
    # The Hessian's factor 2 is XGBoost's for several classes.
    with HintonLoss(targets, hessian_factor=2.0, n_jobs=student.n_jobs) as loss:
        for_fit = {"objective": "binary:logistic"}
        if student.base_score is None and fit_params.get("xgb_model") is None:
            for_fit["base_score"] = _base_score(targets.mass(), is_scaled=targets is not given)
        if n_classes == 2 and loss.temperature == 1 and targets is given:
            with _set_for_fit(student, for_fit):
                # The classifier's own fit would refuse targets that are no labels.
                student.n_classes_ = 2
                with config_context(enable_metadata_routing=False):
                    sys.modules["xgboost"].XGBModel.fit(student, X, loss.mixed, **fit_params)
        else:
            for_fit["objective"] = _as_objective(loss)
            for_fit["eval_metric"] = _on_probabilities(student.eval_metric)
            with _set_for_fit(student, for_fit):
                fit_bare(student, X, given.likely_labels(), **fit_params)
    student.objective = "binary:logistic" if n_classes == 2 else "multi:softprob"
    # A fit that bypasses the classifier's own leaves `classes_` to be guessed.
    known = np.arange(n_classes)
    return student, ProbabilityDecoder.of(student, given.classes, by_position=True, known=known)


@contextmanager
def _set_for_fit(student, params):
    before = {name: getattr(student, name) for name in params}
    vars(student).update(params)
    try:
        yield
    finally:
        vars(student).update(before)


def _as_objective(loss):
    is_binary = loss.mixed.ndim == 1
    no_start = 0.0 if is_binary else np.zeros(loss.mixed.shape[1])

    def objective(labels, margins, sample_weight=None):
        return loss.derivatives(margins.ravel() if is_binary else margins, no_start)

    return objective


def _base_score(mass, *, is_scaled):
    """Return where XGBoost's own objective would start if these were labels.

    Releases differ. All took one Newton step from zero, until 3.1 began to take the mean of the
    labels, but for a ``scale_pos_weight``; and 3.1 was the first with a start for each class.
    """
    version = tuple(map(int, sys.modules["xgboost"].__version__.split(".")[:2]))
    share = mass / mass.sum()
    if len(mass) == 2:
        if version < (3, 1) or is_scaled:
            # From p = 1/2: minus the gradient 1/2 - share, over the Hessian 1/4.
            return float(expit(4 * share[1] - 2))
        return float(share[1])
    if version < (3, 1):
        return None
    start = np.log(share + EPSILON)
    return (start - start.mean()).tolist()


def _on_probabilities(eval_metric):
    """Wrap the user's metrics: beside a callable objective they would be given margins."""
    if callable(eval_metric):

        @wraps(eval_metric)
        def of_margins(labels, margins, *args, **kwargs):
            one = margins.ndim == 1 or margins.shape[1] == 1
            proba = expit(margins) if one else softmax(margins, axis=1)
            return eval_metric(labels, proba, *args, **kwargs)

        return of_margins
    if isinstance(eval_metric, list | tuple):
        return [_on_probabilities(metric) for metric in eval_metric]
    return eval_metric
