"""A model that is its own teacher: born-again networks, trees and boosters."""

from abc import abstractmethod
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, check_memory

from sklearn_distill._base import without_weight_request
from sklearn_distill._classifier import DistillationClassifier, InformedClassifier
from sklearn_distill._distilled import AveragedClassifier, DecodedRegressor
from sklearn_distill._generations import (
    Generation,
    Rows,
    answers_out_of_fold,
    last_that_gains,
    losses_held_out,
    mean_log_proba,
    mean_of_known,
)
from sklearn_distill._regressor import DistillationRegressor, InformedRegressor
from sklearn_distill.labelling import Labels, fit_and_label, label_rows, make_splits
from sklearn_distill.strategies import STRATEGIES, STRATEGIES_OF_VALUES
from sklearn_distill.teachers import TeacherReader, ValueReader
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    routing_enabled,
    slice_params,
)
from sklearn_distill.utils.dispatch import name_of, tags_of
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import check_same_columns, indexable_rows, n_rows


class BaseSelfDistillation(MetaEstimatorMixin, BaseEstimator):
    """What self-distillation of classes and of values has in common."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit"), HasMethods("forward")],
        "n_generations": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "early_stopping": ["boolean"],
        "nested": ["boolean"],
        "average": ["boolean"],
        "cv": ["cv_object"],
        "memory": [str, HasMethods("cache"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None, *, X_unlabeled=None, **fit_params):
        """Fit the estimator on the real labels, and then on what the one before it says.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows.
        y : array-like of shape (n_samples,)
            Real labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        X_unlabeled : rows of the same kind and columns as X, default=None
            Further rows, which each generation labels for the next.
        **fit_params : dict
            For the ``fit`` of the estimator.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If rows or labels are unfit for use.
        TypeError
            If the estimator cannot learn what it says itself.
        """
        first = self._model(alpha=0.0)
        if y is None:
            first._fit_without_labels(X, sample_weight, X_unlabeled, None, fit_params)
        sample_weight = first._check_rows(X, sample_weight, X_unlabeled)
        y = first._check_labels(X, y)
        columns, _ = first._encode(y, sample_weight)
        # Before anything is fitted: whether it can learn what it says itself.
        self._model(self.alpha)._choose_strategy(self.estimator, asks_teacher=True)
        if not n_rows(X_unlabeled):
            X_unlabeled = None
        else:
            check_same_columns(X, X_unlabeled, "X_unlabeled")
        params = self._params(sample_weight, fit_params)
        splits = make_splits(
            self.cv, X, y, first._fold_seed(), {}, classifier=self._reads.of_classes
        )
        rows = Rows(indexable_rows(X), y, X_unlabeled, columns)
        best, losses = self.n_generations, None
        if self.early_stopping and self.nested:
            with stage("generations on rows held out", self.verbose):
                losses = self._losses_held_out(rows, splits, params)
            best = last_that_gains(losses, sample_weight)
        generations = self._chain(rows, splits, params, best, ends_early=self._judges_itself())
        if self._judges_itself():
            losses = [one.losses for one in generations]
            best = last_that_gains(losses, sample_weight)
        self._keep(generations, best, losses, columns, sample_weight)
        return self

    def _losses_held_out(self, rows, splits, params):
        """Return the loss of each generation on rows that nobody before it has seen."""
        quiet = clone(self).set_params(verbose=0, n_jobs=None)
        losses_of = partial(_losses_of_fold, quiet, rows, params)
        return losses_held_out(losses_of, splits, len(rows.y), self.n_jobs, ", or nested=False")

    def _judges_itself(self):
        """Tell whether generations are judged by the folds of their labels."""
        return self.early_stopping and not self.nested

    def _chain(self, rows, splits, params, n_generations, *, ends_early=False):
        """Return the generations, each taught by the one before.

        With ``ends_early`` none after the first whose loss on the rows of these splits is not
        clearly less; of the last one it is then known what it says of them.
        """
        first = self._model(alpha=0.0)
        with stage("generation 0, on the labels", self.verbose):
            reader, answers = fit_and_label(
                self._reads(first, fitted=False),
                *(rows.X, rows.y, rows.X_unlabeled, rows.columns),
                splits=splits,
                fit_params=params,
                memory=check_memory(self.memory),
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
        losses = self._losses(answers[: len(rows.y)], rows.columns, rows.y)
        generations = [Generation(reader.teacher, answers, losses)]
        for number in range(1, n_generations + 1):
            last = number == n_generations and not ends_early
            with stage(f"generation {number}", self.verbose):
                generations.append(self._next(generations[-1], rows, splits, params, last))
            if ends_early:
                tried = [one.losses for one in generations]
                if last_that_gains(tried, params.get("sample_weight")) < number:
                    break
        return generations

    def _next(self, teacher, rows, splits, params, last):
        """Return the generation that learns from another one.

        Of the last one nobody asks for labels of rows that it has not seen.
        """
        asking = Labels(self._reads(teacher.model, fitted=True), teacher.answers, "out-of-fold")
        model = self._taught(rows, asking, params)
        if last:
            return Generation(model, None, None)

        def teach(some, heard, of_fold):
            return self._taught(some, asking._replace(log_proba=heard), of_fold)

        n_samples = len(rows.y)
        answers = answers_out_of_fold(
            teach, self._reads, rows, teacher.answers, splits, params, self._mean
        )
        of_new = teacher.answers[n_samples:]
        if rows.X_unlabeled is not None:
            whole = self._reads(model, fitted=True)
            of_new = label_rows(whole, rows.X_unlabeled, None, rows.columns, n_jobs=self.n_jobs)
        answers = np.concatenate([answers, of_new])
        losses = self._losses(answers[:n_samples], rows.columns, rows.y)
        return Generation(model, answers, losses)

    def _taught(self, rows, said, params):
        model = self._informed._like(self._model(alpha=self.alpha))
        model.said, model.classes = said, rows.columns
        model.fit(rows.X, rows.y, X_unlabeled=rows.X_unlabeled, **params)
        return model.plain(type(self._model(alpha=0.0)))

    def _keep(self, generations, best, losses, columns, sample_weight):
        if losses is None:
            unknown = np.full(1, np.nan)
            losses = [unknown if one.losses is None else one.losses for one in generations]
        self.losses_ = np.array([mean_of_known(of_rows, sample_weight) for of_rows in losses])
        self.generations_ = [one.model for one in generations[: best + 1]]
        self.best_generation_ = best
        chosen = self.generations_[best]
        self.teacher_ = self.generations_[max(best - 1, 0)]
        self.student_, self.decoder_ = chosen.student_, chosen.decoder_
        self._keep_columns(columns)

    def _params(self, sample_weight, fit_params):
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        if routing_enabled() and fit_params:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        return fit_params | weight

    def get_metadata_routing(self):
        """Return the routing of fit parameters to the estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=without_weight_request(self.estimator),
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def _decoded(self):
        return self.decoder_, self.student_

    def standalone(self):
        """Return the chosen generation on its own: to be saved, shipped and exported.

        Returns
        -------
        DistilledClassifier or DistilledRegressor

        Raises
        ------
        ValueError
            With ``average=True``: there are several.
        """
        check_is_fitted(self)
        if self.average and self.best_generation_ > 1:
            raise ValueError(
                f"{name_of(self)} with average=True is {self.best_generation_} students, and not "
                "one. Distil it into a student of its own, or set average=False."
            )
        return self.generations_[self.best_generation_].standalone()

    @property
    def n_features_in_(self):
        """Number of features seen in ``fit``, if the estimator counts them."""
        return self._fitted_student().n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features seen in ``fit``, if the estimator keeps them."""
        return self._fitted_student().feature_names_in_

    def _fitted_student(self):
        if "student_" not in vars(self):
            raise AttributeError(f"This {name_of(self)} is not fitted yet")
        return self.student_

    def _averaged(self):
        return self.average and self.best_generation_ > 1

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        model = tags_of(self._model(alpha=0.0))
        tags.input_tags, tags.target_tags = model.input_tags, model.target_tags
        tags.classifier_tags, tags.regressor_tags = model.classifier_tags, model.regressor_tags
        tags.non_deterministic = model.non_deterministic
        return tags

    @abstractmethod
    def _model(self, alpha):
        """Return a distillation of the estimator, of these settings, without a teacher."""

    @abstractmethod
    def _losses(self, answers, columns, y):
        """Return the loss of each row."""

    @abstractmethod
    def _keep_columns(self, columns):
        """Keep what the columns of answers are."""


def _losses_of_fold(model, rows, params, train, test, parts):
    """Return the losses on some rows of all generations that are taught on others."""
    own, held_out = rows.of(train), rows.of(test)
    of_train = slice_params(rows.X, params, indices=train)
    present = np.unique(own.y) if model._reads.of_classes else None
    losses = []
    for one in model._chain(own, parts, of_train, model.n_generations):
        reader = model._reads(one.model, fitted=True)
        said, _ = reader.ask(held_out.X, rows.columns, present)
        losses.append(model._losses(said, rows.columns, held_out.y))
    return losses


class SelfDistillationClassifier(AveragedClassifier, BaseSelfDistillation):
    """A classifier that learns from itself, generation by generation.

    Generation 0 is fitted on the labels. Each next one, an estimator of the same settings, is
    taught by the one before it [1]_, as :class:`DistillationClassifier` would: what it learns of a
    row is said by models that have not seen the row. It goes on as long as the log loss on rows
    held out falls clearly, by more than one standard error; the generation with the least loss is
    kept, which may be the first one.

    Parameters
    ----------
    estimator : estimator or torch module
        Cloned for each generation, and never fitted itself: a classifier, a torch module or a
        skorch net, or a :class:`~sklearn.pipeline.Pipeline` that ends in one.
    n_generations : int, default=3
        Generations that are taught, at most.
    alpha : float in [0, 1], default=0.5
        Weight of the generation before on the labelled rows.
    temperature : float in (0, inf), default=1.0
        Softness of what is taught.
    strategy : str or Strategy, default="auto"
        How a generation is taught, as in :class:`DistillationClassifier`.
    early_stopping : bool, default=True
        Whether to end when the loss on rows held out no longer falls clearly. False takes the last
        of all generations.
    nested : bool, default=True
        Whether generations are judged on rows that none before them has seen: of K folds every two
        are left out together, so that some K² more models are fitted for each generation. With
        False they are judged by the folds of their labels, which know a little of the rows that
        they are judged on, and a generation may be kept that is worse than the first.
    average : bool, default=False
        Whether to predict the mean of all generations that were taught, from the first to the one
        that was kept.
    cv : int, splitter or None, default=None
        Folds of the labels, each of which is fitted once per generation; None is 5.
    probability_floor : float in (0, 1), default=2e-4
        As in :class:`DistillationClassifier`.
    memory : str, joblib.Memory or None, default=None
        Caches the first generation.
    n_jobs : int or None, default=None
        Parallel fits of the first generation.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, and what is drawn in training. The estimator has a seed of its own.
    verbose : int, default=0
        Whether to print the stages.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes found in y, sorted.
    generations_ : list of DistillationClassifier
        Fitted, from the one on labels to the one that was kept.
    best_generation_ : int
        The number of that one; 0 is the estimator on the labels alone.
    losses_ : ndarray of shape (n_generations + 1,)
        Mean log loss of each generation on rows held out, kept or not; with ``nested=False`` none
        after the first that was not kept. NaN for the last one without early stopping.
    teacher_ : DistillationClassifier
        The generation before the one that was kept, which has taught it; generation 0 if there is
        none.
    student_, decoder_
        Of the generation that was kept, as in :class:`DistillationClassifier`.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the estimator has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the estimator has it.

    See Also
    --------
    DistillationClassifier : A teacher of another kind.
    SelfDistillationRegressor : For values.

    Notes
    -----
    The labels of a fold were made by models that know the rows which the fold holds out, one step
    back: what is gained in the folds is a little too good, which is why it must be clear.

    References
    ----------
    .. [1] T. Furlanello, Z. Lipton, M. Tschannen, L. Itti, A. Anandkumar, "Born-Again Neural
       Networks", ICML 2018, `arXiv:1805.04770 <https://arxiv.org/abs/1805.04770>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import SelfDistillationClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
    >>> model = SelfDistillationClassifier(tree).fit(X, y)
    >>> bool(model.losses_[model.best_generation_] <= model.losses_[0])
    True
    """

    _parameter_constraints: dict = {
        **BaseSelfDistillation._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "strategy": [StrOptions({"auto", *STRATEGIES}), HasMethods(["objection", "teach"])],
        "probability_floor": [Interval(Real, 0, 1, closed="neither")],
    }

    _informed, _reads = InformedClassifier, TeacherReader

    def __init__(
        self,
        estimator,
        *,
        n_generations=3,
        alpha=0.5,
        temperature=1.0,
        strategy="auto",
        early_stopping=True,
        nested=True,
        average=False,
        cv=None,
        probability_floor=2e-4,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.n_generations = n_generations
        self.alpha = alpha
        self.temperature = temperature
        self.strategy = strategy
        self.early_stopping = early_stopping
        self.nested = nested
        self.average = average
        self.cv = cv
        self.probability_floor = probability_floor
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _model(self, alpha):
        return DistillationClassifier(
            None,
            self.estimator,
            alpha=alpha,
            temperature=self.temperature,
            strategy=self.strategy,
            probability_floor=self.probability_floor,
            random_state=self.random_state,
        )

    def _losses(self, answers, columns, y):
        lifted = lift_zeros(answers, self.probability_floor)
        return -lifted[np.arange(len(y)), np.searchsorted(columns, y)]

    _mean = staticmethod(mean_log_proba)

    def _keep_columns(self, columns):
        self.classes_ = columns

    def _averaged_models(self):
        return self.generations_[1:] if self._averaged() else None

    def _offers(self, method):
        if "generations_" in vars(self):
            return self.generations_[self.best_generation_]._offers(method)
        return clone(self._model(alpha=0.0))._offers(method)


class SelfDistillationRegressor(DecodedRegressor, BaseSelfDistillation):
    """A regressor that learns from itself, generation by generation.

    As :class:`SelfDistillationClassifier`, for values: each generation learns the blend of the
    real values and of what the one before it says of rows that it has not seen, and it goes on as
    long as the squared error on rows held out falls clearly.

    Parameters
    ----------
    estimator : estimator
        Cloned for each generation, and never fitted itself: a regressor, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one.
    n_generations : int, default=3
        Generations that are taught, at most.
    alpha : float in [0, 1], default=0.5
        Weight of the generation before on the labelled rows.
    strategy : str or Strategy, default="auto"
        How a generation is taught, as in :class:`DistillationRegressor`.
    early_stopping : bool, default=True
        Whether to end when the error on rows held out no longer falls clearly. False takes the
        last of all generations.
    nested : bool, default=True
        Whether generations are judged on rows that none before them has seen: of K folds every two
        are left out together, so that some K² more models are fitted for each generation. With
        False they are judged by the folds of their labels, which know a little of the rows that
        they are judged on, and a generation may be kept that is worse than the first.
    average : bool, default=False
        Whether to predict the mean of all generations that were taught, from the first to the one
        that was kept.
    cv : int, splitter or None, default=None
        Folds of the labels, each of which is fitted once per generation; None is 5.
    memory : str, joblib.Memory or None, default=None
        Caches the first generation.
    n_jobs : int or None, default=None
        Parallel fits of the first generation.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds. The estimator has a seed of its own.
    verbose : int, default=0
        Whether to print the stages.

    Attributes
    ----------
    generations_ : list of DistillationRegressor
        Fitted, from the one on real values to the one that was kept.
    best_generation_ : int
        The number of that one; 0 is the estimator on the real values alone.
    losses_ : ndarray of shape (n_generations + 1,)
        Mean squared error of each generation on rows held out, as a share of the variance, kept or
        not; with ``nested=False`` none after the first that was not kept. NaN for the last one
        without early stopping.
    teacher_ : DistillationRegressor
        The generation before the one that was kept, which has taught it; generation 0 if there is
        none.
    student_, decoder_
        Of the generation that was kept, as in :class:`DistillationRegressor`.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the estimator has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the estimator has it.

    See Also
    --------
    SelfDistillationClassifier : For classes, with notes and references.
    DistillationRegressor : A teacher of another kind.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import SelfDistillationRegressor
    >>> X, y = make_friedman1(500, noise=2, random_state=0)
    >>> tree = DecisionTreeRegressor(max_leaf_nodes=32, random_state=0)
    >>> model = SelfDistillationRegressor(tree).fit(X, y)
    >>> bool(model.losses_[model.best_generation_] <= model.losses_[0])
    True
    """

    _parameter_constraints: dict = {
        **BaseSelfDistillation._parameter_constraints,
        "estimator": [HasMethods("fit")],
        "strategy": [
            StrOptions({"auto", *STRATEGIES_OF_VALUES}),
            HasMethods(["objection", "teach"]),
        ],
    }

    _informed, _reads = InformedRegressor, ValueReader

    def __init__(
        self,
        estimator,
        *,
        n_generations=3,
        alpha=0.5,
        strategy="auto",
        early_stopping=True,
        nested=True,
        average=False,
        cv=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.n_generations = n_generations
        self.alpha = alpha
        self.strategy = strategy
        self.early_stopping = early_stopping
        self.nested = nested
        self.average = average
        self.cv = cv
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _model(self, alpha):
        return DistillationRegressor(
            None,
            self.estimator,
            alpha=alpha,
            strategy=self.strategy,
            random_state=self.random_state,
        )

    def _losses(self, answers, columns, y):
        y = y.reshape(len(y), -1)
        scale = np.maximum(y.var(axis=0), np.finfo(float).tiny)
        return ((answers - y) ** 2 / scale).mean(axis=1)

    @staticmethod
    def _mean(before, found, times):
        return (before * times[:, None] + found) / (times[:, None] + 1)

    def _keep_columns(self, columns):
        pass

    def predict(self, X):
        """Predict the value of each row.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        check_is_fitted(self)
        if not self._averaged():
            return super().predict(X)
        return np.mean([one.predict(X) for one in self.generations_[1:]], axis=0)
