"""Scores of candidates side by side, and the choice among them."""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


class Candidate(NamedTuple):
    """Settings to be tried.

    Attributes
    ----------
    distilled : bool
        False for the labels alone.
    ours : dict
        Settings of the distillation, by name: ``alpha``, ``augmenter``, maybe ``temperature``.
    which : int
        The position of the augmenter among those that are tried.
    settings : dict
        Of the student.
    """

    distilled: bool
    ours: dict
    which: int
    settings: dict

    @property
    def params(self):
        """The settings by name, as users read them."""
        of_student = {f"student__{name}": value for name, value in self.settings.items()}
        return self.ours | of_student


class Result(NamedTuple):
    """Scores of one fit, of each row held out or of the fold; the seconds it took; its AUC."""

    scores: np.ndarray
    seconds: float
    auc: float = np.nan


class _Choice(NamedTuple):
    """Candidates by position: the best on labels, the best distilled one or None, the chosen."""

    labels: int
    distilled: int | None
    error: float
    best: int


class Comparison:
    """The scores of all candidates, side by side, and the choice among them.

    Parameters
    ----------
    candidates : list of Candidate
    results : list of list of Result
        Of each candidate in each fold.
    splits : list of (train, test)
    row_weight : ndarray of shape (n_samples,) or None
        Of scores of rows; None means that scores are of folds.
    """

    def __init__(self, candidates, results, splits, row_weight):
        self.candidates = candidates
        # A unit is what the standard error is taken over: a row, or a fold if scores are of folds.
        self.scores = np.array([np.concatenate([r.scores for r in folds]) for folds in results])
        self.seconds = np.array([[result.seconds for result in folds] for folds in results])
        self.auc = np.array([[result.auc for result in folds] for folds in results])
        per_fold = [len(result.scores) for result in results[0]]
        self.fold = np.repeat(np.arange(len(splits)), per_fold)
        if row_weight is None:
            self.unit, self.weight = "folds", np.ones(len(splits))
        else:
            self.unit = "rows"
            self.weight = np.concatenate([row_weight[test] for _, test in splits])
        self.distilled = np.array([candidate.distilled for candidate in candidates])
        self.choice = self._choose(np.full(len(self.fold), True))
        self.best = self.choice.best

    def _means(self, units):
        weight = self.weight[units]
        return self.scores[:, units] @ weight / weight.sum()

    def _choose(self, units):
        """Return the best of the labels, the best distilled one, and which of them to take."""
        means = self._means(units)
        means = np.where(np.isnan(means), -np.inf, means)
        labels = np.flatnonzero(~self.distilled)[means[~self.distilled].argmax()]
        rivals = self.distilled & self._rank_as_well_as(labels, np.unique(self.fold[units]))
        if not rivals.any():
            return _Choice(labels, None, np.nan, labels)
        other = np.flatnonzero(rivals)[means[rivals].argmax()]
        weight = self.weight[units] / self.weight[units].sum()
        gained = self.scores[other, units] - self.scores[labels, units]
        gain, n = weight @ gained, np.sum(weight > 0)
        # Of a single unit nobody knows how much it varies.
        error = np.inf
        if n > 1:
            error = np.sqrt(weight**2 @ (gained - gain) ** 2 * n / (n - 1))
        return _Choice(labels, other, error, other if gain > error else labels)

    def _rank_as_well_as(self, labels, folds):
        """Tell which candidates order the rows no worse than the labels do, within an error.

        Probabilities may gain what the order of the rows loses, and nobody would have asked for
        that. Where the user has chosen a score, that alone is looked at.
        """
        gained = self.auc[:, folds] - self.auc[labels, folds]
        gained = gained[:, ~np.isnan(gained).any(axis=0)]
        n = gained.shape[1]
        if n < 2:
            return np.full(len(self.candidates), True)
        return gained.mean(axis=1) >= -gained.std(axis=1, ddof=1) / np.sqrt(n)

    def _honest_score(self):
        scores = []
        for k in np.unique(self.fold):
            chosen = self._choose(self.fold != k).best
            scores.append(self._means(self.fold == k)[chosen])
        weight = np.bincount(self.fold, self.weight)
        return float(np.average(scores, weights=weight))

    def attributes(self):
        """Return the fitted attributes of the search, by name."""
        n_splits = self.fold.max() + 1
        folds = np.array([self._means(self.fold == k) for k in range(n_splits)]).T
        means = self._means(np.full(len(self.fold), True))
        params = [candidate.params for candidate in self.candidates]
        results = {"params": params}
        for name in dict.fromkeys(name for p in params for name in p):
            results[f"param_{name}"] = _column([p.get(name, _ABSENT) for p in params])
        results["distilled"] = self.distilled
        results |= {f"split{k}_test_score": folds[:, k] for k in range(n_splits)}
        results |= {"mean_test_score": means, "std_test_score": folds.std(axis=1)}
        results["rank_test_score"] = rankdata(-means, method="min").astype(np.int32)
        if not np.isnan(self.auc).all():
            results["mean_test_roc_auc"] = np.nanmean(self.auc, axis=1)
        results["mean_fit_time"] = self.seconds.mean(axis=1)
        return {
            "cv_results_": results,
            "best_index_": int(self.best),
            "best_params_": params[self.best],
            "best_score_": float(means[self.best]),
            "honest_score_": self._honest_score(),
            "distilled_": bool(self.distilled[self.best]),
            "reason_": self._reason(means),
            "n_splits_": int(n_splits),
        }

    def _reason(self, means):
        if not self.distilled.any():
            return "There was nothing to try but the labels."
        labels, other, error, best = self.choice
        if other is None:
            return "No distilled student orders the rows as well as the labels do: they were kept."
        rule = f"one standard error ({error:.2g}, over {self.unit})"
        begin = (
            f"The best distilled student ({_named(self.candidates[other].params)}) scores "
            f"{means[other]:.4g}, the best on labels alone {means[labels]:.4g}: "
        )
        if best == other:
            return f"{begin}better by more than {rule}."
        return f"{begin}not better by more than {rule}, so that the labels were kept."


def _column(values):
    """Return settings as a masked array, as scikit-learn's searches do."""
    column = np.ma.MaskedArray(np.empty(len(values), dtype=object), mask=True)
    for i, value in enumerate(values):
        if value is not _ABSENT:
            column[i] = value
    return column


_ABSENT = object()


def _named(params):
    """Return settings in the form of arguments."""
    return ", ".join(f"{name}={value}" for name, value in params.items() if value is not None)
