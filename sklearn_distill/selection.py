"""The best small model under a budget of bytes and time, with a teacher or without."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from sklearn_distill._classifier import InformedClassifier
from sklearn_distill._classifier_cv import (
    DistillationClassifierCV,
    ask_teacher_for_folds,
    of_classes,
    ranking,
)
from sklearn_distill.augmentation import Munge
from sklearn_distill.candidates import Candidate, candidates_for
from sklearn_distill.footprint import artefact_of, check_artefact, measure, take_some
from sklearn_distill.labelling import Labels, make_splits
from sklearn_distill.rules import kind_of
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import is_of_kind, name_of, tags_of
from sklearn_distill.utils.progress import stage, track
from sklearn_distill.utils.rows import indexable_rows, is_table, n_rows

#: How a student of each kind is taught: temperature, and alpha. Found on one half of the data sets
#: of benchmarks/select_student.py, reported on the other.
TAUGHT = {
    "tree": (2.0, 1.0),
    "forest": (2.0, 0.5),
    "booster": (1.0, 0.5),
    "linear": (1.0, 0.5),
    "network": (1.0, 0.5),
}
OTHERS_TAUGHT = (1.0, 0.5)

#: Standard errors by which the best distilled student must beat the best one on hard labels.
CLEARLY = 1.0

#: Rows on which the size of a candidate is measured, before any is compared.
ROWS_TO_MEASURE = 4000

#: The first round of halving has so many rows at least, and so many of the rarest class.
FIRST_ROUND, FIRST_ROUND_OF_CLASS = 1000, 60

#: A round of halving has so many times the rows of the one before, and so many times fewer
#: candidates.
FACTOR = 3

#: By what a student is taught: the labels; soft targets; soft targets and new rows made of the
#: labelled ones.
HARD, DISTILLED, AUGMENTED = "hard labels", "distilled", "distilled, new rows"

#: New rows for each labelled one.
NEW_ROWS = 3.0


@dataclass(frozen=True)
class StudentSelection:
    """What :func:`select_student` has found.

    Parameters
    ----------
    best_estimator_ : estimator
        Fitted on all rows; without the teacher.
    best_name_ : str
        Of the candidate, and whether it was distilled.
    distilled_ : bool
        Whether it learned from the teacher.
    reason_ : str
        Why this one, in a sentence.
    n_bytes_ : int
        Of the artefact of ``best_estimator_``.
    latency_ : float
        Seconds for one row, the median.
    artefact_ : {"onnx", "pickle"}
        What was measured.
    columns_ : dict of str to list
        Of ``results_``.
    scoring_ : str
        What the scores are.
    """

    best_estimator_: BaseEstimator
    best_name_: str
    distilled_: bool
    reason_: str
    n_bytes_: int
    latency_: float
    artefact_: str
    columns_: dict = field(repr=False)
    scoring_: str

    @property
    def results_(self):
        """One row per candidate, a pandas data frame.

        ``score`` is the mean over the folds of the last round of halving in which the candidate
        was, ``error`` the standard error of that mean, ``n_rows`` the rows of that round. Bytes
        and latency were measured on a fit to a part of the rows.
        """
        return _frame(self.columns_)

    @property
    def pareto_(self):
        """The candidates of the last round that no other beats in both score and bytes."""
        results = self.results_
        last = results[results["n_rows"] > results["n_rows"].max() / 2]
        last = last.sort_values(["n_bytes", "score"], ascending=[True, False])
        best_so_far = last["score"].cummax().shift(fill_value=-np.inf)
        return last[last["score"] > best_so_far].reset_index(drop=True)

    def plot(self, ax=None):
        """Draw the candidates of the last round, score against bytes, and the Pareto front.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        TradeOffDisplay
        """
        from sklearn_distill.display import TradeOffDisplay

        results = self.results_
        last = results[results["n_rows"] > results["n_rows"].max() / 2]
        return TradeOffDisplay(
            last["score"].to_numpy(),
            last["n_bytes"].to_numpy(),
            names=[f"{n}, {t}" for n, t in zip(last["name"], last["taught"], strict=True)],
            groups=last["taught"].tolist(),
            chosen=last["chosen"].to_numpy(),
            score_name=self.scoring_,
        ).plot(ax=ax)

    def __str__(self):
        """Say which one, and why."""
        return (
            f"{self.best_name_}: {self.n_bytes_:,} bytes ({self.artefact_}), "
            f"{self.latency_ * 1e6:.3g} µs a row. {self.reason_}"
        )


def select_student(
    teacher,
    X,
    y,
    *,
    max_bytes=None,
    max_latency=None,
    scoring=None,
    candidates="auto",
    readable=False,
    X_unlabeled=None,
    teacher_output=None,
    artefact="auto",
    cv=None,
    memory=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Find the best small model under a budget, taught by a teacher or by the labels alone.

    Single trees, boosters of a few trees, linear models, small networks and small forests are
    measured, and those within the budget are compared by cross-validation: each of them on hard
    labels and distilled. With many rows most candidates are dropped early, by scikit-learn's
    successive halving. A distilled student is preferred to the best one on hard labels only if it
    is better by more than one standard error.

    The teacher is asked once, whatever the candidates, and honestly: as in
    :class:`~sklearn_distill.DistillationClassifierCV` the labels that a student learns from in a
    fold come from teachers that have seen neither these rows nor those that the fold holds out. An
    unfitted one is fitted 16 times for 5 folds. Students are distilled in two ways, with soft
    targets for the labelled rows alone, and with new rows made of them (MUNGE) beside them.

    Parameters
    ----------
    teacher : estimator, torch module, booster or None
        As in :class:`~sklearn_distill.DistillationClassifier`. None, without ``teacher_output``,
        compares students on hard labels.
    X : {array-like, sparse matrix, data frame, list of texts} of n_samples rows
        Training rows, as the student will get them.
    y : array-like of shape (n_samples,)
        Real labels.
    max_bytes : int, default=None
        Most bytes of the artefact.
    max_latency : float, default=None
        Most seconds for one row, in the median, measured here.
    scoring : str or callable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. None is the area under the ROC curve,
        the mean over classes against the others.
    candidates : "auto" or list of estimators or of (name, estimator), default="auto"
        What to try. Others than "auto" are taken as they are.
    readable : bool, default=False
        Only trees of at most 64 leaves and linear models: what an auditor can follow.
    X_unlabeled : rows of the same kind and columns as X, default=None
        Further rows, which the teacher alone labels, for the distilled students.
    teacher_output : array-like of shape (n_samples, n_classes), default=None
        Probabilities from a teacher that is not here, with ``teacher=None``.
    artefact : {"auto", "onnx", "pickle"}, default="auto"
        What is measured. "auto" is an ONNX file where that is installed, else a pickle, which is
        several times as large.
    cv : int, splitter, iterable of splits or None, default=None
        Folds by which students are compared, each row held out once; None is 5 of them. Of a
        fitted teacher anything but None asks for clones.
    memory : str, joblib.Memory or None, default=None
        Caches what the teacher says.
    n_jobs : int or None, default=None
        Parallel fits.
    random_state : int or None, default=None
        Seeds folds and candidates.
    verbose : int, default=0
        Whether to print the stages.

    Returns
    -------
    StudentSelection

    Raises
    ------
    ValueError
        If nothing meets the budget (the nearest is named), or an argument is out of its range.

    See Also
    --------
    DistillationClassifierCV : Searches the settings of one kind of student, honestly nested.
    distillation_report : Compares a distilled student with its rivals on other rows.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016, `arXiv:1502.07943 <https://arxiv.org/abs/1502.07943>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_distill.selection import select_student
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(50, random_state=0)
    >>> found = select_student(teacher, X, y, max_bytes=10_000, readable=True, random_state=0)
    >>> found.n_bytes_ <= 10_000
    True
    >>> print(found.reason_)
    The ...
    """
    check_artefact(artefact)
    for name, value in (("max_bytes", max_bytes), ("max_latency", max_latency)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, Real) or value <= 0
        ):
            raise ValueError(f"{name} must be a positive number or None. Got {value!r} instead.")
    has_teacher = teacher is not None or teacher_output is not None
    asked = DistillationClassifierCV(
        teacher,
        cv=cv,
        memory=memory,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    asked._validate_params()
    y = asked._check_labels(X, y)
    classes, _ = asked._encode(y, None)
    if X_unlabeled is not None and teacher is None:
        raise ValueError(
            "X_unlabeled needs a teacher to label it. Pass a teacher, or leave it out."
        )
    tried = _tried(candidates, X, readable, random_state)
    with stage("the size of the candidates", verbose):
        sized = _measured(tried, X, y, artefact, max_bytes, verbose)
        within = _within(sized, max_bytes, max_latency)
    ways = _ways(teacher, teacher_output, X)
    told = {}
    with stage("labels from the teacher", verbose):
        if has_teacher:
            made = [None, Munge(NEW_ROWS)][: len(ways) - 1]
            splits, known = ask_teacher_for_folds(asked, X, y, X_unlabeled, teacher_output, made)
            told = dict(zip(ways[1:], map(_Told, known), strict=True))
        else:
            splits = make_splits(cv, X, y, asked._fold_seed(), {})
    options = [_Option(s.candidate, way) for s in within for way in ways]
    with stage("the candidates in each fold", verbose):
        scores, n_used = _compare(
            options, told, splits, X, y, classes, scoring, n_jobs, random_state
        )
    order = _preferred(options, scores, n_used)
    with stage("the chosen student on all rows", verbose):
        for best in order:
            model = _Entry(options[best], told, classes).fit(X, y, row=np.arange(len(y))).alone()
            made = artefact_of(model, X, artefact)
            footprint = measure({"best": made}, X, seconds=0.5)["best"]
            # The budget was kept on some of the rows; on all of them a tree may have grown. Times
            # vary from one measurement to the next, and the candidates have passed that already.
            if max_bytes is None or made.n_bytes <= max_bytes:
                break
        else:
            raise ValueError(
                f"No candidate that is within {max_bytes:,} bytes on {ROWS_TO_MEASURE:,} rows is "
                f"so on all of them. The last is {options[best]}, {made.n_bytes:,} bytes. Raise "
                "max_bytes."
            )
    name = (
        scoring if isinstance(scoring, str) else "roc_auc" if scoring is None else name_of(scoring)
    )
    return StudentSelection(
        best_estimator_=model,
        best_name_=str(options[best]),
        distilled_=options[best].taught != HARD,
        reason_=_reason(options, scores, n_used, best, name),
        n_bytes_=made.n_bytes,
        latency_=footprint.latency.p50,
        artefact_=made.kind,
        columns_=_columns(options, sized, scores, n_used, best),
        scoring_=name,
    )


class _Option(NamedTuple):
    """A candidate, and by what it is taught."""

    candidate: Candidate
    taught: str

    def __str__(self):
        return f"{self.candidate.name}, {self.taught}"

    def __sklearn_clone__(self):
        return self


class _Sized(NamedTuple):
    """A candidate and its artefact; without any if a smaller one of its kind was too large."""

    candidate: Candidate
    n_bytes: float
    latency: float
    kind: str


class _Splits(tuple):
    """Folds, passed on by reference."""

    def __sklearn_clone__(self):
        return self


class _Told:
    """What the teacher has said, fold by fold, and of all rows; passed on by reference.

    Parameters
    ----------
    known : list of Known
        Of each fold, and of all rows at the end.
    """

    def __init__(self, known):
        self.known = [k._replace(said=k.said._replace(reader=None)) for k in known]

    def __sklearn_clone__(self):
        return self


class _Entry(ClassifierMixin, BaseEstimator):
    """A candidate as an estimator, so that scikit-learn's search compares different ones."""

    def __init__(self, option=None, told=None, classes=None, splits=()):
        self.option = option
        self.told = told
        self.classes = classes
        self.splits = splits

    def fit(self, X, y, row=None):
        """Teach the candidate; ``row`` are the positions of these rows among all."""
        with warnings.catch_warnings():
            # Whoever has not converged is compared as it is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "The teacher's first choice is the real label")
            self.model_ = self._taught(X, y, row)
        self.classes_ = self.model_.classes_
        return self

    def _taught(self, X, y, row):
        estimator = clone(self.option.candidate.estimator)
        if self.option.taught == HARD:
            return estimator.fit(X, y)
        temperature, alpha = TAUGHT.get(kind_of(estimator), OTHERS_TAUGHT)
        model = InformedClassifier(
            None, estimator, temperature=temperature, alpha=alpha, random_state=0
        )
        said, X_unlabeled = self._hear(row)
        model.said = of_classes(said, np.isin(self.classes, y))
        return model.fit(X, y, X_unlabeled=X_unlabeled)

    def _hear(self, row):
        """Return what the teacher says of some rows in the fold to which they belong."""
        known, fold = (
            self.told[self.option.taught].known,
            -1,
        )  # of all rows, unless a fold is found
        own = np.arange(len(row))
        for k, (train, _) in enumerate(self.splits):
            if np.isin(row, train).all():
                fold, own = k, np.searchsorted(np.sort(train), row)
                own = np.argsort(train)[own]
                break
        known = known[fold]
        n_labelled = len(known.said.log_proba) - n_rows(known.X_unlabeled)
        log_proba, X_unlabeled = known.said.log_proba[own], known.X_unlabeled
        if X_unlabeled is not None:
            # A round of halving has a part of the labelled rows, and so of the others.
            share = round(n_rows(X_unlabeled) * len(row) / n_labelled)
            some = np.linspace(0, n_rows(X_unlabeled) - 1, max(share, 1)).astype(int)
            X_unlabeled = take_rows(indexable_rows(X_unlabeled), some)
            log_proba = np.concatenate([log_proba, known.said.log_proba[n_labelled + some]])
        return Labels(None, log_proba, "given"), X_unlabeled

    def alone(self):
        """Return the fitted model without what it learned from."""
        return self.model_ if self.option.taught == HARD else self.model_.standalone()

    def predict(self, X):
        return self.model_.predict(X)

    def _gives(name):
        return available_if(lambda self: hasattr(self.model_, name))

    @_gives("predict_proba")
    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    @_gives("decision_function")
    def decision_function(self, X):
        return self.model_.decision_function(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.option is not None:
            tags.input_tags = tags_of(self.option.candidate.estimator).input_tags
        return tags


def _tried(candidates, X, readable, random_state):
    if isinstance(candidates, str):
        if candidates != "auto":
            raise ValueError(f"candidates must be 'auto' or a list. Got {candidates!r} instead.")
        return candidates_for(X, readable=readable, random_state=random_state)
    if not isinstance(candidates, Sequence) or not len(candidates):
        raise ValueError(
            f"candidates must be 'auto' or a list of classifiers. Got {candidates!r} instead."
        )
    if readable:
        raise ValueError("readable=True chooses among candidates='auto'. Leave one of them out.")
    found = []
    for candidate in candidates:
        named = isinstance(candidate, tuple) and len(candidate) == 2
        name, estimator = candidate if named else (name_of(candidate), candidate)
        if not is_of_kind(estimator, "classifier"):
            raise ValueError(f"candidates must be classifiers. {name!r} is {estimator!r}.")
        found.append(Candidate(name, kind_of(estimator), estimator, False))
    names = [candidate.name for candidate in found]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Candidates must have different names. Got {names}: pass (name, estimator)."
        )
    return found


def _measured(candidates, X, y, artefact, max_bytes, verbose):
    """Return the candidates with their sizes, on a fit to some of the rows."""
    X = indexable_rows(X)
    some = _some_of_each_class(y, ROWS_TO_MEASURE)
    X_some, y_some = take_rows(X, some), y[some]
    made, too_large = {}, {}
    for candidate in track(candidates, total=len(candidates), text="sizes", verbose=verbose):
        if candidate.size and candidate.size >= too_large.get(candidate.kind, np.inf):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence: it is fitted for its size
            model = clone(candidate.estimator).fit(X_some, y_some)
        made[candidate.name] = artefact_of(model, X_some, artefact)
        if max_bytes is not None and made[candidate.name].n_bytes > max_bytes and candidate.size:
            least = min(candidate.size, too_large.get(candidate.kind, np.inf))
            too_large[candidate.kind] = least
    footprints = measure(made, take_some(X_some, 64), seconds=0.1, max_calls=200)
    unknown = np.nan, np.nan, ""
    return [
        _Sized(
            candidate,
            *(
                (made[candidate.name].n_bytes, footprints[candidate.name].latency.p50)
                if candidate.name in made
                else unknown[:2]
            ),
            made[candidate.name].kind if candidate.name in made else "",
        )
        for candidate in candidates
    ]


def _some_of_each_class(y, most):
    """Return positions of so many rows, each class in its share and at least ten of it."""
    if len(y) <= most:
        return np.arange(len(y))
    rng = np.random.default_rng(0)
    kept = []
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        n = min(len(own), max(10, round(len(own) * most / len(y))))
        kept.append(rng.choice(own, n, replace=False))
    return np.sort(np.concatenate(kept))


def _within(sized, max_bytes, max_latency):
    """Return the candidates that meet the budget, or say which one comes nearest."""
    known = [s for s in sized if np.isfinite(s.n_bytes)]
    kept = [
        s
        for s in known
        if (max_bytes is None or s.n_bytes <= max_bytes)
        and (max_latency is None or s.latency <= max_latency)
    ]
    if kept:
        return kept

    def excess(s):
        of_bytes = s.n_bytes / max_bytes if max_bytes is not None else 0.0
        return max(of_bytes, s.latency / max_latency if max_latency is not None else 0.0)

    nearest = min(known, key=excess)
    limits = []
    if max_bytes is not None:
        limits.append(f"{max_bytes:,} bytes")
    if max_latency is not None:
        limits.append(f"{max_latency * 1e6:.3g} µs a row")
    hint = "" if nearest.kind == "onnx" else " Install the onnx extra: its files are far smaller."
    raise ValueError(
        f"No candidate is within {' and '.join(limits)}. The nearest is {nearest.candidate.name}: "
        f"{nearest.n_bytes:,} bytes ({nearest.kind}) and {nearest.latency * 1e6:.3g} µs a row. "
        f"Raise the budget, or pass smaller candidates.{hint}"
    )


def _ways(teacher, teacher_output, X):
    """Return by what the candidates are taught."""
    if teacher is None and teacher_output is None:
        return (HARD,)
    if teacher is None or not is_table(X):
        return (HARD, DISTILLED)  # nobody could label new rows, or nobody make them
    return (HARD, DISTILLED, AUGMENTED)


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


def _compare(options, told, splits, X, y, classes, scoring, n_jobs, random_state):
    """Return the score of each option in each fold of its last round, and the rows of that.

    Those on hard labels and distilled ones are in different heats. A teacher is worth more the
    fewer the labels are, so that in one heat the early rounds, on a part of the rows, would drop
    those that are better without a teacher on all of them.
    """
    scores, n_used = np.full((len(options), len(splits)), np.nan), np.zeros(len(options), int)
    for of_hard in (True, False):
        heat = [i for i, option in enumerate(options) if (option.taught == HARD) == of_hard]
        if not heat:
            continue
        results = _halve(
            [options[i] for i in heat],
            *(told, splits, X, y, classes, scoring, n_jobs, random_state),
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


def _halve(options, told, splits, X, y, classes, scoring, n_jobs, random_state):
    """Return the results of scikit-learn's successive halving over the number of rows."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    n = n_rows(X)
    rarest = np.unique(y, return_counts=True)[1].min()
    first = max(FIRST_ROUND, int(np.ceil(FIRST_ROUND_OF_CLASS * n / rarest)))
    n_further = max(0, int(np.log(n / first) / np.log(FACTOR))) if first < n else 0
    n_further = min(n_further, int(np.log(len(options)) / np.log(FACTOR)))
    search = HalvingGridSearchCV(
        _Entry(told=told, classes=classes, splits=_Splits(splits)),
        {"option": options},
        factor=FACTOR,
        resource="n_samples",
        min_resources=n // FACTOR**n_further,  # so that the last round has all rows
        max_resources=n,
        cv=splits,
        scoring=RankingScore() if scoring is None else scoring,
        refit=False,
        error_score="raise",
        n_jobs=n_jobs,
        random_state=0 if random_state is None else random_state,
    )
    with config_context(enable_metadata_routing=False):
        search.fit(indexable_rows(X), y, row=np.arange(n))
    return search.cv_results_


def _last_round(n_used):
    """Return the positions of what was compared on all rows, but for what division leaves over."""
    return np.flatnonzero(n_used > n_used.max() / 2)


def _preferred(options, scores, n_used):
    """Return the positions of the options of the last round, the one to be taken first."""
    last = _last_round(n_used)
    means = scores.mean(axis=1)
    order = sorted(last, key=lambda i: -means[i])
    hard = [i for i in order if options[i].taught == HARD]
    best = order[0]
    if options[best].taught != HARD and hard:
        gain, error = _difference(scores[best], scores[hard[0]])
        if gain <= CLEARLY * error:
            return [hard[0], *(i for i in order if i != hard[0])]
    return order


def _difference(scores, others):
    gained = scores - others
    return gained.mean(), gained.std(ddof=1) / np.sqrt(len(gained))


def _reason(options, scores, n_used, best, scoring):
    last = _last_round(n_used)
    means = scores.mean(axis=1)
    is_hard = options[best].taught == HARD
    rivals = [i for i in last if (options[i].taught == HARD) != is_hard]
    said = (
        f"The best of {len(options)} candidates within the budget by {scoring} ({means[best]:.4g})"
    )
    if not rivals:
        return f"{said}, all on hard labels."
    rival = max(rivals, key=lambda i: means[i])
    gain, error = _difference(scores[best], scores[rival])
    if not is_hard:
        return (
            f"{said}: better than the best on hard labels ({options[rival].candidate.name}, "
            f"{means[rival]:.4g}) by {gain:.2g}, more than one standard error ({error:.2g})."
        )
    if gain >= 0:
        return (
            f"{said}; the best distilled one ({options[rival].candidate.name}, "
            f"{means[rival]:.4g}) is not better."
        )
    return (
        f"The best on hard labels by {scoring} ({means[best]:.4g}). The best distilled one "
        f"({options[rival].candidate.name}, {means[rival]:.4g}) is not better by more than one "
        f"standard error ({error:.2g}), so that the labels were kept."
    )


def _columns(options, sized, scores, n_used, best):
    by_name = {s.candidate.name: s for s in sized}
    rows = []
    for i, option in enumerate(options):
        s, folds = by_name[option.candidate.name], scores[i]
        rows.append(
            (
                *(option.candidate.name, option.candidate.kind, option.taught),
                option.candidate.readable,
                *(float(folds.mean()), float(folds.std(ddof=1) / np.sqrt(len(folds)))),
                *(int(n_used[i]), s.n_bytes, s.latency, True, i == best),
            )
        )
    tried = {option.candidate.name for option in options}
    for s in sized:
        if s.candidate.name not in tried:
            c = s.candidate
            nothing = (np.nan, np.nan, 0)
            rows.append(
                (c.name, c.kind, "", c.readable, *nothing, s.n_bytes, s.latency, False, False)
            )
    names = (
        *("name", "kind", "taught", "readable", "score", "error", "n_rows"),
        *("n_bytes", "latency", "within_budget", "chosen"),
    )
    return {
        name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _frame(columns):
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "Tables are pandas data frames, and pandas is not installed: pip install pandas."
        ) from error
    return pd.DataFrame(columns)
