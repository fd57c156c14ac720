"""Teachers that are fitted for a transfer set, on the rows that have a label, and who they are."""

import warnings

import numpy as np

from sklearn_distill.scale._engines import ClusterSource
from sklearn_distill.scale._folds import HashKFold
from sklearn_distill.scale._form import kinds_of_frame
from sklearn_distill.scale._sources import fingerprint_of_frame, rows_with_label
from sklearn_distill.utils.content import content_key
from sklearn_distill.utils.dispatch import is_network
from sklearn_distill.utils.pipelines import last_step, weight_keyword


def folds_of(cv, reader, target):
    """Return the folds of the rows with a label; None if the teacher is used as it is."""
    if cv is None and reader.fitted:
        return None
    if target is None:
        why = "is not fitted" if not reader.fitted else f"is to be fitted in folds (cv={cv})"
        raise ValueError(
            f"The teacher {reader.name} {why}, and nobody knows on which labels. Name the column "
            "that has them: target='...', or fit it first."
        )
    if not reader.can_be_fitted:
        raise ValueError(f"The teacher {reader.name} cannot be fitted. Leave cv out.")
    if cv is None:
        return HashKFold(5)
    if isinstance(cv, HashKFold):
        return cv
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        return HashKFold(int(cv))
    raise ValueError(
        f"cv must be an int or a HashKFold: other folds are not the same on every engine. Got "
        f"{cv!r} instead."
    )


def key_of(reader, rows, folds):
    """Return what tells this teacher from others: its content, or what it will be fitted on."""
    try:
        key = content_key(reader)
    except TypeError as error:
        raise TypeError(
            f"The sink is to know its teacher by content, and {reader.name} has none that could "
            f"be compared: {error.__cause__}. Define its classes and functions in a module."
        ) from error
    if folds is None:
        return key
    # By value: frames of the same rows lie in memory in many ways.
    X = rows["X"] if isinstance(rows["X"], np.ndarray) else fingerprint_of_frame(rows["X"])
    return content_key(
        *(reader, X, rows["y"], rows["sample_weight"]),
        *(np.asarray(rows["keys"]), folds.n_splits, folds.random_state),
    )


def rows_to_learn_from(source, form, key, target, sample_weight):
    """Return the rows that have a label, with labels, weights and keys, sorted by key.

    Engines give rows in an order of their own, and many a teacher depends on it.
    """
    columns = [*form.columns, key, target, *([sample_weight] if sample_weight else [])]
    if isinstance(source, ClusterSource):
        frame = source.labeled(target, columns)
    else:
        frame = rows_with_label(source.columns(columns), target)
    if not len(frame):
        raise ValueError(f"No row has a label in the column {target!r}.")
    form.check(kinds_of_frame(frame), "the rows with a label")
    frame = frame.sort_values(key, kind="stable").reset_index(drop=True)
    y = frame[target].to_numpy()
    if y.dtype.kind == "f" and (y == np.floor(y)).all():
        y = y.astype(np.int64)  # whole numbers, beside missing ones
    elif y.dtype == object and all(isinstance(label, bool | np.bool_) for label in y):
        y = y.astype(bool)
    weight = None if sample_weight is None else frame[sample_weight].to_numpy(np.float64)
    X = form.take(frame, "the rows with a label")
    return {"X": X, "y": y, "sample_weight": weight, "keys": frame[key].to_numpy()}


def fit_teachers(engine, reader, rows, folds, n_jobs):
    """Return the readers of the teachers of each fold, and of the one of all rows."""
    fold = folds.fold_of(rows["keys"])
    keyword = weight_keyword(reader.teacher)
    if rows["sample_weight"] is not None and keyword is None:
        warnings.warn(
            f"The teacher {reader.name} does not take sample_weight in fit: the weights are used "
            "for the student only.",
            UserWarning,
            stacklevel=3,
        )
    shared = [reader, rows, fold, keyword]
    if is_network(last_step(reader.teacher)):
        n_jobs = None  # they draw from generators that threads share
    on_all = not reader.fitted
    fitted = dict(engine.map(_fit_one, list(range(folds.n_splits + on_all)), shared, n_jobs))
    fitted.setdefault(folds.n_splits, reader)
    return [fitted[k] for k in sorted(fitted)]


def _fit_one(shared, k):
    """Fit a clone on all rows but those of fold k; on all, for the fold behind the last."""
    reader, rows, fold, keyword = shared
    keep = np.flatnonzero(fold != k)
    X, y = rows["X"], rows["y"][keep]
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"Without the rows of fold {k} there are labels of one class only. Take fewer folds, "
            "or label more rows."
        )
    X = X[keep] if isinstance(X, np.ndarray) else X.iloc[keep].reset_index(drop=True)
    weighted = rows["sample_weight"] is not None and keyword is not None
    params = {keyword: rows["sample_weight"][keep]} if weighted else {}
    return k, reader.fit(X, y, **params)
