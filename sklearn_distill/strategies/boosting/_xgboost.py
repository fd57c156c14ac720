"""XGBClassifier on soft targets."""

import gc
import sys
import tempfile
from contextlib import contextmanager
from functools import partial, wraps

import numpy as np
from scipy.special import expit, softmax
from sklearn import config_context

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import fit_bare
from sklearn_distill.strategies.boosting._labels import (
    check_eval_set,
    encode,
    in_single_precision,
    weight_params,
)
from sklearn_distill.strategies.boosting._loss import HintonLoss
from sklearn_distill.strategies.boosting._objectives import objective_objection
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import column_names

#: As in XGBoost: added to the classes' shares under the logarithm.
EPSILON = 1e-6

#: Values of rows, one byte each, above which they are kept on disk between rounds.
MOST_IN_MEMORY = 1 << 29

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
    with HintonLoss.of(targets, hessian_factor=2.0, n_jobs=student.n_jobs) as loss:
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


def objection_to_stream(student):
    """Return why this XGBClassifier cannot be taught batch by batch, or None."""
    if (student.booster or "gbtree") == "gblinear":
        return "cannot teach booster='gblinear' batch by batch"
    if str(student.tree_method) in ("exact", "approx"):
        return f"needs tree_method='hist' batch by batch, and not {student.tree_method!r}"
    return None


def teach_stream(student, stream):
    """Fit the student in place on batches, and return it and its decoder.

    XGBoost reads the batches itself, several times over, and keeps one byte of each value, in
    memory or on disk. The targets are mixed while it reads them for the first time.
    """
    sample = stream.sample(64)
    classes, temperature = sample.targets.classes, sample.targets.temperature
    n_classes = len(classes)
    settings = {"hessian_factor": 2.0, "n_jobs": student.n_jobs}
    n_values = stream.n_rows * np.shape(sample.all_rows())[1]
    with (
        tempfile.TemporaryDirectory() as folder,
        HintonLoss(temperature, stream.n_rows, n_classes, **settings) as loss,
    ):
        raw = _train_on_batches(student, stream, loss, n_classes, n_values, folder)
    return as_fitted(student, raw, classes)


def _train_on_batches(student, stream, loss, n_classes, n_values, folder):
    """Return the trained booster as bytes: nothing that reads the folder is left."""
    import xgboost

    on_disk = n_values > MOST_IN_MEMORY and hasattr(xgboost, "ExtMemQuantileDMatrix")
    matrix_of = xgboost.ExtMemQuantileDMatrix if on_disk else xgboost.QuantileDMatrix
    by_class, weighted = _class_weights(student, n_classes)
    native = n_classes == 2 and loss.temperature == 1 and not weighted
    cache = {"cache_prefix": f"{folder}/cache"} if on_disk else {}
    batches = _batches_for_xgboost(stream, loss, by_class, native, cache)
    matrix = matrix_of(batches, nthread=student.n_jobs, **_matrix_settings(student))
    params = _train_params(student, n_classes, batches.mass, weighted)
    objective = None if native else _as_objective_of_matrix(loss)
    booster = xgboost.train(params, matrix, student.get_num_boosting_rounds(), obj=objective)
    raw = booster.save_raw()
    del booster, matrix, batches
    if on_disk:
        gc.collect()  # XGBoost's iterator is in a circle with what it calls
    return raw


def teach_on_dask(student, stream):
    """Fit the student on the workers of the current Dask client; see :func:`teach_stream`."""
    from xgboost import dask

    from sklearn_distill.strategies.boosting import _dask

    client = _dask.current_client()
    sample = stream.sample(64)
    classes, temperature = sample.targets.classes, sample.targets.temperature
    n_classes = len(classes)
    by_class, weighted = _class_weights(student, n_classes)
    parts = _dask.Parts(stream, by_class)
    frame, mass = _dask.distributed_frame(parts, client)
    names = [name for name in frame.columns if name not in (_dask.ROW, _dask.PART)]
    matrix = dask.DaskQuantileDMatrix(
        client,
        frame[names],
        frame[_dask.ROW],
        label_lower_bound=frame[_dask.PART],
        **_matrix_settings(student),
    )
    start = 0.0 if n_classes == 2 else np.zeros(n_classes)
    settings = {"hessian_factor": 2.0, "n_jobs": 1}
    loss = _dask.LossOnWorker(parts, n_classes, temperature, start, settings)
    params = _train_params(student, n_classes, mass, weighted)
    objective = partial(_objective_on_worker, loss)
    rounds = student.get_num_boosting_rounds()
    found = dask.train(client, params, matrix, rounds, obj=objective)
    booster = found["booster"]
    if column_names(sample.all_rows()) is None:
        booster.feature_names = None
    return as_fitted(student, booster.save_raw(), classes)


def _objective_on_worker(loss, margins, matrix):
    rows, of_part = matrix.get_label(), matrix.get_float_info("label_lower_bound")
    margins = margins.ravel() if loss.n_classes == 2 else margins.reshape(len(rows), -1)
    return loss.derivatives(rows, of_part, margins)


def _class_weights(student, n_classes):
    """Return the weight of each class, and whether the user set one."""
    if n_classes == 2 and student.scale_pos_weight is not None:
        return np.array([1.0, student.scale_pos_weight]), True
    return np.ones(n_classes), False


def _train_params(student, n_classes, mass, weighted):
    """Return the parameters for XGBoost's own ``train``."""
    params = student.get_xgb_params() | {"objective": "binary:logistic"}
    params.pop("scale_pos_weight", None)
    if n_classes > 2:
        params |= {"objective": "multi:softprob", "num_class": n_classes}
    if student.base_score is None:
        start = _base_score(mass, is_scaled=weighted)
        params |= {} if start is None else {"base_score": start}
    return params


def as_fitted(student, raw, classes):
    """Return a student that has a trained booster, given as bytes, and its decoder."""
    own = student.get_params()
    student.load_model(raw)
    vars(student).update(own)  # set_params would reach into the trained booster
    student.objective = "binary:logistic" if len(classes) == 2 else "multi:softprob"
    known = np.arange(len(classes))
    return student, ProbabilityDecoder.of(student, classes, by_position=True, known=known)


def _batches_for_xgboost(stream, loss, by_class, native, cache):
    """Return an iterator in XGBoost's form, which mixes the targets at its first pass."""
    import xgboost

    class Batches(xgboost.DataIter):
        def __init__(self):
            self.mass, self.first_pass = np.zeros(len(by_class)), True
            super().__init__(**cache)
            self.reset()

        def reset(self):
            self.waiting, self.row = iter(stream.batches()), 0

        def next(self, input_data):
            part = next(self.waiting, None)
            if part is None:
                self.first_pass = False
                return False
            targets = in_single_precision(part.targets).with_class_weight(by_class)
            rows = slice(self.row, self.row + targets.n_rows)
            if self.first_pass:
                loss.fill(targets, self.row)
                self.mass += targets.mass()
            label = loss.mixed[rows] if native else targets.likely_labels()
            input_data(data=part.all_rows(), label=label, weight=targets.row_weight)
            self.row += targets.n_rows
            return True

    return Batches()


def _matrix_settings(student):
    return {
        "missing": student.missing,
        "max_bin": student.max_bin or 256,
        "enable_categorical": bool(student.enable_categorical),
    }


def _as_objective_of_matrix(loss):
    of_margins = _as_objective(loss)
    return lambda margins, matrix: of_margins(None, margins)


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
