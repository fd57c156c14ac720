"""Models that are taught again and again on the same rows, and what they say of rows unseen."""

from typing import NamedTuple

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from sklearn_distill.labelling import label_rows
from sklearn_distill.rules import compare_rows
from sklearn_distill.utils._sklearn_private import slice_params, take_rows


class Generation(NamedTuple):
    """A fitted model, and what it says, and loses, on the rows that it was not fitted on."""

    model: object
    answers: np.ndarray | None
    losses: np.ndarray | None


class Rows(NamedTuple):
    """What models are taught on; columns are classes, or outputs."""

    X: object
    y: np.ndarray
    X_unlabeled: object
    columns: np.ndarray

    def of(self, train):
        """Return the rows at some positions, with all that have no label."""
        return self._replace(X=take_rows(self.X, train), y=take_rows(self.y, train))


def answers_out_of_fold(teach, reads, rows, said, splits, params, mean):
    """Return what twins of a taught model say of the rows that they have not seen.

    Parameters
    ----------
    teach : callable
        ``teach(rows, said, params)`` returns a fitted model.
    reads : type
        :class:`TeacherReader`, or one for values.
    rows : Rows
    said : ndarray of shape (n_samples + n_unlabeled, n_columns)
        What they are taught: of a row, what was said by models that have not seen it.
    splits : list of (train, test)
    params : dict
        For ``fit``.
    mean : callable
        ``mean(before, found, times)`` is the mean of an answer and of the mean of so many others.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
        NaN where no split holds a row out.
    """
    n_samples = len(rows.y)
    answers, times = np.full((n_samples, said.shape[1]), np.nan), np.zeros(n_samples)
    for train, test in splits:
        of_fold = slice_params(rows.X, params, indices=train)
        heard = np.concatenate([said[:n_samples][train], said[n_samples:]])
        twin = teach(rows.of(train), heard, of_fold)
        held_out = take_rows(rows.X, test)
        found = label_rows(reads(twin, fitted=True), held_out, None, rows.columns)
        again = times[test] > 0
        if again.any():  # a splitter may hold a row out several times
            before = answers[test][again]
            found[again] = mean(before, found[again], times[test][again])
        answers[test] = found
        times[test] += 1
    return answers


def losses_held_out(losses_of, splits, n_samples, n_jobs, cure):
    """Return the losses of several models of rows that nothing that they were told has seen.

    What is said of a row, for the fold that holds out others, comes from models that have seen
    neither; or else a model would know something of the rows that it is judged on, by what it is
    told, and look better than it is.

    Parameters
    ----------
    losses_of : callable
        ``losses_of(train, test, parts)`` teaches models on the rows at ``train``, with folds that
        are these ``parts`` of them, and returns their losses of shape (..., n_test).
    splits : list of (train, test)
    n_samples : int
    n_jobs : int or None
    cure : str
        What else is to be done if there are too few folds, as in ", or nested=False".

    Returns
    -------
    ndarray of shape (..., n_samples)
        NaN where no fold that others can be made of holds a row out.

    Raises
    ------
    ValueError
        If there are less than three folds, or none that others can be made of.
    """
    calls, judging = [], []
    for fold, (train, test) in enumerate(splits):
        parts = [
            tuple(np.flatnonzero(np.isin(train, part)) for part in other)
            for k, other in enumerate(splits)
            if k != fold
        ]
        parts = [part for part in parts if len(part[0]) and len(part[1])]
        if parts:  # of folds that go forward in time the first has no other before it
            calls.append(delayed(losses_of)(train, test, parts))
            judging.append(test)
    if len(splits) < 3 or not judging:
        raise ValueError(
            "Models that have not seen what a fold holds out leave out two folds at a time, and "
            f"there are {len(splits)} in all. Set cv to 3 or more{cure}."
        )
    found, times = Parallel(n_jobs=n_jobs)(calls), np.zeros(n_samples)
    total = np.zeros((*np.shape(found[0])[:-1], n_samples))
    for test, of_fold in zip(judging, found, strict=True):
        total[..., test] += of_fold
        times[test] += 1
    with np.errstate(invalid="ignore"):
        return total / times


def last_that_gains(losses, sample_weight):
    """Return the position of the last model before one whose loss is not clearly less.

    Parameters
    ----------
    losses : sequence of ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    """
    for number in range(1, len(losses)):
        if not compare_rows(losses[number], losses[number - 1], sample_weight, "").clear:
            return number - 1
    return len(losses) - 1


def mean_of_known(losses, weight):
    """Return the mean loss of the rows of which there is one."""
    known = ~np.isnan(losses)
    if not known.any():
        return np.nan
    return float(np.average(losses[known], weights=None if weight is None else weight[known]))


def mean_log_proba(before, found, times):
    """Return the logarithm of a mean of probabilities, with one more."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(before + np.log(times)[:, None], found) - np.log1p(times)[:, None]
