"""A search of settings by cross-validation that nests honestly, whatever the targets are."""

import time
import warnings
from abc import ABC, abstractmethod
from itertools import product
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from sklearn_distill._comparison import Candidate, Comparison, Result
from sklearn_distill.augmentation._adapters import as_augmenter
from sklearn_distill.labelling import (
    Labels,
    label_folds,
    label_training_rows,
    make_splits,
    needs_fits,
)
from sklearn_distill.strategies import check_before_teaching, warn_of_last_resort
from sklearn_distill.utils._sklearn_private import fit_context, slice_params, take_rows
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.progress import Stages, track
from sklearn_distill.utils.rows import indexable_rows


class DistillationSearch(ABC):
    """Mixed in before a distillation: ``fit`` finds its settings first.

    A subclass has the parameters ``alphas``, ``augmenters``, ``student_grid``, ``scoring``, ``cv``
    and ``nested`` beside those of the distillation, but for those that a candidate sets.
    """

    #: The distillation whose teacher has spoken, and what it is not told if the labels are alone.
    _informed, _of_labels = None, {}

    def _known_alpha(self, X_unlabeled=None):
        return "auto"

    def _fit_without_labels(self, *args):
        raise ValueError(
            f"{name_of(self)} requires y to be passed, but the target y is None: candidates are "
            "compared by real labels. Without any, DistillationClassifier learns from a fitted "
            "teacher."
        )

    @abstractmethod
    def _check_fold(self, k, y):
        """Raise ValueError if nothing can be learned from the labels that fold k leaves."""

    @abstractmethod
    def _knows_by_heart(self, answers, y):
        """Tell whether a teacher repeats the labels of these rows."""

    @abstractmethod
    def _heard(self, said, y, classes):
        """Return what was said as a fold with these labels hears it, and its classes."""

    @abstractmethod
    def _row_scores(self, classes, y):
        """Return a function of (model, rows) that scores each row, which can be pickled."""

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X, y, sample_weight=None, *, X_unlabeled=None, teacher_output=None, **fit_params
    ):
        """Find the settings, and teach the student with them on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows. Passed to teacher and student as they come.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Real labels, or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: for the student, for an unfitted teacher if it takes weights, and
            in scores of rows (``scoring=None``).
        X_unlabeled : rows of the same kind and columns as X, default=None
            Further rows, which the teacher alone labels, for every candidate but the labels alone.
        teacher_output : array-like of shape (n_samples, n_classes or n_outputs), default=None
            Probabilities, or values, from a teacher that is not here, with ``teacher=None``, on
            rows that it was not fitted on.
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
        splits = self._splits(X, y, sample_weight, routed["splitter"]["split"])
        _check_nesting(self, reader, splits)
        if self.strategy == "auto":
            warn_of_last_resort(strategy, student)
        by_rows = self.scoring is None
        score = self._row_scores(classes, y) if by_rows else _ByScorer(self.scoring)
        stages = Stages(self, 4, X, y)
        with stages.stage("the student on labels, in each fold"):
            # Before the teacher: what is wrong with student or scoring is found in seconds.
            on_labels = [candidate for candidate in candidates if not candidate.distilled]
            nobody = [[Known(None, Labels(None)) for _ in splits]]
            results = self._measure(on_labels, rows, splits, nobody, score)
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
            results += self._measure(distilled, rows, splits, known, score)
        weight = None
        if by_rows:
            weight = np.ones(len(y)) if sample_weight is None else sample_weight
        compared = Comparison(on_labels + distilled, results, splits, weight)
        best = compared.candidates[compared.best]
        with stages.stage("the chosen student on all rows"):
            known = Known(None, Labels(whole.reader))
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

    def _tried_settings(self):
        """Return the settings that are tried, but for the augmenter, as dicts by name."""
        alphas = numbers(self.alphas, "alphas", "from 0 to 1", lambda a: 0 <= a <= 1)
        return [{"alpha": alpha} for alpha in alphas]

    def _candidates(self, X_unlabeled):
        """Return what is tried: the labels alone for all settings of the student, then others."""
        tried = self._tried_settings()
        if all(ours["alpha"] > 0 for ours in tried):
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
        alone = {name: 1.0 for name in tried[0]} | {"alpha": 0.0, "augmenter": None}
        candidates = [Candidate(False, alone, 0, settings) for settings in grid]
        for settings, (which, augmenter), ours in product(
            grid, enumerate(self._tried_augmenters()), tried
        ):
            if ours["alpha"] > 0 or augmenter is not None or X_unlabeled is not None:
                ours = ours | {"augmenter": augmenter}
                candidates.append(Candidate(True, ours, which, settings))
        return candidates

    def _check_candidates(self, candidates, X):
        if self.teacher is None and any(one is not None for one in self._tried_augmenters()):
            raise ValueError(
                "augmenters need a teacher to label the rows, but teacher is None. Pass a "
                "teacher, or augmenters=(None,)."
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
        # New rows are made before: they are among those without labels.
        settings = candidate.ours | {"augmenter": None}
        if not candidate.distilled:
            settings |= self._of_labels
        return self._informed._like(
            self,
            teacher=None,
            student=student,
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
            whole = Labels(None, self._read_output(teacher_output, X, classes), "given")
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
        own = whole.log_proba[: len(y)]
        if whole.source in ("fitted", "given") and self._knows_by_heart(own, y):
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
            said, present = self._heard(said, of_fold.y, classes)
            maker = self._informed(
                None, augmenter=augmenter, n_jobs=self.n_jobs, random_state=self.random_state
            )
            X_all, said = maker._augment(of_fold.X, of_fold.y, X_unlabeled, present, said)
            known.append(Known(X_all, said))
        return known

    def _splits(self, X, y, sample_weight, split_params):
        """Return the splits as positions; raise ValueError if they cannot be compared by."""
        seed, of_classes = self._fold_seed(), self._kind == "classifier"
        splits = make_splits(self.cv, X, y, seed, split_params, classifier=of_classes)
        everything = np.arange(len(y))
        splits = [(everything[train], everything[test]) for train, test in splits]
        times = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(y))
        if (times != 1).any():
            raise ValueError(
                f"cv holds out {np.sum(times == 0)} rows never and {np.sum(times > 1)} several "
                "times. Candidates are compared on every row once: use a splitter such as KFold, "
                "StratifiedKFold or GroupKFold, or GridSearchCV around the distillation."
            )
        for k, (train, _) in enumerate(splits):
            counted = train if sample_weight is None else train[sample_weight[train] > 0]
            self._check_fold(k, y[counted])
        return splits

    def _measure(self, candidates, rows, splits, known, score):
        """Return for each candidate its results in each fold."""
        jobs = list(product(candidates, range(len(splits))))
        calls = (
            delayed(_score)(
                self._model(candidate), rows, splits[k], known[candidate.which][k], score
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
    model : DistillationSearch
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
    splits = model._splits(X, y, None, {})
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
    """Rows without labels, and what the teacher says of all rows."""

    X_unlabeled: object
    said: Labels


def _without_reader(known):
    """Return the same without the fitted teacher, which may be large, and nobody asks again."""
    return known._replace(said=known.said._replace(reader=None))


def _teach(model, rows, known):
    model.said = known.said
    return model.fit(rows.X, rows.y, rows.weight, X_unlabeled=known.X_unlabeled, **rows.fit_params)


def _score(model, rows, split, known, score):
    """Return the result of a model in one fold. It is sent to a worker: no teacher comes along."""
    train, test = split
    start = time.perf_counter()
    _teach(model, rows.of(train), known)
    seconds = time.perf_counter() - start
    scores, auc = score(model, rows.of(test))
    return Result(scores, seconds, auc)


class _ByScorer:
    """A score of folds, which a user has chosen."""

    def __init__(self, scoring):
        self.scoring = scoring

    def __call__(self, model, held_out):
        scorer = check_scoring(model, scoring=self.scoring)
        try:
            score = scorer(model, held_out.X, held_out.y)
        except (AttributeError, ValueError, TypeError) as error:
            raise ValueError(
                f"scoring={self.scoring!r} cannot be computed of the student "
                f"{name_of(model.student)}: {error}"
            ) from error
        return np.array([score], dtype=np.float64), np.nan


def _check_nesting(model, reader, splits):
    if model.nested and len(splits) < 3 and needs_fits(reader, model.cv):
        raise ValueError(
            "Labels that have not seen what a fold holds out leave out two folds at a time, and "
            "there are two in all. Set cv to 3 or more, or, of DistillationClassifierCV and "
            "DistillationRegressorCV, nested=False."
        )


def numbers(values, name, range_, inside):
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
