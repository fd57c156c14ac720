"""The story of ``fit``, and what makes it a scikit-learn estimator.

No mathematics here: targets.py makes the targets, trainers/ teach the student.
"""

import copy
import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length, check_memory

from sklearn_distill.losses import LOGIT_LOSSES
from sklearn_distill.targets import (
    SoftTargets,
    fit_and_label,
    label_with_fitted,
    make_splitter,
    targets_from_output,
    warn_if_certain,
)
from sklearn_distill.teachers import as_classifier, is_fitted
from sklearn_distill.trainers import (
    STRATEGIES,
    GradientTraining,
    HardLabels,
    Trainer,
    select_trainer,
)
from sklearn_distill.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    routing_enabled,
)
from sklearn_distill.utils.kinds import (
    is_module,
    is_of_kind,
    last_step,
    name_of,
    tags_of,
)
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import check_same_columns, n_rows
from sklearn_distill.utils.seeds import own_rng
from sklearn_distill.utils.weights import check_weights, weight_keyword


class BaseDistillation(MetaEstimatorMixin, BaseEstimator, ABC):
    """What distillation of any kind of target has in common."""

    _parameter_constraints: dict = {
        "teacher": [HasMethods("fit"), HasMethods("predict"), HasMethods("forward"), None],
        "student": [HasMethods("fit"), HasMethods("forward"), None],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "loss": [StrOptions({*LOGIT_LOSSES}), callable],
        "hints": [list, tuple, None],
        "strategy": [StrOptions({"auto", *STRATEGIES}), Trainer],
        "cv": ["cv_object", StrOptions({"in-sample"})],
        "memory": [str, HasMethods("cache"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teacher,
        student=None,
        *,
        temperature=2.0,
        alpha=0.5,
        loss="kl",
        hints=None,
        strategy="auto",
        cv=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.temperature = temperature
        self.alpha = alpha
        self.loss = loss
        self.hints = hints
        self.strategy = strategy
        self.cv = cv
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X, y, sample_weight=None, *, X_unlabeled=None, teacher_output=None, **fit_params
    ):
        """Label the rows with the teacher and teach the student.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows. Passed to teacher and student as they come.
        y : array-like of shape (n_samples,)
            Real labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, for the student, and for an unfitted teacher if
            it takes weights.
        X_unlabeled : rows of the same kind and columns as X, default=None
            Further rows without labels; the teacher alone labels them. In a
            cross-validation each fold gets all of them, unless there are exactly
            as many as rows in X: then scikit-learn takes them for one value per
            row and slices them. Add or drop a row in that case. The transformers
            of a Pipeline student are fitted on X alone.
        teacher_output : array-like of shape (n_samples, n_classes), default=None
            Probabilities from a teacher that is not here, with ``teacher=None``.
            Columns in the order of the sorted classes, or a data frame whose
            columns are named by the classes.
        **fit_params : dict
            For the student's ``fit``. With metadata routing enabled: for whoever
            requested them among teacher, student and ``cv``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the rows, the labels or the teacher's output are unfit for use.
        TypeError
            If the student cannot learn soft targets.
        """
        y, sample_weight = self._check_rows(X, y, sample_weight, X_unlabeled)
        classes, labels = self._encode(y, sample_weight)
        student = self._new_student(X, classes)
        trainer = self._make_trainer(student)
        routed = self._route(sample_weight, fit_params)
        with stage("labels from the teacher", self.verbose):
            teacher, log_proba = self._label(X, y, X_unlabeled, teacher_output, classes, routed)
        temperature = 1.0 if log_proba is None else float(self.temperature)
        targets = SoftTargets(classes, labels, log_proba, self.alpha, temperature, sample_weight)
        with stage(f"{trainer.name} for the student", self.verbose):
            student = trainer.fit(
                student,
                X,
                y,
                X_unlabeled,
                targets,
                routed["student"]["fit"],
                teacher,
            )
        # Nothing is set before everything has worked.
        self.teacher_, self.student_, self.trainer_ = teacher, student, trainer
        self.temperature_ = temperature
        if classes is not None:
            self.classes_ = classes
        return self

    @abstractmethod
    def _encode(self, y, sample_weight):
        """Return the classes and the position of each label among them."""

    def _check_rows(self, X, y, sample_weight, X_unlabeled):
        if y is None:
            raise ValueError(f"{name_of(self)} requires y to be passed, but the target y is None")
        check_consistent_length(X, y)
        if X_unlabeled is not None:
            check_same_columns(X, X_unlabeled, "X_unlabeled")
        return self._check_y(y), check_weights(sample_weight, n_rows(X))

    @abstractmethod
    def _check_y(self, y):
        """Return y as a checked ndarray of shape (n_samples,)."""

    def _new_student(self, X, classes):
        """Return an unfitted student: a copy of the user's, or the default network."""
        if self.student is not None:
            return clone(self.student, safe=False)
        from sklearn_distill.nn.default_network import default_student

        return default_student(X, len(classes))

    def _make_trainer(self, student):
        alone = self.alpha == 0 and GradientTraining().objection(last_step(student))
        trainer = clone(select_trainer(HardLabels() if alone else self.strategy, student))
        settings = trainer.get_params(deep=False)
        inherited = {
            key: getattr(self, key) for key in ("random_state", "verbose", "loss", "hints")
        }
        for key, value in {"loss": self.loss != "kl", "hints": bool(self.hints)}.items():
            if value and key not in settings and not alone:
                raise TypeError(
                    f"{key}={inherited[key]!r} needs a network as student. The student "
                    f"{name_of(last_step(student))} is taught by {trainer.name}: "
                    f"leave {key} out."
                )
        unset = {key for key in inherited if key in settings and not settings[key]}
        trainer.set_params(**{key: inherited[key] for key in unset})
        trainer._validate_params()
        return trainer

    def _label(self, X, y, X_unlabeled, teacher_output, classes, routed):
        """Return the teacher that was used and its log-probabilities (None if alpha is 0)."""
        self._check_teacher_given(X_unlabeled, teacher_output)
        fitted = is_fitted(self.teacher)
        if self.alpha == 0:
            return self.teacher if fitted else None, None
        if self.teacher is None:
            return None, targets_from_output(teacher_output, X, classes)
        memory = check_memory(self.memory)
        if fitted:
            label = memory.cache(label_with_fitted, ignore=["n_jobs"])
            log_proba = label(self.teacher, X, X_unlabeled, classes, n_jobs=self.n_jobs)
            if hasattr(as_classifier(self.teacher), "predict_proba"):
                warn_if_certain(log_proba[: len(y)], name_of(self.teacher))
            return self.teacher, log_proba
        return memory.cache(fit_and_label, ignore=["n_jobs", "verbose"])(
            clone(self.teacher),
            X,
            y,
            X_unlabeled,
            classes,
            cv=self.cv if self.cv == "in-sample" else make_splitter(self.cv, y, self._fold_seed()),
            fit_params=routed["teacher"]["fit"],
            split_params=routed["splitter"]["split"],
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )

    def _check_teacher_given(self, X_unlabeled, teacher_output):
        name = name_of(self)
        may_predict = (
            hasattr(self.teacher, "predict")
            or is_of_kind(self.teacher, "classifier")
            or is_module(self.teacher)
        )
        if self.teacher is not None and not may_predict:
            # A stack has no predict before it is fitted, which the constraints cannot tell.
            raise ValueError(
                f"The 'teacher' parameter of {name} must be a classifier or None. "
                f"Got {self.teacher!r} instead."
            )
        if self.teacher is not None and teacher_output is not None:
            raise ValueError(
                f"{name} got both a teacher and teacher_output. Pass teacher=None to use "
                "teacher_output, or leave teacher_output out."
            )
        if self.alpha > 0 and self.teacher is None:
            if teacher_output is None:
                raise ValueError(
                    f"{name} has teacher=None and no teacher_output. Pass a teacher, or its "
                    "probabilities as fit(..., teacher_output=P), or alpha=0 for a student "
                    "without a teacher."
                )
            if X_unlabeled is not None:
                raise ValueError(
                    "X_unlabeled needs a teacher to label it, but teacher is None. "
                    "Pass a teacher, or leave X_unlabeled out."
                )

    def _fold_seed(self):
        """Return an int: ``random_state=None`` gives the same folds at every call."""
        if self.random_state is None:
            return 0
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return own_rng(self.random_state).randint(np.iinfo(np.int32).max)

    # -- scikit-learn's contract ------------------------------------------------

    def _route(self, sample_weight, fit_params):
        """Return who gets which fit parameter, by child and method."""
        if not routing_enabled():
            keyword = weight_keyword(self.student)
            if keyword in fit_params:
                raise TypeError(
                    f"{name_of(self)}.fit got {keyword}, but the weights of the student are made "
                    "from its soft targets. Pass the weights of the rows as sample_weight=..."
                )
            return Bunch(
                teacher={"fit": self._weights_for_teacher(sample_weight)},
                student={"fit": fit_params},
                splitter={"split": {}},
            )
        metadata = (
            fit_params if sample_weight is None else {**fit_params, "sample_weight": sample_weight}
        )
        routed = process_routing(self, "fit", **metadata)
        nothing = {"fit": {}, "split": {}}
        return {child: routed.get(child, nothing) for child in ("teacher", "student", "splitter")}

    def _weights_for_teacher(self, sample_weight):
        if sample_weight is None or self.teacher is None or is_fitted(self.teacher):
            return {}
        keyword = weight_keyword(self.teacher)
        if keyword:
            return {keyword: sample_weight}
        if self.alpha > 0 and np.ptp(sample_weight) > 0:
            warnings.warn(
                f"The teacher {name_of(self.teacher)} does not take sample_weight in fit: the "
                "weights are used for the student only.",
                UserWarning,
                stacklevel=3,
            )
        return {}

    def get_metadata_routing(self):
        """Return the routing of fit parameters to teacher, student and ``cv``.

        The weights of the student are made here, so it need not request ``sample_weight``.

        Returns
        -------
        routing : MetadataRouter
        """
        fit_to_fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(student=_without_weight_request(self.student), method_mapping=fit_to_fit)
        if self.teacher is not None and not is_fitted(self.teacher):
            router.add(teacher=self.teacher, method_mapping=fit_to_fit)
        if hasattr(self.cv, "split"):
            router.add(
                splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split")
            )
        return router

    def set_params(self, **params):
        """Set parameters of this estimator, its student, or its unfitted teacher.

        Parameters
        ----------
        **params : dict
            Such as ``temperature=2`` or ``student__max_depth=3``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter of a fitted teacher is set: that would change the
            user's model and leave its fit as it was.
        """
        nested = [key for key in params if key.startswith("teacher__")]
        teacher = params.get("teacher", self.teacher)
        if nested and is_fitted(teacher):
            raise ValueError(
                f"Cannot set {nested} of {name_of(self)}: its teacher {name_of(teacher)} is "
                "already fitted and is used as it is. Pass an unfitted one, clone(teacher), to "
                "have it fitted with these parameters."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        """Clone everything but a fitted teacher, which is carried over by reference."""
        if not is_fitted(self.teacher):
            return super().__sklearn_clone__()
        shell = copy.copy(self)
        shell.teacher = None
        twin = BaseEstimator.__sklearn_clone__(shell)
        twin.teacher = self.teacher
        return twin

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student, *others = [tags_of(part) for part in self._parts()]
        for name in ("sparse", "allow_nan", "string", "categorical"):
            accepted = all(getattr(part.input_tags, name) for part in (student, *others))
            setattr(tags.input_tags, name, accepted)
        tags.input_tags.positive_only = any(
            part.input_tags.positive_only for part in (student, *others)
        )
        tags.input_tags.two_d_array = student.input_tags.two_d_array
        tags.non_deterministic = any(part.non_deterministic for part in (student, *others))
        return tags

    def _parts(self):
        """Return the student, and the teacher if X passes through it."""
        return (
            [self.student]
            if self.teacher is None or self.alpha == 0
            else [self.student, self.teacher]
        )

    @property
    def n_features_in_(self):
        """Number of features seen in ``fit``, if the student counts them."""
        return self._fitted_student().n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features seen in ``fit``, if the student keeps them."""
        return self._fitted_student().feature_names_in_

    def _fitted_student(self):
        if "student_" not in vars(self):
            raise AttributeError(f"This {name_of(self)} is not fitted yet")
        return self.student_


def _without_weight_request(student):
    """Return a shallow copy whose last step requests no ``sample_weight``."""
    keyword = weight_keyword(student)
    bare = copy.copy(last_step(student))
    if keyword is None or not hasattr(bare, "set_fit_request"):
        return student
    with config_context(enable_metadata_routing=True):
        return _replace_last_step(student, bare.set_fit_request(sample_weight=False))


def _replace_last_step(student, bare):
    if student is last_step(student):
        return bare
    twin = copy.copy(student)
    name, last = student.steps[-1]
    twin.steps = [*student.steps[:-1], (name, _replace_last_step(last, bare))]
    return twin
