"""CatBoostClassifier on soft targets, with losses of CatBoost's own."""

from dataclasses import replace

import numpy as np

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import fit_bare
from sklearn_distill.strategies.boosting._labels import check_eval_set, encode, weight_params
from sklearn_distill.strategies.boosting._objectives import objective_objection
from sklearn_distill.utils.dispatch import name_of

_KEPT = {None, "Logloss", "CrossEntropy", "MultiClass"}
_OTHERWISE = {"MultiClassOneVsAll"}

#: Settings of which the targets take the place.
_CLASS_SETTINGS = (
    *("class_weights", "auto_class_weights", "scale_pos_weight"),
    *("class_names", "classes_count", "objective", "loss_function"),
)
_METRICS = ("eval_metric", "custom_metric", "custom_loss")
#: What the first look must not do as well, and the model that it would go on from.
_ONCE = (
    *("verbose", "verbose_eval", "silent", "logging_level", "log_cout", "log_cerr"),
    *("plot", "plot_file", "save_snapshot", "snapshot_file", "snapshot_interval"),
    *("metric_period", "callbacks", "allow_writing_files", "init_model"),
)
#: What CatBoost chooses by objective and number of rows, unless the user does.
_CHOSEN = (
    *("learning_rate", "leaf_estimation_method", "leaf_estimation_iterations"),
    *("leaf_estimation_backtracking", "bootstrap_type", "bagging_temperature", "subsample"),
    *("boosting_type", "score_function"),
)
#: Metrics of several classes, by what they are called for a matrix of targets.
_OF_MATRIX = {
    "MultiClass": "MultiCrossEntropy",
    "MultiCrossEntropy": "MultiCrossEntropy",
    "MultiLogloss": "MultiLogloss",
}


def objection(student):
    """Return why this CatBoostClassifier cannot be taught in this way, or None."""
    params = student.get_params()
    if str(params.get("task_type")).upper() == "GPU":
        return "cannot train with task_type='GPU', where CatBoost takes no callbacks"
    objective = params.get("loss_function", params.get("objective"))
    return objective_objection(
        student, "loss_function", objective, kept=_KEPT, otherwise=_OTHERWISE
    )


def check_fit_params(student, fit_params):
    """Refuse an eval_set in another form than arrays and frames, or none where one is needed.

    Early stopping alone needs none: CatBoost then trains all rounds.
    """
    eval_set = fit_params.get("eval_set")
    best = "use_best_model=True" if student.get_params().get("use_best_model") else None
    if not student.get_params().get("eval_fraction"):
        check_eval_set(student, eval_set, best, "fit(..., eval_set=(X_val, y_val))")
    if eval_set is not None:
        _pairs(student, eval_set)
    if fit_params.get("baseline") is not None:
        raise ValueError(
            f"baseline of {name_of(student)}.fit is no part of its model: whatever is predicted "
            "would lack it, and soft targets have other margins. Leave it out."
        )


def own_fit_params(fit_params, classes):
    """Return the fit parameters: CatBoost takes labels as they are."""
    return fit_params


def teach(student, transfer_set):
    """Return a student of the same settings, fitted on tempered targets, and its decoder.

    CatBoost has losses whose targets are any numbers from 0 to 1: CrossEntropy of one column, and
    MultiCrossEntropy of several, which asks a yes-or-no question for each. Where the answers are
    right they add up to 1, and where not, they are divided by their sum.
    """
    targets, own = transfer_set.targets, student.get_params()
    n_classes = len(targets.classes)
    X, fit_params = transfer_set.take(None)
    native = _first_look(student, X, targets, fit_params)
    targets = targets.with_class_weight(_class_weight(native, targets.classes))
    y = targets.tempered()
    params = _params_for_fit(own, native)
    params["loss_function"] = "CrossEntropy" if n_classes == 2 else "MultiCrossEntropy"
    _check_init_model(fit_params, n_classes)
    if fit_params.get("eval_set") is not None:
        fit_params["eval_set"] = [
            (X_eval, np.eye(n_classes)[encode(y_eval, targets.classes)])
            for X_eval, y_eval in _pairs(student, fit_params["eval_set"])
        ]
    if fit_params.get("eval_set") or own.get("eval_fraction"):
        params |= _metrics(own, n_classes)
    if n_classes == 2:
        y = y[:, 1]
        pairs = fit_params.get("eval_set") or []
        fit_params["eval_set"] = [(X_eval, y_eval[:, 1]) for X_eval, y_eval in pairs] or None
    taught = fit_bare(type(student)(**params), X, y, **fit_params | weight_params(targets))
    decoder = ProbabilityDecoder.of(
        taught,
        targets.classes,
        by_position=True,
        known=np.arange(n_classes),
        normalize=n_classes > 2,
    )
    return taught, decoder.with_power(taught, replace(transfer_set, targets=targets))


class _Stop:
    """A callback that ends the training."""

    def after_iteration(self, info):
        return False


def _first_look(student, X, targets, fit_params):
    """Train on labels for one round, to see what CatBoost makes of the user's settings.

    It chooses the learning rate by objective and number of rows, and for soft targets by another
    rule or by none. Class weights may be a list in CatBoost's order of the classes, which is not
    the sorted one, or be counted. A row without a label must not be counted, and weighs nothing.
    """
    params = {key: value for key, value in student.get_params().items() if key not in _ONCE}
    fit_params = {key: value for key, value in fit_params.items() if key not in _ONCE}
    weight = weight_params(targets)
    if targets.n_rows > targets.n_labeled:
        weight["sample_weight"] = targets.row_weight * (
            np.arange(targets.n_rows) < targets.n_labeled
        )
    native = type(student)(**params, verbose=False, allow_writing_files=False)
    y = targets.classes[targets.likely_labels()]
    return fit_bare(native, X, y, callbacks=[_Stop()], **fit_params | weight)


def _class_weight(native, classes):
    weight = native.get_all_params().get("class_weights")
    if not weight:
        return np.ones(len(classes))
    known = np.asarray(native.classes_).tolist()
    # CatBoost sorts '10' behind '2', and a boolean label has become the text "True".
    order = [known.index(c) if c in known else known.index(str(c)) for c in classes.tolist()]
    return np.asarray(weight)[order]


def _params_for_fit(own, native):
    resolved = native.get_all_params()
    chosen = {key: resolved[key] for key in _CHOSEN if key in resolved and key not in own}
    if "eta" in own:
        del chosen["learning_rate"]
    kept = {key: own[key] for key in own if key not in (*_CLASS_SETTINGS, *_METRICS)}
    # A teacher may say the same of every row, which CatBoost takes for a mistake.
    return kept | chosen | {"allow_const_label": True}


def _metrics(own, n_classes):
    """Return the user's metrics, under the names they have for such targets.

    CatBoost computes them on the training rows too, whose targets are no labels.
    """
    found = {}
    for key in own.keys() & set(_METRICS):
        wanted = own[key] if isinstance(own[key], list | tuple) else [own[key]]
        if n_classes == 2:
            refused = [metric for metric in wanted if str(metric).startswith("PRAUC")]
        else:
            refused = [metric for metric in wanted if metric not in _OF_MATRIX]
            wanted = [_OF_MATRIX.get(metric) for metric in wanted]
        if refused:
            usable = "'Logloss', 'AUC'" if n_classes == 2 else "'MultiClass'"
            raise ValueError(
                f"CatBoost cannot compute {key}={refused[0]!r} where soft targets take the place "
                f"of labels. Use {usable}, leave it out, or use strategy='weighted-labels'."
            )
        found[key] = wanted if key != "eval_metric" else wanted[0]
    return found


def _pairs(student, eval_set):
    sets = eval_set if isinstance(eval_set, list) else [eval_set]
    for one in sets:
        if not isinstance(one, tuple) or len(one) != 2:
            raise ValueError(
                f"eval_set of {name_of(student)} must be a tuple (X_val, y_val) or a list of "
                f"such tuples, whose labels can be exchanged. Got {name_of(one)} instead."
            )
    return sets


def _check_init_model(fit_params, n_classes):
    model = fit_params.get("init_model")
    if model is None or n_classes == 2:
        return
    loss = model.get_all_params()["loss_function"] if hasattr(model, "get_all_params") else None
    if loss != "MultiCrossEntropy":
        raise ValueError(
            "With several classes CatBoost learns soft targets by MultiCrossEntropy, and can go "
            f"on from a model of that loss only. Got init_model with {loss}. Pass the student_ "
            "of a distilled model, or leave init_model out."
        )
