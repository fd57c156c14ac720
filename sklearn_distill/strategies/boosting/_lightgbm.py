"""LGBMClassifier on soft targets."""

from contextlib import contextmanager
from functools import partial

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import fit_bare
from sklearn_distill.strategies.boosting._labels import (
    check_eval_set,
    encode,
    in_single_precision,
    weight_params,
)
from sklearn_distill.strategies.boosting._lightgbm_metrics import translate_metrics
from sklearn_distill.strategies.boosting._lightgbm_model import BecomeNative
from sklearn_distill.strategies.boosting._loss import HintonLoss
from sklearn_distill.strategies.boosting._objectives import objective_objection
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import column_names, n_rows

#: As in LightGBM: shares are at least this under a logarithm.
EPSILON = 1e-15

_BINARY = {"binary", "cross_entropy", "xentropy"}
_KEPT = {None, "multiclass", "softmax", *_BINARY}
_OTHERWISE = {"multiclassova", "multiclass_ova", "ova", "ovr"}
_STOPPING = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
_OBJECTIVE_ALIASES = ("objective_type", "app", "application", "loss")


def objection(student):
    """Return why this LGBMClassifier cannot be taught in this way, or None."""
    params = student.get_params()
    for alias in _OBJECTIVE_ALIASES:
        if alias in params:
            return f"needs `objective` to be set by this name, not as {alias!r}"
    if _param(params, "boosting_type", "boosting", "boost") in {"rf", "random_forest"}:
        return "cannot train boosting_type='rf', which takes no objective from outside"
    if float(params.get("sigmoid", 1)) != 1:
        return f"cannot keep sigmoid={params['sigmoid']!r}"
    return objective_objection(
        student, "objective", student.objective, kept=_KEPT, otherwise=_OTHERWISE
    )


def check_fit_params(student, fit_params):
    """Refuse early stopping without rows with labels to look at, and rows without labels."""
    given = [fit_params.get(name) for name in ("eval_set", "eval_X", "eval_y")]
    if (given[1] is None) != (given[2] is None):
        raise ValueError(
            f"{name_of(student)}.fit got one of eval_X and eval_y without the other. Pass both."
        )
    if given[0] is not None and given[1] is not None:
        raise ValueError(
            f"{name_of(student)}.fit got both eval_set and eval_X, eval_y. Leave eval_set out."
        )
    params = student.get_params()
    stops_early = [f"{name}={params[name]}" for name in _STOPPING if (params.get(name) or 0) > 0]
    if any(hasattr(callback, "stopping_rounds") for callback in fit_params.get("callbacks") or ()):
        stops_early.append("callbacks=[early_stopping(...)]")
    rows = given[0] if given[1] is None else given[1]
    advice = "fit(..., eval_X=X_val, eval_y=y_val) or fit(..., eval_set=[(X_val, y_val)])"
    check_eval_set(student, rows, next(iter(stops_early), None), advice)


def own_fit_params(fit_params, classes):
    """Return fit parameters with positions in ``eval_y``, of which LightGBM takes no labels."""
    y = fit_params.get("eval_y")
    if y is None:
        return fit_params
    several = isinstance(y, tuple)
    return fit_params | {
        "eval_y": tuple(encode(one, classes) for one in y) if several else encode(y, classes)
    }


def teach(student, transfer_set):
    """Fit the student in place and return it and its decoder.

    LightGBM wants the margins' start as an array of all rows and forgets it in the model. It is
    kept out of the training instead, added to the margins by the loss, and to the leaves of the
    first trees in the end, where the native objective has it too.
    """
    targets, params = transfer_set.targets, student.get_params()
    X, fit_params = transfer_set.take(None)
    fit_params = own_fit_params(fit_params, targets.classes) | weight_params(targets)
    n_classes = len(targets.classes)
    by_class, by_sign = _class_weights(params, targets)
    targets = targets.with_class_weight(by_class)
    # `class_weight` multiplies the weights of the rows, from which LightGBM finds the start. The
    # other settings multiply the gradients alone.
    start = _start(targets.mass(), params, fit_params)
    # The Hessian's factor is LightGBM's for several classes.
    with HintonLoss.of(
        targets.with_class_weight(by_sign),
        order="F",
        hessian_factor=n_classes / (n_classes - 1),
        n_jobs=_param(params, "num_threads", "num_thread", "nthread", "nthreads", "n_jobs"),
    ) as loss:

        def objective(labels, margins):
            return loss.derivatives(margins, start)

        for_fit = {"objective": objective}
        if any(fit_params.get(name) is not None for name in ("eval_set", "eval_X")):
            for_fit["metric"], fit_params["eval_metric"] = translate_metrics(
                params, fit_params, start
            )
        become_native = BecomeNative(_objective_in_use(student, n_classes), n_classes, start)
        if not params.get("linear_tree") and not params.get("linear_trees"):
            fit_params["callbacks"] = [*(fit_params.get("callbacks") or []), become_native]
        with _set_for_fit(student, **for_fit):
            fit_bare(student, X, targets.classes[targets.likely_labels()], **fit_params)
    if not become_native.done:
        become_native.rewrite(student.booster_)
    # What LGBMClassifier has there after a native fit.
    student._objective = become_native.objective
    return student, ProbabilityDecoder.of(student, targets.classes)


def objection_to_stream(student):
    """Return why this LGBMClassifier cannot be taught batch by batch, or None."""
    params = student.get_params()
    counted = _param(params, "is_unbalance", "unbalance", "unbalanced_sets")
    if counted or params["class_weight"] == "balanced":
        return "needs all rows to count their classes: pass weights of classes instead"
    if params.get("linear_tree") or params.get("linear_trees"):
        return "cannot teach linear_tree=True batch by batch"
    return None


def teach_stream(student, stream):
    """Fit the student in place on batches, and return it and its decoder.

    LightGBM reads the rows itself, some of them to find its bins and then all, and keeps one byte
    of each value.
    """
    import lightgbm

    sample, params = stream.sample(64), student.get_params()
    classes, temperature = sample.targets.classes, sample.targets.temperature
    n_classes = len(classes)
    by_class, by_sign = _class_weights(params, sample.targets)
    factor = n_classes / (n_classes - 1)
    n_jobs = _param(params, "num_threads", "num_thread", "nthread", "nthreads", "n_jobs")
    with HintonLoss(
        temperature, stream.n_rows, n_classes, order="F", hessian_factor=factor, n_jobs=n_jobs
    ) as loss:
        weight, mass, first = np.empty(stream.n_rows, np.float32), np.zeros(n_classes), 0
        for part in stream.batches():
            targets = in_single_precision(part.targets).with_class_weight(by_class)
            weight[first : first + targets.n_rows] = part.targets.row_weight
            loss.fill(targets.with_class_weight(by_sign), first)
            mass += targets.mass()
            first += targets.n_rows
        start = _start(mass, params, {})
        rows = _rows_for_lightgbm(stream)
        names = rows.names
        become_native = BecomeNative(_objective_in_use(student, n_classes), n_classes, start)
        train_params = {k: v for k, v in params.items() if v is not None and k not in _OF_WRAPPER}
        train_params["objective"] = lambda margins, data: loss.derivatives(
            margins.reshape(loss.mixed.shape, order="F"), start
        )
        if n_classes > 2:
            train_params["num_class"] = n_classes
        dataset = lightgbm.Dataset(
            rows,
            label=np.zeros(stream.n_rows, np.float32),
            weight=None if (weight == 1).all() else weight,
            feature_name=names or "auto",
            params=train_params | {"objective": "none"},
            free_raw_data=True,
        )
        booster = lightgbm.train(
            train_params, dataset, student.n_estimators, callbacks=[become_native]
        )
    if not become_native.done:
        become_native.rewrite(booster)
    return as_fitted(student, booster, classes, sample, become_native.objective)


def teach_on_dask(student, stream):
    """Fit the student on the workers of the current Dask client; see :func:`teach_stream`."""
    import lightgbm

    from sklearn_distill.strategies.boosting import _dask

    client = _dask.current_client()
    sample, params = stream.sample(64), student.get_params()
    classes, temperature = sample.targets.classes, sample.targets.temperature
    n_classes = len(classes)
    by_class, by_sign = _class_weights(params, sample.targets)
    frame, mass = _dask.distributed_frame(_dask.Parts(stream, by_class), client)
    start = _start(mass, params, {})
    settings = {"order": "F", "hessian_factor": n_classes / (n_classes - 1), "n_jobs": 1}
    parts = _dask.Parts(stream, by_class * by_sign)
    loss = _dask.LossOnWorker(parts, n_classes, temperature, start, settings)
    names = [name for name in frame.columns if name not in (_dask.ROW, _dask.PART)]
    own = {key: value for key, value in params.items() if key not in ("objective", "class_weight")}
    own["metric"] = "none"
    if n_classes > 2:
        own["num_class"] = n_classes
    # A regressor takes labels as they are.
    objective = partial(_objective_on_worker, loss)
    cluster = lightgbm.DaskLGBMRegressor(**own, objective=objective, client=client)
    # The number of the part is the weight, which must be positive; weights of 1 are forgotten.
    cluster.fit(frame[names], frame[_dask.ROW], sample_weight=frame[_dask.PART] + 2)
    booster = cluster.booster_
    become_native = BecomeNative(_objective_in_use(student, n_classes), n_classes, start)
    become_native.rewrite(booster)
    return as_fitted(student, booster, classes, sample, become_native.objective)


def _objective_on_worker(loss, rows, margins, weight):
    return loss.derivatives(rows, weight - 2, margins)


#: Settings of the wrapper, of which LightGBM itself knows nothing.
_OF_WRAPPER = ("class_weight", "importance_type", "n_estimators", "objective")


def as_fitted(student, booster, classes, sample, objective):
    """Return a student that has a trained booster, and its decoder.

    LGBMClassifier has no way to be given one. A fit of one round on a few rows makes all that it
    looks at when it predicts, and is then exchanged.
    """
    X, n_classes = sample.all_rows(), len(classes)
    y = classes[np.arange(n_rows(X)) % n_classes]
    with _set_for_fit(student, n_estimators=1, class_weight=None, min_child_samples=1):
        fit_bare(student, X, y)
    student._Booster = booster
    student._objective = objective
    student._best_iteration = 0
    return student, ProbabilityDecoder.of(student, classes)


def _rows_for_lightgbm(stream):
    """Return the rows in LightGBM's form: any of them may be asked for, mostly in order."""
    import lightgbm

    class Rows(lightgbm.Sequence):
        batch_size = stream.batch_rows

        def __init__(self):
            self.names = None
            self.restart()

        def restart(self):
            self.waiting, self.first, self.part = iter(stream.batches()), 0, np.empty((0, 0))

        def __len__(self):
            return stream.n_rows

        def __getitem__(self, rows):
            if isinstance(rows, slice):
                wanted = np.arange(*rows.indices(len(self)))
            else:
                wanted = np.atleast_1d(rows)
            found = self.take(wanted)
            return found if isinstance(rows, slice) or np.ndim(rows) else found[0]

        def take(self, wanted):
            pieces = []
            while len(wanted):
                if wanted[0] < self.first:
                    self.restart()
                while wanted[0] >= self.first + len(self.part):
                    self.first += len(self.part)
                    self.part = self.numbers(next(self.waiting).all_rows())
                here = wanted < self.first + len(self.part)
                pieces.append(self.part[wanted[here] - self.first])
                wanted = wanted[~here]
            return np.concatenate(pieces)

        def numbers(self, X):
            names = column_names(X)
            if names is None:
                return np.asarray(X, dtype=np.float64)
            self.names = names
            try:
                return X.to_numpy(np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    "LightGBM reads batches of numbers only, and a column is none: "
                    f"{error}. Put an encoder before it in a Pipeline."
                ) from error

    rows = Rows()
    rows.take(np.arange(1))
    return rows


def _objective_in_use(student, n_classes):
    if n_classes > 2:
        return "multiclass"
    return student.objective if student.objective in _BINARY else "binary"


def _class_weights(params, targets):
    """Return the weights from ``class_weight``, and those which a binary objective applies."""
    by_class = by_sign = np.ones(len(targets.classes))
    if params["class_weight"] is not None:
        y = targets.classes[targets.labels]
        by_class = compute_class_weight(params["class_weight"], classes=targets.classes, y=y)
    if len(by_sign) == 2:
        by_sign = np.array([1.0, params.get("scale_pos_weight", 1)])
        if _param(params, "is_unbalance", "unbalance", "unbalanced_sets"):
            counts = np.bincount(targets.labels, minlength=2)
            by_sign = counts.max() / counts
    return by_class, by_sign


def _start(mass, params, fit_params):
    """Return the logarithm of the mean target, as the native objectives do for labels."""
    n_classes = len(mass)
    wanted = str(params.get("boost_from_average", True)).lower() in {"true", "1", "+"}
    if not wanted or any(fit_params.get(k) is not None for k in ("init_score", "init_model")):
        return 0.0 if n_classes == 2 else np.zeros(n_classes)
    share = mass / mass.sum()
    if n_classes == 2:
        share = min(max(share[1], EPSILON), 1 - EPSILON)
        return float(np.log(share / (1 - share)))
    return np.log(np.maximum(share, EPSILON))


@contextmanager
def _set_for_fit(student, **params):
    """Set parameters, and undo that afterwards without a trace.

    ``LGBMModel.set_params`` writes to three places.
    """
    places = [place for name in params for place in (name, f"_{name}")]
    before = {place: vars(student)[place] for place in places if place in vars(student)}
    others = dict(student._other_params)
    student.set_params(**params)
    try:
        yield
    finally:
        for place in places:
            vars(student).pop(place, None)
        vars(student).update(before)
        student._other_params = others


def _param(params, *names):
    """Return the first of these parameters, all names of the same, that is set."""
    return next((params[name] for name in names if params.get(name) is not None), None)
