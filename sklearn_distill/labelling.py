"""Asking the teacher: the only place that fits one, cuts rows into chunks, and starts jobs.

What comes out are log-probabilities as the teacher gives them. Nothing here knows what they will
be blended with or softened by, so that one labelling serves a whole search (see ``memory``).
"""

import warnings
from dataclasses import replace
from itertools import combinations, islice
from threading import Lock
from time import perf_counter
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils.parallel import Parallel, delayed

from sklearn_distill.doubts import warn_if_certain
from sklearn_distill.teachers import (
    Remarks,
    TeacherEnsemble,
    TeacherReader,
    check_has_bags,
    has_out_of_bag_votes,
    read_out_of_bag,
    warn_how_it_is_read,
)
from sklearn_distill.utils._sklearn_private import slice_params, take_rows
from sklearn_distill.utils.content import content_key
from sklearn_distill.utils.dispatch import booster_of
from sklearn_distill.utils.pipelines import last_step
from sklearn_distill.utils.progress import track
from sklearn_distill.utils.rows import indexable_rows, n_rows, own_rows

#: Folds of the out-of-fold labels when ``cv=None``.
DEFAULT_FOLDS = 5

#: Rows that a teacher is given at a time. Fixed: the labels must not depend on the number of jobs.
CHUNK_ROWS = 16_384

#: Seconds of fits and labels after which a second time on the same rows is worth a word.
SLOW_STAGE_SECONDS = 5.0

#: Stages that are remembered for it, and rows by which they are known.
MOST_SLOW_STAGES, ROWS_TO_KNOW = 256, 32

#: Keys of slow stages; None once ``memory`` has been suggested.
_SLOW_STAGES, _SUGGESTING = set(), Lock()


def label(teacher, chunks, classes=None, *, n_jobs=None):
    """Label rows chunk by chunk, in memory or not: the seam for everything that is larger.

    Chunks are asked for as they are needed, ``n_jobs`` at a time, and their labels are given in
    the same order. Threads are preferred, since predicting releases the GIL and a forest is costly
    to send to another process; under a ``parallel_config`` of the user's its backend is used. A
    teacher with a torch module inside is read in this thread only, since a module has one mode
    and one place for all threads.

    Parameters
    ----------
    teacher : estimator, torch module or booster
        Fitted.
    chunks : iterable of rows
        Each of them in a form that the teacher takes.
    classes : array-like of shape (n_classes,), default=None
        Order of the columns. None takes the teacher's ``classes_``.
    n_jobs : int or None, default=None
        Chunks that are labelled at a time.

    Yields
    ------
    log_proba : ndarray of shape (n_rows_of_chunk, n_classes)
        Natural logarithms at temperature 1, normalised; -inf where the teacher gives a
        probability of exactly zero.

    Raises
    ------
    NotFittedError
        If the teacher is not fitted.
    ValueError
        If it does not know a class, or its output is no probability.

    See Also
    --------
    DistillationClassifier : Takes the probabilities as ``fit(..., teacher_output=P)``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_distill.labelling import label
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = GaussianNB().fit(X, y)
    >>> chunks = (X[start : start + 64] for start in range(0, len(X), 64))
    >>> P = np.concatenate([np.exp(log_proba) for log_proba in label(teacher, chunks)])
    >>> P.shape
    (150, 3)
    """
    reader = TeacherReader.of(teacher)
    if not reader.fitted:
        raise NotFittedError(f"The teacher {reader.name} is not fitted yet. Fit it first.")
    classes = np.asarray(_classes_of(reader) if classes is None else classes)
    remarks = Remarks()
    for log_proba, more in _ask_in_chunks(reader, chunks, classes, n_jobs):
        remarks += more
        yield log_proba
    reader.warn_of(remarks)


class Labels(NamedTuple):
    """What a teacher said of the rows, and how it came to know them.

    Attributes
    ----------
    reader : TeacherReader or None
        Of the fitted teacher; None if it is not here.
    log_proba : ndarray of shape (n_rows(X) + n_rows(X_unlabeled), n_classes) or None
        None if nobody asked it.
    source : {"out-of-fold", "out-of-bag", "in-sample", "fitted", "given"} or None
        "in-sample" is a teacher that was fitted on these very rows; "fitted" one that came
        fitted, on rows that nobody knows.
    informed : ndarray of shape (n_rows(X), n_classes) or None
        What is to be learned of the labelled rows in place of ``log_proba``, if real labels had a
        say in it: nobody must be judged by it.
    """

    reader: TeacherReader | None
    log_proba: np.ndarray | None = None
    source: str | None = None
    informed: np.ndarray | None = None

    @property
    def teacher(self):
        """The fitted teacher itself; None if there is none."""
        return self.reader.teacher if self.reader is not None and self.reader.fitted else None


def label_training_rows(
    reader, X, y, X_unlabeled, classes, *, cv, seed, split_params, fit_params, memory, **jobs
):
    """Label the rows of X as ``cv`` says, then those of X_unlabeled by the fitted teacher.

    Parameters
    ----------
    reader : TeacherReader
    X, X_unlabeled : rows
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    cv : None, "in-sample", "out-of-bag", int, splitter or iterable of splits
    seed : int
        Shuffles the folds.
    split_params, fit_params : dict
        For the splitter, and for the ``fit`` of the teacher's clones.
    memory : joblib.Memory or None
    **jobs : dict
        ``n_jobs`` and ``verbose``.

    Returns
    -------
    Labels
    """
    rows = X, y, X_unlabeled, classes
    if isinstance(reader.teacher, TeacherEnsemble):
        asking = {"cv": cv, "seed": seed, "split_params": split_params, "memory": memory, **jobs}
        return _label_by_members(reader, *rows, fit_params, asking)
    if not needs_fits(reader, cv):
        labels = None
        votes = has_out_of_bag_votes(reader.teacher)
        if cv == "out-of-bag" or (cv is None and votes):
            labels = _out_of_bag(reader, *rows, memory, jobs, must=cv is not None)
        if labels is None:
            log_proba = label_rows(
                reader, X, X_unlabeled, classes, n_jobs=jobs["n_jobs"], memory=memory
            )
            labels = Labels(reader, log_proba, "fitted")
        if reader.of_classes and reader.gives_probabilities:
            warn_if_certain(labels.log_proba[: len(y)], reader.name)
        return labels
    if isinstance(cv, str):
        if cv == "out-of-bag":
            check_has_bags(reader.teacher)
        splits, source = cv, cv
    else:
        splits = make_splits(cv, X, y, seed, split_params, classifier=reader.of_classes)
        source = "out-of-fold"
    reader, log_proba = fit_and_label(
        reader, *rows, splits=splits, fit_params=fit_params, memory=memory, **jobs
    )
    return Labels(reader, log_proba, source)


def _label_by_members(reader, X, y, X_unlabeled, classes, fit_params, asking):
    """Have each member of an ensemble label the rows in its own way, and pool what they say.

    Those that came fitted label them as they are, the others out-of-fold; what each of them says
    has a place of its own in the cache.
    """
    ensemble = reader.teacher
    pooling, members = ensemble.get_pooling(), ensemble.members(X)
    fit_params = dict(fit_params)
    weight = fit_params.pop("sample_weight", None)
    params = ensemble.params_of_members(weight, fit_params)
    wants_std = getattr(reader, "with_std", False)
    with_std = wants_std or pooling.needs_std
    told, answers, std = [], [], [] if with_std else None
    for member in members:
        known, mine = _classes_of_member(member, classes, asking["cv"]), member.reader
        labels = label_training_rows(
            replace(mine, with_std=True) if with_std else mine,
            *(member.rows(X), y, member.rows(X_unlabeled), known),
            fit_params=params[member.name],
            **asking,
        )
        told.append(labels)
        said = labels.log_proba
        if with_std:
            said, deviation = np.hsplit(said, 2)
            std.append(deviation)
        answer = np.full((len(said), len(classes)), np.nan)
        answer[:, np.isin(classes, known)] = said
        answers.append(answer)
    answers, std = np.array(answers), None if std is None else np.array(std)
    target = np.searchsorted(classes, y) if reader.of_classes else y.reshape(len(y), -1)
    sources = [labels.source for labels in told]
    ready = {
        member.name: answer[: len(y)]
        for member, answer, source in zip(members, answers, sources, strict=True)
        if source in ("fitted", "in-sample")
    }
    pooling.warn_of_memory(ready, target)
    weights = pooling.find_weights(answers, target, weight)
    pooled, informed, losses = pooling.pool(answers, weights, std=std), None, None
    if reader.of_classes and ensemble.pooling == "confidence":
        informed = pooling.pool(answers[:, : len(y)], weights, labels=target)
    if not ready:
        losses = pooling.losses(answers, weights, target, weight, std)
        pooling.warn_of_better_member(losses)
    if not reader.fitted:
        readers = [labels.reader for labels in told]
        fitted = ensemble.with_fitted(readers, weights, X, losses, y)
        reader = replace(reader, teacher=fitted, fitted=True)
    if wants_std:
        pooled = np.hstack([pooled, pooling.spread(answers, std, pooled, weights)])
    return Labels(reader, pooled, "fitted" if "fitted" in sources else sources[0], informed)


def _classes_of_member(member, classes, cv):
    """Return those of the classes that a member will know: of one that is fitted here, all."""
    if not member.reader.of_classes or needs_fits(member.reader, cv):
        return classes
    known = classes[np.isin(classes, member.reader.known_classes(classes))]
    if not len(known):
        raise ValueError(
            f"The member {member.name!r} knows none of the classes found in y. Leave it out, or "
            "refit it on data with these classes."
        )
    return known


def label_folds(reader, X, y, X_unlabeled, classes, *, splits, nested, fit_params, memory, **jobs):
    """Label the rows for each fold of a comparison, by teachers that have not seen what it holds.

    With ``nested``, the label of a row for the fold that holds out others comes from a teacher
    that was fitted without the row and without those others; or else the student of that fold
    would learn, by the teacher, something of the rows that it is measured on.

    Parameters
    ----------
    reader : TeacherReader
    X, X_unlabeled : rows
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    splits : list of (train, test)
        Each row is in one test.
    nested : bool
        False takes for every fold the labels of a teacher that has not seen the row itself.
    fit_params : dict
        For the teacher's ``fit``.
    memory : joblib.Memory or None
    **jobs : dict
        ``n_jobs`` and ``verbose``.

    Returns
    -------
    whole : Labels
        Of all rows, out-of-fold.
    of_folds : list of Labels
        Of the rows of each ``train``, and X_unlabeled. Their readers are fitted on ``train``.
    """
    _check_takes_labels(reader, classes)
    content = (reader, X, y, X_unlabeled, classes, splits, nested, fit_params)
    fitted, log_proba, of_folds, remarks = _cached(memory, _label_folds, content, **jobs)
    fitted = reader if reader.fitted else fitted
    warn_how_it_is_read(fitted)
    fitted.warn_of(remarks)
    whole = Labels(fitted, log_proba, "out-of-fold")
    return whole, [Labels(*of_fold, "out-of-fold") for of_fold in of_folds]


def label_new_rows(reader, X, y, X_unlabeled, classes, *, fit_params, memory, **jobs):
    """Label the rows without labels alone; of the others the teacher says nothing, which is NaN.

    Returns
    -------
    Labels
        Its source is None: nobody knows what the teacher would say of the rows of X.
    """
    if not reader.fitted:
        _check_takes_labels(reader, classes)
        reader = _cached(memory, _fit_on_all, (reader, X, y, fit_params))
    of_new = np.empty((0, len(classes)))
    if n_rows(X_unlabeled):
        asking = {"n_jobs": jobs["n_jobs"], "memory": memory}
        of_new = label_rows(reader, X_unlabeled, None, classes, **asking)
    of_own = np.full((n_rows(X), of_new.shape[1]), np.nan)
    return Labels(reader, np.concatenate([of_own, of_new]))


def needs_fits(reader, cv):
    """Tell whether labelling fits the teacher or clones of it; False without a teacher.

    Raises
    ------
    ValueError
        If ``cv`` asks for clones of a fitted teacher that cannot be fitted.
    """
    if reader is None or (reader.fitted and (cv is None or isinstance(cv, str))):
        return False
    if reader.fitted and not reader.can_be_fitted:
        raise ValueError(
            "A cv of one's own has the rows labelled by clones of the teacher, and "
            f"{reader.name} cannot be cloned and fitted. Leave cv out: it labels them as it is."
        )
    return True


def label_rows(reader, X, X_unlabeled, classes, *, n_jobs=None, memory=None, quiet=False):
    """Label the rows of X, then those of X_unlabeled, with a fitted teacher.

    It is warned of what there is to be said of its answers, unless ``quiet=True``.

    Returns
    -------
    log_proba : ndarray of shape (n_rows(X) + n_rows(X_unlabeled), n_classes)
    """
    content = (reader, X, X_unlabeled, classes)
    log_proba, remarks = _cached(memory, _label_rows, content, n_jobs=n_jobs)
    if not quiet:
        warn_how_it_is_read(reader)
        reader.warn_of(remarks)
    return log_proba


def fit_and_label(reader, X, y, X_unlabeled, classes, *, splits, fit_params, memory=None, **jobs):
    """Fit the teacher; label X out-of-fold and X_unlabeled with the one fitted on all rows.

    Of a teacher that is fitted already, clones are fitted for the folds, and it labels
    X_unlabeled itself.

    Parameters
    ----------
    reader : TeacherReader
    X, X_unlabeled : rows
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    splits : list of (train, test), "in-sample" or "out-of-bag"
        Of the rows of X. The names label them by the one that was fitted on them.
    fit_params : dict
        For the teacher's ``fit``.
    memory : joblib.Memory, default=None
    **jobs : dict
        ``n_jobs`` and ``verbose``.

    Returns
    -------
    reader : TeacherReader
        Fitted on all rows of X, or as it came.
    log_proba : ndarray of shape (n_rows(X) + n_rows(X_unlabeled), n_classes)
    """
    _check_takes_labels(reader, classes)
    content = (reader, X, y, X_unlabeled, classes, splits, fit_params)
    start = perf_counter()
    fitted, log_proba, remarks = _cached(memory, _fit_and_label, content, **jobs)
    if not _caches(memory) and perf_counter() - start > SLOW_STAGE_SECONDS:
        _suggest_memory(reader, X, y, perf_counter() - start)
    if reader.fitted:
        fitted = reader  # the very object, if the labels were found in a cache
    warn_how_it_is_read(fitted)
    fitted.warn_of(remarks)
    return fitted, log_proba


def out_of_fold(reader, X, y, columns, seed, fit_params):
    """Return what clones of an estimator say of the rows they were not fitted on.

    Parameters
    ----------
    reader : TeacherReader
        That says of itself that it is fitted: nobody needs one that is fitted on all rows.
    X : rows
    y : ndarray of shape (n_samples,)
    columns : ndarray
        Classes, or numbers of outputs.
    seed : int
    fit_params : dict

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
        Log-probabilities, or values.
    """
    splits = make_splits(None, X, y, seed, {}, classifier=reader.of_classes)
    fit_params = {name: value for name, value in fit_params.items() if value is not None}
    _, answers = fit_and_label(
        reader,
        X,
        y,
        None,
        columns,
        splits=splits,
        fit_params=fit_params,
        n_jobs=None,
        verbose=0,
    )
    return answers


def make_splits(cv, X, y, seed, split_params, *, classifier=True):
    """Return the splits of the out-of-fold labels; whole numbers are shuffled and seeded.

    Raises
    ------
    ValueError
        If a row is never held out, though the splits are not those of a time series; or the
        splitter needs groups and there are none.
    """
    if cv is None:
        # A class of fewer rows than folds is missed by some of them, but one must have enough.
        enough = np.unique(y, return_counts=True)[1].max() if classifier else len(y)
        cv = max(2, min(DEFAULT_FOLDS, enough))
    if isinstance(cv, int | np.integer):
        folds = StratifiedKFold if classifier else KFold
        cv = folds(cv, shuffle=True, random_state=seed)
    else:
        cv = check_cv(cv, y, classifier=classifier)
    try:
        splits = list(cv.split(indexable_rows(X), y, **split_params))
    except ValueError as error:
        if "groups" in str(error) and "groups" not in split_params:
            raise ValueError(
                f"cv={cv} needs groups: pass the group of each row, fit(..., groups=groups)."
            ) from error
        raise
    if not splits:
        raise ValueError(
            "cv gives no splits. An iterator is used up by the first fit: pass a list of the "
            "splits, cv=list(splits)."
        )
    held_out = np.zeros(len(y), dtype=bool)
    for train, test in splits:
        try:
            held_out[train], held_out[test] = held_out[train], True
        except IndexError as error:
            raise ValueError(
                f"cv has splits of other rows than the {len(y)} of X: {error}. Pass splits that "
                "were made of these rows, or a splitter."
            ) from error
    if not held_out.all() and not all(_looks_ahead(*split, len(y)) for split in splits):
        raise ValueError(
            f"cv leaves {np.sum(~held_out)} of {len(y)} rows without an "
            "out-of-fold label. Use a splitter that holds every row out at least once, such as "
            f"{'StratifiedKFold' if classifier else 'KFold'}, or cv='in-sample'."
        )
    return splits


def _check_takes_labels(reader, classes):
    if booster_of(last_step(reader.teacher)) == "xgboost" and not _are_positions(classes):
        raise ValueError(
            f"The teacher {reader.name} takes no labels but 0 to {len(classes) - 1}. Encode y: "
            "sklearn.preprocessing.LabelEncoder().fit_transform(y)."
        )


def _are_positions(classes):
    return classes.dtype.kind in "iubf" and (classes == np.arange(len(classes))).all()


def _looks_ahead(train, test, n_samples):
    """Tell whether all rows of a fold come before those that it holds out, as in a time series."""
    train, test = (np.arange(n_samples)[part] for part in (train, test))
    return len(test) > 0 and train.max(initial=-1) < test.min()


def _classes_of(reader):
    classes = getattr(reader.classifier, "classes_", None)
    if classes is None:
        raise ValueError(
            f"The teacher {reader.name} has no classes_. Pass classes, in the order of its "
            "columns."
        )
    return classes


def _cached(memory, function, content, **jobs):
    """Call ``function(*content, **jobs)``, or find what it returned for equal content.

    joblib would hash the arguments itself, and take every copy of a torch module for another one.
    """
    if not _caches(memory):
        return function(*content, **jobs)
    key = f"{function.__name__}-{content_key(content)}"
    return memory.cache(_call, ignore=["function", "content", "jobs"])(
        key, function=function, content=content, jobs=jobs
    )


def _caches(memory):
    return memory is not None and memory.location is not None


def _suggest_memory(reader, X, y, seconds):
    """Warn, once a process, if a slow teacher is fitted again on rows that it was fitted on."""
    some = np.unique(np.linspace(0, len(y) - 1, ROWS_TO_KNOW).astype(int))
    rows = take_rows(indexable_rows(X), some)
    try:
        key = content_key(reader.name, repr(reader.teacher.get_params()), len(y), rows, y[some])
    except TypeError:  # it could not be cached either
        return
    with _SUGGESTING:
        again = key in _SLOW_STAGES and None not in _SLOW_STAGES
        if len(_SLOW_STAGES) < MOST_SLOW_STAGES:
            _SLOW_STAGES.add(key)
        if not again:
            return
        _SLOW_STAGES.add(None)  # it has been said
    warnings.warn(
        f"The teacher {reader.name} was fitted again on the same rows ({seconds:.0f} s each "
        "time). Set memory='cache' to fit it once per fold of a search.",
        UserWarning,
        stacklevel=5,
    )


def _call(key, function, content, jobs):
    return function(*content, **jobs)


def _label_rows(reader, X, X_unlabeled, classes, n_jobs=None):
    chunks = (chunk for rows in (X, X_unlabeled) for chunk in _in_chunks(rows))
    parts, remarks = zip(*_ask_in_chunks(reader, chunks, classes, n_jobs), strict=True)
    return np.concatenate(parts), sum(remarks, Remarks())


def _ask_in_chunks(reader, chunks, classes, n_jobs):
    """Yield log-probabilities and remarks for each chunk, asked for as they are needed."""
    n_jobs = 1 if reader.modules else effective_n_jobs(n_jobs)
    chunks = iter(chunks)
    while window := list(islice(chunks, n_jobs)):
        if len(window) == 1:
            yield reader.ask(window[0], classes)
            continue
        # A list, not a generator, which some joblib backends cannot return.
        yield from Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(reader.ask)(chunk, classes) for chunk in window
        )


def _in_chunks(X):
    """Cut rows into chunks of a fixed size, all of them copies: teachers may write into them."""
    n_samples = n_rows(X)
    if 0 < n_samples <= CHUNK_ROWS:
        yield own_rows(X)
        return
    X = X if n_samples == 0 else indexable_rows(X)
    for start in range(0, n_samples, CHUNK_ROWS):
        yield take_rows(X, np.arange(start, min(start + CHUNK_ROWS, n_samples)))


def _fit_and_label(reader, X, y, X_unlabeled, classes, splits, fit_params, n_jobs=None, verbose=0):
    if isinstance(splits, str):
        fitted = _fit_on_all(reader, X, y, fit_params)
        if splits == "out-of-bag":
            return fitted, *_label_out_of_bag(fitted, X, y, X_unlabeled, classes, n_jobs)
        return fitted, *_label_rows(fitted, X, X_unlabeled, classes, n_jobs)
    X = indexable_rows(X)
    # The fit on all rows is one job beside the folds: it takes longest, and so begins first.
    calls = [] if reader.fitted else [delayed(_fit_on_all)(reader, X, y, fit_params)]
    calls += [
        delayed(_label_fold)(reader, X, y, classes, train, test, fit_params)
        for train, test in splits
    ]
    text = f"fits and out-of-fold labels of {reader.name}"
    folds = list(track(_run(calls, n_jobs, verbose), total=len(calls), text=text, verbose=verbose))
    fitted = reader if reader.fitted else folds.pop(0)
    parts, remarks = zip(*folds, strict=True)
    mean_of_folds = _mean_of_folds if reader.of_classes else _mean_value_of_folds
    log_proba, remarks = mean_of_folds(splits, parts, n_rows(X)), sum(remarks, Remarks())
    return fitted, *_with_unlabeled(fitted, log_proba, remarks, X_unlabeled, classes, n_jobs)


def _label_folds(
    reader, X, y, X_unlabeled, classes, splits, nested, fit_params, n_jobs=None, verbose=0
):
    X = indexable_rows(X)
    # Two folds are left out at a time, and the teacher of the others labels both of them.
    pairs = list(combinations(range(len(splits)), 2)) if nested else []
    calls = [] if reader.fitted else [delayed(_fit_on_all)(reader, X, y, fit_params)]
    calls += [
        delayed(_fit_and_ask)(reader, X, y, classes, train, test, fit_params)
        for train, test in splits
    ]
    calls += [
        delayed(_label_fold)(reader, X, y, classes, *_without(splits, pair), fit_params)
        for pair in pairs
    ]
    text = f"fits of {reader.name}, leaving out {'pairs of ' * nested}folds"
    results = list(
        track(_run(calls, n_jobs, verbose), total=len(calls), text=text, verbose=verbose)
    )
    on_all = reader if reader.fitted else results.pop(0)
    readers, alone, remarks = zip(*results[: len(splits)], strict=True)
    remarks = sum(remarks, Remarks())
    of_pairs = {}
    for (i, j), (log_proba, more) in zip(pairs, results[len(splits) :], strict=True):
        remarks += more
        n_first = len(splits[i][1])
        of_pairs[i, j], of_pairs[j, i] = log_proba[:n_first], log_proba[n_first:]
    whole = np.empty((len(y), alone[0].shape[1]))
    for (_, test), log_proba in zip(splits, alone, strict=True):
        whole[test] = log_proba
    of_folds = []
    for k, (train, _) in enumerate(splits):
        log_proba = whole.copy()
        for i, (_, test) in enumerate(splits):
            if nested and i != k:
                log_proba[test] = of_pairs[i, k]
        known, there = classes, slice(None)
        if reader.of_classes:
            known = np.unique(y[train])
            there = np.isin(classes, known)
        further, more = _with_unlabeled(
            readers[k], whole[:0, there], Remarks(), X_unlabeled, known, n_jobs
        )
        of_new = np.full((len(further), whole.shape[1]), np.nan)
        of_new[:, there] = further
        of_folds.append((readers[k], np.concatenate([log_proba[train], of_new])))
        remarks += more
    whole, remarks = _with_unlabeled(on_all, whole, remarks, X_unlabeled, classes, n_jobs)
    return on_all, whole, of_folds, remarks


def _without(splits, pair):
    """Return the rows that two folds both learn from, and those that the first and second hold."""
    (train, test), (other_train, other_test) = (splits[k] for k in pair)
    return np.intersect1d(train, other_train), np.concatenate([test, other_test])


def _with_unlabeled(fitted, log_proba, remarks, X_unlabeled, classes, n_jobs):
    """Return log-probabilities and remarks with those of the rows without labels behind them."""
    if not n_rows(X_unlabeled):
        return log_proba, remarks
    further, more = _label_rows(fitted, X_unlabeled, None, classes, n_jobs)
    return np.concatenate([log_proba, further]), remarks + more


def _label_out_of_bag(reader, X, y, X_unlabeled, classes, n_jobs=None):
    log_proba, remarks = read_out_of_bag(reader, X, y, classes)
    return _with_unlabeled(reader, log_proba, remarks, X_unlabeled, classes, n_jobs)


def _out_of_bag(reader, X, y, X_unlabeled, classes, memory, jobs, must):
    """Return the out-of-bag votes of a fitted teacher; None if there are none and need not be."""
    content = (reader, X, y, X_unlabeled, classes)
    try:
        log_proba, remarks = _cached(memory, _label_out_of_bag, content, n_jobs=jobs["n_jobs"])
    except ValueError:
        if must:
            raise
        return None
    reader.warn_of(remarks)
    return Labels(reader, log_proba, "out-of-bag")


def _fit_on_all(reader, X, y, fit_params):
    # Copies, as those of the folds are: a teacher may write into what it is fitted on.
    params = {k: own_rows(v) if isinstance(v, np.ndarray) else v for k, v in fit_params.items()}
    return reader.fit(own_rows(X), own_rows(y), **params)


def _run(calls, n_jobs, verbose):
    """Run calls in parallel; as they come in where a bar is shown and the backend can do it."""
    if verbose:
        try:
            return Parallel(n_jobs=n_jobs, return_as="generator")(calls)
        except ValueError:  # multiprocessing and Ray give a list or nothing
            pass
    return Parallel(n_jobs=n_jobs)(calls)


def _label_fold(reader, X, y, classes, train, test, fit_params):
    y_train = take_rows(y, train)
    if reader.of_classes and len(np.unique(y_train)) == 1:
        # Most classifiers refuse to learn a single class; its label is certain.
        certain = np.where(classes == y_train[0], 0.0, np.nan)
        return np.tile(certain, (len(test), 1)), Remarks(len(test))
    return _fit_and_ask(reader, X, y, classes, train, test, fit_params)[1:]


def _fit_and_ask(reader, X, y, classes, train, test, fit_params):
    held_out, y_train = take_rows(X, test), take_rows(y, train)
    params = slice_params(X, fit_params, indices=train)
    fitted = reader.fit(take_rows(X, train), y_train, **params)
    return fitted, *fitted.ask(held_out, classes, must_know=np.unique(y_train))


def _mean_value_of_folds(splits, folds, n_samples):
    """Average what several folds say of a row; NaN if none held it out."""
    total = np.zeros((n_samples, folds[0].shape[1]))
    times_labeled = np.zeros(n_samples)
    for (_, test), values in zip(splits, folds, strict=True):
        total[test] += values
        times_labeled[test] += 1
    with np.errstate(invalid="ignore"):
        return total / times_labeled[:, None]


def _mean_of_folds(splits, folds, n_samples):
    """Average what several folds say of a row, in probability.

    A class that one of them could not know counts as zero there, and is unknown if it was unknown
    to all; of a row that no fold held out every class is.
    """
    total = np.full((n_samples, folds[0].shape[1]), -np.inf)
    unknown = np.ones(total.shape, dtype=bool)
    times_labeled = np.zeros(n_samples, dtype=int)
    for (_, test), log_proba in zip(splits, folds, strict=True):
        missing = np.isnan(log_proba)
        total[test] = np.logaddexp(total[test], np.where(missing, -np.inf, log_proba))
        unknown[test] &= missing
        times_labeled[test] += 1
    total[unknown] = np.nan
    return total - np.log(np.maximum(times_labeled, 1))[:, None]
