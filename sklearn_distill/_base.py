"""The story of ``fit``, and what makes it a scikit-learn estimator.

No mathematics here: targets.py makes the targets, strategies/ teach the student, decoding.py reads
it.
"""

import copy
import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from inspect import signature
from numbers import Integral, Real
from types import BuiltinFunctionType, FunctionType, MethodType

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length, check_memory

from sklearn_distill.augmentation._adapters import as_augmenter, draw_rows
from sklearn_distill.labelling import (
    Labels,
    label_new_rows,
    label_rows,
    label_training_rows,
    needs_fits,
)
from sklearn_distill.rules import keeps_labels
from sklearn_distill.strategies import (
    STRATEGIES,
    check_before_teaching,
    teach,
    warn_of_last_resort,
)
from sklearn_distill.targets import TransferSet
from sklearn_distill.teachers import (
    TeacherEnsemble,
    TeacherReader,
    as_teacher,
    is_fitted,
)
from sklearn_distill.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    routing_enabled,
)
from sklearn_distill.utils.cloning import clone_of, clone_with
from sklearn_distill.utils.columns import Columns
from sklearn_distill.utils.dispatch import (
    is_module,
    is_network,
    is_of_kind,
    name_of,
    tags_of,
)
from sklearn_distill.utils.pipelines import (
    last_step,
    transform_eval,
    weight_keyword,
    with_last_step,
)
from sklearn_distill.utils.progress import CallbackSupportMixin, Stages
from sklearn_distill.utils.rows import check_same_columns, check_weights, n_rows, stack_rows
from sklearn_distill.utils.seeds import own_rng


class BaseDistillation(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator, ABC):
    """What distillation of any kind of target has in common.

    Subclasses have at least the parameters of the constraints below.
    """

    #: What teachers are, what they give, and the rules for "auto", of a subclass.
    _kind = _answers = _rules = None

    _parameter_constraints: dict = {
        "teacher": [
            *map(HasMethods, ("fit", "predict", "predict_proba", "forward")),
            list,
            None,
        ],
        "student": [HasMethods("fit"), HasMethods("forward"), None],
        "alpha": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "strategy": [StrOptions({"auto", *STRATEGIES}), HasMethods(["objection", "teach"])],
        "augmenter": [HasMethods("sample"), HasMethods("fit_resample"), callable, None],
        "unlabeled_weight": [Interval(Real, 0, None, closed="left"), None],
        "cv": ["cv_object", StrOptions({"in-sample", "out-of-bag"})],
        "student_columns": [str, Integral, "array-like", slice, callable, None],
        "memory": [str, HasMethods("cache"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X, y=None, sample_weight=None, *, X_unlabeled=None, teacher_output=None, **fit_params
    ):
        """Label the rows with the teacher and teach the student.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows. Passed to teacher and student as they come.
        y : array-like of shape (n_samples,), default=None
            Real labels. None, if nobody knows them: then a fitted classifier as teacher says all
            that is learned.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, for the student, and for an unfitted teacher if
            it takes weights.
        X_unlabeled : rows of the same kind and columns as X, default=None
            Further rows without labels; the teacher alone labels them, with ``alpha=0`` too. In a
            cross-validation each fold gets all of them, unless there are exactly
            as many as rows in X: then scikit-learn takes them for one value per
            row and slices them. Add or drop a row in that case. The transformers
            of a Pipeline student are fitted on X alone.
        teacher_output : array-like of shape (n_samples, n_classes), default=None
            Probabilities from a teacher that is not here, with ``teacher=None``.
            Columns in the order of the sorted classes, or a data frame whose
            columns are named by the classes. If X and it have an index of the same labels, these
            say which row is which.
        **fit_params : dict
            For the student's ``fit``, and ``groups`` for a splitter that is ``cv``. With metadata
            routing enabled: for whoever requested them among teacher, student and ``cv``.

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
        if y is None:
            return self._fit_without_labels(
                X, sample_weight, X_unlabeled, teacher_output, fit_params
            )
        sample_weight = self._check_rows(X, sample_weight, X_unlabeled)
        y, X_unlabeled = self._check_labels(X, y), self._weighed(X_unlabeled)
        classes, labels = self._encode(y, sample_weight)
        columns = self._columns_of_student(X)
        student = self._new_student(_taken(columns, X), classes)
        strategy = self._choose_strategy(student, self._asks_teacher(X_unlabeled))
        reader = self._read_teacher(X_unlabeled, teacher_output)
        routed = self._route(reader, sample_weight, fit_params)
        # What is wrong with the student is found before hours are spent on its teacher.
        check_before_teaching(strategy, student, routed["student"]["fit"])
        if self._augments():
            as_augmenter(self.augmenter).check(X)
        if self.strategy == "auto":
            warn_of_last_resort(strategy, student)
        stages = Stages(self, 2, X, y)
        with stages.stage("labels from the teacher"):
            said = self._label(reader, X, y, X_unlabeled, teacher_output, classes, routed)
            n_given = n_rows(X_unlabeled)
            X_unlabeled, said = self._augment(X, y, X_unlabeled, classes, said)
        to_fit_student = {"sample_weight": sample_weight, **routed["student"]["fit"]}
        settings = self._settle(X, y, labels, said, X_unlabeled, to_fit_student)
        if settings.alpha == 0 and X_unlabeled is None:
            # Maybe the teacher was asked first. The model is the very one that alpha=0 gives.
            said = said._replace(log_proba=None)
            strategy = self._choose_strategy(student, asks_teacher=False)
        targets = self._make_targets(X, y, classes, labels, said, settings, sample_weight)
        unlabeled = None if said.log_proba is None else X_unlabeled
        transfer_set = TransferSet(X, y, unlabeled, targets, said.reader, routed["student"]["fit"])
        if self._augments():
            n_new = n_rows(X_unlabeled) - n_given

            def renew(seed):
                # Not in the cache, which would grow by every epoch of every fit.
                X_new, log_proba = self._draw(X, y, classes, said, seed, memory=None)
                if n_rows(X_new) != n_new:
                    raise ValueError(
                        f"{name_of(self.augmenter)} made {n_new} rows for one epoch and "
                        f"{n_rows(X_new)} for another. Let it make the same number."
                    )
                return X_new, self._as_taught(log_proba, labels, said, sample_weight)

            transfer_set = replace(transfer_set, renew=renew)
        if columns is not None:
            transfer_set = transfer_set.transformed(
                columns.take(X),
                columns.take(unlabeled),
                transform_eval(columns.take, transfer_set.fit_params),
                columns.take,
            )
        with stages.stage(f"{strategy.name} for the student"):
            student, decoder = teach(strategy, student, transfer_set)
        # Nothing is set before everything has worked, and then all at once.
        vars(self).update(
            teacher_=said.teacher,
            label_source_=said.source,
            student_=student,
            decoder_=decoder,
            strategy_=strategy,
            student_columns_=columns,
            **self._fitted(classes, settings),
        )
        stages.end()
        return self

    def _columns_of_student(self, X):
        """Return the columns that the student sees; None if it sees all."""
        if self.student_columns is None:
            return None
        return Columns.of(X, self.student_columns, "student_columns")

    @abstractmethod
    def _encode(self, y, sample_weight):
        """Return the classes and the position of each label among them."""

    def _fit_without_labels(self, X, sample_weight, X_unlabeled, teacher_output, fit_params):
        raise ValueError(
            f"{name_of(self)} requires y to be passed, but the target y is None. Without labels "
            "it learns from a fitted classifier alone, as teacher of a DistillationClassifier."
        )

    def _validate_params(self):
        # Before the constraints, which classes and lists would pass or fail with the wrong cure.
        for name, value in self.get_params(deep=False).items():
            if isinstance(value, type) and name != "student":
                raise TypeError(
                    f"{name}={value.__name__} is a class. Pass an instance, {value.__name__}(...)."
                )
        _check_student_is_no_class(self.student)
        _check_teacher_is_one_object(self.teacher)
        super()._validate_params()

    def _check_rows(self, X, sample_weight, X_unlabeled):
        if X is None:
            raise ValueError(f"{name_of(self)} requires X to be passed. Got None instead.")
        if isinstance(X, dict) and not sparse.issparse(X):
            raise TypeError(
                "X is a dict. Pass an array or a data frame, and make the dict of it in a "
                "transformer of the student and in TorchTeacher(module, preprocess=...)."
            )
        if X_unlabeled is not None:
            check_same_columns(X, X_unlabeled, "X_unlabeled")
        return check_weights(sample_weight, n_rows(X))

    def _check_labels(self, X, y):
        check_consistent_length(X, y)
        return self._check_y(y)

    def _weighed(self, X_unlabeled):
        """Return the rows without labels, if there are any and they have a weight."""
        return X_unlabeled if n_rows(X_unlabeled) and self.unlabeled_weight != 0 else None

    @abstractmethod
    def _check_y(self, y):
        """Return y as a checked ndarray of shape (n_samples,)."""

    def _new_student(self, X, classes):
        """Return an unfitted student: a copy of the user's, or the default network."""
        if self.student is not None:
            return clone_of(self.student)
        from sklearn_distill.nn.default_network import default_student

        return default_student(X, len(classes))

    def _known_alpha(self, X_unlabeled=None):
        """Return alpha; "auto" as long as it depends on what the teacher says."""
        if self.alpha != "auto":
            return self.alpha
        new_rows = X_unlabeled is not None or self._augments()
        return 0.0 if keeps_labels(self.student, new_rows, self._rules) else "auto"

    def _asks_teacher(self, X_unlabeled=None):
        """Tell whether the student is to learn anything of the teacher, or may be."""
        new_rows = X_unlabeled is not None or self._augments()
        return new_rows or self._known_alpha(X_unlabeled) != 0

    def _augments(self):
        return self.augmenter is not None and self.unlabeled_weight != 0

    def _asks_about_new_rows_only(self, X_unlabeled):
        """Tell whether nobody needs to know what the teacher says of rows with labels."""
        focus = getattr(self.augmenter, "focus", None)
        return self._known_alpha(X_unlabeled) == 0 and focus != "uncertain"

    def _choose_strategy(self, student, asks_teacher):
        """Return a copy of the strategy that teaches this student, with all it inherits."""
        return self._with_own_settings(self._select_strategy(student, asks_teacher))

    def _with_own_settings(self, strategy):
        """Return a copy of a strategy, with all it inherits."""
        strategy = clone(strategy)
        settings = strategy.get_params(deep=False)
        # None is "not set": 0 is a seed.
        strategy.set_params(
            **{
                key: getattr(self, key)
                for key in ("random_state", "verbose")
                if key in settings and settings[key] is None
            }
        )
        strategy._validate_params()
        return strategy

    def _read_teacher(self, X_unlabeled, teacher_output):
        """Return the reader of the teacher; None if there is none, or nobody asks it."""
        reader = None if self.teacher is None else self._reader()
        self._check_teacher_given(reader, X_unlabeled, teacher_output)
        return reader

    def _reader(self):
        """Return the reader of the teacher, which may be a list of several."""
        return TeacherReader.of(as_teacher(self.teacher))

    def _label(self, reader, X, y, X_unlabeled, teacher_output, classes, routed):
        """Return what the teacher says of the rows; nothing if nobody asks it."""
        if not self._asks_teacher(X_unlabeled):
            return Labels(reader)
        if reader is None:
            return Labels(None, self._read_output(teacher_output, X, classes), "given")
        asking = {
            "fit_params": routed["teacher"]["fit"],
            "memory": check_memory(self.memory),
            "n_jobs": self.n_jobs,
            "verbose": self.verbose,
        }
        if self._asks_about_new_rows_only(X_unlabeled):
            return label_new_rows(reader, X, y, X_unlabeled, classes, **asking)
        return label_training_rows(
            reader,
            X,
            y,
            X_unlabeled,
            classes,
            cv=self.cv,
            seed=self._fold_seed(),
            split_params=routed["splitter"]["split"],
            **asking,
        )

    def _augment(self, X, y, X_unlabeled, classes, said):
        """Return the rows without labels and what the teacher said, with new rows behind them."""
        if not self._augments():
            return X_unlabeled, said
        memory = check_memory(self.memory)
        X_new, of_new = self._draw(X, y, classes, said, self._fold_seed(), memory)
        log_proba = np.concatenate([said.log_proba, of_new])
        further = X_new if X_unlabeled is None else stack_rows(X_unlabeled, X_new)
        return further, said._replace(log_proba=log_proba)

    def _draw(self, X, y, classes, said, seed, memory):
        """Return new rows, and what the teacher says of them."""
        proba = self._probabilities(said.log_proba[: len(y)])
        X_new = draw_rows(self.augmenter, X, y, seed, proba)
        asking = {"n_jobs": self.n_jobs, "memory": memory, "quiet": True}
        return X_new, label_rows(said.reader, X_new, None, classes, **asking)

    @abstractmethod
    def _select_strategy(self, student, asks_teacher):
        """Return the strategy that teaches this student."""

    @abstractmethod
    def _read_output(self, teacher_output, X, classes):
        """Return what a teacher said that is not here, looked at."""

    @abstractmethod
    def _probabilities(self, answers):
        """Return the probabilities that an augmenter may ask for, of the labelled rows."""

    @abstractmethod
    def _settle(self, X, y, labels, said, X_unlabeled, fit_params):
        """Return the settings, where they are "auto" by the rules and what the teacher said."""

    def _warn_of_labels_alone(self, settings, X_unlabeled):
        """Say so if the rules leave a teacher unused that was given and asked."""
        if self.alpha == "auto" and settings.alpha == 0 and X_unlabeled is None:
            warnings.warn(
                f"{settings.reason} The student is taught by its labels alone. Set alpha=0.5 to "
                "distil all the same.",
                UserWarning,
                stacklevel=5,
            )

    @abstractmethod
    def _as_taught(self, log_proba, labels, said, sample_weight):
        """Return in the form that is taught what the teacher said of some rows."""

    @abstractmethod
    def _make_targets(self, X, y, classes, labels, said, settings, sample_weight):
        """Return what the student is to learn, from real labels and what the teacher said."""

    @abstractmethod
    def _fitted(self, classes, settings):
        """Return the fitted attributes of this kind of target, by name."""

    def _check_teacher_given(self, reader, X_unlabeled, teacher_output):
        name = name_of(self)
        teacher = as_teacher(self.teacher)
        may_predict = (
            hasattr(teacher, "predict")
            or hasattr(teacher, "predict_proba")
            or is_of_kind(teacher, self._kind)
            or is_module(teacher)
        )
        if reader is not None and not may_predict:
            # A stack has no predict before it is fitted, which the constraints cannot tell.
            raise ValueError(
                f"The 'teacher' parameter of {name} must be a {self._kind} or None. "
                f"Got {self.teacher!r} instead."
            )
        if reader is not None and teacher_output is not None:
            raise ValueError(
                f"{name} got both a teacher and teacher_output. Pass teacher=None to use "
                "teacher_output, or leave teacher_output out."
            )
        if reader is None and (self.alpha != 0 or self._asks_teacher(X_unlabeled)):
            if teacher_output is None:
                raise ValueError(
                    f"{name} has teacher=None and no teacher_output. Pass a teacher, or its "
                    f"{self._answers} as fit(..., teacher_output=P), or alpha=0 for a student "
                    "without a teacher."
                )
            new_rows = {"X_unlabeled": X_unlabeled is not None, "augmenter": self._augments()}
            for name, given in new_rows.items():
                if given:
                    raise ValueError(
                        f"{name} needs a teacher to label the rows, but teacher is None. "
                        f"Pass a teacher, or leave {name} out."
                    )

    def _fold_seed(self):
        """Return an int: ``random_state=None`` gives the same folds at every call."""
        if self.random_state is None:
            return 0
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return own_rng(self.random_state).randint(np.iinfo(np.int32).max)

    @classmethod
    def _like(cls, model, **settings):
        """Return one with the settings of another distillation, but for these."""
        return cls(**{name: getattr(model, name) for name in cls._get_param_names()} | settings)

    # -- scikit-learn's contract ------------------------------------------------

    def _route(self, reader, sample_weight, fit_params):
        """Return who gets which fit parameter, by child and method."""
        if not routing_enabled():
            keyword = weight_keyword(self.student)
            if keyword in fit_params:
                raise TypeError(
                    f"{name_of(self)}.fit got {keyword}, but the weights of the student are made "
                    "from its soft targets. Pass the weights of the rows as sample_weight=..."
                )
            for_cv = {"groups"} & set(fit_params) if hasattr(self.cv, "split") else set()
            return Bunch(
                teacher={"fit": self._weights_for_teacher(reader, sample_weight)},
                student={"fit": {k: v for k, v in fit_params.items() if k not in for_cv}},
                splitter={"split": {k: fit_params[k] for k in for_cv}},
            )
        metadata = (
            fit_params if sample_weight is None else {**fit_params, "sample_weight": sample_weight}
        )
        routed = process_routing(self, "fit", **metadata)
        nothing = {"fit": {}, "split": {}}
        return {child: routed.get(child, nothing) for child in ("teacher", "student", "splitter")}

    def _weights_for_teacher(self, reader, sample_weight):
        if sample_weight is None or not needs_fits(reader, self.cv):
            return {}
        keyword = weight_keyword(as_teacher(self.teacher))
        if keyword:
            return {keyword: sample_weight}
        if self._known_alpha() != 0 and np.ptp(sample_weight) > 0:
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
        router.add(student=without_weight_request(self.student), method_mapping=fit_to_fit)
        if self.teacher is not None and needs_fits(self._reader(), self.cv):
            router.add(teacher=as_teacher(self.teacher), method_mapping=fit_to_fit)
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
        teacher = as_teacher(params.get("teacher", self.teacher))
        if nested and is_fitted(teacher):
            raise ValueError(
                f"Cannot set {nested} of {name_of(self)}: its teacher {name_of(teacher)} is "
                "already fitted and is used as it is. Pass an unfitted one, clone(teacher), to "
                "have it fitted with these parameters."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        """Clone everything but a fitted teacher, which is carried over by reference."""
        teacher = self.teacher
        if isinstance(teacher, list):
            teacher = clone(as_teacher(teacher)).estimators
        elif not is_fitted(teacher):
            teacher = clone_of(teacher)
        return clone_with(self, teacher=teacher, student=clone_of(self.student))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        student, *others = [tags_of(part) for part in self._parts()]
        kinds = ("sparse", "allow_nan", "string", "categorical")
        if self.student is None:  # the default network prepares its rows itself
            for name in kinds:
                setattr(student.input_tags, name, True)
        elif is_network(self.student):
            student.input_tags.sparse = True
        for name in kinds:
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
            if self.teacher is None or not self._asks_teacher()
            else [self.student, as_teacher(self.teacher)]
        )

    def _decoded(self):
        return self.decoder_, self.student_

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


class Informed:
    """A distillation whose teacher has spoken already: mixed in before an estimator.

    Attributes
    ----------
    said : Labels
        Of the rows that ``fit`` will get, and of X_unlabeled.
    classes : ndarray of shape (n_classes,) or None
        What the columns of these are; None takes the classes of y.
    """

    said, classes = Labels(None), None

    def plain(self, of):
        """Return the same fitted model as one of the public class, for users to look at."""
        twin = of._like(self)
        vars(twin).update({name: value for name, value in vars(self).items() if name[-1] == "_"})
        return twin

    def _read_teacher(self, X_unlabeled, teacher_output):
        return self.said.reader

    def _label(self, *args):
        return self.said


def _taken(columns, X):
    return X if columns is None else columns.take(X)


def _check_student_is_no_class(student):
    """Raise TypeError for a class, unless it is a module class that can be made as it is."""
    if not isinstance(student, type):
        return
    if is_module(student):
        try:
            signature(student).bind()
        except TypeError:
            pass
        else:
            return
    raise TypeError(
        f"student={student.__name__} is a class. Pass an instance, {student.__name__}(...)."
    )


def _check_teacher_is_one_object(teacher):
    """Raise TypeError for several teachers, and for a function."""
    pairs = isinstance(teacher, list) and all(
        isinstance(pair, tuple | list) and len(pair) == 2 for pair in teacher
    )
    if isinstance(teacher, list | tuple | dict) and not pairs:
        raise TypeError(
            f"teacher must be one estimator, or a list of (name, estimator). Got a "
            f"{name_of(teacher)} of {len(teacher)}. Name them: [('a', teacher_a), ('b', "
            "teacher_b)], or TeacherEnsemble of such a list."
        )
    if isinstance(as_teacher(teacher), TeacherEnsemble):
        as_teacher(teacher).check_members()
    if isinstance(teacher, FunctionType | MethodType | BuiltinFunctionType | partial):
        raise TypeError(
            "teacher must be an estimator. Got a function. Pass what it returns instead: "
            "teacher=None and fit(..., teacher_output=function(X)); or an object with a method "
            "predict_proba."
        )


def without_weight_request(student):
    """Return a shallow copy whose last step requests no ``sample_weight``."""
    keyword = weight_keyword(student)
    bare = copy.copy(last_step(student))
    if keyword is None or not hasattr(bare, "set_fit_request"):
        return student
    with config_context(enable_metadata_routing=True):
        return with_last_step(student, bare.set_fit_request(sample_weight=False))
