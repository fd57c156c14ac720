"""CatBoostClassifier on soft targets."""

import json
from contextlib import contextmanager

import numpy as np

from sklearn_distill.trainers._trainer import fit_bare
from sklearn_distill.trainers.boosting import _catboost_losses as losses
from sklearn_distill.trainers.boosting._labels import encode, real_or_likely_labels, row_weight
from sklearn_distill.trainers.boosting._loss import HintonLoss
from sklearn_distill.trainers.boosting._objectives import objective_objection
from sklearn_distill.utils.kinds import name_of

_KEPT = {None, "Logloss", "CrossEntropy", "MultiClass"}
_OTHERWISE = {"MultiClassOneVsAll"}

#: What the first look has resolved and the loss has taken in.
_TAKEN_IN = (
    *("class_weights", "auto_class_weights", "scale_pos_weight"),
    *("class_names", "classes_count", "objective"),
)
#: What the first look must not do twice.
_OUTPUT = (
    *("verbose", "verbose_eval", "silent", "logging_level", "log_cout", "log_cerr"),
    *("plot", "plot_file", "save_snapshot", "snapshot_file", "snapshot_interval"),
    *("metric_period", "callbacks", "allow_writing_files"),
)
#: What CatBoost chooses by objective and number of rows, unless the user does.
_CHOSEN = (
    *("learning_rate", "leaf_estimation_method", "leaf_estimation_iterations"),
    *("leaf_estimation_backtracking", "bootstrap_type", "bagging_temperature", "subsample"),
    *("boosting_type", "score_function"),
)


def objection(student):
    """Return why this CatBoostClassifier cannot be taught in this way, or None."""
    params = student.get_params()
    if str(params.get("task_type")).upper() == "GPU":
        return "cannot train with task_type='GPU', where CatBoost takes no objective from outside"
    objective = params.get("loss_function", params.get("objective"))
    return objective_objection(
        student, "loss_function", objective, kept=_KEPT, otherwise=_OTHERWISE
    )


def fit(student, X, targets, fit_params):
    """Fit the student in place on rows of X and return it.

    CatBoost starts at zero unless told otherwise, and so does this. With two classes at
    temperature 1 its own CrossEntropy does it.
    """
    fit_params = dict(fit_params)
    labels = real_or_likely_labels(targets)
    if targets.sample_weight is not None:
        fit_params["sample_weight"] = row_weight(targets)
    native = _first_look(student, X, targets.classes[labels], fit_params)
    own = student.get_params()
    with HintonLoss(
        targets, class_weight=_class_weight(native, targets.classes), n_jobs=1
    ) as loss:
        task, y, encode_labels = losses.choose(loss, labels, own)
        weight = losses.sum_of_weights(loss)
        if np.ptp(weight) > 0 or weight[0] != 1:
            fit_params["sample_weight"] = weight
        if fit_params.get("eval_set") is not None:
            fit_params["eval_set"] = [
                (X_eval, encode_labels(encode(y_eval, targets.classes)))
                for X_eval, y_eval in _pairs(fit_params["eval_set"])
            ]
        params = _params_for_fit(own, native) | task
        if y.ndim == 2 and params.get("leaf_estimation_iterations", 1) > 1:
            # CatBoost would have to compute the loss itself to look back.
            params["leaf_estimation_backtracking"] = "No"
        with _set_for_fit(student, params):
            fit_bare(student, X, y, **fit_params)
    _describe_as_native(student, native, targets.classes)
    return student


def margins(student, X):
    """Return the margins of rows, of shape (n_samples,) or (n_samples, n_classes)."""
    return student.predict(X, prediction_type="RawFormulaVal")


class _Stop:
    """A callback that ends the training."""

    def after_iteration(self, info):
        return False


def _first_look(student, X, y, fit_params):
    """Train a native model for one round: to see what CatBoost makes of settings and labels."""
    params = {key: value for key, value in student.get_params().items() if key not in _OUTPUT}
    fit_params = {key: value for key, value in fit_params.items() if key not in _OUTPUT}
    native = type(student)(**params, verbose=False, allow_writing_files=False)
    return fit_bare(native, X, y, callbacks=[_Stop()], **fit_params)


def _class_weight(native, classes):
    weight = native.get_all_params().get("class_weights")
    return np.asarray(weight)[_order(native, classes)] if weight else None


def _order(native, classes):
    """Return the positions of the sorted classes among those of the native model."""
    known = np.asarray(native.classes_).tolist()
    # A boolean label has become the text "True".
    return [known.index(c) if c in known else known.index(str(c)) for c in classes.tolist()]


def _params_for_fit(own, native):
    resolved = native.get_all_params()
    chosen = {key: resolved[key] for key in _CHOSEN if key in resolved and key not in own}
    if "eta" in own:
        del chosen["learning_rate"]
    return {key: value for key, value in own.items() if key not in _TAKEN_IN} | chosen


def _pairs(eval_set):
    sets = eval_set if isinstance(eval_set, list) else [eval_set]
    for one in sets:
        if not isinstance(one, tuple) or len(one) != 2:
            raise ValueError(
                "eval_set of a CatBoostClassifier that learns soft targets must be a tuple "
                f"(X, y) or a list of them. Got {name_of(one)} instead."
            )
    return sets


@contextmanager
def _set_for_fit(student, params):
    """Replace all parameters, and undo that afterwards: ``set_params`` can take none away."""
    before = student._init_params
    student._init_params, student._canonized_params = params, None
    try:
        yield
    finally:
        student._init_params, student._canonized_params = before, None


def _describe_as_native(student, native, classes):
    """Write into the model what its margins and columns mean."""
    ours, theirs = student.get_metadata(), native.get_metadata()
    labels = json.loads(theirs["class_params"])
    labels["class_names"] = [labels["class_names"][i] for i in _order(native, classes)]
    ours["class_params"] = json.dumps(labels)
    params, native_params = json.loads(ours["params"]), json.loads(theirs["params"])
    for key in ("loss_function", "metrics", "data_processing_options"):
        params[key] = native_params[key]
    params["data_processing_options"]["class_names"] = labels["class_names"]
    params["flat_params"]["loss_function"] = native_params["loss_function"]["type"]
    params["flat_params"].pop("eval_metric", None)
    ours["params"] = json.dumps(params)
