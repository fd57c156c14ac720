"""DistillationClassifierCV."""

import time
import warnings
from itertools import product
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import rankdata
from sklearn.metrics import check_scoring, get_scorer_names, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from sklearn_distill._classifier import DistillationClassifier, InformedClassifier
from sklearn_distill.augmentation._adapters import as_augmenter
from sklearn_distill.doubts import knows_by_heart
from sklearn_distill.labelling import (
    Labels,
    label_folds,
    label_training_rows,
    make_splits,
    needs_fits,
)
from sklearn_distill.strategies import check_before_teaching, warn_of_last_resort
from sklearn_distill.teachers import read_output
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils._sklearn_private import StrOptions, fit_context, slice_params, take_rows
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.progress import Stages, track
from sklearn_distill.utils.rows import indexable_rows

#: Probabilities are clipped here for the log loss, as scikit-learn's metric does.
LEAST = np.finfo(np.float64).eps


class DistillationClassifierCV(DistillationClassifier):
    """Distillation with the settings that cross-validation finds, or the labels if none helps.

    Every candidate, a combination of alpha, temperature, augmenter and settings of the student, is
    fitted once per fold and measured on the rows that the fold holds out, by their real labels.
    The student on the labels alone is always among them. It is kept unless the best distilled one
    is better by more than one standard error of the difference [1]_.

    The teacher is asked once, whatever the candidates. For a comparison that does not lean to the
    teacher, the labels of the rows that a fold learns from come from teachers that have seen
    neither these rows nor those that the fold holds out: of K folds, every two are left out
    together once. An unfitted teacher is fitted K (K - 1) / 2 + K + 1 times, 16 times with 5
    folds. ``nested=False`` has K + 1 fits, with labels that know a little of the rows held out.

    Parameters
    ----------
    teacher : estimator, torch module, booster or None
        As in :class:`DistillationClassifier`. A fitted one is used as it is, unless ``cv`` asks
        for clones. If it was fitted on these rows, distilled students are measured on rows that
        their teacher knows, and look better than they are.
    student : estimator, torch module or None, default=None
        As in :class:`DistillationClassifier`.
    alphas : array-like of float in [0, 1], default=(0, 0.5, 1)
        Weights of the teacher to try. The labels alone are tried even if there is no 0. With new
        rows an alpha of 0 is real labels on real rows and the teacher's on the new ones.
    temperatures : array-like of float in (0, inf), default=(1, 2)
        Temperatures to try.
    augmenters : list of augmenters or None, default=(None,)
        Makers of new rows to try, as ``augmenter`` of :class:`DistillationClassifier`. None makes
        no new rows.
    student_grid : dict or list of dicts, default=None
        Settings of the student to try, as in :class:`~sklearn.model_selection.GridSearchCV`, with
        the names of the student: ``{"max_depth": [3, 5]}``. The labels alone are tried with all
        of them, too.
    scoring : str, callable or None, default=None
        What is to be large: a name of :func:`sklearn.metrics.get_scorer_names`, or a function of
        (estimator, X, y). None is the negative log loss, row by row, so that its standard error is
        that of the rows, among candidates whose ROC AUC is not less than that of the labels by
        more than one standard error. Other scores are looked at alone, and their standard error is
        taken from the folds.
    cv : int, splitter, iterable of splits or None, default=None
        Folds that hold out each row once; a number is of stratified folds that are shuffled with
        ``random_state``, None is 5 of them. Of a fitted teacher anything but None asks for clones.
    nested : bool, default=True
        Whether labels come from teachers that have not seen the rows on which they are judged.
    strategy : str or Strategy, default="auto"
        As in :class:`DistillationClassifier`, as are the next ones.
    unlabeled_weight : float or None, default=None
        What the rows without a label weigh at most.
    trust : str, callable or None, default=None
        How far the teacher is believed of each row.
    calibrate : bool, default=False
        Whether the teacher is calibrated first.
    probability_floor : float in (0, 1), default=2e-4
        The smallest probability that votes are believed to mean.
    student_columns : list, mask, slice, callable or None, default=None
        The columns that the student sees; None is all.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and labels.
    n_jobs : int or None, default=None
        Parallel fits of the teacher, and of the candidates.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, augmenters and drawn labels.
    verbose : int, default=0
        Whether to print the stages and progress bars.

    Attributes
    ----------
    cv_results_ : dict of str to array
        One entry per candidate: ``params``, a column ``param_...`` for each setting,
        ``mean_test_score``, ``split0_test_score`` and so on, ``std_test_score``,
        ``rank_test_score``, ``mean_fit_time`` in seconds, and ``distilled``, which is False for
        the labels alone. With ``scoring=None`` there is ``mean_test_roc_auc`` too, the mean over
        classes against the others.
    best_index_ : int
        The candidate that was chosen.
    best_params_ : dict
        Its settings: ``alpha``, ``temperature``, ``augmenter``, and ``student__...``.
    best_score_ : float
        Its mean score in the folds. The best of many looks better than it is.
    honest_score_ : float
        What choosing like this is worth: for each fold the candidate is chosen on the others, and
        scored on it [2]_.
    distilled_ : bool
        Whether the teacher was worth it.
    reason_ : str
        Why, in a sentence.
    alpha_, temperature_ : float
        Of the chosen candidate.
    n_splits_ : int
        Number of folds.
    student_, decoder_, strategy_, classes_, teacher_, label_source_, student_columns_
        As in :class:`DistillationClassifier`, of the chosen candidate, fitted on all rows.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationClassifier : One candidate; its "auto" settings follow rules instead of a search.
    sklearn.linear_model.RidgeCV : A search in the same manner.

    Notes
    -----
    What is left out of the nesting: settings of the teacher itself, and transformers before this
    estimator, which have seen all rows. A
    :class:`~sklearn.model_selection.GridSearchCV` around :class:`DistillationClassifier` nests
    everything and fits the teacher anew for every candidate that changes it.

    The standard error is of the rows (or folds) for students as they were fitted: it does not
    know how much a student would differ on other training rows.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees",
       1984, of which the rule of one standard error is.
    .. [2] R. J. Tibshirani, R. Tibshirani, "A bias correction for the minimum error rate in
       cross-validation", Annals of Applied Statistics 3, 2009, :doi:`10.1214/08-AOAS224`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(50, random_state=0)
    >>> student = DecisionTreeClassifier(random_state=0)
    >>> grid = {"max_leaf_nodes": [8, 16]}
    >>> model = DistillationClassifierCV(teacher, student, student_grid=grid, cv=3).fit(X, y)
    >>> model.distilled_
    True
    >>> sorted(model.best_params_)
    ['alpha', 'augmenter', 'student__max_leaf_nodes', 'temperature']
    """

    _parameter_constraints: dict = {
        **DistillationClassifier._parameter_constraints,
        "alphas": ["array-like"],
        "temperatures": ["array-like"],
        "augmenters": [list, tuple],
        "student_grid": [dict, list, None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "nested": ["boolean"],
    }

    # What a candidate sets, and is open here.
    temperature = alpha = "auto"
    augmenter = None

    def __init__(
        self,
        teacher,
        student=None,
        *,
        alphas=(0, 0.5, 1),
        temperatures=(1, 2),
        augmenters=(None,),
        student_grid=None,
        scoring=None,
        cv=None,
        nested=True,
        strategy="auto",
        unlabeled_weight=None,
        trust=None,
        calibrate=False,
        probability_floor=2e-4,
        student_columns=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.alphas = alphas
        self.temperatures = temperatures
        self.augmenters = augmenters
        self.student_grid = student_grid
        self.scoring = scoring
        self.cv = cv
        self.nested = nested
        self.strategy = strategy
        self.unlabeled_weight = unlabeled_weight
        self.trust = trust
        self.calibrate = calibrate
        self.probability_floor = probability_floor
        self.student_columns = student_columns
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _known_alpha(self, X_unlabeled=None):
        return "auto"

    def _fit_without_labels(self, *args):
        raise ValueError(
            f"{name_of(self)} requires y to be passed, but the target y is None: candidates are "
            "compared by real labels. Use DistillationClassifier."
        )

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X, y, sample_weight=None, *, X_unlabeled=None, teacher_output=None, **fit_params
    ):
        """Find the settings, and teach the student with them on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows. Passed to teacher and student as they come.
        y : array-like of shape (n_samples,)
            Real labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: for the student, for an unfitted teacher if it takes weights, and
            in the log loss (``scoring=None``).
        X_unlabeled : rows of the same kind and columns as X, default=None
            Further rows, which the teacher alone labels, for every candidate but the labels alone.
        teacher_output : array-like of shape (n_samples, n_classes), default=None
            Probabilities from a teacher that is not here, with ``teacher=None``, on rows that it
            was not fitted on.
        **fit_params : dict
            As in :meth:`DistillationClassifier.fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If rows, labels, settings to try, folds or scoring are unfit for use.
        TypeError
            If the student cannot learn soft targets.
        """
        if y is None:
            return self._fit_without_labels()
        sample_weight = self._check_rows(X, sample_weight, X_unlabeled)
        y, X_unlabeled = self._check_labels(X, y), self._weighed(X_unlabeled)
        classes, _ = self._encode(y, sample_weight)
        columns = self._columns_of_student(X)
        of_student = X if columns is None else columns.take(X)
        student = self._new_student(of_student, classes)
        strategy = self._choose_strategy(student, asks_teacher=True)
        reader = self._read_teacher(X_unlabeled, teacher_output)
        routed = self._route(reader, sample_weight, fit_params)
        check_before_teaching(strategy, student, routed["student"]["fit"])
        rows = _Rows(indexable_rows(X), y, sample_weight, routed["student"]["fit"])
        candidates = self._candidates(X_unlabeled)
        self._check_candidates(candidates, X)
        splits = make_splits(self.cv, X, y, self._fold_seed(), routed["splitter"]["split"])
        splits = _checked_splits(splits, y, sample_weight)
        _check_nesting(self, reader, splits)
        if self.strategy == "auto":
            warn_of_last_resort(strategy, student)
        stages = Stages(self, 4, X, y)
        with stages.stage("the student on labels, in each fold"):
            # Before the teacher: what is wrong with student or scoring is found in seconds.
            on_labels = [candidate for candidate in candidates if not candidate.distilled]
            nobody = [[Known(None, Labels(None), classes) for _ in splits]]
            results = self._measure(on_labels, rows, splits, nobody)
        with stages.stage("labels from the teacher"):
            whole, of_folds = self._label_all(
                reader, X, y, X_unlabeled, teacher_output, classes, routed, splits
            )
            known = [
                self._extended(augmenter, rows, splits, classes, X_unlabeled, of_folds)
                for augmenter in self._tried_augmenters()
            ]
            if not getattr(self.strategy, "hints", None):
                known = [[_without_reader(of_fold) for of_fold in folds] for folds in known]
        with stages.stage("the distilled students, in each fold"):
            distilled = [candidate for candidate in candidates if candidate.distilled]
            results += self._measure(distilled, rows, splits, known)
        weight = None
        if self.scoring is None:  # scores are of rows
            weight = np.ones(len(y)) if sample_weight is None else sample_weight
        compared = _Comparison(on_labels + distilled, results, splits, weight)
        best = compared.candidates[compared.best]
        with stages.stage("the chosen student on all rows"):
            known = Known(None, Labels(whole.reader), classes)
            if best.distilled:
                augmenter = self._tried_augmenters()[best.which]
                everything = [(np.arange(len(y)), None)]
                (known,) = self._extended(
                    augmenter, rows, everything, classes, X_unlabeled, [whole]
                )
            model = _teach(self._model(best), rows, known)
        # Nothing is set before everything has worked, and then all at once.
        vars(self).update(
            {name: value for name, value in vars(model).items() if name.endswith("_")}
            | {"teacher_": whole.teacher, "label_source_": whole.source}
            | compared.attributes()
        )
        stages.end()
        return self

    def _tried_augmenters(self):
        return [None] if self.unlabeled_weight == 0 else list(self.augmenters)

    def _candidates(self, X_unlabeled):
        """Return what is tried: the labels alone for all settings of the student, then others."""
        alphas = _numbers(self.alphas, "alphas", "from 0 to 1", lambda a: 0 <= a <= 1)
        temperatures = _numbers(
            self.temperatures, "temperatures", "above 0", lambda t: 0 < t < np.inf
        )
        if 0 not in alphas:
            warnings.warn(
                "alphas has no 0: the student on the labels alone is tried all the same, and kept "
                "unless distillation is better.",
                UserWarning,
                stacklevel=4,
            )
        if not self.augmenters:
            raise ValueError("augmenters is empty. Pass (None,) to make no new rows.")
        grid = list(ParameterGrid({} if self.student_grid is None else self.student_grid))
        if grid != [{}] and not hasattr(self.student, "set_params"):
            raise ValueError(
                f"student_grid has settings, and student={self.student!r} takes none. Pass an "
                "estimator, or wrap a module in a net of skorch."
            )
        candidates = [_Candidate(False, 0.0, 1.0, None, 0, settings) for settings in grid]
        tried = product(grid, enumerate(self._tried_augmenters()), alphas, temperatures)
        for settings, (which, augmenter), alpha, temperature in tried:
            if alpha > 0 or augmenter is not None or X_unlabeled is not None:
                candidates.append(_Candidate(True, alpha, temperature, augmenter, which, settings))
        return candidates

    def _check_candidates(self, candidates, X):
        if self.teacher is None and any(one is not None for one in self._tried_augmenters()):
            raise ValueError(
                "augmenters need a teacher to label the rows, but teacher is None. Pass a "
                "teacher, or augmenters=(None,)."
            )
        if self.scoring is None and not self._offers("predict_proba"):
            raise ValueError(
                f"scoring=None is the log loss, and the student {name_of(self.student)} gives no "
                "probabilities. Pass scoring='accuracy'."
            )
        for candidate in candidates:
            self._model(candidate)._validate_params()
        for augmenter in self._tried_augmenters():
            if augmenter is not None:
                as_augmenter(augmenter).check(X)

    def _model(self, candidate):
        """Return the unfitted model of a candidate."""
        student = clone_of(self.student)
        if candidate.settings:
            student.set_params(**{k: clone_of(v) for k, v in candidate.settings.items()})
        settings = {} if candidate.distilled else {"trust": None, "calibrate": False}
        return InformedClassifier.like(
            self,
            teacher=None,
            student=student,
            temperature=candidate.temperature,
            alpha=candidate.alpha,
            cv=None,
            memory=None,
            n_jobs=None,
            verbose=0,
            **settings,
        )

    def _label_all(self, reader, X, y, X_unlabeled, teacher_output, classes, routed, splits):
        """Return what the teacher says of all rows, and of those that each fold learns from."""
        asking = {
            "fit_params": routed["teacher"]["fit"],
            "memory": check_memory(self.memory),
            "n_jobs": self.n_jobs,
            "verbose": self.verbose,
        }
        if needs_fits(reader, self.cv):
            return label_folds(
                reader,
                X,
                y,
                X_unlabeled,
                classes,
                splits=splits,
                nested=self.nested,
                **asking,
            )
        if reader is None:
            whole = Labels(None, read_output(teacher_output, X, classes), "given")
        else:
            whole = label_training_rows(
                reader,
                X,
                y,
                X_unlabeled,
                classes,
                cv=None,
                seed=self._fold_seed(),
                split_params={},
                **asking,
            )
        labels = np.searchsorted(classes, y)
        own = lift_zeros(whole.log_proba[: len(y)], self.probability_floor)
        if whole.source in ("fitted", "given") and knows_by_heart(own, labels):
            warnings.warn(
                "The teacher knows these rows by heart, and students are compared on them: the "
                "comparison leans to the teacher. Set cv=5 to have them labelled by clones of it "
                "that have not seen them, or pass rows that it was not fitted on.",
                UserWarning,
                stacklevel=4,
            )
        further = np.arange(len(y), len(whole.log_proba))
        of_folds = [
            whole._replace(log_proba=whole.log_proba[np.r_[train, further]]) for train, _ in splits
        ]
        return whole, of_folds

    def _extended(self, augmenter, rows, splits, classes, X_unlabeled, of_folds):
        """Return what each fold knows: rows without labels, new ones, and what is said of all."""
        known = []
        for (train, _), said in zip(splits, of_folds, strict=True):
            of_fold = rows.of(train)
            present = np.unique(of_fold.y)
            said = of_classes(said, np.isin(classes, present))
            maker = InformedClassifier(
                None, augmenter=augmenter, n_jobs=self.n_jobs, random_state=self.random_state
            )
            X_all, said = maker._augment(of_fold.X, of_fold.y, X_unlabeled, present, said)
            known.append(Known(X_all, said, classes))
        return known

    def _measure(self, candidates, rows, splits, known):
        """Return for each candidate its results in each fold."""
        jobs = list(product(candidates, range(len(splits))))
        calls = (
            delayed(_score)(
                self._model(candidate), rows, splits[k], known[candidate.which][k], self.scoring
            )
            for candidate, k in jobs
        )
        results = Parallel(n_jobs=self.n_jobs)(
            track(calls, total=len(jobs), text="fits of the student", verbose=self.verbose)
        )
        size = len(splits)
        return [results[i : i + size] for i in range(0, len(results), size)]


def ask_teacher_for_folds(model, X, y, X_unlabeled=None, teacher_output=None, augmenters=(None,)):
    """Return what a student is told in each fold, and of all rows, for another comparison.

    Parameters
    ----------
    model : DistillationClassifierCV
        Not fitted; its ``cv`` makes the folds.
    X, X_unlabeled : rows
    y : array-like of shape (n_samples,)
    teacher_output : array-like of shape (n_samples, n_classes), default=None
    augmenters : sequence of augmenters or None
        Each makes further rows of the labelled ones, fold by fold.

    Returns
    -------
    splits : list of (train, test)
    known : list of list of Known
        For each augmenter: of each fold, and of all rows at the end.
    """
    y = model._check_labels(X, y)
    classes, _ = model._encode(y, None)
    reader = model._read_teacher(X_unlabeled, teacher_output)
    routed = model._route(reader, None, {})
    splits = _checked_splits(make_splits(model.cv, X, y, model._fold_seed(), {}), y, None)
    _check_nesting(model, reader, splits)
    whole, of_folds = model._label_all(
        reader, X, y, X_unlabeled, teacher_output, classes, routed, splits
    )
    rows = _Rows(indexable_rows(X), y, None, {})
    everything = [*splits, (np.arange(len(y)), None)]
    told = [*of_folds, whole]
    return splits, [
        model._extended(augmenter, rows, everything, classes, X_unlabeled, told)
        for augmenter in augmenters
    ]


class _Candidate(NamedTuple):
    distilled: bool
    alpha: float
    temperature: float
    augmenter: object
    which: int
    settings: dict

    @property
    def params(self):
        """The settings by name, as users read them."""
        of_student = {f"student__{name}": value for name, value in self.settings.items()}
        ours = {"alpha": self.alpha, "temperature": self.temperature, "augmenter": self.augmenter}
        return ours | of_student


class _Rows(NamedTuple):
    X: object
    y: np.ndarray
    weight: np.ndarray | None
    fit_params: dict

    def of(self, rows):
        """Return the rows at some positions."""
        return _Rows(
            take_rows(self.X, rows),
            self.y[rows],
            None if self.weight is None else self.weight[rows],
            slice_params(self.X, self.fit_params, indices=rows),
        )


class Known(NamedTuple):
    """Rows without labels, what the teacher says of all rows, and all classes of the search."""

    X_unlabeled: object
    said: Labels
    classes: np.ndarray


def _without_reader(known):
    """Return the same without the fitted teacher, which may be large, and nobody asks again."""
    return known._replace(said=known.said._replace(reader=None))


class _Result(NamedTuple):
    """Scores of one fit, of each row held out or of the fold; the seconds it took; its AUC."""

    scores: np.ndarray
    seconds: float
    auc: float


def _teach(model, rows, known):
    model.said = known.said
    return model.fit(rows.X, rows.y, rows.weight, X_unlabeled=known.X_unlabeled, **rows.fit_params)


def _score(model, rows, split, known, scoring):
    """Return the result of a model in one fold. It is sent to a worker: no teacher comes along."""
    train, test = split
    start = time.perf_counter()
    _teach(model, rows.of(train), known)
    seconds = time.perf_counter() - start
    held_out = rows.of(test)
    if scoring is None:
        proba = _columns_of(model, model.predict_proba(held_out.X), known.classes)
        positions = np.searchsorted(known.classes, held_out.y)
        losses = -np.log(np.clip(proba[np.arange(len(positions)), positions], LEAST, 1.0))
        return _Result(-losses, seconds, ranking(positions, proba, held_out.weight))
    scorer = check_scoring(model, scoring=scoring)
    try:
        score = scorer(model, held_out.X, held_out.y)
    except (AttributeError, ValueError, TypeError) as error:
        raise ValueError(
            f"scoring={scoring!r} cannot be computed of the student {name_of(model.student)}: "
            f"{error}"
        ) from error
    return _Result(np.array([score], dtype=np.float64), seconds, np.nan)


def _check_nesting(model, reader, splits):
    if model.nested and len(splits) < 3 and needs_fits(reader, model.cv):
        raise ValueError(
            "Labels that have not seen what a fold holds out leave out two folds at a time, and "
            "there are two in all. Set cv to 3 or more, or, of DistillationClassifierCV, "
            "nested=False."
        )


def _numbers(values, name, range_, inside):
    """Return different numbers in their order, or raise ValueError."""
    numbers = list(values)
    wrong = [
        value
        for value in numbers
        if isinstance(value, bool) or not isinstance(value, Real) or not inside(value)
    ]
    if wrong or not numbers:
        got = f"{wrong[0]!r}" if wrong else "nothing"
        raise ValueError(f"{name} must be numbers {range_}, such as (0.5, 1). Got {got}.")
    return list(dict.fromkeys(map(float, numbers)))


def _checked_splits(splits, y, sample_weight):
    """Return the splits as positions; raise ValueError if they cannot be compared by."""
    everything = np.arange(len(y))
    splits = [(everything[train], everything[test]) for train, test in splits]
    times = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(y))
    if (times != 1).any():
        raise ValueError(
            f"cv holds out {np.sum(times == 0)} rows never and {np.sum(times > 1)} several times. "
            "Candidates are compared on every row once: use a splitter such as KFold, "
            "StratifiedKFold or GroupKFold, or GridSearchCV around DistillationClassifier."
        )
    for k, (train, _) in enumerate(splits):
        counted = train if sample_weight is None else train[sample_weight[train] > 0]
        if len(np.unique(y[counted])) < 2:
            raise ValueError(
                f"Fold {k} of cv leaves rows of one class to learn from. Use StratifiedKFold, or "
                "shuffle the rows."
            )
    return splits


def of_classes(said, kept):
    """Return what was said of some classes only, each row normalised."""
    if said.log_proba is None or kept.all():
        return said
    log_proba = said.log_proba[:, kept]
    total = logsumexp(np.where(np.isnan(log_proba), -np.inf, log_proba), axis=1, keepdims=True)
    return said._replace(log_proba=log_proba - np.where(np.isneginf(total), 0.0, total))


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


def _columns_of(model, proba, classes):
    """Return probabilities of all classes; a class that the model cannot know has none."""
    aligned = np.zeros((len(proba), len(classes)))
    aligned[:, np.searchsorted(classes, model.classes_)] = proba
    return aligned


def ranking(labels, proba, sample_weight=None):
    """Return the area under the ROC curve, the mean over classes that have rows and others.

    Parameters
    ----------
    labels : ndarray of int, shape (n_samples,)
        Columns.
    proba : ndarray of shape (n_samples, n_classes)
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    float
        NaN if there is one class only.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    labels, proba, weight = (part[weight > 0] for part in (labels, proba, weight))
    counts = np.bincount(labels, minlength=proba.shape[1])
    both = np.flatnonzero((counts > 0) & (counts < len(labels)))
    if not len(both):
        return np.nan
    areas = [roc_auc_score(labels == k, proba[:, k], sample_weight=weight) for k in both]
    return float(np.mean(areas))


class _Choice(NamedTuple):
    """Candidates by position: the best on labels, the best distilled one or None, the chosen."""

    labels: int
    distilled: int | None
    error: float
    best: int


class _Comparison:
    """The scores of all candidates, side by side, and the choice among them.

    Parameters
    ----------
    candidates : list of _Candidate
    results : list of list of _Result
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
