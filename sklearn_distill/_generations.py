"""Models that are taught again and again on the same rows, and what they say of rows unseen."""

from typing import NamedTuple

import numpy as np

from sklearn_distill.labelling import label_rows
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
