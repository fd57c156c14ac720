"""Candidates side by side: halving, and the choice."""

import numpy as np
from sklearn import config_context

from sklearn_distill._classifier_cv import ranking
from sklearn_distill.selection._options import Entry, EntryOfValues, Splits
from sklearn_distill.utils.rows import indexable_rows, n_rows

#: Standard errors by which the best distilled student must beat the best one on hard labels.
CLEARLY = 1.0

#: The first round of halving has so many rows at least, and so many of the rarest class.
FIRST_ROUND, FIRST_ROUND_OF_CLASS = 1000, 60

#: A round of halving has so many times the rows of the one before, and so many times fewer
#: candidates.
FACTOR = 3


class RankingScore:
    """The area under the ROC curve, the mean over classes against the others, as a scorer."""

    def __call__(self, estimator, X, y):
        """Return the score.

        Parameters
        ----------
        estimator : classifier
        X : rows
        y : array-like of shape (n_samples,)
        """
        classes = estimator.classes_
        return ranking(np.searchsorted(classes, y), np.asarray(estimator.predict_proba(X)))


def compare(options, told, splits, X, y, classes, scoring, n_jobs, seed):
    """Return the score of each option in each fold of its last round, and the rows of that.

    Those on hard labels and distilled ones are in different heats. A teacher is worth more the
    fewer the labels are, so that in one heat the early rounds, on a part of the rows, would drop
    those that are better without a teacher on all of them.
    """
    scores, n_used = np.full((len(options), len(splits)), np.nan), np.zeros(len(options), int)
    for of_hard in (True, False):
        heat = [i for i, option in enumerate(options) if option.alone == of_hard]
        if not heat:
            continue
        results = _halve(
            [options[i] for i in heat],
            *(told, splits, X, y, classes, scoring, n_jobs, seed),
        )
        where = {str(options[i]): i for i in heat}
        per_fold = np.array([results[f"split{k}_test_score"] for k in range(len(splits))]).T
        for params, used, of_folds in zip(
            results["params"], results["n_resources"], per_fold, strict=True
        ):
            i = where[str(params["option"])]
            if used >= n_used[i]:
                n_used[i], scores[i] = used, of_folds
    return scores, n_used


def _halve(options, told, splits, X, y, classes, scoring, n_jobs, seed):
    """Return the results of scikit-learn's successive halving over the number of rows."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    n, first = n_rows(X), FIRST_ROUND
    if classes is not None:
        rarest = np.unique(y, return_counts=True)[1].min()
        first = max(first, int(np.ceil(FIRST_ROUND_OF_CLASS * n / rarest)))
    n_further = max(0, int(np.log(n / first) / np.log(FACTOR))) if first < n else 0
    n_further = min(n_further, int(np.log(len(options)) / np.log(FACTOR)))
    entry, usual = (Entry, RankingScore()) if classes is not None else (EntryOfValues, "r2")
    search = HalvingGridSearchCV(
        entry(told=told, classes=classes, splits=Splits(splits)),
        {"option": options},
        factor=FACTOR,
        resource="n_samples",
        min_resources=n // FACTOR**n_further,  # so that the last round has all rows
        max_resources=n,
        cv=splits,
        scoring=usual if scoring is None else scoring,
        refit=False,
        error_score="raise",
        n_jobs=n_jobs,
        random_state=seed,
    )
    with config_context(enable_metadata_routing=False):
        search.fit(indexable_rows(X), y, row=np.arange(n))
    return search.cv_results_


def last_round(n_used):
    """Return the positions of what was compared on all rows, but for what division leaves over."""
    return np.flatnonzero(n_used > n_used.max() / 2)


def preferred(options, scores, n_used):
    """Return the positions of the options of the last round, the one to be taken first."""
    last = last_round(n_used)
    means = scores.mean(axis=1)
    order = sorted(last, key=lambda i: -means[i])
    hard = [i for i in order if options[i].alone]
    best = order[0]
    if not options[best].alone and hard:
        gain, error = difference(scores[best], scores[hard[0]])
        if gain <= CLEARLY * error:
            return [hard[0], *(i for i in order if i != hard[0])]
    return order


def difference(scores, others):
    gained = scores - others
    return gained.mean(), gained.std(ddof=1) / np.sqrt(len(gained))


def reason_of(options, scores, n_used, best, scoring):
    last = last_round(n_used)
    means = scores.mean(axis=1)
    is_alone, taught = options[best].alone, options[best].taught
    rivals = [i for i in last if options[i].alone != is_alone]
    said = (
        f"The best of {len(options)} candidates within the budget by {scoring} ({means[best]:.4g})"
    )
    if not rivals:
        return f"{said}, all on {taught}."
    rival = max(rivals, key=lambda i: means[i])
    gain, error = difference(scores[best], scores[rival])
    if not is_alone:
        return (
            f"{said}: better than the best on {options[rival].taught} "
            f"({options[rival].candidate.name}, {means[rival]:.4g}) by {gain:.2g}, more than one "
            f"standard error ({error:.2g})."
        )
    if gain >= 0:
        return (
            f"{said}; the best distilled one ({options[rival].candidate.name}, "
            f"{means[rival]:.4g}) is not better."
        )
    return (
        f"The best on {taught} by {scoring} ({means[best]:.4g}). The best distilled one "
        f"({options[rival].candidate.name}, {means[rival]:.4g}) is not better by more than one "
        f"standard error ({error:.2g}), so that the {taught.split()[-1]} were kept."
    )
